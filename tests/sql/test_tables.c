/*
 * test_tables.c - tables and their stores through SQL: what CREATE makes or refuses, what is shared, what DROP removes,
 * what is said when the store is not the one that belongs there; reading and looking.
 */
#include "sql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ext/entry.h"

static bool exists(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static sqlite3 *open_in(const char *dir)
{
    return kit_open(kit_path(dir, "test.db"));
}

/* ---- CREATE ---- */

static void without_arguments_a_table_has_key_and_value(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir);

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('a', 1), (2, x'00')");
    kit_expect(db, "2|x'00'\n'a'|1\n", "SELECT key, value FROM kv");
    assert_true(exists(kit_path(dir, "test.db-lsmkv/global.json")));
    kit_close(db);
    db = open_in(dir);
    kit_expect(db, "2|x'00'\n'a'|1\n", "SELECT * FROM kv");
    kit_close(db);
}

static void directories_count_from_the_database_file(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir);

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE a USING lsmkv('rel''ative'); CREATE VIRTUAL TABLE b USING lsmkv(dir = other)");
    kit_run(db, "CREATE VIRTUAL TABLE c USING lsmkv('%q', x)", kit_path(dir, "absolute"));
    assert_true(exists(kit_path(dir, "rel'ative/global.json")));
    assert_true(exists(kit_path(dir, "other/global.json")));
    assert_true(exists(kit_path(dir, "absolute/global.json")));
    kit_run(db, "ATTACH '%q' AS side", kit_path(dir, "side.db"));
    kit_run(db, "CREATE VIRTUAL TABLE side.t USING lsmkv; INSERT INTO side.t VALUES(1, 2)");
    assert_true(exists(kit_path(dir, "side.db-lsmkv/global.json")));
    kit_close(db);
    db = kit_open(kit_path(dir, "side.db"));
    kit_expect(db, "1|2\n", "SELECT * FROM t");
    kit_close(db);
}

static void what_is_not_supported_is_refused_by_name(void **state)
{
    static const struct {
        const char *arguments, *message;
    } cases[] = {
        {"a DEFAULT 1", "column a: DEFAULT is supported with NOT NULL only"},
        {"a NOT NULL DEFAULT (mine(1))", "unknown function: mine() (CHECK and DEFAULT can use SQLite's own functions"},
        {"a, b NOT NULL DEFAULT (a)", "default value of column [b] is not constant"},
        {"a CHECK (mine(a))", "no such function: mine (CHECK and DEFAULT can use SQLite's own functions"},
        {"a CHECK (b)", "no such column: b"},
        {"a CHECK (a > (SELECT 1))", "subqueries prohibited in CHECK constraints"},
        {"a CHECK (a > ?)", "parameters prohibited in CHECK constraints"},
        {"a PRIMARY KEY CHECK (rowid > 0)", "no such column: rowid"},
        {"a INTEGER PRIMARY KEY NOT NULL DEFAULT 1", "DEFAULT of an INTEGER PRIMARY KEY is not supported"},
        {"a REFERENCES t(b)", "column a: REFERENCES is not supported"},
        {"a GENERATED ALWAYS AS (1)", "column a: a generated column is not supported"},
        {"a, b AS (a + 1)", "column b: a generated column is not supported"},
        {"a INTEGER PRIMARY KEY AUTOINCREMENT", "column a: AUTOINCREMENT is not supported"},
        {"a PRIMARY KEY ON CONFLICT REPLACE", "column a: ON CONFLICT is not supported"},
        {"a NOT NULL ON CONFLICT IGNORE", "column a: ON CONFLICT is not supported"},
        {"a, PRIMARY KEY (a) ON CONFLICT FAIL", "ON CONFLICT is not supported"},
        {"a, PRIMARY KEY (a AUTOINCREMENT)", "AUTOINCREMENT is not supported"},
        {"a, PRIMARY KEY (a, a DESC)", "column a is in one PRIMARY KEY twice"},
        {"a, PRIMARY KEY (a + 1)", "expressions prohibited in PRIMARY KEY and UNIQUE constraints"},
        {"a, UNIQUE (lower(a))", "expressions prohibited in PRIMARY KEY and UNIQUE constraints"},
        {"a, INDEX i (lower(a))", "an expression in an INDEX is not supported"},
        {"a, INDEX i (a) WHERE a > 0", "WHERE of an INDEX is not supported"},
        {"a, INDEX i (a), INDEX I (a)", "index I already exists"},
        {"a, INDEX (a)", "an INDEX needs a name"},
        {"a, UNIQUE (a NULLS LAST)", "unsupported use of NULLS LAST"},
        {"a, UNIQUE (a COLLATE mine)", "column a: COLLATE mine is not supported in UNIQUE"},
        {"a COLLATE mine, INDEX i (a)", "column a: COLLATE mine is not supported in INDEX"},
        {"a TEXT hidden", "column a: HIDDEN in a type is not supported"},
        {"a, CONSTRAINT c FOREIGN KEY (a) REFERENCES t(b)", "FOREIGN KEY is not supported"},
        {"a COLLATE mine PRIMARY KEY", "column a: COLLATE mine is not supported in PRIMARY KEY"},
        {"a COLLATE mine", "no such collation sequence: mine"},
        {"a PRIMARY KEY, b PRIMARY KEY", "table \"t\" has more than one primary key"},
        {"a, A", "duplicate column name: A"},
        {"a, PRIMARY KEY (b)", "no such column: b"},
        {"a, 'b'", "'b': a string literal cannot name a column"},
        {"order", "near \"order\": syntax error"},
        {"nonsense = 1", "unknown option: nonsense"},
        {"sync = full, sync = full", "option sync is given twice"},
        {"sync = sometimes", "sync"},
        {"memtable_size = 1", "memtable_size"},
        {"dir = ''", "option dir is empty"},
        {"'/nowhere/at/all'", "/nowhere/at: No such file or directory"},
        {"'x', 'y'", "'y': a string literal cannot name a column"},
        {"table = nothing", "holds no table nothing"},
    };
    sqlite3 *db = open_in(test_dir());
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *sql = sqlite3_mprintf("CREATE VIRTUAL TABLE t USING lsmkv(%s)", cases[i].arguments);
        int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

        if (rc == SQLITE_OK || !strstr(sqlite3_errmsg(db), cases[i].message))
            fail_msg("%s: expected \"%s\", got %d \"%s\"", sql, cases[i].message, rc, sqlite3_errmsg(db));
        sqlite3_free(sql);
    }
    kit_expect(db, "", "SELECT name FROM sqlite_schema WHERE name <> 'lsmkv_marker'");
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv");
    kit_close(db);
}

