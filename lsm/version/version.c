/*
 * version.c - building a version from another and an edit, and point reads through its levels.
 */
#include "version/version.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"

static struct lsmkv_slice min_of(const struct table *table)
{
    return slice_of_buf(&table_info(table)->key_min);
}

static struct lsmkv_slice max_of(const struct table *table)
{
    return slice_of_buf(&table_info(table)->key_max);
}

/* Rule (1). The parts of one flushed memtable may share a sequence; their keys do not meet, so any fixed order will do. */
static int compare_newest_first(const void *a, const void *b)
{
    const struct sstable_info *left = table_info(*(struct table *const *)a);
    const struct sstable_info *right = table_info(*(struct table *const *)b);

    if (left->sequence_max != right->sequence_max)
        return left->sequence_max > right->sequence_max ? -1 : 1;
    return left->number > right->number ? -1 : left->number < right->number;
}

/* Rule (2). */
static int compare_by_key(const void *a, const void *b)
{
    return slice_compare(min_of(*(struct table *const *)a), min_of(*(struct table *const *)b));
}

static bool is_removed(const struct version_edit *edit, const struct table *table)
{
    for (size_t i = 0; i < edit->removed_count; i++) {
        if (edit->removed[i] == table)
            return true;
    }
    return false;
}

static size_t added_to(const struct version_edit *edit, unsigned level)
{
    size_t count = 0;

    for (size_t i = 0; i < edit->added_count; i++)
        count += edit->added[i].level == level;
    return count;
}

static void add_table(struct version_level *to, struct table *table)
{
    table_ref(table);
    to->tables[to->count++] = table;
    to->bytes += table_info(table)->size;
}

/* One level: the tables of `base` that stay, then what comes, put in order. *removed counts those that left. */
static enum lsmkv_status build_level(struct version_level *to, const struct version_level *base,
                                     const struct version_edit *edit, unsigned level, size_t *removed,
                                     struct lsmkv_error *err)
{
    size_t base_count = base ? base->count : 0;
    size_t added = added_to(edit, level);

    if (base_count + added == 0)
        return LSMKV_OK;
    to->tables = (struct table **)lsm_calloc(base_count + added, sizeof(struct table *));
    if (!to->tables)
        return lsmkv_fail_nomem(err);
    for (size_t i = 0; i < base_count; i++) {
        if (edit->removed_count > 0 && is_removed(edit, base->tables[i]))
            (*removed)++;
        else
            add_table(to, base->tables[i]);
    }
    for (size_t i = 0; i < edit->added_count; i++) {
        if (edit->added[i].level == level)
            add_table(to, edit->added[i].table);
    }
    if (added > 0)
        qsort(to->tables, to->count, sizeof(struct table *), level == 0 ? compare_newest_first : compare_by_key);
    return LSMKV_OK;
}

/* Rule (2) after an edit; a compaction that broke it has a bug, and must not get as far as the manifest. */
static bool overlaps_itself(const struct version_level *level)
{
    for (size_t i = 1; i < level->count; i++) {
        if (slice_compare(max_of(level->tables[i - 1]), min_of(level->tables[i])) >= 0)
            return true;
    }
    return false;
}

enum lsmkv_status version_new(struct version **version, const struct version *base, const struct version_edit *edit,
                              struct lsmkv_error *err)
{
    static const struct version_edit nothing = {NULL, 0, NULL, 0};
    struct version *made = (struct version *)lsm_calloc(1, sizeof(*made));
    size_t removed = 0;
    enum lsmkv_status status = LSMKV_OK;

    *version = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    atomic_init(&made->refs, 1);
    if (!edit)
        edit = &nothing;
    for (size_t i = 0; i < edit->added_count; i++)
        assert(edit->added[i].level < LSMKV_LEVELS);
    for (unsigned level = 0; !status && level < LSMKV_LEVELS; level++) {
        status = build_level(&made->levels[level], base ? &base->levels[level] : NULL, edit, level, &removed, err);
        if (!status && level > 0 && overlaps_itself(&made->levels[level]))
            status = lsmkv_fail(err, LSMKV_INVALID, "tables of level %u would overlap", level);
    }
    if (!status && removed != edit->removed_count)
        status = lsmkv_fail(err, LSMKV_INVALID, "a table that should leave is not in the version");
    if (status) {
        version_unref(made);
        return status;
    }
    *version = made;
    return LSMKV_OK;
}

void version_ref(struct version *version)
{
    atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
}

void version_unref(struct version *version)
{
    /* acq_rel: what other holders did happens before the last one frees. */
    if (!version || atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        for (size_t i = 0; i < version->levels[level].count; i++)
            table_unref(version->levels[level].tables[i]);
        lsm_free(version->levels[level].tables);
    }
    lsm_free(version);
}

size_t level_find(const struct version_level *level, struct lsmkv_slice key)
{
    size_t low = 0;
    size_t high = level->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(max_of(level->tables[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum lsmkv_status version_get(const struct version *version, struct lsmkv_slice key, struct lsmkv_buf *value,
                              enum entry_kind *kind, bool *found, struct lsmkv_error *err)
{
    const struct version_level *level = &version->levels[0];
    enum lsmkv_status status = LSMKV_OK;

    *found = false;
    for (size_t i = 0; !status && !*found && i < level->count; i++)
        status = table_get(level->tables[i], key, value, kind, found, err);
    for (unsigned n = 1; !status && !*found && n < LSMKV_LEVELS; n++) {
        size_t i;

        level = &version->levels[n];
        i = level_find(level, key);
        if (i < level->count && slice_compare(min_of(level->tables[i]), key) <= 0)
            status = table_get(level->tables[i], key, value, kind, found, err);
    }
    return status;
}

static bool level_may_hold(const struct version_level *level, unsigned number, struct lsmkv_slice key)
{
    size_t i = number == 0 ? 0 : level_find(level, key);
    size_t end = number == 0 || i == level->count ? level->count : i + 1;

    for (; i < end; i++) {
        if (slice_compare(min_of(level->tables[i]), key) <= 0 && slice_compare(key, max_of(level->tables[i])) <= 0)
            return true;
    }
    return false;
}

bool version_may_hold_below(const struct version *version, unsigned level, struct lsmkv_slice key)
{
    for (unsigned n = level; n < LSMKV_LEVELS; n++) {
        if (level_may_hold(&version->levels[n], n, key))
            return true;
    }
    return false;
}
