/*
 * oracle.c - the same statements on an ordinary table and on an lsmkv table: rows, codes, messages, changes() and
 * last_insert_rowid() must be the same.
 *
 * The ordinary table is WITHOUT ROWID where its key is neither hidden nor INTEGER PRIMARY KEY. A list of statements
 * comes first, then a generator by seed; a difference prints the statements of its round.
 */
#include "sql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
    sqlite3 *ordinary, *lsmkv;
    sqlite3_str *history; /* what has run so far */
    size_t statements;
};

static void pair_open(struct pair *pair, const char *columns, const char *store_options, bool without_rowid)
{
    const char *dir = test_dir();

    memset(pair, 0, sizeof(*pair));
    pair->ordinary = kit_open(kit_path(dir, "ordinary.db"));
    pair->lsmkv = kit_open(kit_path(dir, "lsmkv.db"));
    pair->history = sqlite3_str_new(NULL);
    kit_run(pair->ordinary, "PRAGMA synchronous = OFF");
    kit_run(pair->lsmkv, "PRAGMA synchronous = OFF");
    kit_run(pair->ordinary, "CREATE TABLE t(%s)%s", columns, without_rowid ? " WITHOUT ROWID" : "");
    kit_run(pair->lsmkv, "CREATE VIRTUAL TABLE t USING lsmkv(%s, %s)", columns, store_options);
    sqlite3_str_appendf(pair->history, "CREATE t(%s)%s\n", columns, without_rowid ? " WITHOUT ROWID" : "");
}

static void pair_close(struct pair *pair)
{
    sqlite3_free(sqlite3_str_finish(pair->history));
    kit_close(pair->ordinary);
    kit_close(pair->lsmkv);
}

static bool is_query(const char *sql)
{
    return strncmp(sql, "SELECT", 6) == 0 || strncmp(sql, "WITH", 4) == 0;
}

/* changes() is compared right after these: a transaction that begins to read sets it too, see ext/README.md. */
static bool is_change(const char *sql)
{
    return strncmp(sql, "INSERT", 6) == 0 || strncmp(sql, "UPDATE", 6) == 0 || strncmp(sql, "DELETE", 6) == 0;
}

/* To standard error: cmocka's messages are cut at a thousand bytes. */
static void print_history(struct pair *pair)
{
    fprintf(stderr, "%s", sqlite3_str_value(pair->history));
}

static void compare_numbers(struct pair *pair, const char *sql, const char *what, sqlite3_int64 expected,
                            sqlite3_int64 got)
{
    if (expected == got)
        return;
    print_history(pair);
    fail_msg("%s\n%s: expected %lld, got %lld", sql, what, (long long)expected, (long long)got);
}

static void pair_run(struct pair *pair, const char *sql)
{
    bool sorted = is_query(sql) && !strstr(sql, "ORDER BY");
    char *expected, *got;

    sqlite3_str_appendf(pair->history, "%s;\n", sql);
    expected = kit_rows(pair->ordinary, sql, sorted);
    got = kit_rows(pair->lsmkv, sql, sorted);
    if (strcmp(expected, got) != 0) {
        print_history(pair);
        fail_msg("%s\nexpected:\n%s\ngot:\n%s", sql, expected, got);
    }
    sqlite3_free(expected);
    sqlite3_free(got);
    if (is_change(sql))
        compare_numbers(pair, sql, "changes()", sqlite3_changes64(pair->ordinary), sqlite3_changes64(pair->lsmkv));
    compare_numbers(pair, sql, "last_insert_rowid()", sqlite3_last_insert_rowid(pair->ordinary),
                    sqlite3_last_insert_rowid(pair->lsmkv));
    compare_numbers(pair, sql, "autocommit", sqlite3_get_autocommit(pair->ordinary),
                    sqlite3_get_autocommit(pair->lsmkv));
    pair->statements++;
}

static void pair_run_all(struct pair *pair, const char *const *statements)
{
    for (; *statements; statements++)
        pair_run(pair, *statements);
}

