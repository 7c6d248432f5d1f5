/*
 * test_row_codec.c - rows give back what was put in, column by column in any order; damaged rows are refused.
 */
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "ext/bytes.h"
#include "ext/memory.h"
#include "ext/row_codec.h"
#include "ext/schema_parse.h"

#define COLUMNS_MAX 40

struct row {
    struct table_schema schema; /* with one index */
    struct cell cells[COLUMNS_MAX];
    uint8_t bytes[COLUMNS_MAX][64];
    int64_t rowid;
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

/* "(c3, c0 COLLATE NOCASE DESC)": one to four different columns. */
static void random_parts(uint64_t *state, sqlite3_str *sql, int count)
{
    static const char *const collations[] = {"", " COLLATE BINARY", " COLLATE NOCASE", " COLLATE RTRIM"};
    int first = (int)(test_random(state) % (uint64_t)count), parts = 1 + (int)(test_random(state) % 4), i;

    for (i = 0; i < parts && i < count; i++)
        sqlite3_str_appendf(sql, "%sc%d%s%s", i ? ", " : "(", (first + i) % count, collations[test_random(state) % 4],
                            test_random(state) % 2 ? " DESC" : "");
    sqlite3_str_appendall(sql, ")");
}

static void random_schema(uint64_t *state, struct table_schema *schema)
{
    int count = 1 + (int)(test_random(state) % COLUMNS_MAX), kind = (int)(test_random(state) % 3), i;
    sqlite3_str *sql = sqlite3_str_new(NULL);
    char *text, *message = NULL;

    for (i = 0; i < count; i++)
        sqlite3_str_appendf(sql, "%sc%d%s", i ? ", " : "", i, i == 0 && kind == 1 ? " INTEGER PRIMARY KEY" : "");
    if (kind == 2) {
        sqlite3_str_appendall(sql, ", PRIMARY KEY ");
        random_parts(state, sql, count);
    }
    sqlite3_str_appendall(sql, ", INDEX i ");
    random_parts(state, sql, count);
    text = sqlite3_str_finish(sql);
    schema_init(schema);
    if (schema_parse(schema, text, &message))
        fail_msg("%s: %s", text, message);
    sqlite3_free(text);
}

static void random_row(uint64_t *state, struct row *row)
{
    int i;

    random_schema(state, &row->schema);
    for (i = 0; i < row->schema.count; i++)
        random_cell(state, &row->cells[i], row->bytes[i]);
    row->rowid = 5;
    if (row->schema.key_kind == KEY_INTEGER) {
        row->cells[0].type = CELL_INTEGER;
        row->rowid = row->cells[0].integer;
    }
}

static void layout_of(const struct row *row, bool index, struct row_layout *layout)
{
    if (index)
        assert_int_equal(row_layout_init_index(layout, &row->schema, &row->schema.indexes[0]), LSMKV_OK);
    else
        assert_int_equal(row_layout_init_table(layout, &row->schema), LSMKV_OK);
}

static void encode(const struct row *row, const struct row_layout *layout, struct lsmkv_buf *key,
                   struct lsmkv_buf *value)
{
    key->size = 0;
    assert_int_equal(key_put_keyspace(key, 1), LSMKV_OK);
    assert_int_equal(key_put_shape(key, layout->shape, row->cells, row->rowid), LSMKV_OK);
    assert_int_equal(row_encode(value, layout, row->cells), LSMKV_OK);
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

static void read_columns(const struct row *row, const struct row_layout *layout, struct row_reader *reader,
                         uint64_t *seed)
{
    struct cell got;
    int reads;

    for (reads = 0; reads < 2 * row->schema.count; reads++) {
        int column = (int)(test_random(seed) % (uint64_t)row->schema.count);

        if (!row_layout_holds(layout, column))
            continue;
        assert_int_equal(row_reader_get(reader, column, &got), LSMKV_OK);
        assert_cell_equal(&got, &row->cells[column]);
    }
}

/* The same for entries of an index, which also lead to their row. */
static void rows_give_their_columns_back_in_any_order(void **state)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT, value = LSMKV_BUF_INIT, primary = LSMKV_BUF_INIT, found = LSMKV_BUF_INIT;
    uint64_t seed = test_seed();
    struct row_layout layout;
    struct row_reader reader;
    struct row row;
    size_t i;
    int index;

    (void)state;
    for (i = 0; i < test_scaled(5000); i++) {
        random_row(&seed, &row);
        for (index = 0; index < 2; index++) {
            layout_of(&row, index, &layout);
            encode(&row, &layout, &key, &value);
            assert_int_equal(row_reader_init(&reader, &layout), LSMKV_OK);
            assert_int_equal(row_reader_set(&reader, bytes_of(&key), bytes_of(&value)), LSMKV_OK);
            read_columns(&row, &layout, &reader, &seed);
            if (index) {
                primary.size = 0;
                assert_int_equal(key_put_keyspace(&primary, 9), LSMKV_OK);
                assert_int_equal(key_put_shape(&primary, &row.schema.primary, row.cells, row.rowid), LSMKV_OK);
                assert_int_equal(row_reader_primary_key(&reader, &row.schema.indexes[0], 9, &found), LSMKV_OK);
                assert_int_equal(bytes_compare(bytes_of(&primary), bytes_of(&found)), 0);
            }
            row_reader_release(&reader);
            row_layout_release(&layout);
        }
        schema_release(&row.schema);
    }
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&value);
    lsmkv_buf_release(&primary);
    lsmkv_buf_release(&found);
}

