/*
 * test_legacy.c - migration of stores of the Python package lsm-kv-store, formats 1 and 2, from the fixtures that
 * tests/support/make_legacy.py makes; damaged ones; death at every file-system call.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/base/alloc.h"
#include "lsm/base/buf.h"
#include "lsm/base/coding.h"
#include "lsm/base/error.h"
#include "lsm/os/fs.h"
#include "lsm/store/legacy_text.h"
#include "support/sim_fs.h"

#define FIXTURES "tests/fixtures/"

struct expected {
    const char *key;
    const char *value;
    size_t key_size, value_size;
};

#define ROW(key, value)                                                                                                \
    {                                                                                                                  \
        key, value, sizeof(key) - 1, sizeof(value) - 1                                                                 \
    }

/* In byte order of the keys; the two last only in format 2. */
static const struct expected rows_v1[] = {
    ROW("apple", "new apple"),
    ROW("cherry", "kept from level 1"),
    ROW("elder", "bars | in || the value|"),
    ROW("fig", "line one\nline two\r\n\ttab \"quoted\" back\\slash"),
    ROW("grape", ""),
    ROW("kiwi \xf0\x9f\xa5\x9d", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e and \xf0\x9f\x98\x80"),
    ROW("log bars", "a|b|c"),
    ROW("log lines", "first\nsecond|third\n"),
    ROW("log only", "never flushed"),
    ROW("stale", "newer than its line in the log"),
    ROW("yak", "second of two in one level with one timestamp"),
    ROW("zebra", "second of two with one timestamp"),
    ROW("\xc3\xbcn\xc3\xaf"
        "c\xc3\xb6"
        "d\xc3\xa9",
        "non-ASCII key"),
};

static const struct expected rows_odd[] = {
    ROW("nul \0 key", "nul \0 value"),
    ROW("half \xed\xa0\x80 pair", "\xed\xb0\x80"),
};

#define V1_COUNT  (sizeof(rows_v1) / sizeof(rows_v1[0]))
#define ODD_COUNT (sizeof(rows_odd) / sizeof(rows_odd[0]))

/* ---- Putting a fixture on a disk ---- */

struct copying {
    struct os_fs *to;
    const char *from_dir, *to_dir;
};

static void copy_dir(struct os_fs *to, const char *from_dir, const char *to_dir);

static void put_file(struct os_fs *fs, const char *path, const void *data, size_t size)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file;

    assert_ok(os_fs_remove(fs, path, &err), &err);
    assert_ok(os_fs_open(fs, path, OS_CREATE_NEW, &file, &err), &err);
    assert_ok(os_write(file, 0, data, size, &err), &err);
    assert_ok(os_sync(file, &err), &err);
    assert_ok(os_close(file, &err), &err);
}

static enum lsmkv_status copy_entry(void *context, const char *name, struct lsmkv_error *err)
{
    struct copying *copying = context;
    char *from = os_path(copying->from_dir, "%s", name), *to = os_path(copying->to_dir, "%s", name);
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    enum os_kind kind;

    assert_ok(os_fs_kind(os_posix_fs(), from, &kind, NULL, err), err);
    if (kind == OS_DIRECTORY) {
        copy_dir(copying->to, from, to);
    } else {
        assert_ok(os_read_file(os_posix_fs(), from, 1 << 20, &bytes, err), err);
        put_file(copying->to, to, bytes.data, bytes.size);
    }
    lsmkv_buf_release(&bytes);
    lsm_free(from);
    lsm_free(to);
    return LSMKV_OK;
}

static void copy_dir(struct os_fs *to, const char *from_dir, const char *to_dir)
{
    struct copying copying = {to, from_dir, to_dir};
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(os_fs_make_dir(to, to_dir, &err), &err);
    assert_ok(os_fs_list(os_posix_fs(), from_dir, copy_entry, &copying, &err), &err);
    assert_ok(os_fs_sync_dir(to, to_dir, &err), &err);
}

/* A disk with the fixture in "old", durable. */
static struct sim_fs *disk_with(const char *fixture)
{
    struct sim_fs *disk = sim_fs_new();
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char path[100];

    snprintf(path, sizeof(path), FIXTURES "%s", fixture);
    copy_dir(sim_fs_os(disk), path, "old");
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "/", &err), &err);
    return disk;
}

