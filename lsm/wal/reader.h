/*
 * reader.h - replays one segment: valid records in order, the end by the rule of the tail (format.h).
 */
#ifndef LSM_WAL_READER_H
#define LSM_WAL_READER_H

#include "os/fs.h"
#include "wal/format.h"

struct wal_record {
    enum wal_type type;
    uint64_t sequence;
    struct lsmkv_slice payload; /* whole, parts joined; borrowed during the visit */
    uint64_t offset;            /* of its first frame, for messages */
    uint32_t version;           /* of the segment's format */
};

struct wal_segment_end {
    struct wal_header header;
    bool started;      /* false: the file holds no header yet (zeros, or shorter than one): a rotation that died */
    uint64_t length;   /* bytes up to the end of the last whole record */
    uint64_t previous; /* checksum of the last whole record's last frame */
    bool clean;        /* nothing but zeros, or nothing, follows */
};

/*
 * Reads wal/NNNNNN.wal below `dir`. Calls `visit` for each whole record; its failure ends the replay and is returned.
 * `promised`: bytes that are known to have been valid (0 = unknown); anything bad below it is CORRUPT.
 * CORRUPT names file and offset.
 */
LSMKV_MUST_CHECK enum lsmkv_status wal_replay(struct os_fs *fs, const char *dir, uint64_t segment, uint64_t promised,
                                              enum lsmkv_status (*visit)(void *context, const struct wal_record *record,
                                                                         struct lsmkv_error *err),
                                              void *context, struct wal_segment_end *end, struct lsmkv_error *err);

#endif
