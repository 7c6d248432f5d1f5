/*
 * gate.c - where commits meet pressure: free below the soft limit, delayed up to 1, stopped there until background work
 * has caught up.
 *
 * A stop waits for a job that exists (see pressure.c), and gives up when nothing has moved for stall_timeout. If that
 * job fails for want of space, the stop first has it tried again, so that a commit is refused only while the disk is full
 * and the first one after there is space again goes through.
 */
#include "compaction/jobs.h"

#include <assert.h>
#include <inttypes.h>

#include "base/error.h"
#include "os/clock.h"

#define MS_NS UINT64_C(1000000)

/* What a stopped commit remembers. */
struct stall {
    uint64_t failures_before[JOB_KINDS];
    uint64_t deadline; /* ns */
    uint64_t progress; /* as it was when `deadline` was set; so is `installs` */
    uint64_t installs;
};

static void extend(struct scheduler *scheduler, struct stall *stall) LSM_REQUIRES(scheduler->mutex)
{
    stall->progress = atomic_load_explicit(&scheduler->progress, memory_order_relaxed);
    stall->installs = scheduler->installs;
    stall->deadline = clock_now_ns() + scheduler->background->options->stall_timeout_ms * MS_NS;
}

static void stall_begin(struct scheduler *scheduler, struct stall *stall) LSM_REQUIRES(scheduler->mutex)
{
    for (int kind = 0; kind < JOB_KINDS; kind++) {
        stall->failures_before[kind] = scheduler->failures[kind].total;
        scheduler->failures[kind].retry_at = 0;
    }
    extend(scheduler, stall);
    condvar_broadcast(&scheduler->work);
}

static enum lsmkv_status give_up(const struct scheduler *scheduler, const char *cause,
                                 const struct job_failure *failure, struct lsmkv_error *err)
    LSM_REQUIRES(scheduler->mutex)
{
    const struct background *background = scheduler->background;
    uint32_t timeout_ms = background->options->stall_timeout_ms;

    if (failure->last.status)
        return lsmkv_fail(err, LSMKV_BUSY, "%s: commits wait for background work (%s), which fails: %s",
                          background->dir, cause, failure->last.message);
    return lsmkv_fail(err, LSMKV_BUSY,
                      "%s: commits wait for background work (%s), which did not advance for %" PRIu32 " ms",
                      background->dir, cause, timeout_ms);
}

/* True if work was installed, or advances (one that fails again and again does not), since the deadline was set. */
static bool has_advanced(const struct scheduler *scheduler, const struct stall *stall,
                         const struct job_failure *failure) LSM_REQUIRES(scheduler->mutex)
{
    if (scheduler->installs != stall->installs)
        return true;
    return !failure->last.status && atomic_load_explicit(&scheduler->progress, memory_order_relaxed) != stall->progress;
}

/* The pressure of this moment. */
static struct pressure look(struct scheduler *scheduler) LSM_REQUIRES(scheduler->mutex)
{
    const struct lsmkv_options *options = scheduler->background->options;
    struct super_version *super_version = scheduler_look(scheduler);
    struct pressure pressure = pressure_of(options, super_version);
    bool ends =
        super_version->immutable_count || scheduler->compacting || compaction_due(options, super_version->version);

    scheduler_looked(scheduler, super_version);
    assert(pressure.value < 1 || ends); /* a stop that no work would end */
    (void)ends;
    return pressure;
}

/* Waits once for something to change. A failure means that the commit is refused. */
static enum lsmkv_status wait_once(struct scheduler *scheduler, struct stall *stall, const struct pressure *pressure,
                                   struct lsmkv_error *err) LSM_REQUIRES(scheduler->mutex)
{
    enum job_kind kind = pressure->by_flush ? JOB_FLUSH : JOB_COMPACTION;
    const struct job_failure *failure = &scheduler->failures[kind];
    enum lsmkv_status status = scheduler_check(scheduler, err);

    if (status)
        return status;
    if (failure->last.status == LSMKV_FULL && failure->total != stall->failures_before[kind])
        return lsmkv_fail(err, LSMKV_FULL, "%s", failure->last.message);
    if (condvar_wait_until(&scheduler->changed, &scheduler->mutex, stall->deadline))
        return LSMKV_OK;
    if (!has_advanced(scheduler, stall, failure))
        return give_up(scheduler, pressure->cause, failure, err);
    extend(scheduler, stall);
    return LSMKV_OK;
}

static enum lsmkv_status wait_below_stop(struct scheduler *scheduler, struct lsmkv_error *err)
{
    struct counters *counters = scheduler->background->counters;
    enum lsmkv_status status = LSMKV_OK;
    struct pressure pressure;
    struct stall stall;
    uint64_t start;

    mutex_lock(&scheduler->mutex);
    pressure = look(scheduler);
    if (pressure.value >= 1) {
        counter_add(counters, stalls, 1);
        start = clock_now_ns();
        stall_begin(scheduler, &stall);
        while (!status && pressure.value >= 1) {
            status = wait_once(scheduler, &stall, &pressure, err);
            pressure = look(scheduler);
        }
        counter_add(counters, stall_ns, clock_now_ns() - start);
    }
    mutex_unlock(&scheduler->mutex);
    return status;
}

enum lsmkv_status scheduler_wait_pressure(struct scheduler *scheduler, struct lsmkv_error *err)
{
    struct counters *counters = scheduler->background->counters;
    uint64_t scaled = atomic_load_explicit(&scheduler->pressure, memory_order_relaxed);
    uint64_t delay_ns;

    if (scaled >= PRESSURE_SCALE)
        return wait_below_stop(scheduler, err);
    delay_ns = pressure_delay_ns(scheduler->background->options, (double)scaled / PRESSURE_SCALE);
    if (delay_ns) {
        counter_add(counters, delays, 1);
        counter_add(counters, delay_ns, delay_ns);
        clock_sleep_ns(delay_ns);
    }
    return LSMKV_OK;
}
