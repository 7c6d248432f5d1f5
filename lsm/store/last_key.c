/*
 * last_key.c - the largest key of a range in the newest state, whatever the transaction's snapshot: for choosing numbers.
 */
#include "base/error.h"
#include "store/store.h"

static bool in_range(const struct iter *it, struct lsmkv_slice lower)
{
    return iter_valid(it) && slice_compare(iter_entry(it)->key, lower) >= 0;
}

/* To the last entry below `upper`, tombstones included. */
static enum lsmkv_status to_end(struct iter *it, struct lsmkv_slice upper, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (!upper.data)
        return iter_last(it, err);
    status = iter_seek_for_prev(it, upper, err);
    if (!status && iter_valid(it) && slice_compare(iter_entry(it)->key, upper) >= 0)
        status = iter_prev(it, err);
    return status;
}

static enum lsmkv_status find(struct iter *it, struct lsmkv_slice lower, struct lsmkv_slice upper,
                              struct lsmkv_buf *key, bool *found, struct lsmkv_error *err)
{
    enum lsmkv_status status = to_end(it, upper, err);

    while (!status && in_range(it, lower) && iter_entry(it)->kind == ENTRY_DELETE)
        status = iter_prev(it, err);
    if (status || !in_range(it, lower))
        return status;
    status = buf_set(key, iter_entry(it)->key, err);
    *found = !status;
    return status;
}

enum lsmkv_status lsmkv_last_key(struct lsmkv_session *session, struct lsmkv_slice lower, struct lsmkv_slice upper,
                                 struct lsmkv_buf *key, bool *found, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err);
    struct iter *overlay = NULL, *it = NULL;
    struct snapshot snapshot;

    *found = false;
    if (!status && session->batch)
        status = batch_iter_new(&overlay, session->batch, batch_mark(session->batch), err);
    if (status)
        return status;
    buf_clear(key);
    snapshot = snapshot_take_applied(session);
    status = super_version_iter_new(&it, snapshot.super_version, snapshot.sequence, overlay, lower, upper, err);
    if (!status)
        status = find(it, lower, upper, key, found, err);
    iter_free(it);
    snapshot_give(session, &snapshot);
    return status;
}
