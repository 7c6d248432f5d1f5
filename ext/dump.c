#include "ext/dump.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ext/error.h"
#include "ext/introspect.h"
#include "ext/memory.h"
#include "ext/sql_table.h"

#define REAL_SIZE 64 /* bytes of the text of a number */

enum { DUMP_SQL, DUMP_TABLE };

struct dump_cursor {
    sqlite3_vtab_cursor base;
    sqlite3_stmt *rows; /* NULL: at the end */
    sqlite3_stmt *cast; /* of a text to a REAL */
    char *head;         /* of each INSERT, up to VALUES( */
    char *sql;          /* the present statement */
    sqlite3_int64 number;
};

static struct dump_cursor *cursor_of(sqlite3_vtab_cursor *cursor)
{
    return (struct dump_cursor *)cursor;
}

/* ---- Values as SQL reads them back ---- */

/* Text with zero bytes: they would end a literal. */
static void append_text(sqlite3_str *sql, const char *text, int size)
{
    const char *end = text + size;

    for (;;) {
        const char *zero = memchr(text, 0, (size_t)(end - text));
        int part = (int)((zero ? zero : end) - text);

        sqlite3_str_appendf(sql, "'%.*q'", part, text);
        if (!zero)
            return;
        sqlite3_str_appendall(sql, "||char(0)||");
        text = zero + 1;
    }
}

static void append_blob(sqlite3_str *sql, const uint8_t *bytes, int size)
{
    static const char digits[] = "0123456789abcdef";
    int i;

    sqlite3_str_appendall(sql, "x'");
    for (i = 0; i < size; i++) {
        sqlite3_str_appendchar(sql, 1, digits[bytes[i] >> 4]);
        sqlite3_str_appendchar(sql, 1, digits[bytes[i] & 15]);
    }
    sqlite3_str_appendall(sql, "'");
}

/* What SQLite makes of the text of a number: not every text of enough digits is read as the nearest number. */
static bool reads_back(sqlite3_stmt *cast, const char *text, double value)
{
    bool same;

    (void)sqlite3_reset(cast);
    same = sqlite3_bind_text(cast, 1, text, -1, SQLITE_TRANSIENT) == SQLITE_OK && sqlite3_step(cast) == SQLITE_ROW &&
           sqlite3_column_double(cast, 0) == value;
    (void)sqlite3_reset(cast);
    return same;
}

/* Factors that SQLite reads exactly: few digits, and powers of two. */
static void append_power_of_two(sqlite3_str *sql, int exponent)
{
    for (; exponent <= -16; exponent += 16)
        sqlite3_str_appendall(sql, "*0.0000152587890625");
    for (; exponent < 0; exponent++)
        sqlite3_str_appendall(sql, "*0.5");
    for (; exponent >= 16; exponent -= 16)
        sqlite3_str_appendall(sql, "*65536.0");
    for (; exponent > 0; exponent--)
        sqlite3_str_appendall(sql, "*2.0");
}

/*
 * SQLite before 3.43 reads some numbers of many digits as their neighbour. Where no short text is read as the number, it is
 * written as a product, which is exact whatever reads it.
 */
static void append_real(sqlite3_str *sql, sqlite3_stmt *cast, double value)
{
    static const char *const formats[] = {"%!.15g", "%!.16g", "%!.17g"};
    char text[REAL_SIZE];
    double fraction;
    int exponent;
    size_t i;

    if (isinf(value)) {
        sqlite3_str_appendall(sql, value > 0 ? "9e999" : "-9e999");
        return;
    }
    if (value == 0 && signbit(value)) { /* printf has no sign for it */
        sqlite3_str_appendall(sql, "-0.0");
        return;
    }
    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        sqlite3_snprintf(sizeof(text), text, formats[i], value);
        if (reads_back(cast, text, value)) {
            sqlite3_str_appendall(sql, text);
            return;
        }
    }
    fraction = frexp(value, &exponent);
    sqlite3_str_appendf(sql, "%lld*1.0", (sqlite3_int64)ldexp(fraction, DBL_MANT_DIG));
    append_power_of_two(sql, exponent - DBL_MANT_DIG);
}

static void append_value(sqlite3_str *sql, const struct dump_cursor *cursor, int column)
{
    sqlite3_stmt *rows = cursor->rows;

    switch (sqlite3_column_type(rows, column)) {
    case SQLITE_INTEGER:
        sqlite3_str_appendf(sql, "%lld", sqlite3_column_int64(rows, column));
        break;
    case SQLITE_FLOAT:
        append_real(sql, cursor->cast, sqlite3_column_double(rows, column));
        break;
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(rows, column);

        append_text(sql, text ? text : "", sqlite3_column_bytes(rows, column));
        break;
    }
    case SQLITE_BLOB: {
        const void *bytes = sqlite3_column_blob(rows, column);

        append_blob(sql, bytes, sqlite3_column_bytes(rows, column));
        break;
    }
    default:
        sqlite3_str_appendall(sql, "NULL");
    }
}

/* ---- Statements ---- */

static char *finish(sqlite3_str *sql)
{
    bool failed = sqlite3_str_errcode(sql) != SQLITE_OK;
    char *text = sqlite3_str_finish(sql);

    if (!failed)
        return text;
    sqlite3_free(text);
    return NULL;
}

static char *create_statement(const struct sql_table *table)
{
    char *definition = schema_definition(&table->schema);
    char *sql =
        definition ? sqlite3_mprintf("CREATE VIRTUAL TABLE \"%w\" USING lsmkv(%s);", table->name, definition) : NULL;

    sqlite3_free(definition);
    return sql;
}

