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

/* ---- Layouts ---- */

static enum lsmkv_status layout_alloc(struct row_layout *layout, const struct key_shape *shape, int count, int columns)
{
    int i;

    memset(layout, 0, sizeof(*layout));
    layout->shape = shape;
    layout->count = count;
    layout->columns = columns;
    layout->integer_column = -1;
    layout->column_of = memory_alloc((size_t)count * sizeof(int));
    layout->told_by = memory_alloc((size_t)count * sizeof(int));
    layout->slot_of = memory_alloc((size_t)columns * sizeof(int));
    if (!layout->column_of || !layout->told_by || !layout->slot_of)
        return LSMKV_NOMEM;
    for (i = 0; i < columns; i++)
        layout->slot_of[i] = -1;
    return LSMKV_OK;
}

enum lsmkv_status row_layout_init_table(struct row_layout *layout, const struct table_schema *schema)
{
    const struct key_shape *shape = &schema->primary;
    enum lsmkv_status status = layout_alloc(layout, shape, schema->count, schema->count);
    int i;

    if (status)
        return status;
    layout->integer_column = schema->integer_column;
    for (i = 0; i < schema->count; i++) {
        layout->column_of[i] = layout->slot_of[i] = i;
        layout->told_by[i] = i == schema->integer_column ? SLOT_ROWID : SLOT_PLAIN;
    }
    for (i = 0; i < shape->count; i++)
        layout->told_by[shape->parts[i].column] = i;
    return LSMKV_OK;
}

enum lsmkv_status row_layout_init_index(struct row_layout *layout, const struct table_schema *schema,
                                        const struct table_index *index)
{
    const struct key_shape *shape = &index->shape;
    enum lsmkv_status status = layout_alloc(layout, shape, shape->count, schema->count);
    int i;

    if (status)
        return status;
    layout->integer_column = schema->integer_column;
    for (i = shape->count - 1; i >= 0; i--) { /* of a column that is there twice the first slot is read */
        layout->column_of[i] = shape->parts[i].column;
        layout->told_by[i] = i;
        layout->slot_of[shape->parts[i].column] = i;
    }
    return LSMKV_OK;
}

void row_layout_release(struct row_layout *layout)
{
    memory_free(layout->column_of);
    memory_free(layout->told_by);
    memory_free(layout->slot_of);
    memset(layout, 0, sizeof(*layout));
}

/* ---- Writing ---- */

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

/* The code of what a part of the key tells, or would if it were kept as it is. */
static uint64_t part_cell_code(const struct cell *cell, const struct key_part *part)
{
    if (key_keeps_cell(cell, part->collation))
        return CODE_KEY;
    if (cell->type == CELL_REAL && !(cell->real == 0 && signbit(cell->real)))
        return CODE_KEY_REAL;
    return cell_code(cell);
}

