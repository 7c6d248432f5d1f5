/*
 * test_interleaved.c - several sessions of one thread, interleaved at random, against a model that knows exactly what each
 * has read and what others have changed since.
 *
 * Every status is foretold: a commit conflicts if, and only if, something that it has read was written by a commit since its
 * snapshot; it is busy if, and only if, another session has the turn or a prepared one guards what it does (guards.h). What
 * a committed transaction saw is seen again when its operations are replayed on the state at its place in the order of
 * commits. Keys are few, so that both happen all the time; memtables are rotated in between.
 *
 * The seed is printed; LSMKV_TEST_SEED repeats a run.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "support/store_kit.h"

#include "interleaved.h"

static size_t pick(struct run *run, size_t n)
{
    return (size_t)(test_random(&run->random) % n);
}

static struct lsmkv_slice key_of(size_t key, char bytes[16])
{
    snprintf(bytes, 16, "key%04zu", key);
    return text(bytes);
}

/* ---- Ends ---- */

static void close_cursor(struct player *player)
{
    lsmkv_cursor_close(player->cursor);
    player->cursor = NULL;
}

static void end(struct player *player)
{
    assert_int_equal(lsmkv_session_state(player->session), LSMKV_SESSION_IDLE);
    close_cursor(player);
    player->tracked = player->exclusive = false;
    player->mark_count = player->op_count = 0;
}

/* A transaction without writes has its place where its snapshot was taken. */
static void committed(struct run *run, struct player *player)
{
    struct state state = player_has_writes(player) ? run->committed : player->snapshot;

    player_replay(player, &state);
    if (!player_has_writes(player)) {
        run->counts.read_only++;
        assert_memory_equal(&state, &player->snapshot, sizeof(state));
    } else {
        run->committed = state;
        run->commits++;
        run->counts.committed++;
        for (size_t key = 0; key < KEYS; key++) {
            if (player->overlay.values[key] != NONE)
                run->changed[key] = run->commits;
        }
    }
    end(player);
}

/* ---- Beginning ---- */

static void begin_model(struct run *run, struct player *player)
{
    player->began = run->commits;
    player->snapshot = run->committed;
    memset(player->overlay.values, 0xff, sizeof(player->overlay.values));
    memset(player->read, 0, sizeof(player->read));
}

static void begin_exclusive(struct run *run, struct player *player)
{
    bool reading = lsmkv_session_state(player->session) == LSMKV_SESSION_READING;
    enum lsmkv_status expected = LSMKV_OK;

    if (run_turn_is_taken(run, player))
        expected = LSMKV_BUSY;
    else if (reading && player->began != run->commits)
        expected = LSMKV_BUSY_SNAPSHOT;
    assert_status(lsmkv_session_write(player->session, LSMKV_WRITE_EXCLUSIVE, 0, &run->err), expected, &run->err);
    if (expected)
        return;
    if (!reading)
        begin_model(run, player);
    player->exclusive = true;
    player->tracked = run_has_undecided(run); /* their outcomes may come before its commit */
    run->counts.exclusive++;
    run->counts.exclusive_tracked += player->tracked;
}

static void begin_optimistic(struct run *run, struct player *player)
{
    if (lsmkv_session_state(player->session) == LSMKV_SESSION_IDLE)
        begin_model(run, player);
    assert_ok(lsmkv_session_write(player->session, LSMKV_WRITE_OPTIMISTIC, 0, &run->err), &run->err);
    player->tracked = true;
}

static void begin(struct run *run, struct player *player)
{
    size_t dice = pick(run, 20);

    if (dice < 6) {
        assert_ok(lsmkv_session_read(player->session, true, &run->err), &run->err);
        begin_model(run, player);
        player->tracked = true;
    } else if (dice == 6) {
        begin_exclusive(run, player);
    } else {
        begin_optimistic(run, player);
    }
}

/* ---- Reading ---- */

static void expect_bytes(struct lsmkv_slice got, uint32_t value)
{
    char expected[32];

    snprintf(expected, sizeof(expected), "value %u", value);
    assert_int_equal(got.size, strlen(expected));
    assert_memory_equal(got.data, expected, got.size);
}

