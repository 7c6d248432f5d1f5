/*
 * config.h - the table lsmkv_config: the options of a store, of which an UPDATE changes the value.
 *
 * A change acts at once and is no part of the transaction: ROLLBACK does not take it back.
 */
#ifndef EXT_CONFIG_H
#define EXT_CONFIG_H

#include "ext/introspect_rows.h"

int config_collect(struct introspect_rows *rows, const struct session *session, char **message);
sqlite3_int64 config_rowid(const struct introspect_rows *rows, size_t row);
int config_update(struct connection *connection, int argc, sqlite3_value **argv, char **message);

#endif
