/*
 * counters.h - what a store counts since it was opened; relaxed atomics, read for lsmkv_stats.
 *
 * One row here is one (name, value) of lsmkv_stats: COUNTER(name).
 */
#ifndef LSM_BASE_COUNTERS_H
#define LSM_BASE_COUNTERS_H

#include <stdatomic.h>

#include "lsmkv.h"

#define COUNTERS(COUNTER)                                                                                              \
    COUNTER(commits)            /* transactions committed with writes */                                               \
    COUNTER(rollbacks)          /* transactions that had writes and were rolled back */                                \
    COUNTER(conflicts)          /* BUSY_SNAPSHOT answers */                                                            \
    COUNTER(validations)        /* transactions whose reads were compared with the commits of others */                \
    COUNTER(validated_writes)   /* writes of others that were looked at for that */                                    \
    COUNTER(writes)             /* keys put or deleted by committed transactions */                                    \
    COUNTER(gets)               /* point reads */                                                                      \
    COUNTER(get_hits)           /* point reads that found a row */                                                     \
    COUNTER(cursors)            /* cursors opened */                                                                   \
    COUNTER(cursor_rows)        /* rows that cursors returned */                                                       \
    COUNTER(wal_bytes)          /* bytes appended to the WAL */                                                        \
    COUNTER(wal_syncs)          /* fdatasync calls on the WAL */                                                       \
    COUNTER(memtable_rotations) /* memtables that became immutable */                                                  \
    COUNTER(flushes)            /* memtables installed as L0 tables */                                                 \
    COUNTER(flush_bytes)        /* bytes written by flush */                                                           \
    COUNTER(flush_failures)     /* flushes that failed and are retried */                                              \
    COUNTER(compactions)        /* compactions installed, trivial moves included */                                    \
    COUNTER(trivial_moves)      /* tables moved to the next level without rewriting */                                 \
    COUNTER(compaction_read_bytes)                                                                                     \
    COUNTER(compaction_write_bytes)                                                                                    \
    COUNTER(compaction_failures) /* compactions that failed and are retried */                                         \
    COUNTER(tombstones_dropped)                                                                                        \
    COUNTER(manifest_commits)                                                                                          \
    COUNTER(files_deleted)    /* replaced tables and segments removed */                                               \
    COUNTER(filter_checks)    /* Bloom filters asked */                                                                \
    COUNTER(filter_negatives) /* reads that a filter saved */                                                          \
    COUNTER(block_cache_hits)                                                                                          \
    COUNTER(block_cache_misses)                                                                                        \
    COUNTER(block_reads) /* data blocks read from files by a call that can fail */                                     \
    COUNTER(table_opens)                                                                                               \
    COUNTER(table_closes)                                                                                              \
    COUNTER(stalls) /* commits that waited at full pressure */                                                         \
    COUNTER(stall_ns)                                                                                                  \
    COUNTER(delays) /* commits delayed between the soft limit and full pressure */                                     \
    COUNTER(delay_ns)                                                                                                  \
    COUNTER(turn_waits) /* transactions that waited for another writer */                                              \
    COUNTER(turn_wait_ns)

struct counters {
#define COUNTER(name) _Atomic uint64_t name;
    COUNTERS(COUNTER)
#undef COUNTER
};

#define counter_add(counters, name, amount) atomic_fetch_add_explicit(&(counters)->name, (amount), memory_order_relaxed)
#define counter_get(counters, name)         atomic_load_explicit(&(counters)->name, memory_order_relaxed)

/* Enumerates: false past the last one. */
bool counters_get(const struct counters *counters, size_t index, const char **name, uint64_t *value);

#endif
