/*
 * test_wal_reader.c - replay: torn tails, damage, promises, headers that are missing or wrong, hostile bytes.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "support/fault_fs.h"
#include "support/log_file.h"
#include "wal/frame.h"

#define MIB ((size_t)1 << 20)

static struct lsmkv_error err;

/* A segment as a writer left it, and what was written. */
struct segment {
    struct os_fs *fs;
    struct log_records written;
    struct log_records records; /* of the last replay */
    struct wal_segment_end end;
    struct lsmkv_buf bytes; /* of the file, preallocated zeros included */
    uint64_t length;
};

/* Records of these sizes; each carries as synced-up-to what was written before it, or nothing. */
static void setup(struct segment *segment, const size_t *sizes, size_t count, bool synced)
{
    struct wal_writer *writer;

    memset(segment, 0, sizeof(*segment));
    segment->fs = os_memory_fs_new();
    log_make_dirs(segment->fs);
    writer = log_start(segment->fs);
    for (size_t i = 0; i < count; i++)
        log_append(writer, 1 + i, sizes[i], synced ? wal_writer_length(writer) : 0, &segment->written);
    segment->length = wal_writer_length(writer);
    assert_ok(wal_writer_close(writer, &err), &err);
    log_read(segment->fs, &segment->bytes);
}

static void teardown(struct segment *segment)
{
    log_records_release(&segment->written);
    log_records_release(&segment->records);
    lsmkv_buf_release(&segment->bytes);
    os_memory_fs_free(segment->fs);
}

static enum lsmkv_status replay(struct segment *segment, uint64_t promised)
{
    return log_replay(segment->fs, promised, &segment->records, &segment->end, &err);
}

static void assert_replays(struct segment *segment, size_t records, bool clean)
{
    uint64_t length = records < segment->written.count ? segment->written.all[records].offset : segment->length;

    assert_ok(replay(segment, 0), &err);
    assert_int_equal(segment->records.count, records);
    assert_true(log_is_prefix(&segment->records, &segment->written));
    assert_true(segment->end.started);
    assert_int_equal(segment->end.length, length);
    assert_int_equal(segment->end.clean, clean);
}

static void wal_replay_of_a_whole_segment_is_clean(void **state)
{
    static const size_t sizes[] = {10, 0, 70000};
    struct segment segment;

    (void)state;
    setup(&segment, sizes, 3, true);
    assert_replays(&segment, 3, true);
    assert_int_equal(segment.end.header.salt, log_header().salt);
    assert_int_equal(segment.end.header.predecessor, 2);
    assert_int_equal(segment.end.header.predecessor_length, 4096);
    assert_true(segment.end.header.length_promised);
    /* Also when the file ends with the last frame, or just before the zeros that fill it up. */
    log_replace(segment.fs, segment.bytes.data, segment.length);
    assert_replays(&segment, 3, true);
    teardown(&segment);
}

static void wal_replay_of_a_header_alone_is_empty(void **state)
{
    struct segment segment;

    (void)state;
    setup(&segment, NULL, 0, true);
    assert_replays(&segment, 0, true);
    assert_int_equal(segment.end.length, WAL_HEADER_SIZE);
    log_replace(segment.fs, segment.bytes.data, WAL_HEADER_SIZE);
    assert_replays(&segment, 0, true);
    teardown(&segment);
}

static void wal_replay_crosses_the_chunks_of_its_reading(void **state)
{
    uint64_t random = test_seed();
    struct segment segment;
    size_t sizes[300];

    (void)state;
    for (size_t i = 0; i < 300; i++)
        sizes[i] = test_random(&random) % (i % 10 ? 5000 : 150000);
    setup(&segment, sizes, 300, true);
    assert_replays(&segment, 300, true);
    teardown(&segment);
}

/* ---- The torn tail ---- */

