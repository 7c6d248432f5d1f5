/*
 * session.h - one connection's use of one store.
 *
 * Reads: in a transaction that the hub follows, one snapshot for all reads. Elsewhere a snapshot for as long as any
 * cursor of the connection reads the store, as SQLite keeps its own read transaction open.
 * Writes: session_write() begins; what follows is transaction.h's.
 */
#ifndef EXT_SESSION_H
#define EXT_SESSION_H

#include "ext/connection.h"
#include "ext/registry.h"

/* The largest rowid of a table, remembered while the session writes. */
struct rowid_mark {
    uint32_t keyspace;
    bool known;
    uint64_t seen; /* handouts_ended() when it was looked for */
    bool empty;    /* the table has no rows; `largest` is then 0 */
    int64_t largest;
};

struct session {
    struct session *next;
    struct connection *connection;
    struct open_store *store;
    struct lsmkv_session *engine;
    unsigned readers;   /* open cursors */
    bool tracked;       /* READING: the snapshot is the transaction's, not only that of cursors */
    bool exclusive;     /* writing: it has held the turn since it began */
    bool writing;       /* the engine's session is WRITING: rows can be put */
    uint64_t marked_as; /* the name that the marker knows a prepare by; 0: it has none */
    bool ddl;           /* the transaction has changed the catalog, or made the store */
    uint64_t epoch;     /* rises at each end of a transaction */
    uint64_t *marks;    /* of the connection's savepoints; levels above `mark_count` are 0 */
    int mark_count, mark_capacity;
    bool wrote; /* it has been writing in this transaction: others' largest rowids may have changed when it ends */
    struct rowid_mark *rowids;
    int rowid_count;
};

/* Opens a session on the store, or finds the connection's. */
int session_open(struct connection *connection, const struct store_request *request, struct session **session,
                 char **message);
void session_close_all(struct connection *connection);

struct lsmkv_store *session_store(const struct session *session);

static inline bool session_is_prepared(const struct session *session)
{
    return lsmkv_session_state(session->engine) == LSMKV_SESSION_PREPARED;
}

/*
 * How long to wait for other writers: busy_timeout, the store's wait_ms (negative) where that is 0, and not at all while the
 * connection holds the turn or a prepare of another store.
 */
int64_t session_wait_ms(const struct session *session);

/*
 * Called when a cursor is opened, and before it reads; `*counted` says whether session_end_read() is owed. A snapshot is kept
 * as long as any cursor is open.
 */
void session_add_reader(struct session *session, bool *counted);
int session_read(struct session *session, bool *counted, char **message);
void session_end_read(struct session *session);

/*
 * Makes the session ready for writes. A statement by itself waits for the store's turn, session_wait_ms() at most; in a
 * transaction nobody is waited for until it is committed, which fails if what it has read was changed. Cheap when ready.
 */
int session_write(struct session *session, char **message);

/* The remembered mark of a table, made if there is none; NULL on failure. Valid until the next call. */
struct rowid_mark *session_rowid_mark(struct session *session, uint32_t keyspace);
void session_forget_rowids(struct session *session);
/* At the end of the transaction: rowids that it has chosen are no more its own. */
void session_end_rowids(struct session *session);

#endif
