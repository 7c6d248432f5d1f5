/*
 * trial.h - runs a script on fresh databases in a process of its own, so that a crash, an assertion, a sanitizer's report
 * or an endless loop is a difference like any other; and makes the script of a difference short.
 */
#ifndef TESTS_ORACLE_TRIAL_H
#define TESTS_ORACLE_TRIAL_H

#include "script.h"

enum trial {
    TRIAL_LOUD,     /* what the child prints is seen; whole tables are compared now and then */
    TRIAL_THOROUGH, /* after every change; quiet, as those that follow */
    TRIAL_STARVED,  /* the same, and memory runs out: see starve.h */
};

/* NULL if both sides agree, else a description that free() frees; its first line is the statement. */
char *trial_run(const struct script *script, enum trial trial);

/*
 * Leaves out statements as long as a difference remains, in trials of that kind but thorough; at most `seconds`. Returns the description of the difference
 * that the short script shows.
 */
char *trial_reduce(struct script *script, char *difference, enum trial trial, unsigned seconds);

#endif
