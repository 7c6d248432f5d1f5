/*
 * store_kit.c - a store and one session of it.
 */
#include "store_kit.h"

#include <stdio.h>
#include <string.h>

#include "os/clock.h"
#include "test.h"

const struct lsmkv_slice unbounded = {NULL, 0};

struct lsmkv_slice text(const char *string)
{
    struct lsmkv_slice slice = {(const uint8_t *)string, strlen(string)};

    return slice;
}

/* ---- Hooks ---- */

static struct db_hold *find_hold(struct db_hooks *hooks, const char *point)
{
    for (size_t i = 0; i < DB_HOLDS; i++) {
        if (hooks->holds[i].point && strcmp(hooks->holds[i].point, point) == 0)
            return &hooks->holds[i];
    }
    return NULL;
}

static void hook(void *context, const char *point)
{
    struct db_hooks *hooks = context;
    struct db_hold *hold;

    pthread_mutex_lock(&hooks->mutex);
    hold = find_hold(hooks, point);
    if (hold) {
        hold->reached = true;
        pthread_cond_broadcast(&hooks->changed);
        while (!hold->released)
            pthread_cond_wait(&hooks->changed, &hooks->mutex);
    }
    pthread_mutex_unlock(&hooks->mutex);
}

void db_hold(struct db *db, const char *point)
{
    struct db_hooks *hooks = &db->hooks;

    pthread_mutex_lock(&hooks->mutex);
    for (size_t i = 0; i < DB_HOLDS; i++) {
        if (!hooks->holds[i].point || strcmp(hooks->holds[i].point, point) == 0) {
            hooks->holds[i] = (struct db_hold){point, false, false};
            break;
        }
    }
    assert_non_null(find_hold(hooks, point));
    pthread_mutex_unlock(&hooks->mutex);
}

void db_wait_held(struct db *db, const char *point)
{
    struct db_hooks *hooks = &db->hooks;

    pthread_mutex_lock(&hooks->mutex);
    while (!find_hold(hooks, point)->reached)
        pthread_cond_wait(&hooks->changed, &hooks->mutex);
    pthread_mutex_unlock(&hooks->mutex);
}

void db_release(struct db *db, const char *point)
{
    struct db_hooks *hooks = &db->hooks;

    pthread_mutex_lock(&hooks->mutex);
    find_hold(hooks, point)->released = true;
    pthread_cond_broadcast(&hooks->changed);
    pthread_mutex_unlock(&hooks->mutex);
}

/* ---- Life ---- */

void db_init(struct db *db, struct os_fs *fs, const char *dir)
{
    memset(db, 0, sizeof(*db));
    pthread_mutex_init(&db->hooks.mutex, NULL);
    pthread_cond_init(&db->hooks.changed, NULL);
    lsmkv_options_init(&db->options);
    db->options.memtable_size = 64 << 10;
    db->options.base_level_size = 64 << 10;
    db->options.cache_size = 1 << 20;
    db->dir = dir;
    db->how.mode = LSMKV_OPEN_CREATE;
    db->how.options = &db->options;
    db->how.fs = fs;
    db->how.hook = hook;
    db->how.hook_context = &db->hooks;
}

enum lsmkv_status db_try_open(struct db *db)
{
    enum lsmkv_status status = lsmkv_store_open(&db->store, db->dir, &db->how, &db->err);

    if (!status)
        assert_ok(lsmkv_session_open(&db->session, db->store, &db->err), &db->err);
    return status;
}

void db_open(struct db *db)
{
    assert_ok(db_try_open(db), &db->err);
}

enum lsmkv_status db_try_close(struct db *db)
{
    enum lsmkv_status status;

    lsmkv_session_close(db->session);
    status = lsmkv_store_close(db->store, &db->err);
    db->session = NULL;
    db->store = NULL;
    return status;
}

void db_close(struct db *db)
{
    assert_ok(db_try_close(db), &db->err);
}

void db_reopen(struct db *db)
{
    db_close(db);
    db_open(db);
}

void db_end(struct db *db)
{
    if (db->store)
        db_close(db);
    pthread_cond_destroy(&db->hooks.changed);
    pthread_mutex_destroy(&db->hooks.mutex);
}

/* ---- Writing ---- */

void db_write(struct db *db)
{
    assert_ok(lsmkv_session_write(db->session, LSMKV_WRITE_EXCLUSIVE, -1, &db->err), &db->err);
}

enum lsmkv_status session_prepare(struct lsmkv_session *session, bool default_commit, struct lsmkv_error *err)
{
    struct lsmkv_prepare how = {.default_commit = default_commit, .wait_ms = -1};

    random_bytes(&how.transaction, sizeof(how.transaction));
    return lsmkv_session_prepare(session, &how, err);
}

