/*
 * workload.c - transactions of four rows of 3 KB; every third deletes the rows of the one two before it. The kind of
 * commit goes round: plain, two phases, two phases rolled back, a savepoint rolled back. In between the store is flushed,
 * compacted, read and opened again. Memtables are tiny, so most steps meet background work.
 */
#include "workload.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/os/fs.h"
#include "support/store_kit.h"
#include "support/test.h"

#define ROWS       4
#define VALUE_SIZE 3000
#define ALL        (WORKLOAD_TRANSACTIONS + WORKLOAD_EXTRA)

static const struct lsmkv_slice everything = {NULL, 0};

/* ---- The allocator that counts ---- */

static atomic_long live;

static void *counted_alloc(uint64_t size)
{
    void *memory = malloc((size_t)size);

    if (memory)
        atomic_fetch_add(&live, 1);
    return memory;
}

static void *counted_resize(void *memory, uint64_t size)
{
    void *moved = realloc(memory, (size_t)size);

    if (moved && !memory)
        atomic_fetch_add(&live, 1);
    return moved;
}

static void counted_release(void *memory)
{
    if (memory)
        atomic_fetch_sub(&live, 1);
    free(memory);
}

void leak_counter_install(void)
{
    static const struct lsmkv_allocator counted = {counted_alloc, counted_resize, counted_release};

    lsmkv_allocator_set(&counted);
}

long leak_counter_live(void)
{
    return atomic_load(&live);
}

/* ---- Rows ---- */

static struct lsmkv_slice row_key(char key[32], unsigned transaction, unsigned row)
{
    int size = snprintf(key, 32, "t%03u/%u", transaction, row);

    return (struct lsmkv_slice){(const uint8_t *)key, (size_t)size};
}

static struct lsmkv_slice row_value(char value[VALUE_SIZE], unsigned transaction, unsigned row)
{
    uint64_t state = transaction * 100 + row;

    for (size_t i = 0; i < VALUE_SIZE; i += 8) {
        uint64_t word = test_random(&state);

        memcpy(value + i, &word, VALUE_SIZE - i < 8 ? VALUE_SIZE - i : 8);
    }
    return (struct lsmkv_slice){(const uint8_t *)value, VALUE_SIZE};
}

static bool deletes(unsigned transaction)
{
    return transaction < WORKLOAD_TRANSACTIONS && transaction % 3 == 2;
}

/* ---- Failures ---- */

/* Notes a failed call: its status must be one that the fault explains, its message must name a file. */
static enum lsmkv_status note(struct workload *w, enum lsmkv_status status)
{
    if (!status)
        return status;
    if (status != w->injected && status != LSMKV_READONLY && status != LSMKV_BUSY)
        fail_msg("%s: status %d: %s", w->label, status, w->err.message);
    if (status == LSMKV_READONLY)
        w->readonly = true;
    if (w->names_files && !strchr(w->err.message, '/'))
        fail_msg("%s: status %d, and the message names no file: %s", w->label, status, w->err.message);
    return status;
}

/* A write that succeeds on a store that was read-only before is wrong. */
static enum lsmkv_status note_write(struct workload *w, enum lsmkv_status status)
{
    if (w->readonly && status != LSMKV_READONLY)
        fail_msg("%s: a write on a read-only store gave %d: %s", w->label, status, status ? w->err.message : "");
    return note(w, status);
}

static bool go_on(struct workload *w, enum lsmkv_status status)
{
    if (status) {
        w->failures++;
        if (w->failed)
            w->failed(w->context);
    }
    return w->store && w->failures < w->failures_max;
}

/* ---- One transaction ---- */

static enum lsmkv_status put_rows(struct workload *w, unsigned transaction)
{
    char key[32], value[VALUE_SIZE];
    enum lsmkv_status status = LSMKV_OK;

    for (unsigned row = 0; !status && row < ROWS; row++) {
        status = lsmkv_put(w->session, row_key(key, transaction, row), row_value(value, transaction, row), &w->err);
        if (!status && deletes(transaction))
            status = lsmkv_delete(w->session, row_key(key, transaction - 2, row), &w->err);
    }
    return note(w, status);
}

