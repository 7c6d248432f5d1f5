/*
 * fault_fs.h - a file system around another one that counts, fails and holds calls.
 *
 * A rule fails the Nth call from now that matches a set of calls and a path suffix, once or until fault_fs_heal(). A hold
 * makes matching calls wait, before they do anything, until it is released. Calls on an open file match by the path that
 * it was opened with; a rename matches by its target. unlock and forget are passed on and not counted.
 *
 * Threads:   all functions may be called at the same time. Ownership: borrows the inner file system.
 */
#ifndef TESTS_SUPPORT_FAULT_FS_H
#define TESTS_SUPPORT_FAULT_FS_H

#include "lsm/lsmkv.h"
#include "lsm/os/fs.h"

enum fault_call {
    FAULT_OPEN,   /* of an existing file */
    FAULT_CREATE, /* open with OS_CREATE_NEW */
    FAULT_READ,
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_SIZE,
    FAULT_ALLOCATE,
    FAULT_MAP,
    FAULT_CLOSE, /* the inner file is closed in any case */
    FAULT_RENAME,
    FAULT_REMOVE,
    FAULT_KIND,
    FAULT_MAKE_DIR, /* and make_subdir */
    FAULT_REMOVE_DIR,
    FAULT_SYNC_DIR,
    FAULT_LIST,
    FAULT_LOCK,
    FAULT_CALLS, /* how many there are */
};

#define FAULT_BIT(call) (1u << (call))
#define FAULT_ANY       (FAULT_BIT(FAULT_CALLS) - 1)
/* Those that change something on disk. */
#define FAULT_CHANGES                                                                                                  \
    (FAULT_BIT(FAULT_CREATE) | FAULT_BIT(FAULT_WRITE) | FAULT_BIT(FAULT_SYNC) | FAULT_BIT(FAULT_ALLOCATE) |            \
     FAULT_BIT(FAULT_RENAME) | FAULT_BIT(FAULT_REMOVE) | FAULT_BIT(FAULT_MAKE_DIR) | FAULT_BIT(FAULT_REMOVE_DIR) |     \
     FAULT_BIT(FAULT_SYNC_DIR))

enum fault_effect {
    FAULT_NOTHING, /* the call fails and did nothing */
    FAULT_HALF,    /* a write did its first half; other calls nothing */
    FAULT_DONE,    /* the call did its work and says that it failed (except open, create and lock: nothing) */
};

struct fault_rule {
    uint32_t calls;     /* FAULT_BIT(...) | ...; 0 = all */
    const char *suffix; /* of the path; NULL = any; must last until healed */
    uint64_t nth;       /* 1 = the next matching call; 0 counts as 1 */
    bool forever;       /* that one and all after it; else that one only */
    enum lsmkv_status status;
    enum fault_effect effect;
};

struct fault_fs;

struct fault_fs *fault_fs_new(struct os_fs *inner);
void fault_fs_free(struct fault_fs *fs); /* all its files must be closed */
struct os_fs *fault_fs_os(struct fault_fs *fs);

void fault_fs_fail(struct fault_fs *fs, const struct fault_rule *rule); /* up to 16 rules; the first that fits acts */
void fault_fs_heal(struct fault_fs *fs);                                /* forgets all rules */
uint64_t fault_fs_failures(struct fault_fs *fs);                        /* calls failed since the last reset */

/* Calls since the last reset; `calls` 0 = all, `suffix` NULL = any path. */
uint64_t fault_fs_count(struct fault_fs *fs, uint32_t calls, const char *suffix);
void fault_fs_reset(struct fault_fs *fs); /* counts only */

/* Holds matching calls; up to 8 at a time, released in any order. Returns a number for the two others. */
unsigned fault_fs_hold(struct fault_fs *fs, uint32_t calls, const char *suffix);
void fault_fs_wait_held(struct fault_fs *fs, unsigned hold); /* until some call waits there */
void fault_fs_release(struct fault_fs *fs, unsigned hold);

#endif
