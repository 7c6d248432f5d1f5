/*
 * workload.h - a run of transactions on one store of the engine, that knows what each of them must have left behind.
 *
 * Any call may fail: the workload notes what that leaves open, goes on, and says in workload_check() whether the store
 * holds what it must: the rows of acknowledged transactions, nothing of refused ones, all or nothing of those whose end
 * is not known. A wrong row, a wrong status or a message that names no file fails the cmocka test, with the label.
 */
#ifndef TESTS_FAULT_WORKLOAD_H
#define TESTS_FAULT_WORKLOAD_H

#include "lsm/lsmkv.h"

#define WORKLOAD_DIR          "/store"
#define WORKLOAD_TRANSACTIONS 40
#define WORKLOAD_EXTRA        16 /* that workload_put_extra() may add */

enum workload_outcome { WORKLOAD_NOT_TRIED, WORKLOAD_ABSENT, WORKLOAD_COMMITTED, WORKLOAD_UNKNOWN };

struct workload {
    struct os_fs *fs;
    enum lsmkv_sync sync;
    const char *label;             /* of the case, for messages */
    enum lsmkv_status injected;    /* what may come out of calls, beside READONLY and BUSY */
    bool names_files;              /* failures name a file of the store */
    void (*failed)(void *context); /* told of each failed step; may be NULL */
    void *context;
    bool stays_open;       /* leaves out the step that opens the store again */
    unsigned failures_max; /* steps that may fail before the rest is left out */

    struct lsmkv_store *store; /* NULL while closed */
    struct lsmkv_session *session;
    struct lsmkv_error err; /* of the last failure */
    enum workload_outcome outcomes[WORKLOAD_TRANSACTIONS + WORKLOAD_EXTRA];
    unsigned extra;
    unsigned failures;
    bool readonly; /* since the store was opened */
};

/* `fs` must last until the workload is closed. */
void workload_init(struct workload *workload, struct os_fs *fs, enum lsmkv_sync sync, const char *label);

/* Opens (makes) the store, does all steps and leaves the store open, unless opening failed. */
void workload_run(struct workload *workload);

/* Opens the store if it is closed: a step that may fail. */
enum lsmkv_status workload_open(struct workload *workload);
enum lsmkv_status workload_close(struct workload *workload); /* closed in every case */

/* Reads everything. OK, or why it could not be read. */
enum lsmkv_status workload_check(struct workload *workload);

/* One more transaction, remembered like the others. */
enum lsmkv_status workload_put_extra(struct workload *workload);

/* Without faults from here on: closes, opens, checks, writes, flushes, compacts, opens again, checks. No file is left over. */
void workload_finish(struct workload *workload);

/* An allocator that counts what is not yet freed; `leak_counter_live()` is 0 when all is. */
void leak_counter_install(void);
long leak_counter_live(void);

#endif
