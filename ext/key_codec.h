/*
 * key_codec.h - keys whose memcmp order is SQLite's order.
 *
 * A key is the table's id (4 bytes, big-endian) and then either a rowid or one encoded column.
 *
 * Rowid: 8 bytes, big-endian, sign bit flipped.
 *
 * Column: one class byte, then what the class needs.
 *
 *   class  meaning             then
 *   0x10   NULL                nothing
 *   0x20   -infinity           nothing
 *   0x21   negative number     10 bytes: all bits of the positive number's inverted
 *   0x22   zero                nothing
 *   0x23   positive number     2 bytes exponent + 1075, 8 bytes mantissa; big-endian
 *   0x24   +infinity           nothing
 *   0x30   text                the collation's form of it with 00 written as 00 FF, then 00 01
 *   0x40   blob                the bytes with 00 written as 00 FF, then 00 01
 *
 * A number is mantissa * 2^(exponent - 63) with the top bit of the mantissa set. Every int64 and every double has exactly one
 * such form, so integers and reals compare exactly, beyond 2^53 too. -0.0 is zero.
 *
 * Text by collation: BINARY is the bytes. RTRIM is the bytes without the spaces at the end. NOCASE is the bytes with
 * A-Z in lower case up to the first zero byte; SQLite compares no further there but for the length, so what follows a
 * zero byte is its number of bytes (4, big-endian) between 00 FF and 00 01.
 *
 * What a key does not tell (1 or 1.0, letter case, spaces) is in the row: see row_codec.h.
 */
#ifndef EXT_KEY_CODEC_H
#define EXT_KEY_CODEC_H

#include "ext/cell.h"

enum collation { COLLATION_BINARY, COLLATION_NOCASE, COLLATION_RTRIM };

/* False if `name` is not one of the three. */
bool collation_of_name(const char *name, enum collation *collation);
const char *collation_name(enum collation collation);

/* All append to `key`; NOMEM leaves it as it was. */
LSMKV_MUST_CHECK enum lsmkv_status key_put_table(struct lsmkv_buf *key, uint32_t table_id);
LSMKV_MUST_CHECK enum lsmkv_status key_put_rowid(struct lsmkv_buf *key, int64_t rowid);
LSMKV_MUST_CHECK enum lsmkv_status key_put_cell(struct lsmkv_buf *key, const struct cell *cell,
                                                enum collation collation);

/* False if the bytes are not a key of that form. `key` is the whole key, table id included. */
bool key_get_rowid(struct lsmkv_slice key, int64_t *rowid);

/*
 * The cell in a key of one column. A number that is an integer in the range of int64 comes back as CELL_INTEGER, text
 * as the collation left it. `scratch` holds the bytes of text and blobs that had to be unescaped; else they are
 * borrowed from the key. CORRUPT if the bytes are not a key of that form.
 */
LSMKV_MUST_CHECK enum lsmkv_status key_get_cell(struct lsmkv_slice key, struct cell *cell, struct lsmkv_buf *scratch);

/* True if the key alone gives `cell` back: its text is as the collation leaves it, and it is no -0.0 and no real. */
bool key_keeps_cell(const struct cell *cell, enum collation collation);

#endif
