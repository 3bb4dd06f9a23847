/* Attention forward of few rows against many keys (decoding): each key is used so seldom that
 * packing it would cost more than it saves, so keys and values are read where they stand. Compiled
 * once per instruction set, after attn_fwd_body.h. No include guard. */

/* Scores of mr rows and n keys: V keys at a time, each with V sums, which are added up together. */
static void few_scores(const fwd_work *w, int64_t r0, int64_t mr, int64_t j0, int64_t n)
{
    const ts_attn_args *a = w->keys;
    j0 -= w->key0;
    for (int64_t j = 0; j < n; j += V) {
        const void *key[V];
        for (int64_t i = 0; i < V; i++)
            key[i] = at(a->k, kv_at(a, w->k, j0 + min64(j + i, n - 1)), a->dtype);
        for (int64_t m = 0; m < mr; m++) {
            vf sum[V];
#pragma GCC unroll 16
            for (int i = 0; i < V; i++)
                sum[i] = v_set(0);
            for (int64_t c = 0; c < w->d_words; c += V) {
                const vu q = u_load(w->q + (r0 + m) * w->words + c);
#pragma GCC unroll 16
                for (int i = 0; i < V; i++)
                    sum[i] = u_dot(sum[i], q, u_row_at(key[i], c, a->head_dim, a->dtype));
            }
            v_store(w->score + m * w->s->tile + j, v_sums(sum));
        }
    }
}

/* o[m] = o[m] * shrink[m] + p v, columns c..c+NR*V-1. */
INLINE void few_values(const int mr, const fwd_work *w, int64_t r0, int64_t j0, int64_t n,
                       int64_t c, const float *shrink)
{
    const ts_attn_args *a = w->keys;
    const int64_t dp = w->s->dp, p_ld = w->s->tile / UNIT;
    vf sum[MR][NR];
    const int vecs = (int)min64(NR, (dp - c) / V);
#pragma GCC unroll 8
    for (int m = 0; m < mr; m++)
#pragma GCC unroll 4
        for (int i = 0; i < NR; i++)
            sum[m][i] = i < vecs ? v_mul(v_load(w->o + (r0 + m) * dp + c + i * V), v_set(shrink[m]))
                                 : v_set(0);
    for (int64_t j = 0; j < n; j += UNIT) {
        const void *one = at(a->v, kv_at(a, w->k, j0 - w->key0 + j), a->dtype);
        const void *two = at(a->v, kv_at(a, w->k, j0 - w->key0 + min64(j + UNIT - 1, n - 1)), a->dtype);
        vu b[NR];
#pragma GCC unroll 2
        for (int i = 0; i < NR; i += 2)
            u_pair_at(one, two, max64(min64(c + i * V, a->head_dim), 0), a->head_dim, a->dtype,
                      b + i);
#pragma GCC unroll 8
        for (int m = 0; m < mr; m++) {
            const vu p = u_set(w->p + m * p_ld + j / UNIT);
#pragma GCC unroll 4
            for (int i = 0; i < NR; i++)
                sum[m][i] = u_dot(sum[m][i], p, b[i]);
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < mr; m++)
#pragma GCC unroll 4
        for (int i = 0; i < NR; i++)
            if (i < vecs)
                v_store(w->o + (r0 + m) * dp + c + i * V, sum[m][i]);
}

typedef void few_fn(const fwd_work *w, int64_t r0, int64_t j0, int64_t n, int64_t c,
                    const float *shrink);
#define FEW(m)                                                                                     \
    static void few_##m(const fwd_work *w, int64_t r0, int64_t j0, int64_t n, int64_t c,           \
                        const float *shrink)                                                       \
    {                                                                                              \
        few_values(m, w, r0, j0, n, c, shrink);                                                    \
    }
FEW(1)
FEW(2)
FEW(3)
FEW(4)
FEW(5)
FEW(6)

