#include "ext/schema_parse.h"

#include <string.h>

#include "ext/error.h"
#include "ext/memory.h"
#include "ext/parser.h"
#include "ext/schema_keys.h"

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

/* Moves past a token; `*end` is where it ends. */
static void skip_token(struct parser *parser, const char **end)
{
    *end = parser->token.text + parser->token.size;
    parser_advance(parser);
}

/* "(10)" or "(10, 2)", with signs. */
static int skip_type_size(struct parser *parser, const char **end)
{
    bool more = true;

    skip_token(parser, end);
    while (more) {
        if (token_is_punctuation(&parser->token, '+') || token_is_punctuation(&parser->token, '-'))
            skip_token(parser, end);
        if (parser->token.kind != TOKEN_NUMBER && parser->token.kind != TOKEN_WORD)
            return parser_fail_near(parser);
        skip_token(parser, end);
        more = token_is_punctuation(&parser->token, ',');
        if (!more && !token_is_punctuation(&parser->token, ')'))
            return parser_fail_near(parser);
        skip_token(parser, end);
    }
    return SQLITE_OK;
}

static bool is_type_word(const struct token *token)
{
    return (token_is_name(token) && !starts_column_constraint(token)) || token->kind == TOKEN_STRING;
}

/* As in SQLite a type is the text from its first word to its last, as it stands. */
static int parse_type(struct parser *parser, struct column *column)
{
    const char *from = parser->token.text, *end = from;
    int rc = SQLITE_OK;

    while (is_type_word(&parser->token)) {
        if (token_is(&parser->token, "HIDDEN")) /* of a virtual table's column: SQLite would hide it */
            return parser_fail_clause(parser, "HIDDEN in a type", column->name);
        skip_token(parser, &end);
    }
    if (end != from && token_is_punctuation(&parser->token, '('))
        rc = skip_type_size(parser, &end);
    if (rc)
        return rc;
    column->type = memory_copy_text(from, (size_t)(end - from));
    if (!column->type)
        return SQLITE_NOMEM;
    column->affinity = affinity_of_type(column->type);
    return SQLITE_OK;
}

/* ---- DEFAULT ---- */

static bool is_literal_word(const struct token *token)
{
    static const char *const words[] = {"NULL", "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP"};
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (token_is(token, words[i]))
            return true;
    }
    return false;
}

/* A number, a string, a blob, NULL or a CURRENT_...: moves past it; `*end` is where it ends. */
static bool accept_literal(struct parser *parser, const char **end)
{
    struct token token = parser->token;

    if (token_is(&token, "x")) { /* x'00' */
        const char *at = parser->at;
        struct token string = token_next(&at);

        if (string.kind != TOKEN_STRING || string.spaced)
            return false;
        parser_advance(parser);
        token = parser->token;
    } else if (token.kind != TOKEN_NUMBER && token.kind != TOKEN_STRING && !is_literal_word(&token)) {
        return false;
    }
    *end = token.text + token.size;
    parser_advance(parser);
    return true;
}

/* A name stands for itself as a string, but for TRUE and FALSE. */
static int take_name_as_default(struct parser *parser, char **text)
{
    bool boolean = token_is(&parser->token, "TRUE") || token_is(&parser->token, "FALSE");
    char *name, *quoted;
    int rc;

    if (!token_is_name(&parser->token) || starts_column_constraint(&parser->token))
        return parser_fail_near(parser);
    rc = parser_take_name(parser, &name);
    if (rc || boolean) {
        *text = rc ? NULL : name;
        return rc;
    }
    quoted = sqlite3_mprintf("%Q", name);
    memory_free(name);
    *text = quoted ? memory_copy_text(quoted, strlen(quoted)) : NULL;
    sqlite3_free(quoted);
    return *text ? SQLITE_OK : SQLITE_NOMEM;
}

/* As in SQLite the last DEFAULT of a column counts. */
static int parse_default(struct parser *parser, struct column *column)
{
    const char *from = parser->token.text, *end;
    bool is_signed;
    int rc;

    memory_free(column->default_sql);
    column->default_sql = NULL;
    if (token_is_punctuation(&parser->token, '('))
        return parser_take_expression(parser, &column->default_sql);
    is_signed = parser_accept_punctuation(parser, '+') || parser_accept_punctuation(parser, '-');
    if (accept_literal(parser, &end)) {
        column->default_sql = memory_copy_text(from, (size_t)(end - from));
        return column->default_sql ? SQLITE_OK : SQLITE_NOMEM;
    }
    rc = is_signed ? parser_fail_near(parser) : take_name_as_default(parser, &column->default_sql);
    return rc;
}

/* ---- Column constraints ---- */

