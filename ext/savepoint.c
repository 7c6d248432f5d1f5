/*
 * savepoint.c - SQLite's savepoint calls, as marks in the batches of the stores.
 */
#include <string.h>

#include "ext/memory.h"
#include "ext/session.h"
#include "ext/transaction.h"

/* Marks for levels 0 to `level`; those that are new are 0. */
static bool reserve_marks(struct session *session, int level)
{
    uint64_t *marks = session->marks;

    if (level >= session->mark_capacity) {
        int capacity = level + 8;

        marks = memory_resize(marks, (size_t)capacity * sizeof(*marks));
        if (!marks)
            return false;
        session->marks = marks;
        session->mark_capacity = capacity;
    }
    if (session->mark_count <= level)
        memset(marks + session->mark_count, 0, (size_t)(level + 1 - session->mark_count) * sizeof(*marks));
    session->mark_count = level + 1;
    return true;
}

int transaction_savepoint(struct connection *connection, const void *member, int level)
{
    struct session *session;

    if (member != connection->leader || level < 0)
        return SQLITE_OK;
    /* While it joins the hub hears of the innermost level. An earlier leader has heard of it when it was opened. */
    if (connection->hub_joining && level < connection->levels)
        return SQLITE_OK;
    for (session = connection->sessions; session; session = session->next) {
        if (!session->writing && !session_is_prepared(session))
            continue; /* nothing written: 0, whatever the level */
        if (!reserve_marks(session, level))
            return SQLITE_NOMEM;
        session->marks[level] = lsmkv_session_mark(session->engine);
    }
    connection->levels = level + 1;
    return SQLITE_OK;
}

void transaction_release(struct connection *connection, const void *member, int level)
{
    struct session *session;

    if (member != connection->leader || level < 0)
        return;
    for (session = connection->sessions; session; session = session->next) {
        if (session->mark_count > level)
            session->mark_count = level;
    }
    if (connection->levels > level)
        connection->levels = level;
}

static int rollback_session(struct session *session, int level, char **message)
{
    uint64_t mark = level >= 0 && level < session->mark_count ? session->marks[level] : 0;
    int rc;

    if (!session->writing && !session_is_prepared(session))
        return SQLITE_OK;
    rc = session_write(session, message); /* takes a prepare back */
    if (rc)
        return rc;
    lsmkv_session_rollback_to(session->engine, mark);
    if (session->mark_count > level + 1)
        session->mark_count = level + 1;
    session_forget_rowids(session);
    return SQLITE_OK;
}

int transaction_rollback_to(struct connection *connection, const void *member, int level, char **message)
{
    struct session *session;
    int rc = SQLITE_OK;

    /* -1: the savepoint that opened the transaction; all is undone, the transaction goes on. */
    if (member != connection->leader)
        return SQLITE_OK;
    connection->marked = false; /* the marker's row may go with it */
    for (session = connection->sessions; session && !rc; session = session->next)
        rc = rollback_session(session, level, message);
    if (connection->levels > level + 1)
        connection->levels = level + 1;
    return rc;
}
