/*
 * starve.h - statements while memory runs out: every allocation of SQLite's, and so of the extension's and its engine's,
 * fails in turn.
 */
#ifndef TESTS_ORACLE_STARVE_H
#define TESTS_ORACLE_STARVE_H

#include <sqlite3.h>

/* Replaces SQLite's allocator by one that can fail; before anything of SQLite is used. */
void starve_init(void);

/*
 * Runs `sql` again and again, outside of a transaction, with a later allocation of this thread failing each time, until it
 * succeeds or none fails. Returns the code, SQLITE_DONE for success; sqlite3_errmsg() is that of the last run.
 */
int starve_run(sqlite3 *db, const char *sql);

#endif
