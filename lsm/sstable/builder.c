/*
 * builder.c - writes one SSTable: data blocks as they fill, the rest at the end, all through one write buffer.
 *
 * In memory until the end: 8 bytes per key for the filter, and the index.
 */
#include "sstable/builder.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/error.h"
#include "sstable/block.h"
#include "sstable/codec.h"
#include "sstable/filter.h"
#include "sstable/format.h"

#define WRITE_BUFFER_SIZE (256u << 10) /* bytes of one write, but for larger blocks */

struct sstable_builder {
    struct os_fs *fs;
    struct os_file *file; /* NULL once closed */
    char *path;
    struct sstable_params params;
    enum block_codec codec;
    bool created;             /* the file is there and ours */
    bool finished;            /* and stays */
    enum lsmkv_status failed; /* first failure, sticky */

    uint64_t offset;          /* bytes of the file so far, those in `pending` included */
    struct lsmkv_buf pending; /* not yet written, behind what is */
    struct block_builder data;
    struct block_builder index;
    struct compressor compressor;
    struct lsmkv_buf compressed;
    struct lsmkv_buf hashes; /* uint64_t each; for the filter */
    struct sstable_layout layout;
    struct sstable_info info;
};

static enum block_codec codec_of(enum lsmkv_compression compression)
{
    if (compression == LSMKV_COMPRESSION_LZ4)
        return BLOCK_LZ4;
    return compression == LSMKV_COMPRESSION_ZSTD ? BLOCK_ZSTD : BLOCK_NONE;
}

enum lsmkv_status sstable_builder_new(struct sstable_builder **builder, struct os_fs *fs, const char *dir,
                                      uint64_t number, const struct sstable_params *params, struct lsmkv_error *err)
{
    struct sstable_builder *made = lsm_calloc(1, sizeof(*made));
    enum lsmkv_status status;

    *builder = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    made->fs = fs;
    made->params = *params;
    made->codec = codec_of(params->compression);
    made->layout.codec = made->codec;
    made->info.number = number;
    made->info.sequence_min = SEQUENCE_MAX;
    made->path = sstable_path(dir, number);
    if (!made->path) {
        status = lsmkv_fail_nomem(err);
        goto done;
    }
    status = buf_reserve(&made->pending, WRITE_BUFFER_SIZE, err);
    if (status)
        goto done;
    status = os_fs_open(fs, made->path, OS_CREATE_NEW, &made->file, err);
    if (status)
        goto done;
    made->created = true;
    *builder = made;
    made = NULL;

done:
    sstable_builder_free(made);
    return status;
}

static enum lsmkv_status write_pending(struct sstable_builder *builder, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (builder->pending.size == 0)
        return LSMKV_OK;
    status = os_write(builder->file, builder->offset - builder->pending.size, builder->pending.data,
                      builder->pending.size, err);
    buf_clear(&builder->pending);
    return status;
}

static enum lsmkv_status append(struct sstable_builder *builder, struct lsmkv_slice bytes, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (bytes.size > WRITE_BUFFER_SIZE - builder->pending.size) {
        status = write_pending(builder, err);
        if (status)
            return status;
    }
    if (bytes.size > WRITE_BUFFER_SIZE)
        status = os_write(builder->file, builder->offset, bytes.data, bytes.size, err);
    else
        status = buf_append(&builder->pending, bytes.data, bytes.size, err);
    if (!status)
        builder->offset += bytes.size;
    return status;
}

/* Seals and appends `block`, a payload of codec `codec`. */
static enum lsmkv_status append_block(struct sstable_builder *builder, struct lsmkv_buf *block, enum block_codec codec,
                                      size_t raw_size, uint64_t *checksum, struct lsmkv_error *err)
{
    struct block_place place = {builder->path, builder->info.number, builder->offset};
    enum lsmkv_status status;

    if (raw_size > BLOCK_RAW_MAX)
        return lsmkv_fail(err, LSMKV_TOOBIG, "%s: a block of %zu bytes is too large", builder->path, raw_size);
    status = block_seal(block, codec, (uint32_t)raw_size, &place, checksum, err);
    if (status)
        return status;
    builder->layout.chain = block_chain(builder->layout.chain, *checksum);
    return append(builder, slice_of_buf(block), err);
}

