/*
 * compaction_kit.c - see compaction_kit.h.
 */
#include "compaction_kit.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static struct lsmkv_slice text(const char *s)
{
    return slice_of(s, strlen(s));
}

/* ---- The hook, and what else the background calls ---- */

static size_t calls_locked(const struct kit *kit, const char *point)
{
    size_t count = 0;

    for (size_t i = 0; i < kit->call_count; i++)
        count += strcmp(kit->calls[i], point) == 0;
    return count;
}

static void hook(void *context, const char *point)
{
    struct kit *kit = context;
    size_t nth;

    pthread_mutex_lock(&kit->mutex);
    if (kit->call_count < KIT_CALLS)
        kit->calls[kit->call_count++] = point;
    nth = calls_locked(kit, point);
    pthread_cond_broadcast(&kit->changed);
    for (size_t i = 0; i < KIT_HOLDS; i++) {
        struct kit_hold *hold = &kit->holds[i];

        if (!hold->point || strcmp(hold->point, point) != 0 || hold->nth != nth)
            continue;
        hold->held = true;
        pthread_cond_broadcast(&kit->changed);
        while (!hold->released)
            pthread_cond_wait(&kit->changed, &kit->mutex);
    }
    pthread_mutex_unlock(&kit->mutex);
}

size_t kit_hold(struct kit *kit, const char *point, size_t nth)
{
    size_t i = 0;

    pthread_mutex_lock(&kit->mutex);
    while (i < KIT_HOLDS && kit->holds[i].point)
        i++;
    assert_true(i < KIT_HOLDS);
    kit->holds[i] = (struct kit_hold){point, nth, false, false};
    pthread_mutex_unlock(&kit->mutex);
    return i;
}

void kit_wait_held(struct kit *kit, size_t hold)
{
    pthread_mutex_lock(&kit->mutex);
    while (!kit->holds[hold].held)
        pthread_cond_wait(&kit->changed, &kit->mutex);
    pthread_mutex_unlock(&kit->mutex);
}

void kit_release(struct kit *kit, size_t hold)
{
    pthread_mutex_lock(&kit->mutex);
    kit->holds[hold].released = true;
    pthread_cond_broadcast(&kit->changed);
    pthread_mutex_unlock(&kit->mutex);
}

size_t kit_calls(struct kit *kit, const char *point)
{
    size_t count;

    pthread_mutex_lock(&kit->mutex);
    count = calls_locked(kit, point);
    pthread_mutex_unlock(&kit->mutex);
    return count;
}

void kit_wait_calls(struct kit *kit, const char *point, size_t count)
{
    pthread_mutex_lock(&kit->mutex);
    while (calls_locked(kit, point) < count)
        pthread_cond_wait(&kit->changed, &kit->mutex);
    pthread_mutex_unlock(&kit->mutex);
}

static bool dropped(void *context, uint32_t id)
{
    struct kit *kit = context;
    bool answer;

    pthread_mutex_lock(&kit->mutex);
    kit->dropped_asked++;
    answer = id && id == kit->dropped_id;
    pthread_mutex_unlock(&kit->mutex);
    return answer;
}

static void log_message(void *context, enum lsmkv_status status, const char *message)
{
    struct kit *kit = context;

    assert_true(strlen(message) > 0);
    pthread_mutex_lock(&kit->mutex);
    kit->logged++;
    kit->log_status = status;
    pthread_cond_broadcast(&kit->changed);
    pthread_mutex_unlock(&kit->mutex);
}

/* ---- Open and close ---- */

static void make_dirs(struct kit *kit)
{
    static const char *const names[] = {KIT_DIR, KIT_DIR "/sst", KIT_DIR "/wal", KIT_DIR "/manifest"};
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_ok(os_fs_make_dir(kit->fs, names[i], &err), &err);
}

void kit_open(struct kit *kit)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;

    memset(kit, 0, sizeof(*kit));
    pthread_mutex_init(&kit->mutex, NULL);
    pthread_cond_init(&kit->changed, NULL);
    lsmkv_options_init(&kit->options);
    kit->options.memtable_size = 64 << 10;
    kit->options.base_level_size = 1 << 20;
    kit->memory = os_memory_fs_new();
    assert_non_null(kit->memory);
    kit->faults = fault_fs_new(kit->memory);
    assert_non_null(kit->faults);
    kit->fs = fault_fs_os(kit->faults);
    make_dirs(kit);
    assert_ok(table_cache_new(&kit->cache, kit->fs, KIT_DIR, 100, 8 << 20, LSMKV_IO_MMAP, &kit->counters, &err), &err);
    manifest_init(&manifest);
    manifest.options = kit->options;
    manifest.next_file = 1;
    assert_ok(version_set_new(&kit->versions, kit->fs, KIT_DIR, &manifest, kit->cache, &kit->counters, &err), &err);
    manifest_release(&manifest);
    kit->next_fake = 1000000;
    kit->background = (struct background){
        .fs = kit->fs,
        .dir = KIT_DIR,
        .options = &kit->options,
        .versions = kit->versions,
        .cache = kit->cache,
        .counters = &kit->counters,
        .dropped = dropped,
        .dropped_context = kit,
        .hook = hook,
        .hook_context = kit,
        .log = log_message,
        .log_context = kit,
    };
    kit_rotate(kit);
}

