/*
 * disk_full.c - stores on a disk that gets full, and in a process that runs out of file size and descriptors.
 *
 * The disk is a small tmpfs. While it is full, commits are refused with SQLITE_FULL and a message that names a file, rows
 * can be read, and nothing that was acknowledged is lost; as soon as there is space, commits go on without anything being
 * opened again. Needs the right to mount: exits with 77 without it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault_kit.h"

#define BALLAST (3u << 20)

struct disk {
    const char *at; /* where it is mounted */
    const char *db; /* the database */
    sqlite3 *sqlite;
    int64_t rows; /* acknowledged, with numbers from 0 on */
};

static void drop_ballast(const struct disk *disk)
{
    assert_int_equal(unlink(kit_path(disk->at, "ballast")), 0);
}

static void reconnect(struct disk *disk)
{
    if (disk->sqlite)
        kit_close(disk->sqlite);
    disk->sqlite = kit_open(disk->db);
}

/* `together`: the database is on the full disk, too. */
static void set_up(struct disk *disk, const char *size, bool together, const char *options)
{
    void *ballast = calloc(1, BALLAST);
    char limits[64];

    memset(disk, 0, sizeof(*disk));
    disk->at = strdup(kit_path(test_dir(), "disk"));
    disk->db = strdup(kit_path(together ? disk->at : test_dir(), "db"));
    snprintf(limits, sizeof(limits), "size=%s", size);
    assert_int_equal(mkdir(disk->at, 0700), 0);
    assert_int_equal(mount("tmpfs", disk->at, "tmpfs", 0, limits), 0);
    assert_non_null(ballast);
    kit_write(kit_path(disk->at, "ballast"), ballast, BALLAST);
    free(ballast);
    reconnect(disk);
    kit_run(disk->sqlite,
            "CREATE VIRTUAL TABLE t USING lsmkv(%Q, i INTEGER PRIMARY KEY, body TEXT, memtable_size='256KB', "
            "base_level_size='256KB', %s)",
            kit_path(disk->at, "store"), options);
}

static void tear_down(struct disk *disk)
{
    if (disk->sqlite)
        kit_close(disk->sqlite);
    assert_int_equal(umount(disk->at), 0);
    free((char *)disk->at);
    free((char *)disk->db);
}

/* `count` rows in one transaction. */
static int put(struct disk *disk, int64_t count)
{
    int rc = kit_try(disk->sqlite,
                     "WITH RECURSIVE n(i) AS (SELECT %lld UNION ALL SELECT i + 1 FROM n WHERE i < %lld) "
                     "INSERT INTO t SELECT i, printf('%%.*c', 1000 + i %% 100, char(97 + i %% 26)) FROM n",
                     disk->rows, disk->rows + count - 1);

    if (!rc)
        disk->rows += count;
    return rc;
}

static void expect_full(const struct disk *disk, int rc)
{
    kit_expect_error(disk->sqlite, rc, SQLITE_FULL, disk->at);
}

static void check_rows(const struct disk *disk)
{
    assert_int_equal(kit_number(disk->sqlite, "SELECT count(*) FROM t"), disk->rows);
    assert_int_equal(kit_number(disk->sqlite,
                                "SELECT count(*) FROM t WHERE length(body) = 1000 + i %% 100 AND "
                                "trim(body, char(97 + i %% 26)) = '' AND i BETWEEN 0 AND %lld",
                                disk->rows - 1),
                     disk->rows);
}

static void fill_up(struct disk *disk, int64_t count)
{
    int rc;

    while ((rc = put(disk, count)) == SQLITE_OK)
        ;
    expect_full(disk, rc);
    assert_true(disk->rows > 1000);
    check_rows(disk);
}

/* ---- Tests ---- */

