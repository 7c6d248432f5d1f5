/*
 * test_optimistic.c - transactions that hold no turn: what counts as read, what conflicts, what does not, and what is left
 * after either.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "os/fs.h"
#include "store/validate.h"
#include "support/store_kit.h"

struct fixture {
    struct os_fs *fs;
    struct db db; /* writes in exclusive mode: the others */
    struct lsmkv_session *session;
    struct lsmkv_cursor *cursor;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->fs = os_memory_fs_new();
    assert_non_null(f->fs);
    db_init(&f->db, f->fs, "store");
    db_open(&f->db);
    assert_ok(lsmkv_session_open(&f->session, f->db.store, &f->err), &f->err);
    db_put(&f->db, "b", "old");
    db_put(&f->db, "d", "old");
    db_put(&f->db, "f", "old");
    db_put(&f->db, "h", "old");
}

static void tear_down(struct fixture *f)
{
    lsmkv_cursor_close(f->cursor);
    lsmkv_session_close(f->session);
    db_end(&f->db);
    os_memory_fs_free(f->fs);
}

static void begin(struct fixture *f)
{
    assert_ok(lsmkv_session_write(f->session, LSMKV_WRITE_OPTIMISTIC, 0, &f->err), &f->err);
}

static void put(struct fixture *f, const char *key, const char *value)
{
    assert_ok(lsmkv_put(f->session, text(key), text(value), &f->err), &f->err);
}

static enum lsmkv_status commit(struct fixture *f)
{
    return lsmkv_session_commit(f->session, 0, &f->err);
}

static void expect_conflict(struct fixture *f)
{
    uint64_t conflicts = db_stat(&f->db, "conflicts");

    assert_fails(commit(f), LSMKV_BUSY_SNAPSHOT, &f->err, "repeat the transaction");
    assert_int_equal(lsmkv_session_state(f->session), LSMKV_SESSION_IDLE);
    assert_int_equal(db_stat(&f->db, "conflicts"), conflicts + 1);
    db_put(&f->db, "after", "the turn is free");
}

static void expect_commit(struct fixture *f)
{
    assert_ok(commit(f), &f->err);
    assert_int_equal(lsmkv_session_state(f->session), LSMKV_SESSION_IDLE);
}

/* ---- Keys ---- */

static void beginning_waits_for_nobody_and_reads_one_snapshot(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_write(&f.db); /* has the turn */
    begin(&f);
    assert_ok(lsmkv_put(f.db.session, text("b"), text("new"), &f.err), &f.err);
    db_commit(&f.db);
    session_expect(f.session, "b", "old");
    put(&f, "z", "1");
    session_expect(f.session, "z", "1");
    db_expect(&f.db, "z", NULL);
    expect_conflict(&f);
    db_expect(&f.db, "z", NULL);
    tear_down(&f);
}

static void read_of_a_changed_key_conflicts(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "b", "old");
    put(&f, "x", "1");
    db_put(&f.db, "b", "new");
    expect_conflict(&f);
    db_expect(&f.db, "x", NULL);
    tear_down(&f);
}

static void read_of_a_deleted_key_conflicts(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "b", "old");
    put(&f, "x", "1");
    db_delete(&f.db, "b");
    expect_conflict(&f);
    tear_down(&f);
}

static void absence_counts_as_read(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "c", NULL);
    put(&f, "x", "1");
    db_put(&f.db, "c", "new");
    expect_conflict(&f);
    tear_down(&f);
}

static void other_keys_do_not_conflict(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "b", "old");
    session_expect(f.session, "c", NULL);
    put(&f, "x", "1");
    db_put(&f.db, "ba", "new");
    db_put(&f.db, "d", "new");
    expect_commit(&f);
    assert_true(db_stat(&f.db, "validations") >= 1);
    assert_int_equal(db_stat(&f.db, "validated_writes"), 2);
    db_expect(&f.db, "x", "1");
    db_expect(&f.db, "d", "new");
    tear_down(&f);
}

static void blind_writes_never_conflict(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    put(&f, "b", "mine");
    session_expect(f.session, "b", "mine"); /* from its own writes: no read of the store */
    db_put(&f.db, "b", "other");
    expect_commit(&f);
    db_expect(&f.db, "b", "mine");
    assert_int_equal(db_stat(&f.db, "validated_writes"), 0);
    tear_down(&f);
}

static void a_transaction_without_writes_never_conflicts(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "b", "old");
    db_put(&f.db, "b", "new");
    expect_commit(&f);
    tear_down(&f);
}

