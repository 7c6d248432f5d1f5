/*
 * legacy_text.c - rows and manifests of old stores.
 */
#include "store/legacy_text.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define TIMESTAMP_MAX (1ull << 62)
#define LEVEL_MAX     1000 /* the old package counted levels without end, and used a handful */
#define DEPTH_MAX     16   /* of JSON that is skipped */

struct scanner {
    const uint8_t *at;
    const uint8_t *end;
};

void legacy_row_release(struct legacy_row *row)
{
    lsmkv_buf_release(&row->key);
    lsmkv_buf_release(&row->value);
}

/* ---- UTF-8 ---- */

/* Appends a code point; halves of surrogate pairs as if they were characters. */
static enum lsmkv_status append_code(struct lsmkv_buf *to, uint32_t code)
{
    uint8_t bytes[4];
    size_t size;

    if (code < 0x80) {
        bytes[0] = (uint8_t)code;
        size = 1;
    } else if (code < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | code >> 6);
        bytes[1] = (uint8_t)(0x80 | (code & 0x3f));
        size = 2;
    } else if (code < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | code >> 12);
        bytes[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (code & 0x3f));
        size = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | code >> 18);
        bytes[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        bytes[3] = (uint8_t)(0x80 | (code & 0x3f));
        size = 4;
    }
    return buf_append(to, bytes, size, NULL);
}

/* Bytes of the UTF-8 character at `at`, 0 if it is none: Python wrote nothing else. */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;

    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return size;
}

static bool is_utf8(struct lsmkv_slice text)
{
    for (size_t i = 0; i < text.size;) {
        size_t size = utf8_size(text.data + i, text.size - i);

        if (!size)
            return false;
        i += size;
    }
    return true;
}

/* ---- JSON ---- */

static void skip_blanks(struct scanner *scanner)
{
    while (scanner->at < scanner->end &&
           (*scanner->at == ' ' || *scanner->at == '\t' || *scanner->at == '\r' || *scanner->at == '\n'))
        scanner->at++;
}

static bool take_char(struct scanner *scanner, char c)
{
    skip_blanks(scanner);
    if (scanner->at == scanner->end || *scanner->at != (uint8_t)c)
        return false;
    scanner->at++;
    return true;
}

static bool take_word(struct scanner *scanner, const char *word)
{
    size_t size = strlen(word);

    skip_blanks(scanner);
    if ((size_t)(scanner->end - scanner->at) < size || memcmp(scanner->at, word, size) != 0)
        return false;
    scanner->at += size;
    return true;
}

