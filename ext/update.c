/*
 * update.c - writing: INSERT, UPDATE and DELETE of one row, with core's checks in core's order and words.
 *
 * SQLite hands over raw values: affinity, NOT NULL, uniqueness and the choice of a rowid are done here. A row that is
 * refused leaves nothing behind; what to do about the refusal (OR IGNORE, FAIL, ABORT, ROLLBACK) SQLite does itself.
 *
 * OR REPLACE does not look whether the key is there: the new row hides the old one.
 */

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/hub.h"
#include "ext/rowid.h"
#include "ext/sql_table.h"

/* One call of xUpdate. */
struct change {
    struct sql_table *table;
    sqlite3_value **values; /* of the columns */
    sqlite3_value *old_key; /* NULL: INSERT */
    sqlite3_value *new_key; /* what SQLite thinks the rowid or key will be */
    bool replace;
    int64_t rowid; /* of a table that has one */
    int64_t old_rowid;
    bool key_changes; /* there is an old row, under another key */
};

static int fail(struct sql_table *table, enum lsmkv_status status, const struct lsmkv_error *err)
{
    return error_from(&table->base.zErrMsg, status, err);
}

/* ---- Keys ---- */

static enum lsmkv_status start_key(const struct sql_table *table, struct lsmkv_buf *key)
{
    key->size = 0;
    return key_put_keyspace(key, table->keyspace);
}

/* The key under which SQLite knows a row: what sql_cursor_rowid() or the key column gave. */
static enum lsmkv_status known_key(const struct sql_table *table, struct lsmkv_buf *key, sqlite3_value *value)
{
    const struct key_part *part = table->schema.primary.parts;
    struct cell cell;
    enum lsmkv_status status;

    if (schema_has_rowid(&table->schema))
        return rowid_key(table, key, sqlite3_value_int64(value));
    status = cell_from_value(&cell, value);
    if (!status)
        status = start_key(table, key);
    if (!status && schema_has_hidden_key(&table->schema))
        return bytes_append(key, cell.bytes.data, cell.bytes.size);
    return status ? status : key_put_part(key, &cell, part->collation, part->descending);
}

static enum lsmkv_status cell_key(const struct sql_table *table, struct lsmkv_buf *key)
{
    enum lsmkv_status status = start_key(table, key);

    if (status)
        return status;
    return key_put_shape(key, &table->schema.primary, table->cells, 0);
}

/* ---- Values ---- */

/* UPDATE ... FROM may say that a column keeps its value without giving it: the old row has it. */
static int read_old_row(struct sql_table *table)
{
    struct lsmkv_error err;
    enum lsmkv_status status = LSMKV_OK;
    bool found = false;

    error_clear(&err);
    if (!table->old.fields)
        status = row_reader_init(&table->old, &table->layout);
    if (!status)
        status = lsmkv_get(table->session->engine, bytes_of(&table->old_key), &table->old_row, &found, &err);
    if (status)
        return fail(table, status, &err);
    if (!found)
        return error_set(&table->base.zErrMsg, SQLITE_ERROR, "table %s: the row to update is gone", table->name);
    status = row_reader_set(&table->old, bytes_of(&table->old_key), bytes_of(&table->old_row));
    return fail(table, status, NULL);
}

static int take_old_value(struct sql_table *table, int column, bool *read)
{
    int rc = SQLITE_OK;

    if (!*read)
        rc = read_old_row(table);
    *read = true;
    return rc ? rc : fail(table, row_reader_get(&table->old, column, &table->cells[column]), NULL);
}

/* Fills table->cells with what will be stored. */
static int take_values(const struct change *change)
{
    struct sql_table *table = change->table;
    bool read = false;
    int i, rc = SQLITE_OK;

    for (i = 0; i < table->schema.count && !rc; i++) {
        sqlite3_value *value = change->values[i];

        if (change->old_key && sqlite3_value_nochange(value))
            rc = take_old_value(table, i, &read);
        else
            rc = fail(table, affinity_store(&table->cells[i], table->schema.columns[i].affinity, value), NULL);
    }
    return rc;
}

static int check_not_null(struct sql_table *table)
{
    const struct table_schema *schema = &table->schema;
    int i;

    for (i = 0; i < schema->count; i++) {
        if (schema->columns[i].not_null && table->cells[i].type == CELL_NULL && i != schema->integer_column)
            return error_core(&table->base.zErrMsg, SQLITE_CONSTRAINT_NOTNULL, "NOT NULL constraint failed: %s.%s",
                              table->name, schema->columns[i].name);
    }
    return SQLITE_OK;
}

/* ---- Rowids ---- */

static int mismatch(struct sql_table *table)
{
    return error_core(&table->base.zErrMsg, SQLITE_MISMATCH, "datatype mismatch");
}

