/*
 * cell.h - one column's value on its way between SQLite, keys and rows.
 *
 * Ownership: text and blob bytes are borrowed from where the cell came from (an sqlite3_value, a row, a buffer).
 */
#ifndef EXT_CELL_H
#define EXT_CELL_H

#include "ext/sqlite.h"
#include "lsm/lsmkv.h"

enum cell_type { CELL_NULL, CELL_INTEGER, CELL_REAL, CELL_TEXT, CELL_BLOB };

struct cell {
    enum cell_type type;
    int64_t integer;          /* CELL_INTEGER */
    double real;              /* CELL_REAL; never a NaN */
    struct lsmkv_slice bytes; /* CELL_TEXT (UTF-8, may hold zero bytes) and CELL_BLOB */
};

/* Takes what `value` holds, as it is. NOMEM if SQLite could not give its bytes. */
LSMKV_MUST_CHECK enum lsmkv_status cell_from_value(struct cell *cell, sqlite3_value *value);

/* Gives `cell` to SQLite as a result; bytes are copied. */
void cell_result(const struct cell *cell, sqlite3_context *context);

#endif
