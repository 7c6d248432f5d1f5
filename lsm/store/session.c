/*
 * session.c - one connection's view of a store: its state, its snapshot, its buffered writes.
 */
#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/process.h"
#include "store/catalog.h"
#include "store/guards.h"
#include "store/store.h"

enum lsmkv_status store_check_process(const struct lsmkv_store *store, struct lsmkv_error *err)
{
    if (store->process == process_generation())
        return LSMKV_OK;
    return lsmkv_fail(err, LSMKV_MISUSE, "%s: opened before fork(); a child must open it anew", store->label);
}

/* ---- Snapshots ---- */

static struct snapshot take(struct lsmkv_session *session, const _Atomic uint64_t *sequence)
{
    struct snapshot snapshot;

    /*
     * A commit after a rotation is in the new memtable only. Reading the sequence first and finding the super-version
     * still current afterwards proves that everything up to that sequence is in it.
     */
    for (;;) {
        snapshot.super_version = reader_slot_take(session->slot);
        snapshot.sequence = atomic_load_explicit(sequence, memory_order_acquire);
        if (version_set_is_current(session->store->versions, snapshot.super_version))
            return snapshot;
        reader_slot_give(session->slot, snapshot.super_version);
    }
}

struct snapshot snapshot_take(struct lsmkv_session *session)
{
    return take(session, &session->store->log.visible);
}

struct snapshot snapshot_take_applied(struct lsmkv_session *session)
{
    return take(session, &session->store->log.applied);
}

void snapshot_give(struct lsmkv_session *session, struct snapshot *snapshot)
{
    struct super_version *super_version = snapshot->super_version;

    snapshot->super_version = NULL;
    reader_slot_give(session->slot, super_version);
    store_reader_gone(session->store, super_version);
}

void store_reader_gone(struct lsmkv_store *store, const struct super_version *was)
{
    if (!version_set_is_current(store->versions, was) && version_set_has_obsolete(store->versions))
        scheduler_wake(store->scheduler);
}

/* ---- Life ---- */

static void link_session(struct lsmkv_session *session)
{
    struct lsmkv_store *store = session->store;

    mutex_lock(&store->sessions_lock);
    session->next = store->sessions;
    if (session->next)
        session->next->previous = session;
    store->sessions = session;
    mutex_unlock(&store->sessions_lock);
}

/* Its counts live on in the store's. */
static void unlink_session(struct lsmkv_session *session)
{
    struct lsmkv_store *store = session->store;
    struct counters *counters = &store->counters;

    mutex_lock(&store->sessions_lock);
    if (session->previous)
        session->previous->next = session->next;
    else
        store->sessions = session->next;
    if (session->next)
        session->next->previous = session->previous;
    counter_add(counters, gets, atomic_load_explicit(&session->counts.gets, memory_order_relaxed));
    counter_add(counters, get_hits, atomic_load_explicit(&session->counts.get_hits, memory_order_relaxed));
    counter_add(counters, cursors, atomic_load_explicit(&session->counts.cursors, memory_order_relaxed));
    counter_add(counters, cursor_rows, atomic_load_explicit(&session->counts.cursor_rows, memory_order_relaxed));
    mutex_unlock(&store->sessions_lock);
}

enum lsmkv_status lsmkv_session_open(struct lsmkv_session **session, struct lsmkv_store *store, struct lsmkv_error *err)
{
    struct lsmkv_session *made;
    enum lsmkv_status status = store_check_process(store, err);

    if (status)
        return status;
    made = lsm_calloc(1, sizeof(*made));
    if (!made)
        return lsmkv_fail_nomem(err);
    made->store = store;
    made->state = LSMKV_SESSION_IDLE;
    status = reader_slot_new(&made->slot, store->versions, err);
    if (status) {
        lsm_free(made);
        return status;
    }
    link_session(made);
    *session = made;
    return LSMKV_OK;
}

void lsmkv_session_close(struct lsmkv_session *session)
{
    if (!session || store_check_process(session->store, NULL))
        return; /* in a child the memory is left alone: it is a copy, and the locks in it may be held for ever */
    (void)session_roll_back(session, NULL); /* ends in IDLE in every case; the log records what went wrong */
    unlink_session(session);
    reader_slot_free(session->slot);
    lsm_free(session);
}

enum lsmkv_session_state lsmkv_session_state(const struct lsmkv_session *session)
{
    return session->state;
}

void session_give_turn(struct lsmkv_session *session)
{
    if (session->has_turn)
        turn_give(&session->store->turn, session);
    session->has_turn = false;
}

void session_end(struct lsmkv_session *session)
{
    if (session->snapshot.super_version)
        snapshot_give(session, &session->snapshot);
    batch_unref(session->batch);
    session->batch = NULL;
    reads_end(&session->reads);
    session->state = LSMKV_SESSION_IDLE;
    session->own_stamp = 0;
    session_give_turn(session);
}

