/*
 * commit.c - changes of a version set: everything that can fail first, then the manifest, then the swap.
 *
 * Three steps, all under the manifest lock: prepare (the new version, the manifest that describes it, memory for the
 * swap), persist (I/O), install (cannot fail). Rotations may happen at any time between them: the swap is built from the
 * super-version that is current then, and a rotation sees to it that the pending one has room (version_set_rotate).
 */
#include "base/alloc.h"
#include "base/error.h"
#include "version/set.h"

struct change {
    struct super_version *base; /* current when the change began; a reference */
    struct version *version;
    struct manifest next;     /* levels in `changed` are its own, all others the set's */
    uint32_t changed;         /* bit per level */
    struct obsolete *removed; /* nodes for what leaves */
    bool pending;             /* set->pending is ours */
};

static void own_levels_release(struct manifest *manifest, uint32_t changed)
{
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        if (changed >> level & 1)
            (void)manifest_set_level(manifest, level, NULL, 0, NULL); /* frees; nothing to fail */
    }
}

/* `flushed` must be the oldest immutables, oldest first. */
static bool are_oldest(const struct super_version *base, struct memtable *const *flushed, size_t flushed_count)
{
    if (flushed_count > base->immutable_count)
        return false;
    for (size_t i = 0; i < flushed_count; i++) {
        if (base->immutables[base->immutable_count - 1 - i] != flushed[i])
            return false;
    }
    return true;
}

/* The segment from which recovery must replay once the `flushed_count` oldest memtables are in tables. */
static uint64_t first_needed(const struct super_version *base, size_t flushed_count, uint64_t keep, uint64_t present)
{
    size_t left = base->immutable_count - flushed_count;
    uint64_t first = keep;

    if (!base->active && left == 0)
        return present; /* nothing tells where new commits will go */
    if (base->active && memtable_oldest_segment(base->active) < first)
        first = memtable_oldest_segment(base->active);
    for (size_t i = 0; i < left; i++) {
        if (memtable_oldest_segment(base->immutables[i]) < first)
            first = memtable_oldest_segment(base->immutables[i]);
    }
    return first > present ? first : present;
}

static uint32_t changed_levels(const struct version *version, const struct version_edit *edit)
{
    uint32_t changed = 0;

    for (size_t i = 0; i < edit->added_count; i++)
        changed |= 1u << edit->added[i].level;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        const struct version_level *at = &version->levels[level];

        for (size_t i = 0; i < at->count && !(changed >> level & 1); i++) {
            for (size_t k = 0; k < edit->removed_count; k++) {
                if (edit->removed[k] == at->tables[i])
                    changed |= 1u << level;
            }
        }
    }
    return changed;
}

/* The tables of one level of the new version into the new manifest. */
static enum lsmkv_status describe_level(struct change *change, unsigned level, struct lsmkv_error *err)
{
    const struct version_level *from = &change->version->levels[level];
    const struct sstable_info **infos;
    enum lsmkv_status status;

    change->next.levels[level].tables = NULL;
    change->next.levels[level].count = 0;
    change->changed |= 1u << level;
    infos = (const struct sstable_info **)lsm_calloc(from->count ? from->count : 1, sizeof(*infos));
    if (!infos)
        return lsmkv_fail_nomem(err);
    for (size_t i = 0; i < from->count; i++)
        infos[i] = table_info(from->tables[i]);
    status = manifest_set_level(&change->next, level, infos, from->count, err);
    lsm_free(infos);
    return status;
}

/* What every commit says anew. A store that changes is not cleanly closed. */
static void manifest_renew(struct version_set *set, struct manifest *next)
{
    *next = set->manifest;
    next->next_file = atomic_load_explicit(&set->next_file, memory_order_relaxed);
    next->clean_segment = 0;
    next->clean_length = 0;
}

/* Memory for the swap: an unfilled super-version with room for the immutables of now; rotations keep it so. */
static enum lsmkv_status reserve_swap(struct version_set *set, struct change *change, struct lsmkv_error *err)
{
    const struct super_version *current;

    mutex_lock(&set->lock);
    current = atomic_load_explicit(&set->current, memory_order_relaxed);
    set->pending = super_version_empty(current->immutable_count);
    change->pending = set->pending != NULL;
    mutex_unlock(&set->lock);
    return change->pending ? LSMKV_OK : lsmkv_fail_nomem(err);
}

static enum lsmkv_status prepare(struct version_set *set, struct change *change, const struct version_edit *edit,
                                 struct memtable *const *flushed, size_t flushed_count, struct lsmkv_error *err)
{
    /* Before the memtables: who raises it has first noted the segment in a memtable. */
    uint64_t keep = atomic_load_explicit(&set->keep_segment, memory_order_acquire);
    uint32_t changed;
    enum lsmkv_status status;

    change->base = version_set_current(set);
    if (!are_oldest(change->base, flushed, flushed_count))
        return lsmkv_fail(err, LSMKV_MISUSE, "memtables are flushed in another order than they were written");
    status = version_new(&change->version, change->base->version, edit, err);
    if (status)
        return status;
    manifest_renew(set, &change->next);
    change->next.first_segment = first_needed(change->base, flushed_count, keep, set->manifest.first_segment);
    for (size_t i = 0; i < edit->added_count; i++) {
        const struct sstable_info *info = table_info(edit->added[i].table);

        if (info->sequence_max > change->next.last_sequence)
            change->next.last_sequence = info->sequence_max;
    }
    changed = changed_levels(change->base->version, edit);
    for (unsigned level = 0; !status && level < LSMKV_LEVELS; level++) {
        if (changed >> level & 1)
            status = describe_level(change, level, err);
    }
    if (!status)
        status = obsolete_new(&change->removed, edit, err);
    return status ? status : reserve_swap(set, change, err);
}

