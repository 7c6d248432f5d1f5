#include "tally.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <sqlite3.h>

/*
 * What counts is a word of the statement (`word`), at its beginning if it starts with ^; `other`, if any, must be there
 * too, or must not be if it starts with !.
 */
struct entry {
    const char *group, *label, *word, *other;
};

static const struct entry statement_entries[] = {
    {"statement", "INSERT VALUES", "^INSERT", "VALUES"},
    {"statement", "INSERT DEFAULT VALUES", "^INSERT", "DEFAULT VALUES"},
    {"statement", "INSERT SELECT", "^INSERT", " SELECT "},
    {"statement", "REPLACE", "^REPLACE", NULL},
    {"statement", "UPDATE", "^UPDATE", NULL},
    {"statement", "UPDATE FROM", "^UPDATE", " FROM ("},
    {"statement", "UPDATE of a row value", "^UPDATE", " SET ("},
    {"statement", "DELETE", "^DELETE", NULL},
    {"statement", "SELECT", "^SELECT", NULL},
    {"statement", "WITH", "^WITH", NULL},
    {"statement", "BEGIN", "^BEGIN", NULL},
    {"statement", "COMMIT", "^COMMIT", NULL},
    {"statement", "ROLLBACK", "^ROLLBACK", "! TO "},
    {"statement", "SAVEPOINT", "^SAVEPOINT", NULL},
    {"statement", "RELEASE", "^RELEASE", NULL},
    {"statement", "ROLLBACK TO", "^ROLLBACK TO", NULL},
    {"statement", "CREATE", "^CREATE VIRTUAL", NULL},
    {"statement", "DROP", "^DROP", NULL},
    {"statement", "RENAME", "^ALTER", NULL},
    {"statement", "reopen", "^.reopen", NULL},
    {"statement", "flush", "^.flush", NULL},
    {"statement", "compact", "^.compact", NULL},
    {"query", "ORDER BY", "^SELECT", " ORDER BY "},
    {"query", "LIMIT", "^SELECT", " LIMIT "},
    {"query", "OFFSET", "^SELECT", " OFFSET "},
    {"query", "DISTINCT", "^SELECT DISTINCT", NULL},
    {"query", "GROUP BY", "^SELECT", " GROUP BY "},
    {"query", "HAVING", "^SELECT", " HAVING "},
    {"query", "min, max", "^SELECT", "min("},
    {"query", "JOIN", "^SELECT", " JOIN "},
    {"query", "LEFT JOIN", "^SELECT", " LEFT JOIN "},
    {"query", "UNION", "^SELECT", " UNION"},
    {"query", "EXCEPT, INTERSECT", "^SELECT", "E"},
    {"query", "window", "^SELECT", " OVER "},
    {"query", "EXISTS", "^SELECT", "EXISTS ("},
    {"query", "IN (SELECT)", "^SELECT", " IN (SELECT"},
    {"query", "IN", "^SELECT", " IN ("},
    {"query", "BETWEEN", "^SELECT", " BETWEEN "},
    {"query", "LIKE", "^SELECT", " LIKE "},
    {"query", "GLOB", "^SELECT", " GLOB "},
    {"query", "IS", "^SELECT", " IS "},
    {"query", "OR", "^SELECT", " OR "},
    {"query", "row value", "^SELECT", ") >"},
    {"query", "COLLATE", "^SELECT", " COLLATE "},
    {"conflict", "INSERT", "^INSERT INTO", NULL},
    {"conflict", "INSERT OR ABORT", "^INSERT OR ABORT", NULL},
    {"conflict", "INSERT OR FAIL", "^INSERT OR FAIL", NULL},
    {"conflict", "INSERT OR IGNORE", "^INSERT OR IGNORE", NULL},
    {"conflict", "INSERT OR REPLACE", "^INSERT OR REPLACE", NULL},
    {"conflict", "INSERT OR ROLLBACK", "^INSERT OR ROLLBACK", NULL},
    {"conflict", "UPDATE", "^UPDATE", "!UPDATE OR"},
    {"conflict", "UPDATE OR ABORT", "^UPDATE OR ABORT", NULL},
    {"conflict", "UPDATE OR FAIL", "^UPDATE OR FAIL", NULL},
    {"conflict", "UPDATE OR IGNORE", "^UPDATE OR IGNORE", NULL},
    {"conflict", "UPDATE OR REPLACE", "^UPDATE OR REPLACE", NULL},
    {"conflict", "UPDATE OR ROLLBACK", "^UPDATE OR ROLLBACK", NULL},
    {"key", "none", "^CREATE VIRTUAL", "!PRIMARY KEY"},
    {"key", "INTEGER PRIMARY KEY", "^CREATE VIRTUAL", " INTEGER PRIMARY KEY"},
    {"key", "single", "^CREATE VIRTUAL", "/*single*/"},
    {"key", "composite", "^CREATE VIRTUAL", "/*composite*/"},
    {"key", "descending", "^CREATE VIRTUAL", "/*descending*/"},
    {"clause", "NOT NULL", "^CREATE VIRTUAL", "NOT NULL"},
    {"clause", "DEFAULT", "^CREATE VIRTUAL", "DEFAULT"},
    {"clause", "CHECK", "^CREATE VIRTUAL", "CHECK"},
    {"clause", "UNIQUE", "^CREATE VIRTUAL", "UNIQUE"},
    {"clause", "INDEX", "^CREATE VIRTUAL", "INDEX"},
    {"collation", "BINARY", "^CREATE VIRTUAL", "COLLATE BINARY"},
    {"collation", "NOCASE", "^CREATE VIRTUAL", "COLLATE NOCASE"},
    {"collation", "RTRIM", "^CREATE VIRTUAL", "COLLATE RTRIM"},
    {"savepoint depth", "1", "^SAVEPOINT s1", NULL},
    {"savepoint depth", "2", "^SAVEPOINT s2", NULL},
    {"savepoint depth", "3", "^SAVEPOINT s3", NULL},
    {"savepoint depth", "4", "^SAVEPOINT s4", NULL},
};

