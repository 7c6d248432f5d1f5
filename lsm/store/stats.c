/*
 * stats.c - what a user sees of a store: counters, gauges, levels, tables, locks.
 *
 * Everything is read at one moment each, without stopping anybody: numbers of one visit may differ by what happened
 * meanwhile.
 */
#include <stdio.h>

#include "base/error.h"
#include "compaction/pick.h"
#include "store/store.h"

typedef bool visit_stat(void *context, const char *name, uint64_t value);

struct visit {
    visit_stat *call;
    void *context;
    bool stopped; /* the visitor has had enough */
};

static void show(struct visit *visit, const char *name, uint64_t value)
{
    if (!visit->stopped)
        visit->stopped = !visit->call(visit->context, name, value);
}

/* ---- Counters ---- */

/* What open sessions have counted and not yet handed to the store. */
struct totals {
    uint64_t gets, get_hits, cursors, cursor_rows;
};

static struct totals sum_sessions(struct lsmkv_store *store)
{
    struct totals totals = {0, 0, 0, 0};

    mutex_lock(&store->sessions_lock);
    for (struct lsmkv_session *session = store->sessions; session; session = session->next) {
        totals.gets += atomic_load_explicit(&session->counts.gets, memory_order_relaxed);
        totals.get_hits += atomic_load_explicit(&session->counts.get_hits, memory_order_relaxed);
        totals.cursors += atomic_load_explicit(&session->counts.cursors, memory_order_relaxed);
        totals.cursor_rows += atomic_load_explicit(&session->counts.cursor_rows, memory_order_relaxed);
    }
    /* Under the lock, where sessions that end hand over theirs: nothing is counted twice or missed. */
    totals.gets += counter_get(&store->counters, gets);
    totals.get_hits += counter_get(&store->counters, get_hits);
    totals.cursors += counter_get(&store->counters, cursors);
    totals.cursor_rows += counter_get(&store->counters, cursor_rows);
    mutex_unlock(&store->sessions_lock);
    return totals;
}

static void show_counters(struct visit *visit, struct lsmkv_store *store)
{
    struct totals totals = sum_sessions(store);
    struct counters all;
    const char *name;
    uint64_t value;

#define COPY(field) atomic_init(&all.field, counter_get(&store->counters, field));
    COUNTERS(COPY)
#undef COPY
    atomic_init(&all.gets, totals.gets);
    atomic_init(&all.get_hits, totals.get_hits);
    atomic_init(&all.cursors, totals.cursors);
    atomic_init(&all.cursor_rows, totals.cursor_rows);
    for (size_t i = 0; counters_get(&all, i, &name, &value); i++)
        show(visit, name, value);
}

/* ---- Gauges ---- */

static void show_memtables(struct visit *visit, struct lsmkv_store *store, const struct super_version *super_version)
{
    const struct lsmkv_options *options = store->options;
    uint64_t active = memtable_bytes(super_version->active);
    uint64_t immutable = 0;

    for (size_t i = 0; i < super_version->immutable_count; i++)
        immutable += memtable_bytes(super_version->immutables[i]);
    show(visit, "active_memtable_bytes", active);
    show(visit, "active_memtable_entries", memtable_entries(super_version->active));
    show(visit, "active_memtable_full", active >= options->memtable_size);
    show(visit, "memtable_size", options->memtable_size);
    show(visit, "immutable_memtables", super_version->immutable_count);
    show(visit, "immutable_queue_full", super_version->immutable_count >= options->max_immutables);
    show(visit, "max_immutables", options->max_immutables);
    show(visit, "immutable_bytes", immutable);
    show(visit, "immutable_limit_bytes", options->memtable_size * options->max_immutables);
    show(visit, "history_bytes", history_kept_bytes(version_set_history(store->versions), NULL));
    show(visit, "history_size", options->history_size);
}

static void show_levels(struct visit *visit, const struct version *version)
{
    char name[32];
    uint64_t levels = 0;

    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        if (version->levels[level].count)
            levels = level + 1;
    }
    show(visit, "levels", levels);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        (void)snprintf(name, sizeof(name), "l%u_tables", level);
        show(visit, name, version->levels[level].count);
        (void)snprintf(name, sizeof(name), "l%u_bytes", level);
        show(visit, name, version->levels[level].bytes);
    }
}

static void show_tables(struct visit *visit, const struct version *version)
{
    uint64_t tables = 0, bytes = 0, loaded = 0, accesses = 0;

    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        const struct version_level *in = &version->levels[level];

        tables += in->count;
        bytes += in->bytes;
        for (size_t i = 0; i < in->count; i++) {
            loaded += table_loaded(in->tables[i]);
            accesses += table_accesses(in->tables[i]);
        }
    }
    show(visit, "sstables", tables);
    show(visit, "sstable_bytes", bytes);
    show(visit, "tables_loaded", loaded);
    show(visit, "tables_unloaded", tables - loaded);
    show(visit, "tables_unloaded_percent", tables ? (tables - loaded) * 100 / tables : 0);
    show(visit, "table_accesses", accesses);
}

