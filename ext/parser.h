/*
 * parser.h - what the readers of column definitions and table constraints share: one token ahead, and the messages.
 */
#ifndef EXT_PARSER_H
#define EXT_PARSER_H

#include "ext/schema.h"
#include "ext/token.h"

struct parser {
    struct table_schema *schema; /* being filled */
    const char *at;              /* after `token` */
    struct token token;          /* the next one */
    char **message;
};

void parser_init(struct parser *parser, struct table_schema *schema, const char *sql, char **message);

void parser_advance(struct parser *parser);

/* Take the word or the byte if it is next. */
bool parser_accept(struct parser *parser, const char *word);
bool parser_accept_punctuation(struct parser *parser, char byte);

/* Moves past the name that must come next. `*name`, NULL on failure, is to end with memory_free(). */
int parser_take_name(struct parser *parser, char **name);

/*
 * Moves past the expression in parentheses that must come next. `*text` is what is between them, without the white space
 * around it; to end with memory_free().
 */
int parser_take_expression(struct parser *parser, char **text);

/* "near ...: syntax error", in core's words. */
int parser_fail_near(struct parser *parser);

/* "column C: CLAUSE is not supported"; `column` may be NULL. */
int parser_fail_clause(struct parser *parser, const char *clause, const char *column);

/* Refuses ON CONFLICT, if it is next. */
int parser_refuse_conflict(struct parser *parser, const char *column);

#endif
