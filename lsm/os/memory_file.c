/*
 * memory_file.c - reads and writes bytes in chunks.
 */
#include "os/memory_file.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define CHUNK_SIZE 65536u

struct memory_file {
    struct os_file base;
    struct mutex *lock;
    struct content *content;
    bool writable;
};

/* ---- Contents; the fs lock is held ---- */

struct content *content_new(void)
{
    struct content *content = lsm_calloc(1, sizeof(*content));

    if (content)
        content->references = 1;
    return content;
}

void content_unref(struct content *content)
{
    if (!content || --content->references)
        return;
    for (size_t i = 0; i < content->chunk_count; i++)
        lsm_free(content->chunks[i]);
    lsm_free(content->chunks);
    lsm_free(content);
}

/* Makes room in the table for `count` chunks, not the chunks themselves. */
static bool reserve_chunks(struct content *content, uint64_t count)
{
    uint8_t **chunks;
    uint64_t wanted;

    if (count <= content->chunk_count)
        return true;
    wanted = count < content->chunk_count * 2 ? content->chunk_count * 2 : count;
    if (wanted > SIZE_MAX / sizeof(*chunks))
        return false;
    chunks = lsm_realloc(content->chunks, (size_t)wanted * sizeof(*chunks));
    if (!chunks)
        return false;
    memset(chunks + content->chunk_count, 0, ((size_t)wanted - content->chunk_count) * sizeof(*chunks));
    content->chunks = chunks;
    content->chunk_count = (size_t)wanted;
    return true;
}

/* Makes all chunks of [offset, offset + size); what was made stays when it fails. */
static bool make_chunks(struct content *content, uint64_t offset, uint64_t size)
{
    uint64_t last = (offset + size - 1) / CHUNK_SIZE;

    if (!reserve_chunks(content, last + 1))
        return false;
    for (uint64_t i = offset / CHUNK_SIZE; i <= last; i++) {
        if (!content->chunks[i])
            content->chunks[i] = lsm_calloc(1, CHUNK_SIZE);
        if (!content->chunks[i])
            return false;
    }
    return true;
}

/* ---- Files ---- */

/* The part of [offset, offset + left) that lies in one chunk. */
static size_t part_of_chunk(uint64_t offset, size_t left)
{
    size_t room = CHUNK_SIZE - (size_t)(offset % CHUNK_SIZE);

    return left < room ? left : room;
}

static enum lsmkv_status file_read(struct os_file *base, uint64_t offset, void *data, size_t size,
                                   struct lsmkv_error *err)
{
    struct memory_file *file = (struct memory_file *)base;
    struct content *content = file->content;
    uint8_t *to = data;

    while (size) {
        size_t part = part_of_chunk(offset, size);
        const uint8_t *chunk = NULL;
        uint64_t end;

        mutex_lock(file->lock);
        end = content->size;
        if (offset < end && part <= end - offset)
            chunk = content->chunks[offset / CHUNK_SIZE];
        mutex_unlock(file->lock);
        if (offset >= end || part > end - offset)
            return lsmkv_fail(err, LSMKV_CORRUPT, "%s: short read at offset %" PRIu64, base->path,
                              offset < end ? end : offset);
        if (chunk)
            memcpy(to, chunk + offset % CHUNK_SIZE, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        size -= part;
    }
    return LSMKV_OK;
}

/* The size grows only after the bytes are there: a reader that sees the size sees the bytes. */
static enum lsmkv_status file_write(struct os_file *base, uint64_t offset, const void *data, size_t size,
                                    struct lsmkv_error *err)
{
    struct memory_file *file = (struct memory_file *)base;
    struct content *content = file->content;
    const uint8_t *from = data;
    uint64_t at = offset;
    bool made;

    if (size == 0)
        return LSMKV_OK;
    if (!file->writable || offset > INT64_MAX || size > INT64_MAX - offset)
        return lsmkv_fail(err, LSMKV_IO, "%s: write: %s", base->path,
                          file->writable ? "too big" : "opened for reading");
    mutex_lock(file->lock);
    made = make_chunks(content, offset, size);
    mutex_unlock(file->lock);
    if (!made)
        return lsmkv_fail_nomem(err);
    for (size_t left = size; left;) {
        size_t part = part_of_chunk(at, left);
        uint8_t *chunk;

        mutex_lock(file->lock);
        chunk = content->chunks[at / CHUNK_SIZE];
        mutex_unlock(file->lock);
        memcpy(chunk + at % CHUNK_SIZE, from, part);
        from += part;
        at += part;
        left -= part;
    }
    mutex_lock(file->lock);
    if (content->size < at)
        content->size = at;
    mutex_unlock(file->lock);
    return LSMKV_OK;
}

static enum lsmkv_status file_sync(struct os_file *base, struct lsmkv_error *err)
{
    (void)base;
    (void)err;
    return LSMKV_OK;
}

static enum lsmkv_status file_size(struct os_file *base, uint64_t *size, struct lsmkv_error *err)
{
    struct memory_file *file = (struct memory_file *)base;

    (void)err;
    mutex_lock(file->lock);
    *size = file->content->size;
    mutex_unlock(file->lock);
    return LSMKV_OK;
}

static enum lsmkv_status file_allocate(struct os_file *base, uint64_t size, struct lsmkv_error *err)
{
    struct memory_file *file = (struct memory_file *)base;
    bool reserved;

    mutex_lock(file->lock);
    reserved = reserve_chunks(file->content, size / CHUNK_SIZE + 1);
    if (reserved && file->content->size < size)
        file->content->size = size;
    mutex_unlock(file->lock);
    return reserved ? LSMKV_OK : lsmkv_fail_nomem(err);
}

static enum lsmkv_status file_map(struct os_file *base, uint64_t size, const uint8_t **map, struct lsmkv_error *err)
{
    (void)base;
    (void)size;
    (void)err;
    *map = NULL;
    return LSMKV_OK;
}

static void file_forget(struct os_file *base, uint64_t offset, uint64_t size)
{
    (void)base;
    (void)offset;
    (void)size;
}

static enum lsmkv_status file_close(struct os_file *base, struct lsmkv_error *err)
{
    struct memory_file *file = (struct memory_file *)base;

    (void)err;
    mutex_lock(file->lock);
    content_unref(file->content);
    mutex_unlock(file->lock);
    lsm_free((char *)base->path);
    lsm_free(file);
    return LSMKV_OK;
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

enum lsmkv_status memory_file_open(struct os_file **file, struct content *content, struct mutex *lock, const char *path,
                                   bool writable, struct lsmkv_error *err)
{
    struct memory_file *opened = lsm_calloc(1, sizeof(*opened));
    char *copy = lsm_strdup(path);

    if (!opened || !copy) {
        lsm_free(opened);
        lsm_free(copy);
        return lsmkv_fail_nomem(err);
    }
    opened->base.ops = &file_ops;
    opened->base.path = copy;
    opened->lock = lock;
    opened->content = content;
    opened->writable = writable;
    *file = &opened->base;
    return LSMKV_OK;
}
