/*
 * transaction.h - SQLite's transaction calls, turned into those of every store that the connection uses.
 *
 * SQLite makes each call once per virtual table that takes part. Here the first one acts for all stores of the
 * connection; the others find nothing left to do.
 *
 * Savepoints: SQLite tells a table only of savepoints opened after it joined. So the calls of one table count, the
 * leader: the first that joined, or the hub from the moment it joins, because it cannot be dropped. Levels that the
 * leader has not heard of were opened before anything was written: their mark is 0.
 *
 * Commit, in xSync:
 *   final frame  one store written, nothing of SQLite's to commit, no lock that could still be refused. The commit is done;
 *                a veto of a commit hook after it comes too late, and is logged. Never with atomic = always.
 *   default      otherwise, as long as SQLite has nothing to commit: a prepare that recovery commits.
 *   marked       SQLite has something to commit, or there are two stores: a mark in a database file (marker.h), then a
 *                prepare for which that mark is the outcome. The mark comes first, since it is where SQLite may say BUSY,
 *                and costs nothing if it is not needed in the end. Never with atomic = off.
 * xCommit and xRollback bring the outcome. SQLite may refuse COMMIT after xSync and leave the transaction open: a prepared
 * session is then written to again, rolled back, or synced once more, which does nothing where nothing has changed.
 */
#ifndef EXT_TRANSACTION_H
#define EXT_TRANSACTION_H

#include "ext/connection.h"

struct session;

/* Remembers what tells later whether SQLite has written pages; cheap when already done in this transaction. */
void transaction_begin(struct connection *connection);

/*
 * Asked before a store is written for the first time in a transaction. A second store needs a database file that can hold
 * the marker.
 */
int transaction_admit(struct session *session, char **message);

/* A table takes part; it leads if no other does. */
void transaction_join(struct connection *connection, const void *member);
void transaction_join_hub(struct connection *connection, const void *hub);

int transaction_sync(struct connection *connection, char **message);
void transaction_commit(struct connection *connection);
void transaction_rollback(struct connection *connection);

int transaction_savepoint(struct connection *connection, const void *member, int level);
void transaction_release(struct connection *connection, const void *member, int level);
int transaction_rollback_to(struct connection *connection, const void *member, int level, char **message);

#endif
