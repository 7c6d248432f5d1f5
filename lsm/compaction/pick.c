/*
 * pick.c - chooses the inputs of the next compaction and claims them. Contract in pick.h.
 *
 * Why two compactions at once cannot harm each other:
 * (1) A compaction claims a run of `level` and every table of the next level that meets the run's hull (smallest to
 *     largest key), so whatever it writes there lies where no other table is, and no other compaction can put one.
 * (2) L0 gives at most one compaction at a time, and all tables of L0 that could hold a key of it take part. Tables that
 *     a flush adds meanwhile are newer and stay above.
 * (3) Tables below L0 never share a key (one version a key, cut between keys), so no neighbour has to come along.
 */
#include "compaction/pick.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/error.h"
#include "compaction/pressure.h"

#define LEVEL_DEEPEST (LSMKV_LEVELS - 1)

/* Consecutive tables of one level. */
struct run {
    size_t first;
    size_t count;
    uint64_t bytes;
};

/* Smallest and largest key of a run, both inclusive, borrowed. */
struct hull {
    struct lsmkv_slice min;
    struct lsmkv_slice max;
};

/* ---- Looking ---- */

static struct lsmkv_slice table_min(const struct table *table)
{
    return slice_of_buf(&table_info(table)->key_min);
}

static struct lsmkv_slice table_max(const struct table *table)
{
    return slice_of_buf(&table_info(table)->key_max);
}

static struct hull hull_of(struct table *const *tables, size_t count)
{
    struct hull hull = {table_min(tables[0]), table_max(tables[0])};

    for (size_t i = 1; i < count; i++) {
        if (slice_compare(table_min(tables[i]), hull.min) < 0)
            hull.min = table_min(tables[i]);
        if (slice_compare(table_max(tables[i]), hull.max) > 0)
            hull.max = table_max(tables[i]);
    }
    return hull;
}

static bool hull_meets(const struct hull *hull, const struct table *table)
{
    return slice_compare(table_min(table), hull->max) <= 0 && slice_compare(table_max(table), hull->min) >= 0;
}

/* The tables of a sorted level that meet `hull`; empty above L1 and below the deepest. */
static struct run overlap_of(const struct version *version, unsigned level, const struct hull *hull)
{
    struct run run = {0, 0, 0};
    const struct version_level *tables;

    if (level >= LSMKV_LEVELS)
        return run;
    tables = &version->levels[level];
    run.first = level_find(tables, hull->min);
    for (size_t i = run.first; i < tables->count && slice_compare(table_min(tables->tables[i]), hull->max) <= 0; i++) {
        run.count++;
        run.bytes += table_info(tables->tables[i])->size;
    }
    return run;
}

static bool overlap_below(const struct version *version, unsigned level, const struct hull *hull)
{
    for (unsigned deeper = level; deeper < LSMKV_LEVELS; deeper++) {
        if (overlap_of(version, deeper, hull).count)
            return true;
    }
    return false;
}

static bool any_claimed(const struct version_level *level, const struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        if (table_claimed(level->tables[run->first + i]))
            return true;
    }
    return false;
}

static bool mostly_tombstones(const struct table *table)
{
    return table_info(table)->tombstones > table_info(table)->entries / 2;
}

bool info_table_id(const struct sstable_info *info, uint32_t *id)
{
    if (info->key_min.size < LSMKV_TABLE_ID_SIZE || info->key_max.size < LSMKV_TABLE_ID_SIZE)
        return false;
    *id = get_u32_be(info->key_min.data);
    return *id == get_u32_be(info->key_max.data);
}

/* A run that may change its level as it is. A tombstone that hides nothing any more must go, so it is rewritten. */
static bool can_move(const struct lsmkv_options *options, const struct version *version, unsigned level,
                     const struct run *run, const struct run *overlap)
{
    const struct version_level *from = &version->levels[level];
    struct table *table = from->tables[run->first];
    struct hull hull = hull_of(&table, 1);

    if (run->count != 1 || overlap->count)
        return false;
    for (size_t i = 0; level == 0 && i < from->count; i++) {
        if (from->tables[i] != table && hull_meets(&hull, from->tables[i]))
            return false;
    }
    if (table_info(table)->tombstones && !overlap_below(version, level + 2, &hull))
        return false;
    return overlap_of(version, level + 2, &hull).bytes <= grandparent_bytes_max(options);
}

