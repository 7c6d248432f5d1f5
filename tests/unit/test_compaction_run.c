/*
 * test_compaction_run.c - what a compaction writes: by cases, against a model, and when things fail.
 */
#include "compaction_kit.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "os/clock.h"

#define KB           1024u
#define MB           (1024u * 1024u)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One row of a real table; value NULL = a tombstone. */
struct row {
    const char *key;
    const char *value;
};

/* The levels of a test, changed by edits as the store would. */
struct tree {
    struct kit kit;
    struct version *version;
};

static struct lsmkv_slice text(const char *s)
{
    return slice_of(s, s ? strlen(s) : 0);
}

static int set_up(void **state)
{
    static struct tree tree;
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    kit_open(&tree.kit);
    assert_ok(version_new(&tree.version, NULL, NULL, &err), &err);
    *state = &tree;
    return 0;
}

static int tear_down(void **state)
{
    struct tree *tree = *state;

    version_unref(tree->version);
    kit_close(&tree->kit);
    return 0;
}

/* ---- Making tables ---- */

static struct sstable_builder *begin_table(struct tree *tree)
{
    struct sstable_params params = {4 * KB, 10, LSMKV_COMPRESSION_NONE};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct sstable_builder *builder;

    assert_ok(
        sstable_builder_new(&builder, tree->kit.fs, KIT_DIR, version_set_new_file(tree->kit.versions), &params, &err),
        &err);
    return builder;
}

static void add_entry(struct tree *tree, struct sstable_builder *builder, struct lsmkv_slice key,
                      struct lsmkv_slice value, bool tombstone)
{
    struct entry entry = {key, value, ++tree->kit.sequence, tombstone ? ENTRY_DELETE : ENTRY_PUT};
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    assert_ok(sstable_builder_add(builder, &entry, &err), &err);
}

static void edit_tree(struct tree *tree, const struct version_edit *edit)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct version *next;

    assert_ok(version_new(&next, tree->version, edit, &err), &err);
    version_unref(tree->version);
    tree->version = next;
}

static void finish_table(struct tree *tree, struct sstable_builder *builder, unsigned level)
{
    struct version_edit edit = {NULL, 0, NULL, 1};
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct table *table;

    assert_ok(sstable_builder_finish(builder, &info, &err), &err);
    sstable_builder_free(builder);
    assert_ok(table_new(&table, tree->kit.cache, &info, &err), &err);
    sstable_info_release(&info);
    edit.added = lsm_calloc(1, sizeof(*edit.added));
    assert_non_null(edit.added);
    edit.added[0].level = level;
    edit.added[0].table = table;
    edit_tree(tree, &edit);
    lsm_free(edit.added);
    table_unref(table);
}

static void add_table(struct tree *tree, unsigned level, const struct row *rows, size_t count)
{
    struct sstable_builder *builder = begin_table(tree);

    for (size_t i = 0; i < count; i++)
        add_entry(tree, builder, text(rows[i].key), text(rows[i].value), rows[i].value == NULL);
    finish_table(tree, builder, level);
}
#define ADD(tree, level, ...)                                                                                          \
    add_table(tree, level, (const struct row[]){__VA_ARGS__},                                                          \
              sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row))

/* A table of `bytes` of random values under keys that start with `prefix`. */
static void add_filler(struct tree *tree, unsigned level, const char *prefix, size_t bytes)
{
    struct sstable_builder *builder = begin_table(tree);
    uint64_t random = test_seed() + tree->kit.sequence;
    uint64_t value[64];
    char key[32];

    for (unsigned n = 0; sstable_builder_size(builder) < bytes; n++) {
        for (size_t i = 0; i < COUNT(value); i++)
            value[i] = test_random(&random);
        snprintf(key, sizeof(key), "%s%08u", prefix, n);
        add_entry(tree, builder, text(key), slice_of(value, sizeof(value)), false);
    }
    finish_table(tree, builder, level);
}

/* ---- Compacting ---- */

static struct compaction *pick_level(struct tree *tree, unsigned level)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_slice all = {NULL, 0};
    struct compaction *compaction;
    bool blocked;

    assert_ok(pick_range(&compaction, &tree->kit.options, tree->version, level, all, all, &blocked, &err), &err);
    assert_non_null(compaction);
    return compaction;
}

