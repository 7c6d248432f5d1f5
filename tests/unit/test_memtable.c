/*
 * test_memtable.c - the memtable against a sorted array, its iterator, its order of addition, and its readers' threads.
 */
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/coding.h"
#include "base/error.h"
#include "memtable/memtable.h"

static struct lsmkv_error err;

/* ---- The model: every version in an array sorted as entry.h says ---- */

struct version {
    char key[40];
    size_t key_size;
    uint64_t sequence;
    enum entry_kind kind;
    char value[24];
};

struct model {
    struct version *versions;
    size_t count;
};

static struct lsmkv_slice version_key(const struct version *version)
{
    return slice_of(version->key, version->key_size);
}

static int compare_versions(const void *a, const void *b)
{
    const struct version *left = a, *right = b;
    int order = slice_compare(version_key(left), version_key(right));

    if (order)
        return order;
    return left->sequence > right->sequence ? -1 : left->sequence < right->sequence;
}

/* The newest version of `key` up to `sequence`, or NULL. */
static const struct version *model_get(const struct model *model, struct lsmkv_slice key, uint64_t sequence)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct version *version = &model->versions[i];

        if (slice_equal(version_key(version), key) && version->sequence <= sequence)
            return version;
    }
    return NULL;
}

/* What an iterator at `sequence` is to show, in order. */
static size_t model_visible(const struct model *model, uint64_t sequence, const struct version **visible)
{
    size_t count = 0;

    for (size_t i = 0; i < model->count; i++) {
        const struct version *version = &model->versions[i];

        if (version->sequence > sequence ||
            (count && slice_equal(version_key(version), version_key(visible[count - 1]))))
            continue;
        visible[count++] = version;
    }
    return count;
}

/* Short keys over few letters (zeros among them), so that prefixes, equal heads and many versions occur. */
static size_t random_key(uint64_t *random, char *key)
{
    static const char letters[] = {0, 1, 'a', 'b', (char)0xff};
    size_t size = test_random(random) % 4, common = 0;

    if (test_random(random) % 3 == 0) {
        common = 14 + test_random(random) % 12;
        memset(key, 'x', common);
    }
    for (size_t i = 0; i < size; i++)
        key[common + i] = letters[test_random(random) % sizeof(letters)];
    return common + size;
}

static void add(struct memtable *memtable, struct lsmkv_slice key, uint64_t sequence, enum entry_kind kind,
                struct lsmkv_slice value)
{
    struct entry entry = {.key = key, .value = value, .sequence = sequence, .kind = kind};

    assert_ok(memtable_add(memtable, &entry, &err), &err);
}

static struct memtable *new_memtable(void)
{
    struct memtable *memtable = NULL;

    assert_ok(memtable_new(&memtable, 7, &err), &err);
    return memtable;
}

static void fill(struct memtable *memtable, struct model *model, size_t count, uint64_t *random, bool in_order)
{
    model->versions = calloc(count, sizeof(*model->versions));
    model->count = count;
    for (size_t i = 0; i < count; i++) {
        struct version *version = &model->versions[i];

        version->key_size = random_key(random, version->key);
        version->sequence = i + 1;
        version->kind = test_random(random) % 4 ? ENTRY_PUT : ENTRY_DELETE;
        if (version->kind == ENTRY_PUT)
            snprintf(version->value, sizeof(version->value), "v%zu", i);
    }
    if (in_order)
        qsort(model->versions, count, sizeof(*model->versions), compare_versions);
    for (size_t i = 0; i < count; i++) {
        const struct version *version = &model->versions[i];

        add(memtable, version_key(version), version->sequence, version->kind,
            slice_of(version->value, strlen(version->value)));
    }
    qsort(model->versions, count, sizeof(*model->versions), compare_versions);
}

static void assert_version(const struct entry *entry, const struct version *version)
{
    assert_int_equal(entry->sequence, version->sequence);
    assert_int_equal(entry->kind, version->kind);
    assert_true(slice_equal(entry->key, version_key(version)));
    assert_true(slice_equal(entry->value, slice_of(version->value, strlen(version->value))));
}

static void check_gets(const struct memtable *memtable, const struct model *model, uint64_t *random)
{
    for (size_t i = 0; i < 300; i++) {
        char key[40];
        size_t size = random_key(random, key);
        uint64_t sequence = test_random(random) % (model->count + 2);
        const struct version *expected = model_get(model, slice_of(key, size), sequence);
        struct entry entry;
        bool found = memtable_get(memtable, slice_of(key, size), sequence, &entry);

        assert_int_equal(found, expected != NULL);
        if (found)
            assert_version(&entry, expected);
    }
}

