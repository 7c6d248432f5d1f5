/*
 * manual.c - the steps of a manual compaction; what it does, and why it ends, is in manual.h.
 */
#include "compaction/manual.h"

#include "base/buf.h"
#include "base/error.h"
#include "compaction/jobs.h"

#define LEVEL_DEEPEST (LSMKV_LEVELS - 1)
#define PIECE_TABLES  4 /* times the size of an output table: what one piece takes of a level */

/* ---- What is there ---- */

/* Tables of a level that meet a range. */
struct holding {
    size_t tables;
    uint64_t tombstones, bytes;
};

static struct holding holding_of(const struct version *version, unsigned level, struct key_range range)
{
    struct holding holding = {0, 0, 0};

    for (size_t i = 0; i < version->levels[level].count; i++) {
        const struct sstable_info *info = table_info(version->levels[level].tables[i]);

        if (!sstable_info_overlaps(info, range.lower, range.upper))
            continue;
        holding.tables++;
        holding.tombstones += info->tombstones;
        holding.bytes += info->size;
    }
    return holding;
}

/* True if what `level` holds must be merged into the next one: it is L0, or tombstones would stay, or something is deeper. */
static bool must_sink(const struct version *version, unsigned level, struct key_range range)
{
    bool sink = level == 0 || holding_of(version, level, range).tombstones > 0;

    for (unsigned deeper = level + 1; !sink && deeper < LSMKV_LEVELS; deeper++)
        sink = holding_of(version, deeper, range).tables > 0;
    return sink;
}

/* Bytes of the inputs of all steps to come, as `version` is; 0: none is to come. */
static uint64_t bytes_ahead(const struct manual_compaction *manual, const struct version *version)
{
    uint64_t sinking = 0; /* what has come down from the levels above */
    uint64_t ahead = 0;

    for (unsigned level = manual->level; level < LEVEL_DEEPEST; level++) {
        bool begun = manual->begun && level == manual->level;
        struct key_range range = begun ? manual->rest : manual->range;
        struct holding here = holding_of(version, level, range);

        sinking += here.bytes;
        if (!sinking)
            continue;
        if (!begun && !must_sink(version, level, manual->range))
            break;
        ahead += sinking + holding_of(version, level + 1, range).bytes;
    }
    return ahead;
}

void manual_compaction_look(const struct manual_compaction *manual, struct lsmkv_compaction_progress *progress)
{
    struct super_version *super_version = version_set_current(manual->scheduler->background->versions);
    uint64_t ahead = bytes_ahead(manual, super_version->version);

    super_version_unref(super_version);
    progress->bytes_done = manual->bytes_done;
    progress->bytes_all = manual->bytes_done + ahead;
    progress->finished = ahead == 0;
}

/* ---- Pieces ---- */

/* The end of the piece that begins at range.lower: just above the last key of its last table. False: nothing is left. */
static enum lsmkv_status piece_end(const struct scheduler *scheduler, const struct version *version, unsigned level,
                                   struct key_range range, struct lsmkv_buf *end, bool *found, struct lsmkv_error *err)
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

