/*
 * test_commit.c - when commits are durable and visible, how they share a sync, and what failures do.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "os/fs.h"
#include "store/store.h"
#include "support/fault_fs.h"
#include "support/sim_fs.h"
#include "support/store_kit.h"

struct fixture {
    struct os_fs *memory;
    struct fault_fs *faults;
    struct db db;
    struct lsmkv_error err;
    struct {
        pthread_mutex_t mutex;
        enum lsmkv_status status;
        unsigned count;
    } log; /* what the store reported */
};

static void note(void *context, enum lsmkv_status status, const char *message)
{
    struct fixture *f = context;

    (void)message;
    pthread_mutex_lock(&f->log.mutex);
    f->log.status = status;
    f->log.count++;
    pthread_mutex_unlock(&f->log.mutex);
}

static void set_up(struct fixture *f, enum lsmkv_sync sync)
{
    f->memory = os_memory_fs_new();
    assert_non_null(f->memory);
    f->faults = fault_fs_new(f->memory);
    pthread_mutex_init(&f->log.mutex, NULL);
    f->log.count = 0;
    db_init(&f->db, fault_fs_os(f->faults), "store");
    f->db.options.sync = sync;
    f->db.how.log = note;
    f->db.how.log_context = f;
    db_open(&f->db);
}

static void tear_down(struct fixture *f)
{
    db_end(&f->db);
    pthread_mutex_destroy(&f->log.mutex);
    fault_fs_free(f->faults);
    os_memory_fs_free(f->memory);
}

static void break_fs(struct fixture *f, uint32_t calls, const char *suffix, enum lsmkv_status status, bool forever,
                     enum fault_effect effect)
{
    struct fault_rule rule = {calls, suffix, 1, forever, status, effect};

    fault_fs_fail(f->faults, &rule);
}

/* A committer in a thread of its own. */
struct committer {
    struct lsmkv_store *store;
    const char *key;
    pthread_t thread;
    enum lsmkv_status status;
};

static void *commit_one(void *argument)
{
    struct committer *committer = argument;
    struct lsmkv_session *session;
    struct lsmkv_error err;

    assert_ok(lsmkv_session_open(&session, committer->store, &err), &err);
    assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, 60000, &err), &err);
    assert_ok(lsmkv_put(session, text(committer->key), text("1"), &err), &err);
    committer->status = lsmkv_session_commit(session, -1, &err);
    lsmkv_session_close(session);
    return NULL;
}

static void start(struct fixture *f, struct committer *committer, const char *key)
{
    committer->store = f->db.store;
    committer->key = key;
    assert_int_equal(pthread_create(&committer->thread, NULL, commit_one, committer), 0);
}

/* Waits until `count` commits are in the memtable, by taking the turn after each. */
static void wait_applied(struct fixture *f, uint64_t count)
{
    while (db_stat(&f->db, "sequence_applied") < count) {
        struct lsmkv_session *session;

        assert_ok(lsmkv_session_open(&session, f->db.store, &f->err), &f->err);
        assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, 60000, &f->err), &f->err);
        lsmkv_session_close(session);
    }
}

/* ---- Durable and visible ---- */

static void full_commit_is_invisible_to_others_until_it_is_durable(void **state)
{
    struct committer committer;
    struct fixture f;
    unsigned hold;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    hold = fault_fs_hold(f.faults, FAULT_BIT(FAULT_SYNC), ".wal");
    start(&f, &committer, "a");
    fault_fs_wait_held(f.faults, hold);
    db_expect(&f.db, "a", NULL);
    assert_int_equal(db_stat(&f.db, "sequence_applied"), 1);
    assert_int_equal(db_stat(&f.db, "sequence_visible"), 0);
    assert_true(db_stat(&f.db, "wal_unsynced_bytes") > 0);
    db_write(&f.db); /* the turn is free, and its holder builds on the applied state */
    db_expect(&f.db, "a", "1");
    fault_fs_release(f.faults, hold);
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err),
              &f.err); /* waits: what it has seen must not be taken back */
    pthread_join(committer.thread, NULL);
    assert_int_equal(committer.status, LSMKV_OK);
    db_expect(&f.db, "a", "1");
    assert_int_equal(db_stat(&f.db, "sequence_durable"), 1);
    assert_int_equal(db_stat(&f.db, "wal_unsynced_bytes"), 0);
    tear_down(&f);
}

