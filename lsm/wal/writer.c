/*
 * writer.c - appends records to one segment file.
 *
 * A frame is put together in one buffer, header and payload, and written by one call. A record that does not fit the
 * buffer goes in parts, so that a transaction of a gigabyte takes PART_SIZE bytes of memory here.
 */
#include "wal/writer.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "os/clock.h"
#include "wal/frame.h"

#define PART_SIZE      (1u << 20)  /* bytes of payload in a part that is not the last; a multiple of 8 */
#define OUTCOME_SIZE   8           /* bytes of payload in an OUTCOME or ABORT */
#define ALLOCATE_FIRST (64u << 10) /* bytes reserved at creation; doubled as the segment grows */
#define ALLOCATE_STEP  (8u << 20)  /* bytes reserved ahead at most */

enum health { HEALTHY, FAILING, FAILED };

struct wal_writer {
    /* Constant after creation. */
    struct os_file *file;
    uint64_t segment; /* beside the header, because others ask for it while wal_writer_start() writes that */

    /* Constant after start. */
    struct wal_header header;

    /* The appender's. */
    uint64_t allocated; /* bytes of the file that are reserved */
    uint64_t position;  /* where the next frame goes; beyond `length` inside a record */
    uint64_t chain;     /* checksum of the frame that ends at `position` */
    uint64_t previous;  /* checksum of the frame that ends at `length` */
    uint64_t kept;      /* records of OUTCOME_SIZE that must find space */
    uint64_t left;      /* bytes of payload that the record still lacks */
    struct wal_frame frame;
    struct lsmkv_buf buf; /* the frame: room for its header, then its payload so far */

    /* Any thread's. */
    _Atomic uint64_t length;
    _Atomic int health; /* FAILED is stored with release once `cause` is filled */
    struct lsmkv_error cause;
};

/* Keeps the first failure for all later calls. Append and sync may fail at the same time: the second only reports. */
static enum lsmkv_status fail_for_good(struct wal_writer *writer, const struct lsmkv_error *cause,
                                       struct lsmkv_error *err)
{
    int expected = HEALTHY;

    if (atomic_compare_exchange_strong(&writer->health, &expected, FAILING)) {
        writer->cause = *cause;
        atomic_store_explicit(&writer->health, FAILED, memory_order_release);
    }
    return lsmkv_fail(err, cause->status, "%s", cause->message);
}

static enum lsmkv_status check_health(const struct wal_writer *writer, struct lsmkv_error *err)
{
    /* Pairs with the release in fail_for_good(). */
    if (atomic_load_explicit(&writer->health, memory_order_acquire) != FAILED)
        return LSMKV_OK;
    return lsmkv_fail(err, writer->cause.status, "an earlier failure stopped the log: %s", writer->cause.message);
}

static enum lsmkv_status write_at_position(struct wal_writer *writer, const uint8_t *data, size_t size,
                                           struct lsmkv_error *err)
{
    struct lsmkv_error cause = LSMKV_ERROR_INIT;

    if (os_write(writer->file, writer->position, data, size, &cause))
        return fail_for_good(writer, &cause, err);
    writer->position += size;
    return LSMKV_OK;
}

static enum lsmkv_status open_file(struct wal_writer **writer, struct os_fs *fs, const char *path,
                                   enum os_open_mode mode, struct lsmkv_error *err)
{
    struct wal_writer *made = lsm_calloc(1, sizeof(*made));
    enum lsmkv_status status;

    if (!made)
        return lsmkv_fail_nomem(err);
    status = os_fs_open(fs, path, mode, &made->file, err);
    if (status)
        lsm_free(made);
    else
        *writer = made;
    return status;
}

enum lsmkv_status wal_writer_create(struct wal_writer **writer, struct os_fs *fs, const char *dir, uint64_t segment,
                                    struct lsmkv_error *err)
{
    struct wal_writer *made = NULL;
    char *path = wal_path(dir, segment);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = open_file(&made, fs, path, OS_CREATE_NEW, err);
    if (status)
        goto done;
    made->segment = segment;
    made->allocated = ALLOCATE_FIRST;
    status = os_allocate(made->file, made->allocated, err);
    if (status) {
        /* The first failure is the one to report: a file that cannot be removed is garbage for the next open. */
        wal_writer_close(made, NULL);
        os_fs_remove(fs, path, NULL);
        goto done;
    }
    *writer = made;

done:
    lsm_free(path);
    return status;
}

