/*
 * json.h - JSON read strictly: cJSON's tree behind a check of our own.
 *
 * cJSON takes what RFC 8259 forbids (any letter case in lookups, duplicate keys, 01, raw control characters, bytes after
 * the end), cuts strings at \u0000 and makes every number a double. So the text is checked first, byte by byte, with
 * bounds on depth and on the number of values; cJSON only builds the tree. Fields are matched by exact name, each exactly
 * once. Integers that need 64 bits are decimal strings.
 *
 * Threads:   all functions may be called at the same time on different trees, and those that take const on one tree.
 * Ownership: json_free() frees a tree; nodes and texts are borrowed from it.
 * Failure:   CORRUPT, naming `path` (for messages only), the field or the offset; NOMEM.
 */
#ifndef LSM_MANIFEST_JSON_H
#define LSM_MANIFEST_JSON_H

#include "base/buf.h"

struct json; /* a value: cJSON's node */

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOL, JSON_NULL };

struct json_limits {
    unsigned depth_max; /* arrays and objects within each other, at most JSON_DEPTH_MAX */
    size_t values_max;  /* values in the whole text; a value costs up to a hundred bytes of memory */
};
#define JSON_DEPTH_MAX 64

LSMKV_MUST_CHECK enum lsmkv_status json_parse(struct json **root, struct lsmkv_slice text,
                                              const struct json_limits *limits, const char *path,
                                              struct lsmkv_error *err);
void json_free(struct json *root); /* NULL is fine */

/* The check alone: RFC 8259, UTF-8, no \u0000, no half of a surrogate pair, within the limits. */
LSMKV_MUST_CHECK enum lsmkv_status json_check(struct lsmkv_slice text, const struct json_limits *limits,
                                              const char *path, struct lsmkv_error *err);

/* Walks the members of an object or array: the first, or NULL; the next, or NULL. */
enum json_kind json_kind(const struct json *value);
const struct json *json_first(const struct json *value);
const struct json *json_next(const struct json *value);
const char *json_name(const struct json *value);                           /* "" outside an object */
const struct json *json_find(const struct json *object, const char *name); /* the first of that exact name, or NULL */

/* An object that has exactly the fields `names`, each once, in any order; values[i] is the one of names[i]. */
LSMKV_MUST_CHECK enum lsmkv_status json_fields(const struct json *object, const char *path, const char *const *names,
                                               const struct json **values, size_t count, struct lsmkv_error *err);

/* Each takes one value of one kind; the message names its field. */
LSMKV_MUST_CHECK enum lsmkv_status json_expect(const struct json *value, const char *path, enum json_kind kind,
                                               struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status json_get_text(const struct json *value, const char *path, const char **text,
                                                 struct lsmkv_error *err);
/* A JSON number, whole, 0 to `max`. */
LSMKV_MUST_CHECK enum lsmkv_status json_get_small(const struct json *value, const char *path, uint32_t max,
                                                  uint32_t *number, struct lsmkv_error *err);
/* A string of decimal digits without sign or leading zeros, 0 to `max`. */
LSMKV_MUST_CHECK enum lsmkv_status json_get_u64(const struct json *value, const char *path, uint64_t max,
                                                uint64_t *number, struct lsmkv_error *err);
/* A string of 16 lower-case hex digits. */
LSMKV_MUST_CHECK enum lsmkv_status json_get_hex64(const struct json *value, const char *path, uint64_t *number,
                                                  struct lsmkv_error *err);
/* A string of lower-case hex digits, two a byte, of `size_min` to `size_max` bytes; `bytes` is emptied and filled. */
LSMKV_MUST_CHECK enum lsmkv_status json_get_hex(const struct json *value, const char *path, size_t size_min,
                                                size_t size_max, struct lsmkv_buf *bytes, struct lsmkv_error *err);

/* Writing: appends text as it is (the caller's strings need no escapes), and bytes as lower-case hex. */
LSMKV_MUST_CHECK enum lsmkv_status json_print(struct lsmkv_buf *text, struct lsmkv_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
LSMKV_MUST_CHECK enum lsmkv_status json_put_hex(struct lsmkv_buf *text, struct lsmkv_slice bytes,
                                                struct lsmkv_error *err);
/* Reads `count` lower-case hex digits into `count` / 2 bytes; false if there is another character. */
bool hex_decode(const char *digits, size_t count, uint8_t *bytes);

#endif
