/*
 * test_model.c - random operations against a store and against an array, which must always agree: transactions of one phase
 * and of two, snapshots, ends and deaths of the store, transactions found in doubt after one and settled either way.
 *
 * Keys are numbers 0 to KEYS - 1 whose text has the same order; the model is one value per key (0 = absent). Memtables and
 * levels are tiny, so that flushes, rotations and compactions happen all the time. The seed is printed; LSMKV_TEST_SEED
 * repeats a run of the operations, though not of the threads behind them.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "support/fault_fs.h"
#include "support/store_kit.h"

#define KEYS      1500
#define SNAPSHOTS 3
#define UNDECIDED 4 /* prepared transactions at a time */

struct model {
    uint32_t values[KEYS];
};

/* A reader that began earlier, with what it must see. */
struct held {
    struct lsmkv_session *session; /* NULL = none */
    struct lsmkv_cursor *cursor;   /* opened when the snapshot was taken */
    struct model model;
};

/* A prepared transaction. It has read nothing, so that it guards nothing, and its writes may be anybody's too. */
struct undecided {
    uint64_t name;                 /* 0 = none */
    struct lsmkv_session *session; /* NULL: in doubt */
    bool by_default;               /* commits if nobody decides it */
    bool writes[KEYS];
    uint32_t values[KEYS]; /* of those it writes; 0: deleted */
};

struct run {
    struct fault_fs *faults; /* makes every change on disk fail when the process is to die */
    struct db db;
    struct model committed;
    struct held held[SNAPSHOTS];
    struct undecided undecided[UNDECIDED];
    uint64_t next_name;
    unsigned decided[2], settled[2]; /* live ones, and those in doubt; aborted, committed */
    uint64_t random;
    uint32_t next_value;
    struct lsmkv_error err;
};

static size_t pick(struct run *run, size_t n)
{
    return (size_t)(test_random(&run->random) % n);
}

/* Keys of 5 to 25 bytes: the padding depends on the number only and does not disturb the order. */
static struct lsmkv_slice key_of(size_t number, char bytes[32])
{
    size_t padding = number * 7 % 21;

    snprintf(bytes, 32, "k%04zu", number);
    memset(bytes + 5, 'p', padding);
    return (struct lsmkv_slice){(const uint8_t *)bytes, 5 + padding};
}

/* Values of 4 to 303 bytes, now and then of some thousands. */
static struct lsmkv_slice value_of(uint32_t value, uint8_t bytes[8192])
{
    size_t size = value % 97 == 0 ? 4000 + value % 4000 : 4 + value * 31 % 300;

    memset(bytes, (int)(value % 251), size);
    memcpy(bytes, &value, sizeof(value));
    return (struct lsmkv_slice){bytes, size};
}

static void match_value(struct lsmkv_slice got, uint32_t value)
{
    static _Thread_local uint8_t bytes[8192];
    struct lsmkv_slice expected = value_of(value, bytes);

    assert_int_equal(got.size, expected.size);
    assert_memory_equal(got.data, expected.data, expected.size);
}

/* ---- Checks ---- */

static void check_get(struct run *run, struct lsmkv_session *session, const struct model *model, size_t number)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    char bytes[32];
    bool found;

    assert_ok(lsmkv_get(session, key_of(number, bytes), &value, &found, &run->err), &run->err);
    assert_int_equal(found, model->values[number] != 0);
    if (found)
        match_value((struct lsmkv_slice){value.data, value.size}, model->values[number]);
    lsmkv_buf_release(&value);
}

static void check_row(struct lsmkv_cursor *cursor, const struct model *model, size_t number)
{
    char bytes[32];
    struct lsmkv_slice expected = key_of(number, bytes), key;

    assert_true(lsmkv_cursor_valid(cursor));
    key = lsmkv_cursor_key(cursor);
    assert_int_equal(key.size, expected.size);
    assert_memory_equal(key.data, expected.data, expected.size);
    match_value(lsmkv_cursor_value(cursor), model->values[number]);
}