static bool take_hex4(struct scanner *scanner, uint32_t *code)
{
    *code = 0;
    if (scanner->end - scanner->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        uint8_t c = *scanner->at++;

        if (c >= '0' && c <= '9')
            *code = *code << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            *code = *code << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    return true;
}

/* After "\u": the code point, of one escape or of two that make a pair. */
static bool take_unicode(struct scanner *scanner, uint32_t *code)
{
    struct scanner ahead;
    uint32_t low;

    if (!take_hex4(scanner, code))
        return false;
    if (*code < 0xd800 || *code > 0xdbff)
        return true;
    ahead = *scanner;
    if (ahead.end - ahead.at < 2 || ahead.at[0] != '\\' || ahead.at[1] != 'u')
        return true;
    ahead.at += 2;
    if (!take_hex4(&ahead, &low) || low < 0xdc00 || low > 0xdfff)
        return true;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    *scanner = ahead;
    return true;
}

/* After "\". */
static enum lsmkv_status take_escape(struct scanner *scanner, struct lsmkv_buf *to)
{
    static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    const char *name;
    uint32_t code;

    if (scanner->at == scanner->end)
        return LSMKV_CORRUPT;
    if (*scanner->at == 'u') {
        scanner->at++;
        return take_unicode(scanner, &code) ? append_code(to, code) : LSMKV_CORRUPT;
    }
    name = *scanner->at ? strchr(names, *scanner->at) : NULL;
    if (!name)
        return LSMKV_CORRUPT;
    scanner->at++;
    return append_code(to, (uint32_t)codes[name - names]);
}

/* A string into `to`, which is emptied first. */
static enum lsmkv_status take_string(struct scanner *scanner, struct lsmkv_buf *to)
{
    enum lsmkv_status status = LSMKV_OK;

    buf_clear(to);
    if (!take_char(scanner, '"'))
        return LSMKV_CORRUPT;
    while (!status) {
        const uint8_t *start = scanner->at;

        while (scanner->at < scanner->end && *scanner->at != '"' && *scanner->at != '\\' && *scanner->at >= 0x20)
            scanner->at++;
        if (scanner->at == scanner->end || *scanner->at < 0x20)
            return LSMKV_CORRUPT;
        if (!is_utf8(slice_of(start, (size_t)(scanner->at - start))))
            return LSMKV_CORRUPT;
        status = buf_append(to, start, (size_t)(scanner->at - start), NULL);
        if (*scanner->at++ == '"')
            return status;
        if (!status)
            status = take_escape(scanner, to);
    }
    return status;
}

static bool take_whole(struct scanner *scanner, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;

    skip_blanks(scanner);
    if (scanner->at == scanner->end || *scanner->at < '0' || *scanner->at > '9')
        return false;
    for (; scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9'; scanner->at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*scanner->at - '0'), &value))
            return false;
    }
    *number = value;
    return value <= max;
}

static enum lsmkv_status skip_value(struct scanner *scanner, unsigned depth);

/* The rest of an object or array whose opening bracket was taken. */
static enum lsmkv_status skip_members(struct scanner *scanner, bool object, unsigned depth)
{
    struct lsmkv_buf name = LSMKV_BUF_INIT;
    enum lsmkv_status status = LSMKV_OK;
    char close = object ? '}' : ']';

    if (take_char(scanner, close))
        return LSMKV_OK;
    do {
        if (object)
            status = take_string(scanner, &name);
        if (!status && object && !take_char(scanner, ':'))
            status = LSMKV_CORRUPT;
        if (!status)
            status = skip_value(scanner, depth + 1);
    } while (!status && take_char(scanner, ','));
    lsmkv_buf_release(&name);
    if (!status && !take_char(scanner, close))
        status = LSMKV_CORRUPT;
    return status;
}

/* Depth is bounded, so the recursion is. */
static enum lsmkv_status skip_value(struct scanner *scanner, unsigned depth)
{
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    enum lsmkv_status status;

    if (depth > DEPTH_MAX)
        return LSMKV_CORRUPT;
    if (take_char(scanner, '{'))
        return skip_members(scanner, true, depth);
    if (take_char(scanner, '['))
        return skip_members(scanner, false, depth);
    if (take_word(scanner, "true") || take_word(scanner, "false") || take_word(scanner, "null"))
        return LSMKV_OK;
    skip_blanks(scanner);
    if (scanner->at < scanner->end && *scanner->at == '"') {
        status = take_string(scanner, &text);
        lsmkv_buf_release(&text);
        return status;
    }
    /* A number: what it is worth does not matter. */
    if (scanner->at == scanner->end || !strchr("-0123456789", *scanner->at) || !*scanner->at)
        return LSMKV_CORRUPT;
    while (scanner->at < scanner->end && *scanner->at && strchr("+-.0123456789eE", *scanner->at))
        scanner->at++;
    return LSMKV_OK;
}

/* ---- Objects: calls `member` after each name and colon ---- */

typedef enum lsmkv_status take_member(struct scanner *scanner, struct lsmkv_slice name, void *context);

static bool is_name(struct lsmkv_slice name, const char *wanted)
{
    return slice_equal(name, slice_of(wanted, strlen(wanted)));
}

static enum lsmkv_status take_object(struct scanner *scanner, take_member *member, void *context)
{
    struct lsmkv_buf name = LSMKV_BUF_INIT;
    enum lsmkv_status status = LSMKV_OK;

    if (!take_char(scanner, '{'))
        return LSMKV_CORRUPT;
    if (take_char(scanner, '}'))
        return LSMKV_OK;
    do {
        status = take_string(scanner, &name);
        if (!status && !take_char(scanner, ':'))
            status = LSMKV_CORRUPT;
        if (!status)
            status = member(scanner, slice_of_buf(&name), context);
    } while (!status && take_char(scanner, ','));
    lsmkv_buf_release(&name);
    if (!status && !take_char(scanner, '}'))
        status = LSMKV_CORRUPT;
    return status;
}

/* One object and nothing after it. */
static enum lsmkv_status take_document(struct lsmkv_slice text, take_member *member, void *context)
{
    struct scanner scanner = {text.data, text.data + text.size};
    enum lsmkv_status status = take_object(&scanner, member, context);

    skip_blanks(&scanner);
    return !status && scanner.at != scanner.end ? LSMKV_CORRUPT : status;
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
    if (take_word(scanner, "\"PUT\""))
        row->deleted = false;
    else if (take_word(scanner, "\"DELETE\""))
        row->deleted = true;
    else
        return LSMKV_CORRUPT;
    return LSMKV_OK;
}

static enum lsmkv_status take_deleted(struct scanner *scanner, struct legacy_row *row)
{
    row->deleted = take_word(scanner, "true");
    return row->deleted || take_word(scanner, "false") ? LSMKV_OK : LSMKV_CORRUPT;
}

static enum lsmkv_status take_row_field(struct scanner *scanner, struct lsmkv_slice name, void *context)
{
    struct row_fields *fields = context;
    struct legacy_row *row = fields->row;

    if (is_name(name, "key"))
        return see(fields, SEEN_KEY) ? take_string(scanner, &row->key) : LSMKV_CORRUPT;
    if (is_name(name, "value")) {
        if (!see(fields, SEEN_VALUE))
            return LSMKV_CORRUPT;
        buf_clear(&row->value);
        return take_word(scanner, "null") ? LSMKV_OK : take_string(scanner, &row->value);
    }
    if (is_name(name, fields->log ? "ts" : "timestamp"))
        return see(fields, SEEN_TIME) && take_whole(scanner, TIMESTAMP_MAX, &row->timestamp) ? LSMKV_OK : LSMKV_CORRUPT;
    if (is_name(name, fields->log ? "op" : "is_deleted")) {
        if (!see(fields, SEEN_KIND))
            return LSMKV_CORRUPT;
        return fields->log ? take_operation(scanner, row) : take_deleted(scanner, row);
    }
    return skip_value(scanner, 0);
}

static enum lsmkv_status parse_row(struct lsmkv_slice line, bool log, struct legacy_row *row)
{
    struct row_fields fields = {row, log, 0};
    enum lsmkv_status status = take_document(line, take_row_field, &fields);

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

    if (!legacy_starts_with_bars(text) || !is_utf8(text))
        return LSMKV_CORRUPT;
    row->deleted = text.data[0] == 'D';
    key = text.data + strlen(row->deleted ? "DELETE|" : "PUT|");
    time.end = text.data + text.size;
    key_end = memchr(key, '|', (size_t)(time.end - key));
    value_end = key_end ? memrchr(key_end + 1, '|', (size_t)(time.end - key_end - 1)) : NULL;
    if (!value_end || key_end == key)
        return LSMKV_CORRUPT;
    time.at = value_end + 1;
    if (!take_whole(&time, TIMESTAMP_MAX, &row->timestamp))
        return LSMKV_CORRUPT;
    skip_blanks(&time);
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
        fields->id = take_whole(scanner, UINT32_MAX, &fields->table.id);
        return fields->id ? LSMKV_OK : LSMKV_CORRUPT;
    }
    if (is_name(name, "num_entries")) {
        fields->entries = take_whole(scanner, UINT64_MAX, &fields->table.entries);
        return fields->entries ? LSMKV_OK : LSMKV_CORRUPT;
    }
    if (is_name(name, "level")) {
        if (!take_whole(scanner, LEVEL_MAX, &level))
            return LSMKV_CORRUPT;
        fields->table.level = (unsigned)level;
        return LSMKV_OK;
    }
    return skip_value(scanner, 0);
}

