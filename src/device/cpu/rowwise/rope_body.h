/* Norm and rotation of queries and keys, for any vocabulary (see norm_body.h). */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

/* The query heads, or the key heads, of a row: `per` in each group, from `first` on; a group follows
 * `stride` elements behind the one before. */
typedef struct part {
    int64_t per, first, heads, stride;
    int64_t rstd;    /* where theirs begin in a row of rstd */
    bool keys;
    int64_t all;     /* such heads of all processes, where sums are added up over these */
    const float *w;
    float *dw;
    const float *cos, *sin; /* their angles */
} part;

/* Query heads of a group; queries alone are one group. */
static int64_t group_heads(const ts_rope_args *a)
{
    return a->n_kv ? a->n_q / a->n_kv : a->n_q;
}

static part query_part(const ts_rope_args *a)
{
    const int64_t r = group_heads(a);
    return (part){ .per = r, .heads = a->n_q, .stride = (r + 2) * a->head_dim, .all = a->all_q, .w = a->wq,
                   .dw = a->dwq, .cos = a->q_cos ? a->q_cos : a->cos, .sin = a->q_sin ? a->q_sin : a->sin };
}

static part key_part(const ts_rope_args *a)
{
    const int64_t r = group_heads(a);
    return (part){ .per = 1, .first = r * a->head_dim, .heads = a->n_kv,
                   .stride = (r + 2) * a->head_dim, .keys = true, .all = a->all_kv,
                   .rstd = a->full_norm ? 1 : a->n_q, .w = a->wk, .dw = a->dwk, .cos = a->cos, .sin = a->sin };
}

static int64_t row_width(const ts_rope_args *a) { return (a->n_q + 2 * a->n_kv) * a->head_dim; }

/* Whether heads have weights of their own. */
INLINE bool are_apart(const ts_rope_args *a) { return a->full_norm || a->own_weights; }

/* Where head h of the part begins in a row. */
INLINE int64_t head_at(const ts_rope_args *a, const part *p, int64_t h)
{
    const int64_t group = h / p->per;
    return group * p->stride + p->first + (h - group * p->per) * a->head_dim;
}

/* Its norm weights and its place in rstd. */
INLINE const float *head_w(const ts_rope_args *a, const part *p, int64_t h)
{
    return p->w ? p->w + (are_apart(a) ? h * a->head_dim : 0) : NULL;
}
INLINE int64_t head_rstd(const ts_rope_args *a, const part *p, int64_t row, int64_t h)
{
    return a->full_norm ? 2 * row + p->rstd : (a->n_q + a->n_kv) * row + p->rstd + h;
}

/* Pairs i to i + n - 1 of what begins at element `at`: halves, or neighbours. */
typedef struct pair {
    vf a, b;
} pair;
INLINE pair load_pair(const void *p, int64_t at, int64_t half, int64_t i, int64_t n, bool inter,
                      ts_dtype t)
{
    if (!inter)
        return (pair){ v_load_as(p, at + i, n, t), v_load_as(p, at + half + i, n, t) };
    pair v;
    v_unzip(v_load_as(p, at + 2 * i, 2 * n, t), v_load_as(p, at + 2 * i + V, 2 * n - V, t), &v.a,
            &v.b);
    return v;
}
INLINE void store_pair(void *p, int64_t at, int64_t half, int64_t i, int64_t n, bool inter,
                       ts_dtype t, pair v)
{
    if (!inter) {
        v_store_as(p, at + i, n, t, v.a);
        v_store_as(p, at + half + i, n, t, v.b);
        return;
    }
    vf lo, hi;
    v_zip(v.a, v.b, &lo, &hi);
    v_store_as(p, at + 2 * i, 2 * n, t, lo);
    v_store_as(p, at + 2 * i + V, 2 * n - V, t, hi);
}

