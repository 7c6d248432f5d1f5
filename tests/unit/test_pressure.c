/*
 * test_pressure.c - what pushes commits back, how hard, and that there is always work that relieves it.
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

static struct pressure pressure_with(struct kit *kit, struct version *version)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct super_version *super_version;
    struct pressure pressure;

    assert_ok(super_version_new(&super_version, kit->active, NULL, 0, version, &err), &err);
    pressure = pressure_of(&kit->options, super_version);
    super_version_unref(super_version);
    return pressure;
}

static void an_idle_store_has_none(void **state)
{
    struct kit *kit = *state;
    struct version *version = kit_version(kit, NULL, 0);

    assert_true(pressure_with(kit, version).value == 0);
    assert_int_equal(pressure_delay_ns(&kit->options, 0), 0);
    version_unref(version);
}

static void immutable_memtables_count_by_their_bytes(void **state)
{
    struct kit *kit = *state;
    struct super_version *super_version;
    struct pressure pressure;
    uint64_t bytes;

    kit_fill(kit, 100 * KB);
    bytes = memtable_bytes(kit->active);
    kit_rotate(kit);
    kit->options.memtable_size = bytes;
    kit->options.max_immutables = 2;
    super_version = version_set_current(kit->versions);
    pressure = pressure_of(&kit->options, super_version);
    assert_true(pressure.value > 0.499 && pressure.value < 0.501);
    assert_string_equal(pressure.cause, "immutable memtables");
    assert_true(pressure.by_flush);
    kit->options.max_immutables = 1;
    assert_true(pressure_of(&kit->options, super_version).value >= 1);
    super_version_unref(super_version);
}

static void l0_stops_at_four_times_its_limit(void **state)
{
    struct kit *kit = *state;
    struct kit_facts facts[16];
    struct version *version;
    struct pressure pressure;

    for (size_t i = 0; i < 16; i++)
        facts[i] = (struct kit_facts){0, "a", "z", KB, 0, 0};
    version = kit_version(kit, facts, 15);
    assert_true(pressure_with(kit, version).value < 1);
    version_unref(version);
    version = kit_version(kit, facts, 16);
    pressure = pressure_with(kit, version);
    assert_true(pressure.value >= 1);
    assert_string_equal(pressure.cause, "L0 tables");
    assert_false(pressure.by_flush);
    version_unref(version);
}

static void debt_stops_at_256_times_the_base_level(void **state)
{
    struct kit *kit = *state;
    struct kit_facts fact = {1, "a", "z", 257 * (uint64_t)MB, 0, 0};
    struct version *version = kit_version(kit, &fact, 1);
    struct pressure pressure;

    kit->options.base_level_size = MB;
    kit->options.level_ratio = 1000; /* so that only L1 owes */
    pressure = pressure_with(kit, version);
    assert_true(pressure.value >= 1);
    assert_string_equal(pressure.cause, "compaction debt");
    assert_false(pressure.by_flush);
    version_unref(version);
    fact.size -= 2 * MB;
    version = kit_version(kit, &fact, 1);
    assert_true(pressure_with(kit, version).value < 1);
    version_unref(version);
}

static void delay_rises_smoothly_from_the_soft_limit(void **state)
{
    struct kit *kit = *state;
    uint64_t before = 0;

    assert_int_equal(pressure_delay_ns(&kit->options, 0.85), 0);
    for (double p = 0.86; p < 1; p += 0.01) {
        uint64_t delay = pressure_delay_ns(&kit->options, p);

        assert_true(delay > before && delay - before < PRESSURE_DELAY_MAX_NS / 4);
        before = delay;
    }
    /* Half way up: a quarter of the longest. */
    assert_in_range(pressure_delay_ns(&kit->options, 0.925), PRESSURE_DELAY_MAX_NS / 4 - 1000,
                    PRESSURE_DELAY_MAX_NS / 4 + 1000);
    assert_int_equal(pressure_delay_ns(&kit->options, 1), PRESSURE_DELAY_MAX_NS);
    assert_int_equal(pressure_delay_ns(&kit->options, 7), PRESSURE_DELAY_MAX_NS);
    kit->options.soft_limit = 1;
    assert_int_equal(pressure_delay_ns(&kit->options, 1), 0);
}

/* Levels of one table each, of any size: whenever a version alone stops commits, a compaction of it is due. */
static void every_stop_has_a_job_that_ends_it(void **state)
{
    struct kit *kit = *state;
    uint64_t random = test_seed();
    size_t stops = 0;

    for (size_t n = test_scaled(3000); n > 0; n--) {
        struct kit_facts facts[40];
        size_t count = 0;
        struct version *version;

        for (uint64_t l0 = test_random(&random) % 30; l0 > 0; l0--)
            facts[count++] = (struct kit_facts){0, "a", "z", 1 + test_random(&random) % MB, 0, 0};
        for (unsigned level = 1; level < LSMKV_LEVELS; level++) {
            if (test_random(&random) % 2)
                facts[count++] = (struct kit_facts){
                    level, "a", "z", 1 + (test_random(&random) >> (24 + test_random(&random) % 20)), 0, 0};
        }
        kit->options.l0_tables = 2 + (uint32_t)(test_random(&random) % 8);
        kit->options.level_ratio = 2 + (uint32_t)(test_random(&random) % 20);
        kit->options.soft_limit = 0.5 + (double)(test_random(&random) % 51) / 100;
        version = kit_version(kit, facts, count);
        if (pressure_with(kit, version).value >= 1) {
            bool due = false;

            stops++;
            for (unsigned level = 0; level < LSMKV_LEVELS; level++)
                due = due || level_due(&kit->options, version, level);
            assert_true(due);
        }
        version_unref(version);
    }
    assert_true(stops > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_idle_store_has_none),
        TEST(immutable_memtables_count_by_their_bytes),
        TEST(l0_stops_at_four_times_its_limit),
        TEST(debt_stops_at_256_times_the_base_level),
        TEST(delay_rises_smoothly_from_the_soft_limit),
        TEST(every_stop_has_a_job_that_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
