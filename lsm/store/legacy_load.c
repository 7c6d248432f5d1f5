/*
 * legacy_load.c - tables, then log, oldest source first, into one memtable.
 *
 * A row is added, as the newest version of its key, unless a newer timestamp is there already. Versions are numbered in
 * the order of reading, because timestamps may repeat; the timestamp travels in front of the value.
 */
#include "store/legacy_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "base/error.h"
#include "store/legacy_text.h"

#define MANIFEST_SIZE_MAX (256u << 20) /* bytes */

struct load {
    struct os_fs *fs;
    const char *dir;
    struct memtable *rows;
    uint64_t versions;
    struct legacy_row row;
    struct lsmkv_buf value; /* of the entry that is added */
};

/* Says what is wrong where; a status that is not CORRUPT is NOMEM. */
static enum lsmkv_status fail_line(enum lsmkv_status status, const char *path, uint64_t line, struct lsmkv_error *err)
{
    if (status != LSMKV_CORRUPT)
        return lsmkv_fail_nomem(err);
    return lsmkv_fail(err, LSMKV_CORRUPT, "%s: line %" PRIu64 ": not a row of the old format", path, line);
}

/* ---- Rows ---- */

/* True if a version of the row's key with a newer timestamp is there. */
static bool is_outdated(const struct load *load)
{
    struct entry present;

    return memtable_get(load->rows, slice_of_buf(&load->row.key), SEQUENCE_MAX, &present) &&
           get_u64(present.value.data) > load->row.timestamp;
}

static enum lsmkv_status add_row(struct load *load, struct lsmkv_error *err)
{
    struct entry entry = {.kind = ENTRY_PUT};
    uint8_t head[LEGACY_HEAD_SIZE];
    enum lsmkv_status status;

    if (is_outdated(load))
        return LSMKV_OK;
    put_u64(head, load->row.timestamp);
    head[8] = load->row.deleted;
    status = buf_set(&load->value, slice_of(head, sizeof(head)), err);
    if (!status && !load->row.deleted)
        status = buf_append(&load->value, load->row.value.data, load->row.value.size, err);
    if (status)
        return status;
    entry.key = slice_of_buf(&load->row.key);
    entry.value = slice_of_buf(&load->value);
    entry.sequence = ++load->versions;
    return memtable_add(load->rows, &entry, err);
}

/* ---- Tables ---- */

static enum lsmkv_status read_table_lines(struct load *load, struct legacy_lines *lines, uint64_t expected,
                                          struct lsmkv_error *err)
{
    const char *path = lines->file->path;
    uint64_t rows = 0;
    enum lsmkv_status status;
    bool found = false;

    for (;;) {
        status = legacy_lines_next(lines, &found, err);
        if (status || !found)
            break;
        if (lines->line.size == 0)
            continue;
        status = legacy_parse_table_line(lines->line, &load->row);
        if (status)
            return fail_line(status, path, lines->number, err);
        status = add_row(load, err);
        if (status)
            return status;
        rows++;
    }
    if (!status && rows != expected)
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: %" PRIu64 " rows, the old manifest says %" PRIu64, path, rows,
                            expected);
    return status;
}

static enum lsmkv_status read_table(struct load *load, const struct legacy_table *table, struct lsmkv_error *err)
{
    /* The name comes from the number: no path is taken out of a file. */
    char *path = os_path(load->dir, LEGACY_TABLES "/sstable_%06" PRIu64 "/data.db", table->id);
    struct legacy_lines lines = {.file = NULL};
    enum os_kind kind;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(load->fs, path, &kind, NULL, err);
    if (!status && kind == OS_ABSENT)
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: missing, the old manifest names it", path);
    if (!status)
        status = os_fs_open(load->fs, path, OS_READ, &lines.file, err);
    if (!status)
        status = read_table_lines(load, &lines, table->entries, err);
    legacy_lines_release(&lines);
    if (lines.file)
        (void)!os_close(lines.file, NULL);
    lsm_free(path);
    return status;
}

/* ---- Manifests ---- */

/* Adds the tables of one manifest file; an absent one has none. */
static enum lsmkv_status read_manifest(const struct load *load, const char *name, unsigned level,
                                       struct legacy_manifest *manifest, struct lsmkv_error *err)
{
    char *path = os_path(load->dir, "%s", name);
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    enum os_kind kind;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(load->fs, path, &kind, NULL, err);
    if (status || kind == OS_ABSENT)
        goto done;
    status = os_read_file(load->fs, path, MANIFEST_SIZE_MAX, &text, err);
    if (status)
        goto done;
    status = legacy_parse_manifest(slice_of_buf(&text), level, manifest);
    if (status == LSMKV_CORRUPT)
        (void)lsmkv_fail(err, status, "%s: not a manifest of the old format", path);
    else if (status)
        (void)lsmkv_fail_nomem(err);

done:
    lsmkv_buf_release(&text);
    lsm_free(path);
    return status;
}

struct level_listing {
    const struct load *load;
    struct legacy_manifest *manifest;
};

/* level_N.json */
static enum lsmkv_status visit_level(void *context, const char *name, struct lsmkv_error *err)
{
    struct level_listing *listing = context;
    char expected[64], path[80];
    unsigned level;

    if (sscanf(name, "level_%3u.json", &level) != 1)
        return LSMKV_OK;
    snprintf(expected, sizeof(expected), "level_%u.json", level);
    if (strcmp(name, expected) != 0)
        return LSMKV_OK;
    snprintf(path, sizeof(path), LEGACY_LEVELS "/%s", expected);
    return read_manifest(listing->load, path, level, listing->manifest, err);
}

