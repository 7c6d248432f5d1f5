/*
 * block_cache.h - decompressed blocks in memory, least recently used out first, cut into shards with a lock each.
 *
 * The capacity is shared with the indexes and filters of open tables: what they reserve is taken from the blocks. A block
 * that does not fit in a shard is handed out all the same, but is not kept.
 *
 * Threads:   all functions may be called at the same time.
 * Ownership: a pinned block stays until it is released, evicted or not.
 */
#ifndef LSM_SSTABLE_BLOCK_CACHE_H
#define LSM_SSTABLE_BLOCK_CACHE_H

#include "lsmkv.h"
#include "os/sync.h"

struct block_cache;

/* One block: made by cached_block_new(), filled, then given to block_cache_insert(). `data` and `size` are the user's. */
struct cached_block {
    uint64_t table, ordinal;            /* whose; constant once inserted */
    size_t size;                        /* bytes that count in `data` */
    size_t charge;                      /* bytes of memory */
    unsigned pins;                      /* guarded by the shard's lock; of the caller before insertion */
    bool kept;                          /* in the hash table; as `pins` */
    struct cached_block *chain;         /* next in the bucket; as `pins` */
    struct cached_block *newer, *older; /* place among the unpinned ones; as `pins` */
    uint8_t data[];
};

struct cached_block *cached_block_new(size_t size); /* NULL on failure */
void cached_block_free(struct cached_block *block); /* one that was not inserted; NULL is fine */

LSMKV_MUST_CHECK enum lsmkv_status block_cache_new(struct block_cache **cache, uint64_t capacity,
                                                   struct lsmkv_error *err);
void block_cache_free(struct block_cache *cache); /* nothing pinned; NULL is fine */

/* Pins the block; NULL if it is not there. */
struct cached_block *block_cache_find(struct block_cache *cache, uint64_t table, uint64_t ordinal);
/* Takes over `block` and returns it pinned, or the same one that another thread inserted before. */
struct cached_block *block_cache_insert(struct block_cache *cache, uint64_t table, uint64_t ordinal,
                                        struct cached_block *block);
void block_cache_release(struct block_cache *cache, struct cached_block *block);

/* Another capacity: blocks that do not fit any more are evicted. */
void block_cache_resize(struct block_cache *cache, uint64_t capacity);

/* Takes memory of open tables from the capacity, and gives it back. */
void block_cache_reserve(struct block_cache *cache, uint64_t bytes);
void block_cache_unreserve(struct block_cache *cache, uint64_t bytes);
uint64_t block_cache_reserved(const struct block_cache *cache);
uint64_t block_cache_bytes(const struct block_cache *cache); /* kept blocks and what is reserved */

void block_cache_locks(struct block_cache *cache, void (*visit)(void *context, const struct mutex *mutex),
                       void *context);

#endif
