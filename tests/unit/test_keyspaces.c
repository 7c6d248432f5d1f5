/*
 * test_keyspaces.c - the keyspaces of tables: several of them, truncation; owners; the stamp of the catalog.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "support/sim_fs.h"
#include "unit/catalog_fixture.h"

/* ---- Keyspaces ---- */

static struct lsmkv_table_entry create_wide(struct db *db, const char *name, uint32_t keyspaces)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;

    assert_ok(lsmkv_catalog_create(db->session, name, text("wide"), keyspaces, &entry, &db->err), &db->err);
    assert_int_equal(entry.keyspaces, keyspaces);
    return entry;
}

static struct lsmkv_table_entry truncate_table(struct db *db, const char *name, const char *definition)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;

    assert_ok(lsmkv_catalog_truncate(db->session, name, text(definition), &entry, &db->err), &db->err);
    return entry;
}

static void expect_place(struct db *db, const char *name, uint32_t id, uint32_t keyspace, uint32_t keyspaces)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    bool found;

    assert_ok(lsmkv_catalog_find(db->session, name, &entry, &found, &db->err), &db->err);
    lsmkv_buf_release(&entry.definition);
    assert_true(found);
    assert_int_equal(entry.id, id);
    assert_int_equal(entry.keyspace, keyspace);
    assert_int_equal(entry.keyspaces, keyspaces);
}

/* Rows of the catalog, of one kind; 0 = of all kinds. */
static unsigned catalog_rows(struct db *db, char kind)
{
    const uint8_t lower[5] = {0, 0, 0, 0, (uint8_t)kind}, upper[5] = {0, 0, 0, 0, (uint8_t)(kind ? kind + 1 : 0xff)};
    struct lsmkv_cursor *cursor = NULL;
    unsigned rows = 0;

    assert_ok(lsmkv_cursor_open(&cursor, db->session, (struct lsmkv_slice){lower, kind ? 5 : 4},
                                (struct lsmkv_slice){upper, 5}, &db->err),
              &db->err);
    assert_ok(lsmkv_cursor_first(cursor, &db->err), &db->err);
    for (; lsmkv_cursor_valid(cursor); rows++)
        assert_ok(lsmkv_cursor_next(cursor, &db->err), &db->err);
    lsmkv_cursor_close(cursor);
    return rows;
}

static void keyspaces_and_ids_come_from_one_counter(void **state)
{
    struct lsmkv_table_entry entry;
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    db_write(&f.db);
    assert_int_equal(create_table(&f.db, "one", ""), 1);
    entry = create_wide(&f.db, "wide", 3);
    assert_int_equal(entry.id, 2);
    assert_int_equal(entry.keyspace, 2);
    assert_int_equal(create_table(&f.db, "next", ""), 5);
    db_commit(&f.db);
    db_reopen(&f.db);
    expect_place(&f.db, "one", 1, 1, 1);
    expect_place(&f.db, "wide", 2, 2, 3);
    expect_place(&f.db, "next", 5, 5, 1);
    assert_int_equal(catalog_rows(&f.db, 'K'), 1); /* a table of one keyspace is written as in format 1 */
    catalog_tear_down(&f);
}

static void no_keyspaces_and_too_many_are_refused(void **state)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    db_write(&f.db);
    assert_status(lsmkv_catalog_create(f.db.session, "t", text(""), 0, &entry, &f.err), LSMKV_INVALID, &f.err);
    assert_int_equal(create_table(&f.db, "a", ""), 1);
    assert_status(lsmkv_catalog_create(f.db.session, "t", text(""), UINT32_MAX - 1, &entry, &f.err), LSMKV_TOOBIG,
                  &f.err);
    assert_int_equal(create_table(&f.db, "b", ""), 2); /* nothing was drawn */
    assert_status(lsmkv_catalog_truncate(f.db.session, "none", text(""), &entry, &f.err), LSMKV_INVALID, &f.err);
    db_commit(&f.db);
    assert_status(lsmkv_catalog_truncate(f.db.session, "a", text(""), &entry, &f.err), LSMKV_MISUSE, &f.err);
    assert_int_equal(entry.id, 0);
    catalog_tear_down(&f);
}

