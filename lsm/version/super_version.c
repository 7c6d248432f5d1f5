/*
 * super_version.c - the read set: reference counting, point reads newest first, and the iterator over all of it.
 */
#include "version/super_version.h"

#include "base/alloc.h"
#include "base/error.h"
#include "version/merge.h"
#include "version/read_set.h"

struct super_version *super_version_empty(size_t capacity)
{
    struct super_version *made = (struct super_version *)lsm_calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    atomic_init(&made->refs, 1);
    if (!super_version_reserve(made, capacity)) {
        lsm_free(made);
        return NULL;
    }
    return made;
}

bool super_version_reserve(struct super_version *super_version, size_t capacity)
{
    struct memtable **grown;

    if (capacity == 0)
        return true;
    grown = (struct memtable **)lsm_realloc(super_version->immutables, capacity * sizeof(struct memtable *));
    if (!grown)
        return false;
    super_version->immutables = grown;
    return true;
}

static void add_immutable(struct super_version *super_version, struct memtable *memtable)
{
    memtable_ref(memtable);
    super_version->immutables[super_version->immutable_count++] = memtable;
}

void super_version_fill(struct super_version *super_version, struct memtable *active, struct memtable *rotated,
                        struct memtable *const *immutables, size_t immutable_count, struct version *version)
{
    if (active)
        memtable_ref(active);
    super_version->active = active;
    if (rotated)
        add_immutable(super_version, rotated);
    for (size_t i = 0; i < immutable_count; i++)
        add_immutable(super_version, immutables[i]);
    version_ref(version);
    super_version->version = version;
}

enum lsmkv_status super_version_new(struct super_version **super_version, struct memtable *active,
                                    struct memtable *const *immutables, size_t immutable_count, struct version *version,
                                    struct lsmkv_error *err)
{
    *super_version = super_version_empty(immutable_count);
    if (!*super_version)
        return lsmkv_fail_nomem(err);
    super_version_fill(*super_version, active, NULL, immutables, immutable_count, version);
    return LSMKV_OK;
}

void super_version_ref(struct super_version *super_version)
{
    atomic_fetch_add_explicit(&super_version->refs, 1, memory_order_relaxed);
}

void super_version_unref(struct super_version *super_version)
{
    super_version_unref_many(super_version, 1);
}

void super_version_unref_many(struct super_version *super_version, uint64_t refs)
{
    /* acq_rel: what other holders did happens before the last one frees. */
    if (!super_version || refs == 0 ||
        atomic_fetch_sub_explicit(&super_version->refs, refs, memory_order_acq_rel) != refs)
        return;
    memtable_unref(super_version->active);
    for (size_t i = 0; i < super_version->immutable_count; i++)
        memtable_unref(super_version->immutables[i]);
    lsm_free(super_version->immutables);
    version_unref(super_version->version);
    lsm_free(super_version);
}

/* The newest version of `key` in memory. */
static bool get_from_memory(const struct super_version *super_version, struct lsmkv_slice key, uint64_t sequence,
                            struct entry *entry)
{
    if (super_version->active && memtable_get(super_version->active, key, sequence, entry))
        return true;
    for (size_t i = 0; i < super_version->immutable_count; i++) {
        if (memtable_get(super_version->immutables[i], key, sequence, entry))
            return true;
    }
    return false;
}

enum lsmkv_status super_version_get(const struct super_version *super_version, struct lsmkv_slice key,
                                    uint64_t sequence, struct lsmkv_buf *value, bool *found, struct lsmkv_error *err)
{
    struct entry entry;
    enum entry_kind kind = ENTRY_DELETE;
    bool any = false;
    enum lsmkv_status status;

    *found = false;
    if (value)
        buf_clear(value);
    if (get_from_memory(super_version, key, sequence, &entry)) {
        if (entry.kind == ENTRY_DELETE)
            return LSMKV_OK;
        status = value ? buf_set(value, entry.value, err) : LSMKV_OK;
        *found = !status;
        return status;
    }
    status = version_get(super_version->version, key, value, &kind, &any, err);
    *found = !status && any && kind == ENTRY_PUT;
    return status;
}

/* The children of the merge while they are being made. */
struct children {
    struct iter **list;
    size_t count;
};

static size_t children_max(const struct super_version *super_version)
{
    return 2 + super_version->immutable_count + super_version->version->levels[0].count + (LSMKV_LEVELS - 1);
}

static enum lsmkv_status add_memtables(struct children *to, const struct super_version *super_version,
                                       uint64_t sequence, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    if (super_version->active)
        status = memtable_iter_new(&to->list[to->count++], super_version->active, sequence, err);
    for (size_t i = 0; !status && i < super_version->immutable_count; i++)
        status = memtable_iter_new(&to->list[to->count++], super_version->immutables[i], sequence, err);
    return status;
}

static enum lsmkv_status add_level0(struct children *to, const struct version_level *level, struct lsmkv_slice lower,
                                    struct lsmkv_slice upper, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    for (size_t i = 0; !status && i < level->count; i++) {
        if (sstable_info_overlaps(table_info(level->tables[i]), lower, upper))
            status = table_iter_new(&to->list[to->count++], level->tables[i], false, err);
    }
    return status;
}

/* The tables of a sorted level that meet the range are neighbours. */
static enum lsmkv_status add_level(struct children *to, const struct version_level *level, struct lsmkv_slice lower,
                                   struct lsmkv_slice upper, struct lsmkv_error *err)
{
    size_t first = lower.data ? level_find(level, lower) : 0;
    size_t end = level->count;

    if (upper.data) {
        end = level_find(level, upper);
        if (end < level->count && sstable_info_overlaps(table_info(level->tables[end]), lower, upper))
            end++;
    }
    if (first >= end)
        return LSMKV_OK;
    return level_iter_new(&to->list[to->count++], level->tables + first, end - first, false, err);
}

static void release_super_version(void *owner)
{
    super_version_unref((struct super_version *)owner);
}

enum lsmkv_status super_version_iter_new(struct iter **it, struct super_version *super_version, uint64_t sequence,
                                         struct iter *overlay, struct lsmkv_slice lower, struct lsmkv_slice upper,
                                         struct lsmkv_error *err)
{
    const struct version *version = super_version->version;
    struct children children = {NULL, 0};
    enum lsmkv_status status;

    *it = NULL;
    children.list = (struct iter **)lsm_calloc(children_max(super_version), sizeof(struct iter *));
    if (!children.list) {
        iter_free(overlay);
        return lsmkv_fail_nomem(err);
    }
    if (overlay)
        children.list[children.count++] = overlay;
    status = add_memtables(&children, super_version, sequence, err);
    if (!status)
        status = add_level0(&children, &version->levels[0], lower, upper, err);
    for (unsigned level = 1; !status && level < LSMKV_LEVELS; level++)
        status = add_level(&children, &version->levels[level], lower, upper, err);
    if (status) {
        for (size_t i = 0; i < children.count; i++)
            iter_free(children.list[i]);
    } else {
        status = merge_iter_new(it, children.list, children.count, err);
    }
    if (!status) {
        super_version_ref(super_version);
        merge_iter_on_free(*it, release_super_version, super_version);
    }
    lsm_free(children.list);
    return status;
}
