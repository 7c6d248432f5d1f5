/*
 * sim_fs.c - the simulated disk.
 *
 * Inodes are files or directories and live until the disk is freed. Each has its present state, its durable state and,
 * for files, the list of pending changes; pending changes of names are one list for the whole disk, in order. Syncing
 * replays a list onto the durable state; a crash replays a part of it.
 */
#include "sim_fs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/base/error.h"
#include "lsm/os/sync.h"

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

/* A write of `size` bytes, or (data == NULL) an extension of the file to `offset` bytes. */
struct change {
    uint64_t offset;
    uint8_t *data;
    size_t size;
};

struct entry {
    char *name;
    size_t inode;
};

struct names {
    struct entry *entries;
    size_t count;
};

struct inode {
    bool is_dir, locked;
    struct bytes present, durable; /* files */
    struct change *changes;        /* pending, in order */
    size_t change_count, change_capacity;
    struct names present_names, durable_names; /* directories */
};

/* Removes `from` in `from_dir` (if not NULL) and puts `inode` under `to` in `to_dir` (if not NULL), as one step. */
struct name_change {
    size_t from_dir, to_dir, inode;
    char *from, *to;
};

struct sim_fs {
    struct os_fs base;
    struct mutex mutex;    /* all below */
    struct inode **inodes; /* [0] is the root */
    size_t inode_count;
    struct name_change *changes; /* pending, in order */
    size_t change_count;
    uint64_t calls, stop_at; /* stop_at: the call that dies, 0 = none */
    bool stopped;
};

struct sim_file {
    struct os_file base;
    struct sim_fs *fs;
    size_t inode;
    bool writable;
};

struct os_lock {
    size_t inode;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- Bytes ---- */

static void extend(struct bytes *bytes, uint64_t size)
{
    if (size <= bytes->size)
        return;
    if (size > bytes->capacity) {
        size_t capacity = bytes->capacity * 2 > size ? bytes->capacity * 2 : size;

        bytes->data = must(realloc(bytes->data, capacity));
        bytes->capacity = capacity;
    }
    memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static void apply(struct bytes *bytes, const struct change *change)
{
    extend(bytes, change->offset + change->size);
    if (change->size)
        memcpy(bytes->data + change->offset, change->data, change->size);
}

static void copy_bytes(struct bytes *to, const struct bytes *from)
{
    extend(to, from->size);
    if (from->size)
        memcpy(to->data, from->data, from->size);
}

static void add_change(struct inode *inode, uint64_t offset, const void *data, size_t size)
{
    struct change *change;

    if (inode->change_count == inode->change_capacity) {
        inode->change_capacity = inode->change_capacity ? inode->change_capacity * 2 : 8;
        inode->changes = must(realloc(inode->changes, inode->change_capacity * sizeof(*inode->changes)));
    }
    change = &inode->changes[inode->change_count++];
    change->offset = offset;
    change->size = size;
    change->data = NULL;
    if (size) {
        change->data = must(malloc(size));
        memcpy(change->data, data, size);
    }
    apply(&inode->present, change);
}

static void forget_changes(struct inode *inode)
{
    for (size_t i = 0; i < inode->change_count; i++)
        free(inode->changes[i].data);
    inode->change_count = 0;
}

static void make_durable(struct inode *inode)
{
    for (size_t i = 0; i < inode->change_count; i++)
        apply(&inode->durable, &inode->changes[i]);
    forget_changes(inode);
}

/* ---- Names ---- */

static struct entry *find_entry(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->entries[i].name, name) == 0)
            return &names->entries[i];
    }
    return NULL;
}

static void set_entry(struct names *names, const char *name, size_t inode)
{
    struct entry *entry = find_entry(names, name);

    if (!entry) {
        names->entries = must(realloc(names->entries, (names->count + 1) * sizeof(*names->entries)));
        entry = &names->entries[names->count++];
        entry->name = must(strdup(name));
    }
    entry->inode = inode;
}

static void drop_entry(struct names *names, const char *name)
{
    struct entry *entry = find_entry(names, name);

    if (!entry)
        return;
    free(entry->name);
    *entry = names->entries[--names->count];
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->entries[i].name);
    free(names->entries);
}

