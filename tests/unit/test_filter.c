/*
 * test_filter.c - the blocked Bloom filter: never a wrong no, seldom a wrong yes.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "sstable/filter.h"

static struct lsmkv_error err;

static uint64_t hash_of(uint64_t number)
{
    return hash64(slice_of(&number, sizeof(number)));
}

/* A filter over the numbers 0 to count - 1. */
static struct filter make_filter(size_t count, uint32_t bits)
{
    struct lsmkv_buf payload = LSMKV_BUF_INIT;
    struct filter filter = {NULL, 0, 0};
    uint64_t *hashes = calloc(count + 1, sizeof(*hashes));

    assert_non_null(hashes);
    for (size_t i = 0; i < count; i++)
        hashes[i] = hash_of(i);
    assert_ok(filter_build(&payload, hashes, count, bits, &err), &err);
    assert_ok(filter_init(&filter, slice_of_buf(&payload), "path", &err), &err);
    lsmkv_buf_release(&payload);
    free(hashes);
    return filter;
}

static double false_positives(const struct filter *filter, size_t first, size_t probes)
{
    size_t hits = 0;

    for (size_t i = 0; i < probes; i++)
        hits += filter_may_hold(filter, hash_of(first + i));
    return (double)hits / (double)probes;
}

static void filter_has_no_false_negatives(void **state)
{
    static const size_t counts[] = {1, 2, 51, 52, 1000, 20000};
    static const uint32_t bits[] = {1, 5, 10, 20, 64};

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        for (size_t b = 0; b < sizeof(bits) / sizeof(bits[0]); b++) {
            struct filter filter = make_filter(counts[c], bits[b]);

            for (size_t i = 0; i < counts[c]; i++)
                assert_true(filter_may_hold(&filter, hash_of(i)));
            filter_release(&filter);
        }
    }
}

/* The keys are fixed, so the rate is too: no run can miss the bounds by chance. */
static void ten_bits_give_one_percent_false_positives(void **state)
{
    struct filter filter = make_filter(100000, 10);
    double rate = false_positives(&filter, 1000000, 200000);

    (void)state;
    assert_true(rate > 0.005 && rate < 0.0125);
    assert_int_equal(filter_bytes(&filter), 1954 * 64); /* 100000 * 10 bits in lines of 512, the last one filled up */
    filter_release(&filter);
}

static void more_bits_give_fewer_false_positives(void **state)
{
    double before = 1;

    (void)state;
    for (uint32_t bits = 4; bits <= 16; bits += 4) {
        struct filter filter = make_filter(20000, bits);
        double rate = false_positives(&filter, 1000000, 50000);

        assert_true(rate < before / 2);
        before = rate;
        filter_release(&filter);
    }
}

static void no_filter_holds_everything(void **state)
{
    struct filter none = {NULL, 0, 0};

    (void)state;
    assert_true(filter_may_hold(&none, 0));
    assert_true(filter_may_hold(&none, UINT64_MAX));
    assert_int_equal(filter_bytes(&none), 0);
    filter_release(&none);
}

static void filter_rejects_what_is_none(void **state)
{
    static const struct {
        size_t size;
        uint8_t last;
    } bad[] = {{0, 0}, {1, 6}, {64, 6}, {66, 6}, {65, 0}, {65, FILTER_PROBES_MAX + 1}};
    uint8_t bytes[66];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct filter filter = {NULL, 0, 0};

        memset(bytes, bad[i].last, sizeof(bytes));
        assert_fails(filter_init(&filter, slice_of(bytes, bad[i].size), "some/path", &err), LSMKV_CORRUPT, &err,
                     "some/path: bad filter");
        assert_null(filter.lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_has_no_false_negatives),
        cmocka_unit_test(ten_bits_give_one_percent_false_positives),
        cmocka_unit_test(more_bits_give_fewer_false_positives),
        cmocka_unit_test(no_filter_holds_everything),
        cmocka_unit_test(filter_rejects_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
