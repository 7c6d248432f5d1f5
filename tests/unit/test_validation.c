/*
 * test_validation.c - corners of validation: memtables that stayed empty, and states that are not durable yet.
 */
#include "support/test.h"

#include <string.h>

#include "os/fs.h"
#include "store/store.h"
#include "support/store_kit.h"

struct fixture {
    struct os_fs *fs;
    struct db db;
    struct lsmkv_session *reader, *other;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->fs = os_memory_fs_new();
    assert_non_null(f->fs);
    db_init(&f->db, f->fs, "store");
    f->db.options.memtable_size = 64 << 10;
    db_open(&f->db);
    assert_ok(lsmkv_session_open(&f->reader, f->db.store, &f->err), &f->err);
    assert_ok(lsmkv_session_open(&f->other, f->db.store, &f->err), &f->err);
    db_put(&f->db, "k", "old");
}

static void tear_down(struct fixture *f)
{
    lsmkv_session_close(f->reader);
    lsmkv_session_close(f->other);
    db_end(&f->db);
    os_memory_fs_free(f->fs);
}

/* Fills a segment, and not its memtable, with prepares that are aborted, until that was rotated. */
static void rotate_an_empty_memtable(struct fixture *f)
{
    static char value[60000];
    uint64_t rotations = db_stat(&f->db, "memtable_rotations");

    memset(value, 'v', sizeof(value) - 1);
    db_flush(&f->db);
    for (unsigned tries = 0; db_stat(&f->db, "memtable_rotations") < rotations + 2; tries++) {
        assert_true(tries < 20);
        assert_ok(lsmkv_session_write(f->other, LSMKV_WRITE_OPTIMISTIC, 0, &f->err), &f->err);
        assert_ok(lsmkv_put(f->other, text("aborted"), text(value), &f->err), &f->err);
        assert_ok(session_prepare(f->other, false, &f->err), &f->err);
        assert_ok(lsmkv_session_rollback(f->other, &f->err), &f->err);
    }
}

/* The walk ended at the empty memtable as if there were nothing after it. */
static void changes_behind_an_empty_memtable_are_found(void **state)
{
    (void)state;
    for (unsigned empty = 1; empty <= 3; empty++) {
        struct fixture f;

        set_up(&f);
        assert_ok(lsmkv_session_write(f.reader, LSMKV_WRITE_OPTIMISTIC, 0, &f.err), &f.err);
        session_expect(f.reader, "k", "old");
        assert_ok(lsmkv_put(f.reader, text("x"), text("1"), &f.err), &f.err);
        for (unsigned i = 0; i < empty; i++)
            rotate_an_empty_memtable(&f);
        db_put(&f.db, "other", "1");
        assert_ok(lsmkv_session_validate(f.reader, &f.err), &f.err);
        for (unsigned i = 0; i < empty; i++)
            rotate_an_empty_memtable(&f);
        db_put(&f.db, "k", "new");
        assert_fails(lsmkv_session_commit(f.reader, 0, &f.err), LSMKV_BUSY_SNAPSHOT, &f.err, "repeat");
        tear_down(&f);
    }
}

/* What others find between the append of a commit and its sync. */
static void append_without_sync(struct fixture *f, const char *key, const char *value)
{
    struct lsmkv_store *store = f->db.store;
    struct log_record record = {.type = WAL_COMMIT};
    struct log_position end;
    struct batch *batch = NULL;
    struct writes writes;
    uint64_t sequence;

    assert_ok(batch_new(&batch, &f->err), &f->err);
    assert_ok(batch_add(batch, ENTRY_PUT, text(key), text(value), &f->err), &f->err);
    assert_ok(writes_init(&writes, batch, &f->err), &f->err);
    record.entries = writes.entries;
    record.entry_bytes = writes.bytes;
    record.entry_room = writes.room;
    assert_ok(log_write(store, &record, &end, &sequence, &f->err), &f->err);
    writes_release(&writes);
    batch_unref(batch);
}

/* It told its caller of a row that a crash could have taken back. */
static void exclusive_end_without_writes_waits_for_what_it_has_read(void **state)
{
    static const char *const keys[] = {"committed", "prepared", "rolled back"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;

        set_up(&f);
        append_without_sync(&f, keys[i], "1");
        session_expect(f.reader, keys[i], NULL);
        assert_ok(lsmkv_session_write(f.other, LSMKV_WRITE_EXCLUSIVE, 0, &f.err), &f.err);
        session_expect(f.other, keys[i], "1");
        session_expect(f.reader, keys[i], NULL);
        if (i == 2) {
            assert_ok(lsmkv_session_rollback(f.other, &f.err), &f.err);
        } else {
            if (i == 1)
                assert_ok(session_prepare(f.other, false, &f.err), &f.err);
            assert_ok(lsmkv_session_commit(f.other, 0, &f.err), &f.err);
        }
        session_expect(f.reader, keys[i], "1");
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_behind_an_empty_memtable_are_found),
        cmocka_unit_test(exclusive_end_without_writes_waits_for_what_it_has_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
