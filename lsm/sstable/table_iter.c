/*
 * table_iter.c - walks a table both ways.
 *
 * The file is untrusted, so besides what blocks check in themselves (block.h): (1) the first key of a block is above the
 * index key of the block before, checked where the walk crosses from one block to the other; (2) its last key is at or
 * below its own index key. As index keys rise, all keys do.
 *
 * A sequential iterator reads the file in large pieces, verifies every block and uses neither map nor block cache, so that
 * compaction evicts nothing. Having gone over the whole table forward, it also knows the chain over all checksums, which
 * must be the one that the properties name (3).
 */
#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"
#include "sstable/table_pin.h"

#define WINDOW_SIZE (256u << 10) /* bytes of one sequential read, but for larger blocks */

/* Reads ahead of a sequential walk. */
struct sequential {
    struct lsmkv_buf window;
    uint64_t window_offset;
    struct lsmkv_buf raw; /* the block in hand, if it is compressed */
    size_t chained;       /* blocks in `chain`: 0 to chained - 1 */
    uint64_t chain;
};

struct table_iter {
    struct iter base;
    struct table *table;
    struct sstable *reader; /* pinned */
    bool is_sequential;
    size_t ordinal; /* of the block in hand */
    struct block_ref ref;
    struct block_iter block;
    struct sequential sequential;
};

static struct table_iter *from_base(struct iter *base)
{
    return (struct table_iter *)(void *)base;
}

/* ---- Sequential reading ---- */

static bool window_holds(const struct sequential *sequential, uint64_t offset, size_t size)
{
    return offset >= sequential->window_offset && offset - sequential->window_offset <= sequential->window.size &&
           size <= sequential->window.size - (offset - sequential->window_offset);
}

static void forget_window(struct table_iter *it)
{
    struct sequential *sequential = &it->sequential;

    if (sequential->window.size)
        os_forget(it->reader->file, sequential->window_offset, sequential->window.size);
    buf_clear(&sequential->window);
}

/* Makes the window begin with block `ordinal`. */
static enum lsmkv_status move_window(struct table_iter *it, size_t ordinal, struct lsmkv_error *err)
{
    struct sequential *sequential = &it->sequential;
    uint64_t offset = it->reader->index.offsets[ordinal];
    uint64_t size = it->reader->layout.data_size - offset;
    size_t block_size = sstable_block_size(it->reader, ordinal);
    enum lsmkv_status status;

    if (size > WINDOW_SIZE)
        size = block_size > WINDOW_SIZE ? block_size : WINDOW_SIZE;
    forget_window(it);
    status = buf_reserve(&sequential->window, (size_t)size, err);
    if (status)
        return status;
    status = os_read(it->reader->file, offset, sequential->window.data, (size_t)size, err);
    if (status)
        return status;
    sequential->window.size = (size_t)size;
    sequential->window_offset = offset;
    return LSMKV_OK;
}

/* See (3). */
static enum lsmkv_status follow_chain(struct table_iter *it, size_t ordinal, uint64_t checksum, struct lsmkv_error *err)
{
    struct sequential *sequential = &it->sequential;
    const struct sstable *reader = it->reader;
    uint64_t chain;

    if (ordinal != sequential->chained)
        return LSMKV_OK;
    sequential->chain = block_chain(sequential->chain, checksum);
    sequential->chained++;
    if (sequential->chained < reader->index.count)
        return LSMKV_OK;
    chain = sequential->chain;
    if (reader->layout.filter_size)
        chain = block_chain(chain, reader->filter_checksum);
    chain = block_chain(chain, reader->index_checksum);
    if (chain != reader->layout.chain)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: the blocks up to offset %" PRIu64 " are not those written",
                          reader->path, reader->layout.data_size);
    return LSMKV_OK;
}

