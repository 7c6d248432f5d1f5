/*
 * reader.c - replays one segment.
 *
 * Reads forward frame by frame, joins parts, and where the frames end judges the rest of the file by the rule of the
 * tail. The file is untrusted: every length is checked against what the file holds before it is used, and the search for
 * later frames is bounded, since a hostile tail could make each of its words look like the start of a large one.
 */
#include "wal/reader.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/checksum.h"
#include "base/error.h"
#include "wal/frame.h"
#include "wal/window.h"

#define SCAN_BLOCK  4096       /* bytes looked at together in a tail that is mostly zeros */
#define SCAN_BUDGET (1u << 30) /* bytes of payload that the search for later frames verifies at most */

typedef enum lsmkv_status visit_record(void *context, const struct wal_record *record, struct lsmkv_error *err);

struct replay {
    struct window window;
    const char *path;
    uint64_t segment;
    uint64_t promised;
    visit_record *visit;
    void *context;
    struct lsmkv_buf joined; /* parts of a record that has several */
    uint64_t offset;         /* of the next frame */
    uint64_t previous;       /* checksum of the frame before it */
    uint64_t scan_left;      /* bytes left of SCAN_BUDGET */
    struct wal_segment_end *end;
};

static bool zeros(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Whether the file holds nothing but zeros from `offset` on. */
static enum lsmkv_status rest_is_zeros(struct replay *replay, uint64_t offset, bool *result, struct lsmkv_error *err)
{
    const uint8_t *bytes;

    *result = true;
    while (*result && offset < replay->window.size) {
        uint64_t left = replay->window.size - offset;
        size_t size = left < SCAN_BLOCK ? (size_t)left : SCAN_BLOCK;
        enum lsmkv_status status = window_get(&replay->window, offset, size, &bytes, err);

        if (status)
            return status;
        *result = zeros(bytes, size);
        offset += size;
    }
    return LSMKV_OK;
}

/*
 * Whether the write of the header stopped before its end: what is there of its checksum is right, the rest is zeros.
 * `*bytes_of_checksum` says how much is there.
 */
static bool header_is_torn(const uint8_t *bytes, size_t *bytes_of_checksum)
{
    uint8_t right[8];
    size_t there = sizeof(right);

    put_u64(right, checksum64(slice_of(bytes, WAL_HEADER_SIZE - sizeof(right))));
    bytes += WAL_HEADER_SIZE - sizeof(right);
    if (memcmp(bytes, right, sizeof(right)) == 0)
        return false;
    while (there && bytes[there - 1] == 0)
        there--;
    *bytes_of_checksum = there;
    return there < sizeof(right) && memcmp(bytes, right, there) == 0;
}

/* Whether the header is there: not if it is zeros or torn. */
static enum lsmkv_status find_header(struct replay *replay, bool *started, struct lsmkv_error *err)
{
    const uint8_t *bytes;
    size_t there = 0;
    bool nothing_follows;
    enum lsmkv_status status;

    *started = false;
    if (replay->window.size < WAL_HEADER_SIZE)
        return LSMKV_OK;
    status = window_get(&replay->window, 0, WAL_HEADER_SIZE, &bytes, err);
    if (status || zeros(bytes, WAL_HEADER_SIZE))
        return status;
    *started = !header_is_torn(bytes, &there);
    if (*started || there == 0)
        return LSMKV_OK;
    /* With frames after it, a header that lacks only the end of its checksum was damaged and not torn. */
    status = rest_is_zeros(replay, WAL_HEADER_SIZE, &nothing_follows, err);
    *started = !nothing_follows;
    return status;
}

static enum lsmkv_status read_header(struct replay *replay, struct lsmkv_error *err)
{
    struct wal_segment_end *end = replay->end;
    const uint8_t *bytes;
    enum lsmkv_status status = find_header(replay, &end->started, err);

    if (status)
        return status;
    if (!end->started && replay->promised)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: no header at offset 0, but %" PRIu64 " bytes were made durable",
                          replay->path, replay->promised);
    if (!end->started)
        return rest_is_zeros(replay, 0, &end->clean, err);
    status = window_get(&replay->window, 0, WAL_HEADER_SIZE, &bytes, err);
    if (status)
        return status;
    status = wal_header_get(bytes, replay->path, &end->header, &replay->previous, err);
    if (status)
        return status;
    if (end->header.segment != replay->segment)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: the header at offset 0 is that of segment %" PRIu64, replay->path,
                          end->header.segment);
    replay->offset = WAL_HEADER_SIZE;
    end->length = replay->offset;
    end->previous = replay->previous;
    return LSMKV_OK;
}

