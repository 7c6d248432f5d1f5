/*
 * legacy_load.h - reads an old store (Python package lsm-kv-store, format 1 or 2) into memory.
 */
#ifndef LSM_STORE_LEGACY_LOAD_H
#define LSM_STORE_LEGACY_LOAD_H

#include "base/buf.h"
#include "memtable/memtable.h"
#include "os/fs.h"

#define LEGACY_LOG      "wal.log"
#define LEGACY_TABLES   "sstables"
#define LEGACY_LEVELS   "manifests"     /* format 2 */
#define LEGACY_MANIFEST "manifest.json" /* format 1 */

/*
 * All versions of each key that won at some moment of reading, tombstones included, from tables and log of the old store
 * in `dir`; the newest is the one that counts. Values are read with legacy_deleted() and legacy_value(). The newest timestamp wins; of equal ones the one that the old package
 * would have read: the log before the tables, lower levels before deeper ones, later entries before earlier ones.
 * CORRUPT names file and line. A torn last line of the log is left out: the old package never acknowledged it.
 */
LSMKV_MUST_CHECK enum lsmkv_status legacy_load(struct memtable **rows, struct os_fs *fs, const char *dir,
                                               struct lsmkv_error *err);

/* An entry's value: timestamp (8 bytes), 1 for a tombstone and 0 otherwise, the old value. */
#define LEGACY_HEAD_SIZE 9

static inline bool legacy_deleted(const struct entry *entry)
{
    return entry->value.data[8] != 0;
}

static inline struct lsmkv_slice legacy_value(const struct entry *entry)
{
    return slice_of(entry->value.data + LEGACY_HEAD_SIZE, entry->value.size - LEGACY_HEAD_SIZE);
}

#endif
