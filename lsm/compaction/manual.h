/*
 * manual.h - compaction of a key range by request, in the caller's thread: level by level down to the deepest one that
 * holds any of the range, and one further where tombstones of the range would otherwise stay.
 *
 * L0 goes as a whole; a deeper level in pieces of a few tables, so that space and claims of one piece are bounded. Each
 * step moves one piece and installs it. Between steps nothing is held, neither a lock nor a claim nor a table: other
 * manual compactions may take their steps there, and it may be abandoned.
 *
 * It ends: each level is gone through once, from the lowest key to the highest. What was in a level at the start is below
 * it afterwards, moved by a piece or by a compaction that was waited for; what arrives later is newer than the start.
 *
 * Threads:   one at a time for each manual_compaction; any number of them beside each other, their steps one at a time.
 * Ownership: borrows the scheduler, copies the range.
 * Failure:   a failed step has moved nothing and can be repeated.
 */
#ifndef LSM_COMPACTION_MANUAL_H
#define LSM_COMPACTION_MANUAL_H

#include "compaction/scheduler.h"

struct key_range {
    struct lsmkv_slice lower; /* data == NULL: unbounded */
    struct lsmkv_slice upper;
};

struct manual_compaction {
    struct scheduler *scheduler;
    struct lsmkv_buf lower, upper; /* what `range` points to */
    struct key_range range;
    unsigned level;           /* whose tables go down next */
    bool begun;               /* `level` must go down, and `rest` of it is left */
    struct key_range rest;    /* its lower end: that of `range`, or in `at` */
    struct lsmkv_buf at, end; /* where `rest` begins; where the piece in hand ends */
    uint64_t bytes_done;
};

/* Begins at L0. Nothing to release after failure. */
LSMKV_MUST_CHECK enum lsmkv_status manual_compaction_init(struct manual_compaction *manual, struct scheduler *scheduler,
                                                          struct lsmkv_slice lower, struct lsmkv_slice upper,
                                                          struct lsmkv_error *err);
void manual_compaction_release(struct manual_compaction *manual);

/*
 * Not after the last one. Moves the next piece down and installs it, waiting for claims on it to end. Sets all of *progress
 * but step, percent and elapsed_ns: level -1 and no tables where nothing was left to move.
 */
LSMKV_MUST_CHECK enum lsmkv_status manual_compaction_step(struct manual_compaction *manual,
                                                          struct lsmkv_compaction_progress *progress,
                                                          struct lsmkv_error *err);

/* Sets bytes_done, bytes_all and finished as things are now. */
void manual_compaction_look(const struct manual_compaction *manual, struct lsmkv_compaction_progress *progress);

#endif
