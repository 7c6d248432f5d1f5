#include "ext/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "ext/error.h"
#include "ext/memory.h"
#include "ext/rowid_bounds.h"

/* Text that looks like a number starts with white space, a digit, a sign or a point: all from 0x09 to '9'. */
#define NUMERIC_TEXT_FIRST 0x09
#define NUMERIC_TEXT_AFTER 0x3A

#ifdef LSM_DEBUG
bool ranges_ignore_affinity;
#endif

struct builder {
    struct key_ranges *ranges;
    const struct ranges_request *request;
    const struct plan *plan;
    sqlite3_value **arguments;
    char **message;
};

/*
 * A place among the encodings of one part, in ascending form: before, or after, all that begin with some bytes of
 * `places`. No bytes: before or after everything.
 */
struct place {
    size_t at, size;
    bool after;
};

void ranges_release(struct key_ranges *ranges)
{
    lsmkv_buf_release(&ranges->bytes);
    lsmkv_buf_release(&ranges->prefix);
    lsmkv_buf_release(&ranges->places);
    memory_free(ranges->items);
    memset(ranges, 0, sizeof(*ranges));
}

enum lsmkv_status ranges_copy(struct key_ranges *to, const struct key_ranges *from)
{
    size_t size = (size_t)from->count * sizeof(*from->items);
    enum lsmkv_status status;
    struct key_range *items;

    to->bytes.size = 0;
    to->count = 0;
    status = bytes_append(&to->bytes, from->bytes.data, from->bytes.size);
    if (status || !from->count)
        return status;
    if (to->capacity < from->count) {
        items = memory_resize(to->items, size);
        if (!items)
            return LSMKV_NOMEM;
        to->items = items;
        to->capacity = from->count;
    }
    memcpy(to->items, from->items, size);
    to->count = from->count;
    return LSMKV_OK;
}

bool ranges_equal(const struct key_ranges *a, const struct key_ranges *b)
{
    int i;

    if (a->count != b->count)
        return false;
    for (i = 0; i < a->count; i++) {
        if (bytes_compare(ranges_lower(a, i), ranges_lower(b, i)) ||
            bytes_compare(ranges_upper(a, i), ranges_upper(b, i)))
            return false;
    }
    return true;
}

/* ---- Ranges ---- */

/* Makes room for one more range. */
static enum lsmkv_status reserve(struct key_ranges *ranges)
{
    int capacity = ranges->capacity ? 2 * ranges->capacity : 4;
    struct key_range *items;

    if (ranges->count < ranges->capacity)
        return LSMKV_OK;
    items = memory_resize(ranges->items, (size_t)capacity * sizeof(*items));
    if (!items)
        return LSMKV_NOMEM;
    ranges->items = items;
    ranges->capacity = capacity;
    return LSMKV_OK;
}

/* The bound written since `lower_at`, and the one since `upper_at`. */
static enum lsmkv_status add(struct key_ranges *ranges, size_t lower_at, size_t upper_at, bool point)
{
    enum lsmkv_status status = reserve(ranges);
    struct key_range *item;

    if (status)
        return status;
    item = &ranges->items[ranges->count];
    item->lower_at = lower_at;
    item->lower_size = upper_at - lower_at;
    item->upper_at = upper_at;
    item->upper_size = ranges->bytes.size - upper_at;
    item->point = point;
    if (bytes_compare(ranges_lower(ranges, ranges->count), ranges_upper(ranges, ranges->count)) < 0)
        ranges->count++;
    return LSMKV_OK;
}

/* From the bytes since `at` to the least that are above all that begin with them. A keyspace's id is never all ones. */
static void make_successor(struct lsmkv_buf *bytes, size_t at)
{
    while (bytes->size > at && bytes->data[bytes->size - 1] == 0xFF)
        bytes->size--;
    if (bytes->size > at)
        bytes->data[bytes->size - 1]++;
}

/* Writes the bound that a place is among keys that begin with the prefix. */
static enum lsmkv_status put_place(struct key_ranges *ranges, const struct place *place, bool descending)
{
    struct lsmkv_buf *bytes = &ranges->bytes;
    size_t at = bytes->size, i;
    enum lsmkv_status status = bytes_append(bytes, ranges->prefix.data, ranges->prefix.size);

