/* How a CPU keeps weights packed for products, as data that needs no CPU of that kind: `sim` foresees
 * with it the memory of a job on another machine. The kernels are held to it when they are compiled.
 *
 * A packed B [k, n], of the forms NT and NN, is panels of so many columns, each [k in units][columns].
 * A unit is 32 bits of neighbours along k: two of bf16, or four 8-bit integers. Panels of integers
 * have two rows of 32 bits more before each TS_GEMM_I8_BLOCK of k (device/cpu/gemm/gemm_i8.h). Floats
 * are not kept packed: panels of them would double the weights' memory, and packing them on the fly
 * costs one part in m of the product. */
#ifndef TS_DEVICE_PACKING_H
#define TS_DEVICE_PACKING_H
#include "device/kernels/gemm.h"

#include <stddef.h>

enum {
    TS_PACKING_PAIRS = 48,   /* columns of a panel of pairs: with AVX512_BF16 and AMX */
    TS_PACKING_I8_VNNI = 48, /* of integers: with AVX512_VNNI, and AMX beside it */
    TS_PACKING_I8 = 16,      /* and everywhere else */
};

typedef struct ts_packing {
    int pairs; /* columns of a panel; 0: bf16 is not kept packed */
    int i8;
} ts_packing;
/* Of a CPU with these instruction sets (TS_ISA_*). */
ts_packing ts_packing_of(unsigned isa);
/* Bytes of a packed B [k, n] on such a CPU; 0: that form and type are not kept packed. */
size_t ts_packing_bytes(unsigned isa, ts_gemm_form form, ts_dtype dtype, int64_t n, int64_t k);

static inline int64_t ts_i8_blocks(int64_t k)
{
    return (k + TS_GEMM_I8_BLOCK - 1) / TS_GEMM_I8_BLOCK;
}
static inline int64_t ts_i8_steps(int64_t k) { return (k + 3) / 4; }
/* Bytes of a panel. */
static inline int64_t ts_i8_panel(int64_t k, int64_t width)
{
    return (ts_i8_blocks(k) * 2 + ts_i8_steps(k)) * width * 4;
}
#endif
