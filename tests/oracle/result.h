/*
 * result.h - what one statement gave on one connection, and whether two of them are the same.
 */
#ifndef TESTS_ORACLE_RESULT_H
#define TESTS_ORACLE_RESULT_H

#include <stddef.h>

#include <sqlite3.h>

struct result {
    int code;      /* SQLITE_DONE or an extended error */
    char *message; /* NULL if done */
    char **rows;   /* one text a row: sorted, unless the order is total */
    char **orders; /* the columns that must come as a sequence, by row; "" where there are none */
    size_t count;
};

/* Runs `sql`, whose comments say how rows are compared: see pair.h. */
void result_run(struct result *result, sqlite3 *db, const char *sql);
void result_release(struct result *result);

/* NULL if they are the same, else a description for sqlite3_free(). */
char *result_compare(const struct result *expected, const struct result *got);

#endif
