/*
 * version_set.h - the current super-version, its changes, the manifest behind it, and the files nobody needs any more.
 *
 * Threads:   all functions may be called at the same time. Changes are serialised by the manifest lock (RANK_MANIFEST),
 *            the swap and the reader slots by RANK_SUPER_VERSION.
 * Failure:   a manifest commit that fails for I/O, or with unknown outcome, poisons the set: nothing is committed or
 *            deleted after it, every later change fails with READONLY naming the first failure; readers go on.
 */
#ifndef LSM_VERSION_VERSION_SET_H
#define LSM_VERSION_VERSION_SET_H

#include "manifest/manifest.h"
#include "memtable/history.h"
#include "os/sync.h"
#include "version/super_version.h"

struct version_set;

/*
 * A reader's cache of the current super-version, on a cache line of its own: taking it is one exchange, giving it back
 * one compare-and-swap. Installing a new super-version sweeps all slots, so an idle reader pins nothing.
 */
struct reader_slot;

/* Takes over `manifest` (copied). The set starts without memtables: the caller rotates one in before the first read. */
LSMKV_MUST_CHECK enum lsmkv_status version_set_new(struct version_set **set, struct os_fs *fs, const char *dir,
                                                   const struct manifest *manifest, struct table_cache *cache,
                                                   struct counters *counters, struct lsmkv_error *err);
void version_set_free(struct version_set *set); /* no readers, no background work; NULL is fine */

/* The current super-version with a reference for the caller. */
struct super_version *version_set_current(struct version_set *set);

LSMKV_MUST_CHECK enum lsmkv_status reader_slot_new(struct reader_slot **slot, struct version_set *set,
                                                   struct lsmkv_error *err);
void reader_slot_free(struct reader_slot *slot); /* nothing taken; NULL is fine */
/* As version_set_current(), by way of the slot. Give it back with reader_slot_give(), once. One thread at a time. */
struct super_version *reader_slot_take(struct reader_slot *slot);
void reader_slot_give(struct reader_slot *slot, struct super_version *super_version);
/* True if `super_version` is the current one at this moment (a snapshot confirms with it: take, read sequence, confirm). */
bool version_set_is_current(const struct version_set *set, const struct super_version *super_version);

/* A number for a new table or segment: never given twice, beyond every number in the directory. */
uint64_t version_set_new_file(struct version_set *set);

/*
 * `active` becomes the active memtable, the former one (if any) the newest immutable. Called by the holder of the log
 * lock; no I/O. Also used by recovery to bring in replayed memtables, oldest first.
 */
LSMKV_MUST_CHECK enum lsmkv_status version_set_rotate(struct version_set *set, struct memtable *active,
                                                      struct lsmkv_error *err);

/*
 * Commits `edit` to the manifest and installs it. `flushed` (`flushed_count` of them, the oldest immutables, oldest
 * first; may be 0) leave the read set in the same swap, and first_segment rises to what the remaining memtables and
 * version_set_keep_segment() need. Removed tables become obsolete. New table files must be synced; the directory sst/ is
 * synced here.
 */
LSMKV_MUST_CHECK enum lsmkv_status version_set_commit(struct version_set *set, const struct version_edit *edit,
                                                      struct memtable *const *flushed, size_t flushed_count,
                                                      struct lsmkv_error *err);

/* The oldest segment that a live prepare needs; UINT64_MAX for none. */
void version_set_keep_segment(struct version_set *set, uint64_t segment);

/* Commits a clean end: the last segment and its final length. */
LSMKV_MUST_CHECK enum lsmkv_status version_set_commit_clean(struct version_set *set, uint64_t segment, uint64_t length,
                                                            struct lsmkv_error *err);

/* How much of the past may be kept for validation: the option history_size. */
void version_set_history_limit(struct version_set *set, uint64_t bytes);

/* Commits other options. */
LSMKV_MUST_CHECK enum lsmkv_status
version_set_commit_options(struct version_set *set, const struct lsmkv_options *options, struct lsmkv_error *err);

/* Called with each new super-version installed, under no lock (to wake whoever waits for pressure). May be NULL. */
void version_set_on_install(struct version_set *set, void (*installed)(void *context), void *context);

/*
 * Removes obsolete tables that nobody reads, segments below first_segment and replaced level files. By the background
 * thread. Does nothing once poisoned. A file that cannot be removed is left for the next open and reported by the status.
 */
enum lsmkv_status version_set_delete_obsolete(struct version_set *set, struct lsmkv_error *err);
bool version_set_has_obsolete(struct version_set *set);

/* Removes every file that the manifest does not name. At open, before anything writes files. */
LSMKV_MUST_CHECK enum lsmkv_status version_set_remove_orphans(struct version_set *set, struct lsmkv_error *err);

/* Poisons the set for a failure found elsewhere (the log), as an unknown outcome of a commit does. The first one stays. */
void version_set_poison(struct version_set *set, const struct lsmkv_error *why);
bool version_set_poisoned(const struct version_set *set, struct lsmkv_error *why); /* `why` may be NULL */

/* The memtables that were rotated in, each followed by the next, and how much of them is kept. */
struct history *version_set_history(struct version_set *set);

void version_set_locks(struct version_set *set, void (*visit)(void *context, const struct mutex *mutex), void *context);

#endif
