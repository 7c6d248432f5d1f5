#include "ext/owner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/path.h"

enum { VERSION = 1, HEADER_SIZE = 33 };

struct file_id {
    uint64_t device, inode;
};

/* Where a database file and its store are, or were. */
struct place {
    struct file_id file, store;
    char *path; /* sqlite3_free() */
};

static bool same_file(const struct file_id *a, const struct file_id *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* False if there is no such file. */
static bool identify(const char *path, struct file_id *id)
{
    struct stat status;

    if (stat(path, &status))
        return false;
    id->device = (uint64_t)status.st_dev;
    id->inode = (uint64_t)status.st_ino;
    return true;
}

/* *known is false where the file cannot be told from others: it is deleted, or no file of this file system. */
static int find_place(const struct sql_table *table, struct place *place, bool *known)
{
    const char *file = path_of_database(table->connection->db, table->schema_name);
    char *real = file ? realpath(file, NULL) : NULL;

    *known = real && identify(real, &place->file) && identify(registry_dir(table->session->store), &place->store);
    if (*known)
        place->path = sqlite3_mprintf("%s", real);
    free(real);
    return *known && !place->path ? SQLITE_NOMEM : SQLITE_OK;
}

/* ---- The record ---- */

static enum lsmkv_status encode(struct lsmkv_buf *record, const struct place *place)
{
    const uint64_t numbers[4] = {place->file.device, place->file.inode, place->store.device, place->store.inode};
    enum lsmkv_status status = bytes_reserve(record, HEADER_SIZE);
    int i;

    if (status)
        return status;
    record->data[0] = VERSION;
    for (i = 0; i < 4; i++)
        bytes_put_le(record->data + 1 + 8 * i, numbers[i], 8);
    record->size = HEADER_SIZE;
    return bytes_append(record, place->path, strlen(place->path));
}

/* *known is false for a record of another version, which is replaced as if there were none. */
static int decode(struct lsmkv_slice record, struct place *place, bool *known)
{
    *known = record.size > HEADER_SIZE && record.data[0] == VERSION;
    if (!*known)
        return SQLITE_OK;
    place->file.device = bytes_get_le(record.data + 1, 8);
    place->file.inode = bytes_get_le(record.data + 9, 8);
    place->store.device = bytes_get_le(record.data + 17, 8);
    place->store.inode = bytes_get_le(record.data + 25, 8);
    place->path = sqlite3_mprintf("%.*s", (int)(record.size - HEADER_SIZE), (const char *)record.data + HEADER_SIZE);
    return place->path ? SQLITE_OK : SQLITE_NOMEM;
}

static int read_record(const struct sql_table *table, struct place *place, bool *known, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct lsmkv_buf record = LSMKV_BUF_INIT;
    enum lsmkv_status status;
    int rc;

    *known = false;
    status = lsmkv_catalog_owner(table->session->engine, table->shadow.owner, &record, known, &err);
    rc = error_from(message, status, &err);
    if (!rc && *known)
        rc = decode(bytes_of(&record), place, known);
    lsmkv_buf_release(&record);
    return rc;
}

static int write_record(const struct sql_table *table, const struct place *place, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct lsmkv_buf record = LSMKV_BUF_INIT;
    enum lsmkv_status status = encode(&record, place);

    if (!status)
        status = lsmkv_catalog_set_owner(table->session->engine, table->shadow.owner, bytes_of(&record), &err);
    lsmkv_buf_release(&record);
    return error_from(message, status, &err);
}

/* ---- Creating, checking, renewing ---- */

int owner_create(struct sql_table *table, char **message)
{
    struct place here = {.path = NULL};
    bool known = false;
    int rc;

    if (sql_table_is_temp(table) || table->shadow.in_memory)
        return SQLITE_OK;
    rc = find_place(table, &here, &known);
    if (!rc && known) {
        sqlite3_randomness(sizeof(table->shadow.owner), table->shadow.owner);
        table->shadow.has_owner = true;
        rc = write_record(table, &here, message);
    }
    sqlite3_free(here.path);
    return rc;
}

static bool is_unchanged(const struct place *here, const struct place *seen)
{
    return same_file(&here->file, &seen->file) && same_file(&here->store, &seen->store) &&
           strcmp(here->path, seen->path) == 0;
}

static bool is_copy(const struct place *here, const struct place *seen)
{
    struct file_id present;

    if (!same_file(&here->store, &seen->store) || same_file(&here->file, &seen->file) ||
        strcmp(here->path, seen->path) == 0)
        return false;
    return identify(seen->path, &present) && same_file(&present, &seen->file);
}

/* `here` and `seen` are filled if *known: then there is something to compare. */
static int find_both(const struct sql_table *table, struct place *here, struct place *seen, bool *here_known,
                     bool *seen_known, char **message)
{
    int rc = find_place(table, here, here_known);

    *seen_known = false;
    return rc || !*here_known ? rc : read_record(table, seen, seen_known, message);
}

int owner_check(struct sql_table *table, char **message)
{
    struct place here = {.path = NULL}, seen = {.path = NULL};
    bool here_known, seen_known;
    int rc;

    table->owner_moved = false;
    if (!table->shadow.has_owner)
        return SQLITE_OK;
    rc = find_both(table, &here, &seen, &here_known, &seen_known, message);
    if (!rc && here_known && seen_known && is_copy(&here, &seen))
        rc =
            error_set(message, SQLITE_CANTOPEN,
                      "%s is a copy of %s, which is still there and to which the rows belong: use that file; or DROP "
                      "TABLE %s here, which leaves the rows alone, and open them by CREATE VIRTUAL TABLE temp.%s USING "
                      "lsmkv('%q', table = ...)",
                      here.path, seen.path, table->name, table->name, registry_dir(table->session->store));
    if (!rc && here_known)
        table->owner_moved = !seen_known || !is_unchanged(&here, &seen);
    sqlite3_free(here.path);
    sqlite3_free(seen.path);
    return rc;
}

int owner_forget(const struct sql_table *table, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status = LSMKV_OK;

    if (table->shadow.has_owner)
        status = lsmkv_catalog_set_owner(table->session->engine, table->shadow.owner, bytes_slice(NULL, 0), &err);
    return error_from(message, status, &err);
}

/* The record of an earlier transaction may have been rolled back: whether there is more to do the store says. */
int owner_renew(struct sql_table *table, char **message)
{
    struct place here = {.path = NULL}, seen = {.path = NULL};
    bool here_known, seen_known;
    int rc;

    if (!table->owner_moved)
        return SQLITE_OK;
    rc = find_both(table, &here, &seen, &here_known, &seen_known, message);
    if (!rc && here_known && seen_known && is_unchanged(&here, &seen))
        table->owner_moved = false;
    else if (!rc && here_known)
        rc = write_record(table, &here, message);
    sqlite3_free(here.path);
    sqlite3_free(seen.path);
    return rc;
}
