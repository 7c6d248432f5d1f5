/*
 * act.c - what a user asks of a store as a whole: flush, compact, wait.
 */
#include "base/error.h"
#include "store/store.h"

/* With the turn: rotates what was committed so far. */
static enum lsmkv_status rotate_unless_empty(struct lsmkv_store *store, struct lsmkv_error *err)
{
    uint64_t entries;

    mutex_lock(&store->log.lock);
    entries = memtable_entries(store->log.active);
    mutex_unlock(&store->log.lock);
    return entries ? store_rotate(store, err) : LSMKV_OK;
}

enum lsmkv_status lsmkv_flush(struct lsmkv_store *store, struct lsmkv_error *err)
{
    char owner; /* its address is this call's name in the turn */
    enum lsmkv_status status = store_check_process(store, err);

    if (!status)
        status = store_check_writable(store, err);
    if (!status)
        status = turn_take(&store->turn, &owner, store->options->wait_ms, &store->counters, err);
    if (status)
        return status;
    status = rotate_unless_empty(store, err);
    turn_give(&store->turn, &owner);
    if (!status)
        status = scheduler_wait_flushed(store->scheduler, err);
    return status;
}

enum lsmkv_status lsmkv_compact(struct lsmkv_store *store, struct lsmkv_slice lower, struct lsmkv_slice upper,
                                struct lsmkv_error *err)
{
    enum lsmkv_status status = lsmkv_flush(store, err);

    if (!status)
        status = scheduler_compact(store->scheduler, lower, upper, err);
    return status;
}

bool lsmkv_compacting(struct lsmkv_store *store)
{
    return !store_check_process(store, NULL) && scheduler_compacting(store->scheduler);
}

bool lsmkv_wait_idle(struct lsmkv_store *store, uint64_t timeout_ms)
{
    return !store_check_process(store, NULL) && scheduler_wait_idle(store->scheduler, timeout_ms);
}
