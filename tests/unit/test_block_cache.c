/*
 * test_block_cache.c - what is kept, what is evicted, and that what is pinned stays.
 */
#include "support/test.h"

#include <string.h>

#include "os/sync.h"
#include "sstable/block_cache.h"

#define SHARDS 8 /* of the cache; a block larger than an eighth of it is not kept */

static struct lsmkv_error err;

static struct block_cache *cache_of(uint64_t capacity)
{
    struct block_cache *cache;

    assert_ok(block_cache_new(&cache, capacity, &err), &err);
    return cache;
}

/* Inserts a block that tells whose it is; pinned. */
static struct cached_block *insert(struct block_cache *cache, uint64_t table, uint64_t ordinal, size_t size)
{
    struct cached_block *block = cached_block_new(size);

    assert_non_null(block);
    memset(block->data, (int)(table * 31 + ordinal), size);
    return block_cache_insert(cache, table, ordinal, block);
}

static bool holds(struct block_cache *cache, uint64_t table, uint64_t ordinal)
{
    struct cached_block *block = block_cache_find(cache, table, ordinal);

    if (block)
        block_cache_release(cache, block);
    return block != NULL;
}

static void found_block_is_the_one_inserted(void **state)
{
    struct block_cache *cache = cache_of(1 << 20);
    struct cached_block *block = insert(cache, 1, 2, 100);

    (void)state;
    assert_ptr_equal(block_cache_find(cache, 1, 2), block);
    assert_null(block_cache_find(cache, 2, 1));
    assert_null(block_cache_find(cache, 1, 3));
    block_cache_release(cache, block);
    block_cache_release(cache, block);
    assert_true(holds(cache, 1, 2));
    block_cache_free(cache);
}

static void second_insert_yields_the_first_block(void **state)
{
    struct block_cache *cache = cache_of(1 << 20);
    struct cached_block *first = insert(cache, 1, 2, 100);

    (void)state;
    assert_ptr_equal(insert(cache, 1, 2, 100), first);
    block_cache_release(cache, first);
    block_cache_release(cache, first);
    block_cache_free(cache);
}

static void memory_stays_within_the_capacity(void **state)
{
    struct block_cache *cache = cache_of(64 << 10);
    size_t kept = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        block_cache_release(cache, insert(cache, i % 10, i, 500));
        assert_true(block_cache_bytes(cache) <= 64 << 10);
    }
    for (uint64_t i = 0; i < 1000; i++)
        kept += holds(cache, i % 10, i);
    assert_true(kept > 80 && kept < 131);
    block_cache_free(cache);
}

/* One block is used again and again while others pass by. */
static void least_recently_used_block_goes_first(void **state)
{
    struct block_cache *cache = cache_of(64 << 10);

    (void)state;
    block_cache_release(cache, insert(cache, 1, 0, 500));
    for (uint64_t i = 1; i < 1000; i++) {
        assert_true(holds(cache, 1, 0));
        block_cache_release(cache, insert(cache, 1, i, 500));
    }
    assert_true(holds(cache, 1, 999));
    assert_false(holds(cache, 1, 1));
    block_cache_free(cache);
}

static void pinned_block_survives_eviction(void **state)
{
    struct block_cache *cache = cache_of(64 << 10);
    struct cached_block *pinned = insert(cache, 7, 0, 500);

    (void)state;
    for (uint64_t i = 1; i < 1000; i++)
        block_cache_release(cache, insert(cache, 7, i, 500));
    assert_ptr_equal(block_cache_find(cache, 7, 0), pinned);
    for (size_t i = 0; i < 500; i++)
        assert_int_equal(pinned->data[i], 7 * 31);
    block_cache_release(cache, pinned);
    block_cache_release(cache, pinned);
    block_cache_free(cache);
}

static void block_larger_than_a_shard_is_handed_out_but_not_kept(void **state)
{
    struct block_cache *cache = cache_of(64 << 10);
    struct cached_block *block = insert(cache, 1, 1, (64 << 10) / SHARDS);

    (void)state;
    assert_int_equal(block->data[0], 32);
    assert_false(holds(cache, 1, 1));
    assert_int_equal(block_cache_bytes(cache), 0);
    block_cache_release(cache, block);
    block_cache_free(cache);
}

static void cache_of_no_size_keeps_nothing(void **state)
{
    struct block_cache *cache = cache_of(0);

    (void)state;
    block_cache_release(cache, insert(cache, 1, 1, 10));
    assert_false(holds(cache, 1, 1));
    block_cache_free(cache);
}

static void reserved_memory_is_taken_from_the_blocks(void **state)
{
    struct block_cache *cache = cache_of(64 << 10);

    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        block_cache_release(cache, insert(cache, 1, i, 500));
    block_cache_reserve(cache, 48 << 10);
    assert_int_equal(block_cache_reserved(cache), 48 << 10);
    assert_true(block_cache_bytes(cache) <= 64 << 10);
    block_cache_reserve(cache, 48 << 10);
    assert_int_equal(block_cache_bytes(cache), 96 << 10); /* no block left */
    block_cache_unreserve(cache, 96 << 10);
    assert_int_equal(block_cache_bytes(cache), 0);
    block_cache_release(cache, insert(cache, 1, 1, 500));
    assert_true(holds(cache, 1, 1));
    block_cache_free(cache);
}

struct worker {
    struct thread thread;
    struct block_cache *cache;
    uint64_t random;
    bool wrong;
};

static void run_worker(void *argument)
{
    struct worker *worker = argument;

    for (size_t i = 0; i < test_scaled(20000); i++) {
        uint64_t ordinal = test_random(&worker->random) % 300;
        struct cached_block *block = block_cache_find(worker->cache, 1, ordinal);

        if (!block)
            block = insert(worker->cache, 1, ordinal, 300);
        worker->wrong |= block->data[0] != (uint8_t)(31 + ordinal) || block->data[299] != (uint8_t)(31 + ordinal);
        block_cache_release(worker->cache, block);
    }
}

static void threads_share_the_cache(void **state)
{
    struct block_cache *cache = cache_of(32 << 10);
    struct worker workers[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){.cache = cache, .random = test_seed() + i};
        assert_ok(thread_start(&workers[i].thread, "cache", run_worker, &workers[i], &err), &err);
    }
    for (size_t i = 0; i < 4; i++) {
        thread_join(&workers[i].thread);
        assert_false(workers[i].wrong);
    }
    assert_true(block_cache_bytes(cache) <= 32 << 10);
    block_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_block_is_the_one_inserted),
        cmocka_unit_test(second_insert_yields_the_first_block),
        cmocka_unit_test(memory_stays_within_the_capacity),
        cmocka_unit_test(least_recently_used_block_goes_first),
        cmocka_unit_test(pinned_block_survives_eviction),
        cmocka_unit_test(block_larger_than_a_shard_is_handed_out_but_not_kept),
        cmocka_unit_test(cache_of_no_size_keeps_nothing),
        cmocka_unit_test(reserved_memory_is_taken_from_the_blocks),
        cmocka_unit_test(threads_share_the_cache),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