/* ---- Written statements ---- */

static void integer_key_behaves_as_an_ordinary_table(void **state)
{
    static const char *const statements[] = {
        "INSERT INTO t VALUES(1, 'one', 1.5)",
        "INSERT INTO t(a) VALUES('chosen')",
        "INSERT INTO t VALUES(NULL, NULL, x'00')",
        "INSERT INTO t VALUES('7', 7, '7')",
        "INSERT INTO t VALUES(8.0, 8, 8)",
        "INSERT INTO t VALUES('8', 'duplicate', 0)",
        "INSERT INTO t VALUES('abc', 0, 0)",
        "INSERT INTO t VALUES(8.5, 0, 0)",
        "INSERT INTO t VALUES(x'31', 0, 0)",
        "INSERT INTO t(rowid, a) VALUES(20, 'by rowid')",
        "INSERT INTO t VALUES(100, 'a', 1), (101, 'b', 1), (1, 'c', 1), (102, 'd', 1)",
        "INSERT OR IGNORE INTO t VALUES(100, 'a', 1), (1, 'c', 1), (102, 'd', 1)",
        "INSERT OR FAIL INTO t VALUES(103, 'a', 1), (1, 'c', 1), (104, 'd', 1)",
        "INSERT OR REPLACE INTO t VALUES(103, 'new', 1), (1, 'new', 1), (105, 'new', 1)",
        "BEGIN",
        "INSERT INTO t VALUES(200, 'lost', 1)",
        "INSERT OR ROLLBACK INTO t VALUES(201, 'a', 1), (1, 'c', 1)",
        "SELECT * FROM t",
        "BEGIN",
        "INSERT INTO t VALUES(200, 'kept', 1)",
        "INSERT OR ABORT INTO t VALUES(201, 'a', 1), (1, 'c', 1)",
        "COMMIT",
        "SELECT * FROM t ORDER BY id",
        "SELECT * FROM t ORDER BY id DESC LIMIT 3",
        "SELECT * FROM t ORDER BY id DESC LIMIT 3 OFFSET 2",
        "SELECT rowid, id FROM t WHERE rowid BETWEEN 2 AND 100 ORDER BY rowid",
        "SELECT id FROM t WHERE id > 7.5 ORDER BY id",
        "SELECT id FROM t WHERE id >= '8' ORDER BY id",
        "SELECT id FROM t WHERE id < 'abc' ORDER BY id",
        "SELECT id FROM t WHERE id > 'abc'",
        "SELECT id FROM t WHERE id = 8.0",
        "SELECT id FROM t WHERE id = '8'",
        "SELECT id FROM t WHERE id IN (1, '7', 8.0, 9, NULL, 'x', 1)",
        "SELECT id FROM t WHERE id IS NULL",
        "SELECT id FROM t WHERE id = NULL",
        "SELECT min(id), max(id), count(*), count(a) FROM t",
        "UPDATE t SET id = id + 1000 WHERE id > 100",
        "UPDATE t SET id = 1 WHERE id = 7",
        "UPDATE OR IGNORE t SET id = 1 WHERE id = 7",
        "UPDATE OR REPLACE t SET id = 1 WHERE id = 7",
        "UPDATE t SET id = NULL WHERE id = 1",
        "UPDATE t SET id = 'x' WHERE id = 1",
        "UPDATE t SET id = '55' WHERE id = 1",
        "UPDATE t SET rowid = 56 WHERE id = 55",
        "UPDATE t SET a = a || '!' WHERE id = 56",
        "UPDATE t SET id = id + 1",
        "SELECT * FROM t",
        "DELETE FROM t WHERE id > 1000",
        "INSERT INTO t(a) VALUES('after the largest was deleted')",
        "INSERT INTO t VALUES(9223372036854775807, 'last', 1)",
        "SELECT * FROM t WHERE id > 9223372036854775806",
        "SELECT id FROM t WHERE id >= 9223372036854775807 ORDER BY id DESC",
        "SELECT id FROM t WHERE id > 9.3e18",
        "SELECT id FROM t WHERE id < 9.3e18 ORDER BY id",
        "DELETE FROM t WHERE id = 9223372036854775807",
        "INSERT INTO t VALUES(-5, 'negative', 1)",
        "SELECT id FROM t WHERE id < 0",
        "INSERT INTO t SELECT id + 50000, a, b FROM t",
        "UPDATE t SET b = s.n FROM (SELECT count(*) AS n, max(id) AS id FROM t) AS s WHERE t.id = s.id",
        "UPDATE t SET a = (SELECT max(b) FROM t AS u WHERE u.id < t.id)",
        "DELETE FROM t WHERE id IN (SELECT max(id) FROM t)",
        "DELETE FROM t WHERE EXISTS (SELECT 1 FROM t AS u WHERE u.id = t.id + 1)",
        "SELECT count(*), total(id) FROM t AS x JOIN t AS y ON x.id = y.id",
        "WITH w AS (SELECT * FROM t WHERE id > 5) SELECT count(*) FROM w",
        "SELECT id FROM t UNION SELECT -id FROM t ORDER BY 1",
        "SELECT a, count(*) FROM t GROUP BY a ORDER BY a",
        "SELECT DISTINCT b FROM t ORDER BY id DESC",
        "INSERT INTO t SELECT id, a, b FROM t",
        "DELETE FROM t",
        "INSERT INTO t(a) VALUES('first again')",
        "DELETE FROM t",
        "INSERT INTO t VALUES(-5, 'negative', 1)",
        "INSERT INTO t(a) VALUES('one above nothing positive')",
        "SELECT * FROM t",
        NULL};
    struct pair pair;

    (void)state;
    pair_open(&pair, "id INTEGER PRIMARY KEY, a TEXT, b", "sync = off", false);
    pair_run_all(&pair, statements);
    pair_close(&pair);
}

