/*
 * counters.c - enumerates the counters by name.
 */
#include "base/counters.h"

#define COUNTER(name) #name,
static const char *const names[] = {COUNTERS(COUNTER)};
#undef COUNTER

bool counters_get(const struct counters *counters, size_t index, const char **name, uint64_t *value)
{
#define COUNTER(name) &counters->name,
    const _Atomic uint64_t *const values[] = {COUNTERS(COUNTER)};
#undef COUNTER

    if (index >= sizeof(names) / sizeof(names[0]))
        return false;
    *name = names[index];
    *value = atomic_load_explicit(values[index], memory_order_relaxed);
    return true;
}
