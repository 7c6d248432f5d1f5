/*
 * test.h - what every test program includes: cmocka, seeds, scaling, a fresh directory.
 *
 * Environment: LSMKV_TEST_SEED repeats a run; LSMKV_TEST_SCALE divides counts (sanitizer builds are slow).
 */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lsm/lsmkv.h"

/* `n` divided by LSMKV_TEST_SCALE, at least 1. */
size_t test_scaled(size_t n);

/* The seed of this run, printed once; the same for every call of one run. Never 0. */
uint64_t test_seed(void);

/* The next number of a generator; `state` starts from test_seed() or any other number. */
uint64_t test_random(uint64_t *state);

/* A fresh directory for each call, below one that is removed at exit (not in a forked child). The string lasts. */
const char *test_dir(void);

/* Fails the test with the message of `err` unless `status` is `expected`. */
void test_expect(enum lsmkv_status status, enum lsmkv_status expected, const struct lsmkv_error *err, const char *file,
                 int line);
#define assert_ok(status, err)               test_expect((status), LSMKV_OK, (err), __FILE__, __LINE__)
#define assert_status(status, expected, err) test_expect((status), (expected), (err), __FILE__, __LINE__)
/* Also that the message holds `text`. */
#define assert_fails(status, expected, err, text)                                                                      \
    test_expect_message((status), (expected), (err), (text), __FILE__, __LINE__)
void test_expect_message(enum lsmkv_status status, enum lsmkv_status expected, const struct lsmkv_error *err,
                         const char *text, const char *file, int line);

#endif
