#include "ext/rowid.h"

#include "ext/bytes.h"
#include "ext/error.h"

#define TRIES 100 /* random rowids tried once the largest is taken */

enum lsmkv_status rowid_key(const struct sql_table *table, struct lsmkv_buf *key, int64_t rowid)
{
    enum lsmkv_status status;

    key->size = 0;
    status = key_put_keyspace(key, table->keyspace);
    return status ? status : key_put_rowid(key, rowid);
}

static int fail(struct sql_table *table, enum lsmkv_status status, const struct lsmkv_error *err)
{
    return error_from(&table->base.zErrMsg, status, err);
}

/* Looks for the largest rowid in the table as this transaction sees it. */
static int find_largest(struct sql_table *table, struct rowid_mark *mark)
{
    struct lsmkv_error err;
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_slice lower, upper;
    struct lsmkv_cursor *cursor = NULL;
    enum lsmkv_status status;

    error_clear(&err);
    mark->largest = 0;
    sql_table_key_range(table, bounds, &lower, &upper);
    status = lsmkv_cursor_open(&cursor, table->session->engine, lower, upper, &err);
    if (!status)
        status = lsmkv_cursor_last(cursor, &err);
    mark->empty = !status && !lsmkv_cursor_valid(cursor);
    if (!status && !mark->empty && !key_get_rowid(lsmkv_cursor_key(cursor), &mark->largest))
        status = LSMKV_CORRUPT;
    lsmkv_cursor_close(cursor);
    mark->known = status == LSMKV_OK;
    return fail(table, status, &err);
}

static int rowid_is_taken(struct sql_table *table, int64_t rowid, bool *taken)
{
    struct lsmkv_error err;
    enum lsmkv_status status = rowid_key(table, &table->key, rowid);

    error_clear(&err);
    if (!status)
        status = lsmkv_get(table->session->engine, bytes_of(&table->key), NULL, taken, &err);
    return fail(table, status, &err);
}

/* Once 2^63-1 is taken: a random one, as SQLite does. */
static int choose_random_rowid(struct sql_table *table, int64_t *rowid)
{
    bool taken = true;
    int tries, rc = SQLITE_OK;

    for (tries = 0; tries < TRIES && taken && !rc; tries++) {
        sqlite3_randomness(sizeof(*rowid), rowid);
        *rowid = (*rowid & (INT64_MAX >> 1)) + 1;
        rc = rowid_is_taken(table, *rowid, &taken);
    }
    if (!rc && taken)
        return error_core(&table->base.zErrMsg, SQLITE_FULL, "database or disk is full");
    return rc;
}

int rowid_choose(struct sql_table *table, int64_t *rowid)
{
    struct rowid_mark *mark = session_rowid_mark(table->session, table->keyspace);
    int rc;

    if (!mark)
        return SQLITE_NOMEM;
    if (!mark->known) {
        rc = find_largest(table, mark);
        if (rc)
            return rc;
    }
    if (mark->largest == INT64_MAX)
        return choose_random_rowid(table, rowid);
    *rowid = mark->largest + 1;
    return SQLITE_OK;
}

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
