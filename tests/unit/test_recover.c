/*
 * test_recover.c - what a store finds after a crash: acknowledged commits, whole transactions, prepared ones settled; and
 * what it refuses.
 *
 * A crash: the next disk is what the old one promises at this moment; on the old one every call fails from then on, so that
 * the store can be closed and freed without doing anything.
 */
#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "support/fault_fs.h"
#include "support/sim_fs.h"
#include "support/store_kit.h"

struct fixture {
    struct sim_fs *disk;
    struct db db;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f, enum lsmkv_sync sync)
{
    f->disk = sim_fs_new();
    db_init(&f->db, sim_fs_os(f->disk), "/store");
    f->db.options.sync = sync;
    db_open(&f->db);
}

static void tear_down(struct fixture *f)
{
    db_end(&f->db);
    sim_fs_free(f->disk);
}

/* Kills what runs; the store is closed afterwards, on the disk as the next boot finds it. */
static void crash(struct fixture *f, enum sim_crash mode)
{
    struct sim_fs *after = sim_fs_crash(f->disk, mode, 7);

    sim_fs_stop_at(f->disk, 1);
    if (f->db.store)
        (void)db_try_close(&f->db);
    sim_fs_free(f->disk);
    f->disk = after;
    f->db.how.fs = sim_fs_os(after);
}

static void put(struct fixture *f, const char *key, const char *value)
{
    assert_ok(lsmkv_put(f->db.session, text(key), text(value), &f->err), &f->err);
}

/* ---- Commits ---- */

static void acknowledged_commits_survive_a_power_cut(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_put(&f.db, "a", "1");
    db_put(&f.db, "b", "1");
    db_delete(&f.db, "a");
    crash(&f, SIM_DROP_UNSYNCED);
    db_open(&f.db);
    db_expect(&f.db, "a", NULL);
    db_expect(&f.db, "b", "1");
    assert_int_equal(db_stat(&f.db, "sequence_visible"), 3);
    db_put(&f.db, "c", "1");
    assert_int_equal(db_stat(&f.db, "sequence_visible"), 4);
    tear_down(&f);
}

static void open_transaction_leaves_nothing(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_put(&f.db, "a", "1");
    db_write(&f.db);
    put(&f, "a", "2");
    crash(&f, SIM_KEEP_ALL);
    db_open(&f.db);
    db_expect(&f.db, "a", "1");
    tear_down(&f);
}

static void normal_and_off_lose_nothing_when_only_the_process_dies(void **state)
{
    (void)state;
    for (int sync = LSMKV_SYNC_NORMAL; sync <= LSMKV_SYNC_OFF; sync++) {
        struct fixture f;

        set_up(&f, (enum lsmkv_sync)sync);
        for (unsigned i = 0; i < 20; i++) /* rotates a few times */
            db_fill(&f.db, "k", i * 100, i * 100 + 100, "0123456789012345678901234567890123456789");
        crash(&f, SIM_KEEP_ALL);
        db_open(&f.db);
        assert_int_equal(db_count(&f.db, "k"), 2000);
        tear_down(&f);
    }
}

/* In every mode a power cut leaves the state after some number of commits: no hole, no half transaction. */
static void power_cut_leaves_a_prefix_of_the_commits(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (size_t round = 0; round < test_scaled(60); round++) {
        struct fixture f;
        char value[16];
        unsigned commits = 1 + (unsigned)(test_random(&random) % 40), seen;

        set_up(&f, (enum lsmkv_sync)(round % 3));
        for (unsigned i = 1; i <= commits; i++) {
            snprintf(value, sizeof(value), "%u", i);
            db_write(&f.db);
            put(&f, "first", value);
            for (unsigned k = 0; k < 60; k++) {
                char key[64];

                snprintf(key, sizeof(key), "%03u-%03u-0123456789012345678901234567890123456789", i, k);
                put(&f, key, value);
            }
            put(&f, "second", value);
            db_commit(&f.db);
        }
        crash(&f, (enum sim_crash)(test_random(&random) % SIM_CRASH_MODES));
        db_open(&f.db);
        for (seen = commits; seen; seen--) {
            char key[16];

            snprintf(key, sizeof(key), "%03u-", seen);
            if (db_count(&f.db, key))
                break;
        }
        for (unsigned i = 1; i <= seen; i++) {
            char key[16];

            snprintf(key, sizeof(key), "%03u-", i);
            assert_int_equal(db_count(&f.db, key), 60);
        }
        snprintf(value, sizeof(value), "%u", seen);
        db_expect(&f.db, "first", seen ? value : NULL);
        db_expect(&f.db, "second", seen ? value : NULL);
        if (round % 3 == LSMKV_SYNC_FULL)
            assert_int_equal(seen, commits);
        tear_down(&f);
    }
}

