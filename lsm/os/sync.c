/*
 * sync.c - mutexes, condition variables and threads on POSIX threads.
 *
 * Cost: an uncontended lock is a trylock and one plain store more than the native one. Time is taken for waits only when
 * the lock is contended. Hold time is taken for each of the first HOLD_ALL acquisitions and then for one of HOLD_SAMPLE,
 * which counts HOLD_SAMPLE times: rare locks, held long, are exact; hot ones, held briefly, are a fair estimate.
 * The counters are written by the holder only, hence plain load and store; they are atomic for those who look.
 */
#include "os/sync.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "os/clock.h"

#define HOLD_ALL    1024
#define HOLD_SAMPLE 64

/* ---- Rank checks: which mutexes this thread holds, in debug builds ---- */

#ifdef LSM_DEBUG

#include <unistd.h>

#define HELD_MAX 16

static _Thread_local struct {
    const struct mutex *mutexes[HELD_MAX];
    size_t count;
} held;

static void die(const struct mutex *mutex, const char *what, const struct mutex *other)
{
    dprintf(STDERR_FILENO, "lsmkv: mutex %s (rank %d) %s %s (rank %d)\n", mutex->name, (int)mutex->rank, what,
            other ? other->name : "nothing", other ? (int)other->rank : 0);
    abort();
}

static void rank_check(const struct mutex *mutex)
{
    for (size_t i = 0; i < held.count; i++) {
        if (held.mutexes[i]->rank >= mutex->rank)
            die(mutex, "taken while holding", held.mutexes[i]);
    }
}

static void rank_push(const struct mutex *mutex)
{
    if (held.count == HELD_MAX)
        die(mutex, "is one too many after", held.mutexes[HELD_MAX - 1]);
    held.mutexes[held.count++] = mutex;
}

static size_t rank_find(const struct mutex *mutex)
{
    size_t i;

    for (i = 0; i < held.count && held.mutexes[i] != mutex; i++)
        ;
    if (i == held.count)
        die(mutex, "is not held by this thread, which holds", held.count ? held.mutexes[held.count - 1] : NULL);
    return i;
}

static void rank_pop(const struct mutex *mutex)
{
    size_t i = rank_find(mutex);

    memmove(&held.mutexes[i], &held.mutexes[i + 1], (held.count - i - 1) * sizeof(held.mutexes[0]));
    held.count--;
}

void mutex_assert_held(const struct mutex *mutex)
{
    rank_find(mutex);
}

#else

static inline void rank_check(const struct mutex *mutex)
{
    (void)mutex;
}

static inline void rank_push(const struct mutex *mutex)
{
    (void)mutex;
}

static inline void rank_pop(const struct mutex *mutex)
{
    (void)mutex;
}

void mutex_assert_held(const struct mutex *mutex)
{
    (void)mutex;
}

#endif

/* ---- Mutexes ---- */

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank)
{
    pthread_mutex_init(&mutex->native, NULL);
    mutex->name = name;
    mutex->rank = rank;
    mutex->held_since = 0;
    atomic_init(&mutex->acquired, 0);
    atomic_init(&mutex->contended, 0);
    atomic_init(&mutex->wait_ns, 0);
    atomic_init(&mutex->hold_ns, 0);
}

void mutex_release(struct mutex *mutex)
{
    int failed = pthread_mutex_destroy(&mutex->native);

    assert(!failed); /* a held mutex must not end */
    (void)failed;
}

/* By the holder only. */
static void add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount, memory_order_relaxed);
}

static void note_acquired(struct mutex *mutex)
{
    uint64_t acquired;

    add(&mutex->acquired, 1);
    acquired = atomic_load_explicit(&mutex->acquired, memory_order_relaxed);
    mutex->held_since = acquired <= HOLD_ALL || acquired % HOLD_SAMPLE == 0 ? clock_now_ns() : 0;
}