static void wal_replay_stops_at_a_record_torn_at_any_byte(void **state)
{
    static const size_t sizes[] = {20, 33, 61};
    struct segment segment;
    uint64_t last, cut;

    (void)state;
    setup(&segment, sizes, 3, true);
    last = segment.written.all[2].offset;
    for (cut = last; cut < last + WAL_FRAME_HEADER + sizes[2]; cut++) {
        bool clean = cut == last;

        /* The file ends there. */
        log_replace(segment.fs, segment.bytes.data, cut);
        assert_replays(&segment, 2, clean);
        /* Or zeros follow, as preallocation leaves them. */
        log_replace(segment.fs, segment.bytes.data, segment.bytes.size);
        log_patch(segment.fs, cut, segment.bytes.data + segment.length, segment.length - cut);
        assert_replays(&segment, 2, clean);
        /* Or only what lies behind was written. */
        log_replace(segment.fs, segment.bytes.data, segment.bytes.size);
        log_patch(segment.fs, last, segment.bytes.data + segment.length, cut - last);
        assert_replays(&segment, clean ? 3 : 2, clean);
    }
    teardown(&segment);
}

static void wal_replay_drops_a_record_that_lacks_its_last_part(void **state)
{
    static const size_t sizes[] = {100, 2 * MIB + 10};
    struct segment segment;
    uint64_t second, part = wal_frame_size(MIB);

    (void)state;
    setup(&segment, sizes, 2, true);
    second = segment.written.all[1].offset;
    for (int parts = 0; parts <= 2; parts++) {
        log_replace(segment.fs, segment.bytes.data, second + (uint64_t)parts * part);
        assert_replays(&segment, 1, parts == 0);
    }
    /* A part in the middle is missing, though the last is there: it was written with the same synced-up-to. */
    log_replace(segment.fs, segment.bytes.data, segment.bytes.size);
    log_patch(segment.fs, second + part, segment.bytes.data + segment.length, 1000);
    assert_replays(&segment, 1, false);
    teardown(&segment);
}

/* ---- Damage ---- */

static void flip(struct segment *segment, uint64_t offset, unsigned bit)
{
    uint8_t byte = segment->bytes.data[offset] ^ (uint8_t)(1u << bit);

    log_patch(segment->fs, offset, &byte, 1);
}

static void unflip(struct segment *segment, uint64_t offset)
{
    log_patch(segment->fs, offset, segment->bytes.data + offset, 1);
}

/* Bytes that fill a frame up to a multiple of 8 are nobody's. */
static bool is_padding(const struct segment *segment, uint64_t offset)
{
    for (size_t i = 0; i < segment->written.count; i++) {
        const struct log_record *record = &segment->written.all[i];
        uint64_t end = record->offset + WAL_FRAME_HEADER + record->payload.size;

        if (offset >= end && offset < record->offset + wal_frame_size(record->payload.size))
            return true;
    }
    return false;
}

/*
 * Every bit of a segment whose last record was made when the others were durable: damage to those and to the header is
 * an error, to the last one a torn tail.
 */
static void wal_replay_reports_any_flipped_bit_before_what_was_synced(void **state)
{
    static const size_t sizes[] = {20, 25, 3}; /* the last frame is at an odd multiple of 8 */
    struct segment segment;
    uint64_t last;

    (void)state;
    setup(&segment, sizes, 3, true);
    log_replace(segment.fs, segment.bytes.data, segment.length + 64);
    last = segment.written.all[2].offset;
    for (uint64_t at = 0; at < segment.length; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            flip(&segment, at, bit);
            if (is_padding(&segment, at))
                assert_replays(&segment, 3, true);
            else if (at >= last)
                assert_replays(&segment, 2, false);
            else
                assert_fails(replay(&segment, 0), LSMKV_CORRUPT, &err, LOG_PATH);
            assert_true(log_is_prefix(&segment.records, &segment.written));
        }
        unflip(&segment, at);
    }
    teardown(&segment);
}

static void wal_replay_names_the_offset_of_the_damage(void **state)
{
    static const size_t sizes[] = {24, 24, 24};
    struct segment segment;

    (void)state;
    setup(&segment, sizes, 3, true);
    flip(&segment, 80 + 64 + 50, 3);
    assert_fails(replay(&segment, 0), LSMKV_CORRUPT, &err, LOG_PATH ": damaged at offset 144");
    assert_int_equal(segment.records.count, 1);
    teardown(&segment);
}

