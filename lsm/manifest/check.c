/*
 * check.c - do a manifest's numbers make sense, and its tables obey the rules that reading relies on (version/version.h)?
 * Pure.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/format.h"
#include "manifest/names.h"

/* What is wrong with one table by itself, or NULL. */
static const char *table_fault(const struct manifest *manifest, const struct sstable_info *info)
{
    if (info->number == 0 || info->number >= manifest->next_file)
        return "its number is not below next_file";
    if (info->size == 0 || info->entries == 0)
        return "it is empty";
    if (info->tombstones > info->entries)
        return "it has more tombstones than entries";
    if (info->sequence_min > info->sequence_max || info->sequence_max > manifest->last_sequence)
        return "its sequence bounds are out of order";
    if (slice_compare(slice_of_buf(&info->key_min), slice_of_buf(&info->key_max)) > 0)
        return "its key bounds are out of order";
    return NULL;
}

/* What is wrong with the order of two neighbours, or NULL. */
static const char *order_fault(unsigned level, const struct sstable_info *before, const struct sstable_info *after)
{
    if (level == 0)
        return before->sequence_max < after->sequence_max ? "it is older than the next table" : NULL;
    if (slice_compare(slice_of_buf(&before->key_max), slice_of_buf(&after->key_min)) >= 0)
        return "its keys overlap those of the next table";
    return NULL;
}

static enum lsmkv_status check_level(const struct manifest *manifest, unsigned level, const char *dir,
                                     enum lsmkv_status status, struct lsmkv_error *err)
{
    const struct manifest_level *at = &manifest->levels[level];

    for (size_t i = 0; i < at->count; i++) {
        const char *fault = table_fault(manifest, &at->tables[i]);

        if (!fault && i + 1 < at->count)
            fault = order_fault(level, &at->tables[i], &at->tables[i + 1]);
        if (fault)
            return lsmkv_fail(err, status, "%s/" NAME_MANIFEST_DIR "/level_%u-%" PRIu64 ".json: table %" PRIu64 ": %s",
                              dir, level, at->generation, at->tables[i].number, fault);
    }
    return LSMKV_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

enum lsmkv_status manifest_numbers(const struct manifest *manifest, uint64_t **numbers, size_t *count,
                                   struct lsmkv_error *err)
{
    size_t n = 0;

    *numbers = NULL;
    *count = 0;
    for (unsigned level = 0; level < LSMKV_LEVELS; level++)
        n += manifest->levels[level].count;
    *numbers = (uint64_t *)lsm_calloc(n ? n : 1, sizeof(**numbers));
    if (!*numbers)
        return lsmkv_fail_nomem(err);
    for (unsigned level = 0; level < LSMKV_LEVELS; level++) {
        for (size_t i = 0; i < manifest->levels[level].count; i++)
            (*numbers)[(*count)++] = manifest->levels[level].tables[i].number;
    }
    qsort(*numbers, n, sizeof(**numbers), compare_numbers);
    return LSMKV_OK;
}

bool manifest_has_number(const uint64_t *numbers, size_t count, uint64_t number)
{
    return bsearch(&number, numbers, count, sizeof(*numbers), compare_numbers) != NULL;
}

/* A file belongs to one place: two mentions would remove it twice. */
static enum lsmkv_status check_unique(const struct manifest *manifest, const char *dir, enum lsmkv_status status,
                                      struct lsmkv_error *err)
{
    uint64_t *numbers;
    size_t count;
    enum lsmkv_status result = manifest_numbers(manifest, &numbers, &count, err);

    for (size_t i = 1; !result && i < count; i++) {
        if (numbers[i] == numbers[i - 1])
            result =
                lsmkv_fail(err, status, "%s/" NAME_MANIFEST_DIR ": table %" PRIu64 " is listed twice", dir, numbers[i]);
    }
    lsm_free(numbers);
    return result;
}

static enum lsmkv_status check_numbers(const struct manifest *manifest, const char *dir, enum lsmkv_status status,
                                       struct lsmkv_error *err)
{
    const char *fault = NULL;

    if (manifest->generation == 0 || manifest->generation > MANIFEST_NUMBER_MAX)
        fault = "generation is out of range";
    else if (manifest->next_file == 0 || manifest->next_file > MANIFEST_NUMBER_MAX)
        fault = "next_file is out of range";
    else if (manifest->last_sequence > MANIFEST_NUMBER_MAX)
        fault = "last_sequence is out of range";
    else if (manifest->first_segment > manifest->next_file)
        fault = "first_segment is beyond next_file";
    else if ((manifest->clean_segment == 0) != (manifest->clean_length == 0))
        fault = "clean_segment and clean_length do not go together";
    else if (manifest->clean_segment >= manifest->next_file || manifest->clean_length > MANIFEST_NUMBER_MAX)
        fault = "clean_segment or clean_length is out of range";
    return fault ? lsmkv_fail(err, status, "%s/" NAME_GLOBAL ": %s", dir, fault) : LSMKV_OK;
}

enum lsmkv_status manifest_check(const struct manifest *manifest, const char *dir, enum lsmkv_status status,
                                 struct lsmkv_error *err)
{
    enum lsmkv_status result = check_numbers(manifest, dir, status, err);

    for (unsigned level = 0; !result && level < LSMKV_LEVELS; level++)
        result = check_level(manifest, level, dir, status, err);
    return result ? result : check_unique(manifest, dir, status, err);
}
