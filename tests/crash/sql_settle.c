/*
 * sql_settle.c - who may say the outcome of a transaction that a death left prepared, and who may not.
 *
 * Each case is a child process that dies, or whose log fails, between xSync and xCommit: in SQLite's commit hook. Other
 * processes then use the store. Tables are temporary, so that only lsmkv_marker ties the store to a database file.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "calls.h"

int sqlite3_lsmkv_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

/* ---- Processes ---- */

static const char *dir;

static void check(bool good, const char *what, sqlite3 *db)
{
    if (good)
        return;
    printf("%s: %s\n", what, db ? sqlite3_errmsg(db) : "");
    fflush(stdout);
    _exit(1);
}

static void execute(sqlite3 *db, const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql, db);
}

static sqlite3 *open_plain(const char *name)
{
    char path[512];
    sqlite3 *db = NULL;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    check(sqlite3_open(path, &db) == SQLITE_OK, "open", db);
    return db;
}

static void load(sqlite3 *db)
{
    char *message = NULL,
         *sql = sqlite3_mprintf("CREATE VIRTUAL TABLE temp.t USING lsmkv('%q/store', id INTEGER PRIMARY KEY, n)", dir);

    check(sqlite3_lsmkv_init(db, &message, NULL) == SQLITE_OK, "load", db);
    execute(db, sql);
    sqlite3_free(sql);
}

static int number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int number;

    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql, db);
    check(sqlite3_step(statement) == SQLITE_ROW, sql, db);
    number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* Runs `work` in a process of its own; its exit code. */
