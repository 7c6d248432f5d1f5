/*
 * plan.h - what xBestIndex decides and xFilter carries out: which keyspace to read, which parts of its keys are bound.
 *
 * A plan binds the leading parts of a path's key shape, each to a value or one of them to a list, then bounds the part
 * after them. The arguments of xFilter come in this order: one for each bound part; one for the lower bound, if there
 * is one; one for the upper bound; one for each probe; LIMIT and OFFSET.
 *
 * Ownership: plans belong to their table and live as long as it. idxNum is a plan's position in the table's list.
 */
#ifndef EXT_PLAN_H
#define EXT_PLAN_H

#include "ext/schema.h"

#define PLAN_PRIMARY (-1) /* the path of the table's own rows; others are positions in schema->indexes */

enum plan_bind {
    BIND_EQUAL, /* = */
    BIND_IS,    /* IS: NULL is equal to NULL */
    BIND_LIST,  /* IN: one argument that stands for the whole list; at most one part has it */
};

enum plan_lower { LOWER_NONE, LOWER_NOT_NULL, LOWER_EQUAL, LOWER_STRICT };
enum plan_upper { UPPER_NONE, UPPER_EQUAL, UPPER_STRICT };

/* A column that is compared by = with something that changes from call to call, and that the path does not serve. */
struct plan_probe {
    int column;
    enum collation collation; /* of the comparison */
};

/* A term of the ORDER BY. */
struct plan_order {
    int part;      /* of the path's shape */
    bool inverted; /* its order is not that of the key's bytes */
};

struct plan {
    char *text; /* for EXPLAIN QUERY PLAN: "by_level: level=? AND at>? ORDER LIMIT" */
    int path;
    int bound;             /* leading parts of the shape that are bound; the rowid at the end counts as one */
    enum plan_bind *binds; /* `bound` of them */
    enum plan_lower lower; /* of the part after them */
    enum plan_upper upper; /* likewise */
    bool upper_text;       /* the upper bound is a text constant, so compared as text for certain */
    bool ordered;          /* rows must come in the order of keys, forward or ... */
    bool descending;       /* ... backward */
    bool skip;             /* the last two arguments are a LIMIT and an OFFSET to carry out */
    bool covering;         /* entries of the index are enough, as far as xBestIndex was told */
    struct plan_probe *probes;
    int probe_count;
    /*
     * Where `ordered` builds on a part's being bound to one value of which nothing is known: the terms, for sorting if the
     * ranges turn out to hold more values (ranges.widened). Else none.
     */
    struct plan_order *orders;
    int order_count;
};

struct plan_list {
    struct plan **items;
    int count, capacity;
};

void plan_list_release(struct plan_list *list); /* a zeroed one is fine */

/*
 * The position of a plan equal to `plan`, which is copied into the list if there is none; its own text is made then. -1 on
 * failure.
 */
int plan_list_intern(struct plan_list *list, const struct table_schema *schema, const struct plan *plan);

/* ---- Shapes ---- */

static inline const struct key_shape *plan_shape(const struct table_schema *schema, int path)
{
    return path == PLAN_PRIMARY ? &schema->primary : &schema->indexes[path].shape;
}

/* Parts of a shape, with the rowid as its last one. */
static inline int shape_parts(const struct key_shape *shape)
{
    return shape->count + shape->rowid;
}

/* The column that a part is; -1 for a rowid that is no column. */
static inline int shape_column(const struct table_schema *schema, const struct key_shape *shape, int part)
{
    return part < shape->count ? shape->parts[part].column : schema->integer_column;
}

/* Arguments before those of the probes. */
static inline int plan_path_arguments(const struct plan *plan)
{
    return plan->bound + (plan->lower != LOWER_NONE) + (plan->upper != UPPER_NONE);
}

#endif