/* Without a sync in between nothing tells damage from records that reached the disk in another order. */
static void wal_replay_takes_unsynced_damage_for_a_torn_tail(void **state)
{
    static const size_t sizes[] = {24, 24, 24, 24};
    struct segment segment;

    (void)state;
    setup(&segment, sizes, 4, false);
    for (size_t i = 0; i < 4; i++) {
        flip(&segment, segment.written.all[i].offset + 45, 1);
        assert_replays(&segment, i, false);
        unflip(&segment, segment.written.all[i].offset + 45);
    }
    teardown(&segment);
}

/* A later frame that was made when all before the damage was durable, and no more. */
static void wal_replay_takes_damage_beyond_the_last_sync_for_a_torn_tail(void **state)
{
    struct segment segment;
    struct wal_writer *writer;
    uint64_t synced;

    (void)state;
    setup(&segment, NULL, 0, true);
    assert_replays(&segment, 0, true);
    assert_ok(wal_writer_resume(&writer, segment.fs, LOG_DIR, &segment.end.header, segment.end.length,
                                segment.end.previous, &err),
              &err);
    log_append(writer, 1, 24, 0, &segment.written);
    synced = wal_writer_length(writer);
    log_append(writer, 2, 24, synced, &segment.written);
    log_append(writer, 3, 24, synced, &segment.written);
    segment.length = wal_writer_length(writer);
    assert_ok(wal_writer_close(writer, &err), &err);
    log_read(segment.fs, &segment.bytes);
    flip(&segment, synced + 40, 0);
    assert_replays(&segment, 1, false);
    unflip(&segment, synced + 40);
    flip(&segment, synced - 1, 0);
    assert_status(replay(&segment, 0), LSMKV_CORRUPT, &err);
    teardown(&segment);
}

static void wal_replay_finds_the_proof_far_behind_the_damage(void **state)
{
    static const size_t sizes[] = {24, 6 * MIB, 24};
    struct segment segment;

    (void)state;
    setup(&segment, sizes, 3, true);
    flip(&segment, 80 + 41, 1);
    assert_status(replay(&segment, 0), LSMKV_CORRUPT, &err);
    /* With the second record gone too, only the third shows it, over megabytes of zeros. */
    log_replace(segment.fs, segment.bytes.data, segment.bytes.size);
    flip(&segment, 80 + 41, 1);
    for (uint64_t at = 80 + 64; at < segment.written.all[2].offset; at += 65536) {
        static const uint8_t zeros[65536];
        uint64_t left = segment.written.all[2].offset - at;

        log_patch(segment.fs, at, zeros, left < sizeof(zeros) ? left : sizeof(zeros));
    }
    assert_fails(replay(&segment, 0), LSMKV_CORRUPT, &err, "damaged at offset 80");
    teardown(&segment);
}

static void wal_replay_reports_what_is_missing_of_a_promise(void **state)
{
    static const size_t sizes[] = {24, 24, 24};
    struct segment segment;

    (void)state;
    setup(&segment, sizes, 3, false);
    assert_ok(replay(&segment, segment.length), &err);
    assert_status(replay(&segment, segment.length + 8), LSMKV_CORRUPT, &err);
    flip(&segment, segment.written.all[1].offset, 0);
    assert_ok(replay(&segment, segment.written.all[1].offset), &err);
    assert_fails(replay(&segment, segment.written.all[2].offset), LSMKV_CORRUPT, &err,
                 LOG_PATH ": damaged at offset 144");
    log_replace(segment.fs, segment.bytes.data, segment.written.all[1].offset);
    assert_ok(replay(&segment, segment.written.all[1].offset), &err);
    assert_status(replay(&segment, segment.written.all[2].offset), LSMKV_CORRUPT, &err);
    teardown(&segment);
}

/* ---- Headers ---- */

