/*
 * compaction_worker.c - the compaction threads: pick what is due, run it, install it, end its claims.
 *
 * They also discard tables whose keys all belong to dropped table ids, and delete obsolete files when asked to.
 */
#include "compaction/jobs.h"

#include "base/alloc.h"
#include "base/error.h"

enum step_kind { STEP_STOP, STEP_COMPACT, STEP_LOOK_FOR_DROPPED, STEP_DELETE_OBSOLETE, STEP_FAILED };

/* What a worker does next. */
struct step {
    enum step_kind kind;
    struct compaction *compaction;
    struct version *version; /* reference held: what `compaction` was picked from */
};

/* ---- Install ---- */

static void edit_remove(struct version_edit *edit, const struct compaction *compaction)
{
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < compaction->input_count[side]; i++)
            edit->removed[edit->removed_count++] = compaction->inputs[side][i];
    }
}

static void edit_add(struct version_edit *edit, unsigned level, struct table *const *tables, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        edit->added[edit->added_count].level = level;
        edit->added[edit->added_count++].table = tables[i];
    }
}

static enum lsmkv_status commit(const struct background *background, const struct compaction *compaction,
                                const struct outputs *outputs, struct lsmkv_error *err)
{
    struct version_edit edit = {NULL, 0, NULL, 0};
    enum lsmkv_status status;

    edit.removed = lsm_calloc(compaction->input_count[0] + compaction->input_count[1], sizeof(struct table *));
    edit.added = lsm_calloc(outputs->count + 1, sizeof(*edit.added));
    if (!edit.removed || !edit.added) {
        status = lsmkv_fail_nomem(err);
        goto done;
    }
    edit_remove(&edit, compaction);
    if (compaction->trivial_move)
        edit_add(&edit, compaction->output_level, compaction->inputs[0], 1);
    else
        edit_add(&edit, compaction->output_level, outputs->tables, outputs->count);
    status = version_set_commit(background->versions, &edit, NULL, 0, err);

done:
    lsm_free(edit.added);
    lsm_free(edit.removed);
    return status;
}

/* ---- Work ---- */

static enum lsmkv_status run_and_commit(const struct background *background, const struct compaction *compaction,
                                        const struct version *version, struct lsmkv_error *err)
{
    struct outputs outputs = {NULL, 0};
    enum lsmkv_status status = LSMKV_OK;

    background_hook(background, "compaction:begin");
    if (!compaction->trivial_move && !compaction->discard)
        status = compaction_run(background, compaction, version, &outputs, err);
    if (status)
        return status;
    background_hook(background, "compaction:built");
    status = commit(background, compaction, &outputs, err);
    if (status && !version_set_poisoned(background->versions, NULL))
        outputs_discard(background, &outputs);
    else
        outputs_release(&outputs);
    return status;
}

enum lsmkv_status compaction_execute(struct scheduler *scheduler, struct compaction *compaction,
                                     struct version *version, struct lsmkv_error *err)
{
    const struct background *background = scheduler->background;
    struct lsmkv_error local = LSMKV_ERROR_INIT;
    enum lsmkv_status status = run_and_commit(background, compaction, version, &local);

    if (!status) {
        counter_add(background->counters, compactions, 1);
        counter_add(background->counters, trivial_moves, compaction->trivial_move);
    }
    version_unref(version);
    mutex_lock(&scheduler->mutex);
    compaction_free(compaction);
    scheduler->compacting--;
    /* A compaction that began before a table was dropped may have kept its keys, or a claim on what can be discarded. */
    scheduler->look_for_dropped = scheduler->look_for_dropped || (background->dropped && !status);
    mutex_unlock(&scheduler->mutex);
    scheduler_job_ended(scheduler, JOB_COMPACTION, status, &local);
    if (status) {
        if (err)
            *err = local;
        return status;
    }
    background_hook(background, "compaction:installed");
    scheduler_delete_obsolete(scheduler);
    return LSMKV_OK;
}

/* ---- Dropped tables ---- */

