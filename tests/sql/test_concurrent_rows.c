/*
 * test_concurrent_rows.c - transactions that write rows of the same table at the same time: rowids that they choose, UNIQUE
 * and keys that both want. Each connection has a TEMP table on one store.
 */
#include "sql_kit.h"

#include <string.h>

#include "index_check.h"

struct both {
    const char *path; /* of a database beside whose name the store lies */
    sqlite3 *a, *b;
};

static sqlite3 *open_one(const struct both *both, const char *columns)
{
    sqlite3 *db = kit_open(":memory:");

    kit_run(db, "CREATE VIRTUAL TABLE temp.t USING lsmkv('%q-lsmkv', %s, table = t, sync = off)", both->path, columns);
    return db;
}

static void both_open(struct both *both, const char *columns)
{
    both->path = kit_path(test_dir(), "test.db");
    both->a = open_one(both, columns);
    both->b = open_one(both, columns);
}

static void both_close(struct both *both)
{
    index_check(both->path);
    kit_close(both->a);
    kit_close(both->b);
}

static void rowids_chosen_at_the_same_time_differ(void **state)
{
    struct both both;

    (void)state;
    both_open(&both, "id INTEGER PRIMARY KEY, a, INDEX i(a)");
    kit_run(both.a, "INSERT INTO t(a) VALUES('before')");
    kit_run(both.a, "BEGIN; INSERT INTO t(a) VALUES('a')");
    kit_run(both.b, "BEGIN; INSERT INTO t(a) VALUES('b')");
    kit_run(both.a, "INSERT INTO t(a) VALUES('a')");
    kit_run(both.b, "INSERT INTO t(a) VALUES('b')");
    kit_run(both.b, "COMMIT");
    kit_run(both.a, "INSERT INTO t(a) VALUES('a')");
    kit_run(both.a, "COMMIT");
    kit_expect(both.b, "1|'before'\n2|'a'\n3|'b'\n4|'a'\n5|'b'\n6|'a'\n", "SELECT * FROM t ORDER BY id");
    both_close(&both);
}

static void hidden_rowids_differ_too_and_autocommit_takes_the_next(void **state)
{
    struct both both;

    (void)state;
    both_open(&both, "a");
    kit_run(both.a, "BEGIN; INSERT INTO t VALUES('a')");
    kit_run(both.b, "INSERT INTO t VALUES('b')");
    kit_run(both.a, "INSERT INTO t VALUES('a')");
    kit_run(both.a, "COMMIT");
    kit_expect(both.b, "1|'a'\n2|'b'\n3|'a'\n", "SELECT rowid, a FROM t ORDER BY rowid");
    both_close(&both);
}

static void rowids_of_a_transaction_that_was_rolled_back_are_given_again(void **state)
{
    struct both both;

    (void)state;
    both_open(&both, "id INTEGER PRIMARY KEY, a");
    kit_run(both.a, "BEGIN; INSERT INTO t(a) VALUES('lost'); ROLLBACK");
    kit_run(both.b, "BEGIN; INSERT INTO t(a) VALUES('b'); SAVEPOINT s; INSERT INTO t(a) VALUES('lost'); ROLLBACK TO s");
    kit_run(both.b,
            "INSERT INTO t(a) VALUES('b'); DELETE FROM t WHERE id = 2; INSERT INTO t(a) VALUES('again'); COMMIT");
    kit_expect(both.a, "1|'b'\n2|'again'\n", "SELECT * FROM t ORDER BY id");
    both_close(&both);
}

static void the_second_to_commit_the_same_key_is_to_repeat(void **state)
{
    struct both both;

    (void)state;
    both_open(&both, "id INTEGER PRIMARY KEY, a");
    kit_run(both.a, "BEGIN; INSERT INTO t(a) VALUES('chosen')");
    kit_run(both.b, "BEGIN; INSERT INTO t VALUES(1, 'given')");
    kit_run(both.b, "COMMIT");
    assert_int_equal(kit_try(both.a, "COMMIT"), SQLITE_BUSY_SNAPSHOT);
    kit_expect(both.a, "1|'given'\n", "SELECT * FROM t");
    both_close(&both);
}

static void the_second_to_commit_the_same_unique_value_is_to_repeat(void **state)
{
    struct both both;

    (void)state;
    both_open(&both, "id INTEGER PRIMARY KEY, a UNIQUE, b, INDEX i(b)");
    kit_run(both.a, "BEGIN; INSERT INTO t(a) VALUES('x')");
    kit_run(both.b, "BEGIN; INSERT INTO t(a) VALUES('x')");
    kit_run(both.b, "COMMIT");
    assert_int_equal(kit_try(both.a, "COMMIT"), SQLITE_BUSY_SNAPSHOT);
    kit_fails(both.a, SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: t.a", "INSERT INTO t(a) VALUES('x')");
    kit_expect(both.a, "2|'x'|NULL\n", "SELECT * FROM t");
    both_close(&both);
}

/* A row that one removes and the other changes: its entries must not outlive it. */
static void replaced_and_updated_rows_keep_their_entries(void **state)
{
    struct both both;

    (void)state;
    both_open(&both, "id INTEGER PRIMARY KEY, a UNIQUE, b, INDEX i(b)");
    kit_run(both.a, "INSERT INTO t VALUES(1, 'x', 1), (2, 'y', 2)");
    kit_run(both.a, "BEGIN; INSERT OR REPLACE INTO t VALUES(3, 'x', 3)");
    kit_run(both.b, "BEGIN; UPDATE t SET b = 7 WHERE id = 1");
    kit_run(both.b, "COMMIT");
    assert_int_equal(kit_try(both.a, "COMMIT"), SQLITE_BUSY_SNAPSHOT);
    index_check(both.path);
    kit_run(both.a, "BEGIN; INSERT OR REPLACE INTO t VALUES(3, 'x', 3); COMMIT");
    kit_expect(both.b, "2|'y'|2\n3|'x'|3\n", "SELECT * FROM t ORDER BY id");
    both_close(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rowids_chosen_at_the_same_time_differ),
        cmocka_unit_test(hidden_rowids_differ_too_and_autocommit_takes_the_next),
        cmocka_unit_test(rowids_of_a_transaction_that_was_rolled_back_are_given_again),
        cmocka_unit_test(the_second_to_commit_the_same_key_is_to_repeat),
        cmocka_unit_test(the_second_to_commit_the_same_unique_value_is_to_repeat),
        cmocka_unit_test(replaced_and_updated_rows_keep_their_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
