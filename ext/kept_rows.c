#include "ext/kept_rows.h"

#include <stdlib.h>

#include "ext/error.h"
#include "ext/interrupt.h"
#include "ext/memory.h"

static void forget(struct kept_rows *kept)
{
    lsmkv_cursor_close(kept->again);
    kept->again = NULL;
    row_array_release(&kept->rows);
    kept->match_count = 0;
}

void kept_rows_release(struct kept_rows *kept)
{
    forget(kept);
    memory_free(kept->matches);
    memset(kept, 0, sizeof(*kept));
}

/* ---- Reading ---- */

static enum lsmkv_status add_row(struct row_array *rows, const struct scan *scan, struct lsmkv_buf *bytes,
                                 kept_rows_sort *sort, void *context)
{
    bool wanted = true;
    enum lsmkv_status status;

    bytes->size = 0;
    status = sort(context, scan, bytes, &wanted);
    return status || !wanted ? status : row_array_add(rows, bytes_of(bytes), scan->key, scan->value);
}

static int read_all(struct kept_rows *kept, const struct sql_table *table, struct scan *scan, bool descending,
                    kept_rows_sort *sort, void *context, char **message)
{
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    struct lsmkv_error err;
    enum lsmkv_status status;
    bool interrupted = false;
    unsigned steps = 0;

    error_clear(&err);
    status = scan_start(scan, table->session->engine, descending, &err);
    while (!status && scan->valid && !interrupted) {
        interrupted = interrupt_is_due(table->connection->db, &steps);
        status = add_row(&kept->rows, scan, &bytes, sort, context);
        if (!status)
            status = scan_next(scan, &err);
    }
    lsmkv_buf_release(&bytes);
    return interrupted ? SQLITE_INTERRUPT : error_from(message, status, &err);
}

/* In the same call as the scan, so it sees the same state. */
static int open_again(struct kept_rows *kept, const struct sql_table *table, char **message)
{
    const struct lsmkv_slice none = {NULL, 0};
    struct lsmkv_error err;
    enum lsmkv_status status;

    error_clear(&err);
    status = lsmkv_cursor_open(&kept->again, table->session->engine, none, none, &err);
    if (status)
        kept->again = NULL;
    return error_from(message, status, &err);
}

int kept_rows_read(struct kept_rows *kept, const struct sql_table *table, struct scan *scan, bool descending,
                   kept_rows_sort *sort, void *context, char **message)
{
    int rc;

    forget(kept);
    kept->rows.bytes_max = lsmkv_store_options(session_store(table->session))->cache_size;
    rc = read_all(kept, table, scan, descending, sort, context, message);
    if (!rc && kept->rows.dropped)
        rc = open_again(kept, table, message);
    if (rc)
        forget(kept);
    else
        row_array_sort(&kept->rows);
    return rc;
}

/* ---- Handing out ---- */

enum lsmkv_status kept_rows_match(struct kept_rows *kept, size_t position)
{
    size_t capacity = kept->match_capacity ? 2 * kept->match_capacity : 16;
    size_t *matches;

    if (kept->match_count == kept->match_capacity) {
        matches = memory_resize(kept->matches, capacity * sizeof(*matches));
        if (!matches)
            return LSMKV_NOMEM;
        kept->matches = matches;
        kept->match_capacity = capacity;
    }
    kept->matches[kept->match_count++] = position;
    return LSMKV_OK;
}

enum lsmkv_status kept_rows_match_all(struct kept_rows *kept)
{
    enum lsmkv_status status = LSMKV_OK;
    size_t i;

    kept->match_count = 0;
    for (i = 0; i < kept->rows.count && !status; i++)
        status = kept_rows_match(kept, i);
    return status;
}

static int compare_added(const void *a, const void *b, void *context)
{
    const struct row_array *rows = context;
    size_t x = rows->items[*(const size_t *)a].at, y = rows->items[*(const size_t *)b].at;

    return x < y ? -1 : x > y;
}

void kept_rows_restore_order(struct kept_rows *kept)
{
    if (kept->match_count > 1)
        qsort_r(kept->matches, kept->match_count, sizeof(*kept->matches), compare_added, &kept->rows);
}

enum lsmkv_status kept_rows_get(struct kept_rows *kept, size_t match, struct lsmkv_slice *key,
                                struct lsmkv_slice *value, struct lsmkv_error *err)
{
    size_t position = kept->matches[match];
    enum lsmkv_status status;

    *key = row_array_key(&kept->rows, position);
    if (kept->rows.items[position].has_value) {
        *value = row_array_value(&kept->rows, position);
        return LSMKV_OK;
    }
    status = lsmkv_cursor_seek(kept->again, *key, err);
    if (status)
        return status;
    if (!lsmkv_cursor_valid(kept->again) || bytes_compare(lsmkv_cursor_key(kept->again), *key) != 0)
        return LSMKV_CORRUPT;
    *value = lsmkv_cursor_value(kept->again);
    return LSMKV_OK;
}
