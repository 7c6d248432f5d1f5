/*
 * test_scheduler.c - the background threads: order of installs, what may not wait for what, failures, back-off, the
 * pressure gate, manual compaction, and the end.
 */
#include "compaction_kit.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "compaction/manual.h"
#include "os/clock.h"

#define KB      1024u
#define MB      (1024u * 1024u)
#define IDLE_MS 60000 /* never waited for in full, unless a test fails */

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

/* ---- Helpers ---- */

static struct lsmkv_slice text(const char *s)
{
    return slice_of(s, s ? strlen(s) : 0);
}

static void wait_idle(struct kit *kit)
{
    assert_true(scheduler_wait_idle(kit->scheduler, IDLE_MS));
}

static void wait_flushed(struct kit *kit)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(scheduler_wait_flushed(kit->scheduler, &err), &err);
}

/* All steps of a manual compaction. */
static enum lsmkv_status compact_range(struct scheduler *scheduler, struct lsmkv_slice lower, struct lsmkv_slice upper,
                                       struct lsmkv_error *err)
{
    struct lsmkv_compaction_progress progress = {.finished = false};
    struct manual_compaction manual;
    enum lsmkv_status status = manual_compaction_init(&manual, scheduler, lower, upper, err);

    if (status)
        return status;
    while (!status && !progress.finished)
        status = manual_compaction_step(&manual, &progress, err);
    manual_compaction_release(&manual);
    return status;
}

static void compact(struct kit *kit, const char *lower, const char *upper)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(compact_range(kit->scheduler, text(lower), text(upper), &err), &err);
}

/* One table of L0 with the key. */
static void flush_key(struct kit *kit, const char *key, const char *value)
{
    if (value)
        kit_put(kit, key, value);
    else
        kit_delete(kit, key);
    kit_rotate(kit);
    wait_flushed(kit);
}

static size_t all_tables(struct kit *kit)
{
    size_t count = 0;

    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        count += kit_level_tables(kit, level);
    return count;
}

static enum lsmkv_status failure_status(struct kit *kit, uint64_t *times)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    return scheduler_failure(kit->scheduler, times, &err);
}

/* A call of the scheduler in a thread of its own. */
struct call {
    struct kit *kit;
    enum lsmkv_status (*run)(struct call *call);
    pthread_t thread;
    enum lsmkv_status status;
    struct lsmkv_error err;
};

static void *call_main(void *argument)
{
    struct call *call = argument;

    call->status = call->run(call);
    return NULL;
}

static void call_start(struct call *call, struct kit *kit, enum lsmkv_status (*run)(struct call *call))
{
    *call = (struct call){.kit = kit, .run = run};
    assert_int_equal(pthread_create(&call->thread, NULL, call_main, call), 0);
}

static enum lsmkv_status call_end(struct call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    return call->status;
}

static enum lsmkv_status call_wait_pressure(struct call *call)
{
    return scheduler_wait_pressure(call->kit->scheduler, &call->err);
}

static enum lsmkv_status call_compact(struct call *call)
{
    return compact_range(call->kit->scheduler, text(NULL), text(NULL), &call->err);
}

static enum lsmkv_status call_stop(struct call *call)
{
    scheduler_free(call->kit->scheduler);
    return LSMKV_OK;
}

static void fail_tables(struct kit *kit, enum lsmkv_status status)
{
    static struct fault_rule rule;

    rule = (struct fault_rule){.calls = FAULT_BIT(FAULT_WRITE) | FAULT_BIT(FAULT_ALLOCATE),
                               .suffix = ".sst",
                               .forever = true,
                               .status = status,
                               .effect = FAULT_HALF};
    fault_fs_fail(kit->faults, &rule);
}

/* No failed work is begun again before `until`, unless someone asks for it. */
static void set_back_off(struct kit *kit, uint64_t until)
{
    mutex_lock(&kit->scheduler->mutex);
    for (int kind = 0; kind < JOB_KINDS; kind++)
        kit->scheduler->failures[kind].retry_at = until;
    mutex_unlock(&kit->scheduler->mutex);
}

/* ---- Flush ---- */

static void a_memtable_becomes_a_table(void **state)
{
    struct kit *kit = *state;

    kit_start(kit);
    flush_key(kit, "k", "v");
    assert_int_equal(kit_immutables(kit), 0);
    assert_int_equal(kit_level_tables(kit, 0), 1);
    assert_int_equal(counter_get(&kit->counters, flushes), 1);
    kit_expect(kit, "k", "v");
}

