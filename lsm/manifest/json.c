/*
 * json.c - cJSON's tree, reached only through exact names and checked kinds.
 *
 * cJSON_InitHooks() is not called: the hooks are one set for all users of the shared libcjson in the process, so ours
 * would be handed nodes that the host had allocated with malloc before the extension was loaded. A tree lives only while
 * a manifest is read, its size is bounded by the limits, and a failed allocation is NOMEM as everywhere.
 */
#include "manifest/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/error.h"

/* `struct json` is never defined: a pointer to it is a pointer to cJSON's node. */
static const cJSON *node_of(const struct json *value)
{
    return (const cJSON *)(const void *)value;
}

static const struct json *value_of(const cJSON *node)
{
    return (const struct json *)(const void *)node;
}

enum lsmkv_status json_parse(struct json **root, struct lsmkv_slice text, const struct json_limits *limits,
                             const char *path, struct lsmkv_error *err)
{
    struct lsmkv_buf ended = LSMKV_BUF_INIT;
    cJSON *node = NULL;
    enum lsmkv_status status;

    *root = NULL;
    status = json_check(text, limits, path, err);
    if (status)
        goto done;
    /* Some versions of cJSON look one byte past the length: give them a zero there. */
    status = buf_reserve(&ended, text.size + 1, err);
    if (status)
        goto done;
    memcpy(ended.data, text.data, text.size);
    ended.data[text.size] = 0;
    node = cJSON_ParseWithLengthOpts((const char *)ended.data, text.size + 1, NULL, 1);
    if (!node) {
        status = lsmkv_fail_nomem(err); /* all else was refused by json_check() */
        goto done;
    }
    *root = (struct json *)(void *)node;

done:
    lsmkv_buf_release(&ended);
    return status;
}

void json_free(struct json *root)
{
    cJSON_Delete((cJSON *)(void *)root);
}

enum json_kind json_kind(const struct json *value)
{
    switch (node_of(value)->type & 0xff) {
    case cJSON_Object:
        return JSON_OBJECT;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_NULL:
        return JSON_NULL;
    default:
        return JSON_BOOL;
    }
}

const struct json *json_first(const struct json *value)
{
    return value_of(node_of(value)->child);
}

const struct json *json_next(const struct json *value)
{
    return value_of(node_of(value)->next);
}

const char *json_name(const struct json *value)
{
    return node_of(value)->string ? node_of(value)->string : "";
}

const struct json *json_find(const struct json *object, const char *name)
{
    for (const struct json *member = json_first(object); member; member = json_next(member)) {
        if (strcmp(json_name(member), name) == 0)
            return member;
    }
    return NULL;
}

static size_t index_of(const char *const *names, size_t count, const char *name)
{
    size_t i = 0;

    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

enum lsmkv_status json_fields(const struct json *object, const char *path, const char *const *names,
                              const struct json **values, size_t count, struct lsmkv_error *err)
{
    enum lsmkv_status status = json_expect(object, path, JSON_OBJECT, err);

    if (status)
        return status;
    for (size_t i = 0; i < count; i++)
        values[i] = NULL;
    for (const struct json *member = json_first(object); member; member = json_next(member)) {
        size_t i = index_of(names, count, json_name(member));

        if (i == count)
            return lsmkv_fail(err, LSMKV_CORRUPT, "%s: unknown field \"%.64s\"", path, json_name(member));
        if (values[i])
            return lsmkv_fail(err, LSMKV_CORRUPT, "%s: field \"%s\" twice", path, names[i]);
        values[i] = member;
    }
    for (size_t i = 0; i < count; i++) {
        if (!values[i])
            return lsmkv_fail(err, LSMKV_CORRUPT, "%s: field \"%s\" is missing", path, names[i]);
    }
    return LSMKV_OK;
}

static enum lsmkv_status bad_value(const struct json *value, const char *path, const char *wanted,
                                   struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CORRUPT, "%s: field \"%.64s\" is not %s", path, json_name(value), wanted);
}

enum lsmkv_status json_expect(const struct json *value, const char *path, enum json_kind kind, struct lsmkv_error *err)
{
    static const char *const wanted[] = {"an object", "an array", "a string", "a number", "true or false", "null"};

