/*
 * bank.c - concurrent transfers between accounts: the sum stays, and acknowledged transfers survive kill -9.
 *
 * A child process runs THREADS threads, each with a connection of its own and TEMP tables on one store. A transfer reads
 * two balances, changes both and adds a row to a journal, in one transaction; it is reported through a pipe once COMMIT
 * has returned. One more thread sums all balances all the time. The parent kills the child at a random moment; another
 * child opens the store and checks that
 *   (1) the sum is what it was at the beginning,
 *   (2) every balance follows from the journal, so that no transfer was made on a stale balance,
 *   (3) every acknowledged transfer is in the journal, as it was reported,
 *   (4) the journal's index agrees with it.
 *
 * Usage: bank [cycles]. The seed is printed and taken from LSMKV_TEST_SEED.
 */
#include "support/test.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

int sqlite3_lsmkv_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

#define THREADS  8
#define ACCOUNTS 40 /* few, so that transfers meet */
#define INITIAL  1000
#define KILL_MAX 600 /* acknowledged transfers before the kill, at most */

struct transfer {
    int64_t thread, number; /* the journal's key */
    int64_t source, target, amount;
};

struct teller {
    const char *store;
    int64_t thread, next;
    uint64_t state; /* of its random numbers */
    int pipe_end;
    sqlite3 *db;
    pthread_t handle;
};

/* What was acknowledged so far, in the order of the reports. */
struct journal {
    struct transfer *items;
    size_t count, capacity;
};

static uint64_t seed;
static size_t cycles;

/* ---- Children: they never return to the test framework ---- */

static void die(const char *what, sqlite3 *db)
{
    printf("seed %" PRIu64 ": %s: %s\n", seed, what, db ? sqlite3_errmsg(db) : "");
    fflush(stdout);
    _exit(1);
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, db);
}

static sqlite3 *open_tables(const char *store)
{
    sqlite3 *db = NULL;
    char *message = NULL, *sql;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK || (sqlite3_lsmkv_init(db, &message, NULL) & 0xff) != SQLITE_OK)
        die("open", db);
    sqlite3_busy_timeout(db, 60000);
    sql = sqlite3_mprintf(
        "CREATE VIRTUAL TABLE temp.account USING lsmkv(%Q, id INTEGER PRIMARY KEY, balance INTEGER NOT "
        "NULL, memtable_size = '64KB', base_level_size = '256KB');"
        "CREATE VIRTUAL TABLE temp.journal USING lsmkv(%Q, thread INTEGER, number INTEGER, source INTEGER "
        "NOT NULL, target INTEGER NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (thread, number), "
        "INDEX by_source (source));",
        store, store);
    run(db, sql);
    sqlite3_free(sql);
    return db;
}

static sqlite3_int64 number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_int64 number;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
        die(sql, db);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static void check_sum(sqlite3 *db)
{
    if (number_of(db, "SELECT sum(balance) FROM account") != (sqlite3_int64)ACCOUNTS * INITIAL)
        die("the sum of all balances has changed", NULL);
}

/* A conflict is known at COMMIT; where SQLite refuses COMMIT for the moment it is repeated. False: repeat the transfer. */
static bool commit(sqlite3 *db)
{
    int rc;

    do {
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    } while (rc == SQLITE_BUSY && sqlite3_extended_errcode(db) == SQLITE_BUSY);
    if (rc == SQLITE_OK)
        return true;
    if (sqlite3_extended_errcode(db) != SQLITE_BUSY_SNAPSHOT)
        die("COMMIT", db);
    if (!sqlite3_get_autocommit(db))
        die("a transaction in conflict is still open", NULL);
    return false;
}

static bool try_transfer(struct teller *teller, const struct transfer *transfer, bool give_up)
{
    char sql[400];

    run(teller->db, "BEGIN");
    snprintf(sql, sizeof(sql), "SELECT balance FROM account WHERE id = %" PRId64, transfer->source);
    if (number_of(teller->db, sql) >= transfer->amount) {
        snprintf(sql, sizeof(sql),
                 "UPDATE account SET balance = balance - %" PRId64 " WHERE id = %" PRId64
                 "; UPDATE account SET balance = balance + %" PRId64 " WHERE id = %" PRId64,
                 transfer->amount, transfer->source, transfer->amount, transfer->target);
        run(teller->db, sql);
        snprintf(sql, sizeof(sql),
                 "INSERT INTO journal VALUES(%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 ")",
                 transfer->thread, transfer->number, transfer->source, transfer->target, transfer->amount);
        run(teller->db, sql);
    } else {
        give_up = true;
    }
    if (give_up) {
        run(teller->db, "ROLLBACK");
        return false;
    }
    return commit(teller->db);
}

static void *transfer_for_ever(void *context)
{
    struct teller *teller = context;

    for (;;) {
        struct transfer transfer = {.thread = teller->thread, .number = teller->next};

        transfer.source = (int64_t)(test_random(&teller->state) % ACCOUNTS);
        transfer.target = (transfer.source + 1 + (int64_t)(test_random(&teller->state) % (ACCOUNTS - 1))) % ACCOUNTS;
        transfer.amount = 1 + (int64_t)(test_random(&teller->state) % 50);
        if (!try_transfer(teller, &transfer, test_random(&teller->state) % 10 == 0))
            continue;
        teller->next++;
        if (write(teller->pipe_end, &transfer, sizeof(transfer)) != (ssize_t)sizeof(transfer))
            _exit(0); /* the parent is gone */
    }
    return NULL;
}

