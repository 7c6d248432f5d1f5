/*
 * test_seed_engine.c - the tests that the seed design names, on the engine: concurrency, work that goes on while flush and
 * compaction are held open by a hook, soft limits, tombstones.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fs.h"
#include "support/fault_fs.h"
#include "support/sim_fs.h"
#include "support/store_kit.h"

#define VALUE_40 "0123456789012345678901234567890123456789"

struct fixture {
    struct os_fs *fs;
    struct db db;
    struct lsmkv_error err;
};

static void set_up(struct fixture *f)
{
    f->fs = os_memory_fs_new();
    assert_non_null(f->fs);
    db_init(&f->db, f->fs, "store");
}

static void tear_down(struct fixture *f)
{
    db_end(&f->db);
    os_memory_fs_free(f->fs);
}

static void wait_idle(struct db *db)
{
    assert_true(lsmkv_wait_idle(db->store, 60000));
}

/* ---- Many threads ---- */

struct worker {
    struct db *db;
    unsigned number;
    unsigned rounds;
    void (*work)(struct worker *worker, struct lsmkv_session *session, unsigned round);
    pthread_t thread;
    pthread_barrier_t *start;
};

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    struct lsmkv_session *session;
    struct lsmkv_error err;

    assert_ok(lsmkv_session_open(&session, worker->db->store, &err), &err);
    pthread_barrier_wait(worker->start);
    for (unsigned round = 0; round < worker->rounds; round++)
        worker->work(worker, session, round);
    lsmkv_session_close(session);
    return NULL;
}

static void run_workers(struct worker *workers, unsigned count)
{
    pthread_barrier_t start;

    pthread_barrier_init(&start, NULL, count);
    for (unsigned i = 0; i < count; i++) {
        workers[i].start = &start;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&start);
}

static void put_one(struct lsmkv_session *session, const char *key, const char *value)
{
    struct lsmkv_error err;

    assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, 60000, &err), &err);
    assert_ok(lsmkv_put(session, text(key), text(value), &err), &err);
    assert_ok(lsmkv_session_commit(session, -1, &err), &err);
}

static void delete_one(struct lsmkv_session *session, const char *key)
{
    struct lsmkv_error err;

    assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, 60000, &err), &err);
    assert_ok(lsmkv_delete(session, text(key), &err), &err);
    assert_ok(lsmkv_session_commit(session, -1, &err), &err);
}

static void write_own_key(struct worker *worker, struct lsmkv_session *session, unsigned round)
{
    char key[32];

    snprintf(key, sizeof(key), "w%02u-%06u", worker->number, round);
    put_one(session, key, VALUE_40);
    session_expect(session, key, VALUE_40); /* a session sees its own commit at once */
}

static void read_prepared_key(struct worker *worker, struct lsmkv_session *session, unsigned round)
{
    char key[32];

    snprintf(key, sizeof(key), "r%06u", (round * 7 + worker->number) % 100);
    session_expect(session, key, "ready");
}

static void delete_own_key(struct worker *worker, struct lsmkv_session *session, unsigned round)
{
    char key[32];

    snprintf(key, sizeof(key), "d%06u", worker->number * 40 + round);
    delete_one(session, key);
    session_expect(session, key, NULL);
}

static void concurrent_writes(void **state)
{
    struct worker workers[10];
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    for (unsigned i = 0; i < 10; i++)
        workers[i] = (struct worker){.db = &f.db, .number = i, .rounds = 100, .work = write_own_key};
    run_workers(workers, 10);
    assert_int_equal(db_count(&f.db, "w"), 1000);
    db_reopen(&f.db);
    assert_int_equal(db_count(&f.db, "w"), 1000);
    tear_down(&f);
}

static void concurrent_reads_and_writes(void **state)
{
    struct worker workers[15];
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_fill(&f.db, "r", 0, 100, "ready");
    for (unsigned i = 0; i < 15; i++) {
        workers[i] = (struct worker){.db = &f.db, .number = i, .rounds = 50, .work = write_own_key};
        if (i >= 5)
            workers[i].work = read_prepared_key;
    }
    run_workers(workers, 15);
    assert_int_equal(db_count(&f.db, "w"), 250);
    tear_down(&f);
}

static void concurrent_deletes(void **state)
{
    struct worker workers[5];
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_fill(&f.db, "d", 0, 250, "1");
    for (unsigned i = 0; i < 5; i++)
        workers[i] = (struct worker){.db = &f.db, .number = i, .rounds = 40, .work = delete_own_key};
    run_workers(workers, 5);
    assert_int_equal(db_count(&f.db, "d"), 50);
    db_flush(&f.db);
    assert_int_equal(db_count(&f.db, "d"), 50);
    tear_down(&f);
}