void kit_start(struct kit *kit)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(scheduler_new(&kit->scheduler, &kit->background, &err), &err);
}

void kit_stop(struct kit *kit)
{
    scheduler_free(kit->scheduler);
    kit->scheduler = NULL;
}

void kit_close(struct kit *kit)
{
    kit_stop(kit);
    version_set_free(kit->versions);
    table_cache_free(kit->cache);
    fault_fs_free(kit->faults);
    os_memory_fs_free(kit->memory);
    pthread_cond_destroy(&kit->changed);
    pthread_mutex_destroy(&kit->mutex);
}

/* ---- Tables and versions ---- */

static struct table *fake_table(struct kit *kit, const struct kit_facts *facts)
{
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct table *table;

    info.number = kit->next_fake++;
    info.size = facts->size;
    info.entries = facts->entries ? facts->entries : 100;
    info.tombstones = facts->tombstones;
    info.sequence_min = info.sequence_max = info.number;
    assert_ok(buf_set(&info.key_min, text(facts->min), &err), &err);
    assert_ok(buf_set(&info.key_max, text(facts->max), &err), &err);
    assert_ok(table_new(&table, kit->cache, &info, &err), &err);
    sstable_info_release(&info);
    return table;
}

struct version *kit_version(struct kit *kit, const struct kit_facts *facts, size_t count)
{
    struct version_edit edit = {NULL, 0, NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct version *version;

    edit.added = lsm_calloc(count + 1, sizeof(*edit.added));
    assert_non_null(edit.added);
    for (; edit.added_count < count; edit.added_count++) {
        edit.added[edit.added_count].level = facts[edit.added_count].level;
        edit.added[edit.added_count].table = fake_table(kit, &facts[edit.added_count]);
    }
    assert_ok(version_new(&version, NULL, &edit, &err), &err);
    for (size_t i = 0; i < count; i++)
        table_unref(edit.added[i].table);
    lsm_free(edit.added);
    return version;
}

struct table *kit_table_at(const struct version *version, unsigned level, size_t index)
{
    assert_true(index < version->levels[level].count);
    return version->levels[level].tables[index];
}

bool kit_is_input(const struct compaction *compaction, const struct table *table)
{
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < compaction->input_count[side]; i++) {
            if (compaction->inputs[side][i] == table)
                return true;
        }
    }
    return false;
}

/* ---- Writing and reading ---- */

void kit_rotate(struct kit *kit)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct memtable *memtable;

    assert_ok(memtable_new(&memtable, version_set_new_file(kit->versions), &err), &err);
    assert_ok(version_set_rotate(kit->versions, memtable, &err), &err);
    kit->active = memtable;
    memtable_unref(memtable);
    if (kit->scheduler)
        scheduler_wake(kit->scheduler);
}

static void add(struct kit *kit, struct lsmkv_slice key, struct lsmkv_slice value, enum entry_kind kind)
{
    struct entry entry = {key, value, ++kit->sequence, kind};
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(memtable_add(kit->active, &entry, &err), &err);
}

void kit_put(struct kit *kit, const char *key, const char *value)
{
    add(kit, text(key), text(value), ENTRY_PUT);
}

void kit_delete(struct kit *kit, const char *key)
{
    add(kit, text(key), slice_of(NULL, 0), ENTRY_DELETE);
}

void kit_fill(struct kit *kit, size_t bytes)
{
    uint64_t random = test_seed() + kit->sequence;
    uint64_t value[128];
    char key[32];

    while (memtable_bytes(kit->active) < bytes) {
        for (size_t i = 0; i < 128; i++)
            value[i] = test_random(&random);
        snprintf(key, sizeof(key), "fill%016llx", (unsigned long long)test_random(&random));
        add(kit, text(key), slice_of(value, sizeof(value)), ENTRY_PUT);
    }
}

void kit_expect(struct kit *kit, const char *key, const char *value)
{
    struct super_version *super_version = version_set_current(kit->versions);
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    bool found;

    assert_ok(super_version_get(super_version, text(key), SEQUENCE_MAX, &buf, &found, &err), &err);
    assert_int_equal(found, value != NULL);
    if (value) {
        assert_int_equal(buf.size, strlen(value));
        assert_memory_equal(buf.data, value, buf.size);
    }
    lsmkv_buf_release(&buf);
    super_version_unref(super_version);
}

size_t kit_level_tables(struct kit *kit, unsigned level)
{
    struct super_version *super_version = version_set_current(kit->versions);
    size_t count = super_version->version->levels[level].count;

    super_version_unref(super_version);
    return count;
}

size_t kit_immutables(struct kit *kit)
{
    struct super_version *super_version = version_set_current(kit->versions);
    size_t count = super_version->immutable_count;

    super_version_unref(super_version);
    return count;
}

static enum lsmkv_status count_name(void *context, const char *name, struct lsmkv_error *err)
{
    (void)name;
    (void)err;
    ++*(size_t *)context;
    return LSMKV_OK;
}

size_t kit_table_files(struct kit *kit)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    size_t count = 0;

    assert_ok(os_fs_list(kit->memory, KIT_DIR "/sst", count_name, &count, &err), &err);
    return count;
}
