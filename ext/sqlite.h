/*
 * sqlite.h - the one way into SQLite's API for ext/.
 *
 * In the loadable extension every call goes through the routines of the host that loaded it. With SQLITE_CORE (or
 * LSMKV_STATIC) defined the calls are direct, so that a program can be linked with the extension and SQLite.
 */
#ifndef EXT_SQLITE_H
#define EXT_SQLITE_H

#if defined(LSMKV_STATIC) && !defined(SQLITE_CORE)
#define SQLITE_CORE 1
#endif

#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

#endif
