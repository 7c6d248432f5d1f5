/*
 * version_fixture.h - what tests of versions share: a store's directories in memory, real tables made from a line of text,
 * memtables, iterators as text. All fail the running test on an unexpected outcome.
 *
 * Entries are written as words "key=value" or "key" (a tombstone), separated by blanks: "a=1 b c=3".
 */
#ifndef TESTS_UNIT_VERSION_FIXTURE_H
#define TESTS_UNIT_VERSION_FIXTURE_H

#include "manifest_fixture.h"

#include "fault_fs.h"

#include "base/counters.h"
#include "memtable/memtable.h"
#include "sstable/table.h"
#include "version/version_set.h"

struct store_parts {
    struct os_fs *memory; /* ours */
    struct os_fs *fs;     /* what the parts use: `memory`, or a file system around it */
    struct counters counters;
    struct table_cache *cache;
    struct manifest manifest;
    struct version_set *set;
};

/* `around` (NULL = none) is given the file system in memory and returns the one to use. */
void parts_open(struct store_parts *parts, struct os_fs *(*around)(struct os_fs *memory, void *context), void *context);
void parts_open_set(struct store_parts *parts); /* commits and opens an empty store */
void parts_close(struct store_parts *parts);

/* A table of these entries, each with `sequence`. The caller owns the reference. */
struct table *parts_table(struct store_parts *parts, uint64_t number, uint64_t sequence, const char *words);
struct memtable *parts_memtable(uint64_t segment, uint64_t sequence, const char *words);
void memtable_add_words(struct memtable *memtable, uint64_t sequence, const char *words);

/* Brings in a memtable as the active one; the set keeps the only reference. */
void parts_rotate(struct store_parts *parts, struct memtable *memtable);

/* Commits: `removed` (NULL = none) leaves, `added` (NULL = none) comes to `level`, the `flushed` oldest memtables leave. */
enum lsmkv_status parts_commit(struct store_parts *parts, struct table *removed, unsigned level, struct table *added,
                               size_t flushed, struct lsmkv_error *err);

/* The current super-version for a look; the set keeps it alive until the next change. */
const struct super_version *parts_current(struct store_parts *parts);

/* As if files with the numbers up to `count` had been made. */
void parts_take_numbers(struct store_parts *parts, uint64_t count);

/* Commits two tables in L0, numbers 1 and 2, both "a=1 b=2", and removes what that made needless. */
void parts_commit_two_tables(struct store_parts *parts);

/* What a new open would load. */
struct manifest parts_manifest_on_disk(struct store_parts *parts);

/* Reads `key` at no sequence bound; `value` NULL = must not be found. */
void assert_gets(const struct super_version *super_version, const char *key, const char *value);

/* cmocka's set-up and tear-down of a test whose store's file system can be made to fail. */
struct faulty_parts {
    struct store_parts parts;
    struct fault_fs *faults;
};
int faulty_setup(void **state);
int faulty_teardown(void **state);

/* What the iterator yields forward, or backward, as words. The string lasts until the next call. */
const char *iter_words(struct iter *it, bool backward);

struct lsmkv_slice key_of(const char *text);

#endif
