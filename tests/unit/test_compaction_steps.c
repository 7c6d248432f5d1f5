/*
 * test_compaction_steps.c - compaction by request, step by step: what the steps add up to, what is there when they end
 * early or fail, and many of them at the same time.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "os/fs.h"
#include "support/fault_fs.h"
#include "support/store_kit.h"

#define KEYS      5000
#define VALUE_MAX 1200 /* bytes */
#define ROUNDS    5
#define STEPS_MAX 100
#define IDLE_MS   60000 /* never waited for in full, unless a test fails */

struct fixture {
    struct os_fs *memory;
    struct fault_fs *faults;
    struct db db;
    unsigned model[KEYS]; /* length of the value; 0 = absent */
};

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->memory = os_memory_fs_new();
    assert_non_null(f->memory);
    f->faults = fault_fs_new(f->memory);
    db_init(&f->db, fault_fs_os(f->faults), "store");
    f->db.options.memtable_size = UINT64_C(64) << 20; /* flushed when the test says so */
    f->db.options.base_level_size = 256 << 10;
    f->db.options.level_ratio = 3;
    f->db.options.compaction_workers = 1;
    f->db.options.compression = LSMKV_COMPRESSION_NONE;
    f->db.options.sync = LSMKV_SYNC_OFF;
    db_open(&f->db);
}

static void tear_down(struct fixture *f)
{
    db_end(&f->db);
    fault_fs_free(f->faults);
    os_memory_fs_free(f->memory);
}

static void key_of(char *key, unsigned i)
{
    snprintf(key, 16, "key%06u", i);
}

static void write_some(struct fixture *f, uint64_t *random, unsigned count)
{
    static char value[VALUE_MAX];
    char key[16];

    db_write(&f->db);
    for (unsigned n = 0; n < count; n++) {
        unsigned i = (unsigned)(test_random(random) % KEYS);
        enum lsmkv_status status;

        key_of(key, i);
        f->model[i] = test_random(random) % 4 ? 1 + (unsigned)(test_random(random) % VALUE_MAX) : 0;
        memset(value, 'a' + (int)(i % 26), sizeof(value));
        if (f->model[i])
            status =
                lsmkv_put(f->db.session, text(key), (struct lsmkv_slice){(uint8_t *)value, f->model[i]}, &f->db.err);
        else
            status = lsmkv_delete(f->db.session, text(key), &f->db.err);
        assert_ok(status, &f->db.err);
    }
    db_commit(&f->db);
}

/* Several levels, two tables of L0, and something in memory. */
static void fill(struct fixture *f, uint64_t seed)
{
    uint64_t random = seed;

    for (unsigned round = 0; round < ROUNDS; round++) {
        write_some(f, &random, KEYS / 2);
        db_flush(&f->db);
        assert_true(lsmkv_wait_idle(f->db.store, IDLE_MS));
    }
    for (unsigned n = 0; n < 2; n++) {
        write_some(f, &random, 50);
        db_flush(&f->db);
    }
    write_some(f, &random, 10); /* stays in memory */
}

static void check_rows(struct fixture *f)
{
    struct lsmkv_buf value = {0};
    char key[16];
    bool found;

    for (unsigned i = 0; i < KEYS; i++) {
        key_of(key, i);
        assert_ok(lsmkv_get(f->db.session, text(key), &value, &found, &f->db.err), &f->db.err);
        if (found != (f->model[i] > 0) || (found && value.size != f->model[i]))
            fail_msg("%s: %zu bytes, expected %u", key, found ? value.size : 0, f->model[i]);
        if (found)
            assert_int_equal(value.data[0], 'a' + i % 26);
    }
    lsmkv_buf_release(&value);
}

static uint64_t live_rows(const struct fixture *f)
{
    uint64_t rows = 0;

    for (unsigned i = 0; i < KEYS; i++)
        rows += f->model[i] > 0;
    return rows;
}

/* ---- What a store looks like ---- */

/* Not where the tables lie: background work may have moved them further. */
struct shape {
    uint64_t entries, tombstones, l0_tables;
};

static bool add_to_shape(void *context, const struct lsmkv_sstable_stats *stats)
{
    struct shape *shape = context;

    shape->entries += stats->entries;
    shape->tombstones += stats->tombstones;
    shape->l0_tables += stats->level == 0;
    return true;
}

static struct shape shape_of(struct fixture *f)
{
    struct shape shape = {0, 0, 0};

