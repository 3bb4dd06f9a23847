/* Optimizer steps, for any vocabulary (see norm_body.h). */
#include "base/halves.h"
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

/* What is the same for all elements, worked out in double. */
typedef struct adamw_factors {
    vf beta1, beta2, rest1, rest2, scale, eps, root_c2, step, decay;
} adamw_factors;

/* The types of the gradient, p, m and v. */
typedef struct adamw_types {
    ts_dtype g, p, m, v;
} adamw_types;

INLINE void adamw_put(void *to, int64_t i, int64_t n, ts_dtype t, vf x, vu r, int factor)
{
    if (t == TS_DTYPE_BF16)
        v_store_random((uint16_t *)to + i, n, x, factor == 1 ? r : v_times16(r, factor));
    else
        v_store_as(to, i, n, TS_DTYPE_F32, x);
}

/* r: the elements' random numbers, not looked at when all types are fp32. */
INLINE void adamw_at(const ts_adamw_args *a, const adamw_factors *f, int64_t i, int64_t n, vu r,
                     adamw_types t)
{
    const vf g = v_mul(v_load_as(a->grad, i, n, t.g), f->scale);
    const vf m = v_fma(g, f->rest1, v_mul(v_load_as(a->m, i, n, t.m), f->beta1));
    const vf v = v_fma(v_mul(g, g), f->rest2, v_mul(v_load_as(a->v, i, n, t.v), f->beta2));
    const vf below = v_fma(v_sqrt(v), f->root_c2, f->eps);
    const vf p = v_mul(v_load_as(a->p, i, n, t.p), f->decay);
    adamw_put(a->m, i, n, t.m, m, r, TS_ROUND_M);
    adamw_put(a->v, i, n, t.v, v, r, TS_ROUND_V);
    adamw_put(a->p, i, n, t.p, v_fnma(v_div(m, below), f->step, p), r, TS_ROUND_P);
}

INLINE void adamw_plain(const ts_adamw_args *a, const adamw_factors *f, int64_t begin, int64_t end, ts_dtype g)
{
    const adamw_types t = { g, TS_DTYPE_F32, TS_DTYPE_F32, TS_DTYPE_F32 };
    const uint32_t none[V] = { 0 };
    const vu r = v_halves(none, 0, V);
    int64_t i = begin;
    for (; i + V <= end; i += V)
        adamw_at(a, f, i, V, r, t);
    if (i < end)
        adamw_at(a, f, i, end - i, r, t);
}

/* Random bits come for 8V elements at a time, from the block of 8 that element i lies in on. */
INLINE void adamw_rounded(const ts_adamw_args *a, const adamw_factors *f, int64_t begin,
                          int64_t end, adamw_types t)
{
    _Alignas(64) uint32_t u[4 * V];
    int64_t i = begin;
    while (i < end) {
        const int64_t block = (a->first + i) / 8, first = block * 8 - a->first,
                      stop = first + 8 * V < end ? first + 8 * V : end;
        v_philox(&a->rng, (uint64_t)block, u);
        for (; i + V <= stop; i += V)
            adamw_at(a, f, i, V, v_halves(u, i - first, V), t);
        if (i < stop)
            adamw_at(a, f, i, stop - i, v_halves(u, i - first, stop - i), t);
        i = stop;
    }
}

#define ADAMW_TYPE(is_bf16) ((is_bf16) ? TS_DTYPE_BF16 : TS_DTYPE_F32)
#define ADAMW_CASE(p, m, v)                                                                        \
    case (p) << 2 | (m) << 1 | (v):                                                                \
        adamw_rounded(a, f, begin, end, (adamw_types){ g, ADAMW_TYPE(p), ADAMW_TYPE(m), ADAMW_TYPE(v) }); \
        break

