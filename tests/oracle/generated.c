/*
 * generated.c - generated statements behave on an lsmkv table as on an ordinary one.
 *
 *   generated                    10,000 statements; every kind that the tally knows must be among them
 *   generated SECONDS [SEED]     as many as fit; a difference is made short, printed, and ends the run
 *   generated print SEED         the script of a seed
 *
 * LSMKV_TEST_SEED repeats a run, LSMKV_TEST_SCALE shrinks it.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/test.h"

#include "generator.h"
#include "starve.h"
#include "tally.h"
#include "trial.h"

#define STATEMENTS     10000
#define CASE           120
#define REDUCE_SECONDS 120
#define STARVED_ONE_IN 16

static void make(struct script *script, uint64_t seed)
{
    char name[40];

    snprintf(name, sizeof(name), "seed_%" PRIu64, seed);
    script_init(script, name);
    gen_case(script, seed, CASE);
}

static bool run_case(uint64_t seed)
{
    /* Some are run again and again with an allocation failing: see starve.h. */
    enum trial trial = seed % STARVED_ONE_IN == 0 ? TRIAL_STARVED : TRIAL_LOUD;
    struct script script;
    char *difference;

    make(&script, seed);
    difference = trial_run(&script, trial);
    if (difference) {
        printf("seed %" PRIu64 " differs:\n%s\nmaking it short ...\n", seed, difference);
        fflush(stdout);
        difference = trial_reduce(&script, difference, trial, REDUCE_SECONDS);
        printf("a short script (SQLite %s%s):\n", sqlite3_libversion(),
               trial == TRIAL_STARVED ? ", without memory" : "");
        script_print(&script, stdout);
        printf("%s\n", difference);
        free(difference);
    }
    script_release(&script);
    return !difference;
}

static int run_seconds(unsigned long seconds, uint64_t seed)
{
    time_t end = time(NULL) + (time_t)seconds;
    uint64_t random = seed;
    bool same = true;

    while (same && time(NULL) < end) {
        same = run_case(seed);
        seed = test_random(&random) >> 16;
    }
    tally_print();
    return same ? 0 : 1;
}

/* A run of full size has every kind; a smaller one, of sanitizers, need not. */
static int run_statements(size_t statements)
{
    uint64_t seed = test_seed(), random = seed;
    bool same = true;
    size_t zeros;

    while (same && tally_statements() < statements)
        same = run_case(test_random(&random) >> 16);
    zeros = tally_print();
    return same && (zeros == 0 || statements < STATEMENTS) ? 0 : 1;
}

int main(int argc, char **argv)
{
    starve_init();
    tally_init();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "print") == 0) {
        struct script script;

        make(&script, strtoull(argv[2], NULL, 10));
        script_print(&script, stdout);
        script_release(&script);
        return 0;
    }
    if (argc > 1)
        return run_seconds(strtoul(argv[1], NULL, 10), argc > 2 ? strtoull(argv[2], NULL, 10) : test_seed() >> 16);
    return run_statements(test_scaled(STATEMENTS));
}
