/*
 * log_file.c - one log segment on a file system of a test.
 */
#include "log_file.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static struct lsmkv_error failure;

void log_records_release(struct log_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        lsmkv_buf_release(&records->all[i].payload);
    free(records->all);
    records->all = NULL;
    records->count = 0;
}

static struct log_record *add_record(struct log_records *records)
{
    struct log_record *record;

    records->all = realloc(records->all, (records->count + 1) * sizeof(*records->all));
    assert_non_null(records->all);
    record = &records->all[records->count++];
    memset(record, 0, sizeof(*record));
    return record;
}

void log_make_dirs(struct os_fs *fs)
{
    assert_ok(os_fs_make_dir(fs, LOG_DIR, &failure), &failure);
    assert_ok(os_fs_make_dir(fs, LOG_DIR "/wal", &failure), &failure);
}

struct wal_header log_header(void)
{
    struct wal_header header = {.segment = LOG_SEGMENT,
                                .salt = 0x5a175a175a175a17u,
                                .predecessor = 2,
                                .predecessor_length = 4096,
                                .length_promised = true,
                                .store_id = "0123456789abcde"};

    return header;
}

struct wal_writer *log_start(struct os_fs *fs)
{
    struct wal_header header = log_header();
    struct wal_writer *writer = NULL;

    assert_ok(wal_writer_create(&writer, fs, LOG_DIR, LOG_SEGMENT, &failure), &failure);
    assert_ok(wal_writer_start(writer, &header, &failure), &failure);
    return writer;
}

static void fill_payload(struct lsmkv_buf *payload, uint64_t sequence, size_t size)
{
    uint64_t random = sequence;

    assert_ok(buf_reserve(payload, size + 8, &failure), &failure);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = test_random(&random);

        memcpy(payload->data + i, &word, sizeof(word));
    }
    payload->size = size;
}

void log_append(struct wal_writer *writer, uint64_t sequence, size_t size, uint64_t synced, struct log_records *written)
{
    struct lsmkv_buf payload = LSMKV_BUF_INIT;
    uint64_t offset = wal_writer_length(writer);

    fill_payload(&payload, sequence, size);
    assert_ok(wal_writer_begin(writer, WAL_COMMIT, sequence, size, synced, &failure), &failure);
    assert_ok(wal_writer_data(writer, payload.data, size / 3, &failure), &failure);
    assert_ok(wal_writer_data(writer, payload.data + size / 3, size - size / 3, &failure), &failure);
    assert_ok(wal_writer_end(writer, &failure), &failure);
    if (written) {
        struct log_record *record = add_record(written);

        record->type = WAL_COMMIT;
        record->sequence = sequence;
        record->offset = offset;
        record->payload = payload;
    } else {
        lsmkv_buf_release(&payload);
    }
}

static enum lsmkv_status keep_record(void *context, const struct wal_record *record, struct lsmkv_error *err)
{
    struct log_record *kept = add_record(context);

    kept->type = record->type;
    kept->sequence = record->sequence;
    kept->offset = record->offset;
    return buf_append(&kept->payload, record->payload.data, record->payload.size, err);
}

enum lsmkv_status log_replay(struct os_fs *fs, uint64_t promised, struct log_records *records,
                             struct wal_segment_end *end, struct lsmkv_error *err)
{
    log_records_release(records);
    return wal_replay(fs, LOG_DIR, LOG_SEGMENT, promised, keep_record, records, end, err);
}

bool log_is_prefix(const struct log_records *records, const struct log_records *written)
{
    if (records->count > written->count)
        return false;
    for (size_t i = 0; i < records->count; i++) {
        const struct log_record *a = &records->all[i], *b = &written->all[i];

        if (a->type != b->type || a->sequence != b->sequence || a->offset != b->offset ||
            !slice_equal(slice_of_buf(&a->payload), slice_of_buf(&b->payload)))
            return false;
    }
    return true;
}

void log_read(struct os_fs *fs, struct lsmkv_buf *bytes)
{
    assert_ok(os_read_file(fs, LOG_PATH, UINT64_MAX, bytes, &failure), &failure);
}

void log_replace(struct os_fs *fs, const uint8_t *bytes, size_t size)
{
    struct os_file *file = NULL;

    assert_ok(os_fs_remove(fs, LOG_PATH, &failure), &failure);
    assert_ok(os_fs_open(fs, LOG_PATH, OS_CREATE_NEW, &file, &failure), &failure);
    if (size)
        assert_ok(os_write(file, 0, bytes, size, &failure), &failure);
    assert_ok(os_close(file, &failure), &failure);
}

void log_patch(struct os_fs *fs, uint64_t offset, const void *bytes, size_t size)
{
    struct os_file *file = NULL;

    assert_ok(os_fs_open(fs, LOG_PATH, OS_WRITE, &file, &failure), &failure);
    assert_ok(os_write(file, offset, bytes, size, &failure), &failure);
    assert_ok(os_close(file, &failure), &failure);
}
