/*
 * test_history.c - the chain of memtables: what it keeps alive, in which order, and what the limit cuts.
 */
#include "support/test.h"

#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "memtable/history.h"

#define COUNT 8

static struct lsmkv_error err;

struct chain {
    struct history history;
    struct memtable *tables[COUNT]; /* references of the test */
    uint64_t bytes;                 /* of each */
};

static struct memtable *append_new(struct history *history, uint64_t segment)
{
    struct entry entry = {.key = slice_of("k", 1), .sequence = segment, .kind = ENTRY_PUT};
    struct memtable *memtable = NULL;

    assert_ok(memtable_new(&memtable, segment, &err), &err);
    assert_ok(memtable_add(memtable, &entry, &err), &err);
    history_append(history, memtable);
    return memtable;
}

static void set_up(struct chain *chain)
{
    memset(chain, 0, sizeof(*chain));
    history_init(&chain->history, UINT64_MAX);
    for (uint64_t i = 0; i < COUNT; i++)
        chain->tables[i] = append_new(&chain->history, i + 1);
    chain->bytes = memtable_bytes(chain->tables[0]);
}

static void let_go(struct chain *chain, unsigned index)
{
    memtable_unref(chain->tables[index]);
    chain->tables[index] = NULL;
}

static void tear_down(struct chain *chain)
{
    for (unsigned i = 0; i < COUNT; i++)
        let_go(chain, i);
    assert_null(chain->history.oldest);
    assert_null(chain->history.newest);
    assert_int_equal(chain->history.kept_bytes, 0);
    history_release(&chain->history);
}

/* Segments that can be reached from `memtable`, itself included; 0 if there is a cut. */
static unsigned reach(struct memtable *memtable)
{
    uint64_t segment = memtable_segment(memtable);
    unsigned count = 1;

    memtable_ref(memtable);
    for (;;) {
        struct memtable *next = NULL;
        bool whole = history_follow(memtable, &next);

        memtable_unref(memtable);
        if (!whole)
            return 0;
        if (!next)
            return count;
        assert_int_equal(memtable_segment(next), ++segment);
        count++;
        memtable = next;
    }
}

static void memtable_keeps_all_that_followed_it(void **state)
{
    struct chain chain;

    (void)state;
    set_up(&chain);
    for (unsigned i = 1; i < COUNT; i++)
        let_go(&chain, i);
    assert_int_equal(reach(chain.tables[0]), COUNT);
    tear_down(&chain);
}

static void chain_ends_with_the_oldest_that_is_kept(void **state)
{
    struct chain chain;

    (void)state;
    set_up(&chain);
    for (unsigned i = 0; i < COUNT; i++)
        history_flushed(chain.tables[i]);
    assert_int_equal(history_kept_bytes(&chain.history, NULL), COUNT * chain.bytes);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i != 3)
            let_go(&chain, i);
    }
    assert_int_equal(history_kept_bytes(&chain.history, NULL), (COUNT - 3) * chain.bytes);
    assert_int_equal(history_kept_bytes(&chain.history, chain.tables[3]), (COUNT - 3) * chain.bytes);
    assert_ptr_equal(chain.history.oldest, chain.tables[3]);
    tear_down(&chain);
}

static void limit_cuts_the_oldest_links_to_flushed_memtables(void **state)
{
    struct chain chain;

    (void)state;
    set_up(&chain);
    for (unsigned i = 1; i < COUNT; i++) {
        if (i != 3)
            let_go(&chain, i);
    }
    history_set_limit(&chain.history, 3 * chain.bytes);
    for (unsigned i = 0; i < 3; i++) {
        struct memtable *memtable = chain.tables[0];

        for (unsigned k = 0; k < i; k++)
            memtable = memtable_history(memtable)->follower;
        history_flushed(memtable);
    }
    history_keep_limit(&chain.history);
    assert_int_equal(reach(chain.tables[0]), COUNT);
    history_flushed(chain.tables[3]); /* one too many: those between the first and the fourth go */
    history_keep_limit(&chain.history);
    assert_int_equal(reach(chain.tables[0]), 0);
    assert_int_equal(reach(chain.tables[3]), COUNT - 3);
    assert_int_equal(history_kept_bytes(&chain.history, NULL), 2 * chain.bytes);
    history_set_limit(&chain.history, 0); /* what readers hold themselves stays; no link leads to a flushed one */
    assert_int_equal(history_kept_bytes(&chain.history, NULL), 2 * chain.bytes);
    assert_int_equal(reach(chain.tables[3]), COUNT - 3);
    tear_down(&chain);
}

/* Were the end of a chain a recursion, this would need a hundred megabytes of stack. */
static void long_chain_ends_at_once(void **state)
{
    struct history history;
    struct memtable *first, *memtable;

    (void)state;
    history_init(&history, UINT64_MAX);
    first = append_new(&history, 1);
    for (uint64_t i = 2; i < test_scaled(100000); i++) {
        memtable = append_new(&history, i);
        memtable_unref(memtable);
    }
    memtable_unref(first);
    assert_null(history.oldest);
    history_release(&history);
}

/* ---- Threads: some walk from where they stand, one appends and flushes under a small limit ---- */

struct shared {
    struct history history;
    pthread_mutex_t mutex;
    struct memtable *newest; /* guarded by mutex; a reference */
    _Atomic bool stop;
};

static struct memtable *take_newest(struct shared *shared)
{
    struct memtable *memtable;

    pthread_mutex_lock(&shared->mutex);
    memtable = shared->newest;
    memtable_ref(memtable);
    pthread_mutex_unlock(&shared->mutex);
    return memtable;
}

static void *walk_all(void *argument)
{
    struct shared *shared = argument;

    while (!atomic_load(&shared->stop)) {
        struct memtable *memtable = take_newest(shared);

        for (unsigned i = 0; i < 5; i++)
            (void)reach(memtable);
        memtable_unref(memtable);
    }
    return NULL;
}

static void readers_walk_while_links_are_made_and_cut(void **state)
{
    struct shared shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t readers[3];

    (void)state;
    history_init(&shared.history, 20 << 10);
    atomic_init(&shared.stop, false);
    shared.newest = append_new(&shared.history, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, walk_all, &shared), 0);
    for (uint64_t i = 2; i < 2 + test_scaled(20000); i++) {
        struct memtable *former = shared.newest, *made = append_new(&shared.history, i);

        pthread_mutex_lock(&shared.mutex);
        shared.newest = made;
        pthread_mutex_unlock(&shared.mutex);
        history_flushed(former);
        memtable_unref(former);
        history_keep_limit(&shared.history);
    }
    atomic_store(&shared.stop, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(readers[i], NULL);
    memtable_unref(shared.newest);
    assert_null(shared.history.oldest);
    assert_int_equal(shared.history.kept_bytes, 0);
    history_release(&shared.history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memtable_keeps_all_that_followed_it),
        cmocka_unit_test(chain_ends_with_the_oldest_that_is_kept),
        cmocka_unit_test(limit_cuts_the_oldest_links_to_flushed_memtables),
        cmocka_unit_test(long_chain_ends_at_once),
        cmocka_unit_test(readers_walk_while_links_are_made_and_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
