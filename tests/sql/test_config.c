/*
 * test_config.c - lsmkv_config and lsmkv_tables: what a store is set to and holds, and changing it, as a user does.
 */
#include "sql_kit.h"

#include <string.h>

static sqlite3 *open_in(const char *dir)
{
    return kit_open(kit_path(dir, "test.db"));
}

static void config_shows_every_option(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a, memtable_size = '1MB', sync = normal)");
    kit_expect(db,
               "'memtable_size'|'1MB'|'1MB'|'64KB to 4GB'|'64MB'|'at once'\n"
               "'sync'|'normal'|'normal'|'one of full, normal, off'|'full'|'when the store is next opened'\n",
               "SELECT name, value, in_force, range, initial, changes FROM lsmkv_config('t') "
               "WHERE name IN ('sync', 'memtable_size') ORDER BY name");
    kit_expect(db, "1\n", "SELECT count(*) >= 20 FROM lsmkv_config");
    kit_expect(db, "1\n", "SELECT count(DISTINCT store) FROM lsmkv_config WHERE store LIKE '%test.db-lsmkv'");
    kit_close(db);
}

static void update_changes_a_value_for_good(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir);

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a)");
    kit_run(db, "UPDATE lsmkv_config SET value = '128MB' WHERE name = 'memtable_size'");
    kit_expect(db, "1\n", "SELECT changes()");
    kit_run(db, "UPDATE lsmkv_config SET value = 9 WHERE name = 'l0_tables'");
    kit_run(db, "UPDATE lsmkv_config SET value = 'pread' WHERE name = 'io'");
    kit_expect(db, "'io'|'pread'|'mmap'\n'l0_tables'|'9'|'9'\n'memtable_size'|'128MB'|'128MB'\n",
               "SELECT name, value, in_force FROM lsmkv_config WHERE value <> initial ORDER BY name");
    kit_expect(db, "134217728\n", "SELECT value FROM lsmkv_stats WHERE name = 'memtable_size'");
    kit_close(db);
    db = open_in(dir);
    kit_expect(db, "'io'|'pread'|'pread'\n'l0_tables'|'9'|'9'\n'memtable_size'|'128MB'|'128MB'\n",
               "SELECT name, value, in_force FROM lsmkv_config WHERE value <> initial ORDER BY name");
    /* What CREATE asks for is compared with what is recorded. */
    kit_run(db, "CREATE VIRTUAL TABLE u USING lsmkv(a, l0_tables = 9)");
    kit_fails(db, SQLITE_ERROR, "the store exists and has 9, not 4",
              "CREATE VIRTUAL TABLE v USING lsmkv(a, l0_tables = 4)");
    kit_close(db);
}

static void each_store_has_its_own(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv('one', a); CREATE VIRTUAL TABLE u USING lsmkv('two', a)");
    kit_run(db, "UPDATE lsmkv_config SET value = 7 WHERE name = 'wait_ms' AND store LIKE '%%/two'");
    kit_expect(db, "'5000'\n", "SELECT value FROM lsmkv_config('t') WHERE name = 'wait_ms'");
    kit_expect(db, "'7'\n", "SELECT value FROM lsmkv_config('u') WHERE name = 'wait_ms'");
    kit_run(db, "UPDATE lsmkv_config SET value = 8 WHERE name = 'wait_ms'");
    kit_expect(db, "'8'\n'8'\n", "SELECT value FROM lsmkv_config WHERE name = 'wait_ms'");
    kit_run(db, "UPDATE lsmkv_config SET value = 9 WHERE name = 'wait_ms' AND table_name = 'main.t'");
    kit_expect(db, "'8'\n'9'\n", "SELECT value FROM lsmkv_config WHERE name = 'wait_ms' ORDER BY 1");
    kit_close(db);
}

static void other_changes_are_refused(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a)");
    kit_fails(db, SQLITE_ERROR, "only value", "UPDATE lsmkv_config SET name = 'sync' WHERE name = 'io'");
    kit_fails(db, SQLITE_ERROR, "only value", "UPDATE lsmkv_config SET name = 'sync', value = 'off' WHERE name = 'io'");
    kit_fails(db, SQLITE_ERROR, "only value", "UPDATE lsmkv_config SET store = 'x' WHERE name = 'io'");
    kit_fails(db, SQLITE_ERROR, "only value", "UPDATE lsmkv_config SET rowid = 5 WHERE name = 'io'");
    kit_fails(db, SQLITE_ERROR, "by UPDATE", "INSERT INTO lsmkv_config(name, value) VALUES('sync', 'off')");
    kit_fails(db, SQLITE_ERROR, "by UPDATE", "DELETE FROM lsmkv_config WHERE name = 'io'");
    kit_fails(db, SQLITE_ERROR, "must be one of mmap, pread",
              "UPDATE lsmkv_config SET value = 'tape' WHERE name = 'io'");
    kit_fails(db, SQLITE_ERROR, "NULL is no value", "UPDATE lsmkv_config SET value = NULL WHERE name = 'io'");
    kit_fails(db, SQLITE_ERROR, "no such lsmkv table", "SELECT * FROM lsmkv_config('nosuch')");
    kit_run(db, "UPDATE lsmkv_config SET value = 'tape' WHERE name = 'no such'");
    kit_expect(db, "0\n", "SELECT count(*) FROM lsmkv_config WHERE value <> initial");
    kit_run(db, "CREATE VIEW v AS SELECT * FROM lsmkv_config");
    kit_fails(db, SQLITE_ERROR, "unsafe use", "SELECT * FROM v");
    kit_close(db);
}

/* A change is no part of the transaction: it acts at once, and ROLLBACK leaves it. */
static void a_change_stays_after_rollback(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a)");
    kit_run(db, "BEGIN; INSERT INTO t VALUES(1)");
    kit_run(db, "UPDATE lsmkv_config SET value = 77 WHERE name = 'wait_ms'; ROLLBACK");
    kit_expect(db, "'77'\n", "SELECT value FROM lsmkv_config WHERE name = 'wait_ms'");
    kit_expect(db, "0\n", "SELECT count(*) FROM t");
    kit_close(db);
}

static void tables_of_a_store_are_listed(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, a TEXT, UNIQUE(a)); "
                "CREATE VIRTUAL TABLE temp.u USING lsmkv('other', x)");
    kit_run(db, "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
                "SELECT i, 'row ' || i FROM n; SELECT lsmkv_flush('t')");
    kit_expect(db, "'t'|1|1|1|1\n'u'|1|0|1|0\n",
               "SELECT name, id, indexes, rows - 500 * indexes < 5, bytes > 500 FROM lsmkv_tables ORDER BY name");
    kit_expect(db, "1\n", "SELECT definition LIKE '%id INTEGER PRIMARY KEY%' FROM lsmkv_tables('t')");
    kit_run(db, "BEGIN; DROP TABLE t");
    kit_expect(db, "'u'\n", "SELECT name FROM lsmkv_tables");
    kit_run(db, "ROLLBACK");
    kit_expect(db, "'t'\n'u'\n", "SELECT name FROM lsmkv_tables ORDER BY name");
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_shows_every_option),     cmocka_unit_test(update_changes_a_value_for_good),
        cmocka_unit_test(each_store_has_its_own),        cmocka_unit_test(other_changes_are_refused),
        cmocka_unit_test(a_change_stays_after_rollback), cmocka_unit_test(tables_of_a_store_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
