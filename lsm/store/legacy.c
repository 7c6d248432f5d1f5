/*
 * legacy.c - migration of a store of the Python package lsm-kv-store, in place.
 *
 * The new store is made by the ordinary means in STORE/migrating, and closed. Then it moves up:
 *
 *   1. STORE/legacy is made; migrating/manifest, wal and sst are renamed to STORE; both directories are synced
 *   2. migrating/global.json is renamed to STORE, which is synced: the commit point
 *   3. the old files are renamed to STORE/legacy; what is left of STORE/migrating is removed
 *
 * Before 2 the old store is untouched and STORE holds no global.json of ours; the next migration removes what it finds
 * of the former one. After 2 the new store opens, and opening it does what is left of 3. Names are told apart by their
 * spelling: no name of the old package is one of ours. Manifests and logs hold numbers and no paths, so they may move.
 */
#include "store/legacy.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/manifest.h"
#include "manifest/names.h"
#include "store/create.h"
#include "store/legacy_load.h"

#define NAME_MIGRATING "migrating"
#define NAME_ASIDE     "legacy"

#define BATCH_SIZE (4u << 20) /* bytes of one transaction of the migration */

/* ---- Names of the old package ---- */

static bool is_old_name(const char *name)
{
    static const char *const names[] = {LEGACY_LOG,
                                        LEGACY_LOG ".tmp",
                                        LEGACY_TABLES,
                                        LEGACY_LEVELS,
                                        LEGACY_MANIFEST,
                                        LEGACY_MANIFEST ".tmp",
                                        LEGACY_MANIFEST ".backup"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static enum lsmkv_status has_kind(struct os_fs *fs, const char *dir, const char *name, enum os_kind wanted, bool *has,
                                  struct lsmkv_error *err)
{
    char *path = os_path(dir, "%s", name);
    enum os_kind kind;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(fs, path, &kind, NULL, err);
    *has = !status && kind == wanted;
    lsm_free(path);
    return status;
}

/* Format 2 has its global manifest from the first start on; format 1 has a log and a directory for tables. */
static enum lsmkv_status is_old_store(struct os_fs *fs, const char *dir, bool *is, struct lsmkv_error *err)
{
    bool manifest = false, log = false, tables = false;
    enum lsmkv_status status;

    status = has_kind(fs, dir, LEGACY_LEVELS "/global.json", OS_REGULAR, &manifest, err);
    if (!status && !manifest)
        status = has_kind(fs, dir, LEGACY_MANIFEST, OS_REGULAR, &manifest, err);
    if (!status)
        status = has_kind(fs, dir, LEGACY_LOG, OS_REGULAR, &log, err);
    if (!status)
        status = has_kind(fs, dir, LEGACY_TABLES, OS_DIRECTORY, &tables, err);
    *is = tables && (manifest || log);
    return status;
}

enum lsmkv_status lsmkv_legacy_detect(const char *dir, struct os_fs *fs, bool *legacy, struct lsmkv_error *err)
{
    bool ours = false;
    enum lsmkv_status status;

    *legacy = false;
    fs = fs ? fs : os_posix_fs();
    status = manifest_exists(fs, dir, &ours, err);
    if (!status && !ours)
        status = is_old_store(fs, dir, legacy, err);
    return status;
}

/* ---- What a migration that died has left ---- */

static enum lsmkv_status collect_name(void *context, const char *name, struct lsmkv_error *err)
{
    return buf_append(context, name, strlen(name) + 1, err);
}

/* The names in `path`; none if it is absent. */
static enum lsmkv_status list_names(struct os_fs *fs, const char *path, struct lsmkv_buf *names, enum os_kind *kind,
                                    struct lsmkv_error *err)
{
    enum lsmkv_status status;

    buf_clear(names);
    status = os_fs_kind(fs, path, kind, NULL, err);
    if (!status && *kind == OS_DIRECTORY)
        status = os_fs_list(fs, path, collect_name, names, err);
    return status;
}

typedef bool is_our_name(const char *name);

static bool is_level_name(const char *name)
{
    uint64_t generation;
    unsigned level;

    return level_file_name(name, &level, &generation);
}

static bool is_segment_name(const char *name)
{
    uint64_t number;

    return segment_name(name, &number);
}

static bool is_table_name(const char *name)
{
    uint64_t number;

    return table_name(name, &number);
}

static bool is_top_name(const char *name)
{
    return strcmp(name, NAME_LOCK) == 0 || strcmp(name, NAME_GLOBAL) == 0 || strcmp(name, NAME_GLOBAL_NEW) == 0;
}

/* Removes `dir`/`name` with the files in it, all of which must be ours; absent is fine. */
static enum lsmkv_status remove_dir(struct os_fs *fs, const char *dir, const char *name, is_our_name *ours,
                                    struct lsmkv_error *err)
{
    char *path = os_path(dir, "%s", name);
    struct lsmkv_buf names = LSMKV_BUF_INIT;
    enum os_kind kind;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = list_names(fs, path, &names, &kind, err);
    for (size_t at = 0; !status && at < names.size; at += strlen((char *)names.data + at) + 1) {
        const char *file = (const char *)names.data + at;
        char *file_path = os_path(path, "%s", file);

        if (!file_path)
            status = lsmkv_fail_nomem(err);
        else if (!ours(file))
            status = lsmkv_fail(err, LSMKV_CANTOPEN, "%s: is in the way of the migration", file_path);
        else
            status = os_fs_remove(fs, file_path, err);
        lsm_free(file_path);
    }
    if (!status && kind == OS_DIRECTORY)
        status = os_fs_remove_dir(fs, path, err);
    lsmkv_buf_release(&names);
    lsm_free(path);
    return status;
}

static enum lsmkv_status remove_parts(struct os_fs *fs, const char *dir, struct lsmkv_error *err)
{
    enum lsmkv_status status = remove_dir(fs, dir, NAME_MANIFEST_DIR, is_level_name, err);

    if (!status)
        status = remove_dir(fs, dir, NAME_SEGMENT_DIR, is_segment_name, err);
    if (!status)
        status = remove_dir(fs, dir, NAME_TABLE_DIR, is_table_name, err);
    return status;
}

/* STORE/migrating and, before the commit, what had moved up from it. */
static enum lsmkv_status remove_leftovers(struct os_fs *fs, const char *dir, bool moved_too, struct lsmkv_error *err)
{
    char *migrating = os_path(dir, NAME_MIGRATING);
    enum lsmkv_status status = migrating ? remove_parts(fs, migrating, err) : lsmkv_fail_nomem(err);

    if (!status)
        status = remove_dir(fs, dir, NAME_MIGRATING, is_top_name, err);
    if (!status && moved_too)
        status = remove_parts(fs, dir, err);
    lsm_free(migrating);
    return status;
}

/* ---- Writing the new store ---- */

struct migration {
    struct os_fs *fs;
    const char *dir;
    const struct lsmkv_open *how;
    const char *table;
    struct lsmkv_slice definition;
    lsmkv_legacy_row *row;
    void *row_context;
    struct memtable *rows; /* of the old store */
    struct lsmkv_buf key, value;
};

static enum lsmkv_status write_row(struct migration *migration, struct lsmkv_session *session,
                                   const struct entry *entry, struct lsmkv_error *err)
{
    enum lsmkv_status status;
    bool taken = false;

    buf_clear(&migration->key);
    buf_clear(&migration->value);
    status = migration->row(migration->row_context, entry->key, legacy_value(entry), &migration->key, &migration->value,
                            err);
    if (!status)
        status = lsmkv_get(session, slice_of_buf(&migration->key), NULL, &taken, err);
    if (!status && taken)
        status = lsmkv_fail(err, LSMKV_INVALID, "%s: two rows of the old store have one key in the new table",
                            migration->dir);
    if (!status)
        status = lsmkv_put(session, slice_of_buf(&migration->key), slice_of_buf(&migration->value), err);
    return status;
}

/* Transactions stay small; that there are several does not show, since the store is not there before its end. */
static enum lsmkv_status write_rows(struct migration *migration, struct lsmkv_session *session, struct iter *it,
                                    uint64_t batch_size, struct lsmkv_error *err)
{
    enum lsmkv_status status;
    uint64_t size = 0;

    for (status = iter_first(it, err); !status && iter_valid(it); status = iter_next(it, err)) {
        const struct entry *entry = iter_entry(it);

        if (legacy_deleted(entry))
            continue;
        status = write_row(migration, session, entry, err);
        size += migration->key.size + migration->value.size;
        if (!status && size >= batch_size) {
            size = 0;
            status = lsmkv_session_commit(session, -1, err);
            if (!status)
                status = lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, -1, err);
        }
        if (status)
            break;
    }
    return status;
}

static enum lsmkv_status fill_store(struct migration *migration, struct lsmkv_store *store, struct lsmkv_error *err)
{
    uint64_t limit = lsmkv_store_options(store)->transaction_size / 4;
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    struct lsmkv_session *session = NULL;
    struct iter *it = NULL;
    enum lsmkv_status status;

    status = lsmkv_session_open(&session, store, err);
    if (!status)
        status = memtable_iter_new(&it, migration->rows, SEQUENCE_MAX, err);
    if (!status)
        status = lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, -1, err);
    if (!status)
        status = lsmkv_catalog_create(session, migration->table, migration->definition, 1, &entry, err);
    if (!status)
        status = write_rows(migration, session, it, limit < BATCH_SIZE ? limit : BATCH_SIZE, err);
    if (!status)
        status = lsmkv_session_commit(session, -1, err);
    iter_free(it);
    lsmkv_session_close(session);
    if (!status)
        status = lsmkv_flush(store, err);
    return status;
}

