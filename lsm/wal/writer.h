/*
 * writer.h - appends records to one segment file.
 *
 * Threads:   create, start and append: one caller at a time (the holder of the log lock). wal_writer_sync() may run at
 *            the same time as one append; it makes durable what had been written when it was called.
 * Ownership: owns the file.
 * Failure:   FULL from the reservation of space leaves the segment as it was: a later append may succeed. After any
 *            other failed append or sync the tail is unknown: every later call fails with the first status.
 *
 * Legal order:  create start ( begin data* end | begin data* cancel )* close;  sync at any time after start
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

/* Writes the header. `header->segment` is set here. */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_start(struct wal_writer *writer, struct wal_header *header,
                                                    struct lsmkv_error *err);

/*
 * One record: begin, its payload in pieces, end. Space for `size` bytes of payload is reserved first. Frames are written
 * as they fill; the record counts once end has returned LSMKV_OK. `synced` is the segment's known durable length.
 * A record that is not ended (a failure in between) is dead: replay ignores it.
 */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_begin(struct wal_writer *writer, enum wal_type type, uint64_t sequence,
                                                    uint64_t size, uint64_t synced, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_data(struct wal_writer *writer, const void *data, size_t size,
                                                   struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_end(struct wal_writer *writer, struct lsmkv_error *err);

/* fdatasync. On success everything below `wal_writer_length()` as read before the call is durable. */
LSMKV_MUST_CHECK enum lsmkv_status wal_writer_sync(struct wal_writer *writer, struct lsmkv_error *err);

uint64_t wal_writer_segment(const struct wal_writer *writer);
uint64_t wal_writer_length(const struct wal_writer *writer); /* bytes up to the end of the last whole record; atomic */
uint64_t wal_writer_previous(const struct wal_writer *writer);                          /* checksum of the last frame */
enum lsmkv_status wal_writer_close(struct wal_writer *writer, struct lsmkv_error *err); /* no sync; NULL is fine */

#endif
