/*
 * fuzz_wal.c - replays hostile segments: no crash, only the failures that are promised, and a log that goes on.
 *
 * The first byte of the input says how much of the rest is made consistent first, since no fuzzer guesses a checksum:
 * bit 0 the header, bit 1 the chain and checksums of frames as their lengths lead through the file. The rest is the file.
 * What the log's reader lets pass goes on to recovery: commits, prepared transactions with what they have read, outcomes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/checksum.h"
#include "os/fs.h"
#include "store/replay.h"
#include "wal/frame.h"
#include "wal/reader.h"
#include "wal/writer.h"

#define DIRECTORY "d"
#define SEGMENT   1
#define PATH      DIRECTORY "/wal/000001.wal"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void seal_header(uint8_t *bytes)
{
    memcpy(bytes, "lsmkvWAL", 8);
    put_u64(bytes + 16, SEGMENT);
    put_u64(bytes + 72, checksum64(slice_of(bytes, 72)));
}

static void seal_frames(uint8_t *bytes, size_t size)
{
    struct wal_header header = {.segment = SEGMENT, .salt = get_u64(bytes + 24)};
    uint64_t previous = get_u64(bytes + 72);
    size_t at = WAL_HEADER_SIZE;
    struct wal_frame frame;

    while (at <= size && size - at >= WAL_FRAME_HEADER && wal_frame_get(bytes + at, &frame) &&
           frame.length <= size - at - WAL_FRAME_HEADER) {
        frame.previous = previous;
        wal_frame_put(bytes + at, &frame, wal_frame_seed(&header, at));
        previous = frame.checksum;
        at += wal_frame_size(frame.length);
    }
}

/* Touches every byte, so that a sanitizer sees a bad slice. */
static uint64_t sum(struct lsmkv_slice bytes)
{
    uint64_t total = 0;

    for (size_t i = 0; i < bytes.size; i++)
        total += bytes.data[i];
    return total;
}

static enum lsmkv_status visit(void *context, const struct wal_record *record, struct lsmkv_error *err)
{
    uint64_t *records = context;

    (void)err;
    (*records)++;
    return sum(record->payload) == UINT64_MAX ? LSMKV_INTERRUPTED : LSMKV_OK;
}

static void write_file(struct os_fs *fs, const uint8_t *bytes, size_t size)
{
    struct os_file *file = NULL;

    require(!os_fs_make_dir(fs, DIRECTORY, NULL) && !os_fs_make_dir(fs, DIRECTORY "/wal", NULL));
    require(!os_fs_open(fs, PATH, OS_CREATE_NEW, &file, NULL));
    require(size == 0 || !os_write(file, 0, bytes, size, NULL));
    require(!os_close(file, NULL));
}

/* A log that replayed takes one more record, and replays again with it. */
static void go_on(struct os_fs *fs, const struct wal_segment_end *end, uint64_t records)
{
    struct wal_writer *writer = NULL;
    struct wal_segment_end again;
    uint64_t count = 0, length;

    require(!wal_writer_resume(&writer, fs, DIRECTORY, &end->header, end->length, end->previous, NULL));
    require(!wal_writer_begin(writer, WAL_ABORT, 7, 8, end->length, NULL));
    require(!wal_writer_data(writer, "12345678", 8, NULL) && !wal_writer_end(writer, NULL));
    length = wal_writer_length(writer);
    require(!wal_writer_close(writer, NULL));
    require(!wal_replay(fs, DIRECTORY, SEGMENT, length, visit, &count, &again, NULL));
    require(count == records + 1 && again.length == length);
}

/* ---- Recovery ---- */

static enum lsmkv_status touch_read(void *context, struct lsmkv_slice lower, struct lsmkv_slice upper, bool key,
                                    struct lsmkv_error *err)
{
    (void)err;
    *(uint64_t *)context += sum(lower) + (key ? 0 : sum(upper));
    return LSMKV_OK;
}

static void touch_undecided(const struct replayed *replayed)
{
    struct batch *batch = NULL;
    struct read_set *reads = NULL;
    uint64_t total = 0;
    enum lsmkv_status status = replay_undecided(replayed, &batch, &reads, NULL);

    require(!status || status == LSMKV_TOOBIG);
    if (!status)
        require(!read_set_each(reads, touch_read, &total, NULL) && total != UINT64_MAX);
    batch_unref(batch);
    read_set_free(reads);
}

static void touch_memtable(struct memtable *memtable)
{
    struct iter *iter = NULL;
    uint64_t total = 0;

    require(!memtable_iter_new(&iter, memtable, UINT64_MAX, NULL) && !iter_first(iter, NULL));
    while (iter_valid(iter)) {
        total += sum(iter_entry(iter)->key) + sum(iter_entry(iter)->value);
        require(total != UINT64_MAX && !iter_next(iter, NULL));
    }
    iter_free(iter);
}

/* The reader has accepted the segment. */
static void recover(struct os_fs *fs)
{
    struct replay replay = {.path = PATH, .segment = SEGMENT};
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct wal_segment_end end;
    enum lsmkv_status status;
    bool settled;

    require(!memtable_new(&replay.memtable, SEGMENT, NULL));
    status = wal_replay(fs, DIRECTORY, SEGMENT, 0, replay_record, &replay, &end, &err);
    if (!status)
        status = replay_settle(&replay, &settled, &err);
    require(status == LSMKV_OK || (status == LSMKV_CORRUPT && strstr(err.message, PATH)));
    for (const struct replayed *at = replay.prepared; !status && at; at = at->next)
        touch_undecided(at);
    touch_memtable(replay.memtable);
    replay_release(&replay);
    memtable_unref(replay.memtable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct os_fs *fs = os_memory_fs_new();
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct wal_segment_end end;
    uint64_t records = 0;
    enum lsmkv_status status;
    uint8_t *bytes = malloc(size + 1);

    require(fs && bytes);
    if (size)
        memcpy(bytes, data, size);
    if (size > WAL_HEADER_SIZE && (bytes[0] & 1))
        seal_header(bytes + 1);
    if (size > WAL_HEADER_SIZE && (bytes[0] & 2))
        seal_frames(bytes + 1, size - 1);
    write_file(fs, bytes + 1, size ? size - 1 : 0);
    status = wal_replay(fs, DIRECTORY, SEGMENT, 0, visit, &records, &end, &err);
    require(status == LSMKV_OK || status == LSMKV_CORRUPT || status == LSMKV_CANTOPEN);
    require(status == LSMKV_OK || strstr(err.message, PATH));
    if (!status)
        recover(fs);
    if (!status && end.started)
        go_on(fs, &end, records);
    os_memory_fs_free(fs);
    free(bytes);
    return 0;
}
