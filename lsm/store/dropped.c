/*
 * dropped.c - the set of dropped tables: an ordered array.
 */
#include "store/dropped.h"

#include "store/catalog.h"
#include "store/store.h"

void dropped_init(struct dropped *dropped)
{
    mutex_init(&dropped->lock, "dropped tables", RANK_STORE);
}

void dropped_release(struct dropped *dropped)
{
    lsmkv_buf_release(&dropped->ids);
    mutex_release(&dropped->lock);
}

static uint32_t id_at(const struct lsmkv_buf *ids, size_t index)
{
    uint32_t id;

    memcpy(&id, ids->data + index * sizeof(id), sizeof(id));
    return id;
}

static size_t id_count(const struct lsmkv_buf *ids)
{
    return ids->size / sizeof(uint32_t);
}

/* Index of the first id >= `id`. */
static size_t find(const struct lsmkv_buf *ids, uint32_t id)
{
    size_t low = 0, high = id_count(ids);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (id_at(ids, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum lsmkv_status insert(struct lsmkv_buf *ids, uint32_t id, struct lsmkv_error *err)
{
    size_t index = find(ids, id);
    size_t offset = index * sizeof(id);
    enum lsmkv_status status;

    if (index < id_count(ids) && id_at(ids, index) == id)
        return LSMKV_OK;
    status = buf_reserve(ids, sizeof(id), err);
    if (status)
        return status;
    memmove(ids->data + offset + sizeof(id), ids->data + offset, ids->size - offset);
    memcpy(ids->data + offset, &id, sizeof(id));
    ids->size += sizeof(id);
    return LSMKV_OK;
}

/* ---- Loading ---- */

/* What no power cut can take back any more; in off mode nothing is promised, and what is visible counts. */
static uint64_t settled_sequence(struct lsmkv_store *store)
{
    uint64_t durable;

    if (store->options->sync == LSMKV_SYNC_OFF)
        return atomic_load_explicit(&store->log.visible, memory_order_acquire);
    (void)group_sync_unsynced(store, &durable);
    return durable;
}

static enum lsmkv_status read_ids(struct super_version *super_version, uint64_t sequence, struct lsmkv_buf *ids,
                                  struct lsmkv_error *err)
{
    uint8_t lower[CATALOG_PREFIX], upper[CATALOG_PREFIX];
    struct lsmkv_slice from = catalog_prefix(lower, CATALOG_DROPPED);
    struct lsmkv_slice to = catalog_prefix(upper, CATALOG_DROPPED + 1);
    struct iter *it = NULL;
    uint32_t id;
    enum lsmkv_status status;

    status = super_version_iter_new(&it, super_version, sequence, NULL, from, to, err);
    if (!status)
        status = iter_seek(it, from, err);
    while (!status && iter_valid(it) && slice_compare(iter_entry(it)->key, to) < 0) {
        if (iter_entry(it)->kind == ENTRY_PUT && catalog_dropped_id(iter_entry(it)->key, &id))
            status = insert(ids, id, err);
        if (!status)
            status = iter_next(it, err);
    }
    iter_free(it);
    return status;
}

/* Reads the catalog without the lock; drops that are committed meanwhile are added by dropped_add(). */
static void load(struct lsmkv_store *store)
{
    struct lsmkv_error failure = {LSMKV_OK, ""};
    struct lsmkv_buf ids = LSMKV_BUF_INIT;
    uint64_t sequence = settled_sequence(store);
    struct super_version *super_version = version_set_current(store->versions);
    enum lsmkv_status status = read_ids(super_version, sequence, &ids, &failure);

    super_version_unref(super_version);
    if (status) {
        if (store->background.log)
            store->background.log(store->background.log_context, status, failure.message);
        goto done;
    }
    mutex_lock(&store->dropped.lock);
    for (size_t i = 0; !status && i < id_count(&ids); i++)
        status = insert(&store->dropped.ids, id_at(&ids, i), NULL);
    store->dropped.loaded = !status; /* out of memory: again at the next question */
    mutex_unlock(&store->dropped.lock);

done:
    lsmkv_buf_release(&ids);
}

bool dropped_ask(void *context, uint32_t table_id)
{
    struct lsmkv_store *store = context;
    struct dropped *dropped = &store->dropped;
    size_t index;
    bool loaded, has;

    mutex_lock(&dropped->lock);
    loaded = dropped->loaded;
    mutex_unlock(&dropped->lock);
    if (!loaded)
        load(store);
    mutex_lock(&dropped->lock);
    index = find(&dropped->ids, table_id);
    has = index < id_count(&dropped->ids) && id_at(&dropped->ids, index) == table_id;
    mutex_unlock(&dropped->lock);
    return has;
}

void dropped_add(struct lsmkv_store *store, const struct lsmkv_buf *ids)
{
    struct dropped *dropped = &store->dropped;

    mutex_lock(&dropped->lock);
    for (size_t i = 0; i < id_count(ids); i++) {
        if (insert(&dropped->ids, id_at(ids, i), NULL))
            dropped->loaded = false; /* out of memory: the catalog has it */
    }
    mutex_unlock(&dropped->lock);
}
