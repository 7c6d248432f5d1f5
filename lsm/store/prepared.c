/*
 * prepared.c - the list of the undecided.
 */
#include "store/prepared.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "base/error.h"
#include "os/clock.h"
#include "store/store.h"

void prepared_list_init(struct prepared_list *list)
{
    mutex_init(&list->lock, "prepared", RANK_PREPARED);
    condvar_init(&list->changed);
    atomic_init(&list->count, 0);
    list->changes = 0;
    list->serial = 0;
    list->first = NULL;
    list->decided = NULL;
}

void prepared_list_release(struct prepared_list *list)
{
    while (list->first) {
        struct prepared *next = list->first->next;

        prepared_free(list->first);
        list->first = next;
    }
    while (list->decided) {
        struct decided *next = list->decided->next;

        lsm_free(list->decided);
        list->decided = next;
    }
    condvar_release(&list->changed);
    mutex_release(&list->lock);
}

/* ---- One of them ---- */

void prepared_free(struct prepared *prepared)
{
    if (!prepared)
        return;
    writes_release(&prepared->writes);
    iter_free(prepared->keys);
    read_set_free(prepared->guarded);
    lsmkv_buf_release(&prepared->reads);
    arena_spare_release(&prepared->spare);
    lsm_free(prepared->decided);
    lsm_free(prepared);
}

/* For read_set_each(): one more read, into the record's bytes and into the set to ask. */
static enum lsmkv_status copy_read(void *context, struct lsmkv_slice lower, struct lsmkv_slice upper, bool key,
                                   struct lsmkv_error *err)
{
    struct prepared *prepared = context;
    struct wal_read read = {.range = !key, .key = lower, .upper = upper};

    if (key)
        read_set_add_key(prepared->guarded, lower);
    else
        read_set_add_range(prepared->guarded, lower, upper);
    return wal_read_append(&prepared->reads, &read, err);
}

static enum lsmkv_status copy_reads(struct prepared *prepared, const struct read_set *reads, struct lsmkv_error *err)
{
    enum lsmkv_status status = read_set_new(&prepared->guarded, err);

    if (!status)
        status = read_set_each(reads, copy_read, prepared, err);
    if (!status)
        read_set_seal(prepared->guarded);
    return status;
}

enum lsmkv_status prepared_new(struct prepared **prepared, const struct lsmkv_prepare *how, struct batch *batch,
                               const struct read_set *reads, struct lsmkv_error *err)
{
    struct prepared *made = lsm_calloc(1, sizeof(*made));
    enum lsmkv_status status;

    if (!made)
        return lsmkv_fail_nomem(err);
    made->transaction = how->transaction;
    memcpy(made->coordinator, how->coordinator, sizeof(made->coordinator));
    made->default_commit = how->default_commit;
    made->began_ns = clock_now_ns();
    status = writes_init(&made->writes, batch, err);
    made->count = made->writes.count;
    made->bytes = batch_bytes(batch);
    if (!status)
        status = batch_iter_new(&made->keys, batch, batch_mark(batch), err);
    if (!status)
        status = copy_reads(made, reads, err);
    if (status)
        prepared_free(made);
    else
        *prepared = made;
    return status;
}

enum lsmkv_status prepared_set_aside(struct prepared *prepared, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    if (!prepared->decided)
        prepared->decided = lsm_calloc(1, sizeof(*prepared->decided));
    if (!prepared->decided)
        return lsmkv_fail_nomem(err);
    if (!prepared->spare.chunk)
        status = memtable_spare_new(&prepared->spare, prepared->writes.room, err);
    return status;
}

uint64_t prepared_size(const struct prepared *prepared)
{
    return WAL_PREPARE_HEAD + prepared->reads.size + prepared->writes.bytes;
}

enum lsmkv_status prepared_put(const struct prepared *prepared, struct wal_writer *writer, struct lsmkv_error *err)
{
    struct iter *entries = prepared->writes.entries;
    uint8_t head[WAL_PREPARE_HEAD];
    enum lsmkv_status status;

    put_u64(head, prepared->transaction);
    memcpy(head + sizeof(prepared->transaction), prepared->coordinator, sizeof(prepared->coordinator));
    head[WAL_PREPARE_HEAD - 1] = prepared->default_commit;
    status = wal_writer_data(writer, head, sizeof(head), err);
    if (!status)
        status = wal_writer_data(writer, prepared->reads.data, prepared->reads.size, err);
    if (!status)
        status = iter_first(entries, err);
    while (!status && iter_valid(entries)) {
        status = wal_writer_entry(writer, iter_entry(entries), err);
        if (!status)
            status = iter_next(entries, err);
    }
    return status;
}

