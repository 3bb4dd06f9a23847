/* One case of attention: its kernels run, every element judged by attn_oracle.h. */
#ifndef TS_TESTS_ATTN_JUDGE_H
#define TS_TESTS_ATTN_JUDGE_H
#include "attn_case.h"

#include <stdio.h>

static oracle oracle_of(const ts_attn_args *a)
{
    const sizes n = sizes_of(a);
    return (oracle){ check_f64(n.o),  check_f64(n.o),  check_f64(n.stat), check_f64(n.stat),
                     check_f64(n.stat), check_f64(n.stat),
                     check_f64(n.q),  check_f64(n.kv), check_f64(n.kv),   check_f64(n.q),
                     check_f64(n.kv), check_f64(n.kv), check_f64(a->n_q), check_f64(a->n_q) };
}

static void judge_forward(const ts_attn_args *a, const oracle *w)
{
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t h = 0; h < a->n_q; h++)
            for (int64_t i = 0; i < a->S_q; i++) {
                const int64_t stat = stat_index(a, b, h, i), o = o_index(a, b, h, i);
                if (i >= q_len(a, b)) {
                    check_untouched("o", a->o, o, a->head_dim, a->dtype);
                    if (a->lse)
                        check_untouched("lse", a->lse, stat, 1, TS_DTYPE_F32);
                    continue;
                }
                if (a->lse)
                    check_near("lse", stat, a->lse[stat], w->lse[stat], w->lse_err[stat]);
                if (a->top)
                    check_near("top", stat, a->top[stat], w->top[stat], w->top_err[stat]);
                for (int64_t c = 0; c < a->head_dim; c++)
                    check_elem("o", a->o, o + c, a->dtype, w->o[o + c], w->o_err[o + c]);
            }
}

static void judge_backward(const ts_attn_args *a, const oracle *w)
{
    const int64_t D = a->head_dim, r = a->n_q / a->n_kv;
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t h = 0; h < a->n_q; h++)
            for (int64_t i = 0; i < a->S_q; i++) {
                const int64_t q = q_index(a, b, h, i);
                if (i >= q_len(a, b))
                    check_untouched("dq", a->dq, q, D, a->dtype);
                for (int64_t c = 0; i < q_len(a, b) && c < D; c++)
                    check_elem("dq", a->dq, q + c, a->dtype, w->dq[q + c], w->dq_err[q + c]);
            }
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t h = 0; h < a->n_q; h += r)
            for (int64_t j = 0; j < a->kv_batch; j++) {
                const int64_t k = kv_index(a, b, h, j);
                if (j >= kv_len(a, b)) {
                    check_untouched("dk", a->dk, k, D, a->dtype);
                    check_untouched("dv", a->dv, k, D, a->dtype);
                }
                for (int64_t c = 0; j < kv_len(a, b) && c < D; c++) {
                    check_elem("dk", a->dk, k + c, a->dtype, w->dk[k + c], w->dk_err[k + c]);
                    check_elem("dv", a->dv, k + c, a->dtype, w->dv[k + c], w->dv_err[k + c]);
                }
            }
    for (int64_t b = 0; b < a->B; b++) /* what stands between and behind the heads of a row */
        for (int64_t i = 0; i < a->S_q; i++) {
            const int64_t end = a->q_group == r * D ? a->n_q * D : a->n_kv * a->q_group;
            check_untouched("the end of a row of dq", a->dq, (b * a->q_batch + i) * a->q_row + end,
                            a->q_row - end, a->dtype);
        }
    for (int64_t b = 0; b < a->B; b++) /* between sequences */
        check_untouched("rows between sequences of dq", a->dq, (b * a->q_batch + a->S_q) * a->q_row,
                        (a->q_batch - a->S_q) * a->q_row, a->dtype);
}

