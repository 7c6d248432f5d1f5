/*
 * kill9.c - acknowledged transactions survive kill -9, whole.
 *
 * A child process writes numbered transactions through SQL into two tables of one store and reports each through a pipe
 * once its COMMIT has returned. The parent kills it at a random moment, while it opens, commits, flushes or compacts.
 * Another child then opens the store and compares every row with the model: all acknowledged transactions are there, the
 * one in flight may be there too, and none is there in part. Half of these children are killed as well, so that recovery
 * also starts from what a recovery left.
 *
 * Every transaction follows from the seed and its number, so the model is two arrays that say which transaction wrote a
 * row last. Usage: kill9 [cycles]. The seed is printed and taken from LSMKV_TEST_SEED.
 */
#include "support/test.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

int sqlite3_lsmkv_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

#define ROWS     600  /* keys of each table */
#define BODY_MAX 1500 /* bytes of a row's body */
#define KILL_MAX 400  /* acknowledged transactions before the kill, at most */

/* What the store must hold: the transaction that wrote a row last, 0 = no such row. Row 0 tells the last transaction. */
struct model {
    uint64_t writer[2][ROWS];
    uint64_t last;
};

enum kind { PUT, INSERT, UPDATE, DELETE };

struct change {
    int table;
    int row;
    enum kind kind;
};

struct plan {
    struct change changes[16];
    size_t count;
    size_t kept;   /* changes from here on are made in a savepoint and rolled back */
    bool rollback; /* the same changes are made and rolled back first */
};

struct writer {
    sqlite3 *db;
    sqlite3_stmt *statements[2][DELETE + 1];
};

static uint64_t seed;
static size_t cycles;

/* ---- The model ---- */

static struct plan plan_of(uint64_t number)
{
    uint64_t state = seed ^ (number * 0x9e3779b97f4a7c15u);
    struct plan plan = {.count = 0};
    size_t extra;

    for (int table = 0; table < 2; table++)
        plan.changes[plan.count++] = (struct change){table, 0, PUT};
    plan.kept = 3 + test_random(&state) % 6;
    extra = test_random(&state) % 5 == 0 ? 3 : 0;
    while (plan.count < plan.kept + extra) {
        struct change *change = &plan.changes[plan.count++];

        change->table = (int)(test_random(&state) % 2);
        change->row = 1 + (int)(test_random(&state) % (ROWS - 1));
        change->kind = (enum kind)(test_random(&state) % (DELETE + 1));
    }
    plan.rollback = test_random(&state) % 11 == 0;
    return plan;
}

/* Makes the change in the model; an INSERT is planned blindly, so it counts only where no row is. */
static bool model_change(struct model *model, const struct change *change, uint64_t number)
{
    uint64_t *writer = &model->writer[change->table][change->row];

    if ((change->kind == INSERT && *writer) || (change->kind == UPDATE && !*writer))
        return false;
    *writer = change->kind == DELETE ? 0 : number;
    return true;
}

static void model_advance(struct model *model)
{
    struct plan plan = plan_of(++model->last);

    for (size_t i = 0; i < plan.kept; i++)
        model_change(model, &plan.changes[i], model->last);
}

static int row_body(char *body, int table, int row, uint64_t number)
{
    uint64_t state = seed ^ number ^ ((uint64_t)row << 32) ^ ((uint64_t)table << 48);
    int size = 16 + (int)(test_random(&state) % (BODY_MAX - 16));

    for (int i = 0; i < size; i++)
        body[i] = (char)('a' + (i % 8 ? (unsigned)i : (unsigned)test_random(&state)) % 26);
    return size;
}

static void row_key(char key[32], int row)
{
    snprintf(key, 32, "row/%05d", row);
}

/* ---- Children: they never return to the test framework ---- */

static void check(bool good, const char *what, sqlite3 *db)
{
    if (good)
        return;
    printf("seed %" PRIu64 ": %s: %s\n", seed, what, db ? sqlite3_errmsg(db) : "");
    fflush(stdout);
    _exit(1);
}

static sqlite3 *open_database(const char *path)
{
    sqlite3 *db = NULL;
    char *message = NULL;

    check(sqlite3_open(path, &db) == SQLITE_OK, "open", db);
    check((sqlite3_lsmkv_init(db, &message, NULL) & 0xff) == SQLITE_OK, "load", db);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql, db);
}

static void create_tables(const char *path, const char *sync)
{
    sqlite3 *db = open_database(path);
    char *sql = sqlite3_mprintf("CREATE VIRTUAL TABLE IF NOT EXISTS a USING lsmkv("
                                "id INTEGER PRIMARY KEY, writer INTEGER, body TEXT, sync=%s, memtable_size='64KB', "
                                "base_level_size='256KB', level_ratio=4);"
                                "CREATE VIRTUAL TABLE IF NOT EXISTS b USING lsmkv("
                                "id TEXT PRIMARY KEY, writer INTEGER, body TEXT);",
                                sync);

    run(db, sql);
    sqlite3_free(sql);
    sqlite3_close(db);
}

