/*
 * settings.h - the options of an open store: those in force, and those that the manifest records.
 *
 * They differ in options that only opening can put in force. Each change makes a new pair, published by one store of a
 * pointer; the former ones stay until the store is closed.
 *
 * Threads:   all functions but init and release may be called at the same time.
 */
#ifndef LSM_STORE_SETTINGS_H
#define LSM_STORE_SETTINGS_H

#include "lsmkv.h"
#include "os/sync.h"

struct setting;

struct settings {
    struct mutex lock;      /* one change at a time */
    struct setting *newest; /* guarded by lock; NULL until settings_load() */
};

void settings_init(struct settings *settings);
void settings_release(struct settings *settings);

/* At open: `options` are recorded, and in force. */
LSMKV_MUST_CHECK enum lsmkv_status settings_load(struct lsmkv_store *store, const struct lsmkv_options *options,
                                                 struct lsmkv_error *err);

#endif
