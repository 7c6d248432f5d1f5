/*
 * lsmkv.h - the engine's only public header: an ordered, transactional key-value store in a directory.
 *
 * A store maps byte-string keys to byte-string values, ordered by memcmp. It is opened once per process
 * (lsmkv_store) and used through sessions (lsmkv_session), one per connection. A session reads one snapshot
 * and buffers its writes, which become visible together at commit.
 *
 * Threads:   store functions may be called from any thread at the same time. A session, its cursors and its
 *            snapshot belong to one thread at a time; they may move between threads.
 * Ownership: sessions are closed before their store, cursors before their session.
 * Failure:   every fallible function returns a status and fills `err` (may be NULL) once, where the failure was
 *            found. After a failed call nothing has changed unless the function says otherwise.
 */
#ifndef LSMKV_H
#define LSMKV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#define LSMKV_MUST_CHECK __attribute__((warn_unused_result))
#else
#define LSMKV_MUST_CHECK
#endif

#define LSMKV_VERSION       "0.1.0"
#define LSMKV_KEY_MAX       (1u << 20)            /* bytes in a key */
#define LSMKV_VALUE_MAX     ((1u << 31) - 1 - 64) /* bytes in a value; SQLite's own limit is lower by default */
#define LSMKV_LEVELS        7                     /* L0 to L6 */
#define LSMKV_STORE_ID_SIZE 16                    /* bytes */

enum lsmkv_status {
    LSMKV_OK = 0,
    LSMKV_BUSY,          /* a bounded wait ended, or another process holds the store; try again */
    LSMKV_BUSY_SNAPSHOT, /* the transaction read a state that has changed since; repeat the transaction */
    LSMKV_CORRUPT,       /* bytes on disk are not what was written; the message names file and offset */
    LSMKV_IO,            /* the operating system failed a call; the message names file and errno */
    LSMKV_FULL,          /* no space on the device */
    LSMKV_NOMEM,
    LSMKV_CANTOPEN, /* path is not a store, missing, foreign, or of a newer format */
    LSMKV_READONLY, /* an earlier failure made the store read-only until it is reopened */
    LSMKV_INVALID,  /* an argument is out of range or makes no sense */
    LSMKV_TOOBIG,   /* a key, value or transaction is over its limit */
    LSMKV_MISUSE,   /* called in a wrong state, or in a child after fork */
    LSMKV_INTERRUPTED,
};

#define LSMKV_MESSAGE_MAX 1024

/* Details of a failure, owned by the caller. Names files, offsets and reasons, never keys or values. */
struct lsmkv_error {
    enum lsmkv_status status;
    char message[LSMKV_MESSAGE_MAX];
};

/* Borrowed bytes. `data` may be NULL when `size` is 0. */
struct lsmkv_slice {
    const uint8_t *data;
    size_t size;
};

/* Grown bytes owned by whoever declared it; start from LSMKV_BUF_INIT, end with lsmkv_buf_release(). */
struct lsmkv_buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
};
#define LSMKV_BUF_INIT                                                                                                 \
    {                                                                                                                  \
        NULL, 0, 0                                                                                                     \
    }
void lsmkv_buf_release(struct lsmkv_buf *buf);

/* ---- Memory: the one allocator. Replaceable before the first store is opened (the extension gives SQLite's). ---- */

struct lsmkv_allocator {
    void *(*alloc)(uint64_t size);                /* NULL on failure */
    void *(*resize)(void *memory, uint64_t size); /* realloc semantics */
    void (*release)(void *memory);                /* NULL is fine */
};
void lsmkv_allocator_set(const struct lsmkv_allocator *allocator); /* NULL restores malloc */

/* ---- Options of a store ---- */

