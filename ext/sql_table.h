/*
 * sql_table.h - one lsmkv table as a connection sees it: the virtual table object.
 *
 * Life:      made by CREATE VIRTUAL TABLE (create.c) or, whenever SQLite reads the schema, from the shadow table alone.
 *            The store is opened by sql_table_attach() at the first use.
 * Failure:   messages go to base.zErrMsg.
 */
#ifndef EXT_SQL_TABLE_H
#define EXT_SQL_TABLE_H

#include "ext/connection.h"
#include "ext/plan.h"
#include "ext/row_codec.h"
#include "ext/schema.h"
#include "ext/session.h"
#include "ext/shadow.h"

struct writer;

struct sql_table {
    sqlite3_vtab base; /* first: SQLite's part */
    struct connection *connection;
    struct sql_table *next; /* in connection->tables */
    char *schema_name, *name;
    struct table_schema schema;
    struct row_layout layout;         /* of its rows */
    struct row_layout *index_layouts; /* of the entries of schema.indexes */
    struct plan_list plans;           /* that statements may be using */
    struct shadow shadow;
    bool unordered;          /* SQLite orders BINARY text in another way than keys: only = can use them */
    bool owner_moved;        /* the catalog is to be told at the next write: see owner.h */
    char *broken;            /* why the shadow table cannot be used; NULL: it can */
    char *store_name;        /* of the table in the store; known once attached */
    struct session *session; /* NULL until attached */

    /* Where its keys are, as the catalog said when its stamp was `stamp`; known once attached, see sql_table_refresh(). */
    uint32_t keyspace, keyspaces;
    uint64_t stamp;
    uint64_t read_in; /* 1 + the session's epoch when the catalog was last read in a followed transaction */

    struct writer *writer; /* NULL until the first write */
};

extern const sqlite3_module sql_table_module;

/* A table object without schema and shadow, linked to its connection; NULL on failure. */
struct sql_table *sql_table_new(struct connection *connection, const char *schema_name, const char *name);
void sql_table_free(struct sql_table *table);

/* After `schema` is set: what depends on the number of columns, and the declaration. */
int sql_table_declare(struct sql_table *table, char **message);

/* Opens the store if it is not open for this table, and finds the table in it. */
int sql_table_attach(struct sql_table *table);

/*
 * The catalog as this transaction sees it must still hold the table: rows of a dropped one would vanish. Sets where its
 * keys are.
 */
int sql_table_check_alive(struct sql_table *table);

/*
 * The same where it could have changed since; cheap where it cannot. Before reading or writing rows, with the session's
 * snapshot taken. A transaction reads the catalog once, so that it does not commit over a DROP or a truncation.
 */
int sql_table_refresh(struct sql_table *table);

static inline bool sql_table_is_temp(const struct sql_table *table)
{
    return sqlite3_stricmp(table->schema_name, "temp") == 0;
}

/* Finds a connected table by "name" or "schema.name"; connects to it first. NULL, with a message, if there is none. */
struct sql_table *sql_table_find(struct connection *connection, const char *name, char **message);

/* Finds it likewise and attaches it. */
int sql_table_open(struct connection *connection, const char *name, struct sql_table **table, char **message);
/* And sets where its keys are. */
int sql_table_open_keys(struct connection *connection, const char *name, struct sql_table **table, char **message);

/* SQLITE_LOCKED if the transaction has written to the store: a flush would wait for it, so for itself. */
int sql_table_may_flush(const struct sql_table *table, char **message);

/* The keyspace of the keys of schema.indexes[index]. */
static inline uint32_t sql_table_index_keyspace(const struct sql_table *table, int index)
{
    return table->keyspace + 1 + (uint32_t)index;
}

/* The keyspace of a plan's path. */
static inline uint32_t sql_table_path_keyspace(const struct sql_table *table, int path)
{
    return path == PLAN_PRIMARY ? table->keyspace : sql_table_index_keyspace(table, path);
}

/* The range of the keys of all rows: `bounds` holds 2 * LSMKV_TABLE_ID_SIZE bytes. */
void sql_table_key_range(const struct sql_table *table, uint8_t *bounds, struct lsmkv_slice *lower,
                         struct lsmkv_slice *upper);
/* The same with the entries of its indexes. */
void sql_table_whole_range(const struct sql_table *table, uint8_t *bounds, struct lsmkv_slice *lower,
                           struct lsmkv_slice *upper);

/* ---- Methods in other files ---- */

/* create.c */
int sql_table_create(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **vtab,
                     char **message);

/* table_ddl.c */
int sql_table_destroy(sqlite3_vtab *vtab);
int sql_table_rename(sqlite3_vtab *vtab, const char *to);

/*
 * table_truncate.c: takes all rows away, in the transaction at hand or, outside of one, in one of its own. *rows and *bytes:
 * about what went.
 */
int sql_table_truncate(struct sql_table *table, uint64_t *rows, uint64_t *bytes);

/* plan.c */
int sql_table_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info);

/* cursor.c */
int sql_cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor);
int sql_cursor_close(sqlite3_vtab_cursor *cursor);
int sql_cursor_filter(sqlite3_vtab_cursor *cursor, int plan, const char *text, int argc, sqlite3_value **argv);
int sql_cursor_next(sqlite3_vtab_cursor *cursor);
int sql_cursor_eof(sqlite3_vtab_cursor *cursor);
int sql_cursor_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column);
int sql_cursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid);

/* update.c */
int sql_table_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid);

#endif
