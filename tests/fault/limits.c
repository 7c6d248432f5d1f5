/*
 * limits.c - keys and values at and over their limits, and values larger than all buffers of a store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_kit.h"
#include "support/store_kit.h"

#define KEY_TRIES 64 /* bytes below the limit that the encoding of a key takes at most */

/* ---- Bytes ---- */

struct bytes {
    uint8_t *data;
    size_t size;
};

/* `compressible`: long runs; otherwise noise. No byte is zero. */
static struct bytes make_bytes(size_t size, uint64_t seed, bool compressible)
{
    struct bytes bytes = {malloc(size + 8), size};

    assert_non_null(bytes.data);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t at = compressible ? seed + i / 4096 : seed + i, word = test_random(&at) | UINT64_C(0x0101010101010101);

        memcpy(bytes.data + i, &word, 8);
    }
    return bytes;
}

static struct lsmkv_slice slice(const struct bytes *bytes)
{
    return (struct lsmkv_slice){bytes->data, bytes->size};
}

/* ---- The engine ---- */

static bool equal(struct lsmkv_slice a, struct lsmkv_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static enum lsmkv_status put(struct db *db, struct lsmkv_slice key, struct lsmkv_slice value)
{
    enum lsmkv_status status;

    db_write(db);
    status = lsmkv_put(db->session, key, value, &db->err);
    if (!status)
        return lsmkv_session_commit(db->session, -1, &db->err);
    assert_int_equal(lsmkv_session_rollback(db->session, NULL), LSMKV_OK);
    return status;
}

static void expect_entry(struct db *db, struct lsmkv_slice key, const struct bytes *value)
{
    struct lsmkv_buf found = LSMKV_BUF_INIT;
    struct lsmkv_cursor *cursor = NULL;
    bool present = false;

    assert_ok(lsmkv_get(db->session, key, &found, &present, &db->err), &db->err);
    assert_true(present && equal((struct lsmkv_slice){found.data, found.size}, slice(value)));
    lsmkv_buf_release(&found);
    assert_ok(lsmkv_cursor_open(&cursor, db->session, unbounded, unbounded, &db->err), &db->err);
    assert_ok(lsmkv_cursor_seek(cursor, key, &db->err), &db->err);
    assert_true(lsmkv_cursor_valid(cursor));
    assert_true(equal(lsmkv_cursor_key(cursor), key));
    assert_true(equal(lsmkv_cursor_value(cursor), slice(value)));
    lsmkv_cursor_close(cursor);
}

/* In the log and the memtable, in a table of L0, in a deeper one, and each after opening. */
static void expect_everywhere(struct db *db, struct lsmkv_slice key, const struct bytes *value)
{
    expect_entry(db, key, value);
    db_reopen(db);
    expect_entry(db, key, value);
    db_flush(db);
    expect_entry(db, key, value);
    db_compact(db);
    expect_entry(db, key, value);
    db_reopen(db);
    expect_entry(db, key, value);
}

static void keys_up_to_the_limit_are_kept(void **state)
{
    struct bytes big = make_bytes(LSMKV_KEY_MAX + 1, 1, false), value = make_bytes(100, 2, false);
    struct db db;

    (void)state;
    db_init(&db, NULL, kit_path(test_dir(), "store"));
    db_open(&db);
    for (size_t size = LSMKV_KEY_MAX - 1; size <= LSMKV_KEY_MAX; size++) {
        struct lsmkv_slice key = {big.data, size};

        assert_ok(put(&db, key, slice(&value)), &db.err);
        expect_everywhere(&db, key, &value);
    }
    assert_fails(put(&db, slice(&big), slice(&value)), LSMKV_TOOBIG, &db.err, "1048576");
    db_write(&db);
    assert_fails(lsmkv_delete(db.session, slice(&big), &db.err), LSMKV_TOOBIG, &db.err, "1048576");
    assert_ok(lsmkv_session_rollback(db.session, &db.err), &db.err);
    assert_int_equal(db_count(&db, ""), 2);
    db_end(&db);
    free(big.data);
    free(value.data);
}

static void empty_keys_and_values_are_kept(void **state)
{
    struct bytes nothing = {NULL, 0};
    struct db db;

    (void)state;
    db_init(&db, NULL, kit_path(test_dir(), "store"));
    db_open(&db);
    assert_ok(put(&db, text(""), text("")), &db.err);
    expect_everywhere(&db, text(""), &nothing);
    assert_int_equal(db_count(&db, ""), 1);
    db_end(&db);
}

static void big_value(enum lsmkv_compression compression, enum lsmkv_io io, bool compressible)
{
    struct bytes value = make_bytes(test_scaled(20 << 20), test_seed(), compressible);
    struct db db;

    db_init(&db, NULL, kit_path(test_dir(), "store"));
    db.options.compression = compression;
    db.options.io = io;
    db_open(&db);
    db_fill(&db, "a", 0, 50, "before");
    assert_ok(put(&db, text("big"), slice(&value)), &db.err);
    db_fill(&db, "c", 0, 50, "after");
    expect_everywhere(&db, text("big"), &value);
    assert_int_equal(db_count(&db, "a"), 50);
    assert_int_equal(db_count(&db, "c"), 50);
    db_end(&db);
    free(value.data);
}

/* Memtable 64 KB, blocks 4 KB, cache 1 MB. */
static void value_larger_than_all_buffers_is_kept(void **state)
{
    (void)state;
    big_value(LSMKV_COMPRESSION_NONE, LSMKV_IO_MMAP, false);
    big_value(LSMKV_COMPRESSION_NONE, LSMKV_IO_PREAD, false);
}

static void compressed_value_larger_than_all_buffers_is_kept(void **state)
{
    (void)state;
    big_value(LSMKV_COMPRESSION_LZ4, LSMKV_IO_MMAP, true);
    big_value(LSMKV_COMPRESSION_ZSTD, LSMKV_IO_PREAD, false);
}

static void transaction_over_its_limit_is_refused_and_goes_on_without(void **state)
{
    struct bytes value = make_bytes(100 << 10, 3, false), small = make_bytes(1000, 4, false);
    struct db db;

    (void)state;
    db_init(&db, NULL, kit_path(test_dir(), "store"));
    db.options.transaction_size = 64 << 10;
    db_open(&db);
    db_write(&db);
    assert_ok(lsmkv_put(db.session, text("a"), slice(&small), &db.err), &db.err);
    assert_fails(lsmkv_put(db.session, text("b"), slice(&value), &db.err), LSMKV_TOOBIG, &db.err, "65536");
    assert_ok(lsmkv_put(db.session, text("c"), slice(&small), &db.err), &db.err);
    db_commit(&db);
    assert_int_equal(db_count(&db, ""), 2);
    db_end(&db);
    free(value.data);
    free(small.data);
}

/* ---- SQL ---- */

static sqlite3 *open_table(const char *path, const char *columns)
{
    sqlite3 *db = kit_open(path);

    kit_run(db, "CREATE VIRTUAL TABLE IF NOT EXISTS t USING lsmkv(%s, memtable_size='64KB', cache_size='1MB')",
            columns);
    kit_run(db, "CREATE TABLE IF NOT EXISTS o(%s)", columns);
    return db;
}

static int insert(sqlite3 *db, const char *table, struct lsmkv_slice key, int64_t value_size)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("INSERT INTO %s VALUES(?1, zeroblob(?2))", table);
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    assert_int_equal(rc, SQLITE_OK);
    sqlite3_bind_blob(statement, 1, key.data, (int)key.size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, value_size);
    sqlite3_step(statement);
    rc = sqlite3_finalize(statement);
    sqlite3_free(sql);
    return rc;
}

