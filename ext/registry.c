#include "ext/registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "ext/error.h"
#include "ext/memory.h"
#include "ext/path.h"

struct open_store {
    /* Guarded by registry.mutex. */
    struct open_store *next;
    unsigned references;
    dev_t device; /* of the directory once the store is open; tells bind mounts and the like */
    ino_t inode;

    pthread_mutex_t opening;    /* held while the store is opened or closed; taken before registry.mutex */
    struct lsmkv_store *engine; /* NULL when not open; changed under `opening`, constant while references are held */
    bool in_memory;
    atomic_bool doomed;
    char *dir; /* constant */
    struct handouts handouts;
};

/* The only global state of the extension. */
static struct {
    pthread_mutex_t mutex;
    struct open_store *first;
} registry = {PTHREAD_MUTEX_INITIALIZER, NULL};

/* Errors of background work have no statement to fail: they go to SQLite's log. */
static void log_background(void *context, enum lsmkv_status status, const char *message)
{
    (void)context;
    sqlite3_log(error_code(status), "lsmkv: %s", message);
}

/* ---- Entries ---- */

static struct open_store *entry_new(const char *dir, bool in_memory)
{
    struct open_store *entry = memory_alloc(sizeof(*entry));

    if (!entry)
        return NULL;
    entry->dir = memory_copy_text(dir, strlen(dir));
    if (!entry->dir) {
        memory_free(entry);
        return NULL;
    }
    entry->in_memory = in_memory;
    entry->references = 1;
    handouts_init(&entry->handouts);
    pthread_mutex_init(&entry->opening, NULL);
    return entry;
}

static void entry_free(struct open_store *entry)
{
    if (!entry)
        return;
    pthread_mutex_destroy(&entry->opening);
    handouts_release(&entry->handouts);
    memory_free(entry->dir);
    memory_free(entry);
}

static bool entry_matches(const struct open_store *entry, const char *dir, const struct stat *identity)
{
    if (entry->in_memory)
        return false;
    if (strcmp(entry->dir, dir) == 0)
        return true;
    return identity && entry->inode && entry->device == identity->st_dev && entry->inode == identity->st_ino;
}

/* The entry of `dir` with one more reference; made if there is none. NULL on failure. */
static struct open_store *entry_ref(const char *dir)
{
    struct open_store *entry, *made = entry_new(dir, false);
    struct stat identity;
    bool exists = stat(dir, &identity) == 0;

    if (!made)
        return NULL;
    pthread_mutex_lock(&registry.mutex);
    for (entry = registry.first; entry; entry = entry->next) {
        if (entry_matches(entry, dir, exists ? &identity : NULL))
            break;
    }
    if (entry) {
        entry->references++;
    } else {
        entry = made;
        made = NULL;
        entry->next = registry.first;
        registry.first = entry;
    }
    pthread_mutex_unlock(&registry.mutex);
    entry_free(made);
    return entry;
}

static void entry_unlink(struct open_store *entry)
{
    struct open_store **link;

    for (link = &registry.first; *link; link = &(*link)->next) {
        if (*link == entry) {
            *link = entry->next;
            return;
        }
    }
}

static void entry_identify(struct open_store *entry)
{
    struct stat identity;

    if (stat(entry->dir, &identity))
        return;
    pthread_mutex_lock(&registry.mutex);
    entry->device = identity.st_dev;
    entry->inode = identity.st_ino;
    pthread_mutex_unlock(&registry.mutex);
}

/* ---- Opening: the caller holds entry->opening ---- */

static int migrate(const struct open_store *entry, const struct store_request *request, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct lsmkv_open how = {.mode = LSMKV_OPEN_CREATE, .options = request->options, .log = log_background};
    const struct store_migration *migration = request->migration;
    enum lsmkv_status status;
    bool legacy = false;

    status = lsmkv_legacy_detect(entry->dir, NULL, &legacy, &err);
    if (status)
        return error_from(message, status, &err);
    if (!legacy)
        return SQLITE_OK;
    if (!migration)
        return error_set(message, SQLITE_CANTOPEN,
                         "%s holds a store of the Python package lsm-kv-store: it opens as a table with the columns "
                         "key, value, so give no others",
                         entry->dir);
    status = lsmkv_legacy_migrate(entry->dir, &how, migration->table, migration->definition, migration->row,
                                  migration->context, &err);
    return error_from(message, status, &err);
}

