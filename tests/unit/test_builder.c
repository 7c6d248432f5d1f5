/*
 * test_builder.c - what a table file says of its entries, and what is left when writing fails.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sstable/reader.h"
#include "support/fault_fs.h"
#include "support/sim_fs.h"
#include "table_fixture.h"

static struct lsmkv_error err;
static const struct sstable_params plain = {1024, 10, LSMKV_COMPRESSION_NONE};
static const struct world_options in_memory = {true, LSMKV_IO_PREAD, 10, 1 << 20};

static enum os_kind kind_of(struct world *world, uint64_t number)
{
    char *path = sstable_path(world->dir, number);
    enum os_kind kind;

    assert_ok(os_fs_kind(world->fs, path, &kind, NULL, &err), &err);
    lsm_free(path);
    return kind;
}

static void remove_table(struct world *world, uint64_t number)
{
    char *path = sstable_path(world->dir, number);

    assert_ok(os_fs_remove(world->fs, path, &err), &err);
    lsm_free(path);
}

static void info_tells_what_was_added(void **state)
{
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_info info;
    struct world world;
    struct lsmkv_buf file;

    (void)state;
    world_open(&world, &in_memory);
    dataset_add(&dataset, slice_of("apple", 5), slice_of("red", 3), 12, ENTRY_PUT);
    dataset_add(&dataset, slice_of("banana", 6), slice_of(NULL, 0), 7, ENTRY_DELETE);
    dataset_add(&dataset, slice_of("cherry", 6), slice_of("", 0), 9, ENTRY_PUT);
    info = world_build(&world, 5, &plain, &dataset);
    file = world_file(&world, 5);
    assert_int_equal(info.number, 5);
    assert_int_equal(info.size, file.size);
    assert_int_equal(info.entries, 3);
    assert_int_equal(info.tombstones, 1);
    assert_int_equal(info.raw_bytes, 5 + 3 + 6 + 6);
    assert_int_equal(info.sequence_min, 7);
    assert_int_equal(info.sequence_max, 12);
    assert_true(slice_equal(slice_of_buf(&info.key_min), slice_of("apple", 5)));
    assert_true(slice_equal(slice_of_buf(&info.key_max), slice_of("cherry", 6)));
    lsmkv_buf_release(&file);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void file_describes_itself(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(500, 50, &random);
    struct sstable_info info, described = SSTABLE_INFO_INIT;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    info = world_build(&world, 9, &plain, &dataset);
    assert_ok(sstable_describe(world.fs, world.dir, 9, &described, &err), &err);
    assert_true(described.number == 9 && described.size == info.size && described.checksum == info.checksum);
    assert_true(described.entries == info.entries && described.tombstones == info.tombstones);
    assert_true(described.raw_bytes == info.raw_bytes);
    assert_true(described.sequence_min == info.sequence_min && described.sequence_max == info.sequence_max);
    assert_true(slice_equal(slice_of_buf(&described.key_min), slice_of_buf(&info.key_min)));
    assert_true(slice_equal(slice_of_buf(&described.key_max), slice_of_buf(&info.key_max)));
    sstable_info_release(&described);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void other_values_give_another_checksum(void **state)
{
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_info first, second;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    dataset_add(&dataset, slice_of("key", 3), slice_of("one", 3), 1, ENTRY_PUT);
    first = world_build(&world, 1, &plain, &dataset);
    dataset_release(&dataset);
    dataset_add(&dataset, slice_of("key", 3), slice_of("two", 3), 1, ENTRY_PUT);
    remove_table(&world, 1);
    second = world_build(&world, 1, &plain, &dataset);
    assert_int_equal(first.size, second.size);
    assert_true(first.checksum != second.checksum);
    sstable_info_release(&first);
    sstable_info_release(&second);
    dataset_release(&dataset);
    world_close(&world);
}

static void size_foretells_the_file(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(5000, 50, &random);
    struct sstable_builder *builder;
    struct sstable_info info;
    struct world world;
    uint64_t foretold;

    (void)state;
    world_open(&world, &in_memory);
    assert_ok(sstable_builder_new(&builder, world.fs, world.dir, 1, &plain, &err), &err);
    assert_int_equal(sstable_builder_size(builder), 0);
    for (size_t i = 0; i < dataset.count; i++)
        assert_ok(sstable_builder_add(builder, &dataset.entries[i], &err), &err);
    foretold = sstable_builder_size(builder);
    assert_int_equal(sstable_builder_entries(builder), dataset.count);
    assert_ok(sstable_builder_finish(builder, &info, &err), &err);
    assert_true(foretold > info.size * 95 / 100 && foretold < info.size * 105 / 100);
    sstable_builder_free(builder);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static struct sstable *open_table(struct world *world, struct sstable_env *env, const struct sstable_info *info)
{
    struct sstable *table;

    memset(env, 0, sizeof(*env));
    env->fs = world->fs;
    env->io = LSMKV_IO_PREAD;
    env->counters = &world->counters;
    decompressor_init(&env->decompressor);
    assert_ok(block_cache_new(&env->blocks, 1 << 20, &err), &err);
    assert_ok(sstable_open(&table, env, world->dir, info, &err), &err);
    return table;
}

static void close_table(struct sstable *table, struct sstable_env *env)
{
    sstable_close(table);
    block_cache_free(env->blocks);
    decompressor_release(&env->decompressor);
}

static void blocks_keep_to_their_size(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(3000, 100, &random);
    struct sstable_env env;
    struct sstable_info info;
    struct sstable *table;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    info = world_build(&world, 1, &plain, &dataset);
    table = open_table(&world, &env, &info);
    for (size_t i = 0; i < table->index.count; i++) {
        size_t size = sstable_block_size(table, i) - BLOCK_TRAILER_SIZE;

        assert_true(size <= plain.block_size);
        if (i + 1 < table->index.count)
            assert_true(size > plain.block_size - 200); /* no more than the entry that did not fit */
    }
    close_table(table, &env);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void entry_larger_than_a_block_has_one_of_its_own(void **state)
{
    uint8_t *value = calloc(1, 100000);
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_env env;
    struct sstable_info info;
    struct sstable *table;
    struct world world;

    (void)state;
    assert_non_null(value);
    world_open(&world, &in_memory);
    dataset_add(&dataset, slice_of("a", 1), slice_of(value, 10), 1, ENTRY_PUT);
    dataset_add(&dataset, slice_of("b", 1), slice_of(value, 100000), 1, ENTRY_PUT);
    dataset_add(&dataset, slice_of("c", 1), slice_of(value, 10), 1, ENTRY_PUT);
    info = world_build(&world, 1, &plain, &dataset);
    table = open_table(&world, &env, &info);
    assert_int_equal(table->index.count, 3);
    assert_true(sstable_block_size(table, 1) > 100000 && sstable_block_size(table, 2) < 100);
    close_table(table, &env);
    sstable_info_release(&info);
    dataset_release(&dataset);
    free(value);
    world_close(&world);
}

