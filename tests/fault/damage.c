/*
 * damage.c - every file of a store is damaged, cut, removed and replaced; the table is then read through SQL.
 *
 * Four stores: rows in the log only, and tables on several levels with a log; each closed cleanly, and as a crash leaves
 * it. Whatever is done to a file, a read gives either the right rows or an error that names the file. Only what followed
 * the last sync that a crashed store can prove may be missing: then the rows end early. DROP TABLE works on all of it.
 * And: paths that are not stores, and files of a newer format.
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault_kit.h"
#include "lsm/base/buf.h"
#include "lsm/base/checksum.h"
#include "lsm/base/coding.h"
#include "lsm/manifest/format.h"

#define FILES_MAX 64

struct original {
    const char *name;
    bool levels;  /* tables on several levels; otherwise the log only */
    bool crashed; /* as it was while it was open */
    const char *dir;
    int64_t rows;      /* committed one by one, in the order of their number */
    int64_t in_tables; /* of these, rows that no longer need the log */
    char *files[FILES_MAX];
    unsigned file_count;
};

static struct original originals[] = {
    {.name = "log"},
    {.name = "crashed log", .crashed = true},
    {.name = "levels", .levels = true},
    {.name = "crashed levels", .levels = true, .crashed = true},
};
#define ORIGINALS (sizeof(originals) / sizeof(originals[0]))

/* One case: what was done to which file of which store. */
struct work {
    const struct original *original;
    const char *file; /* below the store's directory */
    const char *what;
    uint64_t offset;
    bool must_fail;    /* every byte of the file is under a checksum */
    const char *dir;   /* of the copy */
    const char *store; /* inside it */
    const char *path;  /* of the damaged file */
};

/* ---- The originals ---- */

static char letter_of(int64_t i)
{
    return (char)('a' + i % 26);
}

static void put_rows(sqlite3 *db, int64_t from, int64_t to, unsigned size)
{
    for (int64_t i = from; i < to; i++)
        kit_run(db, "INSERT INTO t VALUES('k%04lld', %lld, printf('%%.*c', %u, %Q))", (i * 7919) % 10000, i,
                size + (unsigned)(i % 7), (char[]){letter_of(i), 0});
}

static void fill(struct original *original, sqlite3 *db)
{
    kit_run(db, "CREATE TABLE ordinary(x)");
    kit_run(db, "CREATE VIRTUAL TABLE t USING lsmkv(key TEXT PRIMARY KEY, i INTEGER, body, memtable_size='64KB', "
                "base_level_size='64KB', filter_bits=10)");
    if (original->levels) {
        put_rows(db, 0, 60, 1000);
        kit_run(db, "SELECT lsmkv_compact('t')");
        put_rows(db, 60, 100, 1000);
        kit_run(db, "SELECT lsmkv_flush('t')");
        original->in_tables = 100;
    }
    put_rows(db, original->in_tables, original->in_tables + 30, 50);
    original->rows = original->in_tables + 30;
}

/* nftw() passes no context. */
static struct original *listed;

static int list_file(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)where;
    if (type == FTW_F && strstr(path, "/db-lsmkv/")) {
        assert_true(listed->file_count < FILES_MAX);
        listed->files[listed->file_count++] = strdup(strstr(path, "/db-lsmkv/") + strlen("/db-lsmkv/"));
    }
    return 0;
}

static int make_originals(void **state)
{
    (void)state;
    kit_use_memory_dirs();
    for (size_t i = 0; i < ORIGINALS; i++) {
        struct original *original = &originals[i];
        const char *dir = test_dir();
        sqlite3 *db = kit_open(kit_path(dir, "db"));

        fill(original, db);
        original->dir = strdup(kit_path(test_dir(), "copy"));
        if (original->crashed)
            kit_copy_tree(dir, original->dir);
        kit_close(db);
        if (!original->crashed)
            kit_copy_tree(dir, original->dir);
        listed = original;
        nftw(original->dir, list_file, 16, FTW_PHYS);
    }
    return 0;
}

static int free_originals(void **state)
{
    (void)state;
    for (size_t i = 0; i < ORIGINALS; i++) {
        free((char *)originals[i].dir);
        while (originals[i].file_count)
            free(originals[i].files[--originals[i].file_count]);
    }
    return 0;
}

/* ---- Reading a damaged store ---- */