static void keys_of_several_columns_and_descending_ones_hold_rows(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a TEXT, b INTEGER, lsmkv_key, "
                "PRIMARY KEY (a COLLATE NOCASE, b DESC))");
    kit_run(db, "INSERT INTO t VALUES('x', 1, 'p'), ('X', 2, 'q'), ('y', '3', 'r'), ('', -4, 's')");
    kit_expect(db, "''|-4\n'X'|2\n'x'|1\n'y'|3\n", "SELECT a, b FROM t");
    kit_fails(db, SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: t.a, t.b",
              "INSERT INTO t VALUES('Y', 3, 0)");
    kit_fails(db, SQLITE_CONSTRAINT_NOTNULL, "NOT NULL constraint failed: t.b", "INSERT INTO t VALUES('Y', NULL, 0)");
    kit_run(db, "UPDATE t SET b = b + 10 WHERE a = 'x'; DELETE FROM t WHERE lsmkv_key = 'r'");
    kit_expect(db, "''|-4|'s'\n'x'|11|'p'\n'X'|2|'q'\n", "SELECT * FROM t");
    kit_run(db, "REPLACE INTO t VALUES('X', 11, 'new')");
    kit_expect(db, "''|-4|'s'\n'X'|11|'new'\n'X'|2|'q'\n", "SELECT * FROM t");
    kit_fails(db, SQLITE_ERROR, "the hidden key follows from the columns", "UPDATE t SET lsmkv_key_2 = x'00'");
    kit_fails(db, SQLITE_ERROR, "the hidden key follows from the columns",
              "INSERT INTO t(a, b, lsmkv_key_2) VALUES('n', 1, x'00')");
    kit_run(db,
            "UPDATE t SET b = 12 FROM (SELECT 'new' AS v) AS n WHERE lsmkv_key = n.v; UPDATE t SET a = a WHERE b = 12");
    kit_expect(db, "''|-4|'s'\n'X'|12|'new'\n'X'|2|'q'\n", "SELECT * FROM t ORDER BY a COLLATE NOCASE, b DESC");
    kit_run(db, "CREATE VIRTUAL TABLE d USING lsmkv(id INTEGER PRIMARY KEY DESC, v)");
    kit_run(db, "INSERT INTO d VALUES(1, 1), (3, 3), (-2, 2)");
    kit_expect(db, "3|3\n1|1\n-2|2\n", "SELECT * FROM d");
    kit_run(db, "UPDATE d SET id = 0 WHERE id = 3");
    kit_expect(db, "1|1\n0|3\n-2|2\n", "SELECT * FROM d");
    kit_close(db);
}