/* While one sync runs, all who commit meanwhile share the next one. */
static void committers_share_a_sync(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    struct committer committers[5];
    struct fixture f;
    uint64_t syncs;
    unsigned hold;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    syncs = db_stat(&f.db, "wal_syncs");
    hold = fault_fs_hold(f.faults, FAULT_BIT(FAULT_SYNC), ".wal");
    start(&f, &committers[0], keys[0]);
    fault_fs_wait_held(f.faults, hold);
    for (size_t i = 1; i < 5; i++)
        start(&f, &committers[i], keys[i]);
    wait_applied(&f, 5);
    fault_fs_release(f.faults, hold);
    for (size_t i = 0; i < 5; i++) {
        pthread_join(committers[i].thread, NULL);
        assert_int_equal(committers[i].status, LSMKV_OK);
        db_expect(&f.db, keys[i], "1");
    }
    assert_int_equal(db_stat(&f.db, "wal_syncs") - syncs, 2);
    tear_down(&f);
}

static void normal_commit_is_visible_at_once_and_synced_by_a_thread(void **state)
{
    struct fixture f;
    unsigned hold;

    (void)state;
    set_up(&f, LSMKV_SYNC_NORMAL);
    hold = fault_fs_hold(f.faults, FAULT_BIT(FAULT_SYNC), ".wal");
    db_put(&f.db, "a", "1");
    db_put(&f.db, "b", "1");
    db_expect(&f.db, "a", "1");
    assert_int_equal(db_stat(&f.db, "sequence_visible"), 2);
    fault_fs_wait_held(f.faults, hold); /* comes by itself */
    fault_fs_release(f.faults, hold);
    tear_down(&f);
}

static void off_syncs_only_what_a_rotation_or_the_end_needs(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_OFF);
    fault_fs_reset(f.faults);
    for (unsigned i = 0; i < 50; i++)
        db_put(&f.db, "a", "1");
    assert_int_equal(fault_fs_count(f.faults, FAULT_BIT(FAULT_SYNC), ".wal"), 0);
    db_close(&f.db);
    assert_true(fault_fs_count(f.faults, FAULT_BIT(FAULT_SYNC), ".wal") > 0);
    db_open(&f.db);
    db_expect(&f.db, "a", "1");
    tear_down(&f);
}

static void old_segment_is_durable_before_the_new_one_is_started(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_NORMAL);
    db_fill(&f.db, "k", 0, 1500, "0123456789012345678901234567890123456789");
    break_fs(&f, FAULT_BIT(FAULT_SYNC), "000001.wal", LSMKV_IO, true, FAULT_NOTHING);
    assert_status(db_try_put(&f.db, "next", "1"), LSMKV_IO, &f.db.err);
    assert_int_equal(fault_fs_count(f.faults, FAULT_BIT(FAULT_WRITE), "000002.wal"), 0);
    assert_int_equal(db_stat(&f.db, "read_only"), 1);
    fault_fs_heal(f.faults);
    (void)db_try_close(&f.db);
    tear_down(&f);
}

/* ---- Failures ---- */

