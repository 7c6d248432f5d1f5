/*
 * bytes.h - growing byte buffers and integer coding for keys and rows.
 *
 * Fallible functions return LSMKV_OK or LSMKV_NOMEM and leave the buffer as it was on failure.
 */
#ifndef EXT_BYTES_H
#define EXT_BYTES_H

#include <string.h>

#include "lsm/lsmkv.h"

#define BYTES_VARINT_MAX 10 /* bytes */

/* Room for `more` bytes after the present ones. */
LSMKV_MUST_CHECK enum lsmkv_status bytes_reserve(struct lsmkv_buf *buf, size_t more);
LSMKV_MUST_CHECK enum lsmkv_status bytes_append(struct lsmkv_buf *buf, const void *data, size_t size);

/* LEB128: 7 bits a byte, least significant first. Returns the number of bytes. */
size_t bytes_put_varint(uint8_t *to, uint64_t value);
/* Moves `*at` past a varint; false, moving nothing, if it runs past `end` or over 64 bits. */
bool bytes_get_varint(const uint8_t **at, const uint8_t *end, uint64_t *value);

void bytes_put_be(uint8_t *to, uint64_t value, unsigned size); /* the low `size` bytes, most significant first */
uint64_t bytes_get_be(const uint8_t *from, unsigned size);
void bytes_put_le(uint8_t *to, uint64_t value, unsigned size);
uint64_t bytes_get_le(const uint8_t *from, unsigned size);

static inline struct lsmkv_slice bytes_slice(const void *data, size_t size)
{
    struct lsmkv_slice slice = {(const uint8_t *)data, size};
    return slice;
}

static inline struct lsmkv_slice bytes_of(const struct lsmkv_buf *buf)
{
    return bytes_slice(buf->data, buf->size);
}

/* FNV-1a of 64 bits, continued from `hash`; the text with its terminator. No defence against whoever wants a collision. */
#define BYTES_HASH_START 0xcbf29ce484222325u
uint64_t bytes_hash(uint64_t hash, const void *data, size_t size);
uint64_t bytes_hash_text(uint64_t hash, const char *text);

/* memcmp order, a prefix before what it is a prefix of. */
int bytes_compare(struct lsmkv_slice a, struct lsmkv_slice b);

#endif
