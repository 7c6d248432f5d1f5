/*
 * bench_join.c - joins two lsmkv tables on columns without any index, and the same rows in ordinary tables.
 *
 * Prints the best of a few runs of each, and the ratio. Both must find the same rows.
 *
 * Usage: bench_join [rows]      (default 10000)
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNS 5

static const char *const joins[] = {
    "SELECT count(*) FROM %s JOIN %s ON x1 = x2",
    "SELECT count(*) FROM %s JOIN %s ON y1 = y2",
    "SELECT count(*) FROM %s LEFT JOIN %s ON y1 = y2 AND x1 = x2",
};

static void fill(sqlite3 *db, long rows)
{
    char *sql = sqlite3_mprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                                "INSERT INTO o1 SELECT i, i * 7919 %% 10007, 'value ' || (i * 31 %% 9973) FROM n",
                                (int)rows);

    bench_run(db, "CREATE TABLE o1(id INTEGER PRIMARY KEY, x1, y1 TEXT)");
    bench_run(db, "CREATE TABLE o2(id INTEGER PRIMARY KEY, x2, y2 TEXT)");
    bench_run(db, "CREATE VIRTUAL TABLE t1 USING lsmkv(id INTEGER PRIMARY KEY, x1, y1 TEXT)");
    bench_run(db, "CREATE VIRTUAL TABLE t2 USING lsmkv(id INTEGER PRIMARY KEY, x2, y2 TEXT)");
    bench_run(db, sql);
    bench_run(db, "INSERT INTO o2 SELECT id, x1 * 13 % 10007, y1 FROM o1");
    bench_run(db, "INSERT INTO t1 SELECT * FROM o1");
    bench_run(db, "INSERT INTO t2 SELECT * FROM o2");
    sqlite3_free(sql);
}

/* Seconds of the fastest run; *count is what the query found. */
static double best(sqlite3 *db, const char *join, const char *first, const char *second, sqlite3_int64 *count)
{
    char *sql = sqlite3_mprintf(join, first, second);
    sqlite3_stmt *statement = bench_prepare(db, sql);
    double least = 0;

    for (int run = 0; run < RUNS; run++) {
        double start = bench_now(), seconds;

        if (sqlite3_step(statement) != SQLITE_ROW)
            bench_fail("%s: %s", sql, sqlite3_errmsg(db));
        *count = sqlite3_column_int64(statement, 0);
        seconds = bench_now() - start;
        sqlite3_reset(statement);
        if (run == 0 || seconds < least)
            least = seconds;
    }
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return least;
}

int main(int argc, char **argv)
{
    long rows = argc > 1 ? strtol(argv[1], NULL, 10) : 10000;
    char path[600];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/join.db", bench_dir());
    db = bench_open(path);
    fill(db, rows);
    for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
        sqlite3_int64 expected, got;
        double ordinary = best(db, joins[i], "o1", "o2", &expected), lsmkv = best(db, joins[i], "t1", "t2", &got);

        if (expected != got)
            bench_fail("%s: %lld rows, and %lld in lsmkv tables", joins[i], (long long)expected, (long long)got);
        printf("%lld rows: ordinary %.1f ms, lsmkv %.1f ms, %.2f times\n", (long long)got, ordinary * 1e3, lsmkv * 1e3,
               lsmkv / ordinary);
    }
    sqlite3_close(db);
    bench_clean();
    return 0;
}