/* Transfers between two counters that must always agree, beside gets, scans and flushes. */
static void mix(struct worker *worker, struct lsmkv_session *session, unsigned round)
{
    struct lsmkv_error err;
    char key[32];

    snprintf(key, sizeof(key), "m%02u-%06u", worker->number, round % 20);
    switch ((worker->number + round) % 5) {
    case 0:
    case 1:
        put_one(session, key, VALUE_40 VALUE_40 VALUE_40);
        break;
    case 2:
        delete_one(session, key);
        session_expect(session, key, NULL);
        break;
    case 3: {
        struct lsmkv_buf left = LSMKV_BUF_INIT, right = LSMKV_BUF_INIT;
        bool found;

        assert_ok(lsmkv_session_read(session, false, &err), &err);
        assert_ok(lsmkv_get(session, text("left"), &left, &found, &err), &err);
        assert_ok(lsmkv_get(session, text("right"), &right, &found, &err), &err);
        assert_int_equal(left.size, right.size);
        assert_memory_equal(left.data, right.data, left.size);
        lsmkv_buf_release(&left);
        lsmkv_buf_release(&right);
        assert_ok(lsmkv_session_commit(session, -1, &err), &err);
        break;
    }
    default:
        assert_ok(lsmkv_session_write(session, LSMKV_WRITE_EXCLUSIVE, 60000, &err), &err);
        assert_ok(lsmkv_put(session, text("left"), text(key), &err), &err);
        assert_ok(lsmkv_put(session, text("right"), text(key), &err), &err);
        assert_ok(lsmkv_session_commit(session, -1, &err), &err);
        if (round % 25 == 0)
            assert_ok(lsmkv_flush(worker->db->store, &err), &err);
    }
}

static void stress_mixed(void **state)
{
    struct worker workers[20];
    struct fixture f;

    (void)state;
    set_up(&f);
    f.db.options.wait_ms = 60000;
    db_open(&f.db);
    db_write(&f.db);
    assert_ok(lsmkv_put(f.db.session, text("left"), text("0"), &f.err), &f.err);
    assert_ok(lsmkv_put(f.db.session, text("right"), text("0"), &f.err), &f.err);
    db_commit(&f.db);
    for (unsigned i = 0; i < 20; i++)
        workers[i] = (struct worker){.db = &f.db, .number = i, .rounds = 100, .work = mix};
    run_workers(workers, 20);
    wait_idle(&f.db);
    db_reopen(&f.db);
    tear_down(&f);
}

/* ---- Flush ---- */

static void nonblocking_flush(void **state)
{
    struct fixture f;
    char key[16];

    (void)state;
    set_up(&f);
    f.db.options.max_immutables = 8;
    db_open(&f.db);
    db_hold(&f.db, "flush:begin");
    db_fill(&f.db, "k", 0, 1500, VALUE_40); /* more than a memtable */
    db_put(&f.db, "next", "1");
    db_wait_held(&f.db, "flush:begin");
    for (unsigned i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "d%06u", i);
        db_put(&f.db, key, "1");
    }
    assert_int_equal(db_count(&f.db, "d"), 500);
    assert_int_equal(db_count(&f.db, "k"), 1500);
    assert_int_equal(db_stat(&f.db, "sstables"), 0);
    db_release(&f.db, "flush:begin");
    db_flush(&f.db);
    assert_int_equal(db_count(&f.db, "d"), 500);
    assert_int_equal(db_count(&f.db, "k"), 1500);
    tear_down(&f);
}

/* ---- Compaction ---- */

/* Three tables in L0, which is the soft limit of four: a compaction that is held at `point`. */
static void begin_compaction(struct db *db, const char *point)
{
    db_open(db);
    db_hold(db, point);
    for (unsigned i = 0; i < 3; i++) {
        db_fill(db, "k", i * 50, i * 50 + 100, i == 2 ? "new" : "old");
        db_flush(db);
    }
    db_wait_held(db, point);
}

static void end_compaction(struct db *db, const char *point)
{
    uint64_t in_l0 = db_level_tables(db, 0);

    db_release(db, point);
    wait_idle(db);
    assert_true(db_level_tables(db, 0) <= in_l0 - 3);
    assert_true(db_level_tables(db, 1) > 0);
}