static void index_keys_are_short_and_lie_between_blocks(void **state)
{
    uint8_t value[900] = {0};
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_env env;
    struct sstable_info info;
    struct sstable *table;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    dataset_add(&dataset, slice_of("alexander", 9), slice_of(value, 900), 1, ENTRY_PUT);
    dataset_add(&dataset, slice_of("bernadette", 10), slice_of(value, 900), 1, ENTRY_PUT);
    dataset_add(&dataset, slice_of("bernard", 7), slice_of(value, 900), 1, ENTRY_PUT);
    dataset_add(&dataset, slice_of("bernardo", 8), slice_of(value, 900), 1, ENTRY_PUT);
    info = world_build(&world, 1, &plain, &dataset);
    table = open_table(&world, &env, &info);
    assert_int_equal(table->index.count, 4);
    assert_true(slice_equal(sstable_index_key(table, 0), slice_of("b", 1)));
    assert_true(slice_equal(sstable_index_key(table, 1), slice_of("bernar", 6)));
    assert_true(slice_equal(sstable_index_key(table, 2), slice_of("bernard", 7)));
    assert_true(slice_equal(sstable_index_key(table, 3), slice_of("bernardo", 8)));
    close_table(table, &env);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static uint64_t size_with(struct world *world, uint64_t number, enum lsmkv_compression compression,
                          const struct dataset *dataset)
{
    struct sstable_params params = {4096, 0, compression};
    struct sstable_info info = world_build(world, number, &params, dataset);
    uint64_t size = info.size;

    sstable_info_release(&info);
    return size;
}

static void codecs_shrink_what_can_be_shrunk(void **state)
{
    uint64_t random = test_seed(), none;
    struct dataset dataset = dataset_random(2000, 200, &random);
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    none = size_with(&world, 1, LSMKV_COMPRESSION_NONE, &dataset);
    assert_true(size_with(&world, 2, LSMKV_COMPRESSION_LZ4, &dataset) < none * 3 / 4);
    assert_true(size_with(&world, 3, LSMKV_COMPRESSION_ZSTD, &dataset) < none * 3 / 4);
    dataset_release(&dataset);
    world_close(&world);
}

static void random_values_are_stored_uncompressed(void **state)
{
    uint64_t random = test_seed(), value[64];
    struct dataset dataset = {NULL, 0, 0};
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    for (char key = 'a'; key <= 'z'; key++) {
        for (size_t i = 0; i < 64; i++)
            value[i] = test_random(&random);
        dataset_add(&dataset, slice_of(&key, 1), slice_of(value, sizeof(value)), 1, ENTRY_PUT);
    }
    assert_int_equal(size_with(&world, 1, LSMKV_COMPRESSION_NONE, &dataset),
                     size_with(&world, 2, LSMKV_COMPRESSION_ZSTD, &dataset));
    assert_int_equal(size_with(&world, 3, LSMKV_COMPRESSION_LZ4, &dataset),
                     size_with(&world, 4, LSMKV_COMPRESSION_ZSTD, &dataset));
    dataset_release(&dataset);
    world_close(&world);
}

/* ---- Failure ---- */

static void builder_refuses_to_finish_without_entries(void **state)
{
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct sstable_builder *builder;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    assert_ok(sstable_builder_new(&builder, world.fs, world.dir, 1, &plain, &err), &err);
    assert_status(sstable_builder_finish(builder, &info, &err), LSMKV_MISUSE, &err);
    sstable_builder_free(builder);
    assert_int_equal(kind_of(&world, 1), OS_ABSENT);
    world_close(&world);
}

static void builder_refuses_keys_that_do_not_rise_across_blocks(void **state)
{
    uint8_t value[2000] = {0};
    struct entry entry = {slice_of("b", 1), slice_of(value, sizeof(value)), 1, ENTRY_PUT};
    struct sstable_builder *builder;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    assert_ok(sstable_builder_new(&builder, world.fs, world.dir, 1, &plain, &err), &err);
    assert_ok(sstable_builder_add(builder, &entry, &err), &err);
    assert_status(sstable_builder_add(builder, &entry, &err), LSMKV_MISUSE, &err);
    sstable_builder_free(builder);
    world_close(&world);
}

static void builder_leaves_a_file_alone_that_is_already_there(void **state)
{
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_builder *builder;
    struct sstable_info info;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    dataset_add(&dataset, slice_of("a", 1), slice_of("v", 1), 1, ENTRY_PUT);
    info = world_build(&world, 1, &plain, &dataset);
    assert_status(sstable_builder_new(&builder, world.fs, world.dir, 1, &plain, &err), LSMKV_IO, &err);
    assert_null(builder);
    assert_int_equal(kind_of(&world, 1), OS_REGULAR);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void unfinished_file_is_removed(void **state)
{
    struct entry entry = {slice_of("b", 1), slice_of("v", 1), 1, ENTRY_PUT};
    struct sstable_builder *builder;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    assert_ok(sstable_builder_new(&builder, world.fs, world.dir, 1, &plain, &err), &err);
    assert_ok(sstable_builder_add(builder, &entry, &err), &err);
    assert_int_equal(kind_of(&world, 1), OS_REGULAR);
    sstable_builder_free(builder);
    assert_int_equal(kind_of(&world, 1), OS_ABSENT);
    world_close(&world);
}

static enum lsmkv_status try_build(struct os_fs *fs, const char *dir, enum lsmkv_compression compression,
                                   const struct dataset *dataset, struct sstable_info *info)
{
    struct sstable_params params = {1024, 10, compression};
    struct sstable_builder *builder;
    enum lsmkv_status status = sstable_builder_new(&builder, fs, dir, 1, &params, &err);

    for (size_t i = 0; i < dataset->count && !status; i++)
        status = sstable_builder_add(builder, &dataset->entries[i], &err);
    if (!status)
        status = sstable_builder_finish(builder, info, &err);
    sstable_builder_free(builder);
    return status;
}

static void finished_table_survives_a_power_cut(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(3000, 100, &random);
    struct sim_fs *disk = sim_fs_new(), *after;
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct counters counters;
    struct table_cache *cache;
    struct table *table;

    (void)state;
    memset(&counters, 0, sizeof(counters));
    assert_non_null(disk);
    assert_ok(os_fs_make_dir(sim_fs_os(disk), "store", &err), &err);
    assert_ok(os_fs_make_dir(sim_fs_os(disk), "store/sst", &err), &err);
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "", &err), &err);
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "store", &err), &err);
    assert_ok(try_build(sim_fs_os(disk), "store", LSMKV_COMPRESSION_NONE, &dataset, &info), &err);
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "store/sst", &err), &err);
    after = sim_fs_crash(disk, SIM_DROP_UNSYNCED, 1);
    assert_non_null(after);
    assert_ok(table_cache_new(&cache, sim_fs_os(after), "store", 1, 1 << 20, LSMKV_IO_PREAD, &counters, &err), &err);
    assert_ok(table_new(&table, cache, &info, &err), &err);
    check_walks(table, &dataset, true);
    table_unref(table);
    table_cache_free(cache);
    sim_fs_free(after);
    sim_fs_free(disk);
    sstable_info_release(&info);
    dataset_release(&dataset);
}

