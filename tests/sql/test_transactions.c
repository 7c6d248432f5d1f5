/*
 * test_transactions.c - transactions through SQL: savepoints, snapshots, conflicts between connections, definitions that
 * are rolled back. Commits together with SQLite's are in test_atomic.c.
 */
#include "sql_kit.h"

#include <string.h>

struct fixture {
    const char *path;
    sqlite3 *db;
};

/* A database with a table kv of two rows, in the journal mode asked for. */
static void open_mode(struct fixture *fixture, const char *mode)
{
    fixture->path = kit_path(test_dir(), "test.db");
    fixture->db = kit_open(fixture->path);
    kit_run(fixture->db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = %s", mode);
    kit_run(fixture->db, "CREATE TABLE o(x)");
    kit_run(fixture->db, "CREATE VIRTUAL TABLE kv USING lsmkv(key PRIMARY KEY, value, sync = off)");
    kit_run(fixture->db, "INSERT INTO kv VALUES('a', 1), ('b', 2)");
}

static const char *const modes[] = {"DELETE", "WAL", "TRUNCATE", "PERSIST", "MEMORY"};
#define MODES (sizeof(modes) / sizeof(modes[0]))

/* ---- Savepoints ---- */

static void savepoints_roll_back_at_any_depth(void **state)
{
    struct fixture f;
    size_t i;

    (void)state;
    for (i = 0; i < MODES; i++) {
        open_mode(&f, modes[i]);
        kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('c', 3)");
        kit_run(f.db, "SAVEPOINT one; UPDATE kv SET value = 10 WHERE key = 'a'; INSERT INTO kv VALUES('d', 4)");
        kit_run(f.db, "SAVEPOINT two; DELETE FROM kv WHERE key = 'a'; SAVEPOINT three; DELETE FROM kv");
        kit_expect(f.db, "0\n", "SELECT count(*) FROM kv");
        kit_run(f.db, "ROLLBACK TO three");
        kit_expect(f.db, "'b'|2\n'c'|3\n'd'|4\n", "SELECT * FROM kv");
        kit_run(f.db, "RELEASE three; ROLLBACK TO two");
        kit_expect(f.db, "'a'|10\n'b'|2\n'c'|3\n'd'|4\n", "SELECT * FROM kv");
        kit_run(f.db, "ROLLBACK TO one; INSERT INTO kv VALUES('e', 5)");
        kit_expect(f.db, "'a'|1\n'b'|2\n'c'|3\n'e'|5\n", "SELECT * FROM kv");
        kit_run(f.db, "RELEASE one; COMMIT");
        kit_expect(f.db, "'a'|1\n'b'|2\n'c'|3\n'e'|5\n", "SELECT * FROM kv");
        kit_close(f.db);
    }
}

/* A savepoint that opened the transaction: ROLLBACK TO undoes all of it and leaves it open. */
static void rollback_to_the_savepoint_that_opened_the_transaction_keeps_it_open(void **state)
{
    struct fixture f;

    (void)state;
    open_mode(&f, "WAL");
    kit_run(f.db, "SAVEPOINT s; INSERT INTO kv VALUES('c', 3); ROLLBACK TO s");
    assert_false(sqlite3_get_autocommit(f.db));
    kit_expect(f.db, "2\n", "SELECT count(*) FROM kv");
    kit_run(f.db, "INSERT INTO kv VALUES('d', 4); RELEASE s");
    assert_true(sqlite3_get_autocommit(f.db));
    kit_expect(f.db, "'a'|1\n'b'|2\n'd'|4\n", "SELECT * FROM kv");
    kit_close(f.db);
}

static void savepoints_cover_tables_that_join_later(void **state)
{
    struct fixture f;

    (void)state;
    open_mode(&f, "WAL");
    kit_run(f.db, "CREATE VIRTUAL TABLE other USING lsmkv(id INTEGER PRIMARY KEY, v)");
    kit_run(f.db, "BEGIN; SAVEPOINT one; INSERT INTO kv VALUES('c', 3); SAVEPOINT two; INSERT INTO kv VALUES('d', 4)");
    kit_run(f.db, "INSERT INTO other(v) VALUES('x'); ROLLBACK TO two");
    kit_expect(f.db, "3|0\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM other)");
    kit_run(f.db, "INSERT INTO other(v) VALUES('y'); ROLLBACK TO one");
    kit_expect(f.db, "2|0\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM other)");
    kit_run(f.db, "COMMIT");
    kit_expect(f.db, "2|0\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM other)");
    kit_close(f.db);
}

static void a_statement_that_fails_half_way_changes_nothing(void **state)
{
    struct fixture f;

    (void)state;
    open_mode(&f, "DELETE");
    kit_fails(f.db, SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: kv.key",
              "INSERT INTO kv VALUES('x', 1), ('y', 2), ('a', 3)");
    kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('c', 3)");
    kit_fails(f.db, SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: kv.key",
              "INSERT INTO kv VALUES('x', 1), ('y', 2), ('a', 3)");
    kit_run(f.db, "COMMIT");
    kit_expect(f.db, "'a'|1\n'b'|2\n'c'|3\n", "SELECT * FROM kv");
    kit_close(f.db);
}

static void a_trigger_of_an_ordinary_table_writes_in_its_transaction(void **state)
{
    struct fixture f;
    size_t i;

    (void)state;
    for (i = 0; i < MODES; i++) {
        open_mode(&f, modes[i]);
        kit_run(f.db, "CREATE TRIGGER copy AFTER INSERT ON o BEGIN INSERT INTO kv VALUES(new.x, 0); END");
        kit_run(f.db, "INSERT INTO o VALUES('c')");
        kit_fails(f.db, SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: kv.key",
                  "INSERT INTO o VALUES('d'), ('a')");
        kit_expect(f.db, "1|3\n", "SELECT (SELECT count(*) FROM o), (SELECT count(*) FROM kv)");
        kit_close(f.db);
    }
}

/* ---- Several connections ---- */

static void a_transaction_reads_one_snapshot(void **state)
{
    struct fixture f;
    sqlite3 *other;
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        open_mode(&f, modes[i]);
        other = kit_open(f.path);
        kit_run(f.db, "CREATE VIRTUAL TABLE temp.v USING lsmkv('test.db-lsmkv', table = kv)");
        kit_run(other, "CREATE VIRTUAL TABLE temp.v USING lsmkv('test.db-lsmkv', table = kv)");
        kit_run(f.db, "BEGIN");
        kit_expect(f.db, "2\n", "SELECT count(*) FROM v");
        kit_run(other, "INSERT INTO v VALUES('c', 3); DELETE FROM v WHERE key = 'a'; UPDATE v SET value = 20");
        kit_expect(f.db, "'a'|1\n'b'|2\n", "SELECT * FROM v");
        kit_expect(f.db, "1\n", "SELECT value FROM v WHERE key = 'a'");
        kit_run(f.db, "COMMIT");
        kit_expect(f.db, "'b'|20\n'c'|20\n", "SELECT * FROM v");
        kit_close(f.db);
        kit_close(other);
    }
}

