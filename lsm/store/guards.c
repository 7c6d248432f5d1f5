/*
 * guards.c - compares a transaction with those that are undecided.
 */
#include "store/guards.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/iter.h"
#include "os/clock.h"
#include "store/prepared.h"
#include "store/store.h"

#define MS_NS UINT64_C(1000000)

static enum lsmkv_status meets(struct iter *writes, const struct read_set *reads, bool *met, struct lsmkv_error *err)
{
    enum lsmkv_status status = iter_first(writes, err);

    *met = false;
    while (!status && iter_valid(writes) && !*met) {
        *met = read_set_contains(reads, iter_entry(writes)->key);
        status = iter_next(writes, err);
    }
    return status;
}

/* See (1) and (2). */
static enum lsmkv_status stands_in_the_way(const struct prepared *prepared, const struct guarded *guarded, bool *met,
                                           struct lsmkv_error *err)
{
    enum lsmkv_status status = meets(guarded->writes, prepared->guarded, met, err);

    if (!status && !*met && guarded->prepares && guarded->reads)
        status = meets(prepared->keys, guarded->reads, met, err);
    return status;
}

/* The first one that stands in the way, those in doubt first: they are not waited for. */
static enum lsmkv_status find(struct prepared_list *list, const struct guarded *guarded, const struct prepared **found,
                              struct lsmkv_error *err) LSM_REQUIRES(list->lock)
{
    enum lsmkv_status status = LSMKV_OK;
    bool met;

    *found = NULL;
    for (const struct prepared *at = list->first; !status && at; at = at->next) {
        status = stands_in_the_way(at, guarded, &met, err);
        if (!status && met && (!*found || at->in_doubt))
            *found = at;
        if (*found && (*found)->in_doubt)
            break;
    }
    return status;
}

enum lsmkv_status guards_check(struct lsmkv_store *store, const struct guarded *guarded, bool *met, uint64_t *seen,
                               struct lsmkv_error *err)
{
    struct prepared_list *list = &store->prepared;
    const struct prepared *found;
    uint64_t transaction = 0;
    bool in_doubt = false;
    enum lsmkv_status status;

    *met = false;
    /* None is added while the caller has the turn. */
    if (atomic_load_explicit(&list->count, memory_order_acquire) == 0)
        return LSMKV_OK;
    mutex_lock(&list->lock);
    *seen = list->changes;
    status = find(list, guarded, &found, err);
    if (!status && found) {
        in_doubt = found->in_doubt;
        transaction = found->transaction;
        *met = !in_doubt;
    }
    mutex_unlock(&list->lock);
    if (in_doubt)
        return lsmkv_fail(err, LSMKV_BUSY,
                          "%s: transaction %016" PRIx64 " is in doubt and guards what this one writes or has read: "
                          "lsmkv_settle decides it",
                          store->label, transaction);
    return status;
}

enum lsmkv_status guards_wait(struct lsmkv_store *store, uint64_t seen, uint64_t deadline_ns, struct lsmkv_error *err)
{
    struct prepared_list *list = &store->prepared;
    bool in_time = true, changed;

    mutex_lock(&list->lock);
    while (!(changed = list->changes != seen) && in_time)
        in_time = condvar_wait_until(&list->changed, &list->lock, deadline_ns);
    mutex_unlock(&list->lock);
    if (changed)
        return LSMKV_OK;
    return lsmkv_fail(err, LSMKV_BUSY, "a transaction between its two phases guards what this one writes or has read");
}

/* ---- Before an exclusive transaction ---- */

static bool any_to_wait_for(const struct prepared_list *list) LSM_REQUIRES(list->lock)
{
    for (const struct prepared *at = list->first; at; at = at->next) {
        if (!at->in_doubt && !at->stalled)
            return true;
    }
    return false;
}

bool guards_await(struct lsmkv_store *store, uint64_t deadline_ns)
{
    struct prepared_list *list = &store->prepared;
    uint64_t patience_ns = clock_now_ns() + GUARDS_PATIENCE_MS * MS_NS;
    bool patient = patience_ns <= deadline_ns, in_time = true, left;

    if (atomic_load_explicit(&list->count, memory_order_acquire) == 0)
        return false;
    mutex_lock(&list->lock);
    while (any_to_wait_for(list) && in_time)
        in_time = condvar_wait_until(&list->changed, &list->lock, patient ? patience_ns : deadline_ns);
    for (struct prepared *at = list->first; at && !in_time && patient; at = at->next)
        at->stalled = true;
    left = list->first != NULL;
    mutex_unlock(&list->lock);
    return left;
}
