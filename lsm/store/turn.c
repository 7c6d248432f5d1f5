/*
 * turn.c - an owner field and a queue of those who wait for it.
 */
#include "store/turn.h"

#include <assert.h>

#include "base/error.h"
#include "os/clock.h"

#define MS_NS UINT64_C(1000000)

/* On the stack of the thread that waits, linked while it does. */
struct turn_waiter {
    const void *owner; /* who will own the turn */
    struct condvar given;
    struct turn_waiter *previous;
    struct turn_waiter *next;
};

void turn_init(struct turn *turn)
{
    mutex_init(&turn->lock, "turn", RANK_TURN);
    turn->owner = NULL;
    turn->first = NULL;
    turn->last = NULL;
}

void turn_release(struct turn *turn)
{
    assert(turn->first == NULL);
    mutex_release(&turn->lock);
}

static void enqueue(struct turn *turn, struct turn_waiter *waiter)
{
    waiter->next = NULL;
    waiter->previous = turn->last;
    if (turn->last)
        turn->last->next = waiter;
    else
        turn->first = waiter;
    turn->last = waiter;
}

static void dequeue(struct turn *turn, struct turn_waiter *waiter)
{
    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        turn->first = waiter->next;
    if (waiter->next)
        waiter->next->previous = waiter->previous;
    else
        turn->last = waiter->previous;
}

/* Waits in line; true when turn_give() has made `owner` the owner, false when the deadline has passed before. */
static bool wait_in_line(struct turn *turn, const void *owner, uint64_t deadline_ns) LSM_REQUIRES(turn->lock)
{
    struct turn_waiter waiter = {.owner = owner};
    bool in_time = true;
    bool given;

    condvar_init(&waiter.given);
    enqueue(turn, &waiter);
    while (turn->owner != owner && in_time)
        in_time = condvar_wait_until(&waiter.given, &turn->lock, deadline_ns);
    given = turn->owner == owner;
    if (!given)
        dequeue(turn, &waiter); /* turn_give() takes out whom it serves */
    condvar_release(&waiter.given);
    return given;
}

enum lsmkv_status turn_take(struct turn *turn, const void *owner, uint64_t wait_ms, struct counters *counters,
                            struct lsmkv_error *err)
{
    uint64_t start_ns, deadline_ns;
    bool taken = true;

    mutex_lock(&turn->lock);
    assert(turn->owner != owner);
    if (!turn->owner) {
        turn->owner = owner;
    } else if (wait_ms == 0) {
        taken = false;
    } else {
        start_ns = clock_now_ns();
        deadline_ns = wait_ms < (UINT64_MAX - start_ns) / MS_NS ? start_ns + wait_ms * MS_NS : UINT64_MAX;
        taken = wait_in_line(turn, owner, deadline_ns);
        counter_add(counters, turn_waits, 1);
        counter_add(counters, turn_wait_ns, clock_now_ns() - start_ns);
    }
    mutex_unlock(&turn->lock);
    if (!taken)
        return lsmkv_fail(err, LSMKV_BUSY, "another transaction is writing to the store");
    return LSMKV_OK;
}

void turn_give(struct turn *turn, const void *owner)
{
    struct turn_waiter *next;

    mutex_lock(&turn->lock);
    assert(turn->owner == owner);
    (void)owner;
    next = turn->first;
    turn->owner = next ? next->owner : NULL;
    if (next) {
        dequeue(turn, next);
        condvar_signal(&next->given);
    }
    mutex_unlock(&turn->lock);
}
