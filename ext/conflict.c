/*
 * conflict.c - rows that are in the way of a new one: the same key, or the same values in UNIQUE columns.
 *
 * Core looks at the rowid first, then at UNIQUE constraints and a PRIMARY KEY of columns, the one declared last before the
 * others; the first that is in the way is named. For REPLACE each removes the row in its way, in that order, which counts
 * nothing in changes(). A row is never in its own way.
 */
#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/writer.h"

/* "UNIQUE constraint failed: t.a, t.b" */
static int refuse(struct sql_table *table, int code, const struct key_part *parts, int count)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    char *columns;
    int i, rc;

    for (i = 0; i < count; i++)
        sqlite3_str_appendf(text, "%s%s.%s", i ? ", " : "", table->name, table->schema.columns[parts[i].column].name);
    columns = sqlite3_str_finish(text);
    if (!columns)
        return SQLITE_NOMEM;
    rc = error_core(&table->base.zErrMsg, code, "UNIQUE constraint failed: %s", columns);
    sqlite3_free(columns);
    return rc;
}

static int refuse_key(struct sql_table *table)
{
    const struct table_schema *schema = &table->schema;
    const struct key_part integer = {.column = schema->integer_column};

    if (schema->key_kind == KEY_HIDDEN_ROWID)
        return error_core(&table->base.zErrMsg, SQLITE_CONSTRAINT_ROWID, "UNIQUE constraint failed: %s.rowid",
                          table->name);
    if (schema->key_kind == KEY_INTEGER)
        return refuse(table, SQLITE_CONSTRAINT_PRIMARYKEY, &integer, 1);
    return refuse(table, SQLITE_CONSTRAINT_PRIMARYKEY, schema->primary.parts, schema->primary.count);
}

/* Removes the row whose key is in `victim`. */
static int remove_victim(struct writer *writer)
{
    int rc = writer_read(writer, &writer->victim);

    return rc || !writer->victim.read ? rc : writer_remove(writer, &writer->victim);
}

static int settle_key(const struct change *change)
{
    struct writer *writer = change->writer;
    struct stored_row *victim = &writer->victim;
    enum lsmkv_status status;
    struct lsmkv_error err;
    bool found = false;

    if (change->old_key && !change->key_changes)
        return SQLITE_OK;
    if (change->replace) {
        /* Without indexes nothing but the row itself has to go, and the new one hides it. */
        if (!writer_has_indexes(writer))
            return SQLITE_OK;
        victim->key.size = 0;
        status = bytes_append(&victim->key, writer->key.data, writer->key.size);
        return status ? writer_fail(writer, status, NULL) : remove_victim(writer);
    }
    error_clear(&err);
    status = lsmkv_get(writer_engine(writer), bytes_of(&writer->key), NULL, &found, &err);
    if (status)
        return writer_fail(writer, status, &err);
    return found ? refuse_key(writer->table) : SQLITE_OK;
}

static int settle_index(const struct change *change, int i)
{
    struct writer *writer = change->writer;
    const struct table_index *index = &writer_schema(writer)->indexes[i];
    bool found = false;
    int rc;

    if (!index->unique || !writer->indexes[i].touched || writer->indexes[i].has_null)
        return SQLITE_OK;
    rc = indexes_find(writer, i, &found);
    if (rc || !found)
        return rc;
    if (change->old_key && bytes_compare(bytes_of(&writer->victim.key), bytes_of(&writer->old.key)) == 0)
        return SQLITE_OK;
    if (change->replace)
        return remove_victim(writer);
    return refuse(writer->table, SQLITE_CONSTRAINT_UNIQUE, index->shape.parts, index->count);
}

int change_settle_conflicts(const struct change *change)
{
    const struct table_schema *schema = writer_schema(change->writer);
    int i, key_turn = schema_has_rowid(schema) ? schema->index_count : schema->primary_position, rc = SQLITE_OK;

    for (i = schema->index_count; i >= 0 && !rc; i--) {
        if (i == key_turn)
            rc = settle_key(change);
        if (!rc && i)
            rc = settle_index(change, i - 1);
    }
    return rc;
}