static void assert_not_started(struct segment *segment)
{
    assert_ok(replay(segment, 0), &err);
    assert_false(segment->end.started);
    assert_int_equal(segment->end.length, 0);
    assert_int_equal(segment->records.count, 0);
    assert_fails(replay(segment, 80), LSMKV_CORRUPT, &err, LOG_PATH);
}

static void wal_replay_knows_a_segment_that_was_never_started(void **state)
{
    static const uint8_t zeros[4096];
    struct segment segment;

    (void)state;
    setup(&segment, NULL, 0, true);
    for (size_t cut = 0; cut < WAL_HEADER_SIZE; cut++) {
        log_replace(segment.fs, segment.bytes.data, cut);
        assert_not_started(&segment);
        log_replace(segment.fs, zeros, sizeof(zeros));
        log_patch(segment.fs, 0, segment.bytes.data, cut);
        assert_not_started(&segment);
        assert_ok(replay(&segment, 0), &err);
        assert_int_equal(segment.end.clean, cut == 0);
    }
    log_replace(segment.fs, zeros, 0);
    assert_not_started(&segment);
    teardown(&segment);
}

/* A header that reached the disk in part is followed by nothing. One that lost its last bytes is followed by records. */
static void wal_replay_tells_a_damaged_header_from_a_torn_one(void **state)
{
    static const size_t sizes[] = {24};
    static const uint8_t zeros[8];
    struct segment segment;

    (void)state;
    setup(&segment, sizes, 1, true);
    for (size_t there = 1; there < 8; there++) {
        log_patch(segment.fs, 72 + there, zeros, 8 - there);
        assert_fails(replay(&segment, 0), LSMKV_CORRUPT, &err, LOG_PATH);
        log_patch(segment.fs, 72, segment.bytes.data + 72, 8);
    }
    assert_replays(&segment, 1, true);
    teardown(&segment);
}

static void wal_replay_refuses_the_header_of_another_segment(void **state)
{
    struct wal_header header = log_header();
    uint8_t bytes[WAL_HEADER_SIZE];
    struct segment segment;
    uint64_t checksum;

    (void)state;
    setup(&segment, NULL, 0, true);
    header.segment = 77;
    wal_header_put(bytes, &header, &checksum);
    log_patch(segment.fs, 0, bytes, sizeof(bytes));
    assert_fails(replay(&segment, 0), LSMKV_CORRUPT, &err, "segment 77");
    teardown(&segment);
}

/* ---- Frames that a writer does not make ---- */

/* Appends a valid frame at the end of the log; returns its checksum. */
static void forge(struct segment *segment, uint64_t *at, uint64_t *previous, struct wal_frame frame)
{
    struct wal_header header = log_header();
    uint8_t bytes[WAL_FRAME_HEADER + 8];

    memset(bytes, 'f', sizeof(bytes));
    frame.length = 8;
    frame.previous = *previous;
    wal_frame_put(bytes, &frame, wal_frame_seed(&header, *at));
    log_patch(segment->fs, *at, bytes, sizeof(bytes));
    *at += sizeof(bytes);
    *previous = frame.checksum;
}

static void wal_replay_refuses_a_part_of_another_record(void **state)
{
    static const struct wal_frame seconds[] = {{.type = WAL_COMMIT, .last = true, .sequence = 9},
                                               {.type = WAL_PREPARE, .last = true, .sequence = 8}};
    const struct wal_frame first = {.type = WAL_COMMIT, .sequence = 8};
    struct segment segment;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint64_t at, previous;

        setup(&segment, NULL, 0, true);
        assert_replays(&segment, 0, true);
        at = segment.length;
        previous = segment.end.previous;
        forge(&segment, &at, &previous, first);
        forge(&segment, &at, &previous, seconds[i]);
        assert_fails(replay(&segment, 0), LSMKV_CORRUPT, &err, "offset 128");
        assert_int_equal(segment.records.count, 0);
        teardown(&segment);
    }
}

