#include "train/op_flops.h"

#include "base/log.h"

/* But for attn_join, which adds up what parts of attention gave: the account of what ran again leaves it out too. */
static bool is_product(ts_kernel_class c) { return c == TS_CLASS_GEMM || c == TS_CLASS_ATTENTION; }

ts_op_flops ts_op_flops_now(const ts_device *d)
{
    ts_op_flops f = { 0 };
    for (int k = 0; k < TS_KERNEL_COUNT; k++)
        if (is_product(ts_kernel_class_of((ts_kernel)k)) && k != TS_KERNEL_attn_join)
            f.all += d->stat[k].flops;
    for (int c = 0; c < TS_CLASSES; c++)
        if (is_product((ts_kernel_class)c))
            f.again += d->flops_again[c];
    return f;
}

void ts_op_interval_add(ts_op_interval *i, const ts_op_flops *before, const ts_op_flops *after, double seconds)
{
    i->flops.all += after->all - before->all;
    i->flops.again += after->again - before->again;
    i->seconds += seconds;
    i->steps++;
}

/* Numbers of operations are whole and below 2^53 here, so their sum is exact in any order. */
ts_status ts_op_interval_say(ts_op_interval *i, const ts_trainer *t)
{
    double sum[2] = { i->flops.all, i->flops.again };
    TS_TRY(ts_comm_run(t->comm, ts_all_reduce(sum, 2, TS_COMM_F64, TS_COMM_SUM)));
    const double processes = (double)t->comm->size, tera = i->seconds * processes * 1e12;
    if (t->comm->rank == 0 && i->steps)
        ts_log_raw(" iteration %8lld | operations of products in %lld steps: %.0f, recomputed: %.0f |"
                   " actual throughput per process (TFLOP/s): %.3f | with recomputation (TFLOP/s): %.3f |\n",
                   (long long)t->iteration, (long long)i->steps, sum[0] - sum[1], sum[1],
                   tera > 0 ? (sum[0] - sum[1]) / tera : 0, tera > 0 ? sum[0] / tera : 0);
    *i = (ts_op_interval){ 0 };
    return TS_OK;
}
