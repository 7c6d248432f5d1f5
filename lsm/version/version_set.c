/*
 * version_set.c - life of a version set, the current super-version, rotation and poison.
 */
#include "version/version_set.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/names.h"
#include "version/set.h"

/* The tables of a manifest as an edit of nothing. Table references are the caller's: edit_release(). */
static void edit_release(struct version_edit *edit)
{
    for (size_t i = 0; i < edit->added_count; i++)
        table_unref(edit->added[i].table);
    lsm_free(edit->added);
}

static enum lsmkv_status edit_of_manifest(struct version_edit *edit, const struct manifest *manifest,
                                          struct table_cache *cache, struct lsmkv_error *err)
{
    size_t count = 0;
    enum lsmkv_status status = LSMKV_OK;

    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        count += manifest->levels[level].count;
    if (count == 0)
        return LSMKV_OK;
    edit->added = lsm_calloc(count, sizeof(*edit->added));
    if (!edit->added)
        return lsmkv_fail_nomem(err);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        for (size_t i = 0; !status && i < manifest->levels[level].count; i++) {
            edit->added[edit->added_count].level = level;
            status = table_new(&edit->added[edit->added_count].table, cache, &manifest->levels[level].tables[i], err);
            if (!status)
                edit->added_count++;
        }
    }
    return status;
}

/* The first super-version: the tables of the manifest, no memtables. */
static enum lsmkv_status first_super_version(struct super_version **made, const struct manifest *manifest,
                                             struct table_cache *cache, struct lsmkv_error *err)
{
    struct version_edit edit = {NULL, 0, NULL, 0};
    struct version *version = NULL;
    enum lsmkv_status status;

    status = edit_of_manifest(&edit, manifest, cache, err);
    if (!status)
        status = version_new(&version, NULL, &edit, err);
    if (!status)
        status = super_version_new(made, NULL, NULL, 0, version, err);
    version_unref(version);
    edit_release(&edit);
    return status;
}

enum lsmkv_status version_set_new(struct version_set **set, struct os_fs *fs, const char *dir,
                                  const struct manifest *manifest, struct table_cache *cache, struct counters *counters,
                                  struct lsmkv_error *err)
{
    struct version_set *made = (struct version_set *)lsm_calloc(1, sizeof(*made));
    struct super_version *current = NULL;
    uint64_t highest = 0;
    enum lsmkv_status status;

    *set = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    manifest_init(&made->manifest);
    mutex_init(&made->manifest_lock, "manifest", RANK_MANIFEST);
    mutex_init(&made->lock, "super-version", RANK_SUPER_VERSION);
    history_init(&made->history, manifest->options.history_size);
    made->fs = fs;
    made->cache = cache;
    made->counters = counters;
    atomic_init(&made->keep_segment, UINT64_MAX);
    made->dir = lsm_strdup(dir);
    made->table_dir = os_path(dir, NAME_TABLE_DIR);
    status = made->dir && made->table_dir ? LSMKV_OK : lsmkv_fail_nomem(err);
    if (!status)
        status = manifest_copy(&made->manifest, manifest, err);
    if (!status)
        status = manifest_highest_file(fs, dir, &highest, err);
    if (!status)
        status = first_super_version(&current, manifest, cache, err);
    if (status) {
        version_set_free(made);
        return status;
    }
    atomic_init(&made->next_file, manifest->next_file > highest ? manifest->next_file : highest + 1);
    atomic_init(&made->current, current);
    table_cache_on_drop(cache, set_drop_table, made);
    *set = made;
    return LSMKV_OK;
}

void version_set_history_limit(struct version_set *set, uint64_t bytes)
{
    history_set_limit(&set->history, bytes);
}

void version_set_free(struct version_set *set)
{
    struct obsolete *ready;

    if (!set)
        return;
    assert(!set->slots);
    super_version_unref(atomic_load_explicit(&set->current, memory_order_acquire));
    for (ready = set->ready; ready; ready = ready->next)
        table_free(ready->table); /* the next open removes their files */
    obsolete_free(set->ready);
    obsolete_free(set->awaited);
    manifest_release(&set->manifest);
    mutex_release(&set->manifest_lock);
    mutex_release(&set->lock);
    history_release(&set->history);
    lsm_free(set->table_dir);
    lsm_free(set->dir);
    lsm_free(set);
}

