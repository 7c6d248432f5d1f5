/*
 * test_version_set.c - rotation, commits and what follows from them: the manifest on disk, segments that may go,
 * failures.
 */
#include "version_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fault_fs.h"
#include "sim_fs.h"

static uint64_t first_segment_on_disk(struct store_parts *parts)
{
    struct manifest manifest = parts_manifest_on_disk(parts);
    uint64_t first = manifest.first_segment;

    manifest_release(&manifest);
    return first;
}

static void version_set_rotation_keeps_everything_readable(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;

    assert_null(parts_current(parts)->active);
    parts_rotate(parts, parts_memtable(1, 1, "a=1 b=1"));
    assert_int_equal(counter_get(&parts->counters, memtable_rotations), 0);
    parts_rotate(parts, parts_memtable(2, 2, "b=2"));
    parts_rotate(parts, parts_memtable(3, 3, "c=3"));
    assert_int_equal(parts_current(parts)->immutable_count, 2);
    assert_int_equal(memtable_segment(parts_current(parts)->immutables[0]), 2);
    assert_gets(parts_current(parts), "a", "1");
    assert_gets(parts_current(parts), "b", "2");
    assert_gets(parts_current(parts), "c", "3");
    assert_int_equal(counter_get(&parts->counters, memtable_rotations), 2);
}

static void version_set_commit_swaps_a_memtable_for_its_table(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct table *table;
    struct manifest manifest;

    parts_rotate(parts, parts_memtable(1, 7, "a=1"));
    parts_rotate(parts, parts_memtable(2, 8, "b=2"));
    assert_int_equal(version_set_new_file(parts->set), 1);
    table = parts_table(parts, version_set_new_file(parts->set), 7, "a=1");
    assert_ok(parts_commit(parts, NULL, 0, table, 1, &err), &err);
    table_unref(table);
    assert_int_equal(parts_current(parts)->immutable_count, 0);
    assert_int_equal(parts_current(parts)->version->levels[0].count, 1);
    assert_gets(parts_current(parts), "a", "1");
    assert_gets(parts_current(parts), "b", "2");
    manifest = parts_manifest_on_disk(parts);
    assert_int_equal(manifest.generation, 2);
    assert_int_equal(manifest.levels[0].count, 1);
    assert_int_equal(manifest.levels[0].tables[0].number, 2);
    assert_int_equal(manifest.next_file, 3);
    assert_int_equal(manifest.last_sequence, 7);
    assert_int_equal(manifest.first_segment, 2);
    manifest_release(&manifest);
    assert_int_equal(counter_get(&parts->counters, flushes), 1);
    assert_int_equal(counter_get(&parts->counters, manifest_commits), 1);
}

/* A flush whose keys were all dropped brings no table, but its segment may go. */
static void version_set_commit_without_tables_lets_the_segment_go(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct memtable *oldest;

    parts_take_numbers(parts, 2);
    parts_rotate(parts, parts_memtable(1, 7, "a=1"));
    parts_rotate(parts, parts_memtable(2, 8, "b=2"));
    oldest = parts_current(parts)->immutables[0];
    assert_ok(version_set_commit(parts->set, NULL, &oldest, 1, &err), &err);
    assert_int_equal(parts_current(parts)->immutable_count, 0);
    assert_int_equal(first_segment_on_disk(parts), 2);
}

static void version_set_first_segment_waits_for_memtables_and_prepares(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct memtable *last = parts_memtable(8, 8, "d=1");

    parts_take_numbers(parts, 9);
    parts_rotate(parts, parts_memtable(5, 5, "a=1"));
    parts_rotate(parts, parts_memtable(6, 6, "b=1"));
    parts_rotate(parts, parts_memtable(7, 7, "c=1"));
    memtable_needs_segment(last, 6);
    memtable_ref(last);
    parts_rotate(parts, last);
    version_set_keep_segment(parts->set, 5);
    assert_ok(parts_commit(parts, NULL, 0, NULL, 1, &err), &err);
    assert_int_equal(first_segment_on_disk(parts), 5); /* a live prepare is in 5 */
    version_set_keep_segment(parts->set, UINT64_MAX);
    assert_ok(parts_commit(parts, NULL, 0, NULL, 0, &err), &err);
    assert_int_equal(first_segment_on_disk(parts), 6);
    assert_ok(parts_commit(parts, NULL, 0, NULL, 2, &err), &err);
    assert_int_equal(first_segment_on_disk(parts), 6); /* the outcome in 8 needs its prepare in 6 */
    parts_rotate(parts, parts_memtable(9, 9, "e=1"));
    assert_ok(parts_commit(parts, NULL, 0, NULL, 1, &err), &err);
    assert_int_equal(first_segment_on_disk(parts), 9);
    memtable_unref(last);
}

