#include "ext/schema_parse.h"

#include <string.h>

#include "ext/error.h"
#include "ext/memory.h"
#include "ext/token.h"

/* Reads tokens one ahead. */
struct parser {
    struct table_schema *schema;
    const char *at;
    struct token token;
    char **message;
};

static void advance(struct parser *parser)
{
    parser->token = token_next(&parser->at);
}

static void parser_init(struct parser *parser, struct table_schema *schema, const char *sql, char **message)
{
    parser->schema = schema;
    parser->at = sql;
    parser->message = message;
    advance(parser);
}

/* Takes the word if it is next. */
static bool accept(struct parser *parser, const char *word)
{
    if (!token_is(&parser->token, word))
        return false;
    advance(parser);
    return true;
}

static bool accept_punctuation(struct parser *parser, char byte)
{
    if (!token_is_punctuation(&parser->token, byte))
        return false;
    advance(parser);
    return true;
}

static int fail_near(struct parser *parser)
{
    if (parser->token.kind == TOKEN_END)
        return error_set(parser->message, SQLITE_ERROR, "incomplete column or constraint");
    if (parser->token.kind == TOKEN_ILLEGAL)
        return error_set(parser->message, SQLITE_ERROR, "unterminated quote or comment");
    return error_set(parser->message, SQLITE_ERROR, "near \"%.*s\": syntax error", (int)parser->token.size,
                     parser->token.text);
}

static int fail_clause(struct parser *parser, const char *clause, const char *column)
{
    if (column)
        return error_set(parser->message, SQLITE_ERROR, "column %s: %s is not supported", column, clause);
    return error_set(parser->message, SQLITE_ERROR, "%s is not supported", clause);
}

/* ---- Types ---- */

static bool starts_column_constraint(const struct token *token)
{
    static const char *const words[] = {"CONSTRAINT", "PRIMARY", "NOT",       "NULL",       "UNIQUE",
                                        "CHECK",      "DEFAULT", "COLLATE",   "REFERENCES", "GENERATED",
                                        "AS",         "ON",      "DEFERRABLE"};
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (token_is(token, words[i]))
            return true;
    }
    return false;
}

/* Moves a token into the text of a type: white space and comments between two tokens become one space. */
static void take_token(struct parser *parser, sqlite3_str *text)
{
    if (parser->token.spaced && sqlite3_str_length(text))
        sqlite3_str_appendchar(text, 1, ' ');
    sqlite3_str_append(text, parser->token.text, (int)parser->token.size);
    advance(parser);
}

/* "(10)" or "(10, 2)", with signs. */
static int parse_type_size(struct parser *parser, sqlite3_str *text)
{
    bool more = true;

    take_token(parser, text);
    while (more) {
        if (token_is_punctuation(&parser->token, '+') || token_is_punctuation(&parser->token, '-'))
            take_token(parser, text);
        if (parser->token.kind != TOKEN_NUMBER && parser->token.kind != TOKEN_WORD)
            return fail_near(parser);
        take_token(parser, text);
        more = token_is_punctuation(&parser->token, ',');
        if (!more && !token_is_punctuation(&parser->token, ')'))
            return fail_near(parser);
        take_token(parser, text);
    }
    return SQLITE_OK;
}

static int parse_type(struct parser *parser, struct column *column)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    int rc = SQLITE_OK;
    char *type;

    while (!rc && token_is_name(&parser->token) && !starts_column_constraint(&parser->token)) {
        if (token_is(&parser->token, "HIDDEN")) /* of a virtual table's column: SQLite would hide it */
            rc = fail_clause(parser, "HIDDEN in a type", column->name);
        take_token(parser, text);
    }
    if (!rc && sqlite3_str_length(text) && token_is_punctuation(&parser->token, '('))
        rc = parse_type_size(parser, text);
    if (!rc)
        rc = sqlite3_str_errcode(text);
    type = sqlite3_str_finish(text);
    if (!rc) {
        column->type = memory_copy_text(type ? type : "", type ? strlen(type) : 0);
        column->affinity = affinity_of_type(column->type);
        rc = column->type ? SQLITE_OK : SQLITE_NOMEM;
    }
    sqlite3_free(type);
    return rc;
}

/* ---- Column constraints ---- */

static int parse_not_null(struct parser *parser, struct column *column)
{
    if (token_is(&parser->token, "DEFERRABLE"))
        return fail_clause(parser, "DEFERRABLE", column->name);
    if (!accept(parser, "NULL"))
        return fail_near(parser);
    if (token_is(&parser->token, "ON"))
        return fail_clause(parser, "ON CONFLICT", column->name);
    column->not_null = true;
    return SQLITE_OK;
}

