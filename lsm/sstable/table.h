/*
 * table.h - one SSTable that the store knows: its recorded facts, and its reader, opened at first use.
 *
 * A bounded number of readers is open at a time (struct table_cache); a hit takes no lock: it is one atomic add on the
 * table's own word, whose OPEN bit and user count keep eviction away. Blocks are verified at first touch by a read that
 * can fail; a bitmap of the open reader remembers it. Uncompressed blocks are then used from the map; compressed ones
 * live in the block cache.
 *
 * Threads:   all functions may be called at the same time. Iterators: one thread at a time.
 * Ownership: reference-counted. The last table_unref() calls the cache's `drop` for a table marked obsolete, so that the
 *            background thread closes and removes it; other tables are closed there and then.
 * Failure:   damage is CORRUPT and names file and offset; it is found again at each touch, never remembered as good.
 */
#ifndef LSM_SSTABLE_TABLE_H
#define LSM_SSTABLE_TABLE_H

#include <stdatomic.h>

#include "base/counters.h"
#include "base/iter.h"
#include "os/fs.h"
#include "sstable/info.h"

struct table_cache;
struct table;

/* `open_max`: readers open at a time; `cache_size`: bytes of decompressed blocks, indexes and filters. */
LSMKV_MUST_CHECK enum lsmkv_status table_cache_new(struct table_cache **cache, struct os_fs *fs, const char *dir,
                                                   size_t open_max, uint64_t cache_size, enum lsmkv_io io,
                                                   struct counters *counters, struct lsmkv_error *err);
void table_cache_free(struct table_cache *cache); /* every table must be gone */
/* Another `cache_size`; what is over it and not in use is given back. */
void table_cache_resize(struct table_cache *cache, uint64_t cache_size);
uint64_t table_cache_bytes(const struct table_cache *cache); /* memory charged at present */
/* Called with the last reference of an obsolete table, from any thread; it must not block. The callee owns the table. */
void table_cache_on_drop(struct table_cache *cache, void (*drop)(void *context, struct table *table), void *context);
/* Locks of the cache, for lsmkv_locks_each(). */
struct mutex;
void table_cache_locks(struct table_cache *cache, void (*visit)(void *context, const struct mutex *mutex),
                       void *context);

/* Copies `info`; opens nothing. */
LSMKV_MUST_CHECK enum lsmkv_status table_new(struct table **table, struct table_cache *cache,
                                             const struct sstable_info *info, struct lsmkv_error *err);
void table_ref(struct table *table);
void table_unref(struct table *table); /* NULL is fine */
void table_free(struct table *table);  /* closes and frees one that `drop` handed over; the file stays */
void table_set_obsolete(struct table *table);

const struct sstable_info *table_info(const struct table *table);
bool table_loaded(const struct table *table);
uint64_t table_accesses(const struct table *table);

/*
 * Compaction's claim: true for exactly one caller until table_unclaim(). Called under the scheduler's lock; atomic so
 * that lsmkv_sstables_each() may look.
 */
bool table_claim(struct table *table);
void table_unclaim(struct table *table);
bool table_claimed(const struct table *table);

/*
 * Point read. `value` (may be NULL) is emptied and filled with a copy when a PUT is found. *kind says what was found.
 * Consults key bounds and filter before any block.
 */
LSMKV_MUST_CHECK enum lsmkv_status table_get(struct table *table, struct lsmkv_slice key, struct lsmkv_buf *value,
                                             enum entry_kind *kind, bool *found, struct lsmkv_error *err);

/*
 * About which share of the table's entries lies below `key`: 0 to 1. From the block index, to
 * about one block, if the table is open; else by where the key lies between the table's smallest and largest. Opens
 * nothing, reads nothing.
 */
double table_position(struct table *table, struct lsmkv_slice key);

/*
 * Yields every entry. Holds a reference on the table and keeps its reader open. `sequential`: for compaction; reads with
 * large positioned reads, verifies every block, keeps out of caches and map.
 */
LSMKV_MUST_CHECK enum lsmkv_status table_iter_new(struct iter **it, struct table *table, bool sequential,
                                                  struct lsmkv_error *err);

#endif
