/*
 * estimate.c - how much a key range holds, from manifests and the ends of memtables.
 *
 * A table or memtable whose range lies inside counts whole, one that only meets it counts half.
 */
#include "store/store.h"

struct estimate {
    struct lsmkv_slice lower, upper;
    uint64_t entries, bytes;
};

/* 2 = [first, last] lies inside the range, 1 = it meets it, 0 = it does not. */
static unsigned overlap(const struct estimate *estimate, struct lsmkv_slice first, struct lsmkv_slice last)
{
    bool after_lower = !estimate->lower.data || slice_compare(first, estimate->lower) >= 0;
    bool before_upper = !estimate->upper.data || slice_compare(last, estimate->upper) < 0;

    if (estimate->lower.data && slice_compare(last, estimate->lower) < 0)
        return 0;
    if (estimate->upper.data && slice_compare(first, estimate->upper) >= 0)
        return 0;
    return after_lower && before_upper ? 2 : 1;
}

static void add(struct estimate *estimate, unsigned halves, uint64_t entries, uint64_t bytes)
{
    estimate->entries += entries * halves / 2;
    estimate->bytes += bytes * halves / 2;
}

static void add_version(struct estimate *estimate, const struct version *version)
{
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        for (size_t i = 0; i < version->levels[level].count; i++) {
            const struct sstable_info *info = table_info(version->levels[level].tables[i]);
            unsigned halves = overlap(estimate, slice_of_buf(&info->key_min), slice_of_buf(&info->key_max));

            /* A tombstone hides about one older entry. */
            add(estimate, halves, info->entries > 2 * info->tombstones ? info->entries - 2 * info->tombstones : 0,
                info->size);
        }
    }
}

/* The first and the last key are two descents; memory that runs out makes the estimate smaller. */
static void add_memtable(struct estimate *estimate, struct memtable *memtable)
{
    struct iter *it = NULL;
    struct lsmkv_slice first, last;

    if (!memtable_entries(memtable) || memtable_iter_new(&it, memtable, SEQUENCE_MAX, NULL))
        return;
    if (iter_first(it, NULL) || !iter_valid(it))
        goto done;
    first = iter_entry(it)->key; /* borrowed from the memtable */
    if (iter_last(it, NULL) || !iter_valid(it))
        goto done;
    last = iter_entry(it)->key;
    add(estimate, overlap(estimate, first, last), memtable_entries(memtable), memtable_bytes(memtable));

done:
    iter_free(it);
}

void lsmkv_estimate(struct lsmkv_store *store, struct lsmkv_slice lower, struct lsmkv_slice upper, uint64_t *entries,
                    uint64_t *bytes)
{
    struct estimate estimate = {lower, upper, 0, 0};
    struct super_version *super_version;

    if (!store_check_process(store, NULL)) {
        super_version = version_set_current(store->versions);
        add_version(&estimate, super_version->version);
        add_memtable(&estimate, super_version->active);
        for (size_t i = 0; i < super_version->immutable_count; i++)
            add_memtable(&estimate, super_version->immutables[i]);
        super_version_unref(super_version);
    }
    *entries = estimate.entries;
    *bytes = estimate.bytes;
}