/* Two connections with a TEMP table each on one store, since a table in a database file takes that file's lock. */
struct pair {
    struct fixture f;
    sqlite3 *one, *two;
};

static void open_pair(struct pair *pair)
{
    open_mode(&pair->f, "WAL");
    pair->one = kit_open(":memory:");
    pair->two = kit_open(":memory:");
    kit_run(pair->one, "CREATE VIRTUAL TABLE v USING lsmkv('%q-lsmkv', table = kv)", pair->f.path);
    kit_run(pair->two, "CREATE VIRTUAL TABLE v USING lsmkv('%q-lsmkv', table = kv)", pair->f.path);
}

static void close_pair(struct pair *pair)
{
    kit_close(pair->one);
    kit_close(pair->two);
    kit_close(pair->f.db);
}

/* The transaction is gone when COMMIT has failed with a conflict. */
static void expect_conflict(sqlite3 *db)
{
    kit_fails(db, SQLITE_BUSY_SNAPSHOT, "repeat the transaction", "COMMIT");
    assert_true(sqlite3_get_autocommit(db));
}

static void a_commit_after_a_stale_read_conflicts(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair);
    kit_run(pair.one, "BEGIN");
    kit_expect(pair.one, "1\n", "SELECT value FROM v WHERE key = 'a'");
    kit_run(pair.two, "UPDATE v SET value = value + 1 WHERE key = 'a'");
    kit_run(pair.one, "UPDATE v SET value = 1 + 1 WHERE key = 'a'");
    expect_conflict(pair.one);
    kit_expect(pair.one, "2\n", "SELECT value FROM v WHERE key = 'a'");
    kit_run(pair.one, "BEGIN");
    kit_expect(pair.one, "2\n", "SELECT value FROM v WHERE key = 'a'");
    kit_run(pair.one, "UPDATE v SET value = 2 + 1 WHERE key = 'a'; COMMIT");
    kit_expect(pair.two, "3\n", "SELECT value FROM v WHERE key = 'a'");
    close_pair(&pair);
}