static int parse_collate(struct parser *parser, struct column *column)
{
    if (!token_is_name(&parser->token) && parser->token.kind != TOKEN_STRING)
        return fail_near(parser);
    memory_free(column->collate);
    column->collate = token_value(&parser->token);
    if (!column->collate)
        return SQLITE_NOMEM;
    advance(parser);
    return SQLITE_OK;
}

/* The name after CONSTRAINT, which means nothing. */
static int skip_constraint_name(struct parser *parser)
{
    if (!token_is_name(&parser->token) && parser->token.kind != TOKEN_STRING)
        return fail_near(parser);
    advance(parser);
    return SQLITE_OK;
}

/* What may follow PRIMARY KEY, of a column or inside the parentheses of a table's. */
static int parse_key_rest(struct parser *parser, const char *column)
{
    if (token_is(&parser->token, "DESC"))
        return fail_clause(parser, "PRIMARY KEY DESC", column);
    accept(parser, "ASC");
    if (token_is(&parser->token, "ON"))
        return fail_clause(parser, "ON CONFLICT", column);
    if (token_is(&parser->token, "AUTOINCREMENT"))
        return fail_clause(parser, "AUTOINCREMENT", column);
    return SQLITE_OK;
}

static int set_key(struct parser *parser, int column)
{
    if (parser->schema->key_column >= 0)
        return error_set(parser->message, SQLITE_ERROR, "more than one PRIMARY KEY");
    parser->schema->key_column = column;
    return SQLITE_OK;
}

static int parse_primary_key(struct parser *parser, int index)
{
    int rc;

    if (!accept(parser, "KEY"))
        return fail_near(parser);
    rc = set_key(parser, index);
    return rc ? rc : parse_key_rest(parser, parser->schema->columns[index].name);
}

static int refuse_constraint(struct parser *parser, const char *column)
{
    static const char *const words[] = {"UNIQUE", "CHECK", "DEFAULT", "REFERENCES", "ON", "DEFERRABLE"};
    size_t i;

    if (token_is(&parser->token, "GENERATED") || token_is(&parser->token, "AS"))
        return fail_clause(parser, "a generated column", column);
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (token_is(&parser->token, words[i]))
            return fail_clause(parser, words[i], column);
    }
    return fail_near(parser);
}

static int parse_column_constraint(struct parser *parser, int index)
{
    struct column *column = &parser->schema->columns[index];

    if (accept(parser, "CONSTRAINT"))
        return skip_constraint_name(parser);
    if (accept(parser, "PRIMARY"))
        return parse_primary_key(parser, index);
    if (accept(parser, "NOT"))
        return parse_not_null(parser, column);
    if (accept(parser, "NULL"))
        return token_is(&parser->token, "ON") ? fail_clause(parser, "ON CONFLICT", column->name) : SQLITE_OK;
    if (accept(parser, "COLLATE"))
        return parse_collate(parser, column);
    return refuse_constraint(parser, column->name);
}

/* Adds a column named by the token at hand. */
static int add_column(struct parser *parser)
{
    struct table_schema *schema = parser->schema;
    char *name = token_value(&parser->token);
    struct column *column;
    int rc = SQLITE_OK;

    if (!name)
        return SQLITE_NOMEM;
    if (schema_find_column(schema, name) >= 0)
        rc = error_core(parser->message, SQLITE_ERROR, "duplicate column name: %s", name);
    else if (schema->count >= SCHEMA_COLUMNS_MAX)
        rc = error_set(parser->message, SQLITE_ERROR, "more than %d columns", SCHEMA_COLUMNS_MAX);
    column = rc ? NULL : schema_add_column(schema);
    if (!column) {
        memory_free(name);
        return rc ? rc : SQLITE_NOMEM;
    }
    column->name = name;
    column->quoted = parser->token.kind == TOKEN_NAME;
    advance(parser);
    return SQLITE_OK;
}

int schema_parse_column(struct table_schema *schema, const char *sql, char **message)
{
    struct parser parser;
    int rc;

    parser_init(&parser, schema, sql, message);
    if (parser.token.kind == TOKEN_STRING)
        return error_set(message, SQLITE_ERROR, "%.*s: a string literal cannot name a column", (int)parser.token.size,
                         parser.token.text);
    if (!token_is_name(&parser.token))
        return fail_near(&parser);
    rc = add_column(&parser);
    if (!rc)
        rc = parse_type(&parser, &schema->columns[schema->count - 1]);
    while (!rc && parser.token.kind != TOKEN_END)
        rc = parse_column_constraint(&parser, schema->count - 1);
    return rc;
}

/* ---- Table constraints ---- */

