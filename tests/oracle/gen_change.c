/*
 * gen_change.c - INSERT, REPLACE, UPDATE and DELETE.
 *
 * Left out, by rule:
 *   (1) A statement of several rows that may fail shows in which order it visits them: in the rows that OR FAIL keeps, in
 *       which row breaks which constraint first. Such an UPDATE reads one row by its key or the whole table in key order:
 *       NOT INDEXED, every column behind a unary +, and, since a covering index is taken all the same, with a column that
 *       no index has. INSERT ... SELECT has ORDER BY the key.
 *   (2) For OR IGNORE, FAIL, ROLLBACK and REPLACE an ordinary table keeps no statement journal, so "datatype mismatch", which
 *       aborts always, leaves the rows before it behind: it is provoked by statements of one row only.
 *   (3) SQLite reads all rows of a virtual table before it changes the first: UPDATE OR REPLACE changes and counts rows
 *       that REPLACE has removed meanwhile. So it names one row where it changes keys.
 *   (4) For the same reason expressions of an UPDATE name the table that it changes only in subqueries that are evaluated
 *       once, and conditions of UPDATE and DELETE not at all: SQLite 3.40 evaluates those while it changes an ordinary table.
 *   (5) NULL for a column NOT NULL DEFAULT: see mapping.h; with OR ABORT, FAIL, IGNORE and ROLLBACK, and in an UPDATE, it
 *       cannot be mapped.
 *   (6) UPDATE ... FROM with several partners for one row takes any of them: there is one.
 *   (7) After the largest rowid, 2^63-1, new ones are chosen at random.
 */
#include "generator.h"

#include <stdio.h>
#include <string.h>

static bool is_integer_key(const struct gen_table *table, const struct gen_column *column)
{
    return table->kind == GEN_INTEGER_KEY && column == &table->columns[table->key[0]];
}

static const char *conflict(struct generator *gen)
{
    const char *clause = ONE_OF(gen, "", "", "", "OR ABORT ", "OR FAIL ", "OR IGNORE ", "OR REPLACE ", "OR ROLLBACK ");

    if (strcmp(clause, "OR ROLLBACK ") != 0)
        return clause;
    if (gen->defined)
        return "";
    gen->uncertain = gen->open || gen->depth;
    return clause;
}

/* `clause` of an INSERT, or "UPDATE" for any UPDATE, for (5). */
static bool null_allowed(const struct gen_column *column, const char *clause)
{
    return !column->has_default || !*clause || strstr(clause, "REPLACE");
}

static const char *value_for(struct generator *gen, const struct gen_table *table, const struct gen_column *column,
                             const char *clause, bool alone)
{
    const char *value;

    if (is_integer_key(table, column)) {
        if (alone && gen_once_in(gen, 8)) {
            value = gen_value(gen, "TEXT");
            return strcmp(value, "9223372036854775807") == 0 ? "9223372036854775807.0" : value; /* (7) */
        }
        return gen_once_in(gen, 4)
                   ? ONE_OF(gen, "NULL", "'3'", "4.0", "9007199254740993", "NULL", "-9223372036854775807")
                   : gen_integer(gen);
    }
    value = gen_value(gen, column->type);
    if (column->not_null && strcmp(value, "NULL") == 0 && !gen_once_in(gen, 4))
        return gen_integer(gen);
    return strcmp(value, "NULL") == 0 && !null_allowed(column, clause) ? "5" : value;
}

/* ---- INSERT ---- */

static void append_row(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *clause,
                       int count, bool rowid, bool alone)
{
    int i;

    sqlite3_str_appendf(sql, "(%s", rowid ? gen_integer(gen) : "");
    for (i = 0; i < count; i++)
        sqlite3_str_appendf(sql, "%s%s", i || rowid ? ", " : "",
                            value_for(gen, table, &table->columns[i], clause, alone));
    sqlite3_str_appendall(sql, ")");
}

