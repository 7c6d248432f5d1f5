/*
 * test_merge.c - the merging iterator against a model: random sources, random moves in both directions.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "version/merge.h"

#define KEYS 40 /* keys are single numbers 0 .. KEYS - 1, written with two digits */

/* ---- A source: a sorted list that can be told to fail ---- */

struct list {
    struct iter base;
    uint8_t source; /* its value, so that the origin of an entry shows */
    bool has[KEYS];
    int at;
    char key[3];    /* overwritten by each move: who keeps a borrowed key too long sees another one */
    int moves_left; /* fails at 0; -1 = never */
    int *freed;
};

static enum lsmkv_status list_show(struct list *list, int at, int step, struct lsmkv_error *err)
{
    list->base.valid = false;
    if (list->moves_left == 0)
        return lsmkv_fail(err, LSMKV_IO, "list failed");
    if (list->moves_left > 0)
        list->moves_left--;
    while (at >= 0 && at < KEYS && !list->has[at])
        at += step;
    list->at = at;
    memset(list->key, '?', sizeof(list->key));
    if (at < 0 || at >= KEYS)
        return LSMKV_OK;
    snprintf(list->key, sizeof(list->key), "%02d", at);
    list->base.valid = true;
    list->base.entry.key = slice_of(list->key, 2);
    list->base.entry.value = slice_of(&list->source, 1);
    list->base.entry.kind = ENTRY_PUT;
    return LSMKV_OK;
}

static enum lsmkv_status list_first(struct iter *it, struct lsmkv_error *err)
{
    return list_show((struct list *)it, 0, 1, err);
}

static enum lsmkv_status list_last(struct iter *it, struct lsmkv_error *err)
{
    return list_show((struct list *)it, KEYS - 1, -1, err);
}

static int number_of(struct lsmkv_slice key)
{
    char text[3] = {(char)key.data[0], (char)key.data[1], 0};

    return atoi(text);
}

static enum lsmkv_status list_seek(struct iter *it, struct lsmkv_slice key, struct lsmkv_error *err)
{
    return list_show((struct list *)it, number_of(key), 1, err);
}

static enum lsmkv_status list_seek_for_prev(struct iter *it, struct lsmkv_slice key, struct lsmkv_error *err)
{
    return list_show((struct list *)it, number_of(key), -1, err);
}

static enum lsmkv_status list_next(struct iter *it, struct lsmkv_error *err)
{
    assert_true(it->valid);
    return list_show((struct list *)it, ((struct list *)it)->at + 1, 1, err);
}

static enum lsmkv_status list_prev(struct iter *it, struct lsmkv_error *err)
{
    assert_true(it->valid);
    return list_show((struct list *)it, ((struct list *)it)->at - 1, -1, err);
}

static void list_free(struct iter *it)
{
    ++*((struct list *)it)->freed;
    free(it);
}

static const struct iter_ops list_ops = {list_first, list_last, list_seek, list_seek_for_prev,
                                         list_next,  list_prev, list_free};

static struct list *list_new(uint8_t source, int *freed)
{
    struct list *list = (struct list *)calloc(1, sizeof(*list));

    list->base.ops = &list_ops;
    list->source = source;
    list->moves_left = -1;
    list->freed = freed;
    return list;
}

/* ---- The model ---- */

struct model {
    int winner[KEYS]; /* the source that a key comes from, -1 for none */
    int at;           /* -1 or KEYS when not valid */
};

static void model_go(struct model *model, int at, int step)
{
    while (at >= 0 && at < KEYS && model->winner[at] < 0)
        at += step;
    model->at = at;
}

static void assert_same(const struct model *model, const struct iter *it)
{
    bool valid = model->at >= 0 && model->at < KEYS;

    assert_int_equal(iter_valid(it), valid);
    if (!valid)
        return;
    assert_int_equal(number_of(iter_entry(it)->key), model->at);
    assert_int_equal(iter_entry(it)->value.data[0], model->winner[model->at]);
}

static struct iter *merge_random(struct model *model, size_t count, unsigned density, uint64_t *random, int *freed)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct iter *children[16];
    struct iter *merge = NULL;

    for (int key = 0; key < KEYS; key++)
        model->winner[key] = -1;
    for (size_t i = 0; i < count; i++) {
        struct list *list = list_new((uint8_t)i, freed);

        for (int key = 0; key < KEYS; key++) {
            list->has[key] = test_random(random) % 100 < density;
            if (list->has[key] && model->winner[key] < 0)
                model->winner[key] = (int)i;
        }
        children[i] = &list->base;
    }
    assert_ok(merge_iter_new(&merge, children, count, &err), &err);
    return merge;
}

static void random_move(struct iter *merge, struct model *model, uint64_t *random)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    int target = (int)(test_random(random) % KEYS);
    unsigned move = (unsigned)(test_random(random) % 12);
    char key[3];

    snprintf(key, sizeof(key), "%02d", target);
    if (move >= 4 && !iter_valid(merge))
        move %= 4;
    switch (move) {
    case 0:
        assert_ok(iter_first(merge, &err), &err);
        model_go(model, 0, 1);
        break;
    case 1:
        assert_ok(iter_last(merge, &err), &err);
        model_go(model, KEYS - 1, -1);
        break;
    case 2:
        assert_ok(iter_seek(merge, slice_of(key, 2), &err), &err);
        model_go(model, target, 1);
        break;
    case 3:
        assert_ok(iter_seek_for_prev(merge, slice_of(key, 2), &err), &err);
        model_go(model, target, -1);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        assert_ok(iter_next(merge, &err), &err);
        model_go(model, model->at + 1, 1);
        break;
    default:
        assert_ok(iter_prev(merge, &err), &err);
        model_go(model, model->at - 1, -1);
        break;
    }
    assert_same(model, merge);
}

