/*
 * test_session.c - transactions: states, isolation, savepoints, limits, the turn, two phases.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/fs.h"
#include "support/store_kit.h"

struct fixture {
    struct os_fs *fs;
    struct db db;
    struct lsmkv_session *other;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f)
{
    f->fs = os_memory_fs_new();
    assert_non_null(f->fs);
    db_init(&f->db, f->fs, "store");
    db_open(&f->db);
    assert_ok(lsmkv_session_open(&f->other, f->db.store, &f->err), &f->err);
}

static void tear_down(struct fixture *f)
{
    lsmkv_session_close(f->other);
    db_end(&f->db);
    os_memory_fs_free(f->fs);
}

static void reopen(struct fixture *f)
{
    lsmkv_session_close(f->other);
    db_reopen(&f->db);
    assert_ok(lsmkv_session_open(&f->other, f->db.store, &f->err), &f->err);
}

static void put(struct fixture *f, struct lsmkv_session *session, const char *key, const char *value)
{
    assert_ok(lsmkv_put(session, text(key), text(value), &f->err), &f->err);
}

/* ---- Reading and isolation ---- */

static void session_reads_its_own_writes(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_put(&f.db, "a", "1");
    db_put(&f.db, "b", "1");
    db_write(&f.db);
    put(&f, f.db.session, "a", "2");
    assert_ok(lsmkv_delete(f.db.session, text("b"), &f.err), &f.err);
    put(&f, f.db.session, "c", "2");
    db_expect(&f.db, "a", "2");
    db_expect(&f.db, "b", NULL);
    db_expect(&f.db, "c", "2");
    session_expect(f.other, "a", "1");
    session_expect(f.other, "b", "1");
    session_expect(f.other, "c", NULL);
    db_commit(&f.db);
    session_expect(f.other, "a", "2");
    session_expect(f.other, "b", NULL);
    session_expect(f.other, "c", "2");
    tear_down(&f);
}

static void reader_keeps_its_snapshot_through_flush_and_compaction(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_fill(&f.db, "k", 0, 500, "old");
    assert_ok(lsmkv_session_read(f.other, false, &f.err), &f.err);
    db_fill(&f.db, "k", 0, 500, "new");
    db_put(&f.db, "later", "x");
    db_compact(&f.db);
    session_expect(f.other, "k000123", "old");
    session_expect(f.other, "later", NULL);
    assert_ok(lsmkv_session_commit(f.other, -1, &f.err), &f.err);
    session_expect(f.other, "k000123", "new");
    session_expect(f.other, "later", "x");
    tear_down(&f);
}

static void stale_reader_may_not_write(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_put(&f.db, "balance", "100");
    assert_ok(lsmkv_session_read(f.other, false, &f.err), &f.err);
    session_expect(f.other, "balance", "100");
    db_put(&f.db, "balance", "50");
    assert_status(lsmkv_session_write(f.other, LSMKV_WRITE_EXCLUSIVE, -1, &f.err), LSMKV_BUSY_SNAPSHOT, &f.err);
    assert_int_equal(lsmkv_session_state(f.other), LSMKV_SESSION_READING);
    assert_int_equal(db_stat(&f.db, "conflicts"), 1);
    session_expect(f.other, "balance", "100"); /* it goes on reading */
    db_put(&f.db, "balance", "40");            /* and does not hold the turn */
    assert_ok(lsmkv_session_rollback(f.other, &f.err), &f.err);
    assert_ok(lsmkv_session_write(f.other, LSMKV_WRITE_EXCLUSIVE, -1, &f.err), &f.err);
    session_expect(f.other, "balance", "40");
    tear_down(&f);
}

