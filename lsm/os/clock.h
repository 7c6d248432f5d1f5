/*
 * clock.h - monotonic time and random bytes; both can be replaced by a test.
 */
#ifndef LSM_OS_CLOCK_H
#define LSM_OS_CLOCK_H

#include "lsmkv.h"

uint64_t clock_now_ns(void); /* monotonic */
void clock_sleep_ns(uint64_t ns);

/* Tests: replaces both functions; NULL = the system again. Waits on condition variables take real time. */
typedef uint64_t clock_now_function(void);
typedef void clock_sleep_function(uint64_t ns);
void clock_set_for_tests(clock_now_function *now, clock_sleep_function *sleep_ns);

void random_bytes(void *to, size_t size);  /* from the system, or from the seed that a test set */
void random_seed_for_tests(uint64_t seed); /* 0 = the system again */

#endif
