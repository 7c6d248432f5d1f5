/*
 * test_table_damage.c - tables whose bytes are not what was written: each read gives the right answer or CORRUPT.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/coding.h"
#include "sstable/reader.h"
#include "support/fault_fs.h"
#include "table_fixture.h"

static struct lsmkv_error err;
static const struct sstable_params plain = {128, 10, LSMKV_COMPRESSION_NONE};
static const struct world_options in_memory = {true, LSMKV_IO_PREAD, 10, 1 << 20};
static const struct world_options mapped = {false, LSMKV_IO_MMAP, 10, 1 << 20};

/* Right, or CORRUPT with the file's name. Returns whether it was right. */
static bool right_or_corrupt(enum lsmkv_status status)
{
    if (!status)
        return true;
    assert_fails(status, LSMKV_CORRUPT, &err, "sst/000001.sst");
    return false;
}

static bool gets_are_right_or_corrupt(struct table *table, const struct dataset *dataset)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    bool right = true;

    for (size_t i = 0; i < dataset->count; i++) {
        const struct entry *entry = &dataset->entries[i];
        enum entry_kind kind;
        bool found;

        if (right_or_corrupt(table_get(table, entry->key, &value, &kind, &found, &err))) {
            assert_true(found);
            assert_int_equal(kind, entry->kind);
            assert_true(slice_equal(slice_of_buf(&value), entry->value));
        } else {
            assert_false(found);
            right = false;
        }
    }
    lsmkv_buf_release(&value);
    return right;
}

static bool walk_is_right_or_corrupt(struct table *table, const struct dataset *dataset, bool forward, bool sequential)
{
    enum lsmkv_status status;
    struct iter *it;
    size_t seen = 0;
    bool right;

    if (!right_or_corrupt(table_iter_new(&it, table, sequential, &err)))
        return false;
    status = forward ? iter_first(it, &err) : iter_last(it, &err);
    while (!status && iter_valid(it)) {
        assert_true(seen < dataset->count);
        assert_true(entry_equal(iter_entry(it), &dataset->entries[forward ? seen : dataset->count - 1 - seen]));
        seen++;
        status = forward ? iter_next(it, &err) : iter_prev(it, &err);
    }
    right = right_or_corrupt(status);
    assert_false(iter_valid(it));
    if (right)
        assert_int_equal(seen, dataset->count);
    iter_free(it);
    return right;
}

/* Every way of reading the table that can be opened; true if all answers were right. */
static bool check_damaged(struct world *world, const struct world_options *options, const struct sstable_info *info,
                          const struct dataset *dataset)
{
    struct table *table;
    bool right = true;

    world_new_cache(world, options);
    table = world_table(world, info);
    right &= walk_is_right_or_corrupt(table, dataset, true, true);
    if (!table_loaded(table)) { /* not even opened: each call would tell the same */
        table_unref(table);
        return false;
    }
    right &= gets_are_right_or_corrupt(table, dataset);
    right &= walk_is_right_or_corrupt(table, dataset, true, false);
    right &= walk_is_right_or_corrupt(table, dataset, false, false);
    table_unref(table);
    return right;
}

static struct os_file *open_writable(struct world *world, uint64_t number)
{
    char *path = sstable_path(world->dir, number);
    struct os_file *file;

    assert_ok(os_fs_open(world->fs, path, OS_WRITE, &file, &err), &err);
    lsm_free(path);
    return file;
}

