/*
 * test_key_codec.c - memcmp of encoded keys is SQLite's own comparison, and keys give their values back.
 */
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "ext/bytes.h"
#include "ext/memory.h"
#include "ext/key_codec.h"

/* ---- A value that both sides know ---- */

struct sample {
    struct cell cell;
    uint8_t bytes[24];
};

static const double reals[] = {0.0,
                               -0.0,
                               1.0,
                               -1.0,
                               0.5,
                               1.5,
                               -1.5,
                               5e-324,
                               -5e-324,
                               2.2250738585072014e-308,
                               1.7976931348623157e308,
                               9007199254740992.0,
                               9007199254740994.0,
                               -9007199254740992.0,
                               9223372036854775807.0,
                               -9223372036854775808.0,
                               9223372036854774784.0,
                               1.8446744073709552e19,
                               HUGE_VAL,
                               -HUGE_VAL};

static const int64_t integers[] = {0,
                                   1,
                                   -1,
                                   2,
                                   9007199254740991,
                                   9007199254740992,
                                   9007199254740993,
                                   -9007199254740993,
                                   INT64_MAX,
                                   INT64_MAX - 1,
                                   INT64_MIN,
                                   INT64_MIN + 1,
                                   9223372036854774784,
                                   9223372036854774785};

static double random_real(uint64_t *state)
{
    uint64_t bits = test_random(state);
    double real;

    switch (test_random(state) % 3) {
    case 0:
        return reals[bits % (sizeof(reals) / sizeof(reals[0]))];
    case 1:
        return (double)(int64_t)bits / (double)(1 + test_random(state) % 1000);
    default:
        memcpy(&real, &bits, sizeof(real));
        return isnan(real) ? 1.25 : real;
    }
}

static int64_t random_integer(uint64_t *state)
{
    uint64_t bits = test_random(state);

    switch (test_random(state) % 4) {
    case 0:
        return integers[bits % (sizeof(integers) / sizeof(integers[0]))];
    case 1:
        return (int64_t)(bits % 21) - 10;
    case 2:
        return (int64_t)bits >> (test_random(state) % 64);
    default:
        return (int64_t)((UINT64_C(1) << (bits % 63)) + test_random(state) % 3 - 1);
    }
}

/* Few different bytes, so that strings share prefixes: letters of both cases, space, zero, the escape, non-ASCII. */
static void random_bytes(uint64_t *state, struct sample *sample, bool text)
{
    static const uint8_t letters[] = {'a', 'A', 'b', 'B', 'z', 'Z', '[', '@', ' ', ' ', 0x00, 0x01, 0x7f};
    static const uint8_t any[] = {0x00, 0x00, 0x01, 0xff, 0xfe, 'a', 'A', ' '};
    size_t size = test_random(state) % 7, i;

    for (i = 0; i < size; i++)
        sample->bytes[i] = text ? letters[test_random(state) % sizeof(letters)] : any[test_random(state) % sizeof(any)];
    sample->cell.bytes = bytes_slice(sample->bytes, size);
}

static void random_sample(uint64_t *state, struct sample *sample)
{
    memset(&sample->cell, 0, sizeof(sample->cell));
    switch (test_random(state) % 4) {
    case 0:
        sample->cell.type = CELL_INTEGER;
        sample->cell.integer = random_integer(state);
        break;
    case 1:
        sample->cell.type = CELL_REAL;
        sample->cell.real = random_real(state);
        break;
    case 2:
        sample->cell.type = CELL_TEXT;
        random_bytes(state, sample, true);
        break;
    default:
        sample->cell.type = CELL_BLOB;
        random_bytes(state, sample, false);
        break;
    }
}

