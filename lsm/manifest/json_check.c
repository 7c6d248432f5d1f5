/*
 * json_check.c - is this text JSON by RFC 8259, and within bounds? Written so that whatever passes is also accepted by
 * cJSON, except when memory runs out.
 *
 * Recursive descent; the depth of the recursion is bounded by the limit on nesting.
 */
#include "manifest/json.h"

#include <inttypes.h>

#include "base/error.h"

#define NUMBER_SIZE_MAX 63 /* characters of a number that cJSON takes */

struct scan {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    unsigned depth;
    size_t values;
    const struct json_limits *limits;
    const char *reason; /* a literal: what is wrong at `at` */
};

static bool wrong(struct scan *scan, const char *reason)
{
    scan->reason = reason;
    return false;
}

static bool at_byte(const struct scan *scan, uint8_t byte)
{
    return scan->at < scan->end && *scan->at == byte;
}

static bool at_digit(const struct scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static void skip_blanks(struct scan *scan)
{
    while (at_byte(scan, ' ') || at_byte(scan, '\n') || at_byte(scan, '\t') || at_byte(scan, '\r'))
        scan->at++;
}

/* Four hex digits after \u; *unit is the UTF-16 unit. */
static bool check_unit(struct scan *scan, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        unsigned digit;

        if (scan->at == scan->end)
            return wrong(scan, "a string has no end");
        if (*scan->at >= '0' && *scan->at <= '9')
            digit = *scan->at - (unsigned)'0';
        else if ((*scan->at | 0x20) >= 'a' && (*scan->at | 0x20) <= 'f')
            digit = (*scan->at | 0x20u) - (unsigned)'a' + 10;
        else
            return wrong(scan, "\\u needs four hex digits");
        *unit = *unit << 4 | digit;
        scan->at++;
    }
    return true;
}

/* After "\u". cJSON would cut the string at U+0000 and refuses half of a pair. */
static bool check_unicode_escape(struct scan *scan)
{
    unsigned unit;

    if (!check_unit(scan, &unit))
        return false;
    if (unit == 0)
        return wrong(scan, "\\u0000 in a string");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return wrong(scan, "half of a surrogate pair");
    if (unit < 0xd800 || unit > 0xdbff)
        return true;
    if (scan->end - scan->at < 2 || scan->at[0] != '\\' || scan->at[1] != 'u')
        return wrong(scan, "half of a surrogate pair");
    scan->at += 2;
    if (!check_unit(scan, &unit))
        return false;
    return unit >= 0xdc00 && unit <= 0xdfff ? true : wrong(scan, "half of a surrogate pair");
}

static bool check_escape(struct scan *scan)
{
    scan->at++; /* the backslash */
    if (scan->at == scan->end)
        return wrong(scan, "a string has no end");
    switch (*scan->at) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        scan->at++;
        return true;
    case 'u':
        scan->at++;
        return check_unicode_escape(scan);
    default:
        return wrong(scan, "unknown escape in a string");
    }
}

/* One character beyond ASCII: the ranges of RFC 3629 (no overlong form, no surrogate, nothing past U+10FFFF). */
static bool check_utf8(struct scan *scan)
{
    uint8_t lead = *scan->at;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    int more;

    if (lead >= 0xc2 && lead <= 0xdf)
        more = 1;
    else if (lead >= 0xe0 && lead <= 0xef)
        more = 2;
    else if (lead >= 0xf0 && lead <= 0xf4)
        more = 3;
    else
        return wrong(scan, "not UTF-8");
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    scan->at++;
    for (; more > 0; more--, scan->at++) {
        if (scan->at == scan->end || *scan->at < low || *scan->at > high)
            return wrong(scan, "not UTF-8");
        low = 0x80;
        high = 0xbf;
    }
    return true;
}

