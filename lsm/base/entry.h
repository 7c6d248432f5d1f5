/*
 * entry.h - one version of one key: the internal key (key, sequence, kind) and its value.
 *
 * Order of entries: by key (memcmp), and within a key the newest (highest sequence) first. One sequence number belongs
 * to one transaction and a transaction holds one write of a key, so (key, sequence) is unique.
 */
#ifndef LSM_BASE_ENTRY_H
#define LSM_BASE_ENTRY_H

#include "lsmkv.h"

enum entry_kind {
    ENTRY_PUT = 1,
    ENTRY_DELETE = 2, /* a tombstone: hides older versions; has no value */
};

struct entry {
    struct lsmkv_slice key;
    struct lsmkv_slice value;
    uint64_t sequence;
    enum entry_kind kind;
};

#define SEQUENCE_MAX UINT64_MAX

#endif
