/*
 * fs.h - the only door to files: a vtable, so that tests can fail, tear and count every call.
 *
 * Paths are plain strings; the engine builds them from a store's directory and generated names. Every file opened for
 * the engine is close-on-exec, a regular file (anything else is CANTOPEN), and a symbolic link in the last component is
 * refused.
 *
 * Threads:   all calls on a file system may run at the same time. A file's positioned reads may run at the same time as
 *            one writer that appends.
 * Durability: data of a file is durable after sync(); its name after sync_dir() of its directory; a rename or removal
 *            after sync_dir(). Nothing else is promised.
 * Failure:   LSMKV_FULL for ENOSPC and EDQUOT, LSMKV_IO otherwise (CANTOPEN where noted); the message names path and
 *            errno. Short reads and writes and EINTR are handled inside.
 */
#ifndef LSM_OS_FS_H
#define LSM_OS_FS_H

#include "lsmkv.h"

enum os_open_mode {
    OS_READ,       /* must exist; read only */
    OS_WRITE,      /* must exist; read and write */
    OS_CREATE_NEW, /* must not exist (LSMKV_IO with EEXIST otherwise); read and write; mode and owner follow the directory */
};

struct os_file;

struct os_file_ops {
    /* Exactly `size` bytes at `offset`; a shorter file is LSMKV_CORRUPT "<path>: short read at offset N". */
    enum lsmkv_status (*read)(struct os_file *file, uint64_t offset, void *data, size_t size, struct lsmkv_error *err);
    enum lsmkv_status (*write)(struct os_file *file, uint64_t offset, const void *data, size_t size,
                               struct lsmkv_error *err);
    enum lsmkv_status (*sync)(struct os_file *file, struct lsmkv_error *err); /* fdatasync: data and size */
    enum lsmkv_status (*size)(struct os_file *file, uint64_t *size, struct lsmkv_error *err);
    /* Reserves [0, size) and extends the file with zeros; FULL if there is no space. Unsupported: extends only. */
    enum lsmkv_status (*allocate)(struct os_file *file, uint64_t size, struct lsmkv_error *err);
    /*
     * Maps [0, size) read-only for as long as the file is open. *map = NULL (and OK) where mapping is not possible.
     * CORRUPT if the file is shorter. Once per file, by one thread: a second call gets what the first one mapped, or NULL.
     */
    enum lsmkv_status (*map)(struct os_file *file, uint64_t size, const uint8_t **map, struct lsmkv_error *err);
    /* Advice, never fails: that [offset, offset + size) will not be read again soon through the page cache. */
    void (*forget)(struct os_file *file, uint64_t offset, uint64_t size);
    /* Frees in every case, unmaps; the status is that of close(). */
    enum lsmkv_status (*close)(struct os_file *file, struct lsmkv_error *err);
};

/* The first member of every implementation. */
struct os_file {
    const struct os_file_ops *ops;
    const char *path; /* owned by the implementation; for messages */
};

enum os_kind { OS_ABSENT, OS_REGULAR, OS_DIRECTORY, OS_OTHER };

struct os_fs;
struct os_lock;

