/*
 * rotate.c - a full memtable becomes immutable with its segment, a new pair takes over.
 *
 * (1) In full and normal mode the old segment is durable before its successor's header is written. So a header that
 *     promises the length of its predecessor never promises more than the disk has.
 * (2) The new segment's name is durable before it is in use, and its header before its first record. So a segment whose
 *     header is not valid holds no record, and a manifest never names a segment that a power cut can take away.
 * (3) All that happens while the caller holds the turn and the log is frozen: nobody appends meanwhile.
 * (4) Prepared transactions without an outcome are written once more, into the new segment, so that the old one can go.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "os/clock.h"
#include "store/prepared.h"
#include "store/store.h"

#define SEGMENT_FACTOR 4 /* times memtable_size: what a segment may hold of records that left nothing in the memtable */

void store_discard_segment(const struct lsmkv_store *store, struct wal_writer *writer)
{
    char *path = wal_path(store->dir, wal_writer_segment(writer));

    (void)wal_writer_close(writer, NULL);
    if (path)
        (void)os_fs_remove(store->fs, path, NULL); /* if it stays: a file without a header is ignored */
    lsm_free(path);
}

enum lsmkv_status store_new_segment(struct lsmkv_store *store, struct wal_writer **writer, struct lsmkv_error *err)
{
    struct wal_writer *made = NULL;
    char *wal_dir = os_path(store->dir, "wal");
    enum lsmkv_status status;

    if (!wal_dir)
        return lsmkv_fail_nomem(err);
    status = wal_writer_create(&made, store->fs, store->dir, version_set_new_file(store->versions), err);
    if (!status)
        status = os_fs_sync_dir(store->fs, wal_dir, err);
    if (!status)
        *writer = made;
    else if (made)
        store_discard_segment(store, made);
    lsm_free(wal_dir);
    return status;
}

enum lsmkv_status store_start_segment(const struct lsmkv_store *store, struct wal_writer *writer,
                                      struct log_position predecessor, bool promised, struct lsmkv_error *err)
{
    struct wal_header header = {
        .predecessor = predecessor.segment, .predecessor_length = predecessor.offset, .length_promised = promised};
    enum lsmkv_status status;

    random_bytes(&header.salt, sizeof(header.salt));
    memcpy(header.store_id, store->id, sizeof(header.store_id));
    status = wal_writer_start(writer, &header, err);
    if (!status)
        status = wal_writer_sync(writer, err); /* see (2); once per memtable, so in off mode too */
    return status;
}

/* From the switch on there is no way back: a failure is one of the log. */
static enum lsmkv_status start_after_switch(struct lsmkv_store *store, struct wal_writer *writer,
                                            struct log_position predecessor, struct lsmkv_error *err)
{
    struct lsmkv_error failure = LSMKV_ERROR_INIT;

    if (!store_start_segment(store, writer, predecessor, store->options->sync != LSMKV_SYNC_OFF, &failure)) {
        group_sync_started(store, wal_writer_length(writer));
        return LSMKV_OK;
    }
    group_sync_fail(store, &failure);
    return lsmkv_fail(err, failure.status, "%s", failure.message);
}

/* Space for what must not fail later, before the switch. */
static enum lsmkv_status make_segment(struct lsmkv_store *store, struct wal_writer **writer, struct lsmkv_error *err)
{
    uint64_t live;
    enum lsmkv_status status = store_new_segment(store, writer, err);

    mutex_lock(&store->log.lock);
    live = store->log.live;
    mutex_unlock(&store->log.lock);
    if (!status)
        status = wal_writer_keep(*writer, live, err);
    return status;
}

static enum lsmkv_status rotate_frozen(struct lsmkv_store *store, struct lsmkv_error *err)
{
    struct wal_writer *writer = NULL;
    struct wal_writer *former = NULL;
    struct memtable *active = NULL;
    struct log_position end;
    uint64_t applied;
    enum lsmkv_status status = LSMKV_OK;

    end = log_end(store, &applied);
    if (store->options->sync != LSMKV_SYNC_OFF)
        status = group_sync_wait(store, end, err);
    if (!status)
        status = make_segment(store, &writer, err);
    if (!status)
        status = memtable_new(&active, wal_writer_segment(writer), err);
    if (!status)
        status = group_sync_switch(store, writer, active, &former, err);
    if (status) {
        if (writer)
            store_discard_segment(store, writer);
        goto done;
    }
    (void)wal_writer_close(former, NULL); /* durable, or in off mode not promised */
    status = start_after_switch(store, writer, end, err);
    if (!status)
        status = prepared_copy_forward(store, err);
    scheduler_wake(store->scheduler);

done:
    memtable_unref(active);
    return status;
}

enum lsmkv_status store_rotate(struct lsmkv_store *store, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_writable(store, err);

    if (status)
        return status;
    log_freeze(store);
    status = rotate_frozen(store, err);
    log_thaw(store);
    return status;
}

enum lsmkv_status store_rotate_if_full(struct lsmkv_store *store, struct lsmkv_error *err)
{
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    uint64_t bytes, length;
    enum lsmkv_status status;

    mutex_lock(&store->log.lock);
    bytes = memtable_bytes(store->log.active);
    length = wal_writer_length(store->log.writer);
    mutex_unlock(&store->log.lock);
    /* Prepares that were aborted are in the segment only: they must not fill the disk. */
    if (bytes < store->options->memtable_size && length / SEGMENT_FACTOR < store->options->memtable_size)
        return LSMKV_OK;
    status = store_rotate(store, &failure);
    if (!status || (status == LSMKV_FULL && bytes < 2 * store->options->memtable_size && !store_failed(store)))
        return LSMKV_OK;
    return lsmkv_fail(err, status, "%s", failure.message);
}
