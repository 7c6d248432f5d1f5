/*
 * fuzz_manifest.c - reads hostile manifest files: no crash, only the failures that are promised, and what is taken is
 * written and read again as it was.
 *
 * The first byte of the input says what the rest is: 0 = global.json, 1 = a level file, 2 = plain JSON; with 4 added, the
 * checksum line is made and appended, since no fuzzer guesses a checksum.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/checksum.h"
#include "manifest/format.h"

#define LEVEL 1
#define PATH  "f"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

/* NOMEM would mean that cJSON refused what the check had passed. */
static bool is_taken(enum lsmkv_status status)
{
    require(status == LSMKV_OK || status == LSMKV_CORRUPT || status == LSMKV_CANTOPEN);
    return status == LSMKV_OK;
}

static struct lsmkv_slice body_of(struct lsmkv_slice text)
{
    return slice_of(text.data, text.size > MANIFEST_TAIL_SIZE ? text.size - MANIFEST_TAIL_SIZE : 0);
}

static void start(struct manifest *manifest, struct lsmkv_slice text)
{
    manifest_init(manifest);
    memcpy(manifest->store_id, "0123456789abcdef", LSMKV_STORE_ID_SIZE);
    manifest->generation = 9;
    manifest->next_file = 100;
    manifest->last_sequence = 1000;
    manifest->levels[LEVEL].generation = 5;
    manifest->levels[LEVEL].checksum = checksum64(body_of(text));
}

static void check_global(struct lsmkv_slice text)
{
    struct lsmkv_buf first = LSMKV_BUF_INIT, second = LSMKV_BUF_INIT;
    struct manifest manifest, again;

    start(&manifest, text);
    start(&again, text);
    manifest.levels[LEVEL].generation = again.levels[LEVEL].generation = 0;
    if (is_taken(global_file_get(&manifest, text, PATH, NULL))) {
        require(global_file_put(&first, &manifest, NULL) == LSMKV_OK);
        require(global_file_get(&again, slice_of_buf(&first), PATH, NULL) == LSMKV_OK);
        require(global_file_put(&second, &again, NULL) == LSMKV_OK);
        require(slice_equal(slice_of_buf(&first), slice_of_buf(&second)));
        (void)is_taken(manifest_check(&manifest, "d", LSMKV_CORRUPT, NULL));
    }
    manifest_release(&manifest);
    manifest_release(&again);
    lsmkv_buf_release(&first);
    lsmkv_buf_release(&second);
}

static void check_level(struct lsmkv_slice text)
{
    struct lsmkv_buf first = LSMKV_BUF_INIT, second = LSMKV_BUF_INIT;
    struct manifest manifest, again;
    uint64_t checksum;

    start(&manifest, text);
    if (is_taken(level_file_get(&manifest, LEVEL, text, PATH, NULL))) {
        require(level_file_put(&first, &manifest, LEVEL, &checksum, NULL) == LSMKV_OK);
        start(&again, slice_of_buf(&first));
        require(level_file_get(&again, LEVEL, slice_of_buf(&first), PATH, NULL) == LSMKV_OK);
        require(level_file_put(&second, &again, LEVEL, &checksum, NULL) == LSMKV_OK);
        require(slice_equal(slice_of_buf(&first), slice_of_buf(&second)));
        (void)is_taken(manifest_check(&manifest, "d", LSMKV_CORRUPT, NULL));
        manifest_release(&again);
    }
    manifest_release(&manifest);
    lsmkv_buf_release(&first);
    lsmkv_buf_release(&second);
}

static void check_json(struct lsmkv_slice text)
{
    struct json_limits limits = {16, 10000};
    struct json *root = NULL;

    (void)is_taken(json_parse(&root, text, &limits, PATH, NULL));
    json_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lsmkv_buf text = LSMKV_BUF_INIT;
    uint64_t checksum;

    if (size == 0)
        return 0;
    require(buf_set(&text, slice_of(data + 1, size - 1), NULL) == LSMKV_OK);
    if (data[0] & 4)
        require(manifest_text_finish(&text, &checksum, NULL) == LSMKV_OK);
    switch (data[0] & 3) {
    case 0:
        check_global(slice_of_buf(&text));
        break;
    case 1:
        check_level(slice_of_buf(&text));
        break;
    default:
        check_json(slice_of_buf(&text));
        break;
    }
    lsmkv_buf_release(&text);
    return 0;
}