/* After the failure: read-only, named, until reopened; then exactly the acknowledged commits or one more. */
static void expect_read_only_until_reopened(struct fixture *f, unsigned acknowledged)
{
    unsigned rows;

    assert_int_equal(db_stat(&f->db, "read_only"), 1);
    assert_int_equal(f->log.count, 1);
    assert_fails(db_try_put(&f->db, "k000999", "1"), LSMKV_READONLY, &f->db.err, "read-only until it is opened again");
    assert_fails(lsmkv_flush(f->db.store, &f->err), LSMKV_READONLY, &f->err, "read-only");
    assert_int_equal(db_count(&f->db, "k"), acknowledged); /* readers go on */
    fault_fs_heal(f->faults);
    assert_status(db_try_put(&f->db, "k000999", "1"), LSMKV_READONLY, &f->db.err); /* never retried */
    assert_status(db_try_close(&f->db), LSMKV_READONLY, &f->db.err);
    db_open(&f->db);
    rows = db_count(&f->db, "k");
    assert_true(rows == acknowledged || rows == acknowledged + 1);
    db_put(&f->db, "z", "1");
    db_reopen(&f->db);
    assert_int_equal(db_count(&f->db, "k"), rows);
    db_expect(&f->db, "z", "1");
}

static void failed_write_of_the_log_makes_the_store_read_only(void **state)
{
    static const enum fault_effect effects[] = {FAULT_NOTHING, FAULT_HALF, FAULT_DONE};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        db_fill(&f.db, "k", 0, 1, "1");
        db_fill(&f.db, "k", 1, 2, "1");
        break_fs(&f, FAULT_BIT(FAULT_WRITE), ".wal", LSMKV_IO, false, effects[i]);
        assert_status(db_try_fill(&f.db, "k", 2, 3, "1"), LSMKV_IO, &f.db.err);
        assert_int_equal(lsmkv_session_state(f.db.session), LSMKV_SESSION_IDLE);
        expect_read_only_until_reopened(&f, 2);
        tear_down(&f);
    }
}

static void failed_sync_of_the_log_makes_the_store_read_only(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_fill(&f.db, "k", 0, 1, "1");
    break_fs(&f, FAULT_BIT(FAULT_SYNC), ".wal", LSMKV_IO, false, FAULT_NOTHING);
    assert_status(db_try_fill(&f.db, "k", 1, 2, "1"), LSMKV_IO, &f.db.err);
    expect_read_only_until_reopened(&f, 1);
    tear_down(&f);
}

static void failed_sync_reaches_all_who_wait_for_it(void **state)
{
    static const char *const keys[] = {"a", "b", "c"};
    struct committer committers[3];
    struct fixture f;
    unsigned hold;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    hold = fault_fs_hold(f.faults, FAULT_BIT(FAULT_SYNC), ".wal");
    break_fs(&f, FAULT_BIT(FAULT_SYNC), ".wal", LSMKV_IO, false, FAULT_NOTHING);
    start(&f, &committers[0], keys[0]);
    fault_fs_wait_held(f.faults, hold);
    start(&f, &committers[1], keys[1]);
    start(&f, &committers[2], keys[2]);
    wait_applied(&f, 3);
    fault_fs_release(f.faults, hold);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(committers[i].thread, NULL);
        assert_int_equal(committers[i].status, LSMKV_IO);
        db_expect(&f.db, keys[i], NULL);
    }
    (void)db_try_close(&f.db);
    tear_down(&f);
}

static void failed_background_sync_makes_later_writers_fail(void **state)
{
    struct fixture f;
    enum lsmkv_status status = LSMKV_OK;
    unsigned hold;

    (void)state;
    set_up(&f, LSMKV_SYNC_NORMAL);
    hold = fault_fs_hold(f.faults, FAULT_BIT(FAULT_SYNC), ".wal");
    db_put(&f.db, "a", "1");
    fault_fs_wait_held(f.faults, hold);
    break_fs(&f, FAULT_BIT(FAULT_SYNC), ".wal", LSMKV_IO, false, FAULT_NOTHING);
    fault_fs_release(f.faults, hold);
    for (unsigned i = 0; !status; i++) /* until the thread has met it */
        status = db_try_fill(&f.db, "k", i % 100, i % 100 + 1, "1");
    /* IO if a rotation waited for that very sync. */
    assert_true(status == LSMKV_READONLY || status == LSMKV_IO);
    assert_status(db_try_put(&f.db, "a", "1"), LSMKV_READONLY, &f.db.err);
    fault_fs_heal(f.faults);
    (void)db_try_close(&f.db);
    tear_down(&f);
}