/* ---- Making ---- */

/* Copies `run` with a reference on each table, claimed if `claim`. The tables are free: the caller looked. */
static enum lsmkv_status take_run(struct table ***tables, size_t *count, const struct version_level *level,
                                  const struct run *run, bool claim, struct lsmkv_error *err)
{
    struct table **taken;

    if (run->count == 0)
        return LSMKV_OK;
    taken = lsm_calloc(run->count, sizeof(struct table *));
    if (!taken)
        return lsmkv_fail_nomem(err);
    for (size_t i = 0; i < run->count; i++) {
        taken[i] = level->tables[run->first + i];
        table_ref(taken[i]);
        if (claim)
            (void)table_claim(taken[i]);
    }
    *tables = taken;
    *count = run->count;
    return LSMKV_OK;
}

/*
 * The compaction of `run` of `level` into the next one, claimed. *compaction = NULL and *blocked = true if an input has
 * a claim on it; nothing is claimed then, nor on failure.
 */
static enum lsmkv_status make(struct compaction **compaction, const struct lsmkv_options *options,
                              struct version *version, unsigned level, const struct run *run, const char *reason,
                              bool *blocked, struct lsmkv_error *err)
{
    struct hull hull = hull_of(version->levels[level].tables + run->first, run->count);
    struct run overlap = overlap_of(version, level + 1, &hull);
    struct run beyond = overlap_of(version, level + 2, &hull);
    struct compaction *made;
    enum lsmkv_status status;

    *compaction = NULL;
    if (any_claimed(&version->levels[level], run) || any_claimed(&version->levels[level + 1], &overlap)) {
        *blocked = true;
        return LSMKV_OK;
    }
    made = lsm_calloc(1, sizeof(*made));
    if (!made)
        return lsmkv_fail_nomem(err);
    made->level = level;
    made->output_level = level + 1;
    made->reason = reason;
    made->trivial_move = can_move(options, version, level, run, &overlap);
    status = take_run(&made->inputs[0], &made->input_count[0], &version->levels[level], run, true, err);
    if (!status)
        status = take_run(&made->inputs[1], &made->input_count[1], &version->levels[level + 1], &overlap, true, err);
    if (!status && beyond.count)
        status =
            take_run(&made->grandparents, &made->grandparent_count, &version->levels[level + 2], &beyond, false, err);
    if (status) {
        compaction_free(made);
        return status;
    }
    *compaction = made;
    return LSMKV_OK;
}

void compaction_free(struct compaction *compaction)
{
    if (!compaction)
        return;
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < compaction->input_count[side]; i++) {
            table_unclaim(compaction->inputs[side][i]);
            table_unref(compaction->inputs[side][i]);
        }
        lsm_free(compaction->inputs[side]);
    }
    for (size_t i = 0; i < compaction->grandparent_count; i++)
        table_unref(compaction->grandparents[i]);
    lsm_free(compaction->grandparents);
    lsm_free(compaction);
}

/* ---- Choosing ---- */

static struct run whole_level(const struct version_level *level)
{
    return (struct run){0, level->count, level->bytes};
}

/* L0: the oldest table that can move as it is, else all of them. One compaction of L0 at a time: see (2). */
static enum lsmkv_status pick_l0(struct compaction **compaction, const struct lsmkv_options *options,
                                 struct version *version, const char *reason, bool *blocked, struct lsmkv_error *err)
{
    const struct version_level *level = &version->levels[0];
    struct run whole = whole_level(level);

    *compaction = NULL;
    if (any_claimed(level, &whole)) {
        *blocked = true;
        return LSMKV_OK;
    }
    for (size_t i = level->count; i-- > 0;) {
        struct hull hull = hull_of(&level->tables[i], 1);
        struct run alone = {i, 1, 0};
        struct run overlap = overlap_of(version, 1, &hull);

        if (can_move(options, version, 0, &alone, &overlap))
            return make(compaction, options, version, 0, &alone, reason, blocked, err);
    }
    return make(compaction, options, version, 0, &whole, reason, blocked, err);
}

