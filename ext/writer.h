/*
 * writer.h - what a table needs to write rows: buffers, the row that is there, its index entries, CHECK and DEFAULT.
 *
 * Made at the table's first write and kept for the next ones, so that a row costs no allocation.
 *
 * update.c runs the steps of a row in core's order; each step is a file's: row_values.c, rowid.c, conflict.c,
 * index_entries.c. All return SQLite codes and put messages into the table's zErrMsg.
 */
#ifndef EXT_WRITER_H
#define EXT_WRITER_H

#include "ext/evaluator.h"
#include "ext/sql_table.h"

/* A row as the store has it. */
struct stored_row {
    struct lsmkv_buf key, value;
    struct row_reader reader; /* on them, once the row was read */
    bool read;
};

/* The entries of one index for the row in hand. */
struct index_entries {
    struct row_reader reader; /* of an entry, by the table's layout */
    bool touched;             /* the entry may change */
    bool has_null;            /* in the declared columns of the new entry: it is unlike any other */
    size_t prefix_size;       /* of the declared columns in `key` */
    struct lsmkv_buf key;     /* of the new row's entry */
    struct lsmkv_buf value;   /* of an entry to be written */
};

struct writer {
    struct sql_table *table;
    struct evaluator *evaluator;   /* NULL: nothing to evaluate */
    struct cell *cells;            /* of the new row, by column */
    struct lsmkv_buf key, row;     /* of the new row */
    struct stored_row old;         /* the row that is updated or deleted */
    struct stored_row victim;      /* one that REPLACE removes */
    struct cell *stored_cells;     /* of either, where an index needs them */
    struct index_entries *indexes; /* as in the schema */
    struct lsmkv_buf entry_key, entry_value, bound;
};

/* One call of xUpdate with a new row. */
struct change {
    struct writer *writer;
    sqlite3_value **values; /* of the columns */
    sqlite3_value *old_key; /* NULL: INSERT */
    sqlite3_value *new_key; /* what SQLite thinks the rowid or key will be */
    bool replace;
    int64_t rowid; /* of a table that has one */
    int64_t old_rowid;
    bool key_changes; /* there is an old row, under another key */
};

/* Finds the table's writer, or makes it: CREATE does, so that expressions that cannot be evaluated are refused there. */
int writer_of(struct sql_table *table, struct writer **writer);
void writer_free(struct writer *writer); /* NULL is fine */

/* The key by which SQLite knows a row: what the cursor gave. Sets `row` to that key, and to not read. */
int writer_locate(struct writer *writer, struct stored_row *row, sqlite3_value *key);

/* Reads the row with row->key; row->read tells whether it is there. */
int writer_read(struct writer *writer, struct stored_row *row);

/* Deletes a row that was read, with its index entries. What was written before a failure is the caller's to take back. */
int writer_remove(struct writer *writer, struct stored_row *row);

/* True if the statement gives the column a value; false if UPDATE leaves it as it is. */
static inline bool change_gives(const struct change *change, int column)
{
    return !change->old_key || !sqlite3_value_nochange(change->values[column]);
}

static inline const struct table_schema *writer_schema(const struct writer *writer)
{
    return &writer->table->schema;
}

static inline struct lsmkv_session *writer_engine(const struct writer *writer)
{
    return writer->table->session->engine;
}

static inline bool writer_has_indexes(const struct writer *writer)
{
    return writer->table->schema.index_count > 0;
}

/* Turns a failure into SQLite's code and the table's message; `err` is NULL where it could only be memory or a bad row. */
int writer_fail(const struct writer *writer, enum lsmkv_status status, const struct lsmkv_error *err);

/* Begins the key of an entry of index `i`, or of a row of the table where `i` is -1. */
LSMKV_MUST_CHECK enum lsmkv_status writer_start_key(const struct writer *writer, struct lsmkv_buf *key, int i);

/* ---- row_values.c ---- */

/* Fills writer->cells with what will be stored, but for a rowid and for DEFAULTs. */
int change_take_values(const struct change *change);
/* Gives columns that must not be NULL their DEFAULT; SQLITE_CONSTRAINT_NOTNULL for one without. */
int change_check_not_null(const struct change *change);
int change_check(const struct change *change);  /* CHECK constraints */
int change_encode(const struct change *change); /* sets writer->row */

/* ---- conflict.c ---- */

/* Looks for rows with the same key or the same UNIQUE columns: removes them for REPLACE, refuses the new row otherwise. */
int change_settle_conflicts(const struct change *change);

/* ---- index_entries.c ---- */

/* Makes the key of each entry that the change may touch. */
int indexes_prepare(const struct change *change);
/* Looks for an entry with the same declared columns. If there is one writer->victim.key is the key of its row. */
int indexes_find(struct writer *writer, int i, bool *found);
/* Writes the entries of the new row, after indexes_prepare(), in place of those of the old one. */
int indexes_write(const struct change *change);
/* Deletes the entries of a row that was read. */
int indexes_remove(struct writer *writer, struct stored_row *row);

#endif