static enum lsmkv_status build_store(struct migration *migration, const char *path, struct lsmkv_error *err)
{
    struct lsmkv_open how = *migration->how;
    struct lsmkv_store *store = NULL;
    enum lsmkv_status status, closed;

    how.mode = LSMKV_OPEN_CREATE;
    how.in_memory = false;
    how.expected_id = NULL;
    how.fs = migration->fs;
    /* Made here, because the store's own directory is to be as the old one: its files follow. */
    status = os_fs_make_subdir(migration->fs, path, err);
    if (!status)
        status = lsmkv_store_open(&store, path, &how, err);
    if (status)
        return status;
    status = fill_store(migration, store, err);
    closed = lsmkv_store_close(store, status ? NULL : err);
    return status ? status : closed;
}

/* ---- Moving it up ---- */

static enum lsmkv_status move(struct os_fs *fs, const char *from_dir, const char *to_dir, const char *name,
                              struct lsmkv_error *err)
{
    char *from = os_path(from_dir, "%s", name), *to = os_path(to_dir, "%s", name);
    enum lsmkv_status status = from && to ? os_fs_rename(fs, from, to, err) : lsmkv_fail_nomem(err);

    lsm_free(from);
    lsm_free(to);
    return status;
}

static enum lsmkv_status move_up(struct os_fs *fs, const char *dir, const char *migrating, struct lsmkv_error *err)
{
    char *aside = os_path(dir, NAME_ASIDE);
    enum lsmkv_status status = aside ? os_fs_make_subdir(fs, aside, err) : lsmkv_fail_nomem(err);

