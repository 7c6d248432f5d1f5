/*
 * manifest_fixture.h - what tests of manifests share: made-up tables with files of their size, a store's directories,
 * comparison of manifests. All fail the running test on an unexpected outcome.
 */
#ifndef TESTS_UNIT_MANIFEST_FIXTURE_H
#define TESTS_UNIT_MANIFEST_FIXTURE_H

#include "support/test.h"

#include "base/buf.h"
#include "base/error.h"
#include "manifest/manifest.h"
#include "os/fs.h"

#define STORE_DIR "/store"

/* STORE_DIR with manifest/, sst/ and wal/. */
void store_dirs_make(struct os_fs *fs);

/* A manifest of a new store: id, next_file 1000, last_sequence 1000, first_segment 1. */
void manifest_start(struct manifest *manifest);

/* Facts of a table: keys "<min>" to "<max>", sequences up to `sequence`, 100 + number bytes. */
struct sstable_info info_make(uint64_t number, const char *min, const char *max, uint64_t sequence);

/* Appends a table to a level, and makes its file in `fs` (NULL: makes none). */
void manifest_add(struct manifest *manifest, unsigned level, struct sstable_info info, struct os_fs *fs);
void table_file_make(struct os_fs *fs, const struct sstable_info *info);

void manifest_commit_ok(struct manifest *manifest, uint32_t changed, struct os_fs *fs);
void assert_manifest_equal(const struct manifest *a, const struct manifest *b);

/* Whole files below STORE_DIR by name. */
struct lsmkv_buf file_get(struct os_fs *fs, const char *name);
void file_put(struct os_fs *fs, const char *name, struct lsmkv_slice bytes);
bool file_exists(struct os_fs *fs, const char *name);
size_t file_count(struct os_fs *fs, const char *dir_name);

/* Rewrites a manifest file: the first `from` in it becomes `to`, and the checksum line is made right again. */
void file_edit(struct os_fs *fs, const char *name, const char *from, const char *to);

#endif