struct os_fs_ops {
    enum lsmkv_status (*open)(struct os_fs *fs, const char *path, enum os_open_mode mode, struct os_file **file,
                              struct lsmkv_error *err);
    /* Over an existing file, atomically. */
    enum lsmkv_status (*rename)(struct os_fs *fs, const char *from, const char *to, struct lsmkv_error *err);
    enum lsmkv_status (*remove)(struct os_fs *fs, const char *path, struct lsmkv_error *err); /* a file; absent is OK */
    /*
     * What `path` is. A symbolic link to a directory is a directory (a user may have put the store elsewhere), any other
     * link is OS_OTHER. `size` (may be NULL): bytes of a regular file, 0 otherwise.
     */
    enum lsmkv_status (*kind)(struct os_fs *fs, const char *path, enum os_kind *kind, uint64_t *size,
                              struct lsmkv_error *err);
    /* A store's own directory: mode 0700. An existing directory is OK. */
    enum lsmkv_status (*make_dir)(struct os_fs *fs, const char *path, struct lsmkv_error *err);
    /* A directory inside a store: owner, group and mode as its parent. An existing directory is OK. */
    enum lsmkv_status (*make_subdir)(struct os_fs *fs, const char *path, struct lsmkv_error *err);
    enum lsmkv_status (*remove_dir)(struct os_fs *fs, const char *path, struct lsmkv_error *err); /* must be empty */
    enum lsmkv_status (*sync_dir)(struct os_fs *fs, const char *path, struct lsmkv_error *err);
    /* Calls `visit` for each name in the directory, in no order, without "." and ".."; stops at its first failure. */
    enum lsmkv_status (*list)(struct os_fs *fs, const char *path,
                              enum lsmkv_status (*visit)(void *context, const char *name, struct lsmkv_error *err),
                              void *context, struct lsmkv_error *err);
    /*
     * Takes the exclusive lock of the file `path` (made if absent; stays). Held by the process (open file description
     * locks), not inherited by a child in any useful way. BUSY "<path>: locked by process N" if it is taken.
     */
    enum lsmkv_status (*lock)(struct os_fs *fs, const char *path, struct os_lock **lock, struct lsmkv_error *err);
    void (*unlock)(struct os_fs *fs, struct os_lock *lock);
};

/* The first member of every implementation. */
struct os_fs {
    const struct os_fs_ops *ops;
};

struct os_fs *os_posix_fs(void);          /* one for the process, never freed */
struct os_fs *os_memory_fs_new(void);     /* a private file system in memory; NULL on failure */
void os_memory_fs_free(struct os_fs *fs); /* all its files must be closed */

/* Short forms: os_read(file, ...) for file->ops->read(file, ...), os_fs_rename(fs, ...) and so on. */
#define os_read(file, offset, data, size, err)  ((file)->ops->read((file), (offset), (data), (size), (err)))
#define os_write(file, offset, data, size, err) ((file)->ops->write((file), (offset), (data), (size), (err)))
#define os_sync(file, err)                      ((file)->ops->sync((file), (err)))
#define os_size(file, out, err)                 ((file)->ops->size((file), (out), (err)))
#define os_allocate(file, bytes, err)           ((file)->ops->allocate((file), (bytes), (err)))
#define os_map(file, bytes, out, err)           ((file)->ops->map((file), (bytes), (out), (err)))
#define os_forget(file, offset, bytes)          ((file)->ops->forget((file), (offset), (bytes)))
#define os_close(file, err)                     ((file)->ops->close((file), (err)))
#define os_fs_open(fs, path, mode, file, err)   ((fs)->ops->open((fs), (path), (mode), (file), (err)))
#define os_fs_rename(fs, from, to, err)         ((fs)->ops->rename((fs), (from), (to), (err)))
#define os_fs_remove(fs, path, err)             ((fs)->ops->remove((fs), (path), (err)))
#define os_fs_kind(fs, path, out, bytes, err)   ((fs)->ops->kind((fs), (path), (out), (bytes), (err)))
#define os_fs_make_dir(fs, path, err)           ((fs)->ops->make_dir((fs), (path), (err)))
#define os_fs_make_subdir(fs, path, err)        ((fs)->ops->make_subdir((fs), (path), (err)))
#define os_fs_remove_dir(fs, path, err)         ((fs)->ops->remove_dir((fs), (path), (err)))
#define os_fs_sync_dir(fs, path, err)           ((fs)->ops->sync_dir((fs), (path), (err)))
#define os_fs_list(fs, path, visit, ctx, err)   ((fs)->ops->list((fs), (path), (visit), (ctx), (err)))
#define os_fs_lock(fs, path, out, err)          ((fs)->ops->lock((fs), (path), (out), (err)))
#define os_fs_unlock(fs, held)                  ((fs)->ops->unlock((fs), (held)))

/* "<dir>/<name>" in a new string (lsm_free), printf-style name; NULL on failure. */
char *os_path(const char *dir, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A whole small file into `buf` (emptied first); TOOBIG "<path>: larger than N bytes" over `size_max`. */
LSMKV_MUST_CHECK enum lsmkv_status os_read_file(struct os_fs *fs, const char *path, uint64_t size_max,
                                                struct lsmkv_buf *buf, struct lsmkv_error *err);

#endif
