/*
 * store.h - the inside of a store and of its sessions: what the files of this folder share.
 *
 * Who takes which lock is in lsm/README.md. A commit takes the turn, then the log lock, then the sync lock, each alone.
 */
#ifndef LSM_STORE_STORE_H
#define LSM_STORE_STORE_H

#include "compaction/scheduler.h"
#include "store/dropped.h"
#include "store/group_sync.h"
#include "store/log.h"
#include "store/settings.h"
#include "store/prepared.h"
#include "store/turn.h"
#include "store/validate.h"
#include "store/writes.h"

#define STORE_OPEN_TABLES 500 /* readers of SSTables open at a time: well below the usual 1024 descriptors */

struct lsmkv_store {
    /* Constant after open. */
    struct os_fs *fs;
    struct os_fs *memory_fs; /* owned: `fs` of an in-memory store, NULL otherwise */
    char *dir;
    char *label; /* what lsmkv_store_dir() says */
    uint8_t id[LSMKV_STORE_ID_SIZE];
    uint64_t process; /* process_generation() at open: differs in a child after fork */
    struct os_lock *lock;
    bool resumed; /* was closed cleanly and is unchanged since, unless something was appended or committed */

    /* Own synchronisation. */
    struct counters counters;
    struct table_cache *cache;
    struct version_set *versions;
    struct background background;
    /* In force. Replaced as a whole; the former ones stay until the store is closed, so a reader needs no lock. */
    const struct lsmkv_options *_Atomic options;
    struct settings settings;
    struct scheduler *scheduler;
    struct turn turn;
    struct log log;
    struct group_sync sync;
    struct prepared_list prepared;
    struct dropped dropped;

    _Atomic uint64_t own_stamps; /* given out by catalog_new_stamp() */

    struct mutex sessions_lock;
    struct lsmkv_session *sessions; /* guarded by sessions_lock: for statistics */
};

/* A consistent view: everything up to `sequence` is in `super_version`. */
struct snapshot {
    struct super_version *super_version;
    uint64_t sequence;
};

/* What one session counted; written by its thread alone, so that reads write no shared line, and added up by statistics. */
struct session_counts {
    _Atomic uint64_t gets, get_hits, cursors, cursor_rows;
};

/* What others see of a transaction that is not IDLE; stored by its thread, without order. */
struct session_view {
    _Atomic uint64_t since_ns, snapshot, writes, bytes;
    _Atomic(const struct memtable *) memtable; /* where its history begins; only compared */
};

struct lsmkv_session {
    struct lsmkv_store *store;
    struct reader_slot *slot;
    _Atomic enum lsmkv_session_state state; /* stored by its thread, as `has_turn` */
    struct snapshot snapshot;               /* valid unless IDLE; taken from the slot */
    struct batch *batch;                    /* NULL unless WRITING or PREPARED */
    struct prepared *prepared;  /* PREPARED: what is undecided; NULL = nothing was written, so there is no record */
    enum lsmkv_write_mode mode; /* WRITING and later */
    struct reads reads;
    _Atomic bool has_turn;
    struct session_view view;
    uint64_t own_stamp; /* of the catalog as nobody else sees it; 0: it is that of a sequence */
    struct session_counts counts;
    struct lsmkv_session *previous, *next; /* guarded by store->sessions_lock */
};

/* Counts without a locked instruction: there is one writer. */
static inline void count_one(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* MISUSE in a child after fork: its threads do not exist there, its locks may be held for ever. */
LSMKV_MUST_CHECK enum lsmkv_status store_check_process(const struct lsmkv_store *store, struct lsmkv_error *err);

/* ---- recover.c ---- */

/*
 * Replays the log below `manifest`, brings the memtables and the segment that takes new records into store->versions and
 * store->log. Writes nothing if the store was closed cleanly (store->resumed); otherwise writes what it replayed as
 * tables of L0 and commits before it returns.
 */
LSMKV_MUST_CHECK enum lsmkv_status store_recover(struct lsmkv_store *store, struct manifest *manifest,
                                                 struct lsmkv_error *err);

/* ---- rotate.c ---- */

/*
 * Makes the active memtable immutable and starts a new segment. The caller holds the turn. FULL changes nothing; other
 * failures of the log make the store read-only.
 */
LSMKV_MUST_CHECK enum lsmkv_status store_rotate(struct lsmkv_store *store, struct lsmkv_error *err);

/*
 * Rotates if the active memtable is full, or its segment several times as long (aborted prepares). A full disk is no failure
 * while the memtable is below twice its size.
 */
LSMKV_MUST_CHECK enum lsmkv_status store_rotate_if_full(struct lsmkv_store *store, struct lsmkv_error *err);

/*
 * Makes a new segment file with a durable name; its header is not written. `number` is given by the version set.
 */
LSMKV_MUST_CHECK enum lsmkv_status store_new_segment(struct lsmkv_store *store, struct wal_writer **writer,
                                                     struct lsmkv_error *err);
/* Closes and removes a segment that never came into use. */
void store_discard_segment(const struct lsmkv_store *store, struct wal_writer *writer);
/* Writes the header and makes it durable. */
LSMKV_MUST_CHECK enum lsmkv_status store_start_segment(const struct lsmkv_store *store, struct wal_writer *writer,
                                                       struct log_position predecessor, bool promised,
                                                       struct lsmkv_error *err);

/* ---- session.c ---- */

/* The newest visible state, or (applied) what the holder of the turn builds on. */
struct snapshot snapshot_take(struct lsmkv_session *session);
struct snapshot snapshot_take_applied(struct lsmkv_session *session);
void snapshot_give(struct lsmkv_session *session, struct snapshot *snapshot);

/*
 * After a reader gave `was` back (only compared): if it is not the current one, files may have lost their last reader, and
 * the background threads remove them.
 */
void store_reader_gone(struct lsmkv_store *store, const struct super_version *was);

/* Drops snapshot, batch and, if held, the turn: IDLE. */
void session_end(struct lsmkv_session *session);

/* Gives the turn back, if held, before the transaction ends: what is appended needs only to become durable. */
void session_give_turn(struct lsmkv_session *session);

/* ---- commit.c ---- */

bool session_has_writes(const struct lsmkv_session *session);

/*
 * Ends a transaction without a record: in full mode an exclusive one waits until what it has read is durable. IDLE in every
 * case.
 */
LSMKV_MUST_CHECK enum lsmkv_status session_end_unwritten(struct lsmkv_session *session, struct lsmkv_error *err);

/* Rolls back without that wait: nobody is told anything. IDLE in every case. */
LSMKV_MUST_CHECK enum lsmkv_status session_roll_back(struct lsmkv_session *session, struct lsmkv_error *err);

/* A committed transaction: counts it and, if it dropped tables, lets compaction know. `end`: of its record. */
LSMKV_MUST_CHECK enum lsmkv_status store_committed(struct lsmkv_store *store, const struct writes *writes,
                                                   struct log_position end, struct lsmkv_error *err);

/* ---- two_phase.c ---- */

/*
 * From PREPARED back to WRITING: aborts the prepare in the log. If that could not be appended the session is as it was; if
 * it could not be made durable, the store is read-only.
 */
LSMKV_MUST_CHECK enum lsmkv_status session_withdraw(struct lsmkv_session *session, struct lsmkv_error *err);
/* The same, for a session that ends in every case. */
LSMKV_MUST_CHECK enum lsmkv_status session_abort(struct lsmkv_session *session, struct lsmkv_error *err);

#endif
