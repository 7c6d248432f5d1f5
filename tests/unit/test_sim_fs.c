/*
 * test_sim_fs.c - the simulated disk, and the file system that fails and holds calls: the tools must be right themselves.
 */
#include "support/test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/base/alloc.h"
#include "lsm/base/error.h"
#include "lsm/os/fs.h"
#include "lsm/os/sync.h"
#include "support/fault_fs.h"
#include "support/fs_contract.h"
#include "support/sim_fs.h"

static void sim_fs_keeps_the_contract(void **state)
{
    struct sim_fs *disk = sim_fs_new();
    struct lsmkv_error err;

    (void)state;
    assert_ok(os_fs_make_dir(sim_fs_os(disk), "/d", &err), &err);
    fs_contract_files(sim_fs_os(disk), "/d");
    fs_contract_names(sim_fs_os(disk), "/d");
    fs_contract_directories(sim_fs_os(disk), "/d");
    fs_contract_locks(sim_fs_os(disk), "/d");
    fs_contract_append_while_reading(sim_fs_os(disk), "/d");
    sim_fs_free(disk);
}

static void fault_fs_keeps_the_contract(void **state)
{
    struct fault_fs *fault = fault_fs_new(os_posix_fs());
    const char *dir = test_dir();

    (void)state;
    fs_contract_files(fault_fs_os(fault), dir);
    fs_contract_names(fault_fs_os(fault), dir);
    fs_contract_directories(fault_fs_os(fault), dir);
    fs_contract_locks(fault_fs_os(fault), dir);
    fs_contract_append_while_reading(fault_fs_os(fault), dir);
    fault_fs_free(fault);
}

/* ---- Helpers ---- */

static struct os_file *create(struct os_fs *fs, const char *path)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file = NULL;

    assert_ok(os_fs_open(fs, path, OS_CREATE_NEW, &file, &err), &err);
    return file;
}

static void put(struct os_file *file, uint64_t offset, const char *text)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(os_write(file, offset, text, strlen(text), &err), &err);
}

static void done(struct os_file *file)
{
    (void)!os_close(file, NULL);
}

/* What is under `path` on a disk: NULL if nothing. Freed by the caller. */
static char *content(struct sim_fs *disk, const char *path)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    char *text = NULL;
    enum os_kind kind;

    assert_ok(os_fs_kind(sim_fs_os(disk), path, &kind, NULL, &err), &err);
    if (kind == OS_ABSENT)
        return NULL;
    assert_ok(os_read_file(sim_fs_os(disk), path, 1 << 20, &buf, &err), &err);
    text = calloc(1, buf.size + 1);
    if (buf.size)
        memcpy(text, buf.data, buf.size);
    lsmkv_buf_release(&buf);
    return text;
}

/* After a crash of `disk`; `expected` NULL = absent. */
static void expect_after(struct sim_fs *disk, enum sim_crash mode, const char *path, const char *expected)
{
    struct sim_fs *after = sim_fs_crash(disk, mode, 1);
    char *text = content(after, path);

    if (expected) {
        assert_non_null(text);
        assert_string_equal(text, expected);
    } else {
        assert_null(text);
    }
    free(text);
    sim_fs_free(after);
}

/* ---- What a power cut takes ---- */

static void file_without_any_sync_is_gone(void **state)
{
    struct sim_fs *disk = sim_fs_new();
    struct os_file *file = create(sim_fs_os(disk), "f");

    (void)state;
    put(file, 0, "text");
    expect_after(disk, SIM_DROP_UNSYNCED, "f", NULL);
    expect_after(disk, SIM_KEEP_ALL, "f", "text");
    done(file);
    sim_fs_free(disk);
}

static void synced_file_without_synced_name_is_gone(void **state)
{
    struct sim_fs *disk = sim_fs_new();
    struct os_file *file = create(sim_fs_os(disk), "f");
    struct lsmkv_error err;

    (void)state;
    put(file, 0, "text");
    assert_ok(os_sync(file, &err), &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "f", NULL);
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "/", &err), &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "f", "text");
    put(file, 4, " more");
    expect_after(disk, SIM_DROP_UNSYNCED, "f", "text");
    expect_after(disk, SIM_KEEP_ALL, "f", "text more");
    done(file);
    sim_fs_free(disk);
}

