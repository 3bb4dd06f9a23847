/* Activations, plain and gated, for any vocabulary (see norm_body.h). */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

/* x (1 + tanh(u)) / 2 = x sigmoid(2u): 2u is x (K + K3 x^2). */
static const float gelu_k = 1.59576912f, gelu_k3 = 0.0713548162f;

INLINE vf act_value(vf x, ts_act f)
{
    vf density;
    switch (f) {
    case TS_ACT_SILU: return v_mul(x, v_sigmoid(x));
    case TS_ACT_GELU: return v_mul(x, v_phi(x, &density));
    case TS_ACT_GELU_TANH:
        return v_mul(x, v_sigmoid(v_mul(x, v_fma(v_mul(x, x), v_set(gelu_k3), v_set(gelu_k)))));
    case TS_ACT_GELU_QUICK: return v_mul(x, v_sigmoid(v_mul(x, v_set(1.702f))));
    case TS_ACT_RELU2: return v_mul(v_max(v_set(0), x), v_max(v_set(0), x));
    case TS_ACT_TANH: return v_tanh(x);
    default: return v_max(v_set(0), x);
    }
}

/* The derivative; *value gets f(x). */
INLINE vf act_slope(vf x, ts_act f, vf *value)
{
    const vf one = v_set(1);
    if (f == TS_ACT_GELU) {
        vf density;
        const vf phi = v_phi(x, &density);
        *value = v_mul(x, phi);
        return v_fma(x, density, phi);
    }
    if (f == TS_ACT_TANH) {
        const vf s = v_sigmoid(v_mul(v_max(x, v_sub(v_set(0), x)), v_set(-2))); /* 1 - tanh^2 = 4 s (1 - s) */
        *value = v_tanh(x);
        return v_mul(v_mul(v_set(4), s), v_sub(one, s));
    }
    if (f == TS_ACT_RELU || f == TS_ACT_RELU2) {
        const vf r = v_max(v_set(0), x);
        *value = f == TS_ACT_RELU ? r : v_mul(r, r);
        return f == TS_ACT_RELU2 ? v_add(r, r) : v_sel(v_ge(v_set(0), x), v_set(0), one);
    }
    vf u = x, du = one; /* the sigmoid's argument and its derivative */
    if (f == TS_ACT_GELU_TANH) {
        const vf x2 = v_mul(x, x);
        u = v_mul(x, v_fma(x2, v_set(gelu_k3), v_set(gelu_k)));
        du = v_fma(x2, v_set(3 * gelu_k3), v_set(gelu_k));
    } else if (f == TS_ACT_GELU_QUICK) {
        u = v_mul(x, v_set(1.702f));
        du = v_set(1.702f);
    }
    const vf s = v_sigmoid(u);
    *value = v_mul(x, s);
    return v_fma(v_mul(*value, du), v_sub(one, s), s);
}

/* Calls body(..., act, dtype) with the function as a constant. */
#define BY_ACT(act, body, a, begin, end, t)                                           \
    switch (act) {                                                                    \
    case TS_ACT_SILU: body(a, begin, end, TS_ACT_SILU, t); break;                     \
    case TS_ACT_GELU: body(a, begin, end, TS_ACT_GELU, t); break;                     \
    case TS_ACT_GELU_TANH: body(a, begin, end, TS_ACT_GELU_TANH, t); break;           \
    case TS_ACT_GELU_QUICK: body(a, begin, end, TS_ACT_GELU_QUICK, t); break;         \
    case TS_ACT_RELU2: body(a, begin, end, TS_ACT_RELU2, t); break;                   \
    case TS_ACT_TANH: body(a, begin, end, TS_ACT_TANH, t); break;                     \
    default: body(a, begin, end, TS_ACT_RELU, t);                                     \
    }

INLINE void act_fwd_at(const ts_act_args *a, int64_t i, int64_t n, ts_act f, ts_dtype t)
{
    v_store_as(a->y, i, n, t, act_value(v_load_as(a->x, i, n, t), f));
}

INLINE void act_fwd_all(const ts_act_args *a, int64_t begin, int64_t end, ts_act f, ts_dtype t)
{
    int64_t i = begin;
    for (; i + V <= end; i += V)
        act_fwd_at(a, i, V, f, t);
    if (i < end)
        act_fwd_at(a, i, end - i, f, t);
}

INLINE void act_bwd_at(const ts_act_args *a, int64_t i, int64_t n, ts_act f, ts_dtype t)
{
    vf value;
    const vf slope = act_slope(v_load_as(a->x, i, n, t), f, &value);
    v_store_as(a->dx, i, n, t, v_mul(v_load_as(a->dy, i, n, t), slope));
}

INLINE void act_bwd_all(const ts_act_args *a, int64_t begin, int64_t end, ts_act f, ts_dtype t)
{
    int64_t i = begin;
    for (; i + V <= end; i += V)
        act_bwd_at(a, i, V, f, t);
    if (i < end)
        act_bwd_at(a, i, end - i, f, t);
}

/* Gated: place c of row r; the gate stands at 2 cols r + c, up cols further on. held: whether there is a clamp or an
 * offset, and what the clamp is of. */
typedef enum hold { HOLD_NOT, HOLD_GATE, HOLD_VALUE } hold;
INLINE void load_both(const ts_act_args *a, int64_t at, int64_t n, ts_dtype t, vf *gate, vf *up)
{
    *gate = v_load_as(a->x, at, n, t);
    *up = v_load_as(a->x, at + a->cols, n, t);
}

