/*
 * marker.h - the table lsmkv_marker of a database file: which two-phase transactions SQLite has committed there.
 *
 * A store that has prepared a transaction learns the outcome after a crash from here: the mark of that transaction is
 * part of the same SQLite transaction, so it is there exactly if SQLite has committed.
 *
 * The table is lsmkv_marker(v, file) with one row, rowid 1. `file` is the path of the database file when the table was
 * made; `v` is a blob:
 *
 *   offset  bytes
 *   0       16     the coordinator id, which prepares name: 8 random bytes, 8 that tell the file (a hash of path and inode)
 *   16+24i  8      a slot: the transaction, little-endian; 0 = free
 *   24+24i  16             the id of the store that prepared it
 *
 * A slot is used again once its store says that no crash can bring the transaction back into doubt. The blob is written
 * in place by incremental I/O: that changes neither changes() nor last_insert_rowid() of the host, and calls no hook. It
 * grows where there are more undecided transactions than slots.
 *
 * The table is made inside of xSync, where it is first needed, and goes with the transaction if that is rolled back. So a
 * prepare may name a coordinator that no file bears. The id tells then that the file which would is this one.
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

/*
 * Writes marks into the schema, as part of the transaction in hand, and gives the coordinator id that bears them. Makes
 * the table if there is none. Slots of which `decided` says so are freed.
 */
int marker_write(sqlite3 *db, const char *schema, const struct marker_slot *slots, int count,
                 bool (*decided)(void *context, const struct marker_slot *slot), void *context,
                 uint8_t coordinator[LSMKV_COORDINATOR_SIZE], char **message);

/* What the table of one database said. */
struct marker {
    struct lsmkv_buf blob; /* empty: there is no table */
    char *file;            /* sqlite3_free(); NULL: there is no table */
};
#define MARKER_INIT                                                                                                    \
    {                                                                                                                  \
        LSMKV_BUF_INIT, NULL                                                                                           \
    }
void marker_release(struct marker *marker);

/* Reads it as the connection sees it; `marker` starts as MARKER_INIT. */
int marker_read(sqlite3 *db, const char *schema, struct marker *marker, char **message);

/* Whether it is the one that prepares know by this id. */
bool marker_is_of(const struct marker *marker, const uint8_t coordinator[LSMKV_COORDINATOR_SIZE]);
bool marker_holds(const struct marker *marker, const struct marker_slot *slot);

/* Whether the id was made for the database file at `path`, as that is now. */
bool marker_was_made_for(const uint8_t coordinator[LSMKV_COORDINATOR_SIZE], const char *path);

#endif
