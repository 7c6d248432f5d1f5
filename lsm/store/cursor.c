/*
 * cursor.c - rows in key order, between bounds, both ways: the merged entries of batch and snapshot without tombstones.
 *
 * A cursor holds references on all that it reads, so it outlives the transaction that it was opened in.
 */
#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/store.h"

struct lsmkv_cursor {
    struct lsmkv_session *session; /* for its counts */
    struct iter *it;
    const struct super_version *reads; /* what `it` holds; only compared */
    struct lsmkv_buf lower, upper;     /* bounds, if bounded */
    bool has_lower, has_upper;
    bool valid;

    /*
     * While `tracked`: where its last placing began, and the direction since; it has passed all from there to where it is,
     * or to the bound if it came to the end.
     */
    bool tracked, placed, forward;
    bool has_edge; /* else the bound on the side where it began */
    struct lsmkv_buf edge;
    struct lsmkv_cursor *previous_tracked, *next_tracked; /* of the session */
};

static enum lsmkv_status copy_bound(struct lsmkv_slice bound, struct lsmkv_buf *copy, bool *has,
                                    struct lsmkv_error *err)
{
    *has = bound.data != NULL;
    return *has ? buf_set(copy, bound, err) : LSMKV_OK;
}

/* ---- What it has passed ---- */

static struct lsmkv_slice lower_of(const struct lsmkv_cursor *cursor)
{
    return cursor->has_lower ? slice_of_buf(&cursor->lower) : slice_of(NULL, 0);
}

static struct lsmkv_slice upper_of(const struct lsmkv_cursor *cursor)
{
    return cursor->has_upper ? slice_of_buf(&cursor->upper) : slice_of(NULL, 0);
}

/* A cursor that a failure has left on no row may have passed all: too much is on the safe side. */
void cursor_add_passed(struct lsmkv_cursor *cursor)
{
    struct read_set *set = cursor->session->reads.set;
    struct lsmkv_slice edge = slice_of_buf(&cursor->edge);
    struct lsmkv_slice lower = lower_of(cursor), upper = upper_of(cursor);

    if (!cursor->placed)
        return;
    if (cursor->forward && cursor->has_edge)
        lower = edge;
    if (!cursor->forward && cursor->valid)
        lower = iter_entry(cursor->it)->key;
    if (cursor->forward && cursor->valid)
        read_set_add_through(set, lower, iter_entry(cursor->it)->key);
    else if (!cursor->forward && cursor->has_edge)
        read_set_add_through(set, lower, edge);
    else
        read_set_add_range(set, lower, upper);
}

/* Before the cursor is placed anew, at `edge` or (NULL data) at its bound. Without memory for the edge, the bound it is. */
static void place(struct lsmkv_cursor *cursor, bool forward, struct lsmkv_slice edge)
{
    if (!cursor->tracked)
        return;
    cursor_add_passed(cursor);
    cursor->placed = true;
    cursor->forward = forward;
    cursor->has_edge = edge.data && !buf_set(&cursor->edge, edge, NULL);
}

/* Before a step: a turn begins at the present row. */
static void step(struct lsmkv_cursor *cursor, bool forward)
{
    if (cursor->tracked && cursor->forward != forward)
        place(cursor, forward, iter_entry(cursor->it)->key);
}

static void track(struct lsmkv_cursor *cursor)
{
    struct reads *reads = &cursor->session->reads;

    cursor->tracked = true;
    cursor->next_tracked = reads->cursors;
    if (reads->cursors)
        reads->cursors->previous_tracked = cursor;
    reads->cursors = cursor;
}

static void untrack(struct lsmkv_cursor *cursor)
{
    cursor_add_passed(cursor);
    if (cursor->previous_tracked)
        cursor->previous_tracked->next_tracked = cursor->next_tracked;
    else
        cursor->session->reads.cursors = cursor->next_tracked;
    if (cursor->next_tracked)
        cursor->next_tracked->previous_tracked = cursor->previous_tracked;
    cursor->tracked = false;
}

