/*
 * row_codec.h - the value of a row or of an index entry: its columns' values as they were given, next to what the key
 * already tells.
 *
 * A value holds slots. Slot i of a table's row is column i; slot i of an index entry is part i of the index's shape.
 *
 *   varint   size of the header in bytes, this varint included
 *   varint   code of slot 0
 *   ...      one per slot; slots beyond the last code are NULL
 *   bytes    the slots' contents, one after the other, in the order of the codes
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
 * "The key" in codes 10 and 11 is the part that the layout says, or the rowid at its end.
 *
 * Varints are LEB128. Slots are decoded one by one, when they are asked for.
 */
#ifndef EXT_ROW_CODEC_H
#define EXT_ROW_CODEC_H

#include "ext/schema.h"

/* ---- Layouts ---- */

enum { SLOT_PLAIN = -1, SLOT_ROWID = -2 }; /* in `told_by`, beside the numbers of parts */

/*
 * Which slot holds what.
 * Ownership: borrows the shape of the schema that it was made for.
 */
struct row_layout {
    const struct key_shape *shape;
    int count;          /* slots */
    int *column_of;     /* per slot: the column of the table */
    int *told_by;       /* per slot: the part of the key that tells it, SLOT_ROWID or SLOT_PLAIN */
    int columns;        /* of the table */
    int *slot_of;       /* per column: its slot, or -1 if this layout does not hold it */
    int integer_column; /* the column that the rowid at the end of the key is; -1: none */
};

/* Of a table's rows, and of an index's entries; to be released in every case. A zeroed layout is fine to release. */
LSMKV_MUST_CHECK enum lsmkv_status row_layout_init_table(struct row_layout *layout, const struct table_schema *schema);
LSMKV_MUST_CHECK enum lsmkv_status row_layout_init_index(struct row_layout *layout, const struct table_schema *schema,
                                                         const struct table_index *index);
void row_layout_release(struct row_layout *layout);

/* True if rows of this layout give the column's value. */
static inline bool row_layout_holds(const struct row_layout *layout, int column)
{
    return layout->slot_of[column] >= 0 || column == layout->integer_column;
}

/* ---- Writing ---- */

/* Replaces `row` with the encoding of a table's cells, by column. NOMEM or TOOBIG on failure. */
LSMKV_MUST_CHECK enum lsmkv_status row_encode(struct lsmkv_buf *row, const struct row_layout *layout,
                                              const struct cell *cells);

/* ---- Reading ---- */

struct row_field {
    uint64_t code;
    size_t offset; /* of the content */
};

/*
 * Where the slots of one row and the parts of its key are, found as far as they have been asked for.
 * Ownership: borrows the layout, and key and value until the next row_reader_set().
 */
struct row_reader {
    const struct row_layout *layout;
    struct lsmkv_slice key, value;
    struct row_field *fields; /* one per slot */
    int known;                /* fields filled so far */
    const uint8_t *header_at, *header_end;
    size_t content_at;
    size_t *part_at;           /* per part of the key: its offset */
    int parts_known;           /* offsets filled so far, at least that of the first */
    struct lsmkv_buf *scratch; /* per part of the key: its bytes where they had to be restored */
};

LSMKV_MUST_CHECK enum lsmkv_status row_reader_init(struct row_reader *reader, const struct row_layout *layout);
void row_reader_release(struct row_reader *reader); /* a zeroed reader is fine */

/* Starts on another row; CORRUPT if its header makes no sense. */
LSMKV_MUST_CHECK enum lsmkv_status row_reader_set(struct row_reader *reader, struct lsmkv_slice key,
                                                  struct lsmkv_slice value);

/* The cell of a column that the layout holds; its bytes are borrowed until the next row_reader_set(). */
LSMKV_MUST_CHECK enum lsmkv_status row_reader_get(struct row_reader *reader, int column, struct cell *cell);

/* Replaces `key` with the key of the row that an index entry points to: `keyspace` and the end of the entry's key. */
LSMKV_MUST_CHECK enum lsmkv_status row_reader_primary_key(struct row_reader *reader, const struct table_index *index,
                                                          uint32_t keyspace, struct lsmkv_buf *key);

#endif
