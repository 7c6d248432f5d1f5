/*
 * list_append.c - the orders of lists, the graph of transactions, and a search for a cycle in it.
 */
#include "list_append.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct read {
    uint32_t transaction;
    size_t key, count;
    uint32_t *elements;
};

struct transaction {
    bool committed;
    uint32_t appended;  /* elements */
    uint32_t edges_in;  /* not yet taken away */
    uint32_t first_out; /* edge + 1; 0 = none */
};

struct edge {
    uint32_t from, to, next_out;
    const char *kind;
};

struct list_history {
    pthread_mutex_t mutex;
    size_t keys;
    struct transaction *transactions;
    size_t transaction_count, transaction_room;
    struct read *reads;
    size_t read_count, read_room;
    size_t *appends;    /* of each key, by committed transactions */
    uint32_t (*log)[2]; /* transaction, key: each append */
    size_t log_count, log_room;
    struct edge *edges;
    size_t edge_count, edge_room;
};

static void *grown(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 1024;
    array = realloc(array, *room * size);
    if (!array)
        abort();
    return array;
}

static uint32_t writer_of(uint32_t element)
{
    return element / LIST_ELEMENTS_MAX;
}

/* ---- Recording ---- */

struct list_history *list_history_new(size_t keys)
{
    struct list_history *history = calloc(1, sizeof(*history));

    if (!history)
        abort();
    pthread_mutex_init(&history->mutex, NULL);
    history->keys = keys;
    history->appends = calloc(keys, sizeof(*history->appends));
    if (!history->appends)
        abort();
    return history;
}

void list_history_free(struct list_history *history)
{
    for (size_t i = 0; i < history->read_count; i++)
        free(history->reads[i].elements);
    free(history->reads);
    free(history->transactions);
    free(history->appends);
    free(history->log);
    free(history->edges);
    pthread_mutex_destroy(&history->mutex);
    free(history);
}

uint32_t list_begin(struct list_history *history)
{
    uint32_t number;

    pthread_mutex_lock(&history->mutex);
    history->transactions = grown(history->transactions, history->transaction_count, &history->transaction_room,
                                  sizeof(*history->transactions));
    number = (uint32_t)history->transaction_count++;
    history->transactions[number] = (struct transaction){0};
    pthread_mutex_unlock(&history->mutex);
    return number;
}

uint32_t list_append(struct list_history *history, uint32_t transaction, size_t key)
{
    uint32_t element;

    pthread_mutex_lock(&history->mutex);
    element = transaction * LIST_ELEMENTS_MAX + history->transactions[transaction].appended++;
    history->log = grown(history->log, history->log_count, &history->log_room, sizeof(*history->log));
    history->log[history->log_count][0] = transaction;
    history->log[history->log_count++][1] = (uint32_t)key;
    pthread_mutex_unlock(&history->mutex);
    return element;
}

void list_read(struct list_history *history, uint32_t transaction, size_t key, const uint32_t *elements, size_t count)
{
    uint32_t *copy = malloc(count * sizeof(*copy) + 1);

    if (!copy)
        abort();
    if (count)
        memcpy(copy, elements, count * sizeof(*copy));
    pthread_mutex_lock(&history->mutex);
    history->reads = grown(history->reads, history->read_count, &history->read_room, sizeof(*history->reads));
    history->reads[history->read_count++] = (struct read){transaction, key, count, copy};
    pthread_mutex_unlock(&history->mutex);
}

void list_commit(struct list_history *history, uint32_t transaction)
{
    pthread_mutex_lock(&history->mutex);
    history->transactions[transaction].committed = true;
    pthread_mutex_unlock(&history->mutex);
}

size_t list_committed(const struct list_history *history)
{
    size_t count = 0;

    for (size_t i = 0; i < history->transaction_count; i++)
        count += history->transactions[i].committed;
    return count;
}

/* ---- Orders of lists ---- */

static bool is_committed(const struct list_history *history, uint32_t transaction)
{
    return transaction < history->transaction_count && history->transactions[transaction].committed;
}

/* What the reader itself has appended is at the end of what it read; before that comes the state it began on. */
static size_t foreign_count(const struct read *read)
{
    size_t count = read->count;

    while (count && writer_of(read->elements[count - 1]) == read->transaction)
        count--;
    return count;
}

static bool check_read(const struct list_history *history, const struct read *read, const struct read *longest,
                       char *why, size_t size)
{
    size_t count = foreign_count(read);

    if (count > longest->count || memcmp(read->elements, longest->elements, count * sizeof(uint32_t)) != 0) {
        snprintf(why, size, "key %zu was read in two orders, by transactions %u and %u", read->key, read->transaction,
                 longest->transaction);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_committed(history, writer_of(read->elements[i]))) {
            snprintf(why, size, "transaction %u read an element of %u, which did not commit", read->transaction,
                     writer_of(read->elements[i]));
            return false;
        }
    }
    if (count && count < longest->count &&
        writer_of(longest->elements[count]) == writer_of(read->elements[count - 1])) {
        snprintf(why, size, "transaction %u read half of what %u appended", read->transaction,
                 writer_of(read->elements[count - 1]));
        return false;
    }
    return true;
}

