/*
 * test_sync.c - mutexes and their figures, lock order, condition variables, threads, clock, random bytes.
 */
#include "support/test.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lsm/base/alloc.h"
#include "lsm/base/error.h"
#include "lsm/os/clock.h"
#include "lsm/os/sync.h"

/* ---- Mutexes ---- */

enum { THREADS = 4, ROUNDS = 20000 };

struct counting {
    struct mutex mutex;
    uint64_t count;
};

static void count_up(void *context)
{
    struct counting *counting = context;

    for (size_t i = 0; i < test_scaled(ROUNDS); i++) {
        mutex_lock(&counting->mutex);
        counting->count++;
        mutex_unlock(&counting->mutex);
    }
}

static void mutex_excludes_and_counts_every_acquisition(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct thread threads[THREADS];
    struct counting counting = {.count = 0};
    uint64_t expected = THREADS * test_scaled(ROUNDS);

    (void)state;
    mutex_init(&counting.mutex, "counting", RANK_LOG);
    for (int i = 0; i < THREADS; i++)
        assert_ok(thread_start(&threads[i], "count", count_up, &counting, &err), &err);
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    assert_int_equal(counting.count, expected);
    assert_int_equal(counting.mutex.acquired, expected);
    assert_true(counting.mutex.contended <= expected);
    assert_true(counting.mutex.hold_ns > 0);
    mutex_release(&counting.mutex);
}

static _Atomic uint64_t fake_ns;

static uint64_t fake_now(void)
{
    return atomic_load(&fake_ns);
}

static void uncontended_lock_has_hold_time_and_no_wait(void **state)
{
    struct mutex mutex;

    (void)state;
    clock_set_for_tests(fake_now, NULL);
    atomic_store(&fake_ns, 1000);
    mutex_init(&mutex, "m", RANK_LOG);
    for (int i = 0; i < 3; i++) {
        mutex_lock(&mutex);
        atomic_fetch_add(&fake_ns, 70);
        mutex_unlock(&mutex);
        atomic_fetch_add(&fake_ns, 1000000);
    }
    clock_set_for_tests(NULL, NULL);
    assert_int_equal(mutex.acquired, 3);
    assert_int_equal(mutex.contended, 0);
    assert_int_equal(mutex.wait_ns, 0);
    assert_int_equal(mutex.hold_ns, 210);
    mutex_release(&mutex);
}

/* Beyond the first acquisitions only a sample is timed; each stands for as many as were not. */
static void hold_time_of_a_hot_lock_is_sampled_and_scaled(void **state)
{
    enum { MANY = 64 * 500 };
    struct mutex mutex;

    (void)state;
    clock_set_for_tests(fake_now, NULL);
    atomic_store(&fake_ns, 1);
    mutex_init(&mutex, "m", RANK_LOG);
    for (int i = 0; i < MANY; i++) {
        mutex_lock(&mutex);
        atomic_fetch_add(&fake_ns, 10);
        mutex_unlock(&mutex);
    }
    clock_set_for_tests(NULL, NULL);
    assert_in_range(mutex.hold_ns, MANY * 10 - 640, MANY * 10 + 640);
    mutex_release(&mutex);
}

struct contest {
    struct mutex mutex;
    _Atomic bool started;
};

static void lock_once(void *context)
{
    struct contest *contest = context;

    atomic_store(&contest->started, true);
    mutex_lock(&contest->mutex);
    mutex_unlock(&contest->mutex);
}

/* Contention cannot be forced without a hook inside the lock; it is tried again until it happens. */
static void contended_lock_counts_the_wait(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct contest contest;
    struct thread thread;

    (void)state;
    mutex_init(&contest.mutex, "m", RANK_LOG);
    do {
        atomic_store(&contest.started, false);
        mutex_lock(&contest.mutex);
        assert_ok(thread_start(&thread, "contest", lock_once, &contest, &err), &err);
        while (!atomic_load(&contest.started))
            sched_yield();
        for (int i = 0; i < 100; i++)
            sched_yield();
        mutex_unlock(&contest.mutex);
        thread_join(&thread);
    } while (contest.mutex.contended == 0);
    assert_true(contest.mutex.wait_ns > 0);
    mutex_release(&contest.mutex);
}

/* ---- Lock order: a wrong one ends the process, so each case runs in a child ---- */

#ifdef LSM_DEBUG

