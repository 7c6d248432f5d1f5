#include "ext/schema.h"

#include <string.h>

#include "ext/memory.h"

void schema_init(struct table_schema *schema)
{
    memset(schema, 0, sizeof(*schema));
    schema->integer_column = -1;
    schema->primary.rowid = true;
}

void schema_release(struct table_schema *schema)
{
    int i;

    for (i = 0; i < schema->count; i++) {
        memory_free(schema->columns[i].name);
        memory_free(schema->columns[i].type);
        memory_free(schema->columns[i].collate);
        memory_free(schema->columns[i].default_sql);
    }
    for (i = 0; i < schema->index_count; i++) {
        memory_free(schema->indexes[i].name);
        memory_free(schema->indexes[i].shape.parts);
    }
    for (i = 0; i < schema->check_count; i++) {
        memory_free(schema->checks[i].name);
        memory_free(schema->checks[i].sql);
    }
    memory_free(schema->columns);
    memory_free(schema->primary.parts);
    memory_free(schema->indexes);
    memory_free(schema->checks);
    schema_init(schema);
}

bool schema_has_hidden_key(const struct table_schema *schema)
{
    const struct key_part *first = schema->primary.parts;

    if (schema_has_rowid(schema))
        return false;
    return schema->primary.count > 1 ||
           sqlite3_stricmp(collation_name(first->collation), schema_column_collation(schema, first->column)) != 0;
}

int schema_version(const struct table_schema *schema)
{
    int i;

    if (schema->index_count || schema->check_count || schema->primary.count > 1 || schema_has_hidden_key(schema) ||
        (schema->primary.count && schema->primary.parts[0].descending))
        return 2;
    for (i = 0; i < schema->count; i++) {
        if (schema->columns[i].default_sql)
            return 2;
    }
    return 1;
}

/* ---- Growing ---- */

/* Room for one more, zeroed, behind `count` items of `size` bytes; NULL on failure. */
static void *grow(void **items, int count, size_t size)
{
    uint8_t *grown = memory_resize(*items, (size_t)(count + 1) * size);

    if (!grown)
        return NULL;
    *items = grown;
    memset(grown + (size_t)count * size, 0, size);
    return grown + (size_t)count * size;
}

struct column *schema_add_column(struct table_schema *schema)
{
    void *items = schema->columns;
    struct column *column = grow(&items, schema->count, sizeof(*column));

    schema->columns = items;
    schema->count += column != NULL;
    return column;
}

struct table_index *schema_add_index(struct table_schema *schema)
{
    void *items = schema->indexes;
    struct table_index *index = grow(&items, schema->index_count, sizeof(*index));

    schema->indexes = items;
    schema->index_count += index != NULL;
    return index;
}

struct table_check *schema_add_check(struct table_schema *schema)
{
    void *items = schema->checks;
    struct table_check *check = grow(&items, schema->check_count, sizeof(*check));

    schema->checks = items;
    schema->check_count += check != NULL;
    return check;
}

bool key_shape_add(struct key_shape *shape, const struct key_part *part)
{
    void *items = shape->parts;
    struct key_part *added = grow(&items, shape->count, sizeof(*added));

    shape->parts = items;
    if (!added)
        return false;
    *added = *part;
    shape->count++;
    return true;
}

/* ---- Finding ---- */

int key_shape_find(const struct key_shape *shape, int column)
{
    int i;

    for (i = 0; i < shape->count; i++) {
        if (shape->parts[i].column == column)
            return i;
    }
    return -1;
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

int schema_find_index(const struct table_schema *schema, const char *name)
{
    int i;

    for (i = 0; i < schema->index_count; i++) {
        if (schema->indexes[i].name && sqlite3_stricmp(schema->indexes[i].name, name) == 0)
            return i;
    }
    return -1;
}

const char *schema_column_collation(const struct table_schema *schema, int column)
{
    const char *collate = schema->columns[column].collate;

    return collate ? collate : "BINARY";
}

/* ---- Comparing ---- */

/* Either may be NULL. */
static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool name_equal(const char *a, const char *b)
{
    return a && b ? sqlite3_stricmp(a, b) == 0 : a == b;
}

static bool column_equal(const struct table_schema *a, const struct table_schema *b, int column)
{
    const struct column *x = &a->columns[column], *y = &b->columns[column];

    return name_equal(x->name, y->name) && name_equal(x->type, y->type) && x->not_null == y->not_null &&
           name_equal(schema_column_collation(a, column), schema_column_collation(b, column)) &&
           text_equal(x->default_sql, y->default_sql);
}

static bool shape_equal(const struct key_shape *a, const struct key_shape *b)
{
    int i;

    if (a->count != b->count || a->rowid != b->rowid)
        return false;
    for (i = 0; i < a->count; i++) {
        const struct key_part *x = &a->parts[i], *y = &b->parts[i];

        if (x->column != y->column || x->collation != y->collation || x->descending != y->descending)
            return false;
    }
    return true;
}

static bool index_equal(const struct table_index *a, const struct table_index *b)
{
    return name_equal(a->name, b->name) && a->unique == b->unique && a->count == b->count &&
           shape_equal(&a->shape, &b->shape);
}

bool schema_equal(const struct table_schema *a, const struct table_schema *b)
{
    bool equal = a->count == b->count && a->index_count == b->index_count && a->check_count == b->check_count &&
                 a->key_kind == b->key_kind && a->integer_column == b->integer_column &&
                 a->primary_position == b->primary_position && shape_equal(&a->primary, &b->primary);
    int i;

    for (i = 0; equal && i < a->count; i++)
        equal = column_equal(a, b, i);
    for (i = 0; equal && i < a->index_count; i++)
        equal = index_equal(&a->indexes[i], &b->indexes[i]);
    for (i = 0; equal && i < a->check_count; i++)
        equal = name_equal(a->checks[i].name, b->checks[i].name) && text_equal(a->checks[i].sql, b->checks[i].sql);
    return equal;
}
