/*
 * fs_contract.c - the promises of lsm/os/fs.h, checked on any file system.
 */
#include "fs_contract.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/base/alloc.h"
#include "lsm/base/error.h"
#include "lsm/os/sync.h"
#include "test.h"

static struct os_file *open_file(struct os_fs *fs, const char *path, enum os_open_mode mode)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file = NULL;

    assert_ok(os_fs_open(fs, path, mode, &file, &err), &err);
    assert_string_equal(file->path, path);
    return file;
}

static void close_file(struct os_file *file)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(os_close(file, &err), &err);
}

static void put_file(struct os_fs *fs, const char *path, const char *text)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file = open_file(fs, path, OS_CREATE_NEW);

    assert_ok(os_write(file, 0, text, strlen(text), &err), &err);
    assert_ok(os_sync(file, &err), &err);
    close_file(file);
}

static void expect_file(struct os_fs *fs, const char *path, const char *text)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf buf = LSMKV_BUF_INIT;

    assert_ok(os_read_file(fs, path, 1000, &buf, &err), &err);
    assert_int_equal(buf.size, strlen(text));
    if (buf.size)
        assert_memory_equal(buf.data, text, buf.size);
    lsmkv_buf_release(&buf);
}

static void expect_kind(struct os_fs *fs, const char *path, enum os_kind expected, uint64_t bytes)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum os_kind kind;
    uint64_t size = 99;

    assert_ok(os_fs_kind(fs, path, &kind, &size, &err), &err);
    assert_int_equal(kind, expected);
    assert_int_equal(size, bytes);
    assert_ok(os_fs_kind(fs, path, &kind, NULL, &err), &err);
    assert_int_equal(kind, expected);
}

static void check_reads(struct os_file *file)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char bytes[16];

    assert_ok(os_read(file, 3, bytes, 4, &err), &err);
    assert_memory_equal(bytes, "3456", 4);
    assert_ok(os_read(file, 0, bytes, 0, &err), &err);
    assert_fails(os_read(file, 6, bytes, 5, &err), LSMKV_CORRUPT, &err, "short read at offset");
    assert_non_null(strstr(err.message, file->path));
    assert_fails(os_read(file, 1ull << 40, bytes, 1, &err), LSMKV_CORRUPT, &err, "short read at offset");
}

/* Writes far past the end leave zeros between; also across whatever pieces the file system stores bytes in. */
static void check_holes(struct os_file *file)
{
    enum { FAR = 300000, LENGTH = 200000 };
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint8_t *bytes = malloc(FAR + LENGTH);
    uint64_t size;

    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = (uint8_t)(i * 7 + 1);
    assert_ok(os_write(file, FAR, bytes, LENGTH, &err), &err);
    assert_ok(os_size(file, &size, &err), &err);
    assert_int_equal(size, FAR + LENGTH);
    assert_ok(os_read(file, 0, bytes, FAR + LENGTH, &err), &err);
    assert_memory_equal(bytes, "0123456789", 10);
    for (size_t i = 10; i < FAR; i++)
        assert_int_equal(bytes[i], 0);
    for (size_t i = 0; i < LENGTH; i++)
        assert_int_equal(bytes[FAR + i], (uint8_t)(i * 7 + 1));
    free(bytes);
}

static void check_allocate(struct os_fs *fs, const char *path)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file = open_file(fs, path, OS_CREATE_NEW);
    uint64_t size;
    char bytes[4];

    assert_ok(os_write(file, 0, "head", 4, &err), &err);
    assert_ok(os_allocate(file, 100000, &err), &err);
    assert_ok(os_allocate(file, 5, &err), &err); /* never shrinks */
    assert_ok(os_size(file, &size, &err), &err);
    assert_int_equal(size, 100000);
    assert_ok(os_read(file, 0, bytes, 4, &err), &err);
    assert_memory_equal(bytes, "head", 4);
    assert_ok(os_read(file, 99996, bytes, 4, &err), &err);
    assert_memory_equal(bytes, "\0\0\0\0", 4);
    close_file(file);
}

static void check_map(struct os_fs *fs, const char *path)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file = open_file(fs, path, OS_READ);
    const uint8_t *map = (const uint8_t *)"x";

    assert_ok(os_map(file, 10, &map, &err), &err);
    if (map)
        assert_memory_equal(map, "0123456789", 10);
    os_forget(file, 0, 10);
    close_file(file);
}