static void hidden_rowid_behaves_as_an_ordinary_table(void **state)
{
    static const char *const statements[] = {"INSERT INTO t VALUES('a', 1), ('b', NULL), ('c', 3)",
                                             "INSERT INTO t VALUES(NULL, 4)",
                                             "INSERT INTO t(rowid, a) VALUES(10, 'ten')",
                                             "INSERT INTO t(rowid, a) VALUES(10, 'ten again')",
                                             "INSERT INTO t(rowid, a) VALUES('x', 'no integer')",
                                             "INSERT OR REPLACE INTO t(rowid, a) VALUES(10, 'ten replaced')",
                                             "INSERT OR IGNORE INTO t(rowid, a) VALUES(10, 'ten ignored')",
                                             "SELECT rowid, * FROM t ORDER BY rowid",
                                             "SELECT rowid, * FROM t ORDER BY rowid DESC",
                                             "UPDATE t SET rowid = 11 WHERE a = 'a'",
                                             "UPDATE t SET rowid = 10 WHERE a = 'a'",
                                             "UPDATE t SET a = NULL WHERE b = 1",
                                             "UPDATE OR IGNORE t SET a = NULL",
                                             "UPDATE t SET b = b * 2",
                                             "SELECT rowid, * FROM t WHERE rowid IN (1, 2, 3, 10)",
                                             "DELETE FROM t WHERE rowid = 2",
                                             "SELECT rowid, * FROM t",
                                             NULL};
    struct pair pair;

    (void)state;
    pair_open(&pair, "a TEXT NOT NULL, b REAL", "sync = off", false);
    pair_run_all(&pair, statements);
    pair_close(&pair);
}

