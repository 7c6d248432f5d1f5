/*
 * validate.h - optimistic transactions: what a session reads is remembered, and at its end compared with what others have
 * committed since its snapshot.
 *
 * (1) A commit is valid if nothing of what it has read is among the writes with a sequence after its snapshot and up to the
 *     one before its own. So every commit is as if its transaction had run alone at the place of its sequence.
 * (2) Those writes are read from the memtables, from the snapshot's active one along the chain of history.h. Tables and the
 *     log are never consulted.
 * (3) What was applied before the turn is looked at without it, the rest under it.
 *
 * Threads: as the session.
 */
#ifndef LSM_STORE_VALIDATE_H
#define LSM_STORE_VALIDATE_H

#include "store/writes.h"
#include "txn/read_set.h"

struct lsmkv_session;
struct lsmkv_store;
struct lsmkv_cursor;

/* What a session has read, and how far it is known to be unchanged. */
struct reads {
    bool tracked;                 /* remembered at all */
    struct read_set *set;         /* NULL: nothing was read */
    struct lsmkv_cursor *cursors; /* open ones that add to the set as they pass */
    uint64_t validated;           /* up to this sequence; if `set` is sealed */
    struct memtable *memtable;    /* where that is, with a reference; NULL: in the snapshot's active one */
};

/* Before a read whose outcome depends on the snapshot: there is a set to add to, if the session is tracked. */
LSMKV_MUST_CHECK enum lsmkv_status reads_begin(struct reads *reads, struct lsmkv_error *err);
/* At the end of the transaction. Its cursors go on, and add to nothing. */
void reads_end(struct reads *reads);

/*
 * Waits for pressure, validates, takes the turn, and validates what came in between; if a prepared transaction guards what
 * this one does (guards.h), gives the turn, waits for its outcome and begins again. After success the session holds the
 * turn, and reads.validated goes into the log's record. `wait_ms` bounds all these waits but the first. An exclusive session
 * has the turn, and meets others only if it is tracked: if it has to wait it goes on as an optimistic one. After a failure
 * it has the turn only if it is exclusive.
 */
LSMKV_MUST_CHECK enum lsmkv_status session_enter_commit(struct lsmkv_session *session, struct iter *writes,
                                                        bool prepares, int64_t wait_ms, struct lsmkv_error *err);

/* PREPARED: whether anything was read since, so that its prepare does not say all. */
bool session_has_read_more(struct lsmkv_session *session);

/* Looks at what was applied since the last time. BUSY_SNAPSHOT: something that was read has changed. */
LSMKV_MUST_CHECK enum lsmkv_status session_validate_more(struct lsmkv_session *session, struct lsmkv_error *err);

/* Whether anything was read that others could change: else its commit needs no validation. After session_enter_commit(). */
bool session_depends_on_reads(const struct lsmkv_session *session);

/* Milliseconds that a caller's `wait_ms` stands for: negative is the store's option. */
uint64_t store_wait_ms(const struct lsmkv_store *store, int64_t wait_ms);
/* The same as a time of clock_now_ns(). */
uint64_t store_deadline_ns(const struct lsmkv_store *store, int64_t wait_ms);

#ifdef LSM_DEBUG
/* Tests: commits are not validated any more, so that what would look for their cycles can be seen to find them. */
void validation_off_for_tests(bool off);
#endif

/* ---- cursor.c ---- */

/* Adds what the cursor has passed since it was placed. */
void cursor_add_passed(struct lsmkv_cursor *cursor);
/* Takes all cursors off the list. */
void cursors_detach(struct lsmkv_cursor *first);
struct lsmkv_cursor *cursor_next_tracked(const struct lsmkv_cursor *cursor);

#endif
