/*
 * test_prepared.c - transactions between their two phases: what becomes of them in the log, at rotation, over crashes, and
 * how one in doubt is settled.
 */
#include "support/test.h"

#include <pthread.h>
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

static void set_up_with(struct fixture *f, enum lsmkv_sync sync, uint64_t memtable_size)
{
    memset(f, 0, sizeof(*f));
    f->disk = sim_fs_new();
    f->faults = fault_fs_new(sim_fs_os(f->disk));
    db_init(&f->db, fault_fs_os(f->faults), "/store");
    f->db.options.sync = sync;
    if (memtable_size)
        f->db.options.memtable_size = memtable_size;
    open_sessions(f);
}

static void set_up(struct fixture *f, enum lsmkv_sync sync)
{
    set_up_with(f, sync, 0);
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

/* ---- Guards ---- */

static void read_key(struct fixture *f, size_t session, const char *key, const char *value)
{
    session_expect(f->sessions[session], key, value);
}

/* A final commit that does not wait. */
static enum lsmkv_status try_commit(struct fixture *f, size_t session)
{
    return lsmkv_session_commit(f->sessions[session], 0, &f->err);
}

static void prepared_transaction_lets_others_commit_and_outcomes_come_in_any_order(void **state)
{
    static const char *const keys[] = {"a", "b", "c"};
    static const size_t order[] = {2, 0, 1};

    (void)state;
    for (int sync = LSMKV_SYNC_FULL; sync <= LSMKV_SYNC_OFF; sync++) {
        struct fixture f;

        set_up(&f, (enum lsmkv_sync)sync);
        for (size_t i = 0; i < 3; i++)
            prepare(&f, i, keys[i], "1");
        begin(&f, 3, "d", "1");
        assert_ok(try_commit(&f, 3), &f.err);
        for (size_t i = 0; i < 3; i++) {
            db_expect(&f.db, keys[order[i]], NULL);
            commit(&f, order[i]);
            db_expect(&f.db, keys[order[i]], "1");
        }
        expect_undecided(&f, 0, 0);
        crash(&f, sync == LSMKV_SYNC_FULL ? SIM_DROP_UNSYNCED : SIM_KEEP_ALL);
        for (size_t i = 0; i < 3; i++)
            db_expect(&f.db, keys[i], "1");
        db_expect(&f.db, "d", "1");
        tear_down(&f);
    }
}

static void writing_what_a_prepared_one_has_read_waits_for_its_outcome(void **state)
{
    (void)state;
    for (int prepares = 0; prepares < 2; prepares++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        begin(&f, 0, "a", "1");
        read_key(&f, 0, "read", NULL);
        assert_ok(try_prepare(&f, 0, false), &f.err);
        begin(&f, 1, "read", "1");
        assert_status(prepares ? try_prepare(&f, 1, false) : try_commit(&f, 1), LSMKV_BUSY, &f.err);
        assert_int_equal(lsmkv_session_state(f.sessions[1]), LSMKV_SESSION_WRITING);
        commit(&f, 0);
        assert_ok(prepares ? try_prepare(&f, 1, false) : LSMKV_OK, &f.err);
        assert_ok(try_commit(&f, 1), &f.err); /* the same call again */
        db_expect(&f.db, "read", "1");
        tear_down(&f);
    }
}

/* It comes before the prepared one, or has seen too little of it. */
static void reader_of_what_a_prepared_one_writes_commits_before_it_or_conflicts(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        prepare(&f, 0, "a", "1");
        begin(&f, 1, "b", "1");
        read_key(&f, 1, "a", NULL);
        if (!before)
            commit(&f, 0);
        assert_status(try_commit(&f, 1), before ? LSMKV_OK : LSMKV_BUSY_SNAPSHOT, &f.err);
        if (before)
            commit(&f, 0);
        db_expect(&f.db, "a", "1");
        db_expect(&f.db, "b", before ? "1" : NULL);
        tear_down(&f);
    }
}

