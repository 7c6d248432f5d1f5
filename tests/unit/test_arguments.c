/*
 * test_arguments.c - module arguments: directory, columns, constraints, options, in every quoting style.
 */
#include "support/test.h"

#include <string.h>

#include "ext/arguments.h"
#include "ext/schema_parse.h"
#include "ext/token.h"

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

static void parse(struct arguments *arguments, int count, const char *const *texts)
{
    char *message = NULL;

    arguments_init(arguments);
    if (arguments_parse(arguments, count, texts, &message) != SQLITE_OK)
        fail_msg("%s", message);
}

static void refused(const char *expected, const char *text)
{
    struct arguments arguments;
    char *message = NULL;

    arguments_init(&arguments);
    if (arguments_parse(&arguments, 1, &text, &message) == SQLITE_OK)
        fail_msg("%s was not refused", text);
    if (!message || !strstr(message, expected))
        fail_msg("%s: expected \"%s\", got \"%s\"", text, expected, message ? message : "");
    sqlite3_free(message);
    arguments_release(&arguments);
}

static void assert_definition(const struct table_schema *schema, const char *expected)
{
    char *definition = schema_definition(schema);

    assert_string_equal(definition, expected);
    sqlite3_free(definition);
}

static void no_arguments_leave_everything_open(void **state)
{
    struct arguments arguments;

    (void)state;
    parse(&arguments, 0, NULL);
    assert_null(arguments.dir);
    assert_null(arguments.table);
    assert_false(arguments.has_columns);
    assert_int_equal(arguments.option_count, 0);
    arguments_release(&arguments);
}

static void directory_columns_and_options_are_told_apart(void **state)
{
    static const char *const texts[] = {"'/a dir/with, comma and ''quote'''",
                                        "id INTEGER PRIMARY KEY",
                                        "name VARCHAR(10) NOT NULL",
                                        "sync = normal",
                                        "\"memtable_size\"='1MB'",
                                        "TABLE = \"events\""};
    struct arguments arguments;

    (void)state;
    parse(&arguments, COUNT(texts), texts);
    assert_string_equal(arguments.dir, "/a dir/with, comma and 'quote'");
    assert_string_equal(arguments.table, "events");
    assert_int_equal(arguments.schema.count, 2);
    assert_int_equal(arguments.option_count, 2);
    assert_string_equal(arguments.options[1].name, "memtable_size");
    assert_int_equal(arguments.store.sync, LSMKV_SYNC_NORMAL);
    assert_int_equal(arguments.store.memtable_size, 1 << 20);
    arguments_release(&arguments);
}

static void dir_is_also_an_option(void **state)
{
    static const char *const texts[] = {"a", "dir = 'x y'"};
    static const char *const bare[] = {"dir=../store-1.d"};
    struct arguments arguments;

    (void)state;
    parse(&arguments, COUNT(texts), texts);
    assert_string_equal(arguments.dir, "x y");
    arguments_release(&arguments);
    parse(&arguments, COUNT(bare), bare);
    assert_string_equal(arguments.dir, "../store-1.d");
    assert_false(arguments.has_columns);
    arguments_release(&arguments);
}

static void names_and_types_may_be_quoted_and_commented(void **state)
{
    static const char *const texts[] = {"[a b] /* first, of ( all */ \"double\" precision",
                                        "`back``tick` -- rest\n TEXT COLLATE 'nocase'",
                                        "\"say \"\"hi\"\"\" DECIMAL ( 10 , -2 )  NULL",
                                        "\"select\"",
                                        "key",
                                        "CONSTRAINT [the key] PRIMARY KEY ('back`tick' ASC)"};
    struct arguments arguments;

    (void)state;
    parse(&arguments, COUNT(texts), texts);
    assert_definition(&arguments.schema,
                      "\"a b\" \"double\" precision, \"back`tick\" TEXT PRIMARY KEY COLLATE \"nocase\", "
                      "\"say \"\"hi\"\"\" DECIMAL ( 10 , -2 ), \"select\", key");
    assert_int_equal(arguments.schema.key_kind, KEY_COLUMNS);
    assert_int_equal(arguments.schema.primary.parts[0].column, 1);
    assert_int_equal(arguments.schema.primary.parts[0].collation, COLLATION_NOCASE);
    assert_int_equal(arguments.schema.columns[0].affinity, AFFINITY_REAL);
    arguments_release(&arguments);
}

static void the_kind_of_key_follows_from_its_type(void **state)
{
    static const struct {
        const char *text;
        enum key_kind kind;
    } cases[] = {{"a integer primary key", KEY_INTEGER},     {"a INTEGER NOT NULL PRIMARY KEY ASC", KEY_INTEGER},
                 {"a INT PRIMARY KEY", KEY_COLUMNS},         {"a PRIMARY KEY", KEY_COLUMNS},
                 {"a INTEGER (4) PRIMARY KEY", KEY_COLUMNS}, {"a INTEGER NOT NULL", KEY_HIDDEN_ROWID}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arguments arguments;

        parse(&arguments, 1, &cases[i].text);
        if (arguments.schema.key_kind != cases[i].kind)
            fail_msg("%s: %d", cases[i].text, arguments.schema.key_kind);
        arguments_release(&arguments);
    }
}

