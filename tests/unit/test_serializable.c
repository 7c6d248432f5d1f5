/*
 * test_serializable.c - many threads append to lists and read them in optimistic transactions; what they saw has a serial
 * order. With validation off it has none, which shows that the checker looks.
 */
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "os/fs.h"
#include "store/validate.h"
#include "support/list_append.h"
#include "support/store_kit.h"

#define THREADS   4
#define KEYS_NEAR 6  /* that are in use at one time */
#define KEY_LIFE  40 /* transactions of a thread, then others are: lists stay short */

struct work {
    struct db db;
    struct list_history *history;
    size_t rounds; /* transactions of each thread */
    bool own_keys; /* a thread appends to keys that no other one appends to */
};

struct worker {
    struct work *work;
    unsigned number;
    uint64_t random;
    struct lsmkv_session *session;
    const char *failed;
    size_t conflicts;
};

/* ---- The checker itself ---- */

static void checker_accepts_a_serial_order_and_refuses_others(void **state)
{
    struct list_history *history = list_history_new(2);
    uint32_t one = list_begin(history), two = list_begin(history), last;
    uint32_t x = list_append(history, one, 0), y = list_append(history, two, 1);
    char why[200];

    (void)state;
    list_commit(history, one);
    list_commit(history, two);
    last = list_begin(history);
    list_read(history, last, 0, &x, 1);
    list_read(history, last, 1, &y, 1);
    list_commit(history, last);
    assert_true(list_check(history, why, sizeof(why)));
    list_history_free(history);

    history = list_history_new(2); /* write skew */
    one = list_begin(history);
    two = list_begin(history);
    list_read(history, one, 1, NULL, 0);
    list_read(history, two, 0, NULL, 0);
    x = list_append(history, one, 0);
    y = list_append(history, two, 1);
    list_commit(history, one);
    list_commit(history, two);
    last = list_begin(history);
    list_read(history, last, 0, &x, 1);
    list_read(history, last, 1, &y, 1);
    list_commit(history, last);
    assert_false(list_check(history, why, sizeof(why)));
    assert_non_null(strstr(why, "cycle"));
    list_history_free(history);
}

static void checker_finds_lost_and_uncommitted_elements(void **state)
{
    struct list_history *history = list_history_new(1);
    uint32_t one = list_begin(history), two;
    uint32_t x = list_append(history, one, 0);
    char why[200];

    (void)state;
    list_commit(history, one);
    two = list_begin(history);
    list_read(history, two, 0, NULL, 0);
    list_commit(history, two);
    assert_false(list_check(history, why, sizeof(why)));
    list_history_free(history);

    history = list_history_new(1);
    one = list_begin(history);
    x = list_append(history, one, 0);
    two = list_begin(history);
    list_read(history, two, 0, &x, 1);
    list_commit(history, two);
    assert_false(list_check(history, why, sizeof(why)));
    assert_non_null(strstr(why, "did not commit"));
    list_history_free(history);
}

/* ---- Threads. cmocka's checks do not work in them: a failure is noted and looked at later ---- */

static struct lsmkv_slice key_of(size_t key, char name[16])
{
    snprintf(name, 16, "list%08zu", key);
    return text(name);
}

static bool get_list(struct worker *worker, size_t key, struct lsmkv_buf *list)
{
    char name[16];
    bool found = false;

    list->size = 0;
    if (lsmkv_get(worker->session, key_of(key, name), list, &found, NULL))
        worker->failed = "get";
    return found;
}

/* The same by a cursor, which reads the ranges around it too. */
static void scan_list(struct worker *worker, size_t key, struct lsmkv_buf *list)
{
    struct lsmkv_cursor *cursor = NULL;
    struct lsmkv_slice value;
    char name[16], next[16];

    list->size = 0;
    if (lsmkv_cursor_open(&cursor, worker->session, key_of(key, name), key_of(key + 1, next), NULL) ||
        lsmkv_cursor_first(cursor, NULL)) {
        worker->failed = "cursor";
    } else if (lsmkv_cursor_valid(cursor)) {
        value = lsmkv_cursor_value(cursor);
        get_list(worker, key, list); /* into the buffer; it is the same */
        if (list->size != value.size || memcmp(list->data, value.data, value.size) != 0)
            worker->failed = "cursor and get differ";
    }
    lsmkv_cursor_close(cursor);
}

static void read_list(struct worker *worker, uint32_t transaction, size_t key)
{
    struct lsmkv_buf list = LSMKV_BUF_INIT;

    if (test_random(&worker->random) % 3)
        get_list(worker, key, &list);
    else
        scan_list(worker, key, &list);
    list_read(worker->work->history, transaction, key, (const uint32_t *)(const void *)list.data, list.size / 4);
    lsmkv_buf_release(&list);
}