enum lsmkv_sync { LSMKV_SYNC_FULL, LSMKV_SYNC_NORMAL, LSMKV_SYNC_OFF };
enum lsmkv_compression {
    LSMKV_COMPRESSION_NONE,
    LSMKV_COMPRESSION_LZ4,
    LSMKV_COMPRESSION_ZSTD,
    LSMKV_COMPRESSION_AUTO
};
enum lsmkv_io { LSMKV_IO_MMAP, LSMKV_IO_PREAD };
enum lsmkv_atomic { LSMKV_ATOMIC_AUTO, LSMKV_ATOMIC_ALWAYS, LSMKV_ATOMIC_OFF };

/* Every option has one row in base/options.c: name, unit, range, default. */
struct lsmkv_options {
    enum lsmkv_sync sync;
    enum lsmkv_compression compression;
    enum lsmkv_io io;
    enum lsmkv_atomic atomic;    /* for the host of the store: the engine only keeps it */
    uint64_t memtable_size;      /* bytes of one memtable */
    uint32_t max_immutables;     /* memtables that may wait for flush before commits stop */
    uint64_t cache_size;         /* bytes of decompressed blocks, indexes and filters */
    uint32_t block_size;         /* bytes of an uncompressed data block */
    uint32_t filter_bits;        /* Bloom filter bits per key; 0 = none */
    double soft_limit;           /* share of a limit at which compaction starts */
    uint32_t l0_tables;          /* tables in L0 that count as full */
    uint64_t base_level_size;    /* bytes in L1 that count as full */
    uint32_t level_ratio;        /* each deeper level holds this many times more */
    uint32_t flush_workers;      /* threads */
    uint32_t compaction_workers; /* threads */
    uint64_t rate_limit;         /* bytes a second that compaction may write; 0 = no limit */
    uint32_t wait_ms;            /* wait for another writer where busy_timeout is 0 */
    uint32_t stall_timeout_ms;   /* wait for flush and compaction at full pressure */
    uint64_t transaction_size;   /* bytes of buffered writes in one transaction */
    uint64_t history_size;       /* bytes of flushed memtables kept to see what changed since a transaction began */
};

void lsmkv_options_init(struct lsmkv_options *options); /* the defaults */

/* Sets one option from its SQL text ("sync", "normal"; "memtable_size", "64MB"). INVALID names option and range. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_options_set(struct lsmkv_options *options, const char *name, const char *value,
                                                     struct lsmkv_error *err);
bool lsmkv_option_known(const char *name);

/* Enumerates the options: false when `index` is past the last one. `value` is the text of the present setting. */
bool lsmkv_options_get(const struct lsmkv_options *options, size_t index, const char **name, char value[64]);

#define LSMKV_RANGE_MAX 192

struct lsmkv_option_info {
    const char *name;
    char initial[64];            /* text of the default */
    char range[LSMKV_RANGE_MAX]; /* "64KB to 4GB", "one of full, normal, off" */
    bool at_once;                /* a change takes effect while the store is open, not when it is opened next */
};
/* Enumerates the options as lsmkv_options_get() does. */
bool lsmkv_options_describe(size_t index, struct lsmkv_option_info *info);
bool lsmkv_option_at_once(const char *name); /* false too if there is none of that name */

/* ---- Store ---- */

struct lsmkv_store;
struct lsmkv_session;
struct lsmkv_cursor;
struct os_fs;

enum lsmkv_open_mode {
    LSMKV_OPEN_EXISTING, /* the directory must hold a store */
    LSMKV_OPEN_CREATE,   /* makes a store where the directory is absent or empty; opens one that is there */
};

struct lsmkv_open {
    enum lsmkv_open_mode mode;
    bool in_memory;                      /* a private store in memory; `dir` is only a label */
    const struct lsmkv_options *options; /* used when a store is created; NULL = defaults */
    const uint8_t *expected_id;          /* LSMKV_STORE_ID_SIZE bytes, or NULL: CANTOPEN if the store has another id */
    void (*log)(void *context, enum lsmkv_status status, const char *message); /* background errors; may be NULL */
    void *log_context;
    struct os_fs *fs;                               /* tests: the file system to use; NULL = POSIX (or in-memory) */
    void (*hook)(void *context, const char *point); /* tests: called at named points of background work; may be NULL */
    void *hook_context;
};

