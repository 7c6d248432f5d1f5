/*
 * table.c - tables, and the bounded set of open ones among them.
 *
 * STATE WORD
 *   table->state = OPEN bit | number of pins. The bit says that `reader` may be used; it is set and cleared under the
 *   cache's mutex only, and cleared only from exactly OPEN, with no pin, by one compare-and-swap. So:
 *   (1) who adds a pin and saw OPEN in the same step has the reader until it takes the pin away;
 *   (2) who adds a pin and did not see OPEN takes it away again, and goes by the mutex.
 *   Setting OPEN (release) pairs with the adding of a pin (acquire): the reader is seen complete. Taking a pin away
 *   (release) pairs with the compare-and-swap (acquire): the reader is closed after its last use.
 *
 * EVICTION
 *   A CLOCK goes round the open tables: one that was accessed since the hand last passed gets a second chance, one that
 *   is pinned is passed over. When all are pinned, more than open_max are open until the next table is opened.
 */
#include "sstable/table.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/error.h"
#include "os/sync.h"
#include "sstable/table_pin.h"

#define TABLE_OPEN (UINT64_C(1) << 63)

struct table_cache {
    /* Constant after open. */
    char *dir;
    size_t open_max;
    void (*drop)(void *context, struct table *table);
    void *drop_context;
    /* Own synchronisation. */
    struct sstable_env env;
    /* Guarded by `mutex`. */
    struct mutex mutex;
    uint64_t readers_max; /* bytes of indexes and filters */
    struct table *hand;   /* the next that the CLOCK looks at; the open tables are a ring */
    size_t open_count;
};

struct table {
    /* The line that every read writes. */
    _Atomic uint64_t state;
    _Atomic uint64_t accesses;
    struct sstable *reader; /* see (1) */

    /* Constant after new, beside atomics that change seldom. */
    _Alignas(64) struct table_cache *cache;
    struct sstable_info info;
    _Atomic uint64_t refs;
    _Atomic bool obsolete;
    _Atomic bool claimed;

    /* Guarded by the cache's mutex. */
    struct table *ring_next, *ring_prev;
    uint64_t accesses_seen; /* when the hand last passed */
};

/* ---- Cache ---- */

/* Three quarters of the cache; the rest is for blocks. */
static uint64_t readers_share(uint64_t cache_size)
{
    return cache_size - cache_size / 4;
}

enum lsmkv_status table_cache_new(struct table_cache **cache, struct os_fs *fs, const char *dir, size_t open_max,
                                  uint64_t cache_size, enum lsmkv_io io, struct counters *counters,
                                  struct lsmkv_error *err)
{
    struct table_cache *made = lsm_calloc(1, sizeof(*made));
    enum lsmkv_status status;

    *cache = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    made->dir = lsm_strdup(dir);
    if (!made->dir) {
        lsm_free(made);
        return lsmkv_fail_nomem(err);
    }
    status = block_cache_new(&made->env.blocks, cache_size, err);
    if (status) {
        lsm_free(made->dir);
        lsm_free(made);
        return status;
    }
    made->open_max = open_max;
    made->readers_max = readers_share(cache_size);
    made->env.fs = fs;
    made->env.io = io;
    made->env.counters = counters;
    decompressor_init(&made->env.decompressor);
    mutex_init(&made->mutex, "table_cache", RANK_TABLE_CACHE);
    *cache = made;
    return LSMKV_OK;
}

void table_cache_free(struct table_cache *cache)
{
    if (!cache)
        return;
    block_cache_free(cache->env.blocks);
    decompressor_release(&cache->env.decompressor);
    mutex_release(&cache->mutex);
    lsm_free(cache->dir);
    lsm_free(cache);
}

uint64_t table_cache_bytes(const struct table_cache *cache)
{
    return block_cache_bytes(cache->env.blocks);
}

void table_cache_on_drop(struct table_cache *cache, void (*drop)(void *context, struct table *table), void *context)
{
    cache->drop = drop;
    cache->drop_context = context;
}

void table_cache_locks(struct table_cache *cache, void (*visit)(void *context, const struct mutex *mutex),
                       void *context)
{
    visit(context, &cache->mutex);
    block_cache_locks(cache->env.blocks, visit, context);
}

