#include "ext/functions.h"

#include <string.h>

#include "ext/error.h"
#include "ext/sql_table.h"

/* What the store has done so far, for telling what a call did. */
struct work {
    uint64_t flush_bytes, compaction_read_bytes, compaction_write_bytes, sstables, sstable_bytes;
};

static bool take_stat(void *context, const char *name, uint64_t value)
{
    struct work *work = context;

    if (strcmp(name, "flush_bytes") == 0)
        work->flush_bytes = value;
    else if (strcmp(name, "compaction_read_bytes") == 0)
        work->compaction_read_bytes = value;
    else if (strcmp(name, "compaction_write_bytes") == 0)
        work->compaction_write_bytes = value;
    else if (strcmp(name, "sstables") == 0)
        work->sstables = value;
    else if (strcmp(name, "sstable_bytes") == 0)
        work->sstable_bytes = value;
    return true;
}

static struct work work_now(struct lsmkv_store *store)
{
    struct work work = {0};

    lsmkv_stats_each(store, take_stat, &work);
    return work;
}

static void result_text(sqlite3_context *context, char *text)
{
    if (text)
        sqlite3_result_text(context, text, -1, sqlite3_free);
    else
        sqlite3_result_error_nomem(context);
}

/* Takes over `message`, which may be NULL. */
static void result_error(sqlite3_context *context, int rc, char *message)
{
    sqlite3_result_error(context, message ? message : sqlite3_errstr(rc), -1);
    sqlite3_result_error_code(context, rc);
    sqlite3_free(message);
}

/* The attached table that the argument names. Work on a store waits for its writers, so not inside one's own writing. */
static struct sql_table *argument_table(sqlite3_context *context, sqlite3_value *argument)
{
    struct connection *connection = sqlite3_user_data(context);
    const char *name = (const char *)sqlite3_value_text(argument);
    char *message = NULL;
    struct sql_table *table;
    int rc;

    if (!name) {
        result_error(context, SQLITE_ERROR, sqlite3_mprintf("lsmkv: the name of a table is needed"));
        return NULL;
    }
    table = sql_table_find(connection, name, &message);
    if (!table) {
        result_error(context, SQLITE_ERROR, message);
        return NULL;
    }
    rc = sql_table_attach(table);
    if (rc) {
        result_error(context, rc, table->base.zErrMsg);
        table->base.zErrMsg = NULL;
        return NULL;
    }
    if (lsmkv_session_state(table->session->engine) >= LSMKV_SESSION_WRITING) {
        result_error(context, SQLITE_LOCKED,
                     sqlite3_mprintf("lsmkv: this transaction has written to the store of %s: COMMIT it first", name));
        return NULL;
    }
    return table;
}

static void flush(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    struct sql_table *table = argument_table(context, argv[0]);
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct lsmkv_store *store;
    enum lsmkv_status status;
    struct work before, after;
    char *message = NULL;

    (void)argc;
    if (!table)
        return;
    store = session_store(table->session);
    before = work_now(store);
    status = lsmkv_flush(store, &err);
    if (status) {
        int rc = error_from(&message, status, &err);

        result_error(context, rc, message);
        return;
    }
    after = work_now(store);
    result_text(context, sqlite3_mprintf("%llu bytes written to level 0", after.flush_bytes - before.flush_bytes));
}

static void compact(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    struct sql_table *table = argument_table(context, argv[0]);
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct lsmkv_slice lower, upper;
    struct lsmkv_store *store;
    enum lsmkv_status status;
    struct work before, after;
    char *message = NULL;

    (void)argc;
    if (!table)
        return;
    store = session_store(table->session);
    sql_table_whole_range(table, bounds, &lower, &upper);
    before = work_now(store);
    status = lsmkv_compact(store, lower, upper, &err);
    if (status) {
        int rc = error_from(&message, status, &err);

        result_error(context, rc, message);
        return;
    }
    after = work_now(store);
    result_text(context,
                sqlite3_mprintf("%llu bytes read, %llu bytes written; the store has %llu SSTables of %llu bytes",
                                after.compaction_read_bytes - before.compaction_read_bytes,
                                after.compaction_write_bytes - before.compaction_write_bytes, after.sstables,
                                after.sstable_bytes));
}

static void version(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(context, LSMKV_VERSION, -1, SQLITE_STATIC);
}

int functions_register(struct connection *connection)
{
    static const struct {
        const char *name;
        int arguments;
        void (*call)(sqlite3_context *context, int argc, sqlite3_value **argv);
    } functions[] = {{"lsmkv_flush", 1, flush}, {"lsmkv_compact", 1, compact}, {"lsmkv_version", 0, version}};
    size_t i;
    int rc = SQLITE_OK;

    for (i = 0; i < sizeof(functions) / sizeof(functions[0]) && !rc; i++)
        rc = sqlite3_create_function_v2(connection->db, functions[i].name, functions[i].arguments,
                                        SQLITE_UTF8 | SQLITE_DIRECTONLY, connection_ref(connection), functions[i].call,
                                        NULL, NULL, connection_unref);
    return rc;
}
