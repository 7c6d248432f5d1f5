/*
 * test_block.c - data blocks against a sorted array, and against bytes that no builder writes.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "sstable/block.h"
#include "table_fixture.h"

static struct lsmkv_error err;
static const struct block_place place = {"sst/000001.sst", 1, 8192};

static void build(struct block_builder *builder, const struct dataset *dataset, struct block *block)
{
    block_builder_reset(builder);
    for (size_t i = 0; i < dataset->count; i++)
        assert_ok(block_builder_add(builder, &dataset->entries[i], &err), &err);
    assert_ok(block_builder_finish(builder, &err), &err);
    assert_ok(block_init(block, slice_of_buf(&builder->bytes), &place, &err), &err);
}

static void check_position(const struct block_iter *it, const struct dataset *dataset, size_t i)
{
    assert_int_equal(it->valid, i < dataset->count);
    if (it->valid)
        assert_true(entry_equal(&it->entry, &dataset->entries[i]));
}

static void check_whole(const struct block *block, const struct dataset *dataset)
{
    struct block_iter it = {.key = LSMKV_BUF_INIT};
    size_t i = 0;

    block_iter_set(&it, block);
    for (assert_ok(block_iter_first(&it, &err), &err); it.valid; assert_ok(block_iter_next(&it, &err), &err))
        check_position(&it, dataset, i++);
    assert_int_equal(i, dataset->count);
    for (assert_ok(block_iter_last(&it, &err), &err); it.valid; assert_ok(block_iter_prev(&it, &err), &err))
        check_position(&it, dataset, --i);
    assert_int_equal(i, 0);
    block_iter_release(&it);
}

static void check_probe(const struct block *block, const struct dataset *dataset, struct lsmkv_slice key)
{
    size_t i = dataset_find(dataset, key);
    bool there = i < dataset->count && slice_equal(dataset->entries[i].key, key), found;
    struct block_iter it = {.key = LSMKV_BUF_INIT};
    struct entry entry;

    assert_ok(block_get(block, key, &entry, &found, &err), &err);
    assert_int_equal(found, there);
    entry.key = key;
    if (found)
        assert_true(entry_equal(&entry, &dataset->entries[i]));
    block_iter_set(&it, block);
    assert_ok(block_iter_seek(&it, key, &err), &err);
    check_position(&it, dataset, i);
    if (it.valid && i > 0) {
        assert_ok(block_iter_prev(&it, &err), &err);
        check_position(&it, dataset, i - 1);
        assert_ok(block_iter_next(&it, &err), &err);
        check_position(&it, dataset, i);
    }
    block_iter_release(&it);
}

static void block_reads_back_what_was_built(void **state)
{
    static const size_t counts[] = {1, 2, 15, 16, 17, 31, 32, 33, 100, 1000};
    struct block_builder builder = BLOCK_BUILDER_INIT;
    uint64_t random = test_seed();

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct dataset dataset = dataset_random(counts[c], 40, &random);
        struct block block;

        build(&builder, &dataset, &block);
        check_whole(&block, &dataset);
        for (size_t i = 0; i < dataset.count; i++)
            check_probe(&block, &dataset, dataset.entries[i].key);
        for (size_t i = 0; i < test_scaled(2000); i++)
            check_probe(&block, &dataset, dataset_probe(&dataset, &random));
        dataset_release(&dataset);
    }
    block_builder_release(&builder);
}

static void block_holds_the_empty_key_and_keys_that_begin_alike(void **state)
{
    static const char *const keys[] = {"", "a", "aa", "aab", "aabb", "ab", "b", "ba"};
    static const char *const absent[] = {"A", "aaa", "aabba", "aac", "abc", "az", "bb", "c"};
    struct block_builder builder = BLOCK_BUILDER_INIT;
    struct dataset dataset = {NULL, 0, 0};
    struct block block;

    (void)state;
    for (size_t i = 0; i < 8; i++)
        dataset_add(&dataset, slice_of(keys[i], strlen(keys[i])), slice_of(keys[i], i % 2), i, ENTRY_PUT);
    build(&builder, &dataset, &block);
    check_whole(&block, &dataset);
    for (size_t i = 0; i < 8; i++) {
        check_probe(&block, &dataset, slice_of(keys[i], strlen(keys[i])));
        check_probe(&block, &dataset, slice_of(absent[i], strlen(absent[i])));
    }
    dataset_release(&dataset);
    block_builder_release(&builder);
}

static void block_compresses_common_beginnings(void **state)
{
    struct block_builder builder = BLOCK_BUILDER_INIT;
    char key[] = "a/long/common/beginning/000";
    struct entry entry = {slice_of(key, 27), slice_of("v", 1), 1, ENTRY_PUT};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        key[25] = (char)('0' + i / 10);
        key[26] = (char)('0' + i % 10);
        assert_ok(block_builder_add(&builder, &entry, &err), &err);
    }
    assert_ok(block_builder_finish(&builder, &err), &err);
    /* 6 to 8 bytes an entry, a whole key at each of 7 restart points, and their offsets. */
    assert_true(builder.bytes.size < 100 * 8 + 7 * 27 + 8 * 4);
    block_builder_release(&builder);
}