static void append_insert(struct generator *gen, sqlite3_str *sql, const char *clause, const struct gen_table *table)
{
    if (strstr(clause, "REPLACE") && gen_once_in(gen, 3))
        sqlite3_str_appendf(sql, "REPLACE INTO %s", table->name);
    else
        sqlite3_str_appendf(sql, "INSERT %sINTO %s", clause, table->name);
}

static void insert_values(struct generator *gen, sqlite3_str *sql, const char *clause, const struct gen_table *table)
{
    int i, rows = gen_once_in(gen, 3) ? 2 + (int)gen_pick(gen, 6) : 1;
    bool rowid = table->kind == GEN_NO_KEY && gen_once_in(gen, 4);
    int count = table->count;

    append_insert(gen, sql, clause, table);
    if (rowid || gen_once_in(gen, 3)) {
        count = 1 + (int)gen_pick(gen, (uint64_t)count);
        sqlite3_str_appendall(sql, rowid ? "(rowid" : "(");
        for (i = 0; i < count; i++)
            sqlite3_str_appendf(sql, "%s%s", i || rowid ? ", " : "", table->columns[i].name);
        sqlite3_str_appendall(sql, ")");
    }
    sqlite3_str_appendall(sql, " VALUES");
    for (i = 0; i < rows; i++) {
        sqlite3_str_appendall(sql, i ? ", " : "");
        append_row(gen, sql, table, clause, count, rowid, rows == 1);
    }
}

/* An integer key takes integers only (2). */
static void append_source(struct generator *gen, sqlite3_str *sql, const struct gen_table *table,
                          const struct gen_column *column, const struct gen_table *from, const char *clause)
{
    const char *name = gen_any_column(gen, from)->name;
    bool guarded = !null_allowed(column, clause);

    if (is_integer_key(table, column))
        sqlite3_str_appendf(sql, gen_once_in(gen, 3) ? "NULL" : "CAST(%s AS INTEGER) %% 100 + %s", name,
                            gen_integer(gen));
    else if (guarded)
        sqlite3_str_appendf(sql, "coalesce(%s, %s)", name, gen_integer(gen));
    else
        sqlite3_str_appendf(sql, ONE_OF(gen, "%s", "%s", "%s", "%s || 'x'", "%s + 1", "upper(%s)", "-%s"), name);
}

static void insert_select(struct generator *gen, sqlite3_str *sql, const char *clause, const struct gen_table *table)
{
    const struct gen_table *from = gen_any_table(gen);
    int i;

    append_insert(gen, sql, clause, table);
    sqlite3_str_appendall(sql, " SELECT ");
    for (i = 0; i < table->count; i++) {
        sqlite3_str_appendall(sql, i ? ", " : "");
        append_source(gen, sql, table, &table->columns[i], from, clause);
    }
    sqlite3_str_appendf(sql, " FROM %s", from->name);
    if (gen_once_in(gen, 2)) {
        sqlite3_str_appendall(sql, " WHERE ");
        gen_condition(gen, sql, from, "", 1);
    }
    sqlite3_str_appendall(sql, " ORDER BY "); /* (1) */
    gen_key_order(sql, from, "", gen_once_in(gen, 2));
    sqlite3_str_appendf(sql, " LIMIT %d", 1 + (int)gen_pick(gen, 30)); /* tables stay small */
}

void gen_insert(struct generator *gen, const struct gen_table *table)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    const char *clause = conflict(gen);

    if (gen_once_in(gen, 6)) {
        insert_select(gen, sql, clause, table);
    } else if (gen_once_in(gen, 25)) {
        append_insert(gen, sql, "", table);
        sqlite3_str_appendall(sql, " DEFAULT VALUES");
    } else {
        insert_values(gen, sql, clause, table);
    }
    gen_finish(gen, sql);
}

/* ---- UPDATE ---- */

