#include "ext/affinity.h"

#include <ctype.h>
#include <string.h>

#include "ext/bytes.h"

static bool ends_with(const char *type, size_t end, const char *word)
{
    size_t size = strlen(word), i;

    if (end < size)
        return false;
    for (i = 0; i < size; i++) {
        if (toupper((unsigned char)type[end - size + i]) != word[i])
            return false;
    }
    return true;
}

/* SQLite looks at every four letters in turn; the rules below are its rules, in the order in which they win. */
enum affinity affinity_of_type(const char *type)
{
    enum affinity affinity = AFFINITY_NUMERIC;
    size_t end;

    if (!type || !type[0])
        return AFFINITY_BLOB;
    for (end = 1; type[end - 1]; end++) {
        if (ends_with(type, end, "INT"))
            return AFFINITY_INTEGER;
        if (ends_with(type, end, "CHAR") || ends_with(type, end, "CLOB") || ends_with(type, end, "TEXT"))
            affinity = AFFINITY_TEXT;
        else if (ends_with(type, end, "BLOB") && affinity != AFFINITY_TEXT)
            affinity = AFFINITY_BLOB;
        else if (affinity == AFFINITY_NUMERIC &&
                 (ends_with(type, end, "REAL") || ends_with(type, end, "FLOA") || ends_with(type, end, "DOUB")))
            affinity = AFFINITY_REAL;
    }
    return affinity;
}

bool affinity_real_is_integer(double real, int64_t *integer)
{
    /* Strictly inside the range of int64: at its ends SQLite keeps the real. */
    if (!(real > -9223372036854775808.0 && real < 9223372036854775808.0))
        return false;
    *integer = (int64_t)real;
    return (double)*integer == real;
}

enum lsmkv_status affinity_store(struct cell *cell, enum affinity affinity, sqlite3_value *value)
{
    int type = sqlite3_value_type(value);

    if (affinity == AFFINITY_TEXT && (type == SQLITE_INTEGER || type == SQLITE_FLOAT)) {
        const void *text = sqlite3_value_text(value);

        if (!text)
            return LSMKV_NOMEM;
        cell->type = CELL_TEXT;
        cell->bytes = bytes_slice(text, (size_t)sqlite3_value_bytes(value));
        return LSMKV_OK;
    }
    if (affinity_is_numeric(affinity)) {
        if (type == SQLITE_TEXT)
            type = sqlite3_value_numeric_type(value);
        if (type == SQLITE_INTEGER && affinity == AFFINITY_REAL) {
            cell->type = CELL_REAL;
            cell->real = (double)sqlite3_value_int64(value);
            return LSMKV_OK;
        }
        if (type == SQLITE_FLOAT) {
            cell->real = sqlite3_value_double(value);
            cell->type = CELL_REAL;
            if (affinity == AFFINITY_REAL)
                cell->real += 0.0; /* -0.0 becomes 0.0: an ordinary table stores it as the integer 0 */
            else if (affinity_real_is_integer(cell->real, &cell->integer))
                cell->type = CELL_INTEGER;
            return LSMKV_OK;
        }
    }
    return cell_from_value(cell, value);
}

bool affinity_text_may_be_numeric(struct lsmkv_slice text)
{
    return text.size && strchr(" \t\n\v\f\r+-.0123456789", text.data[0]) && text.data[0];
}
