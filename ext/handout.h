/*
 * handout.h - the rowids that open transactions have chosen for new rows, so that no two choose the same.
 *
 * A transaction sees what is committed and its own rows, not the rows of others that will be committed soon. What it has
 * chosen is therefore known to the others until it ends; it does not count for itself, so that the numbers of rows that it
 * has deleted or rolled back are given again, as in SQLite.
 *
 * Threads:   all functions may be called at the same time.
 */
#ifndef EXT_HANDOUT_H
#define EXT_HANDOUT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Of one store. */
struct handouts {
    pthread_mutex_t mutex; /* guards the rest */
    struct handout *items;
    int count, capacity;
    uint64_t ended; /* transactions that have written and ended */
};

void handouts_init(struct handouts *handouts);
void handouts_release(struct handouts *handouts);

/* A number that changes whenever the largest committed rowid may have. */
uint64_t handouts_ended(struct handouts *handouts);

enum handout_outcome {
    HANDOUT_CHOSEN,
    HANDOUT_STALE,     /* somebody has ended since: look for the largest again */
    HANDOUT_EXHAUSTED, /* another has chosen the largest number that there is */
    HANDOUT_NOMEM,
};

/*
 * Raises *rowid, a rowid that is free as far as `owner` sees, above those that others have chosen, and remembers the choice;
 * nothing is remembered otherwise. `seen` is what handouts_ended() gave before the owner looked.
 */
enum handout_outcome handouts_choose(struct handouts *handouts, const void *owner, uint32_t keyspace, uint64_t seen,
                                     int64_t *rowid);

/* The transaction of `owner` has ended: what it chose is now committed, or free again. */
void handouts_end(struct handouts *handouts, const void *owner);

#endif
