/*
 * process.c - a count of forks, kept by a handler that the C library runs in each child.
 *
 * The count and its once-flag are the only state here. They belong to the process as the process id does: there is nothing
 * to own or free, and the handler stays registered, which is safe because the library is never unloaded.
 */
#include "os/process.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic bool watching;
static _Atomic uint64_t forks;

static void count_fork(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch(void)
{
    atomic_store_explicit(&watching, pthread_atfork(NULL, NULL, count_fork) == 0, memory_order_release);
}

enum lsmkv_status process_watch_forks(struct lsmkv_error *err)
{
    if (pthread_once(&once, watch) != 0 || !atomic_load_explicit(&watching, memory_order_acquire))
        return lsmkv_fail_nomem(err);
    return LSMKV_OK;
}

uint64_t process_generation(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}
