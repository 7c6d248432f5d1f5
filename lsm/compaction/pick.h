/*
 * pick.h - which compaction is due: pure functions of a version, options and claims. No I/O, no threads, no clock.
 *
 * Threads: whoever picks, and whoever frees what was picked, holds the scheduler's lock, and the version is the current
 * one at that moment: a claim on a table that has already left would bring it back.
 *
 * Level limits: L0 is full at `l0_tables` tables, level N >= 1 at base_level_size * level_ratio^(N-1) bytes. A level's
 * score is its fill over its limit; it is due at `soft_limit` (tables: at floor(limit * soft_limit), at least 1).
 * Within a level below L0 the table with the least overlap in the next level (bytes there / own bytes) is taken, as in
 * RocksDB's kMinOverlappingRatio; L0 is taken whole with everything of L1 that it overlaps, but one of its tables that
 * meets no other table of L0 and none of L1 is moved down alone. When no level is due, a table that is mostly tombstones
 * is taken, so that a queue's deleted rows do not stay. The deepest level is never a source.
 */
#ifndef LSM_COMPACTION_PICK_H
#define LSM_COMPACTION_PICK_H

#include "version/version.h"

struct compaction {
    unsigned level; /* inputs[0] comes from here */
    unsigned output_level;
    struct table **inputs[2]; /* [0]: of `level`, newest first if L0; [1]: of output_level, by key. References held */
    size_t input_count[2];
    /* overlap in output_level + 1: outputs are cut when they overlap too much. References */
    struct table **grandparents;
    size_t grandparent_count;
    bool trivial_move;  /* one input, nothing to merge with, no tombstone to drop: only its level changes */
    bool discard;       /* inputs[0] holds keys of dropped tables only: it leaves and nothing comes */
    const char *reason; /* a literal: "l0 tables", "level bytes", "tombstones", "manual", "dropped table" */
};

uint64_t level_byte_limit(const struct lsmkv_options *options, unsigned level); /* level >= 1 */
double level_score(const struct lsmkv_options *options, const struct version *version, unsigned level);
bool level_due(const struct lsmkv_options *options, const struct version *version, unsigned level);
uint64_t table_size_target(const struct lsmkv_options *options); /* bytes at which an output table is cut */

/* Bytes an output may overlap in output_level + 1 before it is cut, so that no later compaction gets too wide. */
uint64_t grandparent_bytes_max(const struct lsmkv_options *options);

/* Bytes that compaction still has to move so that every level is within its limit; more than 0 only if a level is due. */
uint64_t compaction_debt(const struct lsmkv_options *options, const struct version *version);

/* True if pick_compaction() would find something in `version` were no table claimed. */
bool compaction_due(const struct lsmkv_options *options, const struct version *version);

/*
 * The most urgent compaction whose inputs are all free, its inputs claimed; *compaction = NULL if there is none.
 */
LSMKV_MUST_CHECK enum lsmkv_status pick_compaction(struct compaction **compaction, const struct lsmkv_options *options,
                                                   struct version *version, struct lsmkv_error *err);

/*
 * For a manual compaction: every table of `level` that meets [lower, upper), with its overlap in level + 1, claimed.
 * *compaction = NULL if there is none in range; *blocked is set if a running compaction has a claim on one of them.
 */
LSMKV_MUST_CHECK enum lsmkv_status pick_range(struct compaction **compaction, const struct lsmkv_options *options,
                                              struct version *version, unsigned level, struct lsmkv_slice lower,
                                              struct lsmkv_slice upper, bool *blocked, struct lsmkv_error *err);

/*
 * Tables whose keys all belong to one of the dropped table ids in `ids`, all from one level, claimed: they can leave
 * without being read, since nobody asks for an older version of their keys either. *compaction = NULL if there is none.
 */
LSMKV_MUST_CHECK enum lsmkv_status pick_dropped(struct compaction **compaction, struct version *version,
                                                const uint32_t *ids, size_t id_count, struct lsmkv_error *err);

/* The id of the one table that all keys of `info` belong to; false if they may belong to several. */
bool info_table_id(const struct sstable_info *info, uint32_t *id);

void compaction_free(struct compaction *compaction); /* unclaims; NULL is fine */

#endif
