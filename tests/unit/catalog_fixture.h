/*
 * catalog_fixture.h - a store in memory and short calls for its catalog; each fails the test unless it succeeds.
 */
#ifndef TESTS_UNIT_CATALOG_FIXTURE_H
#define TESTS_UNIT_CATALOG_FIXTURE_H

#include "os/fs.h"
#include "support/store_kit.h"

struct catalog_fixture {
    struct os_fs *fs;
    struct db db;
    struct lsmkv_error err;
};

void catalog_set_up(struct catalog_fixture *f);
void catalog_tear_down(struct catalog_fixture *f);

/* In the write transaction at hand: a table of one keyspace, its id. */
uint32_t create_table(struct db *db, const char *name, const char *definition);
/* Its id, 0 if it is not there. `definition`: what it must be, or NULL. */
uint32_t find_table(struct db *db, const char *name, const char *definition);
void drop_table(struct db *db, const char *name); /* in a transaction of its own */

/* The key of a row in keyspace `table`. */
void table_row_key(uint8_t key[16], uint32_t table, unsigned row, struct lsmkv_slice *slice);
void fill_table(struct db *db, uint32_t table, unsigned rows);

/* Tables "goes", id 1 with 100 rows, and "stays", id 2 with 10. */
void make_two_tables(struct db *db);

#endif