static void append_to_list(struct worker *worker, uint32_t transaction, size_t key)
{
    uint32_t element = list_append(worker->work->history, transaction, key);
    struct lsmkv_buf list = LSMKV_BUF_INIT;
    uint8_t bytes[4096];
    char name[16];

    get_list(worker, key, &list);
    if (list.size + sizeof(element) > sizeof(bytes)) {
        worker->failed = "a list is too long";
    } else {
        if (list.size)
            memcpy(bytes, list.data, list.size);
        memcpy(bytes + list.size, &element, sizeof(element));
        if (lsmkv_put(worker->session, key_of(key, name), (struct lsmkv_slice){bytes, list.size + sizeof(element)},
                      NULL))
            worker->failed = "put";
    }
    lsmkv_buf_release(&list);
}

static size_t choose_key(struct worker *worker, size_t round, bool append)
{
    size_t key = test_random(&worker->random) % KEYS_NEAR;

    if (append && worker->work->own_keys)
        key = worker->number % KEYS_NEAR;
    return round / KEY_LIFE * KEYS_NEAR + key;
}

static void transact(struct worker *worker, size_t round)
{
    bool exclusive = test_random(&worker->random) % 5 == 0;
    uint32_t transaction = list_begin(worker->work->history);
    unsigned steps = 1 + (unsigned)(test_random(&worker->random) % 4);
    enum lsmkv_status status;

    if (lsmkv_session_write(worker->session, exclusive ? LSMKV_WRITE_EXCLUSIVE : LSMKV_WRITE_OPTIMISTIC, 60000, NULL))
        worker->failed = "write";
    for (unsigned i = 0; i < steps && !worker->failed; i++) {
        bool append = test_random(&worker->random) % 2;

        if (append)
            append_to_list(worker, transaction, choose_key(worker, round, true));
        else
            read_list(worker, transaction, choose_key(worker, round, false));
        if (!exclusive)
            sched_yield();
    }
    status = lsmkv_session_commit(worker->session, 60000, NULL);
    if (!status)
        list_commit(worker->work->history, transaction);
    else if (status == LSMKV_BUSY_SNAPSHOT)
        worker->conflicts++;
    else
        worker->failed = "commit";
}

static bool is_sound(void *context, const struct lsmkv_transaction_info *info)
{
    struct worker *worker = context;

    if (info->state > LSMKV_TRANSACTION_WRITING || info->writes > LIST_ELEMENTS_MAX)
        worker->failed = "a transaction that is not so";
    return true;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;

    for (size_t i = 0; i < worker->work->rounds && !worker->failed; i++) {
        transact(worker, i);
        if (i % 16 == 0) /* the others are looked at while they work */
            lsmkv_transactions_each(worker->work->db.store, is_sound, worker);
    }
    return NULL;
}

static void read_all(struct work *work, size_t keys)
{
    struct worker worker = {.work = work, .random = 1, .session = work->db.session};
    uint32_t transaction = list_begin(work->history);

    for (size_t key = 0; key < keys; key++)
        read_list(&worker, transaction, key);
    list_commit(work->history, transaction);
    assert_null(worker.failed);
}

/* Runs all threads; whether there is a serial order. */
static bool run_work(bool own_keys, size_t rounds, size_t *conflicts, char why[200])
{
    struct work work = {.rounds = rounds, .own_keys = own_keys};
    size_t keys = (rounds / KEY_LIFE + 1) * KEYS_NEAR;
    struct os_fs *fs = os_memory_fs_new();
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    bool good;

    db_init(&work.db, fs, "store");
    db_open(&work.db);
    work.history = list_history_new(keys);
    *conflicts = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.work = &work, .number = i, .random = test_seed() + i};
        assert_ok(lsmkv_session_open(&workers[i].session, work.db.store, &work.db.err), &work.db.err);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_worker, &workers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        lsmkv_session_close(workers[i].session);
        *conflicts += workers[i].conflicts;
        if (workers[i].failed)
            fail_msg("thread %u: %s", i, workers[i].failed);
    }
    read_all(&work, keys);
    good = list_check(work.history, why, 200);
    print_message("%zu committed, %zu conflicts%s%s\n", list_committed(work.history), *conflicts, good ? "" : "; ",
                  why);
    list_history_free(work.history);
    db_end(&work.db);
    os_memory_fs_free(fs);
    return good;
}

static void committed_transactions_have_a_serial_order(void **state)
{
    size_t conflicts;
    char why[200];

    (void)state;
    assert_true(run_work(false, test_scaled(4000), &conflicts, why));
    assert_true(conflicts > 0);
    assert_true(run_work(true, test_scaled(4000), &conflicts, why));
}

/* Nobody appends to another's list, so nothing is lost: only reads tell. */
static void without_validation_there_is_a_cycle(void **state)
{
    size_t conflicts;
    char why[200];
    bool found = false;

    (void)state;
    validation_off_for_tests(true);
    for (unsigned round = 0; round < 20 && !found; round++)
        found = !run_work(true, 2000, &conflicts, why) && strstr(why, "cycle");
    validation_off_for_tests(false);
    assert_true(found);
    assert_int_equal(conflicts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checker_accepts_a_serial_order_and_refuses_others),
        cmocka_unit_test(checker_finds_lost_and_uncommitted_elements),
        cmocka_unit_test(committed_transactions_have_a_serial_order),
        cmocka_unit_test(without_validation_there_is_a_cycle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
