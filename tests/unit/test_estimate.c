/*
 * test_estimate.c - how far estimates of key ranges are from the truth: in a memtable, in tables that are open and in
 * tables that are not.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "support/store_kit.h"

#define ROWS   20000
#define RANGES 400

struct fixture {
    struct db db;
    uint64_t random;
};

static void set_up(struct fixture *f)
{
    f->random = test_seed();
    db_init(&f->db, NULL, test_dir());
    f->db.options.memtable_size = UINT64_C(64) << 20;
    db_open(&f->db);
}

static uint64_t estimate(struct fixture *f, unsigned from, unsigned to)
{
    char lower[16], upper[16];
    uint64_t entries, bytes;

    snprintf(lower, sizeof(lower), "k%06u", from);
    snprintf(upper, sizeof(upper), "k%06u", to);
    lsmkv_estimate(f->db.store, text(lower), text(upper), &entries, &bytes);
    return entries;
}

/* Random ranges of 1 to all rows: off by at most `rows`, and `share` of the truth. */
static void check_ranges(struct fixture *f, unsigned stride, double rows, double share)
{
    unsigned i;

    for (i = 0; i < RANGES; i++) {
        unsigned width = 1 + (unsigned)(test_random(&f->random) % (UINT64_C(1) << (1 + i % 14)));
        unsigned from = (unsigned)(test_random(&f->random) % ROWS);
        unsigned to = from + width < ROWS ? from + width : ROWS;
        double truth = (double)(to - from), found = (double)estimate(f, from * stride, to * stride);
        double off = found > truth ? found - truth : truth - found;

        if (off > rows + share * truth)
            fail_msg("%u to %u: estimated %.0f of %.0f", from, to, found, truth);
    }
}

static void fill(struct fixture *f)
{
    db_fill(&f->db, "k", 0, ROWS / 2, "value");
    db_fill(&f->db, "k", ROWS / 2, ROWS, "value");
}

/* A level speaks with 64 nodes or more: six standard deviations are less than 1.0 of the truth. */
static void memtable_is_estimated_by_its_levels(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f);
    check_ranges(&f, 1, 0, 1.0);
    assert_int_equal(estimate(&f, 100, 130), 30); /* few are counted */
    assert_int_equal(estimate(&f, 0, 999999), ROWS);
    db_end(&f.db);
}

static void open_table_is_estimated_by_its_blocks(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f);
    db_flush(&f.db);
    db_expect(&f.db, "k000005", "value"); /* opens it */
    check_ranges(&f, 1, 5, 0.1);
    db_end(&f.db);
}

static void closed_table_is_estimated_by_its_bounds(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f);
    db_flush(&f.db);
    db_reopen(&f.db);
    check_ranges(&f, 1, 5, 0.1);
    assert_int_equal(db_stat(&f.db, "table_opens"), 0);
    db_end(&f.db);
}

static void ranges_beside_the_rows_hold_none(void **state)
{
    struct fixture f;
    uint64_t entries, bytes;

    (void)state;
    set_up(&f);
    fill(&f);
    db_flush(&f.db);
    db_put(&f.db, "k000003", "again");
    lsmkv_estimate(f.db.store, text("l"), text("m"), &entries, &bytes);
    assert_int_equal(entries, 0);
    lsmkv_estimate(f.db.store, text("a"), text("k"), &entries, &bytes);
    assert_int_equal(entries, 0);
    lsmkv_estimate(f.db.store, text("k"), text("l"), &entries, &bytes);
    assert_int_equal(entries, ROWS + 1);
    db_end(&f.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memtable_is_estimated_by_its_levels),
        cmocka_unit_test(open_table_is_estimated_by_its_blocks),
        cmocka_unit_test(closed_table_is_estimated_by_its_bounds),
        cmocka_unit_test(ranges_beside_the_rows_hold_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
