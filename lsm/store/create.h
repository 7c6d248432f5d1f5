/*
 * create.h - looks at the directory that a store is to be opened in, and makes an empty store.
 */
#ifndef LSM_STORE_CREATE_H
#define LSM_STORE_CREATE_H

#include "manifest/manifest.h"

#define NAME_LOCK "lock"

struct lsmkv_store;

/*
 * Writes nothing. `*exists`: `dir` holds a store. Otherwise, and only for LSMKV_OPEN_CREATE, one may be made there: it is
 * absent, empty, or holds what a creation left that died before its first manifest commit. CANTOPEN names what else is
 * there.
 */
LSMKV_MUST_CHECK enum lsmkv_status store_inspect(struct os_fs *fs, const char *dir, enum lsmkv_open_mode mode,
                                                 bool *exists, struct lsmkv_error *err);

/* Makes the directory if it is absent; its name is durable. */
LSMKV_MUST_CHECK enum lsmkv_status store_make_dir(struct os_fs *fs, const char *dir, struct lsmkv_error *err);

/*
 * Makes an empty, cleanly closed store in `store->dir`, with a new id (store->id). The caller holds its lock and has
 * inspected it. A death before the manifest commit leaves what store_inspect() takes for an empty directory.
 */
LSMKV_MUST_CHECK enum lsmkv_status store_create(struct lsmkv_store *store, const struct lsmkv_options *options,
                                                struct lsmkv_error *err);

/* Removes every file of a store, and its directory, while the caller holds its lock; nothing if one of them is foreign. */
LSMKV_MUST_CHECK enum lsmkv_status store_remove_files(struct os_fs *fs, const char *dir, struct lsmkv_error *err);

#endif