/* With both prepared, the order of their outcomes would be open: a reader could see them the wrong way round. */
static void prepare_of_a_reader_waits_for_what_a_prepared_one_writes(void **state)
{
    (void)state;
    for (int commits = 0; commits < 2; commits++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        prepare(&f, 0, "a", "1");
        begin(&f, 1, "b", "1");
        read_key(&f, 1, "a", NULL);
        assert_status(try_prepare(&f, 1, false), LSMKV_BUSY, &f.err);
        if (commits)
            commit(&f, 0);
        else
            roll_back(&f, 0);
        assert_status(try_prepare(&f, 1, false), commits ? LSMKV_BUSY_SNAPSHOT : LSMKV_OK, &f.err);
        tear_down(&f);
    }
}

static void both_may_write_one_key_and_the_later_outcome_wins(void **state)
{
    (void)state;
    for (int by_default = 0; by_default < 2; by_default++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        for (size_t i = 0; i < 2; i++) {
            begin(&f, i, "a", i ? "1" : "0");
            assert_ok(try_prepare(&f, i, by_default), &f.err);
        }
        commit(&f, 1);
        commit(&f, 0);
        db_expect(&f.db, "a", "0");
        /* By default recovery commits in the order of prepares: so the outcomes had to be durable. */
        crash(&f, SIM_DROP_UNSYNCED);
        db_expect(&f.db, "a", "0");
        tear_down(&f);
    }
}

/* Recovery would commit both in the order of their prepares: so the outcome has to be durable before it is seen. */
static void outcome_beside_another_default_is_durable_before_it_is_seen(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    for (size_t i = 0; i < 2; i++) {
        begin(&f, i, "a", i ? "1" : "0");
        assert_ok(try_prepare(&f, i, true), &f.err);
    }
    commit(&f, 1);
    db_expect(&f.db, "a", "1");
    crash(&f, SIM_DROP_UNSYNCED);
    db_expect(&f.db, "a", "0"); /* by default, after what was seen */
    tear_down(&f);
}

static void transaction_in_doubt_guards_until_it_is_settled(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    begin(&f, 0, "a", "1");
    read_key(&f, 0, "read", NULL);
    assert_ok(try_prepare(&f, 0, false), &f.err);
    for (unsigned round = 0; round < 2; round++) { /* from one log to the next */
        crash(&f, SIM_DROP_UNSYNCED);
        begin(&f, 1, "read", "1");
        assert_fails(lsmkv_session_commit(f.sessions[1], 60000, &f.err), LSMKV_BUSY, &f.err, "0000000000000064");
        assert_non_null(strstr(f.err.message, "lsmkv_settle"));
        assert_status(db_try_put(&f.db, "read", "1"), LSMKV_BUSY, &f.db.err); /* an exclusive one likewise */
        assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
        db_put(&f.db, "other", "1");
        db_put(&f.db, "a", "2"); /* may be written, blindly */
    }
    begin(&f, 1, "read", "1");
    read_key(&f, 1, "a", "2");
    settle(&f, 100, true);
    db_expect(&f.db, "a", "1");
    assert_status(try_commit(&f, 1), LSMKV_BUSY_SNAPSHOT, &f.err);
    db_put(&f.db, "read", "1");
    tear_down(&f);
}

/* What an exclusive transaction has read nobody remembers: it may be anything. */
static void exclusive_prepare_in_doubt_guards_everything(void **state)
{
    struct lsmkv_prepare how = {.transaction = 1, .wait_ms = 0};
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_write(&f.db);
    assert_ok(lsmkv_put(f.db.session, text("a"), text("1"), &f.err), &f.err);
    assert_ok(lsmkv_session_prepare(f.db.session, &how, &f.err), &f.err);
    begin(&f, 0, "b", "1");
    assert_fails(try_commit(&f, 0), LSMKV_BUSY, &f.err, "writing"); /* it has the turn still */
    crash(&f, SIM_DROP_UNSYNCED);
    begin(&f, 0, "b", "1");
    assert_fails(try_commit(&f, 0), LSMKV_BUSY, &f.err, "0000000000000001");
    settle(&f, 1, false);
    assert_ok(try_commit(&f, 0), &f.err);
    db_expect(&f.db, "a", NULL);
    tear_down(&f);
}

