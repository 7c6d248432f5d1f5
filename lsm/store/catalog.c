/*
 * catalog.c - tables by name, ids that are never reused, and the record of those that were dropped.
 */
#include "store/catalog.h"

#include <string.h>

#include "base/coding.h"
#include "base/error.h"

#define ID_SIZE 4 /* bytes of an id in a value, and in the key of a dropped table */

/* ---- Keys and values ---- */

struct lsmkv_slice catalog_prefix(uint8_t bytes[CATALOG_PREFIX], uint8_t kind)
{
    put_u32_be(bytes, 0);
    bytes[LSMKV_TABLE_ID_SIZE] = kind;
    return slice_of(bytes, CATALOG_PREFIX);
}

bool catalog_dropped_id(struct lsmkv_slice key, uint32_t *id)
{
    uint8_t bytes[CATALOG_PREFIX];

    if (key.size != CATALOG_PREFIX + ID_SIZE)
        return false;
    if (memcmp(key.data, catalog_prefix(bytes, CATALOG_DROPPED).data, CATALOG_PREFIX) != 0)
        return false;
    *id = get_u32_be(key.data + CATALOG_PREFIX);
    return true;
}

static enum lsmkv_status table_key(struct lsmkv_buf *key, const char *name, struct lsmkv_error *err)
{
    uint8_t bytes[CATALOG_PREFIX];
    struct lsmkv_slice prefix = catalog_prefix(bytes, CATALOG_TABLE);
    enum lsmkv_status status;

    buf_clear(key);
    status = buf_append(key, prefix.data, prefix.size, err);
    if (!status)
        status = buf_append(key, name, strlen(name), err);
    return status;
}

static enum lsmkv_status damaged(struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_CORRUPT, "a row of the store's catalog is not what the engine writes");
}

static enum lsmkv_status check_writing(const struct lsmkv_session *session, struct lsmkv_error *err)
{
    if (lsmkv_session_state(session) == LSMKV_SESSION_WRITING)
        return LSMKV_OK;
    return lsmkv_fail(err, LSMKV_MISUSE, "a catalog write outside a write transaction");
}

/* ---- Looking ---- */

/* The value of a table's row, and its key; `value` holds id and definition. */
static enum lsmkv_status read_row(struct lsmkv_session *session, const char *name, struct lsmkv_buf *key,
                                  struct lsmkv_buf *value, bool *found, struct lsmkv_error *err)
{
    enum lsmkv_status status = table_key(key, name, err);

    *found = false;
    if (!status)
        status = lsmkv_get(session, slice_of_buf(key), value, found, err);
    if (!status && *found && value->size < ID_SIZE)
        status = damaged(err);
    return status;
}

enum lsmkv_status lsmkv_catalog_find(struct lsmkv_session *session, const char *name, struct lsmkv_table_entry *entry,
                                     bool *found, struct lsmkv_error *err)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    enum lsmkv_status status = read_row(session, name, &key, &value, found, err);

    if (status || !*found)
        goto done;
    status = buf_set(&entry->definition, slice_of(value.data + ID_SIZE, value.size - ID_SIZE), err);
    if (!status)
        entry->id = get_u32(value.data);

done:
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&value);
    return status;
}

typedef enum lsmkv_status visit_table(void *context, const char *name, uint32_t id, struct lsmkv_slice definition);

static enum lsmkv_status visit_row(struct lsmkv_cursor *cursor, struct lsmkv_buf *name, visit_table *visit,
                                   void *context, struct lsmkv_error *err)
{
    struct lsmkv_slice key = lsmkv_cursor_key(cursor);
    struct lsmkv_slice value = lsmkv_cursor_value(cursor);
    enum lsmkv_status status;

    if (value.size < ID_SIZE)
        return damaged(err);
    buf_clear(name);
    status = buf_append(name, key.data + CATALOG_PREFIX, key.size - CATALOG_PREFIX, err);
    if (!status)
        status = buf_append(name, "", 1, err);
    if (status)
        return status;
    return visit(context, (const char *)name->data, get_u32(value.data),
                 slice_of(value.data + ID_SIZE, value.size - ID_SIZE));
}

enum lsmkv_status lsmkv_catalog_each(struct lsmkv_session *session, visit_table *visit, void *context,
                                     struct lsmkv_error *err)
{
    uint8_t from[CATALOG_PREFIX], to[CATALOG_PREFIX];
    struct lsmkv_cursor *cursor = NULL;
    struct lsmkv_buf name = LSMKV_BUF_INIT;
    enum lsmkv_status status;

    status = lsmkv_cursor_open(&cursor, session, catalog_prefix(from, CATALOG_TABLE),
                               catalog_prefix(to, CATALOG_TABLE + 1), err);
    if (!status)
        status = lsmkv_cursor_first(cursor, err);
    while (!status && lsmkv_cursor_valid(cursor)) {
        status = visit_row(cursor, &name, visit, context, err);
        if (!status)
            status = lsmkv_cursor_next(cursor, err);
    }
    lsmkv_cursor_close(cursor);
    lsmkv_buf_release(&name);
    return status;
}

