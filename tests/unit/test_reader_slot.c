/*
 * test_reader_slot.c - reader slots: what a hit costs, what an installation takes away; and readers at the same time as
 * writes, rotations, flushes, compactions and removal of files.
 */
#include "version_fixture.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sstable/builder.h"
#include "version/merge.h"

static int setup(void **state)
{
    struct store_parts *parts = (struct store_parts *)calloc(1, sizeof(*parts));

    parts_open(parts, NULL, NULL);
    parts_open_set(parts);
    parts_rotate(parts, parts_memtable(1, 1, "a=1"));
    *state = parts;
    return 0;
}

static int teardown(void **state)
{
    parts_close((struct store_parts *)*state);
    free(*state);
    return 0;
}

static void sum_acquired(void *context, const struct mutex *mutex)
{
    *(uint64_t *)context += atomic_load(&mutex->acquired);
}

static uint64_t locks_taken(struct store_parts *parts)
{
    uint64_t taken = 0;

    version_set_locks(parts->set, sum_acquired, &taken);
    return taken;
}

static uint64_t refs_of(const struct super_version *super_version)
{
    return atomic_load(&super_version->refs);
}

static struct reader_slot *slot_of(struct store_parts *parts)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct reader_slot *slot = NULL;

    assert_ok(reader_slot_new(&slot, parts->set, &err), &err);
    return slot;
}

static void reader_slot_hit_takes_no_lock(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct reader_slot *slot = slot_of(parts);
    struct super_version *taken = reader_slot_take(slot);
    uint64_t locks;

    assert_true(version_set_is_current(parts->set, taken));
    reader_slot_give(slot, taken);
    locks = locks_taken(parts);
    for (int i = 0; i < 10; i++) {
        assert_ptr_equal(reader_slot_take(slot), taken);
        assert_int_equal(refs_of(taken), 2); /* the set's and the reader's */
        reader_slot_give(slot, taken);
    }
    assert_int_equal(locks_taken(parts), locks);
    reader_slot_free(slot);
    assert_int_equal(refs_of(taken), 1);
}

static void reader_slot_of_an_idle_reader_pins_nothing(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct reader_slot *slots[3] = {slot_of(parts), slot_of(parts), slot_of(parts)};
    struct super_version *former = version_set_current(parts->set);

    for (int i = 0; i < 3; i++)
        reader_slot_give(slots[i], reader_slot_take(slots[i]));
    assert_int_equal(refs_of(former), 5);
    parts_rotate(parts, parts_memtable(2, 2, "b=1"));
    assert_int_equal(refs_of(former), 1); /* ours */
    assert_false(version_set_is_current(parts->set, former));
    super_version_unref(former);
    for (int i = 0; i < 3; i++) {
        struct super_version *taken = reader_slot_take(slots[i]);

        assert_true(version_set_is_current(parts->set, taken));
        reader_slot_give(slots[i], taken);
    }
    reader_slot_free(slots[1]);
    reader_slot_free(slots[0]);
    reader_slot_free(slots[2]);
}

static void reader_slot_does_not_cache_what_was_replaced_meanwhile(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct reader_slot *slot = slot_of(parts);
    struct super_version *former = reader_slot_take(slot);

    super_version_ref(former);
    parts_rotate(parts, parts_memtable(2, 2, "b=1"));
    reader_slot_give(slot, former);
    assert_int_equal(refs_of(former), 1);
    super_version_unref(former);
    reader_slot_free(slot);
}

/* A statement within a statement: the inner take must not make the outer one's give cache a former super-version. */
static void reader_slot_may_be_taken_twice(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct reader_slot *slot = slot_of(parts);
    struct super_version *outer = reader_slot_take(slot);
    struct super_version *inner, *again;

    parts_rotate(parts, parts_memtable(2, 2, "b=1"));
    inner = reader_slot_take(slot);
    assert_ptr_not_equal(inner, outer);
    reader_slot_give(slot, outer);
    again = reader_slot_take(slot);
    assert_true(version_set_is_current(parts->set, again));
    reader_slot_give(slot, again);
    reader_slot_give(slot, inner);
    assert_int_equal(refs_of(inner), 2); /* the set's and the slot's */
    reader_slot_free(slot);
}

/* ---- All at the same time ---- */

#define READERS 3

/* Keys are k0001, k0002, ...; key n is written with sequence n, and published as `visible` after it was added. */
struct busy {
    struct store_parts *parts;
    uint64_t keys;
    _Atomic uint64_t visible;
    _Atomic bool written; /* the writer is done */
    _Atomic bool flushed; /* and all is in tables */
    _Atomic uint64_t reads;
};

