/*
 * memory.c - a private file system in memory, for stores that go with their connection, and for tests.
 *
 * Names are an array of nodes sorted by path; "a/b" is a child of "a". One lock protects the names, and the tables of
 * chunks and the sizes of all files (memory_file.h).
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "os/memory_file.h"

struct node {
    char *path;
    struct content *content; /* NULL = a directory */
};

struct memory_fs {
    struct os_fs base;
    struct mutex mutex; /* all below */
    struct node *nodes;
    size_t count, capacity;
};

struct os_lock {
    struct content *content;
};

/* ---- Names; the fs lock is held ---- */

/* `path` without doubled or trailing slashes, in a new string; NULL on failure. */
static char *clean_path(const char *path)
{
    size_t size = strlen(path), used = 0;
    char *clean = lsm_alloc(size + 1);

    if (!clean)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        if (path[i] != '/' || used == 0 || clean[used - 1] != '/')
            clean[used++] = path[i];
    }
    if (used > 1 && clean[used - 1] == '/')
        used--;
    clean[used] = '\0';
    return clean;
}

static bool is_root(const char *path)
{
    return path[0] == '\0' || strcmp(path, "/") == 0 || strcmp(path, ".") == 0;
}

/* The index of the first node whose path is not below `path`. */
static size_t find_place(const struct memory_fs *fs, const char *path)
{
    size_t low = 0, high = fs->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(fs->nodes[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct node *find_node(const struct memory_fs *fs, const char *path)
{
    size_t place = find_place(fs, path);

    return place < fs->count && strcmp(fs->nodes[place].path, path) == 0 ? &fs->nodes[place] : NULL;
}

static bool is_dir(const struct memory_fs *fs, const char *path)
{
    const struct node *node;

    if (is_root(path))
        return true;
    node = find_node(fs, path);
    return node && !node->content;
}

static bool parent_exists(const struct memory_fs *fs, char *path)
{
    char *slash = strrchr(path, '/');
    bool exists;

    if (!slash || slash == path)
        return true;
    *slash = '\0';
    exists = is_dir(fs, path);
    *slash = '/';
    return exists;
}

static bool is_below(const char *path, const char *dir, size_t dir_size)
{
    return strncmp(path, dir, dir_size) == 0 && path[dir_size] == '/';
}

static bool reserve_node(struct memory_fs *fs)
{
    size_t capacity = fs->capacity ? fs->capacity * 2 : 16;
    struct node *nodes;

    if (fs->count < fs->capacity)
        return true;
    nodes = lsm_realloc(fs->nodes, capacity * sizeof(*nodes));
    if (!nodes)
        return false;
    fs->nodes = nodes;
    fs->capacity = capacity;
    return true;
}

/* Takes over `path` and `content`; room is reserved. */
static void insert_node(struct memory_fs *fs, char *path, struct content *content)
{
    size_t place = find_place(fs, path);

    memmove(&fs->nodes[place + 1], &fs->nodes[place], (fs->count - place) * sizeof(fs->nodes[0]));
    fs->nodes[place].path = path;
    fs->nodes[place].content = content;
    fs->count++;
}

static void remove_node(struct memory_fs *fs, struct node *node)
{
    size_t place = (size_t)(node - fs->nodes);

    lsm_free(node->path);
    content_unref(node->content);
    memmove(node, node + 1, (fs->count - place - 1) * sizeof(*node));
    fs->count--;
}

/* ---- Calls by name ---- */

/* Finds or makes the file `path` (taken over, NULL is NOMEM) and returns its content with a reference more. */
static enum lsmkv_status take_content(struct memory_fs *fs, char *path, bool create, bool exclusive,
                                      struct content **content, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;
    struct node *node;

    if (!path)
        return lsmkv_fail_nomem(err);
    mutex_lock(&fs->mutex);
    node = find_node(fs, path);
    if (is_dir(fs, path)) {
        status = lsmkv_fail(err, LSMKV_CANTOPEN, "%s: is not a regular file", path);
    } else if (node && exclusive) {
        status = lsmkv_fail(err, LSMKV_IO, "%s: open: file exists", path);
    } else if (node) {
        *content = node->content;
    } else if (!create || !parent_exists(fs, path)) {
        status = lsmkv_fail(err, LSMKV_IO, "%s: open: no such file or directory", path);
    } else if (!reserve_node(fs) || !(*content = content_new())) {
        status = lsmkv_fail_nomem(err);
    } else {
        insert_node(fs, path, *content);
        path = NULL;
    }
    if (!status)
        (*content)->references++;
    mutex_unlock(&fs->mutex);
    lsm_free(path);
    return status;
}

/* Moves the node `from`, and all below it, to `to`: the new paths are made first, so that nothing fails half-way. */
static enum lsmkv_status move_nodes(struct memory_fs *fs, const char *from, const char *to, struct lsmkv_error *err)
{
    size_t from_size = strlen(from), moved = 0;
    struct node *nodes = lsm_calloc(fs->count, sizeof(*nodes));
    enum lsmkv_status status = LSMKV_OK;

    if (!nodes)
        return lsmkv_fail_nomem(err);
    for (size_t i = 0; i < fs->count && !status; i++) {
        const char *path = fs->nodes[i].path;

        if (strcmp(path, from) != 0 && !is_below(path, from, from_size))
            continue;
        nodes[moved].path = path[from_size] ? os_path(to, "%s", path + from_size + 1) : lsm_strdup(to);
        nodes[moved].content = fs->nodes[i].content;
        if (!nodes[moved].path)
            status = lsmkv_fail_nomem(err);
        moved++;
    }
    for (size_t i = 0; i < fs->count && !status;) {
        if (strcmp(fs->nodes[i].path, from) == 0 || is_below(fs->nodes[i].path, from, from_size)) {
            if (fs->nodes[i].content)
                fs->nodes[i].content->references++;
            remove_node(fs, &fs->nodes[i]);
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < moved; i++) {
        if (status)
            lsm_free(nodes[i].path);
        else
            insert_node(fs, nodes[i].path, nodes[i].content);
    }
    lsm_free(nodes);
    return status;
}

static enum lsmkv_status rename_locked(struct memory_fs *fs, char *from, char *to, struct lsmkv_error *err)
{
    struct node *source = find_node(fs, from), *target = find_node(fs, to);

    if (!source || !parent_exists(fs, to))
        return lsmkv_fail(err, LSMKV_IO, "%s: rename: no such file or directory", to);
    if (source == target)
        return LSMKV_OK;
    if (is_dir(fs, to) || (target && !source->content))
        return lsmkv_fail(err, LSMKV_IO, "%s: rename: is in the way", to);
    if (is_below(to, from, strlen(from)))
        return lsmkv_fail(err, LSMKV_IO, "%s: rename: into itself", to);
    if (target) {
        struct content *replaced = target->content;

        target->content = source->content;
        source->content = replaced;
        remove_node(fs, source);
        return LSMKV_OK;
    }
    return move_nodes(fs, from, to, err);
}

static enum lsmkv_status fs_rename(struct os_fs *base, const char *from, const char *to, struct lsmkv_error *err)
{
    struct memory_fs *fs = (struct memory_fs *)base;
    char *source = clean_path(from), *target = clean_path(to);
    enum lsmkv_status status;

    if (source && target) {
        mutex_lock(&fs->mutex);
        status = rename_locked(fs, source, target, err);
        mutex_unlock(&fs->mutex);
    } else {
        status = lsmkv_fail_nomem(err);
    }
    lsm_free(source);
    lsm_free(target);
    return status;
}

static enum lsmkv_status fs_remove(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct memory_fs *fs = (struct memory_fs *)base;
    enum lsmkv_status status = LSMKV_OK;
    char *clean = clean_path(path);
    struct node *node;

    if (!clean)
        return lsmkv_fail_nomem(err);
    mutex_lock(&fs->mutex);
    node = find_node(fs, clean);
    if (is_dir(fs, clean))
        status = lsmkv_fail(err, LSMKV_IO, "%s: unlink: is a directory", path);
    else if (node)
        remove_node(fs, node);
    mutex_unlock(&fs->mutex);
    lsm_free(clean);
    return status;
}

static enum lsmkv_status fs_open(struct os_fs *base, const char *path, enum os_open_mode mode, struct os_file **file,
                                 struct lsmkv_error *err)
{
    struct memory_fs *fs = (struct memory_fs *)base;
    bool create = mode == OS_CREATE_NEW;
    struct content *content;
    enum lsmkv_status status;

    status = take_content(fs, clean_path(path), create, create, &content, err);
    if (status)
        return status;
    status = memory_file_open(file, content, &fs->mutex, path, mode != OS_READ, err);
    if (!status)
        return LSMKV_OK;
    if (create)
        (void)!fs_remove(base, path, NULL);
    mutex_lock(&fs->mutex);
    content_unref(content);
    mutex_unlock(&fs->mutex);
    return status;
}

static enum lsmkv_status fs_kind(struct os_fs *base, const char *path, enum os_kind *kind, uint64_t *size,
                                 struct lsmkv_error *err)
{
    struct memory_fs *fs = (struct memory_fs *)base;
    char *clean = clean_path(path);
    const struct node *node;

    if (!clean)
        return lsmkv_fail_nomem(err);
    mutex_lock(&fs->mutex);
    node = find_node(fs, clean);
    *kind = is_dir(fs, clean) ? OS_DIRECTORY : node ? OS_REGULAR : OS_ABSENT;
    if (size)
        *size = *kind == OS_REGULAR ? node->content->size : 0;
    mutex_unlock(&fs->mutex);
    lsm_free(clean);
    return LSMKV_OK;
}

static enum lsmkv_status fs_make_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct memory_fs *fs = (struct memory_fs *)base;
    enum lsmkv_status status = LSMKV_OK;
    char *clean = clean_path(path);

    if (!clean)
        return lsmkv_fail_nomem(err);
    mutex_lock(&fs->mutex);
    if (is_dir(fs, clean)) {
        status = LSMKV_OK;
    } else if (find_node(fs, clean)) {
        status = lsmkv_fail(err, LSMKV_IO, "%s: mkdir: file exists", path);
    } else if (!parent_exists(fs, clean)) {
        status = lsmkv_fail(err, LSMKV_IO, "%s: mkdir: no such file or directory", path);
    } else if (!reserve_node(fs)) {
        status = lsmkv_fail_nomem(err);
    } else {
        insert_node(fs, clean, NULL);
        clean = NULL;
    }
    mutex_unlock(&fs->mutex);
    lsm_free(clean);
    return status;
}

static enum lsmkv_status fs_remove_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct memory_fs *fs = (struct memory_fs *)base;
    enum lsmkv_status status = LSMKV_OK;
    char *clean = clean_path(path);
    struct node *node;
    size_t size;

    if (!clean)
        return lsmkv_fail_nomem(err);
    size = strlen(clean);
    mutex_lock(&fs->mutex);
    node = find_node(fs, clean);
    if (!node || node->content)
        status = lsmkv_fail(err, LSMKV_IO, "%s: rmdir: no such directory", path);
    for (size_t i = 0; i < fs->count && !status; i++) {
        if (is_below(fs->nodes[i].path, clean, size))
            status = lsmkv_fail(err, LSMKV_IO, "%s: rmdir: directory not empty", path);
    }
    if (!status)
        remove_node(fs, node);
    mutex_unlock(&fs->mutex);
    lsm_free(clean);
    return status;
}

static enum lsmkv_status fs_sync_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    enum lsmkv_status status;
    enum os_kind kind;

    status = fs_kind(base, path, &kind, NULL, err);
    if (!status && kind != OS_DIRECTORY)
        status = lsmkv_fail(err, LSMKV_IO, "%s: fsync: no such directory", path);
    return status;
}

/* ---- Listing: names are copied, so that `visit` may change the directory ---- */

/* What follows "dir/" in `path`, or NULL if it is not a direct child. */
static const char *child_name(const char *path, const char *dir)
{
    size_t size = strlen(dir);
    const char *name;

    if (strcmp(dir, "/") == 0)
        name = path[0] == '/' ? path + 1 : NULL;
    else if (is_root(dir))
        name = path[0] != '/' ? path : NULL;
    else
        name = is_below(path, dir, size) ? path + size + 1 : NULL;
    return name && !strchr(name, '/') ? name : NULL;
}

static enum lsmkv_status copy_names(struct memory_fs *fs, const char *dir, char ***names, size_t *count,
                                    struct lsmkv_error *err)
{
    *count = 0;
    *names = lsm_calloc(fs->count + 1, sizeof(**names));
    if (!*names)
        return lsmkv_fail_nomem(err);
    for (size_t i = 0; i < fs->count; i++) {
        const char *name = child_name(fs->nodes[i].path, dir);

        if (!name)
            continue;
        (*names)[*count] = lsm_strdup(name);
        if (!(*names)[*count])
            return lsmkv_fail_nomem(err);
        (*count)++;
    }
    return LSMKV_OK;
}

static enum lsmkv_status fs_list(struct os_fs *base, const char *path,
                                 enum lsmkv_status (*visit)(void *context, const char *name, struct lsmkv_error *err),
                                 void *context, struct lsmkv_error *err)
{
    struct memory_fs *fs = (struct memory_fs *)base;
    char *clean = clean_path(path);
    enum lsmkv_status status;
    char **names = NULL;
    size_t count = 0;

    if (!clean)
        return lsmkv_fail_nomem(err);
    mutex_lock(&fs->mutex);
    if (is_dir(fs, clean))
        status = copy_names(fs, clean, &names, &count, err);
    else
        status = lsmkv_fail(err, LSMKV_IO, "%s: opendir: no such directory", path);
    mutex_unlock(&fs->mutex);
    for (size_t i = 0; i < count; i++) {
        if (!status)
            status = visit(context, names[i], err);
        lsm_free(names[i]);
    }
    lsm_free(names);
    lsm_free(clean);
    return status;
}

/* ---- Locks ---- */

static enum lsmkv_status fs_lock(struct os_fs *base, const char *path, struct os_lock **lock, struct lsmkv_error *err)
{
    struct memory_fs *fs = (struct memory_fs *)base;
    struct os_lock *taken = lsm_alloc(sizeof(*taken));
    enum lsmkv_status status;

    if (!taken)
        return lsmkv_fail_nomem(err);
    status = take_content(fs, clean_path(path), true, false, &taken->content, err);
    if (status) {
        lsm_free(taken);
        return status;
    }
    mutex_lock(&fs->mutex);
    if (taken->content->locked) {
        status = lsmkv_fail(err, LSMKV_BUSY, "%s: locked by this process", path);
        content_unref(taken->content);
    } else {
        taken->content->locked = true;
    }
    mutex_unlock(&fs->mutex);
    if (status)
        lsm_free(taken);
    else
        *lock = taken;
    return status;
}

static void fs_unlock(struct os_fs *base, struct os_lock *lock)
{
    struct memory_fs *fs = (struct memory_fs *)base;

    mutex_lock(&fs->mutex);
    lock->content->locked = false;
    content_unref(lock->content);
    mutex_unlock(&fs->mutex);
    lsm_free(lock);
}

static const struct os_fs_ops fs_ops = {
    .open = fs_open,
    .rename = fs_rename,
    .remove = fs_remove,
    .kind = fs_kind,
    .make_dir = fs_make_dir,
    .make_subdir = fs_make_dir,
    .remove_dir = fs_remove_dir,
    .sync_dir = fs_sync_dir,
    .list = fs_list,
    .lock = fs_lock,
    .unlock = fs_unlock,
};

struct os_fs *os_memory_fs_new(void)
{
    struct memory_fs *fs = lsm_calloc(1, sizeof(*fs));

    if (!fs)
        return NULL;
    fs->base.ops = &fs_ops;
    mutex_init(&fs->mutex, "memory_fs", RANK_OS);
    return &fs->base;
}

void os_memory_fs_free(struct os_fs *base)
{
    struct memory_fs *fs = (struct memory_fs *)base;

    if (!fs)
        return;
    while (fs->count)
        remove_node(fs, &fs->nodes[fs->count - 1]);
    lsm_free(fs->nodes);
    mutex_release(&fs->mutex);
    lsm_free(fs);
}