static struct outputs run(struct tree *tree, const struct compaction *compaction)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct outputs outputs = {NULL, 0};

    assert_ok(compaction_run(&tree->kit.background, compaction, tree->version, &outputs, &err), &err);
    return outputs;
}

/* Replaces the inputs by the outputs, frees both; the files of the inputs go. */
static void install(struct tree *tree, struct compaction *compaction, struct outputs *outputs)
{
    struct version_edit edit = {NULL, 0, NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;

    edit.removed = lsm_calloc(compaction->input_count[0] + compaction->input_count[1], sizeof(struct table *));
    edit.added = lsm_calloc(outputs->count + 1, sizeof(*edit.added));
    assert_true(edit.removed && edit.added);
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < compaction->input_count[side]; i++) {
            struct table *input = compaction->inputs[side][i];
            char *path = sstable_path(KIT_DIR, table_info(input)->number);

            edit.removed[edit.removed_count++] = input;
            assert_ok(os_fs_remove(tree->kit.memory, path, &err), &err);
            lsm_free(path);
        }
    }
    for (size_t i = 0; i < outputs->count; i++) {
        edit.added[edit.added_count].level = compaction->output_level;
        edit.added[edit.added_count++].table = outputs->tables[i];
    }
    edit_tree(tree, &edit);
    lsm_free(edit.added);
    lsm_free(edit.removed);
    compaction_free(compaction);
    outputs_release(outputs);
}

static void compact_level(struct tree *tree, unsigned level)
{
    struct compaction *compaction = pick_level(tree, level);
    struct outputs outputs = run(tree, compaction);

    install(tree, compaction, &outputs);
}

static void expect(struct tree *tree, const char *key, const char *value)
{
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum entry_kind kind;
    bool found;

    assert_ok(version_get(tree->version, text(key), &buf, &kind, &found, &err), &err);
    assert_int_equal(found && kind == ENTRY_PUT, value != NULL);
    if (value)
        assert_true(slice_equal(slice_of_buf(&buf), text(value)));
    lsmkv_buf_release(&buf);
}

static uint64_t level_entries(const struct tree *tree, unsigned level)
{
    uint64_t entries = 0;

    for (size_t i = 0; i < tree->version->levels[level].count; i++)
        entries += table_info(tree->version->levels[level].tables[i])->entries;
    return entries;
}

static uint64_t level_tombstones(const struct tree *tree, unsigned level)
{
    uint64_t tombstones = 0;

    for (size_t i = 0; i < tree->version->levels[level].count; i++)
        tombstones += table_info(tree->version->levels[level].tables[i])->tombstones;
    return tombstones;
}

/* ---- What survives ---- */

static void newest_version_survives(void **state)
{
    struct tree *tree = *state;

    ADD(tree, 1, {"a", "old"}, {"b", "old"}, {"d", "old"});
    ADD(tree, 0, {"a", "middle"}, {"c", "middle"});
    ADD(tree, 0, {"a", "new"});
    compact_level(tree, 0);
    assert_int_equal(tree->version->levels[0].count, 0);
    assert_int_equal(tree->version->levels[1].count, 1);
    assert_int_equal(level_entries(tree, 1), 4);
    expect(tree, "a", "new");
    expect(tree, "b", "old");
    expect(tree, "c", "middle");
    expect(tree, "d", "old");
}

static void tombstone_stays_over_a_deeper_table_that_may_hold_its_key(void **state)
{
    struct tree *tree = *state;

    ADD(tree, 3, {"b", "old"}, {"f", "old"});
    ADD(tree, 0, {"a", NULL}, {"b", NULL}, {"d", NULL}, {"g", NULL});
    compact_level(tree, 0);
    assert_int_equal(level_tombstones(tree, 1), 2); /* b, and d, which lies between b and f */
    assert_int_equal(counter_get(&tree->kit.counters, tombstones_dropped), 2);
    expect(tree, "b", NULL);
    compact_level(tree, 1);
    assert_int_equal(level_tombstones(tree, 2), 2);
    expect(tree, "b", NULL);
    compact_level(tree, 2);
    assert_int_equal(level_tombstones(tree, 3), 0);
    expect(tree, "b", NULL);
    expect(tree, "f", "old");
}

