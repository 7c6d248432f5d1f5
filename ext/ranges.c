#include "ext/ranges.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/memory.h"
#include "ext/plan.h"

/* Text that looks like a number starts with white space, a digit, a sign or a point: all from 0x09 to '9'. */
#define NUMERIC_TEXT_FIRST 0x09
#define NUMERIC_TEXT_AFTER 0x3A

struct builder {
    struct key_ranges *ranges;
    const struct sql_table *table;
    int plan;
};

void ranges_release(struct key_ranges *ranges)
{
    lsmkv_buf_release(&ranges->bytes);
    memory_free(ranges->items);
    memset(ranges, 0, sizeof(*ranges));
}

/* ---- Bounds: bytes of a key, at the end of `bytes` ---- */

static size_t bound_start(const struct builder *builder)
{
    return builder->ranges->bytes.size;
}

static enum lsmkv_status put_table(const struct builder *builder)
{
    return key_put_keyspace(&builder->ranges->bytes, builder->table->keyspace);
}

/* The key of a cell; with `after`, the least bound above that key. */
static enum lsmkv_status put_cell(const struct builder *builder, const struct cell *cell, bool after)
{
    struct lsmkv_buf *bytes = &builder->ranges->bytes;
    enum lsmkv_status status = put_table(builder);

    if (!status)
        status = key_put_part(bytes, cell, builder->table->schema.primary.parts[0].collation, false);
    return status || !after ? status : bytes_append(bytes, "", 1);
}

static enum lsmkv_status put_rowid(const struct builder *builder, int64_t rowid)
{
    enum lsmkv_status status = put_table(builder);

    return status ? status : key_put_rowid(&builder->ranges->bytes, rowid);
}

/* The bound at which text that starts with `byte` begins. */
static enum lsmkv_status put_text_start(const struct builder *builder, char byte)
{
    const struct cell cell = {.type = CELL_TEXT, .bytes = bytes_slice(&byte, 1)};
    enum lsmkv_status status = put_table(builder);

    if (!status)
        status = key_put_part(&builder->ranges->bytes, &cell, COLLATION_BINARY, false);
    if (!status)
        builder->ranges->bytes.size -= 2; /* without its end */
    return status;
}

static enum lsmkv_status put_table_end(const struct builder *builder)
{
    return key_put_keyspace(&builder->ranges->bytes, builder->table->keyspace + 1);
}

/* ---- Ranges ---- */

/* The bound written since `lower_at` and the one since `upper_at`. */
static enum lsmkv_status add(const struct builder *builder, size_t lower_at, size_t upper_at, bool point)
{
    struct key_ranges *ranges = builder->ranges;
    struct key_range *item;

    if (ranges->count == ranges->capacity) {
        int capacity = ranges->capacity ? 2 * ranges->capacity : 4;
        struct key_range *items = memory_resize(ranges->items, (size_t)capacity * sizeof(*items));

        if (!items)
            return LSMKV_NOMEM;
        ranges->items = items;
        ranges->capacity = capacity;
    }
    item = &ranges->items[ranges->count];
    item->lower_at = lower_at;
    item->lower_size = upper_at - lower_at;
    item->upper_at = upper_at;
    item->upper_size = ranges->bytes.size - upper_at;
    item->point = point;
    if (point) { /* the bound above the key is the key with the zero byte behind it */
        item->lower_size = ranges->bytes.size - 1 - lower_at;
        item->upper_at = lower_at;
        item->upper_size = item->lower_size + 1;
    }
    if (point || bytes_compare(ranges_lower(ranges, ranges->count), ranges_upper(ranges, ranges->count)) < 0)
        ranges->count++;
    return LSMKV_OK;
}

static enum lsmkv_status add_point(const struct builder *builder, const struct cell *cell)
{
    size_t at = bound_start(builder);
    enum lsmkv_status status = put_cell(builder, cell, true);

    return status ? status : add(builder, at, at, true);
}

static enum lsmkv_status add_numeric_text(const struct builder *builder)
{
    size_t lower = bound_start(builder), upper;
    enum lsmkv_status status = put_text_start(builder, NUMERIC_TEXT_FIRST);

