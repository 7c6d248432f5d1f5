/*
 * clock.c - time and random bytes of the system, or of a test.
 */
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* What a test put in place of the system; NULL and 0 in production. */
static _Atomic(clock_now_function *) test_now;
static _Atomic(clock_sleep_function *) test_sleep;
static _Atomic uint64_t test_random_state;

uint64_t clock_now_ns(void)
{
    clock_now_function *now = atomic_load_explicit(&test_now, memory_order_relaxed);
    struct timespec time;

    if (now)
        return now();
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void clock_sleep_ns(uint64_t ns)
{
    clock_sleep_function *sleep_ns = atomic_load_explicit(&test_sleep, memory_order_relaxed);
    struct timespec left = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    if (sleep_ns) {
        sleep_ns(ns);
        return;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

void clock_set_for_tests(clock_now_function *now, clock_sleep_function *sleep_ns)
{
    atomic_store(&test_now, now);
    atomic_store(&test_sleep, sleep_ns);
}

/* splitmix64: a counter through a mixing function, so that threads may share it. */
static uint64_t seeded_random(void)
{
    uint64_t z = atomic_fetch_add(&test_random_state, 0x9e3779b97f4a7c15ull) + 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void seeded_bytes(uint8_t *to, size_t size)
{
    while (size) {
        uint64_t bits = seeded_random();
        size_t some = size < sizeof(bits) ? size : sizeof(bits);

        memcpy(to, &bits, some);
        to += some;
        size -= some;
    }
}

void random_bytes(void *to, size_t size)
{
    uint8_t *at = to;

    if (atomic_load_explicit(&test_random_state, memory_order_relaxed)) {
        seeded_bytes(at, size);
        return;
    }
    while (size) {
        ssize_t got = getrandom(at, size, 0);

        if (got < 0) {
            if (errno == EINTR)
                continue;
            break;
        }
        at += got;
        size -= (size_t)got;
    }
    /* No getrandom() (a sandbox): ids must differ, not be secret, so the time in nanoseconds mixed will do. */
    for (; size; size--, at++) {
        uint64_t mixed = clock_now_ns() * 0x9e3779b97f4a7c15ull ^ (uintptr_t)at * 0xbf58476d1ce4e5b9ull;

        *at = (uint8_t)(mixed >> 56);
    }
}

void random_seed_for_tests(uint64_t seed)
{
    atomic_store(&test_random_state, seed);
}
