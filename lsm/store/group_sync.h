/*
 * group_sync.h - makes the log durable, together for all who wait: the first waiter leads one fdatasync without any lock,
 * the others sleep until it has covered them or until one of them leads the next.
 *
 * In normal mode a thread of its own leads one at most every 100 ms while there is something to sync.
 *
 * Threads: all functions may be called at the same time, with no lock of rank >= RANK_SYNC held.
 * Failure: sticky. A failed append or sync is never repeated: everybody who waits or comes later gets the first failure,
 *          the visible sequence stays where it is, and the version set is poisoned.
 */
#ifndef LSM_STORE_GROUP_SYNC_H
#define LSM_STORE_GROUP_SYNC_H

#include "store/log.h"

#define SYNC_INTERVAL_MS 100 /* normal mode */

struct group_sync {
    struct mutex lock;
    struct condvar changed; /* a sync has ended */

    /* Guarded by lock. */
    bool leading;
    struct log_position durable;
    uint64_t durable_sequence;
    struct lsmkv_error failure; /* the first one */
    bool stopping;

    _Atomic bool failed; /* `failure` is set; stored under lock */
    _Atomic bool dirty;  /* something was appended since the last sync began (normal mode) */
    struct condvar wake; /* `dirty` or `stopping` was set */
    struct thread syncer;
};

void group_sync_init(struct group_sync *sync);
void group_sync_release(struct group_sync *sync);

/* Starts and ends the thread of normal mode; no-ops in other modes. */
LSMKV_MUST_CHECK enum lsmkv_status group_sync_start(struct lsmkv_store *store, struct lsmkv_error *err);
void group_sync_stop(struct lsmkv_store *store);

/* Tells the syncer that something was appended (normal mode). */
void group_sync_appended(struct lsmkv_store *store);

/* Returns when everything below `wanted` is durable, in every mode. */
LSMKV_MUST_CHECK enum lsmkv_status group_sync_wait(struct lsmkv_store *store, struct log_position wanted,
                                                   struct lsmkv_error *err);

/*
 * Puts `writer` and `active` in the place of the log's. Everything in the old segment counts as durable then: the caller,
 * who holds the turn, has waited for it, or the mode is off. The former writer is the caller's to close. On failure
 * nothing changed.
 */
LSMKV_MUST_CHECK enum lsmkv_status group_sync_switch(struct lsmkv_store *store, struct wal_writer *writer,
                                                     struct memtable *active, struct wal_writer **former,
                                                     struct lsmkv_error *err);

/* After the switch: the header of the new segment, up to `offset`, is durable. The caller still holds the turn. */
void group_sync_started(struct lsmkv_store *store, uint64_t offset);

/* Records a failure of the log: the store is read-only from here on. */
void group_sync_fail(struct lsmkv_store *store, const struct lsmkv_error *why);

bool store_failed(struct lsmkv_store *store); /* the log or the manifest has failed: read-only */
/* READONLY naming the first failure, of log or manifest; OK if there was none. */
LSMKV_MUST_CHECK enum lsmkv_status store_check_writable(struct lsmkv_store *store, struct lsmkv_error *err);

struct log_position group_sync_durable(struct lsmkv_store *store); /* everything below is durable */

/* Bytes that a power cut could take now, and the last sequence that it could not. */
uint64_t group_sync_unsynced(struct lsmkv_store *store, uint64_t *durable_sequence);

#endif
