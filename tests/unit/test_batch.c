/*
 * test_batch.c - a transaction's buffered writes against a plain array of them, with marks and rollbacks.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/coding.h"
#include "txn/batch.h"

static struct lsmkv_error err;

enum { KEYS = 12, WRITES_MAX = 400 };

/* The writes by ordinal; a write is dead once rolled back. */
struct model {
    struct {
        uint8_t key;
        enum entry_kind kind;
        bool dead;
    } writes[WRITES_MAX + 1];
    uint64_t last;
};

static struct batch *new_batch(void)
{
    struct batch *batch = NULL;

    assert_ok(batch_new(&batch, &err), &err);
    return batch;
}

static void put(struct batch *batch, const char *key, const char *value)
{
    assert_ok(batch_add(batch, ENTRY_PUT, slice_of(key, strlen(key)), slice_of(value, strlen(value)), &err), &err);
}

static void assert_value(const struct batch *batch, const char *key, const char *value)
{
    struct entry entry;
    bool found = batch_get(batch, slice_of(key, strlen(key)), &entry);

    assert_int_equal(found, value != NULL);
    if (found)
        assert_true(slice_equal(entry.value, slice_of(value, strlen(value))));
}

static void batch_reads_its_own_newest_write(void **state)
{
    struct batch *batch = new_batch();
    struct entry entry;

    (void)state;
    assert_true(batch_empty(batch));
    assert_int_equal(batch_mark(batch), 0);
    assert_value(batch, "a", NULL);
    put(batch, "a", "1");
    put(batch, "b", "2");
    put(batch, "a", "3");
    assert_value(batch, "a", "3");
    assert_value(batch, "b", "2");
    assert_ok(batch_add(batch, ENTRY_DELETE, slice_of("b", 1), slice_of("", 0), &err), &err);
    assert_true(batch_get(batch, slice_of("b", 1), &entry));
    assert_int_equal(entry.kind, ENTRY_DELETE);
    assert_int_equal(batch_mark(batch), 4);
    assert_false(batch_empty(batch));
    assert_true(batch_bytes(batch) > 0);
    batch_unref(batch);
}

static void batch_rollback_brings_older_writes_back(void **state)
{
    struct batch *batch = new_batch();
    uint64_t outer, inner;

    (void)state;
    put(batch, "a", "1");
    outer = batch_mark(batch);
    put(batch, "a", "2");
    inner = batch_mark(batch);
    put(batch, "a", "3");
    put(batch, "b", "4");
    batch_rollback_to(batch, inner);
    assert_value(batch, "a", "2");
    assert_value(batch, "b", NULL);
    put(batch, "a", "5");
    assert_true(batch_mark(batch) > inner + 2);
    batch_rollback_to(batch, inner); /* a savepoint may be rolled back to again */
    assert_value(batch, "a", "2");
    batch_rollback_to(batch, outer);
    assert_value(batch, "a", "1");
    assert_false(batch_empty(batch));
    batch_rollback_to(batch, 0);
    assert_value(batch, "a", NULL);
    assert_true(batch_empty(batch));
    put(batch, "b", "6");
    assert_value(batch, "b", "6");
    assert_false(batch_empty(batch));
    batch_unref(batch);
}

static void batch_rollback_to_the_newest_write_changes_nothing(void **state)
{
    struct batch *batch = new_batch();

    (void)state;
    batch_rollback_to(batch, 0);
    assert_true(batch_empty(batch));
    put(batch, "a", "1");
    batch_rollback_to(batch, batch_mark(batch));
    batch_rollback_to(batch, batch_mark(batch) + 5);
    assert_value(batch, "a", "1");
    batch_unref(batch);
}

/* ---- Against the model ---- */

static uint64_t model_newest(const struct model *model, uint8_t key, uint64_t mark)
{
    for (uint64_t ordinal = mark; ordinal; ordinal--) {
        if (!model->writes[ordinal].dead && model->writes[ordinal].key == key)
            return ordinal;
    }
    return 0;
}