/* With no memtable left nothing says where the next commits will go: the segments stay. */
static void version_set_first_segment_stays_when_no_memtable_is_left(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(parts_commit(parts, NULL, 0, NULL, 0, &err), &err);
    assert_int_equal(first_segment_on_disk(parts), 1);
}

static void version_set_refuses_memtables_out_of_order(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct memtable *newest;

    parts_rotate(parts, parts_memtable(1, 1, "a=1"));
    parts_rotate(parts, parts_memtable(2, 2, "b=1"));
    parts_rotate(parts, parts_memtable(3, 3, "c=1"));
    newest = parts_current(parts)->immutables[0];
    assert_status(version_set_commit(parts->set, NULL, &newest, 1, &err), LSMKV_MISUSE, &err);
    assert_int_equal(parts_current(parts)->immutable_count, 2);
    assert_int_equal(first_segment_on_disk(parts), 1);
}

static void version_set_numbers_are_beyond_every_file(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    file_put(parts->memory, "sst/000041.sst", slice_of("x", 1));
    version_set_free(parts->set);
    parts->set = NULL;
    assert_ok(
        version_set_new(&parts->set, parts->fs, STORE_DIR, &parts->manifest, parts->cache, &parts->counters, &err),
        &err);
    assert_int_equal(version_set_new_file(parts->set), 42);
    assert_int_equal(version_set_new_file(parts->set), 43);
}

/* ---- Failures ---- */

static void version_set_goes_on_after_a_lack_of_space_or_memory(void **state)
{
    static const enum lsmkv_status statuses[] = {LSMKV_FULL, LSMKV_NOMEM};
    struct faulty_parts *faulty = (struct faulty_parts *)*state;
    struct store_parts *parts = &faulty->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct table *table;

    parts_rotate(parts, parts_memtable(1, 7, "a=1"));
    parts_rotate(parts, parts_memtable(2, 8, "b=2"));
    table = parts_table(parts, version_set_new_file(parts->set), 7, "a=1");
    for (size_t i = 0; i < 2; i++) {
        struct fault_rule rule = {FAULT_BIT(FAULT_WRITE), "global.json.tmp", 1, false, statuses[i], FAULT_HALF};

        fault_fs_fail(faulty->faults, &rule);
        assert_status(parts_commit(parts, NULL, 0, table, 1, &err), statuses[i], &err);
        assert_false(version_set_poisoned(parts->set, NULL));
        assert_int_equal(parts_current(parts)->immutable_count, 1);
        assert_int_equal(parts_current(parts)->version->levels[0].count, 0);
        assert_int_equal(first_segment_on_disk(parts), 1);
        fault_fs_heal(faulty->faults);
    }
    assert_ok(parts_commit(parts, NULL, 0, table, 1, &err), &err);
    table_unref(table);
    assert_int_equal(parts_current(parts)->version->levels[0].count, 1);
}

static void version_set_is_poisoned_by_a_failed_sync(void **state)
{
    struct fault_rule rule = {FAULT_BIT(FAULT_SYNC), "global.json.tmp", 1, false, LSMKV_IO, FAULT_NOTHING};
    struct faulty_parts *faulty = (struct faulty_parts *)*state;
    struct store_parts *parts = &faulty->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_error why = LSMKV_ERROR_INIT;

    parts_rotate(parts, parts_memtable(1, 7, "a=1"));
    fault_fs_fail(faulty->faults, &rule);
    assert_status(parts_commit(parts, NULL, 0, NULL, 0, &err), LSMKV_IO, &err);
    fault_fs_heal(faulty->faults);
    assert_true(version_set_poisoned(parts->set, &why));
    assert_fails(parts_commit(parts, NULL, 0, NULL, 0, &err), LSMKV_READONLY, &err, why.message);
    assert_gets(parts_current(parts), "a", "1");
}

