/*
 * open.c - opens a table file: footer, properties, filter, index, each checked before the next is believed.
 *
 * After open these hold: (1) data blocks, filter, index, properties and footer fill the file without gaps; (2) the
 * index names exactly the data blocks, each larger than its trailer; (3) index keys rise, and the last is the largest
 * key; (4) together they are no longer than all keys.
 */
#include "sstable/reader.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"

/* A file whose footer and properties have been read. */
struct described {
    struct sstable_info info; /* owned */
    struct sstable_layout layout;
};

/* Reads a block that is never compressed into `bytes` (emptied first); *payload borrows from it. */
static enum lsmkv_status read_plain_block(struct os_file *file, const struct block_place *place, uint64_t size,
                                          struct lsmkv_buf *bytes, struct block_parts *parts, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    buf_clear(bytes);
    status = buf_reserve(bytes, (size_t)size, err);
    if (status)
        return status;
    status = os_read(file, place->offset, bytes->data, (size_t)size, err);
    if (status)
        return status;
    bytes->size = (size_t)size;
    status = block_unseal(slice_of_buf(bytes), place, parts, err);
    if (status)
        return status;
    if (parts->codec != BLOCK_NONE)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad trailer of the block at offset %" PRIu64, place->path,
                          place->offset);
    return LSMKV_OK;
}

static enum lsmkv_status read_footer(struct os_file *file, uint64_t size, struct sstable_footer *footer,
                                     struct lsmkv_error *err)
{
    uint8_t tail[SSTABLE_FOOTER_MAX];
    size_t tail_size = size < sizeof(tail) ? (size_t)size : sizeof(tail);
    enum lsmkv_status status = os_read(file, size - tail_size, tail, tail_size, err);

    if (status)
        return status;
    return footer_get(slice_of(tail, tail_size), file->path, footer, err);
}

/* Invariant (1). Sizes are compared one after the other, so that no sum overflows. */
static bool layout_fits(const struct sstable_layout *layout, uint64_t properties_offset)
{
    uint64_t left = properties_offset;

    if (layout->data_size > left)
        return false;
    left -= layout->data_size;
    if (layout->filter_size > left)
        return false;
    left -= layout->filter_size;
    return layout->index_size == left && layout->blocks > 0 && layout->blocks <= layout->data_size / BLOCK_TRAILER_SIZE;
}

/* Footer and properties of an open file of `size` bytes; `described->info` starts empty, the caller releases it. */
static enum lsmkv_status describe(struct os_file *file, const char *path, uint64_t number, uint64_t size,
                                  struct described *described, struct lsmkv_error *err)
{
    struct sstable_footer footer;
    struct block_place place = {path, number, 0};
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    struct block_parts parts;
    enum lsmkv_status status = read_footer(file, size, &footer, err);

    if (status)
        goto done;
    if (footer.number != number || footer.file_size != size || size < SSTABLE_FOOTER_SIZE ||
        footer.properties_size > size - SSTABLE_FOOTER_SIZE) {
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: the footer is of another file", path);
        goto done;
    }
    place.offset = size - SSTABLE_FOOTER_SIZE - footer.properties_size;
    status = read_plain_block(file, &place, footer.properties_size, &bytes, &parts, err);
    if (status)
        goto done;
    status = properties_get(parts.payload, &place, &described->info, &described->layout, err);
    if (status)
        goto done;
    if (parts.checksum != footer.properties_checksum || !layout_fits(&described->layout, place.offset)) {
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad properties at offset %" PRIu64, path, place.offset);
        goto done;
    }
    described->info.number = number;
    described->info.size = size;
    described->info.checksum = footer.checksum;

done:
    lsmkv_buf_release(&bytes);
    return status;
}

