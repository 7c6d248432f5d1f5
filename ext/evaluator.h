/*
 * evaluator.h - CHECK and DEFAULT expressions of a table, evaluated by SQLite itself.
 *
 * A private ":memory:" connection holds an ordinary table with the columns that the CHECKs mention, of the same affinity
 * and collation, and those CHECKs. A row is tested by an INSERT into it, so the expressions, their order, what NULL means
 * and the words of the refusal are core's own. The INSERT never writes: behind the CHECKs it always meets a row with the
 * same key, and does nothing. Values are bound without a copy. Each DEFAULT is that of a table of its own, whose new row
 * tells its value; a constant is asked for once.
 *
 * Functions and collations of the application are unknown there: expressions that use them fail when the evaluator is
 * made, and so at CREATE.
 *
 * Threads:   as the connection it serves.
 * Failure:   an SQLite code with a message; the evaluator can be used again.
 */
#ifndef EXT_EVALUATOR_H
#define EXT_EVALUATOR_H

#include "ext/schema.h"

struct evaluator;

/* False if the table has neither CHECK nor DEFAULT: then there is nothing to make. */
bool evaluator_needed(const struct table_schema *schema);

/* Borrows `schema` for its life. `db` is the connection whose text encoding and limits count. */
int evaluator_new(struct evaluator **evaluator, sqlite3 *db, const struct table_schema *schema, char **message);
void evaluator_free(struct evaluator *evaluator); /* NULL is fine */

/* True if a CHECK mentions the column (-1: the rowid): only then does a new value of it have to be tested. */
bool evaluator_sees(const struct evaluator *evaluator, int column);

/*
 * Tests a row whose cells have their columns' affinity. SQLITE_CONSTRAINT_CHECK with core's words if a CHECK refuses it;
 * another code if an expression fails. Cells of columns that no CHECK mentions are not looked at.
 */
int evaluator_check(struct evaluator *evaluator, const struct cell *cells, int64_t rowid, char **message);

/* The DEFAULT of a column that has one, with its affinity; borrowed until the next call for that column. */
int evaluator_default(struct evaluator *evaluator, int column, struct cell *cell, char **message);

#endif
