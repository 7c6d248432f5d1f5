/*
 * test_table_cache.c - tables open lazily, close when others need the room, and never under a reader.
 */
#include "support/test.h"

#include <string.h>

#include "os/sync.h"
#include "support/fault_fs.h"
#include "table_fixture.h"

#define TABLES 10

static struct lsmkv_error err;
static const struct sstable_params plain = {512, 10, LSMKV_COMPRESSION_NONE};
static const struct sstable_params lz4 = {512, 10, LSMKV_COMPRESSION_LZ4};

/* Ten tables with different entries. */
struct shelf {
    struct world world;
    struct dataset datasets[TABLES];
    struct sstable_info infos[TABLES];
    struct table *tables[TABLES];
};

static void shelf_open(struct shelf *shelf, const struct world_options *options)
{
    uint64_t random = test_seed();

    world_open(&shelf->world, options);
    for (size_t i = 0; i < TABLES; i++) {
        shelf->datasets[i] = dataset_random(200, 50, &random);
        shelf->infos[i] = world_build(&shelf->world, i + 1, i % 2 ? &plain : &lz4, &shelf->datasets[i]);
        shelf->tables[i] = world_table(&shelf->world, &shelf->infos[i]);
    }
}

static void shelf_close(struct shelf *shelf)
{
    for (size_t i = 0; i < TABLES; i++) {
        table_unref(shelf->tables[i]);
        sstable_info_release(&shelf->infos[i]);
        dataset_release(&shelf->datasets[i]);
    }
    world_close(&shelf->world);
}

static size_t loaded(const struct shelf *shelf)
{
    size_t count = 0;

    for (size_t i = 0; i < TABLES; i++)
        count += table_loaded(shelf->tables[i]);
    return count;
}

static void touch(struct shelf *shelf, size_t table)
{
    const struct entry *entry = &shelf->datasets[table].entries[0];
    enum entry_kind kind;
    bool found;

    assert_ok(table_get(shelf->tables[table], entry->key, NULL, &kind, &found, &err), &err);
    assert_true(found);
}

static void new_table_opens_nothing(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 4, 1 << 20};
    struct shelf shelf;

    (void)state;
    shelf_open(&shelf, &options);
    assert_int_equal(loaded(&shelf), 0);
    assert_int_equal(counter_get(&shelf.world.counters, table_opens), 0);
    assert_int_equal(table_cache_bytes(shelf.world.cache), 0);
    touch(&shelf, 3);
    assert_true(table_loaded(shelf.tables[3]));
    assert_int_equal(loaded(&shelf), 1);
    assert_true(table_cache_bytes(shelf.world.cache) > 0);
    shelf_close(&shelf);
}

static void no_more_tables_are_open_than_allowed(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 3, 1 << 20};
    struct shelf shelf;

    (void)state;
    shelf_open(&shelf, &options);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < TABLES; i++) {
            check_gets(shelf.tables[i], &shelf.datasets[i]);
            assert_true(loaded(&shelf) <= 3);
        }
    }
    assert_int_equal(counter_get(&shelf.world.counters, table_opens), 3 * TABLES);
    assert_int_equal(counter_get(&shelf.world.counters, table_closes), 3 * TABLES - 3);
    shelf_close(&shelf);
}

/* One table is read between all others: the hand gives it its second chance every time. */
static void table_in_use_is_not_the_one_to_close(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 3, 1 << 20};
    struct shelf shelf;

    (void)state;
    shelf_open(&shelf, &options);
    touch(&shelf, 0);
    for (size_t i = 1; i < TABLES; i++) {
        touch(&shelf, i);
        touch(&shelf, 0);
        assert_true(table_loaded(shelf.tables[0]));
    }
    assert_int_equal(counter_get(&shelf.world.counters, table_opens), TABLES);
    shelf_close(&shelf);
}

static void indexes_and_filters_keep_to_their_share_of_the_cache(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 100, 4 << 10};
    struct shelf shelf;

    (void)state;
    shelf_open(&shelf, &options);
    for (size_t i = 0; i < TABLES; i++) {
        check_gets(shelf.tables[i], &shelf.datasets[i]);
        assert_true(loaded(&shelf) < TABLES / 2);
        assert_true(table_cache_bytes(shelf.world.cache) <= 4 << 10);
    }
    shelf_close(&shelf);
}

