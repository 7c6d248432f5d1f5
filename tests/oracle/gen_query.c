/*
 * gen_query.c - SELECT in all its forms.
 *
 * Left out because SQL leaves it undefined, for an ordinary table too:
 *   - LIMIT without a total order, except inside count(*);
 *   - group_concat(), and bare columns beside GROUP BY: they depend on the order of rows;
 *   - sum() and avg(): a sum of reals depends on the order of its parts.
 *   - a compound whose first column is an INTEGER PRIMARY KEY: see ext/README.md.
 * What only shows which of several equal values was met first is compared loosely.
 */
#include "generator.h"

#include <string.h>

void gen_finish(struct generator *gen, sqlite3_str *sql)
{
    char *text = sqlite3_str_finish(sql);

    script_add(gen->script, "%s", text);
    sqlite3_free(text);
}

void gen_key_order(sqlite3_str *sql, const struct gen_table *table, const char *alias, bool descending)
{
    const char *turn = descending ? " DESC" : "";
    int i;

    if (table->key_count == 0)
        sqlite3_str_appendf(sql, "%srowid%s", alias, turn);
    for (i = 0; i < table->key_count; i++)
        sqlite3_str_appendf(sql, "%s%s%s%s%s%s", i ? ", " : "", alias, table->columns[table->key[i]].name,
                            KEY_COLLATE(table, i), turn);
}

static void append_where(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *alias)
{
    if (gen_once_in(gen, 6))
        return;
    sqlite3_str_appendall(sql, " WHERE ");
    gen_condition(gen, sql, table, alias, 2);
}

static void append_columns(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *alias)
{
    int i, count = 1 + (int)gen_pick(gen, 3);

    if (gen_once_in(gen, 3)) {
        sqlite3_str_appendf(sql, "%s*", alias);
        return;
    }
    if (table->kind <= GEN_INTEGER_KEY && gen_once_in(gen, 4))
        sqlite3_str_appendf(sql, "%srowid, ", alias);
    for (i = 0; i < count; i++)
        sqlite3_str_appendf(sql, "%s%s%s", i ? ", " : "", alias, gen_any_column(gen, table)->name);
}

/* ---- One table ---- */

static void plain(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    sqlite3_str_appendall(sql, "SELECT ");
    append_columns(gen, sql, table, "");
    sqlite3_str_appendf(sql, " FROM %s", table->name);
    append_where(gen, sql, table, "");
}

/* ORDER BY columns that may be equal in several rows. */
static void partly_ordered(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const struct gen_column *first = gen_any_column(gen, table), *second = gen_any_column(gen, table);
    int count = 1 + (first != second && gen_once_in(gen, 2));

    if (table->key_count > 1 && gen_once_in(gen, 2)) {
        first = &table->columns[table->key[0]];
        second = &table->columns[table->key[1]];
    }
    sqlite3_str_appendf(sql, "SELECT %s, ", first->name);
    if (count > 1)
        sqlite3_str_appendf(sql, "%s, ", second->name);
    append_columns(gen, sql, table, "");
    sqlite3_str_appendf(sql, " FROM %s", table->name);
    append_where(gen, sql, table, "");
    sqlite3_str_appendf(sql, " ORDER BY %s%s", first->name, ONE_OF(gen, "", "", " DESC", " ASC", " DESC NULLS LAST"));
    if (count > 1)
        sqlite3_str_appendf(sql, ", %s%s", second->name, ONE_OF(gen, "", "", " DESC"));
    sqlite3_str_appendf(sql, " /*ordered %d*/", count);
}

static void append_limit(struct generator *gen, sqlite3_str *sql)
{
    sqlite3_str_appendf(sql, " LIMIT %d", (int)gen_pick(gen, 8) - 1);
    if (gen_once_in(gen, 2))
        sqlite3_str_appendf(sql, " OFFSET %d", (int)gen_pick(gen, 6));
}

static void totally_ordered(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    sqlite3_str_appendall(sql, "SELECT ");
    append_columns(gen, sql, table, "");
    sqlite3_str_appendf(sql, " FROM %s", table->name);
    append_where(gen, sql, table, "");
    sqlite3_str_appendall(sql, " ORDER BY ");
    if (gen_once_in(gen, 3))
        sqlite3_str_appendf(sql, "%s%s, ", gen_any_column(gen, table)->name, ONE_OF(gen, "", " DESC"));
    gen_key_order(sql, table, "", gen_once_in(gen, 2));
    if (!gen_once_in(gen, 3))
        append_limit(gen, sql);
}

