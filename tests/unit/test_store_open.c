/*
 * test_store_open.c - opening, creating, closing and destroying a store: what is refused, what is written, what is read.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/fs.h"
#include "support/fault_fs.h"
#include "support/sim_fs.h"
#include "support/store_kit.h"

/* A store over a fault-injecting file system in memory. */
struct fixture {
    struct os_fs *memory;
    struct fault_fs *faults;
    struct db db;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f)
{
    f->memory = os_memory_fs_new();
    assert_non_null(f->memory);
    f->faults = fault_fs_new(f->memory);
    db_init(&f->db, fault_fs_os(f->faults), "store");
}

static void tear_down(struct fixture *f)
{
    db_end(&f->db);
    fault_fs_free(f->faults);
    os_memory_fs_free(f->memory);
}

/* A file with the bytes of `content`. */
static void make_file(struct os_fs *fs, const char *path, const char *content)
{
    struct os_file *file;

    assert_int_equal(os_fs_open(fs, path, OS_CREATE_NEW, &file, NULL), LSMKV_OK);
    assert_int_equal(os_write(file, 0, content, strlen(content), NULL), LSMKV_OK);
    assert_int_equal(os_close(file, NULL), LSMKV_OK);
}

static enum lsmkv_status keep_name(void *context, const char *name, struct lsmkv_error *err)
{
    (void)err;
    snprintf(context, 64, "%s", name);
    return LSMKV_OK;
}

/* The path of some file in `dir`. */
static void any_file(struct os_fs *fs, const char *dir, char path[128])
{
    char name[64] = "";

    assert_int_equal(os_fs_list(fs, dir, keep_name, name, NULL), LSMKV_OK);
    assert_true(name[0] != '\0');
    snprintf(path, 128, "%s/%s", dir, name);
}

static void damage(struct os_fs *fs, const char *path, uint64_t offset)
{
    struct os_file *file;
    uint8_t byte;

    assert_int_equal(os_fs_open(fs, path, OS_WRITE, &file, NULL), LSMKV_OK);
    assert_int_equal(os_read(file, offset, &byte, 1, NULL), LSMKV_OK);
    byte ^= 0x20;
    assert_int_equal(os_write(file, offset, &byte, 1, NULL), LSMKV_OK);
    assert_int_equal(os_close(file, NULL), LSMKV_OK);
}

/* ---- Creating ---- */

static void created_store_opens_again_with_its_options_and_id(void **state)
{
    struct fixture f;
    uint8_t id[LSMKV_STORE_ID_SIZE];

    (void)state;
    set_up(&f);
    f.db.options.l0_tables = 7;
    db_open(&f.db);
    memcpy(id, lsmkv_store_id(f.db.store), sizeof(id));
    db_put(&f.db, "a", "1");
    db_close(&f.db);
    f.db.options.l0_tables = 9; /* options are for creation only */
    f.db.how.mode = LSMKV_OPEN_EXISTING;
    f.db.how.expected_id = id;
    db_open(&f.db);
    assert_int_equal(lsmkv_store_options(f.db.store)->l0_tables, 7);
    assert_string_equal(lsmkv_store_dir(f.db.store), "store");
    db_expect(&f.db, "a", "1");
    tear_down(&f);
}

static void two_stores_have_two_ids(void **state)
{
    struct fixture f;
    uint8_t id[LSMKV_STORE_ID_SIZE];

    (void)state;
    set_up(&f);
    db_open(&f.db);
    memcpy(id, lsmkv_store_id(f.db.store), sizeof(id));
    db_close(&f.db);
    f.db.dir = "other";
    f.db.how.expected_id = id;
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "no such directory"); /* nothing is made */
    f.db.how.expected_id = NULL;
    db_open(&f.db);
    assert_memory_not_equal(lsmkv_store_id(f.db.store), id, sizeof(id));
    tear_down(&f);
}

static void store_with_another_id_is_refused(void **state)
{
    struct fixture f;
    static const uint8_t id[LSMKV_STORE_ID_SIZE] = {1};

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_close(&f.db);
    f.db.how.expected_id = id;
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "another store");
    f.db.how.expected_id = NULL;
    db_open(&f.db); /* nothing is left locked */
    tear_down(&f);
}

static void absent_and_empty_directories_hold_no_store(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.db.how.mode = LSMKV_OPEN_EXISTING;
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "store: no such directory");
    assert_int_equal(os_fs_make_dir(f.memory, "store", NULL), LSMKV_OK);
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "empty");
    f.db.how.mode = LSMKV_OPEN_CREATE;
    db_open(&f.db);
    tear_down(&f);
}

