/*
 * update.c - writing: INSERT, UPDATE and DELETE of one row, with core's checks in core's order and words.
 *
 * SQLite hands over raw values; all that makes a row of them is done here. A row that is refused leaves nothing behind;
 * what to do about the refusal (OR IGNORE, FAIL, ABORT, ROLLBACK) SQLite does itself.
 *
 * What core does, as tried with rowid tables and WITHOUT ROWID tables on SQLite 3.40.1 and 3.53.2, for INSERT and UPDATE and
 * each conflict clause:
 *
 *   1. A rowid or INTEGER PRIMARY KEY that is no integer is a mismatch, before anything else.
 *   2. NOT NULL, in the order of the columns. OR REPLACE takes the DEFAULT; without one it aborts.
 *   3. CHECK, in the order of declaration. OR REPLACE aborts. An UPDATE tests it only if a column it mentions is given
 *      (here all are tested if a column that any mentions is).
 *   4. The rowid, then UNIQUE and PRIMARY KEY, the one declared last before the others: a PRIMARY KEY of columns has
 *      its place among them. The first that is violated is named. An UPDATE looks only at those whose columns are given.
 *      OR REPLACE removes the row in the way of each, and goes on; changes() counts the new row only.
 *
 * OR REPLACE into a table without indexes does not look whether the key is there: the new row hides the old one.
 */
#include <string.h>

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/hub.h"
#include "ext/rowid.h"
#include "ext/writer.h"

/* ---- A new row ---- */

static int make_key(const struct change *change)
{
    struct writer *writer = change->writer;
    enum lsmkv_status status = writer_start_key(writer, &writer->key, -1);

    if (!status)
        status = key_put_shape(&writer->key, &writer_schema(writer)->primary, writer->cells, change->rowid);
    return writer_fail(writer, status, NULL);
}

/* All that can be said of the row without looking at others. */
static int make_row(struct change *change)
{
    struct writer *writer = change->writer;
    int rc = change_take_values(change);

    if (!rc && schema_has_rowid(writer_schema(writer)))
        rc = rowid_settle(change);
    if (!rc)
        rc = change_check_not_null(change);
    if (!rc)
        rc = change_check(change);
    if (!rc)
        rc = make_key(change);
    if (rc)
        return rc;
    change->key_changes = change->old_key && bytes_compare(bytes_of(&writer->key), bytes_of(&writer->old.key)) != 0;
    rc = indexes_prepare(change);
    return rc ? rc : change_encode(change);
}

static int write_row(const struct change *change)
{
    struct writer *writer = change->writer;
    struct lsmkv_error err;
    enum lsmkv_status status = LSMKV_OK;
    int rc = change_settle_conflicts(change);

    error_clear(&err);
    if (rc)
        return rc;
    if (change->key_changes)
        status = lsmkv_delete(writer_engine(writer), bytes_of(&writer->old.key), &err);
    if (!status)
        status = lsmkv_put(writer_engine(writer), bytes_of(&writer->key), bytes_of(&writer->row), &err);
    return status ? writer_fail(writer, status, &err) : indexes_write(change);
}

/* All writes of a row, or none. */
static int put(struct change *change)
{
    struct writer *writer = change->writer;
    struct sql_table *table = writer->table;
    uint64_t mark;
    int rc = make_row(change);

    if (rc)
        return rc;
    mark = lsmkv_session_mark(writer_engine(writer));
    rc = write_row(change);
    if (rc) {
        lsmkv_session_rollback_to(writer_engine(writer), mark);
        session_forget_rowids(table->session);
        return rc;
    }
    if (schema_has_rowid(&table->schema)) {
        if (change->key_changes)
            rowid_note_delete(table, change->old_rowid);
        rowid_note_put(table, change->rowid);
    }
    return SQLITE_OK;
}

/* ---- A row that is there ---- */

static int update_row(struct change *change)
{
    struct writer *writer = change->writer;
    int rc = writer_locate(writer, &writer->old, change->old_key);

    /* OR REPLACE of an earlier row of the same statement may have removed this one: then there is nothing to update. */
    if (!rc && (change->replace || writer_has_indexes(writer))) {
        rc = writer_read(writer, &writer->old);
        if (rc || !writer->old.read)
            return rc;
    }
    return rc ? rc : put(change);
}

