/*
 * names.h - the names of a store's files: made from numbers, and told from names that are not ours.
 */
#ifndef LSM_MANIFEST_NAMES_H
#define LSM_MANIFEST_NAMES_H

#include "lsmkv.h"

#define NAME_GLOBAL       "global.json"
#define NAME_GLOBAL_NEW   "global.json.tmp" /* a global.json that is not committed */
#define NAME_MANIFEST_DIR "manifest"
#define NAME_TABLE_DIR    "sst"
#define NAME_SEGMENT_DIR  "wal"

/* Paths below `dir` in new strings (lsm_free); NULL on failure. */
char *level_file_path(const char *dir, unsigned level, uint64_t generation); /* manifest/level_N-GEN.json */
char *segment_path(const char *dir, uint64_t number);                        /* wal/NNNNNN.wal */

/*
 * The reverse, for a name found in a directory: false unless it is exactly what we would have written, with a number
 * from 1 to MANIFEST_NUMBER_MAX.
 */
bool level_file_name(const char *name, unsigned *level, uint64_t *generation);
bool table_name(const char *name, uint64_t *number);
bool segment_name(const char *name, uint64_t *number);

#endif
