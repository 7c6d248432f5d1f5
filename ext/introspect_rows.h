/*
 * introspect_rows.h - what each introspection table shows, as rows of cells.
 */
#ifndef EXT_INTROSPECT_ROWS_H
#define EXT_INTROSPECT_ROWS_H

#include "ext/cell.h"
#include "ext/session.h"

/* Rows of `columns` cells; text and blobs are the rows' own copies. */
struct introspect_rows {
    struct cell *cells;
    int columns;
    size_t count, capacity; /* rows */
    bool failed;            /* out of memory; rows are missing */
};

void introspect_rows_init(struct introspect_rows *rows, int columns);
void introspect_rows_clear(struct introspect_rows *rows);
void introspect_rows_release(struct introspect_rows *rows);
const struct cell *introspect_rows_cell(const struct introspect_rows *rows, size_t row, int column);

/* The cells of a new row, all NULL; NULL on failure. The pointer holds until the next one. */
struct cell *introspect_rows_add(struct introspect_rows *rows);
void introspect_set_integer(struct cell *cell, uint64_t value);
void introspect_set_real(struct cell *cell, double value);
void introspect_set_bytes(struct introspect_rows *rows, struct cell *cell, enum cell_type type,
                          struct lsmkv_slice bytes);
void introspect_set_text(struct introspect_rows *rows, struct cell *cell, const char *text);

struct introspect_view {
    const char *name;
    const char *declaration; /* its last column is hidden: the argument */
    int columns;             /* without the hidden one */
    /* Adds what the session's store shows. SQLite code; rows->failed tells of missing memory too. */
    int (*collect)(struct introspect_rows *rows, const struct session *session, char **message);
    /* NULL: rows are numbered as they come, and cannot be changed. */
    sqlite3_int64 (*rowid)(const struct introspect_rows *rows, size_t row);
    /* As xUpdate. */
    int (*update)(struct connection *connection, int argc, sqlite3_value **argv, char **message);
};

extern const struct introspect_view introspect_views[];
extern const int introspect_view_count;

#endif
