#include "ext/sqlite_state.h"

#include <stddef.h>

enum journal { JOURNAL_NONE, JOURNAL_ROLLBACK, JOURNAL_WAL };

int sqlite_pages_written(sqlite3 *db)
{
    int now = 0, highest = 0;

    (void)sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_WRITE, &now, &highest, 0);
    return now;
}

/* ---- One database ---- */

static sqlite3_file *file_of(sqlite3 *db, const char *schema, int which)
{
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(db, schema, which, &file) != SQLITE_OK || !file || !file->pMethods)
        return NULL;
    return file;
}

/*
 * Bytes 18 and 19 of a database file are its write and read version: 2 means WAL. The transaction holds a lock, so they
 * do not change. A file that cannot be read is taken for one with a rollback journal, the careful choice.
 */
static enum journal journal_of(sqlite3 *db, const char *schema)
{
    sqlite3_file *file = file_of(db, schema, SQLITE_FCNTL_FILE_POINTER);
    unsigned char versions[2] = {0, 0};

    if (!file)
        return JOURNAL_NONE;
    if (file->pMethods->xRead(file, versions, sizeof(versions), 18) != SQLITE_OK)
        return JOURNAL_ROLLBACK;
    return versions[0] == 2 && versions[1] == 2 ? JOURNAL_WAL : JOURNAL_ROLLBACK;
}

/* The answer of a PRAGMA that gives one word, compared; false where it gives none. */
static bool pragma_is(sqlite3 *db, const char *schema, const char *pragma, const char *word)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("PRAGMA \"%w\".%s", schema, pragma);
    bool equal = false;

    if (sql && sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        equal = sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), word) == 0;
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return equal;
}

/* A rollback journal is opened before the first page is changed. Only journal_mode = OFF leaves no trace. */
static bool rollback_is_dirty(sqlite3 *db, const char *schema)
{
    return file_of(db, schema, SQLITE_FCNTL_JOURNAL_POINTER) || pragma_is(db, schema, "journal_mode", "off");
}

/* ---- WAL mode: all databases at once ---- */

/* A page that an open cursor stands on is not flushed and so not counted: more than the committing statement is open. */
static bool other_statements_run(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int busy = 0;

    while ((statement = sqlite3_next_stmt(db, statement)) != NULL)
        busy += sqlite3_stmt_busy(statement) != 0;
    return busy > 1;
}

/* Flushing the cache into the WAL costs nothing that COMMIT would not cost, and shows whether there was anything. */
static bool wal_is_dirty(sqlite3 *db, int cache_writes)
{
    if (other_statements_run(db) || sqlite3_db_cacheflush(db) != SQLITE_OK)
        return true;
    return sqlite_pages_written(db) != cache_writes;
}

/* ---- All databases ---- */

/* sqlite3_db_name() is younger than the oldest SQLite that the extension runs on. */
static const char *schema_name(sqlite3 *db, int index)
{
    if (sqlite3_libversion_number() < 3039000)
        return index == 0 ? "main" : NULL;
    return sqlite3_db_name(db, index);
}

struct sqlite_state sqlite_state_now(sqlite3 *db, int cache_writes)
{
    struct sqlite_state state = {false, true};
    const char *schema;
    bool wal = false;
    int index;

    if (sqlite3_txn_state(db, NULL) != SQLITE_TXN_WRITE)
        return state;
    if (sqlite3_libversion_number() < 3039000)
        state.dirty = true; /* attached databases cannot be listed */
    for (index = 0; (schema = schema_name(db, index)) != NULL; index++) {
        enum journal journal;

        if (index == 1 || sqlite3_txn_state(db, schema) != SQLITE_TXN_WRITE)
            continue; /* 1 is temp */
        journal = journal_of(db, schema);
        wal = wal || journal == JOURNAL_WAL;
        if (journal == JOURNAL_ROLLBACK) {
            state.unrefusable = false;
            state.dirty = state.dirty || rollback_is_dirty(db, schema);
        }
    }
    if (wal && !state.dirty)
        state.dirty = !state.unrefusable || wal_is_dirty(db, cache_writes);
    return state;
}
