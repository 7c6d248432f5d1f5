/*
 * index_entries.c - the entries of secondary indexes: kept in step with the rows, in the same transaction.
 *
 * An entry's key is the index's columns and then the primary key or rowid of its row, so it is unlike any other. UNIQUE
 * means that no other entry begins with the same declared columns, unless one of them is NULL.
 */
#include <string.h>

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/writer.h"

static const struct table_index *index_at(const struct writer *writer, int i)
{
    return &writer_schema(writer)->indexes[i];
}

/* ---- Keys ---- */

/* The key of the entry for `cells`; `prefix_size` (may be NULL) is where the declared columns end. */
static enum lsmkv_status make_key(const struct writer *writer, int i, const struct cell *cells, int64_t rowid,
                                  struct lsmkv_buf *key, size_t *prefix_size)
{
    const struct table_index *index = index_at(writer, i);
    const struct key_shape declared = {index->shape.parts, index->count, false};
    const struct key_shape rest = {index->shape.parts + index->count, index->shape.count - index->count,
                                   index->shape.rowid};
    enum lsmkv_status status = writer_start_key(writer, key, i);

    if (!status)
        status = key_put_shape(key, &declared, cells, rowid);
    if (prefix_size)
        *prefix_size = key->size;
    return status ? status : key_put_shape(key, &rest, cells, rowid);
}

static bool has_null(const struct table_index *index, const struct cell *cells)
{
    int i;

    for (i = 0; i < index->count; i++) {
        if (cells[index->shape.parts[i].column].type == CELL_NULL)
            return true;
    }
    return false;
}

/* With the key unchanged an entry changes only if a column in it does: by its value, where not by its key (1 and 1.0). */
static bool is_touched(const struct change *change, const struct table_index *index)
{
    int i;

    if (!change->old_key || change->key_changes)
        return true;
    for (i = 0; i < index->shape.count; i++) {
        if (change_gives(change, index->shape.parts[i].column))
            return true;
    }
    return false;
}

int indexes_prepare(const struct change *change)
{
    struct writer *writer = change->writer;
    enum lsmkv_status status = LSMKV_OK;
    int i;

    for (i = 0; i < writer_schema(writer)->index_count && !status; i++) {
        struct index_entries *entries = &writer->indexes[i];

        entries->touched = is_touched(change, index_at(writer, i));
        if (!entries->touched)
            continue;
        entries->has_null = has_null(index_at(writer, i), writer->cells);
        status = make_key(writer, i, writer->cells, change->rowid, &entries->key, &entries->prefix_size);
    }
    return writer_fail(writer, status, NULL);
}

/* The cells of a stored row that entry `i` is made of, in stored_cells, and its rowid. */
static enum lsmkv_status read_cells(struct writer *writer, struct stored_row *row, int i, int64_t *rowid)
{
    const struct key_shape *shape = &index_at(writer, i)->shape;
    enum lsmkv_status status = LSMKV_OK;
    int part;

    *rowid = 0;
    if (shape->rowid && !key_get_rowid(bytes_of(&row->key), rowid))
        return LSMKV_CORRUPT;
    for (part = 0; part < shape->count && !status; part++) {
        int column = shape->parts[part].column;

        status = row_reader_get(&row->reader, column, &writer->stored_cells[column]);
    }
    return status;
}

/* Sets entry_key to the key of the stored row's entry, stored_cells to what it is made of. */
static enum lsmkv_status make_stored_key(struct writer *writer, struct stored_row *row, int i)
{
    int64_t rowid;
    enum lsmkv_status status = read_cells(writer, row, i, &rowid);

    return status ? status : make_key(writer, i, writer->stored_cells, rowid, &writer->entry_key, NULL);
}

/* ---- Looking ---- */

/* The first key that does not begin with `prefix`: a key's first bytes, its keyspace, are never all 0xFF. */
static enum lsmkv_status put_successor(struct lsmkv_buf *bound, struct lsmkv_slice prefix)
{
    enum lsmkv_status status;

    while (prefix.size && prefix.data[prefix.size - 1] == 0xFF)
        prefix.size--;
    bound->size = 0;
    status = bytes_append(bound, prefix.data, prefix.size);
    if (!status)
        bound->data[bound->size - 1]++;
    return status;
}