static void assert_at(const struct iter *it, const struct version **visible, size_t count, size_t position)
{
    assert_int_equal(iter_valid(it), position < count);
    if (position < count)
        assert_version(iter_entry(it), visible[position]);
}

/* Position of the first visible key >= `key`; or > `key`. */
static size_t model_seek(const struct version **visible, size_t count, struct lsmkv_slice key, bool greater)
{
    size_t position = 0;

    while (position < count) {
        int order = slice_compare(version_key(visible[position]), key);

        if (order > 0 || (order == 0 && !greater))
            break;
        position++;
    }
    return position;
}

/* Random moves, each compared with the model; SIZE_MAX is the place before the first. */
static void check_iterator(struct memtable *memtable, const struct model *model, uint64_t sequence, uint64_t *random)
{
    const struct version **visible = calloc(model->count + 1, sizeof(*visible));
    size_t count = model_visible(model, sequence, visible), position = SIZE_MAX;
    struct iter *it = NULL;

    assert_ok(memtable_iter_new(&it, memtable, sequence, &err), &err);
    assert_false(iter_valid(it));
    for (size_t i = 0; i < 400; i++) {
        unsigned move = test_random(random) % 16;
        char bytes[40];
        struct lsmkv_slice key = slice_of(bytes, random_key(random, bytes));

        if (move == 0) {
            assert_ok(iter_first(it, &err), &err);
            position = count ? 0 : SIZE_MAX;
        } else if (move == 1) {
            assert_ok(iter_last(it, &err), &err);
            position = count - 1;
        } else if (move == 2) {
            assert_ok(iter_seek(it, key, &err), &err);
            position = model_seek(visible, count, key, false);
        } else if (move == 3) {
            assert_ok(iter_seek_for_prev(it, key, &err), &err);
            position = model_seek(visible, count, key, true) - 1;
        } else if (iter_valid(it) && move < 10) {
            assert_ok(iter_next(it, &err), &err);
            position++;
        } else if (iter_valid(it)) {
            assert_ok(iter_prev(it, &err), &err);
            position--;
        }
        assert_at(it, visible, count, position);
    }
    iter_free(it);
    free(visible);
}

static void run_model(bool in_order)
{
    uint64_t random = test_seed();
    size_t runs = test_scaled(in_order ? 10 : 30);

    for (size_t run = 0; run < runs; run++) {
        struct memtable *memtable = new_memtable();
        struct model model = {0};

        fill(memtable, &model, 1 + test_random(&random) % 600, &random, in_order);
        assert_int_equal(memtable_entries(memtable), model.count);
        assert_int_equal(memtable_sequence_max(memtable), model.count);
        check_gets(memtable, &model, &random);
        check_iterator(memtable, &model, SEQUENCE_MAX, &random);
        check_iterator(memtable, &model, test_random(&random) % (model.count + 1), &random);
        memtable_unref(memtable);
        free(model.versions);
    }
}

static void memtable_agrees_with_a_sorted_array(void **state)
{
    (void)state;
    run_model(false);
}

static void memtable_filled_in_order_agrees_with_a_sorted_array(void **state)
{
    (void)state;
    run_model(true);
}

/* Also backwards and in blocks, where the finger climbs to different heights. */
static void memtable_takes_any_pattern_of_insertion(void **state)
{
    enum { COUNT = 4096 };
    static const uint32_t strides[] = {1, COUNT - 1, 3, 4093, 64 + 1, 1025};

    (void)state;
    for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
        struct memtable *memtable = new_memtable();
        struct iter *it = NULL;
        uint8_t key[12] = {0};
        uint32_t at = 0, n;

        for (n = 0; n < COUNT; n++) {
            put_u32_be(key + 8, at);
            add(memtable, slice_of(key, sizeof(key)), 1, ENTRY_PUT, slice_of(&at, sizeof(at)));
            at = (at + strides[i]) % COUNT;
        }
        assert_ok(memtable_iter_new(&it, memtable, 1, &err), &err);
        assert_ok(iter_first(it, &err), &err);
        for (n = 0; n < COUNT; n++) {
            assert_true(iter_valid(it));
            assert_int_equal(get_u32_be(iter_entry(it)->key.data + 8), n);
            assert_ok(iter_next(it, &err), &err);
        }
        assert_false(iter_valid(it));
        iter_free(it);
        memtable_unref(memtable);
    }
}

