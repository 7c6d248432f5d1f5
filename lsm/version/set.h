/*
 * set.h - the inside of a version set, shared by version_set.c, commit.c, obsolete.c and reader_slot.c.
 */
#ifndef LSM_VERSION_SET_H
#define LSM_VERSION_SET_H

#include <stdatomic.h>

#include "memtable/history.h"
#include "version/read_set.h"
#include "version/version_set.h"

/* A table that has left the version, from the commit that removed it until its file is gone. */
struct obsolete {
    struct table *table;
    struct obsolete *next;
};

struct version_set {
    /* Constant after version_set_new(). */
    struct os_fs *fs;
    char *dir;
    char *table_dir;
    struct table_cache *cache;
    struct counters *counters;

    struct history history; /* own synchronisation */

    /* Read without a lock. */
    _Atomic(struct super_version *) current; /* owns a reference; changed under `lock` */
    _Atomic uint64_t next_file;              /* the next number to give */
    _Atomic uint64_t keep_segment;           /* release / acquire: what it lets go has been noted in a memtable */
    _Atomic bool poisoned;                   /* release / acquire: `why` is written before and never again */
    struct lsmkv_error why;

    struct mutex manifest_lock;
    struct manifest manifest; /* by manifest_lock: as committed */

    struct mutex lock;
    /* By `lock`. */
    struct super_version *pending; /* unfilled, of the commit under way: has room for every immutable of `current` */
    struct reader_slot *slots;
    struct obsolete *awaited; /* removed from the version, still referenced */
    struct obsolete *ready;   /* nobody reads them */
    bool files_replaced;      /* level files or segments have become needless */
    void (*installed)(void *context);
    void *installed_context;
};

/*
 * What an installation leaves to do once the locks are free: references to give back and whom to tell.
 */
struct install {
    struct super_version *former;
    uint64_t refs;
    void (*installed)(void *context);
    void *context;
};

/* Swaps the current super-version and sweeps the reader slots; `made` is taken. */
void set_install(struct version_set *set, struct super_version *made, struct install *install) LSM_REQUIRES(set->lock);
/* The rest, under no lock. */
void install_finish(struct install *install);

/* Takes back the former super-version from every slot that holds it; the number of references that this gives. */
uint64_t slots_sweep(struct reader_slot *slots, const struct super_version *former);

/* READONLY naming the first failure if the set is poisoned. */
LSMKV_MUST_CHECK enum lsmkv_status set_check(const struct version_set *set, struct lsmkv_error *err);

/* The table cache's `drop`: moves the table from `awaited` to `ready`. */
void set_drop_table(void *context, struct table *table);

/* A node for each removed table that does not come back in another level; freed by obsolete_free() if not handed on. */
LSMKV_MUST_CHECK enum lsmkv_status obsolete_new(struct obsolete **list, const struct version_edit *edit,
                                                struct lsmkv_error *err);
void obsolete_free(struct obsolete *list); /* the nodes, not the tables; NULL is fine */
/* Marks the tables and puts them on `awaited`. Before the last version that names them is let go. */
void obsolete_await(struct version_set *set, struct obsolete *list) LSM_REQUIRES(set->lock);

#endif
