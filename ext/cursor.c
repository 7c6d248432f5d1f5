/*
 * cursor.c - reading: carries out a plan and hands columns to SQLite.
 *
 * Rows of an index are its entries: the row that one points to is looked up when a column is asked for that the entry
 * does not hold. Columns are decoded one by one as SQLite asks.
 */
#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/interrupt.h"
#include "ext/memory.h"
#include "ext/sorted.h"
#include "ext/transient.h"

struct sql_cursor {
    sqlite3_vtab_cursor base;
    bool counted;            /* the session counts it as a reader */
    const struct plan *plan; /* the present one */
    uint32_t keyspace;       /* of the rows, when the cursor was placed: a truncation changes the table's */
    struct scan scan;
    struct kept_rows *kept; /* rows come from here, not from the scan; NULL: from the scan */
    size_t match;           /* the one at hand */
    struct transient transient;
    struct kept_rows sorted;
    sqlite3_int64 rows_left; /* of a LIMIT; -1: no limit */

    bool valid; /* on a row, or an entry: */
    struct lsmkv_slice key, value;

    struct row_reader row; /* on the row at hand, once it was read */
    bool row_known;
    struct row_reader entry;      /* on the entry at hand, in an index */
    struct lsmkv_cursor *lookups; /* reads rows that entries point to */
    struct lsmkv_buf row_key;     /* of the row that the entry points to */
    bool row_key_known;
};

static struct sql_cursor *of(sqlite3_vtab_cursor *cursor)
{
    return (struct sql_cursor *)cursor;
}

static struct sql_table *table_of(const struct sql_cursor *cursor)
{
    return (struct sql_table *)cursor->base.pVtab;
}

static bool in_index(const struct sql_cursor *cursor)
{
    return cursor->plan->path != PLAN_PRIMARY;
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
    /* From here on: SQLite may open the next cursor of a subquery before it closes the last one, and both see one snapshot. */
    if (table->session)
        session_add_reader(table->session, &made->counted);
    *cursor = &made->base;
    return SQLITE_OK;
}

int sql_cursor_close(sqlite3_vtab_cursor *base)
{
    struct sql_cursor *cursor = of(base);

    scan_release(&cursor->scan);
    transient_release(&cursor->transient);
    kept_rows_release(&cursor->sorted);
    lsmkv_cursor_close(cursor->lookups);
    if (cursor->counted)
        session_end_read(table_of(cursor)->session);
    row_reader_release(&cursor->row);
    row_reader_release(&cursor->entry);
    lsmkv_buf_release(&cursor->row_key);
    memory_free(cursor);
    return SQLITE_OK;
}

/* ---- Moving ---- */

/* After a move: starts on the row or entry at hand, if there is one. */
static int take_row(struct sql_cursor *cursor, enum lsmkv_status moved, const struct lsmkv_error *err)
{
    struct row_reader *reader = in_index(cursor) ? &cursor->entry : &cursor->row;

    cursor->row_known = !in_index(cursor);
    cursor->row_key_known = false;
    if (moved) {
        cursor->valid = false;
        return fail(cursor, moved, err && err->status ? err : NULL);
    }
    if (!cursor->valid)
        return SQLITE_OK;
    moved = row_reader_set(reader, cursor->key, cursor->value);
    return moved ? fail(cursor, moved, NULL) : SQLITE_OK;
}

static int take_scanned(struct sql_cursor *cursor, enum lsmkv_status moved, const struct lsmkv_error *err)
{
    cursor->valid = cursor->scan.valid;
    cursor->key = cursor->scan.key;
    cursor->value = cursor->scan.value;
    return take_row(cursor, moved, err);
}

static int take_kept(struct sql_cursor *cursor)
{
    enum lsmkv_status status = LSMKV_OK;
    struct lsmkv_error err;

    error_clear(&err);
    cursor->valid = cursor->match < cursor->kept->match_count;
    if (cursor->valid)
        status = kept_rows_get(cursor->kept, cursor->match, &cursor->key, &cursor->value, &err);
    return take_row(cursor, status, &err);
}