static void drop_takes_every_keyspace(void **state)
{
    struct lsmkv_table_entry wide;
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    db_write(&f.db);
    wide = create_wide(&f.db, "wide", 3);
    create_table(&f.db, "stays", "");
    db_commit(&f.db);
    for (uint32_t i = 0; i < 3; i++)
        fill_table(&f.db, wide.keyspace + i, 50);
    fill_table(&f.db, 4, 10);
    db_compact(&f.db);
    drop_table(&f.db, "wide");
    assert_int_equal(catalog_rows(&f.db, 'K'), 0);
    db_compact(&f.db);
    assert_int_equal(db_count(&f.db, ""), 10 + 2 + 3); /* rows; a table and the counter; dropped keyspaces */
    catalog_tear_down(&f);
}

static void truncation_gives_new_keyspaces_and_frees_the_old(void **state)
{
    struct lsmkv_table_entry entry;
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    db_write(&f.db);
    create_wide(&f.db, "t", 2);
    db_commit(&f.db);
    fill_table(&f.db, 1, 100);
    fill_table(&f.db, 2, 100);
    db_flush(&f.db);
    db_write(&f.db);
    entry = truncate_table(&f.db, "t", "again");
    assert_int_equal(entry.id, 1);
    assert_int_equal(entry.keyspace, 3);
    assert_int_equal(entry.keyspaces, 2);
    db_commit(&f.db);
    fill_table(&f.db, 3, 5);
    assert_int_equal(find_table(&f.db, "t", "again"), 1);
    db_reopen(&f.db);
    expect_place(&f.db, "t", 1, 3, 2);
    db_compact(&f.db);
    assert_int_equal(db_count(&f.db, ""), 5 + 3 + 2); /* rows; 'T', 'K', 'N'; dropped keyspaces */

    db_write(&f.db);
    entry = truncate_table(&f.db, "t", "again");
    assert_int_equal(entry.keyspace, 5);
    db_commit(&f.db);
    drop_table(&f.db, "t");
    assert_int_equal(catalog_rows(&f.db, 0), 1 + 6); /* the counter, dropped keyspaces: nothing is left of it */
    db_write(&f.db);
    assert_int_equal(create_table(&f.db, "t", ""), 7);
    db_commit(&f.db);
    catalog_tear_down(&f);
}

/* Of a table with one keyspace too, whose id is free then but never a keyspace again. */
static void truncation_rolls_back(void **state)
{
    struct catalog_fixture f;
    uint64_t mark;

    (void)state;
    catalog_set_up(&f);
    make_two_tables(&f.db);
    db_write(&f.db);
    mark = lsmkv_session_mark(f.db.session);
    truncate_table(&f.db, "goes", "");
    expect_place(&f.db, "goes", 1, 3, 1);
    lsmkv_session_rollback_to(f.db.session, mark);
    expect_place(&f.db, "goes", 1, 1, 1);
    truncate_table(&f.db, "goes", "");
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    expect_place(&f.db, "goes", 1, 1, 1);
    db_compact(&f.db);
    assert_int_equal(db_count(&f.db, ""), 110 + 3);
    catalog_tear_down(&f);
}

static void reader_of_a_truncated_table_goes_on(void **state)
{
    struct catalog_fixture f;
    struct lsmkv_session *reader;
    struct lsmkv_slice key;
    uint8_t bytes[16];
    bool found;

    (void)state;
    catalog_set_up(&f);
    make_two_tables(&f.db);
    assert_ok(lsmkv_session_open(&reader, f.db.store, &f.err), &f.err);
    assert_ok(lsmkv_session_read(reader, false, &f.err), &f.err);
    db_write(&f.db);
    truncate_table(&f.db, "goes", "");
    db_commit(&f.db);
    db_compact(&f.db);
    table_row_key(bytes, 1, 50, &key);
    assert_ok(lsmkv_get(reader, key, NULL, &found, &f.err), &f.err);
    assert_true(found);
    assert_ok(lsmkv_get(f.db.session, key, NULL, &found, &f.err), &f.err);
    assert_false(found);
    lsmkv_session_close(reader);
    catalog_tear_down(&f);
}

