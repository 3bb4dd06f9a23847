/* Rows in the order of their experts, in plain C. */
#include "device/cpu/rowwise/sort_rows.h"

#include <string.h>

static int64_t expert_of(const ts_sort_rows_args *a, int64_t pair)
{
    const int64_t e = a->ids[pair] - a->first;
    return e < 0 || e >= a->experts ? -1 : e;
}

/* Of each expert the pairs that stay have weights above `limit` (bits of a float that is not negative, which are
 * ordered as it is), and the first `ties` of those that have it. */
typedef struct dropping {
    uint32_t limit[TS_ROUTE_MAX];
    int64_t ties[TS_ROUTE_MAX];
} dropping;

static uint32_t bits_of(const ts_sort_rows_args *a, int64_t pair)
{
    uint32_t u = 0;
    if (a->weights)
        memcpy(&u, &a->weights[pair], sizeof u);
    else if (a->by_slot)
        u = (uint32_t)(a->k - pair % a->k);
    return u;
}

/* n[e]: pairs of weights from least[e] on. */
static void count_from(const ts_sort_rows_args *a, const uint32_t *least, uint32_t more, int64_t *n)
{
    memset(n, 0, (size_t)a->experts * sizeof *n);
    for (int64_t p = 0; p < a->pairs; p++) {
        const int64_t e = expert_of(a, p);
        if (e >= 0)
            n[e] += bits_of(a, p) >= (least[e] | more);
    }
}

/* Bit by bit the largest limit that still leaves `capacity` pairs; without an order all are ties. */
static void find_limits(const ts_sort_rows_args *a, dropping *d)
{
    uint32_t above[TS_ROUTE_MAX] = { 0 };
    int64_t n[TS_ROUTE_MAX];
    memset(d->limit, 0, sizeof d->limit);
    for (uint32_t bit = a->weights || a->by_slot ? 1u << 30 : 0; bit; bit >>= 1) {
        count_from(a, d->limit, bit, n);
        for (int64_t e = 0; e < a->experts; e++)
            d->limit[e] |= n[e] >= a->capacity ? bit : 0;
    }
    for (int64_t e = 0; e < a->experts; e++)
        above[e] = d->limit[e] + 1;
    count_from(a, above, 0, n);
    for (int64_t e = 0; e < a->experts; e++)
        d->ties[e] = a->capacity - n[e];
}

static bool stays(const ts_sort_rows_args *a, dropping *d, int64_t pair, int64_t e)
{
    const uint32_t w = bits_of(a, pair);
    return w > d->limit[e] || (w == d->limit[e] && d->ties[e]-- > 0);
}

/* at[p]: 0 stays, -1 goes; offsets[e + 1]: how many of e stay. */
static void count_pairs(const ts_sort_rows_args *a)
{
    dropping d;
    memset(a->offsets, 0, (size_t)(a->experts + 1) * sizeof *a->offsets);
    if (a->capacity)
        find_limits(a, &d);
    for (int64_t p = 0; p < a->pairs; p++) {
        const int64_t e = expert_of(a, p);
        const bool here = e >= 0 && (!a->capacity || stays(a, &d, p, e));
        a->at[p] = here ? 0 : -1;
        if (here)
            a->offsets[e + 1]++;
    }
}

void ts_cpu_sort_rows(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_sort_rows_args *a = args;
    int32_t next[TS_ROUTE_MAX];
    (void)cpu, (void)n;
    count_pairs(a);
    for (int64_t e = 0; e < a->experts; e++) {
        a->offsets[e + 1] = a->offsets[e] + (a->pads ? (int32_t)a->capacity : a->offsets[e + 1]);
        next[e] = a->offsets[e];
    }
    for (int64_t r = 0; r < a->rows; r++)
        a->from[r] = -1;
    for (int64_t p = 0; a->kept && p < a->pairs; p++)
        a->kept[p] = a->at[p] >= 0 ? a->ids[p] : -1;
    for (int64_t p = 0; p < a->pairs; p++)
        if (a->at[p] >= 0) {
            a->at[p] = next[expert_of(a, p)]++;
            a->from[a->at[p]] = (int32_t)(p / a->k);
        }
}