struct lsmkv_cursor *cursor_next_tracked(const struct lsmkv_cursor *cursor)
{
    return cursor->next_tracked;
}

void cursors_detach(struct lsmkv_cursor *first)
{
    while (first) {
        struct lsmkv_cursor *next = first->next_tracked;

        first->tracked = false;
        first->previous_tracked = NULL;
        first->next_tracked = NULL;
        first = next;
    }
}

/* ---- Life ---- */

/* The merged iterator over what `session` sees. */
static enum lsmkv_status open_iter(struct lsmkv_cursor *cursor, struct lsmkv_slice lower, struct lsmkv_slice upper,
                                   struct lsmkv_error *err)
{
    struct lsmkv_session *session = cursor->session;
    struct snapshot snapshot = session->snapshot;
    struct iter *overlay = NULL;
    enum lsmkv_status status = LSMKV_OK;

    if (session->batch)
        status = batch_iter_new(&overlay, session->batch, batch_mark(session->batch), err);
    if (status)
        return status;
    if (session->state == LSMKV_SESSION_IDLE)
        snapshot = snapshot_take(session);
    status = super_version_iter_new(&cursor->it, snapshot.super_version, snapshot.sequence, overlay, lower, upper, err);
    cursor->reads = snapshot.super_version;
    if (session->state == LSMKV_SESSION_IDLE)
        snapshot_give(session, &snapshot);
    return status;
}

enum lsmkv_status lsmkv_cursor_open(struct lsmkv_cursor **cursor, struct lsmkv_session *session,
                                    struct lsmkv_slice lower, struct lsmkv_slice upper, struct lsmkv_error *err)
{
    struct lsmkv_cursor *made;
    enum lsmkv_status status = store_check_process(session->store, err);

    if (status)
        return status;
    made = lsm_calloc(1, sizeof(*made));
    if (!made)
        return lsmkv_fail_nomem(err);
    made->session = session;
    status = copy_bound(lower, &made->lower, &made->has_lower, err);
    if (!status)
        status = copy_bound(upper, &made->upper, &made->has_upper, err);
    if (!status)
        status = open_iter(made, lower, upper, err);
    if (!status)
        status = reads_begin(&session->reads, err);
    if (status) {
        lsmkv_cursor_close(made);
        return status;
    }
    if (session->reads.tracked)
        track(made);
    count_one(&session->counts.cursors);
    *cursor = made;
    return LSMKV_OK;
}

void lsmkv_cursor_close(struct lsmkv_cursor *cursor)
{
    if (!cursor || store_check_process(cursor->session->store, NULL))
        return; /* in a child as a session: what it reads is a copy, and the locks of it may be held for ever */
    if (cursor->tracked)
        untrack(cursor);
    if (cursor->it) {
        iter_free(cursor->it);
        store_reader_gone(cursor->session->store, cursor->reads);
    }
    lsmkv_buf_release(&cursor->lower);
    lsmkv_buf_release(&cursor->upper);
    lsmkv_buf_release(&cursor->edge);
    lsm_free(cursor);
}

/* ---- Settling on a row after a move ---- */

static bool at_tombstone(const struct lsmkv_cursor *cursor)
{
    return iter_valid(cursor->it) && iter_entry(cursor->it)->kind == ENTRY_DELETE;
}

/* Below the upper bound. */
static bool before_end(const struct lsmkv_cursor *cursor)
{
    return !cursor->has_upper || slice_compare(iter_entry(cursor->it)->key, slice_of_buf(&cursor->upper)) < 0;
}

/* At or above the lower bound. */
static bool after_start(const struct lsmkv_cursor *cursor)
{
    return !cursor->has_lower || slice_compare(iter_entry(cursor->it)->key, slice_of_buf(&cursor->lower)) >= 0;
}

static void settle(struct lsmkv_cursor *cursor, bool in_bounds)
{
    cursor->valid = in_bounds;
    if (in_bounds)
        count_one(&cursor->session->counts.cursor_rows);
}

