/*
 * test_replay.c - one record of the log at a time: what is added, what is passed over, what is refused.
 */
#include "support/test.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "manifest/manifest.h"
#include "store/replay.h"

struct fixture {
    struct memtable *memtable;
    struct replay replay;
    uint8_t bytes[256];
    size_t size; /* of the payload being made */
    uint32_t version;
    struct lsmkv_error err;
};

/* Transactions up to sequence 5 are in tables. */
static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->version = WAL_VERSION;
    assert_ok(memtable_new(&f->memtable, 3, &f->err), &f->err);
    f->replay =
        (struct replay){.memtable = f->memtable, .flushed = 5, .sequence = 5, .path = "wal/000003.wal", .segment = 3};
}

static void tear_down(struct fixture *f)
{
    replay_release(&f->replay);
    memtable_unref(f->memtable);
}

static void add_entry(struct fixture *f, const char *key, const char *value)
{
    struct entry entry = {.key = slice_of(key, strlen(key)), .kind = value ? ENTRY_PUT : ENTRY_DELETE};

    if (value)
        entry.value = slice_of(value, strlen(value));
    f->size += wal_entry_head_put(f->bytes + f->size, &entry);
    memcpy(f->bytes + f->size, key, entry.key.size);
    f->size += entry.key.size;
    if (value)
        memcpy(f->bytes + f->size, value, entry.value.size);
    f->size += entry.value.size;
}

static void add_prepare_head(struct fixture *f, uint64_t transaction, uint8_t by_default)
{
    memset(f->bytes, 0, WAL_PREPARE_HEAD);
    put_u64(f->bytes, transaction);
    f->bytes[WAL_PREPARE_HEAD - 1] = by_default;
    f->size = WAL_PREPARE_HEAD;
}

/* Replays what was made as one record and starts the next. */
static enum lsmkv_status replay(struct fixture *f, enum wal_type type, uint64_t sequence)
{
    struct wal_record record = {type, sequence, slice_of(f->bytes, f->size), 80, f->version};

    f->size = 0;
    return replay_record(&f->replay, &record, &f->err);
}

static enum lsmkv_status commit(struct fixture *f, uint64_t sequence, const char *key)
{
    add_entry(f, key, "1");
    return replay(f, WAL_COMMIT, sequence);
}

static enum lsmkv_status prepare(struct fixture *f, uint64_t transaction, uint8_t by_default, const char *key)
{
    add_prepare_head(f, transaction, by_default);
    add_entry(f, key, "1");
    return replay(f, WAL_PREPARE, 5);
}

static enum lsmkv_status decide(struct fixture *f, enum wal_type type, uint64_t sequence, uint64_t transaction)
{
    put_u64(f->bytes, transaction);
    f->size = 8;
    return replay(f, type, sequence);
}

static void expect(struct fixture *f, const char *key, uint64_t sequence)
{
    struct entry entry = {.sequence = 0};
    bool found = memtable_get(f->memtable, slice_of(key, strlen(key)), SEQUENCE_MAX, &entry);

    assert_int_equal(found, sequence != 0);
    assert_int_equal(found ? entry.sequence : 0, sequence);
}

static void commits_are_added_with_their_sequence(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    add_entry(&f, "a", "1");
    add_entry(&f, "b", NULL);
    assert_ok(replay(&f, WAL_COMMIT, 6), &f.err);
    assert_ok(commit(&f, 9, "a"), &f.err);
    expect(&f, "a", 9);
    expect(&f, "b", 6);
    assert_int_equal(memtable_entries(f.memtable), 3);
    assert_int_equal(f.replay.sequence, 9);
    tear_down(&f);
}

/*
 * A segment is kept for a prepare although its memtable was flushed. What is in tables already must not come back: a newer
 * version of a key may be in a deeper level than the tables that recovery makes.
 */
static void flushed_transactions_are_passed_over(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_ok(commit(&f, 4, "a"), &f.err);
    assert_ok(prepare(&f, 77, 0, "b"), &f.err);
    assert_ok(decide(&f, WAL_OUTCOME, 5, 77), &f.err);
    assert_ok(decide(&f, WAL_OUTCOME, 5, 78), &f.err); /* its prepare may be gone */
    assert_int_equal(memtable_entries(f.memtable), 0);
    assert_null(f.replay.prepared);
    assert_ok(commit(&f, 6, "a"), &f.err);
    expect(&f, "a", 6);
    tear_down(&f);
}