/* By angle, or back by it. */
INLINE pair rotate(pair x, const float *cs, const float *sn, int64_t i, int64_t n, bool back)
{
    const vf c = v_load(cs + i, n), s = v_load(sn + i, n);
    if (back)
        return (pair){ v_fma(x.a, c, v_mul(x.b, s)), v_fnma(x.a, s, v_mul(x.b, c)) };
    return (pair){ v_fnma(x.b, s, v_mul(x.a, c)), v_fma(x.a, s, v_mul(x.b, c)) };
}

/* One head on its way: where it stands, its weights, factors, angles. */
typedef struct head {
    int64_t at;
    const float *w, *cs, *sn; /* w NULL: no norm, or one without weights */
    vf rstd, mean;            /* mean: of d * h, for backward */
    vf offset;
} head;

INLINE pair pair_gain(const head *h, int64_t half, int64_t i, int64_t n, bool inter)
{
    if (!h->w)
        return (pair){ v_set(1), v_set(1) };
    pair g = load_pair(h->w, 0, half, i, n, inter, TS_DTYPE_F32);
    return (pair){ v_add(g.a, h->offset), v_add(g.b, h->offset) };
}
INLINE vf rest_gain(const head *h, int64_t c, int64_t n)
{
    return h->w ? v_add(v_load(h->w + c, n), h->offset) : v_set(1);
}

/* ---- forward */

INLINE void fwd_pair(const ts_rope_args *a, const head *h, int64_t i, int64_t n, bool norm,
                     bool inter, ts_dtype t)
{
    const int64_t half = a->rot_dim / 2;
    pair x = load_pair(a->x, h->at, half, i, n, inter, t);
    if (norm) {
        const pair g = pair_gain(h, half, i, n, inter);
        x = (pair){ v_mul(v_mul(x.a, h->rstd), g.a), v_mul(v_mul(x.b, h->rstd), g.b) };
    }
    store_pair(a->y, h->at, half, i, n, inter, t, rotate(x, h->cs, h->sn, i, n, false));
}

INLINE void fwd_head(const ts_rope_args *a, const head *h, bool norm, bool inter, ts_dtype t)
{
    const int64_t half = a->rot_dim / 2;
    int64_t i = 0;
    for (; i + V <= half; i += V)
        fwd_pair(a, h, i, V, norm, inter, t);
    if (i < half)
        fwd_pair(a, h, i, half - i, norm, inter, t);
    for (int64_t c = a->rot_dim; c < a->head_dim; c += V) {
        const int64_t n = a->head_dim - c;
        vf x = v_load_as(a->x, h->at + c, n, t);
        if (norm)
            x = v_mul(v_mul(x, h->rstd), rest_gain(h, c, n));
        v_store_as(a->y, h->at + c, n, t, x);
    }
}

INLINE vs head_square(const ts_rope_args *a, int64_t at, ts_dtype t)
{
    vf even = v_set(0), odd = v_set(0);
    for (int64_t c = 0; c < a->head_dim; c += 2 * V) {
        const vf x = v_load_as(a->x, at + c, a->head_dim - c, t);
        const vf y = v_load_as(a->x, at + c + V, a->head_dim - c - V, t);
        even = v_fma(x, x, even);
        odd = v_fma(y, y, odd);
    }
    return v_sum(v_add(even, odd));
}

INLINE float rope_root(vs sum, int64_t n, float eps)
{
    return (float)(1 / sqrt((double)sum / (double)n + (double)eps));
}

/* So many heads in a row have one norm. */
INLINE int64_t norm_heads(const ts_rope_args *a, const part *p)
{
    return a->full_norm ? p->heads : 1;
}

/* Over head k and those behind it that share its norm. */
INLINE vs square_from(const ts_rope_args *a, const part *p, int64_t row, int64_t k, ts_dtype t)
{
    vs sum = 0;
    for (int64_t j = k; j < k + norm_heads(a, p); j++)
        sum += head_square(a, row * row_width(a) + head_at(a, p, j), t);
    return sum;
}

/* What all processes' heads of the part have together. */
INLINE vs added(const ts_rope_args *a, const part *p, int64_t row) { return (vs)a->added[2 * row + p->keys]; }