static enum lsmkv_status sequential_block(struct table_iter *it, size_t ordinal, struct lsmkv_error *err)
{
    struct sequential *sequential = &it->sequential;
    struct block_place place = sstable_place(it->reader, ordinal);
    size_t size = sstable_block_size(it->reader, ordinal);
    struct block_parts parts;
    struct lsmkv_slice payload;
    enum lsmkv_status status;

    if (!window_holds(sequential, place.offset, size)) {
        status = move_window(it, ordinal, err);
        if (status)
            return status;
    }
    counter_add(it->reader->env->counters, block_reads, 1);
    status = block_unseal(slice_of(sequential->window.data + (place.offset - sequential->window_offset), size), &place,
                          &parts, err);
    if (status)
        return status;
    status = follow_chain(it, ordinal, parts.checksum, err);
    if (status)
        return status;
    payload = parts.payload;
    if (parts.codec != BLOCK_NONE) {
        buf_clear(&sequential->raw);
        status = buf_reserve(&sequential->raw, parts.raw_size, err);
        if (!status)
            status = decompressor_run(&it->reader->env->decompressor, &parts, &place, sequential->raw.data, err);
        if (status)
            return status;
        payload = slice_of(sequential->raw.data, parts.raw_size);
    }
    return block_init(&it->ref.block, payload, &place, err);
}

/* ---- Blocks ---- */

static enum lsmkv_status load(struct table_iter *it, size_t ordinal, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    block_ref_release(&it->ref, it->reader);
    it->block.valid = false;
    it->ordinal = ordinal;
    status = it->is_sequential ? sequential_block(it, ordinal, err) : sstable_block(it->reader, ordinal, &it->ref, err);
    if (!status)
        block_iter_set(&it->block, &it->ref.block);
    return status;
}

static enum lsmkv_status out_of_order(const struct table_iter *it, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CORRUPT, "%s: keys out of order at the edge of the block at offset %" PRIu64,
                      it->reader->path, it->reader->index.offsets[it->ordinal]);
}

/* The block iterator is at the first entry of its block: see (1). */
static enum lsmkv_status check_first(const struct table_iter *it, struct lsmkv_error *err)
{
    struct lsmkv_slice bound;

    if (it->ordinal == 0) {
        bound = slice_of_buf(&table_info(it->table)->key_min);
        return slice_equal(it->block.entry.key, bound) ? LSMKV_OK : out_of_order(it, err);
    }
    bound = sstable_index_key(it->reader, it->ordinal - 1);
    return slice_compare(it->block.entry.key, bound) > 0 ? LSMKV_OK : out_of_order(it, err);
}

/* The block iterator is at the last entry of its block: see (2). */
static enum lsmkv_status check_last(const struct table_iter *it, struct lsmkv_error *err)
{
    struct lsmkv_slice bound = sstable_index_key(it->reader, it->ordinal);

    return slice_compare(it->block.entry.key, bound) <= 0 ? LSMKV_OK : out_of_order(it, err);
}

static enum lsmkv_status enter_first(struct table_iter *it, size_t ordinal, struct lsmkv_error *err)
{
    enum lsmkv_status status = load(it, ordinal, err);

    if (status)
        return status;
    status = block_iter_first(&it->block, err);
    return status ? status : check_first(it, err);
}

static enum lsmkv_status enter_last(struct table_iter *it, size_t ordinal, struct lsmkv_error *err)
{
    enum lsmkv_status status = load(it, ordinal, err);

    if (status)
        return status;
    status = block_iter_last(&it->block, err);
    return status ? status : check_last(it, err);
}

/* Ends every positioning call: shows where the block iterator is, or that there is no entry. */
static enum lsmkv_status show(struct table_iter *it, enum lsmkv_status status)
{
    it->base.valid = !status && it->block.valid;
    if (it->base.valid)
        it->base.entry = it->block.entry;
    return status;
}

/* ---- The moves ---- */

static enum lsmkv_status next_entry(struct table_iter *it, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (it->block.next < it->block.block.entries_size)
        return block_iter_next(&it->block, err);
    status = check_last(it, err);
    if (status)
        return status;
    if (it->ordinal + 1 < it->reader->index.count)
        return enter_first(it, it->ordinal + 1, err);
    it->block.valid = false;
    return LSMKV_OK;
}

