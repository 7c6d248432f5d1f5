/*
 * buf.h - slices and growing buffers.
 */
#ifndef LSM_BASE_BUF_H
#define LSM_BASE_BUF_H

#include <string.h>

#include "lsmkv.h"

static inline struct lsmkv_slice slice_of(const void *data, size_t size)
{
    struct lsmkv_slice slice = {(const uint8_t *)data, size};
    return slice;
}

static inline struct lsmkv_slice slice_of_buf(const struct lsmkv_buf *buf)
{
    return slice_of(buf->data, buf->size);
}

/* memcmp order, a prefix before what it is a prefix of. */
static inline int slice_compare(struct lsmkv_slice a, struct lsmkv_slice b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;

    if (order)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static inline bool slice_equal(struct lsmkv_slice a, struct lsmkv_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* All fail with NOMEM and then leave the buffer as it was. */
LSMKV_MUST_CHECK enum lsmkv_status buf_reserve(struct lsmkv_buf *buf, size_t more, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status buf_append(struct lsmkv_buf *buf, const void *data, size_t size,
                                              struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status buf_set(struct lsmkv_buf *buf, struct lsmkv_slice from, struct lsmkv_error *err);
static inline void buf_clear(struct lsmkv_buf *buf)
{
    buf->size = 0;
}

#endif
