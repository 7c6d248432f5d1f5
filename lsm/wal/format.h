/*
 * format.h - bytes of a write-ahead log segment, wal/NNNNNN.wal. Integers are little-endian.
 *
 * FORMAT
 *   Segment header, 80 bytes at offset 0:
 *     0  8  magic "lsmkvWAL"
 *     8  4  format version: 2, and 1 is read (a newer one is refused)
 *     12 4  flags: bit 0 = lengths are not promised (sync = off)
 *     16 8  segment number
 *     24 8  salt, random per segment
 *     32 8  predecessor's number, 0 = none
 *     40 8  predecessor's final length in bytes
 *     48 16 store id
 *     64 8  zero
 *     72 8  checksum64 of bytes 0..71
 *   Every later version keeps the magic, the version's place and this checksum: a newer file is told from a damaged one.
 *   Frames follow, each at a multiple of 8, 40 bytes of header, then payload, then zeros up to a multiple of 8:
 *     0  8  checksum64 of bytes 8..40+length, seeded with salt ^ (segment * WAL_SEED_SEGMENT)
 *           ^ (offset * WAL_SEED_OFFSET)
 *     8  4  payload length in bytes, at most WAL_PAYLOAD_MAX
 *     12 1  type (enum wal_type)
 *     13 1  flags: bit 0 = last part of its record
 *     14 2  zero
 *     16 8  sequence of the record
 *     24 8  synced-up-to: bytes of this segment known durable when the frame was made; at most its record's offset
 *     32 8  checksum of the previous frame of the segment; of the header for the first
 *   A record may be split into parts with equal type and sequence, and is if it is longer than WAL_PAYLOAD_MAX; it counts
 *   only with its last.
 *   The rest of the file is zeros (preallocated) or the torn remains of a frame.
 *
 * RULE OF THE TAIL
 *   The first frame that is not valid ends the log, unless a valid frame further on (any offset that is a multiple of 8)
 *   carries a synced-up-to beyond the bad offset, or the caller knows that more was promised: then it is corruption. A
 *   frame is valid if its checksum and its fields are, and if it names the frame before it (not asked of those further on).
 *   A header of zeros, or a torn one (its checksum's bytes end in zeros where the write stopped), has not been started.
 *
 * PAYLOADS
 *   COMMIT   entries
 *   PREPARE  8 transaction id, 16 coordinator id, 1 default (1 = commit), reads, entries
 *   OUTCOME  8 transaction id     (commit; the record's sequence is the transaction's)
 *   ABORT    8 transaction id
 *   entry    head, key, and for PUT value. Head: 1 kind (enum entry_kind), varint key size, for PUT varint value size
 *   read     what the transaction has read and guards: 1 kind 3, varint key size, key; or a range: 1 kind 4, varint lower
 *            size, varint upper size, lower, upper (exclusive; of size 0: to the end)
 *
 * VERSIONS
 *   1  A PREPARE has no reads. Its writer let nobody commit before the outcome, so it needed none, and forgot at recovery
 *      what does not commit by default. A segment of version 1 is replayed and never appended to.
 *   2  As above.
 */
#ifndef LSM_WAL_FORMAT_H
#define LSM_WAL_FORMAT_H

#include "base/coding.h"
#include "base/entry.h"

#define WAL_HEADER_SIZE   80
#define WAL_FRAME_HEADER  40
#define WAL_PAYLOAD_MAX   (16u << 20) /* bytes in one frame */
#define WAL_VERSION       2
#define WAL_PREPARE_HEAD  25 /* bytes before the entries of a PREPARE */
#define WAL_VERSION_READS 2  /* PREPAREs of this version on have reads, and stay in doubt */
#define WAL_ENTRY_HEAD    21 /* bytes at most in the head of an entry */
#define WAL_SEED_SEGMENT  0x9e3779b97f4a7c15u
#define WAL_SEED_OFFSET   0xc2b2ae3d27d4eb4fu

enum wal_type { WAL_COMMIT = 1, WAL_PREPARE = 2, WAL_OUTCOME = 3, WAL_ABORT = 4 };

struct wal_header {
    uint32_t version; /* as read; WAL_VERSION is written */
    uint64_t segment;
    uint64_t salt;
    uint64_t predecessor;        /* 0 = none */
    uint64_t predecessor_length; /* bytes */
    bool length_promised;
    uint8_t store_id[LSMKV_STORE_ID_SIZE];
};

void wal_header_put(uint8_t to[WAL_HEADER_SIZE], const struct wal_header *header, uint64_t *checksum);
/* CORRUPT or, for a newer version, CANTOPEN; both name `path`. */
LSMKV_MUST_CHECK enum lsmkv_status wal_header_get(const uint8_t from[WAL_HEADER_SIZE], const char *path,
                                                  struct wal_header *header, uint64_t *checksum,
                                                  struct lsmkv_error *err);

/* "<dir>/wal/NNNNNN.wal" in a new string (lsm_free); NULL on failure. */
char *wal_path(const char *dir, uint64_t segment);

/* Bytes of an entry in a payload: its head, then its key, then its value (none for a DELETE). */
uint64_t wal_entry_size(const struct entry *entry);
size_t wal_entry_head_put(uint8_t to[WAL_ENTRY_HEAD], const struct entry *entry); /* bytes written */
/*
 * The next entry from untrusted bytes: false, with nothing moved, if they do not start with a whole one. Key and value
 * are borrowed; the sequence is that of the record, for the caller to set.
 */
bool wal_entry_get(struct reader *reader, struct entry *entry);

/* A key, or the range [key, upper). */
struct wal_read {
    bool range;
    struct lsmkv_slice key;
    struct lsmkv_slice upper; /* of a range; of size 0: to the end */
};
LSMKV_MUST_CHECK enum lsmkv_status wal_read_append(struct lsmkv_buf *to, const struct wal_read *read,
                                                   struct lsmkv_error *err);
/* As wal_entry_get(), for the reads of a PREPARE. */
bool wal_read_get(struct reader *reader, struct wal_read *read);

#endif
