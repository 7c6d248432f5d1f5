/*
 * shadow.h - the shadow table <name>_lsmkv: what connecting to a table needs to know without touching the store.
 *
 *   k          v
 *   'format'   schema_version() of the definition: versions of lsmkv that do not know it refuse the table
 *   'columns'  the definition, as schema_definition() gives it
 *   'dir'      the directory as it was given; NULL: beside the database file
 *   'memory'   1 if the store is the connection's private one in memory, else 0
 *   'store'    the id of the store, a blob of 16 bytes
 *   'table'    the id of the table in the store
 *   'owner'    a blob of 16 bytes, see owner.h; NULL or absent: there is none
 *
 * It lies in the same schema as the table and goes through the same SQLite transaction.
 */
#ifndef EXT_SHADOW_H
#define EXT_SHADOW_H

#include "ext/sqlite.h"
#include "lsm/lsmkv.h"

#define SHADOW_SUFFIX "lsmkv" /* behind the table's name and "_" */

struct shadow {
    int format;
    char *columns; /* sqlite3_free() */
    char *dir;     /* sqlite3_free(); may be NULL */
    bool in_memory;
    uint8_t store_id[LSMKV_STORE_ID_SIZE];
    uint32_t table_id;
    bool has_owner;
    uint8_t owner[LSMKV_COORDINATOR_SIZE];
};

void shadow_release(struct shadow *shadow); /* a zeroed one is fine */

/* All return an SQLite code with a message on failure. */
int shadow_create(sqlite3 *db, const char *schema, const char *name, const struct shadow *shadow, char **message);
int shadow_read(sqlite3 *db, const char *schema, const char *name, struct shadow *shadow, char **message);
int shadow_rename(sqlite3 *db, const char *schema, const char *name, const char *to, char **message);
int shadow_drop(sqlite3 *db, const char *schema, const char *name, char **message); /* absent is fine */

#endif
