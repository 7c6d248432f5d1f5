/*
 * pressure.c - the one number that slows commits down, from a super-version and options alone.
 *
 * Whoever is stopped is stopped by work that exists: immutable memtables are always due for flush, L0 at its stop limit
 * is over its own limit and so due, and debt is owed only by a level that is due (see compaction_debt()).
 */
#include "compaction/pressure.h"

#include "compaction/pick.h"

static double immutable_fill(const struct lsmkv_options *options, const struct super_version *super_version)
{
    double budget = (double)options->memtable_size * (double)options->max_immutables;
    double bytes = 0;

    for (size_t i = 0; i < super_version->immutable_count; i++)
        bytes += (double)memtable_bytes(super_version->immutables[i]);
    return bytes / budget;
}

struct pressure pressure_of(const struct lsmkv_options *options, const struct super_version *super_version)
{
    const struct version *version = super_version->version;
    struct pressure pressure = {immutable_fill(options, super_version), "immutable memtables", true};
    double tables = (double)version->levels[0].count / ((double)options->l0_tables * PRESSURE_L0_FACTOR);
    double debt = (double)compaction_debt(options, version) / ((double)options->base_level_size * PRESSURE_DEBT_FACTOR);

    if (tables > pressure.value)
        pressure = (struct pressure){tables, "L0 tables", false};
    if (debt > pressure.value)
        pressure = (struct pressure){debt, "compaction debt", false};
    return pressure;
}

uint64_t pressure_delay_ns(const struct lsmkv_options *options, double pressure)
{
    double over = pressure - options->soft_limit;
    double room = 1.0 - options->soft_limit;

    if (over <= 0 || room <= 0)
        return 0;
    if (over >= room)
        return PRESSURE_DELAY_MAX_NS;
    return (uint64_t)(over / room * (over / room) * PRESSURE_DELAY_MAX_NS);
}