    if (!status)
        status = move(fs, migrating, dir, NAME_MANIFEST_DIR, err);
    if (!status)
        status = move(fs, migrating, dir, NAME_SEGMENT_DIR, err);
    if (!status)
        status = move(fs, migrating, dir, NAME_TABLE_DIR, err);
    if (!status)
        status = os_fs_sync_dir(fs, dir, err);
    if (!status)
        status = os_fs_sync_dir(fs, migrating, err);
    lsm_free(aside);
    return status;
}

static enum lsmkv_status commit(struct os_fs *fs, const char *dir, const char *migrating, struct lsmkv_error *err)
{
    enum lsmkv_status status = move(fs, migrating, dir, NAME_GLOBAL, err);

    if (!status)
        status = os_fs_sync_dir(fs, dir, err);
    return status;
}

/* ---- The old files ---- */

/* A name that is taken there already stays where it is. */
static enum lsmkv_status move_aside(struct os_fs *fs, const char *dir, const char *name, struct lsmkv_error *err)
{
    char *aside = os_path(dir, NAME_ASIDE);
    bool absent = false;
    enum lsmkv_status status = aside ? LSMKV_OK : lsmkv_fail_nomem(err);

    if (!status)
        status = has_kind(fs, aside, name, OS_ABSENT, &absent, err);
    if (!status && absent)
        status = move(fs, dir, aside, name, err);
    lsm_free(aside);
    return status;
}

