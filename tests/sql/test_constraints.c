/*
 * test_constraints.c - UNIQUE, INDEX, CHECK, DEFAULT and conflict clauses: the same statements on an ordinary table and on
 * an lsmkv table must leave the same rows, code, message, changes() and last_insert_rowid(), and the index entries must be
 * those of the rows.
 */
#include "sql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index_check.h"

struct twins {
    sqlite3 *ordinary, *lsmkv;
    const char *path; /* of the lsmkv table's database */
    sqlite3_str *history;
};

/* A table both can have: `index` is a list of columns, an INDEX of one and CREATE INDEX of the other. */
struct definition {
    const char *columns, *index;
    bool without_rowid;
};

static const struct definition definitions[] = {
    {"id INTEGER PRIMARY KEY, a UNIQUE, b NOT NULL CHECK(b <> 9), c, UNIQUE(b), UNIQUE(c)", "c, a", false},
    {"id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b INT NOT NULL DEFAULT 77, c REAL, UNIQUE(a, b), "
     "CONSTRAINT small CHECK(c < 90 OR c IS NULL)",
     "b DESC", false},
    {"id, a, b NOT NULL, c UNIQUE, UNIQUE(a, b, c), CHECK(typeof(c) <> 'blob')", "b, id", false},
    {"id TEXT PRIMARY KEY, a UNIQUE, b NOT NULL UNIQUE, c", "c DESC", true},
    {"a UNIQUE, b NOT NULL CHECK(b <> 9) UNIQUE, id TEXT COLLATE NOCASE, c UNIQUE, PRIMARY KEY(id)", "a, c", true},
    {"id, a NOT NULL, b NOT NULL DEFAULT (abs(-5)), c, UNIQUE(c, a), PRIMARY KEY(a, id DESC), UNIQUE(b)", "c DESC",
     true},
};

#define DEFINITIONS (sizeof(definitions) / sizeof(definitions[0]))

static void twins_open(struct twins *twins, const struct definition *definition)
{
    const char *dir = test_dir();

    twins->path = kit_path(dir, "lsmkv.db");
    twins->ordinary = kit_open(kit_path(dir, "ordinary.db"));
    twins->lsmkv = kit_open(twins->path);
    twins->history = sqlite3_str_new(NULL);
    kit_run(twins->ordinary, "PRAGMA synchronous = OFF");
    kit_run(twins->lsmkv, "PRAGMA synchronous = OFF");
    kit_run(twins->ordinary, "CREATE TABLE t(%s)%s", definition->columns,
            definition->without_rowid ? " WITHOUT ROWID" : "");
    if (definition->index)
        kit_run(twins->ordinary, "CREATE INDEX i ON t(%s)", definition->index);
    kit_run(twins->lsmkv, "CREATE VIRTUAL TABLE t USING lsmkv(%s%s%s%s, sync = off)", definition->columns,
            definition->index ? ", INDEX i(" : "", definition->index ? definition->index : "",
            definition->index ? ")" : "");
    sqlite3_str_appendf(twins->history, "%s / %s\n", definition->columns, definition->index);
}

static void twins_close(struct twins *twins)
{
    index_check(twins->path);
    sqlite3_free(sqlite3_str_finish(twins->history));
    kit_close(twins->ordinary);
    kit_close(twins->lsmkv);
}

static void compare_text(const struct twins *twins, const char *sql)
{
    char *expected = kit_rows(twins->ordinary, sql, true), *got = kit_rows(twins->lsmkv, sql, true);

    if (strcmp(expected, got) != 0) {
        fprintf(stderr, "%s", sqlite3_str_value(twins->history));
        fail_msg("%s\nexpected:\n%s\ngot:\n%s", sql, expected, got);
    }
    sqlite3_free(expected);
    sqlite3_free(got);
}

static void compare_number(const struct twins *twins, const char *what, sqlite3_int64 expected, sqlite3_int64 got)
{
    if (expected == got)
        return;
    fprintf(stderr, "%s", sqlite3_str_value(twins->history));
    fail_msg("%s: expected %lld, got %lld", what, (long long)expected, (long long)got);
}

static bool is_change(const char *sql)
{
    return strncmp(sql, "INSERT", 6) == 0 || strncmp(sql, "UPDATE", 6) == 0 || strncmp(sql, "DELETE", 6) == 0;
}

