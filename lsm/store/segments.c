/*
 * segments.c - lists wal/, reads the headers, checks that they form a chain.
 */
#include "store/segments.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manifest/names.h"

#define REPAIR    "restore it from a backup" /* what a user can do about a damaged log */
#define SCAN_SIZE 65536                      /* bytes read at a time */

/* ---- Listing ---- */

struct numbers {
    uint64_t *list;
    size_t count, capacity;
    uint64_t first; /* smaller ones are left out */
};

static enum lsmkv_status visit_name(void *context, const char *name, struct lsmkv_error *err)
{
    struct numbers *numbers = context;
    uint64_t number, *list;
    size_t capacity;

    if (!segment_name(name, &number) || number < numbers->first)
        return LSMKV_OK;
    if (numbers->count == numbers->capacity) {
        capacity = numbers->capacity ? numbers->capacity * 2 : 16;
        list = lsm_realloc(numbers->list, capacity * sizeof(*list));
        if (!list)
            return lsmkv_fail_nomem(err);
        numbers->list = list;
        numbers->capacity = capacity;
    }
    numbers->list[numbers->count++] = number;
    return LSMKV_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

/* Numbers of the segments in wal/ from `first` on, rising. */
static enum lsmkv_status list_segments(struct numbers *numbers, struct os_fs *fs, const char *dir, uint64_t first,
                                       struct lsmkv_error *err)
{
    char *wal_dir = os_path(dir, NAME_SEGMENT_DIR);
    enum lsmkv_status status;

    *numbers = (struct numbers){.first = first};
    if (!wal_dir)
        return lsmkv_fail_nomem(err);
    status = os_fs_list(fs, wal_dir, visit_name, numbers, err);
    lsm_free(wal_dir);
    if (!status && numbers->count)
        qsort(numbers->list, numbers->count, sizeof(*numbers->list), compare_numbers);
    return status;
}

/* ---- One header ---- */

/* True if [offset, size) of the file holds nothing but zeros. */
static enum lsmkv_status rest_is_zero(struct os_file *file, uint64_t offset, uint64_t size, bool *zero,
                                      struct lsmkv_error *err)
{
    enum lsmkv_status status = LSMKV_OK;
    uint8_t *bytes = lsm_alloc(SCAN_SIZE);

    if (!bytes)
        return lsmkv_fail_nomem(err);
    *zero = true;
    while (!status && *zero && offset < size) {
        size_t part = size - offset < SCAN_SIZE ? (size_t)(size - offset) : SCAN_SIZE;

        status = os_read(file, offset, bytes, part, err);
        for (size_t i = 0; !status && i < part && *zero; i++)
            *zero = bytes[i] == 0;
        offset += part;
    }
    lsm_free(bytes);
    return status;
}

/* A bad header over zeros was never made durable: not started. Over anything else it is damage. */
static enum lsmkv_status read_open_header(struct os_file *file, struct wal_header *header, bool *started,
                                          struct lsmkv_error *err)
{
    struct lsmkv_error failure = LSMKV_ERROR_INIT;
    uint8_t bytes[WAL_HEADER_SIZE];
    uint64_t size, checksum;
    bool zero = true;
    enum lsmkv_status status;

    *started = false;
    status = os_size(file, &size, err);
    if (status || size < sizeof(bytes))
        return status;
    status = os_read(file, 0, bytes, sizeof(bytes), err);
    if (status)
        return status;
    failure.status = wal_header_get(bytes, file->path, header, &checksum, &failure);
    *started = !failure.status;
    if (failure.status == LSMKV_CORRUPT)
        status = rest_is_zero(file, sizeof(bytes), size, &zero, err);
    if (!status && failure.status && (failure.status != LSMKV_CORRUPT || !zero))
        status = lsmkv_fail(err, failure.status, "%s", failure.message);
    return status;
}

static enum lsmkv_status read_header(struct os_fs *fs, const char *dir, uint64_t number, struct wal_header *header,
                                     bool *started, struct lsmkv_error *err)
{
    struct os_file *file = NULL;
    char *path = segment_path(dir, number);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_open(fs, path, OS_READ, &file, err);
    if (!status)
        status = read_open_header(file, header, started, err);
    if (!status && *started && header->segment != number)
        status = lsmkv_fail(err, LSMKV_CORRUPT, "%s: the header says segment %" PRIu64, path, header->segment);
    if (file)
        (void)os_close(file, NULL); /* was only read */
    lsm_free(path);
    return status;
}

/* ---- The chain ---- */

static enum lsmkv_status missing(const char *dir, uint64_t number, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CORRUPT, "%s/%s/%06" PRIu64 ".wal: missing or empty, but the log needs it: " REPAIR,
                      dir, NAME_SEGMENT_DIR, number);
}

