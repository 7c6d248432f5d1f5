/*
 * test_truncate.c - lsmkv_truncate() and lsmkv_settle(): what they do, when they refuse.
 */
#include "sql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static sqlite3 *open_in(const char *dir)
{
    return kit_open(kit_path(dir, "test.db"));
}

static sqlite3 *open_filled(const char *dir)
{
    sqlite3 *db = open_in(dir);

    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, a TEXT, b, UNIQUE(a), INDEX by_b (b))");
    kit_run(db, "CREATE VIRTUAL TABLE kept USING lsmkv(x); INSERT INTO kept VALUES('kept')");
    kit_run(db, "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
                "SELECT i, 'row ' || i, i %% 7 FROM n");
    return db;
}

static void truncate_takes_rows_and_index_entries(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_filled(dir);

    (void)state;
    kit_run(db, "SELECT lsmkv_flush('t')");
    kit_expect(db, "1\n", "SELECT lsmkv_truncate('t') GLOB 'about * rows of * bytes on disk are gone*'");
    kit_expect(db, "0\n", "SELECT count(*) FROM t");
    kit_expect(db, "", "SELECT * FROM t WHERE a = 'row 5' OR b = 3");
    kit_run(db, "INSERT INTO t VALUES(7, 'row 5', 3), (NULL, 'row 6', 3)"); /* no UNIQUE in the way */
    kit_expect(db, "7|'row 5'|3\n8|'row 6'|3\n", "SELECT * FROM t WHERE b = 3");
    kit_expect(db, "'kept'\n", "SELECT x FROM kept");
    kit_run(db, "SELECT lsmkv_compact('t'), lsmkv_compact('kept')");
    kit_expect(db, "1\n", "SELECT sum(entries) < 30 FROM lsmkv_levels");
    kit_close(db);
    db = open_in(dir);
    kit_expect(db, "7|'row 5'|3\n8|'row 6'|3\n", "SELECT * FROM t");
    kit_run(db, "DROP TABLE t");
    kit_expect(db, "'kept'\n", "SELECT x FROM kept");
    kit_close(db);
}

static void truncate_is_part_of_the_transaction(void **state)
{
    sqlite3 *db = open_filled(test_dir());

    (void)state;
    kit_run(db, "BEGIN; INSERT INTO t VALUES(1000, 'before', 0)");
    kit_run(db, "SAVEPOINT s; SELECT lsmkv_truncate('t')");
    kit_run(db, "INSERT INTO t VALUES(1, 'after', 0)");
    kit_expect(db, "1|'after'|0\n", "SELECT * FROM t");
    kit_run(db, "ROLLBACK TO s");
    kit_expect(db, "301|1000\n", "SELECT count(*), max(id) FROM t");
    kit_run(db, "SELECT lsmkv_truncate('t'); INSERT INTO t VALUES(2, 'after', 0); ROLLBACK");
    kit_expect(db, "300|300\n", "SELECT count(*), max(id) FROM t");
    kit_run(db, "BEGIN; SELECT lsmkv_truncate('t'); INSERT INTO t(a) VALUES('first'); COMMIT");
    kit_expect(db, "1|'first'\n", "SELECT id, a FROM t");
    kit_close(db);
}

/* Two names of one table in one connection, and another connection: all of them see where the rows are now. */
static void everybody_sees_the_new_rows(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_filled(dir), *other = open_in(dir);

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE temp.alias USING lsmkv('test.db-lsmkv', table = t)");
    kit_expect(other, "300\n", "SELECT count(*) FROM t");
    kit_expect(db, "300\n", "SELECT count(*) FROM alias");
    kit_run(db, "BEGIN; INSERT INTO alias VALUES(1000, 'x', 0); SELECT lsmkv_truncate('t')");
    kit_expect(db, "0\n", "SELECT count(*) FROM alias");
    kit_run(db, "INSERT INTO alias VALUES(1, 'y', 0)");
    kit_expect(db, "1|'y'\n", "SELECT id, a FROM t");
    kit_expect(other, "300\n", "SELECT count(*) FROM t");
    kit_run(db, "COMMIT");
    kit_expect(other, "1|'y'\n", "SELECT id, a FROM t");
    kit_run(other, "INSERT INTO t VALUES(2, 'z', 0)");
    kit_expect(db, "1\n2\n", "SELECT id FROM alias");
    kit_close(other);
    kit_close(db);
}

