/*
 * alloc_loop.c - every allocation of a workload fails once, for a while, or for good.
 *
 * First the engine's on a simulated disk, then all of a process that uses the extension: SQLite's allocator is replaced
 * by one that fails, and the extension gives it to the engine, background threads included. The outcome must be "out of
 * memory" or success, never a crash, a wrong row or a leak; a store that ran out of memory in the middle of a commit may
 * be read-only until it is opened again.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "ext/entry.h"
#include "ext/sqlite.h"
#include "fault_kit.h"
#include "lsm/base/alloc.h"
#include "support/sim_fs.h"
#include "support/test.h"
#include "workload.h"

enum lasting { ONCE, SOME, FOREVER, LASTINGS };

static const char *const lastings[] = {"once", "until something fails", "for good"};

/* ---- The engine ---- */

struct run {
    enum lasting lasting;
    unsigned failures;
};

static void relent(void *context)
{
    struct run *run = context;

    if (++run->failures == 2 && run->lasting == SOME)
        lsm_alloc_fail_at(0, false);
}

/* Returns the number of allocations. `n` 0: none fails. */
static uint64_t run_engine(uint64_t n, enum lasting lasting)
{
    struct sim_fs *disk = sim_fs_new();
    struct run run = {.lasting = lasting};
    struct workload workload;
    long before = leak_counter_live();
    uint64_t count;
    char label[128];

    snprintf(label, sizeof(label), "allocation %u, %s", (unsigned)n, lastings[lasting]);
    workload_init(&workload, sim_fs_os(disk), n % 2 ? LSMKV_SYNC_FULL : LSMKV_SYNC_NORMAL, label);
    workload.injected = LSMKV_NOMEM;
    workload.names_files = false;
    workload.failed = relent;
    workload.context = &run;
    workload.failures_max = lasting == FOREVER ? 5 : 1000;
    lsm_alloc_fail_at(n, lasting != ONCE);
    workload_run(&workload);
    if (workload.store)
        (void)workload_check(&workload);
    (void)workload_close(&workload);
    count = lsm_alloc_count();
    lsm_alloc_fail_at(0, false);
    workload_finish(&workload);
    sim_fs_free(disk);
    if (leak_counter_live() != before)
        fail_msg("%s: %ld allocations are left", label, leak_counter_live() - before);
    return count;
}

static void engine_survives_failed_allocations(void **state)
{
    uint64_t random = test_seed(), count;

    (void)state;
    leak_counter_install();
    count = run_engine(0, ONCE);
    for (enum lasting lasting = ONCE; lasting < LASTINGS; lasting++) {
        uint64_t step = count / test_scaled(200) + 1;

        for (uint64_t n = 1 + test_random(&random) % step; n <= count; n += step)
            run_engine(n, lasting);
        for (uint64_t n = 1; n <= test_scaled(60); n++) /* opening */
            run_engine(n, lasting);
    }
    lsmkv_allocator_set(NULL);
}

/* ---- SQLite's allocator ---- */

static sqlite3_mem_methods system_memory;

static struct {
    atomic_uint_fast64_t count;
    atomic_uint_fast64_t nth; /* 0 = off */
    atomic_bool forever;
} fault;

static bool must_fail(void)
{
    uint64_t count = atomic_fetch_add(&fault.count, 1) + 1, nth = atomic_load(&fault.nth);

    return nth && (count == nth || (count > nth && atomic_load(&fault.forever)));
}

static void fail_at(uint64_t nth, bool forever)
{
    atomic_store(&fault.nth, 0);
    atomic_store(&fault.count, 0);
    atomic_store(&fault.forever, forever);
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

static int set_up_sqlite(void **state)
{
    sqlite3_mem_methods failing;

    (void)state;
    kit_use_memory_dirs();
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) != SQLITE_OK)
        return 1;
    failing = system_memory;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK || sqlite3_initialize() != SQLITE_OK;
}

/* ---- A workload in SQL ---- */

#define STEPS 24
#define ROWS  3 /* of a step */

struct sql_run {
    char label[128];
    const char *path;
    enum lasting lasting;
    bool on; /* the fault */
    unsigned failures;
    sqlite3 *db;
    bool acknowledged[STEPS];
};

static void relax(struct sql_run *run)
{
    fail_at(0, false);
    run->on = false;
}