static bool count_in_doubt(void *context, const struct lsmkv_transaction_info *info)
{
    *(unsigned *)context += info->state == LSMKV_TRANSACTION_IN_DOUBT;
    return true;
}

unsigned db_in_doubt(struct db *db)
{
    unsigned count = 0;

    lsmkv_transactions_each(db->store, count_in_doubt, &count);
    return count;
}

void db_commit(struct db *db)
{
    assert_ok(lsmkv_session_commit(db->session, -1, &db->err), &db->err);
}

enum lsmkv_status db_try_put(struct db *db, const char *key, const char *value)
{
    enum lsmkv_status status = lsmkv_session_write(db->session, LSMKV_WRITE_EXCLUSIVE, -1, &db->err);

    if (!status)
        status = lsmkv_put(db->session, text(key), text(value), &db->err);
    if (!status)
        return lsmkv_session_commit(db->session, -1, &db->err);
    (void)lsmkv_session_rollback(db->session, NULL);
    return status;
}

void db_put(struct db *db, const char *key, const char *value)
{
    assert_ok(db_try_put(db, key, value), &db->err);
}

void db_delete(struct db *db, const char *key)
{
    db_write(db);
    assert_ok(lsmkv_delete(db->session, text(key), &db->err), &db->err);
    db_commit(db);
}

enum lsmkv_status db_try_fill(struct db *db, const char *prefix, unsigned from, unsigned to, const char *value)
{
    char key[64];
    enum lsmkv_status status = lsmkv_session_write(db->session, LSMKV_WRITE_EXCLUSIVE, -1, &db->err);

    for (unsigned i = from; !status && i < to; i++) {
        snprintf(key, sizeof(key), "%s%06u", prefix, i);
        status = lsmkv_put(db->session, text(key), text(value), &db->err);
    }
    if (!status)
        return lsmkv_session_commit(db->session, -1, &db->err);
    (void)lsmkv_session_rollback(db->session, NULL);
    return status;
}

void db_fill(struct db *db, const char *prefix, unsigned from, unsigned to, const char *value)
{
    assert_ok(db_try_fill(db, prefix, from, to, value), &db->err);
}

/* ---- Reading ---- */

void session_expect(struct lsmkv_session *session, const char *key, const char *value)
{
    struct lsmkv_buf buf = LSMKV_BUF_INIT;
    struct lsmkv_error err;
    bool found = false;

    assert_ok(lsmkv_get(session, text(key), &buf, &found, &err), &err);
    if (found != (value != NULL) || (value && (buf.size != strlen(value) || memcmp(buf.data, value, buf.size) != 0)))
        fail_msg("key %s: found %d \"%.*s\", expected %s", key, found, found ? (int)buf.size : 0,
                 found && buf.data ? (const char *)buf.data : "", value ? value : "nothing");
    lsmkv_buf_release(&buf);
}

void db_expect(struct db *db, const char *key, const char *value)
{
    session_expect(db->session, key, value);
}

unsigned db_count(struct db *db, const char *prefix)
{
    struct lsmkv_cursor *cursor = NULL;
    unsigned count = 0;

    assert_ok(lsmkv_cursor_open(&cursor, db->session, unbounded, unbounded, &db->err), &db->err);
    assert_ok(lsmkv_cursor_seek(cursor, text(prefix), &db->err), &db->err);
    while (lsmkv_cursor_valid(cursor)) {
        struct lsmkv_slice key = lsmkv_cursor_key(cursor);

        if (key.size < strlen(prefix) || (prefix[0] && memcmp(key.data, prefix, strlen(prefix)) != 0))
            break;
        count++;
        assert_ok(lsmkv_cursor_next(cursor, &db->err), &db->err);
    }
    lsmkv_cursor_close(cursor);
    return count;
}

/* ---- Acting and looking ---- */

void db_flush(struct db *db)
{
    assert_ok(lsmkv_flush(db->store, &db->err), &db->err);
}

void db_compact(struct db *db)
{
    assert_ok(lsmkv_compact(db->store, unbounded, unbounded, &db->err), &db->err);
}

struct wanted_stat {
    const char *name;
    uint64_t value;
    bool found;
};

static bool pick_stat(void *context, const char *name, uint64_t value)
{
    struct wanted_stat *wanted = context;

    if (strcmp(name, wanted->name) != 0)
        return true;
    wanted->value = value;
    wanted->found = true;
    return false;
}

uint64_t db_stat(struct db *db, const char *name)
{
    struct wanted_stat wanted = {name, 0, false};

    lsmkv_stats_each(db->store, pick_stat, &wanted);
    if (!wanted.found)
        fail_msg("no statistic %s", name);
    return wanted.value;
}

uint64_t db_level_tables(struct db *db, unsigned level)
{
    struct lsmkv_level_stats levels[LSMKV_LEVELS];

    lsmkv_level_stats(db->store, levels);
    return levels[level].tables;
}
