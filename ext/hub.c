#include "ext/hub.h"

#include "ext/error.h"
#include "ext/memory.h"
#include "ext/transaction.h"

#define HUB_TABLE "temp.lsmkv_hub"

struct hub {
    sqlite3_vtab base;
    struct connection *connection;
};

static struct connection *connection_of(sqlite3_vtab *vtab)
{
    return ((struct hub *)vtab)->connection;
}

/* ---- A table without rows ---- */

static int hub_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **vtab,
                       char **message)
{
    struct hub *hub;
    int rc;

    (void)argc;
    if (sqlite3_stricmp(argv[1], "temp") != 0)
        return error_set(message, SQLITE_ERROR, "lsmkv_hub belongs to the temp schema");
    rc = sqlite3_declare_vtab(db, "CREATE TABLE x(joined)");
    if (rc)
        return rc;
    hub = memory_alloc(sizeof(*hub));
    if (!hub)
        return SQLITE_NOMEM;
    hub->connection = connection_ref(context);
    *vtab = &hub->base;
    return SQLITE_OK;
}

/* Another function than xConnect's, or the table would exist in every schema without being created. */
static int hub_create(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **vtab,
                      char **message)
{
    return hub_connect(db, context, argc, argv, vtab, message);
}

static int hub_disconnect(sqlite3_vtab *vtab)
{
    connection_unref(connection_of(vtab));
    sqlite3_free(vtab->zErrMsg);
    memory_free(vtab);
    return SQLITE_OK;
}

static int hub_destroy(sqlite3_vtab *vtab)
{
    return error_set(&vtab->zErrMsg, SQLITE_ERROR, "lsmkv_hub cannot be dropped: it follows the transactions");
}

static int hub_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    info->estimatedCost = 1;
    info->estimatedRows = 1;
    return SQLITE_OK;
}

static int hub_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor)
{
    (void)vtab;
    *cursor = memory_alloc(sizeof(**cursor));
    return *cursor ? SQLITE_OK : SQLITE_NOMEM;
}

static int hub_close(sqlite3_vtab_cursor *cursor)
{
    memory_free(cursor);
    return SQLITE_OK;
}

static int hub_filter(sqlite3_vtab_cursor *cursor, int plan, const char *text, int argc, sqlite3_value **argv)
{
    (void)cursor;
    (void)plan;
    (void)text;
    (void)argc;
    (void)argv;
    return SQLITE_OK;
}

static int hub_next(sqlite3_vtab_cursor *cursor)
{
    (void)cursor;
    return SQLITE_OK;
}

static int hub_eof(sqlite3_vtab_cursor *cursor)
{
    (void)cursor;
    return 1;
}

static int hub_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
    (void)cursor;
    (void)context;
    (void)column;
    return SQLITE_OK;
}

static int hub_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
    (void)cursor;
    *rowid = 0;
    return SQLITE_OK;
}

static int hub_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid)
{
    (void)argc;
    (void)argv;
    (void)rowid;
    return error_set(&vtab->zErrMsg, SQLITE_READONLY, "lsmkv_hub holds no rows");
}

/* ---- What it is for ---- */

static int hub_begin(sqlite3_vtab *vtab)
{
    transaction_join_hub(connection_of(vtab), vtab);
    return SQLITE_OK;
}

static int hub_sync(sqlite3_vtab *vtab)
{
    return transaction_sync(connection_of(vtab), &vtab->zErrMsg);
}

static int hub_commit(sqlite3_vtab *vtab)
{
    transaction_commit(connection_of(vtab));
    return SQLITE_OK;
}

static int hub_rollback(sqlite3_vtab *vtab)
{
    transaction_rollback(connection_of(vtab));
    return SQLITE_OK;
}

static int hub_savepoint(sqlite3_vtab *vtab, int level)
{
    return transaction_savepoint(connection_of(vtab), vtab, level);
}

static int hub_release(sqlite3_vtab *vtab, int level)
{
    transaction_release(connection_of(vtab), vtab, level);
    return SQLITE_OK;
}

static int hub_rollback_to(sqlite3_vtab *vtab, int level)
{
    return transaction_rollback_to(connection_of(vtab), vtab, level, &vtab->zErrMsg);
}

static const sqlite3_module hub_module = {
    .iVersion = 2,
    .xCreate = hub_create,
    .xConnect = hub_connect,
    .xBestIndex = hub_best_index,
    .xDisconnect = hub_disconnect,
    .xDestroy = hub_destroy,
    .xOpen = hub_open,
    .xClose = hub_close,
    .xFilter = hub_filter,
    .xNext = hub_next,
    .xEof = hub_eof,
    .xColumn = hub_column,
    .xRowid = hub_rowid,
    .xUpdate = hub_update,
    .xBegin = hub_begin,
    .xSync = hub_sync,
    .xCommit = hub_commit,
    .xRollback = hub_rollback,
    .xSavepoint = hub_savepoint,
    .xRelease = hub_release,
    .xRollbackTo = hub_rollback_to,
};

static int make_table(sqlite3 *db)
{
    return sqlite3_exec(db, "CREATE VIRTUAL TABLE IF NOT EXISTS " HUB_TABLE " USING lsmkv_hub", NULL, NULL, NULL);
}

int hub_register(struct connection *connection)
{
    int rc = sqlite3_create_module_v2(connection->db, "lsmkv_hub", &hub_module, connection_ref(connection),
                                      connection_unref);

    /* A database that is locked or damaged at this moment must not keep the extension from loading. */
    if (!rc)
        (void)make_table(connection->db);
    return rc;
}

static int write_nothing(sqlite3 *db)
{
    return sqlite3_exec(db, "UPDATE " HUB_TABLE " SET joined = joined", NULL, NULL, NULL);
}

static int join(struct connection *connection)
{
    sqlite3 *db = connection->db;
    int rc;

    if (connection->hub_joined)
        return SQLITE_OK;
    connection->hub_joining = true;
    rc = write_nothing(db);
    if (rc == SQLITE_ERROR) {
        /* PRAGMA temp_store throws temporary tables away; or it could not be made when the extension was loaded. */
        rc = make_table(db);
        if (!rc)
            rc = write_nothing(db);
    }
    connection->hub_joining = false;
    return rc;
}

int hub_join(struct connection *connection, char **message)
{
    int rc = join(connection);

    if (rc)
        return error_set(message, rc, "joining the transaction: %s", sqlite3_errmsg(connection->db));
    return SQLITE_OK;
}

int hub_join_to_read(struct connection *connection, char **message)
{
    int rc = join(connection);

    if ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_AUTH)
        return SQLITE_OK;
    if (rc)
        return error_set(message, rc, "joining the transaction: %s", sqlite3_errmsg(connection->db));
    return SQLITE_OK;
}