/* Both read what the other writes: one of them has to go (write skew). */
static void write_skew_is_prevented(void **state)
{
    struct lsmkv_session *other;
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_ok(lsmkv_session_open(&other, f.db.store, &f.err), &f.err);
    begin(&f);
    assert_ok(lsmkv_session_write(other, LSMKV_WRITE_OPTIMISTIC, 0, &f.err), &f.err);
    session_expect(f.session, "b", "old");
    session_expect(other, "d", "old");
    put(&f, "d", "1");
    assert_ok(lsmkv_put(other, text("b"), text("1"), &f.err), &f.err);
    expect_commit(&f);
    assert_status(lsmkv_session_commit(other, 0, &f.err), LSMKV_BUSY_SNAPSHOT, &f.err);
    lsmkv_session_close(other);
    db_expect(&f.db, "b", "old");
    tear_down(&f);
}

static void tests_can_turn_validation_off(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "b", "old");
    put(&f, "x", "1");
    db_put(&f.db, "b", "new");
    validation_off_for_tests(true);
    assert_ok(commit(&f), &f.err);
    validation_off_for_tests(false);
    tear_down(&f);
}

/* ---- Waiting ---- */

static void busy_changes_nothing_and_the_commit_can_be_repeated(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "b", "old");
    put(&f, "x", "1");
    db_write(&f.db); /* has the turn */
    for (unsigned i = 0; i < 3; i++) {
        assert_fails(commit(&f), LSMKV_BUSY, &f.err, "another transaction");
        assert_int_equal(lsmkv_session_state(f.session), LSMKV_SESSION_WRITING);
        session_expect(f.session, "x", "1");
    }
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    put(&f, "y", "1");
    expect_commit(&f);
    db_expect(&f.db, "x", "1");
    db_expect(&f.db, "y", "1");
    tear_down(&f);
}

/* What is read between two tries of a commit is as old as the rest: the second try begins at the snapshot again. */
static void reads_after_a_busy_commit_are_validated_from_the_snapshot(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "b", "old");
    put(&f, "x", "1");
    db_put(&f.db, "d", "new");
    db_write(&f.db);
    assert_status(commit(&f), LSMKV_BUSY, &f.err);
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    session_expect(f.session, "d", "old");
    expect_conflict(&f);
    tear_down(&f);
}

/* ---- Sessions that read ---- */

static void tracked_reader_can_be_validated_and_can_go_on_to_write(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_ok(lsmkv_session_read(f.session, true, &f.err), &f.err);
    session_expect(f.session, "b", "old");
    db_put(&f.db, "d", "new");
    assert_ok(lsmkv_session_validate(f.session, &f.err), &f.err);
    begin(&f);
    session_expect(f.session, "d", "old"); /* of the reader's snapshot */
    assert_status(lsmkv_session_validate(f.session, &f.err), LSMKV_BUSY_SNAPSHOT, &f.err);
    assert_int_equal(lsmkv_session_state(f.session), LSMKV_SESSION_WRITING);
    put(&f, "x", "1");
    expect_conflict(&f);
    tear_down(&f);
}

static void untracked_reader_may_not_write_optimistically(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_ok(lsmkv_session_read(f.session, false, &f.err), &f.err);
    session_expect(f.session, "b", "old");
    assert_status(lsmkv_session_write(f.session, LSMKV_WRITE_OPTIMISTIC, 0, &f.err), LSMKV_MISUSE, &f.err);
    assert_int_equal(lsmkv_session_state(f.session), LSMKV_SESSION_READING);
    db_put(&f.db, "b", "new");
    assert_ok(lsmkv_session_validate(f.session, &f.err), &f.err); /* it claims nothing */
    tear_down(&f);
}

/* ---- Prepare ---- */

static void prepare_validates_and_gives_the_turn_back(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    session_expect(f.session, "b", "old");
    put(&f, "x", "1");
    assert_ok(session_prepare(f.session, true, &f.err), &f.err);
    db_put(&f.db, "y", "1");
    assert_ok(lsmkv_session_commit_prepared(f.session, &f.err), &f.err);
    db_expect(&f.db, "x", "1");
    begin(&f);
    session_expect(f.session, "b", "old");
    put(&f, "x", "2");
    db_put(&f.db, "b", "new");
    assert_status(session_prepare(f.session, true, &f.err), LSMKV_BUSY_SNAPSHOT, &f.err);
    assert_int_equal(lsmkv_session_state(f.session), LSMKV_SESSION_IDLE);
    db_expect(&f.db, "x", "1");
    tear_down(&f);
}