static void an_empty_memtable_goes_without_a_table(void **state)
{
    struct kit *kit = *state;

    kit_start(kit);
    kit_rotate(kit);
    wait_flushed(kit);
    assert_int_equal(kit_immutables(kit), 0);
    assert_int_equal(all_tables(kit), 0);
}

static void what_was_immutable_before_the_start_is_flushed(void **state)
{
    struct kit *kit = *state;

    kit_put(kit, "k", "v");
    kit_rotate(kit);
    kit_start(kit);
    wait_idle(kit);
    assert_int_equal(kit_level_tables(kit, 0), 1);
}

/* Two workers, the one with the older memtable held: the newer table must not be installed first. */
static void flushes_install_in_memtable_order(void **state)
{
    struct kit *kit = *state;
    size_t hold = kit_hold(kit, "flush:begin", 1);

    kit->options.flush_workers = 2;
    kit_put(kit, "k", "old");
    kit_rotate(kit);
    kit_start(kit);
    kit_wait_held(kit, hold);
    kit_put(kit, "k", "new");
    kit_rotate(kit);
    kit_wait_calls(kit, "flush:built", 1); /* by the second worker */
    kit_put(kit, "k2", "third");
    kit_rotate(kit);
    kit_wait_calls(kit, "flush:built", 2); /* the same one again: it has parked the first */
    assert_int_equal(kit_immutables(kit), 3);
    assert_int_equal(kit_level_tables(kit, 0), 0);
    kit_expect(kit, "k", "new");
    kit->options.l0_tables = 100;
    kit_release(kit, hold);
    wait_flushed(kit);
    assert_int_equal(kit_level_tables(kit, 0), 3);
    assert_true(counter_get(&kit->counters, manifest_commits) < 3); /* several in one commit */
    kit_expect(kit, "k", "new");
    kit_expect(kit, "k2", "third");
}

static void a_held_compaction_does_not_stop_flushes(void **state)
{
    struct kit *kit = *state;
    size_t hold = kit_hold(kit, "compaction:begin", 1);

    kit_start(kit);
    for (int i = 0; i < 3; i++)
        flush_key(kit, "k", "v");
    kit_wait_held(kit, hold);
    assert_true(scheduler_compacting(kit->scheduler));
    assert_false(scheduler_wait_idle(kit->scheduler, 0));
    for (int i = 0; i < 3; i++)
        flush_key(kit, "k", "w");
    kit_expect(kit, "k", "w");
    assert_int_equal(kit_level_tables(kit, 0), 6);
    kit_release(kit, hold);
    wait_idle(kit);
    assert_int_equal(kit_level_tables(kit, 0), 0);
    kit_expect(kit, "k", "w");
    assert_false(scheduler_compacting(kit->scheduler));
}

/* ---- Compaction ---- */

static void compaction_starts_at_3_of_4_tables(void **state)
{
    struct kit *kit = *state;

    kit_start(kit);
    flush_key(kit, "k", "1");
    flush_key(kit, "k", "2");
    wait_idle(kit);
    assert_int_equal(kit_level_tables(kit, 0), 2);
    assert_int_equal(kit_calls(kit, "compaction:begin"), 0);
    flush_key(kit, "k", "3");
    wait_idle(kit);
    assert_int_equal(kit_level_tables(kit, 0), 0);
    assert_int_equal(kit_level_tables(kit, 1), 1);
    assert_int_equal(counter_get(&kit->counters, compactions), 1);
    assert_int_equal(kit_table_files(kit), 1); /* what it replaced is gone */
    kit_expect(kit, "k", "3");
}

static void tables_that_meet_nothing_are_moved_not_written(void **state)
{
    struct kit *kit = *state;

    kit_start(kit);
    flush_key(kit, "a", "1");
    flush_key(kit, "b", "2");
    flush_key(kit, "c", "3");
    wait_idle(kit);
    assert_true(counter_get(&kit->counters, trivial_moves) >= 1);
    assert_int_equal(counter_get(&kit->counters, compaction_write_bytes), 0);
    assert_true(kit_level_tables(kit, 1) >= 1);
    assert_int_equal(kit_table_files(kit), 3);
    kit_expect(kit, "a", "1");
}

static void replaced_tables_stay_while_they_are_read(void **state)
{
    struct kit *kit = *state;
    struct super_version *reader;

    kit_start(kit);
    flush_key(kit, "k", "1");
    flush_key(kit, "k", "2");
    reader = version_set_current(kit->versions);
    flush_key(kit, "k", "3");
    wait_idle(kit);
    assert_int_equal(kit_level_tables(kit, 0), 0);
    assert_int_equal(kit_table_files(kit), 3); /* the result and the two that are read */
    super_version_unref(reader);
    scheduler_wake(kit->scheduler);
    wait_idle(kit);
    assert_int_equal(kit_table_files(kit), 1);
}

