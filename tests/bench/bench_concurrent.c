/*
 * bench_concurrent.c - small transactions by one thread and by eight, on TEMP lsmkv tables of one store, and on one ordinary
 * database file in WAL mode with BEGIN IMMEDIATE.
 *
 * A transaction reads two of 100,000 rows and updates both. Each thread has a connection and prepared statements of its own;
 * a conflict is repeated with other rows and not counted. The sum over all rows must not change. Prints transactions a
 * second of each, and the ratio; once durable at a checkpoint or after 100 ms, once before COMMIT returns.
 *
 * Usage: bench_concurrent [seconds]      (of each measurement; default 3)
 */
#include "bench.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS        100000
#define BALANCE     100
#define THREADS_MAX 8
#define BUSY_MS     20000

struct measurement {
    bool lsmkv;
    bool durable; /* before COMMIT returns */
    unsigned threads;
    double seconds;
    char base[600]; /* of file names */
};

struct worker {
    const struct measurement *measurement;
    sqlite3 *db;
    sqlite3_stmt *begin, *read, *update, *commit;
    uint64_t random, committed, conflicts;
    double end;
    pthread_t thread;
};

/* ---- One transaction ---- */

static int step_once(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);

    sqlite3_reset(statement);
    return rc;
}

static void expect(struct worker *worker, int rc, int expected)
{
    if (rc != expected)
        bench_fail("%d, expected %d: %s", rc, expected, sqlite3_errmsg(worker->db));
}

static void read_row(struct worker *worker, sqlite3_int64 id)
{
    sqlite3_bind_int64(worker->read, 1, id);
    expect(worker, step_once(worker->read), SQLITE_ROW);
}

static void add_to_row(struct worker *worker, sqlite3_int64 id, int amount)
{
    sqlite3_bind_int64(worker->update, 1, id);
    sqlite3_bind_int(worker->update, 2, amount);
    expect(worker, step_once(worker->update), SQLITE_DONE);
}

static sqlite3_int64 choose_row(struct worker *worker)
{
    unsigned char key[BENCH_KEY_SIZE];

    bench_key(worker->random++, 0, key);
    return 1 + ((sqlite3_int64)key[0] << 16 | (sqlite3_int64)key[1] << 8 | key[2]) % ROWS;
}

static void transact(struct worker *worker)
{
    sqlite3_int64 from = choose_row(worker), to = choose_row(worker);
    int rc;

    expect(worker, step_once(worker->begin), SQLITE_DONE);
    read_row(worker, from);
    read_row(worker, to);
    add_to_row(worker, from, -1);
    add_to_row(worker, to, 1);
    rc = step_once(worker->commit);
    while (rc == SQLITE_BUSY)
        rc = step_once(worker->commit);
    if (rc == SQLITE_BUSY_SNAPSHOT) {
        worker->conflicts++;
        return;
    }
    expect(worker, rc, SQLITE_DONE);
    worker->committed++;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;

    while (bench_now() < worker->end)
        transact(worker);
    return NULL;
}

/* ---- A database, or a store ---- */

static void run_format(sqlite3 *db, const char *format, ...)
{
    va_list arguments;
    char *sql;

    va_start(arguments, format);
    sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    bench_run(db, sql);
    sqlite3_free(sql);
}

static sqlite3 *connect_to(const struct measurement *measurement)
{
    char path[620];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s.db", measurement->base);
    db = bench_open(measurement->lsmkv ? ":memory:" : path);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MS);
    if (measurement->lsmkv)
        run_format(db,
                   "CREATE VIRTUAL TABLE temp.t USING lsmkv('%q', id INTEGER PRIMARY KEY, balance INTEGER, sync = %s)",
                   measurement->base, measurement->durable ? "full" : "normal");
    else
        run_format(db,
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;"
                   "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, balance INTEGER)",
                   measurement->durable ? "FULL" : "NORMAL");
    return db;
}

