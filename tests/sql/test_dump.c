/*
 * test_dump.c - lsmkv_dump(): what it writes makes the same table again, with the same values of the same types.
 */
#include "sql_kit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static sqlite3 *open_in(const char *dir)
{
    return kit_open(kit_path(dir, "test.db"));
}

/* Runs the dump of `table` in another database. */
static void restore(sqlite3 *from, sqlite3 *to, const char *table)
{
    sqlite3_stmt *statement = NULL;
    int rc;

    assert_int_equal(sqlite3_prepare_v2(from, "SELECT sql FROM lsmkv_dump(?)", -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
    kit_run(to, "BEGIN");
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        kit_run(to, "%s", sqlite3_column_text(statement, 0));
    assert_int_equal(rc, SQLITE_DONE);
    kit_run(to, "COMMIT");
    sqlite3_finalize(statement);
}

static void expect_same(sqlite3 *a, sqlite3 *b, const char *sql)
{
    char *rows = kit_rows(a, sql, false);

    kit_expect(b, rows, sql);
    sqlite3_free(rows);
}

static void a_dump_is_readable_sql(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE \"a \"\"b\" USING lsmkv('elsewhere', id INTEGER PRIMARY KEY, \"x y\" TEXT, z, "
                "memtable_size = '1MB')");
    kit_run(db, "INSERT INTO \"a \"\"b\" VALUES(2, 'it''s', 1.5), (-1, NULL, x'00ff'), "
                "(9223372036854775807, 'a' || char(0, 39) || 'b', -9e999)");
    kit_expect(db,
               "'CREATE VIRTUAL TABLE \"a \"\"b\" USING lsmkv(id INTEGER PRIMARY KEY, \"x y\" TEXT, z);'\n"
               "'INSERT INTO \"a \"\"b\"(\"id\",\"x y\",\"z\") VALUES(-1,NULL,x'00ff');'\n"
               "'INSERT INTO \"a \"\"b\"(\"id\",\"x y\",\"z\") VALUES(2,'it''s',1.5);'\n"
               "'INSERT INTO \"a \"\"b\"(\"id\",\"x y\",\"z\") VALUES(9223372036854775807,"
               "'a'||char(0)||'''b',-9e999);'\n",
               "SELECT sql FROM lsmkv_dump('a \"b')");
    kit_close(db);
}

static void hidden_rowids_come_back(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir), *copy = kit_open(kit_path(dir, "copy.db"));

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a, rowid); INSERT INTO t(_rowid_, a, rowid) VALUES(5, 1, 'x')");
    kit_run(db, "INSERT INTO t VALUES(2, 'y'); DELETE FROM t WHERE a = 9");
    kit_run(db, "CREATE VIRTUAL TABLE u USING lsmkv(a); INSERT INTO u(rowid, a) VALUES(-7, 1), (100, 2)");
    restore(db, copy, "t");
    restore(db, copy, "u");
    kit_expect(copy, "5|1|'x'\n6|2|'y'\n", "SELECT _rowid_, a, rowid FROM t");
    kit_expect(copy, "-7|1\n100|2\n", "SELECT rowid, a FROM u");
    kit_close(copy);
    kit_close(db);
}

static void definitions_come_back(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir), *copy = kit_open(kit_path(dir, "copy.db"));

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a TEXT COLLATE NOCASE, b INTEGER NOT NULL DEFAULT 3 CHECK (b > 0), "
                "c, PRIMARY KEY (a, b DESC), UNIQUE (c), INDEX by_b (b))");
    kit_run(db, "INSERT INTO t(a, c) VALUES('x', 1), ('Y', 2), ('z', NULL)");
    restore(db, copy, "main.t");
    expect_same(db, copy, "SELECT * FROM t");
    expect_same(db, copy, "SELECT definition, indexes FROM lsmkv_tables");
    kit_fails(copy, SQLITE_CONSTRAINT_UNIQUE, "t.c", "INSERT INTO t(a, c) VALUES('w', 2)");
    kit_close(copy);
    kit_close(db);
}

/* ---- Random rows ---- */

static uint64_t seed;

static uint64_t random_real_bits(void)
{
    uint64_t bits;

    do
        bits = test_random(&seed);
    while ((bits >> 52 & 0x7ff) == 0x7ff); /* no NaN: SQLite has none; infinities come by themselves below */
    return bits;
}