/* An expression on the row, or a constant; never NULL where that cannot be mapped. */
static void append_expression(struct generator *gen, sqlite3_str *sql, const struct gen_table *table,
                              const struct gen_column *column, bool alone)
{
    const char *name = gen_any_column(gen, table)->name;
    bool guarded = !null_allowed(column, "UPDATE");

    /* (2), (7): not from other columns */
    if (is_integer_key(table, column) && (!alone || gen_once_in(gen, 2))) {
        sqlite3_str_appendf(sql, "%s %s %s", column->name, ONE_OF(gen, "+", "-", "%"),
                            ONE_OF(gen, "1", "2", "7", "100"));
        return;
    }
    if (is_integer_key(table, column) || gen_once_in(gen, 2)) {
        sqlite3_str_appendall(sql, value_for(gen, table, column, "UPDATE", alone));
        return;
    }
    sqlite3_str_appendall(sql, guarded ? "coalesce(" : "");
    switch (gen_pick(gen, 6)) {
    case 0:
        sqlite3_str_appendall(sql, name);
        break;
    case 1:
        sqlite3_str_appendf(sql, "%s + %s", name, gen_integer(gen));
        break;
    case 2:
        sqlite3_str_appendf(sql, "substr(%s || 'b', 1, 4)", name);
        break;
    case 3:
        sqlite3_str_appendf(sql, "CASE WHEN %s > 3 THEN upper(%s) ELSE %s END", name, name,
                            gen_value(gen, column->type));
        break;
    case 4: { /* (4): not correlated */
        const struct gen_table *other = gen_any_table(gen);

        sqlite3_str_appendf(sql, "(SELECT count(%s) FROM %s)", gen_any_column(gen, other)->name, other->name);
        break;
    }
    default:
        sqlite3_str_appendf(sql, "- %s", column->name);
        break;
    }
    sqlite3_str_appendall(sql, guarded ? ", 6)" : "");
}

/* WHERE that finds one row at most. */
static void append_one_row(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *alias)
{
    int i;

    if (table->key_count == 0)
        sqlite3_str_appendf(sql, "%srowid = %s", alias, gen_integer(gen));
    for (i = 0; i < table->key_count; i++) {
        const struct gen_column *column = &table->columns[table->key[i]];

        sqlite3_str_appendf(sql, "%s%s%s%s%s = %s", i ? " AND " : "", alias, column->name, KEY_COLLATE(table, i),
                            gen_value(gen, column->type));
    }
}

/* A column that is in no index, nor in the key; NULL if there is none. */
static const struct gen_column *unindexed(const struct gen_table *table)
{
    int i;

    for (i = 0; i < table->count; i++) {
        if (!table->columns[i].indexed)
            return &table->columns[i];
    }
    return NULL;
}

/* WHERE that reads the table in key order (1); there is an unindexed column. */
static void append_scan(struct generator *gen, sqlite3_str *sql, const struct gen_table *table)
{
    const struct gen_column *column = gen_any_column(gen, table), *outside = unindexed(table);

    sqlite3_str_appendf(sql, " WHERE %s%s IS NOT 'nothing'", outside ? "+" : "+rowid + ",
                        outside ? outside->name : "0");
    if (gen_once_in(gen, 4))
        return;
    sqlite3_str_appendf(sql, " AND (+%s %s ", column->name, ONE_OF(gen, "=", "<", ">", "IS NOT", "<>"));
    sqlite3_str_appendall(sql, gen_value(gen, column->type));
    if (gen_once_in(gen, 3))
        sqlite3_str_appendf(sql, " OR +%s IS NULL", gen_any_column(gen, table)->name);
    sqlite3_str_appendall(sql, ")");
}

struct update {
    const char *clause;
    bool constrained; /* may fail */
    bool key;         /* may meet another row */
    bool one;         /* finds one row at most */
};

static void append_assignments(struct generator *gen, sqlite3_str *sql, const struct gen_table *table,
                               struct update *update, const char *source)
{
    int i, start = (int)gen_pick(gen, (uint64_t)table->count), count = 1 + (int)gen_pick(gen, 3);

