/* What check_attn makes its cases from: sizes and features of one, its masks and its inputs. */
#ifndef TS_TESTS_ATTN_CASE_H
#define TS_TESTS_ATTN_CASE_H
#include "attn_oracle.h"

#include <string.h>

typedef struct geometry {
    int64_t B, S_q, S_kv, n_q, n_kv, D;
    ts_dtype dtype;
    double size;       /* of q and k; v and dout are of size 1 */
    double softcap, dropout;
    int64_t window;
    bool causal, fused, docs, lengths, sinks, slopes, cache, shared;
    bool pages, any_cut; /* with a cache (forward only) */
    bool same; /* keys are the values too (forward only) */
    bool blind; /* rows in the middle see nothing, then themselves only */
    bool ends;  /* last_key: of documents (with docs), or of padding */
    int64_t gap; /* rows of q, first_key and last_key between sequences */
    ts_stretches q_at; /* of the parts of a sequence of `whole` positions; and where the first key stands */
    int64_t key0, whole;
    const ts_attention_mask *mask; /* instead of causal and window; NULL: these */
} geometry;

typedef struct sizes {
    int64_t q, kv, o, stat; /* elements of q (and dq), of k or v, of o, of lse */
} sizes;

static sizes sizes_of(const ts_attn_args *a)
{
    return (sizes){ a->B * a->q_batch * a->q_row,
                    (a->kv_batch ? a->B * a->kv_batch : a->S_kv) * a->kv_row,
                    a->B * a->S_q * a->n_q * a->head_dim, a->B * a->n_q * a->S_q };
}

static ts_attention_mask mask_of(const geometry *g)
{
    if (g->mask)
        return *g->mask;
    if (g->causal)
        return ts_mask_causal(g->window);
    return g->window ? (ts_attention_mask){ .kind = TS_MASK_WINDOW, .left = g->window - 1, .right = -1 }
                     : (ts_attention_mask){ .kind = TS_MASK_BIDIRECTIONAL };
}

/* Strides, masks and factors; no buffers of elements yet. */
static ts_attn_args args_of(const geometry *g)
{
    const int64_t r = g->n_q / g->n_kv;
    ts_attn_args a = { .B = g->B, .S_q = g->S_q, .S_kv = g->S_kv,
                       .q_batch = g->S_q + g->gap, .limit_batch = g->gap ? g->S_q + g->gap : 0, .kv_batch = g->S_kv,
                       .n_q = g->n_q, .n_kv = g->n_kv, .head_dim = g->D, .dtype = g->dtype,
                       .scale = (float)(1 / sqrt((double)g->D)), .softcap = (float)g->softcap,
                       .mask = mask_of(g), .dropout = (float)g->dropout,
                       .rng = ts_rng_stream(77, TS_RNG_ATTN_DROPOUT, 3, 1), .sample0 = 5,
                       .head0 = 2, .n_q_total = g->n_q + 3, .q_at = g->q_at, .key0 = g->key0,
                       .S_q_all = g->whole, .S_kv_all = g->whole };
    if (g->fused) {
        a.q_row = a.kv_row = g->n_kv * (r + 2) * g->D + 3;
        a.q_group = a.kv_group = (r + 2) * g->D;
    } else {
        a.q_row = g->n_q * g->D + 1, a.q_group = r * g->D;
        a.kv_row = g->n_kv * g->D + 5, a.kv_group = g->D;
        a.kv_batch = g->S_kv + (g->cache ? 7 : 0);
        if (g->shared) /* one set of keys for all sequences and groups (forward only) */
            a.kv_batch = a.kv_group = 0, a.kv_row = g->D + 5;
    }
    return a;
}

static int32_t *counts(int64_t n)
{
    int32_t *p = check_ints(1, TS_DTYPE_I32, n, 1);
    memset(p, 0, (size_t)n * sizeof *p);
    return p;
}

