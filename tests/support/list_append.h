/*
 * list_append.h - records transactions over append-only lists, and looks for what no serial order explains.
 *
 * Keys are small numbers that hold lists. A transaction appends elements, each of which names it, and reads whole lists. So
 * what was read tells in which order the appends came, and that order tells who came before whom (after K. Kingsbury and
 * P. Alvaro, "Elle", 2020):
 *     ww   who appended the next element of a list comes after who appended this one
 *     wr   who read a list comes after who appended its last element
 *     rw   who read a list comes before who appended the element after its last one
 * A cycle of these is no serial order. Neither is a list that was read in two orders, an element of a transaction that did
 * not commit, half of a transaction's appends, nor a committed element that is not in the longest list read.
 *
 * Threads:   recording at the same time is fine; checking comes after it.
 */
#ifndef TESTS_SUPPORT_LIST_APPEND_H
#define TESTS_SUPPORT_LIST_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_ELEMENTS_MAX 256 /* appends of one transaction */

struct list_history;

struct list_history *list_history_new(size_t keys);
void list_history_free(struct list_history *history);

uint32_t list_begin(struct list_history *history); /* a transaction's number */
/* The element that the transaction appends to `key`; it is to be put behind what is there. */
uint32_t list_append(struct list_history *history, uint32_t transaction, size_t key);
void list_read(struct list_history *history, uint32_t transaction, size_t key, const uint32_t *elements, size_t count);
void list_commit(struct list_history *history, uint32_t transaction);
size_t list_committed(const struct list_history *history);

/*
 * True if a serial order explains the committed transactions; otherwise `why` says what does not fit. For each key, the
 * last transaction should have read its list.
 */
bool list_check(struct list_history *history, char *why, size_t size);

#endif
