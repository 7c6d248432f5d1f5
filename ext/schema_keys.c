#include "ext/schema_keys.h"

#include <string.h>

#include "ext/error.h"
#include "ext/memory.h"
#include "ext/schema_parse.h"

/* ---- Lists of columns ---- */

/* What is being declared; also the word for it in messages. */
static const char *const PRIMARY_KEY = "PRIMARY KEY", *const UNIQUE = "UNIQUE", *const INDEX = "INDEX";

static int fail_expression(struct parser *parser, const char *what)
{
    if (what == INDEX)
        return parser_fail_clause(parser, "an expression in an INDEX", NULL);
    return error_core(parser->message, SQLITE_ERROR, "expressions prohibited in PRIMARY KEY and UNIQUE constraints");
}

/* Takes ASC or DESC, or none. */
static bool take_descending(struct parser *parser)
{
    if (parser_accept(parser, "ASC"))
        return false;
    return parser_accept(parser, "DESC");
}

static int parse_part_collation(struct parser *parser, const char *what, struct key_part *part)
{
    char *name = NULL;
    int rc;

    if (!parser_accept(parser, "COLLATE"))
        return SQLITE_OK;
    rc = parser_take_name(parser, &name);
    if (!rc && !collation_of_name(name, &part->collation))
        rc = error_set(parser->message, SQLITE_ERROR, "column %s: COLLATE %s is not supported in %s",
                       parser->schema->columns[part->column].name, name, what);
    memory_free(name);
    return rc;
}

static int find_part_column(struct parser *parser, const struct key_shape *shape, const char *what, int *column)
{
    char *name;
    int rc = parser_take_name(parser, &name);

    if (rc)
        return rc;
    *column = schema_find_column(parser->schema, name);
    if (*column < 0)
        rc = error_core(parser->message, SQLITE_ERROR, "no such column: %s", name);
    else if (key_shape_find(shape, *column) >= 0)
        rc = error_set(parser->message, SQLITE_ERROR, "column %s is in one %s twice", name, what);
    memory_free(name);
    return rc;
}

/* True if what comes next is more than the name of a column, by its first two tokens. */
static bool is_expression(const struct parser *parser)
{
    const char *at = parser->at;
    struct token next = token_next(&at);

    if (parser->token.kind == TOKEN_END || parser->token.kind == TOKEN_ILLEGAL || next.kind == TOKEN_ILLEGAL)
        return false;
    if (!token_is_name(&parser->token) && parser->token.kind != TOKEN_STRING)
        return true;
    if (next.kind == TOKEN_PUNCTUATION)
        return next.text[0] != ',' && next.text[0] != ')';
    return next.kind != TOKEN_END && !token_is(&next, "COLLATE") && !token_is(&next, "ASC") &&
           !token_is(&next, "DESC") && !token_is(&next, "NULLS") && !token_is(&next, "AUTOINCREMENT");
}

/* "name COLLATE NOCASE DESC" */
static int parse_part(struct parser *parser, struct key_shape *shape, const char *what)
{
    struct key_part part = {.collation = COLLATION_OF_COLUMN};
    int rc;

    if (token_is_punctuation(&parser->token, ')') || token_is_punctuation(&parser->token, ','))
        return parser_fail_near(parser);
    if (is_expression(parser))
        return fail_expression(parser, what);
    rc = find_part_column(parser, shape, what, &part.column);
    if (!rc)
        rc = parse_part_collation(parser, what, &part);
    if (rc)
        return rc;
    part.descending = take_descending(parser);
    if (parser_accept(parser, "NULLS"))
        return error_core(parser->message, SQLITE_ERROR, "unsupported use of NULLS %s",
                          token_is(&parser->token, "FIRST") ? "FIRST" : "LAST");
    return key_shape_add(shape, &part) ? SQLITE_OK : SQLITE_NOMEM;
}

/* "(a, b DESC)" */
static int parse_parts(struct parser *parser, struct key_shape *shape, const char *what)
{
    int rc;

    if (!parser_accept_punctuation(parser, '('))
        return parser_fail_near(parser);
    do {
        rc = parse_part(parser, shape, what);
    } while (!rc && parser_accept_punctuation(parser, ','));
    if (rc || parser_accept_punctuation(parser, ')'))
        return rc;
    if (token_is(&parser->token, "AUTOINCREMENT"))
        return parser_fail_clause(parser, "AUTOINCREMENT", NULL);
    return parser->token.kind == TOKEN_END ? parser_fail_near(parser) : fail_expression(parser, what);
}

/* ---- PRIMARY KEY ---- */

static int begin_key(struct parser *parser)
{
    if (!parser_accept(parser, "KEY"))
        return parser_fail_near(parser);
    if (parser->schema->primary.count)
        return error_core(parser->message, SQLITE_ERROR, "table \"%s\" has more than one primary key",
                          parser->schema->table_name ? parser->schema->table_name : "");
    parser->schema->primary_position = parser->schema->index_count;
    return SQLITE_OK;
}

