/*
 * memtable.c - an arena skip list with one writer and lock-free readers.
 *
 * Invariants:
 *   (1) A node is complete, its own links included, before the release store that links it into a level; levels are
 *       linked from the lowest up. Readers follow links with acquire, so whatever they reach is complete.
 *   (2) A linked node never moves, changes or goes, except that its links are moved forward to newer nodes.
 *   (3) finger[n] is, on each level, the last node up to and including the one added last (or the head).
 *   (4) Whatever was added before mark->before, itself included, has a smaller sequence than mark->sequence; so has every
 *       older mark. A mark is complete before the release store that makes it the newest.
 *
 * After W. Pugh's skip lists; a quarter of the nodes of a level are on the next.
 */
#include "memtable/memtable.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/error.h"
#include "memtable/history.h"
#include "memtable/skiplist.h"

#define HEIGHT_MAX  MEMTABLE_HEIGHT_MAX
#define RESERVE_MAX (1u << 30)   /* bytes; some allocators have no larger blocks than twice that */
#define CHUNK_MAX   (256u << 10) /* bytes; what a table may exceed its limit by before that shows in its size */
#define MARK_EVERY  256 /* entries; a walk from a sequence passes fewer than that, and the rest of one transaction */

/* A place in the order of addition, so that a walk need not start from the first entry. */
struct mark {
    uint64_t sequence;   /* of the entry that follows */
    struct node *before; /* the entry added before it, or the head */
    struct mark *older;
};

/* A node that has a mark gives up as many levels, so memtable_room() covers both. */
#define MARK_LEVELS (sizeof(struct mark) / sizeof(node_link))

struct memtable {
    /* Constant after creation. */
    uint64_t segment;
    struct node *head; /* before all keys; has HEIGHT_MAX links */

    _Atomic uint32_t references;

    /* The writer's. */
    struct arena arena;
    struct node *finger[HEIGHT_MAX];
    struct node *added_last;
    uint64_t random;
    unsigned unmarked; /* entries since the newest mark */

    /* Stored by the writer, read by anybody. */
    _Atomic uint32_t height; /* levels in use; a reader that sees an old value only starts lower */
    _Atomic uint64_t bytes;
    _Atomic uint64_t entries;
    _Atomic uint64_t sequence_max;
    _Atomic uint64_t oldest_segment;
    _Atomic(struct mark *) marks; /* the newest one */

    struct history_link history; /* history.h says whose */
};

/* Bytes of a node, the links of its upper levels left out. */
static size_t node_size(size_t key_size, size_t value_size)
{
    return sizeof(struct node) + node_key_padded(key_size) + sizeof(struct node_tail) + value_size;
}

/* Room for a node with the sizes set and its links and bytes not; NULL on failure. */
static struct node *new_node(struct memtable *memtable, unsigned height, size_t key_size, size_t value_size)
{
    size_t upper = (height - 1) * sizeof(node_link);
    uint8_t *memory = arena_alloc(&memtable->arena, upper + node_size(key_size, value_size), sizeof(node_link));
    struct node *node;

    if (!memory)
        return NULL;
    node = (struct node *)(void *)(memory + upper);
    node->key_size = (uint32_t)key_size & KEY_SIZE_MAX;
    node->value_size = (uint32_t)value_size;
    return node;
}

enum lsmkv_status memtable_new(struct memtable **memtable, uint64_t segment, struct lsmkv_error *err)
{
    struct memtable *made = lsm_calloc(1, sizeof(*made));
    unsigned level;

    if (!made)
        return lsmkv_fail_nomem(err);
    arena_init(&made->arena, CHUNK_MAX);
    made->head = new_node(made, HEIGHT_MAX, 0, 0);
    if (!made->head) {
        lsm_free(made);
        return lsmkv_fail_nomem(err);
    }
    for (level = 0; level < HEIGHT_MAX; level++) {
        atomic_init(node_next(made->head, level), NULL);
        made->finger[level] = made->head;
    }
    atomic_init(&node_tail(made->head)->added_next, NULL);
    made->added_last = made->head;
    made->segment = segment;
    made->random = 0x9e3779b97f4a7c15u;
    atomic_init(&made->references, 1);
    atomic_init(&made->height, 1);
    atomic_init(&made->bytes, made->arena.total);
    atomic_init(&made->oldest_segment, segment);
    *memtable = made;
    return LSMKV_OK;
}

void memtable_ref(struct memtable *memtable)
{
    atomic_fetch_add_explicit(&memtable->references, 1, memory_order_relaxed);
}

/* Gives back a reference; true if it was the last one. */
static bool release(struct memtable *memtable)
{
    /* Release, so that what others did with the table comes before its end; acquire, so that the last one sees it. */
    return atomic_fetch_sub_explicit(&memtable->references, 1, memory_order_acq_rel) == 1;
}

void memtable_unref(struct memtable *memtable)
{
    while (memtable && release(memtable)) {
        struct memtable *follower = history_forget(memtable); /* the end of a long chain is no deep recursion */

        arena_release(&memtable->arena);
        lsm_free(memtable);
        memtable = follower;
    }
}

