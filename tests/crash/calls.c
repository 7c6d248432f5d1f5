#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool armed;           /* calls_die_at() was called */
static unsigned long die_at; /* 0: never */
static atomic_ulong calls;   /* since then */
static const char *_Atomic failing;

void calls_die_at(unsigned long n)
{
    atomic_store(&calls, 0);
    die_at = n;
    armed = true;
}

void calls_fail(const char *suffix)
{
    atomic_store(&failing, suffix);
}

/* True in the call in which the process is to die. */
static bool is_last_call(void)
{
    return armed && atomic_fetch_add(&calls, 1) + 1 == die_at;
}

static void count_call(void)
{
    if (is_last_call())
        _exit(CALLS_DIED);
}

static bool is_file(int fd)
{
    struct stat about;

    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

static bool fails(int fd)
{
    const char *suffix = atomic_load(&failing);
    char link[64], path[1024];
    ssize_t size;

    if (!suffix)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof(path));
    return size >= (ssize_t)strlen(suffix) && memcmp(path + size - strlen(suffix), suffix, strlen(suffix)) == 0;
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t offset)
{
    if (fails(fd)) {
        errno = EIO;
        return -1;
    }
    if (is_file(fd) && is_last_call()) {
        if (die_at % 2)
            syscall(SYS_pwrite64, fd, data, size / 2, offset);
        _exit(CALLS_DIED);
    }
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

/* ---- Instead of the C library's ---- */

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return write_at(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return write_at(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (armed && is_file(fd))
        count_call();
    return syscall(SYS_write, fd, data, size);
}

int ftruncate(int fd, off_t size)
{
    count_call();
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int fsync(int fd)
{
    count_call();
    return armed ? 0 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    count_call();
    return armed ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int unlink(const char *path)
{
    count_call();
    return (int)syscall(SYS_unlink, path);
}

int rename(const char *from, const char *to)
{
    count_call();
    return (int)syscall(SYS_rename, from, to);
}
