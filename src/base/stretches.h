/* Parts of something that is counted from 0, such as the positions of a sequence, in the order in which
 * somebody has them: positions 0-3 and 12-15 of 16 are { 2, { { 0, 4 }, { 12, 4 } } }. */
#ifndef TS_BASE_STRETCHES_H
#define TS_BASE_STRETCHES_H
#include <stdint.h>

typedef struct ts_stretch {
    int64_t begin, n; /* [begin, begin + n) */
} ts_stretch;

enum { TS_STRETCHES = 2 };
typedef struct ts_stretches {
    int n;
    ts_stretch piece[TS_STRETCHES];
} ts_stretches;

static inline ts_stretches ts_stretches_one(int64_t begin, int64_t n)
{
    return (ts_stretches){ .n = 1, .piece = { { begin, n } } };
}

static inline int64_t ts_stretches_count(const ts_stretches *p)
{
    int64_t n = 0;
    for (int i = 0; i < p->n; i++)
        n += p->piece[i].n;
    return n;
}

/* Where in the whole number i of them stands. */
static inline int64_t ts_stretches_at(const ts_stretches *p, int64_t i)
{
    int k = 0;
    while (k + 1 < p->n && i >= p->piece[k].n)
        i -= p->piece[k++].n;
    return p->piece[k].begin + i;
}

/* How many of them stand before `at` of the whole; pieces ascend. */
static inline int64_t ts_stretches_before(const ts_stretches *p, int64_t at)
{
    int64_t n = 0;
    for (int i = 0; i < p->n && p->piece[i].begin < at; i++)
        n += p->piece[i].begin + p->piece[i].n < at ? p->piece[i].n : at - p->piece[i].begin;
    return n;
}
#endif