static void a_path_that_is_no_store_is_refused_and_left_alone(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir);

    (void)state;
    write_file(kit_path(dir, "file"), "not a store");
    assert_int_equal(mkdir(kit_path(dir, "ours-not"), 0700), 0);
    write_file(kit_path(dir, "ours-not/letter.txt"), "dear");
    kit_fails(db, SQLITE_CANTOPEN, "file", "CREATE VIRTUAL TABLE t USING lsmkv('file')");
    kit_fails(db, SQLITE_CANTOPEN, "ours-not", "CREATE VIRTUAL TABLE t USING lsmkv('ours-not')");
    assert_true(exists(kit_path(dir, "ours-not/letter.txt")));
    assert_false(exists(kit_path(dir, "ours-not/global.json")));
    kit_close(db);
    assert_true(exists(kit_path(dir, "file")));
    assert_true(exists(kit_path(dir, "ours-not/letter.txt")));
}

static void a_definition_is_opened_again_only_as_it_is_stored(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir), *memory = kit_open(":memory:");

    (void)state;
    kit_run(db,
            "CREATE VIRTUAL TABLE e USING lsmkv('store', device TEXT COLLATE NOCASE PRIMARY KEY, at INTEGER NOT NULL)");
    kit_run(db, "INSERT INTO e VALUES('d', 1)");
    assert_int_equal(kit_try(memory, "CREATE VIRTUAL TABLE e USING lsmkv('%q', device TEXT PRIMARY KEY, at)",
                             kit_path(dir, "store")),
                     SQLITE_ERROR);
    assert_non_null(strstr(sqlite3_errmsg(memory), "already holds a table e with other columns: "
                                                   "device TEXT PRIMARY KEY COLLATE \"NOCASE\", at INTEGER NOT NULL"));
    kit_run(
        memory,
        "CREATE VIRTUAL TABLE e USING lsmkv('%q', [Device] text COLLATE nocase /* the key */ NOT NULL, \"AT\" INTEGER "
        "CONSTRAINT c NOT NULL, PRIMARY KEY (device ASC))",
        kit_path(dir, "store"));
    kit_run(memory, "CREATE VIRTUAL TABLE f USING lsmkv('%q', table = e)", kit_path(dir, "store"));
    kit_expect(memory, "1\n", "SELECT at FROM e WHERE device = 'D'");
    kit_expect(memory, "1\n", "SELECT at FROM f WHERE device = 'D'");
    kit_expect(memory, "'device'|'TEXT'|1|1\n'at'|'INTEGER'|1|0\n",
               "SELECT name, type, \"notnull\", pk FROM pragma_table_info('f')");
    kit_close(memory);
    kit_close(db);
}

static void options_of_an_existing_store_must_be_what_it_has(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE a USING lsmkv(x, sync = normal, memtable_size = '1MB')");
    kit_run(db, "CREATE VIRTUAL TABLE b USING lsmkv(x, SYNC = 'normal')");
    kit_fails(db, SQLITE_ERROR, "option sync: the store exists and has normal, not off",
              "CREATE VIRTUAL TABLE c USING lsmkv(x, sync = off)");
    kit_close(db);
}

static void memory_databases_have_a_store_of_their_own(void **state)
{
    sqlite3 *one = kit_open(":memory:"), *two = kit_open(":memory:");

    (void)state;
    kit_run(one, "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('a', 1)");
    kit_run(two, "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('b', 2)");
    kit_run(
        one,
        "CREATE VIRTUAL TABLE temp.other USING lsmkv(x); BEGIN; INSERT INTO other VALUES(1); DELETE FROM kv; ROLLBACK");
    kit_expect(one, "'a'|1\n", "SELECT * FROM kv");
    kit_expect(two, "'b'|2\n", "SELECT * FROM kv");
    kit_run(one, "DROP TABLE kv; CREATE VIRTUAL TABLE kv USING lsmkv(x)");
    kit_close(one);
    kit_close(two);
}

