/*
 * test_atomic.c - lsmkv rows are committed together with SQLite's: COMMIT that is refused or vetoed, several stores, several
 * databases, the marker. Deaths of the process are in tests/crash/sql_crash.c.
 */
#include "sql_kit.h"

#include <string.h>

struct fixture {
    const char *path;
    sqlite3 *db;
};

/* A database with a table kv of two rows, in the journal mode asked for. */
static void open_mode(struct fixture *fixture, const char *mode)
{
    fixture->path = kit_path(test_dir(), "test.db");
    fixture->db = kit_open(fixture->path);
    kit_run(fixture->db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = %s", mode);
    kit_run(fixture->db, "CREATE TABLE o(x)");
    kit_run(fixture->db, "CREATE VIRTUAL TABLE kv USING lsmkv(key PRIMARY KEY, value, sync = off)");
    kit_run(fixture->db, "INSERT INTO kv VALUES('a', 1), ('b', 2)");
}

static const char *const modes[] = {"DELETE", "WAL", "TRUNCATE", "PERSIST", "MEMORY"};
#define MODES (sizeof(modes) / sizeof(modes[0]))

/* ---- COMMIT that does not go through ---- */

/* With a rollback journal an open reader of the database file makes COMMIT fail, after xSync. */
static sqlite3 *begin_refused_commit(struct fixture *f)
{
    sqlite3 *reader;

    open_mode(f, "DELETE");
    reader = kit_open(f->path);
    kit_run(reader, "BEGIN; SELECT * FROM o");
    kit_run(f->db, "BEGIN; INSERT INTO kv VALUES('c', 3)");
    kit_fails(f->db, SQLITE_BUSY, "database is locked", "COMMIT");
    assert_false(sqlite3_get_autocommit(f->db));
    kit_expect(reader, "2\n", "SELECT count(*) FROM kv");
    return reader;
}

static void a_refused_commit_can_be_rolled_back(void **state)
{
    struct fixture f;
    sqlite3 *reader = begin_refused_commit(&f);

    (void)state;
    kit_run(f.db, "ROLLBACK");
    kit_run(reader, "COMMIT");
    kit_expect(f.db, "2\n", "SELECT count(*) FROM kv");
    kit_expect(reader, "2\n", "SELECT count(*) FROM kv");
    kit_close(f.db);
    kit_close(reader);
    f.db = kit_open(f.path);
    kit_expect(f.db, "2\n", "SELECT count(*) FROM kv");
    kit_close(f.db);
}

static void a_refused_commit_can_be_retried(void **state)
{
    struct fixture f;
    sqlite3 *reader = begin_refused_commit(&f);

    (void)state;
    kit_fails(f.db, SQLITE_BUSY, "database is locked", "COMMIT");
    kit_run(reader, "COMMIT");
    kit_run(f.db, "COMMIT");
    kit_expect(reader, "3\n", "SELECT count(*) FROM kv");
    kit_close(f.db);
    kit_close(reader);
    f.db = kit_open(f.path);
    kit_expect(f.db, "'a'|1\n'b'|2\n'c'|3\n", "SELECT * FROM kv");
    kit_close(f.db);
}

static void a_refused_commit_can_be_extended(void **state)
{
    struct fixture f;
    sqlite3 *reader = begin_refused_commit(&f);

    (void)state;
    kit_run(f.db, "INSERT INTO kv VALUES('d', 4); SAVEPOINT s; DELETE FROM kv");
    kit_fails(f.db, SQLITE_BUSY, "database is locked", "COMMIT");
    kit_run(f.db, "ROLLBACK TO s");
    kit_run(reader, "COMMIT");
    kit_run(f.db, "COMMIT");
    kit_expect(reader, "'a'|1\n'b'|2\n'c'|3\n'd'|4\n", "SELECT * FROM kv");
    kit_close(f.db);
    kit_close(reader);
    f.db = kit_open(f.path);
    kit_expect(f.db, "'a'|1\n'b'|2\n'c'|3\n'd'|4\n", "SELECT * FROM kv");
    kit_close(f.db);
}

static int veto(void *context)
{
    return ++*(int *)context; /* not 0: roll back */
}

static void a_commit_hook_can_veto(void **state)
{
    struct fixture f;
    int calls = 0;

    (void)state;
    open_mode(&f, "DELETE");
    sqlite3_commit_hook(f.db, veto, &calls);
    kit_fails(f.db, SQLITE_CONSTRAINT_COMMITHOOK, "constraint failed", "INSERT INTO kv VALUES('c', 3)");
    kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('c', 3); INSERT INTO o VALUES(1)");
    kit_fails(f.db, SQLITE_CONSTRAINT_COMMITHOOK, "constraint failed", "COMMIT");
    sqlite3_commit_hook(f.db, NULL, NULL);
    assert_int_equal(calls, 2);
    kit_expect(f.db, "2|0\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM o)");
    kit_run(f.db, "INSERT INTO kv VALUES('c', 3)");
    kit_close(f.db);
    f.db = kit_open(f.path);
    kit_expect(f.db, "3\n", "SELECT count(*) FROM kv");
    kit_close(f.db);
}

/* In WAL mode too, where SQLite itself has something to commit: a page in its cache, or one an open cursor stands on. */
static void a_veto_in_wal_mode_undoes_both_where_ordinary_rows_changed(void **state)
{
    sqlite3_stmt *reader = NULL;
    struct fixture f;
    int calls = 0;

    (void)state;
    open_mode(&f, "WAL");
    kit_run(f.db, "INSERT INTO o VALUES(1), (2)");
    sqlite3_commit_hook(f.db, veto, &calls);
    kit_run(f.db, "BEGIN; INSERT INTO o VALUES(3); INSERT INTO kv VALUES('c', 3)");
    kit_fails(f.db, SQLITE_CONSTRAINT_COMMITHOOK, "constraint failed", "COMMIT");
    kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('c', 3); INSERT INTO o VALUES(3)");
    assert_int_equal(sqlite3_prepare_v2(f.db, "SELECT x FROM o", -1, &reader, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(reader), SQLITE_ROW);
    kit_fails(f.db, SQLITE_CONSTRAINT_COMMITHOOK, "constraint failed", "COMMIT");
    sqlite3_finalize(reader);
    sqlite3_commit_hook(f.db, NULL, NULL);
    kit_expect(f.db, "2|2\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM o)");
    kit_close(f.db);
}

static void ordinary_and_lsmkv_rows_commit_and_roll_back_together(void **state)
{
    struct fixture f;
    size_t i;

    (void)state;
    for (i = 0; i < MODES; i++) {
        open_mode(&f, modes[i]);
        kit_run(f.db, "BEGIN; INSERT INTO o VALUES(1); INSERT INTO kv VALUES('c', 3); COMMIT");
        kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('d', 4); INSERT INTO o VALUES(2); ROLLBACK");
        kit_close(f.db);
        f.db = kit_open(f.path);
        kit_expect(f.db, "3|1\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM o)");
        kit_close(f.db);
    }
}

/* What the extension writes into the database file at COMMIT must not show in the counts of the host. */
static void the_marker_leaves_no_trace_in_the_counts(void **state)
{
    struct fixture f;
    size_t i;

    (void)state;
    for (i = 0; i < MODES; i++) {
        open_mode(&f, modes[i]);
        kit_run(f.db, "CREATE TABLE total(n); INSERT INTO total SELECT total_changes() + 1");
        kit_run(f.db, "BEGIN; INSERT INTO o(rowid, x) VALUES(70, 1), (71, 2), (72, 3); INSERT INTO kv VALUES('c', 3)");
        kit_run(f.db, "UPDATE o SET x = x + 1; COMMIT");
        kit_expect(f.db, "3|7|72\n", "SELECT changes(), total_changes() - (SELECT n FROM total), last_insert_rowid()");
        kit_expect(f.db, "1\n", "SELECT count(*) FROM lsmkv_marker");
        kit_close(f.db);
    }
}

static int64_t marker_size(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int64_t size;

    assert_int_equal(sqlite3_prepare_v2(db, "SELECT length(v) FROM lsmkv_marker", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    size = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return size;
}

static void marks_are_freed_when_they_are_needed_no_more(void **state)
{
    struct fixture f;
    int64_t size;
    int i;

    (void)state;
    open_mode(&f, "WAL");
    size = marker_size(f.db);
    for (i = 0; i < 200; i++)
        kit_run(f.db, "BEGIN; INSERT INTO o VALUES(%d); INSERT INTO kv VALUES(%d, 0); COMMIT", i, i);
    assert_int_equal(marker_size(f.db), size);
    kit_close(f.db);
}

/* Page 1 of a database in WAL mode is not written before COMMIT: what changes nothing else is found by its numbers. */
static void what_changes_only_the_first_page_counts_too(void **state)
{
    static const char *const changes[] = {"PRAGMA user_version = 7", "PRAGMA application_id = 7",
                                          "CREATE VIEW v AS SELECT 1"};
    struct fixture f;
    int calls = 0;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        open_mode(&f, "WAL");
        kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('x', 0); COMMIT");
        kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('y', 0); COMMIT");
        sqlite3_commit_hook(f.db, veto, &calls);
        kit_run(f.db, "BEGIN; %s; INSERT INTO kv VALUES('c', 3)", changes[i]);
        kit_fails(f.db, SQLITE_CONSTRAINT_COMMITHOOK, "constraint failed", "COMMIT");
        sqlite3_commit_hook(f.db, NULL, NULL);
        kit_expect(f.db, "4\n", "SELECT count(*) FROM kv");
        kit_close(f.db);
    }
}

/* The veto comes after a final frame, which only atomic = always avoids. */
static void atomic_always_follows_a_veto_in_wal_mode(void **state)
{
    static const char *const settings[] = {"auto", "always", "off"};
    static const char *const left[] = {"1\n", "0\n", "1\n"};
    const char *path;
    sqlite3 *db;
    int calls = 0;
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        path = kit_path(test_dir(), "test.db");
        db = kit_open(path);
        kit_run(db,
                "PRAGMA journal_mode = WAL; CREATE VIRTUAL TABLE t USING lsmkv(a PRIMARY KEY, atomic = %s, sync = off)",
                settings[i]);
        sqlite3_commit_hook(db, veto, &calls);
        kit_fails(db, SQLITE_CONSTRAINT_COMMITHOOK, "constraint failed", "INSERT INTO t VALUES(1)");
        sqlite3_commit_hook(db, NULL, NULL);
        kit_expect(db, left[i], "SELECT count(*) FROM t");
        kit_close(db);
    }
}

static void two_stores_need_a_database_file_for_the_marker(void **state)
{
    const char *dir = test_dir();
    sqlite3 *db = kit_open(":memory:");
    int i;

    (void)state;
    for (i = 1; i <= 2; i++)
        kit_run(db, "CREATE VIRTUAL TABLE t%d USING lsmkv('%q/store%d', a PRIMARY KEY, sync = off)", i, dir, i);
    kit_run(db, "CREATE VIRTUAL TABLE m USING lsmkv(a PRIMARY KEY)"); /* in memory: has nothing to lose */
    kit_run(db, "BEGIN; INSERT INTO t1 VALUES(1); INSERT INTO m VALUES(1)");
    kit_fails(db, SQLITE_ERROR, "cannot write to the stores", "INSERT INTO t2 VALUES(1)");
    kit_run(db, "COMMIT; INSERT INTO t2 VALUES(2)");
    kit_run(db, "ATTACH '%q/file.db' AS f; BEGIN; INSERT INTO t1 VALUES(3); INSERT INTO t2 VALUES(3); COMMIT", dir);
    kit_expect(db, "2|2|1|1\n",
               "SELECT (SELECT count(*) FROM t1), (SELECT count(*) FROM t2), (SELECT count(*) FROM m), "
               "(SELECT count(*) FROM f.lsmkv_marker)");
    kit_close(db);
}

static void two_stores_commit_and_roll_back_together(void **state)
{
    struct fixture f;

    (void)state;
    open_mode(&f, "WAL");
    kit_run(f.db, "CREATE VIRTUAL TABLE far USING lsmkv('far-store', sync = off)");
    kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('c', 3); INSERT INTO far VALUES('c', 3); COMMIT");
    kit_run(
        f.db,
        "BEGIN; DELETE FROM kv; SAVEPOINT s; DELETE FROM far; ROLLBACK TO s; INSERT INTO far VALUES(1, 1); ROLLBACK");
    kit_close(f.db);
    f.db = kit_open(f.path);
    kit_expect(f.db, "3|1\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM far)");
    kit_close(f.db);
}

/* ---- The choice between the ways to commit ---- */

/* Marks that the database holds: those of the last transactions, which nobody has had to free yet. */
static int64_t count_marks(sqlite3 *db, const char *schema)
{
    char *sql =
        sqlite3_mprintf("WITH RECURSIVE s(i) AS (SELECT 17 UNION ALL SELECT i + 24 FROM s WHERE i < 900) SELECT "
                        "count(*) FROM s, \"%w\".lsmkv_marker WHERE substr(v, i, 8) <> zeroblob(8)",
                        schema);
    sqlite3_stmt *statement = NULL;
    int64_t count;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return count;
}

static void forget_marks(sqlite3 *db)
{
    kit_run(db, "UPDATE lsmkv_marker SET v = CAST(substr(v, 1, 16) || zeroblob(960) AS BLOB)");
}

static void a_mark_is_made_only_where_sqlite_commits_something(void **state)
{
    struct fixture f;
    size_t i;

    (void)state;
    for (i = 0; i < MODES; i++) {
        open_mode(&f, modes[i]);
        kit_run(f.db, "CREATE VIRTUAL TABLE temp.t USING lsmkv('test.db-lsmkv', table = kv)");
        kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('c', 0); COMMIT"); /* what was changed in temp is flushed too */
        forget_marks(f.db);
        kit_run(f.db, "UPDATE kv SET value = 3 WHERE key = 'c'");
        kit_run(f.db, "BEGIN; INSERT INTO kv VALUES('d', 4); UPDATE kv SET value = 5; COMMIT");
        kit_run(f.db, "BEGIN; INSERT INTO t VALUES('e', 4); COMMIT");
        assert_int_equal(count_marks(f.db, "main"), 0);
        kit_run(f.db, "BEGIN; INSERT INTO t VALUES('f', 4); INSERT INTO o VALUES(1); COMMIT");
        assert_int_equal(count_marks(f.db, "main"), 1);
        kit_close(f.db);
    }
}

/* The prepare of the refused COMMIT would be committed by recovery; the ordinary row after it changes that. */
static void a_refused_commit_gets_a_mark_when_ordinary_rows_follow(void **state)
{
    struct fixture f;
    sqlite3 *reader = begin_refused_commit(&f);

    (void)state;
    kit_run(f.db, "INSERT INTO o VALUES(1)");
    kit_run(reader, "COMMIT");
    kit_run(f.db, "COMMIT");
    assert_int_equal(count_marks(f.db, "main"), 1);
    kit_expect(reader, "3|1\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM o)");
    kit_close(f.db);
    kit_close(reader);
}

/* ROLLBACK TO takes the mark back that the refused COMMIT has written: the next COMMIT writes it again. */
static void a_mark_that_was_rolled_back_is_made_again(void **state)
{
    struct fixture f;
    sqlite3 *reader;

    (void)state;
    open_mode(&f, "DELETE");
    forget_marks(f.db);
    reader = kit_open(f.path);
    kit_run(reader, "BEGIN; SELECT * FROM o");
    kit_run(f.db,
            "BEGIN; INSERT INTO kv VALUES('c', 3); INSERT INTO o VALUES(1); SAVEPOINT s; INSERT INTO o VALUES(2)");
    kit_fails(f.db, SQLITE_BUSY, "database is locked", "COMMIT");
    kit_run(f.db, "ROLLBACK TO s");
    kit_fails(f.db, SQLITE_BUSY, "database is locked", "COMMIT");
    kit_run(reader, "COMMIT");
    kit_run(f.db, "COMMIT");
    assert_int_equal(count_marks(f.db, "main"), 1);
    kit_expect(reader, "3|1\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM o)");
    kit_close(f.db);
    kit_close(reader);
}

static void several_databases_commit_and_roll_back_together(void **state)
{
    struct fixture f;
    size_t i;

    (void)state;
    for (i = 0; i < MODES; i++) {
        open_mode(&f, modes[i]);
        kit_run(f.db, "ATTACH '%q-a' AS a; PRAGMA a.journal_mode = %s; CREATE TABLE a.p(x)", f.path, modes[i]);
        kit_run(f.db, "CREATE VIRTUAL TABLE temp.t USING lsmkv('test.db-lsmkv', table = kv)");
        kit_run(f.db, "CREATE VIRTUAL TABLE a.own USING lsmkv(id INTEGER PRIMARY KEY)");
        forget_marks(f.db);
        kit_run(f.db,
                "BEGIN; INSERT INTO p VALUES(1); INSERT INTO kv VALUES('c', 3); INSERT INTO own VALUES(1); COMMIT");
        assert_int_equal(count_marks(f.db, "main"), 2); /* main was written through kv: one of each store */
        kit_run(f.db, "BEGIN; INSERT INTO t VALUES('d', 4); INSERT INTO p VALUES(2); COMMIT");
        assert_int_equal(count_marks(f.db, "main"), 2);
        assert_true(count_marks(f.db, "a") > 0);
        kit_run(f.db, "BEGIN; DELETE FROM own; DELETE FROM t; DELETE FROM p; INSERT INTO o VALUES(1); ROLLBACK");
        kit_expect(f.db, "4|1|2|0\n",
                   "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM own), (SELECT count(*) FROM p), "
                   "(SELECT count(*) FROM o)");
        kit_close(f.db);
    }
}

/* Another connection that is just writing to the database of the marker makes COMMIT wait, and say BUSY, not fail. */
static void a_locked_database_of_the_marker_is_busy(void **state)
{
    const char *dir = test_dir(), *path = kit_path(dir, "file.db");
    sqlite3 *db = kit_open(path), *other = kit_open(path);

    (void)state;
    kit_run(db, "CREATE TABLE o(x)");
    kit_run(db, "CREATE VIRTUAL TABLE temp.one USING lsmkv('%q/one', a PRIMARY KEY)", dir);
    kit_run(db, "CREATE VIRTUAL TABLE temp.two USING lsmkv('%q/two', a PRIMARY KEY)", dir);
    kit_run(other, "BEGIN IMMEDIATE; INSERT INTO o VALUES(1)");
    kit_run(db, "BEGIN; INSERT INTO one VALUES(1); INSERT INTO two VALUES(1)");
    kit_fails(db, SQLITE_BUSY, "locked", "COMMIT");
    assert_false(sqlite3_get_autocommit(db));
    kit_run(other, "COMMIT");
    kit_run(db, "COMMIT");
    kit_expect(db, "1|1\n", "SELECT (SELECT count(*) FROM one), (SELECT count(*) FROM two)");
    kit_close(db);
    kit_close(other);
}

/* ---- Others meanwhile ---- */

/* A connection that writes to the store of `f` without its database file. */
static sqlite3 *open_beside(const struct fixture *f)
{
    sqlite3 *db = kit_open(":memory:");

    kit_run(db, "CREATE VIRTUAL TABLE v USING lsmkv('%q-lsmkv', table = kv); PRAGMA busy_timeout = 1", f->path);
    return db;
}

/* A COMMIT that SQLite refuses may stay so for minutes: it holds nothing that keeps other writers from committing. */
static void others_commit_while_a_commit_is_refused(void **state)
{
    static const char *const ends[] = {"COMMIT", "UPDATE kv SET value = 0 WHERE key = 'c'; COMMIT",
                                       "INSERT INTO o VALUES(1); COMMIT", "ROLLBACK"};
    struct fixture f;
    size_t i;
    int n;

    (void)state;
    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        sqlite3 *reader = begin_refused_commit(&f), *other = open_beside(&f);

        for (n = 0; n < 20; n++)
            kit_run(other, "INSERT INTO v VALUES(%d, 0)", n);
        kit_run(other, "BEGIN; SELECT * FROM v WHERE key = 'a'; UPDATE v SET value = 7 WHERE key = 'a'; COMMIT");
        kit_fails(f.db, SQLITE_BUSY, "database is locked", "COMMIT");
        kit_run(other, "INSERT INTO v VALUES(20, 0)");
        kit_run(reader, "COMMIT");
        kit_run(f.db, ends[i]);
        kit_expect(other, i == 3 ? "23|0\n" : "24|1\n", "SELECT count(*), sum(key = 'c') FROM v");
        kit_close(f.db);
        kit_close(other);
        kit_close(reader);
    }
}

/* Who reads lsmkv rows and changes ordinary ones by them is told when they are no more so. */
static void ordinary_rows_are_not_committed_on_stale_reads(void **state)
{
    struct fixture f;
    sqlite3 *other;
    size_t i;

    (void)state;
    for (i = 0; i < MODES; i++) {
        open_mode(&f, modes[i]);
        other = open_beside(&f);
        kit_run(f.db, "BEGIN; INSERT INTO o SELECT value FROM kv WHERE key = 'a'");
        kit_run(other, "UPDATE v SET value = 5 WHERE key = 'b'");
        kit_run(f.db, "COMMIT");
        kit_run(f.db, "BEGIN; INSERT INTO o SELECT value FROM kv WHERE key = 'a'");
        kit_run(other, "UPDATE v SET value = 5 WHERE key = 'a'");
        assert_int_equal(kit_try(f.db, "COMMIT"), SQLITE_BUSY_SNAPSHOT);
        assert_true(sqlite3_get_autocommit(f.db));
        kit_expect(f.db, "1\n", "SELECT x FROM o");
        kit_close(f.db);
        kit_close(other);
    }
}

/* Two stores: whoever holds the one does not wait for the other, so two of them cannot wait for each other. */
static void a_writer_of_two_stores_is_busy_at_once(void **state)
{
    sqlite3_stmt *statement = NULL;
    struct fixture f;
    sqlite3 *other;

    (void)state;
    open_mode(&f, "WAL");
    kit_run(f.db, "CREATE VIRTUAL TABLE far USING lsmkv('%q-far', a INTEGER PRIMARY KEY, sync = off)", f.path);
    kit_run(f.db, "PRAGMA busy_timeout = 60000");
    other = kit_open(":memory:");
    kit_run(other, "CREATE VIRTUAL TABLE w USING lsmkv('%q-far', table = far)", f.path);
    assert_int_equal(sqlite3_prepare_v2(other, "INSERT INTO w VALUES(1), (2) RETURNING a", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    kit_run(
        f.db,
        "CREATE TRIGGER both AFTER INSERT ON o BEGIN INSERT INTO kv VALUES(new.x, 0); INSERT INTO far VALUES(9); END");
    assert_int_equal(kit_try(f.db, "INSERT INTO o VALUES('c')"), SQLITE_BUSY);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    kit_run(f.db, "INSERT INTO o VALUES('c')");
    kit_expect(f.db, "3|3\n", "SELECT (SELECT count(*) FROM kv), (SELECT count(*) FROM far)");
    kit_close(f.db);
    kit_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_commit_can_be_rolled_back),
        cmocka_unit_test(a_refused_commit_can_be_retried),
        cmocka_unit_test(a_refused_commit_can_be_extended),
        cmocka_unit_test(a_commit_hook_can_veto),
        cmocka_unit_test(a_veto_in_wal_mode_undoes_both_where_ordinary_rows_changed),
        cmocka_unit_test(ordinary_and_lsmkv_rows_commit_and_roll_back_together),
        cmocka_unit_test(the_marker_leaves_no_trace_in_the_counts),
        cmocka_unit_test(marks_are_freed_when_they_are_needed_no_more),
        cmocka_unit_test(what_changes_only_the_first_page_counts_too),
        cmocka_unit_test(atomic_always_follows_a_veto_in_wal_mode),
        cmocka_unit_test(two_stores_need_a_database_file_for_the_marker),
        cmocka_unit_test(two_stores_commit_and_roll_back_together),
        cmocka_unit_test(a_mark_is_made_only_where_sqlite_commits_something),
        cmocka_unit_test(a_refused_commit_gets_a_mark_when_ordinary_rows_follow),
        cmocka_unit_test(a_mark_that_was_rolled_back_is_made_again),
        cmocka_unit_test(several_databases_commit_and_roll_back_together),
        cmocka_unit_test(a_locked_database_of_the_marker_is_busy),
        cmocka_unit_test(others_commit_while_a_commit_is_refused),
        cmocka_unit_test(ordinary_rows_are_not_committed_on_stale_reads),
        cmocka_unit_test(a_writer_of_two_stores_is_busy_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
