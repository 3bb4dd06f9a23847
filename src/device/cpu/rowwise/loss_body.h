/* Softmax cross-entropy, for any vocabulary of vectors (see norm_body.h).
 *
 * Three passes over a row: the largest, the sum of exponentials, the gradient. With a gradient the
 * logits are overwritten on the way, by exponentials (one exponential an element instead of two)
 * or, with a softcap, by the capped values, which the derivative needs. A row of 49,152 floats
 * stays in a second level cache in between. Sums run in fp32 within blocks of BLOCK columns, blocks
 * are added in double. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

enum { BLOCK = 4096 };

/* What of the row the passes need. */
typedef struct row {
    const ts_loss_args *a;
    float *z;
    void *d;
    int64_t label;
    vf cap, inverse_cap;
} row;

/* Rounded, so that what is stored and found again is what was compared. */
INLINE vf capped(const row *w, vf z)
{
    return v_round_as(v_mul(w->cap, v_tanh(v_mul(z, w->inverse_cap))), TS_DTYPE_F32);
}

/* Logits as pass one and two see them. */
INLINE vf logit(const row *w, int64_t c, int64_t n, bool cap)
{
    const vf z = v_load(w->z + c, n);
    return cap ? capped(w, z) : z;
}

INLINE vf first_look(const row *w, int64_t c, int64_t n, bool cap, bool grad)
{
    const vf z = logit(w, c, n, cap);
    if (cap && grad)
        v_store(w->z + c, n, z);
    return v_keep(n, z, v_set(-INFINITY));
}

/* NaN is passed over here and found by the sum. */
INLINE vs row_max(const row *w, bool cap, bool grad)
{
    const int64_t n = w->a->cols;
    v4 most = v4_set(-INFINITY);
    int64_t c = 0;
    for (; c + V4 <= n; c += V4)
        for (int k = 0; k < 4; k++)
            most.k[k] = v_max(first_look(w, c + k * V, V, cap, grad), most.k[k]);
    for (; c < n; c += V)
        most.k[0] = v_max(first_look(w, c, n - c, cap, grad), most.k[0]);
    return v4_hmax(most);
}

/* The lowest column that holds the largest. */
INLINE int32_t row_argmax(const row *w, vf most, bool cap)
{
    const int64_t n = w->a->cols;
    for (int64_t c = 0; c < n; c += V) {
        const int k = v_first(v_eq(logit(w, c, n - c, cap), most), n - c);
        if (k >= 0)
            return (int32_t)(c + k);
    }
    return 0;
}

INLINE vf exponential(const row *w, int64_t c, int64_t n, vf most, bool cap, bool keep)
{
    const vf e = v_exp(v_sub(logit(w, c, n, cap), most));
    if (keep)
        v_store(w->z + c, n, e);
    return v_keep(n, e, v_set(0));
}

INLINE double row_sum(const row *w, vf most, bool cap, bool keep)
{
    double total = 0;
    for (int64_t begin = 0; begin < w->a->cols; begin += BLOCK) {
        const int64_t left = w->a->cols - begin, end = begin + (left < BLOCK ? left : BLOCK);
        v4 sum = v4_set(0);
        int64_t c = begin;
        for (; c + V4 <= end; c += V4)
            for (int k = 0; k < 4; k++)
                sum.k[k] = v_add(sum.k[k], exponential(w, c + k * V, V, most, cap, keep));
        for (; c < end; c += V)
            sum.k[0] = v_add(sum.k[0], exponential(w, c, end - c, most, cap, keep));
        total += (double)v4_sum(sum);
    }
    return total;
}

INLINE void put_gradients(const row *w, double scale, ts_dtype t)
{
    const int64_t n = w->a->cols;
    const vf s = v_set((vs)scale);
    int64_t c = 0;
    for (; c + V <= n; c += V)
        v_store_as(w->d, c, V, t, v_mul(v_load(w->z + c, V), s));
    if (c < n)
        v_store_as(w->d, c, n - c, t, v_mul(v_load(w->z + c, n - c), s));
}

