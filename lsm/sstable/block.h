/*
 * block.h - the payload of a data or index block: builds it, finds a key in it, walks it both ways. Bytes: format.h.
 *
 * Threads:   one at a time, but many may read one `struct block`.
 * Ownership: a block borrows its bytes; so do the values that its readers yield.
 * Failure:   the bytes are untrusted. Readers report CORRUPT with the block's file and offset, never read outside, and
 *            always end: (1) offsets only rise within a walk; (2) keys must rise strictly.
 */
#ifndef LSM_SSTABLE_BLOCK_H
#define LSM_SSTABLE_BLOCK_H

#include "base/buf.h"
#include "sstable/format.h"

/* Bytes that two keys have in common at their beginnings. */
static inline size_t shared_prefix(struct lsmkv_slice a, struct lsmkv_slice b)
{
    size_t end = a.size < b.size ? a.size : b.size;
    size_t shared = 0;

    while (end - shared >= 8 && memcmp(a.data + shared, b.data + shared, 8) == 0)
        shared += 8;
    while (shared < end && a.data[shared] == b.data[shared])
        shared++;
    return shared;
}

/* ---- Building ---- */

/*
 * Legal order:  init ( add* finish reset )* release
 * After a failed call only reset and release are legal.
 */
struct block_builder {
    struct lsmkv_buf bytes;    /* the payload so far */
    struct lsmkv_buf restarts; /* their offsets, as they will be in the payload */
    struct lsmkv_buf last_key;
    uint64_t entries;
};

#define BLOCK_BUILDER_INIT                                                                                             \
    {                                                                                                                  \
        LSMKV_BUF_INIT, LSMKV_BUF_INIT, LSMKV_BUF_INIT, 0                                                              \
    }

void block_builder_release(struct block_builder *builder);
void block_builder_reset(struct block_builder *builder);
/* Bytes of the payload if `entry` were added (at most; prefix compression may make it less). */
size_t block_builder_size_with(const struct block_builder *builder, const struct entry *entry);
/* Keys rise strictly: MISUSE otherwise. TOOBIG beyond BLOCK_RAW_MAX. */
LSMKV_MUST_CHECK enum lsmkv_status block_builder_add(struct block_builder *builder, const struct entry *entry,
                                                     struct lsmkv_error *err);
/* Completes `builder->bytes`. */
LSMKV_MUST_CHECK enum lsmkv_status block_builder_finish(struct block_builder *builder, struct lsmkv_error *err);

/* ---- Reading ---- */

struct block {
    const uint8_t *bytes;
    size_t entries_size; /* bytes of all entries; the restart points follow */
    size_t restarts;     /* how many, at least 1 */
    struct block_place place;
};

LSMKV_MUST_CHECK enum lsmkv_status block_init(struct block *block, struct lsmkv_slice payload,
                                              const struct block_place *place, struct lsmkv_error *err);

/* Finds `key` without allocating. `entry` is filled (but for its key) if *found. */
LSMKV_MUST_CHECK enum lsmkv_status block_get(const struct block *block, struct lsmkv_slice key, struct entry *entry,
                                             bool *found, struct lsmkv_error *err);

/* `block` may be exchanged by block_iter_set(); the key's memory is kept. */
struct block_iter {
    struct block block;
    size_t at;   /* offset of the current entry */
    size_t next; /* offset behind it */
    bool valid;
    struct lsmkv_buf key;
    struct entry entry; /* borrowed until the next move */
};

void block_iter_set(struct block_iter *it, const struct block *block); /* not valid afterwards */
void block_iter_release(struct block_iter *it);
LSMKV_MUST_CHECK enum lsmkv_status block_iter_first(struct block_iter *it, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status block_iter_last(struct block_iter *it, struct lsmkv_error *err);
/* To the first entry with key >= `key`; not valid if there is none. */
LSMKV_MUST_CHECK enum lsmkv_status block_iter_seek(struct block_iter *it, struct lsmkv_slice key,
                                                   struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status block_iter_next(struct block_iter *it, struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status block_iter_prev(struct block_iter *it, struct lsmkv_error *err);

#endif
