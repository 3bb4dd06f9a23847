/* Optimizer steps, for any vocabulary (see norm_simd.h). */
#include "device/cpu/rowwise.h"
#include "device/cpu/simd/row.h"

/* What is the same for all elements, worked out in double. */
typedef struct adamw_factors {
    vf beta1, beta2, rest1, rest2, scale, eps, root_c2, step, decay;
} adamw_factors;

V_FN void adamw_at(const ts_adamw_args *a, const adamw_factors *f, int64_t i, int64_t n)
{
    const vf g = v_mul(v_load(a->grad + i, n), f->scale);
    const vf m = v_fma(g, f->rest1, v_mul(v_load(a->m + i, n), f->beta1));
    const vf v = v_fma(v_mul(g, g), f->rest2, v_mul(v_load(a->v + i, n), f->beta2));
    const vf below = v_fma(v_sqrt(v), f->root_c2, f->eps);
    v_store(a->m + i, n, m);
    v_store(a->v + i, n, v);
    v_store(a->p + i, n, v_fnma(v_div(m, below), f->step, v_mul(v_load(a->p + i, n), f->decay)));
}

static void adamw(const void *args, int64_t begin, int64_t end)
{
    const ts_adamw_args *a = args;
    const adamw_factors f = {
        v_set(a->beta1), v_set(a->beta2), v_set((vs)(1 - (double)a->beta1)),
        v_set((vs)(1 - (double)a->beta2)), v_set(a->grad_scale), v_set(a->eps),
        v_set((vs)(1 / sqrt(a->c2))), v_set((vs)((double)a->lr / a->c1)),
        v_set((vs)(1 - (double)a->lr * (double)a->weight_decay)),
    };
    int64_t i = begin;
    for (; i + V <= end; i += V)
        adamw_at(a, &f, i, V);
    if (i < end)
        adamw_at(a, &f, i, end - i);
}

V_FN void sgd_at(const ts_sgd_args *a, int64_t i, int64_t n, bool momentum)
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

V_FN void sgd_all(const ts_sgd_args *a, int64_t begin, int64_t end, bool momentum)
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

static void sumsq(const void *args, int64_t begin, int64_t end)
{
    const ts_sumsq_args *a = args;
    for (int64_t b = begin; b < end; b++) {
        const int64_t from = b * TS_SUMSQ_BLOCK, left = a->len - from;
        const int64_t n = left < TS_SUMSQ_BLOCK ? left : TS_SUMSQ_BLOCK;
        const float *x = a->x + from;
        vd even = vd_zero(), odd = vd_zero();
        int64_t zeros = 0, i = 0;
        for (; i + 2 * V <= n; i += 2 * V) {
            const vf v = v_load(x + i, V), w = v_load(x + i + V, V);
            even = vd_add_square(even, v);
            odd = vd_add_square(odd, w);
            if (a->zeros)
                zeros += v_count(v_eq(v, v_set(0)), V) + v_count(v_eq(w, v_set(0)), V);
        }
        for (; i < n; i += V) {
            const vf v = v_load(x + i, n - i);
            even = vd_add_square(even, v);
            zeros += v_count(v_eq(v, v_set(0)), n - i);
        }
        a->out[b] = vd_sum(even) + vd_sum(odd);
        if (a->zeros)
            a->zeros[b] = zeros;
    }
}

void TS_ISA_NAME(ts_optim_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_adamw] = TS_ROWWISE_ROW(adamw, 0);
    table[TS_KERNEL_sgd] = TS_ROWWISE_ROW(sgd, 0);
    table[TS_KERNEL_sumsq] = TS_ROWWISE_ROW(sumsq, 0);
}
