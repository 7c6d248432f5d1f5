/*
 * schema.h - what a table looks like: its columns, its key, its indexes, its constraints.
 *
 * A schema is parsed from SQL (schema_parse.h, arguments.h) and written back as SQL in one normal form, which is what
 * the shadow table and the store's catalog keep.
 *
 * Three kinds of key:
 *   hidden rowid   no PRIMARY KEY; a rowid table
 *   integer        INTEGER PRIMARY KEY; a rowid table whose column is the rowid
 *   columns        any other PRIMARY KEY; behaves as a WITHOUT ROWID table, its columns are NOT NULL
 */
#ifndef EXT_SCHEMA_H
#define EXT_SCHEMA_H

#include "ext/affinity.h"
#include "ext/key_codec.h"

#define SCHEMA_COLUMNS_MAX 2000 /* as SQLite by default */

enum key_kind { KEY_HIDDEN_ROWID, KEY_INTEGER, KEY_COLUMNS };

struct column {
    char *name;    /* without quotes */
    bool quoted;   /* the name was quoted: it may be a keyword */
    char *type;    /* "" if none */
    char *collate; /* the name given with COLLATE, or NULL */
    enum affinity affinity;
    bool not_null;     /* declared, or implied by the key */
    char *default_sql; /* an expression, or NULL */
};

/* A UNIQUE constraint or an INDEX. Its keyspace is the table's first one + 1 + its position in schema->indexes. */
struct table_index {
    char *name; /* of an INDEX; made from the columns for UNIQUE: "unique_a_b"; unlike any other's */
    bool unique;
    int count;              /* parts that it was declared with: the first ones of `shape` */
    struct key_shape shape; /* those, then all parts of the primary key or the rowid */
};

struct table_check {
    char *name; /* given with CONSTRAINT, or NULL */
    char *sql;  /* the expression, as it was written */
};

struct table_schema {
    const char *table_name; /* for messages; borrowed, may be NULL */
    struct column *columns;
    int count;
    enum key_kind key_kind;
    int integer_column;          /* KEY_INTEGER: the column that is the rowid; else -1 */
    int primary_position;        /* KEY_COLUMNS: how many of `indexes` were declared before the key; else 0 */
    struct key_shape primary;    /* KEY_COLUMNS: its parts, no rowid; else no parts and the rowid */
    struct table_index *indexes; /* in order of declaration */
    int index_count;
    struct table_check *checks; /* in order of declaration */
    int check_count;
};

void schema_init(struct table_schema *schema); /* no columns, hidden rowid */
void schema_release(struct table_schema *schema);

static inline bool schema_has_rowid(const struct table_schema *schema)
{
    return schema->key_kind != KEY_COLUMNS;
}

/*
 * True if SQLite knows rows by a hidden column that holds the whole encoded key without its keyspace: it takes a key of one
 * column only, compared by that column's own collation. The hidden column comes after the table's own.
 */
bool schema_has_hidden_key(const struct table_schema *schema);

/*
 * The first version of the definitions in a catalog that has all that the schema needs: 1, or 2 for keys of several columns
 * or descending ones, indexes, UNIQUE, CHECK and DEFAULT.
 */
int schema_version(const struct table_schema *schema);

/* Adds an empty column, index or check; NULL on failure. The pointer holds until the next call. */
struct column *schema_add_column(struct table_schema *schema);
struct table_index *schema_add_index(struct table_schema *schema);
struct table_check *schema_add_check(struct table_schema *schema);

/* Adds a part at the end of a shape; false on failure. */
bool key_shape_add(struct key_shape *shape, const struct key_part *part);
/* The position of the part that is `column`, or -1. */
int key_shape_find(const struct key_shape *shape, int column);

/* Index of the column with that name in any letter case, or -1. */
int schema_find_column(const struct table_schema *schema, const char *name);
/* Position of the index with that name in any letter case, or -1. */
int schema_find_index(const struct table_schema *schema, const char *name);

/* The collation that comparisons of the column use: its own, BINARY if it names none. */
const char *schema_column_collation(const struct table_schema *schema, int column);

/*
 * The same columns, key, indexes and constraints in the same order, whatever the quoting and letter case of names.
 * Expressions are the same if their texts are.
 */
bool schema_equal(const struct table_schema *a, const struct table_schema *b);

/* ---- schema_write.c ---- */

/* The normal form, "id INTEGER PRIMARY KEY, name TEXT NOT NULL", to end with sqlite3_free(); NULL on failure. */
char *schema_definition(const struct table_schema *schema);

/* CREATE TABLE for sqlite3_declare_vtab(), to end with sqlite3_free(); NULL on failure. */
char *schema_declaration(const struct table_schema *schema);

/* Writes a name as SQL reads it back, quoted where it must be. */
void schema_append_name(sqlite3_str *sql, const char *name, bool quoted);

/* Writes the expression in parentheses, whatever comment it ends with. */
void schema_append_expression(sqlite3_str *sql, const char *expression);

#endif
