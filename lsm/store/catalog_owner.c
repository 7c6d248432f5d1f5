/*
 * catalog_owner.c - rows of the catalog that tell who uses the store; what they hold is the caller's.
 */
#include "base/buf.h"
#include "base/error.h"
#include "store/catalog.h"
#include "store/store.h"

static struct lsmkv_slice owner_key(uint8_t bytes[CATALOG_PREFIX + LSMKV_COORDINATOR_SIZE], const uint8_t *id)
{
    (void)catalog_prefix(bytes, CATALOG_OWNER);
    memcpy(bytes + CATALOG_PREFIX, id, LSMKV_COORDINATOR_SIZE);
    return slice_of(bytes, CATALOG_PREFIX + LSMKV_COORDINATOR_SIZE);
}

enum lsmkv_status lsmkv_catalog_owner(struct lsmkv_session *session, const uint8_t *id, struct lsmkv_buf *value,
                                      bool *found, struct lsmkv_error *err)
{
    uint8_t key[CATALOG_PREFIX + LSMKV_COORDINATOR_SIZE];

    return lsmkv_get(session, owner_key(key, id), value, found, err);
}

enum lsmkv_status lsmkv_catalog_set_owner(struct lsmkv_session *session, const uint8_t *id, struct lsmkv_slice value,
                                          struct lsmkv_error *err)
{
    uint8_t key[CATALOG_PREFIX + LSMKV_COORDINATOR_SIZE];
    enum lsmkv_status status = catalog_check_writing(session, err);

    if (status)
        return status;
    if (!value.size)
        return lsmkv_delete(session, owner_key(key, id), err);
    return lsmkv_put(session, owner_key(key, id), value, err);
}