static void failed_manifest_rename_makes_the_store_read_only_and_deletes_nothing(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_fill(&f.db, "k", 0, 10, "1");
    break_fs(&f, FAULT_BIT(FAULT_RENAME), NULL, LSMKV_IO, true, FAULT_DONE);
    assert_int_not_equal(lsmkv_flush(f.db.store, &f.err), LSMKV_OK);
    assert_status(db_try_put(&f.db, "a", "1"), LSMKV_READONLY, &f.db.err);
    assert_int_equal(db_count(&f.db, "k"), 10);
    fault_fs_heal(f.faults);
    (void)db_try_close(&f.db);
    db_open(&f.db);
    assert_int_equal(db_count(&f.db, "k"), 10);
    tear_down(&f);
}

/* Each call that changes the disk fails once, in every way: nothing acknowledged is lost, now or after reopening. */
static void any_single_failure_loses_no_acknowledged_commit(void **state)
{
    static const enum fault_effect effects[] = {FAULT_NOTHING, FAULT_HALF, FAULT_DONE};
    size_t step = 1 + (test_scaled(8) == 8 ? 0 : 3);

    (void)state;
    for (size_t effect = 0; effect < 3; effect++) {
        bool failed = true;

        for (uint64_t n = 1; failed; n += step) {
            struct fault_rule rule = {FAULT_CHANGES, NULL, n, false, LSMKV_IO, effects[effect]};
            struct fixture f;
            unsigned acknowledged = 0, rows;

            set_up(&f, LSMKV_SYNC_FULL);
            fault_fs_reset(f.faults);
            fault_fs_fail(f.faults, &rule);
            for (unsigned i = 0; i < 6; i++) {
                if (!db_try_fill(&f.db, "k", i * 100, i * 100 + 100, "0123456789012345678901234567890123456789"))
                    acknowledged++;
                if (i == 3)
                    (void)lsmkv_flush(f.db.store, &f.err);
            }
            failed = fault_fs_failures(f.faults) > 0;
            fault_fs_heal(f.faults);
            (void)db_try_close(&f.db);
            db_open(&f.db);
            rows = db_count(&f.db, "k");
            assert_int_equal(rows % 100, 0);
            assert_true(rows == acknowledged * 100 || rows == acknowledged * 100 + 100);
            db_put(&f.db, "z", "1");
            db_reopen(&f.db);
            assert_int_equal(db_count(&f.db, "k"), rows);
            tear_down(&f);
        }
    }
}

/*
 * A committer tells the syncer after it has appended; by then the sync of somebody else may have covered the record. The
 * syncer once took that for work that never ends, and woke up ten times a second until the next commit.
 */
static void syncer_rests_when_others_have_synced(void **state)
{
    struct fixture f;
    uint64_t looks;

    (void)state;
    set_up(&f, LSMKV_SYNC_NORMAL);
    looks = atomic_load(&f.db.store->log.lock.acquired);
    group_sync_appended(f.db.store);
    while (atomic_load(&f.db.store->log.lock.acquired) == looks) /* until it looks where the log ends */
        ;
    mutex_lock(&f.db.store->log.lock); /* after the syncer had it */
    assert_false(atomic_load(&f.db.store->sync.dirty));
    mutex_unlock(&f.db.store->log.lock);
    tear_down(&f);
}

/* ---- Full disk ---- */

