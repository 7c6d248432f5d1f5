/*
 * two_phase.c - commits in two phases: the prepare, its outcome, its abort.
 *
 * A prepared transaction keeps the turn until its outcome: so nobody else can have written what it read, and no rotation
 * comes between its record and its outcome.
 */
#include "base/error.h"
#include "store/store.h"

/* PREPARE's head: transaction id, coordinator id, default. */
static void prepare_head(uint8_t head[WAL_PREPARE_HEAD], const struct lsmkv_prepare *how)
{
    put_u64(head, how->transaction);
    memcpy(head + sizeof(how->transaction), how->coordinator, sizeof(how->coordinator));
    head[WAL_PREPARE_HEAD - 1] = how->default_commit;
}

static enum lsmkv_status append_prepare(struct lsmkv_session *session, const struct lsmkv_prepare *how,
                                        struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    uint8_t head[WAL_PREPARE_HEAD];
    struct log_record record = {.type = WAL_PREPARE, .head = head, .head_size = sizeof(head)};
    struct log_position end = {0, 0};
    struct writes writes;
    uint64_t unused;
    enum lsmkv_status status;

    status = writes_init(&writes, session->batch, err);
    if (!status)
        status = store_rotate_if_full(store, err);
    if (status)
        goto done;
    prepare_head(head, how);
    record.entries = writes.entries;
    record.entry_bytes = writes.bytes;
    record.entry_room = writes.room;
    /* Before the record is there: from then on the segment must stay until the outcome is in a table. */
    session->prepared_in = log_end(store, &unused).segment;
    version_set_keep_segment(store->versions, session->prepared_in);
    status = log_write(store, &record, &end, &unused, err);
    if (!status && store->options.sync != LSMKV_SYNC_OFF)
        status = group_sync_wait(store, end, err);
    if (status)
        version_set_keep_segment(store->versions, UINT64_MAX);

done:
    if (status)
        writes_release(&writes);
    else
        session->prepared = writes;
    return status;
}

enum lsmkv_status lsmkv_session_prepare(struct lsmkv_session *session, const struct lsmkv_prepare *how,
                                        struct lsmkv_error *err)
{
    uint64_t transaction = 0;
    enum lsmkv_status status = store_check_process(session->store, err);

    if (status || session->state == LSMKV_SESSION_PREPARED)
        return status;
    if (session->state != LSMKV_SESSION_WRITING)
        return lsmkv_fail(err, LSMKV_MISUSE, "a prepare outside a write transaction");
    if (session_has_writes(session)) {
        transaction = how->transaction;
        status = append_prepare(session, how, err);
        if (status)
            return status;
    }
    session->transaction = transaction;
    session->default_commit = how->default_commit;
    session->state = LSMKV_SESSION_PREPARED;
    return LSMKV_OK;
}

static enum lsmkv_status append_outcome(struct lsmkv_session *session, struct log_position *end,
                                        struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    uint8_t head[sizeof(session->transaction)];
    struct log_record record = {.type = WAL_OUTCOME,
                                .head = head,
                                .head_size = sizeof(head),
                                .entries = session->prepared.entries,
                                .prepared_in = session->prepared_in};
    uint64_t sequence;
    enum lsmkv_status status;

    put_u64(head, session->transaction);
    status = log_write(store, &record, end, &sequence, err);
    if (status)
        return status;
    version_set_keep_segment(store->versions, UINT64_MAX); /* the memtable needs it now, and says so */
    /*
     * A prepare that commits by default is durable as it is, with all that came before it, so the commit may be seen at
     * once. Of any other, a power cut could take back the outcome.
     */
    if (session->default_commit)
        log_show(&store->log, sequence);
    return LSMKV_OK;
}

static enum lsmkv_status commit_record(struct lsmkv_session *session, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    struct log_position end = {0, 0};
    enum lsmkv_status status = append_outcome(session, &end, err);

    if (status)
        return status;
    session_give_turn(session);
    if (store->options.sync == LSMKV_SYNC_FULL && !session->default_commit)
        status = group_sync_wait(store, end, err);
    if (!status)
        status = store_committed(store, &session->prepared, end, err);
    return status;
}

enum lsmkv_status lsmkv_session_commit_prepared(struct lsmkv_session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err);

    if (status)
        return status;
    if (session->state != LSMKV_SESSION_PREPARED)
        return lsmkv_fail(err, LSMKV_MISUSE, "the second phase of a commit without the first");
    if (session->transaction)
        status = commit_record(session, err);
    session_end(session); /* after a failure, which is the log's, recovery decides */
    return status;
}

/* Appends an abort of the prepare and makes it durable. */
static enum lsmkv_status append_abort(struct lsmkv_session *session, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    uint8_t head[sizeof(session->transaction)];
    struct log_record record = {.type = WAL_ABORT, .head = head, .head_size = sizeof(head)};
    struct log_position end = {0, 0};
    uint64_t unused;
    enum lsmkv_status status;

    put_u64(head, session->transaction);
    status = log_write(store, &record, &end, &unused, err);
    if (!status && store->options.sync != LSMKV_SYNC_OFF)
        status = group_sync_wait(store, end, err);
    return status;
}

enum lsmkv_status session_withdraw(struct lsmkv_session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    if (session->transaction)
        status = append_abort(session, err);
    if (status)
        return status;
    version_set_keep_segment(session->store->versions, UINT64_MAX);
    writes_release(&session->prepared);
    session->transaction = 0;
    session->state = LSMKV_SESSION_WRITING;
    return LSMKV_OK;
}