static bool is_stalled(struct fixture *f)
{
    bool stalled;

    mutex_lock(&f->db.store->prepared.lock);
    stalled = f->db.store->prepared.first->stalled;
    mutex_unlock(&f->db.store->prepared.lock);
    return stalled;
}

/* A COMMIT that SQLite refused may stay for minutes: others wait once, then go on beside it, with their reads checked. */
static void exclusive_transactions_do_not_wait_for_one_that_lingers(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    begin(&f, 0, "a", "1");
    read_key(&f, 0, "read", NULL);
    assert_ok(try_prepare(&f, 0, false), &f.err);
    assert_ok(lsmkv_session_write(f.sessions[1], LSMKV_WRITE_EXCLUSIVE, 0, &f.err), &f.err);
    assert_false(is_stalled(&f)); /* nobody waited for it */
    assert_ok(lsmkv_session_rollback(f.sessions[1], &f.err), &f.err);
    db_put(&f.db, "b", "1");
    assert_true(is_stalled(&f));
    assert_ok(lsmkv_session_write(f.sessions[1], LSMKV_WRITE_EXCLUSIVE, 60000, &f.err), &f.err);
    read_key(&f, 1, "a", NULL);
    assert_ok(lsmkv_put(f.sessions[1], text("read"), text("1"), &f.err), &f.err);
    assert_status(try_commit(&f, 1), LSMKV_BUSY, &f.err); /* it meets the guard, and lets go of the turn */
    begin(&f, 2, "c", "1");
    assert_ok(try_commit(&f, 2), &f.err);
    commit(&f, 0);
    assert_status(try_commit(&f, 1), LSMKV_BUSY_SNAPSHOT, &f.err); /* it has read what the outcome changed */
    tear_down(&f);
}

/* SQLite refused COMMIT; the transaction reads on, and commits again. What it has read by then is guarded too. */
static void prepare_again_guards_what_was_read_since(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    prepare(&f, 0, "a", "1");
    read_key(&f, 0, "read", NULL);
    begin(&f, 1, "read", "1");
    assert_ok(try_prepare(&f, 0, false), &f.err);
    assert_status(try_commit(&f, 1), LSMKV_BUSY, &f.err);
    commit(&f, 0);
    assert_ok(try_commit(&f, 1), &f.err);
    prepare(&f, 0, "a", "2");
    read_key(&f, 0, "read", "1");
    db_put(&f.db, "read", "2");
    assert_status(try_prepare(&f, 0, false), LSMKV_BUSY_SNAPSHOT, &f.err);
    db_expect(&f.db, "a", "1");
    expect_undecided(&f, 0, 0);
    tear_down(&f);
}

/* ---- Rotation ---- */

static bool segment_exists(struct fixture *f, unsigned number)
{
    struct os_file *file = NULL;
    char path[64];

    snprintf(path, sizeof(path), "/store/wal/%06u.wal", number);
    if (os_fs_open(f->db.how.fs, path, OS_READ, &file, NULL))
        return false;
    assert_ok(os_close(file, &f->err), &f->err);
    return true;
}

static void rotation_copies_the_undecided_forward(void **state)
{
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        prepare(&f, 0, "a", "1");
        prepare(&f, 1, "b", "1");
        prepare(&f, 2, "c", "1");
        for (unsigned round = 0; round < 3; round++) {
            begin(&f, 3, "d", "1");
            assert_ok(try_commit(&f, 3), &f.err);
            db_flush(&f.db);
            assert_true(lsmkv_wait_idle(f.db.store, 60000));
        }
        assert_false(segment_exists(&f, 1));
        roll_back(&f, 1);
        if (crashes) {
            crash(&f, SIM_DROP_UNSYNCED);
            expect_undecided(&f, 2, 2);
            settle(&f, 102, true);
            settle(&f, 100, true);
        } else {
            commit(&f, 2);
            commit(&f, 0);
        }
        for (unsigned round = 0; round < 2; round++) {
            db_expect(&f.db, "a", "1");
            db_expect(&f.db, "b", NULL);
            db_expect(&f.db, "c", "1");
            crash(&f, SIM_DROP_UNSYNCED);
        }
        tear_down(&f);
    }
}

