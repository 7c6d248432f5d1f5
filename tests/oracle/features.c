#include "features.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "ext/entry.h"

struct features features;

static bool works(sqlite3 *db, const char *columns)
{
    char *sql = sqlite3_mprintf("CREATE VIRTUAL TABLE t USING lsmkv(%s)", columns);
    bool ok = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;

    sqlite3_free(sql);
    if (ok)
        sqlite3_exec(db, "DROP TABLE t", NULL, NULL, NULL);
    return ok;
}

/* Whether a query has no rows. */
static bool finds_nothing(sqlite3 *db, const char *columns, const char *query)
{
    char *sql =
        sqlite3_mprintf("CREATE VIRTUAL TABLE t USING lsmkv(%s); INSERT INTO t VALUES('Abc', 1), ('ab', 2)", columns);
    sqlite3_stmt *statement = NULL;
    bool nothing;

    sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    sqlite3_prepare_v2(db, query, -1, &statement, NULL);
    nothing = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_finalize(statement);
    sqlite3_exec(db, "DROP TABLE t", NULL, NULL, NULL);
    return nothing;
}

void features_init(void)
{
    const char *file = getenv("LSMKV_LOAD");
    sqlite3 *db = NULL;

    sqlite3_open(":memory:", &db);
    sqlite3_enable_load_extension(db, 1);
    if (file)
        sqlite3_load_extension(db, file, NULL, NULL);
    else
        sqlite3_lsmkv_init(db, NULL, NULL);
    features = (struct features){
        .composite = works(db, "a, b, PRIMARY KEY(a, b)"),
        .descending = works(db, "a, b, PRIMARY KEY(a DESC)"),
        .unique = works(db, "a, b UNIQUE"),
        .index = works(db, "a, b, INDEX i(a)"),
        .check = works(db, "a, b, CHECK (a > 1)"),
        .has_default = works(db, "a, b NOT NULL DEFAULT 1"),
        .limit = finds_nothing(db, "a, b", "SELECT 1 FROM t WHERE a < a ORDER BY rowid LIMIT 1 OFFSET 0"),
        .key_order = finds_nothing(db, "a, b, PRIMARY KEY(a COLLATE NOCASE)",
                                   "SELECT b FROM (SELECT b FROM t ORDER BY a LIMIT 1) WHERE b = 2"),
    };
    sqlite3_close(db);
}
