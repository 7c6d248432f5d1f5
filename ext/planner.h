/*
 * planner.h - between the files of xBestIndex: one way to read the table, under consideration.
 *
 * plan.c makes a candidate for each path, planner_cost.c says what it costs, planner_order.c which order it gives.
 */
#ifndef EXT_PLANNER_H
#define EXT_PLANNER_H

#include "ext/sql_table.h"

struct planner {
    struct sql_table *table;
    sqlite3_index_info *info;
    int limit, offset; /* constraints, or -1 */
};

struct candidate {
    struct plan plan; /* owns its arrays */
    int *bound_by;    /* per bound part: the constraint */
    bool *pinned;     /* per bound part: all rows have the same value of it, ... */
    bool uncertain;   /* ... unless a value turns out to be a number: see plan.orders */
    int *probe_by;    /* per probe */
    int lower_by, upper_by;
    bool exact;      /* the ranges hold only what the constraints allow */
    int exact_count; /* constraints that SQLite need not test: the first ones, in the order of arguments */
    bool looped;     /* SQLite may call xFilter for each element of a list */
    bool unique;     /* at most one row */
    bool consumed;   /* the ORDER BY */
    double rows, cost;
    double sort_cost; /* what SQLite's sorting adds; only to compare candidates */
};

/* ---- plan.c ---- */

/* Arguments before those of the probes, in their order: the constraint of the i-th. */
int candidate_constraint(const struct candidate *candidate, int argument);

/* ---- planner_order.c ---- */

/* Sets what the candidate's rows need to come in the order that SQLite asks for, if keys lie in it. */
void candidate_set_order(const struct planner *planner, struct candidate *candidate);

/* ---- planner_cost.c ---- */

/* Sets rows and cost; all else is set. */
int candidate_set_cost(const struct planner *planner, struct candidate *candidate);

/* Of the chosen one: drops probes that are not worth it, or makes it as cheap as they make it. */
void candidate_settle_probes(struct candidate *candidate);

#endif
