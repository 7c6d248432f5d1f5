/*
 * sorted.h - rows in the order that a plan promised, where the ranges turned out not to lie in it: plan.orders.
 */
#ifndef EXT_SORTED_H
#define EXT_SORTED_H

#include "ext/kept_rows.h"

/* Replaces `kept` with the rows of scan->ranges, all of them matches, in the order of plan->orders. */
int sorted_read(struct kept_rows *kept, const struct sql_table *table, const struct plan *plan, struct scan *scan,
                char **message);

#endif
