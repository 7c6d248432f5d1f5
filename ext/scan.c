#include "ext/scan.h"

#include <string.h>

static void leave_range(struct scan *scan)
{
    lsmkv_cursor_close(scan->engine);
    scan->engine = NULL;
    scan->valid = false;
}

void scan_release(struct scan *scan)
{
    leave_range(scan);
    ranges_release(&scan->ranges);
    lsmkv_buf_release(&scan->found);
    memset(scan, 0, sizeof(*scan));
}

/* Takes the row that the engine's cursor is on, if it is on one. */
static void take_row(struct scan *scan)
{
    scan->valid = lsmkv_cursor_valid(scan->engine);
    if (!scan->valid)
        return;
    scan->key = lsmkv_cursor_key(scan->engine);
    scan->value = lsmkv_cursor_value(scan->engine);
}

static enum lsmkv_status enter_point(struct scan *scan, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    scan->key = ranges_lower(&scan->ranges, scan->range);
    status = lsmkv_get(scan->session, scan->key, &scan->found, &scan->valid, err);
    scan->value = bytes_of(&scan->found);
    return status;
}

static enum lsmkv_status enter_range(struct scan *scan, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    status = lsmkv_cursor_open(&scan->engine, scan->session, ranges_lower(&scan->ranges, scan->range),
                               ranges_upper(&scan->ranges, scan->range), err);
    if (status) {
        scan->engine = NULL;
        return status;
    }
    if (scan->descending)
        status = lsmkv_cursor_last(scan->engine, err);
    else
        status = lsmkv_cursor_first(scan->engine, err);
    if (!status)
        take_row(scan);
    return status;
}

/* Enters the range at hand, and those after it while they hold no row. */
static enum lsmkv_status enter(struct scan *scan, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    while (scan->range >= 0 && scan->range < scan->ranges.count) {
        leave_range(scan);
        if (scan->ranges.items[scan->range].point)
            status = enter_point(scan, err);
        else
            status = enter_range(scan, err);
        if (status || scan->valid)
            break;
        scan->range += scan->descending ? -1 : 1;
    }
    return status;
}

enum lsmkv_status scan_start(struct scan *scan, struct lsmkv_session *session, bool descending, struct lsmkv_error *err)
{
    leave_range(scan);
    scan->session = session;
    scan->descending = descending;
    scan->range = descending ? scan->ranges.count - 1 : 0;
    return enter(scan, err);
}

enum lsmkv_status scan_next(struct scan *scan, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    scan->valid = false;
    if (scan->engine && lsmkv_cursor_valid(scan->engine)) {
        if (scan->descending)
            status = lsmkv_cursor_prev(scan->engine, err);
        else
            status = lsmkv_cursor_next(scan->engine, err);
        if (status)
            return status;
        take_row(scan);
        if (scan->valid)
            return LSMKV_OK;
    }
    scan->range += scan->descending ? -1 : 1;
    return enter(scan, err);
}