/* The greatest values that count; v_min keeps a NaN that is its second operand. */
INLINE vf most(const ts_act_args *a) { return v_set(a->clamp > 0 ? a->clamp : INFINITY); }
INLINE vf held_up(const ts_act_args *a, vf up)
{
    return v_add(v_max(v_sub(v_set(0), most(a)), v_min(most(a), up)), v_set(a->offset));
}

INLINE void glu_fwd_at(const ts_act_args *a, int64_t r, int64_t c, int64_t n, ts_act f, hold held, ts_dtype t)
{
    vf gate, up;
    load_both(a, 2 * a->cols * r + c, n, t, &gate, &up);
    if (held)
        up = held_up(a, up);
    const vf value = act_value(held == HOLD_GATE ? v_min(most(a), gate) : gate, f);
    v_store_as(a->y, a->cols * r + c, n, t, v_mul(held == HOLD_VALUE ? v_min(most(a), value) : value, up));
}

INLINE void glu_fwd_rows(const ts_act_args *a, int64_t begin, int64_t end, ts_act f, hold held, ts_dtype t)
{
    for (int64_t r = begin; r < end; r++) {
        int64_t c = 0;
        for (; c + V <= a->cols; c += V)
            glu_fwd_at(a, r, c, V, f, held, t);
        if (c < a->cols)
            glu_fwd_at(a, r, c, a->cols - c, f, held, t);
    }
}

INLINE void glu_bwd_at(const ts_act_args *a, int64_t r, int64_t c, int64_t n, ts_act f, hold held, ts_dtype t)
{
    const int64_t at = 2 * a->cols * r + c;
    const vf dy = v_load_as(a->dy, a->cols * r + c, n, t), zero = v_set(0);
    vf gate, up, value;
    load_both(a, at, n, t, &gate, &up);
    const vf slope = act_slope(held == HOLD_GATE ? v_min(most(a), gate) : gate, f, &value);
    vf dgate = v_mul(v_mul(dy, held ? held_up(a, up) : up), slope),
       dup = v_mul(dy, held == HOLD_VALUE ? v_min(most(a), value) : value);
    if (held) {
        dgate = v_sel(v_ge(most(a), held == HOLD_VALUE ? value : gate), dgate, zero);
        dup = v_sel(v_ge(most(a), up), v_sel(v_ge(up, v_sub(zero, most(a))), dup, zero), zero);
    }
    v_store_as(a->dx, at, n, t, dgate);
    v_store_as(a->dx, at + a->cols, n, t, dup);
}

INLINE void glu_bwd_rows(const ts_act_args *a, int64_t begin, int64_t end, ts_act f, hold held, ts_dtype t)
{
    for (int64_t r = begin; r < end; r++) {
        int64_t c = 0;
        for (; c + V <= a->cols; c += V)
            glu_bwd_at(a, r, c, V, f, held, t);
        if (c < a->cols)
            glu_bwd_at(a, r, c, a->cols - c, f, held, t);
    }
}

INLINE hold hold_of(const ts_act_args *a)
{
    return a->clamp > 0 || a->offset != 0 ? a->of_value ? HOLD_VALUE : HOLD_GATE : HOLD_NOT;
}
INLINE void glu_fwd_all(const ts_act_args *a, int64_t begin, int64_t end, ts_act f, ts_dtype t)
{
    switch (hold_of(a)) {
    case HOLD_GATE: glu_fwd_rows(a, begin, end, f, HOLD_GATE, t); break;
    case HOLD_VALUE: glu_fwd_rows(a, begin, end, f, HOLD_VALUE, t); break;
    default: glu_fwd_rows(a, begin, end, f, HOLD_NOT, t);
    }
}
INLINE void glu_bwd_all(const ts_act_args *a, int64_t begin, int64_t end, ts_act f, ts_dtype t)
{
    switch (hold_of(a)) {
    case HOLD_GATE: glu_bwd_rows(a, begin, end, f, HOLD_GATE, t); break;
    case HOLD_VALUE: glu_bwd_rows(a, begin, end, f, HOLD_VALUE, t); break;
    default: glu_bwd_rows(a, begin, end, f, HOLD_NOT, t);
    }
}

INLINE void act_fwd_typed(const ts_act_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    BY_ACT(a->act, act_fwd_all, a, begin * a->cols, end * a->cols, t)
}
INLINE void act_bwd_typed(const ts_act_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    BY_ACT(a->act, act_bwd_all, a, begin * a->cols, end * a->cols, t)
}
INLINE void glu_fwd_typed(const ts_act_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    BY_ACT(a->act, glu_fwd_all, a, begin, end, t)
}
INLINE void glu_bwd_typed(const ts_act_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    BY_ACT(a->act, glu_bwd_all, a, begin, end, t)
}

static void act_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_act_args *a = args;
    V_BY_DTYPE(a->dtype, act_fwd_typed, a, begin, end)
}
static void act_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_act_args *a = args;
    V_BY_DTYPE(a->dtype, act_bwd_typed, a, begin, end)
}
static void glu_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_act_args *a = args;
    V_BY_DTYPE(a->dtype, glu_fwd_typed, a, begin, end)
}
static void glu_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_act_args *a = args;
    V_BY_DTYPE(a->dtype, glu_bwd_typed, a, begin, end)
}

void TS_ISA_NAME(ts_act_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_act_fwd] = TS_ROWWISE_ROW(act_fwd, 0);
    table[TS_KERNEL_act_bwd] = TS_ROWWISE_ROW(act_bwd, 0);
    table[TS_KERNEL_glu_fwd] = TS_ROWWISE_ROW(glu_fwd, 0);
    table[TS_KERNEL_glu_bwd] = TS_ROWWISE_ROW(glu_bwd, 0);
}
