/*
 * test_read_set.c - the read set against a bitmap of a small key space, and what it does when it grows or has no memory.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "support/store_kit.h"
#include "txn/read_set.h"

static struct lsmkv_error err;

static struct read_set *new_set(void)
{
    struct read_set *set = NULL;

    assert_ok(read_set_new(&set, &err), &err);
    return set;
}

static bool contains(struct read_set *set, const char *key)
{
    read_set_seal(set);
    return read_set_contains(set, text(key));
}

/* ---- Single facts ---- */

static void empty_set_contains_nothing(void **state)
{
    struct read_set *set = new_set();

    (void)state;
    assert_true(read_set_empty(set));
    assert_false(contains(set, ""));
    assert_false(contains(set, "a"));
    read_set_free(set);
}

static void key_is_itself_only(void **state)
{
    struct read_set *set = new_set();

    (void)state;
    read_set_add_key(set, text("b"));
    read_set_add_key(set, text("b"));
    assert_false(read_set_empty(set));
    assert_true(contains(set, "b"));
    assert_false(contains(set, "a"));
    assert_false(contains(set, "ba"));
    assert_false(read_set_contains(set, (struct lsmkv_slice){(const uint8_t *)"b", 2})); /* b and a zero byte */
    read_set_add_key(set, text(""));
    assert_true(contains(set, ""));
    assert_false(read_set_contains(set, (struct lsmkv_slice){(const uint8_t *)"", 1}));
    read_set_free(set);
}

static void bounds_are_as_they_say(void **state)
{
    struct read_set *set = new_set();

    (void)state;
    read_set_add_range(set, text("b"), text("d"));
    read_set_add_through(set, text("f"), text("h"));
    read_set_add_range(set, text("x"), unbounded);
    read_set_add_range(set, text("k"), text("k")); /* empty */
    read_set_add_range(set, text("m"), text("l"));
    read_set_add_through(set, text("m"), text("l"));
    assert_false(contains(set, "a"));
    assert_true(contains(set, "b"));
    assert_true(contains(set, "czzz"));
    assert_false(contains(set, "d"));
    assert_true(contains(set, "f"));
    assert_true(contains(set, "h"));
    assert_false(contains(set, "h0"));
    assert_false(contains(set, "k"));
    assert_false(contains(set, "l"));
    assert_false(contains(set, "m"));
    assert_false(contains(set, "w"));
    assert_true(contains(set, "zzz"));
    read_set_add_range(set, unbounded, text("b"));
    assert_true(contains(set, ""));
    assert_true(contains(set, "a"));
    read_set_free(set);
}

/* Both bounds may be parts of one string. */
static void bounds_may_share_their_bytes(void **state)
{
    struct read_set *set = new_set();
    struct lsmkv_slice lower = text("abc"), upper = text("abcdef");

    (void)state;
    upper.data = lower.data;
    upper.size = 2;
    lower.size = 1;
    read_set_add_range(set, lower, upper);
    assert_true(contains(set, "a"));
    assert_true(contains(set, "aa"));
    assert_false(contains(set, "ab"));
    read_set_free(set);
}

/* ---- What is visited ---- */

static enum lsmkv_status note(void *context, struct lsmkv_slice lower, struct lsmkv_slice upper, bool key,
                              struct lsmkv_error *unused)
{
    char *line = context;
    size_t used = strlen(line);

    (void)unused;
    snprintf(line + used, 256 - used, key ? "%.*s " : "%.*s-%.*s ", (int)lower.size,
             lower.data ? (const char *)lower.data : "", (int)upper.size, upper.data ? (const char *)upper.data : "");
    return LSMKV_OK;
}

static void each_visits_disjoint_ranges_in_order(void **state)
{
    struct read_set *set = new_set();
    char line[256] = "";

    (void)state;
    read_set_add_range(set, text("p"), unbounded);
    read_set_add_key(set, text("k"));
    read_set_add_key(set, text("a"));
    read_set_add_range(set, text("c"), text("e"));
    read_set_add_range(set, text("d"), text("g"));
    read_set_add_range(set, text("g"), text("h"));
    read_set_add_key(set, text("d"));
    read_set_add_key(set, text("q"));
    read_set_seal(set);
    assert_ok(read_set_each(set, note, line, &err), &err);
    assert_string_equal(line, "a c-h k p- ");
    read_set_add_everything(set);
    assert_false(read_set_sealed(set));
    read_set_seal(set);
    line[0] = '\0';
    assert_ok(read_set_each(set, note, line, &err), &err);
    assert_string_equal(line, "- ");
    read_set_free(set);
}

/* ---- Random, against a bitmap: keys are two bytes, 16 letters each, and what lies between is not asked for ---- */

#define LETTERS 16
#define SPACE   (LETTERS * LETTERS)

static struct lsmkv_slice small_key(unsigned number, uint8_t bytes[2])
{
    bytes[0] = (uint8_t)('a' + number / LETTERS);
    bytes[1] = (uint8_t)('a' + number % LETTERS);
    return slice_of(bytes, 2);
}

static void add_random(struct read_set *set, bool model[SPACE], uint64_t *random)
{
    unsigned from = (unsigned)(test_random(random) % SPACE), to = (unsigned)(test_random(random) % SPACE);
    unsigned kind = (unsigned)(test_random(random) % 8);
    uint8_t lower[2], upper[2];

    if (kind < 4) {
        read_set_add_key(set, small_key(from, lower));
        to = from + 1;
    } else if (kind < 6) {
        read_set_add_range(set, small_key(from, lower), small_key(to, upper));
    } else if (kind == 6) {
        read_set_add_through(set, small_key(from, lower), small_key(to, upper));
        to++;
    } else if (test_random(random) % 16 == 0) {
        read_set_add_range(set, small_key(from, lower), unbounded);
        to = SPACE;
    } else {
        to = from;
    }
    for (unsigned i = from; i < to; i++)
        model[i] = true;
}