static void tables_of_a_dropped_id_go_without_being_read(void **state)
{
    struct kit *kit = *state;

    kit_start(kit);
    flush_key(kit, "BBBB1", "1");
    compact(kit, NULL, NULL);
    flush_key(kit, "BBBB2", "2");
    flush_key(kit, "AAAA1", "1");
    assert_int_equal(all_tables(kit), 3);
    pthread_mutex_lock(&kit->mutex);
    kit->dropped_id = 0x42424242;
    pthread_mutex_unlock(&kit->mutex);
    scheduler_wake(kit->scheduler);
    wait_idle(kit);
    assert_int_equal(all_tables(kit), 1);
    assert_int_equal(kit_table_files(kit), 1);
    assert_int_equal(counter_get(&kit->counters, compaction_read_bytes), 0);
    kit_expect(kit, "AAAA1", "1");
}

/* ---- Failures ---- */

static void a_flush_on_a_full_disk_is_retried_and_resumes(void **state)
{
    struct kit *kit = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint64_t times;

    kit_start(kit);
    fail_tables(kit, LSMKV_FULL);
    kit_put(kit, "k", "v");
    kit_rotate(kit);
    assert_status(scheduler_wait_flushed(kit->scheduler, &err), LSMKV_FULL, &err);
    set_back_off(kit, UINT64_MAX);
    assert_status(scheduler_wait_flushed(kit->scheduler, &err), LSMKV_FULL, &err); /* tried again at once */
    assert_int_equal(failure_status(kit, &times), LSMKV_FULL);
    assert_true(times >= 2);
    assert_true(counter_get(&kit->counters, flush_failures) >= 2);
    assert_int_equal(kit_table_files(kit), 0);
    kit_expect(kit, "k", "v");
    fault_fs_heal(kit->faults);
    kit_wait_calls(kit, "flush:installed", 1); /* by itself */
    wait_idle(kit);
    assert_int_equal(failure_status(kit, &times), LSMKV_OK);
    assert_int_equal(kit_level_tables(kit, 0), 1);
    kit_expect(kit, "k", "v");
    kit_stop(kit);
    assert_int_equal(kit->logged, 2); /* once when it began to fail, once when it ended */
    assert_int_equal(kit->log_status, LSMKV_OK);
}

static void a_manifest_that_finds_no_space_changes_nothing(void **state)
{
    struct kit *kit = *state;
    struct fault_rule rule = {
        .calls = FAULT_BIT(FAULT_WRITE), .suffix = "global.json.tmp", .forever = true, .status = LSMKV_FULL};
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    kit_start(kit);
    fault_fs_fail(kit->faults, &rule);
    kit_put(kit, "k", "v");
    kit_rotate(kit);
    assert_status(scheduler_wait_flushed(kit->scheduler, &err), LSMKV_FULL, &err);
    assert_false(version_set_poisoned(kit->versions, NULL));
    assert_int_equal(kit_level_tables(kit, 0), 0);
    fault_fs_heal(kit->faults);
    kit_wait_calls(kit, "flush:installed", 1);
    wait_idle(kit);
    assert_int_equal(kit_table_files(kit), 1);
    kit_expect(kit, "k", "v");
}

static void a_manifest_of_unknown_outcome_ends_all_work_and_keeps_files(void **state)
{
    struct kit *kit = *state;
    struct fault_rule rule = {
        .calls = FAULT_BIT(FAULT_RENAME), .suffix = "global.json", .status = LSMKV_IO, .effect = FAULT_DONE};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    size_t begun;

    kit_start(kit);
    fault_fs_fail(kit->faults, &rule);
    kit_put(kit, "k", "v");
    kit_rotate(kit);
    assert_true(scheduler_wait_flushed(kit->scheduler, &err) != LSMKV_OK);
    assert_true(version_set_poisoned(kit->versions, NULL));
    assert_int_equal(kit_table_files(kit), 1); /* the manifest may name it */
    begun = kit_calls(kit, "flush:begin");
    kit->options.memtable_size = 1; /* pressure is above 1 */
    kit_rotate(kit);
    assert_status(scheduler_wait_pressure(kit->scheduler, &err), LSMKV_READONLY, &err);
    assert_status(scheduler_wait_flushed(kit->scheduler, &err), LSMKV_READONLY, &err);
    assert_status(compact_range(kit->scheduler, text(NULL), text(NULL), &err), LSMKV_READONLY, &err);
    assert_false(scheduler_wait_idle(kit->scheduler, IDLE_MS));
    scheduler_retry(kit->scheduler);
    for (int i = 0; i < 1000; i++)
        sched_yield(); /* a worker that would begin again had its chance */
    assert_int_equal(kit_calls(kit, "flush:begin"), begun);
    kit_expect(kit, "k", "v");
    kit_stop(kit);
    assert_int_equal(kit_table_files(kit), 1);
}

