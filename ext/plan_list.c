/* The plans of a table: kept once each, with their text. */
#include <string.h>

#include "ext/memory.h"
#include "ext/plan.h"

static void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    memory_free(plan->text);
    memory_free(plan->binds);
    memory_free(plan->probes);
    memory_free(plan->orders);
    memory_free(plan);
}

void plan_list_release(struct plan_list *list)
{
    int i;

    for (i = 0; i < list->count; i++)
        plan_free(list->items[i]);
    memory_free(list->items);
    memset(list, 0, sizeof(*list));
}

/* ---- Equality ---- */

static bool same_probes(const struct plan *a, const struct plan *b)
{
    int i;

    if (a->probe_count != b->probe_count)
        return false;
    for (i = 0; i < a->probe_count; i++) {
        if (a->probes[i].column != b->probes[i].column || a->probes[i].collation != b->probes[i].collation)
            return false;
    }
    return true;
}

static bool same_orders(const struct plan *a, const struct plan *b)
{
    int i;

    if (a->order_count != b->order_count)
        return false;
    for (i = 0; i < a->order_count; i++) {
        if (a->orders[i].part != b->orders[i].part || a->orders[i].inverted != b->orders[i].inverted)
            return false;
    }
    return true;
}

static bool same(const struct plan *a, const struct plan *b)
{
    int i;

    if (a->path != b->path || a->bound != b->bound)
        return false;
    for (i = 0; i < a->bound; i++) {
        if (a->binds[i] != b->binds[i])
            return false;
    }
    return a->lower == b->lower && a->upper == b->upper && a->upper_text == b->upper_text && a->ordered == b->ordered &&
           a->descending == b->descending && a->skip == b->skip && a->covering == b->covering && same_probes(a, b) &&
           same_orders(a, b);
}

/* ---- Text ---- */

static const char *column_name(const struct table_schema *schema, int column)
{
    return column < 0 ? "rowid" : schema->columns[column].name;
}

static void append_and(sqlite3_str *text, bool *more)
{
    if (*more)
        sqlite3_str_appendall(text, " AND ");
    *more = true;
}

static void append_path(sqlite3_str *text, const struct table_schema *schema, const struct plan *plan)
{
    static const char *const binds[] = {"=?", " IS ?", " IN (?)"};
    const struct key_shape *shape = plan_shape(schema, plan->path);
    const char *name;
    bool more = false;
    int i;

    for (i = 0; i < plan->bound; i++) {
        append_and(text, &more);
        sqlite3_str_appendf(text, "%s%s", column_name(schema, shape_column(schema, shape, i)), binds[plan->binds[i]]);
    }
    name = plan->bound < shape_parts(shape) ? column_name(schema, shape_column(schema, shape, plan->bound)) : "";
    if (plan->lower != LOWER_NONE) {
        append_and(text, &more);
        sqlite3_str_appendf(text, "%s%s", name,
                            plan->lower == LOWER_NOT_NULL ? " IS NOT NULL"
                            : plan->lower == LOWER_STRICT ? ">?"
                                                          : ">=?");
    }
    if (plan->upper != UPPER_NONE) {
        append_and(text, &more);
        sqlite3_str_appendf(text, "%s%s?", name, plan->upper == UPPER_STRICT ? "<" : "<=");
    }
    if (!more)
        sqlite3_str_appendall(text, "all rows");
}

static char *make_text(const struct table_schema *schema, const struct plan *plan)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    char *made, *copy;
    int i;

    if (plan->path != PLAN_PRIMARY)
        sqlite3_str_appendf(text, "%s: ", schema->indexes[plan->path].name);
    append_path(text, schema, plan);
    if (plan->ordered)
        sqlite3_str_appendall(text, plan->descending ? " ORDER DESC" : " ORDER");
    if (plan->skip)
        sqlite3_str_appendall(text, " LIMIT");
    if (plan->covering)
        sqlite3_str_appendall(text, " COVERING");
    for (i = 0; i < plan->probe_count; i++)
        sqlite3_str_appendf(text, "%s%s=?", i ? " AND " : " AUTOMATIC INDEX (",
                            column_name(schema, plan->probes[i].column));
    if (plan->probe_count)
        sqlite3_str_appendall(text, ")");
    made = sqlite3_str_finish(text);
    copy = made ? memory_copy_text(made, strlen(made)) : NULL;
    sqlite3_free(made);
    return copy;
}

/* ---- Interning ---- */

/* A copy of `size` bytes; NULL for none of them too. */
static void *copy_items(const void *items, size_t size)
{
    void *copy = size ? memory_alloc(size) : NULL;

    if (copy)
        memcpy(copy, items, size);
    return copy;
}

static struct plan *plan_copy(const struct table_schema *schema, const struct plan *plan)
{
    struct plan *made = memory_alloc(sizeof(*made));

    if (!made)
        return NULL;
    *made = *plan;
    made->text = make_text(schema, plan);
    made->binds = copy_items(plan->binds, (size_t)plan->bound * sizeof(*plan->binds));
    made->probes = copy_items(plan->probes, (size_t)plan->probe_count * sizeof(*plan->probes));
    made->orders = copy_items(plan->orders, (size_t)plan->order_count * sizeof(*plan->orders));
    if (made->text && (made->binds || !plan->bound) && (made->probes || !plan->probe_count) &&
        (made->orders || !plan->order_count))
        return made;
    plan_free(made);
    return NULL;
}

int plan_list_intern(struct plan_list *list, const struct table_schema *schema, const struct plan *plan)
{
    struct plan *made;
    int i;

    for (i = 0; i < list->count; i++) {
        if (same(list->items[i], plan))
            return i;
    }
    if (list->count == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 8;
        struct plan **items = memory_resize(list->items, (size_t)capacity * sizeof(struct plan *));

        if (!items)
            return -1;
        list->items = items;
        list->capacity = capacity;
    }
    made = plan_copy(schema, plan);
    if (!made)
        return -1;
    list->items[list->count] = made;
    return list->count++;
}
