/*
 * coding.h - little-endian integers, varints, and the one bounds-checked reader for bytes that come from disk.
 *
 * Varint: LEB128, 7 bits a byte, least significant first, at most 10 bytes; a longer or overflowing one is refused.
 */
#ifndef LSM_BASE_CODING_H
#define LSM_BASE_CODING_H

#include "lsmkv.h"

#define VARINT64_MAX 10 /* bytes */

void put_u16(uint8_t *to, uint16_t value);
void put_u32(uint8_t *to, uint32_t value);
void put_u64(uint8_t *to, uint64_t value);
void put_u32_be(uint8_t *to, uint32_t value);
void put_u64_be(uint8_t *to, uint64_t value);
uint16_t get_u16(const uint8_t *from);
uint32_t get_u32(const uint8_t *from);
uint64_t get_u64(const uint8_t *from);
uint32_t get_u32_be(const uint8_t *from);
uint64_t get_u64_be(const uint8_t *from);
size_t put_varint(uint8_t *to, uint64_t value); /* bytes written, 1 to 10 */
size_t varint_size(uint64_t value);

/* A read position over untrusted bytes: each read returns false, and moves nothing, past the end or on a bad varint. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

void reader_init(struct reader *reader, struct lsmkv_slice bytes);
static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}
bool read_u8(struct reader *reader, uint8_t *value);
bool read_u16(struct reader *reader, uint16_t *value);
bool read_u32(struct reader *reader, uint32_t *value);
bool read_u64(struct reader *reader, uint64_t *value);
bool read_varint(struct reader *reader, uint64_t *value);
bool read_bytes(struct reader *reader, size_t size, struct lsmkv_slice *bytes); /* borrowed */
bool read_length_prefixed(struct reader *reader, struct lsmkv_slice *bytes);    /* varint size, then bytes */

#endif