static bool exists(struct os_fs *fs, const char *path)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum os_kind kind;

    assert_ok(os_fs_kind(fs, path, &kind, NULL, &err), &err);
    return kind != OS_ABSENT;
}

/* ---- Migrating and looking ---- */

static enum lsmkv_status convert(void *context, struct lsmkv_slice old_key, struct lsmkv_slice old_value,
                                 struct lsmkv_buf *key, struct lsmkv_buf *value, struct lsmkv_error *err)
{
    uint8_t id[LSMKV_TABLE_ID_SIZE];
    enum lsmkv_status status;

    assert_string_equal(context, "context");
    put_u32_be(id, 1);
    status = buf_append(key, id, sizeof(id), err);
    if (!status)
        status = buf_append(key, old_key.data, old_key.size, err);
    if (!status)
        status = buf_append(value, "v:", 2, err);
    if (!status)
        status = buf_append(value, old_value.data, old_value.size, err);
    return status;
}

static enum lsmkv_status migrate(struct os_fs *fs, struct lsmkv_error *err)
{
    struct lsmkv_options options;
    struct lsmkv_open how = {.mode = LSMKV_OPEN_CREATE, .options = &options, .fs = fs};

    lsmkv_options_init(&options);
    options.memtable_size = 1 << 20;
    options.level_ratio = 7;
    return lsmkv_legacy_migrate("old", &how, "things", slice_of("definition", 10), convert, "context", err);
}

static void expect_row(const struct lsmkv_cursor *cursor, const struct expected *row)
{
    struct lsmkv_slice key = lsmkv_cursor_key(cursor), value = lsmkv_cursor_value(cursor);

    assert_int_equal(key.size, LSMKV_TABLE_ID_SIZE + row->key_size);
    assert_memory_equal(key.data, "\0\0\0\1", LSMKV_TABLE_ID_SIZE);
    assert_memory_equal(key.data + LSMKV_TABLE_ID_SIZE, row->key, row->key_size);
    assert_int_equal(value.size, 2 + row->value_size);
    assert_memory_equal(value.data, "v:", 2);
    if (row->value_size)
        assert_memory_equal(value.data + 2, row->value, row->value_size);
}

static const struct expected *find_expected(struct lsmkv_slice key, bool odd)
{
    for (size_t i = 0; i < V1_COUNT + (odd ? ODD_COUNT : 0); i++) {
        const struct expected *row = i < V1_COUNT ? &rows_v1[i] : &rows_odd[i - V1_COUNT];

        if (slice_equal(slice_of(row->key, row->key_size), key))
            return row;
    }
    return NULL;
}

/* Opens the new store: it holds the expected rows, no others, and the catalog's one table. */
static void expect_rows(struct os_fs *fs, bool odd)
{
    struct lsmkv_open how = {.mode = LSMKV_OPEN_EXISTING, .fs = fs};
    struct lsmkv_table_entry table = LSMKV_TABLE_ENTRY_INIT;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_session *session;
    struct lsmkv_cursor *cursor;
    struct lsmkv_store *store;
    size_t count = 0;
    bool found;

    assert_ok(lsmkv_store_open(&store, "old", &how, &err), &err);
    assert_int_equal(lsmkv_store_options(store)->level_ratio, 7);
    assert_ok(lsmkv_session_open(&session, store, &err), &err);
    assert_ok(lsmkv_catalog_find(session, "things", &table, &found, &err), &err);
    assert_true(found);
    assert_int_equal(table.id, 1);
    assert_int_equal(table.definition.size, 10);
    assert_memory_equal(table.definition.data, "definition", 10);
    assert_ok(lsmkv_cursor_open(&cursor, session, slice_of("\0\0\0\1", 4), slice_of(NULL, 0), &err), &err);
    for (assert_ok(lsmkv_cursor_first(cursor, &err), &err); lsmkv_cursor_valid(cursor);
         assert_ok(lsmkv_cursor_next(cursor, &err), &err)) {
        struct lsmkv_slice key = lsmkv_cursor_key(cursor);
        const struct expected *row = find_expected(slice_of(key.data + 4, key.size - 4), odd);

        assert_non_null(row);
        expect_row(cursor, row);
        count++;
    }
    assert_int_equal(count, V1_COUNT + (odd ? ODD_COUNT : 0));
    lsmkv_cursor_close(cursor);
    lsmkv_session_close(session);
    lsmkv_buf_release(&table.definition);
    assert_ok(lsmkv_store_close(store, &err), &err);
}

