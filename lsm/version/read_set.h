/*
 * read_set.h - what the version set needs of a super-version beyond its public face: making one in two steps, so that
 * the second cannot fail, and giving back many references at once.
 */
#ifndef LSM_VERSION_READ_SET_H
#define LSM_VERSION_READ_SET_H

#include "version/super_version.h"

/* An unfilled one with room for `capacity` immutables; NULL on failure. */
struct super_version *super_version_empty(size_t capacity);
/* More room in an unfilled one; false on failure, which changes nothing. */
bool super_version_reserve(struct super_version *super_version, size_t capacity);
/* Fills it, taking references; there must be room. `rotated` (may be NULL) is newer than all of `immutables`. */
void super_version_fill(struct super_version *super_version, struct memtable *active, struct memtable *rotated,
                        struct memtable *const *immutables, size_t immutable_count, struct version *version);

/* Gives back `refs` references. NULL and 0 are fine. */
void super_version_unref_many(struct super_version *super_version, uint64_t refs);

#endif
