/*
 * replay.h - turns the records of the log into a memtable.
 *
 * Committed transactions are added with the sequence of their record. Prepared ones are kept until their outcome; a later
 * record of the same one takes the place of the earlier. Of those that have none at the end some commit by default, the
 * others stay in doubt.
 *
 * Failure: a record that the engine cannot have written is CORRUPT and names file and offset.
 */
#ifndef LSM_STORE_REPLAY_H
#define LSM_STORE_REPLAY_H

#include "memtable/memtable.h"
#include "txn/batch.h"
#include "txn/read_set.h"
#include "wal/reader.h"

/* A PREPARE without an outcome so far. */
struct replayed {
    struct replayed *next;
    struct lsmkv_prepare how;
    uint64_t segment;
    uint64_t offset;  /* of its record, for messages */
    uint32_t version; /* of its record's format */
    struct lsmkv_buf reads;
    struct lsmkv_buf entries;
};

struct replay {
    struct memtable *memtable; /* borrowed; takes the writes */
    uint64_t flushed;          /* transactions up to this sequence are in tables and are passed over */
    uint64_t sequence;         /* of the last transaction, at least `flushed` */
    struct replayed *prepared; /* without an outcome so far, oldest first */
    const char *path;          /* of the segment that is read, for messages */
    uint64_t segment;
};

void replay_release(struct replay *replay);

/* For wal_replay(); the context is the struct replay. */
enum lsmkv_status replay_record(void *replay, const struct wal_record *record, struct lsmkv_error *err);

/*
 * At the end of the log: commits what is to be committed by default, forgets those of format 1 that are not. `*settled` if
 * there was any. What is left in `prepared` is in doubt.
 */
LSMKV_MUST_CHECK enum lsmkv_status replay_settle(struct replay *replay, bool *settled, struct lsmkv_error *err);

/* The writes and the reads of one that is left; both the caller's, on failure too. */
LSMKV_MUST_CHECK enum lsmkv_status replay_undecided(const struct replayed *replayed, struct batch **batch,
                                                    struct read_set **reads, struct lsmkv_error *err);

#endif
