/*
 * obsolete.c - files that the store needs no more: who still reads them, and their removal.
 *
 * A table goes: in the version -> awaited (a committed edit removed it) -> ready (the last reference has gone) -> removed
 * with its file. The nodes are allocated before the commit, so that no step after it can fail for memory. Segments and
 * level files have no readers: once a commit made them needless they are found by listing their directories.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "version/set.h"

static bool is_added(const struct version_edit *edit, const struct table *table)
{
    for (size_t i = 0; i < edit->added_count; i++) {
        if (edit->added[i].table == table)
            return true;
    }
    return false;
}

enum lsmkv_status obsolete_new(struct obsolete **list, const struct version_edit *edit, struct lsmkv_error *err)
{
    *list = NULL;
    for (size_t i = 0; i < edit->removed_count; i++) {
        struct obsolete *node;

        if (is_added(edit, edit->removed[i]))
            continue; /* it only changes its level */
        node = (struct obsolete *)lsm_alloc(sizeof(*node));
        if (!node) {
            obsolete_free(*list);
            *list = NULL;
            return lsmkv_fail_nomem(err);
        }
        node->table = edit->removed[i];
        node->next = *list;
        *list = node;
    }
    return LSMKV_OK;
}

void obsolete_free(struct obsolete *list)
{
    while (list) {
        struct obsolete *next = list->next;

        lsm_free(list);
        list = next;
    }
}

void obsolete_await(struct version_set *set, struct obsolete *list)
{
    mutex_assert_held(&set->lock);
    while (list) {
        struct obsolete *next = list->next;

        table_set_obsolete(list->table);
        list->next = set->awaited;
        set->awaited = list;
        list = next;
    }
}

void set_drop_table(void *context, struct table *table)
{
    struct version_set *set = (struct version_set *)context;

    mutex_lock(&set->lock);
    for (struct obsolete **link = &set->awaited; *link; link = &(*link)->next) {
        struct obsolete *node = *link;

        if (node->table == table) {
            *link = node->next;
            node->next = set->ready;
            set->ready = node;
            break;
        }
    }
    mutex_unlock(&set->lock);
}

bool version_set_has_obsolete(struct version_set *set)
{
    bool any;

    mutex_lock(&set->lock);
    any = (set->ready || set->files_replaced) && !atomic_load_explicit(&set->poisoned, memory_order_acquire);
    mutex_unlock(&set->lock);
    return any;
}

/* Closes one table and removes its file. */
static enum lsmkv_status remove_table(struct version_set *set, struct table *table, struct lsmkv_error *err)
{
    char *path = sstable_path(set->dir, table_info(table)->number);
    enum lsmkv_status status;

    table_free(table);
    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_remove(set->fs, path, err);
    lsm_free(path);
    if (!status)
        counter_add(set->counters, files_deleted, 1);
    return status;
}

/*
 * Level files and segments that the manifest of this moment does not name. Commits may go on meanwhile: their level files
 * have a higher generation, their first_segment is not lower.
 */
static enum lsmkv_status remove_replaced(struct version_set *set, struct lsmkv_error *err)
{
    struct manifest facts; /* numbers only: the tables stay the set's */
    uint64_t removed = 0;
    enum lsmkv_status segments, levels;

    mutex_lock(&set->manifest_lock);
    facts = set->manifest;
    mutex_unlock(&set->manifest_lock);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        facts.levels[level].tables = NULL;
        facts.levels[level].count = 0;
    }
    segments = manifest_remove_segments(&facts, set->fs, set->dir, &removed, err);
    counter_add(set->counters, files_deleted, removed);
    levels = manifest_remove_level_files(&facts, facts.generation, set->fs, set->dir, segments ? NULL : err);
    return segments ? segments : levels;
}

enum lsmkv_status version_set_delete_obsolete(struct version_set *set, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;
    struct obsolete *ready;
    bool replaced;

    if (version_set_poisoned(set, NULL))
        return LSMKV_OK;
    mutex_lock(&set->lock);
    ready = set->ready;
    set->ready = NULL;
    replaced = set->files_replaced;
    set->files_replaced = false;
    mutex_unlock(&set->lock);
    for (const struct obsolete *node = ready; node; node = node->next) {
        enum lsmkv_status removed = remove_table(set, node->table, status ? NULL : err);

        status = status ? status : removed;
    }
    obsolete_free(ready);
    if (replaced) {
        enum lsmkv_status removed = remove_replaced(set, status ? NULL : err);

        status = status ? status : removed;
    }
    return status;
}

enum lsmkv_status version_set_remove_orphans(struct version_set *set, struct lsmkv_error *err)
{
    enum lsmkv_status status = set_check(set, err);

    if (status)
        return status;
    mutex_lock(&set->manifest_lock);
    status = manifest_remove_orphans(&set->manifest, set->fs, set->dir, err);
    mutex_unlock(&set->manifest_lock);
    return status;
}