/* Walks [from, to) up or down. */
static void check_walk(struct run *run, struct lsmkv_cursor *cursor, const struct model *model, size_t from, size_t to,
                       bool up)
{
    if (up)
        assert_ok(lsmkv_cursor_first(cursor, &run->err), &run->err);
    else
        assert_ok(lsmkv_cursor_last(cursor, &run->err), &run->err);
    for (size_t i = 0; i < to - from; i++) {
        size_t number = up ? from + i : to - 1 - i;

        if (!model->values[number])
            continue;
        check_row(cursor, model, number);
        if (up)
            assert_ok(lsmkv_cursor_next(cursor, &run->err), &run->err);
        else
            assert_ok(lsmkv_cursor_prev(cursor, &run->err), &run->err);
    }
    assert_false(lsmkv_cursor_valid(cursor));
}

static void check_range(struct run *run, struct lsmkv_session *session, const struct model *model)
{
    char lower[32], upper[32];
    size_t from = pick(run, KEYS), to = from + pick(run, KEYS - from);
    bool whole = pick(run, 4) == 0;
    struct lsmkv_cursor *cursor;

    if (whole) {
        from = 0;
        to = KEYS;
    }
    assert_ok(lsmkv_cursor_open(&cursor, session, whole ? unbounded : key_of(from, lower),
                                whole ? unbounded : key_of(to, upper), &run->err),
              &run->err);
    check_walk(run, cursor, model, from, to, pick(run, 2));
    lsmkv_cursor_close(cursor);
}

/* A cursor that changes direction at random. */
static void check_zigzag(struct run *run, struct lsmkv_session *session, const struct model *model)
{
    struct lsmkv_cursor *cursor;
    size_t at = pick(run, KEYS);
    char bytes[32];

    assert_ok(lsmkv_cursor_open(&cursor, session, unbounded, unbounded, &run->err), &run->err);
    assert_ok(lsmkv_cursor_seek(cursor, key_of(at, bytes), &run->err), &run->err);
    while (at < KEYS && !model->values[at])
        at++;
    for (unsigned i = 0; i < 40 && lsmkv_cursor_valid(cursor); i++) {
        assert_true(at < KEYS);
        check_row(cursor, model, at);
        if (pick(run, 2)) {
            assert_ok(lsmkv_cursor_next(cursor, &run->err), &run->err);
            do
                at++;
            while (at < KEYS && !model->values[at]);
        } else {
            assert_ok(lsmkv_cursor_prev(cursor, &run->err), &run->err);
            do
                at--; /* below 0 it is huge, and the cursor invalid */
            while (at < KEYS && !model->values[at]);
        }
    }
    assert_int_equal(lsmkv_cursor_valid(cursor), at < KEYS);
    lsmkv_cursor_close(cursor);
}

static void check(struct run *run, struct lsmkv_session *session, const struct model *model)
{
    switch (pick(run, 4)) {
    case 0:
        check_range(run, session, model);
        break;
    case 1:
        check_zigzag(run, session, model);
        break;
    default:
        for (unsigned i = 0; i < 20; i++)
            check_get(run, session, model, pick(run, KEYS));
    }
}

/* ---- Writing ---- */

static void write_one(struct run *run, struct model *model, size_t number, bool delete)
{
    static uint8_t bytes[8192];
    char key[32];

    if (delete) {
        assert_ok(lsmkv_delete(run->db.session, key_of(number, key), &run->err), &run->err);
        model->values[number] = 0;
        return;
    }
    model->values[number] = ++run->next_value;
    assert_ok(lsmkv_put(run->db.session, key_of(number, key), value_of(run->next_value, bytes), &run->err), &run->err);
}

static void write_some(struct run *run, struct model *model)
{
    size_t writes = 1 + pick(run, 30), first = pick(run, KEYS);
    bool sequential = pick(run, 4) == 0;
    size_t deletes = pick(run, 5) == 0 ? 9 : 2; /* of ten */

    for (size_t i = 0; i < writes; i++)
        write_one(run, model, sequential ? (first + i) % KEYS : pick(run, KEYS), pick(run, 10) < deletes);
}