    assert_true(lsmkv_wait_idle(f->db.store, IDLE_MS));
    lsmkv_sstables_each(f->db.store, add_to_shape, &shape);
    return shape;
}

/* ---- Steps ---- */

static struct lsmkv_compaction *start(struct fixture *f)
{
    struct lsmkv_compaction *compaction;

    assert_ok(lsmkv_compaction_start(&compaction, f->db.store, unbounded, unbounded, &f->db.err), &f->db.err);
    return compaction;
}

/* True when it is finished. */
static bool step(struct fixture *f, struct lsmkv_compaction *compaction, struct lsmkv_compaction_progress *progress)
{
    struct lsmkv_compaction_progress before = *progress;

    assert_ok(lsmkv_compaction_step(compaction, progress, &f->db.err), &f->db.err);
    assert_int_equal(progress->step, before.step + 1);
    assert_true(progress->step < STEPS_MAX);
    assert_true(progress->percent >= before.percent && progress->percent <= 100);
    assert_int_equal(progress->finished, progress->percent == 100);
    assert_true(progress->bytes_done >= before.bytes_done && progress->bytes_done <= progress->bytes_all);
    assert_int_equal(progress->finished, progress->bytes_done == progress->bytes_all);
    assert_true(progress->level >= before.level || progress->level == -1);
    assert_int_equal(progress->level == -1, progress->tables == 0);
    assert_int_equal(progress->tables > 0, progress->bytes_done > before.bytes_done);
    return progress->finished;
}

static void steps_add_up_to_a_compaction(void **state)
{
    struct lsmkv_compaction_progress progress = {.level = -1}, last;
    struct fixture whole, by_steps;
    struct lsmkv_compaction *compaction;
    struct shape before, a, b;

    (void)state;
    set_up(&whole);
    set_up(&by_steps);
    fill(&whole, test_seed());
    fill(&by_steps, test_seed());
    before = shape_of(&whole);
    assert_true(before.tombstones > 0);
    db_compact(&whole.db);
    compaction = start(&by_steps);
    while (!step(&by_steps, compaction, &progress))
        ;
    assert_true(progress.step > 2); /* flush, L0, L1 */
    last = progress;
    assert_ok(lsmkv_compaction_step(compaction, &progress, &by_steps.db.err), &by_steps.db.err);
    assert_memory_equal(&progress, &last, sizeof(last)); /* after the last one nothing is done */
    lsmkv_compaction_end(compaction);
    a = shape_of(&whole);
    b = shape_of(&by_steps);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(a.tombstones, 0);
    assert_int_equal(a.l0_tables, 0);
    assert_int_equal(a.entries, live_rows(&whole)); /* no older version of a row is left in any level */
    check_rows(&whole);
    check_rows(&by_steps);
    tear_down(&by_steps);
    tear_down(&whole);
}

/* True if it was finished before step `n`. */
static bool abandon_after(unsigned n)
{
    struct lsmkv_compaction_progress progress = {.level = -1};
    struct lsmkv_compaction *compaction;
    struct fixture f;
    struct shape shape;

    set_up(&f);
    fill(&f, test_seed());
    compaction = start(&f);
    while (progress.step < n && !progress.finished)
        step(&f, compaction, &progress);
    lsmkv_compaction_end(compaction);
    check_rows(&f);
    db_reopen(&f.db);
    check_rows(&f);
    db_compact(&f.db);
    shape = shape_of(&f);
    assert_int_equal(shape.tombstones, 0);
    check_rows(&f);
    tear_down(&f);
    return progress.finished;
}

static void it_may_end_after_any_step(void **state)
{
    unsigned n = 0;

    (void)state;
    while (!abandon_after(n))
        n++;
    assert_true(n > 2);
}

