#include "sql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ext/entry.h"

sqlite3 *kit_open(const char *path)
{
    char *message = NULL;
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_extended_result_codes(db, 1);
    if (sqlite3_lsmkv_init(db, &message, NULL) != SQLITE_OK)
        fail_msg("sqlite3_lsmkv_init: %s", message);
    return db;
}

void kit_close(sqlite3 *db)
{
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

const char *kit_path(const char *dir, const char *name)
{
    static _Thread_local char paths[64][512];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 64];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static int run(sqlite3 *db, const char *format, va_list arguments)
{
    char *sql = sqlite3_vmprintf(format, arguments);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    sqlite3_free(sql);
    return rc;
}

void kit_run(sqlite3 *db, const char *sql, ...)
{
    va_list arguments;
    int rc;

    va_start(arguments, sql);
    rc = run(db, sql, arguments);
    va_end(arguments);
    if (rc != SQLITE_OK)
        fail_msg("%s: %d %s", sql, rc, sqlite3_errmsg(db));
}

int kit_try(sqlite3 *db, const char *sql, ...)
{
    va_list arguments;
    int rc;

    va_start(arguments, sql);
    rc = run(db, sql, arguments);
    va_end(arguments);
    return rc;
}

void kit_fails(sqlite3 *db, int code, const char *text, const char *sql)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    if (rc != code || !strstr(sqlite3_errmsg(db), text))
        fail_msg("%s: expected %d \"%s\", got %d \"%s\"", sql, code, text, rc, sqlite3_errmsg(db));
}

/* ---- Rows ---- */

static void append_value(sqlite3_str *row, sqlite3_stmt *statement, int column)
{
    const unsigned char *bytes;
    int i;

    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        sqlite3_str_appendf(row, "%lld", sqlite3_column_int64(statement, column));
        break;
    case SQLITE_FLOAT:
        sqlite3_str_appendf(row, "%!.17g", sqlite3_column_double(statement, column));
        break;
    case SQLITE_TEXT:
        bytes = sqlite3_column_text(statement, column);
        sqlite3_str_appendall(row, "'");
        for (i = 0; i < sqlite3_column_bytes(statement, column); i++)
            sqlite3_str_appendf(row, bytes[i] < ' ' ? "\\x%02x" : "%c", bytes[i]);
        sqlite3_str_appendall(row, "'");
        break;
    case SQLITE_BLOB:
        bytes = sqlite3_column_blob(statement, column);
        sqlite3_str_appendall(row, "x'");
        for (i = 0; i < sqlite3_column_bytes(statement, column); i++)
            sqlite3_str_appendf(row, "%02x", bytes[i]);
        sqlite3_str_appendall(row, "'");
        break;
    default:
        sqlite3_str_appendall(row, "NULL");
        break;
    }
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *join(char **rows, size_t count, const char *end)
{
    sqlite3_str *all = sqlite3_str_new(NULL);
    char *text;
    size_t i;

    for (i = 0; i < count; i++) {
        sqlite3_str_appendf(all, "%s\n", rows[i]);
        sqlite3_free(rows[i]);
    }
    free(rows);
    sqlite3_str_appendall(all, end);
    text = sqlite3_str_finish(all); /* NULL if it is empty */
    return text ? text : sqlite3_mprintf("");
}

char *kit_rows(sqlite3 *db, const char *sql, bool sorted)
{
    sqlite3_stmt *statement = NULL;
    char **rows = NULL, *end, *all;
    size_t count = 0;
    int i, rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        sqlite3_str *row;

        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        row = sqlite3_str_new(NULL);
        for (i = 0; i < sqlite3_column_count(statement); i++) {
            if (i)
                sqlite3_str_appendall(row, "|");
            append_value(row, statement, i);
        }
        rows = realloc(rows, (count + 1) * sizeof(*rows));
        assert_non_null(rows);
        rows[count++] = sqlite3_str_finish(row);
    }
    end = rc == SQLITE_DONE ? sqlite3_mprintf("") : sqlite3_mprintf("error %d: %s", rc, sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    if (sorted && count)
        qsort(rows, count, sizeof(*rows), compare_text);
    all = join(rows, count, end);
    sqlite3_free(end);
    return all;
}

void kit_expect(sqlite3 *db, const char *rows, const char *sql)
{
    char *got = kit_rows(db, sql, false);

    if (strcmp(got, rows) != 0)
        fail_msg("%s\nexpected:\n%s\ngot:\n%s", sql, rows, got);
    sqlite3_free(got);
}
