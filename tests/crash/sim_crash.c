/*
 * sim_crash.c - a power cut at every call that a workload makes to the disk, and what the next boot finds.
 *
 *   sim_crash          every call, every kind of crash, every sync mode (LSMKV_TEST_SCALE: every few calls)
 *   sim_crash CYCLES   that many crashes at random, each with a seed of its own
 *
 * Transaction number i writes a set of keys that follows from i and the seed, and the key "count" = i. So whatever the
 * store finds after a crash must be exactly what the first c transactions wrote, for the c that it finds in "count": no
 * hole, no half transaction. c is at least the number of transactions that were acknowledged (where the sync mode and the
 * kind of crash promise that) and at most the number that were begun. Then more is written, the machine crashes again,
 * within recovery too, and the same must hold.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim_fs.h"
#include "support/store_kit.h"

#define KEYS         120
#define TRANSACTIONS 45
#define VALUE_MAX    1200

/* What one run did. */
struct progress {
    unsigned begun;        /* transactions that may be there */
    unsigned acknowledged; /* committed, as the caller knows */
    unsigned flushed;      /* of those, before a flush that succeeded: durable in every mode */
};

struct model {
    unsigned values[KEYS]; /* number of the transaction that wrote it; 0 = absent */
};

static size_t cycles; /* 0 = every call */

/* ---- What transaction number i writes ---- */

/* The n-th write: false past the last one. A key may come twice; the last counts. */
static bool planned_write(uint64_t seed, unsigned number, unsigned n, size_t *key, bool *delete)
{
    uint64_t random = seed * 1000003 + number;
    unsigned count = 1 + (unsigned)(test_random(&random) % 12);

    if (n >= count)
        return false;
    for (unsigned i = 0; i <= n; i++) {
        *key = (size_t)(test_random(&random) % KEYS);
        *delete = test_random(&random) % 5 == 0;
    }
    return true;
}

static void apply(struct model *model, uint64_t seed, unsigned number)
{
    size_t key;
    bool delete;

    for (unsigned n = 0; planned_write(seed, number, n, &key, &delete); n++)
        model->values[key] = delete ? 0 : number;
}

static const char *key_text(size_t key, char text[16])
{
    snprintf(text, 16, "k%05zu", key);
    return text;
}

static const char *value_text(unsigned number, size_t key, char text[VALUE_MAX + 16])
{
    size_t size = 200 + (number * 131 + key * 17) % (VALUE_MAX - 200);

    memset(text, 'a' + (int)(number % 26), size);
    snprintf(text + size, 16, "%u", number);
    return text;
}

/* ---- The workload ---- */

/* The name of a transaction tells what its marker would: whether it commits. */
#define NEVER (UINT64_C(1) << 63)
#define MAYBE (UINT64_C(1) << 62) /* beside the numbered ones: one of a group */
#define GROUP 3

static bool has_marker(uint64_t transaction)
{
    return !(transaction & NEVER) && (transaction * UINT64_C(0x9e3779b97f4a7c15)) >> 63;
}

static enum lsmkv_status prepare_as(struct lsmkv_session *session, uint64_t transaction, bool by_default,
                                    struct lsmkv_error *err)
{
    struct lsmkv_prepare how = {.transaction = transaction, .default_commit = by_default, .wait_ms = 0};

    return lsmkv_session_prepare(session, &how, err);
}

static bool settle_one(void *context, const struct lsmkv_transaction_info *info)
{
    struct db *db = context;

    return info->state != LSMKV_TRANSACTION_IN_DOUBT ||
           !lsmkv_settle(db->store, info->transaction, has_marker(info->transaction), &db->err);
}

/* By their markers; ends early when the machine dies. */
static void settle_all(struct db *db)
{
    lsmkv_transactions_each(db->store, settle_one, db);
}

static enum lsmkv_status write_transaction(struct db *db, uint64_t seed, unsigned number)
{
    char key[16], value[VALUE_MAX + 16];
    size_t which;
    bool delete;
    enum lsmkv_status status = lsmkv_session_write(db->session, LSMKV_WRITE_EXCLUSIVE, -1, &db->err);