/* Writes the data block in hand; `bound` (at or above its last key, below the next one) is its key in the index. */
static enum lsmkv_status finish_data_block(struct sstable_builder *builder, struct lsmkv_slice bound,
                                           struct lsmkv_error *err)
{
    uint8_t size[VARINT64_MAX];
    struct entry index_entry = {bound, {size, 0}, 0, ENTRY_PUT};
    enum block_codec used;
    uint64_t start = builder->offset, checksum;
    size_t raw_size;
    enum lsmkv_status status = block_builder_finish(&builder->data, err);

    if (status)
        return status;
    raw_size = builder->data.bytes.size;
    status = compressor_run(&builder->compressor, builder->codec, slice_of_buf(&builder->data.bytes),
                            &builder->compressed, &used, err);
    if (status)
        return status;
    status = append_block(builder, used == BLOCK_NONE ? &builder->data.bytes : &builder->compressed, used, raw_size,
                          &checksum, err);
    if (status)
        return status;
    index_entry.value.size = put_varint(size, builder->offset - start);
    status = block_builder_add(&builder->index, &index_entry, err);
    block_builder_reset(&builder->data);
    builder->layout.blocks++;
    return status;
}

/* A short key at or above `last` and below `next`: as much of `next` as tells them apart, unless that is all of it. */
static struct lsmkv_slice separator(struct lsmkv_slice last, struct lsmkv_slice next)
{
    size_t shared = shared_prefix(last, next);

    if (shared < last.size && shared + 1 < next.size)
        return slice_of(next.data, shared + 1);
    return last;
}

static enum lsmkv_status add_hash(struct sstable_builder *builder, struct lsmkv_slice key, struct lsmkv_error *err)
{
    uint64_t hash;

    if (builder->params.filter_bits == 0)
        return LSMKV_OK;
    hash = hash64(key);
    return buf_append(&builder->hashes, &hash, sizeof(hash), err);
}

static void count_entry(struct sstable_info *info, const struct entry *entry)
{
    info->entries++;
    info->tombstones += entry->kind == ENTRY_DELETE;
    info->raw_bytes += entry->key.size + entry->value.size;
    if (entry->sequence < info->sequence_min)
        info->sequence_min = entry->sequence;
    if (entry->sequence > info->sequence_max)
        info->sequence_max = entry->sequence;
}

static enum lsmkv_status add(struct sstable_builder *builder, const struct entry *entry, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (builder->info.entries == 0) {
        status = buf_set(&builder->info.key_min, entry->key, err);
        if (status)
            return status;
    }
    if (builder->data.entries > 0 && block_builder_size_with(&builder->data, entry) > builder->params.block_size) {
        struct lsmkv_slice last = slice_of_buf(&builder->data.last_key);

        if (slice_compare(last, entry->key) >= 0)
            return lsmkv_fail(err, LSMKV_MISUSE, "keys of a table must rise");
        status = finish_data_block(builder, separator(last, entry->key), err);
        if (status)
            return status;
    }
    status = block_builder_add(&builder->data, entry, err);
    if (status)
        return status;
    status = add_hash(builder, entry->key, err);
    if (!status)
        count_entry(&builder->info, entry);
    return status;
}

enum lsmkv_status sstable_builder_add(struct sstable_builder *builder, const struct entry *entry,
                                      struct lsmkv_error *err)
{
    struct entry stored = *entry;

    if (builder->failed || builder->finished)
        return lsmkv_fail(err, LSMKV_MISUSE, "%s: the table is finished or has failed", builder->path);
    if (stored.kind == ENTRY_DELETE)
        stored.value = slice_of(NULL, 0);
    builder->failed = add(builder, &stored, err);
    return builder->failed;
}

uint64_t sstable_builder_size(const struct sstable_builder *builder)
{
    return builder->offset + builder->data.bytes.size + builder->index.bytes.size +
           builder->hashes.size / sizeof(uint64_t) * builder->params.filter_bits / 8;
}

uint64_t sstable_builder_entries(const struct sstable_builder *builder)
{
    return builder->info.entries;
}

