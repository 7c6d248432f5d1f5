/*
 * open.c - opening and closing a store.
 *
 * Order of opening: look, lock, look again (or create), load the manifest, recover, remove what nothing names, start the
 * threads. Whatever fails, nothing is left running and the lock is free again.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "os/process.h"
#include "store/create.h"
#include "store/legacy.h"
#include "store/segments.h"
#include "store/store.h"

#define MEMORY_DIR "store" /* of an in-memory store, inside its own file system */

/* ---- Life of the struct ---- */

static struct lsmkv_store *allocate(void)
{
    struct lsmkv_store *store = lsm_calloc(1, sizeof(*store));

    if (!store)
        return NULL;
    turn_init(&store->turn);
    log_init(&store->log);
    group_sync_init(&store->sync);
    prepared_list_init(&store->prepared);
    dropped_init(&store->dropped);
    settings_init(&store->settings);
    mutex_init(&store->sessions_lock, "sessions", RANK_STORE);
    store->process = process_generation();
    return store;
}

/* Ends the threads. */
static void stop(struct lsmkv_store *store)
{
    scheduler_free(store->scheduler);
    store->scheduler = NULL;
    group_sync_stop(store);
}

/* Frees what is there, of a store that failed to open too; the threads have ended. */
static void release(struct lsmkv_store *store)
{
    log_release(&store->log);
    version_set_free(store->versions);
    if (store->cache)
        table_cache_free(store->cache);
    if (store->lock)
        os_fs_unlock(store->fs, store->lock);
    mutex_release(&store->sessions_lock);
    settings_release(&store->settings);
    dropped_release(&store->dropped);
    prepared_list_release(&store->prepared);
    group_sync_release(&store->sync);
    turn_release(&store->turn);
    if (store->memory_fs)
        os_memory_fs_free(store->memory_fs);
    lsm_free(store->label);
    lsm_free(store->dir);
    lsm_free(store);
}

/* ---- Opening ---- */

static enum lsmkv_status set_place(struct lsmkv_store *store, const char *dir, const struct lsmkv_open *how,
                                   struct lsmkv_error *err)
{
    store->fs = how->fs ? how->fs : os_posix_fs();
    if (how->in_memory && !how->fs) {
        store->memory_fs = os_memory_fs_new();
        store->fs = store->memory_fs;
    }
    store->label = lsm_strdup(dir);
    store->dir = lsm_strdup(how->in_memory ? MEMORY_DIR : dir);
    if (!store->fs || !store->label || !store->dir)
        return lsmkv_fail_nomem(err);
    return LSMKV_OK;
}

static enum lsmkv_status take_lock(struct lsmkv_store *store, struct lsmkv_error *err)
{
    char *path = os_path(store->dir, NAME_LOCK);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_lock(store->fs, path, &store->lock, err);
    lsm_free(path);
    return status;
}

/* Locks the directory and sees to it that it holds a store. */
static enum lsmkv_status enter(struct lsmkv_store *store, const struct lsmkv_open *how, struct lsmkv_error *err)
{
    enum lsmkv_open_mode mode = how->in_memory ? LSMKV_OPEN_CREATE : how->mode;
    bool exists;
    enum lsmkv_status status;

    if (how->expected_id)
        mode = LSMKV_OPEN_EXISTING; /* a new store could not be the expected one */
    status = store_inspect(store->fs, store->dir, mode, &exists, err);
    if (!status && !exists)
        status = store_make_dir(store->fs, store->dir, err);
    if (!status)
        status = take_lock(store, err);
    if (!status)
        status = store_inspect(store->fs, store->dir, mode, &exists, err); /* another process may have made one */
    if (!status && exists)
        status = legacy_finish(store->fs, store->dir, err);
    else if (!status)
        status = store_create(store, how->options, err);
    return status;
}

static enum lsmkv_status check_id(const struct lsmkv_store *store, const struct lsmkv_open *how,
                                  struct lsmkv_error *err)
{
    if (!how->expected_id || memcmp(how->expected_id, store->id, sizeof(store->id)) == 0)
        return LSMKV_OK;
    return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: holds another store than the one that was expected", store->label);
}