    for (unsigned n = 0; !status && planned_write(seed, number, n, &which, &delete); n++) {
        if (delete)
            status = lsmkv_delete(db->session, text(key_text(which, key)), &db->err);
        else
            status =
                lsmkv_put(db->session, text(key_text(which, key)), text(value_text(number, which, value)), &db->err);
    }
    snprintf(value, sizeof(value), "%u", number);
    if (!status)
        status = lsmkv_put(db->session, text("count"), text(value), &db->err);
    if (!status && number % 4 == 0)
        status = prepare_as(db->session, number, number % 8 == 0, &db->err);
    if (!status)
        return lsmkv_session_commit(db->session, -1, &db->err);
    return status;
}

/* Something that is prepared and then taken back: it must never be seen. */
static void write_and_withdraw(struct db *db, unsigned number)
{
    enum lsmkv_status status = lsmkv_session_write(db->session, LSMKV_WRITE_EXCLUSIVE, -1, &db->err);

    if (!status)
        status = lsmkv_put(db->session, text("count"), text("withdrawn"), &db->err);
    if (!status)
        status = prepare_as(db->session, NEVER | number, false, &db->err);
    (void)status; /* the machine may have died in any of them */
    (void)lsmkv_session_rollback(db->session, &db->err);
}

static char *group_key(unsigned member, char half, char key[16])
{
    snprintf(key, 16, "g%u%c", member, half);
    return key;
}

static enum lsmkv_status prepare_member(struct lsmkv_session *session, unsigned member, unsigned number,
                                        struct lsmkv_error *err)
{
    char key[16], value[16];
    enum lsmkv_status status = lsmkv_session_write(session, LSMKV_WRITE_OPTIMISTIC, 0, err);

    snprintf(value, sizeof(value), "%u", number);
    if (!status)
        status = lsmkv_put(session, text(group_key(member, 'a', key)), text(value), err);
    if (!status)
        status = lsmkv_put(session, text(group_key(member, 'b', key)), text(value), err);
    if (!status)
        status = prepare_as(session, MAYBE | number * GROUP | member, false, err);
    return status;
}

/* Several prepared at once, a rotation between their phases, outcomes in another order. Dies at any place. */
static void write_group(struct db *db, uint64_t seed, unsigned number)
{
    struct lsmkv_session *sessions[GROUP];
    enum lsmkv_status status = LSMKV_OK;

    for (unsigned i = 0; i < GROUP; i++)
        assert_ok(lsmkv_session_open(&sessions[i], db->store, &db->err), &db->err);
    for (unsigned i = 0; i < GROUP && !status; i++)
        status = prepare_member(sessions[i], i, number, &db->err);
    if (!status && (seed + number) % 2)
        status = lsmkv_flush(db->store, &db->err);
    for (unsigned n = 0; n < GROUP && !status; n++) {
        unsigned i = (n * 2 + number) % GROUP;

        if (has_marker(MAYBE | number * GROUP | i))
            status = lsmkv_session_commit_prepared(sessions[i], &db->err);
        else
            status = lsmkv_session_rollback(sessions[i], &db->err);
    }
    for (unsigned i = 0; i < GROUP; i++)
        lsmkv_session_close(sessions[i]);
}

/* From transaction `first` on; ends early when the machine dies. */
static void work(struct db *db, uint64_t seed, unsigned first, unsigned count, struct progress *progress)
{
    for (unsigned i = first; i < first + count; i++) {
        progress->begun = i;
        if (write_transaction(db, seed, i))
            return;
        progress->acknowledged = i;
        if (i % 17 == 0 && !lsmkv_flush(db->store, &db->err))
            progress->flushed = i;
        if (i % 11 == 0)
            write_and_withdraw(db, i);
        if (i % 9 == 0)
            write_group(db, seed, i);
        if (i == 20 && !lsmkv_compact(db->store, unbounded, unbounded, &db->err))
            progress->flushed = i;
        if (i == 30) { /* a clean end makes durable too */
            if (db_try_close(db))
                return;
            progress->flushed = i;
            if (db_try_open(db))
                return;
        }
    }
}