bool schema_is_constraint(const char *sql)
{
    struct token token = token_next(&sql);

    /* None of these words can name a column unquoted. */
    return token_is(&token, "CONSTRAINT") || token_is(&token, "PRIMARY") || token_is(&token, "UNIQUE") ||
           token_is(&token, "CHECK") || token_is(&token, "FOREIGN") || token_is(&token, "INDEX");
}

/* The column inside PRIMARY KEY(...). */
static int parse_key_column(struct parser *parser)
{
    char *name;
    int index, rc;

    if (!token_is_name(&parser->token) && parser->token.kind != TOKEN_STRING)
        return fail_near(parser);
    name = token_value(&parser->token);
    if (!name)
        return SQLITE_NOMEM;
    index = schema_find_column(parser->schema, name);
    if (index < 0)
        rc = error_set(parser->message, SQLITE_ERROR, "PRIMARY KEY: no such column: %s", name);
    else
        rc = set_key(parser, index);
    memory_free(name);
    if (rc)
        return rc;
    advance(parser);
    if (token_is(&parser->token, "COLLATE"))
        return fail_clause(parser, "COLLATE inside PRIMARY KEY", parser->schema->columns[index].name);
    return parse_key_rest(parser, parser->schema->columns[index].name);
}

static int parse_table_key(struct parser *parser)
{
    int rc;

    if (!accept(parser, "KEY") || !accept_punctuation(parser, '('))
        return fail_near(parser);
    rc = parse_key_column(parser);
    if (rc)
        return rc;
    if (token_is_punctuation(&parser->token, ','))
        return fail_clause(parser, "a composite PRIMARY KEY", NULL);
    if (!accept_punctuation(parser, ')'))
        return fail_near(parser);
    if (token_is(&parser->token, "ON"))
        return fail_clause(parser, "ON CONFLICT", NULL);
    return parser->token.kind == TOKEN_END ? SQLITE_OK : fail_near(parser);
}

int schema_parse_constraint(struct table_schema *schema, const char *sql, char **message)
{
    struct parser parser;
    int rc = SQLITE_OK;

    parser_init(&parser, schema, sql, message);
    if (accept(&parser, "CONSTRAINT"))
        rc = skip_constraint_name(&parser);
    if (rc)
        return rc;
    if (accept(&parser, "PRIMARY"))
        return parse_table_key(&parser);
    if (token_is(&parser.token, "UNIQUE"))
        return fail_clause(&parser, "UNIQUE", NULL);
    if (token_is(&parser.token, "CHECK"))
        return fail_clause(&parser, "CHECK", NULL);
    if (token_is(&parser.token, "FOREIGN"))
        return fail_clause(&parser, "FOREIGN KEY", NULL);
    if (token_is(&parser.token, "INDEX"))
        return fail_clause(&parser, "INDEX", NULL);
    return fail_near(&parser);
}

int schema_finish(struct table_schema *schema, char **message)
{
    struct column *key;

    if (schema->count == 0)
        return error_set(message, SQLITE_ERROR, "a table needs at least one column");
    if (schema->key_column < 0)
        return SQLITE_OK;
    key = &schema->columns[schema->key_column];
    if (sqlite3_stricmp(key->type, "INTEGER") == 0) {
        schema->key_kind = KEY_INTEGER;
        return SQLITE_OK;
    }
    schema->key_kind = KEY_COLUMN;
    key->not_null = true;
    if (key->collate && !collation_of_name(key->collate, &schema->collation))
        return error_set(message, SQLITE_ERROR, "column %s: COLLATE %s is not supported in a key", key->name,
                         key->collate);
    return SQLITE_OK;
}

/* ---- A whole definition ---- */

/* Length of the part of `sql` before the next comma outside parentheses. */
static size_t part_size(const char *sql)
{
    const char *at = sql;
    int depth = 0;

    for (;;) {
        struct token token = token_next(&at);

        if (token.kind == TOKEN_END || (depth == 0 && token_is_punctuation(&token, ',')))
            return (size_t)(token.text - sql);
        if (token_is_punctuation(&token, '('))
            depth++;
        if (token_is_punctuation(&token, ')'))
            depth--;
    }
}

int schema_parse(struct table_schema *schema, const char *definition, char **message)
{
    const char *at = definition;
    int rc;

    for (;;) {
        size_t size = part_size(at);
        char *part = memory_copy_text(at, size);

        if (!part)
            return SQLITE_NOMEM;
        if (schema_is_constraint(part))
            rc = schema_parse_constraint(schema, part, message);
        else
            rc = schema_parse_column(schema, part, message);
        memory_free(part);
        if (rc)
            return rc;
        at += size;
        if (!*at)
            return schema_finish(schema, message);
        at++;
    }
}