static void few_strip(const fwd_work *w, int64_t r0, int64_t mr, int64_t j0, int64_t n)
{
    static few_fn *const few[] = { few_1, few_2, few_3, few_4, few_5, few_6 };
    float shrink[V] = { 0 };
    int64_t c0, c1;
    strip_columns(w->f, r0, mr, j0, n, &c0, &c1);
    if (c0 >= c1)
        return;
    few_scores(w, r0, mr, j0, n);
    strip_softmax(w, r0, mr, j0, 0, round_up(n, V), shrink);
    v_store(shrink, v_exp2(v_load(shrink)));
    for (int64_t c = 0; c < w->s->dp; c += NR * V)
        few[mr - 1](w, r0, j0, n, c, shrink);
}

static void fwd(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                char *scratch, float *partial)
{
    fwd_work w = fwd_begin(a, s, k, scratch);
    const bool few = k->rows <= TS_ATTN_FEW && !a->any_cut;
    find_rows(a, s, k, w.f);
    for (int64_t i = 0; i < k->rows; i++) {
        u_pack_row(w.q + i * w.words, w.words, at(a->q, q_at(a, k, s->r, k->row0 + i), a->dtype),
                   a->head_dim, a->dtype);
        w.f->max[i] = -INFINITY;
    }
    w.turned = few ? 0 : rows_turned(&w);
    if (w.turned)
        turn_queries(&w);
    memset(w.sum, 0, (size_t)(k->rows * V) * sizeof *w.sum);
    memset(w.o, 0, (size_t)(k->rows * s->dp) * sizeof *w.o);
    /* with a cache tiles begin at multiples of their size, wherever the first query of the launch stands */
    const int64_t first = few || !a->q_start ? w.f->lo_all : w.f->lo_all / s->tile * s->tile;
    for (int64_t j0 = first; j0 < w.f->hi_all; j0 += s->tile) {
        const int64_t n = min64(s->tile, w.f->hi_all - j0);
        if (a->code != TS_KV_PLAIN)
            open_tile(&w, j0, n);
        if (!few) {
            const int64_t at_key = j0 - w.key0, end = w.keys == a ? w.f->hi_all : n;
            if (!w.turned)
                pack_transposed(w.keys, s, k, w.keys->k, at_key, n, end, w.kt, w.pack);
            pack_keys(w.keys, s, k, w.keys->v, at_key, n, end, w.v);
            if (w.turned)
                score_turned(&w, round_up(n, V));
        }
        for (int64_t r0 = 0; r0 < k->rows; r0 += MR)
            (few ? few_strip : fwd_strip)(&w, r0, min64(MR, k->rows - r0), j0, n);
    }
    if (partial)
        memcpy(partial + 2 * k->rows, w.o, (size_t)(k->rows * s->dp) * sizeof *w.o);
    for (int64_t i = 0; i < k->rows; i++) {
        const float sum = v_hsum(v_load(w.sum + i * V));
        if (partial)
            partial[i] = w.f->max[i], partial[k->rows + i] = sum;
        else
            finish_row(a, s, k, i, w.f->max[i], sum, w.o + i * s->dp);
    }
}

static void fwd_join(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                     char *scratch, const float *partial, int64_t n)
{
    float *o = carve(&scratch, s->dp);
    const int64_t stride = k->rows * (2 + s->dp);
    for (int64_t i = 0; i < k->rows; i++) {
        float max = -INFINITY, sum = 0;
        for (int64_t p = 0; p < n; p++)
            max = partial[p * stride + i] > max ? partial[p * stride + i] : max;
        memset(o, 0, (size_t)s->dp * sizeof *o);
        for (int64_t p = 0; p < n && max > -INFINITY; p++) {
            const float *part = partial + p * stride, *po = part + 2 * k->rows + i * s->dp;
            const float shrink = exp2f(part[i] - max);
            sum += part[k->rows + i] * shrink;
            for (int64_t c = 0; c < s->dp; c += V)
                v_store(o + c, v_fma(v_load(po + c), v_set(shrink), v_load(o + c)));
        }
        finish_row(a, s, k, i, max, sum, o);
    }
}
