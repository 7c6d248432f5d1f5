/*
 * arena.c - bump allocation from growing chunks.
 */
#include "base/arena.h"

#include "base/alloc.h"

#define CHUNK_FIRST 4096

struct arena_chunk {
    struct arena_chunk *next;
    uint64_t unused; /* keeps the bytes that follow aligned to 16 */
};

void arena_init(struct arena *arena, size_t chunk_max)
{
    arena->chunks = NULL;
    arena->at = NULL;
    arena->end = NULL;
    arena->chunk_max = chunk_max < CHUNK_FIRST ? CHUNK_FIRST : chunk_max;
    arena->chunk_size = CHUNK_FIRST;
    arena->total = 0;
}

void arena_release(struct arena *arena)
{
    while (arena->chunks) {
        struct arena_chunk *next = arena->chunks->next;

        lsm_free(arena->chunks);
        arena->chunks = next;
    }
    arena_init(arena, arena->chunk_max);
}

/* The start of an aligned block in [at, end), or NULL if it does not fit. */
static uint8_t *fit(uint8_t *at, const uint8_t *end, size_t size, size_t alignment)
{
    size_t left = (size_t)(end - at);
    size_t skip = (size_t)(-(uintptr_t)at & (alignment - 1));

    if (!at || left < skip || left - skip < size)
        return NULL;
    return at + skip;
}

static void link_chunk(struct arena *arena, struct arena_chunk *chunk, size_t size)
{
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->total += size;
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = lsm_alloc(size);

    if (chunk)
        link_chunk(arena, chunk, size);
    return chunk;
}

/* A block too big to share a chunk gets its own, and the chunk in use stays in use. */
static void *alloc_alone(struct arena *arena, size_t size, size_t alignment)
{
    struct arena_chunk *chunk;
    size_t bytes;

    if (__builtin_add_overflow(size, sizeof(*chunk) + alignment, &bytes))
        return NULL;
    chunk = add_chunk(arena, bytes);
    if (!chunk)
        return NULL;
    return fit((uint8_t *)(chunk + 1), (uint8_t *)chunk + bytes, size, alignment);
}

/* A new chunk to allocate from; what is left of the former one is given up. */
static bool begin_chunk(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = add_chunk(arena, size);

    if (!chunk)
        return false;
    arena->at = (uint8_t *)(chunk + 1);
    arena->end = (uint8_t *)chunk + size;
    if (arena->chunk_size < arena->chunk_max)
        arena->chunk_size = arena->chunk_max / 2 < arena->chunk_size ? arena->chunk_max : arena->chunk_size * 2;
    return true;
}

bool arena_reserve(struct arena *arena, size_t size)
{
    size_t bytes;

    if (__builtin_add_overflow(size, sizeof(struct arena_chunk) + 8, &bytes))
        return false;
    if (fit(arena->at, arena->end, size, 8))
        return true;
    return begin_chunk(arena, bytes > arena->chunk_size ? bytes : arena->chunk_size);
}

bool arena_spare_new(struct arena_spare *spare, size_t size)
{
    if (__builtin_add_overflow(size, sizeof(struct arena_chunk) + 8, &spare->chunk_size))
        return false;
    spare->chunk = lsm_alloc(spare->chunk_size);
    return spare->chunk != NULL;
}

void arena_spare_release(struct arena_spare *spare)
{
    lsm_free(spare->chunk);
    spare->chunk = NULL;
}

void arena_take(struct arena *arena, struct arena_spare *spare)
{
    if (!spare->chunk)
        return;
    /* A small spare must not end a chunk that has more left: the next reservation would begin another one. */
    if (fit(arena->at, arena->end, spare->chunk_size, 8)) {
        arena_spare_release(spare);
        return;
    }
    link_chunk(arena, spare->chunk, spare->chunk_size);
    arena->at = (uint8_t *)(spare->chunk + 1);
    arena->end = (uint8_t *)spare->chunk + spare->chunk_size;
    spare->chunk = NULL;
}

void *arena_alloc(struct arena *arena, size_t size, size_t alignment)
{
    uint8_t *start;

    if (alignment < 8)
        alignment = 8;
    if (size == 0)
        size = 1;
    start = fit(arena->at, arena->end, size, alignment);
    if (start) {
        arena->at = start + size;
        return start;
    }
    if (size > arena->chunk_size / 4 || alignment > arena->chunk_size / 8)
        return alloc_alone(arena, size, alignment);
    if (!begin_chunk(arena, arena->chunk_size))
        return NULL;
    start = fit(arena->at, arena->end, size, alignment);
    arena->at = start + size;
    return start;
}
