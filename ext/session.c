#include "ext/session.h"

#include "ext/error.h"
#include "ext/hub.h"
#include "ext/memory.h"
#include "ext/transaction.h"

/* ---- Life ---- */

static void session_free(struct session *session)
{
    lsmkv_session_close(session->engine);
    session_end_rowids(session);
    registry_release(session->store);
    memory_free(session->marks);
    memory_free(session->rowids);
    memory_free(session);
}

static struct session *find(const struct connection *connection, const struct open_store *store)
{
    struct session *session;

    for (session = connection->sessions; session; session = session->next) {
        if (session->store == store)
            return session;
    }
    return NULL;
}

/* Takes over the reference on `store`, on failure too. */
static int session_new(struct connection *connection, struct open_store *store, struct session **session,
                       char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct session *made = memory_alloc(sizeof(*made));
    enum lsmkv_status status;

    if (!made) {
        registry_release(store);
        return SQLITE_NOMEM;
    }
    made->connection = connection;
    made->store = store;
    status = lsmkv_session_open(&made->engine, registry_engine(store), &err);
    if (status) {
        made->engine = NULL;
        session_free(made);
        return error_from(message, status, &err);
    }
    made->next = connection->sessions;
    connection->sessions = made;
    *session = made;
    return SQLITE_OK;
}

int session_open(struct connection *connection, const struct store_request *request, struct session **session,
                 char **message)
{
    struct open_store *store = NULL;
    int rc;

    rc = registry_open(request, &store, message);
    if (rc)
        return rc;
    *session = find(connection, store);
    if (!*session)
        return session_new(connection, store, session, message);
    registry_release(store); /* the session has its own */
    return SQLITE_OK;
}

void session_close_all(struct connection *connection)
{
    struct session *session;

    while ((session = connection->sessions) != NULL) {
        connection->sessions = session->next;
        session_free(session);
    }
    connection->private = NULL;
}

struct lsmkv_store *session_store(const struct session *session)
{
    return registry_engine(session->store);
}

/* ---- Reading ---- */

/*
 * A snapshot that cursors took before the transaction began is not the transaction's: its reads are not tracked, and it may
 * be older than what the transaction should see. The cursors keep what they hold.
 */
static void let_untracked_go(struct session *session)
{
    if (session->connection->hub_joined && !session->tracked &&
        lsmkv_session_state(session->engine) == LSMKV_SESSION_READING)
        (void)lsmkv_session_rollback(session->engine, NULL);
}

void session_add_reader(struct session *session, bool *counted)
{
    if (!*counted)
        session->readers++;
    *counted = true;
}

int session_read(struct session *session, bool *counted, char **message)
{
    struct connection *connection = session->connection;
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_session_state state;
    int rc;

    /* Without the hub SQLite would not tell when the transaction ends. */
    if (!connection->hub_joined && !sqlite3_get_autocommit(connection->db)) {
        rc = hub_join_to_read(connection, message);
        if (rc)
            return rc;
    }
    let_untracked_go(session);
    state = lsmkv_session_state(session->engine);
    if (state == LSMKV_SESSION_IDLE) {
        rc = error_from(message, lsmkv_session_read(session->engine, connection->hub_joined, &err), &err);
        if (rc)
            return rc;
        session->tracked = connection->hub_joined;
    }
    session_add_reader(session, counted);
    return SQLITE_OK;
}

void session_end_read(struct session *session)
{
    session->readers--;
    if (session->readers || session->connection->hub_joined)
        return;
    if (lsmkv_session_state(session->engine) == LSMKV_SESSION_READING)
        (void)lsmkv_session_rollback(session->engine, NULL); /* only lets the snapshot go */
}

/* ---- Writing ---- */

/* Whether others may wait for this connection, in another store: its turn, or its prepare. Then it waits for nobody. */
static bool is_waited_for(const struct session *session)
{
    const struct session *other;

    for (other = session->connection->sessions; other; other = other->next) {
        if (other != session && (session_is_prepared(other) || (other->writing && other->exclusive)))
            return true;
    }
    return false;
}

/* Milliseconds of PRAGMA busy_timeout; SQLite has no call that tells. 0 if there is none. */
static int64_t busy_timeout(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int64_t timeout = 0;

    if (sqlite3_prepare_v2(db, "PRAGMA busy_timeout", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        timeout = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return timeout;
}

int64_t session_wait_ms(const struct session *session)
{
    int64_t wait_ms;

    if (is_waited_for(session))
        return 0;
    wait_ms = busy_timeout(session->connection->db);
    return wait_ms > 0 ? wait_ms : -1;
}

static enum lsmkv_status take_turn(struct session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    /* Mostly nobody else writes: then the timeout need not be asked for. */
    status = lsmkv_session_write(session->engine, LSMKV_WRITE_EXCLUSIVE, 0, err);
    if (status != LSMKV_BUSY)
        return status;
    return lsmkv_session_write(session->engine, LSMKV_WRITE_EXCLUSIVE, session_wait_ms(session), err);
}

/*
 * A statement by itself has the turn from its beginning, so it cannot conflict. A transaction may last: it takes the turn
 * when it commits; and what has read goes on from its snapshot.
 */
static enum lsmkv_status begin_to_write(struct session *session, struct lsmkv_error *err)
{
    enum lsmkv_session_state state = lsmkv_session_state(session->engine);

    if (state == LSMKV_SESSION_PREPARED)
        return lsmkv_session_write(session->engine, LSMKV_WRITE_OPTIMISTIC, 0, err); /* in the mode it was in */
    session->exclusive = state == LSMKV_SESSION_IDLE && sqlite3_get_autocommit(session->connection->db);
    if (session->exclusive)
        return take_turn(session, err);
    return lsmkv_session_write(session->engine, LSMKV_WRITE_OPTIMISTIC, 0, err);
}

int session_write(struct session *session, char **message)
{
    struct connection *connection = session->connection;
    struct lsmkv_error err = {LSMKV_OK, ""};
    int rc;

    if (session->writing)
        return SQLITE_OK;
    /* A snapshot of cursors only: the statement or transaction starts from the newest state. */
    if (!session->tracked && lsmkv_session_state(session->engine) == LSMKV_SESSION_READING)
        (void)lsmkv_session_rollback(session->engine, NULL); /* cursors keep what they hold */
    rc = transaction_admit(session, message);
    if (!rc)
        rc = error_from(message, begin_to_write(session, &err), &err);
    if (rc)
        return rc;
    session->writing = true;
    session->wrote = true;
    session_forget_rowids(session);
    transaction_begin(connection);
    return SQLITE_OK;
}

/* ---- Rowids ---- */

struct rowid_mark *session_rowid_mark(struct session *session, uint32_t keyspace)
{
    struct rowid_mark *marks;
    int i;

    for (i = 0; i < session->rowid_count; i++) {
        if (session->rowids[i].keyspace == keyspace)
            return &session->rowids[i];
    }
    marks = memory_resize(session->rowids, (size_t)(session->rowid_count + 1) * sizeof(*marks));
    if (!marks)
        return NULL;
    session->rowids = marks;
    marks[session->rowid_count].keyspace = keyspace;
    marks[session->rowid_count].known = false;
    return &marks[session->rowid_count++];
}

void session_forget_rowids(struct session *session)
{
    int i;

    for (i = 0; i < session->rowid_count; i++)
        session->rowids[i].known = false;
}

void session_end_rowids(struct session *session)
{
    if (session->wrote)
        handouts_end(registry_handouts(session->store), session);
    session->wrote = false;
}