static void version_set_is_poisoned_by_an_unknown_outcome(void **state)
{
    struct fault_rule rule = {FAULT_BIT(FAULT_SYNC_DIR), STORE_DIR, 1, false, LSMKV_IO, FAULT_NOTHING};
    struct faulty_parts *faulty = (struct faulty_parts *)*state;
    struct store_parts *parts = &faulty->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_error why = LSMKV_ERROR_INIT;
    struct lsmkv_options options;
    size_t files;

    parts_commit_two_tables(parts);
    parts_rotate(parts, parts_memtable(3, 7, "z=1"));
    fault_fs_fail(faulty->faults, &rule);
    assert_status(parts_commit(parts, parts_current(parts)->version->levels[0].tables[0], 0, NULL, 0, &err), LSMKV_IO,
                  &err);
    fault_fs_heal(faulty->faults);
    assert_true(version_set_poisoned(parts->set, &why));
    assert_string_equal(why.message, err.message);
    files = file_count(parts->memory, "sst") + file_count(parts->memory, "manifest");

    /* Nothing is committed or deleted any more, and who tries is told why. */
    assert_fails(parts_commit(parts, NULL, 0, NULL, 0, &err), LSMKV_READONLY, &err, why.message);
    assert_status(version_set_commit_clean(parts->set, 1, 80, &err), LSMKV_READONLY, &err);
    lsmkv_options_init(&options);
    assert_status(version_set_commit_options(parts->set, &options, &err), LSMKV_READONLY, &err);
    assert_status(version_set_remove_orphans(parts->set, &err), LSMKV_READONLY, &err);
    assert_false(version_set_has_obsolete(parts->set));
    assert_ok(version_set_delete_obsolete(parts->set, &err), &err);
    assert_int_equal(file_count(parts->memory, "sst") + file_count(parts->memory, "manifest"), files);

    /* Readers go on, on the state before. */
    assert_int_equal(parts_current(parts)->version->levels[0].count, 2);
    assert_gets(parts_current(parts), "a", "1");
    assert_gets(parts_current(parts), "z", "1");
}

static void version_set_keeps_the_first_poison(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error first = {LSMKV_IO, "wal/000001.wal: sync failed"};
    struct lsmkv_error second = {LSMKV_IO, "something else"};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_error why = LSMKV_ERROR_INIT;

    version_set_poison(parts->set, &first);
    version_set_poison(parts->set, &second);
    assert_true(version_set_poisoned(parts->set, &why));
    assert_string_equal(why.message, first.message);
    assert_fails(parts_commit(parts, NULL, 0, NULL, 0, &err), LSMKV_READONLY, &err, first.message);
}

/* Every allocation of a commit and of a rotation fails once: what failed changed nothing. */
static void version_set_survives_every_failed_allocation(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_NOMEM;
    struct table *table;

    parts_commit_two_tables(parts);
    parts_rotate(parts, parts_memtable(3, 7, "a=3"));
    table = parts_table(parts, version_set_new_file(parts->set), 7, "c=3");
    for (uint64_t nth = 1; status; nth++) {
        struct memtable *next = parts_memtable(4, 8, "b=3");
        size_t immutables = parts_current(parts)->immutable_count;

        lsm_alloc_fail_at(nth, false);
        status = version_set_rotate(parts->set, next, &err);
        lsm_alloc_fail_at(0, false);
        memtable_unref(next);
        assert_int_equal(parts_current(parts)->immutable_count, immutables + (status ? 0 : 1));
    }
    status = LSMKV_NOMEM;
    for (uint64_t nth = 1; status; nth++) {
        struct table *removed = parts_current(parts)->version->levels[0].tables[1];

        lsm_alloc_fail_at(nth, false);
        status = parts_commit(parts, removed, 1, table, 1, &err);
        lsm_alloc_fail_at(0, false);
        if (version_set_poisoned(parts->set, NULL))
            break; /* the file system in memory failed the rename */
        assert_int_equal(parts_current(parts)->immutable_count, status ? 1 : 0);
        assert_int_equal(parts_current(parts)->version->levels[1].count, status ? 0 : 1);
        if (status)
            assert_status(status, LSMKV_NOMEM, &err);
    }
    table_unref(table);
}

