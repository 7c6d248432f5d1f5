/*
 * fault_fs.c - counts, fails and holds the calls on another file system.
 *
 * Each call goes through enter(), which counts it, waits in a hold and picks the rule that fails it. The lock is never
 * held while the inner file system works. Memory is malloc's: an allocation that a test makes fail is never one of ours.
 */
#include "fault_fs.h"

#include <stdlib.h>
#include <string.h>

#include "lsm/base/error.h"
#include "lsm/os/sync.h"

#define RULES_MAX 16
#define HOLDS_MAX 8

struct path_count {
    char *path;
    uint64_t calls[FAULT_CALLS];
};

struct active_rule {
    struct fault_rule rule;
    uint64_t seen;
};

struct hold {
    bool used;
    uint32_t calls;
    const char *suffix;
    unsigned waiting;
};

struct fault_fs {
    struct os_fs base;
    struct os_fs *inner;
    struct mutex mutex; /* all below */
    struct condvar changed;
    struct path_count *counts;
    size_t count, capacity;
    uint64_t failures;
    struct active_rule rules[RULES_MAX];
    size_t rule_count;
    struct hold holds[HOLDS_MAX];
};

struct fault_file {
    struct os_file base;
    struct os_file *inner;
    struct fault_fs *fs;
};

/* ---- What happens to a call ---- */

static bool has_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path), suffix_size = suffix ? strlen(suffix) : 0;

    return suffix_size <= size && memcmp(path + size - suffix_size, suffix ? suffix : "", suffix_size) == 0;
}

static bool matches(uint32_t calls, const char *suffix, enum fault_call call, const char *path)
{
    return (calls == 0 || (calls & FAULT_BIT(call))) && has_suffix(path, suffix);
}

static void count_call(struct fault_fs *fs, enum fault_call call, const char *path)
{
    size_t i;

    for (i = 0; i < fs->count && strcmp(fs->counts[i].path, path) != 0; i++)
        ;
    if (i == fs->count) {
        if (fs->count == fs->capacity) {
            fs->capacity = fs->capacity ? fs->capacity * 2 : 64;
            fs->counts = realloc(fs->counts, fs->capacity * sizeof(*fs->counts));
        }
        memset(&fs->counts[i], 0, sizeof(fs->counts[i]));
        fs->counts[i].path = strdup(path);
        fs->count++;
    }
    fs->counts[i].calls[call]++;
}

static void wait_in_holds(struct fault_fs *fs, enum fault_call call, const char *path) LSM_REQUIRES(fs->mutex)
{
    for (size_t i = 0; i < HOLDS_MAX; i++) {
        struct hold *hold = &fs->holds[i];

        if (!hold->used || !matches(hold->calls, hold->suffix, call, path))
            continue;
        hold->waiting++;
        condvar_broadcast(&fs->changed);
        while (hold->used)
            condvar_wait(&fs->changed, &fs->mutex);
        hold->waiting--;
        condvar_broadcast(&fs->changed);
    }
}

/* True if the call is to fail, by `*rule`. */
static bool enter(struct fault_fs *fs, enum fault_call call, const char *path, struct fault_rule *rule)
{
    bool fails = false;

    mutex_lock(&fs->mutex);
    count_call(fs, call, path);
    wait_in_holds(fs, call, path);
    for (size_t i = 0; i < fs->rule_count; i++) {
        struct active_rule *active = &fs->rules[i];
        uint64_t nth = active->rule.nth ? active->rule.nth : 1;

        if (!matches(active->rule.calls, active->rule.suffix, call, path))
            continue;
        active->seen++;
        if (!fails && (active->seen == nth || (active->rule.forever && active->seen > nth))) {
            *rule = active->rule;
            fails = true;
            fs->failures++;
        }
    }
    mutex_unlock(&fs->mutex);
    return fails;
}

static enum lsmkv_status injected(const struct fault_rule *rule, const char *path, struct lsmkv_error *err)
{
    return lsmkv_fail(err, rule->status, "%s: injected fault", path);
}

/*
 * Runs `work` unless a rule fails the call; with FAULT_DONE runs it and fails afterwards. Statement expression, since
 * every wrapper has the same shape.
 */
#define THROUGH(fs, call, path, work, err)                                                                             \
    __extension__({                                                                                                    \
        struct fault_rule rule_;                                                                                       \
        bool fails_ = enter((fs), (call), (path), &rule_);                                                             \
        enum lsmkv_status status_ = LSMKV_OK;                                                                          \
                                                                                                                       \
        if (!fails_ || rule_.effect == FAULT_DONE)                                                                     \
            status_ = (work);                                                                                          \
        fails_ ? injected(&rule_, (path), (err)) : status_;                                                            \
    })

/* ---- Files ---- */

static enum lsmkv_status file_read(struct os_file *base, uint64_t offset, void *data, size_t size,
                                   struct lsmkv_error *err)
{
    struct fault_file *file = (struct fault_file *)base;