/* The dropped ids among those that have tables to themselves. `ids` (lsm_free) is an array of at most one id a table. */
static enum lsmkv_status find_dropped(const struct background *background, const struct version *version,
                                      uint32_t **ids, size_t *count, struct lsmkv_error *err)
{
    struct dropped_filter filter = {.background = background};
    size_t tables = 0;
    uint32_t id;

    *count = 0;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        tables += version->levels[level].count;
    *ids = lsm_calloc(tables + 1, sizeof(uint32_t));
    if (!*ids)
        return lsmkv_fail_nomem(err);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        for (size_t i = 0; i < version->levels[level].count; i++) {
            const struct sstable_info *info = table_info(version->levels[level].tables[i]);

            if (!info_table_id(info, &id) || !dropped_filter_matches(&filter, slice_of_buf(&info->key_min)))
                continue;
            if (*count == 0 || (*ids)[*count - 1] != id)
                (*ids)[(*count)++] = id;
        }
    }
    return LSMKV_OK;
}

/* Asks the store without the lock, then discards the tables of one level; look_for_dropped brings the next. */
static void discard_dropped(struct scheduler *scheduler)
{
    struct super_version *super_version = version_set_current(scheduler->background->versions);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct compaction *compaction = NULL;
    struct version *version = NULL;
    uint32_t *ids = NULL;
    size_t count = 0;
    enum lsmkv_status status = find_dropped(scheduler->background, super_version->version, &ids, &count, &err);

    super_version_unref(super_version);
    mutex_lock(&scheduler->mutex);
    if (!status && count) {
        super_version = scheduler_look(scheduler);
        status = pick_dropped(&compaction, super_version->version, ids, count, &err);
        if (compaction) {
            version = super_version->version;
            version_ref(version);
        }
        scheduler_looked(scheduler, super_version);
    }
    scheduler->compacting -= !compaction; /* otherwise it keeps counting what this step was counted as */
    scheduler_note_obsolete(scheduler);
    scheduler_notify(scheduler);
    mutex_unlock(&scheduler->mutex);
    lsm_free(ids);
    if (compaction)
        (void)compaction_execute(scheduler, compaction, version, NULL);
    else if (status)
        scheduler_job_ended(scheduler, JOB_COMPACTION, status, &err);
}

/* ---- Collect ---- */

/* Fills `step` if there is something to do; it stays at STEP_STOP otherwise. */
static void collect_due(struct scheduler *scheduler, struct step *step, uint64_t *wake_at, struct lsmkv_error *err)
    LSM_REQUIRES(scheduler->mutex)
{
    struct super_version *super_version;

    if (scheduler->delete_wanted && !scheduler->deleting) {
        step->kind = STEP_DELETE_OBSOLETE;
        return;
    }
    if (scheduler->manual_blocked || !scheduler_may_begin(scheduler, JOB_COMPACTION, wake_at))
        return;
    if (scheduler->look_for_dropped) {
        scheduler->look_for_dropped = false;
        scheduler->compacting++;
        step->kind = STEP_LOOK_FOR_DROPPED;
        return;
    }
    super_version = scheduler_look(scheduler);
    if (pick_compaction(&step->compaction, scheduler->background->options, super_version->version, err)) {
        step->kind = STEP_FAILED;
    } else if (step->compaction) {
        step->kind = STEP_COMPACT;
        step->version = super_version->version;
        version_ref(step->version);
        scheduler->compacting++;
    }
    scheduler_looked(scheduler, super_version);
}

/* Waits for something to do. */
static void collect(struct scheduler *scheduler, struct step *step, struct lsmkv_error *err)
{
    *step = (struct step){STEP_STOP, NULL, NULL};
    mutex_lock(&scheduler->mutex);
    while (!atomic_load_explicit(&scheduler->stopping, memory_order_relaxed)) {
        uint64_t wake_at = 0;

        collect_due(scheduler, step, &wake_at, err);
        if (step->kind != STEP_STOP)
            break;
        scheduler_wait_work(scheduler, wake_at);
    }
    mutex_unlock(&scheduler->mutex);
}

void compaction_worker(void *argument)
{
    struct scheduler *scheduler = argument;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct step step;

    for (collect(scheduler, &step, &err); step.kind != STEP_STOP; collect(scheduler, &step, &err)) {
        switch (step.kind) {
        case STEP_COMPACT:
            (void)compaction_execute(scheduler, step.compaction, step.version, NULL);
            break;
        case STEP_LOOK_FOR_DROPPED:
            discard_dropped(scheduler);
            break;
        case STEP_DELETE_OBSOLETE:
            scheduler_delete_obsolete(scheduler);
            break;
        default:
            scheduler_job_ended(scheduler, JOB_COMPACTION, LSMKV_NOMEM, &err);
            break;
        }
    }
}