static void get(struct run *run, struct player *player)
{
    size_t key = pick(run, KEYS);
    uint32_t value = state_value_in(&player->snapshot, &player->overlay, key);
    struct lsmkv_buf got = LSMKV_BUF_INIT;
    char bytes[16];
    bool found;

    assert_ok(lsmkv_get(player->session, key_of(key, bytes), &got, &found, &run->err), &run->err);
    assert_int_equal(found, value != 0);
    if (found)
        expect_bytes((struct lsmkv_slice){got.data, got.size}, value);
    lsmkv_buf_release(&got);
    player_record(player, SAW, key, value);
    if (player->overlay.values[key] == NONE)
        player->read[key] = true;
}

/* It has passed the keys from `first` to `last`. Its own writes are as they were when it was opened: no part of a replay. */
static void pass(struct player *player, size_t first, size_t last)
{
    for (size_t key = first; key <= last && key < KEYS; key++) {
        player->read[key] = true;
        if (player->overlay.values[key] == NONE && player->hidden.values[key] == NONE)
            player_record(player, SAW, key, player->view.values[key]);
    }
}

/* After a move that began at `start`: the next row that the view has, from there; that and all before it are passed. */
static void arrive(struct player *player, size_t start, bool forward)
{
    size_t at = start;
    char bytes[16];

    if (forward) {
        while (at < player->to && !player->view.values[at])
            at++;
        pass(player, start, at < player->to ? at : player->to - 1);
    } else {
        while (at + 1 > player->from && !player->view.values[at])
            at--; /* below 0 it is huge, and at + 1 is 0 */
        if (at + 1 == player->from)
            at = player->to;
        pass(player, at == player->to ? player->from : at, start);
    }
    player->at = at;
    assert_int_equal(lsmkv_cursor_valid(player->cursor), at != player->to);
    if (at == player->to)
        return;
    assert_int_equal(lsmkv_cursor_key(player->cursor).size, key_of(at, bytes).size);
    assert_memory_equal(lsmkv_cursor_key(player->cursor).data, bytes, strlen(bytes));
    expect_bytes(lsmkv_cursor_value(player->cursor), player->view.values[at]);
}

static void place(struct run *run, struct player *player)
{
    size_t dice = pick(run, 3), key = player->from + pick(run, player->to - player->from);
    char bytes[16];

    if (dice == 0) {
        assert_ok(lsmkv_cursor_first(player->cursor, &run->err), &run->err);
        arrive(player, player->from, true);
    } else if (dice == 1) {
        assert_ok(lsmkv_cursor_last(player->cursor, &run->err), &run->err);
        arrive(player, player->to - 1, false);
    } else {
        assert_ok(lsmkv_cursor_seek(player->cursor, key_of(key, bytes), &run->err), &run->err);
        arrive(player, key, true);
    }
}

static void open_cursor(struct run *run, struct player *player)
{
    bool bounded = pick(run, 4) > 0;
    char lower[16], upper[16];

    player->from = bounded ? pick(run, KEYS) : 0;
    player->to = bounded ? player->from + 1 + pick(run, KEYS - player->from < 12 ? KEYS - player->from : 12) : KEYS;
    assert_ok(lsmkv_cursor_open(&player->cursor, player->session, bounded ? key_of(player->from, lower) : unbounded,
                                bounded ? key_of(player->to, upper) : unbounded, &run->err),
              &run->err);
    player->hidden = player->overlay;
    for (size_t key = 0; key < KEYS; key++)
        player->view.values[key] = state_value_in(&player->snapshot, &player->overlay, key);
    place(run, player);
}

/* Some rows in one direction. */
static void walk(struct run *run, struct player *player)
{
    bool forward = pick(run, 2);

    for (size_t i = 1 + pick(run, 6); i && player->at != player->to; i--) {
        if (forward)
            assert_ok(lsmkv_cursor_next(player->cursor, &run->err), &run->err);
        else
            assert_ok(lsmkv_cursor_prev(player->cursor, &run->err), &run->err);
        if (!forward && player->at == player->from)
            player->at = player->to; /* at the beginning */
        else
            arrive(player, forward ? player->at + 1 : player->at - 1, forward);
        if (player->at == player->to)
            assert_false(lsmkv_cursor_valid(player->cursor));
    }
}

static void scan(struct run *run, struct player *player)
{
    if (!player->cursor)
        open_cursor(run, player);
    else if (pick(run, 4) == 0)
        place(run, player);
    if (pick(run, 2))
        walk(run, player);
    if (pick(run, 3) == 0)
        close_cursor(player);
}