/* The gradients' buffers, like the inputs'. */
static void outputs(ts_attn_args *a, const geometry *g)
{
    const sizes n = sizes_of(a);
    const int64_t r = a->n_q / a->n_kv;
    if (g->fused) {
        char *all = check_out(a->dtype, n.q);
        const size_t e = ts_dtype_size(a->dtype);
        a->dq = all, a->dk = all + (size_t)(r * a->head_dim) * e,
        a->dv = all + (size_t)((r + 1) * a->head_dim) * e;
    } else {
        a->dq = check_out(a->dtype, n.q), a->dk = check_out(a->dtype, n.kv),
        a->dv = check_out(a->dtype, n.kv);
    }
    a->delta = check_out(TS_DTYPE_F32, n.stat);
    if (g->sinks)
        a->dsinks = check_inout(33, TS_DTYPE_F32, a->n_q, 1);
}

static void name_case(const geometry *g)
{
    char mask[96] = "";
    if (g->mask)
        snprintf(mask, sizeof mask, " mask %d left %lld right %lld offset %lld", g->mask->kind,
                 (long long)g->mask->left, (long long)g->mask->right, (long long)g->mask->offset);
    check_case("%s B %lld S %lld x %lld heads %lld / %lld x %lld size %g%s%s%s%s%s%s%s%s%s cap %g "
               "drop %g window %lld%s",
               ts_dtype_name(g->dtype), (long long)g->B, (long long)g->S_q, (long long)g->S_kv,
               (long long)g->n_q, (long long)g->n_kv, (long long)g->D, g->size,
               g->causal ? " causal" : "", g->fused ? " fused" : "",
               g->docs ? " docs" : g->blind ? " blind" : "", g->ends ? " ends" : "",
               g->lengths ? " lengths" : "", g->sinks ? " sinks" : "", g->slopes ? " slopes" : "",
               g->cache ? " cache" : "", g->gap ? " gap" : "", g->softcap, g->dropout,
               (long long)g->window, mask);
}

/* Forward, and the backward from exact values. */
static void one_case(const check_env *e, const geometry *g, bool backward)
{
    name_case(g);
    const bool half_products = g->dtype == TS_DTYPE_BF16 && (e->isa & TS_ISA_BF16);
    const units unit = { CHECK_U, half_products ? 0x1p-8 : 0, half_products ? 4e-6 : 2 * CHECK_U };
    ts_attn_args a = args_of(g);
    add_masks(&a, g);
    const doubles x = inputs(&a, g);
    const sizes n = sizes_of(&a);
    oracle w = oracle_of(&a);
    each_row(&a, &x, &unit, &w, forward_row);
    a.o = check_out(a.dtype, n.o);
    a.lse = g->window == 5 ? NULL : check_out(TS_DTYPE_F32, n.stat);
    a.top = g->window == 5 ? NULL : check_out(TS_DTYPE_F32, n.stat);
    check_kernel(e, TS_KERNEL_attn_fwd, &a, 1);
    judge_forward(&a, &w);
    if (!backward || !a.lse)
        return;
    for (int64_t i = 0; i < n.o; i++) { /* backward is given the exact values, as they are stored */
        ts_store_f32(a.o, i, a.dtype, (float)w.o[i]);
        w.o[i] = check_get(a.o, i, a.dtype);
    }
    for (int64_t i = 0; i < n.stat; i++)
        w.lse[i] = a.lse[i] = (float)w.lse[i];
    check_touched(a.o);
    check_touched(a.lse);
    outputs(&a, g);
    each_row(&a, &x, &unit, &w, backward_row);
    check_kernel(e, TS_KERNEL_attn_bwd, &a, 1);
    judge_backward(&a, &w);
    for (int64_t h = 0; g->sinks && h < a.n_q; h++) {
        const double before = check_before(a.dsinks, h, TS_DTYPE_F32);
        check_near("dsinks", h, a.dsinks[h], before + w.dsinks[h],
                   w.dsinks_err[h] + CHECK_U * 2 * (fabs(before) + fabs(w.dsinks[h])));
    }
}
#endif