struct manifest_fields {
    struct legacy_manifest *manifest;
    unsigned level;
};

static enum lsmkv_status take_table(struct scanner *scanner, const struct manifest_fields *fields)
{
    struct legacy_manifest *manifest = fields->manifest;
    struct table_fields table = {{0, 0, fields->level}, false, false};
    enum lsmkv_status status = take_object(scanner, take_table_field, &table);

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

    if (!take_char(scanner, '['))
        return LSMKV_CORRUPT;
    if (take_char(scanner, ']'))
        return LSMKV_OK;
    do {
        status = take_table(scanner, fields);
    } while (!status && take_char(scanner, ','));
    if (!status && !take_char(scanner, ']'))
        status = LSMKV_CORRUPT;
    return status;
}

static enum lsmkv_status take_metadata_field(struct scanner *scanner, struct lsmkv_slice name, void *context)
{
    struct legacy_manifest *manifest = context;

    if (is_name(name, "migrated_from_v1") && take_word(scanner, "true")) {
        manifest->migrated = true;
        return LSMKV_OK;
    }
    return skip_value(scanner, 0);
}

static enum lsmkv_status take_manifest_field(struct scanner *scanner, struct lsmkv_slice name, void *context)
{
    struct manifest_fields *fields = context;

    if (is_name(name, "entries"))
        return take_tables(scanner, fields);
    if (is_name(name, "metadata"))
        return take_object(scanner, take_metadata_field, fields->manifest);
    return skip_value(scanner, 0);
}

enum lsmkv_status legacy_parse_manifest(struct lsmkv_slice text, unsigned level, struct legacy_manifest *manifest)
{
    struct manifest_fields fields = {manifest, level};

    return take_document(text, take_manifest_field, &fields);
}

void legacy_manifest_release(struct legacy_manifest *manifest)
{
    lsm_free(manifest->tables);
    manifest->tables = NULL;
    manifest->count = manifest->capacity = 0;
}
