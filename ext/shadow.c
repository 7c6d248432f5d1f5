#include "ext/shadow.h"

#include <string.h>

#include "ext/error.h"

#define FORMAT_MAX 2

void shadow_release(struct shadow *shadow)
{
    sqlite3_free(shadow->columns);
    sqlite3_free(shadow->dir);
    memset(shadow, 0, sizeof(*shadow));
}

/* Runs `sql`, which it frees. */
static int run(sqlite3 *db, char *sql, char **message)
{
    int rc;

    if (!sql)
        return SQLITE_NOMEM;
    rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    if (rc)
        return error_set(message, rc, "shadow table: %s", sqlite3_errmsg(db));
    return SQLITE_OK;
}

/* ---- Writing ---- */

static int bind_all(sqlite3_stmt *statement, const struct shadow *shadow)
{
    int rc = sqlite3_bind_int(statement, 1, shadow->format);

    if (!rc)
        rc = sqlite3_bind_text(statement, 2, shadow->columns, -1, SQLITE_STATIC);
    if (!rc && shadow->dir)
        rc = sqlite3_bind_text(statement, 3, shadow->dir, -1, SQLITE_STATIC);
    if (!rc)
        rc = sqlite3_bind_int(statement, 4, shadow->in_memory);
    if (!rc)
        rc = sqlite3_bind_blob(statement, 5, shadow->store_id, sizeof(shadow->store_id), SQLITE_STATIC);
    if (!rc)
        rc = sqlite3_bind_int64(statement, 6, shadow->table_id);
    if (!rc && shadow->has_owner)
        rc = sqlite3_bind_blob(statement, 7, shadow->owner, sizeof(shadow->owner), SQLITE_STATIC);
    return rc;
}

static int insert_all(sqlite3 *db, const char *schema, const char *name, const struct shadow *shadow, char **message)
{
    sqlite3_stmt *statement = NULL;
    char *sql =
        sqlite3_mprintf("INSERT INTO \"%w\".\"%w_" SHADOW_SUFFIX "\"(k, v) VALUES('format', ?1), "
                        "('columns', ?2), ('dir', ?3), ('memory', ?4), ('store', ?5), ('table', ?6), ('owner', ?7)",
                        schema, name);
    int rc;

    if (!sql)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (!rc)
        rc = bind_all(statement, shadow);
    if (!rc) {
        sqlite3_step(statement);
        rc = sqlite3_reset(statement);
    }
    if (rc)
        rc = error_set(message, rc, "shadow table: %s", sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return rc;
}

int shadow_create(sqlite3 *db, const char *schema, const char *name, const struct shadow *shadow, char **message)
{
    int rc = run(db,
                 sqlite3_mprintf("CREATE TABLE \"%w\".\"%w_" SHADOW_SUFFIX "\"(k TEXT PRIMARY KEY, v) WITHOUT ROWID",
                                 schema, name),
                 message);

    return rc ? rc : insert_all(db, schema, name, shadow, message);
}

int shadow_rename(sqlite3 *db, const char *schema, const char *name, const char *to, char **message)
{
    return run(db,
               sqlite3_mprintf("ALTER TABLE \"%w\".\"%w_" SHADOW_SUFFIX "\" RENAME TO \"%w_" SHADOW_SUFFIX "\"", schema,
                               name, to),
               message);
}

int shadow_drop(sqlite3 *db, const char *schema, const char *name, char **message)
{
    return run(db, sqlite3_mprintf("DROP TABLE IF EXISTS \"%w\".\"%w_" SHADOW_SUFFIX "\"", schema, name), message);
}

/* ---- Reading ---- */

static int take_text(char **text, sqlite3_stmt *statement)
{
    const char *from = (const char *)sqlite3_column_text(statement, 1);

    sqlite3_free(*text);
    *text = NULL;
    if (!from)
        return SQLITE_OK;
    *text = sqlite3_mprintf("%s", from);
    return *text ? SQLITE_OK : SQLITE_NOMEM;
}

/* False if the value is no blob of 16 bytes. */
static bool take_id(uint8_t id[LSMKV_STORE_ID_SIZE], sqlite3_stmt *statement)
{
    const void *blob = sqlite3_column_blob(statement, 1);

    if (!blob || sqlite3_column_bytes(statement, 1) != LSMKV_STORE_ID_SIZE)
        return false;
    memcpy(id, blob, LSMKV_STORE_ID_SIZE);
    return true;
}

/* What has been read, as bits. */
enum { READ_FORMAT = 1, READ_COLUMNS = 2, READ_STORE = 4, READ_TABLE = 8, READ_ALL = 15 };

static int take_row(struct shadow *shadow, sqlite3_stmt *statement, int *read)
{
    const char *name = (const char *)sqlite3_column_text(statement, 0);

    if (!name)
        return SQLITE_OK;
    if (strcmp(name, "format") == 0) {
        shadow->format = sqlite3_column_int(statement, 1);
        *read |= shadow->format >= 1 && shadow->format <= FORMAT_MAX ? READ_FORMAT : 0;
    } else if (strcmp(name, "columns") == 0) {
        *read |= READ_COLUMNS;
        return take_text(&shadow->columns, statement);
    } else if (strcmp(name, "dir") == 0) {
        return take_text(&shadow->dir, statement);
    } else if (strcmp(name, "memory") == 0) {
        shadow->in_memory = sqlite3_column_int(statement, 1) != 0;
    } else if (strcmp(name, "store") == 0) {
        *read |= take_id(shadow->store_id, statement) ? READ_STORE : 0;
    } else if (strcmp(name, "owner") == 0) {
        shadow->has_owner = take_id(shadow->owner, statement);
    } else if (strcmp(name, "table") == 0) {
        sqlite3_int64 id = sqlite3_column_int64(statement, 1);

        if (id > 0 && id <= UINT32_MAX) {
            shadow->table_id = (uint32_t)id;
            *read |= READ_TABLE;
        }
    }
    return SQLITE_OK;
}

static int read_rows(sqlite3_stmt *statement, struct shadow *shadow, int *read)
{
    int rc;

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = take_row(shadow, statement, read);
        if (rc)
            return rc;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int shadow_read(sqlite3 *db, const char *schema, const char *name, struct shadow *shadow, char **message)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("SELECT k, v FROM \"%w\".\"%w_" SHADOW_SUFFIX "\"", schema, name);
    int rc, read = 0;

    if (!sql)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (!rc)
        rc = read_rows(statement, shadow, &read);
    if (rc)
        rc = error_set(message, rc, "shadow table %s_" SHADOW_SUFFIX ": %s", name, sqlite3_errmsg(db));
    else if (!(read & READ_FORMAT))
        rc = error_set(message, SQLITE_CANTOPEN,
                       "shadow table %s_" SHADOW_SUFFIX ": written by another version of lsmkv", name);
    else if (read != READ_ALL || !shadow->columns)
        rc = error_set(message, SQLITE_CORRUPT_VTAB, "shadow table %s_" SHADOW_SUFFIX ": rows are missing", name);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return rc;
}
