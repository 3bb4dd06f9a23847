/* Matrix products by AMX, emulated: the driver once more with those kernels, and all that check_gemm
 * demands of the others. On a CPU with AMX the kernels themselves are checked there. */
#define ts_gemm_kernels_init ts_gemm_kernels_init_emulated
#define ts_gemm_kernels_init_amx ts_gemm_kernels_init_amx_emulated
#define ts_cpu_init_gemm ts_cpu_init_gemm_emulated
#define ts_cpu_gemm_packed_bytes ts_cpu_gemm_packed_bytes_emulated
#include "device/cpu/gemm.c"
#undef ts_cpu_init_gemm
#undef ts_cpu_gemm_packed_bytes
#include "check.h"

void ts_cpu_init_gemm_amx(ts_cpu *c)
{
    if (c->isa & TS_ISA_AVX512)
        c->isa |= TS_ISA_AMX;
    ts_cpu_init_gemm_emulated(c);
}

void check_gemm_amx(const check_env *e)
{
    /* once is enough; the emulation packs by AVX-512 */
    if (e->isa & TS_ISA_AVX512 && !(e->isa & TS_ISA_BF16)) {
        check_env bf16 = *e;
        bf16.bf16_only = true;
        check_gemm(&bf16);
        return;
    }
    ts_gemm_kernels with, plain;
    check_case("no tiles for other types");
    ts_gemm_kernels_init(&with, e->isa | TS_ISA_AMX, TS_DTYPE_F16);
    ts_gemm_kernels_init(&plain, e->isa, TS_DTYPE_F16);
    check_equal("rows", 0, with.rows, plain.rows);
}

void bench_gemm_amx(const check_env *e) { (void)e; }
