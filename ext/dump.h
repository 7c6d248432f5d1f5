/*
 * dump.h - lsmkv_dump('t'): the SQL that makes a table and its rows again, one statement a row.
 *
 * The first is CREATE VIRTUAL TABLE, without directory and options of the store, so that it makes the table wherever it is
 * run; then an INSERT for each row, in the order of the key. Values come back as they were, types included.
 */
#ifndef EXT_DUMP_H
#define EXT_DUMP_H

#include "ext/connection.h"

int dump_register(struct connection *connection);

#endif
