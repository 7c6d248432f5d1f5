/*
 * test_seed_sql.c - the concurrency tests of the seed design through SQL: a connection for each thread, with a TEMP
 * table each on one store. A table in a database file would take that file's write lock; temporary ones do not.
 */
#include "sql_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 20

struct stage {
    const char *store;
    pthread_barrier_t start;
    unsigned rounds;
};

struct actor {
    struct stage *stage;
    void (*act)(struct actor *actor);
    sqlite3 *db;
    unsigned index;
    unsigned errors;
    char message[200]; /* of the first error */
};

/* cmocka's checks do not work outside of the main thread: errors are counted and looked at there. */
static bool run(struct actor *actor, const char *format, ...)
{
    va_list arguments;
    char *sql;
    int rc;

    va_start(arguments, format);
    sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    rc = sqlite3_exec(actor->db, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK && actor->errors++ == 0)
        snprintf(actor->message, sizeof(actor->message), "%.80s: %d %.80s", sql, rc, sqlite3_errmsg(actor->db));
    sqlite3_free(sql);
    return rc == SQLITE_OK;
}

static sqlite3_int64 number(struct actor *actor, const char *format, ...)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_int64 value = -1;
    va_list arguments;
    char *sql;

    va_start(arguments, format);
    sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (sqlite3_prepare_v2(actor->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    if (sqlite3_finalize(statement) != SQLITE_OK && actor->errors++ == 0)
        snprintf(actor->message, sizeof(actor->message), "%.80s: %.80s", sql, sqlite3_errmsg(actor->db));
    sqlite3_free(sql);
    return value;
}

static void open_actor(struct actor *actor)
{
    actor->db = kit_open(":memory:");
    kit_run(actor->db,
            "CREATE VIRTUAL TABLE temp.t USING lsmkv('%q', k PRIMARY KEY, v, sync = normal, "
            "memtable_size = '64KB')",
            actor->stage->store);
    sqlite3_busy_timeout(actor->db, 60000);
}

static void *act(void *context)
{
    struct actor *actor = context;

    pthread_barrier_wait(&actor->stage->start);
    actor->act(actor);
    return NULL;
}

/* Runs `count` actors at the same time; the first `writers` do `write`, the others `read`. */
static void perform(struct stage *stage, size_t count, size_t writers, void (*write)(struct actor *),
                    void (*read)(struct actor *))
{
    struct actor actors[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    size_t i;

    assert_true(count <= THREADS_MAX);
    memset(actors, 0, sizeof(actors));
    assert_int_equal(pthread_barrier_init(&stage->start, NULL, (unsigned)count), 0);
    for (i = 0; i < count; i++) {
        actors[i].stage = stage;
        actors[i].index = (unsigned)i;
        actors[i].act = i < writers ? write : read;
        open_actor(&actors[i]);
    }
    for (i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, act, &actors[i]), 0);
    for (i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (i = 0; i < count; i++) {
        kit_close(actors[i].db);
        if (actors[i].errors)
            fail_msg("%u errors, the first: %s", actors[i].errors, actors[i].message);
    }
    pthread_barrier_destroy(&stage->start);
}

/* A store with its table, and a connection that keeps it open between the acts. */
static sqlite3 *open_stage(struct stage *stage, size_t rounds)
{
    struct actor first = {.stage = stage};

    stage->store = kit_path(test_dir(), "store");
    stage->rounds = (unsigned)rounds;
    open_actor(&first);
    return first.db;
}

static void expect_count(sqlite3 *db, size_t count)
{
    char rows[32];

    snprintf(rows, sizeof(rows), "%zu\n", count);
    kit_expect(db, rows, "SELECT count(*) FROM t");
}

static void write_own_keys(struct actor *actor)
{
    unsigned i;

    for (i = 0; i < actor->stage->rounds; i++)
        run(actor, "INSERT INTO t VALUES('%u-%u', %u)", actor->index, i, i);
}

static void read_any_keys(struct actor *actor)
{
    unsigned i;

    for (i = 0; i < actor->stage->rounds; i++) {
        sqlite3_int64 value = number(actor, "SELECT v FROM t WHERE k = '%u-%u'", i % 5, i);

        if (value != -1 && value != i)
            actor->errors++;
        if (i % 10 == 0)
            number(actor, "SELECT count(*), sum(v) FROM t WHERE k >= '1' AND k < '4'");
    }
}

static void delete_own_keys(struct actor *actor)
{
    unsigned i;

    for (i = 0; i < actor->stage->rounds; i++)
        run(actor, "DELETE FROM t WHERE k = '%u-%u'", actor->index, i);
}

static void concurrent_writes(void **state)
{
    struct stage stage;
    sqlite3 *db = open_stage(&stage, test_scaled(100));

    (void)state;
    perform(&stage, 10, 10, write_own_keys, NULL);
    expect_count(db, 10u * stage.rounds);
    kit_close(db);
}

static void concurrent_reads_and_writes(void **state)
{
    struct stage stage;
    sqlite3 *db = open_stage(&stage, test_scaled(50));

    (void)state;
    perform(&stage, 15, 5, write_own_keys, read_any_keys);
    expect_count(db, 5 * stage.rounds);
    kit_close(db);
}

static void concurrent_deletes(void **state)
{
    struct stage stage;
    sqlite3 *db = open_stage(&stage, test_scaled(40));

    (void)state;
    perform(&stage, 5, 5, write_own_keys, NULL);
    expect_count(db, 5 * stage.rounds);
    perform(&stage, 5, 5, delete_own_keys, NULL);
    expect_count(db, 0);
    kit_close(db);
}

/* Values larger than a memtable holds many of: every few rows a flush runs behind the writes. */
static void write_large(struct actor *actor)
{
    unsigned i;

    for (i = 0; i < actor->stage->rounds; i++)
        run(actor, "INSERT INTO t VALUES('%u-%u', zeroblob(2000))", actor->index, i);
}

static void nonblocking_flush(void **state)
{
    struct stage stage;
    sqlite3 *db = open_stage(&stage, test_scaled(500));

    (void)state;
    perform(&stage, 1, 1, write_large, NULL);
    expect_count(db, stage.rounds);
    kit_close(db);
}

static void compact(struct actor *actor)
{
    size_t i;

    for (i = 0; i < 3; i++)
        run(actor, "SELECT lsmkv_compact('t')");
}

static void operations_during_compaction(void **state)
{
    struct stage stage;
    sqlite3 *db = open_stage(&stage, test_scaled(100));

    (void)state;
    perform(&stage, 5, 4, write_large, compact);
    expect_count(db, 4 * stage.rounds);
    kit_close(db);
}

static void do_anything(struct actor *actor)
{
    uint64_t random = test_seed() + actor->index + 1;
    unsigned i;

    for (i = 0; i < actor->stage->rounds; i++) {
        unsigned key = (unsigned)(test_random(&random) % 50);

        switch (test_random(&random) % 5) {
        case 0:
            run(actor, "REPLACE INTO t VALUES(%u, %u)", key, i);
            break;
        case 1:
            run(actor, "INSERT OR IGNORE INTO t VALUES(%u, %u)", key, i);
            break;
        case 2:
            run(actor, "DELETE FROM t WHERE k = %u", key);
            break;
        case 3:
            run(actor, "UPDATE t SET v = v + 1 WHERE k >= %u AND k < %u", key, key + 5);
            break;
        default:
            number(actor, "SELECT v FROM t WHERE k = %u", key);
            number(actor, "SELECT count(*) FROM t");
            break;
        }
    }
}

static void stress_mixed(void **state)
{
    struct stage stage;
    sqlite3 *db = open_stage(&stage, test_scaled(100));

    (void)state;
    (void)test_seed();
    perform(&stage, 20, 20, do_anything, NULL);
    kit_expect(db, "1\n", "SELECT count(*) = count(DISTINCT k) AND count(*) <= 50 FROM t");
    kit_close(db);
}

/* A transaction that conflicts is rolled back, and repeated. */
static void transfer(struct actor *actor)
{
    unsigned i;
    int rc;

    for (i = 0; i < actor->stage->rounds; i++) {
        do {
            run(actor, "BEGIN");
            run(actor, "UPDATE t SET v = v - 1 WHERE k = %u", actor->index % 4);
            run(actor, "UPDATE t SET v = v + 1 WHERE k = %u", (actor->index + 1) % 4);
            rc = sqlite3_exec(actor->db, i % 5 ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL);
        } while (rc == SQLITE_BUSY_SNAPSHOT);
        if (rc)
            actor->errors++;
    }
}

static void check_sum(struct actor *actor)
{
    unsigned i;

    for (i = 0; i < actor->stage->rounds; i++) {
        if (number(actor, "SELECT sum(v) FROM t") != 400)
            actor->errors++;
    }
}

/* No reader ever sees half of a transaction. */
static void transactions_are_seen_whole(void **state)
{
    struct stage stage;
    sqlite3 *db = open_stage(&stage, test_scaled(50));

    (void)state;
    kit_run(db, "INSERT INTO t VALUES(0, 100), (1, 100), (2, 100), (3, 100)");
    perform(&stage, 8, 4, transfer, check_sum);
    kit_expect(db, "400\n", "SELECT sum(v) FROM t");
    kit_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concurrent_writes),
        cmocka_unit_test(concurrent_reads_and_writes),
        cmocka_unit_test(concurrent_deletes),
        cmocka_unit_test(nonblocking_flush),
        cmocka_unit_test(operations_during_compaction),
        cmocka_unit_test(stress_mixed),
        cmocka_unit_test(transactions_are_seen_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