/* Rows that must never be seen: row 9. */
static enum lsmkv_status put_and_take_back(struct workload *w, unsigned transaction)
{
    uint64_t mark = lsmkv_session_mark(w->session);
    char key[32];
    enum lsmkv_status status = note(w, lsmkv_put(w->session, row_key(key, transaction, 9), everything, &w->err));

    lsmkv_session_rollback_to(w->session, mark);
    return status;
}

static enum lsmkv_status begin(struct workload *w)
{
    return note_write(w, lsmkv_session_write(w->session, LSMKV_WRITE_EXCLUSIVE, -1, &w->err));
}

static bool rollback(struct workload *w)
{
    return lsmkv_session_rollback(w->session, NULL) == LSMKV_OK;
}

/* Ends a transaction whose rows are written; says what is known of it. */
static enum lsmkv_status end_plain(struct workload *w, enum workload_outcome *outcome)
{
    enum lsmkv_status status = note_write(w, lsmkv_session_commit(w->session, -1, &w->err));

    *outcome = status ? WORKLOAD_UNKNOWN : WORKLOAD_COMMITTED;
    return status;
}

static enum lsmkv_status end_two_phases(struct workload *w, bool commit, bool default_commit,
                                        enum workload_outcome *outcome)
{
    enum lsmkv_status status = note_write(w, session_prepare(w->session, default_commit, &w->err));

    *outcome = status ? WORKLOAD_UNKNOWN : WORKLOAD_ABSENT;
    if (!status && commit) {
        status = note(w, lsmkv_session_commit_prepared(w->session, &w->err));
        *outcome = status ? WORKLOAD_UNKNOWN : WORKLOAD_COMMITTED;
        if (status && lsmkv_session_state(w->session) == LSMKV_SESSION_PREPARED && rollback(w))
            *outcome = WORKLOAD_ABSENT;
    }
    if (!rollback(w))
        *outcome = WORKLOAD_UNKNOWN;
    return status;
}

/* A transaction that failed on a store that still takes writes has left nothing. */
static void settle(struct workload *w, enum workload_outcome *outcome)
{
    enum lsmkv_status status;

    if (*outcome != WORKLOAD_UNKNOWN || w->readonly)
        return;
    status = begin(w);
    if (status)
        return;
    rollback(w);
    *outcome = WORKLOAD_ABSENT;
}

static enum lsmkv_status transact(struct workload *w, unsigned transaction)
{
    enum workload_outcome outcome = WORKLOAD_ABSENT;
    unsigned kind = transaction % 4;
    enum lsmkv_status status = begin(w);

    if (!status)
        status = put_rows(w, transaction);
    if (!status && kind == 3)
        status = put_and_take_back(w, transaction);
    if (status)
        rollback(w);
    else if (kind == 1 || kind == 2)
        status = end_two_phases(w, kind == 1, transaction % 8 < 4, &outcome);
    else
        status = end_plain(w, &outcome);
    w->outcomes[transaction] = outcome;
    settle(w, &w->outcomes[transaction]);
    return status;
}

enum lsmkv_status workload_put_extra(struct workload *w)
{
    unsigned transaction = WORKLOAD_TRANSACTIONS + 4 * (w->extra++ % (WORKLOAD_EXTRA / 4)); /* plain commits */

    assert_true(transaction < ALL);
    return transact(w, transaction);
}

/* ---- Checking ---- */

struct seen {
    unsigned rows[ALL];
};

static void see_row(struct workload *w, struct seen *seen, struct lsmkv_slice key, struct lsmkv_slice value)
{
    char text[32] = "", wanted[VALUE_SIZE];
    unsigned transaction, row;

    memcpy(text, key.data, key.size < sizeof(text) ? key.size : sizeof(text) - 1);
    if (sscanf(text, "t%03u/%u", &transaction, &row) != 2 || transaction >= ALL || row >= ROWS) {
        fail_msg("%s: a key that nobody committed: %s", w->label, text);
        return;
    }
    row_value(wanted, transaction, row);
    if (value.size != VALUE_SIZE || memcmp(value.data, wanted, VALUE_SIZE) != 0)
        fail_msg("%s: %s has a wrong value of %zu bytes", w->label, text, value.size);
    seen->rows[transaction]++;
}

