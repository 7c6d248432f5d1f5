/*
 * manifest.h - which files make the store: STORE/global.json, the commit point, and STORE/manifest/level_N-GEN.json.
 *
 * A commit writes the level files that changed under new names, syncs them and their directory, then writes global.json
 * under a temporary name, syncs, renames and syncs the directory: the rename commits, however many levels change.
 * Every file carries "format" and a checksum of its own; a newer format is refused by name, unknown or duplicate fields,
 * trailing bytes and numbers out of range are CORRUPT. 64-bit numbers are strings, keys are hex. The bytes: format.h.
 *
 * Threads:   one caller at a time (the manifest lock).
 * Failure:   a failed commit before the rename changed nothing; after a failed rename or directory sync the outcome is
 *            unknown: the caller must not delete any file nor commit again (`*unknown` is set).
 */
#ifndef LSM_MANIFEST_MANIFEST_H
#define LSM_MANIFEST_MANIFEST_H

#include "os/fs.h"
#include "sstable/info.h"

#define MANIFEST_FORMAT     1
#define MANIFEST_BYTES_MAX  (256u << 20)        /* bytes of one JSON file */
#define MANIFEST_NUMBER_MAX ((uint64_t)1 << 62) /* file numbers, generations, sequences: counting on cannot overflow */

struct manifest_level {
    uint64_t generation;         /* of its file; 0 = the level is empty and has no file */
    uint64_t checksum;           /* of its file, as global.json records it; set by load and commit */
    struct sstable_info *tables; /* L0: newest first; deeper: by key */
    size_t count;
};

struct manifest {
    uint8_t store_id[LSMKV_STORE_ID_SIZE];
    uint64_t generation;    /* rises with each commit */
    uint64_t next_file;     /* number of the next segment or table, beyond all in use */
    uint64_t last_sequence; /* highest sequence in tables; the WAL may hold higher ones */
    uint64_t first_segment; /* recovery replays from here */
    uint64_t clean_segment; /* if closed cleanly: the last segment ... */
    uint64_t clean_length;  /* ... and its final length in bytes; 0, 0 otherwise */
    struct lsmkv_options options;
    struct manifest_level levels[LSMKV_LEVELS];
};

void manifest_init(struct manifest *manifest);
void manifest_release(struct manifest *manifest);
/* Deep copy; `to` is initialised here. */
LSMKV_MUST_CHECK enum lsmkv_status manifest_copy(struct manifest *to, const struct manifest *from,
                                                 struct lsmkv_error *err);
/* Replaces the tables of one level by copies, in the order given. */
LSMKV_MUST_CHECK enum lsmkv_status manifest_set_level(struct manifest *manifest, unsigned level,
                                                      const struct sstable_info *const *tables, size_t count,
                                                      struct lsmkv_error *err);

/* True if `dir` holds a global.json. */
LSMKV_MUST_CHECK enum lsmkv_status manifest_exists(struct os_fs *fs, const char *dir, bool *exists,
                                                   struct lsmkv_error *err);

/*
 * Reads global.json and the level files that it names; checks level rules (order, no overlap below L0) and that each
 * table file exists with its recorded size. A missing, short or damaged file is CORRUPT, names the file and how to repair.
 */
LSMKV_MUST_CHECK enum lsmkv_status manifest_load(struct manifest *manifest, struct os_fs *fs, const char *dir,
                                                 struct lsmkv_error *err);

/*
 * Makes `manifest` the committed state: raises its generation, gives the levels in `changed` (bit per level) new files,
 * commits. On failure `manifest` has its former generations.
 */
LSMKV_MUST_CHECK enum lsmkv_status manifest_commit(struct manifest *manifest, uint32_t changed, struct os_fs *fs,
                                                   const char *dir, bool *unknown, struct lsmkv_error *err);

/*
 * Removes what `manifest`, the committed one, does not name: temporary files, level files of other generations, tables
 * that are not listed, segments below first_segment. For a sole opener after a successful open, while nothing writes files.
 */
LSMKV_MUST_CHECK enum lsmkv_status manifest_remove_orphans(const struct manifest *manifest, struct os_fs *fs,
                                                           const char *dir, struct lsmkv_error *err);

/*
 * The parts of it that are safe at the same time as commits of other threads, for what `manifest` (a committed one) does
 * not name: segments below first_segment, counted in *removed; level files up to `generation_max`. All are tried; the
 * status is that of the first failure.
 */
LSMKV_MUST_CHECK enum lsmkv_status manifest_remove_segments(const struct manifest *manifest, struct os_fs *fs,
                                                            const char *dir, uint64_t *removed,
                                                            struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status manifest_remove_level_files(const struct manifest *manifest, uint64_t generation_max,
                                                               struct os_fs *fs, const char *dir,
                                                               struct lsmkv_error *err);

/* Highest file number in use in sst/ and wal/ of `dir`; next_file must be beyond it. */
LSMKV_MUST_CHECK enum lsmkv_status manifest_highest_file(struct os_fs *fs, const char *dir, uint64_t *number,
                                                         struct lsmkv_error *err);

#endif
