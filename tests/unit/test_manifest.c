/*
 * test_manifest.c - a manifest in memory, hostile manifest files, orphans and file numbers, memory that runs out.
 */
#include "manifest_fixture.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "fault_fs.h"
#include "manifest/format.h"

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

static void commit_sample(struct manifest *manifest, struct os_fs *fs)
{
    manifest_start(manifest);
    manifest_add(manifest, 0, info_make(12, "b", "y", 90), fs);
    manifest_add(manifest, 1, info_make(7, "a", "f", 60), fs);
    manifest_add(manifest, 1, info_make(8, "g", "p", 50), fs);
    manifest_commit_ok(manifest, 1u << 0 | 1u << 1, fs);
}

static void manifest_exists_only_with_a_global_file(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;
    bool exists = true;

    file_put(fs, "global.json.tmp", slice_of("x", 1));
    assert_ok(manifest_exists(fs, STORE_DIR, &exists, &err), &err);
    assert_false(exists);
    assert_fails(manifest_load(&manifest, fs, STORE_DIR, &err), LSMKV_CANTOPEN, &err, "is not a store");
    commit_sample(&manifest, fs);
    assert_ok(manifest_exists(fs, STORE_DIR, &exists, &err), &err);
    assert_true(exists);
    manifest_release(&manifest);
}

static void manifest_copy_shares_nothing(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest, copy;

    commit_sample(&manifest, fs);
    assert_ok(manifest_copy(&copy, &manifest, &err), &err);
    assert_manifest_equal(&manifest, &copy);
    manifest_release(&manifest);
    assert_int_equal(copy.levels[1].tables[1].number, 8);
    assert_int_equal(copy.levels[1].tables[1].key_max.data[0], 'p');
    manifest_release(&copy);
}

/* Edits with a right checksum: what only a hostile or buggy writer makes. */
static void manifest_refuses_hostile_files(void **state)
{
    static const struct {
        const char *file;
        const char *from;
        const char *to;
        const char *text;
    } cases[] = {
        {"global.json", "\"format\": 1,", "", "\"format\" is missing"},
        {"global.json", "\"format\": 1,", "\"format\": \"1\",", "\"format\" is not"},
        {"global.json", "\"format\": 1,", "\"format\": 1.5,", "\"format\" is not"},
        {"global.json", "\"generation\"", "\"Generation\"", "unknown field \"Generation\""},
        {"global.json", "\"generation\": \"1\",", "\"generation\": \"1\", \"generation\": \"1\",", "twice"},
        {"global.json", "\"generation\": \"1\"", "\"generation\": 1", "not a string"},
        {"global.json", "\"generation\": \"1\"", "\"generation\": \"0\"", "\"generation\" is not in range"},
        {"global.json", "\"next_file\": \"1000\"", "\"next_file\": \"4611686018427387905\"", "not in range"},
        {"global.json", "\"next_file\": \"1000\"", "\"next_file\": \"0\"", "out of range"},
        {"global.json", "\"first_segment\": \"1\"", "\"first_segment\": \"1001\"", "beyond next_file"},
        {"global.json", "\"clean_segment\": \"0\"", "\"clean_segment\": \"5\"", "do not go together"},
        {"global.json", "\"store_id\": \"30", "\"store_id\": \"", "\"store_id\" is not"},
        {"global.json", "\"sync\": \"full\"", "\"sync\": \"sometimes\"", "sync"},
        {"global.json", "\"sync\": \"full\"", "\"sunk\": \"full\"", "unknown option \"sunk\""},
        {"global.json", "\"sync\": \"full\"", "\"sync\": \"full\", \"sync\": \"off\"", "option \"sync\" twice"},
        {"global.json", "\"sync\": \"full\"", "\"sync\": \"fu\\u0000ll\"", "\\u0000"},
        {"global.json", "\"sync\": \"full\"", "\"sync\": [[[[1]]]]", "nested too deep"},
        {"global.json", "{\"level\": 0", "{\"level\": 7", "\"level\" is not"},
        {"global.json", "{\"level\": 1", "{\"level\": 0", "not in rising order"},
        {"global.json", "{\"level\": 0", "{\"Level\": 0", "unknown field"},
        {"global.json", "{\"level\": 1, \"generation\": \"1\"", "{\"level\": 1, \"generation\": \"0\"", "generation 0"},
        {"global.json", "{\"level\": 1, \"generation\": \"1\"", "{\"level\": 1, \"generation\": \"2\"", "not in range"},
        {"global.json", "{\"level\": 1, \"generation\": \"1\"", "{\"level\": 2, \"generation\": \"1\"",
         "level_2-1.json: missing"},
        {"global.json", "\"levels\": [", "\"levels\": [1,", "not an object"},
        {"global.json", "\"levels\": [", "\"levels\": {}, \"else\": [", "unknown field \"else\""},
        {"global.json", "{\n", "[{}, {\n", "bad JSON"},
        {"manifest/level_1-1.json", "\"tables\": [", "\"tables\": [], \"more\": [", "unknown field \"more\""},
        {"manifest/level_1-1.json", "\"number\": \"8\"", "\"number\": \"../../etc/passwd\"", "not the file that"},
    };
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest, loaded;

    commit_sample(&manifest, fs);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lsmkv_buf good = file_get(fs, cases[i].file);
        enum lsmkv_status status;

        file_edit(fs, cases[i].file, cases[i].from, cases[i].to);
        status = manifest_load(&loaded, fs, STORE_DIR, &err);
        if (status == LSMKV_OK)
            fail_msg("accepted: %s", cases[i].to);
        assert_fails(status, LSMKV_CORRUPT, &err, cases[i].text);
        file_put(fs, cases[i].file, slice_of_buf(&good));
        lsmkv_buf_release(&good);
    }
    assert_ok(manifest_load(&loaded, fs, STORE_DIR, &err), &err);
    manifest_release(&loaded);
    manifest_release(&manifest);
}

