/*
 * orphans.c - files of a store that nothing names, and the numbers that are in use.
 *
 * Only names that we would have written ourselves are looked at (names.h); all others stay. Names are collected first and
 * removed after the directory has been read.
 */
#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/format.h"
#include "manifest/names.h"

/* A directory's entries of one kind of name. */
struct found {
    uint64_t *numbers; /* of the file; of level files the generation */
    unsigned *levels;  /* of level files; NULL for others */
    size_t count, capacity;
};

/* Visits one name of a listing. */
struct listing {
    bool (*parse)(const char *name, uint64_t *number); /* NULL: level files */
    struct found *found;
};

static void found_release(struct found *found)
{
    lsm_free(found->numbers);
    lsm_free(found->levels);
}

static bool found_grow(struct found *found)
{
    size_t capacity = found->capacity ? found->capacity * 2 : 64;
    uint64_t *numbers = (uint64_t *)lsm_realloc(found->numbers, capacity * sizeof(*numbers));
    unsigned *levels;

    if (!numbers)
        return false;
    found->numbers = numbers;
    levels = (unsigned *)lsm_realloc(found->levels, capacity * sizeof(*levels));
    if (!levels)
        return false;
    found->levels = levels;
    found->capacity = capacity;
    return true;
}

static enum lsmkv_status visit_name(void *context, const char *name, struct lsmkv_error *err)
{
    const struct listing *listing = (const struct listing *)context;
    struct found *found = listing->found;
    uint64_t number;
    unsigned level = 0;

    if (listing->parse ? !listing->parse(name, &number) : !level_file_name(name, &level, &number))
        return LSMKV_OK;
    if (found->count == found->capacity && !found_grow(found))
        return lsmkv_fail_nomem(err);
    found->numbers[found->count] = number;
    found->levels[found->count++] = level;
    return LSMKV_OK;
}

/* Our files in `dir`/`name`; none if the directory is absent. */
static enum lsmkv_status find_files(struct os_fs *fs, const char *dir, const char *name,
                                    bool (*parse)(const char *, uint64_t *), struct found *found,
                                    struct lsmkv_error *err)
{
    struct listing listing = {parse, found};
    enum os_kind kind;
    char *path = os_path(dir, "%s", name);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(fs, path, &kind, NULL, err);
    if (!status && kind != OS_ABSENT)
        status = os_fs_list(fs, path, visit_name, &listing, err);
    lsm_free(path);
    return status;
}

/* Removes `path`, which is freed here. Goes on after a failure: *status keeps the first one. */
static bool remove_path(struct os_fs *fs, char *path, enum lsmkv_status *status, struct lsmkv_error *err)
{
    enum lsmkv_status removed;

    if (!path) {
        if (!*status)
            *status = lsmkv_fail_nomem(err);
        return false;
    }
    removed = os_fs_remove(fs, path, *status ? NULL : err);
    if (removed && !*status)
        *status = removed;
    lsm_free(path);
    return !removed;
}

static enum lsmkv_status remove_tables(const struct manifest *manifest, struct os_fs *fs, const char *dir,
                                       struct lsmkv_error *err)
{
    struct found found = {0};
    uint64_t *live = NULL;
    size_t live_count = 0;
    enum lsmkv_status status;

    status = manifest_numbers(manifest, &live, &live_count, err);
    if (!status)
        status = find_files(fs, dir, NAME_TABLE_DIR, table_name, &found, err);
    if (status)
        goto done;
    for (size_t i = 0; i < found.count; i++) {
        if (!manifest_has_number(live, live_count, found.numbers[i]))
            (void)remove_path(fs, sstable_path(dir, found.numbers[i]), &status, err);
    }

done:
    found_release(&found);
    lsm_free(live);
    return status;
}

enum lsmkv_status manifest_remove_segments(const struct manifest *manifest, struct os_fs *fs, const char *dir,
                                           uint64_t *removed, struct lsmkv_error *err)
{
    struct found found = {0};
    enum lsmkv_status status = find_files(fs, dir, NAME_SEGMENT_DIR, segment_name, &found, err);

    for (size_t i = 0; i < found.count; i++) {
        if (found.numbers[i] < manifest->first_segment)
            *removed += remove_path(fs, segment_path(dir, found.numbers[i]), &status, err);
    }
    found_release(&found);
    return status;
}

enum lsmkv_status manifest_remove_level_files(const struct manifest *manifest, uint64_t generation_max,
                                              struct os_fs *fs, const char *dir, struct lsmkv_error *err)
{
    struct found found = {0};
    enum lsmkv_status status = find_files(fs, dir, NAME_MANIFEST_DIR, NULL, &found, err);

    for (size_t i = 0; i < found.count; i++) {
        uint64_t generation = found.numbers[i];

        if (generation <= generation_max && generation != manifest->levels[found.levels[i]].generation)
            (void)remove_path(fs, level_file_path(dir, found.levels[i], generation), &status, err);
    }
    found_release(&found);
    return status;
}

enum lsmkv_status manifest_remove_orphans(const struct manifest *manifest, struct os_fs *fs, const char *dir,
                                          struct lsmkv_error *err)
{
    uint64_t removed = 0;
    enum lsmkv_status status;

    /*
     * The manifest may have been read from a rename that a dead process never synced: if it were lost with the power
     * after this, the former manifest would name files that are gone.
     */
    status = os_fs_sync_dir(fs, dir, err);
    if (status)
        return status;
    (void)remove_path(fs, os_path(dir, NAME_GLOBAL_NEW), &status, err);
    if (!status)
        status = manifest_remove_level_files(manifest, UINT64_MAX, fs, dir, err);
    if (!status)
        status = remove_tables(manifest, fs, dir, err);
    if (!status)
        status = manifest_remove_segments(manifest, fs, dir, &removed, err);
    return status;
}

enum lsmkv_status manifest_highest_file(struct os_fs *fs, const char *dir, uint64_t *number, struct lsmkv_error *err)
{
    struct found found = {0};
    enum lsmkv_status status;

    *number = 0;
    status = find_files(fs, dir, NAME_TABLE_DIR, table_name, &found, err);
    if (!status)
        status = find_files(fs, dir, NAME_SEGMENT_DIR, segment_name, &found, err);
    for (size_t i = 0; !status && i < found.count; i++) {
        if (found.numbers[i] > *number)
            *number = found.numbers[i];
    }
    found_release(&found);
    return status;
}
