/*
 * test_row_codec.c - rows give back what was put in, column by column in any order; damaged rows are refused.
 */
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "ext/bytes.h"
#include "ext/memory.h"
#include "ext/row_codec.h"

#define COLUMNS_MAX 40

struct row {
    struct cell cells[COLUMNS_MAX];
    uint8_t bytes[COLUMNS_MAX][64];
    int count, key_column;
    enum collation collation;
    bool rowid_key;
};

static void random_cell(uint64_t *state, struct cell *cell, uint8_t bytes[64])
{
    static const int64_t integers[] = {0,
                                       1,
                                       -1,
                                       127,
                                       128,
                                       -128,
                                       -129,
                                       32767,
                                       32768,
                                       8388607,
                                       8388608,
                                       -8388608,
                                       2147483647,
                                       2147483648,
                                       -2147483648,
                                       140737488355327,
                                       140737488355328,
                                       INT64_MAX,
                                       INT64_MIN};
    static const double reals[] = {0.0,     -0.0, 1.0, 1.5, -2.0, 1e300, 9007199254740992.0, -9223372036854775808.0,
                                   HUGE_VAL};
    size_t size = test_random(state) % 64, i;

    memset(cell, 0, sizeof(*cell));
    cell->type = (enum cell_type)(test_random(state) % 5);
    cell->integer = integers[test_random(state) % (sizeof(integers) / sizeof(integers[0]))];
    cell->real = reals[test_random(state) % (sizeof(reals) / sizeof(reals[0]))];
    for (i = 0; i < size; i++)
        bytes[i] = (uint8_t)("aAbB \0x"[test_random(state) % 7]);
    cell->bytes = bytes_slice(bytes, size);
}

static void random_row(uint64_t *state, struct row *row)
{
    int i;

    row->count = 1 + (int)(test_random(state) % COLUMNS_MAX);
    row->key_column = (int)(test_random(state) % (uint64_t)(row->count + 1)) - 1;
    row->collation = (enum collation)(test_random(state) % 3);
    row->rowid_key = row->key_column < 0 || test_random(state) % 2;
    for (i = 0; i < row->count; i++)
        random_cell(state, &row->cells[i], row->bytes[i]);
    if (row->key_column >= 0 && row->rowid_key)
        row->cells[row->key_column].type = CELL_INTEGER;
}

static void encode(const struct row *row, struct lsmkv_buf *key, struct lsmkv_buf *value)
{
    key->size = 0;
    assert_int_equal(key_put_table(key, 1), LSMKV_OK);
    if (row->rowid_key)
        assert_int_equal(key_put_rowid(key, row->key_column < 0 ? 5 : row->cells[row->key_column].integer), LSMKV_OK);
    else
        assert_int_equal(key_put_cell(key, &row->cells[row->key_column], row->collation), LSMKV_OK);
    assert_int_equal(row_encode(value, row->cells, row->count, row->key_column, row->collation, row->rowid_key),
                     LSMKV_OK);
}

static void assert_cell_equal(const struct cell *got, const struct cell *expected)
{
    assert_int_equal(got->type, expected->type);
    switch (got->type) {
    case CELL_INTEGER:
        assert_true(got->integer == expected->integer);
        break;
    case CELL_REAL:
        assert_memory_equal(&got->real, &expected->real, sizeof(got->real)); /* the sign of zero too */
        break;
    case CELL_TEXT:
    case CELL_BLOB:
        assert_int_equal(bytes_compare(got->bytes, expected->bytes), 0);
        break;
    default:
        break;
    }
}

static void rows_give_their_columns_back_in_any_order(void **state)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT, value = LSMKV_BUF_INIT;
    uint64_t seed = test_seed();
    struct row_reader reader;
    struct cell got;
    struct row row;
    size_t i;
    int reads;

    (void)state;
    for (i = 0; i < test_scaled(5000); i++) {
        random_row(&seed, &row);
        encode(&row, &key, &value);
        assert_int_equal(row_reader_init(&reader, row.count, row.rowid_key), LSMKV_OK);
        assert_int_equal(row_reader_set(&reader, bytes_of(&key), bytes_of(&value)), LSMKV_OK);
        for (reads = 0; reads < 2 * row.count; reads++) {
            int column = (int)(test_random(&seed) % (uint64_t)row.count);

            assert_int_equal(row_reader_get(&reader, column, &got), LSMKV_OK);
            assert_cell_equal(&got, &row.cells[column]);
        }
        row_reader_release(&reader);
    }
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&value);
}

static void what_the_key_tells_is_not_stored_twice(void **state)
{
    const struct cell cells[2] = {{.type = CELL_TEXT, .bytes = bytes_slice("a long key in lower case", 24)},
                                  {.type = CELL_INTEGER, .integer = 1}};
    struct lsmkv_buf value = LSMKV_BUF_INIT;

    (void)state;
    assert_int_equal(row_encode(&value, cells, 2, 0, COLLATION_NOCASE, false), LSMKV_OK);
    assert_int_equal(value.size, 3); /* the header's size and two codes */
    lsmkv_buf_release(&value);
}

static void columns_beyond_the_row_are_null(void **state)
{
    const struct cell cell = {.type = CELL_INTEGER, .integer = 300};
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    struct row_reader reader;
    struct cell got;

    (void)state;
    assert_int_equal(row_encode(&value, &cell, 1, -1, COLLATION_BINARY, true), LSMKV_OK);
    assert_int_equal(row_reader_init(&reader, 3, true), LSMKV_OK);
    assert_int_equal(row_reader_set(&reader, bytes_slice("", 0), bytes_of(&value)), LSMKV_OK);
    assert_int_equal(row_reader_get(&reader, 2, &got), LSMKV_OK);
    assert_int_equal(got.type, CELL_NULL);
    assert_int_equal(row_reader_get(&reader, 0, &got), LSMKV_OK);
    assert_true(got.integer == 300);
    row_reader_release(&reader);
    lsmkv_buf_release(&value);
}

/* Cut or changed rows are refused or give some value; nothing beyond the row is read. */
static void damaged_rows_are_refused(void **state)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT, value = LSMKV_BUF_INIT, copy = LSMKV_BUF_INIT;
    uint64_t seed = test_seed();
    struct row_reader reader;
    size_t i, refused = 0;
    struct cell got;
    struct row row;
    int column;

    (void)state;
    for (i = 0; i < test_scaled(20000); i++) {
        size_t size;

        random_row(&seed, &row);
        encode(&row, &key, &value);
        size = test_random(&seed) % value.size;
        lsmkv_buf_release(&copy); /* exactly as long as the row, for the address sanitizer */
        assert_int_equal(bytes_append(&copy, value.data, size), LSMKV_OK);
        if (size && test_random(&seed) % 2)
            copy.data[test_random(&seed) % size] = (uint8_t)test_random(&seed);
        assert_int_equal(row_reader_init(&reader, row.count, row.rowid_key), LSMKV_OK);
        if (row_reader_set(&reader, bytes_of(&key), bytes_of(&copy))) {
            refused++;
        } else {
            for (column = 0; column < row.count; column++)
                refused += row_reader_get(&reader, column, &got) != LSMKV_OK;
        }
        row_reader_release(&reader);
    }
    assert_true(refused > 0);
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&value);
    lsmkv_buf_release(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_give_their_columns_back_in_any_order),
        cmocka_unit_test(what_the_key_tells_is_not_stored_twice),
        cmocka_unit_test(columns_beyond_the_row_are_null),
        cmocka_unit_test(damaged_rows_are_refused),
    };

    memory_setup(); /* one allocator for buffers of the engine and of the extension */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
