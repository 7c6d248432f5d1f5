/*
 * sql_crash.c - lsmkv rows and SQLite's own are committed together at any death of the process.
 *
 * A child process runs one transaction over ordinary tables of up to three database files and lsmkv tables of two stores,
 * and dies at its nth call that changes a file: SQLite's files and ours alike, and in the middle of the larger writes too.
 * That includes the recovery of what the death before left, and the close. The parent then lets another process look: all
 * tables that the transaction touches must have changed, or none, nothing may be in doubt, and the next transaction begins
 * from there. n goes up until the transaction gets through.
 *
 * Several databases in WAL mode commit one after the other, by SQLite's rule. There the stores must agree with the file
 * that bears the marker.
 *
 * Usage: sql_crash [N]: any argument means every call; without one only some of them, chosen by the seed.
 */
#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "calls.h"

int sqlite3_lsmkv_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

#define CALLS_MAX 2000 /* of a transaction */

/* ---- Tables and transactions ---- */

/* What a transaction can touch: one number each. */
enum place { MAIN, AUX_A, AUX_B, NEAR, FAR, NEW, PLACES };

static const char *const readers[PLACES] = {
    "SELECT n FROM main.o",
    "SELECT n FROM a.o",
    "SELECT n FROM b.o",
    "SELECT n FROM near WHERE id = 1",
    "SELECT n FROM far WHERE id = 1",
    NULL /* see read_new() */
};

#define BIT(place) (1u << (place))

struct transaction {
    const char *name;
    const char *sql;    /* ?1 stands for the number */
    unsigned touches;   /* bits of places */
    unsigned separable; /* of those: may part from the rest in WAL mode */
};

static const struct transaction transactions[] = {
    {"one statement", "UPDATE near SET n = ?1", BIT(NEAR), 0},
    {"a trigger", "UPDATE main.p SET n = ?1", BIT(MAIN) | BIT(NEAR), 0},
    {"a savepoint",
     "BEGIN; UPDATE near SET n = ?1; SAVEPOINT s; UPDATE main.o SET n = -1; DELETE FROM near; ROLLBACK TO s; COMMIT",
     BIT(NEAR), 0},
    {"one database", "BEGIN; UPDATE main.o SET n = ?1; UPDATE near SET n = ?1; COMMIT", BIT(MAIN) | BIT(NEAR), 0},
    {"only page 1", "BEGIN; PRAGMA user_version = ?1; UPDATE near SET n = ?1; UPDATE o SET n = ?1; COMMIT",
     BIT(MAIN) | BIT(NEAR), 0},
    {"a temporary table", "BEGIN; UPDATE temp.near2 SET n = ?1; UPDATE main.o SET n = ?1; COMMIT",
     BIT(MAIN) | BIT(NEAR), 0},
    {"three databases",
     "BEGIN; UPDATE a.o SET n = ?1; UPDATE near SET n = ?1; UPDATE b.o SET n = ?1; UPDATE main.o SET n = ?1; COMMIT",
     BIT(MAIN) | BIT(AUX_A) | BIT(AUX_B) | BIT(NEAR), BIT(AUX_A) | BIT(AUX_B)},
    {"not the main database",
     "BEGIN; UPDATE b.o SET n = ?1; UPDATE temp.near2 SET n = ?1; UPDATE a.o SET n = ?1; COMMIT",
     BIT(AUX_A) | BIT(AUX_B) | BIT(NEAR), BIT(AUX_B)},
    {"two stores", "BEGIN; UPDATE far SET n = ?1; UPDATE near SET n = ?1; COMMIT", BIT(NEAR) | BIT(FAR), 0},
    {"two stores by temporary tables", "BEGIN; UPDATE temp.near2 SET n = ?1; UPDATE temp.far2 SET n = ?1; COMMIT",
     BIT(NEAR) | BIT(FAR), 0},
    {"everything",
     "BEGIN; UPDATE a.o SET n = ?1; UPDATE far SET n = ?1; UPDATE near SET n = ?1; UPDATE main.o SET n = ?1; COMMIT",
     BIT(MAIN) | BIT(AUX_A) | BIT(NEAR) | BIT(FAR), BIT(AUX_A)},
    {"a new table",
     "BEGIN; UPDATE o SET n = ?1; CREATE VIRTUAL TABLE fresh USING lsmkv(n PRIMARY KEY); INSERT INTO fresh VALUES(?1); "
     "COMMIT",
     BIT(MAIN) | BIT(NEW), 0},
    {"a dropped table", "BEGIN; DROP TABLE fresh; UPDATE near SET n = ?1; UPDATE o SET n = ?1; COMMIT",
     BIT(MAIN) | BIT(NEAR) | BIT(NEW), 0},
};
#define TRANSACTIONS (sizeof(transactions) / sizeof(transactions[0]))