/* d = weight * e^(s - lse) * (1 - (s / cap)^2) */
INLINE vf capped_gradient(const row *w, vf s, vf lse, vf weight)
{
    const vf t = v_mul(s, w->inverse_cap);
    return v_mul(v_mul(weight, v_exp(v_sub(s, lse))), v_fnma(t, t, v_set(1)));
}

INLINE void put_capped_gradients(const row *w, double lse, float weight, ts_dtype t)
{
    const int64_t n = w->a->cols;
    const vf l = v_set((vs)lse), wt = v_set(weight);
    int64_t c = 0;
    for (; c + V <= n; c += V)
        v_store_as(w->d, c, V, t, capped_gradient(w, v_load(w->z + c, V), l, wt));
    if (c < n)
        v_store_as(w->d, c, n - c, t, capped_gradient(w, v_load(w->z + c, n - c), l, wt));
}

INLINE row row_of(const ts_loss_args *a, int64_t r, bool cap, bool grad, ts_dtype t)
{
    row w = { .a = a, .z = a->logits + r * a->ld, .label = a->labels[r] };
    if (grad)
        w.d = (char *)a->dlogits + (size_t)(r * a->ld_d) * ts_dtype_size(t);
    if (cap)
        w.cap = v_set(a->softcap), w.inverse_cap = v_set((vs)(1 / (double)a->softcap));
    return w;
}

INLINE float weight_of(const ts_loss_args *a, int64_t r) { return a->weight ? a->weight[r] : 1; }

/* The row does not count. */
INLINE bool skips(const ts_loss_args *a, int64_t r)
{
    const float weight = weight_of(a, r);
    return a->labels[r] < 0 || !(weight < 0 || weight > 0);
}

INLINE void put_nothing(const row *w, int64_t r, bool grad, ts_dtype t)
{
    if (w->a->loss)
        w->a->loss[r] = 0;
    if (grad)
        memset(w->d, 0, (size_t)w->a->cols * ts_dtype_size(t));
}

/* Before the passes that overwrite it. */
INLINE double logit_at(const row *w, int64_t c, bool cap)
{
    return (double)v_sum(v_keep(1, logit(w, c, 1, cap), v_set(0)));
}

/* The derivative of the cap where it made s. */
INLINE double slope_at(const ts_loss_args *a, double s)
{
    return 1 - s / (double)a->softcap * s / (double)a->softcap;
}

INLINE void xent_row(const ts_loss_args *a, int64_t r, bool cap, bool grad, ts_dtype t)
{
    const float weight = weight_of(a, r);
    const bool skip = skips(a, r);
    const row w = row_of(a, r, cap, grad, t);
    /* A capped row is the cap of its logits, which pass one of a gradient leaves in their place. */
    const vs most = skip && !a->argmax ? 0 : row_max(&w, cap, grad);
    if (a->argmax)
        a->argmax[r] = row_argmax(&w, v_set(most), cap && !grad);
    if (skip) {
        put_nothing(&w, r, grad, t);
        return;
    }
    const double at_label = logit_at(&w, w.label, cap && !grad);
    const double sum = row_sum(&w, v_set(most), cap && !grad, grad && !cap);
    const double lse = log(sum) + (double)most, p = exp(at_label - lse);
    if (a->loss)
        a->loss[r] = (float)(lse - at_label);
    if (!grad)
        return;
    if (cap)
        put_capped_gradients(&w, lse, weight, t);
    else
        put_gradients(&w, (double)weight / sum, t);
    const double slope = cap ? slope_at(a, at_label) : 1;
    ts_store_f32(w.d, w.label, t, (float)((double)weight * (p - 1) * slope));
}

/* ---- the columns of one process ---- */

/* The label's column, or -1: it is not here. */
INLINE int64_t label_here(const row *w)
{
    const int64_t c = w->label - w->a->first;
    return c >= 0 && c < w->a->cols ? c : -1;
}