INLINE void adamw_by_state(const ts_adamw_args *a, const adamw_factors *f, int64_t begin, int64_t end, ts_dtype g)
{
    switch ((a->p_dtype == TS_DTYPE_BF16) << 2 | (a->m_dtype == TS_DTYPE_BF16) << 1 |
            (a->v_dtype == TS_DTYPE_BF16)) {
        ADAMW_CASE(0, 0, 1);
        ADAMW_CASE(0, 1, 0);
        ADAMW_CASE(0, 1, 1);
        ADAMW_CASE(1, 0, 0);
        ADAMW_CASE(1, 0, 1);
        ADAMW_CASE(1, 1, 0);
        ADAMW_CASE(1, 1, 1);
    default: adamw_plain(a, f, begin, end, g);
    }
}

static void adamw_by_type(const ts_adamw_args *a, const adamw_factors *f, int64_t begin, int64_t end)
{
    if (a->grad_dtype == TS_DTYPE_BF16)
        adamw_by_state(a, f, begin, end, TS_DTYPE_BF16);
    else
        adamw_by_state(a, f, begin, end, TS_DTYPE_F32);
}

INLINE adamw_factors adamw_factors_of(const ts_adamw_args *a)
{
    return (adamw_factors){
        v_set(a->beta1), v_set(a->beta2), v_set((vs)(1 - (double)a->beta1)),
        v_set((vs)(1 - (double)a->beta2)), v_set(a->grad_scale), v_set(a->eps),
        v_set((vs)(1 / sqrt(a->c2))), v_set((vs)((double)a->lr / a->c1)),
        v_set((vs)(1 - (double)a->lr * (double)a->weight_decay)),
    };
}

static void adamw(const void *args, int64_t begin, int64_t end)
{
    const adamw_factors f = adamw_factors_of(args);
    adamw_by_type(args, &f, begin, end);
}

INLINE void average(float *ema, const float *p, int64_t n, float decay)
{
    const float rest = 1 - decay;
    for (int64_t i = 0; i < n; i++)
        ema[i] = decay * ema[i] + rest * p[i];
}

INLINE void join(const uint16_t *high, const uint16_t *low, const float *v, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = ts_f32_join(high[i], low[i], signbit(v[i]));
}

INLINE void part(const float *p, int64_t n, uint16_t *high, uint16_t *low, float *v)
{
    for (int64_t i = 0; i < n; i++) {
        high[i] = ts_f32_to_bf16(p[i]);
        low[i] = ts_f32_low(p[i]);
        v[i] = ts_f32_ties_up(p[i]) ? -v[i] : v[i];
    }
}

static void join_halves(const void *args, int64_t begin, int64_t end)
{
    const ts_join_halves_args *a = args;
    join(a->high + begin, a->low + begin, a->v + begin, end - begin, a->out + begin);
}

/* One whose master is in halves. */
static void adamw_parted(const ts_adamw_kept_args *a, ts_adamw_args *s, const adamw_factors *f, int64_t at, int64_t n)
{
    float p[TS_CODES_BLOCK], *v = s->v;
    uint16_t *high = (uint16_t *)a->adamw.p + at;
    join(high, a->low + at, v, n, p);
    for (int64_t i = 0; i < n; i++)
        v[i] = fabsf(v[i]);
    s->p = p;
    adamw_by_type(s, f, 0, n);
    part(p, n, high, a->low + at, v);
}

