/*
 * history.c - the chain of memtables.
 *
 * The list holds every memtable that is alive, in the order of rotation. A follower is always the next one in the list: it
 * is alive while its predecessor keeps it.
 */
#include "memtable/history.h"

#include <assert.h>

void history_init(struct history *history, uint64_t limit_bytes)
{
    mutex_init(&history->lock, "history", RANK_HISTORY);
    history->oldest = NULL;
    history->newest = NULL;
    history->kept_bytes = 0;
    history->limit_bytes = limit_bytes;
}

void history_release(struct history *history)
{
    assert(!history->oldest);
    mutex_release(&history->lock);
}

void history_append(struct history *history, struct memtable *memtable)
{
    struct history_link *link = memtable_history(memtable);

    assert(!link->history);
    mutex_lock(&history->lock);
    link->history = history;
    link->older = history->newest;
    if (history->newest) {
        struct history_link *former = memtable_history(history->newest);

        former->newer = memtable;
        former->follower = memtable;
        memtable_ref(memtable);
    } else {
        history->oldest = memtable;
    }
    history->newest = memtable;
    mutex_unlock(&history->lock);
}

struct memtable *history_forget(struct memtable *memtable)
{
    struct history_link *link = memtable_history(memtable);
    struct history *history = link->history;
    struct memtable *follower;

    if (!history)
        return NULL;
    mutex_lock(&history->lock);
    if (link->older)
        memtable_history(link->older)->newer = link->newer;
    else
        history->oldest = link->newer;
    if (link->newer)
        memtable_history(link->newer)->older = link->older;
    else
        history->newest = link->older;
    history->kept_bytes -= link->flushed_bytes;
    follower = link->follower;
    mutex_unlock(&history->lock);
    return follower;
}

bool history_follow(struct memtable *memtable, struct memtable **follower)
{
    struct history_link *link = memtable_history(memtable);
    bool cut;

    mutex_lock(&link->history->lock);
    cut = link->cut;
    *follower = link->follower;
    if (*follower)
        memtable_ref(*follower); /* alive: the link has a reference */
    mutex_unlock(&link->history->lock);
    return !cut;
}

/* Cuts the oldest link to a flushed memtable; what it held, or NULL if there is no such link. */
static struct memtable *cut_oldest(struct history *history) LSM_REQUIRES(history->lock)
{
    for (struct memtable *memtable = history->oldest; memtable; memtable = memtable_history(memtable)->newer) {
        struct history_link *link = memtable_history(memtable);
        struct memtable *follower = link->follower;

        if (follower && memtable_history(follower)->flushed_bytes) {
            link->follower = NULL;
            link->cut = true;
            return follower;
        }
    }
    return NULL;
}

void history_keep_limit(struct history *history)
{
    struct memtable *released;

    do {
        released = NULL;
        mutex_lock(&history->lock);
        if (history->kept_bytes > history->limit_bytes)
            released = cut_oldest(history);
        mutex_unlock(&history->lock);
        memtable_unref(released); /* with it goes the chain behind it, up to the next one that is read */
    } while (released);
}

void history_flushed(struct memtable *memtable)
{
    struct history_link *link = memtable_history(memtable);

    if (!link->history)
        return;
    mutex_lock(&link->history->lock);
    link->flushed_bytes = memtable_bytes(memtable);
    link->history->kept_bytes += link->flushed_bytes;
    mutex_unlock(&link->history->lock);
}

void history_set_limit(struct history *history, uint64_t limit_bytes)
{
    mutex_lock(&history->lock);
    history->limit_bytes = limit_bytes;
    mutex_unlock(&history->lock);
    history_keep_limit(history);
}

/* The memtable, if it is still in the list. */
static struct memtable *find(const struct history *history, const struct memtable *wanted) LSM_REQUIRES(history->lock)
{
    struct memtable *memtable = history->oldest;

    while (memtable && memtable != wanted)
        memtable = memtable_history(memtable)->newer;
    return memtable;
}

uint64_t history_kept_bytes(struct history *history, const struct memtable *from)
{
    struct memtable *memtable;
    uint64_t bytes = 0;

    mutex_lock(&history->lock);
    if (!from)
        bytes = history->kept_bytes;
    for (memtable = from ? find(history, from) : NULL; memtable; memtable = memtable_history(memtable)->follower)
        bytes += memtable_history(memtable)->flushed_bytes;
    mutex_unlock(&history->lock);
    return bytes;
}
