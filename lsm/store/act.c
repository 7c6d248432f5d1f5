/*
 * act.c - what a user asks of a store as a whole: flush, compact, wait.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "compaction/manual.h"
#include "os/clock.h"
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

/* ---- Compaction ---- */

struct lsmkv_compaction {
    struct lsmkv_store *store;
    struct manual_compaction manual;
    struct lsmkv_compaction_progress progress;
    uint64_t started_ns;
};

enum lsmkv_status lsmkv_compaction_start(struct lsmkv_compaction **compaction, struct lsmkv_store *store,
                                         struct lsmkv_slice lower, struct lsmkv_slice upper, struct lsmkv_error *err)
{
    struct lsmkv_compaction *made;
    enum lsmkv_status status = store_check_process(store, err);

    *compaction = NULL;
    if (status)
        return status;
    made = lsm_calloc(1, sizeof(*made));
    if (!made)
        return lsmkv_fail_nomem(err);
    status = manual_compaction_init(&made->manual, store->scheduler, lower, upper, err);
    if (status) {
        lsm_free(made);
        return status;
    }
    made->store = store;
    made->started_ns = clock_now_ns();
    *compaction = made;
    return LSMKV_OK;
}

static enum lsmkv_status flush_step(struct lsmkv_compaction *compaction, struct lsmkv_compaction_progress *progress,
                                    struct lsmkv_error *err)
{
    enum lsmkv_status status = lsmkv_flush(compaction->store, err);

    if (status)
        return status;
    progress->level = -1;
    manual_compaction_look(&compaction->manual, progress);
    return LSMKV_OK;
}

/* What is left can grow by what others write: the share that is done then stays where it was. */
static void tell_percent(struct lsmkv_compaction_progress *progress)
{
    double percent = progress->finished ? 100 : 100 * (double)progress->bytes_done / (double)progress->bytes_all;

    if (percent > progress->percent)
        progress->percent = percent;
}

enum lsmkv_status lsmkv_compaction_step(struct lsmkv_compaction *compaction, struct lsmkv_compaction_progress *progress,
                                        struct lsmkv_error *err)
{
    struct lsmkv_compaction_progress next = compaction->progress;
    enum lsmkv_status status = store_check_process(compaction->store, err);

    if (!status && !next.finished) {
        if (next.step == 0)
            status = flush_step(compaction, &next, err);
        else
            status = manual_compaction_step(&compaction->manual, &next, err);
        if (!status) {
            next.step++;
            next.elapsed_ns = clock_now_ns() - compaction->started_ns;
            tell_percent(&next);
            compaction->progress = next;
        }
    }
    *progress = compaction->progress;
    return status;
}

void lsmkv_compaction_end(struct lsmkv_compaction *compaction)
{
    if (!compaction)
        return;
    manual_compaction_release(&compaction->manual);
    lsm_free(compaction);
}

enum lsmkv_status lsmkv_compact(struct lsmkv_store *store, struct lsmkv_slice lower, struct lsmkv_slice upper,
                                struct lsmkv_error *err)
{
    struct lsmkv_compaction_progress progress = {.finished = false};
    struct lsmkv_compaction *compaction;
    enum lsmkv_status status = lsmkv_compaction_start(&compaction, store, lower, upper, err);

    while (!status && !progress.finished)
        status = lsmkv_compaction_step(compaction, &progress, err);
    lsmkv_compaction_end(compaction);
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