/* A name by which the rowid can be written, or NULL: there is none, or a column is the rowid. */
static const char *rowid_name(const struct table_schema *schema)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    size_t i;

    for (i = 0; schema->key_kind == KEY_HIDDEN_ROWID && i < sizeof(names) / sizeof(names[0]); i++) {
        if (schema_find_column(schema, names[i]) < 0)
            return names[i];
    }
    return NULL;
}

static char *column_names(const struct table_schema *schema)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    const char *rowid = rowid_name(schema);
    int i;

    if (rowid)
        sqlite3_str_appendall(sql, rowid);
    for (i = 0; i < schema->count; i++)
        sqlite3_str_appendf(sql, "%s\"%w\"", i || rowid ? "," : "", schema->columns[i].name);
    return finish(sql);
}

static char *insert_statement(const struct dump_cursor *cursor)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    int i;

    sqlite3_str_appendall(sql, cursor->head);
    for (i = 0; i < sqlite3_column_count(cursor->rows); i++) {
        if (i)
            sqlite3_str_appendall(sql, ",");
        append_value(sql, cursor, i);
    }
    sqlite3_str_appendall(sql, ");");
    return finish(sql);
}

/* ---- The cursor ---- */

static void clear(struct dump_cursor *cursor)
{
    sqlite3_finalize(cursor->rows);
    sqlite3_finalize(cursor->cast);
    sqlite3_free(cursor->head);
    sqlite3_free(cursor->sql);
    cursor->rows = NULL;
    cursor->cast = NULL;
    cursor->head = NULL;
    cursor->sql = NULL;
    cursor->number = 0;
}

static int start(struct dump_cursor *cursor, const struct sql_table *table)
{
    sqlite3 *db = table->connection->db;
    char **message = &cursor->base.pVtab->zErrMsg;
    char *names = column_names(&table->schema);
    char *query = NULL;
    int rc = SQLITE_NOMEM;

    cursor->sql = create_statement(table);
    if (names) {
        cursor->head = sqlite3_mprintf("INSERT INTO \"%w\"(%s) VALUES(", table->name, names);
        query = sqlite3_mprintf("SELECT %s FROM \"%w\".\"%w\"", names, table->schema_name, table->name);
    }
    if (cursor->sql && cursor->head && query) {
        rc = sqlite3_prepare_v2(db, query, -1, &cursor->rows, NULL);
        if (!rc)
            rc = sqlite3_prepare_v2(db, "SELECT CAST(?1 AS REAL)", -1, &cursor->cast, NULL);
        if (rc)
            (void)error_core(message, rc, "%s", sqlite3_errmsg(db));
    }
    sqlite3_free(query);
    sqlite3_free(names);
    return rc;
}

static int dump_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
    struct dump_cursor *cursor = cursor_of(base);
    struct introspect_table *dump = (struct introspect_table *)base->pVtab;
    const char *name = plan ? (const char *)sqlite3_value_text(argv[0]) : NULL;
    struct sql_table *table;
    int rc;

    (void)text;
    (void)argc;
    clear(cursor);
    if (!name)
        return error_set(&base->pVtab->zErrMsg, SQLITE_ERROR, "the name of a table is needed: lsmkv_dump('t')");
    rc = sql_table_open(dump->connection, name, &table, &base->pVtab->zErrMsg); /* or its columns may be unknown */
    return rc ? rc : start(cursor, table);
}

static int dump_next(sqlite3_vtab_cursor *base)
{
    struct dump_cursor *cursor = cursor_of(base);
    sqlite3 *db = ((struct introspect_table *)base->pVtab)->connection->db;
    int rc = sqlite3_step(cursor->rows);

    sqlite3_free(cursor->sql);
    cursor->sql = NULL;
    cursor->number++;
    if (rc == SQLITE_ROW) {
        cursor->sql = insert_statement(cursor);
        return cursor->sql ? SQLITE_OK : SQLITE_NOMEM;
    }
    if (rc != SQLITE_DONE)
        return error_core(&base->pVtab->zErrMsg, rc, "%s", sqlite3_errmsg(db));
    sqlite3_finalize(cursor->rows);
    cursor->rows = NULL;
    return SQLITE_OK;
}

static int dump_eof(sqlite3_vtab_cursor *base)
{
    return cursor_of(base)->rows == NULL;
}

static int dump_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    if (column == DUMP_SQL)
        sqlite3_result_text(context, cursor_of(base)->sql, -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int dump_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = cursor_of(base)->number + 1;
    return SQLITE_OK;
}

static int dump_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor)
{
    struct dump_cursor *made = memory_alloc(sizeof(*made));

    (void)vtab;
    if (!made)
        return SQLITE_NOMEM;
    *cursor = &made->base;
    return SQLITE_OK;
}

static int dump_close(sqlite3_vtab_cursor *cursor)
{
    clear(cursor_of(cursor));
    memory_free(cursor);
    return SQLITE_OK;
}

/* ---- The module ---- */

static int dump_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **vtab,
                        char **message)
{
    (void)db;
    (void)argc;
    (void)argv;
    return introspect_connect(context, "CREATE TABLE x(sql TEXT, table_name HIDDEN)", sizeof(struct introspect_table),
                              vtab, message);
}

static int dump_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    return introspect_plan(info, DUMP_TABLE);
}

static const sqlite3_module dump_module = {
    .xConnect = dump_connect,
    .xBestIndex = dump_best_index,
    .xDisconnect = introspect_disconnect,
    .xOpen = dump_open,
    .xClose = dump_close,
    .xFilter = dump_filter,
    .xNext = dump_next,
    .xEof = dump_eof,
    .xColumn = dump_column,
    .xRowid = dump_rowid,
};

int dump_register(struct connection *connection)
{
    return sqlite3_create_module_v2(connection->db, "lsmkv_dump", &dump_module, connection_ref(connection),
                                    connection_unref);
}