static void counted_limit(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    sqlite3_str_appendf(sql, "SELECT count(*) FROM (SELECT 1 FROM %s", table->name);
    append_where(gen, sql, table, "");
    append_limit(gen, sql);
    sqlite3_str_appendall(sql, ")");
}

static void append_aggregate(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const struct gen_column *column = gen_any_column(gen, table);

    if (table->key_count > 0 && gen_once_in(gen, 3))
        column = &table->columns[table->key[0]];
    sqlite3_str_appendf(sql, ONE_OF(gen, "min(%s)", "max(%s)", "count(%s)", "count(DISTINCT %s)", "sum(length(%s))"),
                        column->name);
}

static void aggregate(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    sqlite3_str_appendall(sql, "SELECT ");
    if (gen_once_in(gen, 4))
        sqlite3_str_appendall(sql, "count(*)");
    else
        append_aggregate(gen, sql, table);
    if (gen_once_in(gen, 3)) {
        sqlite3_str_appendall(sql, ", ");
        append_aggregate(gen, sql, table);
    }
    sqlite3_str_appendf(sql, " FROM %s", table->name);
    append_where(gen, sql, table, "");
    sqlite3_str_appendall(sql, " /*loose*/");
}

static void grouped(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const char *column = gen_any_column(gen, table)->name;

    if (table->key_count > 0 && gen_once_in(gen, 3))
        column = table->columns[table->key[0]].name;
    sqlite3_str_appendf(sql, "SELECT %s, count(*), ", column);
    append_aggregate(gen, sql, table);
    sqlite3_str_appendf(sql, " FROM %s", table->name);
    append_where(gen, sql, table, "");
    sqlite3_str_appendf(sql, " GROUP BY %s", column);
    if (gen_once_in(gen, 3))
        sqlite3_str_appendf(sql, " HAVING count(*) > %d", (int)gen_pick(gen, 3));
    if (gen_once_in(gen, 2))
        sqlite3_str_appendf(sql, " ORDER BY %s%s /*loose*/ /*ordered 1*/", column, ONE_OF(gen, "", " DESC"));
    else
        sqlite3_str_appendall(sql, " /*loose*/");
}

static void distinct(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const char *first = gen_any_column(gen, table)->name, *second = gen_any_column(gen, table)->name;
    bool two = gen_once_in(gen, 2);

    if (table->key_count > 0 && gen_once_in(gen, 3))
        first = table->columns[table->key[0]].name;
    sqlite3_str_appendf(sql, "SELECT DISTINCT %s%s%s FROM %s", first, two ? ", " : "", two ? second : "", table->name);
    append_where(gen, sql, table, "");
    if (gen_once_in(gen, 2))
        sqlite3_str_appendf(sql, " ORDER BY %s%s /*loose*/ /*ordered 1*/", first, ONE_OF(gen, "", " DESC"));
    else
        sqlite3_str_appendall(sql, " /*loose*/");
}

static void windowed(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const char *column = gen_any_column(gen, table)->name;

    sqlite3_str_appendf(sql, "SELECT %s, %s OVER (ORDER BY ", column,
                        ONE_OF(gen, "row_number()", "count(*)", "lag(1)"));
    gen_key_order(sql, table, "", gen_once_in(gen, 2));
    sqlite3_str_appendf(sql, ") FROM %s", table->name);
    append_where(gen, sql, table, "");
}

/* ---- Several tables ---- */

static void joined(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const struct gen_table *other = gen_any_table(gen);
    const char *kind = ONE_OF(gen, " JOIN ", " JOIN ", ", ", " CROSS JOIN ", " LEFT JOIN ", " LEFT JOIN ");
    const struct gen_column *left = gen_any_column(gen, table), *right = gen_any_column(gen, other);

    if (other->key_count > 0 && gen_once_in(gen, 2))
        right = &other->columns[other->key[0]];
    sqlite3_str_appendall(sql, gen_once_in(gen, 3) ? "SELECT count(*)" : "SELECT x.*, y.*");
    sqlite3_str_appendf(sql, " FROM %s AS x%s%s AS y", table->name, kind, other->name);
    sqlite3_str_appendf(sql, " %s x.%s %s ", strcmp(kind, ", ") == 0 ? "WHERE" : "ON", left->name,
                        ONE_OF(gen, "=", "=", "=", "=", "IS", "<", ">="));
    sqlite3_str_appendf(sql, "y.%s", right->name);
    if (gen_once_in(gen, 3)) {
        sqlite3_str_appendf(sql, " AND x.%s", gen_any_column(gen, table)->name);
        sqlite3_str_appendf(sql, " = y.%s", gen_any_column(gen, other)->name);
    }
    if (gen_once_in(gen, 2)) {
        sqlite3_str_appendall(sql, strcmp(kind, ", ") == 0 ? " AND " : " WHERE ");
        gen_condition(gen, sql, gen_once_in(gen, 2) ? table : table, "x.", 1);
    }
}