/* Savepoints, some of them rolled back to. */
static void write_with_savepoints(struct run *run, struct model *model, unsigned depth)
{
    uint64_t mark = lsmkv_session_mark(run->db.session);
    struct model before = *model;

    write_some(run, model);
    if (depth && pick(run, 2))
        write_with_savepoints(run, model, depth - 1);
    if (pick(run, 3) == 0) {
        lsmkv_session_rollback_to(run->db.session, mark);
        *model = before;
    }
    if (pick(run, 3) == 0)
        check(run, run->db.session, model);
}

static unsigned count_undecided(const struct run *run, bool live)
{
    unsigned count = 0;

    for (size_t i = 0; i < UNDECIDED; i++)
        count += run->undecided[i].name && (run->undecided[i].session != NULL) == live;
    return count;
}

/* One that has read what an undecided one writes can commit, but not be prepared. */
static void end_transaction(struct run *run, const struct model *model)
{
    struct lsmkv_session *session = run->db.session;
    bool commit = pick(run, 5) > 0;
    bool alone = !count_undecided(run, true) && !count_undecided(run, false);

    if (pick(run, 3) == 0 && alone)
        assert_ok(session_prepare(session, pick(run, 2), &run->err), &run->err);
    if (commit)
        assert_ok(lsmkv_session_commit(session, -1, &run->err), &run->err);
    else
        assert_ok(lsmkv_session_rollback(session, &run->err), &run->err);
    if (commit)
        run->committed = *model;
}

static void transaction(struct run *run)
{
    struct model model = run->committed;
    struct lsmkv_cursor *cursor = NULL;
    struct model at_cursor;

    /* An exclusive one would wait a while for live ones. */
    assert_ok(lsmkv_session_write(run->db.session,
                                  count_undecided(run, true) ? LSMKV_WRITE_OPTIMISTIC : LSMKV_WRITE_EXCLUSIVE, -1,
                                  &run->err),
              &run->err);
    write_with_savepoints(run, &model, 3);
    if (pick(run, 4) == 0) {
        assert_ok(lsmkv_cursor_open(&cursor, run->db.session, unbounded, unbounded, &run->err), &run->err);
        at_cursor = model;
        write_some(run, &model);
    }
    end_transaction(run, &model);
    if (cursor && pick(run, 2))
        check_walk(run, cursor, &at_cursor, 0, KEYS, pick(run, 2));
    lsmkv_cursor_close(cursor);
}

/* ---- Snapshots ---- */

static void let_go(struct held *held)
{
    lsmkv_cursor_close(held->cursor);
    lsmkv_session_close(held->session);
    held->session = NULL;
    held->cursor = NULL;
}

static void snapshot(struct run *run)
{
    struct held *held = &run->held[pick(run, SNAPSHOTS)];

    if (held->session) {
        check(run, held->session, &held->model);
        check_walk(run, held->cursor, &held->model, 0, KEYS, pick(run, 2));
        let_go(held);
        return;
    }
    assert_ok(lsmkv_session_open(&held->session, run->db.store, &run->err), &run->err);
    assert_ok(lsmkv_session_read(held->session, false, &run->err), &run->err);
    assert_ok(lsmkv_cursor_open(&held->cursor, held->session, unbounded, unbounded, &run->err), &run->err);
    held->model = run->committed;
}

static void check_snapshots(struct run *run)
{
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        if (run->held[i].session)
            check(run, run->held[i].session, &run->held[i].model);
    }
}

/* ---- Undecided transactions ---- */

/* Takes its place in `committed` if it commits, and is forgotten. */
static void end_undecided(struct run *run, struct undecided *undecided, bool commits)
{
    for (size_t i = 0; commits && i < KEYS; i++) {
        if (undecided->writes[i])
            run->committed.values[i] = undecided->values[i];
    }
    lsmkv_session_close(undecided->session);
    memset(undecided, 0, sizeof(*undecided));
}

static void write_undecided(struct run *run, struct undecided *undecided)
{
    struct lsmkv_session *usual = run->db.session;
    struct model model = run->committed;

    run->db.session = undecided->session;
    for (size_t i = 1 + pick(run, 30); i > 0; i--) {
        size_t number = pick(run, KEYS);

        write_one(run, &model, number, pick(run, 10) < 2);
        undecided->writes[number] = true;
        undecided->values[number] = model.values[number];
    }
    run->db.session = usual;
}