/* ---- The graph ---- */

static void add_edge(struct list_history *history, uint32_t from, uint32_t to, const char *kind)
{
    if (from == to)
        return;
    history->edges = grown(history->edges, history->edge_count, &history->edge_room, sizeof(*history->edges));
    history->edges[history->edge_count++] = (struct edge){from, to, history->transactions[from].first_out, kind};
    history->transactions[from].first_out = (uint32_t)history->edge_count;
    history->transactions[to].edges_in++;
}

static void add_edges(struct list_history *history, const struct read *read, const struct read *longest)
{
    size_t count = foreign_count(read);

    if (count)
        add_edge(history, writer_of(longest->elements[count - 1]), read->transaction, "wr");
    if (count < longest->count)
        add_edge(history, read->transaction, writer_of(longest->elements[count]), "rw");
}

static void add_order(struct list_history *history, const struct read *longest)
{
    for (size_t i = 1; i < longest->count; i++)
        add_edge(history, writer_of(longest->elements[i - 1]), writer_of(longest->elements[i]), "ww");
}

/* Prints a cycle among the transactions that still have edges in: each of them has one from another of them. */
static void explain_cycle(const struct list_history *history, uint32_t start, char *why, size_t size)
{
    uint32_t *from = calloc(history->transaction_count, sizeof(*from)); /* edge + 1 into each, from one of the rest */
    bool *seen = calloc(history->transaction_count, sizeof(*seen));
    size_t used;
    uint32_t at, end;

    if (!from || !seen)
        abort();
    for (size_t i = 0; i < history->edge_count; i++) {
        if (history->transactions[history->edges[i].from].edges_in)
            from[history->edges[i].to] = (uint32_t)i + 1;
    }
    for (at = start; !seen[at]; at = history->edges[from[at] - 1].from)
        seen[at] = true;
    end = at;
    used = (size_t)snprintf(why, size, "a cycle: %u", at);
    do {
        const struct edge *edge = &history->edges[from[at] - 1];

        at = edge->from;
        if (used < size)
            used += (size_t)snprintf(why + used, size - used, " <-%s- %u", edge->kind, at);
    } while (at != end);
    free(from);
    free(seen);
}

/* Takes away transactions that nobody precedes until none is left (Kahn); what stays has a cycle. */
static bool check_cycles(struct list_history *history, char *why, size_t size)
{
    uint32_t *ready = malloc(history->transaction_count * sizeof(*ready) + 1);
    size_t count = 0, next = 0;
    bool good = true;

    if (!ready)
        abort();
    for (size_t i = 0; i < history->transaction_count; i++) {
        if (!history->transactions[i].edges_in)
            ready[count++] = (uint32_t)i;
    }
    for (; next < count; next++) {
        for (uint32_t edge = history->transactions[ready[next]].first_out; edge;
             edge = history->edges[edge - 1].next_out) {
            uint32_t to = history->edges[edge - 1].to;

            if (--history->transactions[to].edges_in == 0)
                ready[count++] = to;
        }
    }
    for (size_t i = 0; good && i < history->transaction_count; i++)
        good = history->transactions[i].edges_in == 0 || (explain_cycle(history, (uint32_t)i, why, size), false);
    free(ready);
    return good;
}

/* ---- All of it ---- */

static bool check_appends(struct list_history *history, const struct read *longest, char *why, size_t size)
{
    for (size_t i = 0; i < history->log_count; i++)
        history->appends[history->log[i][1]] += is_committed(history, history->log[i][0]);
    for (size_t key = 0; key < history->keys; key++) {
        if (history->appends[key] != longest[key].count) {
            snprintf(why, size, "key %zu has %zu elements, %zu were appended", key, longest[key].count,
                     history->appends[key]);
            return false;
        }
    }
    return true;
}

static bool check_reads(struct list_history *history, struct read *longest, char *why, size_t size)
{
    for (size_t i = 0; i < history->read_count; i++) {
        struct read *read = &history->reads[i];

        if (is_committed(history, read->transaction) && read->count >= longest[read->key].count)
            longest[read->key] = *read;
    }
    for (size_t i = 0; i < history->read_count; i++) {
        struct read *read = &history->reads[i];

        if (!is_committed(history, read->transaction))
            continue;
        if (!check_read(history, read, &longest[read->key], why, size))
            return false;
        add_edges(history, read, &longest[read->key]);
    }
    for (size_t key = 0; key < history->keys; key++)
        add_order(history, &longest[key]);
    return true;
}

bool list_check(struct list_history *history, char *why, size_t size)
{
    struct read *longest = calloc(history->keys, sizeof(*longest));
    bool good;

    if (!longest)
        abort();
    why[0] = '\0';
    good = check_reads(history, longest, why, size) && check_appends(history, longest, why, size) &&
           check_cycles(history, why, size);
    free(longest);
    return good;
}