static void random_sets_are_those_of_a_bitmap(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (size_t round = 0; round < test_scaled(2000); round++) {
        struct read_set *set = new_set();
        bool model[SPACE] = {false};

        for (unsigned step = 0; step < 12; step++) {
            uint8_t bytes[2];

            add_random(set, model, &random);
            if (test_random(&random) % 3)
                continue;
            read_set_seal(set);
            for (unsigned i = 0; i < SPACE; i++)
                assert_int_equal(read_set_contains(set, small_key(i, bytes)), model[i]);
        }
        read_set_free(set);
    }
}

/* ---- Growth ---- */

static struct lsmkv_slice wide_key(unsigned keyspace, unsigned number, uint8_t bytes[12])
{
    memset(bytes, 0, 12);
    bytes[3] = (uint8_t)keyspace;
    for (unsigned i = 0; i < 4; i++)
        bytes[4 + i] = (uint8_t)(number >> (24 - 8 * i));
    return slice_of(bytes, 12);
}

static enum lsmkv_status count_entry(void *context, struct lsmkv_slice lower, struct lsmkv_slice upper, bool key,
                                     struct lsmkv_error *unused)
{
    (void)lower;
    (void)upper;
    (void)key;
    (void)unused;
    ++*(size_t *)context;
    return LSMKV_OK;
}

/* Neighbours of one keyspace become ranges; what is between keyspaces stays free. */
static void many_keys_become_ranges_and_none_is_lost(void **state)
{
    struct read_set *set = new_set();
    uint64_t random = test_seed();
    uint64_t again = random;
    size_t entries = 0;
    uint8_t bytes[12];

    (void)state;
    for (unsigned i = 0; i < 100000; i++)
        read_set_add_key(set, wide_key(1 + 2 * (i & 1), (unsigned)test_random(&random), bytes));
    read_set_seal(set);
    for (unsigned i = 0; i < 100000; i++)
        assert_true(read_set_contains(set, wide_key(1 + 2 * (i & 1), (unsigned)test_random(&again), bytes)));
    for (unsigned i = 0; i < 1000; i++) {
        assert_false(read_set_contains(set, wide_key(0, (unsigned)test_random(&random), bytes)));
        assert_false(read_set_contains(set, wide_key(2, (unsigned)test_random(&random), bytes)));
        assert_false(read_set_contains(set, wide_key(4, (unsigned)test_random(&random), bytes)));
    }
    assert_ok(read_set_each(set, count_entry, &entries, &err), &err);
    assert_in_range(entries, 1, READ_SET_MAX);
    assert_true(read_set_bytes(set) < 4 << 20);
    read_set_free(set);
}

static void keys_in_order_of_many_keyspaces_are_kept_within_the_limit(void **state)
{
    struct read_set *set = new_set();
    size_t entries = 0;

    (void)state;
    for (unsigned i = 0; i < 3 * READ_SET_MAX; i++) {
        uint8_t bytes[8] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

        read_set_add_key(set, slice_of(bytes, sizeof(bytes)));
        assert_false(read_set_sealed(set)); /* however it is kept small */
    }
    read_set_seal(set);
    for (unsigned i = 0; i < 3 * READ_SET_MAX; i++) {
        uint8_t bytes[8] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

        assert_true(read_set_contains(set, slice_of(bytes, sizeof(bytes))));
    }
    assert_ok(read_set_each(set, count_entry, &entries, &err), &err);
    assert_in_range(entries, 1, READ_SET_MAX);
    read_set_free(set);
}

static void long_keys_do_not_fill_the_memory(void **state)
{
    static uint8_t key[1 << 20];
    struct read_set *set = new_set();

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        key[0] = (uint8_t)(i * 37);
        read_set_add_key(set, slice_of(key, sizeof(key)));
        assert_true(read_set_bytes(set) < 3 * READ_SET_BYTES_MAX);
    }
    read_set_seal(set);
    for (unsigned i = 0; i < 100; i++) {
        key[0] = (uint8_t)(i * 37);
        assert_true(read_set_contains(set, slice_of(key, sizeof(key))));
    }
    read_set_free(set);
}

static void without_memory_it_is_everything(void **state)
{
    struct read_set *set = new_set();

    (void)state;
    read_set_add_key(set, text("a"));
    lsm_alloc_fail_at(1, true);
    for (unsigned i = 0; i < 10000; i++) {
        uint8_t bytes[12];

        read_set_add_key(set, wide_key(7, i, bytes));
    }
    lsm_alloc_fail_at(0, false);
    assert_true(read_set_everything(set));
    assert_false(read_set_empty(set));
    assert_false(read_set_sealed(set)); /* so that what was validated before is validated again */
    assert_true(contains(set, "zzz"));
    read_set_add_key(set, text("a"));
    assert_true(contains(set, ""));
    read_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_set_contains_nothing),
        cmocka_unit_test(key_is_itself_only),
        cmocka_unit_test(bounds_are_as_they_say),
        cmocka_unit_test(bounds_may_share_their_bytes),
        cmocka_unit_test(each_visits_disjoint_ranges_in_order),
        cmocka_unit_test(random_sets_are_those_of_a_bitmap),
        cmocka_unit_test(many_keys_become_ranges_and_none_is_lost),
        cmocka_unit_test(keys_in_order_of_many_keyspaces_are_kept_within_the_limit),
        cmocka_unit_test(long_keys_do_not_fill_the_memory),
        cmocka_unit_test(without_memory_it_is_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