/* UPDATE OR REPLACE counts rows that it removed itself before: see ext/README.md. */
static bool is_counted(const char *sql)
{
    return is_change(sql) && strncmp(sql, "UPDATE OR REPLACE", 17) != 0;
}

static void twins_run(struct twins *twins, const char *sql)
{
    sqlite3_str_appendf(twins->history, "%s;\n", sql);
    compare_text(twins, sql);
    if (is_counted(sql))
        compare_number(twins, "changes()", sqlite3_changes64(twins->ordinary), sqlite3_changes64(twins->lsmkv));
    compare_number(twins, "last_insert_rowid()", sqlite3_last_insert_rowid(twins->ordinary),
                   sqlite3_last_insert_rowid(twins->lsmkv));
    compare_number(twins, "autocommit", sqlite3_get_autocommit(twins->ordinary), sqlite3_get_autocommit(twins->lsmkv));
    if (is_change(sql) || strncmp(sql, "ROLLBACK", 8) == 0)
        compare_text(twins, "SELECT * FROM t");
}

/* ---- Written statements, on every definition ---- */

static void conflicts_are_found_in_the_order_of_an_ordinary_table(void **state)
{
    static const char *const statements[] = {
        "INSERT INTO t(id, a, b, c) VALUES(1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3), (4, 4, 4, 4)",
        "INSERT INTO t(id, a, b, c) VALUES(1, 1, 1, 1)",
        "INSERT INTO t(id, a, b, c) VALUES(9, 1, 1, 1)",
        "INSERT INTO t(id, a, b, c) VALUES(9, 1, 1, 8)",
        "INSERT INTO t(id, a, b, c) VALUES(1, 1, 8, 8)",
        "INSERT INTO t(id, a, b, c) VALUES(1, 8, 8, 1)",
        "INSERT INTO t(id, a, b, c) VALUES(1, 1, 9, 1)",
        "INSERT INTO t(id, a, b, c) VALUES(1, NULL, 9, 95)",
        "UPDATE t SET id = 2, a = 2, b = 2, c = 2 WHERE id = 1",
        "UPDATE t SET a = 2, b = 2, c = 2 WHERE id = 1",
        "UPDATE t SET a = 2, b = 9 WHERE id = 1",
        "UPDATE t SET a = 2, b = NULL WHERE id = 1",
        "UPDATE t SET id = 2, b = 8 WHERE id = 1",
        "UPDATE t SET a = a, b = b, c = c, id = id",
        "UPDATE t SET a = a + 0.0, c = c || ''",
        "INSERT OR IGNORE INTO t(id, a, b, c) VALUES(7, 7, 9, 7), (8, 8, 8, 8), (9, 9, 8, 9), (1, 1, 1, 1)",
        "INSERT OR FAIL INTO t(id, a, b, c) VALUES(11, 11, 11, 11), (1, 8, 8, 1), (12, 12, 12, 12)",
        "INSERT OR ABORT INTO t(id, a, b, c) VALUES(13, 13, 13, 13), (1, 8, 8, 1), (12, 12, 12, 12)",
        "INSERT OR REPLACE INTO t(id, a, b, c) VALUES(1, 2, 3, 4)",
        "INSERT OR REPLACE INTO t(id, a, b, c) VALUES(12, 12, 9, 95)",
        "INSERT OR REPLACE INTO t(id, a, b, c) VALUES(20, 20, 20, 20), (21, 20, 20, 20), (20, 21, 20, 21)",
        "INSERT INTO t(id, a, b, c) VALUES(30, 30, 30, 30), (31, 31, 31, 31), (32, 32, 32, 32)",
        "UPDATE OR REPLACE t SET a = 31, b = 32, c = 30 WHERE id = 30",
        "UPDATE OR REPLACE t SET id = 2, a = 3, b = 4 WHERE id = 11",
        "UPDATE OR IGNORE t SET a = 2, b = 2, c = 2",
        "UPDATE OR FAIL t SET b = b + 1, c = 40",
        "UPDATE OR REPLACE t SET a = 5, b = 5, c = 5",
        "INSERT INTO t(a, b, id, c) SELECT x, x, x, x FROM (SELECT 50 AS x UNION ALL SELECT 51 UNION ALL SELECT 52)",
        "UPDATE t SET id = id + 1",
        "UPDATE t SET a = a + 1, b = b + 1 WHERE id > 51",
        "BEGIN",
        "INSERT INTO t(id, a, b, c) VALUES(60, 60, 60, 60)",
        "SAVEPOINT s",
        "UPDATE t SET c = 61, a = 61 WHERE id = 60",
        "DELETE FROM t WHERE id < 60",
        "INSERT INTO t(id, a, b, c) VALUES(60, 70, 70, 61)",
        "ROLLBACK TO s",
        "INSERT INTO t(id, a, b, c) VALUES(62, 62, 60, 60)",
        "INSERT OR ROLLBACK INTO t(id, a, b, c) VALUES(63, 63, 63, 63), (60, 60, 60, 60)",
        "BEGIN",
        "INSERT INTO t(id, a, b, c) VALUES(60, 60, 60, 60)",
        "COMMIT",
        "INSERT INTO t(id, a, b, c) VALUES('x', 'x', 'x', 'x'), ('X', 'X', 'X', 'X')",
        "INSERT INTO t(id, a, b, c) VALUES(80, NULL, 80, NULL), (81, NULL, 81, NULL), (82, NULL, 82, NULL)",
        "UPDATE t SET id = id || 'y' WHERE id LIKE 'x%'",
        "DELETE FROM t WHERE a IS NULL",
        "DELETE FROM t",
        "INSERT INTO t(id, a, b, c) VALUES(1, 1, 1, 1)",
        NULL};

    (void)state;
    for (size_t i = 0; i < DEFINITIONS; i++) {
        struct twins twins;

        twins_open(&twins, &definitions[i]);
        for (const char *const *sql = statements; *sql; sql++)
            twins_run(&twins, *sql);
        twins_close(&twins);
    }
}