/* One run of the whole: a directory, a journal mode, and what the tables held when it was last looked. */
struct run {
    const char *mode;
    const char *dir;
    int64_t values[PLACES];
    int64_t number; /* of the transaction */
    unsigned long deaths;
};

/* ---- Children: they never return to the test framework ---- */

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

static void execute_in(sqlite3 *db, const char *format, const char *dir)
{
    char *sql = sqlite3_mprintf(format, dir, dir);

    execute(db, sql);
    sqlite3_free(sql);
}

static sqlite3 *open_all(const struct run *run)
{
    sqlite3 *db = NULL;
    char *message = NULL, path[512];

    snprintf(path, sizeof(path), "%s/main.db", run->dir);
    check(sqlite3_open(path, &db) == SQLITE_OK, "open", db);
    check(sqlite3_lsmkv_init(db, &message, NULL) == SQLITE_OK, "load", db);
    execute_in(db, "ATTACH '%q/a.db' AS a; ATTACH '%q/b.db' AS b", run->dir);
    return db;
}

static void open_temporary(sqlite3 *db, const struct run *run)
{
    execute_in(db, "CREATE VIRTUAL TABLE temp.near2 USING lsmkv('%q/main.db-lsmkv', table = near)", run->dir);
    execute_in(db, "CREATE VIRTUAL TABLE temp.far2 USING lsmkv('%q/far', table = far)", run->dir);
}

static void set_mode(sqlite3 *db, const char *mode)
{
    static const char *const schemas[] = {"main", "a", "b"};

    for (size_t i = 0; i < 3; i++) {
        char *sql = sqlite3_mprintf("PRAGMA %s.journal_mode = %s", schemas[i], mode);

        execute(db, sql);
        sqlite3_free(sql);
    }
}

static void create_all(const struct run *run)
{
    sqlite3 *db = open_all(run);

    set_mode(db, run->mode);
    execute(
        db,
        "CREATE TABLE main.o AS SELECT 0 AS n; CREATE TABLE a.o AS SELECT 0 AS n; CREATE TABLE b.o AS SELECT 0 AS n");
    execute(db, "CREATE TABLE main.p AS SELECT 0 AS n");
    execute(db, "CREATE VIRTUAL TABLE near USING lsmkv(id INTEGER PRIMARY KEY, n)");
    execute(db,
            "CREATE VIRTUAL TABLE far USING lsmkv('far', id INTEGER PRIMARY KEY, n, sync = normal, atomic = always)");
    execute(db,
            "CREATE TRIGGER main.copy AFTER UPDATE ON p BEGIN UPDATE o SET n = new.n; UPDATE near SET n = new.n; END");
    execute(db, "INSERT INTO near VALUES(1, 0); INSERT INTO far VALUES(1, 0)");
    check(sqlite3_close(db) == SQLITE_OK, "close", db);
    _exit(0);
}

/* The statements with each ?1 replaced by the number; sqlite3_free(). */
static char *with_number(const char *sql, int64_t number)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    const char *at;

    while ((at = strstr(sql, "?1")) != NULL) {
        sqlite3_str_appendf(text, "%.*s%lld", (int)(at - sql), sql, (long long)number);
        sql = at + 2;
    }
    sqlite3_str_appendall(text, sql);
    return sqlite3_str_finish(text);
}

static void run_transaction(const struct run *run, const struct transaction *transaction)
{
    char *sql = with_number(transaction->sql, run->number);
    sqlite3 *db = open_all(run);

    if (strstr(sql, "temp."))
        open_temporary(db, run);
    if (strcmp(run->mode, "WAL") != 0)
        set_mode(db, run->mode); /* PERSIST and TRUNCATE are the connection's, not the file's */
    execute(db, sql);
    check(sqlite3_close(db) == SQLITE_OK, "close", db);
    _exit(0);
}