INLINE float root_from(const ts_rope_args *a, const part *p, int64_t row, int64_t k, ts_dtype t)
{
    return a->added ? rope_root(added(a, p, row), p->all * a->head_dim, a->eps)
                    : rope_root(square_from(a, p, row, k, t), norm_heads(a, p) * a->head_dim, a->eps);
}

INLINE void fwd_part(const ts_rope_args *a, const part *p, int64_t row, bool norm, bool inter,
                     ts_dtype t)
{
    const int64_t base = row * row_width(a), run = norm_heads(a, p),
                  angle = a->rot_dim ? a->pos[row] * (a->rot_dim / 2) : 0;
    head h = { .cs = p->cos + angle, .sn = p->sin + angle, .offset = v_set(a->offset) };
    for (int64_t k = 0; k < p->heads; k++) {
        if (norm && k % run == 0)
            a->rstd[head_rstd(a, p, row, k)] = root_from(a, p, row, k, t);
        if (norm) {
            h.rstd = v_set(a->rstd[head_rstd(a, p, row, k)]);
            h.w = head_w(a, p, k);
        }
        h.at = base + head_at(a, p, k);
        fwd_head(a, &h, norm, inter, t);
    }
}

/* ---- value heads */

static int64_t value_at(const ts_rope_args *a, int64_t row, int64_t group)
{
    const int64_t r = group_heads(a);
    return row * row_width(a) + (group * (r + 2) + r + 1) * a->head_dim;
}

INLINE void fwd_values(const ts_rope_args *a, int64_t row, ts_dtype t)
{
    for (int64_t g = 0; g < a->n_kv; g++) {
        const int64_t at = value_at(a, row, g);
        const float rstd = rope_root(head_square(a, at, t), a->head_dim, a->eps);
        a->v_rstd[row * a->n_kv + g] = rstd;
        for (int64_t c = 0; c < a->head_dim; c += V) {
            const int64_t n = a->head_dim - c;
            v_store_as(a->y, at + c, n, t, v_mul(v_load_as(a->x, at + c, n, t), v_set(rstd)));
        }
    }
}

/* With h = x * rstd: dx = rstd * (dy - h * mean(dy * h)). */
INLINE void bwd_values(const ts_rope_args *a, int64_t row, ts_dtype t)
{
    for (int64_t g = 0; g < a->n_kv; g++) {
        const int64_t at = value_at(a, row, g);
        const vf rstd = v_set(a->v_rstd[row * a->n_kv + g]);
        vf sum = v_set(0);
        for (int64_t c = 0; c < a->head_dim; c += V) {
            const int64_t n = a->head_dim - c;
            sum = v_fma(v_load_as(a->dy, at + c, n, t), v_mul(v_load_as(a->x, at + c, n, t), rstd), sum);
        }
        const vf mean = v_set(v_sum(sum) / (vs)a->head_dim);
        for (int64_t c = 0; c < a->head_dim; c += V) {
            const int64_t n = a->head_dim - c;
            const vf h = v_mul(v_load_as(a->x, at + c, n, t), rstd);
            v_store_as(a->dx, at + c, n, t, v_mul(rstd, v_fnma(h, mean, v_load_as(a->dy, at + c, n, t))));
        }
    }
}

/* Without a norm they pass. */
static void copy_values(const ts_rope_args *a, const void *from, void *to, int64_t row)
{
    if (from == to)
        return;
    const size_t size = ts_dtype_size(a->dtype);
    for (int64_t g = 0; g < a->n_kv; g++) {
        const int64_t at = value_at(a, row, g);
        memcpy((char *)to + (size_t)at * size, (const char *)from + (size_t)at * size,
               (size_t)a->head_dim * size);
    }
}

INLINE void fwd_rows(const ts_rope_args *a, int64_t begin, int64_t end, bool norm, bool inter,
                     ts_dtype t)
{
    const part parts[2] = { query_part(a), key_part(a) };
    for (int64_t row = begin; row < end; row++) {
        for (const part *p = parts; p < parts + 2; p++)
            fwd_part(a, p, row, norm, inter, t);
        if (a->norm_values)
            fwd_values(a, row, t);
        else
            copy_values(a, a->x, a->y, row);
    }
}