enum lsmkv_status legacy_finish(struct os_fs *fs, const char *dir, struct lsmkv_error *err)
{
    struct lsmkv_buf names = LSMKV_BUF_INIT;
    char *aside = os_path(dir, NAME_ASIDE);
    bool migrated = false, moved = false;
    enum os_kind kind;
    enum lsmkv_status status;

    /* Only a migration makes this directory, before its commit. */
    status = aside ? has_kind(fs, dir, NAME_ASIDE, OS_DIRECTORY, &migrated, err) : lsmkv_fail_nomem(err);
    if (status || !migrated)
        goto done;
    status = list_names(fs, dir, &names, &kind, err);
    for (size_t at = 0; !status && at < names.size; at += strlen((char *)names.data + at) + 1) {
        const char *name = (const char *)names.data + at;

        if (is_old_name(name))
            status = move_aside(fs, dir, name, err);
        else if (strcmp(name, NAME_MIGRATING) == 0)
            status = remove_leftovers(fs, dir, false, err);
        else
            continue;
        moved = true;
    }
    if (!status && moved)
        status = os_fs_sync_dir(fs, aside, err);
    if (!status && moved)
        status = os_fs_sync_dir(fs, dir, err);

done:
    lsmkv_buf_release(&names);
    lsm_free(aside);
    return status;
}

/* ---- All of it ---- */

/* The caller holds the lock; `dir` holds an old store and none of ours. */
static enum lsmkv_status migrate(struct migration *migration, struct lsmkv_error *err)
{
    struct os_fs *fs = migration->fs;
    const char *dir = migration->dir;
    char *migrating = os_path(dir, NAME_MIGRATING);
    enum lsmkv_status status;

    if (!migrating)
        return lsmkv_fail_nomem(err);
    status = legacy_load(&migration->rows, fs, dir, err);
    if (!status)
        status = remove_leftovers(fs, dir, true, err);
    if (!status)
        status = build_store(migration, migrating, err);
    if (!status)
        status = move_up(fs, dir, migrating, err);
    if (status)
        (void)!remove_leftovers(fs, dir, true, NULL); /* the next migration would do it too */
    if (!status)
        status = commit(fs, dir, migrating, err);
    if (!status)
        status = legacy_finish(fs, dir, err);
    lsm_free(migrating);
    return status;
}

enum lsmkv_status lsmkv_legacy_migrate(const char *dir, const struct lsmkv_open *how, const char *table,
                                       struct lsmkv_slice definition, lsmkv_legacy_row *row, void *context,
                                       struct lsmkv_error *err)
{
    struct migration migration = {
        .fs = how->fs ? how->fs : os_posix_fs(),
        .dir = dir,
        .how = how,
        .table = table,
        .definition = definition,
        .row = row,
        .row_context = context,
    };
    char *path = os_path(dir, NAME_LOCK);
    struct os_lock *lock = NULL;
    bool legacy = false;
    enum lsmkv_status status;

    status = path ? os_fs_lock(migration.fs, path, &lock, err) : lsmkv_fail_nomem(err);
    if (!status)
        status = lsmkv_legacy_detect(dir, migration.fs, &legacy, err);
    if (!status && !legacy)
        status = lsmkv_fail(err, LSMKV_CANTOPEN, "%s: holds no store of lsm-kv-store to migrate", dir);
    if (!status)
        status = migrate(&migration, err);
    if (lock)
        os_fs_unlock(migration.fs, lock);
    memtable_unref(migration.rows);
    lsmkv_buf_release(&migration.key);
    lsmkv_buf_release(&migration.value);
    lsm_free(path);
    return status;
}
