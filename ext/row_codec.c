#include "ext/row_codec.h"

#include <math.h>

#include "ext/bytes.h"
#include "ext/memory.h"

enum {
    CODE_NULL = 0,
    CODE_REAL = 7,
    CODE_ZERO = 8,
    CODE_ONE = 9,
    CODE_KEY = 10,
    CODE_KEY_REAL = 11,
    CODE_BLOB = 12,
    CODE_TEXT = 13,
};

/* Bytes of the content of each code below CODE_BLOB. */
static const uint8_t content_sizes[CODE_BLOB] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};

static uint64_t integer_code(int64_t integer)
{
    unsigned code;

    if (integer == 0)
        return CODE_ZERO;
    if (integer == 1)
        return CODE_ONE;
    for (code = 1; code < 6; code++) {
        int64_t limit = INT64_C(1) << (8 * content_sizes[code] - 1);

        if (integer >= -limit && integer < limit)
            break;
    }
    return code;
}

static uint64_t cell_code(const struct cell *cell)
{
    switch (cell->type) {
    case CELL_INTEGER:
        return integer_code(cell->integer);
    case CELL_REAL:
        return CODE_REAL;
    case CELL_TEXT:
        return CODE_TEXT + 2 * (uint64_t)cell->bytes.size;
    case CELL_BLOB:
        return CODE_BLOB + 2 * (uint64_t)cell->bytes.size;
    default:
        return CODE_NULL;
    }
}

static uint64_t key_cell_code(const struct cell *cell, enum collation collation, bool rowid_key)
{
    if (rowid_key || key_keeps_cell(cell, collation))
        return CODE_KEY;
    if (cell->type == CELL_REAL && !(cell->real == 0 && signbit(cell->real)))
        return CODE_KEY_REAL;
    return cell_code(cell);
}

static size_t content_size(uint64_t code)
{
    return code < CODE_BLOB ? content_sizes[code] : (size_t)((code - CODE_BLOB) / 2);
}

static void put_content(struct lsmkv_buf *row, uint64_t code, const struct cell *cell)
{
    size_t size = content_size(code);
    uint64_t bits;

    if (size == 0)
        return;
    if (code >= CODE_BLOB) {
        memcpy(row->data + row->size, cell->bytes.data, size);
    } else if (code == CODE_REAL) {
        memcpy(&bits, &cell->real, sizeof(bits));
        bytes_put_le(row->data + row->size, bits, 8);
    } else {
        bytes_put_le(row->data + row->size, (uint64_t)cell->integer, (unsigned)size);
    }
    row->size += size;
}

enum lsmkv_status row_encode(struct lsmkv_buf *row, const struct cell *cells, int count, int key_column,
                             enum collation collation, bool rowid_key)
{
    enum { HEADER_SIZE_MAX = 5 };
    size_t codes_start = HEADER_SIZE_MAX, content = 0, header, prefix;
    enum lsmkv_status status;
    uint64_t code;
    const uint8_t *at;
    int i;

    /* The codes go after room for the longest size varint, which is then moved up to them. */
    row->size = 0;
    status = bytes_reserve(row, HEADER_SIZE_MAX + (size_t)count * BYTES_VARINT_MAX);
    if (status)
        return status;
    row->size = codes_start;
    for (i = 0; i < count; i++) {
        code = i == key_column ? key_cell_code(&cells[i], collation, rowid_key) : cell_code(&cells[i]);
        row->size += bytes_put_varint(row->data + row->size, code);
        content += content_size(code);
        if (content > LSMKV_VALUE_MAX)
            return LSMKV_TOOBIG;
    }
    header = row->size - codes_start;
    prefix = header + 1 < 0x80 ? 1 : header + 2 < 0x4000 ? 2 : 3;
    memmove(row->data + prefix, row->data + codes_start, header);
    header += prefix;
    bytes_put_varint(row->data, header);
    row->size = header;
    status = bytes_reserve(row, content);
    if (status)
        return status;
    at = row->data + prefix;
    for (i = 0; i < count; i++) {
        /* Cannot fail: written above. */
        if (bytes_get_varint(&at, row->data + header, &code))
            put_content(row, code, &cells[i]);
    }
    return LSMKV_OK;
}