static void memtable_walk_yields_every_version_in_order_of_addition(void **state)
{
    struct memtable *memtable = new_memtable();
    static const char *const keys[] = {"m", "a", "z", "a", "m"};
    struct memtable_walk walk;
    struct entry entry;

    (void)state;
    memtable_walk_start(&walk, memtable);
    assert_false(memtable_walk_next(&walk, &entry));
    for (size_t i = 0; i < 5; i++)
        add(memtable, slice_of(keys[i], 1), 10 + i, ENTRY_PUT, slice_of("", 0));
    /* A walk that was at the end goes on with what was added since. */
    for (size_t i = 0; i < 5; i++) {
        assert_true(memtable_walk_next(&walk, &entry));
        assert_int_equal(entry.sequence, 10 + i);
        assert_memory_equal(entry.key.data, keys[i], 1);
    }
    assert_false(memtable_walk_next(&walk, &entry));
    memtable_unref(memtable);
}

/* What a walk after `sequence` yields first, and how many. */
static void expect_walk_after(const struct memtable *memtable, uint64_t sequence, uint64_t first, size_t count)
{
    struct memtable_walk walk;
    struct entry entry;
    size_t seen = 0;

    memtable_walk_after(&walk, memtable, sequence);
    while (memtable_walk_next(&walk, &entry)) {
        if (seen++ == 0)
            assert_int_equal(entry.sequence, first);
        assert_true(entry.sequence > sequence);
    }
    assert_int_equal(seen, count);
}

/* Transactions of 1 to 700 entries, so that marks come at all distances from where the walk begins. */
static void memtable_walk_after_a_sequence_leaves_out_what_came_before(void **state)
{
    enum { TRANSACTIONS = 60 };
    uint64_t random = test_seed();
    size_t sizes[TRANSACTIONS], after = 0;
    struct memtable *memtable;
    uint64_t number = 0;

    (void)state;
    assert_ok(memtable_new(&memtable, 1, &err), &err);
    for (unsigned i = 0; i < TRANSACTIONS; i++) {
        sizes[i] = 1 + test_random(&random) % (i % 3 ? 20 : 700);
        for (size_t k = 0; k < sizes[i]; k++, number++) {
            struct entry entry = {.sequence = 10 * (i + 1), .kind = ENTRY_PUT};
            uint64_t key = number * 0x9e3779b97f4a7c15u;

            entry.key = slice_of(&key, sizeof(key));
            assert_ok(memtable_add(memtable, &entry, &err), &err);
        }
    }
    expect_walk_after(memtable, UINT64_MAX, 0, 0);
    for (unsigned i = TRANSACTIONS; i-- > 0;) {
        expect_walk_after(memtable, 10 * (i + 1), 10 * (i + 2), after);
        after += sizes[i];
        expect_walk_after(memtable, 10 * i + 5, 10 * (i + 1), after);
    }
    expect_walk_after(memtable, 0, 10, after);
    memtable_unref(memtable);
}

/* A mark takes no more than what was set aside for its node. */
static void memtable_entries_with_marks_fit_the_room_that_is_reserved(void **state)
{
    struct memtable *memtable;
    uint64_t sequence = 0;

    (void)state;
    assert_ok(memtable_new(&memtable, 1, &err), &err);
    for (unsigned round = 0; round < 20000; round++) {
        struct entry entry = {.key = slice_of("key", 3), .sequence = ++sequence, .kind = ENTRY_PUT};

        assert_ok(memtable_reserve(memtable, memtable_room(&entry), &err), &err);
        lsm_alloc_fail_at(1, true);
        assert_ok(memtable_add(memtable, &entry, &err), &err);
        lsm_alloc_fail_at(0, false);
    }
    memtable_unref(memtable);
}

static void memtable_iterator_skips_many_versions_of_a_key(void **state)
{
    struct memtable *memtable = new_memtable();
    struct iter *it = NULL;

    (void)state;
    add(memtable, slice_of("a", 1), 0, ENTRY_PUT, slice_of("zero", 4));
    for (uint64_t i = 1; i <= 100; i++)
        add(memtable, slice_of("a", 1), i, ENTRY_PUT, slice_of("", 0));
    add(memtable, slice_of("b", 1), 101, ENTRY_PUT, slice_of("", 0));
    add(memtable, slice_of("c", 1), 50, ENTRY_DELETE, slice_of("", 0));
    assert_ok(memtable_iter_new(&it, memtable, 60, &err), &err);
    assert_ok(iter_first(it, &err), &err);
    assert_int_equal(iter_entry(it)->sequence, 60);
    assert_ok(iter_next(it, &err), &err);
    assert_true(iter_valid(it));
    assert_memory_equal(iter_entry(it)->key.data, "c", 1);
    assert_int_equal(iter_entry(it)->kind, ENTRY_DELETE);
    assert_ok(iter_prev(it, &err), &err);
    assert_int_equal(iter_entry(it)->sequence, 60);
    assert_ok(iter_prev(it, &err), &err);
    assert_false(iter_valid(it));
    iter_free(it);
    memtable_unref(memtable);
}