static void full_disk_refuses_a_commit_and_changes_nothing(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_put(&f.db, "a", "1");
    break_fs(&f, FAULT_BIT(FAULT_ALLOCATE), NULL, LSMKV_FULL, true, FAULT_NOTHING);
    assert_status(db_try_fill(&f.db, "k", 0, 20000, "0123456789"), LSMKV_FULL, &f.db.err);
    assert_int_equal(lsmkv_session_state(f.db.session), LSMKV_SESSION_IDLE);
    assert_int_equal(db_stat(&f.db, "read_only"), 0);
    assert_int_equal(db_count(&f.db, "k"), 0);
    fault_fs_heal(f.faults);
    db_fill(&f.db, "k", 0, 20000, "0123456789");
    db_reopen(&f.db);
    assert_int_equal(db_count(&f.db, "k"), 20000);
    tear_down(&f);
}

/* A new segment needs space that small commits into the old one do not. */
static void rotation_that_finds_no_space_is_tried_again(void **state)
{
    struct fixture f;
    enum lsmkv_status status = LSMKV_OK;
    unsigned commits = 0;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    break_fs(&f, FAULT_BIT(FAULT_CREATE), ".wal", LSMKV_FULL, true, FAULT_NOTHING);
    for (; !status && commits < 10000; commits++)
        status = db_try_fill(&f.db, "k", commits * 10, commits * 10 + 10, "0123456789012345678901234567890123456789");
    assert_int_equal(status, LSMKV_FULL); /* at twice the size of a memtable */
    assert_true(db_stat(&f.db, "active_memtable_bytes") >= 2 * f.db.options.memtable_size);
    assert_int_equal(db_stat(&f.db, "memtable_rotations"), 0);
    assert_int_equal(db_stat(&f.db, "read_only"), 0);
    fault_fs_heal(f.faults);
    db_put(&f.db, "more", "1");
    assert_int_equal(db_stat(&f.db, "memtable_rotations"), 1);
    db_reopen(&f.db);
    assert_int_equal(db_count(&f.db, "k"), (commits - 1) * 10);
    tear_down(&f);
}

static void full_disk_under_flush_keeps_the_rows_and_resumes(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_fill(&f.db, "k", 0, 100, "v");
    break_fs(&f, FAULT_BIT(FAULT_WRITE), ".sst", LSMKV_FULL, true, FAULT_NOTHING);
    assert_status(lsmkv_flush(f.db.store, &f.err), LSMKV_FULL, &f.err);
    assert_true(db_stat(&f.db, "flush_failures") > 0);
    assert_true(db_stat(&f.db, "background_failures") > 0);
    db_put(&f.db, "more", "1"); /* commits go on */
    assert_int_equal(db_count(&f.db, "k"), 100);
    fault_fs_heal(f.faults);
    db_flush(&f.db);
    assert_int_equal(db_stat(&f.db, "background_failures"), 0);
    assert_int_equal(db_count(&f.db, "k"), 100);
    tear_down(&f);
}

/* ---- Memory ---- */

/* Fails the Nth allocation of a commit, for every N. The store may become read-only; then reopening shows the truth. */
static void failed_allocation_in_a_commit_is_all_or_nothing(void **state)
{
    uint64_t made = 0;

    (void)state;
    for (uint64_t n = 1; n <= made + 1; n++) {
        struct fixture f;
        enum lsmkv_status status;
        unsigned rows;

        set_up(&f, LSMKV_SYNC_FULL);
        db_fill(&f.db, "k", 0, 600, "0123456789012345678901234567890123456789");
        db_write(&f.db);
        for (unsigned i = 600; i < 1200; i++) {
            char key[16];

            snprintf(key, sizeof(key), "k%06u", i);
            assert_ok(lsmkv_put(f.db.session, text(key), text("0123456789012345678901234567890"), &f.err), &f.err);
        }
        lsm_alloc_fail_at(n, false);
        status = lsmkv_session_commit(f.db.session, -1, &f.err);
        made = lsm_alloc_count() > made ? lsm_alloc_count() : made;
        lsm_alloc_fail_at(0, false);
        if (made > 60)
            made = 60; /* background work allocates too */
        rows = db_count(&f.db, "k");
        assert_int_equal(rows, status ? 600 : 1200);
        if (db_stat(&f.db, "read_only"))
            (void)db_try_close(&f.db);
        else
            db_close(&f.db);
        db_open(&f.db);
        assert_int_equal(db_count(&f.db, "k"), rows);
        tear_down(&f);
    }
}

