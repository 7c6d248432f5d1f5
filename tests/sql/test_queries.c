/*
 * test_queries.c - the same queries on an ordinary table and on an lsmkv table that hold the same rows: rows and order
 * must be the same, whatever the plan.
 *
 * A query is generated with '@' for the table's name. Where rows have an order it is a whole one (the key comes last), so
 * that there is one right answer. How often each kind of plan was used is counted: none must be missing.
 */
#include "sql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 8

struct table_case {
    const char *columns; /* of both tables */
    const char *indexes; /* of the lsmkv table only; "" if none */
    const char *names;   /* one letter a column */
    const char *key;     /* "a, b DESC": a whole order */
    bool without_rowid;
};

static const struct table_case cases[] = {
    {"a INTEGER PRIMARY KEY, b TEXT, c", "", "abc", "a", false},
    {"a TEXT, b INTEGER, c, PRIMARY KEY (a, b)", "", "abc", "a, b", true},
    {"a TEXT COLLATE NOCASE, b REAL, c TEXT, d, PRIMARY KEY (a, b DESC, c)", "", "abcd", "a, b, c", true},
    {"a, b, c, d, PRIMARY KEY (c DESC, a)", "", "abcd", "c, a", true},
    {"a NUMERIC, b TEXT COLLATE RTRIM, c BLOB, PRIMARY KEY (a DESC, b DESC, c DESC)", "", "abc", "a, b, c", true},
    {"a TEXT PRIMARY KEY, b", "", "ab", "a", true},
    {"a PRIMARY KEY COLLATE NOCASE, b INTEGER", "", "ab", "a", true},
    {"a TEXT COLLATE NOCASE, b, c, PRIMARY KEY (a COLLATE BINARY, b)", "", "abc", "a COLLATE BINARY, b", true},
    {"a INT, b INT, c INT, d INT, PRIMARY KEY (a, b, c, d DESC)", "", "abcd", "a, b, c, d", true},
    {"a, b TEXT, c INTEGER", "", "abc", "rowid", false},
    {"a, b TEXT, c INTEGER", ", INDEX i (b), INDEX j (c DESC, a)", "abc", "rowid", false},
    {"a INTEGER PRIMARY KEY, b TEXT COLLATE NOCASE, c REAL, d", ", INDEX i (b, c DESC), INDEX j (d), INDEX k (c)",
     "abcd", "a", false},
    {"a TEXT, b INTEGER, c, d TEXT, PRIMARY KEY (a, b)", ", INDEX i (c, b DESC), INDEX j (d COLLATE NOCASE, a)", "abcd",
     "a, b", true},
    {"a, b NUMERIC, c TEXT COLLATE RTRIM, d BLOB, PRIMARY KEY (b DESC, c)", ", INDEX i (a DESC, d), INDEX j (d, c, b)",
     "abcd", "b, c", true},
    {"a TEXT PRIMARY KEY, b UNIQUE, c INTEGER, UNIQUE (c, b)", ", INDEX i (c)", "abc", "a", true},
};

static const char *const values[] = {
    "NULL", "0",     "1",    "2",     "3",     "-1",    "1.0",   "2.5",    "'1'",   "'2'",
    "'01'", "' 1'",  "'1 '", "'2.5'", "'a'",   "'A'",   "'b'",   "'B'",    "'ab'",  "'a '",
    "''",   "'abc'", "x''",  "x'61'", "x'31'", "x'00'", "1e300", "-1e300", "'1e0'", "9007199254740993",
    "'z'",  "10",    "100",  "'-1'",  "'+1'",  "'.5'",  "0.5",   "'9z'",   "':'",   "-9223372036854775808",
};
#define VALUES (sizeof(values) / sizeof(values[0]))

struct test {
    sqlite3 *db;
    const struct table_case *at;
    uint64_t random;
    unsigned queries;
    struct {
        unsigned bound, range, list, ordered, descending, limit, all, index, covering, automatic;
    } plans;
};

static size_t pick(struct test *test, size_t n)
{
    return (size_t)(test_random(&test->random) % n);
}