/* Reads the frame at `offset` if a valid one is there; its place in the chain is not looked at. */
static enum lsmkv_status read_frame(struct replay *replay, uint64_t offset, struct wal_frame *frame, bool *valid,
                                    struct lsmkv_slice *payload, struct lsmkv_error *err)
{
    struct window *window = &replay->window;
    const uint8_t *bytes;
    enum lsmkv_status status;

    *valid = false;
    if (offset > window->size || window->size - offset < WAL_FRAME_HEADER)
        return LSMKV_OK;
    status = window_get(window, offset, WAL_FRAME_HEADER, &bytes, err);
    if (status)
        return status;
    if (!wal_frame_get(bytes, frame) || frame->length > window->size - offset - WAL_FRAME_HEADER)
        return LSMKV_OK;
    status = window_get(window, offset, WAL_FRAME_HEADER + (size_t)frame->length, &bytes, err);
    if (status)
        return status;
    *valid = wal_frame_matches(bytes, frame, wal_frame_seed(&replay->end->header, offset));
    *payload = slice_of(bytes + WAL_FRAME_HEADER, frame->length);
    return LSMKV_OK;
}

/* Takes the valid frame at the present offset into `record`: its first part if that has no type yet. */
static enum lsmkv_status take_frame(struct replay *replay, const struct wal_frame *frame, struct lsmkv_slice payload,
                                    struct wal_record *record, struct lsmkv_error *err)
{
    bool first = replay->offset == record->offset;
    enum lsmkv_status status;

    if (first) {
        record->type = frame->type;
        record->sequence = frame->sequence;
        buf_clear(&replay->joined);
    } else if (frame->type != record->type || frame->sequence != record->sequence) {
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: the frame at offset %" PRIu64 " does not continue its record",
                          replay->path, replay->offset);
    }
    /* Or it could pass for proof of damage once a later log has overwritten the start of its record. */
    if (frame->synced > record->offset)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: the frame at offset %" PRIu64 " claims that itself was durable",
                          replay->path, replay->offset);
    record->payload = payload;
    if (!first || !frame->last) {
        status = buf_append(&replay->joined, payload.data, payload.size, err);
        if (status)
            return status;
        record->payload = slice_of_buf(&replay->joined);
    }
    replay->offset += wal_frame_size(frame->length);
    replay->previous = frame->checksum;
    return LSMKV_OK;
}

/* Reads one record; `*whole` is false where the valid frames end before it does. */
static enum lsmkv_status read_record(struct replay *replay, struct wal_record *record, bool *whole,
                                     struct lsmkv_error *err)
{
    struct lsmkv_slice payload;
    struct wal_frame frame;
    bool valid;
    enum lsmkv_status status;

    *whole = false;
    record->offset = replay->offset;
    do {
        status = read_frame(replay, replay->offset, &frame, &valid, &payload, err);
        if (status)
            return status;
        if (!valid || frame.previous != replay->previous)
            return LSMKV_OK;
        status = take_frame(replay, &frame, payload, record, err);
        if (status)
            return status;
    } while (!frame.last);
    *whole = true;
    return LSMKV_OK;
}

static enum lsmkv_status visit_records(struct replay *replay, struct lsmkv_error *err)
{
    struct wal_record record = {.version = replay->end->header.version};
    bool whole;
    enum lsmkv_status status;

