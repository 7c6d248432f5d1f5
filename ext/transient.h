/*
 * transient.h - an index in memory for a cursor that is asked again and again: SQLite makes none for a virtual table.
 *
 * A plan may carry probes: columns compared by = that its path does not serve. The first time the path is just walked;
 * SQLite tests the probes. When the same cursor is asked a second time, with the same ranges of the path, these are read
 * once into an array sorted by the columns of the probes, which answers from then on. Ranges that change begin anew. Like
 * SQLite's own automatic index it shows the rows as they were when it was made. It gives every row that SQLite could find
 * equal, by the rules of ranges.h, and SQLite tests them all the same.
 *
 * Ownership: borrows table and plan. Rows are borrowed from the index until it begins anew.
 */
#ifndef EXT_TRANSIENT_H
#define EXT_TRANSIENT_H

#include "ext/kept_rows.h"

struct transient {
    const struct sql_table *table;
    const struct plan *plan; /* of the cursor; NULL: never asked */
    struct key_ranges base;  /* of the path, when it was last asked */
    bool made;
    struct key_shape shape;   /* the columns of the probes ... */
    struct plan equal;        /* ... and a plan that binds them all */
    struct row_reader reader; /* while it is made */
    struct key_ranges wanted;
    struct kept_rows rows;
};

void transient_release(struct transient *transient); /* a zeroed one is fine */

/*
 * A cursor is asked with a plan that has probes; scan->ranges are those of its path. *ready tells whether the index answers,
 * else the path is to be walked. `message` as in error.h.
 */
int transient_ask(struct transient *transient, const struct sql_table *table, const struct plan *plan,
                  struct scan *scan, bool *ready, char **message);

/* Finds the rows that the arguments of the probes could be equal to: the matches of `rows`. */
int transient_probe(struct transient *transient, sqlite3_value **arguments, char **message);

#endif
