/*
 * log.c - appends one record and applies it.
 */
#include "store/log.h"

#include "base/error.h"
#include "store/store.h"

void log_init(struct log *log)
{
    mutex_init(&log->lock, "log", RANK_LOG);
    log->writer = NULL;
    log->active = NULL;
    atomic_init(&log->applied, 0);
    atomic_init(&log->visible, 0);
    atomic_init(&log->durable, 0);
}

void log_release(struct log *log)
{
    (void)wal_writer_close(log->writer, NULL); /* nothing was promised of bytes that no sync covered */
    memtable_unref(log->active);
    mutex_release(&log->lock);
}

void log_show(struct log *log, uint64_t sequence)
{
    uint64_t visible = atomic_load_explicit(&log->visible, memory_order_relaxed);

    /* Release pairs with the acquire of a snapshot: what it sees of the memtable was written before. */
    while (visible < sequence && !atomic_compare_exchange_weak_explicit(&log->visible, &visible, sequence,
                                                                        memory_order_release, memory_order_relaxed))
        ;
}

struct log_position log_end(struct lsmkv_store *store, uint64_t *applied)
{
    struct log *log = &store->log;
    struct log_position end;

    mutex_lock(&log->lock);
    end.segment = wal_writer_segment(log->writer);
    end.offset = wal_writer_length(log->writer);
    *applied = atomic_load_explicit(&log->applied, memory_order_relaxed);
    mutex_unlock(&log->lock);
    return end;
}

static enum lsmkv_status write_entry(struct wal_writer *writer, const struct entry *entry, struct lsmkv_error *err)
{
    uint8_t head[WAL_ENTRY_HEAD];
    enum lsmkv_status status;

    status = wal_writer_data(writer, head, wal_entry_head_put(head, entry), err);
    if (!status)
        status = wal_writer_data(writer, entry->key.data, entry->key.size, err);
    if (!status && entry->kind == ENTRY_PUT)
        status = wal_writer_data(writer, entry->value.data, entry->value.size, err);
    return status;
}

/* One pass over the entries: into the record, into the memtable, or both. */
static enum lsmkv_status put_entries(struct log *log, const struct log_record *record, uint64_t sequence,
                                     bool to_record, bool to_memtable, struct lsmkv_error *err) LSM_REQUIRES(log->lock)
{
    enum lsmkv_status status = iter_first(record->entries, err);

    while (!status && iter_valid(record->entries)) {
        struct entry entry = *iter_entry(record->entries);

        entry.sequence = sequence;
        if (to_record)
            status = write_entry(log->writer, &entry, err);
        if (!status && to_memtable)
            status = memtable_add(log->active, &entry, err);
        if (!status)
            status = iter_next(record->entries, err);
    }
    return status;
}

/* What follows a successful wal_writer_begin(); any failure in here is the end of the log. */
static enum lsmkv_status write_and_apply(struct log *log, const struct log_record *record, uint64_t sequence,
                                         struct lsmkv_error *err) LSM_REQUIRES(log->lock)
{
    enum lsmkv_status status = LSMKV_OK;

    if (record->head_size)
        status = wal_writer_data(log->writer, record->head, record->head_size, err);
    /* Applied on the way: if that fails, the record is never ended and replay ignores it. */
    if (!status && (record->type == WAL_COMMIT || record->type == WAL_PREPARE))
        status = put_entries(log, record, sequence, true, record->type == WAL_COMMIT, err);
    if (!status)
        status = wal_writer_end(log->writer, err);
    if (!status && record->type == WAL_OUTCOME) {
        status = put_entries(log, record, sequence, false, true, err);
        memtable_needs_segment(log->active, record->prepared_in);
    }
    return status;
}

static uint64_t record_size(const struct log_record *record)
{
    bool with_entries = record->type == WAL_COMMIT || record->type == WAL_PREPARE;

    return record->head_size + (with_entries ? record->entry_bytes : 0);
}

static enum lsmkv_status append_locked(struct lsmkv_store *store, const struct log_record *record,
                                       struct log_position *end, uint64_t *sequence, bool *fatal,
                                       struct lsmkv_error *err) LSM_REQUIRES(store->log.lock)
{
    struct log *log = &store->log;
    uint64_t last = atomic_load_explicit(&log->applied, memory_order_relaxed);
    bool publishes = record->type == WAL_COMMIT || record->type == WAL_OUTCOME;
    uint64_t start = wal_writer_length(log->writer);
    enum lsmkv_status status;

    *sequence = last + publishes;
    *fatal = false;
    status = memtable_reserve(log->active, record->entry_room, err); /* of a PREPARE for its OUTCOME */
    if (status)
        return status;
    status = wal_writer_begin(log->writer, record->type, *sequence, record_size(record),
                              atomic_load_explicit(&log->durable, memory_order_relaxed), err);
    *fatal = status && status != LSMKV_FULL && status != LSMKV_NOMEM;
    if (status)
        return status;
    status = write_and_apply(&store->log, record, *sequence, err);
    *fatal = status != LSMKV_OK;
    if (status)
        return status;

    end->segment = wal_writer_segment(log->writer);
    end->offset = wal_writer_length(log->writer);
    counter_add(&store->counters, wal_bytes, end->offset - start);
    if (publishes)
        atomic_store_explicit(&log->applied, *sequence, memory_order_release);
    if (publishes && store->options.sync != LSMKV_SYNC_FULL)
        log_show(log, *sequence);
    return LSMKV_OK;
}

enum lsmkv_status log_write(struct lsmkv_store *store, const struct log_record *record, struct log_position *end,
                            uint64_t *sequence, struct lsmkv_error *err)
{
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    enum lsmkv_status status;
    bool fatal = false;

    status = store_check_writable(store, err); /* it may have failed since the turn was taken */
    if (status)
        return status;
    mutex_lock(&store->log.lock);
    status = append_locked(store, record, end, sequence, &fatal, &failure);
    mutex_unlock(&store->log.lock);
    if (status) {
        if (fatal)
            group_sync_fail(store, &failure);
        return lsmkv_fail(err, failure.status, "%s", failure.message);
    }
    group_sync_appended(store);
    return LSMKV_OK;
}
