/*
 * scheduler.c - starts and stops the background threads, and keeps what they share: failures, back-off, deletions.
 *
 * The workers are in flush_worker.c and compaction_worker.c, a caller's own compaction in manual.c, the gate that slows
 * commits in gate.c.
 */
#include "compaction/jobs.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"
#include "os/clock.h"

#define RETRY_FIRST_NS 10000000u            /* 10 ms */
#define RETRY_MAX_NS   UINT64_C(5000000000) /* 5 s */
#define MS_NS          UINT64_C(1000000)

/* ---- Looking and telling ---- */

struct super_version *scheduler_look(struct scheduler *scheduler)
{
    const struct background *background = scheduler->background;
    struct super_version *super_version = version_set_current(background->versions);
    double scaled = pressure_of(background->options, super_version).value * PRESSURE_SCALE;

    atomic_store_explicit(&scheduler->pressure, scaled < 1e18 ? (uint64_t)scaled : (uint64_t)1e18,
                          memory_order_relaxed);
    return super_version;
}

void scheduler_note_obsolete(struct scheduler *scheduler)
{
    if (scheduler->delete_wanted || !version_set_has_obsolete(scheduler->background->versions))
        return;
    scheduler->delete_wanted = true;
    condvar_broadcast(&scheduler->work);
}

void scheduler_looked(struct scheduler *scheduler, struct super_version *super_version)
{
    super_version_unref(super_version);
    scheduler_note_obsolete(scheduler);
}

void scheduler_notify(struct scheduler *scheduler)
{
    scheduler->changes++;
    condvar_broadcast(&scheduler->work);
    condvar_broadcast(&scheduler->changed);
}

enum lsmkv_status scheduler_check(struct scheduler *scheduler, struct lsmkv_error *err)
{
    const struct background *background = scheduler->background;
    struct lsmkv_error why = LSMKV_ERROR_INIT;

    if (atomic_load_explicit(&scheduler->stopping, memory_order_relaxed))
        return lsmkv_fail(err, LSMKV_INTERRUPTED, "%s: the store is closing", background->dir);
    if (!scheduler->poisoned)
        return LSMKV_OK;
    if (!version_set_poisoned(background->versions, &why))
        why = scheduler->failures[JOB_FLUSH].last;
    return lsmkv_fail(err, LSMKV_READONLY, "%s", why.message);
}

/* ---- Failures ---- */

static uint64_t retry_delay_ns(uint64_t times)
{
    uint64_t delay = RETRY_FIRST_NS;

    while (--times && delay < RETRY_MAX_NS)
        delay *= 2;
    return delay < RETRY_MAX_NS ? delay : RETRY_MAX_NS;
}

static void log_change(const struct background *background, enum job_kind kind, enum lsmkv_status status,
                       const char *message, uint64_t times, bool poisoned)
{
    const char *name = kind == JOB_FLUSH ? "flush" : "compaction";
    struct lsmkv_error text = LSMKV_ERROR_INIT;

    if (!background->log)
        return;
    if (status)
        (void)lsmkv_fail(&text, status, "%s failed and will %sbe retried: %s", name, poisoned ? "not " : "", message);
    else
        (void)lsmkv_fail(&text, status, "%s: %s works again after %" PRIu64 " failures", background->dir, name, times);
    background->log(background->log_context, status, text.message);
}

/* Updates `failure`; true if its status changed. *times is the number of failures before. */
static bool record(struct job_failure *failure, enum lsmkv_status status, const struct lsmkv_error *err,
                   uint64_t *times)
{
    bool change = failure->last.status != status;

    *times = failure->times;
    if (status == LSMKV_OK) {
        failure->last.status = LSMKV_OK;
        failure->times = failure->retry_at = 0;
        return change;
    }
    failure->last = *err;
    failure->last.status = status;
    failure->times++;
    failure->total++;
    failure->retry_at = clock_now_ns() + retry_delay_ns(failure->times);
    return change;
}

void scheduler_job_ended(struct scheduler *scheduler, enum job_kind kind, enum lsmkv_status status,
                         const struct lsmkv_error *err)
{
    const struct background *background = scheduler->background;
    bool poisoned = status && version_set_poisoned(background->versions, NULL);
    bool change = false;
    uint64_t times = 0;

    if (status && status != LSMKV_INTERRUPTED && kind == JOB_FLUSH)
        counter_add(background->counters, flush_failures, 1);
    else if (status && status != LSMKV_INTERRUPTED)
        counter_add(background->counters, compaction_failures, 1);
    mutex_lock(&scheduler->mutex);
    if (status != LSMKV_INTERRUPTED)
        change = record(&scheduler->failures[kind], status, err, &times);
    scheduler->poisoned = scheduler->poisoned || poisoned;
    scheduler->installs += !status;
    scheduler_looked(scheduler, scheduler_look(scheduler));
    scheduler_notify(scheduler);
    mutex_unlock(&scheduler->mutex);
    if (change)
        log_change(background, kind, status, err->message, times, poisoned);
}