static int parse_not_null(struct parser *parser, struct column *column)
{
    if (token_is(&parser->token, "DEFERRABLE"))
        return parser_fail_clause(parser, "DEFERRABLE", column->name);
    if (!parser_accept(parser, "NULL"))
        return parser_fail_near(parser);
    column->not_null = true;
    return parser_refuse_conflict(parser, column->name);
}

static int parse_collate(struct parser *parser, struct column *column)
{
    memory_free(column->collate);
    column->collate = NULL;
    return parser_take_name(parser, &column->collate);
}

/* The name stays for the constraints that follow in the same definition, as in SQLite. */
static int parse_constraint_name(struct parser *parser, char **name)
{
    memory_free(*name);
    *name = NULL;
    return parser_take_name(parser, name);
}

static int parse_check(struct parser *parser, const char *name)
{
    struct table_check *check = schema_add_check(parser->schema);

    if (!check)
        return SQLITE_NOMEM;
    if (name) {
        check->name = memory_copy_text(name, strlen(name));
        if (!check->name)
            return SQLITE_NOMEM;
    }
    return parser_take_expression(parser, &check->sql);
}

static int refuse_constraint(struct parser *parser, const char *column)
{
    static const char *const words[] = {"REFERENCES", "ON", "DEFERRABLE"};
    size_t i;

    if (token_is(&parser->token, "GENERATED") || token_is(&parser->token, "AS"))
        return parser_fail_clause(parser, "a generated column", column);
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (token_is(&parser->token, words[i]))
            return parser_fail_clause(parser, words[i], column);
    }
    return parser_fail_near(parser);
}

static int parse_column_constraint(struct parser *parser, int index, char **name)
{
    struct column *column = &parser->schema->columns[index];

    if (parser_accept(parser, "CONSTRAINT"))
        return parse_constraint_name(parser, name);
    if (parser_accept(parser, "PRIMARY"))
        return schema_parse_column_key(parser, index);
    if (parser_accept(parser, "UNIQUE"))
        return schema_parse_column_unique(parser, index);
    if (parser_accept(parser, "NOT"))
        return parse_not_null(parser, column);
    if (parser_accept(parser, "NULL"))
        return parser_refuse_conflict(parser, column->name);
    if (parser_accept(parser, "DEFAULT"))
        return parse_default(parser, column);
    if (parser_accept(parser, "CHECK"))
        return parse_check(parser, *name);
    if (parser_accept(parser, "COLLATE"))
        return parse_collate(parser, column);
    return refuse_constraint(parser, column->name);
}

/* Adds a column named by the token at hand. */
static int add_column(struct parser *parser)
{
    struct table_schema *schema = parser->schema;
    bool quoted = parser->token.kind == TOKEN_NAME;
    struct column *column;
    char *name;
    int rc = parser_take_name(parser, &name);

    if (rc)
        return rc;
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
    column->quoted = quoted;
    return SQLITE_OK;
}

int schema_parse_column(struct table_schema *schema, const char *sql, char **message)
{
    struct parser parser;
    char *name = NULL;
    int rc;

    parser_init(&parser, schema, sql, message);
    if (parser.token.kind == TOKEN_STRING)
        return error_set(message, SQLITE_ERROR, "%.*s: a string literal cannot name a column", (int)parser.token.size,
                         parser.token.text);
    if (!token_is_name(&parser.token))
        return parser_fail_near(&parser);
    rc = add_column(&parser);
    if (!rc)
        rc = parse_type(&parser, &schema->columns[schema->count - 1]);
    while (!rc && parser.token.kind != TOKEN_END)
        rc = parse_column_constraint(&parser, schema->count - 1, &name);
    memory_free(name);
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

static int parse_table_constraint(struct parser *parser, char **name)
{
    int rc;

    if (parser_accept(parser, "CONSTRAINT"))
        return parse_constraint_name(parser, name);
    if (parser_accept(parser, "PRIMARY"))
        return schema_parse_table_key(parser);
    if (parser_accept(parser, "UNIQUE"))
        return schema_parse_table_unique(parser);
    if (parser_accept(parser, "INDEX"))
        return schema_parse_index(parser);
    if (parser_accept(parser, "CHECK")) {
        rc = parse_check(parser, *name);
        return rc ? rc : parser_refuse_conflict(parser, NULL);
    }
    if (token_is(&parser->token, "FOREIGN"))
        return parser_fail_clause(parser, "FOREIGN KEY", NULL);
    return parser_fail_near(parser);
}

int schema_parse_constraint(struct table_schema *schema, const char *sql, char **message)
{
    struct parser parser;
    char *name = NULL;
    int rc = SQLITE_OK;

    parser_init(&parser, schema, sql, message);
    while (!rc && parser.token.kind != TOKEN_END)
        rc = parse_table_constraint(&parser, &name);
    memory_free(name);
    return rc;
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
