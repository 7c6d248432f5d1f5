/*
 * test_flush.c - one memtable becomes one table of L0, or nothing at all.
 */
#include "compaction_kit.h"

#include <string.h>

#include "base/alloc.h"

#define KB 1024u
#define MB (1024u * 1024u)

static int set_up(void **state)
{
    static struct kit kit;

    kit_open(&kit);
    *state = &kit;
    return 0;
}

static int tear_down(void **state)
{
    kit_close(*state);
    return 0;
}

static struct outputs flush(struct kit *kit)
{
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(flush_run(&kit->background, kit->active, &outputs, &err), &err);
    return outputs;
}

static void expect_entry(struct table *table, const char *key, enum entry_kind kind, const char *value)
{
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum entry_kind got;
    bool found;

    assert_ok(table_get(table, slice_of(key, strlen(key)), &buf, &got, &found, &err), &err);
    assert_true(found);
    assert_int_equal(got, kind);
    if (value)
        assert_true(slice_equal(slice_of_buf(&buf), slice_of(value, strlen(value))));
    lsmkv_buf_release(&buf);
}

static void newest_version_of_each_key_is_written(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs;

    kit_put(kit, "key1", "old");
    kit_put(kit, "key2", "two");
    kit_put(kit, "key1", "new");
    outputs = flush(kit);
    assert_int_equal(outputs.count, 1);
    assert_int_equal(table_info(outputs.tables[0])->entries, 2);
    expect_entry(outputs.tables[0], "key1", ENTRY_PUT, "new");
    expect_entry(outputs.tables[0], "key2", ENTRY_PUT, "two");
    assert_int_equal(counter_get(&kit->counters, flush_bytes), table_info(outputs.tables[0])->size);
    outputs_release(&outputs);
    assert_int_equal(kit_table_files(kit), 1);
}

static void tombstones_are_kept(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs;

    kit_put(kit, "key1", "old");
    kit_delete(kit, "key1");
    kit_delete(kit, "key2"); /* hides what only deeper levels have */
    outputs = flush(kit);
    assert_int_equal(outputs.count, 1);
    assert_int_equal(table_info(outputs.tables[0])->tombstones, 2);
    expect_entry(outputs.tables[0], "key1", ENTRY_DELETE, NULL);
    expect_entry(outputs.tables[0], "key2", ENTRY_DELETE, NULL);
    outputs_release(&outputs);
}

static void an_empty_memtable_writes_nothing(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs = flush(kit);

    assert_int_equal(outputs.count, 0);
    assert_int_equal(kit_table_files(kit), 0);
}

static void dropped_ids_are_left_out_and_asked_once(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs;

    kit_put(kit, "AAAA1", "a");
    kit_put(kit, "BBBB1", "b");
    kit_put(kit, "BBBB2", "b");
    kit_put(kit, "CCCC1", "c");
    kit_put(kit, "CC", "shorter than an id");
    kit->dropped_id = 0x42424242;
    outputs = flush(kit);
    assert_int_equal(outputs.count, 1);
    assert_int_equal(table_info(outputs.tables[0])->entries, 3);
    assert_int_equal(kit->dropped_asked, 3);
    outputs_release(&outputs);
}

static void a_memtable_of_dropped_ids_writes_nothing(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs;

    kit_put(kit, "BBBB1", "b");
    kit->dropped_id = 0x42424242;
    outputs = flush(kit);
    assert_int_equal(outputs.count, 0);
    assert_int_equal(kit_table_files(kit), 0);
}

static void a_large_memtable_is_one_table(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs;

    kit_fill(kit, 3 * MB);
    outputs = flush(kit);
    assert_int_equal(outputs.count, 1);
    outputs_release(&outputs);
}

static void every_failed_call_removes_the_file(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_FULL;
    uint64_t failed = 0;

    kit_fill(kit, 200 * KB);
    for (uint64_t nth = 1; status; nth++) {
        struct fault_rule rule = {.calls = FAULT_BIT(FAULT_CREATE) | FAULT_BIT(FAULT_WRITE) | FAULT_BIT(FAULT_SYNC) |
                                           FAULT_BIT(FAULT_ALLOCATE),
                                  .suffix = ".sst",
                                  .nth = nth,
                                  .status = LSMKV_FULL,
                                  .effect = FAULT_HALF};

        fault_fs_fail(kit->faults, &rule);
        status = flush_run(&kit->background, kit->active, &outputs, &err);
        fault_fs_heal(kit->faults);
        if (status) {
            assert_status(status, LSMKV_FULL, &err);
            assert_int_equal(kit_table_files(kit), 0);
            assert_int_equal(outputs.count, 0);
            failed++;
        }
    }
    assert_true(failed >= 3);
    assert_int_equal(kit_table_files(kit), 1);
    outputs_release(&outputs);
}

static void every_failed_allocation_removes_the_file(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_NOMEM;

    kit_put(kit, "key", "value");
    for (uint64_t nth = 1; status; nth++) {
        lsm_alloc_fail_at(nth, false);
        status = flush_run(&kit->background, kit->active, &outputs, &err);
        lsm_alloc_fail_at(0, false);
        if (status) {
            assert_status(status, LSMKV_NOMEM, &err);
            /* Where even the name could not be made, the file is an orphan for the next open. */
            assert_true(kit_table_files(kit) <= 1);
        }
    }
    outputs_release(&outputs);
}

static void stopping_ends_it_without_a_file(void **state)
{
    struct kit *kit = *state;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    const _Atomic bool stopping = true;

    kit_fill(kit, 200 * KB);
    kit->background.stopping = &stopping;
    assert_status(flush_run(&kit->background, kit->active, &outputs, &err), LSMKV_INTERRUPTED, &err);
    kit->background.stopping = NULL;
    assert_int_equal(outputs.count, 0);
    assert_int_equal(kit_table_files(kit), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(newest_version_of_each_key_is_written),    TEST(tombstones_are_kept),
        TEST(an_empty_memtable_writes_nothing),         TEST(dropped_ids_are_left_out_and_asked_once),
        TEST(a_memtable_of_dropped_ids_writes_nothing), TEST(a_large_memtable_is_one_table),
        TEST(every_failed_call_removes_the_file),       TEST(every_failed_allocation_removes_the_file),
        TEST(stopping_ends_it_without_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
