/*
 * group_sync.c - one fdatasync for all who wait.
 */
#include "store/group_sync.h"

#include <assert.h>

#include "base/error.h"
#include "os/clock.h"
#include "store/store.h"

void group_sync_init(struct group_sync *sync)
{
    mutex_init(&sync->lock, "sync", RANK_SYNC);
    condvar_init(&sync->changed);
    condvar_init(&sync->wake);
}

void group_sync_release(struct group_sync *sync)
{
    condvar_release(&sync->wake);
    condvar_release(&sync->changed);
    mutex_release(&sync->lock);
}

/* ---- Failure ---- */

static bool failed(const struct group_sync *sync)
{
    return atomic_load_explicit(&sync->failed, memory_order_acquire);
}

/* True if it is the first failure. */
static bool record_failure(struct group_sync *sync, const struct lsmkv_error *why) LSM_REQUIRES(sync->lock)
{
    if (failed(sync))
        return false;
    sync->failure = *why;
    /* Release pairs with the acquire of failed(): who sees it finds `failure` written, for good. */
    atomic_store_explicit(&sync->failed, true, memory_order_release);
    condvar_broadcast(&sync->changed);
    return true;
}

/* After the first failure, without locks: no manifest commit and no deletion may follow it. */
static void spread_failure(struct lsmkv_store *store, const struct lsmkv_error *why)
{
    version_set_poison(store->versions, why);
    if (store->background.log)
        store->background.log(store->background.log_context, why->status, why->message);
}

void group_sync_fail(struct lsmkv_store *store, const struct lsmkv_error *why)
{
    struct group_sync *sync = &store->sync;
    bool first;

    mutex_lock(&sync->lock);
    first = record_failure(sync, why);
    mutex_unlock(&sync->lock);
    if (first)
        spread_failure(store, why);
}

bool store_failed(struct lsmkv_store *store)
{
    return failed(&store->sync) || version_set_poisoned(store->versions, NULL);
}

enum lsmkv_status store_check_writable(struct lsmkv_store *store, struct lsmkv_error *err)
{
    struct lsmkv_error why = LSMKV_ERROR_INIT;

    if (failed(&store->sync))
        why = store->sync.failure; /* written once, before `failed` */
    else if (!version_set_poisoned(store->versions, &why))
        return LSMKV_OK;
    return lsmkv_fail(err, LSMKV_READONLY, "%s: read-only until it is opened again, because of a failure: %s",
                      store->label, why.message);
}

/* ---- Waiting and leading ---- */

/* What one sync will cover; the writer stays in place while `leading` is set. */
struct sync_target {
    struct wal_writer *writer;
    struct log_position end;
    uint64_t sequence;
};

static struct sync_target lead(struct lsmkv_store *store) LSM_REQUIRES(store->sync.lock)
{
    struct sync_target target;

    store->sync.leading = true;
    atomic_store_explicit(&store->sync.dirty, false, memory_order_relaxed); /* what comes later sets it again */
    mutex_lock(&store->log.lock);
    target.writer = store->log.writer;
    target.end.segment = wal_writer_segment(target.writer);
    target.end.offset = wal_writer_length(target.writer);
    target.sequence = atomic_load_explicit(&store->log.applied, memory_order_relaxed);
    mutex_unlock(&store->log.lock);
    return target;
}

/* True if the sync has failed and that is the first failure. */
static bool lead_done(struct lsmkv_store *store, const struct sync_target *target, const struct lsmkv_error *failure)
    LSM_REQUIRES(store->sync.lock)
{
    struct group_sync *sync = &store->sync;
    bool first_failure = false;

    sync->leading = false;
    if (failure->status) {
        first_failure = record_failure(&store->sync, failure);
    } else {
        sync->durable = target->end;
        sync->durable_sequence = target->sequence;
        atomic_store_explicit(&store->log.durable, target->end.offset, memory_order_relaxed);
        log_show(&store->log, target->sequence);
    }
    condvar_broadcast(&sync->changed);
    return first_failure;
}

enum lsmkv_status group_sync_wait(struct lsmkv_store *store, struct log_position wanted, struct lsmkv_error *err)
{
    struct group_sync *sync = &store->sync;
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    struct sync_target target;
    bool done, first_failure = false;

    mutex_lock(&store->sync.lock);
    while (!(done = log_position_covers(sync->durable, wanted)) && !failed(sync)) {
        if (sync->leading) {
            condvar_wait(&sync->changed, &store->sync.lock);
            continue;
        }
        target = lead(store);
        mutex_unlock(&store->sync.lock);
        failure.status = wal_writer_sync(target.writer, &failure);
        counter_add(&store->counters, wal_syncs, 1);
        mutex_lock(&store->sync.lock);
        first_failure = lead_done(store, &target, &failure);
    }
    if (!done)
        failure = sync->failure;
    mutex_unlock(&store->sync.lock);
    if (done)
        return LSMKV_OK;
    if (first_failure)
        spread_failure(store, &failure);
    return lsmkv_fail(err, failure.status, "%s", failure.message);
}