static void size_with_is_never_below_the_real_size(void **state)
{
    struct block_builder builder = BLOCK_BUILDER_INIT;
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(200, 300, &random);

    (void)state;
    for (size_t i = 0; i < dataset.count; i++) {
        size_t foretold = block_builder_size_with(&builder, &dataset.entries[i]);

        assert_ok(block_builder_add(&builder, &dataset.entries[i], &err), &err);
        assert_true(builder.bytes.size + builder.restarts.size + 4 <= foretold);
    }
    dataset_release(&dataset);
    block_builder_release(&builder);
}

static void builder_refuses_keys_that_do_not_rise(void **state)
{
    static const char *const not_above[] = {"key5", "key4", "key", "", "a"};
    struct entry entry = {slice_of("key5", 4), slice_of("v", 1), 1, ENTRY_PUT};

    (void)state;
    for (size_t i = 0; i < sizeof(not_above) / sizeof(not_above[0]); i++) {
        struct block_builder builder = BLOCK_BUILDER_INIT;
        struct entry second = entry;

        assert_ok(block_builder_add(&builder, &entry, &err), &err);
        second.key = slice_of(not_above[i], strlen(not_above[i]));
        assert_status(block_builder_add(&builder, &second, &err), LSMKV_MISUSE, &err);
        block_builder_release(&builder);
    }
}

static void builder_refuses_keys_over_the_limit(void **state)
{
    struct block_builder builder = BLOCK_BUILDER_INIT;
    uint8_t *key = calloc(1, LSMKV_KEY_MAX + 1);
    struct entry entry = {slice_of(key, LSMKV_KEY_MAX + 1), slice_of("v", 1), 1, ENTRY_PUT};

    (void)state;
    assert_non_null(key);
    assert_status(block_builder_add(&builder, &entry, &err), LSMKV_TOOBIG, &err);
    entry.key.size--;
    assert_ok(block_builder_add(&builder, &entry, &err), &err);
    block_builder_release(&builder);
    free(key);
}

/* ---- Bytes that no builder writes ---- */

/* Restart points follow `entries`; 0xffffffff ends them. */
static struct lsmkv_buf craft(const char *entries, size_t size, const uint32_t *restarts)
{
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    uint8_t number[4];
    uint32_t count = 0;

    assert_ok(buf_append(&bytes, entries, size, &err), &err);
    for (; restarts[count] != UINT32_MAX; count++) {
        put_u32(number, restarts[count]);
        assert_ok(buf_append(&bytes, number, 4, &err), &err);
    }
    put_u32(number, count);
    assert_ok(buf_append(&bytes, number, 4, &err), &err);
    return bytes;
}

static enum lsmkv_status walk(const struct block *block, bool forward)
{
    struct block_iter it = {.key = LSMKV_BUF_INIT};
    enum lsmkv_status status;

    block_iter_set(&it, block);
    status = forward ? block_iter_first(&it, &err) : block_iter_last(&it, &err);
    while (!status && it.valid)
        status = forward ? block_iter_next(&it, &err) : block_iter_prev(&it, &err);
    block_iter_release(&it);
    return status;
}

