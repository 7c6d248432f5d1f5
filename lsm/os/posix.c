/*
 * posix.c - the file system of the operating system.
 *
 * Every descriptor is close-on-exec. Files are opened with O_NOFOLLOW (no link in the last component) and O_NONBLOCK
 * (a FIFO must not hang us), then looked at: only regular files pass. New files take owner, group and mode (without x)
 * of their directory, so that a directory that a group shares stays shared.
 *
 * Locks are those of open file descriptions: a second open in the same process is refused as one of another process is,
 * and closing some other descriptor of the file drops nothing. The holder writes its process number into the file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "os/fs.h"

struct posix_file {
    struct os_file base; /* path: owned */
    int fd;
    void *map; /* NULL until the first map() */
    size_t map_size;
};

struct os_lock {
    int fd;
};

/* Turns `error` (an errno) into a status whose message names path and call. */
static enum lsmkv_status fail_errno(struct lsmkv_error *err, const char *path, const char *call, int error)
{
    enum lsmkv_status status = error == ENOSPC || error == EDQUOT ? LSMKV_FULL : LSMKV_IO;
    char buffer[128];

    if (error == ENOMEM)
        status = LSMKV_NOMEM;
    return lsmkv_fail(err, status, "%s: %s: %s (errno %d)", path, call, strerror_r(error, buffer, sizeof(buffer)),
                      error);
}

/* ---- Files ---- */

static enum lsmkv_status file_read(struct os_file *base, uint64_t offset, void *data, size_t size,
                                   struct lsmkv_error *err)
{
    struct posix_file *file = (struct posix_file *)base;
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(file->fd, (uint8_t *)data + done, size - done, (off_t)(offset + done));

        if (got < 0 && errno != EINTR)
            return fail_errno(err, base->path, "read", errno);
        if (got == 0)
            return lsmkv_fail(err, LSMKV_CORRUPT, "%s: short read at offset %" PRIu64, base->path, offset + done);
        if (got > 0)
            done += (size_t)got;
    }
    return LSMKV_OK;
}

static enum lsmkv_status file_write(struct os_file *base, uint64_t offset, const void *data, size_t size,
                                    struct lsmkv_error *err)
{
    struct posix_file *file = (struct posix_file *)base;
    size_t done = 0;

    while (done < size) {
        ssize_t put = pwrite(file->fd, (const uint8_t *)data + done, size - done, (off_t)(offset + done));

        if (put < 0 && errno != EINTR)
            return fail_errno(err, base->path, "write", errno);
        if (put == 0)
            return lsmkv_fail(err, LSMKV_IO, "%s: write: nothing written at offset %" PRIu64, base->path,
                              offset + done);
        if (put > 0)
            done += (size_t)put;
    }
    return LSMKV_OK;
}

static enum lsmkv_status file_sync(struct os_file *base, struct lsmkv_error *err)
{
    struct posix_file *file = (struct posix_file *)base;
    int failed;

    do {
        failed = fdatasync(file->fd);
    } while (failed && errno == EINTR);
    return failed ? fail_errno(err, base->path, "fdatasync", errno) : LSMKV_OK;
}

static enum lsmkv_status file_size(struct os_file *base, uint64_t *size, struct lsmkv_error *err)
{
    struct posix_file *file = (struct posix_file *)base;
    struct stat st;

    if (fstat(file->fd, &st))
        return fail_errno(err, base->path, "fstat", errno);
    *size = (uint64_t)st.st_size;
    return LSMKV_OK;
}

static enum lsmkv_status file_allocate(struct os_file *base, uint64_t size, struct lsmkv_error *err)
{
    struct posix_file *file = (struct posix_file *)base;
    enum lsmkv_status status;
    uint64_t present;
    int error;

    status = file_size(base, &present, err);
    if (status || size == 0)
        return status;
    do {
        error = fallocate(file->fd, 0, 0, (off_t)size) ? errno : 0;
    } while (error == EINTR);
    if (!error)
        return LSMKV_OK;
    if (error != EOPNOTSUPP && error != ENOSYS && error != EINVAL) {
        /* Some file systems keep what they could reserve, and with it the last free block of the disk. */
        (void)!ftruncate(file->fd, (off_t)present);
        return fail_errno(err, base->path, "fallocate", error);
    }
    /* The file system cannot reserve. Extending still spares the sync of a new size with each append. */
    if (present < size && ftruncate(file->fd, (off_t)size))
        return fail_errno(err, base->path, "ftruncate", errno);
    return LSMKV_OK;
}

