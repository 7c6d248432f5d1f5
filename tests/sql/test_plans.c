/*
 * test_plans.c - which plan a query gets, and how many rows and keys it reads with it.
 */
#include "sql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *open_one(void)
{
    return kit_open(kit_path(test_dir(), "test.db"));
}

static void plan_is(sqlite3 *db, const char *plan, const char *sql)
{
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql), *rows = kit_rows(db, explain, false);

    if (!strstr(rows, plan))
        fail_msg("%s: expected %s, got %s", sql, plan, rows);
    sqlite3_free(explain);
    sqlite3_free(rows);
}

static sqlite3_int64 number(sqlite3 *db, const char *sql, ...)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_int64 result;
    va_list arguments;
    char *text;

    va_start(arguments, sql);
    text = sqlite3_vmprintf(sql, arguments);
    va_end(arguments);
    if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    result = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_free(text);
    return result;
}

static sqlite3_int64 counter(sqlite3 *db, const char *name)
{
    return number(db, "SELECT value FROM lsmkv_stats WHERE name = %Q", name);
}

/* Rows 1 to `count` of (id, x, y): x repeats, y is text. */
static void fill(sqlite3 *db, const char *table, size_t count)
{
    kit_run(db,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
            "INSERT INTO %s SELECT i, i * 7919 %% 10007, 'v' || (i * 31 %% 9973) FROM n",
            (int)count, table);
}

/* ---- Plans ---- */

static void plans_use_leading_parts(void **state)
{
    sqlite3 *db = open_one();

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a TEXT, b INTEGER, c REAL, d, PRIMARY KEY (a, b DESC, c))");
    plan_is(db, ":a=? AND b=? AND c=?", "SELECT * FROM t WHERE c = 1 AND a = 'x' AND b = 2");
    plan_is(db, ":a=? AND b>? AND b<=?", "SELECT * FROM t WHERE a = 'x' AND b > 2 AND b <= 5");
    plan_is(db, ":a=? AND b IN (?)'", "SELECT * FROM t WHERE a = 'x' AND b IN (1, 2, 3) AND d = 1");
    plan_is(db, ":a=? AND b IN (?) AND c>=?", "SELECT * FROM t WHERE a = 'x' AND b IN (1, 2, 3) AND c >= 1");
    plan_is(db, ":a IS ? AND b=?", "SELECT * FROM t WHERE a IS 'x' AND b = 1");
    plan_is(db, ":a>=? AND a<?", "SELECT * FROM t WHERE a GLOB 'x*' AND b = 1");
    plan_is(db, ":all rows", "SELECT * FROM t WHERE b = 1");
    plan_is(db, ":all rows", "SELECT * FROM t WHERE a = 'x' COLLATE NOCASE");
    plan_is(db, ":a>=?", "SELECT * FROM t WHERE (a, b) > ('x', 1)");
    kit_close(db);
}

static void plans_use_the_order_of_keys(void **state)
{
    bool limits = sqlite3_libversion_number() >= 3046000; /* older ones offer them where that would be wrong */
    sqlite3 *db = open_one();

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a TEXT, b INTEGER, c REAL, d, PRIMARY KEY (a, b DESC, c))");
    plan_is(db, ":all rows ORDER'", "SELECT * FROM t ORDER BY a, b DESC, c");
    plan_is(db, ":all rows ORDER DESC", "SELECT * FROM t ORDER BY a DESC, b, c DESC");
    plan_is(db, "USE TEMP B-TREE", "SELECT * FROM t ORDER BY a, b");
    plan_is(db, ":a=? ORDER DESC", "SELECT * FROM t WHERE a = 'x' ORDER BY b, a");
    plan_is(db, ":a=? ORDER'", "SELECT * FROM t WHERE a = ? ORDER BY b DESC");
    plan_is(db, "USE TEMP B-TREE", "SELECT * FROM t WHERE a = 1 ORDER BY b DESC");
    plan_is(db, ":a=? AND b=? ORDER'", "SELECT * FROM t WHERE a = 'x' AND b = 1 ORDER BY c");
    plan_is(db, ":all rows ORDER'", "SELECT * FROM t ORDER BY a, b DESC, c, d");
    plan_is(db, ":all rows ORDER'", "SELECT DISTINCT b, a FROM t");
    plan_is(db, ":all rows ORDER'", "SELECT a, max(b) FROM t GROUP BY a");
    plan_is(db, limits ? ":a=? LIMIT" : ":a=?'", "SELECT * FROM t WHERE a = 'x' LIMIT 3 OFFSET 2");
    plan_is(db, ":a=?'", "SELECT * FROM t WHERE a = ? LIMIT 3 OFFSET 2");
    plan_is(db, ":all rows ORDER", "SELECT min(a) FROM t");
    plan_is(db, ":all rows ORDER DESC", "SELECT max(a) FROM t");
    kit_close(db);
}

