/*
 * manifest_fixture.c - see manifest_fixture.h.
 */
#include "manifest_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manifest/format.h"
#include "manifest/names.h"

void store_dirs_make(struct os_fs *fs)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(os_fs_make_dir(fs, STORE_DIR, &err), &err);
    assert_ok(os_fs_make_dir(fs, STORE_DIR "/manifest", &err), &err);
    assert_ok(os_fs_make_dir(fs, STORE_DIR "/sst", &err), &err);
    assert_ok(os_fs_make_dir(fs, STORE_DIR "/wal", &err), &err);
    assert_ok(os_fs_sync_dir(fs, STORE_DIR, &err), &err);
    assert_ok(os_fs_sync_dir(fs, "/", &err), &err);
}

void manifest_start(struct manifest *manifest)
{
    manifest_init(manifest);
    memcpy(manifest->store_id, "0123456789abcdef", LSMKV_STORE_ID_SIZE);
    manifest->next_file = 1000;
    manifest->last_sequence = 1000;
    manifest->first_segment = 1;
}

struct sstable_info info_make(uint64_t number, const char *min, const char *max, uint64_t sequence)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct sstable_info info = SSTABLE_INFO_INIT;

    info.number = number;
    info.size = 100 + number;
    info.entries = 10;
    info.tombstones = 1;
    info.raw_bytes = 77;
    info.sequence_min = sequence > 5 ? sequence - 5 : 1;
    info.sequence_max = sequence;
    info.checksum = number * UINT64_C(0x9e3779b97f4a7c15);
    assert_ok(buf_set(&info.key_min, slice_of(min, strlen(min)), &err), &err);
    assert_ok(buf_set(&info.key_max, slice_of(max, strlen(max)), &err), &err);
    return info;
}

void table_file_make(struct os_fs *fs, const struct sstable_info *info)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    char name[64];

    assert_ok(buf_reserve(&bytes, info->size, &err), &err);
    memset(bytes.data, 'x', info->size);
    bytes.size = info->size;
    snprintf(name, sizeof(name), "sst/%06" PRIu64 ".sst", info->number);
    file_put(fs, name, slice_of_buf(&bytes));
    assert_ok(os_fs_sync_dir(fs, STORE_DIR "/sst", &err), &err);
    lsmkv_buf_release(&bytes);
}

void manifest_add(struct manifest *manifest, unsigned level, struct sstable_info info, struct os_fs *fs)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    const struct sstable_info *all[64];
    size_t count = manifest->levels[level].count;

    assert_true(count + 1 < 64);
    for (size_t i = 0; i < count; i++)
        all[i] = &manifest->levels[level].tables[i];
    all[count] = &info;
    assert_ok(manifest_set_level(manifest, level, all, count + 1, &err), &err);
    if (fs)
        table_file_make(fs, &info);
    sstable_info_release(&info);
}

void manifest_commit_ok(struct manifest *manifest, uint32_t changed, struct os_fs *fs)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    bool unknown = true;

    assert_ok(manifest_commit(manifest, changed, fs, STORE_DIR, &unknown, &err), &err);
    assert_false(unknown);
}

static void assert_info_equal(const struct sstable_info *a, const struct sstable_info *b)
{
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->entries, b->entries);
    assert_int_equal(a->tombstones, b->tombstones);
    assert_int_equal(a->raw_bytes, b->raw_bytes);
    assert_true(a->sequence_min == b->sequence_min);
    assert_true(a->sequence_max == b->sequence_max);
    assert_true(a->checksum == b->checksum);
    assert_true(slice_equal(slice_of_buf(&a->key_min), slice_of_buf(&b->key_min)));
    assert_true(slice_equal(slice_of_buf(&a->key_max), slice_of_buf(&b->key_max)));
}

static void assert_options_equal(const struct lsmkv_options *a, const struct lsmkv_options *b)
{
    const char *name;
    char left[64], right[64];

    for (size_t i = 0; lsmkv_options_get(a, i, &name, left); i++) {
        assert_true(lsmkv_options_get(b, i, &name, right));
        assert_string_equal(left, right);
    }
}

void assert_manifest_equal(const struct manifest *a, const struct manifest *b)
{
    assert_memory_equal(a->store_id, b->store_id, LSMKV_STORE_ID_SIZE);
    assert_true(a->generation == b->generation);
    assert_true(a->next_file == b->next_file);
    assert_true(a->last_sequence == b->last_sequence);
    assert_true(a->first_segment == b->first_segment);
    assert_true(a->clean_segment == b->clean_segment);
    assert_true(a->clean_length == b->clean_length);
    assert_options_equal(&a->options, &b->options);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        assert_true(a->levels[level].generation == b->levels[level].generation);
        assert_true(a->levels[level].checksum == b->levels[level].checksum);
        assert_int_equal(a->levels[level].count, b->levels[level].count);
        for (size_t i = 0; i < a->levels[level].count; i++)
            assert_info_equal(&a->levels[level].tables[i], &b->levels[level].tables[i]);
    }
}

struct lsmkv_buf file_get(struct os_fs *fs, const char *name)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    char *path = os_path(STORE_DIR, "%s", name);

    assert_ok(os_read_file(fs, path, 1u << 20, &bytes, &err), &err);
    lsm_free(path);
    return bytes;
}

void file_put(struct os_fs *fs, const char *name, struct lsmkv_slice bytes)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file = NULL;
    char *path = os_path(STORE_DIR, "%s", name);

    assert_ok(os_fs_remove(fs, path, &err), &err);
    assert_ok(os_fs_open(fs, path, OS_CREATE_NEW, &file, &err), &err);
    if (bytes.size > 0)
        assert_ok(os_write(file, 0, bytes.data, bytes.size, &err), &err);
    assert_ok(os_sync(file, &err), &err);
    assert_ok(os_close(file, &err), &err);
    lsm_free(path);
}

bool file_exists(struct os_fs *fs, const char *name)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *path = os_path(STORE_DIR, "%s", name);
    enum os_kind kind = OS_ABSENT;

    assert_ok(os_fs_kind(fs, path, &kind, NULL, &err), &err);
    lsm_free(path);
    return kind != OS_ABSENT;
}

static enum lsmkv_status count_name(void *context, const char *name, struct lsmkv_error *err)
{
    (void)name;
    (void)err;
    ++*(size_t *)context;
    return LSMKV_OK;
}

size_t file_count(struct os_fs *fs, const char *dir_name)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *path = os_path(STORE_DIR, "%s", dir_name);
    size_t count = 0;

    assert_ok(os_fs_list(fs, path, count_name, &count, &err), &err);
    lsm_free(path);
    return count;
}

void file_edit(struct os_fs *fs, const char *name, const char *from, const char *to)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes = file_get(fs, name);
    struct lsmkv_buf edited = LSMKV_BUF_INIT;
    size_t body = bytes.size - MANIFEST_TAIL_SIZE;
    const uint8_t *at = (const uint8_t *)memmem(bytes.data, body, from, strlen(from));
    uint64_t checksum;
    size_t before;

    assert_non_null(at);
    before = (size_t)(at - bytes.data);
    assert_ok(buf_append(&edited, bytes.data, before, &err), &err);
    assert_ok(buf_append(&edited, to, strlen(to), &err), &err);
    assert_ok(buf_append(&edited, at + strlen(from), body - before - strlen(from), &err), &err);
    assert_ok(manifest_text_finish(&edited, &checksum, &err), &err);
    file_put(fs, name, slice_of_buf(&edited));
    lsmkv_buf_release(&edited);
    lsmkv_buf_release(&bytes);
}