/* The rowid as the columns say it: the INTEGER PRIMARY KEY. *given is false for NULL and where there is no such column. */
static int column_rowid(const struct change *change, int64_t *rowid, bool *given)
{
    struct sql_table *table = change->table;
    const struct cell *cell;

    *given = false;
    if (table->schema.key_kind != KEY_INTEGER)
        return SQLITE_OK;
    cell = &table->cells[table->schema.integer_column];
    if (cell->type == CELL_NULL)
        return change->old_key ? mismatch(table) : SQLITE_OK;
    if (cell->type != CELL_INTEGER)
        return mismatch(table);
    *rowid = cell->integer;
    *given = true;
    return SQLITE_OK;
}

static int disagree(struct sql_table *table)
{
    return error_set(&table->base.zErrMsg, SQLITE_ERROR,
                     "table %s: rowid and %s are given different values, but are the same", table->name,
                     table->schema.columns[table->schema.integer_column].name);
}

/* SQLite does not know that rowid and INTEGER PRIMARY KEY are one: either may have been given, or changed. */
static int settle_insert_rowid(struct change *change)
{
    bool by_rowid = sqlite3_value_type(change->new_key) != SQLITE_NULL, by_column;
    int64_t column = 0;
    int rc = column_rowid(change, &column, &by_column);

    if (rc)
        return rc;
    change->rowid = by_rowid ? sqlite3_value_int64(change->new_key) : column;
    if (by_rowid && by_column && change->rowid != column)
        return disagree(change->table);
    return by_rowid || by_column ? SQLITE_OK : rowid_choose(change->table, &change->rowid);
}

static int settle_update_rowid(struct change *change)
{
    struct cell cell;
    int64_t column = 0;
    bool by_column;
    int rc = column_rowid(change, &column, &by_column);

    if (rc)
        return rc;
    change->old_rowid = sqlite3_value_int64(change->old_key);
    change->rowid = change->old_rowid;
    if (!sqlite3_value_nochange(change->new_key)) {
        rc = fail(change->table, affinity_store(&cell, AFFINITY_INTEGER, change->new_key), NULL);
        if (rc)
            return rc;
        if (cell.type != CELL_INTEGER)
            return mismatch(change->table);
        change->rowid = cell.integer;
    }
    if (by_column && column != change->old_rowid) {
        if (change->rowid != change->old_rowid && change->rowid != column)
            return disagree(change->table);
        change->rowid = column;
    }
    return SQLITE_OK;
}

/* Sets table->key, and the cell of an INTEGER PRIMARY KEY. */
static int settle_key(struct change *change)
{
    struct sql_table *table = change->table;
    int rc;

    if (!schema_has_rowid(&table->schema))
        return fail(table, cell_key(table, &table->key), NULL);
    rc = change->old_key ? settle_update_rowid(change) : settle_insert_rowid(change);
    if (rc)
        return rc;
    if (table->schema.key_kind == KEY_INTEGER) {
        table->cells[table->schema.integer_column].type = CELL_INTEGER;
        table->cells[table->schema.integer_column].integer = change->rowid;
    }
    return fail(table, rowid_key(table, &table->key, change->rowid), NULL);
}

/* ---- Writing ---- */

/* "UNIQUE constraint failed: t.a, t.b": the first `count` parts of `shape`. */
static int columns_taken(struct sql_table *table, const struct key_shape *shape, int count, int code)
{
    sqlite3_str *columns = sqlite3_str_new(NULL);
    char *text;
    int i;

    for (i = 0; i < count; i++)
        sqlite3_str_appendf(columns, "%s%s.%s", i ? ", " : "", table->name,
                            table->schema.columns[shape->parts[i].column].name);
    text = sqlite3_str_finish(columns);
    if (!text)
        return SQLITE_NOMEM;
    error_core(&table->base.zErrMsg, code, "UNIQUE constraint failed: %s", text);
    sqlite3_free(text);
    return code;
}

static int taken(struct sql_table *table)
{
    const struct table_schema *schema = &table->schema;

    if (schema->key_kind == KEY_HIDDEN_ROWID)
        return error_core(&table->base.zErrMsg, SQLITE_CONSTRAINT_ROWID, "UNIQUE constraint failed: %s.rowid",
                          table->name);
    if (schema->key_kind == KEY_INTEGER)
        return error_core(&table->base.zErrMsg, SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: %s.%s",
                          table->name, schema->columns[schema->integer_column].name);
    return columns_taken(table, &schema->primary, schema->primary.count, SQLITE_CONSTRAINT_PRIMARYKEY);
}

static int check_unique(const struct change *change)
{
    struct sql_table *table = change->table;
    struct lsmkv_error err;
    enum lsmkv_status status;
    bool found = false;

    error_clear(&err);
    if (change->replace || (change->old_key && !change->key_changes))
        return SQLITE_OK;
    status = lsmkv_get(table->session->engine, bytes_of(&table->key), NULL, &found, &err);
    if (status)
        return fail(table, status, &err);
    return found ? taken(table) : SQLITE_OK;
}