static void transaction_of_many_frames_is_whole_or_absent(void **state)
{
    struct fixture f;
    size_t size = 17 << 20;
    char *value = malloc(size + 1);

    (void)state;
    assert_non_null(value);
    memset(value, 'v', size);
    value[size] = '\0';
    set_up(&f, LSMKV_SYNC_FULL);
    db_write(&f.db);
    put(&f, "a", value);
    put(&f, "b", "1");
    db_commit(&f.db);
    crash(&f, SIM_DROP_UNSYNCED);
    db_open(&f.db);
    db_expect(&f.db, "b", "1");
    db_expect(&f.db, "a", value);
    db_write(&f.db);
    put(&f, "a", value);
    put(&f, "b", "2");
    sim_fs_stop_at(f.disk, 3); /* dies between its frames */
    assert_int_not_equal(lsmkv_session_commit(f.db.session, -1, &f.err), LSMKV_OK);
    crash(&f, SIM_KEEP_ALL);
    db_open(&f.db);
    db_expect(&f.db, "b", "1");
    free(value);
    tear_down(&f);
}

static void recovery_may_crash_at_every_call_and_in_every_way(void **state)
{
    struct sim_fs *crashed;
    struct fixture f;
    bool died = true;

    (void)state;
    set_up(&f, LSMKV_SYNC_NORMAL);
    db_fill(&f.db, "k", 0, 300, "0123456789012345678901234567890123456789");
    db_flush(&f.db);
    db_fill(&f.db, "k", 200, 2000, "x0123456789012345678901234567890123456789");
    db_fill(&f.db, "l", 0, 100, "x");
    db_write(&f.db);
    put(&f, "prepared", "1");
    assert_ok(session_prepare(f.db.session, true, &f.err), &f.err);
    crash(&f, SIM_KEEP_ALL);
    crashed = f.disk;
    for (uint64_t n = 1; died; n++) {
        for (int mode = 0; mode < SIM_CRASH_MODES; mode++) {
            /* A prepare was synced with all that came before it: nothing may be lost in any mode. */
            f.disk = sim_fs_crash(crashed, SIM_KEEP_ALL, n);
            f.db.how.fs = sim_fs_os(f.disk);
            sim_fs_stop_at(f.disk, n);
            if (!db_try_open(&f.db))
                (void)db_try_close(&f.db);
            died = sim_fs_stopped(f.disk);
            crash(&f, (enum sim_crash)mode);
            db_open(&f.db);
            assert_int_equal(db_count(&f.db, "k"), 2000);
            db_expect(&f.db, "k000250", "x0123456789012345678901234567890123456789");
            assert_int_equal(db_count(&f.db, "l"), 100);
            db_expect(&f.db, "prepared", "1");
            db_put(&f.db, "after", "1");
            crash(&f, SIM_KEEP_ALL);
            db_open(&f.db);
            db_expect(&f.db, "prepared", "1");
            db_expect(&f.db, "after", "1");
            db_close(&f.db);
            sim_fs_free(f.disk);
        }
    }
    sim_fs_free(crashed);
    db_end(&f.db);
}

/*
 * The process is killed, the machine goes on: the next process finds in the page cache what no sync has covered. Then the
 * power fails while it recovers, or just after. What it trusted may be gone; the store must open, with a prefix of the
 * commits, and with all of them once the recovery had returned.
 */
