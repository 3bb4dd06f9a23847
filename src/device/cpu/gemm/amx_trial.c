#include "base/log.h"
#include "device/cpu/gemm/gemm.h"
#include "device/packing.h"

#include <string.h>

/* More than a tile of rows and a panel of columns, both with an edge; a broken group of steps, the
 * last step half. Of small multiples of 1/8 every sum is exact, in any order. */
enum { M = 37, N = 50, K = 75 };

typedef struct trial {
    uint16_t a[M * K], b[N * K];
    float bias[N], c[2][M * N]; /* with AMX, without */
    char packed[N * K * 8];
} trial;

static void fill(uint16_t *x, int n, int seed)
{
    for (int i = 0; i < n; i++)
        x[i] = ts_f32_to_bf16((float)((i * 37 + seed) % 25 - 12) / 8);
}

static bool same(ts_cpu *cpu, ts_kernel kernel, ts_gemm_args *g, trial *t)
{
    const unsigned isa[] = { cpu->isa, cpu->isa & ~(unsigned)(TS_ISA_AMX | TS_ISA_AMX_I8) };
    for (int i = 0; i < 2; i++) {
        cpu->isa = isa[i];
        g->c = t->c[i];
        cpu->kernel[kernel].whole(cpu, g, 0);
    }
    cpu->isa = isa[0];
    return !memcmp(t->c[0], t->c[1], sizeof t->c[0]);
}

static bool bf16_is_same(ts_cpu *cpu, trial *t)
{
    bool is = true;
    for (int form = TS_GEMM_NT; form <= TS_GEMM_TN; form++) {
        const bool tn = form == TS_GEMM_TN, nt = form == TS_GEMM_NT;
        ts_gemm_args g = { .form = (ts_gemm_form)form, .m = M, .n = N, .k = K, .a = t->a,
                           .b = t->b, .lda = tn ? M : K, .ldb = nt ? K : N, .ldc = N,
                           .dtype = TS_DTYPE_BF16, .c_dtype = TS_DTYPE_F32,
                           .bias = nt ? NULL : t->bias };
        is = same(cpu, TS_KERNEL_gemm, &g, t) && is;
    }
    return is;
}

static bool int8_is_same(ts_cpu *cpu, trial *t)
{
    const ts_gemm_pack_args p = { .form = TS_GEMM_NT, .n = N, .k = K, .ld = K,
                                  .src_dtype = TS_DTYPE_BF16, .dtype = TS_DTYPE_I8, .src = t->b,
                                  .dst = t->packed };
    ts_gemm_args g = { .form = TS_GEMM_NT, .m = M, .n = N, .k = K, .a = t->a, .b = t->packed,
                       .b_packed = true, .lda = K, .ldc = N, .dtype = TS_DTYPE_BF16,
                       .c_dtype = TS_DTYPE_F32, .bias = t->bias };
    TS_ASSERT(ts_packing_bytes(cpu->isa, p.form, p.dtype, N, K) <= sizeof t->packed,
              "room for the panels");
    cpu->kernel[TS_KERNEL_gemm_i8_pack].whole(cpu, &p, 0);
    return same(cpu, TS_KERNEL_gemm_i8, &g, t);
}

ts_status ts_cpu_try_amx(ts_cpu *cpu)
{
    trial *t;
    if (!(cpu->isa & (TS_ISA_AMX | TS_ISA_AMX_I8)))
        return TS_OK;
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    fill(t->a, M * K, 1), fill(t->b, N * K, 2);
    for (int i = 0; i < N; i++)
        t->bias[i] = (float)(i % 7) / 4;
    if ((cpu->isa & TS_ISA_AMX && !bf16_is_same(cpu, t)) ||
        (cpu->isa & TS_ISA_AMX_I8 && !int8_is_same(cpu, t))) {
        ts_log(TS_LOG_WARN, "AMX multiplies differently from AVX-512 here, and is not used");
        cpu->isa &= ~(unsigned)(TS_ISA_AMX | TS_ISA_AMX_I8);
    }
    ts_free(&t);
    return TS_OK;
}
