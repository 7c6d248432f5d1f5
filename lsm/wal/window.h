/*
 * window.h - a moving view of a file: its bytes in bounded chunks.
 *
 * Threads: one at a time. Ownership: borrows the file.
 */
#ifndef LSM_WAL_WINDOW_H
#define LSM_WAL_WINDOW_H

#include "os/fs.h"

struct window {
    struct os_file *file;
    uint64_t size; /* bytes in the file */
    uint64_t base; /* offset of the first byte held */
    size_t held;   /* bytes */
    uint8_t *data;
    size_t capacity;
};

LSMKV_MUST_CHECK enum lsmkv_status window_init(struct window *window, struct os_file *file, struct lsmkv_error *err);
void window_release(struct window *window);

/* Points `bytes` at [offset, offset + size), which must lie inside the file; valid until the next call. */
LSMKV_MUST_CHECK enum lsmkv_status window_get(struct window *window, uint64_t offset, size_t size,
                                              const uint8_t **bytes, struct lsmkv_error *err);

#endif
