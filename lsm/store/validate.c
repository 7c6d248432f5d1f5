/*
 * validate.c - whether what a session has read is as it was.
 */
#include "store/validate.h"

#include "base/error.h"
#include "os/clock.h"
#include "store/guards.h"
#include "store/store.h"

#define MS_NS UINT64_C(1000000)

#ifdef LSM_DEBUG
static _Atomic bool validation_off;

void validation_off_for_tests(bool off)
{
    atomic_store_explicit(&validation_off, off, memory_order_relaxed);
}
#endif

enum lsmkv_status reads_begin(struct reads *reads, struct lsmkv_error *err)
{
    return reads->tracked && !reads->set ? read_set_new(&reads->set, err) : LSMKV_OK;
}

static void forget_place(struct reads *reads)
{
    memtable_unref(reads->memtable);
    reads->memtable = NULL;
}

void reads_end(struct reads *reads)
{
    cursors_detach(reads->cursors);
    forget_place(reads);
    read_set_free(reads->set);
    *reads = (struct reads){0};
}

/* What was read is all in the set, which is sealed. If there was anything new, validation begins at the snapshot again. */
static void collect(struct lsmkv_session *session)
{
    struct reads *reads = &session->reads;

    if (!session_has_read_more(session))
        return;
    read_set_seal(reads->set);
    forget_place(reads);
    reads->validated = session->snapshot.sequence;
}

/* ---- The walk ---- */

struct walk {
    struct memtable *memtable; /* borrowed, or the session's */
    struct memtable_walk at;
    uint64_t seen;   /* sequence of the last entry */
    uint64_t target; /* last sequence of interest */
    uint64_t checked;
    bool changed; /* an entry is one of what was read */
};

static void check_entry(struct walk *walk, const struct read_set *set, const struct entry *entry)
{
    walk->seen = entry->sequence;
    walk->checked++;
#ifdef LSM_DEBUG
    if (atomic_load_explicit(&validation_off, memory_order_relaxed))
        return;
#endif
    walk->changed = read_set_contains(set, entry->key);
}

/* The rest of the memtable, up to the target. */
static void check_memtable(struct walk *walk, const struct read_set *set)
{
    struct entry entry;

    while (!walk->changed && memtable_walk_next(&walk->at, &entry) && entry.sequence <= walk->target)
        check_entry(walk, set, &entry);
}

/*
 * The next memtable that holds anything, with a reference, and its first entry; NULL if there is none yet. Some never held
 * anything: a segment may be full of prepares that were aborted.
 */
static enum lsmkv_status find_next(struct walk *walk, struct memtable **next, struct entry *entry,
                                   const struct lsmkv_session *session, struct lsmkv_error *err)
{
    struct memtable *from;
    bool whole;

    *next = walk->memtable;
    memtable_ref(*next);
    do {
        from = *next;
        whole = history_follow(from, next);
        memtable_unref(from);
        if (!whole)
            return lsmkv_fail(err, LSMKV_BUSY_SNAPSHOT,
                              "more was written since this transaction began than history_size (%llu bytes) "
                              "remembers; repeat the transaction",
                              (unsigned long long)session->store->options->history_size);
        if (*next)
            memtable_walk_start(&walk->at, *next);
    } while (*next && !memtable_walk_next(&walk->at, entry));
    return LSMKV_OK;
}

/*
 * Goes on to the next memtable, if it begins with something of interest; then the former one is complete, and its end was
 * seen. `*moved` is false at the end. The session's place moves too, so that the former memtable may go.
 */
static enum lsmkv_status next_memtable(struct lsmkv_session *session, struct walk *walk, bool *moved,
                                       struct lsmkv_error *err)
{
    struct memtable *next = NULL;
    struct entry entry;
    enum lsmkv_status status = find_next(walk, &next, &entry, session, err);

    *moved = !status && next && entry.sequence <= walk->target;
    if (!*moved) {
        memtable_unref(next);
        return status;
    }
    forget_place(&session->reads);
    session->reads.memtable = next;
    walk->memtable = next;
    check_entry(walk, session->reads.set, &entry);
    return LSMKV_OK;
}

static enum lsmkv_status walk_changes(struct lsmkv_session *session, struct walk *walk, struct lsmkv_error *err)
{
    enum lsmkv_status status;
    bool moved;

    memtable_walk_after(&walk->at, walk->memtable, walk->seen);
    check_memtable(walk, session->reads.set);
    /* Every sequence up to the target has an entry. */
    while (!walk->changed && walk->seen < walk->target) {
        status = next_memtable(session, walk, &moved, err);
        if (status || !moved)
            return status;
        check_memtable(walk, session->reads.set);
    }
    return LSMKV_OK;
}