static void a_compaction_on_a_full_disk_is_retried_and_resumes(void **state)
{
    struct kit *kit = *state;
    size_t hold = kit_hold(kit, "compaction:begin", 1);
    uint64_t times;

    kit_start(kit);
    for (int i = 0; i < 3; i++)
        flush_key(kit, "k", "v");
    kit_wait_held(kit, hold);
    fail_tables(kit, LSMKV_FULL);
    kit_release(kit, hold);
    kit_wait_calls(kit, "compaction:begin", 3); /* tried again, twice */
    assert_int_equal(failure_status(kit, &times), LSMKV_FULL);
    assert_int_equal(kit_level_tables(kit, 0), 3);
    fault_fs_heal(kit->faults);
    wait_idle(kit);
    assert_int_equal(kit_level_tables(kit, 0), 0);
    assert_int_equal(kit_table_files(kit), 1);
    assert_true(counter_get(&kit->counters, compaction_failures) >= 2);
    assert_int_equal(failure_status(kit, &times), LSMKV_OK);
    kit_expect(kit, "k", "v");
}

static void a_compaction_whose_manifest_finds_no_space_removes_its_tables(void **state)
{
    struct kit *kit = *state;
    struct fault_rule rule = {
        .calls = FAULT_BIT(FAULT_WRITE), .suffix = "global.json.tmp", .forever = true, .status = LSMKV_FULL};
    size_t built = kit_hold(kit, "compaction:built", 1);
    size_t again = kit_hold(kit, "compaction:begin", 2);

    kit_start(kit);
    for (int i = 0; i < 3; i++)
        flush_key(kit, "k", "v");
    kit_wait_held(kit, built);
    assert_int_equal(kit_table_files(kit), 4);
    fault_fs_fail(kit->faults, &rule);
    kit_release(kit, built);
    kit_wait_held(kit, again);
    assert_int_equal(kit_table_files(kit), 3);
    fault_fs_heal(kit->faults);
    kit_release(kit, again);
    wait_idle(kit);
    assert_int_equal(kit_table_files(kit), 1);
    kit_expect(kit, "k", "v");
}

static void a_start_that_fails_leaves_nothing_behind(void **state)
{
    struct kit *kit = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_NOMEM;

    kit->options.flush_workers = 2;
    kit->options.compaction_workers = 2;
    for (uint64_t nth = 1; status; nth++) {
        lsm_alloc_fail_at(nth, false);
        status = scheduler_new(&kit->scheduler, &kit->background, &err);
        lsm_alloc_fail_at(0, false);
        if (status) {
            assert_status(status, LSMKV_NOMEM, &err);
            assert_null(kit->scheduler);
            assert_null(kit->background.stopping);
        }
    }
    flush_key(kit, "k", "v");
}

/* ---- Pressure ---- */

/* One immutable memtable that is all the store may hold, its flush held at the beginning. */
static size_t stop_by_flush(struct kit *kit)
{
    size_t hold = kit_hold(kit, "flush:begin", 1);

    kit->options.max_immutables = 1;
    kit_start(kit);
    kit_fill(kit, kit->options.memtable_size);
    kit_rotate(kit);
    kit_wait_held(kit, hold);
    return hold;
}

static void no_pressure_no_wait(void **state)
{
    struct kit *kit = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    kit_start(kit);
    assert_ok(scheduler_wait_pressure(kit->scheduler, &err), &err);
    assert_int_equal(counter_get(&kit->counters, stalls), 0);
    assert_int_equal(counter_get(&kit->counters, delays), 0);
}

static void a_stop_ends_when_the_flush_does(void **state)
{
    struct kit *kit = *state;
    size_t hold = stop_by_flush(kit);
    struct call call;

    call_start(&call, kit, call_wait_pressure);
    while (counter_get(&kit->counters, stalls) == 0)
        sched_yield();
    kit_release(kit, hold);
    assert_int_equal(call_end(&call), LSMKV_OK);
    assert_int_equal(kit_immutables(kit), 0);
    assert_true(counter_get(&kit->counters, stall_ns) > 0);
}

