/*
 * test_options.c - the options' texts, ranges and defaults.
 */
#include "support/test.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/base/error.h"

static const char *text_of(const struct lsmkv_options *options, const char *wanted)
{
    static char value[64];
    const char *name;

    for (size_t i = 0; lsmkv_options_get(options, i, &name, value); i++) {
        if (strcmp(name, wanted) == 0)
            return value;
    }
    return NULL;
}

static void defaults_are_the_documented_ones(void **state)
{
    static const char *const expected[][2] = {
        {"sync", "full"},          {"compression", "none"},     {"io", "mmap"},
        {"memtable_size", "64MB"}, {"max_immutables", "2"},     {"cache_size", "64MB"},
        {"block_size", "4KB"},     {"filter_bits", "10"},       {"soft_limit", "0.85"},
        {"l0_tables", "4"},        {"base_level_size", "64MB"}, {"level_ratio", "10"},
        {"flush_workers", "1"},    {"compaction_workers", "1"}, {"rate_limit", "0"},
        {"wait_ms", "5000"},       {"stall_timeout", "60"},     {"transaction_size", "4GB"},
        {"history_size", "256MB"}, {"atomic", "auto"},
    };
    struct lsmkv_options options;
    const char *name;
    char value[64];
    size_t count = 0;

    (void)state;
    lsmkv_options_init(&options);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_string_equal(text_of(&options, expected[i][0]), expected[i][1]);
    while (lsmkv_options_get(&options, count, &name, value))
        count++;
    assert_int_equal(count, sizeof(expected) / sizeof(expected[0]));
    assert_int_equal(options.stall_timeout_ms, 60000);
    assert_int_equal(options.memtable_size, 64 << 20);
    assert_true(options.soft_limit == 0.85);
}

static void expect_set(const char *name, const char *value, const char *back)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_options options;

    lsmkv_options_init(&options);
    assert_ok(lsmkv_options_set(&options, name, value, &err), &err);
    assert_string_equal(text_of(&options, name), back);
}

static void values_are_read_in_every_form(void **state)
{
    (void)state;
    expect_set("sync", "normal", "normal");
    expect_set("sync", "OFF", "off");
    expect_set("compression", "auto", "auto");
    expect_set("io", "pread", "pread");
    expect_set("atomic", "always", "always");
    expect_set("memtable_size", "65536", "64KB");
    expect_set("memtable_size", "100000", "100000");
    expect_set("memtable_size", "64kb", "64KB");
    expect_set("memtable_size", "3 MB", "3MB");
    expect_set("cache_size", "1TB", "1TB");
    expect_set("filter_bits", "0", "0");
    expect_set("soft_limit", "0.5", "0.5");
    expect_set("soft_limit", "1", "1");
    expect_set("soft_limit", ".925", "0.925");
    expect_set("stall_timeout", "0.25", "0.25");
    expect_set("stall_timeout", "3.000", "3");
    expect_set("stall_timeout", "0", "0");
}

static void option_names_ignore_case(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_options options;

    (void)state;
    lsmkv_options_init(&options);
    assert_ok(lsmkv_options_set(&options, "WAIT_ms", "7", &err), &err);
    assert_int_equal(options.wait_ms, 7);
    assert_true(lsmkv_option_known("Wait_MS"));
    assert_false(lsmkv_option_known("wait"));
    assert_false(lsmkv_option_known("wait_msx"));
    assert_false(lsmkv_option_known(""));
}

static void expect_refused(const char *name, const char *value, const char *range)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_options options, before;

    lsmkv_options_init(&options);
    before = options;
    assert_fails(lsmkv_options_set(&options, name, value, &err), LSMKV_INVALID, &err, range);
    assert_non_null(strstr(err.message, name));
    assert_non_null(strstr(err.message, value));
    assert_memory_equal(&options, &before, sizeof(options));
}

static void bad_values_are_refused_with_the_range(void **state)
{
    (void)state;
    expect_refused("sync", "sometimes", "must be one of full, normal, off");
    expect_refused("sync", "", "one of full");
    expect_refused("sync", "ful", "one of full");
    expect_refused("sync", "0", "one of full");
    expect_refused("memtable_size", "65535", "must be 64KB to 4GB");
    expect_refused("memtable_size", "5GB", "64KB to 4GB");
    expect_refused("memtable_size", "64MBx", "64KB to 4GB");
    expect_refused("memtable_size", "64 M", "64KB to 4GB");
    expect_refused("memtable_size", "-1", "64KB to 4GB");
    expect_refused("memtable_size", " 1MB", "64KB to 4GB");
    expect_refused("memtable_size", "18446744073709551616", "64KB to 4GB");
    expect_refused("cache_size", "16777217TB", "1MB to 1TB"); /* 2^64 bytes and 1 TB more */
    expect_refused("filter_bits", "33", "must be 0 to 32");
    expect_refused("filter_bits", "10KB", "0 to 32");
    expect_refused("soft_limit", "0.499999", "must be 0.5 to 1");
    expect_refused("soft_limit", "1.000001", "0.5 to 1");
    expect_refused("soft_limit", "0.8500000001", "0.5 to 1");
    expect_refused("soft_limit", "0.", "0.5 to 1");
    expect_refused("soft_limit", ".", "0.5 to 1");
    expect_refused("soft_limit", "1e0", "0.5 to 1");
    expect_refused("wait_ms", "86400001", "must be 0 to 86400000 milliseconds");
    expect_refused("stall_timeout", "86400.001", "must be 0 to 86400 seconds");
    expect_refused("stall_timeout", "0.0001", "0 to 86400 seconds");
}

static void every_text_sets_itself_again(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_options options, again;
    const char *name;
    char value[64];

    (void)state;
    lsmkv_options_init(&options);
    options.soft_limit = 0.7;
    options.stall_timeout_ms = 1234;
    options.cache_size = (1 << 20) + 1;
    options.compression = LSMKV_COMPRESSION_ZSTD;
    lsmkv_options_init(&again);
    for (size_t i = 0; lsmkv_options_get(&options, i, &name, value); i++)
        assert_ok(lsmkv_options_set(&again, name, value, &err), &err);
    assert_memory_equal(&again, &options, sizeof(options));
}

static void unknown_option_is_named(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_options options;

    (void)state;
    lsmkv_options_init(&options);
    assert_fails(lsmkv_options_set(&options, "no_such", "1", &err), LSMKV_INVALID, &err, "unknown option: no_such");
}

/* A host may have set a locale whose decimal point is a comma. */
static void numbers_do_not_depend_on_the_locale(void **state)
{
    const char *dir = test_dir();
    char command[512];

    (void)state;
    (void)snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8'", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(setenv("LOCPATH", dir, 1), 0);
    assert_non_null(setlocale(LC_ALL, "de_DE.UTF-8"));
    assert_string_equal(localeconv()->decimal_point, ",");
    expect_set("soft_limit", "0.75", "0.75");
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(values_are_read_in_every_form),
        cmocka_unit_test(option_names_ignore_case),
        cmocka_unit_test(bad_values_are_refused_with_the_range),
        cmocka_unit_test(unknown_option_is_named),
        cmocka_unit_test(every_text_sets_itself_again),
        cmocka_unit_test(numbers_do_not_depend_on_the_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
