/*
 * log_file.h - one log segment on a file system of a test: its bytes to look at and to damage, its records as replayed.
 */
#ifndef TESTS_SUPPORT_LOG_FILE_H
#define TESTS_SUPPORT_LOG_FILE_H

#include "lsm/lsmkv.h"
#include "os/fs.h"
#include "wal/reader.h"
#include "wal/writer.h"

#define LOG_DIR     "store"
#define LOG_SEGMENT 3
#define LOG_PATH    LOG_DIR "/wal/000003.wal"

/* A record as a test wrote it or the reader gave it. */
struct log_record {
    enum wal_type type;
    uint64_t sequence;
    uint64_t offset;
    struct lsmkv_buf payload;
};

struct log_records {
    struct log_record *all;
    size_t count;
};
#define LOG_RECORDS_INIT                                                                                               \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }
void log_records_release(struct log_records *records);

void log_make_dirs(struct os_fs *fs);
struct wal_header log_header(void); /* salt and ids are constants */

/* A writer whose header is written. */
struct wal_writer *log_start(struct os_fs *fs);

/* One COMMIT with `size` bytes made from `seed`; the whole record, whose bytes and place go to `written` (may be NULL). */
void log_append(struct wal_writer *writer, uint64_t sequence, size_t size, uint64_t synced,
                struct log_records *written);

/* Replays; `records` (emptied first) gets what was visited, also on failure. */
enum lsmkv_status log_replay(struct os_fs *fs, uint64_t promised, struct log_records *records,
                             struct wal_segment_end *end, struct lsmkv_error *err);

/* Whether `records` are the first ones of `written`. */
bool log_is_prefix(const struct log_records *records, const struct log_records *written);

void log_read(struct os_fs *fs, struct lsmkv_buf *bytes);                          /* the whole file */
void log_replace(struct os_fs *fs, const uint8_t *bytes, size_t size);             /* makes a file of these bytes */
void log_patch(struct os_fs *fs, uint64_t offset, const void *bytes, size_t size); /* overwrites a part */

#endif
