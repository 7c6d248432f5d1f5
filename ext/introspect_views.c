/*
 * introspect_views.c - what lsmkv_stats, lsmkv_levels, lsmkv_sstables and lsmkv_tables show.
 */
#include <string.h>

#include "ext/bytes.h"
#include "ext/config.h"
#include "ext/error.h"
#include "ext/introspect_rows.h"

struct visit {
    struct introspect_rows *rows;
    const struct session *session;
};

static bool add_stat(void *context, const char *name, uint64_t value)
{
    struct visit *visit = context;
    struct cell *row = introspect_rows_add(visit->rows);

    if (!row)
        return false;
    introspect_set_text(visit->rows, &row[0], name);
    introspect_set_integer(&row[1], value);
    introspect_set_text(visit->rows, &row[2], registry_dir(visit->session->store));
    return true;
}

static int collect_stats(struct introspect_rows *rows, const struct session *session, char **message)
{
    struct visit visit = {rows, session};

    (void)message;
    lsmkv_stats_each(session_store(session), add_stat, &visit);
    return SQLITE_OK;
}

static int collect_levels(struct introspect_rows *rows, const struct session *session, char **message)
{
    struct lsmkv_level_stats levels[LSMKV_LEVELS];
    struct cell *row;
    int i;

    (void)message;
    lsmkv_level_stats(session_store(session), levels);
    for (i = 0; i < LSMKV_LEVELS && (row = introspect_rows_add(rows)) != NULL; i++) {
        introspect_set_integer(&row[0], levels[i].level);
        introspect_set_integer(&row[1], levels[i].tables);
        introspect_set_integer(&row[2], levels[i].entries);
        introspect_set_integer(&row[3], levels[i].tombstones);
        introspect_set_integer(&row[4], levels[i].bytes);
        if (levels[i].table_limit)
            introspect_set_integer(&row[5], levels[i].table_limit);
        if (levels[i].byte_limit)
            introspect_set_integer(&row[6], levels[i].byte_limit);
        introspect_set_real(&row[7], levels[i].score);
        introspect_set_text(rows, &row[8], registry_dir(session->store));
    }
    return SQLITE_OK;
}

static bool add_sstable(void *context, const struct lsmkv_sstable_stats *stats)
{
    struct visit *visit = context;
    struct cell *row = introspect_rows_add(visit->rows);

    if (!row)
        return false;
    introspect_set_integer(&row[0], stats->number);
    introspect_set_integer(&row[1], stats->level);
    introspect_set_integer(&row[2], stats->bytes);
    introspect_set_integer(&row[3], stats->entries);
    introspect_set_integer(&row[4], stats->tombstones);
    introspect_set_integer(&row[5], stats->sequence_min);
    introspect_set_integer(&row[6], stats->sequence_max);
    introspect_set_bytes(visit->rows, &row[7], CELL_BLOB, stats->key_min);
    introspect_set_bytes(visit->rows, &row[8], CELL_BLOB, stats->key_max);
    introspect_set_integer(&row[9], stats->loaded);
    introspect_set_integer(&row[10], stats->compacting);
    introspect_set_integer(&row[11], stats->accesses);
    introspect_set_text(visit->rows, &row[12], registry_dir(visit->session->store));
    return true;
}

static int collect_sstables(struct introspect_rows *rows, const struct session *session, char **message)
{
    struct visit visit = {rows, session};

    (void)message;
    lsmkv_sstables_each(session_store(session), add_sstable, &visit);
    return SQLITE_OK;
}

/* From the manifests: rows that are still in memory are not counted. */
static void estimate(struct lsmkv_store *store, uint32_t first, uint32_t count, uint64_t *entries, uint64_t *bytes)
{
    uint8_t lower[LSMKV_TABLE_ID_SIZE], upper[LSMKV_TABLE_ID_SIZE];

    bytes_put_be(lower, first, sizeof(lower));
    bytes_put_be(upper, (uint64_t)first + count, sizeof(upper));
    lsmkv_estimate(store, bytes_slice(lower, sizeof(lower)), bytes_slice(upper, sizeof(upper)), entries, bytes);
}

static enum lsmkv_status add_table(void *context, const char *name, const struct lsmkv_table_entry *entry)
{
    const struct visit *visit = context;
    struct introspect_rows *rows = visit->rows;
    struct cell *row = introspect_rows_add(rows);
    const char *definition = memchr(entry->definition.data, '\n', entry->definition.size);
    size_t header = definition ? (size_t)(definition + 1 - (const char *)entry->definition.data) : 0;
    uint64_t entries, bytes, unused;

