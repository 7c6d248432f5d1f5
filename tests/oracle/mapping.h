/*
 * mapping.h - the ordinary table that an lsmkv table is compared with.
 *
 *   CREATE VIRTUAL TABLE t USING lsmkv('dir', columns and constraints, INDEX i(a), option = value)
 *   CREATE TABLE t(columns and constraints) [WITHOUT ROWID]; CREATE INDEX n ON t(a)
 *
 * - A table whose PRIMARY KEY is not the rowid is compared with one WITHOUT ROWID, as ext/README.md says. SQLite itself
 *   is asked which kind it is.
 * - NOT NULL with DEFAULT becomes NOT NULL ON CONFLICT REPLACE DEFAULT: SQLite hands a virtual table the same NULL for a
 *   column that is left out and for an explicit NULL, so both take the default.
 * - UNIQUE and INDEX lose DESC: with NULL in a descending index SQLite (3.40 and 3.53) takes `x NOT IN (SELECT a ...)` for
 *   true where it is NULL.
 * - The directory and options have nothing on the other side.
 */
#ifndef TESTS_ORACLE_MAPPING_H
#define TESTS_ORACLE_MAPPING_H

#include <stdbool.h>

/* True if `sql` creates a table with lsmkv. */
bool mapping_applies(const char *sql);

/*
 * The statements for the ordinary side, to be freed with sqlite3_free(). `*serial` numbers index names, which are
 * unique in a database; it is advanced.
 */
char *mapping_translate(const char *sql, unsigned *serial);

#endif
