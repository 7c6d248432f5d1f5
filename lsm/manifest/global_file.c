/*
 * global_file.c - everything but the tables as the text of global.json, and back (format.h).
 */
#include "manifest/format.h"

#include <inttypes.h>

#include "base/error.h"

enum {
    GLOBAL_FORMAT,
    GLOBAL_STORE_ID,
    GLOBAL_GENERATION,
    GLOBAL_NEXT_FILE,
    GLOBAL_LAST_SEQUENCE,
    GLOBAL_FIRST_SEGMENT,
    GLOBAL_CLEAN_SEGMENT,
    GLOBAL_CLEAN_LENGTH,
    GLOBAL_OPTIONS,
    GLOBAL_LEVELS,
    GLOBAL_CHECKSUM,
    GLOBAL_FIELDS
};

static const char *const global_fields[GLOBAL_FIELDS] = {
    "format",        "store_id",     "generation", "next_file", "last_sequence", "first_segment",
    "clean_segment", "clean_length", "options",    "levels",    "checksum"};

enum { ENTRY_LEVEL, ENTRY_GENERATION, ENTRY_CHECKSUM, ENTRY_FIELDS };

static const char *const entry_fields[ENTRY_FIELDS] = {"level", "generation", "checksum"};

static enum lsmkv_status put_numbers(struct lsmkv_buf *text, const struct manifest *manifest, struct lsmkv_error *err)
{
    return json_print(text, err,
                      "\",\n"
                      "  \"generation\": \"%" PRIu64 "\",\n"
                      "  \"next_file\": \"%" PRIu64 "\",\n"
                      "  \"last_sequence\": \"%" PRIu64 "\",\n"
                      "  \"first_segment\": \"%" PRIu64 "\",\n"
                      "  \"clean_segment\": \"%" PRIu64 "\",\n"
                      "  \"clean_length\": \"%" PRIu64 "\",\n",
                      manifest->generation, manifest->next_file, manifest->last_sequence, manifest->first_segment,
                      manifest->clean_segment, manifest->clean_length);
}

static enum lsmkv_status put_options(struct lsmkv_buf *text, const struct lsmkv_options *options,
                                     struct lsmkv_error *err)
{
    const char *name;
    char value[64];
    enum lsmkv_status status = json_print(text, err, "  \"options\": {");

    for (size_t i = 0; !status && lsmkv_options_get(options, i, &name, value); i++)
        status = json_print(text, err, "%s\n    \"%s\": \"%s\"", i ? "," : "", name, value);
    if (!status)
        status = json_print(text, err, "\n  },\n");
    return status;
}

static enum lsmkv_status put_levels(struct lsmkv_buf *text, const struct manifest *manifest, struct lsmkv_error *err)
{
    bool first = true;
    enum lsmkv_status status = json_print(text, err, "  \"levels\": [");

    for (unsigned level = 0; !status && level < LSMKV_LEVELS; level++) {
        if (manifest->levels[level].generation == 0)
            continue;
        status = json_print(
            text, err, "%s\n    {\"level\": %u, \"generation\": \"%" PRIu64 "\", \"checksum\": \"%016" PRIx64 "\"}",
            first ? "" : ",", level, manifest->levels[level].generation, manifest->levels[level].checksum);
        first = false;
    }
    if (!status)
        status = json_print(text, err, first ? "],\n" : "\n  ],\n");
    return status;
}

enum lsmkv_status global_file_put(struct lsmkv_buf *text, const struct manifest *manifest, struct lsmkv_error *err)
{
    uint64_t checksum;
    enum lsmkv_status status;

    status = json_print(text, err, "{\n  \"format\": %d,\n  \"store_id\": \"", MANIFEST_FORMAT);
    if (!status)
        status = json_put_hex(text, slice_of(manifest->store_id, LSMKV_STORE_ID_SIZE), err);
    if (!status)
        status = put_numbers(text, manifest, err);
    if (!status)
        status = put_options(text, &manifest->options, err);
    if (!status)
        status = put_levels(text, manifest, err);
    if (!status)
        status = manifest_text_finish(text, &checksum, err);
    return status;
}

static enum lsmkv_status get_store_id(struct manifest *manifest, const struct json *value, const char *path,
                                      struct lsmkv_error *err)
{
    struct lsmkv_buf id = LSMKV_BUF_INIT;
    enum lsmkv_status status = json_get_hex(value, path, LSMKV_STORE_ID_SIZE, LSMKV_STORE_ID_SIZE, &id, err);

    if (!status)
        memcpy(manifest->store_id, id.data, LSMKV_STORE_ID_SIZE);
    lsmkv_buf_release(&id);
    return status;
}