static void add_masks(ts_attn_args *a, const geometry *g)
{
    if (g->lengths) {
        int32_t *ql = counts(a->B), *kl = counts(a->B);
        for (int64_t b = 0; b < a->B; b++) {
            ql[b] =
                (int32_t)(a->S_q - b * (a->S_q / 3 + 1) > 0 ? a->S_q - b * (a->S_q / 3 + 1) : 0);
            kl[b] = (int32_t)(b == 2 ? 0 : a->S_kv - b * (a->S_kv / 4));
        }
        a->q_len = ql, a->kv_len = kl;
    }
    if (g->pages) { /* the last page of the last sequence comes first */
        const int64_t each = (a->S_kv + 15) / 16, all = a->B * each;
        int32_t *page = counts(all);
        for (int64_t i = 0; i < all; i++)
            page[i] = (int32_t)(all - 1 - i);
        a->pages = page, a->pages_each = each, a->page_bits = 4;
        a->kv_batch = 16 * each; /* for the size of the buffers */
    }
    a->any_cut = g->any_cut;
    if (g->cache) {
        int32_t *start = counts(a->B);
        for (int64_t b = 0; b < a->B; b++)
            start[b] = (int32_t)(a->S_kv - a->S_q - 2 * b);
        a->q_start = start;
    }
    if (g->docs || g->ends) { /* documents of growing length; row 3 sees nothing that is there */
        int32_t *first = counts(a->B * a->q_batch), *last = counts(a->B * a->q_batch);
        for (int64_t b = 0; b < a->B; b++)
            for (int64_t i = 0, begin = 0, length = 5; i < a->S_q; i++) {
                if (i == begin + length)
                    begin = i, length = length * 3 / 2 + b;
                first[b * a->q_batch + i] = (int32_t)(i == 3 ? a->S_kv + 2 : begin);
                last[b * a->q_batch + i] =
                    (int32_t)(g->docs ? begin + length - 1 : i == 5 ? -1 : a->S_kv - 3 - 2 * b);
            }
        a->first_key = g->docs ? first : NULL;
        a->last_key = g->ends ? last : NULL;
    }
    if (g->blind) {
        int32_t *first = counts(a->B * a->q_batch);
        for (int64_t n = 0; n < a->B * a->q_batch; n++) {
            const int64_t i = n % a->q_batch, third = a->S_q / 3;
            first[n] = (int32_t)(i < third || i > 5 * third / 2 ? 0
                                 : i < 2 * third                ? a->S_kv + 2
                                                                : i);
        }
        a->first_key = first;
    }
    if (g->sinks)
        a->sinks = check_in(31, TS_DTYPE_F32, a->n_q, 4);
    if (g->slopes)
        a->slopes = check_in(32, TS_DTYPE_F32, a->n_q, 0.3);
}

/* Initial values become doubles at the same addresses. */
static double *as_doubles(const void *p, int64_t n, ts_dtype t)
{
    double *x = check_f64(n);
    for (int64_t i = 0; i < n; i++)
        x[i] = check_get(p, i, t);
    return x;
}

static doubles inputs(ts_attn_args *a, const geometry *g)
{
    const sizes n = sizes_of(a);
    const int64_t r = a->n_q / a->n_kv;
    doubles x;
    if (g->fused) { /* q, k, v are columns of one buffer */
        const char *all = check_in(1, a->dtype, n.q, g->size);
        const size_t e = ts_dtype_size(a->dtype);
        a->q = all, a->k = all + (size_t)(r * a->head_dim) * e,
        a->v = all + (size_t)((r + 1) * a->head_dim) * e;
        x.q = as_doubles(all, n.q, a->dtype);
        x.k = x.q + r * a->head_dim, x.v = x.k + a->head_dim;
    } else {
        a->q = check_in(1, a->dtype, n.q, g->size);
        a->k = check_in(2, a->dtype, n.kv, g->size);
        a->v = g->same ? a->k : check_in(3, a->dtype, n.kv, 1);
        x.q = as_doubles(a->q, n.q, a->dtype);
        x.k = as_doubles(a->k, n.kv, a->dtype), x.v = g->same ? x.k : as_doubles(a->v, n.kv, a->dtype);
    }
    a->dout = check_in(4, a->dtype, n.o, 1);
    x.dout = as_doubles(a->dout, n.o, a->dtype);
    return x;
}
#endif
