#include "ext/rowid.h"

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/registry.h"

#define TRIES 100 /* random rowids tried once the largest is taken */

/* ---- Choosing ---- */

/* Looks for the largest rowid in the newest state and in what this transaction has written: no read, so no conflict. */
static int find_largest(struct writer *writer, struct rowid_mark *mark)
{
    struct lsmkv_error err;
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_slice lower, upper;
    enum lsmkv_status status;
    bool found = false;

    error_clear(&err);
    mark->largest = 0;
    mark->seen = handouts_ended(registry_handouts(writer->table->session->store));
    sql_table_key_range(writer->table, bounds, &lower, &upper);
    status = lsmkv_last_key(writer_engine(writer), lower, upper, &writer->key, &found, &err);
    if (status)
        return writer_fail(writer, status, &err);
    mark->empty = !found;
    if (found && !key_get_rowid(bytes_of(&writer->key), &mark->largest))
        return writer_fail(writer, LSMKV_CORRUPT, NULL);
    mark->known = true;
    return SQLITE_OK;
}

static int rowid_is_taken(struct writer *writer, int64_t rowid, bool *taken)
{
    struct lsmkv_error err;
    enum lsmkv_status status = writer_start_key(writer, &writer->key, -1);

    error_clear(&err);
    if (!status)
        status = key_put_rowid(&writer->key, rowid);
    if (!status)
        status = lsmkv_get(writer_engine(writer), bytes_of(&writer->key), NULL, taken, &err);
    return writer_fail(writer, status, &err);
}

/* Once 2^63-1 is taken: a random one, as SQLite does. */
static int choose_random(struct writer *writer, int64_t *rowid)
{
    bool taken = true;
    int tries, rc = SQLITE_OK;

    for (tries = 0; tries < TRIES && taken && !rc; tries++) {
        sqlite3_randomness(sizeof(*rowid), rowid);
        *rowid = (*rowid & (INT64_MAX >> 1)) + 1;
        rc = rowid_is_taken(writer, *rowid, &taken);
    }
    if (!rc && taken)
        return error_core(&writer->table->base.zErrMsg, SQLITE_FULL, "database or disk is full");
    return rc;
}

static int choose(struct writer *writer, int64_t *rowid)
{
    struct session *session = writer->table->session;
    struct handouts *handouts = registry_handouts(session->store);
    struct rowid_mark *mark = session_rowid_mark(session, writer->table->keyspace);
    enum handout_outcome outcome = HANDOUT_STALE;
    int rc = SQLITE_OK;

    if (!mark)
        return SQLITE_NOMEM;
    while (outcome == HANDOUT_STALE) {
        if (!mark->known || mark->seen != handouts_ended(handouts))
            rc = find_largest(writer, mark);
        if (rc)
            return rc;
        if (mark->largest == INT64_MAX)
            return choose_random(writer, rowid);
        *rowid = mark->largest + 1;
        outcome = handouts_choose(handouts, session, mark->keyspace, mark->seen, rowid);
    }
    if (outcome == HANDOUT_EXHAUSTED)
        return choose_random(writer, rowid);
    return outcome == HANDOUT_NOMEM ? SQLITE_NOMEM : SQLITE_OK;
}

/* ---- What the statement says ---- */

static int mismatch(struct sql_table *table)
{
    return error_core(&table->base.zErrMsg, SQLITE_MISMATCH, "datatype mismatch");
}

/* The rowid as the columns say it: the INTEGER PRIMARY KEY. *given is false for NULL and where there is no such column. */
static int column_rowid(const struct change *change, int64_t *rowid, bool *given)
{
    const struct writer *writer = change->writer;
    const struct cell *cell;

    *given = false;
    if (writer_schema(writer)->key_kind != KEY_INTEGER)
        return SQLITE_OK;
    cell = &writer->cells[writer_schema(writer)->integer_column];
    if (cell->type == CELL_NULL)
        return change->old_key ? mismatch(writer->table) : SQLITE_OK;
    if (cell->type != CELL_INTEGER)
        return mismatch(writer->table);
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
static int settle_insert(struct change *change)
{
    bool by_rowid = sqlite3_value_type(change->new_key) != SQLITE_NULL, by_column;
    int64_t column = 0;
    int rc = column_rowid(change, &column, &by_column);

    if (rc)
        return rc;
    change->rowid = by_rowid ? sqlite3_value_int64(change->new_key) : column;
    if (by_rowid && by_column && change->rowid != column)
        return disagree(change->writer->table);
    return by_rowid || by_column ? SQLITE_OK : choose(change->writer, &change->rowid);
}

static int settle_update(struct change *change)
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
        rc = writer_fail(change->writer, affinity_store(&cell, AFFINITY_INTEGER, change->new_key), NULL);
        if (rc)
            return rc;
        if (cell.type != CELL_INTEGER)
            return mismatch(change->writer->table);
        change->rowid = cell.integer;
    }
    if (by_column && column != change->old_rowid) {
        if (change->rowid != change->old_rowid && change->rowid != column)
            return disagree(change->writer->table);
        change->rowid = column;
    }
    return SQLITE_OK;
}

int rowid_settle(struct change *change)
{
    const struct table_schema *schema = writer_schema(change->writer);
    int rc = change->old_key ? settle_update(change) : settle_insert(change);

    if (!rc && schema->key_kind == KEY_INTEGER) {
        change->writer->cells[schema->integer_column].type = CELL_INTEGER;
        change->writer->cells[schema->integer_column].integer = change->rowid;
    }
    return rc;
}

/* ---- What is remembered ---- */

void rowid_note_put(const struct sql_table *table, int64_t rowid)
{
    struct rowid_mark *mark = session_rowid_mark(table->session, table->keyspace);

    if (!mark || !mark->known)
        return;
    if (mark->empty || rowid > mark->largest)
        mark->largest = rowid;
    mark->empty = false;
}

void rowid_note_delete(const struct sql_table *table, int64_t rowid)
{
    struct rowid_mark *mark = session_rowid_mark(table->session, table->keyspace);

    if (mark && rowid >= mark->largest)
        mark->known = false;
}