static void definitions_read_back_as_the_same(void **state)
{
    static const char *const texts[] = {"key PRIMARY KEY, value", "a, b INTEGER NOT NULL, c",
                                        "\"a,b\" VARCHAR(10, 2) PRIMARY KEY COLLATE RTRIM, \"\"\"\" x",
                                        "id INTEGER PRIMARY KEY NOT NULL, v TEXT COLLATE other, PRIMARY_KEY"};
    struct table_schema first, second;
    char *message = NULL, *definition;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        schema_init(&first);
        schema_init(&second);
        if (schema_parse(&first, texts[i], &message))
            fail_msg("%s: %s", texts[i], message);
        definition = schema_definition(&first);
        if (schema_parse(&second, definition, &message))
            fail_msg("%s: %s", definition, message);
        assert_true(schema_equal(&first, &second));
        assert_definition(&second, definition);
        sqlite3_free(definition);
        schema_release(&first);
        schema_release(&second);
    }
}

static void definitions_differ_by_name_type_key_and_collation(void **state)
{
    static const char *const texts[] = {"a, b",
                                        "a, c",
                                        "a",
                                        "a PRIMARY KEY, b",
                                        "a, b PRIMARY KEY",
                                        "a INT, b",
                                        "a NOT NULL, b",
                                        "a COLLATE NOCASE, b"};
    struct table_schema x, y;
    char *message = NULL;
    size_t i, j;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
            schema_init(&x);
            schema_init(&y);
            assert_int_equal(schema_parse(&x, texts[i], &message), SQLITE_OK);
            assert_int_equal(schema_parse(&y, texts[j], &message), SQLITE_OK);
            assert_int_equal(schema_equal(&x, &y), i == j);
            schema_release(&x);
            schema_release(&y);
        }
    }
}

static void bad_arguments_are_refused_by_name(void **state)
{
    (void)state;
    refused("argument 1 is empty", "");
    refused("argument 1 is empty", " /* only a comment */ ");
    refused("unknown option: nonsense", "nonsense = 1");
    refused("option dir is empty", "''");
    refused("option table is empty", "table=''");
    refused("sync", "sync = perhaps");
    refused("unterminated", "a /* no end");
    refused("unterminated", "a \"no end");
    refused("near \"%\"", "a % b");
    refused("near \"5\"", "a INT 5");
    refused("near \"x\"", "a VARCHAR(10) x");
    refused("incomplete", "a PRIMARY");
    refused("incomplete", "a NOT");
    refused("incomplete", "a COLLATE");
    refused("incomplete", "a VARCHAR(");
    refused("incomplete", "a VARCHAR(10,");
    refused("near \"(\"", "(a)");
    refused("near \"12\"", "12 INT");
    refused("a string literal cannot name a column", "'a' INT");
    refused("column a: DEFAULT is supported with NOT NULL only", "a DEFAULT (1)");
    refused("column a: DEFERRABLE is not supported", "a NOT DEFERRABLE");
    refused("no such column: a", "PRIMARY KEY (a)");
}

static void a_constraint_alone_makes_no_table(void **state)
{
    struct arguments arguments;
    const char *texts[] = {"sync = full"};

    (void)state;
    parse(&arguments, 1, texts);
    assert_false(arguments.has_columns);
    arguments_release(&arguments);
}

/* Whatever the bytes, parsing ends, and says something where it fails. */
static void random_arguments_never_crash(void **state)
{
    static const char *const words[] = {"a",       "INTEGER",    "PRIMARY", "KEY",          "(",    ")",
                                        ",",       "'s'",        "\"n\"",   "[x]",          "=",    "NOT",
                                        "NULL",    "COLLATE",    "NOCASE",  "UNIQUE",       "12",   "'",
                                        "\"",      "/*",         "*/",      "--",           "\n",   "CHECK",
                                        "DEFAULT", "INDEX",      "DESC",    "AND",          "-1",   "x",
                                        "NULLS",   "UNIQUE (a)", "CHECK (", "CONSTRAINT c", "sync", "full",
                                        "dir",     ";",          "-",       "x'00'",        "é",    "CONSTRAINT",
                                        "TABLE",   "`"};
    uint64_t seed = test_seed();
    size_t i;

    (void)state;
    for (i = 0; i < test_scaled(20000); i++) {
        struct arguments arguments;
        char text[256] = "", *message = NULL;
        const char *list[1] = {text};
        size_t count = test_random(&seed) % 8;

        while (count--) {
            strcat(text, words[test_random(&seed) % (sizeof(words) / sizeof(words[0]))]);
            strcat(text, test_random(&seed) % 3 ? " " : "");
        }
        arguments_init(&arguments);
        if (arguments_parse(&arguments, 1, list, &message) != SQLITE_OK)
            assert_non_null(message);
        sqlite3_free(message);
        arguments_release(&arguments);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_arguments_leave_everything_open),
        cmocka_unit_test(directory_columns_and_options_are_told_apart),
        cmocka_unit_test(dir_is_also_an_option),
        cmocka_unit_test(names_and_types_may_be_quoted_and_commented),
        cmocka_unit_test(the_kind_of_key_follows_from_its_type),
        cmocka_unit_test(definitions_read_back_as_the_same),
        cmocka_unit_test(definitions_differ_by_name_type_key_and_collation),
        cmocka_unit_test(bad_arguments_are_refused_by_name),
        cmocka_unit_test(a_constraint_alone_makes_no_table),
        cmocka_unit_test(random_arguments_never_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