static void parse(struct table_schema *schema, struct row_layout *layout, const char *definition)
{
    char *message = NULL;

    schema_init(schema);
    if (schema_parse(schema, definition, &message))
        fail_msg("%s: %s", definition, message);
    assert_int_equal(row_layout_init_table(layout, schema), LSMKV_OK);
}

static void what_the_key_tells_is_not_stored_twice(void **state)
{
    const struct cell cells[3] = {{.type = CELL_TEXT, .bytes = bytes_slice("a long key in lower case", 24)},
                                  {.type = CELL_INTEGER, .integer = 1},
                                  {.type = CELL_REAL, .real = 7.0}};
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    struct table_schema schema;
    struct row_layout layout;

    (void)state;
    parse(&schema, &layout, "a COLLATE NOCASE, b, c, PRIMARY KEY (c DESC, a)");
    assert_int_equal(row_encode(&value, &layout, cells), LSMKV_OK);
    assert_int_equal(value.size, 4); /* the header's size and three codes */
    row_layout_release(&layout);
    schema_release(&schema);
    lsmkv_buf_release(&value);
}

static void columns_beyond_the_row_are_null(void **state)
{
    const struct cell cell = {.type = CELL_INTEGER, .integer = 300};
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    struct table_schema narrow, wide;
    struct row_layout narrow_layout, wide_layout;
    struct row_reader reader;
    struct cell got;

    (void)state;
    parse(&narrow, &narrow_layout, "a");
    parse(&wide, &wide_layout, "a, b, c");
    assert_int_equal(row_encode(&value, &narrow_layout, &cell), LSMKV_OK);
    assert_int_equal(row_reader_init(&reader, &wide_layout), LSMKV_OK);
    assert_int_equal(row_reader_set(&reader, bytes_slice("", 0), bytes_of(&value)), LSMKV_OK);
    assert_int_equal(row_reader_get(&reader, 2, &got), LSMKV_OK);
    assert_int_equal(got.type, CELL_NULL);
    assert_int_equal(row_reader_get(&reader, 0, &got), LSMKV_OK);
    assert_true(got.integer == 300);
    row_reader_release(&reader);
    row_layout_release(&narrow_layout);
    row_layout_release(&wide_layout);
    schema_release(&narrow);
    schema_release(&wide);
    lsmkv_buf_release(&value);
}

/* A copy of the first `size` bytes, exactly as long, for the address sanitizer; sometimes with one byte changed. */
static void damage(uint64_t *seed, struct lsmkv_buf *copy, const struct lsmkv_buf *bytes, size_t size)
{
    lsmkv_buf_release(copy);
    assert_int_equal(bytes_append(copy, bytes->data, size), LSMKV_OK);
    if (size && test_random(seed) % 2)
        copy->data[test_random(seed) % size] = (uint8_t)test_random(seed);
}

/* Cut or changed rows are refused or give some value; nothing beyond the row is read. */
static void damaged_rows_are_refused(void **state)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT, value = LSMKV_BUF_INIT, copy = LSMKV_BUF_INIT, key_copy = LSMKV_BUF_INIT;
    uint64_t seed = test_seed();
    struct row_layout layout;
    struct row_reader reader;
    size_t i, refused = 0;
    struct cell got;
    struct row row;
    int column;

    (void)state;
    for (i = 0; i < test_scaled(20000); i++) {
        random_row(&seed, &row);
        layout_of(&row, i % 2, &layout);
        encode(&row, &layout, &key, &value);
        damage(&seed, &copy, &value, test_random(&seed) % value.size);
        damage(&seed, &key_copy, &key, LSMKV_TABLE_ID_SIZE + test_random(&seed) % (key.size - LSMKV_TABLE_ID_SIZE + 1));
        assert_int_equal(row_reader_init(&reader, &layout), LSMKV_OK);
        if (row_reader_set(&reader, bytes_of(&key_copy), bytes_of(&copy))) {
            refused++;
        } else {
            for (column = 0; column < row.schema.count; column++) {
                if (row_layout_holds(&layout, column))
                    refused += row_reader_get(&reader, column, &got) != LSMKV_OK;
            }
        }
        row_reader_release(&reader);
        row_layout_release(&layout);
        schema_release(&row.schema);
    }
    assert_true(refused > 0);
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&value);
    lsmkv_buf_release(&copy);
    lsmkv_buf_release(&key_copy);
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
