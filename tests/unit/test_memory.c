/*
 * test_memory.c - the extension's memory where the process forks.
 */
#include "ext/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ext/sqlite.h"
#include "support/test.h"

#define FORKS          100 /* scaled */
#define CHILD_DEADLINE 30  /* seconds until a child that waits for ever is killed */

static atomic_bool stop;

static void *allocate(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop))
        memory_free(memory_alloc(100));
    return NULL;
}

static void a_child_of_fork_can_use_sqlite_whatever_our_threads_did(void **state)
{
    pthread_t thread;
    size_t i, forks = test_scaled(FORKS);
    int status;
    pid_t child;

    (void)state;
    memory_setup();
    assert_int_equal(pthread_create(&thread, NULL, allocate, NULL), 0);
    for (i = 0; i < forks; i++) {
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(CHILD_DEADLINE);
            sqlite3_free(sqlite3_malloc(100));
            memory_free(memory_alloc(100));
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_of_fork_can_use_sqlite_whatever_our_threads_did),
    };

    sqlite3_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
