/*
 * interrupt.h - sqlite3_interrupt() in loops of ours that hand no row to SQLite, where the host's SQLite can tell of it
 * (3.41 and later).
 */
#ifndef EXT_INTERRUPT_H
#define EXT_INTERRUPT_H

#include <stdbool.h>

#include "ext/sqlite.h"

#define INTERRUPT_STEPS 1024 /* between two looks */

/* Called once a step. `count` starts at 0. */
static inline bool interrupt_is_due(sqlite3 *db, unsigned *count)
{
    if (++*count % INTERRUPT_STEPS)
        return false;
#if SQLITE_VERSION_NUMBER >= 3041000
    return sqlite3_libversion_number() >= 3041000 && sqlite3_is_interrupted(db);
#else
    (void)db;
    return false;
#endif
}

#endif