static void path_that_is_a_file_is_refused(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    make_file(f.memory, "store", "x");
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "store: not a directory");
    tear_down(&f);
}

static void directory_of_somebody_else_is_refused_by_name_and_left_alone(void **state)
{
    struct fixture f;
    enum os_kind kind;

    (void)state;
    set_up(&f);
    assert_int_equal(os_fs_make_dir(f.memory, "store", NULL), LSMKV_OK);
    make_file(f.memory, "store/letter.txt", "dear");
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "letter.txt");
    f.db.how.mode = LSMKV_OPEN_EXISTING;
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "letter.txt");
    assert_int_equal(os_fs_kind(f.memory, "store/lock", &kind, NULL, NULL), LSMKV_OK);
    assert_int_equal(kind, OS_ABSENT);
    assert_int_equal(fault_fs_count(f.faults, FAULT_CHANGES | FAULT_BIT(FAULT_LOCK), NULL), 0);
    tear_down(&f);
}

/* A store that lost its global.json has data: creation must not start over on top of it. */
static void store_without_its_manifest_is_not_taken_for_empty(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_put(&f.db, "a", "1");
    db_close(&f.db);
    assert_int_equal(os_fs_remove(f.memory, "store/global.json", NULL), LSMKV_OK);
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "a log with transactions");
    tear_down(&f);
}

static void creation_that_died_at_any_call_can_be_repeated(void **state)
{
    bool died = true;

    (void)state;
    for (uint64_t n = 1; died; n++) {
        for (int mode = 0; mode < SIM_CRASH_MODES; mode++) {
            struct sim_fs *disk = sim_fs_new(), *after;
            struct db db;

            db_init(&db, sim_fs_os(disk), "/store");
            sim_fs_stop_at(disk, n);
            if (!db_try_open(&db))
                (void)db_try_close(&db);
            died = sim_fs_stopped(disk);
            after = sim_fs_crash(disk, (enum sim_crash)mode, n);
            db.how.fs = sim_fs_os(after);
            db_open(&db);
            db_put(&db, "a", "1");
            db_reopen(&db);
            db_expect(&db, "a", "1");
            db_end(&db);
            sim_fs_free(disk);
            sim_fs_free(after);
        }
    }
}

static void allocation_that_fails_while_opening_leaves_nothing_behind(void **state)
{
    struct fixture f;
    bool opened = false;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_fill(&f.db, "k", 0, 100, "v");
    db_flush(&f.db);
    db_fill(&f.db, "k", 100, 200, "v");
    db_close(&f.db);
    for (uint64_t n = 1; !opened; n++) {
        enum lsmkv_status status;

        lsm_alloc_fail_at(n, false);
        status = lsmkv_store_open(&f.db.store, f.db.dir, &f.db.how, &f.err);
        lsm_alloc_fail_at(0, false);
        if (status) {
            assert_status(status, LSMKV_NOMEM, &f.err);
            f.db.store = NULL;
            continue;
        }
        /* An open may live without some of its memory (removing orphans); then everything must be there. */
        assert_ok(lsmkv_session_open(&f.db.session, f.db.store, &f.err), &f.err);
        assert_int_equal(db_count(&f.db, "k"), 200);
        db_close(&f.db);
        opened = n > 2000;
    }
    tear_down(&f);
}

/* ---- Locking ---- */

static void second_open_in_the_process_is_busy(void **state)
{
    struct db db, second;

    (void)state;
    db_init(&db, NULL, test_dir());
    db_init(&second, NULL, db.dir);
    db_open(&db);
    assert_fails(db_try_open(&second), LSMKV_BUSY, &second.err, "locked by");
    db_put(&db, "a", "1");
    db_close(&db);
    db_open(&second);
    db_expect(&second, "a", "1");
    db_end(&second);
    db_end(&db);
}