static void a_stop_without_progress_is_busy_and_names_the_cause(void **state)
{
    struct kit *kit = *state;
    size_t hold;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    kit->options.stall_timeout_ms = 10;
    hold = stop_by_flush(kit);
    assert_fails(scheduler_wait_pressure(kit->scheduler, &err), LSMKV_BUSY, &err, "immutable memtables");
    kit_release(kit, hold);
    wait_idle(kit);
    assert_ok(scheduler_wait_pressure(kit->scheduler, &err), &err);
}

static void a_stop_by_l0_is_busy_and_names_the_cause(void **state)
{
    struct kit *kit = *state;
    size_t hold = kit_hold(kit, "compaction:begin", 1);
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    kit->options.l0_tables = 2;
    kit->options.stall_timeout_ms = 10;
    kit_start(kit);
    for (int i = 0; i < 8; i++)
        flush_key(kit, "k", "v");
    kit_wait_held(kit, hold);
    assert_fails(scheduler_wait_pressure(kit->scheduler, &err), LSMKV_BUSY, &err, "L0 tables");
    kit_release(kit, hold);
    wait_idle(kit);
    assert_ok(scheduler_wait_pressure(kit->scheduler, &err), &err);
}

static void a_stop_on_a_full_disk_is_full_and_ends_with_it(void **state)
{
    struct kit *kit = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    kit->options.max_immutables = 1;
    kit_start(kit);
    fail_tables(kit, LSMKV_FULL);
    assert_ok(scheduler_wait_pressure(kit->scheduler, &err), &err); /* not before pressure 1 */
    kit_fill(kit, kit->options.memtable_size);
    kit_rotate(kit);
    assert_status(scheduler_wait_pressure(kit->scheduler, &err), LSMKV_FULL, &err);
    assert_status(scheduler_wait_pressure(kit->scheduler, &err), LSMKV_FULL, &err);
    fault_fs_heal(kit->faults);
    set_back_off(kit, UINT64_MAX); /* it does not wait for that */
    assert_ok(scheduler_wait_pressure(kit->scheduler, &err), &err);
    assert_int_equal(kit_immutables(kit), 0);
}

static void a_stop_by_work_that_fails_otherwise_is_busy_and_says_so(void **state)
{
    struct kit *kit = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint64_t times;

    kit->options.max_immutables = 1;
    kit->options.stall_timeout_ms = 30;
    kit_start(kit);
    fail_tables(kit, LSMKV_IO);
    kit_fill(kit, kit->options.memtable_size);
    kit_rotate(kit);
    while (!failure_status(kit, &times)) /* the timeout must not pass before the work has failed once */
        sched_yield();
    assert_fails(scheduler_wait_pressure(kit->scheduler, &err), LSMKV_BUSY, &err, ".sst");
    fault_fs_heal(kit->faults);
    wait_idle(kit);
}

static uint64_t slept_ns;

static void count_sleep(uint64_t ns)
{
    slept_ns += ns;
}

static void commits_are_delayed_below_the_stop(void **state)
{
    struct kit *kit = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    size_t hold = kit_hold(kit, "flush:begin", 1);
    uint64_t bytes;

    kit_fill(kit, 100 * KB);
    bytes = memtable_bytes(kit->active);
    kit->options.max_immutables = 1;
    kit->options.memtable_size = bytes * 100 / 95; /* pressure 0.95 */
    kit_start(kit);
    kit_rotate(kit);
    kit_wait_held(kit, hold);
    slept_ns = 0;
    clock_set_for_tests(NULL, count_sleep);
    assert_ok(scheduler_wait_pressure(kit->scheduler, &err), &err);
    clock_set_for_tests(NULL, NULL);
    assert_in_range(slept_ns, PRESSURE_DELAY_MAX_NS / 3, PRESSURE_DELAY_MAX_NS / 2); /* (10/15)^2 of the longest */
    assert_int_equal(counter_get(&kit->counters, delays), 1);
    assert_int_equal(counter_get(&kit->counters, delay_ns), slept_ns);
    assert_int_equal(counter_get(&kit->counters, stalls), 0);
    kit_release(kit, hold);
    wait_idle(kit);
    assert_ok(scheduler_wait_pressure(kit->scheduler, &err), &err);
    assert_int_equal(counter_get(&kit->counters, delays), 1);
}

