/*
 * flush_worker.c - the flush threads. Each takes the oldest memtable that nobody writes, writes it as a table, and parks
 * the result; whoever finds that the oldest memtables are all written installs them together, in memtable order.
 *
 * Why in order: a newer memtable that became a table while an older one is still in memory would be read after it, and
 * its keys would show old values.
 */
#include "compaction/jobs.h"

#include "base/alloc.h"
#include "base/error.h"

/* What a worker does next: writes `build`, or installs the `count` oldest memtables. */
struct flush_step {
    struct flush_job *build;
    struct flush_job **install; /* oldest first; the array is the step's own */
    size_t count;
};

static struct flush_job *find_job(const struct scheduler *scheduler, const struct memtable *memtable)
    LSM_REQUIRES(scheduler->mutex)
{
    struct flush_job *job = scheduler->flushes;

    while (job && job->memtable != memtable)
        job = job->next;
    return job;
}

static void unlink_job(struct scheduler *scheduler, const struct flush_job *job) LSM_REQUIRES(scheduler->mutex)
{
    struct flush_job **link = &scheduler->flushes;

    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
}

/* Frees a job and what it wrote; the files too unless a manifest may name them. */
static void free_job(const struct background *background, struct flush_job *job, bool keep_files)
{
    if (keep_files)
        outputs_release(&job->outputs);
    else
        outputs_discard(background, &job->outputs);
    memtable_unref(job->memtable);
    lsm_free(job);
}

void flush_jobs_free(struct scheduler *scheduler) LSM_NO_THREAD_CHECK
{
    while (scheduler->flushes) {
        struct flush_job *job = scheduler->flushes;

        scheduler->flushes = job->next;
        free_job(scheduler->background, job, scheduler->poisoned);
    }
}

/* ---- Collect ---- */

/* The oldest memtables that are all written, if nobody installs at present. */
static enum lsmkv_status collect_install(struct scheduler *scheduler, const struct super_version *super_version,
                                         struct flush_step *step, struct lsmkv_error *err)
    LSM_REQUIRES(scheduler->mutex)
{
    size_t count = 0;

    if (scheduler->installing)
        return LSMKV_OK;
    for (size_t i = super_version->immutable_count; i-- > 0; count++) {
        const struct flush_job *job = find_job(scheduler, super_version->immutables[i]);

        if (!job || !job->built)
            break;
    }
    if (count == 0)
        return LSMKV_OK;
    step->install = lsm_calloc(count, sizeof(struct flush_job *));
    if (!step->install)
        return lsmkv_fail_nomem(err);
    step->count = count;
    for (size_t i = 0; i < count; i++)
        step->install[i] = find_job(scheduler, super_version->immutables[super_version->immutable_count - 1 - i]);
    scheduler->installing = true;
    return LSMKV_OK;
}

/* The oldest memtable that nobody writes. */
static enum lsmkv_status collect_build(struct scheduler *scheduler, const struct super_version *super_version,
                                       struct flush_step *step, struct lsmkv_error *err) LSM_REQUIRES(scheduler->mutex)
{
    struct memtable *memtable = NULL;
    struct flush_job *job;

    for (size_t i = super_version->immutable_count; i-- > 0 && !memtable;) {
        if (!find_job(scheduler, super_version->immutables[i]))
            memtable = super_version->immutables[i];
    }
    if (!memtable)
        return LSMKV_OK;
    job = lsm_calloc(1, sizeof(*job));
    if (!job)
        return lsmkv_fail_nomem(err);
    job->memtable = memtable;
    memtable_ref(memtable);
    job->next = scheduler->flushes;
    scheduler->flushes = job;
    step->build = job;
    return LSMKV_OK;
}

/* Waits for something to do. False when the scheduler stops. An empty step goes with a failure. */
static bool collect(struct scheduler *scheduler, struct flush_step *step, enum lsmkv_status *status,
                    struct lsmkv_error *err)
{
    bool stopping;

