/*
 * plan.c - xBestIndex: for each path (the key and each index), which constraints bind leading parts and bound the next
 * one; then the cheapest of them.
 *
 * SQLite gives the values later, unconverted, and does not say with which affinity it compares. ranges.c makes ranges
 * that hold every row that could match; `omit` (SQLite need not test again) is set only where they hold no other:
 * always for parts of numeric affinity, for others if the value is a constant of text or a blob; and only if that is so for
 * the parts before.
 */
#include "ext/plan.h"

#include <string.h>

#include "ext/error.h"
#include "ext/memory.h"
#include "ext/planner.h"
#include "ext/ranges.h"

/* The first version read that offers LIMIT only where every test of the table's columns is offered too. */
#define LIMITS_SINCE 3046000

static void candidate_release(struct candidate *candidate)
{
    memory_free(candidate->plan.binds);
    memory_free(candidate->plan.probes);
    memory_free(candidate->plan.orders);
    memory_free(candidate->bound_by);
    memory_free(candidate->probe_by);
    memory_free(candidate->pinned);
    memset(candidate, 0, sizeof(*candidate));
}

static int candidate_init(struct candidate *candidate, const struct planner *planner, int path)
{
    size_t parts = (size_t)shape_parts(plan_shape(&planner->table->schema, path));
    size_t constraints = (size_t)planner->info->nConstraint + 1; /* not 0 */

    memset(candidate, 0, sizeof(*candidate));
    candidate->plan.path = path;
    candidate->lower_by = candidate->upper_by = -1;
    candidate->exact = true;
    candidate->plan.binds = memory_alloc(parts * sizeof(*candidate->plan.binds));
    candidate->plan.probes = memory_alloc(constraints * sizeof(*candidate->plan.probes));
    candidate->plan.orders = memory_alloc(((size_t)planner->info->nOrderBy + 1) * sizeof(*candidate->plan.orders));
    candidate->bound_by = memory_alloc(parts * sizeof(*candidate->bound_by));
    candidate->probe_by = memory_alloc(constraints * sizeof(*candidate->probe_by));
    candidate->pinned = memory_alloc(parts * sizeof(*candidate->pinned));
    if (candidate->plan.binds && candidate->plan.probes && candidate->plan.orders && candidate->bound_by &&
        candidate->probe_by && candidate->pinned)
        return SQLITE_OK;
    candidate_release(candidate);
    return SQLITE_NOMEM;
}

int candidate_constraint(const struct candidate *candidate, int argument)
{
    if (argument < candidate->plan.bound)
        return candidate->bound_by[argument];
    return argument == candidate->plan.bound && candidate->lower_by >= 0 ? candidate->lower_by : candidate->upper_by;
}

/* ---- One constraint ---- */

static bool is_list(const struct planner *planner, int constraint)
{
    return sqlite3_vtab_in(planner->info, constraint, -1) != 0;
}

/* Type of a constant that the constraint compares with; 0 if it is none, or cannot be told. */
static int constant_type(const struct planner *planner, int constraint)
{
    sqlite3_value *value = NULL;

    if (sqlite3_vtab_rhs_value(planner->info, constraint, &value) != SQLITE_OK || !value)
        return 0;
    return sqlite3_value_type(value);
}

static bool is_exact(const struct planner *planner, const struct key_shape *shape, int part, int constraint)
{
    const struct table_schema *schema = &planner->table->schema;
    int op = planner->info->aConstraint[constraint].op, type;

    if (ranges_ignore_affinity)
        return true;
    if (part == shape->count || affinity_is_numeric(schema->columns[shape->parts[part].column].affinity))
        return true;
    if (op == SQLITE_INDEX_CONSTRAINT_ISNULL || op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL)
        return true;
    type = constant_type(planner, constraint);
    return type == SQLITE_TEXT || type == SQLITE_BLOB;
}

/* Whether the constraint is on that part, and compares as its keys do. */
static bool concerns(const struct planner *planner, const struct key_shape *shape, int part, int constraint)
{
    const struct sqlite3_index_constraint *at = &planner->info->aConstraint[constraint];

    if (!at->usable || at->op == SQLITE_INDEX_CONSTRAINT_LIMIT || at->op == SQLITE_INDEX_CONSTRAINT_OFFSET)
        return false;
    if (part == shape->count)
        return at->iColumn == -1 || at->iColumn == planner->table->schema.integer_column;
    if (at->iColumn != shape->parts[part].column)
        return false;
    return at->op == SQLITE_INDEX_CONSTRAINT_ISNULL || at->op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL ||
           sqlite3_stricmp(sqlite3_vtab_collation(planner->info, constraint),
                           collation_name(shape->parts[part].collation)) == 0;
}

