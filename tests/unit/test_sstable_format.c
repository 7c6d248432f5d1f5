/*
 * test_sstable_format.c - block trailers, properties, footer, and what a manifest records of a table.
 */
#include "support/test.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/checksum.h"
#include "sstable/format.h"

static struct lsmkv_error err;
static const struct block_place place = {"sst/000007.sst", 7, 4096};

static void seal(struct lsmkv_buf *block, const char *payload, enum block_codec codec, uint32_t raw_size,
                 uint64_t *checksum)
{
    buf_clear(block);
    assert_ok(buf_append(block, payload, strlen(payload), &err), &err);
    assert_ok(block_seal(block, codec, raw_size, &place, checksum, &err), &err);
}

static void block_seal_round_trips(void **state)
{
    struct lsmkv_buf block = LSMKV_BUF_INIT;
    struct block_parts parts;
    uint64_t checksum;

    (void)state;
    seal(&block, "payload", BLOCK_ZSTD, 1000, &checksum);
    assert_int_equal(block.size, 7 + BLOCK_TRAILER_SIZE);
    assert_ok(block_unseal(slice_of_buf(&block), &place, &parts, &err), &err);
    assert_int_equal(parts.codec, BLOCK_ZSTD);
    assert_int_equal(parts.raw_size, 1000);
    assert_true(parts.checksum == checksum);
    assert_true(slice_equal(parts.payload, slice_of("payload", 7)));
    lsmkv_buf_release(&block);
}

