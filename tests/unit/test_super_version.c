/*
 * test_super_version.c - the read set: what hides what, sequences, bounds, the overlay, who keeps what alive.
 */
#include "version_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "version/super_version.h"

/* Active: seq 50 and 60; an immutable: 40; L0: 30, 20; L1: 10; L2: 5. */
struct sample {
    struct store_parts parts;
    struct super_version *super_version;
};

static struct version *sample_version(struct store_parts *parts)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct version_edit edit = {NULL, 0, NULL, 5};
    struct version *version = NULL;

    edit.added = calloc(5, sizeof(*edit.added));
    edit.added[0].table = parts_table(parts, 1, 5, "a=2 b=2 c=2 d=2 e=2 f=2 z=2");
    edit.added[0].level = 2;
    edit.added[1].table = parts_table(parts, 2, 10, "b=1 c=1");
    edit.added[1].level = 1;
    edit.added[2].table = parts_table(parts, 3, 10, "m=1 n=1");
    edit.added[2].level = 1;
    edit.added[3].table = parts_table(parts, 4, 20, "c=old d");
    edit.added[3].level = 0;
    edit.added[4].table = parts_table(parts, 5, 30, "c=new");
    edit.added[4].level = 0;
    assert_ok(version_new(&version, NULL, &edit, &err), &err);
    for (size_t i = 0; i < 5; i++)
        table_unref(edit.added[i].table);
    free(edit.added);
    return version;
}

static int setup(void **state)
{
    struct sample *sample = (struct sample *)calloc(1, sizeof(*sample));
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct memtable *active = parts_memtable(9, 50, "e=active");
    struct memtable *immutables[1] = {parts_memtable(8, 40, "e=frozen f")};
    struct version *version;

    memtable_add_words(active, 60, "e=later g=later");
    parts_open(&sample->parts, NULL, NULL);
    version = sample_version(&sample->parts);
    assert_ok(super_version_new(&sample->super_version, active, immutables, 1, version, &err), &err);
    memtable_unref(active);
    memtable_unref(immutables[0]);
    version_unref(version);
    *state = sample;
    return 0;
}

static int teardown(void **state)
{
    struct sample *sample = (struct sample *)*state;

    super_version_unref(sample->super_version);
    parts_close(&sample->parts);
    free(sample);
    return 0;
}

static void assert_gets_at(const struct super_version *super_version, uint64_t sequence, const char *key,
                           const char *value)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    bool found = value == NULL;

    assert_ok(super_version_get(super_version, key_of(key), sequence, &bytes, &found, &err), &err);
    assert_int_equal(found, value != NULL);
    if (value)
        assert_true(slice_equal(slice_of_buf(&bytes), key_of(value)));
    lsmkv_buf_release(&bytes);
    assert_ok(super_version_get(super_version, key_of(key), sequence, NULL, &found, &err), &err);
    assert_int_equal(found, value != NULL);
}

static void super_version_get_sees_the_newest_of_all_places(void **state)
{
    const struct super_version *super_version = ((struct sample *)*state)->super_version;

    assert_gets_at(super_version, SEQUENCE_MAX, "e", "later");
    assert_gets_at(super_version, SEQUENCE_MAX, "g", "later");
    assert_gets_at(super_version, SEQUENCE_MAX, "f", NULL); /* a tombstone in memory hides L2 */
    assert_gets_at(super_version, SEQUENCE_MAX, "c", "new");
    assert_gets_at(super_version, SEQUENCE_MAX, "d", NULL); /* a tombstone in L0 hides L2 */
    assert_gets_at(super_version, SEQUENCE_MAX, "b", "1");
    assert_gets_at(super_version, SEQUENCE_MAX, "a", "2");
    assert_gets_at(super_version, SEQUENCE_MAX, "n", "1");
    assert_gets_at(super_version, SEQUENCE_MAX, "nothing", NULL);
}

static void super_version_get_stops_at_the_sequence(void **state)
{
    const struct super_version *super_version = ((struct sample *)*state)->super_version;

    assert_gets_at(super_version, 59, "e", "active");
    assert_gets_at(super_version, 49, "e", "frozen");
    assert_gets_at(super_version, 39, "e", "2");
    assert_gets_at(super_version, 39, "f", "2");
    assert_gets_at(super_version, 59, "g", NULL);
}

static struct iter *iterate(struct super_version *super_version, uint64_t sequence, struct iter *overlay,
                            const char *lower, const char *upper)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_slice none = slice_of(NULL, 0);
    struct iter *it = NULL;

    assert_ok(super_version_iter_new(&it, super_version, sequence, overlay, lower ? key_of(lower) : none,
                                     upper ? key_of(upper) : none, &err),
              &err);
    return it;
}

static void super_version_iterates_over_everything_once(void **state)
{
    struct super_version *super_version = ((struct sample *)*state)->super_version;
    struct iter *it = iterate(super_version, SEQUENCE_MAX, NULL, NULL, NULL);

    assert_string_equal(iter_words(it, false), "a=2 b=1 c=new d e=later f g=later m=1 n=1 z=2");
    assert_string_equal(iter_words(it, true), "z=2 n=1 m=1 g=later f e=later d c=new b=1 a=2");
    iter_free(it);
    it = iterate(super_version, 49, NULL, NULL, NULL);
    assert_string_equal(iter_words(it, false), "a=2 b=1 c=new d e=frozen f m=1 n=1 z=2");
    iter_free(it);
}

