#include "ext/introspect_rows.h"

#include <string.h>

#include "ext/bytes.h"
#include "ext/memory.h"

/* ---- Rows ---- */

void introspect_rows_init(struct introspect_rows *rows, int columns)
{
    memset(rows, 0, sizeof(*rows));
    rows->columns = columns;
}

void introspect_rows_clear(struct introspect_rows *rows)
{
    size_t i;

    for (i = 0; i < rows->count * (size_t)rows->columns; i++) {
        if (rows->cells[i].type == CELL_TEXT || rows->cells[i].type == CELL_BLOB)
            memory_free((void *)rows->cells[i].bytes.data);
    }
    rows->count = 0;
    rows->failed = false;
}

void introspect_rows_release(struct introspect_rows *rows)
{
    introspect_rows_clear(rows);
    memory_free(rows->cells);
    introspect_rows_init(rows, rows->columns);
}

const struct cell *introspect_rows_cell(const struct introspect_rows *rows, size_t row, int column)
{
    return &rows->cells[row * (size_t)rows->columns + (size_t)column];
}

struct cell *introspect_rows_add(struct introspect_rows *rows)
{
    size_t columns = (size_t)rows->columns;
    struct cell *row;

    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 32;
        struct cell *cells = memory_resize(rows->cells, capacity * columns * sizeof(*cells));

        if (!cells) {
            rows->failed = true;
            return NULL;
        }
        rows->cells = cells;
        rows->capacity = capacity;
    }
    row = &rows->cells[rows->count++ * columns];
    memset(row, 0, columns * sizeof(*row));
    return row;
}

void introspect_set_integer(struct cell *cell, uint64_t value)
{
    cell->type = CELL_INTEGER;
    cell->integer = value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

void introspect_set_real(struct cell *cell, double value)
{
    cell->type = CELL_REAL;
    cell->real = value;
}

void introspect_set_bytes(struct introspect_rows *rows, struct cell *cell, enum cell_type type,
                          struct lsmkv_slice bytes)
{
    char *copy = memory_copy_text((const char *)bytes.data, bytes.size);

    if (!copy) {
        rows->failed = true;
        return;
    }
    cell->type = type;
    cell->bytes = bytes_slice(copy, bytes.size);
}

void introspect_set_text(struct introspect_rows *rows, struct cell *cell, const char *text)
{
    introspect_set_bytes(rows, cell, CELL_TEXT, bytes_slice(text, strlen(text)));
}