void fs_contract_files(struct os_fs *fs, const char *dir)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *path = os_path(dir, "file%d", 1), *other = os_path(dir, "file2");
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    struct os_file *file, *again = NULL;
    uint64_t size;

    assert_fails(os_fs_open(fs, path, OS_READ, &again, &err), LSMKV_IO, &err, path);
    assert_status(os_fs_open(fs, path, OS_WRITE, &again, &err), LSMKV_IO, &err);
    file = open_file(fs, path, OS_CREATE_NEW);
    assert_fails(os_fs_open(fs, path, OS_CREATE_NEW, &again, &err), LSMKV_IO, &err, path);
    assert_null(again);
    assert_ok(os_size(file, &size, &err), &err);
    assert_int_equal(size, 0);
    assert_ok(os_write(file, 0, "01234xxxxx", 10, &err), &err);
    assert_ok(os_write(file, 5, "56789", 5, &err), &err);
    check_reads(file);
    again = open_file(fs, path, OS_WRITE);
    check_reads(again);
    check_map(fs, path);
    check_holes(file);
    assert_ok(os_write(file, 0, "0", 1, &err), &err); /* over what is there: the size stays */
    assert_ok(os_size(again, &size, &err), &err);
    assert_int_equal(size, 500000);
    assert_ok(os_sync(file, &err), &err);
    close_file(file);
    close_file(again);
    again = open_file(fs, path, OS_READ);
    assert_status(os_write(again, 0, "no", 2, &err), LSMKV_IO, &err);
    close_file(again);
    assert_fails(os_read_file(fs, path, 499999, &buf, &err), LSMKV_TOOBIG, &err, "larger than 499999 bytes");
    assert_ok(os_read_file(fs, path, 500000, &buf, &err), &err);
    assert_int_equal(buf.size, 500000);
    lsmkv_buf_release(&buf);
    check_allocate(fs, other);
    lsm_free(path);
    lsm_free(other);
}

void fs_contract_names(struct os_fs *fs, const char *dir)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *a = os_path(dir, "name_a"), *b = os_path(dir, "name_b"), *missing = os_path(dir, "nowhere/x");
    struct os_file *file;
    char bytes[3];

    expect_kind(fs, a, OS_ABSENT, 0);
    expect_kind(fs, missing, OS_ABSENT, 0);
    put_file(fs, a, "aaa");
    put_file(fs, b, "bb");
    expect_kind(fs, a, OS_REGULAR, 3);
    /* Over an existing file, whose openers keep it. */
    file = open_file(fs, b, OS_READ);
    assert_ok(os_fs_rename(fs, a, b, &err), &err);
    expect_kind(fs, a, OS_ABSENT, 0);
    expect_file(fs, b, "aaa");
    assert_ok(os_read(file, 0, bytes, 2, &err), &err);
    assert_memory_equal(bytes, "bb", 2);
    close_file(file);
    assert_status(os_fs_rename(fs, a, b, &err), LSMKV_IO, &err);
    assert_status(os_fs_rename(fs, b, missing, &err), LSMKV_IO, &err);
    /* A removed file stays readable for who has it open. */
    file = open_file(fs, b, OS_READ);
    assert_ok(os_fs_remove(fs, b, &err), &err);
    expect_kind(fs, b, OS_ABSENT, 0);
    assert_ok(os_read(file, 0, bytes, 3, &err), &err);
    assert_memory_equal(bytes, "aaa", 3);
    close_file(file);
    assert_ok(os_fs_remove(fs, b, &err), &err); /* absent is fine */
    put_file(fs, b, "new");
    expect_file(fs, b, "new");
    assert_ok(os_fs_sync_dir(fs, dir, &err), &err);
    lsm_free(a);
    lsm_free(b);
    lsm_free(missing);
}

struct listing {
    unsigned names, wanted;
    unsigned stop_after;
};

static enum lsmkv_status count_name(void *context, const char *name, struct lsmkv_error *err)
{
    struct listing *listing = context;

    listing->names++;
    listing->wanted += strcmp(name, "one") == 0 || strcmp(name, "two") == 0 || strcmp(name, "sub") == 0;
    if (listing->names == listing->stop_after)
        return lsmkv_fail(err, LSMKV_TOOBIG, "stop");
    return LSMKV_OK;
}

