#include "ext/evaluator.h"

#include <string.h>

#include "ext/bytes.h"
#include "ext/error.h"
#include "ext/memory.h"
#include "ext/token.h"

/* What a rowid can be called. In `sources` they are -1, -2 and -3. */
static const char *const rowid_names[] = {"rowid", "_rowid_", "oid"};

struct default_value {
    sqlite3_stmt *statement; /* NULL if the column has none */
    bool constant, known;
    struct cell cell;
    struct lsmkv_buf bytes; /* of `cell` */
};

struct evaluator {
    const struct table_schema *schema;
    sqlite3 *db;
    sqlite3_stmt *check; /* NULL: no CHECK */
    int *sources;        /* of its parameters: columns of the table, or negative: the rowid by a name of it */
    int source_count;
    struct default_value *defaults; /* one per column of the table */
};

static int fail(const struct evaluator *evaluator, int rc, char **message)
{
    const char *why = sqlite3_errmsg(evaluator->db);

    if (rc == SQLITE_NOMEM)
        return rc;
    if (strstr(why, "no such function") || strstr(why, "unknown function"))
        return error_set(message, rc, "%s (CHECK and DEFAULT can use SQLite's own functions, not the application's)",
                         why);
    return error_set(message, rc, "%s", why);
}

/* Runs `sql`, which it frees; NULL is a failed allocation. */
static int run(struct evaluator *evaluator, char *sql, char **message)
{
    int rc = sql ? sqlite3_exec(evaluator->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    return rc ? fail(evaluator, rc, message) : SQLITE_OK;
}

/* Prepares `sql`, which it frees. */
static int prepare(struct evaluator *evaluator, char *sql, sqlite3_stmt **statement, char **message)
{
    int rc =
        sql ? sqlite3_prepare_v3(evaluator->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    return rc ? fail(evaluator, rc, message) : SQLITE_OK;
}

/* ---- What the CHECKs mention ---- */

/* -1, -2 or -3; 0: no name of a rowid. */
static int rowid_source(const char *name)
{
    int i;

    for (i = 0; i < 3; i++) {
        if (sqlite3_stricmp(name, rowid_names[i]) == 0)
            return -1 - i;
    }
    return 0;
}

static int add_source(struct evaluator *evaluator, int column)
{
    int i, *sources;

    for (i = 0; i < evaluator->source_count; i++) {
        if (evaluator->sources[i] == column)
            return SQLITE_OK;
    }
    sources = memory_resize(evaluator->sources, (size_t)(evaluator->source_count + 1) * sizeof(*sources));
    if (!sources)
        return SQLITE_NOMEM;
    evaluator->sources = sources;
    sources[evaluator->source_count++] = column;
    return SQLITE_OK;
}

/* A name that is a column's may stand for something else, a function say: then a column too many is bound. */
static int add_name(struct evaluator *evaluator, const char *name, char **message)
{
    const struct table_schema *schema = evaluator->schema;
    int column = schema_find_column(schema, name);

    if (column >= 0)
        return add_source(evaluator, column);
    if (!rowid_source(name))
        return SQLITE_OK;
    if (!schema_has_rowid(schema))
        return error_set(message, SQLITE_ERROR, "no such column: %s", name);
    return add_source(evaluator, rowid_source(name));
}

static int find_names(struct evaluator *evaluator, const char *sql, char **message)
{
    struct token token;
    int rc = SQLITE_OK;

    for (token = token_next(&sql); token.kind != TOKEN_END && token.kind != TOKEN_ILLEGAL && !rc;
         token = token_next(&sql)) {
        char *name;

        if (!token_is_name(&token))
            continue;
        name = token_value(&token);
        rc = name ? add_name(evaluator, name, message) : SQLITE_NOMEM;
        memory_free(name);
    }
    return rc;
}

bool evaluator_sees(const struct evaluator *evaluator, int column)
{
    int i;

    if (!evaluator)
        return false;
    for (i = 0; i < evaluator->source_count; i++) {
        int source = evaluator->sources[i];

        if (source == column || (source < 0 && (column < 0 || column == evaluator->schema->integer_column)))
            return true;
    }
    return false;
}

/* ---- The table of the CHECKs ---- */

static const char *affinity_type(enum affinity affinity)
{
    static const char *const types[] = {"BLOB", "TEXT", "NUMERIC", "INTEGER", "REAL"};

    return types[affinity];
}

/* The key that every row tested has: its name is no column's. */
static char *probe_name(const struct table_schema *schema)
{
    char *name = NULL;
    int n = 0;

    do {
        sqlite3_free(name);
        name = sqlite3_mprintf("lsmkv_probe%d", n++);
    } while (name && schema_find_column(schema, name) >= 0);
    return name;
}

static int append_source(sqlite3_str *sql, const struct table_schema *schema, int source, char **message)
{
    const struct column *column;
    enum collation builtin;

    if (source < 0) {
        sqlite3_str_appendf(sql, ", %s INTEGER", rowid_names[-1 - source]);
        return SQLITE_OK;
    }
    column = &schema->columns[source];
    if (column->collate && !collation_of_name(column->collate, &builtin))
        return error_set(message, SQLITE_ERROR, "a CHECK cannot use column %s: its collation %s is the application's",
                         column->name, column->collate);
    sqlite3_str_appendf(sql, ", \"%w\" %s", column->name, affinity_type(column->affinity));
    if (column->collate)
        sqlite3_str_appendf(sql, " COLLATE %s", column->collate);
    return SQLITE_OK;
}

static void append_check(sqlite3_str *sql, const struct table_check *check)
{
    if (check->name)
        sqlite3_str_appendf(sql, ", CONSTRAINT \"%w\"", check->name);
    else
        sqlite3_str_appendall(sql, ",");
    sqlite3_str_appendall(sql, " CHECK ");
    schema_append_expression(sql, check->sql);
}

/* Makes the table with the one row that every row tested conflicts with. */
static int make_check_table(struct evaluator *evaluator, const char *probe, char **message)
{
    const struct table_schema *schema = evaluator->schema;
    sqlite3_str *sql = sqlite3_str_new(NULL);
    char *text;
    int i, rc = SQLITE_OK;

    sqlite3_str_appendf(sql, "CREATE TABLE lsmkv_row(%s INTEGER PRIMARY KEY", probe);
    for (i = 0; i < evaluator->source_count && !rc; i++)
        rc = append_source(sql, schema, evaluator->sources[i], message);
    for (i = 0; i < schema->check_count; i++)
        append_check(sql, &schema->checks[i]);
    sqlite3_str_appendall(sql, ")");
    text = sqlite3_str_finish(sql);
    if (rc)
        sqlite3_free(text);
    else
        rc = run(evaluator, text, message);
    if (!rc)
        rc = run(evaluator,
                 sqlite3_mprintf("PRAGMA ignore_check_constraints = ON;"
                                 "INSERT INTO lsmkv_row(%s) VALUES(1);"
                                 "PRAGMA ignore_check_constraints = OFF",
                                 probe),
                 message);
    return rc;
}

static int prepare_check(struct evaluator *evaluator, char **message)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    int i;

    sqlite3_str_appendall(sql, "INSERT INTO lsmkv_row VALUES(1");
    for (i = 0; i < evaluator->source_count; i++)
        sqlite3_str_appendall(sql, ", ?");
    sqlite3_str_appendall(sql, ") ON CONFLICT DO NOTHING");
    return prepare(evaluator, sqlite3_str_finish(sql), &evaluator->check, message);
}

static int make_checks(struct evaluator *evaluator, char **message)
{
    const struct table_schema *schema = evaluator->schema;
    char *probe;
    int i, rc = SQLITE_OK;

    for (i = 0; i < schema->check_count && !rc; i++)
        rc = find_names(evaluator, schema->checks[i].sql, message);
    if (rc || !schema->check_count)
        return rc;
    probe = probe_name(schema);
    rc = probe ? make_check_table(evaluator, probe, message) : SQLITE_NOMEM;
    sqlite3_free(probe);
    return rc ? rc : prepare_check(evaluator, message);
}

/* ---- The tables of the DEFAULTs ---- */

/* One without function calls and CURRENT_TIME and its like. A keyword before a parenthesis looks like a call too. */
static bool is_constant(const char *sql)
{
    struct token token;
    bool name = false;

    for (token = token_next(&sql); token.kind != TOKEN_END; token = token_next(&sql)) {
        if (token.kind == TOKEN_ILLEGAL || (name && token_is_punctuation(&token, '(')) ||
            token_is(&token, "current_time") || token_is(&token, "current_date") ||
            token_is(&token, "current_timestamp"))
            return false;
        name = token_is_name(&token);
    }
    return true;
}

static int make_default(struct evaluator *evaluator, int column, char **message)
{
    const struct column *of = &evaluator->schema->columns[column];
    struct default_value *made = &evaluator->defaults[column];
    sqlite3_str *sql = sqlite3_str_new(NULL);
    int rc;

    made->constant = is_constant(of->default_sql);
    sqlite3_str_appendf(sql, "CREATE TABLE lsmkv_default_%d(lsmkv_probe INTEGER PRIMARY KEY, \"%w\" %s DEFAULT ",
                        column, of->name, affinity_type(of->affinity));
    schema_append_expression(sql, of->default_sql);
    sqlite3_str_appendall(sql, ")");
    rc = run(evaluator, sqlite3_str_finish(sql), message);
    if (rc)
        return rc;
    return prepare(evaluator,
                   sqlite3_mprintf("INSERT OR REPLACE INTO lsmkv_default_%d(lsmkv_probe) VALUES(1) RETURNING \"%w\"",
                                   column, of->name),
                   &made->statement, message);
}

static int make_defaults(struct evaluator *evaluator, char **message)
{
    const struct table_schema *schema = evaluator->schema;
    int i, rc = SQLITE_OK;

    evaluator->defaults = memory_alloc((size_t)schema->count * sizeof(*evaluator->defaults));
    if (!evaluator->defaults)
        return SQLITE_NOMEM;
    for (i = 0; i < schema->count && !rc; i++) {
        if (schema->columns[i].default_sql)
            rc = make_default(evaluator, i, message);
    }
    return rc;
}

/* ---- Life ---- */

bool evaluator_needed(const struct table_schema *schema)
{
    int i;

    for (i = 0; i < schema->count; i++) {
        if (schema->columns[i].default_sql)
            return true;
    }
    return schema->check_count > 0;
}

/* BINARY compares text by the bytes of the database's encoding. */
static int take_encoding(struct evaluator *evaluator, sqlite3 *db, char **message)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA encoding", -1, &statement, NULL);

    if (!rc && sqlite3_step(statement) == SQLITE_ROW)
        rc = run(evaluator, sqlite3_mprintf("PRAGMA encoding = %Q", sqlite3_column_text(statement, 0)), message);
    else if (rc != SQLITE_NOMEM)
        rc = error_set(message, rc ? rc : SQLITE_ERROR, "%s", sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    return rc;
}

static int open_connection(struct evaluator *evaluator, sqlite3 *db, char **message)
{
    static const int limits[] = {SQLITE_LIMIT_LENGTH, SQLITE_LIMIT_LIKE_PATTERN_LENGTH};
    int rc = sqlite3_open_v2(":memory:", &evaluator->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    size_t i;

    if (rc)
        return evaluator->db ? fail(evaluator, rc, message) : SQLITE_NOMEM;
    sqlite3_extended_result_codes(evaluator->db, 1);
    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        sqlite3_limit(evaluator->db, limits[i], sqlite3_limit(db, limits[i], -1));
    return take_encoding(evaluator, db, message);
}

int evaluator_new(struct evaluator **evaluator, sqlite3 *db, const struct table_schema *schema, char **message)
{
    struct evaluator *made = memory_alloc(sizeof(*made));
    int rc;

    if (!made)
        return SQLITE_NOMEM;
    made->schema = schema;
    rc = open_connection(made, db, message);
    if (!rc)
        rc = make_checks(made, message);
    if (!rc)
        rc = make_defaults(made, message);
    /* Statements then need no transaction of their own each. Nothing is ever committed. */
    if (!rc)
        rc = run(made, sqlite3_mprintf("BEGIN"), message);
    if (rc) {
        evaluator_free(made);
        return rc;
    }
    *evaluator = made;
    return SQLITE_OK;
}

void evaluator_free(struct evaluator *evaluator)
{
    int i;

    if (!evaluator)
        return;
    for (i = 0; evaluator->defaults && i < evaluator->schema->count; i++) {
        sqlite3_finalize(evaluator->defaults[i].statement);
        lsmkv_buf_release(&evaluator->defaults[i].bytes);
    }
    memory_free(evaluator->defaults);
    sqlite3_finalize(evaluator->check);
    memory_free(evaluator->sources);
    sqlite3_close(evaluator->db);
    memory_free(evaluator);
}

/* ---- Evaluating ---- */

static int bind_cell(sqlite3_stmt *statement, int parameter, const struct cell *cell)
{
    const void *bytes = cell->bytes.data ? (const void *)cell->bytes.data : "";

    switch (cell->type) {
    case CELL_INTEGER:
        return sqlite3_bind_int64(statement, parameter, cell->integer);
    case CELL_REAL:
        return sqlite3_bind_double(statement, parameter, cell->real);
    case CELL_TEXT:
        return sqlite3_bind_text64(statement, parameter, (const char *)bytes, cell->bytes.size, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case CELL_BLOB:
        return sqlite3_bind_blob64(statement, parameter, bytes, cell->bytes.size, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, parameter);
    }
}

int evaluator_check(struct evaluator *evaluator, const struct cell *cells, int64_t rowid, char **message)
{
    sqlite3_stmt *statement = evaluator->check;
    int i, rc = SQLITE_OK;

    if (!statement)
        return SQLITE_OK;
    for (i = 0; i < evaluator->source_count && !rc; i++) {
        int source = evaluator->sources[i];

        rc = source < 0 ? sqlite3_bind_int64(statement, i + 1, rowid) : bind_cell(statement, i + 1, &cells[source]);
    }
    if (!rc)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE)
        rc = SQLITE_OK;
    else if (rc != SQLITE_NOMEM)
        rc = error_core(message, rc, "%s", sqlite3_errmsg(evaluator->db));
    sqlite3_reset(statement);
    return rc;
}

/* Keeps the value, whose bytes go with the statement's next step. */
static int keep_value(struct default_value *value, enum affinity affinity, sqlite3_value *from)
{
    enum lsmkv_status status = affinity_store(&value->cell, affinity, from);

    value->bytes.size = 0;
    if (!status && (value->cell.type == CELL_TEXT || value->cell.type == CELL_BLOB)) {
        status = bytes_append(&value->bytes, value->cell.bytes.data, value->cell.bytes.size);
        value->cell.bytes = bytes_of(&value->bytes);
    }
    value->known = value->constant && !status;
    return status ? SQLITE_NOMEM : SQLITE_OK;
}

int evaluator_default(struct evaluator *evaluator, int column, struct cell *cell, char **message)
{
    struct default_value *value = &evaluator->defaults[column];
    int rc;

    if (!value->known) {
        rc = sqlite3_step(value->statement);
        if (rc == SQLITE_ROW)
            rc = keep_value(value, evaluator->schema->columns[column].affinity,
                            sqlite3_column_value(value->statement, 0));
        else if (rc != SQLITE_NOMEM)
            rc = error_core(message, rc, "%s", sqlite3_errmsg(evaluator->db));
        sqlite3_reset(value->statement);
        if (rc)
            return rc;
    }
    *cell = value->cell;
    return SQLITE_OK;
}