static void sequences_must_rise(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_ok(commit(&f, 6, "a"), &f.err);
    assert_fails(commit(&f, 6, "b"), LSMKV_CORRUPT, &f.err, "000003.wal");
    expect(&f, "b", 0);
    tear_down(&f);
}

/* A clean log that ended with the largest number there is made the next commit's sequence 0: acknowledged, never seen. */
static void sequences_end_where_counting_on_could_overflow(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_fails(commit(&f, UINT64_MAX, "a"), LSMKV_CORRUPT, &f.err, "offset 80");
    assert_ok(prepare(&f, 1, 0, "a"), &f.err);
    assert_fails(decide(&f, WAL_OUTCOME, MANIFEST_NUMBER_MAX + 1, 1), LSMKV_CORRUPT, &f.err, "out of range");
    expect(&f, "a", 0);
    assert_ok(commit(&f, MANIFEST_NUMBER_MAX, "a"), &f.err);
    expect(&f, "a", MANIFEST_NUMBER_MAX);
    tear_down(&f);
}

static void outcome_commits_and_abort_forgets(void **state)
{
    struct fixture f;
    bool settled;

    (void)state;
    set_up(&f);
    assert_ok(prepare(&f, 1, 0, "a"), &f.err);
    assert_ok(prepare(&f, 2, 1, "b"), &f.err);
    expect(&f, "a", 0);
    assert_ok(decide(&f, WAL_OUTCOME, 6, 1), &f.err);
    assert_ok(decide(&f, WAL_ABORT, 6, 2), &f.err);
    assert_ok(decide(&f, WAL_ABORT, 6, 3), &f.err); /* unknown: nothing to forget */
    expect(&f, "a", 6);
    assert_ok(replay_settle(&f.replay, &settled, &f.err), &f.err);
    assert_false(settled);
    expect(&f, "b", 0);
    tear_down(&f);
}

static void outcome_makes_the_memtable_need_the_segment_of_its_prepare(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.replay.segment = 2;
    assert_ok(prepare(&f, 1, 0, "a"), &f.err);
    f.replay.segment = 3;
    assert_ok(decide(&f, WAL_OUTCOME, 6, 1), &f.err);
    assert_int_equal(memtable_oldest_segment(f.memtable), 2);
    tear_down(&f);
}

static void undecided_prepares_commit_by_default_in_order_or_stay_in_doubt(void **state)
{
    struct fixture f;
    bool settled;

    (void)state;
    set_up(&f);
    assert_ok(prepare(&f, 1, 1, "a"), &f.err);
    assert_ok(prepare(&f, 2, 0, "b"), &f.err);
    assert_ok(prepare(&f, 3, 1, "c"), &f.err);
    assert_ok(commit(&f, 6, "d"), &f.err);
    assert_ok(replay_settle(&f.replay, &settled, &f.err), &f.err);
    assert_true(settled);
    expect(&f, "a", 7);
    expect(&f, "b", 0);
    expect(&f, "c", 8);
    assert_int_equal(f.replay.sequence, 8);
    assert_true(f.replay.prepared && f.replay.prepared->how.transaction == 2 && !f.replay.prepared->next);
    tear_down(&f);
}

/* Its writer let nobody commit before the outcome and kept no marker: what is not committed by default never was. */
static void undecided_prepares_of_format_1_are_forgotten(void **state)
{
    struct fixture f;
    bool settled;

    (void)state;
    set_up(&f);
    f.version = 1;
    assert_ok(prepare(&f, 1, 0, "a"), &f.err);
    assert_ok(prepare(&f, 2, 1, "b"), &f.err);
    assert_ok(replay_settle(&f.replay, &settled, &f.err), &f.err);
    assert_true(settled);
    expect(&f, "a", 0);
    expect(&f, "b", 6);
    assert_null(f.replay.prepared);
    tear_down(&f);
}

/* Rotation writes what is undecided once more: the segment of the newest record is the one that is needed. */
static void later_record_of_a_prepare_takes_the_place_of_the_earlier(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.replay.segment = 2;
    assert_ok(prepare(&f, 1, 0, "a"), &f.err);
    assert_ok(prepare(&f, 2, 1, "b"), &f.err);
    f.replay.segment = 3;
    assert_ok(prepare(&f, 1, 0, "a"), &f.err);
    assert_true(f.replay.prepared->how.transaction == 1 && f.replay.prepared->segment == 3);
    assert_true(f.replay.prepared->next->how.transaction == 2 && !f.replay.prepared->next->next);
    assert_ok(decide(&f, WAL_OUTCOME, 6, 1), &f.err);
    assert_int_equal(memtable_oldest_segment(f.memtable), 3);
    tear_down(&f);
}

