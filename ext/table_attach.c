/*
 * table_attach.c - from a table that SQLite has read out of its schema to the store that holds its rows.
 *
 * The store must be the one that the shadow table names, and must hold the table. Where it is not so the message says
 * what to do; DROP TABLE works all the same.
 */
#include <string.h>

#include "ext/catalog.h"
#include "ext/error.h"
#include "ext/owner.h"
#include "ext/path.h"
#include "ext/settle.h"
#include "ext/sql_table.h"

/* The store as the shadow table remembers it. */
static int open_store(struct sql_table *table, char **message)
{
    struct connection *connection = table->connection;
    struct store_request request = {.expected_id = table->shadow.store_id};
    char *path = NULL;
    int rc;

    if (table->shadow.in_memory) {
        if (!connection->private || memcmp(lsmkv_store_id(session_store(connection->private)), table->shadow.store_id,
                                           LSMKV_STORE_ID_SIZE) != 0)
            return error_set(message, SQLITE_CANTOPEN,
                             "the store is in the memory of another connection, or was, of one that is closed");
        table->session = connection->private;
        return SQLITE_OK;
    }
    rc = path_of_store(connection->db, table->schema_name, table->shadow.dir, &path, message);
    if (!rc && !path)
        rc = error_set(message, SQLITE_CANTOPEN, "the database has no file, and so no store beside it");
    if (!rc) {
        request.dir = path;
        rc = session_open(connection, &request, &table->session, message);
    }
    sqlite3_free(path);
    return rc;
}

/* Says which table it is about. */
static int explain(struct sql_table *table, int rc, const char *why)
{
    const char *prefix = "lsmkv: ";

    if (!why)
        return rc;
    if (strncmp(why, prefix, strlen(prefix)) == 0)
        why += strlen(prefix);
    return error_set(&table->base.zErrMsg, rc, "table %s: %s", table->name, why);
}

/* And what helps where the store is not the one that belongs here. */
static int explain_store(struct sql_table *table, int rc, const char *why)
{
    char *hint;

    if (rc != SQLITE_CANTOPEN || !why)
        return explain(table, rc, why);
    hint = sqlite3_mprintf("%s; put the store that belongs to this database back in its place, or DROP TABLE %s", why,
                           table->name);
    if (!hint)
        return SQLITE_NOMEM;
    rc = explain(table, rc, hint);
    sqlite3_free(hint);
    return rc;
}

/* One keyspace for the rows, one for each index: anything else is not what CREATE wrote. */
static int take_keyspaces(struct sql_table *table, uint32_t keyspace, uint32_t keyspaces, char **message)
{
    if (keyspaces != 1 + (uint32_t)table->schema.index_count)
        return error_set(message, SQLITE_CORRUPT_VTAB, "the catalog of %s does not agree with the table's definition",
                         registry_dir(table->session->store));
    table->keyspace = keyspace;
    table->keyspaces = keyspaces;
    return SQLITE_OK;
}

/* Its name and keyspaces in the store; a table that was dropped through another database has none. */
static int find_place(struct sql_table *table, char **message)
{
    struct table_place place;
    int rc = catalog_place(table->session, table->shadow.table_id, &place, message);

    if (rc)
        return rc;
    if (!place.name)
        return error_set(message, SQLITE_CANTOPEN, "%s holds the table no more: it was dropped elsewhere",
                         registry_dir(table->session->store));
    sqlite3_free(table->store_name);
    table->store_name = place.name;
    return take_keyspaces(table, place.keyspace, place.keyspaces, message);
}

int sql_table_attach(struct sql_table *table)
{
    char *why = NULL;
    bool is_copy = false;
    int rc;

    if (table->session)
        return SQLITE_OK;
    if (table->broken) {
        sqlite3_free(table->base.zErrMsg);
        table->base.zErrMsg = sqlite3_mprintf("%s", table->broken);
        return SQLITE_CORRUPT_VTAB;
    }
    rc = open_store(table, &why);
    if (!rc) {
        rc = owner_check(table, &why);
        is_copy = rc == SQLITE_CANTOPEN;
    }
    if (!rc)
        settle(table->session);
    if (!rc)
        rc = find_place(table, &why);
    if (rc) {
        table->session = NULL;
        rc = is_copy ? explain(table, rc, why) : explain_store(table, rc, why);
    }
    sqlite3_free(why);
    return rc;
}