/* No read of the transaction. */
static void look_for_last_key(struct run *run, struct player *player)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    char lower[16], upper[16], bytes[16];
    size_t last = KEYS;
    bool found;

    while (last && !state_value_in(&run->committed, &player->overlay, last - 1))
        last--;
    assert_ok(lsmkv_last_key(player->session, key_of(0, lower), key_of(KEYS, upper), &key, &found, &run->err),
              &run->err);
    assert_int_equal(found, last > 0);
    if (found)
        assert_memory_equal(key.data, key_of(last - 1, bytes).data, key.size);
    lsmkv_buf_release(&key);
}

static void read_some(struct run *run, struct player *player)
{
    size_t dice = pick(run, 10);

    if (dice < 5)
        get(run, player);
    else if (dice < 9)
        scan(run, player);
    else
        look_for_last_key(run, player);
}

/* ---- Writing ---- */

static void write_one(struct run *run, struct player *player)
{
    uint32_t value = pick(run, 3) ? ++run->next_value : 0;
    size_t key = pick(run, KEYS);
    char name[16], bytes[32];

    snprintf(bytes, sizeof(bytes), "value %u", value);
    if (value)
        assert_ok(lsmkv_put(player->session, key_of(key, name), text(bytes), &run->err), &run->err);
    else
        assert_ok(lsmkv_delete(player->session, key_of(key, name), &run->err), &run->err);
    player->overlay.values[key] = value;
    player_record(player, WROTE, key, value);
}

static void set_mark(struct player *player)
{
    if (player->mark_count == MARKS)
        return;
    player->marks[player->mark_count] = (struct mark){lsmkv_session_mark(player->session), player->overlay};
    player_record(player, MARKED, player->mark_count++, 0);
}

/* To one of the marks, which stays. What was read since is read. */
static void go_back(struct run *run, struct player *player)
{
    size_t to;

    if (!player->mark_count)
        return;
    to = pick(run, player->mark_count);
    close_cursor(player);
    lsmkv_session_rollback_to(player->session, player->marks[to].engine);
    player->overlay = player->marks[to].overlay;
    player->mark_count = to + 1;
    player_record(player, WENT_BACK, to, 0);
    run->counts.back++;
}

/* ---- Ending ---- */

static void validate(struct run *run, struct player *player)
{
    bool changed = run_reads_have_changed(run, player);

    assert_status(lsmkv_session_validate(player->session, &run->err), changed ? LSMKV_BUSY_SNAPSHOT : LSMKV_OK,
                  &run->err);
    run->counts.validated += !changed;
    run->counts.found_invalid += changed;
}

static void commit(struct run *run, struct player *player)
{
    enum lsmkv_status expected = run_foretell(run, player, false);

    assert_status(lsmkv_session_commit(player->session, 0, &run->err), expected, &run->err);
    if (expected == LSMKV_OK)
        committed(run, player);
    else if (expected == LSMKV_BUSY_SNAPSHOT)
        end(player);
    else
        assert_int_equal(lsmkv_session_state(player->session), LSMKV_SESSION_WRITING);
}

static void prepare(struct run *run, struct player *player)
{
    struct lsmkv_prepare how = {.transaction = ++run->next_name, .default_commit = pick(run, 2)};
    enum lsmkv_status expected = run_foretell(run, player, true);

    assert_status(lsmkv_session_prepare(player->session, &how, &run->err), expected, &run->err);
    if (expected == LSMKV_BUSY_SNAPSHOT) {
        end(player);
        return;
    }
    assert_int_equal(player_is_prepared(player), expected == LSMKV_OK);
    run->counts.prepared += expected == LSMKV_OK;
    for (size_t key = 0; key < KEYS; key++)
        player->guarded[key] = !player->tracked || player->read[key]; /* it does not know: everything */
}

static void roll_back(struct run *run, struct player *player)
{
    run->counts.aborts += player_is_undecided(player);
    assert_ok(lsmkv_session_rollback(player->session, &run->err), &run->err);
    end(player);
}

/* Reads that the prepare does not guard: it has to be made anew, or nobody would see that they change. */
static void read_and_prepare_anew(struct run *run, struct player *player)
{
    read_some(run, player);
    run->counts.prepared_anew++;
    if (memcmp(player->read, player->guarded, sizeof(player->read)) != 0 && player->tracked)
        prepare(run, player);
}