/* A power cut at any call after the truncation has begun: all rows under the old keyspace, or none under a new one. */
static void a_crash_leaves_a_table_truncated_or_whole(void **state)
{
    unsigned whole = 0, truncated = 0;

    (void)state;
    for (unsigned stop = 0; stop < 40; stop++) {
        struct sim_fs *disk = sim_fs_new(), *after;
        struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
        struct db db;
        bool found;

        db_init(&db, sim_fs_os(disk), "/store");
        db_open(&db);
        make_two_tables(&db);
        db_flush(&db);
        sim_fs_stop_at(disk, stop + 1);
        if (!lsmkv_session_write(db.session, LSMKV_WRITE_EXCLUSIVE, -1, NULL) &&
            !lsmkv_catalog_truncate(db.session, "goes", text(""), &entry, NULL))
            (void)lsmkv_session_commit(db.session, -1, NULL);
        (void)lsmkv_compact(db.store, unbounded, unbounded, NULL);
        (void)db_try_close(&db);
        after = sim_fs_crash(disk, SIM_DROP_UNSYNCED, stop);
        db.how.fs = sim_fs_os(after);
        db_open(&db);
        assert_ok(lsmkv_catalog_find(db.session, "goes", &entry, &found, &db.err), &db.err);
        lsmkv_buf_release(&entry.definition);
        assert_true(found);
        db_compact(&db);
        if (entry.keyspace == 1) {
            assert_int_equal(db_count(&db, ""), 110 + 3);
            whole++;
        } else {
            assert_int_equal(db_count(&db, ""), 10 + 5);
            truncated++;
        }
        db_end(&db);
        sim_fs_free(disk);
        sim_fs_free(after);
    }
    assert_true(whole && truncated);
}

/* ---- Owners ---- */

static void owners_are_rows_like_any_other(void **state)
{
    uint8_t id[LSMKV_COORDINATOR_SIZE] = {1, 2, 3}, other[LSMKV_COORDINATOR_SIZE] = {1, 2, 4};
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    struct catalog_fixture f;
    bool found;

    (void)state;
    catalog_set_up(&f);
    assert_status(lsmkv_catalog_set_owner(f.db.session, id, text("me"), &f.err), LSMKV_MISUSE, &f.err);
    db_write(&f.db);
    assert_ok(lsmkv_catalog_set_owner(f.db.session, id, text("nobody"), &f.err), &f.err);
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    assert_ok(lsmkv_catalog_owner(f.db.session, id, &value, &found, &f.err), &f.err);
    assert_false(found);
    db_write(&f.db);
    assert_ok(lsmkv_catalog_set_owner(f.db.session, id, text("me"), &f.err), &f.err);
    db_commit(&f.db);
    db_reopen(&f.db);
    assert_ok(lsmkv_catalog_owner(f.db.session, id, &value, &found, &f.err), &f.err);
    assert_true(found);
    assert_int_equal(value.size, 2);
    assert_memory_equal(value.data, "me", 2);
    assert_ok(lsmkv_catalog_owner(f.db.session, other, &value, &found, &f.err), &f.err);
    assert_false(found);
    db_write(&f.db);
    assert_ok(lsmkv_catalog_set_owner(f.db.session, id, text(""), &f.err), &f.err);
    db_commit(&f.db);
    assert_ok(lsmkv_catalog_owner(f.db.session, id, &value, &found, &f.err), &f.err);
    assert_false(found);
    lsmkv_buf_release(&value);
    catalog_tear_down(&f);
}

/* ---- The stamp ---- */

static void stamp_changes_with_the_catalog_alone(void **state)
{
    struct catalog_fixture f;
    uint64_t stamp, mark;

    (void)state;
    catalog_set_up(&f);
    make_two_tables(&f.db);
    stamp = lsmkv_catalog_stamp(f.db.session);
    assert_true(stamp != LSMKV_CATALOG_UNKNOWN);
    fill_table(&f.db, 2, 20);
    assert_true(lsmkv_catalog_stamp(f.db.session) == stamp);
    db_write(&f.db);
    mark = lsmkv_session_mark(f.db.session);
    assert_true(lsmkv_catalog_stamp(f.db.session) == stamp);
    truncate_table(&f.db, "goes", "");
    assert_true(lsmkv_catalog_stamp(f.db.session) != stamp);
    stamp = lsmkv_catalog_stamp(f.db.session);
    assert_true(lsmkv_catalog_stamp(f.db.session) == stamp);
    lsmkv_session_rollback_to(f.db.session, mark);
    assert_true(lsmkv_catalog_stamp(f.db.session) != stamp);
    truncate_table(&f.db, "goes", "");
    db_commit(&f.db);
    assert_true(lsmkv_catalog_stamp(f.db.session) != stamp);
    stamp = lsmkv_catalog_stamp(f.db.session);
    drop_table(&f.db, "goes");
    assert_true(lsmkv_catalog_stamp(f.db.session) != stamp);
    catalog_tear_down(&f);
}

