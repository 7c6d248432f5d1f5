/*
 * test_cursor.c - cursors: bounds, both directions, tombstones, the session's own writes, what they outlive.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "os/fs.h"
#include "support/store_kit.h"

struct fixture {
    struct os_fs *fs;
    struct db db;
    struct lsmkv_cursor *cursor;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f)
{
    f->fs = os_memory_fs_new();
    assert_non_null(f->fs);
    f->cursor = NULL;
    db_init(&f->db, f->fs, "store");
    db_open(&f->db);
}

static void tear_down(struct fixture *f)
{
    lsmkv_cursor_close(f->cursor);
    db_end(&f->db);
    os_memory_fs_free(f->fs);
}

static void open_cursor(struct fixture *f, const char *lower, const char *upper)
{
    lsmkv_cursor_close(f->cursor);
    assert_ok(lsmkv_cursor_open(&f->cursor, f->db.session, lower ? text(lower) : unbounded,
                                upper ? text(upper) : unbounded, &f->err),
              &f->err);
}

/* Walks to the end and joins the keys with blanks. */
static const char *forward(struct fixture *f)
{
    static char keys[512];

    keys[0] = '\0';
    assert_ok(lsmkv_cursor_first(f->cursor, &f->err), &f->err);
    while (lsmkv_cursor_valid(f->cursor)) {
        struct lsmkv_slice key = lsmkv_cursor_key(f->cursor);

        snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%.*s ", (int)key.size, (const char *)key.data);
        assert_ok(lsmkv_cursor_next(f->cursor, &f->err), &f->err);
    }
    return keys;
}

static const char *backward(struct fixture *f)
{
    static char keys[512];

    keys[0] = '\0';
    assert_ok(lsmkv_cursor_last(f->cursor, &f->err), &f->err);
    while (lsmkv_cursor_valid(f->cursor)) {
        struct lsmkv_slice key = lsmkv_cursor_key(f->cursor);

        snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%.*s ", (int)key.size, (const char *)key.data);
        assert_ok(lsmkv_cursor_prev(f->cursor, &f->err), &f->err);
    }
    return keys;
}

static void seek(struct fixture *f, const char *key, const char *expected)
{
    assert_ok(lsmkv_cursor_seek(f->cursor, text(key), &f->err), &f->err);
    assert_int_equal(lsmkv_cursor_valid(f->cursor), expected != NULL);
    if (expected)
        assert_memory_equal(lsmkv_cursor_key(f->cursor).data, expected, strlen(expected));
}

/* a to e, spread over a table, an immutable's successor and the memtable; b and d deleted in newer places. */
static void fill(struct fixture *f)
{
    db_put(&f->db, "a", "1");
    db_put(&f->db, "b", "1");
    db_put(&f->db, "d", "1");
    db_flush(&f->db);
    db_put(&f->db, "c", "1");
    db_delete(&f->db, "b");
    db_flush(&f->db);
    db_put(&f->db, "e", "1");
    db_delete(&f->db, "d");
}

static void cursor_walks_both_ways_without_tombstones(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f);
    open_cursor(&f, NULL, NULL);
    assert_string_equal(forward(&f), "a c e ");
    assert_string_equal(backward(&f), "e c a ");
    db_compact(&f.db);
    open_cursor(&f, NULL, NULL);
    assert_string_equal(forward(&f), "a c e ");
    assert_string_equal(backward(&f), "e c a ");
    tear_down(&f);
}

static void cursor_of_an_empty_store_is_never_valid(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    open_cursor(&f, NULL, NULL);
    assert_false(lsmkv_cursor_valid(f.cursor));
    assert_string_equal(forward(&f), "");
    assert_string_equal(backward(&f), "");
    seek(&f, "a", NULL);
    tear_down(&f);
}

static void bounds_are_inclusive_below_and_exclusive_above(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f);
    open_cursor(&f, "a", "e");
    assert_string_equal(forward(&f), "a c ");
    assert_string_equal(backward(&f), "c a ");
    open_cursor(&f, "b", "f");
    assert_string_equal(forward(&f), "c e ");
    assert_string_equal(backward(&f), "e c ");
    seek(&f, "a", "c"); /* before the range: its first row */
    seek(&f, "d", "e");
    seek(&f, "f", NULL);
    open_cursor(&f, "aa", "c");
    assert_string_equal(forward(&f), "");
    assert_string_equal(backward(&f), "");
    open_cursor(&f, "x", NULL);
    assert_string_equal(forward(&f), "");
    assert_string_equal(backward(&f), "");
    open_cursor(&f, NULL, "a");
    assert_string_equal(backward(&f), "");
    tear_down(&f);
}

