#include "ext/row_array.h"

#include <stdlib.h>

#include "ext/memory.h"

void row_array_release(struct row_array *array)
{
    lsmkv_buf_release(&array->bytes);
    memory_free(array->items);
    memset(array, 0, sizeof(*array));
}

static enum lsmkv_status reserve_item(struct row_array *array)
{
    size_t capacity = array->capacity ? 2 * array->capacity : 64;
    struct row_item *items;

    if (array->count < array->capacity)
        return LSMKV_OK;
    items = memory_resize(array->items, capacity * sizeof(*items));
    if (!items)
        return LSMKV_NOMEM;
    array->items = items;
    array->capacity = capacity;
    return LSMKV_OK;
}

static uint64_t head_of(struct lsmkv_slice sort)
{
    uint8_t bytes[8] = {0};

    if (sort.size)
        memcpy(bytes, sort.data, sort.size < sizeof(bytes) ? sort.size : sizeof(bytes));
    return bytes_get_be(bytes, sizeof(bytes));
}

enum lsmkv_status row_array_add(struct row_array *array, struct lsmkv_slice sort, struct lsmkv_slice key,
                                struct lsmkv_slice value)
{
    bool has_value = array->bytes.size + value.size <= array->bytes_max;
    enum lsmkv_status status = reserve_item(array);
    struct row_item *item;
    size_t at = array->bytes.size;

    if (!status)
        status = bytes_reserve(&array->bytes, sort.size + key.size + value.size);
    if (!status)
        status = bytes_append(&array->bytes, sort.data, sort.size);
    if (!status)
        status = bytes_append(&array->bytes, key.data, key.size);
    if (!status && has_value)
        status = bytes_append(&array->bytes, value.data, value.size);
    if (status)
        return status;
    item = &array->items[array->count++];
    item->head = head_of(sort);
    item->at = at;
    item->sort_size = (uint32_t)sort.size;
    item->key_size = (uint32_t)key.size;
    item->value_size = has_value ? value.size : 0;
    item->has_value = has_value;
    array->dropped = array->dropped || !has_value;
    return LSMKV_OK;
}

static int compare_items(const void *a, const void *b, void *context)
{
    const struct row_array *array = context;
    const struct row_item *x = a, *y = b;
    int order;

    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    order = bytes_compare(bytes_slice(array->bytes.data + x->at, x->sort_size),
                          bytes_slice(array->bytes.data + y->at, y->sort_size));
    return order ? order : x->at < y->at ? -1 : 1;
}

void row_array_sort(struct row_array *array)
{
    if (array->count)
        qsort_r(array->items, array->count, sizeof(*array->items), compare_items, array);
}

size_t row_array_find(const struct row_array *array, struct lsmkv_slice bound)
{
    size_t low = 0, high = array->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (bytes_compare(row_array_sorted_by(array, middle), bound) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
