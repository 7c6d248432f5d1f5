/*
 * script.h - statements to be run one after the other: a generated case, or one test of a file of statements.
 *
 * A line is one SQL statement without its semicolon, or a directive that begins with a dot (see pair.h). In a file a
 * statement may span lines and ends with a semicolon at the end of a line; lines that begin with -- are comments; a line
 * ".test NAME" begins a new script.
 */
#ifndef TESTS_ORACLE_SCRIPT_H
#define TESTS_ORACLE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct script {
    char *name;
    char **lines;
    size_t count;
};

void script_init(struct script *script, const char *name);
void script_release(struct script *script);

/* Takes a printf format. */
void script_add(struct script *script, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes `line`, which malloc() made. */
void script_take(struct script *script, char *line);

/* As a file that script_load() reads. */
void script_print(const struct script *script, FILE *out);

/* The scripts of a file, in an array that script_free_all() frees. A file that cannot be read ends the program. */
struct script *script_load(const char *path, size_t *count);
void script_free_all(struct script *scripts, size_t count);

#endif
