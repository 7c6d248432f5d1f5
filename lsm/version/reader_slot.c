/*
 * reader_slot.c - a reader's private cache of the current super-version.
 *
 * PROTOCOL, by the one word `held`:
 *   NULL        nothing is cached
 *   IN_USE      the reader has taken; nothing was installed since
 *   a pointer   cached: the slot owns one reference, which passes to the reader who takes it
 * take   exchanges the word with IN_USE. What comes back, if a pointer, is the current super-version: an installation
 *        takes all cached ones away. Otherwise the reader asks the set.
 * give   puts the pointer back if the word is still IN_USE. A sweep in between has made it NULL: then the reader gives
 *        its reference back.
 * sweep  exchanges the word with NULL, after the new super-version has become current, under the set's lock.
 *
 * give() caches only what is current. It looks before it puts: an installation after the look sweeps this word after
 * the put or makes the put fail. So no slot holds a former super-version once its sweep is over, even if the reader took
 * twice before giving.
 */
#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"
#include "version/set.h"

#define CACHE_LINE 64

struct reader_slot {
    _Atomic(struct super_version *) held; /* alone on its line: the reader and the sweep write it */
    uint8_t padding[CACHE_LINE - sizeof(void *)];
    struct version_set *set;
    struct reader_slot *next, **link; /* by set->lock; `link` is what points here */
};

static struct super_version *in_use(void)
{
    return (struct super_version *)(uintptr_t)1;
}

static bool is_pointer(const struct super_version *held)
{
    return held && held != in_use();
}

enum lsmkv_status reader_slot_new(struct reader_slot **slot, struct version_set *set, struct lsmkv_error *err)
{
    struct reader_slot *made = (struct reader_slot *)lsm_alloc_aligned(CACHE_LINE, 2 * CACHE_LINE);

    *slot = NULL;
    if (!made)
        return lsmkv_fail_nomem(err);
    static_assert(sizeof(*made) <= 2 * CACHE_LINE, "a slot fits its lines");
    atomic_init(&made->held, NULL);
    made->set = set;
    mutex_lock(&set->lock);
    made->next = set->slots;
    made->link = &set->slots;
    if (made->next)
        made->next->link = &made->next;
    set->slots = made;
    mutex_unlock(&set->lock);
    *slot = made;
    return LSMKV_OK;
}

void reader_slot_free(struct reader_slot *slot)
{
    struct super_version *held;

    if (!slot)
        return;
    mutex_lock(&slot->set->lock);
    *slot->link = slot->next;
    if (slot->next)
        slot->next->link = slot->link;
    mutex_unlock(&slot->set->lock);
    held = atomic_exchange_explicit(&slot->held, NULL, memory_order_acq_rel);
    if (is_pointer(held))
        super_version_unref(held);
    lsm_free_aligned(slot);
}

struct super_version *reader_slot_take(struct reader_slot *slot)
{
    struct super_version *held = atomic_exchange_explicit(&slot->held, in_use(), memory_order_acq_rel);

    return is_pointer(held) ? held : version_set_current(slot->set);
}

void reader_slot_give(struct reader_slot *slot, struct super_version *super_version)
{
    struct super_version *expected = in_use();

    /* Release pairs with the exchange of a later take or sweep. */
    if (version_set_is_current(slot->set, super_version) &&
        atomic_compare_exchange_strong_explicit(&slot->held, &expected, super_version, memory_order_acq_rel,
                                                memory_order_relaxed))
        return;
    super_version_unref(super_version);
}

uint64_t slots_sweep(struct reader_slot *slots, const struct super_version *former)
{
    uint64_t refs = 0;

    (void)former;
    for (struct reader_slot *slot = slots; slot; slot = slot->next) {
        struct super_version *held = atomic_exchange_explicit(&slot->held, NULL, memory_order_acq_rel);

        assert(!is_pointer(held) || held == former);
        refs += is_pointer(held);
    }
    return refs;
}