/* On the present or the durable names of a disk. */
static void apply_names(struct sim_fs *fs, const struct name_change *change, bool durable)
{
    struct inode *from = fs->inodes[change->from_dir], *to = fs->inodes[change->to_dir];

    if (change->from)
        drop_entry(durable ? &from->durable_names : &from->present_names, change->from);
    if (change->to)
        set_entry(durable ? &to->durable_names : &to->present_names, change->to, change->inode);
}

static void change_names(struct sim_fs *fs, size_t from_dir, const char *from, size_t to_dir, const char *to,
                         size_t inode)
{
    struct name_change *change;

    fs->changes = must(realloc(fs->changes, (fs->change_count + 1) * sizeof(*fs->changes)));
    change = &fs->changes[fs->change_count++];
    change->from_dir = from_dir;
    change->to_dir = to_dir;
    change->inode = inode;
    change->from = from ? must(strdup(from)) : NULL;
    change->to = to ? must(strdup(to)) : NULL;
    apply_names(fs, change, false);
}

static void free_name_change(struct name_change *change)
{
    free(change->from);
    free(change->to);
}

/* A rename between directories becomes durable with its target. */
static void make_names_durable(struct sim_fs *fs, size_t dir)
{
    size_t kept = 0;

    for (size_t i = 0; i < fs->change_count; i++) {
        struct name_change *change = &fs->changes[i];

        if (dir == (change->to ? change->to_dir : change->from_dir)) {
            apply_names(fs, change, true);
            free_name_change(change);
        } else {
            fs->changes[kept++] = *change;
        }
    }
    fs->change_count = kept;
}

static size_t new_inode(struct sim_fs *fs, bool is_dir)
{
    fs->inodes = must(realloc(fs->inodes, (fs->inode_count + 1) * sizeof(*fs->inodes)));
    fs->inodes[fs->inode_count] = must(calloc(1, sizeof(struct inode)));
    fs->inodes[fs->inode_count]->is_dir = is_dir;
    return fs->inode_count++;
}

/* ---- Paths ---- */

struct place {
    bool dir_exists;
    size_t dir;     /* of the last component */
    char name[256]; /* the last component; "" for the root */
    bool exists;
    size_t inode;
};

static void find_place(const struct sim_fs *fs, const char *path, struct place *place)
{
    size_t at = 0;
    bool found = true;

    memset(place, 0, sizeof(*place));
    place->dir_exists = true;
    for (;;) {
        const struct entry *entry;
        size_t size;

        while (*path == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == '\0')))
            path++;
        if (*path == '\0')
            break;
        size = strcspn(path, "/");
        place->dir = at;
        place->dir_exists = found && fs->inodes[at]->is_dir && size < sizeof(place->name);
        if (!place->dir_exists)
            break;
        memcpy(place->name, path, size);
        place->name[size] = '\0';
        entry = find_entry(&fs->inodes[at]->present_names, place->name);
        found = entry != NULL;
        at = entry ? entry->inode : 0;
        path += size;
    }
    place->exists = found && place->dir_exists;
    place->inode = at;
}

/* ---- Death: each call asks one of these, with the lock held ---- */

static enum lsmkv_status died(const struct sim_fs *fs, const char *path, struct lsmkv_error *err)
{
    return fs->stopped ? lsmkv_fail(err, LSMKV_IO, "%s: the simulated machine is dead", path) : LSMKV_OK;
}

/* Counts a changing call; *last says that it is the one during which the machine dies. */
static enum lsmkv_status begin_change(struct sim_fs *fs, const char *path, bool *last, struct lsmkv_error *err)
{
    enum lsmkv_status status = died(fs, path, err);

    if (status)
        return status;
    fs->calls++;
    *last = fs->stop_at && fs->calls >= fs->stop_at;
    if (*last)
        fs->stopped = true;
    return LSMKV_OK;
}

/* ---- Files ---- */

static enum lsmkv_status file_read(struct os_file *base, uint64_t offset, void *data, size_t size,
                                   struct lsmkv_error *err)
{
    struct sim_file *file = (struct sim_file *)base;
    const struct bytes *bytes;
    enum lsmkv_status status;

    mutex_lock(&file->fs->mutex);
    bytes = &file->fs->inodes[file->inode]->present;
    status = died(file->fs, base->path, err);
    if (!status && size && (offset > bytes->size || size > bytes->size - offset))
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: short read at offset %" PRIu64, base->path, offset);
    if (!status && size)
        memcpy(data, bytes->data + offset, size);
    mutex_unlock(&file->fs->mutex);
    return status;
}