/*
 * The host is not told of a failure of the second phase, so it once lost commits where memory or disk ran out between the
 * two: the first one sets aside what the second needs.
 */
static void second_phase_needs_neither_memory_nor_space(void **state)
{
    (void)state;
    for (unsigned commit = 0; commit < 2; commit++) {
        struct sim_fs *disk = sim_fs_new(); /* its own memory is not the engine's */
        struct fixture f = {.faults = fault_fs_new(sim_fs_os(disk))};
        enum lsmkv_status status;

        db_init(&f.db, fault_fs_os(f.faults), "/store");
        db_open(&f.db);
        for (unsigned i = 0; i < 2000; i++) { /* the log's reserved space and the memtable's end at some of them */
            char key[16], value[128] = "";

            snprintf(key, sizeof(key), "p%06u", i);
            memset(value, 'v', i % (sizeof(value) - 1));
            db_write(&f.db);
            assert_ok(lsmkv_put(f.db.session, text(key), text(value), &f.err), &f.err);
            assert_ok(session_prepare(f.db.session, true, &f.err), &f.err);
            break_fs(&f, FAULT_BIT(FAULT_ALLOCATE), ".wal", LSMKV_FULL, true, FAULT_NOTHING);
            lsm_alloc_fail_at(1, true);
            if (commit)
                status = lsmkv_session_commit_prepared(f.db.session, &f.err);
            else
                status = lsmkv_session_rollback(f.db.session, &f.err);
            lsm_alloc_fail_at(0, false);
            fault_fs_heal(f.faults);
            assert_ok(status, &f.err);
        }
        assert_int_equal(db_count(&f.db, "p"), commit ? 2000 : 0);
        db_reopen(&f.db);
        assert_int_equal(db_count(&f.db, "p"), commit ? 2000 : 0);
        db_end(&f.db);
        fault_fs_free(f.faults);
        sim_fs_free(disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_commit_is_invisible_to_others_until_it_is_durable),
        cmocka_unit_test(committers_share_a_sync),
        cmocka_unit_test(normal_commit_is_visible_at_once_and_synced_by_a_thread),
        cmocka_unit_test(off_syncs_only_what_a_rotation_or_the_end_needs),
        cmocka_unit_test(old_segment_is_durable_before_the_new_one_is_started),
        cmocka_unit_test(failed_write_of_the_log_makes_the_store_read_only),
        cmocka_unit_test(failed_sync_of_the_log_makes_the_store_read_only),
        cmocka_unit_test(failed_sync_reaches_all_who_wait_for_it),
        cmocka_unit_test(failed_background_sync_makes_later_writers_fail),
        cmocka_unit_test(failed_manifest_rename_makes_the_store_read_only_and_deletes_nothing),
        cmocka_unit_test(any_single_failure_loses_no_acknowledged_commit),
        cmocka_unit_test(syncer_rests_when_others_have_synced),
        cmocka_unit_test(full_disk_refuses_a_commit_and_changes_nothing),
        cmocka_unit_test(rotation_that_finds_no_space_is_tried_again),
        cmocka_unit_test(full_disk_under_flush_keeps_the_rows_and_resumes),
        cmocka_unit_test(failed_allocation_in_a_commit_is_all_or_nothing),
        cmocka_unit_test(second_phase_needs_neither_memory_nor_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