static void print_key(char key[16], uint64_t number)
{
    snprintf(key, 16, "k%06d", (int)number);
}

static void run_writer(void *argument)
{
    struct busy *busy = (struct busy *)argument;
    struct memtable *active = NULL;

    for (uint64_t n = 1; n <= busy->keys; n++) {
        char word[24], key[16];

        if (n % 16 == 1) {
            struct memtable *next = parts_memtable(version_set_new_file(busy->parts->set), 0, "");

            memtable_unref(active);
            active = next;
            memtable_ref(active);
            parts_rotate(busy->parts, next);
        }
        print_key(key, n);
        snprintf(word, sizeof(word), "%s=%d", key, (int)n);
        memtable_add_words(active, n, word);
        atomic_store_explicit(&busy->visible, n, memory_order_release);
    }
    memtable_unref(active);
    parts_rotate(busy->parts, parts_memtable(version_set_new_file(busy->parts->set), 0, ""));
    atomic_store(&busy->written, true);
}

/* Writes what `it` yields as a new table. */
static struct table *table_of_iter(struct store_parts *parts, struct iter *it)
{
    struct sstable_params params = {512, 10, LSMKV_COMPRESSION_NONE};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct sstable_builder *builder = NULL;
    struct table *table = NULL;

    assert_ok(sstable_builder_new(&builder, parts->fs, STORE_DIR, version_set_new_file(parts->set), &params, &err),
              &err);
    for (assert_ok(iter_first(it, &err), &err); iter_valid(it); assert_ok(iter_next(it, &err), &err))
        assert_ok(sstable_builder_add(builder, iter_entry(it), &err), &err);
    assert_ok(sstable_builder_finish(builder, &info, &err), &err);
    sstable_builder_free(builder);
    assert_ok(table_new(&table, parts->cache, &info, &err), &err);
    sstable_info_release(&info);
    return table;
}

static void flush_oldest(struct store_parts *parts, struct super_version *current)
{
    struct memtable *oldest = current->immutables[current->immutable_count - 1];
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct table *table = NULL;
    struct iter *it = NULL;

    assert_ok(memtable_iter_new(&it, oldest, SEQUENCE_MAX, &err), &err);
    if (memtable_entries(oldest) > 0)
        table = table_of_iter(parts, it);
    iter_free(it);
    assert_ok(parts_commit(parts, NULL, 0, table, 1, &err), &err);
    table_unref(table);
}

/* All of L0 and L1 into one table of L1. */
static void compact(struct store_parts *parts, struct super_version *current)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct version_edit edit = {NULL, 0, NULL, 1};
    struct table *removed[8]; /* four of L0, one of L1 */
    struct iter *children[8];
    struct iter *merge = NULL;

    edit.removed = removed;
    for (unsigned level = 0; level < 2; level++) {
        for (size_t i = 0; i < current->version->levels[level].count; i++) {
            struct table *table = current->version->levels[level].tables[i];

            assert_ok(table_iter_new(&children[edit.removed_count], table, true, &err), &err);
            removed[edit.removed_count++] = table;
        }
    }
    assert_ok(merge_iter_new(&merge, children, edit.removed_count, &err), &err);
    edit.added = calloc(1, sizeof(*edit.added));
    edit.added[0].level = 1;
    edit.added[0].table = table_of_iter(parts, merge);
    iter_free(merge);
    assert_ok(version_set_commit(parts->set, &edit, NULL, 0, &err), &err);
    table_unref(edit.added[0].table);
    free(edit.added);
}

static void run_background(void *argument)
{
    struct busy *busy = (struct busy *)argument;
    bool last = false;

    while (!last) {
        struct super_version *current = version_set_current(busy->parts->set);

        if (current->version->levels[0].count >= 4)
            compact(busy->parts, current);
        else if (current->immutable_count > 0)
            flush_oldest(busy->parts, current);
        else if (atomic_load(&busy->written))
            last = true; /* an immutable that came before `written` is seen in the next round */
        else
            sched_yield();
        if (last && !version_set_is_current(busy->parts->set, current))
            last = false;
        super_version_unref(current);
    }
    atomic_store(&busy->flushed, true);
}

static void run_remover(void *argument)
{
    struct busy *busy = (struct busy *)argument;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    while (!atomic_load(&busy->flushed)) {
        if (version_set_has_obsolete(busy->parts->set))
            assert_ok(version_set_delete_obsolete(busy->parts->set, &err), &err);
        else
            sched_yield();
    }
}

