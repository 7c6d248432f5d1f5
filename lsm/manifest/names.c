/*
 * names.c - see names.h. A name is ours only if formatting its number gives it again.
 */
#include "manifest/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "manifest/format.h"
#include "os/fs.h"

#define NAME_SIZE 64 /* bytes that hold every name of ours */

static void print_level_name(char name[NAME_SIZE], unsigned level, uint64_t generation)
{
    snprintf(name, NAME_SIZE, "level_%u-%" PRIu64 ".json", level, generation);
}

static void print_numbered(char name[NAME_SIZE], uint64_t number, const char *suffix)
{
    snprintf(name, NAME_SIZE, "%06" PRIu64 ".%s", number, suffix);
}

char *level_file_path(const char *dir, unsigned level, uint64_t generation)
{
    char name[NAME_SIZE];

    print_level_name(name, level, generation);
    return os_path(dir, NAME_MANIFEST_DIR "/%s", name);
}

char *segment_path(const char *dir, uint64_t number)
{
    char name[NAME_SIZE];

    print_numbered(name, number, "wal");
    return os_path(dir, NAME_SEGMENT_DIR "/%s", name);
}

/* Leading decimal digits; stops where the number would pass the maximum, which then matches no name. */
static uint64_t leading_number(const char *text)
{
    uint64_t number = 0;

    while (*text >= '0' && *text <= '9' && number <= MANIFEST_NUMBER_MAX / 10)
        number = number * 10 + (uint64_t)(*text++ - '0');
    return number;
}

static bool in_range(uint64_t number)
{
    return number > 0 && number <= MANIFEST_NUMBER_MAX;
}

bool level_file_name(const char *name, unsigned *level, uint64_t *generation)
{
    char again[NAME_SIZE];

    if (strncmp(name, "level_", 6) != 0 || name[6] < '0' || name[6] > '9' || name[7] != '-')
        return false;
    *level = (unsigned)(name[6] - '0');
    *generation = leading_number(name + 8);
    print_level_name(again, *level, *generation);
    return *level < LSMKV_LEVELS && in_range(*generation) && strcmp(name, again) == 0;
}

static bool numbered_name(const char *name, const char *suffix, uint64_t *number)
{
    char again[NAME_SIZE];

    *number = leading_number(name);
    print_numbered(again, *number, suffix);
    return in_range(*number) && strcmp(name, again) == 0;
}

bool table_name(const char *name, uint64_t *number)
{
    return numbered_name(name, "sst", number);
}

bool segment_name(const char *name, uint64_t *number)
{
    return numbered_name(name, "wal", number);
}
