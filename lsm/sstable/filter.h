/*
 * filter.h - a Bloom filter cut into cache lines: all bits of a key are in one line of 64 bytes, so a check costs one
 * cache miss (the idea of RocksDB's FastLocalBloom, after Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient
 * Bloom Filters"). 10 bits a key give about 1 % false positives.
 *
 * The upper half of the key's hash chooses the line; the lower half, multiplied anew for each probe, the bits.
 *
 * Threads:   checks may run at the same time.
 * Failure:   the bytes of a filter are untrusted, but any lines are a filter: damage is the checksum's business.
 */
#ifndef LSM_SSTABLE_FILTER_H
#define LSM_SSTABLE_FILTER_H

#include "base/buf.h"

#define FILTER_LINE_SIZE  64 /* bytes */
#define FILTER_PROBES_MAX 24

/* Appends the payload of a filter block over `count` hashes, `bits` per key (>= 1). */
LSMKV_MUST_CHECK enum lsmkv_status filter_build(struct lsmkv_buf *to, const uint64_t *hashes, size_t count,
                                                uint32_t bits, struct lsmkv_error *err);

/* A filter in memory. All zero: no filter, holds everything. */
struct filter {
    uint8_t *lines; /* owned; aligned to a line */
    uint32_t line_count;
    uint32_t probes;
};

/* Copies the payload. CORRUPT (naming `path`) if it is none. */
LSMKV_MUST_CHECK enum lsmkv_status filter_init(struct filter *filter, struct lsmkv_slice payload, const char *path,
                                               struct lsmkv_error *err);
void filter_release(struct filter *filter);
size_t filter_bytes(const struct filter *filter); /* of memory */
/* False: no key with this hash (hash64) is in the table. */
bool filter_may_hold(const struct filter *filter, uint64_t hash);

#endif
