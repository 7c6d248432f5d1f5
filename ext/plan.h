/*
 * plan.h - the contract between xBestIndex and xFilter.
 *
 * idxNum holds the bits below. The arguments come in their order: EQUAL or IN, else LOWER and UPPER; then LIMIT and
 * OFFSET. idxStr is for the reader of EXPLAIN QUERY PLAN only.
 */
#ifndef EXT_PLAN_H
#define EXT_PLAN_H

enum plan {
    PLAN_EQUAL = 1,
    PLAN_IN = 2, /* one argument that stands for the whole list */
    PLAN_LOWER = 4,
    PLAN_LOWER_STRICT = 8, /* > and not >= */
    PLAN_UPPER = 16,
    PLAN_UPPER_STRICT = 32,
    PLAN_UPPER_TEXT = 64, /* the upper bound is a text constant, so compared as text for certain */
    PLAN_DESCENDING = 128,
    PLAN_LIMIT = 256,
    PLAN_OFFSET = 512,
};

#endif