/* ---- The list ---- */

static struct prepared *find(struct prepared_list *list, uint64_t transaction) LSM_REQUIRES(list->lock)
{
    struct prepared *at = list->first;

    while (at && at->transaction != transaction)
        at = at->next;
    return at;
}

static void signal_change(struct prepared_list *list) LSM_REQUIRES(list->lock)
{
    list->changes++;
    condvar_broadcast(&list->changed);
}

static void count_change(struct prepared_list *list, int change) LSM_REQUIRES(list->lock)
{
    uint32_t count = atomic_load_explicit(&list->count, memory_order_relaxed);

    atomic_store_explicit(&list->count, count + (uint32_t)change, memory_order_release);
}

/* See (3). */
static void keep_segments(struct lsmkv_store *store) LSM_REQUIRES(store->prepared.lock)
{
    uint64_t oldest = UINT64_MAX;

    for (const struct prepared *at = store->prepared.first; at; at = at->next)
        oldest = at->segment < oldest ? at->segment : oldest;
    version_set_keep_segment(store->versions, oldest);
}

static void take_out(struct lsmkv_store *store, struct prepared *prepared) LSM_REQUIRES(store->log.lock)
    LSM_REQUIRES(store->prepared.lock)
{
    struct prepared **link = &store->prepared.first;

    while (*link != prepared)
        link = &(*link)->next;
    *link = prepared->next;
    prepared->next = NULL;
    store->log.live -= !prepared->in_doubt;
    count_change(&store->prepared, -1);
    keep_segments(store);
    signal_change(&store->prepared);
}

/* Forgets the names of those whose outcome is durable. */
static void prune(struct prepared_list *list, struct log_position durable) LSM_REQUIRES(list->lock)
{
    struct decided **link = &list->decided;

    while (*link) {
        struct decided *at = *link;

        if (log_position_covers(durable, at->end)) {
            *link = at->next;
            lsm_free(at);
        } else {
            link = &at->next;
        }
    }
}

enum lsmkv_status prepared_add(struct lsmkv_store *store, struct prepared *prepared, uint64_t segment,
                               struct lsmkv_error *err)
{
    struct prepared_list *list = &store->prepared;
    struct log_position durable = group_sync_durable(store);
    bool taken;

    mutex_lock(&store->log.lock);
    mutex_lock(&store->prepared.lock);
    prune(&store->prepared, durable);
    taken = find(&store->prepared, prepared->transaction) != NULL;
    if (!taken) {
        struct prepared **link = &list->first;

        while (*link)
            link = &(*link)->next;
        *link = prepared;
        count_change(&store->prepared, 1);
        prepared->segment = segment;
        prepared->serial = ++list->serial;
        store->log.live += !prepared->in_doubt;
        keep_segments(store);
    }
    mutex_unlock(&store->prepared.lock);
    mutex_unlock(&store->log.lock);
    if (taken)
        return lsmkv_fail(err, LSMKV_INVALID, "a transaction %016" PRIx64 " is prepared already",
                          prepared->transaction);
    return LSMKV_OK;
}

void prepared_remove(struct lsmkv_store *store, struct prepared *prepared)
{
    mutex_lock(&store->log.lock);
    while (store->log.frozen)
        condvar_wait(&store->log.thawed, &store->log.lock); /* see (1) */
    mutex_lock(&store->prepared.lock);
    take_out(store, prepared);
    mutex_unlock(&store->prepared.lock);
    mutex_unlock(&store->log.lock);
}

void prepared_decide(struct lsmkv_store *store, struct prepared *prepared,
                     struct log_position end) LSM_NO_THREAD_CHECK /* the caller holds the log lock */
{
    struct prepared_list *list = &store->prepared;
    struct decided *decided = prepared->decided;

    mutex_lock(&store->prepared.lock);
    take_out(store, prepared);
    /* With sync = off it may never be durable; and nothing is promised for a power cut, which alone could undo it. */
    if (store->options->sync != LSMKV_SYNC_OFF) {
        decided->transaction = prepared->transaction;
        decided->end = end;
        decided->next = list->decided;
        list->decided = decided;
        prepared->decided = NULL;
    }
    mutex_unlock(&store->prepared.lock);
}

