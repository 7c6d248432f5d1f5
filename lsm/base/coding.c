/*
 * coding.c - integers to and from bytes. Written byte by byte: compilers make single moves of it, on either byte order.
 */
#include "base/coding.h"

void put_u16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

void put_u32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    to[2] = (uint8_t)(value >> 16);
    to[3] = (uint8_t)(value >> 24);
}

void put_u64(uint8_t *to, uint64_t value)
{
    put_u32(to, (uint32_t)value);
    put_u32(to + 4, (uint32_t)(value >> 32));
}

void put_u32_be(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

void put_u64_be(uint8_t *to, uint64_t value)
{
    put_u32_be(to, (uint32_t)(value >> 32));
    put_u32_be(to + 4, (uint32_t)value);
}

uint16_t get_u16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

uint32_t get_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

uint64_t get_u64(const uint8_t *from)
{
    return get_u32(from) | (uint64_t)get_u32(from + 4) << 32;
}

uint32_t get_u32_be(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

uint64_t get_u64_be(const uint8_t *from)
{
    return (uint64_t)get_u32_be(from) << 32 | get_u32_be(from + 4);
}

size_t put_varint(uint8_t *to, uint64_t value)
{
    size_t size = 0;

    while (value >= 0x80) {
        to[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    return size;
}

size_t varint_size(uint64_t value)
{
    size_t size = 1;

    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

void reader_init(struct reader *reader, struct lsmkv_slice bytes)
{
    static const uint8_t nothing[1];

    /* An empty slice may have no data; pointers are compared and subtracted below. */
    reader->at = bytes.data ? bytes.data : nothing;
    reader->end = reader->at + (bytes.data ? bytes.size : 0);
}

bool read_u8(struct reader *reader, uint8_t *value)
{
    if (reader_left(reader) < 1)
        return false;
    *value = *reader->at++;
    return true;
}

bool read_u16(struct reader *reader, uint16_t *value)
{
    if (reader_left(reader) < 2)
        return false;
    *value = get_u16(reader->at);
    reader->at += 2;
    return true;
}

bool read_u32(struct reader *reader, uint32_t *value)
{
    if (reader_left(reader) < 4)
        return false;
    *value = get_u32(reader->at);
    reader->at += 4;
    return true;
}

bool read_u64(struct reader *reader, uint64_t *value)
{
    if (reader_left(reader) < 8)
        return false;
    *value = get_u64(reader->at);
    reader->at += 8;
    return true;
}

bool read_varint(struct reader *reader, uint64_t *value)
{
    const uint8_t *at = reader->at;
    uint64_t result = 0;
    unsigned shift;

    for (shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (at == reader->end)
            return false;
        byte = *at++;
        /* The tenth byte has room for bit 63 only; anything above would overflow, or go on for an eleventh byte. */
        if (shift == 63 && byte > 1)
            return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            reader->at = at;
            *value = result;
            return true;
        }
    }
    return false;
}

bool read_bytes(struct reader *reader, size_t size, struct lsmkv_slice *bytes)
{
    if (reader_left(reader) < size)
        return false;
    bytes->data = reader->at;
    bytes->size = size;
    reader->at += size;
    return true;
}

bool read_length_prefixed(struct reader *reader, struct lsmkv_slice *bytes)
{
    struct reader ahead = *reader;
    uint64_t size;

    if (!read_varint(&ahead, &size) || size > reader_left(&ahead))
        return false;
    if (!read_bytes(&ahead, (size_t)size, bytes))
        return false;
    *reader = ahead;
    return true;
}