static void busy_prepare_leaves_the_session_writing(void **state)
{
    struct lsmkv_prepare how = {.transaction = 7, .default_commit = true, .wait_ms = 0};
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    put(&f, "x", "1");
    db_write(&f.db);
    assert_status(lsmkv_session_prepare(f.session, &how, &f.err), LSMKV_BUSY, &f.err);
    assert_int_equal(lsmkv_session_state(f.session), LSMKV_SESSION_WRITING);
    db_commit(&f.db);
    assert_ok(lsmkv_session_prepare(f.session, &how, &f.err), &f.err);
    assert_ok(lsmkv_session_commit(f.session, 0, &f.err), &f.err);
    db_expect(&f.db, "x", "1");
    tear_down(&f);
}

/* ---- Cursors ---- */

static void open_cursor(struct fixture *f, const char *lower, const char *upper)
{
    assert_ok(lsmkv_cursor_open(&f->cursor, f->session, lower ? text(lower) : unbounded,
                                upper ? text(upper) : unbounded, &f->err),
              &f->err);
}

static void close_cursor(struct fixture *f)
{
    lsmkv_cursor_close(f->cursor);
    f->cursor = NULL;
}

/* first, last, next, prev, seek (and the key), as letters. */
static void move(struct fixture *f, const char *moves)
{
    for (; *moves; moves++) {
        char key[2] = {moves[1], 0};
        enum lsmkv_status status;

        if (*moves == 'f')
            status = lsmkv_cursor_first(f->cursor, &f->err);
        else if (*moves == 'l')
            status = lsmkv_cursor_last(f->cursor, &f->err);
        else if (*moves == 'n')
            status = lsmkv_cursor_next(f->cursor, &f->err);
        else if (*moves == 'p')
            status = lsmkv_cursor_prev(f->cursor, &f->err);
        else
            status = lsmkv_cursor_seek(f->cursor, text(key), &f->err);
        assert_ok(status, &f->err);
        moves += *moves == 's';
    }
}

/* Which of the keys a to i, each written by another transaction, conflict with the moves of a cursor in [lower, upper). */
static const char *conflicts_of(const char *lower, const char *upper, const char *moves, bool closed)
{
    static char found[16];
    size_t count = 0;

    for (char key = 'a'; key <= 'i'; key++) {
        struct fixture f;
        char name[2] = {key, 0};
        enum lsmkv_status status;

        set_up(&f);
        begin(&f);
        open_cursor(&f, lower, upper);
        move(&f, moves);
        if (closed)
            close_cursor(&f);
        put(&f, "x", "1");
        db_put(&f.db, name, "new");
        status = commit(&f);
        assert_true(status == LSMKV_OK || status == LSMKV_BUSY_SNAPSHOT);
        if (status)
            found[count++] = key;
        tear_down(&f);
    }
    found[count] = '\0';
    return found;
}

/* The rows are b, d, f, h. */
static void cursor_has_read_what_it_has_passed(void **state)
{
    static const struct {
        const char *lower, *upper, *moves, *read;
    } cases[] = {
        {NULL, NULL, "", ""},
        {NULL, NULL, "f", "ab"},
        {NULL, NULL, "fn", "abcd"},
        {NULL, NULL, "fnnnn", "abcdefghi"},
        {"c", NULL, "f", "cd"},
        {"c", "g", "fn", "cdef"},
        {"c", "g", "fnn", "cdef"},
        {"c", "f", "fn", "cde"},
        {NULL, NULL, "l", "hi"},
        {NULL, NULL, "lp", "fghi"},
        {NULL, "h", "l", "fg"},
        {"c", "h", "lpp", "cdefg"},
        {NULL, NULL, "lpppp", "abcdefghi"},
        {NULL, NULL, "sd", "d"},
        {NULL, NULL, "se", "ef"},
        {NULL, NULL, "sen", "efgh"},
        {NULL, NULL, "sep", "def"},
        {NULL, NULL, "senpp", "defgh"},
        {NULL, NULL, "sepn", "def"},
        {NULL, NULL, "si", "i"},
        {"c", "g", "sa", "cd"},
        {"c", "g", "sh", ""},
        {NULL, NULL, "sbsf", "bf"},
        {"e", "f", "f", "e"},
        {"e", "f", "l", "e"},
        {NULL, NULL, "fl", "abhi"},
        {NULL, NULL, "sdsdsd", "d"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int closed = 0; closed < 2; closed++) {
            const char *found = conflicts_of(cases[i].lower, cases[i].upper, cases[i].moves, closed);

            if (strcmp(found, cases[i].read) != 0)
                fail_msg("[%s, %s) %s: conflicts with %s, not %s", cases[i].lower ? cases[i].lower : "",
                         cases[i].upper ? cases[i].upper : "", cases[i].moves, found, cases[i].read);
        }
    }
}