    if (json_kind(value) == kind)
        return LSMKV_OK;
    return bad_value(value, path, wanted[kind], err);
}

enum lsmkv_status json_get_text(const struct json *value, const char *path, const char **text, struct lsmkv_error *err)
{
    *text = "";
    if (json_kind(value) != JSON_STRING)
        return bad_value(value, path, "a string", err);
    *text = node_of(value)->valuestring;
    return LSMKV_OK;
}

enum lsmkv_status json_get_small(const struct json *value, const char *path, uint32_t max, uint32_t *number,
                                 struct lsmkv_error *err)
{
    double found = json_kind(value) == JSON_NUMBER ? node_of(value)->valuedouble : -1;

    *number = 0;
    if (!(found >= 0 && found <= (double)max) || found != (double)(uint32_t)found)
        return bad_value(value, path, "a whole number in range", err);
    *number = (uint32_t)found;
    return LSMKV_OK;
}

enum lsmkv_status json_get_u64(const struct json *value, const char *path, uint64_t max, uint64_t *number,
                               struct lsmkv_error *err)
{
    const char *text;
    uint64_t sum = 0;
    enum lsmkv_status status = json_get_text(value, path, &text, err);

    *number = 0;
    if (status)
        return status;
    if (!*text || (text[0] == '0' && text[1]))
        return bad_value(value, path, "a decimal number", err);
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return bad_value(value, path, "a decimal number", err);
        if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum))
            return bad_value(value, path, "in range", err);
    }
    if (sum > max)
        return bad_value(value, path, "in range", err);
    *number = sum;
    return LSMKV_OK;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool hex_decode(const char *digits, size_t count, uint8_t *bytes)
{
    for (size_t i = 0; i + 1 < count; i += 2) {
        int high = hex_value(digits[i]);
        int low = hex_value(digits[i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    return count % 2 == 0;
}

enum lsmkv_status json_get_hex64(const struct json *value, const char *path, uint64_t *number, struct lsmkv_error *err)
{
    const char *text;
    uint8_t bytes[8];
    enum lsmkv_status status = json_get_text(value, path, &text, err);

    *number = 0;
    if (status)
        return status;
    if (strlen(text) != 16 || !hex_decode(text, 16, bytes))
        return bad_value(value, path, "16 hex digits", err);
    for (size_t i = 0; i < sizeof(bytes); i++)
        *number = *number << 8 | bytes[i];
    return LSMKV_OK;
}

enum lsmkv_status json_get_hex(const struct json *value, const char *path, size_t size_min, size_t size_max,
                               struct lsmkv_buf *bytes, struct lsmkv_error *err)
{
    const char *text;
    size_t digits;
    enum lsmkv_status status = json_get_text(value, path, &text, err);

    buf_clear(bytes);
    if (status)
        return status;
    digits = strlen(text);
    if (digits % 2 != 0 || digits / 2 < size_min || digits / 2 > size_max)
        return bad_value(value, path, "hex digits of the right number", err);
    status = buf_reserve(bytes, digits / 2, err);
    if (status)
        return status;
    if (!hex_decode(text, digits, bytes->data))
        return bad_value(value, path, "hex digits", err);
    bytes->size = digits / 2;
    return LSMKV_OK;
}

enum lsmkv_status json_print(struct lsmkv_buf *text, struct lsmkv_error *err, const char *format, ...)
{
    char line[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    assert(size >= 0 && (size_t)size < sizeof(line)); /* callers print numbers and short names */
    return buf_append(text, line, (size_t)size, err);
}

enum lsmkv_status json_put_hex(struct lsmkv_buf *text, struct lsmkv_slice bytes, struct lsmkv_error *err)
{
    static const char digits[] = "0123456789abcdef";
    enum lsmkv_status status;

    if (bytes.size > SIZE_MAX / 2)
        return lsmkv_fail_nomem(err);
    status = buf_reserve(text, bytes.size * 2, err);
    if (status)
        return status;
    for (size_t i = 0; i < bytes.size; i++) {
        text->data[text->size++] = (uint8_t)digits[bytes.data[i] >> 4];
        text->data[text->size++] = (uint8_t)digits[bytes.data[i] & 15];
    }
    return LSMKV_OK;
}
