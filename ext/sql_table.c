#include "ext/sql_table.h"

#include <string.h>

#include "ext/bytes.h"
#include "ext/catalog.h"
#include "ext/error.h"
#include "ext/hub.h"
#include "ext/memory.h"
#include "ext/path.h"
#include "ext/schema_parse.h"
#include "ext/transaction.h"

static struct sql_table *of(sqlite3_vtab *vtab)
{
    return (struct sql_table *)vtab;
}

/* ---- Life ---- */

struct sql_table *sql_table_new(struct connection *connection, const char *schema_name, const char *name)
{
    struct sql_table *table = memory_alloc(sizeof(*table));

    if (!table)
        return NULL;
    schema_init(&table->schema);
    table->connection = connection_ref(connection);
    table->next = connection->tables;
    connection->tables = table;
    table->schema_name = memory_copy_text(schema_name, strlen(schema_name));
    table->name = memory_copy_text(name, strlen(name));
    if (!table->schema_name || !table->name) {
        sql_table_free(table);
        return NULL;
    }
    return table;
}

void sql_table_free(struct sql_table *table)
{
    struct sql_table **link;

    if (!table)
        return;
    for (link = &table->connection->tables; *link; link = &(*link)->next) {
        if (*link == table) {
            *link = table->next;
            break;
        }
    }
    row_reader_release(&table->old);
    lsmkv_buf_release(&table->key);
    lsmkv_buf_release(&table->old_key);
    lsmkv_buf_release(&table->row);
    lsmkv_buf_release(&table->old_row);
    memory_free(table->cells);
    memory_free(table->schema_name);
    memory_free(table->name);
    sqlite3_free(table->store_name);
    sqlite3_free(table->broken);
    sqlite3_free(table->base.zErrMsg);
    shadow_release(&table->shadow);
    schema_release(&table->schema);
    connection_unref(table->connection);
    memory_free(table);
}

int sql_table_declare(struct sql_table *table, char **message)
{
    sqlite3 *db = table->connection->db;
    char *declaration = schema_declaration(&table->schema);
    int rc;

    table->cells = memory_alloc((size_t)table->schema.count * sizeof(*table->cells));
    if (!declaration || !table->cells) {
        sqlite3_free(declaration);
        return SQLITE_NOMEM;
    }
    rc = sqlite3_declare_vtab(db, declaration);
    sqlite3_free(declaration);
    if (rc)
        return error_set(message, rc, "%s", sqlite3_errmsg(db));
    rc = sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
    /* A store beside the database is no way to reach other files, so views and triggers may use it. */
    if (!rc && !table->shadow.dir)
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    return rc;
}

/* Reading a schema must not fail because of one table, or it could not even be dropped: it fails when it is used. */
static int connect_broken(struct sql_table *table, char *why, char **message)
{
    table->broken = why;
    schema_release(&table->schema);
    return schema_parse(&table->schema, "broken", message);
}

static int connect_shadow(struct sql_table *table, char **message)
{
    char *why = NULL;
    int rc;

    rc = shadow_read(table->connection->db, table->schema_name, table->name, &table->shadow, &why);
    if (!rc)
        rc = schema_parse(&table->schema, table->shadow.columns, &why);
    if (rc == SQLITE_NOMEM || !why) {
        sqlite3_free(why);
        return rc;
    }
    return connect_broken(table, why, message);
}

static int table_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **vtab,
                         char **message)
{
    struct sql_table *table = sql_table_new(context, argv[1], argv[2]);
    int rc;

    (void)db;
    (void)argc;
    if (!table)
        return SQLITE_NOMEM;
    rc = connect_shadow(table, message);
    if (!rc)
        rc = sql_table_declare(table, message);
    if (rc) {
        sql_table_free(table);
        return rc;
    }
    *vtab = &table->base;
    return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *vtab)
{
    sql_table_free(of(vtab));
    return SQLITE_OK;
}

/* ---- First use ---- */

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
            return error_set(message, SQLITE_CANTOPEN, "the store was in memory, and is gone");
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