static uint64_t slot_code(const struct row_layout *layout, int slot, const struct cell *cell)
{
    int part = layout->told_by[slot];

    if (part == SLOT_ROWID)
        return CODE_KEY;
    return part == SLOT_PLAIN ? cell_code(cell) : part_cell_code(cell, &layout->shape->parts[part]);
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

enum lsmkv_status row_encode(struct lsmkv_buf *row, const struct row_layout *layout, const struct cell *cells)
{
    enum { HEADER_SIZE_MAX = 5 };
    size_t codes_start = HEADER_SIZE_MAX, content = 0, header, prefix;
    enum lsmkv_status status;
    uint64_t code;
    const uint8_t *at;
    int i;

    /* The codes go after room for the longest size varint, which is then moved up to them. */
    row->size = 0;
    status = bytes_reserve(row, HEADER_SIZE_MAX + (size_t)layout->count * BYTES_VARINT_MAX);
    if (status)
        return status;
    row->size = codes_start;
    for (i = 0; i < layout->count; i++) {
        code = slot_code(layout, i, &cells[layout->column_of[i]]);
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
    for (i = 0; i < layout->count; i++) {
        /* Cannot fail: written above. */
        if (bytes_get_varint(&at, row->data + header, &code))
            put_content(row, code, &cells[layout->column_of[i]]);
    }
    return LSMKV_OK;
}

/* ---- Reading ---- */

enum lsmkv_status row_reader_init(struct row_reader *reader, const struct row_layout *layout)
{
    size_t parts = (size_t)layout->shape->count + 1; /* one more: no empty allocations */

    memset(reader, 0, sizeof(*reader));
    reader->layout = layout;
    reader->fields = memory_alloc((size_t)layout->count * sizeof(*reader->fields));
    reader->part_at = memory_alloc(parts * sizeof(*reader->part_at));
    reader->scratch = memory_alloc(parts * sizeof(*reader->scratch));
    if (!reader->fields || !reader->part_at || !reader->scratch) {
        row_reader_release(reader);
        return LSMKV_NOMEM;
    }
    return LSMKV_OK;
}

void row_reader_release(struct row_reader *reader)
{
    int i;

    for (i = 0; reader->scratch && i < reader->layout->shape->count; i++)
        lsmkv_buf_release(&reader->scratch[i]);
    memory_free(reader->scratch);
    memory_free(reader->part_at);
    memory_free(reader->fields);
    memset(reader, 0, sizeof(*reader));
}

enum lsmkv_status row_reader_set(struct row_reader *reader, struct lsmkv_slice key, struct lsmkv_slice value)
{
    const uint8_t *at = value.data, *end = value.data + value.size;
    uint64_t header;

    reader->known = 0;
    reader->parts_known = 1;
    reader->part_at[0] = LSMKV_TABLE_ID_SIZE;
    reader->key = key;
    reader->value = value;
    if (!bytes_get_varint(&at, end, &header) || header > value.size || header < (size_t)(at - value.data))
        return LSMKV_CORRUPT;
    reader->header_at = at;
    reader->header_end = value.data + header;
    reader->content_at = (size_t)header;
    return LSMKV_OK;
}

/* Finds the next slot's content, checking that it lies within the value. */
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

/* Finds where part `part` of the key begins. */
static enum lsmkv_status find_part(struct row_reader *reader, int part)
{
    while (reader->parts_known <= part) {
        int last = reader->parts_known - 1;
        size_t at = reader->part_at[last];
        enum lsmkv_status status = key_skip_part(reader->key, &at, &reader->layout->shape->parts[last]);

        if (status)
            return status;
        reader->part_at[reader->parts_known++] = at;
    }
    return LSMKV_OK;
}

static enum lsmkv_status get_rowid(const struct row_reader *reader, struct cell *cell)
{
    cell->type = CELL_INTEGER;
    return reader->layout->shape->rowid && key_get_rowid(reader->key, &cell->integer) ? LSMKV_OK : LSMKV_CORRUPT;
}

/* What the key says of a slot; a key that goes on after its last part is damaged. */
static enum lsmkv_status get_key_cell(struct row_reader *reader, int part, bool real, struct cell *cell)
{
    const struct key_shape *shape = reader->layout->shape;
    enum lsmkv_status status;
    size_t at;

    if (part == SLOT_ROWID)
        return get_rowid(reader, cell);
    if (part == SLOT_PLAIN)
        return LSMKV_CORRUPT;
    status = find_part(reader, part);
    if (status)
        return status;
    at = reader->part_at[part];
    status = key_get_part(reader->key, &at, &shape->parts[part], cell, &reader->scratch[part]);
    if (!status && part == shape->count - 1 && reader->key.size - at != (shape->rowid ? 8 : 0))
        status = LSMKV_CORRUPT;
    if (!status && real && cell->type == CELL_INTEGER) {
        cell->type = CELL_REAL;
        cell->real = (double)cell->integer;
    }
    return status;
}

enum lsmkv_status row_reader_primary_key(struct row_reader *reader, const struct table_index *index, uint32_t keyspace,
                                         struct lsmkv_buf *key)
{
    enum lsmkv_status status = find_part(reader, index->count);
    size_t at;

    /* The offset behind the last part is that of the rowid. */
    if (status)
        return status;
    at = reader->part_at[index->count];
    if (at >= reader->key.size)
        return LSMKV_CORRUPT;
    key->size = 0;
    status = key_put_keyspace(key, keyspace);
    return status ? status : bytes_append(key, reader->key.data + at, reader->key.size - at);
}

enum lsmkv_status row_reader_get(struct row_reader *reader, int column, struct cell *cell)
{
    const struct row_field *field;
    const uint8_t *content;
    uint64_t bits;
    int slot = reader->layout->slot_of[column];

    if (slot < 0)
        return get_rowid(reader, cell);
    while (reader->known <= slot) {
        enum lsmkv_status status = find_next(reader);

        if (status)
            return status;
    }
    field = &reader->fields[slot];
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
        return get_key_cell(reader, reader->layout->told_by[slot], field->code == CODE_KEY_REAL, cell);
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