static void commits_are_refused_and_resume(int64_t count, const char *options)
{
    struct disk disk;

    set_up(&disk, "10m", false, options);
    fill_up(&disk, count);
    fill_up(&disk, count); /* a compaction may have made room */
    drop_ballast(&disk);
    for (unsigned i = 0; i < 20; i++) {
        if (put(&disk, 10))
            fail_msg("the first commits after there is space: %s", sqlite3_errmsg(disk.sqlite));
    }
    check_rows(&disk);
    kit_run(disk.sqlite, "SELECT lsmkv_flush('t')");
    reconnect(&disk);
    check_rows(&disk);
    tear_down(&disk);
}

static void single_rows_are_refused_and_resume(void **state)
{
    (void)state;
    commits_are_refused_and_resume(1, "sync=normal");
}

static void transactions_are_refused_and_resume(void **state)
{
    (void)state;
    commits_are_refused_and_resume(100, "sync=full");
}

static void large_transactions_are_refused_and_resume(void **state)
{
    (void)state;
    commits_are_refused_and_resume(1000, "sync=off");
}

static void full_disk_with_the_database_on_it(void **state)
{
    struct disk disk;
    int rc;

    (void)state;
    set_up(&disk, "10m", true, "sync=full");
    kit_run(disk.sqlite, "CREATE TABLE ordinary(x)");
    while ((rc = put(&disk, 50)) == SQLITE_OK)
        ;
    assert_int_equal(rc & 0xff, SQLITE_FULL);
    check_rows(&disk);
    drop_ballast(&disk);
    kit_run(disk.sqlite, "BEGIN; INSERT INTO ordinary VALUES(zeroblob(10000))");
    assert_int_equal(put(&disk, 10), SQLITE_OK);
    kit_run(disk.sqlite, "COMMIT");
    check_rows(&disk);
    reconnect(&disk);
    check_rows(&disk);
    tear_down(&disk);
}

/* Closing cannot record the end, and opening has no space to recover; nothing of that loses anything. */
static void store_closed_on_a_full_disk_opens_when_there_is_space(void **state)
{
    struct disk disk;
    int rc;

    (void)state;
    set_up(&disk, "10m", false, "sync=full");
    fill_up(&disk, 10);
    reconnect(&disk);
    rc = kit_try(disk.sqlite, "SELECT count(*) FROM t");
    if (rc)
        expect_full(&disk, rc);
    drop_ballast(&disk);
    check_rows(&disk);
    assert_int_equal(put(&disk, 10), SQLITE_OK);
    reconnect(&disk);
    check_rows(&disk);
    tear_down(&disk);
}

static void full_disk_refuses_a_new_store(void **state)
{
    struct disk disk;
    struct stat about;
    void *rest = calloc(1, 16 << 20);
    FILE *file;
    int rc;

    (void)state;
    set_up(&disk, "10m", false, "sync=full");
    file = fopen(kit_path(disk.at, "rest"), "wb");
    setvbuf(file, NULL, _IONBF, 0);
    assert_true(fwrite(rest, 1, 16 << 20, file) < 16 << 20);
    fclose(file);
    free(rest);
    rc = kit_try(disk.sqlite, "CREATE VIRTUAL TABLE u USING lsmkv(%Q, key, value)", kit_path(disk.at, "other"));
    expect_full(&disk, rc);
    drop_ballast(&disk);
    kit_run(disk.sqlite, "CREATE VIRTUAL TABLE u USING lsmkv(%Q, key, value)", kit_path(disk.at, "other"));
    kit_run(disk.sqlite, "DROP TABLE u; DROP TABLE t");
    kit_close(disk.sqlite);
    disk.sqlite = NULL;
    assert_int_equal(stat(kit_path(disk.at, "other"), &about), -1);
    tear_down(&disk);
}

/* ---- Limits of a process ---- */

struct limit {
    int which;
    struct rlimit before;
};