static void synced_name_without_synced_bytes_is_an_empty_file(void **state)
{
    struct sim_fs *disk = sim_fs_new();
    struct os_file *file = create(sim_fs_os(disk), "f");
    struct lsmkv_error err;

    (void)state;
    put(file, 0, "text");
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "/", &err), &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "f", "");
    done(file);
    sim_fs_free(disk);
}

static void file_in_a_directory_without_synced_name_is_gone(void **state)
{
    struct sim_fs *disk = sim_fs_new();
    struct os_fs *fs = sim_fs_os(disk);
    struct lsmkv_error err;
    struct os_file *file;

    (void)state;
    assert_ok(os_fs_make_dir(fs, "d", &err), &err);
    file = create(fs, "d/f");
    put(file, 0, "text");
    assert_ok(os_sync(file, &err), &err);
    assert_ok(os_fs_sync_dir(fs, "d", &err), &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "d/f", NULL);
    assert_ok(os_fs_sync_dir(fs, "/", &err), &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "d/f", "text");
    done(file);
    sim_fs_free(disk);
}

/* Two files "a" (old) and "tmp" (new), durable; then tmp is renamed over a, not synced. */
static struct sim_fs *disk_with_pending_rename(void)
{
    struct sim_fs *disk = sim_fs_new();
    struct os_fs *fs = sim_fs_os(disk);
    struct os_file *a = create(fs, "a"), *tmp = create(fs, "tmp");
    struct lsmkv_error err;

    put(a, 0, "old");
    put(tmp, 0, "new");
    assert_ok(os_sync(a, &err), &err);
    assert_ok(os_sync(tmp, &err), &err);
    assert_ok(os_fs_sync_dir(fs, "/", &err), &err);
    done(a);
    done(tmp);
    assert_ok(os_fs_rename(fs, "tmp", "a", &err), &err);
    return disk;
}

static void rename_is_undone_until_its_directory_is_synced(void **state)
{
    struct sim_fs *disk = disk_with_pending_rename();
    struct lsmkv_error err;

    (void)state;
    expect_after(disk, SIM_DROP_UNSYNCED, "a", "old");
    expect_after(disk, SIM_DROP_UNSYNCED, "tmp", "new");
    expect_after(disk, SIM_KEEP_ALL, "a", "new");
    expect_after(disk, SIM_KEEP_ALL, "tmp", NULL);
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "/", &err), &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "a", "new");
    expect_after(disk, SIM_DROP_UNSYNCED, "tmp", NULL);
    sim_fs_free(disk);
}

static void rename_is_atomic_in_every_crash(void **state)
{
    struct sim_fs *disk = disk_with_pending_rename();
    unsigned seen[2] = {0, 0};

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct sim_fs *after = sim_fs_crash(disk, seed % 2 ? SIM_TORN : SIM_PREFIX, seed);
        char *a = content(after, "a"), *tmp = content(after, "tmp");

        assert_non_null(a);
        assert_true(strcmp(a, "old") == 0 ? tmp && strcmp(tmp, "new") == 0 : strcmp(a, "new") == 0 && !tmp);
        seen[tmp != NULL]++;
        free(a);
        free(tmp);
        sim_fs_free(after);
    }
    assert_true(seen[0] && seen[1]);
    sim_fs_free(disk);
}

static void removal_is_undone_until_its_directory_is_synced(void **state)
{
    struct sim_fs *disk = disk_with_pending_rename();
    struct os_fs *fs = sim_fs_os(disk);
    struct lsmkv_error err;

    (void)state;
    assert_ok(os_fs_sync_dir(fs, "/", &err), &err);
    assert_ok(os_fs_remove(fs, "a", &err), &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "a", "new");
    expect_after(disk, SIM_KEEP_ALL, "a", NULL);
    assert_ok(os_fs_sync_dir(fs, "/", &err), &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "a", NULL);
    sim_fs_free(disk);
}

/* ---- Torn and cut files ---- */

enum { SECTORS = 16, SECTOR = 512 };

