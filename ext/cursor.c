/*
 * cursor.c - reading: walks the ranges that a plan gave, forward or backward, and hands columns to SQLite.
 *
 * A range of one key is looked up directly; others get a cursor of the engine each. Rows are borrowed from the engine's
 * cursor, or lie in `value`, and are decoded column by column as SQLite asks. What the cursor sees stays as it was when
 * it came to a range, whatever is written, committed or rolled back meanwhile.
 */
#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/memory.h"
#include "ext/plan.h"
#include "ext/ranges.h"
#include "ext/sql_table.h"

struct sql_cursor {
    sqlite3_vtab_cursor base;
    bool counted; /* the session counts it as a reader */
    bool descending;
    struct key_ranges ranges;
    int range;                   /* the one at hand */
    bool valid;                  /* on a row */
    sqlite3_int64 rows_left;     /* of a LIMIT; -1: no limit */
    struct lsmkv_cursor *engine; /* in a range of more than one key */
    struct lsmkv_buf value;      /* of a key that was looked up */
    struct row_reader row;
};

static struct sql_cursor *of(sqlite3_vtab_cursor *cursor)
{
    return (struct sql_cursor *)cursor;
}

static struct sql_table *table_of(const struct sql_cursor *cursor)
{
    return (struct sql_table *)cursor->base.pVtab;
}

static int fail(const struct sql_cursor *cursor, enum lsmkv_status status, const struct lsmkv_error *err)
{
    struct sql_table *table = table_of(cursor);

    if (status == LSMKV_CORRUPT && !err)
        return error_set(&table->base.zErrMsg, SQLITE_CORRUPT_VTAB, "table %s: a damaged row", table->name);
    return error_from(&table->base.zErrMsg, status, err);
}

/* ---- Life ---- */

int sql_cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor)
{
    struct sql_table *table = (struct sql_table *)vtab;
    struct sql_cursor *made = memory_alloc(sizeof(*made));

    if (!made)
        return SQLITE_NOMEM;
    if (row_reader_init(&made->row, &table->layout)) {
        memory_free(made);
        return SQLITE_NOMEM;
    }
    *cursor = &made->base;
    return SQLITE_OK;
}

int sql_cursor_close(sqlite3_vtab_cursor *base)
{
    struct sql_cursor *cursor = of(base);

    lsmkv_cursor_close(cursor->engine);
    if (cursor->counted)
        session_end_read(table_of(cursor)->session);
    ranges_release(&cursor->ranges);
    row_reader_release(&cursor->row);
    lsmkv_buf_release(&cursor->value);
    memory_free(cursor);
    return SQLITE_OK;
}

/* ---- Moving ---- */

static int set_row(struct sql_cursor *cursor, struct lsmkv_slice key, struct lsmkv_slice value)
{
    enum lsmkv_status status = row_reader_set(&cursor->row, key, value);

    if (status)
        return fail(cursor, status, NULL);
    cursor->valid = true;
    return SQLITE_OK;
}

/* Takes the row that the engine's cursor is on, if it is on one. */
static int take_row(struct sql_cursor *cursor, enum lsmkv_status moved, const struct lsmkv_error *err)
{
    if (moved)
        return fail(cursor, moved, err);
    if (!lsmkv_cursor_valid(cursor->engine))
        return SQLITE_OK;
    return set_row(cursor, lsmkv_cursor_key(cursor->engine), lsmkv_cursor_value(cursor->engine));
}

static int enter_point(struct sql_cursor *cursor)
{
    struct lsmkv_error err;
    struct lsmkv_slice key = ranges_lower(&cursor->ranges, cursor->range);
    enum lsmkv_status status;
    bool found = false;

    error_clear(&err);
    status = lsmkv_get(table_of(cursor)->session->engine, key, &cursor->value, &found, &err);
    if (status)
        return fail(cursor, status, &err);
    return found ? set_row(cursor, key, bytes_of(&cursor->value)) : SQLITE_OK;
}

static int enter_range(struct sql_cursor *cursor)
{
    struct lsmkv_error err;
    enum lsmkv_status status;

    error_clear(&err);
    status = lsmkv_cursor_open(&cursor->engine, table_of(cursor)->session->engine,
                               ranges_lower(&cursor->ranges, cursor->range),
                               ranges_upper(&cursor->ranges, cursor->range), &err);
    if (status) {
        cursor->engine = NULL;
        return fail(cursor, status, &err);
    }
    if (cursor->descending)
        status = lsmkv_cursor_last(cursor->engine, &err);
    else
        status = lsmkv_cursor_first(cursor->engine, &err);
    return take_row(cursor, status, &err);
}

