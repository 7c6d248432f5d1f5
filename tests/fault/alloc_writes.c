/*
 * alloc_writes.c - every allocation fails once while rows are written to a table with CHECK, DEFAULT and indexes: the
 * statement succeeds or says "out of memory" and leaves rows and index entries as they were.
 *
 * SQLite's allocator is replaced by one that fails; the extension and its engine take theirs from it.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "ext/entry.h"
#include "ext/sqlite.h"
#include "fault_kit.h"
#include "support/test.h"

static sqlite3_mem_methods system_memory;

static struct {
    atomic_uint_fast64_t count;
    atomic_uint_fast64_t nth; /* 0: none fails */
} fault;

static bool must_fail(void)
{
    return atomic_fetch_add(&fault.count, 1) + 1 == atomic_load(&fault.nth);
}

static void fail_at(uint64_t nth)
{
    atomic_store(&fault.count, 0);
    atomic_store(&fault.nth, nth);
}

static void *failing_malloc(int size)
{
    return must_fail() ? NULL : system_memory.xMalloc(size);
}

static void *failing_realloc(void *memory, int size)
{
    return must_fail() ? NULL : system_memory.xRealloc(memory, size);
}

static int set_up(void **state)
{
    sqlite3_mem_methods failing;

    (void)state;
    kit_use_memory_dirs();
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) != SQLITE_OK)
        return 1;
    failing = system_memory;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK)
        return 1;
    return sqlite3_auto_extension((void (*)(void))sqlite3_lsmkv_init) != SQLITE_OK;
}

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

/* All rows by each index and by key, as one text. The plans differ, the rows must not. */
static char *rows_of(sqlite3 *db)
{
    static const char *const queries[] = {
        "SELECT group_concat(a || ' ' || b || ' ' || c || ' ' || d, ';') FROM (SELECT * FROM t ORDER BY id)",
        "SELECT group_concat(b, ';') FROM (SELECT b FROM t WHERE b > '' ORDER BY b)",
        "SELECT group_concat(c, ';') FROM (SELECT c FROM t WHERE c >= 0 ORDER BY c, a)"};
    sqlite3_str *all = sqlite3_str_new(NULL);

    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        sqlite3_stmt *statement;

        assert_int_equal(sqlite3_prepare_v2(db, queries[i], -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        sqlite3_str_appendf(all, "%s\n", sqlite3_column_text(statement, 0));
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    }
    return sqlite3_str_finish(all);
}

/* One statement on fresh rows while allocation `n` fails; true if it was reached. */
static bool try(sqlite3 *db, const char *sql, uint64_t n)
{
    char *before, *after;
    bool reached;
    int rc;

    run(db, "DELETE FROM t; INSERT INTO t VALUES(1, 'one', 'first', 1, 'x'), (2, 'two', 'second', 2, 'x'), "
            "(3, 'three', 'third', 2, 'x')");
    before = rows_of(db);
    fail_at(n);
    rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    reached = atomic_load(&fault.count) >= n;
    fail_at(0);
    if (rc != SQLITE_OK && rc != SQLITE_NOMEM)
        fail_msg("%s, allocation %u: %d %s", sql, (unsigned)n, rc, sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db))
        run(db, "ROLLBACK");
    after = rows_of(db);
    if ((rc == SQLITE_OK) == (strcmp(before, after) == 0))
        fail_msg("%s, allocation %u: %d, before:\n%s\nafter:\n%s", sql, (unsigned)n, rc, before, after);
    sqlite3_free(before);
    sqlite3_free(after);
    return reached;
}

static void rows_and_entries_stay_together(void **state)
{
    static const char *const statements[] = {
        "INSERT INTO t(id, a) VALUES(4, 'four')",
        "INSERT INTO t(a, b) VALUES('four', 'fourth'), ('five', 'fifth')",
        "INSERT OR REPLACE INTO t VALUES(1, 'two', 'third', 5, 'y')",
        "UPDATE t SET b = b || '!', c = c + 1",
        "UPDATE OR REPLACE t SET id = id + 10, a = 'same'",
        "DELETE FROM t WHERE c = 2",
    };
    const char *dir = test_dir();
    char path[512];

    (void)state;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        uint64_t n = 1;
        bool reached = true;

        while (reached) {
            sqlite3 *db;

            snprintf(path, sizeof(path), "%s/%u-%u.db", dir, (unsigned)i, (unsigned)(n % 2));
            db = open_db(path); /* what is made at the first write is made again and again */
            run(db, "CREATE VIRTUAL TABLE IF NOT EXISTS t USING lsmkv(id INTEGER PRIMARY KEY, a TEXT UNIQUE CHECK(a <> "
                    "''), "
                    "b NOT NULL DEFAULT (upper('default')) UNIQUE, c INT NOT NULL DEFAULT 7 CHECK(c > 0), d, "
                    "INDEX by_c(c DESC, a), sync = off)");
            reached = try(db, statements[i], n);
            assert_int_equal(sqlite3_close(db), SQLITE_OK);
            n += test_scaled(4) > 1 ? 1 : 4;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rows_and_entries_stay_together, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
