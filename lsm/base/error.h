/*
 * error.h - fills a caller's lsmkv_error, once, where a failure is detected.
 */
#ifndef LSM_BASE_ERROR_H
#define LSM_BASE_ERROR_H

#include "lsmkv.h"

/* Fills `err` (may be NULL) and returns `status`, so that callers can write `return lsmkv_fail(err, ...)`. */
enum lsmkv_status lsmkv_fail(struct lsmkv_error *err, enum lsmkv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Out of memory: one wording for all. */
enum lsmkv_status lsmkv_fail_nomem(struct lsmkv_error *err);

#define LSMKV_ERROR_INIT                                                                                               \
    {                                                                                                                  \
        LSMKV_OK, ""                                                                                                   \
    }

#endif
