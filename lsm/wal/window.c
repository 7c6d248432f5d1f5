/*
 * window.c - a moving view of a file.
 */
#include "wal/window.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"

#define CHUNK (256u << 10) /* bytes read at once, unless more are asked for */

enum lsmkv_status window_init(struct window *window, struct os_file *file, struct lsmkv_error *err)
{
    window->file = file;
    window->base = 0;
    window->held = 0;
    window->data = NULL;
    window->capacity = 0;
    return os_size(file, &window->size, err);
}

void window_release(struct window *window)
{
    lsm_free(window->data);
    window->data = NULL;
}

static enum lsmkv_status grow(struct window *window, size_t size, struct lsmkv_error *err)
{
    if (size <= window->capacity)
        return LSMKV_OK;
    /* Nothing held is needed any more: free first. */
    lsm_free(window->data);
    window->held = 0;
    window->capacity = 0;
    window->data = lsm_alloc(size);
    if (!window->data)
        return lsmkv_fail_nomem(err);
    window->capacity = size;
    return LSMKV_OK;
}

static enum lsmkv_status load(struct window *window, uint64_t offset, size_t size, struct lsmkv_error *err)
{
    uint64_t left = window->size - offset;
    enum lsmkv_status status;

    if (size < CHUNK)
        size = left < CHUNK ? (size_t)left : CHUNK;
    status = grow(window, size, err);
    if (status)
        return status;
    window->held = 0;
    status = os_read(window->file, offset, window->data, size, err);
    if (status)
        return status;
    window->base = offset;
    window->held = size;
    return LSMKV_OK;
}

enum lsmkv_status window_get(struct window *window, uint64_t offset, size_t size, const uint8_t **bytes,
                             struct lsmkv_error *err)
{
    enum lsmkv_status status;

    assert(offset <= window->size && size <= window->size - offset);
    if (offset < window->base || offset - window->base > window->held ||
        size > window->held - (size_t)(offset - window->base)) {
        status = load(window, offset, size, err);
        if (status)
            return status;
    }
    *bytes = window->data + (offset - window->base);
    return LSMKV_OK;
}