    *step = (struct flush_step){NULL, NULL, 0};
    *status = LSMKV_OK;
    mutex_lock(&scheduler->mutex);
    for (;;) {
        struct super_version *super_version = scheduler_look(scheduler);
        uint64_t wake_at = 0;

        stopping = atomic_load_explicit(&scheduler->stopping, memory_order_relaxed);
        if (!stopping && super_version->immutable_count && scheduler_may_begin(scheduler, JOB_FLUSH, &wake_at)) {
            *status = collect_install(scheduler, super_version, step, err);
            if (!*status && !step->count)
                *status = collect_build(scheduler, super_version, step, err);
        }
        scheduler_looked(scheduler, super_version);
        if (stopping || *status || step->count || step->build)
            break;
        scheduler_wait_work(scheduler, wake_at);
    }
    mutex_unlock(&scheduler->mutex);
    return !stopping;
}

/* ---- Work ---- */

/* On failure the memtable is free to be taken again. */
static void build(struct scheduler *scheduler, struct flush_job *job)
{
    const struct background *background = scheduler->background;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status;

    background_hook(background, "flush:begin");
    status = flush_run(background, job->memtable, &job->outputs, &err);
    if (!status)
        background_hook(background, "flush:built");
    mutex_lock(&scheduler->mutex);
    job->built = !status;
    if (status)
        unlink_job(scheduler, job);
    mutex_unlock(&scheduler->mutex);
    if (status) {
        free_job(background, job, false);
        scheduler_job_ended(scheduler, JOB_FLUSH, status, &err);
    }
}

/* ---- Install ---- */

static enum lsmkv_status commit(const struct background *background, struct flush_job *const *jobs, size_t count,
                                struct lsmkv_error *err)
{
    struct version_edit edit = {NULL, 0, NULL, 0};
    struct memtable **flushed = NULL;
    size_t tables = 0;
    enum lsmkv_status status;

    for (size_t i = 0; i < count; i++)
        tables += jobs[i]->outputs.count;
    flushed = lsm_calloc(count, sizeof(struct memtable *));
    edit.added = lsm_calloc(tables + 1, sizeof(*edit.added));
    if (!flushed || !edit.added) {
        status = lsmkv_fail_nomem(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        flushed[i] = jobs[i]->memtable;
        for (size_t j = 0; j < jobs[i]->outputs.count; j++) {
            edit.added[edit.added_count].level = 0;
            edit.added[edit.added_count++].table = jobs[i]->outputs.tables[j];
        }
    }
    status = version_set_commit(background->versions, &edit, flushed, count, err);

done:
    lsm_free(edit.added);
    lsm_free(flushed);
    return status;
}

/* On failure the files are removed and the memtables are free to be written again. */
static void install(struct scheduler *scheduler, struct flush_job **jobs, size_t count)
{
    const struct background *background = scheduler->background;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = commit(background, jobs, count, &err);
    bool keep_files = !status || version_set_poisoned(background->versions, NULL);

    mutex_lock(&scheduler->mutex);
    for (size_t i = 0; i < count; i++)
        unlink_job(scheduler, jobs[i]);
    scheduler->installing = false;
    mutex_unlock(&scheduler->mutex);
    for (size_t i = 0; i < count; i++)
        free_job(background, jobs[i], keep_files);
    lsm_free(jobs);
    scheduler_job_ended(scheduler, JOB_FLUSH, status, &err);
    if (status)
        return;
    background_hook(background, "flush:installed");
    scheduler_delete_obsolete(scheduler);
}

void flush_worker(void *argument)
{
    struct scheduler *scheduler = argument;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status;
    struct flush_step step;

    while (collect(scheduler, &step, &status, &err)) {
        if (status)
            scheduler_job_ended(scheduler, JOB_FLUSH, status, &err);
        else if (step.count)
            install(scheduler, step.install, step.count);
        else
            build(scheduler, step.build);
    }
}
