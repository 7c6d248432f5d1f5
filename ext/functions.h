/*
 * functions.h - the SQL functions: lsmkv_flush(table), lsmkv_compact(table), lsmkv_truncate(table), lsmkv_settle(dir,
 * transaction, outcome), lsmkv_version().
 */
#ifndef EXT_FUNCTIONS_H
#define EXT_FUNCTIONS_H

#include "ext/connection.h"

int functions_register(struct connection *connection);

#endif
