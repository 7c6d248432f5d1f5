/*
 * sim_fs.h - a simulated disk: a file system in memory that knows what a power cut may take away.
 *
 * A file's bytes are durable after sync; until then each write, and each change of size, is pending. A name is durable
 * after sync_dir of its directory; until then each creation, rename and removal is pending. Stricter than most file
 * systems: syncing a file does not make its name durable, and nothing orders names and bytes. A rename is atomic. A byte
 * that was durable is never harmed by a later write next to it.
 *
 * sim_fs_stop_at() simulates death at a call; sim_fs_crash() gives the disk as the next boot finds it. Typical loop:
 *
 *     for (n = 1;; n++) {
 *         disk = sim_fs_new(); sim_fs_stop_at(disk, n); run the workload; bool died = sim_fs_stopped(disk);
 *         after = sim_fs_crash(disk, mode, seed); sim_fs_free(disk); reopen on `after` and check
 *         if (!died) break;
 *     }
 *
 * Threads: all functions may be called at the same time. Memory is malloc's, so allocation faults do not touch it.
 */
#ifndef TESTS_SUPPORT_SIM_FS_H
#define TESTS_SUPPORT_SIM_FS_H

#include "lsm/lsmkv.h"
#include "lsm/os/fs.h"

struct sim_fs;

struct sim_fs *sim_fs_new(void);
void sim_fs_free(struct sim_fs *fs); /* all its files must be closed; NULL is fine */
struct os_fs *sim_fs_os(struct sim_fs *fs);

/*
 * From the `n`th changing call from now on (1 = the next; 0 = never) every call fails with LSMKV_IO. Changing calls are
 * create, write, sync, allocate, rename, remove, make_dir, remove_dir, sync_dir and a lock that makes its file. The nth
 * call itself is on its way when the machine dies: its effect is pending, except that syncs have none.
 */
void sim_fs_stop_at(struct sim_fs *fs, uint64_t n);
bool sim_fs_stopped(struct sim_fs *fs);
uint64_t sim_fs_calls(struct sim_fs *fs); /* changing calls so far */

enum sim_crash {
    SIM_DROP_UNSYNCED, /* only what is durable */
    SIM_KEEP_ALL,      /* everything: the process died, the machine did not */
    SIM_PREFIX,        /* of each file a prefix of its pending changes, of the names a prefix of all pending ones */
    SIM_TORN,          /* any sectors (512 or 4096 bytes) of pending writes, any size reached; any subset of names */
    SIM_CRASH_MODES,
};

/* A new disk, as after a power cut; the old one stays as it is. The same seed gives the same disk. */
struct sim_fs *sim_fs_crash(struct sim_fs *fs, enum sim_crash mode, uint64_t seed);

/* Flips bits of one durable and present byte, for damage tests: false if there is no such file or byte. */
bool sim_fs_damage(struct sim_fs *fs, const char *path, uint64_t offset, uint8_t flip);

#endif
