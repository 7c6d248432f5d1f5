/*
 * builder.h - writes one SSTable file from entries in order. The bytes are described in sstable/format.h.
 *
 * Threads:   one at a time. Ownership: borrows `fs`.
 * Failure:   after a failed call only free is legal; it removes the file.
 *
 * Legal order:  new add* finish free
 */
#ifndef LSM_SSTABLE_BUILDER_H
#define LSM_SSTABLE_BUILDER_H

#include "base/entry.h"
#include "os/fs.h"
#include "sstable/info.h"

struct sstable_builder;

struct sstable_params {
    uint32_t block_size;                /* bytes of a data block before compression */
    uint32_t filter_bits;               /* per key; 0 = no filter */
    enum lsmkv_compression compression; /* NONE, LZ4 or ZSTD (AUTO is resolved by the caller, by level) */
};

/* Makes sst/NNNNNN.sst below `dir` (O_EXCL, final name). */
LSMKV_MUST_CHECK enum lsmkv_status sstable_builder_new(struct sstable_builder **builder, struct os_fs *fs,
                                                       const char *dir, uint64_t number,
                                                       const struct sstable_params *params, struct lsmkv_error *err);

/* Keys must rise strictly (one version of a key); the entry is copied. */
LSMKV_MUST_CHECK enum lsmkv_status sstable_builder_add(struct sstable_builder *builder, const struct entry *entry,
                                                       struct lsmkv_error *err);

uint64_t sstable_builder_size(const struct sstable_builder *builder); /* bytes of the file so far, about */
uint64_t sstable_builder_entries(const struct sstable_builder *builder);

/* Writes filter, index, properties and footer; syncs the file (not its directory). `info` is filled; needs >= 1 entry. */
LSMKV_MUST_CHECK enum lsmkv_status sstable_builder_finish(struct sstable_builder *builder, struct sstable_info *info,
                                                          struct lsmkv_error *err);

void sstable_builder_free(struct sstable_builder *builder); /* removes the file unless finished; NULL is fine */

#endif