static void merge_agrees_with_the_model(void **state)
{
    uint64_t random = test_seed();
    int freed = 0;
    int made = 0;

    (void)state;
    for (size_t round = 0; round < test_scaled(2000); round++) {
        size_t count = test_random(&random) % 9;
        unsigned density = (unsigned)(test_random(&random) % 101);
        struct model model;
        struct iter *merge = merge_random(&model, count, density, &random, &freed);

        assert_false(iter_valid(merge));
        for (int i = 0; i < 60; i++)
            random_move(merge, &model, &random);
        iter_free(merge);
        made += (int)count;
        assert_int_equal(freed, made);
    }
}

static void merge_of_nothing_is_empty(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct iter *merge = NULL;

    (void)state;
    assert_ok(merge_iter_new(&merge, NULL, 0, &err), &err);
    assert_ok(iter_first(merge, &err), &err);
    assert_false(iter_valid(merge));
    assert_ok(iter_seek_for_prev(merge, slice_of("20", 2), &err), &err);
    assert_false(iter_valid(merge));
    iter_free(merge);
}

static void merge_takes_the_newest_source_in_both_directions(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct iter *children[3];
    struct iter *merge = NULL;
    int freed = 0;

    (void)state;
    for (uint8_t i = 0; i < 3; i++) {
        struct list *list = list_new(i, &freed);

        list->has[5] = list->has[6] = true;
        children[i] = &list->base;
    }
    assert_ok(merge_iter_new(&merge, children, 3, &err), &err);
    assert_ok(iter_first(merge, &err), &err);
    assert_int_equal(iter_entry(merge)->value.data[0], 0);
    assert_ok(iter_next(merge, &err), &err);
    assert_int_equal(number_of(iter_entry(merge)->key), 6);
    assert_int_equal(iter_entry(merge)->value.data[0], 0);
    assert_ok(iter_prev(merge, &err), &err);
    assert_int_equal(number_of(iter_entry(merge)->key), 5);
    assert_int_equal(iter_entry(merge)->value.data[0], 0);
    assert_ok(iter_prev(merge, &err), &err);
    assert_false(iter_valid(merge));
    iter_free(merge);
}

/* A source fails at its nth move: the move is reported, the iterator is not valid, and a new positioning works again. */
static void merge_reports_a_failing_source_and_can_be_positioned_again(void **state)
{
    uint64_t random = test_seed();
    int freed = 0;

    (void)state;
    for (int fails_at = 0; fails_at < 30; fails_at++) {
        struct lsmkv_error err = LSMKV_ERROR_INIT;
        enum lsmkv_status status;
        struct iter *children[2];
        struct iter *merge = NULL;
        struct list *weak = list_new(1, &freed);
        int steps = 0;

        for (int key = 0; key < KEYS; key++)
            weak->has[key] = true;
        weak->moves_left = fails_at;
        children[0] = &list_new(0, &freed)->base;
        children[1] = &weak->base;
        assert_ok(merge_iter_new(&merge, children, 2, &err), &err);
        status = iter_first(merge, &err);
        while (!status) {
            assert_true(iter_valid(merge));
            status = test_random(&random) % 3 ? iter_next(merge, &err) : iter_prev(merge, &err);
            if (!status && !iter_valid(merge))
                status = iter_first(merge, &err);
            assert_true(steps++ < 200);
        }
        assert_status(status, LSMKV_IO, &err);
        assert_false(iter_valid(merge));
        weak->moves_left = -1;
        assert_ok(iter_last(merge, &err), &err);
        assert_int_equal(number_of(iter_entry(merge)->key), KEYS - 1);
        iter_free(merge);
    }
}

static void merge_frees_its_sources_when_memory_runs_out(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_NOMEM;
    uint64_t nth;

    (void)state;
    for (nth = 1; status; nth++) {
        struct iter *children[2];
        struct iter *merge = NULL;
        int freed = 0;

        children[0] = &list_new(0, &freed)->base;
        children[1] = &list_new(1, &freed)->base;
        lsm_alloc_fail_at(nth, false);
        status = merge_iter_new(&merge, children, 2, &err);
        lsm_alloc_fail_at(0, false);
        iter_free(merge);
        assert_int_equal(freed, 2);
    }
    assert_true(nth > 2);
}

static void note_release(void *owner)
{
    ++*(int *)owner;
}

static void merge_releases_its_owner_after_its_sources(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct iter *merge = NULL;
    int released = 0;

    (void)state;
    assert_ok(merge_iter_new(&merge, NULL, 0, &err), &err);
    merge_iter_on_free(merge, note_release, &released);
    iter_free(merge);
    assert_int_equal(released, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merge_agrees_with_the_model),
        cmocka_unit_test(merge_of_nothing_is_empty),
        cmocka_unit_test(merge_takes_the_newest_source_in_both_directions),
        cmocka_unit_test(merge_reports_a_failing_source_and_can_be_positioned_again),
        cmocka_unit_test(merge_frees_its_sources_when_memory_runs_out),
        cmocka_unit_test(merge_releases_its_owner_after_its_sources),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
