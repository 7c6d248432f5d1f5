/*
 * store_kit.h - a store and one session of it, with short calls for what tests do all the time: each fails the test unless
 * it succeeds. And a hook that holds background threads at named points.
 *
 * Keys and values are C strings. Threads: a struct db is for one thread, but for its hook, which background threads call.
 */
#ifndef TESTS_SUPPORT_STORE_KIT_H
#define TESTS_SUPPORT_STORE_KIT_H

#include <pthread.h>

#include "lsm/lsmkv.h"

#define DB_HOLDS 4

struct db_hold {
    const char *point; /* NULL = none */
    bool reached;
    bool released;
};

struct db_hooks {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct db_hold holds[DB_HOLDS];
};

struct db {
    const char *dir;
    struct lsmkv_options options; /* of a store that is created: small memtables and levels */
    struct lsmkv_open how;
    struct db_hooks hooks;
    struct lsmkv_store *store; /* NULL while closed */
    struct lsmkv_session *session;
    struct lsmkv_error err; /* of the last call that may fail */
};

struct lsmkv_slice text(const char *string);
extern const struct lsmkv_slice unbounded;

/* A store to be made in `dir`; `fs` NULL = the machine's. Nothing is opened: change db->options and db->how before. */
void db_init(struct db *db, struct os_fs *fs, const char *dir);
void db_open(struct db *db);
enum lsmkv_status db_try_open(struct db *db); /* on failure db->err says why */
void db_close(struct db *db);
enum lsmkv_status db_try_close(struct db *db); /* closed in any case */
void db_reopen(struct db *db);
void db_end(struct db *db); /* closes if open */

/* Autocommit statements, by db->session. */
void db_put(struct db *db, const char *key, const char *value);
void db_delete(struct db *db, const char *key);
enum lsmkv_status db_try_put(struct db *db, const char *key, const char *value);
/* "<prefix>NNNNNN" = "<value>" for N in [from, to), as one transaction. */
void db_fill(struct db *db, const char *prefix, unsigned from, unsigned to, const char *value);
enum lsmkv_status db_try_fill(struct db *db, const char *prefix, unsigned from, unsigned to, const char *value);

void db_write(struct db *db); /* begins a write transaction */
/* The first phase under a random transaction id, without a coordinator. */
enum lsmkv_status session_prepare(struct lsmkv_session *session, bool default_commit, struct lsmkv_error *err);
void db_commit(struct db *db);

unsigned db_in_doubt(struct db *db); /* how many transactions */

/* What a session reads: `value` NULL = nothing there. */
void session_expect(struct lsmkv_session *session, const char *key, const char *value);
void db_expect(struct db *db, const char *key, const char *value);
unsigned db_count(struct db *db, const char *prefix); /* rows that a cursor finds */

void db_flush(struct db *db);
void db_compact(struct db *db);
uint64_t db_stat(struct db *db, const char *name); /* of lsmkv_stats_each() */
uint64_t db_level_tables(struct db *db, unsigned level);

/*
 * Holds background threads that reach `point` (only the first one counts as reached; all wait) until db_release(). Before
 * or while the store is open.
 */
void db_hold(struct db *db, const char *point);
void db_wait_held(struct db *db, const char *point);
void db_release(struct db *db, const char *point);

#endif
