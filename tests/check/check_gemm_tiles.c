/* Matrix products by AMX, emulated: the driver once more with those kernels, and all that check_gemm
 * demands of the others. On a CPU with AMX the kernels themselves are checked there. */
#define ts_gemm_kernels_init ts_gemm_kernels_init_emulated
#define ts_gemm_kernels_init_amx init_emulated
#define ts_cpu_init_gemm ts_cpu_init_gemm_emulated
#include "device/cpu/gemm/gemm_kernels.h"

void ts_gemm_kernels_init_amx_emulated(ts_gemm_kernels *k);
static bool is_wrong; /* a processor that does not what it says */

static void wrong_tile(const ts_gemm_tile *t)
{
    ts_gemm_kernels k;
    ts_gemm_kernels_init_amx_emulated(&k);
    k.tile(t);
    if (t->c_dtype == TS_DTYPE_F32 && t->rows == 5)
        ((float *)t->c)[t->ldc * 4] += 0.125f;
}

void init_emulated(ts_gemm_kernels *k)
{
    ts_gemm_kernels_init_amx_emulated(k);
    if (is_wrong)
        k->tile = wrong_tile;
}

#include "device/cpu/gemm/gemm.c"
#undef ts_cpu_init_gemm
#include "base/log.h"
#include "check.h"

void ts_cpu_init_gemm_tiles(ts_cpu *c)
{
    if (c->isa & TS_ISA_AVX512)
        c->isa |= TS_ISA_AMX;
    ts_cpu_init_gemm_emulated(c);
}

/* The trial at a device's opening. */
static void trial(ts_cpu *c, bool wrong)
{
    const unsigned all = c->isa;
    check_case("trial of %s processor", wrong ? "a wrong" : "a right");
    is_wrong = wrong;
    if (ts_cpu_try_amx(c) != TS_OK)
        check_fail("the trial: %s", ts_error_message());
    check_equal("AMX", 0, c->isa, wrong ? all & ~(unsigned)TS_ISA_AMX : all);
    is_wrong = false;
    c->isa = all;
}

void check_gemm_tiles(const check_env *e)
{
    /* once is enough; the emulation packs by AVX-512 */
    if (e->isa & TS_ISA_AVX512 && !(e->isa & TS_ISA_BF16)) {
        check_env bf16 = *e;
        bf16.bf16_only = true;
        check_gemm(&bf16);
        trial(e->one, false);
        ts_log_init(TS_LOG_ERROR, ""); /* not a word of the wrong one */
        trial(e->two, true);
        return;
    }
    ts_gemm_kernels with, plain;
    check_case("no tiles for other types");
    ts_gemm_kernels_init(&with, e->isa | TS_ISA_AMX, TS_DTYPE_F16);
    ts_gemm_kernels_init(&plain, e->isa, TS_DTYPE_F16);
    check_equal("rows", 0, with.rows, plain.rows);
}

void bench_gemm_tiles(const check_env *e) { (void)e; }
