/*
 * test_posix_fs.c - the file system of the operating system.
 */
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lsm/base/alloc.h"
#include "lsm/base/error.h"
#include "lsm/os/fs.h"
#include "support/fs_contract.h"

struct remover {
    char *path;
    _Atomic bool stop;
};

static void keeps_the_contract_of_files(void **state)
{
    (void)state;
    fs_contract_files(os_posix_fs(), test_dir());
}

static void keeps_the_contract_of_names(void **state)
{
    (void)state;
    fs_contract_names(os_posix_fs(), test_dir());
}

static void keeps_the_contract_of_directories(void **state)
{
    (void)state;
    fs_contract_directories(os_posix_fs(), test_dir());
}

static void keeps_the_contract_of_locks(void **state)
{
    (void)state;
    fs_contract_locks(os_posix_fs(), test_dir());
}

static void appends_while_reading(void **state)
{
    (void)state;
    fs_contract_append_while_reading(os_posix_fs(), test_dir());
}

static void expect_refused(const char *path, const char *why)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file = NULL;
    struct os_lock *lock = NULL;

    assert_fails(os_fs_open(os_posix_fs(), path, OS_READ, &file, &err), LSMKV_CANTOPEN, &err, why);
    assert_fails(os_fs_open(os_posix_fs(), path, OS_WRITE, &file, &err), LSMKV_CANTOPEN, &err, why);
    assert_fails(os_fs_lock(os_posix_fs(), path, &lock, &err), LSMKV_CANTOPEN, &err, why);
    assert_null(file);
    assert_null(lock);
}

static void symbolic_link_is_refused(void **state)
{
    char *target = os_path(test_dir(), "target"), *path = os_path(test_dir(), "link");
    struct os_file *file;
    struct lsmkv_error err;

    (void)state;
    assert_ok(os_fs_open(os_posix_fs(), target, OS_CREATE_NEW, &file, &err), &err);
    assert_ok(os_close(file, &err), &err);
    assert_int_equal(symlink(target, path), 0);
    expect_refused(path, "symbolic link");
    /* Nor is a file made through one. */
    assert_status(os_fs_open(os_posix_fs(), path, OS_CREATE_NEW, &file, &err), LSMKV_IO, &err);
    lsm_free(target);
    lsm_free(path);
}

/* Without O_NONBLOCK the open would wait for a writer for ever. */
static void fifo_is_refused_without_waiting(void **state)
{
    char *path = os_path(test_dir(), "fifo");

    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refused(path, "not a regular file");
    lsm_free(path);
}

static void device_is_refused(void **state)
{
    (void)state;
    expect_refused("/dev/null", "not a regular file");
}