/* ---- Rotation and commit at the same time ---- */

struct flush {
    struct store_parts *parts;
    enum lsmkv_status status;
};

static void run_flush(void *argument)
{
    struct flush *flush = (struct flush *)argument;
    struct table *table = parts_table(flush->parts, version_set_new_file(flush->parts->set), 1, "a=1");

    flush->status = parts_commit(flush->parts, NULL, 0, table, 1, NULL);
    table_unref(table);
}

static void version_set_rotations_during_a_commit_are_not_lost(void **state)
{
    struct faulty_parts *faulty = (struct faulty_parts *)*state;
    struct store_parts *parts = &faulty->parts;
    struct flush flush = {parts, LSMKV_BUSY};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct thread thread = {0};
    unsigned hold;

    parts_take_numbers(parts, 20);
    parts_rotate(parts, parts_memtable(1, 1, "a=1"));
    parts_rotate(parts, parts_memtable(2, 2, "b=2"));
    hold = fault_fs_hold(faulty->faults, FAULT_BIT(FAULT_RENAME), NULL);
    assert_ok(thread_start(&thread, "flush", run_flush, &flush, &err), &err);
    fault_fs_wait_held(faulty->faults, hold);
    for (uint64_t i = 3; i <= 20; i++)
        parts_rotate(parts, parts_memtable(i, i, "c=3"));
    assert_int_equal(parts_current(parts)->immutable_count, 19);
    assert_int_equal(parts_current(parts)->version->levels[0].count, 0);
    fault_fs_release(faulty->faults, hold);
    thread_join(&thread);
    assert_int_equal(flush.status, LSMKV_OK);
    assert_int_equal(parts_current(parts)->immutable_count, 18);
    assert_int_equal(parts_current(parts)->version->levels[0].count, 1);
    for (size_t i = 0; i < 18; i++)
        assert_int_equal(memtable_segment(parts_current(parts)->immutables[i]), 19 - i);
    assert_int_equal(memtable_segment(parts_current(parts)->active), 20);
    assert_gets(parts_current(parts), "a", "1");
    assert_gets(parts_current(parts), "b", "2");
}

/* ---- Facts ---- */

static void version_set_records_a_clean_end_until_the_next_commit(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;
    uint64_t segment = version_set_new_file(parts->set);

    parts_commit_two_tables(parts);
    assert_ok(version_set_commit_clean(parts->set, segment, 4096, &err), &err);
    manifest = parts_manifest_on_disk(parts);
    assert_int_equal(manifest.clean_segment, segment);
    assert_int_equal(manifest.clean_length, 4096);
    assert_int_equal(manifest.levels[0].count, 2);
    manifest_release(&manifest);
    assert_ok(parts_commit(parts, NULL, 0, NULL, 0, &err), &err);
    manifest = parts_manifest_on_disk(parts);
    assert_int_equal(manifest.clean_segment, 0);
    assert_int_equal(manifest.clean_length, 0);
    manifest_release(&manifest);
}

static void version_set_commits_other_options(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_options options;
    struct manifest manifest;

    lsmkv_options_init(&options);
    assert_ok(lsmkv_options_set(&options, "sync", "normal", &err), &err);
    assert_ok(version_set_commit_options(parts->set, &options, &err), &err);
    parts_commit_two_tables(parts);
    manifest = parts_manifest_on_disk(parts);
    assert_int_equal(manifest.options.sync, LSMKV_SYNC_NORMAL);
    manifest_release(&manifest);
}

