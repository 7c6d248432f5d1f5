/*
 * test_wal_format.c - segment headers, frames and entries to bytes and back, from hostile bytes too.
 */
#include "support/test.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/checksum.h"
#include "support/log_file.h"
#include "wal/frame.h"

static struct lsmkv_error err;

static void wal_header_comes_back_as_it_was_put(void **state)
{
    struct wal_header header = log_header(), got;
    uint8_t bytes[WAL_HEADER_SIZE];
    uint64_t put, checksum;

    (void)state;
    for (int promised = 0; promised < 2; promised++) {
        header.length_promised = promised;
        wal_header_put(bytes, &header, &put);
        memset(&got, 0xff, sizeof(got));
        assert_ok(wal_header_get(bytes, "x", &got, &checksum, &err), &err);
        assert_int_equal(got.version, WAL_VERSION);
        assert_int_equal(got.segment, header.segment);
        assert_int_equal(got.salt, header.salt);
        assert_int_equal(got.predecessor, header.predecessor);
        assert_int_equal(got.predecessor_length, header.predecessor_length);
        assert_int_equal(got.length_promised, promised);
        assert_memory_equal(got.store_id, header.store_id, sizeof(got.store_id));
        assert_int_equal(checksum, put);
    }
}

static void wal_header_has_the_documented_bytes(void **state)
{
    struct wal_header header = log_header();
    uint8_t bytes[WAL_HEADER_SIZE];
    uint64_t checksum;

    (void)state;
    header.length_promised = false;
    wal_header_put(bytes, &header, &checksum);
    assert_memory_equal(bytes, "lsmkvWAL\x02\0\0\0\x01\0\0\0\x03\0\0\0\0\0\0\0\x17\x5a\x17\x5a\x17\x5a\x17\x5a", 32);
    assert_memory_equal(bytes + 32,
                        "\x02\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0"
                        "0123456789abcde\0\0\0\0\0\0\0\0\0",
                        40);
    assert_int_equal(get_u64(bytes + 72), checksum64(slice_of(bytes, 72)));
    assert_int_equal(get_u64(bytes + 72), checksum);
}

