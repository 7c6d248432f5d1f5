/*
 * fuzz_sstable.c - reads hostile tables: no crash, no endless walk, only the failures that are promised.
 *
 * The first byte of the input says how much of the rest is made consistent first, since no fuzzer guesses a checksum: bit 0
 * data blocks, bit 1 filter and index, bit 2 properties and footer. Bit 3: read without caches. The rest is the file.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "os/fs.h"
#include "sstable/reader.h"
#include "sstable/table.h"

#define DIRECTORY "d"
#define NUMBER    1
#define STEPS_MAX 100000 /* more entries than an input has room for */

enum { SEAL_DATA = 1, SEAL_INDEX = 2, SEAL_FOOTER = 4, NO_CACHE = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

/* ---- Making checksums right ---- */

/* The block's own codec and raw size are kept. Returns its checksum. */
static uint64_t seal(uint8_t *file, uint64_t offset, uint64_t size)
{
    struct block_place place = {"", NUMBER, offset};
    struct lsmkv_buf block = LSMKV_BUF_INIT;
    const uint8_t *trailer = file + offset + size - BLOCK_TRAILER_SIZE;
    uint64_t checksum;

    require(!buf_append(&block, file + offset, (size_t)size - BLOCK_TRAILER_SIZE, NULL));
    require(!block_seal(&block, (enum block_codec)trailer[0], get_u32(trailer + 1), &place, &checksum, NULL));
    memcpy(file + offset, block.data, block.size);
    lsmkv_buf_release(&block);
    return checksum;
}

/* Seals the data blocks as the sizes in the index tell. Returns the chain up to the filter. */
static uint64_t seal_data(uint8_t *file, const struct sstable_layout *layout)
{
    struct block_place place = {"", NUMBER, layout->data_size + layout->filter_size};
    struct block_iter it = {.key = LSMKV_BUF_INIT};
    uint64_t chain = 0, offset = 0, size;
    enum lsmkv_status status;
    struct reader reader;
    struct block block;

    if (block_init(&block, slice_of(file + place.offset, (size_t)layout->index_size - BLOCK_TRAILER_SIZE), &place,
                   NULL))
        return 0;
    block_iter_set(&it, &block);
    for (status = block_iter_first(&it, NULL); !status && it.valid; status = block_iter_next(&it, NULL)) {
        reader_init(&reader, it.entry.value);
        if (!read_varint(&reader, &size) || size < BLOCK_TRAILER_SIZE || size > layout->data_size - offset)
            break;
        chain = block_chain(chain, seal(file, offset, size));
        offset += size;
    }
    block_iter_release(&it);
    return chain;
}

/* The sizes in the properties, if they fill the `size` bytes before the properties. */
static bool find_layout(const uint8_t *file, uint64_t size, uint64_t properties_size, struct sstable_layout *layout)
{
    struct block_place place = {"", NUMBER, 0};
    struct sstable_info info = SSTABLE_INFO_INIT;
    enum lsmkv_status status = properties_get(slice_of(file + size, (size_t)properties_size - BLOCK_TRAILER_SIZE),
                                              &place, &info, layout, NULL);

    sstable_info_release(&info);
    return !status && layout->data_size <= size && layout->filter_size <= size - layout->data_size &&
           layout->index_size == size - layout->data_size - layout->filter_size &&
           layout->index_size >= BLOCK_TRAILER_SIZE &&
           (layout->filter_size == 0 || layout->filter_size >= BLOCK_TRAILER_SIZE);
}

static void seal_file(uint8_t *file, uint64_t size, unsigned how)
{
    struct sstable_footer footer = {.number = NUMBER, .file_size = size};
    struct sstable_layout layout;
    uint64_t properties, chain;

    if (size < SSTABLE_FOOTER_SIZE + BLOCK_TRAILER_SIZE)
        return;
    footer.properties_size = get_u64(file + size - SSTABLE_FOOTER_SIZE + 16);
    if (footer.properties_size < BLOCK_TRAILER_SIZE || footer.properties_size > size - SSTABLE_FOOTER_SIZE)
        return;
    properties = size - SSTABLE_FOOTER_SIZE - footer.properties_size;
    if (find_layout(file, properties, footer.properties_size, &layout)) {
        chain = how & SEAL_DATA ? seal_data(file, &layout) : 0;
        if (how & SEAL_INDEX && layout.filter_size)
            chain = block_chain(chain, seal(file, layout.data_size, layout.filter_size));
        if (how & SEAL_INDEX)
            chain = block_chain(chain, seal(file, layout.data_size + layout.filter_size, layout.index_size));
        if (how & SEAL_DATA && how & SEAL_INDEX)
            put_u64(file + properties + 72, chain);
    }
    if (how & SEAL_FOOTER) {
        footer.properties_checksum = seal(file, properties, footer.properties_size);
        footer_put(file + size - SSTABLE_FOOTER_SIZE, &footer);
    }
}

/* ---- Reading ---- */

static bool allowed(enum lsmkv_status status)
{
    return status == LSMKV_OK || status == LSMKV_CORRUPT || status == LSMKV_CANTOPEN || status == LSMKV_NOMEM;
}

/* Walks to the end: keys must rise or fall. `last` holds the last key seen. */
static void walk(struct table *table, bool forward, bool sequential, struct lsmkv_buf *last)
{
    enum lsmkv_status status;
    size_t steps = 0;
    struct iter *it;

    status = table_iter_new(&it, table, sequential, NULL);
    require(allowed(status));
    if (status)
        return;
    status = forward ? iter_first(it, NULL) : iter_last(it, NULL);
    while (!status && iter_valid(it)) {
        if (steps > 0) {
            int order = slice_compare(slice_of_buf(last), iter_entry(it)->key);

            require(forward ? order < 0 : order > 0);
        }
        require(++steps < STEPS_MAX);
        require(!buf_set(last, iter_entry(it)->key, NULL));
        status = forward ? iter_next(it, NULL) : iter_prev(it, NULL);
    }
    require(allowed(status));
    iter_free(it);
}

static void look_up(struct table *table, struct lsmkv_slice key)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    enum entry_kind kind = ENTRY_PUT;
    enum lsmkv_status status;
    struct iter *it;
    bool found;