/* ---- What others see ---- */

static void set_view(_Atomic uint64_t *field, uint64_t value)
{
    atomic_store_explicit(field, value, memory_order_relaxed);
}

/* Before the state says that there is a transaction. */
static void show_begin(struct lsmkv_session *session)
{
    struct session_view *view = &session->view;

    set_view(&view->since_ns, clock_now_ns());
    set_view(&view->snapshot, session->snapshot.sequence);
    set_view(&view->writes, 0);
    set_view(&view->bytes, 0);
    atomic_store_explicit(&view->memtable, session->snapshot.super_version->active, memory_order_relaxed);
}

static void show_size(struct lsmkv_session *session)
{
    uint64_t bytes = session->reads.set ? read_set_bytes(session->reads.set) : 0;

    if (session->batch) {
        bytes += batch_bytes(session->batch);
        set_view(&session->view.writes, batch_writes(session->batch));
    }
    set_view(&session->view.bytes, bytes);
}

/* ---- Beginning ---- */

enum lsmkv_status lsmkv_session_read(struct lsmkv_session *session, bool tracked, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err);

    if (status || session->state != LSMKV_SESSION_IDLE)
        return status;
    session->snapshot = snapshot_take(session);
    session->reads.tracked = tracked;
    show_begin(session);
    session->state = LSMKV_SESSION_READING;
    return LSMKV_OK;
}

/* With the turn taken: the state that the transaction builds on. */
static enum lsmkv_status begin_on_applied(struct lsmkv_session *session, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;

    if (session->state == LSMKV_SESSION_IDLE) {
        session->snapshot = snapshot_take_applied(session);
        return LSMKV_OK;
    }
    if (session->snapshot.sequence == atomic_load_explicit(&store->log.applied, memory_order_acquire))
        return LSMKV_OK;
    counter_add(&store->counters, conflicts, 1);
    return lsmkv_fail(err, LSMKV_BUSY_SNAPSHOT,
                      "the store has changed since this transaction began to read; repeat the transaction");
}

/* `left`: some transactions are undecided, and their outcomes may come before the commit: what is read is remembered. */
static enum lsmkv_status begin_reads(struct lsmkv_session *session, bool left, struct lsmkv_error *err)
{
    struct reads *reads = &session->reads;
    bool unknown = session->state != LSMKV_SESSION_IDLE && !reads->tracked; /* what it has read before */
    enum lsmkv_status status;

    if (!left) {
        reads_end(reads); /* what it has read is the state that it builds on */
        return LSMKV_OK;
    }
    reads->tracked = true;
    status = reads_begin(reads, err);
    if (!status && unknown)
        read_set_add_everything(reads->set);
    return status;
}

static enum lsmkv_status begin_exclusive(struct lsmkv_session *session, int64_t wait_ms, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    uint64_t deadline_ns = store_deadline_ns(store, wait_ms);
    enum lsmkv_status status;
    bool left;

    status = scheduler_wait_pressure(store->scheduler, err); /* never while holding the turn */
    if (!status)
        status = turn_take(&store->turn, session, store_wait_ms(store, wait_ms), &store->counters, err);
    if (status)
        return status;
    session->has_turn = true;
    left = guards_await(store, deadline_ns);
    status = begin_on_applied(session, err);
    if (!status)
        status = begin_reads(session, left, err);
    return status;
}

static enum lsmkv_status begin_optimistic(struct lsmkv_session *session, struct lsmkv_error *err)
{
    if (session->state == LSMKV_SESSION_IDLE) {
        session->snapshot = snapshot_take(session);
        session->reads.tracked = true;
        return LSMKV_OK;
    }
    if (session->reads.tracked)
        return LSMKV_OK;
    return lsmkv_fail(err, LSMKV_MISUSE, "an optimistic write after reads that were not tracked");
}

static enum lsmkv_status begin_writing(struct lsmkv_session *session, enum lsmkv_write_mode mode, int64_t wait_ms,
                                       struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_writable(session->store, err);

    if (status)
        return status;
    if (mode == LSMKV_WRITE_EXCLUSIVE)
        status = begin_exclusive(session, wait_ms, err);
    else
        status = begin_optimistic(session, err);
    if (!status)
        status = batch_new(&session->batch, err);
    if (!status) {
        session->mode = mode;
        if (session->state == LSMKV_SESSION_IDLE)
            show_begin(session);
        session->state = LSMKV_SESSION_WRITING;
        return LSMKV_OK;
    }
    if (session->state == LSMKV_SESSION_IDLE)
        session_end(session);
    else
        session_give_turn(session); /* a reader goes on reading */
    return status;
}