/* ---- By seed ---- */

static const char *const values[] = {"0",    "1",   "2",   "3",    "4",     "'a'", "'A'",
                                     "'b '", "1.0", "2.5", "NULL", "x'00'", "9",   "95"};

static const char *value_of(uint64_t *random)
{
    return values[test_random(random) % (sizeof(values) / sizeof(values[0]))];
}

/* No NULL: a DEFAULT column would take it for left out. */
static const char *given_value(uint64_t *random)
{
    const char *value = value_of(random);

    return strcmp(value, "NULL") == 0 ? "7" : value;
}

static const char *clause_of(uint64_t *random)
{
    static const char *const clauses[] = {"", "", " OR IGNORE", " OR FAIL", " OR ABORT", " OR REPLACE", " OR ROLLBACK"};

    return clauses[test_random(random) % 7];
}

/*
 * No id that an INTEGER PRIMARY KEY would refuse: a datatype mismatch leaves the rows before it in some statements on an
 * ordinary table, and undoes them on a virtual one; see ext/README.md.
 */
static const char *id_value(uint64_t *random)
{
    static const char *const ids[] = {"0", "1", "2", "3", "4", "'5'", "6.0", "95"};

    return ids[test_random(random) % 8];
}

static void append_row(sqlite3_str *sql, uint64_t *random)
{
    const char *id = id_value(random), *a = given_value(random), *b = given_value(random), *c = value_of(random);

    sqlite3_str_appendf(sql, "(%s, %s, %s, %s)", id, a, b, c);
}

static void append_insert(sqlite3_str *sql, uint64_t *random)
{
    uint64_t rows = 1 + test_random(random) % 3;

    sqlite3_str_appendf(sql, "INSERT%s INTO t(id, a, b, c) VALUES ", clause_of(random));
    while (rows--) {
        append_row(sql, random);
        if (rows)
            sqlite3_str_appendall(sql, ", ");
    }
}

/*
 * Of OR REPLACE one row only: core reads a row again whose key was given to another one before, which a virtual table
 * cannot. Others are found by a condition that no index serves or covers, so that both sides visit the rows in the order
 * of the key.
 */
static void append_condition(sqlite3_str *sql, uint64_t *random, bool one)
{
    if (one)
        sqlite3_str_appendf(sql, " WHERE id = %s AND a = %s", id_value(random), given_value(random));
    else
        sqlite3_str_appendf(sql, " WHERE %s %s AND typeof(a) || typeof(b) || typeof(c) <> ''",
                            test_random(random) % 2 ? "+id >=" : "id =", id_value(random));
}