static void adamw_kept_block(const ts_adamw_kept_args *a, const adamw_factors *f, int64_t block)
{
    enum { N = TS_CODES_BLOCK };
    const int64_t at = block * N, n = at + N < a->len ? N : a->len - at;
    float m[N], v[N];
    ts_adamw_args s = a->adamw;
    s.p = (char *)s.p + (size_t)at * ts_dtype_size(s.p_dtype);
    s.grad = (const char *)s.grad + (size_t)at * ts_dtype_size(s.grad_dtype);
    s.first += at;
    void *m_at = (char *)s.m + (size_t)at * (a->m_codes ? ts_codes_size(a->m_codes) : ts_dtype_size(s.m_dtype)),
         *v_at = (char *)s.v + (size_t)at * (a->v_codes ? ts_codes_size(a->v_codes) : ts_dtype_size(s.v_dtype)),
         *m_scale = (char *)a->m_scales + (size_t)block * ts_codes_scale_bytes(a->m_codes),
         *v_scale = (char *)a->v_scales + (size_t)block * ts_codes_scale_bytes(a->v_codes);
    s.m = a->m_codes ? m : m_at;
    s.v = a->v_codes ? v : v_at;
    if (a->m_codes)
        ts_codes_read(a->m_codes, false, m_at, m_scale, n, m);
    if (a->v_codes)
        ts_codes_read(a->v_codes, true, v_at, v_scale, n, v);
    if (a->low)
        adamw_parted(a, &s, f, at, n);
    else
        adamw_by_type(&s, f, 0, n);
    if (a->ema)
        average(a->ema + at, s.p, n, a->ema_decay);
    if (a->m_codes)
        ts_codes_write(a->m_codes, false, m, n, m_at, m_scale);
    if (a->v_codes)
        ts_codes_write(a->v_codes, true, v, n, v_at, v_scale);
}

static void adamw_kept(const void *args, int64_t begin, int64_t end)
{
    const ts_adamw_kept_args *a = args;
    const adamw_factors f = adamw_factors_of(&a->adamw);
    for (int64_t b = begin; b < end; b++)
        adamw_kept_block(a, &f, b);
}

/* Where block b's code and scale are, and how many numbers it has. */
typedef struct codes_block {
    void *code, *scale;
    int64_t at, n;
} codes_block;

INLINE codes_block codes_block_at(const ts_codes_args *a, int64_t b)
{
    const int64_t at = b * TS_CODES_BLOCK, left = a->len - at;
    return (codes_block){ (char *)a->code + (size_t)at * ts_codes_size(a->codes),
                          (char *)a->scales + (size_t)b * ts_codes_scale_bytes(a->codes), at,
                          left < TS_CODES_BLOCK ? left : TS_CODES_BLOCK };
}

/* Sums that are numbers of their own, without scales. */
INLINE void codes_add_plain(const ts_codes_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t i = begin; i < end; i += V) {
        const int64_t n = end - i < V ? end - i : V;
        const vf x = v_load(a->x + i, n);
        v_store_as(a->code, i, n, t, a->begins ? x : v_add(v_load_as(a->code, i, n, t), x));
    }
}

static void codes_add(const void *args, int64_t begin, int64_t end)
{
    const ts_codes_args *a = args;
    const int64_t first = begin * TS_CODES_BLOCK, stop = end * TS_CODES_BLOCK < a->len ? end * TS_CODES_BLOCK : a->len;
    if (a->codes == TS_CODES_BF16 && !a->random) {
        codes_add_plain(a, first, stop, TS_DTYPE_BF16);
        return;
    }
    for (int64_t b = begin; b < end; b++) {
        const codes_block k = codes_block_at(a, b);
        float sum[TS_CODES_BLOCK] = { 0 };
        if (!a->begins)
            ts_codes_read(a->codes, false, k.code, k.scale, k.n, sum);
        for (int64_t i = 0; i < k.n; i++)
            sum[i] = a->begins ? a->x[k.at + i] : sum[i] + a->x[k.at + i];
        if (a->random)
            ts_codes_write_random(sum, k.n, &a->rng, a->first + k.at, k.code, k.scale);
        else
            ts_codes_write(a->codes, false, sum, k.n, k.code, k.scale);
    }
}

static void codes_read(const void *args, int64_t begin, int64_t end)
{
    const ts_codes_args *a = args;
    for (int64_t b = begin; b < end; b++) {
        const codes_block k = codes_block_at(a, b);
        float v[TS_CODES_BLOCK];
        ts_codes_read(a->codes, false, k.code, k.scale, k.n, v);
        for (int64_t i = 0; i < k.n; i += V) {
            const int64_t n = k.n - i < V ? k.n - i : V;
            if (a->y_dtype == TS_DTYPE_BF16)
                v_store_as(a->y, k.at + i, n, TS_DTYPE_BF16, v_load(v + i, n));
            else
                v_store_as(a->y, k.at + i, n, TS_DTYPE_F32, v_load(v + i, n));
        }
    }
}

