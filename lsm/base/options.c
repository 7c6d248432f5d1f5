/*
 * options.c - the options of a store: one row each, with unit, range and default; their text both ways.
 *
 * Names, words and units are ASCII and compared without letter case. Nothing here depends on the locale of the host.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define KB (1ull << 10)
#define MB (1ull << 20)
#define GB (1ull << 30)
#define TB (1ull << 40)

enum option_kind {
    KIND_WORD,    /* one of `words` */
    KIND_COUNT,   /* whole number */
    KIND_BYTES,   /* whole number with an optional KB, MB, GB or TB (powers of 1024) */
    KIND_MS,      /* whole milliseconds */
    KIND_SECONDS, /* seconds with up to three decimals; the field holds milliseconds */
    KIND_SHARE,   /* decimal; the range below is in millionths */
};

enum field_type { FIELD_ENUM, FIELD_U32, FIELD_U64, FIELD_DOUBLE };

struct option {
    const char *name;
    enum option_kind kind;
    enum field_type type;
    size_t offset;
    uint64_t min, max, initial; /* in the unit of the field; millionths for KIND_SHARE; index for KIND_WORD */
    const char *words;          /* separated by blanks, in the order of the enum */
    bool at_once;               /* a change takes effect while the store is open */
};

#define FIELD(field) offsetof(struct lsmkv_options, field)

static const struct option options_table[] = {
    {"sync", KIND_WORD, FIELD_ENUM, FIELD(sync), 0, 2, LSMKV_SYNC_FULL, "full normal off", false},
    {"compression", KIND_WORD, FIELD_ENUM, FIELD(compression), 0, 3, LSMKV_COMPRESSION_NONE, "none lz4 zstd auto",
     true},
    {"io", KIND_WORD, FIELD_ENUM, FIELD(io), 0, 1, LSMKV_IO_MMAP, "mmap pread", false},
    {"atomic", KIND_WORD, FIELD_ENUM, FIELD(atomic), 0, 2, LSMKV_ATOMIC_AUTO, "auto always off", true},
    {"memtable_size", KIND_BYTES, FIELD_U64, FIELD(memtable_size), 64 * KB, 4 * GB, 64 * MB, NULL, true},
    {"max_immutables", KIND_COUNT, FIELD_U32, FIELD(max_immutables), 1, 64, 2, NULL, true},
    {"cache_size", KIND_BYTES, FIELD_U64, FIELD(cache_size), 1 * MB, 1 * TB, 64 * MB, NULL, true},
    {"block_size", KIND_BYTES, FIELD_U32, FIELD(block_size), 512, 16 * MB, 4 * KB, NULL, true},
    {"filter_bits", KIND_COUNT, FIELD_U32, FIELD(filter_bits), 0, 32, 10, NULL, true},
    {"soft_limit", KIND_SHARE, FIELD_DOUBLE, FIELD(soft_limit), 500000, 1000000, 850000, NULL, true},
    {"l0_tables", KIND_COUNT, FIELD_U32, FIELD(l0_tables), 2, 1000, 4, NULL, true},
    {"base_level_size", KIND_BYTES, FIELD_U64, FIELD(base_level_size), 64 * KB, 1 * TB, 64 * MB, NULL, true},
    {"level_ratio", KIND_COUNT, FIELD_U32, FIELD(level_ratio), 2, 100, 10, NULL, true},
    {"flush_workers", KIND_COUNT, FIELD_U32, FIELD(flush_workers), 1, 16, 1, NULL, false},
    {"compaction_workers", KIND_COUNT, FIELD_U32, FIELD(compaction_workers), 1, 64, 1, NULL, false},
    {"rate_limit", KIND_BYTES, FIELD_U64, FIELD(rate_limit), 0, 1 * TB, 0, NULL, true},
    {"wait_ms", KIND_MS, FIELD_U32, FIELD(wait_ms), 0, 86400000, 5000, NULL, true},
    {"stall_timeout", KIND_SECONDS, FIELD_U32, FIELD(stall_timeout_ms), 0, 86400000, 60000, NULL, true},
    {"transaction_size", KIND_BYTES, FIELD_U64, FIELD(transaction_size), 64 * KB, 1 * TB, 4 * GB, NULL, true},
    {"history_size", KIND_BYTES, FIELD_U64, FIELD(history_size), 0, 1 * TB, 256 * MB, NULL, true},
};

#define OPTION_COUNT (sizeof(options_table) / sizeof(options_table[0]))
#define SHARE_SCALE  1000000u
#define TEXT_MAX     64 /* as lsmkv_options_get() promises */