static enum lsmkv_status read_manifests(const struct load *load, struct legacy_manifest *manifest,
                                        struct lsmkv_error *err)
{
    struct level_listing listing = {load, manifest};
    char *path = os_path(load->dir, LEGACY_LEVELS);
    enum os_kind kind;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = read_manifest(load, LEGACY_LEVELS "/global.json", 0, manifest, err);
    /* Format 2 took over format 1's file once; what is left of it then names tables that may be gone. */
    if (!status && !manifest->migrated)
        status = read_manifest(load, LEGACY_MANIFEST, 0, manifest, err);
    if (!status)
        status = os_fs_kind(load->fs, path, &kind, NULL, err);
    if (!status && kind == OS_DIRECTORY)
        status = os_fs_list(load->fs, path, visit_level, &listing, err);
    lsm_free(path);
    return status;
}

/* Oldest first: the deepest level, and within a level the lowest number, since numbers rise with time. */
static int compare_tables(const void *a, const void *b)
{
    const struct legacy_table *x = a, *y = b;

    if (x->level != y->level)
        return x->level > y->level ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static enum lsmkv_status read_tables(struct load *load, struct lsmkv_error *err)
{
    struct legacy_manifest manifest = {.tables = NULL};
    enum lsmkv_status status = read_manifests(load, &manifest, err);

    if (!status && manifest.count)
        qsort(manifest.tables, manifest.count, sizeof(manifest.tables[0]), compare_tables);
    for (size_t i = 0; !status && i < manifest.count; i++)
        status = read_table(load, &manifest.tables[i], err);
    legacy_manifest_release(&manifest);
    return status;
}

/* ---- Log ---- */

/* A row of format 1, or the part of it that has been read: its value may hold newlines. */
struct bars {
    struct lsmkv_buf text;
    uint64_t line; /* where it starts; 0 = there is none */
};

static enum lsmkv_status add_bars(struct load *load, struct bars *bars, const struct legacy_lines *lines,
                                  struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    if (!bars->line) {
        bars->line = lines->number;
        buf_clear(&bars->text);
    } else {
        status = buf_append(&bars->text, "\n", 1, err);
    }
    if (!status)
        status = buf_append(&bars->text, lines->line.data, lines->line.size, err);
    if (status)
        return status;
    if (bars->text.size > LEGACY_LINE_MAX)
        return fail_line(LSMKV_CORRUPT, lines->file->path, bars->line, err);
    /* Without its newline the last row may have lost digits of its timestamp. */
    status = lines->ended ? legacy_parse_bars(slice_of_buf(&bars->text), &load->row) : LSMKV_CORRUPT;
    if (status == LSMKV_CORRUPT)
        return LSMKV_OK; /* not at its end yet */
    if (status)
        return lsmkv_fail_nomem(err);
    bars->line = 0;
    return add_row(load, err);
}

/* True if the line is a whole row, whichever the format. */
static bool is_row(struct load *load, struct lsmkv_slice line)
{
    return legacy_parse_bars(line, &load->row) == LSMKV_OK || legacy_parse_log_line(line, &load->row) == LSMKV_OK;
}

/* A line that is no row is the torn tail if nothing comes after it: *broken is its number until that is known. */
static enum lsmkv_status take_log_line(struct load *load, struct legacy_lines *lines, struct bars *bars,
                                       uint64_t *broken, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    if (bars->line) {
        /* The rest of a value, unless it is a row: then the one before it never ended. */
        if (is_row(load, lines->line))
            return fail_line(LSMKV_CORRUPT, lines->file->path, bars->line, err);
        return add_bars(load, bars, lines, err);
    }
    if (lines->line.size == 0)
        return LSMKV_OK;
    if (*broken)
        return fail_line(LSMKV_CORRUPT, lines->file->path, *broken, err);
    if (legacy_starts_with_bars(lines->line))
        return add_bars(load, bars, lines, err);
    status = legacy_parse_log_line(lines->line, &load->row);
    if (status == LSMKV_NOMEM)
        return lsmkv_fail_nomem(err);
    if (status == LSMKV_CORRUPT) {
        *broken = lines->number;
        return LSMKV_OK;
    }
    return add_row(load, err);
}

static enum lsmkv_status read_log(struct load *load, struct lsmkv_error *err)
{
    char *path = os_path(load->dir, LEGACY_LOG);
    struct legacy_lines lines = {.file = NULL};
    struct bars bars = {LSMKV_BUF_INIT, 0};
    uint64_t broken = 0;
    bool found = true;
    enum os_kind kind;
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_kind(load->fs, path, &kind, NULL, err);
    if (status || kind == OS_ABSENT)
        goto done;
    status = os_fs_open(load->fs, path, OS_READ, &lines.file, err);
    while (!status && found) {
        status = legacy_lines_next(&lines, &found, err);
        if (!status && found)
            status = take_log_line(load, &lines, &bars, &broken, err);
    }

done:
    lsmkv_buf_release(&bars.text);
    legacy_lines_release(&lines);
    if (lines.file)
        (void)!os_close(lines.file, NULL);
    lsm_free(path);
    return status;
}

/* ---- All of it ---- */

enum lsmkv_status legacy_load(struct memtable **rows, struct os_fs *fs, const char *dir, struct lsmkv_error *err)
{
    struct load load = {.fs = fs, .dir = dir, .row = LEGACY_ROW_INIT};
    enum lsmkv_status status = memtable_new(&load.rows, 0, err);

    if (!status)
        status = read_tables(&load, err);
    if (!status)
        status = read_log(&load, err);
    if (status)
        memtable_unref(load.rows);
    else
        *rows = load.rows;
    legacy_row_release(&load.row);
    lsmkv_buf_release(&load.value);
    return status;
}