/* A file of 8 durable sectors of '1', overwritten and extended, unsynced, by 16 sectors of '2'. */
static struct sim_fs *disk_with_pending_write(void)
{
    struct sim_fs *disk = sim_fs_new();
    struct os_file *file = create(sim_fs_os(disk), "f");
    struct lsmkv_error err;
    char bytes[SECTORS * SECTOR];

    memset(bytes, '1', sizeof(bytes));
    assert_ok(os_write(file, 0, bytes, sizeof(bytes) / 2, &err), &err);
    assert_ok(os_sync(file, &err), &err);
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "/", &err), &err);
    memset(bytes, '2', sizeof(bytes));
    for (size_t i = 0; i < SECTORS; i++)
        assert_ok(os_write(file, i * SECTOR, bytes, SECTOR, &err), &err);
    done(file);
    return disk;
}

struct seen {
    unsigned old_size, new_size, between, holes, mixed, all;
};

static void look_at_torn(struct sim_fs *after, struct seen *seen)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    unsigned ones = 0, twos = 0, zeros = 0;

    assert_ok(os_read_file(sim_fs_os(after), "f", 1 << 20, &buf, &err), &err);
    assert_true(buf.size >= SECTORS * SECTOR / 2 && buf.size <= SECTORS * SECTOR && buf.size % SECTOR == 0);
    for (size_t i = 0; i < buf.size; i += SECTOR) {
        for (size_t j = 1; j < SECTOR; j++)
            assert_int_equal(buf.data[i + j], buf.data[i]); /* a sector is whole */
        ones += buf.data[i] == '1';
        twos += buf.data[i] == '2';
        zeros += buf.data[i] == 0;
        if (i < SECTORS * SECTOR / 2)
            assert_int_not_equal(buf.data[i], 0); /* what was durable is old or new */
    }
    assert_int_equal(ones + twos + zeros, buf.size / SECTOR);
    seen->old_size += buf.size == SECTORS * SECTOR / 2;
    seen->new_size += buf.size == SECTORS * SECTOR;
    seen->between += buf.size > SECTORS * SECTOR / 2 && buf.size < SECTORS * SECTOR;
    seen->holes += zeros > 0;
    seen->mixed += ones > 0 && twos > 0;
    seen->all += twos == SECTORS;
    lsmkv_buf_release(&buf);
}

static void torn_crash_reaches_every_kind_of_damage(void **state)
{
    struct sim_fs *disk = disk_with_pending_write();
    struct seen seen = {0, 0, 0, 0, 0, 0};

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct sim_fs *after = sim_fs_crash(disk, SIM_TORN, seed);

        look_at_torn(after, &seen);
        sim_fs_free(after);
    }
    assert_true(seen.old_size && seen.new_size && seen.between && seen.holes && seen.mixed && seen.all);
    sim_fs_free(disk);
}

static void prefix_crash_keeps_writes_in_order(void **state)
{
    struct sim_fs *disk = disk_with_pending_write();
    bool seen[SECTORS + 1] = {false};

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct sim_fs *after = sim_fs_crash(disk, SIM_PREFIX, seed);
        char *text = content(after, "f");
        size_t twos = strspn(text, "2");

        assert_int_equal(twos + strspn(text + twos, "1"), strlen(text));
        assert_int_equal(twos % SECTOR, 0);
        seen[twos / SECTOR] = true;
        free(text);
        sim_fs_free(after);
    }
    for (size_t i = 0; i <= SECTORS; i++)
        assert_true(seen[i]);
    sim_fs_free(disk);
}

static void crash_repeats_from_its_seed(void **state)
{
    struct sim_fs *disk = disk_with_pending_write();

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim_fs *a = sim_fs_crash(disk, SIM_TORN, seed), *b = sim_fs_crash(disk, SIM_TORN, seed);
        char *text_a = content(a, "f"), *text_b = content(b, "f");

        assert_string_equal(text_a, text_b);
        free(text_a);
        free(text_b);
        sim_fs_free(a);
        sim_fs_free(b);
    }
    sim_fs_free(disk);
}

