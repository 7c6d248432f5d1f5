/*
 * frame.h - the header of one frame, for the writer and the reader of segments; bytes in format.h.
 */
#ifndef LSM_WAL_FRAME_H
#define LSM_WAL_FRAME_H

#include "wal/format.h"

#define WAL_FRAME_LAST 1 /* flag: last part of its record */

struct wal_frame {
    uint64_t checksum;
    uint32_t length; /* bytes of payload */
    enum wal_type type;
    bool last;
    uint64_t sequence;
    uint64_t synced;
    uint64_t previous;
};

/* Where a frame's place enters its checksum, so that a copy of it elsewhere is not valid. */
uint64_t wal_frame_seed(const struct wal_header *header, uint64_t offset);

/*
 * Writes the header of the frame whose payload already lies at `to` + WAL_FRAME_HEADER, and sets `frame->checksum`.
 */
void wal_frame_put(uint8_t *to, struct wal_frame *frame, uint64_t seed);

/* False if the fields cannot be those of a frame. The checksum is not verified: see wal_frame_matches(). */
bool wal_frame_get(const uint8_t from[WAL_FRAME_HEADER], struct wal_frame *frame);

/* Whether `frame->length` bytes of payload after the header at `from` bear the frame's checksum. */
bool wal_frame_matches(const uint8_t *from, const struct wal_frame *frame, uint64_t seed);

/* Bytes that a frame takes in the file, the zeros after it included. */
static inline uint64_t wal_frame_size(uint64_t length)
{
    return (WAL_FRAME_HEADER + length + 7) & ~(uint64_t)7;
}

#endif
