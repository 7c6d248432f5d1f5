/*
 * writer.h - appends records to one segment file.
 *
 * Threads:   create, start and append: one caller at a time (the holder of the log lock). wal_writer_sync() may run at
 *            the same time as one append; it makes durable what had been written when it was called.
 * Ownership: owns the file.
 * Failure:   FULL or NOMEM from wal_writer_begin() leaves the segment as it was: a later record may succeed. After any
 *            other failure of start, append or sync the tail is unknown: every later call fails with the first status,
 *            and no sync is tried again.
 *
 * Legal order:  create start ( begin data* end )* close  or  resume ( begin data* end )* close;  sync and keep at any
 *               time
 */
#ifndef LSM_WAL_WRITER_H
#define LSM_WAL_WRITER_H

#include "os/fs.h"
#include "wal/format.h"

struct wal_writer;

/* Makes the file (O_EXCL) and reserves its first bytes; writes nothing. On failure no file is left. */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_create(struct wal_writer **writer, struct os_fs *fs, const char *dir,
                                                     uint64_t segment, struct lsmkv_error *err);

/* Opens an existing segment to append at `length`, where its last frame (with checksum `previous`) ended. */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_resume(struct wal_writer **writer, struct os_fs *fs, const char *dir,
                                                     const struct wal_header *header, uint64_t length,
                                                     uint64_t previous, struct lsmkv_error *err);

/* Writes the header. `header->segment` is set here, and so is a `header->salt` of 0, at random. */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_start(struct wal_writer *writer, struct wal_header *header,
                                                    struct lsmkv_error *err);

/*
 * One record: begin, its payload in pieces of `size` bytes together, end. Space for all of it is reserved first. Frames
 * are written as they fill; the record counts once end has returned LSMKV_OK. `synced` is the segment's known durable
 * length. After a failure in between the record is dead: replay ignores it.
 */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_begin(struct wal_writer *writer, enum wal_type type, uint64_t sequence,
                                                    uint64_t size, uint64_t synced, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_data(struct wal_writer *writer, const void *data, size_t size,
                                                   struct lsmkv_error *err);
/* The same for one entry of a COMMIT or PREPARE: wal_entry_size() bytes. */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_entry(struct wal_writer *writer, const struct entry *entry,
                                                    struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_end(struct wal_writer *writer, struct lsmkv_error *err);

/*
 * From now on space and memory for `outcomes` records of 8 bytes (OUTCOME, ABORT) stay free behind every record; before the
 * start too. To begin one of them, keep one less first: that finds the disk neither full nor memory short. Keeping less
 * cannot fail.
 */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_keep(struct wal_writer *writer, uint64_t outcomes,
                                                   struct lsmkv_error *err);

/* fdatasync. On success everything below `wal_writer_length()` as read before the call is durable. */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_sync(struct wal_writer *writer, struct lsmkv_error *err);

uint64_t wal_writer_segment(const struct wal_writer *writer);
uint64_t wal_writer_length(const struct wal_writer *writer); /* bytes up to the end of the last whole record; atomic */
uint64_t wal_writer_previous(const struct wal_writer *writer);        /* checksum of that record's last frame */
enum lsmkv_status wal_writer_failed(const struct wal_writer *writer); /* the first failure that lasts, or LSMKV_OK */
enum lsmkv_status wal_writer_close(struct wal_writer *writer, struct lsmkv_error *err); /* no sync; NULL is fine */

#endif
