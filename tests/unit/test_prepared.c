/*
 * test_prepared.c - transactions between their two phases: what becomes of them in the log, at rotation, over crashes, and
 * how one in doubt is settled.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "os/fs.h"
#include "store/store.h"
#include "support/fault_fs.h"
#include "support/sim_fs.h"
#include "support/store_kit.h"

#define SESSIONS 8

struct fixture {
    struct sim_fs *disk;
    struct fault_fs *faults;
    struct db db;
    struct lsmkv_session *sessions[SESSIONS];
    struct lsmkv_error err;
};

static void open_sessions(struct fixture *f)
{
    db_open(&f->db);
    for (size_t i = 0; i < SESSIONS; i++)
        assert_ok(lsmkv_session_open(&f->sessions[i], f->db.store, &f->err), &f->err);
}

static void close_sessions(struct fixture *f)
{
    for (size_t i = 0; i < SESSIONS; i++)
        lsmkv_session_close(f->sessions[i]);
    memset(f->sessions, 0, sizeof(f->sessions));
}

static void set_up(struct fixture *f, enum lsmkv_sync sync)
{
    memset(f, 0, sizeof(*f));
    f->disk = sim_fs_new();
    f->faults = fault_fs_new(sim_fs_os(f->disk));
    db_init(&f->db, fault_fs_os(f->faults), "/store");
    f->db.options.sync = sync;
    open_sessions(f);
}

static void tear_down(struct fixture *f)
{
    close_sessions(f);
    db_end(&f->db);
    fault_fs_free(f->faults);
    sim_fs_free(f->disk);
}

static void reopen_cleanly(struct fixture *f)
{
    close_sessions(f);
    db_close(&f->db);
    open_sessions(f);
}

/* Power cut: the store that lived is freed without doing anything more. */
static void crash(struct fixture *f, enum sim_crash mode)
{
    struct sim_fs *after = sim_fs_crash(f->disk, mode, 7);

    sim_fs_stop_at(f->disk, 1);
    close_sessions(f);
    (void)db_try_close(&f->db);
    fault_fs_free(f->faults);
    sim_fs_free(f->disk);
    f->disk = after;
    f->faults = fault_fs_new(sim_fs_os(after));
    f->db.how.fs = fault_fs_os(f->faults);
    open_sessions(f);
}

static void begin(struct fixture *f, size_t session, const char *key, const char *value)
{
    assert_ok(lsmkv_session_write(f->sessions[session], LSMKV_WRITE_OPTIMISTIC, 0, &f->err), &f->err);
    assert_ok(lsmkv_put(f->sessions[session], text(key), text(value), &f->err), &f->err);
}

/* Session `n` prepares transaction 100 + n. */
static enum lsmkv_status try_prepare(struct fixture *f, size_t session, bool by_default)
{
    struct lsmkv_prepare how = {
        .transaction = 100 + session, .coordinator = "coordinator", .default_commit = by_default, .wait_ms = 0};

    return lsmkv_session_prepare(f->sessions[session], &how, &f->err);
}

static void prepare(struct fixture *f, size_t session, const char *key, const char *value)
{
    begin(f, session, key, value);
    assert_ok(try_prepare(f, session, false), &f->err);
}

static void commit(struct fixture *f, size_t session)
{
    assert_ok(lsmkv_session_commit_prepared(f->sessions[session], &f->err), &f->err);
}

static void roll_back(struct fixture *f, size_t session)
{
    assert_ok(lsmkv_session_rollback(f->sessions[session], &f->err), &f->err);
}

static void settle(struct fixture *f, uint64_t transaction, bool commits)
{
    assert_ok(lsmkv_settle(f->db.store, transaction, commits, &f->err), &f->err);
}

/* How many are undecided, and how many of them in doubt. */
static void expect_undecided(struct fixture *f, unsigned undecided, unsigned in_doubt)
{
    unsigned all = 0, doubt = 0;

    mutex_lock(&f->db.store->prepared.lock);
    for (const struct prepared *at = f->db.store->prepared.first; at; at = at->next) {
        all++;
        doubt += at->in_doubt;
    }
    mutex_unlock(&f->db.store->prepared.lock);
    assert_int_equal(all, undecided);
    assert_int_equal(doubt, in_doubt);
}

/* ---- In doubt ---- */

static void undecided_prepare_is_in_doubt_after_a_crash_until_it_is_settled(void **state)
{
    (void)state;
    for (int commits = 0; commits < 2; commits++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        db_put(&f.db, "a", "old");
        prepare(&f, 0, "a", "new");
        for (unsigned round = 0; round < 3; round++) {
            crash(&f, SIM_DROP_UNSYNCED);
            db_expect(&f.db, "a", "old");
            expect_undecided(&f, 1, 1);
            assert_false(lsmkv_transaction_decided(f.db.store, 100));
        }
        settle(&f, 100, commits);
        expect_undecided(&f, 0, 0);
        assert_true(lsmkv_transaction_decided(f.db.store, 100));
        for (unsigned round = 0; round < 2; round++) {
            db_expect(&f.db, "a", commits ? "new" : "old");
            crash(&f, SIM_DROP_UNSYNCED);
        }
        tear_down(&f);
    }
}

/* A clean end leaves it where it is; flushes in between must not take its segment, nor what recovery copied it to. */
static void doubt_outlives_clean_ends_and_flushes(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    prepare(&f, 0, "a", "1");
    crash(&f, SIM_DROP_UNSYNCED);
    for (unsigned round = 0; round < 4; round++) {
        reopen_cleanly(&f);
        expect_undecided(&f, 1, 1);
        if (round % 2)
            db_put(&f.db, "b", "1");
        db_flush(&f.db);
    }
    crash(&f, SIM_DROP_UNSYNCED);
    settle(&f, 100, true);
    db_expect(&f.db, "a", "1");
    reopen_cleanly(&f);
    db_expect(&f.db, "a", "1");
    expect_undecided(&f, 0, 0);
    tear_down(&f);
}

