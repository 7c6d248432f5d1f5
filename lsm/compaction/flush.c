/*
 * flush.c - writes one frozen memtable as one table of L0.
 *
 * Takes no lock: the caller's reference keeps the memtable alive, and nobody writes to it any more. Tombstones are kept:
 * an older version of their key may be in any level, or in an older memtable whose flush is not installed yet.
 */
#include "compaction/outputs.h"

enum lsmkv_status flush_run(const struct background *background, struct memtable *memtable, struct outputs *outputs,
                            struct lsmkv_error *err)
{
    struct dropped_filter filter = {.background = background};
    struct output_writer writer;
    struct iter *it = NULL;
    enum lsmkv_status status;

    output_writer_init(&writer, background, compression_of_level(background->options, NULL, 0),
                       &background->counters->flush_bytes, 0);
    status = memtable_iter_new(&it, memtable, SEQUENCE_MAX, err);
    if (status)
        goto done;
    for (status = iter_first(it, err); !status && iter_valid(it); status = iter_next(it, err)) {
        status = output_writer_step(&writer, iter_entry(it), err);
        if (status)
            goto done;
        if (dropped_filter_matches(&filter, iter_entry(it)->key))
            continue;
        status = output_writer_add(&writer, iter_entry(it), err);
        if (status)
            goto done;
    }
    if (!status)
        status = output_writer_finish(&writer, outputs, err);

done:
    iter_free(it);
    output_writer_release(&writer);
    return status;
}
