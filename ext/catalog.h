/*
 * catalog.h - the tables of a store, as the extension writes them down.
 *
 * A definition in the catalog is text: the line "lsmkv table 1", then columns and constraints as schema_definition() gives
 * them. The number is that of schema_version(): versions of lsmkv that do not know it refuse the table.
 */
#ifndef EXT_CATALOG_H
#define EXT_CATALOG_H

#include "ext/schema.h"
#include "ext/session.h"

/* The definition of a table of this schema, to end with sqlite3_free(); NULL on failure. */
char *catalog_definition(const struct table_schema *schema);

/* The same for a table whose keys have moved, which versions before 2 do not know. */
char *catalog_moved_definition(const struct table_schema *schema);

/* The columns in `definition`, to end with sqlite3_free(). An error if it is of another version. */
int catalog_columns(struct lsmkv_slice definition, char **columns, char **message);

/* Where a table is found in its store. */
struct table_place {
    char *name; /* in the catalog, to end with sqlite3_free(); NULL: there is no such table */
    uint32_t keyspace, keyspaces;
};

/* The place of the table with that id; without a name, and SQLITE_OK, if there is none. */
int catalog_place(struct session *session, uint32_t id, struct table_place *place, char **message);

/*
 * Finds a table by name, in any letter case, as SQL compares names. `*stored`, to end with sqlite3_free(), is the name as
 * the catalog has it; NULL, with SQLITE_OK, if there is no such table. `entry` is as for lsmkv_catalog_find().
 */
int catalog_find(struct session *session, const char *name, struct lsmkv_table_entry *entry, char **stored,
                 char **message);

/* `wanted`, or where a table has that name one made from it that none has; to end with sqlite3_free(). */
int catalog_free_name(struct session *session, const char *wanted, char **name, char **message);

LSMKV_MUST_CHECK enum lsmkv_status catalog_count(struct session *session, uint64_t *tables);

#endif
