/*
 * fault_kit.h - what the fault tests through SQL share: connections, statements, results, a quick directory.
 */
#ifndef TESTS_FAULT_FAULT_KIT_H
#define TESTS_FAULT_FAULT_KIT_H

#include "ext/sqlite.h"
#include "support/test.h"

/* Before the first test_dir(): directories in memory where there are any. For tests that open hundreds of stores. */
void kit_use_memory_dirs(void);

/* From now on what is mounted is seen by this process alone and goes with it. False if that is not allowed. */
bool kit_use_private_mounts(void);

/* A connection with the extension in it and extended result codes. */
sqlite3 *kit_open(const char *path);
void kit_close(sqlite3 *db);

/* Runs statements (printf format of SQLite); the code of the first that fails. */
int kit_try(sqlite3 *db, const char *format, ...);
void kit_run(sqlite3 *db, const char *format, ...); /* fails the test if any fails */

/* One number of one row, whose statement must succeed. */
int64_t kit_number(sqlite3 *db, const char *format, ...);

/* Fails the test unless the last failure of `db` is `code` (primary) and its message holds `text`. */
void kit_expect_error(sqlite3 *db, int rc, int code, const char *text);

/* "<dir>/<name>"; one of 16 strings that are used in turn. */
const char *kit_path(const char *dir, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Copies and removes a directory with all that is below it; the target of a copy must not exist. */
void kit_copy_tree(const char *from, const char *to);
void kit_remove_tree(const char *path);

/* Whole files. `*size` bytes to free(). */
uint8_t *kit_read(const char *path, size_t *size);
void kit_write(const char *path, const void *data, size_t size);

#endif