static void cursor_of_a_former_transaction_adds_nothing_to_the_next(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    open_cursor(&f, NULL, NULL);
    move(&f, "f");
    put(&f, "x", "1");
    expect_commit(&f);
    begin(&f);
    move(&f, "nnnlf");
    put(&f, "x", "2");
    db_put(&f.db, "b", "new");
    expect_commit(&f);
    tear_down(&f);
}

static void without_memory_a_cursor_has_read_everything(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    open_cursor(&f, NULL, NULL);
    move(&f, "sb");
    lsm_alloc_fail_at(1, true);
    close_cursor(&f);
    lsm_alloc_fail_at(0, false);
    put(&f, "x", "1");
    db_put(&f.db, "z", "new");
    expect_conflict(&f);
    tear_down(&f);
}

/* ---- The last key ---- */

static void expect_last(struct fixture *f, const char *lower, const char *upper, const char *expected)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    bool found = true;

    assert_ok(lsmkv_last_key(f->session, lower ? text(lower) : unbounded, upper ? text(upper) : unbounded, &key, &found,
                             &f->err),
              &f->err);
    assert_int_equal(found, expected != NULL);
    if (expected)
        assert_true(key.size == strlen(expected) && memcmp(key.data, expected, key.size) == 0);
    lsmkv_buf_release(&key);
}

static void last_key_is_that_of_the_newest_state_and_own_writes(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    expect_last(&f, NULL, NULL, "h");
    expect_last(&f, "a", "h", "f");
    expect_last(&f, "g", "h", NULL);
    expect_last(&f, "i", NULL, NULL);
    expect_last(&f, NULL, "b", NULL);
    begin(&f);
    db_put(&f.db, "k", "new"); /* after the snapshot */
    session_expect(f.session, "k", NULL);
    expect_last(&f, "a", "z", "k");
    db_delete(&f.db, "k");
    db_delete(&f.db, "h");
    expect_last(&f, "a", "z", "f");
    put(&f, "g", "1");
    expect_last(&f, "a", "z", "g");
    assert_ok(lsmkv_delete(f.session, text("g"), &f.err), &f.err);
    assert_ok(lsmkv_delete(f.session, text("f"), &f.err), &f.err);
    expect_last(&f, "a", "z", "d");
    db_flush(&f.db);
    expect_last(&f, "a", "z", "d");
    tear_down(&f);
}

static void last_key_is_no_read(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    expect_last(&f, "a", "z", "h");
    put(&f, "i", "1");
    db_put(&f.db, "j", "1");
    db_delete(&f.db, "h");
    expect_commit(&f);
    tear_down(&f);
}

/* ---- History ---- */

static void changes_are_found_through_rotations_and_flushes(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    for (unsigned rounds = 0; rounds < 4; rounds++) {
        for (int conflict = 0; conflict < 2; conflict++) {
            begin(&f);
            session_expect(f.session, "b", rounds || conflict ? "new" : "old");
            put(&f, "x", "1");
            db_put(&f.db, conflict ? "b" : "c", "new");
            for (unsigned i = 0; i < rounds; i++) {
                db_flush(&f.db);
                db_put(&f.db, "e", "new");
            }
            if (conflict)
                expect_conflict(&f);
            else
                expect_commit(&f);
            db_put(&f.db, "b", "new");
        }
    }
    tear_down(&f);
}

static void history_goes_with_the_last_transaction_that_needs_it(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin(&f);
    for (unsigned i = 0; i < 5; i++) {
        db_put(&f.db, "b", "new");
        db_flush(&f.db);
    }
    assert_true(db_stat(&f.db, "history_bytes") > 0);
    assert_ok(lsmkv_session_rollback(f.session, &f.err), &f.err);
    assert_int_equal(db_stat(&f.db, "history_bytes"), 0);
    tear_down(&f);
}

static void transaction_whose_history_was_cut_conflicts(void **state)
{
    struct fixture f;

    (void)state;
    f = (struct fixture){.fs = os_memory_fs_new()};
    db_init(&f.db, f.fs, "store");
    f.db.options.history_size = 0;
    db_open(&f.db);
    assert_ok(lsmkv_session_open(&f.session, f.db.store, &f.err), &f.err);
    begin(&f);
    session_expect(f.session, "b", NULL);
    put(&f, "x", "1");
    for (unsigned i = 0; i < 3; i++) {
        db_put(&f.db, "c", "1");
        db_flush(&f.db);
    }
    assert_fails(commit(&f), LSMKV_BUSY_SNAPSHOT, &f.err, "history_size");
    begin(&f);
    put(&f, "x", "1"); /* blind: needs no history */
    for (unsigned i = 0; i < 3; i++) {
        db_put(&f.db, "c", "1");
        db_flush(&f.db);
    }
    expect_commit(&f);
    tear_down(&f);
}

