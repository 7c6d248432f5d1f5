#include "ext/key_codec.h"

#include <math.h>

#include "ext/bytes.h"

enum key_class {
    CLASS_NULL = 0x10,
    CLASS_MINUS_INFINITY = 0x20,
    CLASS_NEGATIVE = 0x21,
    CLASS_ZERO = 0x22,
    CLASS_POSITIVE = 0x23,
    CLASS_PLUS_INFINITY = 0x24,
    CLASS_TEXT = 0x30,
    CLASS_BLOB = 0x40,
};

enum {
    EXPONENT_BIAS = 1075, /* the smallest double is 2^-1074 */
    NUMBER_SIZE = 10,     /* bytes of exponent and mantissa */
    TAIL_SIZE = 4,        /* bytes of the length that stands for what follows a zero byte in NOCASE text */
};

static const uint8_t terminator[2] = {0x00, 0x01};
static const uint8_t escaped_zero[2] = {0x00, 0xFF};

bool collation_of_name(const char *name, enum collation *collation)
{
    enum collation each;

    for (each = COLLATION_BINARY; each <= COLLATION_RTRIM; each++) {
        if (sqlite3_stricmp(name, collation_name(each)) == 0) {
            *collation = each;
            return true;
        }
    }
    return false;
}

const char *collation_name(enum collation collation)
{
    switch (collation) {
    case COLLATION_NOCASE:
        return "NOCASE";
    case COLLATION_RTRIM:
        return "RTRIM";
    default:
        return "BINARY";
    }
}

enum lsmkv_status key_put_table(struct lsmkv_buf *key, uint32_t table_id)
{
    enum lsmkv_status status = bytes_reserve(key, LSMKV_TABLE_ID_SIZE);

    if (status)
        return status;
    bytes_put_be(key->data + key->size, table_id, LSMKV_TABLE_ID_SIZE);
    key->size += LSMKV_TABLE_ID_SIZE;
    return LSMKV_OK;
}

enum lsmkv_status key_put_rowid(struct lsmkv_buf *key, int64_t rowid)
{
    enum lsmkv_status status = bytes_reserve(key, 8);

    if (status)
        return status;
    bytes_put_be(key->data + key->size, (uint64_t)rowid ^ (UINT64_C(1) << 63), 8);
    key->size += 8;
    return LSMKV_OK;
}

/* ---- Numbers ---- */

/* `mantissa` is not 0; the value is mantissa * 2^exponent. */
static void put_number(uint8_t *to, bool negative, uint64_t mantissa, int exponent)
{
    unsigned shift = (unsigned)__builtin_clzll(mantissa);
    int biased = exponent + 63 - (int)shift + EXPONENT_BIAS;
    unsigned i;

    bytes_put_be(to, (uint64_t)biased, 2);
    bytes_put_be(to + 2, mantissa << shift, 8);
    for (i = 0; negative && i < NUMBER_SIZE; i++)
        to[i] = (uint8_t)~to[i];
}

/* Writes class and number; `to` has room for 1 + NUMBER_SIZE bytes. Returns how many were written. */
static size_t put_integer(uint8_t *to, int64_t integer)
{
    uint64_t magnitude = integer < 0 ? (uint64_t)0 - (uint64_t)integer : (uint64_t)integer;

    if (integer == 0) {
        to[0] = CLASS_ZERO;
        return 1;
    }
    to[0] = integer < 0 ? CLASS_NEGATIVE : CLASS_POSITIVE;
    put_number(to + 1, integer < 0, magnitude, 0);
    return 1 + NUMBER_SIZE;
}

static size_t put_real(uint8_t *to, double real)
{
    int exponent;
    double fraction;

    if (real == 0) {
        to[0] = CLASS_ZERO;
        return 1;
    }
    if (isinf(real)) {
        to[0] = real < 0 ? CLASS_MINUS_INFINITY : CLASS_PLUS_INFINITY;
        return 1;
    }
    /* |fraction| is in [0.5, 1), so fraction * 2^53 is an integer. */
    fraction = frexp(fabs(real), &exponent);
    to[0] = real < 0 ? CLASS_NEGATIVE : CLASS_POSITIVE;
    put_number(to + 1, real < 0, (uint64_t)ldexp(fraction, 53), exponent - 53);
    return 1 + NUMBER_SIZE;
}