static void model_write(struct model *model, struct batch *batch, uint64_t *random)
{
    uint8_t key = (uint8_t)(test_random(random) % KEYS), value[8];
    enum entry_kind kind = test_random(random) % 4 ? ENTRY_PUT : ENTRY_DELETE;

    model->last++;
    model->writes[model->last].key = key;
    model->writes[model->last].kind = kind;
    put_u64(value, model->last);
    assert_ok(batch_add(batch, kind, slice_of(&key, 1), slice_of(value, kind == ENTRY_PUT ? 8 : 0), &err), &err);
    assert_int_equal(batch_mark(batch), model->last);
}

static void model_rollback(struct model *model, struct batch *batch, uint64_t *random)
{
    uint64_t back = test_random(random) % (test_random(random) % 8 ? 10 : 200);
    uint64_t mark = back < model->last ? model->last - back : 0;

    batch_rollback_to(batch, mark);
    for (uint64_t ordinal = mark + 1; ordinal <= model->last; ordinal++)
        model->writes[ordinal].dead = true;
}

static void assert_write(const struct model *model, const struct entry *entry, uint64_t ordinal)
{
    assert_int_equal(entry->sequence, ordinal);
    assert_int_equal(entry->kind, model->writes[ordinal].kind);
    assert_int_equal(entry->key.data[0], model->writes[ordinal].key);
    if (entry->kind == ENTRY_PUT)
        assert_int_equal(get_u64(entry->value.data), ordinal);
    else
        assert_int_equal(entry->value.size, 0);
}

static void check_gets(const struct model *model, const struct batch *batch)
{
    bool empty = true;

    for (uint8_t key = 0; key < KEYS; key++) {
        uint64_t expected = model_newest(model, key, model->last);
        struct entry entry;
        bool found = batch_get(batch, slice_of(&key, 1), &entry);

        assert_int_equal(found, expected != 0);
        if (found)
            assert_write(model, &entry, expected);
        empty = empty && !expected;
    }
    assert_int_equal(batch_empty(batch), empty);
}

/* From `position` in direction `step`, the next key that has a live write up to `mark`; -1 or KEYS past the end. */
static int model_move(const struct model *model, int position, int step, uint64_t mark)
{
    do {
        position += step;
    } while (position >= 0 && position < KEYS && !model_newest(model, (uint8_t)position, mark));
    return position;
}

/* Moves at random while the batch is written and rolled back. */
static void check_iterator(struct model *model, struct batch *batch, uint64_t *random)
{
    uint64_t mark = test_random(random) % (model->last + 1);
    struct iter *it = NULL;
    int position = -1;

    assert_ok(batch_iter_new(&it, batch, mark, &err), &err);
    assert_false(iter_valid(it));
    for (int i = 0; i < 40; i++) {
        uint8_t key = (uint8_t)(test_random(random) % KEYS);
        unsigned move = test_random(random) % 12;

        if (move == 0) {
            assert_ok(iter_first(it, &err), &err);
            position = model_move(model, -1, 1, mark);
        } else if (move == 1) {
            assert_ok(iter_last(it, &err), &err);
            position = model_move(model, KEYS, -1, mark);
        } else if (move == 2) {
            assert_ok(iter_seek(it, slice_of(&key, 1), &err), &err);
            position = model_move(model, key - 1, 1, mark);
        } else if (move == 3) {
            assert_ok(iter_seek_for_prev(it, slice_of(&key, 1), &err), &err);
            position = model_move(model, key + 1, -1, mark);
        } else if (move == 4 && model->last < WRITES_MAX) {
            model_write(model, batch, random);
            continue;
        } else if (move == 5) {
            model_rollback(model, batch, random);
            continue;
        } else if (iter_valid(it)) {
            position = model_move(model, position, move < 9 ? 1 : -1, mark);
            assert_ok(move < 9 ? iter_next(it, &err) : iter_prev(it, &err), &err);
        }
        assert_int_equal(iter_valid(it), position >= 0 && position < KEYS);
        if (iter_valid(it))
            assert_write(model, iter_entry(it), model_newest(model, (uint8_t)position, mark));
    }
    iter_free(it);
}