/* ---- Manual compaction ---- */

static void compact_merges_down_to_the_deepest_level(void **state)
{
    struct kit *kit = *state;

    kit_start(kit);
    flush_key(kit, "k", "1");
    flush_key(kit, "k", "2");
    compact(kit, NULL, NULL);
    assert_int_equal(all_tables(kit), 1);
    assert_int_equal(kit_level_tables(kit, 1), 1);
    kit_expect(kit, "k", "2");
    compact(kit, NULL, NULL); /* nothing to do */
    assert_int_equal(kit_level_tables(kit, 1), 1);
}

static void a_store_of_deleted_rows_compacts_to_zero_tables(void **state)
{
    struct kit *kit = *state;

    kit_start(kit);
    for (char key[2] = "a"; key[0] <= 'e'; key[0]++)
        flush_key(kit, key, "v");
    compact(kit, NULL, NULL);
    for (char key[2] = "a"; key[0] <= 'e'; key[0]++)
        flush_key(kit, key, NULL);
    compact(kit, NULL, NULL);
    assert_int_equal(all_tables(kit), 0);
    wait_idle(kit);
    assert_int_equal(kit_table_files(kit), 0);
    kit_expect(kit, "c", NULL);
}

static void tombstones_of_the_deepest_level_go_too(void **state)
{
    struct kit *kit = *state;

    kit_start(kit);
    kit_put(kit, "a", "v");
    kit_put(kit, "c", "v");
    kit_delete(kit, "b"); /* a minority of the table, in a level with nothing below it */
    kit_rotate(kit);
    wait_flushed(kit);
    wait_idle(kit);
    assert_int_equal(kit_level_tables(kit, 0), 1);
    compact(kit, NULL, NULL);
    {
        struct super_version *super_version = version_set_current(kit->versions);

        assert_int_equal(table_info(kit_table_at(super_version->version, 1, 0))->tombstones, 0);
        super_version_unref(super_version);
    }
}

static void compact_touches_its_range_only(void **state)
{
    struct kit *kit = *state;
    size_t compactions;

    kit_start(kit);
    flush_key(kit, "a", "1");
    flush_key(kit, "m", "1");
    compactions = counter_get(&kit->counters, compactions);
    compact(kit, "b", "m"); /* upper bound exclusive */
    assert_int_equal(counter_get(&kit->counters, compactions), compactions);
    compact(kit, "m", NULL);
    assert_int_equal(kit_level_tables(kit, 0), 0);
    kit_expect(kit, "a", "1");
    kit_expect(kit, "m", "1");
}

/* A claim held by a running compaction is waited for; no new one is begun meanwhile. */
static void compact_waits_for_a_running_compaction(void **state)
{
    struct kit *kit = *state;
    size_t hold = kit_hold(kit, "compaction:begin", 1);
    bool blocked = false;
    struct call call;

    kit_start(kit);
    for (int i = 0; i < 3; i++)
        flush_key(kit, "k", "v");
    kit_wait_held(kit, hold);
    flush_key(kit, "k", NULL);
    call_start(&call, kit, call_compact);
    while (!blocked) {
        mutex_lock(&kit->scheduler->mutex);
        blocked = kit->scheduler->manual_blocked;
        mutex_unlock(&kit->scheduler->mutex);
        sched_yield();
    }
    kit_release(kit, hold);
    assert_int_equal(call_end(&call), LSMKV_OK);
    assert_int_equal(all_tables(kit), 0);
    wait_idle(kit);
}

static void compact_reports_its_failure(void **state)
{
    struct kit *kit = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    kit_start(kit);
    flush_key(kit, "k", "1");
    flush_key(kit, "k", "2");
    fail_tables(kit, LSMKV_FULL);
    assert_status(compact_range(kit->scheduler, text(NULL), text(NULL), &err), LSMKV_FULL, &err);
    assert_int_equal(kit_level_tables(kit, 0), 2);
    fault_fs_heal(kit->faults);
    compact(kit, NULL, NULL);
    assert_int_equal(all_tables(kit), 1);
    kit_expect(kit, "k", "2");
}

