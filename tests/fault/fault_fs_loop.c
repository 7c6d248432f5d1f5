/*
 * fault_fs_loop.c - every file system call of a workload fails once, for a while, or for good.
 *
 * Each case runs the workload on a store in memory whose Nth call of some kind fails, with or without having had its
 * effect. Background threads make the numbers vary from run to run, so only what must hold in every run is checked: no
 * crash, hang or leak; acknowledged transactions are there, all others whole or absent, before and after the store is
 * opened again without the fault; messages name a file; a store that lost a write of its log or a manifest commit stays
 * read-only until it is opened again; a full disk heals by itself.
 */
#include <stdio.h>

#include "support/fault_fs.h"
#include "support/test.h"
#include "workload.h"

enum lasting { ONCE, UNTIL_HEALED, FOREVER, LASTINGS };

#define FAILURES_UNTIL_HEALED 3

struct fault_case {
    struct fault_rule rule;
    enum lasting lasting;
    enum lsmkv_sync sync;
    bool poisons; /* any such failure while the store is open makes it read-only */
    bool heals;   /* never makes it read-only, and commits go on as soon as it is healed */
};

struct run {
    struct os_fs *memory;
    struct fault_fs *faults;
    struct workload workload;
    enum lasting lasting;
    unsigned failures;
    long allocations; /* before */
    char label[256];
};

static void heal_after_some(void *context)
{
    struct run *run = context;

    if (++run->failures == FAILURES_UNTIL_HEALED && run->lasting == UNTIL_HEALED)
        fault_fs_heal(run->faults);
}

static void run_begin(struct run *run, const struct fault_case *what)
{
    static const char *const lastings[] = {"once", "until healed", "for good"};
    static const char *const effects[] = {"undone", "half", "done"};

    *run = (struct run){.lasting = what->lasting, .allocations = leak_counter_live()};
    snprintf(run->label, sizeof(run->label), "calls %#x of %s, number %u, status %d, %s, %s, sync %d",
             (unsigned)what->rule.calls, what->rule.suffix ? what->rule.suffix : "any file", (unsigned)what->rule.nth,
             what->rule.status, effects[what->rule.effect], lastings[what->lasting], what->sync);
    run->memory = os_memory_fs_new();
    run->faults = fault_fs_new(run->memory);
    workload_init(&run->workload, fault_fs_os(run->faults), what->sync, run->label);
    run->workload.injected = what->rule.status;
    run->workload.failed = heal_after_some;
    run->workload.context = run;
    run->workload.stays_open = what->poisons;
    run->workload.failures_max = what->lasting == FOREVER ? 5 : 1000;
}

static void run_end(struct run *run)
{
    fault_fs_free(run->faults);
    os_memory_fs_free(run->memory);
    if (leak_counter_live() != run->allocations)
        fail_msg("%s: %ld allocations are left", run->label, leak_counter_live() - run->allocations);
}

/* A store that writes again by itself; background work that has just failed may need a moment. */
static void expect_healed(struct run *run)
{
    enum lsmkv_status status = LSMKV_BUSY;

    fault_fs_heal(run->faults);
    run->workload.injected = LSMKV_OK;
    for (unsigned i = 0; i < 500 && status == LSMKV_BUSY; i++)
        status = workload_put_extra(&run->workload);
    if (status)
        fail_msg("%s: commits do not go on: %d: %s", run->label, status, run->workload.err.message);
}

static void expect_readonly(struct run *run)
{
    (void)lsmkv_wait_idle(run->workload.store, 10000); /* a background thread may not have told yet */
    if (workload_put_extra(&run->workload) != LSMKV_READONLY)
        fail_msg("%s: the store is not read-only: %s", run->label, run->workload.err.message);
    if (workload_check(&run->workload))
        fail_msg("%s: the store cannot be read: %s", run->label, run->workload.err.message);
}

static void run_case(const struct fault_case *what)
{
    struct fault_rule rule = what->rule;
    uint64_t before_open = 0;
    struct run run;

    run_begin(&run, what);
    rule.forever = what->lasting != ONCE;
    if (what->heals || what->poisons) {
        /* The fault falls on an open store. */
        assert_int_equal(workload_open(&run.workload), LSMKV_OK);
        before_open = fault_fs_failures(run.faults);
    }
    fault_fs_fail(run.faults, &rule);
    workload_run(&run.workload);
    if (run.workload.store && what->heals)
        expect_healed(&run);
    else if (run.workload.store && what->poisons && fault_fs_failures(run.faults) > before_open)
        expect_readonly(&run);
    else if (run.workload.store)
        (void)workload_check(&run.workload);
    if (what->lasting == FOREVER)
        (void)workload_close(&run.workload);
    fault_fs_heal(run.faults);
    workload_finish(&run.workload);
    run_end(&run);
}

/* How many calls of that kind a run without faults has. */
static unsigned count_calls(const struct fault_case *what)
{
    struct fault_case none = *what;
    struct run run;
    uint64_t count;

    none.rule.status = LSMKV_OK;
    run_begin(&run, &none);
    workload_run(&run.workload);
    (void)workload_close(&run.workload);
    count = fault_fs_count(run.faults, what->rule.calls, what->rule.suffix);
    workload_finish(&run.workload);
    run_end(&run);
    return (unsigned)count;
}

/*
 * The Nth call for `cases` numbers N, spread over all of them and different in each run. Sanitizer builds run each third
 * combination only, another one in each run.
 */
