/*
 * pressure.h - how close background work is to falling behind: one number, pure.
 *
 * p = max(immutable bytes / budget, L0 tables / stop limit, compaction debt / stop limit). Below soft_limit commits are
 * free; from there to 1 they are delayed smoothly; at 1 they wait.
 */
#ifndef LSM_COMPACTION_PRESSURE_H
#define LSM_COMPACTION_PRESSURE_H

#include "version/super_version.h"

#define PRESSURE_L0_FACTOR    4        /* commits stop at this many times l0_tables */
#define PRESSURE_DEBT_FACTOR  256      /* and at this many times base_level_size of debt */
#define PRESSURE_DELAY_MAX_NS 4000000u /* the longest delay of one commit below pressure 1 */

struct pressure {
    double value;
    const char *cause; /* a literal: "immutable memtables", "L0 tables", "compaction debt" */
    bool by_flush;     /* a flush relieves it; a compaction otherwise */
};

struct pressure pressure_of(const struct lsmkv_options *options, const struct super_version *super_version);
/* Quadratic between soft_limit and 1. */
uint64_t pressure_delay_ns(const struct lsmkv_options *options, double pressure);

#endif