/* Passes tombstones, not beyond the bound: there may be many there. */
static enum lsmkv_status settle_forward(struct lsmkv_cursor *cursor, enum lsmkv_status moved, struct lsmkv_error *err)
{
    cursor->valid = false;
    while (!moved && at_tombstone(cursor) && before_end(cursor))
        moved = iter_next(cursor->it, err);
    if (!moved)
        settle(cursor, iter_valid(cursor->it) && before_end(cursor));
    return moved;
}

static enum lsmkv_status settle_backward(struct lsmkv_cursor *cursor, enum lsmkv_status moved, struct lsmkv_error *err)
{
    cursor->valid = false;
    while (!moved && at_tombstone(cursor) && after_start(cursor))
        moved = iter_prev(cursor->it, err);
    if (!moved)
        settle(cursor, iter_valid(cursor->it) && after_start(cursor));
    return moved;
}

/* ---- Moves ---- */

/* Before a move, which leaves the cursor on no row if it fails. */
static enum lsmkv_status check_move(struct lsmkv_cursor *cursor, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(cursor->session->store, err);

    if (status)
        cursor->valid = false;
    return status;
}

enum lsmkv_status lsmkv_cursor_first(struct lsmkv_cursor *cursor, struct lsmkv_error *err)
{
    enum lsmkv_status status = check_move(cursor, err);

    if (status)
        return status;
    place(cursor, true, slice_of(NULL, 0));
    if (cursor->has_lower)
        status = iter_seek(cursor->it, slice_of_buf(&cursor->lower), err);
    else
        status = iter_first(cursor->it, err);
    return settle_forward(cursor, status, err);
}

enum lsmkv_status lsmkv_cursor_last(struct lsmkv_cursor *cursor, struct lsmkv_error *err)
{
    enum lsmkv_status status = check_move(cursor, err);

    if (status)
        return status;
    place(cursor, false, slice_of(NULL, 0));
    if (!cursor->has_upper) {
        status = iter_last(cursor->it, err);
    } else {
        status = iter_seek_for_prev(cursor->it, slice_of_buf(&cursor->upper), err);
        if (!status && iter_valid(cursor->it) && !before_end(cursor))
            status = iter_prev(cursor->it, err); /* at the bound itself, which is exclusive */
    }
    return settle_backward(cursor, status, err);
}

enum lsmkv_status lsmkv_cursor_seek(struct lsmkv_cursor *cursor, struct lsmkv_slice key, struct lsmkv_error *err)
{
    enum lsmkv_status status = check_move(cursor, err);

    if (status)
        return status;
    if (cursor->has_lower && slice_compare(key, slice_of_buf(&cursor->lower)) < 0)
        key = slice_of_buf(&cursor->lower);
    place(cursor, true, key.data ? key : slice_of("", 0));
    status = iter_seek(cursor->it, key, err);
    return settle_forward(cursor, status, err);
}

enum lsmkv_status lsmkv_cursor_next(struct lsmkv_cursor *cursor, struct lsmkv_error *err)
{
    enum lsmkv_status status = check_move(cursor, err);

    if (status)
        return status;
    assert(cursor->valid);
    step(cursor, true);
    status = iter_next(cursor->it, err);
    return settle_forward(cursor, status, err);
}

enum lsmkv_status lsmkv_cursor_prev(struct lsmkv_cursor *cursor, struct lsmkv_error *err)
{
    enum lsmkv_status status = check_move(cursor, err);

    if (status)
        return status;
    assert(cursor->valid);
    step(cursor, false);
    status = iter_prev(cursor->it, err);
    return settle_backward(cursor, status, err);
}

bool lsmkv_cursor_valid(const struct lsmkv_cursor *cursor)
{
    return cursor->valid;
}

struct lsmkv_slice lsmkv_cursor_key(const struct lsmkv_cursor *cursor)
{
    assert(cursor->valid);
    return iter_entry(cursor->it)->key;
}

struct lsmkv_slice lsmkv_cursor_value(const struct lsmkv_cursor *cursor)
{
    assert(cursor->valid);
    return iter_entry(cursor->it)->value;
}
