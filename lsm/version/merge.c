/*
 * merge.c - k-way merge by a binary heap.
 *
 * INVARIANTS while the iterator is valid
 *   (1) The heap holds exactly the children that are valid. Its root has the smallest key (largest when backward), and of
 *       those with that key the newest source, the one of the lowest rank.
 *   (2) Forward, every other child stands at its first entry not before the root's; backward, at its last not after it.
 *   (3) The entry shown is the root's.
 * A move therefore advances every child that stands at the root's key, the root last, since the key is borrowed from it.
 * A change of direction positions each child anew around a copy of the key.
 */
#include "version/merge.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"

struct source {
    struct iter *it;
    size_t rank; /* 0 is the newest */
};

struct merge_iter {
    struct iter base;
    bool backward;
    size_t count;
    struct source *sources; /* all, by rank */
    struct source *heap;    /* those that are valid */
    size_t live;            /* in the heap */
    struct lsmkv_buf key;   /* the key around which a change of direction turns */
    void (*release)(void *owner);
    void *owner;
};

static struct merge_iter *merge_of(struct iter *base)
{
    return (struct merge_iter *)base;
}

static bool goes_before(const struct merge_iter *merge, const struct source *a, const struct source *b)
{
    int order = slice_compare(a->it->entry.key, b->it->entry.key);

    if (order == 0)
        return a->rank < b->rank;
    return merge->backward ? order > 0 : order < 0;
}