static void fresh_reader_may_write(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_put(&f.db, "a", "1");
    db_flush(&f.db); /* another super-version is no other state */
    assert_ok(lsmkv_session_read(f.other, false, &f.err), &f.err);
    session_expect(f.other, "a", "1");
    db_flush(&f.db);
    assert_ok(lsmkv_session_write(f.other, LSMKV_WRITE_EXCLUSIVE, -1, &f.err), &f.err);
    put(&f, f.other, "a", "2");
    assert_ok(lsmkv_session_commit(f.other, -1, &f.err), &f.err);
    db_expect(&f.db, "a", "2");
    tear_down(&f);
}

/* ---- The turn ---- */

static void second_writer_waits_and_then_is_refused(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    assert_fails(lsmkv_session_write(f.other, LSMKV_WRITE_EXCLUSIVE, 0, &f.err), LSMKV_BUSY, &f.err,
                 "another transaction");
    assert_int_equal(lsmkv_session_state(f.other), LSMKV_SESSION_IDLE);
    assert_status(lsmkv_session_write(f.other, LSMKV_WRITE_EXCLUSIVE, 20, &f.err), LSMKV_BUSY, &f.err);
    assert_int_equal(db_stat(&f.db, "turn_waits"), 1);
    db_commit(&f.db);
    assert_ok(lsmkv_session_write(f.other, LSMKV_WRITE_EXCLUSIVE, 0, &f.err), &f.err);
    tear_down(&f); /* closes a session that writes */
}

static void *wait_and_write(void *argument)
{
    struct fixture *f = argument;
    struct lsmkv_error err;

    assert_ok(lsmkv_session_write(f->other, LSMKV_WRITE_EXCLUSIVE, 60000, &err), &err);
    session_expect(f->other, "a", "1"); /* the state that the first one left */
    assert_ok(lsmkv_put(f->other, text("a"), text("2"), &err), &err);
    assert_ok(lsmkv_session_commit(f->other, -1, &err), &err);
    return NULL;
}

static void waiting_writer_gets_the_turn_and_the_newest_state(void **state)
{
    struct fixture f;
    pthread_t thread;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    put(&f, f.db.session, "a", "1");
    assert_int_equal(pthread_create(&thread, NULL, wait_and_write, &f), 0);
    db_commit(&f.db);
    pthread_join(thread, NULL);
    db_expect(&f.db, "a", "2");
    tear_down(&f);
}

static void flush_during_a_write_transaction_is_busy(void **state)
{
    struct fixture f;

    (void)state;
    f.fs = os_memory_fs_new();
    db_init(&f.db, f.fs, "store");
    f.db.options.wait_ms = 10;
    db_open(&f.db);
    assert_ok(lsmkv_session_open(&f.other, f.db.store, &f.err), &f.err);
    db_put(&f.db, "a", "1");
    db_write(&f.db);
    assert_status(lsmkv_flush(f.db.store, &f.err), LSMKV_BUSY, &f.err);
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    db_flush(&f.db);
    assert_int_equal(db_stat(&f.db, "sstables"), 1);
    tear_down(&f);
}

/* ---- Savepoints and rollback ---- */

static void savepoint_forgets_what_came_after_it(void **state)
{
    struct fixture f;
    uint64_t outer, inner;

    (void)state;
    set_up(&f);
    db_put(&f.db, "a", "0");
    db_write(&f.db);
    put(&f, f.db.session, "a", "1");
    outer = lsmkv_session_mark(f.db.session);
    put(&f, f.db.session, "a", "2");
    put(&f, f.db.session, "b", "2");
    inner = lsmkv_session_mark(f.db.session);
    assert_ok(lsmkv_delete(f.db.session, text("a"), &f.err), &f.err);
    db_expect(&f.db, "a", NULL);
    lsmkv_session_rollback_to(f.db.session, inner);
    db_expect(&f.db, "a", "2");
    lsmkv_session_rollback_to(f.db.session, outer);
    db_expect(&f.db, "a", "1");
    db_expect(&f.db, "b", NULL);
    put(&f, f.db.session, "c", "3");
    db_commit(&f.db);
    session_expect(f.other, "a", "1");
    session_expect(f.other, "b", NULL);
    session_expect(f.other, "c", "3");
    reopen(&f);
    db_expect(&f.db, "a", "1");
    db_expect(&f.db, "b", NULL);
    db_expect(&f.db, "c", "3");
    tear_down(&f);
}

