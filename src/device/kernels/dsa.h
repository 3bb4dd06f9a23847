/* Sparse attention (DeepSeek-AI, DeepSeek-V3.2, arXiv 2512.02556): a small indexer scores all keys that a query may
 * see, and attention is over the best of them alone.
 *
 *   I(t, j) = index_scale * sum over g of w(t, g) * max(0, iq(t, g) . ik(j))
 *   chosen(t): the `most` keys with the largest I that t may see, of equal ones the first; all where there are no more
 *   s(t, h, j) = scale * q(t, h) . k(j, h),   p = softmax over chosen(t),   o = p v,   lse = log sum exp(s)
 *
 * Row t is query t mod S of sequence t / S and stands at key pos = q_start[b] + t mod S (q_start NULL: 0), or where q_at
 * says that number t mod S of a sequence stands. It sees keys
 * [first_key[t], pos] (NULL: from 0), or, where last_key says so, up to last_key[t]: keys then stand for something else
 * than rows, and key j is seen by none before row j. Rows behind q_len[b] (NULL: S) see no key, get o = 0, lse = -inf, and
 * give no gradient. Key j of sequence b is row b * keys + j of k, v and ik. Lists are of keys within a sequence, ascending;
 * how long row t's is, ts_dsa_seen says. chosen NULL: all that a row sees are in its list.
 *
 * The indexer learns what attention looks at (in fp32, over the same lists; Megatron core's dsa_indexer_loss):
 *
 *   target(t, j) = sum over h of p(t, h, j), divided by its sum over j
 *   loss(t) = sum over j of target * (log target - log softmax(I)),   dI = weight * (softmax(I) - target)
 *
 * No sum's order depends on the number of threads. */
#ifndef TS_DEVICE_KERNELS_DSA_H
#define TS_DEVICE_KERNELS_DSA_H
#include "base/dtype.h"
#include "base/stretches.h"

#include <stddef.h>

enum { TS_DSA_MOST_DIM = 2048, TS_DSA_MOST_INDEX = 512 }; /* widths of heads that kernels have room for */

typedef struct ts_dsa_args {
    int64_t rows, S, keys;
    int64_t row0;                       /* dsa_select: chosen, best, iq and iw are of the rows from this one on */
    const int32_t *first_key, *last_key, *q_start, *q_len;
    ts_stretches q_at;                  /* n 0: rows stand one after another; not with q_start, q_len, last_key */
    int64_t most;                       /* 0: no list is shorter than what is seen */
    int32_t *chosen;                    /* [rows, most]; dsa_select writes it */
    float *best;                        /* [rows, most] work space of dsa_select */
    ts_dtype dtype;                     /* of q, k, v, o, iq, ik and their gradients */
    /* attention: head h's vectors begin h * q_head elements behind its row's, and so on (k_head 0: one key for all,
     * whose gradients are sums over heads) */
    int64_t heads, dim, value;
    int64_t q_row, q_head, k_row, k_head, v_row, v_head;
    float scale;
    const void *q, *k, *v;
    void *o;                            /* [rows, heads, value]; NULL: lse alone is wanted */
    float *lse;                         /* [rows, heads]; NULL: not wanted */
    const void *dout;                   /* like o */
    float *delta;                       /* [rows, heads]: dsa_dq writes it */
    void *dq, *dk, *dv;                 /* at the addresses of q, k, v */
    /* indexer */
    int64_t index_heads, index_dim, ik_row;
    float index_scale;
    const void *iq, *ik;                /* [rows, index_heads, index_dim]; a key each ik_row elements */
    const float *iw;                    /* [rows, index_heads] */
    float *target, *scores;             /* [rows, width]: by place in the row's list; scores becomes dI */
    int64_t width;                      /* at least the longest list */
    float weight;
    float *loss;                        /* [rows] */
    void *diq, *dik;                    /* like iq and ik, dik's rows dense */
    float *diw;
} ts_dsa_args;
/* dsa_select: chosen; n = rows.  dsa_fwd: o, lse; n = rows * heads.
 * dsa_dq: dq, delta; n = rows * heads.  dsa_dkv: dk, dv; n = sequences * keys * heads (k_head 0: sequences * keys).
 * dsa_target: target, not yet divided; n = rows.  dsa_loss: loss, scores (dI), diq, diw; n = rows.
 * dsa_dik: dik, from scores; n = sequences * keys. Gradients of keys are of sequences without q_start and q_len. */

/* A row's list: key number i of it is chosen[i], or first + i. */
typedef struct ts_dsa_list {
    int64_t sequence, first, n;
    const int32_t *chosen;
} ts_dsa_list;

static inline ts_dsa_list ts_dsa_seen(const ts_dsa_args *a, int64_t row)
{
    const int64_t b = row / a->S, i = row % a->S;
    const int64_t pos = a->q_at.n ? ts_stretches_at(&a->q_at, i) : (a->q_start ? a->q_start[b] : 0) + i;
    const int64_t first = a->first_key ? a->first_key[row] : 0;
    ts_dsa_list l = { .sequence = b, .first = first, .n = (a->last_key ? a->last_key[row] : pos) + 1 - first };
    if (l.n < 0 || (a->q_len && i >= a->q_len[b]))
        l.n = 0;
    return l;
}

/* The first row of sequence b that may see its key j. */
static inline int64_t ts_dsa_first_row(const ts_dsa_args *a, int64_t b, int64_t j)
{
    return b * a->S + (a->q_at.n ? ts_stretches_before(&a->q_at, j) : j);
}

static inline ts_dsa_list ts_dsa_list_of(const ts_dsa_args *a, int64_t row)
{
    ts_dsa_list l = ts_dsa_seen(a, row);
    if (!a->chosen)
        return l;
    l.chosen = a->chosen + row * a->most;
    l.n = l.n < a->most ? l.n : a->most;
    return l;
}

static inline int64_t ts_dsa_key(const ts_dsa_list *l, int64_t i) { return l->chosen ? l->chosen[i] : l->first + i; }

/* Where key j stands in the list; -1: it is not there. */
static inline int64_t ts_dsa_place(const ts_dsa_list *l, int64_t j)
{
    if (!l->chosen)
        return j >= l->first && j < l->first + l->n ? j - l->first : -1;
    int64_t lo = 0, hi = l->n;
    while (lo < hi) {
        const int64_t mid = (lo + hi) / 2;
        if (l->chosen[mid] < j)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < l->n && l->chosen[lo] == j ? lo : -1;
}
#endif
