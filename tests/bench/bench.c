/* bench.c - what the benchmarks share; see bench.h. */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char directory[512];

void bench_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fflush(stdout);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(1);
}

double bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *numbers, size_t count)
{
    qsort(numbers, count, sizeof(*numbers), compare_doubles);
    return count % 2 ? numbers[count / 2] : (numbers[count / 2 - 1] + numbers[count / 2]) / 2;
}

const char *bench_dir(void)
{
    const char *parent = getenv("TMPDIR");

    if (!directory[0]) {
        snprintf(directory, sizeof(directory), "%s/lsmkv-bench-XXXXXX", parent ? parent : "build");
        if (!mkdtemp(directory))
            bench_fail("%s: %s", directory, strerror(errno));
    }
    return directory;
}

void bench_clean(void)
{
    char command[600];

    if (!directory[0])
        return;
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    if (system(command)) /* NOLINT(cert-env33-c): a path that mkdtemp made */
        bench_fail("cannot remove %s", directory);
    directory[0] = '\0';
}

sqlite3 *bench_open(const char *path)
{
    const char *extension = getenv("LSMKV_SO");
    char *message = NULL;
    sqlite3 *db;

    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_fail("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (sqlite3_load_extension(db, extension ? extension : "./lsmkv.so", NULL, &message) != SQLITE_OK)
        bench_fail("%s", message);
    return db;
}

void bench_run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_fail("%s: %s", sql, sqlite3_errmsg(db));
}

sqlite3_stmt *bench_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        bench_fail("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

/* SplitMix64: a bijection of its input, so keys of one series never repeat. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void bench_key(uint64_t seed, uint64_t i, unsigned char key[BENCH_KEY_SIZE])
{
    uint64_t high = mix(seed ^ i), low = mix(~high);

    memcpy(key, &high, 8);
    memcpy(key + 8, &low, 8);
}

void bench_value(const unsigned char key[BENCH_KEY_SIZE], unsigned char value[BENCH_VALUE_SIZE])
{
    uint64_t state;

    memcpy(&state, key, 8);
    for (int at = 0; at < BENCH_VALUE_SIZE; at += 8) {
        state = mix(state);
        memcpy(value + at, &state, at + 8 <= BENCH_VALUE_SIZE ? 8 : (size_t)(BENCH_VALUE_SIZE - at));
    }
}

void bench_child_start(struct bench_child *child, double (*work)(void *argument), void *argument)
{
    int ends[2];

    if (pipe(ends))
        bench_fail("pipe: %s", strerror(errno));
    fflush(NULL);
    child->anon_peak = 0;
    child->pid = fork();
    if (child->pid < 0)
        bench_fail("fork: %s", strerror(errno));
    if (child->pid == 0) {
        double result;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        result = work(argument);
        if (write(ends[1], &result, sizeof(result)) != (ssize_t)sizeof(result))
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    child->pipe_end = ends[0];
}

static uint64_t anonymous_bytes(pid_t pid)
{
    unsigned long long kilobytes = 0;
    char path[64], line[256];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "RssAnon:", 8) == 0)
            kilobytes = strtoull(line + 8, NULL, 10);
    }
    fclose(file);
    return kilobytes * 1024;
}

double bench_child_wait(struct bench_child *child)
{
    struct pollfd poll_end = {child->pipe_end, POLLIN, 0};
    double result = 0;
    int ready;

    do {
        uint64_t bytes = anonymous_bytes(child->pid);

        if (bytes > child->anon_peak)
            child->anon_peak = bytes;
        ready = poll(&poll_end, 1, 10);
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    if (read(child->pipe_end, &result, sizeof(result)) != (ssize_t)sizeof(result))
        bench_fail("a child failed");
    return result;
}

void bench_child_kill(struct bench_child *child)
{
    int status;

    kill(child->pid, SIGKILL);
    if (waitpid(child->pid, &status, 0) != child->pid || !WIFSIGNALED(status))
        bench_fail("a child ended by itself");
    close(child->pipe_end);
}
