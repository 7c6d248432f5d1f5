/*
 * gen_case.c - a case: two lsmkv tables and an ordinary one with some rows, then changes, queries, transactions, DDL.
 */
#include "generator.h"

#include <stdio.h>
#include <string.h>

/* ---- Tables ---- */

static void create(struct generator *gen, int which, const char *options)
{
    struct gen_table *table = &gen->tables[which];
    sqlite3_str *sql = sqlite3_str_new(NULL);

    table->lsmkv = true;
    sqlite3_str_appendf(sql, "CREATE VIRTUAL TABLE %s USING lsmkv(", table->name);
    gen_definition(gen, sql, table);
    sqlite3_str_appendf(sql, "%s)", options);
    gen_finish(gen, sql);
}

static void fill(struct generator *gen, int which, int statements)
{
    const struct gen_table *table = &gen->tables[which];
    int i, row, column;

    for (i = 0; i < statements; i++) {
        sqlite3_str *sql = sqlite3_str_new(NULL);

        sqlite3_str_appendf(sql, "INSERT OR IGNORE INTO %s VALUES", table->name);
        for (row = 0; row < 8; row++) {
            sqlite3_str_appendall(sql, row ? ", (" : "(");
            for (column = 0; column < table->count; column++) {
                const struct gen_column *of = &table->columns[column];
                bool integer = table->kind == GEN_INTEGER_KEY && table->key[0] == column;
                const char *value = integer ? gen_integer(gen) : gen_value(gen, of->type);

                if (of->has_default && strcmp(value, "NULL") == 0)
                    value = "4";
                sqlite3_str_appendf(sql, "%s%s", column ? ", " : "", value);
            }
            sqlite3_str_appendall(sql, ")");
        }
        gen_finish(gen, sql);
    }
}

static void create_ordinary(struct generator *gen)
{
    static const struct gen_table table = {
        .name = "o",
        .kind = GEN_INTEGER_KEY,
        .columns = {{.name = "id", .type = "INTEGER", .collation = "", .constrained = true, .key = true},
                    {.name = "a", .type = "", .collation = ""},
                    {.name = "b", .type = "TEXT", .collation = "NOCASE"},
                    {.name = "c", .type = "REAL", .collation = ""},
                    {.name = "d", .type = "INT", .collation = ""}},
        .count = 5,
        .key_count = 1,
        .key_collation = {""},
    };

    gen->tables[2] = table;
    script_add(gen->script, "CREATE TABLE o(id INTEGER PRIMARY KEY, a, b TEXT COLLATE NOCASE, c REAL, d INT)");
    fill(gen, 2, 2);
}

/* ---- Transactions ---- */

/* What SQL undoes is undone in the generator's tables too. */
static void save(struct generator *gen, int level)
{
    memcpy(gen->saved[level], gen->tables, sizeof(gen->tables));
}

static void restore(struct generator *gen, int level)
{
    memcpy(gen->tables, gen->saved[level], sizeof(gen->tables));
}

static void end(struct generator *gen)
{
    gen->depth = 0;
    gen->open = gen->defined = gen->uncertain = false;
}

static void savepoint(struct generator *gen)
{
    int level;

    if (gen->depth == 0 || (gen->depth < DEPTH_MAX && !gen_once_in(gen, 3))) {
        if (!gen->open && gen->depth == 0)
            save(gen, 0);
        script_add(gen->script, "SAVEPOINT s%d", ++gen->depth);
        save(gen, gen->depth);
        return;
    }
    level = 1 + (int)gen_pick(gen, (uint64_t)gen->depth);
    if (gen_once_in(gen, 2)) {
        script_add(gen->script, "ROLLBACK TO s%d", level);
        restore(gen, level);
        gen->depth = level;
    } else {
        script_add(gen->script, "RELEASE s%d", level);
        gen->depth = level - 1;
        if (!gen->open && gen->depth == 0)
            end(gen);
    }
}