static void transactions_write_at_the_same_time(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair);
    kit_run(pair.one, "BEGIN; UPDATE v SET value = 10 WHERE key = 'a'");
    kit_run(pair.two, "BEGIN; UPDATE v SET value = 20 WHERE key = 'b'; INSERT INTO v VALUES('c', 3)");
    kit_expect(pair.f.db, "'a'|1\n'b'|2\n", "SELECT * FROM kv");
    kit_run(pair.f.db, "INSERT INTO kv VALUES('d', 4)");
    kit_run(pair.two, "COMMIT");
    kit_run(pair.one, "COMMIT");
    kit_expect(pair.f.db, "'a'|10\n'b'|20\n'c'|3\n'd'|4\n", "SELECT * FROM kv");
    close_pair(&pair);
}

/* A range that was read conflicts with a row that comes into it, and with no other. */
static void rows_that_come_into_a_range_conflict(void **state)
{
    static const struct {
        const char *read, *written;
        bool conflict;
    } cases[] = {
        {"SELECT count(*) FROM v", "INSERT INTO v VALUES('c', 3)", true},
        {"SELECT count(*) FROM v WHERE key >= 'b'", "INSERT INTO v VALUES('c', 3)", true},
        {"SELECT count(*) FROM v WHERE key < 'b'", "INSERT INTO v VALUES('c', 3)", false},
        {"SELECT min(key) FROM v", "INSERT INTO v VALUES('c', 3)", false},
        {"SELECT max(key) FROM v", "INSERT INTO v VALUES('c', 3)", true},
        {"SELECT value FROM v WHERE key = 'c'", "INSERT INTO v VALUES('c', 3)", true},
        {"SELECT value FROM v WHERE key = 'c'", "DELETE FROM v WHERE key = 'a'", false},
        {"SELECT key FROM v ORDER BY key LIMIT 1", "DELETE FROM v WHERE key = 'b'", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair pair;

        open_pair(&pair);
        kit_run(pair.one, "BEGIN");
        kit_run(pair.one, cases[i].read);
        kit_run(pair.two, cases[i].written);
        kit_run(pair.one, "REPLACE INTO v VALUES('z', 0)");
        if (cases[i].conflict)
            expect_conflict(pair.one);
        else
            kit_run(pair.one, "COMMIT");
        kit_expect(pair.two, cases[i].conflict ? "0\n" : "1\n", "SELECT count(*) FROM v WHERE key = 'z'");
        close_pair(&pair);
    }
}

/* REPLACE does not look at what is there. */
static void blind_writes_do_not_conflict(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair);
    kit_run(pair.one, "BEGIN; REPLACE INTO v VALUES('a', 10)");
    kit_run(pair.two, "REPLACE INTO v VALUES('a', 20)");
    kit_run(pair.one, "COMMIT");
    kit_expect(pair.two, "10\n", "SELECT value FROM v WHERE key = 'a'");
    close_pair(&pair);
}

/* Neither would see the other's row, so the second one has to look again. */
static void write_skew_is_prevented(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair);
    kit_run(pair.one, "BEGIN; UPDATE v SET value = 0 WHERE key = 'a' AND (SELECT sum(value) FROM v) = 3");
    kit_run(pair.two, "BEGIN; UPDATE v SET value = 0 WHERE key = 'b' AND (SELECT sum(value) FROM v) = 3");
    kit_run(pair.one, "COMMIT");
    expect_conflict(pair.two);
    kit_expect(pair.two, "2\n", "SELECT sum(value) FROM v");
    close_pair(&pair);
}