static enum lsmkv_status scan(struct workload *w, struct seen *seen)
{
    struct lsmkv_cursor *cursor = NULL;
    enum lsmkv_status status = lsmkv_cursor_open(&cursor, w->session, everything, everything, &w->err);

    if (!status)
        status = lsmkv_cursor_first(cursor, &w->err);
    while (!status && lsmkv_cursor_valid(cursor)) {
        see_row(w, seen, lsmkv_cursor_key(cursor), lsmkv_cursor_value(cursor));
        status = lsmkv_cursor_next(cursor, &w->err);
    }
    lsmkv_cursor_close(cursor);
    return note(w, status);
}

static void compare(struct workload *w, const struct seen *seen, unsigned i)
{
    bool present = seen->rows[i] == ROWS, deleter = deletes(i + 2);
    enum workload_outcome outcome = w->outcomes[i], end = deleter ? w->outcomes[i + 2] : WORKLOAD_ABSENT;
    bool wrong;

    if (seen->rows[i] != 0 && !present)
        fail_msg("%s: transaction %u has %u of %d rows", w->label, i, seen->rows[i], ROWS);
    if (outcome == WORKLOAD_ABSENT || outcome == WORKLOAD_NOT_TRIED || end == WORKLOAD_COMMITTED)
        wrong = present;
    else if (outcome == WORKLOAD_UNKNOWN)
        wrong = false;
    else if (end == WORKLOAD_UNKNOWN)
        wrong = present == (seen->rows[i + 2] == ROWS);
    else
        wrong = !present;
    if (wrong)
        fail_msg("%s: transaction %u (outcome %d, deleted %d) has %u rows", w->label, i, outcome, end, seen->rows[i]);
}

enum lsmkv_status workload_check(struct workload *w)
{
    struct seen seen = {{0}};
    enum lsmkv_status status = scan(w, &seen);

    for (unsigned i = 0; !status && i < ALL; i++)
        compare(w, &seen, i);
    return status;
}

/* Point reads of one transaction that nobody deletes. */
static enum lsmkv_status get_some(struct workload *w, unsigned transaction)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    struct seen seen = {{0}};
    enum lsmkv_status status = LSMKV_OK;
    char key[32];

    for (unsigned row = 0; !status && row < ROWS; row++) {
        bool found = false;

        status = lsmkv_get(w->session, row_key(key, transaction, row), &value, &found, &w->err);
        if (!status && found)
            see_row(w, &seen, row_key(key, transaction, row), (struct lsmkv_slice){value.data, value.size});
    }
    lsmkv_buf_release(&value);
    if (!status)
        compare(w, &seen, transaction);
    return note(w, status);
}

/* ---- The whole ---- */

void workload_init(struct workload *w, struct os_fs *fs, enum lsmkv_sync sync, const char *label)
{
    memset(w, 0, sizeof(*w));
    w->fs = fs;
    w->sync = sync;
    w->label = label;
    w->failures_max = 8;
    w->names_files = true;
}

/* One way or the other: its outcome was unknown. */
static bool settle_one(void *context, const struct lsmkv_transaction_info *info)
{
    struct workload *w = context;

    if (info->state == LSMKV_TRANSACTION_IN_DOUBT)
        (void)note(w, lsmkv_settle(w->store, info->transaction, info->transaction % 2, &w->err));
    return true;
}

enum lsmkv_status workload_open(struct workload *w)
{
    struct lsmkv_options options;
    struct lsmkv_open how = {.mode = LSMKV_OPEN_CREATE, .options = &options, .fs = w->fs};
    enum lsmkv_status status;

