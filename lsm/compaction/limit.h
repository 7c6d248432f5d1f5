/*
 * limit.h - spreads written bytes over time: a bucket without burst, shared by everyone who writes.
 *
 * Threads: all functions may be called at the same time. Starts zeroed.
 */
#ifndef LSM_COMPACTION_LIMIT_H
#define LSM_COMPACTION_LIMIT_H

#include <stdatomic.h>

#include "lsmkv.h"

struct rate_limiter {
    _Atomic uint64_t free_at; /* ns of the monotonic clock when all that was taken has been paid for */
};

/*
 * Takes `bytes` at `rate` bytes a second (> 0); returns how many ns from `now` the caller has to wait: until what was
 * taken before is paid for. Idle time is not saved up.
 */
uint64_t rate_limiter_take(struct rate_limiter *limiter, uint64_t rate, uint64_t bytes, uint64_t now);

#endif