static void iterator_keeps_its_table_open(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 1, 1 << 20};
    struct iter *its[3];
    struct shelf shelf;

    (void)state;
    shelf_open(&shelf, &options);
    for (size_t i = 0; i < 3; i++)
        assert_ok(table_iter_new(&its[i], shelf.tables[i], false, &err), &err);
    for (size_t i = 3; i < TABLES; i++)
        touch(&shelf, i);
    assert_int_equal(loaded(&shelf), 4); /* three pinned, and the last one touched */
    for (size_t i = 0; i < 3; i++) {
        size_t seen = 0;

        for (assert_ok(iter_first(its[i], &err), &err); iter_valid(its[i]); assert_ok(iter_next(its[i], &err), &err))
            assert_true(entry_equal(iter_entry(its[i]), &shelf.datasets[i].entries[seen++]));
        assert_int_equal(seen, shelf.datasets[i].count);
        iter_free(its[i]);
    }
    touch(&shelf, 5);
    assert_int_equal(loaded(&shelf), 1);
    shelf_close(&shelf);
}

static void freed_table_is_closed(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 5, 1 << 20};
    struct shelf shelf;

    (void)state;
    shelf_open(&shelf, &options);
    for (size_t i = 0; i < 5; i++)
        touch(&shelf, i);
    table_unref(shelf.tables[2]);
    shelf.tables[2] = NULL;
    assert_int_equal(counter_get(&shelf.world.counters, table_closes), 1);
    for (size_t i = 5; i < TABLES; i++)
        touch(&shelf, i);
    shelf_close(&shelf);
}

/* ---- Obsolete tables, claims, counters ---- */

static void count_drop(void *context, struct table *table)
{
    struct table **dropped = context;

    *dropped = table;
}

static void last_reference_to_an_obsolete_table_hands_it_over(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 5, 1 << 20};
    struct table *dropped = NULL;
    struct shelf shelf;
    struct iter *it;

    (void)state;
    shelf_open(&shelf, &options);
    table_cache_on_drop(shelf.world.cache, count_drop, &dropped);
    assert_ok(table_iter_new(&it, shelf.tables[1], false, &err), &err);
    table_set_obsolete(shelf.tables[1]);
    table_unref(shelf.tables[1]);
    assert_null(dropped);
    iter_free(it);
    assert_ptr_equal(dropped, shelf.tables[1]);
    assert_true(table_loaded(dropped)); /* whoever took it closes it */
    table_free(dropped);
    assert_int_equal(counter_get(&shelf.world.counters, table_closes), 1);
    dropped = NULL;
    table_unref(shelf.tables[2]); /* not obsolete: closed here and now */
    assert_null(dropped);
    shelf.tables[1] = shelf.tables[2] = NULL;
    shelf_close(&shelf);
}

static void table_is_claimed_once(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 5, 1 << 20};
    struct shelf shelf;

    (void)state;
    shelf_open(&shelf, &options);
    assert_false(table_claimed(shelf.tables[0]));
    assert_true(table_claim(shelf.tables[0]));
    assert_false(table_claim(shelf.tables[0]));
    assert_true(table_claimed(shelf.tables[0]));
    table_unclaim(shelf.tables[0]);
    assert_true(table_claim(shelf.tables[0]));
    shelf_close(&shelf);
}

static void accesses_are_counted_and_outlive_closing(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 1, 1 << 20};
    struct shelf shelf;
    struct iter *it;

    (void)state;
    shelf_open(&shelf, &options);
    touch(&shelf, 0);
    touch(&shelf, 0);
    assert_ok(table_iter_new(&it, shelf.tables[0], false, &err), &err);
    iter_free(it);
    touch(&shelf, 1);
    assert_false(table_loaded(shelf.tables[0]));
    assert_int_equal(table_accesses(shelf.tables[0]), 3);
    assert_int_equal(table_accesses(shelf.tables[1]), 1);
    shelf_close(&shelf);
}

static void count_lock(void *context, const struct mutex *mutex)
{
    size_t *count = context;

    assert_non_null(mutex->name);
    ++*count;
}

static void locks_of_the_cache_are_listed(void **state)
{
    const struct world_options options = {true, LSMKV_IO_PREAD, 1, 1 << 20};
    struct world world;
    size_t count = 0;

    (void)state;
    world_open(&world, &options);
    table_cache_locks(world.cache, count_lock, &count);
    assert_int_equal(count, 1 + 8);
    world_close(&world);
}

