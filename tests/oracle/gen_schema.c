/*
 * gen_schema.c - definitions of tables, and the values that matter.
 *
 * -2^63 is left out: an ordinary table finds it as a rowid by the equal real only where it reads all rows.
 */
#include "generator.h"

#include <stdlib.h>
#include <string.h>

#include "support/test.h"

/* ---- Choices ---- */

uint64_t gen_pick(struct generator *gen, uint64_t below)
{
    return test_random(&gen->random) % below;
}

bool gen_once_in(struct generator *gen, uint64_t n)
{
    return gen_pick(gen, n) == 0;
}

const char *gen_one_of(struct generator *gen, const char *const *list, size_t count)
{
    return list[gen_pick(gen, count)];
}

const struct gen_table *gen_any_table(struct generator *gen)
{
    return &gen->tables[gen_once_in(gen, 5) ? 2 : gen_pick(gen, 2)];
}

const struct gen_column *gen_any_column(struct generator *gen, const struct gen_table *table)
{
    return &table->columns[gen_pick(gen, (uint64_t)table->count)];
}

/* ---- Values ---- */

const char *gen_integer(struct generator *gen)
{
    return ONE_OF(gen, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "-1", "-2", "-3", "100",
                  "1000");
}

static const char *text(struct generator *gen)
{
    return ONE_OF(gen, "''", "'a'", "'A'", "'b'", "'B'", "'a '", "'a  '", "' a'", "'b '", "'ab'", "'AB'", "'abc'",
                  "'Abc'", "'abd'", "'z'", "'1'", "'01'", "' 2'", "'2.0'", "'3x'", "'1e0'", "'-3'",
                  "'9007199254740993'", "char(97, 0, 98)", "char(0)", "'\xc3\xa4'", "'\xc3\x84'", "'~'", "'_'", "'a%b'",
                  "'12'", "' 12 '");
}

static const char *number(struct generator *gen)
{
    return ONE_OF(gen, "1.0", "2.5", "-2.5", "0.1", "1e3", "1e19", "-1e19", "-0.0", "0.0", "9007199254740991",
                  "9007199254740992", "9007199254740993", "9007199254740992.0", "9223372036854775807",
                  "-9223372036854775807", "9223372036854775807.0", "9e999", "-9e999", "5e-324", "3.0", "4.0",
                  "-9007199254740993");
}

static const char *blob(struct generator *gen)
{
    return ONE_OF(gen, "x''", "x'61'", "x'6100'", "x'00'", "x'0000'", "x'0001'", "x'ff'", "x'ffff'", "x'31'");
}

static const char *any_value(struct generator *gen)
{
    switch (gen_pick(gen, 8)) {
    case 0:
    case 1:
        return text(gen);
    case 2:
    case 3:
        return number(gen);
    case 4:
        return blob(gen);
    case 5:
        return "NULL";
    default:
        return gen_integer(gen);
    }
}

const char *gen_value(struct generator *gen, const char *type)
{
    if (gen_once_in(gen, 3))
        return any_value(gen);
    if (strstr(type, "CHAR") || strstr(type, "TEXT"))
        return text(gen);
    return gen_once_in(gen, 3) ? number(gen) : gen_integer(gen);
}

/* ---- Columns ---- */

static const char *collation(struct generator *gen)
{
    return ONE_OF(gen, "", "", "", "", "BINARY", "NOCASE", "NOCASE", "RTRIM");
}

static void name_columns(struct generator *gen, struct gen_table *table)
{
    static const char *const names[COLUMNS_MAX] = {"a", "b", "c", "d", "e", "\"f g\""};
    int i;

    table->count = 2 + (int)gen_pick(gen, COLUMNS_MAX - 1);
    for (i = 0; i < table->count; i++) {
        struct gen_column *column = &table->columns[i];

        memset(column, 0, sizeof(*column));
        column->name = names[i];
        column->type = ONE_OF(gen, "", "", "TEXT", "TEXT", "INTEGER", "INT", "REAL", "NUMERIC", "BLOB", "VARCHAR(10)",
                              "DOUBLE PRECISION", "BOOLEAN");
        column->collation = collation(gen);
        column->not_null = gen_once_in(gen, 5);
        column->has_default = column->not_null && gen_once_in(gen, 2);
        column->constrained = column->not_null;
    }
}

static void choose_key(struct generator *gen, struct gen_table *table)
{
    int i, first;

    table->kind = (enum gen_key)gen_pick(gen, 4);
    table->key_count = table->kind == GEN_NO_KEY ? 0 : 1;
    if (table->kind == GEN_COMPOSITE_KEY)
        table->key_count = 2 + (table->count > 2 && gen_once_in(gen, 3));
    first = (int)gen_pick(gen, (uint64_t)table->count);
    for (i = 0; i < table->key_count; i++) {
        struct gen_column *column = &table->columns[(first + i) % table->count];

        table->key[i] = (first + i) % table->count;
        table->key_collation[i] = "";
        column->key = column->indexed = column->constrained = true;
        if (table->kind == GEN_INTEGER_KEY) {
            column->type = "INTEGER";
            column->not_null = column->has_default = false;
        }
    }
    /* A single key of this type would be the rowid. */
    if (table->kind == GEN_SINGLE_KEY && strcmp(table->columns[first].type, "INTEGER") == 0)
        table->columns[first].type = "INT";
}