/* Its outcome is in the memtable of a later segment, which needs that of the prepare for as long. */
static void prepare_without_space_to_copy_it_stays_where_it_is(void **state)
{
    struct fault_rule rule = {FAULT_BIT(FAULT_ALLOCATE), ".wal", 2, true, LSMKV_FULL, FAULT_NOTHING};
    static char value[100000];
    struct fixture f;

    (void)state;
    set_up_with(&f, LSMKV_SYNC_FULL, 1 << 20);
    memset(value, 'v', sizeof(value) - 1);
    prepare(&f, 0, "a", value);
    fault_fs_fail(f.faults, &rule);
    begin(&f, 1, "b", "1");
    assert_ok(try_commit(&f, 1), &f.err);
    db_flush(&f.db);
    fault_fs_heal(f.faults);
    assert_true(lsmkv_wait_idle(f.db.store, 60000));
    assert_true(segment_exists(&f, 1));
    commit(&f, 0);
    crash(&f, SIM_DROP_UNSYNCED);
    db_expect(&f.db, "a", value);
    tear_down(&f);
}

/* A large one is copied when as much log has come after it as it has bytes. */
static void large_prepare_is_copied_forward_more_rarely(void **state)
{
    static char value[300000];
    struct fixture f;
    unsigned rotations = 0;

    (void)state;
    set_up_with(&f, LSMKV_SYNC_FULL, 64 << 10);
    memset(value, 'v', sizeof(value) - 1);
    prepare(&f, 0, "a", value);
    while (segment_exists(&f, 1)) {
        assert_true(++rotations < 10);
        begin(&f, 1, "b", "1");
        assert_ok(try_commit(&f, 1), &f.err);
        db_flush(&f.db);
        assert_true(lsmkv_wait_idle(f.db.store, 60000));
    }
    assert_in_range(rotations, 3, 6);
    crash(&f, SIM_DROP_UNSYNCED);
    settle(&f, 100, true);
    db_expect(&f.db, "a", value);
    tear_down(&f);
}

/* Their copies filled each new segment, so that every commit rotated, and copied them all again. */
static void many_prepares_are_not_copied_with_every_commit(void **state)
{
    static char value[60000];
    struct fixture f;
    uint64_t rotations, bytes;

    (void)state;
    set_up_with(&f, LSMKV_SYNC_FULL, 64 << 10);
    memset(value, 'v', sizeof(value) - 1);
    for (size_t i = 0; i < SESSIONS - 1; i++)
        prepare(&f, i, "a", value);
    rotations = db_stat(&f.db, "memtable_rotations");
    bytes = db_stat(&f.db, "wal_bytes");
    for (unsigned i = 0; i < 50; i++) {
        begin(&f, SESSIONS - 1, "b", "1");
        assert_ok(try_commit(&f, SESSIONS - 1), &f.err);
    }
    assert_true(db_stat(&f.db, "memtable_rotations") - rotations <= 2);
    assert_true(db_stat(&f.db, "wal_bytes") - bytes < 600000);
    crash(&f, SIM_DROP_UNSYNCED);
    expect_undecided(&f, SESSIONS - 1, SESSIONS - 1);
    tear_down(&f);
}

