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

enum lsmkv_status key_put_keyspace(struct lsmkv_buf *key, uint32_t keyspace)
{
    enum lsmkv_status status = bytes_reserve(key, LSMKV_TABLE_ID_SIZE);

    if (status)
        return status;
    bytes_put_be(key->data + key->size, keyspace, LSMKV_TABLE_ID_SIZE);
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

/* A part in ascending order. */
static enum lsmkv_status put_cell(struct lsmkv_buf *key, const struct cell *cell, enum collation collation)
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

enum lsmkv_status key_put_part(struct lsmkv_buf *key, const struct cell *cell, enum collation collation,
                               bool descending)
{
    size_t at = key->size;
    enum lsmkv_status status = put_cell(key, cell, collation);

    for (; descending && !status && at < key->size; at++)
        key->data[at] = (uint8_t)~key->data[at];
    return status;
}

enum lsmkv_status key_put_shape(struct lsmkv_buf *key, const struct key_shape *shape, const struct cell *cells,
                                int64_t rowid)
{
    size_t before = key->size;
    enum lsmkv_status status = LSMKV_OK;
    int i;

    for (i = 0; i < shape->count && !status; i++) {
        const struct key_part *part = &shape->parts[i];

        status = key_put_part(key, &cells[part->column], part->collation, part->descending);
    }
    if (!status && shape->rowid)
        status = key_put_rowid(key, rowid);
    if (status)
        key->size = before;
    return status;
}

/* ---- Reading ---- */

bool key_get_rowid(struct lsmkv_slice key, int64_t *rowid)
{
    if (key.size < LSMKV_TABLE_ID_SIZE + 8)
        return false;
    *rowid = (int64_t)(bytes_get_be(key.data + key.size - 8, 8) ^ (UINT64_C(1) << 63));
    return true;
}

/* Where a part of a key lies: class byte, content, and for text and blobs the terminator. */
struct part_span {
    uint8_t key_class;
    size_t content, content_size; /* offset in the key, and bytes up to the terminator */
    size_t end;
    bool escaped; /* the content has zero bytes */
};

/* Bytes are compared and copied as if the part were ascending. */
static uint8_t byte_at(struct lsmkv_slice key, size_t at, const struct key_part *part)
{
    return part->descending ? (uint8_t)~key.data[at] : key.data[at];
}

/* The next zero byte at or after `at`, or the size of the key. */
static size_t find_zero(struct lsmkv_slice key, size_t at, const struct key_part *part)
{
    const uint8_t *zero = at < key.size ? memchr(key.data + at, part->descending ? 0xFF : 0, key.size - at) : NULL;

    return zero ? (size_t)(zero - key.data) : key.size;
}

/* Finds the terminator of text or a blob. */
static enum lsmkv_status span_escaped(struct lsmkv_slice key, const struct key_part *part, struct part_span *span)
{
    bool nocase = span->key_class == CLASS_TEXT && part->collation == COLLATION_NOCASE;
    size_t at = span->content;

