/*
 * scheduler.h - the background threads: flush workers and compaction workers, woken when there may be work.
 *
 * Each job is three steps: collect under the scheduler's lock, work without it, install under the manifest lock. Flushes
 * build in parallel and install in memtable order. A failed job is retried with back-off (10 ms, doubling to 5 s; at once
 * when woken by scheduler_retry) and counted; FULL and IO do not poison the store.
 *
 * Threads:   all functions may be called at the same time, without locks of rank >= RANK_SCHEDULER held.
 * Hook points (background.hook): "flush:begin", "flush:built", "flush:installed", "compaction:begin",
 *            "compaction:built", "compaction:installed", "obsolete:deleted".
 */
#ifndef LSM_COMPACTION_SCHEDULER_H
#define LSM_COMPACTION_SCHEDULER_H

#include "compaction/pressure.h"
#include "compaction/run.h"

struct scheduler;

/* Starts the threads. `background` is borrowed and must outlive the scheduler; its `stopping` is set here. */
LSMKV_MUST_CHECK enum lsmkv_status scheduler_new(struct scheduler **scheduler, struct background *background,
                                                 struct lsmkv_error *err);
/* Takes no new work, waits for the step in hand, joins, frees. NULL is fine. */
void scheduler_free(struct scheduler *scheduler);

/* After background->options were replaced: what is due, and what stops commits, may be another. */
void scheduler_options_changed(struct scheduler *scheduler);

/* After a rotation, when a table was dropped, and when the last reader of obsolete files may be gone. */
void scheduler_wake(struct scheduler *scheduler);
/* Forgets back-off: work that failed is tried again at once. */
void scheduler_retry(struct scheduler *scheduler);

/* Waits until every memtable that was immutable at the call is installed; the job's failure if one fails meanwhile. */
LSMKV_MUST_CHECK enum lsmkv_status scheduler_wait_flushed(struct scheduler *scheduler, struct lsmkv_error *err);

/*
 * The pressure gate of a commit: returns at once below soft_limit, after a delay below 1, and at 1 waits while the job
 * that ends it makes progress, at most stall_timeout_ms: then BUSY naming the cause, or FULL if that job fails for space.
 */
LSMKV_MUST_CHECK enum lsmkv_status scheduler_wait_pressure(struct scheduler *scheduler, struct lsmkv_error *err);

bool scheduler_compacting(struct scheduler *scheduler); /* a compaction runs or is due */
bool scheduler_wait_idle(struct scheduler *scheduler, uint64_t timeout_ms);
/* The last failure of background work and how often it happened since the last success; OK if the last work succeeded. */
enum lsmkv_status scheduler_failure(struct scheduler *scheduler, uint64_t *times, struct lsmkv_error *err);
void scheduler_locks(struct scheduler *scheduler, void (*visit)(void *context, const struct mutex *mutex),
                     void *context);

#endif
