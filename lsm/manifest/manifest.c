/*
 * manifest.c - the manifest in memory, and its load from a directory.
 */
#include "manifest/manifest.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/format.h"
#include "manifest/names.h"

void manifest_init(struct manifest *manifest)
{
    memset(manifest, 0, sizeof(*manifest));
    lsmkv_options_init(&manifest->options);
}

static void release_tables(struct sstable_info *tables, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sstable_info_release(&tables[i]);
    lsm_free(tables);
}

void manifest_release(struct manifest *manifest)
{
    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        release_tables(manifest->levels[level].tables, manifest->levels[level].count);
    manifest_init(manifest);
}

enum lsmkv_status manifest_set_level(struct manifest *manifest, unsigned level,
                                     const struct sstable_info *const *tables, size_t count, struct lsmkv_error *err)
{
    struct manifest_level *to = &manifest->levels[level];
    struct sstable_info *copies = NULL;

    if (count > 0) {
        copies = (struct sstable_info *)lsm_calloc(count, sizeof(*copies));
        if (!copies)
            return lsmkv_fail_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        enum lsmkv_status status = sstable_info_copy(&copies[i], tables[i], err);

        if (status) {
            release_tables(copies, count);
            return status;
        }
    }
    release_tables(to->tables, to->count);
    to->tables = copies;
    to->count = count;
    return LSMKV_OK;
}

/* manifest_set_level() from an array of tables in place of one of pointers. */
static enum lsmkv_status copy_level(struct manifest *to, const struct manifest *from, unsigned level,
                                    struct lsmkv_error *err)
{
    const struct manifest_level *source = &from->levels[level];
    const struct sstable_info **pointers;
    enum lsmkv_status status;

    pointers = (const struct sstable_info **)lsm_calloc(source->count, sizeof(*pointers));
    if (!pointers)
        return lsmkv_fail_nomem(err);
    for (size_t i = 0; i < source->count; i++)
        pointers[i] = &source->tables[i];
    status = manifest_set_level(to, level, pointers, source->count, err);
    lsm_free(pointers);
    return status;
}

enum lsmkv_status manifest_copy(struct manifest *to, const struct manifest *from, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    *to = *from;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        to->levels[level].tables = NULL;
        to->levels[level].count = 0;
    }
    for (unsigned level = 0; !status && level < LSMKV_LEVELS; level++) {
        if (from->levels[level].count > 0)
            status = copy_level(to, from, level, err);
    }
    if (status)
        manifest_release(to);
    return status;
}

enum lsmkv_status manifest_exists(struct os_fs *fs, const char *dir, bool *exists, struct lsmkv_error *err)
{
    char *path = os_path(dir, NAME_GLOBAL);
    enum os_kind kind = OS_ABSENT;
    enum lsmkv_status status;

    *exists = false;
    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(fs, path, &kind, NULL, err);
    if (!status)
        *exists = kind != OS_ABSENT;
    lsm_free(path);
    return status;
}

/* The whole of one manifest file. */
static enum lsmkv_status read_text(struct os_fs *fs, const char *path, struct lsmkv_buf *text, struct lsmkv_error *err)
{
    struct lsmkv_error why = LSMKV_ERROR_INIT;
    enum lsmkv_status status = os_read_file(fs, path, MANIFEST_BYTES_MAX, text, &why);

    if (status == LSMKV_TOOBIG)
        status = LSMKV_CORRUPT;
    return status ? lsmkv_fail(err, status, "%s", why.message) : LSMKV_OK;
}

static enum lsmkv_status load_global(struct manifest *manifest, struct os_fs *fs, const char *dir,
                                     struct lsmkv_error *err)
{
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    char *path = os_path(dir, NAME_GLOBAL);
    enum os_kind kind;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(fs, path, &kind, NULL, err);
    if (status)
        goto done;
    if (kind == OS_ABSENT) {
        status = lsmkv_fail(err, LSMKV_CANTOPEN, "%s: missing, so %s is not a store", path, dir);
        goto done;
    }
    status = read_text(fs, path, &text, err);
    if (!status)
        status = global_file_get(manifest, slice_of_buf(&text), path, err);

done:
    lsmkv_buf_release(&text);
    lsm_free(path);
    return status;
}

static enum lsmkv_status load_level(struct manifest *manifest, unsigned level, struct os_fs *fs, const char *dir,
                                    struct lsmkv_error *err)
{
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    char *path = level_file_path(dir, level, manifest->levels[level].generation);
    enum os_kind kind;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(fs, path, &kind, NULL, err);
    if (status)
        goto done;
    if (kind == OS_ABSENT) {
        status = lsmkv_fail(err, LSMKV_CORRUPT,
                            "%s: missing, but " NAME_GLOBAL " names it; put it back from a backup of the store", path);
        goto done;
    }
    status = read_text(fs, path, &text, err);
    if (!status)
        status = level_file_get(manifest, level, slice_of_buf(&text), path, err);

done:
    lsmkv_buf_release(&text);
    lsm_free(path);
    return status;
}

/* That the table's file is there with its recorded size. Does not open it. */
static enum lsmkv_status check_table_file(const struct sstable_info *info, struct os_fs *fs, const char *dir,
                                          struct lsmkv_error *err)
{
    char *path = sstable_path(dir, info->number);
    enum os_kind kind;
    uint64_t size;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(fs, path, &kind, &size, err);
    if (status)
        goto done;
    if (kind == OS_ABSENT)
        status = lsmkv_fail(err, LSMKV_CORRUPT,
                            "%s: missing, but the manifest names it; put it back from a backup of the store", path);
    else if (kind != OS_REGULAR)
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: not a regular file", path);
    else if (size != info->size)
        status = lsmkv_fail(err, LSMKV_CORRUPT,
                            "%s: %" PRIu64 " bytes long, but the manifest says %" PRIu64
                            "; put it back from a backup of the store",
                            path, size, info->size);

done:
    lsm_free(path);
    return status;
}

static enum lsmkv_status check_table_files(const struct manifest *manifest, struct os_fs *fs, const char *dir,
                                           struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        for (size_t i = 0; !status && i < manifest->levels[level].count; i++)
            status = check_table_file(&manifest->levels[level].tables[i], fs, dir, err);
    }
    return status;
}

enum lsmkv_status manifest_load(struct manifest *manifest, struct os_fs *fs, const char *dir, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    manifest_init(manifest);
    status = load_global(manifest, fs, dir, err);
    for (unsigned level = 0; !status && level < LSMKV_LEVELS; level++) {
        if (manifest->levels[level].generation != 0)
            status = load_level(manifest, level, fs, dir, err);
    }
    if (!status)
        status = manifest_check(manifest, dir, LSMKV_CORRUPT, err);
    if (!status)
        status = check_table_files(manifest, fs, dir, err);
    if (status)
        manifest_release(manifest);
    return status;
}
