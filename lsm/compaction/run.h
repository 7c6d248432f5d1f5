/*
 * run.h - does one compaction: merges the inputs into new tables of the output level. And writes a memtable as a table.
 *
 * Only the newest version of a key is kept (snapshots pin their super-version and need no older ones here). A tombstone
 * is dropped where no table deeper than the output level can hold its key. Keys of dropped tables are discarded.
 */
#ifndef LSM_COMPACTION_RUN_H
#define LSM_COMPACTION_RUN_H

#include "compaction/pick.h"
#include "compaction/limit.h"
#include "version/version_set.h"

/* What background work needs to know of its store; constant after open, but for the options. */
struct background {
    struct os_fs *fs;
    const char *dir;
    const struct lsmkv_options *_Atomic options; /* those in force; whoever needs several that agree reads this once */
    struct version_set *versions;
    struct table_cache *cache;
    struct counters *counters;
    /* True if `table_id` was dropped and its keys may go; may be NULL. Called without locks held. */
    bool (*dropped)(void *context, uint32_t table_id);
    void *dropped_context;
    void (*hook)(void *context, const char *point); /* tests; may be NULL */
    void *hook_context;
    void (*log)(void *context, enum lsmkv_status status, const char *message); /* may be NULL */
    void *log_context;
    /* Set by the scheduler, shared by all its work. NULL: never stopped, not limited, not told. */
    const _Atomic bool *stopping; /* work in hand ends with INTERRUPTED, leaving no file behind */
    struct rate_limiter *limiter; /* what compactions may write: options->rate_limit */
    _Atomic uint64_t *progress;   /* rises while work advances: tells slow work from stuck work */
};

/* The new tables of one piece of work: on failure their files are removed. */
struct outputs {
    struct table **tables; /* references held */
    size_t count;
};
void outputs_release(struct outputs *outputs);
/* Releases them and removes their files. Not after a commit whose outcome is unknown: a manifest may name them. */
void outputs_discard(const struct background *background, struct outputs *outputs);

/* Writes one frozen memtable as L0 table(s); dropped ids are left out, so there may be none. Installs nothing. */
LSMKV_MUST_CHECK enum lsmkv_status flush_run(const struct background *background, struct memtable *memtable,
                                             struct outputs *outputs, struct lsmkv_error *err);

/* Merges the inputs of `compaction`, against `version` for deeper levels. Installs nothing. */
LSMKV_MUST_CHECK enum lsmkv_status compaction_run(const struct background *background,
                                                  const struct compaction *compaction, const struct version *version,
                                                  struct outputs *outputs, struct lsmkv_error *err);

/*
 * The codec of tables in `level`, AUTO resolved: none in L0 and L1, LZ4 below, Zstd in the deepest level with tables.
 * `version` may be NULL for L0.
 */
enum lsmkv_compression compression_of_level(const struct lsmkv_options *options, const struct version *version,
                                            unsigned level);

#endif
