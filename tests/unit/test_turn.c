/*
 * test_turn.c - the right to commit: how long it is waited for. Who gets it, and in which order, is in test_session.c.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/turn.h"

struct fixture {
    struct turn turn;
    struct counters counters;
    char holder, waiter; /* their addresses are owners */
    uint64_t wait_ms;
    _Atomic bool ended;
    enum lsmkv_status status;
};

static void *wait_for_turn(void *argument)
{
    struct fixture *f = argument;

    f->status = turn_take(&f->turn, &f->waiter, f->wait_ms, &f->counters, NULL);
    atomic_store(&f->ended, true);
    return NULL;
}

static bool somebody_waits(struct fixture *f)
{
    bool waits;

    mutex_lock(&f->turn.lock);
    waits = f->turn.first != NULL;
    mutex_unlock(&f->turn.lock);
    return waits;
}

static void longest_wait_does_not_end_at_once(void **state)
{
    static const uint64_t waits[] = {INT64_MAX, UINT64_MAX, UINT64_MAX / 1000000};

    (void)state;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        struct fixture f = {.wait_ms = waits[i]};
        pthread_t thread;

        turn_init(&f.turn);
        assert_int_equal(turn_take(&f.turn, &f.holder, 0, &f.counters, NULL), LSMKV_OK);
        assert_int_equal(pthread_create(&thread, NULL, wait_for_turn, &f), 0);
        while (!somebody_waits(&f) && !atomic_load(&f.ended))
            ;
        turn_give(&f.turn, &f.holder);
        pthread_join(thread, NULL);
        assert_int_equal(f.status, LSMKV_OK);
        turn_give(&f.turn, &f.waiter);
        turn_release(&f.turn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_wait_does_not_end_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