static void link_to_directory_is_a_directory(void **state)
{
    const char *dir = test_dir();
    char *to_dir = os_path(dir, "to_dir"), *to_none = os_path(dir, "to_none"), *to_file = os_path(dir, "to_file");
    struct lsmkv_error err;
    enum os_kind kind;

    (void)state;
    assert_int_equal(symlink(dir, to_dir), 0);
    assert_int_equal(symlink("/nowhere/at/all", to_none), 0);
    assert_int_equal(symlink("/etc/passwd", to_file), 0);
    assert_ok(os_fs_kind(os_posix_fs(), to_dir, &kind, NULL, &err), &err);
    assert_int_equal(kind, OS_DIRECTORY);
    assert_ok(os_fs_kind(os_posix_fs(), to_none, &kind, NULL, &err), &err);
    assert_int_equal(kind, OS_OTHER);
    assert_ok(os_fs_kind(os_posix_fs(), to_file, &kind, NULL, &err), &err);
    assert_int_equal(kind, OS_OTHER);
    lsm_free(to_dir);
    lsm_free(to_none);
    lsm_free(to_file);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void expect_modes(mode_t dir_mode, mode_t file_mode)
{
    const char *dir = test_dir();
    char *file_path = os_path(dir, "file"), *sub = os_path(dir, "sub"), *in_sub = os_path(dir, "sub/file"),
         *lock_path = os_path(dir, "lock"), *own = os_path(dir, "own");
    struct os_fs *fs = os_posix_fs();
    struct lsmkv_error err;
    struct os_file *file;
    struct os_lock *lock;
    mode_t mask = umask(022);

    assert_int_equal(chmod(dir, dir_mode), 0);
    assert_ok(os_fs_open(fs, file_path, OS_CREATE_NEW, &file, &err), &err);
    assert_ok(os_close(file, &err), &err);
    assert_ok(os_fs_make_subdir(fs, sub, &err), &err);
    assert_ok(os_fs_open(fs, in_sub, OS_CREATE_NEW, &file, &err), &err);
    assert_ok(os_close(file, &err), &err);
    assert_ok(os_fs_lock(fs, lock_path, &lock, &err), &err);
    os_fs_unlock(fs, lock);
    assert_ok(os_fs_make_dir(fs, own, &err), &err);
    assert_int_equal(mode_of(file_path), file_mode);
    assert_int_equal(mode_of(sub), dir_mode);
    assert_int_equal(mode_of(in_sub), file_mode);
    assert_int_equal(mode_of(lock_path), file_mode);
    assert_int_equal(mode_of(own), 0700);
    umask(mask);
    lsm_free(file_path);
    lsm_free(sub);
    lsm_free(in_sub);
    lsm_free(lock_path);
    lsm_free(own);
}

static void files_are_private_in_a_private_directory(void **state)
{
    (void)state;
    expect_modes(0700, 0600);
}

static void files_follow_the_mode_of_a_shared_directory(void **state)
{
    (void)state;
    expect_modes(0770, 0660);
    expect_modes(0755, 0644);
}

static void files_follow_owner_and_group_of_their_directory(void **state)
{
    const char *dir = test_dir();
    char *path = os_path(dir, "file");
    struct lsmkv_error err;
    struct os_file *file;
    struct stat st;

    (void)state;
    if (geteuid() != 0) {
        lsm_free(path);
        skip();
    }
    assert_int_equal(chown(dir, 1234, 4321), 0);
    assert_ok(os_fs_open(os_posix_fs(), path, OS_CREATE_NEW, &file, &err), &err);
    assert_ok(os_close(file, &err), &err);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_gid, 4321);
    lsm_free(path);
}

static void map_of_a_short_file_is_corrupt(void **state)
{
    char *path = os_path(test_dir(), "file");
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    const uint8_t *map = NULL, *again = NULL;
    struct os_file *file;

    (void)state;
    assert_ok(os_fs_open(os_posix_fs(), path, OS_CREATE_NEW, &file, &err), &err);
    assert_ok(os_write(file, 0, "0123456789", 10, &err), &err);
    assert_fails(os_map(file, 11, &map, &err), LSMKV_CORRUPT, &err, "10 bytes, 11 expected");
    assert_ok(os_map(file, 10, &map, &err), &err);
    assert_non_null(map);
    assert_memory_equal(map, "0123456789", 10);
    assert_ok(os_map(file, 5, &again, &err), &err);
    assert_ptr_equal(again, map);
    /* It stays when the name is gone. */
    assert_ok(os_fs_remove(os_posix_fs(), path, &err), &err);
    assert_memory_equal(map, "0123456789", 10);
    assert_ok(os_close(file, &err), &err);
    lsm_free(path);
}

