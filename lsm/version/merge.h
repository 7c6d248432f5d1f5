/*
 * merge.h - one iterator over several, newest source first: for each key the entry of the first source that has it.
 * A heap in either direction (tombstones are yielded, not resolved).
 */
#ifndef LSM_VERSION_MERGE_H
#define LSM_VERSION_MERGE_H

#include "base/iter.h"

/* Takes the children (freed with it, and on failure too). `count` may be 0. The array itself is copied. */
LSMKV_MUST_CHECK enum lsmkv_status merge_iter_new(struct iter **it, struct iter **children, size_t count,
                                                  struct lsmkv_error *err);

/* `release(owner)` is called when the iterator is freed, after its children: for what they are borrowed from. */
void merge_iter_on_free(struct iter *it, void (*release)(void *owner), void *owner);

#endif
