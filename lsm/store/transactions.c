/*
 * transactions.c - what is going on in a store: its transactions, for whoever looks.
 */
#include "store/prepared.h"
#include "store/store.h"

static struct lsmkv_transaction_info info_of(const struct prepared *prepared)
{
    struct lsmkv_transaction_info info = {.state = LSMKV_TRANSACTION_IN_DOUBT,
                                          .transaction = prepared->transaction,
                                          .coordinator = prepared->coordinator,
                                          .writes = prepared->count};

    return info;
}

void lsmkv_transactions_each(struct lsmkv_store *store,
                             bool (*visit)(void *context, const struct lsmkv_transaction_info *info), void *context)
{
    struct prepared_list *list = &store->prepared;
    const struct prepared *at;
    bool more = true;

    mutex_lock(&list->lock);
    for (at = list->first; at && more; at = at->next) {
        if (at->in_doubt) {
            struct lsmkv_transaction_info info = info_of(at);

            more = visit(context, &info);
        }
    }
    mutex_unlock(&list->lock);
}
