/* The norm of groups of columns with a gate, written once and compiled once per instruction set. No
 * include guard. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

/* f(z) and its derivative. */
typedef struct gate {
    vf f, slope;
} gate;

INLINE gate gate_at(const ts_gate_args *a, int64_t i, int64_t n, ts_dtype t)
{
    if (!a->z)
        return (gate){ v_set(1), v_set(0) };
    const vf z = v_load_as(a->z, i, n, t), s = v_sigmoid(z), rest = v_sub(v_set(1), s);
    return a->kind == TS_GATE_SILU ? (gate){ v_mul(z, s), v_mul(s, v_fma(z, rest, v_set(1))) }
                                   : (gate){ s, v_mul(s, rest) };
}

/* What is normed; beyond the row 0. */
INLINE vf normed(const ts_gate_args *a, int64_t i, int64_t n, ts_dtype t)
{
    const vf x = v_load_as(a->x, i, n, t);
    return a->behind ? x : v_mul(x, gate_at(a, i, n, t).f);
}

/* Of a column; the weights of a group follow one another or repeat. */
INLINE vf weight(const ts_gate_args *a, int64_t c, int64_t n)
{
    return v_add(v_load(a->w + c % a->w_cols, n), v_set(a->offset));
}

/* Vectors that cross the end of the weights would need two pieces: steps end there. */
INLINE int64_t step_at(const ts_gate_args *a, int64_t c, int64_t end)
{
    return min64(min64(V, end - c), a->w_cols - c % a->w_cols);
}

INLINE void gate_fwd_rows(const ts_gate_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const int64_t groups = a->cols / a->group;
    for (int64_t r = begin; r < end; r++)
        for (int64_t g = 0; g < groups; g++) {
            const int64_t row = r * a->cols, c0 = g * a->group, c1 = c0 + a->group;
            vf sum = v_set(0);
            for (int64_t c = c0; c < c1; c += V) {
                const vf u = normed(a, row + c, c1 - c, t);
                sum = v_fma(u, u, sum);
            }
            const float rstd = (float)(1 / sqrt((double)v_sum(sum) / (double)a->group + (double)a->eps));
            a->rstd[r * groups + g] = rstd;
            for (int64_t c = c0, n; c < c1; c += n) {
                n = step_at(a, c, c1);
                const vf h = v_mul(v_mul(normed(a, row + c, n, t), v_set(rstd)), weight(a, c, n));
                v_store_as(a->y, row + c, n, t, a->behind ? v_mul(h, gate_at(a, row + c, n, t).f) : h);
            }
        }
}

static void gate_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_gate_args *a = args;
    V_BY_DTYPE(a->dtype, gate_fwd_rows, a, begin, end)
}

/* The gradient of u * rstd, from dy. */
INLINE vf d_normed(const ts_gate_args *a, int64_t i, int64_t c, int64_t n, ts_dtype t)
{
    const vf d = v_mul(v_load_as(a->dy, i, n, t), weight(a, c, n));
    return a->behind ? v_mul(d, gate_at(a, i, n, t).f) : d;
}

INLINE void gate_bwd_group(const ts_gate_args *a, int64_t row, int64_t c0, float rstd, ts_dtype t)
{
    const int64_t c1 = c0 + a->group;
    vf dot = v_set(0);
    for (int64_t c = c0, n; c < c1; c += n) {
        n = step_at(a, c, c1);
        dot = v_fma(d_normed(a, row + c, c, n, t), normed(a, row + c, n, t), dot);
    }
    /* du = rstd (d - u rstd^2 mean(d u)) */
    const vf share = v_set(v_sum(dot) / (vs)a->group * (vs)rstd * (vs)rstd);
    for (int64_t c = c0, n; c < c1; c += n) {
        n = step_at(a, c, c1);
        const int64_t i = row + c;
        const gate f = gate_at(a, i, n, t);
        const vf u = normed(a, i, n, t), du = v_mul(v_set(rstd), v_fnma(u, share, d_normed(a, i, c, n, t)));
        v_store_as(a->dx, i, n, t, a->behind ? du : v_mul(du, f.f));
        if (!a->z)
            continue;
        const vf h = v_mul(v_mul(u, v_set(rstd)), weight(a, c, n)), dy = v_load_as(a->dy, i, n, t);
        v_store_as(a->dz, i, n, t, v_mul(f.slope, a->behind ? v_mul(dy, h) : v_mul(du, v_load_as(a->x, i, n, t))));
    }
}

INLINE void gate_bwd_rows(const ts_gate_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const int64_t groups = a->cols / a->group;
    for (int64_t r = begin; r < end; r++)
        for (int64_t g = 0; g < groups; g++)
            gate_bwd_group(a, r * a->cols, g * a->group, a->rstd[r * groups + g], t);
}

static void gate_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_gate_args *a = args;
    V_BY_DTYPE(a->dtype, gate_bwd_rows, a, begin, end)
}

/* Weights [c, c + n), n at most V. A vector lies in one group, or groups are narrower than the weights. */
INLINE void dw_step(const ts_gate_args *a, int64_t c, int64_t n, ts_dtype t)
{
    const int64_t groups = a->cols / a->group;
    vf sum = v_set(0);
    for (int64_t r = 0; r < a->rows; r++)
        for (int64_t at = c; at < a->cols; at += a->w_cols) {
            const int64_t i = r * a->cols + at;
            const vf h = v_mul(normed(a, i, n, t), v_set(a->rstd[r * groups + at / a->group]));
            vf dy = v_load_as(a->dy, i, n, t);
            dy = a->behind ? v_mul(dy, gate_at(a, i, n, t).f) : dy;
            sum = v_fma(dy, h, sum);
        }
    v_store(a->dw + c, n, v_add(v_load(a->dw + c, n), sum));
}

INLINE void gate_dw_cols(const ts_gate_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t c = begin, n; c < end; c += n) {
        n = min64(min64(V, end - c), a->group - c % a->group);
        dw_step(a, c, n, t);
    }
}

static void gate_dw(const void *args, int64_t begin, int64_t end)
{
    const ts_gate_args *a = args;
    V_BY_DTYPE(a->dtype, gate_dw_cols, a, begin, end)
}

void TS_ISA_NAME(ts_gate_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_gate_fwd] = TS_ROWWISE_ROW(gate_fwd, 0);
    table[TS_KERNEL_gate_bwd] = TS_ROWWISE_ROW(gate_bwd, 0);
    table[TS_KERNEL_gate_dw] = TS_ROWWISE_ROW(gate_dw, TS_ROWWISE_COLUMNS);
}
