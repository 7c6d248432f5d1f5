/*
 * replay.c - one record of the log at a time.
 */
#include "store/replay.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "manifest/manifest.h"

static void replayed_free(struct replayed *replayed)
{
    if (!replayed)
        return;
    lsmkv_buf_release(&replayed->reads);
    lsmkv_buf_release(&replayed->entries);
    lsm_free(replayed);
}

void replay_release(struct replay *replay)
{
    while (replay->prepared) {
        struct replayed *next = replay->prepared->next;

        replayed_free(replay->prepared);
        replay->prepared = next;
    }
}

static enum lsmkv_status damaged(const struct replay *replay, uint64_t offset, const char *what,
                                 struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CORRUPT, "%s: %s in the record at offset %" PRIu64, replay->path, what, offset);
}

/* ---- Entries ---- */

static bool acceptable(const struct entry *entry)
{
    return entry->key.size <= LSMKV_KEY_MAX && entry->value.size <= LSMKV_VALUE_MAX;
}

/* The next entry of a record; its key comes after `last`: the memtable relies on one write of a key per transaction. */
static enum lsmkv_status next_entry(const struct replay *replay, struct reader *reader, struct lsmkv_slice *last,
                                    struct entry *entry, uint64_t offset, struct lsmkv_error *err)
{
    if (!wal_entry_get(reader, entry) || !acceptable(entry))
        return damaged(replay, offset, "an entry that is none", err);
    if (last->data && slice_compare(*last, entry->key) >= 0)
        return damaged(replay, offset, "keys out of order", err);
    *last = entry->key;
    return LSMKV_OK;
}

static enum lsmkv_status check_entries(const struct replay *replay, struct lsmkv_slice bytes, uint64_t offset,
                                       struct lsmkv_error *err)
{
    struct reader reader;
    struct entry entry;
    struct lsmkv_slice last = {NULL, 0};
    enum lsmkv_status status = LSMKV_OK;

    reader_init(&reader, bytes);
    while (!status && reader_left(&reader))
        status = next_entry(replay, &reader, &last, &entry, offset, err);
    return status;
}

static enum lsmkv_status add_entries(struct replay *replay, struct lsmkv_slice bytes, uint64_t sequence,
                                     uint64_t offset, struct lsmkv_error *err)
{
    struct reader reader;
    struct entry entry;
    struct lsmkv_slice last = {NULL, 0};
    enum lsmkv_status status = LSMKV_OK;

    reader_init(&reader, bytes);
    while (!status && reader_left(&reader)) {
        status = next_entry(replay, &reader, &last, &entry, offset, err);
        entry.sequence = sequence;
        if (!status)
            status = memtable_add(replay->memtable, &entry, err);
    }
    return status;
}

/* Passes over what is in tables already; otherwise sequences must rise. */
static enum lsmkv_status next_sequence(struct replay *replay, const struct wal_record *record, bool *wanted,
                                       struct lsmkv_error *err)
{
    *wanted = record->sequence > replay->flushed;
    if (!*wanted)
        return LSMKV_OK;
    if (record->sequence <= replay->sequence)
        return damaged(replay, record->offset, "a sequence that does not rise", err);
    /* Or the next commit's might be 0 again, which nobody would ever see. */
    if (record->sequence > MANIFEST_NUMBER_MAX)
        return damaged(replay, record->offset, "a sequence out of range", err);
    replay->sequence = record->sequence;
    return LSMKV_OK;
}

static enum lsmkv_status replay_commit(struct replay *replay, const struct wal_record *record, struct lsmkv_error *err)
{
    bool wanted;
    enum lsmkv_status status = next_sequence(replay, record, &wanted, err);

    if (status || !wanted)
        return status;
    return add_entries(replay, record->payload, record->sequence, record->offset, err);
}

/* ---- Prepared transactions ---- */

/* The link that holds the one with this id; the last link (NULL in it) if there is none. */
static struct replayed **find(struct replay *replay, uint64_t transaction)
{
    struct replayed **link = &replay->prepared;

    while (*link && (*link)->how.transaction != transaction)
        link = &(*link)->next;
    return link;
}

static struct replayed *take(struct replay *replay, uint64_t transaction)
{
    struct replayed **link = find(replay, transaction);
    struct replayed *replayed = *link;

    if (replayed)
        *link = replayed->next;
    return replayed;
}

/* PREPARE's head: 8 transaction id, 16 coordinator id, 1 default. */
static bool parse_head(struct reader *reader, struct lsmkv_prepare *how)
{
    struct lsmkv_slice coordinator;
    uint8_t by_default;

    if (!read_u64(reader, &how->transaction) || !read_bytes(reader, sizeof(how->coordinator), &coordinator) ||
        !read_u8(reader, &by_default) || by_default > 1)
        return false;
    memcpy(how->coordinator, coordinator.data, sizeof(how->coordinator));
    how->default_commit = by_default == 1;
    return true;
}

/* The bytes of all reads that come next. */
static struct lsmkv_slice parse_reads(struct reader *reader)
{
    const uint8_t *start = reader->at;
    struct wal_read read;

