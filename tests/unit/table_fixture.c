/*
 * table_fixture.c - entries, a directory and checks for the tests of tables.
 */
#include "table_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static struct lsmkv_slice copy_of(struct lsmkv_slice bytes)
{
    uint8_t *copy = malloc(bytes.size + 1);

    assert_non_null(copy);
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return slice_of(copy, bytes.size);
}

void dataset_add(struct dataset *dataset, struct lsmkv_slice key, struct lsmkv_slice value, uint64_t sequence,
                 enum entry_kind kind)
{
    struct entry *entry;

    if (dataset->count == dataset->capacity) {
        dataset->capacity = dataset->capacity ? dataset->capacity * 2 : 64;
        dataset->entries = realloc(dataset->entries, dataset->capacity * sizeof(*dataset->entries));
        assert_non_null(dataset->entries);
    }
    entry = &dataset->entries[dataset->count++];
    entry->key = copy_of(key);
    entry->value = copy_of(kind == ENTRY_PUT ? value : slice_of(NULL, 0));
    entry->sequence = sequence;
    entry->kind = kind;
}

static void free_entry(struct entry *entry)
{
    free((void *)(uintptr_t)entry->key.data);
    free((void *)(uintptr_t)entry->value.data);
}

static int compare_entries(const void *a, const void *b)
{
    return slice_compare(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

void dataset_sort(struct dataset *dataset)
{
    size_t kept = 0;

    qsort(dataset->entries, dataset->count, sizeof(*dataset->entries), compare_entries);
    for (size_t i = 0; i < dataset->count; i++) {
        if (kept > 0 && slice_equal(dataset->entries[kept - 1].key, dataset->entries[i].key))
            free_entry(&dataset->entries[i]);
        else
            dataset->entries[kept++] = dataset->entries[i];
    }
    dataset->count = kept;
}

static size_t random_key(char key[64], uint64_t *random)
{
    static const char *const prefixes[] = {"", "a", "aa", "user/", "user/address/", "\xff\xff", "zz"};
    uint64_t number = test_random(random);

    return (size_t)snprintf(key, 64, "%s%0*llx", prefixes[number % 7], (int)(number >> 8 & 7) + 4,
                            (unsigned long long)(number >> 16 & 0xffffff));
}

struct dataset dataset_random(size_t count, size_t value_max, uint64_t *random)
{
    struct dataset dataset = {NULL, 0, 0};
    uint8_t *value = malloc(value_max + 1);

    assert_non_null(value);
    for (size_t i = 0; i < count; i++) {
        char key[64];
        size_t key_size = random_key(key, random);
        size_t size = test_random(random) % (value_max + 1);
        enum entry_kind kind = test_random(random) % 7 == 0 ? ENTRY_DELETE : ENTRY_PUT;

        for (size_t byte = 0; byte < size; byte++)
            value[byte] = (uint8_t) "compressible text "[byte % 18 + (byte & 1)];
        for (size_t byte = 0; byte < size; byte += 16)
            value[byte] = (uint8_t)test_random(random);
        dataset_add(&dataset, slice_of(key, key_size), slice_of(value, size), test_random(random) >> (i % 60), kind);
    }
    free(value);
    dataset_sort(&dataset);
    return dataset;
}

void dataset_release(struct dataset *dataset)
{
    for (size_t i = 0; i < dataset->count; i++)
        free_entry(&dataset->entries[i]);
    free(dataset->entries);
    *dataset = (struct dataset){NULL, 0, 0};
}

size_t dataset_find(const struct dataset *dataset, struct lsmkv_slice key)
{
    size_t low = 0, high = dataset->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (slice_compare(dataset->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct lsmkv_slice dataset_probe(const struct dataset *dataset, uint64_t *random)
{
    static _Thread_local char probe[128];
    struct lsmkv_slice key = dataset->entries[test_random(random) % dataset->count].key;
    size_t size = key.size < 100 ? key.size : 100;

    if (size)
        memcpy(probe, key.data, size);
    switch (test_random(random) % 6) {
    case 0:
        return slice_of(probe, random_key(probe, random));
    case 1:
        probe[size] = '\0';
        return slice_of(probe, size + 1);
    case 2:
        return slice_of(probe, size ? size - 1 : 0);
    case 3:
        if (size)
            probe[size - 1]++;
        return slice_of(probe, size);
    default:
        return slice_of(probe, size);
    }
}

void world_new_cache(struct world *world, const struct world_options *options)
{
    struct lsmkv_error err;

    table_cache_free(world->cache);
    assert_ok(table_cache_new(&world->cache, world->fs, world->dir, options->open_max, options->cache_size, options->io,
                              &world->counters, &err),
              &err);
}

void world_open(struct world *world, const struct world_options *options)
{
    struct lsmkv_error err;
    char *sst;

    memset(world, 0, sizeof(*world));
    world->in_memory = options->in_memory;
    world->fs = options->in_memory ? os_memory_fs_new() : os_posix_fs();
    assert_non_null(world->fs);
    world->dir = options->in_memory ? "store" : test_dir();
    assert_ok(os_fs_make_dir(world->fs, world->dir, &err), &err);
    sst = os_path(world->dir, "sst");
    assert_non_null(sst);
    assert_ok(os_fs_make_dir(world->fs, sst, &err), &err);
    lsm_free(sst);
    world_new_cache(world, options);
}

void world_close(struct world *world)
{
    table_cache_free(world->cache);
    if (world->in_memory)
        os_memory_fs_free(world->fs);
}

struct sstable_info world_build(struct world *world, uint64_t number, const struct sstable_params *params,
                                const struct dataset *dataset)
{
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct sstable_builder *builder;
    struct lsmkv_error err;

    assert_ok(sstable_builder_new(&builder, world->fs, world->dir, number, params, &err), &err);
    for (size_t i = 0; i < dataset->count; i++)
        assert_ok(sstable_builder_add(builder, &dataset->entries[i], &err), &err);
    assert_ok(sstable_builder_finish(builder, &info, &err), &err);
    sstable_builder_free(builder);
    return info;
}

struct table *world_table(struct world *world, const struct sstable_info *info)
{
    struct table *table;
    struct lsmkv_error err;

    assert_ok(table_new(&table, world->cache, info, &err), &err);
    return table;
}

struct lsmkv_buf world_file(struct world *world, uint64_t number)
{
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    struct lsmkv_error err;
    char *path = sstable_path(world->dir, number);

    assert_ok(os_read_file(world->fs, path, UINT64_C(1) << 30, &bytes, &err), &err);
    lsm_free(path);
    return bytes;
}

void world_replace_file(struct world *world, uint64_t number, struct lsmkv_slice bytes)
{
    struct os_file *file;
    struct lsmkv_error err;
    char *path = sstable_path(world->dir, number);

    assert_ok(os_fs_remove(world->fs, path, &err), &err);
    assert_ok(os_fs_open(world->fs, path, OS_CREATE_NEW, &file, &err), &err);
    if (bytes.size)
        assert_ok(os_write(file, 0, bytes.data, bytes.size, &err), &err);
    assert_ok(os_close(file, &err), &err);
    lsm_free(path);
}

bool entry_equal(const struct entry *a, const struct entry *b)
{
    return slice_equal(a->key, b->key) && slice_equal(a->value, b->value) && a->sequence == b->sequence &&
           a->kind == b->kind;
}

void check_gets(struct table *table, const struct dataset *dataset)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    struct lsmkv_error err;

    for (size_t i = 0; i < dataset->count; i++) {
        const struct entry *entry = &dataset->entries[i];
        enum entry_kind kind;
        bool found;

        assert_ok(table_get(table, entry->key, &value, &kind, &found, &err), &err);
        assert_true(found);
        assert_int_equal(kind, entry->kind);
        assert_true(slice_equal(slice_of_buf(&value), entry->value));
    }
    lsmkv_buf_release(&value);
}

void check_walks(struct table *table, const struct dataset *dataset, bool sequential)
{
    struct lsmkv_error err;
    struct iter *it;
    size_t i = 0;

    assert_ok(table_iter_new(&it, table, sequential, &err), &err);
    assert_false(iter_valid(it));
    for (assert_ok(iter_first(it, &err), &err); iter_valid(it); assert_ok(iter_next(it, &err), &err)) {
        assert_true(i < dataset->count);
        assert_true(entry_equal(iter_entry(it), &dataset->entries[i]));
        i++;
    }
    assert_int_equal(i, dataset->count);
    for (assert_ok(iter_last(it, &err), &err); iter_valid(it); assert_ok(iter_prev(it, &err), &err)) {
        assert_true(i > 0);
        assert_true(entry_equal(iter_entry(it), &dataset->entries[--i]));
    }
    assert_int_equal(i, 0);
    iter_free(it);
}