static void transaction(struct generator *gen)
{
    if (!gen->open && gen->depth == 0) {
        save(gen, 0);
        script_add(gen->script, "%s", ONE_OF(gen, "BEGIN", "BEGIN", "BEGIN IMMEDIATE"));
        gen->open = true;
        return;
    }
    if (gen_once_in(gen, 3)) {
        script_add(gen->script, "ROLLBACK");
        restore(gen, 0);
    } else {
        script_add(gen->script, "COMMIT");
    }
    end(gen);
}

/* DROP, CREATE and RENAME, inside a savepoint and rolled back, or for good. */
static void define(struct generator *gen, const char *options)
{
    int which = (int)gen_pick(gen, 2), i;
    struct gen_table before = gen->tables[which];
    bool undone = gen_once_in(gen, 2);

    gen->defined = gen->open || gen->depth || undone;
    if (undone)
        script_add(gen->script, "SAVEPOINT ddl");
    if (gen_once_in(gen, 3)) {
        script_add(gen->script, "ALTER TABLE %s RENAME TO renamed", before.name);
        snprintf(gen->tables[which].name, sizeof(before.name), "renamed");
    } else {
        script_add(gen->script, "DROP TABLE %s", before.name);
        create(gen, which, options);
    }
    for (i = (int)gen_pick(gen, 5); i > 0; i--) {
        gen_insert(gen, &gen->tables[which]);
        gen_query(gen);
    }
    if (strcmp(gen->tables[which].name, before.name) != 0) {
        if (!undone)
            script_add(gen->script, "ALTER TABLE renamed RENAME TO %s", before.name);
        snprintf(gen->tables[which].name, sizeof(before.name), "%s", before.name);
    }
    if (undone) {
        script_add(gen->script, "ROLLBACK TO ddl");
        script_add(gen->script, "RELEASE ddl");
        gen->tables[which] = before;
        gen->defined = gen->open || gen->depth;
    }
}

/* ---- The case ---- */

static void statement(struct generator *gen)
{
    uint64_t kind = gen_pick(gen, 100);
    const struct gen_table *table = &gen->tables[gen_once_in(gen, 12) ? 2 : gen_pick(gen, 2)];

    if (kind < 25)
        gen_insert(gen, table);
    else if (kind < 40)
        gen_update(gen, table);
    else if (kind < 46)
        gen_delete(gen, table);
    else if (kind < 88)
        gen_query(gen);
    else if (kind < 96)
        savepoint(gen);
    else
        transaction(gen);
}

static void work(struct generator *gen)
{
    switch (gen_pick(gen, 4)) {
    case 0:
        script_add(gen->script, ".reopen");
        if (gen->open || gen->depth)
            restore(gen, 0);
        end(gen);
        break;
    case 1:
        script_add(gen->script, ".compact %s", gen->tables[gen_pick(gen, 2)].name);
        break;
    default:
        script_add(gen->script, ".flush %s", gen->tables[gen_pick(gen, 2)].name);
        break;
    }
}

void gen_case(struct script *script, uint64_t seed, size_t statements)
{
    struct generator gen = {.random = seed, .script = script};
    char options[200];
    size_t i;

    snprintf(gen.tables[0].name, sizeof(gen.tables[0].name), "t0");
    snprintf(gen.tables[1].name, sizeof(gen.tables[1].name), "t1");
    snprintf(options, sizeof(options), ", sync = off%s%s%s", ONE_OF(&gen, "", ", block_size = 512"),
             ONE_OF(&gen, "", ", memtable_size = 65536"), ONE_OF(&gen, "", ", compression = lz4", ", io = pread"));
    if (gen_once_in(&gen, 2))
        script_add(script, "PRAGMA journal_mode = WAL");
    create_ordinary(&gen);
    for (i = 0; i < 2; i++) {
        create(&gen, (int)i, options);
        fill(&gen, (int)i, 2 + (int)gen_pick(&gen, 3));
    }
    while (script->count < statements) {
        if (!gen.uncertain && gen_once_in(&gen, 35))
            define(&gen, options);
        else if (gen_once_in(&gen, 25))
            work(&gen);
        else
            statement(&gen);
    }
    if (gen.open || gen.depth)
        script_add(script, "COMMIT");
    for (i = 0; i < 3; i++)
        script_add(script, "SELECT * FROM %s", gen.tables[i].name);
}
