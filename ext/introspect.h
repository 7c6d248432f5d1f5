/*
 * introspect.h - the tables to look into a store: lsmkv_stats, lsmkv_levels, lsmkv_sstables, lsmkv_tables,
 * lsmkv_transactions, lsmkv_config.
 *
 * Each takes the name of a table, `lsmkv_levels('t')` or `lsmkv_levels('schema.t')`, and shows its store; without a name
 * the stores of all lsmkv tables that the connection can open. Rows are what the store was at one moment.
 */
#ifndef EXT_INTROSPECT_H
#define EXT_INTROSPECT_H

#include "ext/connection.h"

/* What tables without xCreate have in common: for direct use only, and they keep the connection. */
struct introspect_table {
    sqlite3_vtab base;
    struct connection *connection;
};

/* Makes one of `size` bytes, whose first member is a struct introspect_table and whose others are 0. SQLite code. */
int introspect_connect(struct connection *connection, const char *declaration, size_t size, sqlite3_vtab **vtab,
                       char **message);
int introspect_disconnect(sqlite3_vtab *vtab); /* xDisconnect */

/*
 * xBestIndex of a table-valued function whose one argument is the column `hidden`: plan 1 hands it to xFilter, plan 0 has
 * none. No other constraint is of interest.
 */
int introspect_plan(sqlite3_index_info *info, int hidden);

int introspect_register(struct connection *connection);

#endif
