/*
 * test_ddl.c - CREATE, DROP and ALTER TABLE ... RENAME: rolled back, inside savepoints, seen by others.
 *
 * A generator by seed runs the same statements on ordinary tables and on lsmkv tables, in two database files with a store
 * each; which tables there are and what is in them must be the same, also after the files were closed and opened again.
 */
#include "sql_kit.h"

#include <stdio.h>
#include <string.h>

enum { NAMES = 4, DEFINITIONS = 4 };

struct side {
    const char *dir;
    bool ordinary;
    sqlite3 *db;
};

static const char *const names[NAMES] = {"a", "B", "\"a b\"", "side.a"};
static const char *const definitions[DEFINITIONS][2] = {
    {"k PRIMARY KEY, v", " WITHOUT ROWID"},
    {"k INTEGER PRIMARY KEY, v", ""},
    {"k, v UNIQUE, PRIMARY KEY (k DESC, v)", " WITHOUT ROWID"},
    {"k NOT NULL DEFAULT 7, v CHECK (v <> 'no')", ""},
};

static void side_open(struct side *side)
{
    side->db = kit_open(kit_path(side->dir, side->ordinary ? "ordinary.db" : "lsmkv.db"));
    kit_run(side->db, "PRAGMA synchronous = OFF");
    kit_run(side->db, "ATTACH '%q' AS side", kit_path(side->dir, side->ordinary ? "ordinary2.db" : "lsmkv2.db"));
}

/* Letter case of names changes from statement to statement. */
static const char *random_name(uint64_t *seed)
{
    static const char *const others[NAMES] = {"A", "b", "\"A b\"", "SIDE.A"};
    size_t index = test_random(seed) % NAMES;

    return test_random(seed) % 3 ? names[index] : others[index];
}

/* To end with sqlite3_free(). */
static char *random_statement(uint64_t *seed, bool ordinary)
{
    const char *name = random_name(seed), *other = names[test_random(seed) % 3];
    const char *const *definition = definitions[test_random(seed) % DEFINITIONS];
    int key = (int)(test_random(seed) % 6), level = (int)(test_random(seed) % 3);

    switch (test_random(seed) % 16) {
    case 0:
    case 1:
        return sqlite3_mprintf("BEGIN");
    case 2:
        return sqlite3_mprintf("COMMIT");
    case 3:
        return sqlite3_mprintf("ROLLBACK");
    case 4:
    case 5:
        return sqlite3_mprintf("SAVEPOINT s%d", level);
    case 6:
        return sqlite3_mprintf("ROLLBACK TO s%d", level);
    case 7:
        return sqlite3_mprintf("RELEASE s%d", level);
    case 8:
    case 9:
        if (ordinary)
            return sqlite3_mprintf("CREATE TABLE %s(%s)%s", name, definition[0], definition[1]);
        return sqlite3_mprintf("CREATE VIRTUAL TABLE %s USING lsmkv(%s)", name, definition[0]);
    case 10:
        return sqlite3_mprintf("DROP TABLE %s", name);
    case 11:
        return sqlite3_mprintf("ALTER TABLE %s RENAME TO %s", name, other);
    case 12:
        return sqlite3_mprintf("DELETE FROM %s WHERE k >= %d", name, key);
    default:
        return sqlite3_mprintf("INSERT INTO %s(k, v) VALUES(%d, '%s %d')", name, key, test_random(seed) % 2 ? "x" : "y",
                               key);
    }
}

/* Every table by name, and its rows. */
static char *contents(sqlite3 *db)
{
    sqlite3_str *all = sqlite3_str_new(NULL);
    char *list, *rows;
    int i;

    list = kit_rows(db,
                    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%lsmkv%' UNION ALL "
                    "SELECT 'side.' || name FROM side.sqlite_schema WHERE type = 'table' AND name NOT LIKE '%lsmkv%'",
                    true);
    sqlite3_str_appendall(all, list);
    sqlite3_free(list);
    for (i = 0; i < NAMES; i++) {
        char *sql = sqlite3_mprintf("SELECT * FROM %s", names[i]);

        rows = kit_rows(db, sql, true);
        sqlite3_str_appendf(all, "%s: %s", names[i], rows);
        sqlite3_free(rows);
        sqlite3_free(sql);
    }
    return sqlite3_str_finish(all);
}

static void assert_same(const char *expected, const char *got, const char *sql, sqlite3_str *history)
{
    if (strcmp(expected, got) == 0)
        return;
    fprintf(stderr, "%s", sqlite3_str_value(history));
    fail_msg("%s\nexpected:\n%s\ngot:\n%s", sql, expected, got);
}

static void compare_contents(struct side *sides, sqlite3_str *history)
{
    char *expected = contents(sides[0].db), *got = contents(sides[1].db);

    assert_same(expected, got, "contents", history);
    sqlite3_free(expected);
    sqlite3_free(got);
}

static void run_both(struct side *sides, uint64_t *seed, sqlite3_str *history)
{
    uint64_t again = *seed;
    char *expected_sql = random_statement(&again, true), *sql = random_statement(seed, false);
    char *expected = kit_rows(sides[0].db, expected_sql, false), *got = kit_rows(sides[1].db, sql, false);

    sqlite3_str_appendf(history, "%s;\n", sql);
    assert_same(expected, got, sql, history);
    sqlite3_free(expected_sql);
    sqlite3_free(sql);
    sqlite3_free(expected);
    sqlite3_free(got);
}

