/*
 * manual.c - compaction of a key range by request, in the caller's thread: level by level down to the deepest one that
 * holds any of the range, and one further where tombstones of the range would otherwise stay.
 *
 * L0 goes as a whole; a deeper level in pieces of a few tables, so that space and claims of one piece are bounded. It
 * ends: each level is gone through once, from the lowest key to the highest. What was in a level at the call is below it
 * afterwards, moved by a piece or by a compaction that was waited for; what arrives later is newer than the call.
 */
#include "compaction/jobs.h"

#include "base/buf.h"
#include "base/error.h"

#define LEVEL_DEEPEST (LSMKV_LEVELS - 1)
#define PIECE_TABLES  4 /* times the size of an output table: what one piece takes of a level */

struct range {
    struct lsmkv_slice lower; /* data == NULL: unbounded */
    struct lsmkv_slice upper;
};

/* Tables of a level that meet a range. */
struct holding {
    size_t tables;
    uint64_t tombstones;
};

static struct holding holding_of(const struct version *version, unsigned level, struct range range)
{
    struct holding holding = {0, 0};

    for (size_t i = 0; i < version->levels[level].count; i++) {
        const struct sstable_info *info = table_info(version->levels[level].tables[i]);

        if (!sstable_info_overlaps(info, range.lower, range.upper))
            continue;
        holding.tables++;
        holding.tombstones += info->tombstones;
    }
    return holding;
}

/* True if `level` must be merged into the next one: it is L0, or something lies deeper, or tombstones would stay. */
static bool must_sink(struct scheduler *scheduler, unsigned level, struct range range)
{
    struct super_version *super_version = version_set_current(scheduler->background->versions);
    struct holding here = holding_of(super_version->version, level, range);
    bool sink = level == 0 || here.tombstones > 0;

    for (unsigned deeper = level + 1; !sink && deeper < LSMKV_LEVELS; deeper++)
        sink = holding_of(super_version->version, deeper, range).tables > 0;
    super_version_unref(super_version);
    return here.tables && sink;
}

/* The end of the piece that begins at range.lower: just above the last key of its last table. False: nothing is left. */
static enum lsmkv_status piece_end(const struct scheduler *scheduler, const struct version *version, unsigned level,
                                   struct range range, struct lsmkv_buf *end, bool *found, struct lsmkv_error *err)
{
    uint64_t bytes_max = PIECE_TABLES * table_size_target(scheduler->background->options);
    const struct sstable_info *last = NULL;
    uint64_t bytes = 0;
    enum lsmkv_status status;

    for (size_t i = 0; i < version->levels[level].count && bytes < bytes_max; i++) {
        const struct sstable_info *info = table_info(version->levels[level].tables[i]);

        if (!sstable_info_overlaps(info, range.lower, range.upper))
            continue;
        last = info;
        bytes += info->size;
    }
    *found = last != NULL;
    if (!last)
        return LSMKV_OK;
    status = buf_set(end, slice_of_buf(&last->key_max), err);
    return status ? status : buf_append(end, "", 1, err); /* with its NUL: the next key there can be */
}

/* Picks the next piece, waiting for claims on it to end. *compaction = NULL if nothing is left. `end` bounds the piece. */
static enum lsmkv_status collect(struct scheduler *scheduler, unsigned level, struct range range, struct lsmkv_buf *end,
                                 struct compaction **compaction, struct version **version, struct lsmkv_error *err)
{
    const struct lsmkv_options *options = scheduler->background->options;
    enum lsmkv_status status;
    bool blocked;

    *compaction = NULL;
    mutex_lock(&scheduler->mutex);
    do {
        struct super_version *super_version = scheduler_look(scheduler);
        bool found = false;

        blocked = false;
        status = scheduler_check(scheduler, err);
        if (!status)
            status = piece_end(scheduler, super_version->version, level, range, end, &found, err);
        if (!status && found)
            status = pick_range(compaction, options, super_version->version, level, range.lower,
                                level == 0 ? range.upper : slice_of_buf(end), &blocked, err);
        if (*compaction) {
            *version = super_version->version;
            version_ref(*version);
            scheduler->compacting++;
        }
        scheduler_looked(scheduler, super_version);
        scheduler->manual_blocked = blocked && !status;
        if (scheduler->manual_blocked)
            condvar_wait(&scheduler->changed, &scheduler->mutex);
    } while (scheduler->manual_blocked);
    condvar_broadcast(&scheduler->work); /* workers held back by manual_blocked */
    mutex_unlock(&scheduler->mutex);
    return status;
}

static enum lsmkv_status compact_level(struct scheduler *scheduler, unsigned level, struct range range,
                                       struct lsmkv_error *err)
{
    struct lsmkv_buf lower = LSMKV_BUF_INIT;
    struct lsmkv_buf end = LSMKV_BUF_INIT;
    struct compaction *compaction = NULL;
    struct version *version = NULL;
    enum lsmkv_status status;

    do {
        status = collect(scheduler, level, range, &end, &compaction, &version, err);
        if (!status && compaction)
            status = compaction_execute(scheduler, compaction, version, err);
        if (!status && compaction)
            status = buf_set(&lower, slice_of_buf(&end), err);
        range.lower = slice_of_buf(&lower);
    } while (!status && compaction && level > 0);
    lsmkv_buf_release(&end);
    lsmkv_buf_release(&lower);
    return status;
}

/* One manual compaction at a time. */
static enum lsmkv_status enter(struct scheduler *scheduler, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    mutex_lock(&scheduler->mutex);
    status = scheduler_check(scheduler, err);
    while (!status && scheduler->manual) {
        condvar_wait(&scheduler->changed, &scheduler->mutex);
        status = scheduler_check(scheduler, err);
    }
    if (!status)
        scheduler->manual = true;
    mutex_unlock(&scheduler->mutex);
    return status;
}

static void leave(struct scheduler *scheduler)
{
    mutex_lock(&scheduler->mutex);
    scheduler->manual = false;
    scheduler_note_obsolete(scheduler);
    scheduler_notify(scheduler);
    mutex_unlock(&scheduler->mutex);
}

enum lsmkv_status scheduler_compact(struct scheduler *scheduler, struct lsmkv_slice lower, struct lsmkv_slice upper,
                                    struct lsmkv_error *err)
{
    struct range range = {lower, upper};
    enum lsmkv_status status = enter(scheduler, err);

    if (status)
        return status;
    for (unsigned level = 0; !status && level < LEVEL_DEEPEST; level++) {
        if (must_sink(scheduler, level, range))
            status = compact_level(scheduler, level, range, err);
    }
    leave(scheduler);
    return status;
}