    require(allowed(table_get(table, key, &value, &kind, &found, NULL)));
    lsmkv_buf_release(&value);
    if (table_iter_new(&it, table, false, NULL))
        return;
    status = iter_seek(it, key, NULL);
    require(allowed(status) && (status || !iter_valid(it) || slice_compare(iter_entry(it)->key, key) >= 0));
    status = iter_seek_for_prev(it, key, NULL);
    require(allowed(status) && (status || !iter_valid(it) || slice_compare(iter_entry(it)->key, key) <= 0));
    iter_free(it);
}

static void read_table(struct os_fs *fs, const struct sstable_info *info, bool no_cache)
{
    static struct counters counters;
    struct lsmkv_buf last = LSMKV_BUF_INIT;
    struct table_cache *cache;
    struct table *table;

    require(!table_cache_new(&cache, fs, DIRECTORY, 1, no_cache ? 0 : 1 << 20, LSMKV_IO_PREAD, &counters, NULL));
    require(!table_new(&table, cache, info, NULL));
    walk(table, true, true, &last);
    look_up(table, slice_of_buf(&last));
    walk(table, false, false, &last);
    look_up(table, slice_of_buf(&last));
    walk(table, true, false, &last);
    look_up(table, slice_of_buf(&info->key_min));
    look_up(table, slice_of("m", 1));
    table_unref(table);
    table_cache_free(cache);
    lsmkv_buf_release(&last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sstable_info info = SSTABLE_INFO_INIT;
    struct os_fs *fs = os_memory_fs_new();
    char *path = sstable_path(DIRECTORY, NUMBER);
    struct os_file *file = NULL;
    uint8_t *copy = malloc(size + 1);
    enum lsmkv_status status;

    require(fs && path && copy);
    if (size > 1) {
        memcpy(copy, data + 1, --size);
        seal_file(copy, size, data[0]);
        require(!os_fs_make_dir(fs, DIRECTORY, NULL) && !os_fs_make_dir(fs, DIRECTORY "/sst", NULL));
        require(!os_fs_open(fs, path, OS_CREATE_NEW, &file, NULL));
        require(!os_write(file, 0, copy, size, NULL) && !os_close(file, NULL));
        status = sstable_describe(fs, DIRECTORY, NUMBER, &info, NULL);
        require(allowed(status));
        if (!status)
            read_table(fs, &info, data[0] & NO_CACHE);
    }
    sstable_info_release(&info);
    free(copy);
    lsm_free(path);
    os_memory_fs_free(fs);
    return 0;
}
