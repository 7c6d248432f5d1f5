#include "ext/memory.h"

#include <stdlib.h>
#include <string.h>

#include "ext/sqlite.h"

/*
 * Background threads of the engine allocate too. A host compiled without threads has an allocator that must not be
 * called from them.
 */
static bool host_is_threadsafe(void)
{
    return sqlite3_threadsafe() != 0;
}

static void *sqlite_alloc(uint64_t size)
{
    return sqlite3_malloc64(size ? size : 1);
}

static void *sqlite_resize(void *memory, uint64_t size)
{
    return sqlite3_realloc64(memory, size ? size : 1);
}

static void sqlite_release(void *memory)
{
    sqlite3_free(memory);
}

void memory_setup(void)
{
    static const struct lsmkv_allocator sqlite_allocator = {sqlite_alloc, sqlite_resize, sqlite_release};

    lsmkv_allocator_set(host_is_threadsafe() ? &sqlite_allocator : NULL);
}

void *memory_resize(void *memory, size_t size)
{
    if (host_is_threadsafe())
        return sqlite_resize(memory, size);
    return realloc(memory, size ? size : 1);
}

void *memory_alloc(size_t size)
{
    void *memory = memory_resize(NULL, size);

    if (memory)
        memset(memory, 0, size);
    return memory;
}

void memory_free(void *memory)
{
    if (host_is_threadsafe())
        sqlite_release(memory);
    else
        free(memory);
}

char *memory_copy_text(const char *text, size_t size)
{
    char *copy = memory_resize(NULL, size + 1);

    if (copy) {
        if (size)
            memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}