static enum lsmkv_status file_map(struct os_file *base, uint64_t size, const uint8_t **map, struct lsmkv_error *err)
{
    struct posix_file *file = (struct posix_file *)base;
    enum lsmkv_status status;
    uint64_t present;
    void *at;

    *map = NULL;
    if (file->map) {
        if (size <= file->map_size)
            *map = file->map;
        return LSMKV_OK;
    }
    if (size == 0 || size > SIZE_MAX)
        return LSMKV_OK;
    /* Touching a page past the end of the file would kill the process. */
    status = file_size(base, &present, err);
    if (status)
        return status;
    if (present < size)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: %" PRIu64 " bytes, %" PRIu64 " expected", base->path, present, size);
    at = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, file->fd, 0);
    if (at == MAP_FAILED)
        return LSMKV_OK; /* address space, map count, file system: positioned reads do as well */
    file->map = at;
    file->map_size = (size_t)size;
    *map = at;
    return LSMKV_OK;
}

static void file_forget(struct os_file *base, uint64_t offset, uint64_t size)
{
    struct posix_file *file = (struct posix_file *)base;

    (void)posix_fadvise(file->fd, (off_t)offset, (off_t)size, POSIX_FADV_DONTNEED);
}

static enum lsmkv_status file_close(struct os_file *base, struct lsmkv_error *err)
{
    struct posix_file *file = (struct posix_file *)base;
    enum lsmkv_status status = LSMKV_OK;

    if (file->map)
        munmap(file->map, file->map_size);
    /* After EINTR the descriptor is gone all the same. */
    if (close(file->fd) && errno != EINTR)
        status = fail_errno(err, base->path, "close", errno);
    lsm_free((char *)base->path);
    lsm_free(file);
    return status;
}

static const struct os_file_ops file_ops = {
    .read = file_read,
    .write = file_write,
    .sync = file_sync,
    .size = file_size,
    .allocate = file_allocate,
    .map = file_map,
    .forget = file_forget,
    .close = file_close,
};

/* ---- Opening ---- */

#define OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

/* The directory part of `path` in a new string ("." if there is none); NULL on failure. */
static char *parent_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent;

    if (!slash)
        return lsm_strdup(".");
    if (slash == path)
        return lsm_strdup("/");
    parent = lsm_strdup(path);
    if (parent)
        parent[slash - path] = '\0';
    return parent;
}

/*
 * Gives what `fd` refers to owner, group and mode of `parent`, as far as this process may: only root changes owners, and
 * what could not get the group does not get the group's permissions either.
 */
static enum lsmkv_status follow_parent(int fd, const char *path, mode_t mask, struct lsmkv_error *err)
{
    struct stat dir, st;
    char *parent = parent_path(path);
    mode_t mode;
    int failed;

    if (!parent)
        return lsmkv_fail_nomem(err);
    failed = stat(parent, &dir) || fstat(fd, &st) ? errno : 0;
    lsm_free(parent);
    if (failed)
        return fail_errno(err, path, "stat", failed);
    mode = dir.st_mode & mask;
    if (dir.st_gid != st.st_gid && fchown(fd, (uid_t)-1, dir.st_gid))
        mode &= ~(mode_t)S_IRWXG;
    if (dir.st_uid != st.st_uid && geteuid() == 0 && fchown(fd, dir.st_uid, (gid_t)-1))
        return fail_errno(err, path, "fchown", errno);
    if (mode != (st.st_mode & 07777) && fchmod(fd, mode))
        return fail_errno(err, path, "fchmod", errno);
    return LSMKV_OK;
}

/* A regular file or a failure. A file made here is removed again when it cannot be given its mode. */
static enum lsmkv_status open_regular(const char *path, int flags, bool follow, int *fd, struct lsmkv_error *err)
{
    enum lsmkv_status status;
    struct stat st;
    int opened;

