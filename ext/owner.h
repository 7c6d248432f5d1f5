/*
 * owner.h - which database file a table belongs to, so that a copy of the file is told from the file itself.
 *
 * Rows are in the store, and the database file only says where. A copy of the file alone would claim the same rows, and
 * each of the two would change and drop them behind the other's back. So a table in a database file has an owner id, 16
 * random bytes in its shadow table, and the store's catalog keeps under it where it has seen the file:
 *
 *   offset  bytes
 *   0       1   version of this record, 1
 *   1       8   device of the database file    all little-endian
 *   9       8   inode of the database file
 *   17      8   device of the store's directory at that time
 *   25      8   inode of the store's directory
 *   33      ..  path of the database file, symbolic links resolved
 *
 * A file is taken for the owner if it is that file (device and inode), if it lies in that place, or if the file that was
 * seen is not in its place any more: so renaming, moving and restoring work. Where the directory of the store is another
 * one the store itself was copied, moved or restored, and the database with it: no claim stands against another. What is
 * left is a copy of a file that is still there, and is refused.
 *
 * A TEMP table owns no rows, a store in memory has no other user: neither has an owner id.
 */
#ifndef EXT_OWNER_H
#define EXT_OWNER_H

#include "ext/sql_table.h"

/* At CREATE: gives the table an id, if it is to have one, and writes the record, as part of the transaction. */
int owner_create(struct sql_table *table, char **message);

/* When a table is attached: SQLITE_CANTOPEN for a copy. Notes in table->owner_moved that the record is to be renewed. */
int owner_check(struct sql_table *table, char **message);

/* When the table is dropped: removes the record, as part of the transaction. */
int owner_forget(const struct sql_table *table, char **message);

/* At the first write of a transaction: renews the record if owner_check() said so, as part of the transaction. */
int owner_renew(struct sql_table *table, char **message);

#endif