enum lsmkv_status lsmkv_session_write(struct lsmkv_session *session, enum lsmkv_write_mode mode, int64_t wait_ms,
                                      struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err);

    if (status || session->state == LSMKV_SESSION_WRITING)
        return status;
    if (session->state == LSMKV_SESSION_PREPARED)
        return session_withdraw(session, err);
    return begin_writing(session, mode, wait_ms, err);
}

/* ---- Buffering ---- */

static enum lsmkv_status check_size(const struct lsmkv_session *session, struct lsmkv_slice key,
                                    struct lsmkv_slice value, struct lsmkv_error *err)
{
    uint64_t limit = session->store->options->transaction_size;
    uint64_t more = (uint64_t)key.size + value.size;

    if (key.size > LSMKV_KEY_MAX)
        return lsmkv_fail(err, LSMKV_TOOBIG, "a key of %zu bytes is over the limit of %u", key.size, LSMKV_KEY_MAX);
    if (value.size > LSMKV_VALUE_MAX)
        return lsmkv_fail(err, LSMKV_TOOBIG, "a value of %zu bytes is over the limit of %u", value.size,
                          LSMKV_VALUE_MAX);
    if (more > limit || batch_bytes(session->batch) > limit - more)
        return lsmkv_fail(err, LSMKV_TOOBIG, "the transaction's writes are over transaction_size, %llu bytes",
                          (unsigned long long)limit);
    return LSMKV_OK;
}

static enum lsmkv_status buffer(struct lsmkv_session *session, enum entry_kind kind, struct lsmkv_slice key,
                                struct lsmkv_slice value, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (session->state != LSMKV_SESSION_WRITING)
        return lsmkv_fail(err, LSMKV_MISUSE, "a write outside a write transaction");
    status = check_size(session, key, value, err);
    if (!status)
        status = batch_add(session->batch, kind, key, value, err);
    if (!status && catalog_holds(key))
        catalog_new_stamp(session);
    show_size(session);
    return status;
}

enum lsmkv_status lsmkv_put(struct lsmkv_session *session, struct lsmkv_slice key, struct lsmkv_slice value,
                            struct lsmkv_error *err)
{
    return buffer(session, ENTRY_PUT, key, value, err);
}

enum lsmkv_status lsmkv_delete(struct lsmkv_session *session, struct lsmkv_slice key, struct lsmkv_error *err)
{
    return buffer(session, ENTRY_DELETE, key, slice_of(NULL, 0), err);
}

uint64_t lsmkv_session_mark(const struct lsmkv_session *session)
{
    return session->batch ? batch_mark(session->batch) : 0;
}

void lsmkv_session_rollback_to(struct lsmkv_session *session, uint64_t mark)
{
    assert(session->state != LSMKV_SESSION_PREPARED); /* its record is written: lsmkv_session_write() comes first */
    if (session->batch)
        batch_rollback_to(session->batch, mark);
    if (session->own_stamp)
        catalog_new_stamp(session); /* what it wrote to the catalog may be gone */
    show_size(session);
}

/* ---- Reading a key ---- */

static enum lsmkv_status get_buffered(const struct entry *entry, struct lsmkv_buf *value, bool *found,
                                      struct lsmkv_error *err)
{
    *found = entry->kind == ENTRY_PUT;
    if (!value)
        return LSMKV_OK;
    buf_clear(value);
    return *found ? buf_append(value, entry->value.data, entry->value.size, err) : LSMKV_OK;
}

static enum lsmkv_status get_stored(struct lsmkv_session *session, struct lsmkv_slice key, struct lsmkv_buf *value,
                                    bool *found, struct lsmkv_error *err)
{
    struct snapshot snapshot = session->snapshot;
    enum lsmkv_status status = reads_begin(&session->reads, err);

    if (status)
        return status;
    if (session->reads.tracked) {
        read_set_add_key(session->reads.set, key);
        show_size(session);
    }
    if (session->state == LSMKV_SESSION_IDLE)
        snapshot = snapshot_take(session);
    status = super_version_get(snapshot.super_version, key, snapshot.sequence, value, found, err);
    if (session->state == LSMKV_SESSION_IDLE)
        snapshot_give(session, &snapshot);
    return status;
}

enum lsmkv_status lsmkv_get(struct lsmkv_session *session, struct lsmkv_slice key, struct lsmkv_buf *value, bool *found,
                            struct lsmkv_error *err)
{
    struct entry entry;
    enum lsmkv_status status = store_check_process(session->store, err);

    *found = false;
    if (status)
        return status;
    count_one(&session->counts.gets);
    if (session->batch && batch_get(session->batch, key, &entry))
        status = get_buffered(&entry, value, found, err);
    else
        status = get_stored(session, key, value, found, err);
    if (!status && *found)
        count_one(&session->counts.get_hits);
    return status;
}
