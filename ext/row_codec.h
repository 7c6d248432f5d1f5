/*
 * row_codec.h - the value of a row: every column's value as it was given, next to what the key already tells.
 *
 *   varint   size of the header in bytes, this varint included
 *   varint   code of column 0
 *   ...      one per column; columns beyond the last code are NULL
 *   bytes    the columns' contents, one after the other, in the order of the codes
 *
 *   code     content
 *   0        NULL: nothing
 *   1 to 6   integer of 1, 2, 3, 4, 6, 8 bytes, little-endian, two's complement
 *   7        real: the 8 bytes of a double, little-endian
 *   8, 9     the integers 0 and 1: nothing
 *   10       what the key says: nothing
 *   11       the number that the key says, as a real: nothing
 *   12 + 2n  blob of n bytes
 *   13 + 2n  text of n bytes, UTF-8
 *
 * Varints are LEB128. Columns are decoded one by one, when they are asked for.
 */
#ifndef EXT_ROW_CODEC_H
#define EXT_ROW_CODEC_H

#include "ext/key_codec.h"

/* ---- Writing ---- */

/*
 * Replaces `row` with the encoding of `count` cells. `key_column` is the column that the key holds (-1: none),
 * `rowid_key` says that the key is a rowid, `collation` is that of the key otherwise. NOMEM or TOOBIG on failure.
 */
LSMKV_MUST_CHECK enum lsmkv_status row_encode(struct lsmkv_buf *row, const struct cell *cells, int count,
                                              int key_column, enum collation collation, bool rowid_key);

/* ---- Reading ---- */

struct row_field {
    uint64_t code;
    size_t offset; /* of the content */
};

/*
 * Where the columns of one row are, found as far as they have been asked for.
 * Ownership: borrows key and value until the next row_reader_set().
 */
struct row_reader {
    struct lsmkv_slice key, value;
    struct row_field *fields; /* room for `count`, made by row_reader_init() */
    int count;                /* columns of the table */
    int known;                /* fields filled so far */
    bool rowid_key;           /* the key is a rowid */
    const uint8_t *header_at, *header_end;
    size_t content_at;
    struct lsmkv_buf scratch; /* unescaped bytes of the key */
};

LSMKV_MUST_CHECK enum lsmkv_status row_reader_init(struct row_reader *reader, int count, bool rowid_key);
void row_reader_release(struct row_reader *reader); /* a zeroed reader is fine */

/* Starts on another row; CORRUPT if its header makes no sense. */
LSMKV_MUST_CHECK enum lsmkv_status row_reader_set(struct row_reader *reader, struct lsmkv_slice key,
                                                  struct lsmkv_slice value);

/* The cell of `column`; its bytes are borrowed from the row (or from the reader, until the next call). */
LSMKV_MUST_CHECK enum lsmkv_status row_reader_get(struct row_reader *reader, int column, struct cell *cell);

#endif