static void operations_during_compaction(void **state)
{
    struct fixture f;
    char key[16];

    (void)state;
    set_up(&f);
    begin_compaction(&f.db, "compaction:built");
    for (unsigned i = 0; i < 300; i++) {
        snprintf(key, sizeof(key), "m%06u", i);
        db_put(&f.db, key, "1");
        db_expect(&f.db, key, "1");
    }
    db_delete(&f.db, "k000120");
    db_put(&f.db, "k000121", "newest");
    db_flush(&f.db); /* a flush is never behind a compaction */
    db_expect(&f.db, "k000120", NULL);
    end_compaction(&f.db, "compaction:built");
    db_expect(&f.db, "k000120", NULL);
    db_expect(&f.db, "k000121", "newest");
    assert_int_equal(db_count(&f.db, "m"), 300);
    assert_int_equal(db_count(&f.db, "k"), 199);
    tear_down(&f);
}

static void nonblocking_compaction_trigger_returns_at_once(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin_compaction(&f.db, "compaction:begin"); /* the third flush has returned, though its compaction cannot go on */
    assert_true(lsmkv_compacting(f.db.store));
    assert_false(lsmkv_wait_idle(f.db.store, 1));
    assert_int_equal(db_level_tables(&f.db, 0), 3);
    end_compaction(&f.db, "compaction:begin");
    assert_false(lsmkv_compacting(f.db.store));
    assert_int_equal(db_stat(&f.db, "compactions"), 1);
    tear_down(&f);
}

static void nonblocking_compaction_reads_go_on(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin_compaction(&f.db, "compaction:built");
    assert_int_equal(db_count(&f.db, "k"), 200);
    db_expect(&f.db, "k000000", "old");
    db_expect(&f.db, "k000120", "new");
    db_expect(&f.db, "k000200", NULL);
    end_compaction(&f.db, "compaction:built");
    assert_int_equal(db_count(&f.db, "k"), 200);
    db_expect(&f.db, "k000000", "old");
    db_expect(&f.db, "k000120", "new");
    tear_down(&f);
}

static void nonblocking_compaction_writes_go_on(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    begin_compaction(&f.db, "compaction:built");
    for (unsigned i = 0; i < 10; i++) /* rotations included */
        db_fill(&f.db, "w", i * 200, i * 200 + 200, VALUE_40);
    assert_int_equal(db_count(&f.db, "w"), 2000);
    assert_true(db_stat(&f.db, "memtable_rotations") > 3);
    db_flush(&f.db); /* so that no table comes into L0 while its tables are counted */
    end_compaction(&f.db, "compaction:built");
    assert_int_equal(db_count(&f.db, "w"), 2000);
    assert_int_equal(db_count(&f.db, "k"), 200);
    tear_down(&f);
}

static void nonblocking_compaction_snapshot_is_unaffected(void **state)
{
    struct lsmkv_session *reader;
    struct fixture f;

    (void)state;
    set_up(&f);
    begin_compaction(&f.db, "compaction:built");
    assert_ok(lsmkv_session_open(&reader, f.db.store, &f.err), &f.err);
    assert_ok(lsmkv_session_read(reader, false, &f.err), &f.err);
    db_put(&f.db, "k000000", "newest");
    db_delete(&f.db, "k000120");
    end_compaction(&f.db, "compaction:built");
    db_compact(&f.db);
    session_expect(reader, "k000000", "old");
    session_expect(reader, "k000120", "new");
    lsmkv_session_close(reader);
    db_expect(&f.db, "k000000", "newest");
    db_expect(&f.db, "k000120", NULL);
    tear_down(&f);
}

static enum lsmkv_status count_name(void *context, const char *name, struct lsmkv_error *err)
{
    (void)name;
    (void)err;
    ++*(unsigned *)context;
    return LSMKV_OK;
}

static unsigned table_files(struct os_fs *fs)
{
    unsigned count = 0;

    assert_int_equal(os_fs_list(fs, "/store/sst", count_name, &count, NULL), LSMKV_OK);
    return count;
}

/* At the first removal of an old table a power cut would find everything in the new one. */
static void nonblocking_compaction_old_tables_are_deleted_only_after_the_new_one_is_durable(void **state)
{
    struct sim_fs *disk = sim_fs_new(), *after;
    struct fault_fs *faults = fault_fs_new(sim_fs_os(disk));
    struct db db;
    unsigned hold;

    (void)state;
    db_init(&db, fault_fs_os(faults), "/store");
    begin_compaction(&db, "compaction:built");
    assert_int_equal(table_files(db.how.fs), 4); /* the old ones and the new one */
    hold = fault_fs_hold(faults, FAULT_BIT(FAULT_REMOVE), ".sst");
    db_release(&db, "compaction:built");
    fault_fs_wait_held(faults, hold);
    after = sim_fs_crash(disk, SIM_DROP_UNSYNCED, 1);
    fault_fs_release(faults, hold);
    wait_idle(&db);
    db_close(&db);
    assert_int_equal(table_files(db.how.fs), 1);
    db.how.fs = sim_fs_os(after);
    db_open(&db);
    assert_int_equal(db_level_tables(&db, 0), 0);
    assert_int_equal(db_count(&db, "k"), 200);
    db_expect(&db, "k000120", "new");
    db_end(&db);
    fault_fs_free(faults);
    sim_fs_free(disk);
    sim_fs_free(after);
}