/* True if `ratio` of table `a` is to be preferred to `best_ratio` of table `b`; the older data first among equals. */
static bool better(double ratio, const struct table *a, double best_ratio, const struct table *b)
{
    if (ratio != best_ratio)
        return ratio < best_ratio;
    return table_info(a)->sequence_max < table_info(b)->sequence_max;
}

/*
 * Below L0: of the free tables whose overlap is free too, the one that drags the fewest bytes along for its own size.
 * `wanted` (may be NULL) narrows the choice.
 */
static enum lsmkv_status pick_table(struct compaction **compaction, const struct lsmkv_options *options,
                                    struct version *version, unsigned level, const char *reason,
                                    bool (*wanted)(const struct table *table), struct lsmkv_error *err)
{
    const struct version_level *tables = &version->levels[level];
    struct run best = {0, 0, 0};
    double best_ratio = 0;
    bool blocked = false;

    *compaction = NULL;
    for (size_t i = 0; i < tables->count; i++) {
        struct table *table = tables->tables[i];
        struct hull hull = hull_of(&table, 1);
        struct run overlap = overlap_of(version, level + 1, &hull);
        double ratio = (double)overlap.bytes / (double)table_info(table)->size;

        if ((wanted && !wanted(table)) || table_claimed(table) || any_claimed(&version->levels[level + 1], &overlap))
            continue;
        if (best.count == 0 || better(ratio, table, best_ratio, tables->tables[best.first])) {
            best = (struct run){i, 1, 0};
            best_ratio = ratio;
        }
    }
    return best.count ? make(compaction, options, version, level, &best, reason, &blocked, err) : LSMKV_OK;
}

/* The score of what no compaction has claimed yet, so that a second worker does not take more than is due. */
static double free_score(const struct lsmkv_options *options, const struct version *version, unsigned level)
{
    const struct version_level *tables = &version->levels[level];
    uint64_t claimed = 0;

    if (level == 0)
        return level_score(options, version, 0);
    for (size_t i = 0; i < tables->count; i++) {
        if (table_claimed(tables->tables[i]))
            claimed += table_info(tables->tables[i])->size;
    }
    return (double)(tables->bytes - claimed) / (double)level_byte_limit(options, level);
}

/* L0 goes before all others when commits are about to be stopped by it. */
static double urgency(const struct lsmkv_options *options, double score, unsigned level)
{
    if (level == 0 && score >= PRESSURE_L0_FACTOR * options->soft_limit)
        return (double)UINT64_MAX;
    return score;
}

static enum lsmkv_status pick_by_score(struct compaction **compaction, const struct lsmkv_options *options,
                                       struct version *version, struct lsmkv_error *err)
{
    double scores[LEVEL_DEEPEST];
    bool tried[LEVEL_DEEPEST] = {false};
    bool l0_blocked = false;
    enum lsmkv_status status = LSMKV_OK;

    *compaction = NULL;
    for (unsigned level = 0; level < LEVEL_DEEPEST; level++) {
        scores[level] = free_score(options, version, level);
        tried[level] = !level_due(options, version, level) || (level > 0 && scores[level] < options->soft_limit);
        scores[level] = urgency(options, scores[level], level);
    }
    while (!status && !*compaction) {
        unsigned most = LEVEL_DEEPEST;

        for (unsigned level = 0; level < LEVEL_DEEPEST; level++) {
            if (!tried[level] && (most == LEVEL_DEEPEST || scores[level] > scores[most]))
                most = level;
        }
        if (most == LEVEL_DEEPEST)
            break;
        tried[most] = true;
        if (most == 0)
            status = pick_l0(compaction, options, version, "l0 tables", &l0_blocked, err);
        else
            status = pick_table(compaction, options, version, most, "level bytes", NULL, err);
        /* New work on L1 would only keep L0 waiting longer. */
        if (l0_blocked)
            tried[1] = true;
    }
    return status;
}

