/*
 * ranges.h - from the arguments of xFilter to ranges of keys, sorted and disjoint.
 *
 * The ranges hold every row for which SQLite could find the constraint true, whatever affinity it compares with:
 *   - A key of numeric affinity is compared as a number with text that looks like one: the argument is converted.
 *   - A key of TEXT affinity and a number are compared as text, or, if the number comes from a numeric column, as
 *     numbers after the key is converted. Keys that look like a number ('012', ' 12') are all in the ranges then.
 *   - A key without affinity and a number are compared as they are, or likewise.
 *   - Text from a numeric column does not look like a number, but turns keys that do into numbers, which are below it.
 */
#ifndef EXT_RANGES_H
#define EXT_RANGES_H

#include "ext/sql_table.h"

struct key_range {
    size_t lower_at, lower_size; /* in `bytes`; inclusive */
    size_t upper_at, upper_size; /* exclusive */
    bool point;                  /* one key: the lower bound */
};

struct key_ranges {
    struct lsmkv_buf bytes;
    struct key_range *items;
    int count, capacity;
};

void ranges_release(struct key_ranges *ranges); /* a zeroed one is fine */

/* Replaces `ranges` with those of a plan (plan.h). The arguments may be converted in place. */
int ranges_build(struct key_ranges *ranges, const struct sql_table *table, int plan, sqlite3_value **arguments,
                 char **message);

static inline struct lsmkv_slice ranges_lower(const struct key_ranges *ranges, int index)
{
    const struct key_range *item = &ranges->items[index];
    struct lsmkv_slice slice = {ranges->bytes.data + item->lower_at, item->lower_size};

    return slice;
}

static inline struct lsmkv_slice ranges_upper(const struct key_ranges *ranges, int index)
{
    const struct key_range *item = &ranges->items[index];
    struct lsmkv_slice slice = {ranges->bytes.data + item->upper_at, item->upper_size};

    return slice;
}

#endif