/* ---- Changing ---- */

/* Takes the next id. Id 0 is the catalog's own. */
static enum lsmkv_status take_id(struct lsmkv_session *session, uint32_t *id, struct lsmkv_error *err)
{
    uint8_t prefix[CATALOG_PREFIX], next[ID_SIZE];
    struct lsmkv_slice key = catalog_prefix(prefix, CATALOG_NEXT);
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    bool found = false;
    enum lsmkv_status status = lsmkv_get(session, key, &value, &found, err);

    if (!status && found && value.size != ID_SIZE)
        status = damaged(err);
    if (status)
        goto done;
    *id = found ? get_u32(value.data) : 1;
    if (*id == UINT32_MAX) {
        status = lsmkv_fail(err, LSMKV_TOOBIG, "the store has no table ids left");
        goto done;
    }
    put_u32(next, *id + 1);
    status = lsmkv_put(session, key, slice_of(next, sizeof(next)), err);

done:
    lsmkv_buf_release(&value);
    return status;
}

static enum lsmkv_status refuse_taken(const char *name, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_INVALID, "the store already holds a table \"%s\"", name);
}

static enum lsmkv_status refuse_absent(const char *name, struct lsmkv_error *err)
{
    return lsmkv_fail(err, LSMKV_INVALID, "the store holds no table \"%s\"", name);
}

static enum lsmkv_status add_table(struct lsmkv_session *session, struct lsmkv_slice key, struct lsmkv_slice definition,
                                   uint32_t *id, struct lsmkv_error *err)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    uint8_t bytes[ID_SIZE];
    enum lsmkv_status status = take_id(session, id, err);

    if (status)
        return status;
    put_u32(bytes, *id);
    status = buf_append(&value, bytes, sizeof(bytes), err);
    if (!status)
        status = buf_append(&value, definition.data, definition.size, err);
    if (!status)
        status = lsmkv_put(session, key, slice_of_buf(&value), err);
    lsmkv_buf_release(&value);
    return status;
}

enum lsmkv_status lsmkv_catalog_create(struct lsmkv_session *session, const char *name, struct lsmkv_slice definition,
                                       uint32_t *id, struct lsmkv_error *err)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    uint64_t mark = lsmkv_session_mark(session);
    bool found = false;
    enum lsmkv_status status = check_writing(session, err);

    if (!status)
        status = read_row(session, name, &key, &value, &found, err);
    if (!status && found)
        status = refuse_taken(name, err);
    if (status)
        goto done;
    status = add_table(session, slice_of_buf(&key), definition, id, err);
    if (status)
        lsmkv_session_rollback_to(session, mark);

done:
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&value);
    return status;
}

enum lsmkv_status lsmkv_catalog_rename(struct lsmkv_session *session, const char *from, const char *to,
                                       struct lsmkv_error *err)
{
    struct lsmkv_buf from_key = LSMKV_BUF_INIT, to_key = LSMKV_BUF_INIT;
    struct lsmkv_buf value = LSMKV_BUF_INIT, unused = LSMKV_BUF_INIT;
    uint64_t mark = lsmkv_session_mark(session);
    bool found = false, taken = false;
    enum lsmkv_status status = check_writing(session, err);

    if (!status)
        status = read_row(session, from, &from_key, &value, &found, err);
    if (!status && !found)
        status = refuse_absent(from, err);
    if (!status)
        status = read_row(session, to, &to_key, &unused, &taken, err);
    if (!status && taken && strcmp(from, to) != 0)
        status = refuse_taken(to, err);
    if (status)
        goto done;
    status = lsmkv_delete(session, slice_of_buf(&from_key), err);
    if (!status)
        status = lsmkv_put(session, slice_of_buf(&to_key), slice_of_buf(&value), err);
    if (status)
        lsmkv_session_rollback_to(session, mark);

done:
    lsmkv_buf_release(&from_key);
    lsmkv_buf_release(&to_key);
    lsmkv_buf_release(&value);
    lsmkv_buf_release(&unused);
    return status;
}

static enum lsmkv_status record_drop(struct lsmkv_session *session, uint32_t id, struct lsmkv_error *err)
{
    uint8_t key[CATALOG_PREFIX + ID_SIZE];

    (void)catalog_prefix(key, CATALOG_DROPPED);
    put_u32_be(key + CATALOG_PREFIX, id);
    return lsmkv_put(session, slice_of(key, sizeof(key)), slice_of(NULL, 0), err);
}

enum lsmkv_status lsmkv_catalog_drop(struct lsmkv_session *session, const char *name, struct lsmkv_error *err)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    uint64_t mark = lsmkv_session_mark(session);
    bool found = false;
    enum lsmkv_status status = check_writing(session, err);

    if (!status)
        status = read_row(session, name, &key, &value, &found, err);
    if (!status && !found)
        status = refuse_absent(name, err);
    if (status)
        goto done;
    status = lsmkv_delete(session, slice_of_buf(&key), err);
    if (!status)
        status = record_drop(session, get_u32(value.data), err);
    if (status)
        lsmkv_session_rollback_to(session, mark);

done:
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&value);
    return status;
}
