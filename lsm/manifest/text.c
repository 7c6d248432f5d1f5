/*
 * text.c - the checksum line that ends every manifest file, and the version it starts with (format.h).
 */
#include "manifest/format.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/checksum.h"
#include "base/error.h"

#define TAIL_FORMAT "  \"checksum\": \"%016" PRIx64 "\"\n}\n"

#define DEPTH_MAX       4 /* levels of nesting; a level file has 3 */
#define BYTES_PER_FIELD 8 /* fewer than any field of ours takes: bounds the memory that a hostile file can ask for */

static void print_tail(char tail[MANIFEST_TAIL_SIZE + 1], uint64_t checksum)
{
    snprintf(tail, MANIFEST_TAIL_SIZE + 1, TAIL_FORMAT, checksum);
}

enum lsmkv_status manifest_text_finish(struct lsmkv_buf *text, uint64_t *checksum, struct lsmkv_error *err)
{
    char tail[MANIFEST_TAIL_SIZE + 1];

    *checksum = checksum64(slice_of_buf(text));
    print_tail(tail, *checksum);
    return buf_append(text, tail, MANIFEST_TAIL_SIZE, err);
}

/* The tail that the bytes before it call for must be there, byte for byte. */
static enum lsmkv_status check_tail(struct lsmkv_slice text, const char *path, uint64_t *checksum,
                                    struct lsmkv_error *err)
{
    char tail[MANIFEST_TAIL_SIZE + 1];
    size_t covered;

    if (text.size < MANIFEST_TAIL_SIZE)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: only %zu bytes long; put the file back from a backup of the store",
                          path, text.size);
    covered = text.size - MANIFEST_TAIL_SIZE;
    *checksum = checksum64(slice_of(text.data, covered));
    print_tail(tail, *checksum);
    if (memcmp(text.data + covered, tail, MANIFEST_TAIL_SIZE) != 0)
        return lsmkv_fail(err, LSMKV_CORRUPT,
                          "%s: damaged: its checksum does not match its %zu bytes; put the file back from a backup of "
                          "the store",
                          path, text.size);
    return LSMKV_OK;
}

static enum lsmkv_status check_format(const struct json *root, const char *path, struct lsmkv_error *err)
{
    const struct json *value;
    uint32_t format;
    enum lsmkv_status status = json_expect(root, path, JSON_OBJECT, err);

    if (status)
        return status;
    value = json_find(root, "format");
    if (!value)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: field \"format\" is missing", path);
    status = json_get_small(value, path, UINT32_MAX, &format, err);
    if (status)
        return status;
    if (format > MANIFEST_FORMAT)
        return lsmkv_fail(err, LSMKV_CANTOPEN,
                          "%s: written in format %" PRIu32 ", and this lsmkv (" LSMKV_VERSION
                          ") reads formats up to %d: use a newer one",
                          path, format, MANIFEST_FORMAT);
    if (format == 0)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: field \"format\" is 0", path);
    return LSMKV_OK;
}

enum lsmkv_status manifest_text_parse(struct json **root, struct lsmkv_slice text, const char *path, uint64_t *checksum,
                                      struct lsmkv_error *err)
{
    struct json_limits limits = {DEPTH_MAX, text.size / BYTES_PER_FIELD + 1};
    enum lsmkv_status status;

    *root = NULL;
    status = check_tail(text, path, checksum, err);
    if (status)
        return status;
    status = json_parse(root, text, &limits, path, err);
    if (status)
        return status;
    status = check_format(*root, path, err);
    if (status) {
        json_free(*root);
        *root = NULL;
    }
    return status;
}
