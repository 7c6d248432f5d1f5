/*
 * prepared.h - the transactions of a store that are prepared and undecided, and what they guard.
 *
 * A prepared transaction holds neither lock nor turn. Until its outcome nobody may commit a write to what it has read, and
 * nobody may prepare what depends on it: guards.h. It is live while a session will decide it, in doubt if
 * it was found at open, or if its outcome could not be written: then lsmkv_settle() does.
 *
 * (1) Who holds the turn adds; an outcome or abort takes out, under the log lock and while the log is not frozen. So whoever
 *     holds the turn and has frozen the log may walk the list without the lock.
 * (2) It is taken out in the same step under the log lock that appends its outcome: no copy of its PREPARE can follow that.
 * (3) The segment of its newest PREPARE record is kept (version_set_keep_segment()) until the memtable that has its writes
 *     says that it needs it.
 *
 * Threads:   all functions may be called at the same time. The lock of the list is taken after the log lock.
 * Ownership: a live one belongs to its session, one in doubt to the list; whoever decides it frees it.
 */
#ifndef LSM_STORE_PREPARED_H
#define LSM_STORE_PREPARED_H

#include "base/arena.h"
#include "os/sync.h"
#include "store/log.h"
#include "store/writes.h"
#include "txn/read_set.h"

struct decided;

struct prepared {
    /* Constant once it is in the list. */
    uint64_t transaction;
    uint8_t coordinator[LSMKV_COORDINATOR_SIZE];
    bool default_commit;
    uint64_t count;           /* of writes */
    uint64_t bytes;           /* memory of its writes */
    uint64_t began_ns;        /* of clock_now_ns() */
    uint64_t snapshot;        /* sequence that it has read at; 0 if it was found at open */
    uint64_t serial;          /* rises in the list */
    struct read_set *guarded; /* what it has read; sealed */
    struct lsmkv_buf reads;   /* the same as its record has it */

    /* The log lock's. */
    struct writes writes;
    uint64_t segment;         /* of its newest PREPARE record */
    struct arena_spare spare; /* room for its writes in the memtable that is active at its outcome; none if in doubt */
    struct decided *decided;  /* what stays of it after its outcome */
    bool certain;             /* after its outcome: no crash can take that back, though it may not be durable */

    /* The rotation's. */
    uint64_t behind; /* bytes of log since that record, about */
    bool moved;

    /* The lock's of the list. */
    struct iter *keys; /* those that it writes, for guards: `writes` is read under the log lock */
    bool in_doubt;
    bool settling; /* in doubt, and a thread is deciding it */
    bool stalled;  /* somebody waited for it in vain: the next ones do not */
    struct prepared *next;
};

/* The name of one that is decided, until that is durable. */
struct decided {
    uint64_t transaction;
    struct log_position end; /* of its OUTCOME or ABORT */
    struct decided *next;
};

struct prepared_list {
    struct mutex lock;
    struct condvar changed; /* one was decided or is in doubt no more */

    _Atomic uint32_t count; /* of those in the list; stored under lock */

    /* Guarded by lock. */
    uint64_t serial;        /* of the last one that was added */
    uint64_t changes;       /* how often `changed` was signalled */
    struct prepared *first; /* oldest first */
    struct decided *decided;
};

void prepared_list_init(struct prepared_list *list);
void prepared_list_release(struct prepared_list *list); /* frees those in doubt: they are found again */

/* Makes one of the batch; it is not in the list yet. `reads`: a sealed set, of which it takes a copy. */
LSMKV_MUST_CHECK enum lsmkv_status prepared_new(struct prepared **prepared, const struct lsmkv_prepare *how,
                                                struct batch *batch, const struct read_set *reads,
                                                struct lsmkv_error *err);
/* Takes the memory that its outcome or abort will need, in whichever memtable. */
LSMKV_MUST_CHECK enum lsmkv_status prepared_set_aside(struct prepared *prepared, struct lsmkv_error *err);
void prepared_free(struct prepared *prepared); /* not in the list; NULL is fine */

/*
 * Before its record is there: `segment` takes it. By the holder of the turn, or by recovery. INVALID if another one of that
 * name is undecided.
 */
LSMKV_MUST_CHECK enum lsmkv_status prepared_add(struct lsmkv_store *store, struct prepared *prepared, uint64_t segment,
                                                struct lsmkv_error *err);
/* Takes back prepared_add(): its record could not be written. */
void prepared_remove(struct lsmkv_store *store, struct prepared *prepared);

/* Its OUTCOME or ABORT was appended and ends at `end`. The caller holds the log lock and frees it. */
void prepared_decide(struct lsmkv_store *store, struct prepared *prepared, struct log_position end);
/* Its session could not decide it: it is the list's from here on, in doubt. */
void prepared_orphan(struct lsmkv_store *store, struct prepared *prepared);

/* Takes one in doubt to decide it, alone: waits for others who do. INVALID if there is none of that name. */
LSMKV_MUST_CHECK enum lsmkv_status prepared_claim(struct lsmkv_store *store, uint64_t transaction,
                                                  struct prepared **prepared, struct lsmkv_error *err);
void prepared_unclaim(struct lsmkv_store *store, struct prepared *prepared); /* it could not be decided */

/* Payload of its PREPARE: bytes, and the bytes, between begin and end of the record. The log lock or nobody else's yet. */
uint64_t prepared_size(const struct prepared *prepared);
LSMKV_MUST_CHECK enum lsmkv_status prepared_put(const struct prepared *prepared, struct wal_writer *writer,
                                                struct lsmkv_error *err);

/* No other one commits by default: recovery has no order to choose. */
bool prepared_alone(struct lsmkv_store *store);

/*
 * Copies the undecided ones into the present segment, so that older ones may go; by the holder of the turn, the log frozen.
 * One for which there is no space or memory stays where it is. Fails with the log only.
 */
LSMKV_MUST_CHECK enum lsmkv_status prepared_copy_forward(struct lsmkv_store *store, struct lsmkv_error *err);

#endif