enum lsmkv_status sstable_describe(struct os_fs *fs, const char *dir, uint64_t number, struct sstable_info *info,
                                   struct lsmkv_error *err)
{
    struct described described = {.info = SSTABLE_INFO_INIT};
    struct os_file *file = NULL;
    char *path = sstable_path(dir, number);
    uint64_t size;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_open(fs, path, OS_READ, &file, err);
    if (status)
        goto done;
    status = os_size(file, &size, err);
    if (status)
        goto done;
    status = describe(file, path, number, size, &described, err);
    if (status)
        goto done;
    *info = described.info;
    described.info = (struct sstable_info)SSTABLE_INFO_INIT;

done:
    sstable_info_release(&described.info);
    if (file)
        os_close(file, NULL);
    lsm_free(path);
    return status;
}

static bool info_equal(const struct sstable_info *a, const struct sstable_info *b)
{
    return a->checksum == b->checksum && a->entries == b->entries && a->tombstones == b->tombstones &&
           a->raw_bytes == b->raw_bytes && a->sequence_min == b->sequence_min && a->sequence_max == b->sequence_max &&
           slice_equal(slice_of_buf(&a->key_min), slice_of_buf(&b->key_min)) &&
           slice_equal(slice_of_buf(&a->key_max), slice_of_buf(&b->key_max));
}

/* Opens the file and compares it with what the manifest says. */
static enum lsmkv_status open_file(struct sstable *table, const struct sstable_info *info, struct lsmkv_error *err)
{
    struct described described = {.info = SSTABLE_INFO_INIT};
    uint64_t size;
    enum lsmkv_status status = os_fs_open(table->env->fs, table->path, OS_READ, &table->file, err);

    if (status)
        goto done;
    status = os_size(table->file, &size, err);
    if (status)
        goto done;
    if (size != info->size) {
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: has %" PRIu64 " bytes, the manifest says %" PRIu64, table->path,
                            size, info->size);
        goto done;
    }
    status = describe(table->file, table->path, info->number, size, &described, err);
    if (status)
        goto done;
    if (!info_equal(&described.info, info))
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: is not the table that the manifest describes", table->path);
    table->layout = described.layout;

done:
    sstable_info_release(&described.info);
    return status;
}

static enum lsmkv_status load_filter(struct sstable *table, struct lsmkv_buf *bytes, struct lsmkv_error *err)
{
    struct block_place place = {table->path, table->number, table->layout.data_size};
    struct block_parts parts;
    enum lsmkv_status status;

    if (table->layout.filter_size == 0)
        return LSMKV_OK;
    status = read_plain_block(table->file, &place, table->layout.filter_size, bytes, &parts, err);
    if (status)
        return status;
    table->filter_checksum = parts.checksum;
    return filter_init(&table->filter, parts.payload, table->path, err);
}

static enum lsmkv_status bad_index(const struct sstable *table, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad index at offset %" PRIu64, table->path,
                      table->layout.data_size + table->layout.filter_size);
}

/* Adds one block of the index; see (2) and (4). */
static enum lsmkv_status add_to_index(struct sstable *table, const struct entry *entry, uint64_t raw_bytes,
                                      struct lsmkv_error *err)
{
    struct sstable_index *index = &table->index;
    struct reader reader;
    uint64_t size;
    enum lsmkv_status status;

    reader_init(&reader, entry->value);
    if (index->count == table->layout.blocks || entry->kind != ENTRY_PUT || entry->sequence != 0 ||
        !read_varint(&reader, &size) || reader_left(&reader) != 0 || size <= BLOCK_TRAILER_SIZE ||
        size > BLOCK_RAW_MAX + BLOCK_TRAILER_SIZE || size > table->layout.data_size - index->offsets[index->count] ||
        index->keys.size + entry->key.size > raw_bytes)
        return bad_index(table, err);
    status = buf_append(&index->keys, entry->key.data, entry->key.size, err);
    if (status)
        return status;
    index->key_ends[index->count] = index->keys.size;
    index->offsets[index->count + 1] = index->offsets[index->count] + size;
    index->count++;
    return LSMKV_OK;
}