static void tombstone_takes_the_output_levels_version_with_it(void **state)
{
    struct tree *tree = *state;

    ADD(tree, 1, {"a", "old"}, {"b", "old"});
    ADD(tree, 0, {"a", NULL});
    compact_level(tree, 0);
    assert_int_equal(level_entries(tree, 1), 1);
    expect(tree, "a", NULL);
    expect(tree, "b", "old");
}

static void nothing_is_written_when_all_is_deleted(void **state)
{
    struct tree *tree = *state;

    ADD(tree, 1, {"a", "old"}, {"b", "old"});
    ADD(tree, 0, {"a", NULL}, {"b", NULL}, {"c", NULL});
    compact_level(tree, 0);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        assert_int_equal(tree->version->levels[level].count, 0);
    assert_int_equal(kit_table_files(&tree->kit), 0);
}

static void dropped_ids_are_discarded_and_asked_once(void **state)
{
    struct tree *tree = *state;

    ADD(tree, 1, {"BBBB1", "old"}, {"CCCC1", "old"});
    ADD(tree, 0, {"AAAA1", "a"}, {"BBBB1", "b"}, {"BBBB2", NULL}, {"CC", "short"});
    tree->kit.dropped_id = 0x42424242;
    compact_level(tree, 0);
    assert_int_equal(tree->kit.dropped_asked, 3);
    assert_int_equal(level_entries(tree, 1), 3);
    expect(tree, "BBBB1", NULL);
    expect(tree, "CCCC1", "old");
    expect(tree, "CC", "short");
}

/* ---- Where outputs are cut ---- */

static void outputs_are_cut_at_the_target_size(void **state)
{
    struct tree *tree = *state;
    uint64_t target = table_size_target(&tree->kit.options);
    struct compaction *compaction;
    struct outputs outputs;

    add_filler(tree, 0, "k", 3 * MB + MB / 2);
    compaction = pick_level(tree, 0);
    outputs = run(tree, compaction);
    assert_int_equal(outputs.count, 4);
    for (size_t i = 0; i < outputs.count; i++) {
        const struct sstable_info *info = table_info(outputs.tables[i]);

        assert_true(info->size < target + 100 * KB);
        assert_true(i + 1 == outputs.count || info->size >= target);
    }
    assert_true(counter_get(&tree->kit.counters, compaction_write_bytes) > 3 * MB);
    assert_true(counter_get(&tree->kit.counters, compaction_read_bytes) > 3 * MB);
    install(tree, compaction, &outputs);
}

static void outputs_are_cut_over_too_many_grandparents(void **state)
{
    struct tree *tree = *state;
    /* 6 MB each; 10 MB may be passed. */
    const struct kit_facts facts[] = {
        {2, "b", "c", 6 * MB, 0, 0}, {2, "e", "f", 6 * MB, 0, 0}, {2, "h", "i", 6 * MB, 0, 0}};
    struct version *grandparents = kit_version(&tree->kit, facts, COUNT(facts));
    struct compaction *compaction;
    struct outputs outputs;

    ADD(tree, 1, {"a", "1"}, {"d", "1"}, {"g", "1"}, {"j", "1"});
    ADD(tree, 0, {"a", "2"}, {"k", "2"});
    compaction = pick_level(tree, 0);
    assert_int_equal(compaction->grandparent_count, 0);
    compaction->grandparents = lsm_calloc(3, sizeof(struct table *));
    for (size_t i = 0; i < 3; i++) {
        compaction->grandparents[i] = kit_table_at(grandparents, 2, i);
        table_ref(compaction->grandparents[i]);
    }
    compaction->grandparent_count = 3;
    outputs = run(tree, compaction);
    assert_int_equal(outputs.count, 2); /* a d | g j k: before g, 12 MB have been passed */
    assert_true(slice_equal(slice_of_buf(&table_info(outputs.tables[1])->key_min), text("g")));
    install(tree, compaction, &outputs);
    version_unref(grandparents);
}

