/*
 * format.h - bytes of a table file, sst/NNNNNN.sst. Integers are little-endian; varints as in base/coding.h.
 *
 * FILE
 *   data blocks, in key order, without gaps
 *   filter block    (absent if the table has no filter)
 *   index block
 *   properties block
 *   footer
 *
 * BLOCK
 *   payload, then a trailer of 13 bytes:
 *     0  1  codec of the payload (enum block_codec)
 *     1  4  size of the raw payload, that is, before compression
 *     5  8  checksum64 of payload and trailer bytes 0..4, seeded with table number and file offset of the block
 *   Filter, index and properties are never compressed.
 *
 * PAYLOAD OF A DATA BLOCK
 *   entries; key = the first `shared` bytes of the key before it, then the suffix:
 *     varint  shared: as many bytes as the two keys have in common, but 0 at a restart point
 *     varint  suffix size
 *     1       kind (enum entry_kind)
 *     varint  sequence
 *     varint  value size (PUT only)
 *     suffix, value
 *   4 each  restart points: offset in the payload of each BLOCK_RESTART_INTERVAL-th entry, the first included
 *   4       number of restart points, at least 1
 *   Keys rise strictly. A block ends before the entry that would take it beyond the table's block size, so an entry
 *   larger than that has a block of its own.
 *
 * PAYLOAD OF THE INDEX BLOCK
 *   As a data block, one PUT with sequence 0 for each data block. Key: at or above the last key of the block, below the
 *   first of the next; for the last block, the last key. Value: varint size of the block with its trailer.
 *
 * PAYLOAD OF THE FILTER BLOCK
 *   64 each  lines of a Bloom filter, see filter.h
 *   1        probes, 1 to FILTER_PROBES_MAX
 *
 * PAYLOAD OF THE PROPERTIES BLOCK
 *   0  8  entries, tombstones included
 *   8  8  tombstones
 *   16 8  bytes of keys and values before compression
 *   24 8  smallest sequence
 *   32 8  largest sequence
 *   40 8  number of data blocks
 *   48 8  size of all data blocks with their trailers
 *   56 8  size of the filter block with its trailer, 0 = none
 *   64 8  size of the index block with its trailer
 *   72 8  chain over the checksums of data, filter and index blocks in file order: chain = checksum64 of the block's
 *         8 checksum bytes, seeded with the chain so far, which starts at 0
 *   80 1  codec that the writer was asked for: with 0 no block is compressed
 *   81    varint size and bytes of the smallest key, then of the largest
 *
 * FOOTER, 56 bytes that end the file
 *   0  8  table number
 *   8  8  file size
 *   16 8  size of the properties block with its trailer
 *   24 8  checksum of the properties block, as in its trailer
 *   32 4  footer size
 *   36 4  format version
 *   40 8  checksum64 of the footer's bytes before this field
 *   48 8  magic "lsmkvSST"
 *   The last 24 bytes keep their meaning in every version, so that a newer one is told from damage.
 *
 * So the footer's checksum, which the manifest records, covers the file: footer -> properties -> chain -> blocks.
 */
#ifndef LSM_SSTABLE_FORMAT_H
#define LSM_SSTABLE_FORMAT_H

#include "base/coding.h"
#include "base/entry.h"
#include "sstable/info.h"

#define SSTABLE_VERSION        1
#define SSTABLE_FOOTER_SIZE    56
#define SSTABLE_FOOTER_MAX     512 /* bytes of a footer of any version to come */
#define BLOCK_TRAILER_SIZE     13
#define BLOCK_RESTART_INTERVAL 16
#define BLOCK_RAW_MAX          ((1u << 31) + (8u << 20)) /* bytes: the largest value, the largest key, and their frame */

enum block_codec { BLOCK_NONE = 0, BLOCK_LZ4 = 1, BLOCK_ZSTD = 2 };

/* Where a block is; for its checksum and for messages. */
struct block_place {
    const char *path; /* borrowed */
    uint64_t number;  /* of the table */
    uint64_t offset;  /* in the file, bytes */
};

/* Appends the trailer to `block`, which holds a payload of codec `codec`; *checksum is the trailer's. */
LSMKV_MUST_CHECK enum lsmkv_status block_seal(struct lsmkv_buf *block, enum block_codec codec, uint32_t raw_size,
                                              const struct block_place *place, uint64_t *checksum,
                                              struct lsmkv_error *err);

/* What a verified trailer says. */
struct block_parts {
    struct lsmkv_slice payload; /* borrowed from the block */
    enum block_codec codec;
    uint32_t raw_size; /* at most BLOCK_RAW_MAX, and possible for the payload */
    uint64_t checksum;
};
/* Checks a block with its trailer. CORRUPT names file and offset. */
LSMKV_MUST_CHECK enum lsmkv_status block_unseal(struct lsmkv_slice block, const struct block_place *place,
                                                struct block_parts *parts, struct lsmkv_error *err);

uint64_t block_chain(uint64_t chain, uint64_t checksum); /* the chain with one more block */

/* The parts of a file that are not in its sstable_info. Sizes in bytes, with trailers. */
struct sstable_layout {
    uint64_t blocks; /* data blocks */
    uint64_t data_size;
    uint64_t filter_size; /* 0 = none */
    uint64_t index_size;
    uint64_t chain;
    enum block_codec codec;
};

/* Appends the payload of the properties block. number, size and checksum of `info` are not in it. */
LSMKV_MUST_CHECK enum lsmkv_status properties_put(struct lsmkv_buf *to, const struct sstable_info *info,
                                                  const struct sstable_layout *layout, struct lsmkv_error *err);
/* Fills what properties_put() wrote; `info` starts as SSTABLE_INFO_INIT, the caller releases it also on failure. */
LSMKV_MUST_CHECK enum lsmkv_status properties_get(struct lsmkv_slice from, const struct block_place *place,
                                                  struct sstable_info *info, struct sstable_layout *layout,
                                                  struct lsmkv_error *err);

struct sstable_footer {
    uint64_t number;
    uint64_t file_size;
    uint64_t properties_size; /* with trailer */
    uint64_t properties_checksum;
    uint64_t checksum; /* of the footer itself; set by put and get */
};

void footer_put(uint8_t to[SSTABLE_FOOTER_SIZE], struct sstable_footer *footer);
/*
 * `tail`: the last bytes of the file, SSTABLE_FOOTER_MAX of them or all. CORRUPT, or CANTOPEN for a newer version; both
 * name file.
 */
LSMKV_MUST_CHECK enum lsmkv_status footer_get(struct lsmkv_slice tail, const char *path, struct sstable_footer *footer,
                                              struct lsmkv_error *err);

#endif