static enum lsmkv_status get_numbers(struct manifest *manifest, const struct json *const fields[GLOBAL_FIELDS],
                                     const char *path, struct lsmkv_error *err)
{
    const struct {
        unsigned field;
        uint64_t *number;
    } numbers[] = {
        {GLOBAL_GENERATION, &manifest->generation},       {GLOBAL_NEXT_FILE, &manifest->next_file},
        {GLOBAL_LAST_SEQUENCE, &manifest->last_sequence}, {GLOBAL_FIRST_SEGMENT, &manifest->first_segment},
        {GLOBAL_CLEAN_SEGMENT, &manifest->clean_segment}, {GLOBAL_CLEAN_LENGTH, &manifest->clean_length},
    };
    enum lsmkv_status status = LSMKV_OK;

    for (size_t i = 0; !status && i < sizeof(numbers) / sizeof(*numbers); i++)
        status = json_get_u64(fields[numbers[i].field], path, MANIFEST_NUMBER_MAX, numbers[i].number, err);
    return status;
}

/* True if an earlier member has the same name. */
static bool seen_before(const struct json *object, const struct json *member)
{
    return json_find(object, json_name(member)) != member;
}

static enum lsmkv_status get_options(struct lsmkv_options *options, const struct json *object, const char *path,
                                     struct lsmkv_error *err)
{
    struct lsmkv_error why = LSMKV_ERROR_INIT;
    const char *value;
    enum lsmkv_status status = json_expect(object, path, JSON_OBJECT, err);

    lsmkv_options_init(options);
    if (status)
        return status;
    for (const struct json *member = json_first(object); member; member = json_next(member)) {
        if (!lsmkv_option_known(json_name(member)))
            return lsmkv_fail(err, LSMKV_CORRUPT, "%s: unknown option \"%.64s\"", path, json_name(member));
        if (seen_before(object, member))
            return lsmkv_fail(err, LSMKV_CORRUPT, "%s: option \"%s\" twice", path, json_name(member));
        status = json_get_text(member, path, &value, err);
        if (status)
            return status;
        status = lsmkv_options_set(options, json_name(member), value, &why);
        if (status == LSMKV_INVALID)
            return lsmkv_fail(err, LSMKV_CORRUPT, "%s: %s", path, why.message);
        if (status)
            return lsmkv_fail(err, status, "%s", why.message);
    }
    return LSMKV_OK;
}

static enum lsmkv_status get_level(struct manifest *manifest, const struct json *value, unsigned *next,
                                   const char *path, struct lsmkv_error *err)
{
    const struct json *fields[ENTRY_FIELDS];
    struct manifest_level *to;
    uint32_t level;
    enum lsmkv_status status = json_fields(value, path, entry_fields, fields, ENTRY_FIELDS, err);

    if (status)
        return status;
    status = json_get_small(fields[ENTRY_LEVEL], path, LSMKV_LEVELS - 1, &level, err);
    if (status)
        return status;
    if (level < *next)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: levels are not in rising order", path);
    *next = level + 1;
    to = &manifest->levels[level];
    status = json_get_u64(fields[ENTRY_GENERATION], path, manifest->generation, &to->generation, err);
    if (status)
        return status;
    if (to->generation == 0)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: level %" PRIu32 " has generation 0", path, level);
    return json_get_hex64(fields[ENTRY_CHECKSUM], path, &to->checksum, err);
}

static enum lsmkv_status get_levels(struct manifest *manifest, const struct json *list, const char *path,
                                    struct lsmkv_error *err)
{
    unsigned next = 0;
    enum lsmkv_status status = json_expect(list, path, JSON_ARRAY, err);

    if (status)
        return status;
    for (const struct json *value = json_first(list); !status && value; value = json_next(value))
        status = get_level(manifest, value, &next, path, err);
    return status;
}

enum lsmkv_status global_file_get(struct manifest *manifest, struct lsmkv_slice text, const char *path,
                                  struct lsmkv_error *err)
{
    const struct json *fields[GLOBAL_FIELDS];
    struct json *root = NULL;
    uint64_t checksum;
    enum lsmkv_status status;

    status = manifest_text_parse(&root, text, path, &checksum, err);
    if (!status)
        status = json_fields(root, path, global_fields, fields, GLOBAL_FIELDS, err);
    if (!status)
        status = get_store_id(manifest, fields[GLOBAL_STORE_ID], path, err);
    if (!status)
        status = get_numbers(manifest, fields, path, err);
    if (!status)
        status = get_options(&manifest->options, fields[GLOBAL_OPTIONS], path, err);
    if (!status)
        status = get_levels(manifest, fields[GLOBAL_LEVELS], path, err);
    json_free(root);
    return status;
}
