/*
 * settings.c - changes options of an open store: recorded first, then put in force.
 */
#include "store/settings.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/store.h"

struct setting {
    struct lsmkv_options in_force, recorded;
    struct setting *former;
};

void settings_init(struct settings *settings)
{
    mutex_init(&settings->lock, "settings", RANK_SETTINGS);
    settings->newest = NULL;
}

void settings_release(struct settings *settings)
{
    while (settings->newest) {
        struct setting *former = settings->newest->former;

        lsm_free(settings->newest);
        settings->newest = former;
    }
    mutex_release(&settings->lock);
}

enum lsmkv_status settings_load(struct lsmkv_store *store, const struct lsmkv_options *options, struct lsmkv_error *err)
{
    struct setting *setting = lsm_calloc(1, sizeof(*setting));

    if (!setting)
        return lsmkv_fail_nomem(err);
    setting->in_force = *options;
    setting->recorded = *options;
    store->settings.newest = setting;
    store->options = &setting->in_force;
    return LSMKV_OK;
}

/* ---- Changing ---- */

/* A copy of the newest setting with one option changed. */
static enum lsmkv_status change(const struct settings *settings, const char *name, const char *value,
                                struct setting **setting, struct lsmkv_error *err) LSM_REQUIRES(settings->lock)
{
    struct setting *made = lsm_alloc(sizeof(*made));
    enum lsmkv_status status;

    *setting = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    *made = *settings->newest;
    made->former = settings->newest;
    status = lsmkv_options_set(&made->recorded, name, value, err);
    if (!status && lsmkv_option_at_once(name))
        status = lsmkv_options_set(&made->in_force, name, value, err);
    if (status)
        lsm_free(made);
    else
        *setting = made;
    return status;
}

/* What holds a copy of an option is told; all others read the pointer when they need it. */
static void put_in_force(struct lsmkv_store *store, const struct lsmkv_options *options)
{
    store->options = options;
    store->background.options = options;
    table_cache_resize(store->cache, options->cache_size);
    version_set_history_limit(store->versions, options->history_size);
    scheduler_options_changed(store->scheduler);
}

enum lsmkv_status lsmkv_store_set_option(struct lsmkv_store *store, const char *name, const char *value,
                                         struct lsmkv_error *err)
{
    struct settings *settings = &store->settings;
    struct setting *made = NULL;
    enum lsmkv_status status = store_check_process(store, err);

    if (!status)
        status = store_check_writable(store, err);
    if (status)
        return status;
    mutex_lock(&settings->lock);
    status = change(settings, name, value, &made, err);
    if (!status)
        status = version_set_commit_options(store->versions, &made->recorded, err);
    if (status) {
        lsm_free(made);
    } else {
        settings->newest = made;
        put_in_force(store, &made->in_force);
    }
    mutex_unlock(&settings->lock);
    return status;
}

/* ---- Looking ---- */

const struct lsmkv_options *lsmkv_store_options(const struct lsmkv_store *store)
{
    return store->options;
}

void lsmkv_store_recorded_options(struct lsmkv_store *store, struct lsmkv_options *options)
{
    mutex_lock(&store->settings.lock);
    *options = store->settings.newest->recorded;
    mutex_unlock(&store->settings.lock);
}
