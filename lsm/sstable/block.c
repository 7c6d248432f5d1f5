/*
 * block.c - reads the payload of a data or index block: point search and both directions of a walk.
 */
#include "sstable/block.h"

#include <inttypes.h>

#include "base/error.h"

/* One entry as it is stored. */
struct stored_entry {
    size_t shared; /* bytes of the previous key */
    struct lsmkv_slice suffix;
    struct lsmkv_slice value;
    uint64_t sequence;
    enum entry_kind kind;
    size_t next; /* offset behind the entry */
};

static enum lsmkv_status damaged(const struct block *block, size_t offset, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad entry at byte %zu of the block at offset %" PRIu64,
                      block->place.path, offset, block->place.offset);
}

static enum lsmkv_status bad_restarts(const struct block_place *place, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad restart points in the block at offset %" PRIu64, place->path,
                      place->offset);
}

enum lsmkv_status block_init(struct block *block, struct lsmkv_slice payload, const struct block_place *place,
                             struct lsmkv_error *err)
{
    uint32_t restarts = 0;

    if (payload.size >= 4)
        restarts = get_u32(payload.data + payload.size - 4);
    if (restarts == 0 || restarts > (payload.size - 4) / 4)
        return bad_restarts(place, err);
    block->bytes = payload.data;
    block->restarts = restarts;
    block->entries_size = payload.size - 4 - 4 * (size_t)restarts;
    block->place = *place;
    if (get_u32(block->bytes + block->entries_size) != 0 || block->entries_size == 0)
        return bad_restarts(place, err);
    return LSMKV_OK;
}

/* Most varints of an entry have one byte. */
static inline bool take_varint(struct reader *reader, uint64_t *value)
{
    if (reader->at < reader->end && *reader->at < 0x80) {
        *value = *reader->at++;
        return true;
    }
    return read_varint(reader, value);
}

static bool entry_read(const struct block *block, size_t offset, struct stored_entry *entry)
{
    struct reader reader;
    uint64_t shared, suffix, value = 0;
    uint8_t kind;

    reader_init(&reader, slice_of(block->bytes + offset, block->entries_size - offset));
    if (!take_varint(&reader, &shared) || !take_varint(&reader, &suffix) || !read_u8(&reader, &kind) ||
        (kind != ENTRY_PUT && kind != ENTRY_DELETE) || !take_varint(&reader, &entry->sequence) ||
        (kind == ENTRY_PUT && !take_varint(&reader, &value)))
        return false;
    if (shared > LSMKV_KEY_MAX || suffix > LSMKV_KEY_MAX - shared || value > LSMKV_VALUE_MAX ||
        !read_bytes(&reader, (size_t)suffix, &entry->suffix) || !read_bytes(&reader, (size_t)value, &entry->value))
        return false;
    entry->shared = (size_t)shared;
    entry->kind = (enum entry_kind)kind;
    entry->next = (size_t)(reader.at - block->bytes);
    return true;
}

static size_t restart_offset(const struct block *block, size_t index)
{
    return get_u32(block->bytes + block->entries_size + 4 * index);
}

/* The entry at a restart point: its key is whole. */
static bool restart_read(const struct block *block, size_t index, struct stored_entry *entry)
{
    size_t offset = restart_offset(block, index);

    return offset < block->entries_size && entry_read(block, offset, entry) && entry->shared == 0;
}

/* *index: the last restart point with a key <= `key`, or the first one. */
static enum lsmkv_status find_restart(const struct block *block, struct lsmkv_slice key, size_t *index,
                                      struct lsmkv_error *err)
{
    size_t low = 0, high = block->restarts - 1;

