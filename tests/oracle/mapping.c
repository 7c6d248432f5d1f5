#include "mapping.h"

#include <ctype.h>
#include <err.h>
#include <string.h>
#include <strings.h>

#include <sqlite3.h>

/* ---- Tokens: words, quoted things, numbers and single characters; space and comments between them ---- */

static const char *skip_space(const char *p)
{
    for (;;) {
        const char *end;

        if (isspace((unsigned char)*p)) {
            p++;
        } else if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            end = strstr(p + 2, "*/");
            p = end ? end + 2 : p + strlen(p);
        } else {
            return p;
        }
    }
}

static const char *token_end(const char *p)
{
    char quote = *p == '[' ? ']' : *p;

    if (strchr("'\"`[", *p)) {
        for (p++; *p; p++) {
            if (*p != quote)
                continue;
            if (quote == ']' || p[1] != quote)
                return p + 1;
            p++;
        }
        return p;
    }
    if (!isalnum((unsigned char)*p) && *p != '_' && !(*p & 0x80))
        return p + 1;
    while (isalnum((unsigned char)*p) || *p == '_' || *p == '.' || *p & 0x80)
        p++;
    return p;
}

static bool is_word(const char *token, const char *word)
{
    size_t length = strlen(word);

    return strncasecmp(token, word, length) == 0 && token_end(token) == token + length;
}

/* The end of an argument: a comma or parenthesis that no parenthesis encloses. */
static const char *argument_end(const char *p)
{
    int depth = 0;

    for (p = skip_space(p); *p; p = skip_space(token_end(p))) {
        if (depth == 0 && (*p == ',' || *p == ')'))
            return p;
        depth += (*p == '(') - (*p == ')');
    }
    return p;
}

/* ---- Clauses ---- */

static bool is_option(const char *argument)
{
    return isalpha((unsigned char)*argument) && *skip_space(token_end(argument)) == '=';
}

/* The place after NOT NULL in a column that has a DEFAULT too, or NULL. */
static const char *not_null_with_default(const char *p, const char *end)
{
    const char *not_null = NULL;
    bool has_default = false;
    int depth = 0;

    for (; p < end; p = skip_space(token_end(p))) {
        const char *next = skip_space(token_end(p));

        depth += (*p == '(') - (*p == ')');
        if (depth == 0 && is_word(p, "NOT") && is_word(next, "NULL"))
            not_null = token_end(next);
        if (depth == 0 && is_word(p, "DEFAULT"))
            has_default = true;
    }
    return has_default ? not_null : NULL;
}

/* A part of the definition without the word DESC: see mapping.h. */
static void append_ascending(sqlite3_str *out, const char *p, const char *end)
{
    const char *next;

    for (; p < end; p = next) {
        next = skip_space(token_end(p));
        if (next > end)
            next = end;
        if (!is_word(p, "DESC"))
            sqlite3_str_append(out, p, (int)(next - p));
    }
}

static void append_column(sqlite3_str *columns, const char *p, const char *end)
{
    const char *not_null = not_null_with_default(p, end);

    if (sqlite3_str_length(columns))
        sqlite3_str_appendall(columns, ", ");
    if (is_word(p, "UNIQUE")) {
        append_ascending(columns, p, end);
        return;
    }
    if (!not_null) {
        sqlite3_str_append(columns, p, (int)(end - p));
        return;
    }
    sqlite3_str_append(columns, p, (int)(not_null - p));
    sqlite3_str_appendall(columns, " ON CONFLICT REPLACE");
    sqlite3_str_append(columns, not_null, (int)(end - not_null));
}

/* `p` stands at INDEX. The index is made in the table's schema. */
static void append_index(sqlite3_str *indexes, const char *p, const char *end, const char *schema, const char *table,
                         unsigned *serial)
{
    const char *name = skip_space(token_end(p));
    const char *parts = skip_space(token_end(name));

    sqlite3_str_appendf(indexes, "; CREATE INDEX %s%soracle_%u ON %s", schema, *schema ? "." : "", ++*serial, table);
    append_ascending(indexes, parts, end);
}

/* Whether a table of these columns has a PRIMARY KEY that is not the rowid. Columns that are no table have none. */
static bool has_other_key(const char *columns)
{
    sqlite3_stmt *statement = NULL;
    bool found = false;
    sqlite3 *db = NULL;
    char *sql = sqlite3_mprintf("CREATE TABLE t(%s)", columns);

    if (sqlite3_open(":memory:", &db) != SQLITE_OK || !sql)
        errx(1, "no memory");
    sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    sqlite3_prepare_v2(db, "SELECT 1 FROM pragma_index_list('t') WHERE origin = 'pk'", -1, &statement, NULL);
    found = sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return found;
}

/* ---- Statements ---- */

/* The end of "CREATE VIRTUAL TABLE [IF NOT EXISTS]", or NULL. */
static const char *after_create(const char *sql, const char **exists)
{
    static const char *const words[] = {"CREATE", "VIRTUAL", "TABLE"};
    const char *p = skip_space(sql);
    size_t i;

    for (i = 0; i < 3; i++) {
        if (!is_word(p, words[i]))
            return NULL;
        p = skip_space(token_end(p));
    }
    *exists = is_word(p, "IF") ? "IF NOT EXISTS " : "";
    for (i = 0; **exists && i < 3; i++)
        p = skip_space(token_end(p));
    return p;
}

bool mapping_applies(const char *sql)
{
    const char *exists;

    return after_create(sql, &exists) && strstr(sql, "USING lsmkv");
}

char *mapping_translate(const char *sql, unsigned *serial)
{
    sqlite3_str *columns = sqlite3_str_new(NULL), *indexes = sqlite3_str_new(NULL);
    const char *exists, *name = after_create(sql, &exists), *p = token_end(name), *end, *dot;
    char *table, *schema, *column_text, *index_text, *statements;

    end = skip_space(p);
    if (*end == '.')
        p = token_end(skip_space(end + 1));
    table = sqlite3_mprintf("%.*s", (int)(p - name), name);
    dot = strchr(table, '.');
    schema = dot ? sqlite3_mprintf("%.*s", (int)(dot - table), table) : sqlite3_mprintf("");
    p = strchr(p, '(');
    for (p = p ? p + 1 : ")"; p[0] && p[-1] != ')'; p = end + (*end == ',' || *end == ')')) {
        p = skip_space(p);
        end = argument_end(p);
        if (is_word(p, "INDEX"))
            append_index(indexes, p, end, schema, dot ? dot + 1 : table, serial);
        else if (end > p && *p != '\'' && !is_option(p))
            append_column(columns, p, end);
        if (!*end || *end == ')')
            break;
    }
    if (!sqlite3_str_length(columns))
        sqlite3_str_appendall(columns, "key PRIMARY KEY, value");
    column_text = sqlite3_str_finish(columns);
    index_text = sqlite3_str_finish(indexes);
    statements = sqlite3_mprintf("CREATE TABLE %s%s(%s)%s%s", exists, table, column_text,
                                 has_other_key(column_text) ? " WITHOUT ROWID" : "", index_text ? index_text : "");
    sqlite3_free(column_text);
    sqlite3_free(index_text);
    sqlite3_free(schema);
    sqlite3_free(table);
    return statements;
}
