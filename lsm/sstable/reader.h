/*
 * reader.h - an open table file: its index and filter in memory, its blocks by number.
 *
 * A data block is verified at first touch, by a positioned read, which can fail; a bitmap remembers it. From then on an
 * uncompressed block is used in place from the map. Compressed blocks, and all where there is no map, are read, verified
 * and decompressed into the block cache and never touch the map.
 *
 * Threads:   after open all functions but close may be called at the same time.
 * Ownership: borrows file system, caches and counters.
 * Failure:   the file is untrusted: CORRUPT names file and offset, CANTOPEN a newer format version.
 */
#ifndef LSM_SSTABLE_READER_H
#define LSM_SSTABLE_READER_H

#include "base/counters.h"
#include "os/fs.h"
#include "sstable/block.h"
#include "sstable/block_cache.h"
#include "sstable/codec.h"
#include "sstable/filter.h"

/* What the readers of one store share. */
struct sstable_env {
    struct os_fs *fs;
    enum lsmkv_io io;
    struct block_cache *blocks;
    struct decompressor decompressor;
    struct counters *counters;
};

/* Block i holds keys above index key i - 1 and at or below index key i; it ends where block i + 1 begins. */
struct sstable_index {
    size_t count;
    uint64_t *offsets; /* count + 1: where blocks begin in the file, and where the last ends */
    size_t *key_ends;  /* count: where keys end in `keys`; each begins where the one before ends */
    struct lsmkv_buf keys;
};

/* All fields: constant after open, but `verified`. */
struct sstable {
    struct sstable_env *env;
    uint64_t number;
    char *path;
    struct os_file *file;
    const uint8_t *map; /* of the data blocks; NULL = none */
    struct sstable_layout layout;
    struct sstable_index index;
    struct filter filter;
    uint64_t filter_checksum, index_checksum; /* of their blocks, for the chain */
    _Atomic uint64_t *verified;               /* a bit per data block: verified, uncompressed, usable from the map */
    size_t memory;                            /* bytes held */
};

/* CORRUPT also if size, footer checksum or properties differ from `info`, what the manifest recorded. */
LSMKV_MUST_CHECK enum lsmkv_status sstable_open(struct sstable **table, struct sstable_env *env, const char *dir,
                                                const struct sstable_info *info, struct lsmkv_error *err);
void sstable_close(struct sstable *table); /* NULL is fine */

/* What the file says of itself, without a manifest. `info` starts as SSTABLE_INFO_INIT; unchanged on failure. */
LSMKV_MUST_CHECK enum lsmkv_status sstable_describe(struct os_fs *fs, const char *dir, uint64_t number,
                                                    struct sstable_info *info, struct lsmkv_error *err);

struct lsmkv_slice sstable_index_key(const struct sstable *table, size_t ordinal);
/* The only block that can hold `key`: the first whose index key is at or above it; index.count if none. */
size_t sstable_index_find(const struct sstable *table, struct lsmkv_slice key);
struct block_place sstable_place(const struct sstable *table, size_t ordinal);
size_t sstable_block_size(const struct sstable *table, size_t ordinal); /* with trailer, in the file */

/* A block in use. All zero: none. */
struct block_ref {
    struct block block;
    struct cached_block *cached; /* NULL: the block is in the map */
};

LSMKV_MUST_CHECK enum lsmkv_status sstable_block(struct sstable *table, size_t ordinal, struct block_ref *ref,
                                                 struct lsmkv_error *err);
void block_ref_release(struct block_ref *ref, struct sstable *table); /* none is fine; none afterwards */

#endif