/* A full disk at any step: nothing has changed, and once there is space the step goes through. */
static void a_failed_step_can_be_repeated(void **state)
{
    const struct fault_rule full = {.calls = FAULT_BIT(FAULT_WRITE) | FAULT_BIT(FAULT_ALLOCATE),
                                    .suffix = ".sst",
                                    .forever = true,
                                    .status = LSMKV_FULL,
                                    .effect = FAULT_HALF};
    struct lsmkv_compaction_progress progress = {.level = -1}, failed;
    struct lsmkv_compaction *compaction;
    unsigned failures = 0;
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f, test_seed());
    compaction = start(&f);
    while (!progress.finished) {
        enum lsmkv_status status;

        failed = progress;
        fault_fs_fail(f.faults, &full);
        status = lsmkv_compaction_step(compaction, &failed, &f.db.err);
        fault_fs_heal(f.faults);
        if (!status) { /* nothing to write: a table was only moved */
            progress = failed;
            continue;
        }
        assert_status(status, LSMKV_FULL, &f.db.err);
        failures++;
        assert_int_equal(failed.step, progress.step);
        check_rows(&f);
        step(&f, compaction, &progress);
    }
    lsmkv_compaction_end(compaction);
    assert_true(failures > 1);
    check_rows(&f);
    db_reopen(&f.db);
    check_rows(&f);
    tear_down(&f);
}

static void a_step_in_a_store_without_rows_is_the_last(void **state)
{
    struct lsmkv_compaction_progress progress = {.level = -1};
    struct lsmkv_compaction *compaction;
    struct fixture f;

    (void)state;
    set_up(&f);
    db_compact(&f.db); /* the catalog */
    compaction = start(&f);
    assert_true(step(&f, compaction, &progress));
    lsmkv_compaction_end(compaction);
    lsmkv_compaction_end(NULL);
    tear_down(&f);
}

/* ---- Many at the same time ---- */

struct stepper {
    struct fixture *f;
    pthread_t thread;
    uint64_t random;
    unsigned rounds;
};

/* Compactions of random ranges, most of them abandoned on the way. */
static void *step_randomly(void *argument)
{
    struct stepper *stepper = argument;
    struct lsmkv_error err = {LSMKV_OK, ""};

    for (unsigned round = 0; round < stepper->rounds; round++) {
        struct lsmkv_compaction_progress progress = {.finished = false};
        struct lsmkv_compaction *compaction;
        uint64_t steps = test_random(&stepper->random) % 12;
        char lower[16], upper[16];

        key_of(lower, (unsigned)(test_random(&stepper->random) % KEYS));
        key_of(upper, (unsigned)(test_random(&stepper->random) % KEYS));
        assert_ok(lsmkv_compaction_start(&compaction, stepper->f->db.store, round % 3 ? text(lower) : unbounded,
                                         round % 2 ? text(upper) : unbounded, &err),
                  &err);
        for (uint64_t n = 0; n < steps && !progress.finished; n++)
            assert_ok(lsmkv_compaction_step(compaction, &progress, &err), &err);
        lsmkv_compaction_end(compaction);
    }
    return NULL;
}

static void many_run_beside_writes_and_background_work(void **state)
{
    uint64_t random = test_seed();
    struct stepper steppers[3];
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f, random);
    for (unsigned i = 0; i < 3; i++) {
        steppers[i] = (struct stepper){&f, 0, random + 1 + i, (unsigned)test_scaled(40)};
        assert_int_equal(pthread_create(&steppers[i].thread, NULL, step_randomly, &steppers[i]), 0);
    }
    for (size_t n = test_scaled(40); n > 0; n--) {
        write_some(&f, &random, 100);
        db_flush(&f.db);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_join(steppers[i].thread, NULL), 0);
    check_rows(&f);
    db_compact(&f.db);
    check_rows(&f);
    db_reopen(&f.db);
    check_rows(&f);
    tear_down(&f);
}

/* Between two steps nothing is held: a whole compaction goes through there, and a step finds nothing left. */
static void others_compact_between_two_steps(void **state)
{
    struct lsmkv_compaction_progress progress = {.level = -1};
    struct lsmkv_compaction *compaction;
    struct fixture f;

    (void)state;
    set_up(&f);
    fill(&f, test_seed());
    compaction = start(&f);
    assert_false(step(&f, compaction, &progress));
    assert_false(step(&f, compaction, &progress));
    db_compact(&f.db);
    assert_true(step(&f, compaction, &progress));
    assert_int_equal(progress.tables, 0);
    lsmkv_compaction_end(compaction);
    check_rows(&f);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_add_up_to_a_compaction),
        cmocka_unit_test(it_may_end_after_any_step),
        cmocka_unit_test(a_failed_step_can_be_repeated),
        cmocka_unit_test(a_step_in_a_store_without_rows_is_the_last),
        cmocka_unit_test(many_run_beside_writes_and_background_work),
        cmocka_unit_test(others_compact_between_two_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
