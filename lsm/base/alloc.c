/*
 * alloc.c - the one allocator, with the "fail the Nth" hook of tests.
 *
 * The allocator and the hook are process-wide by nature: SQLite's own is. Production code never arms the hook, so an
 * allocation costs one relaxed load more than the allocator itself.
 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static void *system_alloc(uint64_t size)
{
    return malloc((size_t)size);
}

static void *system_resize(void *memory, uint64_t size)
{
    return realloc(memory, (size_t)size);
}

static void system_release(void *memory)
{
    free(memory);
}

static const struct lsmkv_allocator system_allocator = {system_alloc, system_resize, system_release};

/* Set before the first store is opened, constant from then on. */
static struct lsmkv_allocator allocator = {system_alloc, system_resize, system_release};

/* The hook: allocations are counted from the first lsm_alloc_fail_at() on. */
static struct {
    _Atomic bool counting;
    _Atomic uint64_t count;
    _Atomic uint64_t fail_nth;
    _Atomic bool forever;
} hook;

void lsmkv_allocator_set(const struct lsmkv_allocator *replacement)
{
    allocator = replacement ? *replacement : system_allocator;
}

void lsm_alloc_fail_at(uint64_t nth, bool forever)
{
    atomic_store(&hook.fail_nth, 0);
    atomic_store(&hook.count, 0);
    atomic_store(&hook.forever, forever);
    atomic_store(&hook.fail_nth, nth);
    atomic_store(&hook.counting, true);
}

uint64_t lsm_alloc_count(void)
{
    return atomic_load(&hook.count);
}

static bool must_fail(void)
{
    uint64_t count, nth;

    if (!atomic_load_explicit(&hook.counting, memory_order_relaxed))
        return false;
    count = atomic_fetch_add(&hook.count, 1) + 1;
    nth = atomic_load(&hook.fail_nth);
    return nth && (count == nth || (count > nth && atomic_load(&hook.forever)));
}

void *lsm_alloc(size_t size)
{
    if (must_fail())
        return NULL;
    return allocator.alloc(size ? size : 1);
}

void *lsm_calloc(size_t count, size_t size)
{
    size_t bytes;
    void *memory;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    memory = lsm_alloc(bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void *lsm_realloc(void *memory, size_t size)
{
    if (!memory)
        return lsm_alloc(size);
    if (must_fail())
        return NULL;
    return allocator.resize(memory, size ? size : 1);
}

void lsm_free(void *memory)
{
    if (memory)
        allocator.release(memory);
}

char *lsm_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = lsm_alloc(size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

/* The pointer that the allocator gave is kept in front of the aligned bytes. */
void *lsm_alloc_aligned(size_t alignment, size_t size)
{
    size_t bytes;
    uint8_t *start;
    uintptr_t at;

    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    if (__builtin_add_overflow(size, alignment + sizeof(void *), &bytes))
        return NULL;
    start = lsm_alloc(bytes);
    if (!start)
        return NULL;
    at = ((uintptr_t)start + sizeof(void *) + alignment - 1) & ~(uintptr_t)(alignment - 1);
    ((void **)at)[-1] = start;
    return (void *)at;
}

void lsm_free_aligned(void *memory)
{
    if (memory)
        lsm_free(((void **)memory)[-1]);
}