static int64_t read_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t number;

    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql, db);
    check(sqlite3_step(statement) == SQLITE_ROW, sql, db);
    number = sqlite3_column_int64(statement, 0);
    check(sqlite3_step(statement) == SQLITE_DONE, sql, db);
    sqlite3_finalize(statement);
    return number;
}

/* 0 if there is no such table. A table that one side has and the other has not would have two rows, or fail. */
static int64_t read_new(sqlite3 *db)
{
    if (!read_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'fresh'"))
        return 0;
    return read_number(db, "SELECT n FROM fresh");
}

/* Looks at every table, writes to both stores as a sign that nothing is in doubt, and reports the numbers. */
static void look(const struct run *run, int pipe_end)
{
    int64_t values[PLACES];
    sqlite3 *db;

    calls_die_at(0);
    db = open_all(run);
    for (int place = 0; place < PLACES; place++)
        values[place] = place == NEW ? read_new(db) : read_number(db, readers[place]);
    execute(db, "BEGIN; UPDATE near SET n = n WHERE id = 1; COMMIT; BEGIN; UPDATE far SET n = n WHERE id = 1; COMMIT");
    check(read_number(db, "SELECT count(*) FROM lsmkv_marker") == 1, "the marker", NULL);
    check(read_number(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1, "integrity", NULL);
    check(write(pipe_end, values, sizeof(values)) == (ssize_t)sizeof(values), "report", NULL);
    if (run->number % 3) /* the next child finds a store that was not closed, or one that was */
        check(sqlite3_close(db) == SQLITE_OK, "close", db);
    _exit(0);
}

/* ---- The parent ---- */

static int wait_for(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static pid_t start(void)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    return child;
}

static void look_in_child(const struct run *run, int64_t values[PLACES], const char *what)
{
    int ends[2], code;
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = start();
    if (child == 0)
        look(run, ends[1]);
    close(ends[1]);
    got = read(ends[0], values, PLACES * sizeof(*values));
    close(ends[0]);
    code = wait_for(child);
    if (code || got != (ssize_t)(PLACES * sizeof(*values)))
        fail_msg("%s, %s, transaction %" PRId64 ": the tables cannot be used", run->mode, what, run->number);
}

/* Whether the place shows the transaction: true, false, or a failed test if it shows something else. */
static bool shows(const struct run *run, const struct transaction *transaction, int place, int64_t found)
{
    int64_t wanted = run->number, before = run->values[place];

    if (place == NEW && !strstr(transaction->sql, "CREATE VIRTUAL TABLE fresh"))
        wanted = 0;
    if (!(transaction->touches & BIT(place)))
        wanted = before;
    if (found != wanted && found != before)
        fail_msg("%s, %s: place %d holds %" PRId64 ", neither %" PRId64 " nor %" PRId64, run->mode, transaction->name,
                 place, found, before, wanted);
    return found == wanted;
}

/* Both or neither; true if the transaction is there. */
static bool compare(struct run *run, const struct transaction *transaction, unsigned long death)
{
    unsigned separable = strcmp(run->mode, "WAL") == 0 ? transaction->separable : 0, shown = 0, others = 0;
    int64_t values[PLACES];

    look_in_child(run, values, transaction->name);
    for (int place = 0; place < PLACES; place++) {
        bool there = shows(run, transaction, place, values[place]);

        if (!(transaction->touches & BIT(place)) || (separable & BIT(place)))
            continue;
        shown |= there ? BIT(place) : 0;
        others |= there ? 0 : BIT(place);
    }
    if (shown && others)
        fail_msg("%s, %s, died at call %lu: places 0x%x show the transaction, 0x%x do not", run->mode,
                 transaction->name, death, shown, others);
    memcpy(run->values, values, sizeof(values));
    return shown != 0;
}

/* Runs the transaction once; dies at call `n`. True if it got through. */
static bool attempt(struct run *run, const struct transaction *transaction, unsigned long n)
{
    pid_t child;
    int code;

    run->number++;
    child = start();
    if (child == 0) {
        calls_die_at(n);
        run_transaction(run, transaction);
    }
    code = wait_for(child);
    assert_true(code == 0 || code == CALLS_DIED);
    if (code == CALLS_DIED)
        run->deaths++;
    if (!compare(run, transaction, n) && code == 0)
        fail_msg("%s, %s: a transaction that got through is not there", run->mode, transaction->name);
    return code == 0;
}

/* What a transaction needs: `fresh` must be there to be dropped, and must not be there to be made. */
static bool is_ready(const struct run *run, const struct transaction *transaction)
{
    if (!(transaction->touches & BIT(NEW)))
        return true;
    return (run->values[NEW] != 0) == (strstr(transaction->sql, "DROP") != NULL);
}

/* `step`: which calls to die at; 1 = each. */
static void sweep(struct run *run, size_t index, unsigned long step, uint64_t *random)
{
    const struct transaction *transaction = &transactions[index];
    unsigned long n = 1 + test_random(random) % step;

    if (!is_ready(run, transaction)) {
        /* The other one of making and dropping has just got through a death; bring about what this one begins with. */
        const struct transaction *other = &transactions[index == TRANSACTIONS - 1 ? index - 1 : index + 1];

        assert_true(attempt(run, other, 0));
    }
    for (; n < CALLS_MAX; n += step) {
        if (!is_ready(run, transaction)) {
            const struct transaction *other = &transactions[index == TRANSACTIONS - 1 ? index - 1 : index + 1];

            assert_true(attempt(run, other, 0));
        }
        if (attempt(run, transaction, n))
            return;
    }
    fail_msg("%s, %s: more than %d calls", run->mode, transaction->name, CALLS_MAX);
}

static bool at_length;

static void both_or_neither(const char *mode)
{
    uint64_t random = test_seed();
    struct run run = {.mode = mode, .dir = test_dir()};
    unsigned long step = at_length ? 1 : 24 * (10 / test_scaled(10));
    pid_t child = start();

    if (child == 0)
        create_all(&run);
    assert_int_equal(wait_for(child), 0);
    for (size_t i = 0; i < TRANSACTIONS; i++)
        sweep(&run, i, step, &random);
    printf("%s: %lu deaths in %" PRId64 " transactions\n", mode, run.deaths, run.number);
}

static void both_or_neither_with_a_deleted_journal(void **state)
{
    (void)state;
    both_or_neither("DELETE");
}

static void both_or_neither_with_a_truncated_journal(void **state)
{
    (void)state;
    both_or_neither("TRUNCATE");
}

static void both_or_neither_with_a_persistent_journal(void **state)
{
    (void)state;
    both_or_neither("PERSIST");
}

static void both_or_neither_in_wal_mode(void **state)
{
    (void)state;
    both_or_neither("WAL");
}

/* ---- A log that fails between the two commits ---- */

static int fail_log(void *context)
{
    calls_fail(context);
    return 0;
}

/* SQLite has committed when the outcome cannot be written: the store knows after the next open. */
static void commit_without_outcome(const struct run *run)
{
    sqlite3 *db = open_all(run);

    /* Commit hooks are called between xSync and xCommit. */
    sqlite3_commit_hook(db, fail_log, (void *)".wal");
    execute(db, "BEGIN; UPDATE near SET n = 5; UPDATE far SET n = 5; UPDATE o SET n = 5; COMMIT");
    check(read_number(db, "SELECT n FROM o") == 5, "the ordinary row", NULL);
    check(sqlite3_exec(db, "UPDATE near SET n = 6", NULL, NULL, NULL) == SQLITE_READONLY, "a failed log takes writes",
          NULL);
    sqlite3_close(db);
    _exit(0);
}

static void a_log_that_fails_after_sqlites_commit_is_settled_by_the_marker(void **state)
{
    static const char *const modes[] = {"DELETE", "WAL"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct run run = {.mode = modes[i], .dir = test_dir()};
        int64_t values[PLACES];
        pid_t child = start();

        if (child == 0)
            create_all(&run);
        assert_int_equal(wait_for(child), 0);
        child = start();
        if (child == 0)
            commit_without_outcome(&run);
        assert_int_equal(wait_for(child), 0);
        look_in_child(&run, values, "a failed log");
        assert_int_equal(values[MAIN], 5);
        assert_int_equal(values[NEAR], 5);
        assert_int_equal(values[FAR], 5);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_or_neither_with_a_deleted_journal),
        cmocka_unit_test(both_or_neither_with_a_truncated_journal),
        cmocka_unit_test(both_or_neither_with_a_persistent_journal),
        cmocka_unit_test(both_or_neither_in_wal_mode),
        cmocka_unit_test(a_log_that_fails_after_sqlites_commit_is_settled_by_the_marker),
    };

    (void)argv;
    at_length = argc > 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
