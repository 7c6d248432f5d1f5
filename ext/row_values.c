/*
 * row_values.c - the values of a new row: affinity, columns that UPDATE leaves alone, DEFAULT, NOT NULL, CHECK, encoding.
 */
#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/writer.h"

/* The value of a column that UPDATE leaves alone is in the row that is there. */
static int take_old_value(struct writer *writer, int column)
{
    int rc = SQLITE_OK;

    if (!writer->old.read)
        rc = writer_read(writer, &writer->old);
    if (!rc && !writer->old.read)
        rc = error_set(&writer->table->base.zErrMsg, SQLITE_ERROR, "table %s: the row to update is gone",
                       writer->table->name);
    if (rc)
        return rc;
    return writer_fail(writer, row_reader_get(&writer->old.reader, column, &writer->cells[column]), NULL);
}

int change_take_values(const struct change *change)
{
    struct writer *writer = change->writer;
    const struct table_schema *schema = writer_schema(writer);
    int i, rc = SQLITE_OK;

    for (i = 0; i < schema->count && !rc; i++) {
        if (change_gives(change, i))
            rc = writer_fail(writer, affinity_store(&writer->cells[i], schema->columns[i].affinity, change->values[i]),
                             NULL);
        else
            rc = take_old_value(writer, i);
    }
    return rc;
}

/*
 * SQLite gives a virtual table the same NULL for a column that INSERT leaves out and for an explicit NULL: both take the
 * DEFAULT. In an UPDATE a NULL is explicit, and takes it for OR REPLACE only, as in core.
 */
static int take_default(const struct change *change, int column)
{
    struct writer *writer = change->writer;

    if (!writer_schema(writer)->columns[column].default_sql || (change->old_key && !change->replace))
        return SQLITE_OK;
    return evaluator_default(writer->evaluator, column, &writer->cells[column], &writer->table->base.zErrMsg);
}

int change_check_not_null(const struct change *change)
{
    struct writer *writer = change->writer;
    const struct table_schema *schema = writer_schema(writer);
    int i, rc;

    for (i = 0; i < schema->count; i++) {
        if (!schema->columns[i].not_null || writer->cells[i].type != CELL_NULL || i == schema->integer_column)
            continue;
        rc = take_default(change, i);
        if (rc)
            return rc;
        if (writer->cells[i].type == CELL_NULL)
            return error_core(&writer->table->base.zErrMsg, SQLITE_CONSTRAINT_NOTNULL,
                              "NOT NULL constraint failed: %s.%s", writer->table->name, schema->columns[i].name);
    }
    return SQLITE_OK;
}

/* ---- CHECK ---- */

/* As in core an UPDATE tests only if it gives a column that a CHECK mentions. */
static bool check_is_due(const struct change *change)
{
    const struct evaluator *evaluator = change->writer->evaluator;
    int i;

    if (!change->old_key)
        return true;
    for (i = 0; i < writer_schema(change->writer)->count; i++) {
        if (change_gives(change, i) && evaluator_sees(evaluator, i))
            return true;
    }
    return change->rowid != change->old_rowid && evaluator_sees(evaluator, -1);
}

/* PRAGMA ignore_check_constraints, asked for only when a row would be refused. */
static bool checks_are_ignored(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    bool ignored = false;

    if (sqlite3_prepare_v2(db, "PRAGMA ignore_check_constraints", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        ignored = sqlite3_column_int(statement, 0) != 0;
    sqlite3_finalize(statement);
    return ignored;
}

int change_check(const struct change *change)
{
    struct writer *writer = change->writer;
    char **message = &writer->table->base.zErrMsg;
    int rc;

    if (!writer->evaluator || !check_is_due(change))
        return SQLITE_OK;
    rc = evaluator_check(writer->evaluator, writer->cells, change->rowid, message);
    if (rc && rc != SQLITE_NOMEM && checks_are_ignored(writer->table->connection->db)) {
        sqlite3_free(*message);
        *message = NULL;
        return SQLITE_OK;
    }
    return rc;
}

/* ---- Bytes ---- */

int change_encode(const struct change *change)
{
    struct writer *writer = change->writer;
    enum lsmkv_status status = row_encode(&writer->row, &writer->table->layout, writer->cells);

    if (status == LSMKV_TOOBIG)
        return error_set(&writer->table->base.zErrMsg, SQLITE_TOOBIG, "table %s: a row is over the limit of %u bytes",
                         writer->table->name, LSMKV_VALUE_MAX);
    return writer_fail(writer, status, NULL);
}
