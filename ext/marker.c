#include "ext/marker.h"

#include <string.h>
#include <sys/stat.h>

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/sqlite_state.h"

#define TABLE       "lsmkv_marker"
#define ROW         1  /* VACUUM numbers the only row of a table 1 too */
#define SLOT_SIZE   24 /* bytes */
#define SLOTS_FIRST 40 /* slots of a new table */

static const uint8_t no_coordinator[LSMKV_COORDINATOR_SIZE];

/* ---- Which file ---- */

#define PLACE_SIZE 8 /* bytes, the last ones of a coordinator id */

/* False where there is no file. */
static bool place_of(const char *path, uint8_t place[PLACE_SIZE])
{
    struct stat file;
    uint64_t inode;

    if (stat(path, &file) != 0)
        return false;
    inode = file.st_ino;
    bytes_put_le(place, bytes_hash(bytes_hash_text(BYTES_HASH_START, path), &inode, sizeof(inode)), PLACE_SIZE);
    return true;
}

static void make_coordinator(uint8_t coordinator[LSMKV_COORDINATOR_SIZE], const char *path)
{
    sqlite3_randomness(LSMKV_COORDINATOR_SIZE, coordinator);
    (void)place_of(path, coordinator + LSMKV_COORDINATOR_SIZE - PLACE_SIZE); /* without a file it is random there too */
}

bool marker_was_made_for(const uint8_t coordinator[LSMKV_COORDINATOR_SIZE], const char *path)
{
    uint8_t place[PLACE_SIZE];

    return place_of(path, place) && memcmp(coordinator + LSMKV_COORDINATOR_SIZE - PLACE_SIZE, place, PLACE_SIZE) == 0;
}

/* ---- The blob ---- */

static int slot_count(const struct lsmkv_buf *blob)
{
    return blob->size < LSMKV_COORDINATOR_SIZE ? 0 : (int)((blob->size - LSMKV_COORDINATOR_SIZE) / SLOT_SIZE);
}

static uint8_t *slot_at(const struct lsmkv_buf *blob, int index)
{
    return blob->data + LSMKV_COORDINATOR_SIZE + (size_t)index * SLOT_SIZE;
}

static void get_slot(const struct lsmkv_buf *blob, int index, struct marker_slot *slot)
{
    slot->transaction = bytes_get_le(slot_at(blob, index), sizeof(slot->transaction));
    memcpy(slot->store, slot_at(blob, index) + sizeof(slot->transaction), sizeof(slot->store));
}

static void put_slot(struct lsmkv_buf *blob, int index, const struct marker_slot *slot)
{
    bytes_put_le(slot_at(blob, index), slot->transaction, sizeof(slot->transaction));
    memcpy(slot_at(blob, index) + sizeof(slot->transaction), slot->store, sizeof(slot->store));
}

static bool holds(const struct lsmkv_buf *blob, const struct marker_slot *wanted)
{
    struct marker_slot slot;
    int i;

    for (i = 0; i < slot_count(blob); i++) {
        get_slot(blob, i, &slot);
        if (slot.transaction == wanted->transaction && memcmp(slot.store, wanted->store, sizeof(slot.store)) == 0)
            return true;
    }
    return false;
}

static bool is_of(const struct lsmkv_buf *blob, const uint8_t coordinator[LSMKV_COORDINATOR_SIZE])
{
    return blob->size >= LSMKV_COORDINATOR_SIZE && memcmp(blob->data, coordinator, LSMKV_COORDINATOR_SIZE) == 0;
}

/* A free slot; the blob grows where there is none. -1 on failure. */
static int free_slot(struct lsmkv_buf *blob)
{
    static const uint8_t zeros[SLOT_SIZE];
    struct marker_slot slot;
    int i;

    for (i = 0; i < slot_count(blob); i++) {
        get_slot(blob, i, &slot);
        if (!slot.transaction)
            return i;
    }
    return bytes_append(blob, zeros, sizeof(zeros)) ? -1 : i;
}