/* Gives back what growing took too much; failing to is harmless. */
static void shrink(struct lsmkv_buf *buf)
{
    uint8_t *data = lsm_realloc(buf->data, buf->size);

    if (data) {
        buf->data = data;
        buf->capacity = buf->size;
    }
}

static enum lsmkv_status fill_index(struct sstable *table, const struct block *block, const struct sstable_info *info,
                                    struct lsmkv_error *err)
{
    struct block_iter it = {.key = LSMKV_BUF_INIT};
    enum lsmkv_status status;

    block_iter_set(&it, block);
    for (status = block_iter_first(&it, err); !status && it.valid; status = block_iter_next(&it, err)) {
        status = add_to_index(table, &it.entry, info->raw_bytes, err);
        if (status)
            break;
    }
    block_iter_release(&it);
    if (status)
        return status;
    if (table->index.count != table->layout.blocks ||
        table->index.offsets[table->index.count] != table->layout.data_size ||
        !slice_equal(sstable_index_key(table, table->index.count - 1), slice_of_buf(&info->key_max)))
        return bad_index(table, err);
    shrink(&table->index.keys);
    return LSMKV_OK;
}

static enum lsmkv_status load_index(struct sstable *table, const struct sstable_info *info, struct lsmkv_buf *bytes,
                                    struct lsmkv_error *err)
{
    struct block_place place = {table->path, table->number, table->layout.data_size + table->layout.filter_size};
    size_t count = (size_t)table->layout.blocks; /* bounded by the file's size, see layout_fits() */
    struct block_parts parts;
    struct block block;
    enum lsmkv_status status;

    status = read_plain_block(table->file, &place, table->layout.index_size, bytes, &parts, err);
    if (status)
        return status;
    table->index_checksum = parts.checksum;
    status = block_init(&block, parts.payload, &place, err);
    if (status)
        return status;
    table->index.offsets = lsm_calloc(count + 1, sizeof(*table->index.offsets));
    table->index.key_ends = lsm_calloc(count, sizeof(*table->index.key_ends));
    table->verified = lsm_calloc((count + 63) / 64, sizeof(*table->verified));
    if (!table->index.offsets || !table->index.key_ends || !table->verified)
        return lsmkv_fail_nomem(err);
    return fill_index(table, &block, info, err);
}

static size_t memory_of(const struct sstable *table)
{
    return sizeof(*table) + filter_bytes(&table->filter) + table->index.keys.capacity +
           table->index.count * (sizeof(*table->index.offsets) + sizeof(*table->index.key_ends)) +
           table->index.count / 8;
}

enum lsmkv_status sstable_open(struct sstable **table, struct sstable_env *env, const char *dir,
                               const struct sstable_info *info, struct lsmkv_error *err)
{
    struct sstable *made = lsm_calloc(1, sizeof(*made));
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    enum lsmkv_status status;

    *table = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    made->env = env;
    made->number = info->number;
    made->path = sstable_path(dir, info->number);
    if (!made->path) {
        status = lsmkv_fail_nomem(err);
        goto done;
    }
    status = open_file(made, info, err);
    if (status)
        goto done;
    status = load_filter(made, &bytes, err);
    if (status)
        goto done;
    status = load_index(made, info, &bytes, err);
    if (status)
        goto done;
    if (env->io == LSMKV_IO_MMAP)
        status = os_map(made->file, made->layout.data_size, &made->map, err);
    if (status)
        goto done;
    made->memory = memory_of(made);
    *table = made;
    made = NULL;

done:
    sstable_close(made);
    lsmkv_buf_release(&bytes);
    return status;
}

void sstable_close(struct sstable *table)
{
    if (!table)
        return;
    if (table->file)
        os_close(table->file, NULL); /* of a file only read: nothing can be lost */
    filter_release(&table->filter);
    lsmkv_buf_release(&table->index.keys);
    lsm_free(table->index.offsets);
    lsm_free(table->index.key_ends);
    lsm_free(table->verified);
    lsm_free(table->path);
    lsm_free(table);
}