static void batch_agrees_with_an_array_of_writes(void **state)
{
    uint64_t random = test_seed();
    size_t runs = test_scaled(60);

    (void)state;
    for (size_t run = 0; run < runs; run++) {
        struct model model = {.last = 0};
        struct batch *batch = new_batch();

        while (model.last < WRITES_MAX) {
            if (test_random(&random) % 8)
                model_write(&model, batch, &random);
            else
                model_rollback(&model, batch, &random);
            if (test_random(&random) % 4 == 0)
                check_gets(&model, batch);
            if (test_random(&random) % 16 == 0)
                check_iterator(&model, batch, &random);
        }
        check_gets(&model, batch);
        batch_unref(batch);
    }
}

static void batch_iterator_outlives_the_transaction(void **state)
{
    struct batch *batch = new_batch();
    struct iter *it = NULL;

    (void)state;
    put(batch, "a", "1");
    put(batch, "b", "2");
    assert_ok(batch_iter_new(&it, batch, batch_mark(batch), &err), &err);
    assert_ok(iter_first(it, &err), &err);
    batch_unref(batch);
    assert_memory_equal(iter_entry(it)->value.data, "1", 1);
    assert_ok(iter_next(it, &err), &err);
    assert_memory_equal(iter_entry(it)->value.data, "2", 1);
    iter_free(it);
}

static void batch_iterator_hides_writes_after_its_mark(void **state)
{
    struct batch *batch = new_batch();
    struct iter *it = NULL;

    (void)state;
    put(batch, "b", "1");
    assert_ok(batch_iter_new(&it, batch, batch_mark(batch), &err), &err);
    put(batch, "a", "2");
    put(batch, "b", "3");
    assert_ok(iter_first(it, &err), &err);
    assert_memory_equal(iter_entry(it)->key.data, "b", 1);
    assert_memory_equal(iter_entry(it)->value.data, "1", 1);
    iter_free(it);
    batch_unref(batch);
}

static void batch_rollback_needs_no_memory(void **state)
{
    struct batch *batch = new_batch();

    (void)state;
    for (int i = 0; i < 100; i++) {
        uint64_t mark;

        put(batch, "kept", "1");
        mark = batch_mark(batch);
        put(batch, "gone", "2");
        lsm_alloc_fail_at(1, true);
        batch_rollback_to(batch, mark);
        assert_value(batch, "gone", NULL);
        lsm_alloc_fail_at(0, false);
    }
    assert_value(batch, "kept", "1");
    batch_unref(batch);
}

static void batch_without_memory_stays_as_it_was(void **state)
{
    struct batch *batch = NULL;
    struct iter *it = NULL;
    enum lsmkv_status status;
    uint8_t *big = calloc(1, 10000);
    uint64_t nth = 0;

    (void)state;
    do {
        lsm_alloc_fail_at(++nth, false);
        status = batch_new(&batch, &err);
        lsm_alloc_fail_at(0, false);
        assert_true(status == LSMKV_OK || status == LSMKV_NOMEM);
    } while (status);
    assert_int_equal(nth, 4);
    nth = 0;
    do {
        lsm_alloc_fail_at(++nth, false);
        status = batch_add(batch, ENTRY_PUT, slice_of("k", 1), slice_of(big, 10000), &err);
        lsm_alloc_fail_at(0, false);
        assert_true(status == LSMKV_OK || status == LSMKV_NOMEM);
        assert_int_equal(batch_mark(batch), status ? 0 : 1);
    } while (status);
    assert_true(nth > 1);
    nth = 0;
    do {
        lsm_alloc_fail_at(++nth, false);
        status = batch_iter_new(&it, batch, 1, &err);
        lsm_alloc_fail_at(0, false);
        assert_true(status == LSMKV_OK || status == LSMKV_NOMEM);
    } while (status);
    assert_int_equal(nth, 3);
    iter_free(it);
    free(big);
    batch_unref(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_reads_its_own_newest_write),
        cmocka_unit_test(batch_rollback_brings_older_writes_back),
        cmocka_unit_test(batch_rollback_to_the_newest_write_changes_nothing),
        cmocka_unit_test(batch_agrees_with_an_array_of_writes),
        cmocka_unit_test(batch_iterator_outlives_the_transaction),
        cmocka_unit_test(batch_iterator_hides_writes_after_its_mark),
        cmocka_unit_test(batch_rollback_needs_no_memory),
        cmocka_unit_test(batch_without_memory_stays_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
