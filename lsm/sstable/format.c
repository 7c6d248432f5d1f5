/*
 * format.c - puts and takes the fields of format.h.
 */
#include "sstable/format.h"

#include <inttypes.h>

#include "base/checksum.h"
#include "base/error.h"

#define FOOTER_MAGIC       "lsmkvSST"
#define FOOTER_TAIL        24 /* bytes: size, version, checksum, magic */
#define PROPERTIES_FIXED   81 /* bytes before the keys */
#define SEED_FACTOR_NUMBER UINT64_C(0x9ddfea08eb382d69)
#define SEED_FACTOR_OFFSET UINT64_C(0xc6a4a7935bd1e995)

/* A block that is right, but in the wrong place or file, does not pass. */
static uint64_t place_seed(const struct block_place *place)
{
    return (place->number + 1) * SEED_FACTOR_NUMBER ^ (place->offset + 1) * SEED_FACTOR_OFFSET;
}

enum lsmkv_status block_seal(struct lsmkv_buf *block, enum block_codec codec, uint32_t raw_size,
                             const struct block_place *place, uint64_t *checksum, struct lsmkv_error *err)
{
    uint8_t *trailer;
    enum lsmkv_status status = buf_reserve(block, BLOCK_TRAILER_SIZE, err);

    if (status)
        return status;
    trailer = block->data + block->size;
    trailer[0] = (uint8_t)codec;
    put_u32(trailer + 1, raw_size);
    *checksum = checksum64_seeded(slice_of(block->data, block->size + 5), place_seed(place));
    put_u64(trailer + 5, *checksum);
    block->size += BLOCK_TRAILER_SIZE;
    return LSMKV_OK;
}

/* False if no payload of this size can decompress to so many bytes: asked before memory for them is taken. */
static bool raw_size_possible(const struct block_parts *parts)
{
    uint64_t payload = parts->payload.size;

    switch (parts->codec) {
    case BLOCK_LZ4:
        return parts->raw_size <= payload * 255; /* a byte of a length adds at most 255 */
    case BLOCK_ZSTD:
        return parts->raw_size <= (payload / 3 + 1) << 17; /* Zstd blocks: a header of 3 bytes, 128 KiB of content */
    case BLOCK_NONE:
        break;
    }
    return parts->raw_size == payload;
}

enum lsmkv_status block_unseal(struct lsmkv_slice block, const struct block_place *place, struct block_parts *parts,
                               struct lsmkv_error *err)
{
    const uint8_t *trailer;

    if (block.size < BLOCK_TRAILER_SIZE)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: no block at offset %" PRIu64, place->path, place->offset);
    trailer = block.data + block.size - BLOCK_TRAILER_SIZE;
    parts->payload = slice_of(block.data, block.size - BLOCK_TRAILER_SIZE);
    parts->checksum = get_u64(trailer + 5);
    if (checksum64_seeded(slice_of(block.data, block.size - 8), place_seed(place)) != parts->checksum)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: wrong checksum of the block at offset %" PRIu64, place->path,
                          place->offset);
    parts->raw_size = get_u32(trailer + 1);
    parts->codec = (enum block_codec)trailer[0];
    if (trailer[0] > BLOCK_ZSTD || parts->raw_size > BLOCK_RAW_MAX || !raw_size_possible(parts))
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad trailer of the block at offset %" PRIu64, place->path,
                          place->offset);
    return LSMKV_OK;
}

uint64_t block_chain(uint64_t chain, uint64_t checksum)
{
    uint8_t bytes[8];

    put_u64(bytes, checksum);
    return checksum64_seeded(slice_of(bytes, sizeof(bytes)), chain);
}

static enum lsmkv_status key_put(struct lsmkv_buf *to, const struct lsmkv_buf *key, struct lsmkv_error *err)
{
    uint8_t size[VARINT64_MAX];
    enum lsmkv_status status = buf_append(to, size, put_varint(size, key->size), err);

    return status ? status : buf_append(to, key->data, key->size, err);
}