/* A snapshot: take, read the sequence, confirm. */
static struct super_version *snapshot(struct busy *busy, struct reader_slot *slot, uint64_t *sequence)
{
    for (;;) {
        struct super_version *taken = reader_slot_take(slot);

        *sequence = atomic_load_explicit(&busy->visible, memory_order_acquire);
        if (version_set_is_current(busy->parts->set, taken))
            return taken;
        reader_slot_give(slot, taken);
    }
}

static void check_point_read(const struct super_version *view, uint64_t number, uint64_t sequence)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    bool found = false;
    char key[16];

    print_key(key, number);
    assert_ok(super_version_get(view, key_of(key), sequence, &value, &found, &err), &err);
    assert_int_equal(found, number <= sequence);
    if (found) {
        char expected[16];

        snprintf(expected, sizeof(expected), "%d", (int)number);
        assert_true(slice_equal(slice_of_buf(&value), key_of(expected)));
    }
    lsmkv_buf_release(&value);
}

/* Every key up to the sequence, once, in order; backward. */
static void check_scan(struct super_version *view, uint64_t sequence)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct iter *it = NULL;
    uint64_t number = sequence;
    char key[16];

    assert_ok(super_version_iter_new(&it, view, sequence, NULL, slice_of(NULL, 0), slice_of(NULL, 0), &err), &err);
    for (assert_ok(iter_last(it, &err), &err); iter_valid(it); assert_ok(iter_prev(it, &err), &err)) {
        print_key(key, number--);
        assert_true(slice_equal(iter_entry(it)->key, key_of(key)));
    }
    assert_int_equal(number, 0);
    iter_free(it);
}

static void run_reader(void *argument)
{
    struct busy *busy = (struct busy *)argument;
    struct reader_slot *slot = slot_of(busy->parts);
    uint64_t random = test_seed();
    uint64_t former = 0;

    for (uint64_t round = 0; !atomic_load(&busy->flushed) || round < 10; round++) {
        uint64_t sequence;
        struct super_version *view = snapshot(busy, slot, &sequence);

        assert_true(sequence >= former);
        former = sequence;
        for (int i = 0; i < 8 && sequence > 0; i++)
            check_point_read(view, 1 + test_random(&random) % sequence, sequence);
        if (round % 16 == 0)
            check_scan(view, sequence);
        atomic_fetch_add(&busy->reads, 1);
        reader_slot_give(slot, view);
    }
    reader_slot_free(slot);
}

static void readers_see_every_published_key_while_everything_moves(void **state)
{
    struct store_parts *parts = (struct store_parts *)*state;
    struct busy busy = {.parts = parts, .keys = test_scaled(4000)};
    struct thread threads[READERS + 3] = {{0}};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint64_t sequence = busy.keys;
    struct super_version *view;

    /* Away with the memtable of the set-up, whose key is not one of ours. */
    parts_rotate(parts, parts_memtable(version_set_new_file(parts->set), 0, ""));
    assert_ok(parts_commit(parts, NULL, 0, NULL, 1, &err), &err);
    for (int i = 0; i < READERS; i++)
        assert_ok(thread_start(&threads[i], "reader", run_reader, &busy, &err), &err);
    assert_ok(thread_start(&threads[READERS], "remover", run_remover, &busy, &err), &err);
    assert_ok(thread_start(&threads[READERS + 1], "background", run_background, &busy, &err), &err);
    assert_ok(thread_start(&threads[READERS + 2], "writer", run_writer, &busy, &err), &err);
    for (int i = 0; i < READERS + 3; i++)
        thread_join(&threads[i]);

    view = version_set_current(parts->set);
    assert_int_equal(view->immutable_count, 0);
    check_scan(view, sequence);
    super_version_unref(view);
    assert_true(atomic_load(&busy.reads) >= 10 * READERS);

    /* Nothing is left but what the manifest names. */
    assert_ok(version_set_delete_obsolete(parts->set, &err), &err);
    view = version_set_current(parts->set);
    assert_int_equal(file_count(parts->fs, "sst"), view->version->levels[0].count + view->version->levels[1].count);
    super_version_unref(view);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reader_slot_hit_takes_no_lock),
        TEST(reader_slot_of_an_idle_reader_pins_nothing),
        TEST(reader_slot_does_not_cache_what_was_replaced_meanwhile),
        TEST(reader_slot_may_be_taken_twice),
        TEST(readers_see_every_published_key_while_everything_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