static void text_key_behaves_as_a_table_without_rowid(void **state)
{
    static const char *const statements[] = {
        "INSERT INTO t VALUES('b', 1), ('a', 2), ('C', 3), (12, 4), (x'62', 5), ('', 6)",
        "INSERT INTO t VALUES('A', 'duplicate')",
        "INSERT INTO t VALUES('12', 'duplicate')",
        "INSERT INTO t VALUES(NULL, 'null')",
        "INSERT OR IGNORE INTO t VALUES(NULL, 'null'), ('d', 7)",
        "INSERT OR REPLACE INTO t VALUES(NULL, 'null')",
        "INSERT OR REPLACE INTO t VALUES('B', 'replaced')",
        "SELECT * FROM t ORDER BY k",
        "SELECT * FROM t ORDER BY k DESC",
        "SELECT * FROM t WHERE k = 'B'",
        "SELECT * FROM t WHERE k = 'b' COLLATE BINARY",
        "SELECT * FROM t WHERE k = 12",
        "SELECT * FROM t WHERE k = 12.0",
        "SELECT * FROM t WHERE k > 'a' AND k <= 'c'",
        "SELECT * FROM t WHERE k > 5",
        "SELECT * FROM t WHERE k < 5",
        "SELECT * FROM t WHERE k LIKE 'C%'",
        "SELECT * FROM t WHERE k GLOB 'C*'",
        "SELECT * FROM t WHERE k IN ('A', 'C', 12, NULL)",
        "SELECT * FROM t WHERE k IN (SELECT v FROM t) OR k = ''",
        "SELECT min(k), max(k), count(*) FROM t",
        "UPDATE t SET k = 'A' WHERE k = 'a'",
        "UPDATE t SET k = 'c' WHERE k = 'a'",
        "UPDATE t SET k = NULL WHERE k = 'a'",
        "UPDATE OR IGNORE t SET k = 'x'",
        "SELECT * FROM t",
        "UPDATE t SET k = k || k",
        "SELECT x.k, y.v FROM t AS x LEFT JOIN t AS y ON y.k = x.v ORDER BY x.k",
        "UPDATE t SET v = s.n FROM (SELECT count(*) AS n, max(k) AS k FROM t) AS s WHERE t.k = s.k",
        "SELECT DISTINCT k FROM t ORDER BY k DESC LIMIT 2 OFFSET 1",
        "SELECT k, count(*) FROM t GROUP BY k ORDER BY k",
        "SELECT (SELECT v FROM t WHERE k = 'B'), EXISTS (SELECT 1 FROM t WHERE k = 'nothing')",
        "DELETE FROM t WHERE k BETWEEN 'a' AND 'm'",
        "SELECT * FROM t",
        NULL};
    struct pair pair;

    (void)state;
    pair_open(&pair, "k TEXT COLLATE NOCASE PRIMARY KEY, v", "sync = off", true);
    pair_run_all(&pair, statements);
    pair_close(&pair);
}

/* Numbers beyond 2^53 compare exactly; integers and reals are one order. */
static void untyped_key_keeps_types_and_order(void **state)
{
    static const char *const statements[] = {
        "INSERT INTO t VALUES(9007199254740993, 1), (9007199254740992.0, 2), (9007199254740991, 3)",
        "INSERT INTO t VALUES(9007199254740992, 'duplicate')",
        "INSERT INTO t VALUES(1, 1), (2.5, 2), ('1', 3), (x'31', 4), (-1e400, 5), (1e400, 6)",
        "INSERT INTO t VALUES(1.0, 'duplicate')",
        "INSERT INTO t VALUES(-0.0, 'zero')",
        "INSERT INTO t VALUES(0, 'duplicate')",
        "INSERT INTO t VALUES(9223372036854775807, 7), (-9223372036854775808, 8), (9223372036854775807.0, 9)",
        "SELECT k, typeof(k), v FROM t ORDER BY k",
        "SELECT k FROM t WHERE k > 9007199254740991 AND k < 9007199254740993.0 ORDER BY k",
        "SELECT k FROM t WHERE k > 9223372036854775806 ORDER BY k",
        "SELECT k FROM t WHERE k = 1",
        "SELECT k FROM t WHERE k = '1'",
        "SELECT k FROM t WHERE k = x'31'",
        "SELECT k FROM t WHERE k < 'a' ORDER BY k DESC",
        "UPDATE t SET v = typeof(k)",
        "SELECT * FROM t ORDER BY k",
        NULL};
    struct pair pair;

    (void)state;
    pair_open(&pair, "k PRIMARY KEY, v", "sync = off", true);
    pair_run_all(&pair, statements);
    pair_close(&pair);
}

