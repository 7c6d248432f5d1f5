/*
 * legacy_text.c - rows and manifests of old stores.
 */
#include "store/legacy_text.h"

#include <string.h>

#include "base/alloc.h"
#include "store/legacy_json.h"

#define TIMESTAMP_MAX (1ull << 62)
#define LEVEL_MAX     1000 /* the old package counted levels without end, and used a handful */

void legacy_row_release(struct legacy_row *row)
{
    lsmkv_buf_release(&row->key);
    lsmkv_buf_release(&row->value);
}

static bool is_name(struct lsmkv_slice name, const char *wanted)
{
    return slice_equal(name, slice_of(wanted, strlen(wanted)));
}

/* ---- Rows ---- */

enum { SEEN_KEY = 1, SEEN_VALUE = 2, SEEN_TIME = 4, SEEN_KIND = 8, SEEN_ALL = 15 };

struct row_fields {
    struct legacy_row *row;
    bool log;
    unsigned seen;
};

static bool see(struct row_fields *fields, unsigned field)
{
    bool first = !(fields->seen & field);

    fields->seen |= field;
    return first;
}

static enum lsmkv_status take_operation(struct scanner *scanner, struct legacy_row *row)
{
    if (scan_word(scanner, "\"PUT\""))
        row->deleted = false;
    else if (scan_word(scanner, "\"DELETE\""))
        row->deleted = true;
    else
        return LSMKV_CORRUPT;
    return LSMKV_OK;
}

static enum lsmkv_status take_deleted(struct scanner *scanner, struct legacy_row *row)
{
    row->deleted = scan_word(scanner, "true");
    return row->deleted || scan_word(scanner, "false") ? LSMKV_OK : LSMKV_CORRUPT;
}

static enum lsmkv_status take_row_field(struct scanner *scanner, struct lsmkv_slice name, void *context)
{
    struct row_fields *fields = context;
    struct legacy_row *row = fields->row;

    if (is_name(name, "key"))
        return see(fields, SEEN_KEY) ? scan_string(scanner, &row->key) : LSMKV_CORRUPT;
    if (is_name(name, "value")) {
        if (!see(fields, SEEN_VALUE))
            return LSMKV_CORRUPT;
        buf_clear(&row->value);
        return scan_word(scanner, "null") ? LSMKV_OK : scan_string(scanner, &row->value);
    }
    if (is_name(name, fields->log ? "ts" : "timestamp"))
        return see(fields, SEEN_TIME) && scan_whole(scanner, TIMESTAMP_MAX, &row->timestamp) ? LSMKV_OK : LSMKV_CORRUPT;
    if (is_name(name, fields->log ? "op" : "is_deleted")) {
        if (!see(fields, SEEN_KIND))
            return LSMKV_CORRUPT;
        return fields->log ? take_operation(scanner, row) : take_deleted(scanner, row);
    }
    return scan_any(scanner);
}

static enum lsmkv_status parse_row(struct lsmkv_slice line, bool log, struct legacy_row *row)
{
    struct row_fields fields = {row, log, 0};
    enum lsmkv_status status = scan_document(line, take_row_field, &fields);

    return !status && (fields.seen != SEEN_ALL || row->key.size == 0) ? LSMKV_CORRUPT : status;
}

enum lsmkv_status legacy_parse_log_line(struct lsmkv_slice line, struct legacy_row *row)
{
    return parse_row(line, true, row);
}

enum lsmkv_status legacy_parse_table_line(struct lsmkv_slice line, struct legacy_row *row)
{
    return parse_row(line, false, row);
}

static bool starts_with(struct lsmkv_slice text, const char *start)
{
    return text.size >= strlen(start) && memcmp(text.data, start, strlen(start)) == 0;
}

bool legacy_starts_with_bars(struct lsmkv_slice line)
{
    return starts_with(line, "PUT|") || starts_with(line, "DELETE|");
}

/* The key ends at the first bar; the value at the last one, so it may hold bars. */
enum lsmkv_status legacy_parse_bars(struct lsmkv_slice text, struct legacy_row *row)
{
    const uint8_t *key, *key_end, *value_end;
    struct scanner time;
    enum lsmkv_status status;