/* ---- Fields ---- */

static void store_field(struct lsmkv_options *options, const struct option *option, uint64_t value)
{
    void *field = (uint8_t *)options + option->offset;

    switch (option->type) {
    case FIELD_ENUM: {
        unsigned word = (unsigned)value;

        _Static_assert(sizeof(enum lsmkv_sync) == sizeof(unsigned), "enums are ints");
        memcpy(field, &word, sizeof(word));
        break;
    }
    case FIELD_U32: {
        uint32_t narrow = (uint32_t)value;

        memcpy(field, &narrow, sizeof(narrow));
        break;
    }
    case FIELD_U64:
        memcpy(field, &value, sizeof(value));
        break;
    case FIELD_DOUBLE: {
        double share = (double)value / SHARE_SCALE;

        memcpy(field, &share, sizeof(share));
        break;
    }
    }
}

static uint64_t load_field(const struct lsmkv_options *options, const struct option *option)
{
    const void *field = (const uint8_t *)options + option->offset;
    uint64_t value = 0;

    switch (option->type) {
    case FIELD_ENUM: {
        unsigned word;

        memcpy(&word, field, sizeof(word));
        value = word;
        break;
    }
    case FIELD_U32: {
        uint32_t narrow;

        memcpy(&narrow, field, sizeof(narrow));
        value = narrow;
        break;
    }
    case FIELD_U64:
        memcpy(&value, field, sizeof(value));
        break;
    case FIELD_DOUBLE: {
        double share;

        memcpy(&share, field, sizeof(share));
        value = (uint64_t)(share * SHARE_SCALE + 0.5);
        break;
    }
    }
    return value;
}

void lsmkv_options_init(struct lsmkv_options *options)
{
    memset(options, 0, sizeof(*options));
    for (size_t i = 0; i < OPTION_COUNT; i++)
        store_field(options, &options_table[i], options_table[i].initial);
}

/* ---- Reading text ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether the `size` bytes at `a` are `b`, without letter case. */
static bool same_word(const char *a, size_t size, const char *b)
{
    for (size_t i = 0; i < size; i++) {
        if (b[i] == '\0' || lower(a[i]) != lower(b[i]))
            return false;
    }
    return b[size] == '\0';
}

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (same_word(name, strlen(name), options_table[i].name))
            return &options_table[i];
    }
    return NULL;
}

/* Takes decimal digits; false if there are none or the number is over 64 bits. */
static bool take_digits(const char **text, uint64_t *value)
{
    const char *at = *text;
    uint64_t result = 0;

    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(result, 10, &result) ||
            __builtin_add_overflow(result, (uint64_t)(*at - '0'), &result))
            return false;
    }
    *text = at;
    *value = result;
    return true;
}

/* Takes "12", "12.5" or ".5" as a whole number of 1/scale; digits finer than that must be zeros. */
static bool take_decimal(const char **text, uint64_t scale, uint64_t *value)
{
    uint64_t whole = 0, part = 0;

    if (**text != '.' && !take_digits(text, &whole))
        return false;
    if (**text == '.') {
        const char *at = *text + 1;
        uint64_t weight = scale;

        if (*at < '0' || *at > '9')
            return false;
        for (; *at >= '0' && *at <= '9'; at++) {
            weight /= 10;
            if (weight == 0 && *at != '0')
                return false;
            part += weight * (uint64_t)(*at - '0');
        }
        *text = at;
    }
    return !__builtin_mul_overflow(whole, scale, value) && !__builtin_add_overflow(*value, part, value);
}

static const struct unit {
    const char *name;
    uint64_t factor;
} units[] = {{"TB", TB}, {"GB", GB}, {"MB", MB}, {"KB", KB}};

#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static bool take_unit(const char **text, uint64_t *value)
{
    while (**text == ' ')
        (*text)++;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (same_word(*text, strlen(*text), units[i].name)) {
            *text += strlen(*text);
            return !__builtin_mul_overflow(*value, units[i].factor, value);
        }
    }
    return true;
}

static bool take_word(const char *words, const char **text, uint64_t *value)
{
    const char *word = words;

    for (uint64_t index = 0;; index++) {
        size_t size = strcspn(word, " ");

        if (strlen(*text) == size && same_word(word, size, *text)) {
            *text += size;
            *value = index;
            return true;
        }
        if (word[size] == '\0')
            return false;
        word += size + 1;
    }
}

