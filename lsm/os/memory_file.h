/*
 * memory_file.h - the bytes of files in memory, and open files on them.
 *
 * Bytes lie in chunks of fixed size that never move nor shrink while the file lives, so they are copied without the lock:
 * it protects the table of chunks and the size. A chunk that was never written does not exist and reads as zeros, so
 * reserving costs nothing. Files are not mapped: readers fall back to positioned reads.
 */
#ifndef LSM_OS_MEMORY_FILE_H
#define LSM_OS_MEMORY_FILE_H

#include "os/fs.h"
#include "os/sync.h"

/* All fields are guarded by the lock of the file system. */
struct content {
    size_t references; /* names, open files and locks */
    uint64_t size;
    uint8_t **chunks; /* NULL = zeros */
    size_t chunk_count;
    bool locked; /* by os_fs_lock() */
};

/* The caller holds the lock of the file system. */
struct content *content_new(void);           /* with one reference; NULL on failure */
void content_unref(struct content *content); /* NULL is fine */

/* Opens a file on `content`, one reference of which passes to it on success. Takes no lock itself. */
LSMKV_MUST_CHECK enum lsmkv_status memory_file_open(struct os_file **file, struct content *content, struct mutex *lock,
                                                    const char *path, bool writable, struct lsmkv_error *err);

#endif