static void recovery_does_not_trust_bytes_of_the_page_cache(void **state)
{
    bool died = true;

    (void)state;
    for (uint64_t n = 1; died; n++) {
        for (int mode = 0; mode < SIM_CRASH_MODES; mode++) {
            struct fixture f;
            bool recovered;
            unsigned rows;

            set_up(&f, LSMKV_SYNC_OFF);
            for (unsigned i = 0; i < 5; i++)
                db_fill(&f.db, "k", i * 10, i * 10 + 10, "v");
            sim_fs_stop_at(f.disk, 1);
            (void)db_try_close(&f.db);
            sim_fs_stop_at(f.disk, n);
            recovered = !db_try_open(&f.db);
            died = sim_fs_stopped(f.disk);
            crash(&f, (enum sim_crash)mode);
            db_open(&f.db);
            rows = db_count(&f.db, "k");
            assert_int_equal(rows % 10, 0);
            if (recovered)
                assert_int_equal(rows, 50);
            db_put(&f.db, "z", "1");
            db_reopen(&f.db);
            assert_int_equal(db_count(&f.db, "k"), rows);
            tear_down(&f);
        }
    }
}

static void recovery_leaves_a_clean_store_without_garbage(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_fill(&f.db, "k", 0, 100, "v");
    crash(&f, SIM_KEEP_ALL);
    db_open(&f.db);
    assert_int_equal(db_stat(&f.db, "sstables"), 1);
    assert_int_equal(db_stat(&f.db, "active_memtable_entries"), 0);
    db_reopen(&f.db); /* closed cleanly now */
    assert_int_equal(db_stat(&f.db, "sstables"), 1);
    assert_int_equal(db_stat(&f.db, "manifest_commits"), 0);
    assert_int_equal(db_count(&f.db, "k"), 100);
    tear_down(&f);
}

static enum lsmkv_status count_name(void *context, const char *name, struct lsmkv_error *err)
{
    (void)name;
    (void)err;
    ++*(unsigned *)context;
    return LSMKV_OK;
}

/* A user who tries again and again must not fill the disk further. */
static void recovery_that_finds_no_space_leaves_nothing_behind(void **state)
{
    static const uint32_t calls[] = {FAULT_BIT(FAULT_ALLOCATE), FAULT_BIT(FAULT_WRITE)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        static const char *const suffixes[] = {NULL, ".wal", ".sst", ".json", ".tmp"};

        for (size_t k = 0; k < sizeof(suffixes) / sizeof(suffixes[0]); k++) {
            struct fault_rule rule = {calls[i], suffixes[k], 1, true, LSMKV_FULL, FAULT_NOTHING};
            static const char *const dirs[] = {"/store/wal", "/store/sst", "/store/manifest"};
            struct fault_fs *faults;
            struct fixture f;

            set_up(&f, LSMKV_SYNC_FULL);
            db_fill(&f.db, "k", 0, 100, "v");
            crash(&f, SIM_KEEP_ALL);
            faults = fault_fs_new(f.db.how.fs);
            f.db.how.fs = fault_fs_os(faults);
            fault_fs_fail(faults, &rule);
            for (unsigned round = 0; round < 3 && !f.db.store; round++) {
                if (!db_try_open(&f.db))
                    break; /* nothing of this kind was needed */
                assert_int_equal(f.db.err.status, LSMKV_FULL);
                for (size_t d = 0; d < sizeof(dirs) / sizeof(dirs[0]); d++) {
                    unsigned files = 0;

                    assert_int_equal(os_fs_list(f.db.how.fs, dirs[d], count_name, &files, NULL), LSMKV_OK);
                    assert_int_equal(files, d == 0); /* the segment that is to be replayed */
                }
            }
            fault_fs_heal(faults);
            if (!f.db.store)
                db_open(&f.db);
            assert_int_equal(db_count(&f.db, "k"), 100);
            db_close(&f.db);
            fault_fs_free(faults);
            tear_down(&f);
        }
    }
}

/* ---- Prepared transactions ---- */