static void super_version_overlay_goes_before_all(void **state)
{
    struct super_version *super_version = ((struct sample *)*state)->super_version;
    struct memtable *own = parts_memtable(0, 1, "a=own b e=own zz=own");
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct iter *overlay = NULL;
    struct iter *it;

    assert_ok(memtable_iter_new(&overlay, own, SEQUENCE_MAX, &err), &err);
    memtable_unref(own);
    it = iterate(super_version, SEQUENCE_MAX, overlay, NULL, NULL);
    assert_string_equal(iter_words(it, false), "a=own b c=new d e=own f g=later m=1 n=1 z=2 zz=own");
    iter_free(it);
}

/* Bounds leave tables out; what is left in may lie outside of them, but nothing inside is missing. */
static void super_version_bounds_leave_out_no_key_inside(void **state)
{
    static const char *const keys[] = {"", "a", "b", "bb", "c", "d", "e", "f", "g", "m", "mm", "n", "nn", "z", "zz"};
    struct super_version *super_version = ((struct sample *)*state)->super_version;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    size_t count = sizeof(keys) / sizeof(*keys);

    for (size_t low = 0; low < count; low++) {
        for (size_t high = low; high < count; high++) {
            struct iter *all = iterate(super_version, SEQUENCE_MAX, NULL, NULL, NULL);
            struct iter *some = iterate(super_version, SEQUENCE_MAX, NULL, keys[low], keys[high]);

            assert_ok(iter_seek(all, key_of(keys[low]), &err), &err);
            assert_ok(iter_seek(some, key_of(keys[low]), &err), &err);
            while (iter_valid(all) && slice_compare(iter_entry(all)->key, key_of(keys[high])) < 0) {
                assert_true(iter_valid(some));
                assert_true(slice_equal(iter_entry(all)->key, iter_entry(some)->key));
                assert_true(slice_equal(iter_entry(all)->value, iter_entry(some)->value));
                assert_ok(iter_next(all, &err), &err);
                assert_ok(iter_next(some, &err), &err);
            }
            iter_free(all);
            iter_free(some);
        }
    }
}

static void super_version_bounds_open_no_table_that_misses_them(void **state)
{
    struct sample *sample = (struct sample *)*state;
    struct iter *it = iterate(sample->super_version, SEQUENCE_MAX, NULL, "m", "n");

    assert_string_equal(iter_words(it, false), "a=2 b=2 c=2 d=2 e=later f g=later m=1 n=1 z=2");
    assert_true(table_loaded(sample->super_version->version->levels[1].tables[1]));
    assert_false(table_loaded(sample->super_version->version->levels[1].tables[0]));
    assert_false(table_loaded(sample->super_version->version->levels[0].tables[0]));
    iter_free(it);
}

static void super_version_lives_as_long_as_its_iterators(void **state)
{
    struct sample *sample = (struct sample *)*state;
    struct iter *it = iterate(sample->super_version, SEQUENCE_MAX, NULL, NULL, NULL);

    super_version_unref(sample->super_version);
    sample->super_version = NULL;
    assert_string_equal(iter_words(it, false), "a=2 b=1 c=new d e=later f g=later m=1 n=1 z=2");
    iter_free(it);
}

static void super_version_may_have_no_memtable_and_no_tables(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct super_version *empty = NULL;
    struct version *version = NULL;
    struct iter *it;

    (void)state;
    assert_ok(version_new(&version, NULL, NULL, &err), &err);
    assert_ok(super_version_new(&empty, NULL, NULL, 0, version, &err), &err);
    version_unref(version);
    assert_gets_at(empty, SEQUENCE_MAX, "a", NULL);
    it = iterate(empty, SEQUENCE_MAX, NULL, NULL, NULL);
    assert_string_equal(iter_words(it, false), "");
    iter_free(it);
    super_version_unref(empty);
}

static void super_version_survives_every_failed_allocation(void **state)
{
    struct sample *sample = (struct sample *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_NOMEM;

    for (uint64_t nth = 1; status; nth++) {
        const struct super_version *from = sample->super_version;
        struct super_version *made = NULL;
        struct iter *overlay = NULL;
        struct iter *it = NULL;

        assert_ok(memtable_iter_new(&overlay, from->active, SEQUENCE_MAX, &err), &err);
        lsm_alloc_fail_at(nth, false);
        status = super_version_new(&made, from->active, from->immutables, 1, from->version, &err);
        if (status)
            iter_free(overlay);
        else
            status =
                super_version_iter_new(&it, made, SEQUENCE_MAX, overlay, slice_of(NULL, 0), slice_of(NULL, 0), &err);
        if (!status)
            status = iter_first(it, &err);
        lsm_alloc_fail_at(0, false);
        if (status)
            assert_status(status, LSMKV_NOMEM, &err);
        iter_free(it);
        super_version_unref(made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(super_version_get_sees_the_newest_of_all_places, setup, teardown),
        cmocka_unit_test_setup_teardown(super_version_get_stops_at_the_sequence, setup, teardown),
        cmocka_unit_test_setup_teardown(super_version_iterates_over_everything_once, setup, teardown),
        cmocka_unit_test_setup_teardown(super_version_overlay_goes_before_all, setup, teardown),
        cmocka_unit_test_setup_teardown(super_version_bounds_leave_out_no_key_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(super_version_bounds_open_no_table_that_misses_them, setup, teardown),
        cmocka_unit_test_setup_teardown(super_version_lives_as_long_as_its_iterators, setup, teardown),
        cmocka_unit_test(super_version_may_have_no_memtable_and_no_tables),
        cmocka_unit_test_setup_teardown(super_version_survives_every_failed_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
