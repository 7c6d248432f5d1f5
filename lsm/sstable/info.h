/*
 * info.h - what a manifest records of one SSTable.
 */
#ifndef LSM_SSTABLE_INFO_H
#define LSM_SSTABLE_INFO_H

#include "base/buf.h"

struct sstable_info {
    uint64_t number;  /* sst/NNNNNN.sst */
    uint64_t size;    /* bytes */
    uint64_t entries; /* tombstones included */
    uint64_t tombstones;
    uint64_t raw_bytes; /* keys and values before compression */
    uint64_t sequence_min, sequence_max;
    uint64_t checksum; /* of the footer, which covers the rest through checksums: tells two files of one number apart */
    struct lsmkv_buf key_min, key_max; /* inclusive; owned */
};

#define SSTABLE_INFO_INIT                                                                                              \
    {                                                                                                                  \
        0, 0, 0, 0, 0, 0, 0, 0, LSMKV_BUF_INIT, LSMKV_BUF_INIT                                                         \
    }

LSMKV_MUST_CHECK enum lsmkv_status sstable_info_copy(struct sstable_info *to, const struct sstable_info *from,
                                                     struct lsmkv_error *err);
void sstable_info_release(struct sstable_info *info);

/* True if [info->key_min, info->key_max] meets [lower, upper); data == NULL is unbounded. */
bool sstable_info_overlaps(const struct sstable_info *info, struct lsmkv_slice lower, struct lsmkv_slice upper);

char *sstable_path(const char *dir, uint64_t number); /* "<dir>/sst/NNNNNN.sst", by lsm_free(); NULL on failure */

#endif