static void rollback_leaves_nothing(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_put(&f.db, "a", "1");
    db_write(&f.db);
    put(&f, f.db.session, "a", "2");
    put(&f, f.db.session, "b", "2");
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    assert_int_equal(lsmkv_session_state(f.db.session), LSMKV_SESSION_IDLE);
    db_expect(&f.db, "a", "1");
    db_expect(&f.db, "b", NULL);
    assert_int_equal(db_stat(&f.db, "rollbacks"), 1);
    reopen(&f);
    db_expect(&f.db, "a", "1");
    db_expect(&f.db, "b", NULL);
    tear_down(&f);
}

static void commit_without_writes_appends_nothing(void **state)
{
    struct fixture f;
    uint64_t mark;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    mark = lsmkv_session_mark(f.db.session);
    put(&f, f.db.session, "a", "1");
    lsmkv_session_rollback_to(f.db.session, mark);
    db_commit(&f.db);
    assert_int_equal(db_stat(&f.db, "wal_bytes"), 0);
    assert_int_equal(db_stat(&f.db, "commits"), 0);
    assert_int_equal(lsmkv_session_state(f.db.session), LSMKV_SESSION_IDLE);
    tear_down(&f);
}

static void writing_outside_a_write_transaction_is_refused(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_status(lsmkv_put(f.db.session, text("a"), text("1"), &f.err), LSMKV_MISUSE, &f.err);
    assert_ok(lsmkv_session_read(f.db.session, false, &f.err), &f.err);
    assert_status(lsmkv_delete(f.db.session, text("a"), &f.err), LSMKV_MISUSE, &f.err);
    assert_status(session_prepare(f.db.session, false, &f.err), LSMKV_MISUSE, &f.err);
    assert_status(lsmkv_session_commit_prepared(f.db.session, &f.err), LSMKV_MISUSE, &f.err);
    tear_down(&f);
}

/* ---- Limits ---- */

static struct lsmkv_slice big_key(size_t size)
{
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, 'k', size);
    return (struct lsmkv_slice){bytes, size};
}

static void key_limit_is_exact(void **state)
{
    struct fixture f;
    struct lsmkv_slice key = big_key(LSMKV_KEY_MAX + 1);
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    bool found;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    assert_fails(lsmkv_put(f.db.session, key, text("over"), &f.err), LSMKV_TOOBIG, &f.err, "1048576");
    assert_fails(lsmkv_delete(f.db.session, key, &f.err), LSMKV_TOOBIG, &f.err, "1048576");
    key.size = LSMKV_KEY_MAX;
    assert_ok(lsmkv_put(f.db.session, key, text("at"), &f.err), &f.err);
    key.size = LSMKV_KEY_MAX - 1;
    assert_ok(lsmkv_put(f.db.session, key, text("below"), &f.err), &f.err);
    db_commit(&f.db);
    db_flush(&f.db);
    reopen(&f);
    assert_ok(lsmkv_get(f.db.session, key, &value, &found, &f.err), &f.err);
    assert_true(found && value.size == 5);
    key.size = LSMKV_KEY_MAX;
    assert_ok(lsmkv_get(f.db.session, key, &value, &found, &f.err), &f.err);
    assert_true(found && value.size == 2);
    lsmkv_buf_release(&value);
    free((void *)key.data);
    tear_down(&f);
}

/* Two gigabytes are not made for this: the size is looked at before the bytes. */
static void value_over_its_limit_is_refused(void **state)
{
    struct lsmkv_slice value = text("short");
    struct fixture f;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    value.size = (size_t)LSMKV_VALUE_MAX + 1;
    assert_fails(lsmkv_put(f.db.session, text("a"), value, &f.err), LSMKV_TOOBIG, &f.err, "2147483583");
    db_expect(&f.db, "a", NULL);
    tear_down(&f);
}