static bool is_equality(unsigned char op)
{
    return op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_IS || op == SQLITE_INDEX_CONSTRAINT_ISNULL;
}

/* ---- Binding ---- */

static bool is_used(const struct candidate *candidate, int constraint)
{
    int part;

    for (part = 0; part < candidate->plan.bound; part++) {
        if (candidate->bound_by[part] == constraint)
            return true;
    }
    return false;
}

/* The best equality for the next part: one value before a list, one that needs no test before one that does. -1: none. */
static int find_equality(const struct planner *planner, const struct candidate *candidate,
                         const struct key_shape *shape)
{
    int part = candidate->plan.bound, best = -1, best_rank = 0, i;

    for (i = 0; i < planner->info->nConstraint; i++) {
        int rank;

        if (!is_equality(planner->info->aConstraint[i].op) || !concerns(planner, shape, part, i))
            continue;
        if (is_used(candidate, i)) /* the column occurs twice in the shape */
            continue;
        rank = 1 + 2 * !is_list(planner, i) + is_exact(planner, shape, part, i);
        if (rank > best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

static void bind(const struct planner *planner, struct candidate *candidate, const struct key_shape *shape,
                 int constraint, bool *list_taken)
{
    int part = candidate->plan.bound++;
    bool exact = is_exact(planner, shape, part, constraint), list = is_list(planner, constraint);

    candidate->bound_by[part] = constraint;
    candidate->plan.binds[part] =
        planner->info->aConstraint[constraint].op == SQLITE_INDEX_CONSTRAINT_EQ ? BIND_EQUAL : BIND_IS;
    if (list && !*list_taken)
        candidate->plan.binds[part] = BIND_LIST;
    candidate->looped = candidate->looped || (list && *list_taken);
    /* An unknown value is one value, but for a number that a part without numeric affinity is compared with. */
    candidate->pinned[part] =
        candidate->plan.binds[part] != BIND_LIST && (exact || !constant_type(planner, constraint));
    candidate->uncertain = candidate->uncertain || (candidate->pinned[part] && !exact);
    candidate->exact = candidate->exact && exact;
    candidate->exact_count += candidate->exact;
    *list_taken = *list_taken || list;
}

static void bind_all(const struct planner *planner, struct candidate *candidate, const struct key_shape *shape)
{
    bool list_taken = false;

    while (candidate->plan.bound < shape_parts(shape)) {
        int constraint = find_equality(planner, candidate, shape);

        if (constraint < 0)
            break;
        bind(planner, candidate, shape, constraint, &list_taken);
    }
}

static enum plan_lower lower_of(unsigned char op)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_GT:
        return LOWER_STRICT;
    case SQLITE_INDEX_CONSTRAINT_GE:
        return LOWER_EQUAL;
    case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
        return LOWER_NOT_NULL;
    default:
        return LOWER_NONE;
    }
}

static enum plan_upper upper_of(unsigned char op)
{
    if (op == SQLITE_INDEX_CONSTRAINT_LT)
        return UPPER_STRICT;
    return op == SQLITE_INDEX_CONSTRAINT_LE ? UPPER_EQUAL : UPPER_NONE;
}

static void bound_next(const struct planner *planner, struct candidate *candidate, const struct key_shape *shape)
{
    int part = candidate->plan.bound, i;

    if (part == shape_parts(shape))
        return;
    if (part < shape->count && planner->table->unordered && shape->parts[part].collation == COLLATION_BINARY)
        return;
    for (i = 0; i < planner->info->nConstraint; i++) {
        unsigned char op = planner->info->aConstraint[i].op;

        if (!concerns(planner, shape, part, i) || is_used(candidate, i))
            continue;
        if (lower_of(op) > candidate->plan.lower && candidate->plan.lower <= LOWER_NOT_NULL) {
            candidate->plan.lower = lower_of(op);
            candidate->lower_by = i;
        } else if (upper_of(op) != UPPER_NONE && candidate->upper_by < 0) {
            candidate->plan.upper = upper_of(op);
            candidate->upper_by = i;
        }
    }
}

static void use_bounds(const struct planner *planner, struct candidate *candidate, const struct key_shape *shape)
{
    bool lower = candidate->lower_by < 0 || is_exact(planner, shape, candidate->plan.bound, candidate->lower_by);
    bool upper = candidate->upper_by < 0 || is_exact(planner, shape, candidate->plan.bound, candidate->upper_by);

    if (candidate->upper_by >= 0)
        candidate->plan.upper_text = constant_type(planner, candidate->upper_by) == SQLITE_TEXT;
    /* Between an inexact bound and an exact one nothing is certain: text that looks like a number is added. */
    candidate->exact = candidate->exact && lower && upper;
    if (candidate->exact)
        candidate->exact_count += (candidate->lower_by >= 0) + (candidate->upper_by >= 0);
}

/* ---- Making a candidate ---- */

/* Keys of this path are unique in their first `count` parts where those are not NULL. */
static bool is_unique(const struct planner *planner, const struct candidate *candidate, const struct key_shape *shape)
{
    const struct table_schema *schema = &planner->table->schema;
    int path = candidate->plan.path, unique = shape_parts(shape), i;

    if (!candidate->exact || candidate->looped)
        return false;
    if (path != PLAN_PRIMARY && schema->indexes[path].unique)
        unique = schema->indexes[path].count;
    for (i = 0; i < unique; i++) {
        if (i >= candidate->plan.bound || candidate->plan.binds[i] == BIND_LIST)
            return false;
        if (candidate->plan.binds[i] == BIND_IS && unique < shape_parts(shape))
            return false;
    }
    return true;
}

/* Entries of the index hold all columns that SQLite says it needs. */
static bool is_covering(const struct planner *planner, int path, const struct key_shape *shape)
{
    const struct table_schema *schema = &planner->table->schema;
    int column;

    if (path == PLAN_PRIMARY)
        return false;
    for (column = 0; column < schema->count; column++) {
        int bit = column < 63 ? column : 63;

        if (planner->info->colUsed >> bit & 1 && column != schema->integer_column && key_shape_find(shape, column) < 0)
            return false;
    }
    return true;
}

/* ---- Probes ---- */

static bool is_probe(const struct planner *planner, const struct candidate *candidate, int constraint,
                     enum collation *collation)
{
    const struct sqlite3_index_constraint *at = &planner->info->aConstraint[constraint];
    const struct table_schema *schema = &planner->table->schema;
    int path = candidate->plan.path;

    if (!at->usable || at->op != SQLITE_INDEX_CONSTRAINT_EQ || at->iColumn < 0 || at->iColumn >= schema->count)
        return false;
    if (path != PLAN_PRIMARY && !row_layout_holds(&planner->table->index_layouts[path], at->iColumn))
        return false;
    return !is_used(candidate, constraint) && !is_list(planner, constraint) && !constant_type(planner, constraint) &&
           collation_of_name(sqlite3_vtab_collation(planner->info, constraint), collation);
}

static void find_probes(const struct planner *planner, struct candidate *candidate)
{
    enum collation collation;
    int i;

    for (i = 0; i < planner->info->nConstraint; i++) {
        if (!is_probe(planner, candidate, i, &collation))
            continue;
        candidate->plan.probes[candidate->plan.probe_count].column = planner->info->aConstraint[i].iColumn;
        candidate->plan.probes[candidate->plan.probe_count].collation = collation;
        candidate->probe_by[candidate->plan.probe_count++] = i;
    }
}

static int make_candidate(const struct planner *planner, struct candidate *candidate, int path)
{
    const struct key_shape *shape = plan_shape(&planner->table->schema, path);
    int rc = candidate_init(candidate, planner, path);

    if (rc)
        return rc;
    bind_all(planner, candidate, shape);
    bound_next(planner, candidate, shape);
    use_bounds(planner, candidate, shape);
    candidate->unique = is_unique(planner, candidate, shape);
    candidate->plan.covering = is_covering(planner, path, shape);
    find_probes(planner, candidate);
    candidate_set_order(planner, candidate);
    rc = candidate_set_cost(planner, candidate);
    if (rc)
        candidate_release(candidate);
    return rc;
}

/* A path that narrows nothing, orders nothing and holds no more than the table does is no choice. */
static int choose(const struct planner *planner, struct candidate *best)
{
    struct candidate candidate;
    int path, rc = make_candidate(planner, best, PLAN_PRIMARY);

    for (path = 0; !rc && path < planner->table->schema.index_count; path++) {
        rc = make_candidate(planner, &candidate, path);
        if (rc)
            break;
        if (candidate.cost + candidate.sort_cost < best->cost + best->sort_cost) {
            candidate_release(best);
            *best = candidate;
        } else {
            candidate_release(&candidate);
        }
    }
    if (rc)
        candidate_release(best);
    return rc;
}

/* ---- Telling SQLite ---- */

static void use_constraints(const struct planner *planner, const struct candidate *candidate)
{
    int count = plan_path_arguments(&candidate->plan), i;

    for (i = 0; i < count; i++) {
        int constraint = candidate_constraint(candidate, i);

        planner->info->aConstraintUsage[constraint].argvIndex = i + 1;
        planner->info->aConstraintUsage[constraint].omit = i < candidate->exact_count;
        if (i < candidate->plan.bound && candidate->plan.binds[i] == BIND_LIST)
            sqlite3_vtab_in(planner->info, constraint, 1);
    }
    for (i = 0; i < candidate->plan.probe_count; i++)
        planner->info->aConstraintUsage[candidate->probe_by[i]].argvIndex = count + i + 1;
}

/*
 * A comparison of row values, (a, b) <= (1, 2), comes as a <= 1 and is tested again by SQLite, which offers LIMIT all the
 * same. Its right side is then no value.
 */
static bool may_be_row_value(sqlite3_index_info *info, int index)
{
    unsigned char op = info->aConstraint[index].op;
    sqlite3_value *value = NULL;

    if (op != SQLITE_INDEX_CONSTRAINT_LE && op != SQLITE_INDEX_CONSTRAINT_GE)
        return false;
    return sqlite3_vtab_rhs_value(info, index, &value) != SQLITE_OK || !value;
}

/*
 * Rows can be skipped and counted here only if no other test of SQLite's comes after. Older versions offer LIMIT and
 * OFFSET even where a test is left that they never show: `a = b` of two columns of the table.
 */
static void use_limit(const struct planner *planner, struct candidate *candidate)
{
    sqlite3_index_info *info = planner->info;
    int count = plan_path_arguments(&candidate->plan), i;

    if (sqlite3_libversion_number() < LIMITS_SINCE)
        return;
    if (planner->limit < 0 || planner->offset < 0 || (info->nOrderBy && !candidate->consumed))
        return;
    if (!candidate->exact || candidate->looped || candidate->plan.probe_count)
        return;
    for (i = 0; i < info->nConstraint; i++) {
        if (i == planner->limit || i == planner->offset)
            continue;
        if (!info->aConstraintUsage[i].argvIndex || may_be_row_value(info, i))
            return;
    }
    info->aConstraintUsage[planner->limit].argvIndex = count + 1;
    info->aConstraintUsage[planner->offset].argvIndex = count + 2;
    info->aConstraintUsage[planner->offset].omit = 1;
    candidate->plan.skip = true;
}

static int tell(const struct planner *planner, const struct candidate *candidate)
{
    struct sql_table *table = planner->table;
    sqlite3_index_info *info = planner->info;

    info->idxNum = plan_list_intern(&table->plans, &table->schema, &candidate->plan);
    if (info->idxNum < 0)
        return SQLITE_NOMEM;
    info->idxStr = table->plans.items[info->idxNum]->text;
    info->orderByConsumed = candidate->consumed;
    info->estimatedCost = candidate->cost;
    info->estimatedRows = (sqlite3_int64)candidate->rows;
    if (candidate->unique)
        info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    return SQLITE_OK;
}

static void find_limit(struct planner *planner)
{
    int i;

    for (i = 0; i < planner->info->nConstraint; i++) {
        const struct sqlite3_index_constraint *constraint = &planner->info->aConstraint[i];

        if (constraint->usable && constraint->op == SQLITE_INDEX_CONSTRAINT_LIMIT)
            planner->limit = i;
        else if (constraint->usable && constraint->op == SQLITE_INDEX_CONSTRAINT_OFFSET)
            planner->offset = i;
    }
}

int sql_table_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    struct planner planner = {(struct sql_table *)vtab, info, -1, -1};
    struct candidate best;
    int rc;

    find_limit(&planner);
    rc = choose(&planner, &best);
    if (rc)
        return rc;
    candidate_settle_probes(&best);
    use_constraints(&planner, &best);
    use_limit(&planner, &best);
    rc = tell(&planner, &best);
    candidate_release(&best);
    return rc;
}
