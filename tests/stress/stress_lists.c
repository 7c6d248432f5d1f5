/*
 * stress_lists.c - connections append to lists and read them through SQL; what they saw has a serial order, as
 * list_append.h finds it. With validation off it has none, which shows that the checker looks.
 *
 * Each thread has a connection of its own on one store: some with TEMP tables, one of these beside a database file that it
 * writes too, two with the tables in one database file. Lists with an even number are rows, one an element; the others are
 * one row with a text. Statements outside of transactions are mixed with transactions, savepoints are rolled back, COMMITs
 * that were refused are repeated, and the store flushes in between.
 *
 * Usage: stress_lists [transactions]. The seed is printed and taken from LSMKV_TEST_SEED.
 */
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "ext/entry.h"
#include "store/validate.h"
#include "support/list_append.h"

#define THREADS      6
#define NOTED        3   /* the first thread with a database file; those before it have none */
#define SHARED_FILE  4   /* the first thread whose lsmkv tables are in a database file, the same for all */
#define LISTS_NEAR   6   /* that are in use at one time */
#define LIST_LIFE    200 /* committed transactions, then others are: lists stay short */
#define ELEMENTS_MAX 4096
#define COMMITS_MAX  50   /* attempts */
#define FLUSH_EVERY  1000 /* transactions, about */
#define NOBODY       UINT32_MAX

struct work {
    const char *dir; /* for the store and database files */
    struct list_history *history;
    size_t total;   /* transactions to commit */
    bool own_lists; /* a thread appends to lists that no other one appends to */
    atomic_size_t committed;
};

struct counts {
    size_t alone;     /* committed statements outside of transactions */
    size_t conflicts; /* at COMMIT */
    size_t refused;   /* COMMITs that were to be repeated */
    size_t given_up;  /* BUSY */
    size_t undone;    /* rolled back to a savepoint */
    size_t notes;     /* rows committed to the ordinary table */
};

struct worker {
    struct work *work;
    int number;
    uint64_t random;
    sqlite3 *db;
    size_t first_list; /* of those in use */
    uint32_t transaction;
    uint32_t doomed; /* whose elements are going to be rolled back; NOBODY */
    bool alone;      /* one statement is all */
    bool busy;       /* a statement was told so */
    char failed[300];
    struct counts counts;
};

struct elements {
    uint32_t at[ELEMENTS_MAX];
    size_t count;
};

/* ---- SQL. cmocka's checks do not work in threads: a failure is noted and looked at later ---- */

static bool has_ended(const struct worker *worker)
{
    return worker->busy || worker->failed[0];
}

static void note_failure(struct worker *worker, int rc, const char *sql)
{
    if ((rc & 0xff) == SQLITE_BUSY)
        worker->busy = true;
    else if (!worker->failed[0])
        snprintf(worker->failed, sizeof(worker->failed), "%.120s: %d %.150s", sql, rc, sqlite3_errmsg(worker->db));
}

static void add_element(struct worker *worker, struct elements *elements, uint32_t element)
{
    if (elements->count < ELEMENTS_MAX)
        elements->at[elements->count++] = element;
    else
        snprintf(worker->failed, sizeof(worker->failed), "a list is too long");
}

/* A number, or a text with one behind each element. */
static void add_column(struct worker *worker, struct elements *elements, sqlite3_stmt *statement)
{
    const char *at = (const char *)sqlite3_column_text(statement, 0);
    char *end;

    while (at && *at) {
        add_element(worker, elements, (uint32_t)strtoul(at, &end, 10));
        at = *end ? end + 1 : end;
    }
}

/* Runs one statement, unless an earlier one has failed; the first column goes to `elements`, if given. */
static bool query(struct worker *worker, struct elements *elements, const char *format, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list arguments;
    char *sql;
    int rc;

    if (has_ended(worker))
        return false;
    va_start(arguments, format);
    sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    rc = sqlite3_prepare_v2(worker->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
            if (elements)
                add_column(worker, elements, statement);
        }
    }
    if (rc != SQLITE_DONE)
        note_failure(worker, rc, sql);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return !has_ended(worker);
}

static uint32_t number_of(struct worker *worker, const char *sql, size_t list)
{
    struct elements *result = calloc(1, sizeof(*result));
    uint32_t number = 0;

    if (result && query(worker, result, sql, (int)list) && result->count)
        number = result->at[0];
    free(result);
    return number;
}

/* ---- Reading ---- */

#define WAYS 4 /* of reading a list of rows; the last one takes several statements */