static void prepare_without_outcome_is_settled_by_its_default(void **state)
{
    (void)state;
    for (int by_default = 0; by_default <= 1; by_default++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        db_put(&f.db, "a", "1");
        db_write(&f.db);
        put(&f, "a", "2");
        put(&f, "b", "2");
        assert_ok(session_prepare(f.db.session, by_default, &f.err), &f.err);
        crash(&f, SIM_DROP_UNSYNCED);
        for (int round = 0; round < 2; round++) {
            db_open(&f.db);
            db_expect(&f.db, "a", by_default ? "2" : "1");
            db_expect(&f.db, "b", by_default ? "2" : NULL);
            crash(&f, SIM_DROP_UNSYNCED);
        }
        tear_down(&f);
    }
}

static void outcome_and_abort_survive_a_power_cut(void **state)
{
    (void)state;
    for (int by_default = 0; by_default <= 1; by_default++) {
        struct fixture f;

        set_up(&f, LSMKV_SYNC_FULL);
        db_write(&f.db);
        put(&f, "kept", "1");
        assert_ok(session_prepare(f.db.session, by_default, &f.err), &f.err);
        assert_ok(lsmkv_session_commit_prepared(f.db.session, &f.err), &f.err);
        db_write(&f.db);
        put(&f, "gone", "1");
        assert_ok(session_prepare(f.db.session, by_default, &f.err), &f.err);
        assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
        crash(&f, SIM_DROP_UNSYNCED);
        db_open(&f.db);
        db_expect(&f.db, "kept", "1");
        db_expect(&f.db, "gone", NULL);
        tear_down(&f);
    }
}

/* SQLite refused COMMIT, the user wrote more and committed again: once, with everything. */
static void withdrawn_prepare_is_not_committed_by_recovery(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_write(&f.db);
    put(&f, "a", "1");
    assert_ok(session_prepare(f.db.session, true, &f.err), &f.err);
    assert_ok(lsmkv_session_write(f.db.session, LSMKV_WRITE_EXCLUSIVE, -1, &f.err), &f.err);
    put(&f, "b", "1");
    crash(&f, SIM_DROP_UNSYNCED);
    db_open(&f.db);
    db_expect(&f.db, "a", NULL);
    db_expect(&f.db, "b", NULL);
    tear_down(&f);
}

/* The prepare is in an older segment than the outcome's memtable needs: flushing must not delete it too early. */
static void outcome_in_a_later_segment_finds_its_prepare(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    db_fill(&f.db, "k", 0, 700, "0123456789012345678901234567890123456789");
    db_write(&f.db);
    put(&f, "a", "1");
    assert_ok(session_prepare(f.db.session, false, &f.err), &f.err);
    assert_true(lsmkv_wait_idle(f.db.store, 60000)); /* older memtables are flushed, their segments deleted */
    assert_ok(lsmkv_session_commit_prepared(f.db.session, &f.err), &f.err);
    crash(&f, SIM_DROP_UNSYNCED);
    db_open(&f.db);
    db_expect(&f.db, "a", "1");
    assert_int_equal(db_count(&f.db, "k"), 700);
    tear_down(&f);
}

/* ---- Damage ---- */

static enum lsmkv_status collect_name(void *context, const char *name, struct lsmkv_error *err)
{
    char *names = context;

    (void)err;
    snprintf(names + strlen(names), 256 - strlen(names), "%s ", name);
    return LSMKV_OK;
}

/* Two segments, the first of them with flush held, so that both are needed. */
static void two_segments(struct fixture *f)
{
    set_up(f, LSMKV_SYNC_FULL);
    db_hold(&f->db, "flush:begin");
    db_fill(&f->db, "k", 0, 2000, "0123456789");
    db_put(&f->db, "next", "1");
    db_wait_held(&f->db, "flush:begin");
    sim_fs_stop_at(f->disk, 1);
    db_release(&f->db, "flush:begin");
    crash(f, SIM_DROP_UNSYNCED);
}

