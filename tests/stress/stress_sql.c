/*
 * stress_sql.c - many connections work on one store at once while it flushes, compacts and is reopened.
 *
 * Three kinds of threads, each with a connection and TEMP tables of its own on one store:
 *  - writers move money between accounts (the sum must never change), and keep rows of their own whose contents they know;
 *  - readers check that the sum is right and that a transaction sees the same rows twice;
 *  - one keeper flushes, compacts and reads the statistics.
 * Connections are closed and opened in between. After each round the store is closed, opened again and compared with what
 * the writers know. Usage: stress_sql [operations of each writer]. The seed is printed and taken from LSMKV_TEST_SEED.
 */
#include "support/test.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

int sqlite3_lsmkv_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

#define WRITERS  4
#define READERS  2
#define ROUNDS   2
#define ACCOUNTS 40
#define BALANCE  1000
#define OWN_ROWS 300 /* rows that a writer owns */
#define BUSY_MS  20000

static const char schema[] = "CREATE VIRTUAL TABLE IF NOT EXISTS temp.account USING lsmkv('%s', "
                             "id INTEGER PRIMARY KEY, balance INTEGER, memtable_size='64KB', base_level_size='256KB', "
                             "level_ratio=4, sync=normal);"
                             "CREATE VIRTUAL TABLE IF NOT EXISTS temp.own USING lsmkv('%s', "
                             "key TEXT PRIMARY KEY, version INTEGER, body TEXT)";

struct shared {
    const char *dir;
    atomic_uint writers_left;
    atomic_uint conflicts;
    atomic_bool failed;
};

struct writer {
    struct shared *shared;
    sqlite3 *db;
    uint64_t state;
    size_t operations;
    int number;
    int64_t version[OWN_ROWS]; /* what each own row holds; 0 = no such row */
};

static size_t operations;

/* ---- SQL: any failure but a conflict is printed and ends the thread's work ---- */

static bool complain(struct shared *shared, sqlite3 *db, const char *what)
{
    if (!atomic_exchange(&shared->failed, true))
        printf("%s: %s (%d)\n", what, db ? sqlite3_errmsg(db) : "", db ? sqlite3_extended_errcode(db) : 0);
    return false;
}

static bool run(struct shared *shared, sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || complain(shared, db, sql);
}

static sqlite3 *connect_to(struct shared *shared)
{
    char *message = NULL, *sql;
    sqlite3 *db = NULL;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK || (sqlite3_lsmkv_init(db, &message, NULL) & 0xff) != SQLITE_OK) {
        complain(shared, db, "connect");
        return db;
    }
    sqlite3_busy_timeout(db, BUSY_MS);
    sql = sqlite3_mprintf(schema, shared->dir, shared->dir);
    run(shared, db, sql);
    sqlite3_free(sql);
    return db;
}

/* One number of one row; `none` if there is no row. */
static int64_t number_of(struct shared *shared, sqlite3 *db, const char *sql, int64_t none)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = none;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            number = sqlite3_column_int64(statement, 0);
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        complain(shared, db, sql);
    sqlite3_finalize(statement);
    return number;
}

/* ---- Writers ---- */

/* Ends a transaction that met another writer; any other failure counts. */
static bool give_way(struct writer *writer, int rc, const char *what)
{
    if ((rc & 0xff) != SQLITE_BUSY)
        return complain(writer->shared, writer->db, what);
    atomic_fetch_add(&writer->shared->conflicts, 1);
    sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
    return true;
}