/*
 * Opens or creates the store in `dir`. Reads manifests and the WAL, opens no SSTable.
 * BUSY "locked by process N" if another process has it; CANTOPEN if `dir` is not a store of ours; CORRUPT names the file.
 * A caller opens a directory once per process: a second open in the same process is BUSY too.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_store_open(struct lsmkv_store **store, const char *dir,
                                                    const struct lsmkv_open *how, struct lsmkv_error *err);

/*
 * Ends background work after the step in hand, makes the WAL durable, records a clean end, frees the store in every
 * case. The status tells whether the end was clean; acknowledged commits are safe either way. Needs no flush.
 */
enum lsmkv_status lsmkv_store_close(struct lsmkv_store *store, struct lsmkv_error *err);

/*
 * Closes the store and removes every file of it and its directory, only if each file there is one of ours; without a moment
 * in which another process could take the store and lose what it writes. If the files are kept, for one that is not ours or
 * a failure to remove, the store is closed all the same.
 */
enum lsmkv_status lsmkv_store_close_and_destroy(struct lsmkv_store *store, struct lsmkv_error *err);

const uint8_t *lsmkv_store_id(const struct lsmkv_store *store); /* LSMKV_STORE_ID_SIZE bytes */
const char *lsmkv_store_dir(const struct lsmkv_store *store);

/* The options in force. Valid until the store is closed, but lsmkv_store_set_option() makes others. */
const struct lsmkv_options *lsmkv_store_options(const struct lsmkv_store *store);
/* The options as the store records them: those in force when it is opened next. */
void lsmkv_store_recorded_options(struct lsmkv_store *store, struct lsmkv_options *options);
/*
 * Changes one option, durably, and at once where that is possible (lsmkv_option_at_once()). INVALID as
 * lsmkv_options_set(). Not part of any transaction. Work that has begun may end as it began.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_store_set_option(struct lsmkv_store *store, const char *name,
                                                          const char *value, struct lsmkv_error *err);

/* ---- Session: one connection's view of a store ---- */

LSMKV_MUST_CHECK enum lsmkv_status lsmkv_session_open(struct lsmkv_session **session, struct lsmkv_store *store,
                                                      struct lsmkv_error *err);
void lsmkv_session_close(struct lsmkv_session *session); /* rolls back what is open; NULL is fine */

enum lsmkv_session_state {
    LSMKV_SESSION_IDLE,     /* no snapshot held; each read takes the newest visible state */
    LSMKV_SESSION_READING,  /* holds a snapshot for all its reads */
    LSMKV_SESSION_WRITING,  /* buffers writes */
    LSMKV_SESSION_PREPARED, /* writes are durable in the WAL and undecided */
};
enum lsmkv_session_state lsmkv_session_state(const struct lsmkv_session *session);

/*
 * Begins a read transaction: IDLE -> READING. A no-op in any later state. If `tracked`, keys and ranges that are read are
 * remembered, for lsmkv_session_validate() and for a later optimistic write.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_session_read(struct lsmkv_session *session, bool tracked,
                                                      struct lsmkv_error *err);

/* BUSY_SNAPSHOT if anything that a tracked transaction has read was changed by a commit since its snapshot. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_session_validate(struct lsmkv_session *session, struct lsmkv_error *err);

enum lsmkv_write_mode {
    LSMKV_WRITE_EXCLUSIVE, /* holds the turn from here to the end: never conflicts. For one statement. From IDLE; from
                              READING too, where it is BUSY_SNAPSHOT if anything was committed since */
    LSMKV_WRITE_OPTIMISTIC, /* takes the turn at commit, which fails if what was read has changed. From IDLE and tracked READING */
};

