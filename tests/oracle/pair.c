#include "pair.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ext/entry.h"

#include "mapping.h"
#include "result.h"
#include "starve.h"
#include "tally.h"

/* ---- Connections ---- */

static sqlite3 *open_database(const char *dir, const char *name)
{
    char *path = sqlite3_mprintf("%s/%s", dir, name);
    sqlite3 *db = NULL;

    if (sqlite3_open(path, &db) != SQLITE_OK)
        errx(1, "%s: %s", path, sqlite3_errmsg(db));
    sqlite3_free(path);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_exec(db, "PRAGMA synchronous = OFF; PRAGMA automatic_index = OFF", NULL, NULL, NULL);
    return db;
}

static void load(sqlite3 *db)
{
    const char *file = getenv("LSMKV_LOAD");
    char *message = NULL;
    int rc;

    if (file) {
        sqlite3_enable_load_extension(db, 1);
        rc = sqlite3_load_extension(db, file, NULL, &message);
    } else {
        rc = sqlite3_lsmkv_init(db, &message, NULL);
    }
    if (rc != SQLITE_OK)
        errx(1, "%s: %s", file ? file : "lsmkv", message);
}

static void open_both(struct pair *pair)
{
    pair->ordinary = open_database(pair->dir, "ordinary.db");
    pair->lsmkv = open_database(pair->dir, "lsmkv.db");
    load(pair->lsmkv);
}

static void close_both(struct pair *pair)
{
    if (sqlite3_close(pair->ordinary) != SQLITE_OK || sqlite3_close(pair->lsmkv) != SQLITE_OK)
        errx(1, "a database cannot be closed");
}

void pair_open(struct pair *pair, const char *dir)
{
    memset(pair, 0, sizeof(*pair));
    pair->dir = strdup(dir);
    open_both(pair);
}

void pair_close(struct pair *pair)
{
    close_both(pair);
    sqlite3_free(pair->difference);
    free(pair->dir);
}

/* ---- Differences ---- */

static bool differ(struct pair *pair, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    sqlite3_free(pair->difference);
    pair->difference = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    return false;
}

static bool same_number(struct pair *pair, const char *line, const char *what, sqlite3_int64 expected,
                        sqlite3_int64 got)
{
    return expected == got || differ(pair, "%s\n%s: expected %lld, got %lld", line, what, expected, got);
}

/* ---- Statements ---- */

static bool begins(const char *line, const char *word)
{
    return sqlite3_strnicmp(line, word, (int)strlen(word)) == 0;
}

static bool is_change(const char *line)
{
    return begins(line, "INSERT") || begins(line, "REPLACE") || begins(line, "UPDATE") || begins(line, "DELETE");
}

static bool is_query(const char *line)
{
    return begins(line, "SELECT") || (begins(line, "WITH") && !strstr(line, "INSERT")) || begins(line, "PRAGMA");
}

/* The plan of a query, for the tally. */
static void look_at_plan(sqlite3 *db, const char *line)
{
    char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", line);
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *detail = (const char *)sqlite3_column_text(statement, 3);
            const char *plan = detail ? strstr(detail, "VIRTUAL TABLE INDEX") : NULL;

            if (plan)
                tally_plan(plan);
        }
    }
    sqlite3_finalize(statement);
    sqlite3_free(sql);
}

/*
 * A query is starved and then run; anything else has been done when it ends. OR FAIL keeps rows when it fails, so it
 * cannot be run again.
 */
static void run_lsmkv(struct pair *pair, struct result *got, const char *sql)
{
    int code;

    if (!pair->starved || !sqlite3_get_autocommit(pair->lsmkv) || strstr(sql, "OR FAIL")) {
        result_run(got, pair->lsmkv, sql);
        return;
    }
    code = starve_run(pair->lsmkv, sql);
    if (is_query(sql))
        result_run(got, pair->lsmkv, sql);
    else
        *got = (struct result){
            .code = code, .message = code == SQLITE_DONE ? NULL : sqlite3_mprintf("%s", sqlite3_errmsg(pair->lsmkv))};
}

static bool same_results(struct pair *pair, const char *line, const char *sql, int *code)
{
    struct result expected, got;
    char *difference;

    result_run(&expected, pair->ordinary, sql);
    run_lsmkv(pair, &got, sql);
    *code = got.code;
    difference = result_compare(&expected, &got);
    result_release(&expected);
    result_release(&got);
    if (!difference)
        return true;
    differ(pair, "%s\n%s", line, difference);
    sqlite3_free(difference);
    return false;
}

/* The table that a change names: the word before SET, after INTO or after FROM. To be freed with sqlite3_free(). */
static char *changed_table(const char *line)
{
    const char *p = begins(line, "UPDATE")   ? strstr(line, " SET")
                    : begins(line, "DELETE") ? strstr(line, "FROM ")
                                             : strstr(line, "INTO ");
    const char *end;

    if (!p)
        return NULL;
    if (!begins(line, "UPDATE")) {
        p += 5;
        return sqlite3_mprintf("%.*s", (int)strcspn(p, " ("), p);
    }
    end = strstr(line, " NOT INDEXED");
    for (p = end && end < p ? end : p, end = p; p > line && p[-1] != ' '; p--)
        ;
    return sqlite3_mprintf("%.*s", (int)(end - p), p);
}

