/*
 * read_set.c - ranges in an array, in the order in which they were read until the set is sealed: sorted then, and disjoint.
 *
 * Every key is stored with a zero byte behind it, which is the upper bound that includes it. So a single key, and a range
 * up to and with its last key, need no bytes of their own for that.
 */
#include "txn/read_set.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define CAPACITY_FIRST 16
#define CHUNK_MAX      (64u << 10) /* bytes */
#define KEYSPACE_SIZE  4           /* bytes that name a table or an index, in front of every key */

struct range {
    struct lsmkv_slice lower;
    struct lsmkv_slice upper; /* exclusive; data == NULL: unbounded */
};

struct read_set {
    struct arena arena; /* the bytes of keys */
    struct range *ranges;
    size_t count;
    size_t capacity;
    uint64_t key_bytes; /* given to the arena since it was new */
    bool sealed;
    bool everything; /* then there are no ranges */
};

enum lsmkv_status read_set_new(struct read_set **set, struct lsmkv_error *err)
{
    struct read_set *made = lsm_calloc(1, sizeof(*made));

    if (!made)
        return lsmkv_fail_nomem(err);
    arena_init(&made->arena, CHUNK_MAX);
    made->sealed = true;
    *set = made;
    return LSMKV_OK;
}

void read_set_free(struct read_set *set)
{
    if (!set)
        return;
    arena_release(&set->arena);
    lsm_free(set->ranges);
    lsm_free(set);
}

bool read_set_empty(const struct read_set *set)
{
    return set->count == 0 && !set->everything;
}

bool read_set_everything(const struct read_set *set)
{
    return set->everything;
}

bool read_set_sealed(const struct read_set *set)
{
    return set->sealed;
}

uint64_t read_set_bytes(const struct read_set *set)
{
    return sizeof(*set) + set->arena.total + set->capacity * sizeof(*set->ranges);
}

void read_set_add_everything(struct read_set *set)
{
    arena_release(&set->arena);
    lsm_free(set->ranges);
    set->ranges = NULL;
    set->count = 0;
    set->capacity = 0;
    set->key_bytes = 0;
    set->sealed = false;
    set->everything = true;
}

/* ---- Order ---- */

/* Bounds above: unbounded is the largest. */
static int compare_uppers(struct lsmkv_slice a, struct lsmkv_slice b)
{
    if (!a.data || !b.data)
        return !a.data - !b.data;
    return slice_compare(a, b);
}

static int compare_ranges(const void *a, const void *b)
{
    const struct range *left = a, *right = b;
    int order = slice_compare(left->lower, right->lower);

    return order ? order : compare_uppers(left->upper, right->upper);
}

/* Whether no key lies between `left` and a range that begins at `lower`, which is not before it. */
static bool touches(const struct range *left, struct lsmkv_slice lower)
{
    return !left->upper.data || slice_compare(lower, left->upper) <= 0;
}

/* Whether nothing is to be done: ranges that are read in order mostly are sorted and disjoint. */
static bool is_sorted(const struct read_set *set)
{
    for (size_t i = 1; i < set->count; i++) {
        if (slice_compare(set->ranges[i - 1].lower, set->ranges[i].lower) >= 0 ||
            touches(&set->ranges[i - 1], set->ranges[i].lower))
            return false;
    }
    return true;
}

void read_set_seal(struct read_set *set)
{
    size_t kept = 0;

    if (set->sealed)
        return;
    set->sealed = true;
    if (is_sorted(set))
        return;
    qsort(set->ranges, set->count, sizeof(*set->ranges), compare_ranges);
    for (size_t i = 1; i < set->count; i++) {
        struct range *last = &set->ranges[kept];

        if (!touches(last, set->ranges[i].lower))
            set->ranges[++kept] = set->ranges[i];
        else if (compare_uppers(last->upper, set->ranges[i].upper) < 0)
            last->upper = set->ranges[i].upper;
    }
    set->count = kept + 1;
}

/* ---- Making it smaller ---- */

static bool same_keyspace(const struct range *a, const struct range *b)
{
    return a->lower.size >= KEYSPACE_SIZE && b->lower.size >= KEYSPACE_SIZE &&
           memcmp(a->lower.data, b->lower.data, KEYSPACE_SIZE) == 0;
}

/* Merges each range with the next one, where both are of one keyspace or `any` will do. */
static void merge_pairs(struct read_set *set, bool any)
{
    size_t kept = 0;

    for (size_t i = 0; i < set->count; i++) {
        struct range range = set->ranges[i];

        if (i + 1 < set->count && (any || same_keyspace(&range, &set->ranges[i + 1])))
            range.upper = set->ranges[++i].upper; /* sorted and disjoint, so the larger one */
        set->ranges[kept++] = range;
    }
    set->count = kept;
}

static bool copy_bytes(struct arena *arena, struct lsmkv_slice *slice)
{
    uint8_t *copy;

    if (!slice->data)
        return true;
    copy = arena_alloc(arena, slice->size + 1, 1);
    if (!copy)
        return false;
    memcpy(copy, slice->data, slice->size);
    copy[slice->size] = 0;
    slice->data = copy;
    return true;
}

/* How the upper bound of a range is given. */
enum upper_kind {
    UPPER_BOUND, /* exclusive, or unbounded */
    UPPER_LAST,  /* a key that the range holds */
    UPPER_SAME,  /* the lower bound, which is all that the range holds */
};