enum lsmkv_status group_sync_switch(struct lsmkv_store *store, struct wal_writer *writer, struct memtable *active,
                                    struct wal_writer **former, struct lsmkv_error *err)
{
    struct group_sync *sync = &store->sync;
    struct log *log = &store->log;
    enum lsmkv_status status;

    mutex_lock(&sync->lock);
    while (sync->leading)
        condvar_wait(&sync->changed, &sync->lock);
    mutex_lock(&log->lock);
    status = version_set_rotate(store->versions, active, err);
    if (!status) {
        *former = log->writer;
        log->writer = writer;
        memtable_unref(log->active);
        log->active = active;
        memtable_ref(active);
        sync->durable.segment = wal_writer_segment(writer);
        sync->durable.offset = 0;
        if (store->options->sync != LSMKV_SYNC_OFF)
            sync->durable_sequence = atomic_load_explicit(&log->applied, memory_order_relaxed);
        atomic_store_explicit(&log->durable, 0, memory_order_relaxed);
    }
    mutex_unlock(&log->lock);
    mutex_unlock(&sync->lock);
    return status;
}

void group_sync_started(struct lsmkv_store *store, uint64_t offset)
{
    struct group_sync *sync = &store->sync;

    mutex_lock(&sync->lock);
    sync->durable.offset = offset;
    atomic_store_explicit(&store->log.durable, offset, memory_order_relaxed);
    mutex_unlock(&sync->lock);
}

struct log_position group_sync_durable(struct lsmkv_store *store)
{
    struct log_position durable;

    mutex_lock(&store->sync.lock);
    durable = store->sync.durable;
    mutex_unlock(&store->sync.lock);
    return durable;
}

uint64_t group_sync_unsynced(struct lsmkv_store *store, uint64_t *durable_sequence)
{
    struct group_sync *sync = &store->sync;
    struct log_position end;
    uint64_t applied, bytes;

    mutex_lock(&sync->lock);
    end = log_end(store, &applied);
    *durable_sequence = sync->durable_sequence;
    bytes = log_position_covers(sync->durable, end) ? 0 : end.offset - sync->durable.offset;
    mutex_unlock(&sync->lock);
    return bytes;
}

/* ---- The thread of normal mode ---- */

void group_sync_appended(struct lsmkv_store *store)
{
    struct group_sync *sync = &store->sync;

    if (store->options->sync != LSMKV_SYNC_NORMAL || atomic_load_explicit(&sync->dirty, memory_order_relaxed))
        return;
    mutex_lock(&sync->lock);
    atomic_store_explicit(&sync->dirty, true, memory_order_relaxed);
    condvar_signal(&sync->wake);
    mutex_unlock(&sync->lock);
}

/* Sleeps until there has been something to sync for the whole interval; false when the store is closing or has failed. */
static bool wait_for_work(struct group_sync *sync)
{
    uint64_t deadline_ns;
    bool go;

    mutex_lock(&sync->lock);
    while (!sync->stopping && !failed(sync) && !atomic_load_explicit(&sync->dirty, memory_order_relaxed))
        condvar_wait(&sync->wake, &sync->lock);
    deadline_ns = clock_now_ns() + SYNC_INTERVAL_MS * UINT64_C(1000000);
    while (!sync->stopping && !failed(sync) && condvar_wait_until(&sync->wake, &sync->lock, deadline_ns))
        ;
    go = !sync->stopping && !failed(sync);
    /* What is there by now gets synced, or has been by others meanwhile: then no leader would say so. */
    atomic_store_explicit(&sync->dirty, false, memory_order_relaxed);
    mutex_unlock(&sync->lock);
    return go;
}

static void run_syncer(void *argument)
{
    struct lsmkv_store *store = argument;
    uint64_t applied;

    while (wait_for_work(&store->sync)) {
        /* A failure is recorded for all and ends the loop. */
        if (group_sync_wait(store, log_end(store, &applied), NULL))
            break;
    }
}

enum lsmkv_status group_sync_start(struct lsmkv_store *store, struct lsmkv_error *err)
{
    if (store->options->sync != LSMKV_SYNC_NORMAL)
        return LSMKV_OK;
    return thread_start(&store->sync.syncer, "lsmkv-sync", run_syncer, store, err);
}

void group_sync_stop(struct lsmkv_store *store)
{
    struct group_sync *sync = &store->sync;

    mutex_lock(&sync->lock);
    sync->stopping = true;
    condvar_broadcast(&sync->wake);
    mutex_unlock(&sync->lock);
    thread_join(&sync->syncer);
}