static void free_decided(struct lsmkv_buf *blob, bool (*decided)(void *context, const struct marker_slot *slot),
                         void *context)
{
    struct marker_slot slot;
    int i;

    for (i = 0; i < slot_count(blob); i++) {
        get_slot(blob, i, &slot);
        if (slot.transaction && decided(context, &slot))
            memset(slot_at(blob, i), 0, SLOT_SIZE);
    }
}

static int put_marks(struct lsmkv_buf *blob, const struct marker_slot *slots, int count)
{
    int i, at;

    for (i = 0; i < count; i++) {
        if (holds(blob, &slots[i]))
            continue;
        at = free_slot(blob);
        if (at < 0)
            return SQLITE_NOMEM;
        put_slot(blob, at, &slots[i]);
    }
    return SQLITE_OK;
}

/* ---- The table ---- */

/*
 * A statement that SQLite cannot even compile, and a row that is not there, mean that somebody has changed the table: it
 * is to be dropped, and is made anew.
 */
static int fail(sqlite3 *db, const char *schema, int rc, char **message)
{
    if ((rc & 0xff) == SQLITE_ERROR)
        return error_set(message, rc, "%s." TABLE " is not as the extension made it (%s): DROP it, and repeat", schema,
                         sqlite3_errmsg(db));
    return error_set(message, rc, "%s." TABLE ": %s", schema, sqlite3_errmsg(db));
}

static int make_table(sqlite3 *db, const char *schema)
{
    char *sql =
        sqlite3_mprintf("CREATE TABLE IF NOT EXISTS \"%w\"." TABLE " AS SELECT zeroblob(%d) AS v, %Q AS file", schema,
                        LSMKV_COORDINATOR_SIZE + SLOTS_FIRST * SLOT_SIZE, sqlite_schema_file(db, schema));
    int rc = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    return rc;
}

static int open_blob(sqlite3 *db, const char *schema, sqlite3_blob **blob)
{
    int rc = sqlite3_blob_open(db, schema, TABLE, "v", ROW, 1, blob);

    if ((rc & 0xff) != SQLITE_ERROR)
        return rc;
    sqlite3_blob_close(*blob);
    *blob = NULL;
    rc = make_table(db, schema);
    return rc ? rc : sqlite3_blob_open(db, schema, TABLE, "v", ROW, 1, blob);
}

static int read_blob(sqlite3_blob *from, struct lsmkv_buf *blob)
{
    size_t size = (size_t)sqlite3_blob_bytes(from);

    if (bytes_reserve(blob, size))
        return SQLITE_NOMEM;
    blob->size = size;
    return sqlite3_blob_read(from, blob->data, (int)size, 0);
}

/* Only the bytes that differ, since each page costs. */
static int write_changes(sqlite3_blob *to, const struct lsmkv_buf *old, const struct lsmkv_buf *blob)
{
    size_t first = 0, end = blob->size;

    while (first < end && old->data[first] == blob->data[first])
        first++;
    while (end > first && old->data[end - 1] == blob->data[end - 1])
        end--;
    return first == end ? SQLITE_OK : sqlite3_blob_write(to, blob->data + first, (int)(end - first), (int)first);
}

/* The one statement that counts as a change of the host's. */
static int replace_blob(sqlite3 *db, const char *schema, const struct lsmkv_buf *blob)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("UPDATE \"%w\"." TABLE " SET v = ?1 WHERE rowid = %d", schema, ROW);
    int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &statement, NULL) : SQLITE_NOMEM;

    if (!rc)
        rc = sqlite3_bind_blob64(statement, 1, blob->data, blob->size, SQLITE_STATIC);
    if (!rc) {
        sqlite3_step(statement);
        rc = sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return rc;
}

