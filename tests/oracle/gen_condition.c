/*
 * gen_condition.c - WHERE clauses: every operator that a key or an index may serve, and some that none does.
 */
#include "generator.h"

#include <string.h>

static const char *comparison(struct generator *gen)
{
    return ONE_OF(gen, "=", "=", "=", "==", "<", "<=", ">", ">=", "<>", "IS", "IS NOT");
}

/* One argument a call: sqlite3_str_appendf() would evaluate several calls of the generator in any order. */
static void append(sqlite3_str *sql, const char *alias, const struct gen_column *column)
{
    sqlite3_str_appendf(sql, "%s%s", alias, column->name);
}

static void append_list(struct generator *gen, sqlite3_str *sql, const char *type)
{
    uint64_t i, count = 1 + gen_pick(gen, 5);

    for (i = 0; i < count; i++)
        sqlite3_str_appendf(sql, "%s%s", i ? ", " : "", gen_value(gen, type));
}

static void append_comparison(struct generator *gen, sqlite3_str *sql, const char *alias,
                              const struct gen_column *column)
{
    const char *collate =
        gen_once_in(gen, 8) ? ONE_OF(gen, " COLLATE NOCASE", " COLLATE BINARY", " COLLATE RTRIM") : "";

    if (gen_once_in(gen, 10)) {
        sqlite3_str_appendf(sql, "%s ", gen_value(gen, column->type));
        sqlite3_str_appendf(sql, "%s ", comparison(gen));
        append(sql, alias, column);
        sqlite3_str_appendall(sql, collate);
        return;
    }
    append(sql, alias, column);
    sqlite3_str_appendf(sql, " %s ", comparison(gen));
    sqlite3_str_appendf(sql, "%s%s", gen_value(gen, column->type), collate);
}

static void append_pattern(struct generator *gen, sqlite3_str *sql, const char *alias, const struct gen_column *column)
{
    append(sql, alias, column);
    sqlite3_str_appendall(sql, gen_once_in(gen, 5) ? " NOT" : "");
    if (gen_once_in(gen, 2))
        sqlite3_str_appendf(sql, " LIKE %s",
                            ONE_OF(gen, "'a%'", "'A%'", "'ab_'", "'%b'", "'1%'", "'~%'", "'a!%%' ESCAPE '!'",
                                   "'\xc3\xa4%'", "'abc'", "NULL", "''", "'-%'"));
    else
        sqlite3_str_appendf(sql, " GLOB %s",
                            ONE_OF(gen, "'a*'", "'A*'", "'a?c'", "'[ab]*'", "'*'", "'1*'", "'abc'", "''"));
}

static void append_row_value(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *alias)
{
    const struct gen_column *first = gen_any_column(gen, table), *second = gen_any_column(gen, table);
    bool key = table->key_count > 1 && gen_once_in(gen, 2);

    if (key) {
        first = &table->columns[table->key[0]];
        second = &table->columns[table->key[1]];
    }
    sqlite3_str_appendf(sql, "(%s%s, %s%s) ", alias, first->name, alias, second->name);
    if (gen_once_in(gen, 3)) {
        sqlite3_str_appendf(sql, "IN (VALUES (%s, ", gen_value(gen, first->type));
        sqlite3_str_appendf(sql, "%s), ", gen_value(gen, second->type));
        sqlite3_str_appendf(sql, "(%s, ", gen_value(gen, first->type));
        sqlite3_str_appendf(sql, "%s))", gen_value(gen, second->type));
        return;
    }
    sqlite3_str_appendf(sql, "%s (", ONE_OF(gen, ">", ">=", "<", "<=", "=", "IS"));
    sqlite3_str_appendf(sql, "%s, ", gen_value(gen, first->type));
    sqlite3_str_appendf(sql, "%s)", gen_value(gen, second->type));
}

