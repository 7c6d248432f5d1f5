/*
 * catalog.c - tables by name, ids and keyspaces that are never reused, and the record of keyspaces that were dropped.
 */
#include "store/catalog.h"

#include <string.h>

#include "base/coding.h"
#include "base/error.h"
#include "store/store.h"

#define ID_SIZE       4             /* bytes of an id in a value, and of one behind a prefix in a key */
#define KEYSPACE_SIZE (2 * ID_SIZE) /* bytes of a value that tells keyspaces */

/* ---- Keys and values ---- */

struct lsmkv_slice catalog_prefix(uint8_t bytes[CATALOG_PREFIX], uint8_t kind)
{
    put_u32_be(bytes, 0);
    bytes[LSMKV_TABLE_ID_SIZE] = kind;
    return slice_of(bytes, CATALOG_PREFIX);
}

bool catalog_holds(struct lsmkv_slice key)
{
    return key.size >= LSMKV_TABLE_ID_SIZE && get_u32_be(key.data) == 0;
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

/* The key of a row of `kind` that is about one id. */
static struct lsmkv_slice id_key(uint8_t bytes[CATALOG_PREFIX + ID_SIZE], uint8_t kind, uint32_t id)
{
    (void)catalog_prefix(bytes, kind);
    put_u32_be(bytes + CATALOG_PREFIX, id);
    return slice_of(bytes, CATALOG_PREFIX + ID_SIZE);
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

enum lsmkv_status catalog_check_writing(const struct lsmkv_session *session, struct lsmkv_error *err)
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

/* The keyspaces of the table with `entry->id`: what its row of CATALOG_KEYSPACES says, or the id alone. */
static enum lsmkv_status read_keyspaces(struct lsmkv_session *session, struct lsmkv_table_entry *entry,
                                        struct lsmkv_error *err)
{
    uint8_t key[CATALOG_PREFIX + ID_SIZE];
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    bool found = false;
    enum lsmkv_status status = lsmkv_get(session, id_key(key, CATALOG_KEYSPACES, entry->id), &value, &found, err);

    if (status)
        goto done;
    entry->keyspace = entry->id;
    entry->keyspaces = 1;
    if (!found)
        goto done;
    if (value.size != KEYSPACE_SIZE) {
        status = damaged(err);
        goto done;
    }
    entry->keyspace = get_u32(value.data);
    entry->keyspaces = get_u32(value.data + ID_SIZE);
    if (!entry->keyspace || !entry->keyspaces || entry->keyspaces > UINT32_MAX - entry->keyspace)
        status = damaged(err);

done:
    lsmkv_buf_release(&value);
    return status;
}

/* Fills `entry` from the value of a table's row. */
static enum lsmkv_status fill_entry(struct lsmkv_session *session, struct lsmkv_slice value,
                                    struct lsmkv_table_entry *entry, struct lsmkv_error *err)
{
    struct lsmkv_slice definition = slice_of(value.data + ID_SIZE, value.size - ID_SIZE);

    entry->id = get_u32(value.data);
    if (!entry->id)
        return damaged(err);
    if (buf_set(&entry->definition, definition, err))
        return LSMKV_NOMEM;
    return read_keyspaces(session, entry, err);
}

/* The rows of one table are to be of one moment: outside of a transaction that takes one. `*held` is let_go()'s. */
static enum lsmkv_status hold(struct lsmkv_session *session, bool *held, struct lsmkv_error *err)
{
    *held = session->state == LSMKV_SESSION_IDLE;
    return *held ? lsmkv_session_read(session, false, err) : LSMKV_OK;
}

static void let_go(struct lsmkv_session *session, bool held)
{
    if (held && session->state != LSMKV_SESSION_IDLE)
        session_end(session);
}

enum lsmkv_status lsmkv_catalog_find(struct lsmkv_session *session, const char *name, struct lsmkv_table_entry *entry,
                                     bool *found, struct lsmkv_error *err)
{
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    bool held;
    enum lsmkv_status status = hold(session, &held, err);

    *found = false;
    if (!status)
        status = read_row(session, name, &key, &value, found, err);
    if (!status && *found)
        status = fill_entry(session, slice_of_buf(&value), entry, err);
    let_go(session, held);
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&value);
    return status;
}

typedef enum lsmkv_status visit_table(void *context, const char *name, const struct lsmkv_table_entry *entry);

/* What one visit needs from row to row. */
struct visit {
    struct lsmkv_session *session;
    struct lsmkv_buf name;
    struct lsmkv_table_entry entry;
    visit_table *call;
    void *context;
};

static enum lsmkv_status visit_row(struct visit *visit, struct lsmkv_cursor *cursor, struct lsmkv_error *err)
{
    struct lsmkv_slice key = lsmkv_cursor_key(cursor);
    struct lsmkv_slice value = lsmkv_cursor_value(cursor);
    enum lsmkv_status status;

    if (value.size < ID_SIZE)
        return damaged(err);
    buf_clear(&visit->name);
    status = buf_append(&visit->name, key.data + CATALOG_PREFIX, key.size - CATALOG_PREFIX, err);
    if (!status)
        status = buf_append(&visit->name, "", 1, err);
    if (!status)
        status = fill_entry(visit->session, value, &visit->entry, err);
    if (status)
        return status;
    return visit->call(visit->context, (const char *)visit->name.data, &visit->entry);
}

enum lsmkv_status lsmkv_catalog_each(struct lsmkv_session *session, visit_table *call, void *context,
                                     struct lsmkv_error *err)
{
    struct visit visit = {session, LSMKV_BUF_INIT, LSMKV_TABLE_ENTRY_INIT, call, context};
    uint8_t from[CATALOG_PREFIX], to[CATALOG_PREFIX];
    struct lsmkv_cursor *cursor = NULL;
    bool held;
    enum lsmkv_status status = hold(session, &held, err);

    if (!status)
        status = lsmkv_cursor_open(&cursor, session, catalog_prefix(from, CATALOG_TABLE),
                                   catalog_prefix(to, CATALOG_TABLE + 1), err);
    if (!status)
        status = lsmkv_cursor_first(cursor, err);
    while (!status && lsmkv_cursor_valid(cursor)) {
        status = visit_row(&visit, cursor, err);
        if (!status)
            status = lsmkv_cursor_next(cursor, err);
    }
    lsmkv_cursor_close(cursor);
    let_go(session, held);
    lsmkv_buf_release(&visit.name);
    lsmkv_buf_release(&visit.entry.definition);
    return status;
}

/* ---- Changing ---- */

/* Takes the next `count` ids. Id 0 is the catalog's own. */
static enum lsmkv_status take_ids(struct lsmkv_session *session, uint32_t count, uint32_t *first,
                                  struct lsmkv_error *err)
{
    uint8_t prefix[CATALOG_PREFIX], next[ID_SIZE];
    struct lsmkv_slice key = catalog_prefix(prefix, CATALOG_NEXT);
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    bool found = false;
    enum lsmkv_status status = lsmkv_get(session, key, &value, &found, err);

    if (!status && found && (value.size != ID_SIZE || !get_u32(value.data)))
        status = damaged(err);
    if (status)
        goto done;
    *first = found ? get_u32(value.data) : 1;
    if (count > UINT32_MAX - *first) {
        status = lsmkv_fail(err, LSMKV_TOOBIG, "the store has no table ids left");
        goto done;
    }
    put_u32(next, *first + count);
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

/* Draws new keyspaces for the table with `entry->id` (0: the first of them becomes it) and records them. */
static enum lsmkv_status draw_keyspaces(struct lsmkv_session *session, struct lsmkv_table_entry *entry,
                                        struct lsmkv_error *err)
{
    uint8_t key[CATALOG_PREFIX + ID_SIZE], value[KEYSPACE_SIZE];
    enum lsmkv_status status = take_ids(session, entry->keyspaces, &entry->keyspace, err);

    if (status)
        return status;
    if (!entry->id)
        entry->id = entry->keyspace;
    if (entry->id == entry->keyspace && entry->keyspaces == 1)
        return LSMKV_OK; /* that is what a table without such a row has */
    put_u32(value, entry->keyspace);
    put_u32(value + ID_SIZE, entry->keyspaces);
    return lsmkv_put(session, id_key(key, CATALOG_KEYSPACES, entry->id), slice_of(value, sizeof(value)), err);
}

static enum lsmkv_status put_row(struct lsmkv_session *session, struct lsmkv_slice key, uint32_t id,
                                 struct lsmkv_slice definition, struct lsmkv_error *err)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    uint8_t bytes[ID_SIZE];
    enum lsmkv_status status;

    put_u32(bytes, id);
    status = buf_append(&value, bytes, sizeof(bytes), err);
    if (!status)
        status = buf_append(&value, definition.data, definition.size, err);
    if (!status)
        status = lsmkv_put(session, key, slice_of_buf(&value), err);
    lsmkv_buf_release(&value);
    return status;
}

/* Gives `made` keyspaces, and an id if it has none, writes its row, and says in `entry` what it has got. */
static enum lsmkv_status put_with_keyspaces(struct lsmkv_session *session, struct lsmkv_slice key,
                                            struct lsmkv_slice definition, struct lsmkv_table_entry *made,
                                            struct lsmkv_table_entry *entry, struct lsmkv_error *err)
{
    enum lsmkv_status status = draw_keyspaces(session, made, err);

    if (!status)
        status = put_row(session, key, made->id, definition, err);
    if (status)
        return status;
    entry->id = made->id;
    entry->keyspace = made->keyspace;
    entry->keyspaces = made->keyspaces;
    return LSMKV_OK;
}

static enum lsmkv_status record_drop(struct lsmkv_session *session, const struct lsmkv_table_entry *entry,
                                     struct lsmkv_error *err)
{
    uint8_t key[CATALOG_PREFIX + ID_SIZE];
    enum lsmkv_status status = LSMKV_OK;

    for (uint32_t i = 0; !status && i < entry->keyspaces; i++)
        status = lsmkv_put(session, id_key(key, CATALOG_DROPPED, entry->keyspace + i), slice_of(NULL, 0), err);
    return status;
}

enum lsmkv_status lsmkv_catalog_create(struct lsmkv_session *session, const char *name, struct lsmkv_slice definition,
                                       uint32_t keyspaces, struct lsmkv_table_entry *entry, struct lsmkv_error *err)
{
    struct lsmkv_table_entry made = {.keyspaces = keyspaces};
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    uint64_t mark = lsmkv_session_mark(session);
    bool found = false;
    enum lsmkv_status status = catalog_check_writing(session, err);

    if (!status && !keyspaces)
        status = lsmkv_fail(err, LSMKV_INVALID, "a table without keyspaces");
    if (!status)
        status = read_row(session, name, &key, &value, &found, err);
    if (!status && found)
        status = refuse_taken(name, err);
    if (status)
        goto done;
    status = put_with_keyspaces(session, slice_of_buf(&key), definition, &made, entry, err);
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
    enum lsmkv_status status = catalog_check_writing(session, err);

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

/* The row of a table that must be there, and its numbers. The caller releases `entry->definition`. */
static enum lsmkv_status find_for_change(struct lsmkv_session *session, const char *name, struct lsmkv_buf *key,
                                         struct lsmkv_table_entry *entry, struct lsmkv_error *err)
{
    struct lsmkv_buf value = LSMKV_BUF_INIT;
    bool found = false;
    enum lsmkv_status status = catalog_check_writing(session, err);

    if (!status)
        status = read_row(session, name, key, &value, &found, err);
    if (!status && !found)
        status = refuse_absent(name, err);
    if (!status)
        status = fill_entry(session, slice_of_buf(&value), entry, err);
    lsmkv_buf_release(&value);
    return status;
}

enum lsmkv_status lsmkv_catalog_truncate(struct lsmkv_session *session, const char *name, struct lsmkv_slice definition,
                                         struct lsmkv_table_entry *entry, struct lsmkv_error *err)
{
    struct lsmkv_table_entry found = LSMKV_TABLE_ENTRY_INIT;
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    uint64_t mark = lsmkv_session_mark(session);
    enum lsmkv_status status = find_for_change(session, name, &key, &found, err);

    if (status)
        goto done;
    status = record_drop(session, &found, err);
    if (!status)
        status = put_with_keyspaces(session, slice_of_buf(&key), definition, &found, entry, err);
    if (status)
        lsmkv_session_rollback_to(session, mark);

done:
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&found.definition);
    return status;
}

enum lsmkv_status lsmkv_catalog_drop(struct lsmkv_session *session, const char *name, struct lsmkv_error *err)
{
    uint8_t keyspaces[CATALOG_PREFIX + ID_SIZE];
    struct lsmkv_table_entry entry = LSMKV_TABLE_ENTRY_INIT;
    struct lsmkv_buf key = LSMKV_BUF_INIT;
    uint64_t mark = lsmkv_session_mark(session);
    enum lsmkv_status status = find_for_change(session, name, &key, &entry, err);

    if (status)
        goto done;
    status = lsmkv_delete(session, slice_of_buf(&key), err);
    if (!status && (entry.keyspace != entry.id || entry.keyspaces != 1))
        status = lsmkv_delete(session, id_key(keyspaces, CATALOG_KEYSPACES, entry.id), err);
    if (!status)
        status = record_drop(session, &entry, err);
    if (status)
        lsmkv_session_rollback_to(session, mark);

done:
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&entry.definition);
    return status;
}