static void reserved_space_is_lost_without_sync(void **state)
{
    struct sim_fs *disk = sim_fs_new(), *after;
    struct os_file *file = create(sim_fs_os(disk), "f");
    struct lsmkv_error err;
    enum os_kind kind;
    uint64_t size;

    (void)state;
    assert_ok(os_fs_sync_dir(sim_fs_os(disk), "/", &err), &err);
    assert_ok(os_allocate(file, 10000, &err), &err);
    after = sim_fs_crash(disk, SIM_DROP_UNSYNCED, 1);
    assert_ok(os_fs_kind(sim_fs_os(after), "f", &kind, &size, &err), &err);
    assert_int_equal(size, 0);
    sim_fs_free(after);
    assert_ok(os_sync(file, &err), &err);
    after = sim_fs_crash(disk, SIM_DROP_UNSYNCED, 1);
    assert_ok(os_fs_kind(sim_fs_os(after), "f", &kind, &size, &err), &err);
    assert_int_equal(size, 10000);
    sim_fs_free(after);
    done(file);
    sim_fs_free(disk);
}

/* ---- Death at a call ---- */

static enum lsmkv_status workload(struct os_fs *fs, struct lsmkv_error *err)
{
    struct os_file *file = NULL;
    enum lsmkv_status status;

    status = os_fs_open(fs, "tmp", OS_CREATE_NEW, &file, err); /* 1 */
    if (status)
        return status;
    status = os_write(file, 0, "text", 4, err); /* 2 */
    if (!status)
        status = os_sync(file, err); /* 3 */
    if (!status)
        status = os_fs_rename(fs, "tmp", "f", err); /* 4 */
    if (!status)
        status = os_fs_sync_dir(fs, "/", err); /* 5 */
    (void)!os_close(file, NULL);
    return status;
}

static void stop_at_every_call_in_turn(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 6; n++) {
        struct lsmkv_error err = LSMKV_ERROR_INIT;
        struct sim_fs *disk = sim_fs_new();

        sim_fs_stop_at(disk, n);
        if (n <= 5) {
            assert_fails(workload(sim_fs_os(disk), &err), LSMKV_IO, &err, "dead");
            assert_true(sim_fs_stopped(disk));
        } else {
            assert_ok(workload(sim_fs_os(disk), &err), &err);
            assert_false(sim_fs_stopped(disk));
        }
        assert_int_equal(sim_fs_calls(disk), n <= 5 ? n : 5);
        /* The call that dies is pending, except a sync, which has no effect. */
        expect_after(disk, SIM_KEEP_ALL, "tmp", n == 1 ? "" : n <= 3 ? "text" : NULL);
        expect_after(disk, SIM_KEEP_ALL, "f", n >= 4 ? "text" : NULL);
        expect_after(disk, SIM_DROP_UNSYNCED, "f", n == 6 ? "text" : NULL);
        sim_fs_free(disk);
    }
}

static void sync_that_dies_has_no_effect(void **state)
{
    struct sim_fs *disk = disk_with_pending_rename();
    struct os_fs *fs = sim_fs_os(disk);
    struct lsmkv_error err;
    struct os_file *file;

    (void)state;
    assert_ok(os_fs_open(fs, "a", OS_WRITE, &file, &err), &err);
    put(file, 0, "xxx");
    sim_fs_stop_at(disk, 1);
    assert_status(os_sync(file, &err), LSMKV_IO, &err);
    expect_after(disk, SIM_DROP_UNSYNCED, "tmp", "new"); /* the inode that "a" has now, under its durable name */
    done(file);
    sim_fs_free(disk);
}

