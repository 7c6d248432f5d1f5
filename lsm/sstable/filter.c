/*
 * filter.c - builds and asks the blocked Bloom filter of filter.h.
 */
#include "sstable/filter.h"

#include "base/alloc.h"
#include "base/error.h"

#define LINE_BITS   (FILTER_LINE_SIZE * 8)
#define PROBE_SHIFT 23 /* the upper 9 bits of 32 choose one of the 512 of a line */

static size_t line_of(uint64_t hash, uint32_t line_count)
{
    return (size_t)(((hash >> 32) * line_count) >> 32);
}

static uint32_t next_probe(uint32_t probe)
{
    return probe * UINT32_C(0x9e3779b1);
}

/* The best number for a plain filter is bits * ln 2; keys crowd a line unevenly, which favours somewhat fewer. */
static uint32_t probes_for(uint32_t bits)
{
    uint32_t probes = (bits * 6 + 5) / 10;

    if (probes < 1)
        return 1;
    return probes > FILTER_PROBES_MAX ? FILTER_PROBES_MAX : probes;
}

enum lsmkv_status filter_build(struct lsmkv_buf *to, const uint64_t *hashes, size_t count, uint32_t bits,
                               struct lsmkv_error *err)
{
    uint64_t line_count = ((uint64_t)count * bits + LINE_BITS - 1) / LINE_BITS;
    uint32_t probes = probes_for(bits);
    uint8_t *lines;
    enum lsmkv_status status;

    if (line_count == 0)
        line_count = 1;
    if (line_count > UINT32_MAX)
        return lsmkv_fail(err, LSMKV_TOOBIG, "a filter over %zu keys is too large", count);
    status = buf_reserve(to, (size_t)line_count * FILTER_LINE_SIZE + 1, err);
    if (status)
        return status;
    lines = to->data + to->size;
    memset(lines, 0, (size_t)line_count * FILTER_LINE_SIZE);
    for (size_t i = 0; i < count; i++) {
        uint8_t *line = lines + line_of(hashes[i], (uint32_t)line_count) * FILTER_LINE_SIZE;
        uint32_t probe = (uint32_t)hashes[i];

        for (uint32_t n = 0; n < probes; n++) {
            probe = next_probe(probe);
            line[probe >> (PROBE_SHIFT + 3)] |= (uint8_t)(1u << (probe >> PROBE_SHIFT & 7));
        }
    }
    to->size += (size_t)line_count * FILTER_LINE_SIZE;
    to->data[to->size++] = (uint8_t)probes;
    return LSMKV_OK;
}

enum lsmkv_status filter_init(struct filter *filter, struct lsmkv_slice payload, const char *path,
                              struct lsmkv_error *err)
{
    size_t size = payload.size ? payload.size - 1 : 0;
    uint8_t probes = payload.size ? payload.data[size] : 0;

    if (size == 0 || size % FILTER_LINE_SIZE != 0 || size / FILTER_LINE_SIZE > UINT32_MAX || probes < 1 ||
        probes > FILTER_PROBES_MAX)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: bad filter", path);
    filter->lines = lsm_alloc_aligned(FILTER_LINE_SIZE, size);
    if (!filter->lines)
        return lsmkv_fail_nomem(err);
    memcpy(filter->lines, payload.data, size);
    filter->line_count = (uint32_t)(size / FILTER_LINE_SIZE);
    filter->probes = probes;
    return LSMKV_OK;
}

void filter_release(struct filter *filter)
{
    lsm_free_aligned(filter->lines);
    filter->lines = NULL;
}

size_t filter_bytes(const struct filter *filter)
{
    return (size_t)filter->line_count * FILTER_LINE_SIZE;
}

bool filter_may_hold(const struct filter *filter, uint64_t hash)
{
    const uint8_t *line;
    uint32_t probe = (uint32_t)hash;

    if (!filter->lines)
        return true;
    line = filter->lines + line_of(hash, filter->line_count) * FILTER_LINE_SIZE;
    for (uint32_t n = 0; n < filter->probes; n++) {
        probe = next_probe(probe);
        if (!(line[probe >> (PROBE_SHIFT + 3)] >> (probe >> PROBE_SHIFT & 7) & 1))
            return false;
    }
    return true;
}
