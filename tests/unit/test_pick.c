/*
 * test_pick.c - which compaction is chosen, by cases and by random versions.
 */
#include "compaction_kit.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define KB                  1024u
#define MB                  (1024u * 1024u)
#define COUNT(array)        (sizeof(array) / sizeof((array)[0]))
#define VERSION(kit, facts) kit_version(kit, facts, COUNT(facts))

static struct compaction *pick(struct kit *kit, struct version *version)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct compaction *compaction;

    assert_ok(pick_compaction(&compaction, &kit->options, version, &err), &err);
    return compaction;
}

static struct compaction *pick_in(struct kit *kit, struct version *version, unsigned level, const char *lower,
                                  const char *upper, bool *blocked)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct compaction *compaction;

    assert_ok(pick_range(&compaction, &kit->options, version, level, slice_of(lower, lower ? strlen(lower) : 0),
                         slice_of(upper, upper ? strlen(upper) : 0), blocked, &err),
              &err);
    return compaction;
}

static int set_up(void **state)
{
    static struct kit kit;

    kit_open(&kit);
    *state = &kit;
    return 0;
}

static int tear_down(void **state)
{
    kit_close(*state);
    return 0;
}

/* ---- Limits, scores, debt ---- */

static void level_limits_grow_by_ratio(void **state)
{
    struct kit *kit = *state;

    kit->options.base_level_size = 3 * MB;
    kit->options.level_ratio = 10;
    assert_int_equal(level_byte_limit(&kit->options, 1), 3 * MB);
    assert_int_equal(level_byte_limit(&kit->options, 3), 300 * (uint64_t)MB);
    kit->options.base_level_size = UINT64_C(1) << 40;
    kit->options.level_ratio = 100000;
    assert_true(level_byte_limit(&kit->options, 6) == UINT64_MAX);
}

static void output_tables_are_between_1_and_64_mb(void **state)
{
    struct kit *kit = *state;

    kit->options.base_level_size = 64 * KB;
    assert_int_equal(table_size_target(&kit->options), MB);
    kit->options.base_level_size = 64 * MB;
    assert_int_equal(table_size_target(&kit->options), 16 * MB);
    kit->options.base_level_size = UINT64_C(1) << 40;
    assert_int_equal(table_size_target(&kit->options), 64 * MB);
}

static void soft_limit_tables_starts_at_3_of_4(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts two[] = {{0, "a", "z", KB, 0, 0}, {0, "a", "z", KB, 0, 0}};
    const struct kit_facts three[] = {{0, "a", "z", KB, 0, 0}, {0, "a", "z", KB, 0, 0}, {0, "a", "z", KB, 0, 0}};
    struct version *version = VERSION(kit, two);

    assert_false(level_due(&kit->options, version, 0));
    assert_false(compaction_due(&kit->options, version));
    assert_null(pick(kit, version));
    version_unref(version);
    version = VERSION(kit, three);
    assert_true(level_due(&kit->options, version, 0));
    assert_true(compaction_due(&kit->options, version));
    kit->options.soft_limit = 1.0;
    assert_false(level_due(&kit->options, version, 0));
    version_unref(version);
}

static void an_empty_level_is_never_due(void **state)
{
    struct kit *kit = *state;
    struct version *version = kit_version(kit, NULL, 0);

    kit->options.l0_tables = 1;
    kit->options.soft_limit = 0.5;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        assert_false(level_due(&kit->options, version, level));
    assert_null(pick(kit, version));
    version_unref(version);
}

static void soft_limit_bytes_starts_at_85_percent(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts below[] = {{1, "a", "b", 84 * KB, 0, 0}};
    const struct kit_facts at[] = {{1, "a", "b", 40 * KB, 0, 0}, {1, "c", "d", 45 * KB, 0, 0}};
    struct version *version = VERSION(kit, below);

    kit->options.base_level_size = 100 * KB;
    assert_false(level_due(&kit->options, version, 1));
    version_unref(version);
    version = VERSION(kit, at);
    assert_true(level_due(&kit->options, version, 1));
    version_unref(version);
}