/* Other records come in between, and rotations: what was set aside with each of them is there for its outcome. */
static void second_phase_of_many_needs_neither_memory_nor_space(void **state)
{
    struct fault_rule full = {FAULT_BIT(FAULT_ALLOCATE), ".wal", 1, true, LSMKV_FULL, FAULT_NOTHING};
    static char value[3000];
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    memset(value, 'v', sizeof(value) - 1);
    for (unsigned round = 0; round < 60; round++) {
        char key[16];

        for (size_t i = 0; i < SESSIONS - 1; i++) {
            snprintf(key, sizeof(key), "k%03u%zu", round, i);
            prepare(&f, i, key, value);
            snprintf(key, sizeof(key), "o%03u%zu", round, i);
            begin(&f, SESSIONS - 1, key, value + 1000);
            assert_ok(try_commit(&f, SESSIONS - 1), &f.err);
        }
        if (round % 7 == 0)
            db_flush(&f.db);
        fault_fs_fail(f.faults, &full);
        for (size_t n = 0; n < SESSIONS - 1; n++) {
            size_t i = (n * 3 + round) % (SESSIONS - 1);
            enum lsmkv_status status;

            lsm_alloc_fail_at(1, true);
            if (i % 2)
                status = lsmkv_session_commit_prepared(f.sessions[i], &f.err);
            else
                status = lsmkv_session_rollback(f.sessions[i], &f.err);
            lsm_alloc_fail_at(0, false);
            assert_ok(status, &f.err);
        }
        fault_fs_heal(f.faults);
    }
    crash(&f, SIM_DROP_UNSYNCED);
    assert_int_equal(db_count(&f.db, "k"), 60 * 3);
    assert_int_equal(db_count(&f.db, "o"), 60 * (SESSIONS - 1));
    expect_undecided(&f, 0, 0);
    tear_down(&f);
}

/*
 * Others write until not one more record fits, and the disk is full: each outcome finds the space that was kept for it. With
 * a rotation between, the space is that of the new segment, where even the copies may have taken all they could.
 */
static void outcomes_find_their_space_in_a_log_that_is_full_to_the_brim(void **state)
{
    struct fault_rule full = {FAULT_BIT(FAULT_ALLOCATE), ".wal", 1, true, LSMKV_FULL, FAULT_NOTHING};

    (void)state;
    for (int rotates = 0; rotates < 2; rotates++) {
        enum lsmkv_status status = LSMKV_OK;
        struct fixture f;
        unsigned n;

        set_up_with(&f, LSMKV_SYNC_FULL, 1 << 20);
        for (size_t i = 0; i < SESSIONS - 1; i++)
            prepare(&f, i, i % 2 ? "odd" : "even", "1");
        if (rotates) {
            begin(&f, SESSIONS - 1, "k", "0");
            assert_ok(try_commit(&f, SESSIONS - 1), &f.err);
            db_flush(&f.db);
        }
        fault_fs_fail(f.faults, &full);
        for (n = 0; !status; n++) {
            assert_true(n < 10000);
            begin(&f, SESSIONS - 1, "k", "1");
            status = try_commit(&f, SESSIONS - 1);
        }
        assert_status(status, LSMKV_FULL, &f.err);
        roll_back(&f, SESSIONS - 1);
        for (size_t i = 0; i < SESSIONS - 1; i++) {
            if (i % 2)
                commit(&f, i);
            else
                roll_back(&f, i);
        }
        crash(&f, SIM_DROP_UNSYNCED);
        expect_undecided(&f, 0, 0);
        db_expect(&f.db, "odd", "1");
        db_expect(&f.db, "even", NULL);
        tear_down(&f);
    }
}

/* It is not copied at the rotation, so that nothing has been appended to the new segment before its outcome. */
static void first_record_of_a_segment_can_be_an_outcome_without_memory(void **state)
{
    struct fault_rule full = {FAULT_BIT(FAULT_ALLOCATE), ".wal", 1, true, LSMKV_FULL, FAULT_NOTHING};
    static char value[300000];
    struct fixture f;

    (void)state;
    set_up_with(&f, LSMKV_SYNC_FULL, 64 << 10);
    memset(value, 'v', sizeof(value) - 1);
    prepare(&f, 0, "a", value);
    begin(&f, 1, "b", "1");
    assert_ok(try_commit(&f, 1), &f.err);
    db_flush(&f.db);
    assert_true(lsmkv_wait_idle(f.db.store, 60000));
    fault_fs_fail(f.faults, &full);
    lsm_alloc_fail_at(1, true);
    commit(&f, 0);
    lsm_alloc_fail_at(0, false);
    crash(&f, SIM_DROP_UNSYNCED);
    db_expect(&f.db, "a", value);
    tear_down(&f);
}

