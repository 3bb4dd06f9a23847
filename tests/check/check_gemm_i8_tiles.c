/* Products in 8-bit integers by AMX, emulated: as in check_gemm_tiles. */
#define ts_i8_kernels_init_amx ts_i8_kernels_init_amx_emulated
#define ts_cpu_init_gemm_i8 ts_cpu_init_gemm_i8_emulated
#include "device/cpu/gemm/gemm_i8.c"
#undef ts_cpu_init_gemm_i8
#include "check.h"

void ts_cpu_init_gemm_i8_tiles(ts_cpu *c)
{
    if (c->isa & TS_ISA_VNNI)
        c->isa |= TS_ISA_AMX_I8;
    ts_cpu_init_gemm_i8_emulated(c);
}

void check_gemm_i8_tiles(const check_env *e)
{
    ts_i8_kernels kern;
    kernels_init(&kern, e->one->isa);
    check_case("panels are those that memory is foreseen with");
    check_equal("columns", 0, kern.width, ts_packing_of(e->one->isa).i8);
    if (e->isa & TS_ISA_VNNI && !(e->isa & TS_ISA_AMX_I8)) {
        check_gemm_i8(e);
        /* the same bits as by VNNI */
        check_case("trial");
        check_equal("TS_OK", 0, ts_cpu_try_amx(e->one), TS_OK);
        check_equal("AMX", 0, e->one->isa & TS_ISA_AMX_I8, TS_ISA_AMX_I8);
    }
}

void bench_gemm_i8_tiles(const check_env *e) { (void)e; }
