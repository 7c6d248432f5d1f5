/*
 * table_truncate.c - all rows of a table go at once: it gets new keyspaces, and the old ones are dropped.
 *
 * SQLite knows nothing of it. In a transaction the hub joins, and the change goes with the rest of the transaction. Outside of
 * one nobody would commit it, so it is a transaction of its own, in a session of its own.
 */
#include <string.h>

#include "ext/bytes.h"
#include "ext/catalog.h"
#include "ext/error.h"
#include "ext/hub.h"
#include "ext/sql_table.h"

static bool is_query_only(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    bool set = false;

    if (sqlite3_prepare_v2(db, "PRAGMA query_only", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        set = sqlite3_column_int(statement, 0) != 0;
    sqlite3_finalize(statement);
    return set;
}

/* As SQLite refuses DELETE and, while a statement reads the table, DROP TABLE. */
static int check_allowed(struct sql_table *table)
{
    sqlite3 *db = table->connection->db;
    const struct session *session = table->session;

    if (is_query_only(db) || (!sql_table_is_temp(table) && sqlite3_db_readonly(db, table->schema_name) == 1))
        return error_core(&table->base.zErrMsg, SQLITE_READONLY, "attempt to write a readonly database");
    if (session->readers || (sqlite3_get_autocommit(db) && session->writing))
        return error_set(&table->base.zErrMsg, SQLITE_LOCKED, "a statement of this connection is using the store of %s",
                         table->name);
    return SQLITE_OK;
}

static enum lsmkv_status truncate_in(struct lsmkv_session *session, const struct sql_table *table,
                                     struct lsmkv_error *err)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    char *definition = catalog_moved_definition(&table->schema);
    enum lsmkv_status status = definition ? LSMKV_OK : LSMKV_NOMEM;

    if (!status)
        status = lsmkv_catalog_truncate(session, table->store_name, bytes_slice(definition, strlen(definition)), &entry,
                                        err);
    sqlite3_free(definition);
    return status;
}

static int truncate_in_transaction(struct sql_table *table)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    char **message = &table->base.zErrMsg;
    int rc = hub_join(table->connection, message);

    if (!rc)
        rc = session_write(table->session, message);
    if (!rc)
        rc = sql_table_check_alive(table);
    if (!rc)
        rc = error_from(message, truncate_in(table->session->engine, table, &err), &err);
    return rc ? rc : sql_table_check_alive(table);
}

static enum lsmkv_status truncate_alone(struct lsmkv_session *session, const struct sql_table *table, int64_t wait_ms,
                                        struct lsmkv_error *err)
{
    enum lsmkv_status status = lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, wait_ms, err);

    if (!status)
        status = truncate_in(session, table, err);
    return status ? status : lsmkv_session_commit(session, wait_ms, err);
}

static int truncate_at_once(struct sql_table *table)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct lsmkv_session *session = NULL;
    enum lsmkv_status status = lsmkv_session_open(&session, session_store(table->session), &err);

    if (!status)
        status = truncate_alone(session, table, session_wait_ms(table->session), &err);
    lsmkv_session_close(session);
    return error_from(&table->base.zErrMsg, status, &err);
}

int sql_table_truncate(struct sql_table *table, uint64_t *rows, uint64_t *bytes)
{
    struct lsmkv_store *store = session_store(table->session);
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_slice lower, upper;
    uint64_t unused;
    int rc = check_allowed(table);

    if (rc)
        return rc;
    sql_table_key_range(table, bounds, &lower, &upper);
    lsmkv_estimate(store, lower, upper, rows, &unused);
    sql_table_whole_range(table, bounds, &lower, &upper);
    lsmkv_estimate(store, lower, upper, &unused, bytes);
    return sqlite3_get_autocommit(table->connection->db) ? truncate_at_once(table) : truncate_in_transaction(table);
}