static void second_process_is_told_who_holds_the_store(void **state)
{
    struct db db;
    char holder[64];
    int status;
    pid_t child;

    (void)state;
    db_init(&db, NULL, test_dir());
    db_open(&db);
    snprintf(holder, sizeof(holder), "locked by process %d", (int)getpid());
    child = fork();
    if (child == 0) {
        struct lsmkv_store *store;
        struct lsmkv_error err;
        bool told = lsmkv_store_open(&store, db.dir, &db.how, &err) == LSMKV_BUSY && strstr(err.message, holder);

        _exit(told ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    db_end(&db);
}

/* ---- What opening and closing touch ---- */

static void cleanly_closed_store_is_opened_and_closed_without_a_write(void **state)
{
    struct fixture f;
    /* A directory may be synced, and a file that is not there removed. */
    uint32_t writes = FAULT_CHANGES & ~(FAULT_BIT(FAULT_SYNC_DIR) | FAULT_BIT(FAULT_REMOVE));

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_fill(&f.db, "k", 0, 100, "v");
    db_flush(&f.db);
    db_fill(&f.db, "k", 100, 200, "v");
    db_close(&f.db);
    fault_fs_reset(f.faults);
    db_open(&f.db);
    assert_int_equal(db_count(&f.db, "k"), 200);
    assert_true(lsmkv_wait_idle(f.db.store, 60000));
    db_close(&f.db);
    assert_int_equal(fault_fs_count(f.faults, writes, NULL), 0);
    db_open(&f.db);
    db_put(&f.db, "more", "1"); /* it goes on in the same segment */
    assert_int_equal(db_stat(&f.db, "wal_segment"), 2);
    db_reopen(&f.db);
    db_expect(&f.db, "more", "1");
    assert_int_equal(db_count(&f.db, "k"), 200);
    tear_down(&f);
}

static void opening_reads_no_table(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    for (unsigned i = 0; i < 10; i++) {
        db_fill(&f.db, "k", i * 100, i * 100 + 100, "v");
        db_flush(&f.db);
    }
    assert_true(lsmkv_wait_idle(f.db.store, 60000));
    db_close(&f.db);
    fault_fs_reset(f.faults);
    db_open(&f.db);
    assert_int_equal(fault_fs_count(f.faults, FAULT_BIT(FAULT_OPEN), ".sst"), 0);
    assert_true(db_stat(&f.db, "tables_unloaded") > 0);
    assert_int_equal(db_stat(&f.db, "tables_loaded"), 0);
    assert_int_equal(db_count(&f.db, "k"), 1000);
    assert_true(fault_fs_count(f.faults, FAULT_BIT(FAULT_OPEN), ".sst") > 0);
    tear_down(&f);
}

/* What was replayed may hold several memtables' worth; it is rotated by the first commit. */
static void replayed_log_larger_than_a_memtable_is_flushed_by_the_first_write(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.db.options.max_immutables = 16;
    db_open(&f.db);
    db_hold(&f.db, "flush:begin");
    db_fill(&f.db, "k", 0, 2000, "0123456789012345678901234567890123456789");
    db_put(&f.db, "next", "1");
    db_wait_held(&f.db, "flush:begin");
    db_fill(&f.db, "l", 0, 2000, "0123456789012345678901234567890123456789");
    lsmkv_session_close(f.db.session); /* rolls back nothing */
    db_release(&f.db, "flush:begin");
    assert_ok(lsmkv_store_close(f.db.store, &f.err), &f.err);
    db_open(&f.db);
    assert_int_equal(db_count(&f.db, "k"), 2000);
    db_put(&f.db, "final", "1");
    db_flush(&f.db);
    assert_int_equal(db_count(&f.db, "l"), 2000);
    db_expect(&f.db, "next", "1");
    db_expect(&f.db, "final", "1");
    db_reopen(&f.db);
    assert_int_equal(db_count(&f.db, "k"), 2000);
    assert_int_equal(db_count(&f.db, "l"), 2000);
    tear_down(&f);
}

static void in_memory_store_works_and_leaves_no_file(void **state)
{
    struct db db;

    (void)state;
    db_init(&db, NULL, ":memory:");
    db.how.in_memory = true;
    db_open(&db);
    db_fill(&db, "k", 0, 3000, "0123456789012345678901234567890123456789");
    db_flush(&db);
    db_compact(&db);
    assert_int_equal(db_count(&db, "k"), 3000);
    assert_string_equal(lsmkv_store_dir(db.store), ":memory:");
    assert_int_equal(access(":memory:", F_OK), -1);
    db_close(&db);
    db_open(&db);
    assert_int_equal(db_count(&db, "k"), 0);
    db_end(&db);
}

static void store_and_its_files_are_private(void **state)
{
    struct db db;
    struct stat st;
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), "%s/store", test_dir());
    db_init(&db, NULL, path);
    db_open(&db);
    db_put(&db, "a", "1");
    db_flush(&db);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(path + strlen(path), 64, "/global.json");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    path[strlen(path) - strlen("/global.json")] = '\0';
    db_end(&db);
}

/* ---- Damage ---- */

static void make_damaged(struct fixture *f)
{
    set_up(f);
    db_open(&f->db);
    db_fill(&f->db, "k", 0, 200, "v");
    db_flush(&f->db);
    db_fill(&f->db, "k", 200, 300, "v");
    db_close(&f->db);
}

