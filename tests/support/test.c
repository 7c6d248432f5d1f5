/*
 * test.c - seeds, scaling, directories and status checks of the tests.
 */
#include "test.h"

#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRS_MAX 10000

static struct {
    pthread_mutex_t mutex;
    uint64_t seed;
    char root[PATH_MAX]; /* "" until the first test_dir() */
    pid_t owner;         /* who removes it */
    unsigned count;
    char *dirs[DIRS_MAX]; /* freed at exit */
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

size_t test_scaled(size_t n)
{
    const char *text = getenv("LSMKV_TEST_SCALE");
    size_t divisor = text ? strtoul(text, NULL, 10) : 1;

    if (divisor < 1)
        divisor = 1;
    return n / divisor ? n / divisor : 1;
}

uint64_t test_seed(void)
{
    const char *text = getenv("LSMKV_TEST_SEED");
    uint64_t seed;

    pthread_mutex_lock(&state.mutex);
    if (!state.seed) {
        if (text)
            state.seed = strtoull(text, NULL, 10);
        else if (getrandom(&state.seed, sizeof(state.seed), 0) != (ssize_t)sizeof(state.seed))
            state.seed = (uint64_t)getpid();
        if (!state.seed)
            state.seed = 1;
        printf("LSMKV_TEST_SEED=%llu\n", (unsigned long long)state.seed);
        fflush(stdout);
    }
    seed = state.seed;
    pthread_mutex_unlock(&state.mutex);
    return seed;
}

uint64_t test_random(uint64_t *random)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_root(void)
{
    for (unsigned i = 0; i < state.count; i++)
        free(state.dirs[i]);
    if (state.owner == getpid())
        nftw(state.root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_dir(void)
{
    const char *parent = getenv("TMPDIR");
    char *dir = NULL;

    pthread_mutex_lock(&state.mutex);
    if (!state.root[0]) {
        snprintf(state.root, sizeof(state.root), "%s/lsmkv-test-XXXXXX", parent ? parent : "/tmp");
        if (!mkdtemp(state.root))
            abort();
        state.owner = getpid();
        atexit(remove_root);
    }
    if (state.count == DIRS_MAX || asprintf(&dir, "%s/%u", state.root, state.count) < 0 || mkdir(dir, 0700))
        abort();
    state.dirs[state.count++] = dir;
    pthread_mutex_unlock(&state.mutex);
    return dir;
}

static const char *status_name(enum lsmkv_status status)
{
    static const char *const names[] = {"OK",     "BUSY",   "BUSY_SNAPSHOT", "CORRUPT",  "IO",
                                        "FULL",   "NOMEM",  "CANTOPEN",      "READONLY", "INVALID",
                                        "TOOBIG", "MISUSE", "INTERRUPTED"};

    return (size_t)status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown";
}

void test_expect(enum lsmkv_status status, enum lsmkv_status expected, const struct lsmkv_error *err, const char *file,
                 int line)
{
    if (status == expected)
        return;
    print_error("status %s, expected %s: %s\n", status_name(status), status_name(expected),
                status && err ? err->message : "");
    _fail(file, line);
}

void test_expect_message(enum lsmkv_status status, enum lsmkv_status expected, const struct lsmkv_error *err,
                         const char *text, const char *file, int line)
{
    test_expect(status, expected, err, file, line);
    if (err && strstr(err->message, text) && err->status == expected)
        return;
    print_error("message \"%s\" (status %s) lacks \"%s\"\n", err ? err->message : "",
                status_name(err ? err->status : 0), text);
    _fail(file, line);
}