static int remove_with_entries(struct writer *writer)
{
    uint64_t mark = lsmkv_session_mark(writer_engine(writer));
    int rc = writer_read(writer, &writer->old);

    if (rc || !writer->old.read)
        return rc;
    rc = writer_remove(writer, &writer->old);
    if (rc) {
        lsmkv_session_rollback_to(writer_engine(writer), mark);
        session_forget_rowids(writer->table->session);
    }
    return rc;
}

static int delete_row(struct writer *writer, sqlite3_value *key)
{
    struct lsmkv_error err;
    int rc = writer_locate(writer, &writer->old, key);

    if (!rc && writer_has_indexes(writer))
        return remove_with_entries(writer);
    error_clear(&err);
    if (!rc)
        rc = writer_fail(writer, lsmkv_delete(writer_engine(writer), bytes_of(&writer->old.key), &err), &err);
    if (!rc && schema_has_rowid(writer_schema(writer)))
        rowid_note_delete(writer->table, sqlite3_value_int64(key));
    return rc;
}

/* ---- xUpdate ---- */

/* After a COMMIT that SQLite refused, and where BEGIN came while the statement ran, there is something to begin again. */
static int make_ready(struct sql_table *table, struct writer **writer)
{
    struct connection *connection = table->connection;
    int rc;

    if (!connection->hub_joined && !sqlite3_get_autocommit(connection->db)) {
        rc = hub_join(connection, &table->base.zErrMsg);
        if (rc)
            return rc;
    }
    rc = session_write(table->session, &table->base.zErrMsg);
    if (!rc)
        rc = sql_table_refresh(table);
    return rc ? rc : writer_of(table, writer);
}

static bool same_blob(sqlite3_value *a, sqlite3_value *b)
{
    int size = sqlite3_value_bytes(a);

    return sqlite3_value_type(a) == SQLITE_BLOB && sqlite3_value_type(b) == SQLITE_BLOB &&
           sqlite3_value_bytes(b) == size && memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)size) == 0;
}

/* The hidden key follows from the columns: a value for it would be lost without a word. */
static int refuse_hidden_key(struct writer *writer, sqlite3_value **argv)
{
    const struct table_schema *schema = writer_schema(writer);
    sqlite3_value *given;

    if (!schema_has_hidden_key(schema))
        return SQLITE_OK;
    given = argv[2 + schema->count];
    if (sqlite3_value_nochange(given) || sqlite3_value_type(given) == SQLITE_NULL || same_blob(given, argv[0]))
        return SQLITE_OK;
    return error_set(&writer->table->base.zErrMsg, SQLITE_ERROR,
                     "table %s: the hidden key follows from the columns of the PRIMARY KEY and cannot be given",
                     writer->table->name);
}

static int insert_or_update(struct writer *writer, sqlite3_value **argv, sqlite3_int64 *rowid)
{
    struct sql_table *table = writer->table;
    int conflict = sqlite3_vtab_on_conflict(table->connection->db), rc;
    struct change change = {
        .writer = writer, .values = argv + 2, .new_key = argv[1], .replace = conflict == SQLITE_REPLACE};

    if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
        change.old_key = argv[0];
    rc = change.old_key ? update_row(&change) : put(&change);
    if ((rc & 0xff) == SQLITE_CONSTRAINT && conflict == SQLITE_IGNORE) {
        sqlite3_free(table->base.zErrMsg); /* SQLite skips the row and says nothing */
        table->base.zErrMsg = NULL;
    }
    /* SQLite takes *rowid for last_insert_rowid(), which a table without rowids leaves alone. */
    if (!rc && !change.old_key)
        *rowid = schema_has_rowid(&table->schema) ? change.rowid : sqlite3_last_insert_rowid(table->connection->db);
    return rc;
}

int sql_table_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid)
{
    struct writer *writer = NULL;
    int rc = make_ready((struct sql_table *)vtab, &writer);

    if (rc)
        return rc;
    if (argc == 1)
        return delete_row(writer, argv[0]);
    rc = refuse_hidden_key(writer, argv);
    return rc ? rc : insert_or_update(writer, argv, rowid);
}
