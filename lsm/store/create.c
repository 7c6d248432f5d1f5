/*
 * create.c - a new store is a directory with a log that holds nothing and a manifest that says that it ended cleanly.
 *
 * Order: directories, the first segment with its header, all synced, then the manifest: its commit is the moment from
 * which a store is there.
 */
#include "store/create.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/names.h"
#include "os/clock.h"
#include "store/store.h"
#include "wal/reader.h"

#define FIRST_SEGMENT 1

/* ---- Inspecting ---- */

struct inspection {
    struct os_fs *fs;
    const char *dir;
};

static enum lsmkv_status refuse(const char *dir, const char *below, const char *name, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: not an lsmkv store: it has no %s, but it holds %s%s", dir, NAME_GLOBAL,
                      below, name);
}

static enum lsmkv_status refuse_any(void *context, const char *name, struct lsmkv_error *err)
{
    const struct inspection *inspection = context;

    return refuse(inspection->dir, "", name, err);
}

static enum lsmkv_status refuse_table(void *context, const char *name, struct lsmkv_error *err)
{
    const struct inspection *inspection = context;

    return refuse(inspection->dir, NAME_TABLE_DIR "/", name, err);
}

static enum lsmkv_status refuse_level(void *context, const char *name, struct lsmkv_error *err)
{
    const struct inspection *inspection = context;

    return refuse(inspection->dir, NAME_MANIFEST_DIR "/", name, err);
}

static enum lsmkv_status refuse_record(void *context, const struct wal_record *record, struct lsmkv_error *err)
{
    const struct inspection *inspection = context;

    (void)record;
    return refuse(inspection->dir, "", "a log with transactions", err);
}

/* Only the first segment, and only without a record. */
static enum lsmkv_status check_segment(void *context, const char *name, struct lsmkv_error *err)
{
    const struct inspection *inspection = context;
    struct wal_segment_end end;
    uint64_t number;

    if (!segment_name(name, &number) || number != FIRST_SEGMENT)
        return refuse(inspection->dir, NAME_SEGMENT_DIR "/", name, err);
    return wal_replay(inspection->fs, inspection->dir, number, 0, refuse_record, context, &end, err);
}

typedef enum lsmkv_status visit_name(void *context, const char *name, struct lsmkv_error *err);

static enum lsmkv_status check_subdir(struct inspection *inspection, const char *name, visit_name *visit,
                                      struct lsmkv_error *err)
{
    enum os_kind kind;
    char *path = os_path(inspection->dir, "%s", name);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(inspection->fs, path, &kind, NULL, err);
    if (!status && kind == OS_DIRECTORY)
        status = os_fs_list(inspection->fs, path, visit, inspection, err);
    else if (!status)
        status = refuse(inspection->dir, "", name, err);
    lsm_free(path);
    return status;
}

/* A name that a creation makes before its manifest commit, with nothing below that matters. */
static enum lsmkv_status check_name(void *context, const char *name, struct lsmkv_error *err)
{
    struct inspection *inspection = context;

    if (strcmp(name, NAME_LOCK) == 0 || strcmp(name, NAME_GLOBAL_NEW) == 0)
        return LSMKV_OK;
    if (strcmp(name, NAME_SEGMENT_DIR) == 0)
        return check_subdir(inspection, name, check_segment, err);
    if (strcmp(name, NAME_TABLE_DIR) == 0)
        return check_subdir(inspection, name, refuse_table, err);
    if (strcmp(name, NAME_MANIFEST_DIR) == 0)
        return check_subdir(inspection, name, refuse_level, err);
    return refuse_any(context, name, err);
}

/* A directory without a manifest. */
static enum lsmkv_status inspect_other(struct inspection *inspection, enum lsmkv_open_mode mode,
                                       struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (mode == LSMKV_OPEN_CREATE)
        return os_fs_list(inspection->fs, inspection->dir, check_name, inspection, err);
    status = os_fs_list(inspection->fs, inspection->dir, refuse_any, inspection, err);
    if (status)
        return status;
    return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: not an lsmkv store: the directory is empty", inspection->dir);
}

enum lsmkv_status store_inspect(struct os_fs *fs, const char *dir, enum lsmkv_open_mode mode, bool *exists,
                                struct lsmkv_error *err)
{
    struct inspection inspection = {fs, dir};
    enum os_kind kind;
    enum lsmkv_status status;

