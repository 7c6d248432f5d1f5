/*
 * level_file.c - one level's tables as the text of manifest/level_N-GEN.json, and back (format.h).
 */
#include "manifest/format.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/names.h"

enum { LEVEL_FORMAT, LEVEL_STORE_ID, LEVEL_LEVEL, LEVEL_GENERATION, LEVEL_TABLES, LEVEL_CHECKSUM, LEVEL_FIELDS };

static const char *const level_fields[LEVEL_FIELDS] = {"format",     "store_id", "level",
                                                       "generation", "tables",   "checksum"};

enum {
    TABLE_NUMBER,
    TABLE_SIZE,
    TABLE_ENTRIES,
    TABLE_TOMBSTONES,
    TABLE_RAW_BYTES,
    TABLE_SEQUENCE_MIN,
    TABLE_SEQUENCE_MAX,
    TABLE_CHECKSUM,
    TABLE_KEY_MIN,
    TABLE_KEY_MAX,
    TABLE_FIELDS
};

static const char *const table_fields[TABLE_FIELDS] = {"number",    "size",         "entries",      "tombstones",
                                                       "raw_bytes", "sequence_min", "sequence_max", "checksum",
                                                       "key_min",   "key_max"};

static enum lsmkv_status put_table(struct lsmkv_buf *text, const struct sstable_info *info, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    status =
        json_print(text, err,
                   "    {\"number\": \"%" PRIu64 "\", \"size\": \"%" PRIu64 "\", \"entries\": \"%" PRIu64
                   "\", \"tombstones\": \"%" PRIu64 "\", \"raw_bytes\": \"%" PRIu64 "\", \"sequence_min\": \"%" PRIu64
                   "\", \"sequence_max\": \"%" PRIu64 "\", \"checksum\": \"%016" PRIx64 "\", \"key_min\": \"",
                   info->number, info->size, info->entries, info->tombstones, info->raw_bytes, info->sequence_min,
                   info->sequence_max, info->checksum);
    if (!status)
        status = json_put_hex(text, slice_of_buf(&info->key_min), err);
    if (!status)
        status = json_print(text, err, "\", \"key_max\": \"");
    if (!status)
        status = json_put_hex(text, slice_of_buf(&info->key_max), err);
    if (!status)
        status = json_print(text, err, "\"}");
    return status;
}

enum lsmkv_status level_file_put(struct lsmkv_buf *text, const struct manifest *manifest, unsigned level,
                                 uint64_t *checksum, struct lsmkv_error *err)
{
    const struct manifest_level *from = &manifest->levels[level];
    enum lsmkv_status status;

    status = json_print(text, err, "{\n  \"format\": %d,\n  \"store_id\": \"", MANIFEST_FORMAT);
    if (!status)
        status = json_put_hex(text, slice_of(manifest->store_id, LSMKV_STORE_ID_SIZE), err);
    if (!status)
        status = json_print(text, err, "\",\n  \"level\": %u,\n  \"generation\": \"%" PRIu64 "\",\n  \"tables\": [",
                            level, from->generation);
    for (size_t i = 0; !status && i < from->count; i++) {
        status = json_print(text, err, i ? ",\n" : "\n");
        if (!status)
            status = put_table(text, &from->tables[i], err);
    }
    if (!status)
        status = json_print(text, err, "\n  ],\n");
    if (!status)
        status = manifest_text_finish(text, checksum, err);
    return status;
}

static enum lsmkv_status get_table(struct sstable_info *info, const struct json *value, const char *path,
                                   struct lsmkv_error *err)
{
    const struct json *fields[TABLE_FIELDS];
    const struct {
        unsigned field;
        uint64_t *number;
    } numbers[] = {
        {TABLE_NUMBER, &info->number},
        {TABLE_SIZE, &info->size},
        {TABLE_ENTRIES, &info->entries},
        {TABLE_TOMBSTONES, &info->tombstones},
        {TABLE_RAW_BYTES, &info->raw_bytes},
        {TABLE_SEQUENCE_MIN, &info->sequence_min},
        {TABLE_SEQUENCE_MAX, &info->sequence_max},
    };
    enum lsmkv_status status = json_fields(value, path, table_fields, fields, TABLE_FIELDS, err);

