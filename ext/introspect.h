/*
 * introspect.h - the tables to look into a store: lsmkv_stats, lsmkv_levels, lsmkv_sstables, lsmkv_tables, lsmkv_config.
 *
 * Each takes the name of a table, `lsmkv_levels('t')` or `lsmkv_levels('schema.t')`, and shows its store; without a name
 * the stores of all lsmkv tables that the connection can open. Rows are what the store was at one moment.
 */
#ifndef EXT_INTROSPECT_H
#define EXT_INTROSPECT_H

#include "ext/connection.h"

int introspect_register(struct connection *connection);

#endif
