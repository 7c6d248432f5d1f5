#include "ext/compacting.h"

#include "ext/error.h"
#include "ext/introspect.h"
#include "ext/memory.h"
#include "ext/sql_table.h"

enum {
    COMPACTING_STEP,
    COMPACTING_LEVEL,
    COMPACTING_TABLES,
    COMPACTING_BYTES_DONE,
    COMPACTING_BYTES_ALL,
    COMPACTING_PERCENT,
    COMPACTING_SECONDS,
    COMPACTING_STORE,
    COMPACTING_TABLE
};

struct compacting_cursor {
    sqlite3_vtab_cursor base;
    struct lsmkv_compaction *compaction; /* NULL: at the end */
    struct lsmkv_compaction_progress progress;
    const struct session *session; /* the connection's, which lives as long as this */
};

static struct compacting_cursor *cursor_of(sqlite3_vtab_cursor *cursor)
{
    return (struct compacting_cursor *)cursor;
}

/* ---- Steps ---- */

static void end(struct compacting_cursor *cursor)
{
    lsmkv_compaction_end(cursor->compaction);
    cursor->compaction = NULL;
}

static int step(struct compacting_cursor *cursor)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status = lsmkv_compaction_step(cursor->compaction, &cursor->progress, &err);

    if (!status)
        return SQLITE_OK;
    end(cursor);
    return error_from(&cursor->base.pVtab->zErrMsg, status, &err);
}

static int start(struct compacting_cursor *cursor, const struct sql_table *table)
{
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct lsmkv_slice lower, upper;
    enum lsmkv_status status;

    sql_table_whole_range(table, bounds, &lower, &upper);
    status = lsmkv_compaction_start(&cursor->compaction, session_store(table->session), lower, upper, &err);
    if (status)
        return error_from(&cursor->base.pVtab->zErrMsg, status, &err);
    cursor->session = table->session;
    return step(cursor);
}

static int compacting_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
    struct introspect_table *compacting = (struct introspect_table *)base->pVtab;
    const char *name = plan ? (const char *)sqlite3_value_text(argv[0]) : NULL;
    struct sql_table *table;
    int rc;

    (void)text;
    (void)argc;
    end(cursor_of(base));
    if (!name)
        return error_set(&base->pVtab->zErrMsg, SQLITE_ERROR, "the name of a table is needed: lsmkv_compacting('t')");
    rc = sql_table_open_keys(compacting->connection, name, &table, &base->pVtab->zErrMsg);
    if (!rc)
        rc = sql_table_may_flush(table, &base->pVtab->zErrMsg);
    return rc ? rc : start(cursor_of(base), table);
}

static int compacting_next(sqlite3_vtab_cursor *base)
{
    struct compacting_cursor *cursor = cursor_of(base);

    if (!cursor->progress.finished)
        return step(cursor);
    end(cursor);
    return SQLITE_OK;
}

static int compacting_eof(sqlite3_vtab_cursor *base)
{
    return cursor_of(base)->compaction == NULL;
}

static int compacting_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const struct compacting_cursor *cursor = cursor_of(base);
    const struct lsmkv_compaction_progress *progress = &cursor->progress;

    switch (column) {
    case COMPACTING_STEP:
        sqlite3_result_int64(context, (sqlite3_int64)progress->step);
        break;
    case COMPACTING_LEVEL:
        if (progress->level >= 0)
            sqlite3_result_int(context, progress->level);
        break;
    case COMPACTING_TABLES:
        sqlite3_result_int64(context, (sqlite3_int64)progress->tables);
        break;
    case COMPACTING_BYTES_DONE:
        sqlite3_result_int64(context, (sqlite3_int64)progress->bytes_done);
        break;
    case COMPACTING_BYTES_ALL:
        sqlite3_result_int64(context, (sqlite3_int64)progress->bytes_all);
        break;
    case COMPACTING_PERCENT:
        sqlite3_result_double(context, progress->percent);
        break;
    case COMPACTING_SECONDS:
        sqlite3_result_double(context, (double)progress->elapsed_ns / 1e9);
        break;
    case COMPACTING_STORE:
        sqlite3_result_text(context, registry_dir(cursor->session->store), -1, SQLITE_TRANSIENT);
        break;
    default: /* the argument: NULL */
        break;
    }
    return SQLITE_OK;
}

static int compacting_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = (sqlite3_int64)cursor_of(base)->progress.step;
    return SQLITE_OK;
}

static int compacting_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor)
{
    struct compacting_cursor *made = memory_alloc(sizeof(*made));

    (void)vtab;
    if (!made)
        return SQLITE_NOMEM;
    *cursor = &made->base;
    return SQLITE_OK;
}

static int compacting_close(sqlite3_vtab_cursor *cursor)
{
    end(cursor_of(cursor));
    memory_free(cursor);
    return SQLITE_OK;
}

/* ---- The module ---- */

static int compacting_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **vtab,
                              char **message)
{
    (void)db;
    (void)argc;
    (void)argv;
    return introspect_connect(context,
                              "CREATE TABLE x(step INTEGER, level INTEGER, tables INTEGER, bytes_done INTEGER, "
                              "bytes_all INTEGER, percent REAL, seconds REAL, store TEXT, table_name HIDDEN)",
                              sizeof(struct introspect_table), vtab, message);
}

static int compacting_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    return introspect_plan(info, COMPACTING_TABLE);
}

static const sqlite3_module compacting_module = {
    .xConnect = compacting_connect,
    .xBestIndex = compacting_best_index,
    .xDisconnect = introspect_disconnect,
    .xOpen = compacting_open,
    .xClose = compacting_close,
    .xFilter = compacting_filter,
    .xNext = compacting_next,
    .xEof = compacting_eof,
    .xColumn = compacting_column,
    .xRowid = compacting_rowid,
};

int compacting_register(struct connection *connection)
{
    return sqlite3_create_module_v2(connection->db, "lsmkv_compacting", &compacting_module, connection_ref(connection),
                                    connection_unref);
}
