/*
 * commit.c - makes a manifest the durable state of its directory.
 *
 * OPERATION
 *   (1) Each changed level that has tables is written to a file of its own under a new name, and synced.
 *   (2) manifest/ is synced: from here on those names are durable.
 *   (3) global.json.tmp is written and synced.
 *   (4) It is renamed over global.json. This is the commit.
 *   (5) The store's directory is synced: the commit is durable.
 * A death before (4) leaves the former state and files that nothing names. A failure before (4) removes those files. From
 * (4) on a failure leaves it open which state a crash would show, so everything that either state names must stay.
 *
 * A name may be taken by the left-over of a commit that died (the generation it would have had is given out again), so
 * each file is removed before it is made: nothing names it.
 */
#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/format.h"
#include "manifest/names.h"

/* What a commit gives to the levels, kept aside to be taken back on failure. */
struct marks {
    uint64_t generation;
    uint64_t level_generation[LSMKV_LEVELS];
    uint64_t level_checksum[LSMKV_LEVELS];
};

static void marks_save(struct marks *marks, const struct manifest *manifest)
{
    marks->generation = manifest->generation;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        marks->level_generation[level] = manifest->levels[level].generation;
        marks->level_checksum[level] = manifest->levels[level].checksum;
    }
}

static void marks_restore(const struct marks *marks, struct manifest *manifest)
{
    manifest->generation = marks->generation;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        manifest->levels[level].generation = marks->level_generation[level];
        manifest->levels[level].checksum = marks->level_checksum[level];
    }
}

/* A file that nothing names yet: made, written, synced, closed. Removed again if any of that fails. */
static enum lsmkv_status write_file(struct os_fs *fs, const char *path, const struct lsmkv_buf *text,
                                    struct lsmkv_error *err)
{
    struct os_file *file = NULL;
    enum lsmkv_status status;

    if (text->size > MANIFEST_BYTES_MAX)
        return lsmkv_fail(err, LSMKV_TOOBIG, "%s: would be larger than %u bytes", path, MANIFEST_BYTES_MAX);
    status = os_fs_remove(fs, path, err);
    if (status)
        return status;
    status = os_fs_open(fs, path, OS_CREATE_NEW, &file, err);
    if (status)
        return status;
    status = os_write(file, 0, text->data, text->size, err);
    if (!status)
        status = os_sync(file, err);
    if (status) {
        (void)os_close(file, NULL);
    } else {
        status = os_close(file, err);
    }
    if (status)
        (void)os_fs_remove(fs, path, NULL);
    return status;
}

static enum lsmkv_status write_level(struct manifest *manifest, unsigned level, struct os_fs *fs, const char *dir,
                                     struct lsmkv_error *err)
{
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    char *path = level_file_path(dir, level, manifest->levels[level].generation);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = level_file_put(&text, manifest, level, &manifest->levels[level].checksum, err);
    if (!status)
        status = write_file(fs, path, &text, err);
    lsmkv_buf_release(&text);
    lsm_free(path);
    return status;
}

/* Best effort: what stays is garbage that the next open removes. */
static void remove_levels(const struct manifest *manifest, uint32_t written, struct os_fs *fs, const char *dir)
{
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        char *path;

        if (!(written >> level & 1))
            continue;
        path = level_file_path(dir, level, manifest->levels[level].generation);
        if (path)
            (void)os_fs_remove(fs, path, NULL);
        lsm_free(path);
    }
}

/* (1) and (2). `written` gets a bit for each level that has a new file, after a failure too. */
static enum lsmkv_status write_levels(struct manifest *manifest, uint32_t changed, struct os_fs *fs, const char *dir,
                                      uint32_t *written, struct lsmkv_error *err)
{
    char *manifest_dir;
    enum lsmkv_status status = LSMKV_OK;

    for (unsigned level = 0; !status && level < LSMKV_LEVELS; level++) {
        if (!(changed >> level & 1) || manifest->levels[level].count == 0)
            continue;
        status = write_level(manifest, level, fs, dir, err);
        if (!status)
            *written |= 1u << level;
    }
    if (status || *written == 0)
        return status;
    manifest_dir = os_path(dir, NAME_MANIFEST_DIR);
    if (!manifest_dir)
        return lsmkv_fail_nomem(err);
    status = os_fs_sync_dir(fs, manifest_dir, err);
    lsm_free(manifest_dir);
    return status;
}

/* (3) to (5). */
static enum lsmkv_status write_global(const struct manifest *manifest, struct os_fs *fs, const char *dir, bool *unknown,
                                      struct lsmkv_error *err)
{
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    char *new_path = os_path(dir, NAME_GLOBAL_NEW);
    char *path = os_path(dir, NAME_GLOBAL);
    enum lsmkv_status status;

    if (!new_path || !path) {
        status = lsmkv_fail_nomem(err);
        goto done;
    }
    status = global_file_put(&text, manifest, err);
    if (!status)
        status = write_file(fs, new_path, &text, err);
    if (status)
        goto done;
    status = os_fs_rename(fs, new_path, path, err);
    if (!status)
        status = os_fs_sync_dir(fs, dir, err);
    *unknown = status != LSMKV_OK;

done:
    lsmkv_buf_release(&text);
    lsm_free(path);
    lsm_free(new_path);
    return status;
}

enum lsmkv_status manifest_commit(struct manifest *manifest, uint32_t changed, struct os_fs *fs, const char *dir,
                                  bool *unknown, struct lsmkv_error *err)
{
    struct marks marks;
    uint32_t written = 0;
    enum lsmkv_status status;

    *unknown = false;
    marks_save(&marks, manifest);
    manifest->generation++;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        if (changed >> level & 1) {
            manifest->levels[level].generation = manifest->levels[level].count ? manifest->generation : 0;
            manifest->levels[level].checksum = 0;
        }
    }
    status = manifest_check(manifest, dir, LSMKV_INVALID, err);
    if (!status)
        status = write_levels(manifest, changed, fs, dir, &written, err);
    if (!status)
        status = write_global(manifest, fs, dir, unknown, err);
    if (status) {
        if (!*unknown)
            remove_levels(manifest, written, fs, dir);
        marks_restore(&marks, manifest);
    }
    return status;
}
