/*
 * recover.c - from manifest and log to a store that takes commits.
 *
 * (1) All that is replayed goes into one memtable.
 * (2) A store that was closed cleanly goes on in its last segment, with that memtable as the active one: nothing is
 *     written. It needs all the segments that were replayed, and says so.
 * (3) After a crash the bytes of the log may be in the page cache only, and a second sync of them proves nothing. So what
 *     was replayed is written as tables, a new segment is made, and one manifest commit brings both in force. Until then
 *     the old state is the valid one, so that recovery may die at any point; the new segment has no predecessor, by which
 *     the next recovery knows it.
 * (4) Prepared transactions that stay in doubt go on where they are (2), or are copied into the new segment (3).
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "store/replay.h"
#include "store/segments.h"
#include "store/store.h"

struct recovery {
    struct lsmkv_store *store;
    struct manifest *manifest;
    struct segments segments;
    struct replay replay;
    struct memtable *memtable;
    struct wal_segment_end end; /* of the last segment replayed */
    bool whole;                 /* every segment was replayed and nothing was left undecided */
};

/* ---- Replaying ---- */

/* `*go_on` is false where a log without promises ends before its last segment. */
static enum lsmkv_status replay_segment(struct recovery *recovery, size_t index, bool *go_on, struct lsmkv_error *err)
{
    const struct segment *segment = &recovery->segments.list[index];
    const struct segment *next = index + 1 < recovery->segments.count ? segment + 1 : NULL;
    struct lsmkv_store *store = recovery->store;
    char *path = wal_path(store->dir, segment->number);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    recovery->replay.path = path;
    recovery->replay.segment = segment->number;
    status = wal_replay(store->fs, store->dir, segment->number, segment->promised, replay_record, &recovery->replay,
                        &recovery->end, err);
    recovery->replay.path = NULL;
    *go_on = !status && next && recovery->end.length >= next->header.predecessor_length;
    lsm_free(path);
    return status;
}

static enum lsmkv_status replay_all(struct recovery *recovery, struct lsmkv_error *err)
{
    struct segments *segments = &recovery->segments;
    bool go_on = segments->count > 0, settled = false;
    size_t done = 0;
    enum lsmkv_status status = LSMKV_OK;

    while (!status && go_on)
        status = replay_segment(recovery, done++, &go_on, err);
    if (!status)
        status = replay_settle(&recovery->replay, &settled, err);
    recovery->whole = done == segments->count && !settled;
    return status;
}

/* The memtable's segment is the last one, in case that it goes on there. */
static enum lsmkv_status replay_log(struct recovery *recovery, struct lsmkv_error *err)
{
    const struct manifest *manifest = recovery->manifest;
    struct segments *segments = &recovery->segments;
    struct lsmkv_store *store = recovery->store;
    uint64_t last = manifest->first_segment;
    enum lsmkv_status status;

    status = segments_find(segments, store->fs, store->dir, manifest, err);
    if (status)
        return status;
    if (segments->count)
        last = segments->list[segments->count - 1].number;
    status = memtable_new(&recovery->memtable, last, err);
    if (status)
        return status;
    memtable_needs_segment(recovery->memtable, manifest->first_segment);
    recovery->replay.memtable = recovery->memtable;
    recovery->replay.flushed = manifest->last_sequence;
    recovery->replay.sequence = manifest->last_sequence;
    return replay_all(recovery, err);
}

static bool ended_cleanly(const struct recovery *recovery)
{
    const struct segments *segments = &recovery->segments;
    const struct manifest *manifest = recovery->manifest;

    return recovery->whole && manifest->clean_segment && segments->count &&
           recovery->end.header.version == WAL_VERSION && /* an older one is not appended to */
           segments->list[segments->count - 1].number == manifest->clean_segment &&
           recovery->end.length == manifest->clean_length && recovery->end.clean;
}

/* ---- What stays in doubt ---- */

static enum lsmkv_status make_prepared(const struct replayed *replayed, struct prepared **prepared,
                                       struct lsmkv_error *err)
{
    struct read_set *reads = NULL;
    struct batch *batch = NULL;
    enum lsmkv_status status = replay_undecided(replayed, &batch, &reads, err);

    if (!status)
        status = prepared_new(prepared, &replayed->how, batch, reads, err);
    if (!status)
        (*prepared)->in_doubt = true;
    read_set_free(reads);
    batch_unref(batch);
    return status;
}

/* Its record in the segment that takes the place of the old ones. */
static enum lsmkv_status copy_into(struct wal_writer *writer, const struct prepared *prepared, uint64_t sequence,
                                   struct lsmkv_error *err)
{
    enum lsmkv_status status;

    status = wal_writer_begin(writer, WAL_PREPARE, sequence, prepared_size(prepared), WAL_HEADER_SIZE, err);
    if (!status)
        status = prepared_put(prepared, writer, err);
    if (!status)
        status = wal_writer_end(writer, err);
    return status;
}

/* Lists the undecided. `writer`: the new segment, which gets a copy of them; NULL if they stay where they are. */
static enum lsmkv_status list_in_doubt(struct recovery *recovery, struct wal_writer *writer, struct lsmkv_error *err)
{
    const struct replayed *replayed;
    enum lsmkv_status status = LSMKV_OK;

    for (replayed = recovery->replay.prepared; !status && replayed; replayed = replayed->next) {
        struct prepared *prepared = NULL;

        status = make_prepared(replayed, &prepared, err);
        if (!status && writer)
            status = copy_into(writer, prepared, recovery->replay.sequence, err);
        if (!status)
            status =
                prepared_add(recovery->store, prepared, writer ? wal_writer_segment(writer) : replayed->segment, err);
        if (status)
            prepared_free(prepared);
    }
    if (!status && writer && recovery->replay.prepared)
        status = wal_writer_sync(writer, err);
    return status;
}