    for (;;) {
        at = find_zero(key, at, part);
        if (key.size - at < sizeof(terminator))
            return LSMKV_CORRUPT;
        if (byte_at(key, at + 1, part) == terminator[1])
            break;
        if (byte_at(key, at + 1, part) != escaped_zero[1])
            return LSMKV_CORRUPT;
        span->escaped = true;
        at += sizeof(escaped_zero);
        if (!nocase)
            continue;
        /* The length that follows may hold any byte, and is the end of the text. */
        if (key.size - at < TAIL_SIZE + sizeof(terminator) || byte_at(key, at + TAIL_SIZE, part) != terminator[0] ||
            byte_at(key, at + TAIL_SIZE + 1, part) != terminator[1])
            return LSMKV_CORRUPT;
        at += TAIL_SIZE;
        break;
    }
    span->content_size = at - span->content;
    span->end = at + sizeof(terminator);
    return LSMKV_OK;
}

static enum lsmkv_status find_span(struct lsmkv_slice key, size_t at, const struct key_part *part,
                                   struct part_span *span)
{
    if (at >= key.size)
        return LSMKV_CORRUPT;
    span->key_class = byte_at(key, at, part);
    span->content = at + 1;
    span->content_size = 0;
    span->end = at + 1;
    span->escaped = false;
    switch (span->key_class) {
    case CLASS_NULL:
    case CLASS_MINUS_INFINITY:
    case CLASS_ZERO:
    case CLASS_PLUS_INFINITY:
        return LSMKV_OK;
    case CLASS_NEGATIVE:
    case CLASS_POSITIVE:
        span->content_size = NUMBER_SIZE;
        span->end += NUMBER_SIZE;
        return span->end <= key.size ? LSMKV_OK : LSMKV_CORRUPT;
    case CLASS_TEXT:
    case CLASS_BLOB:
        return span_escaped(key, part, span);
    default:
        return LSMKV_CORRUPT;
    }
}

/* The content of text or a blob, without escapes. */
static enum lsmkv_status get_bytes(struct lsmkv_slice key, const struct key_part *part, const struct part_span *span,
                                   struct lsmkv_slice *bytes, struct lsmkv_buf *scratch)
{
    bool nocase = span->key_class == CLASS_TEXT && part->collation == COLLATION_NOCASE;
    size_t at = span->content, end = span->content + span->content_size;
    enum lsmkv_status status;

    if (!span->escaped && !part->descending) {
        *bytes = bytes_slice(key.data + at, span->content_size);
        return LSMKV_OK;
    }
    scratch->size = 0;
    status = bytes_reserve(scratch, span->content_size);
    if (status)
        return status;
    while (at < end) {
        uint8_t byte = byte_at(key, at++, part);

        if (byte == 0 && nocase)
            break;
        at += byte == 0; /* FF */
        scratch->data[scratch->size++] = byte;
    }
    *bytes = bytes_of(scratch);
    return LSMKV_OK;
}

static enum lsmkv_status get_number_at(struct lsmkv_slice key, const struct key_part *part,
                                       const struct part_span *span, struct cell *cell)
{
    uint8_t bytes[NUMBER_SIZE];
    size_t i;

    for (i = 0; i < NUMBER_SIZE; i++)
        bytes[i] = byte_at(key, span->content + i, part);
    return get_number(bytes, span->key_class == CLASS_NEGATIVE, cell) ? LSMKV_OK : LSMKV_CORRUPT;
}

static enum lsmkv_status get_content(struct lsmkv_slice key, const struct key_part *part, const struct part_span *span,
                                     struct cell *cell, struct lsmkv_buf *scratch)
{
    switch (span->key_class) {
    case CLASS_NULL:
        cell->type = CELL_NULL;
        return LSMKV_OK;
    case CLASS_ZERO:
        cell->type = CELL_INTEGER;
        cell->integer = 0;
        return LSMKV_OK;
    case CLASS_MINUS_INFINITY:
    case CLASS_PLUS_INFINITY:
        cell->type = CELL_REAL;
        cell->real = span->key_class == CLASS_PLUS_INFINITY ? HUGE_VAL : -HUGE_VAL;
        return LSMKV_OK;
    case CLASS_NEGATIVE:
    case CLASS_POSITIVE:
        return get_number_at(key, part, span, cell);
    default:
        cell->type = span->key_class == CLASS_TEXT ? CELL_TEXT : CELL_BLOB;
        return get_bytes(key, part, span, &cell->bytes, scratch);
    }
}

enum lsmkv_status key_get_part(struct lsmkv_slice key, size_t *at, const struct key_part *part, struct cell *cell,
                               struct lsmkv_buf *scratch)
{
    struct part_span span;
    enum lsmkv_status status = find_span(key, *at, part, &span);

    if (!status)
        status = get_content(key, part, &span, cell, scratch);
    if (!status)
        *at = span.end;
    return status;
}

enum lsmkv_status key_skip_part(struct lsmkv_slice key, size_t *at, const struct key_part *part)
{
    struct part_span span;
    enum lsmkv_status status = find_span(key, *at, part, &span);

    if (!status)
        *at = span.end;
    return status;
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
