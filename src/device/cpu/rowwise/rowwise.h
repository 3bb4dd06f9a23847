/* How a row-wise subject is put together: <subject>_body.h is compiled once per instruction set,
 * each time with one exported function, and <subject>.c chooses: ts_cpu_init_<subject> fills the
 * subject's rows of the table for the instruction sets in c->isa. */
#ifndef TS_DEVICE_CPU_ROWWISE_ROWWISE_H
#define TS_DEVICE_CPU_ROWWISE_ROWWISE_H
#include "device/cpu/kernel.h"

#define TS_ROWWISE_DECLARE(subject)                                \
    void ts_cpu_init_##subject(ts_cpu *c);                          \
    void ts_##subject##_kernels_init_ref(ts_cpu_kernel *table);    \
    void ts_##subject##_kernels_init_avx2(ts_cpu_kernel *table);   \
    void ts_##subject##_kernels_init_avx512(ts_cpu_kernel *table);
TS_ROWWISE_DECLARE(norm)
TS_ROWWISE_DECLARE(rope)
TS_ROWWISE_DECLARE(act)
TS_ROWWISE_DECLARE(elementwise)
TS_ROWWISE_DECLARE(join)
TS_ROWWISE_DECLARE(embed)
TS_ROWWISE_DECLARE(experts)
TS_ROWWISE_DECLARE(loss)
TS_ROWWISE_DECLARE(optim)
TS_ROWWISE_DECLARE(conv)
TS_ROWWISE_DECLARE(gate)
TS_ROWWISE_DECLARE(altup)
TS_ROWWISE_DECLARE(product)
TS_ROWWISE_DECLARE(unit_rows)
TS_ROWWISE_DECLARE(dsa)
TS_ROWWISE_DECLARE(compress)
#undef TS_ROWWISE_DECLARE
void ts_cpu_init_narrow(ts_cpu *c); /* of plain C alone, as the next */
void ts_cpu_init_distill(ts_cpu *c);
void ts_cpu_init_distill_kept(ts_cpu *c);
void ts_cpu_init_prefer(ts_cpu *c);
void ts_cpu_init_heads(ts_cpu *c);
void ts_cpu_init_kv_code(ts_cpu *c);
void ts_cpu_init_hyper(ts_cpu *c);
void ts_cpu_init_route(ts_cpu *c);
void ts_cpu_init_ngram(ts_cpu *c);

/* A row of the table; shares are multiples of `unit` items. */
#define TS_ROWWISE_STRING_(x) #x
#define TS_ROWWISE_STRING(x) TS_ROWWISE_STRING_(x)
#define TS_ROWWISE_ROW(fn, unit) \
    ((ts_cpu_kernel){ .rows = (fn), .variant = TS_ROWWISE_STRING(TS_ISA), .grain = (unit) })

/* Column kernels are shared out by so many columns: whole cache lines, and whole vectors of every
 * ISA. */
enum { TS_ROWWISE_COLUMNS = 64 };

/* Fills the subject's rows: the reference, then what the instruction sets in c->isa do better. */
typedef void ts_rowwise_init_fn(ts_cpu_kernel *table);
static inline void ts_rowwise_choose(ts_cpu *c, ts_rowwise_init_fn *ref, ts_rowwise_init_fn *avx2,
                                     ts_rowwise_init_fn *avx512)
{
    ref(c->kernel);
    if (avx2 && c->isa & TS_ISA_AVX2)
        avx2(c->kernel);
    if (avx512 && c->isa & TS_ISA_AVX512)
        avx512(c->kernel);
}
#if defined(__x86_64__)
#define TS_ROWWISE_CHOOSE(c, subject)                              \
    ts_rowwise_choose(c, ts_##subject##_kernels_init_ref, ts_##subject##_kernels_init_avx2, \
                      ts_##subject##_kernels_init_avx512)
#else
#define TS_ROWWISE_CHOOSE(c, subject)                                                              \
    ts_rowwise_choose(c, ts_##subject##_kernels_init_ref, NULL, NULL)
#endif
#endif
