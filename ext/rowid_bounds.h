/*
 * rowid_bounds.h - what a comparison with any value says of a 64-bit integer: a least and a greatest one, or none.
 *
 * Text that looks like a number is one; other text and blobs are above all integers; NULL compares with nothing.
 */
#ifndef EXT_ROWID_BOUNDS_H
#define EXT_ROWID_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "ext/sqlite.h"

struct rowid_bounds {
    int64_t least, greatest;
    bool empty;
};

#define ROWID_BOUNDS_ALL                                                                                               \
    {                                                                                                                  \
        INT64_MIN, INT64_MAX, false                                                                                    \
    }

/* At or above `value`, or above it. `value` may be converted in place. */
void rowid_bounds_lower(struct rowid_bounds *bounds, sqlite3_value *value, bool strict);
/* At or below it, or below it. */
void rowid_bounds_upper(struct rowid_bounds *bounds, sqlite3_value *value, bool strict);

#endif