static void bind(sqlite3_stmt *statement, int index, const struct cell *cell)
{
    const void *bytes = cell->bytes.size ? (const void *)cell->bytes.data : "";

    switch (cell->type) {
    case CELL_INTEGER:
        sqlite3_bind_int64(statement, index, cell->integer);
        break;
    case CELL_REAL:
        sqlite3_bind_double(statement, index, cell->real);
        break;
    case CELL_TEXT:
        sqlite3_bind_text(statement, index, bytes, (int)cell->bytes.size, SQLITE_STATIC);
        break;
    case CELL_BLOB:
        sqlite3_bind_blob(statement, index, bytes, (int)cell->bytes.size, SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_null(statement, index);
        break;
    }
}

static void encode(struct lsmkv_buf *key, const struct cell *cell, enum collation collation)
{
    key->size = 0;
    assert_int_equal(key_put_keyspace(key, 7), LSMKV_OK);
    assert_int_equal(key_put_part(key, cell, collation, false), LSMKV_OK);
}

/* Decodes a key of one ascending part. */
static enum lsmkv_status decode(struct lsmkv_slice key, enum collation collation, struct cell *cell,
                                struct lsmkv_buf *scratch)
{
    const struct key_part part = {.collation = collation};
    size_t at = LSMKV_TABLE_ID_SIZE;

    return key_get_part(key, &at, &part, cell, scratch);
}

static int sign(int order)
{
    return order < 0 ? -1 : order > 0;
}

/* ---- Order ---- */

static void compare_pairs(sqlite3 *db, enum collation collation, uint64_t seed, size_t pairs)
{
    char *sql = sqlite3_mprintf("SELECT (?1 > ?2 COLLATE %s) - (?1 < ?2 COLLATE %s)", collation_name(collation),
                                collation_name(collation));
    struct lsmkv_buf a = LSMKV_BUF_INIT, b = LSMKV_BUF_INIT;
    sqlite3_stmt *statement = NULL;
    struct sample x, y;
    size_t i;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    for (i = 0; i < pairs; i++) {
        random_sample(&seed, &x);
        random_sample(&seed, &y);
        bind(statement, 1, &x.cell);
        bind(statement, 2, &y.cell);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        encode(&a, &x.cell, collation);
        encode(&b, &y.cell, collation);
        if (sign(bytes_compare(bytes_of(&a), bytes_of(&b))) != sqlite3_column_int(statement, 0)) {
            char *shown = sqlite3_expanded_sql(statement);

            fail_msg("%s: %d, keys say %d", shown, sqlite3_column_int(statement, 0),
                     sign(bytes_compare(bytes_of(&a), bytes_of(&b))));
        }
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    lsmkv_buf_release(&a);
    lsmkv_buf_release(&b);
}

static void keys_order_as_sqlite_compares(void **state)
{
    enum collation collation;
    sqlite3 *db = NULL;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (collation = COLLATION_BINARY; collation <= COLLATION_RTRIM; collation++)
        compare_pairs(db, collation, test_seed() + collation, test_scaled(200000));
    sqlite3_close(db);
}

static void null_is_below_everything(void **state)
{
    const struct cell null = {.type = CELL_NULL}, least = {.type = CELL_REAL, .real = -HUGE_VAL};
    struct lsmkv_buf a = LSMKV_BUF_INIT, b = LSMKV_BUF_INIT;

    (void)state;
    encode(&a, &null, COLLATION_BINARY);
    encode(&b, &least, COLLATION_BINARY);
    assert_true(bytes_compare(bytes_of(&a), bytes_of(&b)) < 0);
    lsmkv_buf_release(&a);
    lsmkv_buf_release(&b);
}

static void rowids_order_as_integers(void **state)
{
    struct lsmkv_buf a = LSMKV_BUF_INIT, b = LSMKV_BUF_INIT;
    uint64_t seed = test_seed();
    int64_t x, y, back;
    size_t i;

    (void)state;
    for (i = 0; i < test_scaled(20000); i++) {
        x = random_integer(&seed);
        y = random_integer(&seed);
        a.size = b.size = 0;
        assert_int_equal(key_put_keyspace(&a, 7) + key_put_rowid(&a, x), LSMKV_OK);
        assert_int_equal(key_put_keyspace(&b, 7) + key_put_rowid(&b, y), LSMKV_OK);
        assert_int_equal(sign(bytes_compare(bytes_of(&a), bytes_of(&b))), x < y ? -1 : x > y);
        assert_true(key_get_rowid(bytes_of(&a), &back));
        assert_true(back == x);
    }
    lsmkv_buf_release(&a);
    lsmkv_buf_release(&b);
}

/* ---- Decoding ---- */

static void keys_give_their_value_back_where_they_say_so(void **state)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT, scratch = LSMKV_BUF_INIT;
    uint64_t seed = test_seed();
    struct sample sample;
    struct cell back;
    size_t i;

    (void)state;
    for (i = 0; i < test_scaled(50000); i++) {
        enum collation collation = (enum collation)(i % 3);

        random_sample(&seed, &sample);
        encode(&key, &sample.cell, collation);
        /* What follows a zero byte in NOCASE text is not in the key. */
        if (sample.cell.type == CELL_TEXT && !key_keeps_cell(&sample.cell, collation))
            continue;
        assert_int_equal(decode(bytes_of(&key), collation, &back, &scratch), LSMKV_OK);
        switch (sample.cell.type) {
        case CELL_INTEGER:
            assert_int_equal(back.type, CELL_INTEGER);
            assert_true(back.integer == sample.cell.integer);
            break;
        case CELL_REAL:
            assert_true(back.type == CELL_REAL ? back.real == sample.cell.real
                                               : (double)back.integer == sample.cell.real);
            break;
        default:
            assert_int_equal(back.type, sample.cell.type);
            assert_int_equal(bytes_compare(back.bytes, sample.cell.bytes), 0);
            break;
        }
    }
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&scratch);
}