static enum lsmkv_status prev_entry(struct table_iter *it, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (it->block.at > 0)
        return block_iter_prev(&it->block, err);
    status = check_first(it, err);
    if (status)
        return status;
    if (it->ordinal > 0)
        return enter_last(it, it->ordinal - 1, err);
    it->block.valid = false;
    return LSMKV_OK;
}

static enum lsmkv_status table_iter_first(struct iter *base, struct lsmkv_error *err)
{
    struct table_iter *it = from_base(base);

    return show(it, enter_first(it, 0, err));
}

static enum lsmkv_status table_iter_last(struct iter *base, struct lsmkv_error *err)
{
    struct table_iter *it = from_base(base);

    return show(it, enter_last(it, it->reader->index.count - 1, err));
}

static enum lsmkv_status table_iter_next(struct iter *base, struct lsmkv_error *err)
{
    struct table_iter *it = from_base(base);

    return show(it, next_entry(it, err));
}

static enum lsmkv_status table_iter_prev(struct iter *base, struct lsmkv_error *err)
{
    struct table_iter *it = from_base(base);

    return show(it, prev_entry(it, err));
}

/* To the first entry at or above `key`: it is in the block that the index names, or it is the first of the next one. */
static enum lsmkv_status seek(struct table_iter *it, struct lsmkv_slice key, struct lsmkv_error *err)
{
    size_t ordinal = sstable_index_find(it->reader, key);
    enum lsmkv_status status;

    it->block.valid = false;
    if (ordinal == it->reader->index.count)
        return LSMKV_OK;
    status = load(it, ordinal, err);
    if (status)
        return status;
    status = block_iter_seek(&it->block, key, err);
    if (status || it->block.valid || ordinal + 1 == it->reader->index.count)
        return status;
    return enter_first(it, ordinal + 1, err);
}

static enum lsmkv_status table_iter_seek(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct table_iter *it = from_base(base);

    return show(it, seek(it, key, err));
}

static enum lsmkv_status seek_for_prev(struct table_iter *it, struct lsmkv_slice key, struct lsmkv_error *err)
{
    enum lsmkv_status status = seek(it, key, err);

    if (status)
        return status;
    if (!it->block.valid)
        return enter_last(it, it->reader->index.count - 1, err);
    if (slice_equal(it->block.entry.key, key))
        return LSMKV_OK;
    return prev_entry(it, err);
}

static enum lsmkv_status table_iter_seek_for_prev(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct table_iter *it = from_base(base);

    return show(it, seek_for_prev(it, key, err));
}

static void table_iter_free(struct iter *base)
{
    struct table_iter *it = from_base(base);

    if (it->is_sequential)
        forget_window(it);
    block_ref_release(&it->ref, it->reader);
    block_iter_release(&it->block);
    lsmkv_buf_release(&it->sequential.window);
    lsmkv_buf_release(&it->sequential.raw);
    table_unpin(it->table);
    table_unref(it->table);
    lsm_free(it);
}

static const struct iter_ops table_iter_ops = {
    .first = table_iter_first,
    .last = table_iter_last,
    .seek = table_iter_seek,
    .seek_for_prev = table_iter_seek_for_prev,
    .next = table_iter_next,
    .prev = table_iter_prev,
    .free = table_iter_free,
};

enum lsmkv_status table_iter_new(struct iter **it, struct table *table, bool sequential, struct lsmkv_error *err)
{
    struct table_iter *made = lsm_calloc(1, sizeof(*made));
    enum lsmkv_status status;

    *it = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    status = table_pin(table, &made->reader, err);
    if (status) {
        lsm_free(made);
        return status;
    }
    table_ref(table);
    made->table = table;
    made->is_sequential = sequential;
    made->base.ops = &table_iter_ops;
    *it = &made->base;
    return LSMKV_OK;
}
