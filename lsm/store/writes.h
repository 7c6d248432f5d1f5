/*
 * writes.h - what is known of a batch before its record is written: the newest write of each key, how large they are, and
 * which tables they drop.
 *
 * Threads:   one at a time.
 * Ownership: the entries hold a reference to the batch.
 */
#ifndef LSM_STORE_WRITES_H
#define LSM_STORE_WRITES_H

#include "txn/batch.h"

struct writes {
    struct iter *entries; /* the newest write of each key; NULL = none of this is filled */
    uint64_t bytes;       /* in a record */
    uint64_t room;        /* in a memtable, at most */
    uint64_t count;
    struct lsmkv_buf dropped; /* ids (uint32_t) of the tables that they drop */
};

/* After a failure too there is something to release. */
LSMKV_MUST_CHECK enum lsmkv_status writes_init(struct writes *writes, struct batch *batch, struct lsmkv_error *err);
void writes_release(struct writes *writes); /* to all zeros, which is fine to release again */

#endif
