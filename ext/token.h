/*
 * token.h - splits SQL text into tokens as SQLite does: words, the four quoting styles, numbers, comments skipped.
 */
#ifndef EXT_TOKEN_H
#define EXT_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,        /* identifier or keyword */
    TOKEN_NAME,        /* "name", [name] or `name` */
    TOKEN_STRING,      /* 'text' */
    TOKEN_NUMBER,      /* with any letters that follow: 64MB is one */
    TOKEN_PUNCTUATION, /* one byte */
    TOKEN_ILLEGAL,     /* a quote or comment that does not end */
};

struct token {
    enum token_kind kind;
    const char *text; /* borrowed from the SQL */
    size_t size;
    bool spaced; /* white space or a comment came before it */
};

/* Reads the token at `*at` and moves past it; at the end it stays there. */
struct token token_next(const char **at);

bool token_is(const struct token *token, const char *word); /* a word, in any letter case */
bool token_is_punctuation(const struct token *token, char byte);

/* True for what can name a column or a table: a word or a quoted name. */
bool token_is_name(const struct token *token);

/* What the token stands for, quotes taken off, in new memory (memory_free); NULL on failure. */
char *token_value(const struct token *token);

#endif