/* Larger than memtable, block and cache, and than one frame of the log. */
static void large_value_is_kept(void **state)
{
    struct fixture f;
    struct lsmkv_slice value = big_key(test_scaled(20 << 20) + (1 << 20));
    struct lsmkv_buf got = LSMKV_BUF_INIT;
    bool found;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    assert_ok(lsmkv_put(f.db.session, text("large"), value, &f.err), &f.err);
    db_commit(&f.db);
    for (int round = 0; round < 3; round++) {
        assert_ok(lsmkv_get(f.db.session, text("large"), &got, &found, &f.err), &f.err);
        assert_true(found && got.size == value.size && memcmp(got.data, value.data, got.size) == 0);
        if (round == 0)
            reopen(&f);
        else
            db_flush(&f.db);
    }
    lsmkv_buf_release(&got);
    free((void *)value.data);
    tear_down(&f);
}

static void transaction_limit_is_named_and_changes_nothing(void **state)
{
    struct fixture f;
    struct lsmkv_slice value = big_key(40 << 10);

    (void)state;
    f.fs = os_memory_fs_new();
    db_init(&f.db, f.fs, "store");
    f.db.options.transaction_size = 64 << 10;
    db_open(&f.db);
    assert_ok(lsmkv_session_open(&f.other, f.db.store, &f.err), &f.err);
    db_write(&f.db);
    assert_ok(lsmkv_put(f.db.session, text("a"), value, &f.err), &f.err);
    assert_fails(lsmkv_put(f.db.session, text("b"), value, &f.err), LSMKV_TOOBIG, &f.err, "transaction_size");
    put(&f, f.db.session, "c", "1");
    db_commit(&f.db);
    db_expect(&f.db, "b", NULL);
    db_expect(&f.db, "c", "1");
    free((void *)value.data);
    tear_down(&f);
}

static void failed_allocation_in_a_put_changes_nothing(void **state)
{
    struct fixture f;
    struct lsmkv_slice value = big_key(100000);

    (void)state;
    set_up(&f);
    db_write(&f.db);
    put(&f, f.db.session, "a", "1");
    lsm_alloc_fail_at(1, true);
    assert_status(lsmkv_put(f.db.session, text("b"), value, &f.err), LSMKV_NOMEM, &f.err);
    lsm_alloc_fail_at(0, false);
    db_commit(&f.db);
    db_expect(&f.db, "a", "1");
    db_expect(&f.db, "b", NULL);
    free((void *)value.data);
    tear_down(&f);
}

/* ---- Two phases ---- */

static void prepared_writes_are_invisible_until_the_outcome(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    put(&f, f.db.session, "a", "1");
    assert_ok(session_prepare(f.db.session, false, &f.err), &f.err);
    assert_ok(session_prepare(f.db.session, false, &f.err), &f.err); /* a no-op */
    assert_int_equal(lsmkv_session_state(f.db.session), LSMKV_SESSION_PREPARED);
    session_expect(f.other, "a", NULL);
    db_expect(&f.db, "a", "1");
    assert_status(lsmkv_session_write(f.other, LSMKV_WRITE_EXCLUSIVE, 0, &f.err), LSMKV_BUSY, &f.err);
    assert_ok(lsmkv_session_commit_prepared(f.db.session, &f.err), &f.err);
    session_expect(f.other, "a", "1");
    assert_int_equal(db_stat(&f.db, "commits"), 1);
    reopen(&f);
    db_expect(&f.db, "a", "1");
    tear_down(&f);
}