static void run_bank(const char *store, uint64_t state, int pipe_end)
{
    struct teller tellers[THREADS];
    sqlite3 *watcher = open_tables(store);

    for (int i = 0; i < THREADS; i++) {
        char sql[100];
        struct teller *teller = &tellers[i];

        *teller = (struct teller){.store = store, .thread = i, .pipe_end = pipe_end, .state = test_random(&state)};
        teller->db = open_tables(store);
        snprintf(sql, sizeof(sql), "SELECT ifnull(max(number), 0) + 1 FROM journal WHERE thread = %d", i);
        teller->next = number_of(teller->db, sql);
    }
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&tellers[i].handle, NULL, transfer_for_ever, &tellers[i]))
            die("pthread_create", NULL);
    }
    for (;;)
        check_sum(watcher);
}

static void create_accounts(const char *store)
{
    sqlite3 *db = open_tables(store);

    run(db, "BEGIN");
    for (int i = 0; i < ACCOUNTS; i++) {
        char sql[100];

        snprintf(sql, sizeof(sql), "INSERT INTO account VALUES(%d, %d)", i, INITIAL);
        run(db, sql);
    }
    run(db, "COMMIT");
    sqlite3_close(db);
}

/* ---- Checking ---- */

static void check_acknowledged(sqlite3 *db, const struct journal *journal)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(db, "SELECT source, target, amount FROM journal WHERE thread = ?1 AND number = ?2", -1,
                           &statement, NULL) != SQLITE_OK)
        die("prepare", db);
    for (size_t i = 0; i < journal->count; i++) {
        const struct transfer *transfer = &journal->items[i];

        sqlite3_bind_int64(statement, 1, transfer->thread);
        sqlite3_bind_int64(statement, 2, transfer->number);
        if (sqlite3_step(statement) != SQLITE_ROW)
            die("an acknowledged transfer is lost", NULL);
        if (sqlite3_column_int64(statement, 0) != transfer->source ||
            sqlite3_column_int64(statement, 1) != transfer->target ||
            sqlite3_column_int64(statement, 2) != transfer->amount)
            die("a transfer is not what was acknowledged", NULL);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
}

static void verify(const char *store, const struct journal *journal)
{
    sqlite3 *db = open_tables(store);
    char sql[200];

    check_sum(db);
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM account WHERE balance <> %d + (SELECT total(amount) FROM journal WHERE target = id)"
             " - (SELECT total(amount) FROM journal WHERE source = id)",
             INITIAL);
    if (number_of(db, sql))
        die("a balance does not follow from the journal", NULL);
    check_acknowledged(db, journal);
    if (number_of(db, "SELECT count(amount) FROM journal") !=
        number_of(db, "SELECT sum((SELECT count(*) FROM journal WHERE source = id)) FROM account"))
        die("the index does not agree with the journal", NULL);
    if (sqlite3_close(db) != SQLITE_OK)
        die("close", db);
}

/* ---- The parent ---- */

/* The next report from the pipe, false at its end. Reports are shorter than PIPE_BUF, so they come whole. */
static bool next_report(int pipe_end, struct journal *journal)
{
    struct transfer transfer;
    ssize_t got;

    do {
        got = read(pipe_end, &transfer, sizeof(transfer));
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(transfer))
        return false;
    if (journal->count == journal->capacity) {
        journal->capacity = journal->capacity ? 2 * journal->capacity : 1024;
        journal->items = realloc(journal->items, journal->capacity * sizeof(*journal->items));
        assert_non_null(journal->items);
    }
    journal->items[journal->count++] = transfer;
    return true;
}

static void transfer_and_kill(const char *store, struct journal *journal, uint64_t *state)
{
    size_t wanted = journal->count + test_random(state) % KILL_MAX;
    struct timespec moment = {0, (long)(test_random(state) % 3000000)};
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        run_bank(store, test_random(state), ends[1]);
    }
    close(ends[1]);
    while (journal->count < wanted && next_report(ends[0], journal))
        ;
    nanosleep(&moment, NULL);
    kill(child, SIGKILL);
    while (next_report(ends[0], journal))
        ;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void in_child(void (*work)(const char *store, const struct journal *journal), const char *store,
                     const struct journal *journal)
{
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        work(store, journal);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void create(const char *store, const struct journal *journal)
{
    (void)journal;
    create_accounts(store);
}

static void transfers_keep_the_sum_and_survive_kills(void **unused)
{
    struct journal journal = {NULL, 0, 0};
    uint64_t state = seed;
    char store[512];

    (void)unused;
    snprintf(store, sizeof(store), "%s/bank", test_dir());
    in_child(create, store, &journal);
    for (size_t cycle = 0; cycle < cycles; cycle++) {
        transfer_and_kill(store, &journal, &state);
        in_child(verify, store, &journal);
    }
    printf("%zu kills, %zu acknowledged transfers\n", cycles, journal.count);
    free(journal.items);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_keep_the_sum_and_survive_kills),
    };

    seed = test_seed();
    cycles = argc > 1 ? strtoull(argv[1], NULL, 10) : test_scaled(10);
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
