/*
 * tally.h - what the statements of a run were: how many of each kind, conflict clause, key, collation, depth of savepoints,
 * plan and outcome. A generator that has stopped to make one of them is noticed by its zero.
 *
 * The counts are shared with child processes; one process counts at a time.
 */
#ifndef TESTS_ORACLE_TALLY_H
#define TESTS_ORACLE_TALLY_H

#include <stdbool.h>
#include <stddef.h>

/* Starts at zero. Called once, before any child. */
void tally_init(void);

/* A statement has run, with this extended code. */
void tally_statement(const char *sql, int code);

/* A line of EXPLAIN QUERY PLAN that is about an lsmkv table. */
void tally_plan(const char *detail);

/* Statements that have run. */
unsigned long tally_statements(void);

/* Prints all counts. Returns how many are zero, after naming them. */
size_t tally_print(void);

#endif
