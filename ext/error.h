/*
 * error.h - messages and codes towards SQLite: the one place where an engine status becomes an SQLite code.
 *
 * A `message` parameter is where the text goes: a vtab's zErrMsg, a constructor's pzErr, or a local that ends with
 * sqlite3_free(). It is replaced, never leaked. Own messages start with "lsmkv: "; those of constraints are core's.
 */
#ifndef EXT_ERROR_H
#define EXT_ERROR_H

#include "ext/sqlite.h"
#include "lsm/lsmkv.h"

/* Sets the message (printf format of SQLite: %s, %d, %lld, %Q, %w) with "lsmkv: " before it; returns `code`. */
int error_set(char **message, int code, const char *format, ...);

/* Sets the message as it is, in core's words; returns `code`. */
int error_core(char **message, int code, const char *format, ...);

/* Turns an engine failure into SQLite's code and message. `err` may be NULL where only memory can fail. */
int error_from(char **message, enum lsmkv_status status, const struct lsmkv_error *err);

/* Makes `err` empty; all of it need not be cleared for every row. */
static inline void error_clear(struct lsmkv_error *err)
{
    err->status = LSMKV_OK;
    err->message[0] = '\0';
}

/* The code of error_from(), for the log. */
int error_code(enum lsmkv_status status);

#endif