static void each_memory_schema_has_tables_of_its_own(void **state)
{
    sqlite3 *db = kit_open(":memory:");

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('main', 1); ATTACH ':memory:' AS m");
    kit_run(db, "CREATE VIRTUAL TABLE m.kv USING lsmkv; INSERT INTO m.kv VALUES('m', 2)");
    kit_run(db, "CREATE VIRTUAL TABLE temp.kv USING lsmkv; INSERT INTO temp.kv VALUES('temp', 3)");
    kit_expect(db, "'main'|'m'|'temp'\n", "SELECT a.key, b.key, c.key FROM main.kv a, m.kv b, temp.kv c");
    kit_run(db, "CREATE VIRTUAL TABLE m.other USING lsmkv; ALTER TABLE main.kv RENAME TO other");
    kit_run(db, "INSERT INTO m.other VALUES('m', 4)");
    kit_expect(db, "'main'|1\n", "SELECT * FROM main.other");
    kit_run(db, "DROP TABLE main.other");
    kit_expect(db, "'m'|2\n", "SELECT * FROM m.kv");
    kit_run(db, "DETACH m; ATTACH ':memory:' AS m; CREATE VIRTUAL TABLE m.kv USING lsmkv");
    kit_expect(db, "", "SELECT * FROM m.kv");
    kit_run(db, "DROP TABLE temp.kv; CREATE VIRTUAL TABLE temp.kv USING lsmkv");
    kit_expect(db, "", "SELECT * FROM temp.kv");
    kit_fails(db, SQLITE_ERROR, "option table", "CREATE VIRTUAL TABLE temp.x USING lsmkv(table = kv)");
    kit_close(db);
}

/* ---- Values ---- */

static void keys_and_rows_have_limits(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(k PRIMARY KEY, v, memtable_size = '64KB')");
    /* A key is the table's id, a class byte, the bytes, and two more at the end. */
    kit_run(db, "INSERT INTO t VALUES(zeroblob(0) || printf('%%.*c', 1048576 - 7, 'x'), 1)");
    kit_fails(db, SQLITE_TOOBIG, "a key of 1048577 bytes is over the limit of 1048576",
              "INSERT INTO t VALUES(printf('%.*c', 1048576 - 6, 'x'), 1)");
    kit_run(db, "INSERT INTO t VALUES('big', zeroblob(10000000))");
    kit_expect(db, "1048569|'integer'\n3|'blob'\n", "SELECT length(k), typeof(v) FROM t ORDER BY length(k) DESC");
    kit_expect(db, "10000000\n", "SELECT length(v) FROM t WHERE k = 'big'");
    kit_close(db);
}

static void values_come_back_as_they_were(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(k COLLATE NOCASE PRIMARY KEY, v)");
    kit_run(db, "INSERT INTO t VALUES('Mixed Case', 'x'), (char(65, 0, 66), char(0)), (x'00ff00', x'0000'), (1.0, 1), "
                "(2, 2.0)");
    kit_run(db, "INSERT INTO t VALUES(-9223372036854775808, -9223372036854775808), (9e999, -9e999), (0.1, 1e-320)");
    kit_run(db, "SELECT lsmkv_flush('t')");
    kit_expect(db,
               "-9223372036854775808|-9223372036854775808\n0.10000000000000001|9.9998886718268301e-321\n1.0|1\n2|2.0\n"
               "Inf|-Inf\n'A\\x00B'|'\\x00'\n'Mixed Case'|'x'\nx'00ff00'|x'0000'\n",
               "SELECT * FROM t");
    kit_close(db);
}

/* ---- Plans ---- */

