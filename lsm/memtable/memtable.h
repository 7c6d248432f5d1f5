/*
 * memtable.h - an ordered map in memory from (key, sequence) to a version: an arena skip list.
 *
 * Threads:   one writer at a time (for a store's memtable, the holder of the log lock); any number of readers at the
 *            same time without a lock. A reader sees every entry that was added before the sequence it reads was
 *            published, and may or may not see later ones, which its sequence bound hides.
 * Ownership: reference-counted; nothing is freed before the whole table is. Entries that readers get are borrowed from it.
 *            An iterator holds a reference of its own.
 * Failure:   NOMEM (and TOOBIG for a key of a gigabyte or a value of four), which leave the table unchanged.
 */
#ifndef LSM_MEMTABLE_MEMTABLE_H
#define LSM_MEMTABLE_MEMTABLE_H

#include "base/arena.h"
#include "base/iter.h"

struct memtable;
struct history_link;

/* `segment` is the number of the WAL segment that carries its writes (0 for none: a transaction's buffer). */
LSMKV_MUST_CHECK enum lsmkv_status memtable_new(struct memtable **memtable, uint64_t segment, struct lsmkv_error *err);
void memtable_ref(struct memtable *memtable);
void memtable_unref(struct memtable *memtable); /* NULL is fine */

/* Copies key and value. (key, sequence) must be new. Adding keys in order is faster (the last position is a finger). */
LSMKV_MUST_CHECK enum lsmkv_status memtable_add(struct memtable *memtable, const struct entry *entry,
                                                struct lsmkv_error *err);

/*
 * Makes room, so that memtable_add() cannot fail for entries that take `bytes` together, by memtable_room(). More than a
 * gigabyte is not set aside at once: then the last ones may fail.
 */
LSMKV_MUST_CHECK enum lsmkv_status memtable_reserve(struct memtable *memtable, uint64_t bytes, struct lsmkv_error *err);
uint64_t memtable_room(const struct entry *entry); /* bytes that the entry takes at most */

/*
 * The same ahead of time, for whichever table will be the one: memtable_take() cannot fail, and leaves the spare empty.
 */
LSMKV_MUST_CHECK enum lsmkv_status memtable_spare_new(struct arena_spare *spare, uint64_t bytes,
                                                      struct lsmkv_error *err);
void memtable_take(struct memtable *memtable, struct arena_spare *spare);

/* The newest version of `key` with sequence <= `sequence`, tombstones included; false if there is none. */
bool memtable_get(const struct memtable *memtable, struct lsmkv_slice key, uint64_t sequence, struct entry *entry);

/* Yields for each key the newest version with sequence <= `sequence`. */
LSMKV_MUST_CHECK enum lsmkv_status memtable_iter_new(struct iter **it, struct memtable *memtable, uint64_t sequence,
                                                     struct lsmkv_error *err);

/* Every version, in the order in which they were added: memtable_walk_next() is false at the end. */
struct memtable_walk {
    const void *node;
};
void memtable_walk_start(struct memtable_walk *walk, const struct memtable *memtable);
/* Leaves out the entries up to `sequence`, if they were added in the order of their sequences; without passing them all. */
void memtable_walk_after(struct memtable_walk *walk, const struct memtable *memtable, uint64_t sequence);
bool memtable_walk_next(struct memtable_walk *walk, struct entry *entry);

/*
 * About how many entries have keys in [lower, upper), NULL data for no bound: exact for a few, else from the upper levels of
 * the list, whose nodes stand for about 4, 16, 64 ... of them.
 */
uint64_t memtable_estimate(const struct memtable *memtable, struct lsmkv_slice lower, struct lsmkv_slice upper);

uint64_t memtable_segment(const struct memtable *memtable);
uint64_t memtable_bytes(const struct memtable *memtable);   /* memory taken */
uint64_t memtable_entries(const struct memtable *memtable); /* versions held */
uint64_t memtable_sequence_max(const struct memtable *memtable);

/*
 * The oldest WAL segment that recovery needs for this table: its own, or an older one that holds the prepare of a
 * transaction whose outcome is here. Lowered by the holder of the log lock.
 */
uint64_t memtable_oldest_segment(const struct memtable *memtable);
void memtable_needs_segment(struct memtable *memtable, uint64_t segment);

struct history_link *memtable_history(struct memtable *memtable); /* for history.c */

#endif