/* Picks the next piece of `rest`, waiting for claims on it to end. *compaction = NULL if nothing is left of it. */
static enum lsmkv_status collect(struct manual_compaction *manual, struct compaction **compaction,
                                 struct version **version, struct lsmkv_error *err)
{
    struct scheduler *scheduler = manual->scheduler;
    const struct lsmkv_options *options = scheduler->background->options;
    struct key_range rest = manual->rest;
    unsigned level = manual->level;
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
            status = piece_end(scheduler, super_version->version, level, rest, &manual->end, &found, err);
        if (!status && found)
            status = pick_range(compaction, options, super_version->version, level, rest.lower,
                                level == 0 ? rest.upper : slice_of_buf(&manual->end), &blocked, err);
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

/* True if there is something of `level` to move; `rest` is then all of the range. */
static bool begin_level(struct manual_compaction *manual)
{
    struct super_version *super_version = version_set_current(manual->scheduler->background->versions);
    const struct version *version = super_version->version;

    manual->begun =
        holding_of(version, manual->level, manual->range).tables && must_sink(version, manual->level, manual->range);
    manual->rest = manual->range;
    super_version_unref(super_version);
    return manual->begun;
}

static void end_level(struct manual_compaction *manual)
{
    manual->level++;
    manual->begun = false;
}

/* Goes on through the levels to the next piece. *compaction = NULL: there is none. */
static enum lsmkv_status next_piece(struct manual_compaction *manual, struct compaction **compaction,
                                    struct version **version, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    *compaction = NULL;
    for (; manual->level < LEVEL_DEEPEST; end_level(manual)) {
        if (!manual->begun && !begin_level(manual))
            continue;
        status = collect(manual, compaction, version, err);
        if (status || *compaction)
            return status;
    }
    return LSMKV_OK;
}

/* The piece in hand was installed. */
static void pass_piece(struct manual_compaction *manual)
{
    struct lsmkv_buf free = manual->at;

    if (manual->level == 0) {
        end_level(manual);
        return;
    }
    manual->at = manual->end;
    manual->end = free;
    manual->rest.lower = slice_of_buf(&manual->at);
}

static void count_inputs(const struct compaction *compaction, uint64_t *tables, uint64_t *bytes)
{
    *tables = compaction->input_count[0] + compaction->input_count[1];
    *bytes = 0;
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < compaction->input_count[side]; i++)
            *bytes += table_info(compaction->inputs[side][i])->size;
    }
}

static enum lsmkv_status move_piece(struct manual_compaction *manual, struct lsmkv_compaction_progress *progress,
                                    struct lsmkv_error *err)
{
    struct compaction *compaction = NULL;
    struct version *version = NULL;
    uint64_t tables, bytes;
    enum lsmkv_status status = next_piece(manual, &compaction, &version, err);

    progress->level = -1;
    progress->tables = 0;
    if (status || !compaction)
        return status;
    count_inputs(compaction, &tables, &bytes);
    status = compaction_execute(manual->scheduler, compaction, version, err);
    if (status)
        return status;
    progress->level = (int)manual->level;
    progress->tables = tables;
    manual->bytes_done += bytes;
    pass_piece(manual);
    return LSMKV_OK;
}

/* ---- Steps ---- */

/* One step at a time. */
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

enum lsmkv_status manual_compaction_step(struct manual_compaction *manual, struct lsmkv_compaction_progress *progress,
                                         struct lsmkv_error *err)
{
    enum lsmkv_status status = enter(manual->scheduler, err);

    if (status)
        return status;
    status = move_piece(manual, progress, err);
    if (!status)
        manual_compaction_look(manual, progress);
    leave(manual->scheduler);
    return status;
}

/* ---- Life ---- */

/* Copies a bound, and a byte more: the copy of an empty one is not NULL, which would be none. */
static enum lsmkv_status keep_bound(struct lsmkv_buf *buf, struct lsmkv_slice bound, struct lsmkv_slice *kept,
                                    struct lsmkv_error *err)
{
    enum lsmkv_status status;

    *kept = bound;
    if (!bound.data)
        return LSMKV_OK;
    status = buf_set(buf, bound, err);
    if (!status)
        status = buf_append(buf, "", 1, err);
    if (!status)
        *kept = slice_of(buf->data, bound.size);
    return status;
}

enum lsmkv_status manual_compaction_init(struct manual_compaction *manual, struct scheduler *scheduler,
                                         struct lsmkv_slice lower, struct lsmkv_slice upper, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    *manual = (struct manual_compaction){.scheduler = scheduler,
                                         .lower = LSMKV_BUF_INIT,
                                         .upper = LSMKV_BUF_INIT,
                                         .at = LSMKV_BUF_INIT,
                                         .end = LSMKV_BUF_INIT};
    status = keep_bound(&manual->lower, lower, &manual->range.lower, err);
    if (!status)
        status = keep_bound(&manual->upper, upper, &manual->range.upper, err);
    if (status)
        manual_compaction_release(manual);
    return status;
}

void manual_compaction_release(struct manual_compaction *manual)
{
    lsmkv_buf_release(&manual->end);
    lsmkv_buf_release(&manual->at);
    lsmkv_buf_release(&manual->upper);
    lsmkv_buf_release(&manual->lower);
}
