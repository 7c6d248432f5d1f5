/*
 * dropped.h - ids of dropped tables, whose keys compaction may discard.
 *
 * Opening a store opens no table, so the set is read from the catalog at the first question, by a background thread. Only
 * drops that are durable and visible are in it: a drop that a power cut takes back must find its rows. It only grows: ids
 * are never reused. A drop frees its space as later flushes and compactions meet the keys, or by lsmkv_compact().
 *
 * Threads: all functions may be called at the same time, without locks.
 */
#ifndef LSM_STORE_DROPPED_H
#define LSM_STORE_DROPPED_H

#include "os/sync.h"

struct lsmkv_store;

struct dropped {
    struct mutex lock;
    bool loaded;          /* guarded by lock: the catalog was read since the store was opened */
    struct lsmkv_buf ids; /* guarded by lock: uint32_t each, rising */
};

void dropped_init(struct dropped *dropped);
void dropped_release(struct dropped *dropped);

/* For background.dropped: false too where the catalog cannot be read, which is asked again next time. */
bool dropped_ask(void *store, uint32_t table_id);

/* After the commit that dropped them is durable and visible. `ids`: uint32_t each. */
void dropped_add(struct lsmkv_store *store, const struct lsmkv_buf *ids);

#endif