/* Two writes where the key changes: both or none. */
static int write_row(const struct change *change)
{
    struct sql_table *table = change->table;
    struct lsmkv_session *engine = table->session->engine;
    struct lsmkv_error err;
    uint64_t mark = lsmkv_session_mark(engine);
    enum lsmkv_status status = LSMKV_OK;

    error_clear(&err);
    if (change->key_changes)
        status = lsmkv_delete(engine, bytes_of(&table->old_key), &err);
    if (!status)
        status = lsmkv_put(engine, bytes_of(&table->key), bytes_of(&table->row), &err);
    if (status) {
        lsmkv_session_rollback_to(engine, mark);
        return fail(table, status, &err);
    }
    if (schema_has_rowid(&table->schema)) {
        if (change->key_changes)
            rowid_note_delete(table, change->old_rowid);
        rowid_note_put(table, change->rowid);
    }
    return SQLITE_OK;
}

static int encode_row(struct sql_table *table, struct lsmkv_buf *row)
{
    enum lsmkv_status status = row_encode(row, &table->layout, table->cells);

    if (status == LSMKV_TOOBIG)
        return error_set(&table->base.zErrMsg, SQLITE_TOOBIG, "table %s: a row is over the limit of %u bytes",
                         table->name, LSMKV_VALUE_MAX);
    return fail(table, status, NULL);
}

static int put(struct change *change)
{
    struct sql_table *table = change->table;
    int rc = take_values(change);

    if (!rc && schema_has_rowid(&table->schema))
        rc = settle_key(change);
    if (!rc)
        rc = check_not_null(table);
    if (!rc && !schema_has_rowid(&table->schema))
        rc = settle_key(change);
    if (rc)
        return rc;
    change->key_changes = change->old_key && bytes_compare(bytes_of(&table->key), bytes_of(&table->old_key)) != 0;
    rc = check_unique(change);
    if (!rc)
        rc = encode_row(table, &table->row);
    return rc ? rc : write_row(change);
}

/* OR REPLACE of an earlier row of the same statement may have removed this one: then there is nothing to update. */
static int is_gone(struct sql_table *table, bool *gone)
{
    struct lsmkv_error err;
    enum lsmkv_status status;
    bool found = false;

    error_clear(&err);
    status = lsmkv_get(table->session->engine, bytes_of(&table->old_key), NULL, &found, &err);
    *gone = !found;
    return fail(table, status, &err);
}

static int update_row(struct change *change)
{
    struct sql_table *table = change->table;
    bool gone = false;
    int rc = fail(table, known_key(table, &table->old_key, change->old_key), NULL);

    if (!rc && change->replace)
        rc = is_gone(table, &gone);
    return rc || gone ? rc : put(change);
}

static int delete_row(struct sql_table *table, sqlite3_value *key)
{
    struct lsmkv_error err;
    enum lsmkv_status status = known_key(table, &table->old_key, key);

    error_clear(&err);
    if (!status)
        status = lsmkv_delete(table->session->engine, bytes_of(&table->old_key), &err);
    if (!status && schema_has_rowid(&table->schema))
        rowid_note_delete(table, sqlite3_value_int64(key));
    return fail(table, status, &err);
}

/* After a COMMIT that SQLite refused, and where BEGIN came while the statement ran, there is something to begin again. */
static int make_ready(struct sql_table *table)
{
    struct connection *connection = table->connection;
    int rc;

    if (!connection->hub_joined && !sqlite3_get_autocommit(connection->db)) {
        rc = hub_join(connection, &table->base.zErrMsg);
        if (rc)
            return rc;
    }
    rc = session_write(table->session, &table->base.zErrMsg);
    return rc ? rc : sql_table_refresh(table);
}

int sql_table_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid)
{
    struct sql_table *table = (struct sql_table *)vtab;
    struct change change = {.table = table};
    int conflict, rc = make_ready(table);

    if (rc)
        return rc;
    if (argc == 1)
        return delete_row(table, argv[0]);
    change.values = argv + 2;
    change.new_key = argv[1];
    conflict = sqlite3_vtab_on_conflict(table->connection->db);
    change.replace = conflict == SQLITE_REPLACE;
    if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
        change.old_key = argv[0];
    rc = change.old_key ? update_row(&change) : put(&change);
    if ((rc & 0xff) == SQLITE_CONSTRAINT && conflict == SQLITE_IGNORE) {
        sqlite3_free(vtab->zErrMsg); /* SQLite skips the row and says nothing */
        vtab->zErrMsg = NULL;
    }
    /* SQLite takes *rowid for last_insert_rowid(), which a table without rowids leaves alone. */
    if (!rc && !change.old_key)
        *rowid = schema_has_rowid(&table->schema) ? change.rowid : sqlite3_last_insert_rowid(table->connection->db);
    return rc;
}