static enum lsmkv_status file_write(struct os_file *base, uint64_t offset, const void *data, size_t size,
                                    struct lsmkv_error *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum lsmkv_status status;
    bool last = false;

    if (!file->writable)
        return lsmkv_fail(err, LSMKV_IO, "%s: write: opened for reading", base->path);
    mutex_lock(&file->fs->mutex);
    status = begin_change(file->fs, base->path, &last, err);
    if (!status && size)
        add_change(file->fs->inodes[file->inode], offset, data, size);
    if (!status && last)
        status = died(file->fs, base->path, err);
    mutex_unlock(&file->fs->mutex);
    return status;
}

static enum lsmkv_status file_sync(struct os_file *base, struct lsmkv_error *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum lsmkv_status status;
    bool last = false;

    mutex_lock(&file->fs->mutex);
    status = begin_change(file->fs, base->path, &last, err);
    if (!status && last)
        status = died(file->fs, base->path, err);
    if (!status)
        make_durable(file->fs->inodes[file->inode]);
    mutex_unlock(&file->fs->mutex);
    return status;
}

static enum lsmkv_status file_size(struct os_file *base, uint64_t *size, struct lsmkv_error *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum lsmkv_status status;

    mutex_lock(&file->fs->mutex);
    status = died(file->fs, base->path, err);
    *size = file->fs->inodes[file->inode]->present.size;
    mutex_unlock(&file->fs->mutex);
    return status;
}

static enum lsmkv_status file_allocate(struct os_file *base, uint64_t size, struct lsmkv_error *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum lsmkv_status status;
    bool last = false;

    mutex_lock(&file->fs->mutex);
    status = begin_change(file->fs, base->path, &last, err);
    if (!status && size > file->fs->inodes[file->inode]->present.size)
        add_change(file->fs->inodes[file->inode], size, NULL, 0);
    if (!status && last)
        status = died(file->fs, base->path, err);
    mutex_unlock(&file->fs->mutex);
    return status;
}

static enum lsmkv_status file_map(struct os_file *base, uint64_t size, const uint8_t **map, struct lsmkv_error *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum lsmkv_status status;

    (void)size;
    *map = NULL;
    mutex_lock(&file->fs->mutex);
    status = died(file->fs, base->path, err);
    mutex_unlock(&file->fs->mutex);
    return status;
}

static void file_forget(struct os_file *base, uint64_t offset, uint64_t size)
{
    (void)base;
    (void)offset;
    (void)size;
}

static enum lsmkv_status file_close(struct os_file *base, struct lsmkv_error *err)
{
    struct sim_file *file = (struct sim_file *)base;
    enum lsmkv_status status;

    mutex_lock(&file->fs->mutex);
    status = died(file->fs, base->path, err);
    mutex_unlock(&file->fs->mutex);
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

/* ---- Calls by name; the lock is held in the _locked ones ---- */

/* Puts a new inode under the name of `place`; fails when this is the call that dies, the name then pending. */
static enum lsmkv_status create(struct sim_fs *fs, struct place *place, const char *path, bool is_dir,
                                struct lsmkv_error *err)
{
    enum lsmkv_status status;
    bool last = false;

    if (!place->dir_exists)
        return lsmkv_fail(err, LSMKV_IO, "%s: open: no such file or directory", path);
    status = begin_change(fs, path, &last, err);
    if (status)
        return status;
    place->inode = new_inode(fs, is_dir);
    place->exists = true;
    change_names(fs, place->dir, NULL, place->dir, place->name, place->inode);
    return last ? died(fs, path, err) : LSMKV_OK;
}

static enum lsmkv_status find_file(struct sim_fs *fs, const char *path, bool may_create, bool exclusive, size_t *inode,
                                   struct lsmkv_error *err)
{
    enum lsmkv_status status = died(fs, path, err);
    struct place place;