/* There BINARY compares the bytes of UTF-16, low byte first: U+0100 is the least of these, and U+E000 is below '1'. */
static void a_utf16_database_compares_in_its_own_order(void **state)
{
    static const char *const queries[] = {
        "SELECT k FROM %s ORDER BY k",
        "SELECT k FROM %s ORDER BY k DESC LIMIT 2",
        "SELECT k FROM %s WHERE k > 'a' ORDER BY k",
        "SELECT k FROM %s WHERE k < '1' ORDER BY k",
        "SELECT min(k), max(k) FROM %s",
        "SELECT k FROM %s WHERE k IN ('a', char(256), 'x') ORDER BY k",
        "SELECT b.k FROM o a, %s b WHERE b.k > a.k AND a.k = '1' ORDER BY b.k",
    };
    const char *path = kit_path(test_dir(), "utf16.db");
    sqlite3 *db;
    size_t i;

    (void)state;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    kit_run(db, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE o(k TEXT PRIMARY KEY) WITHOUT ROWID");
    kit_close(db);
    db = kit_open(path);
    kit_expect(db, "'UTF-16le'\n", "PRAGMA encoding");
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(k TEXT PRIMARY KEY)");
    kit_run(db, "INSERT INTO o VALUES('a'), ('z'), ('1'), (char(256)), (char(57344)), (char(128512))");
    kit_run(db, "INSERT INTO t SELECT k FROM o");
    for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        char *ordinary = sqlite3_mprintf(queries[i], "o"), *lsmkv = sqlite3_mprintf(queries[i], "t");
        char *rows = kit_rows(db, ordinary, false);

        kit_expect(db, rows, lsmkv);
        sqlite3_free(rows);
        sqlite3_free(lsmkv);
        sqlite3_free(ordinary);
    }
    kit_close(db);
}

static void plan_is(sqlite3 *db, const char *plan, const char *sql)
{
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql), *rows = kit_rows(db, explain, false);

    if (!strstr(rows, plan))
        fail_msg("%s: expected %s, got %s", sql, plan, rows);
    sqlite3_free(explain);
    sqlite3_free(rows);
}

static void plans_use_the_key(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE i USING lsmkv(id INTEGER PRIMARY KEY, v); CREATE VIRTUAL TABLE kv USING lsmkv");
    kit_run(db, "CREATE TABLE o(x INTEGER PRIMARY KEY, y)");
    plan_is(db, ":id=?", "SELECT * FROM i WHERE id = 5");
    plan_is(db, ":id=?", "SELECT * FROM i WHERE rowid = 5");
    plan_is(db, ":id>? AND id<=? ORDER DESC", "SELECT * FROM i WHERE id > 5 AND id <= 9 ORDER BY id DESC");
    plan_is(db, ":id IN (?) ORDER", "SELECT * FROM i WHERE id IN (1, 2, 3) ORDER BY id");
    plan_is(db, sqlite3_libversion_number() >= 3046000 ? ":id>=? LIMIT" : ":id>=?'",
            "SELECT * FROM i WHERE id >= 5 LIMIT 3 OFFSET 2");
    plan_is(db, ":id>=?'", "SELECT * FROM i WHERE id >= 5 AND v = 1 LIMIT 3 OFFSET 2");
    plan_is(db, ":all rows", "SELECT * FROM i WHERE v = 1");
    plan_is(db, ":all rows ORDER", "SELECT min(id) FROM i");
    plan_is(db, ":all rows ORDER DESC", "SELECT max(id) FROM i");
    plan_is(db, ":key=?", "SELECT * FROM kv WHERE key = 'a'");
    plan_is(db, ":all rows", "SELECT * FROM kv WHERE key = 'a' COLLATE NOCASE");
    plan_is(db, ":key>=? AND key<?", "SELECT * FROM kv WHERE key GLOB 'a*'");
    plan_is(db, ":id=?", "SELECT * FROM o JOIN i ON i.id = o.y");
    kit_close(db);
}

/* ---- Stores that are not what they should be ---- */

static void move(const char *dir, const char *from, const char *to)
{
    assert_int_equal(rename(kit_path(dir, from), kit_path(dir, to)), 0);
}

static void make_database(const char *dir, const char *name)
{
    sqlite3 *db = kit_open(kit_path(dir, name));

    kit_run(db, "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('in', '%q')", name);
    kit_close(db);
}

static void database_and_store_move_together(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db;

    (void)state;
    make_database(dir, "old.db");
    move(dir, "old.db", "new.db");
    move(dir, "old.db-lsmkv", "new.db-lsmkv");
    db = kit_open(kit_path(dir, "new.db"));
    kit_expect(db, "'in'|'old.db'\n", "SELECT * FROM kv");
    kit_close(db);
}

