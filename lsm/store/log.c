/*
 * log.c - appends one record and applies it.
 */
#include "store/log.h"

#include <assert.h>

#include "base/error.h"
#include "store/catalog.h"
#include "store/prepared.h"
#include "store/store.h"

void log_init(struct log *log)
{
    mutex_init(&log->lock, "log", RANK_LOG);
    condvar_init(&log->thawed);
    log->frozen = false;
    log->writer = NULL;
    log->active = NULL;
    atomic_init(&log->applied, 0);
    atomic_init(&log->visible, 0);
    atomic_init(&log->catalog_changed, 0);
    atomic_init(&log->durable, 0);
}

void log_release(struct log *log)
{
    (void)wal_writer_close(log->writer, NULL); /* nothing was promised of bytes that no sync covered */
    memtable_unref(log->active);
    condvar_release(&log->thawed);
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

/* ---- Freezing ---- */

void log_freeze(struct lsmkv_store *store)
{
    mutex_lock(&store->log.lock);
    assert(!store->log.frozen);
    store->log.frozen = true;
    mutex_unlock(&store->log.lock);
}

void log_thaw(struct lsmkv_store *store)
{
    mutex_lock(&store->log.lock);
    store->log.frozen = false;
    condvar_broadcast(&store->log.thawed);
    mutex_unlock(&store->log.lock);
}

/* ---- Appending ---- */

static bool is_outcome(enum wal_type type)
{
    return type == WAL_OUTCOME || type == WAL_ABORT;
}

static bool publishes(enum wal_type type)
{
    return type == WAL_COMMIT || type == WAL_OUTCOME;
}

/* One pass over the entries: into the record, into the memtable, or both. */
static enum lsmkv_status put_entries(struct log *log, struct iter *entries, uint64_t sequence, bool to_record,
                                     bool to_memtable, struct lsmkv_error *err) LSM_REQUIRES(log->lock)
{
    enum lsmkv_status status = iter_first(entries, err);

    while (!status && iter_valid(entries)) {
        struct entry entry = *iter_entry(entries);

        entry.sequence = sequence;
        if (to_record)
            status = wal_writer_entry(log->writer, &entry, err);
        if (to_memtable && catalog_holds(entry.key))
            atomic_store_explicit(&log->catalog_changed, sequence, memory_order_release);
        if (!status && to_memtable)
            status = memtable_add(log->active, &entry, err);
        if (!status)
            status = iter_next(entries, err);
    }
    return status;
}

static enum lsmkv_status write_payload(struct log *log, const struct log_record *record, uint64_t sequence,
                                       struct lsmkv_error *err) LSM_REQUIRES(log->lock)
{
    uint8_t id[sizeof(uint64_t)];

    /* Applied on the way: if that fails, the record is never ended and replay ignores it. */
    if (record->type == WAL_COMMIT)
        return put_entries(log, record->entries, sequence, true, true, err);
    if (record->type == WAL_PREPARE)
        return prepared_put(record->prepared, log->writer, err);
    put_u64(id, record->prepared->transaction);
    return wal_writer_data(log->writer, id, sizeof(id), err);
}

/* Its writes become those of `sequence`, and it is undecided no more. */
static enum lsmkv_status apply_outcome(struct lsmkv_store *store, struct prepared *prepared, uint64_t sequence,
                                       struct lsmkv_error *err) LSM_REQUIRES(store->log.lock)
{
    struct log *log = &store->log;

    memtable_take(log->active, &prepared->spare);
    memtable_needs_segment(log->active, prepared->segment);
    return put_entries(&store->log, prepared->writes.entries, sequence, false, true, err);
}

static uint64_t record_size(const struct log_record *record)
{
    if (record->type == WAL_COMMIT)
        return record->entry_bytes;
    return record->type == WAL_PREPARE ? prepared_size(record->prepared) : sizeof(uint64_t);
}

/* Sets memory and space aside, for the record and for the outcomes that are to come. On failure nothing changed. */
static enum lsmkv_status reserve(struct lsmkv_store *store, const struct log_record *record, uint64_t sequence,
                                 struct lsmkv_error *err) LSM_REQUIRES(store->log.lock)
{
    struct log *log = &store->log;
    uint64_t live = log->live;
    enum lsmkv_status status = LSMKV_OK;

    if (record->type == WAL_COMMIT)
        status = memtable_reserve(log->active, record->entry_room, err);
    if (is_outcome(record->type) && !record->prepared->in_doubt)
        live--; /* this one takes the space that was kept for it */
    if (!status)
        status = wal_writer_keep(log->writer, live, err);
    if (!status)
        status = wal_writer_begin(log->writer, record->type, sequence, record_size(record),
                                  atomic_load_explicit(&log->durable, memory_order_relaxed), err);
    return status;
}

/* What follows a successful reserve(); any failure in here is the end of the log. */
static enum lsmkv_status write_and_apply(struct lsmkv_store *store, const struct log_record *record, uint64_t sequence,
                                         struct lsmkv_error *err) LSM_REQUIRES(store->log.lock)
{
    enum lsmkv_status status = write_payload(&store->log, record, sequence, err);

    if (!status)
        status = wal_writer_end(store->log.writer, err);
    if (!status && record->type == WAL_OUTCOME)
        status = apply_outcome(store, record->prepared, sequence, err);
    return status;
}

/*
 * An outcome that recovery would find by itself need not be durable to be seen, if all that came before it is: the prepare
 * commits by default, and with no other one undecided there is no other order in which recovery could do it.
 */
static bool is_certain(struct lsmkv_store *store, const struct log_record *record, uint64_t start)
    LSM_REQUIRES(store->log.lock)
{
    return record->type == WAL_OUTCOME && record->prepared->default_commit &&
           atomic_load_explicit(&store->log.durable, memory_order_relaxed) >= start && prepared_alone(store);
}

static void publish(struct lsmkv_store *store, const struct log_record *record, uint64_t sequence, uint64_t start,
                    struct log_position end) LSM_REQUIRES(store->log.lock)
{
    struct log *log = &store->log;
    bool certain = is_certain(store, record, start);

    if (publishes(record->type))
        atomic_store_explicit(&log->applied, sequence, memory_order_release);
    if (publishes(record->type) && (certain || store->options->sync != LSMKV_SYNC_FULL))
        log_show(log, sequence);
    if (!is_outcome(record->type))
        return;
    record->prepared->certain = certain;
    prepared_decide(store, record->prepared, end);
}

static enum lsmkv_status append_locked(struct lsmkv_store *store, const struct log_record *record,
                                       struct log_position *end, uint64_t *sequence, bool *fatal,
                                       struct lsmkv_error *err) LSM_REQUIRES(store->log.lock)
{
    struct log *log = &store->log;
    uint64_t last = atomic_load_explicit(&log->applied, memory_order_relaxed);
    uint64_t start = wal_writer_length(log->writer);
    enum lsmkv_status status;

    *sequence = last + publishes(record->type);
    *fatal = false;
    if (record->tracked && last > record->validated)
        return lsmkv_fail(err, LSMKV_BUSY, "the store has changed since the transaction was validated");
    status = reserve(store, record, *sequence, err);
    *fatal = status && status != LSMKV_FULL && status != LSMKV_NOMEM;
    if (status)
        return status;
    status = write_and_apply(store, record, *sequence, err);
    *fatal = status != LSMKV_OK;
    if (status)
        return status;

    end->segment = wal_writer_segment(log->writer);
    end->offset = wal_writer_length(log->writer);
    counter_add(&store->counters, wal_bytes, end->offset - start);
    publish(store, record, *sequence, start, *end);
    return LSMKV_OK;
}

/* A failure that is the log's end is everybody's. */
static enum lsmkv_status report(struct lsmkv_store *store, const struct lsmkv_error *failure, bool fatal,
                                struct lsmkv_error *err)
{
    if (fatal)
        group_sync_fail(store, failure);
    return lsmkv_fail(err, failure->status, "%s", failure->message);
}

enum lsmkv_status log_write(struct lsmkv_store *store, const struct log_record *record, struct log_position *end,
                            uint64_t *sequence, struct lsmkv_error *err)
{
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    enum lsmkv_status status;
    bool fatal = false;

    mutex_lock(&store->log.lock);
    while (is_outcome(record->type) && store->log.frozen)
        condvar_wait(&store->log.thawed, &store->log.lock);
    status = store_check_writable(store, &failure); /* it may have failed since the turn was taken */
    if (!status)
        status = append_locked(store, record, end, sequence, &fatal, &failure);
    mutex_unlock(&store->log.lock);
    if (status)
        return report(store, &failure, fatal, err);
    group_sync_appended(store);
    return LSMKV_OK;
}

enum lsmkv_status log_write_copy(struct lsmkv_store *store, struct prepared *prepared, struct lsmkv_error *err)
{
    struct log_record record = {.type = WAL_PREPARE, .prepared = prepared};
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    struct log_position unused;
    uint64_t sequence;
    enum lsmkv_status status;
    bool fatal;

    mutex_lock(&store->log.lock);
    assert(store->log.frozen);
    status = append_locked(store, &record, &unused, &sequence, &fatal, &failure);
    mutex_unlock(&store->log.lock);
    return status ? report(store, &failure, fatal, err) : LSMKV_OK;
}