/* ---- backward: with dz = dy rotated back, d = dz * g, h = x * rstd: dx = rstd * (d - h * mean(d *
 * h)) */

INLINE pair back_pair(const ts_rope_args *a, const head *h, int64_t i, int64_t n, bool inter,
                      ts_dtype t)
{
    return rotate(load_pair(a->dy, h->at, a->rot_dim / 2, i, n, inter, t), h->cs, h->sn, i, n,
                  true);
}

INLINE vf norm_back(const head *h, vf dz, vf g, vf x)
{
    return v_mul(h->rstd, v_fnma(v_mul(x, h->rstd), h->mean, v_mul(dz, g)));
}

INLINE void bwd_pair(const ts_rope_args *a, const head *h, int64_t i, int64_t n, bool norm,
                     bool inter, ts_dtype t)
{
    const int64_t half = a->rot_dim / 2;
    pair dz = back_pair(a, h, i, n, inter, t);
    if (norm) {
        const pair g = pair_gain(h, half, i, n, inter),
                   x = load_pair(a->x, h->at, half, i, n, inter, t);
        dz = (pair){ norm_back(h, dz.a, g.a, x.a), norm_back(h, dz.b, g.b, x.b) };
    }
    store_pair(a->dx, h->at, half, i, n, inter, t, dz);
}

INLINE void bwd_head(const ts_rope_args *a, const head *h, bool norm, bool inter, ts_dtype t)
{
    const int64_t half = a->rot_dim / 2;
    int64_t i = 0;
    for (; i + V <= half; i += V)
        bwd_pair(a, h, i, V, norm, inter, t);
    if (i < half)
        bwd_pair(a, h, i, half - i, norm, inter, t);
    for (int64_t c = a->rot_dim; c < a->head_dim; c += V) {
        const int64_t n = a->head_dim - c;
        vf dz = v_load_as(a->dy, h->at + c, n, t);
        if (norm)
            dz = norm_back(h, dz, rest_gain(h, c, n), v_load_as(a->x, h->at + c, n, t));
        v_store_as(a->dx, h->at + c, n, t, dz);
    }
}

/* sum of d * h over a head */
INLINE vs head_dot(const ts_rope_args *a, const head *h, bool inter, ts_dtype t)
{
    const int64_t half = a->rot_dim / 2;
    vf sum_a = v_set(0), sum_b = v_set(0);
    for (int64_t i = 0; i < half; i += V) {
        const int64_t n = half - i;
        const pair dz = back_pair(a, h, i, n, inter, t), g = pair_gain(h, half, i, n, inter);
        const pair x = load_pair(a->x, h->at, half, i, n, inter, t);
        sum_a = v_fma(v_mul(dz.a, g.a), v_mul(x.a, h->rstd), sum_a);
        sum_b = v_fma(v_mul(dz.b, g.b), v_mul(x.b, h->rstd), sum_b);
    }
    for (int64_t c = a->rot_dim; c < a->head_dim; c += V) {
        const int64_t n = a->head_dim - c;
        const vf d = v_mul(v_load_as(a->dy, h->at + c, n, t), rest_gain(h, c, n));
        sum_a = v_fma(d, v_mul(v_load_as(a->x, h->at + c, n, t), h->rstd), sum_a);
    }
    return v_sum(v_add(sum_a, sum_b));
}

INLINE head bwd_prepare(const ts_rope_args *a, const part *p, int64_t row, int64_t k, bool norm)
{
    const int64_t angle = a->rot_dim ? a->pos[row] * (a->rot_dim / 2) : 0;
    head h = { .at = row * row_width(a) + head_at(a, p, k), .cs = p->cos + angle, .sn = p->sin + angle,
               .offset = v_set(a->offset) };
    if (norm) {
        h.w = head_w(a, p, k);
        h.rstd = v_set(a->rstd[head_rstd(a, p, row, k)]);
    }
    return h;
}

