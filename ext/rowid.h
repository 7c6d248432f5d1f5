/*
 * rowid.h - the rowid of a new row: what the statement says, or the choice of one.
 *
 * SQLite does not know that rowid and INTEGER PRIMARY KEY are one: either may have been given, or changed. As in SQLite a
 * new row without one gets the largest rowid plus one, or a larger one where transactions of others are about to use that
 * (handout.h). The largest is looked for when a transaction begins to write, and again when one of another has ended.
 */
#ifndef EXT_ROWID_H
#define EXT_ROWID_H

#include "ext/writer.h"

/* Settles change->rowid (and old_rowid), and the cell of an INTEGER PRIMARY KEY. SQLITE_MISMATCH for what is no integer. */
int rowid_settle(struct change *change);

/* Keep what is remembered right: to be called after a row was put, or one deleted. */
void rowid_note_put(const struct sql_table *table, int64_t rowid);
void rowid_note_delete(const struct sql_table *table, int64_t rowid);

#endif