enum lsmkv_status wal_writer_resume(struct wal_writer **writer, struct os_fs *fs, const char *dir,
                                    const struct wal_header *header, uint64_t length, uint64_t previous,
                                    struct lsmkv_error *err)
{
    struct wal_writer *made = NULL;
    char *path = wal_path(dir, header->segment);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = open_file(&made, fs, path, OS_WRITE, err);
    lsm_free(path);
    if (status)
        return status;
    status = os_size(made->file, &made->allocated, err);
    if (status) {
        wal_writer_close(made, NULL);
        return status;
    }
    made->segment = header->segment;
    made->header = *header;
    made->position = length;
    made->chain = made->previous = previous;
    atomic_init(&made->length, length);
    *writer = made;
    return LSMKV_OK;
}

enum lsmkv_status wal_writer_start(struct wal_writer *writer, struct wal_header *header, struct lsmkv_error *err)
{
    uint8_t bytes[WAL_HEADER_SIZE];
    enum lsmkv_status status = check_health(writer, err);

    if (status)
        return status;
    assert(writer->position == 0);
    header->segment = writer->segment;
    header->version = WAL_VERSION;
    while (header->salt == 0)
        random_bytes(&header->salt, sizeof(header->salt));
    writer->header = *header;
    wal_header_put(bytes, header, &writer->chain);
    status = write_at_position(writer, bytes, sizeof(bytes), err);
    if (status)
        return status;
    writer->previous = writer->chain;
    atomic_store(&writer->length, writer->position);
    return LSMKV_OK;
}

/* Bytes that a record with `size` bytes of payload takes in the file. */
static uint64_t record_size(uint64_t size)
{
    uint64_t full_parts = size ? (size - 1) / PART_SIZE : 0;

    return full_parts * wal_frame_size(PART_SIZE) + wal_frame_size(size - full_parts * PART_SIZE);
}

/* Grows the file to `end` and some more; to `end` only if the disk has no room for more. */
static enum lsmkv_status reserve(struct wal_writer *writer, uint64_t end, struct lsmkv_error *err)
{
    struct lsmkv_error cause = LSMKV_ERROR_INIT;
    uint64_t target = writer->allocated > ALLOCATE_FIRST ? writer->allocated : ALLOCATE_FIRST;
    enum lsmkv_status status;

    if (end <= writer->allocated)
        return LSMKV_OK;
    while (target < end)
        target += target < ALLOCATE_STEP ? target : ALLOCATE_STEP;
    status = os_allocate(writer->file, target, &cause);
    if (status == LSMKV_FULL && target > end) {
        target = end;
        status = os_allocate(writer->file, target, &cause);
    }
    if (status == LSMKV_FULL || status == LSMKV_NOMEM)
        return lsmkv_fail(err, status, "%s", cause.message);
    if (status)
        return fail_for_good(writer, &cause, err);
    writer->allocated = target;
    return LSMKV_OK;
}

enum lsmkv_status wal_writer_keep(struct wal_writer *writer, uint64_t outcomes, struct lsmkv_error *err)
{
    uint64_t start = writer->position ? writer->position : WAL_HEADER_SIZE;
    enum lsmkv_status status = LSMKV_OK;

    if (outcomes > writer->kept) {
        status = check_health(writer, err);
        if (!status)
            status = buf_reserve(&writer->buf, wal_frame_size(OUTCOME_SIZE), err);
        if (!status)
            status = reserve(writer, start + outcomes * record_size(OUTCOME_SIZE), err);
    }
    if (!status)
        writer->kept = outcomes;
    return status;
}

enum lsmkv_status wal_writer_begin(struct wal_writer *writer, enum wal_type type, uint64_t sequence, uint64_t size,
                                   uint64_t synced, struct lsmkv_error *err)
{
    size_t part = size < PART_SIZE ? (size_t)size : PART_SIZE;
    enum lsmkv_status status = check_health(writer, err);

    if (status)
        return status;
    assert(writer->left == 0 && writer->position >= WAL_HEADER_SIZE && synced <= writer->position);
    writer->buf.size = 0;
    status = buf_reserve(&writer->buf, wal_frame_size(part), err);
    if (status)
        return status;
    status = reserve(writer, writer->position + record_size(size) + writer->kept * record_size(OUTCOME_SIZE), err);
    if (status)
        return status;
    writer->buf.size = WAL_FRAME_HEADER;
    writer->left = size;
    writer->frame.type = type;
    writer->frame.sequence = sequence;
    writer->frame.synced = synced;
    return LSMKV_OK;
}