/* A reader's view stays what it was when it began, and so does its stamp, which no later reader may share. */
static void stamp_of_an_old_snapshot_is_its_own(void **state)
{
    struct lsmkv_session *reader;
    struct catalog_fixture f;
    uint64_t old, now;

    (void)state;
    catalog_set_up(&f);
    make_two_tables(&f.db);
    assert_ok(lsmkv_session_open(&reader, f.db.store, &f.err), &f.err);
    assert_ok(lsmkv_session_read(reader, false, &f.err), &f.err);
    drop_table(&f.db, "goes");
    old = lsmkv_catalog_stamp(reader);
    now = lsmkv_catalog_stamp(f.db.session);
    assert_true(old != now && old != LSMKV_CATALOG_UNKNOWN);
    assert_true(lsmkv_catalog_stamp(reader) == old);
    assert_ok(lsmkv_session_rollback(reader, &f.err), &f.err);
    assert_ok(lsmkv_session_read(reader, false, &f.err), &f.err);
    assert_true(lsmkv_catalog_stamp(reader) == now);
    lsmkv_session_close(reader);
    catalog_tear_down(&f);
}

struct race {
    struct db *db;
    atomic_bool stop;
    unsigned reads, repeated; /* with a stamp seen before */
};

/* While the stamp is the same, so is what is found. */
static void *watch_catalog(void *context)
{
    struct race *race = context;
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    struct lsmkv_session *session;
    uint64_t known = LSMKV_CATALOG_UNKNOWN, stamp;
    uint32_t keyspace = 0;
    bool found;

    assert_ok(lsmkv_session_open(&session, race->db->store, NULL), NULL);
    while (!atomic_load(&race->stop)) {
        assert_ok(lsmkv_session_read(session, false, NULL), NULL);
        stamp = lsmkv_catalog_stamp(session);
        assert_ok(lsmkv_catalog_find(session, "stays", &entry, &found, NULL), NULL);
        assert_true(found);
        if (stamp == known && stamp != LSMKV_CATALOG_UNKNOWN) {
            assert_int_equal(entry.keyspace, keyspace);
            race->repeated++;
        }
        known = stamp;
        keyspace = entry.keyspace;
        race->reads++;
        (void)lsmkv_session_rollback(session, NULL);
    }
    lsmkv_buf_release(&entry.definition);
    lsmkv_session_close(session);
    return NULL;
}

static void equal_stamps_mean_equal_catalogs_while_others_write(void **state)
{
    struct catalog_fixture f;
    struct race race = {&f.db, false, 0, 0};
    unsigned rounds = (unsigned)test_scaled(2000);
    pthread_t thread;

    (void)state;
    catalog_set_up(&f);
    make_two_tables(&f.db);
    assert_int_equal(pthread_create(&thread, NULL, watch_catalog, &race), 0);
    for (unsigned i = 0; i < rounds; i++) {
        db_write(&f.db);
        if (i % 4 == 0)
            truncate_table(&f.db, "stays", "");
        else
            assert_ok(lsmkv_put(f.db.session, text("a row"), text("of no table"), &f.err), &f.err);
        db_commit(&f.db);
    }
    atomic_store(&race.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    catalog_tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyspaces_and_ids_come_from_one_counter),
        cmocka_unit_test(no_keyspaces_and_too_many_are_refused),
        cmocka_unit_test(drop_takes_every_keyspace),
        cmocka_unit_test(truncation_gives_new_keyspaces_and_frees_the_old),
        cmocka_unit_test(truncation_rolls_back),
        cmocka_unit_test(reader_of_a_truncated_table_goes_on),
        cmocka_unit_test(a_crash_leaves_a_table_truncated_or_whole),
        cmocka_unit_test(owners_are_rows_like_any_other),
        cmocka_unit_test(stamp_changes_with_the_catalog_alone),
        cmocka_unit_test(stamp_of_an_old_snapshot_is_its_own),
        cmocka_unit_test(equal_stamps_mean_equal_catalogs_while_others_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