static void prepare_writer(struct writer *writer)
{
    static const char *const sql[2][DELETE + 1] = {
        {"INSERT OR REPLACE INTO a VALUES(?1,?2,?3)", "INSERT INTO a VALUES(?1,?2,?3)",
         "UPDATE a SET writer=?2, body=?3 WHERE id=?1", "DELETE FROM a WHERE id=?1"},
        {"INSERT OR REPLACE INTO b VALUES(?1,?2,?3)", "INSERT INTO b VALUES(?1,?2,?3)",
         "UPDATE b SET writer=?2, body=?3 WHERE id=?1", "DELETE FROM b WHERE id=?1"},
    };

    for (int table = 0; table < 2; table++) {
        for (int kind = PUT; kind <= DELETE; kind++)
            check(sqlite3_prepare_v2(writer->db, sql[table][kind], -1, &writer->statements[table][kind], NULL) ==
                      SQLITE_OK,
                  sql[table][kind], writer->db);
    }
}

static void make_change(struct writer *writer, const struct change *change, uint64_t number, bool expected)
{
    sqlite3_stmt *statement = writer->statements[change->table][change->kind];
    char body[BODY_MAX], key[32];
    int rc;

    row_key(key, change->row);
    if (change->table == 0)
        sqlite3_bind_int(statement, 1, change->row);
    else
        sqlite3_bind_text(statement, 1, key, -1, SQLITE_TRANSIENT);
    if (change->kind != DELETE) {
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)number);
        sqlite3_bind_text(statement, 3, body, row_body(body, change->table, change->row, number), SQLITE_TRANSIENT);
    }
    rc = sqlite3_step(statement);
    if (change->kind == INSERT && !expected)
        check(rc == SQLITE_CONSTRAINT, "a duplicate key was taken", writer->db);
    else
        check(rc == SQLITE_DONE, sqlite3_sql(statement), writer->db);
    sqlite3_reset(statement);
}

static void make_changes(struct writer *writer, const struct model *model, const struct plan *plan, uint64_t number)
{
    struct model scratch = *model;

    for (size_t i = 0; i < plan->count; i++) {
        if (i == plan->kept)
            run(writer->db, "SAVEPOINT extra");
        make_change(writer, &plan->changes[i], number, model_change(&scratch, &plan->changes[i], number));
    }
    if (plan->count > plan->kept)
        run(writer->db, "ROLLBACK TO extra; RELEASE extra");
}

/* Writes transactions until killed; reports each number after its commit. */
static void write_for_ever(const char *path, struct model *model, int pipe_end)
{
    struct writer writer = {.db = open_database(path)};

    prepare_writer(&writer);
    for (;;) {
        uint64_t number = model->last + 1;
        struct plan plan = plan_of(number);

        if (plan.rollback) {
            run(writer.db, "BEGIN");
            make_changes(&writer, model, &plan, number);
            run(writer.db, "ROLLBACK");
        }
        run(writer.db, "BEGIN");
        make_changes(&writer, model, &plan, number);
        run(writer.db, "COMMIT");
        model_advance(model);
        if (write(pipe_end, &number, sizeof(number)) != (ssize_t)sizeof(number))
            _exit(0); /* the parent is gone */
    }
}

/* Compares a scan of one table in one direction with the model. */
static void verify_table(sqlite3 *db, const struct model *model, int table, bool forward)
{
    sqlite3_stmt *statement;
    char sql[96], body[BODY_MAX], key[32];
    int row = forward ? 0 : ROWS - 1, step = forward ? 1 : -1, rc;

    snprintf(sql, sizeof(sql), "SELECT id, writer, body FROM %s ORDER BY id %s", table ? "b" : "a",
             forward ? "ASC" : "DESC");
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql, db);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        uint64_t writer = (uint64_t)sqlite3_column_int64(statement, 1);
        int size;

        while (row >= 0 && row < ROWS && !model->writer[table][row])
            row += step;
        check(row >= 0 && row < ROWS, "a row that was deleted, or never written", NULL);
        row_key(key, row);
        if (table == 0)
            check(sqlite3_column_int(statement, 0) == row, "a row is missing or should not be there", NULL);
        else
            check(strcmp((const char *)sqlite3_column_text(statement, 0), key) == 0,
                  "a row is missing or should not be there", NULL);
        check(writer == model->writer[table][row], "a row is not of the transaction that wrote it last", NULL);
        size = row_body(body, table, row, writer);
        check(sqlite3_column_bytes(statement, 2) == size &&
                  memcmp(sqlite3_column_text(statement, 2), body, (size_t)size) == 0,
              "a body is not what was written", NULL);
        row += step;
    }
    check(rc == SQLITE_DONE, sql, db);
    sqlite3_finalize(statement);
    while (row >= 0 && row < ROWS && !model->writer[table][row])
        row += step;
    check(row < 0 || row >= ROWS, "rows are missing at the end", NULL);
}