static void complain(const struct work *work, const char *why, sqlite3 *db)
{
    fail_msg("%s: %s %s at %u: %s: %s", work->original->name, work->file, work->what, (unsigned)work->offset, why,
             db ? sqlite3_errmsg(db) : "");
}

/* An error is right if its message names the file. */
static void check_error(const struct work *work, sqlite3 *db, int rc)
{
    int primary = rc & 0xff;
    const char *name = strrchr(work->file, '/') ? strrchr(work->file, '/') + 1 : work->file;

    if (primary != SQLITE_CORRUPT && primary != SQLITE_CANTOPEN && primary != SQLITE_IOERR)
        complain(work, "wrong code", db);
    if (!strstr(sqlite3_errmsg(db), name))
        complain(work, "the message does not name the file", db);
}

/* The next row of a scan by key; true if its content is that of its number. */
static bool row_is_right(sqlite3_stmt *statement, bool *seen, int64_t rows)
{
    int64_t i = sqlite3_column_int64(statement, 1);
    const char *body = (const char *)sqlite3_column_text(statement, 2);
    size_t size = (size_t)sqlite3_column_bytes(statement, 2);
    char key[16];

    snprintf(key, sizeof(key), "k%04d", (int)((i * 7919) % 10000));
    if (i < 0 || i >= rows || seen[i] || strcmp((const char *)sqlite3_column_text(statement, 0), key) != 0)
        return false;
    seen[i] = true;
    return size % 50 == (size_t)i % 7 && strlen(body) == size && strspn(body, (char[]){letter_of(i), 0}) == size;
}

/* All rows by a scan. `seen` gets those that are there. */
static int scan(const struct work *work, sqlite3 *db, bool *seen)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT key, i, body FROM t ORDER BY key", -1, &statement, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW && !row_is_right(statement, seen, work->original->rows))
            complain(work, "a wrong row", NULL);
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Some rows by their keys, which asks the filters too. */
static int look_up(const struct work *work, sqlite3 *db, const bool *seen)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT i FROM t WHERE key = printf('k%04d', (?1 * 7919) % 10000)", -1, &statement,
                                NULL);

    for (int64_t i = 0; rc == SQLITE_OK && i < work->original->rows; i += 9) {
        sqlite3_bind_int64(statement, 1, i);
        rc = sqlite3_step(statement);
        if ((rc == SQLITE_ROW || rc == SQLITE_DONE) && seen[i] != (rc == SQLITE_ROW))
            complain(work, "a scan and a search differ", NULL);
        if (rc == SQLITE_ROW && sqlite3_column_int64(statement, 0) != i)
            complain(work, "a search found another row", NULL);
        if (rc == SQLITE_ROW || rc == SQLITE_DONE)
            rc = sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return rc;
}

/* Rows that were read without an error: all, or of a crashed store the first ones, if the log was hurt. */
static void check_rows(const struct work *work, const bool *seen, int64_t may_miss)
{
    const struct original *original = work->original;
    int64_t count = 0;

    while (count < original->rows && seen[count])
        count++;
    for (int64_t i = count; i < original->rows; i++) {
        if (seen[i])
            complain(work, "a row in the middle is missing", NULL);
    }
    if (count < original->rows && (!original->crashed || !strstr(work->file, ".wal") || count < original->in_tables))
        complain(work, "rows are missing", NULL);
    if (count < original->rows - may_miss)
        complain(work, "too many rows are missing", NULL);
}

/* Opens and reads the copy, then drops its table. `may_miss`: rows that a crashed store may have lost. */
static void examine(const struct work *work, int64_t may_miss)
{
    sqlite3 *db = kit_open(kit_path(work->dir, "db"));
    bool seen[256] = {false};
    int rc = scan(work, db, seen);

    if (!rc) {
        check_rows(work, seen, may_miss);
        rc = look_up(work, db, seen);
    }
    if (rc)
        check_error(work, db, rc);
    else if (work->must_fail)
        complain(work, "nothing was noticed", NULL);
    if (kit_try(db, "DROP TABLE t"))
        complain(work, "DROP TABLE", db);
    if (kit_number(db, "SELECT count(*) FROM sqlite_schema WHERE name NOT IN ('ordinary', 'lsmkv_marker')") != 0)
        complain(work, "DROP TABLE left something", NULL);
    kit_run(db, "INSERT INTO ordinary VALUES(1)");
    kit_close(db);
}