    if (!row)
        return LSMKV_NOMEM;
    estimate(session_store(visit->session), entry->keyspace, 1, &entries, &unused);
    estimate(session_store(visit->session), entry->keyspace, entry->keyspaces, &unused, &bytes);
    introspect_set_text(rows, &row[0], name);
    introspect_set_integer(&row[1], entry->id);
    introspect_set_bytes(rows, &row[2], CELL_TEXT,
                         bytes_slice(entry->definition.data + header, entry->definition.size - header));
    introspect_set_integer(&row[3], entries);
    introspect_set_integer(&row[4], bytes);
    introspect_set_integer(&row[5], entry->keyspaces - 1);
    introspect_set_integer(&row[6], entry->keyspace);
    introspect_set_text(rows, &row[7], registry_dir(visit->session->store));
    return LSMKV_OK;
}

static int collect_tables(struct introspect_rows *rows, const struct session *session, char **message)
{
    struct visit visit = {rows, session};
    struct lsmkv_error err = {LSMKV_OK, ""};

    return error_from(message, lsmkv_catalog_each(session->engine, add_table, &visit, &err), &err);
}

static bool add_transaction(void *context, const struct lsmkv_transaction_info *info)
{
    static const char *const states[] = {"reading", "writing", "prepared", "in doubt"};
    static const char digits[] = "0123456789abcdef";
    const struct visit *visit = context;
    struct introspect_rows *rows = visit->rows;
    struct cell *row = introspect_rows_add(rows);
    char name[17], coordinator[2 * LSMKV_COORDINATOR_SIZE + 1];
    int i;

    if (!row)
        return false;
    introspect_set_text(rows, &row[0], states[info->state]);
    if (info->transaction) {
        sqlite3_snprintf(sizeof(name), name, "%016llx", info->transaction);
        introspect_set_text(rows, &row[1], name);
    }
    if (info->coordinator) {
        for (i = 0; i < LSMKV_COORDINATOR_SIZE; i++) {
            coordinator[2 * i] = digits[info->coordinator[i] >> 4];
            coordinator[2 * i + 1] = digits[info->coordinator[i] & 15];
        }
        coordinator[2 * i] = '\0';
        introspect_set_text(rows, &row[2], coordinator);
    }
    introspect_set_integer(&row[3], info->exclusive);
    if (info->state != LSMKV_TRANSACTION_IN_DOUBT) {
        introspect_set_integer(&row[4], info->age_ms);
        introspect_set_integer(&row[5], info->snapshot);
    }
    introspect_set_integer(&row[6], info->writes);
    introspect_set_integer(&row[7], info->bytes);
    introspect_set_integer(&row[8], info->pinned_bytes);
    introspect_set_text(rows, &row[9], registry_dir(visit->session->store));
    return true;
}

static int collect_transactions(struct introspect_rows *rows, const struct session *session, char **message)
{
    struct visit visit = {rows, session};

    (void)message;
    lsmkv_transactions_each(session_store(session), add_transaction, &visit);
    return SQLITE_OK;
}

const struct introspect_view introspect_views[] = {
    {"lsmkv_stats", "CREATE TABLE x(name TEXT, value INTEGER, store TEXT, table_name HIDDEN)", 3, collect_stats, NULL,
     NULL},
    {"lsmkv_levels",
     "CREATE TABLE x(level INTEGER, tables INTEGER, entries INTEGER, tombstones INTEGER, bytes INTEGER, "
     "table_limit INTEGER, byte_limit INTEGER, score REAL, store TEXT, table_name HIDDEN)",
     9, collect_levels, NULL, NULL},
    {"lsmkv_sstables",
     "CREATE TABLE x(number INTEGER, level INTEGER, bytes INTEGER, entries INTEGER, tombstones INTEGER, "
     "sequence_min INTEGER, sequence_max INTEGER, key_min BLOB, key_max BLOB, loaded INTEGER, compacting INTEGER, "
     "accesses INTEGER, store TEXT, table_name HIDDEN)",
     13, collect_sstables, NULL, NULL},
    {"lsmkv_tables",
     "CREATE TABLE x(name TEXT, id INTEGER, definition TEXT, rows INTEGER, bytes INTEGER, indexes INTEGER, "
     "keyspace INTEGER, store TEXT, table_name HIDDEN)",
     8, collect_tables, NULL, NULL},
    {"lsmkv_transactions",
     "CREATE TABLE x(state TEXT, \"transaction\" TEXT, coordinator TEXT, exclusive INTEGER, age_ms INTEGER, "
     "snapshot INTEGER, writes INTEGER, bytes INTEGER, pinned_bytes INTEGER, store TEXT, table_name HIDDEN)",
     10, collect_transactions, NULL, NULL},
    {"lsmkv_config",
     "CREATE TABLE x(name TEXT, value TEXT, in_force TEXT, range TEXT, initial TEXT, changes TEXT, store TEXT, "
     "table_name HIDDEN)",
     7, config_collect, config_rowid, config_update},
};

const int introspect_view_count = sizeof(introspect_views) / sizeof(introspect_views[0]);
