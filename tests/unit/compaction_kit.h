/*
 * compaction_kit.h - what the tests of lsm/compaction/ share: a store's parts over a faulty file system in memory, tables
 * made of a few words, and a hook that counts points of background work and holds threads there.
 *
 * Threads:   hook functions may be called at the same time; the rest by the test's thread.
 * Failure:   fails the test.
 */
#ifndef TESTS_UNIT_COMPACTION_KIT_H
#define TESTS_UNIT_COMPACTION_KIT_H

#include <pthread.h>

#include "base/error.h"
#include "compaction/jobs.h"
#include "fault_fs.h"
#include "test.h"

#define KIT_DIR   "/kit"
#define KIT_HOLDS 4
#define KIT_CALLS 256

struct kit_hold {
    const char *point;
    size_t nth; /* call of `point`, from 1 */
    bool held;
    bool released;
};

struct kit {
    struct os_fs *memory;
    struct fault_fs *faults;
    struct os_fs *fs;
    struct counters counters;
    struct lsmkv_options options;
    struct table_cache *cache;
    struct version_set *versions;
    struct background background;
    struct scheduler *scheduler; /* NULL until kit_start() */
    struct memtable *active;     /* borrowed from the version set */
    uint64_t sequence;           /* last one given to a write */
    uint64_t next_fake;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const char *calls[KIT_CALLS]; /* points in the order in which they were passed */
    size_t call_count;
    struct kit_hold holds[KIT_HOLDS];
    uint32_t dropped_id; /* 0 = none */
    size_t dropped_asked;
    size_t logged;
    enum lsmkv_status log_status; /* of the last message */
};

/* Options: small tables and limits, and those of `lsmkv_options_init()` otherwise. Change them before kit_start(). */
void kit_open(struct kit *kit);
void kit_close(struct kit *kit); /* stops the scheduler if it runs */

/* ---- Tables and versions ---- */

/* A table that exists only as facts. Sequences rise with each call. The caller has a reference. */
struct kit_facts {
    unsigned level;
    const char *min, *max;
    uint64_t size;
    uint64_t entries; /* 0 = 100 */
    uint64_t tombstones;
};
/* A version of such tables, oldest first in L0. */
struct version *kit_version(struct kit *kit, const struct kit_facts *facts, size_t count);
struct table *kit_table_at(const struct version *version, unsigned level, size_t index);
bool kit_is_input(const struct compaction *compaction, const struct table *table);

/* ---- Writing ---- */

void kit_rotate(struct kit *kit); /* a new active memtable */
void kit_put(struct kit *kit, const char *key, const char *value);
void kit_delete(struct kit *kit, const char *key);
void kit_fill(struct kit *kit,
              size_t bytes); /* random values under fresh keys, until the active memtable has `bytes` */

/* Reads by the current super-version. */
void kit_expect(struct kit *kit, const char *key, const char *value /* NULL: not found */);
size_t kit_level_tables(struct kit *kit, unsigned level);
size_t kit_immutables(struct kit *kit);
size_t kit_table_files(struct kit *kit); /* names in sst/ */

void kit_start(struct kit *kit); /* the scheduler */
void kit_stop(struct kit *kit);

/* ---- The hook ---- */

/* Holds the `nth` call of `point` from the start of the test until kit_release(). Gives the hold's number. */
size_t kit_hold(struct kit *kit, const char *point, size_t nth);
void kit_wait_held(struct kit *kit, size_t hold);
void kit_release(struct kit *kit, size_t hold);
size_t kit_calls(struct kit *kit, const char *point);
void kit_wait_calls(struct kit *kit, const char *point, size_t count);

#endif