static void deepest_level_is_never_a_source(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{6, "a", "b", UINT64_C(1) << 50, 100, 90}};
    struct version *version = VERSION(kit, facts);
    bool blocked = true;

    assert_false(level_due(&kit->options, version, 6));
    assert_null(pick(kit, version));
    assert_null(pick_in(kit, version, 6, NULL, NULL, &blocked));
    assert_false(blocked);
    version_unref(version);
}

static void debt_counts_what_is_over_and_what_it_drags_along(void **state)
{
    struct kit *kit = *state;
    /* 300 KB over 100: 200 move, and two thirds of the 600 below with them. L2 then has 800 of 1000. */
    const struct kit_facts facts[] = {{1, "a", "b", 300 * KB, 0, 0}, {2, "a", "b", 600 * KB, 0, 0}};
    struct version *version = VERSION(kit, facts);

    kit->options.base_level_size = 100 * KB;
    kit->options.level_ratio = 10;
    assert_true(compaction_debt(&kit->options, version) > 599 * KB);
    assert_true(compaction_debt(&kit->options, version) < 601 * KB);
    kit->options.base_level_size = 300 * KB;
    assert_int_equal(compaction_debt(&kit->options, version), 0);
    version_unref(version);
}

static void debt_counts_l0_once_it_is_full(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{0, "a", "z", KB, 0, 0}, {0, "a", "z", KB, 0, 0}};
    struct version *version = VERSION(kit, facts);

    kit->options.l0_tables = 3;
    assert_int_equal(compaction_debt(&kit->options, version), 0);
    kit->options.l0_tables = 2;
    assert_int_equal(compaction_debt(&kit->options, version), 2 * KB);
    version_unref(version);
}

/* ---- L0 ---- */

static void l0_goes_whole_with_everything_it_meets_in_l1(void **state)
{
    struct kit *kit = *state;
    /* The hull of L0 is b to x: "g" lies in a gap between its tables, and an output could span it. */
    const struct kit_facts facts[] = {
        {0, "b", "f", KB, 0, 0}, {0, "e", "f", KB, 0, 0}, {0, "t", "x", KB, 0, 0},  {1, "a", "b", KB, 0, 0},
        {1, "g", "h", KB, 0, 0}, {1, "x", "y", KB, 0, 0}, {1, "y1", "z", KB, 0, 0}, {2, "a", "m", KB, 0, 0},
    };
    struct version *version;
    struct compaction *compaction;

    kit->options.base_level_size = 100 * MB;
    version = VERSION(kit, facts);
    compaction = pick(kit, version);
    /* "t".."x" meets no other table of L0, but one of L1, so nothing can move alone. */
    assert_non_null(compaction);
    assert_int_equal(compaction->level, 0);
    assert_int_equal(compaction->output_level, 1);
    assert_int_equal(compaction->input_count[0], 3);
    assert_ptr_equal(compaction->inputs[0][0], kit_table_at(version, 0, 0));
    assert_int_equal(compaction->input_count[1], 3);
    assert_false(kit_is_input(compaction, kit_table_at(version, 1, 3)));
    assert_int_equal(compaction->grandparent_count, 1);
    assert_false(compaction->trivial_move);
    compaction_free(compaction);
    version_unref(version);
}