struct super_version *version_set_current(struct version_set *set)
{
    struct super_version *current;

    /* Under the lock, so that it is not freed between the load and the reference. */
    mutex_lock(&set->lock);
    current = atomic_load_explicit(&set->current, memory_order_relaxed);
    super_version_ref(current);
    mutex_unlock(&set->lock);
    return current;
}

bool version_set_is_current(const struct version_set *set, const struct super_version *super_version)
{
    /* Acquire is more than needed: a reader's load of the visible sequence orders this one after the writer's swap. */
    return atomic_load_explicit(&set->current, memory_order_acquire) == super_version;
}

void set_install(struct version_set *set, struct super_version *made, struct install *install)
{
    mutex_assert_held(&set->lock);
    install->former = atomic_load_explicit(&set->current, memory_order_relaxed);
    atomic_store_explicit(&set->current, made, memory_order_release);
    install->refs = 1 + slots_sweep(set->slots, install->former);
    install->installed = set->installed;
    install->context = set->installed_context;
}

void install_finish(struct install *install)
{
    super_version_unref_many(install->former, install->refs);
    if (install->installed)
        install->installed(install->context);
}

/* Builds the super-version that follows `current` when `active` comes in; room for it in the pending one too. */
static enum lsmkv_status rotated_super_version(struct version_set *set, struct memtable *active,
                                               struct super_version **made, struct lsmkv_error *err)
{
    const struct super_version *current = atomic_load_explicit(&set->current, memory_order_relaxed);
    size_t count = current->immutable_count + (current->active ? 1 : 0);

    if (set->pending && !super_version_reserve(set->pending, count))
        return lsmkv_fail_nomem(err);
    *made = super_version_empty(count);
    if (!*made)
        return lsmkv_fail_nomem(err);
    super_version_fill(*made, active, current->active, current->immutables, current->immutable_count, current->version);
    return LSMKV_OK;
}

enum lsmkv_status version_set_rotate(struct version_set *set, struct memtable *active, struct lsmkv_error *err)
{
    struct super_version *made = NULL;
    struct install install;
    enum lsmkv_status status;

    mutex_lock(&set->lock);
    status = rotated_super_version(set, active, &made, err);
    if (status) {
        mutex_unlock(&set->lock);
        return status;
    }
    history_append(&set->history, active);
    set_install(set, made, &install);
    mutex_unlock(&set->lock);
    if (install.former->active)
        counter_add(set->counters, memtable_rotations, 1);
    install_finish(&install);
    return LSMKV_OK;
}

uint64_t version_set_new_file(struct version_set *set)
{
    return atomic_fetch_add_explicit(&set->next_file, 1, memory_order_relaxed);
}

void version_set_keep_segment(struct version_set *set, uint64_t segment)
{
    atomic_store_explicit(&set->keep_segment, segment, memory_order_release);
}

void version_set_on_install(struct version_set *set, void (*installed)(void *context), void *context)
{
    mutex_lock(&set->lock);
    set->installed = installed;
    set->installed_context = context;
    mutex_unlock(&set->lock);
}

void version_set_poison(struct version_set *set, const struct lsmkv_error *why)
{
    mutex_lock(&set->lock);
    if (!atomic_load_explicit(&set->poisoned, memory_order_relaxed)) {
        set->why = *why;
        atomic_store_explicit(&set->poisoned, true, memory_order_release);
    }
    mutex_unlock(&set->lock);
}

bool version_set_poisoned(const struct version_set *set, struct lsmkv_error *why)
{
    if (!atomic_load_explicit(&set->poisoned, memory_order_acquire))
        return false;
    if (why)
        *why = set->why;
    return true;
}

enum lsmkv_status set_check(const struct version_set *set, struct lsmkv_error *err)
{
    if (!atomic_load_explicit(&set->poisoned, memory_order_acquire))
        return LSMKV_OK;
    return lsmkv_fail(err, LSMKV_READONLY, "the store is read-only until it is reopened: %.900s", set->why.message);
}

void version_set_locks(struct version_set *set, void (*visit)(void *context, const struct mutex *mutex), void *context)
{
    visit(context, &set->manifest_lock);
    visit(context, &set->lock);
    visit(context, &set->history.lock);
}

struct history *version_set_history(struct version_set *set)
{
    return &set->history;
}
