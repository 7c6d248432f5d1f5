/*
 * writes.c - one pass over a batch before its record is written.
 */
#include "store/writes.h"

#include "base/buf.h"
#include "memtable/memtable.h"
#include "store/catalog.h"
#include "wal/format.h"

static const struct writes no_writes = {NULL, 0, 0, 0, LSMKV_BUF_INIT};

void writes_release(struct writes *writes)
{
    iter_free(writes->entries);
    lsmkv_buf_release(&writes->dropped);
    *writes = no_writes;
}

static enum lsmkv_status measure(struct writes *writes, const struct entry *entry, struct lsmkv_error *err)
{
    uint32_t id;

    writes->bytes += wal_entry_size(entry);
    writes->room += memtable_room(entry);
    writes->count++;
    if (entry->kind == ENTRY_PUT && catalog_dropped_id(entry->key, &id))
        return buf_append(&writes->dropped, &id, sizeof(id), err);
    return LSMKV_OK;
}

enum lsmkv_status writes_init(struct writes *writes, struct batch *batch, struct lsmkv_error *err)
{
    enum lsmkv_status status;

    *writes = no_writes;
    status = batch_iter_new(&writes->entries, batch, batch_mark(batch), err);
    if (!status)
        status = iter_first(writes->entries, err);
    while (!status && iter_valid(writes->entries)) {
        status = measure(writes, iter_entry(writes->entries), err);
        if (!status)
            status = iter_next(writes->entries, err);
    }
    return status;
}