/* Says which table it is about, and what helps where the store is not the one that belongs here. */
static int explain(struct sql_table *table, int rc, const char *why)
{
    const char *prefix = "lsmkv: ";

    if (!why)
        return rc;
    if (strncmp(why, prefix, strlen(prefix)) == 0)
        why += strlen(prefix);
    if (rc != SQLITE_CANTOPEN)
        return error_set(&table->base.zErrMsg, rc, "table %s: %s", table->name, why);
    return error_set(&table->base.zErrMsg, rc,
                     "table %s: %s; put the store that belongs to this database back in its place, or DROP TABLE %s",
                     table->name, why, table->name);
}

/* Its name in the store; a table that was dropped through another database has none. */
static int find_name(struct sql_table *table, char **message)
{
    char *name = NULL;
    int rc = catalog_name(table->session, table->shadow.table_id, &name, message);

    if (rc)
        return rc;
    if (!name)
        return error_set(message, SQLITE_CANTOPEN, "%s holds the table no more: it was dropped elsewhere",
                         registry_dir(table->session->store));
    sqlite3_free(table->store_name);
    table->store_name = name;
    return SQLITE_OK;
}

int sql_table_attach(struct sql_table *table)
{
    char *why = NULL;
    int rc;

    if (table->session)
        return SQLITE_OK;
    if (table->broken) {
        sqlite3_free(table->base.zErrMsg);
        table->base.zErrMsg = sqlite3_mprintf("%s", table->broken);
        return SQLITE_CORRUPT_VTAB;
    }
    rc = open_store(table, &why);
    if (!rc)
        rc = find_name(table, &why);
    if (rc) {
        table->session = NULL;
        rc = explain(table, rc, why);
    }
    sqlite3_free(why);
    return rc;
}

/* ---- Transactions ---- */

/* The catalog as this transaction sees it must still hold the table: rows of a dropped one would vanish. */
static int check_alive(struct sql_table *table)
{
    struct lsmkv_table_entry entry = {0, LSMKV_BUF_INIT};
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;
    bool found = false;
    char *why = NULL;
    int rc;

    status = lsmkv_catalog_find(table->session->engine, table->store_name, &entry, &found, &err);
    lsmkv_buf_release(&entry.definition);
    if (status)
        return error_from(&table->base.zErrMsg, status, &err);
    if (found && entry.id == table->shadow.table_id)
        return SQLITE_OK;
    rc = find_name(table, &why); /* it may have another name now */
    if (rc)
        rc = explain(table, rc, why);
    sqlite3_free(why);
    return rc;
}

static int table_begin(sqlite3_vtab *vtab)
{
    struct sql_table *table = of(vtab);
    int rc = sql_table_attach(table);

    if (!rc)
        rc = session_write(table->session, &vtab->zErrMsg);
    if (!rc)
        rc = check_alive(table);
    if (!rc)
        transaction_join(table->connection, vtab);
    else if (!table->connection->leader)
        transaction_rollback(table->connection); /* nobody takes part yet, so SQLite would not ask for it */
    return rc;
}

static int table_sync(sqlite3_vtab *vtab)
{
    return transaction_sync(of(vtab)->connection, &vtab->zErrMsg);
}

static int table_commit(sqlite3_vtab *vtab)
{
    transaction_commit(of(vtab)->connection);
    return SQLITE_OK;
}

static int table_rollback(sqlite3_vtab *vtab)
{
    transaction_rollback(of(vtab)->connection);
    return SQLITE_OK;
}

static int table_savepoint(sqlite3_vtab *vtab, int level)
{
    return transaction_savepoint(of(vtab)->connection, vtab, level);
}

static int table_release(sqlite3_vtab *vtab, int level)
{
    transaction_release(of(vtab)->connection, vtab, level);
    return SQLITE_OK;
}

static int table_rollback_to(sqlite3_vtab *vtab, int level)
{
    return transaction_rollback_to(of(vtab)->connection, vtab, level, &vtab->zErrMsg);
}

/* ---- DROP and RENAME ---- */

