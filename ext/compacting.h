/*
 * compacting.h - lsmkv_compacting('t'): does what the function lsmkv_compact('t') does, one step a row.
 *
 * A step is done when its row is asked for. So an interrupt, an error, LIMIT or the end of the statement stops the
 * compaction between two steps; what was installed stays.
 */
#ifndef EXT_COMPACTING_H
#define EXT_COMPACTING_H

#include "ext/connection.h"

int compacting_register(struct connection *connection);

#endif