/* ---- Soft limits ---- */

static void soft_limit_tables(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_hold(&f.db, "compaction:begin");
    for (unsigned i = 0; i < 2; i++) {
        db_fill(&f.db, "k", i * 50, i * 50 + 100, "v");
        db_flush(&f.db);
        wait_idle(&f.db);
        assert_false(lsmkv_compacting(f.db.store));
    }
    assert_int_equal(db_level_tables(&f.db, 0), 2);
    db_fill(&f.db, "k", 100, 200, "v");
    db_flush(&f.db); /* 3 of 4 */
    assert_true(lsmkv_compacting(f.db.store));
    db_wait_held(&f.db, "compaction:begin");
    end_compaction(&f.db, "compaction:begin");
    assert_int_equal(db_level_tables(&f.db, 1), 1);
    assert_int_equal(db_count(&f.db, "k"), 200);
    tear_down(&f);
}

/* L1 at about 0.6 of its limit stays; beyond 0.85 of it tables go to L2. */
static void soft_limit_bytes(void **state)
{
    struct lsmkv_level_stats levels[LSMKV_LEVELS];
    struct fixture f;

    (void)state;
    set_up(&f);
    f.db.options.base_level_size = 256 << 10;
    db_open(&f.db);
    db_fill(&f.db, "a", 0, 2500, VALUE_40);
    db_compact(&f.db);
    wait_idle(&f.db);
    lsmkv_level_stats(f.db.store, levels);
    assert_true(levels[1].score > 0.4 && levels[1].score < 0.85);
    assert_int_equal(levels[2].tables, 0);
    db_fill(&f.db, "b", 0, 2500, VALUE_40);
    db_compact(&f.db);
    wait_idle(&f.db);
    lsmkv_level_stats(f.db.store, levels);
    assert_true(levels[1].score < 0.85);
    assert_true(levels[2].tables > 0);
    assert_int_equal(db_count(&f.db, "a"), 2500);
    assert_int_equal(db_count(&f.db, "b"), 2500);
    tear_down(&f);
}

/* ---- Tombstones ---- */

static void tombstone_hides_older_values_in_the_memtable(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_put(&f.db, "a", "1");
    db_put(&f.db, "a", "2");
    db_delete(&f.db, "a");
    db_expect(&f.db, "a", NULL);
    assert_int_equal(db_count(&f.db, ""), 0);
    db_put(&f.db, "a", "3");
    db_expect(&f.db, "a", "3");
    db_delete(&f.db, "never there");
    db_expect(&f.db, "never there", NULL);
    tear_down(&f);
}

static void tombstone_hides_older_values_in_an_immutable(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.db.options.max_immutables = 8;
    db_open(&f.db);
    db_hold(&f.db, "flush:begin");
    db_put(&f.db, "a", "1");
    db_fill(&f.db, "k", 0, 1500, VALUE_40);
    db_delete(&f.db, "a"); /* in the next memtable */
    db_wait_held(&f.db, "flush:begin");
    assert_int_equal(db_stat(&f.db, "immutable_memtables"), 1);
    db_expect(&f.db, "a", NULL);
    db_fill(&f.db, "l", 0, 1500, VALUE_40);
    db_put(&f.db, "m", "1"); /* now the tombstone is in an immutable as well */
    assert_int_equal(db_stat(&f.db, "immutable_memtables"), 2);
    db_expect(&f.db, "a", NULL);
    db_release(&f.db, "flush:begin");
    db_flush(&f.db);
    db_expect(&f.db, "a", NULL);
    tear_down(&f);
}

static void check_thirds(struct db *db, unsigned rows)
{
    char key[16];

    assert_int_equal(db_count(db, "k"), rows - (rows + 2) / 3);
    for (unsigned i = 0; i < rows; i += 97) {
        snprintf(key, sizeof(key), "k%06u", i);
        db_expect(db, key, i % 3 ? VALUE_40 VALUE_40 VALUE_40 VALUE_40 VALUE_40 : NULL);
    }
}