static int in_child(int (*work)(const char *name), const char *name)
{
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(work(name));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- What they do ---- */

/* An ordinary table and an empty lsmkv table. */
static int create(const char *name)
{
    sqlite3 *db = open_plain(name);

    execute(db, "CREATE TABLE o AS SELECT 0 AS n");
    load(db);
    return sqlite3_close(db);
}

static int use_wal(const char *name)
{
    sqlite3 *db = open_plain(name);

    execute(db, "PRAGMA journal_mode = WAL");
    return sqlite3_close(db);
}

/* Commits both, so that the file has its marker table. */
static int commit_both(const char *name)
{
    sqlite3 *db = open_plain(name);

    load(db);
    execute(db, "BEGIN; INSERT INTO t VALUES(1, 1); UPDATE o SET n = 1; COMMIT");
    return sqlite3_close(db);
}

static int die(void *unused)
{
    (void)unused;
    _exit(CALLS_DIED);
}

static int fail_log(void *unused)
{
    (void)unused;
    calls_fail(".wal");
    return 0;
}

static void begin_to_commit(const char *name, int (*hook)(void *))
{
    sqlite3 *db = open_plain(name);

    load(db);
    sqlite3_commit_hook(db, hook, NULL);
    execute(db, "BEGIN; INSERT INTO t VALUES(2, 2); UPDATE o SET n = 2; COMMIT");
}

/* Dies when the stores are prepared and SQLite has not committed. */
static int die_before_sqlite_commits(const char *name)
{
    begin_to_commit(name, die);
    return 1;
}

/* Ends when SQLite has committed, without an outcome in the log. */
static int die_after_sqlite_committed(const char *name)
{
    begin_to_commit(name, fail_log);
    _exit(CALLS_DIED);
}

/* Uses the store beside the database `name`: how many rows there are. */
static int count_rows(const char *name)
{
    sqlite3 *db = open_plain(name);
    int rows;

    load(db);
    rows = number_of(db, "SELECT count(*) FROM t");
    check(sqlite3_close(db) == SQLITE_OK, "close", db);
    return rows;
}

static bool count_doubt(void *context, const struct lsmkv_transaction_info *info)
{
    *(int *)context += info->state == LSMKV_TRANSACTION_IN_DOUBT;
    return true;
}

static int count_doubts(const char *name)
{
    struct lsmkv_open how = {.mode = LSMKV_OPEN_EXISTING};
    struct lsmkv_store *store = NULL;
    struct lsmkv_error err;
    char path[512];
    int doubts = 0;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    check(lsmkv_store_open(&store, path, &how, &err) == LSMKV_OK, "store", NULL);
    lsmkv_transactions_each(store, count_doubt, &doubts);
    check(lsmkv_store_close(store, &err) == LSMKV_OK, "close", NULL);
    return doubts;
}

static void copy_file(const char *from, const char *to)
{
    char command[1200];

    snprintf(command, sizeof(command), "cp '%s/%s' '%s/%s'", dir, from, dir, to);
    assert_int_equal(system(command), 0);
}

/* ---- The cases ---- */

/* The id that the prepare names was to be written by the same SQLite transaction, which is gone with it. */
static void a_marker_table_that_was_never_committed_means_abort(void **state)
{
    (void)state;
    for (int wal = 0; wal < 2; wal++) {
        dir = test_dir();
        assert_int_equal(in_child(create, "main.db"), 0);
        if (wal)
            assert_int_equal(in_child(use_wal, "main.db"), 0);
        assert_int_equal(in_child(die_before_sqlite_commits, "main.db"), CALLS_DIED);
        assert_int_equal(in_child(count_doubts, "store"), 1);
        assert_int_equal(in_child(count_rows, "other.db"), 0); /* cannot tell */
        assert_int_equal(in_child(count_doubts, "store"), 1);
        assert_int_equal(in_child(count_rows, "main.db"), 0);
        assert_int_equal(in_child(count_doubts, "store"), 0);
    }
}

static void a_copy_of_the_database_does_not_decide_for_the_original(void **state)
{
    (void)state;
    dir = test_dir();
    assert_int_equal(in_child(create, "main.db"), 0);
    assert_int_equal(in_child(commit_both, "main.db"), 0);
    copy_file("main.db", "copy.db");
    assert_int_equal(in_child(die_after_sqlite_committed, "main.db"), CALLS_DIED);
    assert_int_equal(in_child(count_rows, "copy.db"), 1);
    assert_int_equal(in_child(count_doubts, "store"), 1);
    assert_int_equal(in_child(count_rows, "main.db"), 2);
    assert_int_equal(in_child(count_doubts, "store"), 0);
}

static void a_database_that_was_moved_still_decides(void **state)
{
    char from[512], to[512];

    (void)state;
    dir = test_dir();
    assert_int_equal(in_child(create, "main.db"), 0);
    assert_int_equal(in_child(commit_both, "main.db"), 0);
    assert_int_equal(in_child(die_after_sqlite_committed, "main.db"), CALLS_DIED);
    snprintf(from, sizeof(from), "%s/main.db", dir);
    snprintf(to, sizeof(to), "%s/moved.db", dir);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(in_child(count_rows, "moved.db"), 2);
    assert_int_equal(in_child(count_doubts, "store"), 0);
}

/* A process that reads an old snapshot of the database while another one commits there, and dies. */
static int read_old_snapshot(const char *name)
{
    sqlite3 *db;
    int ends[2], status;
    char byte;
    pid_t child;

    check(pipe(ends) == 0, "pipe", NULL);
    child = fork();
    if (child == 0) {
        check(read(ends[0], &byte, 1) == 1, "read", NULL);
        _exit(die_after_sqlite_committed(name));
    }
    db = open_plain(name);
    execute(db, "BEGIN; SELECT n FROM o");
    check(write(ends[1], "x", 1) == 1, "write", NULL);
    check(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == CALLS_DIED, "wait", NULL);
    check(number_of(db, "SELECT n FROM o") == 1, "the snapshot is not an old one", NULL);
    load(db);
    (void)number_of(db, "SELECT count(*) FROM t");
    execute(db, "COMMIT");
    return number_of(db, "SELECT count(*) FROM t");
}

static void an_old_snapshot_in_wal_mode_does_not_decide(void **state)
{
    (void)state;
    dir = test_dir();
    assert_int_equal(in_child(create, "main.db"), 0);
    assert_int_equal(in_child(use_wal, "main.db"), 0);
    assert_int_equal(in_child(commit_both, "main.db"), 0);
    assert_int_equal(in_child(read_old_snapshot, "main.db"), 2);
    assert_int_equal(in_child(count_doubts, "store"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marker_table_that_was_never_committed_means_abort),
        cmocka_unit_test(a_copy_of_the_database_does_not_decide_for_the_original),
        cmocka_unit_test(a_database_that_was_moved_still_decides),
        cmocka_unit_test(an_old_snapshot_in_wal_mode_does_not_decide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