static bool detect(struct os_fs *fs)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    bool legacy;

    assert_ok(lsmkv_legacy_detect("old", fs, &legacy, &err), &err);
    return legacy;
}

static void migrate_and_check(const char *fixture, bool odd)
{
    static const char *const aside[] = {"old/legacy/wal.log", "old/legacy/sstables/sstable_000003/data.db"};
    static const char *const gone[] = {"old/wal.log", "old/sstables", "old/manifests", "old/manifest.json",
                                       "old/migrating"};
    struct sim_fs *disk = disk_with(fixture);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_fs *fs = sim_fs_os(disk);

    assert_true(detect(fs));
    assert_ok(migrate(fs, &err), &err);
    assert_false(detect(fs));
    expect_rows(fs, odd);
    for (size_t i = 0; i < sizeof(aside) / sizeof(aside[0]); i++)
        assert_true(exists(fs, aside[i]));
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        assert_false(exists(fs, gone[i]));
    /* A second migration finds nothing to do, and changes nothing. */
    assert_fails(migrate(fs, &err), LSMKV_CANTOPEN, &err, "holds no store of lsm-kv-store");
    expect_rows(fs, odd);
    sim_fs_free(disk);
}

static void format_1_migrates(void **state)
{
    (void)state;
    migrate_and_check("legacy_v1", false);
}

static void format_2_migrates(void **state)
{
    (void)state;
    migrate_and_check("legacy_v2", true);
}

/* Directories and modes of a real file system. */
static void migrates_on_the_real_file_system(void **state)
{
    const char *dir = test_dir();
    struct lsmkv_open how = {.mode = LSMKV_OPEN_CREATE};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *old = os_path(dir, "old"), *aside = os_path(dir, "old/legacy/manifests/level_1.json");
    struct lsmkv_store *store;
    bool legacy;

    (void)state;
    copy_dir(os_posix_fs(), FIXTURES "legacy_v2", old);
    assert_ok(lsmkv_legacy_migrate(old, &how, "things", slice_of("d", 1), convert, "context", &err), &err);
    assert_true(exists(os_posix_fs(), aside));
    assert_ok(lsmkv_legacy_detect(old, NULL, &legacy, &err), &err);
    assert_false(legacy);
    how.mode = LSMKV_OPEN_EXISTING;
    assert_ok(lsmkv_store_open(&store, old, &how, &err), &err);
    assert_ok(lsmkv_store_close(store, &err), &err);
    lsm_free(old);
    lsm_free(aside);
}

static void other_directories_are_not_detected(void **state)
{
    struct sim_fs *disk = sim_fs_new();
    struct os_fs *fs = sim_fs_os(disk);
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    (void)state;
    assert_false(detect(fs));
    assert_ok(os_fs_make_dir(fs, "old", &err), &err);
    assert_false(detect(fs));
    put_file(fs, "old/wal.log", "PUT|a|b|1\n", 10);
    assert_false(detect(fs));
    assert_ok(os_fs_make_dir(fs, "old/sstables", &err), &err);
    assert_true(detect(fs)); /* format 1 before its first flush */
    assert_ok(migrate(fs, &err), &err);
    assert_false(detect(fs));
    sim_fs_free(disk);
}

static void store_without_rows_migrates(void **state)
{
    struct lsmkv_open how = {.mode = LSMKV_OPEN_EXISTING};
    struct sim_fs *disk = sim_fs_new();
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_store *store;

    (void)state;
    how.fs = sim_fs_os(disk);
    assert_ok(os_fs_make_dir(how.fs, "old", &err), &err);
    assert_ok(os_fs_make_dir(how.fs, "old/sstables", &err), &err);
    put_file(how.fs, "old/wal.log", "", 0);
    assert_ok(migrate(how.fs, &err), &err);
    assert_ok(lsmkv_store_open(&store, "old", &how, &err), &err);
    assert_ok(lsmkv_store_close(store, &err), &err);
    sim_fs_free(disk);
}

