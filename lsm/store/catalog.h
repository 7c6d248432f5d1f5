/*
 * catalog.h - rows under table id 0: the tables of a store.
 *
 *   key                                value
 *   00000000 'T' name                  4 id (little-endian), definition
 *   00000000 'K' 4 id (big-endian)     4 first keyspace, 4 number of keyspaces (little-endian) of the table of that id; it
 *                                      has no such row where its only keyspace is its id
 *   00000000 'N'                       4 id that comes next, of a table or a keyspace
 *   00000000 'D' 4 id (big-endian)     none; the keyspace of that id was dropped
 *   00000000 'O' 16 id                 an owner: opaque
 *
 * Software of format 1 knows no 'K': the caller gives tables that have such a row a definition it refuses.
 */
#ifndef LSM_STORE_CATALOG_H
#define LSM_STORE_CATALOG_H

#include "base/buf.h"

#define CATALOG_PREFIX    (LSMKV_TABLE_ID_SIZE + 1)
#define CATALOG_TABLE     'T'
#define CATALOG_KEYSPACES 'K'
#define CATALOG_NEXT      'N'
#define CATALOG_DROPPED   'D'
#define CATALOG_OWNER     'O'

/* Table id 0 and `kind`, in `bytes`. */
struct lsmkv_slice catalog_prefix(uint8_t bytes[CATALOG_PREFIX], uint8_t kind);

/* True if `key` is a row of the catalog. */
bool catalog_holds(struct lsmkv_slice key);

/* True if `key` is that of a dropped keyspace. */
bool catalog_dropped_id(struct lsmkv_slice key, uint32_t *id);

/* MISUSE unless the session is WRITING. */
LSMKV_MUST_CHECK enum lsmkv_status catalog_check_writing(const struct lsmkv_session *session, struct lsmkv_error *err);

/* After a write to the catalog, or taking one back: from now on to the end of the transaction its view is its own. */
void catalog_new_stamp(struct lsmkv_session *session);

#endif