bool scheduler_may_begin(const struct scheduler *scheduler, enum job_kind kind, uint64_t *wake_at)
{
    *wake_at = 0;
    if (scheduler->poisoned)
        return false;
    if (scheduler->failures[kind].retry_at <= clock_now_ns())
        return true;
    *wake_at = scheduler->failures[kind].retry_at;
    return false;
}

void scheduler_wait_work(struct scheduler *scheduler, uint64_t wake_at)
{
    if (wake_at)
        (void)condvar_wait_until(&scheduler->work, &scheduler->mutex, wake_at);
    else
        condvar_wait(&scheduler->work, &scheduler->mutex);
}

enum lsmkv_status scheduler_failure(struct scheduler *scheduler, uint64_t *times, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    *times = 0;
    mutex_lock(&scheduler->mutex);
    for (int kind = 0; !status && kind < JOB_KINDS; kind++) {
        const struct job_failure *failure = &scheduler->failures[kind];

        if (failure->last.status) {
            *times = failure->times;
            status = lsmkv_fail(err, failure->last.status, "%s", failure->last.message);
        }
    }
    mutex_unlock(&scheduler->mutex);
    return status;
}

/* ---- Obsolete files ---- */

static void delete_once(const struct background *background)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status;

    if (!version_set_has_obsolete(background->versions))
        return;
    status = version_set_delete_obsolete(background->versions, &err);
    if (status && background->log)
        background->log(background->log_context, status, err.message);
    background_hook(background, "obsolete:deleted");
}

void scheduler_delete_obsolete(struct scheduler *scheduler)
{
    mutex_lock(&scheduler->mutex);
    if (scheduler->deleting) {
        scheduler->delete_wanted = true;
        mutex_unlock(&scheduler->mutex);
        return;
    }
    scheduler->deleting = true;
    do {
        scheduler->delete_wanted = false;
        mutex_unlock(&scheduler->mutex);
        delete_once(scheduler->background);
        mutex_lock(&scheduler->mutex);
    } while (scheduler->delete_wanted);
    scheduler->deleting = false;
    scheduler_notify(scheduler);
    mutex_unlock(&scheduler->mutex);
}

/* ---- Being woken and being waited for ---- */

void scheduler_wake(struct scheduler *scheduler)
{
    mutex_lock(&scheduler->mutex);
    scheduler->look_for_dropped = scheduler->background->dropped != NULL;
    scheduler_looked(scheduler, scheduler_look(scheduler));
    condvar_broadcast(&scheduler->work);
    mutex_unlock(&scheduler->mutex);
}

void scheduler_options_changed(struct scheduler *scheduler)
{
    mutex_lock(&scheduler->mutex);
    scheduler_looked(scheduler, scheduler_look(scheduler));
    scheduler_notify(scheduler);
    mutex_unlock(&scheduler->mutex);
}

void scheduler_retry(struct scheduler *scheduler)
{
    mutex_lock(&scheduler->mutex);
    for (int kind = 0; kind < JOB_KINDS; kind++)
        scheduler->failures[kind].retry_at = 0;
    condvar_broadcast(&scheduler->work);
    mutex_unlock(&scheduler->mutex);
}

static bool is_compacting(const struct scheduler *scheduler, const struct super_version *super_version)
    LSM_REQUIRES(scheduler->mutex)
{
    return scheduler->compacting || scheduler->look_for_dropped ||
           compaction_due(scheduler->background->options, super_version->version);
}

bool scheduler_compacting(struct scheduler *scheduler)
{
    struct super_version *super_version;
    bool compacting;

    mutex_lock(&scheduler->mutex);
    super_version = scheduler_look(scheduler);
    compacting = is_compacting(scheduler, super_version);
    scheduler_looked(scheduler, super_version);
    mutex_unlock(&scheduler->mutex);
    return compacting;
}

bool scheduler_wait_idle(struct scheduler *scheduler, uint64_t timeout_ms)
{
    uint64_t now = clock_now_ns();
    uint64_t deadline = timeout_ms < (UINT64_MAX - now) / MS_NS ? now + timeout_ms * MS_NS : UINT64_MAX;
    bool idle = false;
    bool in_time = true;

    mutex_lock(&scheduler->mutex);
    while (!scheduler->poisoned) {
        struct super_version *super_version = scheduler_look(scheduler);

        idle = !is_compacting(scheduler, super_version) && !scheduler->flushes && !super_version->immutable_count;
        scheduler_looked(scheduler, super_version);
        idle = idle && !scheduler->deleting && !scheduler->delete_wanted;
        if (idle || !in_time || atomic_load_explicit(&scheduler->stopping, memory_order_relaxed))
            break;
        in_time = condvar_wait_until(&scheduler->changed, &scheduler->mutex, deadline);
    }
    mutex_unlock(&scheduler->mutex);
    return idle;
}