static void rolled_back_prepare_leaves_nothing(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    put(&f, f.db.session, "a", "1");
    assert_ok(session_prepare(f.db.session, true, &f.err), &f.err);
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    db_expect(&f.db, "a", NULL);
    db_put(&f.db, "b", "1");
    reopen(&f);
    db_expect(&f.db, "a", NULL);
    db_expect(&f.db, "b", "1");
    tear_down(&f);
}

static enum lsmkv_status count_name(void *context, const char *name, struct lsmkv_error *err)
{
    (void)name;
    (void)err;
    ++*(unsigned *)context;
    return LSMKV_OK;
}

/* The memtable stays empty, so its size says nothing. */
static void rolled_back_prepares_do_not_fill_the_log(void **state)
{
    static char value[32 << 10];
    struct fixture f;
    unsigned segments = 0;

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    set_up(&f);
    for (unsigned i = 0; i < 100; i++) {
        db_write(&f.db);
        put(&f, f.db.session, "a", value);
        assert_ok(session_prepare(f.db.session, false, &f.err), &f.err);
        assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    }
    db_put(&f.db, "b", "1");
    assert_true(db_stat(&f.db, "memtable_rotations") >= 100 * (sizeof(value) - 1) / f.db.options.memtable_size / 5);
    db_flush(&f.db);
    assert_true(lsmkv_wait_idle(f.db.store, 60000));
    assert_int_equal(os_fs_list(f.fs, "store/wal", count_name, &segments, NULL), LSMKV_OK);
    assert_int_equal(segments, 1);
    reopen(&f);
    db_expect(&f.db, "a", NULL);
    db_expect(&f.db, "b", "1");
    tear_down(&f);
}

static void prepare_can_be_withdrawn_extended_and_committed_once(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    put(&f, f.db.session, "a", "1");
    assert_ok(session_prepare(f.db.session, true, &f.err), &f.err);
    assert_ok(lsmkv_session_write(f.db.session, LSMKV_WRITE_EXCLUSIVE, -1, &f.err), &f.err);
    assert_int_equal(lsmkv_session_state(f.db.session), LSMKV_SESSION_WRITING);
    put(&f, f.db.session, "b", "2");
    assert_ok(session_prepare(f.db.session, true, &f.err), &f.err);
    assert_ok(lsmkv_session_commit(f.db.session, -1, &f.err), &f.err);
    assert_int_equal(db_stat(&f.db, "commits"), 1);
    assert_int_equal(db_stat(&f.db, "sequence_applied"), 1);
    db_expect(&f.db, "a", "1");
    reopen(&f);
    assert_int_equal(db_stat(&f.db, "sequence_applied"), 1);
    db_expect(&f.db, "a", "1");
    db_expect(&f.db, "b", "2");
    tear_down(&f);
}

static void prepare_without_writes_needs_no_record(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_write(&f.db);
    assert_ok(session_prepare(f.db.session, false, &f.err), &f.err);
    assert_ok(lsmkv_session_commit_prepared(f.db.session, &f.err), &f.err);
    assert_int_equal(db_stat(&f.db, "wal_bytes"), 0);
    db_put(&f.db, "a", "1"); /* the turn is free */
    tear_down(&f);
}

/* The prepare's segment must outlive its memtable's flush: the writes are in the outcome's memtable only. */
static void outcome_keeps_the_segment_of_its_prepare(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_fill(&f.db, "fill", 0, 300, "0123456789012345678901234567890123456789012345678901234567890123456789");
    db_write(&f.db);
    put(&f, f.db.session, "a", "1");
    assert_ok(session_prepare(f.db.session, false, &f.err), &f.err);
    assert_ok(lsmkv_session_commit_prepared(f.db.session, &f.err), &f.err);
    db_flush(&f.db);
    db_put(&f.db, "b", "1");
    reopen(&f);
    db_expect(&f.db, "a", "1");
    db_expect(&f.db, "b", "1");
    tear_down(&f);
}

/* ---- Fork ---- */

static bool note_any(void *context, const struct lsmkv_transaction_info *info)
{
    (void)info;
    *(bool *)context = true;
    return true;
}