static void show_log(struct visit *visit, struct lsmkv_store *store)
{
    uint64_t applied, durable;
    struct log_position end = log_end(store, &applied);
    uint64_t unsynced = group_sync_unsynced(store, &durable);

    show(visit, "wal_segment", end.segment);
    show(visit, "wal_segment_bytes", end.offset);
    show(visit, "wal_unsynced_bytes", unsynced);
    show(visit, "sequence_applied", applied);
    show(visit, "sequence_visible", atomic_load_explicit(&store->log.visible, memory_order_acquire));
    show(visit, "sequence_durable", durable);
}

static void show_health(struct visit *visit, struct lsmkv_store *store, const struct super_version *super_version)
{
    struct pressure pressure = pressure_of(store->options, super_version);
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    uint64_t failures = 0;

    (void)scheduler_failure(store->scheduler, &failures, &failure);
    show(visit, "cache_bytes", table_cache_bytes(store->cache));
    show(visit, "cache_size", store->options->cache_size);
    show(visit, "pressure_permille", (uint64_t)(pressure.value * 1000));
    show(visit, "compacting", scheduler_compacting(store->scheduler));
    show(visit, "background_failures", failures);
    show(visit, "read_only", store_failed(store));
}

void lsmkv_stats_each(struct lsmkv_store *store, visit_stat *call, void *context)
{
    struct visit visit = {call, context, false};
    struct super_version *super_version;

    if (store_check_process(store, NULL))
        return;
    super_version = version_set_current(store->versions);
    show_memtables(&visit, store, super_version);
    show_tables(&visit, super_version->version);
    show_levels(&visit, super_version->version);
    show_log(&visit, store);
    show_health(&visit, store, super_version);
    show_counters(&visit, store);
    super_version_unref(super_version);
}

/* ---- Levels and tables ---- */

void lsmkv_level_stats(struct lsmkv_store *store, struct lsmkv_level_stats levels[LSMKV_LEVELS])
{
    struct super_version *super_version;

    memset(levels, 0, LSMKV_LEVELS * sizeof(levels[0]));
    if (store_check_process(store, NULL))
        return;
    super_version = version_set_current(store->versions);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        const struct version_level *in = &super_version->version->levels[level];

        levels[level].level = level;
        levels[level].tables = in->count;
        levels[level].bytes = in->bytes;
        for (size_t i = 0; i < in->count; i++) {
            levels[level].entries += table_info(in->tables[i])->entries;
            levels[level].tombstones += table_info(in->tables[i])->tombstones;
        }
        levels[level].table_limit = level == 0 ? store->options->l0_tables : 0;
        levels[level].byte_limit = level == 0 ? 0 : level_byte_limit(store->options, level);
        levels[level].score = level_score(store->options, super_version->version, level);
    }
    super_version_unref(super_version);
}

static struct lsmkv_sstable_stats table_stats(struct table *table, unsigned level)
{
    const struct sstable_info *info = table_info(table);

    return (struct lsmkv_sstable_stats){
        .number = info->number,
        .level = level,
        .bytes = info->size,
        .entries = info->entries,
        .tombstones = info->tombstones,
        .sequence_min = info->sequence_min,
        .sequence_max = info->sequence_max,
        .key_min = slice_of_buf(&info->key_min),
        .key_max = slice_of_buf(&info->key_max),
        .loaded = table_loaded(table),
        .compacting = table_claimed(table),
        .accesses = table_accesses(table),
    };
}

void lsmkv_sstables_each(struct lsmkv_store *store, bool (*visit)(void *context, const struct lsmkv_sstable_stats *),
                         void *context)
{
    struct super_version *super_version;
    bool go_on = true;

    if (store_check_process(store, NULL))
        return;
    super_version = version_set_current(store->versions);
    for (unsigned level = 0; go_on && level < LSMKV_LEVELS; level++) {
        const struct version_level *in = &super_version->version->levels[level];

        for (size_t i = 0; go_on && i < in->count; i++) {
            struct lsmkv_sstable_stats stats = table_stats(in->tables[i], level);

            go_on = visit(context, &stats);
        }
    }
    super_version_unref(super_version);
}

/* ---- Locks ---- */

struct lock_visit {
    bool (*call)(void *context, const struct lsmkv_lock_stats *);
    void *context;
    bool stopped;
};

static void show_lock(void *context, const struct mutex *mutex)
{
    struct lock_visit *visit = context;
    struct lsmkv_lock_stats stats = {
        .name = mutex->name,
        .acquired = atomic_load_explicit(&mutex->acquired, memory_order_relaxed),
        .contended = atomic_load_explicit(&mutex->contended, memory_order_relaxed),
        .wait_ns = atomic_load_explicit(&mutex->wait_ns, memory_order_relaxed),
        .hold_ns = atomic_load_explicit(&mutex->hold_ns, memory_order_relaxed),
    };

    if (!visit->stopped)
        visit->stopped = !visit->call(visit->context, &stats);
}

void lsmkv_locks_each(struct lsmkv_store *store, bool (*call)(void *context, const struct lsmkv_lock_stats *),
                      void *context)
{
    struct lock_visit visit = {call, context, false};

    if (store_check_process(store, NULL))
        return;
    show_lock(&visit, &store->sessions_lock);
    show_lock(&visit, &store->dropped.lock);
    show_lock(&visit, &store->turn.lock);
    scheduler_locks(store->scheduler, show_lock, &visit);
    version_set_locks(store->versions, show_lock, &visit);
    show_lock(&visit, &store->sync.lock);
    show_lock(&visit, &store->log.lock);
    table_cache_locks(store->cache, show_lock, &visit);
}
