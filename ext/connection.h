/*
 * connection.h - what the extension knows of one SQLite connection: its sessions, its tables, its transaction.
 *
 * Threads:   belongs to the connection, as everything in ext/ but the registry; SQLite lets one thread in at a time.
 * Ownership: counted; modules, functions and tables of the connection hold references. The last one closes sessions.
 */
#ifndef EXT_CONNECTION_H
#define EXT_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "ext/sqlite.h"

struct session;
struct sql_table;

struct connection {
    sqlite3 *db;
    unsigned references;
    struct session *sessions; /* one per store */
    struct session *private;  /* the session on the private store in memory, or NULL; also in `sessions` */
    struct sql_table *tables; /* connected now */

    /* The transaction in hand; see transaction.h. */
    const void *leader; /* the virtual table whose savepoint calls count; NULL: none has joined */
    bool hub_joined;    /* the hub takes part, and leads */
    bool hub_joining;   /* it is about to */
    int levels;         /* savepoints known: their numbers are 0 to levels - 1 */
    bool begun;         /* `cache_writes` was taken in this transaction */
    int cache_writes;   /* pages that SQLite had written when the transaction began */
    bool committed;     /* a final frame is written and SQLite has not said commit yet */
};

struct connection *connection_new(sqlite3 *db); /* one reference; NULL on failure */
struct connection *connection_ref(struct connection *connection);
void connection_unref(void *connection); /* the type SQLite wants of a destructor */

#endif