static void stopped_disk_fails_every_call(void **state)
{
    struct sim_fs *disk = sim_fs_new();
    struct os_fs *fs = sim_fs_os(disk);
    struct os_file *file = create(fs, "f"), *other;
    struct lsmkv_error err;
    enum os_kind kind;
    uint64_t size;
    char byte;

    (void)state;
    sim_fs_stop_at(disk, 1);
    assert_status(os_write(file, 0, "x", 1, &err), LSMKV_IO, &err);
    assert_status(os_read(file, 0, &byte, 1, &err), LSMKV_IO, &err);
    assert_status(os_size(file, &size, &err), LSMKV_IO, &err);
    assert_status(os_sync(file, &err), LSMKV_IO, &err);
    assert_status(os_fs_open(fs, "f", OS_READ, &other, &err), LSMKV_IO, &err);
    assert_status(os_fs_kind(fs, "f", &kind, NULL, &err), LSMKV_IO, &err);
    assert_status(os_fs_remove(fs, "f", &err), LSMKV_IO, &err);
    assert_status(os_fs_sync_dir(fs, "/", &err), LSMKV_IO, &err);
    assert_status(os_close(file, &err), LSMKV_IO, &err); /* and freed */
    expect_after(disk, SIM_KEEP_ALL, "f", "x");
    sim_fs_free(disk);
}

static void damage_is_there_before_and_after_a_crash(void **state)
{
    struct sim_fs *disk = disk_with_pending_rename();
    char *text;

    (void)state;
    assert_true(sim_fs_damage(disk, "a", 1, 0x01));
    text = content(disk, "a");
    assert_string_equal(text, "ndw");
    free(text);
    expect_after(disk, SIM_DROP_UNSYNCED, "tmp", "ndw");
    assert_false(sim_fs_damage(disk, "a", 3, 1));
    assert_false(sim_fs_damage(disk, "b", 0, 1));
    sim_fs_free(disk);
}

/* ---- Faults ---- */

static void rule_fails_the_nth_call_of_its_kind_and_path(void **state)
{
    struct fault_rule rule = {.calls = FAULT_BIT(FAULT_WRITE), .suffix = ".sst", .nth = 2, .status = LSMKV_FULL};
    struct os_fs *memory = os_memory_fs_new();
    struct fault_fs *fault = fault_fs_new(memory);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *table = create(fault_fs_os(fault), "1.sst"), *log = create(fault_fs_os(fault), "1.wal");

    (void)state;
    fault_fs_fail(fault, &rule);
    put(log, 0, "x");
    put(log, 1, "x");
    put(table, 0, "x");
    assert_ok(os_sync(table, &err), &err);
    assert_fails(os_write(table, 1, "y", 1, &err), LSMKV_FULL, &err, "1.sst: injected fault");
    put(table, 1, "z");
    assert_int_equal(fault_fs_failures(fault), 1);
    assert_int_equal(fault_fs_count(fault, FAULT_BIT(FAULT_WRITE), ".sst"), 3);
    assert_int_equal(fault_fs_count(fault, FAULT_BIT(FAULT_WRITE), NULL), 5);
    assert_int_equal(fault_fs_count(fault, FAULT_BIT(FAULT_CREATE), NULL), 2);
    assert_int_equal(fault_fs_count(fault, 0, ".wal"), 3);
    fault_fs_reset(fault);
    assert_int_equal(fault_fs_count(fault, 0, NULL), 0);
    done(table);
    done(log);
    fault_fs_free(fault);
    os_memory_fs_free(memory);
}

static void rule_fails_forever_until_healed(void **state)
{
    struct fault_rule rule = {.calls = 0, .nth = 2, .forever = true, .status = LSMKV_IO};
    struct os_fs *memory = os_memory_fs_new();
    struct fault_fs *fault = fault_fs_new(memory);
    struct os_fs *fs = fault_fs_os(fault);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct os_file *file;

    (void)state;
    fault_fs_fail(fault, &rule);
    file = create(fs, "f");
    assert_status(os_sync(file, &err), LSMKV_IO, &err);
    assert_status(os_fs_remove(fs, "f", &err), LSMKV_IO, &err);
    assert_status(os_fs_sync_dir(fs, "/", &err), LSMKV_IO, &err);
    fault_fs_heal(fault);
    assert_ok(os_sync(file, &err), &err);
    done(file);
    fault_fs_free(fault);
    os_memory_fs_free(memory);
}