static void bind_random(sqlite3_stmt *statement, int parameter)
{
    static const double reals[] = {0.0, -0.0, 1.0, 0.1, 1e300, -1e-300, 5e-324, 9007199254740993.0, 1e15};
    uint8_t bytes[40];
    uint64_t bits;
    double real;
    size_t i, size = test_random(&seed) % sizeof(bytes);

    for (i = 0; i < size; i++)
        bytes[i] = (uint8_t)(test_random(&seed) % 4 ? 32 + test_random(&seed) % 95 : 0);
    switch (test_random(&seed) % 7) {
    case 0:
        sqlite3_bind_null(statement, parameter);
        break;
    case 1:
        sqlite3_bind_int64(statement, parameter, (sqlite3_int64)(test_random(&seed) >> test_random(&seed) % 64));
        break;
    case 2:
        bits = random_real_bits();
        memcpy(&real, &bits, sizeof(real));
        sqlite3_bind_double(statement, parameter, real);
        break;
    case 3:
        sqlite3_bind_double(statement, parameter, reals[test_random(&seed) % (sizeof(reals) / sizeof(reals[0]))]);
        break;
    case 4:
        sqlite3_bind_double(statement, parameter, test_random(&seed) % 2 ? HUGE_VAL : -HUGE_VAL);
        break;
    case 5:
        sqlite3_bind_blob(statement, parameter, bytes, (int)size, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_bind_text(statement, parameter, (const char *)bytes, (int)size, SQLITE_TRANSIENT);
    }
}

/* Rows of every type in columns of every affinity, compared by the bits of their values. */
static void expect_identical(sqlite3 *a, sqlite3 *b, const char *sql)
{
    sqlite3_stmt *left = NULL, *right = NULL;
    int i;

    assert_int_equal(sqlite3_prepare_v2(a, sql, -1, &left, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(b, sql, -1, &right, NULL), SQLITE_OK);
    while (sqlite3_step(left) == SQLITE_ROW) {
        assert_int_equal(sqlite3_step(right), SQLITE_ROW);
        for (i = 0; i < sqlite3_column_count(left); i++) {
            double x = sqlite3_column_double(left, i), y = sqlite3_column_double(right, i);

            assert_int_equal(sqlite3_column_type(left, i), sqlite3_column_type(right, i));
            if (sqlite3_column_type(left, i) == SQLITE_FLOAT) {
                assert_memory_equal(&x, &y, sizeof(x));
                continue;
            }
            assert_true(sqlite3_column_int64(left, i) == sqlite3_column_int64(right, i));
            assert_int_equal(sqlite3_column_bytes(left, i), sqlite3_column_bytes(right, i));
            assert_int_equal(sqlite3_column_bytes(left, i)
                                 ? memcmp(sqlite3_column_blob(left, i), sqlite3_column_blob(right, i),
                                          (size_t)sqlite3_column_bytes(left, i))
                                 : 0,
                             0);
        }
    }
    assert_int_equal(sqlite3_step(right), SQLITE_DONE);
    sqlite3_finalize(left);
    sqlite3_finalize(right);
}

static void random_rows_come_back(const char *encoding)
{
    const char *dir = test_dir();
    sqlite3 *db = open_in(dir), *copy = kit_open(kit_path(dir, "copy.db"));
    sqlite3_stmt *insert = NULL;
    size_t rows = test_scaled(2000), i;
    int column;

    seed = test_seed();
    kit_run(db, "PRAGMA encoding = '%s'", encoding);
    kit_run(copy, "PRAGMA encoding = '%s'", encoding);
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a INTEGER, b REAL, c NUMERIC, d TEXT, e BLOB, f)");
    assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?, ?, ?, ?, ?, ?)", -1, &insert, NULL), SQLITE_OK);
    kit_run(db, "BEGIN");
    for (i = 0; i < rows; i++) {
        for (column = 1; column <= 6; column++)
            bind_random(insert, column);
        assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    kit_run(db, "COMMIT");
    restore(db, copy, "t");
    expect_identical(db, copy, "SELECT rowid, * FROM t");
    kit_close(copy);
    kit_close(db);
}

static void values_come_back_as_they_were(void **state)
{
    (void)state;
    random_rows_come_back("UTF-8");
}

static void values_of_an_utf16_database_too(void **state)
{
    (void)state;
    random_rows_come_back("UTF-16le");
}

static void dump_needs_a_table(void **state)
{
    sqlite3 *db = open_in(test_dir());

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a); CREATE TABLE o(x)");
    kit_fails(db, SQLITE_ERROR, "lsmkv_dump('t')", "SELECT * FROM lsmkv_dump");
    kit_fails(db, SQLITE_ERROR, "lsmkv_dump('t')", "SELECT * FROM lsmkv_dump(NULL)");
    kit_fails(db, SQLITE_ERROR, "no such lsmkv table", "SELECT * FROM lsmkv_dump('o')");
    kit_fails(db, SQLITE_ERROR, "may not be modified", "DELETE FROM lsmkv_dump");
    kit_run(db, "CREATE VIEW v AS SELECT * FROM lsmkv_dump('t')");
    kit_fails(db, SQLITE_ERROR, "unsafe use", "SELECT * FROM v");
    kit_expect(db, "1\n", "SELECT count(*) FROM lsmkv_dump('t')");
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_is_readable_sql),          cmocka_unit_test(hidden_rowids_come_back),
        cmocka_unit_test(definitions_come_back),           cmocka_unit_test(values_come_back_as_they_were),
        cmocka_unit_test(values_of_an_utf16_database_too), cmocka_unit_test(dump_needs_a_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
