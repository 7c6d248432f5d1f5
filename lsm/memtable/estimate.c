/* How many entries of a memtable lie in a range, without walking them all. */
#include "memtable/skiplist.h"

#define SAMPLE_MIN  64 /* nodes that a level must have in the range to speak for it */
#define LEVEL_SHIFT 2  /* a quarter of the nodes of a level are on the next */

static struct node *next_on(struct node *node, unsigned level)
{
    return atomic_load_explicit(node_next(node, level), memory_order_acquire);
}

static bool is_below(struct node *node, const struct node_key *bound)
{
    return !bound || node_before(node, bound);
}

/* Nodes of `level` after `node` that are below `upper`. */
static uint64_t count_on(struct node *node, unsigned level, const struct node_key *upper)
{
    uint64_t count = 0;

    for (node = next_on(node, level); node && is_below(node, upper); node = next_on(node, level))
        count++;
    return count;
}

/* Nothing lies before the range, which begins after `before`, and nothing after it. */
static bool is_whole(const struct memtable *memtable, struct node *before, const struct node_key *upper)
{
    struct node *first = memtable_first(memtable), *last = memtable_last(memtable);

    return first && next_on(before, 0) == first && is_below(last, upper);
}

uint64_t memtable_estimate(const struct memtable *memtable, struct lsmkv_slice lower, struct lsmkv_slice upper)
{
    struct node *before[MEMTABLE_HEIGHT_MAX];
    struct node_key from, to;
    uint64_t entries = memtable_entries(memtable), count;
    unsigned height, level;

    /* The largest sequence comes first among versions of a key: all of them are in. */
    node_key_init(&from, lower.data ? lower : slice_of("", 0), UINT64_MAX);
    node_key_init(&to, upper.data ? upper : slice_of("", 0), UINT64_MAX);
    height = memtable_seek_path(memtable, &from, before);
    if (is_whole(memtable, before[0], upper.data ? &to : NULL))
        return entries;
    /* From the top, where few nodes are, down to the first level with enough of them, or the lowest, which has all. */
    for (level = height - 1;; level--) {
        count = count_on(before[level], level, upper.data ? &to : NULL);
        if (level == 0 || count >= SAMPLE_MIN)
            break;
    }
    count <<= LEVEL_SHIFT * level;
    return count < entries ? count : entries;
}
