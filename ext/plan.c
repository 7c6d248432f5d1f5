/*
 * plan.c - xBestIndex: which constraints on the key become a range of keys, what that costs, which order comes free.
 *
 * SQLite gives the values later, unconverted, and does not say with which affinity it compares. ranges.c makes ranges
 * that hold every row that could match; `omit` (SQLite need not test again) is set only where they hold no other:
 * always for keys of numeric affinity, for other keys if the value is a text constant.
 */
#include "ext/plan.h"

#include "ext/sql_table.h"

#define ROWS_UNKNOWN 100000 /* taken as the size of a table whose store is not open yet */
#define ROWS_LEAST   10

struct choice {
    struct sql_table *table;
    sqlite3_index_info *info;
    int equal, lower, upper; /* constraints, or -1 */
    int limit, offset;
    bool in;    /* `equal` is taken as a list */
    bool exact; /* all chosen ones are */
    int plan;
    int arguments;
};

/* The column that the key is; -1 if it is none, or more than ranges of keys can be made of. */
static int key_column(const struct sql_table *table)
{
    const struct key_shape *primary = &table->schema.primary;

    if (schema_has_rowid(&table->schema))
        return table->schema.integer_column;
    return primary->count == 1 && !primary->parts[0].descending ? primary->parts[0].column : -1;
}

static bool is_key(const struct sql_table *table, int column)
{
    if (schema_has_rowid(&table->schema) && column == -1)
        return true;
    return column >= 0 && column == key_column(table);
}

/* ---- Choosing ---- */

static bool has_key_collation(const struct choice *choice, int index)
{
    const struct table_schema *schema = &choice->table->schema;

    if (schema_has_rowid(schema))
        return true; /* integers know none */
    return sqlite3_stricmp(sqlite3_vtab_collation(choice->info, index),
                           collation_name(schema->primary.parts[0].collation)) == 0;
}

static void choose_one(struct choice *choice, int index)
{
    switch (choice->info->aConstraint[index].op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
    case SQLITE_INDEX_CONSTRAINT_IS:
        if (choice->equal < 0)
            choice->equal = index;
        break;
    case SQLITE_INDEX_CONSTRAINT_GT:
    case SQLITE_INDEX_CONSTRAINT_GE:
        if (choice->lower < 0 && !choice->table->unordered)
            choice->lower = index;
        break;
    case SQLITE_INDEX_CONSTRAINT_LT:
    case SQLITE_INDEX_CONSTRAINT_LE:
        if (choice->upper < 0 && !choice->table->unordered)
            choice->upper = index;
        break;
    default:
        break;
    }
}

static void choose(struct choice *choice)
{
    const struct sqlite3_index_constraint *constraint;
    int i;

    for (i = 0; i < choice->info->nConstraint; i++) {
        constraint = &choice->info->aConstraint[i];
        if (!constraint->usable)
            continue;
        if (constraint->op == SQLITE_INDEX_CONSTRAINT_LIMIT)
            choice->limit = i;
        else if (constraint->op == SQLITE_INDEX_CONSTRAINT_OFFSET)
            choice->offset = i;
        else if (is_key(choice->table, constraint->iColumn) && has_key_collation(choice, i))
            choose_one(choice, i);
    }
    if (choice->equal >= 0)
        choice->lower = choice->upper = -1;
}

/* ---- Using ---- */

static bool is_text_constant(const struct choice *choice, int index)
{
    sqlite3_value *value = NULL;

    return sqlite3_vtab_rhs_value(choice->info, index, &value) == SQLITE_OK && value &&
           sqlite3_value_type(value) == SQLITE_TEXT;
}

static bool is_exact(const struct choice *choice, int index)
{
    const struct table_schema *schema = &choice->table->schema;

    if (schema_has_rowid(schema) || affinity_is_numeric(schema->columns[schema->primary.parts[0].column].affinity))
        return true;
    return is_text_constant(choice, index);
}

static void use(struct choice *choice, int index, int bits)
{
    struct sqlite3_index_constraint_usage *usage = &choice->info->aConstraintUsage[index];
    bool exact = is_exact(choice, index);

    usage->argvIndex = ++choice->arguments;
    usage->omit = exact;
    choice->exact = choice->exact && exact;
    choice->plan |= bits;
}

static void use_range(struct choice *choice)
{
    const struct sqlite3_index_constraint *constraints = choice->info->aConstraint;

    if (choice->lower >= 0)
        use(choice, choice->lower,
            constraints[choice->lower].op == SQLITE_INDEX_CONSTRAINT_GT ? PLAN_LOWER | PLAN_LOWER_STRICT : PLAN_LOWER);
    if (choice->upper >= 0) {
        use(choice, choice->upper,
            constraints[choice->upper].op == SQLITE_INDEX_CONSTRAINT_LT ? PLAN_UPPER | PLAN_UPPER_STRICT : PLAN_UPPER);
        if (is_text_constant(choice, choice->upper))
            choice->plan |= PLAN_UPPER_TEXT;
    }
}

