/*
 * registry.h - the stores that are open in this process: one per directory, shared by all connections.
 *
 * Threads:   all functions may be called at the same time.
 * Ownership: every open store is counted; the last release closes it, and removes its files if it is doomed.
 */
#ifndef EXT_REGISTRY_H
#define EXT_REGISTRY_H

#include "ext/handout.h"
#include "ext/sqlite.h"
#include "lsm/lsmkv.h"

struct open_store;

/* How a store of the Python package lsm-kv-store becomes one of ours. */
struct store_migration {
    const char *table; /* its name in the new store */
    struct lsmkv_slice definition;
    lsmkv_legacy_row *row;
    void *context;
};

struct store_request {
    const char *dir;                         /* absolute; NULL: a new private store in memory */
    bool create;                             /* make the store if it is absent */
    const struct lsmkv_options *options;     /* of a new store */
    const uint8_t *expected_id;              /* LSMKV_STORE_ID_SIZE bytes, or NULL */
    const struct store_migration *migration; /* NULL: a directory of the Python package is refused */
};

/* Opens the store, or finds it open. SQLite code, with a message on failure. */
int registry_open(const struct store_request *request, struct open_store **store, char **message);
void registry_release(struct open_store *store); /* NULL is fine */

struct lsmkv_store *registry_engine(struct open_store *store);
const char *registry_dir(const struct open_store *store); /* ":memory:" for a private one */
bool registry_in_memory(const struct open_store *store);

/* The rowids that its open transactions have chosen. */
struct handouts *registry_handouts(struct open_store *store);

/* Whether the last close removes the files: set when no table is left in the store. */
void registry_set_doomed(struct open_store *store, bool doomed);

#endif
