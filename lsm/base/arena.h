/*
 * arena.h - memory that is freed all at once: bump allocation from growing chunks.
 *
 * Threads: one allocator at a time. What was allocated may be read from any thread; it never moves.
 */
#ifndef LSM_BASE_ARENA_H
#define LSM_BASE_ARENA_H

#include "lsmkv.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    uint8_t *at;
    uint8_t *end;
    size_t chunk_size; /* bytes of the next chunk; doubles from 4 KiB up to the maximum given at init */
    size_t chunk_max;
    size_t total; /* bytes taken from the allocator */
};

void arena_init(struct arena *arena, size_t chunk_max);
void arena_release(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t size, size_t alignment); /* NULL on failure */

/*
 * Makes sure that the next allocations cannot fail, as long as their sizes, each rounded up to 8, are `size` together and
 * their alignment is 8. False if there is no memory.
 */
bool arena_reserve(struct arena *arena, size_t size);

/* Memory for an arena that is not known yet; starts as zeros. */
struct arena_spare {
    struct arena_chunk *chunk; /* NULL = none */
    size_t chunk_size;         /* bytes */
};
/* Room for `size` bytes as arena_reserve() counts them. False, with nothing in it, if there is no memory. */
bool arena_spare_new(struct arena_spare *spare, size_t size);
void arena_spare_release(struct arena_spare *spare);
/*
 * What arena_reserve() promises, without fail: the next allocations take from the spare, or from the present chunk if that
 * has as much left. The spare is empty then.
 */
void arena_take(struct arena *arena, struct arena_spare *spare);

#endif