static void joined_three(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const struct gen_table *second = gen_any_table(gen), *third = gen_any_table(gen);

    sqlite3_str_appendf(sql, "SELECT count(*), count(DISTINCT x.%s) FROM %s AS x JOIN %s AS y JOIN %s AS z",
                        gen_any_column(gen, table)->name, table->name, second->name, third->name);
    sqlite3_str_appendf(sql, " WHERE x.%s = y.", gen_any_column(gen, table)->name);
    sqlite3_str_appendf(sql, "%s AND z.", gen_any_column(gen, second)->name);
    sqlite3_str_appendf(sql, "%s = y.", gen_any_column(gen, third)->name);
    sqlite3_str_appendf(sql, "%s AND ", gen_any_column(gen, second)->name);
    gen_condition(gen, sql, second, "y.", 1);
}

static void compound(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const struct gen_table *other = gen_any_table(gen);
    const struct gen_column *column = gen_any_column(gen, table);

    while (table->kind == GEN_INTEGER_KEY && column == &table->columns[table->key[0]])
        column = gen_any_column(gen, table);
    sqlite3_str_appendf(sql, "SELECT %s FROM %s", column->name, table->name);
    append_where(gen, sql, table, "");
    sqlite3_str_appendf(sql, " %s SELECT ", ONE_OF(gen, "UNION", "UNION ALL", "INTERSECT", "EXCEPT"));
    sqlite3_str_appendf(sql, "%s FROM %s", gen_any_column(gen, other)->name, other->name);
    append_where(gen, sql, other, "");
    sqlite3_str_appendall(sql, gen_once_in(gen, 2) ? " ORDER BY 1 /*loose*/ /*ordered 1*/" : " /*loose*/");
}

static void correlated(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const struct gen_table *other = gen_any_table(gen);
    const struct gen_column *shown = gen_any_column(gen, other), *compared = gen_any_column(gen, other);

    /* min(a) WHERE a = 12: any of '12' and ' 12', which SQLite takes for one value then. */
    sqlite3_str_appendf(sql, "SELECT x.%s, (SELECT %s(y.%s) FROM %s AS y WHERE y.%s ", gen_any_column(gen, table)->name,
                        shown == compared ? "count" : ONE_OF(gen, "max", "min", "count"), shown->name, other->name,
                        compared->name);
    sqlite3_str_appendf(sql, "%s ", ONE_OF(gen, "=", "=", "<", ">="));
    sqlite3_str_appendf(sql, "x.%s) FROM %s AS x /*loose*/", gen_any_column(gen, table)->name, table->name);
}

static void with(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    if (gen_once_in(gen, 3)) {
        sqlite3_str_appendf(sql,
                            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 12) "
                            "SELECT i, count(*) FROM n JOIN %s ON i = %s GROUP BY i",
                            table->name, gen_any_column(gen, table)->name);
        return;
    }
    sqlite3_str_appendf(sql, "WITH w AS (SELECT * FROM %s", table->name);
    append_where(gen, sql, table, "");
    sqlite3_str_appendf(sql, ") SELECT * FROM w");
    append_where(gen, sql, table, "w.");
}

void gen_query(struct generator *gen)
{
    static void (*const kinds[])(struct generator *, sqlite3_str *, const struct gen_table *) = {
        plain,           plain,         plain,        partly_ordered, partly_ordered, totally_ordered,
        totally_ordered, counted_limit, aggregate,    grouped,        distinct,       windowed,
        joined,          joined,        joined_three, compound,       correlated,     with};
    sqlite3_str *sql = sqlite3_str_new(NULL);

    kinds[gen_pick(gen, sizeof(kinds) / sizeof(kinds[0]))](gen, sql, &gen->tables[gen_pick(gen, 2)]);
    gen_finish(gen, sql);
}
