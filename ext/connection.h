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

#include "ext/sqlite_state.h"
#include "lsm/lsmkv.h"

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
    bool begun;
    bool is_explicit;                            /* by BEGIN or SAVEPOINT */
    bool committed;                              /* a final frame is written and SQLite has not said commit yet */
    bool marked;                                 /* `marker_schema` holds the marks of every session's `marked_as` */
    char *marker_schema;                         /* NULL: not chosen in this transaction */
    uint8_t coordinator[LSMKV_COORDINATOR_SIZE]; /* of marker_schema, once marked */

    struct sqlite_memory sqlite;
};

struct connection *connection_new(sqlite3 *db); /* one reference; NULL on failure */
struct connection *connection_ref(struct connection *connection);
void connection_unref(void *connection); /* the type SQLite wants of a destructor */

#endif