/* ---- Checks ---- */

static unsigned found_count(struct db *db)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    char number[16] = "0";
    bool found;

    assert_ok(lsmkv_get(db->session, text("count"), &value, &found, &db->err), &db->err);
    if (found) {
        assert_true(value.size < sizeof(number));
        memcpy(number, value.data, value.size);
        number[value.size] = '\0';
    }
    lsmkv_buf_release(&value);
    return (unsigned)strtoul(number, NULL, 10);
}

/* Each member of a group wrote both of its keys, or neither. */
static void check_groups(struct db *db)
{
    char key[16], value[16];

    for (unsigned i = 0; i < GROUP; i++) {
        struct lsmkv_buf found_value = LSMKV_BUF_INIT;
        bool found;

        assert_ok(lsmkv_get(db->session, text(group_key(i, 'a', key)), &found_value, &found, &db->err), &db->err);
        if (found)
            snprintf(value, sizeof(value), "%.*s", (int)found_value.size, (const char *)found_value.data);
        db_expect(db, group_key(i, 'b', key), found ? value : NULL);
        lsmkv_buf_release(&found_value);
    }
}

static void check_state(struct db *db, uint64_t seed, unsigned count)
{
    char key[16], value[VALUE_MAX + 16];
    struct model model = {{0}};
    unsigned rows = 0;

    for (unsigned i = 1; i <= count; i++)
        apply(&model, seed, i);
    for (size_t i = 0; i < KEYS; i++) {
        db_expect(db, key_text(i, key), model.values[i] ? value_text(model.values[i], i, value) : NULL);
        rows += model.values[i] != 0;
    }
    assert_int_equal(db_count(db, "k"), rows);
}

/* What must be there: all that was acknowledged, if sync mode and crash promise it. */
static unsigned promised(const struct progress *progress, enum lsmkv_sync sync, enum sim_crash crash)
{
    return sync == LSMKV_SYNC_FULL || crash == SIM_KEEP_ALL ? progress->acknowledged : progress->flushed;
}

static unsigned check(struct db *db, uint64_t seed, const struct progress *progress, enum lsmkv_sync sync,
                      enum sim_crash crash)
{
    unsigned count;

    check_groups(db);
    settle_all(db);
    assert_int_equal(db_in_doubt(db), 0);
    check_groups(db);
    count = found_count(db);
    if (count < promised(progress, sync, crash) || count > progress->begun)
        fail_msg("found %u transactions; %u begun, %u acknowledged, %u flushed, sync %d, crash %d", count,
                 progress->begun, progress->acknowledged, progress->flushed, (int)sync, (int)crash);
    check_state(db, seed, count);
    return count;
}

/* ---- Crashes ---- */

/* The next disk; the store on the old one is freed. */
static struct sim_fs *power_cut(struct db *db, struct sim_fs *disk, enum sim_crash crash, uint64_t seed)
{
    struct sim_fs *after = sim_fs_crash(disk, crash, seed);

    sim_fs_stop_at(disk, 1);
    if (db->store)
        (void)db_try_close(db);
    db->how.fs = sim_fs_os(after);
    return after;
}

/* Boots on `disk` (freed here): checks, writes more, crashes again in the middle and in recovery, checks again. */
static void boot_and_go_on(struct db *db, struct sim_fs *disk, uint64_t seed, uint64_t n, const struct progress *before,
                           enum lsmkv_sync sync, enum sim_crash crash)
{
    uint64_t random = seed + n * 77;
    struct progress progress = *before;
    struct sim_fs *after;
    unsigned count;

    /* A recovery that dies must not lose what the first crash left. */
    sim_fs_stop_at(disk, 1 + test_random(&random) % 12);
    if (!db_try_open(db)) {
        settle_all(db);
        (void)db_try_close(db);
    }
    after = power_cut(db, disk, sync == LSMKV_SYNC_FULL ? crash : SIM_KEEP_ALL, random);
    sim_fs_free(disk);
    disk = after;