static void readers_with_a_snapshot_still_see_the_rows(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_filled(dir), *reader = open_in(dir);

    (void)state;
    kit_run(reader, "BEGIN");
    kit_expect(reader, "300\n", "SELECT count(*) FROM t");
    kit_run(db, "SELECT lsmkv_truncate('t'); SELECT lsmkv_compact('t'), lsmkv_compact('kept')");
    kit_expect(reader, "300|'row 99'\n", "SELECT count(*), max(a) FROM t WHERE a > 'row'");
    kit_expect(db, "0\n", "SELECT count(*) FROM t");
    kit_run(reader, "COMMIT");
    kit_expect(reader, "0\n", "SELECT count(*) FROM t");
    kit_close(reader);
    kit_close(db);
}

/* It has read rows that the truncation took: what it would write is not serializable. */
static void a_transaction_that_read_the_table_conflicts(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_filled(dir), *other = kit_open(":memory:");

    (void)state;
    kit_run(other, "CREATE VIRTUAL TABLE temp.t USING lsmkv('%q', table = t)", kit_path(dir, "test.db-lsmkv"));
    kit_run(other, "BEGIN; INSERT INTO t VALUES(5000, 'lost?', 1)");
    kit_run(db, "PRAGMA busy_timeout = 100");
    if (kit_try(db, "SELECT lsmkv_truncate('t')") == SQLITE_OK) /* the other one writes optimistically */
        assert_int_equal(kit_try(other, "COMMIT"), SQLITE_BUSY_SNAPSHOT);
    else
        kit_run(other, "COMMIT");
    kit_close(other);
    kit_expect(db, "1\n", "SELECT count(*) IN (0, 301) FROM t");
    kit_close(db);
}

static void truncate_refuses_what_it_cannot_do(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_filled(dir);
    sqlite3_stmt *statement = NULL;

    (void)state;
    kit_fails(db, SQLITE_ERROR, "name of a table is needed", "SELECT lsmkv_truncate(NULL)");
    kit_fails(db, SQLITE_ERROR, "no such lsmkv table", "SELECT lsmkv_truncate('nosuch')");
    kit_fails(db, SQLITE_ERROR, "wrong number of arguments", "SELECT lsmkv_truncate()");
    kit_run(db, "CREATE VIEW v AS SELECT lsmkv_truncate('t')");
    kit_fails(db, SQLITE_ERROR, "unsafe use", "SELECT * FROM v");
    kit_run(db, "PRAGMA query_only = 1");
    kit_fails(db, SQLITE_READONLY, "readonly", "SELECT lsmkv_truncate('t')");
    kit_run(db, "PRAGMA query_only = 0");
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM t", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    kit_fails(db, SQLITE_LOCKED, "a statement", "SELECT lsmkv_truncate('t')");
    sqlite3_finalize(statement);
    kit_fails(db, SQLITE_LOCKED, "a statement", "INSERT INTO kept SELECT lsmkv_truncate('t')");
    kit_expect(db, "300\n", "SELECT count(*) FROM t");
    kit_expect(db, "'kept'\n", "SELECT x FROM kept");
    kit_close(db);
}

static void a_store_in_memory_is_truncated_too(void **state)
{
    sqlite3 *db = kit_open(":memory:");

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a); INSERT INTO t VALUES(1), (2)");
    kit_run(db, "SELECT lsmkv_truncate('t'); INSERT INTO t VALUES(3)");
    kit_expect(db, "1|3\n", "SELECT rowid, a FROM t");
    kit_close(db);
}

/* The process dies right after it: what was said to be gone stays gone, what was not committed stays. */
static void truncate_survives_death(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db;
    int status;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        db = open_filled(dir);
        kit_run(db, "CREATE VIRTUAL TABLE u USING lsmkv(x); INSERT INTO u VALUES(1), (2)");
        kit_run(db, "SELECT lsmkv_truncate('t'); INSERT INTO t VALUES(4, 'new', 4)");
        kit_run(db, "BEGIN; SELECT lsmkv_truncate('u')");
        _exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    db = open_in(dir);
    kit_expect(db, "4|'new'|4\n", "SELECT * FROM t");
    kit_expect(db, "1\n2\n", "SELECT x FROM u");
    kit_close(db);
}