/* Reads two balances and writes them changed: a lost update would change the sum. */
static bool transfer(struct writer *writer)
{
    int from = (int)(test_random(&writer->state) % ACCOUNTS), to = (int)(test_random(&writer->state) % ACCOUNTS);
    int amount = (int)(test_random(&writer->state) % 50), rc;
    int64_t source, target;
    char sql[256];

    if (from == to)
        return true;
    if (!run(writer->shared, writer->db, "BEGIN"))
        return false;
    snprintf(sql, sizeof(sql), "SELECT balance FROM account WHERE id = %d", from);
    source = number_of(writer->shared, writer->db, sql, -1);
    snprintf(sql, sizeof(sql), "SELECT balance FROM account WHERE id = %d", to);
    target = number_of(writer->shared, writer->db, sql, -1);
    snprintf(sql, sizeof(sql),
             "UPDATE account SET balance = %lld WHERE id = %d; UPDATE account SET balance = %lld WHERE id = %d; COMMIT",
             (long long)(source - amount), from, (long long)(target + amount), to);
    rc = sqlite3_exec(writer->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || give_way(writer, rc, "transfer");
}

static void own_sql(char sql[512], struct writer *writer, int row, int64_t version)
{
    if (version)
        snprintf(sql, 512, "INSERT OR REPLACE INTO own VALUES('%02d/%04d', %lld, printf('%%.*c', %d, 'x'))",
                 writer->number, row, (long long)version, (int)(version % 400));
    else
        snprintf(sql, 512, "DELETE FROM own WHERE key = '%02d/%04d'", writer->number, row);
}

/* Writes rows of its own in one transaction that begins with the write lock, half of them rolled back to a savepoint. */
static bool write_own(struct writer *writer)
{
    int64_t version = (int64_t)(1 + test_random(&writer->state) % 1000000);
    int count = test_random(&writer->state) % 20 == 0 ? 200 : 1 + (int)(test_random(&writer->state) % 8);
    bool undo = test_random(&writer->state) % 6 == 0;
    struct writer next = *writer;
    char sql[512];
    int rc = sqlite3_exec(writer->db, "BEGIN", NULL, NULL, NULL);

    for (int i = 0; i < count && rc == SQLITE_OK; i++) {
        int row = (int)(test_random(&writer->state) % OWN_ROWS);
        int64_t written = test_random(&writer->state) % 4 ? version + i : 0;

        if (undo && i == count / 2)
            rc = sqlite3_exec(writer->db, "SAVEPOINT half", NULL, NULL, NULL);
        own_sql(sql, writer, row, written);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(writer->db, sql, NULL, NULL, NULL);
        if (!undo || i < count / 2)
            next.version[row] = written;
    }
    if (undo && rc == SQLITE_OK)
        rc = sqlite3_exec(writer->db, "ROLLBACK TO half; RELEASE half", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(writer->db, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return give_way(writer, rc, "own rows");
    memcpy(writer->version, next.version, sizeof(next.version));
    return true;
}

static bool check_own(struct writer *writer, int row)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "SELECT version FROM own WHERE key = '%02d/%04d'", writer->number, row);
    if (number_of(writer->shared, writer->db, sql, 0) == writer->version[row])
        return true;
    return complain(writer->shared, NULL, "a row is not as its writer left it");
}

static bool reconnect(struct writer *writer)
{
    sqlite3_close(writer->db);
    writer->db = connect_to(writer->shared);
    return !writer->shared->failed;
}

static void *write_much(void *argument)
{
    struct writer *writer = argument;
    bool good = true;

    writer->db = connect_to(writer->shared);
    for (size_t i = 0; i < writer->operations && good && !writer->shared->failed; i++) {
        unsigned choice = (unsigned)(test_random(&writer->state) % 32);

        if (choice == 0)
            good = reconnect(writer);
        else if (choice <= 10)
            good = transfer(writer);
        else if (choice <= 20)
            good = check_own(writer, (int)(test_random(&writer->state) % OWN_ROWS));
        else
            good = write_own(writer);
    }
    sqlite3_close(writer->db);
    atomic_fetch_sub(&writer->shared->writers_left, 1);
    return NULL;
}

/* ---- Readers and the keeper ---- */

static void *read_much(void *argument)
{
    struct shared *shared = argument;
    sqlite3 *db = connect_to(shared);

    while (atomic_load(&shared->writers_left) && !shared->failed) {
        int64_t first, second;

        if (number_of(shared, db, "SELECT sum(balance) FROM account", -1) != ACCOUNTS * BALANCE)
            complain(shared, NULL, "the sum of all accounts has changed");
        if (!run(shared, db, "BEGIN"))
            break;
        first = number_of(shared, db, "SELECT sum(version) FROM own", -1);
        second = number_of(shared, db, "SELECT sum(version) FROM own WHERE key >= '00' ORDER BY key DESC", -1);
        if (first != second)
            complain(shared, NULL, "a transaction saw two states");
        run(shared, db, "COMMIT");
    }
    sqlite3_close(db);
    return NULL;
}

static void *keep_busy(void *argument)
{
    static const char *const work[] = {"SELECT lsmkv_flush('account')", "SELECT count(*) FROM lsmkv_stats",
                                       "SELECT lsmkv_compact('own')", "SELECT count(*) FROM lsmkv_sstables",
                                       "SELECT count(*) FROM lsmkv_levels"};
    struct shared *shared = argument;
    sqlite3 *db = connect_to(shared);

    for (size_t i = 0; atomic_load(&shared->writers_left) && !shared->failed; i++)
        run(shared, db, work[i % (sizeof(work) / sizeof(work[0]))]);
    sqlite3_close(db);
    return NULL;
}

/* ---- The test ---- */

static void make_accounts(struct shared *shared)
{
    sqlite3 *db = connect_to(shared);
    char sql[256];

    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO account SELECT i, %d FROM n",
             ACCOUNTS - 1, BALANCE);
    run(shared, db, sql);
    sqlite3_close(db);
}