    db_open(db);
    count = check(db, seed, &progress, sync, crash);
    progress = (struct progress){count, count, 0};
    sim_fs_stop_at(disk, 1 + test_random(&random) % 40);
    work(db, seed, count + 1, 6, &progress);
    after = power_cut(db, disk, crash, random);
    sim_fs_free(disk);
    db_open(db);
    if (crash != SIM_KEEP_ALL && sync != LSMKV_SYNC_FULL)
        progress.acknowledged = progress.flushed;
    check(db, seed, &progress, sync, crash);
    db_reopen(db);
    check(db, seed, &progress, sync, crash);
    db_close(db);
    sim_fs_free(after);
}

/* Runs the workload until call `n`; false if it ended before. The store is left as the dead machine leaves it. */
static bool run_until(struct db *db, struct sim_fs *disk, uint64_t n, uint64_t seed, enum lsmkv_sync sync,
                      struct progress *progress)
{
    *progress = (struct progress){0, 0, 0};
    db_init(db, sim_fs_os(disk), "/store");
    db->options.sync = sync;
    db->options.max_immutables = 64; /* on a dead machine nobody waits for a flush to make room */
    sim_fs_stop_at(disk, n);
    if (!db_try_open(db))
        work(db, seed, 1, TRANSACTIONS, progress);
    return sim_fs_stopped(disk);
}

/* One death at call `n` and each kind of crash after it; false if the workload makes fewer calls. */
static bool die_at(uint64_t n, uint64_t seed, enum lsmkv_sync sync, int only)
{
    struct sim_fs *disk = sim_fs_new(), *after[SIM_CRASH_MODES] = {NULL};
    struct progress progress;
    struct db db;
    bool died = run_until(&db, disk, n, seed, sync, &progress);

    for (int crash = 0; crash < SIM_CRASH_MODES; crash++) {
        if (only < 0 || crash == only)
            after[crash] = sim_fs_crash(disk, (enum sim_crash)crash, seed + n);
    }
    if (db.store)
        (void)db_try_close(&db);
    for (int crash = 0; crash < SIM_CRASH_MODES; crash++) {
        if (!after[crash])
            continue;
        db.how.fs = sim_fs_os(after[crash]);
        boot_and_go_on(&db, after[crash], seed, n, &progress, sync, (enum sim_crash)crash);
    }
    db_end(&db);
    sim_fs_free(disk);
    return died;
}

static void sweep(enum lsmkv_sync sync)
{
    uint64_t seed = test_seed() % 1000000, step = 32 / test_scaled(32), n;

    for (n = 1 + seed % step; die_at(n, seed, sync, -1); n += step)
        ;
    printf("sync mode %d: died at each %llu. of %llu calls\n", (int)sync, (unsigned long long)step,
           (unsigned long long)n);
}

static void full_mode_loses_nothing_acknowledged(void **state)
{
    (void)state;
    sweep(LSMKV_SYNC_FULL);
}

static void normal_mode_loses_a_tail_at_most(void **state)
{
    (void)state;
    sweep(LSMKV_SYNC_NORMAL);
}

static void off_mode_stays_whole(void **state)
{
    (void)state;
    sweep(LSMKV_SYNC_OFF);
}

static void random_crashes_keep_every_promise(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (size_t i = 0; i < cycles; i++) {
        uint64_t seed = test_random(&random) % 1000000, n = 1 + test_random(&random) % 260;
        enum lsmkv_sync sync = (enum lsmkv_sync)(test_random(&random) % 3);

        (void)die_at(n, seed, sync, (int)(test_random(&random) % SIM_CRASH_MODES));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest sweeps[] = {
        cmocka_unit_test(full_mode_loses_nothing_acknowledged),
        cmocka_unit_test(normal_mode_loses_a_tail_at_most),
        cmocka_unit_test(off_mode_stays_whole),
    };
    const struct CMUnitTest crashes[] = {
        cmocka_unit_test(random_crashes_keep_every_promise),
    };

    if (argc > 1)
        cycles = strtoul(argv[1], NULL, 10);
    return cycles ? cmocka_run_group_tests(crashes, NULL, NULL) : cmocka_run_group_tests(sweeps, NULL, NULL);
}