INLINE void sgd_at(const ts_sgd_args *a, int64_t i, int64_t n, bool momentum)
{
    const vf p = v_load(a->p + i, n);
    vf g = v_mul(v_load(a->grad + i, n), v_set(a->grad_scale));
    g = v_fma(p, v_set(a->weight_decay), g);
    if (momentum) {
        g = v_fma(v_load(a->m + i, n), v_set(a->momentum), g);
        v_store(a->m + i, n, g);
    }
    v_store(a->p + i, n, v_fnma(g, v_set(a->lr), p));
}

INLINE void sgd_all(const ts_sgd_args *a, int64_t begin, int64_t end, bool momentum)
{
    int64_t i = begin;
    for (; i + V <= end; i += V)
        sgd_at(a, i, V, momentum);
    if (i < end)
        sgd_at(a, i, end - i, momentum);
}

static void sgd(const void *args, int64_t begin, int64_t end)
{
    const ts_sgd_args *a = args;
    if (a->m && a->momentum > 0)
        sgd_all(a, begin, end, true);
    else
        sgd_all(a, begin, end, false);
}

INLINE void lion_at(const ts_lion_args *a, int64_t i, int64_t n)
{
    const vf g = v_mul(v_load(a->grad + i, n), v_set(a->grad_scale)), m = v_load(a->m + i, n);
    const vf p = v_mul(v_load(a->p + i, n), v_set((vs)(1 - (double)a->lr * (double)a->weight_decay)));
    const vf way = v_fma(g, v_set((vs)(1 - (double)a->beta1)), v_mul(m, v_set(a->beta1)));
    const vf zero = v_set(0), lr = v_set(a->lr);
    const vf sign = v_sel(v_eq(way, zero), zero, v_sel(v_ge(way, zero), lr, v_sub(zero, lr)));
    v_store(a->p + i, n, v_sub(p, v_sel(v_eq(way, way), sign, way))); /* what is no number comes through */
    v_store(a->m + i, n, v_fma(g, v_set((vs)(1 - (double)a->beta2)), v_mul(m, v_set(a->beta2))));
}

static void lion(const void *args, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i += V)
        lion_at(args, i, end - i < V ? end - i : V);
}

/* Elements of x from i on that stand one after the other in the weight too, and where; at most to end. */
INLINE int64_t muon_run(const ts_muon_args *a, int64_t i, int64_t end, int64_t *at)
{
    const int64_t left = a->block - i % a->block;
    *at = i / a->block * a->stride + i % a->block;
    return left < end - i ? left : end - i;
}

static void muon_momentum(const void *args, int64_t begin, int64_t end)
{
    const ts_muon_args *a = args;
    const vf beta = v_set(a->beta), rest = v_set((vs)(1 - (double)a->beta)), scale = v_set(a->grad_scale);
    for (int64_t i = begin, run, at; i < end; i += run) {
        run = muon_run(a, i, end, &at);
        for (int64_t k = 0; k < run; k += V) {
            const int64_t n = run - k < V ? run - k : V;
            const vf g = v_mul(v_mul(v_load(a->grad + at + k, n), scale), rest);
            const vf m = v_fma(v_load(a->m + at + k, n), beta, g);
            v_store(a->m + at + k, n, m);
            v_store(a->x + i + k, n, a->nesterov ? v_fma(m, beta, g) : m);
        }
    }
}

static void muon_apply(const void *args, int64_t begin, int64_t end)
{
    const ts_muon_args *a = args;
    const vf decay = v_set((vs)(1 - (double)a->lr * (double)a->weight_decay)), step = v_set(a->lr);
    for (int64_t i = begin, run, at; i < end; i += run) {
        run = muon_run(a, i, end, &at);
        for (int64_t k = 0; k < run; k += V) {
            const int64_t n = run - k < V ? run - k : V;
            const vf p = v_mul(v_load(a->p + at + k, n), decay);
            v_store(a->p + at + k, n, v_fnma(v_load(a->x + i + k, n), step, p));
        }
    }
}

