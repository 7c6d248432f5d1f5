/*
 * levels.c - how full each level is, and what is left to move: the arithmetic behind pick.c and pressure.c. Pure.
 *
 * Threads: any; a version never changes. Failure: none.
 */
#include "compaction/pick.h"

#define TABLE_SIZE_MIN     (UINT64_C(1) << 20)
#define TABLE_SIZE_MAX     (UINT64_C(64) << 20)
#define GRANDPARENT_TABLES 10
#define LEVEL_DEEPEST      (LSMKV_LEVELS - 1)
#define FLOOR_TOLERANCE    1e-9 /* limit * soft_limit may miss a whole number by a rounding error */

uint64_t level_byte_limit(const struct lsmkv_options *options, unsigned level)
{
    uint64_t limit = options->base_level_size;

    for (unsigned i = 1; i < level; i++) {
        if (__builtin_mul_overflow(limit, (uint64_t)options->level_ratio, &limit))
            return UINT64_MAX;
    }
    return limit;
}

double level_score(const struct lsmkv_options *options, const struct version *version, unsigned level)
{
    const struct version_level *tables = &version->levels[level];

    if (level == 0)
        return (double)tables->count / (double)options->l0_tables;
    return (double)tables->bytes / (double)level_byte_limit(options, level);
}

bool level_due(const struct lsmkv_options *options, const struct version *version, unsigned level)
{
    const struct version_level *tables = &version->levels[level];

    if (level >= LEVEL_DEEPEST || tables->count == 0)
        return false;
    if (level == 0) {
        size_t due = (size_t)(options->l0_tables * options->soft_limit + FLOOR_TOLERANCE);

        return tables->count >= (due ? due : 1);
    }
    return level_score(options, version, level) >= options->soft_limit;
}

uint64_t table_size_target(const struct lsmkv_options *options)
{
    uint64_t target = options->base_level_size / 4;

    if (target < TABLE_SIZE_MIN)
        return TABLE_SIZE_MIN;
    return target > TABLE_SIZE_MAX ? TABLE_SIZE_MAX : target;
}

uint64_t grandparent_bytes_max(const struct lsmkv_options *options)
{
    return GRANDPARENT_TABLES * table_size_target(options);
}

/*
 * What is over a level's limit moves down and takes its share of the next level with it; there it may push that level
 * over its own limit. L0 moves whole once it is full. The deepest level keeps what it gets.
 */
uint64_t compaction_debt(const struct lsmkv_options *options, const struct version *version)
{
    uint64_t debt = 0;
    uint64_t moving = 0;

    if (version->levels[0].count >= options->l0_tables)
        debt = moving = version->levels[0].bytes;
    for (unsigned level = 1; level < LEVEL_DEEPEST; level++) {
        uint64_t limit = level_byte_limit(options, level);
        uint64_t bytes = version->levels[level].bytes + moving;

        moving = bytes > limit ? bytes - limit : 0;
        if (moving) {
            double share = (double)moving / (double)bytes;

            debt += moving + (uint64_t)(share * (double)version->levels[level + 1].bytes);
        }
    }
    return debt;
}
