#include "ext/settle.h"

#include <string.h>

#include "ext/error.h"
#include "ext/marker.h"
#include "ext/memory.h"

#define WAIT_MS 1000 /* for another process that is just recovering the database file */

/* ---- What is in doubt ---- */

struct doubt {
    uint64_t transaction;
    uint8_t coordinator[LSMKV_COORDINATOR_SIZE];
    bool settled;
};

struct doubts {
    struct doubt *list;
    int count;
};

static bool collect(void *context, const struct lsmkv_transaction_info *info)
{
    struct doubts *doubts = context;
    struct doubt *list;

    if (info->state != LSMKV_TRANSACTION_IN_DOUBT)
        return true;
    list = memory_resize(doubts->list, (size_t)(doubts->count + 1) * sizeof(*list));
    if (!list)
        return false; /* the next use of the store tries again */
    doubts->list = list;
    list[doubts->count].transaction = info->transaction;
    memcpy(list[doubts->count].coordinator, info->coordinator, LSMKV_COORDINATOR_SIZE);
    list[doubts->count].settled = false;
    doubts->count++;
    return true;
}

/* ---- Reading the marker ---- */

/* Another connection to the file of `schema`, without what this one has changed and from the newest state. */
static int open_beside(sqlite3 *db, const char *schema, sqlite3 **other)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE;
    sqlite3_vfs *vfs = NULL;
    int rc;

    (void)sqlite3_file_control(db, schema, SQLITE_FCNTL_VFS_POINTER, &vfs);
    rc = sqlite3_open_v2(sqlite_schema_file(db, schema), other, flags, vfs ? vfs->zName : NULL);
    if (!rc)
        rc = sqlite3_busy_timeout(*other, WAIT_MS);
    return rc;
}

static bool is_exclusive(sqlite3 *db, const char *schema)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("PRAGMA \"%w\".locking_mode", schema);
    bool exclusive = false;

    if (sql && sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        exclusive = sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), "exclusive") == 0;
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return exclusive;
}

/*
 * With a rollback journal nobody can have committed since this connection took its lock, so what it sees is the newest
 * state, after a rollback of what a crash left. In WAL mode it may read a snapshot that is older than the last commit of
 * whoever had the store before: another connection is asked then. With locking_mode = EXCLUSIVE nobody else was there.
 */
static int read_marker(sqlite3 *db, const char *schema, struct marker *marker, char **message)
{
    sqlite3 *other = NULL;
    int rc;

    if (sqlite3_txn_state(db, schema) == SQLITE_TXN_NONE || !sqlite_schema_is_wal(db, schema) ||
        is_exclusive(db, schema))
        return marker_read(db, schema, marker, message);
    rc = open_beside(db, schema, &other);
    if (!rc)
        rc = marker_read(other, "main", marker, message);
    else
        rc = error_set(message, rc, "%s: %s", sqlite_schema_file(db, schema), sqlite3_errmsg(other));
    sqlite3_close(other);
    return rc;
}

/* ---- Settling ---- */

static void settle_one(struct session *session, struct doubt *doubt, bool commit, const char *file)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status = lsmkv_settle(session_store(session), doubt->transaction, commit, &err);

    doubt->settled = true;
    if (status == LSMKV_INVALID)
        return; /* by another connection meanwhile */
    if (status)
        sqlite3_log(error_code(status), "lsmkv: %s: settling transaction %016llx: %s", registry_dir(session->store),
                    (unsigned long long)doubt->transaction, err.message);
    else
        sqlite3_log(SQLITE_NOTICE, "lsmkv: %s: transaction %016llx, prepared before a crash, was %s as %s says",
                    registry_dir(session->store), (unsigned long long)doubt->transaction,
                    commit ? "committed" : "aborted", file);
}

/* Whether the marker is in a copy, and the file that it was made for is still in its place. */
static bool is_copy(const struct marker *marker, const uint8_t *coordinator, const char *file)
{
    return strcmp(marker->file, file) != 0 && marker_was_made_for(coordinator, marker->file);
}

static void settle_by_marker(struct session *session, const struct doubts *doubts, const struct marker *marker,
                             const char *file)
{
    struct marker_slot slot;
    int i;

    memcpy(slot.store, lsmkv_store_id(session_store(session)), sizeof(slot.store));
    for (i = 0; i < doubts->count; i++) {
        struct doubt *doubt = &doubts->list[i];

        slot.transaction = doubt->transaction;
        if (doubt->settled)
            continue;
        if (marker_is_of(marker, doubt->coordinator)) {
            if (!is_copy(marker, doubt->coordinator, file))
                settle_one(session, doubt, marker_holds(marker, &slot), file);
        } else if (marker_was_made_for(doubt->coordinator, file)) {
            settle_one(session, doubt, false, file);
        }
    }
}

static void settle_by_schema(struct session *session, const struct doubts *doubts, const char *schema)
{
    sqlite3 *db = session->connection->db;
    struct marker marker = MARKER_INIT;
    char *message = NULL;
    int rc = read_marker(db, schema, &marker, &message);

    if (rc)
        sqlite3_log(rc, "%s", message ? message : "lsmkv: out of memory");
    else
        settle_by_marker(session, doubts, &marker, sqlite_schema_file(db, schema));
    sqlite3_free(message);
    marker_release(&marker);
}

void settle(struct session *session)
{
    struct doubts doubts = {NULL, 0};
    const char *schema;
    int index;

    if (registry_in_memory(session->store))
        return;
    lsmkv_transactions_each(session_store(session), collect, &doubts);
    for (index = 0; doubts.count && (schema = sqlite_schema_name(session->connection->db, index)) != NULL; index++) {
        if (index != 1 && sqlite_schema_file(session->connection->db, schema))
            settle_by_schema(session, &doubts, schema);
    }
    memory_free(doubts.list);
}
