/*
 * process.h - tells a child after fork() from the process that it left.
 */
#ifndef LSM_OS_PROCESS_H
#define LSM_OS_PROCESS_H

#include "lsmkv.h"

/*
 * Starts to count forks; the first call of a process does, later ones are no-ops. NOMEM if the C library cannot register
 * the handler.
 */
LSMKV_MUST_CHECK enum lsmkv_status process_watch_forks(struct lsmkv_error *err);

/*
 * How many forks lie between the first process_watch_forks() and this process: whoever remembers the number finds another
 * one in a child. One load; a system call for the process id on each read of a key would cost more than the read.
 */
uint64_t process_generation(void);

#endif