/* What was begun after the migration stays, and the old files are left alone by later opens. */
static void new_store_may_be_written(void **state)
{
    struct sim_fs *disk = disk_with("legacy_v2");
    struct lsmkv_open how = {.mode = LSMKV_OPEN_EXISTING, .fs = sim_fs_os(disk)};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_session *session;
    struct lsmkv_store *store;
    bool found;

    (void)state;
    assert_ok(migrate(how.fs, &err), &err);
    for (int round = 0; round < 2; round++) {
        assert_ok(lsmkv_store_open(&store, "old", &how, &err), &err);
        assert_ok(lsmkv_session_open(&session, store, &err), &err);
        assert_ok(lsmkv_get(session, slice_of("\0\0\0\2new", 7), NULL, &found, &err), &err);
        assert_int_equal(found, round);
        assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, -1, &err), &err);
        assert_ok(lsmkv_put(session, slice_of("\0\0\0\2new", 7), slice_of("x", 1), &err), &err);
        assert_ok(lsmkv_session_commit(session, -1, &err), &err);
        lsmkv_session_close(session);
        assert_ok(lsmkv_store_close(store, &err), &err);
    }
    sim_fs_free(disk);
}

/* ---- Damage ---- */

/* The old store is as it was, byte for byte where it matters, and nothing of ours is left beside it. */
static void expect_untouched(struct os_fs *fs)
{
    static const char *const ours[] = {"old/global.json", "old/sst",       "old/wal",
                                       "old/manifest",    "old/migrating", "old/legacy/wal.log"};

    assert_true(detect(fs));
    assert_true(exists(fs, "old/wal.log"));
    assert_true(exists(fs, "old/sstables/sstable_000007/data.db"));
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_false(exists(fs, ours[i]));
}

/* Puts `text` in the place of a file of the fixture and expects the refusal. */
static void expect_refused(const char *fixture, const char *path, const char *text, enum lsmkv_status expected,
                           const char *why)
{
    struct sim_fs *disk = disk_with(fixture);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_fs *fs = sim_fs_os(disk);

    if (text)
        put_file(fs, path, text, strlen(text));
    else
        assert_ok(os_fs_remove(fs, path, &err), &err);
    assert_fails(migrate(fs, &err), expected, &err, why);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(exists(fs, "old/global.json") + exists(fs, "old/migrating") + exists(fs, "old/sst"), 0);
    assert_true(exists(fs, "old/sstables/sstable_000003/data.db"));
    sim_fs_free(disk);
}

static void damaged_log_is_refused_with_file_and_line(void **state)
{
    (void)state;
    expect_refused("legacy_v2", "old/wal.log", "{\"op\":\"PUT\",\"key\":\"a\",\"value\":\"b\",\"ts\":1}\ngarbage\n{}\n",
                   LSMKV_CORRUPT, "line 2");
    expect_refused("legacy_v1", "old/wal.log", "PUT|a|b|1\ngarbage\nPUT|a|b|2\n", LSMKV_CORRUPT, "line 2");
    expect_refused("legacy_v1", "old/wal.log", "PUT|a|b|1\nPUT|a|b\nPUT|a|b|2\n", LSMKV_CORRUPT, "line 2");
    expect_refused("legacy_v1", "old/wal.log", "PUT||b|1\nPUT|a|b|2\n", LSMKV_CORRUPT, "line 1");
    expect_refused("legacy_v1", "old/wal.log", "PUT|a|\xff|1\nPUT|a|b|2\n", LSMKV_CORRUPT, "line 1");
    expect_refused("legacy_v2", "old/wal.log",
                   "{\"op\":\"PUT\",\"key\":\"a\",\"value\":\"\xed\xa0\x80\",\"ts\":1}\n{}\n", LSMKV_CORRUPT, "line 1");
}

