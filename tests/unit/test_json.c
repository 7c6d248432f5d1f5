/*
 * test_json.c - JSON is read strictly: what RFC 8259 forbids is refused, 64-bit numbers are exact, fields match exactly.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/json.h"

static const struct json_limits limits = {8, 1000};

static struct lsmkv_slice text_of(const char *text)
{
    return slice_of(text, strlen(text));
}

static struct json *parse(const char *text)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct json *root = NULL;

    assert_ok(json_parse(&root, text_of(text), &limits, "f.json", &err), &err);
    return root;
}

static void refuse_bytes(const void *bytes, size_t size, const char *reason)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct json *root = NULL;

    assert_fails(json_parse(&root, slice_of(bytes, size), &limits, "f.json", &err), LSMKV_CORRUPT, &err, reason);
    assert_null(root);
    assert_non_null(strstr(err.message, "f.json"));
}

static void json_takes_what_the_standard_allows(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        " \t\r\n[ ] ",
        "0",
        "-0",
        "-1.5e+10",
        "1E-2",
        "true",
        "false",
        "null",
        "\"\"",
        "[1,2 , 3]",
        "{\"a\":{\"b\":[{}]}}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        json_free(parse(texts[i]));
}

static void json_refuses_what_the_standard_forbids(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"", "empty"},
        {" ", "a value must stand here"},
        {"{", "a string must start here"},
        {"[1", "end of an array"},
        {"[1,]", "a digit must stand here"},
        {"{\"a\":1,}", "a string must start here"},
        {"{\"a\" 1}", "':' must stand here"},
        {"{a:1}", "a string must start here"},
        {"[1 2]", "end of an array"},
        {"[1}", "end of an array"},
        {"{} x", "bytes after the end"},
        {"{}{}", "bytes after the end"},
        {"01", "bytes after the end"},
        {"1.", "a digit must stand here"},
        {".5", "a digit must stand here"},
        {"+1", "a digit must stand here"},
        {"1e", "a digit must stand here"},
        {"-", "a digit must stand here"},
        {"NaN", "a digit must stand here"},
        {"True", "a digit must stand here"},
        {"nul", "a value must stand here"},
        {"'a'", "a digit must stand here"},
        {"\"a", "no end"},
        {"\"a\\", "no end"},
        {"\"\\x\"", "unknown escape"},
        {"\"\\u12g4\"", "four hex digits"},
        {"\"a\nb\"", "control character"},
        {"\"a\\u0000b\"", "\\u0000"},
        {"\"\\ud800\"", "surrogate"},
        {"\"\\ud800\\u0041\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"\xff\"", "not UTF-8"},
        {"\"\xc0\x80\"", "not UTF-8"},
        {"\"\xe0\x80\x80\"", "not UTF-8"},
        {"\"\xed\xa0\x80\"", "not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "not UTF-8"},
        {"\"\xe2\x82\"", "not UTF-8"},
        {"\xef\xbb\xbf{}", "a digit must stand here"},
        {"// c\n{}", "a digit must stand here"},
        {"1111111111222222222233333333334444444444555555555566666666667777", "too long"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        refuse_bytes(cases[i].text, strlen(cases[i].text), cases[i].reason);
    refuse_bytes("{}\0", 3, "bytes after the end");
    refuse_bytes("\"a\0b\"", 5, "control character");
}

static void json_refuses_text_that_ends_anywhere(void **state)
{
    static const char text[] = "{\"a\": [1.5e3, true, null, \"\\u00e9\xc3\xa9\"], \"b\": {}}";

    (void)state;
    json_free(parse(text));
    for (size_t size = 0; size + 1 < sizeof(text); size++) {
        /* From a block of its own size, so that a sanitizer sees a read past the end. */
        char *cut = (char *)malloc(size ? size : 1);

        memcpy(cut, text, size);
        refuse_bytes(cut, size, size ? "bad JSON" : "empty");
        free(cut);
    }
}

static void json_bounds_nesting_and_number_of_values(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct json_limits few = {JSON_DEPTH_MAX, 3};
    struct json_limits endless = {UINT32_MAX, SIZE_MAX};
    char deep[4096];
    struct json *root;

    (void)state;
    json_free(parse("[[[[[[[[]]]]]]]]"));
    refuse_bytes("[[[[[[[[[]]]]]]]]]", 18, "nested too deep");
    assert_ok(json_parse(&root, text_of("[1,2]"), &few, "f", &err), &err);
    json_free(root);
    assert_fails(json_parse(&root, text_of("[1,2,3]"), &few, "f", &err), LSMKV_CORRUPT, &err, "too many values");
    memset(deep, '[', sizeof(deep));
    assert_fails(json_parse(&root, slice_of(deep, sizeof(deep)), &endless, "f", &err), LSMKV_CORRUPT, &err,
                 "nested too deep");
}

static void json_fields_must_be_exactly_those_named(void **state)
{
    static const char *const names[] = {"one", "two"};
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"{\"one\":1}", "\"two\" is missing"},
        {"{\"one\":1,\"two\":2,\"three\":3}", "unknown field \"three\""},
        {"{\"one\":1,\"two\":2,\"one\":1}", "\"one\" twice"},
        {"{\"one\":1,\"Two\":2}", "unknown field \"Two\""},
        {"[1,2]", "not an object"},
    };
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    const struct json *values[2];
    struct json *root = parse("{\"two\":2,\"one\":1}");
    uint32_t number;

    (void)state;
    assert_ok(json_fields(root, "f", names, values, 2, &err), &err);
    assert_ok(json_get_small(values[0], "f", 9, &number, &err), &err);
    assert_int_equal(number, 1);
    json_free(root);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        root = parse(cases[i].text);
        assert_fails(json_fields(root, "f", names, values, 2, &err), LSMKV_CORRUPT, &err, cases[i].reason);
        json_free(root);
    }
}

