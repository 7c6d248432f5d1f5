/*
 * version_fixture.c - see version_fixture.h.
 */
#include "version_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sstable/builder.h"

struct lsmkv_slice key_of(const char *text)
{
    return slice_of(text, strlen(text));
}

void parts_open(struct store_parts *parts, struct os_fs *(*around)(struct os_fs *memory, void *context), void *context)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    memset(parts, 0, sizeof(*parts));
    parts->memory = os_memory_fs_new();
    assert_non_null(parts->memory);
    store_dirs_make(parts->memory);
    parts->fs = around ? around(parts->memory, context) : parts->memory;
    assert_ok(table_cache_new(&parts->cache, parts->fs, STORE_DIR, 16, 1u << 20, LSMKV_IO_MMAP, &parts->counters, &err),
              &err);
    manifest_init(&parts->manifest);
}

void parts_open_set(struct store_parts *parts)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    manifest_start(&parts->manifest);
    parts->manifest.next_file = 1;
    parts->manifest.last_sequence = 0;
    manifest_commit_ok(&parts->manifest, 0, parts->fs);
    assert_ok(
        version_set_new(&parts->set, parts->fs, STORE_DIR, &parts->manifest, parts->cache, &parts->counters, &err),
        &err);
}

void parts_close(struct store_parts *parts)
{
    version_set_free(parts->set);
    manifest_release(&parts->manifest);
    table_cache_free(parts->cache);
    os_memory_fs_free(parts->memory);
}

/* The next word of `words` as an entry; false at the end. `word` holds its bytes. */
static bool next_entry(const char **words, char word[64], struct entry *entry)
{
    int used = 0;
    char *sign;

    if (sscanf(*words, "%63s%n", word, &used) != 1)
        return false;
    *words += used;
    sign = strchr(word, '=');
    entry->kind = sign ? ENTRY_PUT : ENTRY_DELETE;
    entry->value = sign ? key_of(sign + 1) : slice_of(NULL, 0);
    entry->key = slice_of(word, sign ? (size_t)(sign - word) : strlen(word));
    return true;
}

struct table *parts_table(struct store_parts *parts, uint64_t number, uint64_t sequence, const char *words)
{
    struct sstable_params params = {4096, 10, LSMKV_COMPRESSION_NONE};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct sstable_builder *builder = NULL;
    struct entry entry = {.sequence = sequence};
    struct table *table = NULL;
    char word[64];

    assert_ok(sstable_builder_new(&builder, parts->fs, STORE_DIR, number, &params, &err), &err);
    while (next_entry(&words, word, &entry))
        assert_ok(sstable_builder_add(builder, &entry, &err), &err);
    assert_ok(sstable_builder_finish(builder, &info, &err), &err);
    sstable_builder_free(builder);
    assert_ok(table_new(&table, parts->cache, &info, &err), &err);
    sstable_info_release(&info);
    return table;
}

void memtable_add_words(struct memtable *memtable, uint64_t sequence, const char *words)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct entry entry = {.sequence = sequence};
    char word[64];

    while (next_entry(&words, word, &entry))
        assert_ok(memtable_add(memtable, &entry, &err), &err);
}

struct memtable *parts_memtable(uint64_t segment, uint64_t sequence, const char *words)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct memtable *memtable = NULL;

    assert_ok(memtable_new(&memtable, segment, &err), &err);
    memtable_add_words(memtable, sequence, words);
    return memtable;
}

const char *iter_words(struct iter *it, bool backward)
{
    static char words[4096];
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    size_t used = 0;

    words[0] = 0;
    assert_ok(backward ? iter_last(it, &err) : iter_first(it, &err), &err);
    while (iter_valid(it)) {
        const struct entry *entry = iter_entry(it);

        used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%.*s", used ? " " : "", (int)entry->key.size,
                                 (const char *)entry->key.data);
        if (entry->kind == ENTRY_PUT)
            used += (size_t)snprintf(words + used, sizeof(words) - used, "=%.*s", (int)entry->value.size,
                                     (const char *)entry->value.data);
        assert_true(used < sizeof(words));
        assert_ok(backward ? iter_prev(it, &err) : iter_next(it, &err), &err);
    }
    return words;
}

void parts_rotate(struct store_parts *parts, struct memtable *memtable)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(version_set_rotate(parts->set, memtable, &err), &err);
    memtable_unref(memtable);
}

const struct super_version *parts_current(struct store_parts *parts)
{
    struct super_version *current = version_set_current(parts->set);

    super_version_unref(current);
    return current;
}

enum lsmkv_status parts_commit(struct store_parts *parts, struct table *removed, unsigned level, struct table *added,
                               size_t flushed, struct lsmkv_error *err)
{
    struct version_edit edit = {&removed, removed ? 1 : 0, NULL, added ? 1 : 0};
    struct super_version *current = version_set_current(parts->set);
    struct memtable *oldest[8] = {NULL};
    enum lsmkv_status status;

    assert_true(flushed <= 8 && flushed <= current->immutable_count);
    for (size_t i = 0; i < flushed; i++)
        oldest[i] = current->immutables[current->immutable_count - 1 - i];
    edit.added = calloc(1, sizeof(*edit.added));
    edit.added[0].level = level;
    edit.added[0].table = added;
    status = version_set_commit(parts->set, &edit, oldest, flushed, err);
    free(edit.added);
    super_version_unref(current);
    return status;
}

void parts_take_numbers(struct store_parts *parts, uint64_t count)
{
    while (version_set_new_file(parts->set) < count)
        ;
}

void parts_commit_two_tables(struct store_parts *parts)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    for (uint64_t i = 1; i <= 2; i++) {
        struct table *table = parts_table(parts, version_set_new_file(parts->set), i, "a=1 b=2");

        assert_ok(parts_commit(parts, NULL, 0, table, 0, &err), &err);
        table_unref(table);
    }
    assert_ok(version_set_delete_obsolete(parts->set, &err), &err);
}

struct manifest parts_manifest_on_disk(struct store_parts *parts)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;

    assert_ok(manifest_load(&manifest, parts->memory, STORE_DIR, &err), &err);
    return manifest;
}

void assert_gets(const struct super_version *super_version, const char *key, const char *value)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    bool found = false;

    assert_ok(super_version_get(super_version, key_of(key), SEQUENCE_MAX, &bytes, &found, &err), &err);
    assert_int_equal(found, value != NULL);
    if (value)
        assert_true(slice_equal(slice_of_buf(&bytes), key_of(value)));
    lsmkv_buf_release(&bytes);
}

static struct os_fs *with_faults(struct os_fs *memory, void *context)
{
    struct fault_fs **faults = (struct fault_fs **)context;

    *faults = fault_fs_new(memory);
    return fault_fs_os(*faults);
}

int faulty_setup(void **state)
{
    struct faulty_parts *made = (struct faulty_parts *)calloc(1, sizeof(*made));
    struct fault_fs *faults = NULL;

    parts_open(&made->parts, with_faults, &faults);
    made->faults = faults;
    parts_open_set(&made->parts);
    *state = made;
    return 0;
}

int faulty_teardown(void **state)
{
    struct faulty_parts *made = (struct faulty_parts *)*state;

    parts_close(&made->parts);
    fault_fs_free(made->faults);
    free(made);
    return 0;
}