static void compare_all(struct shared *shared, struct writer writers[WRITERS])
{
    sqlite3 *db = connect_to(shared);
    int64_t rows = 0;

    assert_int_equal(number_of(shared, db, "SELECT sum(balance) FROM account", -1), ACCOUNTS * BALANCE);
    for (int i = 0; i < WRITERS; i++) {
        writers[i].db = db;
        for (int row = 0; row < OWN_ROWS; row++) {
            assert_true(check_own(&writers[i], row));
            rows += writers[i].version[row] != 0;
        }
    }
    assert_int_equal(number_of(shared, db, "SELECT count(*) FROM own", -1), rows);
    sqlite3_close(db);
}

static void one_round(struct shared *shared, struct writer writers[WRITERS])
{
    pthread_t threads[WRITERS + READERS + 1];
    size_t count = 0;

    atomic_store(&shared->writers_left, WRITERS);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[count++], NULL, write_much, &writers[i]), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[count++], NULL, read_much, shared), 0);
    assert_int_equal(pthread_create(&threads[count++], NULL, keep_busy, shared), 0);
    while (count)
        pthread_join(threads[--count], NULL);
    assert_false(shared->failed);
    compare_all(shared, writers);
}

static void connections_keep_their_rows_and_the_sum(void **unused)
{
    struct writer *writers = calloc(WRITERS, sizeof(*writers));
    struct shared shared = {.dir = NULL};
    char dir[512];

    (void)unused;
    assert_non_null(writers);
    snprintf(dir, sizeof(dir), "%s/store", test_dir());
    shared.dir = dir;
    for (int i = 0; i < WRITERS; i++) {
        writers[i].shared = &shared;
        writers[i].number = i;
        writers[i].state = test_seed() + (uint64_t)i;
        writers[i].operations = (operations + ROUNDS - 1) / ROUNDS;
    }
    make_accounts(&shared);
    for (int round = 0; round < ROUNDS; round++)
        one_round(&shared, writers);
    printf("%u conflicts\n", atomic_load(&shared.conflicts));
    free(writers);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_keep_their_rows_and_the_sum),
    };

    operations = argc > 1 ? strtoull(argv[1], NULL, 10) : test_scaled(400);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
