/*
 * catalog.h - rows under table id 0: the tables of a store.
 *
 *   key                                value
 *   00000000 'T' name                  4 id (little-endian), definition
 *   00000000 'N'                       4 id that the next table gets
 *   00000000 'D' 4 id (big-endian)     none; the table of that id was dropped
 */
#ifndef LSM_STORE_CATALOG_H
#define LSM_STORE_CATALOG_H

#include "base/buf.h"

#define CATALOG_PREFIX  (LSMKV_TABLE_ID_SIZE + 1)
#define CATALOG_TABLE   'T'
#define CATALOG_NEXT    'N'
#define CATALOG_DROPPED 'D'

/* Table id 0 and `kind`, in `bytes`. */
struct lsmkv_slice catalog_prefix(uint8_t bytes[CATALOG_PREFIX], uint8_t kind);

/* True if `key` is that of a dropped table. */
bool catalog_dropped_id(struct lsmkv_slice key, uint32_t *id);

#endif
