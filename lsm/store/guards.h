/*
 * guards.h - what undecided transactions keep others from: see prepared.h.
 *
 * P is undecided, T commits or prepares.
 * (1) T must not write what P has read: P was found valid when it was prepared, and has to stay so whenever its outcome comes.
 * (2) While T is prepared itself, the order of both outcomes is open: so it must not have read what P writes either. A T that
 *     commits comes before P, and its record before P's outcome (log_record.validated sees to that).
 * (3) Both may write one key: the later outcome wins.
 *
 * Threads: all functions may be called at the same time; with no lock.
 */
#ifndef LSM_STORE_GUARDS_H
#define LSM_STORE_GUARDS_H

#include "lsmkv.h"

struct iter;
struct lsmkv_store;
struct read_set;

/* T: what it writes; and, if it prepares, what it has read (sealed; NULL = nothing). */
struct guarded {
    struct iter *writes;
    bool prepares;
    const struct read_set *reads;
};

/*
 * By the holder of the turn. `*met`: a live one is in the way; `*seen` is for guards_wait(). BUSY: one in doubt is, which
 * waits for lsmkv_settle(); the message names it.
 */
LSMKV_MUST_CHECK enum lsmkv_status guards_check(struct lsmkv_store *store, const struct guarded *guarded, bool *met,
                                                uint64_t *seen, struct lsmkv_error *err);

/* Without the turn: until something was decided since `seen`. BUSY at `deadline_ns`. */
LSMKV_MUST_CHECK enum lsmkv_status guards_wait(struct lsmkv_store *store, uint64_t seen, uint64_t deadline_ns,
                                               struct lsmkv_error *err);

/*
 * By the holder of the turn, before it takes its snapshot: waits for live ones, which normally are decided at once, but for
 * none longer than GUARDS_PATIENCE_MS: a COMMIT that SQLite has refused may stay undecided for minutes. True if any are
 * left, so that the session has to remember what it reads.
 */
#define GUARDS_PATIENCE_MS 100
bool guards_await(struct lsmkv_store *store, uint64_t deadline_ns);

#endif