static void block_unseal_rejects_every_flipped_bit(void **state)
{
    struct lsmkv_buf block = LSMKV_BUF_INIT;
    struct block_parts parts;
    uint64_t checksum;

    (void)state;
    seal(&block, "payload", BLOCK_NONE, 7, &checksum);
    for (size_t bit = 0; bit < block.size * 8; bit++) {
        block.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_fails(block_unseal(slice_of_buf(&block), &place, &parts, &err), LSMKV_CORRUPT, &err,
                     "sst/000007.sst: wrong checksum of the block at offset 4096");
        block.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    lsmkv_buf_release(&block);
}

static void block_unseal_rejects_a_block_of_another_place(void **state)
{
    struct lsmkv_buf block = LSMKV_BUF_INIT;
    struct block_place other_file = place, other_offset = place;
    struct block_parts parts;
    uint64_t checksum;

    (void)state;
    seal(&block, "payload", BLOCK_NONE, 7, &checksum);
    other_file.number++;
    other_offset.offset++;
    assert_status(block_unseal(slice_of_buf(&block), &other_file, &parts, &err), LSMKV_CORRUPT, &err);
    assert_status(block_unseal(slice_of_buf(&block), &other_offset, &parts, &err), LSMKV_CORRUPT, &err);
    lsmkv_buf_release(&block);
}

static void block_unseal_rejects_impossible_trailers(void **state)
{
    struct lsmkv_buf block = LSMKV_BUF_INIT;
    struct block_parts parts;
    uint64_t checksum;

    (void)state;
    seal(&block, "payload", (enum block_codec)3, 7, &checksum);
    assert_fails(block_unseal(slice_of_buf(&block), &place, &parts, &err), LSMKV_CORRUPT, &err, "bad trailer");
    seal(&block, "payload", BLOCK_NONE, 8, &checksum);
    assert_fails(block_unseal(slice_of_buf(&block), &place, &parts, &err), LSMKV_CORRUPT, &err, "bad trailer");
    seal(&block, "payload", BLOCK_LZ4, BLOCK_RAW_MAX + 1, &checksum);
    assert_fails(block_unseal(slice_of_buf(&block), &place, &parts, &err), LSMKV_CORRUPT, &err, "bad trailer");
    assert_fails(block_unseal(slice_of(block.data, BLOCK_TRAILER_SIZE - 1), &place, &parts, &err), LSMKV_CORRUPT, &err,
                 "no block at offset 4096");
    lsmkv_buf_release(&block);
}

static void make_properties(struct sstable_info *info, struct sstable_layout *layout)
{
    *info = (struct sstable_info)SSTABLE_INFO_INIT;
    info->entries = 1000;
    info->tombstones = 10;
    info->raw_bytes = UINT64_C(1) << 40;
    info->sequence_min = 5;
    info->sequence_max = UINT64_MAX;
    assert_ok(buf_set(&info->key_min, slice_of("apple", 5), &err), &err);
    assert_ok(buf_set(&info->key_max, slice_of("pear", 4), &err), &err);
    *layout = (struct sstable_layout){25, 100000, 1293, 500, UINT64_C(0x123456789abcdef0), BLOCK_LZ4};
}

static void properties_round_trip(void **state)
{
    struct sstable_info info, back = SSTABLE_INFO_INIT;
    struct sstable_layout layout, layout_back;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;

    (void)state;
    make_properties(&info, &layout);
    assert_ok(properties_put(&bytes, &info, &layout, &err), &err);
    assert_ok(properties_get(slice_of_buf(&bytes), &place, &back, &layout_back, &err), &err);
    assert_true(back.entries == info.entries && back.tombstones == info.tombstones && back.raw_bytes == info.raw_bytes);
    assert_true(back.sequence_min == info.sequence_min && back.sequence_max == info.sequence_max);
    assert_true(slice_equal(slice_of_buf(&back.key_min), slice_of("apple", 5)));
    assert_true(slice_equal(slice_of_buf(&back.key_max), slice_of("pear", 4)));
    assert_true(layout_back.blocks == 25 && layout_back.data_size == 100000 && layout_back.filter_size == 1293);
    assert_true(layout_back.index_size == 500 && layout_back.chain == layout.chain && layout_back.codec == BLOCK_LZ4);
    sstable_info_release(&info);
    sstable_info_release(&back);
    lsmkv_buf_release(&bytes);
}

static void properties_reject_every_other_length(void **state)
{
    struct sstable_info info, back = SSTABLE_INFO_INIT;
    struct sstable_layout layout;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;

    (void)state;
    make_properties(&info, &layout);
    assert_ok(properties_put(&bytes, &info, &layout, &err), &err);
    for (size_t size = 0; size < bytes.size; size++)
        assert_fails(properties_get(slice_of(bytes.data, size), &place, &back, &layout, &err), LSMKV_CORRUPT, &err,
                     "sst/000007.sst: bad properties at offset 4096");
    assert_ok(buf_append(&bytes, "", 1, &err), &err);
    assert_status(properties_get(slice_of_buf(&bytes), &place, &back, &layout, &err), LSMKV_CORRUPT, &err);
    sstable_info_release(&info);
    sstable_info_release(&back);
    lsmkv_buf_release(&bytes);
}

static void properties_reject_crossed_key_bounds(void **state)
{
    struct sstable_info info, back = SSTABLE_INFO_INIT;
    struct sstable_layout layout;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;

    (void)state;
    make_properties(&info, &layout);
    assert_ok(buf_set(&info.key_max, slice_of("ant", 3), &err), &err);
    assert_ok(properties_put(&bytes, &info, &layout, &err), &err);
    assert_status(properties_get(slice_of_buf(&bytes), &place, &back, &layout, &err), LSMKV_CORRUPT, &err);
    sstable_info_release(&info);
    sstable_info_release(&back);
    lsmkv_buf_release(&bytes);
}

static void footer_round_trips(void **state)
{
    struct sstable_footer footer = {7, 123456, 99, UINT64_C(0xfedcba9876543210), 0}, back = {0};
    uint8_t bytes[SSTABLE_FOOTER_SIZE + 3] = {1, 2, 3};

    (void)state;
    footer_put(bytes + 3, &footer);
    assert_ok(footer_get(slice_of(bytes, sizeof(bytes)), place.path, &back, &err), &err);
    assert_true(back.number == 7 && back.file_size == 123456 && back.properties_size == 99);
    assert_true(back.properties_checksum == footer.properties_checksum && back.checksum == footer.checksum);
}

static void footer_rejects_every_flipped_bit(void **state)
{
    struct sstable_footer footer = {7, 123456, 99, 1, 0}, back;
    uint8_t bytes[SSTABLE_FOOTER_SIZE];

    (void)state;
    footer_put(bytes, &footer);
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_fails(footer_get(slice_of(bytes, sizeof(bytes)), place.path, &back, &err), LSMKV_CORRUPT, &err,
                     place.path);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void footer_rejects_a_short_tail(void **state)
{
    struct sstable_footer footer = {7, 123456, 99, 1, 0}, back;
    uint8_t bytes[SSTABLE_FOOTER_SIZE];

    (void)state;
    footer_put(bytes, &footer);
    for (size_t cut = 1; cut <= sizeof(bytes); cut++)
        assert_status(footer_get(slice_of(bytes + cut, sizeof(bytes) - cut), place.path, &back, &err), LSMKV_CORRUPT,
                      &err);
}

/* A footer of a version to come: longer, but with the same last 24 bytes. */
static void footer_refuses_a_newer_version_by_name(void **state)
{
    struct sstable_footer back;
    uint8_t bytes[80] = {0};

    (void)state;
    put_u32(bytes + 56, sizeof(bytes));
    put_u32(bytes + 60, SSTABLE_VERSION + 1);
    put_u64(bytes + 64, checksum64(slice_of(bytes, 64)));
    memcpy(bytes + 72, "lsmkvSST", 8);
    assert_fails(footer_get(slice_of(bytes, sizeof(bytes)), place.path, &back, &err), LSMKV_CANTOPEN, &err,
                 "sst/000007.sst: format version 2 is newer");
}

static void chain_depends_on_order(void **state)
{
    (void)state;
    assert_true(block_chain(block_chain(0, 1), 2) != block_chain(block_chain(0, 2), 1));
    assert_true(block_chain(0, 0) != 0);
}

static void info_copy_is_deep(void **state)
{
    struct sstable_info info, copy;
    struct sstable_layout layout;

    (void)state;
    make_properties(&info, &layout);
    info.number = 3;
    assert_ok(sstable_info_copy(&copy, &info, &err), &err);
    info.key_min.data[0] = 'X';
    assert_true(slice_equal(slice_of_buf(&copy.key_min), slice_of("apple", 5)));
    assert_true(copy.number == 3 && copy.entries == 1000);
    sstable_info_release(&info);
    sstable_info_release(&copy);
}

static bool overlaps(const struct sstable_info *info, const char *lower, const char *upper)
{
    return sstable_info_overlaps(info, slice_of(lower, lower ? strlen(lower) : 0),
                                 slice_of(upper, upper ? strlen(upper) : 0));
}

static void info_overlaps_half_open_ranges(void **state)
{
    struct sstable_info info;
    struct sstable_layout layout;

    (void)state;
    make_properties(&info, &layout);
    assert_true(overlaps(&info, NULL, NULL));
    assert_true(overlaps(&info, "pear", NULL));
    assert_false(overlaps(&info, "pears", NULL));
    assert_true(overlaps(&info, NULL, "apple1"));
    assert_false(overlaps(&info, NULL, "apple"));
    assert_true(overlaps(&info, "b", "c"));
    assert_false(overlaps(&info, "a", "apple"));
    assert_false(overlaps(&info, "q", "z"));
    sstable_info_release(&info);
}

static void path_has_six_digits_or_more(void **state)
{
    char *path = sstable_path("store", 42);

    (void)state;
    assert_string_equal(path, "store/sst/000042.sst");
    lsm_free(path);
    path = sstable_path("store", 12345678);
    assert_string_equal(path, "store/sst/12345678.sst");
    lsm_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_seal_round_trips),
        cmocka_unit_test(block_unseal_rejects_every_flipped_bit),
        cmocka_unit_test(block_unseal_rejects_a_block_of_another_place),
        cmocka_unit_test(block_unseal_rejects_impossible_trailers),
        cmocka_unit_test(properties_round_trip),
        cmocka_unit_test(properties_reject_every_other_length),
        cmocka_unit_test(properties_reject_crossed_key_bounds),
        cmocka_unit_test(footer_round_trips),
        cmocka_unit_test(footer_rejects_every_flipped_bit),
        cmocka_unit_test(footer_rejects_a_short_tail),
        cmocka_unit_test(footer_refuses_a_newer_version_by_name),
        cmocka_unit_test(chain_depends_on_order),
        cmocka_unit_test(info_copy_is_deep),
        cmocka_unit_test(info_overlaps_half_open_ranges),
        cmocka_unit_test(path_has_six_digits_or_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