enum lsmkv_status row_reader_init(struct row_reader *reader, int count, bool rowid_key)
{
    memset(reader, 0, sizeof(*reader));
    reader->fields = memory_alloc((size_t)count * sizeof(*reader->fields));
    if (!reader->fields)
        return LSMKV_NOMEM;
    reader->count = count;
    reader->rowid_key = rowid_key;
    return LSMKV_OK;
}

void row_reader_release(struct row_reader *reader)
{
    memory_free(reader->fields);
    lsmkv_buf_release(&reader->scratch);
    memset(reader, 0, sizeof(*reader));
}

enum lsmkv_status row_reader_set(struct row_reader *reader, struct lsmkv_slice key, struct lsmkv_slice value)
{
    const uint8_t *at = value.data, *end = value.data + value.size;
    uint64_t header;

    reader->known = 0;
    reader->key = key;
    reader->value = value;
    if (!bytes_get_varint(&at, end, &header) || header > value.size || header < (size_t)(at - value.data))
        return LSMKV_CORRUPT;
    reader->header_at = at;
    reader->header_end = value.data + header;
    reader->content_at = (size_t)header;
    return LSMKV_OK;
}

/* Finds the next column's content, checking that it lies within the value. */
static enum lsmkv_status find_next(struct row_reader *reader)
{
    struct row_field *field = &reader->fields[reader->known];

    field->code = CODE_NULL;
    field->offset = reader->content_at;
    if (reader->header_at < reader->header_end) {
        if (!bytes_get_varint(&reader->header_at, reader->header_end, &field->code))
            return LSMKV_CORRUPT;
        if ((field->code >= CODE_BLOB ? (field->code - CODE_BLOB) / 2 : content_sizes[field->code]) >
            reader->value.size - reader->content_at)
            return LSMKV_CORRUPT;
        reader->content_at += content_size(field->code);
    }
    reader->known++;
    return LSMKV_OK;
}

static int64_t sign_extend(uint64_t bits, unsigned size)
{
    unsigned shift = 64 - 8 * size;

    /* An arithmetic shift of a negative value: what both supported compilers do. */
    return (int64_t)(bits << shift) >> shift;
}

static enum lsmkv_status get_key_cell(struct row_reader *reader, bool real, struct cell *cell)
{
    enum lsmkv_status status;

    if (reader->rowid_key) {
        cell->type = CELL_INTEGER;
        return key_get_rowid(reader->key, &cell->integer) ? LSMKV_OK : LSMKV_CORRUPT;
    }
    status = key_get_cell(reader->key, cell, &reader->scratch);
    if (!status && real && cell->type == CELL_INTEGER) {
        cell->type = CELL_REAL;
        cell->real = (double)cell->integer;
    }
    return status;
}

enum lsmkv_status row_reader_get(struct row_reader *reader, int column, struct cell *cell)
{
    const struct row_field *field;
    const uint8_t *content;
    uint64_t bits;

    while (reader->known <= column) {
        enum lsmkv_status status = find_next(reader);

        if (status)
            return status;
    }
    field = &reader->fields[column];
    content = reader->value.data + field->offset;
    switch (field->code) {
    case CODE_NULL:
        cell->type = CELL_NULL;
        return LSMKV_OK;
    case CODE_ZERO:
    case CODE_ONE:
        cell->type = CELL_INTEGER;
        cell->integer = field->code == CODE_ONE;
        return LSMKV_OK;
    case CODE_REAL:
        bits = bytes_get_le(content, 8);
        cell->type = CELL_REAL;
        memcpy(&cell->real, &bits, sizeof(bits));
        return LSMKV_OK;
    case CODE_KEY:
    case CODE_KEY_REAL:
        return get_key_cell(reader, field->code == CODE_KEY_REAL, cell);
    default:
        break;
    }
    if (field->code < CODE_BLOB) {
        unsigned size = content_sizes[field->code];

        cell->type = CELL_INTEGER;
        cell->integer = sign_extend(bytes_get_le(content, size), size);
        return LSMKV_OK;
    }
    cell->type = field->code & 1 ? CELL_TEXT : CELL_BLOB;
    cell->bytes = bytes_slice(content, content_size(field->code));
    return LSMKV_OK;
}
