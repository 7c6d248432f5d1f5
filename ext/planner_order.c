/* Which ORDER BY, GROUP BY and DISTINCT the order of keys serves. */
#include "ext/planner.h"

/*
 * The first version seen to ask for rows in groups (sqlite3_vtab_distinct() = 1) only where it sorts them afterwards if
 * an ORDER BY wants another order. 3.40 takes them for sorted.
 */
#define GROUPS_SINCE 3053000

enum { DISTINCT_ORDER, DISTINCT_GROUPS, DISTINCT_ANY, DISTINCT_ANY_ORDERED };

/* Whether SQLite's order of the column is the order of the part. */
static bool same_order(const struct planner *planner, const struct key_shape *shape, int part)
{
    const struct table_schema *schema = &planner->table->schema;
    const struct key_part *at = &shape->parts[part];

    if (part == shape->count)
        return true; /* the rowid */
    if (planner->table->unordered && at->collation == COLLATION_BINARY)
        return false;
    return sqlite3_stricmp(schema_column_collation(schema, at->column), collation_name(at->collation)) == 0;
}

/* All rows have the same value of the part: it is bound, or its column was as an earlier part. */
static bool is_pinned(const struct candidate *candidate, const struct key_shape *shape, int part)
{
    int i;

    if (part < candidate->plan.bound && candidate->pinned[part])
        return true;
    for (i = 0; part < shape->count && i < candidate->plan.bound && i < shape->count; i++) {
        if (candidate->pinned[i] && shape->parts[i].column == shape->parts[part].column &&
            shape->parts[i].collation == shape->parts[part].collation)
            return true;
    }
    return false;
}

/* The part of the shape that is `column`; -1 if there is none. */
static int find_part(const struct planner *planner, const struct key_shape *shape, int column)
{
    const struct table_schema *schema = &planner->table->schema;
    int part;

    for (part = 0; part < shape_parts(shape); part++) {
        int is = shape_column(schema, shape, part);

        if (is == column || (part == shape->count && column == -1))
            return part;
    }
    return -1;
}

/* All rows have the same value in the column, as its own collation compares. */
static bool is_constant(const struct planner *planner, const struct candidate *candidate, const struct key_shape *shape,
                        int column)
{
    int part;

    for (part = 0; part < candidate->plan.bound; part++) {
        if (is_pinned(candidate, shape, part) && shape_column(&planner->table->schema, shape, part) == column &&
            same_order(planner, shape, part))
            return true;
    }
    return false;
}

/* ---- Order: each term is the next part, all in one direction ---- */

static bool is_ordered(const struct planner *planner, const struct candidate *candidate, bool *descending)
{
    const struct table_schema *schema = &planner->table->schema;
    const struct key_shape *shape = plan_shape(schema, candidate->plan.path);
    const sqlite3_index_info *info = planner->info;
    int part = 0, term;
    bool direction, known = false;

    for (term = 0; term < info->nOrderBy; term++) {
        int column = info->aOrderBy[term].iColumn;

        if (is_constant(planner, candidate, shape, column))
            continue;
        while (part < shape_parts(shape) && is_pinned(candidate, shape, part))
            part++;
        if (part == shape_parts(shape))
            return true; /* keys are unique: what comes after them orders nothing */
        if (find_part(planner, shape, column) != part || !same_order(planner, shape, part))
            return false;
        direction = (info->aOrderBy[term].desc != 0) != (part < shape->count && shape->parts[part].descending);
        if (known && direction != *descending)
            return false;
        *descending = direction;
        known = true;
        part++;
    }
    return true;
}

/* ---- Groups: the terms are the next parts, in any sequence ---- */

static bool is_grouped(const struct planner *planner, const struct candidate *candidate)
{
    const struct table_schema *schema = &planner->table->schema;
    const struct key_shape *shape = plan_shape(schema, candidate->plan.path);
    const sqlite3_index_info *info = planner->info;
    int last = -1, part, term;

    for (term = 0; term < info->nOrderBy; term++) {
        if (is_constant(planner, candidate, shape, info->aOrderBy[term].iColumn))
            continue;
        part = find_part(planner, shape, info->aOrderBy[term].iColumn);
        if (part < 0 || !same_order(planner, shape, part))
            return false;
        if (part > last)
            last = part;
    }
    for (part = 0; part < last; part++) {
        int column = shape_column(schema, shape, part);

        for (term = 0; term < info->nOrderBy && info->aOrderBy[term].iColumn != column; term++)
            ;
        if (term == info->nOrderBy && !is_pinned(candidate, shape, part))
            return false;
    }
    return true;
}

/* ---- Both ---- */

/* Notes the terms, for rows that have to be sorted after all; false if one is no part of the key. */
static bool note_orders(const struct planner *planner, struct candidate *candidate)
{
    const struct key_shape *shape = plan_shape(&planner->table->schema, candidate->plan.path);
    const sqlite3_index_info *info = planner->info;
    int term;

    for (term = 0; term < info->nOrderBy; term++) {
        int part = find_part(planner, shape, info->aOrderBy[term].iColumn);

        if (part < 0 || !same_order(planner, shape, part))
            return false;
        candidate->plan.orders[term].part = part;
        candidate->plan.orders[term].inverted =
            (info->aOrderBy[term].desc != 0) != (part < shape->count && shape->parts[part].descending);
    }
    return true;
}

void candidate_set_order(const struct planner *planner, struct candidate *candidate)
{
    int distinct = sqlite3_vtab_distinct(planner->info);
    bool descending = false, fits;

    if (!planner->info->nOrderBy)
        return;
    if (candidate->unique) {
        candidate->consumed = true;
        return;
    }
    fits = is_ordered(planner, candidate, &descending);
    if (!fits &&
        (distinct == DISTINCT_ANY || (distinct == DISTINCT_GROUPS && sqlite3_libversion_number() >= GROUPS_SINCE))) {
        descending = false;
        fits = is_grouped(planner, candidate);
    }
    if (!fits || (candidate->uncertain && !note_orders(planner, candidate)))
        return;
    candidate->plan.order_count = candidate->uncertain ? planner->info->nOrderBy : 0;
    candidate->consumed = candidate->plan.ordered = true;
    candidate->plan.descending = descending;
}