struct history_link *memtable_history(struct memtable *memtable)
{
    return &memtable->history;
}

static struct node *next_of(struct node *node, unsigned level)
{
    return atomic_load_explicit(node_next(node, level), memory_order_acquire);
}

/* Where a search ends: neighbours on the lowest level, as one load of the link between them saw them. */
struct place {
    struct node *before;
    struct node *after; /* NULL at the end */
};

/*
 * From `node`, which comes before `key`, down from `level` to the lowest. `path`, if not NULL, gets the last node before
 * `key` of each level. The link must not be read again to find the node after: by then a newer version of `key` may have
 * come in between, which a reader's sequence hides and which is before `key`.
 */
static struct place descend(struct node *node, unsigned level, const struct node_key *key, struct node **path)
{
    for (;;) {
        struct node *next = next_of(node, level);

        /* Where the search goes if `next` is too far: fetched while the comparison waits for `next` itself. */
        if (level)
            __builtin_prefetch(atomic_load_explicit(node_next(node, level - 1), memory_order_relaxed));
        if (next && node_before(next, key)) {
            node = next;
            continue;
        }
        if (path)
            path[level] = node;
        if (level == 0)
            return (struct place){node, next};
        level--;
    }
}

static unsigned top_level(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->height, memory_order_relaxed) - 1;
}

struct node *memtable_seek(const struct memtable *memtable, const struct node_key *key)
{
    return descend(memtable->head, top_level(memtable), key, NULL).after;
}

struct node *memtable_seek_before(const struct memtable *memtable, const struct node_key *key)
{
    struct node *node = descend(memtable->head, top_level(memtable), key, NULL).before;

    return node == memtable->head ? NULL : node;
}

unsigned memtable_seek_path(const struct memtable *memtable, const struct node_key *key,
                            struct node *before[MEMTABLE_HEIGHT_MAX])
{
    unsigned top = top_level(memtable);

    (void)descend(memtable->head, top, key, before);
    return top + 1;
}

struct node *memtable_first(const struct memtable *memtable)
{
    return next_of(memtable->head, 0);
}

struct node *memtable_last(const struct memtable *memtable)
{
    struct node *node = memtable->head;
    unsigned level = top_level(memtable);

    for (;;) {
        struct node *next = next_of(node, level);

        if (next)
            node = next;
        else if (level == 0)
            return node == memtable->head ? NULL : node;
        else
            level--;
    }
}

/*
 * Moves the finger to `key`. Climbs from the place of the last insert only as high as needed to have `key` between a node
 * and its successor: by (3) the levels above then hold for `key` too. So keys in order cost a comparison or two.
 */
static void move_finger(struct memtable *memtable, const struct node_key *key)
{
    struct node **finger = memtable->finger;
    unsigned height = top_level(memtable) + 1;
    bool forward = finger[0] == memtable->head || node_before(finger[0], key);
    unsigned level = 0;

    if (forward) {
        struct node *next = next_of(finger[0], 0);

        while (next && node_before(next, key))
            next = ++level < height ? next_of(finger[level], level) : NULL;
    } else {
        do {
            level++;
        } while (level < height && finger[level] != memtable->head && !node_before(finger[level], key));
    }
    if (level == 0)
        return;
    if (level >= height)
        descend(memtable->head, height - 1, key, finger);
    else
        descend(finger[level], level - 1, key, finger);
}

/* 1 plus the number of times in a row that one of four came up (xorshift64). */
static unsigned random_height(struct memtable *memtable)
{
    uint64_t random = memtable->random;
    unsigned height = 1;

    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    memtable->random = random;
    for (random >>= 16; height < HEIGHT_MAX && (random & 3) == 0; random >>= 2)
        height++;
    return height;
}

/* Links a complete node behind the finger and moves the finger to it (1). */
static void link_node(struct memtable *memtable, struct node *node, unsigned height)
{
    unsigned level;

    if (height > top_level(memtable) + 1)
        atomic_store_explicit(&memtable->height, height, memory_order_relaxed);
    for (level = 0; level < height; level++) {
        node_link *link = node_next(memtable->finger[level], level);

        atomic_init(node_next(node, level), atomic_load_explicit(link, memory_order_relaxed));
        atomic_store_explicit(link, node, memory_order_release);
        memtable->finger[level] = node;
    }
    atomic_store_explicit(&node_tail(memtable->added_last)->added_next, node, memory_order_release);
    memtable->added_last = node;
}

static void fill_node(struct node *node, const struct entry *entry)
{
    struct node_tail *tail = node_tail(node);

    node->kind = (unsigned)entry->kind & 3;
    memset(node->key + node_key_padded(entry->key.size) - KEY_PADDED_MIN, 0, KEY_PADDED_MIN);
    if (entry->key.size)
        memcpy(node->key, entry->key.data, entry->key.size);
    tail->sequence = entry->sequence;
    atomic_init(&tail->added_next, NULL);
    if (node->value_size)
        memcpy(tail + 1, entry->value.data, node->value_size);
}