static const struct entry plan_entries[] = {
    {"plan", "all rows", ":all rows", NULL},
    {"plan", "equality", "=?", NULL},
    {"plan", "lower bound", ">", NULL},
    {"plan", "upper bound", "<", NULL},
    {"plan", "IN", " IN (?)", NULL},
    {"plan", "IS", " IS ?", NULL},
    {"plan", "ORDER", " ORDER", NULL},
    {"plan", "ORDER DESC", " ORDER DESC", NULL},
    {"plan", "LIMIT", " LIMIT", NULL},
    {"plan", "secondary index", ":by_", NULL},
    {"plan", "unique index", ":unique_", NULL},
    {"plan", "covering index", " COVERING", NULL},
    {"plan", "index in memory", " AUTOMATIC INDEX (", NULL},
};

static const struct {
    int code;
    const char *label;
} outcomes[] = {
    {SQLITE_OK, "done"},
    {SQLITE_MISMATCH, "datatype mismatch"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, "PRIMARY KEY"},
    {SQLITE_CONSTRAINT_ROWID, "rowid"},
    {SQLITE_CONSTRAINT_UNIQUE, "UNIQUE"},
    {SQLITE_CONSTRAINT_NOTNULL, "NOT NULL"},
    {SQLITE_CONSTRAINT_CHECK, "CHECK"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct counts {
    unsigned long statements;
    unsigned long statement[COUNT(statement_entries)], plan[COUNT(plan_entries)], outcome[COUNT(outcomes)];
} * counts;

void tally_init(void)
{
    counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED)
        err(1, "mmap");
}

static bool matches(const struct entry *entry, const char *text)
{
    const char *word = entry->word, *other = entry->other;

    if (*word == '^' ? strncmp(text, word + 1, strlen(word + 1)) != 0 : !strstr(text, word))
        return false;
    if (!other)
        return true;
    return *other == '!' ? !strstr(text, other + 1) : strstr(text, other) != NULL;
}

static void add(const struct entry *entries, unsigned long *numbers, size_t count, const char *text)
{
    size_t i;

    for (i = 0; i < count; i++)
        numbers[i] += matches(&entries[i], text);
}

void tally_statement(const char *sql, int code)
{
    size_t i;

    counts->statements++;
    add(statement_entries, counts->statement, COUNT(statement_entries), sql);
    for (i = 0; i < COUNT(outcomes); i++)
        counts->outcome[i] += outcomes[i].code == code;
}

void tally_plan(const char *detail)
{
    add(plan_entries, counts->plan, COUNT(plan_entries), detail);
}

unsigned long tally_statements(void)
{
    return counts->statements;
}

/* ---- The report ---- */

static const char *group_printed;

static size_t print(const char *group, const char *label, unsigned long number)
{
    if (!group_printed || strcmp(group_printed, group) != 0)
        printf("%s%s:\n", group_printed ? "\n" : "", group);
    group_printed = group;
    printf("  %s: %lu%s\n", label, number, number ? "" : "   <- none");
    return number == 0;
}

size_t tally_print(void)
{
    size_t i, zeros = 0;

    group_printed = NULL;
    for (i = 0; i < COUNT(statement_entries); i++)
        zeros += print(statement_entries[i].group, statement_entries[i].label, counts->statement[i]);
    for (i = 0; i < COUNT(plan_entries); i++) {
        size_t zero = print(plan_entries[i].group, plan_entries[i].label, counts->plan[i]);

        /* Plans of older versions have no LIMIT: they offer it where it would be wrong. */
        zeros += strcmp(plan_entries[i].label, "LIMIT") == 0 && sqlite3_libversion_number() < 3046000 ? 0 : zero;
    }
    for (i = 0; i < COUNT(outcomes); i++)
        zeros += print("outcome", outcomes[i].label, counts->outcome[i]);
    printf("\nstatements: %lu, kinds without any: %zu\n", counts->statements, zeros);
    return zeros;
}