static void prepare_one(struct run *run)
{
    struct undecided *undecided = &run->undecided[pick(run, UNDECIDED)];
    struct lsmkv_prepare how = {.transaction = run->next_name + 1, .default_commit = pick(run, 4) == 0, .wait_ms = -1};

    if (undecided->name)
        return;
    assert_ok(lsmkv_session_open(&undecided->session, run->db.store, &run->err), &run->err);
    assert_ok(lsmkv_session_write(undecided->session, LSMKV_WRITE_OPTIMISTIC, -1, &run->err), &run->err);
    write_undecided(run, undecided);
    assert_ok(lsmkv_session_prepare(undecided->session, &how, &run->err), &run->err);
    undecided->name = ++run->next_name;
    undecided->by_default = how.default_commit;
}

static void decide_one(struct run *run, struct undecided *undecided)
{
    bool commits = pick(run, 2);

    if (!undecided->name)
        return;
    run->decided[commits] += undecided->session != NULL;
    run->settled[commits] += undecided->session == NULL;
    if (!undecided->session)
        assert_ok(lsmkv_settle(run->db.store, undecided->name, commits, &run->err), &run->err);
    else if (commits)
        assert_ok(lsmkv_session_commit_prepared(undecided->session, &run->err), &run->err);
    else
        assert_ok(lsmkv_session_rollback(undecided->session, &run->err), &run->err);
    end_undecided(run, undecided, commits);
}

/* Recovery commits them in the order in which they were prepared. */
static void commit_defaults(struct run *run)
{
    struct undecided *first;

    do {
        first = NULL;
        for (size_t i = 0; i < UNDECIDED; i++) {
            struct undecided *at = &run->undecided[i];

            if (at->name && at->by_default && (!first || at->name < first->name))
                first = at;
        }
        if (first)
            end_undecided(run, first, true);
    } while (first);
}

struct names {
    struct run *run;
    unsigned count;
};

static bool note_name(void *context, const struct lsmkv_transaction_info *info)
{
    struct names *names = context;
    bool known = false;

    for (size_t i = 0; i < UNDECIDED; i++)
        known = known || (names->run->undecided[i].name && names->run->undecided[i].name == info->transaction);
    assert_true(known && info->state == LSMKV_TRANSACTION_IN_DOUBT);
    names->count++;
    return true;
}

/* Of a store that was just opened. */
static void check_in_doubt(struct run *run)
{
    struct names names = {.run = run};

    lsmkv_transactions_each(run->db.store, note_name, &names);
    assert_int_equal(names.count, count_undecided(run, false));
}

/* ---- Runs ---- */

static void compact(struct run *run)
{
    char lower[32], upper[32];
    size_t from = pick(run, KEYS), to = from + pick(run, KEYS - from);

    if (pick(run, 2))
        db_compact(&run->db);
    else
        assert_ok(lsmkv_compact(run->db.store, key_of(from, lower), key_of(to, upper), &run->err), &run->err);
}

/* Live ones are rolled back when their session is closed. */
static void reopen(struct run *run)
{
    for (size_t i = 0; i < SNAPSHOTS; i++)
        let_go(&run->held[i]);
    for (size_t i = 0; i < UNDECIDED; i++) {
        if (run->undecided[i].session)
            end_undecided(run, &run->undecided[i], false);
    }
    db_reopen(&run->db);
    check_in_doubt(run);
    check_range(run, run->db.session, &run->committed);
}

/* The process dies: what is written is there, and nothing comes after it. */
static void die(struct run *run)
{
    struct fault_rule rule = {FAULT_CHANGES, NULL, 1, true, LSMKV_IO, FAULT_NOTHING};

    fault_fs_fail(run->faults, &rule);
    for (size_t i = 0; i < SNAPSHOTS; i++)
        let_go(&run->held[i]);
    for (size_t i = 0; i < UNDECIDED; i++) {
        lsmkv_session_close(run->undecided[i].session);
        run->undecided[i].session = NULL;
    }
    (void)db_try_close(&run->db);
    fault_fs_heal(run->faults);
    db_open(&run->db);
    commit_defaults(run);
    check_in_doubt(run);
    check_range(run, run->db.session, &run->committed);
}