static void damaged_manifest_is_refused_by_name(void **state)
{
    struct fixture f;

    (void)state;
    make_damaged(&f);
    damage(f.memory, "store/global.json", 40);
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, "global.json");
    damage(f.memory, "store/global.json", 40); /* as it was */
    db_open(&f.db);
    tear_down(&f);
}

static void missing_level_file_is_refused_by_name(void **state)
{
    struct fixture f;
    char path[128];

    (void)state;
    make_damaged(&f);
    any_file(f.memory, "store/manifest", path);
    assert_int_equal(os_fs_remove(f.memory, path, NULL), LSMKV_OK);
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, path);
    tear_down(&f);
}

static void missing_table_is_refused_by_name(void **state)
{
    struct fixture f;
    char path[128];

    (void)state;
    make_damaged(&f);
    any_file(f.memory, "store/sst", path);
    assert_int_equal(os_fs_remove(f.memory, path, NULL), LSMKV_OK);
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, path);
    tear_down(&f);
}

static void damaged_table_is_found_at_first_touch_and_named(void **state)
{
    struct fixture f;
    char path[128];
    bool found;

    (void)state;
    make_damaged(&f);
    any_file(f.memory, "store/sst", path);
    damage(f.memory, path, 30);
    db_open(&f.db);
    db_expect(&f.db, "k000250", "v"); /* in the memtable */
    assert_fails(lsmkv_get(f.db.session, text("k000001"), NULL, &found, &f.err), LSMKV_CORRUPT, &f.err, path);
    assert_fails(lsmkv_get(f.db.session, text("k000001"), NULL, &found, &f.err), LSMKV_CORRUPT, &f.err, path);
    tear_down(&f);
}

static void missing_or_damaged_log_is_refused_by_name(void **state)
{
    struct fixture f;
    char path[128];

    (void)state;
    make_damaged(&f);
    any_file(f.memory, "store/wal", path);
    damage(f.memory, path, 10); /* the header */
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, path);
    damage(f.memory, path, 10);
    damage(f.memory, path, 140); /* a frame below the promised end */
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, path);
    assert_int_equal(os_fs_remove(f.memory, path, NULL), LSMKV_OK);
    assert_fails(db_try_open(&f.db), LSMKV_CORRUPT, &f.db.err, path);
    tear_down(&f);
}

static void log_of_another_store_is_refused(void **state)
{
    struct fixture f;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    struct os_file *file;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_close(&f.db);
    assert_ok(os_read_file(f.memory, "store/wal/000001.wal", 1 << 20, &bytes, &f.err), &f.err);
    f.db.dir = "other";
    db_open(&f.db);
    db_close(&f.db);
    assert_int_equal(os_fs_open(f.memory, "other/wal/000001.wal", OS_WRITE, &file, NULL), LSMKV_OK);
    assert_int_equal(os_write(file, 0, bytes.data, bytes.size, NULL), LSMKV_OK);
    assert_int_equal(os_close(file, NULL), LSMKV_OK);
    assert_fails(db_try_open(&f.db), LSMKV_CANTOPEN, &f.db.err, "belongs to another store");
    lsmkv_buf_release(&bytes);
    tear_down(&f);
}

/* ---- Destroying ---- */

static enum lsmkv_status close_and_destroy(struct db *db, struct lsmkv_error *err)
{
    struct lsmkv_store *store = db->store;

    lsmkv_session_close(db->session);
    db->store = NULL;
    db->session = NULL;
    return lsmkv_store_close_and_destroy(store, err);
}

static void destroy_removes_every_file_and_the_directory(void **state)
{
    struct fixture f;
    enum os_kind kind;

    (void)state;
    make_damaged(&f);
    db_open(&f.db);
    assert_ok(close_and_destroy(&f.db, &f.err), &f.err);
    assert_int_equal(os_fs_kind(f.memory, "store", &kind, NULL, NULL), LSMKV_OK);
    assert_int_equal(kind, OS_ABSENT);
    tear_down(&f);
}

static void destroy_keeps_all_where_one_file_is_foreign(void **state)
{
    struct fixture f;

    (void)state;
    make_damaged(&f);
    db_open(&f.db);
    make_file(f.memory, "store/sst/notes.txt", "mine");
    assert_fails(close_and_destroy(&f.db, &f.err), LSMKV_CANTOPEN, &f.err, "notes.txt");
    db_open(&f.db);
    assert_int_equal(db_count(&f.db, "k"), 300);
    tear_down(&f);
}