static void codec_goes_by_level(void **state)
{
    struct tree *tree = *state;
    struct lsmkv_options *options = &tree->kit.options;

    ADD(tree, 4, {"a", "1"});
    options->compression = LSMKV_COMPRESSION_LZ4;
    assert_int_equal(compression_of_level(options, tree->version, 0), LSMKV_COMPRESSION_LZ4);
    options->compression = LSMKV_COMPRESSION_AUTO;
    assert_int_equal(compression_of_level(options, NULL, 0), LSMKV_COMPRESSION_NONE);
    assert_int_equal(compression_of_level(options, tree->version, 1), LSMKV_COMPRESSION_NONE);
    assert_int_equal(compression_of_level(options, tree->version, 2), LSMKV_COMPRESSION_LZ4);
    assert_int_equal(compression_of_level(options, tree->version, 3), LSMKV_COMPRESSION_LZ4);
    assert_int_equal(compression_of_level(options, tree->version, 4), LSMKV_COMPRESSION_ZSTD);
    assert_int_equal(compression_of_level(options, tree->version, 6), LSMKV_COMPRESSION_ZSTD);
}

/* ---- Failures ---- */

static void add_three(struct tree *tree)
{
    add_filler(tree, 1, "m", 1200 * KB);
    add_filler(tree, 0, "k", 700 * KB);
    add_filler(tree, 0, "m", 700 * KB);
}

/* A read error taken for the end of the input would silently lose what comes after it. */
static void every_failed_read_fails_the_compaction(void **state)
{
    struct tree *tree = *state;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_IO;
    struct compaction *compaction;
    uint64_t failed = 0;

    add_three(tree);
    compaction = pick_level(tree, 0);
    for (uint64_t nth = 1; status; nth++) {
        struct fault_rule rule = {.calls = FAULT_BIT(FAULT_READ), .suffix = ".sst", .nth = nth, .status = LSMKV_IO};
        uint64_t failures;

        fault_fs_reset(tree->kit.faults);
        fault_fs_fail(tree->kit.faults, &rule);
        status = compaction_run(&tree->kit.background, compaction, tree->version, &outputs, &err);
        failures = fault_fs_failures(tree->kit.faults);
        fault_fs_heal(tree->kit.faults);
        assert_int_equal(status, failures ? LSMKV_IO : LSMKV_OK);
        assert_int_equal(kit_table_files(&tree->kit), 3 + outputs.count);
        failed += failures;
    }
    assert_true(failed >= 3);
    assert_true(outputs.count >= 2);
    install(tree, compaction, &outputs);
}

static void every_failed_write_removes_all_outputs(void **state)
{
    struct tree *tree = *state;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_FULL;
    struct compaction *compaction;
    uint64_t failed = 0;

    add_three(tree);
    compaction = pick_level(tree, 0);
    for (uint64_t nth = 1; status; nth++) {
        struct fault_rule rule = {.calls = FAULT_CHANGES & ~FAULT_BIT(FAULT_REMOVE),
                                  .suffix = ".sst",
                                  .nth = nth,
                                  .status = LSMKV_FULL,
                                  .effect = FAULT_HALF};

        fault_fs_fail(tree->kit.faults, &rule);
        status = compaction_run(&tree->kit.background, compaction, tree->version, &outputs, &err);
        fault_fs_heal(tree->kit.faults);
        if (status) {
            assert_status(status, LSMKV_FULL, &err);
            assert_int_equal(kit_table_files(&tree->kit), 3);
            failed++;
        }
    }
    assert_true(failed >= 6); /* create, write and sync of more than one output */
    install(tree, compaction, &outputs);
}

static void a_damaged_input_fails_the_compaction(void **state)
{
    struct tree *tree = *state;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct compaction *compaction;
    struct os_file *file;
    uint8_t byte;
    char *path;

    add_three(tree);
    path = sstable_path(KIT_DIR, table_info(kit_table_at(tree->version, 1, 0))->number);
    assert_ok(os_fs_open(tree->kit.memory, path, OS_WRITE, &file, &err), &err);
    assert_ok(os_read(file, 900 * KB, &byte, 1, &err), &err);
    byte ^= 1;
    assert_ok(os_write(file, 900 * KB, &byte, 1, &err), &err);
    assert_ok(os_close(file, &err), &err);
    lsm_free(path);
    compaction = pick_level(tree, 0);
    assert_status(compaction_run(&tree->kit.background, compaction, tree->version, &outputs, &err), LSMKV_CORRUPT,
                  &err);
    assert_int_equal(kit_table_files(&tree->kit), 3);
    compaction_free(compaction);
}

