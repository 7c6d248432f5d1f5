#include "ext/introspect_rows.h"

#include <string.h>

#include "ext/bytes.h"
#include "ext/memory.h"

/* ---- Rows ---- */

void introspect_rows_init(struct introspect_rows *rows, int columns)
{
    memset(rows, 0, sizeof(*rows));
    rows->columns = columns;
}

void introspect_rows_clear(struct introspect_rows *rows)
{
    size_t i;

    for (i = 0; i < rows->count * (size_t)rows->columns; i++) {
        if (rows->cells[i].type == CELL_TEXT || rows->cells[i].type == CELL_BLOB)
            memory_free((void *)rows->cells[i].bytes.data);
    }
    rows->count = 0;
    rows->failed = false;
}

void introspect_rows_release(struct introspect_rows *rows)
{
    introspect_rows_clear(rows);
    memory_free(rows->cells);
    introspect_rows_init(rows, rows->columns);
}

const struct cell *introspect_rows_cell(const struct introspect_rows *rows, size_t row, int column)
{
    return &rows->cells[row * (size_t)rows->columns + (size_t)column];
}

/* The cells of a new row, all NULL; NULL on failure. */
static struct cell *add_row(struct introspect_rows *rows)
{
    size_t columns = (size_t)rows->columns;
    struct cell *row;

    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 32;
        struct cell *cells = memory_resize(rows->cells, capacity * columns * sizeof(*cells));

        if (!cells) {
            rows->failed = true;
            return NULL;
        }
        rows->cells = cells;
        rows->capacity = capacity;
    }
    row = &rows->cells[rows->count++ * columns];
    memset(row, 0, columns * sizeof(*row));
    return row;
}

static void set_integer(struct cell *cell, uint64_t value)
{
    cell->type = CELL_INTEGER;
    cell->integer = value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static void set_real(struct cell *cell, double value)
{
    cell->type = CELL_REAL;
    cell->real = value;
}

static void set_bytes(struct introspect_rows *rows, struct cell *cell, enum cell_type type, struct lsmkv_slice bytes)
{
    char *copy = memory_copy_text((const char *)bytes.data, bytes.size);

    if (!copy) {
        rows->failed = true;
        return;
    }
    cell->type = type;
    cell->bytes = bytes_slice(copy, bytes.size);
}

static void set_text(struct introspect_rows *rows, struct cell *cell, const char *text)
{
    set_bytes(rows, cell, CELL_TEXT, bytes_slice(text, strlen(text)));
}

/* ---- Views ---- */

struct visit {
    struct introspect_rows *rows;
    const struct session *session;
};

static bool add_stat(void *context, const char *name, uint64_t value)
{
    struct visit *visit = context;
    struct cell *row = add_row(visit->rows);

    if (!row)
        return false;
    set_text(visit->rows, &row[0], name);
    set_integer(&row[1], value);
    set_text(visit->rows, &row[2], registry_dir(visit->session->store));
    return true;
}

static void collect_stats(struct introspect_rows *rows, const struct session *session)
{
    struct visit visit = {rows, session};

    lsmkv_stats_each(session_store(session), add_stat, &visit);
}

static void collect_levels(struct introspect_rows *rows, const struct session *session)
{
    struct lsmkv_level_stats levels[LSMKV_LEVELS];
    struct cell *row;
    int i;

    lsmkv_level_stats(session_store(session), levels);
    for (i = 0; i < LSMKV_LEVELS && (row = add_row(rows)) != NULL; i++) {
        set_integer(&row[0], levels[i].level);
        set_integer(&row[1], levels[i].tables);
        set_integer(&row[2], levels[i].entries);
        set_integer(&row[3], levels[i].tombstones);
        set_integer(&row[4], levels[i].bytes);
        if (levels[i].table_limit)
            set_integer(&row[5], levels[i].table_limit);
        if (levels[i].byte_limit)
            set_integer(&row[6], levels[i].byte_limit);
        set_real(&row[7], levels[i].score);
        set_text(rows, &row[8], registry_dir(session->store));
    }
}

static bool add_sstable(void *context, const struct lsmkv_sstable_stats *stats)
{
    struct visit *visit = context;
    struct cell *row = add_row(visit->rows);

    if (!row)
        return false;
    set_integer(&row[0], stats->number);
    set_integer(&row[1], stats->level);
    set_integer(&row[2], stats->bytes);
    set_integer(&row[3], stats->entries);
    set_integer(&row[4], stats->tombstones);
    set_integer(&row[5], stats->sequence_min);
    set_integer(&row[6], stats->sequence_max);
    set_bytes(visit->rows, &row[7], CELL_BLOB, stats->key_min);
    set_bytes(visit->rows, &row[8], CELL_BLOB, stats->key_max);
    set_integer(&row[9], stats->loaded);
    set_integer(&row[10], stats->compacting);
    set_integer(&row[11], stats->accesses);
    set_text(visit->rows, &row[12], registry_dir(visit->session->store));
    return true;
}

static void collect_sstables(struct introspect_rows *rows, const struct session *session)
{
    struct visit visit = {rows, session};

    lsmkv_sstables_each(session_store(session), add_sstable, &visit);
}

const struct introspect_view introspect_views[] = {
    {"lsmkv_stats", "CREATE TABLE x(name TEXT, value INTEGER, store TEXT, table_name HIDDEN)", 3, collect_stats},
    {"lsmkv_levels",
     "CREATE TABLE x(level INTEGER, tables INTEGER, entries INTEGER, tombstones INTEGER, bytes INTEGER, "
     "table_limit INTEGER, byte_limit INTEGER, score REAL, store TEXT, table_name HIDDEN)",
     9, collect_levels},
    {"lsmkv_sstables",
     "CREATE TABLE x(number INTEGER, level INTEGER, bytes INTEGER, entries INTEGER, tombstones INTEGER, "
     "sequence_min INTEGER, sequence_max INTEGER, key_min BLOB, key_max BLOB, loaded INTEGER, compacting INTEGER, "
     "accesses INTEGER, store TEXT, table_name HIDDEN)",
     13, collect_sstables},
};

const int introspect_view_count = sizeof(introspect_views) / sizeof(introspect_views[0]);
