#include "ext/cell.h"

#include "ext/bytes.h"

enum lsmkv_status cell_from_value(struct cell *cell, sqlite3_value *value)
{
    const void *data;

    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        cell->type = CELL_INTEGER;
        cell->integer = sqlite3_value_int64(value);
        return LSMKV_OK;
    case SQLITE_FLOAT:
        cell->type = CELL_REAL;
        cell->real = sqlite3_value_double(value);
        return LSMKV_OK;
    case SQLITE_TEXT:
        data = sqlite3_value_text(value);
        if (!data)
            return LSMKV_NOMEM;
        cell->type = CELL_TEXT;
        cell->bytes = bytes_slice(data, (size_t)sqlite3_value_bytes(value));
        return LSMKV_OK;
    case SQLITE_BLOB:
        data = sqlite3_value_blob(value);
        cell->type = CELL_BLOB;
        cell->bytes = bytes_slice(data, (size_t)sqlite3_value_bytes(value));
        return !data && cell->bytes.size ? LSMKV_NOMEM : LSMKV_OK;
    default:
        cell->type = CELL_NULL;
        return LSMKV_OK;
    }
}

void cell_result(const struct cell *cell, sqlite3_context *context)
{
    switch (cell->type) {
    case CELL_NULL:
        sqlite3_result_null(context);
        break;
    case CELL_INTEGER:
        sqlite3_result_int64(context, cell->integer);
        break;
    case CELL_REAL:
        sqlite3_result_double(context, cell->real);
        break;
    case CELL_TEXT:
        sqlite3_result_text64(context, cell->bytes.size ? (const char *)cell->bytes.data : "", cell->bytes.size,
                              SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case CELL_BLOB:
        sqlite3_result_blob64(context, cell->bytes.size ? (const void *)cell->bytes.data : "", cell->bytes.size,
                              SQLITE_TRANSIENT);
        break;
    }
}
