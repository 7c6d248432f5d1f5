/*
 * row_array.h - rows kept in memory, sorted by bytes that their maker gives them.
 *
 * Rows with equal bytes stay in the order in which they were added. Beyond a number of bytes values are not kept: who
 * wants such a row reads it again by its key.
 */
#ifndef EXT_ROW_ARRAY_H
#define EXT_ROW_ARRAY_H

#include "ext/bytes.h"

struct row_item {
    uint64_t head; /* the first 8 bytes to sort by, as a number, padded with zeros */
    size_t at;     /* in `bytes`: what to sort by, the key, the value; rises in the order of adding */
    uint32_t sort_size, key_size;
    size_t value_size;
    bool has_value; /* it was kept */
};

struct row_array {
    struct lsmkv_buf bytes;
    struct row_item *items;
    size_t count, capacity;
    size_t bytes_max; /* beyond it no values are kept: */
    bool dropped;     /* some were not */
};

void row_array_release(struct row_array *array); /* a zeroed one is fine */

LSMKV_MUST_CHECK enum lsmkv_status row_array_add(struct row_array *array, struct lsmkv_slice sort,
                                                 struct lsmkv_slice key, struct lsmkv_slice value);
/* After the last row was added. */
void row_array_sort(struct row_array *array);

/* Position of the first row whose bytes are not below `bound`; `count` if there is none. */
size_t row_array_find(const struct row_array *array, struct lsmkv_slice bound);

static inline struct lsmkv_slice row_array_sorted_by(const struct row_array *array, size_t position)
{
    const struct row_item *item = &array->items[position];

    return bytes_slice(array->bytes.data + item->at, item->sort_size);
}

static inline struct lsmkv_slice row_array_key(const struct row_array *array, size_t position)
{
    const struct row_item *item = &array->items[position];

    return bytes_slice(array->bytes.data + item->at + item->sort_size, item->key_size);
}

/* The item must have it. */
static inline struct lsmkv_slice row_array_value(const struct row_array *array, size_t position)
{
    const struct row_item *item = &array->items[position];

    return bytes_slice(array->bytes.data + item->at + item->sort_size + item->key_size, item->value_size);
}

#endif
