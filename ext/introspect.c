#include "ext/introspect.h"

#include "ext/error.h"
#include "ext/introspect_rows.h"
#include "ext/memory.h"
#include "ext/sql_table.h"

struct view_table {
    struct introspect_table table;
    const struct introspect_view *view;
};

struct view_cursor {
    sqlite3_vtab_cursor base;
    struct introspect_rows rows;
    size_t at;
};

/* What a module is registered with. */
struct view_context {
    struct connection *connection;
    const struct introspect_view *view;
};

static struct view_table *table_of(sqlite3_vtab *vtab)
{
    return (struct view_table *)vtab;
}

static struct view_cursor *cursor_of(sqlite3_vtab_cursor *cursor)
{
    return (struct view_cursor *)cursor;
}

/* ---- Life ---- */

int introspect_connect(struct connection *connection, const char *declaration, size_t size, sqlite3_vtab **vtab,
                       char **message)
{
    struct introspect_table *table;
    int rc = sqlite3_declare_vtab(connection->db, declaration);

    if (!rc)
        rc = sqlite3_vtab_config(connection->db, SQLITE_VTAB_DIRECTONLY);
    if (rc)
        return error_set(message, rc, "%s", sqlite3_errmsg(connection->db));
    table = memory_alloc(size);
    if (!table)
        return SQLITE_NOMEM;
    table->connection = connection_ref(connection);
    *vtab = &table->base;
    return SQLITE_OK;
}

int introspect_disconnect(sqlite3_vtab *vtab)
{
    connection_unref(((struct introspect_table *)vtab)->connection);
    sqlite3_free(vtab->zErrMsg);
    memory_free(vtab);
    return SQLITE_OK;
}

static int view_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **vtab,
                        char **message)
{
    const struct view_context *from = context;
    int rc = introspect_connect(from->connection, from->view->declaration, sizeof(struct view_table), vtab, message);

    (void)db;
    (void)argc;
    (void)argv;
    if (!rc)
        table_of(*vtab)->view = from->view;
    return rc;
}

int introspect_plan(sqlite3_index_info *info, int hidden)
{
    bool unusable = false;
    int i;

    info->estimatedCost = 1000;
    info->estimatedRows = 100;
    for (i = 0; i < info->nConstraint; i++) {
        if (info->aConstraint[i].iColumn != hidden || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (info->aConstraint[i].usable) {
            info->aConstraintUsage[i].argvIndex = 1;
            info->aConstraintUsage[i].omit = 1;
            info->idxNum = 1;
            info->estimatedCost = 10;
            return SQLITE_OK;
        }
        unusable = true;
    }
    return unusable ? SQLITE_CONSTRAINT : SQLITE_OK;
}

static int view_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    return introspect_plan(info, table_of(vtab)->view->columns);
}

static int view_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor)
{
    struct view_cursor *made = memory_alloc(sizeof(*made));

    if (!made)
        return SQLITE_NOMEM;
    introspect_rows_init(&made->rows, table_of(vtab)->view->columns);
    *cursor = &made->base;
    return SQLITE_OK;
}

static int view_close(sqlite3_vtab_cursor *cursor)
{
    introspect_rows_release(&cursor_of(cursor)->rows);
    memory_free(cursor);
    return SQLITE_OK;
}

/* ---- Rows ---- */

static int collect(struct view_cursor *cursor, const struct session *session)
{
    const struct view_table *table = table_of(cursor->base.pVtab);

    int rc = table->view->collect(&cursor->rows, session, &cursor->base.pVtab->zErrMsg);

    return cursor->rows.failed ? SQLITE_NOMEM : rc;
}

static int collect_table(struct view_cursor *cursor, const char *name)
{
    struct view_table *view = table_of(cursor->base.pVtab);
    struct sql_table *table;
    int rc = sql_table_open(view->table.connection, name, &table, &view->table.base.zErrMsg);

    return rc ? rc : collect(cursor, table->session);
}