static bool excused(const struct sql_run *run, int rc)
{
    int primary = rc & 0xff;

    if (primary == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
        return true;
    return run->failures > 0 && (primary == SQLITE_READONLY || primary == SQLITE_BUSY);
}

/* True if it went well. */
static bool well(struct sql_run *run, int rc, const char *what)
{
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return true;
    if (!excused(run, rc))
        fail_msg("%s: %s: %d %s", run->label, what, rc, run->db ? sqlite3_errmsg(run->db) : "");
    run->failures++;
    if (run->lasting == SOME)
        relax(run);
    return false;
}

static bool sql(struct sql_run *run, const char *text)
{
    return well(run, sqlite3_exec(run->db, text, NULL, NULL, NULL), text);
}

/* -1 if it failed. */
static int64_t number_of(struct sql_run *run, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    int rc = sqlite3_prepare_v2(run->db, text, -1, &statement, NULL);

    if (!rc)
        rc = sqlite3_step(statement);
    if (well(run, rc, text) && rc == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static bool connect_to(struct sql_run *run)
{
    char *message = NULL;
    bool good = well(run, sqlite3_open(run->path, &run->db), "open");

    if (run->db)
        sqlite3_extended_result_codes(run->db, 1);
    good = good && well(run, sqlite3_lsmkv_init(run->db, &message, NULL) & 0xff, "init");
    sqlite3_free(message);
    return good && sql(run, "PRAGMA synchronous = OFF");
}

static void disconnect(struct sql_run *run)
{
    if (sqlite3_close(run->db) != SQLITE_OK)
        fail_msg("%s: close: %s", run->label, sqlite3_errmsg(run->db));
    run->db = NULL;
}

/* Rows of `step`, by a scan and by the key: all or none, and the same. -1 if it could not be read. */
static int64_t rows_of(struct sql_run *run, unsigned step)
{
    int64_t by_scan, by_key, sound;
    char text[160];

    snprintf(text, sizeof(text), "SELECT count(*) FROM t WHERE step = %u", step);
    by_scan = number_of(run, text);
    snprintf(text, sizeof(text), "SELECT count(*) FROM t WHERE key BETWEEN '%02u/' AND '%02u0'", step, step);
    by_key = number_of(run, text);
    snprintf(text, sizeof(text), "SELECT count(*) FROM t WHERE step = %u AND length(body) = 700 + step", step);
    sound = number_of(run, text);
    if (by_scan < 0 || by_key < 0 || sound < 0)
        return -1;
    if (by_scan != by_key || by_scan != sound || (by_scan != 0 && by_scan != ROWS))
        fail_msg("%s: step %u has %d rows, %d by the key, %d sound", run->label, step, (int)by_scan, (int)by_key,
                 (int)sound);
    return by_scan;
}

static void check_rows(struct sql_run *run, unsigned step)
{
    int64_t rows = rows_of(run, step);

    if (rows == 0 && run->acknowledged[step])
        fail_msg("%s: step %u was acknowledged and is not there", run->label, step);
}

static bool insert(struct sql_run *run, unsigned step)
{
    char text[256];

    snprintf(text, sizeof(text),
             "INSERT INTO t VALUES('%02u/1', %u, 'n', zeroblob(%u)), ('%02u/2', %u, 'n', zeroblob(%u)), "
             "('%02u/3', %u, 'n', zeroblob(%u))",
             step, step, 700 + step, step, step, 700 + step, step, step, 700 + step);
    return sql(run, text);
}

/* A transaction with ordinary rows beside, a savepoint taken back, an update of all its rows. */
static bool transaction(struct sql_run *run, unsigned step)
{
    bool good = sql(run, "BEGIN");
    char text[128];

    snprintf(text, sizeof(text), "UPDATE t SET name = name || '+' WHERE step = %u; INSERT INTO ordinary VALUES(%u)",
             step, step);
    good = good && insert(run, step);
    good = good && sql(run, "SAVEPOINT s; DELETE FROM t; INSERT INTO t(key) VALUES('99'); ROLLBACK TO s; RELEASE s");
    good = good && sql(run, text);
    good = good && sql(run, "COMMIT");
    if (!good && run->db && !sqlite3_get_autocommit(run->db)) {
        sqlite3_exec(run->db, "ROLLBACK", NULL, NULL, NULL);
        if (run->lasting != FOREVER && !sqlite3_get_autocommit(run->db))
            fail_msg("%s: ROLLBACK: %s", run->label, sqlite3_errmsg(run->db));
    }
    return good;
}

static void do_step(struct sql_run *run, unsigned step)
{
    run->acknowledged[step] = step % 3 == 2 ? transaction(run, step) : insert(run, step);
    if (step % 4 == 1)
        check_rows(run, step / 2);
    if (step == 8)
        sql(run, "SELECT lsmkv_flush('t')");
    if (step == 16)
        sql(run, "SELECT lsmkv_compact('t')");
    if (step == 20)
        sql(run, "SELECT * FROM lsmkv_compacting('t')");
    if (step == 12)
        sql(run, "SELECT count(*), max(bytes) FROM lsmkv_sstables; SELECT * FROM lsmkv_stats");
    if (step == 18)
        sql(run, "SELECT * FROM t WHERE key BETWEEN '03' AND '05' ORDER BY key DESC LIMIT 4");
}

/* Of a step that is a transaction the ordinary row must be there exactly if the others are. */
static void check_together(struct sql_run *run, unsigned step)
{
    char text[96];

    if (step % 3 != 2)
        return;
    snprintf(text, sizeof(text), "SELECT count(*) FROM ordinary WHERE x = %u", step);
    if (number_of(run, text) != rows_of(run, step) / ROWS)
        fail_msg("%s: step %u is there in part", run->label, step);
}

static bool create(struct sql_run *run)
{
    return connect_to(run) && sql(run, "CREATE TABLE IF NOT EXISTS ordinary(x)") &&
           sql(run, "CREATE VIRTUAL TABLE IF NOT EXISTS t USING lsmkv(key TEXT PRIMARY KEY, step INTEGER, "
                    "name TEXT, body BLOB, memtable_size='64KB', sync=off, stall_timeout=0.02)");
}

/* Without the fault. What was acknowledged is there, and the table works. */
static void check_after(struct sql_run *run)
{
    run->failures = 0;
    run->lasting = ONCE;
    if (!create(run) || !insert(run, 0) || !sql(run, "DELETE FROM t WHERE step = 0") ||
        !sql(run, "SELECT lsmkv_flush('t')"))
        fail_msg("%s: the table does not work after the fault is gone", run->label);
    for (unsigned step = 1; step < STEPS; step++) {
        check_rows(run, step);
        check_together(run, step);
    }
    if (run->failures || number_of(run, "SELECT count(*) FROM t WHERE key >= '24'") != 0)
        fail_msg("%s: reading after the fault is gone: %s", run->label, sqlite3_errmsg(run->db));
    disconnect(run);
}

static uint64_t run_sql(uint64_t n, enum lasting lasting)
{
    struct sql_run run = {.lasting = lasting, .on = true};
    sqlite3_int64 before = sqlite3_memory_used();
    char path[512];
    uint64_t count;

    snprintf(path, sizeof(path), "%s/db", test_dir());
    run.path = path;
    snprintf(run.label, sizeof(run.label), "SQL, allocation %u, %s", (unsigned)n, lastings[lasting]);
    fail_at(n, lasting != ONCE);
    if (create(&run)) {
        for (unsigned step = 1; step < STEPS && run.failures < 20; step++)
            do_step(&run, step);
    }
    disconnect(&run);
    count = atomic_load(&fault.count);
    relax(&run);
    if (sqlite3_memory_used() != before)
        fail_msg("%s: %d bytes are left", run.label, (int)(sqlite3_memory_used() - before));
    check_after(&run);
    return count;
}

static void sql_survives_failed_allocations(void **state)
{
    uint64_t random = test_seed(), count;

    (void)state;
    assert_int_equal(sqlite3_memory_used(), 0);
    count = run_sql(0, ONCE);
    for (enum lasting lasting = ONCE; lasting < LASTINGS; lasting++) {
        uint64_t step = count / test_scaled(80) + 1;

        for (uint64_t n = 1 + test_random(&random) % step; n <= count; n += step)
            run_sql(n, lasting);
    }
    assert_int_equal(sqlite3_memory_used(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine_survives_failed_allocations),
        cmocka_unit_test(sql_survives_failed_allocations),
    };

    return cmocka_run_group_tests(tests, set_up_sqlite, NULL);
}