static void a_missing_or_foreign_store_is_explained_and_drop_works(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db;

    (void)state;
    make_database(dir, "a.db");
    make_database(dir, "b.db");
    make_database(dir, "c.db");
    move(dir, "a.db-lsmkv", "aside");
    db = kit_open(kit_path(dir, "a.db"));
    kit_fails(db, SQLITE_CANTOPEN,
              "the store is missing; put the store that belongs to this database back in its place",
              "SELECT * FROM kv");
    kit_fails(db, SQLITE_CANTOPEN, "the store is missing", "INSERT INTO kv VALUES(1, 2)");
    assert_false(exists(kit_path(dir, "a.db-lsmkv")));
    kit_close(db);

    move(dir, "b.db-lsmkv", "a.db-lsmkv");
    db = kit_open(kit_path(dir, "a.db"));
    kit_expect(db, "'kv'|'virtual'\n'kv_lsmkv'|'shadow'\n",
               "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name LIKE 'kv%' ORDER BY name");
    kit_fails(db, SQLITE_CANTOPEN, "or DROP TABLE kv", "SELECT * FROM kv");
    kit_run(db, "DROP TABLE kv");
    kit_close(db);
    assert_true(exists(kit_path(dir, "a.db-lsmkv/global.json")));

    write_file(kit_path(dir, "c.db-lsmkv/global.json"), "{}");
    db = kit_open(kit_path(dir, "c.db"));
    assert_int_not_equal(kit_try(db, "SELECT * FROM kv"), SQLITE_OK);
    kit_run(db, "DROP TABLE kv");
    kit_expect(db, "", "SELECT name FROM sqlite_schema WHERE name <> 'lsmkv_marker'");
    kit_close(db);
    assert_true(exists(kit_path(dir, "c.db-lsmkv/global.json")));
}

static void a_damaged_shadow_table_is_explained_and_drop_works(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db;

    (void)state;
    make_database(dir, "a.db");
    db = kit_open(kit_path(dir, "a.db"));
    kit_run(db, "DELETE FROM kv_lsmkv WHERE k = 'table'");
    kit_close(db);
    db = kit_open(kit_path(dir, "a.db"));
    kit_fails(db, SQLITE_CORRUPT_VTAB, "shadow table kv_lsmkv: rows are missing", "SELECT * FROM kv");
    kit_run(db, "UPDATE kv_lsmkv SET v = 99 WHERE k = 'format'");
    kit_close(db);
    db = kit_open(kit_path(dir, "a.db"));
    kit_fails(db, SQLITE_CORRUPT_VTAB, "written by another version", "SELECT * FROM kv");
    kit_run(db, "DROP TABLE kv");
    kit_expect(db, "", "SELECT name FROM sqlite_schema WHERE name <> 'lsmkv_marker'");
    kit_close(db);
}

static void reading_the_schema_touches_no_store(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db, *other;

    (void)state;
    make_database(dir, "a.db");
    move(dir, "a.db-lsmkv", "aside");
    db = kit_open(kit_path(dir, "a.db"));
    kit_expect(db, "'key'\n'value'\n", "SELECT name FROM pragma_table_info('kv')");
    plan_is(db, ":key=?", "SELECT * FROM kv WHERE key = 1");
    assert_false(exists(kit_path(dir, "a.db-lsmkv")));
    move(dir, "aside", "a.db-lsmkv");
    other = kit_open(kit_path(dir, "a.db"));
    kit_expect(other, "1\n", "SELECT count(*) FROM kv");
    kit_expect(db, "1\n", "SELECT count(*) FROM kv");
    kit_close(db);
    kit_close(other);
}

/* ---- DROP ---- */

static void the_last_drop_removes_the_store_at_the_last_close(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir), *other;

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE a USING lsmkv; CREATE VIRTUAL TABLE b USING lsmkv; INSERT INTO b VALUES(1, 1)");
    kit_run(db, "DROP TABLE a");
    kit_close(db);
    assert_true(exists(kit_path(dir, "test.db-lsmkv")));
    db = open_in(dir);
    other = open_in(dir);
    kit_expect(other, "1|1\n", "SELECT * FROM b");
    kit_run(db, "BEGIN; DROP TABLE b; ROLLBACK");
    kit_run(db, "DROP TABLE b");
    kit_close(db);
    assert_true(exists(kit_path(dir, "test.db-lsmkv")));
    kit_close(other);
    assert_false(exists(kit_path(dir, "test.db-lsmkv")));
}