static void wal_replay_refuses_a_frame_that_claims_to_be_durable_itself(void **state)
{
    const struct wal_frame frame = {.type = WAL_COMMIT, .last = true, .sequence = 8, .synced = 81};
    struct segment segment;
    uint64_t at, previous;

    (void)state;
    setup(&segment, NULL, 0, true);
    assert_replays(&segment, 0, true);
    at = segment.length;
    previous = segment.end.previous;
    forge(&segment, &at, &previous, frame);
    assert_fails(replay(&segment, 0), LSMKV_CORRUPT, &err, "offset 80");
    teardown(&segment);
}

static void wal_replay_follows_the_chain_of_checksums(void **state)
{
    const struct wal_frame frame = {.type = WAL_COMMIT, .last = true, .sequence = 8};
    struct segment segment;
    uint64_t at, previous;

    (void)state;
    setup(&segment, NULL, 0, true);
    assert_replays(&segment, 0, true);
    at = segment.length;
    previous = segment.end.previous;
    forge(&segment, &at, &previous, frame);
    assert_ok(replay(&segment, 0), &err);
    assert_int_equal(segment.records.count, 1);
    at = segment.length;
    previous = segment.end.previous + 1;
    forge(&segment, &at, &previous, frame);
    assert_replays(&segment, 0, false);
    teardown(&segment);
}

/* Each 32 bytes of the tail look like the start of a frame of 16 MiB made after a sync. */
static void wal_replay_gives_up_on_a_tail_that_is_all_false_frames(void **state)
{
    const size_t size = 20 * MIB;
    uint8_t *bytes = calloc(1, size);
    struct segment segment;

    (void)state;
    setup(&segment, NULL, 0, true);
    memcpy(bytes, segment.bytes.data, WAL_HEADER_SIZE);
    for (size_t at = 80; at + 32 <= size; at += 32) {
        put_u64(bytes + at, 1);
        put_u32(bytes + at + 8, WAL_PAYLOAD_MAX);
        bytes[at + 12] = WAL_COMMIT;
        put_u64(bytes + at + 24, 88);
    }
    log_replace(segment.fs, bytes, size);
    assert_fails(replay(&segment, 0), LSMKV_CORRUPT, &err, "cannot be judged");
    free(bytes);
    teardown(&segment);
}

static void wal_replay_survives_random_damage_with_right_records_only(void **state)
{
    static const size_t sizes[] = {0, 9, 40, 200, 17};
    size_t rounds = test_scaled(3000);
    uint64_t random = test_seed();
    struct segment segment;

    (void)state;
    setup(&segment, sizes, 5, test_random(&random) % 2);
    for (size_t i = 0; i < rounds; i++) {
        size_t size = segment.length + 100, changes = 1 + test_random(&random) % 4;
        enum lsmkv_status status;

        if (test_random(&random) % 3 == 0)
            size = test_random(&random) % size;
        log_replace(segment.fs, segment.bytes.data, size);
        while (size && changes--) {
            uint64_t word = test_random(&random) % 3 ? test_random(&random) : 0;
            size_t at = test_random(&random) % size, count = 1 + test_random(&random) % 8;

            log_patch(segment.fs, at, &word, count < size - at ? count : size - at);
        }
        status = replay(&segment, 0);
        assert_true(status == LSMKV_OK || status == LSMKV_CORRUPT);
        assert_true(log_is_prefix(&segment.records, &segment.written));
    }
    teardown(&segment);
}

/* ---- Failures around it ---- */

static enum lsmkv_status refuse(void *context, const struct wal_record *record, struct lsmkv_error *error)
{
    size_t *count = context;

    (void)error;
    (*count)++;
    return record->sequence == 2 ? LSMKV_TOOBIG : LSMKV_OK;
}

static void wal_replay_returns_the_failure_of_a_visit(void **state)
{
    static const size_t sizes[] = {24, 24, 24};
    struct segment segment;
    size_t count = 0;

    (void)state;
    setup(&segment, sizes, 3, true);
    assert_int_equal(wal_replay(segment.fs, LOG_DIR, LOG_SEGMENT, 0, refuse, &count, &segment.end, &err), LSMKV_TOOBIG);
    assert_int_equal(count, 2);
    teardown(&segment);
}