static void child_after_fork_gets_a_clear_error(void **state)
{
    struct lsmkv_cursor *cursor;
    struct fixture f;
    int status;
    pid_t child;

    (void)state;
    set_up(&f);
    db_fill(&f.db, "a", 0, 10, "1");
    assert_ok(lsmkv_cursor_open(&cursor, f.db.session, unbounded, unbounded, &f.err), &f.err);
    assert_ok(lsmkv_cursor_first(cursor, &f.err), &f.err);
    db_write(&f.db);
    child = fork();
    if (child == 0) {
        struct lsmkv_error err;
        bool found, any = false;
        int good = 1;

        lsmkv_transactions_each(f.db.store, note_any, &any);
        good &= !any && !lsmkv_transaction_decided(f.db.store, 1);
        good &= lsmkv_cursor_next(cursor, &err) == LSMKV_MISUSE && !lsmkv_cursor_valid(cursor);
        good &= lsmkv_cursor_prev(cursor, &err) == LSMKV_MISUSE;
        good &= lsmkv_cursor_first(cursor, &err) == LSMKV_MISUSE;
        good &= lsmkv_cursor_last(cursor, &err) == LSMKV_MISUSE;
        good &= lsmkv_cursor_seek(cursor, text("a"), &err) == LSMKV_MISUSE;
        good &= strstr(err.message, "fork") != NULL;
        lsmkv_cursor_close(cursor);

        good &= lsmkv_get(f.db.session, text("a"), NULL, &found, &err) == LSMKV_MISUSE;
        good &= strstr(err.message, "fork") != NULL;
        good &= lsmkv_session_write(f.db.session, LSMKV_WRITE_EXCLUSIVE, 0, &err) == LSMKV_MISUSE;
        good &= lsmkv_flush(f.db.store, &err) == LSMKV_MISUSE;
        lsmkv_session_close(f.db.session);
        good &= lsmkv_store_close(f.db.store, &err) == LSMKV_MISUSE;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    db_commit(&f.db);
    db_put(&f.db, "a", "2"); /* the parent goes on */
    assert_ok(lsmkv_cursor_next(cursor, &f.err), &f.err);
    lsmkv_cursor_close(cursor);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_reads_its_own_writes),
        cmocka_unit_test(reader_keeps_its_snapshot_through_flush_and_compaction),
        cmocka_unit_test(stale_reader_may_not_write),
        cmocka_unit_test(fresh_reader_may_write),
        cmocka_unit_test(second_writer_waits_and_then_is_refused),
        cmocka_unit_test(waiting_writer_gets_the_turn_and_the_newest_state),
        cmocka_unit_test(flush_during_a_write_transaction_is_busy),
        cmocka_unit_test(savepoint_forgets_what_came_after_it),
        cmocka_unit_test(rollback_leaves_nothing),
        cmocka_unit_test(commit_without_writes_appends_nothing),
        cmocka_unit_test(writing_outside_a_write_transaction_is_refused),
        cmocka_unit_test(key_limit_is_exact),
        cmocka_unit_test(value_over_its_limit_is_refused),
        cmocka_unit_test(large_value_is_kept),
        cmocka_unit_test(transaction_limit_is_named_and_changes_nothing),
        cmocka_unit_test(failed_allocation_in_a_put_changes_nothing),
        cmocka_unit_test(prepared_writes_are_invisible_until_the_outcome),
        cmocka_unit_test(rolled_back_prepare_leaves_nothing),
        cmocka_unit_test(rolled_back_prepares_do_not_fill_the_log),
        cmocka_unit_test(prepare_can_be_withdrawn_extended_and_committed_once),
        cmocka_unit_test(prepare_without_writes_needs_no_record),
        cmocka_unit_test(outcome_keeps_the_segment_of_its_prepare),
        cmocka_unit_test(child_after_fork_gets_a_clear_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