static void wal_header_with_any_bit_flipped_is_refused(void **state)
{
    struct wal_header header = log_header();
    uint8_t bytes[WAL_HEADER_SIZE];
    uint64_t checksum;

    (void)state;
    wal_header_put(bytes, &header, &checksum);
    for (size_t bit = 0; bit < 8 * WAL_HEADER_SIZE; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_fails(wal_header_get(bytes, "dir/file", &header, &checksum, &err), LSMKV_CORRUPT, &err, "dir/file");
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Puts `value` at `offset` and makes the checksum right again. */
static void change_header(uint8_t bytes[WAL_HEADER_SIZE], size_t offset, uint32_t value)
{
    put_u32(bytes + offset, value);
    put_u64(bytes + 72, checksum64(slice_of(bytes, 72)));
}

static void wal_header_of_a_newer_version_is_refused_by_number(void **state)
{
    struct wal_header header = log_header();
    uint8_t bytes[WAL_HEADER_SIZE];
    uint64_t checksum;

    (void)state;
    wal_header_put(bytes, &header, &checksum);
    change_header(bytes, 8, 3);
    assert_fails(wal_header_get(bytes, "dir/file", &header, &checksum, &err), LSMKV_CANTOPEN, &err, "version 3");
    change_header(bytes, 8, 0);
    assert_status(wal_header_get(bytes, "dir/file", &header, &checksum, &err), LSMKV_CORRUPT, &err);
    change_header(bytes, 8, 1);
    change_header(bytes, 12, 2);
    assert_status(wal_header_get(bytes, "dir/file", &header, &checksum, &err), LSMKV_CORRUPT, &err);
    change_header(bytes, 12, 0);
    change_header(bytes, 68, 1);
    assert_status(wal_header_get(bytes, "dir/file", &header, &checksum, &err), LSMKV_CORRUPT, &err);
}

/* Segments of version 1 are in stores that a released lsmkv wrote. */
static void wal_header_of_version_1_is_read(void **state)
{
    struct wal_header header = log_header(), got;
    uint8_t bytes[WAL_HEADER_SIZE];
    uint64_t checksum;

    (void)state;
    wal_header_put(bytes, &header, &checksum);
    change_header(bytes, 8, 1);
    assert_ok(wal_header_get(bytes, "x", &got, &checksum, &err), &err);
    assert_int_equal(got.version, 1);
    assert_int_equal(got.segment, header.segment);
}

static void wal_reads_come_back_as_they_were_put(void **state)
{
    const struct wal_read put[] = {
        {.range = false, .key = {(const uint8_t *)"key", 3}},
        {.range = true, .key = {(const uint8_t *)"a\0b", 3}, .upper = {(const uint8_t *)"c", 1}},
        {.range = true},
    };
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    struct reader reader;
    struct wal_read got;
    struct entry entry;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_ok(wal_read_append(&bytes, &put[i], &err), &err);
    assert_memory_equal(bytes.data,
                        "\x03\x03key\x04\x03\x01"
                        "a\0bc\x04\0\0",
                        bytes.size);
    for (size_t size = 0; size < 5; size++) { /* a part of the first one is none */
        reader_init(&reader, slice_of(bytes.data, size));
        assert_false(wal_read_get(&reader, &got));
        assert_int_equal(reader_left(&reader), size);
    }
    reader_init(&reader, slice_of_buf(&bytes));
    assert_false(wal_entry_get(&reader, &entry)); /* a read is no entry */
    for (size_t i = 0; i < 3; i++) {
        assert_true(wal_read_get(&reader, &got));
        assert_int_equal(got.range, put[i].range);
        assert_int_equal(slice_compare(got.key, put[i].key), 0);
        assert_true(!put[i].range || slice_compare(got.upper, put[i].upper) == 0);
    }
    assert_false(wal_read_get(&reader, &got));
    lsmkv_buf_release(&bytes);
}

static void wal_frame_is_valid_in_its_own_place_only(void **state)
{
    struct wal_header header = log_header(), other;
    struct wal_frame frame = {
        .length = 5, .type = WAL_ABORT, .last = true, .sequence = 9, .synced = 80, .previous = 0x1122334455667788u};
    uint8_t bytes[48] = {0};
    struct wal_frame got;

    (void)state;
    memcpy(bytes + WAL_FRAME_HEADER, "hello", 5);
    wal_frame_put(bytes, &frame, wal_frame_seed(&header, 80));
    assert_memory_equal(bytes + 8, "\5\0\0\0\4\1\0\0\t\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11",
                        32);
    assert_true(wal_frame_get(bytes, &got));
    assert_memory_equal(&got.checksum, &frame.checksum, 8);
    assert_int_equal(got.length, 5);
    assert_int_equal(got.type, WAL_ABORT);
    assert_true(got.last);
    assert_int_equal(got.sequence, 9);
    assert_int_equal(got.synced, 80);
    assert_int_equal(got.previous, frame.previous);
    assert_true(wal_frame_matches(bytes, &got, wal_frame_seed(&header, 80)));
    assert_false(wal_frame_matches(bytes, &got, wal_frame_seed(&header, 88)));
    other = header;
    other.segment++;
    assert_false(wal_frame_matches(bytes, &got, wal_frame_seed(&other, 80)));
    other = header;
    other.salt++;
    assert_false(wal_frame_matches(bytes, &got, wal_frame_seed(&other, 80)));
}

static void wal_frame_with_impossible_fields_is_refused(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
    } bad[] = {{11, 2}, {12, 0}, {12, 5}, {13, 2}, {14, 1}, {15, 1}};
    struct wal_frame frame = {.type = WAL_COMMIT};
    uint8_t bytes[WAL_FRAME_HEADER];

    (void)state;
    wal_frame_put(bytes, &frame, 0);
    put_u32(bytes + 8, WAL_PAYLOAD_MAX);
    assert_true(wal_frame_get(bytes, &frame));
    put_u32(bytes + 8, WAL_PAYLOAD_MAX + 1);
    assert_false(wal_frame_get(bytes, &frame));
    put_u32(bytes + 8, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t kept = bytes[bad[i].offset];

        bytes[bad[i].offset] = bad[i].value;
        assert_false(wal_frame_get(bytes, &frame));
        bytes[bad[i].offset] = kept;
    }
    assert_true(wal_frame_get(bytes, &frame));
}

static size_t put_entry(uint8_t *to, const struct entry *entry)
{
    size_t size = wal_entry_head_put(to, entry);

    if (entry->key.size)
        memcpy(to + size, entry->key.data, entry->key.size);
    size += entry->key.size;
    if (entry->value.size)
        memcpy(to + size, entry->value.data, entry->value.size);
    return size + entry->value.size;
}

static void wal_entry_comes_back_as_it_was_put(void **state)
{
    static const uint8_t text[300] = {1, 2, 3};
    static const size_t sizes[] = {0, 1, 127, 128, 300};
    uint8_t bytes[700];

    (void)state;
    for (size_t i = 0; i < 5 * 6; i++) {
        struct entry entry = {.key = slice_of(text, sizes[i / 6]), .kind = ENTRY_DELETE}, got = {.sequence = 42};
        struct reader reader;
        size_t size;

        if (i % 6 < 5) {
            entry.kind = ENTRY_PUT;
            entry.value = slice_of(text, sizes[i % 6]);
        }
        size = put_entry(bytes, &entry);
        assert_int_equal(wal_entry_size(&entry), size);
        /* Cut anywhere it is none; whole, with more behind it, it is read and no more. */
        for (size_t cut = 0; cut < size; cut++) {
            reader_init(&reader, slice_of(bytes, cut));
            assert_false(wal_entry_get(&reader, &got));
            assert_int_equal(reader_left(&reader), cut);
        }
        reader_init(&reader, slice_of(bytes, size + 3));
        assert_true(wal_entry_get(&reader, &got));
        assert_int_equal(reader_left(&reader), 3);
        assert_int_equal(got.kind, entry.kind);
        assert_true(slice_equal(got.key, entry.key));
        assert_true(slice_equal(got.value, entry.value));
        assert_int_equal(got.sequence, 42);
    }
}

static void wal_entry_refuses_hostile_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\0\1k", 3},                                         /* no such kind */
        {"\3\1k", 3},                                         /* nor this */
        {"\2\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1", 12}, /* a varint too long */
        {"\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\1k", 12},    /* a key of 2^64 - 1 bytes */
        {"\1\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1kv", 14}, /* such a value */
        {"\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2kv", 14}, /* sizes whose sum overflows */
    };
    struct entry entry;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct reader reader;

        reader_init(&reader, slice_of(bad[i].bytes, bad[i].size));
        assert_false(wal_entry_get(&reader, &entry));
        assert_int_equal(reader_left(&reader), bad[i].size);
    }
}

static void wal_path_has_six_digits_or_more(void **state)
{
    char *path = wal_path("dir", 42);

    (void)state;
    assert_string_equal(path, "dir/wal/000042.wal");
    lsm_free(path);
    path = wal_path("dir", 12345678901u);
    assert_string_equal(path, "dir/wal/12345678901.wal");
    lsm_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wal_header_comes_back_as_it_was_put),
        cmocka_unit_test(wal_header_has_the_documented_bytes),
        cmocka_unit_test(wal_header_with_any_bit_flipped_is_refused),
        cmocka_unit_test(wal_header_of_a_newer_version_is_refused_by_number),
        cmocka_unit_test(wal_header_of_version_1_is_read),
        cmocka_unit_test(wal_reads_come_back_as_they_were_put),
        cmocka_unit_test(wal_frame_is_valid_in_its_own_place_only),
        cmocka_unit_test(wal_frame_with_impossible_fields_is_refused),
        cmocka_unit_test(wal_entry_comes_back_as_it_was_put),
        cmocka_unit_test(wal_entry_refuses_hostile_bytes),
        cmocka_unit_test(wal_path_has_six_digits_or_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