/* A hit takes no lock: the mutex of the cache is not acquired again once the table is open. */
static void remember_acquired(void *context, const struct mutex *mutex)
{
    uint64_t *acquired = context;

    if (strcmp(mutex->name, "table_cache") == 0)
        *acquired = atomic_load(&mutex->acquired);
}

static void hit_takes_no_lock(void **state)
{
    const struct world_options options = {false, LSMKV_IO_MMAP, TABLES, 1 << 20};
    uint64_t before = 0, after = 1;
    struct shelf shelf;

    (void)state;
    shelf_open(&shelf, &options);
    check_gets(shelf.tables[1], &shelf.datasets[1]);
    table_cache_locks(shelf.world.cache, remember_acquired, &before);
    check_gets(shelf.tables[1], &shelf.datasets[1]);
    table_cache_locks(shelf.world.cache, remember_acquired, &after);
    assert_int_equal(before, after);
    shelf_close(&shelf);
}

/* ---- Threads ---- */

struct worker {
    struct thread thread;
    struct shelf *shelf;
    uint64_t random;
    bool wrong;
};

static bool get_is_right(struct table *table, const struct entry *entry, struct lsmkv_buf *value)
{
    enum entry_kind kind;
    bool found;

    return !table_get(table, entry->key, value, &kind, &found, NULL) && found && kind == entry->kind &&
           slice_equal(slice_of_buf(value), entry->value);
}

static bool walk_is_right(struct table *table, const struct dataset *dataset, bool sequential)
{
    struct iter *it;
    size_t seen = 0;
    bool right = true;
    enum lsmkv_status status = table_iter_new(&it, table, sequential, NULL);

    if (status)
        return false;
    for (status = iter_first(it, NULL); !status && iter_valid(it); status = iter_next(it, NULL))
        right &= entry_equal(iter_entry(it), &dataset->entries[seen++]);
    iter_free(it);
    return right && !status && seen == dataset->count;
}

static void run_worker(void *argument)
{
    struct worker *worker = argument;
    struct lsmkv_buf value = LSMKV_BUF_INIT;

    for (size_t i = 0; i < test_scaled(4000); i++) {
        size_t at = test_random(&worker->random) % TABLES;
        struct table *table = worker->shelf->tables[at];
        const struct dataset *dataset = &worker->shelf->datasets[at];
        const struct entry *entry = &dataset->entries[test_random(&worker->random) % dataset->count];

        if (i % 50 == 0)
            worker->wrong |= !walk_is_right(table, dataset, i % 100 == 0);
        else
            worker->wrong |= !get_is_right(table, entry, &value);
    }
    lsmkv_buf_release(&value);
}

static void check_threads(const struct world_options *options)
{
    struct worker workers[4];
    struct shelf shelf;

    shelf_open(&shelf, options);
    for (size_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){.shelf = &shelf, .random = test_seed() + i};
        assert_ok(thread_start(&workers[i].thread, "reader", run_worker, &workers[i], &err), &err);
    }
    for (size_t i = 0; i < 4; i++) {
        thread_join(&workers[i].thread);
        assert_false(workers[i].wrong);
    }
    assert_true(counter_get(&shelf.world.counters, table_opens) > TABLES);
    touch(&shelf, 0);
    touch(&shelf, 1);
    assert_true(loaded(&shelf) <= options->open_max);
    shelf_close(&shelf);
}

static void threads_read_while_tables_open_and_close(void **state)
{
    const struct world_options in_map = {false, LSMKV_IO_MMAP, 2, 64 << 10};
    const struct world_options by_pread = {true, LSMKV_IO_PREAD, 2, 32 << 10};

    (void)state;
    check_threads(&in_map);
    check_threads(&by_pread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_table_opens_nothing),
        cmocka_unit_test(no_more_tables_are_open_than_allowed),
        cmocka_unit_test(table_in_use_is_not_the_one_to_close),
        cmocka_unit_test(indexes_and_filters_keep_to_their_share_of_the_cache),
        cmocka_unit_test(iterator_keeps_its_table_open),
        cmocka_unit_test(freed_table_is_closed),
        cmocka_unit_test(last_reference_to_an_obsolete_table_hands_it_over),
        cmocka_unit_test(table_is_claimed_once),
        cmocka_unit_test(accesses_are_counted_and_outlive_closing),
        cmocka_unit_test(locks_of_the_cache_are_listed),
        cmocka_unit_test(hit_takes_no_lock),
        cmocka_unit_test(threads_read_while_tables_open_and_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
