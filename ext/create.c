/*
 * create.c - CREATE VIRTUAL TABLE: the only thing that makes a store, and a table in it.
 *
 * The store is opened or made, the catalog gets a row (or has one of that name, which is then opened), the shadow table
 * is written. Catalog and shadow table are part of the transaction, and go with it if it is rolled back; a store that
 * is left without a table is removed at its last close.
 */
#include <string.h>

#include "ext/arguments.h"
#include "ext/bytes.h"
#include "ext/catalog.h"
#include "ext/error.h"
#include "ext/hub.h"
#include "ext/owner.h"
#include "ext/path.h"
#include "ext/schema_parse.h"
#include "ext/settle.h"
#include "ext/sql_table.h"
#include "ext/writer.h"

struct creation {
    struct sql_table *table;
    struct arguments arguments;
    char *path;    /* of the store; NULL: private, in memory */
    char *name;    /* of the table in the store; NULL as long as it is not settled */
    bool writing;  /* `mark` was taken */
    uint64_t mark; /* before CREATE wrote to the catalog */
    char **message;
};

/* ---- The store ---- */

/* The table that an old store becomes. */
struct migrated {
    struct table_schema schema;
    struct row_layout layout;
    struct lsmkv_buf row; /* scratch */
};

static int migrated_init(struct migrated *migrated, char **message)
{
    int rc;

    memset(migrated, 0, sizeof(*migrated));
    schema_init(&migrated->schema);
    rc = schema_parse(&migrated->schema, ARGUMENTS_DEFAULT_COLUMNS, message);
    return rc ? rc : error_from(message, row_layout_init_table(&migrated->layout, &migrated->schema), NULL);
}

static void migrated_release(struct migrated *migrated)
{
    lsmkv_buf_release(&migrated->row);
    row_layout_release(&migrated->layout);
    schema_release(&migrated->schema);
}

/* A row of the old store: its key and value become the columns key and value, as text. */
static enum lsmkv_status migrate_row(void *context, struct lsmkv_slice old_key, struct lsmkv_slice old_value,
                                     struct lsmkv_buf *key, struct lsmkv_buf *value, struct lsmkv_error *err)
{
    const struct cell cells[2] = {{.type = CELL_TEXT, .bytes = old_key}, {.type = CELL_TEXT, .bytes = old_value}};
    struct migrated *migrated = context;
    enum lsmkv_status status;

    (void)err;
    status = key_put_keyspace(key, 1);
    if (!status)
        status = key_put_shape(key, migrated->layout.shape, cells, 0);
    if (!status)
        status = row_encode(&migrated->row, &migrated->layout, cells);
    if (!status)
        status = bytes_append(value, migrated->row.data, migrated->row.size);
    return status;
}

static const char *name_in_store(const struct creation *creation)
{
    if (creation->name)
        return creation->name;
    return creation->arguments.table ? creation->arguments.table : creation->table->name;
}

static int open_store(struct creation *creation)
{
    struct arguments *arguments = &creation->arguments;
    struct migrated migrated;
    struct store_migration migration = {.table = name_in_store(creation), .row = migrate_row, .context = &migrated};
    struct store_request request = {.dir = creation->path, .create = true, .options = &arguments->store};
    char *definition = NULL;
    int rc = migrated_init(&migrated, creation->message);

    if (!rc) {
        definition = catalog_definition(&migrated.schema);
        rc = definition ? SQLITE_OK : SQLITE_NOMEM;
    }
    if (!rc) {
        migration.definition = bytes_slice(definition, strlen(definition));
        if (!arguments->has_columns || schema_equal(&arguments->schema, &migrated.schema))
            request.migration = &migration;
        rc = session_open(creation->table->connection, &request, &creation->table->session, creation->message);
    }
    sqlite3_free(definition);
    migrated_release(&migrated);
    return rc;
}

static int open_private_store(struct creation *creation)
{
    struct connection *connection = creation->table->connection;
    int rc;

    creation->table->shadow.in_memory = true;
    if (creation->arguments.table)
        return error_set(creation->message, SQLITE_ERROR, "option table: a store in memory has no names of its own");
    if (connection->private) {
        creation->table->session = connection->private;
        return SQLITE_OK;
    }
    rc = open_store(creation);
    if (!rc)
        connection->private = creation->table->session;
    return rc;
}