static bool check_string(struct scan *scan)
{
    if (!at_byte(scan, '"'))
        return wrong(scan, "a string must start here");
    scan->at++;
    while (scan->at < scan->end) {
        if (*scan->at == '"') {
            scan->at++;
            return true;
        }
        if (*scan->at < 0x20)
            return wrong(scan, "a control character in a string");
        if (*scan->at == '\\') {
            if (!check_escape(scan))
                return false;
        } else if (*scan->at < 0x80) {
            scan->at++;
        } else if (!check_utf8(scan)) {
            return false;
        }
    }
    return wrong(scan, "a string has no end");
}

static bool check_digits(struct scan *scan)
{
    if (!at_digit(scan))
        return wrong(scan, "a digit must stand here");
    while (at_digit(scan))
        scan->at++;
    return true;
}

static bool check_number(struct scan *scan)
{
    const uint8_t *start = scan->at;

    if (at_byte(scan, '-'))
        scan->at++;
    if (at_byte(scan, '0')) {
        scan->at++;
    } else if (!check_digits(scan)) {
        return false;
    }
    if (at_byte(scan, '.')) {
        scan->at++;
        if (!check_digits(scan))
            return false;
    }
    if (at_byte(scan, 'e') || at_byte(scan, 'E')) {
        scan->at++;
        if (at_byte(scan, '+') || at_byte(scan, '-'))
            scan->at++;
        if (!check_digits(scan))
            return false;
    }
    return scan->at - start <= NUMBER_SIZE_MAX ? true : wrong(scan, "a number is too long");
}

static bool check_word(struct scan *scan, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0)
        return wrong(scan, "a value must stand here");
    scan->at += size;
    return true;
}

static bool check_value(struct scan *scan);

/* "name": value */
static bool check_member(struct scan *scan)
{
    skip_blanks(scan);
    if (!check_string(scan))
        return false;
    skip_blanks(scan);
    if (!at_byte(scan, ':'))
        return wrong(scan, "':' must stand here");
    scan->at++;
    return check_value(scan);
}

/* An object or array: `open` has been seen; members by `check`, up to `close`. */
static bool check_container(struct scan *scan, uint8_t close, bool (*check)(struct scan *scan))
{
    if (++scan->depth > scan->limits->depth_max)
        return wrong(scan, "nested too deep");
    scan->at++;
    skip_blanks(scan);
    if (!at_byte(scan, close)) {
        for (;;) {
            if (!check(scan))
                return false;
            skip_blanks(scan);
            if (!at_byte(scan, ','))
                break;
            scan->at++;
        }
        if (!at_byte(scan, close))
            return wrong(scan, "',' or the end of an array or object must stand here");
    }
    scan->at++;
    scan->depth--;
    return true;
}

static bool check_value(struct scan *scan)
{
    skip_blanks(scan);
    if (scan->at == scan->end)
        return wrong(scan, "a value must stand here");
    if (++scan->values > scan->limits->values_max)
        return wrong(scan, "too many values");
    switch (*scan->at) {
    case '{':
        return check_container(scan, '}', check_member);
    case '[':
        return check_container(scan, ']', check_value);
    case '"':
        return check_string(scan);
    case 't':
        return check_word(scan, "true");
    case 'f':
        return check_word(scan, "false");
    case 'n':
        return check_word(scan, "null");
    default:
        return check_number(scan);
    }
}

static bool check_text(struct scan *scan)
{
    if (!check_value(scan))
        return false;
    skip_blanks(scan);
    return scan->at == scan->end ? true : wrong(scan, "bytes after the end");
}

enum lsmkv_status json_check(struct lsmkv_slice text, const struct json_limits *limits, const char *path,
                             struct lsmkv_error *err)
{
    struct json_limits bounded = *limits;
    struct scan scan = {0};

    if (text.size == 0)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: empty, not JSON", path);
    if (bounded.depth_max > JSON_DEPTH_MAX)
        bounded.depth_max = JSON_DEPTH_MAX;
    scan.start = text.data;
    scan.at = text.data;
    scan.end = text.data + text.size;
    scan.limits = &bounded;
    if (!check_text(&scan))
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad JSON at offset %" PRIu64 ": %s", path,
                          (uint64_t)(scan.at - scan.start), scan.reason);
    return LSMKV_OK;
}
