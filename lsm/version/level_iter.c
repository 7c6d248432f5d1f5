/*
 * level_iter.c - one iterator over a sorted run of tables: the one of the table it stands in, opened when it gets there.
 */
#include "version/version.h"

#include "base/alloc.h"
#include "base/error.h"

struct level_iter {
    struct iter base;
    struct version_level run; /* the tables, a reference on each */
    bool sequential;
    size_t index;       /* which table `child` is of */
    struct iter *child; /* NULL before the first positioning and after a failure to open */
};

static void level_iter_free(struct iter *base)
{
    struct level_iter *it = (struct level_iter *)base;

    iter_free(it->child);
    for (size_t i = 0; i < it->run.count; i++)
        table_unref(it->run.tables[i]);
    lsm_free(it->run.tables);
    lsm_free(it);
}

static enum lsmkv_status enter_table(struct level_iter *it, size_t index, struct lsmkv_error *err)
{
    if (it->child && it->index == index)
        return LSMKV_OK;
    iter_free(it->child);
    it->child = NULL;
    it->index = index;
    return table_iter_new(&it->child, it->run.tables[index], it->sequential, err);
}

/* Ends each move: shows the child's entry. */
static enum lsmkv_status settle(struct level_iter *it, enum lsmkv_status status)
{
    it->base.valid = !status && it->child && iter_valid(it->child);
    if (it->base.valid)
        it->base.entry = *iter_entry(it->child);
    return status;
}

/* While the child is at its end, on to the first entry of the next table that has one. */
static enum lsmkv_status skip_forward(struct level_iter *it, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    while (!status && !iter_valid(it->child) && it->index + 1 < it->run.count) {
        status = enter_table(it, it->index + 1, err);
        if (!status)
            status = iter_first(it->child, err);
    }
    return status;
}

static enum lsmkv_status skip_backward(struct level_iter *it, struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;

    while (!status && !iter_valid(it->child) && it->index > 0) {
        status = enter_table(it, it->index - 1, err);
        if (!status)
            status = iter_last(it->child, err);
    }
    return status;
}

static enum lsmkv_status level_first(struct iter *base, struct lsmkv_error *err)
{
    struct level_iter *it = (struct level_iter *)base;
    enum lsmkv_status status;

    base->valid = false;
    if (it->run.count == 0)
        return LSMKV_OK;
    status = enter_table(it, 0, err);
    if (!status)
        status = iter_first(it->child, err);
    if (!status)
        status = skip_forward(it, err);
    return settle(it, status);
}

static enum lsmkv_status level_last(struct iter *base, struct lsmkv_error *err)
{
    struct level_iter *it = (struct level_iter *)base;
    enum lsmkv_status status;

    base->valid = false;
    if (it->run.count == 0)
        return LSMKV_OK;
    status = enter_table(it, it->run.count - 1, err);
    if (!status)
        status = iter_last(it->child, err);
    if (!status)
        status = skip_backward(it, err);
    return settle(it, status);
}

static enum lsmkv_status level_seek(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct level_iter *it = (struct level_iter *)base;
    size_t index = level_find(&it->run, key);
    enum lsmkv_status status;

    base->valid = false;
    if (index == it->run.count)
        return LSMKV_OK;
    status = enter_table(it, index, err);
    if (!status)
        status = iter_seek(it->child, key, err);
    if (!status)
        status = skip_forward(it, err);
    return settle(it, status);
}

/* The entry sought is in the first table that reaches `key`, or in the one before it. */
static enum lsmkv_status level_seek_for_prev(struct iter *base, struct lsmkv_slice key, struct lsmkv_error *err)
{
    struct level_iter *it = (struct level_iter *)base;
    size_t index = level_find(&it->run, key);
    enum lsmkv_status status;

    if (index == it->run.count)
        return level_last(base, err);
    base->valid = false;
    status = enter_table(it, index, err);
    if (!status)
        status = iter_seek_for_prev(it->child, key, err);
    if (!status)
        status = skip_backward(it, err);
    return settle(it, status);
}

static enum lsmkv_status level_next(struct iter *base, struct lsmkv_error *err)
{
    struct level_iter *it = (struct level_iter *)base;
    enum lsmkv_status status = iter_next(it->child, err);

    if (!status)
        status = skip_forward(it, err);
    return settle(it, status);
}

static enum lsmkv_status level_prev(struct iter *base, struct lsmkv_error *err)
{
    struct level_iter *it = (struct level_iter *)base;
    enum lsmkv_status status = iter_prev(it->child, err);

    if (!status)
        status = skip_backward(it, err);
    return settle(it, status);
}

static const struct iter_ops level_iter_ops = {
    level_first, level_last, level_seek, level_seek_for_prev, level_next, level_prev, level_iter_free,
};

enum lsmkv_status level_iter_new(struct iter **it, struct table *const *tables, size_t count, bool sequential,
                                 struct lsmkv_error *err)
{
    struct level_iter *made = (struct level_iter *)lsm_calloc(1, sizeof(*made));

    *it = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    made->run.tables = (struct table **)lsm_calloc(count ? count : 1, sizeof(struct table *));
    if (!made->run.tables) {
        lsm_free(made);
        return lsmkv_fail_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        table_ref(tables[i]);
        made->run.tables[i] = tables[i];
    }
    made->run.count = count;
    made->sequential = sequential;
    made->base.ops = &level_iter_ops;
    *it = &made->base;
    return LSMKV_OK;
}
