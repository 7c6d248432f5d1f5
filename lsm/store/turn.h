/*
 * turn.h - the right to be the next to commit.
 *
 * It belongs to an owner (a session, or one call of lsmkv_flush), is held across calls, and may be given back by any
 * thread. Whoever waits is served in order of arrival: the one that gives it hands it to the first in line, so that
 * nobody starves among writers that come back at once.
 *
 * Threads: all functions may be called at the same time. No lock is held while the turn is.
 */
#ifndef LSM_STORE_TURN_H
#define LSM_STORE_TURN_H

#include "base/counters.h"
#include "os/sync.h"

struct turn_waiter;

struct turn {
    struct mutex lock;
    const void *owner;         /* guarded by lock; NULL = free */
    struct turn_waiter *first; /* guarded by lock */
    struct turn_waiter *last;
};

void turn_init(struct turn *turn);
void turn_release(struct turn *turn); /* ends its life; nobody waits */

/* Waits at most `wait_ms`: BUSY then. `owner` must not hold it already. */
LSMKV_MUST_CHECK enum lsmkv_status turn_take(struct turn *turn, const void *owner, uint64_t wait_ms,
                                             struct counters *counters, struct lsmkv_error *err);
void turn_give(struct turn *turn, const void *owner);

#endif
