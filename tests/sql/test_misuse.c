/*
 * test_misuse.c - users at the edges: tables of the extension's own that somebody changed, more columns than SQLite hands
 * over, a store in memory that is another connection's.
 */
#include "sql_kit.h"

#include <stdlib.h>

/* ---- The table of marks ---- */

/* A transaction of lsmkv and ordinary rows, which needs a mark. */
static void run_marked(sqlite3 *db, int key)
{
    kit_run(db, "BEGIN; INSERT INTO kv VALUES(%d, 0); INSERT INTO o VALUES(%d); COMMIT", key, key);
}

/* COMMIT used to say "no such rowid: 1", and nothing of what to do. */
static void a_changed_table_of_marks_says_what_to_do(void **state)
{
    static const char *const changes[] = {
        "DELETE FROM lsmkv_marker",
        "UPDATE lsmkv_marker SET v = 7",
        "UPDATE lsmkv_marker SET v = x'00'",
        "DROP TABLE lsmkv_marker; CREATE TABLE lsmkv_marker(other)",
    };
    sqlite3 *db = kit_open(kit_path(test_dir(), "test.db"));
    size_t i;

    (void)state;
    kit_run(db, "CREATE TABLE o(x)");
    kit_run(db, "CREATE VIRTUAL TABLE kv USING lsmkv(key PRIMARY KEY, value, sync = off)");
    for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        run_marked(db, 2 * (int)i);
        kit_run(db, "%s", changes[i]);
        kit_run(db, "BEGIN; INSERT INTO kv VALUES(1000, 0); INSERT INTO o VALUES(1000)");
        kit_fails(db, i == 2 ? SQLITE_CORRUPT_VTAB : SQLITE_ERROR, "main.lsmkv_marker is not as the extension made it",
                  "COMMIT");
        assert_true(sqlite3_get_autocommit(db));
        kit_run(db, "DROP TABLE lsmkv_marker");
        run_marked(db, 2 * (int)i + 1);
    }
    kit_expect(db, "8|8\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM o)");
    kit_close(db);
}

/* ---- Width ---- */

/* CREATE VIRTUAL TABLE of c0 ... and a composite key over the last column and the first. */
static char *wide_table(int columns)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    int i;

    sqlite3_str_appendf(sql, "CREATE VIRTUAL TABLE t USING lsmkv(");
    for (i = 0; i < columns; i++)
        sqlite3_str_appendf(sql, "c%d INT, ", i);
    sqlite3_str_appendf(sql, "PRIMARY KEY (c%d, c0))", columns - 1);
    return sqlite3_str_finish(sql);
}

static void sqlite_hands_over_1994_arguments(void **state)
{
    char *widest = wide_table(1993), *wider = wide_table(1994);
    sqlite3 *db = kit_open(":memory:");

    (void)state;
    kit_fails(db, SQLITE_ERROR, "too many columns on t", wider);
    kit_run(db, "%s", widest);
    kit_run(db, "INSERT INTO t(c0, c63, c64, c1992) VALUES(1, 63, 64, 9), (2, 0, 0, 9)");
    kit_fails(db, SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: t.c1992, t.c0",
              "INSERT INTO t(c0, c1992) VALUES(2, 9)");
    kit_run(db, "UPDATE t SET c1991 = c64 + 1 WHERE c1992 = 9 AND c0 = 1");
    kit_expect(db, "63|64|65\n", "SELECT c63, c64, c1991 FROM t WHERE c1991 > 0");
    kit_close(db);
    sqlite3_free(widest);
    sqlite3_free(wider);
}

/* ---- Stores in memory ---- */

/* With a shared cache two connections have one database in memory; the store is that of the connection that made it. */
static void a_store_in_memory_is_for_one_connection(void **state)
{
    static const char name[] = "file:misuse?mode=memory&cache=shared";
    sqlite3 *db = kit_open(name), *other = kit_open(name);

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('a', 1)");
    kit_fails(other, SQLITE_CANTOPEN, "the store is in the memory of another connection", "SELECT * FROM kv");
    kit_expect(db, "'a'|1\n", "SELECT * FROM kv");
    kit_close(db);
    kit_fails(other, SQLITE_CANTOPEN, "or was, of one that is closed", "SELECT * FROM kv");
    kit_run(other, "DROP TABLE kv");
    kit_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_table_of_marks_says_what_to_do),
        cmocka_unit_test(sqlite_hands_over_1994_arguments),
        cmocka_unit_test(a_store_in_memory_is_for_one_connection),
    };

    if (sqlite3_config(SQLITE_CONFIG_URI, 1))
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