    upper = bound_start(builder);
    if (!status)
        status = put_text_start(builder, NUMERIC_TEXT_AFTER);
    return status ? status : add(builder, lower, upper, false);
}

static int compare_lower(const void *a, const void *b, void *context)
{
    const struct key_ranges *ranges = context;
    const struct key_range *x = a, *y = b;

    return bytes_compare(bytes_slice(ranges->bytes.data + x->lower_at, x->lower_size),
                         bytes_slice(ranges->bytes.data + y->lower_at, y->lower_size));
}

static void merge(struct key_ranges *ranges)
{
    int i, last = 0;

    if (ranges->count < 2)
        return;
    qsort_r(ranges->items, (size_t)ranges->count, sizeof(*ranges->items), compare_lower, ranges);
    for (i = 1; i < ranges->count; i++) {
        struct key_range *item = &ranges->items[last];

        if (bytes_compare(ranges_lower(ranges, i), ranges_upper(ranges, last)) >= 0) {
            ranges->items[++last] = ranges->items[i];
        } else if (bytes_compare(ranges_upper(ranges, i), ranges_upper(ranges, last)) > 0) {
            item->upper_at = ranges->items[i].upper_at;
            item->upper_size = ranges->items[i].upper_size;
            item->point = false;
        }
    }
    ranges->count = last + 1;
}

/* ---- Rowid keys: all arguments come down to a least and a greatest integer ---- */

struct rowid_bounds {
    int64_t least, greatest;
    bool empty;
};

static void narrow(struct rowid_bounds *bounds, int64_t least, int64_t greatest)
{
    if (least > bounds->least)
        bounds->least = least;
    if (greatest < bounds->greatest)
        bounds->greatest = greatest;
    if (bounds->least > bounds->greatest)
        bounds->empty = true;
}

/* At least `real` (or above it); `real` is no NaN. */
static void narrow_lower_real(struct rowid_bounds *bounds, double real, bool strict)
{
    double whole = ceil(real);

    if (whole >= 9223372036854775808.0) {
        bounds->empty = true;
    } else if (whole >= -9223372036854775808.0) {
        int64_t least = (int64_t)whole;

        if (strict && whole == real) {
            if (least == INT64_MAX)
                bounds->empty = true;
            else
                least++;
        }
        narrow(bounds, least, INT64_MAX);
    }
}

static void narrow_upper_real(struct rowid_bounds *bounds, double real, bool strict)
{
    double whole = floor(real);

    if (whole < -9223372036854775808.0) {
        bounds->empty = true;
    } else if (whole < 9223372036854775808.0) {
        int64_t greatest = (int64_t)whole;

        if (strict && whole == real) {
            if (greatest == INT64_MIN)
                bounds->empty = true;
            else
                greatest--;
        }
        narrow(bounds, INT64_MIN, greatest);
    }
}

static void narrow_lower(struct rowid_bounds *bounds, sqlite3_value *value, bool strict)
{
    int64_t integer;

    switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
        integer = sqlite3_value_int64(value);
        if (strict && integer == INT64_MAX)
            bounds->empty = true;
        else
            narrow(bounds, integer + strict, INT64_MAX);
        break;
    case SQLITE_FLOAT:
        narrow_lower_real(bounds, sqlite3_value_double(value), strict);
        break;
    default:
        bounds->empty = true; /* NULL; or text and blobs, which are above all integers */
    }
}

static void narrow_upper(struct rowid_bounds *bounds, sqlite3_value *value, bool strict)
{
    int64_t integer;

    switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
        integer = sqlite3_value_int64(value);
        if (strict && integer == INT64_MIN)
            bounds->empty = true;
        else
            narrow(bounds, INT64_MIN, integer - strict);
        break;
    case SQLITE_FLOAT:
        narrow_upper_real(bounds, sqlite3_value_double(value), strict);
        break;
    case SQLITE_NULL:
        bounds->empty = true;
        break;
    default:
        break; /* text and blobs: above all integers */
    }
}