    if (count > table->count)
        count = table->count;
    for (i = 0; i < count; i++) {
        const struct gen_column *column = &table->columns[(start + i) % table->count];

        update->constrained |= column->constrained;
        update->key |= column->key;
        sqlite3_str_appendf(sql, "%s%s = ", i ? ", " : "", column->name);
        if (source && !is_integer_key(table, column) && null_allowed(column, "UPDATE"))
            sqlite3_str_appendall(sql, source);
        else
            append_expression(gen, sql, table, column, update->one);
    }
}

static void update_from(struct generator *gen, const struct gen_table *table)
{
    const struct gen_table *other = gen_any_table(gen);
    struct update update = {.clause = conflict(gen), .one = true};
    const char *column = gen_any_column(gen, other)->name;
    sqlite3_str *sql = sqlite3_str_new(NULL);
    char alias[sizeof(table->name) + 1];

    sqlite3_str_appendf(sql, "UPDATE %s%s SET ", update.clause, table->name);
    append_assignments(gen, sql, table, &update, ONE_OF(gen, "s.n", "s.m"));
    sqlite3_str_appendf(sql, " FROM (SELECT count(*) AS n, count(DISTINCT %s) AS m FROM %s", column, other->name);
    sqlite3_str_appendall(sql, ") AS s WHERE ");
    snprintf(alias, sizeof(alias), "%s.", table->name);
    append_one_row(gen, sql, table, alias);
    sqlite3_str_appendall(sql, gen_once_in(gen, 2) ? " AND s.n > 2" : "");
    gen_finish(gen, sql);
}

static void update_row_value(struct generator *gen, const struct gen_table *table)
{
    const struct gen_table *other = gen_any_table(gen);
    const struct gen_column *first = gen_any_column(gen, table), *second = gen_any_column(gen, table);
    sqlite3_str *sql;

    if (first == second)
        return;
    sql = sqlite3_str_new(NULL);
    sqlite3_str_appendf(sql, "UPDATE %s SET (%s, %s) = (SELECT count(*), count(%s) FROM %s) WHERE ", table->name,
                        first->name, second->name, gen_any_column(gen, other)->name, other->name);
    append_one_row(gen, sql, table, "");
    gen_finish(gen, sql);
}

void gen_update(struct generator *gen, const struct gen_table *table)
{
    struct update update = {.clause = conflict(gen), .one = gen_once_in(gen, 2)};
    sqlite3_str *assignments, *sql;
    char *text;

    if (gen_once_in(gen, 10)) {
        update_from(gen, table);
        return;
    }
    if (gen_once_in(gen, 10)) {
        update_row_value(gen, table);
        return;
    }
    assignments = sqlite3_str_new(NULL);
    sql = sqlite3_str_new(NULL);
    append_assignments(gen, assignments, table, &update, NULL);
    update.one |= update.key && strstr(update.clause, "REPLACE"); /* (3) */
    update.one |= update.constrained && !unindexed(table);        /* (1) */
    text = sqlite3_str_finish(assignments);
    sqlite3_str_appendf(sql, "UPDATE %s%s%s SET %s", update.clause, table->name,
                        update.constrained && !update.one ? " NOT INDEXED" : "", text);
    sqlite3_free(text);
    if (update.one) {
        sqlite3_str_appendall(sql, " WHERE ");
        append_one_row(gen, sql, table, "");
    } else if (update.constrained) {
        append_scan(gen, sql, table);
    } else if (!update.constrained && !gen_once_in(gen, 6)) {
        gen->changed = table;
        sqlite3_str_appendall(sql, " WHERE ");
        gen_condition(gen, sql, table, "", 2);
        gen->changed = NULL;
    }
    gen_finish(gen, sql);
}

/* ---- DELETE ---- */

void gen_delete(struct generator *gen, const struct gen_table *table)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);

    sqlite3_str_appendf(sql, "DELETE FROM %s", table->name);
    if (!gen_once_in(gen, 30)) {
        gen->changed = table;
        sqlite3_str_appendall(sql, " WHERE ");
        if (gen_once_in(gen, 2))
            append_one_row(gen, sql, table, "");
        else
            gen_condition(gen, sql, table, "", 2);
        gen->changed = NULL;
    }
    gen_finish(gen, sql);
}
