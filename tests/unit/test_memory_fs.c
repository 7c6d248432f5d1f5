/*
 * test_memory_fs.c - the file system in memory.
 */
#include "support/test.h"

#include <string.h>

#include "lsm/base/alloc.h"
#include "lsm/base/error.h"
#include "lsm/os/fs.h"
#include "support/fs_contract.h"

static int new_fs(void **state)
{
    *state = os_memory_fs_new();
    return *state ? 0 : -1;
}

static int free_fs(void **state)
{
    os_memory_fs_free(*state);
    return 0;
}

static const char *new_dir(struct os_fs *fs)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(os_fs_make_dir(fs, ":memory:", &err), &err);
    return ":memory:";
}

static void keeps_the_contract_of_files(void **state)
{
    fs_contract_files(*state, new_dir(*state));
}

static void keeps_the_contract_of_names(void **state)
{
    fs_contract_names(*state, new_dir(*state));
}

static void keeps_the_contract_of_directories(void **state)
{
    fs_contract_directories(*state, new_dir(*state));
}

static void keeps_the_contract_of_locks(void **state)
{
    fs_contract_locks(*state, new_dir(*state));
}

static void appends_while_reading(void **state)
{
    fs_contract_append_while_reading(*state, new_dir(*state));
}

static void paths_with_more_slashes_are_the_same_file(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file;
    enum os_kind kind;

    assert_ok(os_fs_make_dir((struct os_fs *)*state, "/dir/", &err), &err);
    assert_ok(os_fs_open((struct os_fs *)*state, "/dir//file", OS_CREATE_NEW, &file, &err), &err);
    assert_ok(os_close(file, &err), &err);
    assert_ok(os_fs_kind((struct os_fs *)*state, "/dir/file", &kind, NULL, &err), &err);
    assert_int_equal(kind, OS_REGULAR);
    assert_ok(os_fs_kind((struct os_fs *)*state, "//dir", &kind, NULL, &err), &err);
    assert_int_equal(kind, OS_DIRECTORY);
}

/* A log segment of 64 MB is reserved at once and mostly never written. */
static void reserving_takes_no_memory_for_the_bytes(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file;
    char bytes[4];

    assert_ok(os_fs_open((struct os_fs *)*state, "file", OS_CREATE_NEW, &file, &err), &err);
    lsm_alloc_fail_at(0, false);
    assert_ok(os_allocate(file, 64 << 20, &err), &err);
    assert_ok(os_read(file, (64 << 20) - 4, bytes, 4, &err), &err);
    assert_memory_equal(bytes, "\0\0\0\0", 4);
    assert_int_equal(lsm_alloc_count(), 1); /* the table of chunks */
    assert_ok(os_close(file, &err), &err);
}

static enum lsmkv_status remove_name(void *context, const char *name, struct lsmkv_error *err)
{
    char *path = os_path("dir", "%s", name);
    enum lsmkv_status status = os_fs_remove((struct os_fs *)context, path, err);

    lsm_free(path);
    return status;
}

static void directory_may_change_while_it_is_listed(void **state)
{
    struct os_fs *fs = *state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file;

    assert_ok(os_fs_make_dir(fs, "dir", &err), &err);
    for (int i = 0; i < 10; i++) {
        char *path = os_path("dir", "%d", i);

        assert_ok(os_fs_open(fs, path, OS_CREATE_NEW, &file, &err), &err);
        assert_ok(os_close(file, &err), &err);
        lsm_free(path);
    }
    assert_ok(os_fs_list(fs, "dir", remove_name, fs, &err), &err);
    assert_ok(os_fs_remove_dir(fs, "dir", &err), &err);
}

/* A few calls of every kind; each must either work or report NOMEM and change nothing that stops the next try. */
static enum lsmkv_status do_everything(struct os_fs *fs, struct lsmkv_error *err)
{
    struct os_file *file = NULL;
    struct os_lock *lock;
    enum lsmkv_status status;

    status = os_fs_make_dir(fs, "d", err);
    if (!status)
        status = os_fs_lock(fs, "d/lock", &lock, err);
    if (status)
        return status;
    os_fs_unlock(fs, lock);
    status = os_fs_remove(fs, "d/a", err);
    if (!status)
        status = os_fs_remove(fs, "e/a", err);
    if (!status)
        status = os_fs_open(fs, "d/a", OS_CREATE_NEW, &file, err);
    if (status)
        return status;
    status = os_write(file, 100000, "x", 1, err);
    if (!status)
        status = os_allocate(file, 1 << 20, err);
    (void)!os_close(file, NULL);
    if (!status)
        status = os_fs_rename(fs, "d", "e", err);
    if (!status)
        status = os_fs_rename(fs, "e", "d", err);
    if (!status)
        status = os_fs_sync_dir(fs, "d", err);
    return status;
}

static void every_failed_allocation_is_reported_and_harmless(void **state)
{
    enum lsmkv_status status = LSMKV_NOMEM;
    uint64_t n;

    (void)state;
    for (n = 1; status; n++) {
        struct lsmkv_error err = LSMKV_ERROR_INIT;
        struct os_fs *fs = os_memory_fs_new();
        enum lsmkv_status healed;
        enum os_kind kind;

        lsm_alloc_fail_at(n, false);
        status = do_everything(fs, &err);
        lsm_alloc_fail_at(0, false);
        if (status)
            assert_status(status, LSMKV_NOMEM, &err);
        assert_ok(os_fs_kind(fs, "e", &kind, NULL, &err), &err);
        if (kind == OS_DIRECTORY)
            assert_ok(os_fs_rename(fs, "e", "d", &err), &err);
        healed = do_everything(fs, &err);
        assert_ok(healed, &err);
        os_memory_fs_free(fs);
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_the_contract_of_files, new_fs, free_fs),
        cmocka_unit_test_setup_teardown(keeps_the_contract_of_names, new_fs, free_fs),
        cmocka_unit_test_setup_teardown(keeps_the_contract_of_directories, new_fs, free_fs),
        cmocka_unit_test_setup_teardown(keeps_the_contract_of_locks, new_fs, free_fs),
        cmocka_unit_test_setup_teardown(appends_while_reading, new_fs, free_fs),
        cmocka_unit_test_setup_teardown(paths_with_more_slashes_are_the_same_file, new_fs, free_fs),
        cmocka_unit_test_setup_teardown(reserving_takes_no_memory_for_the_bytes, new_fs, free_fs),
        cmocka_unit_test_setup_teardown(directory_may_change_while_it_is_listed, new_fs, free_fs),
        cmocka_unit_test(every_failed_allocation_is_reported_and_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
