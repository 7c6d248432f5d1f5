/*
 * planner_cost.c - how many rows a path gives, and what that costs.
 *
 * Costs compare with those of SQLite's own tables: 3 for a row of a scan, 10 for a look-up. Where the values are constants
 * the store tells how much lies between them; elsewhere the guesses are SQLite's.
 */
#include <math.h>

#include "ext/memory.h"
#include "ext/planner.h"
#include "ext/ranges.h"

#define ROWS_UNKNOWN 100000 /* taken as the size of a table whose store is not open yet */
#define ROWS_LEAST   10
#define LIST_SIZE    25

#define PROBE_ROWS_MIN 30 /* fewer are not worth an index in memory */
#define PROBE_ROWS     10 /* that it is thought to give */

enum { COST_ROW = 3, COST_ENTRY = 2, COST_LOOKUP = 10 };

static double estimate(const struct planner *planner, struct lsmkv_slice lower, struct lsmkv_slice upper)
{
    uint64_t entries = 0, bytes = 0;

    lsmkv_estimate(session_store(planner->table->session), lower, upper, &entries, &bytes);
    return (double)entries;
}

static double table_rows(const struct planner *planner)
{
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_slice lower, upper;
    double rows;

    if (!planner->table->session)
        return ROWS_UNKNOWN;
    sql_table_key_range(planner->table, bounds, &lower, &upper);
    rows = estimate(planner, lower, upper);
    return rows > ROWS_LEAST ? rows : ROWS_LEAST;
}

/* ---- Guesses ---- */

/* As SQLite for an index without statistics: 10 rows for one equal column, 9 for two, down to 5. */
static double guess_equal(const struct candidate *candidate, double rows)
{
    double guess = candidate->plan.bound < 5 ? 11 - candidate->plan.bound : 5;

    return guess < rows ? guess : rows;
}

static double guess_rows(const struct planner *planner, const struct candidate *candidate, double rows)
{
    const struct plan *plan = &candidate->plan;
    const struct table_schema *schema = &planner->table->schema;
    int unique = shape_parts(plan_shape(schema, plan->path)), i;

    if (plan->path != PLAN_PRIMARY && schema->indexes[plan->path].unique)
        unique = schema->indexes[plan->path].count;
    if (plan->bound >= unique)
        rows = 1;
    else if (plan->bound)
        rows = guess_equal(candidate, rows);
    if (plan->lower == LOWER_EQUAL || plan->lower == LOWER_STRICT)
        rows /= 4;
    if (plan->upper != UPPER_NONE)
        rows /= 4;
    for (i = 0; i < plan->bound; i++) {
        if (plan->binds[i] == BIND_LIST)
            rows *= LIST_SIZE;
    }
    return rows;
}

/* ---- From the store ---- */

/*
 * Whether ranges.c would make a number of the text. It cannot of a copy: newer versions of SQLite take the
 * mutex of the value's connection, and a copy has none.
 */
static bool is_converted(const struct table_schema *schema, int column, sqlite3_value *value)
{
    if (sqlite3_value_type(value) != SQLITE_TEXT)
        return false;
    return column < 0 || column == schema->integer_column ||
           (column < schema->count && affinity_is_numeric(schema->columns[column].affinity));
}

/*
 * The values that the path's constraints compare with; false if one is no constant, or none that can be converted now.
 * NULL stands for NULL.
 */
static bool constants(const struct planner *planner, const struct candidate *candidate, sqlite3_value **values)
{
    int count = plan_path_arguments(&candidate->plan), i;

    for (i = 0; i < count; i++) {
        int constraint = candidate_constraint(candidate, i), op = planner->info->aConstraint[constraint].op;
        int column = planner->info->aConstraint[constraint].iColumn;
        sqlite3_value *value = NULL;

        if (op == SQLITE_INDEX_CONSTRAINT_ISNULL || op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL)
            continue;
        if (sqlite3_vtab_rhs_value(planner->info, constraint, &value) != SQLITE_OK || !value)
            return false;
        if (is_converted(&planner->table->schema, column, value))
            return false;
        values[i] = sqlite3_value_dup(value); /* ranges.c converts in place */
        if (!values[i])
            return false;
    }
    return true;
}

static int sum_ranges(const struct planner *planner, const struct candidate *candidate, sqlite3_value **values,
                      double *rows)
{
    const struct sql_table *table = planner->table;
    struct ranges_request request = {&table->schema, plan_shape(&table->schema, candidate->plan.path),
                                     sql_table_path_keyspace(table, candidate->plan.path), &candidate->plan};
    struct key_ranges ranges = {0};
    char *message = NULL;
    int i, rc = ranges_build(&ranges, &request, values, &message);

    *rows = 0;
    for (i = 0; !rc && i < ranges.count; i++)
        *rows += ranges.items[i].point ? 1 : estimate(planner, ranges_lower(&ranges, i), ranges_upper(&ranges, i));
    sqlite3_free(message);
    ranges_release(&ranges);
    return rc;
}

/* *known is false if the store cannot tell. */
static int ask_store(const struct planner *planner, const struct candidate *candidate, double *rows, bool *known)
{
    int count = plan_path_arguments(&candidate->plan), i, rc = SQLITE_OK;
    sqlite3_value **values;

    *known = false;
    if (!planner->table->session || candidate->unique || count == 0)
        return SQLITE_OK;
    values = memory_alloc((size_t)count * sizeof(sqlite3_value *));
    if (!values)
        return SQLITE_NOMEM;
    *known = constants(planner, candidate, values);
    if (*known)
        rc = sum_ranges(planner, candidate, values, rows);
    for (i = 0; i < count; i++)
        sqlite3_value_free(values[i]);
    memory_free(values);
    return rc;
}

/* ---- Cost ---- */

static double row_cost(const struct candidate *candidate)
{
    if (candidate->plan.path == PLAN_PRIMARY)
        return COST_ROW;
    return candidate->plan.covering ? COST_ENTRY : COST_ENTRY + COST_LOOKUP;
}

static int seeks(const struct candidate *candidate)
{
    int i;

    for (i = 0; i < candidate->plan.bound; i++) {
        if (candidate->plan.binds[i] == BIND_LIST)
            return LIST_SIZE;
    }
    return 1;
}

/*
 * A probe costs little, but the first one reads the path; SQLite has no way to be told so. A tenth of that for each lets it
 * take an index of another table where there is one. Among the paths of this table the whole cost counts.
 */
void candidate_settle_probes(struct candidate *candidate)
{
    if (candidate->rows < PROBE_ROWS_MIN)
        candidate->plan.probe_count = 0;
    if (!candidate->plan.probe_count)
        return;
    candidate->cost = 2 * COST_LOOKUP + candidate->cost / 10;
    candidate->rows = PROBE_ROWS;
}

int candidate_set_cost(const struct planner *planner, struct candidate *candidate)
{
    double all = table_rows(planner), rows = 0;
    bool known = false;
    int rc = ask_store(planner, candidate, &rows, &known);

    if (rc)
        return rc;
    if (!known)
        rows = guess_rows(planner, candidate, all);
    if (rows > all)
        rows = all;
    if (rows < 1)
        rows = 1;
    candidate->rows = rows;
    candidate->cost = COST_LOOKUP * seeks(candidate) + (rows - 1) * row_cost(candidate);
    if (candidate->plan.path != PLAN_PRIMARY && !candidate->plan.covering)
        candidate->cost += COST_LOOKUP;
    if (planner->info->nOrderBy && !candidate->consumed)
        candidate->sort_cost = candidate->rows * log2(candidate->rows);
    return SQLITE_OK;
}
