/*
 * test_settings.c - options that change while the store is open: recorded for ever, in force at once or at the next opening.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "os/fs.h"
#include "support/fault_fs.h"
#include "support/sim_fs.h"
#include "support/store_kit.h"

struct fixture {
    struct os_fs *memory;
    struct fault_fs *faults;
    struct db db;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f)
{
    f->memory = os_memory_fs_new();
    assert_non_null(f->memory);
    f->faults = fault_fs_new(f->memory);
    db_init(&f->db, fault_fs_os(f->faults), "store");
    db_open(&f->db);
}

static void tear_down(struct fixture *f)
{
    db_end(&f->db);
    fault_fs_free(f->faults);
    os_memory_fs_free(f->memory);
}

static void set(struct db *db, const char *name, const char *value)
{
    assert_ok(lsmkv_store_set_option(db->store, name, value, &db->err), &db->err);
}

static const char *text_of(const struct lsmkv_options *options, const char *name)
{
    static char value[64];
    const char *each;

    for (size_t i = 0; lsmkv_options_get(options, i, &each, value); i++) {
        if (strcmp(each, name) == 0)
            return value;
    }
    fail_msg("no option %s", name);
    return NULL;
}

static void expect_in_force(struct db *db, const char *name, const char *value)
{
    assert_string_equal(text_of(lsmkv_store_options(db->store), name), value);
}

static void expect_recorded(struct db *db, const char *name, const char *value)
{
    struct lsmkv_options options;

    lsmkv_store_recorded_options(db->store, &options);
    assert_string_equal(text_of(&options, name), value);
}

/* ---- What a change is ---- */

static void a_change_is_in_force_at_once_and_after_reopening(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    set(&f.db, "l0_tables", "9");
    set(&f.db, "Soft_Limit", "0.7");
    for (int i = 0; i < 2; i++) {
        expect_in_force(&f.db, "l0_tables", "9");
        expect_in_force(&f.db, "soft_limit", "0.7");
        expect_recorded(&f.db, "l0_tables", "9");
        db_reopen(&f.db);
    }
    tear_down(&f);
}

static void every_option_can_be_changed(void **state)
{
    static const char *const values[][2] = {
        {"sync", "off"}, {"compression", "zstd"}, {"io", "pread"}, {"flush_workers", "2"}, {"compaction_workers", "3"}};
    struct lsmkv_option_info info;
    struct fixture f;

    (void)state;
    set_up(&f);
    for (size_t i = 0; lsmkv_options_describe(i, &info); i++) {
        const char *value = info.initial;

        for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
            if (strcmp(values[j][0], info.name) == 0)
                value = values[j][1];
        }
        set(&f.db, info.name, value);
        expect_recorded(&f.db, info.name, value);
        if (info.at_once)
            expect_in_force(&f.db, info.name, value);
        else
            assert_string_not_equal(text_of(lsmkv_store_options(f.db.store), info.name), value);
    }
    db_reopen(&f.db);
    for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++)
        expect_in_force(&f.db, values[j][0], values[j][1]);
    db_put(&f.db, "a", "1");
    db_compact(&f.db);
    db_expect(&f.db, "a", "1");
    tear_down(&f);
}

/* Those that only opening can put in force. */
static void some_options_wait_for_the_next_opening(void **state)
{
    static const char *const names[] = {"sync", "io", "flush_workers", "compaction_workers"};
    struct lsmkv_option_info info;
    size_t late = 0;

    (void)state;
    for (size_t i = 0; lsmkv_options_describe(i, &info); i++) {
        assert_true(lsmkv_option_at_once(info.name) == info.at_once);
        late += !info.at_once;
    }
    assert_int_equal(late, 4);
    for (size_t i = 0; i < 4; i++)
        assert_false(lsmkv_option_at_once(names[i]));
    assert_false(lsmkv_option_at_once("nonsense"));
}

static void what_makes_no_sense_changes_nothing(void **state)
{
    struct fixture f;
    uint64_t commits;

    (void)state;
    set_up(&f);
    commits = db_stat(&f.db, "manifest_commits");
    assert_fails(lsmkv_store_set_option(f.db.store, "l0_tables", "1", &f.err), LSMKV_INVALID, &f.err, "2 to 1000");
    assert_fails(lsmkv_store_set_option(f.db.store, "l0_tables", "", &f.err), LSMKV_INVALID, &f.err, "l0_tables");
    assert_fails(lsmkv_store_set_option(f.db.store, "no_such", "1", &f.err), LSMKV_INVALID, &f.err, "no_such");
    assert_fails(lsmkv_store_set_option(f.db.store, "io", "tape", &f.err), LSMKV_INVALID, &f.err, "mmap, pread");
    assert_int_equal(db_stat(&f.db, "manifest_commits"), commits);
    expect_in_force(&f.db, "io", "mmap");
    tear_down(&f);
}