static void descriptors_are_close_on_exec(void **state)
{
    const char *dir = test_dir();
    char *path = os_path(dir, "file"), *lock_path = os_path(dir, "lock");
    int before = open("/dev/null", O_RDONLY), flags;
    struct lsmkv_error err;
    struct os_file *file;
    struct os_lock *lock;

    (void)state;
    close(before);
    assert_ok(os_fs_open(os_posix_fs(), path, OS_CREATE_NEW, &file, &err), &err);
    assert_ok(os_fs_lock(os_posix_fs(), lock_path, &lock, &err), &err);
    for (int fd = before; fd < before + 2; fd++) {
        flags = fcntl(fd, F_GETFD);
        assert_true(flags >= 0 && (flags & FD_CLOEXEC));
    }
    os_fs_unlock(os_posix_fs(), lock);
    assert_ok(os_close(file, &err), &err);
    /* And all are closed: the same number is handed out again. */
    flags = open("/dev/null", O_RDONLY);
    assert_int_equal(flags, before);
    close(flags);
    lsm_free(path);
    lsm_free(lock_path);
}

/* In a child: 0 if the lock is refused by the parent's name, 1 otherwise. */
static int try_lock_in_child(const char *path, pid_t holder)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_lock *lock;
    char expected[64];

    snprintf(expected, sizeof(expected), "locked by process %ld", (long)holder);
    return os_fs_lock(os_posix_fs(), path, &lock, &err) == LSMKV_BUSY && strstr(err.message, expected) ? 0 : 1;
}

static void lock_names_the_process_that_holds_it(void **state)
{
    char *path = os_path(test_dir(), "lock");
    pid_t parent = getpid(), child;
    struct lsmkv_error err;
    struct os_lock *lock;
    int result;

    (void)state;
    assert_ok(os_fs_lock(os_posix_fs(), path, &lock, &err), &err);
    child = fork();
    if (child == 0)
        _exit(try_lock_in_child(path, parent));
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    os_fs_unlock(os_posix_fs(), lock);
    lsm_free(path);
}

/* Takes and removes the lock's file again and again, as who destroys a store does. */
static void *remove_locks(void *argument)
{
    struct remover *remover = argument;
    struct os_fs *fs = os_posix_fs();

    while (!atomic_load(&remover->stop)) {
        struct os_lock *lock;

        if (os_fs_lock(fs, remover->path, &lock, NULL))
            continue;
        (void)os_fs_remove(fs, remover->path, NULL);
        os_fs_unlock(fs, lock);
    }
    return NULL;
}

/* Two who hold locks of two files of one name would both take the store for theirs. */
static void lock_of_a_file_that_was_removed_is_worth_nothing(void **state)
{
    struct remover remover = {.path = os_path(test_dir(), "lock")};
    struct os_fs *fs = os_posix_fs();
    size_t rounds = test_scaled(6000);
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, remove_locks, &remover), 0);
    for (size_t i = 0; i < rounds; i++) {
        struct os_lock *lock, *second;

        if (os_fs_lock(fs, remover.path, &lock, NULL))
            continue;
        assert_int_equal(os_fs_lock(fs, remover.path, &second, NULL), LSMKV_BUSY);
        os_fs_unlock(fs, lock);
    }
    atomic_store(&remover.stop, true);
    pthread_join(thread, NULL);
    lsm_free(remover.path);
}

/* A child keeps the descriptor that it inherited; unlock must free the lock all the same. */
static void unlock_frees_the_lock_while_a_child_lives(void **state)
{
    char *path = os_path(test_dir(), "lock");
    struct lsmkv_error err;
    struct os_lock *lock;
    int pipes[2];
    pid_t child;
    char byte;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_ok(os_fs_lock(os_posix_fs(), path, &lock, &err), &err);
    child = fork();
    if (child == 0) {
        close(pipes[1]);
        _exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1); /* until the parent is done */
    }
    os_fs_unlock(os_posix_fs(), lock);
    assert_ok(os_fs_lock(os_posix_fs(), path, &lock, &err), &err);
    os_fs_unlock(os_posix_fs(), lock);
    close(pipes[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(pipes[0]);
    lsm_free(path);
}

/* In a child with a file system of its own, of 1 MB: 0 if all is well, 77 if this machine forbids such, 1 otherwise. */
static int fill_small_device(const char *dir)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    char *path = os_path(dir, "file"), *second = os_path(dir, "second");
    struct os_file *file, *other;
    uint8_t block[65536] = {1};
    enum lsmkv_status status;
    uint64_t size = 0, at;

    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", dir, "tmpfs", 0, "size=1m"))
        return 77;
    if (os_fs_open(os_posix_fs(), path, OS_CREATE_NEW, &file, &err) || os_write(file, 0, "kept", 4, &err))
        return 1;
    /* A reservation that fails keeps nothing: neither size nor space. */
    if (os_allocate(file, 8 << 20, &err) != LSMKV_FULL || !strstr(err.message, "No space left"))
        return 1;
    if (os_size(file, &size, &err) || size != 4 || os_allocate(file, 512 << 10, &err))
        return 1;
    if (os_fs_open(os_posix_fs(), second, OS_CREATE_NEW, &other, &err))
        return 1;
    for (at = 0, status = LSMKV_OK; !status && at < 4 << 20; at += sizeof(block))
        status = os_write(other, at, block, sizeof(block), &err);
    return status == LSMKV_FULL && strstr(err.message, second) ? 0 : 1;
}

