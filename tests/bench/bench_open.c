/*
 * bench_open.c - loads a big store through small memtables, then measures how long opening it takes.
 *
 * The load runs with busy_timeout 0, as the shell has it, and memtable_size = 1MB: no statement may fail however far
 * flush and compaction lag behind. It ends with a flush, so the log is empty when another process opens the store. That
 * process measures the first statement that needs the store, a lookup of one row.
 *
 * Usage: bench_open [megabytes]      (default 1024)
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#define VALUE_SIZE       1000 /* bytes of a row */
#define TRANSACTION_ROWS 100
#define OPENINGS         5

struct load {
    char path[600];
    uint64_t rows;
};

static double fill(void *argument)
{
    const struct load *load = argument;
    unsigned char key[BENCH_KEY_SIZE], value[VALUE_SIZE];
    sqlite3 *db = bench_open(load->path);
    sqlite3_stmt *insert;
    double start;

    bench_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(k BLOB PRIMARY KEY, v BLOB, sync=normal, memtable_size='1MB')");
    insert = bench_prepare(db, "INSERT INTO t VALUES(?1, ?2)");
    sqlite3_randomness(sizeof(value), value);
    start = bench_now();
    for (uint64_t i = 0; i < load->rows; i++) {
        if (i % TRANSACTION_ROWS == 0)
            bench_run(db, "BEGIN");
        bench_key(1, i, key);
        sqlite3_bind_blob(insert, 1, key, sizeof(key), SQLITE_STATIC);
        sqlite3_bind_blob(insert, 2, value, sizeof(value), SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            bench_fail("insert of row %llu: %s", (unsigned long long)i, sqlite3_errmsg(db));
        sqlite3_reset(insert);
        if ((i + 1) % TRANSACTION_ROWS == 0 || i + 1 == load->rows)
            bench_run(db, "COMMIT");
    }
    bench_run(db, "SELECT lsmkv_flush('t')");
    start = bench_now() - start;
    sqlite3_finalize(insert);
    if (sqlite3_close(db) != SQLITE_OK)
        bench_fail("close: %s", sqlite3_errmsg(db));
    return start;
}

/* Seconds from opening the database to the first row of the store. */
static double open_once(void *argument)
{
    const struct load *load = argument;
    unsigned char key[BENCH_KEY_SIZE];
    sqlite3 *db = bench_open(load->path);
    sqlite3_stmt *select = bench_prepare(db, "SELECT length(v) FROM t WHERE k = ?1");
    double start;

    bench_key(1, load->rows / 2, key);
    sqlite3_bind_blob(select, 1, key, sizeof(key), SQLITE_STATIC);
    start = bench_now();
    if (sqlite3_step(select) != SQLITE_ROW || sqlite3_column_int(select, 0) != VALUE_SIZE)
        bench_fail("lookup: %s", sqlite3_errmsg(db));
    start = bench_now() - start;
    sqlite3_finalize(select);
    sqlite3_close(db);
    return start;
}

int main(int argc, char **argv)
{
    uint64_t megabytes = argc > 1 && atoll(argv[1]) > 0 ? strtoull(argv[1], NULL, 10) : 1024;
    struct load load = {.rows = megabytes * 1048576 / (VALUE_SIZE + BENCH_KEY_SIZE)};
    double openings[OPENINGS];
    struct bench_child child;
    double seconds;

    snprintf(load.path, sizeof(load.path), "%s/big.db", bench_dir());
    bench_child_start(&child, fill, &load);
    seconds = bench_child_wait(&child);
    bench_child_kill(&child);
    printf("loaded %llu MiB in rows of %d bytes in %.1f s (%.1f MiB/s), no errors; RssAnon peak %.0f MiB\n",
           (unsigned long long)megabytes, VALUE_SIZE, seconds, (double)megabytes / seconds,
           (double)child.anon_peak / 1048576);
    for (int i = 0; i < OPENINGS; i++) {
        bench_child_start(&child, open_once, &load);
        openings[i] = bench_child_wait(&child) * 1000;
        bench_child_kill(&child);
    }
    printf("open and look one row up: median %.1f ms, slowest %.1f ms of %d\n", bench_median(openings, OPENINGS),
           openings[OPENINGS - 1], OPENINGS);
    bench_clean();
    return 0;
}
