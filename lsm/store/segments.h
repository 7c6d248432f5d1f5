/*
 * segments.h - which segments of the log recovery replays, and in which order.
 *
 * Each header names its predecessor and, where the mode promises it, the predecessor's final length. So a segment that is
 * missing or shorter than it was is noticed, also where later ones are whole. Left out are: segments whose header was never
 * made durable (a rotation that died: rotate.c (2) says that they hold no record), and segments without predecessor that
 * are not the first (a recovery that died before its manifest commit: nothing was acknowledged in them).
 */
#ifndef LSM_STORE_SEGMENTS_H
#define LSM_STORE_SEGMENTS_H

#include "manifest/manifest.h"
#include "wal/format.h"

struct segment {
    uint64_t number;
    struct wal_header header;
    uint64_t promised; /* bytes that must be valid; 0 = unknown */
};

struct segments {
    struct segment *list; /* oldest first; may be empty */
    size_t count;
};
#define SEGMENTS_INIT                                                                                                  \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }

/* CORRUPT names the segment that is missing or damaged; CANTOPEN one of another store or a newer format. */
LSMKV_MUST_CHECK enum lsmkv_status segments_find(struct segments *segments, struct os_fs *fs, const char *dir,
                                                 const struct manifest *manifest, struct lsmkv_error *err);
void segments_release(struct segments *segments);

/* Syncs the file of every segment in wal/: for a clean end in off mode, where nothing else has. */
LSMKV_MUST_CHECK enum lsmkv_status segments_sync_all(struct os_fs *fs, const char *dir, struct lsmkv_error *err);

#endif