static void damaged_table_is_refused_with_file_and_line(void **state)
{
    static const char path[] = "old/sstables/sstable_000005/data.db";
    static const char row[] = "{\"key\": \"a\", \"value\": \"b\", \"timestamp\": 1, \"is_deleted\": false}\n";
    char text[400];

    (void)state;
    snprintf(text, sizeof(text), "%s%s%s%s%s", row, row, "{\"key\": \"a\", \"val\n", row, row);
    expect_refused("legacy_v2", path, text, LSMKV_CORRUPT, "line 3");
    /* A table has no torn tail: it was written before its manifest named it. */
    snprintf(text, sizeof(text), "%s%s%s%s{\"key\"", row, row, row, row);
    expect_refused("legacy_v2", path, text, LSMKV_CORRUPT, "line 5");
    snprintf(text, sizeof(text), "%s%s", row, row);
    expect_refused("legacy_v1", path, text, LSMKV_CORRUPT, "2 rows, the old manifest says 6");
    expect_refused("legacy_v1", path, NULL, LSMKV_CORRUPT, "missing");
}

static void damaged_manifest_is_refused_by_name(void **state)
{
    (void)state;
    expect_refused("legacy_v1", "old/manifest.json", "{\"entries\": [", LSMKV_CORRUPT, "not a manifest");
    expect_refused("legacy_v1", "old/manifest.json", "{\"entries\": [{\"sstable_id\": 4}]}", LSMKV_CORRUPT,
                   "not a manifest");
    expect_refused("legacy_v1", "old/manifest.json", "{\"entries\": []} {}", LSMKV_CORRUPT, "not a manifest");
    expect_refused("legacy_v2", "old/manifests/level_0.json", "", LSMKV_CORRUPT, "not a manifest");
    expect_refused("legacy_v2", "old/manifests/global.json", "[]", LSMKV_CORRUPT, "not a manifest");
}

static enum lsmkv_status convert_to_one_key(void *context, struct lsmkv_slice old_key, struct lsmkv_slice old_value,
                                            struct lsmkv_buf *key, struct lsmkv_buf *value, struct lsmkv_error *err)
{
    (void)old_key;
    return convert(context, slice_of("same", 4), old_value, key, value, err);
}

static void rows_that_become_one_are_refused(void **state)
{
    struct sim_fs *disk = disk_with("legacy_v2");
    struct lsmkv_open how = {.mode = LSMKV_OPEN_CREATE, .fs = sim_fs_os(disk)};
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    (void)state;
    assert_fails(lsmkv_legacy_migrate("old", &how, "things", slice_of("d", 1), convert_to_one_key, "context", &err),
                 LSMKV_INVALID, &err, "two rows");
    expect_untouched(how.fs);
    assert_ok(migrate(how.fs, &err), &err);
    expect_rows(how.fs, true);
    sim_fs_free(disk);
}

/* Format 2 that took over format 1's manifest and could not rename it: its tables may be gone. */
static void taken_over_manifest_of_format_1_is_ignored(void **state)
{
    static const char global[] = "{\"next_sstable_id\": 8, \"version\": 2, \"metadata\": {\"migrated_from_v1\": true}}";
    static const char stale[] = "{\"entries\": [{\"sstable_id\": 3, \"num_entries\": 1, \"level\": 0}]}";
    struct sim_fs *disk = disk_with("legacy_v2");
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_fs *fs = sim_fs_os(disk);

    (void)state;
    put_file(fs, "old/manifest.json", stale, sizeof(stale) - 1);
    put_file(fs, "old/manifests/global.json", global, sizeof(global) - 1);
    assert_ok(migrate(fs, &err), &err);
    expect_rows(fs, true);
    assert_true(exists(fs, "old/legacy/manifest.json"));
    sim_fs_free(disk);
}

static void foreign_file_in_the_way_is_kept(void **state)
{
    struct sim_fs *disk = disk_with("legacy_v2");
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_fs *fs = sim_fs_os(disk);

    (void)state;
    assert_ok(os_fs_make_dir(fs, "old/wal", &err), &err);
    put_file(fs, "old/wal/mine.txt", "mine", 4);
    assert_fails(migrate(fs, &err), LSMKV_CANTOPEN, &err, "old/wal/mine.txt: is in the way");
    assert_true(exists(fs, "old/wal/mine.txt"));
    assert_true(detect(fs));
    sim_fs_free(disk);
}

/* ---- Death ---- */

/* Whatever the crash left: the old store, which migrates, or the new one. */
static void expect_old_or_new(struct os_fs *fs, bool odd)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    if (detect(fs))
        assert_ok(migrate(fs, &err), &err);
    expect_rows(fs, odd);
    assert_true(exists(fs, "old/legacy/wal.log"));
    assert_false(exists(fs, "old/wal.log"));
    assert_false(exists(fs, "old/migrating"));
}

