/*
 * batch.c - the buffered writes of one transaction.
 *
 * Ordinals that a rollback killed are kept as ranges. A rollback kills everything after its mark, so a new range swallows
 * those that begin after the mark, and the list stays sorted with changes at its end only. It is empty in the common case.
 */
#include "txn/batch.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/error.h"

/* Ordinals `first` to `last`, both dead. Between two ranges there is a live ordinal. */
struct dead_range {
    uint64_t first;
    uint64_t last;
};

struct batch {
    _Atomic uint32_t references; /* that of a prepare in doubt is given up by whichever thread settles it */
    struct memtable *memtable;
    uint64_t last; /* ordinal of the newest write, dead ones included */
    uint64_t dead; /* ordinals in `ranges` */
    struct dead_range *ranges;
    size_t range_count;
    size_t range_capacity; /* more than range_count once there is a write: a rollback cannot fail */
};

struct batch_iter {
    struct iter base;
    struct batch *batch;
    struct iter *versions; /* the newest write of each key, dead or not */
};

enum lsmkv_status batch_new(struct batch **batch, struct lsmkv_error *err)
{
    struct batch *made = lsm_calloc(1, sizeof(*made));
    enum lsmkv_status status;

    if (!made)
        return lsmkv_fail_nomem(err);
    status = memtable_new(&made->memtable, 0, err);
    if (status) {
        lsm_free(made);
        return status;
    }
    atomic_init(&made->references, 1);
    *batch = made;
    return LSMKV_OK;
}

void batch_ref(struct batch *batch)
{
    atomic_fetch_add_explicit(&batch->references, 1, memory_order_relaxed);
}

void batch_unref(struct batch *batch)
{
    if (!batch || atomic_fetch_sub_explicit(&batch->references, 1, memory_order_acq_rel) != 1)
        return;
    memtable_unref(batch->memtable);
    lsm_free(batch->ranges);
    lsm_free(batch);
}

static enum lsmkv_status reserve_range(struct batch *batch, struct lsmkv_error *err)
{
    size_t capacity = batch->range_capacity ? batch->range_capacity * 2 : 4;
    struct dead_range *ranges;

    if (batch->range_count < batch->range_capacity)
        return LSMKV_OK;
    ranges = lsm_realloc(batch->ranges, capacity * sizeof(*ranges));
    if (!ranges)
        return lsmkv_fail_nomem(err);
    batch->ranges = ranges;
    batch->range_capacity = capacity;
    return LSMKV_OK;
}

enum lsmkv_status batch_add(struct batch *batch, enum entry_kind kind, struct lsmkv_slice key, struct lsmkv_slice value,
                            struct lsmkv_error *err)
{
    struct entry entry = {.key = key, .value = value, .sequence = batch->last + 1, .kind = kind};
    enum lsmkv_status status = reserve_range(batch, err);

    if (status)
        return status;
    status = memtable_add(batch->memtable, &entry, err);
    if (status)
        return status;
    batch->last++;
    return LSMKV_OK;
}

uint64_t batch_mark(const struct batch *batch)
{
    return batch->last;
}

void batch_rollback_to(struct batch *batch, uint64_t mark)
{
    struct dead_range range = {mark + 1, batch->last};

    if (mark >= batch->last)
        return;
    while (batch->range_count) {
        const struct dead_range *newest = &batch->ranges[batch->range_count - 1];

        if (newest->last < mark)
            break;
        if (newest->first < range.first)
            range.first = newest->first;
        batch->dead -= newest->last - newest->first + 1;
        batch->range_count--;
    }
    batch->ranges[batch->range_count++] = range;
    batch->dead += range.last - range.first + 1;
}

uint64_t batch_writes(const struct batch *batch)
{
    return batch->last - batch->dead;
}

bool batch_empty(const struct batch *batch)
{
    return batch->dead == batch->last;
}

uint64_t batch_bytes(const struct batch *batch)
{
    return memtable_bytes(batch->memtable) + batch->range_capacity * sizeof(*batch->ranges);
}