static void check_every_flipped_byte(const struct world_options *options, enum lsmkv_compression compression)
{
    struct sstable_params params = {128, 10, compression};
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(25, 30, &random);
    struct sstable_info info;
    struct os_file *writable;
    struct lsmkv_buf file;
    struct world world;
    size_t step = 16 / test_scaled(16); /* every byte, but for slow builds */

    world_open(&world, options);
    info = world_build(&world, 1, &params, &dataset);
    file = world_file(&world, 1);
    writable = open_writable(&world, 1);
    for (size_t byte = 0; byte < file.size; byte += step) {
        uint8_t before = file.data[byte];

        uint8_t flipped = (uint8_t)(before ^ 1u << test_random(&random) % 8);

        assert_ok(os_write(writable, byte, &flipped, 1, &err), &err);
        if (check_damaged(&world, options, &info, &dataset))
            fail_msg("byte %zu of %zu was flipped and nobody saw it", byte, file.size);
        assert_ok(os_write(writable, byte, &before, 1, &err), &err);
    }
    assert_true(check_damaged(&world, options, &info, &dataset));
    assert_ok(os_close(writable, &err), &err);
    lsmkv_buf_release(&file);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void flipped_byte_is_seen_by_pread(void **state)
{
    (void)state;
    check_every_flipped_byte(&in_memory, LSMKV_COMPRESSION_NONE);
    check_every_flipped_byte(&in_memory, LSMKV_COMPRESSION_LZ4);
    check_every_flipped_byte(&in_memory, LSMKV_COMPRESSION_ZSTD);
}

static void flipped_byte_is_seen_by_map(void **state)
{
    (void)state;
    check_every_flipped_byte(&mapped, LSMKV_COMPRESSION_NONE);
    check_every_flipped_byte(&mapped, LSMKV_COMPRESSION_LZ4);
}

static void check_every_length(const struct world_options *options)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(20, 30, &random);
    size_t step = 16 / test_scaled(16); /* every byte, but for slow builds */
    struct sstable_info info, shorter;
    struct lsmkv_buf file;
    struct world world;

    world_open(&world, options);
    info = world_build(&world, 1, &plain, &dataset);
    file = world_file(&world, 1);
    for (size_t size = 0; size < file.size; size += step) {
        world_replace_file(&world, 1, slice_of(file.data, size));
        assert_false(check_damaged(&world, options, &info, &dataset));
        assert_non_null(strstr(err.message, "the manifest says"));
        /* Nor does it pass if the manifest has the short size too. */
        assert_ok(sstable_info_copy(&shorter, &info, &err), &err);
        shorter.size = size;
        assert_false(check_damaged(&world, options, &shorter, &dataset));
        sstable_info_release(&shorter);
    }
    lsmkv_buf_release(&file);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void truncated_table_is_corrupt_at_every_length(void **state)
{
    (void)state;
    check_every_length(&in_memory);
    check_every_length(&mapped);
}

/* ---- A table that is sound, but not the one the manifest means ---- */

static void table_of_another_number_is_corrupt(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(20, 30, &random);
    struct sstable_info info, other;
    struct lsmkv_buf file;
    struct world world;

    (void)state;
    world_open(&world, &in_memory);
    other = world_build(&world, 2, &plain, &dataset);
    info = world_build(&world, 1, &plain, &dataset);
    file = world_file(&world, 2);
    world_replace_file(&world, 1, slice_of_buf(&file));
    info.checksum = other.checksum;
    assert_false(check_damaged(&world, &in_memory, &info, &dataset));
    lsmkv_buf_release(&file);
    sstable_info_release(&info);
    sstable_info_release(&other);
    dataset_release(&dataset);
    world_close(&world);
}

static void table_that_differs_from_the_manifest_is_corrupt(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(20, 30, &random);
    struct sstable_info info;
    struct world world;
    uint64_t *fields[] = {&info.checksum,  &info.entries,      &info.tombstones,
                          &info.raw_bytes, &info.sequence_min, &info.sequence_max};

    (void)state;
    world_open(&world, &in_memory);
    info = world_build(&world, 1, &plain, &dataset);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        ++*fields[i];
        assert_false(check_damaged(&world, &in_memory, &info, &dataset));
        assert_non_null(strstr(err.message, "is not the table that the manifest describes"));
        --*fields[i];
    }
    assert_ok(buf_append(&info.key_max, "", 1, &err), &err);
    assert_false(check_damaged(&world, &in_memory, &info, &dataset));
    info.key_max.size--;
    assert_true(check_damaged(&world, &in_memory, &info, &dataset));
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

static void newer_format_version_is_refused_by_name(void **state)
{
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_info info;
    struct lsmkv_buf file;
    struct table *table;
    struct world world;
    enum entry_kind kind;
    uint8_t *footer;
    bool found;

    (void)state;
    world_open(&world, &in_memory);
    dataset_add(&dataset, slice_of("a", 1), slice_of("v", 1), 1, ENTRY_PUT);
    info = world_build(&world, 1, &plain, &dataset);
    file = world_file(&world, 1);
    footer = file.data + file.size - SSTABLE_FOOTER_SIZE;
    put_u32(footer + 36, SSTABLE_VERSION + 1);
    put_u64(footer + 40, checksum64(slice_of(footer, 40)));
    world_replace_file(&world, 1, slice_of_buf(&file));
    table = world_table(&world, &info);
    assert_fails(table_get(table, slice_of("a", 1), NULL, &kind, &found, &err), LSMKV_CANTOPEN, &err,
                 "store/sst/000001.sst: format version 2 is newer");
    table_unref(table);
    lsmkv_buf_release(&file);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

/* ---- Right checksums, wrong contents ---- */

/* Puts block `b` of a table where block `a` was, sealed anew; both have the same size. */
static void copy_block(struct lsmkv_buf *file, const struct sstable *table, size_t a, size_t b)
{
    struct block_place place = sstable_place(table, a);
    struct lsmkv_buf block = LSMKV_BUF_INIT;
    size_t size = sstable_block_size(table, b) - BLOCK_TRAILER_SIZE;
    uint64_t checksum;

    assert_int_equal(sstable_block_size(table, a), sstable_block_size(table, b));
    assert_ok(buf_append(&block, file->data + table->index.offsets[b], size, &err), &err);
    assert_ok(block_seal(&block, BLOCK_NONE, (uint32_t)size, &place, &checksum, &err), &err);
    memcpy(file->data + place.offset, block.data, block.size);
    lsmkv_buf_release(&block);
}

/* A table of blocks with one entry each, of which block `a` holds what belongs into block `b`. */
static void make_swapped(struct world *world, struct sstable_info *info, struct dataset *dataset, size_t a, size_t b)
{
    struct sstable_env env = {.fs = world->fs, .io = LSMKV_IO_PREAD, .counters = &world->counters};
    uint8_t value[100] = {0};
    struct sstable *table;
    struct lsmkv_buf file;

    for (char key = 'a'; key < 'g'; key++)
        dataset_add(dataset, slice_of(&key, 1), slice_of(value, sizeof(value)), 1, ENTRY_PUT);
    *info = world_build(world, 1, &plain, dataset);
    file = world_file(world, 1);
    assert_ok(sstable_open(&table, &env, world->dir, info, &err), &err);
    copy_block(&file, table, a, b);
    world_replace_file(world, 1, slice_of_buf(&file));
    sstable_close(table);
    lsmkv_buf_release(&file);
}

static void iter_rejects_blocks_out_of_order(void **state)
{
    static const size_t swaps[][2] = {{2, 4}, {4, 2}, {0, 1}, {5, 4}, {1, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(swaps) / sizeof(swaps[0]); i++) {
        struct dataset dataset = {NULL, 0, 0};
        struct sstable_info info;
        struct table *table;
        struct world world;
        struct iter *it;
        enum lsmkv_status status;
        size_t steps = 0;

        world_open(&world, &in_memory);
        make_swapped(&world, &info, &dataset, swaps[i][0], swaps[i][1]);
        table = world_table(&world, &info);
        assert_ok(table_iter_new(&it, table, false, &err), &err);
        for (status = iter_first(it, &err); !status && iter_valid(it); status = iter_next(it, &err))
            steps++;
        assert_fails(status, LSMKV_CORRUPT, &err, "keys out of order");
        for (status = iter_last(it, &err); !status && iter_valid(it); status = iter_prev(it, &err))
            steps++;
        assert_fails(status, LSMKV_CORRUPT, &err, "keys out of order");
        assert_true(steps < 12);
        iter_free(it);
        table_unref(table);
        sstable_info_release(&info);
        dataset_release(&dataset);
        world_close(&world);
    }
}

/* The keys are in order and every checksum is right, but a value is not the one that was written. */
static void sequential_iter_follows_the_chain_of_checksums(void **state)
{
    struct dataset dataset = {NULL, 0, 0};
    struct sstable_env env = {0};
    struct sstable_info info;
    struct sstable *reader;
    struct lsmkv_buf file, block = LSMKV_BUF_INIT;
    struct block_place place;
    struct table *table;
    struct world world;
    struct iter *it;
    uint64_t checksum;
    size_t size;

    (void)state;
    world_open(&world, &in_memory);
    make_swapped(&world, &info, &dataset, 3, 3); /* the same bytes again: still sound */
    table = world_table(&world, &info);
    check_walks(table, &dataset, true);
    table_unref(table);
    file = world_file(&world, 1);
    env.fs = world.fs;
    env.counters = &world.counters;
    env.io = LSMKV_IO_PREAD;
    assert_ok(sstable_open(&reader, &env, world.dir, &info, &err), &err);
    place = sstable_place(reader, 3);
    size = sstable_block_size(reader, 3) - BLOCK_TRAILER_SIZE;
    assert_ok(buf_append(&block, file.data + place.offset, size, &err), &err);
    block.data[size / 2] ^= 1; /* in the value */
    assert_ok(block_seal(&block, BLOCK_NONE, (uint32_t)size, &place, &checksum, &err), &err);
    memcpy(file.data + place.offset, block.data, block.size);
    sstable_close(reader);
    world_replace_file(&world, 1, slice_of_buf(&file));
    table = world_table(&world, &info);
    assert_ok(table_iter_new(&it, table, true, &err), &err);
    assert_ok(iter_first(it, &err), &err);
    for (size_t i = 1; i < dataset.count - 1; i++)
        assert_ok(iter_next(it, &err), &err);
    assert_fails(iter_next(it, &err), LSMKV_CORRUPT, &err, "are not those written");
    iter_free(it);
    table_unref(table);
    lsmkv_buf_release(&block);
    lsmkv_buf_release(&file);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

/* A value of 40 identical bytes whose block claims to be one byte larger or smaller when decompressed. */
static void decompressed_size_must_be_exact(void **state)
{
    static const enum lsmkv_compression codecs[] = {LSMKV_COMPRESSION_LZ4, LSMKV_COMPRESSION_ZSTD};
    static const int wrong_by[] = {-1, 1, 1 << 10, 1 << 22}; /* the last is more than any payload of that size yields */
    uint8_t value[400] = {0};
    struct dataset dataset = {NULL, 0, 0};

    (void)state;
    dataset_add(&dataset, slice_of("a", 1), slice_of(value, sizeof(value)), 1, ENTRY_PUT);
    for (size_t i = 0; i < 8; i++) {
        struct sstable_params params = {128, 0, codecs[i % 2]};
        struct block_place place = {"", 1, 0};
        struct block_parts parts;
        struct sstable_info info;
        struct lsmkv_buf file, block = LSMKV_BUF_INIT;
        struct world world;
        uint64_t checksum;
        size_t size;

        world_open(&world, &in_memory);
        info = world_build(&world, 1, &params, &dataset);
        file = world_file(&world, 1);
        for (size = BLOCK_TRAILER_SIZE; block_unseal(slice_of(file.data, size), &place, &parts, NULL); size++)
            assert_true(size < file.size);
        assert_int_equal(parts.codec, codecs[i % 2]);
        assert_ok(buf_append(&block, parts.payload.data, parts.payload.size, &err), &err);
        assert_ok(
            block_seal(&block, parts.codec, (uint32_t)((int)parts.raw_size + wrong_by[i / 2]), &place, &checksum, &err),
            &err);
        memcpy(file.data, block.data, block.size);
        world_replace_file(&world, 1, slice_of_buf(&file));
        assert_false(check_damaged(&world, &in_memory, &info, &dataset));
        assert_non_null(strstr(err.message, i / 2 == 3 ? "bad trailer" : "the block at offset 0 does not decompress"));
        lsmkv_buf_release(&block);
        lsmkv_buf_release(&file);
        sstable_info_release(&info);
        world_close(&world);
    }
    dataset_release(&dataset);
}

/* ---- A read that fails ---- */

static void failed_read_is_reported_and_tried_again(void **state)
{
    static const enum lsmkv_io ways[] = {LSMKV_IO_MMAP, LSMKV_IO_PREAD};
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(20, 30, &random);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world_options options = mapped;
        struct fault_rule rule = {FAULT_BIT(FAULT_OPEN) | FAULT_BIT(FAULT_READ) | FAULT_BIT(FAULT_SIZE),
                                  NULL,
                                  1,
                                  false,
                                  LSMKV_IO,
                                  FAULT_NOTHING};
        enum lsmkv_status status = LSMKV_IO;
        struct fault_fs *faulty;
        struct table_cache *cache;
        struct sstable_info info;
        struct world world;

        options.io = ways[i];
        world_open(&world, &options);
        info = world_build(&world, 1, &plain, &dataset);
        faulty = fault_fs_new(world.fs);
        assert_non_null(faulty);
        for (; status; rule.nth++) {
            struct table *table;
            enum entry_kind kind;
            bool found;

            assert_ok(
                table_cache_new(&cache, fault_fs_os(faulty), world.dir, 10, 1 << 20, ways[i], &world.counters, &err),
                &err);
            assert_ok(table_new(&table, cache, &info, &err), &err);
            fault_fs_fail(faulty, &rule);
            status = table_get(table, dataset.entries[3].key, NULL, &kind, &found, &err);
            if (status) {
                assert_status(status, LSMKV_IO, &err);
                assert_false(found);
            }
            fault_fs_heal(faulty);
            check_gets(table, &dataset);
            table_unref(table);
            table_cache_free(cache);
        }
        assert_true(rule.nth > 7); /* open, size, footer, properties, filter, index, block, and one without failure */
        fault_fs_free(faulty);
        sstable_info_release(&info);
        world_close(&world);
    }
    dataset_release(&dataset);
}

/* Damage is found again at each touch, until the bytes are right. */
static void damaged_block_is_never_remembered_as_good(void **state)
{
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(20, 30, &random);
    struct sstable_info info;
    struct lsmkv_buf file;
    struct table *table;
    struct world world;
    struct os_file *writable;
    enum entry_kind kind;
    bool found;
    uint8_t wrong;

    (void)state;
    world_open(&world, &mapped);
    info = world_build(&world, 1, &plain, &dataset);
    file = world_file(&world, 1);
    writable = open_writable(&world, 1);
    wrong = (uint8_t)(file.data[3] ^ 1);
    assert_ok(os_write(writable, 3, &wrong, 1, &err), &err);
    table = world_table(&world, &info);
    for (size_t i = 0; i < 3; i++)
        assert_fails(table_get(table, dataset.entries[0].key, NULL, &kind, &found, &err), LSMKV_CORRUPT, &err,
                     "wrong checksum of the block at offset 0");
    assert_ok(os_write(writable, 3, file.data + 3, 1, &err), &err);
    check_gets(table, &dataset);
    assert_ok(os_close(writable, &err), &err);
    table_unref(table);
    lsmkv_buf_release(&file);
    sstable_info_release(&info);
    dataset_release(&dataset);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flipped_byte_is_seen_by_pread),
        cmocka_unit_test(flipped_byte_is_seen_by_map),
        cmocka_unit_test(truncated_table_is_corrupt_at_every_length),
        cmocka_unit_test(table_of_another_number_is_corrupt),
        cmocka_unit_test(table_that_differs_from_the_manifest_is_corrupt),
        cmocka_unit_test(newer_format_version_is_refused_by_name),
        cmocka_unit_test(iter_rejects_blocks_out_of_order),
        cmocka_unit_test(sequential_iter_follows_the_chain_of_checksums),
        cmocka_unit_test(decompressed_size_must_be_exact),
        cmocka_unit_test(failed_read_is_reported_and_tried_again),
        cmocka_unit_test(damaged_block_is_never_remembered_as_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
