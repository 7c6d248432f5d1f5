/*
 * test_matrix.c - the affinity matrix: every type of column, every class of value, every way to compare; as a key, in an
 * index and without one. The answers are those of an ordinary table.
 */
#include "sql_kit.h"

#include <stdio.h>
#include <string.h>

#include "ext/ranges.h"

static const char *const types[] = {"INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB", ""};
static const char *const values[] = {"12",   "12.0", "12.5",    "'12'", "'012'", "'12.5'",          "'abc'",
                                     "'1x'", "''",   "x'3132'", "NULL", "-3",    "9007199254740993"};
static const char *const operators[] = {"=", "<", "<=", ">", ">=", "IS", "<>"};

/* How the lsmkv table keeps column c; the ordinary one has the same key. */
static const struct {
    const char *columns, *indexes;
    bool without_rowid;
} placements[] = {
    {"c %s, id INTEGER, PRIMARY KEY (c, id)", "", true},
    {"c %s, id INTEGER, PRIMARY KEY (id, c DESC)", "", true},
    {"c %s, id INTEGER PRIMARY KEY", ", INDEX i (c)", false},
    {"c %s, id INTEGER PRIMARY KEY", ", INDEX i (c DESC)", false},
    {"c %s, id INTEGER PRIMARY KEY", "", false},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct matrix {
    sqlite3 *db;
    size_t queries, differences;
    bool expect_none;
};

static char *replace_table(const char *query, const char *name)
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

/* `query` with '@' for the table. */
static void ask(struct matrix *matrix, char *query)
{
    char *ordinary = replace_table(query, "o"), *lsmkv = replace_table(query, "t");
    char *expected = kit_rows(matrix->db, ordinary, true), *got = kit_rows(matrix->db, lsmkv, true);

    matrix->queries++;
    if (strcmp(expected, got) != 0) {
        matrix->differences++;
        if (matrix->expect_none)
            fail_msg("%s\nexpected:\n%s\ngot:\n%s", lsmkv, expected, got);
    }
    sqlite3_free(query);
    sqlite3_free(ordinary);
    sqlite3_free(lsmkv);
    sqlite3_free(expected);
    sqlite3_free(got);
}

static void ask_constants(struct matrix *matrix, const char *value)
{
    size_t i;

    for (i = 0; i < COUNT(operators); i++) {
        ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c %s %s", operators[i], value));
        ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c %s (SELECT %s)", operators[i], value));
        ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE id = 3 AND c %s CAST(%s AS NUMERIC)", operators[i], value));
    }
    ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c BETWEEN %s AND 'abc'", value));
    ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c BETWEEN 1 AND %s", value));
    ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c IN (%s, 'zz')", value));
    ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c LIKE %s", value));
    ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c LIKE %s || '%%'", value));
    ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c GLOB %s || '*'", value));
}

static void ask_joins(struct matrix *matrix, const char *column)
{
    size_t i;

    for (i = 0; i < COUNT(operators); i++)
        ask(matrix, sqlite3_mprintf("SELECT x.id, @.* FROM x CROSS JOIN @ ON @.c %s x.%s", operators[i], column));
    ask(matrix, sqlite3_mprintf("SELECT x.id, @.* FROM x LEFT JOIN @ ON @.c = x.%s AND @.id > 3", column));
    ask(matrix, sqlite3_mprintf("SELECT x.id, @.* FROM x CROSS JOIN @ ON @.c BETWEEN x.%s AND x.%s", column, column));
    ask(matrix, sqlite3_mprintf("SELECT * FROM @ WHERE c IN (SELECT %s FROM x)", column));
    ask(matrix, sqlite3_mprintf("SELECT x.id, @.* FROM x CROSS JOIN @ ON @.id = x.id AND @.c = x.%s", column));
}

static void make_other(sqlite3 *db)
{
    size_t i;

    kit_run(db, "CREATE TABLE x(id INTEGER PRIMARY KEY, i INTEGER, r REAL, n NUMERIC, s TEXT, b BLOB, a)");
    for (i = 0; i < COUNT(values); i++)
        kit_run(db, "INSERT INTO x VALUES(NULL, %s, %s, %s, %s, %s, %s)", values[i], values[i], values[i], values[i],
                values[i], values[i]);
}

static void run_table(struct matrix *matrix, size_t placement, const char *type)
{
    static const char *const columns[] = {"i", "r", "n", "s", "b", "a"};
    char *declared = sqlite3_mprintf(placements[placement].columns, type);
    size_t i;

    kit_run(matrix->db, "CREATE TABLE o(%s)%s", declared, placements[placement].without_rowid ? " WITHOUT ROWID" : "");
    kit_run(matrix->db, "CREATE VIRTUAL TABLE t USING lsmkv(%s%s)", declared, placements[placement].indexes);
    for (i = 0; i < COUNT(values); i++)
        kit_run(matrix->db, "INSERT OR IGNORE INTO o VALUES(%s, %d); INSERT OR IGNORE INTO t VALUES(%s, %d)", values[i],
                (int)i, values[i], (int)i);
    for (i = 0; i < COUNT(values); i++)
        ask_constants(matrix, values[i]);
    for (i = 0; i < COUNT(columns); i++)
        ask_joins(matrix, columns[i]);
    kit_run(matrix->db, "DROP TABLE o; DROP TABLE t");
    sqlite3_free(declared);
}

static void run_matrix(struct matrix *matrix)
{
    size_t placement, type;

    matrix->db = kit_open(":memory:");
    make_other(matrix->db);
    for (placement = 0; placement < COUNT(placements); placement++) {
        for (type = 0; type < COUNT(types); type++)
            run_table(matrix, placement, types[type]);
    }
    kit_close(matrix->db);
}

static void every_type_and_value_compares_as_in_an_ordinary_table(void **state)
{
    struct matrix matrix = {.expect_none = true};

    (void)state;
    run_matrix(&matrix);
    printf("%zu queries\n", matrix.queries);
}

/* The matrix would notice. */
static void without_the_rule_of_affinity_the_matrix_finds_differences(void **state)
{
    struct matrix matrix = {.expect_none = false};

    (void)state;
    ranges_ignore_affinity = true;
    run_matrix(&matrix);
    ranges_ignore_affinity = false;
    printf("%zu of %zu queries differ\n", matrix.differences, matrix.queries);
    assert_true(matrix.differences > matrix.queries / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_value_compares_as_in_an_ordinary_table),
        cmocka_unit_test(without_the_rule_of_affinity_the_matrix_finds_differences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
