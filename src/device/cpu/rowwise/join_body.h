/* Attention in parts, put together, for any vocabulary (see norm_body.h). */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

#include <math.h>

INLINE void join_head(const ts_attn_join_args *a, int64_t at, ts_dtype t)
{
    const float one = a->acc_lse[at], two = a->lse[at];
    const int64_t d = a->head_dim;
    float *acc = a->acc + at * d;
    if (two == -INFINITY)
        return;
    /* exponentials of differences to the larger one: neither overflows, and one of them is 1 */
    const double most = one > two ? one : two, sum = exp(one - most) + exp(two - most);
    const vf old = v_set((vs)(exp(one - most) / sum)), new = v_set((vs)(exp(two - most) / sum));
    for (int64_t c = 0; c < d; c += V) {
        const int64_t n = d - c < V ? d - c : V;
        vf x = v_mul(new, v_load_as(a->o, at * d + c, n, t));
        if (one != -INFINITY) /* acc may be anything */
            x = v_fma(old, v_load(acc + c, n), x);
        v_store(acc + c, n, x);
    }
    a->acc_lse[at] = (float)(most + log(sum));
}

INLINE void join_rows(const ts_attn_join_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t at = begin * a->n_q; at < end * a->n_q; at++)
        join_head(a, at, t);
}

static void join(const void *args, int64_t begin, int64_t end)
{
    const ts_attn_join_args *a = args;
    V_BY_DTYPE(a->dtype, join_rows, a, begin, end)
}

void TS_ISA_NAME(ts_join_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_attn_join] = TS_ROWWISE_ROW(join, 0);
}