/* An ordinary table converts the key when it is joined with a numeric column: '012' and ' 12' are 12 then. */
static void joins_compare_with_the_affinity_of_both_sides(void **state)
{
    static const char *const types[] = {"", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB"};
    static const char *const sides[] = {"i", "r", "n", "x", "b", "p"};
    static const char *const operators[] = {"=", "<", "<=", ">", ">=", "IS"};
    size_t type, side, op;

    (void)state;
    for (type = 0; type < sizeof(types) / sizeof(types[0]); type++) {
        char *columns = sqlite3_mprintf("k %s PRIMARY KEY, v", strcmp(types[type], "INTEGER") ? types[type] : "INT");
        struct pair pair;

        pair_open(&pair, columns, "sync = off", true);
        pair_run(&pair, "CREATE TABLE o(i INTEGER, r REAL, n NUMERIC, x TEXT, b BLOB, p)");
        pair_run(&pair, "INSERT INTO o VALUES(12, 12, 12, 12, 12, 12), ('12', '12', '12', '12', '12', '12'), "
                        "('!x', '!x', '!x', '!x', '!x', '!x'), (1.5, 1.5, 1.5, 1.5, 1.5, 1.5), "
                        "(NULL, NULL, NULL, NULL, NULL, NULL), ('', '', '', '', '', ''), "
                        "(x'3132', x'3132', x'3132', x'3132', x'3132', x'3132'), ('zz', 'zz', 'zz', 'zz', 'zz', 'zz'), "
                        "(9e999, 9e999, 9e999, 9e999, 9e999, 9e999), (' 12', ' 12', ' 12', ' 12', ' 12', ' 12')");
        pair_run(&pair,
                 "INSERT OR IGNORE INTO t VALUES(12, 1), ('012', 2), (' 12', 3), ('12', 4), (x'3132', 5), ('', 6), "
                 "('!', 7), ('zz', 8), (11, 9), (1.5, 10), ('1.50', 11), (':', 12), ('Inf', 13), ('1e400', 14), "
                 "('+12.0', 15), (13, 16), ('abc', 17), (-12, 18), ('-12', 19)");
        for (side = 0; side < sizeof(sides) / sizeof(sides[0]); side++) {
            for (op = 0; op < sizeof(operators) / sizeof(operators[0]); op++) {
                char *sql =
                    sqlite3_mprintf("SELECT o.rowid, k, v FROM o CROSS JOIN t ON k %s %s", operators[op], sides[side]);

                pair_run(&pair, sql);
                sqlite3_free(sql);
            }
            char *in = sqlite3_mprintf("SELECT k, v FROM t WHERE k IN (SELECT %s FROM o)", sides[side]);
            char *range = sqlite3_mprintf("SELECT o.rowid, k FROM o CROSS JOIN t ON k BETWEEN %s AND 'b'", sides[side]);

            pair_run(&pair, in);
            pair_run(&pair, range);
            sqlite3_free(in);
            sqlite3_free(range);
        }
        pair_close(&pair);
        sqlite3_free(columns);
    }
}

/* ---- Generated statements ---- */

struct generator {
    uint64_t random;
    const char *key; /* name of the key column; "rowid" if it is hidden */
    bool has_key;
    int depth; /* open savepoints */
    bool open; /* BEGIN was given */
};

static uint64_t pick(struct generator *generator, uint64_t below)
{
    return test_random(&generator->random) % below;
}

static const char *one_of(struct generator *generator, const char *const *list, size_t count)
{
    return list[pick(generator, count)];
}
#define ONE_OF(generator, list) one_of((generator), (list), sizeof(list) / sizeof((list)[0]))

static const char *value(struct generator *generator)
{
    static const char *const values[] = {"0",
                                         "1",
                                         "2",
                                         "3",
                                         "4",
                                         "5",
                                         "6",
                                         "7",
                                         "-1",
                                         "-3",
                                         "1.0",
                                         "2.5",
                                         "-2.5",
                                         "1e3",
                                         "1e19",
                                         "NULL",
                                         "''",
                                         "'a'",
                                         "'A'",
                                         "'b '",
                                         "'b'",
                                         "'B'",
                                         "'1'",
                                         "'01'",
                                         "' 2'",
                                         "'2.0'",
                                         "'3x'",
                                         "'abc'",
                                         "x''",
                                         "x'61'",
                                         "x'6100'",
                                         "-0.0",
                                         "'1e0'",
                                         "'-3'",
                                         "9007199254740993",
                                         "9007199254740992.0",
                                         "9223372036854775807",
                                         "-9223372036854775808",
                                         "9e999",
                                         "char(97, 0, 98)"};

    return ONE_OF(generator, values);
}

static bool has_rowid(const struct generator *generator)
{
    return strcmp(generator->key, "k") != 0;
}

/*
 * For tables with a rowid mostly integers: others are refused. Only in statements of one row: for OR IGNORE, FAIL and
 * ROLLBACK an ordinary table keeps no statement journal, so that "datatype mismatch", which always aborts, leaves the
 * rows before it behind.
 */
static const char *key_value(struct generator *generator, bool alone)
{
    static const char *const integers[] = {"0", "1", "2",  "3",  "4",    "5",   "6",
                                           "7", "8", "-1", "-2", "NULL", "'3'", "4.0"};
    static const char *const others[] = {"'abc'", "2.5", "x''", "'3x'", "9e999", "''"};

    if (!has_rowid(generator))
        return value(generator);
    return alone && pick(generator, 10) == 0 ? ONE_OF(generator, others) : ONE_OF(generator, integers);
}

static const char *conflict(struct generator *generator)
{
    static const char *const clauses[] = {
        "", "", "", "OR IGNORE ", "OR REPLACE ", "OR ABORT ", "OR FAIL ", "OR ROLLBACK "};

    return ONE_OF(generator, clauses);
}

/* `either` allows OR, for which SQLite may visit rows in another order than that of the key. */
static void append_condition(struct generator *generator, sqlite3_str *sql, bool either)
{
    static const char *const operators[] = {"=", "=", "<", "<=", ">", ">=", "IS", "<>"};
    const char *column = pick(generator, 4) ? generator->key : pick(generator, 2) ? "a" : "b";

    switch (pick(generator, either ? 7 : 6)) {
    case 0:
        sqlite3_str_appendf(sql, "%s BETWEEN %s", column, value(generator));
        sqlite3_str_appendf(sql, " AND %s", value(generator));
        break;
    case 1:
        sqlite3_str_appendf(sql, "%s IN (%s", column, value(generator));
        sqlite3_str_appendf(sql, ", %s", value(generator));
        sqlite3_str_appendf(sql, ", %s)", value(generator));
        break;
    case 2:
        sqlite3_str_appendf(sql, "%s IS %sNULL", column, pick(generator, 2) ? "NOT " : "");
        break;
    case 3:
        sqlite3_str_appendf(sql, "%s > %s", column, value(generator));
        sqlite3_str_appendf(sql, " AND %s < %s", generator->key, value(generator));
        break;
    case 6:
        sqlite3_str_appendf(sql, "(%s = %s", column, value(generator));
        sqlite3_str_appendf(sql, " OR %s = %s)", generator->key, value(generator));
        break;
    default:
        sqlite3_str_appendf(sql, "%s %s %s", column, ONE_OF(generator, operators), value(generator));
        break;
    }
}

static void append_row(struct generator *generator, sqlite3_str *sql, bool alone)
{
    sqlite3_str_appendall(sql, "(");
    if (generator->has_key)
        sqlite3_str_appendf(sql, "%s, ", key_value(generator, alone));
    sqlite3_str_appendf(sql, "%s, ", value(generator));
    sqlite3_str_appendf(sql, "%s)", value(generator));
}

static void append_insert(struct generator *generator, sqlite3_str *sql)
{
    uint64_t rows = pick(generator, 3) ? 1 : 1 + pick(generator, 4), i;

    sqlite3_str_appendf(sql, "INSERT %sINTO t VALUES", conflict(generator));
    append_row(generator, sql, rows == 1);
    for (i = 1; i < rows; i++) {
        sqlite3_str_appendall(sql, ", ");
        append_row(generator, sql, false);
    }
}

/*
 * UPDATE OR REPLACE that changes keys names one row: with several, SQLite reads all new rows of a virtual table before
 * it writes the first, so that a row which REPLACE removes is written all the same.
 */
static void append_update(struct generator *generator, sqlite3_str *sql)
{
    const char *clause = conflict(generator);
    bool changes_key = true;

    sqlite3_str_appendf(sql, "UPDATE %st SET ", clause);
    switch (pick(generator, 4)) {
    case 0:
        sqlite3_str_appendf(sql, "%s = %s", generator->key, key_value(generator, true));
        break;
    case 1:
        sqlite3_str_appendf(sql, "a = %s, b = a", value(generator));
        changes_key = false;
        break;
    case 2:
        sqlite3_str_appendf(sql, "%s = %s + 1, b = %s", generator->key, generator->key, generator->key);
        break;
    default:
        sqlite3_str_appendf(sql, "b = %s", value(generator));
        changes_key = false;
        break;
    }
    if (changes_key && strstr(clause, "REPLACE")) {
        sqlite3_str_appendf(sql, " WHERE %s = %s", generator->key, key_value(generator, true));
    } else if (pick(generator, 8)) {
        sqlite3_str_appendall(sql, " WHERE ");
        append_condition(generator, sql, !changes_key);
    }
}

static void append_delete(struct generator *generator, sqlite3_str *sql)
{
    sqlite3_str_appendall(sql, "DELETE FROM t WHERE ");
    append_condition(generator, sql, true);
}

static void append_select(struct generator *generator, sqlite3_str *sql)
{
    static const char *const lists[] = {"*", "count(*)", "count(b), sum(b)", "a", "b, a"};
    const char *list = ONE_OF(generator, lists);
    bool all = strcmp(list, "*") == 0;

    if (pick(generator, 6) == 0)
        sqlite3_str_appendf(sql, "SELECT min(%s), max(%s) FROM t", generator->key, generator->key);
    else if (pick(generator, 6) == 0)
        sqlite3_str_appendf(sql, "SELECT %s, b FROM t", generator->key);
    else
        sqlite3_str_appendf(sql, "SELECT %s FROM t", list);
    if (pick(generator, 5)) {
        sqlite3_str_appendall(sql, " WHERE ");
        append_condition(generator, sql, true);
    }
    if (!all || !pick(generator, 2))
        return;
    sqlite3_str_appendf(sql, " ORDER BY %s%s", generator->key, pick(generator, 2) ? " DESC" : "");
    if (pick(generator, 2))
        sqlite3_str_appendf(sql, " LIMIT %d", (int)pick(generator, 6));
    else if (pick(generator, 2))
        sqlite3_str_appendf(sql, " LIMIT %d OFFSET %d", (int)pick(generator, 6), (int)pick(generator, 4));
}

static void append_savepoint(struct generator *generator, sqlite3_str *sql)
{
    uint64_t level;

    if (generator->depth == 0 || (pick(generator, 3) == 0 && generator->depth < 4)) {
        sqlite3_str_appendf(sql, "SAVEPOINT s%d", generator->depth++);
        return;
    }
    level = pick(generator, (uint64_t)generator->depth);
    if (pick(generator, 2)) {
        sqlite3_str_appendf(sql, "ROLLBACK TO s%d", (int)level);
        generator->depth = (int)level + 1;
    } else {
        sqlite3_str_appendf(sql, "RELEASE s%d", (int)level);
        generator->depth = (int)level;
    }
}

static void append_transaction(struct generator *generator, sqlite3_str *sql)
{
    if (generator->open || generator->depth) {
        sqlite3_str_appendall(sql, pick(generator, 3) ? "COMMIT" : "ROLLBACK");
        generator->depth = 0;
        generator->open = false;
    } else {
        sqlite3_str_appendall(sql, "BEGIN");
        generator->open = true;
    }
}

static char *next_statement(struct generator *generator)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    uint64_t kind = pick(generator, 100);

    if (kind < 35)
        append_insert(generator, sql);
    else if (kind < 50)
        append_update(generator, sql);
    else if (kind < 57)
        append_delete(generator, sql);
    else if (kind < 85)
        append_select(generator, sql);
    else if (kind < 94)
        append_savepoint(generator, sql);
    else
        append_transaction(generator, sql);
    return sqlite3_str_finish(sql);
}