enum lsmkv_status properties_put(struct lsmkv_buf *to, const struct sstable_info *info,
                                 const struct sstable_layout *layout, struct lsmkv_error *err)
{
    uint8_t fixed[PROPERTIES_FIXED];
    enum lsmkv_status status;

    put_u64(fixed, info->entries);
    put_u64(fixed + 8, info->tombstones);
    put_u64(fixed + 16, info->raw_bytes);
    put_u64(fixed + 24, info->sequence_min);
    put_u64(fixed + 32, info->sequence_max);
    put_u64(fixed + 40, layout->blocks);
    put_u64(fixed + 48, layout->data_size);
    put_u64(fixed + 56, layout->filter_size);
    put_u64(fixed + 64, layout->index_size);
    put_u64(fixed + 72, layout->chain);
    fixed[80] = (uint8_t)layout->codec;
    status = buf_append(to, fixed, sizeof(fixed), err);
    if (status)
        return status;
    status = key_put(to, &info->key_min, err);
    return status ? status : key_put(to, &info->key_max, err);
}

enum lsmkv_status properties_get(struct lsmkv_slice from, const struct block_place *place, struct sstable_info *info,
                                 struct sstable_layout *layout, struct lsmkv_error *err)
{
    struct reader reader;
    struct lsmkv_slice key_min, key_max;
    uint8_t codec = 0;
    enum lsmkv_status status;

    reader_init(&reader, from);
    if (!read_u64(&reader, &info->entries) || !read_u64(&reader, &info->tombstones) ||
        !read_u64(&reader, &info->raw_bytes) || !read_u64(&reader, &info->sequence_min) ||
        !read_u64(&reader, &info->sequence_max) || !read_u64(&reader, &layout->blocks) ||
        !read_u64(&reader, &layout->data_size) || !read_u64(&reader, &layout->filter_size) ||
        !read_u64(&reader, &layout->index_size) || !read_u64(&reader, &layout->chain) || !read_u8(&reader, &codec) ||
        !read_length_prefixed(&reader, &key_min) || !read_length_prefixed(&reader, &key_max) ||
        reader_left(&reader) != 0 || codec > BLOCK_ZSTD || slice_compare(key_min, key_max) > 0)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad properties at offset %" PRIu64, place->path, place->offset);
    layout->codec = (enum block_codec)codec;
    status = buf_set(&info->key_min, key_min, err);
    return status ? status : buf_set(&info->key_max, key_max, err);
}

void footer_put(uint8_t to[SSTABLE_FOOTER_SIZE], struct sstable_footer *footer)
{
    put_u64(to, footer->number);
    put_u64(to + 8, footer->file_size);
    put_u64(to + 16, footer->properties_size);
    put_u64(to + 24, footer->properties_checksum);
    put_u32(to + 32, SSTABLE_FOOTER_SIZE);
    put_u32(to + 36, SSTABLE_VERSION);
    footer->checksum = checksum64(slice_of(to, 40));
    put_u64(to + 40, footer->checksum);
    memcpy(to + 48, FOOTER_MAGIC, 8);
}

enum lsmkv_status footer_get(struct lsmkv_slice tail, const char *path, struct sstable_footer *footer,
                             struct lsmkv_error *err)
{
    const uint8_t *end = tail.data + tail.size;
    const uint8_t *from;
    uint32_t size, version;

    if (tail.size < FOOTER_TAIL || memcmp(end - 8, FOOTER_MAGIC, 8) != 0)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: no footer at its end", path);
    size = get_u32(end - FOOTER_TAIL);
    version = get_u32(end - FOOTER_TAIL + 4);
    footer->checksum = get_u64(end - FOOTER_TAIL + 8);
    if (size < FOOTER_TAIL || size > tail.size || checksum64(slice_of(end - size, size - 16)) != footer->checksum)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: wrong checksum of the footer", path);
    if (version > SSTABLE_VERSION)
        return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: format version %" PRIu32 " is newer than this program knows", path,
                          version);
    if (version != SSTABLE_VERSION || size != SSTABLE_FOOTER_SIZE)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad footer", path);
    from = end - size;
    footer->number = get_u64(from);
    footer->file_size = get_u64(from + 8);
    footer->properties_size = get_u64(from + 16);
    footer->properties_checksum = get_u64(from + 24);
    return LSMKV_OK;
}