/* ---- Opening and evicting; the cache's mutex is held ---- */

static void ring_add(struct table_cache *cache, struct table *table)
{
    if (cache->hand) {
        table->ring_next = cache->hand;
        table->ring_prev = cache->hand->ring_prev;
        table->ring_prev->ring_next = table;
        table->ring_next->ring_prev = table;
    } else {
        table->ring_next = table->ring_prev = table;
        cache->hand = table;
    }
    cache->open_count++;
}

static void ring_remove(struct table_cache *cache, struct table *table)
{
    if (cache->hand == table)
        cache->hand = table->ring_next == table ? NULL : table->ring_next;
    table->ring_prev->ring_next = table->ring_next;
    table->ring_next->ring_prev = table->ring_prev;
    cache->open_count--;
}

/* The OPEN bit is clear and nobody has a pin. */
static void close_reader(struct table_cache *cache, struct table *table)
{
    ring_remove(cache, table);
    block_cache_unreserve(cache->env.blocks, table->reader->memory);
    sstable_close(table->reader);
    table->reader = NULL;
    counter_add(cache->env.counters, table_closes, 1);
}

/* Closes one open table that nobody uses; false if there is none. In its third round the hand gives no second chance. */
static bool evict_one(struct table_cache *cache)
{
    size_t steps = cache->open_count * 3;

    for (size_t step = 0; step < steps; step++) {
        struct table *table = cache->hand;
        uint64_t accesses = atomic_load_explicit(&table->accesses, memory_order_relaxed);
        uint64_t unused = TABLE_OPEN;

        cache->hand = table->ring_next;
        if (accesses != table->accesses_seen && step < cache->open_count * 2) {
            table->accesses_seen = accesses;
            continue;
        }
        if (atomic_compare_exchange_strong_explicit(&table->state, &unused, 0, memory_order_acquire,
                                                    memory_order_relaxed)) {
            close_reader(cache, table);
            return true;
        }
    }
    return false;
}

static bool may_open(const struct table_cache *cache)
{
    return cache->open_count == 0 ||
           (cache->open_count < cache->open_max && block_cache_reserved(cache->env.blocks) < cache->readers_max);
}

void table_cache_resize(struct table_cache *cache, uint64_t cache_size)
{
    mutex_lock(&cache->mutex);
    cache->readers_max = readers_share(cache_size);
    while (!may_open(cache) && evict_one(cache))
        ;
    mutex_unlock(&cache->mutex);
    block_cache_resize(cache->env.blocks, cache_size);
}

/* Opens `table` with one pin for the caller. */
static enum lsmkv_status open_reader(struct table_cache *cache, struct table *table, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    while (!may_open(cache) && evict_one(cache))
        ;
    status = sstable_open(&table->reader, &cache->env, cache->dir, &table->info, err);
    if (status)
        return status;
    ring_add(cache, table);
    table->accesses_seen = atomic_load_explicit(&table->accesses, memory_order_relaxed);
    counter_add(cache->env.counters, table_opens, 1);
    atomic_fetch_add_explicit(&table->state, TABLE_OPEN + 1, memory_order_release);
    block_cache_reserve(cache->env.blocks, table->reader->memory);
    return LSMKV_OK;
}

enum lsmkv_status table_pin(struct table *table, struct sstable **reader, struct lsmkv_error *err)
{
    struct table_cache *cache = table->cache;
    enum lsmkv_status status = LSMKV_OK;

    atomic_fetch_add_explicit(&table->accesses, 1, memory_order_relaxed);
    if (!(atomic_fetch_add_explicit(&table->state, 1, memory_order_acquire) & TABLE_OPEN)) {
        table_unpin(table);
        mutex_lock(&cache->mutex);
        if (atomic_load_explicit(&table->state, memory_order_relaxed) & TABLE_OPEN)
            atomic_fetch_add_explicit(&table->state, 1, memory_order_acquire);
        else
            status = open_reader(cache, table, err);
        mutex_unlock(&cache->mutex);
    }
    if (!status)
        *reader = table->reader;
    return status;
}

struct sstable *table_pin_open(struct table *table)
{
    if (atomic_fetch_add_explicit(&table->state, 1, memory_order_acquire) & TABLE_OPEN)
        return table->reader;
    table_unpin(table);
    return NULL;
}

