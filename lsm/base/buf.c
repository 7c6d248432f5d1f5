/*
 * buf.c - growing buffers.
 */
#include "base/buf.h"

#include "base/alloc.h"
#include "base/error.h"

void lsmkv_buf_release(struct lsmkv_buf *buf)
{
    lsm_free(buf->data);
    buf->data = NULL;
    buf->size = 0;
    buf->capacity = 0;
}

enum lsmkv_status buf_reserve(struct lsmkv_buf *buf, size_t more, struct lsmkv_error *err)
{
    size_t needed, capacity;
    uint8_t *data;

    if (__builtin_add_overflow(buf->size, more, &needed))
        return lsmkv_fail_nomem(err);
    if (needed <= buf->capacity)
        return LSMKV_OK;
    /* Doubling keeps appends linear; huge buffers grow by half to waste less. */
    capacity = buf->capacity < (64u << 20) ? buf->capacity * 2 : buf->capacity + buf->capacity / 2;
    if (capacity < needed)
        capacity = needed;
    if (capacity < 64)
        capacity = 64;
    data = lsm_realloc(buf->data, capacity);
    if (!data)
        return lsmkv_fail_nomem(err);
    buf->data = data;
    buf->capacity = capacity;
    return LSMKV_OK;
}

enum lsmkv_status buf_append(struct lsmkv_buf *buf, const void *data, size_t size, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (size == 0)
        return LSMKV_OK;
    status = buf_reserve(buf, size, err);
    if (status)
        return status;
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return LSMKV_OK;
}

enum lsmkv_status buf_set(struct lsmkv_buf *buf, struct lsmkv_slice from, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (from.size > buf->size) {
        status = buf_reserve(buf, from.size - buf->size, err);
        if (status)
            return status;
    }
    if (from.size)
        memcpy(buf->data, from.data, from.size);
    buf->size = from.size;
    return LSMKV_OK;
}
