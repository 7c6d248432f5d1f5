/*
 * test_level_manifest.c - the files of levels, global.json, a commit across levels, and the rules of an LSM tree's levels.
 */
#include "manifest_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fault_fs.h"
#include "manifest/format.h"
#include "sim_fs.h"

static int setup(void **state)
{
    struct os_fs *fs = os_memory_fs_new();

    assert_non_null(fs);
    store_dirs_make(fs);
    *state = fs;
    return 0;
}

static int teardown(void **state)
{
    os_memory_fs_free((struct os_fs *)*state);
    return 0;
}

static void assert_loads_as(const struct manifest *manifest, struct os_fs *fs)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest loaded;

    assert_ok(manifest_load(&loaded, fs, STORE_DIR, &err), &err);
    assert_manifest_equal(manifest, &loaded);
    manifest_release(&loaded);
}

static void assert_load_fails(struct os_fs *fs, enum lsmkv_status status, const char *text)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest loaded;

    assert_fails(manifest_load(&loaded, fs, STORE_DIR, &err), status, &err, text);
}

/* Two tables in L0, two in L1, one in L3: generation 1. */
static void commit_sample(struct manifest *manifest, struct os_fs *fs)
{
    manifest_start(manifest);
    manifest_add(manifest, 0, info_make(12, "b", "y", 90), fs);
    manifest_add(manifest, 0, info_make(11, "a", "z", 80), fs);
    manifest_add(manifest, 1, info_make(7, "a", "f", 60), fs);
    manifest_add(manifest, 1, info_make(8, "g", "p", 50), fs);
    manifest_add(manifest, 3, info_make(2, "c", "d", 10), fs);
    manifest_commit_ok(manifest, 1u << 0 | 1u << 1 | 1u << 3, fs);
}

/* ---- One level ---- */

