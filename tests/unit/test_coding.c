/*
 * test_coding.c - integers on disk, the bounds-checked reader, checksums, counters.
 */
#include "support/test.h"

#include <string.h>

#include "lsm/base/buf.h"
#include "lsm/base/checksum.h"
#include "lsm/base/coding.h"
#include "lsm/base/counters.h"

static void fixed_integers_have_their_byte_order(void **state)
{
    uint8_t bytes[8];

    (void)state;
    put_u16(bytes, 0x0102);
    assert_memory_equal(bytes, "\x02\x01", 2);
    assert_int_equal(get_u16(bytes), 0x0102);
    put_u32(bytes, 0x01020384);
    assert_memory_equal(bytes, "\x84\x03\x02\x01", 4);
    assert_int_equal(get_u32(bytes), 0x01020384);
    put_u64(bytes, 0xf102030405060708);
    assert_memory_equal(bytes, "\x08\x07\x06\x05\x04\x03\x02\xf1", 8);
    assert_true(get_u64(bytes) == 0xf102030405060708);
    put_u32_be(bytes, 0x81020304);
    assert_memory_equal(bytes, "\x81\x02\x03\x04", 4);
    assert_true(get_u32_be(bytes) == 0x81020304);
    put_u64_be(bytes, 0xf102030405060708);
    assert_memory_equal(bytes, "\xf1\x02\x03\x04\x05\x06\x07\x08", 8);
    assert_true(get_u64_be(bytes) == 0xf102030405060708);
}

static void varints_round_trip_at_every_bit_length(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t around = bits < 64 ? 1ull << bits : 0;

        for (uint64_t value = around - 2; value != around + 2; value++) {
            uint8_t bytes[VARINT64_MAX];
            size_t size = put_varint(bytes, value);
            struct reader reader;
            uint64_t back;

            assert_int_equal(size, varint_size(value));
            reader_init(&reader, slice_of(bytes, size));
            assert_true(read_varint(&reader, &back));
            assert_true(back == value);
            assert_int_equal(reader_left(&reader), 0);
            /* Cut short by one byte it is refused and nothing moves. */
            reader_init(&reader, slice_of(bytes, size - 1));
            assert_false(read_varint(&reader, &back));
            assert_int_equal(reader_left(&reader), size - 1);
        }
    }
}

static void varint_over_64_bits_is_refused(void **state)
{
    static const uint8_t overflow[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    static const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    static const uint8_t largest[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct reader reader;
    uint64_t value;

    (void)state;
    reader_init(&reader, slice_of(overflow, sizeof(overflow)));
    assert_false(read_varint(&reader, &value));
    reader_init(&reader, slice_of(eleven, sizeof(eleven)));
    assert_false(read_varint(&reader, &value));
    assert_int_equal(reader_left(&reader), sizeof(eleven));
    reader_init(&reader, slice_of(largest, sizeof(largest)));
    assert_true(read_varint(&reader, &value));
    assert_true(value == UINT64_MAX);
}

static void reader_stops_at_the_end(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
    struct lsmkv_slice slice;
    struct reader reader;
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;
    uint8_t u8;

    (void)state;
    reader_init(&reader, slice_of(bytes, sizeof(bytes)));
    assert_false(read_u64(&reader, &u64));
    assert_true(read_u32(&reader, &u32));
    assert_int_equal(u32, 0x04030201);
    assert_false(read_u32(&reader, &u32));
    assert_true(read_u16(&reader, &u16));
    assert_int_equal(u16, 0x0605);
    assert_false(read_u16(&reader, &u16));
    assert_false(read_bytes(&reader, 2, &slice));
    assert_false(read_bytes(&reader, SIZE_MAX, &slice));
    assert_true(read_u8(&reader, &u8));
    assert_int_equal(u8, 7);
    assert_false(read_u8(&reader, &u8));
    assert_true(read_bytes(&reader, 0, &slice));

    reader_init(&reader, slice_of(NULL, 0));
    assert_int_equal(reader_left(&reader), 0);
    assert_false(read_u8(&reader, &u8));
}

static void length_prefix_past_the_end_is_refused(void **state)
{
    static const uint8_t good[] = {3, 'a', 'b', 'c', 1};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'a'};
    struct lsmkv_slice slice;
    struct reader reader;

    (void)state;
    reader_init(&reader, slice_of(good, sizeof(good)));
    assert_true(read_length_prefixed(&reader, &slice));
    assert_int_equal(slice.size, 3);
    assert_memory_equal(slice.data, "abc", 3);
    assert_false(read_length_prefixed(&reader, &slice));
    assert_int_equal(reader_left(&reader), 1);
    reader_init(&reader, slice_of(huge, sizeof(huge)));
    assert_false(read_length_prefixed(&reader, &slice));
    assert_int_equal(reader_left(&reader), sizeof(huge));
}

/* Files written by one build must be read by all: the values are those of XXH3 itself. */
static void checksum_is_xxh3_of_64_bits(void **state)
{
    (void)state;
    assert_true(checksum64(slice_of(NULL, 0)) == 0x2d06800538d394c2);
    assert_true(checksum64(slice_of("abc", 3)) == 0x78af5f94892f3950);
    assert_true(checksum64_seeded(slice_of("abc", 3), 0) == checksum64(slice_of("abc", 3)));
    assert_true(checksum64_seeded(slice_of("abc", 3), 1) != checksum64(slice_of("abc", 3)));
    assert_true(hash64(slice_of("abc", 3)) != checksum64(slice_of("abc", 3)));
}

static void counters_are_listed_by_name(void **state)
{
    struct counters counters;
    const char *name;
    bool seen = false;
    uint64_t value;
    size_t count = 0;

    (void)state;
    memset(&counters, 0, sizeof(counters));
    counter_add(&counters, flush_bytes, 41);
    counter_add(&counters, flush_bytes, 1);
    for (; counters_get(&counters, count, &name, &value); count++) {
        if (strcmp(name, "flush_bytes") == 0) {
            assert_int_equal(value, 42);
            seen = true;
        } else {
            assert_int_equal(value, 0);
        }
    }
    assert_true(seen);
    assert_int_equal(count * sizeof(uint64_t), sizeof(counters));
    assert_int_equal(counter_get(&counters, flush_bytes), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_integers_have_their_byte_order),
        cmocka_unit_test(varints_round_trip_at_every_bit_length),
        cmocka_unit_test(varint_over_64_bits_is_refused),
        cmocka_unit_test(reader_stops_at_the_end),
        cmocka_unit_test(length_prefix_past_the_end_is_refused),
        cmocka_unit_test(checksum_is_xxh3_of_64_bits),
        cmocka_unit_test(counters_are_listed_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