static enum lsmkv_status add_rowids(const struct builder *builder, const struct rowid_bounds *bounds)
{
    size_t lower = bound_start(builder), upper;
    enum lsmkv_status status;

    if (bounds->empty)
        return LSMKV_OK;
    status = put_rowid(builder, bounds->least);
    if (!status && bounds->least == bounds->greatest)
        status = bytes_append(&builder->ranges->bytes, "", 1);
    if (status)
        return status;
    if (bounds->least == bounds->greatest)
        return add(builder, lower, lower, true);
    upper = bound_start(builder);
    status = bounds->greatest == INT64_MAX ? put_table_end(builder) : put_rowid(builder, bounds->greatest + 1);
    return status ? status : add(builder, lower, upper, false);
}

static enum lsmkv_status add_equal_rowid(const struct builder *builder, sqlite3_value *value)
{
    struct rowid_bounds bounds = {INT64_MIN, INT64_MAX, false};

    narrow_lower(&bounds, value, false);
    if (!bounds.empty)
        narrow_upper(&bounds, value, false);
    return add_rowids(builder, &bounds);
}

static enum lsmkv_status add_rowid_range(const struct builder *builder, sqlite3_value **arguments)
{
    struct rowid_bounds bounds = {INT64_MIN, INT64_MAX, false};

    if (builder->plan & PLAN_LOWER)
        narrow_lower(&bounds, *arguments++, (builder->plan & PLAN_LOWER_STRICT) != 0);
    if (!bounds.empty && builder->plan & PLAN_UPPER)
        narrow_upper(&bounds, *arguments, (builder->plan & PLAN_UPPER_STRICT) != 0);
    return add_rowids(builder, &bounds);
}

/* ---- Column keys ---- */

static enum affinity key_affinity(const struct builder *builder)
{
    const struct table_schema *schema = &builder->table->schema;

    return schema->columns[schema->primary.parts[0].column].affinity;
}

static bool is_number(const struct cell *cell)
{
    return cell->type == CELL_INTEGER || cell->type == CELL_REAL;
}

/* The argument as it is compared with a key of numeric affinity, and as it is with others. */
static enum lsmkv_status argument_cell(const struct builder *builder, sqlite3_value *value, struct cell *cell)
{
    if (affinity_is_numeric(key_affinity(builder)))
        (void)sqlite3_value_numeric_type(value);
    return cell_from_value(cell, value);
}

static enum lsmkv_status number_as_text(sqlite3_value *value, struct cell *cell)
{
    return affinity_store(cell, AFFINITY_TEXT, value);
}

static enum lsmkv_status add_equal_cell(const struct builder *builder, sqlite3_value *value)
{
    enum affinity affinity = key_affinity(builder);
    struct cell cell;
    enum lsmkv_status status = argument_cell(builder, value, &cell);

    if (status || cell.type == CELL_NULL)
        return status;
    if (is_number(&cell) && !affinity_is_numeric(affinity)) {
        if (affinity == AFFINITY_TEXT)
            status = number_as_text(value, &cell);
        if (!status)
            status = add_numeric_text(builder);
    }
    return status ? status : add_point(builder, &cell);
}

/* Writes the lower bound; *none if nothing can be above the argument. */
static enum lsmkv_status put_lower(const struct builder *builder, sqlite3_value *value, bool *none)
{
    struct cell cell;
    enum lsmkv_status status = argument_cell(builder, value, &cell);

    if (status)
        return status;
    *none = cell.type == CELL_NULL;
    if (*none)
        return LSMKV_OK;
    /* Compared as numbers, every text that is none is above the argument. */
    if (is_number(&cell) && key_affinity(builder) == AFFINITY_TEXT)
        return put_table(builder);
    return put_cell(builder, &cell, (builder->plan & PLAN_LOWER_STRICT) != 0);
}

/* What an upper bound leaves of keys that look like numbers. */
enum numeric_text { NUMERIC_TEXT_AS_IS, NUMERIC_TEXT_ADDED };

