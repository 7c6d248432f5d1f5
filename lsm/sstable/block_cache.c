/*
 * block_cache.c - shards of a hash table and a list of the unpinned blocks, oldest use first.
 *
 * A pinned block is in the table but not in the list, so evicting is taking the head of the list. Each shard may hold an
 * equal part of what is not reserved.
 */
#include "sstable/block_cache.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/error.h"

#define SHARDS      8
#define BUCKETS_MIN 64

struct shard {
    struct mutex mutex;
    /* All below: guarded by `mutex`. */
    struct cached_block **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    uint64_t charge;
    struct cached_block *oldest, *newest; /* unpinned */
};

struct block_cache {
    _Atomic uint64_t capacity;
    _Atomic uint64_t reserved;
    _Atomic uint64_t charge; /* of all shards; for statistics */
    struct shard shards[SHARDS];
};

static const char *const shard_names[SHARDS] = {
    "block_cache_0", "block_cache_1", "block_cache_2", "block_cache_3",
    "block_cache_4", "block_cache_5", "block_cache_6", "block_cache_7",
};

struct cached_block *cached_block_new(size_t size)
{
    struct cached_block *block;

    if (size > SIZE_MAX - sizeof(*block))
        return NULL;
    block = lsm_alloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct cached_block){.size = size, .charge = sizeof(*block) + size, .pins = 1};
    return block;
}

void cached_block_free(struct cached_block *block)
{
    lsm_free(block);
}

enum lsmkv_status block_cache_new(struct block_cache **cache, uint64_t capacity, struct lsmkv_error *err)
{
    struct block_cache *made = lsm_calloc(1, sizeof(*made));

    *cache = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    atomic_init(&made->capacity, capacity);
    for (size_t i = 0; i < SHARDS; i++)
        mutex_init(&made->shards[i].mutex, shard_names[i], RANK_BLOCK_CACHE);
    *cache = made;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &made->shards[i];

        shard->buckets = lsm_calloc(BUCKETS_MIN, sizeof(*shard->buckets));
        if (!shard->buckets) {
            block_cache_free(made);
            *cache = NULL;
            return lsmkv_fail_nomem(err);
        }
        shard->bucket_count = BUCKETS_MIN;
    }
    return LSMKV_OK;
}

void block_cache_free(struct block_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];

        while (shard->oldest) {
            struct cached_block *block = shard->oldest;

            shard->oldest = block->newer;
            lsm_free(block);
        }
        lsm_free(shard->buckets);
        mutex_release(&shard->mutex);
    }
    lsm_free(cache);
}

static uint64_t hash_of(uint64_t table, uint64_t ordinal)
{
    uint64_t hash = (table * UINT64_C(0x9e3779b97f4a7c15)) ^ (ordinal * UINT64_C(0xd6e8feb86659fd93));

    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

static struct shard *shard_of(struct block_cache *cache, uint64_t hash)
{
    return &cache->shards[hash >> 61]; /* the upper 3 bits: SHARDS is 8 */
}

static struct cached_block **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->buckets[hash & (shard->bucket_count - 1)];
}

/* ---- The list of unpinned blocks; the shard's lock is held ---- */

static void list_append(struct shard *shard, struct cached_block *block)
{
    block->older = shard->newest;
    block->newer = NULL;
    if (shard->newest)
        shard->newest->newer = block;
    else
        shard->oldest = block;
    shard->newest = block;
}

static void list_remove(struct shard *shard, struct cached_block *block)
{
    if (block->older)
        block->older->newer = block->newer;
    else
        shard->oldest = block->newer;
    if (block->newer)
        block->newer->older = block->older;
    else
        shard->newest = block->older;
}

/* ---- The hash table; the shard's lock is held ---- */

static struct cached_block *lookup(struct shard *shard, uint64_t hash, uint64_t table, uint64_t ordinal)
{
    struct cached_block *block = *bucket_of(shard, hash);

    while (block && (block->table != table || block->ordinal != ordinal))
        block = block->chain;
    return block;
}

static void table_remove(struct block_cache *cache, struct shard *shard, struct cached_block *block)
{
    struct cached_block **link = bucket_of(shard, hash_of(block->table, block->ordinal));

    while (*link != block)
        link = &(*link)->chain;
    *link = block->chain;
    block->kept = false;
    shard->count--;
    shard->charge -= block->charge;
    atomic_fetch_sub_explicit(&cache->charge, block->charge, memory_order_relaxed);
}

static void table_add(struct block_cache *cache, struct shard *shard, struct cached_block *block, uint64_t hash)
{
    struct cached_block **bucket = bucket_of(shard, hash);

    block->chain = *bucket;
    *bucket = block;
    block->kept = true;
    shard->count++;
    shard->charge += block->charge;
    atomic_fetch_add_explicit(&cache->charge, block->charge, memory_order_relaxed);
}