static void a_failed_change_changes_nothing(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fault_fs_fail(f.faults, &(struct fault_rule){.calls = FAULT_BIT(FAULT_CREATE), .status = LSMKV_FULL});
    assert_fails(lsmkv_store_set_option(f.db.store, "wait_ms", "77", &f.err), LSMKV_FULL, &f.err, "global.json");
    fault_fs_heal(f.faults);
    expect_in_force(&f.db, "wait_ms", "5000");
    expect_recorded(&f.db, "wait_ms", "5000");
    set(&f.db, "wait_ms", "78");
    db_reopen(&f.db);
    expect_in_force(&f.db, "wait_ms", "78");
    tear_down(&f);
}

/* Nobody knows whether a rename that failed is on the disk: no more changes until the store is opened again. */
static void a_change_of_unknown_outcome_makes_the_store_read_only(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fault_fs_fail(f.faults, &(struct fault_rule){.calls = FAULT_BIT(FAULT_RENAME), .status = LSMKV_IO});
    assert_status(lsmkv_store_set_option(f.db.store, "wait_ms", "77", &f.err), LSMKV_IO, &f.err);
    fault_fs_heal(f.faults);
    expect_in_force(&f.db, "wait_ms", "5000");
    assert_status(lsmkv_store_set_option(f.db.store, "wait_ms", "78", &f.err), LSMKV_READONLY, &f.err);
    (void)db_try_close(&f.db);
    db_open(&f.db);
    set(&f.db, "wait_ms", "79");
    tear_down(&f);
}

/* A power cut at any call of a change: the former value or the new one, and the store opens. */
static void a_crash_leaves_the_old_value_or_the_new_one(void **state)
{
    unsigned old = 0, new = 0;
    bool died = true;

    (void)state;
    for (unsigned stop = 1; died; stop++) {
        struct sim_fs *disk = sim_fs_new(), *after;
        struct db db;
        bool said_yes;

        db_init(&db, sim_fs_os(disk), "/store");
        db_open(&db);
        db_put(&db, "a", "1");
        sim_fs_stop_at(disk, stop);
        said_yes = lsmkv_store_set_option(db.store, "wait_ms", "4321", NULL) == LSMKV_OK;
        died = sim_fs_stopped(disk);
        (void)db_try_close(&db);
        after = sim_fs_crash(disk, (enum sim_crash)(stop % SIM_CRASH_MODES), stop);
        db.how.fs = sim_fs_os(after);
        db_open(&db);
        db_expect(&db, "a", "1");
        if (strcmp(text_of(lsmkv_store_options(db.store), "wait_ms"), "4321") == 0)
            new ++;
        else
            old++;
        if (said_yes)
            expect_in_force(&db, "wait_ms", "4321");
        db_end(&db);
        sim_fs_free(disk);
        sim_fs_free(after);
    }
    assert_true(old && new);
}

/* ---- What a change does ---- */

static void a_smaller_memtable_is_full_earlier(void **state)
{
    struct fixture f;
    uint64_t before;

    (void)state;
    set_up(&f);
    set(&f.db, "memtable_size", "64MB");
    before = db_stat(&f.db, "memtable_rotations");
    for (unsigned i = 0; i < 40; i++)
        db_fill(&f.db, "k", 100 * i, 100 * (i + 1), "a value of some forty bytes, more or less");
    assert_int_equal(db_stat(&f.db, "memtable_rotations"), before);
    set(&f.db, "memtable_size", "64KB");
    db_put(&f.db, "one", "more");
    assert_int_equal(db_stat(&f.db, "memtable_rotations"), before + 1);
    assert_int_equal(db_stat(&f.db, "memtable_size"), 65536);
    tear_down(&f);
}

static void a_smaller_cache_gives_memory_back(void **state)
{
    struct fixture f;
    uint64_t full;

    (void)state;
    set_up(&f);
    set(&f.db, "compression", "lz4");
    set(&f.db, "cache_size", "64MB");
    set(&f.db, "memtable_size", "64MB");
    for (unsigned i = 0; i < 60; i++)
        db_fill(&f.db, "k", 1000 * i, 1000 * (i + 1), "a value of some forty bytes, more or less");
    db_flush(&f.db);
    assert_int_equal(db_count(&f.db, "k"), 60000);
    full = db_stat(&f.db, "cache_bytes");
    assert_true(full > 2 << 20);
    set(&f.db, "cache_size", "1MB");
    assert_true(db_stat(&f.db, "cache_bytes") <= 1 << 20);
    assert_int_equal(db_count(&f.db, "k"), 60000);
    assert_true(db_stat(&f.db, "cache_bytes") <= 1 << 20);
    set(&f.db, "cache_size", "64MB");
    assert_int_equal(db_count(&f.db, "k"), 60000);
    assert_true(db_stat(&f.db, "cache_bytes") > 2 << 20);
    tear_down(&f);
}

static void *commit_one(void *context)
{
    struct db *db = context;
    struct lsmkv_session *session = NULL;
    struct lsmkv_error err;

    assert_ok(lsmkv_session_open(&session, db->store, &err), &err);
    assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, -1, &err), &err);
    assert_ok(lsmkv_put(session, text("stopped"), text("goes on"), &err), &err);
    assert_ok(lsmkv_session_commit(session, -1, &err), &err);
    lsmkv_session_close(session);
    return NULL;
}