static int advance(struct sql_cursor *cursor)
{
    struct lsmkv_error err;

    if (cursor->kept) {
        cursor->match++;
        return take_kept(cursor);
    }
    error_clear(&err);
    return take_scanned(cursor, scan_next(&cursor->scan, &err), &err);
}

/* LIMIT and OFFSET are the last two arguments of a plan that has them. */
static int skip_offset(struct sql_cursor *cursor, int argc, sqlite3_value **argv)
{
    sqlite3_int64 offset = sqlite3_value_int64(argv[argc - 1]);
    unsigned steps = 0;
    int rc = SQLITE_OK;

    cursor->rows_left = sqlite3_value_int64(argv[argc - 2]);
    for (; offset > 0 && cursor->valid && !rc; offset--)
        rc = interrupt_is_due(table_of(cursor)->connection->db, &steps) ? SQLITE_INTERRUPT : advance(cursor);
    return rc;
}

/* The cursor that reads rows sees what the scan of their entries sees. */
static int open_lookups(struct sql_cursor *cursor)
{
    struct sql_table *table = table_of(cursor);
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_slice lower, upper;
    struct lsmkv_error err;
    enum lsmkv_status status;

    error_clear(&err);
    lsmkv_cursor_close(cursor->lookups);
    cursor->lookups = NULL;
    sql_table_key_range(table, bounds, &lower, &upper);
    status = lsmkv_cursor_open(&cursor->lookups, table->session->engine, lower, upper, &err);
    if (status)
        cursor->lookups = NULL;
    return fail(cursor, status, &err);
}

static int use_index(struct sql_cursor *cursor)
{
    const struct row_layout *layout = &table_of(cursor)->index_layouts[cursor->plan->path];

    if (cursor->entry.layout != layout) {
        row_reader_release(&cursor->entry);
        if (row_reader_init(&cursor->entry, layout))
            return SQLITE_NOMEM;
    }
    return open_lookups(cursor);
}

static int build_ranges(struct sql_cursor *cursor, sqlite3_value **argv)
{
    struct sql_table *table = table_of(cursor);
    struct ranges_request request = {&table->schema, plan_shape(&table->schema, cursor->plan->path),
                                     sql_table_path_keyspace(table, cursor->plan->path), cursor->plan};

    cursor->keyspace = table->keyspace;
    return ranges_build(&cursor->scan.ranges, &request, argv, &table->base.zErrMsg);
}

/* Sets `kept` where rows come from memory. */
static int choose_source(struct sql_cursor *cursor, sqlite3_value **argv)
{
    struct sql_table *table = table_of(cursor);
    const struct plan *plan = cursor->plan;
    char **message = &table->base.zErrMsg;
    bool ready = false;
    int rc;

    cursor->kept = NULL;
    cursor->match = 0;
    if (plan->order_count && cursor->scan.ranges.widened) {
        cursor->kept = &cursor->sorted;
        return sorted_read(&cursor->sorted, table, plan, &cursor->scan, message);
    }
    if (!plan->probe_count)
        return SQLITE_OK;
    rc = transient_ask(&cursor->transient, table, plan, &cursor->scan, &ready, message);
    if (rc || !ready)
        return rc;
    cursor->kept = &cursor->transient.rows;
    return transient_probe(&cursor->transient, argv + plan_path_arguments(plan), message);
}

static int go_to_first(struct sql_cursor *cursor)
{
    struct lsmkv_session *session = table_of(cursor)->session->engine;
    struct lsmkv_error err;

    if (cursor->kept)
        return take_kept(cursor);
    error_clear(&err);
    return take_scanned(cursor, scan_start(&cursor->scan, session, cursor->plan->descending, &err), &err);
}

