/*
 * estimate.c - how much a key range holds, without opening or reading a file.
 *
 * A table of which the range holds a part counts by the positions of the bounds in it: by its block index where it is open,
 * else by the bytes of the keys. Memtables count the nodes of a level of their list.
 */
#include "store/store.h"

struct estimate {
    struct lsmkv_slice lower, upper;
    double entries, bytes;
};

static void add_table(struct estimate *estimate, struct table *table)
{
    const struct sstable_info *info = table_info(table);
    double from = estimate->lower.data ? table_position(table, estimate->lower) : 0;
    double to = estimate->upper.data ? table_position(table, estimate->upper) : 1;
    /* A tombstone hides about one older entry. */
    uint64_t live = info->entries > 2 * info->tombstones ? info->entries - 2 * info->tombstones : 0;

    if (to <= from)
        return;
    estimate->entries += (to - from) * (double)live;
    estimate->bytes += (to - from) * (double)info->size;
}

static void add_version(struct estimate *estimate, const struct version *version)
{
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        for (size_t i = 0; i < version->levels[level].count; i++)
            add_table(estimate, version->levels[level].tables[i]);
    }
}

static void add_memtable(struct estimate *estimate, const struct memtable *memtable)
{
    uint64_t all = memtable_entries(memtable), entries;

    if (!all)
        return;
    entries = memtable_estimate(memtable, estimate->lower, estimate->upper);
    estimate->entries += (double)entries;
    estimate->bytes += (double)memtable_bytes(memtable) * (double)entries / (double)all;
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
    *entries = (uint64_t)(estimate.entries + 0.5);
    *bytes = (uint64_t)estimate.bytes;
}