static void sql_keys_up_to_the_limit_are_kept(void **state)
{
    struct bytes big = make_bytes(LSMKV_KEY_MAX + 1, 1, false);
    const char *path = kit_path(test_dir(), "db");
    sqlite3 *db = open_table(path, "key BLOB PRIMARY KEY, value");
    size_t largest = LSMKV_KEY_MAX + 1;
    int rc;

    (void)state;
    while ((rc = insert(db, "t", (struct lsmkv_slice){big.data, largest}, 10)) != SQLITE_OK) {
        kit_expect_error(db, rc, SQLITE_TOOBIG, "1048576");
        largest--;
    }
    assert_true(largest >= LSMKV_KEY_MAX - KEY_TRIES && largest < LSMKV_KEY_MAX);
    assert_int_equal(insert(db, "t", (struct lsmkv_slice){big.data, largest - 1}, 10), SQLITE_OK);
    kit_run(db, "SELECT lsmkv_compact('t')");
    kit_close(db);
    db = open_table(path, "key BLOB PRIMARY KEY, value");
    assert_int_equal(kit_number(db, "SELECT count(*) FROM t WHERE length(key) >= %lld", (sqlite3_int64)largest - 1), 2);
    assert_int_equal(kit_number(db, "SELECT max(length(key)) FROM t"), largest);
    /* A search for a key that cannot be there finds nothing, as in an ordinary table. */
    assert_int_equal(kit_number(db, "SELECT count(*) FROM t WHERE key = zeroblob(%u)", LSMKV_KEY_MAX + 1), 0);
    assert_int_equal(kit_number(db, "SELECT count(*) FROM t WHERE key > zeroblob(%u)", 2 * LSMKV_KEY_MAX), 2);
    kit_close(db);
    free(big.data);
}