static void failing_call_may_have_had_its_effect(void **state)
{
    static const char *const expected[] = {"", "ab", "abcd"};
    struct os_fs *memory = os_memory_fs_new();
    struct fault_fs *fault = fault_fs_new(memory);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    enum os_kind kind;

    (void)state;
    for (int effect = FAULT_NOTHING; effect <= FAULT_DONE; effect++) {
        struct fault_rule rule = {
            .calls = FAULT_BIT(FAULT_WRITE), .status = LSMKV_IO, .effect = (enum fault_effect)effect};
        struct os_file *file = create(fault_fs_os(fault), "f");

        fault_fs_fail(fault, &rule);
        assert_status(os_write(file, 0, "abcd", 4, &err), LSMKV_IO, &err);
        fault_fs_heal(fault);
        done(file);
        assert_ok(os_read_file(memory, "f", 100, &buf, &err), &err);
        assert_int_equal(buf.size, strlen(expected[effect]));
        assert_memory_equal(buf.data ? buf.data : (uint8_t *)"", expected[effect], buf.size);
        rule.calls = FAULT_BIT(FAULT_REMOVE);
        fault_fs_fail(fault, &rule);
        assert_status(os_fs_remove(fault_fs_os(fault), "f", &err), LSMKV_IO, &err);
        fault_fs_heal(fault);
        assert_ok(os_fs_kind(memory, "f", &kind, NULL, &err), &err);
        assert_int_equal(kind, effect == FAULT_DONE ? OS_ABSENT : OS_REGULAR);
        assert_ok(os_fs_remove(memory, "f", &err), &err);
    }
    lsmkv_buf_release(&buf);
    fault_fs_free(fault);
    os_memory_fs_free(memory);
}

struct sync_job {
    struct os_file *file;
    _Atomic bool returned;
};

static void sync_file(void *context)
{
    struct sync_job *job = context;

    if (os_sync(job->file, NULL))
        abort();
    atomic_store(&job->returned, true);
}

static void held_call_waits_until_it_is_released(void **state)
{
    struct os_fs *memory = os_memory_fs_new();
    struct fault_fs *fault = fault_fs_new(memory);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct sync_job job = {create(fault_fs_os(fault), "1.wal"), false};
    unsigned hold = fault_fs_hold(fault, FAULT_BIT(FAULT_SYNC), ".wal");
    struct thread thread;

    (void)state;
    assert_ok(thread_start(&thread, "sync", sync_file, &job, &err), &err);
    fault_fs_wait_held(fault, hold);
    put(job.file, 0, "others go on");
    assert_false(atomic_load(&job.returned));
    fault_fs_release(fault, hold);
    thread_join(&thread);
    assert_true(atomic_load(&job.returned));
    assert_ok(os_sync(job.file, &err), &err);
    done(job.file);
    fault_fs_free(fault);
    os_memory_fs_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sim_fs_keeps_the_contract),
        cmocka_unit_test(fault_fs_keeps_the_contract),
        cmocka_unit_test(file_without_any_sync_is_gone),
        cmocka_unit_test(synced_file_without_synced_name_is_gone),
        cmocka_unit_test(synced_name_without_synced_bytes_is_an_empty_file),
        cmocka_unit_test(file_in_a_directory_without_synced_name_is_gone),
        cmocka_unit_test(rename_is_undone_until_its_directory_is_synced),
        cmocka_unit_test(rename_is_atomic_in_every_crash),
        cmocka_unit_test(removal_is_undone_until_its_directory_is_synced),
        cmocka_unit_test(torn_crash_reaches_every_kind_of_damage),
        cmocka_unit_test(prefix_crash_keeps_writes_in_order),
        cmocka_unit_test(crash_repeats_from_its_seed),
        cmocka_unit_test(reserved_space_is_lost_without_sync),
        cmocka_unit_test(stop_at_every_call_in_turn),
        cmocka_unit_test(sync_that_dies_has_no_effect),
        cmocka_unit_test(stopped_disk_fails_every_call),
        cmocka_unit_test(damage_is_there_before_and_after_a_crash),
        cmocka_unit_test(rule_fails_the_nth_call_of_its_kind_and_path),
        cmocka_unit_test(rule_fails_forever_until_healed),
        cmocka_unit_test(failing_call_may_have_had_its_effect),
        cmocka_unit_test(held_call_waits_until_it_is_released),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
