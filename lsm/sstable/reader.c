/*
 * reader.c - fetches the blocks of an open table.
 */
#include "sstable/reader.h"

#include "base/alloc.h"
#include "base/error.h"

struct lsmkv_slice sstable_index_key(const struct sstable *table, size_t ordinal)
{
    size_t start = ordinal ? table->index.key_ends[ordinal - 1] : 0;

    return slice_of(table->index.keys.data + start, table->index.key_ends[ordinal] - start);
}

size_t sstable_index_find(const struct sstable *table, struct lsmkv_slice key)
{
    size_t low = 0, high = table->index.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(sstable_index_key(table, middle), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct block_place sstable_place(const struct sstable *table, size_t ordinal)
{
    struct block_place place = {table->path, table->number, table->index.offsets[ordinal]};

    return place;
}

size_t sstable_block_size(const struct sstable *table, size_t ordinal)
{
    return (size_t)(table->index.offsets[ordinal + 1] - table->index.offsets[ordinal]);
}

/*
 * The bits are set after the block was verified by a read. What they publish are bytes of the file, which nobody writes
 * any more, so no order is needed.
 */
static bool is_verified(const struct sstable *table, size_t ordinal)
{
    return atomic_load_explicit(&table->verified[ordinal / 64], memory_order_relaxed) >> (ordinal % 64) & 1;
}

static void set_verified(struct sstable *table, size_t ordinal)
{
    atomic_fetch_or_explicit(&table->verified[ordinal / 64], UINT64_C(1) << (ordinal % 64), memory_order_relaxed);
}

/* Reads and verifies; *block holds the raw payload, pinned by the caller. */
static enum lsmkv_status read_block(struct sstable *table, size_t ordinal, struct cached_block **block,
                                    enum block_codec *codec, struct lsmkv_error *err)
{
    struct block_place place = sstable_place(table, ordinal);
    struct cached_block *stored = cached_block_new(sstable_block_size(table, ordinal));
    struct cached_block *raw = NULL;
    struct block_parts parts;
    enum lsmkv_status status;

    if (!stored)
        return lsmkv_fail_nomem(err);
    counter_add(table->env->counters, block_reads, 1);
    status = os_read(table->file, place.offset, stored->data, stored->size, err);
    if (status)
        goto done;
    status = block_unseal(slice_of(stored->data, stored->size), &place, &parts, err);
    if (status)
        goto done;
    *codec = parts.codec;
    if (parts.codec == BLOCK_NONE) {
        stored->size = parts.payload.size;
        *block = stored;
        stored = NULL;
        goto done;
    }
    raw = cached_block_new(parts.raw_size);
    if (!raw) {
        status = lsmkv_fail_nomem(err);
        goto done;
    }
    status = decompressor_run(&table->env->decompressor, &parts, &place, raw->data, err);
    if (status)
        goto done;
    *block = raw;
    raw = NULL;

done:
    cached_block_free(stored);
    cached_block_free(raw);
    return status;
}

static struct lsmkv_slice mapped_payload(const struct sstable *table, size_t ordinal)
{
    return slice_of(table->map + table->index.offsets[ordinal],
                    sstable_block_size(table, ordinal) - BLOCK_TRAILER_SIZE);
}

/* From the block cache, else from the file. A block that the map can serve from now on is not kept. */
static enum lsmkv_status fetch(struct sstable *table, size_t ordinal, struct cached_block **cached,
                               struct lsmkv_error *err)
{
    struct block_cache *blocks = table->env->blocks;
    enum block_codec codec = BLOCK_NONE;
    enum lsmkv_status status;

    /* In a mapped table without compression no block is ever cached. */
    *cached = table->map && table->layout.codec == BLOCK_NONE ? NULL : block_cache_find(blocks, table->number, ordinal);
    if (*cached) {
        counter_add(table->env->counters, block_cache_hits, 1);
        return LSMKV_OK;
    }
    status = read_block(table, ordinal, cached, &codec, err);
    if (status)
        return status;
    if (table->map && codec == BLOCK_NONE) {
        set_verified(table, ordinal);
        cached_block_free(*cached);
        *cached = NULL;
        return LSMKV_OK;
    }
    counter_add(table->env->counters, block_cache_misses, 1);
    *cached = block_cache_insert(blocks, table->number, ordinal, *cached);
    return LSMKV_OK;
}

enum lsmkv_status sstable_block(struct sstable *table, size_t ordinal, struct block_ref *ref, struct lsmkv_error *err)
{
    struct block_place place = sstable_place(table, ordinal);
    struct lsmkv_slice payload;
    enum lsmkv_status status;

    ref->cached = NULL;
    if (!table->map || !is_verified(table, ordinal)) {
        status = fetch(table, ordinal, &ref->cached, err);
        if (status)
            return status;
    }
    payload = ref->cached ? slice_of(ref->cached->data, ref->cached->size) : mapped_payload(table, ordinal);
    status = block_init(&ref->block, payload, &place, err);
    if (status)
        block_ref_release(ref, table);
    return status;
}

void block_ref_release(struct block_ref *ref, struct sstable *table)
{
    if (ref->cached)
        block_cache_release(table->env->blocks, ref->cached);
    ref->cached = NULL;
}
