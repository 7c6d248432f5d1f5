/*
 * replay.h - turns the records of the log into a memtable.
 *
 * Committed transactions are added with the sequence of their record. Prepared ones are kept until their outcome; those
 * that have none at the end are settled by the default that their record states.
 *
 * Failure: a record that the engine cannot have written is CORRUPT and names file and offset.
 */
#ifndef LSM_STORE_REPLAY_H
#define LSM_STORE_REPLAY_H

#include "memtable/memtable.h"
#include "wal/reader.h"

struct replayed;

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

/* Settles what is prepared and undecided; `*settled` if there was any. */
LSMKV_MUST_CHECK enum lsmkv_status replay_settle(struct replay *replay, bool *settled, struct lsmkv_error *err);

#endif