static char column(struct test *test)
{
    return test->at->names[pick(test, strlen(test->at->names))];
}

/* ---- Conditions ---- */

static const char *a_value(struct test *test)
{
    return values[pick(test, VALUES)];
}

/* What a column is compared with: a constant, a column of the ordinary table x, or a value that is known at run time only. */
static void append_operand(struct test *test, sqlite3_str *sql, bool join)
{
    if (join && pick(test, 2))
        sqlite3_str_appendf(sql, "x.%c", "irnsba"[pick(test, 6)]);
    else if (pick(test, 4) == 0)
        sqlite3_str_appendf(sql, "(SELECT %s)", a_value(test));
    else
        sqlite3_str_appendall(sql, a_value(test));
}

static void append_list(struct test *test, sqlite3_str *sql)
{
    size_t count = 1 + pick(test, 4), i;

    if (pick(test, 4) == 0) {
        sqlite3_str_appendf(sql, "(SELECT %c FROM x)", "irnsba"[pick(test, 6)]);
        return;
    }
    for (i = 0; i < count; i++)
        sqlite3_str_appendf(sql, "%s%s", i ? ", " : "(", a_value(test));
    sqlite3_str_appendall(sql, ")");
}

static void append_condition(struct test *test, sqlite3_str *sql, bool join)
{
    static const char *const operators[] = {"=", "=", "=", "<", "<=", ">", ">=", "IS", "IS NOT", "<>"};
    static const char *const patterns[] = {"'a%'", "'A%'", "'1%'", "'ab_'", "'%'", "''"};
    char name = column(test);

    switch (pick(test, 12)) {
    case 0:
        sqlite3_str_appendf(sql, "@.%c IN ", name);
        append_list(test, sql);
        break;
    case 1:
        sqlite3_str_appendf(sql, "@.%c BETWEEN %s AND %s", name, a_value(test), a_value(test));
        break;
    case 2:
        sqlite3_str_appendf(sql, "@.%c IS %sNULL", name, pick(test, 2) ? "" : "NOT ");
        break;
    case 3:
        sqlite3_str_appendf(sql, "@.%c LIKE %s", name, patterns[pick(test, 6)]);
        break;
    case 4:
        sqlite3_str_appendf(sql, "@.%c GLOB %s", name, pick(test, 2) ? "'a*'" : "'1*'");
        break;
    case 5:
        sqlite3_str_appendf(sql, "(@.%c, @.%c) %s (%s, %s)", name, column(test), pick(test, 2) ? ">=" : "=",
                            a_value(test), a_value(test));
        break;
    case 6:
        sqlite3_str_appendf(sql, "(@.%c = %s OR @.%c = %s)", name, a_value(test), column(test), a_value(test));
        break;
    case 7:
        sqlite3_str_appendf(sql, "@.%c = %s COLLATE %s", name, a_value(test), pick(test, 2) ? "BINARY" : "NOCASE");
        break;
    case 8:
        sqlite3_str_appendf(sql, "(@.%c, @.%c) IN (VALUES(%s, %s), (%s, %s))", name, column(test), a_value(test),
                            a_value(test), a_value(test), a_value(test));
        break;
    default:
        sqlite3_str_appendf(sql, "@.%c %s ", name, operators[pick(test, sizeof(operators) / sizeof(operators[0]))]);
        append_operand(test, sql, join);
        break;
    }
}

static void append_where(struct test *test, sqlite3_str *sql, bool join)
{
    size_t count = pick(test, 4), i;

    for (i = 0; i < count; i++) {
        sqlite3_str_appendall(sql, i ? " AND " : " WHERE ");
        append_condition(test, sql, join);
    }
}

/* ---- Queries ---- */