void fs_contract_directories(struct os_fs *fs, const char *dir)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *made = os_path(dir, "made"), *one = os_path(dir, "made/one"), *two = os_path(dir, "made/two"),
         *sub = os_path(dir, "made/sub"), *deep = os_path(dir, "made/sub/deep"), *moved = os_path(dir, "moved"),
         *moved_deep = os_path(dir, "moved/sub/deep");
    struct listing listing = {0, 0, 0};
    struct os_file *file = NULL;

    assert_status(os_fs_make_dir(fs, deep, &err), LSMKV_IO, &err);
    assert_status(os_fs_open(fs, one, OS_CREATE_NEW, &file, &err), LSMKV_IO, &err);
    assert_status(os_fs_sync_dir(fs, made, &err), LSMKV_IO, &err);
    assert_status(os_fs_list(fs, made, count_name, &listing, &err), LSMKV_IO, &err);
    assert_ok(os_fs_make_dir(fs, made, &err), &err);
    assert_ok(os_fs_make_dir(fs, made, &err), &err);
    expect_kind(fs, made, OS_DIRECTORY, 0);
    assert_ok(os_fs_make_subdir(fs, sub, &err), &err);
    assert_ok(os_fs_make_subdir(fs, sub, &err), &err);
    put_file(fs, one, "1");
    put_file(fs, two, "2");
    put_file(fs, deep, "deep");
    assert_status(os_fs_make_dir(fs, one, &err), LSMKV_IO, &err);
    assert_ok(os_fs_list(fs, made, count_name, &listing, &err), &err);
    assert_int_equal(listing.names, 3);
    assert_int_equal(listing.wanted, 3);
    listing.names = 0;
    listing.stop_after = 2;
    assert_status(os_fs_list(fs, made, count_name, &listing, &err), LSMKV_TOOBIG, &err);
    assert_int_equal(listing.names, 2);
    /* A directory is no file. */
    assert_status(os_fs_open(fs, sub, OS_READ, &file, &err), LSMKV_CANTOPEN, &err);
    assert_status(os_fs_open(fs, sub, OS_WRITE, &file, &err), LSMKV_CANTOPEN, &err);
    assert_status(os_fs_remove(fs, sub, &err), LSMKV_IO, &err);
    assert_status(os_fs_remove_dir(fs, made, &err), LSMKV_IO, &err);
    assert_status(os_fs_remove_dir(fs, one, &err), LSMKV_IO, &err);
    /* A directory moves with all that is in it. */
    assert_ok(os_fs_rename(fs, made, moved, &err), &err);
    expect_kind(fs, made, OS_ABSENT, 0);
    expect_file(fs, moved_deep, "deep");
    assert_ok(os_fs_remove(fs, moved_deep, &err), &err);
    assert_ok(os_fs_sync_dir(fs, moved, &err), &err);
    lsm_free(one);
    one = os_path(moved, "sub");
    assert_ok(os_fs_remove_dir(fs, one, &err), &err);
    expect_kind(fs, one, OS_ABSENT, 0);
    lsm_free(made);
    lsm_free(one);
    lsm_free(two);
    lsm_free(sub);
    lsm_free(deep);
    lsm_free(moved);
    lsm_free(moved_deep);
}

void fs_contract_locks(struct os_fs *fs, const char *dir)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *path = os_path(dir, "lock"), *other = os_path(dir, "lock2");
    struct os_lock *lock, *second, *refused = NULL;
    enum os_kind kind;

    assert_ok(os_fs_lock(fs, path, &lock, &err), &err);
    assert_ok(os_fs_kind(fs, path, &kind, NULL, &err), &err);
    assert_int_equal(kind, OS_REGULAR);
    assert_fails(os_fs_lock(fs, path, &refused, &err), LSMKV_BUSY, &err, "locked by");
    assert_non_null(strstr(err.message, path));
    assert_null(refused);
    assert_ok(os_fs_lock(fs, other, &second, &err), &err);
    os_fs_unlock(fs, lock);
    assert_ok(os_fs_lock(fs, path, &lock, &err), &err);
    os_fs_unlock(fs, lock);
    os_fs_unlock(fs, second);
    lsm_free(path);
    lsm_free(other);
}

/* ---- Appending while reading ---- */

enum { APPENDS = 400, APPEND_SIZE = 1000 };

struct append_test {
    struct os_file *file;
    _Atomic uint64_t written;
};

static void fill(uint8_t *bytes, uint64_t number)
{
    for (size_t i = 0; i < APPEND_SIZE; i++)
        bytes[i] = (uint8_t)(number * 31 + i);
}

static void append_all(void *context)
{
    struct append_test *test = context;
    uint8_t bytes[APPEND_SIZE];

    for (uint64_t i = 0; i < APPENDS; i++) {
        fill(bytes, i);
        if (os_write(test->file, i * APPEND_SIZE, bytes, APPEND_SIZE, NULL))
            abort();
        atomic_store(&test->written, i + 1);
    }
}

static void read_all(void *context)
{
    struct append_test *test = context;
    uint8_t bytes[APPEND_SIZE], expected[APPEND_SIZE];
    uint64_t random = 1, written;

    do {
        uint64_t number;

        written = atomic_load(&test->written);
        if (!written)
            continue;
        number = test_random(&random) % written;
        fill(expected, number);
        if (os_read(test->file, number * APPEND_SIZE, bytes, APPEND_SIZE, NULL) ||
            memcmp(bytes, expected, APPEND_SIZE) != 0)
            abort();
    } while (written < APPENDS);
}

void fs_contract_append_while_reading(struct os_fs *fs, const char *dir)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *path = os_path(dir, "append");
    struct append_test test = {open_file(fs, path, OS_CREATE_NEW), 0};
    struct thread writer, readers[2];

    assert_ok(thread_start(&readers[0], "reader", read_all, &test, &err), &err);
    assert_ok(thread_start(&readers[1], "reader", read_all, &test, &err), &err);
    assert_ok(thread_start(&writer, "writer", append_all, &test, &err), &err);
    thread_join(&writer);
    thread_join(&readers[0]);
    thread_join(&readers[1]);
    close_file(test.file);
    lsm_free(path);
}