    if (status)
        return status;
    find_place(fs, path, &place);
    if (place.exists && fs->inodes[place.inode]->is_dir)
        return lsmkv_fail(err, LSMKV_CANTOPEN, "%s: is not a regular file", path);
    if (place.exists && exclusive)
        return lsmkv_fail(err, LSMKV_IO, "%s: open: file exists", path);
    if (!place.exists && !may_create)
        return lsmkv_fail(err, LSMKV_IO, "%s: open: no such file or directory", path);
    if (!place.exists)
        status = create(fs, &place, path, false, err);
    *inode = place.inode;
    return status;
}

static enum lsmkv_status fs_open(struct os_fs *base, const char *path, enum os_open_mode mode, struct os_file **file,
                                 struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    bool creates = mode == OS_CREATE_NEW;
    enum lsmkv_status status;
    struct sim_file *opened;
    size_t inode = 0;

    mutex_lock(&fs->mutex);
    status = find_file(fs, path, creates, creates, &inode, err);
    mutex_unlock(&fs->mutex);
    if (status)
        return status;
    opened = must(calloc(1, sizeof(*opened)));
    opened->base.ops = &file_ops;
    opened->base.path = must(strdup(path));
    opened->fs = fs;
    opened->inode = inode;
    opened->writable = mode != OS_READ;
    *file = &opened->base;
    return LSMKV_OK;
}

static enum lsmkv_status rename_locked(struct sim_fs *fs, const char *from, const char *to, struct lsmkv_error *err)
{
    struct place source, target;
    enum lsmkv_status status;
    bool last = false;

    find_place(fs, from, &source);
    find_place(fs, to, &target);
    status = died(fs, to, err);
    if (status)
        return status;
    if (!source.exists || !target.dir_exists || !source.name[0] || !target.name[0])
        return lsmkv_fail(err, LSMKV_IO, "%s: rename: no such file or directory", to);
    if (target.exists && (fs->inodes[target.inode]->is_dir || fs->inodes[source.inode]->is_dir))
        return lsmkv_fail(err, LSMKV_IO, "%s: rename: is in the way", to);
    status = begin_change(fs, to, &last, err);
    if (status)
        return status;
    change_names(fs, source.dir, source.name, target.dir, target.name, source.inode);
    return last ? died(fs, to, err) : LSMKV_OK;
}

static enum lsmkv_status fs_rename(struct os_fs *base, const char *from, const char *to, struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    enum lsmkv_status status;

    mutex_lock(&fs->mutex);
    status = rename_locked(fs, from, to, err);
    mutex_unlock(&fs->mutex);
    return status;
}

/* A file, or an empty directory. An absent file is fine. */
static enum lsmkv_status remove_locked(struct sim_fs *fs, const char *path, bool is_dir, struct lsmkv_error *err)
{
    enum lsmkv_status status;
    struct place place;
    bool last = false;

    find_place(fs, path, &place);
    status = died(fs, path, err);
    if (status || (!place.exists && !is_dir))
        return status;
    if (!place.exists || fs->inodes[place.inode]->is_dir != is_dir || !place.name[0])
        return lsmkv_fail(err, LSMKV_IO, "%s: remove: wrong kind of file", path);
    if (is_dir && fs->inodes[place.inode]->present_names.count)
        return lsmkv_fail(err, LSMKV_IO, "%s: rmdir: directory not empty", path);
    status = begin_change(fs, path, &last, err);
    if (status)
        return status;
    change_names(fs, place.dir, place.name, place.dir, NULL, 0);
    return last ? died(fs, path, err) : LSMKV_OK;
}

static enum lsmkv_status fs_remove(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    enum lsmkv_status status;

    mutex_lock(&fs->mutex);
    status = remove_locked(fs, path, false, err);
    mutex_unlock(&fs->mutex);
    return status;
}

static enum lsmkv_status fs_remove_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    enum lsmkv_status status;

    mutex_lock(&fs->mutex);
    status = remove_locked(fs, path, true, err);
    mutex_unlock(&fs->mutex);
    return status;
}

static enum lsmkv_status fs_kind(struct os_fs *base, const char *path, enum os_kind *kind, uint64_t *size,
                                 struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    enum lsmkv_status status;
    struct place place;

    mutex_lock(&fs->mutex);
    status = died(fs, path, err);
    find_place(fs, path, &place);
    *kind = !place.exists ? OS_ABSENT : fs->inodes[place.inode]->is_dir ? OS_DIRECTORY : OS_REGULAR;
    if (size)
        *size = *kind == OS_REGULAR ? fs->inodes[place.inode]->present.size : 0;
    mutex_unlock(&fs->mutex);
    return status;
}

static enum lsmkv_status fs_make_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    enum lsmkv_status status;
    struct place place;

    mutex_lock(&fs->mutex);
    find_place(fs, path, &place);
    status = died(fs, path, err);
    if (!status && place.exists && !fs->inodes[place.inode]->is_dir)
        status = lsmkv_fail(err, LSMKV_IO, "%s: mkdir: file exists", path);
    if (!status && !place.exists)
        status = create(fs, &place, path, true, err);
    mutex_unlock(&fs->mutex);
    return status;
}

