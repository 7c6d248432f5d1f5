/*
 * two_phase.c - commits in two phases: the prepare, its outcome, its abort.
 *
 * What a prepare needs until then is in prepared.h. Its outcome or abort takes the log lock only, and may come from any
 * thread, whoever holds the turn.
 */
#include "base/error.h"
#include "store/prepared.h"
#include "store/store.h"

/* ---- First phase ---- */

/* With the turn: the record, and all that its outcome will need. On failure the list is as it was. */
static enum lsmkv_status append_prepare(struct lsmkv_session *session, struct prepared *prepared,
                                        struct log_position *end, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    struct log_record record = {
        .type = WAL_PREPARE, .prepared = prepared, .tracked = session_depends_on_reads(session)};
    uint64_t unused;
    enum lsmkv_status status;

    status = store_rotate_if_full(store, err);
    if (status)
        return status;
    status = prepared_add(store, prepared, log_end(store, &unused).segment, err);
    if (status)
        return status;
    do {
        status = session_validate_more(session, err);
        record.validated = session->reads.validated;
        if (!status)
            status = log_write(store, &record, end, &unused, err);
    } while (status == LSMKV_BUSY);
    if (status)
        prepared_remove(store, prepared);
    return status;
}

/* What the session has read, or everything if it remembers nothing. `*made`: the caller's to free. */
static enum lsmkv_status find_reads(struct lsmkv_session *session, const struct read_set **reads,
                                    struct read_set **made, struct lsmkv_error *err)
{
    enum lsmkv_status status = lsmkv_session_validate(session, err); /* seals them too */

    *reads = session->reads.set;
    if (status || (session->reads.tracked && *reads))
        return status;
    status = read_set_new(made, err);
    if (status)
        return status;
    if (!session->reads.tracked)
        read_set_add_everything(*made);
    read_set_seal(*made);
    *reads = *made;
    return LSMKV_OK;
}

static enum lsmkv_status make_prepared(struct lsmkv_session *session, const struct lsmkv_prepare *how,
                                       struct prepared **prepared, struct lsmkv_error *err)
{
    const struct read_set *reads = NULL;
    struct read_set *made = NULL;
    enum lsmkv_status status = find_reads(session, &reads, &made, err);

    if (!status)
        status = prepared_new(prepared, how, session->batch, reads, err);
    if (!status) {
        (*prepared)->snapshot = session->snapshot.sequence;
        status = prepared_set_aside(*prepared, err);
    }
    read_set_free(made);
    return status;
}

static enum lsmkv_status prepare(struct lsmkv_session *session, const struct lsmkv_prepare *how,
                                 struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    struct prepared *prepared = NULL;
    struct log_position end = {0, 0};
    enum lsmkv_status status;

    status = make_prepared(session, how, &prepared, err);
    if (!status)
        status = session_enter_commit(session, prepared->writes.entries, true, how->wait_ms, err);
    if (!status)
        status = append_prepare(session, prepared, &end, err);
    if (session->mode == LSMKV_WRITE_OPTIMISTIC)
        session_give_turn(session);
    if (status) {
        prepared_free(prepared);
        return status;
    }
    if (store->options->sync != LSMKV_SYNC_OFF)
        status = group_sync_wait(store, end, err);
    if (status) {
        prepared_remove(store, prepared); /* the log has failed: recovery decides */
        prepared_free(prepared);
        return status;
    }
    session->prepared = prepared;
    return LSMKV_OK;
}

enum lsmkv_status lsmkv_session_prepare(struct lsmkv_session *session, const struct lsmkv_prepare *how,
                                        struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err);

    if (!status && session->state == LSMKV_SESSION_PREPARED) {
        if (!session->prepared || !session_has_read_more(session))
            return LSMKV_OK;
        status = session_withdraw(session, err); /* its record does not guard what was read since */
    }
    if (status)
        return status;
    if (session->state != LSMKV_SESSION_WRITING)
        return lsmkv_fail(err, LSMKV_MISUSE, "a prepare outside a write transaction");
    if (how->transaction == 0)
        return lsmkv_fail(err, LSMKV_INVALID, "a prepare under the name 0");
    if (session_has_writes(session))
        status = prepare(session, how, err);
    if (!status)
        session->state = LSMKV_SESSION_PREPARED;
    if (status == LSMKV_BUSY_SNAPSHOT) {
        counter_add(&session->store->counters, rollbacks, 1);
        session_end(session);
    }
    return status;
}

