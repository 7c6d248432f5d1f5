/*
 * memory.h - the memory of the extension: SQLite's allocator where the host's SQLite is thread-safe, malloc elsewhere.
 *
 * The engine gets the same allocator, so buffers can be grown on one side and released on the other.
 *
 * Threads: all functions may be called at the same time, after memory_setup().
 */
#ifndef EXT_MEMORY_H
#define EXT_MEMORY_H

#include "lsm/lsmkv.h"

void memory_setup(void); /* tells the engine; called once, before the first store is opened */

void *memory_alloc(size_t size);                       /* zeroed; NULL on failure */
void *memory_resize(void *memory, size_t size);        /* realloc semantics */
void memory_free(void *memory);                        /* NULL is fine */
char *memory_copy_text(const char *text, size_t size); /* with a terminator added; NULL on failure */

#endif