void table_unpin(struct table *table)
{
    atomic_fetch_sub_explicit(&table->state, 1, memory_order_release);
}

/* ---- Tables ---- */

enum lsmkv_status table_new(struct table **table, struct table_cache *cache, const struct sstable_info *info,
                            struct lsmkv_error *err)
{
    struct table *made = lsm_alloc_aligned(64, sizeof(*made));
    enum lsmkv_status status;

    *table = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    memset(made, 0, sizeof(*made));
    status = sstable_info_copy(&made->info, info, err);
    if (status) {
        lsm_free_aligned(made);
        return status;
    }
    made->cache = cache;
    atomic_init(&made->refs, 1);
    *table = made;
    return LSMKV_OK;
}

void table_ref(struct table *table)
{
    atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
}

void table_unref(struct table *table)
{
    if (!table || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (table->cache->drop && atomic_load_explicit(&table->obsolete, memory_order_relaxed))
        table->cache->drop(table->cache->drop_context, table);
    else
        table_free(table);
}

void table_free(struct table *table)
{
    struct table_cache *cache = table->cache;

    mutex_lock(&cache->mutex);
    if (atomic_load_explicit(&table->state, memory_order_acquire) & TABLE_OPEN)
        close_reader(cache, table);
    mutex_unlock(&cache->mutex);
    sstable_info_release(&table->info);
    lsm_free_aligned(table);
}

void table_set_obsolete(struct table *table)
{
    atomic_store_explicit(&table->obsolete, true, memory_order_relaxed);
}

const struct sstable_info *table_info(const struct table *table)
{
    return &table->info;
}

bool table_loaded(const struct table *table)
{
    return atomic_load_explicit(&table->state, memory_order_relaxed) & TABLE_OPEN;
}

uint64_t table_accesses(const struct table *table)
{
    return atomic_load_explicit(&table->accesses, memory_order_relaxed);
}

bool table_claim(struct table *table)
{
    return !atomic_exchange(&table->claimed, true);
}

void table_unclaim(struct table *table)
{
    atomic_store(&table->claimed, false);
}

bool table_claimed(const struct table *table)
{
    return atomic_load(&table->claimed);
}

/* ---- Point read ---- */

static bool filter_excludes(const struct sstable *reader, struct lsmkv_slice key)
{
    struct counters *counters = reader->env->counters;

    if (!reader->filter.lines)
        return false;
    counter_add(counters, filter_checks, 1);
    if (filter_may_hold(&reader->filter, hash64(key)))
        return false;
    counter_add(counters, filter_negatives, 1);
    return true;
}

/* As table_get(), from an open table; the key is within its bounds. */
static enum lsmkv_status get(struct sstable *reader, struct lsmkv_slice key, struct lsmkv_buf *value,
                             enum entry_kind *kind, bool *found, struct lsmkv_error *err)
{
    struct block_ref ref;
    struct entry entry;
    size_t ordinal;
    enum lsmkv_status status;

    if (filter_excludes(reader, key))
        return LSMKV_OK;
    ordinal = sstable_index_find(reader, key);
    if (ordinal == reader->index.count)
        return LSMKV_OK;
    status = sstable_block(reader, ordinal, &ref, err);
    if (status)
        return status;
    status = block_get(&ref.block, key, &entry, found, err);
    if (!status && *found) {
        *kind = entry.kind;
        if (value && entry.kind == ENTRY_PUT)
            status = buf_set(value, entry.value, err);
    }
    block_ref_release(&ref, reader);
    return status;
}

enum lsmkv_status table_get(struct table *table, struct lsmkv_slice key, struct lsmkv_buf *value, enum entry_kind *kind,
                            bool *found, struct lsmkv_error *err)
{
    struct sstable *reader;
    enum lsmkv_status status;

    *found = false;
    if (value)
        buf_clear(value);
    if (slice_compare(key, slice_of_buf(&table->info.key_min)) < 0 ||
        slice_compare(key, slice_of_buf(&table->info.key_max)) > 0)
        return LSMKV_OK;
    status = table_pin(table, &reader, err);
    if (status)
        return status;
    status = get(reader, key, value, kind, found, err);
    table_unpin(table);
    if (status)
        *found = false;
    return status;
}
