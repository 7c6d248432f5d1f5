/*
 * sync.h - mutexes with a rank and contention metrics, condition variables, threads.
 *
 * A thread takes mutexes in rising rank only: debug builds (LSM_DEBUG) abort on a wrong order. The table of ranks below
 * is the lock order of lsm/README.md. Every mutex counts acquisitions, contended ones, wait and hold time.
 * Threads made here block all signals. On failure to create one, the caller gets LSMKV_NOMEM or LSMKV_IO.
 */
#ifndef LSM_OS_SYNC_H
#define LSM_OS_SYNC_H

#include <pthread.h>
#include <stdatomic.h>

#include "lsmkv.h"

#if defined(__clang__)
#define LSM_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define LSM_THREAD_ANNOTATION(x)
#endif
#define LSM_CAPABILITY(name) LSM_THREAD_ANNOTATION(capability(name))
#define LSM_ACQUIRES(...)    LSM_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define LSM_RELEASES(...)    LSM_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define LSM_REQUIRES(...)    LSM_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define LSM_EXCLUDES(...)    LSM_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define LSM_NO_THREAD_CHECK  LSM_THREAD_ANNOTATION(no_thread_safety_analysis)

/* The lock order: a thread that holds one takes only those below it in this list. */
enum lock_rank {
    RANK_REGISTRY = 10,      /* ext: which stores are open in the process */
    RANK_STORE = 15,         /* small facts of a store: its sessions, its dropped tables */
    RANK_TURN = 20,          /* who commits next: owner field and waiters */
    RANK_SETTINGS = 25,      /* one change of a store's options at a time; held across its manifest commit */
    RANK_SCHEDULER = 30,     /* which background job is due, running, failed */
    RANK_MANIFEST = 40,      /* one manifest commit at a time; held across its I/O, by background jobs only */
    RANK_SYNC = 50,          /* WAL sync state: who leads, durable offset */
    RANK_LOG = 60,           /* assign sequence, append, apply, publish */
    RANK_PREPARED = 65,      /* the list of undecided transactions */
    RANK_SUPER_VERSION = 70, /* swap of the current super-version, sweep of reader slots, list of files to delete */
    RANK_HISTORY = 75,       /* the chain of memtables: who follows whom, what is flushed */
    RANK_TABLE_CACHE = 80,   /* opening and evicting SSTables */
    RANK_BLOCK_CACHE = 90,   /* one shard of the block cache */
    RANK_OS = 100,           /* inside a file system implementation */
};

struct LSM_CAPABILITY("mutex") mutex {
    pthread_mutex_t native;
    const char *name;
    enum lock_rank rank;
    uint64_t held_since; /* ns; by the holder */
    _Atomic uint64_t acquired, contended, wait_ns, hold_ns;
};

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank);
void mutex_release(struct mutex *mutex); /* ends its life */
void mutex_lock(struct mutex *mutex) LSM_ACQUIRES(*mutex);
void mutex_unlock(struct mutex *mutex) LSM_RELEASES(*mutex);
void mutex_assert_held(const struct mutex *mutex); /* debug builds */

struct condvar {
    pthread_cond_t native; /* CLOCK_MONOTONIC */
};

void condvar_init(struct condvar *condvar);
void condvar_release(struct condvar *condvar);
void condvar_wait(struct condvar *condvar, struct mutex *mutex) LSM_REQUIRES(*mutex);
/* Until `deadline_ns` of clock_now_ns(); false when it has passed. */
bool condvar_wait_until(struct condvar *condvar, struct mutex *mutex, uint64_t deadline_ns) LSM_REQUIRES(*mutex);
void condvar_signal(struct condvar *condvar);
void condvar_broadcast(struct condvar *condvar);

struct thread {
    pthread_t native;
    bool running;
};

LSMKV_MUST_CHECK enum lsmkv_status thread_start(struct thread *thread, const char *name, void (*run)(void *argument),
                                                void *argument, struct lsmkv_error *err);
void thread_join(struct thread *thread); /* a no-op if it never started */

#endif
