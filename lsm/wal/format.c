/*
 * format.c - segment headers, frame headers and entries to and from bytes.
 */
#include "wal/format.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/checksum.h"
#include "base/error.h"
#include "os/fs.h"
#include "wal/frame.h"

#define MAGIC           "lsmkvWAL"
#define FLAG_NO_PROMISE 1u
#define HEADER_CHECKED  72 /* bytes of the segment header under its checksum */
#define READ_KEY        3  /* kinds, beside those of entries */
#define READ_RANGE      4
#define FRAME_UNCHECKED 8 /* bytes of a frame before those under its checksum */

char *wal_path(const char *dir, uint64_t segment)
{
    return os_path(dir, "wal/%06" PRIu64 ".wal", segment);
}

void wal_header_put(uint8_t to[WAL_HEADER_SIZE], const struct wal_header *header, uint64_t *checksum)
{
    memset(to, 0, WAL_HEADER_SIZE);
    memcpy(to, MAGIC, 8);
    put_u32(to + 8, WAL_VERSION);
    put_u32(to + 12, header->length_promised ? 0 : FLAG_NO_PROMISE);
    put_u64(to + 16, header->segment);
    put_u64(to + 24, header->salt);
    put_u64(to + 32, header->predecessor);
    put_u64(to + 40, header->predecessor_length);
    memcpy(to + 48, header->store_id, LSMKV_STORE_ID_SIZE);
    *checksum = checksum64(slice_of(to, HEADER_CHECKED));
    put_u64(to + HEADER_CHECKED, *checksum);
}

enum lsmkv_status wal_header_get(const uint8_t from[WAL_HEADER_SIZE], const char *path, struct wal_header *header,
                                 uint64_t *checksum, struct lsmkv_error *err)
{
    uint32_t version = get_u32(from + 8);
    uint32_t flags = get_u32(from + 12);

    *checksum = checksum64(slice_of(from, HEADER_CHECKED));
    if (memcmp(from, MAGIC, 8) != 0)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad magic at offset 0, not a log segment", path);
    if (get_u64(from + HEADER_CHECKED) != *checksum)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad checksum of the header at offset 0", path);
    if (version > WAL_VERSION)
        return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: log format version %" PRIu32 " is newer than %d, the newest known",
                          path, version, WAL_VERSION);
    if (version == 0 || (flags & ~FLAG_NO_PROMISE) || get_u64(from + 64) != 0)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad field in the header at offset 0", path);
    header->version = version;
    header->length_promised = !(flags & FLAG_NO_PROMISE);
    header->segment = get_u64(from + 16);
    header->salt = get_u64(from + 24);
    header->predecessor = get_u64(from + 32);
    header->predecessor_length = get_u64(from + 40);
    memcpy(header->store_id, from + 48, LSMKV_STORE_ID_SIZE);
    return LSMKV_OK;
}

uint64_t wal_frame_seed(const struct wal_header *header, uint64_t offset)
{
    return header->salt ^ (header->segment * WAL_SEED_SEGMENT) ^ (offset * WAL_SEED_OFFSET);
}

static uint64_t frame_checksum(const uint8_t *frame, uint32_t length, uint64_t seed)
{
    return checksum64_seeded(slice_of(frame + FRAME_UNCHECKED, WAL_FRAME_HEADER - FRAME_UNCHECKED + (size_t)length),
                             seed);
}

void wal_frame_put(uint8_t *to, struct wal_frame *frame, uint64_t seed)
{
    put_u32(to + 8, frame->length);
    to[12] = (uint8_t)frame->type;
    to[13] = frame->last ? WAL_FRAME_LAST : 0;
    put_u16(to + 14, 0);
    put_u64(to + 16, frame->sequence);
    put_u64(to + 24, frame->synced);
    put_u64(to + 32, frame->previous);
    frame->checksum = frame_checksum(to, frame->length, seed);
    put_u64(to, frame->checksum);
}

bool wal_frame_get(const uint8_t from[WAL_FRAME_HEADER], struct wal_frame *frame)
{
    frame->checksum = get_u64(from);
    frame->length = get_u32(from + 8);
    frame->type = (enum wal_type)from[12];
    frame->last = from[13] & WAL_FRAME_LAST;
    frame->sequence = get_u64(from + 16);
    frame->synced = get_u64(from + 24);
    frame->previous = get_u64(from + 32);
    return frame->length <= WAL_PAYLOAD_MAX && from[12] >= WAL_COMMIT && from[12] <= WAL_ABORT &&
           from[13] <= WAL_FRAME_LAST && get_u16(from + 14) == 0;
}

bool wal_frame_matches(const uint8_t *from, const struct wal_frame *frame, uint64_t seed)
{
    return frame_checksum(from, frame->length, seed) == frame->checksum;
}

size_t wal_entry_head_put(uint8_t to[WAL_ENTRY_HEAD], const struct entry *entry)
{
    size_t size = 1;

    to[0] = (uint8_t)entry->kind;
    size += put_varint(to + size, entry->key.size);
    if (entry->kind == ENTRY_PUT)
        size += put_varint(to + size, entry->value.size);
    return size;
}

uint64_t wal_entry_size(const struct entry *entry)
{
    uint64_t size = 1 + varint_size(entry->key.size) + (uint64_t)entry->key.size;

    if (entry->kind == ENTRY_PUT)
        size += varint_size(entry->value.size) + (uint64_t)entry->value.size;
    return size;
}

bool wal_entry_get(struct reader *reader, struct entry *entry)
{
    struct reader ahead = *reader;
    uint64_t key_size, value_size = 0;
    uint8_t kind;

    if (!read_u8(&ahead, &kind) || (kind != ENTRY_PUT && kind != ENTRY_DELETE))
        return false;
    if (!read_varint(&ahead, &key_size) || (kind == ENTRY_PUT && !read_varint(&ahead, &value_size)))
        return false;
    if (!read_bytes(&ahead, (size_t)key_size, &entry->key) || !read_bytes(&ahead, (size_t)value_size, &entry->value))
        return false;
    entry->kind = (enum entry_kind)kind;
    *reader = ahead;
    return true;
}

enum lsmkv_status wal_read_append(struct lsmkv_buf *to, const struct wal_read *read, struct lsmkv_error *err)
{
    uint8_t head[WAL_ENTRY_HEAD];
    size_t size = 1;
    enum lsmkv_status status;

    head[0] = read->range ? READ_RANGE : READ_KEY;
    size += put_varint(head + size, read->key.size);
    if (read->range)
        size += put_varint(head + size, read->upper.size);
    status = buf_append(to, head, size, err);
    if (!status)
        status = buf_append(to, read->key.data, read->key.size, err);
    if (!status && read->range)
        status = buf_append(to, read->upper.data, read->upper.size, err);
    return status;
}

bool wal_read_get(struct reader *reader, struct wal_read *read)
{
    struct reader ahead = *reader;
    uint64_t key_size, upper_size = 0;
    uint8_t kind;

    if (!read_u8(&ahead, &kind) || (kind != READ_KEY && kind != READ_RANGE))
        return false;
    read->range = kind == READ_RANGE;
    if (!read_varint(&ahead, &key_size) || (read->range && !read_varint(&ahead, &upper_size)))
        return false;
    if (!read_bytes(&ahead, (size_t)key_size, &read->key) || !read_bytes(&ahead, (size_t)upper_size, &read->upper))
        return false;
    *reader = ahead;
    return true;
}