    do {
        opened = open(path, flags | OPEN_FLAGS, 0600);
    } while (opened < 0 && errno == EINTR);
    if (opened < 0) {
        if (errno == ELOOP)
            return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: is a symbolic link", path);
        if (errno == EISDIR || errno == ENXIO || errno == ENODEV)
            return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: is not a regular file", path);
        return fail_errno(err, path, "open", errno);
    }
    if (fstat(opened, &st))
        status = fail_errno(err, path, "fstat", errno);
    else if (!S_ISREG(st.st_mode))
        status = lsmkv_fail(err, LSMKV_CANTOPEN, "%s: is not a regular file", path);
    else
        status = follow ? follow_parent(opened, path, 0666, err) : LSMKV_OK;
    if (status) {
        close(opened);
        if (follow)
            unlink(path);
        return status;
    }
    *fd = opened;
    return LSMKV_OK;
}

static enum lsmkv_status fs_open(struct os_fs *fs, const char *path, enum os_open_mode mode, struct os_file **file,
                                 struct lsmkv_error *err)
{
    int flags = mode == OS_READ ? O_RDONLY : mode == OS_WRITE ? O_RDWR : O_RDWR | O_CREAT | O_EXCL;
    struct posix_file *opened = lsm_calloc(1, sizeof(*opened));
    char *copy = lsm_strdup(path);
    enum lsmkv_status status;

    (void)fs;
    if (opened && copy)
        status = open_regular(path, flags, mode == OS_CREATE_NEW, &opened->fd, err);
    else
        status = lsmkv_fail_nomem(err);
    if (status) {
        lsm_free(copy);
        lsm_free(opened);
        return status;
    }
    opened->base.ops = &file_ops;
    opened->base.path = copy;
    *file = &opened->base;
    return LSMKV_OK;
}

/* ---- Names ---- */

static enum lsmkv_status fs_rename(struct os_fs *fs, const char *from, const char *to, struct lsmkv_error *err)
{
    (void)fs;
    return rename(from, to) ? fail_errno(err, to, "rename", errno) : LSMKV_OK;
}

static enum lsmkv_status fs_remove(struct os_fs *fs, const char *path, struct lsmkv_error *err)
{
    (void)fs;
    return unlink(path) && errno != ENOENT ? fail_errno(err, path, "unlink", errno) : LSMKV_OK;
}

static enum lsmkv_status fs_kind(struct os_fs *fs, const char *path, enum os_kind *kind, uint64_t *size,
                                 struct lsmkv_error *err)
{
    struct stat st, target;

    (void)fs;
    if (size)
        *size = 0;
    if (lstat(path, &st)) {
        if (errno != ENOENT && errno != ENOTDIR)
            return fail_errno(err, path, "lstat", errno);
        *kind = OS_ABSENT;
        return LSMKV_OK;
    }
    *kind = S_ISREG(st.st_mode) ? OS_REGULAR : S_ISDIR(st.st_mode) ? OS_DIRECTORY : OS_OTHER;
    if (S_ISLNK(st.st_mode) && stat(path, &target) == 0 && S_ISDIR(target.st_mode))
        *kind = OS_DIRECTORY;
    if (size && *kind == OS_REGULAR)
        *size = (uint64_t)st.st_size;
    return LSMKV_OK;
}

/* `made` tells a new directory from one that was there. */
static enum lsmkv_status make_private_dir(const char *path, bool *made, struct lsmkv_error *err)
{
    struct stat st;

    *made = mkdir(path, 0700) == 0;
    if (*made)
        return LSMKV_OK;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return LSMKV_OK;
    return fail_errno(err, path, "mkdir", errno);
}

static enum lsmkv_status fs_make_dir(struct os_fs *fs, const char *path, struct lsmkv_error *err)
{
    bool made;

    (void)fs;
    return make_private_dir(path, &made, err);
}

static enum lsmkv_status fs_make_subdir(struct os_fs *fs, const char *path, struct lsmkv_error *err)
{
    enum lsmkv_status status;
    bool made;
    int fd;

    (void)fs;
    status = make_private_dir(path, &made, err);
    if (status || !made)
        return status;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fail_errno(err, path, "open", errno);
    status = follow_parent(fd, path, 07777, err);
    close(fd);
    if (status)
        rmdir(path);
    return status;
}

static enum lsmkv_status fs_remove_dir(struct os_fs *fs, const char *path, struct lsmkv_error *err)
{
    (void)fs;
    return rmdir(path) ? fail_errno(err, path, "rmdir", errno) : LSMKV_OK;
}

