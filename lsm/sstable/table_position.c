/* Where a key lies among a table's entries, for estimates. */
#include "sstable/block.h"
#include "sstable/table_pin.h"

#define DIGITS 8 /* bytes that are looked at */

/* Which bytes occur where keys differ: as digits of a number of that base. */
struct alphabet {
    uint8_t first;
    unsigned size;
};

static const struct alphabet alphabets[] = {{'0', 10}, {' ', 95}, {0, 256}};

/* Whether the bytes from `at` on are of the alphabet, up to a zero byte, which ends text in a key. */
static bool is_written_in(struct lsmkv_slice key, size_t at, const struct alphabet *alphabet)
{
    for (size_t i = at; i < at + DIGITS && i < key.size && key.data[i]; i++) {
        if (key.data[i] < alphabet->first || key.data[i] - alphabet->first >= (int)alphabet->size)
            return false;
    }
    return true;
}

/* The bytes from `at` on as a number, as if zeros followed. */
static double number_at(struct lsmkv_slice key, size_t at, const struct alphabet *alphabet)
{
    double number = 0;
    bool ended = false;

    for (size_t i = at; i < at + DIGITS; i++) {
        ended = ended || i >= key.size || key.data[i] < alphabet->first;
        number = number * alphabet->size + (ended ? 0 : key.data[i] - alphabet->first);
    }
    return number;
}

/* Where `key` lies between two others, by the first bytes in which these differ: 0 to 1. */
static double between(struct lsmkv_slice key, struct lsmkv_slice low, struct lsmkv_slice high)
{
    size_t at = shared_prefix(low, high);
    const struct alphabet *alphabet = alphabets;
    double from, to, is;

    if (slice_compare(key, low) <= 0)
        return 0;
    if (slice_compare(key, high) >= 0)
        return 1;
    while (!is_written_in(low, at, alphabet) || !is_written_in(high, at, alphabet) || !is_written_in(key, at, alphabet))
        alphabet++; /* the last one has all bytes */
    from = number_at(low, at, alphabet);
    to = number_at(high, at, alphabet);
    is = number_at(key, at, alphabet);
    if (is <= from || to <= from)
        return 0;
    return is >= to ? 1 : (is - from) / (to - from);
}

/* Blocks hold entries in proportion to their bytes. */
static double position_in_index(const struct sstable *reader, struct lsmkv_slice low, struct lsmkv_slice key)
{
    const struct sstable_index *index = &reader->index;
    size_t block = sstable_index_find(reader, key);
    double start, size;

    if (block >= index->count)
        return 1;
    if (block > 0)
        low = sstable_index_key(reader, block - 1);
    start = (double)(index->offsets[block] - index->offsets[0]);
    size = (double)(index->offsets[block + 1] - index->offsets[block]);
    return (start + size * between(key, low, sstable_index_key(reader, block))) /
           (double)(index->offsets[index->count] - index->offsets[0]);
}

double table_position(struct table *table, struct lsmkv_slice key)
{
    const struct sstable_info *info = table_info(table);
    struct lsmkv_slice low = slice_of_buf(&info->key_min), high = slice_of_buf(&info->key_max);
    struct sstable *reader;
    double position;

    if (slice_compare(key, low) <= 0)
        return 0;
    if (slice_compare(key, high) > 0)
        return 1;
    reader = table_pin_open(table);
    if (!reader)
        return between(key, low, high);
    position = position_in_index(reader, low, key);
    table_unpin(table);
    return position;
}