static void append_column(struct generator *gen, sqlite3_str *sql, struct gen_table *table, int i, bool *descending)
{
    struct gen_column *column = &table->columns[i];
    bool own_key = table->key_count == 1 && table->key[0] == i && !gen_once_in(gen, 3);

    sqlite3_str_appendf(sql, "%s%s%s%s", i ? ", " : "", column->name, *column->type ? " " : "", column->type);
    if (own_key) {
        sqlite3_str_appendall(sql, " PRIMARY KEY");
        /* DESC makes INTEGER PRIMARY KEY an ordinary key: that is the single kind then. */
        if (table->kind == GEN_SINGLE_KEY && gen_once_in(gen, 3)) {
            sqlite3_str_appendall(sql, " DESC");
            *descending = true;
        }
        table->key_count = -1; /* said */
    }
    if (*column->collation)
        sqlite3_str_appendf(sql, " COLLATE %s", column->collation);
    if (column->not_null)
        sqlite3_str_appendall(sql, " NOT NULL");
    if (column->has_default) {
        const char *value = gen_value(gen, column->type);

        if (strcmp(value, "NULL") == 0)
            value = "7";
        sqlite3_str_appendf(sql, *value == 'c' || gen_once_in(gen, 4) ? " DEFAULT (%s)" : " DEFAULT %s", value);
    }
    if (gen_once_in(gen, 8) && !column->key) {
        sqlite3_str_appendall(sql, " UNIQUE");
        column->key = column->indexed = column->constrained = true;
    }
}

/* ---- Constraints ---- */

enum parts_of { OF_KEY, OF_UNIQUE, OF_INDEX };

/* Returns whether one of them is descending. */
static bool append_parts(struct generator *gen, sqlite3_str *sql, struct gen_table *table, enum parts_of of, int count)
{
    int i, first = of == OF_KEY ? table->key[0] : (int)gen_pick(gen, (uint64_t)table->count);
    bool descending = false;

    sqlite3_str_appendall(sql, "(");
    for (i = 0; i < count; i++) {
        struct gen_column *column = &table->columns[(first + i) % table->count];
        const char *collate = gen_once_in(gen, 5) ? collation(gen) : "";

        sqlite3_str_appendf(sql, "%s%s", i ? ", " : "", column->name);
        if (*collate)
            sqlite3_str_appendf(sql, " COLLATE %s", collate);
        if (gen_once_in(gen, 3)) {
            sqlite3_str_appendall(sql, " DESC");
            descending = true;
        }
        if (of == OF_KEY)
            table->key_collation[i] = collate;
        column->indexed = true;
        column->key |= of != OF_INDEX;
        column->constrained |= of != OF_INDEX;
    }
    sqlite3_str_appendall(sql, ")");
    return descending;
}

static void append_check(struct generator *gen, sqlite3_str *sql, struct gen_table *table)
{
    struct gen_column *column = &table->columns[gen_pick(gen, (uint64_t)table->count)];
    struct gen_column *other = &table->columns[gen_pick(gen, (uint64_t)table->count)];

    column->constrained = other->constrained = true;
    if (gen_once_in(gen, 2))
        sqlite3_str_appendf(sql, ", CONSTRAINT check_%d CHECK (", (int)gen_pick(gen, 10));
    else
        sqlite3_str_appendall(sql, ", CHECK (");
    switch (gen_pick(gen, 5)) {
    case 0:
        sqlite3_str_appendf(sql, "%s <> 5)", column->name);
        break;
    case 1:
        sqlite3_str_appendf(sql, "length(%s) < 12)", column->name);
        break;
    case 2:
        sqlite3_str_appendf(sql, "typeof(%s) <> 'blob' OR %s IS NOT NULL)", column->name, other->name);
        break;
    case 3:
        sqlite3_str_appendf(sql, "%s IS NULL OR %s NOT IN (3, 'abc', 2.5))", column->name, column->name);
        break;
    default:
        sqlite3_str_appendf(sql, "NOT (%s = %s AND %s > 8))", column->name, other->name, column->name);
        break;
    }
}

static void append_constraints(struct generator *gen, sqlite3_str *sql, struct gen_table *table)
{
    int i;

    for (i = (int)gen_pick(gen, 4) - 2; i > 0; i--) {
        sqlite3_str_appendall(sql, ", UNIQUE ");
        append_parts(gen, sql, table, OF_UNIQUE, 1 + (int)gen_pick(gen, 2));
    }
    for (i = (int)gen_pick(gen, 3); i > 0; i--)
        append_check(gen, sql, table);
    for (i = (int)gen_pick(gen, 3); i > 0; i--) {
        sqlite3_str_appendf(sql, ", INDEX by_%d ", i);
        append_parts(gen, sql, table, OF_INDEX, 1 + (int)gen_pick(gen, 2));
    }
}

void gen_definition(struct generator *gen, sqlite3_str *sql, struct gen_table *table)
{
    static const char *const kinds[] = {"", "", " /*single*/", " /*composite*/"};
    bool descending = false;
    int i, parts;

    name_columns(gen, table);
    choose_key(gen, table);
    parts = table->key_count;
    for (i = 0; i < table->count; i++)
        append_column(gen, sql, table, i, &descending);
    if (table->key_count > 0) {
        sqlite3_str_appendall(sql, ", PRIMARY KEY ");
        descending = append_parts(gen, sql, table, OF_KEY, parts) && table->kind != GEN_INTEGER_KEY;
    }
    table->key_count = parts;
    append_constraints(gen, sql, table);
    sqlite3_str_appendf(sql, "%s%s", kinds[table->kind], descending ? " /*descending*/" : "");
}