struct shape {
    const char *columns;
    const char *key;
    bool has_key, without_rowid;
};

static void run_round(const struct shape *shape, uint64_t seed, size_t statements)
{
    struct generator generator = {.random = seed, .key = shape->key, .has_key = shape->has_key};
    struct pair pair;
    size_t i;

    pair_open(&pair, shape->columns, "sync = off", shape->without_rowid);
    if (pick(&generator, 2)) {
        kit_run(pair.ordinary, "PRAGMA journal_mode = WAL");
        kit_run(pair.lsmkv, "PRAGMA journal_mode = WAL");
    }
    for (i = 0; i < statements; i++) {
        char *sql = next_statement(&generator);

        pair_run(&pair, sql);
        sqlite3_free(sql);
        /* OR ROLLBACK ends the transaction. */
        if (sqlite3_get_autocommit(pair.ordinary)) {
            generator.open = false;
            generator.depth = 0;
        }
        if (i % 50 == 49)
            pair_run(&pair, "SELECT * FROM t");
    }
    pair_close(&pair);
}

static void generated_statements_behave_as_on_an_ordinary_table(void **state)
{
    static const struct shape shapes[] = {
        {"id INTEGER PRIMARY KEY, a TEXT, b", "id", true, false},
        {"id INTEGER PRIMARY KEY, a REAL NOT NULL, b INTEGER", "id", true, false},
        {"a NUMERIC, b", "rowid", false, false},
        {"k PRIMARY KEY, a, b", "k", true, true},
        {"k TEXT PRIMARY KEY, a INT, b", "k", true, true},
        {"k TEXT COLLATE NOCASE PRIMARY KEY, a, b NOT NULL", "k", true, true},
        {"k COLLATE RTRIM PRIMARY KEY, a, b", "k", true, true},
        {"k COLLATE NOCASE PRIMARY KEY, a, b", "k", true, true},
        {"a, k INT PRIMARY KEY, b", "k", true, true},
        {"k REAL PRIMARY KEY, a, b", "k", true, true},
        {"k NUMERIC PRIMARY KEY, a, b", "k", true, true},
        {"a, b, k BLOB, PRIMARY KEY(k)", "k", true, true},
    };
    const size_t count = sizeof(shapes) / sizeof(shapes[0]);
    uint64_t seed = test_seed();
    size_t round, rounds = test_scaled(24);

    (void)state;
    for (round = 0; round < rounds; round++)
        run_round(&shapes[(round + seed) % count], seed + round, 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integer_key_behaves_as_an_ordinary_table),
        cmocka_unit_test(hidden_rowid_behaves_as_an_ordinary_table),
        cmocka_unit_test(text_key_behaves_as_a_table_without_rowid),
        cmocka_unit_test(untyped_key_keeps_types_and_order),
        cmocka_unit_test(joins_compare_with_the_affinity_of_both_sides),
        cmocka_unit_test(generated_statements_behave_as_on_an_ordinary_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
