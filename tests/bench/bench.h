/*
 * bench.h - what the benchmarks share: children that are measured, keys and values, opening a database.
 *
 * A failure of any kind ends the program with a message. Each engine runs in a child process of its own, so memory and
 * background threads of one never burden the other.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sqlite3.h>

#define BENCH_KEY_SIZE   16  /* bytes */
#define BENCH_VALUE_SIZE 100 /* bytes */

/* Ends the program with a message. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

double bench_now(void); /* seconds of a monotonic clock */
double bench_median(double *numbers, size_t count);

/* A fresh directory below TMPDIR (or build/), removed by bench_clean(). */
const char *bench_dir(void);
void bench_clean(void);

/* Opens a database with the extension of LSMKV_SO (or ./lsmkv.so) loaded. */
sqlite3 *bench_open(const char *path);
void bench_run(sqlite3 *db, const char *sql);
sqlite3_stmt *bench_prepare(sqlite3 *db, const char *sql);

/* Key `i` of the series `seed`: random, and the same each time. The value follows from the key. */
void bench_key(uint64_t seed, uint64_t i, unsigned char key[BENCH_KEY_SIZE]);
void bench_value(const unsigned char key[BENCH_KEY_SIZE], unsigned char value[BENCH_VALUE_SIZE]);

/*
 * A child that runs `work` and then waits to be killed. bench_child_wait() returns when `work` has ended, with the number
 * it returned; meanwhile it watches the child's anonymous memory.
 */
struct bench_child {
    pid_t pid;
    int pipe_end;
    uint64_t anon_peak; /* bytes of RssAnon, the highest seen */
};
void bench_child_start(struct bench_child *child, double (*work)(void *argument), void *argument);
double bench_child_wait(struct bench_child *child);
void bench_child_kill(struct bench_child *child); /* with SIGKILL */

#endif