static void tombstone_at_a_bound_does_not_lead_out_of_it(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_put(&f.db, "a", "1");
    db_put(&f.db, "b", "1");
    db_put(&f.db, "c", "1");
    db_put(&f.db, "d", "1");
    db_delete(&f.db, "b");
    db_delete(&f.db, "c");
    open_cursor(&f, "b", "d");
    assert_string_equal(forward(&f), "");
    assert_string_equal(backward(&f), "");
    tear_down(&f);
}

static void direction_may_change_at_any_row(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f);
    open_cursor(&f, NULL, NULL);
    seek(&f, "c", "c");
    assert_ok(lsmkv_cursor_prev(f.cursor, &f.err), &f.err);
    assert_memory_equal(lsmkv_cursor_key(f.cursor).data, "a", 1);
    assert_ok(lsmkv_cursor_next(f.cursor, &f.err), &f.err);
    assert_memory_equal(lsmkv_cursor_key(f.cursor).data, "c", 1);
    assert_ok(lsmkv_cursor_next(f.cursor, &f.err), &f.err);
    assert_memory_equal(lsmkv_cursor_key(f.cursor).data, "e", 1);
    assert_ok(lsmkv_cursor_prev(f.cursor, &f.err), &f.err);
    assert_memory_equal(lsmkv_cursor_key(f.cursor).data, "c", 1);
    tear_down(&f);
}

static void cursor_sees_writes_buffered_before_it_and_none_after(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f);
    db_write(&f.db);
    assert_ok(lsmkv_put(f.db.session, text("b"), text("2"), &f.err), &f.err);
    assert_ok(lsmkv_delete(f.db.session, text("a"), &f.err), &f.err);
    open_cursor(&f, NULL, NULL);
    assert_ok(lsmkv_put(f.db.session, text("bb"), text("2"), &f.err), &f.err);
    assert_ok(lsmkv_delete(f.db.session, text("c"), &f.err), &f.err);
    assert_string_equal(forward(&f), "b c e ");
    assert_string_equal(backward(&f), "e c b ");
    open_cursor(&f, NULL, NULL);
    assert_string_equal(forward(&f), "b bb e ");
    tear_down(&f);
}

static void cursor_outlives_its_transaction(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f);
    db_write(&f.db);
    assert_ok(lsmkv_put(f.db.session, text("b"), text("2"), &f.err), &f.err);
    open_cursor(&f, NULL, NULL);
    seek(&f, "b", "b");
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    db_put(&f.db, "aa", "3");
    db_compact(&f.db);
    assert_memory_equal(lsmkv_cursor_value(f.cursor).data, "2", 1);
    assert_ok(lsmkv_cursor_next(f.cursor, &f.err), &f.err);
    assert_memory_equal(lsmkv_cursor_key(f.cursor).data, "c", 1);
    assert_string_equal(forward(&f), "a b c e ");
    tear_down(&f);
}

static void long_scan_over_many_tables_counts_every_row(void **state)
{
    struct fixture f;
    unsigned rows = (unsigned)test_scaled(4000);

    (void)state;
    set_up(&f);
    for (unsigned i = 0; i < rows; i += 100)
        db_fill(&f.db, "k", i, i + 100 < rows ? i + 100 : rows, "some value that takes a little room in its block");
    assert_int_equal(db_count(&f.db, "k"), rows);
    db_reopen(&f.db);
    assert_int_equal(db_count(&f.db, "k"), rows);
    assert_int_equal(db_stat(&f.db, "cursor_rows"), rows);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursor_walks_both_ways_without_tombstones),
        cmocka_unit_test(cursor_of_an_empty_store_is_never_valid),
        cmocka_unit_test(bounds_are_inclusive_below_and_exclusive_above),
        cmocka_unit_test(tombstone_at_a_bound_does_not_lead_out_of_it),
        cmocka_unit_test(direction_may_change_at_any_row),
        cmocka_unit_test(cursor_sees_writes_buffered_before_it_and_none_after),
        cmocka_unit_test(cursor_outlives_its_transaction),
        cmocka_unit_test(long_scan_over_many_tables_counts_every_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
