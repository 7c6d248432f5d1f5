#include "ext/parser.h"

#include <string.h>

#include "ext/error.h"
#include "ext/memory.h"

void parser_init(struct parser *parser, struct table_schema *schema, const char *sql, char **message)
{
    parser->schema = schema;
    parser->at = sql;
    parser->message = message;
    parser_advance(parser);
}

void parser_advance(struct parser *parser)
{
    parser->token = token_next(&parser->at);
}

bool parser_accept(struct parser *parser, const char *word)
{
    if (!token_is(&parser->token, word))
        return false;
    parser_advance(parser);
    return true;
}

bool parser_accept_punctuation(struct parser *parser, char byte)
{
    if (!token_is_punctuation(&parser->token, byte))
        return false;
    parser_advance(parser);
    return true;
}

int parser_take_name(struct parser *parser, char **name)
{
    *name = NULL;
    if (!token_is_name(&parser->token) && parser->token.kind != TOKEN_STRING)
        return parser_fail_near(parser);
    *name = token_value(&parser->token);
    parser_advance(parser);
    return *name ? SQLITE_OK : SQLITE_NOMEM;
}

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

int parser_take_expression(struct parser *parser, char **text)
{
    const char *from, *to;
    int depth = 1;

    if (!token_is_punctuation(&parser->token, '('))
        return parser_fail_near(parser);
    from = parser->token.text + 1;
    parser_advance(parser);
    if (token_is_punctuation(&parser->token, ')'))
        return parser_fail_near(parser);
    while (depth) {
        if (parser->token.kind == TOKEN_END || parser->token.kind == TOKEN_ILLEGAL)
            return parser_fail_near(parser);
        depth += token_is_punctuation(&parser->token, '(');
        depth -= token_is_punctuation(&parser->token, ')');
        to = parser->token.text;
        parser_advance(parser);
    }
    while (is_space(*from))
        from++;
    while (is_space(to[-1]))
        to--;
    *text = memory_copy_text(from, (size_t)(to - from));
    return *text ? SQLITE_OK : SQLITE_NOMEM;
}

int parser_fail_near(struct parser *parser)
{
    if (parser->token.kind == TOKEN_END)
        return error_set(parser->message, SQLITE_ERROR, "incomplete column or constraint");
    if (parser->token.kind == TOKEN_ILLEGAL)
        return error_set(parser->message, SQLITE_ERROR, "unterminated quote or comment");
    return error_core(parser->message, SQLITE_ERROR, "near \"%.*s\": syntax error", (int)parser->token.size,
                      parser->token.text);
}

int parser_fail_clause(struct parser *parser, const char *clause, const char *column)
{
    if (column)
        return error_set(parser->message, SQLITE_ERROR, "column %s: %s is not supported", column, clause);
    return error_set(parser->message, SQLITE_ERROR, "%s is not supported", clause);
}

int parser_refuse_conflict(struct parser *parser, const char *column)
{
    return token_is(&parser->token, "ON") ? parser_fail_clause(parser, "ON CONFLICT", column) : SQLITE_OK;
}
