/*
 * features.h - which clauses CREATE takes today; the generator leaves out the others. Goes away when all are there.
 */
#ifndef TESTS_ORACLE_FEATURES_H
#define TESTS_ORACLE_FEATURES_H

#include <stdbool.h>

extern struct features {
    bool composite, descending, unique, index, check, has_default, limit, key_order;
} features;

void features_init(void);

#endif
