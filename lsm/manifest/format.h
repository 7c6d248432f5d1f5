/*
 * format.h - bytes of the manifest files: STORE/global.json and STORE/manifest/level_N-GEN.json.
 *
 * Both are JSON, laid out so that a person can read them (one table a line) and so that their checksum needs no JSON:
 * a file ends with the 35 bytes
 *
 *       "checksum": "0123456789abcdef"      two blanks before, then \n}\n
 *
 * and the 16 digits are checksum64 (base/checksum.h), in lower-case hex, of every byte before them up to the line's own
 * start. Who reads checks that first, then the JSON, strictly (json.h).
 *
 * global.json
 *   {
 *     "format": 1,
 *     "store_id": "5b0e6f0ea0c94c5c8f1d1f4a7f0c2b11",
 *     "generation": "7",
 *     "next_file": "12",
 *     "last_sequence": "5021",
 *     "first_segment": "11",
 *     "clean_segment": "0",
 *     "clean_length": "0",
 *     "options": {
 *       "sync": "full",
 *       ...
 *     },
 *     "levels": [
 *       {"level": 0, "generation": "7", "checksum": "c0ffee0123456789"},
 *       {"level": 1, "generation": "5", "checksum": "89abcdef01234567"}
 *     ],
 *     "checksum": "0123456789abcdef"
 *   }
 *   `levels` names the file of each level that has tables, with that file's checksum, in rising order; a level that is
 *   not named is empty. An option that is not named has its default.
 *
 * manifest/level_1-5.json
 *   {
 *     "format": 1,
 *     "store_id": "5b0e6f0ea0c94c5c8f1d1f4a7f0c2b11",
 *     "level": 1,
 *     "generation": "5",
 *     "tables": [
 *       {"number": "9", "size": "8192", "entries": "100", "tombstones": "3", "raw_bytes": "7000", "sequence_min": "1",
 *        "sequence_max": "4000", "checksum": "00112233aabbccdd", "key_min": "00000001", "key_max": "00000001ff"}
 *     ],                                                               (each table on one line of its own)
 *     "checksum": "0123456789abcdef"
 *   }
 *   Tables of level 0 are listed newest first, those of other levels by key.
 *
 * Integers of 64 bits are decimal strings (a JSON number is a double), keys and checksums lower-case hex. Only "format"
 * and "level" are JSON numbers. Each field occurs exactly once; the order of fields is free.
 *
 * VERSION RULE: "format" and the checksum line keep their meaning in every format, so a newer file is told from a damaged
 * one and refused by its version (CANTOPEN).
 */
#ifndef LSM_MANIFEST_FORMAT_H
#define LSM_MANIFEST_FORMAT_H

#include "manifest/json.h"
#include "manifest/manifest.h"

#define MANIFEST_TAIL_SIZE 35 /* bytes of the checksum line and what follows it */

/* Appends the checksum line; *checksum is what it says. */
LSMKV_MUST_CHECK enum lsmkv_status manifest_text_finish(struct lsmkv_buf *text, uint64_t *checksum,
                                                        struct lsmkv_error *err);

/*
 * Checks the checksum line of a whole file's bytes, then parses it: *root is an object whose "format" is ours. CORRUPT, or
 * CANTOPEN for a newer format; both name `path`.
 */
LSMKV_MUST_CHECK enum lsmkv_status manifest_text_parse(struct json **root, struct lsmkv_slice text, const char *path,
                                                       uint64_t *checksum, struct lsmkv_error *err);

/* Appends the whole file to `text`. */
LSMKV_MUST_CHECK enum lsmkv_status global_file_put(struct lsmkv_buf *text, const struct manifest *manifest,
                                                   struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status level_file_put(struct lsmkv_buf *text, const struct manifest *manifest,
                                                  unsigned level, uint64_t *checksum, struct lsmkv_error *err);

/*
 * The reverse. `manifest` is initialised by the caller, who also releases it after a failure. global_file_get() fills
 * everything but the tables. level_file_get() fills the tables of one level and checks the file against what global.json
 * said of it: store, level, generation, checksum.
 */
LSMKV_MUST_CHECK enum lsmkv_status global_file_get(struct manifest *manifest, struct lsmkv_slice text, const char *path,
                                                   struct lsmkv_error *err);
LSMKV_MUST_CHECK enum lsmkv_status level_file_get(struct manifest *manifest, unsigned level, struct lsmkv_slice text,
                                                  const char *path, struct lsmkv_error *err);

/*
 * The rules of levels (version/version.h), and of the numbers of the store and of each table. `status` is what a broken rule is: CORRUPT for a
 * manifest that was read, INVALID for one that is about to be written. The message names the file below `dir`.
 */
LSMKV_MUST_CHECK enum lsmkv_status manifest_check(const struct manifest *manifest, const char *dir,
                                                  enum lsmkv_status status, struct lsmkv_error *err);

/* The numbers of all tables in rising order, in a new array (lsm_free); and whether one is among them. */
LSMKV_MUST_CHECK enum lsmkv_status manifest_numbers(const struct manifest *manifest, uint64_t **numbers, size_t *count,
                                                    struct lsmkv_error *err);
bool manifest_has_number(const uint64_t *numbers, size_t count, uint64_t number);

#endif
