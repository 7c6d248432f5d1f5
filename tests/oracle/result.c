#include "result.h"

#include <ctype.h>
#include <err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values as text ---- */

static void append_bytes(sqlite3_str *row, const unsigned char *bytes, int length)
{
    int i;

    for (i = 0; i < length; i++)
        sqlite3_str_appendf(row, bytes[i] < ' ' || bytes[i] > '~' ? "\\x%02x" : "%c", bytes[i]);
}

static void append_exact(sqlite3_str *row, sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        sqlite3_str_appendf(row, "%lld", sqlite3_column_int64(statement, column));
        break;
    case SQLITE_FLOAT:
        sqlite3_str_appendf(row, "%!.17g", sqlite3_column_double(statement, column));
        break;
    case SQLITE_TEXT:
        sqlite3_str_appendall(row, "'");
        append_bytes(row, sqlite3_column_text(statement, column), sqlite3_column_bytes(statement, column));
        sqlite3_str_appendall(row, "'");
        break;
    case SQLITE_BLOB:
        sqlite3_str_appendall(row, "x'");
        append_bytes(row, sqlite3_column_blob(statement, column), sqlite3_column_bytes(statement, column));
        sqlite3_str_appendall(row, "'");
        break;
    default:
        sqlite3_str_appendall(row, "NULL");
        break;
    }
}

/* The same for what NOCASE, RTRIM or a comparison of numbers calls equal. */
static void append_loose(sqlite3_str *row, sqlite3_stmt *statement, int column)
{
    int type = sqlite3_column_type(statement, column), i, length;
    const unsigned char *text;

    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
        /* + 0.0 makes -0.0 the 0 that it is equal to. */
        sqlite3_str_appendf(row, "%!.15g", sqlite3_column_double(statement, column) + 0.0);
        return;
    }
    if (type != SQLITE_TEXT) {
        append_exact(row, statement, column);
        return;
    }
    text = sqlite3_column_text(statement, column);
    length = sqlite3_column_bytes(statement, column);
    while (length && text[length - 1] == ' ')
        length--;
    sqlite3_str_appendall(row, "'");
    for (i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)tolower(text[i]);

        append_bytes(row, &byte, 1);
    }
    sqlite3_str_appendall(row, "'");
}

static char *finish(sqlite3_str *text)
{
    char *finished = sqlite3_str_finish(text); /* NULL if it is empty */

    if (!finished)
        finished = sqlite3_mprintf("");
    if (!finished)
        errx(1, "no memory");
    return finished;
}

static char *columns(sqlite3_stmt *statement, int count, bool loose)
{
    sqlite3_str *row = sqlite3_str_new(NULL);
    int i;

    for (i = 0; i < count; i++) {
        if (i)
            sqlite3_str_appendall(row, "|");
        (loose ? append_loose : append_exact)(row, statement, i);
    }
    return finish(row);
}

/* ---- Running ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_row(struct result *result, char *row, char *order)
{
    result->rows = realloc(result->rows, (result->count + 1) * sizeof(*result->rows));
    result->orders = realloc(result->orders, (result->count + 1) * sizeof(*result->orders));
    if (!result->rows || !result->orders)
        err(1, "rows");
    result->rows[result->count] = row;
    result->orders[result->count++] = order;
}

void result_run(struct result *result, sqlite3 *db, const char *sql)
{
    const char *ordered = strstr(sql, "/*ordered ");
    bool loose = strstr(sql, "/*loose*/") != NULL;
    bool total = !ordered && !loose && strstr(sql, "ORDER BY");
    int sequence = ordered ? atoi(ordered + strlen("/*ordered ")) : 0, rc;
    sqlite3_stmt *statement = NULL;

    memset(result, 0, sizeof(*result));
    rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            add_row(result, columns(statement, sqlite3_column_count(statement), loose),
                    columns(statement, sequence, true));
    }
    result->code = rc;
    if (rc != SQLITE_DONE)
        result->message = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    if (!total && result->count)
        qsort(result->rows, result->count, sizeof(*result->rows), by_text);
}

void result_release(struct result *result)
{
    size_t i;

    for (i = 0; i < result->count; i++) {
        sqlite3_free(result->rows[i]);
        sqlite3_free(result->orders[i]);
    }
    free(result->rows);
    free(result->orders);
    sqlite3_free(result->message);
}

/* ---- Comparing ---- */

static void describe(sqlite3_str *out, const char *who, const struct result *result, bool orders)
{
    size_t i;

    sqlite3_str_appendf(out, "%s:\n", who);
    if (result->message)
        sqlite3_str_appendf(out, "  error %d: %s\n", result->code, result->message);
    for (i = 0; i < result->count && !result->message; i++)
        sqlite3_str_appendf(out, "  %s%s%s\n", result->rows[i], orders ? "   in sequence: " : "",
                            orders ? result->orders[i] : "");
}

char *result_compare(const struct result *expected, const struct result *got)
{
    bool same = expected->code == got->code, orders = false;
    sqlite3_str *out;
    size_t i;

    if (same && expected->message)
        same = strcmp(expected->message, got->message) == 0;
    if (same && !expected->message) {
        same = expected->count == got->count;
        for (i = 0; same && i < expected->count; i++) {
            orders = strcmp(expected->orders[i], got->orders[i]) != 0;
            same = !orders && strcmp(expected->rows[i], got->rows[i]) == 0;
        }
    }
    if (same)
        return NULL;
    out = sqlite3_str_new(NULL);
    describe(out, "expected", expected, orders);
    describe(out, "got", got, orders);
    return finish(out);
}