    *exists = false;
    status = os_fs_kind(fs, dir, &kind, NULL, err);
    if (status)
        return status;
    if (kind == OS_ABSENT && mode == LSMKV_OPEN_CREATE)
        return LSMKV_OK;
    if (kind == OS_ABSENT)
        return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: no such directory", dir);
    if (kind != OS_DIRECTORY)
        return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: not a directory", dir);
    status = manifest_exists(fs, dir, exists, err);
    if (!status && !*exists)
        status = inspect_other(&inspection, mode, err);
    return status;
}

/* ---- Making ---- */

/* The directory that holds `path`, in a new string. */
static char *parent_of(const char *path)
{
    char *parent = lsm_alloc(strlen(path) + 2);
    char *slash;
    size_t size;

    if (!parent)
        return NULL;
    memcpy(parent, path, strlen(path) + 1);
    size = strlen(parent);
    while (size > 1 && parent[size - 1] == '/')
        parent[--size] = '\0';
    slash = strrchr(parent, '/');
    if (slash == parent)
        parent[1] = '\0';
    else if (slash)
        *slash = '\0';
    else
        memcpy(parent, ".", 2);
    return parent;
}

enum lsmkv_status store_make_dir(struct os_fs *fs, const char *dir, struct lsmkv_error *err)
{
    char *parent = parent_of(dir);
    enum lsmkv_status status;

    if (!parent)
        return lsmkv_fail_nomem(err);
    status = os_fs_make_dir(fs, dir, err);
    if (!status)
        status = os_fs_sync_dir(fs, parent, err);
    lsm_free(parent);
    return status;
}

static enum lsmkv_status make_subdir(const struct lsmkv_store *store, const char *name, struct lsmkv_error *err)
{
    char *path = os_path(store->dir, "%s", name);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_make_subdir(store->fs, path, err);
    lsm_free(path);
    return status;
}

static enum lsmkv_status make_subdirs(const struct lsmkv_store *store, struct lsmkv_error *err)
{
    enum lsmkv_status status = make_subdir(store, NAME_MANIFEST_DIR, err);

    if (!status)
        status = make_subdir(store, NAME_SEGMENT_DIR, err);
    if (!status)
        status = make_subdir(store, NAME_TABLE_DIR, err);
    if (!status)
        status = os_fs_sync_dir(store->fs, store->dir, err);
    return status;
}

/* The first segment: a header and nothing after it. `length` is what it holds. */
static enum lsmkv_status make_segment(const struct lsmkv_store *store, uint64_t *length, struct lsmkv_error *err)
{
    static const struct log_position nothing = {0, 0};
    struct wal_writer *writer = NULL;
    char *path = segment_path(store->dir, FIRST_SEGMENT);
    char *wal_dir = os_path(store->dir, NAME_SEGMENT_DIR);
    enum lsmkv_status status, closed;

    if (!path || !wal_dir) {
        status = lsmkv_fail_nomem(err);
        goto done;
    }
    status = os_fs_remove(store->fs, path, err); /* of a creation that died */
    if (!status)
        status = wal_writer_create(&writer, store->fs, store->dir, FIRST_SEGMENT, err);
    if (!status)
        status = store_start_segment(store, writer, nothing, true, err);
    if (!status) {
        *length = wal_writer_length(writer);
        status = os_fs_sync_dir(store->fs, wal_dir, err);
    }
    closed = wal_writer_close(writer, status ? NULL : err);
    status = status ? status : closed;

done:
    lsm_free(wal_dir);
    lsm_free(path);
    return status;
}

enum lsmkv_status store_create(struct lsmkv_store *store, const struct lsmkv_options *options, struct lsmkv_error *err)
{
    struct manifest manifest;
    bool unknown;
    enum lsmkv_status status;

    manifest_init(&manifest);
    random_bytes(store->id, sizeof(store->id));
    memcpy(manifest.store_id, store->id, sizeof(manifest.store_id));
    if (options)
        manifest.options = *options;
    else
        lsmkv_options_init(&manifest.options);
    manifest.next_file = FIRST_SEGMENT + 1;
    manifest.first_segment = FIRST_SEGMENT;
    manifest.clean_segment = FIRST_SEGMENT;
    status = make_subdirs(store, err);
    if (!status)
        status = make_segment(store, &manifest.clean_length, err);
    if (!status)
        status = manifest_commit(&manifest, 0, store->fs, store->dir, &unknown, err);
    manifest_release(&manifest);
    return status;
}
