#include "ext/sorted.h"

#include "ext/error.h"

struct sorting {
    const struct key_shape *shape;
    const struct plan *plan;
};

/* The bytes of one part of a key, the rowid being the last one. */
static enum lsmkv_status find_part(const struct key_shape *shape, struct lsmkv_slice key, int part,
                                   struct lsmkv_slice *bytes)
{
    size_t at = LSMKV_TABLE_ID_SIZE, before = at;
    enum lsmkv_status status = LSMKV_OK;
    int i;

    for (i = 0; i <= part && i < shape->count && !status; i++) {
        before = at;
        status = key_skip_part(key, &at, &shape->parts[i]);
    }
    if (part == shape->count) {
        before = at;
        at = key.size;
    }
    *bytes = bytes_slice(key.data + before, at - before);
    return status;
}

static enum lsmkv_status sort_by_orders(void *context, const struct scan *scan, struct lsmkv_buf *sort, bool *wanted)
{
    const struct sorting *sorting = context;
    enum lsmkv_status status = LSMKV_OK;
    struct lsmkv_slice bytes;
    size_t at;
    int i;

    (void)wanted;
    for (i = 0; i < sorting->plan->order_count && !status; i++) {
        at = sort->size;
        status = find_part(sorting->shape, scan->key, sorting->plan->orders[i].part, &bytes);
        if (!status)
            status = bytes_append(sort, bytes.data, bytes.size);
        for (; sorting->plan->orders[i].inverted && at < sort->size; at++)
            sort->data[at] = (uint8_t)~sort->data[at];
    }
    return status;
}

int sorted_read(struct kept_rows *kept, const struct sql_table *table, const struct plan *plan, struct scan *scan,
                char **message)
{
    struct sorting sorting = {plan_shape(&table->schema, plan->path), plan};
    int rc = kept_rows_read(kept, table, scan, false, sort_by_orders, &sorting, message);

    return rc ? rc : error_from(message, kept_rows_match_all(kept), NULL);
}
