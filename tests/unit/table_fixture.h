/*
 * table_fixture.h - what tests of tables share: sorted entries as the model, a directory with a cache, checks of a table
 * against the model. All fail the running test on an unexpected outcome.
 */
#ifndef TESTS_UNIT_TABLE_FIXTURE_H
#define TESTS_UNIT_TABLE_FIXTURE_H

#include "support/test.h"

#include "base/buf.h"
#include "base/counters.h"
#include "os/fs.h"
#include "sstable/builder.h"
#include "sstable/table.h"

/* Sorted entries with different keys; key and value bytes are owned. */
struct dataset {
    struct entry *entries;
    size_t count, capacity;
};

void dataset_add(struct dataset *dataset, struct lsmkv_slice key, struct lsmkv_slice value, uint64_t sequence,
                 enum entry_kind kind);
void dataset_sort(struct dataset *dataset); /* and drops duplicate keys */
/* `count` random entries, or a few less: keys with common beginnings, one in seven a tombstone. */
struct dataset dataset_random(size_t count, size_t value_max, uint64_t *random);
void dataset_release(struct dataset *dataset);
/* Index of the first entry with key >= `key`; count if none. */
size_t dataset_find(const struct dataset *dataset, struct lsmkv_slice key);
/* A key that is or is not in the dataset: one of it, or one near. The bytes last until the next call. */
struct lsmkv_slice dataset_probe(const struct dataset *dataset, uint64_t *random);

/* A directory with sst/ in it, and a cache. */
struct world {
    struct os_fs *fs;
    bool in_memory;
    const char *dir;
    struct counters counters;
    struct table_cache *cache;
};

struct world_options {
    bool in_memory;
    enum lsmkv_io io;
    size_t open_max;
    uint64_t cache_size;
};

void world_open(struct world *world, const struct world_options *options);
void world_new_cache(struct world *world, const struct world_options *options); /* instead of the present one */
void world_close(struct world *world);

/* Writes the table `number`. */
struct sstable_info world_build(struct world *world, uint64_t number, const struct sstable_params *params,
                                const struct dataset *dataset);
struct table *world_table(struct world *world, const struct sstable_info *info);

/* The whole file, read and replaced, by its number. */
struct lsmkv_buf world_file(struct world *world, uint64_t number);
void world_replace_file(struct world *world, uint64_t number, struct lsmkv_slice bytes);

bool entry_equal(const struct entry *a, const struct entry *b);
void check_gets(struct table *table, const struct dataset *dataset); /* each key of the dataset is found */
void check_walks(struct table *table, const struct dataset *dataset, bool sequential); /* both ways, whole */

#endif