static bool any_mostly_tombstones(const struct version_level *level)
{
    for (size_t i = 0; i < level->count; i++) {
        if (mostly_tombstones(level->tables[i]))
            return true;
    }
    return false;
}

static enum lsmkv_status pick_tombstones(struct compaction **compaction, const struct lsmkv_options *options,
                                         struct version *version, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;
    bool blocked = false;

    *compaction = NULL;
    for (unsigned level = 0; !status && !*compaction && level < LEVEL_DEEPEST; level++) {
        if (!any_mostly_tombstones(&version->levels[level]))
            continue;
        if (level == 0)
            status = pick_l0(compaction, options, version, "tombstones", &blocked, err);
        else
            status = pick_table(compaction, options, version, level, "tombstones", mostly_tombstones, err);
    }
    return status;
}

enum lsmkv_status pick_compaction(struct compaction **compaction, const struct lsmkv_options *options,
                                  struct version *version, struct lsmkv_error *err)
{
    enum lsmkv_status status = pick_by_score(compaction, options, version, err);

    if (status || *compaction)
        return status;
    return pick_tombstones(compaction, options, version, err);
}

bool compaction_due(const struct lsmkv_options *options, const struct version *version)
{
    for (unsigned level = 0; level < LEVEL_DEEPEST; level++) {
        if (level_due(options, version, level) || any_mostly_tombstones(&version->levels[level]))
            return true;
    }
    return false;
}

/* ---- By request ---- */

/* The tables of `level` that meet [lower, upper). A level below L0 is sorted, so they are neighbours; L0 goes whole. */
static struct run range_of(const struct version_level *tables, unsigned level, struct lsmkv_slice lower,
                           struct lsmkv_slice upper)
{
    struct run run = {0, 0, 0};

    for (size_t i = 0; i < tables->count; i++) {
        if (!sstable_info_overlaps(table_info(tables->tables[i]), lower, upper))
            continue;
        if (level == 0)
            return whole_level(tables);
        if (run.count == 0)
            run.first = i;
        run.count++;
    }
    return run;
}

enum lsmkv_status pick_range(struct compaction **compaction, const struct lsmkv_options *options,
                             struct version *version, unsigned level, struct lsmkv_slice lower,
                             struct lsmkv_slice upper, bool *blocked, struct lsmkv_error *err)
{
    struct run run = {0, 0, 0};

    *compaction = NULL;
    *blocked = false;
    if (level < LEVEL_DEEPEST)
        run = range_of(&version->levels[level], level, lower, upper);
    if (run.count == 0)
        return LSMKV_OK;
    return make(compaction, options, version, level, &run, "manual", blocked, err);
}

static bool holds_dropped(const struct table *table, const uint32_t *ids, size_t id_count)
{
    uint32_t id;

    if (!info_table_id(table_info(table), &id))
        return false;
    for (size_t i = 0; i < id_count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

/* Claims the free ones of `level` into `made`, which has room for all. */
static void take_dropped(struct compaction *made, const struct version_level *level, const uint32_t *ids,
                         size_t id_count)
{
    for (size_t i = 0; i < level->count; i++) {
        struct table *table = level->tables[i];

        if (!holds_dropped(table, ids, id_count) || !table_claim(table))
            continue;
        table_ref(table);
        made->inputs[0][made->input_count[0]++] = table;
    }
}

enum lsmkv_status pick_dropped(struct compaction **compaction, struct version *version, const uint32_t *ids,
                               size_t id_count, struct lsmkv_error *err)
{
    struct compaction *made = NULL;

    *compaction = NULL;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        const struct version_level *tables = &version->levels[level];

        made = lsm_calloc(1, sizeof(*made));
        if (made)
            made->inputs[0] = lsm_calloc(tables->count + 1, sizeof(struct table *));
        if (!made || !made->inputs[0]) {
            compaction_free(made);
            return lsmkv_fail_nomem(err);
        }
        made->level = made->output_level = level;
        made->discard = true;
        made->reason = "dropped table";
        take_dropped(made, tables, ids, id_count);
        if (made->input_count[0]) {
            *compaction = made;
            return LSMKV_OK;
        }
        compaction_free(made);
    }
    return LSMKV_OK;
}