static enum lsmkv_status fs_sync_dir(struct os_fs *base, const char *path, struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    enum lsmkv_status status;
    struct place place;
    bool last = false;

    mutex_lock(&fs->mutex);
    find_place(fs, path, &place);
    status = begin_change(fs, path, &last, err);
    if (!status && (!place.exists || !fs->inodes[place.inode]->is_dir))
        status = lsmkv_fail(err, LSMKV_IO, "%s: fsync: no such directory", path);
    if (!status && last)
        status = died(fs, path, err);
    if (!status)
        make_names_durable(fs, place.inode);
    mutex_unlock(&fs->mutex);
    return status;
}

/* Names are copied, so that `visit` may change the directory. */
static enum lsmkv_status fs_list(struct os_fs *base, const char *path,
                                 enum lsmkv_status (*visit)(void *context, const char *name, struct lsmkv_error *err),
                                 void *context, struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    struct names copy = {NULL, 0};
    enum lsmkv_status status;
    struct place place;

    mutex_lock(&fs->mutex);
    find_place(fs, path, &place);
    status = died(fs, path, err);
    if (!status && (!place.exists || !fs->inodes[place.inode]->is_dir))
        status = lsmkv_fail(err, LSMKV_IO, "%s: opendir: no such directory", path);
    for (size_t i = 0; !status && i < fs->inodes[place.inode]->present_names.count; i++)
        set_entry(&copy, fs->inodes[place.inode]->present_names.entries[i].name, 0);
    mutex_unlock(&fs->mutex);
    for (size_t i = 0; !status && i < copy.count; i++)
        status = visit(context, copy.entries[i].name, err);
    free_names(&copy);
    return status;
}

static enum lsmkv_status fs_lock(struct os_fs *base, const char *path, struct os_lock **lock, struct lsmkv_error *err)
{
    struct sim_fs *fs = (struct sim_fs *)base;
    enum lsmkv_status status;
    size_t inode = 0;

    mutex_lock(&fs->mutex);
    status = find_file(fs, path, true, false, &inode, err);
    if (!status && fs->inodes[inode]->locked)
        status = lsmkv_fail(err, LSMKV_BUSY, "%s: locked by this process", path);
    if (!status) {
        fs->inodes[inode]->locked = true;
        *lock = must(malloc(sizeof(**lock)));
        (*lock)->inode = inode;
    }
    mutex_unlock(&fs->mutex);
    return status;
}

