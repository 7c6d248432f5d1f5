/*
 * test_stats.c - what users see: counters and gauges, levels, tables, locks, estimates.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "os/fs.h"
#include "support/store_kit.h"

struct fixture {
    struct os_fs *fs;
    struct db db;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f)
{
    f->fs = os_memory_fs_new();
    assert_non_null(f->fs);
    db_init(&f->db, f->fs, "store");
    db_open(&f->db);
}

static void tear_down(struct fixture *f)
{
    db_end(&f->db);
    os_memory_fs_free(f->fs);
}

/* The fields of the seed's stats() and their like; db_stat() fails where one is missing. */
static void every_field_of_the_seed_has_a_counterpart(void **state)
{
    static const char *const names[] = {
        "active_memtable_bytes",
        "active_memtable_full",
        "memtable_size",
        "immutable_memtables",
        "immutable_queue_full",
        "max_immutables",
        "immutable_bytes",
        "immutable_limit_bytes",
        "sstables",
        "sstable_bytes",
        "levels",
        "l0_tables",
        "l0_bytes",
        "l6_tables",
        "l6_bytes",
        "memtable_rotations",
        "flushes",
        "tables_loaded",
        "tables_unloaded",
        "table_accesses",
        "compacting",
        "wal_segment",
        "wal_unsynced_bytes",
        "sequence_applied",
        "sequence_visible",
        "sequence_durable",
        "cache_bytes",
        "pressure_permille",
        "background_failures",
        "read_only",
        "commits",
        "turn_wait_ns",
        "tables_unloaded_percent",
    };
    struct fixture f;

    (void)state;
    set_up(&f);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)db_stat(&f.db, names[i]);
    tear_down(&f);
}

static void counters_follow_what_is_done(void **state)
{
    struct fixture f;
    struct lsmkv_session *other;

    (void)state;
    set_up(&f);
    db_fill(&f.db, "k", 0, 100, "v");
    db_expect(&f.db, "k000001", "v");
    db_expect(&f.db, "nothing", NULL);
    assert_int_equal(db_count(&f.db, "k"), 100);
    assert_int_equal(db_stat(&f.db, "commits"), 1);
    assert_int_equal(db_stat(&f.db, "writes"), 100);
    assert_int_equal(db_stat(&f.db, "gets"), 2);
    assert_int_equal(db_stat(&f.db, "get_hits"), 1);
    assert_int_equal(db_stat(&f.db, "cursors"), 1);
    assert_int_equal(db_stat(&f.db, "cursor_rows"), 100);
    assert_int_equal(db_stat(&f.db, "active_memtable_entries"), 100);
    assert_true(db_stat(&f.db, "wal_bytes") > 100);
    assert_ok(lsmkv_session_open(&other, f.db.store, &f.err), &f.err);
    session_expect(other, "k000002", "v");
    assert_int_equal(db_stat(&f.db, "gets"), 3);
    lsmkv_session_close(other); /* its counts stay */
    assert_int_equal(db_stat(&f.db, "gets"), 3);
    assert_int_equal(db_stat(&f.db, "get_hits"), 2);
    tear_down(&f);
}

static void gauges_follow_memtables_through_a_flush(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_hold(&f.db, "flush:begin");
    db_fill(&f.db, "k", 0, 2000, "0123456789012345678901234567890123456789");
    assert_int_equal(db_stat(&f.db, "active_memtable_full"), 1);
    db_put(&f.db, "next", "1");
    db_wait_held(&f.db, "flush:begin");
    assert_int_equal(db_stat(&f.db, "active_memtable_full"), 0);
    assert_int_equal(db_stat(&f.db, "immutable_memtables"), 1);
    assert_int_equal(db_stat(&f.db, "memtable_rotations"), 1);
    assert_true(db_stat(&f.db, "immutable_bytes") >= f.db.options.memtable_size);
    assert_int_equal(db_stat(&f.db, "sstables"), 0);
    db_release(&f.db, "flush:begin");
    db_flush(&f.db);
    assert_int_equal(db_stat(&f.db, "immutable_memtables"), 0);
    assert_int_equal(db_stat(&f.db, "flushes"), 2);
    assert_true(db_stat(&f.db, "sstable_bytes") > 0);
    tear_down(&f);
}

static void flush_of_an_empty_memtable_is_a_no_op(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_flush(&f.db);
    db_compact(&f.db);
    assert_int_equal(db_stat(&f.db, "memtable_rotations"), 0);
    assert_int_equal(db_stat(&f.db, "manifest_commits"), 0);
    db_put(&f.db, "a", "1");
    db_flush(&f.db);
    db_flush(&f.db);
    assert_int_equal(db_stat(&f.db, "memtable_rotations"), 1);
    assert_int_equal(db_stat(&f.db, "sstables"), 1);
    tear_down(&f);
}