/* Makes SQLite connect to all virtual tables; then opens the stores of ours, those that can be opened. */
static void attach_all(struct connection *connection)
{
    struct sql_table *table;

    (void)sqlite3_exec(connection->db, "PRAGMA table_list", NULL, NULL, NULL);
    for (table = connection->tables; table; table = table->next) {
        if (sql_table_attach(table) == SQLITE_OK)
            continue;
        sqlite3_free(table->base.zErrMsg);
        table->base.zErrMsg = NULL;
    }
}

static int collect_all(struct view_cursor *cursor)
{
    struct connection *connection = table_of(cursor->base.pVtab)->table.connection;
    const struct session *session;
    int rc = SQLITE_OK;

    attach_all(connection);
    for (session = connection->sessions; session && !rc; session = session->next)
        rc = collect(cursor, session);
    return rc;
}

static int view_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
    struct view_cursor *cursor = cursor_of(base);
    const char *name;

    (void)text;
    (void)argc;
    introspect_rows_clear(&cursor->rows);
    cursor->at = 0;
    if (!plan)
        return collect_all(cursor);
    name = (const char *)sqlite3_value_text(argv[0]);
    return name ? collect_table(cursor, name) : SQLITE_OK;
}

static int view_next(sqlite3_vtab_cursor *cursor)
{
    cursor_of(cursor)->at++;
    return SQLITE_OK;
}

static int view_eof(sqlite3_vtab_cursor *cursor)
{
    return cursor_of(cursor)->at >= cursor_of(cursor)->rows.count;
}

static int view_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    struct view_cursor *cursor = cursor_of(base);

    if (column < cursor->rows.columns)
        cell_result(introspect_rows_cell(&cursor->rows, cursor->at, column), context);
    return SQLITE_OK;
}

static int view_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
    const struct view_cursor *at = cursor_of(cursor);
    const struct introspect_view *view = table_of(cursor->pVtab)->view;

    *rowid = view->rowid ? view->rowid(&at->rows, at->at) : (sqlite3_int64)at->at + 1;
    return SQLITE_OK;
}

static int view_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid)
{
    (void)rowid;
    return table_of(vtab)->view->update(table_of(vtab)->table.connection, argc, argv, &vtab->zErrMsg);
}

/* No xCreate: the tables exist in every connection by themselves. */
static const sqlite3_module view_module = {
    .xConnect = view_connect,
    .xBestIndex = view_best_index,
    .xDisconnect = introspect_disconnect,
    .xOpen = view_open,
    .xClose = view_close,
    .xFilter = view_filter,
    .xNext = view_next,
    .xEof = view_eof,
    .xColumn = view_column,
    .xRowid = view_rowid,
};

static const sqlite3_module changeable_view_module = {
    .xConnect = view_connect,
    .xBestIndex = view_best_index,
    .xDisconnect = introspect_disconnect,
    .xOpen = view_open,
    .xClose = view_close,
    .xFilter = view_filter,
    .xNext = view_next,
    .xEof = view_eof,
    .xColumn = view_column,
    .xRowid = view_rowid,
    .xUpdate = view_update,
};

static void context_free(void *context)
{
    connection_unref(((struct view_context *)context)->connection);
    memory_free(context);
}

static int register_view(struct connection *connection, const struct introspect_view *view)
{
    struct view_context *context = memory_alloc(sizeof(*context));

    if (!context)
        return SQLITE_NOMEM;
    context->connection = connection_ref(connection);
    context->view = view;
    return sqlite3_create_module_v2(connection->db, view->name, view->update ? &changeable_view_module : &view_module,
                                    context, context_free);
}

int introspect_register(struct connection *connection)
{
    int i, rc = SQLITE_OK;

    for (i = 0; i < introspect_view_count && !rc; i++)
        rc = register_view(connection, &introspect_views[i]);
    return rc;
}
