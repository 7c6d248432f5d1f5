#include "ext/sqlite_state.h"

#include <stddef.h>

#include "ext/bytes.h"
#include "ext/memory.h"

enum journal { JOURNAL_NONE, JOURNAL_ROLLBACK, JOURNAL_WAL };

/* ---- One database ---- */

/* sqlite3_db_name() is younger than the oldest SQLite that the extension runs on. */
const char *sqlite_schema_name(sqlite3 *db, int index)
{
    if (sqlite3_libversion_number() >= 3039000)
        return sqlite3_db_name(db, index);
    return index == 0 ? "main" : index == 1 ? "temp" : NULL;
}

const char *sqlite_schema_file(sqlite3 *db, const char *schema)
{
    const char *file = sqlite3_db_filename(db, schema);

    return file && file[0] ? file : NULL;
}

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

bool sqlite_schema_is_wal(sqlite3 *db, const char *schema)
{
    return journal_of(db, schema) == JOURNAL_WAL;
}

/*
 * The first value that a PRAGMA gives, for the caller to look at while the statement stands; NULL where it gives none, and
 * memory->starved is set if that is for want of memory.
 */
static sqlite3_stmt *pragma_row(struct sqlite_memory *memory, sqlite3 *db, const char *schema, const char *pragma)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("PRAGMA \"%w\".%s", schema, pragma);
    int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &statement, NULL) : SQLITE_NOMEM;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    sqlite3_free(sql);
    if (rc == SQLITE_ROW)
        return statement;
    sqlite3_finalize(statement);
    memory->starved |= (rc & 0xff) == SQLITE_NOMEM;
    return NULL;
}

/* A rollback journal is opened before the first page is changed. Only journal_mode = OFF leaves no trace. */
static bool rollback_is_dirty(struct sqlite_memory *memory, sqlite3 *db, const char *schema)
{
    sqlite3_stmt *mode;
    bool off;

    if (file_of(db, schema, SQLITE_FCNTL_JOURNAL_POINTER))
        return true;
    mode = pragma_row(memory, db, schema, "journal_mode");
    off = !mode || sqlite3_stricmp((const char *)sqlite3_column_text(mode, 0), "off") == 0;
    sqlite3_finalize(mode);
    return off;
}

/* ---- Page 1 ---- */

void sqlite_memory_release(struct sqlite_memory *memory)
{
    memory_free(memory->headers);
    memory->headers = NULL;
    memory->count = 0;
}

/* A hash of the numbers in page 1 that change without any other page; 0 if they cannot be read. */
static uint64_t read_header(struct sqlite_memory *memory, sqlite3 *db, const char *schema)
{
    static const char *const numbers[] = {"schema_version", "user_version", "application_id"};
    uint64_t hash = BYTES_HASH_START;
    size_t i;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sqlite3_stmt *statement = pragma_row(memory, db, schema, numbers[i]);
        int64_t number;

        if (!statement)
            return 0;
        number = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        hash = bytes_hash(hash, &number, sizeof(number));
    }
    return hash | 1;
}

/* What is remembered of a database, made if there is nothing; NULL on failure. */
static struct sqlite_header *header_of(struct sqlite_memory *memory, sqlite3 *db, const char *schema)
{
    const char *path = sqlite_schema_file(db, schema);
    uint64_t file = bytes_hash_text(bytes_hash_text(BYTES_HASH_START, schema), path ? path : "");
    struct sqlite_header *headers;
    int i;

    for (i = 0; i < memory->count; i++) {
        if (memory->headers[i].file == file)
            return &memory->headers[i];
    }
    headers = memory_resize(memory->headers, (size_t)(memory->count + 1) * sizeof(*headers));
    if (!headers)
        return NULL;
    memory->headers = headers;
    headers[memory->count] = (struct sqlite_header){.file = file};
    return &headers[memory->count++];
}

void sqlite_memory_learn(struct sqlite_memory *memory, sqlite3 *db, const char *schema)
{
    int state = sqlite3_txn_state(db, schema);
    struct sqlite_header *header;

    if (state == SQLITE_TXN_WRITE || (state == SQLITE_TXN_NONE && !sqlite3_get_autocommit(db)) ||
        !sqlite_schema_is_wal(db, schema))
        return;
    header = header_of(memory, db, schema);
    if (header && !header->seen)
        header->seen = read_header(memory, db, schema);
}

void sqlite_memory_note(struct sqlite_memory *memory, sqlite3 *db, const char *schema)
{
    struct sqlite_header *header = header_of(memory, db, schema);

    if (header)
        header->pending = read_header(memory, db, schema);
}

/* The only statement of a transaction does not change page 1 alone; but what it leaves there is worth knowing. */
static bool header_changed(struct sqlite_memory *memory, sqlite3 *db, const char *schema, bool is_explicit)
{
    struct sqlite_header *header = header_of(memory, db, schema);

    if (!header)
        return is_explicit;
    if (is_explicit || !header->seen)
        header->pending = read_header(memory, db, schema);
    return is_explicit && (!header->pending || header->pending != header->seen);
}

static int count_spills(sqlite3 *db)
{
    int now = 0, highest = 0;

    (void)sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_SPILL, &now, &highest, 0);
    return now;
}

bool sqlite_memory_starved(struct sqlite_memory *memory)
{
    bool starved = memory->starved;

    memory->starved = false;
    return starved;
}

void sqlite_memory_end(struct sqlite_memory *memory, sqlite3 *db, bool committed)
{
    int i;

    for (i = 0; i < memory->count; i++) {
        struct sqlite_header *header = &memory->headers[i];

        if (header->pending && committed)
            header->seen = header->pending;
        header->pending = 0;
    }
    memory->spills = count_spills(db);
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

static bool wal_is_dirty(sqlite3 *db, const struct sqlite_memory *memory)
{
    if (other_statements_run(db) || sqlite3_db_cacheflush(db) != SQLITE_OK)
        return true;
    return count_spills(db) != memory->spills;
}

/* ---- All databases ---- */

struct sqlite_state sqlite_state_now(sqlite3 *db, struct sqlite_memory *memory, bool is_explicit)
{
    struct sqlite_state state = {false, true};
    const char *schema;
    bool wal = false;
    int index;

    if (sqlite3_txn_state(db, NULL) != SQLITE_TXN_WRITE)
        return state;
    if (sqlite3_libversion_number() < 3039000)
        state.dirty = true; /* attached databases cannot be listed */
    for (index = 0; (schema = sqlite_schema_name(db, index)) != NULL; index++) {
        enum journal journal;

        if (index == 1 || sqlite3_txn_state(db, schema) != SQLITE_TXN_WRITE)
            continue; /* 1 is temp */
        journal = journal_of(db, schema);
        if (journal == JOURNAL_WAL) {
            wal = true;
            state.dirty = header_changed(memory, db, schema, is_explicit) || state.dirty;
        } else if (journal == JOURNAL_ROLLBACK) {
            state.unrefusable = false;
            state.dirty = state.dirty || rollback_is_dirty(memory, db, schema);
        }
    }
    /* Flushing would ask for a lock where a rollback journal takes part. */
    if (wal && !state.dirty)
        state.dirty = !state.unrefusable || wal_is_dirty(db, memory);
    return state;
}