/* Attaches for a change of the catalog; *usable is false where the store is not there or not right any more. */
static int begin_catalog_change(struct sql_table *table, bool *usable)
{
    int rc = sql_table_attach(table);

    *usable = rc == SQLITE_OK;
    if (rc == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_CORRUPT) {
        sqlite3_log(rc, "dropping: %s", table->base.zErrMsg ? table->base.zErrMsg : "");
        return SQLITE_OK;
    }
    if (!rc)
        rc = session_write(table->session, &table->base.zErrMsg);
    if (!rc) {
        table->session->ddl = true;
        rc = check_alive(table);
    }
    return rc;
}

static int drop_from_store(struct sql_table *table)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    bool usable;
    int rc = begin_catalog_change(table, &usable);

    if (rc == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_CORRUPT)
        return SQLITE_OK; /* not in the catalog, or that cannot be told */
    if (rc || !usable)
        return rc;
    return error_from(&table->base.zErrMsg, lsmkv_catalog_drop(table->session->engine, table->store_name, &err), &err);
}

/* SQLite may still roll this back, and says so to the hub only: this object is gone then. */
static int table_destroy(sqlite3_vtab *vtab)
{
    struct sql_table *table = of(vtab);
    int rc = hub_join(table->connection, &vtab->zErrMsg);

    if (!rc && !sql_table_is_temp(table))
        rc = drop_from_store(table);
    if (!rc)
        rc = shadow_drop(table->connection->db, table->schema_name, table->name, &vtab->zErrMsg);
    if (!rc)
        sql_table_free(table);
    return rc;
}

/* A table that bears another name in the store keeps it. */
static int rename_in_store(struct sql_table *table, const char *to)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;
    int rc = sql_table_attach(table);

    if (rc || strcmp(table->store_name, table->name) != 0)
        return rc;
    rc = session_write(table->session, &table->base.zErrMsg);
    if (rc)
        return rc;
    table->session->ddl = true;
    status = lsmkv_catalog_rename(table->session->engine, table->name, to, &err);
    return error_from(&table->base.zErrMsg, status, &err);
}

static int table_rename(sqlite3_vtab *vtab, const char *to)
{
    struct sql_table *table = of(vtab);
    int rc = hub_join(table->connection, &vtab->zErrMsg);

    if (!rc && !sql_table_is_temp(table))
        rc = rename_in_store(table, to);
    if (!rc)
        rc = shadow_rename(table->connection->db, table->schema_name, table->name, to, &vtab->zErrMsg);
    return rc;
}

static int table_shadow_name(const char *suffix)
{
    return sqlite3_stricmp(suffix, SHADOW_SUFFIX) == 0;
}

const sqlite3_module sql_table_module = {
    .iVersion = 3,
    .xCreate = sql_table_create,
    .xConnect = table_connect,
    .xBestIndex = sql_table_best_index,
    .xDisconnect = table_disconnect,
    .xDestroy = table_destroy,
    .xOpen = sql_cursor_open,
    .xClose = sql_cursor_close,
    .xFilter = sql_cursor_filter,
    .xNext = sql_cursor_next,
    .xEof = sql_cursor_eof,
    .xColumn = sql_cursor_column,
    .xRowid = sql_cursor_rowid,
    .xUpdate = sql_table_update,
    .xBegin = table_begin,
    .xSync = table_sync,
    .xCommit = table_commit,
    .xRollback = table_rollback,
    .xRename = table_rename,
    .xSavepoint = table_savepoint,
    .xRelease = table_release,
    .xRollbackTo = table_rollback_to,
    .xShadowName = table_shadow_name,
};

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

void sql_table_key_range(const struct sql_table *table, uint8_t *bounds, struct lsmkv_slice *lower,
                         struct lsmkv_slice *upper)
{
    bytes_put_be(bounds, table->shadow.table_id, LSMKV_TABLE_ID_SIZE);
    bytes_put_be(bounds + LSMKV_TABLE_ID_SIZE, (uint64_t)table->shadow.table_id + 1, LSMKV_TABLE_ID_SIZE);
    *lower = bytes_slice(bounds, LSMKV_TABLE_ID_SIZE);
    *upper = bytes_slice(bounds + LSMKV_TABLE_ID_SIZE, LSMKV_TABLE_ID_SIZE);
}