int schema_parse_column_key(struct parser *parser, int index)
{
    const char *name = parser->schema->columns[index].name;
    struct key_part part = {.column = index, .collation = COLLATION_OF_COLUMN};
    int rc = begin_key(parser);

    if (rc)
        return rc;
    part.descending = take_descending(parser);
    if (!key_shape_add(&parser->schema->primary, &part))
        return SQLITE_NOMEM;
    if (token_is(&parser->token, "AUTOINCREMENT"))
        return parser_fail_clause(parser, "AUTOINCREMENT", name);
    return parser_refuse_conflict(parser, name);
}

static bool has_integer_type(const struct table_schema *schema, int column)
{
    return sqlite3_stricmp(schema->columns[column].type, "INTEGER") == 0;
}

int schema_parse_table_key(struct parser *parser)
{
    struct key_shape *primary = &parser->schema->primary;
    int rc = begin_key(parser);

    if (!rc)
        rc = parse_parts(parser, primary, PRIMARY_KEY);
    if (rc)
        return rc;
    /* In SQLite DESC keeps an INTEGER column from being the rowid only where it stands with the column. */
    if (primary->count == 1 && has_integer_type(parser->schema, primary->parts[0].column))
        primary->parts[0].descending = false;
    return parser_refuse_conflict(parser, NULL);
}

/* ---- UNIQUE and INDEX ---- */

int schema_parse_column_unique(struct parser *parser, int index)
{
    const struct key_part part = {.column = index, .collation = COLLATION_OF_COLUMN};
    struct table_index *unique = schema_add_index(parser->schema);

    if (!unique || !key_shape_add(&unique->shape, &part))
        return SQLITE_NOMEM;
    unique->unique = true;
    return parser_refuse_conflict(parser, parser->schema->columns[index].name);
}

int schema_parse_table_unique(struct parser *parser)
{
    struct table_index *unique = schema_add_index(parser->schema);
    int rc;

    if (!unique)
        return SQLITE_NOMEM;
    unique->unique = true;
    rc = parse_parts(parser, &unique->shape, UNIQUE);
    return rc ? rc : parser_refuse_conflict(parser, NULL);
}

int schema_parse_index(struct parser *parser)
{
    struct table_index *index;
    char *name;
    int rc;

    if (token_is_punctuation(&parser->token, '('))
        return error_set(parser->message, SQLITE_ERROR, "an INDEX needs a name: INDEX name (columns)");
    rc = parser_take_name(parser, &name);
    if (rc)
        return rc;
    if (schema_find_index(parser->schema, name) >= 0) {
        rc = error_core(parser->message, SQLITE_ERROR, "index %s already exists", name);
        memory_free(name);
        return rc;
    }
    index = schema_add_index(parser->schema);
    if (!index) {
        memory_free(name);
        return SQLITE_NOMEM;
    }
    index->name = name;
    rc = parse_parts(parser, &index->shape, INDEX);
    if (!rc && token_is(&parser->token, "WHERE"))
        rc = parser_fail_clause(parser, "WHERE of an INDEX", NULL);
    return rc;
}

/* ---- When the definition is complete ---- */

static void settle_key_kind(struct table_schema *schema)
{
    struct key_shape *primary = &schema->primary;
    int i;

    if (primary->count == 0)
        return;
    if (primary->count == 1 && has_integer_type(schema, primary->parts[0].column) && !primary->parts[0].descending) {
        schema->key_kind = KEY_INTEGER;
        schema->integer_column = primary->parts[0].column;
        schema->primary_position = 0;
        primary->count = 0;
        return;
    }
    /* INTEGER PRIMARY KEY DESC can only be written with the column, so before all table constraints. */
    if (primary->count == 1 && has_integer_type(schema, primary->parts[0].column))
        schema->primary_position = 0;
    schema->key_kind = KEY_COLUMNS;
    primary->rowid = false;
    for (i = 0; i < primary->count; i++)
        schema->columns[primary->parts[i].column].not_null = true;
}

static int settle_collations(const struct table_schema *schema, struct key_shape *shape, const char *what,
                             char **message)
{
    int i;

    for (i = 0; i < shape->count; i++) {
        struct key_part *part = &shape->parts[i];
        const char *name = schema_column_collation(schema, part->column);

        if (part->collation == COLLATION_OF_COLUMN && !collation_of_name(name, &part->collation))
            return error_set(message, SQLITE_ERROR, "column %s: COLLATE %s is not supported in %s",
                             schema->columns[part->column].name, name, what);
    }
    return SQLITE_OK;
}

