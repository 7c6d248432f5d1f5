#include "ext/arguments.h"

#include <string.h>

#include "ext/error.h"
#include "ext/memory.h"
#include "ext/schema_parse.h"
#include "ext/token.h"

void arguments_init(struct arguments *arguments)
{
    memset(arguments, 0, sizeof(*arguments));
    schema_init(&arguments->schema);
    lsmkv_options_init(&arguments->store);
}

void arguments_release(struct arguments *arguments)
{
    int i;

    for (i = 0; i < arguments->option_count; i++) {
        memory_free(arguments->options[i].name);
        memory_free(arguments->options[i].value);
    }
    memory_free(arguments->options);
    memory_free(arguments->dir);
    memory_free(arguments->table);
    schema_release(&arguments->schema);
    arguments_init(arguments);
}

/* True if `text` is a single token. */
static bool is_alone(const char *text, struct token *token)
{
    struct token rest;

    *token = token_next(&text);
    rest = token_next(&text);
    return rest.kind == TOKEN_END;
}

/* True if `text` reads `name = value`; `*value` is then what comes after the sign. */
static bool is_option(const char *text, struct token *name, const char **value)
{
    struct token sign;

    *name = token_next(&text);
    sign = token_next(&text);
    *value = text;
    return token_is_name(name) && token_is_punctuation(&sign, '=');
}

/* A quoted value, or the rest of the argument without the blanks around it. NULL on failure. */
static char *option_value(const char *text)
{
    struct token token;
    size_t size;

    if (is_alone(text, &token) && token.kind != TOKEN_ILLEGAL)
        return token_value(&token);
    size = strlen(token.text);
    while (size && strchr(" \t\n\f\r", token.text[size - 1]))
        size--;
    return memory_copy_text(token.text, size);
}

/* dir and table: `*text` takes `*value` over. */
static int set_text(char **text, const char *name, char **value, char **message)
{
    if (*text)
        return error_set(message, SQLITE_ERROR, "option %s is given twice", name);
    if (!(*value)[0])
        return error_set(message, SQLITE_ERROR, "option %s is empty", name);
    *text = *value;
    *value = NULL;
    return SQLITE_OK;
}

/* An option of the store: takes `*name` and `*value` over. */
static int set_store_option(struct arguments *arguments, char **name, char **value, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct argument_option *options;
    int i, rc;

    if (!lsmkv_option_known(*name))
        return error_set(message, SQLITE_ERROR, "unknown option: %s", *name);
    for (i = 0; i < arguments->option_count; i++) {
        if (strcmp(arguments->options[i].name, *name) == 0)
            return error_set(message, SQLITE_ERROR, "option %s is given twice", *name);
    }
    rc = error_from(message, lsmkv_options_set(&arguments->store, *name, *value, &err), &err);
    if (rc)
        return rc;
    options = memory_resize(arguments->options, (size_t)(arguments->option_count + 1) * sizeof(*options));
    if (!options)
        return SQLITE_NOMEM;
    arguments->options = options;
    options[arguments->option_count].name = *name;
    options[arguments->option_count++].value = *value;
    *name = NULL;
    *value = NULL;
    return SQLITE_OK;
}

static int parse_option(struct arguments *arguments, const struct token *token, const char *text, char **message)
{
    char *name = token_value(token), *value = option_value(text), *at;
    int rc;

    for (at = name; at && *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + ('a' - 'A'));
    }
    if (!name || !value)
        rc = SQLITE_NOMEM;
    else if (strcmp(name, "dir") == 0)
        rc = set_text(&arguments->dir, name, &value, message);
    else if (strcmp(name, "table") == 0)
        rc = set_text(&arguments->table, name, &value, message);
    else
        rc = set_store_option(arguments, &name, &value, message);
    memory_free(name);
    memory_free(value);
    return rc;
}

static int parse_one(struct arguments *arguments, int index, const char *text, char **message)
{
    struct token token;
    const char *value;

    if (is_alone(text, &token)) {
        if (token.kind == TOKEN_END)
            return error_set(message, SQLITE_ERROR, "argument %d is empty", index + 1);
        if (token.kind == TOKEN_STRING && index == 0) {
            arguments->dir = token_value(&token);
            if (!arguments->dir)
                return SQLITE_NOMEM;
            return arguments->dir[0] ? SQLITE_OK : error_set(message, SQLITE_ERROR, "option dir is empty");
        }
    }
    if (is_option(text, &token, &value))
        return parse_option(arguments, &token, value, message);
    arguments->has_columns = true;
    if (schema_is_constraint(text))
        return schema_parse_constraint(&arguments->schema, text, message);
    return schema_parse_column(&arguments->schema, text, message);
}

int arguments_parse(struct arguments *arguments, int count, const char *const *texts, char **message)
{
    int i, rc = SQLITE_OK;

    for (i = 0; i < count && !rc; i++)
        rc = parse_one(arguments, i, texts[i], message);
    if (!rc && arguments->has_columns)
        rc = schema_finish(&arguments->schema, message);
    return rc;
}
