/*
 * run.c - merges the inputs of one compaction into new tables. Takes no lock: the inputs are claimed and immutable.
 *
 * When a tombstone may go. It hides older versions of its key. All of those that lie in the input level or the output
 * level are inputs too (pick.c (1) and (2)), so they go with it. Others can only be deeper: it is dropped if no table
 * of `version` below the output level has its key between its bounds. `version` is the one the inputs were collected
 * from and may be outdated by now, which does no harm:
 * - a deeper table of it that has left since was compacted further down, so the tombstone is kept for nothing, at worst;
 * - what has come into deeper levels since came from levels above them, and a version of this key would have had to come
 *   out of the input or the output level, where every table that can hold the key is claimed by this compaction.
 */
#include "compaction/outputs.h"

#include "base/alloc.h"
#include "base/error.h"
#include "version/merge.h"

/* Where outputs are cut because of the tables two levels down. */
struct grandparents {
    const struct compaction *compaction;
    uint64_t bytes_max;
    size_t at;       /* first grandparent whose last key has not been passed */
    uint64_t passed; /* bytes of grandparents that the open output has passed */
};

enum lsmkv_compression compression_of_level(const struct lsmkv_options *options, const struct version *version,
                                            unsigned level)
{
    if (options->compression != LSMKV_COMPRESSION_AUTO)
        return options->compression;
    if (level < 2)
        return LSMKV_COMPRESSION_NONE;
    for (unsigned deeper = level + 1; version && deeper < LSMKV_LEVELS; deeper++) {
        if (version->levels[deeper].count)
            return LSMKV_COMPRESSION_LZ4;
    }
    return LSMKV_COMPRESSION_ZSTD;
}

/* True if the open output would overlap too much of the grandparents if `key` were added to it. */
static bool passes_too_much(struct grandparents *grandparents, bool open, struct lsmkv_slice key)
{
    const struct compaction *compaction = grandparents->compaction;

    while (grandparents->at < compaction->grandparent_count) {
        const struct sstable_info *info = table_info(compaction->grandparents[grandparents->at]);

        if (slice_compare(slice_of_buf(&info->key_max), key) >= 0)
            break;
        grandparents->passed += info->size;
        grandparents->at++;
    }
    if (!open)
        grandparents->passed = 0;
    if (grandparents->passed <= grandparents->bytes_max)
        return false;
    grandparents->passed = 0;
    return true;
}

/* One child for each table of L0, one for a deeper level: newest first, as the merge wants them. */
static enum lsmkv_status add_inputs(struct iter **children, size_t *count, const struct compaction *compaction,
                                    size_t side, struct lsmkv_error *err)
{
    struct table *const *tables = compaction->inputs[side];
    size_t table_count = compaction->input_count[side];
    enum lsmkv_status status = LSMKV_OK;

    if (table_count == 0)
        return LSMKV_OK;
    if (side == 1 || compaction->level > 0) {
        status = level_iter_new(&children[*count], tables, table_count, true, err);
        *count += !status;
        return status;
    }
    for (size_t i = 0; !status && i < table_count; i++) {
        status = table_iter_new(&children[*count], tables[i], true, err);
        *count += !status;
    }
    return status;
}

static enum lsmkv_status open_inputs(struct iter **it, const struct compaction *compaction, struct lsmkv_error *err)
{
    struct iter **children = lsm_calloc(compaction->input_count[0] + 1, sizeof(struct iter *));
    size_t count = 0;
    enum lsmkv_status status;

    if (!children)
        return lsmkv_fail_nomem(err);
    status = add_inputs(children, &count, compaction, 0, err);
    if (!status)
        status = add_inputs(children, &count, compaction, 1, err);
    if (status) {
        for (size_t i = 0; i < count; i++)
            iter_free(children[i]);
    } else {
        status = merge_iter_new(it, children, count, err);
    }
    lsm_free(children);
    return status;
}

static uint64_t input_bytes(const struct compaction *compaction)
{
    uint64_t bytes = 0;

    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < compaction->input_count[side]; i++)
            bytes += table_info(compaction->inputs[side][i])->size;
    }
    return bytes;
}

/* True if the newest version of a key need not be written. */
static bool is_superfluous(const struct background *background, const struct compaction *compaction,
                           const struct version *version, struct dropped_filter *filter, const struct entry *entry)
{
    if (dropped_filter_matches(filter, entry->key))
        return true;
    /* `output_level + 1` is the first level that is looked at. */
    if (entry->kind != ENTRY_DELETE || version_may_hold_below(version, compaction->output_level + 1, entry->key))
        return false;
    counter_add(background->counters, tombstones_dropped, 1);
    return true;
}

enum lsmkv_status compaction_run(const struct background *background, const struct compaction *compaction,
                                 const struct version *version, struct outputs *outputs, struct lsmkv_error *err)
{
    const struct lsmkv_options *options = background->options;
    uint64_t target = table_size_target(options);
    struct grandparents grandparents = {.compaction = compaction, .bytes_max = grandparent_bytes_max(options)};
    struct dropped_filter filter = {.background = background};
    struct output_writer writer;
    struct iter *it = NULL;
    enum lsmkv_status status;

    output_writer_init(&writer, background, compression_of_level(options, version, compaction->output_level),
                       &background->counters->compaction_write_bytes, options->rate_limit);
    status = open_inputs(&it, compaction, err);
    if (status)
        goto done;
    /* A failed move is an error, never the end of the input: what could not be read must not be compacted away. */
    for (status = iter_first(it, err); !status && iter_valid(it); status = iter_next(it, err)) {
        const struct entry *entry = iter_entry(it);
        uint64_t size;

        status = output_writer_step(&writer, entry, err);
        if (status)
            goto done;
        if (is_superfluous(background, compaction, version, &filter, entry))
            continue;
        size = output_writer_size(&writer);
        if (passes_too_much(&grandparents, writer.builder != NULL, entry->key) || size >= target) {
            status = output_writer_cut(&writer, err);
            if (status)
                goto done;
        }
        status = output_writer_add(&writer, entry, err);
        if (status)
            goto done;
    }
    if (!status)
        status = output_writer_finish(&writer, outputs, err);
    if (!status)
        counter_add(background->counters, compaction_read_bytes, input_bytes(compaction));

done:
    iter_free(it);
    output_writer_release(&writer);
    return status;
}
