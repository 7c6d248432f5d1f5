/*
 * test_compacting.c - lsmkv_compacting('t'): its rows while it runs, and what stops it.
 */
#include "index_check.h"
#include "sql_kit.h"

#include <string.h>

#define ROWS      4000
#define STEPS_MAX 100

/* A table with something in several levels, and rows and deletions in memory. */
static sqlite3 *open_filled(const char **path)
{
    sqlite3 *db;
    int i;

    *path = kit_path(test_dir(), "test.db");
    db = kit_open(*path);
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, body BLOB, INDEX by_body (body),"
                " memtable_size = '16MB', base_level_size = '64KB', level_ratio = 2, l0_tables = 64, sync = off)");
    for (i = 0; i < 3; i++)
        kit_run(db,
                "WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < %d) "
                "REPLACE INTO t SELECT x, randomblob(100) FROM n WHERE x %% 3 >= %d; SELECT lsmkv_flush('t')",
                ROWS, i);
    /* Not mostly tombstones: background work would take such a table. */
    kit_run(db, "UPDATE t SET body = randomblob(100) WHERE id %% 10 = 1; DELETE FROM t WHERE id %% 100 = 0");
    return db;
}

static void check_rows(sqlite3 *db, const char *path)
{
    kit_expect(db, "3960|3960|0\n", "SELECT count(*), count(DISTINCT body), sum(id % 100 = 0) FROM t");
    index_check(path);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

/* How many steps it takes to the end. */
static int steps_left(sqlite3 *db)
{
    sqlite3_stmt *statement = prepare(db, "SELECT * FROM lsmkv_compacting('t')");
    int steps = 0;

    while (sqlite3_step(statement) == SQLITE_ROW)
        steps++;
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return steps;
}

static void each_row_is_a_step_and_the_last_says_100(void **state)
{
    const char *path;
    sqlite3 *db = open_filled(&path);
    sqlite3_stmt *statement = prepare(db, "SELECT step, level, tables, bytes_done, bytes_all, percent, seconds, store "
                                          "FROM lsmkv_compacting('main.t')");
    double percent = 0, seconds = 0;
    int steps = 0;

    (void)state;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        assert_int_equal(sqlite3_column_int(statement, 0), ++steps);
        assert_true(sqlite3_column_double(statement, 5) >= percent);
        percent = sqlite3_column_double(statement, 5);
        assert_true(sqlite3_column_double(statement, 6) >= seconds);
        seconds = sqlite3_column_double(statement, 6);
        assert_true(sqlite3_column_int64(statement, 3) <= sqlite3_column_int64(statement, 4));
        /* The first one flushes; later ones may find that background work was there before them. */
        if (steps == 1)
            assert_int_equal(sqlite3_column_type(statement, 1), SQLITE_NULL);
        assert_int_equal(sqlite3_column_int(statement, 2) == 0, sqlite3_column_type(statement, 1) == SQLITE_NULL);
        assert_non_null(strstr((const char *)sqlite3_column_text(statement, 7), "test.db-lsmkv"));
    }
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_true(steps > 1);
    assert_true(percent == 100);
    kit_expect(db, "0\n", "SELECT sum(tombstones) FROM lsmkv_sstables('t')");
    kit_expect(db, "1|NULL|0|100.0\n", "SELECT step, level, tables, percent FROM lsmkv_compacting('t')");
    check_rows(db, path);
    kit_close(db);
}

static void rows_come_while_it_runs(void **state)
{
    const char *path;
    sqlite3 *db = open_filled(&path);
    sqlite3_stmt *statement = prepare(db, "SELECT percent FROM lsmkv_compacting('t')");

    (void)state;
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_true(sqlite3_column_double(statement, 0) < 100);
    kit_expect(db, "1\n", "SELECT tables > 0 FROM lsmkv_levels('t') WHERE level = 0"); /* flushed and no more */
    kit_expect(db, "1\n", "SELECT sum(tombstones) > 0 FROM lsmkv_sstables('t')");
    /* Nothing is held between steps. */
    kit_run(db, "INSERT INTO t VALUES(100000, x'00'); DELETE FROM t WHERE id = 100000");
    kit_run(db, "SELECT lsmkv_compact('t')");
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_true(sqlite3_column_double(statement, 0) == 100);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    check_rows(db, path);
    kit_close(db);
}

/* After each number of steps, by LIMIT and by a statement that is never finished. */
static void what_is_not_asked_for_is_not_done(void **state)
{
    const char *path;
    sqlite3 *db;
    int steps, i;

    (void)state;
    for (steps = 0;; steps++) {
        sqlite3_stmt *statement;

        db = open_filled(&path);
        kit_run(db, "SELECT * FROM lsmkv_compacting('t') LIMIT %d", steps / 2);
        statement = prepare(db, "SELECT * FROM lsmkv_compacting('t')");
        for (i = 0; i < steps - steps / 2 && sqlite3_step(statement) == SQLITE_ROW; i++)
            ;
        sqlite3_finalize(statement);
        check_rows(db, path);
        kit_close(db);
        db = kit_open(path);
        check_rows(db, path);
        i = steps_left(db);
        kit_expect(db, "0\n", "SELECT sum(tombstones) FROM lsmkv_sstables('t')");
        kit_close(db);
        if (steps > 1 && i == 1)
            break;
        assert_true(steps < STEPS_MAX);
    }
}