static void memtable_holds_large_values_and_counts_their_bytes(void **state)
{
    struct memtable *memtable = new_memtable();
    uint64_t before = memtable_bytes(memtable);
    size_t size = 3u << 20;
    uint8_t *value = malloc(size);
    struct entry entry;

    (void)state;
    memset(value, 'v', size);
    add(memtable, slice_of("k", 1), 1, ENTRY_PUT, slice_of(value, size));
    assert_true(memtable_get(memtable, slice_of("k", 1), SEQUENCE_MAX, &entry));
    assert_true(slice_equal(entry.value, slice_of(value, size)));
    assert_true(memtable_bytes(memtable) >= before + size);
    assert_true(memtable_bytes(memtable) < before + size + 4096);
    free(value);
    memtable_unref(memtable);
}

static void memtable_iterator_outlives_the_reference_it_was_made_from(void **state)
{
    struct memtable *memtable = new_memtable();
    struct iter *it = NULL;

    (void)state;
    add(memtable, slice_of("k", 1), 1, ENTRY_PUT, slice_of("v", 1));
    assert_ok(memtable_iter_new(&it, memtable, 1, &err), &err);
    memtable_unref(memtable);
    assert_ok(iter_first(it, &err), &err);
    assert_memory_equal(iter_entry(it)->value.data, "v", 1);
    iter_free(it);
}

static void memtable_without_memory_stays_as_it_was(void **state)
{
    struct memtable *memtable = NULL, *unmade = NULL;
    struct entry entry = {.key = slice_of("b", 1), .sequence = 2, .kind = ENTRY_PUT};
    uint8_t *big = calloc(1, 10000);
    struct iter *it = NULL;
    struct entry found;

    (void)state;
    memtable = new_memtable();
    add(memtable, slice_of("a", 1), 1, ENTRY_PUT, slice_of("v", 1));
    entry.value = slice_of(big, 10000);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        lsm_alloc_fail_at(nth, false);
        assert_status(memtable_new(&unmade, 1, &err), LSMKV_NOMEM, &err);
    }
    lsm_alloc_fail_at(1, false);
    assert_status(memtable_add(memtable, &entry, &err), LSMKV_NOMEM, &err);
    lsm_alloc_fail_at(1, false);
    assert_status(memtable_iter_new(&it, memtable, 1, &err), LSMKV_NOMEM, &err);
    lsm_alloc_fail_at(0, false);
    assert_int_equal(memtable_entries(memtable), 1);
    assert_int_equal(memtable_sequence_max(memtable), 1);
    assert_false(memtable_get(memtable, slice_of("b", 1), 9, &found));
    assert_ok(memtable_add(memtable, &entry, &err), &err);
    assert_true(memtable_get(memtable, slice_of("b", 1), 9, &found));
    free(big);
    memtable_unref(memtable);
}

static void memtable_remembers_the_oldest_segment_it_needs(void **state)
{
    struct memtable *memtable = new_memtable();

    (void)state;
    assert_int_equal(memtable_segment(memtable), 7);
    assert_int_equal(memtable_oldest_segment(memtable), 7);
    memtable_needs_segment(memtable, 9);
    assert_int_equal(memtable_oldest_segment(memtable), 7);
    memtable_needs_segment(memtable, 4);
    memtable_needs_segment(memtable, 5);
    assert_int_equal(memtable_oldest_segment(memtable), 4);
    assert_int_equal(memtable_segment(memtable), 7);
    memtable_unref(memtable);
}

/* ---- Threads: one writer, three readers ---- */

enum { READERS = 3, KEYS = 16 };

struct shared {
    struct memtable *memtable;
    _Atomic uint64_t published; /* sequence up to which readers may look */
    _Atomic bool failed;
    uint64_t total;
    uint64_t seed;
};

/* The key that write `sequence` writes: every key comes again after KEYS writes, scattered. */
static void key_of(uint64_t sequence, uint8_t key[8])
{
    put_u64_be(key, sequence * 2654435761u % KEYS);
}

