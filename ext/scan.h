/*
 * scan.h - walks ranges of keys, forward or backward.
 *
 * A range of one key is looked up; others get a cursor of the engine each. What a scan sees stays as it was when it came
 * to a range, whatever is written, committed or rolled back meanwhile.
 *
 * Ownership: borrows the session. Key and value are borrowed from the scan until its next move.
 */
#ifndef EXT_SCAN_H
#define EXT_SCAN_H

#include "ext/ranges.h"

struct scan {
    struct key_ranges ranges; /* filled by ranges_build() before scan_start() */
    struct lsmkv_session *session;
    bool descending;
    int range;  /* the one at hand */
    bool valid; /* on a row: */
    struct lsmkv_slice key, value;
    struct lsmkv_cursor *engine; /* in a range of more than one key */
    struct lsmkv_buf found;      /* the value of a key that was looked up */
};

void scan_release(struct scan *scan); /* a zeroed one is fine */

/* To the first row of the ranges, or behind the last one: not valid. */
LSMKV_MUST_CHECK enum lsmkv_status scan_start(struct scan *scan, struct lsmkv_session *session, bool descending,
                                              struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status scan_next(struct scan *scan, struct lsmkv_error *err);

#endif
