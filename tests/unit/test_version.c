/*
 * test_version.c - versions: order of levels, edits, point reads, and the iterator over a level.
 */
#include "version_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "version/version.h"

static int setup(void **state)
{
    struct store_parts *parts = (struct store_parts *)calloc(1, sizeof(*parts));

    parts_open(parts, NULL, NULL);
    *state = parts;
    return 0;
}

static int teardown(void **state)
{
    parts_close((struct store_parts *)*state);
    free(*state);
    return 0;
}

/* A version of `base` with one table more in `level`. Both are released. */
static struct version *version_with(struct version *base, unsigned level, struct table *table)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct version_edit edit = {NULL, 0, NULL, 0};
    struct version *made = NULL;

    edit.added = calloc(1, sizeof(*edit.added));
    edit.added[0].level = level;
    edit.added[0].table = table;
    edit.added_count = 1;
    assert_ok(version_new(&made, base, &edit, &err), &err);
    version_unref(base);
    table_unref(table);
    free(edit.added);
    return made;
}

static void assert_numbers(const struct version *version, unsigned level, const char *numbers)
{
    char found[256] = "";

    for (size_t i = 0; i < version->levels[level].count; i++)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%d", i ? " " : "",
                 (int)table_info(version->levels[level].tables[i])->number);
    assert_string_equal(found, numbers);
}

static void version_orders_level_0_by_sequence_and_the_others_by_key(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct version *version = NULL;

    version = version_with(version, 0, parts_table(parts, 1, 20, "a=1"));
    version = version_with(version, 0, parts_table(parts, 2, 30, "a=2"));
    version = version_with(version, 0, parts_table(parts, 3, 10, "a=3"));
    version = version_with(version, 2, parts_table(parts, 4, 9, "m=1 n=1"));
    version = version_with(version, 2, parts_table(parts, 5, 8, "x=1"));
    version = version_with(version, 2, parts_table(parts, 6, 7, "b=1 c=1"));
    assert_numbers(version, 0, "2 1 3");
    assert_numbers(version, 2, "6 4 5");
    assert_int_equal(version->levels[2].bytes, table_info(version->levels[2].tables[0])->size +
                                                   table_info(version->levels[2].tables[1])->size +
                                                   table_info(version->levels[2].tables[2])->size);
    version_unref(version);
}

static void version_edit_takes_and_adds_and_leaves_the_base_alone(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct version *base = version_with(NULL, 0, parts_table(parts, 1, 20, "a=1"));
    struct version *next = NULL;
    struct table *removed[2];
    struct version_edit edit = {removed, 2, NULL, 0};

    base = version_with(base, 0, parts_table(parts, 2, 30, "b=1"));
    base = version_with(base, 1, parts_table(parts, 3, 10, "a=0"));
    removed[0] = base->levels[0].tables[0];
    removed[1] = base->levels[1].tables[0];
    edit.added = calloc(1, sizeof(*edit.added));
    edit.added[0].level = 1; /* a trivial move: it leaves L0 and comes to L1 */
    edit.added[0].table = removed[0];
    edit.added_count = 1;
    assert_ok(version_new(&next, base, &edit, &err), &err);
    assert_numbers(next, 0, "1");
    assert_numbers(next, 1, "2");
    assert_numbers(base, 0, "2 1");
    assert_numbers(base, 1, "3");
    version_unref(base);
    assert_numbers(next, 1, "2");
    version_unref(next);
    free(edit.added);
}

static void version_refuses_an_overlap_and_a_table_that_is_not_there(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct version *base = version_with(NULL, 1, parts_table(parts, 1, 20, "a=1 m=1"));
    struct table *other = parts_table(parts, 2, 30, "m=2 z=2");
    struct version *next = NULL;
    struct version_edit add = {NULL, 0, NULL, 1};
    struct version_edit remove = {&other, 1, NULL, 0};

    add.added = calloc(1, sizeof(*add.added));
    add.added[0].level = 1;
    add.added[0].table = other;
    assert_fails(version_new(&next, base, &add, &err), LSMKV_INVALID, &err, "overlap");
    assert_null(next);
    assert_fails(version_new(&next, base, &remove, &err), LSMKV_INVALID, &err, "not in the version");
    assert_null(next);
    free(add.added);
    table_unref(other);
    version_unref(base);
}

