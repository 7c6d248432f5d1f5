#include "ext/transaction.h"

#include <string.h>

#include "ext/catalog.h"
#include "ext/error.h"
#include "ext/memory.h"
#include "ext/session.h"
#include "ext/sqlite_state.h"

static bool is_prepared(const struct session *session)
{
    return lsmkv_session_state(session->engine) == LSMKV_SESSION_PREPARED;
}

/* ---- Beginning ---- */

void transaction_begin(struct connection *connection)
{
    if (connection->begun)
        return;
    connection->begun = true;
    connection->cache_writes = sqlite_pages_written(connection->db);
}

void transaction_join(struct connection *connection, const void *member)
{
    transaction_begin(connection);
    if (!connection->leader)
        connection->leader = member;
}

void transaction_join_hub(struct connection *connection, const void *hub)
{
    transaction_begin(connection);
    connection->leader = hub;
    connection->hub_joined = true;
}

/* ---- First phase ---- */

static bool has_writes(const struct session *session)
{
    return is_prepared(session) || (session->writing && lsmkv_session_mark(session->engine) > 0);
}

static int count_written(const struct connection *connection)
{
    const struct session *session;
    int count = 0;

    for (session = connection->sessions; session; session = session->next)
        count += has_writes(session);
    return count;
}

/* After a final frame the session is idle: what is written from now on in the same transaction has marks of its own. */
static int sync_session(struct session *session, bool final, bool default_commit, char **message)
{
    struct lsmkv_prepare how = {.default_commit = default_commit, .wait_ms = -1};
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;

    if (!session->writing)
        return SQLITE_OK; /* reads only, or prepared and unchanged since */
    if (final || !has_writes(session)) {
        session->connection->committed = session->connection->committed || has_writes(session);
        status = lsmkv_session_commit(session->engine, -1, &err);
        session->mark_count = 0;
    } else {
        sqlite3_randomness(sizeof(how.transaction), &how.transaction);
        status = lsmkv_session_prepare(session->engine, &how, &err);
    }
    session->writing = lsmkv_session_state(session->engine) == LSMKV_SESSION_WRITING;
    return error_from(message, status, &err);
}

int transaction_sync(struct connection *connection, char **message)
{
    int written = count_written(connection);
    struct session *session;
    bool final = false, clean = false;
    int rc = SQLITE_OK;

    if (written) {
        struct sqlite_state state = sqlite_state_now(connection->db, connection->cache_writes);

        clean = !state.dirty;
        final = clean && state.unrefusable && written == 1;
    }
    for (session = connection->sessions; session && !rc; session = session->next)
        rc = sync_session(session, final, clean && written == 1, message);
    return rc;
}

/* ---- Second phase ---- */

/* A store without tables is removed when it is closed for good. One whose tables cannot be counted stays. */
static void check_tables(struct session *session)
{
    uint64_t tables = 0;
    enum lsmkv_status status = catalog_count(session, &tables);

    session->ddl = false;
    registry_set_doomed(session->store, !status && tables == 0);
}

static void end_session(struct session *session, bool keep_snapshot)
{
    enum lsmkv_session_state state = lsmkv_session_state(session->engine);

    session->writing = false;
    session->mark_count = 0;
    session->epoch++;
    if (state != LSMKV_SESSION_IDLE && !(keep_snapshot && state == LSMKV_SESSION_READING))
        (void)lsmkv_session_rollback(session->engine, NULL);
    if (session->ddl)
        check_tables(session);
}

static void end_transaction(struct connection *connection)
{
    bool keep_snapshots = !connection->hub_joined; /* those of cursors outside of the transaction */
    struct session *session;

    for (session = connection->sessions; session; session = session->next)
        end_session(session, keep_snapshots && session->readers);
    connection->leader = NULL;
    connection->hub_joined = false;
    connection->levels = 0;
    connection->begun = false;
    connection->committed = false;
}

/* SQLite has committed and does not listen any more: what goes wrong here can only be logged. */
void transaction_commit(struct connection *connection)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct session *session;
    enum lsmkv_status status;

    for (session = connection->sessions; session; session = session->next) {
        if (!is_prepared(session))
            continue;
        status = lsmkv_session_commit_prepared(session->engine, &err);
        if (status)
            sqlite3_log(error_code(status), "lsmkv: %s: committing: %s", registry_dir(session->store), err.message);
    }
    end_transaction(connection);
}

void transaction_rollback(struct connection *connection)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct session *session;
    enum lsmkv_status status;

    if (connection->committed)
        sqlite3_log(SQLITE_WARNING, "lsmkv: SQLite rolled a transaction back whose lsmkv rows were already committed");
    for (session = connection->sessions; session; session = session->next) {
        if (!is_prepared(session))
            continue;
        status = lsmkv_session_rollback(session->engine, &err);
        if (status)
            sqlite3_log(error_code(status), "lsmkv: %s: rolling back: %s", registry_dir(session->store), err.message);
    }
    end_transaction(connection);
}

/* ---- Savepoints ---- */

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
        if (!session->writing && !is_prepared(session))
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

    if (!session->writing && !is_prepared(session))
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
    for (session = connection->sessions; session && !rc; session = session->next)
        rc = rollback_session(session, level, message);
    if (connection->levels > level + 1)
        connection->levels = level + 1;
    return rc;
}