/* The tables of a level file, parsed by themselves: global.json's checksum would refuse an edited one before. */
static void manifest_refuses_hostile_tables(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        const char *text;
    } cases[] = {
        {"\"number\": \"8\"", "\"number\": \"../x\"", "\"number\" is not a decimal number"},
        {"\"number\": \"8\"", "\"number\": \"18446744073709551615\"", "\"number\" is not in range"},
        {"\"number\": \"8\", ", "", "\"number\" is missing"},
        {"\"key_min\": \"67\"", "\"key_min\": \"6\"", "\"key_min\" is not hex digits"},
        {"\"key_min\": \"67\"", "\"key_min\": \"zz\"", "\"key_min\" is not hex digits"},
        {"\"key_min\": \"67\"", "\"key_min\": null", "\"key_min\" is not a string"},
        {"\"checksum\": \"", "\"checksum\": \"0", "\"checksum\" is not 16 hex digits"},
        {"\"raw_bytes\": \"77\"", "\"raw_bytes\": \"77\", \"raw_bytes\": \"77\"", "\"raw_bytes\" twice"},
        {"{\"number\": \"7\"", "[], {\"number\": \"7\"", "not an object"},
    };
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest, one;
    struct lsmkv_buf good, bytes;

    commit_sample(&manifest, fs);
    good = file_get(fs, "manifest/level_1-1.json");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        file_edit(fs, "manifest/level_1-1.json", cases[i].from, cases[i].to);
        bytes = file_get(fs, "manifest/level_1-1.json");
        manifest_start(&one);
        one.levels[1].generation = 1;
        one.levels[1].checksum = checksum64(slice_of(bytes.data, bytes.size - MANIFEST_TAIL_SIZE));
        assert_fails(level_file_get(&one, 1, slice_of_buf(&bytes), "f", &err), LSMKV_CORRUPT, &err, cases[i].text);
        manifest_release(&one);
        lsmkv_buf_release(&bytes);
        file_put(fs, "manifest/level_1-1.json", slice_of_buf(&good));
    }
    lsmkv_buf_release(&good);
    manifest_release(&manifest);
}

static void manifest_gives_defaults_to_options_that_are_not_named(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest, loaded;

    manifest_start(&manifest);
    assert_ok(lsmkv_options_set(&manifest.options, "sync", "off", &err), &err);
    manifest_commit_ok(&manifest, 0, fs);
    file_edit(fs, "global.json", "\"sync\": \"off\",\n", "");
    assert_ok(manifest_load(&loaded, fs, STORE_DIR, &err), &err);
    assert_int_equal(loaded.options.sync, LSMKV_SYNC_FULL);
    manifest_release(&loaded);
    manifest_release(&manifest);
}

static void manifest_names_a_missing_level_file(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest, loaded;

    commit_sample(&manifest, fs);
    assert_ok(os_fs_remove(fs, STORE_DIR "/manifest/level_1-1.json", &err), &err);
    assert_fails(manifest_load(&loaded, fs, STORE_DIR, &err), LSMKV_CORRUPT, &err, "manifest/level_1-1.json: missing");
    manifest_release(&manifest);
}

