/*
 * test_wal_writer.c - records to the file: their frames, reservation of space, failures that last and one that does not,
 * resuming, and syncing while another thread appends.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "support/fault_fs.h"
#include "support/log_file.h"
#include "wal/frame.h"

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)

static struct lsmkv_error err;

struct disk {
    struct os_fs *memory;
    struct fault_fs *faults;
    struct os_fs *fs;
};

static void setup(struct disk *disk)
{
    disk->memory = os_memory_fs_new();
    disk->faults = fault_fs_new(disk->memory);
    disk->fs = fault_fs_os(disk->faults);
    log_make_dirs(disk->fs);
}

static void teardown(struct disk *disk)
{
    fault_fs_free(disk->faults);
    os_memory_fs_free(disk->memory);
}

static void add_fault(struct disk *disk, enum fault_call call, enum lsmkv_status status, enum fault_effect effect,
                      bool forever)
{
    struct fault_rule rule = {.calls = FAULT_BIT(call), .forever = forever, .status = status, .effect = effect};

    fault_fs_fail(disk->faults, &rule);
}

static uint64_t file_size(struct disk *disk)
{
    enum os_kind kind;
    uint64_t size;

    assert_ok(os_fs_kind(disk->fs, LOG_PATH, &kind, &size, &err), &err);
    return kind == OS_REGULAR ? size : 0;
}

/* Replays and compares with all that was written. */
static void check_file(struct disk *disk, const struct log_records *written, uint64_t length, bool clean)
{
    struct log_records records = LOG_RECORDS_INIT;
    struct wal_segment_end end;

    assert_ok(log_replay(disk->fs, length, &records, &end, &err), &err);
    assert_int_equal(records.count, written->count);
    assert_true(log_is_prefix(&records, written));
    assert_int_equal(end.length, length);
    assert_int_equal(end.clean, clean);
    log_records_release(&records);
}

static void wal_writer_writes_what_the_reader_reads(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 100, 65536, MIB - 1, MIB, MIB + 1, 3 * MIB + 5, 0, 300000};
    struct log_records written = LOG_RECORDS_INIT;
    struct wal_writer *writer;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        log_append(writer, 10 + i, sizes[i], wal_writer_length(writer), &written);
        check_file(&disk, &written, wal_writer_length(writer), true);
    }
    assert_ok(wal_writer_close(writer, &err), &err);
    check_file(&disk, &written, written.all[written.count - 1].offset + wal_frame_size(300000), true);
    log_records_release(&written);
    teardown(&disk);
}

