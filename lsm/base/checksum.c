/*
 * checksum.c - XXH3 of libxxhash. Its 64-bit results are frozen since 0.8.0 and equal on every byte order.
 */
#include "base/checksum.h"

#include <xxhash.h>

/* Far from 0, so that filter bits and checksums of the same bytes have nothing in common. */
#define HASH_SEED 0x6c736d6b76626c6dULL

uint64_t checksum64(struct lsmkv_slice bytes)
{
    return checksum64_seeded(bytes, 0);
}

uint64_t checksum64_seeded(struct lsmkv_slice bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.size ? (const void *)bytes.data : "", bytes.size, seed);
}

uint64_t hash64(struct lsmkv_slice bytes)
{
    return checksum64_seeded(bytes, HASH_SEED);
}