/* Before an entry of `sequence` is added: true if it gets a mark. Without memory for one, walks are longer. */
static bool add_mark(struct memtable *memtable, uint64_t sequence)
{
    struct mark *mark;

    if (++memtable->unmarked < MARK_EVERY || sequence <= memtable_sequence_max(memtable))
        return false;
    mark = arena_alloc(&memtable->arena, sizeof(*mark), sizeof(void *));
    if (!mark)
        return false;
    mark->sequence = sequence;
    mark->before = memtable->added_last;
    mark->older = atomic_load_explicit(&memtable->marks, memory_order_relaxed);
    atomic_store_explicit(&memtable->marks, mark, memory_order_release); /* see (4) */
    memtable->unmarked = 0;
    return true;
}

enum lsmkv_status memtable_add(struct memtable *memtable, const struct entry *entry, struct lsmkv_error *err)
{
    unsigned height = random_height(memtable);
    struct node_key key;
    struct node *node;

    if (entry->key.size > KEY_SIZE_MAX || entry->value.size > UINT32_MAX)
        return lsmkv_fail(err, LSMKV_TOOBIG, "a key or value is too large for a memtable");
    if (add_mark(memtable, entry->sequence) && height > HEIGHT_MAX - MARK_LEVELS)
        height = HEIGHT_MAX - MARK_LEVELS;
    node = new_node(memtable, height, entry->key.size, entry->value.size);
    if (!node)
        return lsmkv_fail_nomem(err);
    fill_node(node, entry);
    node_key_init(&key, entry->key, entry->sequence);
    move_finger(memtable, &key);
    link_node(memtable, node, height);
    atomic_store_explicit(&memtable->bytes, memtable->arena.total, memory_order_relaxed);
    atomic_fetch_add_explicit(&memtable->entries, 1, memory_order_relaxed);
    if (entry->sequence > memtable_sequence_max(memtable))
        atomic_store_explicit(&memtable->sequence_max, entry->sequence, memory_order_relaxed);
    return LSMKV_OK;
}

uint64_t memtable_room(const struct entry *entry)
{
    uint64_t size = (HEIGHT_MAX - 1) * sizeof(node_link) + node_size(entry->key.size, entry->value.size);

    return (size + 7) & ~UINT64_C(7);
}

enum lsmkv_status memtable_reserve(struct memtable *memtable, uint64_t bytes, struct lsmkv_error *err)
{
    if (!arena_reserve(&memtable->arena, bytes < RESERVE_MAX ? (size_t)bytes : RESERVE_MAX))
        return lsmkv_fail_nomem(err);
    atomic_store_explicit(&memtable->bytes, memtable->arena.total, memory_order_relaxed);
    return LSMKV_OK;
}

enum lsmkv_status memtable_spare_new(struct arena_spare *spare, uint64_t bytes, struct lsmkv_error *err)
{
    if (!arena_spare_new(spare, bytes < RESERVE_MAX ? (size_t)bytes : RESERVE_MAX))
        return lsmkv_fail_nomem(err);
    return LSMKV_OK;
}

void memtable_take(struct memtable *memtable, struct arena_spare *spare)
{
    arena_take(&memtable->arena, spare);
    atomic_store_explicit(&memtable->bytes, memtable->arena.total, memory_order_relaxed);
}

bool memtable_get(const struct memtable *memtable, struct lsmkv_slice key, uint64_t sequence, struct entry *entry)
{
    struct node_key target;
    struct node *node;

    node_key_init(&target, key, sequence);
    node = memtable_seek(memtable, &target);
    if (!node || node_compare_key(node, &target) != 0)
        return false;
    node_entry(node, entry);
    return true;
}

void memtable_walk_start(struct memtable_walk *walk, const struct memtable *memtable)
{
    walk->node = memtable->head;
}

static struct node *added_after(struct node *node)
{
    return atomic_load_explicit(&node_tail(node)->added_next, memory_order_acquire);
}

void memtable_walk_after(struct memtable_walk *walk, const struct memtable *memtable, uint64_t sequence)
{
    const struct mark *mark = atomic_load_explicit(&memtable->marks, memory_order_acquire);
    struct node *node, *next;

    while (mark && mark->sequence > sequence)
        mark = mark->older;
    node = mark ? mark->before : memtable->head;
    for (next = added_after(node); next && node_sequence(next) <= sequence; next = added_after(node))
        node = next;
    walk->node = node;
}

bool memtable_walk_next(struct memtable_walk *walk, struct entry *entry)
{
    struct node *next = added_after((struct node *)walk->node);

    if (!next)
        return false;
    walk->node = next;
    node_entry(next, entry);
    return true;
}

uint64_t memtable_segment(const struct memtable *memtable)
{
    return memtable->segment;
}

uint64_t memtable_bytes(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->bytes, memory_order_relaxed);
}

uint64_t memtable_entries(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->entries, memory_order_relaxed);
}

uint64_t memtable_sequence_max(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->sequence_max, memory_order_relaxed);
}

uint64_t memtable_oldest_segment(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->oldest_segment, memory_order_relaxed);
}

void memtable_needs_segment(struct memtable *memtable, uint64_t segment)
{
    if (segment < memtable_oldest_segment(memtable))
        atomic_store_explicit(&memtable->oldest_segment, segment, memory_order_relaxed);
}