/* Reads NUMBER_SIZE bytes; false if no int64 and no double has this form. */
static bool get_number(const uint8_t *from, bool negative, struct cell *cell)
{
    uint8_t plain[NUMBER_SIZE];
    uint64_t mantissa;
    unsigned i;
    int exponent;

    for (i = 0; i < NUMBER_SIZE; i++)
        plain[i] = negative ? (uint8_t)~from[i] : from[i];
    exponent = (int)bytes_get_be(plain, 2) - EXPONENT_BIAS;
    mantissa = bytes_get_be(plain + 2, 8);
    if (!(mantissa >> 63) || exponent < -1074 || exponent > 1023)
        return false;
    if (exponent >= 0 && exponent < 63 && (mantissa << 1 << exponent) == 0) {
        uint64_t magnitude = mantissa >> (63 - exponent);

        cell->type = CELL_INTEGER;
        cell->integer = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
        return true;
    }
    if (exponent == 63 && negative && mantissa << 1 == 0) {
        cell->type = CELL_INTEGER;
        cell->integer = INT64_MIN;
        return true;
    }
    if (mantissa & 0x7ff)
        return false; /* more than 53 bits, and no integer */
    cell->type = CELL_REAL;
    cell->real = ldexp((double)(mantissa >> 11), exponent - 52);
    if (negative)
        cell->real = -cell->real;
    return true;
}

/* ---- Text and blobs ---- */

static enum lsmkv_status put_escaped(struct lsmkv_buf *key, const uint8_t *data, size_t size)
{
    enum lsmkv_status status = LSMKV_OK;

    while (size && !status) {
        const uint8_t *zero = memchr(data, 0, size);
        size_t run = zero ? (size_t)(zero - data) : size;

        status = bytes_append(key, data, run);
        data += run;
        size -= run;
        if (zero && !status) {
            status = bytes_append(key, escaped_zero, sizeof(escaped_zero));
            data++;
            size--;
        }
    }
    return status;
}

