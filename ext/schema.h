/*
 * schema.h - what a table looks like: its columns and its key.
 *
 * A schema is parsed from SQL (schema_parse.h, arguments.h) and written back as SQL in one normal form, which is what
 * the shadow table and the store's catalog keep.
 *
 * Three kinds of key:
 *   hidden rowid   no PRIMARY KEY; a rowid table
 *   integer        INTEGER PRIMARY KEY; a rowid table whose column is the rowid
 *   column         any other single-column PRIMARY KEY; behaves as a WITHOUT ROWID table, the column is NOT NULL
 */
#ifndef EXT_SCHEMA_H
#define EXT_SCHEMA_H

#include "ext/affinity.h"
#include "ext/key_codec.h"

#define SCHEMA_COLUMNS_MAX 2000 /* as SQLite by default */

enum key_kind { KEY_HIDDEN_ROWID, KEY_INTEGER, KEY_COLUMN };

struct column {
    char *name;    /* without quotes */
    bool quoted;   /* the name was quoted: it may be a keyword */
    char *type;    /* "" if none */
    char *collate; /* the name given with COLLATE, or NULL */
    enum affinity affinity;
    bool not_null; /* declared, or implied by the key */
};

struct table_schema {
    struct column *columns;
    int count;
    enum key_kind key_kind;
    int key_column;           /* -1 with a hidden rowid */
    enum collation collation; /* of the key column */
};

void schema_init(struct table_schema *schema); /* no columns, hidden rowid */
void schema_release(struct table_schema *schema);

static inline bool schema_has_rowid(const struct table_schema *schema)
{
    return schema->key_kind != KEY_COLUMN;
}

/* Adds an empty column; NULL on failure. The pointer holds until the next call. */
struct column *schema_add_column(struct table_schema *schema);

/* Index of the column with that name in any letter case, or -1. */
int schema_find_column(const struct table_schema *schema, const char *name);

/* The same columns, key and collations, whatever the quoting and letter case of names. */
bool schema_equal(const struct table_schema *a, const struct table_schema *b);

/* The normal form, "id INTEGER PRIMARY KEY, name TEXT NOT NULL", to end with sqlite3_free(); NULL on failure. */
char *schema_definition(const struct table_schema *schema);

/* CREATE TABLE for sqlite3_declare_vtab(), to end with sqlite3_free(); NULL on failure. */
char *schema_declaration(const struct table_schema *schema);

#endif
