/* Stands in until every subject has its file. */
#include "device/cpu/cpu.h"
#define WEAK __attribute__((weak))
WEAK void ts_cpu_init_norm(ts_cpu *c) { (void)c; }
WEAK void ts_cpu_init_rope(ts_cpu *c) { (void)c; }
WEAK void ts_cpu_init_act(ts_cpu *c) { (void)c; }
WEAK void ts_cpu_init_elementwise(ts_cpu *c) { (void)c; }
WEAK void ts_cpu_init_embed(ts_cpu *c) { (void)c; }
WEAK void ts_cpu_init_loss(ts_cpu *c) { (void)c; }
WEAK void ts_cpu_init_optim(ts_cpu *c) { (void)c; }
WEAK void ts_cpu_init_gemm(ts_cpu *c) { (void)c; }
WEAK void ts_cpu_init_attn(ts_cpu *c) { (void)c; }
WEAK size_t ts_cpu_gemm_packed_bytes(const ts_device *d, ts_gemm_form form, ts_dtype dtype, int64_t n, int64_t k)
{
    (void)d, (void)form, (void)dtype, (void)n, (void)k;
    return 0;
}
