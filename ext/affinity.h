/*
 * affinity.h - SQLite's type affinities: which one a declared type has, and what it does to a value that is stored.
 *
 * Text becomes a number by SQLite's own conversion (sqlite3_value_numeric_type), a number becomes text by
 * sqlite3_value_text: so both are exactly what an ordinary table does, whatever the version of the host.
 */
#ifndef EXT_AFFINITY_H
#define EXT_AFFINITY_H

#include "ext/cell.h"

enum affinity { AFFINITY_BLOB, AFFINITY_TEXT, AFFINITY_NUMERIC, AFFINITY_INTEGER, AFFINITY_REAL };

/* "Determination of column affinity" in SQLite's documentation; NULL or "" is no type. */
enum affinity affinity_of_type(const char *type);

static inline bool affinity_is_numeric(enum affinity affinity)
{
    return affinity >= AFFINITY_NUMERIC;
}

/* The cell that a column of this affinity stores for `value`. May convert `value` in place, as SQLite does. */
LSMKV_MUST_CHECK enum lsmkv_status affinity_store(struct cell *cell, enum affinity affinity, sqlite3_value *value);

/* True if the text starts like a number could: anything else keeps its class under numeric affinity. */
bool affinity_text_may_be_numeric(struct lsmkv_slice text);

/* The integer that `real` is, if it is one that SQLite stores in its place. */
bool affinity_real_is_integer(double real, int64_t *integer);

#endif