int sql_cursor_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc, sqlite3_value **argv)
{
    struct sql_cursor *cursor = of(base);
    struct sql_table *table = table_of(cursor);
    int rc = sql_table_attach(table);

    (void)text;
    cursor->valid = false;
    cursor->rows_left = -1;
    cursor->plan = table->plans.items[number];
    if (!rc)
        rc = session_read(table->session, &cursor->counted, &table->base.zErrMsg);
    if (!rc)
        rc = sql_table_refresh(table);
    if (!rc)
        rc = build_ranges(cursor, argv);
    if (!rc && in_index(cursor))
        rc = use_index(cursor);
    if (!rc)
        rc = choose_source(cursor, argv);
    if (!rc)
        rc = go_to_first(cursor);
    if (!rc && cursor->plan->skip)
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

/* ---- From an entry to its row ---- */

static int find_row_key(struct sql_cursor *cursor)
{
    struct sql_table *table = table_of(cursor);
    const struct table_index *index = &table->schema.indexes[cursor->plan->path];
    enum lsmkv_status status;

    if (cursor->row_key_known)
        return SQLITE_OK;
    status = row_reader_primary_key(&cursor->entry, index, cursor->keyspace, &cursor->row_key);
    if (status)
        return fail(cursor, status, NULL);
    cursor->row_key_known = true;
    return SQLITE_OK;
}

static int no_row(const struct sql_cursor *cursor)
{
    struct sql_table *table = table_of(cursor);

    return error_set(&table->base.zErrMsg, SQLITE_CORRUPT_VTAB, "table %s: index %s has an entry without a row",
                     table->name, table->schema.indexes[cursor->plan->path].name);
}

static int look_up_row(struct sql_cursor *cursor)
{
    struct lsmkv_error err;
    enum lsmkv_status status;
    int rc = find_row_key(cursor);

    if (rc || cursor->row_known)
        return rc;
    error_clear(&err);
    status = lsmkv_cursor_seek(cursor->lookups, bytes_of(&cursor->row_key), &err);
    if (status)
        return fail(cursor, status, &err);
    if (!lsmkv_cursor_valid(cursor->lookups) ||
        bytes_compare(lsmkv_cursor_key(cursor->lookups), bytes_of(&cursor->row_key)) != 0)
        return no_row(cursor);
    status = row_reader_set(&cursor->row, lsmkv_cursor_key(cursor->lookups), lsmkv_cursor_value(cursor->lookups));
    cursor->row_known = !status;
    return fail(cursor, status, NULL);
}

/* ---- Columns ---- */

/* The encoded key without its keyspace, by which SQLite knows the row. */
static int hidden_key(struct sql_cursor *cursor, sqlite3_context *context)
{
    struct lsmkv_slice key = cursor->key;
    struct cell cell = {.type = CELL_BLOB};
    int rc = SQLITE_OK;

    if (in_index(cursor)) {
        rc = find_row_key(cursor);
        key = bytes_of(&cursor->row_key);
    }
    if (rc)
        return rc;
    cell.bytes = bytes_slice(key.data + LSMKV_TABLE_ID_SIZE, key.size - LSMKV_TABLE_ID_SIZE);
    cell_result(&cell, context);
    return SQLITE_OK;
}

/*
 * Of a column that UPDATE leaves alone: where constraints have to know which columns those are, the row is read again for
 * its values. Elsewhere SQLite takes them along, which costs less.
 */
static bool is_left_alone(const struct sql_table *table, sqlite3_context *context)
{
    return (table->schema.index_count || table->schema.check_count) && sqlite3_vtab_nochange(context);
}

int sql_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    struct sql_cursor *cursor = of(base);
    struct row_reader *reader = &cursor->row;
    enum lsmkv_status status;
    struct cell cell;
    int rc = SQLITE_OK;

    if (column == table_of(cursor)->schema.count)
        return hidden_key(cursor, context);
    if (is_left_alone(table_of(cursor), context))
        return SQLITE_OK;
    if (in_index(cursor) && row_layout_holds(cursor->entry.layout, column))
        reader = &cursor->entry;
    else if (!cursor->row_known)
        rc = look_up_row(cursor);
    if (rc)
        return rc;
    status = row_reader_get(reader, column, &cell);
    if (status)
        return fail(cursor, status, NULL);
    cell_result(&cell, context);
    return SQLITE_OK;
}

int sql_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    struct sql_cursor *cursor = of(base);
    int64_t value;

    if (!key_get_rowid(cursor->key, &value))
        return fail(cursor, LSMKV_CORRUPT, NULL);
    *rowid = value;
    return SQLITE_OK;
}