static void append_update(sqlite3_str *sql, uint64_t *random)
{
    static const char *const names[] = {"id", "a", "b", "c"};
    const char *first = names[test_random(random) % 4], *second = names[test_random(random) % 4];
    const char *clause = clause_of(random);

    sqlite3_str_appendf(sql, "UPDATE%s t SET %s = %s", clause, first,
                        strcmp(first, "id") == 0 ? id_value(random) : value_of(random));
    if (strcmp(first, second) != 0)
        sqlite3_str_appendf(sql, ", %s = %s", second, strcmp(second, "id") == 0 ? id_value(random) : value_of(random));
    append_condition(sql, random, strcmp(clause, " OR REPLACE") == 0);
}

static void append_statement(sqlite3_str *sql, uint64_t *random, int *depth)
{
    switch (test_random(random) % 16) {
    case 0:
        sqlite3_str_appendf(sql, "SAVEPOINT s%d", (*depth)++);
        break;
    case 1:
        if (*depth) {
            *depth = 1 + (int)(test_random(random) % (uint64_t)*depth);
            sqlite3_str_appendf(sql, "ROLLBACK TO s%d", *depth - 1);
        }
        break;
    case 2:
        if (*depth)
            sqlite3_str_appendf(sql, "RELEASE s%d", --*depth);
        break;
    case 3:
    case 4:
        sqlite3_str_appendf(sql, "DELETE FROM t WHERE id = %s", id_value(random));
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        append_update(sql, random);
        break;
    default:
        append_insert(sql, random);
        break;
    }
}

static void run_by_seed(const struct definition *definition, uint64_t *random, size_t statements)
{
    struct twins twins;
    int depth = 0;

    twins_open(&twins, definition);
    for (size_t i = 0; i < statements; i++) {
        sqlite3_str *text = sqlite3_str_new(NULL);
        char *sql;

        append_statement(text, random, &depth);
        sql = sqlite3_str_finish(text);
        if (sql)
            twins_run(&twins, sql);
        sqlite3_free(sql);
        if (sqlite3_get_autocommit(twins.lsmkv))
            depth = 0; /* OR ROLLBACK ended them */
        if (depth > 5)
            twins_run(&twins, (depth = 0, "COMMIT"));
        if (!depth && i % 64 == 0)
            index_check(twins.path);
    }
    if (depth)
        twins_run(&twins, "COMMIT");
    twins_close(&twins);
}

static void random_changes_agree_with_an_ordinary_table(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (size_t i = 0; i < DEFINITIONS; i++)
        run_by_seed(&definitions[i], &random, test_scaled(1500));
    assert_true(index_check_entries() > test_scaled(1000));
}

/* ---- CHECK and DEFAULT ---- */

static void run_all(const struct definition *definition, const char *const *statements)
{
    struct twins twins;

    twins_open(&twins, definition);
    for (; *statements; statements++)
        twins_run(&twins, *statements);
    twins_close(&twins);
}

static void checks_test_what_will_be_stored(void **state)
{
    static const struct definition definition = {
        "id INTEGER PRIMARY KEY, a INT CHECK(typeof(a) IN ('integer', 'null')) CHECK(a > 0), "
        "b TEXT COLLATE NOCASE CONSTRAINT \"not 'x'\" CHECK(b <> 'x'), c REAL CHECK( typeof(c) <> 'text' ), \"d e\" "
        "CHECK(\"d e\" IS NOT a AND length(\"d e\") < 100000), CHECK(rowid <> 13 /* unlucky */), "
        "CONSTRAINT sum CHECK(a + id < 1000), CHECK(abs(c) >= 0 -- overflows\n)",
        NULL, false};
    static const char *const statements[] = {"INSERT INTO t VALUES(1, '2', 3, 4, 5)",
                                             "INSERT INTO t(a) VALUES('two')",
                                             "INSERT INTO t(a) VALUES(0)",
                                             "INSERT INTO t(b) VALUES('X')",
                                             "INSERT INTO t(b, c) VALUES('Y', 'z')",
                                             "INSERT INTO t(a, \"d e\") VALUES(7, 7)",
                                             "INSERT INTO t(id) VALUES(13)",
                                             "INSERT INTO t(rowid) VALUES(13)",
                                             "INSERT INTO t(id, a) VALUES(900, 100)",
                                             "INSERT OR IGNORE INTO t(id, a) VALUES(900, 100), (901, 2), (13, 1)",
                                             "INSERT OR REPLACE INTO t(id, a) VALUES(1, 50), (901, 100)",
                                             "INSERT OR FAIL INTO t(id, a) VALUES(2, 1), (3, -1), (4, 1)",
                                             "INSERT INTO t(id, c) VALUES(20, -9223372036854775808)",
                                             "INSERT INTO t(id, \"d e\") VALUES(21, zeroblob(99999))",
                                             "INSERT INTO t(id, \"d e\") VALUES(22, zeroblob(100000))",
                                             "UPDATE t SET a = a + 1",
                                             "UPDATE t SET a = -a",
                                             "UPDATE OR IGNORE t SET a = a - 2",
                                             "UPDATE t SET id = 13 WHERE id = 1",
                                             "UPDATE t SET rowid = 13 WHERE id = 1",
                                             "UPDATE t SET id = id + 950",
                                             "UPDATE t SET \"d e\" = a",
                                             "PRAGMA ignore_check_constraints = ON",
                                             "INSERT INTO t(id, a) VALUES(13, -1)",
                                             "PRAGMA ignore_check_constraints = OFF",
                                             "UPDATE t SET a = -2 WHERE id = 13",
                                             "DELETE FROM t WHERE id = 13",
                                             NULL};

    (void)state;
    run_all(&definition, statements);
}

