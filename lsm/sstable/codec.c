/*
 * codec.c - LZ4 and Zstd behind one interface.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for contexts with an allocator of ours */
#include "sstable/codec.h"

#include <inttypes.h>
#include <limits.h>
#include <lz4.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/alloc.h"
#include "base/error.h"

#define ZSTD_LEVEL 3

static void *zstd_alloc(void *context, size_t size)
{
    (void)context;
    return lsm_alloc(size);
}

static void zstd_free(void *context, void *memory)
{
    (void)context;
    lsm_free(memory);
}

static const ZSTD_customMem zstd_memory = {zstd_alloc, zstd_free, NULL};

void compressor_release(struct compressor *compressor)
{
    lsm_free(compressor->lz4);
    ZSTD_freeCCtx(compressor->zstd);
    compressor->lz4 = NULL;
    compressor->zstd = NULL;
}

/* *size: bytes written to `to`, 0 if `capacity` does not hold the result. */
static enum lsmkv_status run_lz4(struct compressor *compressor, struct lsmkv_slice raw, uint8_t *to, size_t capacity,
                                 size_t *size, struct lsmkv_error *err)
{
    int written;

    *size = 0;
    if (raw.size > LZ4_MAX_INPUT_SIZE)
        return LSMKV_OK;
    if (!compressor->lz4)
        compressor->lz4 = lsm_alloc((size_t)LZ4_sizeofState());
    if (!compressor->lz4)
        return lsmkv_fail_nomem(err);
    written = LZ4_compress_fast_extState(compressor->lz4, (const char *)raw.data, (char *)to, (int)raw.size,
                                         (int)capacity, 1);
    *size = written > 0 ? (size_t)written : 0;
    return LSMKV_OK;
}

/* As run_lz4(). */
static enum lsmkv_status run_zstd(struct compressor *compressor, struct lsmkv_slice raw, uint8_t *to, size_t capacity,
                                  size_t *size, struct lsmkv_error *err)
{
    size_t written;

    *size = 0;
    if (!compressor->zstd)
        compressor->zstd = ZSTD_createCCtx_advanced(zstd_memory);
    if (!compressor->zstd)
        return lsmkv_fail_nomem(err);
    written = ZSTD_compressCCtx(compressor->zstd, to, capacity, raw.data, raw.size, ZSTD_LEVEL);
    if (!ZSTD_isError(written))
        *size = written;
    else if (ZSTD_getErrorCode(written) == ZSTD_error_memory_allocation)
        return lsmkv_fail_nomem(err);
    return LSMKV_OK;
}

enum lsmkv_status compressor_run(struct compressor *compressor, enum block_codec codec, struct lsmkv_slice raw,
                                 struct lsmkv_buf *to, enum block_codec *used, struct lsmkv_error *err)
{
    size_t capacity = raw.size - raw.size / 8 - 1;
    size_t size = 0;
    enum lsmkv_status status;

    *used = BLOCK_NONE;
    if (codec == BLOCK_NONE || raw.size < 8)
        return LSMKV_OK;
    buf_clear(to);
    status = buf_reserve(to, capacity + BLOCK_TRAILER_SIZE, err);
    if (status)
        return status;
    if (codec == BLOCK_LZ4)
        status = run_lz4(compressor, raw, to->data, capacity, &size, err);
    else
        status = run_zstd(compressor, raw, to->data, capacity, &size, err);
    if (!status && size > 0) {
        to->size = size;
        *used = codec;
    }
    return status;
}

void decompressor_init(struct decompressor *decompressor)
{
    for (size_t i = 0; i < DECOMPRESSOR_CONTEXTS; i++)
        atomic_init(&decompressor->zstd[i], NULL);
}

void decompressor_release(struct decompressor *decompressor)
{
    for (size_t i = 0; i < DECOMPRESSOR_CONTEXTS; i++)
        ZSTD_freeDCtx(atomic_load(&decompressor->zstd[i]));
}

static ZSTD_DCtx *take_zstd(struct decompressor *decompressor)
{
    for (size_t i = 0; i < DECOMPRESSOR_CONTEXTS; i++) {
        void *context = atomic_exchange_explicit(&decompressor->zstd[i], NULL, memory_order_acquire);

        if (context)
            return context;
    }
    return ZSTD_createDCtx_advanced(zstd_memory);
}

static void give_zstd(struct decompressor *decompressor, ZSTD_DCtx *context)
{
    for (size_t i = 0; i < DECOMPRESSOR_CONTEXTS; i++) {
        void *none = NULL;

        /* Pairs with the exchange in take_zstd(). */
        if (atomic_compare_exchange_strong_explicit(&decompressor->zstd[i], &none, context, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    ZSTD_freeDCtx(context);
}

enum lsmkv_status decompressor_run(struct decompressor *decompressor, const struct block_parts *parts,
                                   const struct block_place *place, uint8_t *to, struct lsmkv_error *err)
{
    bool right = false;

    if (parts->codec == BLOCK_LZ4) {
        right = parts->payload.size <= INT_MAX && parts->raw_size <= INT_MAX &&
                LZ4_decompress_safe((const char *)parts->payload.data, (char *)to, (int)parts->payload.size,
                                    (int)parts->raw_size) == (int)parts->raw_size;
    } else if (parts->codec == BLOCK_ZSTD) {
        ZSTD_DCtx *context = take_zstd(decompressor);

        if (!context)
            return lsmkv_fail_nomem(err);
        right = ZSTD_decompressDCtx(context, to, parts->raw_size, parts->payload.data, parts->payload.size) ==
                parts->raw_size;
        give_zstd(decompressor, context);
    }
    if (!right)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: the block at offset %" PRIu64 " does not decompress", place->path,
                          place->offset);
    return LSMKV_OK;
}
