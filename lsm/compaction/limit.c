/*
 * limit.c - the rate limiter: one atomic clock that each taker pushes forward by the time its bytes cost.
 */
#include "compaction/limit.h"

uint64_t rate_limiter_take(struct rate_limiter *limiter, uint64_t rate, uint64_t bytes, uint64_t now)
{
    uint64_t cost = (uint64_t)((double)bytes * 1e9 / (double)rate);
    uint64_t free_at = atomic_load_explicit(&limiter->free_at, memory_order_relaxed);
    uint64_t start;

    do {
        start = free_at > now ? free_at : now;
    } while (!atomic_compare_exchange_weak_explicit(&limiter->free_at, &free_at, start + cost, memory_order_relaxed,
                                                    memory_order_relaxed));
    return start - now;
}
