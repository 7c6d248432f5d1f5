/*
 * legacy.h - stores of the Python package lsm-kv-store: what open has to do about a migration that was cut short.
 *
 * Threads: one caller at a time, who holds the lock of the directory.
 */
#ifndef LSM_STORE_LEGACY_H
#define LSM_STORE_LEGACY_H

#include "os/fs.h"

/*
 * `dir` holds a store of ours: moves what is left of an old store beside it to `dir`/legacy, as a migration does after
 * its commit. A no-op, without any write, where there is nothing of the kind.
 */
LSMKV_MUST_CHECK enum lsmkv_status legacy_finish(struct os_fs *fs, const char *dir, struct lsmkv_error *err);

#endif
