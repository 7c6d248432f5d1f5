/*
 * marker.h - the table lsmkv_marker of a database file: which two-phase transactions SQLite has committed there.
 *
 * A store that has prepared a transaction learns the outcome after a crash from here: the mark of that transaction is
 * part of the same SQLite transaction, so it is there exactly if SQLite has committed.
 *
 * The table is lsmkv_marker(v) with one row, rowid 1. Its blob:
 *
 *   offset  bytes
 *   0       16     the coordinator id: 8 random bytes, 8 of marker_place(). Prepares name it.
 *   16+24i  8      a slot: the transaction, little-endian; 0 = free
 *   24+24i  16             the id of the store that prepared it
 *
 * A slot is used again once its store says that no crash can bring the transaction back into doubt. The blob is written
 * in place by incremental I/O: that changes neither changes() nor last_insert_rowid() of the host, and calls no hook. It
 * grows where there are more undecided transactions than slots.
 *
 * The table is made inside of xSync, where it is first needed, and goes with the transaction if that is rolled back. So a
 * prepare may name a coordinator that no file bears. marker_place() tells then that the file which would is this one.
 */
#ifndef EXT_MARKER_H
#define EXT_MARKER_H

#include <stdbool.h>

#include "ext/sqlite.h"
#include "lsm/lsmkv.h"

struct marker_slot {
    uint64_t transaction;
    uint8_t store[LSMKV_STORE_ID_SIZE];
};

#define MARKER_PLACE_SIZE 8 /* bytes, the last ones of a coordinator id */

/* What tells a database file from others at other places: path and inode, as a hash. Zeros where there is no file. */
void marker_place(sqlite3 *db, const char *schema, uint8_t place[MARKER_PLACE_SIZE]);

/*
 * Writes marks into the schema, as part of the transaction in hand, and gives the coordinator id that bears them. Makes
 * the table if there is none. Slots of which `decided` says so are freed.
 */
int marker_write(sqlite3 *db, const char *schema, const struct marker_slot *slots, int count,
                 bool (*decided)(void *context, const struct marker_slot *slot), void *context,
                 uint8_t coordinator[LSMKV_COORDINATOR_SIZE], char **message);

/* The blob as the connection sees it, appended to `blob`; nothing is appended where there is no such table. */
int marker_read(sqlite3 *db, const char *schema, struct lsmkv_buf *blob, char **message);

/* Whether a blob that marker_read() gave is of this coordinator, and whether it holds the mark. */
bool marker_is_of(const struct lsmkv_buf *blob, const uint8_t coordinator[LSMKV_COORDINATOR_SIZE]);
bool marker_holds(const struct lsmkv_buf *blob, const struct marker_slot *slot);

#endif
