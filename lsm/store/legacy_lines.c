/*
 * legacy_lines.c - reads a text file line by line, of any size, with lines of bounded size.
 */
#include <inttypes.h>

#include "base/error.h"
#include "store/legacy_text.h"

#define READ_SIZE 65536u

/* Drops what was returned, then reads on. */
static enum lsmkv_status read_more(struct legacy_lines *lines, struct lsmkv_error *err)
{
    uint64_t left = lines->size - lines->offset;
    size_t size = left < READ_SIZE ? (size_t)left : READ_SIZE;
    enum lsmkv_status status;

    if (lines->at) {
        memmove(lines->buf.data, lines->buf.data + lines->at, lines->buf.size - lines->at);
        lines->buf.size -= lines->at;
        lines->at = 0;
    }
    if (lines->buf.size > LEGACY_LINE_MAX)
        return lsmkv_fail(err, LSMKV_CORRUPT, "%s: line %" PRIu64 ": longer than %u bytes", lines->file->path,
                          lines->number, LEGACY_LINE_MAX);
    status = buf_reserve(&lines->buf, size, err);
    if (!status)
        status = os_read(lines->file, lines->offset, lines->buf.data + lines->buf.size, size, err);
    if (status)
        return status;
    lines->buf.size += size;
    lines->offset += size;
    return LSMKV_OK;
}

enum lsmkv_status legacy_lines_next(struct legacy_lines *lines, bool *found, struct lsmkv_error *err)
{
    size_t searched = 0;
    enum lsmkv_status status;

    *found = false;
    if (lines->number++ == 0) {
        status = os_size(lines->file, &lines->size, err);
        if (status)
            return status;
    }
    for (;;) {
        const uint8_t *start = lines->buf.data + lines->at;
        size_t left = lines->buf.size - lines->at;
        const uint8_t *newline = left > searched ? memchr(start + searched, '\n', left - searched) : NULL;

        lines->ended = newline != NULL;
        if (newline || lines->offset == lines->size) {
            lines->line = slice_of(start, newline ? (size_t)(newline - start) : left);
            lines->at += lines->line.size + lines->ended;
            *found = newline || left;
            return LSMKV_OK;
        }
        searched = left;
        status = read_more(lines, err);
        if (status)
            return status;
    }
}

void legacy_lines_release(struct legacy_lines *lines)
{
    lsmkv_buf_release(&lines->buf);
}