static void settling_names_what_is_not_in_doubt(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    prepare(&f, 0, "a", "1");
    assert_fails(lsmkv_settle(f.db.store, 100, true, &f.err), LSMKV_INVALID, &f.err, "0000000000000064");
    assert_fails(lsmkv_settle(f.db.store, 7, true, &f.err), LSMKV_INVALID, &f.err, "0000000000000007");
    roll_back(&f, 0);
    crash(&f, SIM_DROP_UNSYNCED);
    assert_status(lsmkv_settle(f.db.store, 100, true, &f.err), LSMKV_INVALID, &f.err);
    db_expect(&f.db, "a", NULL);
    tear_down(&f);
}

/* A lack of memory is no end: it is in doubt still, and the next try does it. */
static void settling_can_be_tried_again(void **state)
{
    (void)state;
    for (int commits = 0; commits < 2; commits++) {
        enum lsmkv_status status = LSMKV_NOMEM;
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        prepare(&f, 0, "a", "1");
        crash(&f, SIM_DROP_UNSYNCED);
        for (uint64_t n = 1; status; n++) {
            lsm_alloc_fail_at(n, false);
            status = lsmkv_settle(f.db.store, 100, commits, &f.err);
            lsm_alloc_fail_at(0, false);
            if (status) {
                assert_status(status, LSMKV_NOMEM, &f.err);
                expect_undecided(&f, 1, 1);
            }
            db_expect(&f.db, "a", status || !commits ? NULL : "1");
        }
        expect_undecided(&f, 0, 0);
        crash(&f, SIM_DROP_UNSYNCED);
        db_expect(&f.db, "a", commits ? "1" : NULL);
        tear_down(&f);
    }
}

static void settling_when_the_log_fails_leaves_it_to_recovery(void **state)
{
    struct fault_rule rule = {FAULT_BIT(FAULT_WRITE), ".wal", 1, true, LSMKV_IO, FAULT_NOTHING};
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    prepare(&f, 0, "a", "1");
    crash(&f, SIM_DROP_UNSYNCED);
    fault_fs_fail(f.faults, &rule);
    assert_status(lsmkv_settle(f.db.store, 100, true, &f.err), LSMKV_IO, &f.err);
    fault_fs_heal(f.faults);
    expect_undecided(&f, 1, 1);
    assert_status(lsmkv_settle(f.db.store, 100, true, &f.err), LSMKV_READONLY, &f.err);
    crash(&f, SIM_DROP_UNSYNCED);
    expect_undecided(&f, 1, 1);
    settle(&f, 100, true);
    db_expect(&f.db, "a", "1");
    tear_down(&f);
}

/* A session whose outcome cannot be written leaves its transaction undecided, in this process too. */
static void outcome_that_cannot_be_written_leaves_doubt(void **state)
{
    struct fault_rule rule = {FAULT_BIT(FAULT_WRITE), ".wal", 1, true, LSMKV_IO, FAULT_NOTHING};

    (void)state;
    for (int commits = 0; commits < 2; commits++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        prepare(&f, 0, "a", "1");
        fault_fs_fail(f.faults, &rule);
        if (commits)
            assert_status(lsmkv_session_commit_prepared(f.sessions[0], &f.err), LSMKV_IO, &f.err);
        else
            assert_status(lsmkv_session_rollback(f.sessions[0], &f.err), LSMKV_IO, &f.err);
        fault_fs_heal(f.faults);
        assert_int_equal(lsmkv_session_state(f.sessions[0]), LSMKV_SESSION_IDLE);
        expect_undecided(&f, 1, 1);
        assert_false(lsmkv_transaction_decided(f.db.store, 100));
        crash(&f, SIM_DROP_UNSYNCED);
        expect_undecided(&f, 1, 1);
        settle(&f, 100, commits);
        db_expect(&f.db, "a", commits ? "1" : NULL);
        tear_down(&f);
    }
}

/* Its marker may be deleted when no crash can ask for it any more. */
static void transaction_is_decided_when_its_outcome_is_durable(void **state)
{
    struct fixture f;
    unsigned hold;

    (void)state;
    set_up(&f, LSMKV_SYNC_NORMAL);
    prepare(&f, 0, "a", "1");
    hold = fault_fs_hold(f.faults, FAULT_BIT(FAULT_SYNC), ".wal");
    commit(&f, 0);
    db_expect(&f.db, "a", "1");
    assert_false(lsmkv_transaction_decided(f.db.store, 100));
    assert_true(lsmkv_transaction_decided(f.db.store, 101)); /* nobody knows of it */
    fault_fs_release(f.faults, hold);
    db_flush(&f.db); /* makes the segment durable first */
    assert_true(lsmkv_transaction_decided(f.db.store, 100));
    crash(&f, SIM_DROP_UNSYNCED);
    db_expect(&f.db, "a", "1");
    expect_undecided(&f, 0, 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undecided_prepare_is_in_doubt_after_a_crash_until_it_is_settled),
        cmocka_unit_test(doubt_outlives_clean_ends_and_flushes),
        cmocka_unit_test(settling_names_what_is_not_in_doubt),
        cmocka_unit_test(settling_can_be_tried_again),
        cmocka_unit_test(settling_when_the_log_fails_leaves_it_to_recovery),
        cmocka_unit_test(outcome_that_cannot_be_written_leaves_doubt),
        cmocka_unit_test(transaction_is_decided_when_its_outcome_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
