/*
 * version.h - the tables of each level at one moment: immutable, reference-counted.
 *
 * (1) L0 is ordered newest first by sequence_max; its tables may overlap in key.
 * (2) L1 and deeper are ordered by key and do not overlap.
 * (3) For one key, a version in a lower-numbered place (L0 before L1 ..., newer L0 tables first) is the newer one.
 */
#ifndef LSM_VERSION_VERSION_H
#define LSM_VERSION_VERSION_H

#include "sstable/table.h"

struct version_level {
    struct table **tables;
    size_t count;
    uint64_t bytes;
};

struct version {
    _Atomic uint64_t refs;
    struct version_level levels[LSMKV_LEVELS];
};

/* Which tables leave and which come; used for flush (nothing leaves) and compaction. */
struct version_edit {
    struct table **removed; /* borrowed, from the current version */
    size_t removed_count;
    struct {
        unsigned level;
        struct table *table; /* borrowed; the version takes its own reference */
    } * added;
    size_t added_count;
};

LSMKV_MUST_CHECK enum lsmkv_status version_new(struct version **version, const struct version *base /* may be NULL */,
                                               const struct version_edit *edit /* may be NULL */,
                                               struct lsmkv_error *err);
void version_ref(struct version *version);
void version_unref(struct version *version); /* NULL is fine */

/* The newest version of `key` in any table; as table_get(). */
LSMKV_MUST_CHECK enum lsmkv_status version_get(const struct version *version, struct lsmkv_slice key,
                                               struct lsmkv_buf *value, enum entry_kind *kind, bool *found,
                                               struct lsmkv_error *err);

/*
 * An iterator over one level below L0 (or any run of tables that do not overlap), tables opened as it reaches them.
 * Holds references on the tables.
 */
LSMKV_MUST_CHECK enum lsmkv_status level_iter_new(struct iter **it, struct table *const *tables, size_t count,
                                                  bool sequential, struct lsmkv_error *err);

/*
 * Index of the first table of a sorted run whose key_max >= `key`; `count` if none.
 */
size_t level_find(const struct version_level *level, struct lsmkv_slice key);

/* True if a table of `level` or deeper may hold `key`. */
bool version_may_hold_below(const struct version *version, unsigned level, struct lsmkv_slice key);

#endif