static void fill(const struct measurement *measurement)
{
    sqlite3 *db = connect_to(measurement);

    run_format(db,
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
               "INSERT INTO t SELECT i, %d FROM n",
               ROWS, BALANCE);
    sqlite3_close(db);
}

static void check_sum(const struct measurement *measurement)
{
    sqlite3 *db = connect_to(measurement);
    sqlite3_stmt *sum = bench_prepare(db, "SELECT sum(balance) FROM t");

    if (sqlite3_step(sum) != SQLITE_ROW || sqlite3_column_int64(sum, 0) != (sqlite3_int64)ROWS * BALANCE)
        bench_fail("the sum has changed");
    sqlite3_finalize(sum);
    sqlite3_close(db);
}

static void start_worker(struct worker *worker, const struct measurement *measurement, unsigned number)
{
    sqlite3 *db = connect_to(measurement);

    *worker = (struct worker){.measurement = measurement, .db = db, .random = (uint64_t)number << 40};
    worker->begin = bench_prepare(db, measurement->lsmkv ? "BEGIN" : "BEGIN IMMEDIATE");
    worker->read = bench_prepare(db, "SELECT balance FROM t WHERE id = ?1");
    worker->update = bench_prepare(db, "UPDATE t SET balance = balance + ?2 WHERE id = ?1");
    worker->commit = bench_prepare(db, "COMMIT");
}

static void end_worker(struct worker *worker)
{
    sqlite3_finalize(worker->begin);
    sqlite3_finalize(worker->read);
    sqlite3_finalize(worker->update);
    sqlite3_finalize(worker->commit);
    if (sqlite3_close(worker->db) != SQLITE_OK)
        bench_fail("close: %s", sqlite3_errmsg(worker->db));
}

/* Transactions a second. */
static double measure(void *argument)
{
    const struct measurement *measurement = argument;
    struct worker workers[THREADS_MAX];
    uint64_t committed = 0, conflicts = 0;
    double start;

    fill(measurement);
    for (unsigned i = 0; i < measurement->threads; i++)
        start_worker(&workers[i], measurement, i);
    start = bench_now();
    for (unsigned i = 0; i < measurement->threads; i++) {
        workers[i].end = start + measurement->seconds;
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
            bench_fail("pthread_create");
    }
    for (unsigned i = 0; i < measurement->threads; i++) {
        pthread_join(workers[i].thread, NULL);
        committed += workers[i].committed;
        conflicts += workers[i].conflicts;
    }
    start = bench_now() - start;
    for (unsigned i = 0; i < measurement->threads; i++)
        end_worker(&workers[i]);
    check_sum(measurement);
    if (conflicts)
        printf("  (%llu conflicts)\n", (unsigned long long)conflicts);
    fflush(stdout);
    return (double)committed / start;
}

static double measure_in_child(bool lsmkv, bool durable, unsigned threads, double seconds)
{
    struct measurement measurement = {.lsmkv = lsmkv, .durable = durable, .threads = threads, .seconds = seconds};
    struct bench_child child;
    double rate;

    snprintf(measurement.base, sizeof(measurement.base), "%s/%s-%u-%d", bench_dir(), lsmkv ? "lsmkv" : "ordinary",
             threads, durable);
    bench_child_start(&child, measure, &measurement);
    rate = bench_child_wait(&child);
    bench_child_kill(&child);
    return rate;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;

    for (int durable = 0; durable < 2; durable++) {
        for (unsigned threads = 1; threads <= THREADS_MAX; threads += THREADS_MAX - 1) {
            double ordinary = measure_in_child(false, durable, threads, seconds);
            double lsmkv = measure_in_child(true, durable, threads, seconds);

            printf("%u thread%s, %s: lsmkv %.0f transactions/s, ordinary %.0f, %.1f times\n", threads,
                   threads == 1 ? "" : "s", durable ? "durable before COMMIT returns" : "sync = normal", lsmkv,
                   ordinary, lsmkv / ordinary);
        }
    }
    bench_clean();
    return 0;
}