static void read_rows(struct worker *worker, struct elements *elements, size_t list, unsigned way)
{
    int number = (int)list;
    uint32_t count;

    switch (way) {
    case 0:
        query(worker, elements, "SELECT element FROM row WHERE list = %d ORDER BY position", number);
        break;
    case 1:
        query(worker, elements, "SELECT element FROM row WHERE label = 'list %d' ORDER BY position", number);
        break;
    case 2:
        query(worker, elements,
              "SELECT element FROM row WHERE (list, position) > (%d, 0) AND list < %d ORDER BY "
              "list, position",
              number, number + 1);
        break;
    default:
        count = number_of(worker, "SELECT count(*) FROM row WHERE list = %d", list);
        for (uint32_t position = 1; position <= count; position++)
            query(worker, elements, "SELECT element FROM row WHERE list = %d AND position = %u", number, position);
    }
}

/* What is going to be rolled back is at the end, and no part of the history. */
static void record_read(struct worker *worker, size_t list, struct elements *elements)
{
    while (elements->count && elements->at[elements->count - 1] / LIST_ELEMENTS_MAX == worker->doomed)
        elements->count--;
    list_read(worker->work->history, worker->transaction, list, elements->at, elements->count);
}

static void read_list(struct worker *worker, size_t list, unsigned way)
{
    struct elements *elements = calloc(1, sizeof(*elements));

    if (!elements)
        abort();
    if (list % 2)
        query(worker, elements, "SELECT elements FROM line WHERE list = %d", (int)list);
    else
        read_rows(worker, elements, list, way);
    if (!has_ended(worker))
        record_read(worker, list, elements);
    free(elements);
}

static void read_some(struct worker *worker)
{
    size_t list = worker->first_list + test_random(&worker->random) % LISTS_NEAR;

    read_list(worker, list, (unsigned)(test_random(&worker->random) % (worker->alone ? WAYS - 1 : WAYS)));
}

/* ---- Appending ---- */

static void append_row(struct worker *worker, size_t list, uint32_t element)
{
    int number = (int)list;
    uint32_t last;

    if (worker->alone || test_random(&worker->random) % 2) {
        query(worker, NULL, "INSERT INTO row SELECT %d, 1 + count(*), %u, 'list %d' FROM row WHERE list = %d", number,
              element, number, number);
        return;
    }
    last = number_of(worker, "SELECT ifnull(max(position), 0) FROM row WHERE list = %d", list);
    query(worker, NULL, "INSERT INTO row VALUES(%d, %u, %u, 'list %d')", number, last + 1, element, number);
}

static void append_to_line(struct worker *worker, size_t list, uint32_t element)
{
    int number = (int)list;

    if (worker->alone || test_random(&worker->random) % 2) {
        query(worker, NULL,
              "REPLACE INTO line SELECT %d, ifnull((SELECT elements FROM line WHERE list = %d), '') || '%u '", number,
              number, element);
        return;
    }
    if (query(worker, NULL, "UPDATE line SET elements = elements || '%u ' WHERE list = %d", element, number) &&
        !sqlite3_changes(worker->db))
        query(worker, NULL, "INSERT INTO line VALUES(%d, '%u ')", number, element);
}

static void append_some(struct worker *worker)
{
    uint32_t writer = worker->doomed == NOBODY ? worker->transaction : worker->doomed, element;
    size_t list = worker->first_list + test_random(&worker->random) % LISTS_NEAR;

    if (worker->work->own_lists)
        list = worker->first_list + (size_t)worker->number % LISTS_NEAR;
    element = list_append(worker->work->history, writer, list);
    if (list % 2)
        append_to_line(worker, list, element);
    else
        append_row(worker, list, element);
}

/* ---- Transactions ---- */

static void do_some(struct worker *worker, unsigned most)
{
    unsigned steps = 1 + (unsigned)(test_random(&worker->random) % most);

    for (unsigned i = 0; i < steps && !has_ended(worker); i++) {
        if (test_random(&worker->random) % 2)
            append_some(worker);
        else
            read_some(worker);
        if (!worker->alone)
            sched_yield();
    }
}

/* The elements of what is rolled back have a name of their own, which never commits: nobody may see them. */
static void do_and_undo(struct worker *worker)
{
    query(worker, NULL, "SAVEPOINT inner");
    worker->doomed = list_begin(worker->work->history);
    do_some(worker, 3);
    query(worker, NULL, "ROLLBACK TO inner");
    worker->doomed = NOBODY;
    if (test_random(&worker->random) % 2)
        query(worker, NULL, "RELEASE inner");
    worker->counts.undone++;
}

static void do_nested(struct worker *worker)
{
    query(worker, NULL, "SAVEPOINT outer");
    do_some(worker, 2);
    do_and_undo(worker);
    do_some(worker, 2);
    query(worker, NULL, "RELEASE outer");
}