/* Writes what the buffer holds as one frame and empties it. */
static enum lsmkv_status write_frame(struct wal_writer *writer, bool last, struct lsmkv_error *err)
{
    struct lsmkv_buf *buf = &writer->buf;
    size_t size = (size_t)wal_frame_size(buf->size - WAL_FRAME_HEADER);
    enum lsmkv_status status;

    writer->frame.length = (uint32_t)(buf->size - WAL_FRAME_HEADER);
    writer->frame.last = last;
    writer->frame.previous = writer->chain;
    wal_frame_put(buf->data, &writer->frame, wal_frame_seed(&writer->header, writer->position));
    memset(buf->data + buf->size, 0, size - buf->size);
    status = write_at_position(writer, buf->data, size, err);
    if (status)
        return status;
    writer->chain = writer->frame.checksum;
    buf->size = WAL_FRAME_HEADER;
    return LSMKV_OK;
}

enum lsmkv_status wal_writer_data(struct wal_writer *writer, const void *data, size_t size, struct lsmkv_error *err)
{
    const uint8_t *at = data;
    enum lsmkv_status status = check_health(writer, err);

    if (status)
        return status;
    assert(size <= writer->left);
    writer->left -= size;
    while (size) {
        size_t room = WAL_FRAME_HEADER + PART_SIZE - writer->buf.size;
        size_t now = size < room ? size : room;

        memcpy(writer->buf.data + writer->buf.size, at, now);
        writer->buf.size += now;
        at += now;
        size -= now;
        if (now == room && (size || writer->left)) {
            status = write_frame(writer, false, err);
            if (status)
                return status;
        }
    }
    return LSMKV_OK;
}

enum lsmkv_status wal_writer_entry(struct wal_writer *writer, const struct entry *entry, struct lsmkv_error *err)
{
    uint8_t head[WAL_ENTRY_HEAD];
    enum lsmkv_status status = wal_writer_data(writer, head, wal_entry_head_put(head, entry), err);

    if (!status)
        status = wal_writer_data(writer, entry->key.data, entry->key.size, err);
    if (!status && entry->kind == ENTRY_PUT)
        status = wal_writer_data(writer, entry->value.data, entry->value.size, err);
    return status;
}

enum lsmkv_status wal_writer_end(struct wal_writer *writer, struct lsmkv_error *err)
{
    enum lsmkv_status status = check_health(writer, err);

    if (status)
        return status;
    assert(writer->left == 0);
    status = write_frame(writer, true, err);
    if (status)
        return status;
    writer->previous = writer->chain;
    /* Release: a thread that syncs up to this length does so after the write. Pairs with wal_writer_length(). */
    atomic_store_explicit(&writer->length, writer->position, memory_order_release);
    return LSMKV_OK;
}

enum lsmkv_status wal_writer_sync(struct wal_writer *writer, struct lsmkv_error *err)
{
    struct lsmkv_error cause = LSMKV_ERROR_INIT;
    enum lsmkv_status status = check_health(writer, err);

    if (status)
        return status;
    if (os_sync(writer->file, &cause))
        return fail_for_good(writer, &cause, err);
    return LSMKV_OK;
}

uint64_t wal_writer_segment(const struct wal_writer *writer)
{
    return writer->segment;
}

uint64_t wal_writer_length(const struct wal_writer *writer)
{
    return atomic_load_explicit(&writer->length, memory_order_acquire);
}

uint64_t wal_writer_previous(const struct wal_writer *writer)
{
    return writer->previous;
}

enum lsmkv_status wal_writer_failed(const struct wal_writer *writer)
{
    return atomic_load_explicit(&writer->health, memory_order_acquire) == FAILED ? writer->cause.status : LSMKV_OK;
}

enum lsmkv_status wal_writer_close(struct wal_writer *writer, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (!writer)
        return LSMKV_OK;
    status = os_close(writer->file, err);
    lsmkv_buf_release(&writer->buf);
    lsm_free(writer);
    return status;
}