/* What cursors read before BEGIN is not the transaction's, and their snapshot may be old. */
static void a_transaction_does_not_take_over_the_snapshot_of_an_open_cursor(void **state)
{
    sqlite3_stmt *statement = NULL;
    struct pair pair;

    (void)state;
    open_pair(&pair);
    assert_int_equal(sqlite3_prepare_v2(pair.one, "SELECT key FROM v", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    kit_run(pair.two, "UPDATE v SET value = 20 WHERE key = 'b'");
    kit_run(pair.one, "BEGIN");
    kit_expect(pair.one, "20\n", "SELECT value FROM v WHERE key = 'b'");
    kit_run(pair.one, "UPDATE v SET value = 10 WHERE key = 'a'");
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    kit_run(pair.two, "UPDATE v SET value = 30 WHERE key = 'b'");
    expect_conflict(pair.one);
    close_pair(&pair);
}

/* A statement that is stepped slowly has the turn: COMMIT waits for it as long as it may, and can be repeated. */
static void a_commit_that_cannot_get_its_turn_is_repeated(void **state)
{
    sqlite3_stmt *statement = NULL;
    struct pair pair;

    (void)state;
    open_pair(&pair);
    kit_run(pair.one, "PRAGMA busy_timeout = 1");
    kit_run(pair.one, "BEGIN; INSERT INTO v VALUES('c', 3)");
    assert_int_equal(sqlite3_prepare_v2(pair.two, "INSERT INTO v VALUES('d', 4) RETURNING key", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    kit_fails(pair.one, SQLITE_BUSY, "another transaction", "COMMIT");
    assert_false(sqlite3_get_autocommit(pair.one));
    kit_expect(pair.one, "3\n", "SELECT value FROM v WHERE key = 'c'");
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    kit_expect(pair.f.db, "3\n", "SELECT count(*) FROM kv");
    kit_run(pair.one, "INSERT INTO v VALUES('e', 5)");
    kit_run(pair.one, "COMMIT");
    kit_expect(pair.f.db, "'a'|1\n'b'|2\n'c'|3\n'd'|4\n'e'|5\n", "SELECT * FROM kv");
    close_pair(&pair);
}

static void an_autocommit_statement_never_conflicts_with_an_open_cursor(void **state)
{
    sqlite3_stmt *statement = NULL;
    struct fixture f;
    sqlite3 *other;

    (void)state;
    open_mode(&f, "WAL");
    other = kit_open(f.path);
    assert_int_equal(sqlite3_prepare_v2(f.db, "SELECT key FROM kv", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    kit_run(other, "INSERT INTO kv VALUES('aa', 0)");
    kit_run(f.db, "UPDATE kv SET value = value + 1");
    /* The cursor goes on in the state in which it began. */
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(statement, 0), "b");
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    kit_expect(f.db, "'a'|2\n'aa'|1\n'b'|3\n", "SELECT * FROM kv");
    kit_close(f.db);
    kit_close(other);
}

static void a_cursor_outlives_commit_and_rollback(void **state)
{
    static const char *const ends[] = {"COMMIT", "ROLLBACK"};
    sqlite3_stmt *statement;
    struct fixture f;
    size_t i;
    int rc;

    (void)state;
    for (i = 0; i < 2; i++) {
        open_mode(&f, "WAL");
        kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('c', 3)");
        assert_int_equal(sqlite3_prepare_v2(f.db, "SELECT key FROM kv", -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        kit_run(f.db, ends[i]);
        /* SQLite may abort a reader of what is rolled back; it must not read freed memory. */
        rc = sqlite3_step(statement);
        assert_true(rc == SQLITE_ROW || (i == 1 && (rc & 0xff) == SQLITE_ABORT));
        sqlite3_finalize(statement);
        kit_expect(f.db, i ? "2\n" : "3\n", "SELECT count(*) FROM kv");
        kit_close(f.db);
    }
}

/* INSERT ... RETURNING holds the turn while it is stepped; another writer of the same thread gets BUSY, no deadlock. */
static void a_statement_stepped_slowly_blocks_only_writers(void **state)
{
    sqlite3_stmt *statement = NULL;
    struct fixture f;
    sqlite3 *other;

    (void)state;
    open_mode(&f, "WAL");
    other = kit_open(":memory:");
    kit_run(other, "CREATE VIRTUAL TABLE v USING lsmkv('%q-lsmkv', table = kv)", f.path);
    kit_run(other, "PRAGMA busy_timeout = 1");
    assert_int_equal(
        sqlite3_prepare_v2(f.db, "INSERT INTO kv VALUES('c', 3), ('d', 4) RETURNING key", -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(kit_try(other, "INSERT INTO v VALUES('e', 5)"), SQLITE_BUSY);
    kit_expect(other, "2\n", "SELECT count(*) FROM v");
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    kit_run(other, "INSERT INTO v VALUES('e', 5)");
    kit_expect(f.db, "5\n", "SELECT count(*) FROM kv");
    kit_close(f.db);
    kit_close(other);
}

/* SQL function: commits a row through the connection that is its user data. */
static void commit_elsewhere(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    kit_run(sqlite3_user_data(context), "INSERT INTO kv SELECT 'n' || count(*), 0 FROM kv");
    sqlite3_result_int(context, 1);
}

/* SQLite 3.40 opens a cursor for each run of a subquery: each had a snapshot of its own. */
static void the_subqueries_of_a_statement_see_one_snapshot(void **state)
{
    struct fixture f;
    sqlite3 *other;

    (void)state;
    open_mode(&f, "WAL");
    kit_run(f.db, "INSERT INTO o VALUES(1), (2), (3)");
    other = kit_open(":memory:");
    kit_run(other, "CREATE VIRTUAL TABLE temp.kv USING lsmkv('%q-lsmkv')", f.path);
    assert_int_equal(
        sqlite3_create_function(f.db, "commit_elsewhere", 0, SQLITE_UTF8, other, commit_elsewhere, NULL, NULL),
        SQLITE_OK);
    kit_expect(f.db, "2|1\n2|1\n2|1\n",
               "SELECT (SELECT count(*) FROM kv WHERE value < 100 + o.x), commit_elsewhere() FROM o");
    kit_expect(f.db, "5\n", "SELECT count(*) FROM kv");
    kit_close(other);
    kit_close(f.db);
}

static void query_only_reads_each_statement_by_itself(void **state)
{
    struct fixture f;
    sqlite3 *other;

    (void)state;
    open_mode(&f, "WAL");
    other = kit_open(f.path);
    kit_run(f.db, "PRAGMA query_only = 1; BEGIN");
    kit_expect(f.db, "2\n", "SELECT count(*) FROM kv");
    kit_run(other, "INSERT INTO kv VALUES('c', 3)");
    kit_expect(f.db, "3\n", "SELECT count(*) FROM kv");
    assert_int_equal(kit_try(f.db, "DELETE FROM kv"), SQLITE_READONLY);
    kit_run(f.db, "COMMIT");
    kit_close(f.db);
    kit_close(other);
}

static void closing_a_connection_rolls_its_transaction_back(void **state)
{
    struct fixture f;
    sqlite3 *other;

    (void)state;
    open_mode(&f, "WAL");
    other = kit_open(f.path);
    kit_run(f.db, "BEGIN; DELETE FROM kv");
    kit_close(f.db);
    kit_expect(other, "2\n", "SELECT count(*) FROM kv");
    kit_run(other, "INSERT INTO kv VALUES('c', 3)");
    kit_close(other);
}

/* PRAGMA temp_store throws the hub away with all temporary tables: it is made again. */
static void the_hub_comes_back_when_temporary_tables_go(void **state)
{
    struct fixture f;

    (void)state;
    open_mode(&f, "WAL");
    kit_run(f.db,
            "PRAGMA temp_store = MEMORY; BEGIN; SAVEPOINT s; INSERT INTO kv VALUES('c', 3); ROLLBACK TO s; COMMIT");
    kit_run(f.db, "BEGIN; SELECT * FROM kv; COMMIT");
    kit_expect(f.db, "2\n", "SELECT count(*) FROM kv");
    kit_fails(f.db, SQLITE_ERROR, "", "DROP TABLE temp.lsmkv_hub");
    kit_close(f.db);
}

/* ---- Definitions ---- */

static void create_drop_and_rename_roll_back(void **state)
{
    struct fixture f;
    size_t i;

    (void)state;
    for (i = 0; i < MODES; i++) {
        open_mode(&f, modes[i]);
        kit_run(f.db, "BEGIN; CREATE VIRTUAL TABLE n USING lsmkv; INSERT INTO n VALUES(1, 2); ROLLBACK");
        kit_fails(f.db, SQLITE_ERROR, "no such table", "SELECT * FROM n");
        kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('c', 3); DROP TABLE kv; ROLLBACK");
        kit_expect(f.db, "'a'|1\n'b'|2\n", "SELECT * FROM kv");
        kit_run(f.db, "BEGIN; ALTER TABLE kv RENAME TO ab; INSERT INTO ab VALUES('c', 3); ROLLBACK");
        kit_expect(f.db, "'a'|1\n'b'|2\n", "SELECT * FROM kv");
        kit_run(f.db, "SAVEPOINT s; DROP TABLE kv; ROLLBACK TO s; RELEASE s; INSERT INTO kv VALUES('d', 4)");
        kit_run(f.db, "BEGIN; SAVEPOINT s; INSERT INTO kv VALUES('c', 3); DROP TABLE kv; ROLLBACK TO s; COMMIT");
        kit_run(f.db, "CREATE VIRTUAL TABLE n USING lsmkv(a, b)");
        kit_expect(f.db, "'a'|1\n'b'|2\n'd'|4\n", "SELECT * FROM kv");
        kit_close(f.db);
        f.db = kit_open(f.path);
        kit_expect(f.db, "'a'|1\n'b'|2\n'd'|4\n", "SELECT * FROM kv");
        kit_expect(f.db, "0\n", "SELECT count(*) FROM n");
        kit_close(f.db);
    }
}

static void a_renamed_table_keeps_its_rows(void **state)
{
    struct fixture f;

    (void)state;
    open_mode(&f, "DELETE");
    kit_run(f.db, "ALTER TABLE kv RENAME TO \"new name\"; INSERT INTO \"new name\" VALUES('c', 3)");
    kit_run(f.db, "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('other', 1)");
    kit_close(f.db);
    f.db = kit_open(f.path);
    kit_expect(f.db, "'a'|1\n'b'|2\n'c'|3\n", "SELECT * FROM \"new name\"");
    kit_expect(f.db, "'other'|1\n", "SELECT * FROM kv");
    kit_close(f.db);
}

static void a_dropped_table_starts_empty_when_it_is_made_again(void **state)
{
    struct fixture f;

    (void)state;
    open_mode(&f, "DELETE");
    kit_run(f.db, "DROP TABLE kv; CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('z', 26)");
    kit_expect(f.db, "'z'|26\n", "SELECT * FROM kv");
    kit_run(f.db, "BEGIN; DROP TABLE kv; CREATE VIRTUAL TABLE kv USING lsmkv(id INTEGER PRIMARY KEY); COMMIT");
    kit_expect(f.db, "0\n", "SELECT count(*) FROM kv");
    kit_close(f.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(savepoints_roll_back_at_any_depth),
        cmocka_unit_test(rollback_to_the_savepoint_that_opened_the_transaction_keeps_it_open),
        cmocka_unit_test(savepoints_cover_tables_that_join_later),
        cmocka_unit_test(a_statement_that_fails_half_way_changes_nothing),
        cmocka_unit_test(a_trigger_of_an_ordinary_table_writes_in_its_transaction),
        cmocka_unit_test(a_transaction_reads_one_snapshot),
        cmocka_unit_test(a_commit_after_a_stale_read_conflicts),
        cmocka_unit_test(transactions_write_at_the_same_time),
        cmocka_unit_test(rows_that_come_into_a_range_conflict),
        cmocka_unit_test(blind_writes_do_not_conflict),
        cmocka_unit_test(write_skew_is_prevented),
        cmocka_unit_test(a_transaction_does_not_take_over_the_snapshot_of_an_open_cursor),
        cmocka_unit_test(a_commit_that_cannot_get_its_turn_is_repeated),
        cmocka_unit_test(an_autocommit_statement_never_conflicts_with_an_open_cursor),
        cmocka_unit_test(a_cursor_outlives_commit_and_rollback),
        cmocka_unit_test(a_statement_stepped_slowly_blocks_only_writers),
        cmocka_unit_test(the_subqueries_of_a_statement_see_one_snapshot),
        cmocka_unit_test(query_only_reads_each_statement_by_itself),
        cmocka_unit_test(closing_a_connection_rolls_its_transaction_back),
        cmocka_unit_test(the_hub_comes_back_when_temporary_tables_go),
        cmocka_unit_test(create_drop_and_rename_roll_back),
        cmocka_unit_test(a_renamed_table_keeps_its_rows),
        cmocka_unit_test(a_dropped_table_starts_empty_when_it_is_made_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
