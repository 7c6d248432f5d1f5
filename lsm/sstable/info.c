/*
 * info.c - copies, compares and frees what a manifest records of a table.
 */
#include "sstable/info.h"

#include <inttypes.h>

#include "os/fs.h"

enum lsmkv_status sstable_info_copy(struct sstable_info *to, const struct sstable_info *from, struct lsmkv_error *err)
{
    struct sstable_info copy = *from;
    enum lsmkv_status status;

    copy.key_min = (struct lsmkv_buf)LSMKV_BUF_INIT;
    copy.key_max = (struct lsmkv_buf)LSMKV_BUF_INIT;
    status = buf_set(&copy.key_min, slice_of_buf(&from->key_min), err);
    if (!status)
        status = buf_set(&copy.key_max, slice_of_buf(&from->key_max), err);
    if (status) {
        sstable_info_release(&copy);
        return status;
    }
    *to = copy;
    return LSMKV_OK;
}

void sstable_info_release(struct sstable_info *info)
{
    lsmkv_buf_release(&info->key_min);
    lsmkv_buf_release(&info->key_max);
}

bool sstable_info_overlaps(const struct sstable_info *info, struct lsmkv_slice lower, struct lsmkv_slice upper)
{
    if (lower.data && slice_compare(slice_of_buf(&info->key_max), lower) < 0)
        return false;
    return !upper.data || slice_compare(slice_of_buf(&info->key_min), upper) < 0;
}

char *sstable_path(const char *dir, uint64_t number)
{
    return os_path(dir, "sst/%06" PRIu64 ".sst", number);
}