static void plans_use_indexes(void **state)
{
    bool limits = sqlite3_libversion_number() >= 3046000; /* older ones offer them where that would be wrong */
    sqlite3 *db = open_one();

    (void)state;
    kit_run(db,
            "CREATE VIRTUAL TABLE e USING lsmkv(device TEXT COLLATE NOCASE, at INTEGER, level INTEGER, body, n REAL, "
            "PRIMARY KEY (device, at), INDEX by_level (level, at DESC), UNIQUE (n))");
    kit_run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
                "INSERT INTO e SELECT 'd' || (i %% 5), i, i %% 7, zeroblob(100), i / 2.0 FROM n");
    plan_is(db, ":by_level: level=? AND at>?'", "SELECT * FROM e WHERE level = ? AND at > 5");
    plan_is(db, limits ? ":by_level: level=? ORDER LIMIT COVERING" : ":by_level: level=? ORDER COVERING",
            "SELECT device FROM e WHERE level = 3 ORDER BY at DESC LIMIT 3 OFFSET 1");
    plan_is(db, ":by_level: level=? ORDER DESC COVERING", "SELECT device, at FROM e WHERE level = ? ORDER BY at");
    plan_is(db, ":by_level: level IN (?)", "SELECT at FROM e WHERE level IN (1, 2)");
    plan_is(db, ":by_level: all rows ORDER COVERING", "SELECT DISTINCT level FROM e");
    plan_is(db, ":by_level: all rows ORDER COVERING", "SELECT level, count(*) FROM e GROUP BY level");
    plan_is(db, ":unique_n: n=?", "SELECT * FROM e WHERE n = 4");
    plan_is(db, ":device=? AND at=?", "SELECT * FROM e WHERE device = ? AND at = ? AND level = ?");
    plan_is(db, " COVERING", "SELECT count(*) FROM e");
    kit_expect(db, "'d0'|500\n'd3'|493\n", "SELECT device, at FROM e WHERE level = 3 ORDER BY at DESC LIMIT 2");
    kit_close(db);
}

static void an_entry_reads_its_row_only_where_a_column_is_missing(void **state)
{
    sqlite3 *db = open_one();
    sqlite3_int64 rows;

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, x, y TEXT, INDEX i (x), sync = off)");
    fill(db, "t", 300);
    rows = counter(db, "cursor_rows");
    assert_int_equal(number(db, "SELECT count(id) FROM t WHERE x BETWEEN 0 AND 20000 AND id > 0"), 300);
    assert_int_equal(counter(db, "cursor_rows") - rows, 300);
    rows = counter(db, "cursor_rows");
    assert_int_equal(number(db, "SELECT count(y) FROM t WHERE x = (SELECT x FROM t WHERE id = 7)"), 1);
    assert_int_equal(counter(db, "cursor_rows") - rows, 2); /* the entry and its row */
    kit_close(db);
}

