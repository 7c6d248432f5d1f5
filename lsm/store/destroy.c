/*
 * destroy.c - removes a store that nobody uses, and nothing that is not one of its files.
 *
 * All names are looked at first; one that the engine does not write keeps everything. The manifest goes last, so that what
 * a death in between leaves is still known as a store, one with files missing, and not taken for something else.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "manifest/names.h"
#include "os/fs.h"
#include "store/create.h"

struct destruction {
    struct os_fs *fs;
    const char *dir;
    const char *below;      /* the subdirectory that is looked at; NULL for the store's own directory */
    struct lsmkv_buf names; /* of the files in it, each with its NUL */
    bool is_store;          /* something that only a store has was seen */
};

static bool ours(const struct destruction *destruction, const char *name)
{
    const char *below = destruction->below;
    uint64_t number;
    unsigned level;

    if (!below)
        return strcmp(name, NAME_LOCK) == 0 || strcmp(name, NAME_GLOBAL) == 0 || strcmp(name, NAME_GLOBAL_NEW) == 0;
    if (strcmp(below, NAME_MANIFEST_DIR) == 0)
        return level_file_name(name, &level, &number);
    return strcmp(below, NAME_SEGMENT_DIR) == 0 ? segment_name(name, &number) : table_name(name, &number);
}

static bool is_subdir(const char *name)
{
    return strcmp(name, NAME_MANIFEST_DIR) == 0 || strcmp(name, NAME_SEGMENT_DIR) == 0 ||
           strcmp(name, NAME_TABLE_DIR) == 0;
}

static char *path_of(const struct destruction *destruction, const char *name)
{
    if (destruction->below)
        return os_path(destruction->dir, "%s/%s", destruction->below, name);
    return os_path(destruction->dir, "%s", name);
}

static enum lsmkv_status collect(void *context, const char *name, struct lsmkv_error *err)
{
    struct destruction *destruction = context;
    bool subdir = !destruction->below && is_subdir(name);
    enum os_kind kind;
    char *path = path_of(destruction, name);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(destruction->fs, path, &kind, NULL, err);
    if (!status && (subdir ? kind != OS_DIRECTORY : kind != OS_REGULAR || !ours(destruction, name)))
        status = lsmkv_fail(err, LSMKV_CANTOPEN, "%s: not a file of the store, so nothing was removed", path);
    if (!status && !subdir)
        status = buf_append(&destruction->names, name, strlen(name) + 1, err);
    if (strcmp(name, NAME_LOCK) != 0)
        destruction->is_store = true;
    lsm_free(path);
    return status;
}

/* Lists `below` (NULL: the store's own directory); an absent one is empty. */
static enum lsmkv_status look(struct destruction *destruction, const char *below, struct lsmkv_error *err)
{
    enum os_kind kind;
    char *path = below ? os_path(destruction->dir, "%s", below) : lsm_strdup(destruction->dir);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    destruction->below = below;
    buf_clear(&destruction->names);
    status = os_fs_kind(destruction->fs, path, &kind, NULL, err);
    if (!status && kind == OS_DIRECTORY)
        status = os_fs_list(destruction->fs, path, collect, destruction, err);
    lsm_free(path);
    return status;
}

static enum lsmkv_status look_everywhere(struct destruction *destruction, struct lsmkv_error *err)
{
    enum lsmkv_status status = look(destruction, NULL, err);

    if (!status)
        status = look(destruction, NAME_MANIFEST_DIR, err);
    if (!status)
        status = look(destruction, NAME_SEGMENT_DIR, err);
    if (!status)
        status = look(destruction, NAME_TABLE_DIR, err);
    if (!status && !destruction->is_store)
        status = lsmkv_fail(err, LSMKV_CANTOPEN, "%s: holds no lsmkv store", destruction->dir);
    return status;
}

static enum lsmkv_status remove_listed(const struct destruction *destruction, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    for (size_t at = 0; !status && at < destruction->names.size;) {
        const char *name = (const char *)destruction->names.data + at;
        char *path = path_of(destruction, name);

        status = path ? os_fs_remove(destruction->fs, path, err) : lsmkv_fail_nomem(err);
        lsm_free(path);
        at += strlen(name) + 1;
    }
    return status;
}

static enum lsmkv_status remove_subdir(struct destruction *destruction, const char *name, struct lsmkv_error *err)
{
    char *path = os_path(destruction->dir, "%s", name);
    enum os_kind kind = OS_ABSENT;
    enum lsmkv_status status = path ? look(destruction, name, err) : lsmkv_fail_nomem(err);

    if (!status)
        status = remove_listed(destruction, err);
    if (!status)
        status = os_fs_kind(destruction->fs, path, &kind, NULL, err);
    if (!status && kind == OS_DIRECTORY)
        status = os_fs_remove_dir(destruction->fs, path, err);
    lsm_free(path);
    return status;
}

static enum lsmkv_status remove_everything(struct destruction *destruction, struct lsmkv_error *err)
{
    enum lsmkv_status status = remove_subdir(destruction, NAME_TABLE_DIR, err);

    if (!status)
        status = remove_subdir(destruction, NAME_SEGMENT_DIR, err);
    if (!status)
        status = remove_subdir(destruction, NAME_MANIFEST_DIR, err);
    if (!status)
        status = look(destruction, NULL, err);
    if (!status)
        status = remove_listed(destruction, err);
    if (!status)
        status = os_fs_remove_dir(destruction->fs, destruction->dir, err);
    return status;
}

enum lsmkv_status store_remove_files(struct os_fs *fs, const char *dir, struct lsmkv_error *err)
{
    struct destruction destruction = {.fs = fs, .dir = dir, .names = LSMKV_BUF_INIT};
    enum lsmkv_status status = look_everywhere(&destruction, err);

    if (!status)
        status = remove_everything(&destruction, err);
    lsmkv_buf_release(&destruction.names);
    return status;
}
