/*
 * batch.h - the buffered writes of one transaction: a memtable of its own whose sequence is the write's ordinal (from 1).
 *
 * Rolling back to a mark makes the ordinals after it dead: they stay in memory until the batch ends and are skipped.
 * An iterator holds a reference, so the transaction may end under it.
 *
 * Threads: one at a time.
 */
#ifndef LSM_TXN_BATCH_H
#define LSM_TXN_BATCH_H

#include "memtable/memtable.h"

struct batch;

LSMKV_MUST_CHECK enum lsmkv_status batch_new(struct batch **batch, struct lsmkv_error *err);
void batch_ref(struct batch *batch);
void batch_unref(struct batch *batch); /* NULL is fine */

LSMKV_MUST_CHECK enum lsmkv_status batch_add(struct batch *batch, enum entry_kind kind, struct lsmkv_slice key,
                                             struct lsmkv_slice value, struct lsmkv_error *err);
uint64_t batch_mark(const struct batch *batch); /* ordinal of the last write; rises for ever */
void batch_rollback_to(struct batch *batch, uint64_t mark);
uint64_t batch_writes(const struct batch *batch); /* live ones */
bool batch_empty(const struct batch *batch);      /* no live write */
uint64_t batch_bytes(const struct batch *batch);  /* memory taken */

/* The newest live write of `key`. */
bool batch_get(const struct batch *batch, struct lsmkv_slice key, struct entry *entry);

/* Yields the newest live write of each key with ordinal <= `mark`; live is decided at each move. Holds a reference. */
LSMKV_MUST_CHECK enum lsmkv_status batch_iter_new(struct iter **it, struct batch *batch, uint64_t mark,
                                                  struct lsmkv_error *err);

#endif
