/*
 * table_ddl.c - DROP TABLE and ALTER TABLE ... RENAME.
 *
 * SQLite calls both at once and never takes them back. So they only write to the catalog and the shadow table, as part
 * of the transaction, and the hub joins it: it hears of ROLLBACK even if the table itself is gone.
 */
#include <string.h>

#include "ext/catalog.h"
#include "ext/error.h"
#include "ext/hub.h"
#include "ext/owner.h"
#include "ext/sql_table.h"

/* Attaches for a change of the catalog; *usable is false where the store is not there or not right any more. */
static int begin_catalog_change(struct sql_table *table, bool *usable)
{
    int rc = sql_table_attach(table);

    *usable = rc == SQLITE_OK;
    if (rc == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_CORRUPT) {
        sqlite3_log(rc, "dropping: %s", table->base.zErrMsg ? table->base.zErrMsg : "");
        return SQLITE_OK;
    }
    if (!rc)
        rc = session_write(table->session, &table->base.zErrMsg);
    if (!rc) {
        table->session->ddl = true;
        rc = sql_table_check_alive(table);
    }
    return rc;
}

static int drop_from_store(struct sql_table *table)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    bool usable;
    int rc = begin_catalog_change(table, &usable);

    if (rc == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_CORRUPT)
        return SQLITE_OK; /* not in the catalog, or that cannot be told */
    if (rc || !usable)
        return rc;
    rc = error_from(&table->base.zErrMsg, lsmkv_catalog_drop(table->session->engine, table->store_name, &err), &err);
    return rc ? rc : owner_forget(table, &table->base.zErrMsg);
}

/* A TEMP table only looks into a store, which keeps the rows; but nobody else sees into a store in memory. */
static bool owns_rows(const struct sql_table *table)
{
    return table->shadow.in_memory || !sql_table_is_temp(table);
}

/* SQLite may still roll this back, and says so to the hub only: this object is gone then. */
int sql_table_destroy(sqlite3_vtab *vtab)
{
    struct sql_table *table = (struct sql_table *)vtab;
    int rc = hub_join(table->connection, &vtab->zErrMsg);

    if (!rc && owns_rows(table))
        rc = drop_from_store(table);
    if (!rc)
        rc = shadow_drop(table->connection->db, table->schema_name, table->name, &vtab->zErrMsg);
    if (!rc)
        sql_table_free(table);
    return rc;
}

/* In any letter case only this table may have the name. */
static int check_name_is_free(struct sql_table *table, const char *name)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    char *stored = NULL;
    int rc = catalog_find(table->session, name, &entry, &stored, &table->base.zErrMsg);

    if (!rc && stored && entry.id != table->shadow.table_id)
        rc = error_set(&table->base.zErrMsg, SQLITE_ERROR, "%s already holds a table %s",
                       registry_dir(table->session->store), stored);
    sqlite3_free(stored);
    lsmkv_buf_release(&entry.definition);
    return rc;
}

/* A table that bears another name in the store keeps it. In memory names need not agree, and may be taken. */
static int rename_in_store(struct sql_table *table, const char *to)
{
    struct lsmkv_error err = {LSMKV_OK, ""};
    enum lsmkv_status status;
    int rc = sql_table_attach(table);

    if (!rc)
        rc = session_write(table->session, &table->base.zErrMsg);
    if (!rc)
        rc = sql_table_check_alive(table); /* and what it is called now */
    if (rc || sqlite3_stricmp(table->store_name, table->name) != 0 || strcmp(table->store_name, to) == 0)
        return rc;
    rc = check_name_is_free(table, to);
    if (rc)
        return rc;
    table->session->ddl = true;
    status = lsmkv_catalog_rename(table->session->engine, table->store_name, to, &err);
    return error_from(&table->base.zErrMsg, status, &err);
}

int sql_table_rename(sqlite3_vtab *vtab, const char *to)
{
    struct sql_table *table = (struct sql_table *)vtab;
    int rc = hub_join(table->connection, &vtab->zErrMsg);

    if (!rc && !sql_table_is_temp(table) && !table->shadow.in_memory)
        rc = rename_in_store(table, to);
    if (!rc)
        rc = shadow_rename(table->connection->db, table->schema_name, table->name, to, &vtab->zErrMsg);
    return rc;
}