static void settle_says_what_it_needs(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_filled(dir);

    (void)state;
    kit_fails(db, SQLITE_ERROR, "directory of a store", "SELECT lsmkv_settle(NULL, '0123456789abcdef', 'commit')");
    kit_fails(db, SQLITE_ERROR, "16 hex digits", "SELECT lsmkv_settle('test.db-lsmkv', '123', 'commit')");
    kit_fails(db, SQLITE_ERROR, "16 hex digits", "SELECT lsmkv_settle('test.db-lsmkv', '0123456789abcdeg', 'commit')");
    kit_fails(db, SQLITE_ERROR, "'commit' or 'abort'",
              "SELECT lsmkv_settle('test.db-lsmkv', '0123456789abcdef', 'perhaps')");
    kit_fails(db, SQLITE_ERROR, "0123456789abcdef",
              "SELECT lsmkv_settle('test.db-lsmkv', '0123456789ABCDEF', 'commit')");
    kit_fails(db, SQLITE_CANTOPEN, "missing", "SELECT lsmkv_settle('no-such', '0123456789abcdef', 'abort')");
    assert_int_not_equal(access(kit_path(dir, "no-such"), F_OK), 0);
    kit_close(db);
    db = kit_open(kit_path(dir, "another.db")); /* opens the store itself, and closes it again */
    kit_fails(db, SQLITE_ERROR, "0123456789abcdef",
              "SELECT lsmkv_settle('test.db-lsmkv', '0123456789abcdef', 'abort')");
    kit_close(db);
}

/* Dies between the two phases of a commit that does not commit by default. */
static void leave_in_doubt(const char *store_dir)
{
    const struct lsmkv_slice key = {(const uint8_t *)"\0\0\0\x63key", 7}, value = {(const uint8_t *)"v", 1};
    struct lsmkv_open how = {.mode = LSMKV_OPEN_EXISTING};
    struct lsmkv_prepare prepare = {.transaction = 0xabcdef, .coordinator = {1, 2}, .wait_ms = -1};
    struct lsmkv_session *session = NULL;
    struct lsmkv_store *store = NULL;
    struct lsmkv_error err;

    assert_ok(lsmkv_store_open(&store, store_dir, &how, &err), &err);
    assert_ok(lsmkv_session_open(&session, store, &err), &err);
    assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, -1, &err), &err);
    assert_ok(lsmkv_put(session, key, value, &err), &err);
    assert_ok(lsmkv_session_prepare(session, &prepare, &err), &err);
    _exit(7);
}

static void a_transaction_in_doubt_is_shown_and_settled(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_filled(dir);
    int status;
    pid_t child;

    (void)state;
    kit_expect(db, "", "SELECT * FROM lsmkv_transactions");
    kit_close(db);
    child = fork();
    if (child == 0)
        leave_in_doubt(kit_path(dir, "test.db-lsmkv"));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    db = open_in(dir);
    kit_expect(db, "'in doubt'|'0000000000abcdef'|'01020000000000000000000000000000'|0|NULL|1|1\n",
               "SELECT state, \"transaction\", coordinator, exclusive, age_ms, writes, store LIKE '%test.db-lsmkv' "
               "FROM lsmkv_transactions('t')");
    kit_expect(db, "'committed'\n", "SELECT lsmkv_settle(store, \"transaction\", 'commit') FROM lsmkv_transactions");
    kit_expect(db, "", "SELECT * FROM lsmkv_transactions");
    kit_fails(db, SQLITE_ERROR, "0000000000abcdef",
              "SELECT lsmkv_settle('test.db-lsmkv', '0000000000abcdef', 'abort')");
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_in_doubt_is_shown_and_settled), /* it forks */
        cmocka_unit_test(truncate_survives_death),                     /* first: it forks */
        cmocka_unit_test(truncate_takes_rows_and_index_entries),
        cmocka_unit_test(truncate_is_part_of_the_transaction),
        cmocka_unit_test(everybody_sees_the_new_rows),
        cmocka_unit_test(readers_with_a_snapshot_still_see_the_rows),
        cmocka_unit_test(a_transaction_that_read_the_table_conflicts),
        cmocka_unit_test(truncate_refuses_what_it_cannot_do),
        cmocka_unit_test(a_store_in_memory_is_truncated_too),
        cmocka_unit_test(settle_says_what_it_needs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