/* The disk fails at the first, second ... call: each failure is told as it is, and no file is left. */
static void failed_write_sync_or_close_leaves_no_file(void **state)
{
    static const enum fault_effect effects[] = {FAULT_NOTHING, FAULT_HALF, FAULT_DONE};
    uint64_t random = test_seed(), nth = 1;
    struct dataset dataset = dataset_random(8000, 200, &random);
    struct sstable_info info = SSTABLE_INFO_INIT;
    enum lsmkv_status status = LSMKV_FULL;
    struct fault_fs *faulty;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    faulty = fault_fs_new(world.fs);
    assert_non_null(faulty);
    for (; status; nth++) {
        struct fault_rule rule = {FAULT_BIT(FAULT_CREATE) | FAULT_BIT(FAULT_WRITE) | FAULT_BIT(FAULT_SYNC) |
                                      FAULT_BIT(FAULT_CLOSE),
                                  NULL,
                                  nth,
                                  false,
                                  LSMKV_FULL,
                                  effects[nth % 3]};

        fault_fs_heal(faulty);
        fault_fs_fail(faulty, &rule);
        status = try_build(fault_fs_os(faulty), world.dir, LSMKV_COMPRESSION_NONE, &dataset, &info);
        if (status) {
            assert_status(status, LSMKV_FULL, &err);
            assert_int_equal(kind_of(&world, 1), OS_ABSENT);
        }
    }
    assert_true(nth > 6); /* create, at least two writes, sync, close, and one round without failure */
    assert_int_equal(kind_of(&world, 1), OS_REGULAR);
    fault_fs_free(faulty);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void failed_allocation_leaves_no_file(void **state)
{
    static const enum lsmkv_compression codecs[] = {LSMKV_COMPRESSION_NONE, LSMKV_COMPRESSION_LZ4,
                                                    LSMKV_COMPRESSION_ZSTD};
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(100, 100, &random);

    (void)state;
    for (size_t codec = 0; codec < 3; codec++) {
        struct sstable_info info = SSTABLE_INFO_INIT;
        enum lsmkv_status status = LSMKV_NOMEM;
        struct world world;

        world_open(&world, &in_memory);
        for (uint64_t nth = 1; status; nth++) {
            lsm_alloc_fail_at(nth, false);
            status = try_build(world.fs, world.dir, codecs[codec], &dataset, &info);
            lsm_alloc_fail_at(0, false);
            if (status) {
                assert_status(status, LSMKV_NOMEM, &err);
                if (kind_of(&world, 1) != OS_ABSENT)
                    fail_msg("a file is left after allocation %d failed", (int)nth);
            }
        }
        sstable_info_release(&info);
        world_close(&world);
    }
    dataset_release(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_tells_what_was_added),
        cmocka_unit_test(file_describes_itself),
        cmocka_unit_test(other_values_give_another_checksum),
        cmocka_unit_test(size_foretells_the_file),
        cmocka_unit_test(blocks_keep_to_their_size),
        cmocka_unit_test(entry_larger_than_a_block_has_one_of_its_own),
        cmocka_unit_test(index_keys_are_short_and_lie_between_blocks),
        cmocka_unit_test(codecs_shrink_what_can_be_shrunk),
        cmocka_unit_test(random_values_are_stored_uncompressed),
        cmocka_unit_test(builder_refuses_to_finish_without_entries),
        cmocka_unit_test(builder_refuses_keys_that_do_not_rise_across_blocks),
        cmocka_unit_test(builder_leaves_a_file_alone_that_is_already_there),
        cmocka_unit_test(unfinished_file_is_removed),
        cmocka_unit_test(finished_table_survives_a_power_cut),
        cmocka_unit_test(failed_write_sync_or_close_leaves_no_file),
        cmocka_unit_test(failed_allocation_leaves_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