    if (!status)
        status = bytes_append(bytes, ranges->places.data + place->at, place->size);
    if (status)
        return status;
    for (i = bytes->size - place->size; descending && i < bytes->size; i++)
        bytes->data[i] = (uint8_t)~bytes->data[i];
    if (place->after != descending)
        make_successor(bytes, at);
    return LSMKV_OK;
}

/* The keys that begin with the prefix and have the next part between two places. */
static enum lsmkv_status add_between(struct key_ranges *ranges, const struct place *lower, const struct place *upper,
                                     bool descending)
{
    size_t lower_at = ranges->bytes.size, upper_at;
    enum lsmkv_status status = put_place(ranges, descending ? upper : lower, descending);

    upper_at = ranges->bytes.size;
    if (!status)
        status = put_place(ranges, descending ? lower : upper, descending);
    return status ? status : add(ranges, lower_at, upper_at, false);
}

/* The keys that begin with the prefix, which may be a whole key. */
static enum lsmkv_status add_prefix(struct key_ranges *ranges, bool point)
{
    const struct place all = {0, 0, false}, none = {0, 0, true};
    size_t lower_at = ranges->bytes.size, upper_at;
    enum lsmkv_status status = put_place(ranges, &all, false);

    upper_at = ranges->bytes.size;
    if (!status)
        status = put_place(ranges, &none, false);
    return status ? status : add(ranges, lower_at, upper_at, point);
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

/* ---- Places of a part ---- */

static enum lsmkv_status place_cell(struct key_ranges *ranges, struct place *place, const struct cell *cell,
                                    enum collation collation, bool after)
{
    enum lsmkv_status status;

    place->at = ranges->places.size;
    place->after = after;
    status = key_put_part(&ranges->places, cell, collation, false);
    place->size = ranges->places.size - place->at;
    return status;
}

static enum lsmkv_status place_after_null(struct key_ranges *ranges, struct place *place)
{
    const struct cell null = {.type = CELL_NULL};

    return place_cell(ranges, place, &null, COLLATION_BINARY, true);
}

static enum lsmkv_status place_rowid(struct key_ranges *ranges, struct place *place, int64_t rowid, bool after)
{
    place->at = ranges->places.size;
    place->size = 8;
    place->after = after;
    return key_put_rowid(&ranges->places, rowid);
}

/* Before all text that starts with `byte`. */
static enum lsmkv_status place_text_start(struct key_ranges *ranges, struct place *place, char byte)
{
    const struct cell cell = {.type = CELL_TEXT, .bytes = bytes_slice(&byte, 1)};
    enum lsmkv_status status = place_cell(ranges, place, &cell, COLLATION_BINARY, false);

    if (!status)
        place->size -= 2; /* without its end */
    return status;
}

static bool place_is_below(const struct key_ranges *ranges, const struct place *a, const struct place *b)
{
    size_t shared = a->size < b->size ? a->size : b->size;
    int order = memcmp(ranges->places.data + a->at, ranges->places.data + b->at, shared);

    if (order)
        return order < 0;
    if (a->size == b->size)
        return !a->after && b->after;
    return a->size < b->size ? !a->after : b->after;
}

/* Text that looks like a number, where it is above `lower`. */
static enum lsmkv_status add_numeric_text(struct key_ranges *ranges, const struct place *lower, bool descending)
{
    struct place first, after;
    enum lsmkv_status status = place_text_start(ranges, &first, NUMERIC_TEXT_FIRST);