static void assert_version_gets(const struct version *version, const char *key, const char *value)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    enum entry_kind kind = ENTRY_PUT;
    bool found = true;

    assert_ok(version_get(version, key_of(key), &bytes, &kind, &found, &err), &err);
    assert_int_equal(found, value != NULL);
    if (value && *value) {
        assert_int_equal(kind, ENTRY_PUT);
        assert_true(slice_equal(slice_of_buf(&bytes), key_of(value)));
    } else if (value) {
        assert_int_equal(kind, ENTRY_DELETE);
    }
    lsmkv_buf_release(&bytes);
}

static void version_get_prefers_the_newer_place(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct version *version = NULL;

    version = version_with(version, 6, parts_table(parts, 1, 1, "a=old b=old c=old d=old e=old"));
    version = version_with(version, 1, parts_table(parts, 2, 2, "b=one c=one d=one"));
    version = version_with(version, 1, parts_table(parts, 3, 2, "x=one"));
    version = version_with(version, 0, parts_table(parts, 4, 3, "c=zero d"));
    version = version_with(version, 0, parts_table(parts, 5, 4, "a d=back"));
    assert_version_gets(version, "a", "");
    assert_version_gets(version, "b", "one");
    assert_version_gets(version, "c", "zero");
    assert_version_gets(version, "d", "back");
    assert_version_gets(version, "e", "old");
    assert_version_gets(version, "x", "one");
    assert_version_gets(version, "aa", NULL);
    assert_version_gets(version, "y", NULL);
    version_unref(version);
}

/* A level of tables that hold every third key from 1: "01 04 07", "10 13 16", ... */
static struct version *spread_level(struct store_parts *parts, unsigned level)
{
    struct version *version = NULL;

    for (int i = 0; i < 8; i++) {
        char words[64];

        snprintf(words, sizeof(words), "%02d=%d %02d=%d %02d", 9 * i + 1, i, 9 * i + 4, i, 9 * i + 7);
        version = version_with(version, level, parts_table(parts, (uint64_t)i + 1, 5, words));
    }
    return version;
}

static void level_find_gives_the_first_table_that_reaches_the_key(void **state)
{
    struct version *version = spread_level((struct store_parts *)*state, 3);
    char key[12];

    for (int number = 0; number < 90; number++) {
        size_t expected = 0;

        while (expected < 8 && 9 * (int)expected + 7 < number)
            expected++;
        snprintf(key, sizeof(key), "%02d", number);
        assert_int_equal(level_find(&version->levels[3], key_of(key)), expected);
    }
    assert_int_equal(level_find(&version->levels[4], key_of("a")), 0);
    version_unref(version);
}

static void version_may_hold_below_looks_at_bounds_from_that_level_down(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct version *version = version_with(NULL, 0, parts_table(parts, 1, 9, "a=1 c=1"));

    version = version_with(version, 3, parts_table(parts, 2, 5, "f=1 h=1"));
    version = version_with(version, 3, parts_table(parts, 3, 5, "k=1"));
    assert_true(version_may_hold_below(version, 0, key_of("b")));
    assert_false(version_may_hold_below(version, 1, key_of("b")));
    assert_true(version_may_hold_below(version, 3, key_of("g")));
    assert_true(version_may_hold_below(version, 1, key_of("k")));
    assert_false(version_may_hold_below(version, 1, key_of("i")));
    assert_false(version_may_hold_below(version, 4, key_of("g")));
    assert_false(version_may_hold_below(version, LSMKV_LEVELS, key_of("g")));
    version_unref(version);
}

/* ---- The iterator over a level ---- */

#define SPREAD_END 73 /* keys of spread_level() are 1, 4, ... 70 */

static int round_up(int number)
{
    number = number < 1 ? 1 : number;
    return number + (3 - (number - 1) % 3) % 3;
}

static void assert_at(const struct iter *it, int number)
{
    char key[12];

    assert_int_equal(iter_valid(it), number >= 1 && number < SPREAD_END);
    if (!iter_valid(it))
        return;
    snprintf(key, sizeof(key), "%02d", number);
    assert_true(slice_equal(iter_entry(it)->key, key_of(key)));
    assert_int_equal(iter_entry(it)->kind, number % 9 == 7 ? ENTRY_DELETE : ENTRY_PUT);
}