/* Compaction is held: nothing but the option can let the commit go on. */
static void a_higher_limit_lets_stopped_commits_go_on(void **state)
{
    struct fixture f;
    pthread_t thread;

    (void)state;
    set_up(&f);
    db_hold(&f.db, "compaction:begin");
    set(&f.db, "l0_tables", "2");
    set(&f.db, "stall_timeout", "3600");
    for (unsigned i = 0; db_stat(&f.db, "pressure_permille") < 1000; i++) {
        db_fill(&f.db, "k", 0, 10, "v");
        db_flush(&f.db);
    }
    assert_int_equal(pthread_create(&thread, NULL, commit_one, &f.db), 0);
    while (db_stat(&f.db, "stalls") == 0)
        sched_yield();
    set(&f.db, "l0_tables", "100");
    assert_int_equal(pthread_join(thread, NULL), 0);
    db_release(&f.db, "compaction:begin");
    db_expect(&f.db, "stopped", "goes on");
    tear_down(&f);
}

/* Lower limits make work due that nobody else would ask for. */
static void a_lower_limit_starts_compaction(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    set(&f.db, "l0_tables", "100");
    for (unsigned i = 0; i < 6; i++) {
        db_fill(&f.db, "k", 0, 10, "v");
        db_flush(&f.db);
    }
    assert_true(lsmkv_wait_idle(f.db.store, 60000));
    assert_int_equal(db_level_tables(&f.db, 0), 6);
    set(&f.db, "l0_tables", "2");
    assert_true(lsmkv_wait_idle(f.db.store, 60000));
    assert_true(db_level_tables(&f.db, 0) < 2);
    tear_down(&f);
}

/* ---- At the same time ---- */

struct worker {
    struct db *db;
    atomic_bool *stop;
    unsigned number;
};

static void *write_on(void *context)
{
    const struct worker *worker = context;
    struct lsmkv_session *session = NULL;
    struct lsmkv_error err;
    char key[32];

    assert_ok(lsmkv_session_open(&session, worker->db->store, &err), &err);
    for (unsigned i = 0; !atomic_load(worker->stop); i++) {
        snprintf(key, sizeof(key), "%u-%u", worker->number, i % 1000);
        assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, 600000, &err), &err);
        assert_ok(lsmkv_put(session, text(key), text("some value to fill memtables with"), &err), &err);
        assert_ok(lsmkv_session_commit(session, -1, &err), &err);
    }
    lsmkv_session_close(session);
    return NULL;
}

static void *change_on(void *context)
{
    static const char *const values[][2] = {
        {"memtable_size", "64KB"}, {"memtable_size", "100KB"}, {"cache_size", "1MB"},    {"l0_tables", "3"},
        {"cache_size", "2MB"},     {"rate_limit", "100MB"},    {"compression", "lz4"},   {"block_size", "2KB"},
        {"history_size", "1MB"},   {"sync", "normal"},         {"compression", "none"},  {"l0_tables", "4"},
        {"max_immutables", "3"},   {"soft_limit", "0.9"},      {"history_size", "10MB"}, {"transaction_size", "1MB"},
    };
    const struct worker *worker = context;
    struct lsmkv_error err;

    for (unsigned i = worker->number; !atomic_load(worker->stop); i++) {
        const char *const *value = values[i % (sizeof(values) / sizeof(values[0]))];
        struct lsmkv_options options;

        assert_ok(lsmkv_store_set_option(worker->db->store, value[0], value[1], &err), &err);
        lsmkv_store_recorded_options(worker->db->store, &options);
        assert_true(lsmkv_store_options(worker->db->store)->l0_tables >= 3);
    }
    return NULL;
}

static void changes_race_with_commits_and_background_work(void **state)
{
    struct fixture f;
    atomic_bool stop = false;
    struct worker workers[4];
    pthread_t threads[4];
    uint64_t rounds = test_scaled(400);

    (void)state;
    set_up(&f);
    set(&f.db, "l0_tables", "4");
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){&f.db, &stop, i};
        assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? write_on : change_on, &workers[i]), 0);
    }
    for (uint64_t i = 0; i < rounds; i++) {
        db_put(&f.db, "main", "thread");
        (void)db_stat(&f.db, "pressure_permille");
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    db_reopen(&f.db);
    db_expect(&f.db, "main", "thread");
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_in_force_at_once_and_after_reopening),
        cmocka_unit_test(every_option_can_be_changed),
        cmocka_unit_test(some_options_wait_for_the_next_opening),
        cmocka_unit_test(what_makes_no_sense_changes_nothing),
        cmocka_unit_test(a_failed_change_changes_nothing),
        cmocka_unit_test(a_change_of_unknown_outcome_makes_the_store_read_only),
        cmocka_unit_test(a_crash_leaves_the_old_value_or_the_new_one),
        cmocka_unit_test(a_smaller_memtable_is_full_earlier),
        cmocka_unit_test(a_smaller_cache_gives_memory_back),
        cmocka_unit_test(a_higher_limit_lets_stopped_commits_go_on),
        cmocka_unit_test(a_lower_limit_starts_compaction),
        cmocka_unit_test(changes_race_with_commits_and_background_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