    if (!status)
        status = place_text_start(ranges, &after, NUMERIC_TEXT_AFTER);
    if (status)
        return status;
    if (lower && place_is_below(ranges, &first, lower))
        first = *lower;
    return place_is_below(ranges, &first, &after) ? add_between(ranges, &first, &after, descending) : LSMKV_OK;
}

/* ---- Arguments ---- */

static bool is_number(const struct cell *cell)
{
    return cell->type == CELL_INTEGER || cell->type == CELL_REAL;
}

static enum affinity part_affinity(const struct builder *builder, const struct key_part *part)
{
    if (ranges_ignore_affinity)
        return AFFINITY_BLOB;
    return builder->request->schema->columns[part->column].affinity;
}

/* The argument as it is compared with a part of numeric affinity, and as it is with others. */
static enum lsmkv_status argument_cell(enum affinity affinity, sqlite3_value *value, struct cell *cell)
{
    cell->type = CELL_NULL;
    if (!value)
        return LSMKV_OK;
    if (affinity_is_numeric(affinity))
        (void)sqlite3_value_numeric_type(value);
    return cell_from_value(cell, value);
}

/* ---- Bounds of the part after the bound ones ---- */

static enum lsmkv_status add_rowid_range(const struct builder *builder)
{
    struct key_ranges *ranges = builder->ranges;
    const struct plan *plan = builder->plan;
    sqlite3_value **argument = builder->arguments + plan->bound;
    struct rowid_bounds bounds = ROWID_BOUNDS_ALL;
    struct place lower, upper;
    enum lsmkv_status status;

    if (plan->lower == LOWER_EQUAL || plan->lower == LOWER_STRICT)
        rowid_bounds_lower(&bounds, *argument, plan->lower == LOWER_STRICT);
    argument += plan->lower != LOWER_NONE;
    if (!bounds.empty && plan->upper != UPPER_NONE)
        rowid_bounds_upper(&bounds, *argument, plan->upper == UPPER_STRICT);
    if (bounds.empty)
        return LSMKV_OK;
    status = place_rowid(ranges, &lower, bounds.least, false);
    if (!status)
        status = place_rowid(ranges, &upper, bounds.greatest, true);
    return status ? status : add_between(ranges, &lower, &upper, false);
}

/* *none if nothing can be above the argument. */
static enum lsmkv_status place_lower(const struct builder *builder, const struct key_part *part, sqlite3_value **value,
                                     struct place *place, bool *none)
{
    enum affinity affinity = part_affinity(builder, part);
    struct cell cell;
    enum lsmkv_status status;

    if (builder->plan->lower == LOWER_NONE || builder->plan->lower == LOWER_NOT_NULL)
        return place_after_null(builder->ranges, place);
    status = argument_cell(affinity, *value, &cell);
    if (status)
        return status;
    *none = cell.type == CELL_NULL;
    /* Compared as numbers, every text that is none is above the argument. */
    if (is_number(&cell) && affinity == AFFINITY_TEXT)
        return place_after_null(builder->ranges, place);
    return place_cell(builder->ranges, place, &cell, part->collation, builder->plan->lower == LOWER_STRICT);
}

/* *none if nothing can be below the argument; *numeric_text if text that looks like a number counts as below it too. */
static enum lsmkv_status place_upper(const struct builder *builder, const struct key_part *part, sqlite3_value **value,
                                     struct place *place, bool *none, bool *numeric_text)
{
    enum affinity affinity = part_affinity(builder, part);
    struct cell cell;
    enum lsmkv_status status;

    if (builder->plan->upper == UPPER_NONE) {
        *place = (struct place){0, 0, true};
        return LSMKV_OK;
    }
    status = argument_cell(affinity, *value, &cell);
    if (status)
        return status;
    *none = cell.type == CELL_NULL;
    if (!affinity_is_numeric(affinity) && !ranges_ignore_affinity) {
        *numeric_text = is_number(&cell) || (cell.type == CELL_TEXT && !builder->plan->upper_text);
        if (is_number(&cell) && affinity == AFFINITY_TEXT)
            status = affinity_store(&cell, AFFINITY_TEXT, *value);
    }
    if (status)
        return status;
    return place_cell(builder->ranges, place, &cell, part->collation, builder->plan->upper == UPPER_EQUAL);
}

static enum lsmkv_status add_cell_range(const struct builder *builder, const struct key_part *part)
{
    const struct plan *plan = builder->plan;
    sqlite3_value **argument = builder->arguments + plan->bound;
    bool none = false, numeric_text = false;
    struct place lower, upper;
    enum lsmkv_status status;