static bool parse_value(const struct option *option, const char *text, uint64_t *value)
{
    bool good = false;

    switch (option->kind) {
    case KIND_WORD:
        good = take_word(option->words, &text, value);
        break;
    case KIND_COUNT:
    case KIND_MS:
        good = take_digits(&text, value);
        break;
    case KIND_BYTES:
        good = take_digits(&text, value) && take_unit(&text, value);
        break;
    case KIND_SECONDS:
        good = take_decimal(&text, 1000, value);
        break;
    case KIND_SHARE:
        good = take_decimal(&text, SHARE_SCALE, value);
        break;
    }
    return good && *text == '\0' && *value >= option->min && *value <= option->max;
}

/* ---- Writing text ---- */

static void format_decimal(char *text, uint64_t value, uint64_t scale, int digits)
{
    size_t size;

    snprintf(text, TEXT_MAX, "%" PRIu64 ".%0*" PRIu64, value / scale, digits, value % scale);
    for (size = strlen(text); text[size - 1] == '0'; size--)
        text[size - 1] = '\0';
    if (text[size - 1] == '.')
        text[size - 1] = '\0';
}

static void format_bytes(char *text, uint64_t value)
{
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (value && value % units[i].factor == 0) {
            snprintf(text, TEXT_MAX, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
            return;
        }
    }
    snprintf(text, TEXT_MAX, "%" PRIu64, value);
}

static void format_word(char *text, const char *words, uint64_t index)
{
    for (; index; index--)
        words += strcspn(words, " ") + 1;
    snprintf(text, TEXT_MAX, "%.*s", (int)strcspn(words, " "), words);
}

static void format_value(const struct option *option, uint64_t value, char *text)
{
    switch (option->kind) {
    case KIND_WORD:
        format_word(text, option->words, value);
        break;
    case KIND_COUNT:
    case KIND_MS:
        snprintf(text, TEXT_MAX, "%" PRIu64, value);
        break;
    case KIND_BYTES:
        format_bytes(text, value);
        break;
    case KIND_SECONDS:
        format_decimal(text, value, 1000, 3);
        break;
    case KIND_SHARE:
        format_decimal(text, value, SHARE_SCALE, 6);
        break;
    }
}

/* "one of full, normal, off" or "64KB to 4GB". */
static void format_range(const struct option *option, char *text, size_t size)
{
    static const char *const unit_names[] = {"", "", "", " milliseconds", " seconds", ""};
    char min[TEXT_MAX], max[TEXT_MAX];
    size_t used;

    if (option->kind != KIND_WORD) {
        format_value(option, option->min, min);
        format_value(option, option->max, max);
        snprintf(text, size, "%s to %s%s", min, max, unit_names[option->kind]);
        return;
    }
    used = (size_t)snprintf(text, size, "one of ");
    for (const char *c = option->words; *c && used + 3 < size; c++) {
        if (*c == ' ')
            text[used++] = ',';
        text[used++] = *c;
    }
    text[used] = '\0';
}

/* ---- What lsmkv.h promises ---- */

bool lsmkv_option_known(const char *name)
{
    return find_option(name) != NULL;
}

enum lsmkv_status lsmkv_options_set(struct lsmkv_options *options, const char *name, const char *value,
                                    struct lsmkv_error *err)
{
    const struct option *option = find_option(name);
    uint64_t parsed = 0;
    char range[LSMKV_RANGE_MAX];

    if (!option)
        return lsmkv_fail(err, LSMKV_INVALID, "unknown option: %.100s", name);
    if (!parse_value(option, value, &parsed)) {
        format_range(option, range, sizeof(range));
        return lsmkv_fail(err, LSMKV_INVALID, "option %s = %.100s: must be %s", option->name, value, range);
    }
    store_field(options, option, parsed);
    return LSMKV_OK;
}

bool lsmkv_options_get(const struct lsmkv_options *options, size_t index, const char **name, char value[64])
{
    if (index >= OPTION_COUNT)
        return false;
    *name = options_table[index].name;
    format_value(&options_table[index], load_field(options, &options_table[index]), value);
    return true;
}

bool lsmkv_options_describe(size_t index, struct lsmkv_option_info *info)
{
    const struct option *option;

    if (index >= OPTION_COUNT)
        return false;
    option = &options_table[index];
    info->name = option->name;
    info->at_once = option->at_once;
    format_value(option, option->initial, info->initial);
    format_range(option, info->range, sizeof(info->range));
    return true;
}

bool lsmkv_option_at_once(const char *name)
{
    const struct option *option = find_option(name);

    return option && option->at_once;
}