/* A whole order: some columns, then the key. */
static void append_order(struct test *test, sqlite3_str *sql)
{
    bool descending = pick(test, 2);
    const char *at;
    size_t count = pick(test, 3), i;

    sqlite3_str_appendall(sql, " ORDER BY ");
    for (i = 0; i < count; i++)
        sqlite3_str_appendf(sql, "@.%c%s, ", column(test), pick(test, 3) ? (descending ? " DESC" : "") : " DESC");
    for (at = test->at->key; *at;) {
        size_t size = strcspn(at, ",");

        sqlite3_str_appendf(sql, "@.%.*s%s", (int)size, at, pick(test, 8) ? (descending ? " DESC" : "") : "");
        at += size;
        if (*at) {
            sqlite3_str_appendall(sql, ", ");
            at += strspn(at, ", ");
        }
    }
}

static char *a_query(struct test *test, bool *ordered)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    bool join = pick(test, 4) == 0;

    *ordered = false;
    switch (pick(test, 10)) {
    case 0:
        sqlite3_str_appendf(sql, "SELECT count(*) FROM @");
        append_where(test, sql, false);
        break;
    case 1:
        sqlite3_str_appendf(sql, "SELECT min(%c) IS NULL, max(%c) = 1, count(%c) FROM @", column(test), column(test),
                            column(test));
        append_where(test, sql, false);
        break;
    case 2:
        sqlite3_str_appendf(sql, "SELECT count(*), max(%c) IS NULL FROM @", column(test));
        append_where(test, sql, false);
        sqlite3_str_appendf(sql, " GROUP BY %c, %c", column(test), column(test));
        break;
    case 3:
        sqlite3_str_appendf(sql, "SELECT count(*) FROM (SELECT DISTINCT %c, %c FROM @", column(test), column(test));
        append_where(test, sql, false);
        sqlite3_str_appendall(sql, ")");
        break;
    case 4:
        sqlite3_str_appendf(sql, "SELECT x.id, (SELECT count(*) FROM @ WHERE @.%c = x.%c AND @.%c > x.%c) FROM x",
                            column(test), "irnsba"[pick(test, 6)], column(test), "irnsba"[pick(test, 6)]);
        break;
    default:
        *ordered =
            !join && pick(test, 3) != 0; /* in a join SQLite takes t.b = x.r for making t.b constant: '01', '1e0' */
        sqlite3_str_appendf(sql, "SELECT %s@.* FROM %s", join ? "x.id, " : "", join ? "x JOIN @" : "@");
        if (join)
            sqlite3_str_appendf(sql, " ON @.%c = x.%c", column(test), "irnsba"[pick(test, 6)]);
        append_where(test, sql, join);
        if (*ordered)
            append_order(test, sql);
        if (*ordered && pick(test, 2))
            sqlite3_str_appendf(sql, " LIMIT %d OFFSET %d", (int)pick(test, 12) - 1, (int)pick(test, 6) - 1);
        break;
    }
    return sqlite3_str_finish(sql);
}

static char *for_table(const char *query, const char *name)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);

    for (; *query; query++) {
        if (*query == '@')
            sqlite3_str_appendall(sql, name);
        else
            sqlite3_str_appendchar(sql, 1, *query);
    }
    return sqlite3_str_finish(sql);
}

static void count_plan(struct test *test, const char *sql)
{
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql), *plan = kit_rows(test->db, explain, false);

    test->plans.bound += strstr(plan, "=?") != NULL;
    test->plans.range += strstr(plan, ">?") != NULL || strstr(plan, "<?") != NULL;
    test->plans.list += strstr(plan, " IN (?)") != NULL;
    test->plans.ordered += strstr(plan, " ORDER") != NULL;
    test->plans.descending += strstr(plan, " ORDER DESC") != NULL;
    test->plans.limit += strstr(plan, " LIMIT") != NULL;
    test->plans.all += strstr(plan, "all rows") != NULL;
    test->plans.index += strstr(plan, ": ") != NULL;
    test->plans.covering += strstr(plan, " COVERING") != NULL;
    test->plans.automatic += strstr(plan, " AUTOMATIC INDEX (") != NULL;
    sqlite3_free(explain);
    sqlite3_free(plan);
}

