/*
 * outputs.h - writes the tables of one piece of background work, one after the other. For run.c and flush.c.
 *
 * Threads:   one at a time. Ownership: borrows `background`.
 * Failure:   after a failed call only release is legal; it removes every file that was made, unless they were handed over.
 *
 * Legal order:  init ( step | add | cut )* [ finish ] release
 */
#ifndef LSM_COMPACTION_OUTPUTS_H
#define LSM_COMPACTION_OUTPUTS_H

#include "compaction/run.h"
#include "sstable/builder.h"

struct output_writer {
    const struct background *background;
    struct sstable_params params;
    _Atomic uint64_t *counter; /* bytes written are added here */
    uint64_t rate;             /* bytes a second; 0 = no limit */
    struct outputs outputs;    /* tables finished so far */
    size_t capacity;
    struct sstable_builder *builder; /* NULL between tables: a table without entries is never begun */
    uint64_t counted;                /* bytes of the open table that the counter has */
    uint64_t unseen;                 /* bytes of entries since the last look at the world */
};

void output_writer_init(struct output_writer *writer, const struct background *background,
                        enum lsmkv_compression compression, _Atomic uint64_t *counter, uint64_t rate);
void output_writer_release(struct output_writer *writer);

/* For every entry that is read, written or not: counts, keeps to the rate, and ends with INTERRUPTED when stopping. */
LSMKV_MUST_CHECK enum lsmkv_status output_writer_step(struct output_writer *writer, const struct entry *entry,
                                                      struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status output_writer_add(struct output_writer *writer, const struct entry *entry,
                                                     struct lsmkv_error *err);
/* Bytes of the open table, about; 0 if none is open. */
uint64_t output_writer_size(const struct output_writer *writer);
/* Finishes the open table, if any; the next entry begins a new one. */
LSMKV_MUST_CHECK enum lsmkv_status output_writer_cut(struct output_writer *writer, struct lsmkv_error *err);
/* Finishes the last table and hands all of them over. */
LSMKV_MUST_CHECK enum lsmkv_status output_writer_finish(struct output_writer *writer, struct outputs *outputs,
                                                        struct lsmkv_error *err);

/* Tells which entries belong to dropped tables; asks the store once for each run of keys with one table id. */
struct dropped_filter {
    const struct background *background;
    bool known;
    uint32_t id;
    bool dropped; /* the answer for `id` */
};
bool dropped_filter_matches(struct dropped_filter *filter, struct lsmkv_slice key);

/* Calls the test hook, if there is one. No lock may be held. */
void background_hook(const struct background *background, const char *point);

#endif
