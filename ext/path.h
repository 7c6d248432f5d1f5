/*
 * path.h - where the store of a table is.
 */
#ifndef EXT_PATH_H
#define EXT_PATH_H

#include <stdbool.h>

#include "ext/sqlite.h"

/* The file of a database, borrowed from SQLite; NULL where it has none (in memory, temporary, SQLite's "memdb"). */
const char *path_of_database(sqlite3 *db, const char *schema);

/*
 * The absolute path of the store for a table in `schema`: `dir` (a relative one counts from the folder of the database
 * file), or the database file's path with "-lsmkv" behind it when `dir` is NULL. *path is NULL, with SQLITE_OK, where
 * neither exists: the table then lives in the connection's private store in memory. To end with sqlite3_free().
 */
int path_of_store(sqlite3 *db, const char *schema, const char *dir, char **path, char **message);

/*
 * The one name of a directory, symbolic links resolved; the directory itself may be absent, its parent must exist.
 * `*exists` says whether it is there. To end with sqlite3_free().
 */
int path_canonical(const char *path, char **canonical, bool *exists, char **message);

#endif
