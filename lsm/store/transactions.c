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

void lsmkv_transactions_each(struct lsmkv_store *store,
                             bool (*visit)(void *context, const struct lsmkv_transaction_info *info), void *context)
{
    struct shown shown;
    uint64_t serial = 0;
    bool go_on = true;

    while (go_on && next_prepared(store, &serial, &shown))
        go_on = visit(context, &shown.info);
}