/* The primary key in the entry that the cursor is on. */
static int take_row_key(struct writer *writer, int i, const struct lsmkv_cursor *cursor)
{
    struct row_reader *reader = &writer->indexes[i].reader;
    enum lsmkv_status status = row_reader_set(reader, lsmkv_cursor_key(cursor), lsmkv_cursor_value(cursor));

    if (!status)
        status = row_reader_primary_key(reader, index_at(writer, i), writer->table->keyspace, &writer->victim.key);
    return writer_fail(writer, status, NULL);
}

int indexes_find(struct writer *writer, int i, bool *found)
{
    const struct index_entries *entries = &writer->indexes[i];
    struct lsmkv_slice prefix = bytes_slice(entries->key.data, entries->prefix_size);
    struct lsmkv_cursor *cursor = NULL;
    struct lsmkv_error err;
    enum lsmkv_status status = put_successor(&writer->bound, prefix);
    int rc;

    error_clear(&err);
    *found = false;
    if (!status)
        status = lsmkv_cursor_open(&cursor, writer_engine(writer), prefix, bytes_of(&writer->bound), &err);
    if (!status)
        status = lsmkv_cursor_first(cursor, &err);
    rc = writer_fail(writer, status, &err);
    if (!rc && lsmkv_cursor_valid(cursor)) {
        *found = true;
        rc = take_row_key(writer, i, cursor);
    }
    lsmkv_cursor_close(cursor);
    return rc;
}

/* ---- Writing ---- */

static enum lsmkv_status encode_entry(const struct writer *writer, int i, const struct cell *cells,
                                      struct lsmkv_buf *value)
{
    return row_encode(value, &writer->table->index_layouts[i], cells);
}

/* Takes the old row's entry away, unless the new one is the very same: then nothing is to be written. */
static int replace_old_entry(struct writer *writer, int i, bool *same)
{
    const struct index_entries *entries = &writer->indexes[i];
    struct lsmkv_error err;
    enum lsmkv_status status = make_stored_key(writer, &writer->old, i);

    error_clear(&err);
    *same = false;
    if (status)
        return writer_fail(writer, status, NULL);
    if (bytes_compare(bytes_of(&writer->entry_key), bytes_of(&entries->key)) != 0)
        return writer_fail(writer, lsmkv_delete(writer_engine(writer), bytes_of(&writer->entry_key), &err), &err);
    status = encode_entry(writer, i, writer->stored_cells, &writer->entry_value);
    *same = !status && bytes_compare(bytes_of(&writer->entry_value), bytes_of(&entries->value)) == 0;
    return writer_fail(writer, status, NULL);
}

static int write_entry(const struct change *change, int i)
{
    struct writer *writer = change->writer;
    struct index_entries *entries = &writer->indexes[i];
    struct lsmkv_error err;
    bool same = false;
    int rc = writer_fail(writer, encode_entry(writer, i, writer->cells, &entries->value), NULL);

    error_clear(&err);
    if (!rc && change->old_key)
        rc = replace_old_entry(writer, i, &same);
    if (rc || same)
        return rc;
    return writer_fail(
        writer, lsmkv_put(writer_engine(writer), bytes_of(&entries->key), bytes_of(&entries->value), &err), &err);
}

int indexes_write(const struct change *change)
{
    struct writer *writer = change->writer;
    int i, rc = SQLITE_OK;

    for (i = 0; i < writer_schema(writer)->index_count && !rc; i++) {
        if (writer->indexes[i].touched)
            rc = write_entry(change, i);
    }
    return rc;
}

int indexes_remove(struct writer *writer, struct stored_row *row)
{
    struct lsmkv_error err;
    int i, rc = SQLITE_OK;

    for (i = 0; i < writer_schema(writer)->index_count && !rc; i++) {
        error_clear(&err);
        rc = writer_fail(writer, make_stored_key(writer, row, i), NULL);
        if (!rc)
            rc = writer_fail(writer, lsmkv_delete(writer_engine(writer), bytes_of(&writer->entry_key), &err), &err);
    }
    return rc;
}