    status = place_lower(builder, part, argument, &lower, &none);
    if (!status && !none)
        status = place_upper(builder, part, argument + (plan->lower != LOWER_NONE), &upper, &none, &numeric_text);
    if (status || none)
        return status;
    if (place_is_below(builder->ranges, &lower, &upper))
        status = add_between(builder->ranges, &lower, &upper, part->descending);
    if (!status && numeric_text)
        status = add_numeric_text(builder->ranges, &lower, part->descending);
    return status;
}

/* ---- Bound parts, one after the other ---- */

static int bind_part(struct builder *builder, int index);

static int add_rest(struct builder *builder)
{
    const struct key_shape *shape = builder->request->shape;
    const struct plan *plan = builder->plan;
    enum lsmkv_status status;

    if (plan->lower == LOWER_NONE && plan->upper == UPPER_NONE)
        status = add_prefix(builder->ranges, plan->bound == shape_parts(shape));
    else if (plan->bound == shape->count)
        status = add_rowid_range(builder);
    else
        status = add_cell_range(builder, &shape->parts[plan->bound]);
    return error_from(builder->message, status, NULL);
}

static int bind_rowid(struct builder *builder, sqlite3_value *value)
{
    struct lsmkv_buf *prefix = &builder->ranges->prefix;
    struct rowid_bounds bounds = ROWID_BOUNDS_ALL;
    size_t size = prefix->size;
    int rc;

    if (!value)
        return SQLITE_OK;
    rowid_bounds_lower(&bounds, value, false);
    if (!bounds.empty)
        rowid_bounds_upper(&bounds, value, false);
    if (bounds.empty)
        return SQLITE_OK;
    rc = error_from(builder->message, key_put_rowid(prefix, bounds.least), NULL);
    if (!rc)
        rc = add_rest(builder); /* the rowid is the last part */
    prefix->size = size;
    return rc;
}

static int bind_cell(struct builder *builder, int index, const struct cell *cell)
{
    const struct key_part *part = &builder->request->shape->parts[index];
    struct lsmkv_buf *prefix = &builder->ranges->prefix;
    size_t size = prefix->size;
    int rc;

    rc = error_from(builder->message, key_put_part(prefix, cell, part->collation, part->descending), NULL);
    if (!rc)
        rc = bind_part(builder, index + 1);
    prefix->size = size;
    return rc;
}

static int bind_value(struct builder *builder, int index, sqlite3_value *value)
{
    const struct key_part *part = &builder->request->shape->parts[index];
    enum affinity affinity;
    enum lsmkv_status status;
    struct cell cell;

    if (index == builder->request->shape->count)
        return bind_rowid(builder, value);
    affinity = part_affinity(builder, part);
    status = argument_cell(affinity, value, &cell);
    if (!status && cell.type == CELL_NULL && builder->plan->binds[index] != BIND_IS)
        return SQLITE_OK;
    if (!status && is_number(&cell) && !affinity_is_numeric(affinity) && !ranges_ignore_affinity) {
        builder->ranges->widened = true;
        status = add_numeric_text(builder->ranges, NULL, part->descending);
        if (!status && affinity == AFFINITY_TEXT)
            status = affinity_store(&cell, AFFINITY_TEXT, value);
    }
    return status ? error_from(builder->message, status, NULL) : bind_cell(builder, index, &cell);
}

static int bind_list(struct builder *builder, int index)
{
    sqlite3_value *list = builder->arguments[index], *value = NULL;
    int rc;

    for (rc = sqlite3_vtab_in_first(list, &value); rc == SQLITE_OK; rc = sqlite3_vtab_in_next(list, &value)) {
        rc = bind_value(builder, index, value);
        if (rc)
            return rc;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int bind_part(struct builder *builder, int index)
{
    if (index == builder->plan->bound)
        return add_rest(builder);
    if (builder->plan->binds[index] == BIND_LIST)
        return bind_list(builder, index);
    return bind_value(builder, index, builder->arguments[index]);
}

int ranges_build(struct key_ranges *ranges, const struct ranges_request *request, sqlite3_value **arguments,
                 char **message)
{
    struct builder builder = {ranges, request, request->plan, arguments, message};
    int rc;

    ranges->bytes.size = ranges->prefix.size = ranges->places.size = 0;
    ranges->count = 0;
    ranges->widened = false;
    rc = error_from(message, key_put_keyspace(&ranges->prefix, request->keyspace), NULL);
    if (!rc)
        rc = bind_part(&builder, 0);
    if (!rc)
        merge(ranges);
    return rc;
}
