/*
 * skiplist.h - the memtable's inside, for its iterator.
 */
#ifndef LSM_MEMTABLE_SKIPLIST_H
#define LSM_MEMTABLE_SKIPLIST_H

#include "memtable/memtable.h"
#include "memtable/node.h"

#define MEMTABLE_HEIGHT_MAX 12 /* levels; 4^12 nodes before the highest one gets long */

/* The first node that does not come before `key`; NULL at the end. */
struct node *memtable_seek(const struct memtable *memtable, const struct node_key *key);
/* The last node that comes before `key`; NULL if there is none. */
struct node *memtable_seek_before(const struct memtable *memtable, const struct node_key *key);
/* Fills the last node before `key` of each level, the list's head if there is none; returns how many levels there are. */
unsigned memtable_seek_path(const struct memtable *memtable, const struct node_key *key,
                            struct node *before[MEMTABLE_HEIGHT_MAX]);
struct node *memtable_first(const struct memtable *memtable);
struct node *memtable_last(const struct memtable *memtable);

static inline struct node *memtable_after(struct node *node)
{
    return atomic_load_explicit(&node->next, memory_order_acquire);
}

#endif
