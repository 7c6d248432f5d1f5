/*
 * checksum.h - the one checksum (XXH3, 64 bits) of every file, and the hash of Bloom filters; by libxxhash.
 */
#ifndef LSM_BASE_CHECKSUM_H
#define LSM_BASE_CHECKSUM_H

#include "lsmkv.h"

uint64_t checksum64(struct lsmkv_slice bytes);
uint64_t checksum64_seeded(struct lsmkv_slice bytes, uint64_t seed);
uint64_t hash64(struct lsmkv_slice bytes);

#endif
