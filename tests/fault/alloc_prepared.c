/*
 * alloc_prepared.c - every allocation fails once, or from one on, while transactions are prepared, copied forward by a
 * rotation, decided, found in doubt after a crash, and settled.
 *
 * A prepare may be refused, and then it has left nothing. Its outcome and its abort may not be: what they need was set aside
 * with it. A store that cannot be opened, and a transaction that cannot be settled, are as they were, and the next try does
 * it. A rotation without memory may end the log; what was decided by then stays so, the rest is in doubt.
 */
#include <stdio.h>
#include <string.h>

#include "lsm/base/alloc.h"
#include "support/sim_fs.h"
#include "support/store_kit.h"
#include "support/test.h"
#include "workload.h"

#define PREPARES 4 /* transactions 1 and 3 are rolled back, 0 commits, and nobody decides 2 */

enum state { ABSENT, PREPARED, COMMITTED, UNKNOWN };

struct run {
    struct sim_fs *disk;
    struct db db;
    struct lsmkv_session *sessions[PREPARES];
    enum state states[PREPARES];
    bool forever;
    uint64_t left; /* allocations until the failure, 0 if it is over */
    unsigned failures;
    char label[64];
};

static char value[40000]; /* so that no memtable has room for it by chance */

static void fault_on(const struct run *run)
{
    lsm_alloc_fail_at(run->left, run->forever);
}

/* The allocations of a phase count down to the failure, which may be in a later phase. */
static void fault_off(struct run *run)
{
    uint64_t count = lsm_alloc_count();

    lsm_alloc_fail_at(0, false);
    run->left = run->left > count ? run->left - count : 0;
}

static const char *key_name(char key[16], unsigned i)
{
    snprintf(key, 16, "k%u", i);
    return key;
}

/*
 * True if it went well; otherwise memory was short, or is the reason why the store takes no writes any more, or why a
 * transaction before this one guards everything: it could not remember what it has read.
 */
static bool well(struct run *run, enum lsmkv_status status, const char *what)
{
    if (!status)
        return true;
    run->failures++;
    if (status != LSMKV_NOMEM && status != LSMKV_READONLY && status != LSMKV_BUSY)
        fail_msg("%s: %s: status %d: %s", run->label, what, status, run->db.err.message);
    return false;
}

static bool ended(struct run *run)
{
    return lsmkv_session_write(run->db.session, LSMKV_WRITE_EXCLUSIVE, 0, &run->db.err) == LSMKV_READONLY ||
           lsmkv_session_rollback(run->db.session, NULL);
}

/* ---- Steps ---- */

static void prepare(struct run *run, unsigned i)
{
    struct lsmkv_prepare how = {.transaction = 100 + i, .coordinator = "coordinator"};
    struct lsmkv_session *session = run->sessions[i];
    struct lsmkv_buf read = LSMKV_BUF_INIT;
    enum lsmkv_status status;
    char key[16];
    bool found;

    status = lsmkv_session_write(session, LSMKV_WRITE_OPTIMISTIC, 0, &run->db.err);
    if (!status)
        status = lsmkv_get(session, text("read"), &read, &found, &run->db.err);
    if (!status)
        status = lsmkv_put(session, text(key_name(key, i)), text(value), &run->db.err);
    if (!status)
        status = lsmkv_session_prepare(session, &how, &run->db.err);
    if (well(run, status, "prepare"))
        run->states[i] = PREPARED;
    else if (lsmkv_session_rollback(session, &run->db.err) || status == LSMKV_READONLY)
        run->states[i] = UNKNOWN; /* its record may be in a log that has ended */
    lsmkv_buf_release(&read);
}

static void rotate(struct run *run)
{
    enum lsmkv_status status = lsmkv_session_write(run->db.session, LSMKV_WRITE_EXCLUSIVE, 0, &run->db.err);

    if (!status)
        status = lsmkv_put(run->db.session, text("other"), text("1"), &run->db.err);
    if (!status)
        status = lsmkv_session_commit(run->db.session, 0, &run->db.err);
    if (!well(run, status, "commit"))
        (void)lsmkv_session_rollback(run->db.session, NULL);
    well(run, lsmkv_flush(run->db.store, &run->db.err), "flush");
}

static void decide(struct run *run, unsigned i)
{
    bool commits = i % 2 == 0;
    enum lsmkv_status status;

    if (run->states[i] != PREPARED)
        return;
    if (commits)
        status = lsmkv_session_commit_prepared(run->sessions[i], &run->db.err);
    else
        status = lsmkv_session_rollback(run->sessions[i], &run->db.err);
    if (status && status != LSMKV_READONLY)
        fail_msg("%s: deciding %u: status %d: %s", run->label, i, status, run->db.err.message);
    if (!status)
        run->states[i] = commits ? COMMITTED : ABSENT;
}