    if (w->store)
        return LSMKV_OK;
    lsmkv_options_init(&options);
    options.sync = w->sync;
    options.memtable_size = 64 << 10;
    options.base_level_size = 64 << 10;
    options.cache_size = 1 << 20;
    options.stall_timeout_ms = 20;
    options.transaction_size = 1 << 20;
    status = note(w, lsmkv_store_open(&w->store, WORKLOAD_DIR, &how, &w->err));
    w->readonly = false;
    if (!status)
        status = note(w, lsmkv_session_open(&w->session, w->store, &w->err));
    if (!status)
        lsmkv_transactions_each(w->store, settle_one, w);
    if (status && w->store) {
        (void)lsmkv_store_close(w->store, NULL);
        w->store = NULL;
    }
    return status;
}

enum lsmkv_status workload_close(struct workload *w)
{
    enum lsmkv_status status;

    if (!w->store)
        return LSMKV_OK;
    lsmkv_session_close(w->session);
    status = note(w, lsmkv_store_close(w->store, &w->err));
    w->session = NULL;
    w->store = NULL;
    return status;
}

static enum lsmkv_status reopen(struct workload *w)
{
    enum lsmkv_status closed = workload_close(w), status = workload_open(w);

    return status ? status : closed;
}

/* What comes between transactions. */
static enum lsmkv_status act(struct workload *w, unsigned i)
{
    switch (i) {
    case 9:
        return note(w, lsmkv_flush(w->store, &w->err));
    case 13:
    case 33:
        return workload_check(w);
    case 19:
        return note(w, lsmkv_compact(w->store, everything, everything, &w->err));
    case 24:
        return w->stays_open ? LSMKV_OK : reopen(w);
    case 28:
        return get_some(w, 7);
    case 37:
        return note(w, lsmkv_flush(w->store, &w->err));
    default:
        return LSMKV_OK;
    }
}

void workload_run(struct workload *w)
{
    bool more = go_on(w, workload_open(w));

    for (unsigned i = 0; more && i < WORKLOAD_TRANSACTIONS; i++) {
        more = go_on(w, transact(w, i));
        if (more)
            more = go_on(w, act(w, i));
    }
}

struct names {
    unsigned count;
};

static enum lsmkv_status count_name(void *context, const char *name, struct lsmkv_error *err)
{
    (void)name;
    (void)err;
    ((struct names *)context)->count++;
    return LSMKV_OK;
}

static unsigned files_in(struct workload *w, const char *dir)
{
    struct names names = {0};

    assert_int_equal(os_fs_list(w->fs, dir, count_name, &names, NULL), LSMKV_OK);
    return names.count;
}

static bool count_table(void *context, const struct lsmkv_sstable_stats *table)
{
    (void)table;
    ++*(unsigned *)context;
    return true;
}

static void must(struct workload *w, enum lsmkv_status status, const char *what)
{
    if (status)
        fail_msg("%s: %s after the fault is gone: status %d: %s", w->label, what, status, w->err.message);
}

/* No table that nothing names is left. */
static void check_files(struct workload *w)
{
    unsigned tables = 0;

    must(w, lsmkv_wait_idle(w->store, 60000) ? LSMKV_OK : LSMKV_BUSY, "waiting for background work");
    lsmkv_sstables_each(w->store, count_table, &tables);
    if (files_in(w, WORKLOAD_DIR "/sst") != tables)
        fail_msg("%s: %u files for %u tables", w->label, files_in(w, WORKLOAD_DIR "/sst"), tables);
}

void workload_finish(struct workload *w)
{
    (void)workload_close(w);
    w->injected = LSMKV_OK;
    must(w, workload_open(w), "opening");
    must(w, workload_check(w), "reading");
    must(w, workload_put_extra(w), "writing");
    must(w, lsmkv_flush(w->store, &w->err), "flushing");
    must(w, lsmkv_compact(w->store, everything, everything, &w->err), "compacting");
    must(w, workload_check(w), "reading");
    must(w, workload_close(w), "closing");
    must(w, workload_open(w), "opening again");
    check_files(w);
    must(w, workload_check(w), "reading");
    must(w, workload_close(w), "closing again");
}