/* ---- What others see ---- */

struct seen {
    unsigned count;
    struct lsmkv_transaction_info last;
};

static bool note(void *context, const struct lsmkv_transaction_info *info)
{
    struct seen *seen = context;

    seen->count++;
    seen->last = *info;
    return true;
}

static struct lsmkv_transaction_info only_transaction(struct fixture *f)
{
    struct seen seen = {0};

    lsmkv_transactions_each(f->db.store, note, &seen);
    assert_int_equal(seen.count, 1);
    return seen.last;
}

static void open_transactions_are_shown(void **state)
{
    struct lsmkv_transaction_info info;
    struct seen seen = {0};
    uint64_t mark, bytes;
    struct fixture f;

    (void)state;
    set_up(&f);
    lsmkv_transactions_each(f.db.store, note, &seen);
    assert_int_equal(seen.count, 0);
    assert_ok(lsmkv_session_read(f.session, true, &f.err), &f.err);
    info = only_transaction(&f);
    assert_int_equal(info.state, LSMKV_TRANSACTION_READING);
    assert_int_equal(info.snapshot, db_stat(&f.db, "sequence_visible"));
    assert_int_equal(info.bytes, 0);
    session_expect(f.session, "b", "old");
    assert_true(only_transaction(&f).bytes > 0);
    begin(&f);
    put(&f, "x", "1");
    mark = lsmkv_session_mark(f.session);
    bytes = only_transaction(&f).bytes;
    put(&f, "y", "1");
    info = only_transaction(&f);
    assert_int_equal(info.state, LSMKV_TRANSACTION_WRITING);
    assert_false(info.exclusive);
    assert_int_equal(info.writes, 2);
    assert_true(info.bytes >= bytes && bytes > 0);
    lsmkv_session_rollback_to(f.session, mark);
    assert_int_equal(only_transaction(&f).writes, 1);
    assert_int_equal(only_transaction(&f).pinned_bytes, 0);
    db_flush(&f.db);
    assert_true(only_transaction(&f).pinned_bytes > 0);
    assert_ok(session_prepare(f.session, false, &f.err), &f.err);
    info = only_transaction(&f);
    assert_int_equal(info.state, LSMKV_TRANSACTION_PREPARED);
    assert_true(info.transaction != 0);
    assert_ok(lsmkv_session_rollback(f.session, &f.err), &f.err);
    db_write(&f.db);
    info = only_transaction(&f);
    assert_true(info.exclusive && info.state == LSMKV_TRANSACTION_WRITING);
    db_commit(&f.db);
    lsmkv_transactions_each(f.db.store, note, &seen);
    assert_int_equal(seen.count, 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beginning_waits_for_nobody_and_reads_one_snapshot),
        cmocka_unit_test(read_of_a_changed_key_conflicts),
        cmocka_unit_test(read_of_a_deleted_key_conflicts),
        cmocka_unit_test(absence_counts_as_read),
        cmocka_unit_test(other_keys_do_not_conflict),
        cmocka_unit_test(blind_writes_never_conflict),
        cmocka_unit_test(a_transaction_without_writes_never_conflicts),
        cmocka_unit_test(write_skew_is_prevented),
        cmocka_unit_test(tests_can_turn_validation_off),
        cmocka_unit_test(busy_changes_nothing_and_the_commit_can_be_repeated),
        cmocka_unit_test(reads_after_a_busy_commit_are_validated_from_the_snapshot),
        cmocka_unit_test(tracked_reader_can_be_validated_and_can_go_on_to_write),
        cmocka_unit_test(untracked_reader_may_not_write_optimistically),
        cmocka_unit_test(prepare_validates_and_gives_the_turn_back),
        cmocka_unit_test(busy_prepare_leaves_the_session_writing),
        cmocka_unit_test(cursor_has_read_what_it_has_passed),
        cmocka_unit_test(cursor_of_a_former_transaction_adds_nothing_to_the_next),
        cmocka_unit_test(without_memory_a_cursor_has_read_everything),
        cmocka_unit_test(last_key_is_that_of_the_newest_state_and_own_writes),
        cmocka_unit_test(last_key_is_no_read),
        cmocka_unit_test(changes_are_found_through_rotations_and_flushes),
        cmocka_unit_test(history_goes_with_the_last_transaction_that_needs_it),
        cmocka_unit_test(transaction_whose_history_was_cut_conflicts),
        cmocka_unit_test(open_transactions_are_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