/* What no index serves. */
static void append_expression(struct generator *gen, sqlite3_str *sql, const char *alias,
                              const struct gen_column *column)
{
    const char *name = column->name;

    switch (gen_pick(gen, 6)) {
    case 0:
        sqlite3_str_appendf(sql, "length(%s%s) > %s", alias, name, gen_integer(gen));
        break;
    case 1:
        sqlite3_str_appendf(sql, "typeof(%s%s) = %s", alias, name,
                            ONE_OF(gen, "'text'", "'integer'", "'real'", "'blob'"));
        break;
    case 2:
        sqlite3_str_appendf(sql, "+%s%s < %s", alias, name, gen_value(gen, column->type));
        break;
    case 3:
        sqlite3_str_appendf(sql, "%s%s + 0 = %s", alias, name, gen_integer(gen));
        break;
    case 4:
        sqlite3_str_appendf(sql, "CAST(%s%s AS TEXT) > %s", alias, name, gen_value(gen, "TEXT"));
        break;
    default:
        sqlite3_str_appendf(sql, "CASE WHEN %s%s IS NULL THEN 1 ELSE %s%s > 3 END", alias, name, alias, name);
        break;
    }
}

static void append_subquery(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *alias)
{
    const struct gen_table *other = gen_any_table(gen);
    const struct gen_column *column = gen_any_column(gen, table), *inner;

    while (other == gen->changed)
        other = gen_any_table(gen);
    inner = gen_any_column(gen, other);
    switch (gen_pick(gen, 3)) {
    case 0:
        sqlite3_str_appendf(sql, "%s%s%s IN (SELECT %s FROM %s", alias, column->name, gen_once_in(gen, 4) ? " NOT" : "",
                            inner->name, other->name);
        break;
    case 1:
        sqlite3_str_appendf(sql, "EXISTS (SELECT 1 FROM %s AS z WHERE z.%s = ", other->name, inner->name);
        /* Without an alias the name would be the inner table's. */
        sqlite3_str_appendf(sql, "%s%s%s", *alias ? alias : table->name, *alias ? "" : ".", column->name);
        break;
    default:
        sqlite3_str_appendf(sql, "%s%s > (SELECT min(%s) FROM %s", alias, column->name, inner->name, other->name);
        break;
    }
    sqlite3_str_appendall(sql, ")");
}

static void append_simple(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *alias)
{
    const struct gen_column *column = gen_any_column(gen, table);

    if (table->key_count > 0 && gen_once_in(gen, 3))
        column = &table->columns[table->key[0]];
    switch (gen_pick(gen, 16)) {
    case 0:
        append(sql, alias, column);
        sqlite3_str_appendf(sql, "%s BETWEEN ", gen_once_in(gen, 5) ? " NOT" : "");
        sqlite3_str_appendf(sql, "%s AND ", gen_value(gen, column->type));
        sqlite3_str_appendall(sql, gen_value(gen, column->type));
        break;
    case 1:
    case 2:
        append(sql, alias, column);
        sqlite3_str_appendall(sql, gen_once_in(gen, 6) ? " NOT IN (" : " IN (");
        append_list(gen, sql, column->type);
        sqlite3_str_appendall(sql, ")");
        break;
    case 3:
        append_pattern(gen, sql, alias, column);
        break;
    case 4:
        append(sql, alias, column);
        sqlite3_str_appendall(sql, gen_once_in(gen, 2) ? " IS NULL" : " IS NOT NULL");
        break;
    case 5:
        append_row_value(gen, sql, table, alias);
        break;
    case 6:
        append_expression(gen, sql, alias, column);
        break;
    case 7:
        append_subquery(gen, sql, table, alias);
        break;
    case 8:
        sqlite3_str_appendf(sql, "%s%s %s", alias, column->name, comparison(gen));
        sqlite3_str_appendf(sql, " %s%s", alias, gen_any_column(gen, table)->name);
        break;
    default:
        append_comparison(gen, sql, alias, column);
        break;
    }
}

void gen_condition(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *alias, int depth)
{
    uint64_t kind = depth > 0 ? gen_pick(gen, 10) : 9;

    if (kind >= 5) {
        append_simple(gen, sql, table, alias);
        return;
    }
    if (kind == 4) {
        sqlite3_str_appendall(sql, "NOT (");
        gen_condition(gen, sql, table, alias, depth - 1);
        sqlite3_str_appendall(sql, ")");
        return;
    }
    sqlite3_str_appendall(sql, kind < 2 ? "(" : "");
    gen_condition(gen, sql, table, alias, depth - 1);
    sqlite3_str_appendall(sql, kind < 2 ? " OR " : " AND ");
    gen_condition(gen, sql, table, alias, depth - 1);
    sqlite3_str_appendall(sql, kind < 2 ? ")" : "");
}
