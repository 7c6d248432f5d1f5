#include "ext/catalog.h"

#include <string.h>

#include "ext/error.h"

#define HEADER "lsmkv table 1\n"

char *catalog_definition(const char *columns)
{
    return sqlite3_mprintf(HEADER "%s", columns);
}

int catalog_columns(struct lsmkv_slice definition, char **columns, char **message)
{
    const size_t header = strlen(HEADER);

    if (definition.size < header || memcmp(definition.data, HEADER, header) != 0)
        return error_set(message, SQLITE_CANTOPEN, "the table was written by another version of lsmkv");
    *columns = sqlite3_mprintf("%.*s", (int)(definition.size - header), (const char *)definition.data + header);
    return *columns ? SQLITE_OK : SQLITE_NOMEM;
}

struct search {
    uint32_t id;
    char *name;
};

/* Found names are copied; LSMKV_INTERRUPTED ends the visit early. */
static enum lsmkv_status match_id(void *context, const char *name, uint32_t id, struct lsmkv_slice definition)
{
    struct search *search = context;

    (void)definition;
    if (id != search->id)
        return LSMKV_OK;
    search->name = sqlite3_mprintf("%s", name);
    return search->name ? LSMKV_INTERRUPTED : LSMKV_NOMEM;
}

int catalog_name(struct session *session, uint32_t id, char **name, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    struct search search = {id, NULL};
    enum lsmkv_status status = lsmkv_catalog_each(session->engine, match_id, &search, &err);

    *name = search.name;
    if (search.name)
        return SQLITE_OK;
    return error_from(message, status, &err);
}

int catalog_free_name(struct session *session, const char *wanted, char **name, char **message)
{
    struct lsmkv_table_entry entry = {0, LSMKV_BUF_INIT};
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status = LSMKV_OK;
    bool found = true;
    int number;

    *name = NULL;
    for (number = 1; found && !status; number++) {
        sqlite3_free(*name);
        *name = number == 1 ? sqlite3_mprintf("%s", wanted) : sqlite3_mprintf("%s %d", wanted, number);
        status = *name ? lsmkv_catalog_find(session->engine, *name, &entry, &found, &err) : LSMKV_NOMEM;
    }
    lsmkv_buf_release(&entry.definition);
    return error_from(message, status, &err);
}

static enum lsmkv_status count_one(void *context, const char *name, uint32_t id, struct lsmkv_slice definition)
{
    (void)name;
    (void)id;
    (void)definition;
    ++*(uint64_t *)context;
    return LSMKV_OK;
}

enum lsmkv_status catalog_count(struct session *session, uint64_t *tables)
{
    *tables = 0;
    return lsmkv_catalog_each(session->engine, count_one, tables, NULL);
}
