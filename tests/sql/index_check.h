/*
 * index_check.h - compares the index entries of a store with its rows.
 */
#ifndef TESTS_INDEX_CHECK_H
#define TESTS_INDEX_CHECK_H

/*
 * Fails the test unless each committed row of every table in the store has exactly one entry in each of the table's
 * indexes, with the key and value that belong to it, and no entry is without a row. `path` is that of the database file:
 * the store beside it is looked at, whether a connection of this process has it open or not.
 */
void index_check(const char *path);

/* How many entries index_check() has looked at so far: a test that has none has checked nothing. */
unsigned long index_check_entries(void);

#endif