static void wal_replay_never_takes_a_failed_read_for_the_end(void **state)
{
    static const size_t sizes[] = {24, 2 * MIB, 24};
    struct segment segment;
    struct fault_fs *faults;
    uint64_t reads;

    (void)state;
    setup(&segment, sizes, 3, true);
    faults = fault_fs_new(segment.fs);
    assert_ok(log_replay(fault_fs_os(faults), 0, &segment.records, &segment.end, &err), &err);
    reads = fault_fs_count(faults, FAULT_BIT(FAULT_READ), NULL);
    assert_true(reads > 3);
    for (uint64_t nth = 1; nth <= reads; nth++) {
        struct fault_rule rule = {.calls = FAULT_BIT(FAULT_READ), .nth = nth, .status = LSMKV_IO};

        fault_fs_heal(faults);
        fault_fs_fail(faults, &rule);
        assert_status(log_replay(fault_fs_os(faults), 0, &segment.records, &segment.end, &err), LSMKV_IO, &err);
    }
    fault_fs_free(faults);
    teardown(&segment);
}

static void wal_replay_without_memory_says_so(void **state)
{
    static const size_t sizes[] = {24, 2 * MIB};
    struct segment segment;
    enum lsmkv_status status;
    uint64_t nth = 0;

    (void)state;
    setup(&segment, sizes, 2, true);
    do {
        log_records_release(&segment.records);
        lsm_alloc_fail_at(++nth, false);
        status = replay(&segment, 0);
        lsm_alloc_fail_at(0, false);
        assert_true(status == LSMKV_OK || status == LSMKV_NOMEM);
    } while (status);
    assert_true(nth > 4);
    assert_int_equal(segment.records.count, 2);
    teardown(&segment);
}

static void wal_replay_of_a_missing_segment_fails(void **state)
{
    struct segment segment;

    (void)state;
    setup(&segment, NULL, 0, true);
    assert_ok(os_fs_remove(segment.fs, LOG_PATH, &err), &err);
    assert_int_not_equal(replay(&segment, 0), LSMKV_OK);
    teardown(&segment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wal_replay_of_a_whole_segment_is_clean),
        cmocka_unit_test(wal_replay_of_a_header_alone_is_empty),
        cmocka_unit_test(wal_replay_crosses_the_chunks_of_its_reading),
        cmocka_unit_test(wal_replay_stops_at_a_record_torn_at_any_byte),
        cmocka_unit_test(wal_replay_drops_a_record_that_lacks_its_last_part),
        cmocka_unit_test(wal_replay_reports_any_flipped_bit_before_what_was_synced),
        cmocka_unit_test(wal_replay_names_the_offset_of_the_damage),
        cmocka_unit_test(wal_replay_takes_unsynced_damage_for_a_torn_tail),
        cmocka_unit_test(wal_replay_takes_damage_beyond_the_last_sync_for_a_torn_tail),
        cmocka_unit_test(wal_replay_finds_the_proof_far_behind_the_damage),
        cmocka_unit_test(wal_replay_reports_what_is_missing_of_a_promise),
        cmocka_unit_test(wal_replay_knows_a_segment_that_was_never_started),
        cmocka_unit_test(wal_replay_tells_a_damaged_header_from_a_torn_one),
        cmocka_unit_test(wal_replay_refuses_the_header_of_another_segment),
        cmocka_unit_test(wal_replay_refuses_a_part_of_another_record),
        cmocka_unit_test(wal_replay_refuses_a_frame_that_claims_to_be_durable_itself),
        cmocka_unit_test(wal_replay_follows_the_chain_of_checksums),
        cmocka_unit_test(wal_replay_gives_up_on_a_tail_that_is_all_false_frames),
        cmocka_unit_test(wal_replay_survives_random_damage_with_right_records_only),
        cmocka_unit_test(wal_replay_returns_the_failure_of_a_visit),
        cmocka_unit_test(wal_replay_never_takes_a_failed_read_for_the_end),
        cmocka_unit_test(wal_replay_without_memory_says_so),
        cmocka_unit_test(wal_replay_of_a_missing_segment_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
