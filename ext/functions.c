#include "ext/functions.h"

#include <string.h>

#include "ext/error.h"
#include "ext/path.h"
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

/* The table that the argument names, attached, its keyspaces known. NULL: the result is an error. */
static struct sql_table *argument_table(sqlite3_context *context, sqlite3_value *argument)
{
    struct connection *connection = sqlite3_user_data(context);
    const char *name = (const char *)sqlite3_value_text(argument);
    char *message = NULL;
    struct sql_table *table;
    int rc;

    if (name)
        rc = sql_table_open_keys(connection, name, &table, &message);
    else
        rc = error_set(&message, SQLITE_ERROR, "the name of a table is needed");
    if (!rc)
        return table;
    result_error(context, rc, message);
    return NULL;
}

/* ---- Work on a store ---- */

/* Runs `work` on the store of the table that the argument names; true, and what was done meanwhile, if it succeeds. */
static bool run_work(sqlite3_context *context, sqlite3_value *argument,
                     enum lsmkv_status (*work)(struct lsmkv_store *store, const struct sql_table *table,
                                               struct lsmkv_error *err),
                     struct work *done)
{
    struct sql_table *table = argument_table(context, argument);
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;
    struct work before;
    char *message = NULL;
    int rc;

    if (!table)
        return false;
    rc = sql_table_may_flush(table, &message);
    if (rc) {
        result_error(context, rc, message);
        return false;
    }
    before = work_now(session_store(table->session));
    status = work(session_store(table->session), table, &err);
    if (status) {
        rc = error_from(&message, status, &err);
        result_error(context, rc, message);
        return false;
    }
    *done = work_now(session_store(table->session));
    done->flush_bytes -= before.flush_bytes;
    done->compaction_read_bytes -= before.compaction_read_bytes;
    done->compaction_write_bytes -= before.compaction_write_bytes;
    return true;
}

static enum lsmkv_status flush_store(struct lsmkv_store *store, const struct sql_table *table, struct lsmkv_error *err)
{
    (void)table;
    return lsmkv_flush(store, err);
}

static void flush(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    struct work done;

    (void)argc;
    if (run_work(context, argv[0], flush_store, &done))
        result_text(context, sqlite3_mprintf("%llu bytes written to level 0", done.flush_bytes));
}

static enum lsmkv_status compact_table(struct lsmkv_store *store, const struct sql_table *table,
                                       struct lsmkv_error *err)
{
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_slice lower, upper;

    sql_table_whole_range(table, bounds, &lower, &upper);
    return lsmkv_compact(store, lower, upper, err);
}

static void compact(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    struct work done;

    (void)argc;
    if (run_work(context, argv[0], compact_table, &done))
        result_text(context,
                    sqlite3_mprintf("%llu bytes read, %llu bytes written; the store has %llu SSTables of %llu bytes",
                                    done.compaction_read_bytes, done.compaction_write_bytes, done.sstables,
                                    done.sstable_bytes));
}

/* ---- Rows and transactions ---- */

static void truncate_rows(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    struct sql_table *table = argument_table(context, argv[0]);
    uint64_t rows, bytes;
    int rc;

    (void)argc;
    if (!table)
        return;
    rc = sql_table_truncate(table, &rows, &bytes);
    if (!rc) {
        result_text(context, sqlite3_mprintf("about %llu rows of %llu bytes on disk are gone; their space is freed in "
                                             "the background",
                                             rows, bytes));
        return;
    }
    result_error(context, rc, table->base.zErrMsg);
    table->base.zErrMsg = NULL;
}

/* 16 hex digits, as lsmkv_transactions shows them. */
static bool read_transaction(const char *text, uint64_t *transaction)
{
    size_t i;

    *transaction = 0;
    for (i = 0; text && text[i]; i++) {
        const char *digit = strchr("0123456789abcdef", text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i]);

        if (!digit)
            return false;
        *transaction = *transaction << 4 | (uint64_t)(digit - "0123456789abcdef");
    }
    return i == 16;
}

static int settle_in(struct connection *connection, const char *dir, uint64_t transaction, bool commit, char **message)
{
    struct store_request request = {.dir = NULL};
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct open_store *store = NULL;
    char *path = NULL;
    int rc = path_of_store(connection->db, "main", dir, &path, message);

    request.dir = path;
    if (!rc)
        rc = registry_open(&request, &store, message);
    if (!rc)
        rc = error_from(message, lsmkv_settle(registry_engine(store), transaction, commit, &err), &err);
    registry_release(store);
    sqlite3_free(path);
    return rc;
}

static void settle(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    const char *dir = (const char *)sqlite3_value_text(argv[0]);
    const char *outcome = (const char *)sqlite3_value_text(argv[2]);
    bool commit = outcome && sqlite3_stricmp(outcome, "commit") == 0;
    char *message = NULL;
    uint64_t transaction;
    int rc = SQLITE_OK;

    (void)argc;
    if (!dir || !dir[0])
        rc = error_set(&message, SQLITE_ERROR, "lsmkv_settle: the directory of a store is needed");
    else if (!read_transaction((const char *)sqlite3_value_text(argv[1]), &transaction))
        rc = error_set(&message, SQLITE_ERROR,
                       "lsmkv_settle: a transaction is 16 hex digits, as lsmkv_transactions shows it");
    else if (!commit && (!outcome || sqlite3_stricmp(outcome, "abort") != 0))
        rc = error_set(&message, SQLITE_ERROR, "lsmkv_settle: the outcome is 'commit' or 'abort'");
    else
        rc = settle_in(sqlite3_user_data(context), dir, transaction, commit, &message);
    if (rc)
        result_error(context, rc, message);
    else
        sqlite3_result_text(context, commit ? "committed" : "aborted", -1, SQLITE_STATIC);
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
    } functions[] = {{"lsmkv_flush", 1, flush},
                     {"lsmkv_compact", 1, compact},
                     {"lsmkv_truncate", 1, truncate_rows},
                     {"lsmkv_settle", 3, settle},
                     {"lsmkv_version", 0, version}};
    size_t i;
    int rc = SQLITE_OK;

    for (i = 0; i < sizeof(functions) / sizeof(functions[0]) && !rc; i++)
        rc = sqlite3_create_function_v2(connection->db, functions[i].name, functions[i].arguments,
                                        SQLITE_UTF8 | SQLITE_DIRECTONLY, connection_ref(connection), functions[i].call,
                                        NULL, NULL, connection_unref);
    return rc;
}