INLINE void stats_row(const ts_loss_args *a, int64_t r, bool cap, bool grad, ts_dtype t)
{
    const bool skip = skips(a, r);
    const row w = row_of(a, r, cap, grad, t);
    const vs most = skip && !a->argmax ? 0 : row_max(&w, cap, grad);
    if (a->argmax)
        a->argmax[r] = (int32_t)(a->first + row_argmax(&w, v_set(most), cap && !grad));
    a->own_most[r] = (float)most;
    a->at_label[r] = a->sum[r] = 0;
    if (skip)
        return;
    const int64_t label = label_here(&w);
    if (label >= 0)
        a->at_label[r] = (float)logit_at(&w, label, cap && !grad);
    /* -inf in all columns here is fine as long as another process has a number. */
    const vs from = most > -INFINITY ? most : 0;
    a->sum[r] = (float)row_sum(&w, v_set(from), cap && !grad, grad && !cap);
}

INLINE void finish_row(const ts_loss_args *a, int64_t r, bool cap, bool grad, ts_dtype t)
{
    const row w = row_of(a, r, cap, grad, t);
    if (skips(a, r)) {
        put_nothing(&w, r, grad, t);
        return;
    }
    const double weight = (double)weight_of(a, r), at_label = (double)a->at_label[r];
    const double most = (double)a->most[r], sum = (double)a->sum[r], lse = log(sum) + most;
    if (a->loss)
        a->loss[r] = (float)(lse - at_label);
    if (!grad)
        return;
    if (cap)
        put_capped_gradients(&w, lse, (float)weight, t);
    else /* what is there are exponentials above the largest here */
        put_gradients(&w, weight / sum * exp((double)a->own_most[r] - most), t);
    const int64_t label = label_here(&w);
    const double slope = cap ? slope_at(a, at_label) : 1;
    if (label >= 0)
        ts_store_f32(w.d, label, t, (float)(weight * (exp(at_label - lse) - 1) * slope));
}

/* ---- kernels ---- */

enum { WHOLE, STATS, FINISH };

INLINE void rows_of(const ts_loss_args *a, int64_t begin, int64_t end, int what, bool cap,
                    bool grad, ts_dtype t)
{
    for (int64_t r = begin; r < end; r++)
        if (what == WHOLE)
            xent_row(a, r, cap, grad, t);
        else if (what == STATS)
            stats_row(a, r, cap, grad, t);
        else
            finish_row(a, r, cap, grad, t);
}

INLINE void run_rows(const ts_loss_args *a, int64_t begin, int64_t end, int what)
{
    const bool cap = a->softcap > 0;
    if (!a->dlogits && cap)
        rows_of(a, begin, end, what, true, false, TS_DTYPE_F32);
    else if (!a->dlogits)
        rows_of(a, begin, end, what, false, false, TS_DTYPE_F32);
    else if (cap)
        V_BY_DTYPE(a->d_dtype, rows_of, a, begin, end, what, true, true)
    else
        V_BY_DTYPE(a->d_dtype, rows_of, a, begin, end, what, false, true)
}

static void softmax_xent(const void *args, int64_t begin, int64_t end)
{
    run_rows(args, begin, end, WHOLE);
}

static void xent_stats(const void *args, int64_t begin, int64_t end)
{
    run_rows(args, begin, end, STATS);
}

static void xent_finish(const void *args, int64_t begin, int64_t end)
{
    run_rows(args, begin, end, FINISH);
}

static void softcap(const void *args, int64_t begin, int64_t end)
{
    const ts_loss_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const row w = { .a = a,
                        .z = a->logits + r * a->ld,
                        .cap = v_set(a->softcap),
                        .inverse_cap = v_set((vs)(1 / (double)a->softcap)) };
        for (int64_t c = 0; c < a->cols; c += V) {
            const int64_t n = a->cols - c < V ? a->cols - c : V;
            v_store(w.z + c, n, logit(&w, c, n, true));
        }
    }
}

void TS_ISA_NAME(ts_loss_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_softcap] = TS_ROWWISE_ROW(softcap, 1);
    table[TS_KERNEL_softmax_xent] = TS_ROWWISE_ROW(softmax_xent, 1);
    table[TS_KERNEL_xent_stats] = TS_ROWWISE_ROW(xent_stats, 1);
    table[TS_KERNEL_xent_finish] = TS_ROWWISE_ROW(xent_finish, 1);
}