static void copy_begin(struct work *work, const struct original *original, const char *file)
{
    work->original = original;
    work->file = file;
    work->offset = 0;
    work->must_fail = false;
    work->store = kit_path(work->dir, "db-lsmkv");
    work->path = kit_path(work->dir, "db-lsmkv/%s", file);
    kit_copy_tree(original->dir, work->dir);
}

static void copy_end(const struct work *work)
{
    kit_remove_tree(work->dir);
}

/* ---- Tests: bytes ---- */

static size_t size_of(const struct work *work)
{
    struct stat about;

    assert_int_equal(stat(work->path, &about), 0);
    return (size_t)about.st_size;
}

static void flip(const struct work *work, uint8_t with)
{
    size_t size;
    uint8_t *data = kit_read(work->path, &size);

    assert_true(work->offset < size);
    data[work->offset] ^= with;
    kit_write(work->path, data, size);
    free(data);
}

/* Bytes of a file that hold something: a log is preallocated. */
static size_t used_size(const struct work *work)
{
    size_t size;
    uint8_t *data = kit_read(work->path, &size);

    while (strstr(work->file, ".wal") && size > 1 && data[size - 1] == 0)
        size--;
    free(data);
    return size;
}

static void flip_file(struct work *work, const struct original *original, const char *file, size_t flips,
                      uint64_t *random)
{
    size_t size, step;

    copy_begin(work, original, file);
    size = used_size(work);
    copy_end(work);
    step = size / flips + 1;
    for (size_t offset = test_random(random) % step; offset < size; offset += step) {
        copy_begin(work, original, file);
        work->what = "flipped";
        work->offset = offset;
        if (size_of(work) > 0) {
            work->must_fail = strstr(file, ".json") || strstr(file, ".sst");
            flip(work, (uint8_t)(1u << (test_random(random) % 8)));
            examine(work, 1); /* damage to the last frame of a crashed store looks torn */
        }
        copy_end(work);
    }
}

static void flipped_bits_never_give_a_wrong_answer(void **state)
{
    struct work work = {.dir = strdup(kit_path(test_dir(), "case"))};
    uint64_t random = test_seed();

    (void)state;
    for (size_t i = 0; i < ORIGINALS; i++) {
        for (unsigned f = 0; f < originals[i].file_count; f++)
            flip_file(&work, &originals[i], originals[i].files[f], test_scaled(40), &random);
    }
    free((char *)work.dir);
}

/* Every byte of the file that all depends on. */
static void every_byte_of_the_manifest_is_checked(void **state)
{
    struct work work = {.dir = strdup(kit_path(test_dir(), "case"))};
    uint64_t random = test_seed();

    (void)state;
    flip_file(&work, &originals[2], "global.json", test_scaled(2000), &random);
    free((char *)work.dir);
}

static void cut(const struct work *work, size_t size)
{
    assert_int_equal(truncate(work->path, (off_t)size), 0);
}

static void append(const struct work *work, const char *bytes, size_t size)
{
    FILE *file = fopen(work->path, "ab");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void cut_and_lengthened_files_are_noticed(void **state)
{
    static const char garbage[] = "garbage that somebody appended to a file of ours, longer than a header";
    struct work work = {.dir = strdup(kit_path(test_dir(), "case"))};

    (void)state;
    for (size_t i = 0; i < ORIGINALS; i++) {
        for (unsigned f = 0; f < originals[i].file_count; f++) {
            for (unsigned part = 0; part <= 8; part++) {
                size_t used;

                copy_begin(&work, &originals[i], originals[i].files[f]);
                used = used_size(&work);
                work.what = "cut";
                work.offset = part == 8 ? (used ? used - 1 : 0) : used * part / 8;
                cut(&work, work.offset);
                examine(&work, originals[i].rows); /* nothing tells that there was more */
                copy_end(&work);
            }
            for (unsigned size = 1; size < sizeof(garbage); size += 20) {
                copy_begin(&work, &originals[i], originals[i].files[f]);
                work.what = "with garbage";
                work.offset = size;
                append(&work, garbage, size);
                examine(&work, 0);
                copy_end(&work);
            }
        }
    }
    free((char *)work.dir);
}

/* ---- Tests: names ---- */

static void remove_file(const struct work *work)
{
    assert_int_equal(unlink(work->path), 0);
}

static void replace_by_directory(const struct work *work)
{
    remove_file(work);
    assert_int_equal(mkdir(work->path, 0700), 0);
}

static void replace_by_fifo(const struct work *work)
{
    remove_file(work);
    assert_int_equal(mkfifo(work->path, 0600), 0);
}

static void replace_by_link(const struct work *work)
{
    const char *target = kit_path(work->dir, "elsewhere");

    assert_int_equal(rename(work->path, target), 0);
    assert_int_equal(symlink(target, work->path), 0);
}

static void missing_and_replaced_files_are_noticed(void **state)
{
    static const struct {
        const char *what;
        void (*apply)(const struct work *work);
    } changes[] = {
        {"removed", remove_file},
        {"replaced by a directory", replace_by_directory},
        {"replaced by a FIFO", replace_by_fifo},
        {"replaced by a link", replace_by_link},
    };
    struct work work = {.dir = strdup(kit_path(test_dir(), "case"))};

    (void)state;
    for (size_t i = 0; i < ORIGINALS; i++) {
        for (unsigned f = 0; f < originals[i].file_count; f++) {
            for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++) {
                copy_begin(&work, &originals[i], originals[i].files[f]);
                work.what = changes[c].what;
                changes[c].apply(&work);
                examine(&work, originals[i].rows);
                copy_end(&work);
            }
        }
    }
    free((char *)work.dir);
}