    if (!legacy_starts_with_bars(text) || !legacy_is_utf8(text))
        return LSMKV_CORRUPT;
    row->deleted = text.data[0] == 'D';
    key = text.data + strlen(row->deleted ? "DELETE|" : "PUT|");
    time.end = text.data + text.size;
    key_end = memchr(key, '|', (size_t)(time.end - key));
    value_end = key_end ? memrchr(key_end + 1, '|', (size_t)(time.end - key_end - 1)) : NULL;
    if (!value_end || key_end == key)
        return LSMKV_CORRUPT;
    time.at = value_end + 1;
    if (!scan_whole(&time, TIMESTAMP_MAX, &row->timestamp))
        return LSMKV_CORRUPT;
    scan_blanks(&time);
    if (time.at != time.end)
        return LSMKV_CORRUPT;
    status = buf_set(&row->key, slice_of(key, (size_t)(key_end - key)), NULL);
    if (!status)
        status = buf_set(&row->value, slice_of(key_end + 1, (size_t)(value_end - key_end - 1)), NULL);
    return status;
}

/* ---- Manifests ---- */

struct table_fields {
    struct legacy_table table;
    bool id, entries;
};

static enum lsmkv_status take_table_field(struct scanner *scanner, struct lsmkv_slice name, void *context)
{
    struct table_fields *fields = context;
    uint64_t level;

    if (is_name(name, "sstable_id")) {
        fields->id = scan_whole(scanner, UINT32_MAX, &fields->table.id);
        return fields->id ? LSMKV_OK : LSMKV_CORRUPT;
    }
    if (is_name(name, "num_entries")) {
        fields->entries = scan_whole(scanner, UINT64_MAX, &fields->table.entries);
        return fields->entries ? LSMKV_OK : LSMKV_CORRUPT;
    }
    if (is_name(name, "level")) {
        if (!scan_whole(scanner, LEVEL_MAX, &level))
            return LSMKV_CORRUPT;
        fields->table.level = (unsigned)level;
        return LSMKV_OK;
    }
    return scan_any(scanner);
}

struct manifest_fields {
    struct legacy_manifest *manifest;
    unsigned level;
};

static enum lsmkv_status take_table(struct scanner *scanner, const struct manifest_fields *fields)
{
    struct legacy_manifest *manifest = fields->manifest;
    struct table_fields table = {{0, 0, fields->level}, false, false};
    enum lsmkv_status status = scan_object(scanner, take_table_field, &table);

    if (status)
        return status;
    if (!table.id || !table.entries)
        return LSMKV_CORRUPT;
    if (manifest->count == manifest->capacity) {
        size_t capacity = manifest->capacity ? manifest->capacity * 2 : 16;
        struct legacy_table *tables = lsm_realloc(manifest->tables, capacity * sizeof(*tables));

        if (!tables)
            return LSMKV_NOMEM;
        manifest->tables = tables;
        manifest->capacity = capacity;
    }
    manifest->tables[manifest->count++] = table.table;
    return LSMKV_OK;
}

static enum lsmkv_status take_tables(struct scanner *scanner, const struct manifest_fields *fields)
{
    enum lsmkv_status status;

    if (!scan_char(scanner, '['))
        return LSMKV_CORRUPT;
    if (scan_char(scanner, ']'))
        return LSMKV_OK;
    do {
        status = take_table(scanner, fields);
    } while (!status && scan_char(scanner, ','));
    if (!status && !scan_char(scanner, ']'))
        status = LSMKV_CORRUPT;
    return status;
}

static enum lsmkv_status take_metadata_field(struct scanner *scanner, struct lsmkv_slice name, void *context)
{
    struct legacy_manifest *manifest = context;

    if (is_name(name, "migrated_from_v1") && scan_word(scanner, "true")) {
        manifest->migrated = true;
        return LSMKV_OK;
    }
    return scan_any(scanner);
}

static enum lsmkv_status take_manifest_field(struct scanner *scanner, struct lsmkv_slice name, void *context)
{
    struct manifest_fields *fields = context;

    if (is_name(name, "entries"))
        return take_tables(scanner, fields);
    if (is_name(name, "metadata"))
        return scan_object(scanner, take_metadata_field, fields->manifest);
    return scan_any(scanner);
}

enum lsmkv_status legacy_parse_manifest(struct lsmkv_slice text, unsigned level, struct legacy_manifest *manifest)
{
    struct manifest_fields fields = {manifest, level};

    return scan_document(text, take_manifest_field, &fields);
}

void legacy_manifest_release(struct legacy_manifest *manifest)
{
    lsm_free(manifest->tables);
    manifest->tables = NULL;
    manifest->count = manifest->capacity = 0;
}