static void json_numbers_of_64_bits_are_exact(void **state)
{
    static const char *const bad[] = {"[\"\"]",
                                      "[\"01\"]",
                                      "[\"-1\"]",
                                      "[\"+1\"]",
                                      "[\" 1\"]",
                                      "[\"1 \"]",
                                      "[\"1.0\"]",
                                      "[\"0x1\"]",
                                      "[1]",
                                      "[null]",
                                      "[\"18446744073709551616\"]",
                                      "[\"99999999999999999999\"]"};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct json *root = parse("[\"9007199254740993\", \"18446744073709551615\", \"0\"]");
    const struct json *value = json_first(root);
    uint64_t number;

    (void)state;
    assert_ok(json_get_u64(value, "f", UINT64_MAX, &number, &err), &err);
    assert_true(number == UINT64_C(9007199254740993));
    assert_fails(json_get_u64(value, "f", number - 1, &number, &err), LSMKV_CORRUPT, &err, "in range");
    value = json_next(value);
    assert_ok(json_get_u64(value, "f", UINT64_MAX, &number, &err), &err);
    assert_true(number == UINT64_MAX);
    value = json_next(value);
    assert_ok(json_get_u64(value, "f", UINT64_MAX, &number, &err), &err);
    assert_true(number == 0);
    assert_null(json_next(value));
    json_free(root);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        root = parse(bad[i]);
        assert_status(json_get_u64(json_first(root), "f", UINT64_MAX, &number, &err), LSMKV_CORRUPT, &err);
        json_free(root);
    }
}

static void json_small_numbers_must_be_whole_and_in_range(void **state)
{
    static const char *const bad[] = {"[-1]", "[1.5]", "[8]", "[1e300]", "[\"1\"]", "[true]", "[4294967296]"};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct json *root;
    uint32_t number;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        root = parse(bad[i]);
        assert_status(json_get_small(json_first(root), "f", 7, &number, &err), LSMKV_CORRUPT, &err);
        json_free(root);
    }
    root = parse("[4294967295]");
    assert_ok(json_get_small(json_first(root), "f", UINT32_MAX, &number, &err), &err);
    assert_true(number == UINT32_MAX);
    json_free(root);
}

static void json_hex_is_lower_case_and_whole(void **state)
{
    static const char *const bad[] = {"[\"0\"]", "[\"0G\"]", "[\"AB\"]", "[\"000000\"]", "[7]", "[\"\"]"};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf bytes = LSMKV_BUF_INIT;
    struct json *root = parse("[\"00ff\", \"c0ffee0123456789\", \"C0ffee0123456789\", \"c0ffee\"]");
    const struct json *value = json_first(root);
    uint64_t number;

    (void)state;
    assert_ok(json_get_hex(value, "f", 1, 2, &bytes, &err), &err);
    assert_int_equal(bytes.size, 2);
    assert_memory_equal(bytes.data, "\0\xff", 2);
    value = json_next(value);
    assert_ok(json_get_hex64(value, "f", &number, &err), &err);
    assert_true(number == UINT64_C(0xc0ffee0123456789));
    value = json_next(value);
    assert_status(json_get_hex64(value, "f", &number, &err), LSMKV_CORRUPT, &err);
    value = json_next(value);
    assert_status(json_get_hex64(value, "f", &number, &err), LSMKV_CORRUPT, &err);
    json_free(root);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        root = parse(bad[i]);
        assert_status(json_get_hex(json_first(root), "f", 1, 2, &bytes, &err), LSMKV_CORRUPT, &err);
        json_free(root);
    }
    lsmkv_buf_release(&bytes);
}

static void json_put_hex_is_the_reverse_of_get(void **state)
{
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    uint8_t all[256], back[256];

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    assert_ok(json_put_hex(&text, slice_of(all, sizeof(all)), &err), &err);
    assert_int_equal(text.size, 512);
    assert_true(hex_decode((const char *)text.data, text.size, back));
    assert_memory_equal(all, back, sizeof(all));
    lsmkv_buf_release(&text);
}

/* cJSON's allocations, as a host could replace them: the nth fails. */
static size_t left_before_failure;

static void *failing_alloc(size_t size)
{
    return left_before_failure-- == 0 ? NULL : malloc(size);
}

static void json_reports_memory_that_runs_out_inside_cjson(void **state)
{
    cJSON_Hooks hooks = {failing_alloc, free};
    struct lsmkv_error err = LSMKV_ERROR_INIT;
    struct json *root = NULL;
    enum lsmkv_status status = LSMKV_NOMEM;
    size_t n = 0;

    (void)state;
    cJSON_InitHooks(&hooks);
    for (; status == LSMKV_NOMEM; n++) {
        left_before_failure = n;
        status = json_parse(&root, text_of("{\"a\": [1, \"two\"], \"b\": {}}"), &limits, "f", &err);
    }
    cJSON_InitHooks(NULL);
    assert_ok(status, &err);
    assert_true(n > 5);
    json_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_takes_what_the_standard_allows),
        cmocka_unit_test(json_refuses_what_the_standard_forbids),
        cmocka_unit_test(json_refuses_text_that_ends_anywhere),
        cmocka_unit_test(json_bounds_nesting_and_number_of_values),
        cmocka_unit_test(json_fields_must_be_exactly_those_named),
        cmocka_unit_test(json_numbers_of_64_bits_are_exact),
        cmocka_unit_test(json_small_numbers_must_be_whole_and_in_range),
        cmocka_unit_test(json_hex_is_lower_case_and_whole),
        cmocka_unit_test(json_put_hex_is_the_reverse_of_get),
        cmocka_unit_test(json_reports_memory_that_runs_out_inside_cjson),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
