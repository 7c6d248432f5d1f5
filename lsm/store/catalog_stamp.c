/*
 * catalog_stamp.c - tells a session whether the catalog is still what it was, without reading it.
 *
 * The stamp is the sequence of the last commit that changed the catalog, where the session's snapshot has all of that. A
 * session that has written to the catalog, or reads a snapshot from before the last change, gets a stamp of its own, which
 * no other one ever had.
 */
#include "store/catalog.h"
#include "store/store.h"

/* Own stamps are told from sequences, which stay below it, by this bit. */
#define OWN_STAMP (1ull << 63)

void catalog_new_stamp(struct lsmkv_session *session)
{
    uint64_t number = atomic_fetch_add_explicit(&session->store->own_stamps, 1, memory_order_relaxed);

    session->own_stamp = OWN_STAMP | number;
}

uint64_t lsmkv_catalog_stamp(struct lsmkv_session *session)
{
    const struct log *log = &session->store->log;
    bool idle = session->state == LSMKV_SESSION_IDLE;
    uint64_t sees, changed;

    if (session->own_stamp)
        return session->own_stamp;
    sees = idle ? atomic_load_explicit(&log->visible, memory_order_acquire) : session->snapshot.sequence;
    /* Written before the sequence of its commit was published, and `sees` was read after that: so not too old a one. */
    changed = atomic_load_explicit(&log->catalog_changed, memory_order_acquire);
    if (changed <= sees)
        return changed;
    if (idle)
        return LSMKV_CATALOG_UNKNOWN;
    catalog_new_stamp(session); /* the snapshot is older than the last change, and stays what it is */
    return session->own_stamp;
}