/* Looks it up by the name it had. */
static int find_again(struct sql_table *table, bool *found)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;

    status = lsmkv_catalog_find(table->session->engine, table->store_name, &entry, found, &err);
    lsmkv_buf_release(&entry.definition);
    if (status)
        return error_from(&table->base.zErrMsg, status, &err);
    *found = *found && entry.id == table->shadow.table_id;
    return *found ? take_keyspaces(table, entry.keyspace, entry.keyspaces, &table->base.zErrMsg) : SQLITE_OK;
}

int sql_table_check_alive(struct sql_table *table)
{
    uint64_t stamp = lsmkv_catalog_stamp(table->session->engine);
    bool found = false;
    char *why = NULL;
    int rc = find_again(table, &found);

    if (!rc && !found) {
        rc = find_place(table, &why); /* it may have another name now */
        if (rc)
            rc = explain_store(table, rc, why);
        sqlite3_free(why);
    }
    if (rc)
        return rc;
    table->stamp = stamp;
    table->read_in = table->connection->hub_joined ? 1 + table->session->epoch : 0;
    return SQLITE_OK;
}

int sql_table_refresh(struct sql_table *table)
{
    uint64_t stamp = lsmkv_catalog_stamp(table->session->engine);
    bool read = !table->connection->hub_joined || table->read_in == 1 + table->session->epoch;

    if (read && stamp == table->stamp && stamp != LSMKV_CATALOG_UNKNOWN)
        return SQLITE_OK;
    return sql_table_check_alive(table);
}

/* ---- By name ---- */

/* Makes SQLite connect to the table, if it is one of ours. */
static bool touch(sqlite3 *db, const char *schema, const char *name)
{
    sqlite3_stmt *statement = NULL;
    char *sql = schema ? sqlite3_mprintf("SELECT 1 FROM \"%w\".\"%w\"", schema, name)
                       : sqlite3_mprintf("SELECT 1 FROM \"%w\"", name);
    int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &statement, NULL) : SQLITE_NOMEM;

    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return rc == SQLITE_OK;
}

static struct sql_table *search(const struct connection *connection, const char *schema, const char *name)
{
    struct sql_table *table;

    for (table = connection->tables; table; table = table->next) {
        if (sqlite3_stricmp(table->name, name) == 0 && (!schema || sqlite3_stricmp(table->schema_name, schema) == 0))
            return table;
    }
    return NULL;
}

/* In the order in which SQLite looks: temp, main, then the attached ones. */
static struct sql_table *search_all(const struct connection *connection, const char *name)
{
    struct sql_table *table = search(connection, "temp", name);

    if (!table)
        table = search(connection, "main", name);
    return table ? table : search(connection, NULL, name);
}

struct sql_table *sql_table_find(struct connection *connection, const char *name, char **message)
{
    const char *dot = strchr(name, '.');
    struct sql_table *table = NULL;
    char *schema;

    if (touch(connection->db, NULL, name))
        table = search_all(connection, name);
    if (!table && dot) {
        schema = sqlite3_mprintf("%.*s", (int)(dot - name), name);
        if (schema && touch(connection->db, schema, dot + 1))
            table = search(connection, schema, dot + 1);
        sqlite3_free(schema);
    }
    if (!table)
        error_set(message, SQLITE_ERROR, "no such lsmkv table: %s", name);
    return table;
}

/* The table's message, if it has failed, becomes the caller's. */
static int hand_over(struct sql_table *table, int rc, char **message)
{
    if (!rc)
        return SQLITE_OK;
    sqlite3_free(*message);
    *message = table->base.zErrMsg;
    table->base.zErrMsg = NULL;
    return rc;
}

int sql_table_open(struct connection *connection, const char *name, struct sql_table **table, char **message)
{
    *table = sql_table_find(connection, name, message);
    return *table ? hand_over(*table, sql_table_attach(*table), message) : SQLITE_ERROR;
}

int sql_table_open_keys(struct connection *connection, const char *name, struct sql_table **table, char **message)
{
    int rc = sql_table_open(connection, name, table, message);

    return rc ? rc : hand_over(*table, sql_table_refresh(*table), message);
}

int sql_table_may_flush(const struct sql_table *table, char **message)
{
    if (lsmkv_session_state(table->session->engine) < LSMKV_SESSION_WRITING)
        return SQLITE_OK;
    return error_set(message, SQLITE_LOCKED, "this transaction has written to the store of %s: COMMIT it first",
                     table->name);
}