static void missing_store_is_an_error_and_can_be_dropped(void **state)
{
    const char *dir = kit_path(test_dir(), "case");
    sqlite3 *db;

    (void)state;
    kit_copy_tree(originals[2].dir, dir);
    kit_remove_tree(kit_path(dir, "db-lsmkv"));
    db = kit_open(kit_path(dir, "db"));
    kit_expect_error(db, kit_try(db, "SELECT * FROM t"), SQLITE_CANTOPEN, "db-lsmkv: the store is missing");
    assert_int_equal(access(kit_path(dir, "db-lsmkv"), F_OK), -1);
    kit_run(db, "DROP TABLE t");
    kit_close(db);
}

/* ---- Tests: newer formats ---- */

static void expect_newer_is_refused(struct work *work)
{
    sqlite3 *db = kit_open(kit_path(work->dir, "db"));
    int rc = kit_try(db, "SELECT count(*), max(body) FROM t");
    const char *name = strrchr(work->file, '/') ? strrchr(work->file, '/') + 1 : work->file;

    kit_expect_error(db, rc, SQLITE_CANTOPEN, name);
    kit_expect_error(db, rc, SQLITE_CANTOPEN, "format");
    kit_close(db);
    copy_end(work);
}

static const char *file_like(const struct original *original, const char *part)
{
    for (unsigned f = 0; f < original->file_count; f++) {
        if (strstr(original->files[f], part))
            return original->files[f];
    }
    fail_msg("%s has no file like %s", original->name, part);
    return NULL;
}

static void rewrite_json(const struct work *work)
{
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    size_t size;
    char *data = (char *)kit_read(work->path, &size), *format;
    uint64_t checksum;

    data[size] = '\0';
    format = strstr(data, "\"format\": 1");
    assert_non_null(format);
    format[strlen("\"format\": ")] = '9';
    assert_int_equal(buf_append(&text, data, size - MANIFEST_TAIL_SIZE, NULL), LSMKV_OK);
    assert_int_equal(manifest_text_finish(&text, &checksum, NULL), LSMKV_OK);
    kit_write(work->path, text.data, text.size);
    lsmkv_buf_release(&text);
    free(data);
}

/* Sets a version field and the checksum over the `covered` bytes from `start` on, which follows them. */
static void rewrite_version(const struct work *work, int64_t start, size_t version_at, size_t covered)
{
    size_t size;
    uint8_t *data = kit_read(work->path, &size), *at = data + (start < 0 ? (int64_t)size + start : start);

    put_u32(at + version_at, 9);
    put_u64(at + covered, checksum64((struct lsmkv_slice){at, covered}));
    kit_write(work->path, data, size);
    free(data);
}

static void newer_formats_are_refused_by_name(void **state)
{
    struct work work = {.dir = strdup(kit_path(test_dir(), "case"))};

    (void)state;
    for (size_t i = 2; i < ORIGINALS; i++) {
        copy_begin(&work, &originals[i], "global.json");
        rewrite_json(&work);
        expect_newer_is_refused(&work);
        copy_begin(&work, &originals[i], file_like(&originals[i], "manifest/level_"));
        rewrite_json(&work);
        expect_newer_is_refused(&work);
        copy_begin(&work, &originals[i], file_like(&originals[i], ".wal"));
        rewrite_version(&work, 0, 8, 72);
        expect_newer_is_refused(&work);
        copy_begin(&work, &originals[i], file_like(&originals[i], ".sst"));
        rewrite_version(&work, -56, 36, 40);
        expect_newer_is_refused(&work);
    }
    free((char *)work.dir);
}

