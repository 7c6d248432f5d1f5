#include "ext/writer.h"

#include <string.h>

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/memory.h"
#include "ext/rowid.h"

int writer_fail(const struct writer *writer, enum lsmkv_status status, const struct lsmkv_error *err)
{
    struct sql_table *table = writer->table;

    if (status == LSMKV_CORRUPT && !err)
        return error_set(&table->base.zErrMsg, SQLITE_CORRUPT_VTAB, "table %s: a damaged row", table->name);
    return error_from(&table->base.zErrMsg, status, err);
}

/* ---- Life ---- */

static void stored_row_release(struct stored_row *row)
{
    row_reader_release(&row->reader);
    lsmkv_buf_release(&row->key);
    lsmkv_buf_release(&row->value);
}

static void entries_release(struct index_entries *entries)
{
    row_reader_release(&entries->reader);
    lsmkv_buf_release(&entries->key);
    lsmkv_buf_release(&entries->value);
}

void writer_free(struct writer *writer)
{
    int i;

    if (!writer)
        return;
    for (i = 0; writer->indexes && i < writer_schema(writer)->index_count; i++)
        entries_release(&writer->indexes[i]);
    memory_free(writer->indexes);
    stored_row_release(&writer->old);
    stored_row_release(&writer->victim);
    evaluator_free(writer->evaluator);
    memory_free(writer->cells);
    memory_free(writer->stored_cells);
    lsmkv_buf_release(&writer->key);
    lsmkv_buf_release(&writer->row);
    lsmkv_buf_release(&writer->entry_key);
    lsmkv_buf_release(&writer->entry_value);
    lsmkv_buf_release(&writer->bound);
    memory_free(writer);
}

static enum lsmkv_status make_indexes(struct writer *writer)
{
    const struct table_schema *schema = writer_schema(writer);
    enum lsmkv_status status = LSMKV_OK;
    int i;

    if (!schema->index_count)
        return LSMKV_OK;
    writer->indexes = memory_alloc((size_t)schema->index_count * sizeof(*writer->indexes));
    if (!writer->indexes)
        return LSMKV_NOMEM;
    for (i = 0; i < schema->index_count && !status; i++)
        status = row_reader_init(&writer->indexes[i].reader, &writer->table->index_layouts[i]);
    return status;
}

static enum lsmkv_status make_rows(struct writer *writer)
{
    size_t columns = (size_t)writer_schema(writer)->count;
    enum lsmkv_status status = row_reader_init(&writer->old.reader, &writer->table->layout);

    if (!status)
        status = row_reader_init(&writer->victim.reader, &writer->table->layout);
    writer->cells = memory_alloc(columns * sizeof(*writer->cells));
    writer->stored_cells = memory_alloc(columns * sizeof(*writer->stored_cells));
    if (!status && (!writer->cells || !writer->stored_cells))
        status = LSMKV_NOMEM;
    return status;
}

int writer_of(struct sql_table *table, struct writer **writer)
{
    struct writer *made;
    int rc;

    *writer = table->writer;
    if (*writer)
        return SQLITE_OK;
    made = memory_alloc(sizeof(*made));
    if (!made)
        return SQLITE_NOMEM;
    made->table = table;
    rc = writer_fail(made, make_rows(made), NULL);
    if (!rc)
        rc = writer_fail(made, make_indexes(made), NULL);
    if (!rc && evaluator_needed(&table->schema))
        rc = evaluator_new(&made->evaluator, table->connection->db, &table->schema, &table->base.zErrMsg);
    if (rc) {
        writer_free(made);
        return rc;
    }
    *writer = table->writer = made;
    return SQLITE_OK;
}

/* ---- Rows that are there ---- */

enum lsmkv_status writer_start_key(const struct writer *writer, struct lsmkv_buf *key, int i)
{
    key->size = 0;
    return key_put_keyspace(key, writer->table->keyspace + (uint32_t)(i + 1));
}

/* What SQLite has of a key of columns: the column itself, or the hidden one with all of the encoded key. */
static enum lsmkv_status put_known_key(const struct writer *writer, struct lsmkv_buf *key, sqlite3_value *value)
{
    const struct table_schema *schema = writer_schema(writer);
    const struct key_part *part = &schema->primary.parts[0];
    struct cell cell;
    enum lsmkv_status status = cell_from_value(&cell, value);

    if (status)
        return status;
    if (schema_has_hidden_key(schema))
        return bytes_append(key, cell.bytes.data, cell.type == CELL_BLOB ? cell.bytes.size : 0);
    return key_put_part(key, &cell, part->collation, part->descending);
}

int writer_locate(struct writer *writer, struct stored_row *row, sqlite3_value *key)
{
    enum lsmkv_status status = writer_start_key(writer, &row->key, -1);

    row->read = false;
    if (!status && schema_has_rowid(writer_schema(writer)))
        status = key_put_rowid(&row->key, sqlite3_value_int64(key));
    else if (!status)
        status = put_known_key(writer, &row->key, key);
    return writer_fail(writer, status, NULL);
}

int writer_read(struct writer *writer, struct stored_row *row)
{
    struct lsmkv_error err;
    enum lsmkv_status status;
    bool found = false;

    error_clear(&err);
    row->read = false;
    status = lsmkv_get(writer_engine(writer), bytes_of(&row->key), &row->value, &found, &err);
    if (status)
        return writer_fail(writer, status, &err);
    if (found)
        status = row_reader_set(&row->reader, bytes_of(&row->key), bytes_of(&row->value));
    row->read = found && !status;
    return writer_fail(writer, status, NULL);
}

int writer_remove(struct writer *writer, struct stored_row *row)
{
    struct lsmkv_error err;
    int64_t rowid;
    int rc = indexes_remove(writer, row);

    error_clear(&err);
    if (!rc)
        rc = writer_fail(writer, lsmkv_delete(writer_engine(writer), bytes_of(&row->key), &err), &err);
    if (!rc && schema_has_rowid(writer_schema(writer)) && key_get_rowid(bytes_of(&row->key), &rowid))
        rowid_note_delete(writer->table, rowid);
    return rc;
}
