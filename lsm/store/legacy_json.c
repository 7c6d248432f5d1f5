/*
 * legacy_json.c - strings, whole numbers, objects, and everything else skipped.
 */
#include "store/legacy_json.h"

#define DEPTH_MAX 16 /* of JSON that is skipped */

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

bool legacy_is_utf8(struct lsmkv_slice text)
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

void scan_blanks(struct scanner *scanner)
{
    while (scanner->at < scanner->end &&
           (*scanner->at == ' ' || *scanner->at == '\t' || *scanner->at == '\r' || *scanner->at == '\n'))
        scanner->at++;
}

bool scan_char(struct scanner *scanner, char c)
{
    scan_blanks(scanner);
    if (scanner->at == scanner->end || *scanner->at != (uint8_t)c)
        return false;
    scanner->at++;
    return true;
}

bool scan_word(struct scanner *scanner, const char *word)
{
    size_t size = strlen(word);

    scan_blanks(scanner);
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
enum lsmkv_status scan_string(struct scanner *scanner, struct lsmkv_buf *to)
{
    enum lsmkv_status status = LSMKV_OK;

    buf_clear(to);
    if (!scan_char(scanner, '"'))
        return LSMKV_CORRUPT;
    while (!status) {
        const uint8_t *start = scanner->at;

        while (scanner->at < scanner->end && *scanner->at != '"' && *scanner->at != '\\' && *scanner->at >= 0x20)
            scanner->at++;
        if (scanner->at == scanner->end || *scanner->at < 0x20)
            return LSMKV_CORRUPT;
        if (!legacy_is_utf8(slice_of(start, (size_t)(scanner->at - start))))
            return LSMKV_CORRUPT;
        status = buf_append(to, start, (size_t)(scanner->at - start), NULL);
        if (*scanner->at++ == '"')
            return status;
        if (!status)
            status = take_escape(scanner, to);
    }
    return status;
}

bool scan_whole(struct scanner *scanner, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;

    scan_blanks(scanner);
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

    if (scan_char(scanner, close))
        return LSMKV_OK;
    do {
        if (object)
            status = scan_string(scanner, &name);
        if (!status && object && !scan_char(scanner, ':'))
            status = LSMKV_CORRUPT;
        if (!status)
            status = skip_value(scanner, depth + 1);
    } while (!status && scan_char(scanner, ','));
    lsmkv_buf_release(&name);
    if (!status && !scan_char(scanner, close))
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
    if (scan_char(scanner, '{'))
        return skip_members(scanner, true, depth);
    if (scan_char(scanner, '['))
        return skip_members(scanner, false, depth);
    if (scan_word(scanner, "true") || scan_word(scanner, "false") || scan_word(scanner, "null"))
        return LSMKV_OK;
    scan_blanks(scanner);
    if (scanner->at < scanner->end && *scanner->at == '"') {
        status = scan_string(scanner, &text);
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

enum lsmkv_status scan_any(struct scanner *scanner)
{
    return skip_value(scanner, 0);
}

/* ---- Objects ---- */

enum lsmkv_status scan_object(struct scanner *scanner, scan_member *member, void *context)
{
    struct lsmkv_buf name = LSMKV_BUF_INIT;
    enum lsmkv_status status = LSMKV_OK;

    if (!scan_char(scanner, '{'))
        return LSMKV_CORRUPT;
    if (scan_char(scanner, '}'))
        return LSMKV_OK;
    do {
        status = scan_string(scanner, &name);
        if (!status && !scan_char(scanner, ':'))
            status = LSMKV_CORRUPT;
        if (!status)
            status = member(scanner, slice_of_buf(&name), context);
    } while (!status && scan_char(scanner, ','));
    lsmkv_buf_release(&name);
    if (!status && !scan_char(scanner, '}'))
        status = LSMKV_CORRUPT;
    return status;
}

enum lsmkv_status scan_document(struct lsmkv_slice text, scan_member *member, void *context)
{
    struct scanner scanner = {text.data, text.data + text.size};
    enum lsmkv_status status = scan_object(&scanner, member, context);

    scan_blanks(&scanner);
    return !status && scanner.at != scanner.end ? LSMKV_CORRUPT : status;
}
