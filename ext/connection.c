#include "ext/connection.h"

#include "ext/memory.h"
#include "ext/session.h"

struct connection *connection_new(sqlite3 *db)
{
    struct connection *connection = memory_alloc(sizeof(*connection));

    if (connection) {
        connection->db = db;
        connection->references = 1;
    }
    return connection;
}

struct connection *connection_ref(struct connection *connection)
{
    connection->references++;
    return connection;
}

void connection_unref(void *context)
{
    struct connection *connection = context;

    if (--connection->references)
        return;
    session_close_all(connection);
    sqlite_memory_release(&connection->sqlite);
    memory_free(connection->marker_schema);
    memory_free(connection);
}
