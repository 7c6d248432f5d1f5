#include "ext/token.h"

#include <string.h>

#include "ext/memory.h"
#include "ext/sqlite.h"

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\f' || byte == '\r';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || is_digit(byte) || byte == '_' ||
           byte == '$' || (byte & 0x80);
}

/* Skips white space and comments; false if a comment does not end. */
static bool skip_blank(const char **at)
{
    const char *from = *at, *end;

    for (;;) {
        if (is_space(*from)) {
            from++;
        } else if (from[0] == '-' && from[1] == '-') {
            from += strcspn(from, "\n");
        } else if (from[0] == '/' && from[1] == '*') {
            end = strstr(from + 2, "*/");
            if (!end)
                return false;
            from = end + 2;
        } else {
            *at = from;
            return true;
        }
    }
}

/* Length of a quoted token; a quote written twice stands for itself. 0 if it does not end. */
static size_t quoted_size(const char *text)
{
    char quote = text[0] == '[' ? ']' : text[0];
    size_t size;

    for (size = 1; text[size]; size++) {
        if (text[size] != quote)
            continue;
        if (quote == ']' || text[size + 1] != quote)
            return size + 1;
        size++;
    }
    return 0;
}

static size_t run_of(const char *text, bool number)
{
    size_t size = 1;

    while (is_word(text[size]) || (number && text[size] == '.') ||
           (number && (text[size] == '+' || text[size] == '-') && (text[size - 1] | 0x20) == 'e'))
        size++;
    return size;
}

struct token token_next(const char **at)
{
    struct token token = {TOKEN_END, *at, 0, false};
    const char *from = *at;

    if (!skip_blank(&from)) {
        token.kind = TOKEN_ILLEGAL;
        token.size = strlen(*at);
        *at += token.size;
        return token;
    }
    token.spaced = from != *at;
    token.text = from;
    if (!*from) {
        *at = from;
        return token;
    }
    if (strchr("'\"`[", *from)) {
        token.kind = *from == '\'' ? TOKEN_STRING : TOKEN_NAME;
        token.size = quoted_size(from);
        if (!token.size) {
            token.kind = TOKEN_ILLEGAL;
            token.size = strlen(from);
        }
    } else if (is_digit(*from) || (*from == '.' && is_digit(from[1]))) {
        token.kind = TOKEN_NUMBER;
        token.size = run_of(from, true);
    } else if (is_word(*from) && *from != '$') {
        token.kind = TOKEN_WORD;
        token.size = run_of(from, false);
    } else {
        token.kind = TOKEN_PUNCTUATION;
        token.size = 1;
    }
    *at = from + token.size;
    return token;
}

bool token_is(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && strlen(word) == token->size &&
           sqlite3_strnicmp(token->text, word, (int)token->size) == 0;
}

bool token_is_punctuation(const struct token *token, char byte)
{
    return token->kind == TOKEN_PUNCTUATION && token->text[0] == byte;
}

bool token_is_name(const struct token *token)
{
    return token->kind == TOKEN_WORD || token->kind == TOKEN_NAME;
}

char *token_value(const struct token *token)
{
    char *value, quote;
    size_t from, to = 0;

    if (token->kind != TOKEN_NAME && token->kind != TOKEN_STRING)
        return memory_copy_text(token->text, token->size);
    value = memory_copy_text(token->text + 1, token->size - 2);
    quote = token->text[0];
    if (!value || quote == '[')
        return value;
    for (from = 0; value[from]; from++) {
        value[to++] = value[from];
        if (value[from] == quote)
            from++;
    }
    value[to] = '\0';
    return value;
}