static void a_create_that_is_rolled_back_leaves_no_store(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir);

    (void)state;
    kit_run(db, "BEGIN; CREATE VIRTUAL TABLE a USING lsmkv; INSERT INTO a VALUES(1, 1); ROLLBACK");
    kit_close(db);
    assert_false(exists(kit_path(dir, "test.db-lsmkv")));
}

static void a_store_moved_away_while_open_is_not_opened_again(void **state)
{
    const char *dir = test_dir(), *path = kit_path(dir, "moved.db"), *why = "was moved or removed";
    sqlite3 *db = kit_open(path), *other;

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('a', 1)");
    move(dir, "moved.db-lsmkv", "away");
    other = kit_open(path);
    kit_fails(other, SQLITE_CANTOPEN, why, "SELECT * FROM kv");
    kit_fails(other, SQLITE_CANTOPEN, why, "CREATE VIRTUAL TABLE second USING lsmkv");
    kit_fails(other, SQLITE_CANTOPEN, why, "CREATE VIRTUAL TABLE second USING lsmkv('away')");
    move(dir, "away", "moved.db-lsmkv");
    kit_expect(other, "'a'|1\n", "SELECT * FROM kv");
    kit_close(other);
    kit_close(db);
}

static void dropping_a_temporary_table_only_detaches(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir);

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE temp.e USING lsmkv('store', a, b); INSERT INTO e VALUES(1, 2)");
    kit_run(db, "ALTER TABLE e RENAME TO f; DROP TABLE f");
    kit_run(db, "CREATE VIRTUAL TABLE temp.e USING lsmkv('store')");
    kit_expect(db, "1|2\n", "SELECT * FROM e");
    kit_close(db);
    db = open_in(dir);
    kit_run(db, "CREATE VIRTUAL TABLE g USING lsmkv('store', table = e)");
    kit_expect(db, "1|2\n", "SELECT * FROM g");
    kit_run(db, "ALTER TABLE g RENAME TO h; DROP TABLE h");
    kit_close(db);
    assert_false(exists(kit_path(dir, "store")));
}

static void a_table_dropped_elsewhere_is_explained(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir), *other = kit_open(":memory:");

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE a USING lsmkv('store'); CREATE VIRTUAL TABLE b USING lsmkv('store')");
    kit_run(other, "CREATE VIRTUAL TABLE temp.a USING lsmkv('%q')", kit_path(dir, "store"));
    kit_run(other, "INSERT INTO a VALUES(1, 1)");
    kit_run(db, "DROP TABLE a");
    kit_fails(other, SQLITE_CANTOPEN, "dropped elsewhere", "INSERT INTO a VALUES(2, 2)");
    kit_fails(other, SQLITE_CANTOPEN, "dropped elsewhere", "REPLACE INTO a VALUES(2, 2)");
    kit_run(other, "DROP TABLE a");
    kit_close(other);
    kit_close(db);
}

/* ---- Looking and acting ---- */

static void functions_flush_and_compact(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE a USING lsmkv; INSERT INTO a VALUES(1, 1), (2, 2)");
    kit_expect(db, "'" LSMKV_VERSION "'\n", "SELECT lsmkv_version()");
    kit_run(db, "SELECT lsmkv_flush('a'); INSERT INTO a VALUES(3, 3); SELECT lsmkv_flush('main.a')");
    kit_expect(db, "0|2\n", "SELECT level, tables FROM lsmkv_levels('a') WHERE tables > 0");
    kit_run(db, "SELECT lsmkv_compact('a')");
    kit_expect(db, "1|1\n", "SELECT tables, entries >= 3 FROM lsmkv_levels('a') WHERE tables > 0 AND level > 0");
    kit_run(db, "DELETE FROM a; SELECT lsmkv_compact('a')");
    /* What is left is the catalog. */
    kit_expect(db, "1\n", "SELECT sum(entries) <= 3 FROM lsmkv_sstables('a')");
    kit_expect(db, "'0 bytes written to level 0'\n", "SELECT lsmkv_flush('a')");
    kit_fails(db, SQLITE_ERROR, "lsmkv: no such lsmkv table: nothing", "SELECT lsmkv_flush('nothing')");
    kit_fails(db, SQLITE_ERROR, "lsmkv: no such lsmkv table: a_lsmkv", "SELECT lsmkv_flush('a_lsmkv')");
    kit_fails(db, SQLITE_ERROR, "the name of a table is needed", "SELECT lsmkv_flush(NULL)");
    kit_run(db, "BEGIN; INSERT INTO a VALUES(1, 1)");
    kit_fails(db, SQLITE_LOCKED, "COMMIT it first", "SELECT lsmkv_flush('a')");
    kit_run(db, "COMMIT; CREATE VIEW v AS SELECT lsmkv_flush('a')");
    kit_fails(db, SQLITE_ERROR, "unsafe use of lsmkv_flush()", "SELECT * FROM v");
    kit_close(db);
}

