/*
 * log.h - the log of a store at its end: the segment that takes records, the active memtable beside it, and how far both
 * have come.
 *
 * (1) A record and its application to the memtable are one step under the log lock, so the order of the log is the order
 *     of the sequences and of the versions in memory.
 * (2) A sequence is published as applied only when all its entries are in the memtable; as visible, when it may be shown:
 *     in full mode once it is durable, otherwise at once.
 * (3) Only the holder of the turn appends transactions and rotates. Outcomes and aborts of prepared transactions are appended
 *     by whoever decides them, with the log lock only, but not while the log is frozen: which it is during a rotation.
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
    bool frozen;               /* guarded by lock; see (3) */
    struct condvar thawed;     /* it is no more */
    uint64_t live;             /* guarded by lock: prepared transactions whose outcome must find space */
    _Atomic uint64_t applied;  /* last sequence whose entries are all in memory; stored by the holder of lock */
    _Atomic uint64_t visible;  /* last sequence that new snapshots see; never goes back */
    /* At least the last sequence that changed the catalog, of those applied; stored before `applied`, see catalog.c. */
    _Atomic uint64_t catalog_changed;
    _Atomic uint64_t durable;  /* bytes of the present segment known durable; stored under the sync lock */
    struct log_position start; /* constant: the end of the log when the store was opened */
};

void log_init(struct log *log);
void log_release(struct log *log); /* closes the segment without a sync */

struct prepared;

/* What one record holds. */
struct log_record {
    enum wal_type type;
    struct iter *entries;      /* COMMIT: the writes */
    uint64_t entry_bytes;      /* COMMIT: of all entries as the record holds them */
    uint64_t entry_room;       /* COMMIT: of all entries in a memtable at most (memtable_room()) */
    struct prepared *prepared; /* PREPARE, OUTCOME, ABORT: it is in the list of the undecided (prepared.h) */
    bool tracked;              /* COMMIT, PREPARE: what it has read was found unchanged up to `validated` */
    uint64_t validated;        /* sequence */
};

struct lsmkv_store;

/*
 * Appends the record; a COMMIT or OUTCOME gets the next sequence and is applied and published; an OUTCOME or ABORT takes its
 * transaction out of the list. The caller holds the turn, for an OUTCOME or ABORT nothing. `end`: what must be durable for
 * the record to be.
 * BUSY, FULL and NOMEM: nothing changed; BUSY: something was applied after `validated`, validate that and try again. Any
 * other failure makes the store read-only. Space and memory for the OUTCOME or ABORT of a live prepare are set aside: those
 * fail with the log only.
 */
LSMKV_MUST_CHECK enum lsmkv_status log_write(struct lsmkv_store *store, const struct log_record *record,
                                             struct log_position *end, uint64_t *sequence, struct lsmkv_error *err);

/* Between the two no outcome is appended. By the holder of the turn, for a rotation. */
void log_freeze(struct lsmkv_store *store);
void log_thaw(struct lsmkv_store *store);

/*
 * Appends another copy of a PREPARE, in place of the one before. By the holder of the turn, the log frozen. FULL and NOMEM:
 * nothing changed.
 */
LSMKV_MUST_CHECK enum lsmkv_status log_write_copy(struct lsmkv_store *store, struct prepared *prepared,
                                                  struct lsmkv_error *err);

/* The end of the log and the sequence applied there. */
struct log_position log_end(struct lsmkv_store *store, uint64_t *applied);

/* Raises the visible sequence to `sequence`; never lowers it. */
void log_show(struct log *log, uint64_t sequence);

#endif
