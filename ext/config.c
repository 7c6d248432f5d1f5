#include "ext/config.h"

#include <string.h>

#include "ext/error.h"

enum { CONFIG_NAME, CONFIG_VALUE, CONFIG_IN_FORCE, CONFIG_RANGE, CONFIG_INITIAL, CONFIG_CHANGES, CONFIG_STORE };

#define COLUMNS     (CONFIG_STORE + 1)
#define OPTION_BITS 8 /* of a rowid, for the number of the option; the others tell the store */

static const char *when(const struct lsmkv_option_info *info)
{
    return info->at_once ? "at once" : "when the store is next opened";
}

int config_collect(struct introspect_rows *rows, const struct session *session, char **message)
{
    const struct lsmkv_options *in_force = lsmkv_store_options(session_store(session));
    struct lsmkv_options recorded;
    struct lsmkv_option_info info;
    const char *name;
    char value[64];
    struct cell *row;
    size_t i;

    (void)message;
    lsmkv_store_recorded_options(session_store(session), &recorded);
    for (i = 0; lsmkv_options_describe(i, &info) && (row = introspect_rows_add(rows)) != NULL; i++) {
        introspect_set_text(rows, &row[CONFIG_NAME], info.name);
        (void)lsmkv_options_get(&recorded, i, &name, value);
        introspect_set_text(rows, &row[CONFIG_VALUE], value);
        (void)lsmkv_options_get(in_force, i, &name, value);
        introspect_set_text(rows, &row[CONFIG_IN_FORCE], value);
        introspect_set_text(rows, &row[CONFIG_RANGE], info.range);
        introspect_set_text(rows, &row[CONFIG_INITIAL], info.initial);
        introspect_set_text(rows, &row[CONFIG_CHANGES], when(&info));
        introspect_set_text(rows, &row[CONFIG_STORE], registry_dir(session->store));
    }
    return SQLITE_OK;
}

/* ---- Which row it is: SQLite gives an UPDATE the rowid, long after the scan ---- */

/* FNV-1a of the directory, without the bits of the option and the sign. */
static sqlite3_int64 store_bits(const char *dir, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    size_t i;

    for (i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)dir[i]) * UINT64_C(0x100000001b3);
    return (sqlite3_int64)((hash << OPTION_BITS) & INT64_MAX);
}

static sqlite3_int64 option_number(struct lsmkv_slice name)
{
    struct lsmkv_option_info info;
    size_t i;

    for (i = 0; lsmkv_options_describe(i, &info); i++) {
        if (strlen(info.name) == name.size && memcmp(info.name, name.data, name.size) == 0)
            break;
    }
    return (sqlite3_int64)i;
}

sqlite3_int64 config_rowid(const struct introspect_rows *rows, size_t row)
{
    struct lsmkv_slice store = introspect_rows_cell(rows, row, CONFIG_STORE)->bytes;

    return store_bits((const char *)store.data, store.size) |
           option_number(introspect_rows_cell(rows, row, CONFIG_NAME)->bytes);
}

static struct session *find_session(const struct connection *connection, sqlite3_int64 rowid)
{
    struct session *session;

    for (session = connection->sessions; session; session = session->next) {
        const char *dir = registry_dir(session->store);

        if (store_bits(dir, strlen(dir)) == rowid >> OPTION_BITS << OPTION_BITS)
            return session;
    }
    return NULL;
}

/* ---- Changing ---- */

/* True if the columns but `value` are what the row shows: SQLite hands over all of them. */
static bool others_unchanged(const struct introspect_rows *rows, size_t row, sqlite3_value **columns)
{
    int i;

    for (i = 0; i < COLUMNS; i++) {
        const struct cell *cell = introspect_rows_cell(rows, row, i);
        const char *text = (const char *)sqlite3_value_text(columns[i]);

        if (i == CONFIG_VALUE || i == CONFIG_IN_FORCE) /* the latter may have moved since the scan */
            continue;
        if (!text || strlen(text) != cell->bytes.size || memcmp(text, cell->bytes.data, cell->bytes.size) != 0)
            return false;
    }
    return true;
}

static int set_value(const struct session *session, const char *name, const char *value, char **message)
{
    struct lsmkv_error err = {LSMKV_OK, ""};

    return error_from(message, lsmkv_store_set_option(session_store(session), name, value, &err), &err);
}

static int change_row(const struct session *session, size_t option, sqlite3_value **columns, char **message)
{
    const char *value = (const char *)sqlite3_value_text(columns[CONFIG_VALUE]);
    struct introspect_rows rows;
    const char *name;
    char unused[64];
    int rc;

    introspect_rows_init(&rows, COLUMNS);
    rc = config_collect(&rows, session, message);
    if (!rc && rows.failed)
        rc = SQLITE_NOMEM;
    if (!rc && !others_unchanged(&rows, option, columns))
        rc = error_set(message, SQLITE_ERROR, "lsmkv_config: only value can be changed");
    if (!rc && !lsmkv_options_get(lsmkv_store_options(session_store(session)), option, &name, unused))
        rc = SQLITE_ERROR;
    if (!rc && !value)
        rc = error_set(message, SQLITE_ERROR, "option %s: NULL is no value", name);
    if (!rc)
        rc = set_value(session, name, value, message);
    introspect_rows_release(&rows);
    return rc;
}

int config_update(struct connection *connection, int argc, sqlite3_value **argv, char **message)
{
    sqlite3_int64 rowid;
    struct session *session;

    if (argc == 1 || sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return error_set(message, SQLITE_ERROR, "lsmkv_config: options can be changed by UPDATE, not added or deleted");
    rowid = sqlite3_value_int64(argv[0]);
    session = find_session(connection, rowid);
    if (!session || sqlite3_value_int64(argv[1]) != rowid)
        return error_set(message, SQLITE_ERROR, "lsmkv_config: only value can be changed");
    return change_row(session, (size_t)(rowid & ((1 << OPTION_BITS) - 1)), argv + 2, message);
}