static void full_device_is_full(void **state)
{
    const char *dir = test_dir();
    pid_t child = fork();
    int result = -1;

    (void)state;
    if (child == 0)
        _exit(fill_small_device(dir));
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void failures_name_path_and_errno(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file;

    (void)state;
    assert_fails(os_fs_open(os_posix_fs(), "/nowhere/file", OS_READ, &file, &err), LSMKV_IO, &err, "/nowhere/file");
    assert_non_null(strstr(err.message, "No such file or directory (errno 2)"));
}

static void opening_survives_every_failed_allocation(void **state)
{
    char *path = os_path(test_dir(), "file");
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file = NULL;
    enum lsmkv_status status = LSMKV_NOMEM;
    uint64_t n;

    (void)state;
    for (n = 1; status; n++) {
        lsm_alloc_fail_at(n, false);
        status = os_fs_open(os_posix_fs(), path, OS_CREATE_NEW, &file, &err);
        lsm_alloc_fail_at(0, false);
        if (status)
            assert_status(status, LSMKV_NOMEM, &err);
    }
    assert_true(n > 3);
    assert_ok(os_close(file, &err), &err);
    lsm_free(path);
}

static void paths_join_with_one_slash(void **state)
{
    static const char *const dirs[] = {"a", "a/", ""};
    static const char *const expected[] = {"a/sst/000007.sst", "a/sst/000007.sst", "/sst/000007.sst"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *path = os_path(dirs[i], "sst/%06d.sst", 7);

        assert_string_equal(path, expected[i]);
        lsm_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_contract_of_files),
        cmocka_unit_test(keeps_the_contract_of_names),
        cmocka_unit_test(keeps_the_contract_of_directories),
        cmocka_unit_test(keeps_the_contract_of_locks),
        cmocka_unit_test(appends_while_reading),
        cmocka_unit_test(symbolic_link_is_refused),
        cmocka_unit_test(fifo_is_refused_without_waiting),
        cmocka_unit_test(device_is_refused),
        cmocka_unit_test(link_to_directory_is_a_directory),
        cmocka_unit_test(files_are_private_in_a_private_directory),
        cmocka_unit_test(files_follow_the_mode_of_a_shared_directory),
        cmocka_unit_test(files_follow_owner_and_group_of_their_directory),
        cmocka_unit_test(map_of_a_short_file_is_corrupt),
        cmocka_unit_test(descriptors_are_close_on_exec),
        cmocka_unit_test(lock_names_the_process_that_holds_it),
        cmocka_unit_test(lock_of_a_file_that_was_removed_is_worth_nothing),
        cmocka_unit_test(unlock_frees_the_lock_while_a_child_lives),
        cmocka_unit_test(full_device_is_full),
        cmocka_unit_test(failures_name_path_and_errno),
        cmocka_unit_test(opening_survives_every_failed_allocation),
        cmocka_unit_test(paths_join_with_one_slash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