static void only_one_compaction_of_l0_at_a_time(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{0, "a", "c", KB, 0, 0}, {0, "b", "d", KB, 0, 0}, {0, "c", "e", KB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction;

    assert_true(table_claim(kit_table_at(version, 0, 1)));
    assert_null(pick(kit, version));
    table_unclaim(kit_table_at(version, 0, 1));
    compaction = pick(kit, version);
    assert_non_null(compaction);
    assert_null(pick(kit, version));
    compaction_free(compaction);
    version_unref(version);
}

/* The running one may write outputs across the whole hull of its inputs, so also where this table would go. */
static void no_l0_table_moves_under_a_running_compaction_of_l0(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {
        {0, "a", "c", KB, 0, 0}, {0, "b", "d", KB, 0, 0}, {0, "t", "y", KB, 0, 0},
        {0, "u", "z", KB, 0, 0}, {0, "m", "n", KB, 0, 0},
    };
    struct version *version = VERSION(kit, facts);

    for (size_t i = 1; i < 5; i++)
        assert_true(table_claim(kit_table_at(version, 0, i))); /* all but the newest, "m" */
    assert_null(pick(kit, version));
    for (size_t i = 1; i < 5; i++)
        table_unclaim(kit_table_at(version, 0, i));
    version_unref(version);
}

static void a_waiting_l0_gets_no_new_rival_in_l1(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {
        {0, "a", "d", KB, 0, 0}, {0, "a", "d", KB, 0, 0},     {0, "a", "d", KB, 0, 0},
        {1, "a", "b", MB, 0, 0}, {1, "m", "n", 8 * MB, 0, 0},
    };
    struct version *version = VERSION(kit, facts);

    kit->options.base_level_size = MB;
    kit->options.l0_tables = 3;
    kit->options.soft_limit = 0.5;
    assert_true(table_claim(kit_table_at(version, 1, 0)));
    kit->options.base_level_size = 8 * MB; /* L0: score 1; free part of L1: score 1 as well, due */
    assert_true(level_due(&kit->options, version, 1));
    assert_null(pick(kit, version));
    table_unclaim(kit_table_at(version, 1, 0));
    version_unref(version);
}

static void an_l0_table_that_meets_nothing_moves_alone_oldest_first(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{0, "a", "b", KB, 0, 0}, {0, "c", "d", KB, 0, 0}, {0, "e", "f", KB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction = pick(kit, version);

    assert_non_null(compaction);
    assert_true(compaction->trivial_move);
    assert_int_equal(compaction->input_count[0], 1);
    assert_ptr_equal(compaction->inputs[0][0], kit_table_at(version, 0, 2)); /* newest first: the last is the oldest */
    compaction_free(compaction);
    version_unref(version);
}

static void an_l0_table_under_a_newer_one_does_not_move_alone(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{0, "a", "c", KB, 0, 0}, {0, "b", "d", KB, 0, 0}, {0, "d", "f", KB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction = pick(kit, version);

    assert_non_null(compaction);
    assert_false(compaction->trivial_move);
    assert_int_equal(compaction->input_count[0], 3);
    compaction_free(compaction);
    version_unref(version);
}

/* ---- Deeper levels ---- */

static void least_overlap_for_its_size_is_chosen(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {
        {1, "a", "c", 10 * KB, 0, 0},  {1, "d", "f", 50 * KB, 0, 0}, {1, "g", "i", 30 * KB, 0, 0},
        {2, "a", "c", 20 * KB, 0, 0},  {2, "d", "d", 40 * KB, 0, 0}, {2, "e", "f", 20 * KB, 0, 0},
        {2, "g", "h1", 40 * KB, 0, 0},
    };
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction;

    kit->options.base_level_size = 100 * KB;
    compaction = pick(kit, version); /* ratios 2, 1.2, 1.33 */
    assert_non_null(compaction);
    assert_int_equal(compaction->level, 1);
    assert_ptr_equal(compaction->inputs[0][0], kit_table_at(version, 1, 1));
    assert_int_equal(compaction->input_count[1], 2);
    assert_false(compaction->trivial_move);
    compaction_free(compaction);
    version_unref(version);
}

static void claimed_tables_and_claimed_overlap_are_passed_over(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {
        {1, "a", "c", 50 * KB, 0, 0}, {1, "d", "f", 300 * KB, 0, 0}, {1, "g", "i", 300 * KB, 0, 0},
        {2, "d", "e", KB, 0, 0},      {2, "g", "h", 90 * KB, 0, 0},
    };
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction;

    kit->options.base_level_size = 100 * KB;
    assert_true(table_claim(kit_table_at(version, 1, 0)));
    assert_true(table_claim(kit_table_at(version, 2, 0)));
    compaction = pick(kit, version);
    assert_non_null(compaction);
    assert_ptr_equal(compaction->inputs[0][0], kit_table_at(version, 1, 2));
    compaction_free(compaction);
    table_unclaim(kit_table_at(version, 1, 0));
    table_unclaim(kit_table_at(version, 2, 0));
    version_unref(version);
}

static void a_second_worker_takes_no_more_than_is_due(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{1, "a", "c", 50 * KB, 0, 0}, {1, "d", "f", 50 * KB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction;

    kit->options.base_level_size = 100 * KB;
    compaction = pick(kit, version);
    assert_non_null(compaction);
    assert_null(pick(kit, version));
    compaction_free(compaction);
    version_unref(version);
}

static void the_fullest_level_goes_first(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {
        {0, "a", "z", KB, 0, 0},       {0, "a", "z", KB, 0, 0},        {0, "a", "z", KB, 0, 0},
        {1, "a", "c", 100 * KB, 0, 0}, {2, "d", "f", 3000 * KB, 0, 0},
    };
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction;

    kit->options.base_level_size = 100 * KB;
    compaction = pick(kit, version);
    assert_non_null(compaction);
    assert_int_equal(compaction->level, 2);
    compaction_free(compaction);
    version_unref(version);
}

static void l0_goes_first_when_commits_are_about_to_stop(void **state)
{
    struct kit *kit = *state;
    struct kit_facts facts[15];
    struct version *version;
    struct compaction *compaction;

    for (size_t i = 0; i < 14; i++)
        facts[i] = (struct kit_facts){0, "a", "z", KB, 0, 0};
    facts[14] = (struct kit_facts){2, "a", "z", UINT64_C(1) << 40, 0, 0}; /* far fuller than L0 */
    version = kit_version(kit, facts, 15);
    compaction = pick(kit, version);
    assert_non_null(compaction);
    assert_int_equal(compaction->level, 0);
    compaction_free(compaction);
    version_unref(version);
}

/* ---- Trivial moves ---- */

static bool moves(struct kit *kit, const struct kit_facts *facts, size_t count)
{
    struct version *version = kit_version(kit, facts, count);
    struct compaction *compaction;
    bool move;

    kit->options.base_level_size = 100 * KB;
    kit->options.level_ratio = 100; /* only L1 is due */
    compaction = pick(kit, version);
    assert_non_null(compaction);
    assert_int_equal(compaction->level, 1);
    move = compaction->trivial_move;
    compaction_free(compaction);
    version_unref(version);
    return move;
}

static void a_table_without_overlap_moves(void **state)
{
    const struct kit_facts facts[] = {{1, "c", "d", 90 * KB, 0, 0}, {2, "a", "b", KB, 0, 0}, {2, "e", "f", KB, 0, 0}};

    assert_true(moves(*state, facts, COUNT(facts)));
}

static void tombstones_that_hide_nothing_are_rewritten_not_moved(void **state)
{
    const struct kit_facts facts[] = {{1, "c", "d", 90 * KB, 100, 1}, {3, "e", "f", KB, 0, 0}};

    assert_false(moves(*state, facts, COUNT(facts)));
}

static void tombstones_over_a_deeper_table_move(void **state)
{
    const struct kit_facts facts[] = {{1, "c", "d", 90 * KB, 100, 1}, {4, "a", "c", KB, 0, 0}};

    assert_true(moves(*state, facts, COUNT(facts)));
}

static void a_table_over_too_many_grandparents_is_rewritten(void **state)
{
    struct kit_facts facts[] = {{1, "c", "d", 90 * KB, 0, 0}, {3, "a", "c", 11 * MB, 0, 0}};

    assert_false(moves(*state, facts, COUNT(facts)));
    facts[1].size = 10 * MB;
    assert_true(moves(*state, facts, COUNT(facts)));
}

/* ---- Tombstones ---- */

static void mostly_deleted_tables_are_taken_when_nothing_is_due(void **state)
{
    struct kit *kit = *state;
    struct kit_facts facts[] = {{1, "a", "b", KB, 100, 0}, {1, "c", "d", KB, 100, 51}, {2, "a", "z", KB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction;

    assert_true(compaction_due(&kit->options, version));
    compaction = pick(kit, version);
    assert_non_null(compaction);
    assert_ptr_equal(compaction->inputs[0][0], kit_table_at(version, 1, 1));
    assert_string_equal(compaction->reason, "tombstones");
    compaction_free(compaction);
    version_unref(version);

    facts[1].tombstones = 50;
    version = VERSION(kit, facts);
    assert_false(compaction_due(&kit->options, version));
    assert_null(pick(kit, version));
    version_unref(version);
}

static void a_lone_l0_table_of_tombstones_is_taken(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{0, "a", "b", KB, 1, 1}};
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction = pick(kit, version);

    assert_non_null(compaction);
    assert_false(compaction->trivial_move);
    compaction_free(compaction);
    version_unref(version);
}

static void a_due_level_goes_before_tombstones(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{1, "a", "b", KB, 100, 90}, {2, "m", "n", 20 * MB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction = pick(kit, version);

    assert_non_null(compaction);
    assert_int_equal(compaction->level, 2);
    compaction_free(compaction);
    version_unref(version);
}

/* ---- By request ---- */

static void a_range_takes_every_table_it_meets_and_what_lies_between(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {
        {1, "a", "b", KB, 0, 0}, {1, "c", "d", KB, 0, 0}, {1, "g", "h", KB, 0, 0},
        {1, "k", "l", KB, 0, 0}, {2, "e", "f", KB, 0, 0}, {2, "h", "k", KB, 0, 0},
    };
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction;
    bool blocked = true;

    compaction = pick_in(kit, version, 1, "d", "k", &blocked);
    assert_non_null(compaction);
    assert_false(blocked);
    assert_int_equal(compaction->input_count[0], 2);
    assert_ptr_equal(compaction->inputs[0][0], kit_table_at(version, 1, 1));
    assert_int_equal(compaction->input_count[1], 2); /* "e".."f" lies between the two */
    compaction_free(compaction);
    assert_null(pick_in(kit, version, 1, "d1", "g", &blocked));
    assert_false(blocked);
    assert_null(pick_in(kit, version, 3, NULL, NULL, &blocked));
    version_unref(version);
}

static void a_range_that_meets_a_claim_is_blocked_and_claims_nothing(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{1, "a", "b", KB, 0, 0}, {1, "c", "d", KB, 0, 0}, {2, "d", "f", KB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    bool blocked = false;

    assert_true(table_claim(kit_table_at(version, 2, 0)));
    assert_null(pick_in(kit, version, 1, NULL, NULL, &blocked));
    assert_true(blocked);
    assert_false(table_claimed(kit_table_at(version, 1, 0)));
    assert_false(table_claimed(kit_table_at(version, 1, 1)));
    table_unclaim(kit_table_at(version, 2, 0));
    version_unref(version);
}

static void a_range_of_l0_takes_all_of_it(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{0, "a", "c", KB, 0, 0}, {0, "x", "z", KB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    struct compaction *compaction;
    bool blocked;

    compaction = pick_in(kit, version, 0, "b", "c", &blocked);
    assert_non_null(compaction);
    assert_int_equal(compaction->input_count[0], 2);
    compaction_free(compaction);
    assert_null(pick_in(kit, version, 0, "d", "f", &blocked));
    version_unref(version);
}

static void tables_of_one_dropped_id_are_discarded(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {
        {1, "AAAA1", "AAAA9", KB, 0, 0}, {1, "BBBB1", "BBBB9", KB, 0, 0}, {1, "BBBBz", "CCCC1", KB, 0, 0},
        {3, "BBBB1", "BBBB2", KB, 0, 0}, {3, "BBBB3", "BBBB4", KB, 0, 0},
    };
    struct version *version = VERSION(kit, facts);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct compaction *first, *second, *third;
    uint32_t id = 0x42424242;

    assert_true(table_claim(kit_table_at(version, 3, 1)));
    assert_ok(pick_dropped(&first, version, &id, 1, &err), &err);
    assert_non_null(first);
    assert_true(first->discard);
    assert_int_equal(first->input_count[0], 1);
    assert_ptr_equal(first->inputs[0][0], kit_table_at(version, 1, 1));
    assert_ok(pick_dropped(&second, version, &id, 1, &err), &err);
    assert_non_null(second);
    assert_int_equal(second->input_count[0], 1); /* the other one of L3 is claimed */
    assert_ptr_equal(second->inputs[0][0], kit_table_at(version, 3, 0));
    assert_ok(pick_dropped(&third, version, &id, 1, &err), &err);
    assert_null(third);
    table_unclaim(kit_table_at(version, 3, 1));
    compaction_free(first);
    compaction_free(second);
    assert_false(table_claimed(kit_table_at(version, 1, 1)));
    version_unref(version);
}

static void a_failed_allocation_leaves_no_claim(void **state)
{
    struct kit *kit = *state;
    const struct kit_facts facts[] = {{1, "a", "b", 2 * MB, 0, 0}, {2, "a", "b", KB, 0, 0}, {3, "a", "b", KB, 0, 0}};
    struct version *version = VERSION(kit, facts);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct compaction *compaction = NULL;

    for (uint64_t nth = 1; !compaction; nth++) {
        enum lsmkv_status status;

        lsm_alloc_fail_at(nth, false);
        status = pick_compaction(&compaction, &kit->options, version, &err);
        lsm_alloc_fail_at(0, false);
        assert_int_equal(status, compaction ? LSMKV_OK : LSMKV_NOMEM);
        assert_int_equal(table_claimed(kit_table_at(version, 1, 0)), compaction != NULL);
        assert_int_equal(table_claimed(kit_table_at(version, 2, 0)), compaction != NULL);
    }
    compaction_free(compaction);
    version_unref(version);
}

/* ---- Random versions ---- */

#define FACTS_MAX 200

struct random_version {
    struct kit_facts facts[FACTS_MAX];
    char keys[FACTS_MAX][2][16];
    size_t count;
};

static void add_fact(struct random_version *made, uint64_t *random, unsigned level, uint64_t min, uint64_t max)
{
    struct kit_facts *fact = &made->facts[made->count];

    snprintf(made->keys[made->count][0], 16, "%06llu", (unsigned long long)min);
    snprintf(made->keys[made->count][1], 16, "%06llu", (unsigned long long)max);
    *fact = (struct kit_facts){
        level, made->keys[made->count][0], made->keys[made->count][1], KB + test_random(random) % (400 * KB), 100, 0};
    if (test_random(random) % 8 == 0)
        fact->tombstones = 60;
    made->count++;
}

static struct version *random_version(struct kit *kit, uint64_t *random)
{
    static struct random_version made;

    made.count = 0;
    for (uint64_t n = test_random(random) % 8; n > 0; n--) {
        uint64_t min = test_random(random) % 1000;

        add_fact(&made, random, 0, min, min + test_random(random) % 300);
    }
    for (unsigned level = 1; level < LSMKV_LEVELS; level++) {
        uint64_t at = 0;

        for (uint64_t n = test_random(random) % 20; n > 0; n--) {
            uint64_t min = at + 1 + test_random(random) % 60;

            at = min + test_random(random) % 60;
            add_fact(&made, random, level, min, at);
        }
    }
    return kit_version(kit, made.facts, made.count);
}

static bool meet(const struct table *a, const struct table *b)
{
    return slice_compare(slice_of_buf(&table_info(a)->key_min), slice_of_buf(&table_info(b)->key_max)) <= 0 &&
           slice_compare(slice_of_buf(&table_info(b)->key_min), slice_of_buf(&table_info(a)->key_max)) <= 0;
}

static double overlap_ratio(const struct version *version, unsigned level, const struct table *table)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < version->levels[level + 1].count; i++) {
        if (meet(table, version->levels[level + 1].tables[i]))
            bytes += table_info(version->levels[level + 1].tables[i])->size;
    }
    return (double)bytes / (double)table_info(table)->size;
}

/* Everything of the output level that an output could meet takes part, and nothing of a sorted level twice. */
static void check_inputs(const struct version *version, const struct compaction *compaction)
{
    for (size_t i = 0; i < compaction->input_count[0]; i++) {
        const struct table *input = compaction->inputs[0][i];

        for (size_t j = 0; j < version->levels[compaction->output_level].count; j++) {
            const struct table *below = version->levels[compaction->output_level].tables[j];

            assert_true(!meet(input, below) || kit_is_input(compaction, below));
        }
        for (size_t j = 0; compaction->level == 0 && j < version->levels[0].count; j++)
            assert_true(!meet(input, version->levels[0].tables[j]) ||
                        kit_is_input(compaction, version->levels[0].tables[j]));
    }
}

static void check_least(const struct version *version, const struct compaction *compaction, const bool *was_claimed)
{
    double chosen = overlap_ratio(version, compaction->level, compaction->inputs[0][0]);

    for (size_t i = 0; i < version->levels[compaction->level].count; i++) {
        const struct table *other = version->levels[compaction->level].tables[i];
        bool is_free = !was_claimed[i];

        for (size_t j = 0; j < version->levels[compaction->output_level].count; j++) {
            const struct table *below = version->levels[compaction->output_level].tables[j];

            if (meet(other, below) && table_claimed(below) && !kit_is_input(compaction, below))
                is_free = false;
        }
        if (is_free)
            assert_true(chosen <= overlap_ratio(version, compaction->level, other));
    }
}

/* Picks until nothing is left, checking each time; claims add up and never meet. */
static void pick_all(struct kit *kit, struct version *version)
{
    struct compaction *picked[64];
    bool was_claimed[LSMKV_LEVELS][FACTS_MAX];
    size_t count = 0;

    for (;; count++) {
        for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
            for (size_t i = 0; i < version->levels[level].count; i++)
                was_claimed[level][i] = table_claimed(version->levels[level].tables[i]);
        }
        assert_true(count < 64);
        picked[count] = pick(kit, version);
        if (!picked[count])
            break;
        for (size_t i = 0; i < count; i++) {
            for (size_t side = 0; side < 2; side++) {
                for (size_t j = 0; j < picked[i]->input_count[side]; j++)
                    assert_false(kit_is_input(picked[count], picked[i]->inputs[side][j]));
            }
        }
        check_inputs(version, picked[count]);
        if (picked[count]->level > 0 && strcmp(picked[count]->reason, "level bytes") == 0)
            check_least(version, picked[count], was_claimed[picked[count]->level]);
    }
    /* What is due can be picked as long as nothing is claimed: no stop without a job that ends it. */
    assert_int_equal(count > 0, compaction_due(&kit->options, version));
    if (compaction_debt(&kit->options, version))
        assert_true(count > 0);
    while (count-- > 0)
        compaction_free(picked[count]);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        for (size_t i = 0; i < version->levels[level].count; i++)
            assert_false(table_claimed(version->levels[level].tables[i]));
    }
}

static void random_versions_are_picked_without_conflict(void **state)
{
    struct kit *kit = *state;
    uint64_t random = test_seed();

    for (size_t i = test_scaled(2000); i > 0; i--) {
        struct version *version = random_version(kit, &random);

        kit->options.base_level_size = 64 * KB << test_random(&random) % 6;
        kit->options.level_ratio = 2 + (uint32_t)(test_random(&random) % 4);
        kit->options.l0_tables = 2 + (uint32_t)(test_random(&random) % 5);
        pick_all(kit, version);
        version_unref(version);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(level_limits_grow_by_ratio),
        TEST(output_tables_are_between_1_and_64_mb),
        TEST(soft_limit_tables_starts_at_3_of_4),
        TEST(an_empty_level_is_never_due),
        TEST(soft_limit_bytes_starts_at_85_percent),
        TEST(deepest_level_is_never_a_source),
        TEST(debt_counts_what_is_over_and_what_it_drags_along),
        TEST(debt_counts_l0_once_it_is_full),
        TEST(l0_goes_whole_with_everything_it_meets_in_l1),
        TEST(only_one_compaction_of_l0_at_a_time),
        TEST(no_l0_table_moves_under_a_running_compaction_of_l0),
        TEST(a_waiting_l0_gets_no_new_rival_in_l1),
        TEST(an_l0_table_that_meets_nothing_moves_alone_oldest_first),
        TEST(an_l0_table_under_a_newer_one_does_not_move_alone),
        TEST(least_overlap_for_its_size_is_chosen),
        TEST(claimed_tables_and_claimed_overlap_are_passed_over),
        TEST(a_second_worker_takes_no_more_than_is_due),
        TEST(the_fullest_level_goes_first),
        TEST(l0_goes_first_when_commits_are_about_to_stop),
        TEST(a_table_without_overlap_moves),
        TEST(tombstones_that_hide_nothing_are_rewritten_not_moved),
        TEST(tombstones_over_a_deeper_table_move),
        TEST(a_table_over_too_many_grandparents_is_rewritten),
        TEST(mostly_deleted_tables_are_taken_when_nothing_is_due),
        TEST(a_lone_l0_table_of_tombstones_is_taken),
        TEST(a_due_level_goes_before_tombstones),
        TEST(a_range_takes_every_table_it_meets_and_what_lies_between),
        TEST(a_range_that_meets_a_claim_is_blocked_and_claims_nothing),
        TEST(a_range_of_l0_takes_all_of_it),
        TEST(tables_of_one_dropped_id_are_discarded),
        TEST(a_failed_allocation_leaves_no_claim),
        TEST(random_versions_are_picked_without_conflict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