static uint8_t fold(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static enum lsmkv_status put_nocase(struct lsmkv_buf *key, struct lsmkv_slice text)
{
    const uint8_t *zero = text.size ? memchr(text.data, 0, text.size) : NULL;
    size_t run = zero ? (size_t)(zero - text.data) : text.size, i;
    enum lsmkv_status status = bytes_reserve(key, run + sizeof(escaped_zero) + TAIL_SIZE);

    if (status)
        return status;
    for (i = 0; i < run; i++)
        key->data[key->size++] = fold(text.data[i]);
    if (zero) {
        memcpy(key->data + key->size, escaped_zero, sizeof(escaped_zero));
        bytes_put_be(key->data + key->size + sizeof(escaped_zero), text.size - run, TAIL_SIZE);
        key->size += sizeof(escaped_zero) + TAIL_SIZE;
    }
    return LSMKV_OK;
}

static size_t size_without_spaces(struct lsmkv_slice text)
{
    size_t size = text.size;

    while (size && text.data[size - 1] == ' ')
        size--;
    return size;
}

static enum lsmkv_status put_text(struct lsmkv_buf *key, struct lsmkv_slice text, enum collation collation)
{
    switch (collation) {
    case COLLATION_NOCASE:
        return put_nocase(key, text);
    case COLLATION_RTRIM:
        return put_escaped(key, text.data, size_without_spaces(text));
    default:
        return put_escaped(key, text.data, text.size);
    }
}

enum lsmkv_status key_put_cell(struct lsmkv_buf *key, const struct cell *cell, enum collation collation)
{
    size_t before = key->size;
    enum lsmkv_status status = bytes_reserve(key, 1 + NUMBER_SIZE);
    uint8_t *to;

    if (status)
        return status;
    to = key->data + key->size;
    switch (cell->type) {
    case CELL_NULL:
        *to = CLASS_NULL;
        key->size++;
        return LSMKV_OK;
    case CELL_INTEGER:
        key->size += put_integer(to, cell->integer);
        return LSMKV_OK;
    case CELL_REAL:
        key->size += put_real(to, cell->real);
        return LSMKV_OK;
    case CELL_TEXT:
        *to = CLASS_TEXT;
        key->size++;
        status = put_text(key, cell->bytes, collation);
        break;
    case CELL_BLOB:
        *to = CLASS_BLOB;
        key->size++;
        status = put_escaped(key, cell->bytes.data, cell->bytes.size);
        break;
    }
    if (!status)
        status = bytes_append(key, terminator, sizeof(terminator));
    if (status)
        key->size = before;
    return status;
}

bool key_get_rowid(struct lsmkv_slice key, int64_t *rowid)
{
    if (key.size != LSMKV_TABLE_ID_SIZE + 8)
        return false;
    *rowid = (int64_t)(bytes_get_be(key.data + LSMKV_TABLE_ID_SIZE, 8) ^ (UINT64_C(1) << 63));
    return true;
}

/* Takes the terminator off and undoes the escapes. */
static enum lsmkv_status get_escaped(struct lsmkv_slice coded, struct lsmkv_slice *bytes, struct lsmkv_buf *scratch)
{
    const uint8_t *at = coded.data, *end;
    enum lsmkv_status status;

    if (coded.size < sizeof(terminator) ||
        memcmp(coded.data + coded.size - sizeof(terminator), terminator, sizeof(terminator)))
        return LSMKV_CORRUPT;
    coded.size -= sizeof(terminator);
    if (coded.size == 0 || !memchr(coded.data, 0, coded.size)) {
        *bytes = coded;
        return LSMKV_OK;
    }
    scratch->size = 0;
    status = bytes_reserve(scratch, coded.size);
    if (status)
        return status;
    for (end = at + coded.size; at < end; at++) {
        scratch->data[scratch->size++] = *at;
        if (*at == 0 && (++at == end || *at != escaped_zero[1]))
            return LSMKV_CORRUPT;
    }
    *bytes = bytes_of(scratch);
    return LSMKV_OK;
}

enum lsmkv_status key_get_cell(struct lsmkv_slice key, struct cell *cell, struct lsmkv_buf *scratch)
{
    struct lsmkv_slice rest;
    uint8_t key_class;

    if (key.size <= LSMKV_TABLE_ID_SIZE)
        return LSMKV_CORRUPT;
    key_class = key.data[LSMKV_TABLE_ID_SIZE];
    rest = bytes_slice(key.data + LSMKV_TABLE_ID_SIZE + 1, key.size - LSMKV_TABLE_ID_SIZE - 1);
    if (key_class == CLASS_TEXT || key_class == CLASS_BLOB) {
        cell->type = key_class == CLASS_TEXT ? CELL_TEXT : CELL_BLOB;
        return get_escaped(rest, &cell->bytes, scratch);
    }
    if (key_class == CLASS_NEGATIVE || key_class == CLASS_POSITIVE)
        return rest.size == NUMBER_SIZE && get_number(rest.data, key_class == CLASS_NEGATIVE, cell) ? LSMKV_OK
                                                                                                    : LSMKV_CORRUPT;
    if (rest.size)
        return LSMKV_CORRUPT;
    cell->type = CELL_REAL;
    switch (key_class) {
    case CLASS_NULL:
        cell->type = CELL_NULL;
        return LSMKV_OK;
    case CLASS_ZERO:
        cell->type = CELL_INTEGER;
        cell->integer = 0;
        return LSMKV_OK;
    case CLASS_MINUS_INFINITY:
        cell->real = -HUGE_VAL;
        return LSMKV_OK;
    case CLASS_PLUS_INFINITY:
        cell->real = HUGE_VAL;
        return LSMKV_OK;
    default:
        return LSMKV_CORRUPT;
    }
}

static bool text_is_folded(struct lsmkv_slice text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (text.data[i] == 0 || fold(text.data[i]) != text.data[i])
            return false;
    }
    return true;
}

bool key_keeps_cell(const struct cell *cell, enum collation collation)
{
    if (cell->type == CELL_REAL)
        return false;
    if (cell->type != CELL_TEXT || collation == COLLATION_BINARY)
        return true;
    if (collation == COLLATION_RTRIM)
        return size_without_spaces(cell->bytes) == cell->bytes.size;
    return text_is_folded(cell->bytes);
}
