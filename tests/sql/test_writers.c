/*
 * test_writers.c - writers on several threads: what a statement holds while it is stepped belongs to its connection, not to
 * a thread, and whoever waits for it gets its turn or SQLITE_BUSY.
 */
#include "sql_kit.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

/* A store with one table and no database file to lock. */
static const char *make_store(void)
{
    const char *dir = kit_path(test_dir(), "store");
    sqlite3 *db = kit_open(":memory:");

    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv('%q', id INTEGER PRIMARY KEY, who, sync = off)", dir);
    kit_close(db);
    return dir;
}

static sqlite3 *connect_to(const char *dir, int timeout_ms)
{
    sqlite3 *db = kit_open(":memory:");

    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv('%q'); PRAGMA busy_timeout = %d", dir, timeout_ms);
    return db;
}

/* ---- One statement, two threads ---- */

static void *step_one(void *statement)
{
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    return NULL;
}

static void *step_to_the_end(void *statement)
{
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    return NULL;
}

static void run_in_thread(void *(*work)(void *), void *argument)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, work, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_statement_is_begun_by_one_thread_and_finished_by_another(void **state)
{
    const char *dir = make_store();
    sqlite3 *db = connect_to(dir, 0), *other = connect_to(dir, 1);
    sqlite3_stmt *statement = NULL;

    (void)state;
    assert_int_equal(
        sqlite3_prepare_v2(db, "INSERT INTO t(who) VALUES('a'), ('a') RETURNING who", -1, &statement, NULL), SQLITE_OK);
    run_in_thread(step_one, statement);
    assert_int_equal(kit_try(other, "INSERT INTO t(who) VALUES('b')"), SQLITE_BUSY);
    run_in_thread(step_to_the_end, statement);
    sqlite3_finalize(statement);
    kit_run(other, "INSERT INTO t(who) VALUES('b')");
    kit_expect(db, "1|'a'\n2|'a'\n3|'b'\n", "SELECT * FROM t");
    kit_close(db);
    kit_close(other);
}

/* Two connections of the same thread: the one cannot end while the other waits for it, so the wait must end. */
static void a_writer_nested_in_another_is_told_busy(void **state)
{
    const char *dir = make_store();
    sqlite3 *db = connect_to(dir, 0), *other = connect_to(dir, 20);
    sqlite3_stmt *statement = NULL;

    (void)state;
    assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO t(who) VALUES('a') RETURNING who", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(kit_try(other, "INSERT INTO t(who) VALUES('b')"), SQLITE_BUSY);
    kit_run(other, "BEGIN; INSERT INTO t VALUES(100, 'c')");
    assert_int_equal(kit_try(other, "COMMIT"), SQLITE_BUSY); /* can be repeated */
    assert_false(sqlite3_get_autocommit(other));
    sqlite3_finalize(statement);
    kit_run(other, "COMMIT");
    kit_expect(db, "'a'\n'c'\n", "SELECT who FROM t");
    kit_close(db);
    kit_close(other);
}

/* ---- Many ---- */

#define THREADS 4

struct writer {
    const char *dir;
    int number;
    size_t rounds;
    size_t committed, busy;
    pthread_t thread;
};

/* Steps a statement slowly; true if it was committed, false on BUSY. */
static bool write_slowly(sqlite3 *db, int number)
{
    char *sql = sqlite3_mprintf("INSERT INTO t(who) VALUES(%d), (%d), (%d) RETURNING who", number, number, number);
    sqlite3_stmt *statement = NULL;
    int rc;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    sqlite3_free(sql);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        sched_yield();
    sqlite3_finalize(statement);
    if (rc != SQLITE_DONE && rc != SQLITE_BUSY)
        fail_msg("%d %s", rc, sqlite3_errmsg(db));
    return rc == SQLITE_DONE;
}

/* Three rows in an explicit transaction, that commits at once. BUSY at COMMIT is repeated once, then given up. */
static bool write_in_transaction(sqlite3 *db, int number)
{
    int rc;

    kit_run(db, "BEGIN; INSERT INTO t(who) VALUES(%d), (%d), (%d)", number, number, number);
    rc = kit_try(db, "COMMIT");
    if (rc == SQLITE_BUSY)
        rc = kit_try(db, "COMMIT");
    if (rc == SQLITE_BUSY)
        kit_run(db, "ROLLBACK");
    else if (rc != SQLITE_OK && rc != SQLITE_BUSY_SNAPSHOT)
        fail_msg("%d %s", rc, sqlite3_errmsg(db));
    return rc == SQLITE_OK;
}

static void *write_rounds(void *argument)
{
    struct writer *writer = argument;
    sqlite3 *db = connect_to(writer->dir, writer->number % 2 ? 1 : 20000);
    size_t round;

    for (round = 0; round < writer->rounds; round++) {
        bool good = writer->number < 2 ? write_slowly(db, writer->number) : write_in_transaction(db, writer->number);

        writer->committed += good;
        writer->busy += !good;
    }
    kit_close(db);
    return NULL;
}

static void slow_and_quick_writers_lose_nothing(void **state)
{
    struct writer writers[THREADS] = {{0}};
    const char *dir = make_store();
    sqlite3 *db = connect_to(dir, 0);
    size_t committed = 0, busy = 0;
    char expected[64];
    int i;

    (void)state;
    for (i = 0; i < THREADS; i++) {
        writers[i].dir = dir;
        writers[i].number = i;
        writers[i].rounds = test_scaled(300);
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_rounds, &writers[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        committed += writers[i].committed;
        busy += writers[i].busy;
        sqlite3_snprintf(sizeof(expected), expected, "%d\n", (int)writers[i].committed * 3);
        kit_expect(db, expected,
                   i == 0   ? "SELECT count(*) FROM t WHERE who = 0"
                   : i == 1 ? "SELECT count(*) FROM t WHERE who = 1"
                   : i == 2 ? "SELECT count(*) FROM t WHERE who = 2"
                            : "SELECT count(*) FROM t WHERE who = 3");
    }
    /* Who waits long enough is never told BUSY by statements. */
    assert_int_equal(writers[0].busy, 0);
    print_message("%d committed, %d busy\n", (int)committed, (int)busy);
    kit_expect(db, "1\n", "SELECT count(*) = count(DISTINCT id) FROM t");
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_is_begun_by_one_thread_and_finished_by_another),
        cmocka_unit_test(a_writer_nested_in_another_is_told_busy),
        cmocka_unit_test(slow_and_quick_writers_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