/* The limit on the length of a row or value, as in an ordinary table. */
static void sql_length_limit_is_kept(void **state)
{
    const char *path = kit_path(test_dir(), "db");
    sqlite3 *db = open_table(path, "key INTEGER PRIMARY KEY, value");

    (void)state;
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000);
    kit_run(db, "INSERT INTO t VALUES(1, zeroblob(999000))");
    kit_expect_error(db, kit_try(db, "INSERT INTO o VALUES(2, zeroblob(1000001))"), SQLITE_TOOBIG, "too big");
    kit_expect_error(db, kit_try(db, "INSERT INTO t VALUES(2, zeroblob(1000001))"), SQLITE_TOOBIG, "too big");
    assert_int_equal(kit_number(db, "SELECT max(length(value)) FROM t"), 999000);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000000);
    kit_run(db, "INSERT INTO t VALUES(3, zeroblob(2000000)); INSERT INTO o VALUES(3, zeroblob(2000000))");
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000);
    kit_expect_error(db, kit_try(db, "SELECT value FROM o"), SQLITE_TOOBIG, "too big");
    kit_expect_error(db, kit_try(db, "SELECT value FROM t"), SQLITE_TOOBIG, "too big");
    assert_int_equal(kit_number(db, "SELECT key FROM t WHERE key > 2"), 3); /* the long column is not touched */
    kit_close(db);
}

static void sql_value_larger_than_all_buffers_is_kept(void **state)
{
    const char *path = kit_path(test_dir(), "db");
    sqlite3 *db = open_table(path, "key INTEGER PRIMARY KEY, value");
    int64_t size = (int64_t)test_scaled(20 << 20);

    (void)state;
    kit_run(db, "INSERT INTO t VALUES(1, 'one'), (2, printf('%%.*c', %lld, 'x')), (3, 'three')", size);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(kit_number(db, "SELECT length(value) FROM t WHERE key = 2"), size);
        assert_int_equal(kit_number(db, "SELECT count(*) FROM t WHERE trim(value, 'x') = '' AND key = 2"), 1);
        if (i == 0)
            kit_run(db, "SELECT lsmkv_flush('t')");
        if (i == 1)
            kit_run(db, "SELECT lsmkv_compact('t')");
        if (i == 2) {
            kit_close(db);
            db = open_table(path, "key INTEGER PRIMARY KEY, value");
        }
    }
    kit_run(db, "UPDATE t SET value = value || 'y' WHERE key = 2");
    assert_int_equal(kit_number(db, "SELECT length(value) FROM t WHERE key = 2"), size + 1);
    kit_run(db, "DELETE FROM t WHERE key = 2; SELECT lsmkv_compact('t')");
    assert_int_equal(kit_number(db, "SELECT count(*) FROM t"), 2);
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_up_to_the_limit_are_kept),
        cmocka_unit_test(empty_keys_and_values_are_kept),
        cmocka_unit_test(value_larger_than_all_buffers_is_kept),
        cmocka_unit_test(compressed_value_larger_than_all_buffers_is_kept),
        cmocka_unit_test(transaction_over_its_limit_is_refused_and_goes_on_without),
        cmocka_unit_test(sql_keys_up_to_the_limit_are_kept),
        cmocka_unit_test(sql_length_limit_is_kept),
        cmocka_unit_test(sql_value_larger_than_all_buffers_is_kept),
    };

    kit_use_memory_dirs();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