/* Copies both bounds; false if there is no memory. */
static bool copy_range(struct arena *arena, struct range *range, enum upper_kind kind)
{
    if (!copy_bytes(arena, &range->lower))
        return false;
    if (kind == UPPER_SAME)
        range->upper = range->lower;
    else if (!copy_bytes(arena, &range->upper))
        return false;
    if (kind != UPPER_BOUND)
        range->upper.size++; /* over the zero byte behind the copy */
    return true;
}

/* Leaves the bytes behind that no range needs any more. Without memory they stay. */
static void shed_bytes(struct read_set *set)
{
    struct range *ranges = lsm_alloc(set->count * sizeof(*ranges));
    uint64_t key_bytes = 0;
    struct arena arena;
    bool good = ranges != NULL;

    arena_init(&arena, CHUNK_MAX);
    for (size_t i = 0; good && i < set->count; i++) {
        ranges[i] = set->ranges[i];
        good = copy_range(&arena, &ranges[i], UPPER_BOUND);
        key_bytes += ranges[i].lower.size + ranges[i].upper.size;
    }
    if (good) {
        memcpy(set->ranges, ranges, set->count * sizeof(*ranges));
        arena_release(&set->arena);
        set->arena = arena;
        set->key_bytes = key_bytes;
    } else {
        arena_release(&arena);
    }
    lsm_free(ranges);
}

/* To half of what is allowed, so that it is not soon due again. */
static void shrink(struct read_set *set)
{
    read_set_seal(set);
    if (set->count > READ_SET_MAX / 2 || set->key_bytes > READ_SET_BYTES_MAX)
        merge_pairs(set, false);
    while (set->count > READ_SET_MAX * 3 / 4)
        merge_pairs(set, true);
    shed_bytes(set);
    while (set->key_bytes > READ_SET_BYTES_MAX / 2 && set->count > 1) {
        merge_pairs(set, true);
        shed_bytes(set);
    }
}

/* ---- Adding ---- */

static bool reserve_range(struct read_set *set)
{
    size_t capacity = set->capacity ? set->capacity * 2 : CAPACITY_FIRST;
    struct range *ranges;

    if (set->count < set->capacity)
        return true;
    ranges = lsm_realloc(set->ranges, capacity * sizeof(*ranges));
    if (!ranges)
        return false;
    set->ranges = ranges;
    set->capacity = capacity;
    return true;
}

static void add(struct read_set *set, struct range range, enum upper_kind kind)
{
    if (set->everything)
        return;
    if (!reserve_range(set) || !copy_range(&set->arena, &range, kind)) {
        read_set_add_everything(set);
        return;
    }
    set->key_bytes += range.lower.size + range.upper.size;
    set->ranges[set->count++] = range;
    set->sealed = false;
    if (set->count > READ_SET_MAX || set->key_bytes > READ_SET_BYTES_MAX) {
        shrink(set);
        set->sealed = false; /* its owner has not sealed it since the last addition */
    }
}

/* Not NULL: an empty key is no missing bound. */
static struct lsmkv_slice bound_of(struct lsmkv_slice key)
{
    static const uint8_t none[1];

    return slice_of(key.data ? key.data : none, key.size);
}

void read_set_add_key(struct read_set *set, struct lsmkv_slice key)
{
    struct range range = {bound_of(key), {NULL, 0}};

    /* The same key again, as when a row is read for each of its columns. */
    if (set->count && slice_equal(set->ranges[set->count - 1].lower, key))
        return;
    add(set, range, UPPER_SAME);
}

void read_set_add_range(struct read_set *set, struct lsmkv_slice lower, struct lsmkv_slice upper)
{
    struct range range = {bound_of(lower), upper};

    if (upper.data && slice_compare(lower, upper) >= 0)
        return;
    add(set, range, UPPER_BOUND);
}

void read_set_add_through(struct read_set *set, struct lsmkv_slice lower, struct lsmkv_slice last)
{
    struct range range = {bound_of(lower), bound_of(last)};

    if (slice_equal(lower, last))
        read_set_add_key(set, last);
    else if (slice_compare(lower, last) < 0)
        add(set, range, UPPER_LAST);
}

/* ---- Asking ---- */

bool read_set_contains(const struct read_set *set, struct lsmkv_slice key)
{
    size_t low = 0, high = set->count;

    assert(set->sealed);
    /* The first range that ends after the key. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct lsmkv_slice upper = set->ranges[middle].upper;

        if (upper.data && slice_compare(upper, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return set->everything || (low < set->count && slice_compare(set->ranges[low].lower, key) <= 0);
}

/* Whether `upper` is `lower` and a zero byte. */
static bool is_key(const struct range *range)
{
    size_t size = range->lower.size;

    return range->upper.data && range->upper.size == size + 1 && range->upper.data[size] == 0 &&
           (range->upper.data == range->lower.data || memcmp(range->upper.data, range->lower.data, size) == 0);
}

enum lsmkv_status read_set_each(const struct read_set *set,
                                enum lsmkv_status (*visit)(void *context, struct lsmkv_slice lower,
                                                           struct lsmkv_slice upper, bool key, struct lsmkv_error *err),
                                void *context, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    assert(set->sealed);
    if (set->everything)
        return visit(context, slice_of(NULL, 0), slice_of(NULL, 0), false, err);
    for (size_t i = 0; !status && i < set->count; i++)
        status = visit(context, set->ranges[i].lower, set->ranges[i].upper, is_key(&set->ranges[i]), err);
    return status;
}