static int stop_at_zero(void *context)
{
    int *calls = context;

    return (*calls)-- <= 0;
}

static void an_interrupt_stops_it_between_steps(void **state)
{
    const char *path;
    sqlite3 *db = open_filled(&path);
    sqlite3_stmt *statement = prepare(db, "SELECT * FROM lsmkv_compacting('t')");

    (void)state;
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    sqlite3_interrupt(db);
    assert_int_equal(sqlite3_step(statement), SQLITE_INTERRUPT);
    sqlite3_finalize(statement);
    kit_expect(db, "1\n", "SELECT tables > 0 FROM lsmkv_levels('t') WHERE level = 0");
    check_rows(db, path);
    assert_true(steps_left(db) > 1);
    check_rows(db, path);
    kit_close(db);
}

static void a_progress_handler_stops_it_between_steps(void **state)
{
    bool through = false;
    int calls;

    (void)state;
    for (calls = 0; !through; calls++) {
        const char *path;
        sqlite3 *db = open_filled(&path);
        int left = calls * 25, rc;

        assert_true(calls < STEPS_MAX);
        sqlite3_progress_handler(db, 1, stop_at_zero, &left);
        rc = sqlite3_exec(db, "SELECT * FROM lsmkv_compacting('t')", NULL, NULL, NULL);
        sqlite3_progress_handler(db, 0, NULL, NULL);
        through = rc == SQLITE_OK;
        assert_true(through || rc == SQLITE_INTERRUPT);
        check_rows(db, path);
        kit_close(db);
    }
    assert_true(calls > 1);
}

static void it_outlives_the_close_of_its_connection(void **state)
{
    const char *path;
    sqlite3 *db = open_filled(&path), *other;
    sqlite3_stmt *statement = prepare(db, "SELECT percent FROM lsmkv_compacting('t')");

    (void)state;
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    other = kit_open(path);
    kit_expect(other, "100.0\n", "SELECT max(percent) FROM lsmkv_compacting('t')");
    kit_close(other);
    assert_int_equal(sqlite3_close_v2(db), SQLITE_OK); /* goes with the statement */
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_true(sqlite3_column_double(statement, 0) == 100);
    sqlite3_finalize(statement);
    other = kit_open(path);
    check_rows(other, path);
    kit_close(other);
}

static void what_is_wrong_is_refused(void **state)
{
    const char *path;
    sqlite3 *db = open_filled(&path);

    (void)state;
    kit_fails(db, SQLITE_ERROR, "the name of a table is needed", "SELECT * FROM lsmkv_compacting");
    kit_fails(db, SQLITE_ERROR, "the name of a table is needed", "SELECT * FROM lsmkv_compacting(NULL)");
    kit_fails(db, SQLITE_ERROR, "lsmkv: no such lsmkv table: x", "SELECT * FROM lsmkv_compacting('x')");
    kit_fails(db, SQLITE_ERROR, "too many arguments", "SELECT * FROM lsmkv_compacting('t', 1)");
    kit_fails(db, SQLITE_ERROR, "may not be modified", "DELETE FROM lsmkv_compacting");
    kit_run(db, "CREATE TABLE u(x); CREATE VIEW v AS SELECT * FROM lsmkv_compacting('t');"
                "CREATE TRIGGER after INSERT ON u BEGIN INSERT INTO u SELECT step FROM lsmkv_compacting('t'); END");
    kit_fails(db, SQLITE_ERROR, "unsafe use of virtual table", "SELECT * FROM v");
    kit_fails(db, SQLITE_ERROR, "unsafe use of virtual table", "INSERT INTO u VALUES(1)");
    kit_run(db, "BEGIN; INSERT INTO t VALUES(100000, NULL)");
    kit_fails(db, SQLITE_LOCKED, "COMMIT it first", "SELECT * FROM lsmkv_compacting('t')");
    kit_run(db, "ROLLBACK");
    kit_fails(db, SQLITE_LOCKED, "COMMIT it first", "INSERT INTO t SELECT step, NULL FROM lsmkv_compacting('t')");
    kit_run(db, "BEGIN; SELECT count(*) FROM t; SELECT * FROM lsmkv_compacting('t'); COMMIT");
    check_rows(db, path);
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_a_step_and_the_last_says_100),
        cmocka_unit_test(rows_come_while_it_runs),
        cmocka_unit_test(what_is_not_asked_for_is_not_done),
        cmocka_unit_test(an_interrupt_stops_it_between_steps),
        cmocka_unit_test(a_progress_handler_stops_it_between_steps),
        cmocka_unit_test(it_outlives_the_close_of_its_connection),
        cmocka_unit_test(what_is_wrong_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