    for (;;) {
        status = read_record(replay, &record, &whole, err);
        if (status || !whole)
            return status;
        status = replay->visit(replay->context, &record, err);
        if (status)
            return status;
        replay->end->length = replay->offset;
        replay->end->previous = replay->previous;
    }
}

/* CORRUPT if a valid frame at `offset` was made when more than the bad offset was durable already. */
static enum lsmkv_status look_for_proof(struct replay *replay, uint64_t offset, struct lsmkv_error *err)
{
    struct window *window = &replay->window;
    struct lsmkv_slice payload;
    struct wal_frame frame;
    const uint8_t *bytes;
    bool valid;
    enum lsmkv_status status;

    if (offset <= replay->offset || window->size - offset < WAL_FRAME_HEADER)
        return LSMKV_OK;
    status = window_get(window, offset, WAL_FRAME_HEADER, &bytes, err);
    if (status)
        return status;
    /* Nothing beyond its own start can have been durable when a frame was made. */
    if (!wal_frame_get(bytes, &frame) || frame.synced <= replay->offset || frame.synced > offset)
        return LSMKV_OK;
    if (frame.length > replay->scan_left)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: damaged at offset %" PRIu64 ", and what follows cannot be judged",
                          replay->path, replay->offset);
    replay->scan_left -= frame.length;
    status = read_frame(replay, offset, &frame, &valid, &payload, err);
    if (status || !valid)
        return status;
    return lsmkv_fail(err, LSMKV_CORRUPT,
                      "%s: damaged at offset %" PRIu64 ": the frame at offset %" PRIu64 " shows that %" PRIu64
                      " bytes had been made durable",
                      replay->path, replay->offset, offset, frame.synced);
}

/* The rule of the tail: replay->offset is where the valid frames ended. */
static enum lsmkv_status judge_tail(struct replay *replay, struct lsmkv_error *err)
{
    struct wal_segment_end *end = replay->end;
    uint64_t block, offset;
    const uint8_t *bytes;
    enum lsmkv_status status;

    if (end->length < replay->promised)
        return lsmkv_fail(err, LSMKV_CORRUPT,
                          "%s: damaged at offset %" PRIu64 ": %" PRIu64 " bytes had been made durable", replay->path,
                          replay->offset, replay->promised);
    end->clean = true;
    replay->scan_left = SCAN_BUDGET;
    for (block = end->length; block < replay->window.size; block += SCAN_BLOCK) {
        uint64_t left = replay->window.size - block;
        size_t size = left < SCAN_BLOCK ? (size_t)left : SCAN_BLOCK;

        status = window_get(&replay->window, block, size, &bytes, err);
        if (status)
            return status;
        if (zeros(bytes, size))
            continue;
        end->clean = false;
        for (offset = block; offset < block + size; offset += 8) {
            status = look_for_proof(replay, offset, err);
            if (status)
                return status;
        }
    }
    return LSMKV_OK;
}

enum lsmkv_status wal_replay(struct os_fs *fs, const char *dir, uint64_t segment, uint64_t promised,
                             visit_record *visit, void *context, struct wal_segment_end *end, struct lsmkv_error *err)
{
    struct replay replay = {
        .segment = segment, .promised = promised, .visit = visit, .context = context, .joined = LSMKV_BUF_INIT};
    struct os_file *file = NULL;
    char *path = wal_path(dir, segment);
    enum lsmkv_status status;

    memset(end, 0, sizeof(*end));
    replay.end = end;
    replay.path = path;
    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_open(fs, path, OS_READ, &file, err);
    if (status)
        goto done;
    status = window_init(&replay.window, file, err);
    if (status)
        goto done;
    status = read_header(&replay, err);
    if (status || !end->started)
        goto done;
    status = visit_records(&replay, err);
    if (status)
        goto done;
    status = judge_tail(&replay, err);

done:
    window_release(&replay.window);
    lsmkv_buf_release(&replay.joined);
    if (file)
        os_close(file, NULL); /* it was only read */
    lsm_free(path);
    return status;
}
