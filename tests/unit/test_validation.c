/*
 * test_validation.c - corners of validation: memtables that stayed empty.
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_behind_an_empty_memtable_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