static enum lsmkv_status foreign(const char *dir, uint64_t number, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CANTOPEN, "%s/%s/%06" PRIu64 ".wal: belongs to another store", dir, NAME_SEGMENT_DIR,
                      number);
}

/* Appends `header`'s segment, whose predecessor is the last one in the list (or none, for the first). */
static void append(struct segments *segments, const struct wal_header *header, const struct manifest *manifest)
{
    struct segment *segment = &segments->list[segments->count];

    if (segments->count && header->length_promised && segment[-1].promised < header->predecessor_length)
        segment[-1].promised = header->predecessor_length;
    segment->number = header->segment;
    segment->header = *header;
    segment->promised = header->segment == manifest->clean_segment ? manifest->clean_length : 0;
    segments->count++;
}

/*
 * Takes the next segment that has a header. `end`: it does not follow, which only a log without promises may show: it ends
 * before.
 */
static enum lsmkv_status follow(struct segments *segments, const struct wal_header *header,
                                const struct manifest *manifest, const char *dir, bool *end, struct lsmkv_error *err)
{
    uint64_t last = segments->count ? segments->list[segments->count - 1].number : 0;

    if (memcmp(header->store_id, manifest->store_id, sizeof(header->store_id)) != 0)
        return foreign(dir, header->segment, err);
    if (header->segment == manifest->first_segment || (last && header->predecessor == last)) {
        append(segments, header, manifest);
        return LSMKV_OK;
    }
    if (header->predecessor == 0)
        return LSMKV_OK; /* of a recovery that died */
    if (header->length_promised)
        return missing(
            dir, header->predecessor < manifest->first_segment ? manifest->first_segment : header->predecessor, err);
    *end = true;
    return LSMKV_OK;
}

static bool holds(const struct segments *segments, uint64_t number)
{
    for (size_t i = 0; i < segments->count; i++) {
        if (segments->list[i].number == number)
            return true;
    }
    return false;
}

enum lsmkv_status segments_find(struct segments *segments, struct os_fs *fs, const char *dir,
                                const struct manifest *manifest, struct lsmkv_error *err)
{
    struct numbers numbers;
    bool end = false;
    enum lsmkv_status status;

    status = list_segments(&numbers, fs, dir, manifest->first_segment, err);
    if (status)
        goto done;
    if (numbers.count == 0 || numbers.list[0] != manifest->first_segment) {
        status = missing(dir, manifest->first_segment, err);
        goto done;
    }
    segments->list = lsm_calloc(numbers.count, sizeof(*segments->list));
    if (!segments->list) {
        status = lsmkv_fail_nomem(err);
        goto done;
    }
    for (size_t i = 0; !status && !end && i < numbers.count; i++) {
        struct wal_header header;
        bool started = false;

        status = read_header(fs, dir, numbers.list[i], &header, &started, err);
        if (!status && started)
            status = follow(segments, &header, manifest, dir, &end, err);
    }
    if (!status && manifest->clean_segment && !holds(segments, manifest->clean_segment))
        status = missing(dir, manifest->clean_segment, err);

done:
    lsm_free(numbers.list);
    return status;
}

void segments_release(struct segments *segments)
{
    lsm_free(segments->list);
    segments->list = NULL;
    segments->count = 0;
}

/* ---- Syncing ---- */

static enum lsmkv_status sync_segment(struct os_fs *fs, const char *dir, uint64_t number, struct lsmkv_error *err)
{
    struct os_file *file = NULL;
    char *path = segment_path(dir, number);
    enum lsmkv_status status;

    if (!path)
        return lsmkv_fail_nomem(err);
    status = os_fs_open(fs, path, OS_WRITE, &file, err);
    if (!status)
        status = os_sync(file, err);
    if (file) {
        enum lsmkv_status closed = os_close(file, status ? NULL : err);

        status = status ? status : closed;
    }
    lsm_free(path);
    return status;
}

enum lsmkv_status segments_sync_all(struct os_fs *fs, const char *dir, struct lsmkv_error *err)
{
    struct numbers numbers;
    enum lsmkv_status status = list_segments(&numbers, fs, dir, 0, err);

    for (size_t i = 0; !status && i < numbers.count; i++)
        status = sync_segment(fs, dir, numbers.list[i], err);
    lsm_free(numbers.list);
    return status;
}
