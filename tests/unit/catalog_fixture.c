#include "unit/catalog_fixture.h"

#include "support/test.h"

#include <string.h>

#include "base/coding.h"

void catalog_set_up(struct catalog_fixture *f)
{
    f->fs = os_memory_fs_new();
    assert_non_null(f->fs);
    db_init(&f->db, f->fs, "store");
    db_open(&f->db);
}

void catalog_tear_down(struct catalog_fixture *f)
{
    db_end(&f->db);
    os_memory_fs_free(f->fs);
}

uint32_t create_table(struct db *db, const char *name, const char *definition)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;

    assert_ok(lsmkv_catalog_create(db->session, name, text(definition), 1, &entry, &db->err), &db->err);
    assert_int_equal(entry.keyspace, entry.id);
    assert_int_equal(entry.keyspaces, 1);
    return entry.id;
}

uint32_t find_table(struct db *db, const char *name, const char *definition)
{
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    bool found;

    assert_ok(lsmkv_catalog_find(db->session, name, &entry, &found, &db->err), &db->err);
    if (found && definition) {
        assert_int_equal(entry.definition.size, strlen(definition));
        assert_memory_equal(entry.definition.data, definition, strlen(definition));
    }
    lsmkv_buf_release(&entry.definition);
    return found ? entry.id : 0;
}

void table_row_key(uint8_t key[16], uint32_t table, unsigned row, struct lsmkv_slice *slice)
{
    put_u32_be(key, table);
    put_u32_be(key + 4, row);
    *slice = (struct lsmkv_slice){key, 8};
}

void fill_table(struct db *db, uint32_t table, unsigned rows)
{
    uint8_t key[16];
    struct lsmkv_slice slice;

    db_write(db);
    for (unsigned i = 0; i < rows; i++) {
        table_row_key(key, table, i, &slice);
        assert_ok(lsmkv_put(db->session, slice, text("a row"), &db->err), &db->err);
    }
    db_commit(db);
}

void drop_table(struct db *db, const char *name)
{
    db_write(db);
    assert_ok(lsmkv_catalog_drop(db->session, name, &db->err), &db->err);
    db_commit(db);
}

void make_two_tables(struct db *db)
{
    db_write(db);
    create_table(db, "goes", "");
    create_table(db, "stays", "");
    db_commit(db);
    fill_table(db, 1, 100);
    fill_table(db, 2, 10);
}
