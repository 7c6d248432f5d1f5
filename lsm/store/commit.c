/*
 * commit.c - ends transactions: the final commit and the rollback. The two phases are in two_phase.c.
 *
 * A commit is durable and visible, as the sync mode says, before it returns: in full mode it waits for the sync that covers
 * its record, after it has given the turn back, so that others append meanwhile and share the sync.
 */
#include "base/error.h"
#include "store/store.h"

bool session_has_writes(const struct lsmkv_session *session)
{
    return session->batch && !batch_empty(session->batch);
}

enum lsmkv_status store_committed(struct lsmkv_store *store, const struct writes *writes, struct log_position end,
                                  struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    counter_add(&store->counters, commits, 1);
    counter_add(&store->counters, writes, writes->count);
    if (writes->dropped.size == 0)
        return LSMKV_OK;
    /* The rows must not go before the drop is durable: in normal mode that needs a sync of its own. */
    if (store->options->sync != LSMKV_SYNC_OFF)
        status = group_sync_wait(store, end, err);
    if (status)
        return status;
    dropped_add(store, &writes->dropped);
    scheduler_wake(store->scheduler);
    return LSMKV_OK;
}

/*
 * An exclusive transaction reads what was applied. Its commit comes after that in the log; but one that ends without a record
 * has told its caller of what a crash could still take back.
 */
static enum lsmkv_status await_what_was_read(struct lsmkv_session *session, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    uint64_t unused;

    if (session->snapshot.sequence <= atomic_load_explicit(&store->log.visible, memory_order_acquire))
        return LSMKV_OK;
    session_give_turn(session);
    return group_sync_wait(store, log_end(store, &unused), err);
}

enum lsmkv_status session_end_unwritten(struct lsmkv_session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    if (session->snapshot.super_version)
        status = await_what_was_read(session, err);
    session_end(session);
    return status;
}

/* With the turn. Outcomes of prepared transactions need no turn: what they change is validated too. */
static enum lsmkv_status append(struct lsmkv_session *session, const struct writes *writes, struct log_position *end,
                                struct lsmkv_error *err)
{
    struct log_record record = {.type = WAL_COMMIT,
                                .entries = writes->entries,
                                .entry_bytes = writes->bytes,
                                .entry_room = writes->room,
                                .tracked = session_depends_on_reads(session)};
    enum lsmkv_status status = store_rotate_if_full(session->store, err);
    uint64_t sequence;

    if (status)
        return status;
    do {
        status = session_validate_more(session, err);
        if (status)
            return status;
        record.validated = session->reads.validated;
        status = log_write(session->store, &record, end, &sequence, err);
    } while (status == LSMKV_BUSY);
    return status;
}

/* `*again`: plain BUSY before anything was done. */
static enum lsmkv_status commit_final(struct lsmkv_session *session, int64_t wait_ms, bool *again,
                                      struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    struct log_position end = {0, 0};
    struct writes writes;
    enum lsmkv_status status;

    *again = false;
    status = writes_init(&writes, session->batch, err);
    if (!status) {
        status = session_enter_commit(session, writes.entries, false, wait_ms, err);
        *again = status == LSMKV_BUSY;
    }
    if (!status)
        status = append(session, &writes, &end, err);
    if (!*again)
        session_give_turn(session);
    if (!status && store->options->sync == LSMKV_SYNC_FULL)
        status = group_sync_wait(store, end, err);
    if (!status)
        status = store_committed(store, &writes, end, err);
    writes_release(&writes);
    return status;
}

enum lsmkv_status lsmkv_session_commit(struct lsmkv_session *session, int64_t wait_ms, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err);
    bool again = false;

    if (status)
        return status;
    if (session->state == LSMKV_SESSION_PREPARED)
        return lsmkv_session_commit_prepared(session, err);
    if (!session_has_writes(session))
        return session_end_unwritten(session, err);
    status = commit_final(session, wait_ms, &again, err);
    if (again)
        return status;
    if (status)
        counter_add(&session->store->counters, rollbacks, 1);
    session_end(session);
    return status;
}

enum lsmkv_status session_roll_back(struct lsmkv_session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    if (session_has_writes(session))
        counter_add(&session->store->counters, rollbacks, 1);
    if (session->state == LSMKV_SESSION_PREPARED)
        status = session_abort(session, err);
    session_end(session);
    return status;
}

enum lsmkv_status lsmkv_session_rollback(struct lsmkv_session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err), rolled_back;

    if (status)
        return status;
    if (session->state == LSMKV_SESSION_WRITING)
        status = await_what_was_read(session, err); /* it may be why the caller rolls back */
    rolled_back = session_roll_back(session, err);
    return rolled_back ? rolled_back : status;
}
