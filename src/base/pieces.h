/* Parts of something that is counted from 0, such as the positions of a sequence, in the order in which
 * somebody has them: positions 0-3 and 12-15 of 16 are { 2, { { 0, 4 }, { 12, 4 } } }. */
#ifndef TS_BASE_PIECES_H
#define TS_BASE_PIECES_H
#include <stdint.h>

typedef struct ts_stretch {
    int64_t begin, n; /* [begin, begin + n) */
} ts_stretch;

enum { TS_PIECES = 2 };
typedef struct ts_pieces {
    int n;
    ts_stretch piece[TS_PIECES];
} ts_pieces;

static inline ts_pieces ts_pieces_one(int64_t begin, int64_t n)
{
    return (ts_pieces){ .n = 1, .piece = { { begin, n } } };
}

static inline int64_t ts_pieces_count(const ts_pieces *p)
{
    int64_t n = 0;
    for (int i = 0; i < p->n; i++)
        n += p->piece[i].n;
    return n;
}

/* Where in the whole number i of them stands. */
static inline int64_t ts_pieces_at(const ts_pieces *p, int64_t i)
{
    int k = 0;
    while (k + 1 < p->n && i >= p->piece[k].n)
        i -= p->piece[k++].n;
    return p->piece[k].begin + i;
}
#endif