/* Puts a table with `key` and about `bytes` of further keys after it into `level`. */
static void place(struct kit *kit, unsigned level, const char *key, const char *value, size_t bytes)
{
    struct version_edit edit = {NULL, 0, NULL, 1};
    struct memtable *former = kit->active;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint64_t random = test_seed();
    char filler[1000], name[64];

    assert_ok(memtable_new(&kit->active, 0, &err), &err);
    kit_put(kit, key, value);
    for (unsigned n = 0; memtable_bytes(kit->active) < bytes; n++) {
        for (size_t i = 0; i + 1 < sizeof(filler); i++)
            filler[i] = (char)('a' + test_random(&random) % 26);
        filler[sizeof(filler) - 1] = 0;
        snprintf(name, sizeof(name), "%s-%06u", key, n);
        kit_put(kit, name, filler);
    }
    assert_ok(flush_run(&kit->background, kit->active, &outputs, &err), &err);
    edit.added = lsm_calloc(1, sizeof(*edit.added));
    assert_non_null(edit.added);
    edit.added[0].level = level;
    edit.added[0].table = outputs.tables[0];
    assert_ok(version_set_commit(kit->versions, &edit, NULL, 0, &err), &err);
    lsm_free(edit.added);
    outputs_release(&outputs);
    memtable_unref(kit->active);
    kit->active = former;
}

/* L2 holds several pieces, and L3 something of the range, so that all of L2 must go there. */
static void compact_goes_through_a_level_piece_by_piece(void **state)
{
    struct kit *kit = *state;
    char key[16];

    kit->options.base_level_size = 4 * MB; /* tables of 1 MB, pieces of 4 */
    for (unsigned i = 0; i < 9; i++) {
        snprintf(key, sizeof(key), "row%u", i);
        place(kit, 3, key, "old", i == 8 ? 100 * KB : 0);
    }
    for (unsigned i = 0; i < 9; i++) {
        snprintf(key, sizeof(key), "row%u", i);
        place(kit, 2, key, "new", MB + 200 * KB);
    }
    kit_start(kit);
    wait_idle(kit);
    assert_int_equal(counter_get(&kit->counters, compactions), 0);
    compact(kit, "row1", "row8");
    assert_int_equal(kit_level_tables(kit, 2), 2); /* outside of the range */
    assert_in_range(counter_get(&kit->counters, compactions), 2, 3);
    compact(kit, NULL, NULL);
    assert_int_equal(kit_level_tables(kit, 2), 0);
    for (unsigned i = 0; i < 9; i++) {
        snprintf(key, sizeof(key), "row%u", i);
        kit_expect(kit, key, "new");
    }
    wait_idle(kit);
    assert_int_equal(kit_table_files(kit), all_tables(kit));
}

/* The store answers from its catalog, which is in tables; to open a store must not open those. */
static void a_start_asks_nothing_about_dropped_ids(void **state)
{
    struct kit *kit = *state;

    place(kit, 1, "BBBB", "v", 0);
    kit->dropped_id = 0x42424242;
    kit->dropped_asked = 0;
    kit_start(kit);
    wait_idle(kit);
    assert_int_equal(kit->dropped_asked, 0);
    assert_int_equal(all_tables(kit), 1);
    scheduler_wake(kit->scheduler);
    wait_idle(kit);
    assert_int_equal(all_tables(kit), 0);
}

/* ---- The end ---- */

static void stopping_ends_a_flush_in_hand_without_a_file(void **state)
{
    struct kit *kit = *state;
    size_t hold = stop_by_flush(kit);
    struct scheduler *scheduler = kit->scheduler;
    struct call call;

    call_start(&call, kit, call_stop);
    while (!atomic_load(&scheduler->stopping))
        sched_yield();
    kit_release(kit, hold);
    call_end(&call);
    kit->scheduler = NULL;
    assert_int_equal(kit_table_files(kit), 0);
    assert_int_equal(kit_immutables(kit), 1);
    assert_int_equal(kit->logged, 0); /* that is no failure */
    assert_null(kit->background.stopping);
}

static void what_was_built_out_of_order_is_removed_at_the_end(void **state)
{
    struct kit *kit = *state;
    size_t hold = kit_hold(kit, "flush:begin", 1);
    struct scheduler *scheduler;
    struct call call;

    kit->options.flush_workers = 2;
    kit_fill(kit, 200 * KB);
    kit_rotate(kit);
    kit_start(kit);
    kit_wait_held(kit, hold);
    kit_put(kit, "k", "v");
    kit_rotate(kit);
    kit_wait_calls(kit, "flush:built", 1);
    scheduler = kit->scheduler;
    call_start(&call, kit, call_stop);
    while (!atomic_load(&scheduler->stopping))
        sched_yield();
    kit_release(kit, hold);
    call_end(&call);
    kit->scheduler = NULL;
    assert_int_equal(kit_table_files(kit), 0);
    assert_int_equal(kit_immutables(kit), 2);
}

