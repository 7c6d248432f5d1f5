/*
 * history.h - what was committed since a snapshot: the chain of memtables in the order of their rotation.
 *
 * A memtable in the chain owns a reference on the one that followed it. So whoever keeps a memtable, as a snapshot keeps
 * its active one, keeps all that was written after it, flushed or not, and can walk it to see what has changed. It ends
 * by itself: with the oldest snapshot the chain behind it goes, up to what is still read.
 *
 * That is bounded: once the memtables that are flushed and only kept for this exceed the limit, the oldest links are cut.
 * Who then comes to a cut learns that it cannot know what has changed.
 *
 * Threads:   all functions may be called at the same time. Lock: RANK_HISTORY; nothing is taken under it.
 * Ownership: memtables are in the list without a reference; the last memtable_unref() takes them out.
 */
#ifndef LSM_MEMTABLE_HISTORY_H
#define LSM_MEMTABLE_HISTORY_H

#include "memtable/memtable.h"
#include "os/sync.h"

struct history {
    struct mutex lock;

    /* Guarded by lock. */
    struct memtable *oldest, *newest; /* of those that somebody keeps */
    uint64_t kept_bytes;              /* of the flushed ones */
    uint64_t limit_bytes;
};

/* A memtable's place. Guarded by history->lock; `history` is constant once the memtable is shared. */
struct history_link {
    struct history *history;   /* NULL: in none */
    struct memtable *follower; /* a reference; NULL at the end and at a cut */
    struct memtable *older, *newer;
    uint64_t flushed_bytes; /* 0 until it is flushed */
    bool cut;
};

void history_init(struct history *history, uint64_t limit_bytes);
void history_release(struct history *history); /* ends its life; no memtable is left in it */
void history_set_limit(struct history *history, uint64_t limit_bytes);

/* `memtable`, not yet shared, follows the newest one. */
void history_append(struct history *history, struct memtable *memtable);

/* The memtable has left the read set: from here on it counts. */
void history_flushed(struct memtable *memtable);
/* Cuts what is over the limit. */
void history_keep_limit(struct history *history);

/* The one that followed `memtable`, with a reference; NULL if there is none yet. False at a cut. */
bool history_follow(struct memtable *memtable, struct memtable **follower);

/* By the last memtable_unref(): takes it out. The reference that it held is the caller's. */
struct memtable *history_forget(struct memtable *memtable);

/* Bytes of flushed memtables that are still kept; of `from` (only compared) and those after it, or of all (NULL). */
uint64_t history_kept_bytes(struct history *history, const struct memtable *from);

#endif
