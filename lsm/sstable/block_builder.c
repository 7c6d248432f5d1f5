/*
 * block_builder.c - builds the payload of a data or index block.
 */
#include "sstable/block.h"

#include "base/error.h"

#define ENTRY_HEAD_MAX (4 * VARINT64_MAX + 1) /* bytes before the suffix */

void block_builder_release(struct block_builder *builder)
{
    lsmkv_buf_release(&builder->bytes);
    lsmkv_buf_release(&builder->restarts);
    lsmkv_buf_release(&builder->last_key);
}

void block_builder_reset(struct block_builder *builder)
{
    buf_clear(&builder->bytes);
    buf_clear(&builder->restarts);
    buf_clear(&builder->last_key);
    builder->entries = 0;
}

size_t block_builder_size_with(const struct block_builder *builder, const struct entry *entry)
{
    size_t head = 1 + 1 + varint_size(entry->key.size) + varint_size(entry->sequence) + varint_size(entry->value.size);
    size_t restart = builder->entries % BLOCK_RESTART_INTERVAL == 0 ? 4 : 0;

    return builder->bytes.size + builder->restarts.size + 4 + restart + head + entry->key.size + entry->value.size;
}

static enum lsmkv_status add_restart(struct block_builder *builder, struct lsmkv_error *err)
{
    uint8_t offset[4];

    put_u32(offset, (uint32_t)builder->bytes.size);
    return buf_append(&builder->restarts, offset, sizeof(offset), err);
}

/* Appends one encoded entry; the space for it is reserved. */
static void entry_put(struct lsmkv_buf *bytes, const struct entry *entry, size_t shared)
{
    uint8_t *to = bytes->data + bytes->size;
    size_t suffix = entry->key.size - shared;

    to += put_varint(to, shared);
    to += put_varint(to, suffix);
    *to++ = (uint8_t)entry->kind;
    to += put_varint(to, entry->sequence);
    if (entry->kind == ENTRY_PUT)
        to += put_varint(to, entry->value.size);
    if (suffix)
        memcpy(to, entry->key.data + shared, suffix);
    to += suffix;
    if (entry->kind == ENTRY_PUT && entry->value.size) {
        memcpy(to, entry->value.data, entry->value.size);
        to += entry->value.size;
    }
    bytes->size = (size_t)(to - bytes->data);
}

enum lsmkv_status block_builder_add(struct block_builder *builder, const struct entry *entry, struct lsmkv_error *err)
{
    struct lsmkv_slice last = slice_of_buf(&builder->last_key);
    size_t shared = shared_prefix(last, entry->key);
    enum lsmkv_status status;

    if (builder->entries > 0 &&
        (shared == entry->key.size || (shared < last.size && entry->key.data[shared] < last.data[shared])))
        return lsmkv_fail(err, LSMKV_MISUSE, "keys of a table must rise");
    if (entry->key.size > LSMKV_KEY_MAX || entry->value.size > LSMKV_VALUE_MAX ||
        block_builder_size_with(builder, entry) > BLOCK_RAW_MAX)
        return lsmkv_fail(err, LSMKV_TOOBIG, "an entry of a table is larger than a block can be");
    if (builder->entries % BLOCK_RESTART_INTERVAL == 0) {
        shared = 0;
        status = add_restart(builder, err);
        if (status)
            return status;
    }
    status = buf_reserve(&builder->bytes, ENTRY_HEAD_MAX + entry->key.size - shared + entry->value.size, err);
    if (status)
        return status;
    status = buf_set(&builder->last_key, entry->key, err);
    if (status)
        return status;
    entry_put(&builder->bytes, entry, shared);
    builder->entries++;
    return LSMKV_OK;
}

enum lsmkv_status block_builder_finish(struct block_builder *builder, struct lsmkv_error *err)
{
    uint8_t count[4];
    enum lsmkv_status status = buf_append(&builder->bytes, builder->restarts.data, builder->restarts.size, err);

    if (status)
        return status;
    put_u32(count, (uint32_t)(builder->restarts.size / 4));
    return buf_append(&builder->bytes, count, sizeof(count), err);
}