/* Doubles the buckets when chains become long. Failing to is harmless. */
static void grow(struct shard *shard)
{
    size_t count = shard->bucket_count * 2;
    struct cached_block **buckets;

    if (shard->count < shard->bucket_count)
        return;
    buckets = lsm_calloc(count, sizeof(*buckets));
    if (!buckets)
        return;
    for (size_t i = 0; i < shard->bucket_count; i++) {
        while (shard->buckets[i]) {
            struct cached_block *block = shard->buckets[i];
            struct cached_block **bucket = &buckets[hash_of(block->table, block->ordinal) & (count - 1)];

            shard->buckets[i] = block->chain;
            block->chain = *bucket;
            *bucket = block;
        }
    }
    lsm_free(shard->buckets);
    shard->buckets = buckets;
    shard->bucket_count = count;
}

static uint64_t shard_capacity(const struct block_cache *cache)
{
    uint64_t reserved = block_cache_reserved(cache);
    uint64_t capacity = atomic_load_explicit(&cache->capacity, memory_order_relaxed);

    return reserved < capacity ? (capacity - reserved) / SHARDS : 0;
}

/* Evicts unpinned blocks until `more` bytes fit, or there are none left. */
static void make_room(struct block_cache *cache, struct shard *shard, uint64_t more)
{
    uint64_t capacity = shard_capacity(cache);

    while (shard->oldest && shard->charge + more > capacity) {
        struct cached_block *block = shard->oldest;

        list_remove(shard, block);
        table_remove(cache, shard, block);
        lsm_free(block);
    }
}

/* ---- Blocks ---- */

static void pin(struct shard *shard, struct cached_block *block)
{
    if (block->pins++ == 0)
        list_remove(shard, block);
}

struct cached_block *block_cache_find(struct block_cache *cache, uint64_t table, uint64_t ordinal)
{
    uint64_t hash = hash_of(table, ordinal);
    struct shard *shard = shard_of(cache, hash);
    struct cached_block *block;

    mutex_lock(&shard->mutex);
    block = lookup(shard, hash, table, ordinal);
    if (block)
        pin(shard, block);
    mutex_unlock(&shard->mutex);
    return block;
}

struct cached_block *block_cache_insert(struct block_cache *cache, uint64_t table, uint64_t ordinal,
                                        struct cached_block *block)
{
    uint64_t hash = hash_of(table, ordinal);
    struct shard *shard = shard_of(cache, hash);
    struct cached_block *present;

    block->table = table;
    block->ordinal = ordinal;
    if (block->charge > shard_capacity(cache))
        return block;
    mutex_lock(&shard->mutex);
    present = lookup(shard, hash, table, ordinal);
    if (present) {
        pin(shard, present);
    } else {
        make_room(cache, shard, block->charge);
        if (shard->charge + block->charge <= shard_capacity(cache)) {
            grow(shard);
            table_add(cache, shard, block, hash);
        }
    }
    mutex_unlock(&shard->mutex);
    if (!present)
        return block;
    cached_block_free(block);
    return present;
}

void block_cache_release(struct block_cache *cache, struct cached_block *block)
{
    struct shard *shard = shard_of(cache, hash_of(block->table, block->ordinal));
    bool gone;

    mutex_lock(&shard->mutex);
    gone = --block->pins == 0 && !block->kept;
    if (block->pins == 0 && block->kept)
        list_append(shard, block);
    mutex_unlock(&shard->mutex);
    if (gone)
        lsm_free(block);
}

/* ---- Capacity, and memory of open tables ---- */

static void shrink(struct block_cache *cache)
{
    for (size_t i = 0; i < SHARDS; i++) {
        mutex_lock(&cache->shards[i].mutex);
        make_room(cache, &cache->shards[i], 0);
        mutex_unlock(&cache->shards[i].mutex);
    }
}

void block_cache_resize(struct block_cache *cache, uint64_t capacity)
{
    atomic_store_explicit(&cache->capacity, capacity, memory_order_relaxed);
    shrink(cache);
}

void block_cache_reserve(struct block_cache *cache, uint64_t bytes)
{
    atomic_fetch_add_explicit(&cache->reserved, bytes, memory_order_relaxed);
    shrink(cache);
}

void block_cache_unreserve(struct block_cache *cache, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&cache->reserved, bytes, memory_order_relaxed);
}

uint64_t block_cache_reserved(const struct block_cache *cache)
{
    return atomic_load_explicit(&cache->reserved, memory_order_relaxed);
}

uint64_t block_cache_bytes(const struct block_cache *cache)
{
    return atomic_load_explicit(&cache->charge, memory_order_relaxed) + block_cache_reserved(cache);
}

void block_cache_locks(struct block_cache *cache, void (*visit)(void *context, const struct mutex *mutex),
                       void *context)
{
    for (size_t i = 0; i < SHARDS; i++)
        visit(context, &cache->shards[i].mutex);
}