/* Repeats a COMMIT that was refused, sometimes after having read more. */
static int commit(struct worker *worker)
{
    int rc = SQLITE_OK;

    for (unsigned i = 0; i < COMMITS_MAX; i++) {
        rc = sqlite3_exec(worker->db, "COMMIT", NULL, NULL, NULL);
        if (rc != SQLITE_BUSY)
            return rc;
        worker->counts.refused++;
        if (test_random(&worker->random) % 2)
            read_some(worker);
        if (has_ended(worker))
            return rc;
    }
    return rc;
}

static void give_up(struct worker *worker)
{
    if (!sqlite3_get_autocommit(worker->db))
        sqlite3_exec(worker->db, "ROLLBACK", NULL, NULL, NULL);
    worker->counts.given_up++;
}

static void note_commit(struct worker *worker)
{
    list_commit(worker->work->history, worker->transaction);
    atomic_fetch_add(&worker->work->committed, 1);
}

static void end_transaction(struct worker *worker, bool noted)
{
    int rc = worker->busy ? SQLITE_BUSY : commit(worker);

    if (rc == SQLITE_OK) {
        note_commit(worker);
        worker->counts.notes += noted;
    } else if (rc == SQLITE_BUSY_SNAPSHOT && sqlite3_get_autocommit(worker->db)) {
        worker->counts.conflicts++;
    } else if ((rc & 0xff) == SQLITE_BUSY) {
        give_up(worker);
    } else {
        note_failure(worker, rc, "COMMIT");
    }
}

static void transact(struct worker *worker)
{
    bool noted = worker->number >= NOTED && test_random(&worker->random) % 2;
    bool immediate = worker->number >= NOTED && test_random(&worker->random) % 2;

    query(worker, NULL, immediate ? "BEGIN IMMEDIATE" : "BEGIN");
    do_some(worker, 4);
    if (test_random(&worker->random) % 6 == 0)
        do_nested(worker);
    if (noted)
        query(worker, NULL, "INSERT INTO note VALUES(%u)", worker->transaction);
    if (worker->failed[0])
        return;
    end_transaction(worker, noted);
}

static void state_alone(struct worker *worker)
{
    do_some(worker, 1);
    if (worker->busy) {
        give_up(worker);
        return;
    }
    note_commit(worker);
    worker->counts.alone++;
}

/* ---- Threads ---- */

static bool begin_next(struct worker *worker)
{
    size_t done = atomic_load(&worker->work->committed);

    if (done >= worker->work->total || worker->failed[0])
        return false;
    worker->first_list = done / LIST_LIFE * LISTS_NEAR;
    worker->transaction = list_begin(worker->work->history);
    worker->doomed = NOBODY;
    worker->busy = false;
    worker->alone = test_random(&worker->random) % 5 == 0;
    if (test_random(&worker->random) % FLUSH_EVERY == 0)
        query(worker, NULL, "SELECT lsmkv_flush('row')");
    return true;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;

    while (begin_next(worker)) {
        if (worker->alone)
            state_alone(worker);
        else
            transact(worker);
    }
    return NULL;
}

static void run_sql(sqlite3 *db, const char *format, ...)
{
    va_list arguments;
    char *sql;

    va_start(arguments, format);
    sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_free(sql);
}

/* A database file keeps its journal on the way that makes COMMIT meet readers: DELETE where it is shared. */
static sqlite3 *connect_to(const char *dir, int number)
{
    char path[600], *message = NULL;
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/file%d.db", dir, number < SHARED_FILE ? number : SHARED_FILE);
    assert_int_equal(sqlite3_open(number < NOTED ? ":memory:" : path, &db), SQLITE_OK);
    sqlite3_extended_result_codes(db, 1);
    if ((sqlite3_lsmkv_init(db, &message, NULL) & 0xff) != SQLITE_OK)
        fail_msg("sqlite3_lsmkv_init: %s", message);
    sqlite3_busy_timeout(db, number % 2 ? 1 : 50);
    if (number >= NOTED)
        run_sql(db, "PRAGMA journal_mode = %s; PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS note(number)",
                number < SHARED_FILE ? "WAL" : "DELETE");
    if (number < SHARED_FILE)
        run_sql(db,
                "CREATE VIRTUAL TABLE temp.row USING lsmkv('%q/store', table = row);"
                "CREATE VIRTUAL TABLE temp.line USING lsmkv('%q/store', table = line)",
                dir, dir);
    return db;
}

/* The tables belong to the database file that two connections share. */
static void make_tables(const char *dir)
{
    sqlite3 *db = connect_to(dir, SHARED_FILE);

    run_sql(
        db,
        "CREATE VIRTUAL TABLE row USING lsmkv('%q/store', list INTEGER, position INTEGER, element INTEGER, label TEXT,"
        " PRIMARY KEY (list, position), INDEX by_label (label), memtable_size = '64KB', sync = off);"
        "CREATE VIRTUAL TABLE line USING lsmkv('%q/store', list INTEGER PRIMARY KEY, elements TEXT)",
        dir, dir);
    sqlite3_close(db);
}

