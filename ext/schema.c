#include "ext/schema.h"

#include <string.h>

#include "ext/memory.h"

void schema_init(struct table_schema *schema)
{
    memset(schema, 0, sizeof(*schema));
    schema->key_column = -1;
}

void schema_release(struct table_schema *schema)
{
    int i;

    for (i = 0; i < schema->count; i++) {
        memory_free(schema->columns[i].name);
        memory_free(schema->columns[i].type);
        memory_free(schema->columns[i].collate);
    }
    memory_free(schema->columns);
    schema_init(schema);
}

struct column *schema_add_column(struct table_schema *schema)
{
    struct column *columns = memory_resize(schema->columns, (size_t)(schema->count + 1) * sizeof(*columns));

    if (!columns)
        return NULL;
    schema->columns = columns;
    memset(&columns[schema->count], 0, sizeof(*columns));
    return &columns[schema->count++];
}

int schema_find_column(const struct table_schema *schema, const char *name)
{
    int i;

    for (i = 0; i < schema->count; i++) {
        if (sqlite3_stricmp(schema->columns[i].name, name) == 0)
            return i;
    }
    return -1;
}

static bool column_equal(const struct column *a, const struct column *b)
{
    const char *collate_a = a->collate ? a->collate : "BINARY";
    const char *collate_b = b->collate ? b->collate : "BINARY";

    return sqlite3_stricmp(a->name, b->name) == 0 && sqlite3_stricmp(a->type, b->type) == 0 &&
           sqlite3_stricmp(collate_a, collate_b) == 0 && a->not_null == b->not_null;
}

bool schema_equal(const struct table_schema *a, const struct table_schema *b)
{
    int i;

    if (a->count != b->count || a->key_kind != b->key_kind || a->key_column != b->key_column)
        return false;
    for (i = 0; i < a->count; i++) {
        if (!column_equal(&a->columns[i], &b->columns[i]))
            return false;
    }
    return true;
}

/* True if SQL reads the name as a name without quotes. */
static bool is_plain(const struct column *column)
{
    size_t i, size = strlen(column->name);

    /* A keyword that came without quotes is one that SQLite takes as a name, or declaring the table has failed. */
    if (!size || (column->quoted && sqlite3_keyword_check(column->name, (int)size)))
        return false;
    for (i = 0; i < size; i++) {
        char byte = column->name[i];

        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
              (i && byte >= '0' && byte <= '9')))
            return false;
    }
    return true;
}

static void append_column(sqlite3_str *sql, const struct table_schema *schema, int index, bool declare)
{
    const struct column *column = &schema->columns[index];
    bool key = index == schema->key_column;

    sqlite3_str_appendf(sql, is_plain(column) ? "%s" : "\"%w\"", column->name);
    if (column->type[0])
        sqlite3_str_appendf(sql, " %s", column->type);
    if (key)
        sqlite3_str_appendall(sql, " PRIMARY KEY");
    /* The planner sends min(key) as an ORDER BY only if the key is declared NOT NULL. */
    if (declare ? key || column->not_null : column->not_null && !(key && schema->key_kind == KEY_COLUMN))
        sqlite3_str_appendall(sql, " NOT NULL");
    if (column->collate)
        sqlite3_str_appendf(sql, " COLLATE \"%w\"", column->collate);
}

static void append_columns(sqlite3_str *sql, const struct table_schema *schema, bool declare)
{
    int i;

    for (i = 0; i < schema->count; i++) {
        if (i)
            sqlite3_str_appendall(sql, ", ");
        append_column(sql, schema, i, declare);
    }
}

char *schema_definition(const struct table_schema *schema)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);

    append_columns(sql, schema, false);
    return sqlite3_str_finish(sql);
}

char *schema_declaration(const struct table_schema *schema)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);

    sqlite3_str_appendall(sql, "CREATE TABLE x(");
    append_columns(sql, schema, true);
    sqlite3_str_appendall(sql, schema_has_rowid(schema) ? ")" : ") WITHOUT ROWID");
    return sqlite3_str_finish(sql);
}