/* Rows on every level below; tombstones above them, then on their way down. */
static void tombstone_hides_older_values_in_every_level(void **state)
{
    unsigned rows = (unsigned)test_scaled(12000);
    struct fixture f;
    char key[16];

    (void)state;
    set_up(&f);
    f.db.options.level_ratio = 2;
    db_open(&f.db);
    for (unsigned step = 0; step < 7; step++) { /* interleaved, so that each load spreads over all keys */
        for (unsigned i = step; i < rows;) {
            db_write(&f.db);
            for (unsigned n = 0; n < 100 && i < rows; n++, i += 7) {
                snprintf(key, sizeof(key), "k%06u", i);
                assert_ok(
                    lsmkv_put(f.db.session, text(key), text(VALUE_40 VALUE_40 VALUE_40 VALUE_40 VALUE_40), &f.err),
                    &f.err);
            }
            db_commit(&f.db);
        }
        wait_idle(&f.db);
    }
    if (test_scaled(2) == 2)
        assert_true(db_stat(&f.db, "levels") >= 5);
    for (unsigned i = 0; i < rows;) {
        db_write(&f.db);
        for (unsigned n = 0; n < 500 && i < rows; n++, i += 3) {
            snprintf(key, sizeof(key), "k%06u", i);
            assert_ok(lsmkv_delete(f.db.session, text(key), &f.err), &f.err);
        }
        db_commit(&f.db);
    }
    check_thirds(&f.db, rows);
    db_flush(&f.db);
    check_thirds(&f.db, rows);
    wait_idle(&f.db);
    check_thirds(&f.db, rows);
    db_compact(&f.db);
    check_thirds(&f.db, rows);
    tear_down(&f);
}

static void tombstone_hides_older_values_after_reopen(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_put(&f.db, "a", "1");
    db_put(&f.db, "b", "1");
    db_flush(&f.db);
    db_delete(&f.db, "a"); /* in the log */
    db_reopen(&f.db);
    db_expect(&f.db, "a", NULL);
    db_flush(&f.db); /* in a table of L0 */
    db_reopen(&f.db);
    db_expect(&f.db, "a", NULL);
    db_compact(&f.db);
    db_reopen(&f.db);
    db_expect(&f.db, "a", NULL);
    db_expect(&f.db, "b", "1");
    tear_down(&f);
}

static void tombstone_is_dropped_where_nothing_deeper_remains(void **state)
{
    struct lsmkv_level_stats levels[LSMKV_LEVELS];
    struct fixture f;

    (void)state;
    set_up(&f);
    db_open(&f.db);
    db_fill(&f.db, "k", 0, 100, "v");
    db_compact(&f.db);
    db_delete(&f.db, "k000050");
    db_compact(&f.db);
    lsmkv_level_stats(f.db.store, levels);
    assert_int_equal(levels[1].entries, 99);
    assert_int_equal(levels[1].tombstones, 0);
    assert_int_equal(db_stat(&f.db, "tombstones_dropped"), 1);
    for (unsigned i = 0; i < 100; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%06u", i);
        db_delete(&f.db, key);
    }
    db_compact(&f.db);
    assert_int_equal(db_stat(&f.db, "sstables"), 0);
    db_reopen(&f.db);
    assert_int_equal(db_count(&f.db, ""), 0);
    db_put(&f.db, "z", "1"); /* sequences went on */
    db_expect(&f.db, "z", "1");
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concurrent_writes),
        cmocka_unit_test(concurrent_reads_and_writes),
        cmocka_unit_test(concurrent_deletes),
        cmocka_unit_test(stress_mixed),
        cmocka_unit_test(nonblocking_flush),
        cmocka_unit_test(operations_during_compaction),
        cmocka_unit_test(nonblocking_compaction_trigger_returns_at_once),
        cmocka_unit_test(nonblocking_compaction_reads_go_on),
        cmocka_unit_test(nonblocking_compaction_writes_go_on),
        cmocka_unit_test(nonblocking_compaction_snapshot_is_unaffected),
        cmocka_unit_test(nonblocking_compaction_old_tables_are_deleted_only_after_the_new_one_is_durable),
        cmocka_unit_test(soft_limit_tables),
        cmocka_unit_test(soft_limit_bytes),
        cmocka_unit_test(tombstone_hides_older_values_in_the_memtable),
        cmocka_unit_test(tombstone_hides_older_values_in_an_immutable),
        cmocka_unit_test(tombstone_hides_older_values_in_every_level),
        cmocka_unit_test(tombstone_hides_older_values_after_reopen),
        cmocka_unit_test(tombstone_is_dropped_where_nothing_deeper_remains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
