/*
 * test_table.c - reading whole and sound tables: every codec, size and way of reading, against a sorted array.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/fault_fs.h"
#include "table_fixture.h"

static struct lsmkv_error err;
static const struct sstable_params plain = {1024, 10, LSMKV_COMPRESSION_NONE};
static const struct world_options in_memory = {true, LSMKV_IO_PREAD, 10, 1 << 20};
static const struct world_options mapped = {false, LSMKV_IO_MMAP, 10, 1 << 20};

/* ---- Round trips ---- */

static void check_absent_keys(struct table *table, const struct dataset *dataset, uint64_t *random)
{
    for (size_t i = 0; i < test_scaled(200); i++) {
        struct lsmkv_slice key = dataset_probe(dataset, random);
        size_t at = dataset_find(dataset, key);
        bool there = at < dataset->count && slice_equal(dataset->entries[at].key, key), found;
        enum entry_kind kind;

        assert_ok(table_get(table, key, NULL, &kind, &found, &err), &err);
        assert_int_equal(found, there);
    }
}

static void check_table(struct world *world, const struct sstable_params *params, const struct dataset *dataset,
                        uint64_t number, uint64_t *random)
{
    struct sstable_info info = world_build(world, number, params, dataset);
    struct table *table = world_table(world, &info);

    check_gets(table, dataset);
    check_absent_keys(table, dataset, random);
    check_walks(table, dataset, false);
    check_walks(table, dataset, true);
    check_gets(table, dataset);
    table_unref(table);
    sstable_info_release(&info);
}

static void check_tables_of_every_kind(const struct world_options *options)
{
    const size_t counts[] = {1, 2, 17, 100, test_scaled(1000)};
    static const struct sstable_params kinds[] = {
        {64, 10, LSMKV_COMPRESSION_NONE},   {1024, 0, LSMKV_COMPRESSION_NONE}, {65536, 1, LSMKV_COMPRESSION_NONE},
        {512, 10, LSMKV_COMPRESSION_LZ4},   {16384, 5, LSMKV_COMPRESSION_LZ4}, {512, 0, LSMKV_COMPRESSION_ZSTD},
        {4096, 30, LSMKV_COMPRESSION_ZSTD},
    };
    uint64_t random = test_seed(), number = 1;
    struct world world;

    world_open(&world, options);
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct dataset dataset = dataset_random(counts[c], 100, &random);

        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
            check_table(&world, &kinds[k], &dataset, number++, &random);
        dataset_release(&dataset);
    }
    world_close(&world);
}

static void table_round_trips_by_map(void **state)
{
    (void)state;
    check_tables_of_every_kind(&mapped);
}

static void table_round_trips_by_pread(void **state)
{
    (void)state;
    check_tables_of_every_kind(&in_memory);
}

static void table_round_trips_without_a_cache(void **state)
{
    struct world_options options = in_memory;

    (void)state;
    options.cache_size = 0;
    check_tables_of_every_kind(&options);
}

/* Values larger than block, cache and write buffer; keys up to the limit. */
static void table_holds_huge_entries(void **state)
{
    static const enum lsmkv_compression codecs[] = {LSMKV_COMPRESSION_LZ4, LSMKV_COMPRESSION_NONE,
                                                    LSMKV_COMPRESSION_ZSTD};
    size_t value_size = 3 << 20;
    uint8_t *bytes = malloc(value_size);
    uint64_t random = test_seed();
    struct dataset dataset = {NULL, 0, 0};
    struct world world;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < value_size; i++)
        bytes[i] = (uint8_t)(i % 1000 < 500 ? test_random(&random) : 'x');
    dataset_add(&dataset, slice_of("a", 1), slice_of(bytes, value_size), 1, ENTRY_PUT);
    dataset_add(&dataset, slice_of("b", 1), slice_of(bytes, 10), 2, ENTRY_PUT);
    dataset_add(&dataset, slice_of("c", 1), slice_of(NULL, 0), 3, ENTRY_DELETE);
    bytes[0] = 'd';
    dataset_add(&dataset, slice_of(bytes, LSMKV_KEY_MAX - 1), slice_of(bytes, 0), 4, ENTRY_PUT);
    dataset_add(&dataset, slice_of(bytes, LSMKV_KEY_MAX), slice_of(bytes, 400000), 5, ENTRY_PUT);
    bytes[LSMKV_KEY_MAX - 1]++;
    dataset_add(&dataset, slice_of(bytes, LSMKV_KEY_MAX), slice_of(bytes, 1), UINT64_MAX, ENTRY_PUT);
    dataset_sort(&dataset);
    world_open(&world, &mapped);
    for (size_t i = 0; i < test_scaled(3); i++) {
        struct sstable_params params = {4096, 10, codecs[i]};

        check_table(&world, &params, &dataset, i + 1, &random);
    }
    dataset_release(&dataset);
    free(bytes);
    world_close(&world);
}

