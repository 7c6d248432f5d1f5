/*
 * entry.h - the entry point, for programs that link the extension in:
 *
 *     sqlite3_auto_extension((void (*)(void))sqlite3_lsmkv_init);
 *
 * or a call of sqlite3_lsmkv_init(db, &message, NULL) for one connection.
 */
#ifndef EXT_ENTRY_H
#define EXT_ENTRY_H

#include "ext/sqlite.h"

/* The only symbol that lsmkv.so exports. */
__attribute__((visibility("default"))) int sqlite3_lsmkv_init(sqlite3 *db, char **message,
                                                              const sqlite3_api_routines *api);

#endif
