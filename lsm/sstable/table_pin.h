/*
 * table_pin.h - keeps the reader of a table open while it is used.
 *
 * Threads: any. Failure: what opening says; a later pin tries again.
 */
#ifndef LSM_SSTABLE_TABLE_PIN_H
#define LSM_SSTABLE_TABLE_PIN_H

#include "sstable/reader.h"
#include "sstable/table.h"

/* Opens the table if it is not; it stays open until table_unpin(). Counts as an access. */
LSMKV_MUST_CHECK enum lsmkv_status table_pin(struct table *table, struct sstable **reader, struct lsmkv_error *err);
/* The reader if it is open, which counts as no access; NULL, with nothing to unpin, if it is not. */
struct sstable *table_pin_open(struct table *table);
void table_unpin(struct table *table);

#endif