static void manifest_orphans_are_exactly_what_nothing_names(void **state)
{
    static const char *const orphans[] = {"global.json.tmp", "manifest/level_0-9.json", "sst/000009.sst",
                                          "sst/1234567.sst", "wal/000001.wal",          "wal/000003.wal"};
    static const char *const stay[] = {"global.json",
                                       "manifest/level_0-1.json",
                                       "manifest/level_1-1.json",
                                       "sst/000007.sst",
                                       "sst/000008.sst",
                                       "sst/000012.sst",
                                       "wal/000004.wal",
                                       "wal/000999.wal",
                                       "sst/9.sst",
                                       "sst/0000007.sst",
                                       "sst/000009.sst.bak",
                                       "sst/000000.sst",
                                       "wal/99999999999999999999.wal",
                                       "wal/x",
                                       "manifest/level_9-9.json",
                                       "manifest/level_0-09.json",
                                       "manifest/level_1-0000.json",
                                       "manifest/notes.txt",
                                       "notes.txt"};
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    manifest.first_segment = 4;
    for (size_t i = 0; i < sizeof(orphans) / sizeof(*orphans); i++)
        file_put(fs, orphans[i], slice_of("x", 1));
    for (size_t i = 0; i < sizeof(stay) / sizeof(*stay); i++) {
        if (!file_exists(fs, stay[i]))
            file_put(fs, stay[i], slice_of("x", 1));
    }
    assert_ok(manifest_remove_orphans(&manifest, fs, STORE_DIR, &err), &err);
    for (size_t i = 0; i < sizeof(stay) / sizeof(*stay); i++) {
        if (!file_exists(fs, stay[i]))
            fail_msg("removed: %s", stay[i]);
    }
    for (size_t i = 0; i < sizeof(orphans) / sizeof(*orphans); i++) {
        if (file_exists(fs, orphans[i]))
            fail_msg("left: %s", orphans[i]);
    }
    manifest_release(&manifest);
}

/* A rename that a dead process did not make durable must be durable before what the former manifest names goes. */
static void manifest_orphans_go_only_after_the_directory_is_synced(void **state)
{
    struct fault_rule rule = {FAULT_BIT(FAULT_SYNC_DIR), STORE_DIR, 1, false, LSMKV_IO, FAULT_NOTHING};
    struct fault_fs *faults = fault_fs_new((struct os_fs *)*state);
    struct os_fs *fs = fault_fs_os(faults);
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest;

    commit_sample(&manifest, fs);
    file_put(fs, "sst/000009.sst", slice_of("x", 1));
    fault_fs_fail(faults, &rule);
    assert_status(manifest_remove_orphans(&manifest, fs, STORE_DIR, &err), LSMKV_IO, &err);
    assert_true(file_exists(fs, "sst/000009.sst"));
    fault_fs_heal(faults);
    manifest_release(&manifest);
    fault_fs_free(faults);
}

static void manifest_highest_file_is_over_tables_and_segments(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    uint64_t number = 99;

    assert_ok(manifest_highest_file(fs, "/nowhere", &number, &err), &err);
    assert_int_equal(number, 0);
    file_put(fs, "sst/000012.sst", slice_of("x", 1));
    file_put(fs, "wal/000009.wal", slice_of("x", 1));
    file_put(fs, "wal/000099.sst", slice_of("x", 1));
    assert_ok(manifest_highest_file(fs, STORE_DIR, &number, &err), &err);
    assert_int_equal(number, 12);
    file_put(fs, "wal/2000013.wal", slice_of("x", 1));
    assert_ok(manifest_highest_file(fs, STORE_DIR, &number, &err), &err);
    assert_int_equal(number, 2000013);
}

/* Each allocation of a copy, commit and load fails once: NOMEM, nothing leaks, nothing changes. */
static void manifest_survives_every_failed_allocation(void **state)
{
    struct os_fs *fs = (struct os_fs *)*state;
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct manifest manifest, copy, loaded;
    enum lsmkv_status status = LSMKV_NOMEM;
    bool unknown = false;

    commit_sample(&manifest, fs);
    for (uint64_t nth = 1; status; nth++) {
        lsm_alloc_fail_at(nth, false);
        status = manifest_copy(&copy, &manifest, &err);
        if (!status) {
            status = manifest_commit(&copy, 1u << 0 | 1u << 1, fs, STORE_DIR, &unknown, &err);
            if (!status) {
                status = manifest_load(&loaded, fs, STORE_DIR, &err);
                lsm_alloc_fail_at(0, false);
                if (!status)
                    manifest_release(&loaded);
            }
            manifest_release(&copy);
        }
        lsm_alloc_fail_at(0, false);
        /* The file system in memory may run out in the middle of a rename or sync. */
        if (status && !unknown) {
            assert_status(status, LSMKV_NOMEM, &err);
        }
    }
    assert_ok(manifest_load(&loaded, fs, STORE_DIR, &err), &err);
    manifest_release(&loaded);
    manifest_release(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(manifest_exists_only_with_a_global_file, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_copy_shares_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_refuses_hostile_files, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_refuses_hostile_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_gives_defaults_to_options_that_are_not_named, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_names_a_missing_level_file, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_orphans_are_exactly_what_nothing_names, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_orphans_go_only_after_the_directory_is_synced, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_highest_file_is_over_tables_and_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_survives_every_failed_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
