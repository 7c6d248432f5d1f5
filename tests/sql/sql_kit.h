/*
 * sql_kit.h - for tests that go through SQL: connections with the extension in them, statements that must succeed or
 * fail in a certain way, results as one string.
 */
#ifndef TESTS_SQL_KIT_H
#define TESTS_SQL_KIT_H

#include "support/test.h"

#include "ext/sqlite.h"

/* Opens a database file with the extension loaded. */
sqlite3 *kit_open(const char *path);
void kit_close(sqlite3 *db);

/* "<dir>/<name>"; the string lasts until the program ends or 64 more are made. */
const char *kit_path(const char *dir, const char *name);

/* Fails the test unless `sql` (any number of statements, printf format of SQLite) runs through. */
void kit_run(sqlite3 *db, const char *sql, ...);

/* Runs one statement; returns its extended code. */
int kit_try(sqlite3 *db, const char *sql, ...);

/* Fails the test unless `sql` fails with `code` and a message that holds `text`. */
void kit_fails(sqlite3 *db, int code, const char *text, const char *sql);

/*
 * Rows of a statement: quote() of each column, '|' between columns, a new line after each row. Errors are part of it:
 * "error CODE: message". To end with sqlite3_free().
 */
char *kit_rows(sqlite3 *db, const char *sql, bool sorted);

/* Fails the test unless the rows are those. */
void kit_expect(sqlite3 *db, const char *rows, const char *sql);

#endif
