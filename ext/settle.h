/*
 * settle.h - deciding, after a crash, the transactions that a store found prepared and without an outcome.
 *
 * Such a transaction names its coordinator: the database file that tells, by a mark, whether SQLite has committed it
 * (marker.h). It is settled by the first connection that uses the store and has that file open:
 *   the file bears the id       commits if the mark is there, aborts if not
 *   the id was made for it      aborts: the transaction that would have written the id into the file was never committed
 * A copy of a database file bears its id too. As long as the file that it was made for is in its place, only that one is
 * asked. What no file can tell stays in doubt, until lsmkv_settle() is called.
 *
 * Nobody else can be about to commit meanwhile: whoever prepared has had the store open, as this process has it now. But
 * the mark must be read in a state that is not older than that: see settle.c.
 */
#ifndef EXT_SETTLE_H
#define EXT_SETTLE_H

#include "ext/session.h"

/*
 * Settles what can be. A failure is logged and leaves the transaction in doubt: readers need not mind, and who writes what
 * it has read gets a message that names it.
 */
void settle(struct session *session);

#endif
