/*
 * ranges.h - from the arguments of xFilter to ranges of keys, sorted and disjoint.
 *
 * The ranges hold every row for which SQLite could find the constraints true, whatever affinity it compares with:
 *   - A part of numeric affinity is compared as a number with text that looks like one: the argument is converted.
 *   - A part of TEXT affinity and a number are compared as text, or, if the number comes from a numeric column, as
 *     numbers after the key is converted. Keys that look like a number ('012', ' 12') are all in the ranges then.
 *   - A part without affinity and a number are compared as they are, or likewise.
 *   - Text from a numeric column does not look like a number, but turns keys that do into numbers, which are below it.
 * Where a part is widened so, the parts after it do not narrow the range.
 */
#ifndef EXT_RANGES_H
#define EXT_RANGES_H

#include "ext/bytes.h"
#include "ext/plan.h"

struct key_range {
    size_t lower_at, lower_size; /* in `bytes`; inclusive */
    size_t upper_at, upper_size; /* exclusive */
    bool point;                  /* one key: the lower bound */
};

struct key_ranges {
    struct lsmkv_buf bytes;
    struct key_range *items;
    int count, capacity;
    bool widened;                    /* a bound part stands for more than one value */
    struct lsmkv_buf prefix, places; /* while they are built */
};

/* What keys look like, and how their parts are bound: `plan` tells of bound parts and bounds, nothing else of it counts. */
struct ranges_request {
    const struct table_schema *schema;
    const struct key_shape *shape;
    uint32_t keyspace;
    const struct plan *plan;
};

#ifdef LSM_DEBUG
/* For a test that must find differences then: arguments are placed as they are, and nothing is left to SQLite. */
extern bool ranges_ignore_affinity;
#else
#define ranges_ignore_affinity false
#endif

void ranges_release(struct key_ranges *ranges); /* a zeroed one is fine */

/* Replaces `ranges` with those of the request. The arguments may be converted in place; a NULL pointer is an SQL NULL. */
int ranges_build(struct key_ranges *ranges, const struct ranges_request *request, sqlite3_value **arguments,
                 char **message);

static inline struct lsmkv_slice ranges_lower(const struct key_ranges *ranges, int index)
{
    const struct key_range *item = &ranges->items[index];

    return bytes_slice(ranges->bytes.data + item->lower_at, item->lower_size);
}

static inline struct lsmkv_slice ranges_upper(const struct key_ranges *ranges, int index)
{
    const struct key_range *item = &ranges->items[index];

    return bytes_slice(ranges->bytes.data + item->upper_at, item->upper_size);
}

LSMKV_MUST_CHECK enum lsmkv_status ranges_copy(struct key_ranges *to, const struct key_ranges *from);

/* The same ranges in the same order. */
bool ranges_equal(const struct key_ranges *a, const struct key_ranges *b);

#endif