/* The order of rows was promised for one value of a; a number from a numeric column is equal to several. */
static void rows_are_sorted_where_one_value_turns_out_to_be_several(void **state)
{
    sqlite3 *db = open_one();

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a TEXT, b INTEGER, c, PRIMARY KEY (a, b DESC))");
    kit_run(db, "CREATE TABLE o(i INTEGER); INSERT INTO o VALUES(12)");
    kit_run(db, "INSERT INTO t VALUES('12', 1, 'a'), ('12', 3, 'b'), ('012', 2, 'c'), (' 12', 4, 'd'), ('x', 5, 'e')");
    plan_is(db, ":a=? ORDER'",
            "SELECT (SELECT group_concat(b) FROM (SELECT b FROM t WHERE a = i ORDER BY b DESC)) FROM o");
    kit_expect(db, "'4,3,2,1'\n",
               "SELECT (SELECT group_concat(b) FROM (SELECT b FROM t WHERE a = i ORDER BY b DESC)) FROM o");
    kit_expect(db, "'1,2,3,4'\n",
               "SELECT (SELECT group_concat(b) FROM (SELECT b FROM t WHERE a = i ORDER BY b)) FROM o");
    kit_close(db);
}

static void or_is_a_union(void **state)
{
    sqlite3 *db = open_one();

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a TEXT, b INTEGER, c, PRIMARY KEY (a, b))");
    kit_run(db, "INSERT INTO t VALUES('x', 1, 1), ('x', 2, 2), ('y', 1, 3), ('z', 9, 4)");
    kit_run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
                "INSERT INTO t SELECT 'more', i, -1 FROM n");
    plan_is(db, "MULTI-INDEX OR",
            "SELECT c FROM t WHERE (a = 'x' AND b = 1) OR (a = 'x' AND b = 2) OR (a = 'z' AND b = 9)");
    kit_expect(db, "1\n2\n4\n",
               "SELECT c FROM t WHERE (a = 'x' AND b = 1) OR (a = 'x' AND b = 2) OR (a = 'z' AND b = 9) ORDER BY c");
    kit_run(db, "DELETE FROM t WHERE (a = 'x' AND b = 1) OR a = 'z'");
    kit_expect(db, "2\n3\n", "SELECT c FROM t WHERE c > 0 ORDER BY c");
    kit_close(db);
}

/* ---- Joins ---- */

static void a_join_looks_keys_up_both_ways_round(void **state)
{
    size_t many = test_scaled(20000) < 2000 ? 2000 : test_scaled(20000), few = many / 50;
    sqlite3 *db = open_one();
    sqlite3_int64 gets, rows;

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, x, y TEXT, sync = off)");
    kit_run(db, "CREATE TABLE o(id INTEGER PRIMARY KEY, x, y TEXT)");
    fill(db, "t", many);
    fill(db, "o", few);
    kit_run(db, "SELECT lsmkv_flush('t'); ANALYZE");
    gets = counter(db, "gets");
    rows = counter(db, "cursor_rows");
    assert_int_equal(number(db, "SELECT count(*) FROM t JOIN o ON t.id = o.id"), few);
    assert_int_equal(number(db, "SELECT count(*) FROM o JOIN t ON t.id = o.id"), few);
    assert_int_equal(counter(db, "gets") - gets, 2 * few);
    assert_int_equal(counter(db, "cursor_rows") - rows, 0);

    /* A small lsmkv table, a large ordinary one. */
    kit_run(db, "DELETE FROM t WHERE id > %d; DELETE FROM o", (int)few);
    fill(db, "o", many);
    kit_run(db, "SELECT lsmkv_compact('t'); ANALYZE");
    rows = counter(db, "cursor_rows");
    gets = counter(db, "gets");
    assert_int_equal(number(db, "SELECT count(*) FROM o JOIN t ON t.id = o.id"), few);
    assert_int_equal(counter(db, "cursor_rows") - rows, few);
    assert_int_equal(counter(db, "gets") - gets, 0);
    kit_close(db);
}

