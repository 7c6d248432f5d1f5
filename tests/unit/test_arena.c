/*
 * test_arena.c - memory that is freed all at once.
 */
#include "support/test.h"

#include <string.h>

#include "lsm/base/alloc.h"
#include "lsm/base/arena.h"

static void blocks_are_aligned_and_do_not_overlap(void **state)
{
    enum { COUNT = 3000 };
    static uint8_t *blocks[COUNT];
    static size_t sizes[COUNT];
    uint64_t random = test_seed();
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * 1024);
    for (size_t i = 0; i < COUNT; i++) {
        size_t alignment = (size_t)1 << (test_random(&random) % 8);

        sizes[i] = test_random(&random) % (i % 100 ? 200 : 100000);
        blocks[i] = arena_alloc(&arena, sizes[i], alignment);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % (alignment < 8 ? 8 : alignment), 0);
        memset(blocks[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(blocks[i][j], i % 251);
    }
    arena_release(&arena);
    assert_int_equal(arena.total, 0);
}

static void chunks_grow_up_to_the_maximum(void **state)
{
    struct arena arena;
    size_t before = 0, largest = 0;

    (void)state;
    arena_init(&arena, 32 * 1024);
    for (size_t i = 0; i < 10000; i++) {
        assert_non_null(arena_alloc(&arena, 64, 8));
        if (arena.total - before > largest)
            largest = arena.total - before;
        before = arena.total;
    }
    assert_int_equal(largest, 32 * 1024);
    /* What it takes is what was asked for and little more. */
    assert_true(arena.total >= 640000 && arena.total < 640000 + 2 * 32 * 1024);
    arena_release(&arena);
}

static void large_block_leaves_the_current_chunk_in_use(void **state)
{
    struct arena arena;
    uint8_t *a, *b;

    (void)state;
    arena_init(&arena, 1 << 20);
    a = arena_alloc(&arena, 16, 8);
    assert_non_null(arena_alloc(&arena, 1 << 20, 8));
    b = arena_alloc(&arena, 16, 8);
    assert_ptr_equal(b, a + 16);
    arena_release(&arena);
}

static void failed_allocation_leaves_the_arena_usable(void **state)
{
    struct arena arena;
    size_t total;

    (void)state;
    arena_init(&arena, 4096);
    assert_non_null(arena_alloc(&arena, 100, 8));
    total = arena.total;
    lsm_alloc_fail_at(1, true);
    assert_null(arena_alloc(&arena, 100000, 8));
    while (arena_alloc(&arena, 100, 8))
        ;
    assert_int_equal(arena.total, total);
    lsm_alloc_fail_at(0, false);
    assert_null(arena_alloc(&arena, SIZE_MAX - 8, 8));
    assert_non_null(arena_alloc(&arena, 100, 8));
    arena_release(&arena);
}

/* Each one gave up what was left of the chunk, which may be a thousand times as much. */
static void small_spares_leave_a_large_chunk_in_use(void **state)
{
    struct arena_spare spare;
    struct arena arena;
    size_t total;

    (void)state;
    arena_init(&arena, 256 << 10);
    assert_true(arena_reserve(&arena, 200 << 10));
    total = arena.total;
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(arena_spare_new(&spare, 64));
        arena_take(&arena, &spare);
        assert_null(spare.chunk);
        lsm_alloc_fail_at(1, true);
        assert_non_null(arena_alloc(&arena, 64, 8));
        assert_true(arena_reserve(&arena, 64));
        lsm_alloc_fail_at(0, false);
    }
    assert_int_equal(arena.total, total);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_spares_leave_a_large_chunk_in_use),
        cmocka_unit_test(blocks_are_aligned_and_do_not_overlap),
        cmocka_unit_test(chunks_grow_up_to_the_maximum),
        cmocka_unit_test(large_block_leaves_the_current_chunk_in_use),
        cmocka_unit_test(failed_allocation_leaves_the_arena_usable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