/* True until the memtable has left the read set and whoever installed it has counted that. */
static bool is_unflushed(const struct scheduler *scheduler, const struct super_version *super_version,
                         const struct memtable *memtable) LSM_REQUIRES(scheduler->mutex)
{
    for (size_t i = 0; i < super_version->immutable_count; i++) {
        if (super_version->immutables[i] == memtable)
            return true;
    }
    for (const struct flush_job *job = scheduler->flushes; job; job = job->next) {
        if (job->memtable == memtable)
            return true;
    }
    return false;
}

/* Waits until the newest memtable of `super_version` is installed; flushes are installed in order, so all of them are. */
static enum lsmkv_status wait_installed(struct scheduler *scheduler, const struct super_version *super_version,
                                        uint64_t failures_before, struct lsmkv_error *err)
{
    const struct memtable *newest = super_version->immutables[0];
    enum lsmkv_status status = LSMKV_OK;

    mutex_lock(&scheduler->mutex);
    for (;;) {
        const struct job_failure *failure = &scheduler->failures[JOB_FLUSH];
        struct super_version *current = scheduler_look(scheduler);
        bool waiting = is_unflushed(scheduler, current, newest);

        scheduler_looked(scheduler, current);
        if (!waiting)
            break;
        status = scheduler_check(scheduler, err);
        if (!status && failure->last.status && failure->total != failures_before)
            status = lsmkv_fail(err, failure->last.status, "%s", failure->last.message);
        if (status)
            break;
        condvar_wait(&scheduler->changed, &scheduler->mutex);
    }
    mutex_unlock(&scheduler->mutex);
    return status;
}

enum lsmkv_status scheduler_wait_flushed(struct scheduler *scheduler, struct lsmkv_error *err)
{
    struct super_version *super_version = version_set_current(scheduler->background->versions);
    enum lsmkv_status status = LSMKV_OK;
    uint64_t failures_before;

    if (super_version->immutable_count) {
        mutex_lock(&scheduler->mutex);
        failures_before = scheduler->failures[JOB_FLUSH].total;
        mutex_unlock(&scheduler->mutex);
        scheduler_retry(scheduler);
        status = wait_installed(scheduler, super_version, failures_before, err);
    }
    mutex_lock(&scheduler->mutex);
    scheduler_looked(scheduler, super_version);
    mutex_unlock(&scheduler->mutex);
    return status;
}

void scheduler_locks(struct scheduler *scheduler, void (*visit)(void *context, const struct mutex *mutex),
                     void *context)
{
    visit(context, &scheduler->mutex);
}

/* ---- Start and stop ---- */

static enum lsmkv_status start_threads(struct scheduler *scheduler, struct lsmkv_error *err)
{
    const struct lsmkv_options *options = scheduler->background->options;
    size_t count = (size_t)options->flush_workers + options->compaction_workers;

    scheduler->threads = lsm_calloc(count, sizeof(struct thread));
    if (!scheduler->threads)
        return lsmkv_fail_nomem(err);
    scheduler->thread_count = count;
    for (size_t i = 0; i < count; i++) {
        bool flush = i < options->flush_workers;
        enum lsmkv_status status = thread_start(&scheduler->threads[i], flush ? "lsmkv-flush" : "lsmkv-compact",
                                                flush ? flush_worker : compaction_worker, scheduler, err);
        if (status)
            return status;
    }
    return LSMKV_OK;
}

enum lsmkv_status scheduler_new(struct scheduler **scheduler, struct background *background, struct lsmkv_error *err)
{
    struct scheduler *made = lsm_calloc(1, sizeof(*made));
    enum lsmkv_status status;

    *scheduler = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    made->background = background;
    mutex_init(&made->mutex, "scheduler", RANK_SCHEDULER);
    condvar_init(&made->work);
    condvar_init(&made->changed);
    background->stopping = &made->stopping;
    background->limiter = &made->limiter;
    background->progress = &made->progress;
    mutex_lock(&made->mutex);
    scheduler_looked(made, scheduler_look(made)); /* not look_for_dropped: asking may open tables, opening must not */
    mutex_unlock(&made->mutex);
    status = start_threads(made, err);
    if (status) {
        scheduler_free(made);
        return status;
    }
    *scheduler = made;
    return LSMKV_OK;
}

void scheduler_free(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    mutex_lock(&scheduler->mutex);
    atomic_store_explicit(&scheduler->stopping, true, memory_order_relaxed);
    scheduler_notify(scheduler);
    mutex_unlock(&scheduler->mutex);
    for (size_t i = 0; i < scheduler->thread_count; i++)
        thread_join(&scheduler->threads[i]);
    flush_jobs_free(scheduler);
    scheduler->background->stopping = NULL;
    scheduler->background->limiter = NULL;
    scheduler->background->progress = NULL;
    condvar_release(&scheduler->changed);
    condvar_release(&scheduler->work);
    mutex_release(&scheduler->mutex);
    lsm_free(scheduler->threads);
    lsm_free(scheduler);
}
