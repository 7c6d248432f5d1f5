/*
 * scripts.c - written statements behave on lsmkv tables as on ordinary ones: each .test of tests/oracle/scripts (or of
 * the files named as arguments), and a matrix of joins. Each once
 * more while memory runs out.
 */
#include <err.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

#include "starve.h"
#include "tally.h"
#include "trial.h"

static void run_script(const struct script *script, enum trial trial)
{
    char *difference = trial_run(script, trial);

    if (difference) {
        fprintf(stderr, "%s\n", difference);
        free(difference);
        fail();
    }
}

static void run(void **state)
{
    run_script(*state, TRIAL_THOROUGH);
}

static void run_starved(void **state)
{
    run_script(*state, TRIAL_STARVED);
}

/*
 * An ordinary table converts the key when it is joined with a numeric column: '012' and ' 12' are 12 then. Keys of each
 * type against columns of each type, by each operator.
 */
static void affinity_script(struct script *script, const char *type)
{
    static const char *const sides[] = {"i", "r", "n", "x", "b", "p"};
    static const char *const operators[] = {"=", "<", "<=", ">", ">=", "IS"};
    size_t side, op;

    script_add(script, "CREATE VIRTUAL TABLE t USING lsmkv(k %s PRIMARY KEY, v, sync = off)", type);
    script_add(script, "CREATE TABLE o(i INTEGER, r REAL, n NUMERIC, x TEXT, b BLOB, p)");
    script_add(script,
               "INSERT INTO o SELECT column1, column1, column1, column1, column1, column1 FROM (VALUES (12), ('12'), "
               "('!x'), (1.5), (NULL), (''), (x'3132'), ('zz'), (9e999), (' 12'))");
    script_add(
        script,
        "INSERT OR IGNORE INTO t VALUES(12, 1), ('012', 2), (' 12', 3), ('12', 4), (x'3132', 5), ('', 6), ('!', 7), "
        "('zz', 8), (11, 9), (1.5, 10), ('1.50', 11), (':', 12), ('Inf', 13), ('1e400', 14), ('+12.0', 15), (13, 16), "
        "('abc', 17), (-12, 18), ('-12', 19)");
    for (side = 0; side < sizeof(sides) / sizeof(sides[0]); side++) {
        for (op = 0; op < sizeof(operators) / sizeof(operators[0]); op++)
            script_add(script, "SELECT o.rowid, k, v FROM o CROSS JOIN t ON k %s %s", operators[op], sides[side]);
        script_add(script, "SELECT k, v FROM t WHERE k IN (SELECT %s FROM o)", sides[side]);
        script_add(script, "SELECT o.rowid, k FROM o CROSS JOIN t ON k BETWEEN %s AND 'b'", sides[side]);
    }
}

/* ---- The list of tests ---- */

struct suite {
    struct script *scripts;
    size_t count;
};

/* Takes over `scripts`. */
static void add(struct suite *suite, struct script *scripts, size_t count)
{
    suite->scripts = realloc(suite->scripts, (suite->count + count) * sizeof(*scripts));
    if (!suite->scripts)
        err(1, "scripts");
    memcpy(suite->scripts + suite->count, scripts, count * sizeof(*scripts));
    suite->count += count;
}

static void add_file(struct suite *suite, const char *path)
{
    size_t count;
    struct script *scripts = script_load(path, &count);

    add(suite, scripts, count);
    free(scripts);
}

static void add_files(struct suite *suite)
{
    glob_t found;
    size_t i;

    if (glob("tests/oracle/scripts/*.sql", 0, NULL, &found))
        errx(1, "tests/oracle/scripts: none found from here");
    for (i = 0; i < found.gl_pathc; i++)
        add_file(suite, found.gl_pathv[i]);
    globfree(&found);
}

static void add_matrix(struct suite *suite)
{
    static const char *const types[] = {"", "TEXT", "INT", "REAL", "NUMERIC", "BLOB"};
    size_t i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct script script;
        char name[80];

        snprintf(name, sizeof(name), "joins_with_a_key_of_type_%s", *types[i] ? types[i] : "none");
        script_init(&script, name);
        affinity_script(&script, types[i]);
        add(suite, &script, 1);
    }
}

static struct CMUnitTest test_of(struct script *script, CMUnitTestFunction function, const char *suffix)
{
    char *name;

    if (asprintf(&name, "%s%s", script->name, suffix) < 0)
        err(1, "tests");
    return (struct CMUnitTest){.name = name, .test_func = function, .initial_state = script};
}

int main(int argc, char **argv)
{
    struct suite suite = {0};
    struct CMUnitTest *tests;
    int failed, i;
    size_t n;

    starve_init();
    tally_init();
    for (i = 1; i < argc; i++)
        add_file(&suite, argv[i]);
    if (argc == 1) {
        add_files(&suite);
        add_matrix(&suite);
    }
    tests = calloc(2 * suite.count, sizeof(*tests));
    if (!tests)
        err(1, "tests");
    for (n = 0; n < suite.count; n++) {
        tests[n] = test_of(&suite.scripts[n], run, "");
        tests[suite.count + n] = test_of(&suite.scripts[n], run_starved, "_without_memory");
    }
    failed = _cmocka_run_group_tests("scripts", tests, 2 * suite.count, NULL, NULL);
    for (n = 0; n < 2 * suite.count; n++)
        free((char *)tests[n].name);
    free(tests);
    script_free_all(suite.scripts, suite.count);
    return failed;
}
