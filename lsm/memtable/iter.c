/*
 * iter.c - iterates over a memtable: for each key its newest version up to a sequence.
 *
 * The list has no links backwards: a move to a smaller key is a search from the top.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "memtable/skiplist.h"

#define STEPS_MAX 8 /* versions of one key that are stepped over before a search skips the others */

struct memtable_iter {
    struct iter base;
    struct memtable *memtable;
    uint64_t sequence;
    struct node *node; /* where it is, if valid */
};

static struct memtable_iter *cast(struct iter *it)
{
    return (struct memtable_iter *)(void *)it;
}

static void set_node(struct memtable_iter *it, struct node *node)
{
    it->node = node;
    it->base.valid = node != NULL;
    if (node)
        node_entry(node, &it->base.entry);
}

/* The first node after all versions of the key of `node`. */
static struct node *after_key(const struct memtable_iter *it, struct node *node)
{
    struct node_key key;
    unsigned steps = 0;

    node_key_init(&key, node_key_bytes(node), 0);
    do {
        node = ++steps > STEPS_MAX && node_sequence(node) ? memtable_seek(it->memtable, &key) : memtable_after(node);
    } while (node && node_compare_key(node, &key) == 0);
    return node;
}

/*
 * The newest version that may be shown of the key of `node`, where `node` is its newest or the first that may be shown;
 * NULL if all are too new.
 */
static struct node *visible_version(const struct memtable_iter *it, struct node *node)
{
    struct node_key key;

    if (node_sequence(node) <= it->sequence)
        return node;
    node_key_init(&key, node_key_bytes(node), it->sequence);
    node = memtable_seek(it->memtable, &key);
    return node && node_compare_key(node, &key) == 0 ? node : NULL;
}

/* Moves to the first key that has a version to show, from `node`, the first node of a key, onwards. */
static void settle_forward(struct memtable_iter *it, struct node *node)
{
    struct node *visible = NULL;

    while (node && !(visible = visible_version(it, node)))
        node = after_key(it, node);
    set_node(it, visible);
}

/* The same backwards, from `node`, any version of a key. */
static void settle_backward(struct memtable_iter *it, struct node *node)
{
    struct node_key key;

    while (node) {
        struct node *visible;

        node_key_init(&key, node_key_bytes(node), it->sequence);
        visible = memtable_seek(it->memtable, &key);
        if (visible && node_compare_key(visible, &key) == 0) {
            set_node(it, visible);
            return;
        }
        key.sequence = SEQUENCE_MAX;
        node = memtable_seek_before(it->memtable, &key);
    }
    set_node(it, NULL);
}

static enum lsmkv_status iter_op_first(struct iter *base, struct lsmkv_error *err)
{
    struct memtable_iter *it = cast(base);

    (void)err;
    settle_forward(it, memtable_first(it->memtable));
    return LSMKV_OK;
}

static enum lsmkv_status iter_op_last(struct iter *base, struct lsmkv_error *err)
{
    struct memtable_iter *it = cast(base);

    (void)err;
    settle_backward(it, memtable_last(it->memtable));
    return LSMKV_OK;
}

static enum lsmkv_status iter_op_seek(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct memtable_iter *it = cast(base);
    struct node_key target;

    (void)err;
    node_key_init(&target, key, it->sequence);
    settle_forward(it, memtable_seek(it->memtable, &target));
    return LSMKV_OK;
}

static enum lsmkv_status iter_op_seek_for_prev(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct memtable_iter *it = cast(base);
    struct node_key target;
    struct node *node;

    (void)err;
    node_key_init(&target, key, it->sequence);
    node = memtable_seek(it->memtable, &target);
    if (node && node_compare_key(node, &target) == 0) {
        set_node(it, node);
        return LSMKV_OK;
    }
    target.sequence = SEQUENCE_MAX;
    settle_backward(it, memtable_seek_before(it->memtable, &target));
    return LSMKV_OK;
}

static enum lsmkv_status iter_op_next(struct iter *base, struct lsmkv_error *err)
{
    struct memtable_iter *it = cast(base);

    (void)err;
    settle_forward(it, after_key(it, it->node));
    return LSMKV_OK;
}

static enum lsmkv_status iter_op_prev(struct iter *base, struct lsmkv_error *err)
{
    struct memtable_iter *it = cast(base);
    struct node_key target;

    (void)err;
    node_key_init(&target, node_key_bytes(it->node), SEQUENCE_MAX);
    settle_backward(it, memtable_seek_before(it->memtable, &target));
    return LSMKV_OK;
}

static void iter_op_free(struct iter *base)
{
    struct memtable_iter *it = cast(base);

    memtable_unref(it->memtable);
    lsm_free(it);
}

static const struct iter_ops ops = {
    .first = iter_op_first,
    .last = iter_op_last,
    .seek = iter_op_seek,
    .seek_for_prev = iter_op_seek_for_prev,
    .next = iter_op_next,
    .prev = iter_op_prev,
    .free = iter_op_free,
};

enum lsmkv_status memtable_iter_new(struct iter **it, struct memtable *memtable, uint64_t sequence,
                                    struct lsmkv_error *err)
{
    struct memtable_iter *made = lsm_calloc(1, sizeof(*made));

    if (!made)
        return lsmkv_fail_nomem(err);
    made->base.ops = &ops;
    made->memtable = memtable;
    made->sequence = sequence;
    memtable_ref(memtable);
    *it = &made->base;
    return LSMKV_OK;
}
