/*
 * test_affinity.c - types have the affinity that SQLite gives them, and values become what an ordinary table stores.
 */
#include "support/test.h"

#include <string.h>

#include "ext/affinity.h"
#include "ext/bytes.h"

static const char *const affinities[] = {"BLOB", "TEXT", "NUMERIC", "INTEGER", "REAL"};

static void types_have_the_affinity_of_sqlite(void **state)
{
    static const struct {
        const char *type;
        enum affinity affinity;
    } cases[] = {{"", AFFINITY_BLOB},
                 {"INT", AFFINITY_INTEGER},
                 {"INTEGER", AFFINITY_INTEGER},
                 {"tinyint", AFFINITY_INTEGER},
                 {"UNSIGNED BIG INT", AFFINITY_INTEGER},
                 {"FLOATING POINT", AFFINITY_INTEGER},
                 {"CHARINT", AFFINITY_INTEGER},
                 {"VARCHAR(255)", AFFINITY_TEXT},
                 {"Clob", AFFINITY_TEXT},
                 {"TEXT BLOB", AFFINITY_TEXT},
                 {"BLOB TEXT", AFFINITY_TEXT},
                 {"BLOB", AFFINITY_BLOB},
                 {"REAL BLOB", AFFINITY_BLOB},
                 {"BLOB REAL", AFFINITY_BLOB},
                 {"DOUBLE PRECISION", AFFINITY_REAL},
                 {"FLOAT", AFFINITY_REAL},
                 {"DECIMAL(10,5)", AFFINITY_NUMERIC},
                 {"STRING", AFFINITY_NUMERIC},
                 {"ANY", AFFINITY_NUMERIC}};
    size_t i;

    (void)state;
    assert_int_equal(affinity_of_type(NULL), AFFINITY_BLOB);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (affinity_of_type(cases[i].type) != cases[i].affinity)
            fail_msg("%s: %d", cases[i].type, affinity_of_type(cases[i].type));
    }
}

/* The affinity of a column, told by what becomes of '1' and 1 in it. */
static enum affinity probe(sqlite3 *db, const char *type)
{
    char *sql = sqlite3_mprintf("CREATE TABLE p(x %s); INSERT INTO p VALUES('1'), (1), (2.0), ('1e0')", type);
    sqlite3_stmt *statement = NULL;
    enum affinity affinity = AFFINITY_BLOB;
    const char *types;

    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(sql);
    sqlite3_prepare_v2(db, "SELECT group_concat(substr(typeof(x), 1, 1), '') FROM p", -1, &statement, NULL);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    types = (const char *)sqlite3_column_text(statement, 0);
    if (strcmp(types, "tttt") == 0)
        affinity = AFFINITY_TEXT;
    else if (strcmp(types, "rrrr") == 0)
        affinity = AFFINITY_REAL;
    else if (strcmp(types, "iiii") == 0)
        affinity = AFFINITY_INTEGER; /* NUMERIC behaves the same */
    sqlite3_finalize(statement);
    sqlite3_exec(db, "DROP TABLE p", NULL, NULL, NULL);
    return affinity;
}

static void random_type_names_have_the_affinity_of_sqlite(void **state)
{
    static const char *const parts[] = {"QIN",  "INT", "CHA",  "CHAR", "CLOB", "TEX", "TEXT", "BLO",
                                        "BLOB", "REA", "REAL", "FLOA", "DOUB", "XY",  "t",    "b"};
    uint64_t seed = test_seed();
    sqlite3 *db = NULL;
    size_t i;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (i = 0; i < test_scaled(500); i++) {
        char type[64] = "";
        size_t count = 1 + test_random(&seed) % 4;
        enum affinity affinity;

        while (count--)
            strcat(type, parts[test_random(&seed) % (sizeof(parts) / sizeof(parts[0]))]);
        affinity = affinity_of_type(type);
        if (affinity == AFFINITY_NUMERIC)
            affinity = AFFINITY_INTEGER;
        if (affinity != probe(db, type))
            fail_msg("%s: %d", type, affinity);
    }
    sqlite3_close(db);
}

/* ---- Storing ---- */

/* store(affinity, value): what affinity_store() makes of the value. */
static void store(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    struct cell cell;

    (void)argc;
    assert_int_equal(affinity_store(&cell, (enum affinity)sqlite3_value_int(argv[0]), argv[1]), LSMKV_OK);
    cell_result(&cell, context);
}