/* The shadow table remembers a relative path as it is, where a database file gives it a meaning. */
static int remember_dir(struct creation *creation)
{
    struct sql_table *table = creation->table;
    const char *dir = creation->arguments.dir, *file;

    if (!dir)
        return SQLITE_OK;
    file = sqlite3_db_filename(table->connection->db, table->schema_name);
    table->shadow.dir = sqlite3_mprintf("%s", file && file[0] ? dir : creation->path);
    return table->shadow.dir ? SQLITE_OK : SQLITE_NOMEM;
}

static int find_store(struct creation *creation)
{
    struct sql_table *table = creation->table;
    int rc;

    rc = path_of_store(table->connection->db, table->schema_name, creation->arguments.dir, &creation->path,
                       creation->message);
    if (!rc)
        rc = remember_dir(creation);
    if (!rc)
        rc = creation->path ? open_store(creation) : open_private_store(creation);
    if (!rc)
        settle(table->session);
    if (!rc)
        memcpy(table->shadow.store_id, lsmkv_store_id(session_store(table->session)), LSMKV_STORE_ID_SIZE);
    return rc;
}

/* The text of an option's setting in `options`; "" if it has none of that name. */
static void setting(const struct lsmkv_options *options, const char *name, char value[64])
{
    const char *each;
    size_t i;

    for (i = 0; lsmkv_options_get(options, i, &each, value); i++) {
        if (strcmp(each, name) == 0)
            return;
    }
    value[0] = '\0';
}

/* Options are the store's: what is asked of one that exists must be what it has. */
static int check_options(const struct creation *creation)
{
    const struct arguments *arguments = &creation->arguments;
    struct lsmkv_options present;
    char asked[64], has[64];
    int i;

    lsmkv_store_recorded_options(session_store(creation->table->session), &present);
    for (i = 0; i < arguments->option_count; i++) {
        const char *name = arguments->options[i].name;

        setting(&arguments->store, name, asked);
        setting(&present, name, has);
        if (strcmp(asked, has) != 0)
            return error_set(creation->message, SQLITE_ERROR, "option %s: the store exists and has %s, not %s", name,
                             has, asked);
    }
    return SQLITE_OK;
}

/* ---- The table ---- */

static int take_columns(struct creation *creation, const char *columns)
{
    struct sql_table *table = creation->table;
    int rc;

    sqlite3_free(table->shadow.columns);
    table->shadow.columns = sqlite3_mprintf("%s", columns);
    if (!table->shadow.columns)
        return SQLITE_NOMEM;
    rc = schema_parse(&table->schema, columns, creation->message);
    if (!rc)
        table->shadow.format = schema_version(&table->schema);
    return rc;
}

static void take_place(struct sql_table *table, const struct lsmkv_table_entry *entry)
{
    table->shadow.table_id = entry->id;
    table->keyspace = entry->keyspace;
    table->keyspaces = entry->keyspaces;
}

/* A table of that name is there: no columns were asked for, or the same. */
static int open_table(struct creation *creation, const struct lsmkv_table_entry *entry)
{
    char *columns = NULL;
    int rc;

    take_place(creation->table, entry);
    rc = catalog_columns(bytes_of(&entry->definition), &columns, creation->message);
    if (!rc)
        rc = take_columns(creation, columns);
    if (!rc && creation->arguments.has_columns && !schema_equal(&creation->arguments.schema, &creation->table->schema))
        rc = error_set(creation->message, SQLITE_ERROR, "the store already holds a table %s with other columns: %s",
                       name_in_store(creation), columns);
    sqlite3_free(columns);
    return rc;
}

