/* Attention on the CPU: which body runs. */
#include "device/cpu/attn/attn.h"
#include "device/cpu/kernel.h"

bool ts_attn_choose_body(const ts_cpu *c, const ts_attn_args *a, ts_attn_body *body)
{
#if defined(__x86_64__)
    if (a->head_dim > TS_ATTN_MOST_DIM)
        return false;
    if ((c->isa & TS_ISA_BF16) && (c->isa & TS_ISA_AVX512) && a->dtype == TS_DTYPE_BF16)
        ts_attn_body_init_bf16(body);
    else if (c->isa & TS_ISA_AVX512)
        ts_attn_body_init_avx512(body);
    else if (c->isa & TS_ISA_AVX2)
        ts_attn_body_init_avx2(body);
    else
        return false;
    return true;
#else
    (void)c, (void)a, (void)body;
    return false;
#endif
}

void ts_cpu_init_attn(ts_cpu *c)
{
    ts_attn_body body;
    const ts_attn_args bf16 = { .dtype = TS_DTYPE_BF16 };
    if (!ts_attn_choose_body(c, &bf16, &body))
        body.name = "ref";
    c->kernel[TS_KERNEL_attn_fwd] = (ts_cpu_kernel){ .whole = ts_attn_fwd, .variant = body.name };
    c->kernel[TS_KERNEL_attn_bwd] = (ts_cpu_kernel){ .whole = ts_attn_bwd, .variant = body.name };
}