static void use_equal(struct choice *choice)
{
    if (choice->equal < 0)
        return;
    if (sqlite3_vtab_in(choice->info, choice->equal, -1)) {
        sqlite3_vtab_in(choice->info, choice->equal, 1);
        choice->in = true;
        use(choice, choice->equal, PLAN_IN);
        return;
    }
    use(choice, choice->equal, PLAN_EQUAL);
}

/* The key is unique: what is sorted by it is sorted by anything after it too. */
static void use_order(struct choice *choice)
{
    sqlite3_index_info *info = choice->info;

    if (info->nOrderBy == 0)
        return;
    if (choice->equal >= 0 && !choice->in && choice->exact) {
        info->orderByConsumed = 1;
    } else if (is_key(choice->table, info->aOrderBy[0].iColumn) && !choice->table->unordered) {
        info->orderByConsumed = 1;
        if (info->aOrderBy[0].desc)
            choice->plan |= PLAN_DESCENDING;
    }
}

/*
 * Rows can be skipped and counted here only if no other test of SQLite's comes after: SQLite 3.40 offers LIMIT and
 * OFFSET even if some constraint is left to it.
 */
static void use_limit(struct choice *choice)
{
    const sqlite3_index_info *info = choice->info;
    int i;

    if (choice->limit < 0 || choice->offset < 0 || (info->nOrderBy && !info->orderByConsumed))
        return;
    for (i = 0; i < info->nConstraint; i++) {
        if (i != choice->limit && i != choice->offset && !(info->aConstraintUsage[i].argvIndex && choice->exact))
            return;
    }
    info->aConstraintUsage[choice->limit].argvIndex = ++choice->arguments;
    info->aConstraintUsage[choice->offset].argvIndex = ++choice->arguments;
    info->aConstraintUsage[choice->offset].omit = 1;
    choice->plan |= PLAN_LIMIT | PLAN_OFFSET;
}

/* ---- Telling ---- */

static double count_rows(const struct sql_table *table)
{
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];
    struct lsmkv_slice lower, upper;
    uint64_t entries = 0, bytes = 0;

    if (!table->session)
        return ROWS_UNKNOWN;
    sql_table_key_range(table, bounds, &lower, &upper);
    lsmkv_estimate(session_store(table->session), lower, upper, &entries, &bytes);
    return entries > ROWS_LEAST ? (double)entries : ROWS_LEAST;
}

/* Costs compare with those of SQLite's own tables: 3 for a row of a scan, 10 for a look-up. */
static void set_cost(struct choice *choice)
{
    sqlite3_index_info *info = choice->info;
    double rows = count_rows(choice->table);

    if (choice->equal >= 0) {
        rows = choice->in ? 25 : 1;
        info->estimatedCost = 10 * rows;
        if (!choice->in && choice->exact)
            info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    } else {
        if (choice->lower >= 0)
            rows /= 4;
        if (choice->upper >= 0)
            rows /= 4;
        info->estimatedCost = 10 + 3 * rows;
    }
    info->estimatedRows = (sqlite3_int64)rows;
}

static const char *key_name(const struct sql_table *table)
{
    return key_column(table) < 0 ? "rowid" : table->schema.columns[key_column(table)].name;
}

static int set_text(struct choice *choice)
{
    sqlite3_index_info *info = choice->info;
    sqlite3_str *text = sqlite3_str_new(NULL);
    const char *name = key_name(choice->table);
    int plan = choice->plan;

    if (plan & PLAN_EQUAL)
        sqlite3_str_appendf(text, "%s=?", name);
    if (plan & PLAN_IN)
        sqlite3_str_appendf(text, "%s IN (?)", name);
    if (plan & PLAN_LOWER)
        sqlite3_str_appendf(text, "%s%s?", name, plan & PLAN_LOWER_STRICT ? ">" : ">=");
    if (plan & PLAN_LOWER && plan & PLAN_UPPER)
        sqlite3_str_appendall(text, " AND ");
    if (plan & PLAN_UPPER)
        sqlite3_str_appendf(text, "%s%s?", name, plan & PLAN_UPPER_STRICT ? "<" : "<=");
    if (!sqlite3_str_length(text))
        sqlite3_str_appendall(text, "all rows");
    if (info->nOrderBy && info->orderByConsumed)
        sqlite3_str_appendall(text, plan & PLAN_DESCENDING ? " ORDER DESC" : " ORDER");
    if (plan & PLAN_LIMIT)
        sqlite3_str_appendall(text, " LIMIT");
    info->idxStr = sqlite3_str_finish(text);
    info->needToFreeIdxStr = 1;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

int sql_table_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    struct choice choice = {.table = (struct sql_table *)vtab,
                            .info = info,
                            .equal = -1,
                            .lower = -1,
                            .upper = -1,
                            .limit = -1,
                            .offset = -1,
                            .exact = true};

    choose(&choice);
    use_equal(&choice);
    use_range(&choice);
    use_order(&choice);
    use_limit(&choice);
    set_cost(&choice);
    info->idxNum = choice.plan;
    return set_text(&choice);
}
