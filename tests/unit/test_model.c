/*
 * test_model.c - random operations against a store and against an array, which must always agree.
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
#include "support/store_kit.h"

#define KEYS      1500
#define SNAPSHOTS 3

struct model {
    uint32_t values[KEYS];
};

/* A reader that began earlier, with what it must see. */
struct held {
    struct lsmkv_session *session; /* NULL = none */
    struct lsmkv_cursor *cursor;   /* opened when the snapshot was taken */
    struct model model;
};

struct run {
    struct db db;
    struct model committed;
    struct held held[SNAPSHOTS];
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

static void end_transaction(struct run *run, const struct model *model)
{
    struct lsmkv_session *session = run->db.session;
    bool commit = pick(run, 5) > 0;

    if (pick(run, 3) == 0)
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

    db_write(&run->db);
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

static void reopen(struct run *run)
{
    for (size_t i = 0; i < SNAPSHOTS; i++)
        let_go(&run->held[i]);
    db_reopen(&run->db);
    check_range(run, run->db.session, &run->committed);
}

static void step(struct run *run)
{
    size_t dice = pick(run, 100);

    if (dice < 60)
        transaction(run);
    else if (dice < 75)
        check(run, run->db.session, &run->committed);
    else if (dice < 85)
        snapshot(run);
    else if (dice < 90)
        check_snapshots(run);
    else if (dice < 95)
        db_flush(&run->db);
    else if (dice < 97)
        compact(run);
    else if (dice < 99)
        reopen(run);
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
    db_init(&run->db, fs, dir);
    for (size_t i = 0; options[i]; i += 2)
        assert_ok(lsmkv_options_set(&run->db.options, options[i], options[i + 1], &run->err), &run->err);
    db_open(&run->db);
    for (size_t i = 0; i < steps; i++)
        step(run);
    check_snapshots(run);
    reopen(run);
    for (size_t i = 0; i < KEYS; i++)
        check_get(run, run->db.session, &run->committed, i);
    empty_it(run);
    db_end(&run->db);
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
    play(NULL, test_dir(), options, test_scaled(400));
}

static void model_agrees_with_lz4_and_pread_on_disk(void **state)
{
    static const char *const options[] = {"compression", "lz4", "io", "pread", "sync", "normal", NULL};

    (void)state;
    play(NULL, test_dir(), options, test_scaled(400));
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