static void missing_segment_is_refused_by_name(void **state)
{
    struct fixture f;
    char names[256] = "";

    (void)state;
    two_segments(&f);
    assert_int_equal(os_fs_list(f.db.how.fs, "/store/wal", collect_name, names, NULL), LSMKV_OK);
    assert_non_null(strstr(names, "000001.wal"));
    assert_non_null(strstr(names, "000002.wal"));
    assert_int_equal(os_fs_rename(f.db.how.fs, "/store/wal/000001.wal", "/store/saved", NULL), LSMKV_OK);
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, "000001.wal");
    assert_int_equal(os_fs_rename(f.db.how.fs, "/store/saved", "/store/wal/000001.wal", NULL), LSMKV_OK);
    db_open(&f.db);
    assert_int_equal(db_count(&f.db, "k"), 2000);
    db_expect(&f.db, "next", "1");
    tear_down(&f);
}

static void damage_below_a_promised_length_is_refused_by_name(void **state)
{
    struct fixture f;

    (void)state;
    two_segments(&f);
    assert_true(sim_fs_damage(f.disk, "/store/wal/000001.wal", 5000, 1));
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, "000001.wal");
    assert_true(sim_fs_damage(f.disk, "/store/wal/000001.wal", 5000, 1));
    assert_true(sim_fs_damage(f.disk, "/store/wal/000002.wal", 20, 1)); /* its header */
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, "000002.wal");
    assert_true(sim_fs_damage(f.disk, "/store/wal/000002.wal", 20, 1));
    db_open(&f.db);
    tear_down(&f);
}

/* Every single bit flip in the log either is an error or changes nothing, but for the last frame, which looks torn. */
static void flipped_bit_in_the_log_never_gives_a_wrong_answer(void **state)
{
    struct fixture f;
    struct sim_fs *sound;
    uint64_t size = 1200;

    (void)state;
    set_up(&f, LSMKV_SYNC_FULL);
    for (unsigned i = 0; i < 10; i++)
        db_fill(&f.db, "k", i, i + 1, "v");
    crash(&f, SIM_DROP_UNSYNCED);
    sound = f.disk;
    for (uint64_t offset = 0; offset < size; offset += 1 + test_scaled(1) * 2) {
        unsigned rows;

        f.disk = sim_fs_crash(sound, SIM_DROP_UNSYNCED, 1);
        f.db.how.fs = sim_fs_os(f.disk);
        assert_true(sim_fs_damage(f.disk, "/store/wal/000001.wal", offset, 0x10));
        if (db_try_open(&f.db)) {
            assert_non_null(strstr(f.db.err.message, "000001.wal"));
        } else {
            rows = db_count(&f.db, "k");
            assert_true(rows >= 9); /* the last record may be taken for torn */
            for (unsigned i = 0; i < rows; i++) {
                char key[16];

                snprintf(key, sizeof(key), "k%06u", i);
                db_expect(&f.db, key, "v");
            }
            db_close(&f.db);
        }
        sim_fs_free(f.disk);
    }
    f.disk = sound;
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_commits_survive_a_power_cut),
        cmocka_unit_test(open_transaction_leaves_nothing),
        cmocka_unit_test(normal_and_off_lose_nothing_when_only_the_process_dies),
        cmocka_unit_test(power_cut_leaves_a_prefix_of_the_commits),
        cmocka_unit_test(transaction_of_many_frames_is_whole_or_absent),
        cmocka_unit_test(recovery_may_crash_at_every_call_and_in_every_way),
        cmocka_unit_test(recovery_does_not_trust_bytes_of_the_page_cache),
        cmocka_unit_test(recovery_leaves_a_clean_store_without_garbage),
        cmocka_unit_test(recovery_that_finds_no_space_leaves_nothing_behind),
        cmocka_unit_test(prepare_without_outcome_is_settled_by_its_default),
        cmocka_unit_test(outcome_and_abort_survive_a_power_cut),
        cmocka_unit_test(withdrawn_prepare_is_not_committed_by_recovery),
        cmocka_unit_test(outcome_in_a_later_segment_finds_its_prepare),
        cmocka_unit_test(missing_segment_is_refused_by_name),
        cmocka_unit_test(damage_below_a_promised_length_is_refused_by_name),
        cmocka_unit_test(flipped_bit_in_the_log_never_gives_a_wrong_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
