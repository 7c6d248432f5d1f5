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

struct introspect_view {
    const char *name;
    const char *declaration; /* its last column is hidden: the argument */
    int columns;             /* without the hidden one */
    void (*collect)(struct introspect_rows *rows, const struct session *session);
};

extern const struct introspect_view introspect_views[];
extern const int introspect_view_count;

#endif
