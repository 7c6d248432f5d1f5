#include "ext/error.h"

#include <stdarg.h>

int error_code(enum lsmkv_status status)
{
    switch (status) {
    case LSMKV_OK:
        return SQLITE_OK;
    case LSMKV_BUSY:
        return SQLITE_BUSY;
    case LSMKV_BUSY_SNAPSHOT:
        return SQLITE_BUSY_SNAPSHOT;
    case LSMKV_CORRUPT:
        return SQLITE_CORRUPT_VTAB;
    case LSMKV_IO:
        return SQLITE_IOERR;
    case LSMKV_FULL:
        return SQLITE_FULL;
    case LSMKV_NOMEM:
        return SQLITE_NOMEM;
    case LSMKV_CANTOPEN:
        return SQLITE_CANTOPEN;
    case LSMKV_READONLY:
        return SQLITE_READONLY;
    case LSMKV_INVALID:
        return SQLITE_ERROR;
    case LSMKV_TOOBIG:
        return SQLITE_TOOBIG;
    case LSMKV_MISUSE:
        return SQLITE_MISUSE;
    case LSMKV_INTERRUPTED:
        return SQLITE_INTERRUPT;
    }
    return SQLITE_INTERNAL;
}

static void replace(char **message, char *text)
{
    sqlite3_free(*message);
    *message = text;
}

int error_set(char **message, int code, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (!text)
        return SQLITE_NOMEM;
    replace(message, sqlite3_mprintf("lsmkv: %s", text));
    sqlite3_free(text);
    return code;
}

int error_core(char **message, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    replace(message, sqlite3_vmprintf(format, arguments));
    va_end(arguments);
    return code;
}

int error_from(char **message, enum lsmkv_status status, const struct lsmkv_error *err)
{
    if (status == LSMKV_OK)
        return SQLITE_OK;
    if (status == LSMKV_NOMEM)
        return SQLITE_NOMEM;
    if (!err || !err->message[0])
        return error_set(message, error_code(status), "%s", sqlite3_errstr(error_code(status)));
    return error_set(message, error_code(status), "%s", err->message);
}
