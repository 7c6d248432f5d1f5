/*
 * test_catalog.c - tables of a store: names, ids, rollback, and what becomes of the rows of dropped ones.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "support/sim_fs.h"
#include "unit/catalog_fixture.h"

static enum lsmkv_status join_name(void *context, const char *name, const struct lsmkv_table_entry *entry)
{
    char *names = context;

    snprintf(names + strlen(names), 128 - strlen(names), "%s=%u:%.*s ", name, (unsigned)entry->id,
             (int)entry->definition.size, (const char *)entry->definition.data);
    return strcmp(name, "stop") == 0 ? LSMKV_INTERRUPTED : LSMKV_OK;
}

static const char *all(struct db *db, enum lsmkv_status expected)
{
    static char names[128];

    names[0] = '\0';
    assert_int_equal(lsmkv_catalog_each(db->session, join_name, names, &db->err), expected);
    return names;
}

static uint64_t entries_in_tables(struct db *db)
{
    struct lsmkv_level_stats levels[LSMKV_LEVELS];
    uint64_t entries = 0;

    lsmkv_level_stats(db->store, levels);
    for (unsigned i = 0; i < LSMKV_LEVELS; i++)
        entries += levels[i].entries;
    return entries;
}

/* ---- Names and ids ---- */

static void tables_are_found_by_name_after_reopen_too(void **state)
{
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    db_write(&f.db);
    assert_int_equal(create_table(&f.db, "b", "two"), 1);
    assert_int_equal(create_table(&f.db, "a", ""), 2);
    assert_int_equal(find_table(&f.db, "b", "two"), 1); /* its own writes */
    db_commit(&f.db);
    assert_string_equal(all(&f.db, LSMKV_OK), "a=2: b=1:two ");
    db_reopen(&f.db);
    assert_int_equal(find_table(&f.db, "b", "two"), 1);
    assert_int_equal(find_table(&f.db, "a", ""), 2);
    assert_int_equal(find_table(&f.db, "c", NULL), 0);
    catalog_tear_down(&f);
}

static void visitor_ends_the_visit(void **state)
{
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    db_write(&f.db);
    create_table(&f.db, "stop", "");
    create_table(&f.db, "zz", "");
    assert_string_equal(all(&f.db, LSMKV_INTERRUPTED), "stop=1: ");
    catalog_tear_down(&f);
}

static void taken_and_absent_names_are_refused(void **state)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    assert_status(lsmkv_catalog_create(f.db.session, "a", text(""), 1, &entry, &f.err), LSMKV_MISUSE, &f.err);
    db_write(&f.db);
    create_table(&f.db, "a", "1");
    create_table(&f.db, "b", "2");
    assert_fails(lsmkv_catalog_create(f.db.session, "a", text(""), 1, &entry, &f.err), LSMKV_INVALID, &f.err, "\"a\"");
    assert_fails(lsmkv_catalog_rename(f.db.session, "a", "b", &f.err), LSMKV_INVALID, &f.err, "\"b\"");
    assert_fails(lsmkv_catalog_rename(f.db.session, "x", "y", &f.err), LSMKV_INVALID, &f.err, "\"x\"");
    assert_fails(lsmkv_catalog_drop(f.db.session, "x", &f.err), LSMKV_INVALID, &f.err, "\"x\"");
    assert_ok(lsmkv_catalog_rename(f.db.session, "a", "a", &f.err), &f.err);
    assert_ok(lsmkv_catalog_rename(f.db.session, "a", "c", &f.err), &f.err);
    db_commit(&f.db);
    assert_string_equal(all(&f.db, LSMKV_OK), "b=2:2 c=1:1 ");
    catalog_tear_down(&f);
}

static void catalog_writes_roll_back(void **state)
{
    struct catalog_fixture f;
    uint64_t mark;

    (void)state;
    catalog_set_up(&f);
    db_write(&f.db);
    create_table(&f.db, "a", "1");
    db_commit(&f.db);
    db_write(&f.db);
    mark = lsmkv_session_mark(f.db.session);
    create_table(&f.db, "b", "2");
    assert_ok(lsmkv_catalog_rename(f.db.session, "a", "c", &f.err), &f.err);
    lsmkv_session_rollback_to(f.db.session, mark);
    assert_string_equal(all(&f.db, LSMKV_OK), "a=1:1 ");
    assert_ok(lsmkv_catalog_drop(f.db.session, "a", &f.err), &f.err);
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    assert_string_equal(all(&f.db, LSMKV_OK), "a=1:1 ");
    catalog_tear_down(&f);
}