static int open_engine(struct open_store *entry, const struct store_request *request, bool exists, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct lsmkv_open how = {.mode = request->create ? LSMKV_OPEN_CREATE : LSMKV_OPEN_EXISTING,
                             .in_memory = entry->in_memory,
                             .options = request->options,
                             .expected_id = request->expected_id,
                             .log = log_background};
    int rc = SQLITE_OK;

    if (!exists && !request->create)
        return error_set(message, SQLITE_CANTOPEN, "%s: the store is missing", entry->dir);
    if (request->create && exists)
        rc = migrate(entry, request, message);
    if (!rc)
        rc = error_from(message, lsmkv_store_open(&entry->engine, entry->dir, &how, &err), &err);
    if (rc)
        entry->engine = NULL;
    else if (!entry->in_memory)
        entry_identify(entry);
    return rc;
}

static int check_id(const struct open_store *entry, const uint8_t *expected_id, char **message)
{
    if (!expected_id || memcmp(lsmkv_store_id(entry->engine), expected_id, LSMKV_STORE_ID_SIZE) == 0)
        return SQLITE_OK;
    return error_set(message, SQLITE_CANTOPEN, "%s is another store than the one this table was created in",
                     entry->dir);
}

/* An open store writes by path. Where its directory is gone, what is written from now on would be lost with it. */
static int check_place(const struct open_store *entry, char **message)
{
    struct stat identity;

    if (entry->in_memory ||
        (stat(entry->dir, &identity) == 0 && identity.st_dev == entry->device && identity.st_ino == entry->inode))
        return SQLITE_OK;
    return error_set(message, SQLITE_CANTOPEN,
                     "%s was moved or removed while this process has it open: close all of its "
                     "connections first",
                     entry->dir);
}

static int open_entry(struct open_store *entry, const struct store_request *request, bool exists, char **message)
{
    int rc;

    pthread_mutex_lock(&entry->opening);
    rc = entry->engine ? check_place(entry, message) : open_engine(entry, request, exists, message);
    if (!rc)
        rc = check_id(entry, request->expected_id, message);
    pthread_mutex_unlock(&entry->opening);
    return rc;
}

int registry_open(const struct store_request *request, struct open_store **store, char **message)
{
    struct open_store *entry;
    char *dir = NULL;
    bool exists = false;
    int rc = SQLITE_OK;

    *store = NULL;
    if (!request->dir) {
        entry = entry_new(":memory:", true);
    } else {
        rc = path_canonical(request->dir, &dir, &exists, message);
        entry = rc ? NULL : entry_ref(dir);
        sqlite3_free(dir);
    }
    if (!entry)
        return rc ? rc : SQLITE_NOMEM;
    rc = open_entry(entry, request, exists, message);
    if (rc) {
        registry_release(entry);
        return rc;
    }
    *store = entry;
    return SQLITE_OK;
}

/* ---- Closing ---- */

static void close_engine(struct open_store *entry)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    bool doomed = atomic_exchange(&entry->doomed, false) && !entry->in_memory;
    enum lsmkv_status status;

    status = doomed ? lsmkv_store_close_and_destroy(entry->engine, &err) : lsmkv_store_close(entry->engine, &err);
    entry->engine = NULL;
    if (status)
        log_background(NULL, status, err.message);
}

void registry_release(struct open_store *entry)
{
    bool unused;

    if (!entry)
        return;
    /* Whoever finds the entry while it closes waits for `opening` and then opens the store again. */
    pthread_mutex_lock(&entry->opening);
    pthread_mutex_lock(&registry.mutex);
    unused = --entry->references == 0;
    pthread_mutex_unlock(&registry.mutex);
    if (unused && entry->engine)
        close_engine(entry);
    pthread_mutex_lock(&registry.mutex);
    unused = entry->references == 0;
    if (unused)
        entry_unlink(entry);
    pthread_mutex_unlock(&registry.mutex);
    pthread_mutex_unlock(&entry->opening);
    if (unused)
        entry_free(entry);
}

struct lsmkv_store *registry_engine(struct open_store *store)
{
    return store->engine;
}

const char *registry_dir(const struct open_store *store)
{
    return store->dir;
}

bool registry_in_memory(const struct open_store *store)
{
    return store->in_memory;
}

struct handouts *registry_handouts(struct open_store *store)
{
    return &store->handouts;
}

void registry_set_doomed(struct open_store *store, bool doomed)
{
    atomic_store(&store->doomed, doomed);
}
