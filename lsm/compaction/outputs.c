/*
 * outputs.c - the tables that a flush or a compaction writes: begin, cut, count, hand over, or remove. See outputs.h.
 */
#include "compaction/outputs.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/error.h"
#include "os/clock.h"

#define STEP_BYTES    (64u << 10) /* entries of so many bytes go by between two looks at the world */
#define STEP_OVERHEAD 32          /* an entry counts as so much more than its bytes, so that empty ones count too */
#define PAUSE_MAX_NS  10000000u   /* the longest sleep before `stopping` is looked at again */

void outputs_release(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        table_unref(outputs->tables[i]);
    lsm_free(outputs->tables);
    *outputs = (struct outputs){NULL, 0};
}

static void remove_table_file(const struct background *background, uint64_t number)
{
    char *path = sstable_path(background->dir, number);

    /* A file that stays is an orphan, which the next open removes; this failure must not hide the one that led here. */
    if (path)
        (void)os_fs_remove(background->fs, path, NULL);
    lsm_free(path);
}

void outputs_discard(const struct background *background, struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        remove_table_file(background, table_info(outputs->tables[i])->number);
    outputs_release(outputs);
}

void background_hook(const struct background *background, const char *point)
{
    if (background->hook)
        background->hook(background->hook_context, point);
}

static bool is_stopping(const struct background *background)
{
    return background->stopping && atomic_load_explicit(background->stopping, memory_order_relaxed);
}

/* ---- The writer ---- */

void output_writer_init(struct output_writer *writer, const struct background *background,
                        enum lsmkv_compression compression, _Atomic uint64_t *counter, uint64_t rate)
{
    *writer = (struct output_writer){.background = background, .counter = counter, .rate = rate};
    writer->params.block_size = background->options->block_size;
    writer->params.filter_bits = background->options->filter_bits;
    writer->params.compression = compression;
}

void output_writer_release(struct output_writer *writer)
{
    sstable_builder_free(writer->builder); /* removes the file of the open table */
    writer->builder = NULL;
    outputs_discard(writer->background, &writer->outputs);
}

/* Tells what has been written and waits as long as the rate asks for. */
static void account(struct output_writer *writer, uint64_t size)
{
    const struct background *background = writer->background;
    uint64_t more = size > writer->counted ? size - writer->counted : 0;
    uint64_t wait = 0;

    writer->counted += more;
    atomic_fetch_add_explicit(writer->counter, more, memory_order_relaxed);
    if (writer->rate && background->limiter && more)
        wait = rate_limiter_take(background->limiter, writer->rate, more, clock_now_ns());
    while (wait && !is_stopping(background)) {
        uint64_t step = wait < PAUSE_MAX_NS ? wait : PAUSE_MAX_NS;

        clock_sleep_ns(step);
        wait -= step;
    }
}

enum lsmkv_status output_writer_step(struct output_writer *writer, const struct entry *entry, struct lsmkv_error *err)
{
    const struct background *background = writer->background;

    writer->unseen += entry->key.size + entry->value.size + STEP_OVERHEAD;
    if (writer->unseen < STEP_BYTES)
        return LSMKV_OK;
    writer->unseen = 0;
    if (background->progress)
        atomic_fetch_add_explicit(background->progress, 1, memory_order_relaxed);
    account(writer, output_writer_size(writer));
    if (is_stopping(background))
        return lsmkv_fail(err, LSMKV_INTERRUPTED, "%s: background work ends because the store is closing",
                          background->dir);
    return LSMKV_OK;
}

enum lsmkv_status output_writer_add(struct output_writer *writer, const struct entry *entry, struct lsmkv_error *err)
{
    const struct background *background = writer->background;

    if (!writer->builder) {
        uint64_t number = version_set_new_file(background->versions);
        enum lsmkv_status status =
            sstable_builder_new(&writer->builder, background->fs, background->dir, number, &writer->params, err);
        if (status)
            return status;
        writer->counted = 0;
    }
    return sstable_builder_add(writer->builder, entry, err);
}

uint64_t output_writer_size(const struct output_writer *writer)
{
    return writer->builder ? sstable_builder_size(writer->builder) : 0;
}

static enum lsmkv_status reserve(struct output_writer *writer, struct lsmkv_error *err)
{
    size_t capacity = writer->capacity ? writer->capacity * 2 : 4;
    struct table **tables;

    if (writer->outputs.count < writer->capacity)
        return LSMKV_OK;
    tables = lsm_realloc(writer->outputs.tables, capacity * sizeof(struct table *));
    if (!tables)
        return lsmkv_fail_nomem(err);
    writer->outputs.tables = tables;
    writer->capacity = capacity;
    return LSMKV_OK;
}

enum lsmkv_status output_writer_cut(struct output_writer *writer, struct lsmkv_error *err)
{
    const struct background *background = writer->background;
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct table *table = NULL;
    enum lsmkv_status status;

    if (!writer->builder)
        return LSMKV_OK;
    status = reserve(writer, err);
    if (status)
        return status;
    status = sstable_builder_finish(writer->builder, &info, err);
    if (status)
        return status;
    sstable_builder_free(writer->builder);
    writer->builder = NULL;
    status = table_new(&table, background->cache, &info, err);
    if (status) {
        remove_table_file(background, info.number);
        goto done;
    }
    writer->outputs.tables[writer->outputs.count++] = table;
    account(writer, info.size);
    if (background->progress)
        atomic_fetch_add_explicit(background->progress, 1, memory_order_relaxed);

done:
    sstable_info_release(&info);
    return status;
}

enum lsmkv_status output_writer_finish(struct output_writer *writer, struct outputs *outputs, struct lsmkv_error *err)
{
    enum lsmkv_status status = output_writer_cut(writer, err);

    if (status)
        return status;
    *outputs = writer->outputs;
    writer->outputs = (struct outputs){NULL, 0};
    writer->capacity = 0;
    return LSMKV_OK;
}

/* ---- Dropped tables ---- */

bool dropped_filter_matches(struct dropped_filter *filter, struct lsmkv_slice key)
{
    const struct background *background = filter->background;
    uint32_t id;

    if (!background->dropped || key.size < LSMKV_TABLE_ID_SIZE)
        return false;
    id = get_u32_be(key.data);
    if (!filter->known || filter->id != id) {
        filter->known = true;
        filter->id = id;
        filter->dropped = background->dropped(background->dropped_context, id);
    }
    return filter->dropped;
}
