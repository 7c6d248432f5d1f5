/*
 * test_obsolete.c - files that nothing needs any more: when they go, and what stays.
 */
#include "version_fixture.h"

#include <string.h>

static void obsolete_table_goes_after_its_last_reader(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct super_version *reader;
    uint64_t removed;

    parts_commit_two_tables(parts);
    reader = version_set_current(parts->set);
    assert_ok(parts_commit(parts, reader->version->levels[0].tables[1], 0, NULL, 0, &err), &err);
    assert_int_equal(parts_current(parts)->version->levels[0].count, 1);
    assert_ok(version_set_delete_obsolete(parts->set, &err), &err);
    assert_true(file_exists(parts->memory, "sst/000001.sst"));
    assert_gets(reader, "a", "1");
    assert_false(version_set_has_obsolete(parts->set));
    super_version_unref(reader);
    assert_true(version_set_has_obsolete(parts->set));
    assert_true(file_exists(parts->memory, "sst/000001.sst")); /* a reader removes nothing */
    removed = counter_get(&parts->counters, files_deleted);
    assert_ok(version_set_delete_obsolete(parts->set, &err), &err);
    assert_false(version_set_has_obsolete(parts->set));
    assert_false(file_exists(parts->memory, "sst/000001.sst"));
    assert_true(file_exists(parts->memory, "sst/000002.sst"));
    assert_int_equal(counter_get(&parts->counters, files_deleted), removed + 1);
}

static void obsolete_is_no_table_that_only_changes_its_level(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct table *moving;
    struct manifest manifest;

    parts_commit_two_tables(parts);
    moving = parts_current(parts)->version->levels[0].tables[1];
    assert_ok(parts_commit(parts, moving, 3, moving, 0, &err), &err);
    assert_ok(version_set_delete_obsolete(parts->set, &err), &err);
    assert_true(file_exists(parts->memory, "sst/000001.sst"));
    manifest = parts_manifest_on_disk(parts);
    assert_int_equal(manifest.levels[0].count, 1);
    assert_int_equal(manifest.levels[3].tables[0].number, 1);
    manifest_release(&manifest);
}

static void obsolete_segments_and_level_files_go(void **state)
{
    struct store_parts *parts = &((struct faulty_parts *)*state)->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    file_put(parts->memory, "wal/000003.wal", slice_of("x", 1));
    file_put(parts->memory, "wal/000004.wal", slice_of("x", 1));
    file_put(parts->memory, "sst/000099.sst", slice_of("x", 1)); /* being written by another thread */
    parts_commit_two_tables(parts);
    parts_take_numbers(parts, 4);
    parts_rotate(parts, parts_memtable(3, 1, "a=1"));
    parts_rotate(parts, parts_memtable(4, 2, "a=2"));
    assert_ok(version_set_delete_obsolete(parts->set, &err), &err);
    assert_true(file_exists(parts->memory, "wal/000003.wal"));
    assert_true(file_exists(parts->memory, "manifest/level_0-3.json"));
    assert_false(file_exists(parts->memory, "manifest/level_0-2.json"));
    assert_ok(parts_commit(parts, NULL, 0, NULL, 1, &err), &err);
    assert_true(version_set_has_obsolete(parts->set));
    assert_ok(version_set_delete_obsolete(parts->set, &err), &err);
    assert_false(file_exists(parts->memory, "wal/000003.wal"));
    assert_true(file_exists(parts->memory, "wal/000004.wal"));
    assert_true(file_exists(parts->memory, "sst/000099.sst"));
    assert_true(file_exists(parts->memory, "manifest/level_0-3.json"));
}

static void obsolete_file_that_cannot_be_removed_is_reported_and_left(void **state)
{
    struct fault_rule rule = {FAULT_BIT(FAULT_REMOVE), "000001.sst", 1, true, LSMKV_IO, FAULT_NOTHING};
    struct faulty_parts *faulty = (struct faulty_parts *)*state;
    struct store_parts *parts = &faulty->parts;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct table *removed[2];
    struct version_edit edit = {removed, 2, NULL, 0};

    parts_commit_two_tables(parts);
    removed[0] = parts_current(parts)->version->levels[0].tables[0];
    removed[1] = parts_current(parts)->version->levels[0].tables[1];
    assert_ok(version_set_commit(parts->set, &edit, NULL, 0, &err), &err);
    fault_fs_fail(faulty->faults, &rule);
    assert_fails(version_set_delete_obsolete(parts->set, &err), LSMKV_IO, &err, "000001.sst");
    fault_fs_heal(faulty->faults);
    assert_true(file_exists(parts->memory, "sst/000001.sst"));
    assert_false(file_exists(parts->memory, "sst/000002.sst"));
    assert_false(file_exists(parts->memory, "manifest/level_0-3.json"));
    assert_false(version_set_has_obsolete(parts->set));
    assert_ok(version_set_remove_orphans(parts->set, &err), &err);
    assert_false(file_exists(parts->memory, "sst/000001.sst"));
}

/* A commit that happens while the directory is listed has made a level file of a later generation: it stays. */
struct removal {
    struct store_parts *parts;
    enum lsmkv_status status;
};

static void run_removal(void *argument)
{
    struct removal *removal = (struct removal *)argument;

    removal->status = version_set_delete_obsolete(removal->parts->set, NULL);
}

static void obsolete_files_go_while_others_commit(void **state)
{
    struct faulty_parts *faulty = (struct faulty_parts *)*state;
    struct store_parts *parts = &faulty->parts;
    struct removal removal = {parts, LSMKV_BUSY};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct thread thread = {0};
    struct manifest manifest;
    struct table *moving;
    unsigned hold;

    parts_commit_two_tables(parts);
    moving = parts_current(parts)->version->levels[0].tables[1];
    assert_ok(parts_commit(parts, moving, 2, moving, 0, &err), &err);
    hold = fault_fs_hold(faulty->faults, FAULT_BIT(FAULT_LIST), "/manifest");
    assert_ok(thread_start(&thread, "remover", run_removal, &removal, &err), &err);
    fault_fs_wait_held(faulty->faults, hold);
    assert_ok(parts_commit(parts, moving, 3, moving, 0, &err), &err);
    fault_fs_release(faulty->faults, hold);
    thread_join(&thread);
    assert_int_equal(removal.status, LSMKV_OK);
    manifest = parts_manifest_on_disk(parts); /* names level_3-5.json */
    assert_int_equal(manifest.levels[3].count, 1);
    manifest_release(&manifest);
    assert_false(file_exists(parts->memory, "manifest/level_0-3.json"));
    assert_true(version_set_has_obsolete(parts->set)); /* level_2-4.json */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, faulty_setup, faulty_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(obsolete_table_goes_after_its_last_reader),
        TEST(obsolete_is_no_table_that_only_changes_its_level),
        TEST(obsolete_segments_and_level_files_go),
        TEST(obsolete_file_that_cannot_be_removed_is_reported_and_left),
        TEST(obsolete_files_go_while_others_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
