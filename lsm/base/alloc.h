/*
 * alloc.h - the engine's one allocator: what lsmkv_allocator_set() gave, malloc otherwise.
 *
 * Threads: all functions may be called at the same time; lsm_alloc_fail_at() is for tests.
 */
#ifndef LSM_BASE_ALLOC_H
#define LSM_BASE_ALLOC_H

#include "lsmkv.h"

void *lsm_alloc(size_t size);                           /* NULL on failure; size 0 gives a unique pointer */
void *lsm_calloc(size_t count, size_t size);            /* zeroed; NULL on failure or overflow */
void *lsm_realloc(void *memory, size_t size);           /* NULL on failure, `memory` then still valid */
void lsm_free(void *memory);                            /* NULL is fine */
char *lsm_strdup(const char *text);                     /* NULL on failure */
void *lsm_alloc_aligned(size_t alignment, size_t size); /* a multiple of a cache line; end with lsm_free_aligned() */
void lsm_free_aligned(void *memory);

/* Tests: the `nth` allocation from now fails (1 = the next), and all after it too if `forever`; 0 turns it off. */
void lsm_alloc_fail_at(uint64_t nth, bool forever);
uint64_t lsm_alloc_count(void); /* allocations since the last lsm_alloc_fail_at() */

#endif