static enum lsmkv_status fs_sync_dir(struct os_fs *fs, const char *path, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;
    int fd, failed;

    (void)fs;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, path, "open", errno);
    do {
        failed = fsync(fd);
    } while (failed && errno == EINTR);
    /* EINVAL: this file system keeps its directories in order by itself and knows no such call. */
    if (failed && errno != EINVAL)
        status = fail_errno(err, path, "fsync", errno);
    close(fd);
    return status;
}

static enum lsmkv_status fs_list(struct os_fs *fs, const char *path,
                                 enum lsmkv_status (*visit)(void *context, const char *name, struct lsmkv_error *err),
                                 void *context, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;
    struct dirent *entry;
    DIR *dir;
    int fd;

    (void)fs;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        status = fail_errno(err, path, "opendir", errno);
        if (fd >= 0)
            close(fd);
        return status;
    }
    while (!status) {
        errno = 0;
        entry = readdir(dir);
        if (!entry) {
            if (errno)
                status = fail_errno(err, path, "readdir", errno);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = visit(context, entry->d_name, err);
    }
    closedir(dir);
    return status;
}

/* ---- The lock ---- */

/* The process number that the holder wrote, 0 if there is none to read. */
static long read_holder(int fd)
{
    char text[24];
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

    if (size <= 0)
        return 0;
    text[size] = '\0';
    return strtol(text, NULL, 10);
}

/*
 * Whether `path` still names the file of `fd`. Who removes a store removes its lock's file: a lock of that excludes nobody
 * who makes the store anew.
 */
static bool is_at(int fd, const char *path)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

static enum lsmkv_status take_lock(int fd, const char *path, struct lsmkv_error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[24];
    long holder;
    int size;

    if (fcntl(fd, F_OFD_SETLK, &whole)) {
        if (errno != EAGAIN && errno != EACCES)
            return fail_errno(err, path, "lock", errno);
        holder = read_holder(fd);
        if (holder > 0)
            return lsmkv_fail(err, LSMKV_BUSY, "%s: locked by process %ld", path, holder);
        return lsmkv_fail(err, LSMKV_BUSY, "%s: locked by another process", path);
    }
    if (!is_at(fd, path))
        return lsmkv_fail(err, LSMKV_BUSY, "%s: removed by another process", path);
    /* For messages only. A full disk must not keep a store from being opened, so failures do not count. */
    size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)size, 0) != size)
        (void)!ftruncate(fd, 0);
    return LSMKV_OK;
}

static enum lsmkv_status fs_lock(struct os_fs *fs, const char *path, struct os_lock **lock, struct lsmkv_error *err)
{
    struct os_lock *taken = lsm_alloc(sizeof(*taken));
    enum lsmkv_status status = LSMKV_IO;
    int fd;

    (void)fs;
    if (!taken)
        return lsmkv_fail_nomem(err);
    /* Whoever makes the file gives it its mode; whoever finds it, or comes second in the making, takes it as it is. */
    if (access(path, F_OK) != 0)
        status = open_regular(path, O_RDWR | O_CREAT | O_EXCL, true, &fd, err);
    if (status && access(path, F_OK) == 0)
        status = open_regular(path, O_RDWR, false, &fd, err);
    if (status) {
        lsm_free(taken);
        return status;
    }
    status = take_lock(fd, path, err);
    if (status) {
        close(fd);
        lsm_free(taken);
        return status;
    }
    taken->fd = fd;
    *lock = taken;
    return LSMKV_OK;
}

static void fs_unlock(struct os_fs *fs, struct os_lock *lock)
{
    struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    (void)fs;
    /* A child that has inherited the descriptor keeps it open: closing ours alone would not free the lock. */
    fcntl(lock->fd, F_OFD_SETLK, &whole);
    close(lock->fd);
    lsm_free(lock);
}

static const struct os_fs_ops fs_ops = {
    .open = fs_open,
    .rename = fs_rename,
    .remove = fs_remove,
    .kind = fs_kind,
    .make_dir = fs_make_dir,
    .make_subdir = fs_make_subdir,
    .remove_dir = fs_remove_dir,
    .sync_dir = fs_sync_dir,
    .list = fs_list,
    .lock = fs_lock,
    .unlock = fs_unlock,
};

struct os_fs *os_posix_fs(void)
{
    static struct os_fs fs = {&fs_ops};

    return &fs;
}
