/*
 * test_handout.c - rowids chosen by transactions that are open at the same time.
 */
#include "ext/handout.h"

#include "support/test.h"

static int64_t choose(struct handouts *handouts, const void *owner, uint32_t keyspace, int64_t rowid)
{
    assert_int_equal(handouts_choose(handouts, owner, keyspace, handouts_ended(handouts), &rowid), HANDOUT_CHOSEN);
    return rowid;
}

static void no_two_owners_choose_the_same(void **state)
{
    struct handouts handouts;
    int a, b;

    (void)state;
    handouts_init(&handouts);
    assert_int_equal(choose(&handouts, &a, 1, 5), 5);
    assert_int_equal(choose(&handouts, &b, 1, 5), 6);
    assert_int_equal(choose(&handouts, &a, 1, 6), 7);
    assert_int_equal(choose(&handouts, &b, 2, 5), 5); /* another table */
    assert_int_equal(choose(&handouts, &b, 1, -3), 8);
    handouts_release(&handouts);
}

static void what_an_owner_has_chosen_does_not_count_for_itself(void **state)
{
    struct handouts handouts;
    int a, b;

    (void)state;
    handouts_init(&handouts);
    assert_int_equal(choose(&handouts, &a, 1, 5), 5);
    assert_int_equal(choose(&handouts, &a, 1, 5), 5); /* after it has deleted the row */
    assert_int_equal(choose(&handouts, &a, 1, 2), 2);
    assert_int_equal(choose(&handouts, &b, 1, 2), 6);
    handouts_release(&handouts);
}

static void the_end_of_an_owner_frees_its_choice_and_makes_others_look_again(void **state)
{
    struct handouts handouts;
    uint64_t seen;
    int64_t rowid = 5;
    int a, b;

    (void)state;
    handouts_init(&handouts);
    seen = handouts_ended(&handouts);
    assert_int_equal(choose(&handouts, &a, 1, 5), 5);
    handouts_end(&handouts, &a);
    assert_int_equal(handouts_choose(&handouts, &b, 1, seen, &rowid), HANDOUT_STALE);
    assert_int_equal(rowid, 5);
    assert_int_equal(choose(&handouts, &b, 1, 5), 5);
    handouts_release(&handouts);
}

static void above_the_largest_number_there_is_none(void **state)
{
    struct handouts handouts;
    int64_t rowid = INT64_MAX;
    int a, b;

    (void)state;
    handouts_init(&handouts);
    assert_int_equal(choose(&handouts, &a, 1, INT64_MAX), INT64_MAX);
    assert_int_equal(handouts_choose(&handouts, &b, 1, handouts_ended(&handouts), &rowid), HANDOUT_EXHAUSTED);
    handouts_end(&handouts, &a);
    assert_int_equal(choose(&handouts, &b, 1, 7), 7);
    handouts_release(&handouts);
}

static void many_owners_get_numbers_of_their_own(void **state)
{
    enum { OWNERS = 40 };
    struct handouts handouts;
    char owners[OWNERS];

    (void)state;
    handouts_init(&handouts);
    for (int i = 0; i < OWNERS; i++)
        assert_int_equal(choose(&handouts, &owners[i], 1, 1), i + 1);
    for (int i = 0; i < OWNERS; i += 2)
        handouts_end(&handouts, &owners[i]);
    assert_int_equal(choose(&handouts, &owners[0], 1, 1), OWNERS + 1);
    handouts_release(&handouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_owners_choose_the_same),
        cmocka_unit_test(what_an_owner_has_chosen_does_not_count_for_itself),
        cmocka_unit_test(the_end_of_an_owner_frees_its_choice_and_makes_others_look_again),
        cmocka_unit_test(above_the_largest_number_there_is_none),
        cmocka_unit_test(many_owners_get_numbers_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
