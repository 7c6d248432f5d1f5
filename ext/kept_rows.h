/*
 * kept_rows.h - the rows of a scan in memory, sorted, and which of them are to be handed out.
 *
 * Beyond the store's cache_size only keys are kept, and values are read again from the state that the scan saw.
 *
 * Ownership: rows that it gives are borrowed until the next call.
 */
#ifndef EXT_KEPT_ROWS_H
#define EXT_KEPT_ROWS_H

#include "ext/row_array.h"
#include "ext/scan.h"
#include "ext/sql_table.h"

struct kept_rows {
    struct row_array rows;
    struct lsmkv_cursor *again; /* reads values that were not kept; NULL if all were */
    size_t *matches;            /* positions in `rows` */
    size_t match_count, match_capacity;
};

void kept_rows_release(struct kept_rows *kept); /* a zeroed one is fine */

/* Appends to `sort`, which is empty, what the row is to be sorted by; or says that it is not wanted. */
typedef enum lsmkv_status kept_rows_sort(void *context, const struct scan *scan, struct lsmkv_buf *sort, bool *wanted);

/* Replaces the rows with those of scan->ranges, read in that direction. On failure there are none. */
int kept_rows_read(struct kept_rows *kept, const struct sql_table *table, struct scan *scan, bool descending,
                   kept_rows_sort *sort, void *context, char **message);

/* Hands out one more row, or all. */
LSMKV_MUST_CHECK enum lsmkv_status kept_rows_match(struct kept_rows *kept, size_t position);
LSMKV_MUST_CHECK enum lsmkv_status kept_rows_match_all(struct kept_rows *kept);
/* Puts the matches into the order in which the rows were read. */
void kept_rows_restore_order(struct kept_rows *kept);

/* CORRUPT without a message if a row cannot be found again. */
LSMKV_MUST_CHECK enum lsmkv_status kept_rows_get(struct kept_rows *kept, size_t match, struct lsmkv_slice *key,
                                                 struct lsmkv_slice *value, struct lsmkv_error *err);

#endif