static void version_set_reopens_as_it_was(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct table *moving;
    struct manifest manifest;

    parts_commit_two_tables(parts);
    moving = parts_current(parts)->version->levels[0].tables[1];
    assert_ok(parts_commit(parts, moving, 2, moving, 0, &err), &err);
    version_set_free(parts->set);
    parts->set = NULL;
    manifest = parts_manifest_on_disk(parts);
    assert_ok(version_set_new(&parts->set, parts->fs, STORE_DIR, &manifest, parts->cache, &parts->counters, &err),
              &err);
    manifest_release(&manifest);
    assert_int_equal(parts_current(parts)->version->levels[0].count, 1);
    assert_int_equal(parts_current(parts)->version->levels[2].count, 1);
    assert_int_equal(counter_get(&parts->counters, table_opens), 0);
    assert_gets(parts_current(parts), "a", "1");
}

static void note_install(void *context)
{
    ++*(int *)context;
}

static void version_set_tells_of_each_installation(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    int installed = 0;

    version_set_on_install(parts->set, note_install, &installed);
    parts_rotate(parts, parts_memtable(1, 1, "a=1"));
    assert_int_equal(installed, 1);
    assert_ok(parts_commit(parts, NULL, 0, NULL, 0, &err), &err);
    assert_int_equal(installed, 2);
    assert_ok(version_set_commit_clean(parts->set, 0, 0, &err), &err);
    assert_int_equal(installed, 2);
}

/* ---- Power cuts: a committed table is there, an uncommitted one is not named ---- */

static void version_set_commit_makes_its_table_durable_first(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct sim_fs *disk = sim_fs_new();
        struct sim_fs *after;
        struct lsmkv_error err = LSMKV_ERROR_INIT;
        struct store_parts parts;
        struct manifest loaded;
        struct table *table;
        enum lsmkv_status status;

        memset(&parts, 0, sizeof(parts));
        parts.fs = sim_fs_os(disk);
        store_dirs_make(parts.fs);
        assert_ok(
            table_cache_new(&parts.cache, parts.fs, STORE_DIR, 16, 1u << 20, LSMKV_IO_MMAP, &parts.counters, &err),
            &err);
        parts_open_set(&parts);
        parts_rotate(&parts, parts_memtable(1, 7, "a=1"));
        parts_rotate(&parts, parts_memtable(2, 8, "b=2"));
        table = parts_table(&parts, version_set_new_file(parts.set), 7, "a=1");
        sim_fs_stop_at(disk, n);
        status = parts_commit(&parts, NULL, 0, table, 1, &err);
        table_unref(table);
        after = sim_fs_crash(disk, n % 2 ? SIM_TORN : SIM_DROP_UNSYNCED, test_seed() + n);
        assert_ok(manifest_load(&loaded, sim_fs_os(after), STORE_DIR, &err), &err);
        if (!status)
            assert_int_equal(loaded.levels[0].count, 1);
        assert_int_equal(loaded.first_segment, loaded.levels[0].count ? 2 : 1);
        manifest_release(&loaded);
        version_set_free(parts.set);
        manifest_release(&parts.manifest);
        table_cache_free(parts.cache);
        sim_fs_free(after);
        sim_fs_free(disk);
        if (!status) {
            assert_true(n > 8);
            break;
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, faulty_setup, faulty_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(version_set_rotation_keeps_everything_readable),
        TEST(version_set_commit_swaps_a_memtable_for_its_table),
        TEST(version_set_commit_without_tables_lets_the_segment_go),
        TEST(version_set_first_segment_waits_for_memtables_and_prepares),
        TEST(version_set_first_segment_stays_when_no_memtable_is_left),
        TEST(version_set_refuses_memtables_out_of_order),
        TEST(version_set_numbers_are_beyond_every_file),
        TEST(version_set_goes_on_after_a_lack_of_space_or_memory),
        TEST(version_set_is_poisoned_by_a_failed_sync),
        TEST(version_set_is_poisoned_by_an_unknown_outcome),
        TEST(version_set_keeps_the_first_poison),
        TEST(version_set_survives_every_failed_allocation),
        TEST(version_set_rotations_during_a_commit_are_not_lost),
        TEST(version_set_records_a_clean_end_until_the_next_commit),
        TEST(version_set_commits_other_options),
        TEST(version_set_reopens_as_it_was),
        TEST(version_set_tells_of_each_installation),
        cmocka_unit_test(version_set_commit_makes_its_table_durable_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
