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
    static const uint8_t letters[] = {'a', 'A', 'b', 'B', 'z', 'Z', '[', '@', ' ', ' ', 0x00, 0x00, 0x01, 0x7f};
    static const uint8_t any[] = {0x00, 0x00, 0x01, 0xff, 0xfe, 'a', 'A', ' '};
    size_t size = test_random(state) % 7, i;

    for (i = 0; i < size; i++)
        sample->bytes[i] = text ? letters[test_random(state) % sizeof(letters)] : any[test_random(state) % sizeof(any)];
    sample->cell.bytes = bytes_slice(sample->bytes, size);
}

static void random_sample(uint64_t *state, struct sample *sample)
{
    memset(&sample->cell, 0, sizeof(sample->cell));
    switch (test_random(state) % 17) {
    case 0:
        sample->cell.type = CELL_NULL;
        break;
    case 1:
    case 2:
    case 3:
    case 4:
        sample->cell.type = CELL_INTEGER;
        sample->cell.integer = random_integer(state);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        sample->cell.type = CELL_REAL;
        sample->cell.real = random_real(state);
        break;
    case 9:
    case 10:
    case 11:
    case 12:
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

/* How ORDER BY places two values: NULL first, then by their comparison. One statement per collation. */
struct judge {
    sqlite3 *db;
    sqlite3_stmt *statements[COLLATION_RTRIM + 1];
    size_t pairs;
};

static void judge_open(struct judge *judge)
{
    enum collation collation;
    char *sql;

    memset(judge, 0, sizeof(*judge));
    assert_int_equal(sqlite3_open(":memory:", &judge->db), SQLITE_OK);
    for (collation = COLLATION_BINARY; collation <= COLLATION_RTRIM; collation++) {
        sql = sqlite3_mprintf(
            "SELECT (?1 NOTNULL) - (?2 NOTNULL) + ifnull((?1 > ?2 COLLATE %s) - (?1 < ?2 COLLATE %s), 0)",
            collation_name(collation), collation_name(collation));
        assert_int_equal(sqlite3_prepare_v2(judge->db, sql, -1, &judge->statements[collation], NULL), SQLITE_OK);
        sqlite3_free(sql);
    }
}

static void judge_close(struct judge *judge)
{
    int i;

    for (i = 0; i <= COLLATION_RTRIM; i++)
        sqlite3_finalize(judge->statements[i]);
    sqlite3_close(judge->db);
}

static int judge_order(struct judge *judge, enum collation collation, const struct cell *a, const struct cell *b)
{
    sqlite3_stmt *statement = judge->statements[collation];
    int order;

    bind(statement, 1, a);
    bind(statement, 2, b);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    order = sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    judge->pairs++;
    return order;
}

static void keys_order_as_sqlite_compares(void **state)
{
    struct lsmkv_buf a = LSMKV_BUF_INIT, b = LSMKV_BUF_INIT;
    uint64_t seed = test_seed();
    struct judge judge;
    struct sample x, y;
    size_t i;

    (void)state;
    judge_open(&judge);
    for (i = 0; i < test_scaled(600000); i++) {
        enum collation collation = (enum collation)(i % 3);
        int order;

        random_sample(&seed, &x);
        random_sample(&seed, &y);
        encode(&a, &x.cell, collation);
        encode(&b, &y.cell, collation);
        order = judge_order(&judge, collation, &x.cell, &y.cell);
        if (sign(bytes_compare(bytes_of(&a), bytes_of(&b))) != order)
            fail_msg("%s: %d, keys say %d", sqlite3_expanded_sql(judge.statements[collation]), order,
                     sign(bytes_compare(bytes_of(&a), bytes_of(&b))));
    }
    judge_close(&judge);
    lsmkv_buf_release(&a);
    lsmkv_buf_release(&b);
}

enum { PARTS_MAX = 4 };

/* Any columns, in any direction, with or without a rowid behind them. */
static void random_shape(uint64_t *state, struct key_shape *shape)
{
    int i;

    shape->count = 1 + (int)(test_random(state) % PARTS_MAX);
    shape->rowid = test_random(state) % 2;
    for (i = 0; i < shape->count; i++) {
        shape->parts[i].column = i;
        shape->parts[i].collation = (enum collation)(test_random(state) % 3);
        shape->parts[i].descending = test_random(state) % 2;
    }
}

/* ORDER BY the parts, then the rowid. */
static int order_of_rows(struct judge *judge, const struct key_shape *shape, const struct cell *x, const struct cell *y,
                         int64_t x_rowid, int64_t y_rowid)
{
    int i, order;

    for (i = 0; i < shape->count; i++) {
        const struct key_part *part = &shape->parts[i];

        order = judge_order(judge, part->collation, &x[i], &y[i]);
        if (order)
            return part->descending ? -order : order;
    }
    return shape->rowid ? (x_rowid > y_rowid) - (x_rowid < y_rowid) : 0;
}

/* What is read from each part, and written again, gives the part's bytes; skipping goes as far. */
static void assert_parts_read_back(const struct key_shape *shape, struct lsmkv_slice key, const struct cell *cells,
                                   struct lsmkv_buf *scratch, struct lsmkv_buf *again)
{
    size_t at = LSMKV_TABLE_ID_SIZE, skipped = LSMKV_TABLE_ID_SIZE, from;
    struct cell cell;
    int i;

    for (i = 0; i < shape->count; i++) {
        const struct key_part *part = &shape->parts[i];

        from = at;
        assert_int_equal(key_get_part(key, &at, part, &cell, scratch), LSMKV_OK);
        assert_int_equal(key_skip_part(key, &skipped, part), LSMKV_OK);
        assert_int_equal(at, skipped);
        if (cell.type == CELL_TEXT && part->collation == COLLATION_NOCASE &&
            !key_keeps_cell(&cells[i], part->collation))
            continue; /* the length of what follows a zero byte is not told */
        again->size = 0;
        assert_int_equal(key_put_part(again, &cell, part->collation, part->descending), LSMKV_OK);
        assert_int_equal(bytes_compare(bytes_of(again), bytes_slice(key.data + from, at - from)), 0);
    }
    assert_int_equal(key.size - at, shape->rowid ? 8 : 0);
}

static void keys_of_several_parts_order_as_order_by(void **state)
{
    struct lsmkv_buf a = LSMKV_BUF_INIT, b = LSMKV_BUF_INIT, scratch = LSMKV_BUF_INIT, again = LSMKV_BUF_INIT;
    struct key_part parts[PARTS_MAX];
    struct key_shape shape = {.parts = parts};
    struct sample x[PARTS_MAX], y[PARTS_MAX];
    struct cell left[PARTS_MAX], right[PARTS_MAX];
    uint64_t seed = test_seed();
    struct judge judge;
    size_t i;
    int j;

    (void)state;
    judge_open(&judge);
    for (i = 0; i < test_scaled(250000); i++) {
        int64_t x_rowid = random_integer(&seed), y_rowid = random_integer(&seed);

        random_shape(&seed, &shape);
        for (j = 0; j < shape.count; j++) {
            random_sample(&seed, &x[j]);
            left[j] = x[j].cell;
            /* Mostly the same as on the other side, so that later parts decide. */
            random_sample(&seed, &y[j]);
            right[j] = test_random(&seed) % 4 ? x[j].cell : y[j].cell;
        }
        a.size = b.size = 0;
        assert_int_equal(key_put_keyspace(&a, 7) + key_put_shape(&a, &shape, left, x_rowid), LSMKV_OK);
        assert_int_equal(key_put_keyspace(&b, 7) + key_put_shape(&b, &shape, right, y_rowid), LSMKV_OK);
        assert_int_equal(sign(bytes_compare(bytes_of(&a), bytes_of(&b))),
                         order_of_rows(&judge, &shape, left, right, x_rowid, y_rowid));
        assert_parts_read_back(&shape, bytes_of(&a), left, &scratch, &again);
    }
    print_message("%zu pairs compared by SQLite\n", judge.pairs);
    judge_close(&judge);
    lsmkv_buf_release(&a);
    lsmkv_buf_release(&b);
    lsmkv_buf_release(&scratch);
    lsmkv_buf_release(&again);
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
        case CELL_NULL:
            assert_int_equal(back.type, CELL_NULL);
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
        (void)decode(bytes_slice(key.data, 1 + test_random(&seed) % key.size), (enum collation)(i % 3), &back,
                     &scratch);
    }
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_order_as_sqlite_compares),
        cmocka_unit_test(keys_of_several_parts_order_as_order_by),
        cmocka_unit_test(rowids_order_as_integers),
        cmocka_unit_test(keys_give_their_value_back_where_they_say_so),
        cmocka_unit_test(bytes_that_are_no_key_are_refused),
    };

    memory_setup(); /* one allocator for buffers of the engine and of the extension */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