/*
 * One manifest commit. An unknown outcome poisons the set, and so does any failure of the device: after a failed sync
 * what it will keep is anybody's guess, in every file. A full disk or a lack of memory is found before the rename, and
 * the commit may be tried again.
 */
static enum lsmkv_status commit_manifest(struct version_set *set, struct manifest *next, uint32_t changed,
                                         struct lsmkv_error *err)
{
    struct lsmkv_error why = LSMKV_ERROR_INIT;
    bool unknown;
    enum lsmkv_status status = set_check(set, err);

    if (status)
        return status;
    status = manifest_commit(next, changed, set->fs, set->dir, &unknown, &why);
    if (!status) {
        counter_add(set->counters, manifest_commits, 1);
        return LSMKV_OK;
    }
    if (unknown || status == LSMKV_IO)
        version_set_poison(set, &why);
    return lsmkv_fail(err, status, "%s", why.message);
}

static enum lsmkv_status persist(struct version_set *set, struct change *change, const struct version_edit *edit,
                                 struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    if (edit->added_count > 0)
        status = os_fs_sync_dir(set->fs, set->table_dir, err);
    return status ? status : commit_manifest(set, &change->next, change->changed, err);
}

/* The committed manifest becomes the set's, and the swap. */
static void install_change(struct version_set *set, struct change *change, size_t flushed_count,
                           struct install *install)
{
    bool replaced = change->changed != 0 || change->next.first_segment != set->manifest.first_segment;
    const struct super_version *current;
    struct super_version *made;

    own_levels_release(&set->manifest, change->changed);
    set->manifest = change->next;
    change->changed = 0; /* handed over */

    mutex_lock(&set->lock);
    current = atomic_load_explicit(&set->current, memory_order_relaxed);
    made = set->pending;
    set->pending = NULL;
    change->pending = false;
    super_version_fill(made, current->active, NULL, current->immutables, current->immutable_count - flushed_count,
                       change->version);
    obsolete_await(set, change->removed);
    change->removed = NULL;
    set->files_replaced |= replaced;
    set_install(set, made, install);
    mutex_unlock(&set->lock);
}

/* What is left of a change, done or failed. Not under set->lock: it may let go the last reference of a table. */
static void change_release(struct version_set *set, struct change *change)
{
    struct super_version *unused = NULL;

    if (change->pending) {
        mutex_lock(&set->lock);
        unused = set->pending;
        set->pending = NULL;
        mutex_unlock(&set->lock);
    }
    super_version_unref(unused);
    obsolete_free(change->removed);
    own_levels_release(&change->next, change->changed);
    version_unref(change->version);
    super_version_unref(change->base);
}

enum lsmkv_status version_set_commit(struct version_set *set, const struct version_edit *edit,
                                     struct memtable *const *flushed, size_t flushed_count, struct lsmkv_error *err)
{
    static const struct version_edit nothing = {NULL, 0, NULL, 0};
    struct change change = {0};
    struct install install = {NULL, 0, NULL, NULL};
    enum lsmkv_status status;

    if (!edit)
        edit = &nothing;
    mutex_lock(&set->manifest_lock);
    status = set_check(set, err);
    if (!status)
        status = prepare(set, &change, edit, flushed, flushed_count, err);
    if (!status)
        status = persist(set, &change, edit, err);
    if (!status)
        install_change(set, &change, flushed_count, &install);
    if (status)
        change_release(set, &change); /* it holds set->pending, so before another commit can begin */
    mutex_unlock(&set->manifest_lock);
    if (status)
        return status;
    for (size_t i = 0; i < flushed_count; i++)
        history_flushed(flushed[i]); /* change.base keeps them */
    change_release(set, &change);
    counter_add(set->counters, flushes, flushed_count);
    install_finish(&install);
    history_keep_limit(&set->history); /* now that what nobody reads has gone */
    return LSMKV_OK;
}

/* A commit that changes no tables. */
static enum lsmkv_status commit_facts(struct version_set *set, struct manifest *next, struct lsmkv_error *err)
{
    enum lsmkv_status status = commit_manifest(set, next, 0, err);

    if (!status)
        set->manifest = *next;
    return status;
}

enum lsmkv_status version_set_commit_clean(struct version_set *set, uint64_t segment, uint64_t length,
                                           struct lsmkv_error *err)
{
    struct manifest next;
    enum lsmkv_status status;

    mutex_lock(&set->manifest_lock);
    manifest_renew(set, &next);
    next.clean_segment = segment;
    next.clean_length = length;
    status = commit_facts(set, &next, err);
    mutex_unlock(&set->manifest_lock);
    return status;
}

enum lsmkv_status version_set_commit_options(struct version_set *set, const struct lsmkv_options *options,
                                             struct lsmkv_error *err)
{
    struct manifest next;
    enum lsmkv_status status;

    mutex_lock(&set->manifest_lock);
    manifest_renew(set, &next);
    next.options = *options;
    status = commit_facts(set, &next, err);
    mutex_unlock(&set->manifest_lock);
    return status;
}
