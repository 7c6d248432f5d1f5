#include "ext/sql_table.h"

#include <string.h>

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/memory.h"
#include "ext/owner.h"
#include "ext/schema_parse.h"
#include "ext/transaction.h"
#include "ext/writer.h"

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
    table->stamp = LSMKV_CATALOG_UNKNOWN;
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

static void release_layouts(struct sql_table *table)
{
    int i;

    row_layout_release(&table->layout);
    for (i = 0; table->index_layouts && i < table->schema.index_count; i++)
        row_layout_release(&table->index_layouts[i]);
    memory_free(table->index_layouts);
    table->index_layouts = NULL;
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
    writer_free(table->writer);
    memory_free(table->schema_name);
    memory_free(table->name);
    sqlite3_free(table->store_name);
    sqlite3_free(table->broken);
    sqlite3_free(table->base.zErrMsg);
    shadow_release(&table->shadow);
    plan_list_release(&table->plans);
    release_layouts(table);
    schema_release(&table->schema);
    connection_unref(table->connection);
    memory_free(table);
}

static bool has_binary_part(const struct table_schema *schema)
{
    int path, i;

    for (path = PLAN_PRIMARY; path < schema->index_count; path++) {
        const struct key_shape *shape = plan_shape(schema, path);

        for (i = 0; i < shape->count; i++) {
            if (shape->parts[i].collation == COLLATION_BINARY)
                return true;
        }
    }
    return false;
}

/* In a UTF-16 database BINARY compares text by the bytes of UTF-16; keys lie in the order of those of UTF-8. */
static int find_order(struct sql_table *table)
{
    sqlite3_stmt *statement = NULL;
    int rc;

    if (!has_binary_part(&table->schema))
        return SQLITE_OK;
    rc = sqlite3_prepare_v2(table->connection->db, "PRAGMA encoding", -1, &statement, NULL);
    if (!rc && sqlite3_step(statement) == SQLITE_ROW)
        table->unordered = sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), "UTF-8") != 0;
    sqlite3_finalize(statement);
    return rc;
}

static enum lsmkv_status make_layouts(struct sql_table *table)
{
    const struct table_schema *schema = &table->schema;
    enum lsmkv_status status = row_layout_init_table(&table->layout, schema);
    int i;

    if (status || !schema->index_count)
        return status;
    table->index_layouts = memory_alloc((size_t)schema->index_count * sizeof(*table->index_layouts));
    if (!table->index_layouts)
        return LSMKV_NOMEM;
    for (i = 0; i < schema->index_count && !status; i++)
        status = row_layout_init_index(&table->index_layouts[i], schema, &schema->indexes[i]);
    return status;
}

int sql_table_declare(struct sql_table *table, char **message)
{
    sqlite3 *db = table->connection->db;
    char *declaration = schema_declaration(&table->schema);
    int rc;

    if (!declaration || make_layouts(table)) {
        sqlite3_free(declaration);
        return SQLITE_NOMEM;
    }
    rc = sqlite3_declare_vtab(db, declaration);
    sqlite3_free(declaration);
    if (!rc)
        rc = find_order(table);
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
    if (!rc)
        sqlite_memory_learn(&table->connection->sqlite, table->connection->db, table->schema_name);
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

/* ---- Transactions ---- */

static int table_begin(sqlite3_vtab *vtab)
{
    struct sql_table *table = of(vtab);
    int rc = sql_table_attach(table);

    if (!rc)
        rc = session_write(table->session, &vtab->zErrMsg);
    if (!rc)
        rc = sql_table_check_alive(table);
    if (!rc)
        rc = owner_renew(table, &vtab->zErrMsg);
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

static void range_of(uint32_t first, uint32_t count, uint8_t *bounds, struct lsmkv_slice *lower,
                     struct lsmkv_slice *upper)
{
    bytes_put_be(bounds, first, LSMKV_TABLE_ID_SIZE);
    bytes_put_be(bounds + LSMKV_TABLE_ID_SIZE, (uint64_t)first + count, LSMKV_TABLE_ID_SIZE);
    *lower = bytes_slice(bounds, LSMKV_TABLE_ID_SIZE);
    *upper = bytes_slice(bounds + LSMKV_TABLE_ID_SIZE, LSMKV_TABLE_ID_SIZE);
}

void sql_table_key_range(const struct sql_table *table, uint8_t *bounds, struct lsmkv_slice *lower,
                         struct lsmkv_slice *upper)
{
    range_of(table->keyspace, 1, bounds, lower, upper);
}

void sql_table_whole_range(const struct sql_table *table, uint8_t *bounds, struct lsmkv_slice *lower,
                           struct lsmkv_slice *upper)
{
    range_of(table->keyspace, table->keyspaces, bounds, lower, upper);
}

/* ---- The module ---- */

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
    .xDestroy = sql_table_destroy,
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
    .xRename = sql_table_rename,
    .xSavepoint = table_savepoint,
    .xRelease = table_release,
    .xRollbackTo = table_rollback_to,
    .xShadowName = table_shadow_name,
};