static void check_walks_are_corrupt(const char *entries, size_t size, const uint32_t *restarts)
{
    struct lsmkv_buf bytes = craft(entries, size, restarts);
    struct block block;

    assert_ok(block_init(&block, slice_of_buf(&bytes), &place, &err), &err);
    assert_fails(walk(&block, true), LSMKV_CORRUPT, &err, "sst/000001.sst: bad entry at byte");
    assert_fails(walk(&block, false), LSMKV_CORRUPT, &err, "of the block at offset 8192");
    lsmkv_buf_release(&bytes);
}

#define RESTARTS(...)               ((const uint32_t[]){__VA_ARGS__, UINT32_MAX})
#define CHECK_CORRUPT(entries, ...) check_walks_are_corrupt(entries, sizeof(entries) - 1, RESTARTS(__VA_ARGS__))

static void iter_rejects_keys_that_do_not_rise(void **state)
{
    (void)state;
    CHECK_CORRUPT("\0\1\1\1\0b"
                  "\0\1\1\1\0a",
                  0); /* below */
    CHECK_CORRUPT("\0\1\1\1\0b"
                  "\0\1\1\1\0b",
                  0); /* equal */
    CHECK_CORRUPT("\0\1\1\1\0b"
                  "\1\0\1\1\0",
                  0); /* equal, by sharing all */
    CHECK_CORRUPT("\0\2\1\1\0bc"
                  "\1\1\1\1\0b",
                  0); /* below, behind a shared byte */
    CHECK_CORRUPT("\0\1\1\1\0b"
                  "\0\1\1\1\0a",
                  0, 6); /* below, at a restart point */
}

static void iter_rejects_bad_entries(void **state)
{
    (void)state;
    CHECK_CORRUPT("\0\1\1\1\0b"
                  "\2\1\1\1\0c",
                  0);                                                    /* shares more than there is */
    CHECK_CORRUPT("\1\1\1\1\0b", 0);                                     /* the first one shares */
    CHECK_CORRUPT("\0\1\0\1\0b", 0);                                     /* kind 0 */
    CHECK_CORRUPT("\0\1\3\1\0b", 0);                                     /* kind 3 */
    CHECK_CORRUPT("\0\2\1\1\0b", 0);                                     /* key past the end */
    CHECK_CORRUPT("\0\1\1\1\1b", 0);                                     /* value past the end */
    CHECK_CORRUPT("\0\1\1\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1b", 0); /* value of 2^64 - 1 bytes */
    CHECK_CORRUPT("\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1\1\0b", 0); /* key of 2^64 - 1 bytes */
    CHECK_CORRUPT("\0\1\1\1\0b"
                  "\0\x81",
                  0); /* a varint cut off */
}

static void iter_prev_rejects_restart_points_inside_entries(void **state)
{
    static const char entries[] = "\0\1\1\1\0a"
                                  "\0\1\1\1\0b"
                                  "\0\1\1\1\0c";
    struct lsmkv_buf bytes = craft(entries, sizeof(entries) - 1, RESTARTS(0, 3));
    struct block block;

    (void)state;
    assert_ok(block_init(&block, slice_of_buf(&bytes), &place, &err), &err);
    assert_status(walk(&block, false), LSMKV_CORRUPT, &err);
    lsmkv_buf_release(&bytes);
}

static void iter_and_get_reject_restart_past_end(void **state)
{
    static const char entries[] = "\0\1\1\1\0a"
                                  "\0\1\1\1\0b";
    struct lsmkv_buf bytes = craft(entries, sizeof(entries) - 1, RESTARTS(0, 12));
    struct entry entry;
    struct block block;
    bool found;

    (void)state;
    assert_ok(block_init(&block, slice_of_buf(&bytes), &place, &err), &err);
    assert_status(walk(&block, false), LSMKV_CORRUPT, &err);
    assert_status(block_get(&block, slice_of("a", 1), &entry, &found, &err), LSMKV_CORRUPT, &err);
    assert_false(found);
    lsmkv_buf_release(&bytes);
}