static bool has_rowid(sqlite3 *db, const char *table)
{
    char *sql = sqlite3_mprintf("SELECT rowid FROM %s", table);
    sqlite3_stmt *statement = NULL;
    bool has = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK;

    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return has;
}

/* After a failure always, else now and then: the whole table, its rowids included if it has any. */
static bool same_table(struct pair *pair, const char *line, int code)
{
    char *table, *sql;
    bool same;
    int ignored;

    if (code == SQLITE_DONE && ++pair->changes % 8 && !pair->thorough)
        return true;
    table = changed_table(line);
    if (!table)
        return true;
    sql = sqlite3_mprintf("SELECT %s* FROM %s", has_rowid(pair->ordinary, table) ? "rowid, " : "", table);
    same = same_results(pair, line, sql, &ignored);
    sqlite3_free(sql);
    sqlite3_free(table);
    return same;
}

/* What total_changes() has grown by since it was `before`. */
static sqlite3_int64 grown(sqlite3 *db, sqlite3_int64 before)
{
    return sqlite3_total_changes64(db) - before;
}

static bool run_both(struct pair *pair, const char *line)
{
    sqlite3_int64 ordinary = sqlite3_total_changes64(pair->ordinary), lsmkv = sqlite3_total_changes64(pair->lsmkv);
    bool alone = sqlite3_get_autocommit(pair->lsmkv);
    int code;

    if (!same_results(pair, line, line, &code))
        return false;
    tally_statement(line, code == SQLITE_DONE ? SQLITE_OK : code);
    if (is_query(line))
        look_at_plan(pair->lsmkv, line);
    if (is_change(line) && code != SQLITE_ERROR &&
        !same_number(pair, line, "changes()", sqlite3_changes64(pair->ordinary), sqlite3_changes64(pair->lsmkv)))
        return false;
    if (is_change(line) && alone && !pair->starved &&
        !same_number(pair, line, "total_changes()", grown(pair->ordinary, ordinary), grown(pair->lsmkv, lsmkv)))
        return false;
    if (!same_number(pair, line, "last_insert_rowid()", sqlite3_last_insert_rowid(pair->ordinary),
                     sqlite3_last_insert_rowid(pair->lsmkv)))
        return false;
    if (!same_number(pair, line, "autocommit", sqlite3_get_autocommit(pair->ordinary),
                     sqlite3_get_autocommit(pair->lsmkv)))
        return false;
    return !is_change(line) || same_table(pair, line, code);
}

static bool create(struct pair *pair, const char *line)
{
    char *translated = mapping_translate(line, &pair->index_serial);
    int expected = sqlite3_exec(pair->ordinary, translated, NULL, NULL, NULL);
    int got;
    bool same;

    if (pair->starved && sqlite3_get_autocommit(pair->lsmkv))
        got = starve_run(pair->lsmkv, line);
    else
        got = sqlite3_exec(pair->lsmkv, line, NULL, NULL, NULL);
    if (got == SQLITE_DONE)
        got = SQLITE_OK;

    tally_statement(line, got);
    same = (expected == SQLITE_OK) == (got == SQLITE_OK);
    if (same && got != SQLITE_OK) /* a script's own mistake, unless a failed DROP has left the table */
        same = strstr(sqlite3_errmsg(pair->ordinary), "already exists") != NULL;
    if (!same)
        differ(pair, "%s\nexpected: %d %s\n(%s)\ngot: %d %s", line, expected,
               expected ? sqlite3_errmsg(pair->ordinary) : "", translated, got, got ? sqlite3_errmsg(pair->lsmkv) : "");
    sqlite3_free(translated);
    return same;
}

static bool table_exists(sqlite3 *db, const char *table)
{
    return sqlite3_table_column_metadata(db, NULL, table, NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

/* lsmkv_flush() or lsmkv_compact(); refused inside a transaction that has written. */
static bool work(struct pair *pair, const char *line, const char *function)
{
    char *sql = sqlite3_mprintf("SELECT %s('%s')", function, strchr(line, ' ') + 1);
    int rc = sqlite3_exec(pair->lsmkv, sql, NULL, NULL, NULL);
    bool allowed = rc == SQLITE_OK || (rc == SQLITE_LOCKED && !sqlite3_get_autocommit(pair->lsmkv)) ||
                   !table_exists(pair->ordinary, strchr(line, ' ') + 1);

    if (!allowed)
        differ(pair, "%s\n%d %s", sql, rc, sqlite3_errmsg(pair->lsmkv));
    sqlite3_free(sql);
    tally_statement(line, rc);
    return allowed;
}

bool pair_run(struct pair *pair, const char *line)
{
    if (mapping_applies(line))
        return create(pair, line);
    if (begins(line, ".flush "))
        return work(pair, line, "lsmkv_flush");
    if (begins(line, ".compact "))
        return work(pair, line, "lsmkv_compact");
    if (begins(line, ".reopen")) {
        close_both(pair);
        open_both(pair);
        tally_statement(line, SQLITE_OK);
        return true;
    }
    return run_both(pair, line);
}
