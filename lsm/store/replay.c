/*
 * replay.c - one record of the log at a time.
 */
#include "store/replay.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "manifest/manifest.h"

/* A PREPARE without an outcome so far. */
struct replayed {
    struct replayed *next;
    uint64_t transaction;
    uint64_t segment;
    uint64_t offset; /* of its record, for messages */
    bool default_commit;
    struct lsmkv_buf entries;
};

static void replayed_free(struct replayed *prepared)
{
    if (!prepared)
        return;
    lsmkv_buf_release(&prepared->entries);
    lsm_free(prepared);
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

static enum lsmkv_status add_entries(struct replay *replay, struct lsmkv_slice bytes, uint64_t sequence,
                                     uint64_t offset, struct lsmkv_error *err)
{
    struct reader reader;
    struct entry entry;
    struct lsmkv_slice last = {NULL, 0};
    enum lsmkv_status status = LSMKV_OK;

    reader_init(&reader, bytes);
    while (!status && reader_left(&reader)) {
        if (!wal_entry_get(&reader, &entry) || !acceptable(&entry))
            return damaged(replay, offset, "an entry that is none", err);
        /* Rising keys: the memtable relies on one write of a key per transaction. */
        if (last.data && slice_compare(last, entry.key) >= 0)
            return damaged(replay, offset, "keys out of order", err);
        last = entry.key;
        entry.sequence = sequence;
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

    while (*link && (*link)->transaction != transaction)
        link = &(*link)->next;
    return link;
}

static struct replayed *take(struct replay *replay, uint64_t transaction)
{
    struct replayed **link = find(replay, transaction);
    struct replayed *prepared = *link;

    if (prepared)
        *link = prepared->next;
    return prepared;
}

/* PREPARE's head: 8 transaction id, 16 coordinator id, 1 default. */
static bool parse_prepare(const struct wal_record *record, uint64_t *transaction, bool *default_commit,
                          struct lsmkv_slice *entries)
{
    struct reader reader;
    struct lsmkv_slice coordinator;
    uint8_t by_default;

    reader_init(&reader, record->payload);
    if (!read_u64(&reader, transaction) || !read_bytes(&reader, 16, &coordinator) || !read_u8(&reader, &by_default))
        return false;
    *default_commit = by_default == 1;
    *entries = slice_of(reader.at, reader_left(&reader));
    return by_default <= 1;
}

static enum lsmkv_status replay_prepare(struct replay *replay, const struct wal_record *record, struct lsmkv_error *err)
{
    struct replayed *prepared;
    struct replayed **link;
    struct lsmkv_slice entries;
    uint64_t transaction;
    bool default_commit;
    enum lsmkv_status status;

    if (!parse_prepare(record, &transaction, &default_commit, &entries))
        return damaged(replay, record->offset, "a head that is none", err);
    link = find(replay, transaction);
    if (*link)
        return damaged(replay, record->offset, "a transaction that is prepared already", err);
    prepared = lsm_calloc(1, sizeof(*prepared));
    if (!prepared)
        return lsmkv_fail_nomem(err);
    prepared->transaction = transaction;
    prepared->segment = replay->segment;
    prepared->offset = record->offset;
    prepared->default_commit = default_commit;
    status = buf_append(&prepared->entries, entries.data, entries.size, err);
    if (status)
        replayed_free(prepared);
    else
        *link = prepared;
    return status;
}

static enum lsmkv_status replay_outcome(struct replay *replay, const struct wal_record *record, uint64_t transaction,
                                        struct lsmkv_error *err)
{
    struct replayed *prepared = take(replay, transaction);
    bool wanted;
    enum lsmkv_status status = next_sequence(replay, record, &wanted, err);

    if (!status && wanted && !prepared)
        status = damaged(replay, record->offset, "the outcome of an unknown transaction", err);
    if (!status && wanted) {
        status = add_entries(replay, slice_of_buf(&prepared->entries), record->sequence, record->offset, err);
        memtable_needs_segment(replay->memtable, prepared->segment);
    }
    replayed_free(prepared);
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

enum lsmkv_status replay_settle(struct replay *replay, bool *settled, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    *settled = replay->prepared != NULL;
    for (struct replayed *prepared = replay->prepared; !status && prepared; prepared = prepared->next) {
        if (!prepared->default_commit)
            continue;
        replay->sequence++;
        status = add_entries(replay, slice_of_buf(&prepared->entries), replay->sequence, prepared->offset, err);
    }
    return status;
}