static void defaults_replace_what_is_left_out(void **state)
{
    static const struct definition definition = {
        "id INTEGER PRIMARY KEY, a INT NOT NULL DEFAULT '5' CHECK(a < 10), b TEXT NOT NULL DEFAULT word, c NOT NULL "
        "DEFAULT "
        "-1.50, d NOT NULL DEFAULT (length('four') || typeof(x'00')), e BLOB NOT NULL DEFAULT x'00ff', f NOT NULL "
        "DEFAULT "
        "TRUE, g NOT NULL DEFAULT CURRENT_DATE, h NOT NULL DEFAULT (nullif(1, 1))",
        "a, b", false};
    static const char *const statements[] = {"INSERT INTO t(id) VALUES(1)",
                                             "INSERT INTO t(id, h) VALUES(2, 1), (3, 1)",
                                             "INSERT INTO t(id, a, h) VALUES(4, 10, 1)",
                                             "INSERT INTO t(a, b, c, d, e, f, g, h) VALUES(1, 2, 3, 4, 5, 6, 7, 8)",
                                             "INSERT OR REPLACE INTO t(id, a, h) VALUES(2, NULL, 2)",
                                             "INSERT OR IGNORE INTO t(id) VALUES(9), (10)",
                                             "UPDATE t SET b = NULL",
                                             "UPDATE OR IGNORE t SET b = NULL",
                                             "UPDATE OR REPLACE t SET a = NULL, b = NULL, c = NULL WHERE id = 4",
                                             "UPDATE OR REPLACE t SET h = NULL WHERE id = 4",
                                             NULL};

    (void)state;
    run_all(&definition, statements);
}

static void a_default_is_evaluated_for_each_row(void **state)
{
    sqlite3 *db = kit_open(kit_path(test_dir(), "test.db"));

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, r NOT NULL DEFAULT (random()))");
    kit_run(db, "INSERT INTO t(id) VALUES(1), (2), (3)");
    kit_expect(db, "3\n", "SELECT count(DISTINCT r) FROM t");
    kit_run(db, "INSERT INTO t(id, r) VALUES(4, NULL)"); /* the same to SQLite as a column left out */
    kit_expect(db, "1\n", "SELECT count(*) FROM t WHERE id = 4 AND typeof(r) = 'integer'");
    kit_close(db);
}