static bool same_columns(const struct key_shape *a, const struct key_shape *b)
{
    int i;

    if (a->count != b->count)
        return false;
    for (i = 0; i < a->count; i++) {
        if (a->parts[i].column != b->parts[i].column || a->parts[i].collation != b->parts[i].collation)
            return false;
    }
    return true;
}

/* True for a UNIQUE that the key or an earlier UNIQUE already says. SQLite makes no index for such a one either. */
static bool is_redundant(const struct table_schema *schema, int position)
{
    const struct table_index *index = &schema->indexes[position];
    int i;

    if (!index->unique)
        return false;
    if (index->shape.count == 1 && index->shape.parts[0].column == schema->integer_column)
        return true;
    if (schema->primary.count && same_columns(&index->shape, &schema->primary))
        return true;
    for (i = 0; i < position; i++) {
        if (schema->indexes[i].unique && same_columns(&index->shape, &schema->indexes[i].shape))
            return true;
    }
    return false;
}

static void remove_index(struct table_schema *schema, int position)
{
    memory_free(schema->indexes[position].name);
    memory_free(schema->indexes[position].shape.parts);
    schema->index_count--;
    if (position < schema->primary_position)
        schema->primary_position--;
    memmove(&schema->indexes[position], &schema->indexes[position + 1],
            (size_t)(schema->index_count - position) * sizeof(*schema->indexes));
}

/* A key that a UNIQUE before it has said is checked where that UNIQUE stands: in SQLite it becomes the key. */
static void remove_redundant(struct table_schema *schema, int position)
{
    bool is_key =
        position < schema->primary_position && same_columns(&schema->indexes[position].shape, &schema->primary);

    remove_index(schema, position);
    if (is_key)
        schema->primary_position = position;
}

/* "unique_a_b", or "unique_a_b_2" where that is taken. */
static int name_unique(struct table_schema *schema, struct table_index *index)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    char *name, *numbered = NULL;
    int i, number;

    sqlite3_str_appendall(text, "unique");
    for (i = 0; i < index->shape.count; i++)
        sqlite3_str_appendf(text, "_%s", schema->columns[index->shape.parts[i].column].name);
    name = sqlite3_str_finish(text);
    if (name)
        numbered = sqlite3_mprintf("%s", name);
    for (number = 2; numbered && schema_find_index(schema, numbered) >= 0; number++) {
        sqlite3_free(numbered);
        numbered = sqlite3_mprintf("%s_%d", name, number);
    }
    index->name = numbered ? memory_copy_text(numbered, strlen(numbered)) : NULL;
    sqlite3_free(numbered);
    sqlite3_free(name);
    return index->name ? SQLITE_OK : SQLITE_NOMEM;
}

/* Entries of an index end with what finds the row. */
static int complete_index(struct table_schema *schema, struct table_index *index)
{
    int i, rc = index->unique ? name_unique(schema, index) : SQLITE_OK;

    index->count = index->shape.count;
    index->shape.rowid = schema->primary.rowid;
    for (i = 0; i < schema->primary.count && !rc; i++)
        rc = key_shape_add(&index->shape, &schema->primary.parts[i]) ? SQLITE_OK : SQLITE_NOMEM;
    return rc;
}

static int settle_indexes(struct table_schema *schema, char **message)
{
    int i, rc = SQLITE_OK;

    for (i = 0; i < schema->index_count && !rc; i++)
        rc = settle_collations(schema, &schema->indexes[i].shape, schema->indexes[i].unique ? UNIQUE : INDEX, message);
    if (rc)
        return rc;
    for (i = schema->index_count - 1; i >= 0; i--) {
        if (is_redundant(schema, i))
            remove_redundant(schema, i);
    }
    for (i = 0; i < schema->index_count && !rc; i++)
        rc = complete_index(schema, &schema->indexes[i]);
    return rc;
}

/* SQLite hands over the same NULL for a column left out and for an explicit NULL, so DEFAULT can only replace NULL. */
static int check_defaults(const struct table_schema *schema, char **message)
{
    int i;

    for (i = 0; i < schema->count; i++) {
        const struct column *column = &schema->columns[i];

        if (!column->default_sql)
            continue;
        if (i == schema->integer_column)
            return error_set(message, SQLITE_ERROR, "column %s: DEFAULT of an INTEGER PRIMARY KEY is not supported",
                             column->name);
        if (!column->not_null)
            return error_set(message, SQLITE_ERROR, "column %s: DEFAULT is supported with NOT NULL only", column->name);
    }
    return SQLITE_OK;
}

int schema_finish(struct table_schema *schema, char **message)
{
    int rc;

    if (schema->count == 0)
        return error_set(message, SQLITE_ERROR, "a table needs at least one column");
    settle_key_kind(schema);
    rc = settle_collations(schema, &schema->primary, PRIMARY_KEY, message);
    if (!rc)
        rc = settle_indexes(schema, message);
    return rc ? rc : check_defaults(schema, message);
}