/* ---- All together ---- */

#define KEYS 200

static enum lsmkv_status call_compact_often(struct call *call)
{
    enum lsmkv_status status = LSMKV_OK;

    for (size_t n = test_scaled(40); !status && n > 0; n--)
        status = compact_range(call->kit->scheduler, text(n % 3 ? NULL : "key050"), text(n % 2 ? NULL : "key150"),
                               &call->err);
    return status;
}

static void random_writes_with_all_workers_equal_the_model(void **state)
{
    struct kit *kit = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint64_t random = test_seed();
    unsigned model[KEYS] = {0}; /* 0 = absent */
    char key[16], value[16];
    struct call call;

    kit->options.flush_workers = 2;
    kit->options.compaction_workers = 2;
    kit->options.l0_tables = 2;
    kit->options.base_level_size = 64 * KB;
    kit->options.level_ratio = 2;
    kit->options.max_immutables = 3;
    kit_start(kit);
    call_start(&call, kit, call_compact_often);
    for (unsigned n = 1; n <= test_scaled(6000); n++) {
        size_t i = test_random(&random) % KEYS;

        snprintf(key, sizeof(key), "key%03zu", i);
        snprintf(value, sizeof(value), "%u", n);
        model[i] = test_random(&random) % 3 ? n : 0;
        if (model[i])
            kit_put(kit, key, value);
        else
            kit_delete(kit, key);
        if (n % 40 == 0) {
            assert_ok(scheduler_wait_pressure(kit->scheduler, &err), &err);
            if (n % 400 == 0)
                kit_fill(kit, 100 * KB);
            kit_rotate(kit);
        }
        i = test_random(&random) % KEYS;
        snprintf(key, sizeof(key), "key%03zu", i);
        snprintf(value, sizeof(value), "%u", model[i]);
        kit_expect(kit, key, model[i] ? value : NULL);
    }
    assert_status(call_end(&call), LSMKV_OK, &call.err);
    kit_rotate(kit);
    wait_flushed(kit);
    wait_idle(kit);
    compact(kit, NULL, NULL);
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "key%03zu", i);
        snprintf(value, sizeof(value), "%u", model[i]);
        kit_expect(kit, key, model[i] ? value : NULL);
    }
    wait_idle(kit);
    assert_int_equal(kit_table_files(kit), all_tables(kit));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_memtable_becomes_a_table),
        TEST(an_empty_memtable_goes_without_a_table),
        TEST(what_was_immutable_before_the_start_is_flushed),
        TEST(flushes_install_in_memtable_order),
        TEST(a_held_compaction_does_not_stop_flushes),
        TEST(compaction_starts_at_3_of_4_tables),
        TEST(tables_that_meet_nothing_are_moved_not_written),
        TEST(replaced_tables_stay_while_they_are_read),
        TEST(tables_of_a_dropped_id_go_without_being_read),
        TEST(a_flush_on_a_full_disk_is_retried_and_resumes),
        TEST(a_manifest_that_finds_no_space_changes_nothing),
        TEST(a_manifest_of_unknown_outcome_ends_all_work_and_keeps_files),
        TEST(a_compaction_on_a_full_disk_is_retried_and_resumes),
        TEST(a_compaction_whose_manifest_finds_no_space_removes_its_tables),
        TEST(a_start_that_fails_leaves_nothing_behind),
        TEST(no_pressure_no_wait),
        TEST(a_stop_ends_when_the_flush_does),
        TEST(a_stop_without_progress_is_busy_and_names_the_cause),
        TEST(a_stop_by_l0_is_busy_and_names_the_cause),
        TEST(a_stop_on_a_full_disk_is_full_and_ends_with_it),
        TEST(a_stop_by_work_that_fails_otherwise_is_busy_and_says_so),
        TEST(commits_are_delayed_below_the_stop),
        TEST(compact_merges_down_to_the_deepest_level),
        TEST(a_store_of_deleted_rows_compacts_to_zero_tables),
        TEST(tombstones_of_the_deepest_level_go_too),
        TEST(compact_touches_its_range_only),
        TEST(compact_waits_for_a_running_compaction),
        TEST(compact_reports_its_failure),
        TEST(compact_goes_through_a_level_piece_by_piece),
        TEST(a_start_asks_nothing_about_dropped_ids),
        TEST(stopping_ends_a_flush_in_hand_without_a_file),
        TEST(what_was_built_out_of_order_is_removed_at_the_end),
        TEST(random_writes_with_all_workers_equal_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