static void tables_show_levels_tables_and_counters(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE a USING lsmkv; INSERT INTO a VALUES(1, 1), (2, 2); SELECT lsmkv_flush('a')");
    kit_expect(db, "1\n", "SELECT value FROM lsmkv_stats('a') WHERE name = 'flushes'");
    kit_expect(db, "1\n", "SELECT count(*) > 30 FROM lsmkv_stats('a')");
    kit_expect(db, "0|0\n", "SELECT level, loaded FROM lsmkv_sstables('a')");
    kit_expect(db, "2\n", "SELECT count(*) FROM a");
    kit_expect(db, "1|1\n", "SELECT loaded, accesses > 0 FROM lsmkv_sstables('a')");
    /* Without a name: all stores; with several tables one after the other. */
    kit_run(db, "CREATE VIRTUAL TABLE b USING lsmkv('second')");
    kit_expect(db, "2\n", "SELECT count(DISTINCT store) FROM lsmkv_levels");
    kit_expect(db, "14\n", "SELECT count(*) FROM (SELECT 'a' AS t UNION SELECT 'b'), lsmkv_levels(t)");
    kit_fails(db, SQLITE_ERROR, "no such lsmkv table", "SELECT * FROM lsmkv_levels('c')");
    kit_expect(db, "0\n", "SELECT count(*) FROM lsmkv_levels(NULL)");
    kit_close(db);
}

static void loading_twice_changes_nothing(void **state)
{
    sqlite3 *db = open_in(test_dir());
    char *message = NULL;

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE a USING lsmkv; BEGIN; INSERT INTO a VALUES(1, 1)");
    assert_int_equal(sqlite3_lsmkv_init(db, &message, NULL), SQLITE_OK);
    kit_run(db, "INSERT INTO a VALUES(2, 2); COMMIT");
    kit_expect(db, "2\n", "SELECT count(*) FROM a");
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_arguments_a_table_has_key_and_value),
        cmocka_unit_test(directories_count_from_the_database_file),
        cmocka_unit_test(what_is_not_supported_is_refused_by_name),
        cmocka_unit_test(keys_of_several_columns_and_descending_ones_hold_rows),
        cmocka_unit_test(a_path_that_is_no_store_is_refused_and_left_alone),
        cmocka_unit_test(a_definition_is_opened_again_only_as_it_is_stored),
        cmocka_unit_test(options_of_an_existing_store_must_be_what_it_has),
        cmocka_unit_test(memory_databases_have_a_store_of_their_own),
        cmocka_unit_test(each_memory_schema_has_tables_of_its_own),
        cmocka_unit_test(keys_and_rows_have_limits),
        cmocka_unit_test(values_come_back_as_they_were),
        cmocka_unit_test(a_utf16_database_compares_in_its_own_order),
        cmocka_unit_test(plans_use_the_key),
        cmocka_unit_test(database_and_store_move_together),
        cmocka_unit_test(a_missing_or_foreign_store_is_explained_and_drop_works),
        cmocka_unit_test(a_damaged_shadow_table_is_explained_and_drop_works),
        cmocka_unit_test(reading_the_schema_touches_no_store),
        cmocka_unit_test(the_last_drop_removes_the_store_at_the_last_close),
        cmocka_unit_test(a_create_that_is_rolled_back_leaves_no_store),
        cmocka_unit_test(a_store_moved_away_while_open_is_not_opened_again),
        cmocka_unit_test(dropping_a_temporary_table_only_detaches),
        cmocka_unit_test(a_table_dropped_elsewhere_is_explained),
        cmocka_unit_test(functions_flush_and_compact),
        cmocka_unit_test(tables_show_levels_tables_and_counters),
        cmocka_unit_test(loading_twice_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