    while (wal_read_get(reader, &read))
        ;
    return slice_of(start, (size_t)(reader->at - start));
}

static enum lsmkv_status parse_prepare(const struct replay *replay, const struct wal_record *record,
                                       struct replayed *replayed, struct lsmkv_error *err)
{
    struct lsmkv_slice reads = {NULL, 0}, entries;
    struct reader reader;
    enum lsmkv_status status;

    reader_init(&reader, record->payload);
    if (!parse_head(&reader, &replayed->how))
        return damaged(replay, record->offset, "a head that is none", err);
    if (record->version >= WAL_VERSION_READS)
        reads = parse_reads(&reader);
    entries = slice_of(reader.at, reader_left(&reader));
    status = check_entries(replay, entries, record->offset, err);
    if (!status)
        status = buf_append(&replayed->reads, reads.data, reads.size, err);
    if (!status)
        status = buf_append(&replayed->entries, entries.data, entries.size, err);
    return status;
}

/* In the place of an earlier record of the same transaction, which a rotation has copied, or as the newest one. */
static void put_in_place(struct replay *replay, struct replayed *replayed)
{
    struct replayed **link = find(replay, replayed->how.transaction);
    struct replayed *earlier = *link;

    if (earlier)
        replayed->next = earlier->next;
    *link = replayed;
    replayed_free(earlier);
}

static enum lsmkv_status replay_prepare(struct replay *replay, const struct wal_record *record, struct lsmkv_error *err)
{
    struct replayed *replayed = lsm_calloc(1, sizeof(*replayed));
    enum lsmkv_status status;

    if (!replayed)
        return lsmkv_fail_nomem(err);
    replayed->segment = replay->segment;
    replayed->offset = record->offset;
    replayed->version = record->version;
    status = parse_prepare(replay, record, replayed, err);
    if (status)
        replayed_free(replayed);
    else
        put_in_place(replay, replayed);
    return status;
}

static enum lsmkv_status replay_outcome(struct replay *replay, const struct wal_record *record, uint64_t transaction,
                                        struct lsmkv_error *err)
{
    struct replayed *replayed = take(replay, transaction);
    bool wanted;
    enum lsmkv_status status = next_sequence(replay, record, &wanted, err);

    if (!status && wanted && !replayed)
        status = damaged(replay, record->offset, "the outcome of an unknown transaction", err);
    if (!status && wanted) {
        status = add_entries(replay, slice_of_buf(&replayed->entries), record->sequence, record->offset, err);
        memtable_needs_segment(replay->memtable, replayed->segment);
    }
    replayed_free(replayed);
    return status;
}

enum lsmkv_status replay_record(void *context, const struct wal_record *record, struct lsmkv_error *err)
{
    struct replay *replay = context;

    if (record->type == WAL_COMMIT)
        return replay_commit(replay, record, err);
    if (record->type == WAL_PREPARE)
        return replay_prepare(replay, record, err);
    if (record->payload.size != sizeof(uint64_t))
        return damaged(replay, record->offset, "a transaction id that is none", err);
    if (record->type == WAL_OUTCOME)
        return replay_outcome(replay, record, get_u64(record->payload.data), err);
    replayed_free(take(replay, get_u64(record->payload.data)));
    return LSMKV_OK;
}

/* ---- The end ---- */

enum lsmkv_status replay_settle(struct replay *replay, bool *settled, struct lsmkv_error *err)
{
    struct replayed **link = &replay->prepared;
    enum lsmkv_status status = LSMKV_OK;

    *settled = false;
    while (!status && *link) {
        struct replayed *replayed = *link;

        if (!replayed->how.default_commit && replayed->version >= WAL_VERSION_READS) {
            link = &replayed->next;
            continue;
        }
        *settled = true;
        replay->sequence += replayed->how.default_commit;
        if (replayed->how.default_commit)
            status = add_entries(replay, slice_of_buf(&replayed->entries), replay->sequence, replayed->offset, err);
        *link = replayed->next;
        replayed_free(replayed);
    }
    return status;
}

static void add_read(struct read_set *reads, const struct wal_read *read)
{
    if (!read->range)
        read_set_add_key(reads, read->key);
    else
        read_set_add_range(reads, read->key, read->upper.size ? read->upper : slice_of(NULL, 0));
}

enum lsmkv_status replay_undecided(const struct replayed *replayed, struct batch **batch, struct read_set **reads,
                                   struct lsmkv_error *err)
{
    struct reader reader;
    struct wal_read read;
    struct entry entry;
    enum lsmkv_status status = read_set_new(reads, err);

    if (!status)
        status = batch_new(batch, err);
    reader_init(&reader, slice_of_buf(&replayed->reads));
    while (!status && wal_read_get(&reader, &read))
        add_read(*reads, &read);
    reader_init(&reader, slice_of_buf(&replayed->entries));
    while (!status && wal_entry_get(&reader, &entry)) /* they were checked */
        status = batch_add(*batch, entry.kind, entry.key, entry.value, err);
    if (!status)
        read_set_seal(*reads);
    return status;
}
