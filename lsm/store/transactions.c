/*
 * transactions.c - who is in the middle of something.
 */
#include <string.h>

#include "os/clock.h"
#include "store/prepared.h"
#include "store/store.h"

/* One visit, and what it borrows from. */
struct shown {
    struct lsmkv_transaction_info info;
    uint8_t coordinator[LSMKV_COORDINATOR_SIZE];
};

static void describe_prepared(const struct prepared *prepared, bool in_doubt, struct shown *shown)
{
    memcpy(shown->coordinator, prepared->coordinator, sizeof(shown->coordinator));
    shown->info = (struct lsmkv_transaction_info){
        .state = in_doubt ? LSMKV_TRANSACTION_IN_DOUBT : LSMKV_TRANSACTION_PREPARED,
        .transaction = prepared->transaction,
        .coordinator = shown->coordinator,
        .age_ms = in_doubt ? 0 : (clock_now_ns() - prepared->began_ns) / 1000000,
        .snapshot = prepared->snapshot,
        .writes = prepared->count,
        .bytes = prepared->bytes + read_set_bytes(prepared->guarded),
    };
}

/* The first one after `*serial`, which becomes its own; false at the end. */
static bool next_prepared(struct lsmkv_store *store, uint64_t *serial, struct shown *shown)
{
    const struct prepared *at;

    mutex_lock(&store->prepared.lock);
    at = store->prepared.first;
    while (at && at->serial <= *serial)
        at = at->next;
    if (at) {
        *serial = at->serial;
        describe_prepared(at, at->in_doubt, shown);
    }
    mutex_unlock(&store->prepared.lock);
    return at != NULL;
}

static uint64_t look(const _Atomic uint64_t *field)
{
    return atomic_load_explicit(field, memory_order_relaxed);
}

/* What an open session tells of itself. It goes on meanwhile, so it may be of two moments. */
static void describe_session(const struct lsmkv_session *session, bool writes, struct shown *shown)
{
    const struct session_view *view = &session->view;
    const struct memtable *memtable = atomic_load_explicit(&view->memtable, memory_order_relaxed);
    uint64_t since_ns = look(&view->since_ns), now_ns = clock_now_ns();

    shown->info = (struct lsmkv_transaction_info){
        .state = writes ? LSMKV_TRANSACTION_WRITING : LSMKV_TRANSACTION_READING,
        .exclusive = session->has_turn,
        .age_ms = now_ns > since_ns ? (now_ns - since_ns) / 1000000 : 0,
        .snapshot = look(&view->snapshot),
        .writes = look(&view->writes),
        .bytes = look(&view->bytes),
        .pinned_bytes = memtable ? history_kept_bytes(version_set_history(session->store->versions), memtable) : 0,
    };
}

/* The one with `skip` sessions before it that read or write; those that are prepared are in the list. False at the end. */
static bool nth_session(struct lsmkv_store *store, uint64_t skip, struct shown *shown)
{
    bool found = false;

    mutex_lock(&store->sessions_lock);
    for (const struct lsmkv_session *session = store->sessions; session && !found; session = session->next) {
        enum lsmkv_session_state state = session->state;

        if (state != LSMKV_SESSION_READING && state != LSMKV_SESSION_WRITING)
            continue;
        found = skip-- == 0;
        if (found)
            describe_session(session, state == LSMKV_SESSION_WRITING, shown);
    }
    mutex_unlock(&store->sessions_lock);
    return found;
}

void lsmkv_transactions_each(struct lsmkv_store *store,
                             bool (*visit)(void *context, const struct lsmkv_transaction_info *info), void *context)
{
    struct shown shown;
    uint64_t serial = 0;
    bool go_on = !store_check_process(store, NULL);

    for (uint64_t i = 0; go_on && nth_session(store, i, &shown); i++)
        go_on = visit(context, &shown.info);
    while (go_on && next_prepared(store, &serial, &shown))
        go_on = visit(context, &shown.info);
}