static bool more_ranges(const struct sql_cursor *cursor)
{
    return cursor->range >= 0 && cursor->range < cursor->ranges.count;
}

/* Leaves the range at hand and goes on to the first row of those after it. */
static int enter_next_ranges(struct sql_cursor *cursor, int step)
{
    int rc = SQLITE_OK;

    cursor->valid = false;
    for (cursor->range += step; more_ranges(cursor) && !cursor->valid && !rc;) {
        lsmkv_cursor_close(cursor->engine);
        cursor->engine = NULL;
        rc = cursor->ranges.items[cursor->range].point ? enter_point(cursor) : enter_range(cursor);
        if (!rc && !cursor->valid)
            cursor->range += cursor->descending ? -1 : 1;
    }
    return rc;
}

static int advance(struct sql_cursor *cursor)
{
    struct lsmkv_error err;
    enum lsmkv_status status;
    int rc = SQLITE_OK;

    error_clear(&err);
    cursor->valid = false;
    if (cursor->engine && lsmkv_cursor_valid(cursor->engine)) {
        if (cursor->descending)
            status = lsmkv_cursor_prev(cursor->engine, &err);
        else
            status = lsmkv_cursor_next(cursor->engine, &err);
        rc = take_row(cursor, status, &err);
    }
    if (!rc && !cursor->valid)
        rc = enter_next_ranges(cursor, cursor->descending ? -1 : 1);
    return rc;
}

/* LIMIT and OFFSET are the last two arguments of a plan that has them. */
static int skip_offset(struct sql_cursor *cursor, int argc, sqlite3_value **argv)
{
    sqlite3_int64 offset = sqlite3_value_int64(argv[argc - 1]);
    int rc = SQLITE_OK;

    cursor->rows_left = sqlite3_value_int64(argv[argc - 2]);
    for (; offset > 0 && cursor->valid && !rc; offset--)
        rc = advance(cursor);
    return rc;
}

int sql_cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
    struct sql_cursor *cursor = of(base);
    struct sql_table *table = table_of(cursor);
    int rc = sql_table_attach(table);

    (void)text;
    cursor->valid = false;
    cursor->rows_left = -1;
    cursor->descending = (plan & PLAN_DESCENDING) != 0;
    if (!rc)
        rc = session_read(table->session, &cursor->counted, &table->base.zErrMsg);
    if (!rc)
        rc = sql_table_refresh(table);
    if (!rc)
        rc = ranges_build(&cursor->ranges, table, plan, argv, &table->base.zErrMsg);
    if (rc)
        return rc;
    cursor->range = cursor->descending ? cursor->ranges.count - 1 : 0;
    rc = enter_next_ranges(cursor, 0);
    if (!rc && plan & PLAN_OFFSET)
        rc = skip_offset(cursor, argc, argv);
    return rc;
}

int sql_cursor_next(sqlite3_vtab_cursor *base)
{
    struct sql_cursor *cursor = of(base);

    if (cursor->rows_left > 0)
        cursor->rows_left--;
    if (cursor->rows_left == 0) {
        cursor->valid = false;
        return SQLITE_OK;
    }
    return advance(cursor);
}

int sql_cursor_eof(sqlite3_vtab_cursor *base)
{
    const struct sql_cursor *cursor = of(base);

    return !cursor->valid || cursor->rows_left == 0;
}

/* ---- Columns ---- */

int sql_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    struct sql_cursor *cursor = of(base);
    struct cell cell;
    enum lsmkv_status status;

    if (column == table_of(cursor)->schema.count) { /* the hidden key */
        cell.type = CELL_BLOB;
        cell.bytes =
            bytes_slice(cursor->row.key.data + LSMKV_TABLE_ID_SIZE, cursor->row.key.size - LSMKV_TABLE_ID_SIZE);
        cell_result(&cell, context);
        return SQLITE_OK;
    }
    status = row_reader_get(&cursor->row, column, &cell);
    if (status)
        return fail(cursor, status, NULL);
    cell_result(&cell, context);
    return SQLITE_OK;
}

int sql_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    struct sql_cursor *cursor = of(base);
    int64_t value;

    if (!key_get_rowid(cursor->row.key, &value))
        return fail(cursor, LSMKV_CORRUPT, NULL);
    *rowid = value;
    return SQLITE_OK;
}
