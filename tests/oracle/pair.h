/*
 * pair.h - the same statements on two connections: one whose tables are lsmkv's, one whose tables are ordinary.
 *
 * Rows with their types, extended codes, messages, changes(), total_changes(), last_insert_rowid() and the autocommit state must be the
 * same, and after a change so must the whole table. Rows are compared as a set, unless the statement has ORDER BY, whose
 * order is then total, or says otherwise in a comment of its own:
 *
 *   ordered N    as a set, and the first N columns as a sequence, in which equal is what a collation calls equal
 *   loose        equal is what a collation or a comparison of numbers calls equal: which of equal values a group, DISTINCT,
 *                min() or a compound shows is not defined
 *
 * Directives:
 *
 *   .reopen                closes and opens both databases; an open transaction is rolled back
 *   .flush t  .compact t   of the lsmkv table; inside a transaction that wrote, its refusal is expected
 *
 * Left out, as SQLite's own limits (ext/README.md has the list):
 *   - changes() is compared only after INSERT, REPLACE, UPDATE and DELETE: the first read of a transaction sets it too.
 *     A statement that does not compile leaves it as that read did.
 *   - total_changes() is compared by how much it grows, outside of transactions: within one the extension hears of it by a
 *     change of its own.
 *   - SQLite 3.40 makes no automatic indexes: with two columns of different collations they lose rows of ordinary tables.
 *   - Messages of CREATE are not compared: each side has a grammar of its own.

 *
 * With LSMKV_LOAD in the environment the extension is loaded from that file; else it is the one linked in.
 */
#ifndef TESTS_ORACLE_PAIR_H
#define TESTS_ORACLE_PAIR_H

#include <stdbool.h>

#include <sqlite3.h>

struct pair {
    char *dir;
    sqlite3 *ordinary, *lsmkv;
    unsigned index_serial;
    unsigned changes; /* statements that change rows so far */
    bool thorough;    /* compare whole tables after every one of them, not only after failures and now and then */
    bool starved;     /* outside of transactions, first let every allocation of the lsmkv side fail */
    char *difference; /* of the last pair_run() that returned false; sqlite3_malloc()ed */
};

/* Databases in `dir`, which exists and is empty. A failure ends the program. */
void pair_open(struct pair *pair, const char *dir);
void pair_close(struct pair *pair);

/* Runs a line of a script on both. Returns false, with pair->difference set, if they differ. */
bool pair_run(struct pair *pair, const char *line);

#endif