/* ---- The end ---- */

static void check_worker(const struct worker *worker)
{
    if (worker->failed[0])
        fail_msg("thread %d: %s", worker->number, worker->failed);
}

/* All lists in each way, as one transaction: the last one. */
static void read_all(struct work *work, size_t lists)
{
    struct worker worker = {.work = work, .db = connect_to(work->dir, 0), .doomed = NOBODY};

    worker.transaction = list_begin(work->history);
    run_sql(worker.db, "BEGIN");
    for (size_t list = 0; list < lists; list++) {
        for (unsigned way = 0; way < WAYS; way++)
            read_list(&worker, list, way);
    }
    run_sql(worker.db, "COMMIT");
    list_commit(work->history, worker.transaction);
    check_worker(&worker);
    assert_false(worker.busy);
    sqlite3_close(worker.db);
}

/* Rows of ordinary tables have committed with the lists, and only so. */
static void check_notes(struct work *work, const struct worker workers[THREADS])
{
    for (int file = NOTED; file <= SHARED_FILE; file++) {
        struct worker worker = {.work = work, .db = connect_to(work->dir, file)};
        size_t notes = 0;

        for (int i = file; i < (file == SHARED_FILE ? THREADS : file + 1); i++)
            notes += workers[i].counts.notes;
        assert_int_equal(number_of(&worker, "SELECT count(DISTINCT number) FROM note", 0), notes);
        assert_int_equal(number_of(&worker, "SELECT count(*) FROM note", 0), notes);
        sqlite3_close(worker.db);
    }
}

static void add_counts(struct counts *all, const struct counts *some)
{
    all->alone += some->alone;
    all->conflicts += some->conflicts;
    all->refused += some->refused;
    all->given_up += some->given_up;
    all->undone += some->undone;
    all->notes += some->notes;
}

static void run_threads(struct work *work, struct worker workers[THREADS], struct counts *counts)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        workers[i] = (struct worker){
            .work = work, .number = i, .random = test_seed() + (uint64_t)i, .db = connect_to(work->dir, i)};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_worker, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        check_worker(&workers[i]);
        add_counts(counts, &workers[i].counts);
    }
    check_notes(work, workers);
    for (int i = 0; i < THREADS; i++)
        sqlite3_close(workers[i].db);
}

/* Runs all threads; whether there is a serial order. */
static bool run_work(bool own_lists, size_t total, struct counts *counts, char why[200])
{
    struct work work = {.dir = test_dir(), .total = total, .own_lists = own_lists};
    size_t lists = (total / LIST_LIFE + 1) * LISTS_NEAR;
    struct worker *workers = calloc(THREADS, sizeof(*workers));
    bool good;

    assert_non_null(workers);
    *counts = (struct counts){0};
    work.history = list_history_new(lists);
    make_tables(work.dir);
    run_threads(&work, workers, counts);
    read_all(&work, lists);
    good = list_check(work.history, why, 200);
    print_message(
        "%zu committed, %zu of them alone, %zu with rows of ordinary tables; %zu conflicts, %zu COMMITs repeated, "
        "%zu given up as busy, %zu savepoints rolled back%s%s\n",
        list_committed(work.history), counts->alone, counts->notes, counts->conflicts, counts->refused,
        counts->given_up, counts->undone, good ? "" : "; ", why);
    list_history_free(work.history);
    free(workers);
    return good;
}

/* ---- Tests ---- */

static size_t transactions;

static void committed_transactions_have_a_serial_order(void **state)
{
    struct counts counts;
    char why[200];

    (void)state;
    if (!run_work(false, transactions, &counts, why))
        fail_msg("%s", why);
    assert_true(counts.alone && counts.conflicts && counts.undone && counts.notes);
    if (!run_work(true, transactions / 4, &counts, why))
        fail_msg("%s", why);
}

/* Nobody appends to another's list, so nothing is lost: only reads tell. */
static void without_validation_there_is_a_cycle(void **state)
{
    struct counts counts;
    char why[200];
    bool found = false;

    (void)state;
    validation_off_for_tests(true);
    for (unsigned round = 0; round < 20 && !found; round++)
        found = !run_work(true, 600, &counts, why) && strstr(why, "cycle");
    validation_off_for_tests(false);
    assert_true(found);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_transactions_have_a_serial_order),
        cmocka_unit_test(without_validation_there_is_a_cycle),
    };

    transactions = argc > 1 ? strtoull(argv[1], NULL, 10) : test_scaled(2500);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