    return THROUGH(file->fs, FAULT_READ, base->path, os_read(file->inner, offset, data, size, err), err);
}

static enum lsmkv_status file_write(struct os_file *base, uint64_t offset, const void *data, size_t size,
                                    struct lsmkv_error *err)
{
    struct fault_file *file = (struct fault_file *)base;
    struct fault_rule rule;

    if (!enter(file->fs, FAULT_WRITE, base->path, &rule))
        return os_write(file->inner, offset, data, size, err);
    if (rule.effect != FAULT_NOTHING)
        (void)!os_write(file->inner, offset, data, rule.effect == FAULT_HALF ? size / 2 : size, NULL);
    return injected(&rule, base->path, err);
}

static enum lsmkv_status file_sync(struct os_file *base, struct lsmkv_error *err)
{
    struct fault_file *file = (struct fault_file *)base;

    return THROUGH(file->fs, FAULT_SYNC, base->path, os_sync(file->inner, err), err);
}

static enum lsmkv_status file_size(struct os_file *base, uint64_t *size, struct lsmkv_error *err)
{
    struct fault_file *file = (struct fault_file *)base;

    return THROUGH(file->fs, FAULT_SIZE, base->path, os_size(file->inner, size, err), err);
}

static enum lsmkv_status file_allocate(struct os_file *base, uint64_t size, struct lsmkv_error *err)
{
    struct fault_file *file = (struct fault_file *)base;

    return THROUGH(file->fs, FAULT_ALLOCATE, base->path, os_allocate(file->inner, size, err), err);
}

static enum lsmkv_status file_map(struct os_file *base, uint64_t size, const uint8_t **map, struct lsmkv_error *err)
{
    struct fault_file *file = (struct fault_file *)base;

    *map = NULL;
    return THROUGH(file->fs, FAULT_MAP, base->path, os_map(file->inner, size, map, err), err);
}

static void file_forget(struct os_file *base, uint64_t offset, uint64_t size)
{
    os_forget(((struct fault_file *)base)->inner, offset, size);
}

static enum lsmkv_status file_close(struct os_file *base, struct lsmkv_error *err)
{
    struct fault_file *file = (struct fault_file *)base;
    struct fault_rule rule;
    bool fails = enter(file->fs, FAULT_CLOSE, base->path, &rule);
    enum lsmkv_status status = os_close(file->inner, err);

    if (fails)
        status = injected(&rule, base->path, err);
    free((char *)base->path);
    free(file);
    return status;
}

static const struct os_file_ops file_ops = {
    .read = file_read,
    .write = file_write,
    .sync = file_sync,
    .size = file_size,
    .allocate = file_allocate,
    .map = file_map,
    .forget = file_forget,
    .close = file_close,
};

/* ---- Names ---- */

static enum lsmkv_status fs_open(struct os_fs *base, const char *path, enum os_open_mode mode, struct os_file **file,
                                 struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;
    struct fault_file *opened;
    enum lsmkv_status status;
    struct os_file *inner;
    struct fault_rule rule;

    if (enter(fs, mode == OS_CREATE_NEW ? FAULT_CREATE : FAULT_OPEN, path, &rule))
        return injected(&rule, path, err);
    status = os_fs_open(fs->inner, path, mode, &inner, err);
    if (status)
        return status;
    opened = calloc(1, sizeof(*opened));
    opened->base.ops = &file_ops;
    opened->base.path = strdup(path);
    opened->inner = inner;
    opened->fs = fs;
    *file = &opened->base;
    return LSMKV_OK;
}

static enum lsmkv_status fs_rename(struct os_fs *base, const char *from, const char *to, struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;

    return THROUGH(fs, FAULT_RENAME, to, os_fs_rename(fs->inner, from, to, err), err);
}

static enum lsmkv_status fs_remove(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;

    return THROUGH(fs, FAULT_REMOVE, path, os_fs_remove(fs->inner, path, err), err);
}

static enum lsmkv_status fs_kind(struct os_fs *base, const char *path, enum os_kind *kind, uint64_t *size,
                                 struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;

    return THROUGH(fs, FAULT_KIND, path, os_fs_kind(fs->inner, path, kind, size, err), err);
}

static enum lsmkv_status fs_make_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;

    return THROUGH(fs, FAULT_MAKE_DIR, path, os_fs_make_dir(fs->inner, path, err), err);
}

static enum lsmkv_status fs_make_subdir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;

    return THROUGH(fs, FAULT_MAKE_DIR, path, os_fs_make_subdir(fs->inner, path, err), err);
}

static enum lsmkv_status fs_remove_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;

    return THROUGH(fs, FAULT_REMOVE_DIR, path, os_fs_remove_dir(fs->inner, path, err), err);
}

static enum lsmkv_status fs_sync_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;

    return THROUGH(fs, FAULT_SYNC_DIR, path, os_fs_sync_dir(fs->inner, path, err), err);
}

