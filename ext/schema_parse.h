/*
 * schema_parse.h - column definitions and table constraints, in SQLite's own syntax.
 *
 * What is not supported is an error that names the clause; nothing is parsed and ignored, but for what means nothing in
 * SQLite either (the name of a constraint, NULL, ASC).
 */
#ifndef EXT_SCHEMA_PARSE_H
#define EXT_SCHEMA_PARSE_H

#include "ext/schema.h"

/* True if `sql` starts like a table constraint: CONSTRAINT, PRIMARY, UNIQUE, CHECK, FOREIGN, INDEX. */
bool schema_is_constraint(const char *sql);

/* Adds the column that `sql` defines. Returns an SQLite code, with a message on failure. */
int schema_parse_column(struct table_schema *schema, const char *sql, char **message);

/* Applies a table constraint; the columns that it names must be there already. */
int schema_parse_constraint(struct table_schema *schema, const char *sql, char **message);

/* Called after the last column and constraint: settles key, collations and indexes. Defined in schema_keys.c. */
int schema_finish(struct table_schema *schema, char **message);

/* Parses a whole definition: columns and constraints between commas. */
int schema_parse(struct table_schema *schema, const char *definition, char **message);

#endif