/* ---- Second phase ---- */

static enum lsmkv_status append_decision(struct lsmkv_store *store, struct prepared *prepared, bool commit,
                                         struct log_position *end, struct lsmkv_error *err)
{
    struct log_record record = {.type = commit ? WAL_OUTCOME : WAL_ABORT, .prepared = prepared};
    uint64_t unused;

    return log_write(store, &record, end, &unused, err);
}

/* After the OUTCOME: durable if the mode asks for it, counted, done with. */
static enum lsmkv_status finish_outcome(struct lsmkv_store *store, struct prepared *prepared, bool durably,
                                        struct log_position end, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    if (durably)
        status = group_sync_wait(store, end, err);
    if (!status)
        status = store_committed(store, &prepared->writes, end, err);
    prepared_free(prepared);
    return status;
}

/* After the ABORT: what was prepared must not come back, nor its default commit it. */
static enum lsmkv_status finish_abort(struct lsmkv_store *store, struct prepared *prepared, struct log_position end,
                                      struct lsmkv_error *err)
{
    prepared_free(prepared);
    return store->options->sync == LSMKV_SYNC_OFF ? LSMKV_OK : group_sync_wait(store, end, err);
}

static enum lsmkv_status commit_own(struct lsmkv_session *session, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    struct prepared *prepared = session->prepared;
    struct log_position end = {0, 0};
    enum lsmkv_status status;

    session->prepared = NULL;
    status = append_decision(store, prepared, true, &end, err);
    session_give_turn(session);
    if (!status)
        return finish_outcome(store, prepared, store->options->sync == LSMKV_SYNC_FULL && !prepared->certain, end, err);
    prepared_orphan(store, prepared);
    return status;
}

enum lsmkv_status lsmkv_session_commit_prepared(struct lsmkv_session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err);

    if (status)
        return status;
    if (session->state != LSMKV_SESSION_PREPARED)
        return lsmkv_fail(err, LSMKV_MISUSE, "the second phase of a commit without the first");
    if (!session->prepared)
        return session_end_unwritten(session, err);
    status = commit_own(session, err);
    session_end(session);
    return status;
}

/* ---- Going back ---- */

enum lsmkv_status session_withdraw(struct lsmkv_session *session, struct lsmkv_error *err)
{
    struct prepared *prepared = session->prepared;
    struct log_position end = {0, 0};
    enum lsmkv_status status = LSMKV_OK;

    if (prepared)
        status = append_decision(session->store, prepared, false, &end, err);
    if (status)
        return status;
    session->prepared = NULL;
    session->state = LSMKV_SESSION_WRITING;
    return prepared ? finish_abort(session->store, prepared, end, err) : LSMKV_OK;
}

enum lsmkv_status session_abort(struct lsmkv_session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = session_withdraw(session, err);

    if (session->prepared)
        prepared_orphan(session->store, session->prepared); /* the log has failed: recovery decides */
    session->prepared = NULL;
    return status;
}

/* ---- In doubt ---- */

enum lsmkv_status lsmkv_settle(struct lsmkv_store *store, uint64_t transaction, bool commit, struct lsmkv_error *err)
{
    struct prepared *prepared = NULL;
    struct log_position end = {0, 0};
    enum lsmkv_status status = store_check_process(store, err);

    if (!status)
        status = prepared_claim(store, transaction, &prepared, err);
    if (status)
        return status;
    status = prepared_set_aside(prepared, err);
    if (!status)
        status = append_decision(store, prepared, commit, &end, err);
    if (status) {
        prepared_unclaim(store, prepared);
        return status;
    }
    if (commit)
        return finish_outcome(store, prepared, true, end, err);
    prepared_free(prepared);
    return group_sync_wait(store, end, err);
}