static void compare(struct test *test, const char *query, bool ordered)
{
    char *ordinary = for_table(query, "o"), *lsmkv = for_table(query, "t");
    char *expected = kit_rows(test->db, ordinary, !ordered), *got = kit_rows(test->db, lsmkv, !ordered);

    if (strcmp(expected, got) != 0) {
        char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", lsmkv), *plan = kit_rows(test->db, explain, false);

        fprintf(stderr, "CREATE t(%s%s)\n%s\n%s\nexpected:\n%s\ngot:\n%s\n", test->at->columns, test->at->indexes,
                lsmkv, plan, expected, got);
        fail_msg("a query differs");
    }
    if (test->queries++ % 8 == 0)
        count_plan(test, lsmkv);
    sqlite3_free(ordinary);
    sqlite3_free(lsmkv);
    sqlite3_free(expected);
    sqlite3_free(got);
}

/* ---- Tables ---- */

static void fill(struct test *test, size_t rows)
{
    size_t i;
    const char *name;

    kit_run(test->db, "BEGIN");
    for (i = 0; i < rows; i++) {
        sqlite3_str *sql = sqlite3_str_new(NULL);
        char *text;

        sqlite3_str_appendall(sql, "INSERT OR IGNORE INTO o VALUES(");
        for (name = test->at->names; *name; name++)
            sqlite3_str_appendf(sql, "%s%s", name == test->at->names ? "" : ", ", a_value(test));
        sqlite3_str_appendall(sql, ")");
        text = sqlite3_str_finish(sql);
        (void)kit_try(test->db, "%s", text); /* text for an INTEGER PRIMARY KEY */
        sqlite3_free(text);
    }
    kit_run(test->db, "INSERT INTO t%s SELECT %s FROM o", "", "*");
    kit_run(test->db, "COMMIT");
}

static void make_tables(struct test *test)
{
    size_t i;

    kit_run(test->db, "CREATE TABLE o(%s)%s", test->at->columns, test->at->without_rowid ? " WITHOUT ROWID" : "");
    kit_run(test->db, "CREATE VIRTUAL TABLE t USING lsmkv(%s%s, sync = off)", test->at->columns, test->at->indexes);
    kit_run(test->db, "CREATE TABLE x(id INTEGER PRIMARY KEY, i INTEGER, r REAL, n NUMERIC, s TEXT, b BLOB, a)");
    for (i = 0; i < VALUES; i += 2)
        kit_run(test->db, "INSERT INTO x VALUES(NULL, %s, %s, %s, %s, %s, %s)", values[i], values[i], values[i],
                values[i], values[i], values[i]);
}

static void run_case(struct test *test, const struct table_case *at)
{
    size_t queries = test_scaled(600), i;
    bool ordered;

    test->at = at;
    test->db = kit_open(kit_path(test_dir(), "test.db"));
    make_tables(test);
    fill(test, 120);
    for (i = 0; i < queries; i++) {
        char *query = a_query(test, &ordered);

        if (i == queries / 2)
            kit_run(test->db, "SELECT lsmkv_flush('t')");
        compare(test, query, ordered);
        sqlite3_free(query);
    }
    kit_close(test->db);
}

static void generated_queries_answer_as_an_ordinary_table(void **state)
{
    struct test test = {.random = test_seed()};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(&test, &cases[i]);
    printf("%u queries; of %u: bound %u, range %u, list %u, order %u, descending %u, limit %u, all rows %u, index %u, "
           "covering %u, automatic %u\n",
           test.queries, test.queries / 8, test.plans.bound, test.plans.range, test.plans.list, test.plans.ordered,
           test.plans.descending, test.plans.limit, test.plans.all, test.plans.index, test.plans.covering,
           test.plans.automatic);
    if (test_scaled(100) < 100)
        return;
    assert_true(test.plans.bound && test.plans.range && test.plans.list && test.plans.ordered &&
                test.plans.descending && (test.plans.limit || sqlite3_libversion_number() < 3046000) &&
                test.plans.all && test.plans.index && test.plans.covering && test.plans.automatic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_queries_answer_as_an_ordinary_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