static void one_round(uint64_t seed, const char *journal_mode)
{
    const char *dir = test_dir();
    struct side sides[2] = {{.dir = dir, .ordinary = true}, {.dir = dir}};
    sqlite3_str *history = sqlite3_str_new(NULL);
    int i, j;

    for (i = 0; i < 2; i++) {
        side_open(&sides[i]);
        kit_run(sides[i].db, "PRAGMA journal_mode = %s; PRAGMA side.journal_mode = %s", journal_mode, journal_mode);
    }
    for (j = 0; j < 120; j++) {
        run_both(sides, &seed, history);
        if (j % 4 == 0)
            compare_contents(sides, history);
        if (test_random(&seed) % 40 == 0) { /* closing rolls back what is open */
            for (i = 0; i < 2; i++) {
                kit_close(sides[i].db);
                side_open(&sides[i]);
            }
            sqlite3_str_appendall(history, "-- closed and opened\n");
        }
    }
    compare_contents(sides, history);
    for (i = 0; i < 2; i++)
        kit_close(sides[i].db);
    sqlite3_free(sqlite3_str_finish(history));
}

static void ddl_behaves_as_on_ordinary_tables(void **state)
{
    static const char *const modes[] = {"DELETE", "WAL", "TRUNCATE"};
    uint64_t seed = test_seed();
    size_t i;

    (void)state;
    for (i = 0; i < test_scaled(15); i++)
        one_round(seed + i, modes[i % 3]);
}

/* SQL knows no letter case in names; the names in a store's catalog are compared likewise. */
static void names_are_the_same_in_any_letter_case(void **state)
{
    const char *dir = test_dir(), *store = kit_path(dir, "store");
    sqlite3 *db = kit_open(kit_path(dir, "app.db")), *other = kit_open(":memory:");

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE Events USING lsmkv('store', a); INSERT INTO events VALUES(1)");
    kit_run(other, "CREATE VIRTUAL TABLE temp.e USING lsmkv('%q', table = EVENTS)", store);
    kit_run(other, "CREATE VIRTUAL TABLE temp.EVENTS USING lsmkv('%q')", store);
    kit_expect(other, "1|1\n", "SELECT x.a, y.a FROM e AS x, Events AS y");
    assert_int_equal(
        kit_try(other, "CREATE VIRTUAL TABLE temp.eventS2 USING lsmkv('%q', a, b, table = 'evenTs')", store),
        SQLITE_ERROR);
    kit_run(db, "CREATE VIRTUAL TABLE more USING lsmkv('store', b)");
    kit_run(other, "DROP TABLE temp.e; CREATE VIRTUAL TABLE temp.e USING lsmkv('%q', table = events)", store);
    kit_expect(other, "1\n", "SELECT a FROM e");
    kit_close(db);
    db = kit_open(kit_path(dir, "app.db"));
    kit_run(db, "ATTACH '%q' AS side", kit_path(dir, "side.db"));
    kit_run(db, "CREATE VIRTUAL TABLE side.x USING lsmkv('store', c)");
    kit_fails(db, SQLITE_ERROR, "already holds a table Events", "ALTER TABLE side.x RENAME TO eVents");
    kit_run(db, "ALTER TABLE side.x RENAME TO y");
    kit_expect(db, "1\n", "SELECT a FROM events");
    kit_close(db);
    kit_close(other);
}

/* The definition is read when the table is created, as it is then. */
static void table_option_sees_what_others_have_committed(void **state)
{
    const char *dir = test_dir(), *store = kit_path(dir, "app.db-lsmkv");
    sqlite3 *db = kit_open(kit_path(dir, "app.db")), *other = kit_open(":memory:");

    (void)state;
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(a)");
    kit_run(other, "CREATE VIRTUAL TABLE temp.first USING lsmkv('%q', table = t)", store);
    kit_expect(other, "", "SELECT * FROM first");
    kit_run(db, "BEGIN; CREATE VIRTUAL TABLE u USING lsmkv(x, y, PRIMARY KEY (y, x DESC), UNIQUE (x))");
    kit_run(db, "INSERT INTO u VALUES(1, 2), (3, 2); COMMIT");
    kit_run(other, "CREATE VIRTUAL TABLE temp.second USING lsmkv('%q', table = u)", store);
    kit_expect(other, "3|2\n1|2\n", "SELECT * FROM second ORDER BY y, x DESC");
    kit_run(db, "DROP TABLE u; CREATE VIRTUAL TABLE u USING lsmkv(z)");
    kit_fails(other, SQLITE_CANTOPEN, "dropped elsewhere", "SELECT * FROM second");
    kit_run(other, "DROP TABLE second; CREATE VIRTUAL TABLE temp.second USING lsmkv('%q', table = u)", store);
    kit_expect(other, "'z'\n", "SELECT name FROM pragma_table_info('second')");
    kit_close(db);
    kit_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ddl_behaves_as_on_ordinary_tables),
        cmocka_unit_test(names_are_the_same_in_any_letter_case),
        cmocka_unit_test(table_option_sees_what_others_have_committed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
