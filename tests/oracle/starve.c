#include "starve.h"

#include <err.h>
#include <stdint.h>

#include "support/test.h"

static sqlite3_mem_methods system_memory;

/* Of the thread that starves; threads of the store have memory. */
static _Thread_local struct {
    uint64_t count;
    uint64_t nth; /* 0: none fails */
} fault;

static bool must_fail(void)
{
    return ++fault.count == fault.nth;
}

static void *failing_malloc(int size)
{
    return must_fail() ? NULL : system_memory.xMalloc(size);
}

static void *failing_realloc(void *memory, int size)
{
    return must_fail() ? NULL : system_memory.xRealloc(memory, size);
}

void starve_init(void)
{
    sqlite3_mem_methods failing;

    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) != SQLITE_OK)
        errx(1, "sqlite3_config");
    failing = system_memory;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK)
        errx(1, "sqlite3_config");
}

static int run(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL), ended;

    while (rc == SQLITE_OK || rc == SQLITE_ROW)
        rc = sqlite3_step(statement);
    ended = sqlite3_finalize(statement);
    return rc == SQLITE_DONE && ended != SQLITE_OK ? ended : rc;
}

int starve_run(sqlite3 *db, const char *sql)
{
    /* All of the first hundred or so, then ever fewer: in a sanitizer build fewer from the beginning. */
    uint64_t nth, step = 100 / test_scaled(100);
    bool hit = true;
    int rc = SQLITE_NOMEM;

    /* An error that is not for want of memory may have lost its message to it. */
    for (nth = 1; rc != SQLITE_DONE && hit; nth += step + nth / 100) {
        fault.count = 0;
        fault.nth = nth;
        rc = run(db, sql);
        hit = fault.count >= nth;
        fault.nth = 0;
    }
    return rc;
}
