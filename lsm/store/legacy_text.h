/*
 * legacy_text.h - the text of old stores (Python package lsm-kv-store): lines, and rows and manifests in them.
 *
 * A row is one line. In wal.log, format 1:    PUT|key|value|ts      DELETE|key||ts
 *                 format 2:                   {"op":"PUT","key":"..","value":"..","ts":n}
 * in data.db:                                 {"key":"..","value":"..","timestamp":n,"is_deleted":false}
 * A manifest is one JSON object: {.., "entries":[{"sstable_id":n,"num_entries":n,"level":n, ..}]}.
 *
 * JSON is read here and not by cJSON, because Python's strings hold what cJSON's cannot: U+0000, which becomes the byte 0,
 * and halves of surrogate pairs, which become the three bytes that UTF-8 would give them if it allowed them.
 *
 * Failure: parsers return LSMKV_CORRUPT or LSMKV_NOMEM and fill no error: the caller knows file and line.
 */
#ifndef LSM_STORE_LEGACY_TEXT_H
#define LSM_STORE_LEGACY_TEXT_H

#include "base/buf.h"
#include "os/fs.h"

#define LEGACY_LINE_MAX (64u << 20) /* bytes; a value had at most 2^20 characters, each at most 12 bytes long in JSON */

struct legacy_row {
    struct lsmkv_buf key, value; /* UTF-8; reused from row to row */
    uint64_t timestamp;
    bool deleted;
};
#define LEGACY_ROW_INIT                                                                                                \
    {                                                                                                                  \
        LSMKV_BUF_INIT, LSMKV_BUF_INIT, 0, false                                                                       \
    }
void legacy_row_release(struct legacy_row *row);

enum lsmkv_status legacy_parse_log_line(struct lsmkv_slice line, struct legacy_row *row); /* format 2 */
enum lsmkv_status legacy_parse_table_line(struct lsmkv_slice line, struct legacy_row *row);
enum lsmkv_status legacy_parse_bars(struct lsmkv_slice text, struct legacy_row *row); /* format 1; may span lines */

/* True for what starts as a row of format 1. */
bool legacy_starts_with_bars(struct lsmkv_slice line);

struct legacy_table {
    uint64_t id;
    uint64_t entries;
    unsigned level;
};

struct legacy_manifest {
    struct legacy_table *tables; /* in the order of the text */
    size_t count, capacity;
    bool migrated; /* "migrated_from_v1" is true */
};

/* Adds the entries of one manifest file. `level` is given to entries that name none. */
enum lsmkv_status legacy_parse_manifest(struct lsmkv_slice text, unsigned level, struct legacy_manifest *manifest);
void legacy_manifest_release(struct legacy_manifest *manifest);

/* Reads a file line by line. Start: zeroed but for `file`; end: legacy_lines_release(), which leaves the file open. */
struct legacy_lines {
    struct os_file *file;
    uint64_t offset, size; /* of what is read into `buf`, and of the file */
    struct lsmkv_buf buf;
    size_t at;               /* start of the next line in buf */
    uint64_t number;         /* of the present line, from 1 */
    struct lsmkv_slice line; /* without its newline; borrowed until the next call */
    bool ended;              /* it had a newline */
};
LSMKV_MUST_CHECK enum lsmkv_status legacy_lines_next(struct legacy_lines *lines, bool *found, struct lsmkv_error *err);
void legacy_lines_release(struct legacy_lines *lines);

#endif