/* ---- Threads ---- */

struct worker {
    struct lsmkv_store *store;
    pthread_t thread;
    unsigned number;
    bool rotates;
};

/* Every third one is rolled back. */
static void *prepare_and_decide(void *argument)
{
    struct worker *worker = argument;
    struct lsmkv_session *session;
    struct lsmkv_error err;

    assert_ok(lsmkv_session_open(&session, worker->store, &err), &err);
    for (unsigned i = 0; i < 60; i++) {
        struct lsmkv_prepare how = {.transaction = 1 + i * 10 + worker->number, .wait_ms = 60000};
        char key[16];

        snprintf(key, sizeof(key), "t%u%06u", worker->number, i);
        assert_ok(lsmkv_session_write(session, LSMKV_WRITE_OPTIMISTIC, 60000, &err), &err);
        assert_ok(lsmkv_put(session, text(key), text("1"), &err), &err);
        assert_ok(lsmkv_session_prepare(session, &how, &err), &err);
        if (worker->rotates && i % 6 == 0)
            assert_ok(lsmkv_flush(worker->store, &err), &err);
        if (i % 3)
            assert_ok(lsmkv_session_commit_prepared(session, &err), &err);
        else
            assert_ok(lsmkv_session_rollback(session, &err), &err);
        (void)lsmkv_transaction_decided(worker->store, how.transaction);
    }
    lsmkv_session_close(session);
    return NULL;
}

static void threads_prepare_and_decide_while_others_rotate(void **state)
{
    struct worker workers[4];
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_NORMAL);
    prepare(&f, 0, "z", "1");
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){.store = f.db.store, .number = i, .rotates = i == 3};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, prepare_and_decide, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(workers[i].thread, NULL);
    assert_int_equal(db_count(&f.db, "t"), 4 * 40);
    crash(&f, SIM_KEEP_ALL);
    assert_int_equal(db_count(&f.db, "t"), 4 * 40);
    expect_undecided(&f, 1, 1);
    settle(&f, 100, true);
    db_expect(&f.db, "z", "1");
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
        cmocka_unit_test(prepared_transaction_lets_others_commit_and_outcomes_come_in_any_order),
        cmocka_unit_test(writing_what_a_prepared_one_has_read_waits_for_its_outcome),
        cmocka_unit_test(reader_of_what_a_prepared_one_writes_commits_before_it_or_conflicts),
        cmocka_unit_test(prepare_of_a_reader_waits_for_what_a_prepared_one_writes),
        cmocka_unit_test(both_may_write_one_key_and_the_later_outcome_wins),
        cmocka_unit_test(outcome_beside_another_default_is_durable_before_it_is_seen),
        cmocka_unit_test(transaction_in_doubt_guards_until_it_is_settled),
        cmocka_unit_test(exclusive_prepare_in_doubt_guards_everything),
        cmocka_unit_test(exclusive_transactions_do_not_wait_for_one_that_lingers),
        cmocka_unit_test(prepare_again_guards_what_was_read_since),
        cmocka_unit_test(rotation_copies_the_undecided_forward),
        cmocka_unit_test(prepare_without_space_to_copy_it_stays_where_it_is),
        cmocka_unit_test(large_prepare_is_copied_forward_more_rarely),
        cmocka_unit_test(many_prepares_are_not_copied_with_every_commit),
        cmocka_unit_test(threads_prepare_and_decide_while_others_rotate),
        cmocka_unit_test(second_phase_of_many_needs_neither_memory_nor_space),
        cmocka_unit_test(outcomes_find_their_space_in_a_log_that_is_full_to_the_brim),
        cmocka_unit_test(first_record_of_a_segment_can_be_an_outcome_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
