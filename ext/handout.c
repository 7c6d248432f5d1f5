#include "ext/handout.h"

#include "ext/memory.h"

struct handout {
    const void *owner;
    uint32_t keyspace;
    int64_t largest;
};

void handouts_init(struct handouts *handouts)
{
    pthread_mutex_init(&handouts->mutex, NULL);
    handouts->items = NULL;
    handouts->count = handouts->capacity = 0;
    handouts->ended = 0;
}

void handouts_release(struct handouts *handouts)
{
    pthread_mutex_destroy(&handouts->mutex);
    memory_free(handouts->items);
}

uint64_t handouts_ended(struct handouts *handouts)
{
    uint64_t ended;

    pthread_mutex_lock(&handouts->mutex);
    ended = handouts->ended;
    pthread_mutex_unlock(&handouts->mutex);
    return ended;
}

/* The owner's item, made if there is none; NULL on failure. */
static struct handout *take_item(struct handouts *handouts, const void *owner, uint32_t keyspace)
{
    struct handout *items = handouts->items;
    int i;

    for (i = 0; i < handouts->count; i++) {
        if (items[i].owner == owner && items[i].keyspace == keyspace)
            return &items[i];
    }
    if (handouts->count == handouts->capacity) {
        items = memory_resize(items, (size_t)(handouts->capacity + 8) * sizeof(*items));
        if (!items)
            return NULL;
        handouts->items = items;
        handouts->capacity += 8;
    }
    items[handouts->count].owner = owner;
    items[handouts->count].keyspace = keyspace;
    items[handouts->count].largest = INT64_MIN;
    return &items[handouts->count++];
}

/* The largest that others have chosen; false if none has. */
static bool largest_of_others(const struct handouts *handouts, const void *owner, uint32_t keyspace, int64_t *largest)
{
    bool any = false;
    int i;

    for (i = 0; i < handouts->count; i++) {
        const struct handout *item = &handouts->items[i];

        if (item->owner == owner || item->keyspace != keyspace)
            continue;
        if (!any || item->largest > *largest)
            *largest = item->largest;
        any = true;
    }
    return any;
}

enum handout_outcome handouts_choose(struct handouts *handouts, const void *owner, uint32_t keyspace, uint64_t seen,
                                     int64_t *rowid)
{
    enum handout_outcome outcome = HANDOUT_CHOSEN;
    struct handout *item;
    int64_t others = 0;

    pthread_mutex_lock(&handouts->mutex);
    if (handouts->ended != seen) {
        outcome = HANDOUT_STALE;
        goto done;
    }
    if (largest_of_others(handouts, owner, keyspace, &others) && others >= *rowid) {
        if (others == INT64_MAX) {
            outcome = HANDOUT_EXHAUSTED;
            goto done;
        }
        *rowid = others + 1;
    }
    item = take_item(handouts, owner, keyspace);
    if (!item)
        outcome = HANDOUT_NOMEM;
    else if (*rowid > item->largest)
        item->largest = *rowid;

done:
    pthread_mutex_unlock(&handouts->mutex);
    return outcome;
}

void handouts_end(struct handouts *handouts, const void *owner)
{
    int i = 0;

    pthread_mutex_lock(&handouts->mutex);
    while (i < handouts->count) {
        if (handouts->items[i].owner == owner)
            handouts->items[i] = handouts->items[--handouts->count];
        else
            i++;
    }
    handouts->ended++;
    pthread_mutex_unlock(&handouts->mutex);
}
