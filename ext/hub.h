/*
 * hub.h - how the extension hears of a transaction that only reads, or that drops its tables.
 *
 * SQLite tells a virtual table of BEGIN, COMMIT, ROLLBACK and savepoints only once it is written, and no more once it is
 * dropped. The hub is a virtual table of module lsmkv_hub in the temp schema, without rows. An UPDATE of no row makes
 * SQLite count it as written, so that it gets all those calls from then on, and no database file is locked for it.
 *
 * Joining may not happen inside xBegin: SQLite makes room for one more table there, not for two.
 */
#ifndef EXT_HUB_H
#define EXT_HUB_H

#include "ext/connection.h"

/* Registers the module and makes the table; a failure to make it is left to hub_join(), which tries again. */
int hub_register(struct connection *connection);

/* Makes the hub take part in the transaction in hand. A no-op when it does. */
int hub_join(struct connection *connection, char **message);

/*
 * The same before a read; where the connection may not write at all (query_only, an authorizer) there is no joining, and
 * each statement has a snapshot of its own.
 */
int hub_join_to_read(struct connection *connection, char **message);

#endif