/* Dies again while the first death is being repaired. */
static void die_twice(struct sim_fs *disk, enum sim_crash mode, uint64_t *random, bool odd)
{
    struct sim_fs *first = sim_fs_crash(disk, mode, test_random(random)), *second;
    struct lsmkv_open how = {.mode = LSMKV_OPEN_EXISTING, .fs = sim_fs_os(first)};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_store *store;

    if (test_random(random) % 2) {
        sim_fs_stop_at(first, 1 + test_random(random) % 30);
        if (migrate(how.fs, &err) == LSMKV_CANTOPEN && lsmkv_store_open(&store, "old", &how, &err) == LSMKV_OK)
            (void)lsmkv_store_close(store, &err);
    }
    second = sim_fs_crash(first, mode, test_random(random));
    sim_fs_free(first);
    expect_old_or_new(sim_fs_os(second), odd);
    sim_fs_free(second);
}

static void die_at_every_call(const char *fixture, bool odd)
{
    uint64_t random = test_seed();
    bool died = true;

    for (uint64_t n = 1; died; n++) {
        struct sim_fs *disk = disk_with(fixture);
        struct lsmkv_error err = LSMKV_ERROR_INIT;
        enum lsmkv_status status;

        sim_fs_stop_at(disk, n);
        status = migrate(sim_fs_os(disk), &err);
        died = sim_fs_stopped(disk);
        if (!died)
            assert_ok(status, &err);
        for (int mode = 0; mode < SIM_CRASH_MODES; mode++) {
            if (test_scaled(SIM_CRASH_MODES) == SIM_CRASH_MODES || n % SIM_CRASH_MODES == (uint64_t)mode)
                die_twice(disk, (enum sim_crash)mode, &random, odd);
        }
        sim_fs_free(disk);
    }
}

static void format_1_survives_death_at_every_call(void **state)
{
    (void)state;
    die_at_every_call("legacy_v1", false);
}

static void format_2_survives_death_at_every_call(void **state)
{
    (void)state;
    die_at_every_call("legacy_v2", true);
}

static void every_failed_allocation_leaves_the_old_store(void **state)
{
    enum lsmkv_status status = LSMKV_NOMEM;
    uint64_t step = test_scaled(8) == 8 ? 1 : 7;

    (void)state;
    for (uint64_t n = 1; status; n += step) {
        struct sim_fs *disk = disk_with("legacy_v2");
        struct lsmkv_error err = LSMKV_ERROR_INIT;

        lsm_alloc_fail_at(n, false);
        status = migrate(sim_fs_os(disk), &err);
        lsm_alloc_fail_at(0, false);
        expect_old_or_new(sim_fs_os(disk), true);
        sim_fs_free(disk);
    }
}

/* ---- Lines ---- */

static void parse(const char *line, bool log, enum lsmkv_status expected)
{
    struct legacy_row row = LEGACY_ROW_INIT;
    struct lsmkv_slice text = slice_of(line, strlen(line));

    assert_int_equal(log ? legacy_parse_log_line(text, &row) : legacy_parse_table_line(text, &row), expected);
    legacy_row_release(&row);
}