static void every_failed_allocation_is_survived(void **state)
{
    struct tree *tree = *state;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    enum lsmkv_status status = LSMKV_NOMEM;
    struct compaction *compaction;

    ADD(tree, 1, {"a", "old"}, {"b", "old"});
    ADD(tree, 0, {"a", "new"});
    compaction = pick_level(tree, 0);
    for (uint64_t nth = 1; status; nth++) {
        lsm_alloc_fail_at(nth, false);
        status = compaction_run(&tree->kit.background, compaction, tree->version, &outputs, &err);
        lsm_alloc_fail_at(0, false);
        if (status)
            assert_status(status, LSMKV_NOMEM, &err);
    }
    install(tree, compaction, &outputs);
    expect(tree, "a", "new");
}

static void stopping_ends_it_without_files(void **state)
{
    struct tree *tree = *state;
    struct outputs outputs = {NULL, 0};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    const _Atomic bool stopping = true;
    struct compaction *compaction;

    add_three(tree);
    compaction = pick_level(tree, 0);
    tree->kit.background.stopping = &stopping;
    assert_status(compaction_run(&tree->kit.background, compaction, tree->version, &outputs, &err), LSMKV_INTERRUPTED,
                  &err);
    tree->kit.background.stopping = NULL;
    assert_int_equal(kit_table_files(&tree->kit), 3);
    compaction_free(compaction);
}

/* ---- Rate ---- */

static uint64_t fake_now_ns;

static uint64_t fake_now(void)
{
    return fake_now_ns;
}

static void fake_sleep(uint64_t ns)
{
    assert_true(ns <= 10000000); /* a stop is seen within 10 ms */
    fake_now_ns += ns;
}

static void rate_limiter_spreads_what_is_taken(void **state)
{
    struct rate_limiter limiter = {0};

    (void)state;
    assert_int_equal(rate_limiter_take(&limiter, 1000, 500, 7), 0);
    assert_int_equal(rate_limiter_take(&limiter, 1000, 500, 7), 500000000); /* what was taken before is paid first */
    assert_int_equal(rate_limiter_take(&limiter, 1000, 1, 500000007), 500000000);
    assert_int_equal(rate_limiter_take(&limiter, 1000, 1, UINT64_C(9000000000)), 0); /* idle time is not saved up */
    assert_int_equal(rate_limiter_take(&limiter, 1000, 1, UINT64_C(9000000000)), 1000000);
}

static void a_compaction_keeps_to_the_rate_limit(void **state)
{
    struct tree *tree = *state;
    struct rate_limiter limiter = {0};
    struct compaction *compaction;
    struct outputs outputs;
    uint64_t seconds;

    add_filler(tree, 0, "k", 3 * MB);
    compaction = pick_level(tree, 0);
    tree->kit.options.rate_limit = 100 * KB;
    tree->kit.background.limiter = &limiter;
    fake_now_ns = 1;
    clock_set_for_tests(fake_now, fake_sleep);
    outputs = run(tree, compaction);
    clock_set_for_tests(NULL, NULL);
    tree->kit.background.limiter = NULL;
    seconds = fake_now_ns / 1000000000;
    assert_in_range(seconds, 28, 32); /* 30 s, less what the last piece would have cost */
    install(tree, compaction, &outputs);
}

/* ---- Against a model ---- */

#define KEYS 150

enum writes { MIXED, PUTS, DELETES };

struct model {
    char values[KEYS][16]; /* "" = absent */
    unsigned version;
};

static void model_key(char key[16], size_t index)
{
    snprintf(key, 16, "key%04zu", index);
}

/* Adds a table of random writes of keys in [from, to) to `level`; the model follows. */
static void add_random(struct tree *tree, struct model *model, uint64_t *random, unsigned level, size_t from, size_t to,
                       enum writes writes)
{
    struct sstable_builder *builder = begin_table(tree);
    bool any = false;
    char key[16];

