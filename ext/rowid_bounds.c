#include "ext/rowid_bounds.h"

#include <math.h>

static void narrow(struct rowid_bounds *bounds, int64_t least, int64_t greatest)
{
    if (least > bounds->least)
        bounds->least = least;
    if (greatest < bounds->greatest)
        bounds->greatest = greatest;
    if (bounds->least > bounds->greatest)
        bounds->empty = true;
}

/* At least `real` (or above it); `real` is no NaN. */
static void narrow_lower_real(struct rowid_bounds *bounds, double real, bool strict)
{
    double whole = ceil(real);

    if (whole >= 9223372036854775808.0) {
        bounds->empty = true;
    } else if (whole >= -9223372036854775808.0) {
        int64_t least = (int64_t)whole;

        if (strict && whole == real) {
            if (least == INT64_MAX)
                bounds->empty = true;
            else
                least++;
        }
        narrow(bounds, least, INT64_MAX);
    }
}

static void narrow_upper_real(struct rowid_bounds *bounds, double real, bool strict)
{
    double whole = floor(real);

    if (whole < -9223372036854775808.0) {
        bounds->empty = true;
    } else if (whole < 9223372036854775808.0) {
        int64_t greatest = (int64_t)whole;

        if (strict && whole == real) {
            if (greatest == INT64_MIN)
                bounds->empty = true;
            else
                greatest--;
        }
        narrow(bounds, INT64_MIN, greatest);
    }
}

void rowid_bounds_lower(struct rowid_bounds *bounds, sqlite3_value *value, bool strict)
{
    int64_t integer;

    switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
        integer = sqlite3_value_int64(value);
        if (strict && integer == INT64_MAX)
            bounds->empty = true;
        else
            narrow(bounds, integer + strict, INT64_MAX);
        break;
    case SQLITE_FLOAT:
        narrow_lower_real(bounds, sqlite3_value_double(value), strict);
        break;
    default:
        bounds->empty = true; /* NULL; or text and blobs, which are above all integers */
    }
}

void rowid_bounds_upper(struct rowid_bounds *bounds, sqlite3_value *value, bool strict)
{
    int64_t integer;

    switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
        integer = sqlite3_value_int64(value);
        if (strict && integer == INT64_MIN)
            bounds->empty = true;
        else
            narrow(bounds, INT64_MIN, integer - strict);
        break;
    case SQLITE_FLOAT:
        narrow_upper_real(bounds, sqlite3_value_double(value), strict);
        break;
    case SQLITE_NULL:
        bounds->empty = true;
        break;
    default:
        break; /* text and blobs: above all integers */
    }
}
