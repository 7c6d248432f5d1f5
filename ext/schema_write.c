/*
 * schema_write.c - a schema as SQL: the normal form of its definition, and the declaration that SQLite gets.
 */
#include <string.h>

#include "ext/schema.h"

#define HIDDEN_KEY "lsmkv_key"

/* True if SQL reads the name as a name without quotes. */
static bool is_plain(const char *name, bool quoted)
{
    size_t i, size = strlen(name);

    /* A keyword that came without quotes is one that SQLite takes as a name, or declaring the table has failed. */
    if (!size || (quoted && sqlite3_keyword_check(name, (int)size)))
        return false;
    for (i = 0; i < size; i++) {
        char byte = name[i];

        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
              (i && byte >= '0' && byte <= '9')))
            return false;
    }
    return true;
}

void schema_append_name(sqlite3_str *sql, const char *name, bool quoted)
{
    sqlite3_str_appendf(sql, is_plain(name, quoted) ? "%s" : "\"%w\"", name);
}

void schema_append_expression(sqlite3_str *sql, const char *expression)
{
    /* A comment to the end of the line must not take the parenthesis along. */
    sqlite3_str_appendf(sql, strstr(expression, "--") ? "(%s\n)" : "(%s)", expression);
}

/* True if the primary key is written with its column: it says nothing that the column does not say. */
static bool key_is_of_column(const struct table_schema *schema)
{
    return schema->key_kind == KEY_INTEGER || (schema->primary.count == 1 && !schema_has_hidden_key(schema));
}

/* The same in a definition, which keeps the order of constraints: SQLite looks for conflicts in that order. */
static bool key_is_with_column(const struct table_schema *schema)
{
    return key_is_of_column(schema) && !schema->primary_position;
}

static int key_column(const struct table_schema *schema)
{
    return schema->key_kind == KEY_INTEGER ? schema->integer_column : schema->primary.parts[0].column;
}

/* ---- Definition ---- */

static void append_column(sqlite3_str *sql, const struct table_schema *schema, int index)
{
    const struct column *column = &schema->columns[index];

    schema_append_name(sql, column->name, column->quoted);
    if (column->type[0])
        sqlite3_str_appendf(sql, " %s", column->type);
    if (key_is_with_column(schema) && index == key_column(schema))
        sqlite3_str_appendall(sql, schema->primary.count && schema->primary.parts[0].descending ? " PRIMARY KEY DESC"
                                                                                                : " PRIMARY KEY");
    if (column->not_null && key_shape_find(&schema->primary, index) < 0)
        sqlite3_str_appendall(sql, " NOT NULL");
    if (column->collate)
        sqlite3_str_appendf(sql, " COLLATE \"%w\"", column->collate);
    if (column->default_sql) {
        sqlite3_str_appendall(sql, " DEFAULT ");
        schema_append_expression(sql, column->default_sql);
    }
}

/* "(a, b COLLATE NOCASE DESC)": the first `count` parts. */
static void append_parts(sqlite3_str *sql, const struct table_schema *schema, const struct key_part *parts, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        const struct key_part *part = &parts[i];
        const struct column *column = &schema->columns[part->column];

        sqlite3_str_appendall(sql, i ? ", " : "(");
        schema_append_name(sql, column->name, column->quoted);
        if (sqlite3_stricmp(collation_name(part->collation), schema_column_collation(schema, part->column)) != 0)
            sqlite3_str_appendf(sql, " COLLATE %s", collation_name(part->collation));
        if (part->descending)
            sqlite3_str_appendall(sql, " DESC");
    }
    sqlite3_str_appendall(sql, ")");
}

static void append_constraints(sqlite3_str *sql, const struct table_schema *schema)
{
    int i;

    for (i = 0; i <= schema->index_count; i++) {
        const struct table_index *index;

        if (i == schema->primary_position && schema->primary.count && !key_is_with_column(schema)) {
            sqlite3_str_appendall(sql, ", PRIMARY KEY ");
            append_parts(sql, schema, schema->primary.parts, schema->primary.count);
        }
        if (i == schema->index_count)
            break;
        index = &schema->indexes[i];
        sqlite3_str_appendall(sql, index->unique ? ", UNIQUE " : ", INDEX ");
        if (!index->unique)
            sqlite3_str_appendf(sql, "\"%w\" ", index->name);
        append_parts(sql, schema, index->shape.parts, index->count);
    }
    for (i = 0; i < schema->check_count; i++) {
        sqlite3_str_appendall(sql, ", ");
        if (schema->checks[i].name)
            sqlite3_str_appendf(sql, "CONSTRAINT \"%w\" ", schema->checks[i].name);
        sqlite3_str_appendall(sql, "CHECK ");
        schema_append_expression(sql, schema->checks[i].sql);
    }
}

char *schema_definition(const struct table_schema *schema)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    int i;

    for (i = 0; i < schema->count; i++) {
        if (i)
            sqlite3_str_appendall(sql, ", ");
        append_column(sql, schema, i);
    }
    append_constraints(sql, schema);
    return sqlite3_str_finish(sql);
}

/* ---- Declaration ---- */

static void declare_column(sqlite3_str *sql, const struct table_schema *schema, int index)
{
    const struct column *column = &schema->columns[index];
    bool key = key_is_of_column(schema) && index == key_column(schema);

    schema_append_name(sql, column->name, column->quoted);
    if (column->type[0])
        sqlite3_str_appendf(sql, " %s", column->type);
    if (key)
        sqlite3_str_appendall(sql, " PRIMARY KEY");
    /* The planner sends min(key) as an ORDER BY only if the key is declared NOT NULL. */
    if (key || column->not_null)
        sqlite3_str_appendall(sql, " NOT NULL");
    if (column->collate)
        sqlite3_str_appendf(sql, " COLLATE \"%w\"", column->collate);
}

/* Under a name that no column has. */
static void declare_hidden_key(sqlite3_str *sql, const struct table_schema *schema)
{
    char name[sizeof(HIDDEN_KEY) + 16] = HIDDEN_KEY;
    int number;

    for (number = 2; schema_find_column(schema, name) >= 0; number++)
        sqlite3_snprintf(sizeof(name), name, HIDDEN_KEY "_%d", number);
    sqlite3_str_appendf(sql, ", %s BLOB HIDDEN PRIMARY KEY NOT NULL", name);
}

char *schema_declaration(const struct table_schema *schema)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    int i;

    sqlite3_str_appendall(sql, "CREATE TABLE x(");
    for (i = 0; i < schema->count; i++) {
        if (i)
            sqlite3_str_appendall(sql, ", ");
        declare_column(sql, schema, i);
    }
    if (schema_has_hidden_key(schema))
        declare_hidden_key(sql, schema);
    sqlite3_str_appendall(sql, schema_has_rowid(schema) ? ")" : ") WITHOUT ROWID");
    return sqlite3_str_finish(sql);
}
