/*
 * jobs.h - the inside of the scheduler: what its workers, manual compaction and the pressure gate share.
 *
 * Every job collects under `mutex`, works without it, and installs by version_set_commit(), which takes the manifest lock.
 * The super-version that claims are made on is taken under `mutex`, and claims end under it after the install: so whoever
 * finds a table unclaimed also finds a version that no longer has the tables that left.
 *
 * Who waits for something looks with scheduler_changes() noted before, and waits until it differs: nothing is missed.
 */
#ifndef LSM_COMPACTION_JOBS_H
#define LSM_COMPACTION_JOBS_H

#include "compaction/outputs.h"
#include "compaction/scheduler.h"

#define PRESSURE_SCALE 1000000u /* pressure 1 in the scheduler's copy of it */

enum job_kind { JOB_FLUSH, JOB_COMPACTION, JOB_KINDS };

/* How one kind of work fares. */
struct job_failure {
    struct lsmkv_error last; /* status OK: the last work succeeded, or none was done */
    uint64_t times;          /* failures since the last success */
    uint64_t total;          /* failures since the start */
    uint64_t retry_at;       /* ns: no new work of this kind before; 0 = at once */
};

/* One memtable that is being written or waits for an older one to be installed first. */
struct flush_job {
    struct flush_job *next;
    struct memtable *memtable; /* reference held */
    struct outputs outputs;    /* valid once built */
    bool built;
};

struct scheduler {
    /* Constant after start. */
    struct background *background;
    struct thread *threads;
    size_t thread_count;

    /* Own synchronisation. */
    _Atomic bool stopping;
    struct rate_limiter limiter;
    _Atomic uint64_t progress;
    _Atomic uint64_t pressure; /* of the last super-version looked at, times PRESSURE_SCALE */
    struct mutex mutex;
    struct condvar work;    /* with `mutex`: there may be work for a worker */
    struct condvar changed; /* with `mutex`: `changes` rose */

    /* Guarded by `mutex`. */
    uint64_t installs; /* pieces of work that were installed */
    uint64_t changes;  /* rises with every install, failure, end of a job, and stop */
    struct flush_job *flushes;
    bool installing;       /* a worker installs flushes: in memtable order, so one at a time */
    unsigned compacting;   /* compactions that are collected and have not ended */
    bool manual;           /* a step of a manual compaction is under way: one at a time */
    bool manual_blocked;   /* it waits for claims, so no new compaction is begun */
    bool look_for_dropped; /* tables of dropped ids may be there to discard */
    bool delete_wanted;    /* obsolete files may be there to delete */
    bool deleting;         /* a worker deletes them */
    bool poisoned;         /* no manifest can be committed any more: no work makes sense */
    struct job_failure failures[JOB_KINDS];
};

/* ---- scheduler.c ---- */

/* The current super-version, until scheduler_looked(). Brings `pressure` up to date. */
struct super_version *scheduler_look(struct scheduler *scheduler) LSM_REQUIRES(scheduler->mutex);
void scheduler_looked(struct scheduler *scheduler, struct super_version *super_version) LSM_REQUIRES(scheduler->mutex);

/* For who has dropped a reference that may have been the last one on obsolete files: has them deleted. */
void scheduler_note_obsolete(struct scheduler *scheduler) LSM_REQUIRES(scheduler->mutex);

/* Something that others may wait for has happened. */
void scheduler_notify(struct scheduler *scheduler) LSM_REQUIRES(scheduler->mutex);

/*
 * Records how a piece of work ended, wakes all, and logs a change of state. Takes the lock. `poisoned` is what the version
 * set said after the failure.
 */
void scheduler_job_ended(struct scheduler *scheduler, enum job_kind kind, enum lsmkv_status status,
                         const struct lsmkv_error *err);

/* True if work of this kind may be begun now; otherwise *wake_at (ns) says when, 0 = when something happens. */
bool scheduler_may_begin(const struct scheduler *scheduler, enum job_kind kind, uint64_t *wake_at)
    LSM_REQUIRES(scheduler->mutex);

/* Waits for work, until `wake_at` if that is not 0. */
void scheduler_wait_work(struct scheduler *scheduler, uint64_t wake_at) LSM_REQUIRES(scheduler->mutex);

/* INTERRUPTED if the scheduler stops, READONLY if nothing can be installed any more. */
LSMKV_MUST_CHECK enum lsmkv_status scheduler_check(struct scheduler *scheduler, struct lsmkv_error *err)
    LSM_REQUIRES(scheduler->mutex);

/* Removes obsolete files unless another thread is at it, which then does one more round. Takes the lock. */
void scheduler_delete_obsolete(struct scheduler *scheduler);

/* ---- flush_worker.c, compaction_worker.c ---- */

void flush_worker(void *scheduler);
void flush_jobs_free(struct scheduler *scheduler); /* what was built and never installed; no worker runs any more */
void compaction_worker(void *scheduler);

/*
 * Runs and installs a compaction that was collected (`compacting` counts it already), ends its claims and frees it.
 * `version` is the one that it was picked from.
 */
LSMKV_MUST_CHECK enum lsmkv_status compaction_execute(struct scheduler *scheduler, struct compaction *compaction,
                                                      struct version *version, struct lsmkv_error *err);

#endif