static enum lsmkv_status write_filter(struct sstable_builder *builder, struct lsmkv_error *err)
{
    struct lsmkv_buf *block = &builder->compressed;
    uint64_t start = builder->offset, checksum;
    enum lsmkv_status status;

    if (builder->params.filter_bits == 0)
        return LSMKV_OK;
    buf_clear(block);
    status = filter_build(block, (const uint64_t *)(const void *)builder->hashes.data,
                          builder->hashes.size / sizeof(uint64_t), builder->params.filter_bits, err);
    if (status)
        return status;
    status = append_block(builder, block, BLOCK_NONE, block->size, &checksum, err);
    builder->layout.filter_size = builder->offset - start;
    return status;
}

static enum lsmkv_status write_index(struct sstable_builder *builder, struct lsmkv_error *err)
{
    uint64_t start = builder->offset, checksum;
    enum lsmkv_status status = block_builder_finish(&builder->index, err);

    if (status)
        return status;
    status = append_block(builder, &builder->index.bytes, BLOCK_NONE, builder->index.bytes.size, &checksum, err);
    builder->layout.index_size = builder->offset - start;
    return status;
}

static enum lsmkv_status write_properties_and_footer(struct sstable_builder *builder, struct lsmkv_error *err)
{
    struct sstable_footer footer = {0};
    struct lsmkv_buf *block = &builder->compressed;
    uint8_t bytes[SSTABLE_FOOTER_SIZE];
    uint64_t start = builder->offset;
    enum lsmkv_status status;

    buf_clear(block);
    status = properties_put(block, &builder->info, &builder->layout, err);
    if (status)
        return status;
    status = append_block(builder, block, BLOCK_NONE, block->size, &footer.properties_checksum, err);
    if (status)
        return status;
    footer.number = builder->info.number;
    footer.properties_size = builder->offset - start;
    footer.file_size = builder->offset + SSTABLE_FOOTER_SIZE;
    footer_put(bytes, &footer);
    builder->info.size = footer.file_size;
    builder->info.checksum = footer.checksum;
    return append(builder, slice_of(bytes, sizeof(bytes)), err);
}

static enum lsmkv_status finish(struct sstable_builder *builder, struct lsmkv_error *err)
{
    struct os_file *file = builder->file;
    enum lsmkv_status status = buf_set(&builder->info.key_max, slice_of_buf(&builder->data.last_key), err);

    if (status)
        return status;
    status = finish_data_block(builder, slice_of_buf(&builder->info.key_max), err);
    if (status)
        return status;
    builder->layout.data_size = builder->offset;
    status = write_filter(builder, err);
    if (status)
        return status;
    status = write_index(builder, err);
    if (status)
        return status;
    status = write_properties_and_footer(builder, err);
    if (status)
        return status;
    status = write_pending(builder, err);
    if (status)
        return status;
    status = os_sync(file, err);
    if (status)
        return status;
    builder->file = NULL;
    return os_close(file, err);
}

enum lsmkv_status sstable_builder_finish(struct sstable_builder *builder, struct sstable_info *info,
                                         struct lsmkv_error *err)
{
    if (builder->failed || builder->finished || builder->info.entries == 0)
        return lsmkv_fail(err, LSMKV_MISUSE, "%s: the table is empty, finished or has failed", builder->path);
    builder->failed = finish(builder, err);
    if (builder->failed)
        return builder->failed;
    builder->failed = sstable_info_copy(info, &builder->info, err);
    builder->finished = !builder->failed;
    return builder->failed;
}

void sstable_builder_free(struct sstable_builder *builder)
{
    if (!builder)
        return;
    /* A file that is not finished is worth nothing: failing to close or remove it leaves an orphan for the next open. */
    if (builder->file)
        os_close(builder->file, NULL);
    if (builder->created && !builder->finished)
        os_fs_remove(builder->fs, builder->path, NULL);
    lsm_free(builder->path);
    lsmkv_buf_release(&builder->pending);
    block_builder_release(&builder->data);
    block_builder_release(&builder->index);
    compressor_release(&builder->compressor);
    lsmkv_buf_release(&builder->compressed);
    lsmkv_buf_release(&builder->hashes);
    sstable_info_release(&builder->info);
    lsm_free(builder);
}