static void close_and_destroy_removes_what_only_it_has_locked(void **state)
{
    const char *dir = test_dir();
    char *foreign;
    enum os_kind kind;
    struct lsmkv_error err;
    struct db db;

    (void)state;
    db_init(&db, NULL, dir);
    db_open(&db);
    db_fill(&db, "k", 0, 50, "v");
    db_flush(&db);
    lsmkv_session_close(db.session);
    assert_ok(lsmkv_store_close_and_destroy(db.store, &err), &err);
    assert_int_equal(os_fs_kind(os_posix_fs(), dir, &kind, NULL, NULL), LSMKV_OK);
    assert_int_equal(kind, OS_ABSENT);

    /* What it keeps for a file that is not the store's was closed cleanly. */
    db_open(&db);
    db_fill(&db, "k", 0, 50, "v");
    foreign = os_path(dir, "wal/notes.txt");
    make_file(os_posix_fs(), foreign, "mine");
    lsm_free(foreign);
    lsmkv_session_close(db.session);
    assert_fails(lsmkv_store_close_and_destroy(db.store, &err), LSMKV_CANTOPEN, &err, "notes.txt");
    db_open(&db);
    assert_int_equal(db_count(&db, "k"), 50);
    db_close(&db);
    db_end(&db);
}

/* What is left is the whole store, one that says what is missing, or none: never some of the rows. */
static void destroy_that_died_leaves_no_part_of_the_rows(void **state)
{
    bool died = true;

    (void)state;
    for (uint64_t n = 1; died; n++) {
        struct sim_fs *disk = sim_fs_new(), *after;
        struct lsmkv_error err;
        struct db db;
        enum lsmkv_status status;

        db_init(&db, sim_fs_os(disk), "/store");
        db_open(&db);
        db_fill(&db, "k", 0, 50, "v");
        db_flush(&db);
        sim_fs_stop_at(disk, n);
        (void)close_and_destroy(&db, &err);
        died = sim_fs_stopped(disk);
        after = sim_fs_crash(disk, SIM_KEEP_ALL, n);
        db.how.fs = sim_fs_os(after);
        status = db_try_open(&db);
        if (!status)
            assert_true(db_count(&db, "k") == 50 || db_count(&db, "k") == 0);
        else
            assert_true(status == LSMKV_CORRUPT || status == LSMKV_CANTOPEN);
        if (!died)
            assert_int_equal(db_count(&db, "k"), 0);
        db_end(&db);
        sim_fs_free(disk);
        sim_fs_free(after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(created_store_opens_again_with_its_options_and_id),
        cmocka_unit_test(two_stores_have_two_ids),
        cmocka_unit_test(store_with_another_id_is_refused),
        cmocka_unit_test(absent_and_empty_directories_hold_no_store),
        cmocka_unit_test(path_that_is_a_file_is_refused),
        cmocka_unit_test(directory_of_somebody_else_is_refused_by_name_and_left_alone),
        cmocka_unit_test(store_without_its_manifest_is_not_taken_for_empty),
        cmocka_unit_test(creation_that_died_at_any_call_can_be_repeated),
        cmocka_unit_test(allocation_that_fails_while_opening_leaves_nothing_behind),
        cmocka_unit_test(second_open_in_the_process_is_busy),
        cmocka_unit_test(second_process_is_told_who_holds_the_store),
        cmocka_unit_test(cleanly_closed_store_is_opened_and_closed_without_a_write),
        cmocka_unit_test(opening_reads_no_table),
        cmocka_unit_test(replayed_log_larger_than_a_memtable_is_flushed_by_the_first_write),
        cmocka_unit_test(in_memory_store_works_and_leaves_no_file),
        cmocka_unit_test(store_and_its_files_are_private),
        cmocka_unit_test(damaged_manifest_is_refused_by_name),
        cmocka_unit_test(missing_level_file_is_refused_by_name),
        cmocka_unit_test(missing_table_is_refused_by_name),
        cmocka_unit_test(damaged_table_is_found_at_first_touch_and_named),
        cmocka_unit_test(missing_or_damaged_log_is_refused_by_name),
        cmocka_unit_test(log_of_another_store_is_refused),
        cmocka_unit_test(destroy_removes_every_file_and_the_directory),
        cmocka_unit_test(destroy_keeps_all_where_one_file_is_foreign),
        cmocka_unit_test(close_and_destroy_removes_what_only_it_has_locked),
        cmocka_unit_test(destroy_that_died_leaves_no_part_of_the_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
