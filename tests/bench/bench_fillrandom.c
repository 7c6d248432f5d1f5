/*
 * bench_fillrandom.c - random inserts into an lsmkv table and into an ordinary table, side by side.
 *
 * Rows of a 16-byte random key and 100 bytes of value by plain INSERT (so uniqueness is checked), in transactions of 1000.
 * lsmkv with sync = normal stands against a WITHOUT ROWID table in WAL mode with synchronous = NORMAL; rounds alternate and
 * the median of their ratios counts. After its load the lsmkv process is killed with SIGKILL and every row is looked up.
 *
 * Usage: bench_fillrandom [rows [rounds]]      (default 1000000 rows, 3 rounds)
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRANSACTION_ROWS 1000
#define ROUNDS_MAX       101
#define MB               1048576.0

/* The defaults, set by name so that the bound on memory below follows from them. */
#define MEMTABLE_MB    64
#define MAX_IMMUTABLES 2
#define CACHE_MB       64

#define TEXT(x)    TEXT_OF(x)
#define TEXT_OF(x) #x

static const char lsmkv_schema[] = "CREATE VIRTUAL TABLE t USING lsmkv(k BLOB PRIMARY KEY, v BLOB, sync=normal, "
                                   "memtable_size='" TEXT(MEMTABLE_MB) "MB', max_immutables=" TEXT(
                                       MAX_IMMUTABLES) ", cache_size='" TEXT(CACHE_MB) "MB')";
static const char ordinary_schema[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                                      "CREATE TABLE t(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID";

struct load {
    char path[600];
    const char *schema; /* NULL: look every row up */
    uint64_t seed;
    uint64_t rows;
};

/* Loads the rows and returns the seconds between the first BEGIN and the return of the last COMMIT. */
static double fill(void *argument)
{
    const struct load *load = argument;
    unsigned char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    sqlite3 *db = bench_open(load->path);
    sqlite3_stmt *insert;
    double start;

    bench_run(db, load->schema);
    insert = bench_prepare(db, "INSERT INTO t VALUES(?1, ?2)");
    start = bench_now();
    for (uint64_t i = 0; i < load->rows; i++) {
        if (i % TRANSACTION_ROWS == 0)
            bench_run(db, "BEGIN");
        bench_key(load->seed, i, key);
        bench_value(key, value);
        sqlite3_bind_blob(insert, 1, key, sizeof(key), SQLITE_STATIC);
        sqlite3_bind_blob(insert, 2, value, sizeof(value), SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            bench_fail("insert: %s", sqlite3_errmsg(db));
        sqlite3_reset(insert);
        if ((i + 1) % TRANSACTION_ROWS == 0 || i + 1 == load->rows)
            bench_run(db, "COMMIT");
    }
    return bench_now() - start;
}

/* Looks every row up and returns how many are missing or wrong. */
static double count_missing(void *argument)
{
    const struct load *load = argument;
    unsigned char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    sqlite3 *db = bench_open(load->path);
    sqlite3_stmt *select = bench_prepare(db, "SELECT v FROM t WHERE k = ?1");
    uint64_t missing = 0;

    for (uint64_t i = 0; i < load->rows; i++) {
        bench_key(load->seed, i, key);
        bench_value(key, value);
        sqlite3_bind_blob(select, 1, key, sizeof(key), SQLITE_STATIC);
        if (sqlite3_step(select) != SQLITE_ROW || sqlite3_column_bytes(select, 0) != (int)sizeof(value) ||
            memcmp(sqlite3_column_blob(select, 0), value, sizeof(value)) != 0)
            missing++;
        sqlite3_reset(select);
    }
    return (double)missing;
}

static double fill_in_child(const struct load *load, uint64_t *anon_peak)
{
    struct bench_child child;
    double seconds;

    bench_child_start(&child, fill, (void *)load);
    seconds = bench_child_wait(&child);
    bench_child_kill(&child);
    if (child.anon_peak > *anon_peak)
        *anon_peak = child.anon_peak;
    return seconds;
}

int main(int argc, char **argv)
{
    uint64_t rows = argc > 1 && atoll(argv[1]) > 0 ? strtoull(argv[1], NULL, 10) : 1000000;
    size_t rounds = argc > 2 && atoll(argv[2]) > 0 ? strtoull(argv[2], NULL, 10) : 3;
    double ratios[ROUNDS_MAX], ours[ROUNDS_MAX], theirs[ROUNDS_MAX];
    double bound = MEMTABLE_MB * (1 + MAX_IMMUTABLES) + CACHE_MB + 32, missing = 0;
    uint64_t peak = 0, ordinary_peak = 0;

    if (rounds > ROUNDS_MAX)
        rounds = ROUNDS_MAX;
    printf("fillrandom: %llu rows, 16-byte random keys, 100-byte values, plain INSERT, transactions of %d\n",
           (unsigned long long)rows, TRANSACTION_ROWS);
    printf("lsmkv (sync = normal) | WITHOUT ROWID table (WAL, synchronous = NORMAL)\n");
    for (size_t round = 0; round < rounds; round++) {
        struct load load = {.schema = lsmkv_schema, .seed = (round + 1) << 40, .rows = rows};
        struct bench_child reader;

        snprintf(load.path, sizeof(load.path), "%s/lsmkv-%zu.db", bench_dir(), round);
        ours[round] = (double)rows / fill_in_child(&load, &peak);

        bench_child_start(&reader, count_missing, &load);
        missing += bench_child_wait(&reader);
        bench_child_kill(&reader);

        load.schema = ordinary_schema;
        snprintf(load.path, sizeof(load.path), "%s/ordinary-%zu.db", bench_dir(), round);
        theirs[round] = (double)rows / fill_in_child(&load, &ordinary_peak);
        ratios[round] = ours[round] / theirs[round];
        printf("round %zu: %10.0f rows/s | %10.0f rows/s | ratio %.2f\n", round + 1, ours[round], theirs[round],
               ratios[round]);
        bench_clean();
    }
    printf("median:  %10.0f rows/s | %10.0f rows/s | ratio %.2f\n", bench_median(ours, rounds),
           bench_median(theirs, rounds), bench_median(ratios, rounds));
    printf("RssAnon peak: %.0f MiB (bound %.0f MiB) | %.0f MiB\n", (double)peak / MB, bound,
           (double)ordinary_peak / MB);
    printf("after kill -9: %.0f of %llu rows missing\n", missing, (unsigned long long)(rows * rounds));
    return missing > 0 || (double)peak / MB > bound;
}