static void tombstone_is_found_as_one(void **state)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_info info;
    struct table *table;
    struct world world;
    enum entry_kind kind;
    bool found;

    (void)state;
    world_open(&world, &in_memory);
    dataset_add(&dataset, slice_of("gone", 4), slice_of(NULL, 0), 9, ENTRY_DELETE);
    info = world_build(&world, 1, &plain, &dataset);
    table = world_table(&world, &info);
    assert_ok(buf_set(&value, slice_of("old", 3), &err), &err);
    assert_ok(table_get(table, slice_of("gone", 4), &value, &kind, &found, &err), &err);
    assert_true(found);
    assert_int_equal(kind, ENTRY_DELETE);
    assert_int_equal(value.size, 0);
    lsmkv_buf_release(&value);
    table_unref(table);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

/* ---- Iterators ---- */

static void check_position(const struct iter *it, const struct dataset *dataset, size_t at)
{
    assert_int_equal(iter_valid(it), at < dataset->count);
    if (iter_valid(it))
        assert_true(entry_equal(iter_entry(it), &dataset->entries[at]));
}

/* One random move of the iterator, and of *at, its place in the dataset (count = none). */
static void move(struct iter *it, const struct dataset *dataset, size_t *at, uint64_t *random)
{
    struct lsmkv_slice key = dataset_probe(dataset, random);
    size_t found = dataset_find(dataset, key);

    switch (test_random(random) % (*at < dataset->count ? 16 : 4)) {
    case 0:
        assert_ok(iter_first(it, &err), &err);
        *at = 0;
        break;
    case 1:
        assert_ok(iter_last(it, &err), &err);
        *at = dataset->count - 1;
        break;
    case 2:
        assert_ok(iter_seek(it, key, &err), &err);
        *at = found;
        break;
    case 3:
        assert_ok(iter_seek_for_prev(it, key, &err), &err);
        if (found < dataset->count && slice_equal(dataset->entries[found].key, key))
            *at = found;
        else
            *at = found > 0 ? found - 1 : dataset->count;
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
        assert_ok(iter_next(it, &err), &err);
        (*at)++;
        break;
    default:
        assert_ok(iter_prev(it, &err), &err);
        *at = *at > 0 ? *at - 1 : dataset->count;
    }
}

static void check_random_moves(const struct world_options *options, const struct sstable_params *params,
                               bool sequential)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(500, 60, &random);
    struct sstable_info info;
    struct table *table;
    struct world world;
    struct iter *it;
    size_t at = dataset.count;

    world_open(&world, options);
    info = world_build(&world, 1, params, &dataset);
    table = world_table(&world, &info);
    assert_ok(table_iter_new(&it, table, sequential, &err), &err);
    for (size_t i = 0; i < test_scaled(20000); i++) {
        move(it, &dataset, &at, &random);
        check_position(it, &dataset, at);
    }
    iter_free(it);
    table_unref(table);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void iter_moves_as_the_model_does(void **state)
{
    static const struct sstable_params tiny = {128, 10, LSMKV_COMPRESSION_NONE};
    static const struct sstable_params zstd = {1024, 10, LSMKV_COMPRESSION_ZSTD};

    (void)state;
    check_random_moves(&mapped, &tiny, false);
    check_random_moves(&mapped, &zstd, false);
    check_random_moves(&in_memory, &plain, false);
}

static void sequential_iter_moves_as_the_model_does(void **state)
{
    static const struct sstable_params lz4 = {1024, 10, LSMKV_COMPRESSION_LZ4};

    (void)state;
    check_random_moves(&mapped, &plain, true);
    check_random_moves(&mapped, &lz4, true);
}