static void step(struct run *run)
{
    size_t dice = pick(run, 100);

    if (dice < 49)
        transaction(run);
    else if (dice < 57)
        prepare_one(run);
    else if (dice < 60)
        decide_one(run, &run->undecided[pick(run, UNDECIDED)]);
    else if (dice < 74)
        check(run, run->db.session, &run->committed);
    else if (dice < 84)
        snapshot(run);
    else if (dice < 89)
        check_snapshots(run);
    else if (dice < 94)
        db_flush(&run->db);
    else if (dice < 96)
        compact(run);
    else if (dice < 97)
        reopen(run);
    else if (dice < 99)
        die(run);
    else
        assert_true(lsmkv_wait_idle(run->db.store, 60000));
}

/* Deletes everything and compacts: nothing is left. */
static void empty_it(struct run *run)
{
    struct model model = run->committed;

    db_write(&run->db);
    for (size_t i = 0; i < KEYS; i++)
        write_one(run, &model, i, true);
    db_commit(&run->db);
    run->committed = model;
    db_compact(&run->db);
    check_range(run, run->db.session, &run->committed);
    assert_int_equal(db_stat(&run->db, "sstables"), 0);
}

static void play(struct os_fs *fs, const char *dir, const char *const options[], size_t steps)
{
    struct run *run = calloc(1, sizeof(*run));

    assert_non_null(run);
    run->random = test_seed();
    run->faults = fault_fs_new(fs);
    db_init(&run->db, fault_fs_os(run->faults), dir);
    for (size_t i = 0; options[i]; i += 2)
        assert_ok(lsmkv_options_set(&run->db.options, options[i], options[i + 1], &run->err), &run->err);
    db_open(&run->db);
    for (size_t i = 0; i < steps; i++)
        step(run);
    check_snapshots(run);
    reopen(run);
    for (size_t i = 0; i < UNDECIDED; i++)
        decide_one(run, &run->undecided[i]);
    print_message("decided: %u aborted, %u committed; settled: %u, %u\n", run->decided[0], run->decided[1],
                  run->settled[0], run->settled[1]);
    for (size_t i = 0; i < KEYS; i++)
        check_get(run, run->db.session, &run->committed, i);
    empty_it(run);
    db_end(&run->db);
    fault_fs_free(run->faults);
    free(run);
}

static void play_in_memory(const char *const options[])
{
    struct os_fs *fs = os_memory_fs_new();

    assert_non_null(fs);
    play(fs, "store", options, test_scaled(800));
    os_memory_fs_free(fs);
}

static void model_agrees_with_defaults_on_disk(void **state)
{
    static const char *const options[] = {NULL};

    (void)state;
    play(os_posix_fs(), test_dir(), options, test_scaled(400));
}

static void model_agrees_with_lz4_and_pread_on_disk(void **state)
{
    static const char *const options[] = {"compression", "lz4", "io", "pread", "sync", "normal", NULL};

    (void)state;
    play(os_posix_fs(), test_dir(), options, test_scaled(400));
}

static void model_agrees_with_zstd_and_small_blocks(void **state)
{
    static const char *const options[] = {"compression", "zstd", "block_size", "512", "level_ratio", "2", NULL};

    (void)state;
    play_in_memory(options);
}

static void model_agrees_with_many_workers_and_no_filter(void **state)
{
    static const char *const options[] = {"flush_workers", "3",    "compaction_workers", "3", "filter_bits", "0",
                                          "sync",          "off",  "level_ratio",        "2", "l0_tables",   "2",
                                          "compression",   "auto", "soft_limit",         "1", NULL};

    (void)state;
    play_in_memory(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_agrees_with_defaults_on_disk),
        cmocka_unit_test(model_agrees_with_lz4_and_pread_on_disk),
        cmocka_unit_test(model_agrees_with_zstd_and_small_blocks),
        cmocka_unit_test(model_agrees_with_many_workers_and_no_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