    while (low < high) {
        struct stored_entry entry;
        size_t middle = low + (high - low + 1) / 2;

        if (!restart_read(block, middle, &entry))
            return damaged(block, restart_offset(block, middle), err);
        if (slice_compare(entry.suffix, key) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    *index = low;
    return LSMKV_OK;
}

/*
 * Compares the key of `entry` with `key`, knowing that the key before it is smaller and has exactly *matched bytes in
 * common with `key`. Because `shared` is all that two neighbours have in common, their bytes need not be put together:
 * an entry that shares more than *matched differs from `key` where its predecessor did, one that shares less is beyond.
 * Updates *matched.
 */
static int compare_stored(const struct stored_entry *entry, struct lsmkv_slice key, size_t *matched)
{
    struct lsmkv_slice rest;
    size_t same;

    if (entry->shared != *matched)
        return entry->shared > *matched ? -1 : 1;
    rest = key.size ? slice_of(key.data + *matched, key.size - *matched) : key;
    same = shared_prefix(entry->suffix, rest);
    *matched += same;
    if (same < entry->suffix.size && same < rest.size)
        return entry->suffix.data[same] < rest.data[same] ? -1 : 1;
    return entry->suffix.size < rest.size ? -1 : entry->suffix.size > rest.size;
}

enum lsmkv_status block_get(const struct block *block, struct lsmkv_slice key, struct entry *entry, bool *found,
                            struct lsmkv_error *err)
{
    struct stored_entry stored;
    size_t index, offset, matched = 0;
    enum lsmkv_status status = find_restart(block, key, &index, err);

    *found = false;
    if (status)
        return status;
    for (offset = restart_offset(block, index); offset < block->entries_size; offset = stored.next) {
        int order;

        if (!entry_read(block, offset, &stored))
            return damaged(block, offset, err);
        order = compare_stored(&stored, key, &matched);
        if (order > 0)
            return LSMKV_OK;
        if (order == 0) {
            entry->value = stored.value;
            entry->sequence = stored.sequence;
            entry->kind = stored.kind;
            *found = true;
            return LSMKV_OK;
        }
    }
    return LSMKV_OK;
}

void block_iter_set(struct block_iter *it, const struct block *block)
{
    it->block = *block;
    it->valid = false;
}

void block_iter_release(struct block_iter *it)
{
    lsmkv_buf_release(&it->key);
    it->valid = false;
}

/* True if the key of `stored` is above the iterator's key (see (2)). `shared` is all that they have in common, or 0. */
static bool rises(const struct block_iter *it, const struct stored_entry *stored)
{
    struct lsmkv_slice key = slice_of_buf(&it->key);

    if (stored->shared == 0)
        return slice_compare(key, stored->suffix) < 0;
    return stored->shared <= key.size && stored->suffix.size > 0 &&
           (stored->shared == key.size || stored->suffix.data[0] > key.data[stored->shared]);
}

/* Makes the entry at `offset` current: its key is built upon the iterator's. */
static enum lsmkv_status take_entry(struct block_iter *it, size_t offset, const struct stored_entry *stored,
                                    struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (stored->shared > it->key.size)
        return damaged(&it->block, offset, err);
    it->key.size = stored->shared;
    status = buf_append(&it->key, stored->suffix.data, stored->suffix.size, err);
    if (status)
        return status;
    it->entry.key = slice_of_buf(&it->key);
    it->entry.value = stored->value;
    it->entry.sequence = stored->sequence;
    it->entry.kind = stored->kind;
    it->at = offset;
    it->next = stored->next;
    it->valid = true;
    return LSMKV_OK;
}

static enum lsmkv_status go_to_restart(struct block_iter *it, size_t index, struct lsmkv_error *err)
{
    struct stored_entry stored;

    it->valid = false;
    buf_clear(&it->key);
    if (!restart_read(&it->block, index, &stored))
        return damaged(&it->block, restart_offset(&it->block, index), err);
    return take_entry(it, restart_offset(&it->block, index), &stored, err);
}

enum lsmkv_status block_iter_first(struct block_iter *it, struct lsmkv_error *err)
{
    return go_to_restart(it, 0, err);
}

enum lsmkv_status block_iter_next(struct block_iter *it, struct lsmkv_error *err)
{
    struct stored_entry stored;
    size_t offset = it->next;

    it->valid = false;
    if (offset >= it->block.entries_size)
        return LSMKV_OK;
    if (!entry_read(&it->block, offset, &stored) || !rises(it, &stored))
        return damaged(&it->block, offset, err);
    return take_entry(it, offset, &stored, err);
}

/* Index of the last restart point below `offset`, or of the first one. */
static size_t restart_below(const struct block *block, size_t offset)
{
    size_t low = 0, high = block->restarts - 1;

    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;

        if (restart_offset(block, middle) < offset)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/*
 * From a restart point to the last entry before the offset `end`, which must be where an entry begins or the end. A
 * restart point leads so few entries that going back never becomes slow.
 */
static enum lsmkv_status walk_to(struct block_iter *it, size_t index, size_t end, struct lsmkv_error *err)
{
    enum lsmkv_status status = go_to_restart(it, index, err);
    unsigned steps = 1;

    for (; !status && it->valid && it->next < end && steps < BLOCK_RESTART_INTERVAL; steps++)
        status = block_iter_next(it, err);
    if (!status && (!it->valid || it->next != end)) {
        it->valid = false;
        status = damaged(&it->block, end, err);
    }
    return status;
}

enum lsmkv_status block_iter_last(struct block_iter *it, struct lsmkv_error *err)
{
    return walk_to(it, it->block.restarts - 1, it->block.entries_size, err);
}

enum lsmkv_status block_iter_prev(struct block_iter *it, struct lsmkv_error *err)
{
    struct stored_entry after;
    size_t offset = it->at;
    enum lsmkv_status status;

    it->valid = false;
    if (offset == 0)
        return LSMKV_OK;
    status = walk_to(it, restart_below(&it->block, offset), offset, err);
    if (status)
        return status;
    if (!entry_read(&it->block, offset, &after) || !rises(it, &after)) {
        it->valid = false;
        return damaged(&it->block, offset, err);
    }
    return LSMKV_OK;
}

enum lsmkv_status block_iter_seek(struct block_iter *it, struct lsmkv_slice key, struct lsmkv_error *err)
{
    size_t index;
    enum lsmkv_status status = find_restart(&it->block, key, &index, err);

    it->valid = false;
    if (status)
        return status;
    status = go_to_restart(it, index, err);
    while (!status && it->valid && slice_compare(it->entry.key, key) < 0)
        status = block_iter_next(it, err);
    return status;
}
