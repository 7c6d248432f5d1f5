/*
 * sqlite_state.h - what SQLite itself has to commit, and whether its COMMIT can still be refused.
 *
 * A database without a file (temporary, in memory) counts for neither: nothing of it outlives the process, and it has
 * no lock that another connection could hold.
 *
 * A rollback journal tells exactly: it is opened before the first page is changed. In WAL mode three signs together do:
 *   1. sqlite3_db_cacheflush() writes changed pages into the WAL, which COMMIT would do anyway, and they are counted.
 *   2. The count also shows pages that went to the file before, for lack of memory. So it is compared with the count at
 *      the end of the transaction before, not with that of a moment within this one. (Pages of temp count too; that only
 *      costs a mark.)
 *   3. Page 1 is never flushed before COMMIT. What can change it alone are the numbers in its header and the schema, in an
 *      explicit transaction; so three numbers are remembered from when nothing was being written.
 * What cannot be told counts as dirty.
 */
#ifndef EXT_SQLITE_STATE_H
#define EXT_SQLITE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ext/sqlite.h"

/* What page 1 of one database said; `pending` holds while the transaction that is about to commit is undecided. */
struct sqlite_header {
    uint64_t file;    /* which database: a hash of its name and path */
    uint64_t seen;    /* a hash of the numbers, when committed; 0: unknown */
    uint64_t pending; /* the same as xSync found them; 0: none */
};

/* What a connection remembers from one transaction to the next. */
struct sqlite_memory {
    struct sqlite_header *headers;
    int count;
    int spills;   /* pages that went to a file before their COMMIT, until the last transaction ended */
    bool starved; /* a question to SQLite has failed for want of memory */
};

void sqlite_memory_release(struct sqlite_memory *memory);

/* Remembers page 1 of a database if that costs nothing: it is being read, but not written, or no transaction is open. */
void sqlite_memory_learn(struct sqlite_memory *memory, sqlite3 *db, const char *schema);

/* The same for when the transaction in hand has committed, which is about to. */
void sqlite_memory_note(struct sqlite_memory *memory, sqlite3 *db, const char *schema);

/*
 * Whether that, or sqlite_state_now(), has run out of memory since the last call. Then SQLite will report the statement
 * at hand as failed, whatever is answered to it: xSync must not succeed.
 */
bool sqlite_memory_starved(struct sqlite_memory *memory);

/* The transaction has ended. */
void sqlite_memory_end(struct sqlite_memory *memory, sqlite3 *db, bool committed);

struct sqlite_state {
    bool dirty;       /* a database file will change at COMMIT, or may */
    bool unrefusable; /* every database that takes part is in WAL mode: no reader can make COMMIT fail with BUSY */
};

/* To be asked during xSync. `explicit`: the transaction was opened by BEGIN or SAVEPOINT, not by its only statement. */
struct sqlite_state sqlite_state_now(sqlite3 *db, struct sqlite_memory *memory, bool is_explicit);

/* The names of the connection's databases by index, 1 being temp; NULL past the end. Before 3.39 only main and temp. */
const char *sqlite_schema_name(sqlite3 *db, int index);

/* The path of the file of a database; NULL if it has none. */
const char *sqlite_schema_file(sqlite3 *db, const char *schema);

bool sqlite_schema_is_wal(sqlite3 *db, const char *schema);

#endif