static void levels_tell_fill_and_limit(void **state)
{
    struct lsmkv_level_stats levels[LSMKV_LEVELS];
    struct fixture f;

    (void)state;
    set_up(&f);
    db_fill(&f.db, "k", 0, 100, "v");
    db_delete(&f.db, "k000001");
    db_flush(&f.db);
    lsmkv_level_stats(f.db.store, levels);
    assert_int_equal(levels[0].tables, 1);
    assert_int_equal(levels[0].entries, 100);
    assert_int_equal(levels[0].tombstones, 1);
    assert_int_equal(levels[0].table_limit, 4);
    assert_true(levels[0].score > 0.24 && levels[0].score < 0.26);
    assert_int_equal(levels[1].byte_limit, 64 << 10);
    assert_int_equal(levels[2].byte_limit, 640 << 10);
    tear_down(&f);
}

struct seen {
    unsigned tables;
    bool loaded;
    uint64_t accesses;
};

static bool look_at_table(void *context, const struct lsmkv_sstable_stats *table)
{
    struct seen *seen = context;

    seen->tables++;
    seen->loaded = table->loaded;
    seen->accesses = table->accesses;
    assert_int_equal(table->entries, 100);
    assert_int_equal(table->key_min.size, 7);
    assert_memory_equal(table->key_min.data, "k000000", 7);
    assert_memory_equal(table->key_max.data, "k000099", 7);
    assert_false(table->compacting);
    return seen->tables < 1;
}

static void tables_tell_whether_they_are_loaded_and_read(void **state)
{
    struct seen seen = {0};
    struct fixture f;

    (void)state;
    set_up(&f);
    db_fill(&f.db, "k", 0, 100, "v");
    db_flush(&f.db);
    db_reopen(&f.db);
    lsmkv_sstables_each(f.db.store, look_at_table, &seen);
    assert_int_equal(seen.tables, 1);
    assert_false(seen.loaded);
    assert_int_equal(seen.accesses, 0);
    db_expect(&f.db, "k000050", "v");
    seen.tables = 0;
    lsmkv_sstables_each(f.db.store, look_at_table, &seen);
    assert_true(seen.loaded);
    assert_int_equal(seen.accesses, 1);
    assert_int_equal(db_stat(&f.db, "tables_loaded"), 1);
    tear_down(&f);
}

static bool join_lock(void *context, const struct lsmkv_lock_stats *lock)
{
    char *names = context;

    snprintf(names + strlen(names), 512 - strlen(names), "%s;", lock->name);
    if (strcmp(lock->name, "turn") == 0)
        assert_true(lock->acquired > 0);
    return true;
}

static void locks_are_named_and_counted(void **state)
{
    struct fixture f;
    char names[512] = "";

    (void)state;
    set_up(&f);
    db_put(&f.db, "a", "1");
    lsmkv_locks_each(f.db.store, join_lock, names);
    assert_non_null(strstr(names, "turn;"));
    assert_non_null(strstr(names, "sync;"));
    assert_non_null(strstr(names, "log;"));
    assert_non_null(strstr(names, "sessions;"));
    tear_down(&f);
}

static void estimate_follows_ranges_without_opening_a_table(void **state)
{
    struct fixture f;
    uint64_t entries, bytes;

    (void)state;
    set_up(&f);
    db_fill(&f.db, "a", 0, 100, "v");
    db_flush(&f.db);
    db_fill(&f.db, "c", 0, 50, "v");
    db_reopen(&f.db);
    lsmkv_estimate(f.db.store, unbounded, unbounded, &entries, &bytes);
    assert_int_equal(entries, 150);
    assert_true(bytes > 0);
    lsmkv_estimate(f.db.store, text("a"), text("b"), &entries, &bytes);
    assert_int_equal(entries, 100);
    lsmkv_estimate(f.db.store, text("a000050"), text("b"), &entries, &bytes);
    assert_true(entries > 0 && entries < 100);
    lsmkv_estimate(f.db.store, text("b"), text("c"), &entries, &bytes);
    assert_int_equal(entries, 0);
    assert_int_equal(db_stat(&f.db, "table_opens"), 0);
    tear_down(&f);
}

static bool stop_at_third(void *context, const char *name, uint64_t value)
{
    unsigned *seen = context;

    (void)name;
    (void)value;
    return ++*seen < 3;
}

static void visitor_of_statistics_may_stop(void **state)
{
    struct fixture f;
    unsigned seen = 0;

    (void)state;
    set_up(&f);
    lsmkv_stats_each(f.db.store, stop_at_third, &seen);
    assert_int_equal(seen, 3);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_the_seed_has_a_counterpart),
        cmocka_unit_test(counters_follow_what_is_done),
        cmocka_unit_test(gauges_follow_memtables_through_a_flush),
        cmocka_unit_test(flush_of_an_empty_memtable_is_a_no_op),
        cmocka_unit_test(levels_tell_fill_and_limit),
        cmocka_unit_test(tables_tell_whether_they_are_loaded_and_read),
        cmocka_unit_test(locks_are_named_and_counted),
        cmocka_unit_test(estimate_follows_ranges_without_opening_a_table),
        cmocka_unit_test(visitor_of_statistics_may_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