/*
 * Begins to write; a no-op when WRITING. Exclusive: waits for pressure to allow it, then for the turn, then for prepared
 * transactions that are about to be decided; the snapshot is the applied state. Optimistic: never waits; the snapshot is
 * that of READING, or the newest visible state. `wait_ms` bounds the waits; negative = the store's wait_ms.
 * BUSY: the wait ended. READONLY: an earlier failure; names it. FULL: the disk is full and pressure is at its limit.
 * From PREPARED it goes back to WRITING, in the mode it was in: the prepare is aborted in the log.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_session_write(struct lsmkv_session *session, enum lsmkv_write_mode mode,
                                                       int64_t wait_ms, struct lsmkv_error *err);

/* Buffers one write; state must be WRITING. Copies key and value. TOOBIG names the limit and changes nothing. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_put(struct lsmkv_session *session, struct lsmkv_slice key,
                                             struct lsmkv_slice value, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_delete(struct lsmkv_session *session, struct lsmkv_slice key,
                                                struct lsmkv_error *err);

/* Savepoints: a mark is the number of writes buffered so far. Rolling back forgets every write after the mark. */
uint64_t lsmkv_session_mark(const struct lsmkv_session *session);
void lsmkv_session_rollback_to(struct lsmkv_session *session, uint64_t mark);

/*
 * Commits what is buffered with one final frame, from WRITING; ends the transaction (IDLE). Durable on return as the
 * store's sync mode says. `wait_ms` bounds the wait of an optimistic transaction for the turn and for prepared transactions
 * that have read what it writes (negative = the store's wait_ms); the one for pressure ends after stall_timeout.
 * BUSY: the wait ended, nothing has changed, the same call may be repeated. Any other failure rolls back: BUSY_SNAPSHOT
 * (something that was read has changed: repeat the transaction), READONLY, FULL; after one of the WAL the store is
 * read-only. In any state without writes it only ends the transaction.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_session_commit(struct lsmkv_session *session, int64_t wait_ms,
                                                        struct lsmkv_error *err);

#define LSMKV_COORDINATOR_SIZE 16 /* bytes */

struct lsmkv_prepare {
    uint64_t transaction; /* its name: random, not 0; several stores may prepare under the same one */
    uint8_t coordinator[LSMKV_COORDINATOR_SIZE]; /* who can tell its outcome after a crash */
    bool default_commit; /* recovery commits it when no outcome is found; else it stays in doubt until lsmkv_settle() */
    int64_t wait_ms;     /* as for lsmkv_session_commit() */
};

/*
 * First phase of two: validates, and makes the writes durable in the WAL without an outcome (synced in full and normal).
 * From WRITING to PREPARED; a no-op when PREPARED. Until the outcome nobody commits a write to what it has read; it holds
 * neither lock nor turn (an exclusive one keeps the turn). Failures as of lsmkv_session_commit(), but that all of them but
 * BUSY_SNAPSHOT leave the session as it was.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_session_prepare(struct lsmkv_session *session, const struct lsmkv_prepare *how,
                                                         struct lsmkv_error *err);

/*
 * Second phase: appends the outcome, applies, publishes; PREPARED -> IDLE in every case. lsmkv_session_commit() does it too.
 * The first phase has set aside memory and space, so it fails only with the log; then the next recovery decides.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_session_commit_prepared(struct lsmkv_session *session,
                                                                 struct lsmkv_error *err);

/* Forgets the transaction from any state; appends (and syncs) an abort when PREPARED. Ends in IDLE in every case. */
enum lsmkv_status lsmkv_session_rollback(struct lsmkv_session *session, struct lsmkv_error *err);

/*
 * Reads the newest version of `key`: own writes first, then the snapshot (or the newest visible state when IDLE).
 * `value` (may be NULL) is emptied and filled with a copy.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_get(struct lsmkv_session *session, struct lsmkv_slice key,
                                             struct lsmkv_buf *value, bool *found, struct lsmkv_error *err);

/*
 * The largest key in [lower, upper) of the applied state and of the session's own writes; no read of the transaction, so
 * never a conflict. `key` is emptied and filled.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_last_key(struct lsmkv_session *session, struct lsmkv_slice lower,
                                                  struct lsmkv_slice upper, struct lsmkv_buf *key, bool *found,
                                                  struct lsmkv_error *err);

/*
 * A cursor sees the session's snapshot (or the newest visible state at its creation when IDLE) and the writes that the
 * session had buffered at its creation. It stays usable after commit and rollback of its session.
 * Bounds are copied: `lower` inclusive, `upper` exclusive; data == NULL means unbounded.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_cursor_open(struct lsmkv_cursor **cursor, struct lsmkv_session *session,
                                                     struct lsmkv_slice lower, struct lsmkv_slice upper,
                                                     struct lsmkv_error *err);
void lsmkv_cursor_close(struct lsmkv_cursor *cursor); /* NULL is fine */