static void run_cases(struct fault_case *what, size_t cases, uint64_t *random)
{
    unsigned calls, step;

    if (test_random(random) % 3 >= test_scaled(3))
        return;
    calls = count_calls(what);
    step = (unsigned)(calls / cases) + 1;
    assert_true(calls > 0);
    for (unsigned n = 1 + (unsigned)(test_random(random) % step); n <= calls; n += step) {
        what->rule.nth = n;
        run_case(what);
    }
}

/* ---- Tests ---- */

static void run_all_effects(enum lsmkv_status status, enum fault_effect effect)
{
    uint64_t random = test_seed();

    for (enum fault_call call = 0; call < FAULT_CALLS; call++) {
        for (enum lasting lasting = ONCE; lasting < LASTINGS; lasting++) {
            struct fault_case what = {.lasting = lasting};

            if (call == FAULT_REMOVE_DIR)
                continue; /* opening and closing remove none */
            what.rule.calls = FAULT_BIT(call);
            what.rule.status = status;
            what.rule.effect = effect;
            run_cases(&what, test_scaled(6), &random);
        }
    }
}

static void failed_calls_lose_nothing(void **state)
{
    (void)state;
    run_all_effects(LSMKV_IO, FAULT_NOTHING);
}

static void calls_that_fail_after_their_effect_lose_nothing(void **state)
{
    (void)state;
    run_all_effects(LSMKV_IO, FAULT_DONE);
}

static void half_written_bytes_lose_nothing(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (enum lasting lasting = ONCE; lasting < LASTINGS; lasting++) {
        struct fault_case what = {.lasting = lasting, .sync = LSMKV_SYNC_NORMAL};

        what.rule = (struct fault_rule){.calls = FAULT_BIT(FAULT_WRITE), .status = LSMKV_IO, .effect = FAULT_HALF};
        run_cases(&what, test_scaled(24), &random);
    }
}

static void calls_without_memory_lose_nothing(void **state)
{
    (void)state;
    run_all_effects(LSMKV_NOMEM, FAULT_NOTHING);
}

static void failed_calls_lose_nothing_in_the_weaker_modes(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (enum lsmkv_sync sync = LSMKV_SYNC_NORMAL; sync <= LSMKV_SYNC_OFF; sync++) {
        for (enum lasting lasting = ONCE; lasting < LASTINGS; lasting++) {
            struct fault_case what = {.lasting = lasting, .sync = sync};

            what.rule = (struct fault_rule){.calls = FAULT_CHANGES, .status = LSMKV_IO};
            run_cases(&what, test_scaled(24), &random);
        }
    }
}

static void failed_log_and_commit_make_the_store_readonly(void **state)
{
    static const struct {
        uint32_t calls;
        const char *suffix;
    } fatal[] = {
        {FAULT_BIT(FAULT_WRITE), ".wal"},
        {FAULT_BIT(FAULT_SYNC), ".wal"},
        {FAULT_BIT(FAULT_WRITE) | FAULT_BIT(FAULT_SYNC), ".json"},
        {FAULT_BIT(FAULT_WRITE) | FAULT_BIT(FAULT_SYNC), ".json.tmp"},
        {FAULT_BIT(FAULT_RENAME), "global.json"},
        {FAULT_BIT(FAULT_SYNC_DIR), "/manifest"},
        {FAULT_BIT(FAULT_SYNC_DIR), WORKLOAD_DIR},
    };
    uint64_t random = test_seed();

    (void)state;
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        for (enum fault_effect effect = FAULT_NOTHING; effect <= FAULT_DONE; effect++) {
            for (enum lasting lasting = ONCE; lasting < LASTINGS; lasting++) {
                struct fault_case what = {.lasting = lasting, .poisons = true};

                what.rule = (struct fault_rule){
                    .calls = fatal[i].calls, .suffix = fatal[i].suffix, .status = LSMKV_IO, .effect = effect};
                run_cases(&what, test_scaled(4), &random);
            }
        }
    }
}

/* All that a full disk can refuse: space in the log is reserved before it is written. */
static void full_disk_heals_by_itself(void **state)
{
    static const struct {
        uint32_t calls;
        const char *suffix;
    } full[] = {
        {FAULT_BIT(FAULT_CREATE), NULL},     {FAULT_BIT(FAULT_ALLOCATE), NULL},     {FAULT_BIT(FAULT_WRITE), ".sst"},
        {FAULT_BIT(FAULT_WRITE), ".json"},   {FAULT_BIT(FAULT_WRITE), ".json.tmp"}, {FAULT_BIT(FAULT_SYNC), ".sst"},
        {FAULT_BIT(FAULT_SYNC_DIR), "/sst"},
    };
    uint64_t random = test_seed();

    (void)state;
    for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
        for (enum lasting lasting = ONCE; lasting < LASTINGS; lasting++) {
            struct fault_case what = {.lasting = lasting, .heals = true};

            what.rule = (struct fault_rule){.calls = full[i].calls, .suffix = full[i].suffix, .status = LSMKV_FULL};
            run_cases(&what, test_scaled(8), &random);
        }
    }
}

static int install(void **state)
{
    (void)state;
    leak_counter_install();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_calls_lose_nothing),
        cmocka_unit_test(calls_that_fail_after_their_effect_lose_nothing),
        cmocka_unit_test(half_written_bytes_lose_nothing),
        cmocka_unit_test(calls_without_memory_lose_nothing),
        cmocka_unit_test(failed_calls_lose_nothing_in_the_weaker_modes),
        cmocka_unit_test(failed_log_and_commit_make_the_store_readonly),
        cmocka_unit_test(full_disk_heals_by_itself),
    };

    return cmocka_run_group_tests(tests, install, NULL);
}