static void json_rows_are_read_strictly(void **state)
{
    static const char *const good[] = {
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":1}",
        " { \"ts\" : 1 , \"value\" : null , \"key\" : \"k\" , \"op\" : \"DELETE\" } \r",
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":1,\"more\":[1,{\"a\":-1.5e3},null,true,\"x\"]}",
    };
    static const char *const bad[] = {
        "",
        "{}",
        "null",
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":1",
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":1}x",
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":1,}",
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":-1}",
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":1.5}",
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":99999999999999999999}",
        "{\"op\":\"PUT\",\"key\":\"\",\"value\":\"v\",\"ts\":1}",
        "{\"op\":\"GET\",\"key\":\"k\",\"value\":\"v\",\"ts\":1}",
        "{\"op\":\"PUT\",\"key\":\"k\",\"key\":\"k\",\"value\":\"v\",\"ts\":1}",
        "{\"op\":\"PUT\",\"key\":7,\"value\":\"v\",\"ts\":1}",
        "{\"op\":\"PUT\",\"key\":\"\\x\",\"value\":\"v\",\"ts\":1}",
        "{\"op\":\"PUT\",\"key\":\"\\u12g4\",\"value\":\"v\",\"ts\":1}",
        "{\"op\":\"PUT\",\"key\":\"a\tb\",\"value\":\"v\",\"ts\":1}",
        "{\"op\":\"PUT\",\"key\":\"k\",\"value\":\"v\",\"ts\":1,\"more\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        parse(good[i], true, LSMKV_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        parse(bad[i], true, LSMKV_CORRUPT);
    parse("{\"key\":\"k\",\"value\":\"v\",\"timestamp\":1,\"is_deleted\":true}", false, LSMKV_OK);
    parse("{\"key\":\"k\",\"value\":\"v\",\"timestamp\":1,\"is_deleted\":1}", false, LSMKV_CORRUPT);
    parse("{\"key\":\"k\",\"value\":\"v\",\"timestamp\":1}", false, LSMKV_CORRUPT);
}

static void escapes_become_utf8(void **state)
{
    static const char line[] =
        "{\"op\":\"PUT\",\"key\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\","
        "\"value\":\"\\u0000\\ud83d\\ud83dx\\ude00\",\"ts\":1}";
    static const char key[] = "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    static const char value[] = "\0\xed\xa0\xbd\xed\xa0\xbdx\xed\xb8\x80";
    struct legacy_row row = LEGACY_ROW_INIT;

    (void)state;
    assert_int_equal(legacy_parse_log_line(slice_of(line, sizeof(line) - 1), &row), LSMKV_OK);
    assert_int_equal(row.key.size, sizeof(key) - 1);
    assert_memory_equal(row.key.data, key, sizeof(key) - 1);
    assert_int_equal(row.value.size, sizeof(value) - 1);
    assert_memory_equal(row.value.data, value, sizeof(value) - 1);
    legacy_row_release(&row);
}

static void lines_of_any_length_are_found(void **state)
{
    enum { LONG = 200000 };
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_fs *fs = os_memory_fs_new();
    struct legacy_lines lines = {.file = NULL};
    char *text = malloc(LONG + 10);
    bool found;

    (void)state;
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\n\nlast", 7);
    put_file(fs, "f", text, LONG + 6);
    assert_ok(os_fs_open(fs, "f", OS_READ, &lines.file, &err), &err);
    assert_ok(legacy_lines_next(&lines, &found, &err), &err);
    assert_true(found && lines.ended && lines.number == 1 && lines.line.size == LONG);
    assert_ok(legacy_lines_next(&lines, &found, &err), &err);
    assert_true(found && lines.ended && lines.number == 2 && lines.line.size == 0);
    assert_ok(legacy_lines_next(&lines, &found, &err), &err);
    assert_true(found && !lines.ended && lines.number == 3);
    assert_true(slice_equal(lines.line, slice_of("last", 4)));
    assert_ok(legacy_lines_next(&lines, &found, &err), &err);
    assert_false(found);
    legacy_lines_release(&lines);
    assert_ok(os_close(lines.file, &err), &err);
    os_memory_fs_free(fs);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_1_migrates),
        cmocka_unit_test(format_2_migrates),
        cmocka_unit_test(migrates_on_the_real_file_system),
        cmocka_unit_test(other_directories_are_not_detected),
        cmocka_unit_test(store_without_rows_migrates),
        cmocka_unit_test(new_store_may_be_written),
        cmocka_unit_test(damaged_log_is_refused_with_file_and_line),
        cmocka_unit_test(damaged_table_is_refused_with_file_and_line),
        cmocka_unit_test(damaged_manifest_is_refused_by_name),
        cmocka_unit_test(rows_that_become_one_are_refused),
        cmocka_unit_test(taken_over_manifest_of_format_1_is_ignored),
        cmocka_unit_test(foreign_file_in_the_way_is_kept),
        cmocka_unit_test(format_1_survives_death_at_every_call),
        cmocka_unit_test(format_2_survives_death_at_every_call),
        cmocka_unit_test(every_failed_allocation_leaves_the_old_store),
        cmocka_unit_test(json_rows_are_read_strictly),
        cmocka_unit_test(escapes_become_utf8),
        cmocka_unit_test(lines_of_any_length_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