static void wal_writer_chains_frames_in_the_documented_places(void **state)
{
    struct wal_header header = log_header();
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    struct wal_writer *writer;
    struct wal_frame first, second;
    uint64_t checksum;
    uint8_t put[WAL_HEADER_SIZE];
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    log_append(writer, 5, 3, 80, NULL);
    assert_ok(wal_writer_begin(writer, WAL_OUTCOME, 6, 8, 128, &err), &err);
    assert_ok(wal_writer_data(writer, "12345678", 8, &err), &err);
    assert_ok(wal_writer_end(writer, &err), &err);
    log_read(disk.fs, &bytes);
    wal_header_put(put, &header, &checksum);
    assert_memory_equal(bytes.data, put, sizeof(put));
    assert_true(wal_frame_get(bytes.data + 80, &first));
    assert_true(wal_frame_matches(bytes.data + 80, &first, wal_frame_seed(&header, 80)));
    assert_true(first.length == 3 && first.type == WAL_COMMIT && first.last && first.sequence == 5);
    assert_true(first.synced == 80 && first.previous == checksum);
    assert_memory_equal(bytes.data + 123, "\0\0\0\0\0", 5);
    assert_true(wal_frame_get(bytes.data + 128, &second));
    assert_true(wal_frame_matches(bytes.data + 128, &second, wal_frame_seed(&header, 128)));
    assert_true(second.length == 8 && second.type == WAL_OUTCOME && second.sequence == 6);
    assert_true(second.synced == 128 && second.previous == first.checksum);
    assert_memory_equal(bytes.data + 168, "12345678", 8);
    assert_int_equal(wal_writer_length(writer), 176);
    assert_int_equal(wal_writer_previous(writer), second.checksum);
    assert_int_equal(wal_writer_segment(writer), LOG_SEGMENT);
    lsmkv_buf_release(&bytes);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

/* The example of lsm/README.md, byte by byte: the format is fixed, and a change of it is a new version. */
static void wal_writer_makes_the_bytes_of_the_documented_example(void **state)
{
    static const uint8_t expected[200] = {
        0x6c, 0x73, 0x6d, 0x6b, 0x76, 0x57, 0x41, 0x4c, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xed, 0x5e, 0xed, 0x5e, 0xed, 0x5e, 0xed, 0x5e, 0x06, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x60, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x11, 0x12,
        0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0xad, 0x71, 0x2a, 0xbe, 0xe1, 0x05, 0xef, 0x9f, 0xc9, 0x99, 0x87, 0x45, 0x55,
        0xbf, 0xf6, 0x63, 0x19, 0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x29, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xad, 0x71, 0x2a, 0xbe, 0xe1, 0x05, 0xef,
        0x9f, 0x01, 0x09, 0x03, 0x00, 0x00, 0x00, 0x05, 0x61, 0x70, 0x70, 0x6c, 0x65, 0x72, 0x65, 0x64, 0x02,
        0x08, 0x00, 0x00, 0x00, 0x05, 0x70, 0x65, 0x61, 0x72, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x66,
        0x71, 0xba, 0x44, 0x02, 0xaa, 0xfb, 0xcc, 0x08, 0x00, 0x00, 0x00, 0x03, 0x01, 0x00, 0x00, 0x2a, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x98, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc9, 0x99, 0x87,
        0x45, 0x55, 0xbf, 0xf6, 0x63, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    static const struct entry entries[] = {
        {.key = {(const uint8_t *)"\0\0\0\5apple", 9}, .value = {(const uint8_t *)"red", 3}, .kind = ENTRY_PUT},
        {.key = {(const uint8_t *)"\0\0\0\5pear", 8}, .kind = ENTRY_DELETE},
    };
    struct wal_header header = {
        .salt = 0x5eed5eed5eed5eedu, .predecessor = 6, .predecessor_length = 65632, .length_promised = true};
    struct wal_writer *writer = NULL;
    uint8_t bytes[sizeof(expected)];
    struct os_file *file = NULL;
    struct disk disk;

    (void)state;
    setup(&disk);
    for (uint8_t i = 0; i < LSMKV_STORE_ID_SIZE; i++)
        header.store_id[i] = 0x10 + i;
    assert_ok(wal_writer_create(&writer, disk.fs, LOG_DIR, 7, &err), &err);
    assert_ok(wal_writer_start(writer, &header, &err), &err);
    assert_ok(
        wal_writer_begin(writer, WAL_COMMIT, 41, wal_entry_size(&entries[0]) + wal_entry_size(&entries[1]), 0, &err),
        &err);
    assert_ok(wal_writer_entry(writer, &entries[0], &err), &err);
    assert_ok(wal_writer_entry(writer, &entries[1], &err), &err);
    assert_ok(wal_writer_end(writer, &err), &err);
    assert_ok(wal_writer_begin(writer, WAL_OUTCOME, 42, 8, wal_writer_length(writer), &err), &err);
    assert_ok(wal_writer_data(writer, "\3\0\0\0\0\0\0", 8, &err), &err);
    assert_ok(wal_writer_end(writer, &err), &err);
    assert_int_equal(wal_writer_length(writer), sizeof(expected));
    assert_ok(wal_writer_close(writer, &err), &err);
    assert_ok(os_fs_open(disk.fs, LOG_DIR "/wal/000007.wal", OS_READ, &file, &err), &err);
    assert_ok(os_read(file, 0, bytes, sizeof(bytes), &err), &err);
    assert_ok(os_close(file, &err), &err);
    assert_memory_equal(bytes, expected, sizeof(expected));
    teardown(&disk);
}

static void wal_writer_entries_come_back(void **state)
{
    static const struct entry entries[] = {
        {.key = {(const uint8_t *)"key", 3}, .value = {(const uint8_t *)"value", 5}, .kind = ENTRY_PUT},
        {.key = {(const uint8_t *)"gone", 4}, .kind = ENTRY_DELETE},
        {.key = {(const uint8_t *)"empty", 5}, .kind = ENTRY_PUT},
    };
    struct log_records records = LOG_RECORDS_INIT;
    struct wal_segment_end end;
    struct wal_writer *writer;
    struct reader reader;
    uint64_t size = 0;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    for (size_t i = 0; i < 3; i++)
        size += wal_entry_size(&entries[i]);
    assert_ok(wal_writer_begin(writer, WAL_COMMIT, 1, size, 0, &err), &err);
    for (size_t i = 0; i < 3; i++)
        assert_ok(wal_writer_entry(writer, &entries[i], &err), &err);
    assert_ok(wal_writer_end(writer, &err), &err);
    assert_ok(wal_writer_close(writer, &err), &err);
    assert_ok(log_replay(disk.fs, 0, &records, &end, &err), &err);
    assert_int_equal(records.count, 1);
    reader_init(&reader, slice_of_buf(&records.all[0].payload));
    for (size_t i = 0; i < 3; i++) {
        struct entry got;

        assert_true(wal_entry_get(&reader, &got));
        assert_int_equal(got.kind, entries[i].kind);
        assert_true(slice_equal(got.key, entries[i].key));
        assert_true(slice_equal(got.value, entries[i].value));
    }
    assert_int_equal(reader_left(&reader), 0);
    log_records_release(&records);
    teardown(&disk);
}

static void wal_writer_writes_a_small_record_by_one_call(void **state)
{
    struct wal_writer *writer;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    fault_fs_reset(disk.faults);
    for (uint64_t i = 0; i < 10; i++)
        log_append(writer, 1 + i, 1000, 0, NULL);
    assert_int_equal(fault_fs_count(disk.faults, 0, NULL), 10);
    assert_int_equal(fault_fs_count(disk.faults, FAULT_BIT(FAULT_WRITE), LOG_PATH), 10);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

static void wal_writer_draws_a_salt_where_none_is_given(void **state)
{
    uint64_t salts[2];
    struct disk disk;

    (void)state;
    setup(&disk);
    for (int i = 0; i < 2; i++) {
        struct log_records records = LOG_RECORDS_INIT;
        struct wal_header header = log_header();
        struct wal_writer *writer = NULL;
        struct wal_segment_end end;

        header.salt = 0;
        header.segment = 99;
        assert_ok(wal_writer_create(&writer, disk.fs, LOG_DIR, LOG_SEGMENT, &err), &err);
        assert_ok(wal_writer_start(writer, &header, &err), &err);
        assert_ok(wal_writer_close(writer, &err), &err);
        assert_int_equal(header.segment, LOG_SEGMENT);
        assert_ok(log_replay(disk.fs, 80, &records, &end, &err), &err);
        assert_int_equal(end.header.salt, header.salt);
        salts[i] = header.salt;
        assert_ok(os_fs_remove(disk.fs, LOG_PATH, &err), &err);
    }
    assert_true(salts[0] && salts[1] && salts[0] != salts[1]);
    teardown(&disk);
}

/* ---- Reservation of space ---- */

static void wal_writer_reserves_space_in_growing_steps(void **state)
{
    struct wal_writer *writer = NULL;
    struct wal_header header = log_header();
    uint64_t length, size;
    struct disk disk;

    (void)state;
    setup(&disk);
    assert_ok(wal_writer_create(&writer, disk.fs, LOG_DIR, LOG_SEGMENT, &err), &err);
    assert_int_equal(file_size(&disk), 64 * KIB);
    assert_int_equal(fault_fs_count(disk.faults, FAULT_BIT(FAULT_WRITE), NULL), 0);
    assert_ok(wal_writer_start(writer, &header, &err), &err);
    fault_fs_reset(disk.faults);
    while ((length = wal_writer_length(writer)) < 20 * MIB) {
        log_append(writer, 1, 60000, 0, NULL);
        length = wal_writer_length(writer);
        size = file_size(&disk);
        assert_true(size >= length && size <= length + 8 * MIB && size <= 2 * length + 64 * KIB);
    }
    assert_true(fault_fs_count(disk.faults, FAULT_BIT(FAULT_ALLOCATE), NULL) <= 10);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

static void wal_writer_reserves_a_whole_record_before_its_first_byte(void **state)
{
    struct wal_writer *writer;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    fault_fs_reset(disk.faults);
    assert_ok(wal_writer_begin(writer, WAL_COMMIT, 1, 20 * MIB, 0, &err), &err);
    assert_int_equal(fault_fs_count(disk.faults, FAULT_BIT(FAULT_WRITE), NULL), 0);
    /* 19 parts of a MiB that are not the last, and the last. */
    assert_true(file_size(&disk) >= 80 + 20 * (40 + MIB));
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

static void wal_writer_goes_on_after_a_full_disk(void **state)
{
    struct log_records written = LOG_RECORDS_INIT;
    struct wal_writer *writer;
    uint64_t length;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    log_append(writer, 1, 30000, 0, &written);
    length = wal_writer_length(writer);
    add_fault(&disk, FAULT_ALLOCATE, LSMKV_FULL, FAULT_NOTHING, true);
    fault_fs_reset(disk.faults);
    for (int i = 0; i < 3; i++)
        assert_status(wal_writer_begin(writer, WAL_COMMIT, 2, 2 * MIB, 0, &err), LSMKV_FULL, &err);
    assert_int_equal(fault_fs_count(disk.faults, FAULT_BIT(FAULT_WRITE), NULL), 0);
    assert_int_equal(wal_writer_failed(writer), LSMKV_OK);
    assert_int_equal(wal_writer_length(writer), length);
    check_file(&disk, &written, length, true);
    /* What fits the space reserved before goes on, and all does when there is space again. */
    log_append(writer, 3, 30000, length, &written);
    assert_ok(wal_writer_sync(writer, &err), &err);
    fault_fs_heal(disk.faults);
    log_append(writer, 4, 2 * MIB, length, &written);
    check_file(&disk, &written, wal_writer_length(writer), true);
    assert_ok(wal_writer_close(writer, &err), &err);
    log_records_release(&written);
    teardown(&disk);
}

static void wal_writer_takes_just_what_it_needs_from_a_nearly_full_disk(void **state)
{
    struct log_records written = LOG_RECORDS_INIT;
    struct wal_writer *writer;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    add_fault(&disk, FAULT_ALLOCATE, LSMKV_FULL, FAULT_NOTHING, false);
    log_append(writer, 1, 100000, 0, &written);
    assert_int_equal(file_size(&disk), wal_writer_length(writer));
    log_append(writer, 2, 100000, 0, &written);
    assert_true(file_size(&disk) > wal_writer_length(writer));
    check_file(&disk, &written, wal_writer_length(writer), true);
    assert_ok(wal_writer_close(writer, &err), &err);
    log_records_release(&written);
    teardown(&disk);
}

static void wal_writer_goes_on_after_a_lack_of_memory(void **state)
{
    struct log_records written = LOG_RECORDS_INIT;
    struct wal_writer *writer = NULL;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    lsm_alloc_fail_at(1, false);
    assert_status(wal_writer_begin(writer, WAL_COMMIT, 1, 1000, 0, &err), LSMKV_NOMEM, &err);
    lsm_alloc_fail_at(0, false);
    assert_int_equal(wal_writer_failed(writer), LSMKV_OK);
    log_append(writer, 1, 1000, 0, &written);
    check_file(&disk, &written, wal_writer_length(writer), true);
    assert_ok(wal_writer_close(writer, &err), &err);
    log_records_release(&written);
    teardown(&disk);
}

/* ---- Outcomes that must find space ---- */

/* Without memory; only the file system of this test takes some, when it is written to. */
static enum lsmkv_status try_outcome(struct wal_writer *writer)
{
    enum lsmkv_status status;

    lsm_alloc_fail_at(1, true);
    status = wal_writer_begin(writer, WAL_OUTCOME, 1, 8, 0, &err);
    lsm_alloc_fail_at(0, false);
    if (status)
        return status;
    assert_ok(wal_writer_data(writer, "12345678", 8, &err), &err);
    assert_ok(wal_writer_end(writer, &err), &err);
    return LSMKV_OK;
}

/* Writes `kept` of them on a disk that is full. */
static void write_kept_outcomes(struct disk *disk, struct wal_writer *writer, uint64_t kept)
{
    add_fault(disk, FAULT_ALLOCATE, LSMKV_FULL, FAULT_NOTHING, true);
    while (kept-- > 0) {
        assert_ok(wal_writer_keep(writer, kept, &err), &err);
        assert_ok(try_outcome(writer), &err);
    }
}

static void wal_writer_leaves_space_for_kept_outcomes_behind_every_record(void **state)
{
    struct wal_writer *writer;
    uint64_t length;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    assert_ok(wal_writer_keep(writer, 3, &err), &err);
    add_fault(&disk, FAULT_ALLOCATE, LSMKV_FULL, FAULT_NOTHING, true);
    while (!try_outcome(writer)) /* records as small as theirs, so that not a byte too much is left */
        ;
    length = wal_writer_length(writer);
    assert_true(file_size(&disk) - length < 4 * wal_frame_size(8));
    write_kept_outcomes(&disk, writer, 3);
    assert_int_equal(wal_writer_length(writer), length + 3 * wal_frame_size(8));
    assert_status(try_outcome(writer), LSMKV_FULL, &err);
    assert_int_equal(wal_writer_failed(writer), LSMKV_OK);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

/* More than the segment's first space, and before its header is written. */
static void wal_writer_keeps_space_for_many_outcomes_before_its_start(void **state)
{
    const uint64_t kept = 3000;
    struct wal_header header = log_header();
    struct wal_writer *writer = NULL;
    struct disk disk;

    (void)state;
    setup(&disk);
    assert_ok(wal_writer_create(&writer, disk.fs, LOG_DIR, LOG_SEGMENT, &err), &err);
    assert_ok(wal_writer_keep(writer, kept, &err), &err);
    assert_ok(wal_writer_start(writer, &header, &err), &err);
    write_kept_outcomes(&disk, writer, kept);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

/* What cannot be kept is not promised: as many as before are. */
static void wal_writer_that_cannot_keep_more_keeps_what_it_kept(void **state)
{
    struct wal_writer *writer;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    lsm_alloc_fail_at(1, true);
    assert_status(wal_writer_keep(writer, 1, &err), LSMKV_NOMEM, &err);
    lsm_alloc_fail_at(0, false);
    assert_ok(wal_writer_keep(writer, 2, &err), &err);
    add_fault(&disk, FAULT_ALLOCATE, LSMKV_FULL, FAULT_NOTHING, true);
    assert_status(wal_writer_keep(writer, 3000, &err), LSMKV_FULL, &err);
    while (!try_outcome(writer))
        ;
    write_kept_outcomes(&disk, writer, 2);
    assert_status(try_outcome(writer), LSMKV_FULL, &err);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

/* ---- Failures that last ---- */

/* Bytes that differ from those of a fresh file, so that half of them can be told from all. */
static uint8_t *filled(size_t size)
{
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, 0xab, size);
    return bytes;
}

static void assert_dead(struct disk *disk, struct wal_writer *writer, enum lsmkv_status status, const char *message)
{
    fault_fs_heal(disk->faults);
    fault_fs_reset(disk->faults);
    assert_int_equal(wal_writer_failed(writer), status);
    assert_fails(wal_writer_begin(writer, WAL_COMMIT, 9, 8, 0, &err), status, &err, message);
    assert_fails(wal_writer_data(writer, "12345678", 8, &err), status, &err, message);
    assert_fails(wal_writer_end(writer, &err), status, &err, message);
    assert_fails(wal_writer_sync(writer, &err), status, &err, message);
    assert_int_equal(fault_fs_count(disk->faults, 0, NULL), 0);
}

/* The first record is whole; the second's only write, or its `nth` of several, fails. */
static void check_failed_write(size_t size, uint64_t nth, enum lsmkv_status status, enum fault_effect effect)
{
    struct fault_rule rule = {.calls = FAULT_BIT(FAULT_WRITE), .nth = nth, .status = status, .effect = effect};
    struct log_records written = LOG_RECORDS_INIT, records = LOG_RECORDS_INIT;
    uint8_t *payload = filled(size);
    struct wal_segment_end end;
    struct wal_writer *writer;
    enum lsmkv_status got;
    struct disk disk;
    uint64_t length;

    setup(&disk);
    writer = log_start(disk.fs);
    log_append(writer, 1, 100, 0, &written);
    length = wal_writer_length(writer);
    fault_fs_fail(disk.faults, &rule);
    assert_ok(wal_writer_begin(writer, WAL_COMMIT, 2, size, 0, &err), &err);
    got = wal_writer_data(writer, payload, size, &err);
    if (!got)
        got = wal_writer_end(writer, &err);
    assert_status(got, status, &err);
    assert_int_equal(wal_writer_length(writer), length);
    assert_dead(&disk, writer, status, LOG_PATH);
    assert_ok(wal_writer_close(writer, &err), &err);
    /* Whatever the failed write left, replay gives the first record, and the second only if it is all there. */
    assert_ok(log_replay(disk.fs, length, &records, &end, &err), &err);
    assert_int_equal(records.count, effect == FAULT_DONE && size < MIB ? 2 : 1);
    assert_true(log_is_prefix(&written, &records));
    log_records_release(&records);
    log_records_release(&written);
    free(payload);
    teardown(&disk);
}

static void wal_writer_stays_failed_after_a_failed_write(void **state)
{
    (void)state;
    check_failed_write(1000, 1, LSMKV_IO, FAULT_NOTHING);
    check_failed_write(1000, 1, LSMKV_IO, FAULT_HALF);
    check_failed_write(1000, 1, LSMKV_IO, FAULT_DONE);
    check_failed_write(1000, 1, LSMKV_FULL, FAULT_HALF);
}

static void wal_writer_leaves_a_dead_record_when_a_later_part_fails(void **state)
{
    (void)state;
    check_failed_write(3 * MIB, 1, LSMKV_IO, FAULT_DONE);
    check_failed_write(3 * MIB, 2, LSMKV_IO, FAULT_HALF);
    check_failed_write(3 * MIB, 3, LSMKV_IO, FAULT_NOTHING);
}

static void wal_writer_never_tries_a_failed_sync_again(void **state)
{
    struct wal_writer *writer;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    log_append(writer, 1, 100, 0, NULL);
    add_fault(&disk, FAULT_SYNC, LSMKV_IO, FAULT_DONE, false);
    assert_fails(wal_writer_sync(writer, &err), LSMKV_IO, &err, LOG_PATH);
    assert_dead(&disk, writer, LSMKV_IO, LOG_PATH);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

static void wal_writer_stays_failed_after_a_failed_start_or_reservation(void **state)
{
    struct wal_header header = log_header();
    struct wal_writer *writer = NULL;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    add_fault(&disk, FAULT_ALLOCATE, LSMKV_IO, FAULT_NOTHING, false);
    assert_status(wal_writer_begin(writer, WAL_COMMIT, 1, MIB, 0, &err), LSMKV_IO, &err);
    assert_dead(&disk, writer, LSMKV_IO, LOG_PATH);
    assert_ok(wal_writer_close(writer, &err), &err);
    assert_ok(os_fs_remove(disk.fs, LOG_PATH, &err), &err);

    assert_ok(wal_writer_create(&writer, disk.fs, LOG_DIR, LOG_SEGMENT, &err), &err);
    add_fault(&disk, FAULT_WRITE, LSMKV_IO, FAULT_HALF, false);
    assert_status(wal_writer_start(writer, &header, &err), LSMKV_IO, &err);
    assert_dead(&disk, writer, LSMKV_IO, LOG_PATH);
    assert_status(wal_writer_start(writer, &header, &err), LSMKV_IO, &err);
    assert_int_equal(wal_writer_length(writer), 0);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

static void wal_writer_that_cannot_be_made_leaves_no_file(void **state)
{
    struct wal_writer *writer = NULL;
    enum os_kind kind;
    uint64_t size;
    struct disk disk;

    (void)state;
    setup(&disk);
    add_fault(&disk, FAULT_ALLOCATE, LSMKV_FULL, FAULT_NOTHING, false);
    assert_fails(wal_writer_create(&writer, disk.fs, LOG_DIR, LOG_SEGMENT, &err), LSMKV_FULL, &err, LOG_PATH);
    fault_fs_heal(disk.faults);
    assert_ok(os_fs_kind(disk.fs, LOG_PATH, &kind, &size, &err), &err);
    assert_int_equal(kind, OS_ABSENT);
    for (uint64_t nth = 1;; nth++) {
        enum lsmkv_status status;

        lsm_alloc_fail_at(nth, false);
        status = wal_writer_create(&writer, disk.fs, LOG_DIR, LOG_SEGMENT, &err);
        lsm_alloc_fail_at(0, false);
        if (!status)
            break;
        assert_status(status, LSMKV_NOMEM, &err);
        assert_ok(os_fs_kind(disk.fs, LOG_PATH, &kind, &size, &err), &err);
        assert_int_equal(kind, OS_ABSENT);
    }
    assert_ok(wal_writer_close(writer, &err), &err);
    /* And one that exists is left alone. */
    assert_status(wal_writer_create(&writer, disk.fs, LOG_DIR, LOG_SEGMENT, &err), LSMKV_IO, &err);
    assert_int_equal(file_size(&disk), 64 * KIB);
    teardown(&disk);
}

/* ---- Resuming ---- */

static struct wal_writer *resume(struct disk *disk)
{
    struct log_records records = LOG_RECORDS_INIT;
    struct wal_writer *writer = NULL;
    struct wal_segment_end end;

    assert_ok(log_replay(disk->fs, 0, &records, &end, &err), &err);
    assert_ok(wal_writer_resume(&writer, disk->fs, LOG_DIR, &end.header, end.length, end.previous, &err), &err);
    assert_int_equal(wal_writer_length(writer), end.length);
    assert_int_equal(wal_writer_previous(writer), end.previous);
    assert_int_equal(wal_writer_segment(writer), LOG_SEGMENT);
    log_records_release(&records);
    return writer;
}

static void wal_writer_resumes_where_the_log_ended(void **state)
{
    struct log_records written = LOG_RECORDS_INIT;
    struct wal_writer *writer;
    struct disk disk;

    (void)state;
    setup(&disk);
    assert_ok(wal_writer_close(log_start(disk.fs), &err), &err);
    for (uint64_t i = 0; i < 20; i++) {
        writer = resume(&disk);
        log_append(writer, 2 * i, 10 + i, wal_writer_length(writer), &written);
        log_append(writer, 2 * i + 1, 10000, 0, &written);
        check_file(&disk, &written, wal_writer_length(writer), true);
        assert_ok(wal_writer_close(writer, &err), &err);
    }
    log_records_release(&written);
    teardown(&disk);
}

/*
 * The parts of a dead record have right checksums and stay in the file behind a record that replaces their first bytes:
 * the chain of checksums keeps them dead.
 */
static void wal_writer_resumes_over_a_dead_record(void **state)
{
    struct fault_rule rule = {.calls = FAULT_BIT(FAULT_WRITE), .nth = 3, .status = LSMKV_IO, .effect = FAULT_HALF};
    struct log_records written = LOG_RECORDS_INIT;
    uint8_t *payload = filled(3 * MIB);
    struct wal_writer *writer;
    struct disk disk;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    log_append(writer, 1, 100, 0, &written);
    assert_ok(wal_writer_begin(writer, WAL_COMMIT, 2, 3 * MIB, 0, &err), &err);
    fault_fs_fail(disk.faults, &rule);
    assert_ok(wal_writer_data(writer, payload, 3 * MIB, &err), &err);
    assert_status(wal_writer_end(writer, &err), LSMKV_IO, &err);
    assert_ok(wal_writer_close(writer, &err), &err);
    check_file(&disk, &written, written.all[0].offset + wal_frame_size(100), false);
    fault_fs_heal(disk.faults);

    writer = resume(&disk);
    log_append(writer, 3, MIB, wal_writer_length(writer), &written); /* as long as the dead first part */
    check_file(&disk, &written, wal_writer_length(writer), false);
    log_append(writer, 4, 3 * MIB, wal_writer_length(writer), &written);
    check_file(&disk, &written, wal_writer_length(writer), true);
    assert_ok(wal_writer_close(writer, &err), &err);
    log_records_release(&written);
    free(payload);
    teardown(&disk);
}

/* ---- Threads ---- */

static void *sync_once(void *argument)
{
    static struct lsmkv_error sync_error;

    return wal_writer_sync(argument, &sync_error) ? argument : NULL;
}

static void wal_writer_appends_while_a_sync_is_under_way(void **state)
{
    struct log_records written = LOG_RECORDS_INIT;
    struct wal_writer *writer;
    void *failed = NULL;
    pthread_t thread;
    struct disk disk;
    unsigned hold;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    log_append(writer, 1, 100, 0, &written);
    hold = fault_fs_hold(disk.faults, FAULT_BIT(FAULT_SYNC), NULL);
    assert_int_equal(pthread_create(&thread, NULL, sync_once, writer), 0);
    fault_fs_wait_held(disk.faults, hold);
    log_append(writer, 2, 200000, 0, &written);
    fault_fs_release(disk.faults, hold);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    check_file(&disk, &written, wal_writer_length(writer), true);
    assert_ok(wal_writer_close(writer, &err), &err);
    log_records_release(&written);
    teardown(&disk);
}

struct syncing {
    struct wal_writer *writer;
    _Atomic bool done;
    bool right;
};

static void *sync_all_the_time(void *argument)
{
    struct syncing *syncing = argument;
    uint64_t length = 0;

    syncing->right = true;
    while (!atomic_load(&syncing->done)) {
        uint64_t now = wal_writer_length(syncing->writer);

        if (now < length || wal_writer_sync(syncing->writer, NULL))
            syncing->right = false;
        length = now;
    }
    return NULL;
}

static void wal_writer_syncs_from_another_thread(void **state)
{
    struct syncing syncing = {NULL, false, false};
    struct log_records written = LOG_RECORDS_INIT;
    pthread_t thread;
    struct disk disk;
    size_t count = test_scaled(2000);

    (void)state;
    setup(&disk);
    syncing.writer = log_start(disk.fs);
    assert_int_equal(pthread_create(&thread, NULL, sync_all_the_time, &syncing), 0);
    for (size_t i = 0; i < count; i++)
        log_append(syncing.writer, 1 + i, i % 700, 0, &written);
    atomic_store(&syncing.done, true);
    pthread_join(thread, NULL);
    assert_true(syncing.right);
    check_file(&disk, &written, wal_writer_length(syncing.writer), true);
    assert_ok(wal_writer_close(syncing.writer, &err), &err);
    log_records_release(&written);
    teardown(&disk);
}

/* The sync fails in its thread: the appender learns of it, with the same message. */
static void wal_writer_tells_the_appender_of_a_failed_sync(void **state)
{
    struct wal_writer *writer;
    void *failed = NULL;
    pthread_t thread;
    struct disk disk;
    unsigned hold;

    (void)state;
    setup(&disk);
    writer = log_start(disk.fs);
    add_fault(&disk, FAULT_SYNC, LSMKV_IO, FAULT_NOTHING, false);
    hold = fault_fs_hold(disk.faults, FAULT_BIT(FAULT_SYNC), NULL);
    assert_int_equal(pthread_create(&thread, NULL, sync_once, writer), 0);
    fault_fs_wait_held(disk.faults, hold);
    log_append(writer, 1, 100, 0, NULL);
    fault_fs_release(disk.faults, hold);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_dead(&disk, writer, LSMKV_IO, LOG_PATH);
    assert_non_null(failed);
    assert_ok(wal_writer_close(writer, &err), &err);
    teardown(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wal_writer_writes_what_the_reader_reads),
        cmocka_unit_test(wal_writer_chains_frames_in_the_documented_places),
        cmocka_unit_test(wal_writer_makes_the_bytes_of_the_documented_example),
        cmocka_unit_test(wal_writer_entries_come_back),
        cmocka_unit_test(wal_writer_writes_a_small_record_by_one_call),
        cmocka_unit_test(wal_writer_draws_a_salt_where_none_is_given),
        cmocka_unit_test(wal_writer_reserves_space_in_growing_steps),
        cmocka_unit_test(wal_writer_reserves_a_whole_record_before_its_first_byte),
        cmocka_unit_test(wal_writer_goes_on_after_a_full_disk),
        cmocka_unit_test(wal_writer_takes_just_what_it_needs_from_a_nearly_full_disk),
        cmocka_unit_test(wal_writer_goes_on_after_a_lack_of_memory),
        cmocka_unit_test(wal_writer_leaves_space_for_kept_outcomes_behind_every_record),
        cmocka_unit_test(wal_writer_keeps_space_for_many_outcomes_before_its_start),
        cmocka_unit_test(wal_writer_that_cannot_keep_more_keeps_what_it_kept),
        cmocka_unit_test(wal_writer_stays_failed_after_a_failed_write),
        cmocka_unit_test(wal_writer_leaves_a_dead_record_when_a_later_part_fails),
        cmocka_unit_test(wal_writer_never_tries_a_failed_sync_again),
        cmocka_unit_test(wal_writer_stays_failed_after_a_failed_start_or_reservation),
        cmocka_unit_test(wal_writer_that_cannot_be_made_leaves_no_file),
        cmocka_unit_test(wal_writer_resumes_where_the_log_ended),
        cmocka_unit_test(wal_writer_resumes_over_a_dead_record),
        cmocka_unit_test(wal_writer_appends_while_a_sync_is_under_way),
        cmocka_unit_test(wal_writer_syncs_from_another_thread),
        cmocka_unit_test(wal_writer_tells_the_appender_of_a_failed_sync),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
