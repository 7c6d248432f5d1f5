/*
 * error.c - fills a caller's lsmkv_error.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum lsmkv_status lsmkv_fail(struct lsmkv_error *err, enum lsmkv_status status, const char *format, ...)
{
    char message[LSMKV_MESSAGE_MAX];
    va_list arguments;

    if (!err)
        return status;
    /* Through a copy: a caller may put err->message itself into the new text. */
    va_start(arguments, format);
    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        message[0] = '\0';
    va_end(arguments);
    err->status = status;
    memcpy(err->message, message, strlen(message) + 1);
    return status;
}

enum lsmkv_status lsmkv_fail_nomem(struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_NOMEM, "out of memory");
}