static void note_released(struct mutex *mutex)
{
    uint64_t weight;

    if (!mutex->held_since)
        return;
    weight = atomic_load_explicit(&mutex->acquired, memory_order_relaxed) <= HOLD_ALL ? 1 : HOLD_SAMPLE;
    add(&mutex->hold_ns, (clock_now_ns() - mutex->held_since) * weight);
}

void mutex_lock(struct mutex *mutex) LSM_NO_THREAD_CHECK
{
    uint64_t start;

    rank_check(mutex);
    if (pthread_mutex_trylock(&mutex->native) != 0) {
        start = clock_now_ns();
        pthread_mutex_lock(&mutex->native);
        add(&mutex->contended, 1);
        add(&mutex->wait_ns, clock_now_ns() - start);
    }
    rank_push(mutex);
    note_acquired(mutex);
}

void mutex_unlock(struct mutex *mutex) LSM_NO_THREAD_CHECK
{
    rank_pop(mutex);
    note_released(mutex);
    pthread_mutex_unlock(&mutex->native);
}

/* ---- Condition variables: waiting gives the mutex up, which counts as a release and an acquisition ---- */

void condvar_init(struct condvar *condvar)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condvar->native, &attributes);
    pthread_condattr_destroy(&attributes);
}

void condvar_release(struct condvar *condvar)
{
    pthread_cond_destroy(&condvar->native);
}

/* The mutex stays on this thread's list of held ones: the thread takes no other meanwhile. */
void condvar_wait(struct condvar *condvar, struct mutex *mutex)
{
    mutex_assert_held(mutex);
    note_released(mutex);
    pthread_cond_wait(&condvar->native, &mutex->native);
    note_acquired(mutex);
}

bool condvar_wait_until(struct condvar *condvar, struct mutex *mutex, uint64_t deadline_ns)
{
    uint64_t now = clock_now_ns();
    struct timespec until;
    uint64_t left;
    int result;

    mutex_assert_held(mutex);
    if (deadline_ns <= now)
        return false;
    /* The deadline is of clock_now_ns(), which a test may have replaced; the wait itself is real. */
    left = deadline_ns - now;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (left > 1000000000ull * 86400 * 365)
        left = 1000000000ull * 86400 * 365;
    left += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(left / 1000000000u);
    until.tv_nsec = (long)(left % 1000000000u);
    note_released(mutex);
    result = pthread_cond_timedwait(&condvar->native, &mutex->native, &until);
    note_acquired(mutex);
    return result != ETIMEDOUT;
}

void condvar_signal(struct condvar *condvar)
{
    pthread_cond_signal(&condvar->native);
}

void condvar_broadcast(struct condvar *condvar)
{
    pthread_cond_broadcast(&condvar->native);
}

/* ---- Threads ---- */

struct start {
    void (*run)(void *argument);
    void *argument;
    char name[16]; /* the kernel's limit */
};

static void *thread_main(void *context)
{
    struct start start = *(struct start *)context;

    lsm_free(context);
    pthread_setname_np(pthread_self(), start.name);
    start.run(start.argument);
    return NULL;
}

enum lsmkv_status thread_start(struct thread *thread, const char *name, void (*run)(void *argument), void *argument,
                               struct lsmkv_error *err)
{
    struct start *start = lsm_alloc(sizeof(*start));
    sigset_t all, before;
    int failed;

    thread->running = false;
    if (!start)
        return lsmkv_fail_nomem(err);
    start->run = run;
    start->argument = argument;
    snprintf(start->name, sizeof(start->name), "%s", name);
    /* A new thread inherits the mask: signals of the host must go to the host's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread->native, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        lsm_free(start);
        return lsmkv_fail(err, failed == ENOMEM || failed == EAGAIN ? LSMKV_NOMEM : LSMKV_IO,
                          "cannot start thread %s: error %d", name, failed);
    }
    thread->running = true;
    return LSMKV_OK;
}

void thread_join(struct thread *thread)
{
    if (!thread->running)
        return;
    pthread_join(thread->native, NULL);
    thread->running = false;
}
