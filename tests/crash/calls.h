/*
 * calls.h - the calls by which a process changes files, SQLite's and ours: counted, and one of them the last or failing.
 *
 * The program's own definitions of these calls come before those of the C library, for shared libraries too. By default
 * they do what the library's do.
 */
#ifndef TESTS_CRASH_CALLS_H
#define TESTS_CRASH_CALLS_H

#include <stdbool.h>

#define CALLS_DIED 42 /* exit code of a process that ended at its call */

/*
 * From now on the process ends at the nth call, of writes every second one after half of its bytes; 0: never. Syncs do
 * nothing: to a process that only dies they make no difference.
 */
void calls_die_at(unsigned long n);

/* While on, writes to files whose name ends so fail with EIO; NULL: none. */
void calls_fail(const char *suffix);

#endif
