#include "ext/transient.h"

#include <string.h>

#include "ext/error.h"
#include "ext/memory.h"

static void forget(struct transient *transient)
{
    kept_rows_release(&transient->rows);
    row_reader_release(&transient->reader);
    memory_free(transient->shape.parts);
    transient->shape.parts = NULL;
    memory_free(transient->equal.binds);
    transient->equal.binds = NULL;
    transient->made = false;
}

void transient_release(struct transient *transient)
{
    forget(transient);
    ranges_release(&transient->base);
    ranges_release(&transient->wanted);
    memset(transient, 0, sizeof(*transient));
}

/* ---- Making it ---- */

static enum lsmkv_status make_shape(struct transient *transient)
{
    const struct plan *plan = transient->plan;
    int i;

    transient->shape.parts = memory_alloc((size_t)plan->probe_count * sizeof(*transient->shape.parts));
    transient->equal.binds = memory_alloc((size_t)plan->probe_count * sizeof(*transient->equal.binds));
    if (!transient->shape.parts || !transient->equal.binds)
        return LSMKV_NOMEM;
    transient->shape.count = plan->probe_count;
    transient->equal.bound = plan->probe_count;
    for (i = 0; i < plan->probe_count; i++) {
        transient->shape.parts[i].column = plan->probes[i].column;
        transient->shape.parts[i].collation = plan->probes[i].collation;
        transient->equal.binds[i] = BIND_EQUAL;
    }
    return LSMKV_OK;
}

/* By the columns of the probes; a row in which one is NULL is equal to nothing. */
static enum lsmkv_status sort_by_probes(void *context, const struct scan *scan, struct lsmkv_buf *sort, bool *wanted)
{
    struct transient *transient = context;
    enum lsmkv_status status = row_reader_set(&transient->reader, scan->key, scan->value);
    struct cell cell;
    int i;

    for (i = 0; i < transient->shape.count && !status && *wanted; i++) {
        const struct key_part *part = &transient->shape.parts[i];

        status = row_reader_get(&transient->reader, part->column, &cell);
        *wanted = !status && cell.type != CELL_NULL;
        if (*wanted)
            status = key_put_part(sort, &cell, part->collation, false);
    }
    return status;
}

static int make(struct transient *transient, struct scan *scan, char **message)
{
    const struct sql_table *table = transient->table;
    int path = transient->plan->path, rc;
    enum lsmkv_status status = make_shape(transient);

    if (!status)
        status =
            row_reader_init(&transient->reader, path == PLAN_PRIMARY ? &table->layout : &table->index_layouts[path]);
    rc = error_from(message, status, NULL);
    if (!rc)
        rc = kept_rows_read(&transient->rows, table, scan, transient->plan->descending, sort_by_probes, transient,
                            message);
    if (rc)
        forget(transient);
    transient->made = !rc;
    return rc;
}

int transient_ask(struct transient *transient, const struct sql_table *table, const struct plan *plan,
                  struct scan *scan, bool *ready, char **message)
{
    *ready = transient->plan == plan && ranges_equal(&transient->base, &scan->ranges);
    if (*ready)
        return transient->made ? SQLITE_OK : make(transient, scan, message);
    forget(transient);
    transient->plan = NULL;
    if (ranges_copy(&transient->base, &scan->ranges))
        return SQLITE_NOMEM;
    transient->table = table;
    transient->plan = plan;
    return SQLITE_OK;
}

/* ---- Asking it ---- */

/* A bound without the keyspace, which rows in memory have none of. */
static struct lsmkv_slice strip(struct lsmkv_slice bound)
{
    size_t size = bound.size < LSMKV_TABLE_ID_SIZE ? bound.size : LSMKV_TABLE_ID_SIZE;

    return bytes_slice(bound.data + size, bound.size - size);
}

static enum lsmkv_status add_matches(struct transient *transient, int range)
{
    const struct row_array *rows = &transient->rows.rows;
    size_t at = row_array_find(rows, strip(ranges_lower(&transient->wanted, range)));
    struct lsmkv_slice upper = strip(ranges_upper(&transient->wanted, range));
    enum lsmkv_status status = LSMKV_OK;

    for (; at < rows->count && bytes_compare(row_array_sorted_by(rows, at), upper) < 0 && !status; at++)
        status = kept_rows_match(&transient->rows, at);
    return status;
}

int transient_probe(struct transient *transient, sqlite3_value **arguments, char **message)
{
    const struct ranges_request request = {&transient->table->schema, &transient->shape, 0, &transient->equal};
    enum lsmkv_status status = LSMKV_OK;
    int i, rc = ranges_build(&transient->wanted, &request, arguments, message);

    transient->rows.match_count = 0;
    for (i = 0; !rc && i < transient->wanted.count && !status; i++)
        status = add_matches(transient, i);
    if (rc)
        return rc;
    if (transient->plan->ordered)
        kept_rows_restore_order(&transient->rows); /* several sorted runs are no order of the path any more */
    return error_from(message, status, NULL);
}
