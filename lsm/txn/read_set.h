/*
 * read_set.h - what a transaction has read: ranges of keys, a single key being one too. What was not found counts as read.
 *
 * It errs on the safe side only. Beyond READ_SET_MAX entries neighbours are merged into ranges that also hold what is
 * between them, and without memory it becomes everything: then contains() is true for every key. So adding cannot fail.
 *
 * Threads: one at a time. Sealed, any number may ask.
 */
#ifndef LSM_TXN_READ_SET_H
#define LSM_TXN_READ_SET_H

#include "lsmkv.h"

#define READ_SET_MAX       16384       /* entries */
#define READ_SET_BYTES_MAX (16u << 20) /* of keys */

struct read_set;

LSMKV_MUST_CHECK enum lsmkv_status read_set_new(struct read_set **set, struct lsmkv_error *err);
void read_set_free(struct read_set *set); /* NULL is fine */

/* Keys and bounds are copied. A set that is sealed is so no more. */
void read_set_add_key(struct read_set *set, struct lsmkv_slice key);
/* [lower, upper); data == NULL: unbounded. Nothing if it is empty. */
void read_set_add_range(struct read_set *set, struct lsmkv_slice lower, struct lsmkv_slice upper);
/* [lower, last]: `last` too. */
void read_set_add_through(struct read_set *set, struct lsmkv_slice lower, struct lsmkv_slice last);
void read_set_add_everything(struct read_set *set);

bool read_set_empty(const struct read_set *set);
bool read_set_everything(const struct read_set *set);
uint64_t read_set_bytes(const struct read_set *set); /* memory taken */

/* Sorts, and joins what overlaps. Cheap when sealed: nothing was added since. */
void read_set_seal(struct read_set *set);
bool read_set_sealed(const struct read_set *set);
/* The set must be sealed. */
bool read_set_contains(const struct read_set *set, struct lsmkv_slice key);

/*
 * Visits the entries of a sealed set in order: [lower, upper), upper.data == NULL: unbounded. A single key has `key` set:
 * its upper is the key and a zero byte. Of everything: one entry without bounds. Stops at the first failure.
 */
LSMKV_MUST_CHECK enum lsmkv_status read_set_each(const struct read_set *set,
                                                 enum lsmkv_status (*visit)(void *context, struct lsmkv_slice lower,
                                                                            struct lsmkv_slice upper, bool key,
                                                                            struct lsmkv_error *err),
                                                 void *context, struct lsmkv_error *err);

#endif