static void iter_prev_rejects_runs_longer_than_the_interval(void **state)
{
    struct lsmkv_buf entries = LSMKV_BUF_INIT, bytes;
    struct block block;

    (void)state;
    for (char c = 'a'; c < 'a' + BLOCK_RESTART_INTERVAL + 1; c++) {
        const char entry[] = {0, 1, 1, 1, 0, c};

        assert_ok(buf_append(&entries, entry, sizeof(entry), &err), &err);
    }
    bytes = craft((const char *)entries.data, entries.size, RESTARTS(0));
    assert_ok(block_init(&block, slice_of_buf(&bytes), &place, &err), &err);
    assert_status(walk(&block, false), LSMKV_CORRUPT, &err);
    lsmkv_buf_release(&entries);
    lsmkv_buf_release(&bytes);
}

static void block_init_rejects_bad_restart_arrays(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"", 0},
        {"\1\0\0", 3},
        {"\0\0\0\0", 4},         /* no restart point */
        {"abcd\1\0\0\0", 8},     /* the first is not 0 */
        {"\0\0\0\0\1\0\0\0", 8}, /* no entry */
        {"\0\0\0\0\2\0\0\0", 8}, /* more than there is room for */
        {"\0\0\0\0\xff\xff\xff\xff", 8},
    };
    struct block block;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(block_init(&block, slice_of(bad[i].bytes, bad[i].size), &place, &err), LSMKV_CORRUPT, &err,
                     "bad restart points in the block at offset 8192");
}

/* Whatever the bytes are: each call ends, reads only inside (the sanitizers watch), and is OK or CORRUPT. */
static void damaged_blocks_are_read_without_harm(void **state)
{
    struct block_builder builder = BLOCK_BUILDER_INIT;
    uint64_t random = test_seed();
    struct dataset dataset = dataset_random(60, 20, &random);
    struct block block;

    (void)state;
    build(&builder, &dataset, &block);
    for (size_t round = 0; round < test_scaled(20000); round++) {
        size_t size = test_random(&random) % 4 ? builder.bytes.size : test_random(&random) % builder.bytes.size;
        uint8_t *bytes = malloc(size + 1);
        struct block_iter it = {.key = LSMKV_BUF_INIT};
        struct lsmkv_slice key = dataset_probe(&dataset, &random);
        enum lsmkv_status status;
        struct entry entry;
        bool found;

        assert_non_null(bytes);
        memcpy(bytes, builder.bytes.data, size);
        for (size_t n = test_random(&random) % 4; n > 0 && size > 0; n--)
            bytes[test_random(&random) % size] = (uint8_t)test_random(&random);
        status = block_init(&block, slice_of(bytes, size), &place, &err);
        if (!status) {
            status = block_get(&block, key, &entry, &found, &err);
            assert_true(status == LSMKV_OK || status == LSMKV_CORRUPT);
            status = walk(&block, test_random(&random) % 2);
            assert_true(status == LSMKV_OK || status == LSMKV_CORRUPT);
            block_iter_set(&it, &block);
            status = block_iter_seek(&it, key, &err);
        }
        assert_true(status == LSMKV_OK || status == LSMKV_CORRUPT);
        block_iter_release(&it);
        free(bytes);
    }
    dataset_release(&dataset);
    block_builder_release(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_reads_back_what_was_built),
        cmocka_unit_test(block_holds_the_empty_key_and_keys_that_begin_alike),
        cmocka_unit_test(block_compresses_common_beginnings),
        cmocka_unit_test(size_with_is_never_below_the_real_size),
        cmocka_unit_test(builder_refuses_keys_that_do_not_rise),
        cmocka_unit_test(builder_refuses_keys_over_the_limit),
        cmocka_unit_test(iter_rejects_keys_that_do_not_rise),
        cmocka_unit_test(iter_rejects_bad_entries),
        cmocka_unit_test(iter_prev_rejects_restart_points_inside_entries),
        cmocka_unit_test(iter_and_get_reject_restart_past_end),
        cmocka_unit_test(iter_prev_rejects_runs_longer_than_the_interval),
        cmocka_unit_test(block_init_rejects_bad_restart_arrays),
        cmocka_unit_test(damaged_blocks_are_read_without_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