/* As square_from, of d * h. */
INLINE vs dot_from(const ts_rope_args *a, const part *p, int64_t row, int64_t k, bool inter, ts_dtype t)
{
    vs dot = 0;
    for (int64_t j = k; j < k + norm_heads(a, p); j++) {
        const head h = bwd_prepare(a, p, row, j, true);
        dot += head_dot(a, &h, inter, t);
    }
    return dot;
}

INLINE vs mean_from(const ts_rope_args *a, const part *p, int64_t row, int64_t k, bool inter, ts_dtype t)
{
    return a->added ? added(a, p, row) / (vs)(p->all * a->head_dim)
                    : dot_from(a, p, row, k, inter, t) / (vs)(norm_heads(a, p) * a->head_dim);
}

INLINE void bwd_part(const ts_rope_args *a, const part *p, int64_t row, bool norm, bool inter,
                     ts_dtype t)
{
    const int64_t run = norm_heads(a, p);
    vf mean = v_set(0);
    for (int64_t k = 0; k < p->heads; k++) {
        if (norm && k % run == 0)
            mean = v_set(mean_from(a, p, row, k, inter, t));
        head h = bwd_prepare(a, p, row, k, norm);
        h.mean = mean;
        bwd_head(a, &h, norm, inter, t);
    }
}

INLINE void bwd_rows(const ts_rope_args *a, int64_t begin, int64_t end, bool norm, bool inter,
                     ts_dtype t)
{
    const part parts[2] = { query_part(a), key_part(a) };
    for (int64_t row = begin; row < end; row++) {
        for (const part *p = parts; p < parts + 2; p++)
            bwd_part(a, p, row, norm, inter, t);
        if (a->norm_values)
            bwd_values(a, row, t);
        else
            copy_values(a, a->dy, a->dx, row);
    }
}

/* ---- what processes add up */

INLINE void sum_rows(const ts_rope_args *a, int64_t begin, int64_t end, bool inter, ts_dtype t)
{
    const part parts[2] = { query_part(a), key_part(a) };
    for (int64_t row = begin; row < end; row++)
        for (const part *p = parts; p < parts + 2; p++)
            a->sums[2 * row + p->keys] =
                (float)(a->dy ? dot_from(a, p, row, 0, inter, t) : square_from(a, p, row, 0, t));
}

#include "device/cpu/rowwise/rope_dw_body.h"

static bool has_norm(const ts_rope_args *a) { return a->wq || a->wk || a->unit_norm; }

static void rope_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_rope_args *a = args;
    if (has_norm(a) && a->interleaved)
        V_BY_DTYPE(a->dtype, fwd_rows, a, begin, end, true, true)
    else if (has_norm(a))
        V_BY_DTYPE(a->dtype, fwd_rows, a, begin, end, true, false)
    else if (a->interleaved)
        V_BY_DTYPE(a->dtype, fwd_rows, a, begin, end, false, true)
    else
        V_BY_DTYPE(a->dtype, fwd_rows, a, begin, end, false, false)
}

static void rope_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_rope_args *a = args;
    if (has_norm(a) && a->interleaved)
        V_BY_DTYPE(a->dtype, bwd_rows, a, begin, end, true, true)
    else if (has_norm(a))
        V_BY_DTYPE(a->dtype, bwd_rows, a, begin, end, true, false)
    else if (a->interleaved)
        V_BY_DTYPE(a->dtype, bwd_rows, a, begin, end, false, true)
    else
        V_BY_DTYPE(a->dtype, bwd_rows, a, begin, end, false, false)
}

static void rope_dw(const void *args, int64_t begin, int64_t end)
{
    const ts_rope_args *a = args;
    if (a->interleaved)
        V_BY_DTYPE(a->dtype, dw_cols, a, begin, end, true)
    else
        V_BY_DTYPE(a->dtype, dw_cols, a, begin, end, false)
}

static void rope_sums(const void *args, int64_t begin, int64_t end)
{
    const ts_rope_args *a = args;
    if (a->interleaved)
        V_BY_DTYPE(a->dtype, sum_rows, a, begin, end, true)
    else
        V_BY_DTYPE(a->dtype, sum_rows, a, begin, end, false)
}

