/*
 * arguments.h - the arguments of CREATE VIRTUAL TABLE ... USING lsmkv(...).
 *
 * A first argument that is a string literal is the directory of the store. Any other argument is an option if it reads
 * `name = value` (dir, table, and the store's options), a table constraint if it starts with one of its words, and a
 * column definition otherwise.
 */
#ifndef EXT_ARGUMENTS_H
#define EXT_ARGUMENTS_H

#include "ext/schema.h"

#define ARGUMENTS_DEFAULT_COLUMNS "key PRIMARY KEY, value"

struct argument_option {
    char *name;
    char *value;
};

struct arguments {
    char *dir;   /* NULL: beside the database */
    char *table; /* name of the table in the store; NULL: the table's own */
    struct table_schema schema;
    bool has_columns; /* any column or constraint was given */
    struct argument_option *options;
    int option_count;
    struct lsmkv_options store; /* the defaults, with `options` applied */
};

void arguments_init(struct arguments *arguments);
void arguments_release(struct arguments *arguments);

/*
 * Parses `count` module arguments (those after module, schema and table name). Returns an SQLite code with a message on
 * failure; `arguments` is to be released in every case.
 */
int arguments_parse(struct arguments *arguments, int count, const char *const *texts, char **message);

#endif