static void sift_down(struct merge_iter *merge, size_t at)
{
    struct source moving = merge->heap[at];

    for (;;) {
        size_t child = at * 2 + 1;

        if (child >= merge->live)
            break;
        if (child + 1 < merge->live && goes_before(merge, &merge->heap[child + 1], &merge->heap[child]))
            child++;
        if (!goes_before(merge, &merge->heap[child], &moving))
            break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = moving;
}

/* After the sources have been positioned. */
static void build_heap(struct merge_iter *merge)
{
    merge->live = 0;
    for (size_t i = 0; i < merge->count; i++) {
        if (iter_valid(merge->sources[i].it))
            merge->heap[merge->live++] = merge->sources[i];
    }
    for (size_t i = merge->live / 2; i-- > 0;)
        sift_down(merge, i);
}

/* Ends each move. */
static enum lsmkv_status settle(struct merge_iter *merge, enum lsmkv_status status)
{
    merge->base.valid = !status && merge->live > 0;
    if (merge->base.valid)
        merge->base.entry = merge->heap[0].it->entry;
    return status;
}

/* Moves the source at heap position `at` by one entry in the present direction and restores (1) below `at`. */
static enum lsmkv_status advance(struct merge_iter *merge, size_t at, struct lsmkv_error *err)
{
    struct iter *it = merge->heap[at].it;
    enum lsmkv_status status = merge->backward ? iter_prev(it, err) : iter_next(it, err);

    if (status)
        return status;
    if (!iter_valid(it)) {
        merge->heap[at] = merge->heap[--merge->live];
        if (at == merge->live)
            return LSMKV_OK;
    }
    sift_down(merge, at);
    return LSMKV_OK;
}

/* The heap position, other than the root, of a source that stands at the root's key; 0 if there is none. */
static size_t find_shadowed(const struct merge_iter *merge)
{
    for (size_t at = 1; at <= 2 && at < merge->live; at++) {
        if (slice_equal(merge->heap[at].it->entry.key, merge->heap[0].it->entry.key))
            return at;
    }
    return 0;
}

/* To the next key in the present direction. */
static enum lsmkv_status step(struct merge_iter *merge, struct lsmkv_error *err)
{
    size_t at;

    /* By (1) a source with the root's key is a child of the root, or below one that has that key too. */
    while ((at = find_shadowed(merge)) != 0) {
        enum lsmkv_status status = advance(merge, at, err);

        if (status)
            return status;
    }
    return advance(merge, 0, err);
}

/* One source to the first entry beyond merge->key in the present direction. */
static enum lsmkv_status pass_key(const struct merge_iter *merge, struct iter *it, struct lsmkv_error *err)
{
    struct lsmkv_slice key = slice_of_buf(&merge->key);
    enum lsmkv_status status;

    if (merge->backward) {
        status = iter_seek_for_prev(it, key, err);
        if (!status && iter_valid(it) && slice_equal(iter_entry(it)->key, key))
            status = iter_prev(it, err);
    } else {
        status = iter_seek(it, key, err);
        if (!status && iter_valid(it) && slice_equal(iter_entry(it)->key, key))
            status = iter_next(it, err);
    }
    return status;
}

static enum lsmkv_status turn_around(struct merge_iter *merge, bool backward, struct lsmkv_error *err)
{
    enum lsmkv_status status = buf_set(&merge->key, merge->base.entry.key, err);

    if (status)
        return status;
    merge->backward = backward;
    for (size_t i = 0; !status && i < merge->count; i++)
        status = pass_key(merge, merge->sources[i].it, err);
    if (!status)
        build_heap(merge);
    return status;
}

static enum lsmkv_status merge_next(struct iter *base, struct lsmkv_error *err)
{
    struct merge_iter *merge = merge_of(base);

    return settle(merge, merge->backward ? turn_around(merge, false, err) : step(merge, err));
}

static enum lsmkv_status merge_prev(struct iter *base, struct lsmkv_error *err)
{
    struct merge_iter *merge = merge_of(base);

    return settle(merge, merge->backward ? step(merge, err) : turn_around(merge, true, err));
}

static enum lsmkv_status merge_first(struct iter *base, struct lsmkv_error *err)
{
    struct merge_iter *merge = merge_of(base);
    enum lsmkv_status status = LSMKV_OK;

    merge->backward = false;
    for (size_t i = 0; !status && i < merge->count; i++)
        status = iter_first(merge->sources[i].it, err);
    if (!status)
        build_heap(merge);
    return settle(merge, status);
}

static enum lsmkv_status merge_last(struct iter *base, struct lsmkv_error *err)
{
    struct merge_iter *merge = merge_of(base);
    enum lsmkv_status status = LSMKV_OK;

    merge->backward = true;
    for (size_t i = 0; !status && i < merge->count; i++)
        status = iter_last(merge->sources[i].it, err);
    if (!status)
        build_heap(merge);
    return settle(merge, status);
}

static enum lsmkv_status merge_seek(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct merge_iter *merge = merge_of(base);
    enum lsmkv_status status = LSMKV_OK;

    merge->backward = false;
    for (size_t i = 0; !status && i < merge->count; i++)
        status = iter_seek(merge->sources[i].it, key, err);
    if (!status)
        build_heap(merge);
    return settle(merge, status);
}

static enum lsmkv_status merge_seek_for_prev(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct merge_iter *merge = merge_of(base);
    enum lsmkv_status status = LSMKV_OK;

    merge->backward = true;
    for (size_t i = 0; !status && i < merge->count; i++)
        status = iter_seek_for_prev(merge->sources[i].it, key, err);
    if (!status)
        build_heap(merge);
    return settle(merge, status);
}

static void merge_free(struct iter *base)
{
    struct merge_iter *merge = merge_of(base);

    for (size_t i = 0; i < merge->count; i++)
        iter_free(merge->sources[i].it);
    if (merge->release)
        merge->release(merge->owner);
    lsmkv_buf_release(&merge->key);
    lsm_free(merge->sources);
    lsm_free(merge);
}

static const struct iter_ops merge_ops = {
    merge_first, merge_last, merge_seek, merge_seek_for_prev, merge_next, merge_prev, merge_free,
};

enum lsmkv_status merge_iter_new(struct iter **it, struct iter **children, size_t count, struct lsmkv_error *err)
{
    struct merge_iter *merge = (struct merge_iter *)lsm_calloc(1, sizeof(*merge));

    *it = NULL;
    if (merge)
        merge->sources = (struct source *)lsm_calloc(count ? count * 2 : 1, sizeof(struct source));
    if (!merge || !merge->sources) {
        lsm_free(merge);
        for (size_t i = 0; i < count; i++)
            iter_free(children[i]);
        return lsmkv_fail_nomem(err);
    }
    for (size_t i = 0; i < count; i++)
        merge->sources[i] = (struct source){children[i], i};
    merge->heap = merge->sources + count;
    merge->count = count;
    merge->base.ops = &merge_ops;
    *it = &merge->base;
    return LSMKV_OK;
}

void merge_iter_on_free(struct iter *it, void (*release)(void *owner), void *owner)
{
    merge_of(it)->release = release;
    merge_of(it)->owner = owner;
}