/* The range that `ordinal` is in, or NULL if it is live. */
static const struct dead_range *find_dead(const struct batch *batch, uint64_t ordinal)
{
    size_t low = 0, high = batch->range_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (batch->ranges[middle].last < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    return low < batch->range_count && batch->ranges[low].first <= ordinal ? &batch->ranges[low] : NULL;
}

/* Turns `entry`, a write of its key, into the newest live one that is not newer; false if there is none. */
static bool find_live(const struct batch *batch, struct entry *entry)
{
    const struct dead_range *dead = find_dead(batch, entry->sequence);

    while (dead) {
        if (!memtable_get(batch->memtable, entry->key, dead->first - 1, entry))
            return false;
        dead = find_dead(batch, entry->sequence);
    }
    return true;
}

bool batch_get(const struct batch *batch, struct lsmkv_slice key, struct entry *entry)
{
    return memtable_get(batch->memtable, key, batch->last, entry) && find_live(batch, entry);
}

static struct batch_iter *cast(struct iter *it)
{
    return (struct batch_iter *)(void *)it;
}

/* After a move of `versions`: goes on with `move` while the key has no live write. */
static enum lsmkv_status settle(struct batch_iter *it, enum lsmkv_status status,
                                enum lsmkv_status (*move)(struct iter *versions, struct lsmkv_error *err),
                                struct lsmkv_error *err)
{
    it->base.valid = false;
    while (!status && iter_valid(it->versions)) {
        it->base.entry = *iter_entry(it->versions);
        if (find_live(it->batch, &it->base.entry)) {
            it->base.valid = true;
            return LSMKV_OK;
        }
        status = move(it->versions, err);
    }
    return status;
}

static enum lsmkv_status iter_op_first(struct iter *base, struct lsmkv_error *err)
{
    struct batch_iter *it = cast(base);

    return settle(it, iter_first(it->versions, err), it->versions->ops->next, err);
}

static enum lsmkv_status iter_op_last(struct iter *base, struct lsmkv_error *err)
{
    struct batch_iter *it = cast(base);

    return settle(it, iter_last(it->versions, err), it->versions->ops->prev, err);
}

static enum lsmkv_status iter_op_seek(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct batch_iter *it = cast(base);

    return settle(it, iter_seek(it->versions, key, err), it->versions->ops->next, err);
}

static enum lsmkv_status iter_op_seek_for_prev(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct batch_iter *it = cast(base);

    return settle(it, iter_seek_for_prev(it->versions, key, err), it->versions->ops->prev, err);
}

static enum lsmkv_status iter_op_next(struct iter *base, struct lsmkv_error *err)
{
    struct batch_iter *it = cast(base);

    return settle(it, iter_next(it->versions, err), it->versions->ops->next, err);
}

static enum lsmkv_status iter_op_prev(struct iter *base, struct lsmkv_error *err)
{
    struct batch_iter *it = cast(base);

    return settle(it, iter_prev(it->versions, err), it->versions->ops->prev, err);
}

static void iter_op_free(struct iter *base)
{
    struct batch_iter *it = cast(base);

    iter_free(it->versions);
    batch_unref(it->batch);
    lsm_free(it);
}

static const struct iter_ops ops = {
    .first = iter_op_first,
    .last = iter_op_last,
    .seek = iter_op_seek,
    .seek_for_prev = iter_op_seek_for_prev,
    .next = iter_op_next,
    .prev = iter_op_prev,
    .free = iter_op_free,
};

enum lsmkv_status batch_iter_new(struct iter **it, struct batch *batch, uint64_t mark, struct lsmkv_error *err)
{
    struct batch_iter *made = lsm_calloc(1, sizeof(*made));
    enum lsmkv_status status;

    if (!made)
        return lsmkv_fail_nomem(err);
    status = memtable_iter_new(&made->versions, batch->memtable, mark, err);
    if (status) {
        lsm_free(made);
        return status;
    }
    made->base.ops = &ops;
    made->batch = batch;
    batch_ref(batch);
    *it = &made->base;
    return LSMKV_OK;
}
