/*
 * schema_keys.h - PRIMARY KEY, UNIQUE and INDEX: the lists of columns that become shapes of keys.
 *
 * While a schema is parsed, schema->primary and the shapes of indexes hold what was declared; schema_finish()
 * (schema_parse.h) settles what depends on the whole definition.
 */
#ifndef EXT_SCHEMA_KEYS_H
#define EXT_SCHEMA_KEYS_H

#include "ext/parser.h"

/* Of column `index`, after the word PRIMARY or UNIQUE. */
int schema_parse_column_key(struct parser *parser, int index);
int schema_parse_column_unique(struct parser *parser, int index);

/* Table constraints, after the word PRIMARY, UNIQUE or INDEX. */
int schema_parse_table_key(struct parser *parser);
int schema_parse_table_unique(struct parser *parser);
int schema_parse_index(struct parser *parser);

#endif
