#include "index_check.h"

#include "ext/bytes.h"
#include "ext/catalog.h"
#include "ext/registry.h"
#include "ext/row_codec.h"
#include "ext/schema_parse.h"
#include "sql_kit.h"

#include <stdlib.h>

static unsigned long checked;

/* One table. */
struct subject {
    struct lsmkv_session *session;
    const char *name;
    uint32_t keyspace;
    struct table_schema schema;
    struct row_layout layout;
    struct row_reader reader;
    struct row_layout *indexes;
    struct cell *cells;
    uint64_t rows;
};

static struct lsmkv_cursor *open_keyspace(const struct subject *subject, uint32_t keyspace)
{
    struct lsmkv_cursor *cursor;
    uint8_t bounds[2 * LSMKV_TABLE_ID_SIZE];

    bytes_put_be(bounds, keyspace, LSMKV_TABLE_ID_SIZE);
    bytes_put_be(bounds + LSMKV_TABLE_ID_SIZE, (uint64_t)keyspace + 1, LSMKV_TABLE_ID_SIZE);
    assert_int_equal(lsmkv_cursor_open(&cursor, subject->session, bytes_slice(bounds, LSMKV_TABLE_ID_SIZE),
                                       bytes_slice(bounds + LSMKV_TABLE_ID_SIZE, LSMKV_TABLE_ID_SIZE), NULL),
                     LSMKV_OK);
    assert_int_equal(lsmkv_cursor_first(cursor, NULL), LSMKV_OK);
    return cursor;
}

static void read_cells(struct subject *subject, const struct lsmkv_cursor *cursor, int64_t *rowid)
{
    int i;

    *rowid = 0;
    if (schema_has_rowid(&subject->schema))
        assert_true(key_get_rowid(lsmkv_cursor_key(cursor), rowid));
    assert_int_equal(row_reader_set(&subject->reader, lsmkv_cursor_key(cursor), lsmkv_cursor_value(cursor)), LSMKV_OK);
    for (i = 0; i < subject->schema.count; i++)
        assert_int_equal(row_reader_get(&subject->reader, i, &subject->cells[i]), LSMKV_OK);
}

static void check_entry(struct subject *subject, int i, int64_t rowid)
{
    const struct table_index *index = &subject->schema.indexes[i];
    struct lsmkv_buf key = LSMKV_BUF_INIT, expected = LSMKV_BUF_INIT, value = LSMKV_BUF_INIT;
    bool found = false;

    assert_int_equal(key_put_keyspace(&key, subject->keyspace + 1 + (uint32_t)i), LSMKV_OK);
    assert_int_equal(key_put_shape(&key, &index->shape, subject->cells, rowid), LSMKV_OK);
    assert_int_equal(row_encode(&expected, &subject->indexes[i], subject->cells), LSMKV_OK);
    assert_int_equal(lsmkv_get(subject->session, bytes_of(&key), &value, &found, NULL), LSMKV_OK);
    if (!found)
        fail_msg("table %s: row %lld has no entry in %s", subject->name, (long long)rowid, index->name);
    if (bytes_compare(bytes_of(&expected), bytes_of(&value)) != 0)
        fail_msg("table %s: the entry of row %lld in %s has another value", subject->name, (long long)rowid,
                 index->name);
    lsmkv_buf_release(&key);
    lsmkv_buf_release(&expected);
    lsmkv_buf_release(&value);
    checked++;
}

static void check_rows(struct subject *subject)
{
    struct lsmkv_cursor *cursor = open_keyspace(subject, subject->keyspace);
    int64_t rowid;
    int i;

    for (; lsmkv_cursor_valid(cursor); assert_int_equal(lsmkv_cursor_next(cursor, NULL), LSMKV_OK)) {
        read_cells(subject, cursor, &rowid);
        for (i = 0; i < subject->schema.index_count; i++)
            check_entry(subject, i, rowid);
        subject->rows++;
    }
    lsmkv_cursor_close(cursor);
}

/* Every row has its entry: as many entries as rows means no others. */
static void count_entries(struct subject *subject, int i)
{
    struct lsmkv_cursor *cursor = open_keyspace(subject, subject->keyspace + 1 + (uint32_t)i);
    uint64_t entries = 0;

    for (; lsmkv_cursor_valid(cursor); assert_int_equal(lsmkv_cursor_next(cursor, NULL), LSMKV_OK))
        entries++;
    lsmkv_cursor_close(cursor);
    if (entries != subject->rows)
        fail_msg("table %s: %llu rows, but %llu entries in %s", subject->name, (unsigned long long)subject->rows,
                 (unsigned long long)entries, subject->schema.indexes[i].name);
}

static enum lsmkv_status check_table(void *session, const char *name, const struct lsmkv_table_entry *entry)
{
    struct subject subject = {.session = session, .name = name, .keyspace = entry->keyspace};
    char *columns = NULL, *message = NULL;
    int i;

    schema_init(&subject.schema);
    if (catalog_columns(bytes_of(&entry->definition), &columns, &message) ||
        schema_parse(&subject.schema, columns, &message))
        fail_msg("table %s: %s", name, message);
    subject.cells = calloc(1, (size_t)subject.schema.count * sizeof(*subject.cells));
    subject.indexes = calloc(1, (size_t)(subject.schema.index_count + 1) * sizeof(*subject.indexes));
    assert_int_equal(row_layout_init_table(&subject.layout, &subject.schema), LSMKV_OK);
    assert_int_equal(row_reader_init(&subject.reader, &subject.layout), LSMKV_OK);
    for (i = 0; i < subject.schema.index_count; i++)
        assert_int_equal(row_layout_init_index(&subject.indexes[i], &subject.schema, &subject.schema.indexes[i]),
                         LSMKV_OK);
    check_rows(&subject);
    for (i = 0; i < subject.schema.index_count; i++) {
        count_entries(&subject, i);
        row_layout_release(&subject.indexes[i]);
    }
    row_reader_release(&subject.reader);
    row_layout_release(&subject.layout);
    free(subject.indexes);
    free(subject.cells);
    schema_release(&subject.schema);
    sqlite3_free(columns);
    return LSMKV_OK;
}

void index_check(const char *path)
{
    char *dir = sqlite3_mprintf("%s-lsmkv", path), *message = NULL;
    struct store_request request = {.dir = dir};
    struct open_store *store;
    struct lsmkv_session *session;

    if (registry_open(&request, &store, &message))
        fail_msg("%s: %s", dir, message);
    assert_int_equal(lsmkv_session_open(&session, registry_engine(store), NULL), LSMKV_OK);
    assert_int_equal(lsmkv_session_read(session, false, NULL), LSMKV_OK);
    assert_int_equal(lsmkv_catalog_each(session, check_table, session, NULL), LSMKV_OK);
    lsmkv_session_close(session);
    registry_release(store);
    sqlite3_free(dir);
}

unsigned long index_check_entries(void)
{
    return checked;
}