/* What was synced, or was written at least: as much as the mode promises. */
static void crash(struct run *run, bool full)
{
    struct sim_fs *after = sim_fs_crash(run->disk, full ? SIM_DROP_UNSYNCED : SIM_KEEP_ALL, 7);

    sim_fs_stop_at(run->disk, 1);
    for (unsigned i = 0; i < PREPARES; i++)
        lsmkv_session_close(run->sessions[i]);
    (void)db_try_close(&run->db);
    sim_fs_free(run->disk);
    run->disk = after;
    run->db.how.fs = sim_fs_os(after);
}

static void reopen(struct run *run)
{
    enum lsmkv_status status;

    fault_on(run);
    status = lsmkv_store_open(&run->db.store, run->db.dir, &run->db.how, &run->db.err);
    fault_off(run);
    if (well(run, status, "open"))
        assert_ok(lsmkv_session_open(&run->db.session, run->db.store, &run->db.err), &run->db.err);
    else
        db_open(&run->db);
}

struct doubt {
    struct run *run;
    bool found[PREPARES];
};

static bool note_doubt(void *context, const struct lsmkv_transaction_info *info)
{
    struct doubt *doubt = context;

    if (info->state == LSMKV_TRANSACTION_IN_DOUBT)
        doubt->found[info->transaction - 100] = true;
    return true;
}

static void settle(struct run *run, unsigned i)
{
    bool commits = i % 2 == 0;
    enum lsmkv_status status;

    fault_on(run);
    status = lsmkv_settle(run->db.store, 100 + i, commits, &run->db.err);
    fault_off(run);
    if (!well(run, status, "settle"))
        assert_ok(lsmkv_settle(run->db.store, 100 + i, commits, &run->db.err), &run->db.err);
    run->states[i] = commits ? COMMITTED : ABSENT;
}

static void settle_all(struct run *run)
{
    struct doubt doubt = {.run = run};

    lsmkv_transactions_each(run->db.store, note_doubt, &doubt);
    for (unsigned i = 0; i < PREPARES; i++) {
        if (run->states[i] != UNKNOWN && doubt.found[i] != (run->states[i] == PREPARED))
            fail_msg("%s: transaction %u is%s in doubt", run->label, i, doubt.found[i] ? "" : " not");
        if (doubt.found[i])
            settle(run, i);
    }
}

static void check(struct run *run)
{
    char key[16];

    for (unsigned i = 0; i < PREPARES; i++) {
        if (run->states[i] != UNKNOWN)
            db_expect(&run->db, key_name(key, i), run->states[i] == COMMITTED ? value : NULL);
    }
}

/* ---- The loop ---- */

static void live(struct run *run)
{
    fault_on(run);
    for (unsigned i = 0; i < PREPARES; i++)
        prepare(run, i);
    rotate(run);
    decide(run, 1);
    rotate(run);
    decide(run, 0);
    decide(run, 3);
    fault_off(run);
    if (run->failures == 0 && ended(run))
        fail_msg("%s: the store has failed, and no call", run->label);
}

/* False if the failure was beyond the last allocation. */
static bool run_once(uint64_t n, bool forever)
{
    struct run run = {.left = n, .forever = forever};
    bool full = n % 2;
    long before = leak_counter_live();

    snprintf(run.label, sizeof(run.label), "allocation %u%s", (unsigned)n, forever ? " and all after it" : "");
    run.disk = sim_fs_new();
    db_init(&run.db, sim_fs_os(run.disk), "/store");
    run.db.options.sync = full ? LSMKV_SYNC_FULL : LSMKV_SYNC_NORMAL;
    db_open(&run.db);
    for (unsigned i = 0; i < PREPARES; i++)
        assert_ok(lsmkv_session_open(&run.sessions[i], run.db.store, &run.db.err), &run.db.err);
    live(&run);
    crash(&run, full);
    reopen(&run);
    settle_all(&run);
    check(&run);
    db_reopen(&run.db);
    assert_int_equal(db_in_doubt(&run.db), 0);
    check(&run);
    db_end(&run.db);
    sim_fs_free(run.disk);
    if (leak_counter_live() != before)
        fail_msg("%s: %ld allocations are left", run.label, leak_counter_live() - before);
    return run.left == 0;
}

static void prepared_transactions_survive_failed_allocations(void **state)
{
    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    leak_counter_install();
    for (int forever = 0; forever < 2; forever++) {
        uint64_t n = 1, step = test_scaled(100) < 100 ? 7 : 1;

        while (run_once(n, forever))
            n += step;
        assert_true(n > 100);
        print_message("%u places\n", (unsigned)n);
    }
    lsmkv_allocator_set(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepared_transactions_survive_failed_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