static void level_manifest_round_trips_tables(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    assert_int_equal(manifest.generation, 1);
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

static void level_manifest_keeps_large_numbers_and_binary_keys(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct sstable_info info = info_make(9, "", "", 1);
    uint8_t keys[256];
    struct manifest manifest;

    for (unsigned i = 0; i < sizeof(keys); i++)
        keys[i] = (uint8_t)i;
    info.entries = (UINT64_C(1) << 53) + 1; /* a double would lose the last bit */
    info.sequence_max = (UINT64_C(1) << 62) - 1;
    info.checksum = UINT64_MAX;
    assert_ok(buf_set(&info.key_min, slice_of(keys, 0), &err), &err);
    assert_ok(buf_set(&info.key_max, slice_of(keys, sizeof(keys)), &err), &err);
    manifest_start(&manifest);
    manifest.last_sequence = info.sequence_max;
    manifest_add(&manifest, 2, info, fs);
    manifest_commit_ok(&manifest, 1u << 2, fs);
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

static void level_manifest_has_one_line_for_each_table(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    static const char line_end[] = "\"key_min\": \"67\", \"key_max\": \"70\"}\n";
    struct lsmkv_buf bytes;
    struct manifest manifest;
    size_t lines = 0;

    commit_sample(&manifest, fs);
    bytes = file_get(fs, "manifest/level_1-1.json");
    for (size_t i = 0; i < bytes.size; i++)
        lines += bytes.data[i] == '\n';
    assert_int_equal(lines, 11); /* four facts, two tables, the checksum, four of frame */
    assert_non_null(memmem(bytes.data, bytes.size, line_end, sizeof(line_end) - 1));
    lsmkv_buf_release(&bytes);
    manifest_release(&manifest);
}

/* Each byte of a file, flipped in two ways: the load names the file. */
static void assert_each_flip_is_found(struct os_fs *fs, const char *name)
{
    struct lsmkv_buf bytes = file_get(fs, name);

    for (size_t i = 0; i < bytes.size; i++) {
        for (unsigned flip = 1; flip <= 0x20; flip *= 0x20) {
            bytes.data[i] ^= (uint8_t)flip;
            file_put(fs, name, slice_of_buf(&bytes));
            assert_load_fails(fs, LSMKV_CORRUPT, name);
            bytes.data[i] ^= (uint8_t)flip;
        }
    }
    file_put(fs, name, slice_of_buf(&bytes));
    for (size_t cut = 0; cut < bytes.size; cut++) {
        file_put(fs, name, slice_of(bytes.data, cut));
        assert_load_fails(fs, LSMKV_CORRUPT, name);
    }
    file_put(fs, name, slice_of_buf(&bytes));
    lsmkv_buf_release(&bytes);
}

static void level_manifest_tells_every_flipped_byte_and_cut(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    assert_each_flip_is_found(fs, "manifest/level_0-1.json");
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

static void level_manifest_of_another_time_or_store_is_refused(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_buf good, other;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    good = file_get(fs, "manifest/level_1-1.json");
    other = file_get(fs, "manifest/level_3-1.json");
    file_put(fs, "manifest/level_1-1.json", slice_of_buf(&other));
    assert_load_fails(fs, LSMKV_CORRUPT, "level_1-1.json: says that it is level 3");
    file_put(fs, "manifest/level_1-1.json", slice_of_buf(&good));
    file_edit(fs, "manifest/level_1-1.json", "30313233", "30313234");
    assert_load_fails(fs, LSMKV_CORRUPT, "another store");
    file_put(fs, "manifest/level_1-1.json", slice_of_buf(&good));
    file_edit(fs, "manifest/level_1-1.json", "\"generation\": \"1\"", "\"generation\": \"2\"");
    assert_load_fails(fs, LSMKV_CORRUPT, "generation 2");
    /* The right names and another content: of a backup that was mixed with another one. */
    file_put(fs, "manifest/level_1-1.json", slice_of_buf(&good));
    file_edit(fs, "manifest/level_1-1.json", "\"raw_bytes\": \"77\"", "\"raw_bytes\": \"78\"");
    assert_load_fails(fs, LSMKV_CORRUPT, "not the file that global.json names");
    lsmkv_buf_release(&good);
    lsmkv_buf_release(&other);
    manifest_release(&manifest);
}

/* ---- global.json ---- */

static void level_manifest_global_round_trips_numbers_and_options(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;

    manifest_start(&manifest);
    manifest.next_file = (UINT64_C(1) << 53) + 1;
    manifest.last_sequence = (UINT64_C(1) << 53) + 3;
    manifest.first_segment = (UINT64_C(1) << 53) - 1;
    manifest.clean_segment = (UINT64_C(1) << 53) - 1;
    manifest.clean_length = (UINT64_C(1) << 40) + 1;
    assert_ok(lsmkv_options_set(&manifest.options, "sync", "normal", &err), &err);
    assert_ok(lsmkv_options_set(&manifest.options, "memtable_size", "32MB", &err), &err);
    manifest_commit_ok(&manifest, 0, fs);
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

static void level_manifest_global_tells_every_flipped_byte_and_cut(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    assert_each_flip_is_found(fs, "global.json");
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

static void level_manifest_global_of_a_newer_format_is_refused_by_version(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    /* A newer format may have other fields; its version must still be told. */
    file_edit(fs, "global.json", "\"format\": 1,", "\"format\": 2, \"colour\": \"red\",");
    assert_load_fails(fs, LSMKV_CANTOPEN, "global.json: written in format 2");
    file_edit(fs, "global.json", "\"format\": 2, \"colour\": \"red\",", "\"format\": 0,");
    assert_load_fails(fs, LSMKV_CORRUPT, "global.json");
    file_edit(fs, "global.json", "\"format\": 0,", "\"format\": 1,");
    file_edit(fs, "manifest/level_3-1.json", "\"format\": 1,", "\"format\": 7,");
    assert_load_fails(fs, LSMKV_CANTOPEN, "level_3-1.json: written in format 7");
    manifest_release(&manifest);
}

static void level_manifest_global_names_only_levels_with_tables(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    assert_ok(manifest_set_level(&manifest, 3, NULL, 0, &err), &err);
    manifest_commit_ok(&manifest, 1u << 3, fs);
    assert_int_equal(manifest.levels[3].generation, 0);
    assert_false(file_exists(fs, "manifest/level_3-2.json"));
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

/* ---- A commit across levels ---- */

static void level_manifest_commit_changes_several_levels_at_once(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    assert_ok(manifest_set_level(&manifest, 0, NULL, 0, &err), &err);
    assert_ok(manifest_set_level(&manifest, 1, NULL, 0, &err), &err);
    manifest_add(&manifest, 1, info_make(20, "a", "k", 90), fs);
    manifest_add(&manifest, 1, info_make(21, "l", "z", 90), fs);
    manifest_commit_ok(&manifest, 1u << 0 | 1u << 1, fs);
    assert_int_equal(manifest.generation, 2);
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

static void level_manifest_commit_writes_only_changed_levels(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    manifest_add(&manifest, 4, info_make(30, "a", "k", 5), fs);
    manifest_commit_ok(&manifest, 1u << 4, fs);
    assert_int_equal(manifest.levels[0].generation, 1);
    assert_int_equal(manifest.levels[4].generation, 2);
    assert_false(file_exists(fs, "manifest/level_0-2.json"));
    assert_true(file_exists(fs, "manifest/level_4-2.json"));
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

static void level_manifest_commit_that_fails_before_the_rename_changes_nothing(void **state)
{
    static const enum lsmkv_status statuses[] = {LSMKV_IO, LSMKV_FULL};
    struct fault_fs *faults = fault_fs_new((struct os_fs *)*state);
    struct os_fs *fs = fault_fs_os(faults);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest, next;
    bool unknown;

    commit_sample(&manifest, fs);
    for (size_t i = 0; i < 2; i++) {
        size_t files = file_count(fs, "manifest");

        for (uint64_t nth = 1;; nth++) {
            struct fault_rule rule = {FAULT_ANY & ~FAULT_BIT(FAULT_RENAME), NULL, nth, false, statuses[i], FAULT_HALF};
            enum lsmkv_status status;

            assert_ok(manifest_copy(&next, &manifest, &err), &err);
            manifest_add(&next, 5, info_make(40, "a", "k", 5), fs);
            fault_fs_fail(faults, &rule);
            unknown = true;
            status = manifest_commit(&next, 1u << 0 | 1u << 5, fs, STORE_DIR, &unknown, &err);
            fault_fs_heal(faults);
            if (!status || unknown) { /* past the rename */
                assert_true(nth > 10);
                manifest_release(&next);
                manifest_commit_ok(&manifest, 0, fs);
                break;
            }
            assert_status(status, statuses[i], &err);
            assert_true(next.generation == manifest.generation);
            assert_true(next.levels[5].generation == 0);
            assert_true(next.levels[0].generation == manifest.levels[0].generation);
            assert_int_equal(file_count(fs, "manifest"), files);
            assert_false(file_exists(fs, "global.json.tmp"));
            manifest_release(&next);
            assert_loads_as(&manifest, fs);
        }
    }
    manifest_release(&manifest);
    fault_fs_free(faults);
}

static void level_manifest_commit_is_of_unknown_outcome_from_the_rename_on(void **state)
{
    struct fault_rule rules[] = {
        {FAULT_BIT(FAULT_RENAME), NULL, 1, false, LSMKV_IO, FAULT_NOTHING},
        {FAULT_BIT(FAULT_RENAME), NULL, 1, false, LSMKV_IO, FAULT_DONE},
        {FAULT_BIT(FAULT_RENAME), NULL, 1, false, LSMKV_FULL, FAULT_NOTHING},
        {FAULT_BIT(FAULT_SYNC_DIR), STORE_DIR, 1, false, LSMKV_IO, FAULT_NOTHING},
    };
    struct fault_fs *faults = fault_fs_new((struct os_fs *)*state);
    struct os_fs *fs = fault_fs_os(faults);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest, loaded;

    commit_sample(&manifest, fs);
    manifest_add(&manifest, 5, info_make(40, "a", "k", 5), fs);
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        bool unknown = false;

        fault_fs_fail(faults, &rules[i]);
        assert_status(manifest_commit(&manifest, 1u << 5, fs, STORE_DIR, &unknown, &err), rules[i].status, &err);
        fault_fs_heal(faults);
        assert_true(unknown);
        assert_int_equal(manifest.generation, 1);
        /* Whichever state is there, everything that it names is there. */
        assert_true(file_exists(fs, "manifest/level_5-2.json"));
        assert_ok(manifest_load(&loaded, fs, STORE_DIR, &err), &err);
        assert_true(loaded.generation == 1 || loaded.generation == 2);
        manifest_release(&loaded);
    }
    manifest_release(&manifest);
    fault_fs_free(faults);
}

/* Commits generation 2, which touches three levels. */
static enum lsmkv_status commit_second(struct manifest *manifest, struct os_fs *fs)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    bool unknown;

    return manifest_commit(manifest, 1u << 0 | 1u << 1 | 1u << 3, fs, STORE_DIR, &unknown, &err);
}

/* Death at call `n` of the second commit, then a power cut; false when the commit got through. */
static bool die_at(uint64_t n, enum sim_crash mode, uint64_t seed)
{
    struct sim_fs *disk = sim_fs_new();
    struct sim_fs *after;
    struct os_fs *fs = sim_fs_os(disk);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest former, second, loaded;
    bool died;

    store_dirs_make(fs);
    commit_sample(&former, fs);
    assert_ok(manifest_copy(&second, &former, &err), &err);
    assert_ok(manifest_set_level(&second, 0, NULL, 0, &err), &err);
    assert_ok(manifest_set_level(&second, 1, NULL, 0, &err), &err);
    manifest_add(&second, 1, info_make(20, "a", "z", 90), fs);
    second.first_segment = 5;
    sim_fs_stop_at(disk, n);
    died = commit_second(&second, fs) != LSMKV_OK;
    assert_int_equal(died, sim_fs_stopped(disk));
    after = sim_fs_crash(disk, mode, seed);
    assert_ok(manifest_load(&loaded, sim_fs_os(after), STORE_DIR, &err), &err);
    if (loaded.generation == former.generation) {
        assert_true(died); /* an acknowledged commit stays */
        assert_manifest_equal(&loaded, &former);
    } else {
        assert_int_equal(loaded.generation, 2);
        assert_int_equal(loaded.levels[0].count, 0);
        assert_int_equal(loaded.levels[1].count, 1);
        assert_int_equal(loaded.first_segment, 5);
    }
    /* What the death left behind is in nobody's way. */
    manifest_commit_ok(&loaded, 1u << 1 | 1u << 3, sim_fs_os(after));
    assert_loads_as(&loaded, sim_fs_os(after));
    assert_ok(manifest_remove_orphans(&loaded, sim_fs_os(after), STORE_DIR, &err), &err);
    assert_loads_as(&loaded, sim_fs_os(after));
    manifest_release(&loaded);
    manifest_release(&second);
    manifest_release(&former);
    sim_fs_free(after);
    sim_fs_free(disk);
    return died;
}

static void level_manifest_commit_is_all_or_nothing_at_every_death(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (int mode = 0; mode < SIM_CRASH_MODES; mode++) {
        size_t rounds = mode == SIM_DROP_UNSYNCED || mode == SIM_KEEP_ALL ? 1 : test_scaled(20);

        for (size_t round = 0; round < rounds; round++) {
            uint64_t n = 1;

            while (die_at(n, (enum sim_crash)mode, test_random(&random)))
                n++;
            assert_true(n > 8);
        }
    }
}

static void level_manifest_commit_replaces_what_a_dead_one_left(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    file_put(fs, "global.json.tmp", slice_of("half", 4));
    file_put(fs, "manifest/level_0-2.json", slice_of("half", 4));
    manifest_commit_ok(&manifest, 1u << 0, fs);
    assert_false(file_exists(fs, "global.json.tmp"));
    assert_loads_as(&manifest, fs);
    manifest_release(&manifest);
}

/* ---- The rules of levels ---- */

/* That `manifest` is refused when it is committed, and, written without that check, when it is loaded. */
static void assert_rule_broken(struct manifest *manifest, unsigned level, struct os_fs *fs, const char *text)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    char name[64];
    bool unknown;

    assert_fails(manifest_commit(manifest, 1u << level, fs, STORE_DIR, &unknown, &err), LSMKV_INVALID, &err, text);
    assert_false(unknown);
    manifest->generation = 1;
    for (unsigned i = 0; i < LSMKV_LEVELS; i++) {
        if (manifest->levels[i].count == 0)
            continue;
        manifest->levels[i].generation = 1;
        buf_clear(&bytes);
        assert_ok(level_file_put(&bytes, manifest, i, &manifest->levels[i].checksum, &err), &err);
        snprintf(name, sizeof(name), "manifest/level_%u-1.json", i);
        file_put(fs, name, slice_of_buf(&bytes));
    }
    buf_clear(&bytes);
    assert_ok(global_file_put(&bytes, manifest, &err), &err);
    file_put(fs, "global.json", slice_of_buf(&bytes));
    assert_load_fails(fs, LSMKV_CORRUPT, text);
    lsmkv_buf_release(&bytes);
    manifest_release(manifest);
}

static void level_manifest_level_0_must_be_newest_first(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    manifest_start(&manifest);
    manifest_add(&manifest, 0, info_make(1, "a", "z", 10), fs);
    manifest_add(&manifest, 0, info_make(2, "a", "z", 11), fs);
    assert_rule_broken(&manifest, 0, fs, "table 1: it is older than the next table");
    /* Parts of one memtable may end at the same transaction. */
    manifest_start(&manifest);
    manifest_add(&manifest, 0, info_make(3, "a", "c", 10), fs);
    manifest_add(&manifest, 0, info_make(4, "d", "z", 10), fs);
    manifest_commit_ok(&manifest, 1, fs);
    manifest_release(&manifest);
}

static void level_manifest_deeper_levels_must_not_overlap(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    manifest_start(&manifest);
    manifest_add(&manifest, 1, info_make(1, "a", "f", 10), fs);
    manifest_add(&manifest, 1, info_make(2, "f", "k", 10), fs);
    assert_rule_broken(&manifest, 1, fs, "table 1: its keys overlap those of the next table");
    manifest_start(&manifest);
    manifest_add(&manifest, 6, info_make(3, "l", "p", 10), fs);
    manifest_add(&manifest, 6, info_make(4, "a", "k", 10), fs);
    assert_rule_broken(&manifest, 6, fs, "level_6-1.json: table 3: its keys overlap");
}

static void level_manifest_tables_must_be_listed_once(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    manifest_start(&manifest);
    manifest_add(&manifest, 0, info_make(1, "a", "f", 10), fs);
    manifest_add(&manifest, 2, info_make(2, "a", "f", 10), fs);
    manifest_add(&manifest, 2, info_make(1, "g", "h", 10), fs);
    assert_rule_broken(&manifest, 2, fs, "table 1 is listed twice");
}

static void level_manifest_facts_of_a_table_must_make_sense(void **state)
{
    static const struct {
        size_t offset;
        uint64_t value;
        const char *text;
    } cases[] = {
        {offsetof(struct sstable_info, number), 0, "not below next_file"},
        {offsetof(struct sstable_info, number), 1000, "not below next_file"},
        {offsetof(struct sstable_info, size), 0, "empty"},
        {offsetof(struct sstable_info, entries), 0, "empty"},
        {offsetof(struct sstable_info, tombstones), 11, "more tombstones"},
        {offsetof(struct sstable_info, sequence_min), 11, "sequence bounds"},
        {offsetof(struct sstable_info, sequence_max), 1001, "sequence bounds"},
    };
    struct os_fs *fs = (struct os_fs *)*state;
    struct manifest manifest;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sstable_info info = info_make(1, "a", "f", 10);

        memcpy((char *)&info + cases[i].offset, &cases[i].value, sizeof(uint64_t));
        manifest_start(&manifest);
        manifest_add(&manifest, 1, info, NULL);
        assert_rule_broken(&manifest, 1, fs, cases[i].text);
    }
    manifest_start(&manifest);
    manifest_add(&manifest, 1, info_make(1, "f", "a", 10), fs);
    assert_rule_broken(&manifest, 1, fs, "key bounds");
}

static void level_manifest_tables_must_exist_with_their_size(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    bytes = file_get(fs, "sst/000008.sst");
    file_put(fs, "sst/000008.sst", slice_of(bytes.data, bytes.size - 1));
    assert_load_fails(fs, LSMKV_CORRUPT, "sst/000008.sst: 107 bytes long, but the manifest says 108");
    assert_ok(os_fs_remove(fs, STORE_DIR "/sst/000008.sst", &err), &err);
    assert_load_fails(fs, LSMKV_CORRUPT, "sst/000008.sst: missing");
    file_put(fs, "sst/000008.sst", slice_of_buf(&bytes));
    assert_loads_as(&manifest, fs);
    lsmkv_buf_release(&bytes);
    manifest_release(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(level_manifest_round_trips_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_keeps_large_numbers_and_binary_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_has_one_line_for_each_table, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_tells_every_flipped_byte_and_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_of_another_time_or_store_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_global_round_trips_numbers_and_options, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_global_tells_every_flipped_byte_and_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_global_of_a_newer_format_is_refused_by_version, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_global_names_only_levels_with_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_commit_changes_several_levels_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_commit_writes_only_changed_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_commit_that_fails_before_the_rename_changes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(level_manifest_commit_is_of_unknown_outcome_from_the_rename_on, setup,
                                        teardown),
        cmocka_unit_test(level_manifest_commit_is_all_or_nothing_at_every_death),
        cmocka_unit_test_setup_teardown(level_manifest_commit_replaces_what_a_dead_one_left, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_level_0_must_be_newest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_deeper_levels_must_not_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_tables_must_be_listed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_facts_of_a_table_must_make_sense, setup, teardown),
        cmocka_unit_test_setup_teardown(level_manifest_tables_must_exist_with_their_size, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