static void level_iter_agrees_with_the_model(void **state)
{
    struct version *version = spread_level((struct store_parts *)*state, 2);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint64_t random = test_seed();
    struct iter *it = NULL;
    int at = 0;

    assert_ok(level_iter_new(&it, version->levels[2].tables, 8, false, &err), &err);
    version_unref(version); /* it has references of its own */
    for (size_t i = 0; i < test_scaled(20000); i++) {
        int target = (int)(test_random(&random) % 80);
        unsigned move = (unsigned)(test_random(&random) % (iter_valid(it) ? 12 : 4));
        char key[12];

        snprintf(key, sizeof(key), "%02d", target);
        if (move == 0) {
            assert_ok(iter_first(it, &err), &err);
            at = 1;
        } else if (move == 1) {
            assert_ok(iter_last(it, &err), &err);
            at = SPREAD_END - 3;
        } else if (move == 2) {
            assert_ok(iter_seek(it, key_of(key), &err), &err);
            at = round_up(target);
        } else if (move == 3) {
            assert_ok(iter_seek_for_prev(it, key_of(key), &err), &err);
            at = target >= SPREAD_END ? SPREAD_END - 3 : round_up(target) > target ? round_up(target) - 3 : target;
        } else if (move < 8) {
            assert_ok(iter_next(it, &err), &err);
            at += 3;
        } else {
            assert_ok(iter_prev(it, &err), &err);
            at -= 3;
        }
        assert_at(it, at);
    }
    iter_free(it);
}

static void level_iter_opens_tables_as_it_reaches_them(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct version *version = spread_level(parts, 2);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct iter *it = NULL;

    assert_ok(level_iter_new(&it, version->levels[2].tables, 8, false, &err), &err);
    assert_int_equal(counter_get(&parts->counters, table_opens), 0);
    assert_ok(iter_seek(it, key_of("40"), &err), &err);
    assert_at(it, 40);
    assert_int_equal(counter_get(&parts->counters, table_opens), 1);
    assert_true(table_loaded(version->levels[2].tables[4]));
    assert_false(table_loaded(version->levels[2].tables[3]));
    iter_free(it);
    version_unref(version);
}

static void level_iter_reports_a_table_that_is_gone_and_goes_on_elsewhere(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct version *version = spread_level(parts, 2);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct iter *it = NULL;
    enum lsmkv_status status;

    assert_ok(os_fs_remove(parts->fs, STORE_DIR "/sst/000003.sst", &err), &err);
    assert_ok(level_iter_new(&it, version->levels[2].tables, 8, false, &err), &err);
    assert_ok(iter_seek(it, key_of("16"), &err), &err);
    assert_at(it, 16);
    status = iter_next(it, &err);
    assert_true(status != LSMKV_OK);
    assert_false(iter_valid(it));
    assert_ok(iter_seek(it, key_of("30"), &err), &err);
    assert_at(it, 31);
    assert_ok(iter_first(it, &err), &err);
    assert_at(it, 1);
    iter_free(it);
    version_unref(version);
}

static void version_survives_every_failed_allocation(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct version *base = spread_level(parts, 2);
    struct table *table = parts_table(parts, 20, 9, "zz=1");
    struct version_edit edit = {NULL, 0, NULL, 1};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_NOMEM;

    edit.added = calloc(1, sizeof(*edit.added));
    edit.added[0].level = 2;
    edit.added[0].table = table;
    for (uint64_t nth = 1; status; nth++) {
        struct version *next = NULL;
        struct iter *it = NULL;

        lsm_alloc_fail_at(nth, false);
        status = version_new(&next, base, &edit, &err);
        if (!status)
            status = level_iter_new(&it, next->levels[2].tables, next->levels[2].count, true, &err);
        if (!status)
            status = iter_first(it, &err);
        lsm_alloc_fail_at(0, false);
        if (status)
            assert_status(status, LSMKV_NOMEM, &err);
        iter_free(it);
        version_unref(next);
    }
    free(edit.added);
    table_unref(table);
    version_unref(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_orders_level_0_by_sequence_and_the_others_by_key, setup, teardown),
        cmocka_unit_test_setup_teardown(version_edit_takes_and_adds_and_leaves_the_base_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(version_refuses_an_overlap_and_a_table_that_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(version_get_prefers_the_newer_place, setup, teardown),
        cmocka_unit_test_setup_teardown(level_find_gives_the_first_table_that_reaches_the_key, setup, teardown),
        cmocka_unit_test_setup_teardown(version_may_hold_below_looks_at_bounds_from_that_level_down, setup, teardown),
        cmocka_unit_test_setup_teardown(level_iter_agrees_with_the_model, setup, teardown),
        cmocka_unit_test_setup_teardown(level_iter_opens_tables_as_it_reaches_them, setup, teardown),
        cmocka_unit_test_setup_teardown(level_iter_reports_a_table_that_is_gone_and_goes_on_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(version_survives_every_failed_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
