/* The inside of matrix multiplication on the CPU.
 *
 * Operands are cut in panels of 32-bit units: a unit is one float, or a pair of bf16 that follow
 * each other along k (vdpbf16ps multiplies pairs). A `step` is one unit of k. A panel of width w is
 * [steps][w] units; B has panels of `width` columns, A (where it cannot be read in place) of `rows`
 * rows. What is missing of a last panel or step is zero.
 *
 * One tile of C is computed by one call for one slice of k; a slice is always summed front to back,
 * and slices are added up in order, so that the bits of an element depend on k and the variant
 * alone. */
#ifndef TS_DEVICE_CPU_GEMM_GEMM_KERNELS_H
#define TS_DEVICE_CPU_GEMM_GEMM_KERNELS_H
#include "device/cpu/helpers.h"
#include "device/cpu/kernel.h"

/* C tile = sum over steps + from + bias + add, in this order. */
typedef struct ts_gemm_tile {
    const char *a;          /* unit (row i, step s) lies at a + i * a_row + s * a_step bytes */
    int64_t a_row, a_step;
    const char *a_next;     /* of the tile that comes next, for prefetching */
    const char *b;          /* [steps][width] units */
    const char *ahead;      /* [steps] lines of 64 bytes, to bring near meanwhile */
    int64_t steps;          /* full ones */
    bool half_step;         /* one more step, of which A, read in place, has the first half only */
    int rows, cols;         /* 1..kernels' rows, 1..width */
    const float *from;      /* [rows, cols], from_ld; or NULL */
    int64_t from_ld;
    const float *bias;      /* [cols] or NULL */
    const void *add;        /* like c, or NULL */
    void *c;                /* [rows, cols], ldc */
    int64_t ldc;
    ts_dtype c_dtype;
} ts_gemm_tile;

/* Panels [begin / width, end / width) for x in [begin, end) and the steps in [s_begin, s_end). */
typedef struct ts_gemm_panels {
    const void *src;        /* k_major: [n_k, n_x]; else [n_x, n_k]; ld elements from row to row */
    int64_t ld, n_x, n_k;
    ts_dtype src_dtype;
    bool k_major, pairs;    /* pairs: units are pairs of bf16; else floats */
    bool past;              /* panels go past the caches; dst at a multiple of 64 */
    int width;
    char *dst;              /* [panels][steps][width] units */
    int64_t steps;
} ts_gemm_panels;

typedef void ts_gemm_tile_fn(const ts_gemm_tile *t);
/* x_begin is a multiple of the width, s_begin of 8; x_end is a multiple of the width too, or n_x. */
typedef void ts_gemm_pack_fn(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end,
                             int64_t s_begin, int64_t s_end);
enum { TS_GEMM_PACK_X = 96 }; /* a multiple of every width and of every number of rows */

typedef struct ts_gemm_kernels {
    int rows, width;        /* of a tile; 0: no such kernel */
    bool pairs;
    ts_gemm_tile_fn *tile;
    ts_gemm_pack_fn *pack;
    /* Of A alone, where it cannot be read in place: to rows [n_x][steps] instead of panels; NULL:
     * pack does it. */
    ts_gemm_pack_fn *pack_a;
    /* Round the tiles of a thread, for kernels with a state of the processor; or NULL. */
    void (*begin)(void), (*end)(void);
} ts_gemm_kernels;

/* Each fills only what it does better; `pairs` kernels are for BF16 operands alone. */
TS_ANY_CPU void ts_gemm_kernels_init_avx2(ts_gemm_kernels *k);
TS_ANY_CPU void ts_gemm_kernels_init_avx512(ts_gemm_kernels *k);
TS_ANY_CPU void ts_gemm_kernels_init_bf16(ts_gemm_kernels *k);
TS_ANY_CPU void ts_gemm_kernels_init_amx(ts_gemm_kernels *k);
/* Chooses kernels for operands of `dtype`; rows is 0 when only the reference can. */
void ts_gemm_kernels_init(ts_gemm_kernels *k, unsigned isa, ts_dtype dtype);

/* The specification: sums in double, one rounding to float, then C, bias and add. Packs nothing. */
void ts_gemm_ref(ts_cpu *cpu, const void *args, int64_t n);
#endif