    for (size_t i = from; i < to; i++) {
        bool delete = writes == DELETES || (writes == MIXED && test_random(random) % 3 == 0);

        if (writes != DELETES && test_random(random) % 3 == 0 && (any || i + 1 < to))
            continue;
        any = true;
        model_key(key, i);
        if (delete)
            model->values[i][0] = 0;
        else
            snprintf(model->values[i], sizeof(model->values[i]), "value%u", ++model->version);
        add_entry(tree, builder, text(key), text(delete ? NULL : model->values[i]), delete);
    }
    finish_table(tree, builder, level);
}

static void expect_model(struct tree *tree, const struct model *model)
{
    char key[16];

    for (size_t i = 0; i < KEYS; i++) {
        model_key(key, i);
        expect(tree, key, model->values[i][0] ? model->values[i] : NULL);
    }
}

/* After a full pass, what is left of a key is its newest version, and tombstones only over what they may hide. */
static void sink_everything(struct tree *tree, const struct model *model)
{
    unsigned deepest = 1;
    uint64_t live = 0;

    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        deepest = tree->version->levels[level].count && level > deepest ? level : deepest;
    for (unsigned level = 0; level < deepest; level++) {
        if (tree->version->levels[level].count)
            compact_level(tree, level);
    }
    for (size_t i = 0; i < KEYS; i++)
        live += model->values[i][0] != 0;
    assert_int_equal(level_entries(tree, deepest), live);
    assert_int_equal(level_tombstones(tree, deepest), 0);
    expect_model(tree, model);
}

static void random_tree_equals_the_model(void **state)
{
    struct tree *tree = *state;
    struct model model = {{{0}}, 0};
    uint64_t random = test_seed();

    for (unsigned level = LSMKV_LEVELS - 1; level >= 1; level--) {
        size_t at = 0;

        while ((test_random(&random) % 3 || (level == LSMKV_LEVELS - 1 && at == 0)) && at + 12 < KEYS) {
            size_t from = at + test_random(&random) % 10;

            at = from + 1 + test_random(&random) % (KEYS - from - 1);
            add_random(tree, &model, &random, level, from, at, level == LSMKV_LEVELS - 1 ? PUTS : MIXED);
        }
    }
    expect_model(tree, &model);
    for (size_t round = 0; round < 12; round++) {
        unsigned level = (unsigned)(test_random(&random) % 4);

        for (uint64_t n = test_random(&random) % 3; n > 0; n--) {
            size_t from = test_random(&random) % (KEYS - 1);

            add_random(tree, &model, &random, 0, from, from + 1 + test_random(&random) % (KEYS - from - 1), MIXED);
        }
        if (tree->version->levels[level].count)
            compact_level(tree, level);
        expect_model(tree, &model);
    }
    sink_everything(tree, &model);
    add_random(tree, &model, &random, 0, 0, KEYS, DELETES);
    sink_everything(tree, &model);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        assert_int_equal(tree->version->levels[level].count, 0);
    assert_int_equal(kit_table_files(&tree->kit), 0);
}

static void random_trees_equal_the_model(void **state)
{
    for (size_t n = test_scaled(40); n > 0; n--)
        random_tree_equals_the_model(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(newest_version_survives),
        TEST(tombstone_stays_over_a_deeper_table_that_may_hold_its_key),
        TEST(tombstone_takes_the_output_levels_version_with_it),
        TEST(nothing_is_written_when_all_is_deleted),
        TEST(dropped_ids_are_discarded_and_asked_once),
        TEST(outputs_are_cut_at_the_target_size),
        TEST(outputs_are_cut_over_too_many_grandparents),
        TEST(codec_goes_by_level),
        TEST(every_failed_read_fails_the_compaction),
        TEST(every_failed_write_removes_all_outputs),
        TEST(a_damaged_input_fails_the_compaction),
        TEST(every_failed_allocation_is_survived),
        TEST(stopping_ends_it_without_files),
        TEST(rate_limiter_spreads_what_is_taken),
        TEST(a_compaction_keeps_to_the_rate_limit),
        TEST(random_trees_equal_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