/* ---- queries by their positions */

INLINE void temper_row(const ts_temper_args *a, int64_t row, ts_dtype t)
{
    const int64_t groups = a->n_kv ? a->n_kv : 1, queries = a->n_q / groups * a->head_dim,
                  stride = queries + (a->n_kv ? 2 * a->head_dim : 0), width = groups * stride;
    const double steps = floor(((double)a->pos[row] + 1) / (double)a->every);
    const vf by = v_set((float)(1 + (double)a->by * log1p(steps)));
    if (a->x != a->y) {
        const size_t size = ts_dtype_size(a->dtype), bytes = (size_t)width * size;
        memcpy((char *)a->y + (size_t)row * bytes, (const char *)a->x + (size_t)row * bytes, bytes);
    }
    for (int64_t g = 0; g < groups; g++)
        for (int64_t c = 0; c < queries; c += V) {
            const int64_t at = row * width + g * stride + c, n = queries - c < V ? queries - c : V;
            v_store_as(a->y, at, n, t, v_mul(v_load_as(a->y, at, n, t), by));
        }
}

INLINE void temper_rows(const ts_temper_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++)
        temper_row(a, row, t);
}

static void temper(const void *args, int64_t begin, int64_t end)
{
    const ts_temper_args *a = args;
    V_BY_DTYPE(a->dtype, temper_rows, a, begin, end)
}

/* ---- heads evenly apart */

INLINE void heads_row(const ts_rope_heads_args *a, int64_t row, bool inter, ts_dtype t)
{
    const int64_t half = a->dim / 2, summed = a->sums ? a->heads : 1, made = a->sums ? 1 : a->heads;
    const bool turns = a->cos != NULL;
    const float *cs = turns ? a->cos + a->pos[row] * half : NULL, *sn = turns ? a->sin + a->pos[row] * half : NULL;
    for (int64_t h = 0; h < made; h++)
        for (int64_t i = 0; i < half; i += V) {
            const int64_t n = lesser(half - i, V), at = row * a->x_row + h * a->x_head;
            pair x = load_pair(a->x, at, half, i, n, inter, t);
            for (int64_t k = 1; k < summed; k++) {
                const pair more = load_pair(a->x, at + k * a->x_head, half, i, n, inter, t);
                x = (pair){ v_add(x.a, more.a), v_add(x.b, more.b) };
            }
            store_pair(a->y, row * a->y_row + h * a->y_head, half, i, n, inter, t,
                       turns ? rotate(x, cs, sn, i, n, a->back) : x);
        }
}

INLINE void heads_rows(const ts_rope_heads_args *a, int64_t begin, int64_t end, bool inter, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++)
        heads_row(a, row, inter, t);
}

static void rope_heads(const void *args, int64_t begin, int64_t end)
{
    const ts_rope_heads_args *a = args;
    if (a->interleaved)
        V_BY_DTYPE(a->dtype, heads_rows, a, begin, end, true)
    else
        V_BY_DTYPE(a->dtype, heads_rows, a, begin, end, false)
}

void TS_ISA_NAME(ts_rope_kernels_init)(ts_cpu_kernel *table)
{
    enum { PAIRS = 16 }; /* shares of rope_dw never part neighbours (head_dim is even) */
    table[TS_KERNEL_rope_fwd] = TS_ROWWISE_ROW(rope_fwd, 0);
    table[TS_KERNEL_rope_bwd] = TS_ROWWISE_ROW(rope_bwd, 0);
    table[TS_KERNEL_rope_dw] = TS_ROWWISE_ROW(rope_dw, PAIRS);
    table[TS_KERNEL_rope_sums] = TS_ROWWISE_ROW(rope_sums, 0);
    table[TS_KERNEL_temper] = TS_ROWWISE_ROW(temper, 0);
    table[TS_KERNEL_rope_heads] = TS_ROWWISE_ROW(rope_heads, 0);
}
