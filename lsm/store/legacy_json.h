/*
 * legacy_json.h - takes JSON apart as Python's json module writes it: a reader that moves over bytes, one value at a time.
 *
 * Failure: functions return false, or LSMKV_CORRUPT or LSMKV_NOMEM, and fill no error: the caller knows file and line.
 */
#ifndef LSM_STORE_LEGACY_JSON_H
#define LSM_STORE_LEGACY_JSON_H

#include "base/buf.h"

struct scanner {
    const uint8_t *at;
    const uint8_t *end;
};

bool legacy_is_utf8(struct lsmkv_slice text); /* as the standard has it: no surrogates, nothing overlong */

void scan_blanks(struct scanner *scanner);
bool scan_char(struct scanner *scanner, char c);           /* after blanks, as all below */
bool scan_word(struct scanner *scanner, const char *word); /* exactly these bytes */
bool scan_whole(struct scanner *scanner, uint64_t max, uint64_t *number);
enum lsmkv_status scan_string(struct scanner *scanner, struct lsmkv_buf *to); /* `to` is emptied first */
enum lsmkv_status scan_any(struct scanner *scanner);                          /* any value, of bounded depth; skipped */

/* Calls `member` after each name and its colon; it takes the value. */
typedef enum lsmkv_status scan_member(struct scanner *scanner, struct lsmkv_slice name, void *context);
enum lsmkv_status scan_object(struct scanner *scanner, scan_member *member, void *context);
/* One object and nothing after it. */
enum lsmkv_status scan_document(struct lsmkv_slice text, scan_member *member, void *context);

#endif
