#include "ext/memory.h"

#include <pthread.h>
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

/* ---- SQLite's allocator ---- */

/*
 * Held in each call, and while the process forks. A child of fork() may use SQLite on connections of its own; were one
 * of our threads inside SQLite's allocator when it forks, its first allocation would wait for ever.
 */
static pthread_mutex_t calling = PTHREAD_MUTEX_INITIALIZER;

static void enter(void)
{
    pthread_mutex_lock(&calling);
}

static void leave(void)
{
    pthread_mutex_unlock(&calling);
}

static void *sqlite_resize(void *memory, uint64_t size)
{
    void *resized;

    enter();
    resized = sqlite3_realloc64(memory, size ? size : 1);
    leave();
    return resized;
}

static void *sqlite_alloc(uint64_t size)
{
    return sqlite_resize(NULL, size);
}

static void sqlite_release(void *memory)
{
    enter();
    sqlite3_free(memory);
    leave();
}

static void watch_forks(void)
{
    (void)pthread_atfork(enter, leave, leave); /* without memory for it a child has no more than it had without it */
}

void memory_setup(void)
{
    static const struct lsmkv_allocator sqlite_allocator = {sqlite_alloc, sqlite_resize, sqlite_release};
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (host_is_threadsafe())
        pthread_once(&once, watch_forks);
    lsmkv_allocator_set(host_is_threadsafe() ? &sqlite_allocator : NULL);
}

/* ---- For the extension ---- */

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
