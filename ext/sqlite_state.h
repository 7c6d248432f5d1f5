/*
 * sqlite_state.h - what SQLite itself has to commit, and whether its COMMIT can still be refused.
 *
 * A database without a file (temporary, in memory) counts for neither: nothing of it outlives the process, and it has
 * no lock that another connection could hold.
 */
#ifndef EXT_SQLITE_STATE_H
#define EXT_SQLITE_STATE_H

#include <stdbool.h>

#include "ext/sqlite.h"

struct sqlite_state {
    bool dirty;       /* a database file will change at COMMIT, or may: what cannot be told counts as dirty */
    bool unrefusable; /* every database that takes part is in WAL mode: no reader can make COMMIT fail with BUSY */
};

/* To be asked during xSync. `cache_writes` is what sqlite_pages_written() gave when the transaction began. */
struct sqlite_state sqlite_state_now(sqlite3 *db, int cache_writes);

/* Pages that the connection's caches have written so far, of all databases. */
int sqlite_pages_written(sqlite3 *db);

#endif