/* An earlier file of the database is read without its store: expressions are looked at when the table is written. */
static void constraints_hold_after_reopening(void **state)
{
    const char *path = kit_path(test_dir(), "test.db");
    sqlite3 *db = kit_open(path);

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(b UNIQUE, a TEXT, c CHECK(c > 0) NOT NULL DEFAULT (1 + 1), "
                "PRIMARY KEY(a), UNIQUE(c, b), INDEX i(c DESC))");
    kit_run(db, "INSERT INTO t(a, b) VALUES('k', 1)");
    kit_close(db);
    db = kit_open(path);
    kit_fails(db, SQLITE_CONSTRAINT_CHECK, "CHECK constraint failed: c > 0", "INSERT INTO t VALUES(1, 'k', 0)");
    kit_fails(db, SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: t.a", "INSERT INTO t(a, b) VALUES('k', 5)");
    kit_fails(db, SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: t.c, t.b", "INSERT INTO t(a, b) VALUES('l', 1)");
    kit_fails(db, SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: t.b", "INSERT INTO t VALUES(1, 'l', 9)");
    kit_run(db, "INSERT INTO t(a, b) VALUES('l', 2)");
    kit_run(db, "ALTER TABLE t RENAME TO u");
    kit_fails(db, SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: u.b", "UPDATE u SET b = 1, c = 7 WHERE a = 'l'");
    kit_expect(db, "1|'k'|2\n2|'l'|2\n", "SELECT * FROM u ORDER BY a");
    kit_close(db);
    index_check(path);
}

/* SQLite opens no savepoint for a statement of one row: what REPLACE has removed must come back all the same. */
static void a_row_that_fails_half_way_leaves_nothing(void **state)
{
    const char *path = kit_path(test_dir(), "test.db");
    sqlite3 *db = kit_open(path);

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, a UNIQUE, b, INDEX i(b))");
    kit_run(db, "INSERT INTO t VALUES(1, 'x', 1), (2, 'y', 2)");
    kit_run(db, "BEGIN");
    kit_fails(db, SQLITE_TOOBIG, "key", "INSERT OR REPLACE INTO t VALUES(1, 'y', zeroblob(2000000))");
    kit_fails(db, SQLITE_TOOBIG, "key", "UPDATE OR REPLACE t SET id = 3, a = 'y', b = zeroblob(2000000) WHERE id = 1");
    kit_expect(db, "1|'x'|1\n2|'y'|2\n", "SELECT * FROM t ORDER BY id");
    kit_run(db, "INSERT INTO t(a) VALUES('z'); COMMIT");
    kit_expect(db, "1|'x'|1\n2|'y'|2\n3|'z'|NULL\n", "SELECT * FROM t ORDER BY id");
    kit_close(db);
    index_check(path);
}

/* ---- How much is written ---- */

static sqlite3_int64 writes_of(sqlite3 *db, const char *sql)
{
    static const char *const count = "SELECT value FROM lsmkv_stats('t') WHERE name = 'writes'";
    char *before = kit_rows(db, count, false), *after;
    sqlite3_int64 written;

    kit_run(db, "%s", sql);
    after = kit_rows(db, count, false);
    written = strtoll(after, NULL, 10) - strtoll(before, NULL, 10);
    sqlite3_free(before);
    sqlite3_free(after);
    return written;
}

static void an_update_writes_only_entries_that_change(void **state)
{
    sqlite3 *db = kit_open(kit_path(test_dir(), "test.db"));

    (void)state;
    kit_run(
        db,
        "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, a COLLATE NOCASE, b, c, UNIQUE(a), INDEX i(b, a))");
    assert_int_equal(writes_of(db, "INSERT INTO t VALUES(1, 'x', 2, 3)"), 3);
    assert_int_equal(writes_of(db, "UPDATE t SET c = 4"), 1);
    assert_int_equal(writes_of(db, "UPDATE t SET b = 2"), 1);
    assert_int_equal(writes_of(db, "UPDATE t SET b = 3"), 3);
    assert_int_equal(writes_of(db, "UPDATE t SET b = 3.0"), 2); /* the same key, another value */
    assert_int_equal(writes_of(db, "UPDATE t SET a = 'X'"), 3);
    assert_int_equal(writes_of(db, "UPDATE t SET a = 'y'"), 5);
    assert_int_equal(writes_of(db, "UPDATE t SET id = 2"), 6);
    assert_int_equal(writes_of(db, "DELETE FROM t"), 3);
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conflicts_are_found_in_the_order_of_an_ordinary_table),
        cmocka_unit_test(random_changes_agree_with_an_ordinary_table),
        cmocka_unit_test(checks_test_what_will_be_stored),
        cmocka_unit_test(defaults_replace_what_is_left_out),
        cmocka_unit_test(a_default_is_evaluated_for_each_row),
        cmocka_unit_test(constraints_hold_after_reopening),
        cmocka_unit_test(a_row_that_fails_half_way_leaves_nothing),
        cmocka_unit_test(an_update_writes_only_entries_that_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