static void *write_all(void *argument)
{
    struct shared *shared = argument;

    for (uint64_t sequence = 1; sequence <= shared->total; sequence++) {
        uint8_t key[8], value[8];
        struct entry entry = {
            .key = slice_of(key, 8), .value = slice_of(value, 8), .sequence = sequence, .kind = ENTRY_PUT};

        key_of(sequence, key);
        put_u64(value, sequence);
        if (memtable_add(shared->memtable, &entry, NULL))
            atomic_store(&shared->failed, true);
        atomic_store_explicit(&shared->published, sequence, memory_order_release);
    }
    return NULL;
}

/* Every key below the published sequence is there in the version that the sequence tells. */
static bool get_is_right(const struct shared *shared, uint64_t sequence, uint64_t wanted)
{
    uint8_t key[8];
    struct entry entry;

    key_of(wanted, key);
    if (!memtable_get(shared->memtable, slice_of(key, 8), sequence, &entry))
        return false;
    return entry.sequence <= sequence && entry.sequence + KEYS > sequence && (entry.sequence - wanted) % KEYS == 0 &&
           get_u64(entry.value.data) == entry.sequence;
}

static bool scan_is_right(const struct shared *shared, uint64_t sequence, bool backward)
{
    uint64_t expected = sequence < KEYS ? sequence : KEYS, count = 0, last = 0;
    struct iter *it = NULL;
    bool right = !memtable_iter_new(&it, shared->memtable, sequence, NULL);

    if (!right)
        return false;
    right = !(backward ? iter_last(it, NULL) : iter_first(it, NULL));
    while (right && iter_valid(it)) {
        uint64_t key = get_u64_be(iter_entry(it)->key.data);

        right = iter_entry(it)->sequence <= sequence && (!count || (backward ? key < last : key > last));
        last = key;
        count++;
        right = right && !(backward ? iter_prev(it, NULL) : iter_next(it, NULL));
    }
    iter_free(it);
    return right && count == expected;
}

static bool walk_is_right(const struct shared *shared, uint64_t sequence)
{
    struct memtable_walk walk;
    struct entry entry;
    uint64_t count = 0;

    memtable_walk_start(&walk, shared->memtable);
    while (memtable_walk_next(&walk, &entry)) {
        if (entry.sequence != ++count)
            return false;
    }
    return count >= sequence;
}

static uint64_t published(const struct shared *shared)
{
    return atomic_load_explicit(&shared->published, memory_order_acquire);
}

static void *read_all(void *argument)
{
    struct shared *shared = argument;
    uint64_t random = shared->seed;
    bool right = true;

    while (published(shared) == 0)
        sched_yield();
    while (right && published(shared) < shared->total) {
        /* Always at the newest sequence: then the writer inserts right beside what is looked for. */
        for (int i = 0; right && i < 500; i++) {
            uint64_t sequence = published(shared), recent = sequence < KEYS ? sequence : KEYS;

            right = get_is_right(shared, sequence, sequence - test_random(&random) % recent);
        }
        right = right && scan_is_right(shared, published(shared), test_random(&random) % 2);
        if (test_random(&random) % 64 == 0)
            right = right && walk_is_right(shared, published(shared));
    }
    if (!right)
        atomic_store(&shared->failed, true);
    return NULL;
}

static void memtable_readers_see_all_that_was_published_while_one_writes(void **state)
{
    struct shared shared = {.memtable = new_memtable(), .total = test_scaled(300000) + KEYS, .seed = test_seed()};
    pthread_t readers[READERS], writer;

    (void)state;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &shared), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_all, &shared), 0);
    pthread_join(writer, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_false(shared.failed);
    assert_int_equal(memtable_entries(shared.memtable), shared.total);
    memtable_unref(shared.memtable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memtable_agrees_with_a_sorted_array),
        cmocka_unit_test(memtable_filled_in_order_agrees_with_a_sorted_array),
        cmocka_unit_test(memtable_takes_any_pattern_of_insertion),
        cmocka_unit_test(memtable_walk_yields_every_version_in_order_of_addition),
        cmocka_unit_test(memtable_walk_after_a_sequence_leaves_out_what_came_before),
        cmocka_unit_test(memtable_entries_with_marks_fit_the_room_that_is_reserved),
        cmocka_unit_test(memtable_iterator_skips_many_versions_of_a_key),
        cmocka_unit_test(memtable_holds_large_values_and_counts_their_bytes),
        cmocka_unit_test(memtable_iterator_outlives_the_reference_it_was_made_from),
        cmocka_unit_test(memtable_without_memory_stays_as_it_was),
        cmocka_unit_test(memtable_remembers_the_oldest_segment_it_needs),
        cmocka_unit_test(memtable_readers_see_all_that_was_published_while_one_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