    for (size_t i = 0; !status && i < sizeof(numbers) / sizeof(*numbers); i++)
        status = json_get_u64(fields[numbers[i].field], path, MANIFEST_NUMBER_MAX, numbers[i].number, err);
    if (!status)
        status = json_get_hex64(fields[TABLE_CHECKSUM], path, &info->checksum, err);
    if (!status)
        status = json_get_hex(fields[TABLE_KEY_MIN], path, 0, LSMKV_KEY_MAX, &info->key_min, err);
    if (!status)
        status = json_get_hex(fields[TABLE_KEY_MAX], path, 0, LSMKV_KEY_MAX, &info->key_max, err);
    return status;
}

/* A level without tables has no file, so an empty list is damage too. */
static enum lsmkv_status get_tables(struct manifest_level *to, const struct json *list, const char *path,
                                    struct lsmkv_error *err)
{
    size_t count = 0;
    enum lsmkv_status status = json_expect(list, path, JSON_ARRAY, err);

    if (status)
        return status;
    for (const struct json *value = json_first(list); value; value = json_next(value))
        count++;
    if (count == 0)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: field \"tables\" is empty", path);
    to->tables = (struct sstable_info *)lsm_calloc(count, sizeof(*to->tables));
    if (!to->tables)
        return lsmkv_fail_nomem(err);
    to->count = count;
    count = 0;
    for (const struct json *value = json_first(list); !status && value; value = json_next(value))
        status = get_table(&to->tables[count++], value, path, err);
    return status;
}

/* That the file is the one which global.json names, and not another store's or another time's. */
static enum lsmkv_status check_identity(const struct manifest *manifest, unsigned level,
                                        const struct json *const fields[LEVEL_FIELDS], const char *path,
                                        struct lsmkv_error *err)
{
    struct lsmkv_buf id = LSMKV_BUF_INIT;
    uint64_t generation = 0;
    uint32_t found = 0;
    enum lsmkv_status status;

    status = json_get_hex(fields[LEVEL_STORE_ID], path, LSMKV_STORE_ID_SIZE, LSMKV_STORE_ID_SIZE, &id, err);
    if (status)
        goto done;
    status = json_get_small(fields[LEVEL_LEVEL], path, LSMKV_LEVELS - 1, &found, err);
    if (status)
        goto done;
    status = json_get_u64(fields[LEVEL_GENERATION], path, MANIFEST_NUMBER_MAX, &generation, err);
    if (status)
        goto done;
    if (memcmp(id.data, manifest->store_id, LSMKV_STORE_ID_SIZE) != 0)
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: belongs to another store", path);
    else if (found != level || generation != manifest->levels[level].generation)
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: says that it is level %" PRIu32 ", generation %" PRIu64, path,
                            found, generation);

done:
    lsmkv_buf_release(&id);
    return status;
}

enum lsmkv_status level_file_get(struct manifest *manifest, unsigned level, struct lsmkv_slice text, const char *path,
                                 struct lsmkv_error *err)
{
    const struct json *fields[LEVEL_FIELDS];
    struct json *root = NULL;
    uint64_t checksum;
    enum lsmkv_status status;

    status = manifest_text_parse(&root, text, path, &checksum, err);
    if (status)
        goto done;
    status = json_fields(root, path, level_fields, fields, LEVEL_FIELDS, err);
    if (status)
        goto done;
    status = check_identity(manifest, level, fields, path, err);
    if (status)
        goto done;
    if (checksum != manifest->levels[level].checksum) {
        status = lsmkv_fail(err, LSMKV_CORRUPT,
                            "%s: not the file that " NAME_GLOBAL " names: its checksum is %016" PRIx64
                            ", not %016" PRIx64 "; put both back from one backup of the store",
                            path, checksum, manifest->levels[level].checksum);
        goto done;
    }
    status = get_tables(&manifest->levels[level], fields[LEVEL_TABLES], path, err);

done:
    json_free(root);
    return status;
}
