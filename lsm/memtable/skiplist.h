/*
 * skiplist.h - the memtable's inside, for its iterator.
 */
#ifndef LSM_MEMTABLE_SKIPLIST_H
#define LSM_MEMTABLE_SKIPLIST_H

#include "memtable/memtable.h"
#include "memtable/node.h"

/* The first node that does not come before `key`; NULL at the end. */
struct node *memtable_seek(const struct memtable *memtable, const struct node_key *key);
/* The last node that comes before `key`; NULL if there is none. */
struct node *memtable_seek_before(const struct memtable *memtable, const struct node_key *key);
struct node *memtable_first(const struct memtable *memtable);
struct node *memtable_last(const struct memtable *memtable);

static inline struct node *memtable_after(struct node *node)
{
    return atomic_load_explicit(&node->next, memory_order_acquire);
}

#endif
