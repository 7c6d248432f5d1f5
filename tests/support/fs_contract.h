/*
 * fs_contract.h - what lsm/os/fs.h promises, as checks that every file system must pass.
 */
#ifndef TESTS_SUPPORT_FS_CONTRACT_H
#define TESTS_SUPPORT_FS_CONTRACT_H

#include "lsm/os/fs.h"

/* Each uses names of its own below the directory `dir`, which exists. Fails the cmocka test on a broken promise. */
void fs_contract_files(struct os_fs *fs, const char *dir);
void fs_contract_names(struct os_fs *fs, const char *dir);
void fs_contract_directories(struct os_fs *fs, const char *dir);
void fs_contract_locks(struct os_fs *fs, const char *dir);
/* One thread appends while others read what is there. */
void fs_contract_append_while_reading(struct os_fs *fs, const char *dir);

#endif
