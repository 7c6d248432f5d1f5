/*
 * test_alloc.c - the allocator, its fault hook, growing buffers, errors.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "lsm/base/alloc.h"
#include "lsm/base/buf.h"
#include "lsm/base/error.h"

static void alloc_of_size_zero_gives_unique_pointers(void **state)
{
    void *a = lsm_alloc(0), *b = lsm_alloc(0);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    lsm_free(a);
    lsm_free(b);
    lsm_free(NULL);
}

static void calloc_zeroes_and_refuses_overflow(void **state)
{
    uint8_t *memory = lsm_calloc(100, 3);

    (void)state;
    assert_non_null(memory);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(memory[i], 0);
    lsm_free(memory);
    assert_null(lsm_calloc(SIZE_MAX / 2, 3));
}

static void realloc_keeps_content(void **state)
{
    char *memory = lsm_realloc(NULL, 8);

    (void)state;
    strcpy(memory, "content");
    memory = lsm_realloc(memory, 100000);
    assert_string_equal(memory, "content");
    lsm_free(memory);
}

static void aligned_memory_is_aligned(void **state)
{
    (void)state;
    for (size_t alignment = 8; alignment <= 4096; alignment *= 2) {
        uint8_t *memory = lsm_alloc_aligned(alignment, 100);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignment, 0);
        memset(memory, 0xff, 100);
        lsm_free_aligned(memory);
    }
    lsm_free_aligned(NULL);
    assert_null(lsm_alloc_aligned(64, SIZE_MAX - 10));
}

static void fail_at_fails_the_nth_once(void **state)
{
    void *memory;

    (void)state;
    lsm_alloc_fail_at(2, false);
    memory = lsm_alloc(1);
    assert_non_null(memory);
    assert_null(lsm_realloc(memory, 1000));
    memory = lsm_realloc(memory, 1000);
    assert_non_null(memory);
    assert_int_equal(lsm_alloc_count(), 3);
    lsm_alloc_fail_at(0, false);
    lsm_free(memory);
}

static void fail_at_fails_forever_until_turned_off(void **state)
{
    void *memory;

    (void)state;
    lsm_alloc_fail_at(1, true);
    assert_null(lsm_alloc(1));
    assert_null(lsm_calloc(1, 1));
    assert_null(lsm_strdup("x"));
    assert_null(lsm_alloc_aligned(64, 64));
    lsm_alloc_fail_at(0, false);
    memory = lsm_alloc(1);
    assert_non_null(memory);
    assert_int_equal(lsm_alloc_count(), 1);
    lsm_free(memory);
}

static int live;

static void *counting_alloc(uint64_t size)
{
    live++;
    return malloc(size);
}

static void *counting_resize(void *memory, uint64_t size)
{
    return realloc(memory, size);
}

static void counting_release(void *memory)
{
    live--;
    free(memory);
}

static void allocator_set_replaces_and_restores(void **state)
{
    static const struct lsmkv_allocator counting = {counting_alloc, counting_resize, counting_release};
    void *memory;

    (void)state;
    lsmkv_allocator_set(&counting);
    memory = lsm_alloc(10);
    assert_int_equal(live, 1);
    memory = lsm_realloc(memory, 1000);
    assert_int_equal(live, 1);
    lsm_free(memory);
    assert_int_equal(live, 0);
    lsmkv_allocator_set(NULL);
    memory = lsm_alloc(10);
    assert_int_equal(live, 0);
    lsm_free(memory);
}

static void buf_grows_and_keeps_its_bytes(void **state)
{
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    (void)state;
    for (unsigned i = 0; i < 10000; i++)
        assert_ok(buf_append(&buf, &i, sizeof(i), &err), &err);
    assert_int_equal(buf.size, 40000);
    for (unsigned i = 0; i < 10000; i++)
        assert_memory_equal(buf.data + i * sizeof(i), &i, sizeof(i));
    assert_ok(buf_append(&buf, NULL, 0, &err), &err);
    assert_ok(buf_set(&buf, slice_of("abc", 3), &err), &err);
    assert_int_equal(buf.size, 3);
    assert_memory_equal(buf.data, "abc", 3);
    assert_ok(buf_set(&buf, slice_of(NULL, 0), &err), &err);
    assert_int_equal(buf.size, 0);
    lsmkv_buf_release(&buf);
    assert_null(buf.data);
}

static void buf_is_unchanged_when_memory_is_out(void **state)
{
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint8_t large[1000] = {0};

    (void)state;
    assert_ok(buf_append(&buf, "kept", 4, &err), &err);
    lsm_alloc_fail_at(1, true);
    assert_status(buf_append(&buf, large, sizeof(large), &err), LSMKV_NOMEM, &err);
    assert_status(buf_set(&buf, slice_of(large, sizeof(large)), &err), LSMKV_NOMEM, &err);
    lsm_alloc_fail_at(0, false);
    assert_status(buf_reserve(&buf, SIZE_MAX, &err), LSMKV_NOMEM, &err);
    assert_int_equal(err.status, LSMKV_NOMEM);
    assert_int_equal(buf.size, 4);
    assert_memory_equal(buf.data, "kept", 4);
    lsmkv_buf_release(&buf);
}

static void slices_compare_as_memcmp_with_prefix_first(void **state)
{
    (void)state;
    assert_true(slice_compare(slice_of("ab", 2), slice_of("abc", 3)) < 0);
    assert_true(slice_compare(slice_of("b", 1), slice_of("abc", 3)) > 0);
    assert_true(slice_compare(slice_of("\xff", 1), slice_of("\x01", 1)) > 0);
    assert_int_equal(slice_compare(slice_of(NULL, 0), slice_of("", 0)), 0);
    assert_true(slice_compare(slice_of(NULL, 0), slice_of("a", 1)) < 0);
    assert_true(slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 3)));
    assert_false(slice_equal(slice_of("a\0b", 3), slice_of("a\0c", 3)));
    assert_true(slice_equal(slice_of(NULL, 0), slice_of("", 0)));
}

static void error_takes_its_own_message_and_cuts_long_ones(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char text[3 * LSMKV_MESSAGE_MAX];

    (void)state;
    assert_int_equal(lsmkv_fail(&err, LSMKV_IO, "inner %d", 7), LSMKV_IO);
    assert_int_equal(lsmkv_fail(&err, LSMKV_FULL, "outer: %s", err.message), LSMKV_FULL);
    assert_string_equal(err.message, "outer: inner 7");
    assert_int_equal(err.status, LSMKV_FULL);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    lsmkv_fail(&err, LSMKV_IO, "%s", text);
    assert_int_equal(strlen(err.message), LSMKV_MESSAGE_MAX - 1);
    assert_int_equal(lsmkv_fail(NULL, LSMKV_IO, "%s", text), LSMKV_IO);
    assert_int_equal(lsmkv_fail_nomem(&err), LSMKV_NOMEM);
    assert_string_equal(err.message, "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_of_size_zero_gives_unique_pointers),
        cmocka_unit_test(calloc_zeroes_and_refuses_overflow),
        cmocka_unit_test(realloc_keeps_content),
        cmocka_unit_test(aligned_memory_is_aligned),
        cmocka_unit_test(fail_at_fails_the_nth_once),
        cmocka_unit_test(fail_at_fails_forever_until_turned_off),
        cmocka_unit_test(allocator_set_replaces_and_restores),
        cmocka_unit_test(buf_grows_and_keeps_its_bytes),
        cmocka_unit_test(buf_is_unchanged_when_memory_is_out),
        cmocka_unit_test(slices_compare_as_memcmp_with_prefix_first),
        cmocka_unit_test(error_takes_its_own_message_and_cuts_long_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