static int make_table(struct creation *creation)
{
    struct sql_table *table = creation->table;
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;
    char *columns, *definition = NULL;
    int rc;

    if (creation->arguments.table && !creation->arguments.has_columns)
        return error_set(creation->message, SQLITE_ERROR, "%s holds no table %s, so give its columns",
                         registry_dir(table->session->store), creation->arguments.table);
    columns = creation->arguments.has_columns ? schema_definition(&creation->arguments.schema)
                                              : sqlite3_mprintf("%s", ARGUMENTS_DEFAULT_COLUMNS);
    rc = columns ? take_columns(creation, columns) : SQLITE_NOMEM;
    if (!rc) {
        definition = catalog_definition(&table->schema);
        rc = definition ? SQLITE_OK : SQLITE_NOMEM;
    }
    if (!rc) {
        status = lsmkv_catalog_create(table->session->engine, name_in_store(creation),
                                      bytes_slice(definition, strlen(definition)),
                                      1 + (uint32_t)table->schema.index_count, &entry, &err);
        take_place(table, &entry);
        rc = error_from(creation->message, status, &err);
    }
    sqlite3_free(definition);
    sqlite3_free(columns);
    return rc;
}

/*
 * All schemas without a file share the private store, and tables of a schema that was detached stay in it: a new table
 * must not find one of the same name.
 */
static int settle_name(struct creation *creation)
{
    struct sql_table *table = creation->table;

    if (!table->shadow.in_memory)
        return SQLITE_OK;
    return catalog_free_name(table->session, table->name, &creation->name, creation->message);
}

static int find_table(struct creation *creation)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    struct sql_table *table = creation->table;
    int rc = session_write(table->session, creation->message);

    if (rc)
        return rc;
    creation->writing = true;
    creation->mark = lsmkv_session_mark(table->session->engine);
    table->session->ddl = true;
    rc = settle_name(creation);
    if (rc)
        return rc;
    rc = catalog_find(table->session, name_in_store(creation), &entry, &table->store_name, creation->message);
    if (!rc)
        rc = table->store_name ? open_table(creation, &entry) : make_table(creation);
    lsmkv_buf_release(&entry.definition);
    if (!rc && !table->store_name)
        table->store_name = sqlite3_mprintf("%s", name_in_store(creation));
    return rc || table->store_name ? rc : SQLITE_NOMEM;
}

/* CHECK and DEFAULT must be such that they can be evaluated. */
static int check_expressions(struct creation *creation)
{
    struct sql_table *table = creation->table;
    struct writer *writer;
    int rc;

    if (!evaluator_needed(&table->schema))
        return SQLITE_OK;
    rc = writer_of(table, &writer);
    if (rc) {
        sqlite3_free(*creation->message);
        *creation->message = table->base.zErrMsg;
        table->base.zErrMsg = NULL;
    }
    return rc;
}

static int create(struct creation *creation, int count, const char *const *texts)
{
    struct sql_table *table = creation->table;
    struct connection *connection = table->connection;
    int rc;

    rc = arguments_parse(&creation->arguments, count, texts, creation->message);
    if (!rc)
        rc = hub_join(connection, creation->message);
    if (!rc)
        rc = find_store(creation);
    if (!rc)
        rc = check_options(creation);
    if (!rc)
        rc = find_table(creation);
    if (!rc)
        rc = owner_create(table, creation->message);
    if (!rc)
        rc = shadow_create(connection->db, table->schema_name, table->name, &table->shadow, creation->message);
    if (!rc)
        rc = sql_table_declare(table, creation->message);
    if (!rc)
        rc = check_expressions(creation);
    return rc;
}

/* Takes back what the failed statement wrote to the catalog: SQLite does not always roll it back. */
static void undo(const struct creation *creation)
{
    const struct session *session = creation->table->session;

    if (creation->writing && session->writing)
        lsmkv_session_rollback_to(session->engine, creation->mark);
}

int sql_table_create(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **vtab, char **message)
{
    struct creation creation = {.message = message};
    int rc;

    (void)db;
    creation.table = sql_table_new(context, argv[1], argv[2]);
    if (!creation.table)
        return SQLITE_NOMEM;
    arguments_init(&creation.arguments);
    creation.arguments.schema.table_name = argv[2];
    rc = create(&creation, argc - 3, argv + 3);
    if (rc) {
        undo(&creation);
        sql_table_free(creation.table);
    } else {
        *vtab = &creation.table->base;
    }
    arguments_release(&creation.arguments);
    sqlite3_free(creation.path);
    sqlite3_free(creation.name);
    return rc;
}