static void iter_keeps_its_table_alive(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(100, 60, &random);
    struct sstable_info info;
    struct table *table;
    struct world world;
    struct iter *it;

    (void)state;
    world_open(&world, &mapped);
    info = world_build(&world, 1, &plain, &dataset);
    table = world_table(&world, &info);
    assert_ok(table_iter_new(&it, table, false, &err), &err);
    table_unref(table);
    assert_ok(iter_last(it, &err), &err);
    check_position(it, &dataset, dataset.count - 1);
    iter_free(it);
    assert_int_equal(counter_get(&world.counters, table_closes), 1);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

/* Large reads, none twice, nothing left in the block cache. */
static void sequential_iter_reads_in_large_pieces_and_keeps_out_of_the_cache(void **state)
{
    uint64_t random = test_seed(), reads, cached;
    struct dataset dataset = dataset_random(20000, 60, &random);
    struct fault_fs *counting;
    struct table_cache *cache;
    struct sstable_info info;
    struct table *table;
    struct world world;
    struct iter *it;

    (void)state;
    world_open(&world, &mapped);
    info = world_build(&world, 1, &plain, &dataset);
    counting = fault_fs_new(world.fs);
    assert_non_null(counting);
    assert_ok(
        table_cache_new(&cache, fault_fs_os(counting), world.dir, 10, 64 << 20, LSMKV_IO_PREAD, &world.counters, &err),
        &err);
    assert_ok(table_new(&table, cache, &info, &err), &err);
    assert_ok(table_iter_new(&it, table, true, &err), &err);
    cached = table_cache_bytes(cache);
    fault_fs_reset(counting);
    for (assert_ok(iter_first(it, &err), &err); iter_valid(it); assert_ok(iter_next(it, &err), &err))
        ;
    reads = fault_fs_count(counting, FAULT_BIT(FAULT_READ), NULL);
    assert_true(reads >= 2 && reads <= info.size / (240 << 10) + 1);
    assert_int_equal(table_cache_bytes(cache), cached);
    iter_free(it);
    table_unref(table);
    table_cache_free(cache);
    fault_fs_free(counting);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

/* ---- What is read, and how often ---- */

static void mapped_block_is_read_once(void **state)
{
    uint64_t random = test_seed(), reads;
    struct dataset dataset = dataset_random(500, 60, &random);
    struct sstable_info info;
    struct table *table;
    struct world world;

    (void)state;
    world_open(&world, &mapped);
    info = world_build(&world, 1, &plain, &dataset);
    table = world_table(&world, &info);
    check_gets(table, &dataset);
    reads = counter_get(&world.counters, block_reads);
    assert_true(reads > 10 && reads < dataset.count / 2);
    check_gets(table, &dataset);
    check_walks(table, &dataset, false);
    assert_int_equal(counter_get(&world.counters, block_reads), reads);
    assert_int_equal(counter_get(&world.counters, block_cache_hits), 0);
    table_unref(table);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void compressed_block_comes_from_the_cache_the_second_time(void **state)
{
    static const struct sstable_params lz4 = {1024, 10, LSMKV_COMPRESSION_LZ4};
    uint64_t random = test_seed(), reads, hits;
    struct dataset dataset = dataset_random(500, 60, &random);
    struct sstable_info info;
    struct table *table;
    struct world world;

    (void)state;
    world_open(&world, &in_memory); /* without a map, blocks that did not shrink are cached too */
    info = world_build(&world, 1, &lz4, &dataset);
    table = world_table(&world, &info);
    check_gets(table, &dataset);
    reads = counter_get(&world.counters, block_reads);
    hits = counter_get(&world.counters, block_cache_hits);
    assert_int_equal(reads, counter_get(&world.counters, block_cache_misses));
    check_gets(table, &dataset);
    assert_int_equal(counter_get(&world.counters, block_reads), reads);
    assert_int_equal(counter_get(&world.counters, block_cache_hits), hits + dataset.count);
    table_unref(table);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void filter_saves_reads_of_absent_keys(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = {NULL, 0, 0};
    uint64_t checks, negatives;
    struct sstable_info info;
    struct table *table;
    struct world world;

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        uint64_t key = test_random(&random);

        dataset_add(&dataset, slice_of(&key, 8), slice_of("v", 1), 1, ENTRY_PUT);
    }
    dataset_sort(&dataset);
    world_open(&world, &in_memory);
    info = world_build(&world, 1, &plain, &dataset);
    table = world_table(&world, &info);
    for (size_t i = 0; i < 20000; i++) {
        uint64_t key = test_random(&random);
        enum entry_kind kind;
        bool found;

        assert_ok(table_get(table, slice_of(&key, 8), NULL, &kind, &found, &err), &err);
        assert_false(found);
    }
    checks = counter_get(&world.counters, filter_checks);
    negatives = counter_get(&world.counters, filter_negatives);
    assert_true(checks > 19000 && negatives > checks * 98 / 100);
    check_gets(table, &dataset);
    assert_int_equal(counter_get(&world.counters, filter_negatives), negatives);
    table_unref(table);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void key_outside_the_bounds_opens_nothing(void **state)
{
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_info info;
    struct table *table;
    struct world world;
    enum entry_kind kind;
    bool found;

    (void)state;
    world_open(&world, &in_memory);
    dataset_add(&dataset, slice_of("b", 1), slice_of("v", 1), 1, ENTRY_PUT);
    dataset_add(&dataset, slice_of("d", 1), slice_of("v", 1), 1, ENTRY_PUT);
    info = world_build(&world, 1, &plain, &dataset);
    table = world_table(&world, &info);
    assert_ok(table_get(table, slice_of("a", 1), NULL, &kind, &found, &err), &err);
    assert_false(found);
    assert_ok(table_get(table, slice_of("da", 2), NULL, &kind, &found, &err), &err);
    assert_false(found);
    assert_false(table_loaded(table));
    assert_int_equal(table_accesses(table), 0);
    assert_ok(table_get(table, slice_of("c", 1), NULL, &kind, &found, &err), &err);
    assert_false(found);
    assert_true(table_loaded(table));
    assert_int_equal(table_accesses(table), 1);
    table_unref(table);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

/* ---- Memory ---- */

static void failed_allocation_is_reported_and_leaks_nothing(void **state)
{
    static const enum lsmkv_compression codecs[] = {LSMKV_COMPRESSION_NONE, LSMKV_COMPRESSION_LZ4,
                                                    LSMKV_COMPRESSION_ZSTD};
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(50, 60, &random);
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    const struct entry *entry = &dataset.entries[0];

    (void)state;
    while (entry->kind != ENTRY_PUT)
        entry++;
    for (size_t codec = 0; codec < 3; codec++) {
        struct sstable_params params = {512, 10, codecs[codec]};
        enum lsmkv_status status = LSMKV_NOMEM;
        struct sstable_info info;
        struct world world;

        world_open(&world, &in_memory);
        info = world_build(&world, 1, &params, &dataset);
        for (uint64_t nth = 1; status; nth++) {
            struct table *table = world_table(&world, &info);
            struct iter *it = NULL;
            enum entry_kind kind;
            bool found;

            lsm_alloc_fail_at(nth, false);
            status = table_get(table, entry->key, &value, &kind, &found, &err);
            if (!status)
                status = table_iter_new(&it, table, true, &err);
            if (!status)
                status = iter_last(it, &err);
            lsm_alloc_fail_at(0, false);
            assert_true(status == LSMKV_OK || status == LSMKV_NOMEM);
            assert_true(status == LSMKV_OK || err.status == LSMKV_NOMEM);
            iter_free(it);
            check_gets(table, &dataset); /* and the table is usable afterwards */
            table_unref(table);
            world_new_cache(&world, &in_memory);
        }
        sstable_info_release(&info);
        world_close(&world);
    }
    lsmkv_buf_release(&value);
    dataset_release(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_round_trips_by_map),
        cmocka_unit_test(table_round_trips_by_pread),
        cmocka_unit_test(table_round_trips_without_a_cache),
        cmocka_unit_test(table_holds_huge_entries),
        cmocka_unit_test(tombstone_is_found_as_one),
        cmocka_unit_test(iter_moves_as_the_model_does),
        cmocka_unit_test(sequential_iter_moves_as_the_model_does),
        cmocka_unit_test(iter_keeps_its_table_alive),
        cmocka_unit_test(sequential_iter_reads_in_large_pieces_and_keeps_out_of_the_cache),
        cmocka_unit_test(mapped_block_is_read_once),
        cmocka_unit_test(compressed_block_comes_from_the_cache_the_second_time),
        cmocka_unit_test(filter_saves_reads_of_absent_keys),
        cmocka_unit_test(key_outside_the_bounds_opens_nothing),
        cmocka_unit_test(failed_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