static void go_on_prepared(struct run *run, struct player *player)
{
    size_t dice = pick(run, 20);

    if (dice < 6) {
        run->counts.outcomes++;
        if (pick(run, 2))
            assert_ok(lsmkv_session_commit_prepared(player->session, &run->err), &run->err);
        else
            assert_ok(lsmkv_session_commit(player->session, 0, &run->err), &run->err);
        committed(run, player);
    } else if (dice < 8) {
        roll_back(run, player);
    } else if (dice < 11) {
        assert_ok(lsmkv_session_write(player->session, LSMKV_WRITE_OPTIMISTIC, 0, &run->err), &run->err);
        run->counts.withdrawn++;
    } else if (dice < 14) {
        read_and_prepare_anew(run, player);
    }
}

/* ---- Runs ---- */

static void go_on_writing(struct run *run, struct player *player)
{
    size_t dice = pick(run, 24);

    if (dice < 8)
        read_some(run, player);
    else if (dice < 14)
        write_one(run, player);
    else if (dice < 16)
        set_mark(player);
    else if (dice < 18)
        go_back(run, player);
    else if (dice == 18)
        validate(run, player);
    else if (dice == 19)
        roll_back(run, player);
    else if (dice < 22)
        prepare(run, player);
    else
        commit(run, player);
}

static void go_on_reading(struct run *run, struct player *player)
{
    size_t dice = pick(run, 12);

    if (dice < 7)
        read_some(run, player);
    else if (dice == 7)
        validate(run, player);
    else if (dice == 8 && pick(run, 3) == 0)
        begin_exclusive(run, player);
    else if (dice < 11)
        begin_optimistic(run, player);
    else
        commit(run, player);
}

static void step(struct run *run)
{
    struct player *player = &run->players[pick(run, SESSIONS)];

    if (player->op_count > OPS_MAX - 2 * KEYS) {
        roll_back(run, player);
        return;
    }
    switch (lsmkv_session_state(player->session)) {
    case LSMKV_SESSION_IDLE:
        begin(run, player);
        break;
    case LSMKV_SESSION_READING:
        go_on_reading(run, player);
        break;
    case LSMKV_SESSION_WRITING:
        go_on_writing(run, player);
        break;
    case LSMKV_SESSION_PREPARED:
        go_on_prepared(run, player);
        break;
    }
}

/* Nobody writes, so that the keys are what the model has. */
static void compare_all(struct run *run)
{
    struct player *player = &run->players[0];

    for (size_t i = 0; i < SESSIONS; i++)
        roll_back(run, &run->players[i]);
    assert_ok(lsmkv_session_read(player->session, true, &run->err), &run->err);
    begin_model(run, player);
    for (size_t i = 0; i < 4 * KEYS; i++)
        get(run, player);
    commit(run, player);
}

static void print_counts(const struct counts *counts)
{
    print_message(
        "%zu committed, %zu that only read; %zu conflicts; busy: %zu for the turn, %zu for guards; %zu prepared: "
        "%zu committed, %zu aborted, %zu withdrawn, %zu read on; %zu exclusive, %zu of them beside prepared ones; "
        "%zu and %zu validations, %zu times back to a mark\n",
        counts->committed, counts->read_only, counts->conflicts, counts->turn_busy, counts->guard_busy,
        counts->prepared, counts->outcomes, counts->aborts, counts->withdrawn, counts->prepared_anew, counts->exclusive,
        counts->exclusive_tracked, counts->validated, counts->found_invalid, counts->back);
}

static void expect_all_kinds(const struct counts *counts)
{
    const size_t *numbers = (const size_t *)counts;

    for (size_t i = 0; i < sizeof(*counts) / sizeof(*numbers); i++)
        assert_true(numbers[i] > 0);
}

static void every_outcome_is_the_one_foretold(void **state)
{
    struct run *run = calloc(1, sizeof(*run));
    struct os_fs *fs = os_memory_fs_new();
    size_t steps = 4000 + test_scaled(56000);

    (void)state;
    assert_non_null(run);
    run->random = test_seed();
    db_init(&run->db, fs, "store");
    db_open(&run->db);
    for (size_t i = 0; i < SESSIONS; i++)
        assert_ok(lsmkv_session_open(&run->players[i].session, run->db.store, &run->err), &run->err);
    for (size_t i = 0; i < steps; i++) {
        step(run);
        if (pick(run, 500) == 0 && !run_turn_is_taken(run, NULL))
            db_flush(&run->db);
    }
    compare_all(run);
    print_counts(&run->counts);
    expect_all_kinds(&run->counts);
    for (size_t i = 0; i < SESSIONS; i++)
        lsmkv_session_close(run->players[i].session);
    db_end(&run->db);
    os_memory_fs_free(fs);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_outcome_is_the_one_foretold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
