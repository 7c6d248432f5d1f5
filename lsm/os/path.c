/*
 * path.c - what is built on the file system vtable alone: names of files, whole small files.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "os/fs.h"

char *os_path(const char *dir, const char *format, ...)
{
    size_t dir_size = strlen(dir);
    bool slash = dir_size == 0 || dir[dir_size - 1] != '/';
    va_list arguments;
    char *path;
    int size;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0)
        return NULL;
    path = lsm_alloc(dir_size + slash + (size_t)size + 1);
    if (!path)
        return NULL;
    memcpy(path, dir, dir_size);
    if (slash)
        path[dir_size] = '/';
    va_start(arguments, format);
    vsnprintf(path + dir_size + slash, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return path;
}

enum lsmkv_status os_read_file(struct os_fs *fs, const char *path, uint64_t size_max, struct lsmkv_buf *buf,
                               struct lsmkv_error *err)
{
    struct os_file *file = NULL;
    enum lsmkv_status status;
    uint64_t size;

    buf_clear(buf);
    status = os_fs_open(fs, path, OS_READ, &file, err);
    if (status)
        return status;
    status = os_size(file, &size, err);
    if (status)
        goto done;
    if (size > size_max) {
        status = lsmkv_fail(err, LSMKV_TOOBIG, "%s: larger than %" PRIu64 " bytes", path, size_max);
        goto done;
    }
    status = buf_reserve(buf, (size_t)size, err);
    if (status)
        goto done;
    status = os_read(file, 0, buf->data, (size_t)size, err);
    if (!status)
        buf->size = (size_t)size;

done:
    /* Nothing was written: a failing close takes nothing away from what was read. */
    (void)!os_close(file, NULL);
    return status;
}