int marker_write(sqlite3 *db, const char *schema, const struct marker_slot *slots, int count,
                 bool (*decided)(void *context, const struct marker_slot *slot), void *context,
                 uint8_t coordinator[LSMKV_COORDINATOR_SIZE], char **message)
{
    struct lsmkv_buf old = LSMKV_BUF_INIT, blob = LSMKV_BUF_INIT;
    sqlite3_blob *file = NULL;
    int rc, closed;

    rc = open_blob(db, schema, &file);
    if (!rc)
        rc = read_blob(file, &old);
    if (!rc && old.size < LSMKV_COORDINATOR_SIZE + SLOT_SIZE) {
        rc = error_set(message, SQLITE_CORRUPT_VTAB,
                       "%s." TABLE " is not as the extension made it (%d bytes): DROP it, and repeat", schema,
                       (int)old.size);
        goto done;
    }
    if (!rc && bytes_append(&blob, old.data, old.size))
        rc = SQLITE_NOMEM;
    if (!rc && is_of(&blob, no_coordinator))
        make_coordinator(blob.data, sqlite_schema_file(db, schema));
    if (!rc) {
        free_decided(&blob, decided, context);
        rc = put_marks(&blob, slots, count);
    }
    if (!rc && blob.size == old.size)
        rc = write_changes(file, &old, &blob);
    if (!rc)
        memcpy(coordinator, blob.data, LSMKV_COORDINATOR_SIZE);
    if (rc)
        rc = fail(db, schema, rc, message);

done:
    closed = sqlite3_blob_close(file);
    if (!rc && closed)
        rc = fail(db, schema, closed, message);
    if (!rc && blob.size != old.size) {
        rc = replace_blob(db, schema, &blob);
        if (rc)
            rc = fail(db, schema, rc, message);
    }
    lsmkv_buf_release(&old);
    lsmkv_buf_release(&blob);
    return rc;
}

/* ---- Reading ---- */

/* The first value of the first row, for the caller to look at; *statement is NULL where there is no row. Frees `sql`. */
static int first_row(sqlite3 *db, char *sql, sqlite3_stmt **statement)
{
    int rc = sql ? sqlite3_prepare_v2(db, sql, -1, statement, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    if (!rc)
        rc = sqlite3_step(*statement);
    if (rc == SQLITE_ROW)
        return SQLITE_OK;
    sqlite3_finalize(*statement);
    *statement = NULL;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int has_table(sqlite3 *db, const char *schema, bool *has)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf(
        "SELECT 1 FROM \"%w\".sqlite_master WHERE type = 'table' AND name = '" TABLE "' COLLATE NOCASE", schema);
    int rc = first_row(db, sql, &statement);

    *has = statement != NULL;
    sqlite3_finalize(statement);
    return rc;
}

static int take_row(struct marker *marker, sqlite3_stmt *statement)
{
    const char *file = (const char *)sqlite3_column_text(statement, 1);

    if (bytes_append(&marker->blob, sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0)))
        return SQLITE_NOMEM;
    marker->file = sqlite3_mprintf("%s", file ? file : "");
    return marker->file ? SQLITE_OK : SQLITE_NOMEM;
}

static int read_row(sqlite3 *db, const char *schema, struct marker *marker)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("SELECT v, file FROM \"%w\"." TABLE " WHERE rowid = %d", schema, ROW);
    int rc = first_row(db, sql, &statement);

    if (statement)
        rc = take_row(marker, statement);
    sqlite3_finalize(statement);
    return rc;
}

/* By statements: unlike incremental I/O they notice that the schema has changed since the connection read it. */
int marker_read(sqlite3 *db, const char *schema, struct marker *marker, char **message)
{
    bool has = false;
    int rc = has_table(db, schema, &has);

    if (!rc && has)
        rc = read_row(db, schema, marker);
    return rc ? fail(db, schema, rc, message) : SQLITE_OK;
}

void marker_release(struct marker *marker)
{
    lsmkv_buf_release(&marker->blob);
    sqlite3_free(marker->file);
    marker->file = NULL;
}

bool marker_is_of(const struct marker *marker, const uint8_t coordinator[LSMKV_COORDINATOR_SIZE])
{
    return is_of(&marker->blob, coordinator);
}

bool marker_holds(const struct marker *marker, const struct marker_slot *slot)
{
    return holds(&marker->blob, slot);
}
