/*
 * fault_kit.c - connections, statements, files of the fault tests.
 */
#include "fault_kit.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ext/entry.h"

void kit_use_memory_dirs(void)
{
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
}

bool kit_use_private_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* ---- SQL ---- */

sqlite3 *kit_open(const char *path)
{
    char *message = NULL;
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_extended_result_codes(db, 1);
    if ((sqlite3_lsmkv_init(db, &message, NULL) & 0xff) != SQLITE_OK)
        fail_msg("sqlite3_lsmkv_init: %s", message);
    return db;
}

void kit_close(sqlite3 *db)
{
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int run(sqlite3 *db, const char *format, va_list arguments)
{
    char *sql = sqlite3_vmprintf(format, arguments);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    sqlite3_free(sql);
    return rc;
}

int kit_try(sqlite3 *db, const char *format, ...)
{
    va_list arguments;
    int rc;

    va_start(arguments, format);
    rc = run(db, format, arguments);
    va_end(arguments);
    return rc;
}

void kit_run(sqlite3 *db, const char *format, ...)
{
    va_list arguments;
    int rc;

    va_start(arguments, format);
    rc = run(db, format, arguments);
    va_end(arguments);
    if (rc)
        fail_msg("%s: %d %s", format, rc, sqlite3_errmsg(db));
}

int64_t kit_number(sqlite3 *db, const char *format, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list arguments;
    int64_t number = 0;
    char *sql;
    int rc;

    va_start(arguments, format);
    sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    else
        fail_msg("%s: %d %s", sql, rc, sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return number;
}

void kit_expect_error(sqlite3 *db, int rc, int code, const char *text)
{
    if ((rc & 0xff) != code || !strstr(sqlite3_errmsg(db), text))
        fail_msg("expected %d \"%s\", got %d \"%s\"", code, text, rc, sqlite3_errmsg(db));
}

/* ---- Files ---- */

const char *kit_path(const char *dir, const char *format, ...)
{
    static char paths[16][1024];
    static unsigned next;
    char *path = paths[next++ % 16];
    va_list arguments;
    int size = snprintf(path, sizeof(paths[0]), "%s/", dir);

    va_start(arguments, format);
    vsnprintf(path + size, sizeof(paths[0]) - (size_t)size, format, arguments);
    va_end(arguments);
    return path;
}

uint8_t *kit_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    uint8_t *data;

    if (!file || fstat(fileno(file), &about) != 0)
        fail_msg("%s: cannot be read", path);
    *size = (size_t)about.st_size;
    data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

void kit_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    if (!file)
        fail_msg("%s: cannot be written", path);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* nftw() passes no context. */
static const char *copy_from, *copy_to;

static int copy_entry(const char *path, const struct stat *about, int type, struct FTW *where)
{
    char to[1024];
    uint8_t *data;
    size_t size;

    (void)where;
    snprintf(to, sizeof(to), "%s%s", copy_to, path + strlen(copy_from));
    if (type == FTW_D)
        return mkdir(to, about->st_mode & 0777);
    data = kit_read(path, &size);
    kit_write(to, data, size);
    free(data);
    return 0;
}

void kit_copy_tree(const char *from, const char *to)
{
    copy_from = from;
    copy_to = to;
    assert_int_equal(nftw(from, copy_entry, 16, FTW_PHYS), 0);
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    return remove(path);
}

void kit_remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
