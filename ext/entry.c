#include "ext/entry.h"

#include <pthread.h>

#include "ext/compacting.h"
#include "ext/connection.h"
#include "ext/dump.h"
#include "ext/functions.h"
#include "ext/hub.h"
#include "ext/introspect.h"
#include "ext/memory.h"
#include "ext/sql_table.h"

SQLITE_EXTENSION_INIT1

#define SQLITE_OLDEST 3038000 /* sqlite3_vtab_in() and sqlite3_vtab_rhs_value() */

/*
 * Threads of the engine run code of this library, so it stays when the connection that loaded it closes. Linked into a
 * program it stays anyhow, and sqlite3_auto_extension() takes any other answer than SQLITE_OK for a failure.
 */
#ifdef SQLITE_CORE
#define LOADED SQLITE_OK
#else
#define LOADED SQLITE_OK_LOAD_PERMANENTLY
#endif

/* Loading twice into one connection must not replace what its tables already use. */
static bool is_loaded(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT lsmkv_version()", -1, &statement, NULL);

    sqlite3_finalize(statement);
    return rc == SQLITE_OK;
}

static int register_all(struct connection *connection)
{
    int rc = sqlite3_create_module_v2(connection->db, "lsmkv", &sql_table_module, connection_ref(connection),
                                      connection_unref);

    if (!rc)
        rc = functions_register(connection);
    if (!rc)
        rc = introspect_register(connection);
    if (!rc)
        rc = dump_register(connection);
    if (!rc)
        rc = compacting_register(connection);
    if (!rc)
        rc = hub_register(connection);
    return rc;
}

int sqlite3_lsmkv_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct connection *connection;
    int rc;

    SQLITE_EXTENSION_INIT2(api);
    (void)api;
    if (sqlite3_libversion_number() < SQLITE_OLDEST) {
        *message = sqlite3_mprintf("lsmkv: SQLite 3.38 or later is needed, this is %s", sqlite3_libversion());
        return SQLITE_ERROR;
    }
    pthread_once(&once, memory_setup);
    if (is_loaded(db))
        return LOADED;
    connection = connection_new(db);
    if (!connection)
        return SQLITE_NOMEM;
    rc = register_all(connection);
    connection_unref(connection);
    return rc ? rc : LOADED;
}