static void ids_are_never_reused(void **state)
{
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    db_write(&f.db);
    assert_int_equal(create_table(&f.db, "a", ""), 1);
    db_commit(&f.db);
    drop_table(&f.db, "a");
    db_compact(&f.db);
    db_reopen(&f.db);
    db_write(&f.db);
    assert_int_equal(create_table(&f.db, "a", ""), 2);
    db_commit(&f.db);
    catalog_tear_down(&f);
}

/* ---- Dropped tables ---- */

static void compaction_discards_rows_of_a_dropped_table(void **state)
{
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    make_two_tables(&f.db);
    db_compact(&f.db);
    assert_true(entries_in_tables(&f.db) >= 110);
    drop_table(&f.db, "goes");
    db_compact(&f.db);
    assert_true(entries_in_tables(&f.db) < 20);
    assert_int_equal(db_count(&f.db, ""), 10 + 3); /* rows; one table, the next id, one dropped id */
    catalog_tear_down(&f);
}

/* The set of dropped tables is read again from the catalog, which is in a table then. */
static void drop_is_remembered_after_reopen(void **state)
{
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    make_two_tables(&f.db);
    db_flush(&f.db);
    drop_table(&f.db, "goes");
    db_reopen(&f.db);
    db_compact(&f.db);
    assert_true(entries_in_tables(&f.db) < 20);
    catalog_tear_down(&f);
}

static void rolled_back_drop_keeps_the_rows(void **state)
{
    struct catalog_fixture f;

    (void)state;
    catalog_set_up(&f);
    make_two_tables(&f.db);
    db_write(&f.db);
    assert_ok(lsmkv_catalog_drop(f.db.session, "goes", &f.err), &f.err);
    assert_ok(session_prepare(f.db.session, false, &f.err), &f.err);
    assert_ok(lsmkv_session_rollback(f.db.session, &f.err), &f.err);
    db_compact(&f.db);
    assert_int_equal(db_count(&f.db, ""), 110 + 3);
    catalog_tear_down(&f);
}

static void reader_of_a_dropped_table_goes_on(void **state)
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
    drop_table(&f.db, "goes");
    db_compact(&f.db);
    table_row_key(bytes, 1, 50, &key);
    assert_ok(lsmkv_get(reader, key, NULL, &found, &f.err), &f.err);
    assert_true(found);
    lsmkv_session_close(reader);
    catalog_tear_down(&f);
}

/*
 * In normal mode a commit is not durable when it returns, but compaction may discard the rows of a dropped table for good:
 * a power cut must not bring the table back without its rows.
 */
static void drop_in_normal_mode_is_durable_before_its_rows_go(void **state)
{
    struct sim_fs *disk = sim_fs_new(), *after;
    struct db db;

    (void)state;
    db_init(&db, sim_fs_os(disk), "/store");
    db.options.sync = LSMKV_SYNC_NORMAL;
    db_open(&db);
    make_two_tables(&db);
    db_flush(&db); /* all of it is durable */
    drop_table(&db, "goes");
    sim_fs_stop_at(disk, 1);
    (void)db_try_close(&db);
    after = sim_fs_crash(disk, SIM_DROP_UNSYNCED, 1);
    db.how.fs = sim_fs_os(after);
    db_open(&db);
    assert_int_equal(find_table(&db, "goes", NULL), 0);
    db_end(&db);
    sim_fs_free(disk);
    sim_fs_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_found_by_name_after_reopen_too),
        cmocka_unit_test(visitor_ends_the_visit),
        cmocka_unit_test(taken_and_absent_names_are_refused),
        cmocka_unit_test(catalog_writes_roll_back),
        cmocka_unit_test(ids_are_never_reused),
        cmocka_unit_test(compaction_discards_rows_of_a_dropped_table),
        cmocka_unit_test(drop_is_remembered_after_reopen),
        cmocka_unit_test(rolled_back_drop_keeps_the_rows),
        cmocka_unit_test(reader_of_a_dropped_table_goes_on),
        cmocka_unit_test(drop_in_normal_mode_is_durable_before_its_rows_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