/* ---- Tests: places that are no stores ---- */

/* The message names the file or directory that is in the way. */
static void expect_refused(const char *place, const char *named, const char *text)
{
    sqlite3 *db = kit_open(kit_path(test_dir(), "db"));
    int rc = kit_try(db, "CREATE VIRTUAL TABLE t USING lsmkv('%q', key PRIMARY KEY, value)", place);

    if (!strstr(sqlite3_errmsg(db), named))
        fail_msg("the message does not name %s: %s", named, sqlite3_errmsg(db));
    kit_expect_error(db, rc, rc & 0xff, text);
    assert_true((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_IOERR);
    assert_int_equal(kit_number(db, "SELECT count(*) FROM sqlite_schema"), 0);
    kit_close(db);
}

static void file_is_not_a_store(void **state)
{
    const char *path = kit_path(test_dir(), "file");

    (void)state;
    kit_write(path, "precious", 8);
    expect_refused(path, path, "not a directory");
    expect_refused(kit_path(path, "below"), path, strerror(ENOTDIR));
}

static void foreign_directory_is_refused_and_left_alone(void **state)
{
    const char *dir = test_dir();
    struct stat about;

    (void)state;
    kit_write(kit_path(dir, "precious.txt"), "precious", 8);
    expect_refused(dir, dir, "precious.txt");
    assert_int_equal(stat(kit_path(dir, "precious.txt"), &about), 0);
    assert_int_equal(access(kit_path(dir, "lock"), F_OK), -1);
    assert_int_equal(access(kit_path(dir, "wal"), F_OK), -1);
}

static void missing_parent_is_refused(void **state)
{
    const char *dir = test_dir();

    (void)state;
    expect_refused(kit_path(dir, "no/such/store"), kit_path(dir, "no/such"), strerror(ENOENT));
}

static void store_of_another_table_is_refused(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db;

    (void)state;
    kit_copy_tree(originals[0].dir, kit_path(dir, "a"));
    kit_copy_tree(originals[2].dir, kit_path(dir, "b"));
    kit_remove_tree(kit_path(dir, "a/db-lsmkv"));
    assert_int_equal(rename(kit_path(dir, "b/db-lsmkv"), kit_path(dir, "a/db-lsmkv")), 0);
    db = kit_open(kit_path(dir, "a/db"));
    kit_expect_error(db, kit_try(db, "SELECT * FROM t"), SQLITE_CANTOPEN, "another store");
    kit_run(db, "DROP TABLE t");
    kit_close(db);
    assert_int_equal(access(kit_path(dir, "a/db-lsmkv/global.json"), F_OK), 0); /* it is not the dropped table's */
}

/* Root may write everywhere, so only a read-only mount will do. */
static void read_only_directory_is_refused_by_name(void **state)
{
    const char *dir = test_dir(), *place = kit_path(dir, "mount");
    sqlite3 *db;

    (void)state;
    kit_copy_tree(originals[2].dir, kit_path(dir, "mount"));
    if (!kit_use_private_mounts() || mount(place, place, NULL, MS_BIND, NULL) != 0)
        skip();
    assert_int_equal(mount(NULL, place, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    expect_refused(kit_path(place, "new"), kit_path(place, "new"), strerror(EROFS));
    db = kit_open(kit_path(place, "db"));
    kit_expect_error(db, kit_try(db, "SELECT * FROM t"), SQLITE_IOERR, "db-lsmkv/lock");
    kit_close(db);
    assert_int_equal(umount(place), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flipped_bits_never_give_a_wrong_answer),
        cmocka_unit_test(every_byte_of_the_manifest_is_checked),
        cmocka_unit_test(cut_and_lengthened_files_are_noticed),
        cmocka_unit_test(missing_and_replaced_files_are_noticed),
        cmocka_unit_test(missing_store_is_an_error_and_can_be_dropped),
        cmocka_unit_test(newer_formats_are_refused_by_name),
        cmocka_unit_test(file_is_not_a_store),
        cmocka_unit_test(foreign_directory_is_refused_and_left_alone),
        cmocka_unit_test(missing_parent_is_refused),
        cmocka_unit_test(store_of_another_table_is_refused),
        cmocka_unit_test(read_only_directory_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, make_originals, free_originals);
}
