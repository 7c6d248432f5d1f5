/*
 * iter.h - the iterator interface of memtables, tables, levels and merges.
 *
 * An iterator yields entries in key order, at most one version of each key (the newest that it may show), tombstones
 * included. It starts invalid; a positioning call makes it valid or leaves it invalid at the end. A failed move leaves
 * it invalid and reports; the end is not a failure.
 *
 * Threads: one at a time. Ownership: iter_free() frees what the constructor made.
 */
#ifndef LSM_BASE_ITER_H
#define LSM_BASE_ITER_H

#include "base/entry.h"

struct iter;

struct iter_ops {
    enum lsmkv_status (*first)(struct iter *it, struct lsmkv_error *err);
    enum lsmkv_status (*last)(struct iter *it, struct lsmkv_error *err);
    enum lsmkv_status (*seek)(struct iter *it, struct lsmkv_slice key, struct lsmkv_error *err);
    enum lsmkv_status (*seek_for_prev)(struct iter *it, struct lsmkv_slice key, struct lsmkv_error *err);
    enum lsmkv_status (*next)(struct iter *it, struct lsmkv_error *err);
    enum lsmkv_status (*prev)(struct iter *it, struct lsmkv_error *err);
    void (*free)(struct iter *it);
};

/* The first member of every implementation. `entry` is set by the implementation and borrowed until the next move. */
struct iter {
    const struct iter_ops *ops;
    bool valid;
    struct entry entry;
};

static inline bool iter_valid(const struct iter *it)
{
    return it->valid;
}

static inline const struct entry *iter_entry(const struct iter *it)
{
    return &it->entry;
}

LSMKV_MUST_CHECK static inline enum lsmkv_status iter_first(struct iter *it, struct lsmkv_error *err)
{
    return it->ops->first(it, err);
}

LSMKV_MUST_CHECK static inline enum lsmkv_status iter_last(struct iter *it, struct lsmkv_error *err)
{
    return it->ops->last(it, err);
}

/* To the first entry with key >= `key`. */
LSMKV_MUST_CHECK static inline enum lsmkv_status iter_seek(struct iter *it, struct lsmkv_slice key,
                                                           struct lsmkv_error *err)
{
    return it->ops->seek(it, key, err);
}

/* To the last entry with key <= `key`. */
LSMKV_MUST_CHECK static inline enum lsmkv_status iter_seek_for_prev(struct iter *it, struct lsmkv_slice key,
                                                                    struct lsmkv_error *err)
{
    return it->ops->seek_for_prev(it, key, err);
}

/* Requires a valid iterator; so does iter_prev(). Directions may be mixed. */
LSMKV_MUST_CHECK static inline enum lsmkv_status iter_next(struct iter *it, struct lsmkv_error *err)
{
    return it->ops->next(it, err);
}

LSMKV_MUST_CHECK static inline enum lsmkv_status iter_prev(struct iter *it, struct lsmkv_error *err)
{
    return it->ops->prev(it, err);
}

static inline void iter_free(struct iter *it)
{
    if (it)
        it->ops->free(it);
}

#endif
