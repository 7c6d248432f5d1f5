/*
 * super_version.h - the read set: active memtable, immutable memtables, version. Immutable and reference-counted; whoever
 * reads holds one. A memtable leaves the read set in the same swap that brings its table in.
 */
#ifndef LSM_VERSION_SUPER_VERSION_H
#define LSM_VERSION_SUPER_VERSION_H

#include "memtable/memtable.h"
#include "version/version.h"

struct super_version {
    _Atomic uint64_t refs;
    struct memtable *active;
    struct memtable **immutables; /* newest first */
    size_t immutable_count;
    struct version *version;
};

/* Takes references of its own on everything. */
LSMKV_MUST_CHECK enum lsmkv_status super_version_new(struct super_version **super_version, struct memtable *active,
                                                     struct memtable *const *immutables, size_t immutable_count,
                                                     struct version *version, struct lsmkv_error *err);
void super_version_ref(struct super_version *super_version);
void super_version_unref(struct super_version *super_version); /* NULL is fine */

/* The newest version of `key` with sequence <= `sequence`; found is false for a tombstone too. */
LSMKV_MUST_CHECK enum lsmkv_status super_version_get(const struct super_version *super_version, struct lsmkv_slice key,
                                                     uint64_t sequence, struct lsmkv_buf *value, bool *found,
                                                     struct lsmkv_error *err);

/*
 * An iterator over everything, tombstones included, `overlay` (may be NULL; taken, freed on failure too) before all.
 * Holds a reference on the super-version. Tables whose bounds miss [lower, upper) are left out (data == NULL: unbounded).
 */
LSMKV_MUST_CHECK enum lsmkv_status super_version_iter_new(struct iter **it, struct super_version *super_version,
                                                          uint64_t sequence, struct iter *overlay,
                                                          struct lsmkv_slice lower, struct lsmkv_slice upper,
                                                          struct lsmkv_error *err);

#endif