static uint64_t last_writer(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    uint64_t last = 0;
    int rc;

    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql, db);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        last = (uint64_t)sqlite3_column_int64(statement, 0);
    check(rc == SQLITE_ROW || rc == SQLITE_DONE, sql, db);
    sqlite3_finalize(statement);
    return last;
}

/* Checks the store against the model, `model->last` being acknowledged; reports the last transaction it found. */
static void verify(const char *path, struct model *model, uint64_t choice, int pipe_end)
{
    sqlite3 *db = open_database(path);
    uint64_t last = last_writer(db, "SELECT writer FROM a WHERE id=0");

    check(last == last_writer(db, "SELECT writer FROM b WHERE id='row/00000'"), "the two tables have parted", NULL);
    check(last >= model->last, "an acknowledged transaction is lost", NULL);
    check(last <= model->last + 1, "a transaction that was never started", NULL);
    if (last > model->last)
        model_advance(model);
    for (int table = 0; table < 2; table++) {
        verify_table(db, model, table, true);
        verify_table(db, model, table, false);
    }
    if (choice % 8 == 0) {
        run(db, "SELECT lsmkv_compact('a')");
        verify_table(db, model, 0, true);
        verify_table(db, model, 1, false);
    }
    check(write(pipe_end, &last, sizeof(last)) == (ssize_t)sizeof(last), "report", NULL);
    if (choice % 2)
        kill(getpid(), SIGKILL);
    check(sqlite3_close(db) == SQLITE_OK, "close", db);
    _exit(0);
}

/* ---- The parent ---- */

/* The next number from the pipe, false at its end. */
static bool next_report(int pipe_end, uint64_t *number)
{
    ssize_t got;

    do {
        got = read(pipe_end, number, sizeof(*number));
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(*number);
}

static pid_t start_child(int ends[2])
{
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        close(ends[0]);
    else
        close(ends[1]);
    return child;
}

/* Lets a child write and kills it at a moment chosen by `state`; moves the model to the last acknowledgement. */
static void write_and_kill(const char *path, struct model *model, uint64_t *state)
{
    /* A quarter of the kills come while the store opens, the others after some transactions. */
    bool early = test_random(state) % 4 == 0;
    uint64_t wanted = early ? 0 : 1 + test_random(state) % KILL_MAX, got = 0, number;
    struct timespec moment = {0, (long)(test_random(state) % (early ? 30000000 : 2000000))};
    int ends[2], status;
    pid_t child = start_child(ends);

    if (child == 0)
        write_for_ever(path, model, ends[1]);
    while (got < wanted && next_report(ends[0], &number)) {
        got++;
        model_advance(model);
        assert_int_equal(number, model->last);
    }
    nanosleep(&moment, NULL);
    kill(child, SIGKILL);
    while (next_report(ends[0], &number)) {
        model_advance(model);
        assert_int_equal(number, model->last);
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void verify_in_child(const char *path, struct model *model, uint64_t choice)
{
    uint64_t last = 0;
    int ends[2], status;
    pid_t child = start_child(ends);
    bool reported;

    if (child == 0)
        verify(path, model, choice, ends[1]);
    reported = next_report(ends[0], &last);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (choice % 2 && reported)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    else
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(reported);
    if (last > model->last)
        model_advance(model);
}

static void create_in_child(const char *path, const char *sync)
{
    int ends[2], status;
    pid_t child = start_child(ends);

    if (child == 0) {
        create_tables(path, sync);
        _exit(0);
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void kill_cycles(const char *sync)
{
    struct model *model = calloc(1, sizeof(*model));
    uint64_t state = seed ^ (uint64_t)(unsigned char)sync[1];
    char path[512];

    assert_non_null(model);
    snprintf(path, sizeof(path), "%s/%s.db", test_dir(), sync);
    create_in_child(path, sync);
    for (size_t cycle = 0; cycle < (cycles + 2) / 3; cycle++) {
        write_and_kill(path, model, &state);
        verify_in_child(path, model, test_random(&state));
    }
    printf("sync=%s: %zu kills, %" PRIu64 " transactions\n", sync, (cycles + 2) / 3, model->last);
    free(model);
}

static void kill_keeps_acknowledged_transactions_with_sync_full(void **unused)
{
    (void)unused;
    kill_cycles("full");
}

static void kill_keeps_acknowledged_transactions_with_sync_normal(void **unused)
{
    (void)unused;
    kill_cycles("normal");
}

static void kill_keeps_acknowledged_transactions_with_sync_off(void **unused)
{
    (void)unused;
    kill_cycles("off");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_keeps_acknowledged_transactions_with_sync_full),
        cmocka_unit_test(kill_keeps_acknowledged_transactions_with_sync_normal),
        cmocka_unit_test(kill_keeps_acknowledged_transactions_with_sync_off),
    };

    seed = test_seed();
    cycles = argc > 1 ? strtoull(argv[1], NULL, 10) : test_scaled(50);
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
