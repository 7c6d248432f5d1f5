/*
 * generator.h - scripts by seed: tables, changes, savepoints and queries on them.
 *
 * The generator knows the tables that it made, not their rows, so a script is complete before it runs. What is left out,
 * and why, stands where it is left out: gen_change.c for the order of visited rows, gen_query.c for what SQL leaves
 * undefined.
 */
#ifndef TESTS_ORACLE_GENERATOR_H
#define TESTS_ORACLE_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "script.h"

enum { COLUMNS_MAX = 6, PARTS_MAX = 3, TABLES = 3, DEPTH_MAX = 5 };

struct gen_column {
    const char *name, *type, *collation; /* "" where there is none */
    bool not_null, has_default;
    bool constrained; /* a change of it can fail: key, UNIQUE, NOT NULL, CHECK */
    bool key;         /* of the PRIMARY KEY, or UNIQUE */
    bool indexed;     /* of an INDEX, or as above */
};

enum gen_key { GEN_NO_KEY, GEN_INTEGER_KEY, GEN_SINGLE_KEY, GEN_COMPOSITE_KEY };

struct gen_table {
    char name[16];
    bool lsmkv;
    enum gen_key kind;
    struct gen_column columns[COLUMNS_MAX];
    int count;
    int key[PARTS_MAX];                   /* columns of the PRIMARY KEY */
    const char *key_collation[PARTS_MAX]; /* where it is not the column's, else "" */
    int key_count;                        /* 0: the key is the rowid without a name */
};

struct generator {
    uint64_t random;
    struct script *script;
    struct gen_table tables[TABLES]; /* two of lsmkv, then an ordinary one */
    const struct gen_table *changed; /* by the statement at hand: its subqueries read others; NULL in a query */
    int depth;                       /* open savepoints */
    bool open;                       /* BEGIN was given */
    bool uncertain;                  /* OR ROLLBACK may have ended this transaction already */
    bool defined;                    /* this transaction has changed tables: nothing may end it unexpectedly */
    struct gen_table saved[DEPTH_MAX + 1][TABLES]; /* the tables at BEGIN (0) and at each savepoint */
};

/* Adds a case of about `statements` statements. */
void gen_case(struct script *script, uint64_t seed, size_t statements);

/* ---- Choices ---- */

/* From 0 to `below` - 1. */
uint64_t gen_pick(struct generator *gen, uint64_t below);
/* True once in `n`. */
bool gen_once_in(struct generator *gen, uint64_t n);
const char *gen_one_of(struct generator *gen, const char *const *list, size_t count);
#define ONE_OF(gen, ...)                                                                                               \
    gen_one_of((gen), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

const struct gen_table *gen_any_table(struct generator *gen);
const struct gen_column *gen_any_column(struct generator *gen, const struct gen_table *table);

/* A literal. `type` of a column makes some likelier; "" is as good as any. */
const char *gen_value(struct generator *gen, const char *type);
const char *gen_integer(struct generator *gen);

/* ---- Parts of statements, appended ---- */

/* "t(...)": the columns and constraints of a new table, into `table` too. */
void gen_definition(struct generator *gen, sqlite3_str *sql, struct gen_table *table);

/* A condition on `table`; names are prefixed with `alias` ("x." or ""); nests at most `depth` deep. */
void gen_condition(struct generator *gen, sqlite3_str *sql, const struct gen_table *table, const char *alias,
                   int depth);

/* " COLLATE ..." of a part of the key whose collation is not its column's, for sqlite3_str_appendf(). */
#define KEY_COLLATE(table, i) *(table)->key_collation[i] ? " COLLATE " : "", (table)->key_collation[i]

/* The key's columns (or rowid) as a list of ORDER BY; `alias` as above. `descending` turns all around. */
void gen_key_order(sqlite3_str *sql, const struct gen_table *table, const char *alias, bool descending);

/* ---- Statements, added to the script ---- */

void gen_query(struct generator *gen);
void gen_insert(struct generator *gen, const struct gen_table *table);
void gen_update(struct generator *gen, const struct gen_table *table);
void gen_delete(struct generator *gen, const struct gen_table *table);

/* Adds what `sql` holds, and frees it. */
void gen_finish(struct generator *gen, sqlite3_str *sql);

#endif