/* ---- Going on ---- */

static void install_log(struct recovery *recovery, struct wal_writer *writer, struct memtable *active)
{
    struct lsmkv_store *store = recovery->store;
    struct log *log = &store->log;
    uint64_t sequence = recovery->replay.sequence;

    mutex_lock(&store->sync.lock);
    mutex_lock(&log->lock);
    log->writer = writer;
    log->active = active;
    memtable_ref(active);
    atomic_store_explicit(&log->applied, sequence, memory_order_relaxed);
    atomic_store_explicit(&log->catalog_changed, sequence, memory_order_relaxed);
    atomic_store_explicit(&log->visible, sequence, memory_order_relaxed);
    log->start.segment = wal_writer_segment(writer);
    log->start.offset = wal_writer_length(writer);
    atomic_store_explicit(&log->durable, log->start.offset, memory_order_relaxed);
    store->sync.durable = log->start;
    store->sync.durable_sequence = sequence;
    mutex_unlock(&log->lock);
    mutex_unlock(&store->sync.lock);
}

static enum lsmkv_status resume(struct recovery *recovery, struct lsmkv_error *err)
{
    struct lsmkv_store *store = recovery->store;
    struct wal_writer *writer = NULL;
    enum lsmkv_status status;

    status = version_set_rotate(store->versions, recovery->memtable, err);
    if (!status)
        status = wal_writer_resume(&writer, store->fs, store->dir, &recovery->end.header, recovery->end.length,
                                   recovery->end.previous, err);
    if (!status)
        status = list_in_doubt(recovery, NULL, err);
    if (status) {
        (void)wal_writer_close(writer, NULL);
        return status;
    }
    install_log(recovery, writer, recovery->memtable);
    store->resumed = true;
    return LSMKV_OK;
}

/* ---- Writing out what a crash left ---- */

static enum lsmkv_status commit_tables(struct recovery *recovery, const struct outputs *outputs,
                                       struct lsmkv_error *err)
{
    struct version_edit edit = {.added_count = outputs->count};
    enum lsmkv_status status;

    edit.added = lsm_calloc(outputs->count + 1, sizeof(*edit.added));
    if (!edit.added)
        return lsmkv_fail_nomem(err);
    for (size_t i = 0; i < outputs->count; i++)
        edit.added[i].table = outputs->tables[i]; /* of level 0 */
    status = version_set_commit(recovery->store->versions, &edit, &recovery->memtable, 1, err);
    lsm_free(edit.added);
    return status;
}

/* Flushes the replayed memtable; the read set has it and `active` by then. */
static enum lsmkv_status write_out(struct recovery *recovery, struct lsmkv_error *err)
{
    struct background background = recovery->store->background;
    struct outputs outputs = {NULL, 0};
    enum lsmkv_status status = LSMKV_OK;

    background.dropped = NULL; /* asking would open tables */
    if (memtable_entries(recovery->memtable))
        status = flush_run(&background, recovery->memtable, &outputs, err);
    if (!status)
        status = commit_tables(recovery, &outputs, err);
    if (status && !version_set_poisoned(recovery->store->versions, NULL))
        outputs_discard(&background, &outputs);
    else
        outputs_release(&outputs);
    return status;
}

static enum lsmkv_status start_anew(struct recovery *recovery, struct lsmkv_error *err)
{
    static const struct log_position nothing = {0, 0};
    struct lsmkv_store *store = recovery->store;
    struct wal_writer *writer = NULL;
    struct memtable *active = NULL;
    enum lsmkv_status status;

    status = store_new_segment(store, &writer, err);
    if (!status)
        status = store_start_segment(store, writer, nothing, true, err);
    if (!status)
        status = list_in_doubt(recovery, writer, err);
    if (!status)
        status = memtable_new(&active, wal_writer_segment(writer), err);
    if (!status)
        status = version_set_rotate(store->versions, recovery->memtable, err);
    if (!status)
        status = version_set_rotate(store->versions, active, err);
    if (!status)
        status = write_out(recovery, err);
    if (!status) {
        install_log(recovery, writer, active);
    } else if (writer && version_set_poisoned(store->versions, NULL)) {
        (void)wal_writer_close(writer, NULL); /* the manifest may name it; if not, the next recovery knows it */
    } else if (writer) {
        store_discard_segment(store, writer); /* or each try to open on a full disk would leave one */
    }
    memtable_unref(active);
    return status;
}

enum lsmkv_status store_recover(struct lsmkv_store *store, struct manifest *manifest, struct lsmkv_error *err)
{
    struct recovery recovery = {.store = store, .manifest = manifest, .segments = SEGMENTS_INIT};
    uint64_t highest;
    enum lsmkv_status status;

    status = manifest_highest_file(store->fs, store->dir, &highest, err);
    if (!status)
        status = replay_log(&recovery, err);
    if (status)
        goto done;
    if (manifest->next_file <= highest)
        manifest->next_file = highest + 1;
    status = version_set_new(&store->versions, store->fs, store->dir, manifest, store->cache, &store->counters, err);
    if (status)
        goto done;
    store->background.versions = store->versions;
    status = ended_cleanly(&recovery) ? resume(&recovery, err) : start_anew(&recovery, err);

done:
    segments_release(&recovery.segments);
    replay_release(&recovery.replay);
    memtable_unref(recovery.memtable);
    return status;
}
