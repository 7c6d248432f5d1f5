/*
 * rowid.h - the rowids of tables that have them: their keys, and the choice of one for a new row.
 *
 * As in SQLite a new row gets the largest rowid plus one. The largest is looked for once in a write transaction and then
 * remembered by the session.
 */
#ifndef EXT_ROWID_H
#define EXT_ROWID_H

#include "ext/sql_table.h"

/* Replaces `key` with the key of that row. */
LSMKV_MUST_CHECK enum lsmkv_status rowid_key(const struct sql_table *table, struct lsmkv_buf *key, int64_t rowid);

/* Chooses one that is free; SQLITE_FULL where none was found. Uses table->key. */
int rowid_choose(struct sql_table *table, int64_t *rowid);

/* Keep what is remembered right: to be called after a row was put, or one deleted. */
void rowid_note_put(const struct sql_table *table, int64_t rowid);
void rowid_note_delete(const struct sql_table *table, int64_t rowid);

#endif