static void a_join_without_an_index_reads_each_table_once_more(void **state)
{
    size_t count = test_scaled(4000) < 400 ? 400 : test_scaled(4000);
    sqlite3 *db = open_one();
    sqlite3_int64 rows, matches;

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, x, y TEXT, sync = off)");
    kit_run(db, "CREATE VIRTUAL TABLE u USING lsmkv(id INTEGER PRIMARY KEY, x, y TEXT, sync = off)");
    kit_run(db, "CREATE TABLE o(id INTEGER PRIMARY KEY, x, y TEXT); CREATE TABLE p(id INTEGER PRIMARY KEY, x, y TEXT)");
    fill(db, "t", count);
    fill(db, "u", count);
    kit_run(db, "INSERT INTO o SELECT * FROM t; INSERT INTO p SELECT * FROM u");
    plan_is(db, ":all rows AUTOMATIC INDEX (x=?)", "SELECT count(*) FROM t JOIN u ON t.x = u.x");
    rows = counter(db, "cursor_rows");
    matches = number(db, "SELECT count(*) FROM t JOIN u ON t.x = u.x AND t.y = u.y");
    assert_int_equal(matches, number(db, "SELECT count(*) FROM o JOIN p ON o.x = p.x AND o.y = p.y"));
    /* The outer one; the inner one at the first row and once more for the index. */
    assert_in_range(counter(db, "cursor_rows") - rows, 2 * count, 3 * count);
    kit_close(db);
}

/* Beyond cache_size the index in memory keeps keys only. */
static void an_index_in_memory_reads_rows_again_beyond_cache_size(void **state)
{
    sqlite3 *db = open_one();
    sqlite3_int64 expected;

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, x, y, sync = off, cache_size = '1MB')");
    kit_run(db, "CREATE TABLE o(id INTEGER PRIMARY KEY, x, y)");
    fill(db, "o", 400);
    kit_run(db, "INSERT INTO t SELECT id, x, zeroblob(5000 + id) FROM o");
    expected = number(db, "SELECT sum(5000 + p.id) FROM o JOIN o AS p ON p.x = o.x");
    assert_int_equal(number(db, "SELECT sum(length(t.y)) FROM o LEFT JOIN t ON t.x = o.x"), expected);
    kit_close(db);
}

/* As SQLite's automatic index it shows the rows as they were when it was made. */
static void an_index_in_memory_follows_the_ranges_of_its_path(void **state)
{
    sqlite3 *db = open_one();

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a INTEGER, b INTEGER, x, PRIMARY KEY (a, b))");
    kit_run(db, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 399) "
                "INSERT INTO t SELECT i / 100, i %% 100, i %% 10 FROM n");
    kit_run(
        db,
        "CREATE TABLE o(a, x); INSERT INTO o VALUES(1, 3), (1, 4), (1, 4), (2, 5), (2, 5), (3, 9), (1, 0), (1, NULL)");
    kit_expect(db, "1|3|10\n1|4|10\n1|4|10\n2|5|10\n2|5|10\n3|9|10\n1|0|10\n1|NULL|0\n",
               "SELECT o.a, o.x, (SELECT count(*) FROM t WHERE t.a >= o.a AND t.a <= o.a AND t.x = o.x) FROM o");
    kit_expect(db, "40\n",
               "SELECT count(b) FROM o CROSS JOIN t ON t.a >= o.a AND t.a < 2 AND t.x = o.x "
               "WHERE o.a = 1");
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_use_leading_parts),
        cmocka_unit_test(plans_use_the_order_of_keys),
        cmocka_unit_test(plans_use_indexes),
        cmocka_unit_test(an_entry_reads_its_row_only_where_a_column_is_missing),
        cmocka_unit_test(rows_are_sorted_where_one_value_turns_out_to_be_several),
        cmocka_unit_test(or_is_a_union),
        cmocka_unit_test(a_join_looks_keys_up_both_ways_round),
        cmocka_unit_test(a_join_without_an_index_reads_each_table_once_more),
        cmocka_unit_test(an_index_in_memory_reads_rows_again_beyond_cache_size),
        cmocka_unit_test(an_index_in_memory_follows_the_ranges_of_its_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