static void limit_set(struct limit *limit, int which, rlim_t value)
{
    struct rlimit now;

    limit->which = which;
    assert_int_equal(getrlimit(which, &limit->before), 0);
    now = limit->before;
    now.rlim_cur = value;
    assert_int_equal(setrlimit(which, &now), 0);
}

static void limit_restore(const struct limit *limit)
{
    assert_int_equal(setrlimit(limit->which, &limit->before), 0);
}

/* A host that keeps the signal's default dies of it in SQLite, too. */
static void file_size_limit_loses_nothing(void **state)
{
    struct disk disk;
    struct limit limit;
    int rc = SQLITE_OK;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    set_up(&disk, "40m", false, "sync=full");
    limit_set(&limit, RLIMIT_FSIZE, 200 << 10);
    for (unsigned i = 0; !rc && i < 1000; i++)
        rc = put(&disk, 10);
    limit_restore(&limit);
    if ((rc & 0xff) != SQLITE_FULL && (rc & 0xff) != SQLITE_IOERR && (rc & 0xff) != SQLITE_READONLY)
        fail_msg("%d: %s", rc, sqlite3_errmsg(disk.sqlite));
    assert_non_null(strstr(sqlite3_errmsg(disk.sqlite), disk.at));
    check_rows(&disk);
    reconnect(&disk);
    check_rows(&disk);
    assert_int_equal(put(&disk, 500), SQLITE_OK);
    check_rows(&disk);
    tear_down(&disk);
}

static unsigned open_files(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += access(kit_path("/proc/self/fd", "%d", fd), F_OK) == 0;
    return count;
}

static void too_few_descriptors_are_an_error_that_passes(void **state)
{
    unsigned before = open_files();
    struct disk disk;
    struct limit limit;

    (void)state;
    set_up(&disk, "40m", false, "sync=off, l0_tables=100");
    for (unsigned i = 0; i < 40; i++) { /* tables of L0, never merged */
        assert_int_equal(put(&disk, 10), SQLITE_OK);
        kit_run(disk.sqlite, "SELECT lsmkv_flush('t')");
    }
    reconnect(&disk);
    kit_run(disk.sqlite, "SELECT count(*) FROM t WHERE i = -1"); /* opens the store and no table */
    limit_set(&limit, RLIMIT_NOFILE, open_files() + 8);
    for (unsigned i = 0; i < 3; i++) {
        int rc = kit_try(disk.sqlite, "SELECT * FROM t");

        if ((rc & 0xff) != SQLITE_IOERR && (rc & 0xff) != SQLITE_CANTOPEN)
            fail_msg("%d: %s", rc, sqlite3_errmsg(disk.sqlite));
        assert_non_null(strstr(sqlite3_errmsg(disk.sqlite), ".sst"));
        assert_non_null(strstr(sqlite3_errmsg(disk.sqlite), strerror(EMFILE)));
    }
    limit_restore(&limit);
    check_rows(&disk);
    assert_int_equal(put(&disk, 10), SQLITE_OK);
    check_rows(&disk);
    tear_down(&disk);
    assert_int_equal(open_files(), before);
}

static bool can_mount(void)
{
    const char *at = test_dir();

    return kit_use_private_mounts() && mount("tmpfs", at, "tmpfs", 0, "size=1m") == 0 && umount(at) == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_rows_are_refused_and_resume),
        cmocka_unit_test(transactions_are_refused_and_resume),
        cmocka_unit_test(large_transactions_are_refused_and_resume),
        cmocka_unit_test(full_disk_with_the_database_on_it),
        cmocka_unit_test(store_closed_on_a_full_disk_opens_when_there_is_space),
        cmocka_unit_test(full_disk_refuses_a_new_store),
        cmocka_unit_test(file_size_limit_loses_nothing),
        cmocka_unit_test(too_few_descriptors_are_an_error_that_passes),
    };

    kit_use_memory_dirs();
    if (!can_mount()) {
        printf("a tmpfs cannot be mounted: %s\n", strerror(errno));
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