LSMKV_MUST_CHECK enum lsmkv_status lsmkv_cursor_first(struct lsmkv_cursor *cursor, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_cursor_last(struct lsmkv_cursor *cursor, struct lsmkv_error *err);
/* To the first key >= `key`, within the bounds. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_cursor_seek(struct lsmkv_cursor *cursor, struct lsmkv_slice key,
                                                     struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_cursor_next(struct lsmkv_cursor *cursor, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_cursor_prev(struct lsmkv_cursor *cursor, struct lsmkv_error *err);
bool lsmkv_cursor_valid(const struct lsmkv_cursor *cursor);
/* Borrowed until the cursor moves or closes. The cursor must be valid. */
struct lsmkv_slice lsmkv_cursor_key(const struct lsmkv_cursor *cursor);
struct lsmkv_slice lsmkv_cursor_value(const struct lsmkv_cursor *cursor);

/* ---- Catalog: the tables of a store are rows under table id 0, written by ordinary transactions ---- */

#define LSMKV_TABLE_ID_SIZE 4 /* every key starts with the id of its keyspace, big-endian; id 0 is the catalog */

/*
 * A table has an id for life and `keyspaces` consecutive ids for its keys, from `keyspace` on: one for its rows, one for
 * each index. Truncation gives it new ones. They are drawn from one counter; none is ever used again.
 */
struct lsmkv_table_entry {
    uint32_t id;
    uint32_t keyspace, keyspaces;
    struct lsmkv_buf definition; /* text, opaque to the engine */
};
#define LSMKV_TABLE_ENTRY_INIT                                                                                         \
    {                                                                                                                  \
        0, 0, 0, LSMKV_BUF_INIT                                                                                        \
    }

/* Looks a table up by name as the session sees it. The caller releases the definition of `entry`. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_catalog_find(struct lsmkv_session *session, const char *name,
                                                      struct lsmkv_table_entry *entry, bool *found,
                                                      struct lsmkv_error *err);
/* Adds a table; the session must be WRITING. INVALID if the name is taken. Fills the numbers of `entry`. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_catalog_create(struct lsmkv_session *session, const char *name,
                                                        struct lsmkv_slice definition, uint32_t keyspaces,
                                                        struct lsmkv_table_entry *entry, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_catalog_rename(struct lsmkv_session *session, const char *from, const char *to,
                                                        struct lsmkv_error *err);
/* Gives the table new, empty keyspaces and `definition`; the old ones go as in a drop. Fills the numbers of `entry`. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_catalog_truncate(struct lsmkv_session *session, const char *name,
                                                          struct lsmkv_slice definition,
                                                          struct lsmkv_table_entry *entry, struct lsmkv_error *err);
/* Removes a table and moves its keyspaces to the dropped set: once committed, compaction discards their keys. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_catalog_drop(struct lsmkv_session *session, const char *name,
                                                      struct lsmkv_error *err);
/* Calls `visit` for each table in name order; stops and returns its status if that is not LSMKV_OK. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_catalog_each(struct lsmkv_session *session,
                                                      enum lsmkv_status (*visit)(void *context, const char *name,
                                                                                 const struct lsmkv_table_entry *entry),
                                                      void *context, struct lsmkv_error *err);

/*
 * What a reader of the catalog may remember: while the stamp is the same, and not LSMKV_CATALOG_UNKNOWN, so is the catalog
 * as this session sees it.
 */
#define LSMKV_CATALOG_UNKNOWN UINT64_MAX
uint64_t lsmkv_catalog_stamp(struct lsmkv_session *session);

/* Owners: opaque values under ids of LSMKV_COORDINATOR_SIZE bytes, rows of the catalog like any other. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_catalog_owner(struct lsmkv_session *session, const uint8_t *id,
                                                       struct lsmkv_buf *value, bool *found, struct lsmkv_error *err);
/* An empty value removes the owner. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_catalog_set_owner(struct lsmkv_session *session, const uint8_t *id,
                                                           struct lsmkv_slice value, struct lsmkv_error *err);

/* ---- Transactions of a store: open, prepared, in doubt ---- */

enum lsmkv_transaction_state {
    LSMKV_TRANSACTION_READING,
    LSMKV_TRANSACTION_WRITING,
    LSMKV_TRANSACTION_PREPARED,
    LSMKV_TRANSACTION_IN_DOUBT, /* prepared before a crash; nobody has said its outcome */
};

struct lsmkv_transaction_info {
    enum lsmkv_transaction_state state;
    uint64_t transaction;       /* its name; 0 unless PREPARED or IN_DOUBT */
    const uint8_t *coordinator; /* LSMKV_COORDINATOR_SIZE bytes; NULL unless PREPARED or IN_DOUBT; borrowed */
    bool exclusive;             /* holds the turn */
    uint64_t age_ms;            /* since it began; 0 when IN_DOUBT */
    uint64_t snapshot;          /* sequence it reads at */
    uint64_t writes;            /* keys buffered or prepared */
    uint64_t bytes;             /* memory of writes and read set */
    uint64_t pinned_bytes;      /* of flushed memtables that it keeps in memory, alone or with others; 0 if PREPARED */
};
/*
 * Visits transactions; stops when `visit` returns false. No lock is held meanwhile: it may settle what it is shown.
 */
void lsmkv_transactions_each(struct lsmkv_store *store,
                             bool (*visit)(void *context, const struct lsmkv_transaction_info *info), void *context);

/*
 * Decides a transaction in doubt, durably. INVALID if there is none of that name; after FULL and NOMEM it is in doubt still.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_settle(struct lsmkv_store *store, uint64_t transaction, bool commit,
                                                struct lsmkv_error *err);

/* True if no crash can bring the transaction back into doubt: its outcome is durable, or nobody knows of it. */
bool lsmkv_transaction_decided(struct lsmkv_store *store, uint64_t transaction);

/* ---- Acting and looking ---- */

/* Rotates the memtable and returns when everything committed before the call is in SSTables. Empty: a no-op. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_flush(struct lsmkv_store *store, struct lsmkv_error *err);

/*
 * Flushes, then merges every table that overlaps [lower, upper) (NULL data = unbounded) down to the deepest level that
 * holds any, dropping tombstones there. Returns when the result is installed.
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_compact(struct lsmkv_store *store, struct lsmkv_slice lower,
                                                 struct lsmkv_slice upper, struct lsmkv_error *err);

/* What the steps of a compaction have done. */
struct lsmkv_compaction_progress {
    uint64_t step;       /* how many were done */
    int level;           /* whose tables the last one moved one level down; -1: it flushed, or had nothing left to do */
    uint64_t tables;     /* that the last one moved or merged, of both levels */
    uint64_t bytes_done; /* of all those tables so far */
    uint64_t bytes_all;  /* the same of all steps, as estimated now */
    double percent;      /* never falls; 100 when finished and not before */
    uint64_t elapsed_ns; /* since the start */
    bool finished;
};

/*
 * lsmkv_compact() step by step: the first one flushes, each other one installs what it has merged. Nothing is held between
 * steps: others may write, compact and take steps of their own, and it may be ended early; what was installed stays.
 *
 * Start and end once, at most one step at a time; the end before lsmkv_store_close(). A failed step has changed nothing
 * and can be repeated. A step after the last one does nothing. End takes NULL.
 */
struct lsmkv_compaction;
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_compaction_start(struct lsmkv_compaction **compaction,
                                                          struct lsmkv_store *store, struct lsmkv_slice lower,
                                                          struct lsmkv_slice upper, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_compaction_step(struct lsmkv_compaction *compaction,
                                                         struct lsmkv_compaction_progress *progress,
                                                         struct lsmkv_error *err);
void lsmkv_compaction_end(struct lsmkv_compaction *compaction);

/* True while a compaction runs or is due. */
bool lsmkv_compacting(struct lsmkv_store *store);

/* Waits until no flush and no compaction is due, at most `timeout_ms`; false on time-out. */
bool lsmkv_wait_idle(struct lsmkv_store *store, uint64_t timeout_ms);

/* Estimated rows and bytes of a key range, from manifests, memtables and the block indexes of open tables. Opens none. */
void lsmkv_estimate(struct lsmkv_store *store, struct lsmkv_slice lower, struct lsmkv_slice upper, uint64_t *entries,
                    uint64_t *bytes);

struct lsmkv_level_stats {
    unsigned level;
    uint64_t tables, entries, tombstones, bytes;
    uint64_t table_limit; /* L0: tables that count as full; 0 elsewhere */
    uint64_t byte_limit;  /* L1 and deeper: bytes that count as full */
    double score;         /* filled share of the limit; compaction starts at soft_limit */
};
void lsmkv_level_stats(struct lsmkv_store *store, struct lsmkv_level_stats levels[LSMKV_LEVELS]);

struct lsmkv_sstable_stats {
    uint64_t number;
    unsigned level;
    uint64_t bytes, entries, tombstones, sequence_min, sequence_max;
    struct lsmkv_slice key_min, key_max; /* borrowed during the visit */
    bool loaded;                         /* open at this moment */
    bool compacting;                     /* an input of a running compaction */
    uint64_t accesses;                   /* reads that consulted it since the store was opened */
};
/* Visits every live table, L0 newest first, then by level and key; stops when `visit` returns false. */
void lsmkv_sstables_each(struct lsmkv_store *store, bool (*visit)(void *context, const struct lsmkv_sstable_stats *),
                         void *context);

/* Visits (name, value) pairs: sizes, counts and times since open; names are listed in ext/README.md. */
void lsmkv_stats_each(struct lsmkv_store *store, bool (*visit)(void *context, const char *name, uint64_t value),
                      void *context);

/* Visits every named lock: acquisitions, contended acquisitions, nanoseconds waited and held. */
struct lsmkv_lock_stats {
    const char *name;
    uint64_t acquired, contended, wait_ns, hold_ns;
};
void lsmkv_locks_each(struct lsmkv_store *store, bool (*visit)(void *context, const struct lsmkv_lock_stats *),
                      void *context);

/* ---- Migration from the Python package lsm-kv-store (format 1 and 2) ---- */

/* True if `dir` holds a store of that package and none of ours. */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_legacy_detect(const char *dir, struct os_fs *fs, bool *legacy,
                                                       struct lsmkv_error *err);

/*
 * Turns one live row of the old store (UTF-8 text) into a key and value of the new one, appended to `key` and `value`.
 */
typedef enum lsmkv_status lsmkv_legacy_row(void *context, struct lsmkv_slice old_key, struct lsmkv_slice old_value,
                                           struct lsmkv_buf *key, struct lsmkv_buf *value, struct lsmkv_error *err);

/*
 * Builds a store in `dir` from the old one: rows converted by `row`, and a catalog with one table of id 1. The first
 * global.json is the commit point: a death before it leaves the old store, after it the new one opens. The old files
 * are then moved to `dir`/legacy (finished by the next open after a death in between).
 */
LSMKV_MUST_CHECK enum lsmkv_status lsmkv_legacy_migrate(const char *dir, const struct lsmkv_open *how,
                                                        const char *table, struct lsmkv_slice definition,
                                                        lsmkv_legacy_row *row, void *context, struct lsmkv_error *err);

#endif