static void set_background(struct lsmkv_store *store, const struct lsmkv_open *how)
{
    struct background *background = &store->background;

    background->fs = store->fs;
    background->dir = store->dir;
    background->options = store->options;
    background->cache = store->cache;
    background->counters = &store->counters;
    background->dropped = dropped_ask;
    background->dropped_context = store;
    background->hook = how->hook;
    background->hook_context = how->hook_context;
    background->log = how->log;
    background->log_context = how->log_context;
}

/* Garbage does no harm, so a failure to remove it is only reported. */
static void remove_orphans(struct lsmkv_store *store)
{
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    enum lsmkv_status status = version_set_remove_orphans(store->versions, &failure);

    if (status && store->background.log)
        store->background.log(store->background.log_context, status, failure.message);
}

static enum lsmkv_status load(struct lsmkv_store *store, const struct lsmkv_open *how, struct lsmkv_error *err)
{
    struct manifest manifest;
    enum lsmkv_status status;

    manifest_init(&manifest);
    status = manifest_load(&manifest, store->fs, store->dir, err);
    if (status)
        goto done;
    memcpy(store->id, manifest.store_id, sizeof(store->id));
    status = settings_load(store, &manifest.options, err);
    if (!status)
        status = check_id(store, how, err);
    if (!status)
        status = table_cache_new(&store->cache, store->fs, store->dir, STORE_OPEN_TABLES, store->options->cache_size,
                                 store->options->io, &store->counters, err);
    if (status)
        goto done;
    set_background(store, how);
    status = store_recover(store, &manifest, err);
    if (!status)
        remove_orphans(store);

done:
    manifest_release(&manifest);
    return status;
}

enum lsmkv_status lsmkv_store_open(struct lsmkv_store **store, const char *dir, const struct lsmkv_open *how,
                                   struct lsmkv_error *err)
{
    struct lsmkv_store *made;
    enum lsmkv_status status;

    if (dir[0] == '\0' && !how->in_memory)
        return lsmkv_fail(err, LSMKV_INVALID, "the path of a store is empty");
    status = process_watch_forks(err);
    if (status)
        return status;
    made = allocate();
    if (!made)
        return lsmkv_fail_nomem(err);
    status = set_place(made, dir, how, err);
    if (!status)
        status = enter(made, how, err);
    if (!status)
        status = load(made, how, err);
    if (!status)
        status = scheduler_new(&made->scheduler, &made->background, err);
    if (!status)
        status = group_sync_start(made, err);
    if (status) {
        stop(made);
        release(made);
        return status;
    }
    *store = made;
    return LSMKV_OK;
}

/* ---- Closing ---- */

/* True if nothing was appended or committed since a clean end: the manifest still tells the truth. */
static bool unchanged(struct lsmkv_store *store, struct log_position end)
{
    return store->resumed && end.segment == store->log.start.segment && end.offset == store->log.start.offset &&
           counter_get(&store->counters, manifest_commits) == 0;
}

/* Promises the end of the log, once it is durable. */
static enum lsmkv_status end_cleanly(struct lsmkv_store *store, struct lsmkv_error *err)
{
    struct log_position end;
    uint64_t applied;
    enum lsmkv_status status;

    status = store_check_writable(store, err);
    if (status)
        return status;
    end = log_end(store, &applied);
    if (unchanged(store, end))
        return LSMKV_OK;
    if (store->options->sync == LSMKV_SYNC_OFF)
        status = segments_sync_all(store->fs, store->dir, err); /* the older ones were never synced */
    if (!status)
        status = group_sync_wait(store, end, err);
    if (!status)
        status = version_set_commit_clean(store->versions, end.segment, end.offset, err);
    return status;
}

enum lsmkv_status lsmkv_store_close(struct lsmkv_store *store, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(store, err);

    if (status)
        return status; /* in a child: its threads are not there to join, its memory is a copy */
    stop(store);
    status = end_cleanly(store, err);
    release(store);
    return status;
}

enum lsmkv_status lsmkv_store_close_and_destroy(struct lsmkv_store *store, struct lsmkv_error *err)
{
    enum lsmkv_status status = store_check_process(store, err);

    if (status)
        return status;
    stop(store);
    (void)end_cleanly(store, NULL); /* for the case that the files are kept; then a crash's recovery would do as well */
    status = store_remove_files(store->fs, store->dir, err);
    release(store);
    return status;
}

const uint8_t *lsmkv_store_id(const struct lsmkv_store *store)
{
    return store->id;
}

const char *lsmkv_store_dir(const struct lsmkv_store *store)
{
    return store->label;
}