static void add_read(struct fixture *f, const char *key, const char *upper)
{
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    struct wal_read read = {.range = upper != NULL, .key = slice_of(key, strlen(key))};

    if (upper)
        read.upper = slice_of(upper, strlen(upper));
    assert_ok(wal_read_append(&bytes, &read, &f->err), &f->err);
    memcpy(f->bytes + f->size, bytes.data, bytes.size);
    f->size += bytes.size;
    lsmkv_buf_release(&bytes);
}

static bool read_by(const struct read_set *reads, const char *key)
{
    return read_set_contains(reads, slice_of(key, strlen(key)));
}

static void reads_of_a_prepare_in_doubt_come_back(void **state)
{
    struct batch *batch = NULL;
    struct read_set *reads = NULL;
    struct entry entry;
    struct fixture f;
    bool settled;

    (void)state;
    set_up(&f);
    add_prepare_head(&f, 1, 0);
    add_read(&f, "c", NULL);
    add_read(&f, "f", "h");
    add_read(&f, "x", "");
    add_entry(&f, "a", "1");
    add_entry(&f, "b", NULL);
    assert_ok(replay(&f, WAL_PREPARE, 5), &f.err);
    assert_ok(replay_settle(&f.replay, &settled, &f.err), &f.err);
    assert_false(settled);
    assert_ok(replay_undecided(f.replay.prepared, &batch, &reads, &f.err), &f.err);
    assert_true(read_by(reads, "c") && read_by(reads, "f") && read_by(reads, "gzz") && read_by(reads, "zz"));
    assert_false(read_by(reads, "a") || read_by(reads, "cc") || read_by(reads, "h") || read_by(reads, "w"));
    assert_true(batch_get(batch, slice_of("a", 1), &entry) && entry.kind == ENTRY_PUT && entry.value.size == 1);
    assert_true(batch_get(batch, slice_of("b", 1), &entry) && entry.kind == ENTRY_DELETE);
    assert_int_equal(batch_mark(batch), 2);
    read_set_free(reads);
    batch_unref(batch);
    tear_down(&f);
}

static void records_that_the_engine_does_not_write_are_refused(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    add_entry(&f, "b", "1");
    add_entry(&f, "a", "1");
    assert_fails(replay(&f, WAL_COMMIT, 6), LSMKV_CORRUPT, &f.err, "offset 80");
    add_entry(&f, "b", "1");
    add_entry(&f, "b", "2");
    assert_status(replay(&f, WAL_COMMIT, 7), LSMKV_CORRUPT, &f.err);
    add_entry(&f, "c", "123");
    f.size--;
    assert_status(replay(&f, WAL_COMMIT, 8), LSMKV_CORRUPT, &f.err);
    assert_status(decide(&f, WAL_OUTCOME, 9, 1), LSMKV_CORRUPT, &f.err); /* of nothing */
    f.size = 7;
    assert_status(replay(&f, WAL_ABORT, 9), LSMKV_CORRUPT, &f.err);
    add_prepare_head(&f, 1, 2); /* a default that is none */
    assert_status(replay(&f, WAL_PREPARE, 9), LSMKV_CORRUPT, &f.err);
    f.size = WAL_PREPARE_HEAD - 1;
    assert_status(replay(&f, WAL_PREPARE, 9), LSMKV_CORRUPT, &f.err);
    add_prepare_head(&f, 1, 0);
    add_entry(&f, "b", "1");
    add_entry(&f, "a", "1");
    assert_status(replay(&f, WAL_PREPARE, 9), LSMKV_CORRUPT, &f.err); /* at once, not when it is settled */
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_are_added_with_their_sequence),
        cmocka_unit_test(flushed_transactions_are_passed_over),
        cmocka_unit_test(sequences_must_rise),
        cmocka_unit_test(sequences_end_where_counting_on_could_overflow),
        cmocka_unit_test(outcome_commits_and_abort_forgets),
        cmocka_unit_test(outcome_makes_the_memtable_need_the_segment_of_its_prepare),
        cmocka_unit_test(undecided_prepares_commit_by_default_in_order_or_stay_in_doubt),
        cmocka_unit_test(undecided_prepares_of_format_1_are_forgotten),
        cmocka_unit_test(later_record_of_a_prepare_takes_the_place_of_the_earlier),
        cmocka_unit_test(reads_of_a_prepare_in_doubt_come_back),
        cmocka_unit_test(records_that_the_engine_does_not_write_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