static void bytes_that_are_no_key_are_refused(void **state)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT, scratch = LSMKV_BUF_INIT;
    uint64_t seed = test_seed();
    struct sample sample;
    struct cell back;
    int64_t rowid;
    size_t i;

    (void)state;
    assert_int_equal(decode(bytes_slice("\0\0\0\7", 4), COLLATION_BINARY, &back, &scratch), LSMKV_CORRUPT);
    assert_int_equal(decode(bytes_slice("\0\0\0\7\x99", 5), COLLATION_BINARY, &back, &scratch), LSMKV_CORRUPT);
    assert_int_equal(decode(bytes_slice("\0\0\0\7\x30\x00", 6), COLLATION_BINARY, &back, &scratch), LSMKV_CORRUPT);
    assert_int_equal(decode(bytes_slice("\0\0\0\7\x30\x00\x02\x00\x01", 9), COLLATION_BINARY, &back, &scratch),
                     LSMKV_CORRUPT);
    assert_int_equal(decode(bytes_slice("\0\0\0\7\x23\0\0\0\0\0\0\0\0\0\0", 15), COLLATION_BINARY, &back, &scratch),
                     LSMKV_CORRUPT);
    assert_false(key_get_rowid(bytes_slice("\0\0\0\7\0", 5), &rowid));
    /* Any damage is refused or gives some value; it never reads beyond the key. */
    for (i = 0; i < test_scaled(50000); i++) {
        random_sample(&seed, &sample);
        encode(&key, &sample.cell, COLLATION_BINARY);
        key.data[LSMKV_TABLE_ID_SIZE + test_random(&seed) % (key.size - LSMKV_TABLE_ID_SIZE)] =
            (uint8_t)test_random(&seed);
        (void)decode(bytes_slice(key.data, 1 + test_random(&seed) % key.size), COLLATION_BINARY, &back, &scratch);
    }
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_order_as_sqlite_compares),
        cmocka_unit_test(null_is_below_everything),
        cmocka_unit_test(rowids_order_as_integers),
        cmocka_unit_test(keys_give_their_value_back_where_they_say_so),
        cmocka_unit_test(bytes_that_are_no_key_are_refused),
    };

    memory_setup(); /* one allocator for buffers of the engine and of the extension */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
