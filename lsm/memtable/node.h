/*
 * node.h - a node of the memtable's skip list.
 *
 * MEMORY of one node, one block of the arena, aligned to 8:
 *     next[height - 1] ... next[1]    links of the upper levels, backwards from the node
 *     next[0]                         <- a struct node * points here
 *     sizes, kind
 *     key                             followed by zeros up to KEY_PADDED_MIN bytes, and up to a multiple of 8
 *     sequence, link in add order     (struct node_tail)
 *     value
 * What a search touches, a link and the first 16 bytes of a key, lies together: with a short key, mostly in one cache
 * line. The height is not stored: who reaches a node by a link of level n knows that it has one.
 */
#ifndef LSM_MEMTABLE_NODE_H
#define LSM_MEMTABLE_NODE_H

#include <endian.h>
#include <stdatomic.h>
#include <string.h>

#include "base/buf.h"
#include "base/entry.h"

#define KEY_PADDED_MIN 16
#define KEY_SIZE_MAX   ((1u << 30) - 1)

struct node;
typedef _Atomic(struct node *) node_link;

struct node {
    node_link next;
    uint32_t key_size : 30;
    uint32_t kind : 2;
    uint32_t value_size;
    uint8_t key[];
};

struct node_tail {
    uint64_t sequence;
    node_link added_next; /* the node that was added after this one */
};

/* A key to compare with: its first 16 bytes, padded with zeros, as two big-endian numbers. */
struct node_key {
    uint64_t head[2];
    struct lsmkv_slice bytes;
    uint64_t sequence;
};

static inline node_link *node_next(struct node *node, unsigned level)
{
    return &node->next - level;
}

static inline size_t node_key_padded(size_t key_size)
{
    return key_size < KEY_PADDED_MIN ? KEY_PADDED_MIN : (key_size + 7) & ~(size_t)7;
}

static inline struct node_tail *node_tail(struct node *node)
{
    return (struct node_tail *)(void *)(node->key + node_key_padded(node->key_size));
}

static inline struct lsmkv_slice node_key_bytes(const struct node *node)
{
    return slice_of(node->key, node->key_size);
}

static inline uint64_t node_sequence(struct node *node)
{
    return node_tail(node)->sequence;
}

static inline uint64_t node_head(const uint8_t *bytes)
{
    uint64_t head;

    memcpy(&head, bytes, sizeof(head));
    return be64toh(head);
}

static inline void node_key_init(struct node_key *key, struct lsmkv_slice bytes, uint64_t sequence)
{
    uint8_t head[KEY_PADDED_MIN] = {0};

    if (bytes.size)
        memcpy(head, bytes.data, bytes.size < sizeof(head) ? bytes.size : sizeof(head));
    key->head[0] = node_head(head);
    key->head[1] = node_head(head + 8);
    key->bytes = bytes;
    key->sequence = sequence;
}

static inline int node_compare_rest(const struct node *node, const struct node_key *key)
{
    size_t shared = node->key_size < key->bytes.size ? node->key_size : key->bytes.size;
    int order = 0;

    if (shared > KEY_PADDED_MIN)
        order = memcmp(node->key + KEY_PADDED_MIN, key->bytes.data + KEY_PADDED_MIN, shared - KEY_PADDED_MIN);
    if (order)
        return order;
    return node->key_size < key->bytes.size ? -1 : node->key_size > key->bytes.size;
}

/* Order of the keys alone. Padding with zeros keeps memcmp order, and equal heads leave the sizes to decide. */
static inline int node_compare_key(const struct node *node, const struct node_key *key)
{
    uint64_t head = node_head(node->key);

    if (head != key->head[0])
        return head < key->head[0] ? -1 : 1;
    head = node_head(node->key + 8);
    if (head != key->head[1])
        return head < key->head[1] ? -1 : 1;
    return node_compare_rest(node, key);
}

/* Whether the node comes before (key, sequence): a smaller key, or the same one and a newer version. */
static inline bool node_before(struct node *node, const struct node_key *key)
{
    int order = node_compare_key(node, key);

    return order < 0 || (order == 0 && node_sequence(node) > key->sequence);
}

static inline void node_entry(struct node *node, struct entry *entry)
{
    entry->key = node_key_bytes(node);
    entry->value = slice_of(node_tail(node) + 1, node->value_size);
    entry->sequence = node_sequence(node);
    entry->kind = (enum entry_kind)node->kind;
}

#endif