static void take_two(enum lock_rank first, enum lock_rank second)
{
    struct mutex a, b;

    mutex_init(&a, "a", first);
    mutex_init(&b, "b", second);
    mutex_lock(&a);
    mutex_lock(&b);
    mutex_unlock(&a); /* any order of unlocking is fine */
    mutex_unlock(&b);
    mutex_lock(&b);
    mutex_unlock(&b);
}

static void rising(void)
{
    take_two(RANK_TURN, RANK_LOG);
}

static void falling(void)
{
    take_two(RANK_LOG, RANK_TURN);
}

static void equal(void)
{
    take_two(RANK_BLOCK_CACHE, RANK_BLOCK_CACHE);
}

static void unlock_of_what_is_not_held(void) LSM_NO_THREAD_CHECK
{
    struct mutex mutex;

    mutex_init(&mutex, "m", RANK_LOG);
    mutex_unlock(&mutex);
}

static void assert_of_what_is_not_held(void)
{
    struct mutex mutex;

    mutex_init(&mutex, "m", RANK_LOG);
    mutex_assert_held(&mutex);
}

static void wait_keeps_the_rank(void) LSM_NO_THREAD_CHECK
{
    struct condvar condvar;
    struct mutex low, high;

    mutex_init(&low, "low", RANK_TURN);
    mutex_init(&high, "high", RANK_LOG);
    condvar_init(&condvar);
    mutex_lock(&high);
    (void)condvar_wait_until(&condvar, &high, clock_now_ns() + 1);
    mutex_lock(&low); /* wrong: high is held again */
}

/* The signal that ended the child, 0 if it ended well. */
static int signal_of(void (*run)(void))
{
    pid_t child = fork();
    int result = 0;

    if (child == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result) || WEXITSTATUS(result) == 0);
    return WIFSIGNALED(result) ? WTERMSIG(result) : 0;
}

static void wrong_lock_order_aborts_in_debug_builds(void **state)
{
    (void)state;
    assert_int_equal(signal_of(rising), 0);
    assert_int_equal(signal_of(falling), SIGABRT);
    assert_int_equal(signal_of(equal), SIGABRT);
    assert_int_equal(signal_of(unlock_of_what_is_not_held), SIGABRT);
    assert_int_equal(signal_of(assert_of_what_is_not_held), SIGABRT);
    assert_int_equal(signal_of(wait_keeps_the_rank), SIGABRT);
}

#else

static void wrong_lock_order_aborts_in_debug_builds(void **state)
{
    (void)state;
    skip();
}

#endif

/* ---- Condition variables ---- */

struct ping {
    struct mutex mutex;
    struct condvar changed;
    int turn;
};

static void pong(void *context)
{
    struct ping *ping = context;

    mutex_lock(&ping->mutex);
    for (int i = 0; i < 1000; i++) {
        while (ping->turn != 1)
            condvar_wait(&ping->changed, &ping->mutex);
        ping->turn = 0;
        condvar_broadcast(&ping->changed);
    }
    mutex_unlock(&ping->mutex);
}

static void condvar_wakes_who_waits(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct ping ping = {.turn = 0};
    struct thread thread;

    (void)state;
    mutex_init(&ping.mutex, "ping", RANK_TURN);
    condvar_init(&ping.changed);
    assert_ok(thread_start(&thread, "pong", pong, &ping, &err), &err);
    mutex_lock(&ping.mutex);
    for (int i = 0; i < 1000; i++) {
        ping.turn = 1;
        condvar_signal(&ping.changed);
        while (ping.turn != 0)
            assert_true(condvar_wait_until(&ping.changed, &ping.mutex, UINT64_MAX));
    }
    mutex_unlock(&ping.mutex);
    thread_join(&thread);
    condvar_release(&ping.changed);
    mutex_release(&ping.mutex);
}

static void wait_until_ends_at_its_deadline(void **state)
{
    struct condvar condvar;
    struct mutex mutex;
    uint64_t deadline;

    (void)state;
    mutex_init(&mutex, "m", RANK_TURN);
    condvar_init(&condvar);
    mutex_lock(&mutex);
    assert_false(condvar_wait_until(&condvar, &mutex, 0)); /* long past */
    deadline = clock_now_ns() + 2000000;
    while (condvar_wait_until(&condvar, &mutex, deadline))
        ; /* woken for nothing */
    assert_true(clock_now_ns() >= deadline);
    mutex_assert_held(&mutex);
    mutex_unlock(&mutex);
    condvar_release(&condvar);
    mutex_release(&mutex);
}