static void apollo_moments(const void *args, int64_t begin, int64_t end)
{
    const ts_apollo_args *a = args;
    const vf b1 = v_set(a->beta1), b2 = v_set(a->beta2), c1 = v_set((vs)(1 - (double)a->beta1)),
             c2 = v_set((vs)(1 - (double)a->beta2)), eps = v_set(a->eps);
    for (int64_t i = begin; i < end; i += V) {
        const int64_t n = end - i < V ? end - i : V;
        const vf r = v_load(a->r + i, n), m = v_fma(r, c1, v_mul(v_load(a->m + i, n), b1)),
                 v = v_fma(v_mul(r, r), c2, v_mul(v_load(a->v + i, n), b2));
        v_store(a->m + i, n, m);
        v_store(a->v + i, n, v);
        v_store(a->x + i, n, v_div(m, v_add(v_sqrt(v), eps)));
    }
}

INLINE vf apollo_factor(vf xx, vf rr) { return v_div(v_sqrt(xx), v_add(v_sqrt(rr), v_set(1e-8f))); }

static void apollo_factors(const void *args, int64_t begin, int64_t end)
{
    const ts_apollo_args *a = args;
    for (int64_t c = begin; c < end && a->by_rows; c++) {
        vf xx = v_set(0), rr = xx;
        for (int64_t k = 0; k < a->depth; k += V) {
            const int64_t n = a->depth - k < V ? a->depth - k : V, at = c * a->depth + k;
            const vf x = v_load(a->x + at, n), r = v_load(a->r + at, n);
            xx = v_fma(x, x, xx), rr = v_fma(r, r, rr);
        }
        v_store(a->factor + c, 1, apollo_factor(v_set(v_sum(xx)), v_set(v_sum(rr))));
    }
    for (int64_t c = begin; c < end && !a->by_rows; c += V) {
        const int64_t n = end - c < V ? end - c : V;
        vf xx = v_set(0), rr = xx;
        for (int64_t k = 0; k < a->depth; k++) {
            const vf x = v_load(a->x + k * a->cols + c, n), r = v_load(a->r + k * a->cols + c, n);
            xx = v_fma(x, x, xx), rr = v_fma(r, r, rr);
        }
        v_store(a->factor + c, n, apollo_factor(xx, rr));
    }
}

/* n elements of row i from column j on. */
INLINE vf apollo_scaled(const ts_apollo_args *a, int64_t i, int64_t j, int64_t n)
{
    const vf factor = a->by_rows ? v_set((vs)a->factor[i]) : v_load(a->factor + j, n);
    return v_mul(v_mul(v_load(a->grad + i * a->ld + j, n), v_set(a->scale)), factor);
}

static void apollo_scale(const void *args, int64_t begin, int64_t end)
{
    const ts_apollo_args *a = args;
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < a->cols; j += V) {
            const int64_t n = a->cols - j < V ? a->cols - j : V;
            v_store(a->y + i * a->cols + j, n, apollo_scaled(a, i, j, n));
        }
}

/* r: the elements' random numbers, not looked at in fp32. */
INLINE void apollo_apply_at(const ts_apollo_args *a, int64_t i, int64_t j, int64_t n, ts_dtype t, vu r)
{
    const vf decay = v_set((vs)(1 - (double)a->lr * (double)a->weight_decay));
    const vf p = v_mul(v_load_as(a->p, i * a->ld + j, n, t), decay);
    adamw_put(a->p, i * a->ld + j, n, t, v_fnma(apollo_scaled(a, i, j, n), v_set(a->rate), p), r, TS_ROUND_P);
}

INLINE void apollo_row(const ts_apollo_args *a, int64_t i)
{
    const uint32_t none[V] = { 0 };
    const vu r = v_halves(none, 0, V);
    for (int64_t j = 0; j < a->cols; j += V)
        apollo_apply_at(a, i, j, a->cols - j < V ? a->cols - j : V, TS_DTYPE_F32, r);
}