/* Writes the upper bound, and says whether text that looks like a number counts as below it as well. */
static enum lsmkv_status put_upper(const struct builder *builder, sqlite3_value *value, bool *none,
                                   enum numeric_text *numeric_text)
{
    enum affinity affinity = key_affinity(builder);
    struct cell cell;
    enum lsmkv_status status = argument_cell(builder, value, &cell);

    if (status)
        return status;
    *none = cell.type == CELL_NULL;
    *numeric_text = NUMERIC_TEXT_AS_IS;
    if (*none)
        return LSMKV_OK;
    if (!affinity_is_numeric(affinity)) {
        if (is_number(&cell) || (cell.type == CELL_TEXT && !(builder->plan & PLAN_UPPER_TEXT)))
            *numeric_text = NUMERIC_TEXT_ADDED;
        if (is_number(&cell) && affinity == AFFINITY_TEXT)
            status = number_as_text(value, &cell);
    }
    return status ? status : put_cell(builder, &cell, !(builder->plan & PLAN_UPPER_STRICT));
}

/* Text that looks like a number, where it is not below the lower bound. */
static enum lsmkv_status add_clipped_numeric_text(const struct builder *builder, size_t lower_at, size_t lower_size)
{
    struct key_ranges *ranges = builder->ranges;
    enum lsmkv_status status = add_numeric_text(builder);
    struct key_range *item;

    if (status)
        return status;
    item = &ranges->items[ranges->count - 1];
    if (bytes_compare(bytes_slice(ranges->bytes.data + lower_at, lower_size), ranges_lower(ranges, ranges->count - 1)) >
        0) {
        item->lower_at = lower_at;
        item->lower_size = lower_size;
        if (bytes_compare(ranges_lower(ranges, ranges->count - 1), ranges_upper(ranges, ranges->count - 1)) >= 0)
            ranges->count--;
    }
    return LSMKV_OK;
}

static enum lsmkv_status add_cell_range(const struct builder *builder, sqlite3_value **arguments)
{
    enum numeric_text numeric_text = NUMERIC_TEXT_AS_IS;
    size_t lower = bound_start(builder), upper;
    enum lsmkv_status status;
    bool none = false;

    status = builder->plan & PLAN_LOWER ? put_lower(builder, *arguments++, &none) : put_table(builder);
    if (status || none)
        return status;
    upper = bound_start(builder);
    if (builder->plan & PLAN_UPPER)
        status = put_upper(builder, *arguments, &none, &numeric_text);
    else
        status = put_table_end(builder);
    if (status || none)
        return status;
    status = add(builder, lower, upper, false);
    if (!status && numeric_text == NUMERIC_TEXT_ADDED)
        status = add_clipped_numeric_text(builder, lower, upper - lower);
    return status;
}

/* ---- All plans ---- */

static enum lsmkv_status add_equal(const struct builder *builder, sqlite3_value *value)
{
    if (schema_has_rowid(&builder->table->schema))
        return add_equal_rowid(builder, value);
    return add_equal_cell(builder, value);
}

static int add_list(const struct builder *builder, sqlite3_value *list, char **message)
{
    sqlite3_value *value = NULL;
    int rc;

    for (rc = sqlite3_vtab_in_first(list, &value); rc == SQLITE_OK; rc = sqlite3_vtab_in_next(list, &value)) {
        rc = error_from(message, add_equal(builder, value), NULL);
        if (rc)
            return rc;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ranges_build(struct key_ranges *ranges, const struct sql_table *table, int plan, sqlite3_value **arguments,
                 char **message)
{
    const struct builder builder = {ranges, table, plan};
    enum lsmkv_status status;
    int rc;

    ranges->bytes.size = 0;
    ranges->count = 0;
    if (plan & PLAN_IN) {
        rc = add_list(&builder, arguments[0], message);
    } else {
        if (plan & PLAN_EQUAL)
            status = add_equal(&builder, arguments[0]);
        else if (schema_has_rowid(&table->schema))
            status = add_rowid_range(&builder, arguments);
        else
            status = add_cell_range(&builder, arguments);
        rc = error_from(message, status, NULL);
    }
    if (!rc)
        merge(ranges);
    return rc;
}
