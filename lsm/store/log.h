/*
 * log.h - the log of a store at its end: the segment that takes records, the active memtable beside it, and how far both
 * have come.
 *
 * (1) A record and its application to the memtable are one step under the log lock, so the order of the log is the order
 *     of the sequences and of the versions in memory.
 * (2) A sequence is published as applied only when all its entries are in the memtable; as visible, when it may be shown:
 *     in full mode once it is durable, otherwise at once.
 * (3) Only the holder of the turn appends or rotates. The log lock is for those who look: the leader of a sync.
 *
 * Failure: after a failed append the log is dead (group_sync_fail): the memtable may hold entries of a sequence that was
 *          never published and never will be.
 */
#ifndef LSM_STORE_LOG_H
#define LSM_STORE_LOG_H

#include "memtable/memtable.h"
#include "os/sync.h"
#include "wal/writer.h"

/* A place in the log; places are ordered by segment, then offset. */
struct log_position {
    uint64_t segment;
    uint64_t offset; /* bytes */
};

static inline bool log_position_covers(struct log_position reached, struct log_position wanted)
{
    return reached.segment > wanted.segment || (reached.segment == wanted.segment && reached.offset >= wanted.offset);
}

struct log {
    struct mutex lock;
    struct wal_writer *writer; /* guarded by lock; changed under the sync lock too, when nobody leads */
    struct memtable *active;   /* guarded by lock; a reference */
    _Atomic uint64_t applied;  /* last sequence whose entries are all in memory; stored by the holder of lock */
    _Atomic uint64_t visible;  /* last sequence that new snapshots see; never goes back */
    _Atomic uint64_t durable;  /* bytes of the present segment known durable; stored under the sync lock */
    struct log_position start; /* constant: the end of the log when the store was opened */
};

void log_init(struct log *log);
void log_release(struct log *log); /* closes the segment without a sync */

/* What one record holds. */
struct log_record {
    enum wal_type type;
    const uint8_t *head; /* bytes before the entries */
    size_t head_size;
    uint64_t entry_bytes; /* of all entries as the record holds them */
    uint64_t entry_room;  /* of all entries in a memtable at most (memtable_room()); COMMIT and PREPARE */
    struct iter *entries; /* the writes of a COMMIT, PREPARE or (applied only) OUTCOME; NULL for an ABORT */
    uint64_t prepared_in; /* OUTCOME: the segment of the PREPARE */
};

struct lsmkv_store;

/*
 * Appends the record; a COMMIT or OUTCOME gets the next sequence and is applied and published. The caller holds the turn.
 * `end`: what must be durable for the record to be. FULL and NOMEM: nothing changed. Any other failure makes the store
 * read-only. Space and memory for the OUTCOME or ABORT of a PREPARE are set aside with it: those fail with the log only.
 */
LSMKV_MUST_CHECK enum lsmkv_status log_write(struct lsmkv_store *store, const struct log_record *record,
                                             struct log_position *end, uint64_t *sequence, struct lsmkv_error *err);

/* The end of the log and the sequence applied there. */
struct log_position log_end(struct lsmkv_store *store, uint64_t *applied);

/* Raises the visible sequence to `sequence`; never lowers it. */
void log_show(struct log *log, uint64_t sequence);

#endif
