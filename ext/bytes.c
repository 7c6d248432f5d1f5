#include "ext/bytes.h"

#include "ext/memory.h"

enum lsmkv_status bytes_reserve(struct lsmkv_buf *buf, size_t more)
{
    size_t wanted = buf->size + more;
    size_t capacity = buf->capacity + buf->capacity / 2;
    uint8_t *data;

    if (wanted < more)
        return LSMKV_NOMEM;
    if (wanted <= buf->capacity)
        return LSMKV_OK;
    if (capacity < wanted)
        capacity = wanted;
    if (capacity < 64)
        capacity = 64;
    data = memory_resize(buf->data, capacity);
    if (!data)
        return LSMKV_NOMEM;
    buf->data = data;
    buf->capacity = capacity;
    return LSMKV_OK;
}

enum lsmkv_status bytes_append(struct lsmkv_buf *buf, const void *data, size_t size)
{
    enum lsmkv_status status = bytes_reserve(buf, size);

    if (status)
        return status;
    if (size)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return LSMKV_OK;
}

size_t bytes_put_varint(uint8_t *to, uint64_t value)
{
    size_t size = 0;

    while (value >= 0x80) {
        to[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    return size;
}

bool bytes_get_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    const uint8_t *from = *at;
    uint64_t result = 0;
    unsigned shift;

    for (shift = 0; shift < 70 && from < end; shift += 7) {
        uint8_t byte = *from++;

        if (shift == 63 && byte > 1)
            return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *at = from;
            *value = result;
            return true;
        }
    }
    return false;
}

void bytes_put_be(uint8_t *to, uint64_t value, unsigned size)
{
    while (size--) {
        to[size] = (uint8_t)value;
        value >>= 8;
    }
}

uint64_t bytes_get_be(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | *from++;
    return value;
}

void bytes_put_le(uint8_t *to, uint64_t value, unsigned size)
{
    while (size--) {
        *to++ = (uint8_t)value;
        value >>= 8;
    }
}

uint64_t bytes_get_le(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | from[size];
    return value;
}

int bytes_compare(struct lsmkv_slice a, struct lsmkv_slice b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;

    if (order)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

uint64_t bytes_hash(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t i;

    for (i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

uint64_t bytes_hash_text(uint64_t hash, const char *text)
{
    return bytes_hash(hash, text, strlen(text) + 1);
}