/* A thread that sleeps on its condition variable holds no lock: the figures must not say that it does. */
static void waiting_is_not_holding(void **state)
{
    struct condvar condvar;
    struct mutex mutex;

    (void)state;
    clock_set_for_tests(fake_now, NULL);
    atomic_store(&fake_ns, 1000);
    mutex_init(&mutex, "m", RANK_TURN);
    condvar_init(&condvar);
    mutex_lock(&mutex);
    atomic_fetch_add(&fake_ns, 5);
    while (condvar_wait_until(&condvar, &mutex, fake_now() + 1000000))
        ;
    atomic_fetch_add(&fake_ns, 7);
    mutex_unlock(&mutex);
    clock_set_for_tests(NULL, NULL);
    assert_int_equal(mutex.hold_ns, 12);
    assert_int_equal(mutex.acquired, 2);
    condvar_release(&condvar);
    mutex_release(&mutex);
}

/* ---- Threads ---- */

static sigset_t seen_mask;
static char seen_name[16];

static void look_around(void *context)
{
    *(bool *)context = true;
    pthread_sigmask(SIG_SETMASK, NULL, &seen_mask);
    pthread_getname_np(pthread_self(), seen_name, sizeof(seen_name));
}

static void thread_blocks_signals_and_bears_its_name(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct thread thread;
    sigset_t mine;
    bool ran = false;

    (void)state;
    assert_ok(thread_start(&thread, "a name that is too long", look_around, &ran, &err), &err);
    thread_join(&thread);
    assert_true(ran);
    assert_true(sigismember(&seen_mask, SIGINT) && sigismember(&seen_mask, SIGTERM) &&
                sigismember(&seen_mask, SIGALRM));
    assert_string_equal(seen_name, "a name that is ");
    /* The starter's own mask is as before. */
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_false(sigismember(&mine, SIGINT));
    thread_join(&thread); /* a no-op */
}

static void thread_that_cannot_start_is_reported(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct thread thread;
    bool ran = false;

    (void)state;
    lsm_alloc_fail_at(1, false);
    assert_status(thread_start(&thread, "t", look_around, &ran, &err), LSMKV_NOMEM, &err);
    lsm_alloc_fail_at(0, false);
    thread_join(&thread);
    assert_false(ran);
}

/* ---- Clock and random bytes ---- */

static uint64_t slept;

static void fake_sleep(uint64_t ns)
{
    slept += ns;
}

static void clock_can_be_replaced(void **state)
{
    uint64_t before = clock_now_ns();

    (void)state;
    assert_true(clock_now_ns() >= before);
    clock_sleep_ns(1);
    clock_set_for_tests(fake_now, fake_sleep);
    atomic_store(&fake_ns, 77);
    assert_int_equal(clock_now_ns(), 77);
    clock_sleep_ns(5000000000);
    assert_int_equal(slept, 5000000000);
    clock_set_for_tests(NULL, NULL);
    assert_true(clock_now_ns() >= before);
}

static void random_bytes_repeat_from_a_seed_only(void **state)
{
    uint8_t a[37], b[37];

    (void)state;
    random_seed_for_tests(7);
    random_bytes(a, sizeof(a));
    random_seed_for_tests(7);
    random_bytes(b, sizeof(b));
    assert_memory_equal(a, b, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    random_seed_for_tests(0);
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutex_excludes_and_counts_every_acquisition),
        cmocka_unit_test(uncontended_lock_has_hold_time_and_no_wait),
        cmocka_unit_test(hold_time_of_a_hot_lock_is_sampled_and_scaled),
        cmocka_unit_test(contended_lock_counts_the_wait),
        cmocka_unit_test(wrong_lock_order_aborts_in_debug_builds),
        cmocka_unit_test(condvar_wakes_who_waits),
        cmocka_unit_test(wait_until_ends_at_its_deadline),
        cmocka_unit_test(waiting_is_not_holding),
        cmocka_unit_test(thread_blocks_signals_and_bears_its_name),
        cmocka_unit_test(thread_that_cannot_start_is_reported),
        cmocka_unit_test(clock_can_be_replaced),
        cmocka_unit_test(random_bytes_repeat_from_a_seed_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
