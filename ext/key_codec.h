/*
 * key_codec.h - keys whose memcmp order is SQLite's order.
 *
 * A key is the id of its keyspace (4 bytes, big-endian), then parts, each an encoded column, then a rowid if its shape has one.
 *
 * No encoded part is the beginning of another, so parts follow each other without anything between them. A descending
 * part is the same bytes, all inverted: class bytes are then 0xEF to 0xBF.
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

enum collation {
    COLLATION_BINARY,
    COLLATION_NOCASE,
    COLLATION_RTRIM,
    COLLATION_OF_COLUMN, /* only while a schema is parsed: the column's own, not known yet */
};

/* One column of a key or an index. */
struct key_part {
    int column; /* of the table */
    enum collation collation;
    bool descending;
};

/* What the keys of one keyspace consist of, after its id: the parts one after the other, then the rowid if there is one. */
struct key_shape {
    struct key_part *parts;
    int count;
    bool rowid;
};

/* False if `name` is not one of the three. */
bool collation_of_name(const char *name, enum collation *collation);
const char *collation_name(enum collation collation);

/* All append to `key`; NOMEM leaves it as it was. */
LSMKV_MUST_CHECK enum lsmkv_status key_put_keyspace(struct lsmkv_buf *key, uint32_t keyspace);
LSMKV_MUST_CHECK enum lsmkv_status key_put_rowid(struct lsmkv_buf *key, int64_t rowid);
LSMKV_MUST_CHECK enum lsmkv_status key_put_part(struct lsmkv_buf *key, const struct cell *cell,
                                                enum collation collation, bool descending);

/* The key of `shape` for a table's cells, by column; `rowid` is used if the shape has one. */
LSMKV_MUST_CHECK enum lsmkv_status key_put_shape(struct lsmkv_buf *key, const struct key_shape *shape,
                                                 const struct cell *cells, int64_t rowid);

/* The rowid at the end of `key`; false if there is no room for one after the keyspace. */
bool key_get_rowid(struct lsmkv_slice key, int64_t *rowid);

/*
 * Decodes the part at offset `*at` of the whole key and moves past it. A number that is an integer in the range of int64
 * comes back as CELL_INTEGER, text as the collation left it (of NOCASE text with a zero byte, what is before that byte).
 * `scratch` holds the bytes of text and blobs that had to be restored; else they are borrowed from the key. CORRUPT, moving
 * nothing, if the bytes are no such part.
 */
LSMKV_MUST_CHECK enum lsmkv_status key_get_part(struct lsmkv_slice key, size_t *at, const struct key_part *part,
                                                struct cell *cell, struct lsmkv_buf *scratch);

/* Moves `*at` past a part without decoding it. */
LSMKV_MUST_CHECK enum lsmkv_status key_skip_part(struct lsmkv_slice key, size_t *at, const struct key_part *part);

/* True if the key alone gives `cell` back: its text is as the collation leaves it, and it is no -0.0 and no real. */
bool key_keeps_cell(const struct cell *cell, enum collation collation);

#endif