bool session_depends_on_reads(const struct lsmkv_session *session)
{
    return session->reads.set && !read_set_empty(session->reads.set);
}

enum lsmkv_status session_validate_more(struct lsmkv_session *session, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    struct reads *reads = &session->reads;
    struct walk walk = {.memtable = reads->memtable ? reads->memtable : session->snapshot.super_version->active,
                        .seen = reads->validated,
                        .target = atomic_load_explicit(&store->log.applied, memory_order_acquire)};
    enum lsmkv_status status;

    if (!session_depends_on_reads(session) || reads->validated >= walk.target)
        return LSMKV_OK;
    status = walk_changes(session, &walk, err);
    counter_add(&store->counters, validated_writes, walk.checked);
    if (!status && walk.changed)
        status = lsmkv_fail(err, LSMKV_BUSY_SNAPSHOT,
                            "another transaction has changed what this one has read; repeat the transaction");
    if (status)
        counter_add(&store->counters, conflicts, 1);
    else
        reads->validated = walk.target;
    return status;
}

enum lsmkv_status lsmkv_session_validate(struct lsmkv_session *session, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(session->store, err);

    if (status || !session->reads.tracked)
        return status;
    collect(session);
    counter_add(&session->store->counters, validations, 1);
    return session_validate_more(session, err);
}

/* ---- The way to the log ---- */

uint64_t store_wait_ms(const struct lsmkv_store *store, int64_t wait_ms)
{
    return wait_ms < 0 ? store->options->wait_ms : (uint64_t)wait_ms;
}

uint64_t store_deadline_ns(const struct lsmkv_store *store, int64_t wait_ms)
{
    uint64_t now_ns = clock_now_ns(), wait = store_wait_ms(store, wait_ms);

    return wait < (UINT64_MAX - now_ns) / MS_NS ? now_ns + wait * MS_NS : UINT64_MAX;
}

static enum lsmkv_status take_turn(struct lsmkv_session *session, uint64_t deadline_ns, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    uint64_t now_ns = clock_now_ns();
    uint64_t left_ms = now_ns < deadline_ns ? (deadline_ns - now_ns + MS_NS - 1) / MS_NS : 0;
    enum lsmkv_status status = turn_take(&store->turn, session, left_ms, &store->counters, err);

    session->has_turn = !status;
    return status;
}

/* Valid, and with the turn. After a failure it has the turn only if it is exclusive. */
static enum lsmkv_status take_valid_turn(struct lsmkv_session *session, uint64_t deadline_ns, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    bool had_turn = session->has_turn;
    enum lsmkv_status status = store_check_writable(store, err);

    if (!status && !had_turn)
        status = scheduler_wait_pressure(store->scheduler, err); /* never while holding the turn */
    if (!status)
        status = lsmkv_session_validate(session, err);
    if (!status && !had_turn) {
        status = take_turn(session, deadline_ns, err);
        if (!status)
            status = session_validate_more(session, err);
    }
    if (status && !had_turn)
        session_give_turn(session);
    return status;
}

enum lsmkv_status session_enter_commit(struct lsmkv_session *session, struct iter *writes, bool prepares,
                                       int64_t wait_ms, struct lsmkv_error *err)
{
    struct lsmkv_store *store = session->store;
    uint64_t deadline_ns = store_deadline_ns(store, wait_ms), seen = 0;
    struct guarded guarded = {.writes = writes, .prepares = prepares};
    enum lsmkv_status status;
    bool met = true;

    for (;;) {
        status = take_valid_turn(session, deadline_ns, err);
        if (status)
            return status;
        guarded.reads = session->reads.set;
        status = guards_check(store, &guarded, &met, &seen, err);
        if (!status && !met)
            return LSMKV_OK;
        if (met)
            session->mode = LSMKV_WRITE_OPTIMISTIC; /* it gives the turn that it may have had from its beginning */
        if (session->mode == LSMKV_WRITE_OPTIMISTIC)
            session_give_turn(session);
        if (!status)
            status = guards_wait(store, seen, deadline_ns, err);
        if (status)
            return status;
    }
}

bool session_has_read_more(struct lsmkv_session *session)
{
    struct reads *reads = &session->reads;

    for (struct lsmkv_cursor *cursor = reads->cursors; cursor; cursor = cursor_next_tracked(cursor))
        cursor_add_passed(cursor);
    return reads->set && !read_set_sealed(reads->set);
}