static void bind_random_text(sqlite3_stmt *statement, uint64_t *seed)
{
    static const char letters[] = "0123456789012345678900..eE+-- \tax";
    char text[24];
    size_t size = test_random(seed) % sizeof(text), i;

    for (i = 0; i < size; i++)
        text[i] = letters[test_random(seed) % (sizeof(letters) - 1)];
    sqlite3_bind_text(statement, 1, text, (int)size, SQLITE_TRANSIENT);
}

static void bind_random(sqlite3_stmt *statement, uint64_t *seed)
{
    static const char *const texts[] = {"9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "9223372036854775807.0",
                                        "1e999",
                                        " 12 ",
                                        "12 x",
                                        "0x10",
                                        "1e2",
                                        ".5",
                                        "5.",
                                        "-0",
                                        "-0.0",
                                        "+1",
                                        "1_0",
                                        "inf",
                                        "nan",
                                        "9007199254740993.0",
                                        "123456789012345678901234567890"};
    static const double reals[] = {0.0,
                                   -0.0,
                                   1.0,
                                   1.5,
                                   1e15,
                                   1e18,
                                   9.2e18,
                                   9223372036854775807.0,
                                   -9223372036854775808.0,
                                   1e300,
                                   9007199254740993.0,
                                   4503599627370497.5};
    uint64_t bits = test_random(seed);

    switch (test_random(seed) % 6) {
    case 0:
        sqlite3_bind_int64(statement, 1, (int64_t)bits >> (test_random(seed) % 64));
        break;
    case 1:
        sqlite3_bind_double(statement, 1, reals[bits % (sizeof(reals) / sizeof(reals[0]))]);
        break;
    case 2:
        sqlite3_bind_text(statement, 1, texts[bits % (sizeof(texts) / sizeof(texts[0]))], -1, SQLITE_STATIC);
        break;
    case 3:
        sqlite3_bind_blob(statement, 1, "12", 2, SQLITE_STATIC);
        break;
    case 4:
        sqlite3_bind_double(statement, 1, (double)(int64_t)bits / (double)(1 + test_random(seed) % 100000));
        break;
    default:
        bind_random_text(statement, seed);
        break;
    }
}

static void compare_stored(sqlite3 *db, enum affinity affinity, uint64_t seed, size_t count)
{
    char *sql = sqlite3_mprintf("CREATE TABLE s(x %s)", affinities[affinity]);
    sqlite3_stmt *insert = NULL, *compare = NULL;
    size_t i;

    sqlite3_exec(db, "DROP TABLE IF EXISTS s", NULL, NULL, NULL);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(sql);
    sql = sqlite3_mprintf("SELECT typeof(x), typeof(store(%d, ?1)), x IS store(%d, ?1), quote(x), quote(store(%d, ?1)) "
                          "FROM s",
                          affinity, affinity, affinity);
    assert_int_equal(sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO s(rowid, x) VALUES(1, ?1)", -1, &insert, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &compare, NULL), SQLITE_OK);
    for (i = 0; i < count; i++) {
        uint64_t again = seed;

        bind_random(insert, &seed);
        bind_random(compare, &again);
        assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
        assert_int_equal(sqlite3_reset(insert), SQLITE_OK);
        assert_int_equal(sqlite3_step(compare), SQLITE_ROW);
        if (strcmp((const char *)sqlite3_column_text(compare, 0), (const char *)sqlite3_column_text(compare, 1)) ||
            strcmp((const char *)sqlite3_column_text(compare, 3), (const char *)sqlite3_column_text(compare, 4)))
            fail_msg("%s: %s becomes %s, not %s", affinities[affinity], sqlite3_expanded_sql(insert),
                     sqlite3_column_text(compare, 4), sqlite3_column_text(compare, 3));
        sqlite3_reset(compare);
    }
    sqlite3_finalize(insert);
    sqlite3_finalize(compare);
    sqlite3_free(sql);
}

static void values_become_what_an_ordinary_table_stores(void **state)
{
    enum affinity affinity;
    sqlite3 *db = NULL;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_create_function(db, "store", 2, SQLITE_UTF8, NULL, store, NULL, NULL);
    for (affinity = AFFINITY_BLOB; affinity <= AFFINITY_REAL; affinity++)
        compare_stored(db, affinity, test_seed() + affinity, test_scaled(20000));
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_the_affinity_of_sqlite),
        cmocka_unit_test(random_type_names_have_the_affinity_of_sqlite),
        cmocka_unit_test(values_become_what_an_ordinary_table_stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