static void fs_unlock(struct os_fs *base, struct os_lock *lock)
{
    struct sim_fs *fs = (struct sim_fs *)base;

    mutex_lock(&fs->mutex);
    fs->inodes[lock->inode]->locked = false;
    mutex_unlock(&fs->mutex);
    free(lock);
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

/* ---- The disk ---- */

static struct sim_fs *new_disk(void)
{
    struct sim_fs *fs = must(calloc(1, sizeof(*fs)));

    fs->base.ops = &fs_ops;
    mutex_init(&fs->mutex, "sim_fs", RANK_OS);
    return fs;
}

struct sim_fs *sim_fs_new(void)
{
    struct sim_fs *fs = new_disk();

    new_inode(fs, true);
    return fs;
}

void sim_fs_free(struct sim_fs *fs)
{
    if (!fs)
        return;
    for (size_t i = 0; i < fs->inode_count; i++) {
        struct inode *inode = fs->inodes[i];

        forget_changes(inode);
        free(inode->changes);
        free(inode->present.data);
        free(inode->durable.data);
        free_names(&inode->present_names);
        free_names(&inode->durable_names);
        free(inode);
    }
    for (size_t i = 0; i < fs->change_count; i++)
        free_name_change(&fs->changes[i]);
    free(fs->changes);
    free(fs->inodes);
    mutex_release(&fs->mutex);
    free(fs);
}

struct os_fs *sim_fs_os(struct sim_fs *fs)
{
    return &fs->base;
}

void sim_fs_stop_at(struct sim_fs *fs, uint64_t n)
{
    mutex_lock(&fs->mutex);
    fs->stop_at = n ? fs->calls + n : 0;
    fs->stopped = false;
    mutex_unlock(&fs->mutex);
}

bool sim_fs_stopped(struct sim_fs *fs)
{
    bool stopped;

    mutex_lock(&fs->mutex);
    stopped = fs->stopped;
    mutex_unlock(&fs->mutex);
    return stopped;
}

uint64_t sim_fs_calls(struct sim_fs *fs)
{
    uint64_t calls;

    mutex_lock(&fs->mutex);
    calls = fs->calls;
    mutex_unlock(&fs->mutex);
    return calls;
}

bool sim_fs_damage(struct sim_fs *fs, const char *path, uint64_t offset, uint8_t flip)
{
    struct inode *inode;
    struct place place;
    bool damaged = false;

    mutex_lock(&fs->mutex);
    find_place(fs, path, &place);
    inode = fs->inodes[place.inode];
    if (place.exists && !inode->is_dir && offset < inode->present.size) {
        inode->present.data[offset] ^= flip;
        if (offset < inode->durable.size)
            inode->durable.data[offset] ^= flip;
        damaged = true;
    }
    mutex_unlock(&fs->mutex);
    return damaged;
}

/* ---- Crash ---- */

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static size_t random_below(uint64_t *state, size_t end)
{
    return (size_t)(random_next(state) % end);
}

/*
 * The size is one that the file had after some of its changes. Each sector of each write below it made it to the disk or
 * not, with a chance drawn per file, so that nearly all and nearly none come up too.
 */
static void tear(struct bytes *to, const struct inode *from, uint64_t *random)
{
    static const uint64_t chances[] = {0, 5, 50, 95, 100};
    uint64_t chance = chances[random_below(random, 5)];
    size_t sector = random_next(random) & 1 ? 512 : 4096;
    size_t reached = random_below(random, from->change_count + 1);

    for (size_t i = 0; i < reached; i++)
        extend(to, from->changes[i].offset + from->changes[i].size);
    for (size_t i = 0; i < from->change_count; i++) {
        const struct change *change = &from->changes[i];
        uint64_t at = change->offset, end = change->offset + change->size;

        while (at < end && at < to->size) {
            uint64_t next = at - at % sector + sector;

            next = next < end ? next : end;
            next = next < to->size ? next : to->size;
            if (random_below(random, 100) < chance)
                memcpy(to->data + at, change->data + (at - change->offset), next - at);
            at = next;
        }
    }
}

static void crash_file(struct bytes *to, const struct inode *from, enum sim_crash mode, uint64_t *random)
{
    size_t kept = 0;

    copy_bytes(to, &from->durable);
    if (mode == SIM_TORN) {
        tear(to, from, random);
        return;
    }
    if (mode == SIM_KEEP_ALL)
        kept = from->change_count;
    else if (mode == SIM_PREFIX)
        kept = random_below(random, from->change_count + 1);
    for (size_t i = 0; i < kept; i++)
        apply(to, &from->changes[i]);
}

static void crash_names(struct sim_fs *to, const struct sim_fs *from, enum sim_crash mode, uint64_t *random)
{
    size_t kept = mode == SIM_PREFIX ? random_below(random, from->change_count + 1) : from->change_count;

    for (size_t i = 0; i < kept && mode != SIM_DROP_UNSYNCED; i++) {
        if (mode != SIM_TORN || (random_next(random) & 1))
            apply_names(to, &from->changes[i], true);
    }
}

static void copy_names(struct names *to, const struct names *from)
{
    for (size_t i = 0; i < from->count; i++)
        set_entry(to, from->entries[i].name, from->entries[i].inode);
}

struct sim_fs *sim_fs_crash(struct sim_fs *fs, enum sim_crash mode, uint64_t seed)
{
    struct sim_fs *after = new_disk();
    uint64_t random = seed;

    mutex_lock(&fs->mutex);
    for (size_t i = 0; i < fs->inode_count; i++) {
        const struct inode *from = fs->inodes[i];
        size_t index = new_inode(after, from->is_dir);
        struct inode *to = after->inodes[index];

        crash_file(&to->durable, from, mode, &random);
        copy_bytes(&to->present, &to->durable);
        copy_names(&to->durable_names, &from->durable_names);
    }
    crash_names(after, fs, mode, &random);
    mutex_unlock(&fs->mutex);
    for (size_t i = 0; i < after->inode_count; i++)
        copy_names(&after->inodes[i]->present_names, &after->inodes[i]->durable_names);
    return after;
}
