#include "device/packing.h"

#include "device/isa.h"

/* As ts_gemm_kernels_init and its like for integers choose. */
ts_packing ts_packing_of(unsigned isa)
{
    const unsigned vnni = TS_ISA_AVX512 | TS_ISA_VNNI;
    return (ts_packing){ .pairs = isa & (TS_ISA_BF16 | TS_ISA_AMX) ? TS_PACKING_PAIRS : 0,
                         .i8 = (isa & vnni) == vnni ? TS_PACKING_I8_VNNI : TS_PACKING_I8 };
}

static int64_t panels(int64_t n, int64_t width) { return (n + width - 1) / width; }

size_t ts_packing_bytes(unsigned isa, ts_gemm_form form, ts_dtype dtype, int64_t n, int64_t k)
{
    const ts_packing p = ts_packing_of(isa);
    if (dtype == TS_DTYPE_I8)
        return (size_t)(panels(n, p.i8) * ts_i8_panel(k, p.i8));
    if (dtype != TS_DTYPE_BF16 || form == TS_GEMM_TN || !p.pairs)
        return 0;
    return (size_t)(panels(n, p.pairs) * p.pairs * ((k + 1) / 2)) * 4;
}