static enum lsmkv_status fs_list(struct os_fs *base, const char *path,
                                 enum lsmkv_status (*visit)(void *context, const char *name, struct lsmkv_error *err),
                                 void *context, struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;

    return THROUGH(fs, FAULT_LIST, path, os_fs_list(fs->inner, path, visit, context, err), err);
}

static enum lsmkv_status fs_lock(struct os_fs *base, const char *path, struct os_lock **lock, struct lsmkv_error *err)
{
    struct fault_fs *fs = (struct fault_fs *)base;
    struct fault_rule rule;

    if (enter(fs, FAULT_LOCK, path, &rule))
        return injected(&rule, path, err);
    return os_fs_lock(fs->inner, path, lock, err);
}

static void fs_unlock(struct os_fs *base, struct os_lock *lock)
{
    os_fs_unlock(((struct fault_fs *)base)->inner, lock);
}

static const struct os_fs_ops fs_ops = {
    .open = fs_open,
    .rename = fs_rename,
    .remove = fs_remove,
    .kind = fs_kind,
    .make_dir = fs_make_dir,
    .make_subdir = fs_make_subdir,
    .remove_dir = fs_remove_dir,
    .sync_dir = fs_sync_dir,
    .list = fs_list,
    .lock = fs_lock,
    .unlock = fs_unlock,
};

/* ---- For tests ---- */

struct fault_fs *fault_fs_new(struct os_fs *inner)
{
    struct fault_fs *fs = calloc(1, sizeof(*fs));

    fs->base.ops = &fs_ops;
    fs->inner = inner;
    mutex_init(&fs->mutex, "fault_fs", RANK_OS);
    condvar_init(&fs->changed);
    return fs;
}

static void forget_counts(struct fault_fs *fs)
{
    for (size_t i = 0; i < fs->count; i++)
        free(fs->counts[i].path);
    fs->count = 0;
    fs->failures = 0;
}

void fault_fs_free(struct fault_fs *fs)
{
    if (!fs)
        return;
    forget_counts(fs);
    free(fs->counts);
    condvar_release(&fs->changed);
    mutex_release(&fs->mutex);
    free(fs);
}

struct os_fs *fault_fs_os(struct fault_fs *fs)
{
    return &fs->base;
}

void fault_fs_fail(struct fault_fs *fs, const struct fault_rule *rule)
{
    mutex_lock(&fs->mutex);
    if (fs->rule_count == RULES_MAX)
        abort();
    fs->rules[fs->rule_count].rule = *rule;
    fs->rules[fs->rule_count].seen = 0;
    fs->rule_count++;
    mutex_unlock(&fs->mutex);
}

void fault_fs_heal(struct fault_fs *fs)
{
    mutex_lock(&fs->mutex);
    fs->rule_count = 0;
    mutex_unlock(&fs->mutex);
}

uint64_t fault_fs_failures(struct fault_fs *fs)
{
    uint64_t failures;

    mutex_lock(&fs->mutex);
    failures = fs->failures;
    mutex_unlock(&fs->mutex);
    return failures;
}

uint64_t fault_fs_count(struct fault_fs *fs, uint32_t calls, const char *suffix)
{
    uint64_t count = 0;

    mutex_lock(&fs->mutex);
    for (size_t i = 0; i < fs->count; i++) {
        for (unsigned call = 0; call < FAULT_CALLS; call++) {
            if (matches(calls, suffix, call, fs->counts[i].path))
                count += fs->counts[i].calls[call];
        }
    }
    mutex_unlock(&fs->mutex);
    return count;
}

void fault_fs_reset(struct fault_fs *fs)
{
    mutex_lock(&fs->mutex);
    forget_counts(fs);
    mutex_unlock(&fs->mutex);
}

unsigned fault_fs_hold(struct fault_fs *fs, uint32_t calls, const char *suffix)
{
    unsigned i;

    mutex_lock(&fs->mutex);
    for (i = 0; i < HOLDS_MAX && (fs->holds[i].used || fs->holds[i].waiting); i++)
        ;
    if (i == HOLDS_MAX)
        abort();
    fs->holds[i].used = true;
    fs->holds[i].calls = calls;
    fs->holds[i].suffix = suffix;
    mutex_unlock(&fs->mutex);
    return i;
}

void fault_fs_wait_held(struct fault_fs *fs, unsigned hold)
{
    mutex_lock(&fs->mutex);
    while (!fs->holds[hold].waiting)
        condvar_wait(&fs->changed, &fs->mutex);
    mutex_unlock(&fs->mutex);
}

void fault_fs_release(struct fault_fs *fs, unsigned hold)
{
    mutex_lock(&fs->mutex);
    fs->holds[hold].used = false;
    condvar_broadcast(&fs->changed);
    mutex_unlock(&fs->mutex);
}
