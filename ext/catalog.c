#include "ext/catalog.h"

#include <string.h>

#include "ext/error.h"

#define HEADER        "lsmkv table N\n" /* N is one digit */
#define VERSION_AT    (sizeof(HEADER) - 3)
#define VERSION_MAX   2
#define VERSION_MOVED 2 /* the first that looks for the keyspaces of a table */

static char *definition_of(const struct table_schema *schema, int version)
{
    char *columns = schema_definition(schema), *definition = NULL;

    if (columns)
        definition = sqlite3_mprintf(HEADER "%s", columns);
    if (definition)
        definition[VERSION_AT] = (char)('0' + version);
    sqlite3_free(columns);
    return definition;
}

char *catalog_definition(const struct table_schema *schema)
{
    return definition_of(schema, schema_version(schema));
}

char *catalog_moved_definition(const struct table_schema *schema)
{
    int version = schema_version(schema);

    return definition_of(schema, version < VERSION_MOVED ? VERSION_MOVED : version);
}

/* True if `definition` starts with the header, whatever its number. */
static bool has_header(struct lsmkv_slice definition)
{
    return definition.size >= strlen(HEADER) && memcmp(definition.data, HEADER, VERSION_AT) == 0 &&
           definition.data[VERSION_AT + 1] == '\n';
}

int catalog_columns(struct lsmkv_slice definition, char **columns, char **message)
{
    const size_t header = strlen(HEADER);

    if (!has_header(definition) || definition.data[VERSION_AT] < '1' || definition.data[VERSION_AT] > '0' + VERSION_MAX)
        return error_set(message, SQLITE_CANTOPEN, "the table was written by another version of lsmkv");
    *columns = sqlite3_mprintf("%.*s", (int)(definition.size - header), (const char *)definition.data + header);
    return *columns ? SQLITE_OK : SQLITE_NOMEM;
}

struct search {
    uint32_t id;
    struct table_place *place;
};

/* Found names are copied; LSMKV_INTERRUPTED ends the visit early. */
static enum lsmkv_status match_id(void *context, const char *name, const struct lsmkv_table_entry *entry)
{
    const struct search *search = context;

    if (entry->id != search->id)
        return LSMKV_OK;
    search->place->name = sqlite3_mprintf("%s", name);
    search->place->keyspace = entry->keyspace;
    search->place->keyspaces = entry->keyspaces;
    return search->place->name ? LSMKV_INTERRUPTED : LSMKV_NOMEM;
}

int catalog_place(struct session *session, uint32_t id, struct table_place *place, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct search search = {id, place};
    enum lsmkv_status status;

    memset(place, 0, sizeof(*place));
    status = lsmkv_catalog_each(session->engine, match_id, &search, &err);
    if (place->name)
        return SQLITE_OK;
    return error_from(message, status, &err);
}

struct name_search {
    const char *wanted;
    char *stored;
};

static enum lsmkv_status match_name(void *context, const char *name, const struct lsmkv_table_entry *entry)
{
    struct name_search *search = context;

    (void)entry;
    if (sqlite3_stricmp(name, search->wanted) != 0)
        return LSMKV_OK;
    search->stored = sqlite3_mprintf("%s", name);
    return search->stored ? LSMKV_INTERRUPTED : LSMKV_NOMEM;
}

int catalog_find(struct session *session, const char *name, struct lsmkv_table_entry *entry, char **stored,
                 char **message)
{
    struct name_search search = {.wanted = name};
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;
    bool found = false;

    *stored = NULL;
    status = lsmkv_catalog_each(session->engine, match_name, &search, &err);
    if (status && !search.stored)
        return error_from(message, status, &err);
    if (!search.stored)
        return SQLITE_OK;
    error_clear(&err);
    status = lsmkv_catalog_find(session->engine, search.stored, entry, &found, &err);
    if (status || !found) {
        sqlite3_free(search.stored);
        return error_from(message, status, &err);
    }
    *stored = search.stored;
    return SQLITE_OK;
}

int catalog_free_name(struct session *session, const char *wanted, char **name, char **message)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    char *stored = NULL;
    int number, rc = SQLITE_OK;

    *name = NULL;
    for (number = 1; !rc && (stored || number == 1); number++) {
        sqlite3_free(stored);
        sqlite3_free(*name);
        *name = number == 1 ? sqlite3_mprintf("%s", wanted) : sqlite3_mprintf("%s %d", wanted, number);
        rc = *name ? catalog_find(session, *name, &entry, &stored, message) : SQLITE_NOMEM;
    }
    sqlite3_free(stored);
    lsmkv_buf_release(&entry.definition);
    return rc;
}

static enum lsmkv_status count_one(void *context, const char *name, const struct lsmkv_table_entry *entry)
{
    (void)name;
    (void)entry;
    ++*(uint64_t *)context;
    return LSMKV_OK;
}

enum lsmkv_status catalog_count(struct session *session, uint64_t *tables)
{
    *tables = 0;
    return lsmkv_catalog_each(session->engine, count_one, tables, NULL);
}