/* Random bits as in adamw_rounded. */
INLINE void apollo_row_rounded(const ts_apollo_args *a, int64_t i)
{
    _Alignas(64) uint32_t u[4 * V];
    const int64_t number = a->first + i * a->first_row;
    int64_t j = 0;
    while (j < a->cols) {
        const int64_t block = (number + j) / 8, first = block * 8 - number,
                      stop = first + 8 * V < a->cols ? first + 8 * V : a->cols;
        v_philox(&a->rng, (uint64_t)block, u);
        for (; j < stop; j += V) {
            const int64_t n = stop - j < V ? stop - j : V;
            apollo_apply_at(a, i, j, n, TS_DTYPE_BF16, v_halves(u, j - first, n));
        }
        j = stop;
    }
}

static void apollo_apply(const void *args, int64_t begin, int64_t end)
{
    const ts_apollo_args *a = args;
    for (int64_t i = begin; i < end; i++)
        if (a->p_dtype == TS_DTYPE_BF16)
            apollo_row_rounded(a, i);
        else
            apollo_row(a, i);
}

INLINE void sumsq_blocks(const ts_sumsq_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t b = begin; b < end; b++) {
        const int64_t from = b * TS_SUMSQ_BLOCK, left = a->len - from;
        const int64_t n = left < TS_SUMSQ_BLOCK ? left : TS_SUMSQ_BLOCK;
        vd even = vd_zero(), odd = vd_zero();
        int64_t zeros = 0, i = 0;
        for (; i + 2 * V <= n; i += 2 * V) {
            const vf v = v_load_as(a->x, from + i, V, t),
                     w = v_load_as(a->x, from + i + V, V, t);
            even = vd_add_square(even, v);
            odd = vd_add_square(odd, w);
            if (a->zeros)
                zeros += v_count(v_eq(v, v_set(0)), V) + v_count(v_eq(w, v_set(0)), V);
        }
        for (; i < n; i += V) {
            const vf v = v_load_as(a->x, from + i, n - i, t);
            even = vd_add_square(even, v);
            zeros += v_count(v_eq(v, v_set(0)), n - i);
        }
        a->out[b] = vd_sum(even) + vd_sum(odd);
        if (a->zeros)
            a->zeros[b] = zeros;
    }
}

static void sumsq(const void *args, int64_t begin, int64_t end)
{
    const ts_sumsq_args *a = args;
    V_BY_DTYPE(a->x_dtype, sumsq_blocks, a, begin, end)
}

void TS_ISA_NAME(ts_optim_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_adamw] = TS_ROWWISE_ROW(adamw, 0);
    table[TS_KERNEL_adamw_kept] = TS_ROWWISE_ROW(adamw_kept, 0);
    table[TS_KERNEL_codes_add] = TS_ROWWISE_ROW(codes_add, 0);
    table[TS_KERNEL_codes_read] = TS_ROWWISE_ROW(codes_read, 0);
    table[TS_KERNEL_join_halves] = TS_ROWWISE_ROW(join_halves, 0);
    table[TS_KERNEL_sgd] = TS_ROWWISE_ROW(sgd, 0);
    table[TS_KERNEL_lion] = TS_ROWWISE_ROW(lion, 0);
    table[TS_KERNEL_muon_momentum] = TS_ROWWISE_ROW(muon_momentum, 0);
    table[TS_KERNEL_muon_apply] = TS_ROWWISE_ROW(muon_apply, 0);
    table[TS_KERNEL_apollo_moments] = TS_ROWWISE_ROW(apollo_moments, 0);
    table[TS_KERNEL_apollo_factors] = TS_ROWWISE_ROW(apollo_factors, 0);
    table[TS_KERNEL_apollo_scale] = TS_ROWWISE_ROW(apollo_scale, 0);
    table[TS_KERNEL_apollo_apply] = TS_ROWWISE_ROW(apollo_apply, 0);
    table[TS_KERNEL_sumsq] = TS_ROWWISE_ROW(sumsq, 0);
}