void prepared_orphan(struct lsmkv_store *store, struct prepared *prepared)
{
    mutex_lock(&store->log.lock);
    mutex_lock(&store->prepared.lock);
    store->log.live -= !prepared->in_doubt;
    prepared->in_doubt = true;
    signal_change(&store->prepared);
    mutex_unlock(&store->prepared.lock);
    mutex_unlock(&store->log.lock);
}

enum lsmkv_status prepared_claim(struct lsmkv_store *store, uint64_t transaction, struct prepared **prepared,
                                 struct lsmkv_error *err)
{
    struct prepared *at;

    mutex_lock(&store->prepared.lock);
    while ((at = find(&store->prepared, transaction)) && at->settling)
        condvar_wait(&store->prepared.changed, &store->prepared.lock);
    if (at && at->in_doubt)
        at->settling = true;
    else
        at = NULL;
    mutex_unlock(&store->prepared.lock);
    if (!at)
        return lsmkv_fail(err, LSMKV_INVALID, "%s: no transaction %016" PRIx64 " is in doubt", store->label,
                          transaction);
    *prepared = at;
    return LSMKV_OK;
}

void prepared_unclaim(struct lsmkv_store *store, struct prepared *prepared)
{
    mutex_lock(&store->prepared.lock);
    prepared->settling = false;
    signal_change(&store->prepared);
    mutex_unlock(&store->prepared.lock);
}

bool lsmkv_transaction_decided(struct lsmkv_store *store, uint64_t transaction)
{
    struct log_position durable;
    const struct decided *at;
    bool decided;

    if (store_check_process(store, NULL))
        return false;
    durable = group_sync_durable(store);
    mutex_lock(&store->prepared.lock);
    prune(&store->prepared, durable);
    decided = find(&store->prepared, transaction) == NULL;
    for (at = store->prepared.decided; decided && at; at = at->next)
        decided = at->transaction != transaction;
    mutex_unlock(&store->prepared.lock);
    return decided;
}

bool prepared_alone(struct lsmkv_store *store)
{
    unsigned defaults = 0;

    mutex_lock(&store->prepared.lock);
    for (const struct prepared *at = store->prepared.first; at; at = at->next)
        defaults += at->default_commit;
    mutex_unlock(&store->prepared.lock);
    return defaults <= 1;
}

/* ---- Rotation ---- */

/* Bytes of the records of all. */
static uint64_t total_size(const struct lsmkv_store *store) LSM_NO_THREAD_CHECK /* see (1) */
{
    uint64_t total = 0;

    for (const struct prepared *at = store->prepared.first; at; at = at->next)
        total += prepared_size(at);
    return total;
}

/* One stays until the log behind it is as long as all of them together: so no more is copied than is written. */
static bool should_move(const struct lsmkv_store *store, struct prepared *prepared, uint64_t total)
{
    prepared->behind += store->options->memtable_size;
    return prepared->behind >= total;
}

static enum lsmkv_status copy_all(struct lsmkv_store *store, bool *copied, struct lsmkv_error *err)
    LSM_NO_THREAD_CHECK /* nothing goes into the list or out of it: see (1) */
{
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    uint64_t total = total_size(store);
    enum lsmkv_status status = LSMKV_OK;

    for (struct prepared *at = store->prepared.first; !status && at; at = at->next) {
        at->moved = false;
        if (!should_move(store, at, total))
            continue;
        status = log_write_copy(store, at, &failure);
        at->moved = !status;
        *copied = *copied || at->moved;
        if (status == LSMKV_FULL || status == LSMKV_NOMEM)
            status = LSMKV_OK; /* it stays where it is */
    }
    return status ? lsmkv_fail(err, status, "%s", failure.message) : LSMKV_OK;
}

enum lsmkv_status prepared_copy_forward(struct lsmkv_store *store, struct lsmkv_error *err)
{
    bool copied = false;
    uint64_t unused;
    enum lsmkv_status status = copy_all(store, &copied, err);

    if (status || !copied)
        return status;
    if (store->options->sync != LSMKV_SYNC_OFF)
        status = group_sync_wait(store, log_end(store, &unused), err);
    if (status)
        return status;
    mutex_lock(&store->log.lock);
    mutex_lock(&store->prepared.lock);
    for (struct prepared *at = store->prepared.first; at; at = at->next) {
        if (!at->moved)
            continue;
        at->segment = wal_writer_segment(store->log.writer);
        at->behind = 0;
    }
    keep_segments(store);
    mutex_unlock(&store->prepared.lock);
    mutex_unlock(&store->log.lock);
    return LSMKV_OK;
}
