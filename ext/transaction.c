#include "ext/transaction.h"

#include <string.h>

#include "ext/catalog.h"
#include "ext/error.h"
#include "ext/marker.h"
#include "ext/memory.h"
#include "ext/session.h"

/* ---- Beginning ---- */

static void learn(struct connection *connection)
{
    const char *schema;
    int index;

    for (index = 0; (schema = sqlite_schema_name(connection->db, index)) != NULL; index++) {
        if (index != 1 && sqlite3_txn_state(connection->db, schema) == SQLITE_TXN_READ)
            sqlite_memory_learn(&connection->sqlite, connection->db, schema);
    }
}

void transaction_begin(struct connection *connection)
{
    if (connection->begun)
        return;
    connection->begun = true;
    connection->is_explicit = !sqlite3_get_autocommit(connection->db);
    if (connection->is_explicit)
        learn(connection);
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

/* ---- What has to be committed ---- */

static enum lsmkv_atomic atomic_of(const struct session *session)
{
    return lsmkv_store_options(session_store(session))->atomic;
}

static bool has_writes(const struct session *session)
{
    return session_is_prepared(session) || (session->writing && lsmkv_session_mark(session->engine) > 0);
}

/* Whether a marker can be needed for it: a crash leaves something to settle. */
static bool outlives_crash(const struct session *session)
{
    return !registry_in_memory(session->store) && atomic_of(session) != LSMKV_ATOMIC_OFF;
}

struct scope {
    int written;  /* stores with writes */
    int durable;  /* of these, the ones that a marker can be needed for */
    bool careful; /* one of these never takes a final frame */
    bool read;    /* there are others that hold a snapshot */
};

static struct scope scope_of(const struct connection *connection)
{
    const struct session *session;
    struct scope scope = {0, 0, false, false};

    for (session = connection->sessions; session; session = session->next) {
        if (!has_writes(session)) {
            scope.read = scope.read || lsmkv_session_state(session->engine) != LSMKV_SESSION_IDLE;
            continue;
        }
        scope.written++;
        scope.durable += outlives_crash(session);
        scope.careful = scope.careful || atomic_of(session) == LSMKV_ATOMIC_ALWAYS;
    }
    return scope;
}

/* ---- The marker ---- */

static bool can_hold_marker(sqlite3 *db, const char *schema)
{
    return sqlite_schema_file(db, schema) && sqlite3_db_readonly(db, schema) == 0;
}

/* The database that bears the marker: one that the transaction has written, or else any; main before others. */
static const char *find_marker_schema(const struct connection *connection)
{
    const char *schema, *any = NULL;
    int index;

    for (index = 0; (schema = sqlite_schema_name(connection->db, index)) != NULL; index++) {
        if (index == 1 || !can_hold_marker(connection->db, schema))
            continue;
        if (sqlite3_txn_state(connection->db, schema) == SQLITE_TXN_WRITE)
            return schema;
        if (!any)
            any = schema;
    }
    return any;
}

static int choose_marker_schema(struct connection *connection, char **message)
{
    const char *schema;

    if (connection->marker_schema)
        return SQLITE_OK; /* prepares of this transaction may have named it */
    schema = find_marker_schema(connection);
    if (!schema)
        return error_set(message, SQLITE_ERROR, "no database file can hold the marker of this transaction");
    connection->marker_schema = memory_copy_text(schema, strlen(schema));
    return connection->marker_schema ? SQLITE_OK : SQLITE_NOMEM;
}

int transaction_admit(struct session *session, char **message)
{
    const struct session *other;

    if (!outlives_crash(session))
        return SQLITE_OK;
    for (other = session->connection->sessions; other; other = other->next) {
        if (other == session || !outlives_crash(other) || !(other->writing || session_is_prepared(other)))
            continue;
        if (find_marker_schema(session->connection))
            return SQLITE_OK;
        return error_set(
            message, SQLITE_ERROR,
            "one transaction cannot write to the stores %s and %s: a crash could part them, and the connection "
            "has no database file to prevent that with",
            registry_dir(other->store), registry_dir(session->store));
    }
    return SQLITE_OK;
}

/* Whether a mark is needed no more. Of a store that this connection does not use it cannot be told. */
static bool is_decided(void *context, const struct marker_slot *slot)
{
    const struct connection *connection = context;
    const struct session *session;

    for (session = connection->sessions; session; session = session->next) {
        if (memcmp(lsmkv_store_id(session_store(session)), slot->store, sizeof(slot->store)) == 0)
            return lsmkv_transaction_decided(session_store(session), slot->transaction);
    }
    return false;
}

/* Takes a prepare back that is not as it must be now. */
static int withdraw(struct session *session, char **message)
{
    return session_is_prepared(session) ? session_write(session, message) : SQLITE_OK;
}

/* Names what is to be prepared; *changed if there is something new. What is prepared already keeps its name. */
static int name_all(struct connection *connection, bool *changed, char **message)
{
    struct session *session;
    uint64_t name = 0;
    int rc = SQLITE_OK;

    while (!name)
        sqlite3_randomness(sizeof(name), &name);
    for (session = connection->sessions; session && !rc; session = session->next) {
        if (!has_writes(session) || !outlives_crash(session) || (session_is_prepared(session) && session->marked_as))
            continue;
        rc = withdraw(session, message);
        session->marked_as = name;
        *changed = true;
    }
    return rc;
}

/* Writes the marker of all stores that outlive a crash. */
static int mark(struct connection *connection, int count, char **message)
{
    struct marker_slot *slots;
    const struct session *session;
    bool changed = !connection->marked;
    int next = 0, rc;

    rc = name_all(connection, &changed, message);
    if (!rc)
        rc = choose_marker_schema(connection, message);
    if (rc || !changed)
        return rc;
    slots = memory_alloc((size_t)count * sizeof(*slots));
    if (!slots)
        return SQLITE_NOMEM;
    for (session = connection->sessions; session; session = session->next) {
        if (!has_writes(session) || !outlives_crash(session))
            continue;
        slots[next].transaction = session->marked_as;
        memcpy(slots[next++].store, lsmkv_store_id(session_store(session)), LSMKV_STORE_ID_SIZE);
    }
    rc = marker_write(connection->db, connection->marker_schema, slots, next, is_decided, connection,
                      connection->coordinator, message);
    memory_free(slots);
    connection->marked = rc == SQLITE_OK;
    if (!rc && sqlite_schema_is_wal(connection->db, connection->marker_schema))
        sqlite_memory_note(&connection->sqlite, connection->db, connection->marker_schema);
    return rc == SQLITE_OK && sqlite_memory_starved(&connection->sqlite) ? SQLITE_NOMEM : rc;
}

/* ---- First phase ---- */

/* Mostly nobody has to be waited for: then the timeout need not be asked for. */
static enum lsmkv_status commit_or_wait(struct session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = lsmkv_session_commit(session->engine, 0, err);

    if (status != LSMKV_BUSY)
        return status;
    return lsmkv_session_commit(session->engine, session_wait_ms(session), err);
}

static enum lsmkv_status prepare_or_wait(struct session *session, struct lsmkv_prepare *how, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    how->wait_ms = 0;
    status = lsmkv_session_prepare(session->engine, how, err);
    if (status != LSMKV_BUSY)
        return status;
    how->wait_ms = session_wait_ms(session);
    return lsmkv_session_prepare(session->engine, how, err);
}

/* After a final frame the session is idle: what is written from now on in the same transaction has marks of its own. */
static int commit_final(struct session *session, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status = commit_or_wait(session, &err);

    session->writing = lsmkv_session_state(session->engine) == LSMKV_SESSION_WRITING;
    if (status)
        return error_from(message, status, &err);
    session->connection->committed = true;
    session->mark_count = 0;
    return SQLITE_OK;
}

static int prepare(struct session *session, bool marked, char **message)
{
    struct lsmkv_prepare how = {.default_commit = !marked};
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;

    if (!marked)
        session->marked_as = 0;
    how.transaction = session->marked_as;
    if (marked)
        memcpy(how.coordinator, session->connection->coordinator, sizeof(how.coordinator));
    while (!how.transaction)
        sqlite3_randomness(sizeof(how.transaction), &how.transaction);
    status = prepare_or_wait(session, &how, &err);
    session->writing = lsmkv_session_state(session->engine) == LSMKV_SESSION_WRITING;
    return error_from(message, status, &err);
}

static int sync_session(struct session *session, bool final, bool marked, char **message)
{
    bool wanted = marked && outlives_crash(session);
    int rc = SQLITE_OK;

    if (!has_writes(session))
        return SQLITE_OK;
    /* What is prepared already is so once more: the engine does nothing if nothing was written or read since. */
    if ((session->marked_as != 0) != wanted)
        rc = withdraw(session, message);
    if (rc)
        return rc;
    return final ? commit_final(session, message) : prepare(session, wanted, message);
}

/* The session whose store id comes next after that of `previous` (NULL: the first). */
static struct session *next_by_id(const struct connection *connection, const struct session *previous)
{
    struct session *session, *next = NULL;

    for (session = connection->sessions; session; session = session->next) {
        const uint8_t *id = lsmkv_store_id(session_store(session));

        if (previous && memcmp(id, lsmkv_store_id(session_store(previous)), LSMKV_STORE_ID_SIZE) <= 0)
            continue;
        if (!next || memcmp(id, lsmkv_store_id(session_store(next)), LSMKV_STORE_ID_SIZE) < 0)
            next = session;
    }
    return next;
}

/*
 * All connections go through the stores in the same order, so that two of them do not hold one store's prepare each and
 * fail at the other's.
 */
static int sync_all(struct connection *connection, bool final, bool marked, char **message)
{
    struct session *session;
    int rc = SQLITE_OK;

    for (session = next_by_id(connection, NULL); session && !rc; session = next_by_id(connection, session))
        rc = sync_session(session, final, marked, message);
    return rc;
}

/* What was read in stores that nothing was written to must still be so when the rest is committed. */
static int validate_reads(const struct connection *connection, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    const struct session *session;
    enum lsmkv_status status = LSMKV_OK;

    for (session = connection->sessions; session && !status; session = session->next) {
        if (lsmkv_session_state(session->engine) != LSMKV_SESSION_IDLE && !has_writes(session))
            status = lsmkv_session_validate(session->engine, &err);
    }
    return error_from(message, status, &err);
}

int transaction_sync(struct connection *connection, char **message)
{
    struct scope scope = scope_of(connection);
    struct sqlite_state state;
    bool marked, final;
    int rc;

    if (!scope.written && !scope.read)
        return SQLITE_OK;
    (void)sqlite_memory_starved(&connection->sqlite); /* what was before belongs to another statement */
    state = sqlite_state_now(connection->db, &connection->sqlite, connection->is_explicit);
    if (sqlite_memory_starved(&connection->sqlite))
        return SQLITE_NOMEM;
    if (!scope.written && !state.dirty)
        return SQLITE_OK;
    rc = validate_reads(connection, message);
    if (rc || !scope.written)
        return rc;
    marked = scope.durable > 1 || (scope.durable && state.dirty);
    final = scope.written == 1 && !scope.careful && !state.dirty && state.unrefusable;
    if (marked)
        rc = mark(connection, scope.durable, message);
    return rc ? rc : sync_all(connection, final, marked, message);
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
    session->marked_as = 0;
    session->mark_count = 0;
    session->epoch++;
    if (state != LSMKV_SESSION_IDLE && !(keep_snapshot && state == LSMKV_SESSION_READING))
        (void)lsmkv_session_rollback(session->engine, NULL);
    session_end_rowids(session);
    if (session->ddl)
        check_tables(session);
}

static void end_transaction(struct connection *connection, bool committed)
{
    bool keep_snapshots = !connection->hub_joined; /* those of cursors outside of the transaction */
    struct session *session;

    for (session = connection->sessions; session; session = session->next)
        end_session(session, keep_snapshots && session->readers);
    sqlite_memory_end(&connection->sqlite, connection->db, committed);
    memory_free(connection->marker_schema);
    connection->marker_schema = NULL;
    connection->marked = false;
    connection->leader = NULL;
    connection->hub_joined = false;
    connection->levels = 0;
    connection->begun = false;
    connection->committed = false;
}

/* SQLite has committed and does not listen any more: what goes wrong here can only be logged. The marker settles it. */
void transaction_commit(struct connection *connection)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct session *session;
    enum lsmkv_status status;

    for (session = connection->sessions; session; session = session->next) {
        if (!session_is_prepared(session))
            continue;
        status = lsmkv_session_commit_prepared(session->engine, &err);
        if (status)
            sqlite3_log(error_code(status), "lsmkv: %s: committing: %s", registry_dir(session->store), err.message);
    }
    end_transaction(connection, true);
}

void transaction_rollback(struct connection *connection)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct session *session;
    enum lsmkv_status status;

    if (connection->committed)
        sqlite3_log(SQLITE_WARNING, "lsmkv: SQLite rolled a transaction back whose lsmkv rows were already committed");
    for (session = connection->sessions; session; session = session->next) {
        if (!session_is_prepared(session))
            continue;
        status = lsmkv_session_rollback(session->engine, &err);
        if (status)
            sqlite3_log(error_code(status), "lsmkv: %s: rolling back: %s", registry_dir(session->store), err.message);
    }
    end_transaction(connection, false);
}
