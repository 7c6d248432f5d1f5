/*
 * codec.h - compresses and decompresses blocks with LZ4 and Zstd. Their contexts use the engine's allocator.
 *
 * Failure: a decompressor never trusts the stream: the size of the result is given by the caller.
 */
#ifndef LSM_SSTABLE_CODEC_H
#define LSM_SSTABLE_CODEC_H

#include <stdatomic.h>

#include "base/buf.h"
#include "sstable/format.h"

/* One thread at a time. Contexts are made at first use. */
struct compressor {
    void *lz4;
    void *zstd;
};

#define COMPRESSOR_INIT                                                                                                \
    {                                                                                                                  \
        NULL, NULL                                                                                                     \
    }

void compressor_release(struct compressor *compressor);
/*
 * Fills `to` (emptied first) and sets *used to `codec`, or to BLOCK_NONE with `to` undefined if that would not save at
 * least an eighth.
 */
LSMKV_MUST_CHECK enum lsmkv_status compressor_run(struct compressor *compressor, enum block_codec codec,
                                                  struct lsmkv_slice raw, struct lsmkv_buf *to, enum block_codec *used,
                                                  struct lsmkv_error *err);

#define DECOMPRESSOR_CONTEXTS 4 /* kept for reuse; more are made and freed as needed */

/* Any number of threads at a time. */
struct decompressor {
    _Atomic(void *) zstd[DECOMPRESSOR_CONTEXTS];
};

void decompressor_init(struct decompressor *decompressor);
void decompressor_release(struct decompressor *decompressor);
/* Exactly parts->raw_size bytes to `to`. CORRUPT names file and offset. */
LSMKV_MUST_CHECK enum lsmkv_status decompressor_run(struct decompressor *decompressor, const struct block_parts *parts,
                                                    const struct block_place *place, uint8_t *to,
                                                    struct lsmkv_error *err);

#endif
